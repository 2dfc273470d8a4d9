/*
 * The LSTM as a forecaster of one series: trained on the rows of the fit, from the net for all workloads
 * where one is given and from nothing else, then stepped with its state carried on. Without a fit it says
 * nothing.
 */
#include <math.h>
#include <string.h>

#include "analyzers/forecast/lstm.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/forecast/lstm_train.h"
#include "analyzers/forecast/model.h"
#include "base/check.h"
#include "base/mem.h"

/* Of what begins with a net that knows something: a large step would lose it. */
#define TUNING_RATE 5e-4

struct forecast_model {
	struct forecaster_config config;
	struct lstm lstm;
	struct lstm_series series;
	float *state;
	const double *beside; /* of the rows to come, see model.h */
	float outputs[LSTM_HEAD];
	bool trained, begun; /* begun: with the net for all workloads */
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
	struct lstm_net *general = config->shared != NULL ? lstm_shared_hold(config->shared) : NULL;
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));
	struct lstm_shape shape;
	struct random random;

	if (model == NULL) {
		lstm_net_release(general);
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	model->config = *config;
	model->config.history = NULL;
	if (general != NULL && !lstm_net_fits(general, config)) {
		lstm_net_release(general);
		general = NULL;
	}
	if (general != NULL)
		model->config.lstm_beside = general->beside;
	shape = general != NULL ? general->lstm.shape : lstm_net_shape(config);
	if (lstm_init(&model->lstm, &shape, kernels_best(), error) != STATUS_OK ||
		lstm_series_init(&model->series, &model->config, error) != STATUS_OK)
		goto failed;
	model->state = mem_zalloc(lstm_state_size(&shape), sizeof(float));
	if (model->state == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a state");
		goto failed;
	}
	random_init(&random, config->seed);
	lstm_seed(&model->lstm, &random);
	if (general != NULL) {
		memcpy(model->lstm.parameters, general->lstm.parameters,
			model->lstm.parameter_count * sizeof(float));
		lstm_prepare(&model->lstm);
		model->begun = true;
	}
	lstm_net_release(general);
	return model;
failed:
	lstm_net_release(general);
	lstm_close(model);
	return NULL;
}

static void lstm_beside(struct forecast_model *model, const double *values)
{
	model->beside = values;
}

static void row_take(struct forecast_model *model, double value, const double *beside,
	int64_t at_ms)
{
	float inputs[LSTM_SERIES_INPUTS_MAX];
	unsigned mode;

	lstm_series_step(&model->series, value, beside, at_ms, inputs);
	if (!model->trained)
		return;
	mode = kernels_flush_denormals();
	lstm_step(&model->lstm, 1, model->state, inputs, model->outputs);
	kernels_mode_restore(mode);
}

static void lstm_model_step(struct forecast_model *model, double value, int64_t at_ms)
{
	row_take(model, value, model->beside, at_ms);
	model->beside = NULL;
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
	lstm_series_rows(&series, values, model->beside, count, at_ms, model->config.step_ms,
		inputs, targets);
	lstm_series_fini(&series);
	lstm_training_default(&training);
	training.window = model->config.lstm_window;
	training.epochs_max = model->config.lstm_epochs;
	training.seed = model->config.seed;
	if (model->begun)
		training.rate = TUNING_RATE;
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
		row_take(model, values[i],
			model->beside != NULL ? model->beside + i * FORECAST_BESIDE : NULL,
			at_ms + (int64_t)i * model->config.step_ms);
	model->beside = NULL;
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
	.step = lstm_model_step,
	.predict = lstm_model_predict,
	.close = lstm_close,
	.beside = lstm_beside,
};
