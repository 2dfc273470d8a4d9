/*
 * Running median: several windows race, and each horizon is answered by the window whose errors at
 * that horizon were the smallest lately. What spikes do not move.
 */
#include <math.h>

#include "analyzers/forecast/medians.h"
#include "analyzers/forecast/model.h"
#include "analyzers/forecast/race.h"
#include "base/mem.h"

struct forecast_model {
	struct medians medians;
	struct race race;
};

static void median_close(struct forecast_model *model)
{
	medians_fini(&model->medians);
	race_fini(&model->race);
	mem_free(model);
}

static struct forecast_model *median_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	if (race_init(&model->race, config, MEDIANS, error) == STATUS_OK &&
		medians_init(&model->medians, MEDIANS) == STATUS_OK)
		return model;
	error_set(error, STATUS_NO_MEMORY, "no memory for running medians");
	median_close(model);
	return NULL;
}

static void median_step(struct forecast_model *model, double value, int64_t at_ms)
{
	double levels[MEDIANS];

	(void)at_ms;
	race_learn(&model->race, value);
	if (!isnan(value))
		medians_add(&model->medians, value);
	medians_take(&model->medians, levels);
	race_put(&model->race, levels);
}

static enum status median_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	for (size_t i = 0; i < count; i++)
		median_step(model, values[i], at_ms);
	return STATUS_OK;
}

static void median_predict(const struct forecast_model *model, double *middle)
{
	race_predict(&model->race, middle);
}

static void median_pack(struct forecast_model *model, struct pack *pack)
{
	medians_pack(&model->medians, pack);
	race_pack(&model->race, pack);
}

const struct forecaster_class forecast_median = {
	.name = "median",
	.summary = "running median, its window chosen by recent error",
	.open = median_open,
	.fit = median_fit,
	.step = median_step,
	.predict = median_predict,
	.close = median_close,
	.pack = median_pack,
};
