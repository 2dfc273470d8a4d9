/*
 * Rolling features of one signal on a grid of rows: mean and deviation over windows of time and of
 * samples, first difference, rate of change, volatility; each row in constant time.
 *
 * A row without a measurement is a gap: it ages what is in the windows of time and enters nothing.
 * Deviations are those of the whole window (divided by the count), as numpy's std.
 *
 * Ownership: plain values, about 1 KiB a signal; copied by assignment.
 * Limits: ROLLING_ENTRIES measurements are kept; steps from ROLLING_STEP_MIN_MS to ROLLING_STEP_MAX_MS.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FEATURES_ROLLING_H
#define NIMBUSGUARD_ANALYZERS_FEATURES_ROLLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROLLING_ENTRIES 64u
#define ROLLING_STEP_MIN_MS 30000
#define ROLLING_STEP_MAX_MS 300000

/* X(window, name, milliseconds or 0, samples or 0) */
#define ROLLING_TABLE(X)                                                                           \
	X(ROLLING_5M, "5m", 300000, 0)                                                             \
	X(ROLLING_15M, "15m", 900000, 0)                                                           \
	X(ROLLING_30M, "30m", 1800000, 0)                                                          \
	X(ROLLING_12, "12", 0, 12)                                                                 \
	X(ROLLING_60, "60", 0, 60)

enum rolling_window {
#define X(window, name, ms, samples) window,
	ROLLING_TABLE(X)
#undef X
		ROLLING_WINDOWS
};

const char *rolling_window_name(enum rolling_window window);

struct rolling_features {
	double value;                      /* NaN: this row is a gap */
	double difference;                 /* to the row before; NaN: one is a gap */
	double rate;                       /* a minute, over the last 5 minutes */
	double volatility;                 /* deviation of the differences of 30 minutes */
	double mean[ROLLING_WINDOWS];      /* NaN: nothing in the window */
	double deviation[ROLLING_WINDOWS]; /* NaN: fewer than two in the window */
	uint16_t counts[ROLLING_WINDOWS];
};

/* Sums about a centre over one window; see rolling.c. */
struct rolling_sums {
	double sum, squares, peak;
	uint32_t first; /* number of the oldest entry inside */
	uint16_t count, changes;
	bool wild; /* sums would overflow or vanish: computed anew at each row */
};

#define ROLLING_LANES (ROLLING_WINDOWS + 1) /* the last one: differences */

struct rolling {
	double values[ROLLING_ENTRIES];
	uint32_t rows[ROLLING_ENTRIES];
	uint32_t next, row; /* number of the entry to come, from 1; of the newest row */
	int32_t step_ms;
	double centers[2]; /* of values, of differences */
	struct rolling_sums sums[ROLLING_LANES];
};

/* step_ms: of the grid; clamped to the bounds above. */
void rolling_init(struct rolling *rolling, int64_t step_ms);
/* The next row. NaN and infinities are gaps. */
void rolling_push(struct rolling *rolling, double value);
/* Rows that nobody looked at: gaps. */
void rolling_skip(struct rolling *rolling, int64_t rows);
void rolling_read(const struct rolling *rolling, struct rolling_features *features);

#endif
