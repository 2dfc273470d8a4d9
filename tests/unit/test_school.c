/* run-under: tsan */
/*
 * The school: when the net for all workloads learns, and that it serves only when it is better.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/forecast/lstm_series.h"
#include "analyzers/minutes.h"
#include "analyzers/models/general_file.h"
#include "analyzers/school.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tests/support/folder.h"

#define DAY 1440
#define DAYS 3
#define WEEK (7 * INT64_C(1440))
#define M0 (INT64_C(28333320) - INT64_C(28333320) % DAY)
#define SIGNALS 2

static char folder[FOLDER_PATH_MAX], tier[FOLDER_PATH_MAX + 20], path[FOLDER_PATH_MAX + 40];
static struct clock_manual manual;
static struct rollup *rollup;
static struct error error;
static struct lstm_shared *shared;
static struct school_config config;

static const struct school_signal signals[SIGNALS] = {
	{{.namespace_name = "shop", .kind = TARGET_DEPLOYMENT, .name = "web"}, ROLE_CPU},
	{{.namespace_name = "shop", .kind = TARGET_DEPLOYMENT, .name = "web"}, ROLE_REQUEST_RATE},
};

static size_t signals_tell(void *argument, struct school_signal *told, size_t max)
{
	size_t count = *(size_t *)argument;

	assert_true(count <= max);
	memcpy(told, signals, count * sizeof(*told));
	return count;
}

/* Noise around a level falls back to it; a walk tells nothing of what is to come; a slope goes on. */
enum shape { NOISE, WALK, SLOPE };

/* A day of minutes of both signals, up to `end`. */
static void day_write(enum shape shape, int64_t end)
{
	static struct rollup_minute minutes[DAY];
	static double walk = 1000;
	char key[ROLLUP_KEY_MAX];
	struct random random;

	for (size_t s = 0; s < SIGNALS; s++) {
		random_init(&random, (uint64_t)end + s);
		for (int i = 0; i < DAY; i++) {
			double value = 5 + random_normal(&random);

			walk += random_normal(&random);
			if (shape == WALK)
				value = walk;
			if (shape == SLOPE)
				value = (double)(end - DAY + i - M0) + 1e5 +
					.1 * random_normal(&random);
			minutes[i] = (struct rollup_minute){value, value, value, value, 1, true};
		}
		assert_int_equal(rollup_write(rollup, key,
					 minutes_key(&signals[s].workload, signals[s].role, key),
					 end - DAY, minutes, DAY, end, &error),
			STATUS_OK);
	}
}

static void time_pass(int64_t minutes)
{
	clock_manual_advance(&manual, minutes * 60000);
}

/* A net that says `units` for each median. */
static void net_put(float units)
{
	struct forecaster_config net_config;
	struct lstm_net *net;

	forecaster_config_default(&net_config);
	net_config.lstm_hidden = 32;
	net_config.lstm_layers = 1;
	net_config.lstm_beside = FORECAST_BESIDE;
	net = lstm_net_open(&net_config, &error);
	assert_non_null(net);
	for (size_t k = 0; k < net->horizon_count; k++)
		net->lstm.head_bias[k * LSTM_SERIES_QUANTILES + 1] = units;
	lstm_shared_put(shared, net);
}

static size_t signal_count;

/* What was told of the last training; its texts are copies. */
static struct training_report told;
static char told_outcome[16], told_file[sizeof(path)];
static unsigned told_count;

static void note_told(void *argument, const struct training_report *report)
{
	assert_ptr_equal(argument, &told);
	assert_null(report->workload);
	assert_string_equal(report->kind, "general");
	told = *report;
	told_count++;
	(void)snprintf(told_outcome, sizeof(told_outcome), "%s", report->outcome);
	(void)snprintf(told_file, sizeof(told_file), "%s",
		report->file != NULL ? report->file : "");
}

static int setup(void **state)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(14) * 86400000,
		.signals_max = 10};

	folder_make(folder);
	folder_path(tier, sizeof(tier), folder, "rollup.1m");
	(void)snprintf(path, sizeof(path), "%s/models/general.model", folder);
	clock_manual_init(&manual, M0 * 60000);
	rollup = rollup_open(tier, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	shared = lstm_shared_open(LSTM_FP32, &error);
	assert_non_null(shared);
	net_put(0);
	signal_count = SIGNALS;
	school_config_default(&config);
	config.shared = shared;
	config.rollup = rollup;
	config.clock = &manual.clock;
	config.path = path;
	config.learn_rows = DAYS * DAY;
	config.epochs_max = 3;
	config.signals = signals_tell;
	config.argument = &signal_count;
	config.told = note_told;
	config.told_argument = &told;
	told_count = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	lstm_shared_close(shared);
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static void days_write(enum shape shape)
{
	for (int day = 1; day <= DAYS; day++)
		day_write(shape, M0 + day * DAY);
	time_pass((int64_t)DAYS * DAY);
}

static void what_is_better_serves_and_is_a_file(void **state)
{
	struct school *school;
	struct model_info info;
	struct lstm_net *net;
	char checkpoint[sizeof(path) + 20];
	unsigned generation;

	days_write(NOISE);
	school = school_open(&config, (M0 + DAYS * DAY - WEEK + 5) * 60000, &error);
	assert_non_null(school);
	generation = lstm_shared_generation(shared);
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	time_pass(5);
	assert_int_equal(school_look(school), SCHOOL_PROMOTED);
	assert_int_equal(lstm_shared_generation(shared), generation + 1);
	assert_int_equal(general_file_read(path, &net, &info, &error), STATUS_OK);
	assert_int_equal(info.trained_ms, clock_now_ms(&manual.clock));
	print_message("%s %.3f, %s %.3f\n", info.score_names[0], info.scores[0],
		info.score_names[1], info.scores[1]);
	assert_true(info.scores[0] < info.scores[1] && info.scores[0] < 1);
	assert_int_equal(told_count, 1);
	assert_string_equal(told_outcome, "promoted");
	assert_string_equal(told_file, path);
	assert_int_equal(told.status, STATUS_OK);
	assert_int_equal(told.signals, SIGNALS);
	assert_int_equal(told.end_minute, M0 + DAYS * DAY + 5);
	assert_memory_equal(told.relative_error, info.scores, sizeof(told.relative_error));
	lstm_net_release(net);
	(void)snprintf(checkpoint, sizeof(checkpoint), "%s.checkpoint", path);
	assert_true(access(checkpoint, F_OK) != 0);
	assert_true(metrics_get(METRIC_LSTM_TRAININGS, "promoted") == 1);
	assert_true(metrics_get(METRIC_LSTM_EPOCH) == 0);
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	school_close(school);
}

static void what_is_not_better_is_not_served(void **state)
{
	unsigned generation = lstm_shared_generation(shared);
	struct school *school;

	days_write(WALK);
	school = school_open(&config, 1, &error);
	assert_non_null(school);
	/* The net that says the last value is as good as it gets. */
	assert_int_equal(school_look(school), SCHOOL_KEPT);
	assert_int_equal(lstm_shared_generation(shared), generation);
	assert_true(access(path, F_OK) != 0);
	assert_true(metrics_get(METRIC_LSTM_TRAININGS, "kept") == 1);
	assert_int_equal(told_count, 1);
	assert_string_equal(told_outcome, "kept");
	assert_string_equal(told_file, "");
	/* It does not try again before a week. */
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	school_close(school);
}

static void with_too_little_it_looks_again_in_a_day(void **state)
{
	struct school *school = school_open(&config, 1, &error);

	assert_non_null(school);
	day_write(NOISE, M0 + DAY);
	time_pass(DAY);
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	day_write(NOISE, M0 + 2 * DAY);
	day_write(NOISE, M0 + 3 * DAY);
	time_pass(DAY - 1);
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	time_pass(DAY + 1);
	assert_int_equal(school_look(school), SCHOOL_PROMOTED);
	school_close(school);
}

static void a_net_that_became_worse_learns_before_its_week(void **state)
{
	struct school *school;

	/* It says that things go up, as they do, and then they do not. */
	net_put((float)asinh(5));
	days_write(SLOPE);
	school = school_open(&config, clock_now_ms(&manual.clock), &error);
	assert_non_null(school);
	day_write(SLOPE, M0 + 4 * DAY);
	time_pass(DAY);
	assert_int_equal(school_look(school), SCHOOL_IDLE);
	day_write(NOISE, M0 + 5 * DAY);
	time_pass(DAY);
	assert_int_not_equal(school_look(school), SCHOOL_IDLE);
	school_close(school);
}

static void its_thread_tells_how_far_it_is_and_ends_in_the_middle(void **state)
{
	char checkpoint[sizeof(path) + 20];
	struct school_progress progress;
	struct school *school;

	days_write(NOISE);
	config.epochs_max = 10000;
	config.threads = 2;
	school = school_open(&config, 1, &error);
	assert_non_null(school);
	assert_false(school_progress(school, &progress));
	assert_int_equal(school_start(school, &error), STATUS_OK);
	while (!school_progress(school, &progress) || progress.epoch == 0)
		clock_sleep_ms(5);
	assert_true(metrics_get(METRIC_LSTM_EPOCH) > 0);
	assert_true(progress.under_way && progress.outcome == NULL);
	assert_int_equal(progress.epochs_max, 10000);
	assert_int_equal(progress.since_ms, clock_now_ms(&manual.clock));
	assert_true(progress.loss > 0 && progress.holdout_loss > 0);
	school_stop(school);
	assert_true(school_progress(school, &progress));
	assert_false(progress.under_way);
	assert_string_equal(progress.outcome, "ended");
	assert_int_equal(progress.ended_ms, clock_now_ms(&manual.clock));
	assert_true(metrics_get(METRIC_LSTM_TRAININGS, "promoted") == 0);
	/* From here the next one goes on. */
	(void)snprintf(checkpoint, sizeof(checkpoint), "%s.checkpoint", path);
	assert_int_equal(access(checkpoint, F_OK), 0);
	school_close(school);
}

/* The holdout's loss after the one epoch of a training that changes nothing. */
static double kept_loss(void)
{
	struct school *school = school_open(&config, 1, &error);

	assert_non_null(school);
	assert_int_equal(school_look(school), SCHOOL_KEPT);
	school_close(school);
	return metrics_get(METRIC_LSTM_HOLDOUT_LOSS);
}

static void training_goes_on_from_a_checkpoint(void **state)
{
	char checkpoint[sizeof(path) + 20], models[sizeof(path)];
	struct lstm_net *net, *found;
	struct model_info info;
	double fresh;

	days_write(WALK);
	config.epochs_max = 1;
	fresh = kept_loss();
	assert_true(kept_loss() == fresh);
	(void)snprintf(checkpoint, sizeof(checkpoint), "%s.checkpoint", path);
	(void)snprintf(models, sizeof(models), "%s/models", folder);
	net = lstm_shared_hold(shared);
	found = lstm_net_copy(net, &error);
	assert_non_null(found);
	lstm_net_release(net);
	memset(&info, 0, sizeof(info));
	info.trained_ms = clock_now_ms(&manual.clock);
	found->lstm.head_bias[1] = 3;
	assert_int_equal(file_make_folder(models, &error), STATUS_OK);
	assert_int_equal(general_file_write(checkpoint, found, &info, &error), STATUS_OK);
	assert_true(kept_loss() != fresh);
	assert_true(access(checkpoint, F_OK) != 0);
	/* One of the day before yesterday is not gone on from. */
	info.trained_ms -= INT64_C(2) * DAY * 60000;
	assert_int_equal(general_file_write(checkpoint, found, &info, &error), STATUS_OK);
	assert_true(kept_loss() == fresh);
	lstm_net_release(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_better_serves_and_is_a_file, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_is_not_better_is_not_served, setup, teardown),
		cmocka_unit_test_setup_teardown(with_too_little_it_looks_again_in_a_day, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_net_that_became_worse_learns_before_its_week,
			setup, teardown),
		cmocka_unit_test_setup_teardown(training_goes_on_from_a_checkpoint, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			its_thread_tells_how_far_it_is_and_ends_in_the_middle, setup, teardown),
	};

#ifdef __SANITIZE_THREAD__
	/* Training is slow under ThreadSanitizer, and only this one has a thread. */
	cmocka_set_test_filter("its_thread_*");
#endif
	return cmocka_run_group_tests_name("school", tests, NULL, NULL);
}
