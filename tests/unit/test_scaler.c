/*
 * The scaler over many workloads: what it follows, proposes and tells. Scans are made by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyzers/learnt_file.h"
#include "analyzers/scaler/scaler_parts.h"
#include "analyzers/snapshot.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/folder.h"

#define WORKLOADS_MAX 8
#define POD 10.0
#define T0 (INT64_C(118000000) * SCALER_SLOT_MS)

struct told {
	char proposal[16], replicas[16], actual[16], workload[16];
	bool firing;
	int64_t starts_ms;
	double confidence;
};

struct scene {
	struct scaler_config config;
	struct scaler *scaler;
	struct watched_workload workloads[WORKLOADS_MAX];
	struct snapshot snapshot;
	double rates[WORKLOADS_MAX], pods[WORKLOADS_MAX];
	struct told told[64];
	size_t told_count;
	char window[4096]; /* the newest that was told */
	unsigned windows;
};

static void take(void *argument, const struct event *proposal)
{
	struct scene *scene = argument;
	struct told *told = &scene->told[scene->told_count % 64];

	scene->told_count++;
	assert_int_equal(proposal->source, EVENT_PROPOSAL);
	assert_true(proposal->fingerprint == labels_fingerprint(&proposal->labels));
	snprintf(told->proposal, sizeof(told->proposal), "%s",
		labels_get(&proposal->labels, "proposal"));
	snprintf(told->workload, sizeof(told->workload), "%s",
		labels_get(&proposal->labels, "workload"));
	snprintf(told->replicas, sizeof(told->replicas), "%s",
		labels_get(&proposal->annotations, "replicas"));
	snprintf(told->actual, sizeof(told->actual), "%s",
		labels_get(&proposal->annotations, "actual"));
	told->firing = proposal->firing;
	told->starts_ms = proposal->starts_ms;
	told->confidence = proposal->confidence;
	assert_int_equal(proposal->ends_ms == 0, proposal->firing);
}

static void take_window(void *argument, const char *until, const char *json)
{
	struct scene *scene = argument;

	assert_non_null(strstr(json, until));
	assert_true(strlen(json) < sizeof(scene->window));
	snprintf(scene->window, sizeof(scene->window), "%s", json);
	scene->windows++;
}

static struct told *last_told(struct scene *scene)
{
	assert_true(scene->told_count > 0);
	return &scene->told[(scene->told_count - 1) % 64];
}

static void bind(struct watched_workload *workload, enum signal_role role)
{
	workload->signals[role].series = 1;
}

static int scene_setup(void **state)
{
	struct scene *scene = mem_zalloc(1, sizeof(*scene));
	struct error error;

	scaler_config_default(&scene->config);
	scene->config.workload_max = WORKLOADS_MAX;
	scene->config.follow.shadow_slots = 100;
	scene->config.proposed = take;
	scene->config.window_ended = take_window;
	scene->config.proposed_argument = scene;
	scene->scaler = scaler_open(&scene->config, &error);
	assert_non_null(scene->scaler);
	scene->snapshot.scanned_ms = T0;
	scene->snapshot.roster.workloads = scene->workloads;
	for (size_t i = 0; i < WORKLOADS_MAX; i++) {
		struct watched_workload *workload = &scene->workloads[i];

		workload->key =
			(struct workload_key){.namespace_name = "shop", .kind = TARGET_DEPLOYMENT};
		snprintf(workload->key.name, sizeof(workload->key.name), "web-%zu", i);
		scene->rates[i] = 60;
		scene->pods[i] = 10;
		for (int role = 0; role < ROLE_COUNT; role++) {
			workload->signals[role].series = STORE_NO_SERIES;
			outlook_none(&workload->signals[role].outlook);
		}
		bind(workload, ROLE_REQUEST_RATE);
		bind(workload, ROLE_CPU_UTILIZATION);
		bind(workload, ROLE_REPLICAS);
		bind(workload, ROLE_REPLICAS_WANTED);
	}
	scene->snapshot.roster.count = 1;
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	scaler_close(scene->scaler);
	mem_free(scene);
	return 0;
}

static void set(struct scene *scene, size_t at, enum signal_role role, double value)
{
	scene->workloads[at].signals[role].last = (struct judgement){.quality = QUALITY_GOOD,
		.newest = value,
		.newest_ms = scene->snapshot.scanned_ms - 5000};
}

static void fill(struct scene *scene)
{
	for (size_t i = 0; i < scene->snapshot.roster.count; i++) {
		set(scene, i, ROLE_REQUEST_RATE, scene->rates[i]);
		set(scene, i, ROLE_CPU_UTILIZATION,
			fmin(1, scene->rates[i] / scene->pods[i] / POD) + CAPACITY_IDLE);
		set(scene, i, ROLE_REPLICAS, scene->pods[i]);
		set(scene, i, ROLE_REPLICAS_WANTED, scene->pods[i]);
	}
}

static void scan(struct scene *scene, int slots)
{
	for (int i = 0; i < slots; i++) {
		scene->snapshot.scanned_ms += SCALER_SLOT_MS;
		fill(scene);
		scaler_scan(scene->scaler, &scene->snapshot);
	}
}

static void serve(struct scene *scene)
{
	scene->config.serve = true;
	scaler_reload(scene->scaler, &scene->config);
}

static void set_workload(struct scene *scene, const char *name, struct workload_key *key)
{
	*key = scene->workloads[0].key;
	snprintf(key->name, sizeof(key->name), "%s", name);
}

static enum status value_of(struct scene *scene, const char *name, int *replicas)
{
	struct workload_key key;
	struct error error;

	set_workload(scene, name, &key);
	return scaler_value(scene->scaler, NULL, &key, scene->snapshot.scanned_ms, replicas,
		&error);
}

static void in_shadow_it_proposes_nothing_and_gives_no_number(void **state)
{
	struct scene *scene = *state;
	struct scaler_summary summary;
	int replicas = -1;

	scan(scene, 150);
	scene->rates[0] = 95;
	scan(scene, 10);
	assert_int_equal(scene->told_count, 0);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_UNAVAILABLE);
	assert_int_equal(replicas, -1);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_SHADOW], 1);
	assert_true(summary.pods[FEEDBACK_OURS] == 13);
	assert_true(summary.pods[FEEDBACK_ACTUAL] == 10);
}

static void one_that_serves_proposes_what_it_lacks_and_says_when_that_ends(void **state)
{
	struct scene *scene = *state;
	size_t before;
	int replicas;

	serve(scene);
	scan(scene, 150);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	scene->pods[0] = replicas;
	scan(scene, 1);
	before = scene->told_count;
	scene->rates[0] = 77;
	scan(scene, 1);
	assert_int_equal(scene->told_count, before + 1);
	assert_string_equal(last_told(scene)->proposal, "scale_out");
	assert_string_equal(last_told(scene)->replicas, "11");
	assert_string_equal(last_told(scene)->actual, "8");
	assert_true(last_told(scene)->firing);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	assert_int_equal(replicas, 11);
	scene->pods[0] = 11;
	scan(scene, 1);
	assert_int_equal(scene->told_count, before + 2);
	assert_false(last_told(scene)->firing);
}

static void what_holds_is_told_once_a_minute_and_what_grows_begins_anew(void **state)
{
	struct scene *scene = *state;
	int64_t began_ms;
	size_t before;
	int replicas;

	serve(scene);
	scan(scene, 150);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	scene->pods[0] = replicas;
	scan(scene, 1);
	scene->rates[0] = 77;
	scan(scene, 2);
	before = scene->told_count;
	began_ms = last_told(scene)->starts_ms;
	scan(scene, 8);
	assert_int_equal(scene->told_count, before + 2);
	assert_true(last_told(scene)->starts_ms == began_ms);
	scene->rates[0] = 120;
	scan(scene, 1);
	assert_int_equal(scene->told_count, before + 3);
	assert_true(last_told(scene)->starts_ms > began_ms);
	assert_string_equal(last_told(scene)->replicas, "16");
}

static void fewer_are_proposed_too_but_not_on_missing_data(void **state)
{
	struct scene *scene = *state;
	size_t before;

	serve(scene);
	scan(scene, 150);
	assert_string_equal(last_told(scene)->proposal, "scale_in");
	assert_string_equal(last_told(scene)->replicas, "8");
	assert_string_equal(last_told(scene)->actual, "10");
	before = scene->told_count;
	scene->workloads[0].signals[ROLE_REQUEST_RATE].series = STORE_NO_SERIES;
	scan(scene, 1);
	assert_int_equal(scene->told_count, before + 1);
	assert_false(last_told(scene)->firing);
	scan(scene, 8);
	assert_int_equal(scene->told_count, before + 1);
}

static void an_old_or_doubtful_reading_is_none(void **state)
{
	static const enum quality bad[] = {QUALITY_MISSING, QUALITY_STALE, QUALITY_SKEW,
		QUALITY_DUPLICATE, QUALITY_NOT_A_NUMBER};
	struct scene *scene = *state;
	struct judgement *rate = &scene->workloads[0].signals[ROLE_REQUEST_RATE].last;
	int replicas;

	serve(scene);
	scan(scene, 150);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		scene->snapshot.scanned_ms += SCALER_SLOT_MS;
		fill(scene);
		if (i == 0)
			rate->newest_ms = scene->snapshot.scanned_ms - 61000;
		else
			rate->quality = bad[i - 1];
		scaler_scan(scene->scaler, &scene->snapshot);
		assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_UNAVAILABLE);
	}
	scan(scene, 1);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
}

static void who_asks_for_the_number_gets_none_that_is_old(void **state)
{
	struct scene *scene = *state;
	int replicas;

	serve(scene);
	scan(scene, 150);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	assert_int_equal(value_of(scene, "web-9", &replicas), STATUS_NOT_FOUND);
	scene->snapshot.scanned_ms += 60000;
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	scene->snapshot.scanned_ms += 1;
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_UNAVAILABLE);
}

static void a_name_in_two_clusters_needs_its_cluster(void **state)
{
	struct scene *scene = *state;
	struct workload_key key;
	struct error error;
	int replicas;

	scene->snapshot.roster.count = 2;
	scene->workloads[1].key = scene->workloads[0].key;
	snprintf(scene->workloads[0].key.cluster, NAMESPACE_MAX, "east");
	snprintf(scene->workloads[1].key.cluster, NAMESPACE_MAX, "west");
	serve(scene);
	scan(scene, 150);
	key = scene->workloads[0].key;
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_CONFLICT);
	assert_int_equal(scaler_value(scene->scaler, "west", &key, scene->snapshot.scanned_ms,
				 &replicas, &error),
		STATUS_OK);
	assert_int_equal(scaler_value(scene->scaler, "north", &key, scene->snapshot.scanned_ms,
				 &replicas, &error),
		STATUS_NOT_FOUND);
}

static void without_requests_the_cpu_in_use_is_the_load(void **state)
{
	struct scene *scene = *state;
	struct scaler_summary summary;
	struct buf json;
	struct error error;

	scene->workloads[0].signals[ROLE_REQUEST_RATE].series = STORE_NO_SERIES;
	bind(&scene->workloads[0], ROLE_CPU);
	for (int i = 0; i < 100; i++) {
		scene->snapshot.scanned_ms += SCALER_SLOT_MS;
		fill(scene);
		/* Half a core a pod. */
		set(scene, 0, ROLE_CPU, .6 * .5 * 10);
		scaler_scan(scene->scaler, &scene->snapshot);
	}
	buf_init(&json, 1 << 20);
	assert_int_equal(scaler_write_one(scene->scaler, &scene->workloads[0].key, &json, &error),
		STATUS_OK);
	assert_non_null(strstr(json.data, "\"load_signal\":\"cpu\""));
	assert_non_null(strstr(json.data, "\"wanted\":8"));
	buf_fini(&json);
	/* Its requests come to be known: all begins anew. */
	bind(&scene->workloads[0], ROLE_REQUEST_RATE);
	scan(scene, 1);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_OBSERVING], 1);
}

static void a_budget_is_shared_and_its_cut_is_told(void **state)
{
	struct scene *scene = *state;
	struct scaler_summary summary;

	scene->snapshot.roster.count = 2;
	scene->rates[1] = 60;
	scan(scene, 150);
	scene->config.pod_hour_price = .1;
	scene->config.cost_max = 2.25; /* 22 pods */
	scaler_reload(scene->scaler, &scene->config);
	scene->rates[0] = 140;
	scene->rates[1] = 100;
	scan(scene, 1);
	scaler_summarize(scene->scaler, &summary);
	assert_true(summary.pods[FEEDBACK_OURS] == 22);
	assert_int_equal(summary.cut, 19 + 14 - 22);
	scene->config.namespace_pods_max = 21;
	scaler_reload(scene->scaler, &scene->config);
	scan(scene, 1);
	scaler_summarize(scene->scaler, &summary);
	assert_true(summary.pods[FEEDBACK_OURS] == 21);
}

static void workloads_beyond_the_most_are_counted_and_old_ones_make_room(void **state)
{
	struct scene *scene = *state;
	struct scaler_summary summary;

	scene->config.workload_max = 2;
	scaler_close(scene->scaler);
	scene->scaler = scaler_open(&scene->config, NULL);
	scene->snapshot.roster.count = 3;
	scan(scene, 3);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.workloads, 2);
	assert_int_equal(summary.left_out, 1);
	/* The first two go. */
	scene->workloads[0] = scene->workloads[2];
	scene->snapshot.roster.count = 1;
	scan(scene, 2 * SCALER_FORGET_SLOTS + 2);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.workloads, 1);
	assert_int_equal(summary.left_out, 0);
	assert_int_equal(summary.states[FOLLOW_SHADOW], 1);
}

static void two_scans_of_a_slot_are_one_and_off_is_none(void **state)
{
	struct scene *scene = *state;
	struct scaler_summary summary;

	scan(scene, 1);
	for (int i = 0; i < 50; i++) {
		scene->snapshot.scanned_ms += 100;
		scaler_scan(scene->scaler, &scene->snapshot);
	}
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_OBSERVING], 1);
	scene->config.off = true;
	scaler_reload(scene->scaler, &scene->config);
	scan(scene, 50);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_OBSERVING], 1);
}

static void what_it_says_is_in_the_metrics_and_the_list(void **state)
{
	struct scene *scene = *state;
	struct buf json;

	metrics_reset();
	scene->snapshot.roster.count = 2;
	scene->rates[1] = 30;
	scan(scene, 200);
	scaler_collect(scene->scaler);
	assert_true(metrics_get(METRIC_SCALER_WANTED, "shop", "Deployment", "web-0", "ours") == 8);
	assert_true(metrics_get(METRIC_SCALER_WANTED, "shop", "Deployment", "web-1", "ours") == 4);
	assert_true(metrics_get(METRIC_SCALER_WORKLOADS, "shadow") == 2);
	assert_true(metrics_get(METRIC_SCALER_REWARD, "shop", "Deployment", "web-1", "ours") >
		metrics_get(METRIC_SCALER_REWARD, "shop", "Deployment", "web-1", "actual"));
	assert_true(metrics_get(METRIC_SCALER_POD_SECONDS, "actual") >
		metrics_get(METRIC_SCALER_POD_SECONDS, "ours"));
	/* Nothing was learned: the built-in rule makes the wish. */
	assert_true(metrics_get(METRIC_SCALER_ARM, "shop", "Deployment", "web-1", "rule") == 1);
	assert_true(metrics_get(METRIC_SCALER_CONFIDENCE, "shop", "Deployment", "web-1") > 0);
	buf_init(&json, 1 << 20);
	assert_int_equal(scaler_write(scene->scaler, &json, 1), STATUS_OK);
	assert_non_null(strstr(json.data, "\"arm\":\"rule\",\"trials\":[],\"learners\":[]"));
	/* The one that would change most. */
	assert_non_null(strstr(json.data, "web-1"));
	assert_null(strstr(json.data, "web-0"));
	buf_fini(&json);
	metrics_reset();
}

static void the_same_scans_give_the_same_answers(void **state)
{
	struct scene *scene = *state;
	struct buf first, second;

	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	for (int turn = 0; turn < 2; turn++) {
		scaler_close(scene->scaler);
		scene->scaler = scaler_open(&scene->config, NULL);
		scene->snapshot.scanned_ms = T0;
		for (int i = 0; i < 700; i++) {
			scene->rates[0] = 60 + 30 * sin(i * .05);
			scan(scene, 1);
		}
		assert_int_equal(scaler_write(scene->scaler, turn == 0 ? &first : &second, 0),
			STATUS_OK);
	}
	assert_string_equal(first.data, second.data);
	buf_fini(&first);
	buf_fini(&second);
}

static void without_memory_it_says_so_and_loses_nothing(void **state)
{
	struct scene *scene = *state;

	for (long nth = 1;; nth++) {
		struct scaler *scaler;
		struct buf json;

		buf_init(&json, 1 << 20);
		mem_fail_after(nth, false);
		scaler = scaler_open(&scene->config, NULL);
		scene->snapshot.scanned_ms = T0;
		for (int i = 0; scaler != NULL && i < 30; i++) {
			scene->snapshot.scanned_ms += SCALER_SLOT_MS;
			fill(scene);
			scaler_scan(scaler, &scene->snapshot);
		}
		if (scaler != NULL)
			(void)scaler_write(scaler, &json, 0);
		scaler_close(scaler);
		buf_fini(&json);
		if (!mem_fail_after(0, false))
			break;
	}
}

static void the_accounts_of_each_ten_minutes_are_told_once(void **state)
{
	struct scene *scene = *state;
	unsigned before;

	scene->snapshot.roster.count = 2;
	scan(scene, 100);
	before = scene->windows;
	assert_true(before >= 1);
	scan(scene, FEEDBACK_WINDOW_SLOTS);
	assert_int_equal(scene->windows, before + 1);
	assert_non_null(strstr(scene->window,
		"{\"workload\":\"shop/Deployment/web-0\",\"state\":\"shadow\",\"predicted\":"));
	assert_non_null(strstr(scene->window, "\"hpa\":{\"reward\":0."));
	assert_non_null(strstr(scene->window, "\"actual\":{\"reward\":0."));
	assert_non_null(strstr(scene->window, ",\"replicas\":10,\"violated\":0}"));
	assert_non_null(strstr(scene->window, "shop/Deployment/web-1"));
	assert_non_null(strstr(scene->window, "],\"unlisted\":0}"));
	/* Nothing was judged, so nothing is said. */
	scene->snapshot.roster.count = 0;
	scan(scene, 2 * FEEDBACK_WINDOW_SLOTS);
	before = scene->windows;
	scan(scene, 2 * FEEDBACK_WINDOW_SLOTS);
	assert_int_equal(scene->windows, before);
}

/* ---- over a restart ---- */

/* The clock goes on from where it was; rates and pods are those of the scene. */
static void restart(struct scene *scene, const char *folder)
{
	struct error error;

	scaler_close(scene->scaler);
	scene->config.kept_folder = folder;
	scene->scaler = scaler_open(&scene->config, &error);
	assert_non_null(scene->scaler);
}

static double restored(enum status status)
{
	return metrics_get(METRIC_MODELS_RESTORED, "scaler", status_label(status));
}

static void what_was_learnt_is_there_after_a_restart(void **state)
{
	struct scene *scene = *state;
	char folder[FOLDER_PATH_MAX];
	struct scaler_summary before, after;
	unsigned windows;
	int replicas = -1;

	folder_make(folder);
	metrics_reset();
	serve(scene);
	restart(scene, folder);
	assert_true(restored(STATUS_NOT_FOUND) == 1);
	scan(scene, 300);
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	scaler_summarize(scene->scaler, &before);
	windows = scene->windows;
	restart(scene, folder);
	assert_true(restored(STATUS_OK) == 1);
	assert_int_equal(scaler_find(scene->scaler, &scene->workloads[0].key)->follower.view.state,
		FOLLOW_SERVING);
	scan(scene, 1);
	assert_int_equal(scene->windows, windows);
	/* What a pod serves and that it proved itself are known; nothing is counted twice. */
	assert_int_equal(value_of(scene, "web-0", &replicas), STATUS_OK);
	assert_int_equal(replicas, 10);
	scaler_summarize(scene->scaler, &after);
	assert_int_equal(after.states[FOLLOW_SERVING], 1);
	assert_true(after.pod_hours[FEEDBACK_HPA] > before.pod_hours[FEEDBACK_HPA]);
	assert_true(after.pod_hours[FEEDBACK_HPA] < 1.1 * before.pod_hours[FEEDBACK_HPA]);
	folder_remove(folder);
}

static void after_more_than_a_day_it_proves_itself_anew(void **state)
{
	struct scene *scene = *state;
	char folder[FOLDER_PATH_MAX];
	struct scaler_summary summary;

	folder_make(folder);
	serve(scene);
	restart(scene, folder);
	scan(scene, 300);
	restart(scene, folder);
	scene->snapshot.scanned_ms += INT64_C(25) * 3600000;
	scan(scene, 1);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_SHADOW], 1);
	scan(scene, 150);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_SERVING], 1);
	folder_remove(folder);
}

/* Like after a SIGKILL: a copy of the file while the scaler runs is a whole one. */
static void what_it_keeps_meanwhile_is_enough_without_an_end_in_order(void **state)
{
	struct scene *scene = *state;
	struct scaler_config config = scene->config;
	char folder[FOLDER_PATH_MAX];
	struct scaler_summary summary;
	struct scaler *other;
	struct error error;

	folder_make(folder);
	serve(scene);
	restart(scene, folder);
	scan(scene, 300);
	config.kept_folder = folder;
	other = scaler_open(&config, &error);
	assert_non_null(other);
	scene->snapshot.scanned_ms += SCALER_SLOT_MS;
	fill(scene);
	scaler_scan(other, &scene->snapshot);
	scaler_summarize(other, &summary);
	assert_int_equal(summary.workloads, 1);
	assert_int_equal(summary.states[FOLLOW_OBSERVING], 0);
	scaler_close(other);
	folder_remove(folder);
}

static void what_another_version_kept_is_refused_and_learnt_anew(void **state)
{
	static const struct workload_key everybody = {.kind = TARGET_NONE};
	static const uint32_t strange[4] = {99, 1, 0, 0};
	struct scene *scene = *state;
	char folder[FOLDER_PATH_MAX], file[LEARNT_PATH_MAX];
	struct scaler_summary summary;
	struct error error;

	folder_make(folder);
	metrics_reset();
	assert_int_equal(learnt_file_write(folder, "scaler", &everybody, strange, sizeof(strange),
				 &error),
		STATUS_OK);
	restart(scene, folder);
	assert_true(restored(STATUS_UNSUPPORTED) == 1);
	scan(scene, 1);
	scaler_summarize(scene->scaler, &summary);
	assert_int_equal(summary.states[FOLLOW_OBSERVING], 1);
	/* One that was damaged on the disk. */
	restart(scene, folder);
	learnt_file_path(folder, "scaler", &everybody, file);
	assert_int_equal(truncate(file, 100), 0);
	scene->snapshot.roster.count = 0;
	restart(scene, NULL);
	restart(scene, folder);
	assert_true(restored(STATUS_BAD_INPUT) == 1);
	folder_remove(folder);
}

#define test(claim) cmocka_unit_test_setup_teardown(claim, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(in_shadow_it_proposes_nothing_and_gives_no_number),
		test(one_that_serves_proposes_what_it_lacks_and_says_when_that_ends),
		test(what_holds_is_told_once_a_minute_and_what_grows_begins_anew),
		test(fewer_are_proposed_too_but_not_on_missing_data),
		test(an_old_or_doubtful_reading_is_none),
		test(who_asks_for_the_number_gets_none_that_is_old),
		test(a_name_in_two_clusters_needs_its_cluster),
		test(without_requests_the_cpu_in_use_is_the_load),
		test(a_budget_is_shared_and_its_cut_is_told),
		test(workloads_beyond_the_most_are_counted_and_old_ones_make_room),
		test(two_scans_of_a_slot_are_one_and_off_is_none),
		test(what_it_says_is_in_the_metrics_and_the_list),
		test(the_same_scans_give_the_same_answers),
		test(without_memory_it_says_so_and_loses_nothing),
		test(what_was_learnt_is_there_after_a_restart),
		test(after_more_than_a_day_it_proves_itself_anew),
		test(what_it_keeps_meanwhile_is_enough_without_an_end_in_order),
		test(the_accounts_of_each_ten_minutes_are_told_once),
		test(what_another_version_kept_is_refused_and_learnt_anew),
	};

	return cmocka_run_group_tests_name("scaler", tests, NULL, NULL);
}
