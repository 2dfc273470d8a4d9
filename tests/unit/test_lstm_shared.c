/*
 * The net for all workloads: it serves many, is replaced while it serves, knows what is beside, takes no
 * part where it is no good, and comes from a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm_series.h"
#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/models/general_file.h"
#include "analyzers/models/lstm_file.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define STEP_MS INT64_C(60000)
#define START_MS INT64_C(1700000000000)
#define ROWS 400

static struct forecaster_config small_config(void)
{
	struct forecaster_config config;

	forecaster_config_default(&config);
	config.season_rows = 60;
	config.lstm_hidden = 32;
	config.lstm_layers = 1;
	config.lstm_beside = FORECAST_BESIDE;
	return config;
}

/* A net that says `units` for each median, whatever it sees. */
static struct lstm_net *constant_net(const struct forecaster_config *config, float units)
{
	struct error error;
	struct lstm_net *net = lstm_net_open(config, &error);

	assert_non_null(net);
	for (size_t k = 0; k < config->horizon_count; k++)
		net->lstm.head_bias[k * LSTM_SERIES_QUANTILES + 1] = units;
	return net;
}

static struct lstm_shared *shared_of(struct lstm_net *net)
{
	struct error error;
	struct lstm_shared *shared = lstm_shared_open(LSTM_FP32, &error);

	assert_non_null(shared);
	lstm_shared_put(shared, net);
	return shared;
}

static struct forecaster *opened(const char *class, const struct forecaster_config *config)
{
	struct error error;
	struct forecaster *forecaster =
		forecaster_open(forecaster_class_find(class), config, &error);

	assert_non_null(forecaster);
	return forecaster;
}

/* Goes up and down by one: a mean change of one. */
static double saw(size_t row)
{
	return 100 + (double)(row % 2);
}

static double middle_of(const struct forecaster *forecaster)
{
	struct prediction predictions[2];

	forecaster_predict(forecaster, predictions);
	return predictions[0].middle;
}

static void steps(struct forecaster *forecaster, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		forecaster_step(forecaster, saw(i), START_MS + (int64_t)i * STEP_MS);
}

/* A net that is put answers with the weights that are asked for, and a copy of it is to be trained: in
 * floats. What tells nets apart is what the file holds, so that states outlive a change of the setting. */
static void nets_take_the_weights_that_are_asked_for(void **state)
{
	struct forecaster_config config = small_config();
	struct error error;
	struct lstm_shared *shared = lstm_shared_open(LSTM_BF16, &error);
	struct lstm_net *net = lstm_net_open(&config, &error), *held, *copy;
	uint64_t mark;

	assert_non_null(shared);
	assert_non_null(net);
	mark = lstm_net_mark(net);
	assert_int_equal(net->lstm.weights, LSTM_FP32);
	lstm_shared_put(shared, net);
	assert_int_equal(lstm_shared_weights(shared), LSTM_BF16);
	held = lstm_shared_hold(shared);
	assert_int_equal(held->lstm.weights, LSTM_BF16);
	assert_true(lstm_net_mark(held) == mark);
	copy = lstm_net_copy(held, &error);
	assert_non_null(copy);
	assert_int_equal(copy->lstm.weights, LSTM_FP32);
	assert_true(lstm_net_mark(copy) == mark);
	lstm_net_release(copy);
	lstm_net_release(held);
	lstm_shared_close(shared);
}

static void a_better_net_serves_once_it_knows_the_series(void **state)
{
	struct forecaster_config config = small_config();
	struct lstm_shared *shared = shared_of(constant_net(&config, 0));
	struct forecaster *forecaster;

	config.shared = shared;
	forecaster = opened("lstm_general", &config);
	steps(forecaster, 0, LSTM_WARM_ROWS - 1);
	assert_true(isnan(middle_of(forecaster)));
	steps(forecaster, LSTM_WARM_ROWS - 1, 100);
	assert_true(fabs(middle_of(forecaster) - saw(99)) < 1e-6);
	lstm_shared_put(shared, constant_net(&config, -.5f));
	steps(forecaster, 100, 101);
	assert_true(isnan(middle_of(forecaster)));
	steps(forecaster, 101, 200);
	assert_true(fabs(middle_of(forecaster) - (saw(199) - sinh(.5))) < 1e-3);
	forecaster_close(forecaster);
	lstm_shared_close(shared);
}

/* A net that looks at what it sees and at its state. */
static struct lstm_net *random_net(const struct forecaster_config *config, uint64_t seed)
{
	struct lstm_net *net = constant_net(config, 0);
	struct random random;

	random_init(&random, seed);
	for (size_t i = 0; i < net->lstm.parameter_count; i++)
		net->lstm.parameters[i] = (float)(.3 * random_normal(&random));
	lstm_prepare(&net->lstm);
	return net;
}

static void a_new_net_begins_with_no_state_of_the_one_before(void **state)
{
	struct forecaster_config config = small_config();
	double said[2], before[2];

	for (uint64_t i = 0; i < 2; i++) {
		struct lstm_shared *shared = shared_of(random_net(&config, 10 + i));
		struct forecaster *forecaster;

		config.shared = shared;
		forecaster = opened("lstm_general", &config);
		steps(forecaster, 0, 100);
		before[i] = middle_of(forecaster);
		lstm_shared_put(shared, random_net(&config, 7));
		steps(forecaster, 100, 100 + LSTM_WARM_ROWS);
		said[i] = middle_of(forecaster);
		forecaster_close(forecaster);
		lstm_shared_close(shared);
	}
	assert_true(before[0] != before[1]);
	assert_true(isfinite(said[0]) && said[0] == said[1]);
}

static void a_net_of_another_shape_is_left_to_later_forecasters(void **state)
{
	struct forecaster_config config = small_config(), wide = small_config();
	struct lstm_shared *shared = shared_of(constant_net(&config, 0));
	struct forecaster *forecaster, *later;

	config.shared = shared;
	forecaster = opened("lstm_general", &config);
	steps(forecaster, 0, 100);
	wide.lstm_hidden = 64;
	lstm_shared_put(shared, constant_net(&wide, -.5f));
	steps(forecaster, 100, 200);
	assert_true(fabs(middle_of(forecaster) - saw(199)) < 1e-6);
	later = opened("lstm_general", &config);
	steps(later, 0, 200);
	assert_true(fabs(middle_of(later) - (saw(199) - sinh(.5))) < 1e-3);
	forecaster_close(later);
	forecaster_close(forecaster);
	lstm_shared_close(shared);
}

static void without_a_net_of_these_horizons_there_is_no_forecaster(void **state)
{
	struct forecaster_config config = small_config();
	struct forecaster *forecaster;
	struct lstm_shared *shared;
	struct error error;

	assert_null(forecaster_open(forecaster_class_find("lstm_general"), &config, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	shared = shared_of(constant_net(&config, 0));
	config.shared = shared;
	config.horizons[1] = 30;
	assert_null(forecaster_open(forecaster_class_find("lstm_general"), &config, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	/* The combination goes on without it. */
	forecaster = opened("combined", &config);
	steps(forecaster, 0, 100);
	assert_true(!isnan(middle_of(forecaster)));
	forecaster_close(forecaster);
	lstm_shared_close(shared);
}

/* Mean absolute error at the nearer horizon over the second half. */
static double error_of(const struct forecaster_config *config, const double *values)
{
	struct forecaster *forecaster = opened("combined", config);
	double said[ROWS], sum = 0;

	for (size_t i = 0; i < ROWS; i++) {
		forecaster_step(forecaster, values[i], START_MS + (int64_t)i * STEP_MS);
		said[i] = middle_of(forecaster);
		if (i > ROWS / 2)
			sum += fabs(values[i] - said[i - config->horizons[0]]);
	}
	forecaster_close(forecaster);
	return sum / (ROWS / 2);
}

static void a_net_that_is_worse_than_the_last_value_weighs_nothing(void **state)
{
	struct forecaster_config config = small_config();
	struct lstm_shared *shared = shared_of(constant_net(&config, 6));
	double values[ROWS], without;
	struct random random;

	random_init(&random, 5);
	for (size_t i = 0; i < ROWS; i++)
		values[i] = 50 + random_normal(&random);
	without = error_of(&config, values);
	config.shared = shared;
	assert_true(fabs(error_of(&config, values) - without) < 1e-9);
	lstm_shared_close(shared);
}

static void a_net_that_knows_better_makes_the_combination_better(void **state)
{
	struct forecaster_config config = small_config();
	/* What goes up by one or so in each row has a unit of one: five rows ahead are five units. */
	struct lstm_shared *shared = shared_of(constant_net(&config, (float)asinh(5)));
	double values[ROWS], without;
	struct random random;

	random_init(&random, 5);
	values[0] = 0;
	for (size_t i = 1; i < ROWS; i++)
		values[i] = values[i - 1] + .5 + random_unit(&random);
	without = error_of(&config, values);
	config.shared = shared;
	print_message("without %.3f, with %.3f\n", without, error_of(&config, values));
	assert_true(error_of(&config, values) < without * .7);
	lstm_shared_close(shared);
}

static void what_is_beside_is_seen_in_any_unit_and_may_be_missing(void **state)
{
	struct forecaster_config config = small_config();
	size_t first = LSTM_SERIES_INPUTS(2, 0);
	struct lstm_series one, other;
	struct random random;
	struct error error;
	float a[LSTM_SERIES_INPUTS_MAX], b[LSTM_SERIES_INPUTS_MAX];

	random_init(&random, 2);
	assert_int_equal(lstm_series_init(&one, &config, &error), STATUS_OK);
	assert_int_equal(lstm_series_init(&other, &config, &error), STATUS_OK);
	for (size_t i = 0; i < 200; i++) {
		double drawn = 10 + random_normal(&random), value = random_normal(&random);
		double beside[] = {drawn, i % 3 == 0 ? NAN : drawn, NAN};
		double scaled[] = {drawn * 1e6, beside[1] * 1e6, HUGE_VAL};

		lstm_series_step(&one, value, beside, START_MS + (int64_t)i * STEP_MS, a);
		lstm_series_step(&other, value, scaled, START_MS + (int64_t)i * STEP_MS, b);
		for (size_t j = 0; j < LSTM_SERIES_INPUTS(2, FORECAST_BESIDE); j++)
			assert_true(isfinite(a[j]) && fabsf(a[j] - b[j]) < 1e-4f);
		assert_true(a[first + 2] == 1 && a[first + 8] == 0);
		assert_true(a[first + 5] == (i % 3 == 0 ? 0.0f : 1.0f));
	}
	assert_true(a[first] != 0);
	lstm_series_fini(&one);
	lstm_series_fini(&other);
}

/* A net whose answer is what it last saw of the first signal beside. */
static void a_fit_and_steps_are_told_of_the_same_rows_beside(void **state)
{
	struct forecaster_config config = small_config();
	struct error error;
	struct lstm_net *net = lstm_net_open(&config, &error);
	static double values[ROWS], beside[ROWS * FORECAST_BESIDE];
	struct forecaster *fitted, *stepped;
	struct lstm_shared *shared;
	struct random random;

	assert_non_null(net);
	random_init(&random, 8);
	for (size_t i = 0; i < (config.lstm_hidden + 1) * LSTM_HEAD; i++)
		net->lstm.head[i] = (float)(random_unit(&random) - .5);
	shared = shared_of(net);
	config.shared = shared;
	for (size_t i = 0; i < ROWS; i++) {
		values[i] = random_normal(&random);
		for (size_t b = 0; b < FORECAST_BESIDE; b++)
			beside[i * FORECAST_BESIDE + b] = random_normal(&random);
	}
	fitted = opened("lstm_general", &config);
	stepped = opened("lstm_general", &config);
	forecaster_beside(fitted, beside, ROWS);
	assert_int_equal(forecaster_fit(fitted, values, ROWS, START_MS, &error), STATUS_OK);
	for (size_t i = 0; i < ROWS; i++) {
		forecaster_beside(stepped, beside + i * FORECAST_BESIDE, 1);
		forecaster_step(stepped, values[i], START_MS + (int64_t)i * STEP_MS);
	}
	assert_true(fabs(middle_of(fitted) - middle_of(stepped)) < 1e-9);
	/* Once more without: then it is another forecast. */
	forecaster_beside(fitted, beside, 1);
	forecaster_step(fitted, 1, START_MS + ROWS * STEP_MS);
	forecaster_step(stepped, 1, START_MS + ROWS * STEP_MS);
	assert_true(fabs(middle_of(fitted) - middle_of(stepped)) > 1e-6);
	forecaster_close(fitted);
	forecaster_close(stepped);
	lstm_shared_close(shared);
}

static void path_of(char *path, size_t size, const char *name)
{
	const char *folder = getenv("TMPDIR");

	(void)snprintf(path, size, "%s/%s", folder != NULL ? folder : "/tmp", name);
}

static void a_file_gives_the_net_back_and_tells_what_it_is_not(void **state)
{
	struct forecaster_config config = small_config();
	struct lstm_net *net = constant_net(&config, 1), *read;
	struct model_info info, found;
	char path[512];
	struct error error;

	path_of(path, sizeof(path), "shared.model");
	memset(&info, 0, sizeof(info));
	assert_int_equal(general_file_write(path, net, &info, &error), STATUS_OK);
	assert_int_equal(general_file_read(path, &read, &found, &error), STATUS_OK);
	assert_int_equal(read->beside, FORECAST_BESIDE);
	assert_true(lstm_net_fits(read, &config));
	assert_memory_equal(read->lstm.parameters, net->lstm.parameters,
		net->lstm.parameter_count * sizeof(float));
	lstm_net_release(read);
	/* An LSTM of another use, one of a later layout, one whose inputs are not what it claims. */
	memset(&info, 0, sizeof(info));
	assert_int_equal(lstm_file_write(path, &net->lstm, &info, &error), STATUS_OK);
	assert_int_equal(general_file_read(path, &read, &found, &error), STATUS_BAD_INPUT);
	assert_null(read);
	assert_non_null(strstr(error.text, "not one for all workloads"));
	info.shapes[GENERAL_LAYOUT] = LSTM_SERIES_LAYOUT + 1;
	assert_int_equal(lstm_file_write(path, &net->lstm, &info, &error), STATUS_OK);
	assert_int_equal(general_file_read(path, &read, &found, &error), STATUS_UNSUPPORTED);
	info.shapes[GENERAL_LAYOUT] = LSTM_SERIES_LAYOUT;
	info.shapes[GENERAL_BESIDE] = 1;
	info.shapes[GENERAL_NEAR] = 5;
	info.shapes[GENERAL_FAR] = 15;
	assert_int_equal(lstm_file_write(path, &net->lstm, &info, &error), STATUS_OK);
	assert_int_equal(general_file_read(path, &read, &found, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "beside"));
	lstm_net_release(net);
	(void)remove(path);
}

static void memory_that_fails_is_an_answer(void **state)
{
	struct forecaster_config config = small_config();
	struct lstm_shared *shared = shared_of(constant_net(&config, 0));
	bool injected = true;
	struct error error;

	config.shared = shared;
	for (long n = 1; injected; n++) {
		struct lstm_net *net;
		struct forecaster *forecaster = NULL;
		bool all;

		mem_fail_after(n, false);
		net = lstm_net_open(&config, &error);
		all = net != NULL;
		if (all)
			forecaster = forecaster_open(forecaster_class_find("lstm_general"), &config,
				&error);
		all = all && forecaster != NULL;
		injected = mem_fail_after(0, false);
		assert_true(all != injected);
		if (injected)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		forecaster_close(forecaster);
		lstm_net_release(net);
	}
	lstm_shared_close(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nets_take_the_weights_that_are_asked_for),
		cmocka_unit_test(a_better_net_serves_once_it_knows_the_series),
		cmocka_unit_test(a_new_net_begins_with_no_state_of_the_one_before),
		cmocka_unit_test(a_net_of_another_shape_is_left_to_later_forecasters),
		cmocka_unit_test(without_a_net_of_these_horizons_there_is_no_forecaster),
		cmocka_unit_test(a_net_that_is_worse_than_the_last_value_weighs_nothing),
		cmocka_unit_test(a_net_that_knows_better_makes_the_combination_better),
		cmocka_unit_test(what_is_beside_is_seen_in_any_unit_and_may_be_missing),
		cmocka_unit_test(a_fit_and_steps_are_told_of_the_same_rows_beside),
		cmocka_unit_test(a_file_gives_the_net_back_and_tells_what_it_is_not),
		cmocka_unit_test(memory_that_fails_is_an_answer),
	};

	return cmocka_run_group_tests_name("lstm_shared", tests, NULL, NULL);
}
