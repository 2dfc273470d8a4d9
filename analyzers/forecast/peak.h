/*
 * How high a rate will go: quantiles of its maximum over the next slots, by a small net (quantile_net.h)
 * on the logarithm of that maximum against the present level, for those who must have the capacity before
 * it is needed.
 *
 *   open -> fit -> step, predict, step, predict ... -> close
 *
 * Inputs are 68 log ratios to the present level (mean of the two newest slots) and the calendar: the level
 * some slots before, means, maximum and minimum of late, what followed a day and a week ago, time of day
 * and hour, bursts by the minute of the hour, the slots since the last burst.
 *
 * Beside it stand fixed multiples of the present level, the quantiles of what the maximum was of it where
 * the net was fitted: what the net must beat to be worth anything (peak_skill).
 *
 * What is said corrects itself: each quantile is multiplied by exp(c), and c goes up by rate * q after an
 * outcome above it and down by rate * (1 - q) after any other (adaptive conformal inference; Gibbs, Candes,
 * NeurIPS 2021), within PEAK_SHIFT_LOW to PEAK_SHIFT_HIGH.
 *
 * Missing is not zero: a slot that is not known counts nowhere, and with the two newest missing nothing is
 * said.
 *
 * Limits: PEAK_HORIZON_MAX slots ahead; days of at most PEAK_DAY_SLOTS_MAX slots; two bytes a slot of the
 *   last eight days, whose values are kept to a 512th, and 20 kB. Memory is taken by open and fit, never by
 *   step and predict.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_PEAK_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_PEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define PEAK_LEVELS 10
#define PEAK_INPUTS 68
#define PEAK_HORIZON_MAX 240
#define PEAK_DAY_SLOTS_MAX 5760
#define PEAK_RATE .0007
#define PEAK_SHIFT_LOW (-.3)
#define PEAK_SHIFT_HIGH 1.5
/* Slots with an outcome, without which there is nothing to fit. */
#define PEAK_FIT_SLOTS_MIN 500
/* Outcomes, without which there is no skill. */
#define PEAK_SKILL_OUTCOMES 60

/* .3 .5 .7 .8 .9 .95 .98 .99 .995 .999 */
extern const float peak_levels[PEAK_LEVELS];

struct peak_config {
	int64_t slot_ms; /* a divisor of a minute */
	size_t horizon;  /* slots ahead, 1 to PEAK_HORIZON_MAX */
	size_t epochs;
	uint64_t seed;
	/* The last part of what is given to a fit, 0 to .5, that is not fitted to but stepped along, so that
	 * corrections and skill are of slots the net has not seen. */
	double holdout;
};

struct pack;
struct peak;

/* Slots of 15 s, 10 ahead, 16 epochs, no holdout. */
void peak_config_default(struct peak_config *config);
/* NULL: STATUS_BAD_INPUT names the field; STATUS_NO_MEMORY. */
struct peak *peak_open(const struct peak_config *config, struct error *error) MUST_CHECK;
/* values: [count] slots from start_ms on, rates of at least 0, NaN: missing. Afterwards the state stands
 * at the last slot. At most once, before the first step. STATUS_BAD_INPUT: less than
 * PEAK_FIT_SLOTS_MIN slots with an outcome. */
enum status peak_fit(struct peak *peak, const double *values, size_t count, int64_t start_ms,
	struct error *error) MUST_CHECK;
/* The next slot. A time that is not behind the last one changes nothing; slots left out are missing. */
void peak_step(struct peak *peak, double value, int64_t at_ms);
/* quantiles: [PEAK_LEVELS], ascending, of the maximum of the next slots, as of the last step; all NaN:
 * nothing is known. */
void peak_predict(const struct peak *peak, double *quantiles);
/* 1 - loss / loss of the fixed multiples, the mean pinball losses of all quantiles over about the last day of
 * outcomes; below 0: worse than those. NaN before PEAK_SKILL_OUTCOMES outcomes. */
double peak_skill(const struct peak *peak);
/* All of its state (analyzers/pack.h), from and to one opened with the same configuration. */
void peak_pack(struct peak *peak, struct pack *pack);
/* Bytes of memory held, about. */
size_t peak_size(const struct peak *peak);
/* The time of the last slot; false: none yet. */
bool peak_last(const struct peak *peak, int64_t *at_ms);
/* NULL is allowed. */
void peak_close(struct peak *peak);

#endif
