/*
 * What a series of histograms observed within a window, and quantiles of it: counters with resets,
 * gauges, markers, and what does not go together.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/histogram_window.h"

#define NOW_MS INT64_C(1700000000000)

static struct clock_manual manual;
static struct store *store;
static struct records *records;
static struct histogram histogram, observed;
static struct error error;
static uint32_t series;

static int setup(void **state)
{
	const struct store_limits store_limits = {
		.memory_max = 16 << 20,
		.series_max = 10,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct records_limits limits = {.keep_max = 20, .bytes_max = 1 << 20};
	const struct label pair = {"__name__", "x", 8, 1};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	records = records_open(store, "test", &limits, &error);
	assert_non_null(records);
	assert_int_equal(store_intern(store, store_key_of(store, "x", 1), &pair, 1, &series,
				 &error),
		STATUS_OK);
	records_decide(records, series, true);
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	records_close(records);
	store_close(store);
	return 0;
}

/* Observations in the buckets (1/2, 1], (1, 2], (2, 4]. */
static void build(double low, double middle, double high)
{
	histogram_reset(&histogram);
	assert_int_equal(histogram_add(&histogram, false, 0, low, &error), STATUS_OK);
	assert_int_equal(histogram_add(&histogram, false, 1, middle, &error), STATUS_OK);
	assert_int_equal(histogram_add(&histogram, false, 2, high, &error), STATUS_OK);
	histogram.count = low + middle + high;
	histogram.sum = histogram.count * 2;
}

static void add(int second)
{
	uint8_t bytes[HISTOGRAM_BYTES_MAX];
	size_t size = histogram_encode(&histogram, bytes);

	assert_int_equal(records_add(records, series, NOW_MS + second * 1000, bytes, size),
		RECORD_STORED);
}

static void put(int second, double low, double middle, double high)
{
	build(low, middle, high);
	add(second);
}

static void put_marker(int second)
{
	build(0, 0, 0);
	histogram.stale = true;
	add(second);
}

static enum status observe(int from, int to)
{
	return histogram_observed(records, series, NOW_MS + from * 1000, NOW_MS + to * 1000,
		&observed, &error);
}

static double quantile(int from, int to, double q)
{
	double value;
	enum status status = histogram_window_quantile(records, series, NOW_MS + from * 1000,
		NOW_MS + to * 1000, q, &value, &error);

	assert_true(status == STATUS_OK || (status == STATUS_NOT_FOUND && isnan(value)));
	return value;
}

static void the_window_decides_what_is_counted(void **state)
{
	put(0, 100, 0, 0);
	put(10, 100, 4, 0);
	put(20, 100, 4, 8);
	assert_int_equal(observe(0, 20), STATUS_OK);
	assert_true(observed.count == 12 && observed.sum == 24);
	assert_int_equal(observe(10, 20), STATUS_OK);
	assert_true(observed.count == 8);
	/* The middle of a bucket on a logarithmic scale. */
	assert_true(fabs(quantile(0, 10, 0.5) - sqrt(2)) < 1e-12);
	assert_true(fabs(quantile(10, 20, 0.5) - sqrt(8)) < 1e-12);
	assert_true(fabs(quantile(0, 20, 1.0 / 3) - 2) < 1e-12);
}

static void a_reset_anywhere_in_the_window_is_found(void **state)
{
	/* The last is above the first in each bucket: only step by step the reset shows. */
	put(0, 1, 2, 3);
	put(10, 5, 6, 7);
	put(20, 1, 1, 0);
	put(30, 9, 9, 9);
	assert_int_equal(observe(0, 30), STATUS_OK);
	assert_true(observed.count == 12 + 2 + 25);
	assert_true(observed.positive.list[0].count == 4 + 1 + 8);
	assert_true(observed.positive.list[1].count == 4 + 1 + 8);
	assert_true(observed.positive.list[2].count == 4 + 0 + 9);
}

static void a_reset_that_is_only_told_is_found(void **state)
{
	put(0, 1, 1, 1);
	build(3, 3, 3);
	histogram.hint = HISTOGRAM_HINT_RESET;
	add(10);
	put(20, 4, 4, 4);
	assert_int_equal(observe(0, 20), STATUS_OK);
	assert_true(observed.count == 9 + 3);
}

static void markers_are_passed_over(void **state)
{
	put(0, 1, 1, 1);
	put_marker(5);
	put(10, 2, 2, 2);
	put_marker(15);
	assert_int_equal(observe(0, 20), STATUS_OK);
	assert_true(observed.count == 3);
	assert_int_equal(observe(5, 5), STATUS_NOT_FOUND);
	assert_int_equal(observe(15, 15), STATUS_NOT_FOUND);
}

static void too_few_histograms_tell_nothing(void **state)
{
	assert_int_equal(observe(0, 100), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "too few"));
	put(10, 1, 1, 1);
	assert_int_equal(observe(0, 100), STATUS_NOT_FOUND);
	assert_true(isnan(quantile(0, 100, 0.5)));
	put(20, 1, 1, 1);
	/* Nothing came: that is known, but there is no quantile of it. */
	assert_int_equal(observe(0, 100), STATUS_OK);
	assert_true(observed.count == 0);
	assert_true(isnan(quantile(0, 100, 0.5)));
}

static void of_gauges_the_last_one_counts(void **state)
{
	for (int i = 0; i < 3; i++) {
		build(4, i, 0);
		histogram.hint = HISTOGRAM_HINT_GAUGE;
		add(i * 10);
	}
	assert_int_equal(observe(0, 10), STATUS_OK);
	assert_true(observed.count == 5);
	assert_int_equal(observe(20, 20), STATUS_OK);
	assert_true(observed.count == 6);
	put(30, 9, 9, 9);
	assert_int_equal(observe(0, 30), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "gauges"));
}

static void custom_and_exponential_bounds_do_not_go_together(void **state)
{
	put(0, 1, 1, 1);
	put(10, 2, 2, 2);
	histogram_reset(&histogram);
	assert_int_equal(histogram_set_schema(&histogram, HISTOGRAM_SCHEMA_CUSTOM, &error),
		STATUS_OK);
	assert_int_equal(histogram_add(&histogram, false, 0, 9, &error), STATUS_OK);
	assert_int_equal(histogram_add_custom(&histogram, 1, &error), STATUS_OK);
	histogram.count = 9;
	add(20);
	assert_int_equal(observe(0, 20), STATUS_NOT_FOUND);
	assert_int_equal(observe(0, 10), STATUS_OK);
}

static void memory_that_runs_out_is_an_answer(void **state)
{
	double value;
	long nth = 1;

	put(0, 1, 1, 1);
	put(10, 2, 2, 2);
	for (;; nth++) {
		enum status status;
		mem_fail_after(nth, false);
		status = histogram_window_quantile(records, series, NOW_MS, NOW_MS + 10000, 0.5,
			&value, &error);
		if (!mem_fail_after(0, false)) {
			assert_int_equal(status, STATUS_OK);
			break;
		}
		assert_int_equal(status, STATUS_NO_MEMORY);
		assert_true(isnan(value));
		assert_non_null(strstr(error.text, "no memory"));
	}
	assert_true(nth > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_window_decides_what_is_counted),
		TEST(a_reset_anywhere_in_the_window_is_found),
		TEST(a_reset_that_is_only_told_is_found),
		TEST(markers_are_passed_over),
		TEST(too_few_histograms_tell_nothing),
		TEST(of_gauges_the_last_one_counts),
		TEST(custom_and_exponential_bounds_do_not_go_together),
		TEST(memory_that_runs_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("histogram_window", tests, NULL, NULL);
}
