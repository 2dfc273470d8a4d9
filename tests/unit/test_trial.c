/*
 * Trials of models: nothing of the holdout reaches what learns, what says the last value is exactly as good
 * as it, and only what is better than all others is called better.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/forecast/lstm_series.h"
#include "analyzers/models/general_file.h"
#include "analyzers/models/lstm_file.h"
#include "analyzers/models/trial.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define ROWS 1500
#define MINUTE_MS 60000
#define START_MS 1767225600000

/* A table of a wave with a little noise and, in the second column, what does not change. */
static void table_make(struct entity *entity, size_t rows, size_t columns)
{
	uint64_t noise = 7;

	memset(entity, 0, sizeof(*entity));
	entity->rows = rows;
	entity->columns = columns;
	entity->step_ms = MINUTE_MS;
	entity->values = mem_zalloc(rows * columns, sizeof(double));
	entity->times_ms = mem_zalloc(rows, sizeof(int64_t));
	assert_non_null(entity->values);
	assert_non_null(entity->times_ms);
	for (size_t i = 0; i < rows; i++) {
		entity->times_ms[i] = START_MS + (int64_t)i * MINUTE_MS;
		for (size_t c = 0; c < columns; c++) {
			noise = noise * 6364136223846793005u + 1442695040888963407u;
			entity->values[i * columns + c] = c == 1
				? 3
				: 50 + 20 * sin((double)i / 8) + (double)(noise >> 40) / (1 << 24);
		}
	}
	entity->values[columns * 17] = NAN;
}

static void trial_make(struct trial *trial, size_t columns)
{
	struct entity entity;
	struct error error;

	table_make(&entity, ROWS, columns);
	assert_int_equal(trial_init(trial, &entity, .2, &error), STATUS_OK);
	entity_fini(&entity);
	trial->config.lstm_hidden = 32;
	trial->config.lstm_layers = 1;
}

/* The loss on the last rows before the holdout. */
static double train(const struct trial *trial, struct lstm *lstm, struct model_info *info)
{
	struct lstm_training training;
	struct lstm_training_result result;
	struct error error;

	lstm_training_default(&training);
	training.epochs_max = 4;
	memset(info, 0, sizeof(*info));
	assert_int_equal(trial_train(trial, &training, lstm, &result, info, &error), STATUS_OK);
	return result.best_holdout;
}

static void nothing_of_the_holdout_is_learnt(void **state)
{
	struct model_info info;
	struct trial trial;
	struct lstm a, b;
	double loss;

	trial_make(&trial, 1);
	loss = train(&trial, &a, &info);
	assert_int_equal(info.data_from_ms, START_MS);
	assert_int_equal(info.data_to_ms, START_MS + (ROWS * 4 / 5 - 1) * MINUTE_MS);
	assert_int_equal(info.data_rows, ROWS * 4 / 5 - 1);
	for (size_t i = trial.columns[0].fit_end; i < trial.columns[0].count; i++)
		trial.columns[0].values[i] = 1e6;
	assert_true(train(&trial, &b, &info) == loss);
	assert_memory_equal(a.parameters, b.parameters, a.parameter_count * sizeof(float));
	lstm_fini(&a);
	lstm_fini(&b);
	trial_fini(&trial);
}

static void what_says_the_last_value_is_as_good_as_it(void **state)
{
	struct trial_figures figures[2];
	struct lstm_shape shape;
	struct random random;
	struct trial trial;
	struct error error;
	struct lstm lstm;
	char why[256];

	trial_make(&trial, 2);
	shape = (struct lstm_shape){LSTM_SERIES_INPUTS(2, 0), 32, 1, 6};
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	random_init(&random, 1);
	lstm_seed(&lstm, &random);
	assert_int_equal(trial_measure_net(&trial, "new", &lstm, &figures[0], &error), STATUS_OK);
	assert_true(figures[0].figure == 1);
	assert_int_equal(trial_measure_class(&trial, forecaster_class_find("naive"), &figures[1],
				 &error),
		STATUS_OK);
	assert_true(figures[1].figure == 1);
	assert_int_equal(figures[0].points, figures[1].points);
	assert_true(figures[0].mase[1] == figures[1].mase[1]);
	assert_false(trial_better(&figures[0], &figures[1], 1, why, sizeof(why)));
	assert_non_null(strstr(why, "naive"));
	lstm_fini(&lstm);
	trial_fini(&trial);
}

static void a_net_that_learnt_is_better_than_the_last_value(void **state)
{
	struct trial_figures figures[2];
	struct model_info info;
	struct trial trial;
	struct error error;
	struct lstm lstm;
	char why[256];

	trial_make(&trial, 2);
	(void)train(&trial, &lstm, &info);
	assert_int_equal(trial_measure_net(&trial, "net", &lstm, &figures[0], &error), STATUS_OK);
	assert_int_equal(trial_measure_class(&trial, forecaster_class_find("naive"), &figures[1],
				 &error),
		STATUS_OK);
	assert_true(figures[0].figure < .9);
	assert_true(trial_better(&figures[0], &figures[1], 1, why, sizeof(why)));
	assert_false(trial_better(&figures[1], &figures[0], 1, why, sizeof(why)));
	trial_scores(&figures[0], 1, &info);
	assert_string_equal(info.score_names[0], "relative_error");
	assert_true(info.scores[0] == figures[0].figure);
	lstm_fini(&lstm);
	trial_fini(&trial);
}

static void where_nothing_changes_nothing_is_better(void **state)
{
	struct trial_figures figures;
	struct trial trial;
	struct error error;
	char why[256];

	trial_make(&trial, 1);
	for (size_t i = 0; i < trial.columns[0].count; i++)
		trial.columns[0].values[i] = 0;
	assert_int_equal(trial_measure_class(&trial, forecaster_class_find("ewma"), &figures,
				 &error),
		STATUS_OK);
	assert_true(isnan(figures.figure));
	assert_false(trial_better(&figures, NULL, 0, why, sizeof(why)));
	assert_non_null(strstr(why, "nothing"));
	trial_fini(&trial);
}

static void a_model_that_saw_the_holdout_is_known(void **state)
{
	struct model_info info = {.data_from_ms = 0};
	struct trial trial;

	trial_make(&trial, 1);
	info.data_to_ms = trial.split_ms - MINUTE_MS;
	assert_false(trial_seen(&trial, &info));
	info.data_to_ms = trial.split_ms;
	assert_true(trial_seen(&trial, &info));
	/* The holdout's last row alone. */
	info.data_from_ms = trial.to_ms;
	assert_true(trial_seen(&trial, &info));
	/* Of another time altogether. */
	info.data_from_ms = trial.to_ms + 1;
	info.data_to_ms = trial.to_ms + 2;
	assert_false(trial_seen(&trial, &info));
	trial_fini(&trial);
}

static void what_cannot_be_judged_is_refused(void **state)
{
	struct lstm_shape shape = {7, 32, 1, 6};
	struct trial_figures figures;
	struct entity entity;
	struct trial trial;
	struct error error;
	struct lstm lstm;

	table_make(&entity, 299, 1);
	assert_int_equal(trial_init(&trial, &entity, .2, &error), STATUS_BAD_INPUT);
	entity_fini(&entity);
	table_make(&entity, 300, 1);
	assert_int_equal(trial_init(&trial, &entity, .2, &error), STATUS_OK);
	trial_fini(&trial);
	entity_fini(&entity);
	table_make(&entity, 100, 1);
	assert_int_equal(trial_init(&trial, &entity, .2, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "100 rows"));
	assert_int_equal(trial_init(&trial, &entity, .6, &error), STATUS_BAD_INPUT);
	assert_int_equal(trial_init(&trial, &entity, NAN, &error), STATUS_BAD_INPUT);
	entity_fini(&entity);
	trial_make(&trial, 1);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	assert_int_equal(trial_measure_net(&trial, "other.model", &lstm, &figures, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "other.model: a net of 7 inputs"));
	lstm_fini(&lstm);
	trial_fini(&trial);
}

static void without_memory_it_says_so(void **state)
{
	struct lstm_training training;
	bool injected = true;

	lstm_training_default(&training);
	training.epochs_max = 1;
	for (long n = 1; injected; n++) {
		struct lstm_training_result result;
		struct trial_figures figures;
		struct model_info info = {.seed = 0};
		struct entity entity;
		struct error error = {STATUS_OK, ""};
		struct trial trial;
		struct lstm lstm;
		enum status status;

		table_make(&entity, 400, 1);
		mem_fail_after(n, false);
		status = trial_init(&trial, &entity, .2, &error);
		if (status == STATUS_OK) {
			trial.config.lstm_hidden = 32;
			trial.config.lstm_layers = 1;
			status = trial_train(&trial, &training, &lstm, &result, &info, &error);
			if (status == STATUS_OK) {
				status = trial_measure_net(&trial, "net", &lstm, &figures, &error);
				lstm_fini(&lstm);
			}
			if (status == STATUS_OK)
				status = trial_measure_class(&trial, forecaster_class_find("naive"),
					&figures, &error);
			trial_fini(&trial);
		}
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		entity_fini(&entity);
	}
}

static void quantiles_that_cross_are_no_interval(void **state)
{
	struct lstm_shape shape = {LSTM_SERIES_INPUTS(2, 0), 32, 1, 6};
	struct trial_figures figures;
	struct trial trial;
	struct error error;
	struct lstm lstm;

	trial_make(&trial, 1);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	/* Of the near horizon .1 lies above .9; of the far one all that comes lies between them. */
	lstm.head_bias[0] = lstm.head_bias[5] = 100;
	lstm.head_bias[2] = lstm.head_bias[3] = -100;
	lstm_prepare(&lstm);
	assert_int_equal(trial_measure_net(&trial, "net", &lstm, &figures, &error), STATUS_OK);
	assert_true(isnan(figures.coverage80[0]));
	assert_true(figures.coverage80[1] == 1);
	lstm_fini(&lstm);
	trial_fini(&trial);
}

static void a_net_that_learns_on_begins_where_it_was(void **state)
{
	struct model_info info, next_info;
	struct trial trial;
	struct error error;
	struct lstm lstm, next;
	double loss;

	trial_make(&trial, 1);
	loss = train(&trial, &lstm, &info);
	/* As if from elsewhere, and with data of its own. */
	info.data_from_ms -= 1000 * (int64_t)MINUTE_MS;
	assert_int_equal(trial_start_from(&trial, "net", &lstm, &info, &error), STATUS_OK);
	/* The shape is the file's, whatever was asked for. */
	trial.config.lstm_hidden = 64;
	assert_true(train(&trial, &next, &next_info) <= loss);
	assert_int_equal(next.shape.hidden, 32);
	assert_int_equal(next_info.data_from_ms, START_MS - 1000 * (int64_t)MINUTE_MS);
	assert_int_equal(next_info.data_to_ms, info.data_to_ms);
	assert_int_equal(next_info.data_rows, 2 * info.data_rows);
	lstm_fini(&next);
	/* What it saw of the holdout before is not forgotten. */
	info.data_to_ms = trial.split_ms;
	(void)train(&trial, &next, &next_info);
	assert_true(trial_seen(&trial, &next_info));
	lstm_fini(&next);
	lstm_fini(&lstm);
	trial_fini(&trial);
}

static void a_net_of_other_outputs_is_no_beginning(void **state)
{
	struct lstm_shape shape = {LSTM_SERIES_INPUTS(2, 0), 32, 1, 3};
	struct model_info info = {.seed = 0};
	struct trial trial;
	struct error error;
	struct lstm lstm;

	trial_make(&trial, 1);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	assert_int_equal(trial_start_from(&trial, "other.model", &lstm, &info, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "other.model: a net of"));
	lstm_fini(&lstm);
	trial_fini(&trial);
}

/* Only then it may serve in place of the one that comes with the program. */
static void of_minutes_it_is_a_net_for_all_workloads(void **state)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "net");
	for (int minutes = 1; minutes <= 5; minutes += 4) {
		struct model_info info;
		struct lstm_net *net;
		struct trial trial;
		struct error error;
		struct lstm lstm;
		enum status status;

		trial_make(&trial, 1);
		trial.config.step_ms = minutes * MINUTE_MS;
		(void)train(&trial, &lstm, &info);
		assert_int_equal(lstm_file_write(path, &lstm, &info, &error), STATUS_OK);
		status = general_file_read(path, &net, &info, &error);
		assert_int_equal(status, minutes == 1 ? STATUS_OK : STATUS_BAD_INPUT);
		if (minutes == 1) {
			assert_true(lstm_net_fits(net, &trial.config));
			assert_int_equal(net->beside, 0);
		}
		lstm_net_release(net);
		lstm_fini(&lstm);
		trial_fini(&trial);
	}
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_that_cross_are_no_interval),
		cmocka_unit_test(a_net_that_learns_on_begins_where_it_was),
		cmocka_unit_test(a_net_of_other_outputs_is_no_beginning),
		cmocka_unit_test(of_minutes_it_is_a_net_for_all_workloads),
		cmocka_unit_test(nothing_of_the_holdout_is_learnt),
		cmocka_unit_test(what_says_the_last_value_is_as_good_as_it),
		cmocka_unit_test(a_net_that_learnt_is_better_than_the_last_value),
		cmocka_unit_test(where_nothing_changes_nothing_is_better),
		cmocka_unit_test(a_model_that_saw_the_holdout_is_known),
		cmocka_unit_test(what_cannot_be_judged_is_refused),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
