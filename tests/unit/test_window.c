/*
 * Windows: how samples become a recent value and a history, and each verdict on them, alone and in
 * its order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/window.h"

#define NOW INT64_C(1700000000000)
#define POINTS_MAX 1000

static struct store_point points[POINTS_MAX];
static double scratch[POINTS_MAX];
static size_t count;

static const struct window_spec spec = {.now_ms = NOW,
	.history_ms = 3600000,
	.history_min_ms = 600000,
	.recent_ms = 60000,
	.skew_max_ms = 60000,
	.coverage_min = 0.6};

static struct signal_binding gauge(void)
{
	return (struct signal_binding){.bound = true,
		.type = SIGNAL_GAUGE,
		.interval_ms = 15000,
		.stale_ms = 150000};
}

static double stale_marker(void)
{
	uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void add(int64_t t_ms, double value)
{
	points[count++] = (struct store_point){t_ms, value};
}

/* Twenty minutes of samples, each 15 s, up to now: value(i) for i from 0. */
static void fill(double (*value)(size_t i))
{
	count = 0;
	for (size_t i = 0; i <= 80; i++)
		add(NOW - 1200000 + (int64_t)i * 15000, value(i));
}

static double constant(size_t i)
{
	return 2;
}

static double rising(size_t i)
{
	return (double)i;
}

static double counting(size_t i)
{
	return 1000 + 30 * (double)i;
}

static struct window build(const struct signal_binding *binding)
{
	struct window window;

	window_build(&window, &spec, binding, points, count, scratch);
	return window;
}

static void no_sample_is_missing_and_not_zero(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	count = 0;
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_MISSING);
	assert_true(isnan(window.value));
	assert_true(isnan(window.newest));
	assert_int_equal(window.history_count, 0);
	assert_int_equal(window.samples, 0);
}

static void the_last_minute_is_the_value_and_the_rest_is_history(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	fill(rising);
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GOOD);
	/* Samples 77 to 80 are within the last minute; 76 is as old as a minute, so it is history. */
	assert_true(window.value == 78.5);
	assert_true(window.newest == 80);
	assert_int_equal(window.newest_ms, NOW);
	assert_int_equal(window.history_count, 77);
	assert_true(window.history[0] == 0 && window.history[76] == 76);
	assert_int_equal(window.span_ms, 76 * 15000);
	assert_int_equal(window.samples, 81);
	assert_true(window.coverage == 1);
}

static void a_late_stream_is_cut_at_its_own_newest_sample(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	fill(rising);
	count -= 4; /* the newest is a minute old */
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GOOD);
	assert_true(window.value == 74.5);
}

static void counters_become_rates(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	binding.type = SIGNAL_COUNTER;
	fill(counting);
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GOOD);
	assert_true(window.value == 2);
	for (size_t i = 0; i < window.history_count; i++)
		assert_true(window.history[i] == 2);
	assert_int_equal(window.samples, 80); /* the first one has no predecessor */
}

static void a_rate_is_over_the_time_that_passed(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	binding.type = SIGNAL_COUNTER;
	count = 0;
	add(NOW - 190000, 0);
	add(NOW - 130000, 60);
	add(NOW - 20000, 610);
	window = build(&binding);
	assert_true(window.history[0] == 1);
	assert_true(window.value == 5);
}

static void a_fallen_counter_counts_from_zero_and_is_told(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	binding.type = SIGNAL_COUNTER;
	fill(counting);
	points[79].value = 30;
	points[80].value = 60;
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_RESET);
	assert_true(window.value == 2);
	/* A fall long ago does not matter any more. */
	fill(counting);
	for (size_t i = 0; i < 20; i++)
		points[i].value += 1e6;
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GOOD);
	assert_true(window.value == 2);
}

static void stale_markers_are_never_measurements(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	fill(constant);
	points[40].value = stale_marker();
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GOOD);
	assert_true(window.value == 2);
	assert_int_equal(window.samples, 80);
	for (size_t i = 0; i < window.history_count; i++)
		assert_true(window.history[i] == 2);
}

static void an_ended_series_is_stale_at_once(void **state)
{
	struct signal_binding binding = gauge();

	fill(constant);
	points[80].value = stale_marker();
	assert_int_equal(build(&binding).quality, QUALITY_STALE);
}

static void silence_is_stale_after_its_time(void **state)
{
	struct signal_binding binding = gauge();

	fill(constant);
	count -= 10; /* the newest is 150 s old: as old as allowed */
	assert_int_equal(build(&binding).quality, QUALITY_GOOD);
	count--;
	assert_int_equal(build(&binding).quality, QUALITY_STALE);
}

static void times_from_the_future_are_skew(void **state)
{
	struct signal_binding binding = gauge();

	fill(constant);
	for (size_t i = 0; i < count; i++)
		points[i].t_ms += 60000;
	assert_int_equal(build(&binding).quality, QUALITY_GOOD);
	points[80].t_ms++;
	assert_int_equal(build(&binding).quality, QUALITY_SKEW);
}

static void recent_values_that_are_no_numbers_are_told(void **state)
{
	struct signal_binding binding = gauge();

	fill(constant);
	for (size_t i = 77; i <= 80; i++)
		points[i].value = i % 2 == 0 ? (double)NAN : (double)INFINITY;
	assert_int_equal(build(&binding).quality, QUALITY_NOT_A_NUMBER);
	points[78].value = 3;
	assert_int_equal(build(&binding).quality, QUALITY_GOOD);
	assert_true(build(&binding).value == 3);
}

static void little_history_is_too_short(void **state)
{
	struct signal_binding binding = gauge();

	fill(constant);
	memmove(points, points + 36, 45 * sizeof(points[0]));
	count = 45; /* history: 41 samples over 10 minutes */
	assert_int_equal(build(&binding).quality, QUALITY_GOOD);
	memmove(points, points + 1, 44 * sizeof(points[0]));
	count = 44;
	assert_int_equal(build(&binding).quality, QUALITY_TOO_SHORT);
}

static void missing_samples_are_gaps(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;
	size_t kept = 0;

	fill(constant);
	for (size_t i = 0; i <= 80; i++)
		if (i >= 77 || i % 2 == 0)
			points[kept++] = points[i];
	count = kept;
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_GAPS);
	assert_true(window.coverage > 0.5 && window.coverage < 0.52);
	/* The same samples cover all where they are expected each 30 s. */
	binding.interval_ms = 30000;
	assert_int_equal(build(&binding).quality, QUALITY_GOOD);
}

static void the_worse_verdict_comes_first(void **state)
{
	struct signal_binding binding = gauge();

	/* Short, ended and ahead of the clock at once. */
	count = 0;
	add(NOW + 50000, 1);
	add(NOW + 70000, stale_marker());
	assert_int_equal(build(&binding).quality, QUALITY_SKEW);
	points[1].t_ms = NOW;
	points[0].t_ms = NOW - 1000;
	assert_int_equal(build(&binding).quality, QUALITY_STALE);
	count = 1;
	assert_int_equal(build(&binding).quality, QUALITY_TOO_SHORT);
	points[0].value = NAN;
	assert_int_equal(build(&binding).quality, QUALITY_NOT_A_NUMBER);
}

static void a_sum_beyond_the_numbers_is_no_number(void **state)
{
	struct signal_binding binding = gauge();
	struct window window;

	fill(constant);
	for (size_t i = 77; i <= 80; i++)
		points[i].value = 1.7e308;
	window = build(&binding);
	assert_int_equal(window.quality, QUALITY_NOT_A_NUMBER);
	assert_true(isnan(window.value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sample_is_missing_and_not_zero),
		cmocka_unit_test(the_last_minute_is_the_value_and_the_rest_is_history),
		cmocka_unit_test(a_late_stream_is_cut_at_its_own_newest_sample),
		cmocka_unit_test(counters_become_rates),
		cmocka_unit_test(a_rate_is_over_the_time_that_passed),
		cmocka_unit_test(a_fallen_counter_counts_from_zero_and_is_told),
		cmocka_unit_test(stale_markers_are_never_measurements),
		cmocka_unit_test(an_ended_series_is_stale_at_once),
		cmocka_unit_test(silence_is_stale_after_its_time),
		cmocka_unit_test(times_from_the_future_are_skew),
		cmocka_unit_test(recent_values_that_are_no_numbers_are_told),
		cmocka_unit_test(little_history_is_too_short),
		cmocka_unit_test(missing_samples_are_gaps),
		cmocka_unit_test(the_worse_verdict_comes_first),
		cmocka_unit_test(a_sum_beyond_the_numbers_is_no_number),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
