/*
 * What is kept of one workload beyond the windows of a scan: its watched signals on the grid of
 * minutes, with their rolling features and what is usual at this time of the day and week.
 *
 * A scan asks with sight_begin() which rows are complete, folds the samples of each column into them
 * with sight_fold(), and closes them with sight_end().
 *
 * Ownership: a sight belongs to its workload in the roster.
 * Limits: ROLE_COUNT columns, about 3.2 KiB each; SIGHT_ROWS_MAX rows a scan.
 * Threads: the scan's.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SIGHT_H
#define NIMBUSGUARD_ANALYZERS_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/features/grid.h"
#include "analyzers/features/rolling.h"
#include "analyzers/features/seasonal.h"
#include "analyzers/signals.h"
#include "base/workload.h"
#include "store/rollup.h"

#define SIGHT_ROWS_MAX 60

struct sight;

/* The scan's own memory, shared by all workloads one after the other. */
struct sight_scratch {
	struct grid_spec grid;
	struct grid_span span;                     /* of the workload at hand */
	double values[SIGHT_ROWS_MAX][ROLE_COUNT]; /* [row][column]; NaN: a gap */
	uint8_t verdicts[SIGHT_ROWS_MAX][ROLE_COUNT];
	struct store_point
		*sorted; /* [GRID_SCRATCH(point_max)], for samples that are not in order */
	double seasonal[SEASONAL_SCRATCH];
	size_t profiles_left; /* profiles of seasons that may be built in this scan */
};

/* point_max: of the samples of one signal. STATUS_NO_MEMORY. */
enum status sight_scratch_init(struct sight_scratch *scratch, size_t point_max) MUST_CHECK;
void sight_scratch_fini(struct sight_scratch *scratch);

/* roles: bit 1 << role for each column. Columns that an earlier sight has go on; it is closed.
 * NULL: memory is out, the earlier one is as it was. */
struct sight *sight_open(uint32_t roles, struct sight *earlier) MUST_CHECK;
void sight_close(struct sight *sight);
uint32_t sight_roles(const struct sight *sight);
size_t sight_bytes(const struct sight *sight);

/* Whether a row may be complete by now: cheap. */
bool sight_due(const struct sight *sight, const struct grid_spec *grid, int64_t now_ms);
/* Which rows are complete: scratch->span. newest_ms: as grid_advance(). false: none. */
bool sight_begin(struct sight *sight, struct sight_scratch *scratch, int64_t now_ms,
	int64_t newest_ms);
void sight_fold(const struct sight *sight, struct sight_scratch *scratch, enum signal_role role,
	const struct grid_column *column, int64_t now_ms);
/* Closes the rows of the span. */
void sight_end(struct sight *sight, const struct sight_scratch *scratch);

/* Sees that what is usual in the minute after the last row is known, when the budget allows. */
void sight_refresh_seasons(struct sight *sight, struct sight_scratch *scratch,
	struct rollup *rollup, const struct workload_key *workload);

/* Columns are numbered from 0 in the order of roles. */
size_t sight_column_count(const struct sight *sight);
enum signal_role sight_column_role(const struct sight *sight, size_t column);
/* The last closed row; row GRID_NEVER: none yet. */
const struct grid_row *sight_row(const struct sight *sight);

/* What is known of one signal as of the last row. */
struct sight_features {
	enum quality verdict; /* of the cell */
	struct rolling_features rolling;
	struct seasonal_residual seasonal[SEASON_COUNT];
};

/* Nothing is known. */
void sight_no_features(struct sight_features *features);
/* floor: the least spread that counts in a seasonal score. false: no column of this role. */
bool sight_read(const struct sight *sight, enum signal_role role, double floor,
	struct sight_features *features);

#endif
