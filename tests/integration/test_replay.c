/*
 * A real Prometheus and a real Alertmanager against a service that records what it receives: the replay
 * of the recording makes the plan that was made live, and so does the replay of Prometheus' own history,
 * with the series ALERTS in place of messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/raw_series.h"
#include "tests/support/servers.h"
#include "tests/support/target.h"

static struct servers servers;
static struct server *nimbusguard, *prometheus, *manager;
static struct raw_series series;
static struct target_page *target;
static char recording[SERVER_PATH_MAX], recording_flag[SERVER_PATH_MAX + 32];
static char live_words[256], live_target[256];

static const char *const live_flags[] = {"--guard.startup-grace=0s", "--analyze.scan-interval=1s",
	"--remediate.opt-in={namespace=\"shop\"}", recording_flag, NULL};

static int setup(void **state)
{
	char job[256], alerting[512], *config, *receiver;

	if (!servers_there(true, true))
		return 0;
	servers_open(&servers);
	snprintf(recording, sizeof(recording), "%.400s/recording", servers.folder);
	snprintf(recording_flag, sizeof(recording_flag), "--recording.path=%s", recording);
	nimbusguard = server_add(&servers, "nimbusguard");
	prometheus = server_add(&servers, "prometheus");
	manager = server_add(&servers, "alertmanager");
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	nimbusguard_start(&servers, nimbusguard, live_flags);
	receiver = text_replace(snippet_receiver(nimbusguard), "group_wait: 5s", "group_wait: 1s");
	alertmanager_start(&servers, manager, receiver);
	free(receiver);
	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	snprintf(alerting, sizeof(alerting),
		"alerting:\n  alertmanagers:\n  - static_configs:\n    - targets: ['%s']\n",
		manager->address);
	config = prometheus_config(nimbusguard, job, NULL, alerting);
	prometheus_start(&servers, prometheus, config);
	free(config);
	return 0;
}

static int teardown(void **state)
{
	if (target != NULL)
		target_close(target);
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

/* Whether the memory limit has come. The series of a workload come one after the other: those that do
 * not ask who owns a pod are there a rule interval before the others. */
static bool knows_limit(void)
{
	json_t *list = nimbusguard_get(nimbusguard, "signals"), *signal;
	bool known = false;
	size_t i;

	json_array_foreach(list, i, signal) known =
		known || strcmp(text_of(signal, "role"), "memory_limit") == 0;
	json_decref(list);
	return known;
}

/* Whether the one action was carried out: its words are then those of what would have been sent. */
static bool is_done(void)
{
	json_t *list = nimbusguard_get(nimbusguard, "actions");
	bool done = json_array_size(list) == 1 &&
		json_string_length(json_object_get(json_array_get(list, 0), "done_at")) > 0;

	json_decref(list);
	return done;
}

/* The output of nimbusguard replay with these further arguments, as JSON. */
static json_t *replay(const char *const *more, int wanted)
{
	const char *argv[24] = {getenv("NIMBUSGUARD_TEST_BIN"), "replay", "--format=json",
		"--analyze.scan-interval=1s", "--guard.startup-grace=0s",
		"--remediate.opt-in={namespace=\"shop\"}", "--mode=observe"};
	size_t count = 7;
	char log[SERVER_PATH_MAX + 32], *output;
	json_error_t error;
	json_t *report;
	int status;

	for (; *more != NULL; more++)
		argv[count++] = *more;
	snprintf(log, sizeof(log), "%.400s/replay.log", servers.folder);
	(void)remove(log);
	output = proc_output(log, argv, NULL, &status);
	report = json_loads(output, 0, &error);
	if (status != wanted || report == NULL)
		fail_msg("exit status %d: %s", status, output);
	free(output);
	return report;
}

/* The one plan of the report, which must be the one that was made live. */
static void check_plan(const json_t *report)
{
	const json_t *plans = json_object_get(report, "plans"), *plan = json_array_get(plans, 0);

	if (json_array_size(plans) != 1) {
		servers_tell(&servers);
		fail_msg("%zu plans", json_array_size(plans));
	}
	assert_string_equal(text_of(plan, "playbook"), "raise-memory-on-oom");
	assert_string_equal(text_of(plan, "verdict"), "act");
	assert_string_equal(text_of(plan, "target"), live_target);
	/* Live the words are now those of what would have been sent. */
	if (strstr(live_words, "memory 64Mi -> 80Mi") == NULL)
		fail_msg("live: %s", live_words);
	assert_string_equal(text_of(plan, "words"), "memory limit 64MiB -> 80MiB, by a rollout");
}

static void an_alert_is_answered_live_while_it_is_recorded(void **state)
{
	json_t *list, *action;

	if (nimbusguard == NULL)
		skip();
	AWAIT(&servers, knows_limit(), 90);
	atomic_store(&series.oom_killed, 1);
	atomic_store(&series.restarts, 1);
	AWAIT(&servers, is_done(), 90);
	list = nimbusguard_get(nimbusguard, "actions");
	action = json_array_get(list, 0);
	snprintf(live_words, sizeof(live_words), "%s",
		text_of(json_object_get(action, "plan"), "words"));
	snprintf(live_target, sizeof(live_target), "%s",
		text_of(json_object_get(action, "target"), "text"));
	json_decref(list);
	/* Prometheus has the alert among its series, too. */
	AWAIT(&servers,
		(list = prometheus_query(prometheus, "ALERTS{alertstate=\"firing\"}", 0),
			json_array_size(list) > 0 || (json_decref(list), false)),
		30);
	json_decref(list);
}

static void the_replay_of_prometheus_makes_the_same_plan(void **state)
{
	char from[160];
	const char *const arguments[] = {from, "--match=up",
		"--fail-if=actions{playbook=\"raise-memory-on-oom\"}!=1", NULL};
	json_t *report;

	if (nimbusguard == NULL)
		skip();
	snprintf(from, sizeof(from), "--from-prometheus=%s", prometheus->url);
	report = replay(arguments, 0);
	assert_string_equal(text_of(report, "alerts_from"), "ALERTS");
	check_plan(report);
	json_decref(report);
}

static void the_replay_of_the_recording_makes_the_same_plan(void **state)
{
	const char *const arguments[] = {recording, NULL};
	const char *const limited[] = {recording, "--fail-if=actions>0", NULL};
	json_t *report;

	if (nimbusguard == NULL)
		skip();
	server_end(nimbusguard);
	report = replay(arguments, 0);
	assert_string_equal(text_of(report, "alerts_from"), "webhooks");
	assert_true(json_integer_value(
			    json_object_get(json_object_get(report, "counts"), "samples")) > 0);
	check_plan(report);
	json_decref(report);
	json_decref(replay(limited, 1));
	server_end(manager);
	server_end(prometheus);
}

/* The folder of state holds the snapshot of the same rings. */
static void the_snapshot_holds_the_same_samples(void **state)
{
	char snapshot[SERVER_PATH_MAX + 64];
	const char *const arguments[] = {snapshot, NULL};
	json_t *report;

	if (nimbusguard == NULL)
		skip();
	snprintf(snapshot, sizeof(snapshot), "%.400s/nimbusguard/snapshot", servers.folder);
	report = replay(arguments, 0);
	assert_true(json_integer_value(
			    json_object_get(json_object_get(report, "counts"), "samples")) > 0);
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_is_answered_live_while_it_is_recorded),
		cmocka_unit_test(the_replay_of_prometheus_makes_the_same_plan),
		cmocka_unit_test(the_replay_of_the_recording_makes_the_same_plan),
		cmocka_unit_test(the_snapshot_holds_the_same_samples),
	};

	return cmocka_run_group_tests_name("replay", tests, setup, teardown);
}
