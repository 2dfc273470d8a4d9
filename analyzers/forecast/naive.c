/*
 * The two that all others must beat: the last value, and the value of the same time a season ago.
 */
#include <math.h>
#include <string.h>

#include "analyzers/forecast/model.h"
#include "base/mem.h"

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	double last;
	size_t season_rows, at; /* at: where the next value goes */
	float *season; /* [season_rows], the last rows less origin; NULL: last value alone */
	double origin; /* the first value, so that single precision is enough */
};

static void naive_close(struct forecast_model *model)
{
	mem_free(model->season);
	mem_free(model);
}

static struct forecast_model *naive_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	memcpy(model->horizons, config->horizons, sizeof(model->horizons));
	model->horizon_count = config->horizon_count;
	model->last = NAN;
	return model;
}

static struct forecast_model *seasonal_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecast_model *model = naive_open(config, error);

	if (model == NULL)
		return NULL;
	model->season_rows = config->season_rows;
	model->season = mem_zalloc(config->season_rows, sizeof(*model->season));
	if (model->season == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a season of %zu rows",
			config->season_rows);
		naive_close(model);
		return NULL;
	}
	for (size_t i = 0; i < model->season_rows; i++)
		model->season[i] = NAN;
	return model;
}

static void naive_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	if (!isnan(value))
		model->last = value;
}

static void seasonal_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	if (model->season_rows == 0)
		return;
	if (isnan(model->last) && !isnan(value))
		model->origin = model->last = value;
	model->season[model->at] = (float)(value - model->origin);
	model->at = (model->at + 1) % model->season_rows;
}

static enum status naive_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	for (size_t i = 0; i < count; i++)
		naive_step(model, values[i], at_ms);
	return STATUS_OK;
}

static enum status seasonal_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	for (size_t i = 0; i < count; i++)
		seasonal_step(model, values[i], at_ms);
	return STATUS_OK;
}

static void naive_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->last;
}

/* The oldest row kept is that of one row ahead, a season before. */
static void seasonal_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->season_rows == 0 ? NAN
						    : model->origin +
				(double)model->season[(model->at + model->horizons[k] - 1) %
					model->season_rows];
}

const struct forecaster_class forecast_naive = {
	.name = "naive",
	.summary = "the last value",
	.open = naive_open,
	.fit = naive_fit,
	.step = naive_step,
	.predict = naive_predict,
	.close = naive_close,
};

const struct forecaster_class forecast_seasonal_naive = {
	.name = "seasonal_naive",
	.summary = "the value of the same time yesterday",
	.open = seasonal_open,
	.fit = seasonal_fit,
	.step = seasonal_step,
	.predict = seasonal_predict,
	.close = naive_close,
};
