/* run-under: tsan */
/*
 * Learning in the background: history out of the minutes, one job at a time, and the scaler that gives
 * them: who is due comes in turn, and an end in the middle loses nothing but what was being learned.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/minutes.h"
#include "analyzers/scaler/scaler_parts.h"
#include "analyzers/snapshot.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/folder.h"

#define DAY 1440
#define M0 (INT64_C(28333320) - INT64_C(28333320) % DAY)
#define SLOT0 (M0 * POLICY_SLOTS_PER_MINUTE)
#define DAYS 2
#define POD 10.0

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct rollup *rollup;
static struct error error;
static struct watched_workload workloads[2];
static struct snapshot snapshot;
static struct scaler *scaler;

static double rate_at(int64_t minute)
{
	return 60 + 30 * sin(2 * M_PI * (double)(minute % DAY) / DAY);
}

static void write_minutes(const struct workload_key *key, int days)
{
	static struct rollup_minute minutes[DAY];
	char text[ROLLUP_KEY_MAX];

	for (int day = days; day > 0; day--) {
		for (int i = 0; i < DAY; i++) {
			double value = rate_at(M0 - (int64_t)day * DAY + i);

			minutes[i] = (struct rollup_minute){value, value, value, value, 1,
				day > 1 || i != DAY - 10};
		}
		assert_int_equal(rollup_write(rollup, text,
					 minutes_key(key, ROLE_REQUEST_RATE, text),
					 M0 - (int64_t)day * DAY, minutes, DAY, M0, &error),
			STATUS_OK);
	}
}

static void make_workload(struct watched_workload *workload, const char *name)
{
	static const enum signal_role bound[] = {ROLE_REQUEST_RATE, ROLE_CPU_UTILIZATION,
		ROLE_REPLICAS, ROLE_REPLICAS_WANTED};

	*workload = (struct watched_workload){
		.key = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT}};
	snprintf(workload->key.name, sizeof(workload->key.name), "%s", name);
	for (int role = 0; role < ROLE_COUNT; role++) {
		workload->signals[role].series = STORE_NO_SERIES;
		outlook_none(&workload->signals[role].outlook);
	}
	for (size_t i = 0; i < sizeof(bound) / sizeof(bound[0]); i++)
		workload->signals[bound[i]].series = 1;
}

static const struct rollup_limits limits = {.retention_ms = INT64_C(4) * 86400000,
	.signals_max = 10};

static int setup(void **state)
{
	struct scaler_config config;

	metrics_reset();
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, M0 * 60000);
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	make_workload(&workloads[0], "web");
	make_workload(&workloads[1], "new");
	write_minutes(&workloads[0].key, DAYS);
	snapshot = (struct snapshot){.scanned_ms = M0 * 60000, .roster = {.workloads = workloads}};
	snapshot.roster.count = 2;
	scaler_config_default(&config);
	config.workload_max = 4;
	config.rollup = rollup;
	scaler = scaler_open(&config, &error);
	assert_non_null(scaler);
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	scaler_close(scaler);
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static void set(struct watched_signal *signal, double value)
{
	signal->last = (struct judgement){.quality = QUALITY_GOOD,
		.newest = value,
		.newest_ms = snapshot.scanned_ms - 1000};
}

static void scan(int slots)
{
	for (int i = 0; i < slots; i++) {
		double rate;

		snapshot.scanned_ms += SCALER_SLOT_MS;
		rate = rate_at(snapshot.scanned_ms / 60000);
		for (size_t k = 0; k < snapshot.roster.count; k++) {
			set(&workloads[k].signals[ROLE_REQUEST_RATE], rate);
			set(&workloads[k].signals[ROLE_CPU_UTILIZATION],
				rate / 10 / POD + CAPACITY_IDLE);
			set(&workloads[k].signals[ROLE_REPLICAS], 10);
			set(&workloads[k].signals[ROLE_REPLICAS_WANTED], 10);
		}
		scaler_scan(scaler, &snapshot);
	}
}

static double jobs(const char *kind, enum status status)
{
	return metrics_get(METRIC_SCALER_LESSONS, kind, status_label(status));
}

static void history_is_a_line_between_the_middles_of_known_minutes(void **state)
{
	static double minutes[DAY];
	static float rates[960];
	size_t known = tutor_history(rollup, &workloads[0].key, ROLE_REQUEST_RATE, SLOT0, minutes,
		rates, 960);
	double last = rate_at(M0 - 1), before = rate_at(M0 - 2);

	assert_int_equal(known, 960 - 4);
	/* The four slots of the last minute: 3/8 and 1/8 of the way from the one before, then as it is. */
	assert_true(fabs((double)rates[956] - (last + .375 * (before - last))) < 1e-2);
	assert_true(fabs((double)rates[957] - (last + .125 * (before - last))) < 1e-2);
	assert_true(fabs((double)rates[959] - last) < 1e-2);
	/* The minute that is missing is, and none of its neighbours. */
	for (int i = 0; i < 4; i++)
		assert_true(isnan((double)rates[960 - 40 + i]));
	assert_true(!isnan((double)rates[960 - 41]));
	assert_true(!isnan((double)rates[960 - 36]));
	assert_int_equal(tutor_history(rollup, &workloads[1].key, ROLE_REQUEST_RATE, SLOT0, minutes,
				 rates, 960),
		0);
}

static void who_has_no_history_is_tried_again_later_and_the_other_learns(void **state)
{
	const struct scaler_entry *entry;

	scan(CAPACITY_READINGS_MIN + 1);
	for (int i = 0; i < 2; i++) {
		assert_true(scaler_learn(scaler));
		scan(1);
	}
	assert_false(scaler_learn(scaler));
	assert_true(jobs("learn", STATUS_OK) == 1);
	assert_true(jobs("learn", STATUS_BAD_INPUT) == 1);
	entry = scaler_find(scaler, &workloads[0].key);
	assert_non_null(entry->pupil.policy);
	assert_null(scaler_find(scaler, &workloads[1].key)->pupil.policy);
	/* Two days are no seven: nothing was replayed often enough, so the built-in rule goes on. */
	assert_string_equal(entry->follower.view.arm, "built-in");
	assert_false(entry->follower.proven);
	scan(6 * 240);
	assert_true(scaler_learn(scaler));
	assert_true(jobs("learn", STATUS_BAD_INPUT) == 2);
}

static void readers_see_what_was_learned(void)
{
	static const char *const learners[] = {"table", "dqn"};
	struct buf json;

	scaler_collect(scaler);
	for (size_t i = 0; i < 2; i++) {
		const char *learner = learners[i];

		double best = metrics_get(METRIC_SCALER_Q_VALUE, "shop", "Deployment", "web",
			learner, "best");

		/* Ten minutes' worth of rewards of about 1 at most; none of none. */
		assert_true(fabs(best) > 0 && fabs(best) < 20);
		assert_true(metrics_get(METRIC_SCALER_Q_VALUE, "shop", "Deployment", "web", learner,
				    "setting") <= best);
		assert_true(metrics_get(METRIC_SCALER_EXPLORATION, "shop", "Deployment", "web",
				    learner) > 0);
		assert_true(metrics_get(METRIC_SCALER_TRIAL_PRICE, "shop", "Deployment", "web",
				    learner, "setting", "low") <=
			metrics_get(METRIC_SCALER_TRIAL_PRICE, "shop", "Deployment", "web", learner,
				"setting", "high"));
	}
	buf_init(&json, 1 << 20);
	assert_int_equal(scaler_write_one(scaler, &workloads[0].key, &json, &error), STATUS_OK);
	assert_non_null(strstr(json.data, "\"arm\":\"dqn\",\"against\":\"setting\""));
	assert_non_null(strstr(json.data, "\"learner\":\"dqn\""));
	buf_fini(&json);
}

static void a_day_that_ended_is_replayed_at_night_and_before_all_else(void **state)
{
	struct scaler_pupil *pupil;
	struct quantile_standing standing;
	size_t days;

	snapshot.roster.count = 1;
	scan(CAPACITY_READINGS_MIN + 1);
	assert_true(scaler_learn(scaler));
	scan(1);
	pupil = &scaler_find(scaler, &workloads[0].key)->pupil;
	quantile_policy_standing(pupil->policy, &standing);
	days = standing.days;
	pupil->taught -= 7 * POLICY_SLOTS_PER_DAY; /* its lesson is due, too */
	while (!scaler_learn(scaler))
		scan(1);
	assert_true(jobs("lesson", STATUS_OK) == 1);
	scan(1);
	for (int i = 0; i < POLICY_SLOTS_PER_DAY + 10 && !pupil->with_tutor; i++)
		scan(1);
	assert_true(scaler_learn(scaler));
	assert_true(jobs("night", STATUS_OK) == 1);
	scan(1);
	quantile_policy_standing(pupil->policy, &standing);
	assert_true(standing.days >= days);
	assert_false(quantile_policy_night_due(pupil->policy));
	readers_see_what_was_learned();
}

/* The file is there from the moment on at which it was learned: no end in order is needed. */
static void after_a_restart_a_policy_is_read_back_and_not_learned(void **state)
{
	struct quantile_standing before, after;
	char lost[FOLDER_PATH_MAX + 20];
	struct scaler_config config;

	scaler_config_default(&config);
	config.workload_max = 4;
	config.rollup = rollup;
	config.kept_folder = folder;
	snapshot.roster.count = 1;
	for (int run = 0; run < 2; run++) {
		const struct scaler_pupil *pupil;

		scaler_close(scaler);
		scaler = scaler_open(&config, &error);
		assert_non_null(scaler);
		scan(CAPACITY_READINGS_MIN + 1);
		assert_true(scaler_learn(scaler));
		scan(1);
		pupil = &scaler_find(scaler, &workloads[0].key)->pupil;
		assert_non_null(pupil->policy);
		quantile_policy_standing(pupil->policy, run == 0 ? &before : &after);
		assert_true(metrics_get(METRIC_MODELS_RESTORED, "policy",
				    status_label(run == 0 ? STATUS_NOT_FOUND : STATUS_OK)) == 1);
		assert_true(
			metrics_get(METRIC_MODELS_KEPT, "policy", status_label(STATUS_OK)) == 1);
		/* It has its traffic, too: it forecasts from its first slot on. */
		assert_true(pupil->wish.reason != QUANTILE_NO_FORECAST);
	}
	assert_true(after.days == before.days && after.days > 0);
	assert_int_equal(after.promoted, before.promoted);
	/* Even where the history is lost, of which nothing could be learned. */
	scaler_close(scaler);
	folder_path(lost, sizeof(lost), folder, "lost.1m");
	config.rollup = rollup_open(lost, &limits, &manual.clock, &error);
	assert_non_null(config.rollup);
	scaler = scaler_open(&config, &error);
	assert_non_null(scaler);
	scan(CAPACITY_READINGS_MIN + 1);
	assert_true(scaler_learn(scaler));
	scan(1);
	assert_non_null(scaler_find(scaler, &workloads[0].key)->pupil.policy);
	scaler_close(scaler);
	scaler = NULL;
	rollup_close(config.rollup);
}

static void an_end_in_the_middle_loses_nothing_else(void **state)
{
	struct scaler_summary summary;

	assert_int_equal(scaler_start(scaler, &error), STATUS_OK);
	scan(CAPACITY_READINGS_MIN + 3);
	scaler_summarize(scaler, &summary);
	assert_int_equal(summary.workloads, 2);
	/* teardown closes it while it learns, or before, or after. */
}

static void no_more_policies_are_made_than_may_be(void **state)
{
	struct scaler_config config;

	scaler_config_default(&config);
	config.policies_max = 0;
	scaler_reload(scaler, &config);
	scan(CAPACITY_READINGS_MIN + 20);
	assert_false(scaler_learn(scaler));
}

static void without_memory_nothing_is_learned_and_all_goes_on(void **state)
{
	snapshot.roster.count = 1;
	scan(CAPACITY_READINGS_MIN + 1);
	(void)mem_fail_after(1, false);
	assert_true(scaler_learn(scaler));
	assert_true(mem_fail_after(0, false));
	scan(1);
	assert_true(jobs("learn", STATUS_NO_MEMORY) == 1);
	assert_false(scaler_find(scaler, &workloads[0].key)->pupil.with_tutor);
}

#define test(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(history_is_a_line_between_the_middles_of_known_minutes),
		test(who_has_no_history_is_tried_again_later_and_the_other_learns),
		test(a_day_that_ended_is_replayed_at_night_and_before_all_else),
		test(after_a_restart_a_policy_is_read_back_and_not_learned),
		test(an_end_in_the_middle_loses_nothing_else),
		test(no_more_policies_are_made_than_may_be),
		test(without_memory_nothing_is_learned_and_all_goes_on),
	};

#ifdef __SANITIZE_THREAD__
	/* Training is slow under ThreadSanitizer, and only this one has a thread. */
	cmocka_set_test_filter("an_end_in_the_middle_*");
#endif
	return cmocka_run_group_tests_name("tutor", tests, NULL, NULL);
}
