/*
 * Several signals of a workload on one grid of time: rows of a minute (configurable) with the mean of
 * each signal's measurements in it, gaps told apart from zeros, and a verdict with its reasons on
 * every cell and row.
 *
 * Samples may come in any order and more than once; what a row says depends on the set of samples
 * alone. Values are those of measurements (analyzers/measure.h): counters become rates.
 *
 * Ownership: all memory is the caller's.
 * Limits: GRID_COLUMNS_MAX columns, rows_max rows at a time.
 * Order: each row is closed once, in order of time; see grid_advance() for clocks that step.
 * Threads: pure, but for the cursor, which belongs to one thread.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FEATURES_GRID_H
#define NIMBUSGUARD_ANALYZERS_FEATURES_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "base/quality.h"
#include "store/store.h"

#define GRID_COLUMNS_MAX ROLE_COUNT
#define GRID_NEVER INT64_MIN

struct grid_spec {
	int64_t step_ms;  /* row r covers [r * step_ms, (r + 1) * step_ms) */
	int64_t late_ms;  /* a row waits so long after its end for columns that have not gone on */
	int64_t ahead_ms; /* samples further ahead of the clock are left out */
	size_t rows_max;  /* more at once: the oldest are passed over */
};

/* A minute, 90 s, 60 s, 60 rows. */
void grid_spec_default(struct grid_spec *spec);

/* floor(t_ms / step_ms), also before 1970. */
int64_t grid_row_of(const struct grid_spec *spec, int64_t t_ms);

/* The samples of one signal; those from before the first row start counters and tell what still
 * holds. */
struct grid_column {
	const struct store_point *points; /* [count], any order */
	size_t count;
	enum signal_type type;
	int64_t interval_ms; /* expected distance of samples */
	int64_t stale_ms;    /* no rate is made over a longer silence */
	bool bound;          /* false: no series, QUALITY_MISSING */
	bool duplicate;      /* several series claim it: QUALITY_DUPLICATE, no value */
};

struct grid_row {
	int64_t row;
	enum quality verdict; /* QUALITY_GOOD, or that of the first bound column that is not good */
	uint16_t reasons;     /* bit 1 << enum quality for each verdict among the bound columns */
	uint8_t good, bound;  /* columns */
};

#define GRID_SCRATCH(points) (2 * (points))

/* One column of rows first, first + 1, ...: values[i * stride], NaN unless its verdict is good, and
 * verdicts[i * stride].
 *   missing        no series
 *   duplicate      several series, or two values for one time in this row
 *   skew           nothing but samples ahead of the clock
 *   not_a_number   nothing but NaN and infinities
 *   reset          a counter began anew in this row
 *   stale          no sample, and the series has ended
 *   gaps           no sample
 * A gauge whose interval is longer than two thirds of a row holds its value for one and a half
 * intervals. scratch: [GRID_SCRATCH(count)], used when points are not in order. */
void grid_fold(const struct grid_spec *spec, const struct grid_column *column, int64_t first,
	size_t rows, int64_t now_ms, struct store_point *scratch, double *values, uint8_t *verdicts,
	size_t stride);

/* Of one row of verdicts. */
void grid_judge(const uint8_t *verdicts, const bool *bound, size_t columns, int64_t row,
	struct grid_row *result);

enum grid_step {
	GRID_GOES_ON, /* the rows follow those before */
	GRID_JUMPED,  /* rows between were passed over: `skipped` of them */
	GRID_STARTED  /* nothing before counts: the first call, or the clock was set back */
};

struct grid_cursor {
	int64_t next; /* the row to close next; GRID_NEVER at first */
};

struct grid_span {
	enum grid_step step;
	int64_t first;
	size_t rows; /* that are complete now */
	int64_t skipped;
};

/* Which rows are complete: those that all columns have gone beyond, and those that ended late_ms ago.
 * newest_ms: the oldest among the newest sample times of the columns that go on; INT64_MAX: none does.
 * A clock set back by more than a row beyond what was closed starts anew. */
void grid_advance(const struct grid_spec *spec, struct grid_cursor *cursor, int64_t now_ms,
	int64_t newest_ms, struct grid_span *span);

#endif
