#include "analyzers/rightsize/days.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define MINUTES_A_DAY 1440
/* Days that a forecaster needs before it may be tried. */
#define TRIED_AFTER 3
/* With fewer trials, or within the first week, the margin is at least that of the VPA. */
#define TRIALS_MIN 3
#define WEEK 7
#define TODAY_MINUTES 60
#define MARGIN_DEFAULT 1.15
#define MARGIN_LEAST 0.9
#define MARGIN_MOST 3.0
/* Of the trend: Holt's, with its slope damped. */
#define LEVEL_RATE 0.5
#define SLOPE_RATE 0.3
#define DAMPING 0.8

const double day_levels[DAY_LEVELS] = {0.5, 0.95, 0.99, 1};

void days_init(struct days *days, const struct decay_scale *scale)
{
	*days = (struct days){.scale = scale, .today = INT64_MIN};
}

/* The end of the bucket that holds the level, but no more than the day's peak. */
static float level_of(const struct days *days, double level)
{
	unsigned sum = 0;

	for (size_t bucket = 0; bucket < DECAY_BUCKETS_MAX; bucket++) {
		sum += days->buckets[bucket];
		if (sum > 0 && sum >= level * days->minutes) {
			float end = (float)decay_bucket_start(days->scale, bucket + 1);

			return end < days->peak ? end : days->peak;
		}
	}
	return days->peak;
}

static void close_day(struct days *days)
{
	struct day_row *row;

	if (days->minutes >= DAYS_MINUTES_MIN) {
		if (days->count == DAYS_MAX)
			memmove(days->rows, days->rows + 1, --days->count * sizeof(*days->rows));
		row = &days->rows[days->count++];
		row->day = days->today;
		for (int level = 0; level < DAY_LEVELS; level++)
			row->levels[level] = level_of(days, day_levels[level]);
	}
	memset(days->buckets, 0, sizeof(days->buckets));
	days->minutes = 0;
	days->peak = 0;
}

void days_add(struct days *days, int64_t minute, double value)
{
	int64_t day = minute / MINUTES_A_DAY - (minute % MINUTES_A_DAY < 0);

	if (day < days->today || !(value >= 0) || value > 1e30)
		return;
	if (day > days->today) {
		close_day(days);
		days->today = day;
	}
	if (days->minutes == MINUTES_A_DAY)
		return;
	days->minutes++;
	days->buckets[decay_bucket(days->scale, value)]++;
	days->peak = (float)value > days->peak ? (float)value : days->peak;
}

/* ---- the forecasters: what rows [0, count) say of the day `day`; NaN: nothing ---- */

typedef double forecast_fn(const struct days *days, enum day_level level, size_t count,
	int64_t day);

static double highest(const struct days *days, enum day_level level, size_t count, int64_t from)
{
	double most = NAN;

	for (size_t i = count; i > 0 && days->rows[i - 1].day >= from; i--)
		most = fmax(most, (double)days->rows[i - 1].levels[level]);
	return most;
}

static double last_day(const struct days *days, enum day_level level, size_t count, int64_t day)
{
	(void)day;
	return (double)days->rows[count - 1].levels[level];
}

static double three_days(const struct days *days, enum day_level level, size_t count, int64_t day)
{
	return highest(days, level, count, day - 3);
}

static double seven_days(const struct days *days, enum day_level level, size_t count, int64_t day)
{
	return highest(days, level, count, day - WEEK);
}

static double week_ago(const struct days *days, enum day_level level, size_t count, int64_t day)
{
	for (size_t i = count; i > 0; i--)
		if (days->rows[i - 1].day == day - WEEK)
			return (double)days->rows[i - 1].levels[level];
	return NAN;
}

static double trend(const struct days *days, enum day_level level, size_t count, int64_t day)
{
	double at = (double)days->rows[0].levels[level], slope = 0;

	(void)day;
	for (size_t i = 1; i < count; i++) {
		double next = at + DAMPING * slope;
		double level_now = next + LEVEL_RATE * ((double)days->rows[i].levels[level] - next);

		slope = DAMPING * slope + SLOPE_RATE * (level_now - at - DAMPING * slope);
		at = level_now;
	}
	return fmax(0, at + DAMPING * slope);
}

static const struct {
	const char *name;
	forecast_fn *forecast;
} forecasters[] = {
	{"highest_of_seven_days", seven_days},
	{"highest_of_three_days", three_days},
	{"last_day", last_day},
	{"week_ago", week_ago},
	{"trend", trend},
};

static int compare_ratios(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double margin_of(double *ratios, size_t tried, double missed)
{
	size_t rank = (size_t)ceil((double)(tried + 1) * (1 - missed));

	qsort(ratios, tried, sizeof(*ratios), compare_ratios);
	rank = rank > tried ? tried : rank < 1 ? 1 : rank;
	return fmax(MARGIN_LEAST, fmin(MARGIN_MOST, ratios[rank - 1]));
}

/* A forecaster on all days of the past that it could have spoken at. False: on too few. *cost: the mean of
 * its forecasts with the margin. */
static bool try_forecaster(const struct days *days, forecast_fn *forecast, enum day_level level,
	double missed, struct day_forecast *found, double *cost)
{
	double ratios[DAYS_MAX], said = 0, next;
	size_t tried = 0;

	next = forecast(days, level, days->count, days->rows[days->count - 1].day + 1);
	for (size_t i = TRIED_AFTER; i < days->count; i++) {
		double value = forecast(days, level, i, days->rows[i].day);

		/* What was forecast as nothing says nothing of a ratio. */
		if (isnan(value) || value <= 0)
			continue;
		ratios[tried++] = (double)days->rows[i].levels[level] / value;
		said += value;
	}
	if (tried < TRIALS_MIN || isnan(next))
		return false;
	found->margin = margin_of(ratios, tried, missed);
	if (days->rows[days->count - 1].day - days->rows[0].day < WEEK)
		found->margin = fmax(found->margin, MARGIN_DEFAULT);
	found->value = next * found->margin;
	found->tried = tried;
	*cost = said / (double)tried * found->margin;
	return true;
}

bool days_forecast(const struct days *days, enum day_level level, double missed,
	struct day_forecast *forecast)
{
	double least = INFINITY;

	if (days->count < DAYS_MIN)
		return false;
	*forecast = (struct day_forecast){.margin = MARGIN_DEFAULT, .by = forecasters[0].name};
	forecast->value = MARGIN_DEFAULT *
		seven_days(days, level, days->count, days->rows[days->count - 1].day + 1);
	for (size_t i = 0; i < ARRAY_COUNT(forecasters); i++) {
		struct day_forecast found;
		double cost;

		if (!try_forecaster(days, forecasters[i].forecast, level, missed, &found, &cost) ||
			cost >= least)
			continue;
		least = cost;
		*forecast = found;
		forecast->by = forecasters[i].name;
	}
	return true;
}

double days_today(const struct days *days, enum day_level level)
{
	return days->minutes >= TODAY_MINUTES ? (double)level_of(days, day_levels[level]) : NAN;
}

double days_peak(const struct days *days)
{
	double peak = highest(days, DAY_PEAK, days->count, INT64_MIN);

	return days->minutes > 0 ? fmax(peak, (double)days->peak) : peak;
}

double days_above(const struct days *days, double value)
{
	size_t above = 0;

	for (size_t i = 0; i < days->count; i++)
		above += (double)days->rows[i].levels[DAY_PEAK] > value;
	return days->count > 0 ? (double)above / (double)days->count : NAN;
}
