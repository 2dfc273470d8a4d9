/*
 * What was learnt outlives the process: files that are refused by name, models that go on where they stood,
 * and a trainer that learns anew only what no file tells.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/learnt_file.h"
#include "analyzers/minutes.h"
#include "analyzers/trainer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tests/support/folder.h"

#define DAY 1440
#define M0 (INT64_C(28333320) - INT64_C(28333320) % DAY)
#define ROLES (1u << ROLE_CPU | 1u << ROLE_LATENCY)
/* Minutes that pass between the last state and the restart. */
#define MISSED 700

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct rollup *rollup;
static struct error error;
static struct watch_spec spec;
static struct outlook_spec outlook_spec;

static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};
static const struct workload_key other = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "other"};

static int setup(void **state)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(5) * 86400000,
		.signals_max = 10};
	static struct rollup_minute minutes[2 * DAY];
	static const enum signal_role roles[] = {ROLE_CPU, ROLE_LATENCY};
	char key[ROLLUP_KEY_MAX];
	struct random random;

	random_init(&random, 4);
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, (M0 + DAY) * 60000);
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 2 * DAY; i++) {
			double value = 5 + random_normal(&random);

			minutes[i] =
				(struct rollup_minute){value, value, value, value, 1, i % 100 != 3};
		}
		assert_int_equal(rollup_write(rollup, key, minutes_key(&web, roles[k], key),
					 M0 - DAY, minutes, 2 * DAY, M0 + DAY, &error),
			STATUS_OK);
	}
	spec = (struct watch_spec){.class = detector_class_find("pca_roll"),
		.train_rows = DAY,
		.train_rows_min = 600,
		.rows_min = 2,
		.probability_max = 1e-4,
		.seed = 1};
	outlook_spec = (struct outlook_spec){.class = forecaster_class_find("combined"),
		.train_rows = DAY,
		.train_rows_min = 240};
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

/* ---- files ---- */

static enum status read_back(const struct workload_key *workload, struct buf *bytes)
{
	const void *body = NULL;
	size_t size = 0;
	enum status status;

	buf_init(bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(folder, "detect", workload, bytes, &body, &size, &error);
	if (status == STATUS_OK) {
		assert_int_equal(size, 5);
		assert_memory_equal(body, "hello", 5);
	}
	buf_fini(bytes);
	return status;
}

static void put_back(const char *file, const char *bytes, size_t size)
{
	assert_int_equal(file_write_atomic(file, bytes, size, 0600, &error), STATUS_OK);
}

static void refused(enum status wanted, const char *why)
{
	struct buf bytes;

	assert_int_equal(read_back(&web, &bytes), wanted);
	assert_non_null(strstr(error.text, why));
	assert_non_null(strstr(error.text, folder));
}

static void what_is_not_whole_or_not_ours_is_refused_by_name(void **state)
{
	char file[LEARNT_PATH_MAX], far[LEARNT_PATH_MAX], copy[256];
	struct buf whole, bytes;

	refused(STATUS_NOT_FOUND, "detect.learnt");
	assert_int_equal(learnt_file_write(folder, "detect", &web, "hello", 5, &error), STATUS_OK);
	assert_int_equal(read_back(&web, &bytes), STATUS_OK);
	learnt_file_path(folder, "detect", &web, file);
	buf_init(&whole, 4096);
	assert_int_equal(file_read(file, &whole, &error), STATUS_OK);
	assert_true(whole.size < sizeof(copy));
	for (size_t size = 0; size < whole.size; size++) {
		put_back(file, whole.data, size);
		refused(STATUS_BAD_INPUT, size < 8 ? "no file of what was learnt" : "cut off");
	}
	for (size_t at = 0; at < whole.size; at++) {
		memcpy(copy, whole.data, whole.size);
		copy[at] = (char)(copy[at] ^ 0x10);
		put_back(file, copy, whole.size);
		assert_int_not_equal(read_back(&web, &bytes), STATUS_OK);
	}
	memcpy(copy, whole.data, whole.size);
	copy[8] = LEARNT_FORMAT + 1;
	put_back(file, copy, whole.size);
	refused(STATUS_UNSUPPORTED, "later format");
	/* As if its name had the same hash. */
	learnt_file_path(folder, "detect", &other, far);
	put_back(far, whole.data, whole.size);
	assert_int_equal(read_back(&other, &bytes), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "another workload"));
	buf_fini(&whole);
}

static void files_of_workloads_that_are_gone_are_removed(void **state)
{
	int64_t now_ms = clock_now_ms(clock_system());
	struct buf bytes;

	assert_int_equal(learnt_file_write(folder, "detect", &web, "hello", 5, &error), STATUS_OK);
	assert_int_equal(learnt_file_sweep(folder, now_ms - 3600000), 0);
	assert_int_equal(read_back(&web, &bytes), STATUS_OK);
	assert_int_equal(learnt_file_sweep(folder, now_ms + 3600000), 1);
	assert_int_equal(read_back(&web, &bytes), STATUS_NOT_FOUND);
	/* What is not ours stays. */
	assert_true(file_stamp(path) != 0);
	assert_int_equal(learnt_file_sweep("/nowhere", now_ms), 0);
}

/* ---- models ---- */

static void minute_values(int64_t minute, double row[2])
{
	static const enum signal_role roles[] = {ROLE_CPU, ROLE_LATENCY};
	char key[ROLLUP_KEY_MAX];

	for (int k = 0; k < 2; k++)
		(void)rollup_read(rollup, key, minutes_key(&web, roles[k], key), minute, minute + 1,
			&(struct rollup_columns){.mean = &row[k]});
}

static void a_watch_goes_on_as_if_nothing_had_been(void **state)
{
	struct watch *before = watch_open(), *after = watch_open();
	struct watch_model *model;
	double row[2];
	size_t size = 0;
	void *bytes = NULL;

	assert_int_equal(watch_train(&spec, rollup, &web, ROLES, M0, &model, &error), STATUS_OK);
	watch_adopt(before, model, rollup, &web, M0);
	assert_null(watch_write(after, &size));
	for (int64_t minute = M0; minute < M0 + MISSED; minute++) {
		minute_values(minute, row);
		(void)watch_step(before, minute, ROLES, row);
		if (minute == M0 + 10)
			bytes = watch_write(before, &size);
	}
	assert_non_null(bytes);
	assert_int_equal(watch_restore(&spec, rollup, &web, ROLES, M0 + MISSED - 5, bytes, size,
				 &model, &error),
		STATUS_OK);
	/* Learnt when it was learnt, and where the order stands. */
	assert_int_equal(model->end, M0);
	assert_int_equal(model->next, M0 + MISSED - 5);
	watch_adopt(after, model, rollup, &web, M0 + MISSED);
	assert_true(watch_state(after)->fitted);
	for (int64_t minute = M0 + MISSED; minute < M0 + MISSED + 100; minute++) {
		minute_values(minute, row);
		(void)watch_step(before, minute, ROLES, row);
		(void)watch_step(after, minute, ROLES, row);
		assert_memory_equal(&watch_state(before)->answer.score,
			&watch_state(after)->answer.score, sizeof(double));
		assert_true(watch_state(before)->answer.threshold ==
			watch_state(after)->answer.threshold);
	}
	assert_int_equal(watch_restore(&spec, rollup, &web, ROLES, M0 + 10, bytes, size, &model,
				 &error),
		STATUS_BAD_INPUT);
	assert_int_equal(watch_restore(&spec, rollup, &web, 1u << ROLE_CPU, M0 + MISSED, bytes,
				 size, &model, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(watch_restore(&spec, rollup, &web, ROLES, M0 + 12 + WATCH_RESTORE_ROWS_MAX,
				 bytes, size, &model, &error),
		STATUS_UNAVAILABLE);
	assert_null(model);
	mem_free(bytes);
	watch_close(before);
	watch_close(after);
}

static void step_outlook(struct outlook *outlook, int64_t minute)
{
	double row[2];

	minute_values(minute, row);
	outlook_step(outlook, ROLE_CPU, minute, row[0]);
	outlook_step(outlook, ROLE_LATENCY, minute, row[1]);
}

static void forecasts_go_on_as_if_nothing_had_been(void **state)
{
	struct outlook *before, *after;
	struct outlook_view one, two;
	void *bytes = NULL;
	size_t size = 0;

	assert_int_equal(outlook_train(&outlook_spec, rollup, &web, ROLES, M0, &before, &error),
		STATUS_OK);
	for (int64_t minute = M0; minute < M0 + MISSED; minute++) {
		step_outlook(before, minute);
		if (minute == M0 + 10)
			bytes = outlook_write(before, &size);
	}
	assert_non_null(bytes);
	assert_in_range(outlook_bytes(before), size, 2 * size);
	assert_int_equal(outlook_restore(&outlook_spec, rollup, &web, ROLES, M0 + MISSED, bytes,
				 size, &after, &error),
		STATUS_OK);
	for (int64_t minute = M0 + MISSED; minute < M0 + MISSED + 50; minute++) {
		step_outlook(before, minute);
		step_outlook(after, minute);
		assert_true(outlook_read(before, ROLE_LATENCY, &one));
		assert_true(outlook_read(after, ROLE_LATENCY, &two));
		assert_memory_equal(one.predictions, two.predictions, sizeof(one.predictions));
		assert_memory_equal(one.skill, two.skill, sizeof(one.skill));
	}
	outlook_close(after);
	assert_int_equal(outlook_restore(&outlook_spec, rollup, &web, ROLES, M0 + 5, bytes, size,
				 &after, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(outlook_restore(&outlook_spec, rollup, &web, 1u << ROLE_CPU, M0 + MISSED,
				 bytes, size, &after, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(outlook_restore(&outlook_spec, rollup, &web, ROLES,
				 M0 + 12 + OUTLOOK_RESTORE_ROWS_MAX, bytes, size, &after, &error),
		STATUS_UNAVAILABLE);
	assert_null(after);
	mem_free(bytes);
	outlook_close(before);
}

/* ---- the trainer ---- */

static struct trained order(enum train_kind kind, int64_t end, bool restore)
{
	struct trainer *trainer = trainer_open(rollup, &error);
	const struct train_order asked = {.kind = kind,
		.workload = web,
		.roles = ROLES,
		.end = end,
		.watch = spec,
		.outlook = outlook_spec,
		.restore = restore};
	struct trained trained;

	assert_non_null(trainer);
	assert_false(trainer_keeps(trainer));
	trainer_keep_in(trainer, folder);
	assert_true(trainer_keeps(trainer));
	assert_true(trainer_ask(trainer, &asked));
	assert_true(trainer_run(trainer));
	assert_true(trainer_take(trainer, &trained));
	trainer_close(trainer);
	return trained;
}

static void a_restart_learns_only_what_no_file_tells(void **state)
{
	struct trained trained = order(TRAIN_WATCH, M0, true);
	char file[LEARNT_PATH_MAX];

	assert_non_null(trained.model);
	watch_model_close(trained.model);
	assert_true(metrics_get(METRIC_MODELS_RESTORED, "detect", "not_found") == 1);
	assert_true(metrics_get(METRIC_MODELS_KEPT, "detect", "ok") == 1);
	assert_true(metrics_get(METRIC_MODEL_FITS, "detect", "ok") == 1);
	trained = order(TRAIN_WATCH, M0 + 60, true);
	assert_int_equal(trained.model->end, M0);
	assert_int_equal(trained.model->next, M0 + 60);
	watch_model_close(trained.model);
	assert_true(metrics_get(METRIC_MODELS_RESTORED, "detect", "ok") == 1);
	assert_true(metrics_get(METRIC_MODEL_FITS, "detect", "ok") == 1);
	/* A refit is one. */
	trained = order(TRAIN_WATCH, M0 + 60, false);
	assert_int_equal(trained.model->end, M0 + 60);
	watch_model_close(trained.model);
	learnt_file_path(folder, "detect", &web, file);
	put_back(file, "NGLEARNT torn", 13);
	trained = order(TRAIN_WATCH, M0 + 120, true);
	assert_int_equal(trained.model->end, M0 + 120);
	watch_model_close(trained.model);
	assert_true(metrics_get(METRIC_MODELS_RESTORED, "detect", "bad_input") == 1);
	trained = order(TRAIN_OUTLOOK, M0, true);
	assert_non_null(trained.outlook);
	outlook_close(trained.outlook);
	trained = order(TRAIN_OUTLOOK, M0 + 60, true);
	assert_non_null(trained.outlook);
	outlook_close(trained.outlook);
	assert_true(metrics_get(METRIC_MODELS_RESTORED, "forecast", "ok") == 1);
	assert_true(metrics_get(METRIC_MODEL_FITS, "forecast", "ok") == 1);
}

static void what_waits_to_be_written_is_bounded_and_belongs_to_the_trainer(void **state)
{
	struct trainer *trainer = trainer_open(rollup, &error);
	struct buf bytes;
	size_t asked = 0;

	assert_non_null(trainer);
	trainer_keep_in(trainer, folder);
	for (;; asked++) {
		struct train_order keep = {.kind = KEEP_WATCH, .workload = web, .kept_size = 5};

		keep.kept = mem_strdup("hello");
		if (trainer_ask(trainer, &keep))
			continue;
		mem_free(keep.kept);
		break;
	}
	assert_int_equal(asked, TRAINER_KEEP_MAX);
	assert_true(trainer_run(trainer));
	assert_int_equal(read_back(&web, &bytes), STATUS_OK);
	/* Those that wait are freed with it. */
	trainer_close(trainer);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct trained trained = order(TRAIN_WATCH, M0, false),
		       forecast = order(TRAIN_OUTLOOK, M0, false);
	size_t size, forecast_size;
	void *bytes = watch_model_write(trained.model, &size);
	void *forecast_bytes = outlook_write(forecast.outlook, &forecast_size);
	bool reached = true;

	for (long nth = 1; reached; nth++) {
		struct watch_model *model;
		enum status status;

		(void)mem_fail_after(nth, false);
		status = watch_restore(&spec, rollup, &web, ROLES, M0 + 3, bytes, size, &model,
			&error);
		reached = mem_fail_after(0, false);
		assert_true((status == STATUS_OK) == (model != NULL));
		assert_true(reached || status == STATUS_OK);
		watch_model_close(model);
	}
	reached = true;
	for (long nth = 1; reached; nth++) {
		struct outlook *outlook;
		enum status status;

		(void)mem_fail_after(nth, false);
		status = outlook_restore(&outlook_spec, rollup, &web, ROLES, M0 + 3, forecast_bytes,
			forecast_size, &outlook, &error);
		reached = mem_fail_after(0, false);
		assert_true((status == STATUS_OK) == (outlook != NULL));
		assert_true(reached || status == STATUS_OK);
		outlook_close(outlook);
	}
	mem_fail_after(1, false);
	assert_null(watch_model_write(trained.model, &size));
	mem_fail_after(1, false);
	assert_null(outlook_write(forecast.outlook, &size));
	mem_fail_after(1, true);
	assert_int_not_equal(learnt_file_write(folder, "detect", &web, "hello", 5, &error),
		STATUS_OK);
	(void)mem_fail_after(0, false);
	mem_free(bytes);
	mem_free(forecast_bytes);
	watch_model_close(trained.model);
	outlook_close(forecast.outlook);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_not_whole_or_not_ours_is_refused_by_name,
			setup, teardown),
		cmocka_unit_test_setup_teardown(files_of_workloads_that_are_gone_are_removed, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_watch_goes_on_as_if_nothing_had_been, setup,
			teardown),
		cmocka_unit_test_setup_teardown(forecasts_go_on_as_if_nothing_had_been, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_restart_learns_only_what_no_file_tells, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_waits_to_be_written_is_bounded_and_belongs_to_the_trainer, setup,
			teardown),
		cmocka_unit_test_setup_teardown(memory_that_is_out_is_an_answer, setup, teardown),
	};

	return cmocka_run_group_tests_name("learnt", tests, NULL, NULL);
}
