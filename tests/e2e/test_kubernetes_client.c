/*
 * The Kubernetes actuator by itself against a real API server: what the server checks without doing
 * it (dryRun=All), what it refuses (stale versions, other uids, limits below requests, each missing
 * permission), and what happens to a change when the server stops, dies or no longer takes the token.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "tests/support/kube_account.h"
#include "tests/support/kube_fixture.h"

#define NAMESPACE "/apis/apps/v1/namespaces/shop/deployments/"
#define WAIT_S 120
#define TIMEOUT_MS 4000

static struct kube_cluster cluster;
static struct kube_fixture fixture;
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* ---- permissions ---- */

/* All that the actions need. */
static const struct permission permissions[] = {
	{.group = "", .resource = "namespaces", .verb = "get"},
	{.group = "", .resource = "pods", .verb = "get"},
	{.group = "", .resource = "pods", .verb = "delete"},
	{.group = "apps", .resource = "replicasets", .verb = "get"},
	{.group = "apps", .resource = "deployments", .verb = "get"},
	{.group = "apps", .resource = "deployments", .verb = "patch"},
	{.group = "apps", .resource = "deployments/scale", .verb = "patch"},
	{.group = "autoscaling", .resource = "horizontalpodautoscalers", .verb = "list"},
	{.group = "", .resource = "nodes", .verb = "get", .cluster_wide = true},
	{.group = "", .resource = "nodes", .verb = "patch", .cluster_wide = true},
};

static void grant_all_but(const struct permission *without)
{
	kube_account_allow(&cluster, "shop", "nimbusguard", permissions, ARRAY_COUNT(permissions),
		without);
}

static void make_account(void)
{
	kube_account_make(&cluster, "shop", "nimbusguard");
	grant_all_but(NULL);
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/secrets",
		"{'metadata':{'name':'first'}}");
	kube_cluster_token(&cluster, "shop", "nimbusguard", "first", "token", token_path);
}

static int setup(void **state)
{
	if (!kube_cluster_there())
		return 0;
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	make_account();
	kube_cluster_deployment(&cluster, "shop", "web", 3, "'nimbusguard.io/managed':'true'");
	kube_cluster_patch(&cluster, "/api/v1/nodes/node-1",
		"{'metadata':{'annotations':{'nimbusguard.io/managed':'true'}}}");
	kube_fixture_open(&fixture,
		(struct actuator_kube_config){.url = cluster.api->url,
			.token_file = token_path,
			.ca_file = cluster.ca_file,
			.threads = 1,
			.queue_max = 8,
			.timeout_ms = TIMEOUT_MS});
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		kube_fixture_close(&fixture);
		kube_cluster_close(&cluster);
	}
	return 0;
}

/* ---- targets and commands ---- */

static bool looked(enum target_kind kind, const char *name)
{
	struct target target = kube_target(kind, kind == TARGET_NODE ? "" : "shop", name);

	kube_fixture_observe(&fixture, &target, NULL, 0);
	return fixture.observation.error.code == STATUS_OK && fixture.observation.found;
}

/* A command on what the cluster says of the target now. */
static struct command command_on(enum action_kind action, enum target_kind kind, const char *name)
{
	struct command command = {.kind = action, .text = "because"};
	static unsigned number;

	AWAIT(&cluster.parts, looked(kind, name), WAIT_S);
	/* A restart is the time at which it was asked for. */
	clock_manual_advance(&fixture.clock, 1000);
	snprintf(command.action_id, sizeof(command.action_id), "a-%u", ++number);
	command.target = fixture.observation.target;
	if (action == ACTION_ADJUST_RESOURCES) {
		snprintf(command.target.container, sizeof(command.target.container), "app");
		changes_set(&command.changes, CHANGE_MEMORY_LIMIT,
			fixture.observation.memory_limit_bytes,
			fixture.observation.memory_limit_bytes + (INT64_C(32) << 20));
	} else if (action == ACTION_SCALE) {
		changes_set(&command.changes, CHANGE_REPLICAS, fixture.observation.replicas,
			fixture.observation.replicas + 1);
	}
	return command;
}

static const struct {
	enum action_kind action;
	enum target_kind kind;
} actions[] = {
	{ACTION_SCALE, TARGET_DEPLOYMENT},
	{ACTION_RESTART_POD, TARGET_POD},
	{ACTION_RESTART_WORKLOAD, TARGET_DEPLOYMENT},
	{ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT},
	{ACTION_CORDON, TARGET_NODE},
};

static const char *name_for(enum target_kind kind)
{
	static char pod[OBJECT_NAME_MAX];
	json_t *pods;

	if (kind != TARGET_POD)
		return kind == TARGET_NODE ? "node-1" : "web";
	pods = kube_cluster_pods(&cluster, "shop", "web");
	snprintf(pod, sizeof(pod), "%s",
		json_string_value(kube_get(json_array_get(pods, 0), "metadata", "name", NULL)));
	json_decref(pods);
	return pod;
}

static void expect_outcome(enum command_outcome outcome, enum status status, const char *words)
{
	const struct command_result *result = &fixture.result;

	if (result->outcome != outcome ||
		(outcome != COMMAND_DONE && result->error.code != status) ||
		strstr(outcome == COMMAND_DONE ? result->detail : result->error.text, words) ==
			NULL)
		fail_msg("outcome %d, %s: %s (%s)", (int)result->outcome,
			status_label(result->error.code), result->error.text, result->detail);
}

static void send_command(const struct command *command)
{
	kube_fixture_send(&fixture, command, NULL, 0);
}

static json_t *web(void)
{
	return kube_cluster_get(&cluster, NAMESPACE "web");
}

static long long number_of(const char *part, const char *field)
{
	json_t *object = web();
	long long number = json_integer_value(kube_get(object, part, field, NULL));

	json_decref(object);
	return number;
}

/* ---- what the server checks ---- */

static void dry_run_is_checked_by_the_server_and_changes_nothing(void **state)
{
	json_t *pods, *after;

	if (!opened)
		skip();
	pods = kube_cluster_pods(&cluster, "shop", "web");
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
		struct command command =
			command_on(actions[i].action, actions[i].kind, name_for(actions[i].kind));

		command.server_dry_run = true;
		send_command(&command);
		expect_outcome(COMMAND_DONE, STATUS_OK, "");
		assert_true(fixture.result.dry_run);
	}
	assert_int_equal(number_of("metadata", "generation"), 1);
	after = kube_cluster_get(&cluster, "/api/v1/nodes/node-1");
	assert_null(kube_get(after, "spec", "unschedulable", NULL));
	json_decref(after);
	after = kube_cluster_pods(&cluster, "shop", "web");
	assert_int_equal(json_array_size(after), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(kube_uid(json_array_get(pods, i)),
			kube_uid(json_array_get(after, i)));
		assert_false(kube_terminating(json_array_get(after, i)));
	}
	json_decref(after);
	json_decref(pods);
}

static void limit_below_the_request_is_refused_with_the_servers_words(void **state)
{
	struct command command;

	if (!opened)
		skip();
	command = command_on(ACTION_ADJUST_RESOURCES, TARGET_DEPLOYMENT, "web");
	command.changes.list[0].after = INT64_C(32) << 20;
	send_command(&command);
	expect_outcome(COMMAND_FAILED, STATUS_BAD_INPUT,
		"must be less than or equal to memory limit");
	assert_int_equal(number_of("metadata", "generation"), 1);
}

/* Each rollout has a number. */
static int revision(void)
{
	json_t *object = web();
	const char *text = kube_annotation(object, "deployment.kubernetes.io/revision");
	int number = text != NULL ? (int)strtol(text, NULL, 10) : 0;

	json_decref(object);
	return number;
}

static void conflict_of_a_mere_annotation_is_got_over(void **state)
{
	if (!opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
		struct command command;
		int before, rollouts = actions[i].action != ACTION_SCALE;

		if (actions[i].kind != TARGET_DEPLOYMENT)
			continue;
		command = command_on(actions[i].action, actions[i].kind, "web");
		before = revision();
		kube_cluster_patch(&cluster, NAMESPACE "web",
			"{'metadata':{'annotations':{'note':'%zu'}}}", i);
		send_command(&command);
		expect_outcome(COMMAND_DONE, STATUS_OK, "");
		AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "web", 4), WAIT_S);
		assert_int_equal(revision(), before + rollouts);
		/* And the same once more is no second change. */
		send_command(&command);
		expect_outcome(COMMAND_DONE, STATUS_OK, "(already so)");
		AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "web", 4), WAIT_S);
		assert_int_equal(revision(), before + rollouts);
	}
}

static bool pods_are(size_t count)
{
	json_t *pods = kube_cluster_pods(&cluster, "shop", "web");
	bool are = json_array_size(pods) == count;

	json_decref(pods);
	return are;
}

static void change_by_somebody_else_stays(void **state)
{
	struct command command;

	if (!opened)
		skip();
	command = command_on(ACTION_SCALE, TARGET_DEPLOYMENT, "web");
	kube_cluster_patch(&cluster, NAMESPACE "web", "{'spec':{'replicas':2}}");
	send_command(&command);
	expect_outcome(COMMAND_FAILED, STATUS_CONFLICT, "it changed since");
	assert_int_equal(number_of("spec", "replicas"), 2);
	AWAIT(&cluster.parts, pods_are(2), WAIT_S);
}

static void object_of_another_uid_is_left_alone(void **state)
{
	if (!opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
		const char *name = name_for(actions[i].kind);
		struct command command = command_on(actions[i].action, actions[i].kind, name);
		long long generation = number_of("metadata", "generation");

		snprintf(command.target.uid, sizeof(command.target.uid),
			"00000000-0000-0000-0000-000000000000");
		send_command(&command);
		/* A pod of that uid is gone indeed. */
		if (actions[i].kind == TARGET_POD)
			expect_outcome(COMMAND_DONE, STATUS_OK, "(already so)");
		else
			expect_outcome(COMMAND_FAILED, STATUS_CONFLICT, "another object");
		assert_true(looked(actions[i].kind, name));
		assert_false(fixture.observation.terminating);
		assert_int_equal(number_of("metadata", "generation"), generation);
	}
}

static void make_pod(const char *annotations)
{
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/pods",
		"{'metadata':{'name':'single','annotations':{%s}},'spec':{'terminationGracePeriodSeconds':1,"
		"'containers':[{'name':'app','image':'example.org/app:1','resources':"
		"{'requests':{'cpu':'10m'},'limits':{'memory':'64Mi'}}}]}}",
		annotations);
}

static void delete_pod(void)
{
	long status;

	json_decref(kube_cluster_call(&cluster, "DELETE", "/api/v1/namespaces/shop/pods/single",
		&status, "%s", ""));
	assert_int_equal(status, 200);
	AWAIT(&cluster.parts, !kube_cluster_has(&cluster, "/api/v1/namespaces/shop/pods/single"),
		WAIT_S);
}

/* What the condition PodResizePending gives as its reason, "" without it. */
static bool resize_is(const char *reason, const char *memory)
{
	json_t *pod = kube_cluster_get(&cluster, "/api/v1/namespaces/shop/pods/single");
	json_t *conditions = kube_get(pod, "status", "conditions", NULL), *condition;
	json_t *state = json_array_get(kube_get(pod, "status", "containerStatuses", NULL), 0);
	const char *found = "",
		   *now = json_string_value(kube_get(state, "resources", "limits", "memory", NULL));
	bool is;
	size_t i;

	json_array_foreach(conditions, i, condition)
	{
		if (strcmp(json_string_value(json_object_get(condition, "type")),
			    "PodResizePending") == 0)
			found = json_string_value(json_object_get(condition, "reason"));
	}
	is = now != NULL && strcmp(now, memory) == 0 && strcmp(found, reason) == 0;
	json_decref(pod);
	return is;
}

/* The stand-in for the kubelet, which other tests build on. */
static void resize_is_done_or_answered_as_the_pod_asks(void **state)
{
	if (!opened)
		skip();
	make_pod("'e2e.nimbusguard.io/resize':'infeasible'");
	AWAIT(&cluster.parts, resize_is("", "64Mi"), WAIT_S);
	kube_cluster_patch(&cluster, "/api/v1/namespaces/shop/pods/single/resize",
		"{'spec':{'containers':[{'name':'app','resources':{'limits':{'memory':'96Mi'}}}]}}");
	AWAIT(&cluster.parts, resize_is("Infeasible", "64Mi"), WAIT_S);
	kube_cluster_patch(&cluster, "/api/v1/namespaces/shop/pods/single",
		"{'metadata':{'annotations':{'e2e.nimbusguard.io/resize':'deferred'}}}");
	AWAIT(&cluster.parts, resize_is("Deferred", "64Mi"), WAIT_S);
	kube_cluster_patch(&cluster, "/api/v1/namespaces/shop/pods/single",
		"{'metadata':{'annotations':{'e2e.nimbusguard.io/resize':null}}}");
	AWAIT(&cluster.parts, resize_is("", "96Mi"), WAIT_S);
	delete_pod();
}

static void successor_of_a_pod_is_told_by_its_uid(void **state)
{
	struct command command;

	if (!opened)
		skip();
	make_pod("");
	command = command_on(ACTION_RESTART_POD, TARGET_POD, "single");
	send_command(&command);
	expect_outcome(COMMAND_DONE, STATUS_OK, "");
	AWAIT(&cluster.parts, !looked(TARGET_POD, "single"), WAIT_S);
	kube_fixture_observe(&fixture, &command.target, NULL, 0);
	assert_int_equal(fixture.observation.error.code, STATUS_OK);
	assert_false(fixture.observation.found);
	make_pod("");
	kube_fixture_observe(&fixture, &command.target, NULL, 0);
	assert_int_equal(fixture.observation.error.code, STATUS_OK);
	assert_true(fixture.observation.found);
	assert_string_not_equal(fixture.observation.target.uid, command.target.uid);
	/* The command of then does nothing to the pod of now. */
	send_command(&command);
	expect_outcome(COMMAND_DONE, STATUS_OK, "(already so)");
	assert_true(looked(TARGET_POD, "single"));
	assert_false(fixture.observation.terminating);
	delete_pod();
}

/* Whether all actions pass, as far as looking at the target and a dry run tell; what was refused. */
static bool all_pass(char *refused, size_t size)
{
	refused[0] = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
		const char *name = name_for(actions[i].kind);
		struct command command = {.kind = actions[i].action, .text = "because"};

		if (!looked(actions[i].kind, name)) {
			snprintf(refused, size, "%s", fixture.observation.error.text);
			return false;
		}
		command.target = fixture.observation.target;
		command.server_dry_run = true;
		if (command.kind == ACTION_SCALE)
			changes_set(&command.changes, CHANGE_REPLICAS, fixture.observation.replicas,
				4);
		if (command.kind == ACTION_ADJUST_RESOURCES)
			changes_set(&command.changes, CHANGE_MEMORY_LIMIT,
				fixture.observation.memory_limit_bytes, INT64_C(1) << 30);
		send_command(&command);
		if (fixture.result.outcome != COMMAND_DONE) {
			snprintf(refused, size, "%s", fixture.result.error.text);
			return false;
		}
	}
	return true;
}

static void each_permission_is_needed_and_all_together_suffice(void **state)
{
	char refused[ERROR_TEXT_MAX];

	if (!opened)
		skip();
	AWAIT(&cluster.parts, all_pass(refused, sizeof(refused)), WAIT_S);
	for (size_t i = 0; i < ARRAY_COUNT(permissions); i++) {
		/* A verb on a resource, as the server words its refusal. */
		char resource[64];

		snprintf(resource, sizeof(resource), "\"%s\"", permissions[i].resource);
		grant_all_but(&permissions[i]);
		AWAIT(&cluster.parts, !all_pass(refused, sizeof(refused)), WAIT_S);
		if (strstr(refused, "403 Forbidden") == NULL || strstr(refused, resource) == NULL)
			fail_msg("without %s %s: %s", permissions[i].verb, permissions[i].resource,
				refused);
	}
	grant_all_but(NULL);
	AWAIT(&cluster.parts, all_pass(refused, sizeof(refused)), WAIT_S);
}

/* ---- when the server fails ---- */

/* The server is stopped, so that the command is sent and gets no answer. */
static void unknown_outcome_is_found_by_looking(void **state)
{
	struct command command;
	long long generation;

	if (!opened)
		skip();
	command = command_on(ACTION_SCALE, TARGET_DEPLOYMENT, "web");
	generation = number_of("metadata", "generation");
	kill(cluster.api->proc.pid, SIGSTOP);
	send_command(&command);
	kill(cluster.api->proc.pid, SIGCONT);
	expect_outcome(COMMAND_UNKNOWN, STATUS_TIMEOUT, "did not answer in time");
	AWAIT(&cluster.parts, looked(TARGET_DEPLOYMENT, "web"), WAIT_S);
	print_message("the change was %s\n",
		fixture.observation.replicas == command.changes.list[0].after ? "made"
									      : "not made");
	/* Its value is absolute and its version a precondition: even a blind repetition is safe. */
	send_command(&command);
	expect_outcome(COMMAND_DONE, STATUS_OK, "");
	assert_int_equal(number_of("spec", "replicas"), command.changes.list[0].after);
	assert_int_equal(number_of("metadata", "generation"), generation + 1);
}

static void server_that_came_back_is_used_at_once(void **state)
{
	struct command command;
	int before;

	if (!opened)
		skip();
	command = command_on(ACTION_RESTART_WORKLOAD, TARGET_DEPLOYMENT, "web");
	before = revision();
	kube_cluster_kill_api(&cluster);
	send_command(&command);
	assert_int_not_equal(fixture.result.outcome, COMMAND_DONE);
	assert_int_equal(fixture.result.error.code, STATUS_UNAVAILABLE);
	kube_cluster_start_api(&cluster);
	AWAIT(&cluster.parts, looked(TARGET_DEPLOYMENT, "web"), WAIT_S);
	send_command(&command);
	expect_outcome(COMMAND_DONE, STATUS_OK, "");
	AWAIT(&cluster.parts, revision() == before + 1, WAIT_S);
	/* The connection that is kept is dead, and nobody has been told. */
	kube_cluster_kill_api(&cluster);
	kube_cluster_start_api(&cluster);
	assert_true(looked(TARGET_DEPLOYMENT, "web"));
}

static bool refused_by_token(void)
{
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");

	kube_fixture_observe(&fixture, &target, NULL, 0);
	return strstr(fixture.observation.error.text, "401") != NULL;
}

static void revoked_token_is_replaced_by_what_stands_in_the_file(void **state)
{
	struct command command;
	long status;

	if (!opened)
		skip();
	command = command_on(ACTION_SCALE, TARGET_DEPLOYMENT, "web");
	json_decref(kube_cluster_call(&cluster, "DELETE", "/api/v1/namespaces/shop/secrets/first",
		&status, "%s", ""));
	assert_int_equal(status, 200);
	/* The server remembers for some seconds that it was good. */
	AWAIT(&cluster.parts, refused_by_token(), WAIT_S);
	send_command(&command);
	expect_outcome(COMMAND_FAILED, STATUS_UNAUTHENTICATED, "401");
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
	send_command(&command);
	expect_outcome(COMMAND_DONE, STATUS_OK, "");
	assert_int_equal(number_of("spec", "replicas"), command.changes.list[0].after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dry_run_is_checked_by_the_server_and_changes_nothing),
		cmocka_unit_test(limit_below_the_request_is_refused_with_the_servers_words),
		cmocka_unit_test(conflict_of_a_mere_annotation_is_got_over),
		cmocka_unit_test(change_by_somebody_else_stays),
		cmocka_unit_test(object_of_another_uid_is_left_alone),
		cmocka_unit_test(resize_is_done_or_answered_as_the_pod_asks),
		cmocka_unit_test(successor_of_a_pod_is_told_by_its_uid),
		cmocka_unit_test(each_permission_is_needed_and_all_together_suffice),
		cmocka_unit_test(unknown_outcome_is_found_by_looking),
		cmocka_unit_test(server_that_came_back_is_used_at_once),
		cmocka_unit_test(revoked_token_is_replaced_by_what_stands_in_the_file),
	};

	return cmocka_run_group_tests_name("kubernetes_client", tests, setup, teardown);
}
