/*
 * The fast normal and Poisson numbers against their distributions: moments, tails, shares of single values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "analyzers/scaler/draws.h"

#define COUNT 1000000

static void normal_numbers_have_the_bells_shares(void **state)
{
	/* Shares beyond 1, 2, 3 and the ziggurat's last edge 3.4426, of both sides. */
	static const double edges[] = {1, 2, 3, 3.442619855899};
	static const double shares[] = {.3173105, .0455003, .0026998, .0005761};
	double sum = 0, squares = 0, cubes = 0, beyond[4] = {0}, below[4] = {0};
	struct draws draws;

	draws_init(&draws, 11);
	for (int i = 0; i < COUNT; i++) {
		double x = draws_normal(&draws);

		sum += x;
		squares += x * x;
		cubes += x * x * x;
		for (int k = 0; k < 4; k++) {
			beyond[k] += fabs(x) > edges[k];
			below[k] += x < -edges[k];
		}
	}
	/* Five standard errors each. */
	assert_true(fabs(sum / COUNT) < 5e-3);
	assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2. / COUNT));
	assert_true(fabs(cubes / COUNT) < 5 * sqrt(15. / COUNT));
	for (int k = 0; k < 4; k++) {
		assert_true(fabs(beyond[k] / COUNT - shares[k]) < 5 * sqrt(shares[k] / COUNT));
		assert_true(fabs(below[k] / COUNT - shares[k] / 2) < 5 * sqrt(shares[k] / COUNT));
	}
}

/* Both halves of the pairs, which come from fewer bits: the same shares, and nothing in common. */
static void pairs_have_the_bells_shares_too(void **state)
{
	double sum = 0, squares = 0, beyond = 0, common = 0;
	struct draws draws;

	(void)state;
	draws_init(&draws, 14);
	for (int i = 0; i < COUNT; i++) {
		float pair[2];

		draws_normal_pair(&draws, pair);
		for (int k = 0; k < 2; k++) {
			double x = (double)pair[k];

			sum += x;
			squares += x * x;
			beyond += fabs(x) > 3.442619855899;
		}
		common += (double)(pair[0] * pair[1]);
	}
	assert_true(fabs(sum / (2. * COUNT)) < 5e-3);
	assert_true(fabs(squares / (2. * COUNT) - 1) < 5 / sqrt(COUNT));
	assert_true(fabs(beyond / (2. * COUNT) - .0005761) < 5 * sqrt(.0005761 / (2. * COUNT)));
	assert_true(fabs(common / COUNT) < 5e-3);
}

static void poisson_numbers_have_poissons_shares(void **state)
{
	static const double means[] = {3, 30, 45.5, 256.3, 20000};

	for (int m = 0; m < 5; m++) {
		double mean = means[m], sum = 0, squares = 0, at_mean = 0, share;
		struct draws draws;

		draws_init(&draws, 12);
		for (int i = 0; i < COUNT; i++) {
			double x = draws_poisson(&draws, mean);

			assert_true(x >= 0 && floor(x) == x);
			sum += x;
			squares += (x - mean) * (x - mean);
			at_mean += x == floor(mean);
		}
		assert_true(fabs(sum / COUNT - mean) < 5 * sqrt(mean / COUNT));
		assert_true(fabs(squares / COUNT - mean) < 5 * mean * sqrt(3. / COUNT));
		share = exp(floor(mean) * log(mean) - mean - lgamma(floor(mean) + 1));
		assert_true(fabs(at_mean / COUNT - share) < 5 * sqrt(share / COUNT));
	}
}

static void nothing_comes_where_nothing_is_expected(void **state)
{
	struct draws draws;

	draws_init(&draws, 1);
	assert_true(draws_poisson(&draws, 0) == 0);
	assert_true(draws_poisson(&draws, -1) == 0);
	assert_true(draws_poisson(&draws, (double)NAN) == 0);
}

static void the_lognormal_has_mean_one_and_its_spread(void **state)
{
	double sum = 0, logs = 0;
	struct draws draws;

	draws_init(&draws, 13);
	for (int i = 0; i < COUNT; i++) {
		double x = draws_lognormal(&draws, .03);

		sum += x;
		logs += log(x) * log(x);
	}
	assert_true(fabs(sum / COUNT - 1) < 5 * .03 / 1000);
	assert_true(fabs(sqrt(logs / COUNT) - .03) < 2e-4);
}

static void one_seed_is_one_stream(void **state)
{
	struct draws one, two, other;
	int same = 0;

	draws_init(&one, 5);
	draws_init(&two, 5);
	draws_init(&other, 6);
	for (int i = 0; i < 1000; i++) {
		double x = draws_normal(&one);

		assert_true(x == draws_normal(&two));
		same += x == draws_normal(&other);
	}
	assert_true(same < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_numbers_have_the_bells_shares),
		cmocka_unit_test(pairs_have_the_bells_shares_too),
		cmocka_unit_test(poisson_numbers_have_poissons_shares),
		cmocka_unit_test(nothing_comes_where_nothing_is_expected),
		cmocka_unit_test(the_lognormal_has_mean_one_and_its_spread),
		cmocka_unit_test(one_seed_is_one_stream),
	};

	return cmocka_run_group_tests_name("draws", tests, NULL, NULL);
}
