/*
 * Quantiles and ratios made of several series: what they are, when they are a gap, and how the series
 * they make begins, goes on and ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/derive.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/histogram.h"
#include "store/records.h"
#include "tests/support/folder.h"

#define T0 INT64_C(1700000010000)
#define STEP_MS 15000
#define HISTORY_MS 3600000

static char folder[FOLDER_PATH_MAX];
static struct clock_manual manual;
static struct store *store;
static struct records *records;
static struct derive *derive;
static struct signal_set set;
static struct error error;

static const char quantile[] =
	"signals:\n- {role: latency, type: quantile, selector: h_bucket, quantile: 0.9, window: 1m}\n";
static const char native[] =
	"signals:\n- {role: latency, type: quantile, selector: h, quantile: 0.5, window: 1m}\n";
static const char ratio[] = "signals:\n- {role: error_rate, type: ratio, numerator: errors, "
			    "denominator: requests, window: 1m}\n";
static const char gauges[] = "signals:\n- {role: saturation, type: ratio, numerator: used, "
			     "denominator: size, of: gauges}\n";

static int setup(void **state)
{
	static const struct store_limits limits = {.memory_max = 8 << 20,
		.series_max = 1000,
		.retention_ms = 2 * HISTORY_MS,
		.interval_ms = STEP_MS,
		.ended_keep_ms = HISTORY_MS,
		.future_max_ms = 600000};
	const struct records_limits kept = {.keep_max = 64, .bytes_max = 1 << 20};

	folder_make(folder);
	clock_manual_init(&manual, T0);
	store = store_open(&limits, &manual.clock, &error);
	assert_non_null(store);
	records = records_open(store, "test", &kept, &error);
	assert_non_null(records);
	derive = derive_open(store, records, 10, &error);
	assert_non_null(derive);
	return 0;
}

static int teardown(void **state)
{
	derive_close(derive);
	signal_set_fini(&set);
	records_close(records);
	store_close(store);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static void load(const char *text)
{
	char path[FOLDER_PATH_MAX + 20];
	const char *paths[] = {path};
	struct diagnostics diagnostics;

	folder_write(folder, "signals.yaml", text);
	folder_path(path, sizeof(path), folder, "signals.yaml");
	diagnostics_init(&diagnostics);
	assert_int_equal(signal_set_load(&set, paths, 1, &diagnostics), STATUS_OK);
	diagnostics_fini(&diagnostics);
}

static int64_t now(void)
{
	return clock_now_ms(&manual.clock);
}

static uint32_t series_of(const char *metric, const char *le, const char *pod)
{
	const char *const texts[][2] = {{"__name__", metric}, {"namespace", "shop"},
		{"workload_kind", "Deployment"}, {"workload", "web"}, {"le", le}, {"pod", pod}};
	struct label pairs[ARRAY_COUNT(texts)];
	char raw[200];
	uint32_t series;
	int size = snprintf(raw, sizeof(raw), "%s %s %s", metric, le, pod);

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		pairs[i] = (struct label){texts[i][0], texts[i][1], (uint32_t)strlen(texts[i][0]),
			(uint32_t)strlen(texts[i][1])};
	assert_int_equal(store_intern(store, store_key_of(store, raw, (size_t)size), pairs,
				 ARRAY_COUNT(pairs), &series, &error),
		STATUS_OK);
	return series;
}

static void sample(const char *metric, const char *le, const char *pod, double value)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	const struct store_sample one = {series_of(metric, le, pod), now(), value};

	store_append(store, &one, 1, counts);
	assert_int_equal(counts[APPEND_STORED] + counts[APPEND_STALE_MARKER], 1);
}

static double stale_marker(void)
{
	const uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The made series, or STORE_NO_SERIES. */
static uint32_t made(enum signal_role role)
{
	struct store_selection selection;
	uint32_t series;

	assert_int_equal(store_select(store, &set.roles[role].matchers, 10, &selection, &error),
		STATUS_OK);
	assert_true(selection.count < 2);
	series = selection.count == 1 ? selection.series[0] : STORE_NO_SERIES;
	store_selection_fini(&selection);
	return series;
}

/* All that can be made now: a step is bounded, an hour of 15 s takes four. */
static size_t step(void)
{
	size_t appended = 0;

	assert_int_equal(derive_bind(derive, &set), STATUS_OK);
	for (int i = 0; i <= HISTORY_MS / STEP_MS / DERIVE_STEPS_MAX; i++)
		appended += derive_step(derive, &set, now(), HISTORY_MS);
	return appended;
}

/* The newest value that was made; NaN: none, or not now. */
static double newest(enum signal_role role)
{
	struct store_point point;
	uint32_t series = made(role);

	if (series == STORE_NO_SERIES || !store_newest(store, series, &point) ||
		point.t_ms != now())
		return NAN;
	return point.value;
}

static void tick(void)
{
	clock_manual_advance(&manual, STEP_MS);
}

static void same(double got, double wanted)
{
	if (!(fabs(got - wanted) <= 1e-12 * fabs(wanted)))
		fail_msg("%.17g instead of %.17g", got, wanted);
}

/* ---- the formula ---- */

static double quantile_of(size_t count, const double *bounds, const double *counts, double q)
{
	double b[8], c[8];

	memcpy(b, bounds, count * sizeof(*b));
	memcpy(c, counts, count * sizeof(*c));
	return derive_bucket_quantile(b, c, count, q);
}

/* Worked out by hand by the rules of Prometheus' documentation. */
static void quantiles_of_buckets_are_those_of_prometheus(void **state)
{
	static const double bounds[] = {0.1, 0.5, 1, INFINITY};
	static const double counts[] = {10, 30, 90, 100};

	same(quantile_of(4, bounds, counts, 0.5), 0.5 + 0.5 * 20 / 60);
	same(quantile_of(4, bounds, counts, 0.05), 0.05);
	same(quantile_of(4, bounds, counts, 0.9), 1);
	/* In +Inf: the highest finite bound. */
	same(quantile_of(4, bounds, counts, 0.99), 1);
	same(quantile_of(4, bounds, counts, 1), 1);
	assert_true(quantile_of(4, bounds, counts, 0) == 0);
	/* A lowest bound that is not positive is the answer itself. */
	same(quantile_of(2, (double[]){-2, INFINITY}, (double[]){5, 10}, 0.3), -2);
	/* The same bound twice is added up; a count that falls is lifted. */
	same(quantile_of(4, (double[]){1, 1, 2, INFINITY}, (double[]){10, 10, 40, 40}, 0.75), 1.5);
	same(quantile_of(3, (double[]){1, 2, INFINITY}, (double[]){10, 8, 10}, 0.5), 0.5);
}

static void a_quantile_that_cannot_be_told_is_none(void **state)
{
	static const double bounds[] = {0.1, 1, INFINITY};

	assert_true(isnan(quantile_of(3, bounds, (double[]){0, 0, 0}, 0.5)));
	assert_true(isnan(quantile_of(2, bounds, (double[]){1, 2}, 0.5)));
	assert_true(isnan(quantile_of(1, bounds + 2, (double[]){5}, 0.5)));
	assert_true(isnan(quantile_of(0, bounds, bounds, 0.5)));
	assert_true(isnan(quantile_of(3, bounds, (double[]){1, NAN, NAN}, 0.5)));
	assert_true(isnan(quantile_of(3, bounds, (double[]){1, 2, INFINITY}, 0.5)));
	assert_true(isnan(quantile_of(1, (double[]){-INFINITY}, (double[]){5}, 0.5)));
}

/* ---- quantiles ---- */

/* a, b, c: observations so far in (0, 0.1], (0.1, 1] and beyond. */
static void buckets(const char *pod, double a, double b, double c)
{
	sample("h_bucket", "0.1", pod, a);
	sample("h_bucket", "1.0", pod, a + b);
	sample("h_bucket", "+Inf", pod, a + b + c);
}

static void a_quantile_is_that_of_the_increases_over_the_window(void **state)
{
	load(quantile);
	/* What came before the window does not count. */
	buckets("a", 0, 0, 1000);
	tick();
	assert_int_equal(step(), 0);
	assert_int_equal(derive_count(derive), 1);
	for (int i = 0; i < 8; i++) {
		buckets("a", 5 * i, 15 * i, 1000);
		buckets("b", 5 * i, 15 * i, 0);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	/* Three intervals in the window (samples at its open end are outside): a quarter of the
	 * observations up to 0.1, the others up to 1. */
	same(newest(ROLE_LATENCY), 0.1 + 0.9 * (0.9 - 0.25) / 0.75);
}

static void a_restarted_pod_counts_from_zero(void **state)
{
	load(quantile);
	for (int i = 0; i < 6; i++) {
		int at = i < 3 ? 1000 + i : i - 3;

		buckets("a", 10 * at, 10 * at, 0);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	same(newest(ROLE_LATENCY), 0.1 + 0.9 * 0.8);
}

static void a_quantile_without_observations_is_a_gap(void **state)
{
	load(quantile);
	for (int i = 0; i < 10; i++) {
		buckets("a", 7, 7, 7);
		assert_int_equal(step(), 0);
		tick();
	}
	assert_true(made(ROLE_LATENCY) == STORE_NO_SERIES);
}

static void history_is_made_at_once_and_only_once(void **state)
{
	load(quantile);
	for (int i = 0; i < 40; i++) {
		buckets("a", 5 * i, 15 * i, 0);
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	assert_int_equal(step(), 39);
	assert_int_equal(step(), 0);
	/* Another run goes on behind what is there. */
	derive_close(derive);
	derive = derive_open(store, records, 10, &error);
	assert_non_null(derive);
	assert_int_equal(step(), 0);
	tick();
	buckets("a", 1000, 3000, 0);
	assert_int_equal(step(), 1);
}

static void what_lags_is_waited_for_and_what_is_silent_is_not(void **state)
{
	load(quantile);
	for (int i = 0; i < 20; i++) {
		buckets("a", 5 * i, 15 * i, 0);
		if (i < 6)
			buckets("b", 5 * i, 15 * i, 0);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	assert_true(!isnan(newest(ROLE_LATENCY)));
}

static void when_the_sources_end_the_made_series_ends(void **state)
{
	struct store_point point;

	load(quantile);
	for (int i = 0; i < 6; i++) {
		buckets("a", 5 * i, 15 * i, 0);
		step();
		tick();
	}
	sample("h_bucket", "0.1", "a", stale_marker());
	sample("h_bucket", "1.0", "a", stale_marker());
	step();
	assert_true(store_newest(store, made(ROLE_LATENCY), &point));
	assert_false(store_is_stale(point.value));
	sample("h_bucket", "+Inf", "a", stale_marker());
	step();
	step();
	assert_true(store_newest(store, made(ROLE_LATENCY), &point));
	assert_true(store_is_stale(point.value));
}

static void native_histograms_give_quantiles_too(void **state)
{
	static struct histogram histogram;
	uint8_t bytes[HISTOGRAM_BYTES_MAX];
	uint32_t series = series_of("h", "", "a");

	load(native);
	records_decide(records, series, true);
	for (int i = 1; i < 6; i++) {
		histogram_reset(&histogram);
		histogram.count = 100 * i;
		histogram.sum = 150 * i;
		/* (1, 2] and (2, 4] */
		assert_int_equal(histogram_add(&histogram, false, 1, 50 * i, &error), STATUS_OK);
		assert_int_equal(histogram_add(&histogram, false, 2, 50 * i, &error), STATUS_OK);
		assert_int_equal(records_add(records, series, now(), bytes,
					 histogram_encode(&histogram, bytes)),
			RECORD_STORED);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	same(newest(ROLE_LATENCY), 2);
}

/* ---- ratios ---- */

static void a_ratio_divides_the_sums_of_increases(void **state)
{
	load(ratio);
	for (int i = 0; i < 6; i++) {
		sample("requests", "", "a", 100 * i);
		sample("requests", "", "b", 300 * i);
		sample("errors", "", "a", 20 * i);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	same(newest(ROLE_ERROR_RATE), 0.05);
}

static void a_ratio_without_a_denominator_is_missing_never_zero_or_infinite(void **state)
{
	load(ratio);
	for (int i = 0; i < 6; i++) {
		sample("errors", "", "a", 20 * i);
		sample("requests", "", "a", 500);
		assert_int_equal(step(), 0);
		tick();
	}
	assert_true(made(ROLE_ERROR_RATE) == STORE_NO_SERIES);
	/* Nor is a numerator that is missing a zero. */
	for (int i = 0; i < 20; i++) {
		sample("requests", "", "a", 500 + 100 * i);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	assert_true(isnan(newest(ROLE_ERROR_RATE)));
	tick();
	for (int i = 0; i < 6; i++) {
		sample("requests", "", "a", 5000 + 100 * i);
		sample("errors", "", "a", 200);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	assert_true(newest(ROLE_ERROR_RATE) == 0);
}

static void a_ratio_of_gauges_divides_what_is_newest(void **state)
{
	static const double sizes[] = {200, 0, NAN, 1e-320, 400};
	static const double wanted[] = {0.25, NAN, NAN, NAN, 0.125};

	load(gauges);
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		sample("used", "", "a", 50);
		sample("size", "", "a", sizes[i]);
		step();
		if (isnan(wanted[i]))
			assert_true(isnan(newest(ROLE_SATURATION)));
		else
			same(newest(ROLE_SATURATION), wanted[i]);
		tick();
	}
}

static void two_signals_of_a_workload_are_two_series(void **state)
{
	char both[400];

	snprintf(both, sizeof(both), "%s%s", gauges, ratio + strlen("signals:\n"));
	load(both);
	for (int i = 0; i < 6; i++) {
		sample("used", "", "a", 50);
		sample("size", "", "a", 200);
		sample("requests", "", "a", 100 * i);
		sample("errors", "", "a", 20 * i);
		step();
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	assert_int_not_equal(made(ROLE_ERROR_RATE), made(ROLE_SATURATION));
	same(newest(ROLE_SATURATION), 0.25);
	same(newest(ROLE_ERROR_RATE), 0.2);
}

static void another_definition_makes_another_series(void **state)
{
	uint32_t first;

	load(gauges);
	sample("used", "", "a", 50);
	sample("size", "", "a", 100);
	assert_int_equal(step(), 1);
	first = made(ROLE_SATURATION);
	signal_set_fini(&set);
	load("signals:\n- {role: saturation, type: ratio, numerator: size, denominator: used, "
	     "of: gauges}\n");
	assert_true(made(ROLE_SATURATION) == STORE_NO_SERIES);
	assert_int_equal(step(), 1);
	assert_true(made(ROLE_SATURATION) != first);
	same(newest(ROLE_SATURATION), 2);
}

static void a_clock_set_back_does_not_stop_it(void **state)
{
	load(gauges);
	sample("used", "", "a", 50);
	sample("size", "", "a", 100);
	assert_int_equal(step(), 1);
	clock_manual_advance(&manual, -INT64_C(6) * 3600000);
	/* The samples go on at the old time; by the new one they are far ahead. */
	assert_int_equal(step(), 0);
	clock_manual_advance(&manual, INT64_C(6) * 3600000 + STEP_MS);
	sample("used", "", "a", 50);
	sample("size", "", "a", 100);
	assert_int_equal(step(), 1);
}

static void too_many_series_make_no_value(void **state)
{
	char pod[20];

	load(gauges);
	sample("size", "", "a", 100);
	for (int i = 0; i < DERIVE_SOURCES_MAX + 1; i++) {
		snprintf(pod, sizeof(pod), "%d", i);
		sample("used", "", pod, 50);
	}
	assert_int_equal(step(), 0);
}

static void memory_that_is_out_leaves_no_signals_and_comes_back(void **state)
{
	bool reached;
	long nth = 0;

	load(quantile);
	for (int i = 0; i < 6; i++) {
		buckets("a", 5 * i, 15 * i, 0);
		tick();
	}
	clock_manual_advance(&manual, -STEP_MS);
	do {
		(void)mem_fail_after(++nth, false);
		enum status status = derive_bind(derive, &set);

		if (status == STATUS_OK)
			(void)derive_step(derive, &set, now(), HISTORY_MS);
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || (reached && derive_count(derive) == 0));
	} while (reached);
	assert_true(nth > 3);
	step();
	assert_true(!isnan(newest(ROLE_LATENCY)));
	nth = 0;
	do {
		(void)mem_fail_after(++nth, false);
		struct derive *other = derive_open(store, records, 10, &error);

		reached = mem_fail_after(0, false);
		assert_true((other == NULL) == reached);
		derive_close(other);
	} while (reached);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_of_buckets_are_those_of_prometheus),
		cmocka_unit_test(a_quantile_that_cannot_be_told_is_none),
		TEST(a_quantile_is_that_of_the_increases_over_the_window),
		TEST(a_restarted_pod_counts_from_zero),
		TEST(a_quantile_without_observations_is_a_gap),
		TEST(history_is_made_at_once_and_only_once),
		TEST(what_lags_is_waited_for_and_what_is_silent_is_not),
		TEST(when_the_sources_end_the_made_series_ends),
		TEST(native_histograms_give_quantiles_too),
		TEST(a_ratio_divides_the_sums_of_increases),
		TEST(a_ratio_without_a_denominator_is_missing_never_zero_or_infinite),
		TEST(a_ratio_of_gauges_divides_what_is_newest),
		TEST(two_signals_of_a_workload_are_two_series),
		TEST(another_definition_makes_another_series),
		TEST(a_clock_set_back_does_not_stop_it),
		TEST(too_many_series_make_no_value),
		TEST(memory_that_is_out_leaves_no_signals_and_comes_back),
	};

	return cmocka_run_group_tests_name("derive", tests, NULL, NULL);
}
