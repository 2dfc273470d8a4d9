/*
 * Results of an evaluation: tables of figures, a row for each method and entity, means over entities,
 * and the reference figures beside them.
 *
 * Ownership: results_fini() gives back all; rows are copied in.
 * Limits: RESULT_TABLES_MAX tables, RESULT_ROWS_MAX rows and RESULT_PLOTS_MAX plots.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_RESULTS_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define RESULT_TABLES_MAX 8
#define RESULT_ROWS_MAX 200000
#define RESULT_FIGURES_MAX 16
#define RESULT_NAME_MAX 160
#define RESULT_PLOTS_MAX 2000
#define PLOT_COLUMNS 600

enum figure_style {
	FIGURE_PART, /* three decimals, 0 to 1 mostly */
	FIGURE_PERCENT,
	FIGURE_SCORE,  /* one decimal */
	FIGURE_NUMBER, /* shortest */
	FIGURE_COUNT   /* whole */
};

/* A column of a table. */
struct figure {
	const char *key, *heading, *meaning;
	enum figure_style style;
};

enum result_kind { RESULT_ENTITY, RESULT_MEAN, RESULT_REFERENCE };

struct result_row {
	enum result_kind kind;
	char method[48];
	char entity[RESULT_NAME_MAX];      /* of a mean and a reference: of what */
	double values[RESULT_FIGURES_MAX]; /* NaN: undefined or not known */
};

struct result_table {
	const char *key, *title;
	const struct figure *figures;
	size_t figure_count;
	struct result_row *rows;
	size_t row_count;
};

/* Scores of a detector on an entity, or a stretch of a forecast, made small enough to be drawn. */
struct plot {
	bool forecast;
	char method[48], entity[RESULT_NAME_MAX];
	size_t count; /* columns in use */
	/* Scores: the highest of a column, [0, 1] of all. Forecast: what came. NaN: none. */
	float value[PLOT_COLUMNS];
	float low[PLOT_COLUMNS], middle[PLOT_COLUMNS], high[PLOT_COLUMNS]; /* of forecasts */
	uint8_t labelled[PLOT_COLUMNS], alarm[PLOT_COLUMNS];
};

struct results {
	char dataset[32];
	char notes[24][256]; /* what a reader of the figures must know */
	size_t note_count;
	struct result_table tables[RESULT_TABLES_MAX];
	size_t table_count;
	struct plot *plots;
	size_t plot_count;
};

void results_init(struct results *results, const char *dataset);
void results_fini(struct results *results);
void results_note(struct results *results, const char *format, ...) PRINTF_LIKE(2, 3);

/* figures: [count], must outlive the results. Never NULL: one table more than fits is our own fault. */
struct result_table *results_table(struct results *results, const char *key, const char *title,
	const struct figure *figures, size_t count);
/* values: [figure_count]. STATUS_NO_MEMORY, STATUS_LIMIT. */
enum status result_add(struct result_table *table, enum result_kind kind, const char *method,
	const char *entity, const double *values, struct error *error) MUST_CHECK;
/* Adds the mean of each figure over the method's rows of entities, named "mean of N". Undefined figures
 * are left out of it. */
enum status result_add_mean(struct result_table *table, const char *method,
	struct error *error) MUST_CHECK;
/* NULL when there are enough plots or memory is out: a report without one more plot is a report. */
struct plot *results_plot(struct results *results, const char *method, const char *entity);

/* A figure as text, "-" for NaN. */
void figure_write(const struct figure *figure, double value, char *text, size_t size);

void results_write_text(const struct results *results, struct buf *text);
void results_write_json(const struct results *results, struct buf *text);
/* One page that needs nothing from elsewhere. */
void results_write_html(const struct results *results, struct buf *text);

#endif
