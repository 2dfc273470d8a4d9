/*
 * What is kept of a workload: its columns on the grid, how they come, go on over clocks that step, and
 * what is usual.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "analyzers/sight.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/folder.h"

#define M0 INT64_C(28333320)
#define T0 (M0 * 60000)
#define POINTS 300

static struct sight_scratch scratch;
static struct store_point points[POINTS];
static size_t point_count;
static struct sight *sight;

static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

static int setup(void **state)
{
	assert_int_equal(sight_scratch_init(&scratch, POINTS), STATUS_OK);
	sight = sight_open(1u << ROLE_CPU, NULL);
	assert_non_null(sight);
	return 0;
}

static int teardown(void **state)
{
	sight_close(sight);
	sight_scratch_fini(&scratch);
	return 0;
}

/* One sample a minute, from minute `from` on, of value from + i. */
static void make_points(int64_t from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		points[i] = (struct store_point){(from + (int64_t)i) * 60000 + 1000,
			(double)(from + (int64_t)i - M0)};
	point_count = count;
}

static struct grid_column column(void)
{
	return (struct grid_column){.points = points,
		.count = point_count,
		.interval_ms = 15000,
		.stale_ms = 150000,
		.bound = true};
}

/* All that is complete at now_ms. Returns the rows closed. */
static size_t look(int64_t now_ms, int64_t newest_ms)
{
	const struct grid_column one = column();

	if (!sight_due(sight, &scratch.grid, now_ms) ||
		!sight_begin(sight, &scratch, now_ms, newest_ms))
		return 0;
	for (int role = 0; role < ROLE_COUNT; role++)
		sight_fold(sight, &scratch, (enum signal_role)role, &one, now_ms);
	sight_end(sight, &scratch);
	return scratch.span.rows;
}

static struct sight_features features_of(enum signal_role role)
{
	struct sight_features features;

	assert_true(sight_read(sight, role, 0, &features));
	return features;
}

static void an_hour_is_known_at_once_and_a_minute_is_added(void **state)
{
	struct sight_features features;

	make_points(M0 - 59, 60);
	assert_int_equal(look(T0 + 60000, T0 + 60000), SIGHT_ROWS_MAX);
	assert_int_equal(sight_row(sight)->row, M0);
	assert_int_equal(sight_row(sight)->verdict, QUALITY_GOOD);
	features = features_of(ROLE_CPU);
	assert_true(features.rolling.value == 0 && features.rolling.difference == 1);
	assert_true(features.rolling.mean[ROLLING_5M] == -2 && features.rolling.rate == 1);
	assert_int_equal(features.rolling.counts[ROLLING_60], 60);
	assert_false(sight_due(sight, &scratch.grid, T0 + 90000));
	make_points(M0 - 59, 61);
	assert_int_equal(look(T0 + 120000, T0 + 120000), 1);
	assert_true(features_of(ROLE_CPU).rolling.value == 1);
	assert_false(sight_read(sight, ROLE_MEMORY, 0, &features));
}

static void a_signal_that_comes_later_changes_nothing_of_the_others(void **state)
{
	struct sight *wider;
	double mean;

	make_points(M0 - 59, 60);
	assert_int_equal(look(T0 + 60000, T0 + 60000), SIGHT_ROWS_MAX);
	mean = features_of(ROLE_CPU).rolling.mean[ROLLING_60];
	wider = sight_open(1u << ROLE_CPU | 1u << ROLE_LATENCY | 1u << ROLE_REPLICAS, sight);
	assert_non_null(wider);
	sight = wider;
	assert_int_equal(sight_column_count(sight), 3);
	assert_int_equal(sight_column_role(sight, 1), ROLE_LATENCY);
	assert_true(features_of(ROLE_CPU).rolling.mean[ROLLING_60] == mean);
	assert_int_equal(features_of(ROLE_LATENCY).verdict, QUALITY_MISSING);
	assert_true(isnan(features_of(ROLE_LATENCY).rolling.value));
	assert_int_equal(look(T0 + 90000, T0 + 120000), 0);
	make_points(M0 - 59, 61);
	assert_int_equal(look(T0 + 120000, T0 + 120000), 1);
	assert_int_equal(features_of(ROLE_LATENCY).rolling.counts[ROLLING_60], 1);
	assert_int_equal(features_of(ROLE_CPU).rolling.counts[ROLLING_60], 60);
	assert_true(sight_bytes(sight) < 3 * 4096);
}

static void a_signal_that_disappears_is_a_gap_with_its_reason(void **state)
{
	make_points(M0 - 59, 60);
	(void)look(T0 + 60000, T0 + 60000);
	/* No sample for five minutes; the series is not marked as ended. */
	assert_int_equal(look(T0 + 360000, INT64_MAX), 5);
	assert_int_equal(sight_row(sight)->verdict, QUALITY_GAPS);
	assert_true(isnan(features_of(ROLE_CPU).rolling.value));
	assert_true(isnan(features_of(ROLE_CPU).rolling.mean[ROLLING_5M]));
	assert_true(features_of(ROLE_CPU).rolling.mean[ROLLING_15M] == -4.5);
}

static void a_clock_set_back_forgets_and_one_that_jumps_leaves_gaps(void **state)
{
	make_points(M0 - 59, 60);
	(void)look(T0 + 60000, T0 + 60000);
	/* Half a year ahead and no samples there. */
	assert_int_equal(look(T0 + INT64_C(15552000000), INT64_MAX), SIGHT_ROWS_MAX);
	assert_int_equal(features_of(ROLE_CPU).rolling.counts[ROLLING_30M], 0);
	assert_int_equal(features_of(ROLE_CPU).rolling.counts[ROLLING_60], 60);
	/* And back: what was learnt from a wrong clock does not count. */
	make_points(M0 - 29, 30);
	assert_int_equal(look(T0 + 60000, T0 + 60000), SIGHT_ROWS_MAX);
	assert_int_equal(features_of(ROLE_CPU).rolling.counts[ROLLING_60], 30);
	assert_int_equal(sight_row(sight)->row, M0);
}

static void what_is_usual_is_looked_up_within_the_budget(void **state)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(3) * 86400000,
		.signals_max = 10};
	static struct rollup_minute minutes[1440];
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20], key[ROLLUP_KEY_MAX];
	struct clock_manual manual;
	struct rollup *rollup;
	struct error error;

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, T0);
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	for (int day = 3; day > 0; day--) {
		for (int i = 0; i < 1440; i++)
			minutes[i] = (struct rollup_minute){7, 7, 7, 7, 1, true};
		assert_int_equal(rollup_write(rollup, key, minutes_key(&web, ROLE_CPU, key),
					 M0 - day * 1440, minutes, 1440, M0, &error),
			STATUS_OK);
	}
	make_points(M0 - 59, 60);
	(void)look(T0 + 60000, T0 + 60000);
	scratch.profiles_left = 0;
	sight_refresh_seasons(sight, &scratch, rollup, &web);
	assert_true(isnan(features_of(ROLE_CPU).seasonal[SEASON_DAY].expected));
	scratch.profiles_left = 5;
	sight_refresh_seasons(sight, &scratch, rollup, &web);
	sight_refresh_seasons(sight, &scratch, rollup, &web);
	assert_int_equal(scratch.profiles_left, 4);
	assert_true(features_of(ROLE_CPU).seasonal[SEASON_DAY].expected == 7);
	assert_true(features_of(ROLE_CPU).seasonal[SEASON_DAY].residual == -7);
	assert_true(isnan(features_of(ROLE_CPU).seasonal[SEASON_WEEK].expected));
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
}

static void without_memory_the_earlier_sight_stays(void **state)
{
	(void)mem_fail_after(1, false);
	assert_null(sight_open(1u << ROLE_MEMORY, sight));
	(void)mem_fail_after(0, false);
	assert_int_equal(sight_roles(sight), 1u << ROLE_CPU);
	(void)mem_fail_after(1, false);
	struct sight_scratch other;

	assert_int_equal(sight_scratch_init(&other, 10), STATUS_NO_MEMORY);
	(void)mem_fail_after(0, false);
	sight_scratch_fini(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_hour_is_known_at_once_and_a_minute_is_added),
		TEST(a_signal_that_comes_later_changes_nothing_of_the_others),
		TEST(a_signal_that_disappears_is_a_gap_with_its_reason),
		TEST(a_clock_set_back_forgets_and_one_that_jumps_leaves_gaps),
		TEST(what_is_usual_is_looked_up_within_the_budget),
		TEST(without_memory_the_earlier_sight_stays),
	};

	return cmocka_run_group_tests_name("sight", tests, NULL, NULL);
}
