/*
 * Training: a net learns what the last value does not know, keeps its best, is the same by seed, and
 * what an LSTM sees of a series.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_train.h"
#include "base/check.h"
#include "base/mem.h"

#define ROWS 1500
#define STEP_MS INT64_C(60000)
#define START_MS INT64_C(1700000000000)

static const struct lstm_shape shape = {1, 32, 1, 2};
static const float levels[] = {.5f, .9f};

/* The input tells the target of three rows later: only a net that remembers knows it. */
static void fill(float *inputs, float *targets, size_t count)
{
	struct random random;

	random_init(&random, 3);
	for (size_t i = 0; i < count; i++) {
		inputs[i] = (float)random_below(&random, 2) * 2 - 1;
		targets[2 * i] = i < 3 ? NAN : inputs[i - 3];
		targets[2 * i + 1] = targets[2 * i];
	}
}

static struct lstm_training small_training(void)
{
	struct lstm_training training;

	lstm_training_default(&training);
	training.window = 20;
	training.batch = 4;
	training.epochs_max = 30;
	training.patience = 10;
	training.rate = 1e-2;
	training.dropout = 0;
	return training;
}

static struct lstm *seeded(struct lstm *lstm)
{
	struct random random;
	struct error error;

	random_init(&random, 1);
	assert_int_equal(lstm_init(lstm, &shape, kernels_best(), &error), STATUS_OK);
	lstm_seed(lstm, &random);
	return lstm;
}

static void a_net_learns_to_remember_and_the_same_by_seed(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	const struct lstm_rows rows = {inputs, targets, ROWS};
	struct lstm_training training = small_training();
	struct lstm_training_result result, again;
	struct lstm one, other;
	struct error error;

	fill(inputs, targets, ROWS);
	assert_int_equal(lstm_train(seeded(&one), &rows, 1, levels, &training, &result, &error),
		STATUS_OK);
	assert_int_equal(lstm_train(seeded(&other), &rows, 1, levels, &training, &again, &error),
		STATUS_OK);
	/* Knowing nothing costs .5 and .5 (median), .9 and .1 (the .9 quantile) each half of the time. */
	assert_true(result.first_holdout > .4);
	print_message("holdout loss %.3f to %.3f\n", result.first_holdout, result.best_holdout);
	assert_true(result.best_holdout < .1);
	assert_true(result.best_holdout == again.best_holdout);
	assert_memory_equal(one.parameters, other.parameters, one.parameter_count * sizeof(float));
	lstm_fini(&one);
	lstm_fini(&other);
}

static bool stop_at_two(void *caller, size_t epoch, double train_loss, double holdout_loss)
{
	*(size_t *)caller = epoch;
	assert_true(isfinite(train_loss) && isfinite(holdout_loss));
	return epoch < 2;
}

static void the_caller_may_end_it(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	const struct lstm_rows rows = {inputs, targets, ROWS};
	struct lstm_training training = small_training();
	struct lstm_training_result result;
	struct lstm lstm;
	struct error error;
	size_t epochs = 0;

	fill(inputs, targets, ROWS);
	training.progress = stop_at_two;
	training.caller = &epochs;
	assert_int_equal(lstm_train(seeded(&lstm), &rows, 1, levels, &training, &result, &error),
		STATUS_OK);
	assert_int_equal(epochs, 2);
	assert_int_equal(result.epochs, 2);
	lstm_fini(&lstm);
}

/* A holdout that is the opposite of what is taught: no epoch is better than none. */
static void what_only_gets_worse_is_given_back(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	const struct lstm_rows rows = {inputs, targets, ROWS};
	struct lstm_training training = small_training();
	struct lstm_training_result result;
	struct lstm lstm, before;
	struct error error;

	for (size_t i = 0; i < ROWS; i++) {
		inputs[i] = 1;
		targets[2 * i] = targets[2 * i + 1] = i < ROWS * 8 / 10 ? 5 : -5;
	}
	(void)seeded(&before);
	assert_int_equal(lstm_train(seeded(&lstm), &rows, 1, levels, &training, &result, &error),
		STATUS_OK);
	assert_int_equal(result.epochs, training.patience);
	assert_true(result.best_holdout == result.first_holdout);
	assert_memory_equal(lstm.parameters, before.parameters,
		lstm.parameter_count * sizeof(float));
	lstm_fini(&lstm);
	lstm_fini(&before);
}

static void bad_numbers_and_short_series_are_refused(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	struct lstm_rows rows = {inputs, targets, ROWS};
	struct lstm_training bad[5];
	struct lstm_training_result result;
	struct lstm lstm;
	struct error error;

	(void)seeded(&lstm);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		bad[i] = small_training();
	bad[0].window = 0;
	bad[1].batch = 100000;
	bad[2].holdout = 0;
	bad[3].dropout = NAN;
	bad[4].rate = 0;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(lstm_train(&lstm, &rows, 1, levels, &bad[i], &result, &error),
			STATUS_BAD_INPUT);
	rows.count = 21;
	bad[0] = small_training();
	assert_int_equal(lstm_train(&lstm, &rows, 1, levels, &bad[0], &result, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "long enough"));
	lstm_fini(&lstm);
}

static void nothing_to_learn_does_no_harm(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	const struct lstm_rows rows = {inputs, targets, ROWS};
	struct lstm_training training = small_training();
	struct lstm_training_result result;
	struct lstm lstm;
	struct error error;

	for (size_t i = 0; i < ARRAY_COUNT(targets); i++)
		targets[i] = NAN;
	assert_int_equal(lstm_train(seeded(&lstm), &rows, 1, levels, &training, &result, &error),
		STATUS_OK);
	for (size_t i = 0; i < lstm.parameter_count; i++)
		assert_true(isfinite(lstm.parameters[i]));
	lstm_fini(&lstm);
}

static void memory_that_fails_is_an_answer(void **state)
{
	static float inputs[ROWS], targets[ROWS * 2];
	const struct lstm_rows rows = {inputs, targets, 60};
	struct lstm_training training = small_training();
	struct lstm_training_result result;
	struct lstm lstm;
	struct error error;
	bool injected = true;

	training.epochs_max = 1;
	(void)seeded(&lstm);
	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		status = lstm_train(&lstm, &rows, 1, levels, &training, &result, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
	}
	lstm_fini(&lstm);
}

static void inputs_are_finite_and_the_same_in_any_unit(void **state)
{
	struct forecaster_config config;
	struct lstm_series one, other;
	struct random random;
	struct error error;

	forecaster_config_default(&config);
	config.season_rows = 60;
	random_init(&random, 4);
	assert_int_equal(lstm_series_init(&one, &config, &error), STATUS_OK);
	assert_int_equal(lstm_series_init(&other, &config, &error), STATUS_OK);
	for (size_t i = 0; i < 300; i++) {
		double value = i % 17 == 0 ? NAN : 10 + random_normal(&random);
		float a[LSTM_SERIES_INPUTS_MAX], b[LSTM_SERIES_INPUTS_MAX];

		lstm_series_step(&one, value, NULL, START_MS + (int64_t)i * STEP_MS, a);
		lstm_series_step(&other, value * 1e9, NULL, START_MS + (int64_t)i * STEP_MS, b);
		for (size_t j = 0; j < LSTM_SERIES_INPUTS(2, 0); j++) {
			assert_true(isfinite(a[j]));
			assert_true(fabsf(a[j] - b[j]) < 1e-4f);
		}
	}
	assert_true(fabs(lstm_series_value(&one, lstm_series_target(&one, 11.5)) - 11.5) < 1e-5);
	assert_true(isnan(lstm_series_target(&one, NAN)));
	lstm_series_fini(&one);
	lstm_series_fini(&other);
}

/* A square wave whose edges the last value never foresees. */
static void the_forecaster_beats_the_last_value_on_a_square_wave(void **state)
{
	static double values[2400];
	struct forecaster_config config;
	struct forecaster *forecaster;
	struct error error;

	for (size_t i = 0; i < ARRAY_COUNT(values); i++)
		values[i] = i / 10 % 2 == 0 ? 10 : 20;
	forecaster_config_default(&config);
	config.season_rows = 0;
	config.lstm_hidden = 32;
	config.lstm_layers = 1;
	config.lstm_window = 40;
	config.lstm_epochs = 12;
	forecaster = forecaster_open(forecaster_class_find("lstm"), &config, &error);
	assert_non_null(forecaster);
	assert_int_equal(forecaster_fit(forecaster, values, ARRAY_COUNT(values), START_MS, &error),
		STATUS_OK);
	print_message("skill %.3f\n", forecaster_skill(forecaster, 0));
	assert_true(forecaster_skill(forecaster, 0) > .3);
	forecaster_close(forecaster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_net_learns_to_remember_and_the_same_by_seed),
		cmocka_unit_test(the_caller_may_end_it),
		cmocka_unit_test(what_only_gets_worse_is_given_back),
		cmocka_unit_test(bad_numbers_and_short_series_are_refused),
		cmocka_unit_test(nothing_to_learn_does_no_harm),
		cmocka_unit_test(memory_that_fails_is_an_answer),
		cmocka_unit_test(inputs_are_finite_and_the_same_in_any_unit),
		cmocka_unit_test(the_forecaster_beats_the_last_value_on_a_square_wave),
	};

	return cmocka_run_group_tests_name("lstm_train", tests, NULL, NULL);
}
