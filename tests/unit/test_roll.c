/*
 * Rolling features against a plain recomputation, standardised features, and the eigen solver against
 * the definition of what it solves.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/eigen.h"
#include "analyzers/detect/roll.h"
#include "analyzers/detect/standard.h"
#include "base/mem.h"
#include "base/random.h"

#define COLUMNS 3
#define ROWS 400

static double rows[ROWS][COLUMNS];

static void draw(uint64_t seed)
{
	struct random dice;

	random_init(&dice, seed);
	for (size_t i = 0; i < ROWS; i++) {
		rows[i][0] = 1e9 + random_normal(&dice);
		/* A jump of twelve decades and back. */
		rows[i][1] = (i / 70 % 2 ? 1e12 : 1) * random_normal(&dice);
		rows[i][2] = random_below(&dice, 3) == 0 ? NAN : random_unit(&dice);
	}
}

static void batch(size_t column, size_t at, size_t length, double *mean, double *deviation)
{
	size_t first = at + 1 > length ? at + 1 - length : 0, count = 0;
	double sum = 0, squares = 0;

	for (size_t i = first; i <= at; i++)
		if (!isnan(rows[i][column])) {
			sum += rows[i][column];
			count++;
		}
	*mean = *deviation = NAN;
	if (2 * count < at + 1 - first || count == 0)
		return;
	*mean = sum / (double)count;
	for (size_t i = first; i <= at; i++)
		if (!isnan(rows[i][column]))
			squares += pow(rows[i][column] - *mean, 2);
	*deviation = sqrt(squares / (double)count);
}

static void assert_close(double found, double expected, double magnitude)
{
	assert_int_equal(isnan(found) != 0, isnan(expected) != 0);
	if (!isnan(expected))
		assert_true(fabs(found - expected) <= 1e-9 * fmax(fabs(expected), magnitude));
}

static void rolling_features_equal_a_recomputation(void **state)
{
	struct error error;
	struct roll *roll = roll_open(COLUMNS, &error);
	double features[ROLL_FEATURES][COLUMNS];

	for (int round = 0; round < 2; round++) {
		draw(4);
		roll_reset(roll);
		for (size_t i = 0; i < ROWS; i++) {
			roll_step(roll, rows[i], features[0]);
			for (size_t c = 0; c < COLUMNS; c++) {
				double mean, deviation;

				assert_close(features[0][c], rows[i][c], 0);
				batch(c, i, ROLL_SHORT, &mean, &deviation);
				assert_close(features[1][c], mean, 1e-3);
				assert_close(features[2][c], deviation, 1e-3);
				batch(c, i, ROLL_LONG, &mean, &deviation);
				assert_close(features[3][c], mean, 1e-3);
				assert_close(features[4][c], deviation, 1e-3);
				assert_close(features[5][c],
					i > 0 ? rows[i][c] - rows[i - 1][c] : 0, 0);
			}
		}
	}
	roll_close(roll);
}

static void equal_values_have_no_deviation(void **state)
{
	struct error error;
	struct roll *roll = roll_open(1, &error);
	double features[ROLL_FEATURES], value = 0.1;

	for (size_t i = 0; i < 100; i++) {
		roll_step(roll, &value, features);
		assert_true(features[2] == 0 && features[4] == 0 && features[5] == 0);
	}
	roll_close(roll);
}

static void a_week_of_nothing_has_no_features(void **state)
{
	struct error error;
	struct roll *roll = roll_open(1, &error);
	double features[ROLL_FEATURES], value = 1, nothing = NAN;

	roll_step(roll, &value, features);
	for (size_t i = 0; i < 10080; i++)
		roll_step(roll, &nothing, features);
	for (size_t i = 0; i < ROLL_FEATURES; i++)
		assert_true(isnan(features[i]));
	roll_step(roll, &value, features);
	assert_true(features[0] == 1 && isnan(features[1]) && isnan(features[5]));
	roll_close(roll);
}

static void standardised_features_keep_within_bounds(void **state)
{
	double train[40][4], row[4];
	struct standard standard;
	struct error error;

	for (size_t i = 0; i < 40; i++) {
		train[i][0] = (double)(i % 2);
		train[i][1] = 0.1;
		train[i][2] = NAN;
		train[i][3] = i == 0 ? NAN : 1e100 * (double)(i % 3);
	}
	assert_int_equal(standard_fit(&standard, train[0], 40, 4, &error), STATUS_OK);
	memcpy(row, (double[]){1, 0.1, 5, 1e100}, sizeof(row));
	standard_apply(&standard, row, row);
	assert_true(fabs(row[0] - 1) < 1e-12 && row[1] == 0 && row[2] == 0 && fabs(row[3]) < 1);
	memcpy(row, (double[]){-1e99, 0.2, NAN, NAN}, sizeof(row));
	standard_apply(&standard, row, row);
	assert_true(row[0] == -STANDARD_MAX && row[1] == STANDARD_NOVELTY);
	assert_true(row[2] == 0 && row[3] == 0);
	standard_fini(&standard);
}

/* A v = value v, vectors of length 1 and at right angles, values in order. */
static void check_solution(const double *matrix, const double *values, const double *vectors,
	size_t n)
{
	double scale = fmax(fabs(values[0]), fabs(values[n - 1])) + 1e-300;

	for (size_t k = 0; k < n; k++) {
		const double *vector = vectors + k * n;

		assert_true(k == 0 || values[k] <= values[k - 1]);
		for (size_t i = 0; i < n; i++) {
			double sum = 0;

			for (size_t j = 0; j < n; j++)
				sum += (j <= i ? matrix[i * n + j] : matrix[j * n + i]) * vector[j];
			assert_true(fabs(sum - values[k] * vector[i]) < 1e-11 * scale * (double)n);
		}
		for (size_t other = 0; other <= k; other++) {
			double product = 0;

			for (size_t i = 0; i < n; i++)
				product += vector[i] * vectors[other * n + i];
			assert_true(fabs(product - (other == k)) < 1e-11 * (double)n);
		}
	}
}

static void solve(const double *matrix, size_t n)
{
	static double copy[60 * 60], vectors[60 * 60], values[60];
	struct error error;

	memcpy(copy, matrix, n * n * sizeof(*copy));
	assert_int_equal(eigen_symmetric(copy, n, values, vectors, &error), STATUS_OK);
	check_solution(matrix, values, vectors, n);
}

static void eigenvectors_are_what_they_claim_to_be(void **state)
{
	static double matrix[60 * 60];
	struct random dice;

	random_init(&dice, 8);
	for (size_t n = 1; n <= 60; n += 1 + n / 8)
		for (int rank = 0; rank < 3; rank++) {
			memset(matrix, 0, sizeof(matrix));
			for (size_t i = 0; i < n; i++)
				for (size_t j = 0; j <= i; j++)
					matrix[i * n + j] = rank == 0 ? random_normal(&dice) *
							pow(10, (double)random_below(&dice, 9))
						: rank == 1 ? 1
							    : (i == j && i % 3 == 0);
			solve(matrix, n);
		}
}

static void awkward_matrices_are_solved(void **state)
{
	static const double zeros[16] = {0};
	static const double anti[4] = {0, 0, 1, 0};
	static const double tiny[9] = {1e-300, 0, 0, 1e-300, 1e-300, 0, 0, 1e-300, 1e-300};
	static const double huge[9] = {1e100, 0, 0, 1, 1e100, 0, 1e100, 1e-100, -1e100};

	solve(zeros, 4);
	solve(anti, 2);
	solve(tiny, 3);
	solve(huge, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rolling_features_equal_a_recomputation),
		cmocka_unit_test(equal_values_have_no_deviation),
		cmocka_unit_test(a_week_of_nothing_has_no_features),
		cmocka_unit_test(standardised_features_keep_within_bounds),
		cmocka_unit_test(eigenvectors_are_what_they_claim_to_be),
		cmocka_unit_test(awkward_matrices_are_solved),
	};

	return cmocka_run_group_tests_name("roll", tests, NULL, NULL);
}
