/* run-under: tsan */
/* Events on objects, against a scripted server: what is told and what is not, series, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remediations/kube_event.h"
#include "remediations/kube_object.h"
#include "tests/support/http_stub.h"

#define POST "POST /apis/events.k8s.io/v1/namespaces/"

struct fixture {
	struct http_stub *stub;
	struct kube_events *events;
	struct incident incident;
	struct observation seen;
	struct action action;
};

static int make_fixture(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .code = 201}};
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct kube_client_config config = {.timeout_ms = 60000, .backoff_ms = 1};
	struct kube_client *client;
	struct error error;
	char url[64];

	signal(SIGPIPE, SIG_IGN);
	metrics_reset();
	fixture->stub = http_stub_open(rules, 1, NULL, NULL);
	assert_non_null(fixture->stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(fixture->stub));
	config.url = url;
	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_OK);
	assert_int_equal(kube_events_open(&fixture->events, client, &error), STATUS_OK);
	fixture->action.target = (struct target){.kind = TARGET_DEPLOYMENT,
		.namespace_name = "shop",
		.name = "web",
		.uid = "u1"};
	fixture->action.plan.kind = ACTION_RESTART_WORKLOAD;
	fixture->seen = (struct observation){.found = true,
		.managed = true,
		.target = fixture->action.target};
	fixture->incident.observation = &fixture->seen;
	snprintf(fixture->incident.id, sizeof(fixture->incident.id), "i-1");
	*state = fixture;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *fixture = *state;

	kube_events_close(fixture->events);
	http_stub_close(fixture->stub);
	free(fixture);
	return 0;
}

static void tell_at(struct fixture *fixture, enum news_kind kind, const char *word,
	const char *text, int64_t time_ms)
{
	const struct news news = {.kind = kind,
		.time_ms = time_ms,
		.incident = &fixture->incident,
		.action = kind == NEWS_STATE ? &fixture->action : NULL,
		.playbook = "grow",
		.word = word,
		.text = text};

	kube_events_told(fixture->events, &news);
}

static void tell(struct fixture *fixture, enum news_kind kind, const char *word, const char *text)
{
	tell_at(fixture, kind, word, text, INT64_C(1700000000123));
}

static void tell_state(struct fixture *fixture, enum action_state state)
{
	fixture->action.state = state;
	tell(fixture, NEWS_STATE, action_state_name(state), "restart it");
}

/* Ends the thread, which writes what waits first. */
static void finish(struct fixture *fixture)
{
	kube_events_close(fixture->events);
	fixture->events = NULL;
}

static json_t *body(struct fixture *fixture, size_t i)
{
	json_t *object = json_loads(http_stub_body(fixture->stub, i), 0, NULL);

	assert_non_null(object);
	return object;
}

static void assert_text(const json_t *object, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	assert_string_equal(text, wanted);
}

static void event_has_all_that_the_server_asks_for(void **state)
{
	struct fixture *fixture = *state;
	json_t *event, *regarding, *metadata;

	tell_state(fixture, STATE_ROLLED_BACK);
	finish(fixture);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	assert_memory_equal(http_stub_request(fixture->stub, 0), POST "shop/events ",
		sizeof(POST "shop/events ") - 1);
	event = body(fixture, 0);
	assert_text(event, "apiVersion", "events.k8s.io/v1");
	assert_text(event, "eventTime", "2023-11-14T22:13:20.123000Z");
	assert_text(event, "reportingController", "nimbusguard.io/controller");
	assert_text(event, "reason", "RemediationRolledBack");
	assert_text(event, "action", "RestartWorkload");
	assert_text(event, "type", "Warning");
	assert_text(event, "note", "restart it (incident i-1, playbook grow)");
	assert_true(strlen(json_string_value(json_object_get(event, "reportingInstance"))) > 0);
	regarding = json_object_get(event, "regarding");
	assert_text(regarding, "apiVersion", "apps/v1");
	assert_text(regarding, "kind", "Deployment");
	assert_text(regarding, "namespace", "shop");
	assert_text(regarding, "uid", "u1");
	metadata = json_object_get(event, "metadata");
	assert_text(metadata, "namespace", "shop");
	assert_memory_equal(json_string_value(json_object_get(metadata, "name")), "web.", 4);
	assert_true(kube_name_valid(json_string_value(json_object_get(metadata, "name"))));
	json_decref(event);
}

static void event_of_a_node_stands_in_the_default_namespace(void **state)
{
	struct fixture *fixture = *state;
	json_t *event;

	fixture->action.target = (struct target){.kind = TARGET_NODE, .name = "n1"};
	tell_state(fixture, STATE_DONE);
	finish(fixture);
	assert_memory_equal(http_stub_request(fixture->stub, 0), POST "default/events ",
		sizeof(POST "default/events ") - 1);
	event = body(fixture, 0);
	assert_text(event, "type", "Normal");
	assert_null(kube_get(event, "regarding", "namespace", NULL));
	assert_null(kube_get(event, "regarding", "uid", NULL));
	json_decref(event);
}

static void what_changes_nothing_or_is_not_opted_in_is_not_told(void **state)
{
	static const char *const common[] = {"mode", "approval", "startup_grace", "not_firing",
		"kill_switch", "storm", "playbook_gone", "freeze"};
	struct fixture *fixture = *state;

	fixture->action.dry_run = true;
	tell_state(fixture, STATE_DONE);
	fixture->action.dry_run = false;
	tell_state(fixture, STATE_WRITTEN);
	tell_state(fixture, STATE_AWAITING_APPROVAL);
	fixture->action.plan.kind = ACTION_TICKET;
	tell_state(fixture, STATE_DONE);
	tell(fixture, NEWS_DECISION, "refuse", "x");
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		tell(fixture, NEWS_REFUSAL, common[i], "x");
	fixture->seen.managed = false;
	tell(fixture, NEWS_REFUSAL, "unmanaged", "x");
	fixture->incident.observation = NULL;
	tell(fixture, NEWS_REFUSAL, "cooldown", "x");
	kube_events_told(NULL, NULL);
	finish(fixture);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

static void refusal_is_told_once_and_becomes_a_series_of_incidents(void **state)
{
	struct fixture *fixture = *state;
	json_t *first, *patch;
	char path[400];

	tell(fixture, NEWS_REFUSAL, "cooldown", "3m");
	tell(fixture, NEWS_REFUSAL, "cooldown", "2m");
	tell(fixture, NEWS_REFUSAL, "replicas_owned", "x");
	snprintf(fixture->incident.id, sizeof(fixture->incident.id), "i-2");
	tell_at(fixture, NEWS_REFUSAL, "cooldown", "1m", INT64_C(1700000060000));
	finish(fixture);
	assert_int_equal(http_stub_request_count(fixture->stub), 3);
	first = body(fixture, 0);
	assert_text(first, "reason", "RemediationRefused");
	assert_text(first, "note", "cooldown: 3m (incident i-1, playbook grow)");
	snprintf(path, sizeof(path), "PATCH /apis/events.k8s.io/v1/namespaces/shop/events/%s ",
		json_string_value(kube_get(first, "metadata", "name", NULL)));
	assert_memory_equal(http_stub_request(fixture->stub, 2), path, strlen(path));
	patch = body(fixture, 2);
	assert_int_equal(json_integer_value(kube_get(patch, "series", "count", NULL)), 2);
	assert_text(json_object_get(patch, "series"), "lastObservedTime",
		"2023-11-14T22:14:20.000000Z");
	json_decref(first);
	json_decref(patch);
}

static void event_that_ended_meanwhile_is_made_anew(void **state)
{
	static const struct stub_rule rules[] = {{.start = "PATCH", .code = 404},
		{.start = "POST", .code = 201}};
	struct fixture *fixture = *state;

	http_stub_rules(fixture->stub, rules, 2);
	tell(fixture, NEWS_REFUSAL, "cooldown", "3m");
	snprintf(fixture->incident.id, sizeof(fixture->incident.id), "i-2");
	tell(fixture, NEWS_REFUSAL, "cooldown", "1m");
	finish(fixture);
	assert_int_equal(http_stub_request_count(fixture->stub), 3);
	assert_memory_equal(http_stub_request(fixture->stub, 2), "POST", 4);
}

static void flood_is_bounded_and_what_is_dropped_is_counted(void **state)
{
	struct fixture *fixture = *state;
	double written, dropped;

	for (int i = 0; i < 1000; i++)
		tell_state(fixture, STATE_SENT);
	finish(fixture);
	written = metrics_get(METRIC_KUBE_EVENTS, "written");
	dropped = metrics_get(METRIC_KUBE_EVENTS, "dropped");
	assert_true(written > 0 && written < 900);
	assert_int_equal((int)(written + dropped), 1000);
	assert_int_equal(http_stub_request_count(fixture->stub), (int)written);
}

static double outcomes(void)
{
	return metrics_get(METRIC_KUBE_EVENTS, "written") +
		metrics_get(METRIC_KUBE_EVENTS, "dropped");
}

static void rate_is_bounded_where_the_queue_is_not(void **state)
{
	struct fixture *fixture = *state;
	int64_t began_ns = clock_mono_ns(clock_system());
	double seconds;

	for (int i = 0; i < KUBE_EVENT_QUEUE_MAX; i++)
		tell_state(fixture, STATE_SENT);
	seconds = (double)(clock_mono_ns(clock_system()) - began_ns) / 1e9;
	for (int wait = 0; outcomes() < KUBE_EVENT_QUEUE_MAX; wait++) {
		assert_true(wait < 60000);
		clock_sleep_ms(1);
	}
	assert_true(metrics_get(METRIC_KUBE_EVENTS, "written") <=
		KUBE_EVENT_BURST + KUBE_EVENT_RATE * seconds + 1);
}

static void server_that_forbids_is_left_alone_for_a_while(void **state)
{
	static const struct stub_rule rules[] = {{.start = "", .code = 403}};
	struct fixture *fixture = *state;

	http_stub_rules(fixture->stub, rules, 1);
	for (int i = 0; i < 5; i++)
		tell_state(fixture, STATE_SENT);
	finish(fixture);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	assert_int_equal((int)metrics_get(METRIC_KUBE_EVENTS, "failed"), 1);
	assert_int_equal((int)metrics_get(METRIC_KUBE_EVENTS, "dropped"), 4);
}

static void long_words_are_cut_to_what_is_allowed(void **state)
{
	struct fixture *fixture = *state;
	char text[3000];
	json_t *event;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(fixture->action.target.name, 'n', 253);
	fixture->action.state = STATE_DONE;
	tell(fixture, NEWS_STATE, "done", text);
	finish(fixture);
	event = body(fixture, 0);
	assert_true(strlen(json_string_value(json_object_get(event, "note"))) <= 1024);
	assert_true(strlen(json_string_value(kube_get(event, "metadata", "name", NULL))) <= 253);
	json_decref(event);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(event_has_all_that_the_server_asks_for),
		T(event_of_a_node_stands_in_the_default_namespace),
		T(what_changes_nothing_or_is_not_opted_in_is_not_told),
		T(refusal_is_told_once_and_becomes_a_series_of_incidents),
		T(event_that_ended_meanwhile_is_made_anew),
		T(flood_is_bounded_and_what_is_dropped_is_counted),
		T(rate_is_bounded_where_the_queue_is_not),
		T(server_that_forbids_is_left_alone_for_a_while),
		T(long_words_are_cut_to_what_is_allowed),
	};

	return cmocka_run_group_tests_name("kube_event", tests, NULL, NULL);
}
