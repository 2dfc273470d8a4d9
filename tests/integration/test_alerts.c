/*
 * From a raw series over a real Prometheus' alert and two real Alertmanagers that do not know of each
 * other to one incident with one dry-run plan: two deliveries are one incident, a repeat is nothing
 * new, a resolved alert changes nothing.
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
static struct server *nimbusguard, *prometheus, *managers[2];
static struct raw_series series;
static struct target_page *target;

static const char *const flags[] = {"--log.level=debug", "--guard.startup-grace=0s",
	"--remediate.opt-in={namespace=\"shop\"}", NULL};

static int setup(void **state)
{
	char job[256], alerting[512], *config, *receiver;

	if (!servers_there(true, true))
		return 0;
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	prometheus = server_add(&servers, "prometheus");
	managers[0] = server_add(&servers, "alertmanager-a");
	managers[1] = server_add(&servers, "alertmanager-b");
	raw_series_init(&series);
	target = target_open(raw_series_write, &series);
	nimbusguard_start(&servers, nimbusguard, flags);
	/* The shipped snippet; only its waits are shorter, so that repeats come within the test. */
	receiver = snippet_receiver(nimbusguard);
	receiver = text_replace(receiver, "group_wait: 5s", "group_wait: 1s");
	receiver = text_replace(receiver, "group_interval: 30s", "group_interval: 2s");
	receiver = text_replace(receiver, "repeat_interval: 4h", "repeat_interval: 4s");
	for (int i = 0; i < 2; i++)
		alertmanager_start(&servers, managers[i], receiver);
	free(receiver);
	snprintf(job, sizeof(job),
		"- job_name: raw\n  honor_labels: true\n  static_configs:\n"
		"  - targets: ['127.0.0.1:%u']\n",
		target_port(target));
	snprintf(alerting, sizeof(alerting),
		"alerting:\n  alertmanagers:\n  - static_configs:\n"
		"    - targets: ['%s', '%s']\n",
		managers[0]->address, managers[1]->address);
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

static size_t length_of(const char *path)
{
	json_t *list = nimbusguard_get(nimbusguard, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

/* The first of a list of one. */
static json_t *only(const char *path)
{
	json_t *list = nimbusguard_get(nimbusguard, path), *one;

	if (json_array_size(list) != 1) {
		servers_tell(&servers);
		fail_msg("%s: %zu instead of one", path, json_array_size(list));
	}
	one = json_incref(json_array_get(list, 0));
	json_decref(list);
	return one;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

static double received(const char *status)
{
	char name[128];

	snprintf(name, sizeof(name), "nimbusguard_alerts_received_total{status=\"%s\"}", status);
	return web_metric(nimbusguard->url, name);
}

static double duplicates(void)
{
	return web_metric_sum(nimbusguard->url, "nimbusguard_alerts_duplicate_total");
}

/* What an Alertmanager says it has delivered. */
static double delivered(int manager)
{
	return web_metric(managers[manager]->url,
		"alertmanager_notifications_total{integration=\"webhook\"}");
}

/* Of one that stands alone nobody is to be told that none leads. */
static void without_an_election_it_leads(void **state)
{
	(void)state;
	if (nimbusguard == NULL)
		skip();
	assert_true(web_metric(nimbusguard->url, "nimbusguard_leader") == 1);
}

static char incident_id[128];

static void two_deliveries_of_one_alert_are_one_incident_and_one_plan(void **state)
{
	json_t *incident, *action, *alert;

	if (nimbusguard == NULL)
		skip();
	/* The owners of pods are recorded each 15 s; without them there is no alert. */
	AWAIT(&servers, length_of("workloads") == 1, 60);
	assert_int_equal(length_of("incidents"), 0);
	atomic_store(&series.oom_killed, 1);
	atomic_store(&series.restarts, 1);
	AWAIT(&servers, delivered(0) >= 1 && delivered(1) >= 1, 60);
	AWAIT(&servers, received("firing") >= 2, 30);
	assert_true(
		web_metric(nimbusguard->url,
			"nimbusguard_http_requests_total{handler=\"webhook\",code=\"200\"}") >= 2);
	AWAIT(&servers, length_of("actions") > 0, 30);
	/* Both were taken; the second told nothing new. */
	AWAIT(&servers, duplicates() == received("firing") - 1, 10);
	alert = only("alerts");
	incident = only("incidents");
	action = only("actions");
	assert_string_equal(text_of(json_object_get(alert, "labels"), "pod"), "web-6f-a");
	assert_string_equal(text_of(incident, "name"), "NimbusGuardContainerOOMKilled");
	assert_string_equal(text_of(incident, "playbook"), "raise-memory-on-oom");
	assert_string_equal(text_of(json_object_get(incident, "target"), "text"),
		"shop/Deployment/web container app");
	assert_int_equal(json_array_size(json_object_get(incident, "actions")), 1);
	assert_string_equal(text_of(action, "incident"), text_of(incident, "id"));
	assert_string_equal(text_of(action, "kind"), "adjust_resources");
	assert_true(json_is_true(json_object_get(action, "dry_run")));
	snprintf(incident_id, sizeof(incident_id), "%s", text_of(incident, "id"));
	assert_true(server_said(nimbusguard, "Dry run"));
	json_decref(alert);
	json_decref(incident);
	json_decref(action);
}

static void why_says_what_was_decided_and_from_what(void **state)
{
	char path[256], *text;
	json_t *why;

	if (nimbusguard == NULL)
		skip();
	snprintf(path, sizeof(path), "why/%s", incident_id);
	why = nimbusguard_get(nimbusguard, path);
	text = json_dumps(why, JSON_COMPACT);
	assert_non_null(strstr(text, "raise-memory-on-oom"));
	assert_non_null(strstr(text, "\"dry_run\":true"));
	free(text);
	json_decref(why);
}

static void a_repeat_is_nothing_new(void **state)
{
	double before;

	if (nimbusguard == NULL)
		skip();
	before = received("firing");
	AWAIT(&servers, received("firing") >= before + 2, 60);
	json_decref(only("incidents"));
	json_decref(only("actions"));
}

static void a_resolved_alert_triggers_nothing(void **state)
{
	json_t *incident;

	if (nimbusguard == NULL)
		skip();
	atomic_store(&series.oom_killed, 0);
	AWAIT(&servers, received("resolved") >= 2, 60);
	incident = only("incidents");
	assert_string_equal(text_of(incident, "id"), incident_id);
	AWAIT(&servers,
		(json_decref(incident), incident = only("incidents"),
			json_is_false(json_object_get(incident, "firing"))),
		30);
	json_decref(incident);
	json_decref(only("actions"));
	assert_true(web_metric(nimbusguard->url, "nimbusguard_journal_errors_total") <= 0);
}

static void the_journal_remembers_it_after_a_restart(void **state)
{
	json_t *incident;

	if (nimbusguard == NULL)
		skip();
	server_end(nimbusguard);
	nimbusguard_start(&servers, nimbusguard, flags);
	incident = only("incidents");
	assert_string_equal(text_of(incident, "id"), incident_id);
	json_decref(incident);
	json_decref(only("actions"));
	assert_true(length_of("alerts") >= 1);
	for (int i = 0; i < 2; i++)
		server_end(managers[i]);
	server_end(prometheus);
	server_end(nimbusguard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_election_it_leads),
		cmocka_unit_test(two_deliveries_of_one_alert_are_one_incident_and_one_plan),
		cmocka_unit_test(why_says_what_was_decided_and_from_what),
		cmocka_unit_test(a_repeat_is_nothing_new),
		cmocka_unit_test(a_resolved_alert_triggers_nothing),
		cmocka_unit_test(the_journal_remembers_it_after_a_restart),
	};

	return cmocka_run_group_tests_name("alerts", tests, setup, teardown);
}
