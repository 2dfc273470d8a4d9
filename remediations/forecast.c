/*
 * Who answers, and the two simple forecasters. Both look at windows of the test's own length, so that what is compared
 * was folded alike.
 *
 * Seasonal naive answers only where it could have known of the trouble: an earlier day counts when the
 * window before the change failed the test on it too. What came after it then is what is expected now.
 * The robust z-score takes the windows in which the test has failed without a break until the change;
 * fewer than WINDOWS_MIN of them say nothing of how much they scatter.
 */
#include "remediations/forecast.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

#define SEASON_MS (24 * 3600000 * INT64_C(1))
#define SEASONS_MAX 7
#define WINDOWS_MIN 5
#define WINDOWS_MAX 24
#define SPREADS 2.0          /* half the width of the interval */
#define MAD_TO_SIGMA 1.4826  /* of a normal distribution */
#define SPREAD_LEAST 0.05    /* of the value: a flat line is no promise */
#define SPREAD_ABSOLUTE 1e-9 /* around zero */

static const char *const names[FORECAST_METHOD_COUNT] = {
#define X(method, name) [method] = name,
	FORECAST_TABLE(X)
#undef X
};

const char *forecast_method_name(enum forecast_method method)
{
	CHECK((unsigned)method < FORECAST_METHOD_COUNT);
	return names[method];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Median and interval of the values, which are put in order. */
static void summarize(double *values, size_t count, struct forecast *forecast)
{
	double spread;

	forecast->value = median(values, count);
	for (size_t i = 0; i < count; i++)
		values[i] = fabs(values[i] - forecast->value);
	spread = MAD_TO_SIGMA * median(values, count);
	if (spread < SPREAD_LEAST * fabs(forecast->value) / SPREADS)
		spread = SPREAD_LEAST * fabs(forecast->value) / SPREADS;
	if (spread < SPREAD_ABSOLUTE)
		spread = SPREAD_ABSOLUTE;
	forecast->low = forecast->value - SPREADS * spread;
	forecast->high = forecast->value + SPREADS * spread;
}

/* The window that ends at end_ms; false when its data is not good. */
static bool read_window(const struct signal_source *source,
	const struct forecast_question *question, int64_t end_ms, struct test_result *result)
{
	signal_test_run(question->test, source, question->workload, end_ms,
		end_ms - question->test->over_ms, result);
	return result->reading.quality == QUALITY_GOOD;
}

static bool seasonal(const struct signal_source *source, const struct forecast_question *question,
	struct forecast *forecast)
{
	double values[SEASONS_MAX];
	size_t count = 0;

	for (int64_t season = 1; season <= SEASONS_MAX; season++) {
		int64_t back = season * SEASON_MS;
		struct test_result before, then;

		if (question->at_ms - back > question->known_ms)
			continue;
		if (!read_window(source, question, question->known_ms - back, &before) ||
			before.holds ||
			!read_window(source, question, question->at_ms - back, &then))
			continue;
		values[count++] = then.reading.value;
	}
	if (!count)
		return false;
	summarize(values, count, forecast);
	forecast->method = FORECAST_SEASONAL_NAIVE;
	return true;
}

static bool persisting(const struct signal_source *source, const struct forecast_question *question,
	struct forecast *forecast)
{
	double values[WINDOWS_MAX];
	size_t count = 0;

	while (count < WINDOWS_MAX) {
		int64_t end_ms = question->known_ms - (int64_t)count * question->test->over_ms;
		struct test_result window;

		if (!read_window(source, question, end_ms, &window) || window.holds)
			break;
		values[count++] = window.reading.value;
	}
	if (count < WINDOWS_MIN)
		return false;
	summarize(values, count, forecast);
	forecast->method = FORECAST_ROBUST_Z;
	return true;
}

/* A minimum, a maximum or an increase over a window is not what the model forecasts, and a window that
 * begins before the question is known in part. */
static bool modelled(const struct signal_source *source, const struct forecast_question *question,
	struct forecast *forecast)
{
	const struct signal_test *test = question->test;
	double value, low, high;

	if (!source->foresee || (test->fold != SIGNAL_MEAN && test->fold != SIGNAL_NEWEST) ||
		question->at_ms - question->known_ms < test->over_ms ||
		!source->foresee(source->self, question->workload, test->role, question->known_ms,
			question->at_ms, &value, &low, &high))
		return false;
	if (!isfinite(value) || !(low <= value && value <= high))
		return false;
	*forecast = (struct forecast){FORECAST_MODEL, value, low, high};
	return true;
}

static void expect(void *self, const struct forecast_question *question, struct forecast *forecast)
{
	const struct signal_source *source = self;

	*forecast = (struct forecast){FORECAST_NONE, NAN, NAN, NAN};
	if (question->workload->kind == TARGET_NONE || !source->read ||
		question->test->over_ms <= 0)
		return;
	if (!modelled(source, question, forecast) && !seasonal(source, question, forecast))
		(void)persisting(source, question, forecast);
}

struct forecast_source forecast_simple(const struct signal_source *source)
{
	return (struct forecast_source){(void *)(uintptr_t)source, expect};
}
