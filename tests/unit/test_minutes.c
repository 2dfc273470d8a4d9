/*
 * From samples to minutes: the fold against a naive one, and the feeding of the tier out of a store
 * with a clock and a stream that do as they like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "base/check.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/rollup_file.h"
#include "tests/support/folder.h"

#define M0 INT64_C(28333320)
#define T0 (M0 * 60000)
#define POINTS 5000

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct store *store;
static struct rollup *rollup;
static struct error error;
static uint32_t series;
static int64_t fed;
static struct store_point scratch[POINTS];

static const struct workload_key web = {.cluster = "eu",
	.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};
static struct signal_binding gauge = {.bound = true,
	.type = SIGNAL_GAUGE,
	.interval_ms = 15000,
	.stale_ms = 300000};
static struct signal_binding counter = {.bound = true,
	.type = SIGNAL_COUNTER,
	.interval_ms = 15000,
	.stale_ms = 300000};

static void open_store(void)
{
	static const struct store_limits limits = {.memory_max = 8 << 20,
		.series_max = 1000,
		.retention_ms = 6 * 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 3600000,
		.future_max_ms = 600000};
	const struct label pairs[] = {{"__name__", "cpu", 8, 3}};

	store = store_open(&limits, &manual.clock, &error);
	assert_non_null(store);
	assert_int_equal(store_intern(store, store_key_of(store, "cpu", 3), pairs, 1, &series,
				 &error),
		STATUS_OK);
	fed = 0;
}

static void open_tier(void)
{
	static const struct rollup_limits limits = {.retention_ms = ROLLUP_RETENTION_MIN_MS,
		.signals_max = 10};

	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
}

static int setup(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, T0);
	open_store();
	open_tier();
	return 0;
}

static int teardown(void **state)
{
	rollup_close(rollup);
	store_close(store);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static int64_t now_ms(void)
{
	return clock_now_ms(&manual.clock);
}

static void set_now(int64_t ms)
{
	clock_manual_advance(&manual, ms - now_ms());
}

static void sample(int64_t t_ms, double value)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	const struct store_sample one = {.series = series, .t_ms = t_ms, .value = value};

	if (t_ms > now_ms())
		set_now(t_ms);
	store_append(store, &one, 1, counts);
	assert_int_equal(counts[APPEND_STORED] + counts[APPEND_STALE_MARKER], 1);
}

static void feed(const struct signal_binding *binding)
{
	const struct minutes_source source = {store, rollup, now_ms(), scratch, POINTS};

	if (minutes_feed(&source, &web, ROLE_CPU, binding, series, &fed, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

static struct rollup_minute minute_at(int64_t minute)
{
	struct rollup_minute one = {.present = false};
	const struct rollup_columns columns = {.mean = &one.mean,
		.max = &one.max,
		.min = &one.min,
		.last = &one.last,
		.count = &one.count};
	char key[ROLLUP_KEY_MAX];

	one.present = rollup_read(rollup, key, minutes_key(&web, ROLE_CPU, key), minute, minute + 1,
			      &columns) == 1;
	return one;
}

/* Each minute for itself, by looking at all points. */
static struct rollup_minute naive(const struct signal_binding *binding,
	const struct store_point *points, size_t count, int64_t minute)
{
	struct rollup_minute result = {.min = INFINITY, .max = -INFINITY};
	long double sum = 0;

	for (size_t i = 0; i < count; i++) {
		double value = points[i].value;
		size_t k = i;

		if (rollup_minute_of(points[i].t_ms) != minute || !isfinite(value))
			continue;
		if (binding->type == SIGNAL_COUNTER) {
			bool found = false, broken = false;

			while (k-- > 0 && !found && !broken) {
				broken = points[k + 1].t_ms - points[k].t_ms > binding->stale_ms ||
					store_is_stale(points[k].value);
				found = !broken && isfinite(points[k].value);
			}
			if (!found)
				continue;
			k++;
			value -= points[k].value;
			if (value < 0)
				value = points[i].value;
			value = value * 1000 / (double)(points[i].t_ms - points[k].t_ms);
		}
		result.count++;
		result.min = fmin(result.min, value);
		result.max = fmax(result.max, value);
		result.last = value;
		sum += value;
	}
	result.present = result.count > 0;
	result.mean = (double)(sum / result.count);
	return result;
}

static void the_fold_equals_a_naive_one(void **state)
{
	static struct store_point points[POINTS];
	static const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, 0};
	struct rollup_minute minutes[120];
	struct random random;
	uint64_t stale_bits = STORE_STALE_BITS;

	random_init(&random, 1);
	for (int round = 0; round < 300; round++) {
		const struct signal_binding *binding = round % 2 == 0 ? &gauge : &counter;
		size_t count = random_below(&random, 600);
		int64_t t_ms = T0 - 200000;
		double value = 0;

		for (size_t i = 0; i < count; i++) {
			t_ms += 1 + (int64_t)random_below(&random, 20000);
			if (random_below(&random, 40) == 0)
				t_ms += (int64_t)random_below(&random, 900000);
			value = random_below(&random, 30) == 0 ? 0 : value + random_unit(&random);
			points[i] = (struct store_point){t_ms, value};
			if (random_below(&random, 25) == 0)
				points[i].value = odd[random_below(&random,
					round % 2 == 0 ? ARRAY_COUNT(odd) : 3)];
			if (random_below(&random, 40) == 0)
				memcpy(&points[i].value, &stale_bits, sizeof(stale_bits));
		}
		minutes_fold(binding, points, count, M0, minutes, 120);
		for (int k = 0; k < 120; k++) {
			struct rollup_minute wanted = naive(binding, points, count, M0 + k);
			double bound;

			assert_int_equal(minutes[k].present, wanted.present);
			assert_int_equal(minutes[k].count, wanted.count);
			if (!wanted.present) {
				assert_true(isnan(minutes[k].mean) && isnan(minutes[k].last));
				continue;
			}
			bound = 1e-12 * fmax(fabs(wanted.min), fabs(wanted.max));
			assert_true(minutes[k].max == wanted.max && minutes[k].min == wanted.min);
			assert_true(minutes[k].last == wanted.last);
			assert_true(fabs(minutes[k].mean - wanted.mean) <= bound);
			assert_true(minutes[k].min <= minutes[k].mean &&
				minutes[k].mean <= minutes[k].max);
		}
	}
}

static void means_of_the_largest_and_of_equal_values_are_right(void **state)
{
	struct store_point points[4];
	struct rollup_minute minute;

	for (size_t i = 0; i < 4; i++)
		points[i] = (struct store_point){T0 + (int64_t)i * 15000, DBL_MAX};
	minutes_fold(&gauge, points, 4, M0, &minute, 1);
	assert_true(minute.mean == DBL_MAX);
	for (size_t i = 0; i < 3; i++)
		points[i].value = 0.1;
	minutes_fold(&gauge, points, 3, M0, &minute, 1);
	assert_true(minute.mean == 0.1 && minute.count == 3);
	points[0].value = points[1].value = DBL_MAX;
	points[2].value = points[3].value = -DBL_MAX;
	minutes_fold(&gauge, points, 4, M0, &minute, 1);
	assert_true(fabs(minute.mean) <= DBL_MAX / 1e10);
}

static void a_minute_is_written_once_it_is_complete(void **state)
{
	for (int64_t t_ms = T0 + 10000; t_ms < T0 + 140000; t_ms += 15000) {
		set_now(t_ms);
		sample(t_ms, (double)(t_ms - T0) / 1000);
		feed(&gauge);
	}
	assert_true(minute_at(M0).count == 4 && minute_at(M0).mean == 32.5);
	assert_true(minute_at(M0).last == 55 && minute_at(M0).min == 10);
	assert_true(minute_at(M0 + 1).present);
	assert_false(minute_at(M0 + 2).present);
	/* Nothing comes any more: after a while the last one is taken as it is. */
	set_now(T0 + 60000 * (3 + ROLLUP_LATE_MINUTES));
	feed(&gauge);
	assert_true(minute_at(M0 + 2).count == 1);
	/* And what then still comes is taken, too. */
	sample(T0 + 145000, 7);
	sample(T0 + 250000, 8);
	feed(&gauge);
	assert_true(minute_at(M0 + 2).count == 2 && minute_at(M0 + 2).last == 7);
}

static void the_end_of_a_series_completes_its_minute(void **state)
{
	uint64_t bits = STORE_STALE_BITS;
	double stale;

	memcpy(&stale, &bits, sizeof(stale));
	sample(T0 + 1000, 5);
	sample(T0 + 16000, stale);
	feed(&gauge);
	assert_true(minute_at(M0).count == 1 && minute_at(M0).mean == 5);
	assert_false(minute_at(M0 + 1).present);
}

static void silence_is_a_gap_and_never_zero(void **state)
{
	for (int64_t k = 0; k < 60; k++)
		if (k < 20 || k >= 40)
			sample(T0 + k * 60000, 3);
	sample(T0 + 3600000, NAN);
	sample(T0 + 3660000, INFINITY);
	set_now(T0 + 3720000);
	feed(&gauge);
	for (int64_t k = 0; k < 62; k++) {
		bool there = k < 20 || (k >= 40 && k < 60);

		assert_int_equal(minute_at(M0 + k).present, there);
		assert_true(there ? minute_at(M0 + k).mean == 3 : isnan(minute_at(M0 + k).mean));
	}
	assert_true(metrics_get(METRIC_ROLLUP_GAPS) == 20);
}

static void a_counter_gives_rates_and_none_over_a_silence(void **state)
{
	for (int64_t k = 0; k < 40; k++)
		sample(T0 + k * 15000, (double)k * 30);
	/* Ten minutes of silence, then a reset. */
	for (int64_t k = 80; k < 100; k++)
		sample(T0 + k * 15000, (double)(k - 80) * 15);
	set_now(T0 + 25 * 60000);
	feed(&counter);
	for (int64_t k = 0; k < 10; k++)
		assert_true(minute_at(M0 + k).mean == 2 && minute_at(M0 + k).max == 2);
	for (int64_t k = 10; k < 20; k++)
		assert_false(minute_at(M0 + k).present);
	assert_true(minute_at(M0 + 20).mean == 1 && minute_at(M0 + 20).count == 3);
	assert_true(minute_at(M0 + 21).count == 4);
}

/* The rings are gone after a restart; what the tier has stays. */
static void a_restart_leaves_a_gap_for_the_time_it_took(void **state)
{
	for (int64_t k = 0; k <= 30; k++)
		sample(T0 + k * 60000 + 500, (double)k);
	set_now(T0 + 31 * 60000);
	feed(&gauge);
	store_close(store);
	rollup_close(rollup);
	set_now(T0 + 45 * 60000);
	open_store();
	open_tier();
	for (int64_t k = 45; k <= 60; k++)
		sample(T0 + k * 60000 + 500, (double)k);
	set_now(T0 + 61 * 60000);
	feed(&gauge);
	for (int64_t k = 0; k < 60; k++) {
		assert_int_equal(minute_at(M0 + k).present, k < 30 || k >= 45);
		if (minute_at(M0 + k).present)
			assert_true(minute_at(M0 + k).mean == (double)k);
	}
}

static void a_clock_that_goes_back_loses_nothing(void **state)
{
	for (int64_t k = 0; k < 10; k++)
		sample(T0 + k * 60000, 1);
	set_now(T0 + 10 * 60000);
	feed(&gauge);
	set_now(T0 + 2 * 60000);
	feed(&gauge);
	assert_true(minute_at(M0 + 8).mean == 1);
	sample(T0 + 10 * 60000, 1);
	feed(&gauge);
	assert_true(minute_at(M0 + 9).mean == 1);
	/* From a far future back to the present; rings start anew, the tier goes on. What was open when
	 * the clock went wrong was closed by it. */
	set_now(T0 + INT64_C(401) * 86400000);
	sample(now_ms(), 4);
	sample(now_ms() + 60000, 5);
	feed(&gauge);
	assert_true(minute_at(M0 + 401 * 1440).mean == 4);
	store_close(store);
	set_now(T0 + 150 * 60000);
	open_store();
	for (int64_t k = 100; k < 150; k++)
		sample(T0 + k * 60000, 2);
	feed(&gauge);
	for (int64_t k = 100; k < 149; k++)
		assert_int_equal(minute_at(M0 + k).present, k >= 120);
	assert_true(minute_at(M0 + 120).mean == 2 && minute_at(M0 + 8).mean == 1);
}

/* Minutes are those of UTC: where clocks are set back an hour is there once, with its own minutes. */
static void summer_time_changes_nothing(void **state)
{
	/* 2023-10-29 01:00 UTC: 03:00 becomes 02:00 in Berlin. */
	const int64_t change = INT64_C(1698541200000);

	set_now(change - 3600000);
	for (int64_t k = -60; k < 60; k++)
		sample(change + k * 60000, (double)k);
	set_now(change + 3600000);
	feed(&gauge);
	for (int64_t k = -60; k < 59; k++)
		assert_true(minute_at(rollup_minute_of(change) + k).mean == (double)k);
	assert_int_equal(rollup_minute_of(-1), -1);
	assert_int_equal(rollup_minute_of(-60000), -1);
	assert_int_equal(rollup_minute_of(-60001), -2);
}

static void keys_of_different_signals_differ(void **state)
{
	struct workload_key longest = {.kind = TARGET_HPA}, other = web;
	char a[ROLLUP_KEY_MAX], b[ROLLUP_KEY_MAX];
	size_t size = minutes_key(&web, ROLE_CPU, a);

	assert_int_equal(size, strlen("eu/shop/Deployment/web/cpu"));
	assert_memory_equal(a, "eu/shop/Deployment/web/cpu", size);
	(void)minutes_key(&web, ROLE_MEMORY, b);
	assert_string_not_equal(a, b);
	other.cluster[0] = '\0';
	(void)minutes_key(&other, ROLE_CPU, b);
	assert_string_equal(b, "/shop/Deployment/web/cpu");
	memset(longest.cluster, 'c', sizeof(longest.cluster) - 1);
	memset(longest.namespace_name, 'n', sizeof(longest.namespace_name) - 1);
	memset(longest.name, 'w', sizeof(longest.name) - 1);
	assert_true(minutes_key(&longest, ROLE_MEMORY_UTILIZATION, a) <= ROLLUP_KEY_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fold_equals_a_naive_one),
		cmocka_unit_test(means_of_the_largest_and_of_equal_values_are_right),
		TEST(a_minute_is_written_once_it_is_complete),
		TEST(the_end_of_a_series_completes_its_minute),
		TEST(silence_is_a_gap_and_never_zero),
		TEST(a_counter_gives_rates_and_none_over_a_silence),
		TEST(a_restart_leaves_a_gap_for_the_time_it_took),
		TEST(a_clock_that_goes_back_loses_nothing),
		TEST(summer_time_changes_nothing),
		cmocka_unit_test(keys_of_different_signals_differ),
	};

	return cmocka_run_group_tests_name("minutes", tests, NULL, NULL);
}
