/*
 * What a workload's traffic of the last eight days tells about its next minutes: a row of 68 features for
 * each slot, for the forecasts of foresight.h.
 *
 * The present level l2 is the mean of the two newest slots. Features, log ratios to l2 within +-3: l2 so
 * many slots ago (11); means of 8, 40, 120 slots, maximum and minimum of 40, the newest slot; for one and
 * seven days ago the maximum of what followed within the horizon, the level of the five minutes before,
 * the maximum of five minutes around, the slope (8). Then the time of day (6) and of the hour (4); mean and
 * maximum size of the bursts in the minutes of the hour that the horizon holds, the time since the last
 * burst; the minute of the half hour, one-hot (30). A burst is an l2 above 1.6 times its slow mean.
 *
 * Missing is not zero: a missing slot stands in as the last known value and is marked; what is older than
 * the first known slot says nothing (0).
 *
 * Ownership: init and fini on the caller's struct; a memory is a plain value.
 * Limits: TRAFFIC_SLOTS slots are kept, 4 bytes each.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_TRAFFIC_H
#define NIMBUSGUARD_ANALYZERS_SCALER_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/scaler/policy.h"
#include "base/error.h"

#define TRAFFIC_FEATURES 68
/* Kept for certain, and room behind it, so that moving is rare. A night looks at the day that ended with
 * seven days before it. */
#define TRAFFIC_KEPT ((size_t)9 * POLICY_SLOTS_PER_DAY)
#define TRAFFIC_SLOTS (TRAFFIC_KEPT + POLICY_SLOTS_PER_DAY)
#define TRAFFIC_HORIZON_MAX 40

struct traffic {
	float *slots;  /* requests a second; below 0 or -0: missing, the last known one stands in */
	size_t count;  /* in slots[] */
	int64_t first; /* number of slots[0], in slots of 15 s since 1970 */
};

/* What is known of bursts as of one slot. */
struct traffic_memory {
	double slow;  /* slow mean of l2; NaN: none yet */
	double since; /* slots since the last burst */
	double burst_mean[60], burst_max[60];
};

enum status traffic_init(struct traffic *traffic, struct error *error) MUST_CHECK;
void traffic_fini(struct traffic *traffic);
/* Forgets all. */
void traffic_reset(struct traffic *traffic);
void traffic_memory_init(struct traffic_memory *memory);

/* The reading of a slot; rate below 0 or not finite: missing. Slots left out are missing; one that is not
 * behind the last changes nothing and gives false. */
bool traffic_add(struct traffic *traffic, int64_t slot, double rate);
/* Whether slots[at] was read; the rate that stands there in any case. */
bool traffic_known(const struct traffic *traffic, size_t at);
double traffic_rate(const struct traffic *traffic, size_t at);
/* l2 as of slots[at]; NaN: neither of the two newest slots is known. */
double traffic_level(const struct traffic *traffic, size_t at);
/* The maximum of slots[from .. from + count). */
double traffic_maximum(const struct traffic *traffic, size_t from, size_t count);

/* Takes slots[at] into the memory; for each slot in turn. */
void traffic_memory_step(struct traffic_memory *memory, const struct traffic *traffic, size_t at);
/* rows: for each horizon (slots, at most TRAFFIC_HORIZON_MAX) TRAFFIC_FEATURES numbers; the memory is that
 * of slots[at], whose level is known. */
void traffic_features(const struct traffic *traffic, const struct traffic_memory *memory, size_t at,
	const size_t *horizons, size_t horizon_count, float (*rows)[TRAFFIC_FEATURES]);
/* ln(rate / level), both raised by a hundredth of the usual level, within +-3: the scale of all features
 * and forecasts; and back. */
double traffic_ratio(const struct traffic_memory *memory, double level, double rate);
double traffic_unratio(const struct traffic_memory *memory, double level, double ratio);
/* Deviation of the log level over the last forty slots: how nervous the traffic is. */
double traffic_unrest(const struct traffic *traffic, size_t at);

#endif
