/*
 * What a class of forecasters implements: point forecasts on a grid without holes. Times, gaps and
 * what is no measurement are settled before (forecaster.h): value is finite and at most
 * FORECAST_VALUE_MAX in size, or NaN for a missing row.
 *
 * Each class keeps its own struct forecast_model.
 *
 * Ownership: a model belongs to who opened it. open and fit may take memory, step and predict not.
 * Threads: one thread at a time per model.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_MODEL_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_MODEL_H

#include "analyzers/forecast/forecaster.h"
#include "analyzers/pack.h"

struct forecast_model;

struct forecaster_class {
	const char *name, *summary;
	struct forecast_model *(*open)(const struct forecaster_config *config, struct error *error);
	/* values: [count], NaN: missing; at_ms: time of the first. As if all were stepped through. */
	enum status (*fit)(struct forecast_model *model, const double *values, size_t count,
		int64_t at_ms, struct error *error);
	void (*step)(struct forecast_model *model, double value, int64_t at_ms);
	/* middle: [horizon_count], NaN: none. */
	void (*predict)(const struct forecast_model *model, double *middle);
	void (*close)(struct forecast_model *model);
	/* All of the state, from and to a model opened with the same configuration; NULL: it cannot be packed. */
	void (*pack)(struct forecast_model *model, struct pack *pack);
	/* May be NULL. values: [FORECAST_BESIDE] a row, of the rows of the next fit or the next step; NULL:
	 * nothing is known. Valid until the end of that call. */
	void (*beside)(struct forecast_model *model, const double *values);
};

extern const struct forecaster_class forecast_naive, forecast_seasonal_naive, forecast_ewma,
	forecast_holt_winters, forecast_holt_winters_multiplicative, forecast_ridge_ar,
	forecast_median, forecast_combined, forecast_lstm, forecast_lstm_general;

#endif
