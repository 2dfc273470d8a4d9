/*
 * Holt-Winters' exponential smoothing with a damped trend, additive or multiplicative season
 * (Hyndman, Koehler, Ord, Snyder, "Forecasting with Exponential Smoothing", Springer 2008, ch. 2:
 * ETS(A,Ad,A), ETS(A,Ad,M)).
 *
 *   level  <- (1 - a) (level + phi trend) + a (value - season)       [or value / season]
 *   trend  <- phi trend + b (level - previous level - phi trend)
 *   season <- season + g (value - level - season)                    [or value / level]
 *
 * What is fitted: a, b, g and phi from a small grid, refined one at a time around the best, by the
 * sum of absolute errors at the horizons asked for; each try is one pass over at most PASS_ROWS rows,
 * so the time is bounded and short: about 60 passes. The season's first state is the mean deviation
 * from a moving level by phase over all whole seasons given. A class tries with and without a season
 * and keeps what errs least, so that a season that is none costs nothing.
 *
 * Missing rows: the level runs on by its trend, nothing is learnt.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/forecast/model.h"
#include "base/check.h"
#include "base/mem.h"

#define PASS_ROWS 10080
/* The season says nothing about the level while this little is left of a multiplicative factor. */
#define FACTOR_MIN 1e-3

struct smoothing {
	double level_rate, trend_rate, season_rate, damping;
	bool seasonal;
};

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	bool multiplicative;
	size_t season_rows;
	struct smoothing smoothing;
	double level, trend; /* level NaN: nothing seen yet */
	size_t at;           /* phase of the next row */
	/* [season_rows], deviations, or factors around 1; NULL unless it was fitted and has one. */
	float *season;
	double reach[FORECAST_HORIZONS_MAX]; /* phi + phi^2 + ... + phi^h */
};

static void reach_compute(struct forecast_model *model)
{
	for (size_t k = 0; k < model->horizon_count; k++) {
		double power = 1, sum = 0;

		for (size_t h = 0; h < model->horizons[k]; h++) {
			power *= model->smoothing.damping;
			sum += power;
		}
		model->reach[k] = sum;
	}
}

static double with_season(const struct forecast_model *model, double level, size_t phase)
{
	if (!model->smoothing.seasonal)
		return level;
	return model->multiplicative ? level * (double)model->season[phase]
				     : level + (double)model->season[phase];
}

static double without_season(const struct forecast_model *model, double value, size_t phase)
{
	if (!model->smoothing.seasonal)
		return value;
	return model->multiplicative ? value / fmax((double)model->season[phase], FACTOR_MIN)
				     : value - (double)model->season[phase];
}

static void season_learn(struct forecast_model *model, double value)
{
	float *season;
	double seen;

	if (!model->smoothing.seasonal)
		return;
	season = &model->season[model->at];
	if (!model->multiplicative)
		seen = value - model->level;
	else if (fabs(model->level) > 0)
		seen = value / model->level;
	else
		return;
	if (model->multiplicative && !(seen >= 0 && seen <= 1 / FACTOR_MIN))
		return;
	*season += (float)(model->smoothing.season_rate * (seen - (double)*season));
}

static void row_take(struct forecast_model *model, double value)
{
	const struct smoothing *by = &model->smoothing;

	if (isnan(model->level)) {
		if (!isnan(value))
			model->level = without_season(model, value, model->at);
	} else {
		double expected = model->level + by->damping * model->trend;
		double level = expected;

		if (!isnan(value))
			level += by->level_rate *
				(without_season(model, value, model->at) - expected);
		model->trend = by->damping * model->trend + by->trend_rate * (level - expected);
		model->level = level;
		if (!isnan(value))
			season_learn(model, value);
	}
	if (model->season_rows > 0)
		model->at = model->at + 1 == model->season_rows ? 0 : model->at + 1;
}

static double row_forecast(const struct forecast_model *model, size_t k)
{
	size_t phase = 0;

	if (model->smoothing.seasonal) {
		phase = model->at + model->horizons[k] - 1;
		while (phase >= model->season_rows)
			phase -= model->season_rows;
	}
	return with_season(model, model->level + model->reach[k] * model->trend, phase);
}

static void hw_close(struct forecast_model *model)
{
	mem_free(model->season);
	mem_free(model);
}

static struct forecast_model *hw_open(const struct forecaster_config *config, bool multiplicative,
	struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a model");
		return NULL;
	}
	memcpy(model->horizons, config->horizons, sizeof(model->horizons));
	model->horizon_count = config->horizon_count;
	model->multiplicative = multiplicative;
	model->season_rows = config->season_rows;
	model->level = NAN;
	model->smoothing = (struct smoothing){.3, .01, .1, .9, false};
	reach_compute(model);
	return model;
}

static struct forecast_model *additive_open(const struct forecaster_config *config,
	struct error *error)
{
	return hw_open(config, false, error);
}

static struct forecast_model *multiplicative_open(const struct forecaster_config *config,
	struct error *error)
{
	return hw_open(config, true, error);
}

/* What a fit works on: the rows of the pass, and the season's first state by phase of row 0. */
struct fitting {
	const double *values;
	size_t count;
	double *season; /* [season_rows] */
	double best;
	struct smoothing smoothing;
};

/* The mean of the rows' deviations from (or ratios to) the mean of a season, by phase. Phases never
 * seen are taken as no deviation. */
static bool season_begin(const struct forecast_model *model, struct fitting *fitting)
{
	size_t rows = model->season_rows, seasons = rows == 0 ? 0 : fitting->count / rows;
	float *counts = model->season; /* as scratch */
	double neutral = model->multiplicative ? 1 : 0;

	if (seasons < 2)
		return false;
	memset(fitting->season, 0, rows * sizeof(double));
	memset(counts, 0, rows * sizeof(*counts));
	for (size_t s = 0; s < seasons; s++) {
		const double *day = fitting->values + s * rows;
		double sum = 0, seen = 0, mean;

		for (size_t i = 0; i < rows; i++)
			if (!isnan(day[i])) {
				sum += day[i];
				seen++;
			}
		mean = seen > 0 ? sum / seen : 0;
		if (seen < (double)rows / 2 || (model->multiplicative && mean <= 0))
			continue;
		for (size_t i = 0; i < rows; i++)
			if (!isnan(day[i])) {
				fitting->season[i] +=
					model->multiplicative ? day[i] / mean : day[i] - mean;
				counts[i]++;
			}
	}
	for (size_t i = 0; i < rows; i++)
		fitting->season[i] =
			counts[i] > 0 ? fitting->season[i] / (double)counts[i] : neutral;
	return true;
}

/* One pass from the first state; the mean absolute error at the horizons behind the first tenth. */
static double pass(struct forecast_model *model, const struct fitting *fitting,
	const struct smoothing *smoothing)
{
	double sum = 0, outcomes = 0;
	size_t warm = fitting->count / 10;

	model->smoothing = *smoothing;
	model->level = NAN;
	model->trend = 0;
	model->at = 0;
	reach_compute(model);
	for (size_t i = 0; i < model->season_rows && smoothing->seasonal; i++)
		model->season[i] = (float)fitting->season[i];
	for (size_t i = 0; i < fitting->count; i++) {
		row_take(model, fitting->values[i]);
		if (i < warm || isnan(model->level))
			continue;
		for (size_t k = 0; k < model->horizon_count; k++) {
			size_t then = i + model->horizons[k];

			if (then >= fitting->count || isnan(fitting->values[then]))
				continue;
			sum += fabs(fitting->values[then] - row_forecast(model, k));
			outcomes++;
		}
	}
	return outcomes > 0 ? sum / outcomes : HUGE_VAL;
}

static void attempt(struct forecast_model *model, struct fitting *fitting,
	const struct smoothing *smoothing)
{
	double error = pass(model, fitting, smoothing);

	/* NaN is never better. */
	if (error < fitting->best) {
		fitting->best = error;
		fitting->smoothing = *smoothing;
	}
}

static void grid(struct forecast_model *model, struct fitting *fitting, bool seasonal)
{
	static const double level_rates[] = {.9, .6, .35, .2, .1, .05, .02};
	static const double trend_rates[] = {0, .02, .1};

	for (size_t i = 0; i < ARRAY_COUNT(level_rates); i++)
		for (size_t j = 0; j < ARRAY_COUNT(trend_rates); j++) {
			if (seasonal && j == 2)
				continue;
			attempt(model, fitting,
				&(struct smoothing){level_rates[i], trend_rates[j],
					seasonal ? .1 : 0, trend_rates[j] > 0 ? .9 : 0, seasonal});
		}
}

/* One parameter at a time, around the best so far. */
static void refine(struct forecast_model *model, struct fitting *fitting)
{
	static const double factors[] = {.7, 1.4};
	static const double dampings[] = {.8, .96};
	static const double season_rates[] = {.02, .25};

	for (size_t i = 0; i < 2; i++) {
		struct smoothing tried = fitting->smoothing;

		tried.level_rate = fmin(tried.level_rate * factors[i], 1);
		attempt(model, fitting, &tried);
		tried = fitting->smoothing;
		tried.trend_rate *= factors[i];
		if (tried.trend_rate > 0)
			attempt(model, fitting, &tried);
		tried = fitting->smoothing;
		tried.damping = dampings[i];
		if (tried.trend_rate > 0)
			attempt(model, fitting, &tried);
		tried = fitting->smoothing;
		tried.season_rate = season_rates[i];
		if (tried.seasonal)
			attempt(model, fitting, &tried);
	}
}

static enum status hw_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	/* Whole seasons are left out in front, so that the phase of the first row stays 0. */
	size_t skipped = count > PASS_ROWS ? count - PASS_ROWS : 0;
	struct fitting fitting = {.best = HUGE_VAL, .smoothing = model->smoothing};
	float *season = mem_zalloc(model->season_rows, sizeof(*season));

	(void)at_ms;
	if (model->season_rows > 0)
		skipped = (skipped + model->season_rows - 1) / model->season_rows *
			model->season_rows;
	if (skipped >= count)
		skipped = 0;
	fitting.values = values + skipped;
	fitting.count = count - skipped;
	fitting.season = mem_zalloc(model->season_rows, sizeof(*fitting.season));
	if (season == NULL || fitting.season == NULL) {
		mem_free(season);
		mem_free(fitting.season);
		return error_set(error, STATUS_NO_MEMORY, "no memory for a season of %zu rows",
			model->season_rows);
	}
	mem_free(model->season);
	model->season = season;
	grid(model, &fitting, false);
	if (season_begin(model, &fitting))
		grid(model, &fitting, true);
	refine(model, &fitting);
	(void)pass(model, &fitting, &fitting.smoothing);
	mem_free(fitting.season);
	if (!model->smoothing.seasonal) {
		mem_free(model->season);
		model->season = NULL;
	}
	return STATUS_OK;
}

static void hw_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	row_take(model, value);
}

static void hw_predict(const struct forecast_model *model, double *middle)
{
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = row_forecast(model, k);
}

static void hw_pack(struct forecast_model *model, struct pack *pack)
{
	struct smoothing *by = &model->smoothing;

	pack_value(pack, &by->level_rate);
	pack_value(pack, &by->trend_rate);
	pack_value(pack, &by->season_rate);
	pack_value(pack, &by->damping);
	pack_flag(pack, &by->seasonal);
	pack_value(pack, &model->level);
	pack_value(pack, &model->trend);
	pack_index(pack, &model->at, model->season_rows > 0 ? model->season_rows - 1 : 0);
	if (pack_reads(pack)) {
		reach_compute(model);
		if (by->seasonal && model->season == NULL)
			model->season = mem_zalloc(model->season_rows, sizeof(*model->season));
	}
	if (by->seasonal && (model->season == NULL || model->season_rows == 0)) {
		by->seasonal = false;
		pack_fail(pack);
	}
	if (by->seasonal)
		pack_bytes(pack, model->season, model->season_rows * sizeof(*model->season));
}

const struct forecaster_class forecast_holt_winters = {
	.name = "holt_winters",
	.summary = "Holt-Winters: damped trend, additive season",
	.open = additive_open,
	.fit = hw_fit,
	.step = hw_step,
	.predict = hw_predict,
	.close = hw_close,
	.pack = hw_pack,
};

const struct forecaster_class forecast_holt_winters_multiplicative = {
	.name = "holt_winters_multiplicative",
	.summary = "Holt-Winters: damped trend, multiplicative season",
	.open = multiplicative_open,
	.fit = hw_fit,
	.step = hw_step,
	.predict = hw_predict,
	.close = hw_close,
	.pack = hw_pack,
};
