/*
 * Each shipped action on a real Kubernetes: an Alertmanager webhook comes in, the guard clears it on
 * samples that came by remote write, and what was done is read back from the API server. Then what
 * must not be done: to what is not opted in, to replicas that an autoscaler owns, without a
 * permission; and that nothing is done twice when the API server dies in the middle.
 *
 * The service runs in auto mode, with the token of a service account whose roles hold only what the
 * actions need.
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
#include "remediations/kube_object.h"
#include "tests/support/kube_guard.h"

#define MANAGED "'nimbusguard.io/managed':'true'"
#define WAIT_S 120
/* Deployments in a namespace of their own, as a namespace has a budget. */
#define STORM 6
#define ROUNDS 3

static const char *const names[] = {"front", "loop", "web", "heap", "foreign", "auto", "later"};
static const char *const storm_names[STORM] = {"storm-0", "storm-1", "storm-2", "storm-3",
	"storm-4", "storm-5"};

static struct kube_guard_workload workloads[ARRAY_COUNT(names) + STORM + 1];
static struct kube_cluster cluster;
static struct kube_guard guard;
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* ---- the world ---- */

/* What `nimbusguard` may do in a namespace. scale: all that the playbooks need; else some of it, and
 * not to scale. */
static void grant(const char *namespace_name, bool scale)
{
	/* Workloads of other kinds, which the playbooks would treat alike. */
	static const char further[] =
		",{'apiGroups':['apps'],'resources':['statefulsets','daemonsets'],'verbs':"
		"['get','patch']},{'apiGroups':['apps'],'resources':['statefulsets/scale'],"
		"'verbs':['patch']},{'apiGroups':['batch'],'resources':['jobs','cronjobs'],"
		"'verbs':['get']}";
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles",
		namespace_name);
	kube_cluster_create(&cluster, path,
		"{'metadata':{'name':'nimbusguard'},'rules':["
		"{'apiGroups':[''],'resources':['namespaces'],'verbs':['get']},"
		"{'apiGroups':[''],'resources':['pods'],'verbs':['get','delete']},"
		"{'apiGroups':['apps'],'resources':['replicasets'],'verbs':['get']},"
		"{'apiGroups':['apps'],'resources':['deployments'],'verbs':['get','patch']},"
		"{'apiGroups':['apps'],'resources':['deployments/scale'],'verbs':[%s]},"
		"{'apiGroups':['autoscaling'],'resources':['horizontalpodautoscalers'],"
		"'verbs':['list']}%s]}",
		scale ? "'patch'" : "'get'", scale ? further : "");
	snprintf(path, sizeof(path),
		"/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings", namespace_name);
	kube_cluster_create(&cluster, path,
		"{'metadata':{'name':'nimbusguard'},'roleRef':{'apiGroup':"
		"'rbac.authorization.k8s.io','kind':'Role','name':'nimbusguard'},"
		"'subjects':[{'kind':'ServiceAccount','name':'nimbusguard','namespace':'shop'}]}");
}

static void make_account(void)
{
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/serviceaccounts",
		"{'metadata':{'name':'nimbusguard'}}");
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/secrets",
		"{'metadata':{'name':'first'}}");
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterroles",
		"{'metadata':{'name':'nimbusguard'},'rules':["
		"{'apiGroups':[''],'resources':['nodes'],'verbs':['get','patch']},"
		"{'apiGroups':['events.k8s.io'],'resources':['events'],'verbs':['create','patch']}"
		"]}");
	kube_cluster_create(&cluster, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		"{'metadata':{'name':'nimbusguard'},'roleRef':{'apiGroup':"
		"'rbac.authorization.k8s.io','kind':'ClusterRole','name':'nimbusguard'},"
		"'subjects':[{'kind':'ServiceAccount','name':'nimbusguard','namespace':'shop'}]}");
	kube_cluster_token(&cluster, "shop", "nimbusguard", "first", "token", token_path);
}

/* The bundled playbook with its outcome looked at sooner. */
static void write_bundled(const char *name, const char *over)
{
	char path[SERVER_PATH_MAX], *text;

	snprintf(path, sizeof(path), "rules/playbooks/%s", name);
	text = text_replace(source_read(path), over, "  over: 5s\n  after: 2s");
	snprintf(path, sizeof(path), "playbook-%s", name);
	(void)servers_write(&guard.servers, path, text);
	free(text);
}

static void write_playbooks(void)
{
	write_bundled("scale-out-on-saturation.yaml", "  over: 3m");
	write_bundled("restart-crash-looping-pod.yaml", "  over: 5m");
	write_bundled("raise-memory-on-oom.yaml", "  over: 5m");
	(void)servers_write(&guard.servers, "playbook-restart.yaml",
		"playbook: restart-on-leak\ndescription: Restarts a workload that leaks.\n"
		"trigger:\n  alert: ['alertname=\"Leak\"']\ntarget:\n  kind: Workload\n"
		"steps:\n- action: restart_workload\n"
		"verify: {signal: restarts, fold: newest, is: below, value: 1, over: 5s, "
		"after: 2s}\n");
	(void)servers_write(&guard.servers, "playbook-cordon.yaml",
		"playbook: cordon-on-bad-disk\ndescription: Takes no more pods on a node.\n"
		"trigger:\n  alert: ['alertname=\"BadDisk\"']\ntarget:\n  kind: Node\n"
		"steps:\n- action: cordon\n"
		"verify: {signal: restarts, fold: newest, is: below, value: 1, over: 5s, "
		"after: 2s}\n");
}

static void start_guard(void)
{
	static char playbooks[SERVER_PATH_MAX * 6];
	const char *const flags[] = {playbooks,
		/* `bare` has no role that would do, and is not said to. */
		"--kubernetes.namespaces=shop,storm", NULL};
	const char *folder = guard.servers.folder;

	snprintf(playbooks, sizeof(playbooks),
		"--remediate.playbooks=%s/playbook-scale-out-on-saturation.yaml,"
		"%s/playbook-restart-crash-looping-pod.yaml,%s/playbook-raise-memory-on-oom.yaml,"
		"%s/playbook-restart.yaml,%s/playbook-cordon.yaml",
		folder, folder, folder, folder, folder);
	kube_guard_start(&guard, token_path, flags);
}

static size_t list_workloads(void)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		workloads[count++] = (struct kube_guard_workload){"shop", names[i]};
	for (size_t i = 0; i < STORM; i++)
		workloads[count++] = (struct kube_guard_workload){"storm", storm_names[i]};
	workloads[count++] = (struct kube_guard_workload){"bare", "web"};
	return count;
}

static int setup(void **state)
{
	if (!servers_there(false, false) || !kube_cluster_there())
		return 0;
	kube_guard_open(&guard, &cluster, workloads, list_workloads());
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	kube_cluster_namespace(&cluster, "bare");
	kube_cluster_namespace(&cluster, "storm");
	make_account();
	grant("shop", true);
	grant("storm", true);
	grant("bare", false);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		kube_cluster_deployment(&cluster, "shop", names[i], 3,
			strcmp(names[i], "foreign") == 0 ? "" : MANAGED);
	for (int i = 0; i < STORM; i++)
		kube_cluster_deployment(&cluster, "storm", storm_names[i], 1, MANAGED);
	kube_cluster_deployment(&cluster, "bare", "web", 3, MANAGED);
	kube_cluster_patch(&cluster, "/api/v1/nodes/node-2", "{'metadata':{'annotations':{%s}}}",
		MANAGED);
	write_playbooks();
	start_guard();
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		kube_guard_close(&guard);
		kube_cluster_close(&cluster);
	}
	return 0;
}

/* ---- words ---- */

static void expect_key(const json_t *object, const char *namespace_name, const char *name)
{
	json_t *action = kube_guard_action(&guard, namespace_name, name);

	assert_string_equal(kube_annotation(object, ANNOTATION_ACTION),
		json_string_value(json_object_get(action, "id")));
	assert_non_null(kube_annotation(object, ANNOTATION_REASON));
	assert_non_null(kube_managed(object, "nimbusguard", ""));
	json_decref(action);
}

static json_t *deployment(const char *namespace_name, const char *name)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments/%s", namespace_name,
		name);
	return kube_cluster_get(&cluster, path);
}

/* The number of its rollouts: each change of its template makes one. */
static void expect_revision(const char *namespace_name, const char *name, const char *revision)
{
	json_t *object = deployment(namespace_name, name);

	assert_string_equal(kube_annotation(object, "deployment.kubernetes.io/revision"), revision);
	json_decref(object);
}

static const char *memory_limit(const json_t *object)
{
	const json_t *container = kube_container(object, TARGET_DEPLOYMENT, "app");

	return json_string_value(kube_get(container, "resources", "limits", "memory", NULL));
}

/* ---- what is done ---- */

static void saturated_workload_is_scaled_and_cured(void **state)
{
	json_t *object;

	if (!opened)
		skip();
	kube_guard_alert(&guard, "NimbusGuardWorkloadSaturated", "shop", "front");
	kube_guard_await_done(&guard, "shop", "front");
	guard.saturation = 0.3;
	kube_guard_feed(&guard);
	object = deployment("shop", "front");
	assert_int_equal(json_integer_value(kube_get(object, "spec", "replicas", NULL)), 5);
	/* /scale takes no annotations: the manager tells whose change it was. */
	assert_non_null(kube_managed(object, "nimbusguard", "scale"));
	assert_null(kube_managed(object, "nimbusguard", ""));
	json_decref(object);
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "front", "state", "cured"), WAIT_S);
	guard.saturation = 0.95;
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "front", 5), WAIT_S);
}

static void crash_looping_pod_is_deleted_and_made_anew(void **state)
{
	json_t *pods, *pod;
	char name[256], uid[64], labels[512], path[SERVER_PATH_MAX];
	long status;

	if (!opened)
		skip();
	pods = kube_cluster_pods(&cluster, "shop", "loop");
	pod = json_array_get(pods, 0);
	snprintf(uid, sizeof(uid), "%s", kube_uid(pod));
	snprintf(name, sizeof(name), "%s",
		json_string_value(kube_get(pod, "metadata", "name", NULL)));
	json_decref(pods);
	snprintf(labels, sizeof(labels), "'namespace':'shop','pod':'%s'", name);
	kube_guard_send(guard.server, "NimbusGuardPodCrashLooping", labels);
	kube_guard_await_done(&guard, "shop", name);
	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods/%s", name);
	AWAIT(&cluster.parts, !kube_cluster_has(&cluster, path), WAIT_S);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "loop", 3), WAIT_S);
	json_decref(kube_cluster_call(&cluster, "GET", path, &status, "%s", ""));
	assert_int_equal(status, 404);
}

static void leaking_workload_is_restarted_as_kubectl_does(void **state)
{
	json_t *object, *before, *after;

	if (!opened)
		skip();
	before = kube_cluster_pods(&cluster, "shop", "web");
	kube_guard_alert(&guard, "Leak", "shop", "web");
	kube_guard_await_done(&guard, "shop", "web");
	object = deployment("shop", "web");
	assert_non_null(json_string_value(kube_get(object, "spec", "template", "metadata",
		"annotations", "kubectl.kubernetes.io/restartedAt", NULL)));
	expect_key(object, "shop", "web");
	json_decref(object);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "web", 3), WAIT_S);
	expect_revision("shop", "web", "2");
	after = kube_cluster_pods(&cluster, "shop", "web");
	assert_string_not_equal(kube_uid(json_array_get(before, 0)),
		kube_uid(json_array_get(after, 0)));
	json_decref(before);
	json_decref(after);
}

static void limit_of_a_killed_container_is_raised(void **state)
{
	json_t *object;

	if (!opened)
		skip();
	kube_guard_alert(&guard, "NimbusGuardContainerOOMKilled", "shop", "heap");
	kube_guard_await_done(&guard, "shop", "heap");
	object = deployment("shop", "heap");
	assert_string_equal(memory_limit(object), "160Mi");
	assert_string_equal(json_string_value(
				    kube_get(kube_container(object, TARGET_DEPLOYMENT, "app"),
					    "resources", "limits", "cpu", NULL)),
		"1");
	expect_key(object, "shop", "heap");
	json_decref(object);
	AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "shop", "heap", 3), WAIT_S);
	expect_revision("shop", "heap", "2");
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "heap", "state", "cured"), WAIT_S);
}

static bool node_action_done(void)
{
	json_t *list = nimbusguard_get(guard.server, "actions"), *action;
	bool done = false;
	size_t i;

	json_array_foreach(list, i, action)
	{
		const char *kind = json_string_value(json_object_get(action, "kind"));

		done = done ||
			(strcmp(kind, "cordon") == 0 &&
				json_is_string(json_object_get(action, "done_at")));
	}
	json_decref(list);
	return done;
}

static void bad_node_is_cordoned(void **state)
{
	json_t *node;

	if (!opened)
		skip();
	kube_guard_send(guard.server, "BadDisk", "'node':'node-2'");
	AWAIT(&guard.servers, node_action_done(), WAIT_S);
	node = kube_cluster_get(&cluster, "/api/v1/nodes/node-2");
	assert_true(json_is_true(kube_get(node, "spec", "unschedulable", NULL)));
	assert_non_null(kube_annotation(node, ANNOTATION_ACTION));
	assert_non_null(kube_managed(node, "nimbusguard", ""));
	json_decref(node);
	node = kube_cluster_get(&cluster, "/api/v1/nodes/node-1");
	assert_null(kube_get(node, "spec", "unschedulable", NULL));
	json_decref(node);
}

/* ---- what is not ---- */

static void expect_untouched(const char *name)
{
	json_t *object = deployment("shop", name);

	expect_revision("shop", name, "1");
	assert_int_equal(json_integer_value(kube_get(object, "spec", "replicas", NULL)), 3);
	assert_null(kube_annotation(object, ANNOTATION_ACTION));
	assert_null(kube_managed(object, "nimbusguard", ""));
	assert_null(kube_managed(object, "nimbusguard", "scale"));
	json_decref(object);
}

static void workload_that_is_not_opted_in_stays_untouched(void **state)
{
	if (!opened)
		skip();
	kube_guard_alert(&guard, "NimbusGuardContainerOOMKilled", "shop", "foreign");
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "foreign", "reason", "unmanaged"),
		WAIT_S);
	expect_untouched("foreign");
}

static void replicas_of_an_autoscaler_stay_its_own(void **state)
{
	if (!opened)
		skip();
	kube_cluster_create(&cluster,
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
		"{'metadata':{'name':'auto'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1',"
		"'kind':'Deployment','name':'auto'},'minReplicas':3,'maxReplicas':9,'metrics':["
		"{'type':'Resource','resource':{'name':'cpu','target':{'type':'Utilization',"
		"'averageUtilization':80}}}]}}");
	kube_guard_alert(&guard, "NimbusGuardWorkloadSaturated", "shop", "auto");
	AWAIT(&guard.servers, kube_guard_has(&guard, "shop", "auto", "reason", "replicas_owned"),
		WAIT_S);
	expect_untouched("auto");
}

static void missing_permission_is_told_and_nothing_is_done(void **state)
{
	json_t *object;

	if (!opened)
		skip();
	kube_guard_alert(&guard, "NimbusGuardWorkloadSaturated", "bare", "web");
	AWAIT(&guard.servers,
		kube_guard_has(&guard, "bare", "web", "sentence", "deployments/scale"), WAIT_S);
	assert_true(kube_guard_has(&guard, "bare", "web", "reason", "forbidden"));
	object = kube_cluster_get(&cluster, "/apis/apps/v1/namespaces/bare/deployments/web");
	assert_int_equal(json_integer_value(kube_get(object, "spec", "replicas", NULL)), 3);
	assert_null(kube_managed(object, "nimbusguard", "scale"));
	json_decref(object);
}

/* ---- what goes wrong ---- */

static bool storm_done(void)
{
	bool done = true;

	for (int i = 0; i < STORM; i++)
		done = done && kube_guard_has(&guard, "storm", storm_names[i], "done_at", NULL);
	return done;
}

/* The API server is killed at several moments after the alerts: what had no answer is looked for. */
static void restart_of_the_api_server_makes_nothing_happen_twice(void **state)
{
	static const int delays_ms[ROUNDS] = {5, 20, 50};

	if (!opened)
		skip();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = round; i < STORM; i += ROUNDS)
			kube_guard_alert(&guard, "NimbusGuardContainerOOMKilled", "storm",
				storm_names[i]);
		clock_sleep_ms(delays_ms[round]);
		kube_cluster_kill_api(&cluster);
		kube_cluster_start_api(&cluster);
	}
	AWAIT(&guard.servers, storm_done(), 2 * WAIT_S);
	print_message("outcomes were unknown: %s\n",
		server_said(guard.server, "state=unknown") ? "yes" : "no");
	for (int i = 0; i < STORM; i++) {
		const char *name = storm_names[i];
		json_t *object = deployment("storm", name);

		assert_string_equal(memory_limit(object), "160Mi");
		json_decref(object);
		AWAIT(&cluster.parts, kube_cluster_rolled_out(&cluster, "storm", name, 1), WAIT_S);
		expect_revision("storm", name, "2");
	}
}

static bool token_is_refused(const char *token)
{
	const struct web_access access = {.token = token, .ca = cluster.ca_file};
	char url[SERVER_PATH_MAX];

	snprintf(url, sizeof(url), "%s/apis/apps/v1/namespaces/shop/deployments/later",
		cluster.api->url);
	return web_status(url, &access) == 401;
}

static void revoked_token_is_told_and_the_next_one_taken(void **state)
{
	char token[4096] = "";
	long status;
	FILE *file;

	if (!opened)
		skip();
	file = fopen(token_path, "r");
	assert_true(file != NULL && fread(token, 1, sizeof(token) - 1, file) > 0);
	fclose(file);
	json_decref(kube_cluster_call(&cluster, "DELETE", "/api/v1/namespaces/shop/secrets/first",
		&status, "%s", ""));
	assert_int_equal(status, 200);
	/* The server remembers for some seconds that the token was good. */
	AWAIT(&cluster.parts, token_is_refused(token), WAIT_S);
	kube_guard_alert(&guard, "NimbusGuardContainerOOMKilled", "shop", "later");
	AWAIT(&guard.servers,
		kube_guard_has(&guard, "shop", "later", "reason", "cluster_unavailable"), WAIT_S);
	assert_true(kube_guard_has(&guard, "shop", "later", "sentence", "401"));
	expect_untouched("later");
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
	kube_guard_await_done(&guard, "shop", "later");
	assert_true(kube_guard_has(&guard, "shop", "later", "done_at", NULL));
}

static void service_ends_in_order(void **state)
{
	if (!opened)
		skip();
	server_end(guard.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saturated_workload_is_scaled_and_cured),
		cmocka_unit_test(crash_looping_pod_is_deleted_and_made_anew),
		cmocka_unit_test(leaking_workload_is_restarted_as_kubectl_does),
		cmocka_unit_test(limit_of_a_killed_container_is_raised),
		cmocka_unit_test(bad_node_is_cordoned),
		cmocka_unit_test(workload_that_is_not_opted_in_stays_untouched),
		cmocka_unit_test(replicas_of_an_autoscaler_stay_its_own),
		cmocka_unit_test(missing_permission_is_told_and_nothing_is_done),
		cmocka_unit_test(restart_of_the_api_server_makes_nothing_happen_twice),
		cmocka_unit_test(revoked_token_is_told_and_the_next_one_taken),
		cmocka_unit_test(service_ends_in_order),
	};

	return cmocka_run_group_tests_name("kubernetes", tests, setup, teardown);
}
