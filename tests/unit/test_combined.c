/*
 * The combination: near the best member on each kind of series, never much worse than the last
 * value, and quick to drop what was good and is no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "analyzers/forecast/forecaster.h"
#include "base/check.h"
#include "base/random.h"

#define STEP_MS INT64_C(60000)
#define START_MS INT64_C(1700000000000)
#define SEASON 96
#define KINDS 5

/* at: the walk's place, kept between calls. */
static double value_of(int kind, size_t i, double *at, struct random *random)
{
	double normal = random_normal(random);

	*at += normal;
	switch (kind) {
	case 0:
		return 1000 + *at;
	case 1:
		return 100 + normal;
	case 2:
		return 100 + 20 * sin((double)i * 2 * 3.14159265358979 / SEASON) + normal;
	case 3:
		return 10 + (random_below(random, 9) == 0 ? 500 : 0) + .1 * normal;
	default: /* A season that ends: what was best is worst from there on. */
		return i < 2500 ? 100 + 20 * sin((double)i * 2 * 3.14159265358979 / SEASON)
				: 1000 + *at;
	}
}

/* The mean absolute error 5 rows ahead from row 2000 on, relative to the last value's; two seasons
 * after the one that ends. */
static double relative_error(const char *name, int kind)
{
	double said[6] = {0}, values[6] = {0}, error = 0, naive = 0, at = 0;
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct random random;
	struct error why;

	random_init(&random, 7);
	forecaster_config_default(&config);
	config.season_rows = SEASON;
	forecaster = forecaster_open(forecaster_class_find(name), &config, &why);
	assert_non_null(forecaster);
	for (size_t i = 0; i < 5000; i++) {
		double value = value_of(kind, i, &at, &random);
		struct prediction predictions[2];

		if (i >= (kind == 4 ? 2500u + 2 * SEASON : 2000u)) {
			error += fabs(value - said[(i - 5) % 6]);
			naive += fabs(value - values[(i - 5) % 6]);
		}
		forecaster_step(forecaster, value, START_MS + (int64_t)i * STEP_MS);
		forecaster_predict(forecaster, predictions);
		said[i % 6] = predictions[0].middle;
		values[i % 6] = value;
	}
	forecaster_close(forecaster);
	return error / naive;
}

static void near_the_best_member_on_each_kind_of_series(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		double combined = relative_error("combined", kind), best = 1;

		for (size_t c = 0; forecaster_class_at(c) != NULL; c++) {
			const char *name = forecaster_class_name(forecaster_class_at(c));

			best = fmin(best, relative_error(name, kind));
		}
		if (combined > best * 1.05)
			fail_msg("kind %d: %.3f of the last value's error, the best has %.3f", kind,
				combined, best);
	}
}

static void never_much_worse_than_the_last_value(void **state)
{
	for (int kind = 0; kind < KINDS; kind++) {
		double relative = relative_error("combined", kind);

		if (relative > 1.02)
			fail_msg("kind %d: %.3f of the last value's error", kind, relative);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_the_best_member_on_each_kind_of_series),
		cmocka_unit_test(never_much_worse_than_the_last_value),
	};

	return cmocka_run_group_tests_name("combined", tests, NULL, NULL);
}
