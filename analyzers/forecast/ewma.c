/*
 * Exponentially weighted mean: several rates race, and each horizon is answered by the rate whose
 * errors at that horizon were the smallest lately.
 */
#include <math.h>

#include "analyzers/forecast/model.h"
#include "analyzers/forecast/race.h"
#include "base/check.h"
#include "base/mem.h"

static const double rates[] = {1, .7, .5, .35, .25, .17, .12, .08, .05, .03, .015};

#define RATES ARRAY_COUNT(rates)

struct forecast_model {
	double levels[RATES];
	struct race race;
};

static void ewma_close(struct forecast_model *model)
{
	race_fini(&model->race);
	mem_free(model);
}

static struct forecast_model *ewma_open(const struct forecaster_config *config, struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	for (size_t i = 0; i < RATES; i++)
		model->levels[i] = NAN;
	if (race_init(&model->race, config, RATES, error) != STATUS_OK) {
		ewma_close(model);
		return NULL;
	}
	return model;
}

static void ewma_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	race_learn(&model->race, value);
	for (size_t i = 0; i < RATES && !isnan(value); i++) {
		if (isnan(model->levels[i]))
			model->levels[i] = value;
		model->levels[i] += rates[i] * (value - model->levels[i]);
	}
	race_put(&model->race, model->levels);
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
	race_predict(&model->race, middle);
}

static void ewma_pack(struct forecast_model *model, struct pack *pack)
{
	pack_value(pack, &model->levels);
	race_pack(&model->race, pack);
}

const struct forecaster_class forecast_ewma = {
	.name = "ewma",
	.summary = "exponentially weighted mean, its rate chosen by recent error",
	.open = ewma_open,
	.fit = ewma_fit,
	.step = ewma_step,
	.predict = ewma_predict,
	.close = ewma_close,
	.pack = ewma_pack,
};
