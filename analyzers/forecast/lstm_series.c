/*
 * From a series to an LSTM's inputs, and back.
 */
#include "analyzers/forecast/lstm_series.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define TARGET_MAX 30
#define DAY_MS 86400000
#define WEEK_MS (7 * INT64_C(86400000))
#define TWO_PI 6.283185307179586
/* Weights of a row in the unit and the levels. */
#define UNIT_WEIGHT (1.0 / 720)
#define DAY_WEIGHT (1.0 / 1440)
#define HOUR_WEIGHT (1.0 / 60)

const float lstm_series_levels[LSTM_SERIES_QUANTILES * FORECAST_HORIZONS_MAX] = {.1f, .5f, .9f, .1f,
	.5f, .9f, .1f, .5f, .9f, .1f, .5f, .9f};

enum status lstm_series_init(struct lstm_series *series, const struct forecaster_config *config,
	struct error *error)
{
	memset(series, 0, sizeof(*series));
	memcpy(series->horizons, config->horizons, sizeof(series->horizons));
	series->horizon_count = config->horizon_count;
	if (config->season_rows > config->horizons[config->horizon_count - 1])
		series->season_rows = config->season_rows;
	series->ring = mem_zalloc(series->season_rows, sizeof(*series->ring));
	if (series->ring == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a season of %zu rows",
			series->season_rows);
	for (size_t i = 0; i < series->season_rows; i++)
		series->ring[i] = NAN;
	series->last = NAN;
	return STATUS_OK;
}

void lstm_series_fini(struct lstm_series *series)
{
	mem_free(series->ring);
	series->ring = NULL;
}

/* Linear near 0, logarithmic far from it; what is unknown is 0. */
static float squashed(double change, double unit)
{
	if (!(unit > 0) || isnan(change))
		return 0;
	return (float)asinh(fmin(fmax(change / unit, -1e6), 1e6));
}

static void value_take(struct lstm_series *series, double value)
{
	if (isnan(series->last)) {
		series->day_level = series->hour_level = value;
	} else {
		series->changes++;
		series->unit += fmax(1 / series->changes, UNIT_WEIGHT) *
			(fabs(value - series->last) - series->unit);
	}
	series->day_level += DAY_WEIGHT * (value - series->day_level);
	series->hour_level += HOUR_WEIGHT * (value - series->hour_level);
	series->last = value;
}

void lstm_series_step(struct lstm_series *series, double value, int64_t at_ms, float *inputs)
{
	double before = series->last, day, week;
	size_t n = 0, season = series->season_rows;

	if (!isnan(value))
		value_take(series, value);
	day = TWO_PI * (double)((at_ms % DAY_MS + DAY_MS) % DAY_MS) / DAY_MS;
	week = TWO_PI * (double)((at_ms % WEEK_MS + WEEK_MS) % WEEK_MS) / (double)WEEK_MS;
	inputs[n++] = isnan(value) ? 0 : squashed(value - before, series->unit);
	inputs[n++] = squashed(series->last - series->day_level, series->unit);
	inputs[n++] = squashed(series->last - series->hour_level, series->unit);
	inputs[n++] = isnan(value) ? 1.0f : 0.0f;
	inputs[n++] = (float)sin(day);
	inputs[n++] = (float)cos(day);
	inputs[n++] = (float)sin(week);
	inputs[n++] = (float)cos(week);
	for (size_t k = 0; k < series->horizon_count; k++) {
		double then, yesterday;

		if (season == 0) {
			inputs[n++] = 0;
			continue;
		}
		/* ring[at] is of this time yesterday: it is about to be overwritten. */
		yesterday = series->ring[series->at];
		then = series->ring[(series->at + series->horizons[k]) % season];
		inputs[n++] = squashed(then - yesterday, series->unit);
	}
	if (season > 0) {
		series->ring[series->at] = value;
		series->at = (series->at + 1) % season;
	}
}

float lstm_series_target(const struct lstm_series *series, double outcome)
{
	double change = (outcome - series->last) / series->unit;

	if (!(series->unit > 0) || isnan(change))
		return NAN;
	return (float)fmin(fmax(change, -TARGET_MAX), TARGET_MAX);
}

double lstm_series_value(const struct lstm_series *series, float output)
{
	return series->last + series->unit * (double)output;
}
