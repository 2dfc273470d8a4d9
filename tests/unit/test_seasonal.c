/*
 * The seasonal residual against medians taken from a plain table of minutes, out of a tier that was
 * written for three weeks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/features/seasonal.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tests/support/folder.h"

#define DAY 1440
#define DAYS 22
#define M0 (INT64_C(28333320) - 28333320 % DAY)
#define NOW (M0 + (int64_t)DAYS * DAY)
#define KEY "eu/shop/Deployment/web/cpu"

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct rollup *rollup;
static struct error error;
static double *minutes; /* [DAYS * DAY], NaN: a gap */
static double scratch[SEASONAL_SCRATCH];

static int setup(void **state)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(21) * 86400000,
		.signals_max = 10};

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, NOW * 60000);
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	minutes = mem_zalloc(DAYS * DAY, sizeof(*minutes));
	assert_non_null(minutes);
	return 0;
}

static int teardown(void **state)
{
	mem_free(minutes);
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static void write_tier(void)
{
	for (int64_t day = 0; day < DAYS; day++) {
		struct rollup_minute values[DAY];

		for (int i = 0; i < DAY; i++) {
			double mean = minutes[day * DAY + i];

			values[i] = (struct rollup_minute){mean, mean, mean, mean,
				isnan(mean) ? 0u : 1u, !isnan(mean)};
		}
		assert_int_equal(rollup_write(rollup, KEY, strlen(KEY), M0 + day * DAY, values, DAY,
					 NOW, &error),
			STATUS_OK);
	}
}

/* Busy by day, more so on the first day of each week, and noise; some gaps, some days gone wrong. */
static void make_minutes(void)
{
	struct random random;

	random_init(&random, 5);
	for (int i = 0; i < DAYS * DAY; i++) {
		int day = i / DAY, of_day = i % DAY;

		minutes[i] = 100 + 50 * sin(of_day * 6.283185307 / DAY) + (day % 7 == 0 ? 40 : 0) +
			random_normal(&random);
		if (random_below(&random, 10) == 0 || (day == 12 && of_day < 700))
			minutes[i] = NAN;
		if (day == 14)
			minutes[i] = 1e9;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median over the days that the tier still holds. */
static double naive(int64_t minute, int every, int *days)
{
	double sample[DAYS * 5];
	size_t count = 0;

	*days = 0;
	for (int day = every; day <= 21; day += every) {
		int found = 0;

		for (int64_t k = -2; k <= 2; k++) {
			int64_t at = minute - day * DAY + k - M0;

			if (at < 0 || at >= DAYS * DAY || isnan(minutes[at]))
				continue;
			sample[count++] = minutes[at];
			found = 1;
		}
		*days += found;
	}
	qsort(sample, count, sizeof(*sample), compare);
	return count == 0 ? NAN : (sample[(count - 1) / 2] + sample[count / 2]) / 2;
}

static void what_is_usual_is_the_median_of_the_same_time(void **state)
{
	struct seasonal_profile profile;

	make_minutes();
	write_tier();
	seasonal_init(&profile);
	assert_false(seasonal_covers(&profile, NOW));
	for (int64_t first = NOW - 60; first < NOW + 300; first += SEASONAL_MINUTES) {
		seasonal_build(&profile, rollup, KEY, strlen(KEY), first, scratch);
		assert_true(profile.days >= 20 && profile.weeks >= 2);
		for (int64_t minute = first; minute < first + SEASONAL_MINUTES; minute++) {
			struct seasonal_residual day, week;
			int days, weeks;
			double by_day = naive(minute, 1, &days), by_week = naive(minute, 7, &weeks);

			assert_true(days > 2 && weeks >= 2);
			seasonal_read(&profile, SEASON_DAY, minute, by_day + 10, 0.5, &day);
			seasonal_read(&profile, SEASON_WEEK, minute, by_week, 0.5, &week);
			/* Within what the blocks of the tier keep of a value. */
			if (fabs(day.expected - by_day) > 0.05 ||
				fabs(week.expected - by_week) > 0.05)
				fail_msg("%g instead of %g, %g instead of %g", day.expected, by_day,
					week.expected, by_week);
			assert_true(fabs(day.residual - 10) < 0.06);
			assert_true(day.score > 4);
			assert_true(fabs(week.score) < 0.2);
		}
	}
}

static void a_weekday_of_its_own_is_usual_by_week_only(void **state)
{
	struct seasonal_profile profile;
	struct seasonal_residual day, week;
	/* Day 21 is a first day of the week again. */
	int64_t minute = M0 + 21 * DAY + 30;
	double value = 100 + 50 * sin(30 * 6.283185307 / DAY) + 40;

	seasonal_init(&profile);
	seasonal_build(&profile, rollup, KEY, strlen(KEY), M0 + 21 * DAY, scratch);
	seasonal_read(&profile, SEASON_DAY, minute, value, 0.5, &day);
	seasonal_read(&profile, SEASON_WEEK, minute, value, 0.5, &week);
	assert_true(day.score > 5);
	assert_true(fabs(week.score) < 3);
}

static void without_enough_days_nothing_is_usual(void **state)
{
	struct seasonal_profile profile;
	struct seasonal_residual residual;

	seasonal_init(&profile);
	seasonal_build(&profile, rollup, "nobody", 6, NOW, scratch);
	assert_int_equal(profile.days, 0);
	seasonal_read(&profile, SEASON_DAY, NOW, 5, 1, &residual);
	assert_true(isnan(residual.expected) && isnan(residual.residual) && isnan(residual.score));
	/* One day is no season. */
	seasonal_build(&profile, rollup, KEY, strlen(KEY), M0 + 2 * DAY - 60, scratch);
	seasonal_read(&profile, SEASON_DAY, M0 + 2 * DAY - 1, 5, 1, &residual);
	assert_true(isnan(residual.expected) && isnan(residual.score));
	seasonal_build(&profile, rollup, KEY, strlen(KEY), NOW, scratch);
	seasonal_read(&profile, SEASON_DAY, NOW, NAN, 1, &residual);
	assert_true(!isnan(residual.expected) && isnan(residual.score));
	seasonal_read(&profile, SEASON_DAY, NOW + SEASONAL_MINUTES, 5, 1, &residual);
	assert_true(isnan(residual.expected));
	assert_string_equal(season_name(SEASON_WEEK), "week");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_usual_is_the_median_of_the_same_time),
		cmocka_unit_test(a_weekday_of_its_own_is_usual_by_week_only),
		cmocka_unit_test(without_enough_days_nothing_is_usual),
	};

	return cmocka_run_group_tests_name("seasonal", tests, setup, teardown);
}
