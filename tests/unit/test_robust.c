/*
 * Median, deviation and score against sorting and against the definitions, on the orders that
 * quickselect dislikes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/robust.h"
#include "base/check.h"
#include "base/random.h"

#define COUNT_MAX 400

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The definition: sort, take the middle. */
static double sorted_median(const double *values, size_t count)
{
	double copy[COUNT_MAX];

	memcpy(copy, values, count * sizeof(double));
	qsort(copy, count, sizeof(double), by_value);
	return count % 2 == 1 ? copy[count / 2] : copy[count / 2 - 1] / 2 + copy[count / 2] / 2;
}

/* Kinds of order: random, few different values, rising, falling, all equal, organ pipe, two values. */
static void fill(double *values, size_t count, int kind, struct random *random)
{
	for (size_t i = 0; i < count; i++) {
		double at = (double)i;

		switch (kind) {
		case 0:
			values[i] = random_normal(random) * 100;
			break;
		case 1:
			values[i] = (double)random_below(random, 4);
			break;
		case 2:
			values[i] = at;
			break;
		case 3:
			values[i] = -at;
			break;
		case 4:
			values[i] = 7;
			break;
		case 5:
			values[i] = i < count / 2 ? at : (double)(count - i);
			break;
		default:
			values[i] = i % 2 == 0 ? DBL_MAX : -DBL_MAX;
			break;
		}
	}
}

static void the_median_is_the_middle_of_the_sorted_values(void **state)
{
	struct random random;
	double values[COUNT_MAX];

	random_init(&random, 11);
	for (int round = 0; round < 40; round++) {
		for (size_t count = 1; count <= COUNT_MAX; count += 1 + count / 9) {
			for (int kind = 0; kind < 7; kind++) {
				double wanted;

				fill(values, count, kind, &random);
				wanted = sorted_median(values, count);
				assert_true(robust_median(values, count) == wanted);
			}
		}
	}
}

static void the_median_only_changes_the_order(void **state)
{
	struct random random;
	double values[101], before[101];

	random_init(&random, 3);
	fill(values, 101, 0, &random);
	memcpy(before, values, sizeof(values));
	(void)robust_median(values, 101);
	qsort(values, 101, sizeof(double), by_value);
	qsort(before, 101, sizeof(double), by_value);
	assert_memory_equal(values, before, sizeof(values));
}

static void no_values_have_no_median(void **state)
{
	double none = 0;
	struct robust_scale scale = robust_scale(&none, &none, 0);

	assert_true(isnan(robust_median(&none, 0)));
	assert_true(isnan(scale.median));
	assert_true(isnan(scale.deviation));
}

static void the_mean_of_two_large_values_does_not_overflow(void **state)
{
	double values[] = {DBL_MAX, DBL_MAX};

	assert_true(robust_median(values, 2) == DBL_MAX);
}

/* Numbers by hand: 1 2 3 4 100: median 3, distances 2 1 0 1 97, their median 1. */
static void one_outlier_moves_neither_median_nor_deviation(void **state)
{
	double values[] = {100, 2, 3, 4, 1}, scratch[5];
	struct robust_scale scale = robust_scale(values, scratch, 5);

	assert_true(scale.median == 3);
	assert_true(scale.deviation == 1.4826);
	assert_true(fabs(robust_score(100, &scale, 0) - 97 / 1.4826) < 1e-9);
	assert_true(fabs(robust_score(1, &scale, 0) + 2 / 1.4826) < 1e-9);
}

static void the_deviation_of_normal_values_is_their_standard_deviation(void **state)
{
	static double values[20000], scratch[20000];
	struct random random;

	random_init(&random, 5);
	for (size_t i = 0; i < ARRAY_COUNT(values); i++)
		values[i] = 50 + 4 * random_normal(&random);
	struct robust_scale scale = robust_scale(values, scratch, ARRAY_COUNT(values));

	assert_true(fabs(scale.median - 50) < 0.15);
	assert_true(fabs(scale.deviation - 4) < 0.15);
}

static void the_floor_keeps_small_deviations_from_mattering(void **state)
{
	struct robust_scale scale = {.median = 10, .deviation = 0.001};

	assert_true(fabs(robust_score(10.5, &scale, 1) - 0.5) < 1e-12);
	assert_true(fabs(robust_score(10.5, &scale, 0.0001) - 500) < 1e-6);
}

static void a_constant_past_gives_no_nan(void **state)
{
	struct robust_scale scale = {.median = 5, .deviation = 0};

	assert_true(robust_score(5, &scale, 0) == 0);
	assert_true(robust_score(5.1, &scale, 0) == 1e6);
	assert_true(robust_score(4.9, &scale, 0) == -1e6);
}

static void finite_input_never_scores_nan(void **state)
{
	/* Distance and deviation are both infinite. */
	double far[] = {-1e308, -1e308, 0.5e308, 1.75e308, 1.75e308}, room[5];
	struct robust_scale wide = robust_scale(far, room, 5);
	static const double numbers[] = {0, 1, -1, DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, 1e300};

	assert_true(robust_score(-1.7e308, &wide, 0) == 0);
	for (size_t v = 0; v < ARRAY_COUNT(numbers); v++) {
		for (size_t m = 0; m < ARRAY_COUNT(numbers); m++) {
			double values[] = {numbers[m], numbers[v], numbers[m]}, scratch[3];
			struct robust_scale scale = robust_scale(values, scratch, 3);
			double score = robust_score(numbers[v], &scale, 0);

			assert_true(!isnan(score));
			assert_true(fabs(score) <= 1e6);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_median_is_the_middle_of_the_sorted_values),
		cmocka_unit_test(the_median_only_changes_the_order),
		cmocka_unit_test(no_values_have_no_median),
		cmocka_unit_test(the_mean_of_two_large_values_does_not_overflow),
		cmocka_unit_test(one_outlier_moves_neither_median_nor_deviation),
		cmocka_unit_test(the_deviation_of_normal_values_is_their_standard_deviation),
		cmocka_unit_test(the_floor_keeps_small_deviations_from_mattering),
		cmocka_unit_test(a_constant_past_gives_no_nan),
		cmocka_unit_test(finite_input_never_scores_nan),
	};

	return cmocka_run_group_tests_name("robust", tests, NULL, NULL);
}
