/*
 * Ridge autoregression: for each horizon the change from the last value is a linear function of how
 * the LAGS values before it differ from it, of the level, and of what happened at the same time
 * yesterday, and of running medians; in closed form by Cholesky, updated row by row.
 *
 *   row u      x = [1, level, lags - last, yesterday - last, yesterday's change to u + h for each h]
 *   target h   value(u + h) - value(u)
 *   G <- G + w x x',  b_h <- b_h + w x target_h    when the last target of row u is known
 *   theta_h = (G + ridge)^-1 b_h                   every REFIT_ROWS rows; both fade meanwhile
 *
 * A row weighs w = 1 / max(mean |residual| under the present theta, FLOOR of its mean): iteratively
 * reweighted least squares for the absolute error (Schlossmacher, JASA 68, 1973), spread over the
 * stream, so that spikes do not bend the model. All is measured in units of the mean change of a row,
 * taken from the first rows. Ridge pulls towards the last value, which the model falls back to.
 *
 * Missing rows: a missing lag is taken as the value before it; rows with more than a quarter of the
 * lags missing teach nothing. Where yesterday is missing it says nothing (a change of 0).
 *
 * Memory: about 14 kB, and the history.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/forecast/history.h"
#include "analyzers/forecast/medians.h"
#include "analyzers/forecast/model.h"
#include "analyzers/forecast/pending.h"
#include "analyzers/regression.h"
#include "base/check.h"
#include "base/mem.h"

#define LAGS HISTORY_LAGS
/* Medians that serve as features: the shorter ones. */
#define MEDIANS_USED 4u
#define FEATURES_MAX (LAGS + MEDIANS_USED + 2 + FORECAST_HORIZONS_MAX)
#define REFIT_ROWS 64u
#define ROWS_MIN 240u
/* Of the mean residual. */
#define WEIGHT_FLOOR .3
/* Of the Gram matrix' mean diagonal. */
#define RIDGE 1e-4
/* Rows after which a row counts by 1/e. */
#define MEMORY_ROWS 20000

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count, horizon_max;
	size_t season_rows; /* 0: none */
	size_t features;
	struct history *history;
	size_t rows; /* seen */
	double last, unit, unit_rows;
	bool unit_settled;
	double centre;
	struct medians medians;
	struct pending past; /* [MEDIANS_USED] medians of the last rows */
	float *gram;         /* [REGRESSION_SIZE(features)], lower, by rows */
	double (*moments)[FEATURES_MAX], (*theta)[FEATURES_MAX]; /* [horizon_count] */
	double taught, error; /* rows in the Gram matrix; their faded mean residual */
	size_t since_refit;
	bool fitted;
};

static void ridge_close(struct forecast_model *model)
{
	pending_fini(&model->past);
	history_close(model->history);
	medians_fini(&model->medians);
	mem_free(model->gram);
	mem_free(model->moments);
	mem_free(model->theta);
	mem_free(model);
}

static struct forecast_model *ridge_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));
	size_t horizon_max = config->horizons[config->horizon_count - 1];

	if (model == NULL)
		goto no_memory;
	memcpy(model->horizons, config->horizons, sizeof(model->horizons));
	model->horizon_count = config->horizon_count;
	model->horizon_max = horizon_max;
	model->season_rows = config->season_rows > horizon_max ? config->season_rows : 0;
	model->features =
		LAGS + 1 + MEDIANS_USED + (model->season_rows > 0 ? 1 + config->horizon_count : 0);
	model->last = NAN;
	model->centre = NAN;
	model->history = history_hold(config->history,
		HISTORY_ROWS(model->season_rows > LAGS ? model->season_rows : LAGS, horizon_max),
		error);
	model->gram = mem_zalloc(REGRESSION_SIZE(model->features), sizeof(*model->gram));
	model->moments = mem_zalloc(config->horizon_count, sizeof(*model->moments));
	model->theta = mem_zalloc(config->horizon_count, sizeof(*model->theta));
	if (pending_init(&model->past, horizon_max, MEDIANS_USED, error) != STATUS_OK ||
		medians_init(&model->medians, MEDIANS_USED) != STATUS_OK ||
		model->history == NULL || model->gram == NULL || model->moments == NULL ||
		model->theta == NULL)
		goto no_memory;
	return model;
no_memory:
	if (model != NULL)
		ridge_close(model);
	error_set(error, STATUS_NO_MEMORY, "no memory for a ridge regression");
	return NULL;
}

/* x of the row `back` rows before the newest. Returns the lags that were missing. */
static size_t features_take(const struct forecast_model *model, size_t back, double last, double *x)
{
	size_t n = 0, missing = 0, season = model->season_rows;
	const double *medians = pending_back(&model->past, back);
	double before = last, scale = 1 / model->unit, yesterday;

	x[n++] = 1;
	x[n++] = (last - model->centre) * scale;
	for (size_t lag = 1; lag < LAGS; lag++) {
		double value = history_back(model->history, back + lag);

		if (isnan(value)) {
			missing++;
			value = before;
		}
		before = value;
		x[n++] = (value - last) * scale;
	}
	for (size_t i = 0; i < MEDIANS_USED; i++)
		x[n++] = (medians[i] - last) * scale;
	if (season == 0)
		return missing;
	yesterday = history_back(model->history, back + season);
	x[n++] = isnan(yesterday) ? 0 : (yesterday - last) * scale;
	for (size_t k = 0; k < model->horizon_count; k++) {
		double then = history_back(model->history, back + season - model->horizons[k]);

		x[n++] = isnan(then - yesterday) ? 0 : (then - yesterday) * scale;
	}
	return missing;
}

static void refit(struct forecast_model *model)
{
	size_t n = model->features;
	double lower[REGRESSION_SIZE(FEATURES_MAX)],
		trace = 0, ridge, kept = 1 - (double)model->since_refit / MEMORY_ROWS;

	for (size_t i = 0; i < n; i++)
		trace += (double)model->gram[REGRESSION_SIZE(i) + i];
	ridge = RIDGE * trace / (double)n;
	model->since_refit = 0;
	if (!(ridge > 0) || !isfinite(ridge))
		return;
	for (size_t i = 0; i < REGRESSION_SIZE(n); i++)
		lower[i] = (double)model->gram[i];
	for (size_t i = 0; i < n; i++)
		lower[REGRESSION_SIZE(i) + i] += ridge;
	regression_factor(lower, n, ridge);
	for (size_t k = 0; k < model->horizon_count; k++) {
		regression_solve(lower, n, model->moments[k], model->theta[k]);
		for (size_t i = 0; i < n; i++)
			model->moments[k][i] *= kept;
	}
	for (size_t i = 0; i < REGRESSION_SIZE(n); i++)
		model->gram[i] *= (float)kept;
	model->fitted = true;
}

/* The row whose last target is the newest value. */
static void row_learn(struct forecast_model *model)
{
	double x[FEATURES_MAX], targets[FORECAST_HORIZONS_MAX];
	size_t back = model->horizon_max, n = model->features;
	double last = history_back(model->history, back), residual = 0, weight;
	float narrow[FEATURES_MAX];

	if (isnan(last) || model->rows < LAGS + back || isnan(pending_back(&model->past, back)[0]))
		return;
	for (size_t k = 0; k < model->horizon_count; k++) {
		targets[k] = (history_back(model->history, back - model->horizons[k]) - last) /
			model->unit;
		if (isnan(targets[k]))
			return;
	}
	if (features_take(model, back, last, x) > LAGS / 4)
		return;
	for (size_t k = 0; k < model->horizon_count; k++)
		residual += fabs(targets[k] -
				    (model->fitted ? regression_dot(x, model->theta[k], n) : 0)) /
			(double)model->horizon_count;
	model->taught++;
	model->error += fmax(1 / model->taught, 1e-3) * (residual - model->error);
	weight = 1 / (fmax(residual, WEIGHT_FLOOR * model->error) + 1e-9);
	for (size_t i = 0; i < n; i++)
		narrow[i] = (float)x[i];
	for (size_t i = 0; i < n; i++) {
		float *row = model->gram + REGRESSION_SIZE(i), by = (float)(weight * x[i]);

		for (size_t j = 0; j <= i; j++)
			row[j] += by * narrow[j];
		for (size_t k = 0; k < model->horizon_count; k++)
			model->moments[k][i] += weight * x[i] * targets[k];
	}
	if (++model->since_refit >= REFIT_ROWS && model->taught >= ROWS_MIN)
		refit(model);
}

/* The unit is settled before the first row is learnt from; a series that never changed has none. */
static void unit_learn(struct forecast_model *model, double value)
{
	if (isnan(model->last)) {
		model->centre = value;
		return;
	}
	model->unit_rows++;
	model->unit += (fabs(value - model->last) - model->unit) / model->unit_rows;
	model->centre += (value - model->centre) / (model->unit_rows + 1);
	model->unit_settled = model->unit_rows >= ROWS_MIN && model->unit > 0;
}

static void ridge_step(struct forecast_model *model, double value, int64_t at_ms)
{
	(void)at_ms;
	history_put(model->history, model->rows++, value);
	if (!isnan(value)) {
		medians_add(&model->medians, value);
		if (!model->unit_settled)
			unit_learn(model, value);
		model->last = value;
	}
	medians_take(&model->medians, pending_next(&model->past));
	if (!isnan(value) && model->unit_settled)
		row_learn(model);
}

static enum status ridge_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	(void)error;
	history_reset(model->history);
	for (size_t i = 0; i < count; i++)
		ridge_step(model, values[i], at_ms);
	return STATUS_OK;
}

static void ridge_predict(const struct forecast_model *model, double *middle)
{
	double x[FEATURES_MAX];

	/* A series that never changed has taught nothing else. */
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->unit_rows >= ROWS_MIN && !(model->unit > 0) ? model->last : NAN;
	if (!model->fitted || features_take(model, 0, model->last, x) > LAGS / 2)
		return;
	for (size_t k = 0; k < model->horizon_count; k++)
		middle[k] = model->last +
			model->unit * regression_dot(x, model->theta[k], model->features);
}

static void ridge_pack(struct forecast_model *model, struct pack *pack)
{
	size_t n = model->features, count = model->horizon_count;

	pack_same(pack, n);
	pack_value(pack, &model->rows);
	pack_value(pack, &model->last);
	pack_value(pack, &model->unit);
	pack_value(pack, &model->unit_rows);
	pack_flag(pack, &model->unit_settled);
	pack_value(pack, &model->centre);
	medians_pack(&model->medians, pack);
	pending_pack(&model->past, pack);
	pack_bytes(pack, model->gram, REGRESSION_SIZE(n) * sizeof(*model->gram));
	pack_bytes(pack, model->moments, count * sizeof(*model->moments));
	pack_bytes(pack, model->theta, count * sizeof(*model->theta));
	pack_value(pack, &model->taught);
	pack_value(pack, &model->error);
	pack_value(pack, &model->since_refit);
	pack_flag(pack, &model->fitted);
	history_pack_own(model->history, pack);
}

const struct forecaster_class forecast_ridge_ar = {
	.name = "ridge_ar",
	.summary = "ridge regression on 60 lags and the same time yesterday",
	.open = ridge_open,
	.fit = ridge_fit,
	.step = ridge_step,
	.predict = ridge_predict,
	.close = ridge_close,
	.pack = ridge_pack,
};
