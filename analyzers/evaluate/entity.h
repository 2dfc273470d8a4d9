/*
 * One entity of a data set: its rows, what of them is for fitting and for measuring, and its labels.
 *
 * Ownership: entity_fini() gives back all.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_ENTITY_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/evaluate/nab.h"

/* How long a fault is taken to last where a data set tells only when it begins. */
#define FAULT_WINDOW_MS 360000

/* A fault that was injected. */
struct fault {
	int64_t at_ms;
	char kind[48];
};

struct entity {
	char *name;
	double *values; /* [rows][columns] row-major; NaN: missing */
	size_t rows, columns;
	char **column_names; /* [columns], NULL when the data set names none */
	int64_t *times_ms;   /* [rows]; NULL: row i is at i * step_ms */
	int64_t step_ms;     /* the usual distance of rows */

	/* Detectors are fitted on rows [fit_begin, fit_end) and judge all others: those behind, then
	 * those before. */
	size_t fit_begin, fit_end;
	bool fit_is_all; /* too little without a fault: fitted on all rows, and judging all */

	/* Forecasters are fitted on [0, fit_end), may be tuned up to report_begin, and are reported
	 * behind it. seam: the row at which another recording begins, which nothing is forecast across; 0:
	 * none. */
	size_t report_begin, seam;

	uint8_t *labels; /* [rows], NULL without */
	struct nab_window *windows;
	size_t window_count;
	struct fault *faults; /* by time */
	size_t fault_count;
};

void entity_fini(struct entity *entity);

int64_t entity_time_ms(const struct entity *entity, size_t row);
size_t entity_rows_per_day(const struct entity *entity);

/* How many rows a detector judges, and which row it judges as number `place`. */
size_t entity_judged(const struct entity *entity);
size_t entity_judged_row(const struct entity *entity, size_t place);

/* The usual distance of times: their median difference, at least 1; fallback for less than two. */
enum status entity_set_step(struct entity *entity, int64_t fallback_ms,
	struct error *error) MUST_CHECK;

/*
 * One column on an even grid of step_ms, for forecasters. A value whose time is nearest to a point of
 * the grid stands there (the later one of two), where there is none, there is NaN. Rows from before the
 * first one are left out. STATUS_TOO_LARGE above GRID_MAX points, STATUS_NO_MEMORY.
 */
#define GRID_MAX ((size_t)1 << 24)
struct grid_series {
	double *values; /* [count], mem_free() */
	size_t count;
	int64_t start_ms, step_ms;
	size_t fit_end, report_begin, seam; /* as the entity's, on the grid */
};
enum status entity_grid(const struct entity *entity, size_t column, struct grid_series *series,
	struct error *error) MUST_CHECK;

#endif
