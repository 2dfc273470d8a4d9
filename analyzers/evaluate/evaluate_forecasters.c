/*
 * Forecasters on columns of entities: each column is a series; the mean is over all series.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/backtest.h"
#include "analyzers/evaluate/evaluation.h"
#include "base/mem.h"

static const struct figure figures[] = {
	{"mase_near", "MASE", "mean absolute scaled error at the nearer horizon", FIGURE_PART},
	{"relative_near", "rel", "error relative to the last value's", FIGURE_PART},
	{"mase_far", "MASE'", "the same at the farther horizon", FIGURE_PART},
	{"relative_far", "rel'", "", FIGURE_PART},
	{"coverage90_near", "in90", "outcomes within the interval of 90 %", FIGURE_PART},
	{"coverage90_far", "in90'", "", FIGURE_PART},
	{"coverage80_near", "in80", "outcomes within the interval of 80 %", FIGURE_PART},
	{"coverage80_far", "in80'", "", FIGURE_PART},
	{"width90_near", "w90", "mean width of the interval of 90 %, in mean steps of the series",
		FIGURE_NUMBER},
	{"width90_far", "w90'", "", FIGURE_NUMBER},
	{"width80_near", "w80", "", FIGURE_NUMBER},
	{"width80_far", "w80'", "", FIGURE_NUMBER},
	{"not_predicted", "silent",
		"points without a forecast, of all; they count as the last value", FIGURE_PERCENT},
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

enum { RELATIVE_NEAR = 1, RELATIVE_FAR = 3 };

static void take_figures(const struct accuracy *accuracy, double *values)
{
	struct accuracy_figures at[BACKTEST_HORIZONS];

	for (size_t h = 0; h < BACKTEST_HORIZONS; h++) {
		accuracy_figures(&accuracy[h], &at[h]);
		values[2 * h] = at[h].mase;
		values[2 * h + 1] = at[h].relative;
		values[4 + h] = at[h].coverage90;
		values[6 + h] = at[h].coverage80;
		values[8 + h] = at[h].width90;
		values[10 + h] = at[h].width80;
	}
	values[12] = at[0].points > 0 ? (double)at[0].not_predicted / (double)at[0].points : NAN;
}

static enum status run_column(struct evaluation *evaluation, const struct forecaster_class *class,
	const struct entity *entity, size_t column, struct result_table *table)
{
	const struct evaluate_options *options = evaluation->options;
	struct backtest_options backtest = {.seed = options->seed,
		.horizons = {options->horizons[0], options->horizons[1]},
		.shared = options->shared,
		.settings_part = options->settings_part};
	struct accuracy accuracy[BACKTEST_HORIZONS];
	const char *method = forecaster_class_name(class);
	char name[RESULT_NAME_MAX];
	double values[FIGURES];
	struct grid_series series;
	enum status status;

	if (entity->column_names != NULL)
		snprintf(name, sizeof(name), "%.90s %.60s", entity->name,
			entity->column_names[column]);
	else
		snprintf(name, sizeof(name), "%.90s %zu", entity->name, column + 1);
	evaluation_tell(evaluation, method, name);
	status = entity_grid(entity, column, &series, evaluation->error);
	if (status != STATUS_OK)
		return status;
	status = backtest_series(&series, name, class, &backtest, accuracy,
		results_plot(evaluation->results, method, name), evaluation->error);
	mem_free(series.values);
	/* What cannot be learnt from is a figure, too: all others go on. */
	if (status == STATUS_BAD_INPUT)
		results_note(evaluation->results, "%s", evaluation->error->text);
	else if (status != STATUS_OK)
		return status;
	else if (isnan(accuracy[0].scale))
		results_note(evaluation->results,
			"%.160s: never changes where it is fitted: no MASE and no width in its unit",
			name);
	take_figures(accuracy, values);
	return result_add(table, RESULT_ENTITY, method, name, values, evaluation->error);
}

/* Relative errors are averaged as ratios are: by their geometric mean. */
static enum status mend_means(struct result_table *table, const char *method, struct error *error)
{
	static const size_t relative[] = {RELATIVE_NEAR, RELATIVE_FAR};
	struct result_row *mean = &table->rows[table->row_count - 1];
	double *column = mem_alloc((table->row_count + 1) * sizeof(*column));

	if (column == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t r = 0; r < 2; r++) {
		size_t count = 0;

		for (size_t i = 0; i < table->row_count; i++)
			if (table->rows[i].kind == RESULT_ENTITY &&
				strcmp(table->rows[i].method, method) == 0)
				column[count++] = table->rows[i].values[relative[r]];
		mean->values[relative[r]] = geometric_mean(column, count);
	}
	mem_free(column);
	return STATUS_OK;
}

static enum status run_class(struct evaluation *evaluation, const struct forecaster_class *class,
	struct result_table *table)
{
	const char *method = forecaster_class_name(class);
	enum status status = STATUS_OK;

	for (size_t i = 0; i < dataset_count(evaluation->dataset) && status == STATUS_OK; i++) {
		struct entity entity;

		status = dataset_load(evaluation->dataset, i, &entity, evaluation->error);
		if (status != STATUS_OK)
			break;
		for (size_t c = 0; c < entity.columns && status == STATUS_OK; c++)
			if (dataset_forecasts_column(evaluation->dataset, &entity, c))
				status = run_column(evaluation, class, &entity, c, table);
		entity_fini(&entity);
	}
	if (status == STATUS_OK)
		status = result_add_mean(table, method, evaluation->error);
	if (status == STATUS_OK)
		status = mend_means(table, method, evaluation->error);
	if (status == STATUS_OK)
		status = evaluation_add_references(evaluation, table, method);
	return status;
}

static bool is_listed(const struct forecaster_class *class)
{
	for (size_t i = 0; forecaster_class_at(i) != NULL; i++)
		if (forecaster_class_at(i) == class)
			return true;
	return false;
}

enum status evaluate_forecasters(struct evaluation *evaluation)
{
	const struct evaluate_options *options = evaluation->options;
	struct result_table *table = results_table(evaluation->results, "forecasts",
		"forecasts (without ' at the nearer horizon, with ' at the farther)", figures,
		FIGURES);
	const struct forecaster_class *class;
	enum status status = STATUS_OK;

	results_note(evaluation->results, "forecasts %zu and %zu rows ahead, %s",
		options->horizons[0], options->horizons[1],
		options->settings_part ? "on the part for choosing settings"
				       : "on the part that is kept for reporting");
	for (size_t i = 0; (class = forecaster_class_at(i)) != NULL && status == STATUS_OK; i++)
		if (evaluation_asks(options->forecaster, forecaster_class_name(class)))
			status = run_class(evaluation, class, table);
	/* A class that is not listed is run when it is asked for by name, and the net for all workloads
	 * when one is given. */
	class = options->forecaster != NULL ? forecaster_class_find(options->forecaster) : NULL;
	if (status == STATUS_OK && class != NULL && !is_listed(class))
		status = run_class(evaluation, class, table);
	class = forecaster_class_find("lstm_general");
	if (status == STATUS_OK && options->shared != NULL &&
		evaluation_asks(options->forecaster, "all"))
		status = run_class(evaluation, class, table);
	return status;
}
