/*
 * Randomness: the generators against their authors' numbers, the distributions against their
 * mass functions (chi-squared, fixed seeds), the kernel's bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

/* From the reference code of xoshiro256** with state 1, 2, 3, 4. */
static void xoshiro_gives_the_reference_numbers(void **state)
{
	static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240,
		1216172134540287360, 607988272756665600, UINT64_C(16172922978634559625),
		8476171486693032832, UINT64_C(10595114339597558777), 2904607092377533576};
	struct random random = {.state = {1, 2, 3, 4}, .spare = NAN};

	for (size_t i = 0; i < ARRAY_COUNT(expected); i++)
		assert_true(random_u64(&random) == expected[i]);
}

/* splitmix64 with seed 1234567, as published with the generator. */
static void the_seed_goes_through_splitmix(void **state)
{
	static const uint64_t expected[] = {6457827717110365317, 3203168211198807973,
		UINT64_C(9817491932198370423), 4593380528125082431};
	struct random random;

	random_init(&random, 1234567);
	for (size_t i = 0; i < 4; i++)
		assert_true(random.state[i] == expected[i]);
}

static void one_seed_is_one_stream(void **state)
{
	struct random a, b, c;
	int same = 0;

	random_init(&a, 7);
	random_init(&b, 7);
	random_init(&c, 8);
	for (int i = 0; i < 1000; i++) {
		double x = random_normal(&a);
		assert_true(x == random_normal(&b));
		same += x == random_normal(&c);
		assert_true(random_poisson(&a, 40) == random_poisson(&b, 40));
	}
	assert_int_equal(same, 0);
}

/* The chi-squared statistic's 99.99 % point, by Wilson and Hilferty. */
static double chi_squared_limit(double freedom)
{
	double t = 2.0 / (9.0 * freedom);

	return freedom * pow(1.0 - t + 3.719 * sqrt(t), 3.0);
}

static void below_is_uniform_and_below(void **state)
{
	static const uint64_t bounds[] = {1, 2, 3, 7, 10, 100};
	struct random random;

	random_init(&random, 3);
	assert_int_equal(random_below(&random, 0), 0);
	for (size_t b = 0; b < ARRAY_COUNT(bounds); b++) {
		double counts[100] = {0}, chi = 0, expected = 20000.0 / (double)bounds[b];

		for (int i = 0; i < 20000; i++) {
			uint64_t drawn = random_below(&random, bounds[b]);
			assert_true(drawn < bounds[b]);
			counts[drawn]++;
		}
		for (size_t i = 0; i < bounds[b]; i++)
			chi += (counts[i] - expected) * (counts[i] - expected) / expected;
		if (bounds[b] > 1)
			assert_true(chi < chi_squared_limit((double)bounds[b] - 1));
	}
}

/* With bound 3 * 2^62 a quarter of all products must be drawn again: without that every third
 * number would come twice as often as its neighbours. */
static void below_has_no_bias_where_it_would_be_large(void **state)
{
	uint64_t bound = UINT64_C(3) << 62;
	struct random random;
	int thirds[3] = {0};

	random_init(&random, 4);
	for (int i = 0; i < 30000; i++)
		thirds[random_below(&random, bound) % 3]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(thirds[i], 9600, 10400);
}

static void unit_lies_in_its_interval(void **state)
{
	struct random random;
	double sum = 0, square = 0;

	random_init(&random, 5);
	for (int i = 0; i < 100000; i++) {
		double x = random_unit(&random);
		assert_true(x >= 0 && x < 1);
		sum += x;
		square += x * x;
	}
	assert_true(fabs(sum / 100000 - 0.5) < 0.005);
	assert_true(fabs(square / 100000 - 1.0 / 3) < 0.005);
}

static void normal_has_its_distribution(void **state)
{
	enum { CELLS = 40, DRAWS = 100000 };
	double counts[CELLS] = {0}, chi = 0, before = 0, pair = 0;
	struct random random;

	random_init(&random, 6);
	for (int i = 0; i < DRAWS; i++) {
		double x = random_normal(&random);
		double p = 0.5 * erfc(-x / sqrt(2.0));
		int cell = (int)(p * CELLS);
		counts[cell < CELLS ? cell : CELLS - 1]++;
		pair += x * before;
		before = x;
	}
	for (int i = 0; i < CELLS; i++)
		chi += pow(counts[i] - (double)DRAWS / CELLS, 2) / ((double)DRAWS / CELLS);
	assert_true(chi < chi_squared_limit(CELLS - 1));
	/* The two of a Box-Muller pair are independent. */
	assert_true(fabs(pair / DRAWS) < 4.0 / sqrt(DRAWS));
}

/* Cells of single values while each expects 20 draws or more; the two tails are one cell each. */
static void assert_poisson(struct random *random, double mean)
{
	enum { DRAWS = 100000, VALUES = 2000 };
	static double counts[VALUES];
	double chi = 0, freedom = -1, rest = 0, rest_expected = 0;

	memset(counts, 0, sizeof(counts));
	for (int i = 0; i < DRAWS; i++) {
		uint64_t drawn = random_poisson(random, mean);
		assert_true(drawn < VALUES);
		counts[drawn]++;
	}
	for (int k = 0; k < VALUES; k++) {
		double expected = DRAWS * exp(k * log(mean) - mean - lgamma(k + 1.0));

		if (expected < 20) {
			rest += counts[k];
			rest_expected += expected;
			continue;
		}
		chi += (counts[k] - expected) * (counts[k] - expected) / expected;
		freedom++;
	}
	chi += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
	assert_true(chi < chi_squared_limit(freedom + 1));
}

static void poisson_has_its_distribution_in_both_methods(void **state)
{
	static const double means[] = {0.3, 1, 5, 12, 29.9, 30, 31.7, 60, 200, 1000};
	struct random random;

	random_init(&random, 8);
	for (size_t i = 0; i < ARRAY_COUNT(means); i++)
		assert_poisson(&random, means[i]);
}

static void poisson_of_what_is_no_mean_is_zero(void **state)
{
	struct random random;

	random_init(&random, 9);
	assert_int_equal(random_poisson(&random, 0), 0);
	assert_int_equal(random_poisson(&random, -1), 0);
	assert_int_equal(random_poisson(&random, NAN), 0);
	for (int i = 0; i < 1000; i++) {
		double large = (double)random_poisson(&random, INFINITY);
		assert_true(fabs(large - 1e15) < 1e9);
		large = (double)random_poisson(&random, 1e9);
		assert_true(fabs(large - 1e9) < 1e6);
	}
}

static void secrets_differ_and_fill_all_bytes(void **state)
{
	unsigned char a[600], b[600];
	size_t zeros = 0;

	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_int_equal(random_secret(a, sizeof(a)), STATUS_OK);
	assert_int_equal(random_secret(b, sizeof(b)), STATUS_OK);
	assert_int_equal(random_secret(NULL, 0), STATUS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	assert_true(zeros < 30);
	assert_memory_not_equal(a + sizeof(a) - 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xoshiro_gives_the_reference_numbers),
		cmocka_unit_test(the_seed_goes_through_splitmix),
		cmocka_unit_test(one_seed_is_one_stream),
		cmocka_unit_test(below_is_uniform_and_below),
		cmocka_unit_test(below_has_no_bias_where_it_would_be_large),
		cmocka_unit_test(unit_lies_in_its_interval),
		cmocka_unit_test(normal_has_its_distribution),
		cmocka_unit_test(poisson_has_its_distribution_in_both_methods),
		cmocka_unit_test(poisson_of_what_is_no_mean_is_zero),
		cmocka_unit_test(secrets_differ_and_fill_all_bytes),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
