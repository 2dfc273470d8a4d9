/*
 * Ridge autoregression: what is linear is found, spikes do not bend it, and running medians.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/medians.h"
#include "base/check.h"
#include "base/random.h"

#define STEP_MS INT64_C(60000)
#define START_MS INT64_C(1700000000000)

static struct forecaster *opened(const char *name, size_t season_rows)
{
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct error error;

	forecaster_config_default(&config);
	config.season_rows = season_rows;
	forecaster = forecaster_open(forecaster_class_find(name), &config, &error);
	assert_non_null(forecaster);
	return forecaster;
}

static void a_sum_of_two_waves_is_foreseen(void **state)
{
	struct forecaster *ridge = opened("ridge_ar", 0);
	double said[16] = {0};

	for (size_t i = 0; i < 2000; i++) {
		double value = 50 + 10 * sin((double)i * .11) + 4 * sin((double)i * .37 + 1);
		struct prediction predictions[2];

		if (i > 1900)
			assert_true(fabs(value - said[(i - 15) % 16]) < .3);
		forecaster_step(ridge, value, START_MS + (int64_t)i * STEP_MS);
		forecaster_predict(ridge, predictions);
		said[i % 16] = predictions[1].middle;
	}
	assert_true(forecaster_skill(ridge, 1) > .9);
	forecaster_close(ridge);
}

/* Bursts at times that only yesterday tells. */
static void yesterday_tells_what_the_lags_cannot(void **state)
{
	struct forecaster *with = opened("ridge_ar", 200), *without = opened("ridge_ar", 0);
	double bursts[200] = {0};
	struct random random;

	random_init(&random, 1);
	for (size_t i = 0; i < ARRAY_COUNT(bursts); i++)
		bursts[i] = 10 * random_unit(&random);
	for (size_t i = 0; i < 6000; i++) {
		double value = 5 + bursts[i % 200] + .1 * random_normal(&random);

		forecaster_step(with, value, START_MS + (int64_t)i * STEP_MS);
		forecaster_step(without, value, START_MS + (int64_t)i * STEP_MS);
	}
	assert_true(forecaster_skill(with, 0) > .9);
	assert_true(forecaster_skill(without, 0) < .5);
	forecaster_close(with);
	forecaster_close(without);
}

static void spikes_do_not_bend_it(void **state)
{
	struct forecaster *ridge = opened("ridge_ar", 0);
	struct random random;
	double error = 0, clean = 0, said[16] = {0};
	size_t count = 0;

	random_init(&random, 2);
	for (size_t i = 0; i < 6000; i++) {
		double level = 50 + 10 * sin((double)i * .05);
		bool spike = random_below(&random, 40) == 0;
		struct prediction predictions[2];

		if (i > 3000 && !spike) {
			error += fabs(level - said[(i - 5) % 16]);
			clean += fabs(level - (50 + 10 * sin((double)(i - 5) * .05)));
			count++;
		}
		forecaster_step(ridge, level + (spike ? 1000 : 0), START_MS + (int64_t)i * STEP_MS);
		forecaster_predict(ridge, predictions);
		said[i % 16] = predictions[0].middle;
	}
	/* Nearer than even the last level would be, had one known it. */
	assert_true(error / (double)count < clean / (double)count);
	forecaster_close(ridge);
}

/* A wave, then rows of which so few are there that their lags are guesses, then the wave again. gaps: all of
 * them missing. */
static double after_gaps(bool gaps, struct forecaster *ridge)
{
	struct prediction predictions[2];

	for (size_t i = 0; i < 2200; i++) {
		double value = 50 + 10 * sin((double)i * .11);

		if (i >= 1200 && i < 2000)
			value = !gaps && i >= 1220 && i % 7 == 0 ? 50 + (i % 2 == 0 ? 9.0 : -9.0)
								 : NAN;
		/* So that the rows before and after them have the same targets and lags. */
		if (i >= 2000 && i < 2070)
			value = NAN;
		forecaster_step(ridge, value, START_MS + (int64_t)i * STEP_MS);
	}
	forecaster_predict(ridge, predictions);
	forecaster_close(ridge);
	return predictions[1].middle;
}

static void rows_whose_lags_are_guesses_teach_nothing(void **state)
{
	double without = after_gaps(true, opened("ridge_ar", 0));

	assert_true(isfinite(without));
	assert_true(after_gaps(false, opened("ridge_ar", 0)) == without);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void running_medians_are_those_of_sorting(void **state)
{
	static double all[1000];
	struct medians medians, shorter;
	struct random random;

	random_init(&random, 3);
	assert_int_equal(medians_init(&medians, MEDIANS), STATUS_OK);
	assert_int_equal(medians_init(&shorter, 3), STATUS_OK);
	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		double middle[MEDIANS], fewer[3], window[MEDIAN_ROWS_MAX];

		all[i] = i % 3 == 0 ? random_normal(&random) : (double)random_below(&random, 4);
		medians_add(&medians, all[i]);
		medians_take(&medians, middle);
		medians_add(&shorter, all[i]);
		medians_take(&shorter, fewer);
		assert_memory_equal(fewer, middle, sizeof(fewer));
		for (size_t m = 0; m < MEDIANS; m++) {
			size_t count = i + 1 < median_rows[m] ? i + 1 : median_rows[m];

			memcpy(window, all + i + 1 - count, count * sizeof(double));
			qsort(window, count, sizeof(double), by_value);
			assert_true(
				fabs(middle[m] -
					(window[(count - 1) / 2] + window[count / 2]) / 2) < 1e-12);
		}
	}
	medians_fini(&medians);
	medians_fini(&shorter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sum_of_two_waves_is_foreseen),
		cmocka_unit_test(yesterday_tells_what_the_lags_cannot),
		cmocka_unit_test(spikes_do_not_bend_it),
		cmocka_unit_test(rows_whose_lags_are_guesses_teach_nothing),
		cmocka_unit_test(running_medians_are_those_of_sorting),
	};

	return cmocka_run_group_tests_name("ridge", tests, NULL, NULL);
}
