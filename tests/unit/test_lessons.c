/* run-under: tsan */
/*
 * Generated workloads, and what a net learns of many series: the same with any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/models/generated.h"
#include "analyzers/models/lessons.h"
#include "base/check.h"
#include "base/mem.h"

#define ROWS 600
#define START_MS INT64_C(1700000000000)

static void a_workload_is_its_seed(void **state)
{
	static double one[ROWS * GENERATED_SIGNALS], other[ROWS * GENERATED_SIGNALS];
	struct generated_spec spec = {.rows = ROWS, .day_rows = 240};
	size_t missing = 0, differs = 0;

	for (spec.seed = 1; spec.seed < 30; spec.seed++) {
		generated_workload(&spec, one);
		generated_workload(&spec, other);
		assert_memory_equal(one, other, sizeof(one));
		for (size_t i = 0; i < ARRAY_COUNT(one); i++) {
			assert_true(isnan(one[i]) || fabs(one[i]) < 1e15);
			missing += isnan(one[i]) ? 1 : 0;
		}
		for (size_t i = 0; i < ROWS * GENERATED_OTHER; i++)
			assert_true(isnan(one[i]) || one[i] >= 0);
		differs += one[ROWS / 2] != one[0] ? 1 : 0;
	}
	/* Gaps there are, but not many; and hardly anything is constant. */
	assert_true(missing > 0 && missing < ARRAY_COUNT(one) * 29 / 10);
	assert_true(differs > 20);
}

static void a_signal_is_not_beside_itself(void **state)
{
	static double values[ROWS * GENERATED_SIGNALS], beside[ROWS * FORECAST_BESIDE];
	struct generated_spec spec = {.rows = ROWS, .day_rows = 240, .seed = 2};

	generated_workload(&spec, values);
	generated_beside(values, ROWS, GENERATED_CPU, 1, beside);
	for (size_t i = 0; i < ROWS; i++) {
		const double *row = beside + i * FORECAST_BESIDE;

		assert_true(isnan(row[1]));
		assert_true(row[0] == values[i] || (isnan(row[0]) && isnan(values[i])));
	}
	generated_beside(values, ROWS, GENERATED_LATENCY, 0, beside);
	for (size_t i = 0; i < ARRAY_COUNT(beside); i++)
		assert_true(isnan(beside[i]));
}

static struct forecaster_config small_config(void)
{
	struct forecaster_config config;

	forecaster_config_default(&config);
	config.lstm_hidden = 32;
	config.lstm_layers = 2;
	config.lstm_beside = FORECAST_BESIDE;
	return config;
}

/* Series of one kind in many units: what rose falls back. The noise beside is what is to come. */
static void lessons_fill(struct lessons *lessons)
{
	static double values[ROWS], beside[ROWS * FORECAST_BESIDE];
	struct forecaster_config config = small_config();
	struct random random;
	struct error error;

	random_init(&random, 6);
	assert_int_equal(lessons_init(lessons, &config, &error), STATUS_OK);
	for (int s = 0; s < 4; s++) {
		const struct lesson lesson = {.values = values,
			.beside = beside,
			.count = ROWS,
			.season_rows = 60,
			.start_ms = START_MS,
			.step_ms = 60000};

		for (size_t i = 0; i < ROWS; i++) {
			values[i] = pow(10, s) * (10 + random_normal(&random));
			for (size_t b = 0; b < FORECAST_BESIDE; b++)
				beside[i * FORECAST_BESIDE + b] = values[i];
		}
		assert_int_equal(lessons_add(lessons, &lesson, &error), STATUS_OK);
	}
}

static void train(const struct lessons *lessons, size_t threads, struct lstm_net **net,
	struct lstm_training_result *result)
{
	struct forecaster_config config = small_config();
	struct lstm_training training;
	struct error error;

	lstm_training_default(&training);
	training.window = 20;
	training.batch = 8;
	training.share = 2;
	training.threads = threads;
	training.epochs_max = 2;
	training.rate_end = .1;
	*net = lstm_net_open(&config, &error);
	assert_non_null(*net);
	assert_int_equal(lessons_train(lessons, *net, &training, result, &error), STATUS_OK);
}

static void one_net_learns_of_many_the_same_with_any_number_of_threads(void **state)
{
	struct lstm_training_result result, again;
	struct lstm_net *one, *other;
	struct lessons lessons;

	lessons_fill(&lessons);
	assert_int_equal(lessons.rows, 4 * ROWS);
	train(&lessons, 1, &one, &result);
	train(&lessons, 3, &other, &again);
	print_message("holdout %.4f to %.4f\n", result.first_holdout, result.best_holdout);
	assert_true(result.best_holdout < result.first_holdout * .95);
	assert_true(result.best_holdout == again.best_holdout);
	assert_memory_equal(one->lstm.parameters, other->lstm.parameters,
		one->lstm.parameter_count * sizeof(float));
	lstm_net_release(one);
	lstm_net_release(other);
	lessons_fini(&lessons);
}

static void bad_numbers_of_shares_and_threads_are_refused(void **state)
{
	struct forecaster_config config = small_config();
	struct lstm_training_result result;
	struct lstm_training bad[4];
	struct lessons lessons;
	struct lstm_net *net;
	struct error error;

	lessons_fill(&lessons);
	net = lstm_net_open(&config, &error);
	assert_non_null(net);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		lstm_training_default(&bad[i]);
		bad[i].window = 20;
	}
	bad[0].share = 5;
	bad[1].threads = 0;
	bad[2].threads = LSTM_TRAIN_THREADS_MAX + 1;
	bad[3].rate_end = 0;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(lessons_train(&lessons, net, &bad[i], &result, &error),
			STATUS_BAD_INPUT);
	lstm_net_release(net);
	lessons_fini(&lessons);
}

static void memory_that_fails_is_an_answer(void **state)
{
	static double values[ROWS];
	struct forecaster_config config = small_config();
	const struct lesson lesson = {.values = values, .count = ROWS, .step_ms = 60000};
	bool injected = true;

	for (long n = 1; injected; n++) {
		struct lessons lessons;
		enum status status;
		struct error error;

		mem_fail_after(n, false);
		status = lessons_init(&lessons, &config, &error);
		if (status == STATUS_OK)
			status = lessons_add(&lessons, &lesson, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		lessons_fini(&lessons);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_workload_is_its_seed),
		cmocka_unit_test(a_signal_is_not_beside_itself),
		cmocka_unit_test(one_net_learns_of_many_the_same_with_any_number_of_threads),
		cmocka_unit_test(bad_numbers_of_shares_and_threads_are_refused),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("lessons", tests, NULL, NULL);
}
