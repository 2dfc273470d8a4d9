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
#include "tests/support/day_tier.h"

#define DAY DAY_TIER_DAY
#define M0 DAY_TIER_START
#define ROLES DAY_TIER_ROLES
/* Minutes that pass between the last state and the restart. */
#define MISSED 700

static struct day_tier tier;
static struct error error;

static const struct workload_key other = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "other"};

static int setup(void **state)
{
	day_tier_open(&tier, 2, 100);
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	day_tier_close(&tier);
	metrics_reset();
	return 0;
}

/* ---- files ---- */

static enum status read_back(const struct workload_key *workload, struct buf *bytes)
{
	const void *body = NULL;
	size_t size = 0;
	enum status status;

	buf_init(bytes, LEARNT_BYTES_MAX);
	status = learnt_file_read(tier.folder, "detect", workload, bytes, &body, &size, &error);
	if (status == STATUS_OK) {
		assert_int_equal(size, 5);
		assert_memory_equal(body, "hello", 5);
	}
	buf_fini(bytes);
	return status;
}

/* Not through the disk, as file_write_atomic() does: that takes most of a second on a busy machine, and
 * there are two hundred of these. */
static void put_back(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void refused(enum status wanted, const char *why)
{
	struct buf bytes;

	assert_int_equal(read_back(&day_tier_web, &bytes), wanted);
	assert_non_null(strstr(error.text, why));
	assert_non_null(strstr(error.text, tier.folder));
}

static void what_is_not_whole_or_not_ours_is_refused_by_name(void **state)
{
	char file[LEARNT_PATH_MAX], far[LEARNT_PATH_MAX], copy[256];
	struct buf whole, bytes;

	refused(STATUS_NOT_FOUND, "detect.learnt");
	assert_int_equal(learnt_file_write(tier.folder, "detect", &day_tier_web, "hello", 5,
				 &error),
		STATUS_OK);
	assert_int_equal(read_back(&day_tier_web, &bytes), STATUS_OK);
	learnt_file_path(tier.folder, "detect", &day_tier_web, file);
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
		assert_int_not_equal(read_back(&day_tier_web, &bytes), STATUS_OK);
	}
	memcpy(copy, whole.data, whole.size);
	copy[8] = LEARNT_FORMAT + 1;
	put_back(file, copy, whole.size);
	refused(STATUS_UNSUPPORTED, "later format");
	/* As if its name had the same hash. */
	learnt_file_path(tier.folder, "detect", &other, far);
	put_back(far, whole.data, whole.size);
	assert_int_equal(read_back(&other, &bytes), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "another workload"));
	buf_fini(&whole);
}

static void files_of_workloads_that_are_gone_are_removed(void **state)
{
	int64_t now_ms = clock_now_ms(clock_system());
	struct buf bytes;

	assert_int_equal(learnt_file_write(tier.folder, "detect", &day_tier_web, "hello", 5,
				 &error),
		STATUS_OK);
	assert_int_equal(learnt_file_sweep(tier.folder, now_ms - 3600000), 0);
	assert_int_equal(read_back(&day_tier_web, &bytes), STATUS_OK);
	assert_int_equal(learnt_file_sweep(tier.folder, now_ms + 3600000), 1);
	assert_int_equal(read_back(&day_tier_web, &bytes), STATUS_NOT_FOUND);
	/* What is not ours stays. */
	assert_true(file_stamp(tier.path) != 0);
	assert_int_equal(learnt_file_sweep("/nowhere", now_ms), 0);
}

/* ---- models ---- */

static void minute_values(int64_t minute, double row[2])
{
	static const enum signal_role roles[] = {ROLE_CPU, ROLE_LATENCY};
	char key[ROLLUP_KEY_MAX];

	for (int k = 0; k < 2; k++)
		(void)rollup_read(tier.rollup, key, minutes_key(&day_tier_web, roles[k], key),
			minute, minute + 1, &(struct rollup_columns){.mean = &row[k]});
}

static void a_watch_goes_on_as_if_nothing_had_been(void **state)
{
	struct watch *before = watch_open(), *after = watch_open();
	struct watch_model *model;
	double row[2];
	size_t size = 0;
	void *bytes = NULL;

	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(before, model, tier.rollup, &day_tier_web, M0);
	assert_null(watch_write(after, &size));
	for (int64_t minute = M0; minute < M0 + MISSED; minute++) {
		minute_values(minute, row);
		(void)watch_step(before, minute, ROLES, row);
		if (minute == M0 + 10)
			bytes = watch_write(before, &size);
	}
	assert_non_null(bytes);
	assert_int_equal(watch_restore(&tier.watch, tier.rollup, &day_tier_web, ROLES,
				 M0 + MISSED - 5, bytes, size, &model, &error),
		STATUS_OK);
	/* Learnt when it was learnt, and where the order stands. */
	assert_int_equal(model->end, M0);
	assert_int_equal(model->next, M0 + MISSED - 5);
	watch_adopt(after, model, tier.rollup, &day_tier_web, M0 + MISSED);
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
	assert_int_equal(watch_restore(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0 + 10,
				 bytes, size, &model, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(watch_restore(&tier.watch, tier.rollup, &day_tier_web, 1u << ROLE_CPU,
				 M0 + MISSED, bytes, size, &model, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(watch_restore(&tier.watch, tier.rollup, &day_tier_web, ROLES,
				 M0 + 12 + WATCH_RESTORE_ROWS_MAX, bytes, size, &model, &error),
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

	assert_int_equal(outlook_train(&tier.outlook, tier.rollup, &day_tier_web, ROLES, M0,
				 &before, &error),
		STATUS_OK);
	for (int64_t minute = M0; minute < M0 + MISSED; minute++) {
		step_outlook(before, minute);
		if (minute == M0 + 10)
			bytes = outlook_write(before, &size);
	}
	assert_non_null(bytes);
	assert_in_range(outlook_bytes(before), size, 2 * size);
	assert_int_equal(outlook_restore(&tier.outlook, tier.rollup, &day_tier_web, ROLES,
				 M0 + MISSED, bytes, size, &after, &error),
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
	assert_int_equal(outlook_restore(&tier.outlook, tier.rollup, &day_tier_web, ROLES, M0 + 5,
				 bytes, size, &after, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(outlook_restore(&tier.outlook, tier.rollup, &day_tier_web, 1u << ROLE_CPU,
				 M0 + MISSED, bytes, size, &after, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(outlook_restore(&tier.outlook, tier.rollup, &day_tier_web, ROLES,
				 M0 + 12 + OUTLOOK_RESTORE_ROWS_MAX, bytes, size, &after, &error),
		STATUS_UNAVAILABLE);
	assert_null(after);
	mem_free(bytes);
	outlook_close(before);
}

/* ---- the trainer ---- */

static struct trained order(enum train_kind kind, int64_t end, bool restore)
{
	struct trainer *trainer = trainer_open(tier.rollup, &error);
	const struct train_order asked = {.kind = kind,
		.workload = day_tier_web,
		.roles = ROLES,
		.end = end,
		.watch = tier.watch,
		.outlook = tier.outlook,
		.restore = restore};
	struct trained trained;

	assert_non_null(trainer);
	assert_false(trainer_keeps(trainer));
	trainer_keep_in(trainer, tier.folder);
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
	learnt_file_path(tier.folder, "detect", &day_tier_web, file);
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
	struct trainer *trainer = trainer_open(tier.rollup, &error);
	struct buf bytes;
	size_t asked = 0;

	assert_non_null(trainer);
	trainer_keep_in(trainer, tier.folder);
	for (;; asked++) {
		struct train_order keep = {.kind = KEEP_WATCH,
			.workload = day_tier_web,
			.kept_size = 5};

		keep.kept = mem_strdup("hello");
		if (trainer_ask(trainer, &keep))
			continue;
		mem_free(keep.kept);
		break;
	}
	assert_int_equal(asked, TRAINER_KEEP_MAX);
	assert_true(trainer_run(trainer));
	assert_int_equal(read_back(&day_tier_web, &bytes), STATUS_OK);
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
		status = watch_restore(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0 + 3,
			bytes, size, &model, &error);
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
		status = outlook_restore(&tier.outlook, tier.rollup, &day_tier_web, ROLES, M0 + 3,
			forecast_bytes, forecast_size, &outlook, &error);
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
	assert_int_not_equal(learnt_file_write(tier.folder, "detect", &day_tier_web, "hello", 5,
				     &error),
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
