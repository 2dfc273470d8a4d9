/*
 * Exponentially weighted mean: several rates run side by side, and each horizon is answered by the
 * rate whose errors at that horizon were the smallest lately.
 */
#include <math.h>
#include <string.h>

#include "analyzers/forecast/model.h"
#include "analyzers/forecast/pending.h"
#include "base/check.h"
#include "base/mem.h"

static const double rates[] = {1, .7, .5, .35, .25, .17, .12, .08, .05, .03, .015};

#define RATES ARRAY_COUNT(rates)
#define ERROR_WEIGHT (1.0 / 1440)

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	double levels[RATES];
	double errors[FORECAST_HORIZONS_MAX][RATES];
	size_t outcomes[FORECAST_HORIZONS_MAX];
	struct pending pending; /* [RATES] levels as they were */
};

static void ewma_close(struct forecast_model *model)
{
	pending_fini(&model->pending);
	mem_free(model);
}

static struct forecast_model *ewma_open(const struct forecaster_config *config, struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	memcpy(model->horizons, config->horizons, sizeof(model->horizons));
	model->horizon_count = config->horizon_count;
	for (size_t i = 0; i < RATES; i++)
		model->levels[i] = NAN;
	if (pending_init(&model->pending, config->horizons[config->horizon_count - 1], RATES,
		    error) != STATUS_OK) {
		ewma_close(model);
		return NULL;
	}
	return model;
}

static void errors_learn(struct forecast_model *model, double value)
{
	for (size_t k = 0; k < model->horizon_count; k++) {
		const double *levels = pending_back(&model->pending, model->horizons[k] - 1);
		double weight;

		if (isnan(levels[0]))
			continue;
		model->outcomes[k]++;
		weight = fmax(1 / (double)model->outcomes[k], ERROR_WEIGHT);
		for (size_t i = 0; i < RATES; i++)
			model->errors[k][i] +=
				weight * (fabs(value - levels[i]) - model->errors[k][i]);
	}
}

static void ewma_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	if (!isnan(value)) {
		errors_learn(model, value);
		for (size_t i = 0; i < RATES; i++) {
			if (isnan(model->levels[i]))
				model->levels[i] = value;
			model->levels[i] += rates[i] * (value - model->levels[i]);
		}
	}
	memcpy(pending_next(&model->pending), model->levels, sizeof(model->levels));
}

static enum status ewma_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	for (size_t i = 0; i < count; i++)
		ewma_step(model, values[i], at_ms);
	return STATUS_OK;
}

static void ewma_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++) {
		size_t best = 0;

		for (size_t i = 1; i < RATES; i++)
			if (model->errors[k][i] < model->errors[k][best])
				best = i;
		middle[k] = model->levels[best];
	}
}

const struct forecaster_class forecast_ewma = {
	.name = "ewma",
	.summary = "exponentially weighted mean, its rate chosen by recent error",
	.open = ewma_open,
	.fit = ewma_fit,
	.step = ewma_step,
	.predict = ewma_predict,
	.close = ewma_close,
};
