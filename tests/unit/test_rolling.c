/*
 * Rolling features against a computation of each window from nothing, in long doubles: over noise,
 * slopes, offsets in which the noise almost drowns, outliers that come and go, values at the ends of
 * what a double holds, and gaps.
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

#include "analyzers/features/rolling.h"
#include "base/check.h"
#include "base/random.h"

#define ROWS 3000
#define TOLERANCE 1e-9L

/* ---- the reference ---- */

struct reference {
	const double *rows; /* NaN: a gap */
	int count;          /* rows so far */
	int64_t step_ms;
};

/* The entries of one window, oldest first; difference: to the row before. */
static int entries_of(const struct reference *of, int64_t ms, int samples, bool difference,
	long double *entries, int *at)
{
	int kept[ROWS], count = 0, entry_count = 0;

	for (int i = of->count - 1; i >= 0; i--) {
		if (ms > 0 && (of->count - 1 - i) * of->step_ms >= ms)
			break;
		if (!isfinite(of->rows[i]))
			continue;
		if (samples > 0 && count == samples)
			break;
		kept[count++] = i;
	}
	for (int i = count - 1; i >= 0; i--) {
		int row = kept[i];

		if (difference &&
			(row == 0 || !isfinite(of->rows[row - 1]) ||
				!isfinite(of->rows[row] - of->rows[row - 1])))
			continue;
		at[entry_count] = row;
		entries[entry_count++] = difference
			? (long double)(of->rows[row] - of->rows[row - 1])
			: (long double)of->rows[row];
	}
	return entry_count;
}

struct moments {
	int count;
	long double mean, deviation, largest;
};

static struct moments moments_of(const long double *entries, int count)
{
	struct moments moments = {.count = count, .mean = NAN, .deviation = NAN};
	long double sum = 0, squares = 0;

	for (int i = 0; i < count; i++) {
		sum += entries[i];
		if (fabsl(entries[i]) > moments.largest)
			moments.largest = fabsl(entries[i]);
	}
	if (count == 0)
		return moments;
	moments.mean = sum / count;
	for (int i = 0; i < count; i++)
		squares += (entries[i] - moments.mean) * (entries[i] - moments.mean);
	if (count > 1)
		moments.deviation = sqrtl(squares / count);
	return moments;
}

static void same(const char *what, int row, double got, long double wanted, long double scale)
{
	if (isnan(got) && (isnan(wanted) || fabsl(wanted) > DBL_MAX))
		return;
	if (fabsl((long double)got - wanted) <= TOLERANCE * scale)
		return;
	fail_msg("%s at row %d: %.17g instead of %.17Lg (scale %.3Lg)", what, row, got, wanted,
		scale);
}

struct named_window {
	const char *name;
	int64_t ms;
	int samples;
};

static const struct named_window windows[ROLLING_WINDOWS] = {
#define X(window, name, ms, samples) {name, ms, samples},
	ROLLING_TABLE(X)
#undef X
};

/* The deviation is held against itself: an offset does not excuse a wrong one, but for what the
 * offset's own digits take away, which both see. */
static void compare(const struct reference *of, const struct rolling *rolling)
{
	static long double entries[ROWS];
	static int at[ROWS];
	struct rolling_features got;
	struct moments moments;
	int row = of->count - 1, count;
	double newest = of->rows[row];

	rolling_read(rolling, &got);
	for (int i = 0; i < ROLLING_WINDOWS; i++) {
		count = entries_of(of, windows[i].ms, windows[i].samples, false, entries, at);
		moments = moments_of(entries, count);
		assert_int_equal(got.counts[i], count);
		same(windows[i].name, row, got.mean[i], moments.mean, moments.largest);
		same(windows[i].name, row, got.deviation[i], moments.deviation, moments.deviation);
	}
	count = entries_of(of, 1800000, 0, true, entries, at);
	moments = moments_of(entries, count);
	same("volatility", row, got.volatility, moments.deviation, moments.deviation);
	assert_true(isfinite(newest) ? got.value == newest : isnan(got.value));
	same("difference", row, got.difference,
		count > 0 && at[count - 1] == row ? entries[count - 1] : (long double)NAN,
		moments.largest);
	count = entries_of(of, 300000, 0, false, entries, at);
	if (count < 2)
		assert_true(isnan(got.rate));
	else
		same("rate", row, got.rate,
			(entries[count - 1] - entries[0]) /
				((long double)(at[count - 1] - at[0]) * of->step_ms / 60000),
			moments_of(entries, count).largest);
}

static double series[ROWS];

static void check_series(int count, int64_t step_ms)
{
	struct rolling rolling;

	rolling_init(&rolling, step_ms);
	for (int i = 0; i < count; i++) {
		struct reference reference = {series, i + 1, step_ms};

		rolling_push(&rolling, series[i]);
		compare(&reference, &rolling);
	}
}

/* ---- the series ---- */

typedef double shape_fn(struct random *random, int i);

static double noise(struct random *random, int i)
{
	return random_normal(random);
}

static double drowned(struct random *random, int i)
{
	return 1e12 + random_normal(random);
}

static double slope(struct random *random, int i)
{
	return 1e6 * i + random_normal(random);
}

static double constant(struct random *random, int i)
{
	return 0.1;
}

static double steps(struct random *random, int i)
{
	return i / 7 % 2 == 0 ? 3.7 : 1e9 / 3;
}

static double falling(struct random *random, int i)
{
	return pow(0.5, i % 900) * (1 + random_unit(random));
}

static double outliers(struct random *random, int i)
{
	return random_below(random, 40) == 0 ? 1e15 * random_normal(random)
					     : 5 + random_normal(random);
}

static double huge(struct random *random, int i)
{
	return random_below(random, 30) == 0 ? (random_below(random, 2) != 0 ? 1e308 : -1e308)
					     : random_unit(random);
}

static double all_huge(struct random *random, int i)
{
	return 1.7e308 * (2 * random_unit(random) - 1);
}

static double denormal(struct random *random, int i)
{
	return 1e-310 * random_unit(random);
}

static double wandering(struct random *random, int i)
{
	static double at;

	at = i == 0 ? 1e5 : at + random_normal(random);
	return at;
}

static double of_all_sizes(struct random *random, int i)
{
	return random_normal(random) * pow(10, (double)random_below(random, 600) - 300);
}

static shape_fn *const shapes[] = {noise, drowned, slope, constant, steps, falling, outliers, huge,
	all_huge, denormal, wandering, of_all_sizes};

/* gaps: share of rows without a measurement, in 100ths. */
static void fill_series(shape_fn *shape, uint64_t seed, unsigned gaps)
{
	struct random random;

	random_init(&random, seed);
	for (int i = 0; i < ROWS; i++) {
		double value = shape(&random, i);

		series[i] = random_below(&random, 100) >= gaps ? value
			: random_below(&random, 2) != 0        ? NAN
							       : -INFINITY;
	}
}

static void what_is_kept_is_what_a_batch_gives(void **state)
{
	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
		fill_series(shapes[i], 100 + i, 0);
		check_series(ROWS, 60000);
	}
}

static void with_gaps_too_and_on_other_grids(void **state)
{
	static const int64_t steps_ms[] = {30000, 60000, 120000, 300000};

	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
		fill_series(shapes[i], 200 + i, i % 2 == 0 ? 15 : 85);
		check_series(ROWS / 2, steps_ms[i % ARRAY_COUNT(steps_ms)]);
	}
}

static void a_long_silence_leaves_the_windows_of_time_empty(void **state)
{
	struct rolling rolling;
	struct rolling_features features;

	rolling_init(&rolling, 60000);
	for (int i = 0; i < 40; i++)
		rolling_push(&rolling, i);
	rolling_skip(&rolling, INT64_C(1) << 40);
	rolling_read(&rolling, &features);
	assert_true(isnan(features.value) && isnan(features.difference) && isnan(features.rate));
	assert_true(isnan(features.mean[ROLLING_5M]) && isnan(features.mean[ROLLING_30M]));
	assert_int_equal(features.counts[ROLLING_30M], 0);
	assert_true(isnan(features.volatility));
	/* What counts samples has them still. */
	assert_int_equal(features.counts[ROLLING_60], 40);
	rolling_push(&rolling, 1000);
	rolling_read(&rolling, &features);
	assert_true(isnan(features.difference));
	assert_true(features.mean[ROLLING_5M] == 1000 && isnan(features.deviation[ROLLING_5M]));
}

static void a_gap_is_no_zero(void **state)
{
	struct rolling rolling;
	struct rolling_features with_gap, with_zero;

	rolling_init(&rolling, 60000);
	for (int i = 0; i < 10; i++)
		rolling_push(&rolling, 5);
	struct rolling other = rolling;

	rolling_push(&rolling, NAN);
	rolling_push(&other, 0);
	rolling_read(&rolling, &with_gap);
	rolling_read(&other, &with_zero);
	assert_true(with_gap.mean[ROLLING_5M] == 5 && with_gap.deviation[ROLLING_5M] == 0);
	assert_true(with_zero.mean[ROLLING_5M] == 4 && with_zero.value == 0);
	assert_true(with_zero.difference == -5 && isnan(with_gap.difference));
}

static void a_constant_has_no_deviation_at_all(void **state)
{
	struct rolling rolling;
	struct rolling_features features;

	rolling_init(&rolling, 60000);
	for (int i = 0; i < 200; i++)
		rolling_push(&rolling, i < 100 ? 1e308 : 0.3);
	rolling_read(&rolling, &features);
	for (int i = 0; i < ROLLING_WINDOWS; i++)
		assert_true(features.deviation[i] == 0 && features.mean[i] == 0.3);
	assert_true(features.volatility == 0 && features.rate == 0 && features.difference == 0);
}

static void nothing_seen_says_nothing(void **state)
{
	struct rolling rolling;
	struct rolling_features features;

	rolling_init(&rolling, 1);
	rolling_read(&rolling, &features);
	assert_true(isnan(features.value) && isnan(features.rate) && isnan(features.volatility));
	assert_true(isnan(features.mean[ROLLING_12]) && isnan(features.deviation[ROLLING_12]));
	rolling_push(&rolling, NAN);
	rolling_push(&rolling, INFINITY);
	rolling_read(&rolling, &features);
	assert_true(isnan(features.value) && isnan(features.mean[ROLLING_60]));
	assert_string_equal(rolling_window_name(ROLLING_15M), "15m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_what_a_batch_gives),
		cmocka_unit_test(with_gaps_too_and_on_other_grids),
		cmocka_unit_test(a_long_silence_leaves_the_windows_of_time_empty),
		cmocka_unit_test(a_gap_is_no_zero),
		cmocka_unit_test(a_constant_has_no_deviation_at_all),
		cmocka_unit_test(nothing_seen_says_nothing),
	};

	return cmocka_run_group_tests_name("rolling", tests, NULL, NULL);
}
