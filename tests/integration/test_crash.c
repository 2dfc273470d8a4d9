/*
 * kill -9 in the middle of a burst of webhooks, again and again on the same journal: no acknowledged
 * alert is lost and none is acted on twice, though senders repeat what was not acknowledged and much
 * that was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "remediations/journal.h"
#include "tests/support/servers.h"

#define ROUNDS 4
#define CLIENTS 8
#define ALERTS 1600
#define PER_ROUND (ALERTS / ROUNDS)

/* The budgets are not what is tested here. */
static const char *const flags[] = {"--guard.startup-grace=0s", "--guard.storm-alerts=1000000",
	"--guard.per-target=100000", "--guard.per-namespace=100000", "--guard.per-kind=100000",
	"--guard.per-cluster=100000", "--guard.concurrent=10000",
	"--remediate.opt-in={namespace=\"shop\"}", NULL};

static struct servers servers;
static struct server *nimbusguard;
static atomic_bool acknowledged[ALERTS];
static atomic_int next_alert, answers;
static int last_alert;

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

/* Each alert is a workload's own. */
static bool post(int alert)
{
	char body[2048], url[256];
	struct web_answer answer;
	bool good;

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"groupKey\":\"{}:{}\",\"truncatedAlerts\":0,\"status\":\"firing\","
		"\"receiver\":\"nimbusguard\",\"groupLabels\":{},\"commonLabels\":{},"
		"\"commonAnnotations\":{},\"externalURL\":\"http://am\",\"alerts\":[{"
		"\"status\":\"firing\",\"labels\":{\"alertname\":\"Burst\",\"namespace\":\"shop\","
		"\"deployment\":\"web-%d\",\"severity\":\"warning\"},\"annotations\":{},"
		"\"startsAt\":\"2026-01-02T03:04:05Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
		"\"generatorURL\":\"\",\"fingerprint\":\"0000000000000000\"}]}",
		alert);
	snprintf(url, sizeof(url), "%s/api/v1/webhook", nimbusguard->url);
	answer = web_call("POST", url, NULL, body);
	good = answer.status == 200;
	web_answer_fini(&answer);
	return good;
}

/* Posts the round's alerts, and now and then one of those that were answered before. */
static void *burst(void *argument)
{
	struct random random;
	int alert;

	random_init(&random, (uint64_t)(uintptr_t)argument);
	while ((alert = atomic_fetch_add(&next_alert, 1)) < last_alert) {
		if (post(alert))
			atomic_store(&acknowledged[alert], true);
		atomic_fetch_add(&answers, 1);
		if (random_below(&random, 4) == 0 && alert > 0)
			(void)post((int)random_below(&random, (uint64_t)alert));
	}
	return NULL;
}

static int count_acknowledged(void)
{
	int count = 0;

	for (int i = 0; i < ALERTS; i++)
		count += atomic_load(&acknowledged[i]);
	return count;
}

/* Which of the alerts the list of /api/v1/alerts holds. */
static void note_alerts(bool known[ALERTS])
{
	json_t *list = nimbusguard_get(nimbusguard, "alerts?limit=100000"), *alert;
	size_t i;

	memset(known, 0, ALERTS * sizeof(known[0]));
	json_array_foreach(list, i, alert)
	{
		const char *name = json_string_value(
			json_object_get(json_object_get(alert, "labels"), "deployment"));
		long number = strtol(name + strlen("web-"), NULL, 10);

		assert_in_range(number, 0, ALERTS - 1);
		assert_false(known[number]);
		known[number] = true;
	}
	json_decref(list);
}

static void no_acknowledged_alert_is_lost(void **state)
{
	static bool known[ALERTS];
	struct random random;

	if (nimbusguard == NULL)
		skip();
	random_init(&random, 20260102);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t clients[CLIENTS];
		int kill_at = 30 + (int)random_below(&random, PER_ROUND - 100), before;

		nimbusguard_start(&servers, nimbusguard, flags);
		note_alerts(known);
		for (int i = 0; i < ALERTS; i++)
			if (atomic_load(&acknowledged[i]) && !known[i])
				fail_msg("alert %d was acknowledged and is lost", i);
		before = count_acknowledged();
		atomic_store(&next_alert, round * PER_ROUND);
		atomic_store(&answers, 0);
		last_alert = (round + 1) * PER_ROUND;
		for (uintptr_t i = 0; i < CLIENTS; i++)
			pthread_create(&clients[i], NULL, burst,
				(void *)((uintptr_t)round * CLIENTS + i + 1));
		while (atomic_load(&answers) < kill_at)
			clock_sleep_ms(1);
		server_kill(nimbusguard);
		for (int i = 0; i < CLIENTS; i++)
			pthread_join(clients[i], NULL);
		print_message("round %d: killed after %d answers, %d acknowledged\n", round,
			kill_at, count_acknowledged() - before);
		assert_in_range(count_acknowledged() - before, 1, PER_ROUND - 1);
	}
}

static size_t incident_count(void)
{
	json_t *list = nimbusguard_get(nimbusguard, "incidents?state=handed_over&limit=100000");
	size_t count = json_array_size(list);

	json_decref(list);
	return count;
}

static void note_targets(bool seen[ALERTS])
{
	json_t *list = nimbusguard_get(nimbusguard, "incidents?limit=100000"), *incident;
	size_t i;

	assert_int_equal(json_array_size(list), ALERTS);
	json_array_foreach(list, i, incident)
	{
		const char *name = json_string_value(
			json_object_get(json_object_get(incident, "target"), "name"));
		long number = strtol(name + strlen("web-"), NULL, 10);

		assert_in_range(number, 0, ALERTS - 1);
		if (seen[number])
			fail_msg("%s has two incidents", name);
		seen[number] = true;
	}
	json_decref(list);
}

/* An action that was under way when the service was killed is looked after; a dry run can have done
 * nothing, so it is tried again as another action. All others are the only one of their incident. */
static void each_alert_is_one_incident_and_done_once(void **state)
{
	static bool seen[ALERTS];
	json_t *list, *action, *done = json_object();
	size_t i, again = 0;

	if (nimbusguard == NULL) {
		json_decref(done);
		skip();
	}
	nimbusguard_start(&servers, nimbusguard, flags);
	/* The senders repeat everything, as Alertmanager does. */
	for (int alert = 0; alert < ALERTS; alert++)
		assert_true(post(alert));
	AWAIT(&servers, incident_count() == ALERTS, 60);
	note_targets(seen);
	list = nimbusguard_get(nimbusguard, "actions?limit=100000");
	json_array_foreach(list, i, action)
	{
		const char *incident = json_string_value(json_object_get(action, "incident"));
		const char *reason = json_string_value(json_object_get(action, "reason"));

		assert_true(json_is_true(json_object_get(action, "ended")));
		if (strcmp(json_string_value(json_object_get(action, "state")), "failed") == 0) {
			assert_string_equal(reason, "not_done");
			again++;
		} else {
			assert_null(json_object_get(done, incident));
			json_object_set_new(done, incident, json_true());
		}
	}
	print_message("%zu actions were interrupted and tried again\n", again);
	assert_int_equal(json_object_size(done), ALERTS);
	json_decref(list);
	json_decref(done);
	server_end(nimbusguard);
}

/* How often the records of an incident's actions say that something was done. */
struct done {
	json_t *counts;
	int twice;
};

static bool note_action(void *argument, const struct record *record)
{
	struct done *done = argument;
	json_t *body = json_loads(record->body, 0, NULL);
	const char *action_state = json_string_value(json_object_get(body, "state"));

	assert_non_null(action_state);
	if (strcmp(action_state, "done") == 0) {
		done->twice += json_object_get(done->counts, record->incident) != NULL;
		json_object_set_new(done->counts, record->incident, json_true());
	}
	json_decref(body);
	return true;
}

/* The journal itself, after all of that. */
static void no_action_was_done_twice(void **state)
{
	char path[SERVER_PATH_MAX * 2];
	struct journal_config config = {.path = path, .queue_max = 100, .clock = clock_system()};
	struct journal_query query = {.kind = RECORD_ACTION};
	struct done done = {.counts = json_object()};
	struct journal *journal;
	struct error error;

	if (nimbusguard == NULL) {
		json_decref(done.counts);
		skip();
	}
	snprintf(path, sizeof(path), "%s/%s/journal.sqlite", servers.folder, nimbusguard->name);
	journal = journal_open(&config, &error);
	if (journal == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(journal_read(journal, &query, note_action, &done, &error), STATUS_OK);
	assert_int_equal(done.twice, 0);
	assert_int_equal(json_object_size(done.counts), ALERTS);
	journal_close(journal);
	json_decref(done.counts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_acknowledged_alert_is_lost),
		cmocka_unit_test(each_alert_is_one_incident_and_done_once),
		cmocka_unit_test(no_action_was_done_twice),
	};

	return cmocka_run_group_tests_name("crash", tests, setup, teardown);
}
