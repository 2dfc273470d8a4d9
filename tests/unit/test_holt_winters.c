/*
 * Holt-Winters: a season, a trend and a changing amplitude are found; what is not there costs nothing.
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
#define ROWS (SEASON * 12)

static double season_of(size_t i)
{
	return sin((double)(i % SEASON) * 2 * 3.14159265358979323846 / SEASON);
}

/* The skill at both horizons over the last two of twelve seasons. */
static void skills(const char *name, double (*value)(size_t, struct random *), double *skill)
{
	static double values[ROWS];
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct random random;
	struct error error;

	random_init(&random, 1);
	for (size_t i = 0; i < ROWS; i++)
		values[i] = value(i, &random);
	forecaster_config_default(&config);
	config.season_rows = SEASON;
	forecaster = forecaster_open(forecaster_class_find(name), &config, &error);
	assert_non_null(forecaster);
	assert_int_equal(forecaster_fit(forecaster, values, ROWS, START_MS, &error), STATUS_OK);
	skill[0] = forecaster_skill(forecaster, 0);
	skill[1] = forecaster_skill(forecaster, 1);
	forecaster_close(forecaster);
}

static double seasonal(size_t i, struct random *random)
{
	return 100 + 20 * season_of(i) + random_normal(random);
}

static double growing_season(size_t i, struct random *random)
{
	return (50 + (double)i * .1) * (1 + .5 * season_of(i)) + random_normal(random);
}

static double walk_at;

static double walk(size_t i, struct random *random)
{
	if (i == 0)
		walk_at = 100;
	return walk_at += random_normal(random);
}

static void a_season_is_found(void **state)
{
	double skill[2];

	skills("holt_winters", seasonal, skill);
	assert_true(skill[0] > .75);
	assert_true(skill[1] > .9);
}

static void a_season_that_grows_with_the_level_is_multiplicative(void **state)
{
	double additive[2], multiplicative[2];

	skills("holt_winters", growing_season, additive);
	skills("holt_winters_multiplicative", growing_season, multiplicative);
	assert_true(multiplicative[1] > .9);
	assert_true(multiplicative[1] > additive[1]);
}

static void a_random_walk_is_left_at_its_last_value(void **state)
{
	double skill[2];

	skills("holt_winters", walk, skill);
	assert_true(fabs(skill[0]) < .1);
	assert_true(fabs(skill[1]) < .15);
}

/* A hole of half a season: the phase must still be right behind it. */
static void the_phase_outlives_a_hole(void **state)
{
	static double values[ROWS];
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct prediction predictions[2];
	struct random random;
	struct error error;

	random_init(&random, 2);
	for (size_t i = 0; i < ROWS; i++)
		values[i] = seasonal(i, &random);
	forecaster_config_default(&config);
	config.season_rows = SEASON;
	forecaster = forecaster_open(forecaster_class_find("holt_winters"), &config, &error);
	assert_non_null(forecaster);
	assert_int_equal(forecaster_fit(forecaster, values, ROWS, START_MS, &error), STATUS_OK);
	for (size_t i = ROWS + SEASON / 2; i < ROWS + SEASON; i++)
		forecaster_step(forecaster, seasonal(i, &random), START_MS + (int64_t)i * STEP_MS);
	forecaster_predict(forecaster, predictions);
	assert_true(fabs(predictions[1].middle - (100 + 20 * season_of(14))) < 4);
	forecaster_close(forecaster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_season_is_found),
		cmocka_unit_test(a_season_that_grows_with_the_level_is_multiplicative),
		cmocka_unit_test(a_random_walk_is_left_at_its_last_value),
		cmocka_unit_test(the_phase_outlives_a_hole),
	};

	return cmocka_run_group_tests_name("holt_winters", tests, NULL, NULL);
}
