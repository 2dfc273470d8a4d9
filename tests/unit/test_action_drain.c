/* run-under: tsan */
/* What is done to nodes and pods on the way to an empty node: drain, uncordon, eviction; against a
 * scripted API server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actuator_kube.h"
#include "remediations/permissions.h"
#include "remediations/plan.h"
#include "tests/support/kube_fixture.h"

#define NODE "/api/v1/nodes/n1"
#define PODS "GET /api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Dn1 HTTP"
#define OPEN_NODE                                                                                  \
	"{\"metadata\":{\"name\":\"n1\",\"uid\":\"u1\",\"resourceVersion\":\"71\"},\"spec\":{}}"
#define CORDONED(marks, writer)                                                                            \
	"{\"metadata\":{\"name\":\"n1\",\"uid\":\"u1\",\"resourceVersion\":\"72\",\"annotations\":{" marks \
	"},\"managedFields\":[{\"manager\":\"" writer                                                      \
	"\",\"operation\":\"Update\",\"time\":\"2023-11-14T22:00:00Z\",\"fieldsV1\":"                      \
	"{\"f:spec\":{\"f:unschedulable\":{}}}}]},\"spec\":{\"unschedulable\":true}}"
#define MARK(id) "\"nimbusguard.io/cordoned\":\"" id "\""
#define OURS CORDONED(MARK("act-1"), "nimbusguard")
#define POD(name, more)                                                                            \
	"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name "\",\"uid\":\"uid-" name          \
	"\"" more "},\"status\":{\"phase\":\"Running\"}}"
#define OWNED                                                                                      \
	",\"ownerReferences\":[{\"controller\":true,\"kind\":\"ReplicaSet\","                      \
	"\"apiVersion\":\"apps/v1\"}]"
#define LIST(items) "{\"metadata\":{},\"items\":[" items "]}"
#define TWO LIST(POD("web-1", OWNED) "," POD("web-2", OWNED))
#define BUDGET                                                                                     \
	"{\"kind\":\"Status\",\"code\":429,\"reason\":\"TooManyRequests\",\"message\":\"no\","     \
	"\"details\":{\"causes\":[{\"reason\":\"DisruptionBudget\",\"message\":\"0 left\"}]}}"

static struct command make_command(enum action_kind kind, enum target_kind target, const char *name)
{
	struct command command = {.kind = kind, .action_id = "act-1", .text = "because"};

	command.target = kube_target(target, target == TARGET_NODE ? "" : "shop", name);
	snprintf(command.target.uid, sizeof(command.target.uid), "u1");
	snprintf(command.target.resource_version, sizeof(command.target.resource_version), "70");
	if (target == TARGET_NODE)
		changes_set(&command.changes, CHANGE_UNSCHEDULABLE, 0, 1);
	return command;
}

#define SEND(fixture, command, ...)                                                                \
	do {                                                                                       \
		static const struct stub_rule rules[] = {__VA_ARGS__};                             \
		kube_fixture_send(fixture, &(command), rules, ARRAY_COUNT(rules));                 \
	} while (0)

static size_t count_of(struct kube_fixture *fixture, const char *line)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++)
		count += strncmp(http_stub_request(fixture->stub, i), line, strlen(line)) == 0;
	return count;
}

/* The body of the n-th request with this line, from 0; "" when there is none. */
static const char *body_of(struct kube_fixture *fixture, const char *line, size_t n)
{
	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++)
		if (strncmp(http_stub_request(fixture->stub, i), line, strlen(line)) == 0 &&
			n-- == 0)
			return http_stub_body(fixture->stub, i);
	return "";
}

static void assert_failed(struct kube_fixture *fixture, const char *words)
{
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	if (strstr(fixture->result.error.text, words) == NULL)
		fail_msg("%s", fixture->result.error.text);
}

static void node_is_cordoned_and_then_its_pods_are_evicted(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .body = TWO, .times = 2},
		{.start = PODS, .body = LIST("")}, {.start = "GET " NODE, .body = OPEN_NODE},
		{.start = "PATCH " NODE}, {.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_string_equal(fixture->result.detail, "drain Node n1");
	assert_int_equal(count_of(fixture, "POST"), 2);
	assert_int_equal(count_of(fixture, "PATCH"), 1);
	/* Looked at, cordoned, and only then evicted. */
	assert_int_equal(strncmp(http_stub_request(fixture->stub, 0), "GET /api/v1/pods", 16), 0);
	assert_int_equal(strncmp(http_stub_request(fixture->stub, 2), "PATCH", 5), 0);
	assert_string_equal(body_of(fixture, "PATCH", 0),
		"{\"metadata\":{\"resourceVersion\":\"71\",\"uid\":\"u1\",\"annotations\":{"
		"\"nimbusguard.io/action\":\"act-1\",\"nimbusguard.io/reason\":\"because\"," MARK(
			"act-1") "}},\"spec\":{\"unschedulable\":true}}");
	assert_string_equal(body_of(fixture,
				    "POST /api/v1/namespaces/shop/pods/web-2/eviction HTTP", 0),
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"web-2\","
		"\"namespace\":\"shop\"},\"deleteOptions\":{\"preconditions\":{\"uid\":\"uid-web-2\"}}}");
}

/* Of a DaemonSet, static, finished, and one that is going already. */
#define STAYING                                                                                                                                              \
	POD("daemon",                                                                                                                                        \
		",\"ownerReferences\":[{\"controller\":true,\"kind\":\"DaemonSet\","                                                                         \
		"\"apiVersion\":\"apps/v1\"}]")                                                                                                              \
	"," POD("static",                                                                                                                                    \
		",\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}") ","                                                                              \
									    "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"job\",\"uid\":\"u-job\"" OWNED \
									    "},\"status\":{\"phase\":\"Succeeded\"}}"
#define GOING POD("going", OWNED ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"")

static void what_stays_or_goes_already_is_not_evicted(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command,
		{.start = PODS,
			.body = LIST(STAYING "," GOING "," POD("web-1", OWNED)),
			.times = 2},
		{.start = PODS, .body = LIST(STAYING)}, {.start = "GET " NODE, .body = OPEN_NODE},
		{.start = "PATCH " NODE}, {.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(count_of(fixture, "POST"), 1);
	assert_int_equal(count_of(fixture, "POST /api/v1/namespaces/shop/pods/web-1/eviction"), 1);
}

#define NO                                                                                         \
	"{\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\",\"message\":\"no list for you\"}"

static void a_no_of_a_server_that_starts_is_outlasted(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .body = TWO, .times = 2},
		{.start = PODS, .code = 403, .body = NO, .times = 2},
		{.start = PODS, .body = LIST("")}, {.start = "GET " NODE, .body = OPEN_NODE},
		{.start = "PATCH " NODE}, {.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(count_of(fixture, "PATCH"), 1);
	assert_int_equal(count_of(fixture, "GET /api/v1/pods"), 5);
}

static void a_no_from_the_first_is_one(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .code = 403, .body = NO},
		{.start = "GET " NODE, .body = OPEN_NODE}, {.start = "PATCH " NODE});
	assert_failed(fixture, "no list for you");
	assert_int_equal(count_of(fixture, "PATCH"), 0);
	assert_int_equal(count_of(fixture, "GET /api/v1/pods"), 1);
}

#define OTHER_NODE                                                                                 \
	"{\"metadata\":{\"name\":\"n1\",\"uid\":\"u2\",\"resourceVersion\":\"1\"},\"spec\":{}}"

static void another_node_of_the_name_is_left_alone(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .body = TWO},
		{.start = "GET " NODE, .body = OTHER_NODE}, {.start = "PATCH " NODE},
		{.start = "POST", .code = 201});
	assert_failed(fixture, "another node by now");
	assert_int_equal(count_of(fixture, "PATCH"), 0);
	assert_int_equal(count_of(fixture, "POST"), 0);
}

static void pod_that_forbids_it_leaves_all_as_it_was(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command,
		{.start = PODS, .body = LIST(POD("web-1", OWNED) "," POD("bare", ""))},
		{.start = "GET " NODE, .body = OPEN_NODE});
	assert_failed(fixture, "Pod shop/bare has no controller");
	assert_int_equal(count_of(fixture, "PATCH"), 0);
	assert_int_equal(count_of(fixture, "POST"), 0);
	command.options.unowned = true;
	SEND(fixture, command, {.start = PODS, .body = LIST(POD("bare", "")), .times = 2},
		{.start = PODS, .body = LIST("")}, {.start = "GET " NODE, .body = OPEN_NODE},
		{.start = "PATCH " NODE}, {.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
}

static void exhausted_budget_is_waited_for(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command,
		{.start = "POST /api/v1/namespaces/shop/pods/web-1",
			.code = 429,
			.body = BUDGET,
			.times = 1},
		{.start = "POST", .code = 201}, {.start = PODS, .body = TWO, .times = 2},
		{.start = PODS, .body = LIST(POD("web-1", OWNED)), .times = 9},
		{.start = PODS, .body = LIST("")}, {.start = "GET " NODE, .body = OPEN_NODE},
		{.start = "PATCH " NODE});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_true(count_of(fixture, "POST /api/v1/namespaces/shop/pods/web-1/") >= 2);
	assert_int_equal(count_of(fixture, "POST /api/v1/namespaces/shop/pods/web-2/"), 1);
	assert_non_null(strstr(fixture->progress, "of 2 pods are gone"));
	assert_int_equal(count_of(fixture, "PATCH"), 1);
}

static void failed_drain_uncordons_what_it_cordoned(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .body = TWO},
		{.start = "GET " NODE, .body = OPEN_NODE, .times = 1},
		{.start = "GET " NODE, .body = OURS}, {.start = "PATCH " NODE},
		{.start = "POST", .code = 403});
	assert_failed(fixture, "the node was uncordoned");
	assert_non_null(strstr(fixture->result.error.text, "pod shop/web-1"));
	assert_int_equal(count_of(fixture, "PATCH"), 2);
	assert_non_null(strstr(body_of(fixture, "PATCH", 1), "\"nimbusguard.io/cordoned\":null"));
	assert_non_null(strstr(body_of(fixture, "PATCH", 1), "\"resourceVersion\":\"72\""));
	assert_non_null(strstr(body_of(fixture, "PATCH", 1), "\"unschedulable\":false"));
}

static void what_others_cordoned_stays_cordoned(void **state)
{
	static const char *const others[] = {CORDONED("", "kubectl-cordon"),
		CORDONED(MARK("act-0"), "nimbusguard"), CORDONED(MARK("act-1"), "kubectl-cordon")};
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		struct stub_rule rules[] = {{.start = PODS, .body = TWO},
			{.start = "GET " NODE, .body = others[i]}, {.start = "PATCH"},
			{.start = "POST", .code = 403}};

		kube_fixture_send(fixture, &command, rules, ARRAY_COUNT(rules));
		assert_failed(fixture, "pod shop/web-1");
		assert_null(strstr(fixture->result.error.text, "uncordoned"));
		http_stub_rules(fixture->stub, NULL, 0);
	}
	assert_int_equal(count_of(fixture, "PATCH"), 0);
}

static void begun_drain_goes_on_where_it_stopped(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	SEND(fixture, command, {.start = PODS, .body = LIST(POD("web-2", OWNED)), .times = 2},
		{.start = PODS, .body = LIST("")}, {.start = "GET " NODE, .body = OURS},
		{.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(count_of(fixture, "PATCH"), 0);
	assert_int_equal(count_of(fixture, "POST"), 1);
}

static void begun_drain_past_its_time_is_taken_back(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	command.deadline_ms = clock_now_ms(&fixture->clock.clock) - 1;
	SEND(fixture, command, {.start = "GET " NODE, .body = OURS}, {.start = "PATCH " NODE});
	assert_failed(fixture, "its time had passed: not sent; the node was uncordoned");
	assert_int_equal(count_of(fixture, "PATCH"), 1);
	assert_int_equal(count_of(fixture, "POST"), 0);
}

static void kill_switch_stops_a_drain_and_leaves_what_was_begun(void **state)
{
	static const struct stub_rule rules[] = {{.start = PODS, .body = TWO},
		{.start = "GET " NODE, .body = OPEN_NODE}, {.start = "PATCH " NODE},
		{.start = "POST", .code = 429, .body = BUDGET}};
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");
	bool begun = false;

	http_stub_rules(fixture->stub, rules, ARRAY_COUNT(rules));
	assert_int_equal(fixture->actuator.vtable->send(fixture->actuator.self, &command),
		STATUS_OK);
	while (!begun) {
		clock_sleep_ms(20);
		pthread_mutex_lock(&fixture->lock);
		begun = *fixture->progress != '\0';
		pthread_mutex_unlock(&fixture->lock);
	}
	atomic_store(&fixture->paused, true);
	kube_fixture_await(fixture, 1, 0);
	assert_int_equal(fixture->result.outcome, COMMAND_UNKNOWN);
	assert_non_null(strstr(fixture->result.error.text, "the kill switch is on: 0 of 2 pods"));
	assert_int_equal(count_of(fixture, "PATCH"), 1);
}

static void undone_drain_uncordons(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_DRAIN, TARGET_NODE, "n1");

	changes_set(&command.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	SEND(fixture, command, {.start = "PATCH " NODE});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_string_equal(fixture->result.detail, "uncordon Node n1");
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
	assert_non_null(strstr(body_of(fixture, "PATCH", 0), "\"unschedulable\":false"));
}

static void uncordon_takes_the_mark_away(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_UNCORDON, TARGET_NODE, "n1");

	changes_set(&command.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	SEND(fixture, command, {.start = "PATCH " NODE});
	assert_string_equal(fixture->result.detail, "uncordon Node n1");
	assert_non_null(strstr(body_of(fixture, "PATCH", 0),
		"\"nimbusguard.io/cordoned\":null}},\"spec\":{\"unschedulable\":false}}"));
	/* Somebody cordoned it anew meanwhile: it is theirs. */
	SEND(fixture, command, {.start = "PATCH " NODE, .code = 409},
		{.start = "GET " NODE, .body = CORDONED(MARK("act-0"), "kubectl-cordon")});
	assert_failed(fixture, "it changed since it was looked at");
}

static void pod_is_evicted_by_its_uid(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");

	command.options.evict = true;
	SEND(fixture, command,
		{.start = "POST /api/v1/namespaces/shop/pods/web-1/eviction", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_string_equal(fixture->result.detail, "restart Pod shop/web-1 by eviction");
	assert_string_equal(body_of(fixture, "POST", 0),
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"web-1\","
		"\"namespace\":\"shop\"},\"deleteOptions\":{\"preconditions\":{\"uid\":\"u1\"}}}");
	SEND(fixture, command, {.start = "POST", .code = 404});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_non_null(strstr(fixture->result.detail, "already so"));
}

static void in_a_dry_run_the_budgets_no_is_the_answer(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");

	command.options.evict = true;
	command.server_dry_run = true;
	SEND(fixture, command,
		{.start = "POST /api/v1/namespaces/shop/pods/web-1/eviction",
			.code = 429,
			.body = BUDGET});
	assert_int_equal(fixture->result.outcome, COMMAND_FAILED);
	assert_int_equal(fixture->result.error.code, STATUS_FORBIDDEN);
	assert_non_null(strstr(fixture->result.error.text, "disruption budget"));
	assert_int_equal(count_of(fixture, "POST "), 1);
}

static void refused_eviction_is_asked_for_again_and_then_given_up(void **state)
{
	struct kube_fixture *fixture = *state;
	struct command command = make_command(ACTION_RESTART_POD, TARGET_POD, "web-1");

	command.options.evict = true;
	SEND(fixture, command, {.start = "POST", .code = 429, .body = BUDGET, .times = 1},
		{.start = "POST", .code = 201});
	assert_int_equal(fixture->result.outcome, COMMAND_DONE);
	assert_int_equal(count_of(fixture, "POST"), 2);
	command.deadline_ms = clock_now_ms(&fixture->clock.clock) + 1000;
	SEND(fixture, command, {.start = "POST", .code = 429, .body = BUDGET});
	assert_failed(fixture, "its disruption budget allows no eviction now");
}

/* ---- what is seen, planned and allowed ---- */

static void pods_are_looked_at_for_a_drain_only(void **state)
{
	static const struct stub_rule rules[] = {{.start = "GET " NODE, .body = OURS},
		{.start = PODS, .body = TWO}};
	struct kube_fixture *fixture = *state;
	struct target target = kube_target(TARGET_NODE, "", "n1");

	fixture->purpose.kind = ACTION_CORDON;
	kube_fixture_observe(fixture, &target, rules, ARRAY_COUNT(rules));
	assert_false(fixture->observation.drain_seen);
	assert_string_equal(fixture->observation.cordoned_by, "act-1");
	assert_int_equal(count_of(fixture, PODS), 0);
	fixture->purpose.kind = ACTION_DRAIN;
	kube_fixture_observe(fixture, &target, rules, ARRAY_COUNT(rules));
	assert_int_equal(fixture->observation.error.code, STATUS_OK);
	assert_true(fixture->observation.drain_seen);
	assert_int_equal(drain_left(&fixture->observation.drain), 2);
}

static struct plan plan_of(const struct playbook_step *step, const struct observation *seen)
{
	static const struct playbook playbook = {.name = "p"};
	static struct label pairs[] = {{"alertname", "A", 9, 1}};
	struct event event = {.firing = true, .labels = {pairs, 1}};
	struct target target = kube_target(TARGET_NODE, "", "n1");
	struct plan_question question = {.playbook = &playbook,
		.step = step,
		.event = &event,
		.target = &target,
		.observation = seen,
		.replicas_max = 10,
		.reason = ""};
	struct plan plan;

	plan_make(&plan, &question);
	return plan;
}

static void drain_is_planned_from_what_runs_on_the_node(void **state)
{
	static const struct playbook_step step = {.action = ACTION_DRAIN,
		.options = {.time_ms = 60000}};
	struct observation seen = {.found = true, .drain_seen = true};
	struct plan plan;

	(void)state;
	seen.drain.counts[DRAIN_EVICT] = 2;
	seen.drain.counts[DRAIN_DAEMON] = 1;
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.words, "cordon the node, evict 2 pods; 1 stays (1 of DaemonSets)");
	assert_string_equal(plan.refusal.reason, "");
	assert_int_equal(plan.options.time_ms, 60000);
	seen.drain.forbidden = DRAIN_LOCAL;
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "drain_local_data");
	seen.drain_seen = false;
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "pods_unknown");
	seen = (struct observation){.found = true, .drain_seen = true, .unschedulable = true};
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "no_change");
}

static void drain_is_known_by_the_node_and_its_mark(void **state)
{
	static const struct playbook_step step = {.action = ACTION_DRAIN};
	struct observation seen = {.found = true, .drain_seen = true};
	struct target target = kube_target(TARGET_NODE, "", "n1");
	struct plan plan;

	(void)state;
	seen.drain.counts[DRAIN_EVICT] = 2;
	plan = plan_of(&step, &seen);
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), 0);
	seen.unschedulable = true;
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), 0);
	snprintf(seen.cordoned_by, sizeof(seen.cordoned_by), "a-1");
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), APPLIED_BEGUN);
	assert_int_equal(plan_applied(&plan, &target, "a-2", &seen), 0);
	seen.drain.counts[DRAIN_EVICT] = 0;
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), 1);
	seen.drain.counts[DRAIN_GOING] = 1;
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), APPLIED_BEGUN);
	seen.drain_seen = false;
	assert_int_equal(plan_applied(&plan, &target, "a-1", &seen), -1);
}

static void uncordon_keeps_off_what_others_cordoned(void **state)
{
	struct playbook_step step = {.action = ACTION_UNCORDON};
	struct observation seen = {.found = true, .unschedulable = true};
	struct plan plan = plan_of(&step, &seen);

	(void)state;
	assert_string_equal(plan.refusal.reason, "cordoned_by_others");
	step.options.foreign = true;
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "");
	step.options.foreign = false;
	snprintf(seen.cordoned_by, sizeof(seen.cordoned_by), "a-1");
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "");
	seen.unschedulable = false;
	plan = plan_of(&step, &seen);
	assert_string_equal(plan.refusal.reason, "no_change");
}

static bool holds(const struct permissions *permissions, const char *resource, const char *verb,
	bool cluster_wide)
{
	for (size_t i = 0; i < permissions->count; i++)
		if (strcmp(permissions->list[i].resource, resource) == 0 &&
			strcmp(permissions->list[i].verb, verb) == 0)
			return permissions->list[i].cluster_wide == cluster_wide;
	return false;
}

/* Without Events, which any action writes and none depends on. */
static size_t count_needed(const struct permissions *permissions)
{
	size_t count = 0;

	for (size_t i = 0; i < permissions->count; i++)
		count += !permissions->list[i].optional;
	return count;
}

static void each_way_needs_its_own_verbs_and_no_other(void **state)
{
	struct playbook playbook = {.name = "p", .enabled = true, .mode = MODE_AUTO};
	struct permissions permissions = {.count = 0};

	(void)state;
	guard_limits_default(&playbook.guard);
	playbook.target.kind = TARGET_POD;
	playbook.step_count = 1;
	playbook.steps[0].action = ACTION_RESTART_POD;
	permissions_add(&permissions, &playbook);
	assert_true(holds(&permissions, "pods", "delete", false));
	assert_false(holds(&permissions, "pods/eviction", "create", false));
	permissions.count = 0;
	playbook.steps[0].options.evict = true;
	permissions_add(&permissions, &playbook);
	assert_false(holds(&permissions, "pods", "delete", false));
	assert_true(holds(&permissions, "pods/eviction", "create", false));
	permissions.count = 0;
	playbook.target.kind = TARGET_NODE;
	playbook.steps[0].action = ACTION_DRAIN;
	permissions_add(&permissions, &playbook);
	assert_true(holds(&permissions, "pods/eviction", "create", true));
	assert_true(holds(&permissions, "pods", "list", true));
	assert_true(holds(&permissions, "nodes", "patch", true));
	assert_true(holds(&permissions, "poddisruptionbudgets", "list", true));
	assert_int_equal(count_needed(&permissions), 5);
	/* A share of the nodes is one of so many. */
	permissions.count = 0;
	playbook.guard.nodes_percent = 10;
	permissions_add(&permissions, &playbook);
	assert_true(holds(&permissions, "nodes", "list", true));
	guard_limits_default(&playbook.guard);
	/* To suggest a drain one must see the pods and their budgets, and nothing more. */
	permissions.count = 0;
	playbook.mode = MODE_SUGGEST;
	permissions_add(&permissions, &playbook);
	assert_true(holds(&permissions, "pods", "list", true));
	assert_int_equal(count_needed(&permissions), 3);
}

/* ---- steps ---- */

static const char *errors_of(const char *step)
{
	static char text[2048];
	struct guard_limits limits;
	struct diagnostics diagnostics;
	struct playbooks *playbooks;
	char yaml[2048];
	struct buf buf;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	buf_init(&buf, sizeof(text));
	snprintf(yaml, sizeof(yaml),
		"playbook: p\ntrigger:\n  alert: ['alertname=\"A\"']\ntarget:\n  kind: Node\n"
		"steps:\n- %s\nverify: {signal: restarts, is: below, value: 1}\n",
		step);
	playbooks = playbooks_open(&limits);
	assert_non_null(playbooks);
	if (playbooks_load_text(playbooks, "p.yaml", yaml, strlen(yaml), &diagnostics))
		diagnostics_write(&diagnostics, &buf);
	snprintf(text, sizeof(text), "%s", buf.data ? buf.data : "");
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	playbooks_close(playbooks);
	return text;
}

static void keys_of_steps_are_checked_at_their_place(void **state)
{
	(void)state;
	assert_string_equal(errors_of("{action: drain, deadline: 30m, delete_local_data: true, "
				      "delete_unowned: false}"),
		"");
	assert_string_equal(errors_of("{action: drain}"), "");
	assert_string_equal(errors_of("{action: uncordon, cordoned_by_others: true}"), "");
	assert_non_null(strstr(errors_of("{action: drain, deadline: 5s}"), "p.yaml:7:"));
	assert_non_null(strstr(errors_of("{action: drain, delete_local_data: yes}"), "p.yaml:7:"));
	assert_non_null(strstr(errors_of("{action: drain, force: true}"), "force"));
	assert_non_null(strstr(errors_of("{action: restart_pod, by: evict}"), "can't be done to"));
}

#define WITH_SERVER(test)                                                                          \
	cmocka_unit_test_setup_teardown(test, kube_fixture_make, kube_fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(node_is_cordoned_and_then_its_pods_are_evicted),
		WITH_SERVER(what_stays_or_goes_already_is_not_evicted),
		WITH_SERVER(a_no_of_a_server_that_starts_is_outlasted),
		WITH_SERVER(a_no_from_the_first_is_one),
		WITH_SERVER(another_node_of_the_name_is_left_alone),
		WITH_SERVER(pod_that_forbids_it_leaves_all_as_it_was),
		WITH_SERVER(exhausted_budget_is_waited_for),
		WITH_SERVER(failed_drain_uncordons_what_it_cordoned),
		WITH_SERVER(what_others_cordoned_stays_cordoned),
		WITH_SERVER(begun_drain_goes_on_where_it_stopped),
		WITH_SERVER(begun_drain_past_its_time_is_taken_back),
		WITH_SERVER(kill_switch_stops_a_drain_and_leaves_what_was_begun),
		WITH_SERVER(undone_drain_uncordons),
		WITH_SERVER(uncordon_takes_the_mark_away),
		WITH_SERVER(pod_is_evicted_by_its_uid),
		WITH_SERVER(in_a_dry_run_the_budgets_no_is_the_answer),
		WITH_SERVER(refused_eviction_is_asked_for_again_and_then_given_up),
		WITH_SERVER(pods_are_looked_at_for_a_drain_only),
		cmocka_unit_test(drain_is_planned_from_what_runs_on_the_node),
		cmocka_unit_test(drain_is_known_by_the_node_and_its_mark),
		cmocka_unit_test(uncordon_keeps_off_what_others_cordoned),
		cmocka_unit_test(each_way_needs_its_own_verbs_and_no_other),
		cmocka_unit_test(keys_of_steps_are_checked_at_their_place),
	};

	return cmocka_run_group_tests_name("action_drain", tests, NULL, NULL);
}
