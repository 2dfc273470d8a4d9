/*
 * From a series to an LSTM's inputs, and back.
 */
#include "analyzers/forecast/lstm_series.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"

/* A change of 22,000 units. */
#define TARGET_MAX 10.7
#define DAY_MS 86400000
#define WEEK_MS (7 * INT64_C(86400000))
#define TWO_PI 6.283185307179586
/* Rows of a day where no season is known; rows that the unit remembers, and an hour's level. */
#define DAY_ROWS 1440
#define UNIT_ROWS 720
#define HOUR_ROWS 60

const float lstm_series_levels[LSTM_SERIES_QUANTILES * FORECAST_HORIZONS_MAX] = {.1f, .5f, .9f, .1f,
	.5f, .9f, .1f, .5f, .9f, .1f, .5f, .9f};

/* Rows of the levels; the last is the day. */
static const double level_rows[LSTM_SERIES_LEVELS] = {5, 15, HOUR_ROWS, 240, 0};

enum status lstm_series_init(struct lstm_series *series, const struct forecaster_config *config,
	struct error *error)
{
	memset(series, 0, sizeof(*series));
	memcpy(series->horizons, config->horizons, sizeof(series->horizons));
	series->horizon_count = config->horizon_count;
	series->beside_count = config->lstm_beside;
	if (config->lstm_beside > FORECAST_BESIDE)
		return error_set(error, STATUS_BAD_INPUT, "lstm_beside must be at most %d",
			FORECAST_BESIDE);
	if (config->season_rows > config->horizons[config->horizon_count - 1])
		series->season_rows = config->season_rows;
	if (series->season_rows > 0) {
		series->history = history_hold(config->history, series->season_rows + 1, error);
		if (series->history == NULL)
			return error->code;
	}
	series->last = NAN;
	for (size_t i = 0; i < FORECAST_BESIDE; i++)
		series->beside[i].last = NAN;
	return STATUS_OK;
}

void lstm_series_fini(struct lstm_series *series)
{
	history_close(series->history);
	series->history = NULL;
}

size_t lstm_series_inputs(const struct lstm_series *series)
{
	return LSTM_SERIES_INPUTS(series->horizon_count, series->beside_count);
}

/* Linear near 0, logarithmic far from it; what is unknown is 0. */
static float squashed(double change, double unit)
{
	if (!(unit > 0) || isnan(change))
		return 0;
	return (float)asinh(fmin(fmax(change / unit, -1e6), 1e6));
}

static void unit_learn(double *unit, double *changes, double change)
{
	++*changes;
	*unit += fmax(1 / *changes, 1.0 / UNIT_ROWS) * (fabs(change) - *unit);
}

static double rows_of_level(const struct lstm_series *series, size_t level)
{
	if (level_rows[level] > 0)
		return level_rows[level];
	return series->season_rows > 0 ? (double)series->season_rows : DAY_ROWS;
}

static void value_take(struct lstm_series *series, double value)
{
	bool first = isnan(series->last);

	if (!first)
		unit_learn(&series->unit, &series->changes, value - series->last);
	for (size_t i = 0; i < LSTM_SERIES_LEVELS; i++) {
		double *level = &series->levels[i];

		*level = first ? value : *level + (value - *level) / rows_of_level(series, i);
	}
	series->spread += (fabs(value - series->levels[LSTM_SERIES_LEVELS - 1]) - series->spread) /
		rows_of_level(series, LSTM_SERIES_LEVELS - 1);
	series->last = value;
}

static float *beside_step(struct lstm_beside *beside, double value, float *inputs)
{
	double before = beside->last;

	if (!(fabs(value) <= FORECAST_VALUE_MAX)) {
		memset(inputs, 0, LSTM_SERIES_BESIDE_INPUTS * sizeof(*inputs));
		return inputs + LSTM_SERIES_BESIDE_INPUTS;
	}
	if (isnan(before))
		beside->level = value;
	else
		unit_learn(&beside->unit, &beside->changes, value - before);
	beside->level += (value - beside->level) / HOUR_ROWS;
	beside->last = value;
	*inputs++ = squashed(value - before, beside->unit);
	*inputs++ = squashed(value - beside->level, beside->unit);
	*inputs++ = 1;
	return inputs;
}

/* What yesterday tells: how far it is from there now, and for each horizon what followed. */
static float *yesterday_step(struct lstm_series *series, double value, float *inputs)
{
	size_t season = series->season_rows;
	double then, yesterday;

	if (season == 0) {
		memset(inputs, 0, (1 + series->horizon_count) * sizeof(*inputs));
		return inputs + 1 + series->horizon_count;
	}
	history_put(series->history, series->rows++, value);
	yesterday = history_back(series->history, season);
	*inputs++ = squashed(series->last - yesterday, series->unit);
	for (size_t k = 0; k < series->horizon_count; k++) {
		then = history_back(series->history, season - series->horizons[k]);
		*inputs++ = squashed(then - yesterday, series->unit);
	}
	return inputs;
}

static float *calendar_step(int64_t at_ms, float *inputs)
{
	double day = TWO_PI * (double)((at_ms % DAY_MS + DAY_MS) % DAY_MS) / DAY_MS;
	double week = TWO_PI * (double)((at_ms % WEEK_MS + WEEK_MS) % WEEK_MS) / (double)WEEK_MS;

	*inputs++ = (float)sin(day);
	*inputs++ = (float)cos(day);
	*inputs++ = (float)sin(week);
	*inputs++ = (float)cos(week);
	return inputs;
}

void lstm_series_step(struct lstm_series *series, double value, const double *beside, int64_t at_ms,
	float *inputs)
{
	double before = series->last;

	if (!isnan(value))
		value_take(series, value);
	*inputs++ = isnan(value) ? 0 : squashed(value - before, series->unit);
	for (size_t i = 0; i < LSTM_SERIES_LEVELS; i++)
		*inputs++ = squashed(series->last - series->levels[i], series->unit);
	*inputs++ = squashed(series->spread, series->unit);
	*inputs++ = isnan(value) ? 1.0f : 0.0f;
	inputs = calendar_step(at_ms, inputs);
	inputs = yesterday_step(series, value, inputs);
	for (size_t i = 0; i < series->beside_count; i++)
		inputs = beside_step(&series->beside[i], beside == NULL ? NAN : beside[i], inputs);
}

void lstm_series_pack(struct lstm_series *series, struct pack *pack)
{
	pack_same(pack, series->beside_count);
	pack_value(pack, &series->rows);
	pack_value(pack, &series->last);
	pack_value(pack, &series->unit);
	pack_value(pack, &series->changes);
	pack_value(pack, &series->levels);
	pack_value(pack, &series->spread);
	pack_value(pack, &series->beside);
	if (series->history != NULL)
		history_pack_own(series->history, pack);
}

float lstm_series_target(const struct lstm_series *series, double outcome)
{
	double change = (outcome - series->last) / series->unit;

	if (!(series->unit > 0) || isnan(change))
		return NAN;
	return (float)fmin(fmax(asinh(change), -TARGET_MAX), TARGET_MAX);
}

double lstm_series_value(const struct lstm_series *series, float output)
{
	return series->last +
		series->unit * sinh(fmin(fmax((double)output, -TARGET_MAX), TARGET_MAX));
}

void lstm_series_rows(struct lstm_series *series, const double *values, const double *beside,
	size_t count, int64_t at_ms, int64_t step_ms, float *inputs, float *targets)
{
	size_t width = lstm_series_inputs(series);

	for (size_t i = 0; i < count; i++) {
		lstm_series_step(series, values[i],
			beside == NULL ? NULL : beside + i * FORECAST_BESIDE,
			at_ms + (int64_t)i * step_ms, inputs + i * width);
		for (size_t k = 0; k < series->horizon_count; k++) {
			size_t then = i + series->horizons[k];
			float target =
				then < count ? lstm_series_target(series, values[then]) : NAN;

			for (size_t q = 0; q < LSTM_SERIES_QUANTILES; q++)
				*targets++ = target;
		}
	}
}
