/*
 * Nodes, evictions and Jobs on a real Kubernetes, by a service account that is allowed what `nimbusguard
 * rbac` would allow for these actions and nothing else: pods leave a node through their disruption
 * budget, an exhausted budget takes the drain back, a Job is run once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/job_template.h"
#include "remediations/kube_object.h"
#include "remediations/permissions.h"
#include "remediations/plan.h"
#include "tests/support/kube_cluster.h"
#include "tests/support/kube_fixture.h"

#define PDBS "/apis/policy/v1/namespaces/shop/poddisruptionbudgets"
#define JOBS "/apis/batch/v1/namespaces/shop/jobs"
#define WAIT_S 120

static struct kube_cluster cluster;
static struct kube_fixture fixture;
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* ---- the world ---- */

/* The permissions of playbooks with these steps, as one ClusterRole. */
static void write_rules(char *text, size_t size)
{
	static const struct {
		enum action_kind action;
		enum target_kind target;
		bool evict;
	} steps[] = {{ACTION_DRAIN, TARGET_NODE, false}, {ACTION_UNCORDON, TARGET_NODE, false},
		{ACTION_RESTART_POD, TARGET_POD, true}, {ACTION_RUN_JOB, TARGET_DEPLOYMENT, false}};
	struct permissions permissions = {.count = 0};
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		struct playbook playbook = {.enabled = true, .mode = MODE_AUTO, .step_count = 1};

		guard_limits_default(&playbook.guard);
		playbook.guard.nodes_percent = 50;
		snprintf(playbook.name, sizeof(playbook.name), "p%zu", i);
		playbook.target.kind = steps[i].target;
		playbook.steps[0].action = steps[i].action;
		playbook.steps[0].options.evict = steps[i].evict;
		permissions_add(&permissions, &playbook);
	}
	for (size_t i = 0; i < permissions.count; i++) {
		const struct permission *one = &permissions.list[i];

		used += (size_t)snprintf(text + used, size - used,
			"%s{'apiGroups':['%s'],'resources':['%s'],'verbs':['%s']}",
			used > 0 ? "," : "", one->group, one->resource, one->verb);
		assert_true(used < size);
	}
}

static void make_account(void)
{
	char rules[6000];

	write_rules(rules, sizeof(rules));
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/serviceaccounts",
		"{'metadata':{'name':'nimbusguard'}}");
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"{'metadata':{'name':'nimbusguard'},'rules':[%s]}", rules);
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"{'metadata':{'name':'nimbusguard'},'roleRef':{'apiGroup':"
		"'rbac.authorization.k8s.io','kind':'ClusterRole','name':'nimbusguard'},"
		"'subjects':[{'kind':'ServiceAccount','name':'nimbusguard','namespace':'shop'}]}");
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
}

static int setup(void **state)
{
	if (!kube_cluster_there())
		return 0;
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	make_account();
	kube_cluster_deployment(&cluster, "shop", "web", 4, "'nimbusguard.io/managed':'true'");
	kube_fixture_open(&fixture,
		(struct actuator_kube_config){.url = cluster.api->url,
			.token_file = token_path,
			.ca_file = cluster.ca_file,
			.threads = 1,
			.queue_max = 8,
			.timeout_ms = 4000});
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

/* ---- commands ---- */

static bool looked(enum action_kind action, enum target_kind kind, const char *name)
{
	struct target target = kube_target(kind, kind == TARGET_NODE ? "" : "shop", name);

	fixture.purpose.kind = action;
	kube_fixture_observe(&fixture, &target, NULL, 0);
	return fixture.observation.error.code == STATUS_OK && fixture.observation.found;
}

static struct command command_on(enum action_kind action, enum target_kind kind, const char *name)
{
	struct command command = {.kind = action, .text = "because"};
	static unsigned number;

	fixture.purpose = (struct purpose){.kind = action};
	AWAIT(&cluster.parts, looked(action, kind, name), WAIT_S);
	snprintf(command.action_id, sizeof(command.action_id), "a-%u", ++number);
	command.target = fixture.observation.target;
	if (kind == TARGET_NODE)
		changes_set(&command.changes, CHANGE_UNSCHEDULABLE,
			fixture.observation.unschedulable, action == ACTION_DRAIN);
	return command;
}

static void expect_outcome(enum command_outcome outcome, const char *words)
{
	const struct command_result *result = &fixture.result;

	if (result->outcome != outcome || strstr(result->error.text, words) == NULL)
		fail_msg("outcome %d: %s", (int)result->outcome, result->error.text);
}

/* A node that pods of web are on, how many, and (may be NULL) the name of one. */
static const char *crowded_node(unsigned *count, char *pod)
{
	static char node[64];
	json_t *pods = kube_cluster_pods(&cluster, "shop", "web"), *one;
	size_t i;

	*count = 0;
	json_array_foreach(pods, i, one)
	{
		const char *name = json_string_value(kube_get(one, "spec", "nodeName", NULL));

		if (name == NULL || kube_terminating(one))
			continue;
		if (*count == 0)
			snprintf(node, sizeof(node), "%s", name);
		if (*count == 0 && pod != NULL)
			snprintf(pod, OBJECT_NAME_MAX, "%s",
				json_string_value(kube_get(one, "metadata", "name", NULL)));
		*count += strcmp(node, name) == 0;
	}
	json_decref(pods);
	return node;
}

static unsigned pods_on(const char *node)
{
	json_t *pods = kube_cluster_pods(&cluster, "shop", "web"), *one;
	unsigned count = 0;
	size_t i;

	json_array_foreach(pods, i, one)
	{
		const char *name = json_string_value(kube_get(one, "spec", "nodeName", NULL));

		count += name != NULL && strcmp(name, node) == 0;
	}
	json_decref(pods);
	return count;
}

static bool is_cordoned(const char *node)
{
	char path[128];
	json_t *object;
	bool cordoned;

	snprintf(path, sizeof(path), "/api/v1/nodes/%s", node);
	object = kube_cluster_get(&cluster, path);
	cordoned = json_is_true(kube_get(object, "spec", "unschedulable", NULL));
	assert_int_equal(kube_annotation(object, ANNOTATION_CORDONED) != NULL, cordoned);
	json_decref(object);
	return cordoned;
}

static void remove_budget(const char *name)
{
	char path[128];
	long status;

	snprintf(path, sizeof(path), PDBS "/%s", name);
	json_decref(kube_cluster_call(&cluster, "DELETE", path, &status, "%s", ""));
}

static void add_budget(const char *name, int available)
{
	remove_budget(name);
	kube_cluster_create(&cluster, PDBS,
		"{'metadata':{'name':'%s'},'spec':{'minAvailable':%d,'selector':"
		"{'matchLabels':{'app':'web'}}}}",
		name, available);
}

static void set_budget(int available)
{
	add_budget("web", available);
}

static bool budget_is(int allowed)
{
	json_t *budget = kube_cluster_get(&cluster, PDBS "/web");
	bool is = kube_number(kube_get(budget, "status", "disruptionsAllowed", NULL), -1) ==
			allowed &&
		kube_number(kube_get(budget, "status", "expectedPods", NULL), -1) == 4;

	json_decref(budget);
	return is;
}

/* ---- drains ---- */

static void exhausted_budget_takes_the_drain_back(void **state)
{
	struct command command;
	const char *node;
	unsigned count;

	if (!opened)
		skip();
	set_budget(4);
	AWAIT(&cluster.parts, budget_is(0), WAIT_S);
	node = crowded_node(&count, NULL);
	command = command_on(ACTION_DRAIN, TARGET_NODE, node);
	/* It was to be seen beforehand. */
	assert_int_equal(fixture.observation.budgets.count, 1);
	assert_int_equal(fixture.observation.budgets.list[0].allowed, 0);
	assert_int_equal(fixture.observation.budgets.list[0].pods, count);
	/* The fixture's clock stands still: there is time for one round. */
	command.deadline_ms = clock_now_ms(&fixture.clock.clock) + 500;
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_FAILED, "wait for their disruption budget; the node was uncordoned");
	assert_false(is_cordoned(node));
	assert_int_equal(pods_on(node), count);
	/* A pod alone is refused by the same budget. */
	char pod[OBJECT_NAME_MAX];

	(void)crowded_node(&count, pod);
	command = command_on(ACTION_RESTART_POD, TARGET_POD, pod);
	command.options.evict = true;
	command.deadline_ms = clock_now_ms(&fixture.clock.clock) + 500;
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_FAILED, "its disruption budget allows no eviction now");
}

/* The API server evicts no such pod, however much both allow: it is to be seen beforehand, and a drain
 * that was begun all the same takes itself back. */
static void two_budgets_for_one_pod_forbid_the_drain(void **state)
{
	struct playbook playbook = {.mode = MODE_AUTO, .step_count = 1};
	struct event event;
	struct plan_question question = {.playbook = &playbook,
		.step = &playbook.steps[0],
		.event = &event,
		.observation = &fixture.observation,
		.reason = ""};
	struct command command;
	const char *node;
	struct plan plan;
	unsigned count;

	if (!opened)
		skip();
	set_budget(1);
	add_budget("second", 1);
	AWAIT(&cluster.parts, budget_is(3), WAIT_S);
	node = crowded_node(&count, NULL);
	command = command_on(ACTION_DRAIN, TARGET_NODE, node);
	assert_non_null(strstr(fixture.observation.budgets.twice, "shop/web-"));
	event_init(&event);
	playbook.steps[0].action = ACTION_DRAIN;
	question.target = &command.target;
	plan_make(&plan, &question);
	assert_string_equal(plan.refusal.reason, "drain_two_budgets");
	assert_non_null(strstr(plan.refusal.sentence, fixture.observation.budgets.twice));
	command.deadline_ms = clock_now_ms(&fixture.clock.clock) + 500;
	kube_fixture_send(&fixture, &command, NULL, 0);
	assert_int_equal(fixture.result.outcome, COMMAND_FAILED);
	assert_false(is_cordoned(node));
	assert_int_equal(pods_on(node), count);
	remove_budget("second");
	event_fini(&event);
}

/* What a share of the nodes is of. */
static void nodes_are(unsigned count, unsigned cordoned)
{
	struct target target = kube_target(TARGET_NODE, "", "node-1");
	json_t *list = kube_cluster_get(&cluster, "/api/v1/nodes");
	json_t *first = json_array_get(json_object_get(list, "items"), 0);

	snprintf(target.name, sizeof(target.name), "%s",
		json_string_value(kube_get(first, "metadata", "name", NULL)));
	json_decref(list);
	target.looks = LOOK_NODES;
	fixture.purpose = (struct purpose){.kind = ACTION_CORDON};
	kube_fixture_observe(&fixture, &target, NULL, 0);
	if (fixture.observation.error.code != STATUS_OK)
		fail_msg("%s", fixture.observation.error.text);
	assert_int_equal(fixture.observation.nodes, count);
	assert_int_equal(fixture.observation.nodes_cordoned, cordoned);
}

static void pods_leave_the_node_one_by_one(void **state)
{
	struct command command, undo;
	const char *node;
	char where[128];
	unsigned count;

	if (!opened)
		skip();
	set_budget(3);
	AWAIT(&cluster.parts, budget_is(1), WAIT_S);
	node = crowded_node(&count, NULL);
	command = command_on(ACTION_DRAIN, TARGET_NODE, node);
	assert_true(fixture.observation.drain_seen);
	assert_int_equal(drain_left(&fixture.observation.drain), count);
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_DONE, "");
	assert_true(is_cordoned(node));
	assert_int_equal(pods_on(node), 0);
	snprintf(where, sizeof(where), "node/%s", node);
	kube_cluster_prints(&cluster, where, ".spec.unschedulable", "true");
	nodes_are(2, 1);
	/* What the cluster says of it is what the plan wanted. */
	assert_true(looked(ACTION_DRAIN, TARGET_NODE, node));
	assert_int_equal(drain_left(&fixture.observation.drain), 0);
	assert_string_equal(fixture.observation.cordoned_by, command.action_id);
	undo = command_on(ACTION_DRAIN, TARGET_NODE, node);
	changes_set(&undo.changes, CHANGE_UNSCHEDULABLE, 1, 0);
	kube_fixture_send(&fixture, &undo, NULL, 0);
	expect_outcome(COMMAND_DONE, "");
	assert_false(is_cordoned(node));
	kube_cluster_prints(&cluster, where, ".spec.unschedulable", "");
	nodes_are(2, 0);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "web", 4), WAIT_S);
}

static void pod_without_a_controller_forbids_the_drain(void **state)
{
	struct command command;

	if (!opened)
		skip();
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/pods",
		"{'metadata':{'name':'bare'},'spec':{'nodeName':'node-1','containers':"
		"[{'name':'app','image':'none'}]}}");
	command = command_on(ACTION_DRAIN, TARGET_NODE, "node-1");
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_FAILED, "Pod shop/bare has no controller");
	assert_false(is_cordoned("node-1"));
}

static void pod_is_evicted_and_followed_by_another(void **state)
{
	char pod[OBJECT_NAME_MAX], path[512];
	struct command command;
	unsigned count;

	if (!opened)
		skip();
	AWAIT(&cluster.parts, budget_is(1), WAIT_S);
	(void)crowded_node(&count, pod);
	command = command_on(ACTION_RESTART_POD, TARGET_POD, pod);
	command.options.evict = true;
	/* Of another uid it is left alone. */
	snprintf(command.target.uid, sizeof(command.target.uid), "other");
	kube_fixture_send(&fixture, &command, NULL, 0);
	assert_true(strstr(fixture.result.detail, "already so") != NULL);
	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods/%s", pod);
	assert_true(kube_cluster_has(&cluster, path));
	command = command_on(ACTION_RESTART_POD, TARGET_POD, pod);
	command.options.evict = true;
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_DONE, "");
	AWAIT(&cluster.parts, !kube_cluster_has(&cluster, path), WAIT_S);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "web", 4), WAIT_S);
}

/* ---- Jobs ---- */

#define TEMPLATE                                                                                   \
	"{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"spec\":{\"activeDeadlineSeconds\":120,"   \
	"\"ttlSecondsAfterFinished\":600,\"backoffLimit\":0,\"template\":{\"spec\":{"              \
	"\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"clean\",\"image\":\"none\","      \
	"\"env\":[{\"name\":\"WHERE\",\"value\":\"{{ namespace }}\"}]}]}}}}"

/* Nothing runs: the pod of the Job is said to have ended so. */
static bool end_pod(const char *job, const char *phase)
{
	char path[512];
	json_t *list, *pod;
	const char *name;
	bool ended = false;

	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods?labelSelector=job-name=%s", job);
	list = kube_cluster_get(&cluster, path);
	pod = json_array_get(json_object_get(list, "items"), 0);
	name = json_string_value(kube_get(pod, "metadata", "name", NULL));
	if (name != NULL) {
		snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods/%s/status", name);
		kube_cluster_patch(&cluster, path, "{'status':{'phase':'%s'}}", phase);
		ended = true;
	}
	json_decref(list);
	return ended;
}

static void run_job(const char *phase, struct command *command, char *payload)
{
	char name[64];
	unsigned finished = fixture.finished;

	*command = command_on(ACTION_RUN_JOB, TARGET_DEPLOYMENT, "web");
	command->payload = payload;
	job_name(command->action_id, name, sizeof(name));
	assert_int_equal(fixture.actuator.vtable->send(fixture.actuator.self, command), STATUS_OK);
	AWAIT(&cluster.parts, end_pod(name, phase), WAIT_S);
	kube_fixture_await(&fixture, finished + 1, 0);
}

static char *payload_for(const char *action_id)
{
	static struct label pairs[] = {{"namespace", "shop", 9, 4}};
	struct event event = {.firing = true, .labels = {pairs, 1}};
	struct job_filling filling = {.event = &event,
		.target = "shop/Deployment/web",
		.playbook = "p",
		.reason = "",
		.namespace_name = "shop",
		.action_id = action_id};

	return job_template_fill(TEMPLATE, &filling);
}

static void job_runs_once_and_its_end_is_the_outcome(void **state)
{
	struct command command, probe;
	char *payload, path[256], id[ACTION_ID_MAX];
	unsigned next;
	json_t *job;

	if (!opened)
		skip();
	probe = command_on(ACTION_RUN_JOB, TARGET_DEPLOYMENT, "web");
	assert_int_equal(sscanf(probe.action_id, "a-%u", &next), 1);
	snprintf(id, sizeof(id), "a-%u", next + 1);
	payload = payload_for(id);
	run_job("Succeeded", &command, payload);
	assert_string_equal(command.action_id, id);
	expect_outcome(COMMAND_DONE, "");
	snprintf(path, sizeof(path), "-n shop job/ng-%s", id);
	kube_cluster_prints(&cluster, path, ".status.succeeded", "1");
	snprintf(path, sizeof(path), JOBS "/ng-%s", id);
	job = kube_cluster_get(&cluster, path);
	assert_string_equal(kube_label(job, JOB_LABEL_OWNER), "nimbusguard");
	json_decref(job);
	/* The same command again finds it. */
	kube_fixture_send(&fixture, &command, NULL, 0);
	expect_outcome(COMMAND_DONE, "");
	job = kube_cluster_get(&cluster, JOBS);
	assert_int_equal(json_array_size(json_object_get(job, "items")), 1);
	json_decref(job);
	mem_free(payload);
	snprintf(id, sizeof(id), "a-%u", next + 2);
	payload = payload_for(id);
	run_job("Failed", &command, payload);
	expect_outcome(COMMAND_FAILED, "the Job failed: BackoffLimitExceeded");
	mem_free(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exhausted_budget_takes_the_drain_back),
		cmocka_unit_test(two_budgets_for_one_pod_forbid_the_drain),
		cmocka_unit_test(pods_leave_the_node_one_by_one),
		cmocka_unit_test(pod_is_evicted_and_followed_by_another),
		cmocka_unit_test(job_runs_once_and_its_end_is_the_outcome),
		cmocka_unit_test(pod_without_a_controller_forbids_the_drain),
	};

	return cmocka_run_group_tests_name("kubernetes_node", tests, setup, teardown);
}
