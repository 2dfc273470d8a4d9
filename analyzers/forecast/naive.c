/*
 * The two that all others must beat: the last value, and the value of the same time a season ago.
 */
#include <math.h>
#include <string.h>

#include "analyzers/forecast/history.h"
#include "analyzers/forecast/model.h"
#include "base/mem.h"

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	double last;
	size_t season_rows, rows; /* rows: seen */
	struct history *history;  /* NULL: without a season */
};

static void naive_close(struct forecast_model *model)
{
	history_close(model->history);
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
	if (config->season_rows == 0)
		return model;
	model->history = history_hold(config->history, config->season_rows, error);
	if (model->history == NULL) {
		naive_close(model);
		return NULL;
	}
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
	if (model->history != NULL)
		history_put(model->history, model->rows++, value);
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
	if (model->history != NULL)
		history_reset(model->history);
	for (size_t i = 0; i < count; i++)
		seasonal_step(model, values[i], at_ms);
	return STATUS_OK;
}

static void naive_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->last;
}

static void seasonal_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++) {
		size_t season = model->season_rows, ahead = model->horizons[k];

		middle[k] = season == 0
			? NAN
			: history_back(model->history, (season - ahead % season) % season);
	}
}

static void naive_pack(struct forecast_model *model, struct pack *pack)
{
	pack_value(pack, &model->last);
	pack_value(pack, &model->rows);
	if (model->history != NULL)
		history_pack_own(model->history, pack);
}

const struct forecaster_class forecast_naive = {
	.name = "naive",
	.summary = "the last value",
	.open = naive_open,
	.fit = naive_fit,
	.step = naive_step,
	.predict = naive_predict,
	.close = naive_close,
	.pack = naive_pack,
};

const struct forecaster_class forecast_seasonal_naive = {
	.name = "seasonal_naive",
	.summary = "the value of the same time yesterday",
	.open = seasonal_open,
	.fit = seasonal_fit,
	.step = seasonal_step,
	.predict = seasonal_predict,
	.close = naive_close,
	.pack = naive_pack,
};
