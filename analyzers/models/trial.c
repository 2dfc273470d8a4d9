/*
 * Splitting, training and measuring.
 *
 * Nothing of the holdout reaches what learns: targets of the last rows before it that would lie within
 * are left out, and the baselines are fitted on the same rows. Within the holdout all are stepped row by
 * row, forecasts first, as in service.
 */
#include "analyzers/models/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/accuracy.h"
#include "analyzers/evaluate/backtest.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/models/general_file.h"
#include "base/mem.h"

#define DAY_MS 86400000
#define MINUTE_MS 60000
#define HOLDOUT_ROWS_MIN 60

const char *const trial_baselines[] = {"naive", "seasonal_naive", "ewma", "holt_winters",
	"combined", NULL};

static enum status columns_take(struct trial *trial, struct entity *entity, struct error *error)
{
	trial->columns = mem_zalloc(entity->columns, sizeof(*trial->columns));
	if (trial->columns == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu columns",
			entity->columns);
	for (size_t c = 0; c < entity->columns; c++) {
		struct grid_series *column = &trial->columns[c];
		enum status status = entity_grid(entity, c, column, error);

		if (status != STATUS_OK)
			return status;
		trial->column_count++;
		for (size_t i = 0; i < column->fit_end; i++)
			trial->learnt_rows += isnan(column->values[i]) ? 0 : 1;
	}
	return STATUS_OK;
}

enum status trial_init(struct trial *trial, struct entity *entity, double holdout,
	struct error *error)
{
	const struct grid_series *first;
	enum status status;
	size_t day;

	memset(trial, 0, sizeof(*trial));
	if (!(holdout >= .05 && holdout <= .5))
		return error_set(error, STATUS_BAD_INPUT, "the holdout is a part of .05 to .5");
	if (entity->columns > TRIAL_COLUMNS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%zu columns, and %d are the most",
			entity->columns, TRIAL_COLUMNS_MAX);
	entity->fit_end = entity->report_begin =
		entity->rows - (size_t)((double)entity->rows * holdout);
	if (entity->rows - entity->fit_end < HOLDOUT_ROWS_MIN)
		return error_set(error, STATUS_BAD_INPUT,
			"%zu rows: a holdout of %g of them is shorter than %d rows", entity->rows,
			holdout, HOLDOUT_ROWS_MIN);
	status = columns_take(trial, entity, error);
	if (status != STATUS_OK) {
		trial_fini(trial);
		return status;
	}
	first = &trial->columns[0];
	trial->from_ms = first->start_ms;
	trial->split_ms = first->start_ms + (int64_t)first->fit_end * first->step_ms;
	trial->to_ms = first->start_ms + (int64_t)(first->count - 1) * first->step_ms;
	forecaster_config_default(&trial->config);
	day = (size_t)(DAY_MS / first->step_ms);
	trial->config.step_ms = first->step_ms;
	trial->config.season_rows = day >= 2 && day <= FORECAST_SEASON_ROWS_MAX ? day : 0;
	return STATUS_OK;
}

void trial_fini(struct trial *trial)
{
	for (size_t c = 0; c < trial->column_count; c++)
		mem_free(trial->columns[c].values);
	mem_free(trial->columns);
	memset(trial, 0, sizeof(*trial));
}

/* ---- training ---- */

/* inputs: [fit_end][inputs], targets: [fit_end][outputs] of a column. */
static enum status column_rows(const struct trial *trial, size_t index, float *inputs,
	float *targets, struct error *error)
{
	const struct grid_series *column = &trial->columns[index];
	struct lstm_series series;

	if (lstm_series_init(&series, &trial->config, error) != STATUS_OK)
		return error->code;
	lstm_series_rows(&series, column->values, NULL, column->fit_end, column->start_ms,
		column->step_ms, inputs, targets);
	lstm_series_fini(&series);
	return STATUS_OK;
}

static void rows_free(struct lstm_rows *rows, float **blocks, size_t count)
{
	for (size_t i = 0; blocks != NULL && i < count; i++)
		mem_free(blocks[i]);
	mem_free(blocks);
	mem_free(rows);
}

static enum status train_on(const struct trial *trial, const struct lstm_training *training,
	struct lstm *lstm, struct lstm_training_result *result, struct error *error)
{
	struct lstm_rows *rows = mem_zalloc(trial->column_count, sizeof(*rows));
	float **blocks = mem_zalloc(trial->column_count, sizeof(*blocks));
	size_t width = lstm->shape.inputs + lstm->shape.outputs;
	enum status status = rows != NULL && blocks != NULL
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "no memory for %zu columns",
			  trial->column_count);

	for (size_t c = 0; c < trial->column_count && status == STATUS_OK; c++) {
		size_t count = trial->columns[c].fit_end;

		blocks[c] = mem_zalloc(count * width, sizeof(float));
		rows[c] = (struct lstm_rows){blocks[c], NULL, count};
		if (blocks[c] == NULL) {
			status =
				error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", count);
			break;
		}
		rows[c].targets = blocks[c] + count * lstm->shape.inputs;
		status = column_rows(trial, c, blocks[c], blocks[c] + count * lstm->shape.inputs,
			error);
	}
	if (status == STATUS_OK)
		status = lstm_train(lstm, rows, trial->column_count, lstm_series_levels, training,
			result, error);
	rows_free(rows, blocks, trial->column_count);
	return status;
}

static enum status net_begin(const struct trial *trial, uint64_t seed, struct lstm *lstm,
	struct error *error)
{
	struct lstm_shape shape =
		trial->start != NULL ? trial->start->shape : lstm_net_shape(&trial->config);
	struct random random;
	enum status status = lstm_init(lstm, &shape, kernels_best(), error);

	if (status != STATUS_OK)
		return status;
	random_init(&random, seed);
	lstm_seed(lstm, &random);
	if (trial->start != NULL) {
		memcpy(lstm->parameters, trial->start->parameters,
			lstm->parameter_count * sizeof(*lstm->parameters));
		lstm_prepare(lstm);
	}
	return STATUS_OK;
}

/* The data of the net that training began with are the next one's, too: it must not be asked about them. */
static void info_fill(const struct trial *trial, uint64_t seed, struct model_info *info)
{
	const struct model_info *start = trial->start_info;

	info->data_from_ms = trial->from_ms;
	info->data_to_ms = trial->split_ms - trial->config.step_ms;
	info->data_rows = trial->learnt_rows;
	info->seed = seed;
	if (start != NULL && start->data_rows > 0) {
		if (start->data_from_ms < info->data_from_ms)
			info->data_from_ms = start->data_from_ms;
		if (start->data_to_ms > info->data_to_ms)
			info->data_to_ms = start->data_to_ms;
		info->data_rows += start->data_rows;
	}
	if (trial->config.step_ms != MINUTE_MS)
		return;
	info->shapes[GENERAL_LAYOUT] = LSTM_SERIES_LAYOUT;
	info->shapes[GENERAL_BESIDE] = (uint32_t)trial->config.lstm_beside;
	info->shapes[GENERAL_NEAR] = (uint32_t)trial->config.horizons[0];
	info->shapes[GENERAL_FAR] = (uint32_t)trial->config.horizons[1];
}

enum status trial_train(const struct trial *trial, const struct lstm_training *training,
	struct lstm *lstm, struct lstm_training_result *result, struct model_info *info,
	struct error *error)
{
	enum status status = net_begin(trial, training->seed, lstm, error);

	if (status != STATUS_OK)
		return status;
	status = train_on(trial, training, lstm, result, error);
	if (status != STATUS_OK) {
		lstm_fini(lstm);
		return status;
	}
	info_fill(trial, training->seed, info);
	return STATUS_OK;
}

/* ---- measuring ---- */

/* Forecasts of a net that wait for what comes. */
struct waiting {
	double last, middle[TRIAL_HORIZONS];
	struct accuracy_interval interval[TRIAL_HORIZONS];
};

static void forecast_take(const struct lstm_series *series, double value, const float *outputs,
	struct waiting *waiting)
{
	waiting->last = value;
	for (size_t k = 0; k < TRIAL_HORIZONS; k++) {
		const float *of = outputs + k * LSTM_SERIES_QUANTILES;
		double low = lstm_series_value(series, of[0]);
		double high = lstm_series_value(series, of[2]);

		/* Quantiles of a net may cross; then there is no interval. */
		if (low > high)
			low = high = NAN;
		waiting->middle[k] = lstm_series_value(series, of[1]);
		waiting->interval[k] = (struct accuracy_interval){low, high};
	}
}

/* The signals beside for which a net of so many inputs was made; none is known here. false: no number
 * of them gives these inputs. */
static bool beside_of_inputs(const struct trial *trial, size_t inputs, size_t *beside)
{
	for (*beside = 0; *beside <= FORECAST_BESIDE; ++*beside)
		if (LSTM_SERIES_INPUTS(trial->config.horizon_count, *beside) == inputs)
			return true;
	*beside = 0;
	return false;
}

/* accuracy: [TRIAL_HORIZONS], begun. */
static enum status net_run(const struct trial *trial, const struct grid_series *column,
	const struct lstm *lstm, struct accuracy *accuracy, struct error *error)
{
	const size_t *ahead = trial->config.horizons;
	struct accuracy_interval none = {NAN, NAN};
	struct waiting *ring = mem_zalloc(FORECAST_HORIZON_ROWS_MAX, sizeof(*ring));
	float *state = mem_zalloc(lstm_state_size(&lstm->shape), sizeof(*state));
	float inputs[LSTM_SERIES_INPUTS_MAX], outputs[LSTM_HEAD];
	struct forecaster_config config = trial->config;
	struct lstm_series series;
	unsigned mode;

	(void)beside_of_inputs(trial, lstm->shape.inputs, &config.lstm_beside);
	if (ring == NULL || state == NULL ||
		lstm_series_init(&series, &config, error) != STATUS_OK) {
		mem_free(ring);
		mem_free(state);
		return error_set(error, STATUS_NO_MEMORY, "no memory for a run of the net");
	}
	mode = kernels_flush_denormals();
	for (size_t row = 0; row < column->count; row++) {
		double value = column->values[row];

		for (size_t k = 0; k < TRIAL_HORIZONS && row >= column->fit_end + ahead[k]; k++) {
			const struct waiting *then =
				&ring[(row - ahead[k]) % FORECAST_HORIZON_ROWS_MAX];

			accuracy_add(&accuracy[k], then->last, then->middle[k], then->interval[k],
				none, value);
		}
		lstm_series_step(&series, value, NULL,
			column->start_ms + (int64_t)row * column->step_ms, inputs);
		lstm_step(lstm, 1, state, inputs, outputs);
		forecast_take(&series, value, outputs, &ring[row % FORECAST_HORIZON_ROWS_MAX]);
	}
	kernels_mode_restore(mode);
	lstm_series_fini(&series);
	mem_free(ring);
	mem_free(state);
	return STATUS_OK;
}

/* Of all columns, from [column][horizon]. */
static void figures_sum(const struct trial *trial, const char *name,
	const struct accuracy *accuracies, struct trial_figures *figures)
{
	double relative[TRIAL_COLUMNS_MAX], mase[TRIAL_COLUMNS_MAX], coverage[TRIAL_COLUMNS_MAX];

	memset(figures, 0, sizeof(*figures));
	snprintf(figures->name, sizeof(figures->name), "%s", name);
	for (size_t k = 0; k < TRIAL_HORIZONS; k++) {
		for (size_t c = 0; c < trial->column_count; c++) {
			struct accuracy_figures of;

			accuracy_figures(&accuracies[c * TRIAL_HORIZONS + k], &of);
			relative[c] = of.relative;
			mase[c] = of.mase;
			coverage[c] = of.coverage80;
			/* A column that never changes tells nothing of anybody. */
			if (!(accuracies[c * TRIAL_HORIZONS + k].naive_sum > 0))
				relative[c] = NAN;
			figures->points += of.points;
			figures->not_predicted += of.not_predicted;
		}
		figures->relative[k] = geometric_mean(relative, trial->column_count);
		figures->mase[k] = mean_known(mase, trial->column_count);
		figures->coverage80[k] = mean_known(coverage, trial->column_count);
	}
	figures->figure = sqrt(figures->relative[0] * figures->relative[1]);
}

static enum status net_check(const struct trial *trial, const char *name, const struct lstm *lstm,
	struct error *error)
{
	size_t inputs = LSTM_SERIES_INPUTS(trial->config.horizon_count, trial->config.lstm_beside);
	size_t outputs = LSTM_SERIES_QUANTILES * trial->config.horizon_count, beside;

	if (beside_of_inputs(trial, lstm->shape.inputs, &beside) && lstm->shape.outputs == outputs)
		return STATUS_OK;
	return error_set(error, STATUS_BAD_INPUT,
		"%s: a net of %zu inputs and %zu outputs, and this version feeds %zu and reads %zu",
		name, lstm->shape.inputs, lstm->shape.outputs, inputs, outputs);
}

enum status trial_start_from(struct trial *trial, const char *name, const struct lstm *start,
	const struct model_info *info, struct error *error)
{
	enum status status = net_check(trial, name, start, error);

	if (status != STATUS_OK)
		return status;
	(void)beside_of_inputs(trial, start->shape.inputs, &trial->config.lstm_beside);
	trial->start = start;
	trial->start_info = info;
	return STATUS_OK;
}

static struct accuracy *accuracies_make(const struct trial *trial, struct error *error)
{
	struct accuracy *accuracies =
		mem_zalloc(trial->column_count * TRIAL_HORIZONS, sizeof(*accuracies));

	if (accuracies == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for figures");
		return NULL;
	}
	for (size_t i = 0; i < trial->column_count * TRIAL_HORIZONS; i++) {
		const struct grid_series *column = &trial->columns[i / TRIAL_HORIZONS];

		accuracy_init(&accuracies[i], accuracy_scale(column->values, column->fit_end));
	}
	return accuracies;
}

enum status trial_measure_net(const struct trial *trial, const char *name, const struct lstm *lstm,
	struct trial_figures *figures, struct error *error)
{
	struct accuracy *accuracies;
	enum status status = net_check(trial, name, lstm, error);

	if (status != STATUS_OK)
		return status;
	accuracies = accuracies_make(trial, error);
	if (accuracies == NULL)
		return STATUS_NO_MEMORY;
	for (size_t c = 0; c < trial->column_count && status == STATUS_OK; c++)
		status = net_run(trial, &trial->columns[c], lstm, accuracies + c * TRIAL_HORIZONS,
			error);
	if (status == STATUS_OK)
		figures_sum(trial, name, accuracies, figures);
	mem_free(accuracies);
	return status;
}

enum status trial_measure_class(const struct trial *trial, const struct forecaster_class *class,
	struct trial_figures *figures, struct error *error)
{
	struct backtest_options options = {.seed = trial->config.seed};
	struct accuracy *accuracies = accuracies_make(trial, error);
	const char *name = forecaster_class_name(class);
	enum status status = STATUS_OK;

	if (accuracies == NULL)
		return STATUS_NO_MEMORY;
	memcpy(options.horizons, trial->config.horizons, sizeof(options.horizons));
	for (size_t c = 0; c < trial->column_count && status == STATUS_OK; c++) {
		status = backtest_series(&trial->columns[c], "a column", class, &options,
			accuracies + c * TRIAL_HORIZONS, NULL, error);
		/* A column without measurements before the holdout is judged by nobody. */
		if (status == STATUS_BAD_INPUT)
			status = STATUS_OK;
	}
	if (status == STATUS_OK)
		figures_sum(trial, name, accuracies, figures);
	mem_free(accuracies);
	return status;
}

/* ---- judging ---- */

static void score(struct model_info *info, size_t i, const char *name, double value)
{
	if (!isfinite(value))
		return;
	snprintf(info->score_names[i], MODEL_TEXT, "%s", name);
	info->scores[i] = value;
}

void trial_scores(const struct trial_figures *figures, double best_baseline,
	struct model_info *info)
{
	memset(info->score_names, 0, sizeof(info->score_names));
	memset(info->scores, 0, sizeof(info->scores));
	score(info, 0, "relative_error", figures->figure);
	score(info, 1, "relative_error_5", figures->relative[0]);
	score(info, 2, "relative_error_15", figures->relative[1]);
	score(info, 3, "mase_5", figures->mase[0]);
	score(info, 4, "mase_15", figures->mase[1]);
	score(info, 5, "coverage80_5", figures->coverage80[0]);
	score(info, 6, "coverage80_15", figures->coverage80[1]);
	score(info, 7, "best_baseline", best_baseline);
}

bool trial_better(const struct trial_figures *candidate, const struct trial_figures *others,
	size_t count, char *why, size_t size)
{
	if (isnan(candidate->figure)) {
		snprintf(why, size, "nothing in the holdout changes, so nothing can be judged");
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (candidate->figure < others[i].figure)
			continue;
		snprintf(why, size, "its error is %.4f of the last value's, and that of %s %.4f",
			candidate->figure, others[i].name, others[i].figure);
		return false;
	}
	why[0] = '\0';
	return true;
}

bool trial_seen(const struct trial *trial, const struct model_info *info)
{
	return info->data_to_ms >= trial->split_ms && info->data_from_ms <= trial->to_ms;
}
