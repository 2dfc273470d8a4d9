/*
 * The LSTM as a forecaster of one series: trained on the rows of the fit, then stepped with its state
 * carried on. Without a fit it says nothing.
 */
#include <math.h>
#include <string.h>

#include "analyzers/forecast/lstm.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_train.h"
#include "analyzers/forecast/model.h"
#include "base/check.h"
#include "base/mem.h"

struct forecast_model {
	struct forecaster_config config;
	struct lstm lstm;
	struct lstm_series series;
	float *state;
	float outputs[LSTM_HEAD];
	bool trained;
};

static void lstm_close(struct forecast_model *model)
{
	lstm_fini(&model->lstm);
	lstm_series_fini(&model->series);
	mem_free(model->state);
	mem_free(model);
}

static struct forecast_model *lstm_open(const struct forecaster_config *config, struct error *error)
{
	struct lstm_shape shape = {.inputs = LSTM_SERIES_INPUTS(config->horizon_count),
		.hidden = config->lstm_hidden,
		.layers = config->lstm_layers,
		.outputs = LSTM_SERIES_QUANTILES * config->horizon_count};
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));
	struct random random;

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	model->config = *config;
	if (lstm_init(&model->lstm, &shape, kernels_best(), error) != STATUS_OK ||
		lstm_series_init(&model->series, config, error) != STATUS_OK)
		goto failed;
	model->state = mem_zalloc(lstm_state_size(&shape), sizeof(float));
	if (model->state == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a state");
		goto failed;
	}
	random_init(&random, config->seed);
	lstm_seed(&model->lstm, &random);
	return model;
failed:
	lstm_close(model);
	return NULL;
}

static void row_take(struct forecast_model *model, double value, int64_t at_ms)
{
	float inputs[LSTM_SERIES_INPUTS_MAX];
	unsigned mode;

	lstm_series_step(&model->series, value, at_ms, inputs);
	if (!model->trained)
		return;
	mode = kernels_flush_denormals();
	lstm_step(&model->lstm, 1, model->state, inputs, model->outputs);
	kernels_mode_restore(mode);
}

/* inputs, targets: [count][...] of a series that is at the start. */
static void rows_prepare(struct lstm_series *series, const double *values, size_t count,
	int64_t at_ms, int64_t step_ms, float *inputs, float *targets)
{
	size_t width = LSTM_SERIES_INPUTS(series->horizon_count);

	for (size_t i = 0; i < count; i++) {
		lstm_series_step(series, values[i], at_ms + (int64_t)i * step_ms,
			inputs + i * width);
		for (size_t k = 0; k < series->horizon_count; k++) {
			size_t then = i + series->horizons[k];
			float target =
				then < count ? lstm_series_target(series, values[then]) : NAN;

			for (size_t q = 0; q < LSTM_SERIES_QUANTILES; q++)
				*targets++ = target;
		}
	}
}

static enum status train(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	const struct lstm_shape *shape = &model->lstm.shape;
	float *inputs = mem_zalloc(count * shape->inputs, sizeof(float));
	float *targets = mem_zalloc(count * shape->outputs, sizeof(float));
	struct lstm_rows rows = {inputs, targets, count};
	struct lstm_training_result result;
	struct lstm_training training;
	struct lstm_series series;
	enum status status = STATUS_NO_MEMORY;

	if (inputs == NULL || targets == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", count);
		goto done;
	}
	status = lstm_series_init(&series, &model->config, error);
	if (status != STATUS_OK)
		goto done;
	rows_prepare(&series, values, count, at_ms, model->config.step_ms, inputs, targets);
	lstm_series_fini(&series);
	lstm_training_default(&training);
	training.window = model->config.lstm_window;
	training.epochs_max = model->config.lstm_epochs;
	training.seed = model->config.seed;
	status = lstm_train(&model->lstm, &rows, 1, lstm_series_levels, &training, &result, error);
	model->trained = status == STATUS_OK;
	/* Too short to be trained on is no failure: such a net says nothing. */
	if (status == STATUS_BAD_INPUT)
		status = STATUS_OK;
done:
	mem_free(inputs);
	mem_free(targets);
	return status;
}

static enum status lstm_model_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	enum status status = train(model, values, count, at_ms, error);

	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		row_take(model, values[i], at_ms + (int64_t)i * model->config.step_ms);
	return status;
}

static void lstm_model_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->config.horizon_count; k++)
		middle[k] = model->trained ? lstm_series_value(&model->series,
						     model->outputs[k * LSTM_SERIES_QUANTILES + 1])
					   : NAN;
}

const struct forecaster_class forecast_lstm = {
	.name = "lstm",
	.summary = "LSTM trained on the series, its state carried on",
	.open = lstm_open,
	.fit = lstm_model_fit,
	.step = row_take,
	.predict = lstm_model_predict,
	.close = lstm_close,
};
