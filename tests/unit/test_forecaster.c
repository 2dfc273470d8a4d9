/*
 * The interface all forecasters share: grid, gaps, what is no measurement, bounds, skill; and the
 * promises each class keeps on hostile series.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "analyzers/forecast/forecaster.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define STEP_MS INT64_C(60000)
#define START_MS INT64_C(1700000000000)
#define ROWS 1200

static void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%.17g is not %.17g within %g", found, expected, tolerance);
}

/* Those listed and the one that is not. */
static const struct forecaster_class *class_at(size_t index)
{
	if (forecaster_class_at(index) != NULL)
		return forecaster_class_at(index);
	return index == 0 || forecaster_class_at(index - 1) == NULL ? NULL
								    : forecaster_class_find("lstm");
}

static struct forecaster_config small_config(void)
{
	struct forecaster_config config;

	forecaster_config_default(&config);
	config.season_rows = 48;
	config.lstm_hidden = 32;
	config.lstm_layers = 1;
	config.lstm_window = 20;
	config.lstm_epochs = 1;
	return config;
}

static struct forecaster *opened(const char *name)
{
	struct forecaster_config config = small_config();
	struct error error;
	struct forecaster *forecaster =
		forecaster_open(forecaster_class_find(name), &config, &error);

	assert_non_null(forecaster);
	return forecaster;
}

static void step_rows(struct forecaster *forecaster, const double *values, size_t count,
	size_t first)
{
	for (size_t i = 0; i < count; i++)
		forecaster_step(forecaster, values[i], START_MS + (int64_t)(first + i) * STEP_MS);
}

static void assert_same(const struct prediction *a, const struct prediction *b)
{
	/* NaN equals NaN here. */
	assert_memory_equal(a, b, 2 * sizeof(*a));
}

static void assert_sane(const struct prediction *predictions, const char *name, const char *series)
{
	for (size_t k = 0; k < 2; k++) {
		const struct prediction *p = &predictions[k];
		const double ends[] = {p->low, p->q10, p->middle, p->q90, p->high};

		for (size_t i = 0; i < ARRAY_COUNT(ends); i++)
			if (isinf(ends[i]))
				fail_msg("%s on %s: infinite", name, series);
		if (isnan(p->middle) && !(isnan(p->low) && isnan(p->high)))
			fail_msg("%s on %s: an interval around nothing", name, series);
		if (!isnan(p->low) &&
			!(p->low <= p->q10 && p->q10 <= p->middle && p->middle <= p->q90 &&
				p->q90 <= p->high))
			fail_msg("%s on %s: %g %g %g %g %g", name, series, p->low, p->q10,
				p->middle, p->q90, p->high);
	}
}

static void classes_are_found_by_name(void **state)
{
	size_t count = 0;

	for (; forecaster_class_at(count) != NULL; count++) {
		const struct forecaster_class *class = forecaster_class_at(count);

		assert_ptr_equal(forecaster_class_find(forecaster_class_name(class)), class);
	}
	assert_true(count >= 3);
	assert_null(forecaster_class_find("oracle"));
}

static void bad_config_is_refused_by_field(void **state)
{
	struct forecaster_config good = small_config(), bad[6];
	const char *const fields[] = {"step_ms", "horizon_count", "horizons[1]", "horizons[0]",
		"season_rows", "coverage"};
	struct error error;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		bad[i] = good;
	bad[0].step_ms = 0;
	bad[1].horizon_count = 5;
	bad[2].horizons[1] = 5;
	bad[3].horizons[0] = 0;
	bad[4].season_rows = FORECAST_SEASON_ROWS_MAX + 1;
	bad[5].coverage = NAN;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_null(forecaster_open(forecaster_class_at(0), &bad[i], &error));
		assert_int_equal(error.code, STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, fields[i]));
	}
}

static void naive_says_the_last_value(void **state)
{
	struct forecaster *naive = opened("naive");
	struct prediction predictions[2];

	forecaster_predict(naive, predictions);
	assert_true(isnan(predictions[0].middle));
	forecaster_step(naive, 3, START_MS);
	forecaster_step(naive, 7, START_MS + STEP_MS);
	forecaster_predict(naive, predictions);
	assert_near(predictions[0].middle, 7, 0);
	assert_near(predictions[1].middle, 7, 0);
	assert_true(isnan(predictions[1].high));
	forecaster_close(naive);
}

static void seasonal_naive_says_the_same_time_yesterday(void **state)
{
	struct forecaster *seasonal = opened("seasonal_naive");
	struct prediction predictions[2];

	for (size_t i = 0; i < 100; i++)
		forecaster_step(seasonal, (double)(i % 48), START_MS + (int64_t)i * STEP_MS);
	forecaster_predict(seasonal, predictions);
	assert_near(predictions[0].middle, (99 + 5) % 48, 0);
	assert_near(predictions[1].middle, (99 + 15) % 48, 0);
	assert_near(forecaster_skill(seasonal, 0), 1, 1e-12);
	forecaster_close(seasonal);
}

static void ewma_has_skill_on_noise_and_follows_a_random_walk(void **state)
{
	struct forecaster *noise = opened("ewma"), *walk = opened("ewma");
	struct random random;
	double at = 100;

	random_init(&random, 1);
	for (size_t i = 0; i < 3000; i++) {
		int64_t at_ms = START_MS + (int64_t)i * STEP_MS;

		forecaster_step(noise, 10 + random_normal(&random), at_ms);
		at += random_normal(&random);
		forecaster_step(walk, at, at_ms);
	}
	/* The best constant is off by sigma, the last value by sigma times the root of two. */
	assert_near(forecaster_skill(noise, 0), 1 - 1 / sqrt(2), .04);
	assert_near(forecaster_skill(walk, 0), 0, .04);
	forecaster_close(noise);
	forecaster_close(walk);
}

static void late_and_repeated_rows_change_nothing(void **state)
{
	struct forecaster *plain = opened("ewma"), *shuffled = opened("ewma");
	struct prediction a[2], b[2];
	struct random random;

	random_init(&random, 2);
	for (size_t i = 0; i < 300; i++) {
		int64_t at_ms = START_MS + (int64_t)i * STEP_MS;
		double value = random_unit(&random);

		forecaster_step(plain, value, at_ms);
		forecaster_step(shuffled, value, at_ms);
		forecaster_step(shuffled, 1e9, at_ms);
		forecaster_step(shuffled, -5, at_ms - 7 * STEP_MS);
		forecaster_step(shuffled, 1e9, at_ms + STEP_MS / 3);
	}
	forecaster_predict(plain, a);
	forecaster_predict(shuffled, b);
	assert_same(a, b);
	forecaster_close(plain);
	forecaster_close(shuffled);
}

static void left_out_rows_are_missing_rows(void **state)
{
	for (size_t c = 0; class_at(c) != NULL; c++) {
		const char *name = forecaster_class_name(class_at(c));
		struct forecaster *told = opened(name), *left_out = opened(name);
		struct prediction a[2], b[2];
		struct random random;

		random_init(&random, 3);
		for (size_t i = 0; i < 400; i++) {
			int64_t at_ms = START_MS + (int64_t)i * STEP_MS;
			double value = random_unit(&random);

			if (i % 50 > 40 || i == 3) {
				forecaster_step(told, NAN, at_ms);
				continue;
			}
			forecaster_step(told, value, at_ms);
			forecaster_step(left_out, value, at_ms);
		}
		forecaster_step(told, 1, START_MS + 400 * STEP_MS);
		forecaster_step(left_out, 1, START_MS + 400 * STEP_MS);
		forecaster_predict(told, a);
		forecaster_predict(left_out, b);
		assert_same(a, b);
		forecaster_close(told);
		forecaster_close(left_out);
	}
}

static void a_signal_that_disappears_is_not_forecast(void **state)
{
	for (size_t c = 0; class_at(c) != NULL; c++) {
		struct forecaster *forecaster = opened(forecaster_class_name(class_at(c)));
		struct prediction predictions[2];
		double values[600];
		struct random random;

		random_init(&random, 4);
		for (size_t i = 0; i < ARRAY_COUNT(values); i++)
			values[i] = i < 500 ? 5 + random_unit(&random) : NAN;
		step_rows(forecaster, values, ARRAY_COUNT(values), 0);
		forecaster_predict(forecaster, predictions);
		assert_true(isnan(predictions[0].middle) && isnan(predictions[0].high));
		/* A year of nothing, then it is there again. */
		forecaster_step(forecaster, 5.5, START_MS + 365 * 1440 * STEP_MS);
		forecaster_predict(forecaster, predictions);
		assert_sane(predictions, "any", "a return");
		forecaster_close(forecaster);
	}
}

/* Kinds of hostile series. */
static const char *fill(double *values, size_t count, int kind)
{
	static const double wild[] = {NAN, HUGE_VAL, -HUGE_VAL, 1e308, -1e308, DBL_MIN, 0, 1};
	struct random random;

	random_init(&random, 5);
	for (size_t i = 0; i < count; i++) {
		switch (kind) {
		case 0:
			values[i] = 42;
			break;
		case 1:
			values[i] = random_below(&random, 5) == 0 ? 1e308 : random_unit(&random);
			break;
		case 2:
			values[i] = wild[random_below(&random, ARRAY_COUNT(wild))];
			break;
		case 3:
			values[i] = (random_below(&random, 50) == 0) * 1e29;
			break;
		case 4:
			values[i] = i < count / 2 ? 0 : 1e6 + random_normal(&random);
			break;
		case 5:
			values[i] = exp((double)i * .05) < 1e29 ? exp((double)i * .05) : 0;
			break;
		case 6:
			values[i] = 1e-300 * random_unit(&random);
			break;
		default:
			values[i] = 1e15 + (double)random_below(&random, 2);
		}
	}
	return (const char *const[]){"a constant", "1e308 now and then", "wild values", "spikes",
		"a step", "growth", "denormals", "two large values"}[kind];
}

static void hostile_series_give_finite_ordered_forecasts(void **state)
{
	static double values[ROWS];

	for (size_t c = 0; class_at(c) != NULL; c++) {
		const char *name = forecaster_class_name(class_at(c));

		for (int kind = 0; kind < 8; kind++) {
			const char *series = fill(values, ROWS, kind);
			struct forecaster *fitted = opened(name), *stepped = opened(name);
			struct prediction predictions[2];
			struct error error;

			assert_int_equal(forecaster_fit(fitted, values, ROWS / 2, START_MS, &error),
				STATUS_OK);
			for (size_t i = 0; i < ROWS; i++) {
				step_rows(stepped, values + i, 1, i);
				forecaster_predict(stepped, predictions);
				assert_sane(predictions, name, series);
				if (i < ROWS / 2)
					continue;
				step_rows(fitted, values + i, 1, i);
				forecaster_predict(fitted, predictions);
				assert_sane(predictions, name, series);
			}
			if (kind == 0) {
				assert_near(predictions[0].middle, 42, 1e-9);
				assert_near(predictions[1].high, 42, 1e-9);
			}
			forecaster_close(fitted);
			forecaster_close(stepped);
		}
	}
}

static void nothing_to_fit_is_said_and_does_no_harm(void **state)
{
	double nothing[300];

	for (size_t i = 0; i < ARRAY_COUNT(nothing); i++)
		nothing[i] = i % 2 == 0 ? NAN : 1e308;
	for (size_t c = 0; class_at(c) != NULL; c++) {
		struct forecaster *forecaster = opened(forecaster_class_name(class_at(c)));
		struct prediction predictions[2];
		struct error error;

		assert_int_equal(forecaster_fit(forecaster, nothing, ARRAY_COUNT(nothing), START_MS,
					 &error),
			STATUS_BAD_INPUT);
		forecaster_predict(forecaster, predictions);
		assert_true(isnan(predictions[0].middle));
		forecaster_step(forecaster, 1, START_MS);
		forecaster_predict(forecaster, predictions);
		assert_sane(predictions, "any", "one value");
		assert_true(isnan(forecaster_skill(forecaster, 0)));
		forecaster_close(forecaster);
	}
}

static void what_never_was_negative_is_not_forecast_below_zero(void **state)
{
	for (size_t c = 0; class_at(c) != NULL; c++) {
		struct forecaster *forecaster = opened(forecaster_class_name(class_at(c)));
		struct prediction predictions[2];
		struct random random;

		random_init(&random, 6);
		for (size_t i = 0; i < 800; i++) {
			double value = fmax(random_normal(&random), 0);

			step_rows(forecaster, &value, 1, i);
			forecaster_predict(forecaster, predictions);
			for (size_t k = 0; k < 2; k++)
				assert_false(predictions[k].low < 0 || predictions[k].middle < 0);
		}
		forecaster_close(forecaster);
	}
}

static void coverage_is_kept_through_a_change_of_noise(void **state)
{
	struct forecaster *forecaster = opened("ewma");
	struct prediction ring[16][2];
	size_t covered[2] = {0}, tenth = 0, count = 0;
	struct random random;

	random_init(&random, 7);
	for (size_t i = 0; i < 6000; i++) {
		double value = 100 + random_normal(&random) * (i < 3000 ? 1 : 9);

		for (size_t k = 0; k < 2 && i > 500; k++) {
			const struct prediction *p = &ring[(i - (k == 0 ? 5 : 15)) % 16][k];

			covered[k] += value >= p->low && value <= p->high;
			tenth += k == 0 && value < p->q10;
			count += k == 0;
		}
		step_rows(forecaster, &value, 1, i);
		forecaster_predict(forecaster, ring[i % 16]);
	}
	assert_near((double)covered[0] / (double)count, .9, .012);
	assert_near((double)covered[1] / (double)count, .9, .012);
	assert_near((double)tenth / (double)count, .1, .012);
	forecaster_close(forecaster);
}

static void memory_that_fails_is_an_answer(void **state)
{
	static double values[ROWS];

	for (size_t i = 0; i < ROWS; i++)
		values[i] = sin((double)i * .1);
	for (size_t c = 0; class_at(c) != NULL; c++) {
		bool injected = true;

		for (long n = 1; injected; n++) {
			struct forecaster_config config = small_config();
			struct forecaster *forecaster;
			struct error error;

			error_reset(&error);
			mem_fail_after(n, false);
			forecaster = forecaster_open(class_at(c), &config, &error);
			if (forecaster != NULL &&
				forecaster_fit(forecaster, values, 400, START_MS, &error) ==
					STATUS_OK)
				error_reset(&error);
			injected = mem_fail_after(0, false);
			assert_int_equal(error.code, injected ? STATUS_NO_MEMORY : STATUS_OK);
			forecaster_close(forecaster);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_are_found_by_name),
		cmocka_unit_test(bad_config_is_refused_by_field),
		cmocka_unit_test(naive_says_the_last_value),
		cmocka_unit_test(seasonal_naive_says_the_same_time_yesterday),
		cmocka_unit_test(ewma_has_skill_on_noise_and_follows_a_random_walk),
		cmocka_unit_test(late_and_repeated_rows_change_nothing),
		cmocka_unit_test(left_out_rows_are_missing_rows),
		cmocka_unit_test(a_signal_that_disappears_is_not_forecast),
		cmocka_unit_test(hostile_series_give_finite_ordered_forecasts),
		cmocka_unit_test(nothing_to_fit_is_said_and_does_no_harm),
		cmocka_unit_test(what_never_was_negative_is_not_forecast_below_zero),
		cmocka_unit_test(coverage_is_kept_through_a_change_of_noise),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("forecaster", tests, NULL, NULL);
}
