/*
 * The demand to come of one workload: quantiles of the highest minute of the next fifteen, of its request
 * rate, or of its CPU where no request rate is known, by a small net of its own (forecast/peak.h).
 *
 * It is fitted to the first three quarters of the minutes of the 1-minute tier and steps along the last
 * quarter, which it has not seen: what it was worth there, and since, is its skill against fixed multiples of
 * the present level. It serves while that is above 0, and one that was fitted later takes its place
 * only with more skill over the last day (demand_beats).
 *
 * Ownership: a demand belongs to its workload once it is adopted.
 * Limits: OUTLOOK_TRAIN_ROWS_MAX rows; about 42 kB a workload.
 * Threads: one at a time a demand. demand_train(), demand_restore(): any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DEMAND_H
#define NIMBUSGUARD_ANALYZERS_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workload.h"
#include "store/rollup.h"

#define DEMAND_MINUTES 15
/* Measured minutes, without which nothing is fitted: a day. */
#define DEMAND_ROWS_MIN 1440
#define DEMAND_QUANTILES 4

enum demand_state {
	DEMAND_NONE,     /* this signal's maximum is not forecast */
	DEMAND_LEARNING, /* nothing is fitted yet */
	DEMAND_SERVING,
	DEMAND_STALE, /* the newest minutes are missing */
	DEMAND_WORSE, /* than fixed multiples of the present level: nothing is said */
};

/* As of the last minute; quantiles are NaN unless it serves. */
struct demand_view {
	enum demand_state state;
	enum signal_role role;
	double quantiles[DEMAND_QUANTILES]; /* by demand_levels: .5, .9, .95, .99 */
	double skill;                       /* NaN: not known */
};

struct demand;

extern const double demand_levels[DEMAND_QUANTILES];

/* Of which of the signals (bit 1 << role); false: of none. */
bool demand_role(uint32_t roles, enum signal_role *role);
/* From the `rows` minutes before `end`. STATUS_UNAVAILABLE: fewer than DEMAND_ROWS_MIN are measured;
 * STATUS_NO_MEMORY. *demand: NULL unless STATUS_OK. */
enum status demand_train(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role role, int64_t rows, int64_t end, struct demand **demand,
	struct error *error) MUST_CHECK;
/* Goes on with what demand_write() wrote. STATUS_BAD_INPUT: the bytes are of another signal, or none;
 * STATUS_UNAVAILABLE: it stood further behind than OUTLOOK_RESTORE_ROWS_MAX; STATUS_NO_MEMORY. */
enum status demand_restore(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role role, int64_t end, const void *bytes, size_t size, struct demand **demand,
	struct error *error) MUST_CHECK;
/* All of it as bytes (mem_free); NULL: memory is out. */
void *demand_write(struct demand *demand, size_t *size) MUST_CHECK;
/* NULL is allowed. */
void demand_close(struct demand *demand);
size_t demand_bytes(const struct demand *demand);
enum signal_role demand_of(const struct demand *demand);
/* Measured minutes that it was fitted on and stepped along at its training. */
int64_t demand_rows(const struct demand *demand);

/* The minutes before `end` that it has not seen, out of the tier. STATUS_UNAVAILABLE as demand_restore();
 * STATUS_NO_MEMORY: it is as it was. */
enum status demand_catch_up(struct demand *demand, struct rollup *rollup,
	const struct workload_key *workload, int64_t end, struct error *error) MUST_CHECK;
/* The minute's value; NaN: a gap. Minutes left out are gaps, one that is not behind the last is nothing. */
void demand_step(struct demand *demand, int64_t minute, double value);
void demand_read(const struct demand *demand, struct demand_view *view);
/* Nothing is known: of no signal, or of one that is still to be fitted. */
void demand_none(struct demand_view *view);
/* Whether it is to take the place of the one that serves (NULL: none does). */
bool demand_beats(const struct demand *demand, const struct demand *serving);

#endif
