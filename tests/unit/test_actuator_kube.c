/* run-under: tsan */
/* The Kubernetes actuator's commands and its pool, against a scripted API server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "remediations/actuator_kube.h"
#include "tests/support/kube_fixture.h"

#define DEPLOYMENT "/apis/apps/v1/namespaces/shop/deployments/web"
#define QUERY "?fieldManager=nimbusguard HTTP/1.1\r\n"

static struct command make_command(enum action_kind kind, enum target_kind target, const char *name)
{
	struct command command = {.kind = kind, .action_id = "act-1", .text = "because \"slow\""};

	command.target = kube_target(target, "shop", name);
	snprintf(command.target.uid, sizeof(command.target.uid), "u1");
	snprintf(command.target.resource_version, sizeof(command.target.resource_version), "70");
	return command;
}

static struct command make_scale(void)
{
	struct command command = make_command(ACTION_SCALE, TARGET_DEPLOYMENT, "web");

	changes_set(&command.changes, CHANGE_REPLICAS, 3, 5);
	return command;
}

#define SEND(fixture, command, ...)                                                                \
	do {                                                                                       \
		static const struct stub_rule rules[] = {__VA_ARGS__};                             \
		kube_fixture_send(fixture, &(command), rules, ARRAY_COUNT(rules));                 \
	} while (0)

static void assert_line(struct kube_fixture *fixture, size_t i, const char *line)
{
	const char *request = http_stub_request(fixture->stub, i);

	if (strncmp(request, line, strlen(line)) != 0)
		fail_msg("request %zu is not %s but %.200s", i, line, request);
}

static void assert_type(struct kube_fixture *fixture, size_t i, const char *type)
{
	char header[100];

	snprintf(header, sizeof(header), "\r\nContent-Type: %s\r\n", type);
	assert_non_null(strstr(http_stub_request(fixture->stub, i), header));
}

static void assert_failed(struct kube_fixture *fixture, enum status status, const char *words)
{
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	if (fixture->result.error.code != status ||
		strstr(fixture->result.error.text, words) == NULL)
		fail_msg("%s: %s", status_label(fixture->result.error.code),
			fixture->result.error.text);
}

/* --- requests --- */

static void scale_is_an_absolute_number_with_a_precondition(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	SEND(fixture, command, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_string_equal(fixture->result.action_id, "act-1");
	assert_string_equal(fixture->result.detail, "scale Deployment shop/web 3 -> 5 replicas");
	assert_false(fixture->result.dry_run);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	assert_line(fixture, 0, "PATCH " DEPLOYMENT "/scale" QUERY);
	assert_type(fixture, 0, "application/merge-patch+json");
	assert_string_equal(http_stub_body(fixture->stub, 0),
		"{\"metadata\":{\"resourceVersion\":\"70\",\"uid\":\"u1\"},\"spec\":{\"replicas\":5}}");
}

static void pod_is_deleted_by_its_uid(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");

	*command.target.resource_version = '\0';
	SEND(fixture, command, {.start = "DELETE"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_line(fixture, 0, "DELETE /api/v1/namespaces/shop/pods/web-1 HTTP/1.1\r\n");
	assert_type(fixture, 0, "application/json");
	assert_string_equal(http_stub_body(fixture->stub, 0),
		"{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"u1\"}}");
}

#define METADATA                                                                                   \
	"\"metadata\":{\"resourceVersion\":\"70\",\"uid\":\"u1\",\"annotations\":{"                \
	"\"nimbusguard.io/action\":\"act-1\",\"nimbusguard.io/reason\":\"because \\\"slow\\\"\"}}"

#define MARKED(mark)                                                                               \
	"\"metadata\":{\"resourceVersion\":\"70\",\"uid\":\"u1\",\"annotations\":{"                \
	"\"nimbusguard.io/action\":\"act-1\",\"nimbusguard.io/reason\":\"because \\\"slow\\\"\","  \
	"\"nimbusguard.io/cordoned\":" mark "}}"

static void workload_is_restarted_as_kubectl_does(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_WORKLOAD, TARGET_STATEFULSET, "db");

	SEND(fixture, command, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_line(fixture, 0, "PATCH /apis/apps/v1/namespaces/shop/statefulsets/db" QUERY);
	assert_string_equal(http_stub_body(fixture->stub, 0),
		"{" METADATA ",\"spec\":{\"template\":{\"metadata\":{\"annotations\":{"
		"\"kubectl.kubernetes.io/restartedAt\":\"2023-11-14T22:13:20.000Z\"}}}}}");
}

static void limits_go_to_the_named_container(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT, "web");

	changes_set(&command.changes, CHANGE_MEMORY_LIMIT, INT64_C(512) << 20, INT64_C(768) << 20);
	changes_set(&command.changes, CHANGE_CPU_LIMIT, 1000, 1500);
	snprintf(command.target.container, sizeof(command.target.container), "app");
	SEND(fixture, command, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_line(fixture, 0, "PATCH " DEPLOYMENT QUERY);
	assert_type(fixture, 0, "application/strategic-merge-patch+json");
	assert_string_equal(http_stub_body(fixture->stub, 0),
		"{" METADATA ",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\","
		"\"resources\":{\"limits\":{\"memory\":\"768Mi\",\"cpu\":\"1500m\"}}}]}}}}");
}

#define ONE_CONTAINER "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"main\"}]}}}}"
#define TWO_CONTAINERS                                                                             \
	"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}}}"

static void unnamed_container_must_be_the_only_one(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT, "web");

	changes_set(&command.changes, CHANGE_CPU_LIMIT, 200, 250);
	SEND(fixture, command, {.start = "GET " DEPLOYMENT, .body = ONE_CONTAINER},
		{.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_non_null(strstr(http_stub_body(fixture->stub, 1),
		"{\"name\":\"main\",\"resources\":"
		"{\"limits\":{\"cpu\":\"250m\"}}}"));
	SEND(fixture, command, {.start = "GET " DEPLOYMENT, .body = TWO_CONTAINERS});
	assert_failed(fixture, STATUS_BAD_INPUT, "several containers");
	assert_int_equal(http_stub_request_count(fixture->stub), 3);
}

static void node_is_cordoned_and_back(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_CORDON, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_line(fixture, 0, "PATCH /api/v1/nodes/n1" QUERY);
	assert_string_equal(http_stub_body(fixture->stub, 0),
		"{" MARKED("\"act-1\"") ",\"spec\":{\"unschedulable\":true}}");
	changes_set(&command.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	SEND(fixture, command, {.start = "PATCH"});
	assert_string_equal(http_stub_body(fixture->stub, 1),
		"{" MARKED("null") ",\"spec\":{\"unschedulable\":false}}");
}

static void ticket_asks_nothing_of_the_cluster(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_TICKET, TARGET_NONE, "");

	SEND(fixture, command, {.start = "x"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

static void server_dry_run_is_asked_for(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	command.server_dry_run = true;
	SEND(fixture, command, {.start = ""});
	assert_true(fixture->result.dry_run);
	assert_line(fixture, 0,
		"PATCH " DEPLOYMENT "/scale?fieldManager=nimbusguard&dryRun=All HTTP/1.1\r\n");
	command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");
	command.server_dry_run = true;
	SEND(fixture, command, {.start = ""});
	assert_string_equal(http_stub_body(fixture->stub, 1),
		"{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"u1\"},"
		"\"dryRun\":[\"All\"]}");
}

/* --- outcomes --- */

static void outcome_follows_from_what_the_server_saw(void **state)
{
	static const struct {
		struct stub_rule rule;
		enum command_outcome outcome;
		enum status status;
	} table[] = {
		{{.start = "PATCH", .code = 400}, COMMAND_FAILED, STATUS_BAD_INPUT},
		{{.start = "PATCH", .code = 401}, COMMAND_FAILED, STATUS_UNAUTHENTICATED},
		{{.start = "PATCH", .code = 403}, COMMAND_FAILED, STATUS_FORBIDDEN},
		{{.start = "PATCH", .code = 404}, COMMAND_FAILED, STATUS_NOT_FOUND},
		{{.start = "PATCH", .code = 422}, COMMAND_FAILED, STATUS_BAD_INPUT},
		{{.start = "PATCH", .code = 302}, COMMAND_FAILED, STATUS_UNSUPPORTED},
		{{.start = "PATCH", .code = 429}, COMMAND_FAILED, STATUS_BUSY},
		{{.start = "PATCH", .code = 500}, COMMAND_UNKNOWN, STATUS_UNAVAILABLE},
		{{.start = "PATCH", .code = 503}, COMMAND_UNKNOWN, STATUS_UNAVAILABLE},
		{{.start = "PATCH", .code = 504}, COMMAND_UNKNOWN, STATUS_TIMEOUT},
		{{.start = "PATCH", .drop = true}, COMMAND_UNKNOWN, STATUS_UNAVAILABLE},
		{{.start = "PATCH", .body = "no json"}, COMMAND_UNKNOWN, STATUS_IO},
	};
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		kube_fixture_send(fixture, &command, &table[i].rule, 1);
		if (fixture->result.outcome != table[i].outcome ||
			fixture->result.error.code != table[i].status)
			fail_msg("row %zu: %d, %s", i, (int)fixture->result.outcome,
				fixture->result.error.text);
	}
	http_stub_rules(fixture->stub, NULL, 0);
}

static void silent_server_means_unknown(void **state)
{
	static const struct stub_rule any[] = {{.start = ""}};
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	http_stub_hold(fixture->stub, true);
	kube_fixture_send(fixture, &command, any, 1);
	assert_int_equal(fixture->result.outcome, COMMAND_UNKNOWN);
	assert_int_equal(fixture->result.error.code, STATUS_TIMEOUT);
}

static void unreachable_server_means_not_done(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	http_stub_close(fixture->stub);
	fixture->stub = NULL;
	kube_fixture_send(fixture, &command, NULL, 0);
	assert_failed(fixture, STATUS_UNAVAILABLE, "cannot reach the API server");
}

static void command_past_its_deadline_is_not_sent(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	command.deadline_ms = clock_now_ms(&fixture->clock.clock) - 1;
	SEND(fixture, command, {.start = "PATCH"});
	assert_failed(fixture, STATUS_TIMEOUT, "not sent");
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
	command.deadline_ms = clock_now_ms(&fixture->clock.clock) + 1000;
	SEND(fixture, command, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
}

static void command_that_makes_no_sense_is_not_sent(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	*command.target.uid = '\0';
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "nobody has looked");
	command = make_scale();
	*command.target.resource_version = '\0';
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "nobody has looked");
	command = make_scale();
	changes_set(&command.changes, CHANGE_REPLICAS, 3, -1);
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "negative");
	command = make_command(ACTION_SCALE, TARGET_DAEMONSET, "agent");
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "scale does not fit a DaemonSet");
	command = make_command(ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT, "web");
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "no limit to set");
	command = make_command(ACTION_RESTART_POD, TARGET_POD, "../secrets/x");
	SEND(fixture, command, {.start = ""});
	assert_failed(fixture, STATUS_BAD_INPUT, "can be no name of a Pod");
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

/* --- conflicts --- */

#define OBJECT(version, replicas, more)                                                            \
	"{\"metadata\":{\"uid\":\"u1\",\"resourceVersion\":\"" version "\"" more                   \
	"},\"spec\":{\"replicas\":" replicas "}}"

static void conflict_of_a_mere_status_is_got_over(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	SEND(fixture, command, {.start = "PATCH", .code = 409, .times = 1},
		{.start = "GET " DEPLOYMENT " ", .body = OBJECT("71", "3", "")},
		{.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(fixture->stub), 3);
	assert_non_null(strstr(http_stub_body(fixture->stub, 2), "\"resourceVersion\":\"71\""));
}

static void conflict_without_end_fails(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	SEND(fixture, command, {.start = "PATCH", .code = 409},
		{.start = "GET", .body = OBJECT("71", "3", "")});
	assert_failed(fixture, STATUS_CONFLICT, "409");
	assert_int_equal(http_stub_request_count(fixture->stub), 7);
}

static void conflict_with_what_is_wanted_is_done(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	SEND(fixture, command, {.start = "PATCH", .code = 409},
		{.start = "GET", .body = OBJECT("71", "5", "")});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(fixture->result.error.code, STATUS_OK);
	assert_non_null(strstr(fixture->result.detail, "(already so)"));
	assert_int_equal(http_stub_request_count(fixture->stub), 2);
}

static void conflict_with_somebody_elses_change_fails(void **state)
{
	static const struct stub_rule table[] = {
		{.start = "GET", .body = OBJECT("71", "4", "")},
		{.start = "GET",
			.body = OBJECT("71", "3",
				",\"annotations\":{\"nimbusguard.io/paused\":\"true\"}")},
		{.start = "GET",
			.body = OBJECT("71", "3",
				",\"annotations\":{\"nimbusguard.io/paused\":\"maybe\"}")},
		{.start = "GET",
			.body = OBJECT("71", "3",
				",\"annotations\":{\"nimbusguard.io/managed\":\"false\"}")},
		{.start = "GET",
			.body = OBJECT("71", "3",
				",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"")},
		{.start = "GET",
			.body = "{\"metadata\":{\"uid\":\"u2\"},\"spec\":{\"replicas\":3}}"},
		{.start = "GET", .code = 403},
		{.start = "GET", .code = 404},
	};
	struct kube_fixture *fixture = *state;
	struct command command = make_scale();

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct stub_rule rules[] = {{.start = "PATCH", .code = 409}, table[i]};

		kube_fixture_send(fixture, &command, rules, 2);
		assert_failed(fixture, STATUS_CONFLICT, "");
		assert_int_equal(http_stub_request_count(fixture->stub), 2 * (i + 1));
		http_stub_rules(fixture->stub, NULL, 0);
	}
}

static void pod_that_is_gone_is_restarted(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");

	SEND(fixture, command, {.start = "DELETE", .code = 404});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	SEND(fixture, command, {.start = "DELETE", .code = 409},
		{.start = "GET", .body = "{\"metadata\":{\"uid\":\"u2\"}}"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	SEND(fixture, command, {.start = "DELETE", .code = 409}, {.start = "GET", .code = 404});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	SEND(fixture, command, {.start = "DELETE", .code = 409},
		{.start = "GET", .body = "{\"metadata\":{\"uid\":\"u1\"}}"});
	assert_failed(fixture, STATUS_CONFLICT, "could not be deleted");
}

static void repeated_command_finds_its_key(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_WORKLOAD, TARGET_DEPLOYMENT, "web");

	SEND(fixture, command, {.start = "PATCH", .code = 409},
		{.start = "GET",
			.body = OBJECT("80", "3",
				",\"annotations\":{\"nimbusguard.io/action\":\"act-1\"}")});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(fixture->stub), 2);
}

#define LIMITED(memory)                                                                                \
	"{\"metadata\":{\"uid\":\"u1\",\"resourceVersion\":\"71\"},\"spec\":{\"template\":{\"spec\":{" \
	"\"containers\":[{\"name\":\"app\",\"resources\":{\"limits\":{\"memory\":\"" memory            \
	"\"}}}]}}}}"

static void conflict_of_limits_is_judged_by_their_value(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT, "web");

	changes_set(&command.changes, CHANGE_MEMORY_LIMIT, INT64_C(512) << 20, INT64_C(1) << 30);
	snprintf(command.target.container, sizeof(command.target.container), "app");
	SEND(fixture, command, {.start = "PATCH", .code = 409},
		{.start = "GET", .body = LIMITED("1024Mi")});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	SEND(fixture, command, {.start = "PATCH", .code = 409, .times = 1},
		{.start = "GET", .body = LIMITED("0.5Gi")}, {.start = "PATCH"});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(http_stub_request_count(fixture->stub), 5);
	SEND(fixture, command, {.start = "PATCH", .code = 409},
		{.start = "GET", .body = LIMITED("600Mi")});
	assert_failed(fixture, STATUS_CONFLICT, "changed since");
}

/* --- the pool --- */

static void full_queue_answers_busy(void **state)
{
	static const struct stub_rule any[] = {{.start = ""}};
	struct kube_fixture *fixture = *state;
	struct actuator *actuator = &fixture->actuator;
	struct command command = make_scale();
	unsigned accepted = 0;

	http_stub_rules(fixture->stub, any, 1);
	http_stub_hold(fixture->stub, true);
	while (actuator->vtable->send(actuator->self, &command) == STATUS_OK)
		accepted++;
	/* queue_max is 8 in the fixture; two more may be under way. */
	assert_in_range(accepted, 8, 10);
	/* Those under way may have made room since. */
	if (accepted == 10)
		assert_int_equal(actuator->vtable->send(actuator->self, &command), STATUS_BUSY);
	http_stub_hold(fixture->stub, false);
	kube_fixture_await(fixture, accepted, 0);
}

static void commands_overtake_questions(void **state)
{
	static const struct stub_rule any[] = {{.start = ""}};
	struct kube_fixture *fixture = *state;
	struct actuator *actuator = &fixture->actuator;
	struct command command = make_scale();
	struct target target = kube_target(TARGET_NODE, "", "n1");
	size_t i;

	http_stub_rules(fixture->stub, any, 1);
	http_stub_hold(fixture->stub, true);
	for (int n = 0; n < 6; n++)
		assert_int_equal(actuator->vtable->observe(actuator->self, 1, &target,
					 &fixture->purpose),
			STATUS_OK);
	assert_int_equal(actuator->vtable->send(actuator->self, &command), STATUS_OK);
	http_stub_hold(fixture->stub, false);
	kube_fixture_await(fixture, 1, 6);
	for (i = 0; strncmp(http_stub_request(fixture->stub, i), "PATCH", 5) != 0; i++)
		assert_in_range(i, 0, 3);
}

static void closing_answers_what_waits_without_sending_it(void **state)
{
	/* Both first answers are still to come when it is closed, even where that takes seconds. */
	static const struct stub_rule slow[] = {{.start = "", .delay_ms = 8000}};
	struct kube_fixture *fixture = *state;
	struct actuator *actuator = &fixture->actuator;
	struct command command = make_scale();
	struct target target = kube_target(TARGET_NODE, "", "n1");

	http_stub_rules(fixture->stub, slow, 1);
	for (int n = 0; n < 4; n++)
		assert_int_equal(actuator->vtable->send(actuator->self, &command), STATUS_OK);
	for (int n = 0; n < 3; n++)
		assert_int_equal(actuator->vtable->observe(actuator->self, 1, &target,
					 &fixture->purpose),
			STATUS_OK);
	while (http_stub_request_count(fixture->stub) < 2)
		clock_sleep_ms(1);
	actuator->vtable->close(actuator->self);
	actuator->vtable = NULL;
	kube_fixture_await(fixture, 4, 3);
	assert_int_equal(fixture->done, 2);
	assert_int_equal(http_stub_request_count(fixture->stub), 2);
	assert_int_equal(fixture->observation.error.code, STATUS_UNAVAILABLE);
}

static void bad_configuration_is_refused(void **state)
{
	struct kube_fixture *fixture = *state;
	struct actuator_kube_config config = {.url = "http://example.com", .clock = clock_system()};
	struct actuator_sink sink = {0};
	struct error error = {0};
	struct actuator actuator;

	(void)fixture;
	assert_int_equal(actuator_kube_open(&actuator, &config, &sink, &error), STATUS_BAD_INPUT);
	assert_null(actuator.vtable);
	config.url = "";
	assert_int_equal(actuator_kube_open(&actuator, &config, &sink, &error), STATUS_NOT_FOUND);
	assert_non_null(strstr(error.text, "not in a Kubernetes cluster"));
}

static void every_failed_allocation_is_an_answer(void **state)
{
	struct kube_fixture *fixture = *state;
	struct actuator *actuator = &fixture->actuator;
	struct command command = make_scale();
	bool reached = true;

	kube_fixture_send(fixture, &command, NULL, 0); /* the connection stands */
	for (long nth = 1; reached; nth++) {
		static const struct stub_rule rules[] = {{.start = "PATCH"}};
		unsigned finished = fixture->finished;
		enum status status;

		http_stub_rules(fixture->stub, rules, 1);
		mem_fail_after(nth, false);
		status = actuator->vtable->send(actuator->self, &command);
		if (status == STATUS_OK) {
			kube_fixture_await(fixture, finished + 1, 0);
			status = fixture->result.error.code;
		}
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kube_fixture_make, kube_fixture_remove)
		T(scale_is_an_absolute_number_with_a_precondition),
		T(pod_is_deleted_by_its_uid),
		T(workload_is_restarted_as_kubectl_does),
		T(limits_go_to_the_named_container),
		T(unnamed_container_must_be_the_only_one),
		T(node_is_cordoned_and_back),
		T(ticket_asks_nothing_of_the_cluster),
		T(server_dry_run_is_asked_for),
		T(outcome_follows_from_what_the_server_saw),
		cmocka_unit_test_setup_teardown(silent_server_means_unknown,
			kube_fixture_make_hasty, kube_fixture_remove),
		T(unreachable_server_means_not_done),
		T(command_past_its_deadline_is_not_sent),
		T(command_that_makes_no_sense_is_not_sent),
		T(conflict_of_a_mere_status_is_got_over),
		T(conflict_without_end_fails),
		T(conflict_with_what_is_wanted_is_done),
		T(conflict_with_somebody_elses_change_fails),
		T(pod_that_is_gone_is_restarted),
		T(repeated_command_finds_its_key),
		T(conflict_of_limits_is_judged_by_their_value),
		T(full_queue_answers_busy),
		T(commands_overtake_questions),
		T(closing_answers_what_waits_without_sending_it),
		T(bad_configuration_is_refused),
		T(every_failed_allocation_is_an_answer),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("actuator_kube", tests, NULL, NULL);
}
