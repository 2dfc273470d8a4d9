/*
 * The past that several models share: put once, seen by all, and the same as a past of one's own.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/history.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define FITTED 3000
#define STEPPED 400

static void what_one_puts_the_other_sees_and_puts_no_more(void **state)
{
	struct error error;
	struct history *one = history_open(4, &error), *other = history_hold(one, 3, &error);

	assert_ptr_equal(one, other);
	assert_true(isnan(history_back(one, 0)) && isnan(history_back(one, 3)));
	history_put(one, 0, 1e9);
	history_put(other, 0, 7);
	history_put(other, 1, NAN);
	history_put(one, 1, 8);
	history_put(one, 2, 1e9 + 3);
	assert_true(history_back(other, 0) == 1e9 + 3);
	assert_true(isnan(history_back(other, 1)));
	assert_true(history_back(other, 2) == 1e9);
	for (size_t row = 3; row < 6; row++)
		history_put(other, row, 1e9 + (double)row);
	assert_true(history_back(one, 3) == 1e9 + 3);
	history_reset(one);
	history_put(one, 0, 5);
	assert_true(history_back(one, 0) == 5 && isnan(history_back(one, 1)));
	history_close(one);
	assert_true(history_back(other, 0) == 5);
	history_close(other);
}

static void who_looks_further_back_keeps_a_past_of_its_own(void **state)
{
	struct error error;
	struct history *given = history_open(4, &error), *own = history_hold(given, 5, &error);

	assert_ptr_not_equal(given, own);
	history_put(own, 0, 1);
	assert_true(isnan(history_back(given, 0)));
	history_close(given);
	history_close(own);
	mem_fail_after(1, false);
	assert_null(history_open(4, &error));
	assert_int_equal(error.code, STATUS_NO_MEMORY);
	(void)mem_fail_after(0, false);
}

static double row_value(struct random *random, size_t row)
{
	if (row % 97 == 0)
		return NAN;
	return 100 + 20 * sin((double)row * 6.283185307179586 / 1440) + random_normal(random);
}

static struct forecaster *fitted(const char *name, struct history *history, const double *values)
{
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct error error;

	forecaster_config_default(&config);
	config.history = history;
	forecaster = forecaster_open(forecaster_class_find(name), &config, &error);
	assert_non_null(forecaster);
	assert_int_equal(forecaster_fit(forecaster, values, FITTED, 0, &error), STATUS_OK);
	return forecaster;
}

static void forecasts_are_those_of_models_with_their_own_past(void **state)
{
	static const char *const names[] = {"seasonal_naive", "ridge_ar"};
	struct forecaster *shared[2], *own[2];
	struct forecaster_config config;
	struct random random;
	struct error error;
	struct history *history = history_open(HISTORY_ROWS(1440, 15), &error);
	size_t said = 0;

	forecaster_config_default(&config);
	random_init(&random, 4);
	for (size_t i = 0; i < 2; i++) {
		own[i] = forecaster_open(forecaster_class_find(names[i]), &config, &error);
		assert_non_null(own[i]);
	}
	config.history = history;
	for (size_t i = 0; i < 2; i++) {
		shared[i] = forecaster_open(forecaster_class_find(names[i]), &config, &error);
		assert_non_null(shared[i]);
	}
	for (size_t row = 0; row < FITTED + STEPPED; row++) {
		double value = row_value(&random, row);

		for (size_t i = 0; i < 2; i++) {
			struct prediction one[2], other[2];

			forecaster_step(own[i], value, (int64_t)row * 60000);
			forecaster_step(shared[i], value, (int64_t)row * 60000);
			forecaster_predict(own[i], one);
			forecaster_predict(shared[i], other);
			assert_memory_equal(one, other, sizeof(one));
			said += isfinite(one[1].middle) ? 1 : 0;
		}
	}
	assert_true(said > FITTED);
	for (size_t i = 0; i < 2; i++) {
		forecaster_close(own[i]);
		forecaster_close(shared[i]);
	}
	history_close(history);
}

/* A fit begins at the first row whatever the past holds already. */
static void a_fit_begins_the_past_anew(void **state)
{
	static const char *const names[] = {"seasonal_naive", "ridge_ar"};
	static double values[FITTED];
	struct random random;
	struct error error;

	random_init(&random, 5);
	for (size_t i = 0; i < FITTED; i++)
		values[i] = row_value(&random, i + 1);
	for (size_t i = 0; i < 2; i++) {
		struct history *history = history_open(HISTORY_ROWS(1440, 15), &error);
		struct forecaster *own = fitted(names[i], NULL, values), *after;
		struct prediction one[2], other[2];

		for (size_t row = 0; row < 100; row++)
			history_put(history, row, -5);
		after = fitted(names[i], history, values);
		forecaster_predict(own, one);
		forecaster_predict(after, other);
		assert_true(isfinite(one[0].middle));
		assert_memory_equal(one, other, sizeof(one));
		forecaster_close(own);
		forecaster_close(after);
		history_close(history);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_puts_the_other_sees_and_puts_no_more),
		cmocka_unit_test(who_looks_further_back_keeps_a_past_of_its_own),
		cmocka_unit_test(forecasts_are_those_of_models_with_their_own_past),
		cmocka_unit_test(a_fit_begins_the_past_anew),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
