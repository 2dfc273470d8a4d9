/*
 * What all classes of forecasters have in common.
 *
 * Each row goes the same way (row_absorb): the value is held against what was said of it before
 * (intervals and skill learn), then the model takes it, then the model is asked at once and its
 * answer, bounded and with its interval, waits in the ring of pending forecasts, of which predict
 * gives the newest.
 *
 * Bounds: a forecast leaves the range of what was ever seen by at most that range, and is not below
 * zero when nothing ever was.
 */
#include "analyzers/forecast/forecaster.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/forecast/conformal.h"
#include "analyzers/forecast/model.h"
#include "analyzers/forecast/pending.h"
#include "base/check.h"
#include "base/mem.h"

/* A longer hole is told to the model as one of this many rows (and what a season leaves over). */
#define GAP_ROWS_MAX 4096
/* Errors fade with this weight of a row, at least: about a day of minutes. */
#define ERROR_WEIGHT (1.0 / 1440)
#define ERROR_OUTCOMES_MIN 10

static const struct forecaster_class *const classes[] = {
	&forecast_naive,
	&forecast_seasonal_naive,
	&forecast_ewma,
	&forecast_median,
	&forecast_holt_winters,
	&forecast_holt_winters_multiplicative,
	&forecast_ridge_ar,
	&forecast_combined,
};

/* Found by name alone: a fit takes minutes, or a net has to be given. */
static const struct forecaster_class *const unlisted[] = {
	&forecast_lstm,
	&forecast_lstm_general,
};

/* What waits for its outcome, for each horizon. */
enum said {
	SAID_NAIVE,
	SAID_MIDDLE,
	SAID_ENDS, /* offsets of the intervals */
	SAID_WIDTH = SAID_ENDS + CONFORMAL_ENDS,
};

struct error_track {
	double own, naive; /* faded means of absolute errors */
	size_t outcomes;
};

struct forecaster {
	const struct forecaster_class *class;
	struct forecaster_config config;
	struct forecast_model *model;
	int64_t last_ms;
	bool started;
	double last;                /* the last measurement, NaN before the first */
	size_t missing;             /* rows since then */
	double seen_low, seen_high; /* range of all measurements */
	const double *beside;       /* of the fit or step to come; NULL: nothing is known */
	size_t beside_rows;
	struct pending pending; /* [horizon_count][SAID_WIDTH] */
	struct error_track errors[FORECAST_HORIZONS_MAX];
	struct conformal conformal[]; /* [horizon_count] */
};

const struct forecaster_class *forecaster_class_at(size_t index)
{
	return index < ARRAY_COUNT(classes) ? classes[index] : NULL;
}

const struct forecaster_class *forecaster_class_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(classes); i++)
		if (strcmp(classes[i]->name, name) == 0)
			return classes[i];
	for (size_t i = 0; i < ARRAY_COUNT(unlisted); i++)
		if (strcmp(unlisted[i]->name, name) == 0)
			return unlisted[i];
	return NULL;
}

const char *forecaster_class_name(const struct forecaster_class *class)
{
	return class->name;
}

void forecaster_config_default(struct forecaster_config *config)
{
	memset(config, 0, sizeof(*config));
	config->step_ms = 60000;
	config->horizons[0] = 5;
	config->horizons[1] = 15;
	config->horizon_count = 2;
	config->season_rows = 1440;
	config->coverage = .9;
	config->seed = 1;
	config->lstm_hidden = 128;
	config->lstm_layers = 3;
	config->lstm_window = 60;
	config->lstm_epochs = 20;
}

static enum status config_check(const struct forecaster_config *config, struct error *error)
{
	size_t before = 0;

	if (config->step_ms <= 0)
		return error_set(error, STATUS_BAD_INPUT, "step_ms must be above 0");
	if (config->horizon_count == 0 || config->horizon_count > FORECAST_HORIZONS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "horizon_count must be 1 to %d",
			FORECAST_HORIZONS_MAX);
	for (size_t k = 0; k < config->horizon_count; k++) {
		if (config->horizons[k] <= before ||
			config->horizons[k] > FORECAST_HORIZON_ROWS_MAX)
			return error_set(error, STATUS_BAD_INPUT,
				"horizons[%zu] must be ascending from 1 to %d", k,
				FORECAST_HORIZON_ROWS_MAX);
		before = config->horizons[k];
	}
	if (config->season_rows > FORECAST_SEASON_ROWS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "season_rows must be at most %d",
			FORECAST_SEASON_ROWS_MAX);
	if (!(config->coverage >= .8 && config->coverage <= .99))
		return error_set(error, STATUS_BAD_INPUT, "coverage must be .8 to .99");
	return STATUS_OK;
}

struct forecaster *forecaster_open(const struct forecaster_class *class,
	const struct forecaster_config *config, struct error *error)
{
	struct forecaster *forecaster;

	if (config_check(config, error) != STATUS_OK)
		return NULL;
	forecaster = mem_zalloc(1,
		sizeof(*forecaster) + config->horizon_count * sizeof(*forecaster->conformal));
	if (forecaster == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a forecaster");
		return NULL;
	}
	forecaster->class = class;
	forecaster->config = *config;
	forecaster->last = NAN;
	forecaster->seen_low = HUGE_VAL;
	forecaster->seen_high = -HUGE_VAL;
	for (size_t k = 0; k < config->horizon_count; k++)
		conformal_init(&forecaster->conformal[k], config->coverage);
	if (pending_init(&forecaster->pending, config->horizons[config->horizon_count - 1],
		    config->horizon_count * SAID_WIDTH, error) != STATUS_OK)
		goto failed;
	forecaster->model = class->open(config, error);
	if (forecaster->model == NULL)
		goto failed;
	return forecaster;
failed:
	forecaster_close(forecaster);
	return NULL;
}

void forecaster_close(struct forecaster *forecaster)
{
	if (forecaster == NULL)
		return;
	if (forecaster->model != NULL)
		forecaster->class->close(forecaster->model);
	pending_fini(&forecaster->pending);
	mem_free(forecaster);
}

static double measurement(double value)
{
	return fabs(value) <= FORECAST_VALUE_MAX ? value : NAN;
}

static void fade(double *mean, double error, double weight)
{
	*mean += weight * (error - *mean);
}

/* What was said of this value, now that it is known. */
static void outcomes_learn(struct forecaster *forecaster, double value)
{
	for (size_t k = 0; k < forecaster->config.horizon_count; k++) {
		/* The newest slot is of the row before this one. */
		const double *said =
			pending_back(&forecaster->pending, forecaster->config.horizons[k] - 1) +
			k * SAID_WIDTH;
		struct error_track *track = &forecaster->errors[k];
		double weight;

		if (isnan(said[SAID_MIDDLE]) || isnan(said[SAID_NAIVE]))
			continue;
		conformal_add(&forecaster->conformal[k], value - said[SAID_MIDDLE],
			said + SAID_ENDS);
		track->outcomes++;
		weight = fmax(1 / (double)track->outcomes, ERROR_WEIGHT);
		fade(&track->own, fabs(value - said[SAID_MIDDLE]), weight);
		fade(&track->naive, fabs(value - said[SAID_NAIVE]), weight);
	}
}

static double bounded(const struct forecaster *forecaster, double value)
{
	double low = forecaster->seen_low, high = forecaster->seen_high, range = high - low;

	if (isnan(value))
		return NAN;
	return fmin(fmax(value, low >= 0 ? fmax(low - range, 0) : low - range), high + range);
}

static void forecast_say(struct forecaster *forecaster)
{
	double *slot = pending_next(&forecaster->pending);
	double middle[FORECAST_HORIZONS_MAX];
	size_t count = forecaster->config.horizon_count;

	for (size_t i = 0; i < count * SAID_WIDTH; i++)
		slot[i] = NAN;
	if (isnan(forecaster->last) || forecaster->missing > FORECAST_STALE_ROWS)
		return;
	forecaster->class->predict(forecaster->model, middle);
	for (size_t k = 0; k < count; k++) {
		double *said = slot + k * SAID_WIDTH;

		said[SAID_NAIVE] = forecaster->last;
		said[SAID_MIDDLE] = isfinite(middle[k]) ? bounded(forecaster, middle[k]) : NAN;
		conformal_offsets(&forecaster->conformal[k], said + SAID_ENDS);
	}
}

/* beside: [FORECAST_BESIDE], NULL: nothing is known. */
static void row_absorb(struct forecaster *forecaster, double value, const double *beside,
	int64_t at_ms)
{
	if (isnan(value)) {
		forecaster->missing++;
	} else {
		outcomes_learn(forecaster, value);
		forecaster->last = value;
		forecaster->missing = 0;
		forecaster->seen_low = fmin(forecaster->seen_low, value);
		forecaster->seen_high = fmax(forecaster->seen_high, value);
	}
	if (forecaster->class->beside != NULL)
		forecaster->class->beside(forecaster->model, beside);
	forecaster->class->step(forecaster->model, value, at_ms);
	forecast_say(forecaster);
	forecaster->last_ms = at_ms;
	forecaster->started = true;
}

/* A hole longer than GAP_ROWS_MAX is shortened by whole seasons, so that the phase stays. */
static int64_t gap_shortened(const struct forecaster *forecaster, int64_t rows)
{
	int64_t season = (int64_t)forecaster->config.season_rows;

	if (rows <= GAP_ROWS_MAX + season)
		return rows;
	return GAP_ROWS_MAX + (season == 0 ? 0 : (rows - GAP_ROWS_MAX) % season);
}

void forecaster_beside(struct forecaster *forecaster, const double *values, size_t rows)
{
	forecaster->beside = values;
	forecaster->beside_rows = rows;
}

void forecaster_step(struct forecaster *forecaster, double value, int64_t at_ms)
{
	const double *beside = forecaster->beside_rows == 1 ? forecaster->beside : NULL;
	int64_t step_ms = forecaster->config.step_ms, gap;

	forecaster->beside = NULL;

	if (forecaster->started) {
		if (at_ms <= forecaster->last_ms)
			return;
		/* Of unsigned numbers, so that no distance is too far. */
		gap = (int64_t)(((uint64_t)at_ms - (uint64_t)forecaster->last_ms) /
			      (uint64_t)step_ms) -
			1;
		if (((uint64_t)at_ms - (uint64_t)forecaster->last_ms) % (uint64_t)step_ms * 2 >=
			(uint64_t)step_ms)
			gap++;
		if (gap < 0)
			return;
		for (int64_t rows = gap_shortened(forecaster, gap); rows > 0; rows--)
			row_absorb(forecaster, NAN, NULL, at_ms - rows * step_ms);
	}
	row_absorb(forecaster, measurement(value), beside, at_ms);
}

enum status forecaster_fit(struct forecaster *forecaster, const double *values, size_t count,
	int64_t start_ms, struct error *error)
{
	const double *beside = forecaster->beside_rows == count ? forecaster->beside : NULL;
	size_t measured = 0, split = count - count / 4;
	double *rows;
	enum status status;

	forecaster->beside = NULL;
	for (size_t i = 0; i < count; i++)
		measured += isnan(measurement(values[i])) ? 0 : 1;
	if (measured < 2)
		return error_set(error, STATUS_BAD_INPUT,
			"%zu rows with %zu measurements: nothing to fit", count, measured);
	rows = mem_alloc(split * sizeof(*rows));
	if (rows == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", split);
	for (size_t i = 0; i < split; i++) {
		rows[i] = measurement(values[i]);
		if (isnan(rows[i])) {
			forecaster->missing++;
			continue;
		}
		forecaster->last = rows[i];
		forecaster->missing = 0;
		forecaster->seen_low = fmin(forecaster->seen_low, rows[i]);
		forecaster->seen_high = fmax(forecaster->seen_high, rows[i]);
	}
	if (forecaster->class->beside != NULL)
		forecaster->class->beside(forecaster->model, beside);
	status = forecaster->class->fit(forecaster->model, rows, split, start_ms, error);
	mem_free(rows);
	if (status != STATUS_OK)
		return status;
	forecaster->last_ms = start_ms + (int64_t)(split - 1) * forecaster->config.step_ms;
	forecaster->started = true;
	forecast_say(forecaster);
	for (size_t i = split; i < count; i++) {
		if (beside != NULL)
			forecaster_beside(forecaster, beside + i * FORECAST_BESIDE, 1);
		forecaster_step(forecaster, values[i],
			start_ms + (int64_t)i * forecaster->config.step_ms);
	}
	return STATUS_OK;
}

void forecaster_predict(const struct forecaster *forecaster, struct prediction *predictions)
{
	const double *slot = pending_back(&forecaster->pending, 0);

	for (size_t k = 0; k < forecaster->config.horizon_count; k++) {
		const double *said = slot + k * SAID_WIDTH;
		double middle = said[SAID_MIDDLE];
		const double *ends = said + SAID_ENDS;
		double floor = forecaster->seen_low >= 0 ? 0 : -HUGE_VAL;

		predictions[k].middle = middle;
		predictions[k].low = fmax(middle + ends[CONFORMAL_LOW], floor);
		predictions[k].q10 = fmax(middle + ends[CONFORMAL_Q10], floor);
		predictions[k].q90 = middle + ends[CONFORMAL_Q90];
		predictions[k].high = middle + ends[CONFORMAL_HIGH];
		if (isnan(middle + ends[CONFORMAL_LOW]))
			predictions[k].low = predictions[k].q10 = NAN;
	}
}

void forecaster_pack(struct forecaster *forecaster, struct pack *pack)
{
	const struct forecaster_config *config = &forecaster->config;

	pack_same(pack, (uint64_t)config->step_ms);
	pack_same(pack, config->season_rows);
	pack_same(pack, config->horizon_count);
	for (size_t k = 0; k < config->horizon_count; k++)
		pack_same(pack, config->horizons[k]);
	pack_value(pack, &forecaster->last_ms);
	pack_flag(pack, &forecaster->started);
	pack_value(pack, &forecaster->last);
	pack_value(pack, &forecaster->missing);
	pack_value(pack, &forecaster->seen_low);
	pack_value(pack, &forecaster->seen_high);
	pending_pack(&forecaster->pending, pack);
	pack_value(pack, &forecaster->errors);
	for (size_t k = 0; k < config->horizon_count; k++)
		conformal_pack(&forecaster->conformal[k], pack);
	if (forecaster->class->pack != NULL)
		forecaster->class->pack(forecaster->model, pack);
	else
		pack_fail(pack);
}

size_t forecaster_size(struct forecaster *forecaster)
{
	struct pack pack;

	pack_measure(&pack);
	forecaster_pack(forecaster, &pack);
	return sizeof(*forecaster) + pack.done;
}

bool forecaster_last(const struct forecaster *forecaster, int64_t *at_ms)
{
	*at_ms = forecaster->last_ms;
	return forecaster->started;
}

double forecaster_skill(const struct forecaster *forecaster, size_t horizon)
{
	const struct error_track *track = &forecaster->errors[horizon];

	CHECK(horizon < forecaster->config.horizon_count);
	if (track->outcomes < ERROR_OUTCOMES_MIN || track->naive <= 0)
		return NAN;
	return 1 - track->own / track->naive;
}
