/*
 * Adaptive conformal ends: long-run coverage for any series, capped width, the sorted window.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/conformal.h"
#include "base/check.h"
#include "base/random.h"

static void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%.17g is not %.17g within %g", found, expected, tolerance);
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void no_interval_before_enough_outcomes(void **state)
{
	struct conformal conformal;
	double offsets[CONFORMAL_ENDS];

	conformal_init(&conformal, .9);
	for (size_t i = 0; i < CONFORMAL_OUTCOMES_MIN; i++) {
		conformal_offsets(&conformal, offsets);
		for (size_t end = 0; end < CONFORMAL_ENDS; end++)
			assert_true(isnan(offsets[end]));
		conformal_add(&conformal, (double)i, offsets);
	}
	conformal_offsets(&conformal, offsets);
	assert_near(offsets[CONFORMAL_HIGH], 18.95, 1e-6);
}

static void window_holds_the_last_residuals_sorted(void **state)
{
	struct conformal conformal;
	float last[CONFORMAL_WINDOW];
	double none[CONFORMAL_ENDS] = {NAN, NAN, NAN, NAN};
	struct random random;

	random_init(&random, 1);
	conformal_init(&conformal, .9);
	for (size_t i = 0; i < 5 * CONFORMAL_WINDOW + 7; i++) {
		double value = (double)random_below(&random, 30) - 15;

		conformal_add(&conformal, value, none);
		last[i % CONFORMAL_WINDOW] = (float)value;
	}
	qsort(last, CONFORMAL_WINDOW, sizeof(*last), by_value);
	assert_int_equal(conformal.count, CONFORMAL_WINDOW);
	assert_memory_equal(last, conformal.sorted, sizeof(last));
	assert_near(conformal.level[CONFORMAL_LOW], .05, 1e-12);
}

/* Residuals: calm, then wild, drifting, in bursts, with heavy tails. */
static double residual(int kind, size_t i, struct random *random)
{
	double normal = random_normal(random);

	switch (kind) {
	case 0:
		return normal;
	case 1:
		return normal * (i / 1500 % 2 == 0 ? 1 : 20);
	case 2:
		return normal + sin((double)i * .003);
	case 3:
		return i % 300 < 40 ? normal * 30 : normal;
	case 4:
		return normal / (random_unit(random) + 1e-3);
	default:
		return exp(2 * normal) - 1;
	}
}

static void share_of_outcomes_covered_is_the_one_asked_for(void **state)
{
	for (int kind = 0; kind < 6; kind++) {
		size_t covered = 0, below = 0, count = 0;
		struct conformal conformal;
		double offsets[CONFORMAL_ENDS];
		struct random random;

		random_init(&random, 2);
		conformal_init(&conformal, .9);
		for (size_t i = 0; i < 9000; i++) {
			double value = residual(kind, i, &random);

			conformal_offsets(&conformal, offsets);
			if (i >= 200) {
				covered += value >= offsets[CONFORMAL_LOW] &&
					value <= offsets[CONFORMAL_HIGH];
				below += value <= offsets[CONFORMAL_Q90];
				count++;
			}
			conformal_add(&conformal, value, offsets);
		}
		assert_in_range(1000 * covered / count, 890, 910);
		assert_in_range(1000 * below / count, 890, 910);
	}
}

static void width_is_capped_however_often_it_misses(void **state)
{
	struct conformal conformal;
	double offsets[CONFORMAL_ENDS];

	conformal_init(&conformal, .9);
	/* Always outside: twice as far as ever before, both ways. */
	for (size_t i = 0; i < 3000; i++) {
		conformal_offsets(&conformal, offsets);
		conformal_add(&conformal, (i % 2 == 0 ? 1 : -1) * exp2((double)(i % 60)), offsets);
	}
	conformal_offsets(&conformal, offsets);
	assert_true(offsets[CONFORMAL_HIGH] - offsets[CONFORMAL_LOW] <= 3 * exp2(61));
}

static void interval_holds_the_forecast_itself(void **state)
{
	struct conformal conformal;
	double offsets[CONFORMAL_ENDS];
	struct random random;

	random_init(&random, 3);
	conformal_init(&conformal, .8);
	for (size_t i = 0; i < 2000; i++) {
		conformal_offsets(&conformal, offsets);
		if (i > 100) {
			assert_true(offsets[CONFORMAL_LOW] <= offsets[CONFORMAL_Q10]);
			assert_true(offsets[CONFORMAL_Q10] <= 0 && 0 <= offsets[CONFORMAL_Q90]);
			assert_true(offsets[CONFORMAL_Q90] <= offsets[CONFORMAL_HIGH]);
		}
		/* A forecast that is always too low. */
		conformal_add(&conformal, 5 + random_unit(&random), offsets);
	}
}

/* Who lies on an end is covered by it: below no lower end, not above an upper one. */
static void an_outcome_on_an_end_is_covered(void **state)
{
	static const double ends[CONFORMAL_ENDS] = {-2, -1, 1, 2};
	/* By how much each level moves in steps of the rate, when the outcome lies on each of the ends. */
	static const double moves[CONFORMAL_ENDS][CONFORMAL_ENDS] = {{.05, .1 - 1, .9 - 1, .95 - 1},
		{.05, .1, .9 - 1, .95 - 1}, {.05, .1, .9 - 1, .95 - 1}, {.05, .1, .9, .95 - 1}};

	for (size_t on = 0; on < CONFORMAL_ENDS; on++) {
		struct conformal conformal;

		conformal_init(&conformal, .9);
		conformal_add(&conformal, ends[on], ends);
		for (size_t i = 0; i < CONFORMAL_ENDS; i++)
			assert_near(conformal.level[i] - conformal.target[i],
				CONFORMAL_RATE * moves[on][i], 1e-12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_interval_before_enough_outcomes),
		cmocka_unit_test(window_holds_the_last_residuals_sorted),
		cmocka_unit_test(share_of_outcomes_covered_is_the_one_asked_for),
		cmocka_unit_test(width_is_capped_however_often_it_misses),
		cmocka_unit_test(interval_holds_the_forecast_itself),
		cmocka_unit_test(an_outcome_on_an_end_is_covered),
	};

	return cmocka_run_group_tests_name("conformal", tests, NULL, NULL);
}
