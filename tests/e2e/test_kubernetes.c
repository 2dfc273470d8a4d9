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

#include "remediations/kube_object.h"
#include "tests/support/kube_cluster.h"
#include "tests/support/write_post.h"

#define MANAGED "'nimbusguard.io/managed':'true'"
#define WAIT_S 120
/* Deployments in a namespace of their own, as a namespace has a budget. */
#define STORM 6
#define ROUNDS 3

static const char *const names[] = {"front", "loop", "web", "heap", "foreign", "auto", "later"};

static struct kube_cluster cluster;
static struct servers servers;
static struct server *guard;
static char token_path[SERVER_PATH_MAX];
static double saturation = 0.95;
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

static const char *storm_name(int i)
{
	static char text[4][16];
	static unsigned next;
	char *name = text[next++ % 4];

	snprintf(name, sizeof(text[0]), "storm-%d", i);
	return name;
}

/* The bundled playbook with its outcome looked at sooner. */
static void write_bundled(const char *name, const char *over)
{
	char path[SERVER_PATH_MAX], *text;

	snprintf(path, sizeof(path), "rules/playbooks/%s", name);
	text = text_replace(source_read(path), over, "  over: 5s\n  after: 2s");
	snprintf(path, sizeof(path), "playbook-%s", name);
	(void)servers_write(&servers, path, text);
	free(text);
}

static void write_playbooks(void)
{
	write_bundled("scale-out-on-saturation.yaml", "  over: 3m");
	write_bundled("restart-crash-looping-pod.yaml", "  over: 5m");
	write_bundled("raise-memory-on-oom.yaml", "  over: 5m");
	(void)servers_write(&servers, "playbook-restart.yaml",
		"playbook: restart-on-leak\ndescription: Restarts a workload that leaks.\n"
		"trigger:\n  alert: ['alertname=\"Leak\"']\ntarget:\n  kind: Workload\n"
		"steps:\n- action: restart_workload\n"
		"verify: {signal: restarts, fold: newest, is: below, value: 1, over: 5s, "
		"after: 2s}\n");
	(void)servers_write(&servers, "playbook-cordon.yaml",
		"playbook: cordon-on-bad-disk\ndescription: Takes no more pods on a node.\n"
		"trigger:\n  alert: ['alertname=\"BadDisk\"']\ntarget:\n  kind: Node\n"
		"steps:\n- action: cordon\n"
		"verify: {signal: restarts, fold: newest, is: below, value: 1, over: 5s, "
		"after: 2s}\n");
}

static void start_guard(void)
{
	static char url[SERVER_PATH_MAX], token[SERVER_PATH_MAX * 2], ca[SERVER_PATH_MAX * 2],
		playbooks[SERVER_PATH_MAX * 6];
	const char *const flags[] = {url, token, ca, playbooks, "--mode=auto", "--no-dry-run",
		"--guard.startup-grace=0s", "--analyze.scan-interval=200ms",
		/* `bare` has no role that would do, and is not said to. */
		"--kubernetes.namespaces=shop,storm", NULL};
	const char *folder = servers.folder;

	snprintf(url, sizeof(url), "--kubernetes.url=%s", cluster.api->url);
	snprintf(token, sizeof(token), "--kubernetes.token-file=%s", token_path);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", cluster.ca_file);
	snprintf(playbooks, sizeof(playbooks),
		"--remediate.playbooks=%s/playbook-scale-out-on-saturation.yaml,"
		"%s/playbook-restart-crash-looping-pod.yaml,%s/playbook-raise-memory-on-oom.yaml,"
		"%s/playbook-restart.yaml,%s/playbook-cordon.yaml",
		folder, folder, folder, folder, folder);
	nimbusguard_start(&servers, guard, flags);
}

static size_t length_of(const char *path)
{
	json_t *list = nimbusguard_get(guard, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

static void add_workload(struct write_body *request, const char *namespace_name, const char *name)
{
	static const char *const series[] = {"workload_saturation:ratio",
		"workload_oom_kills:increase", "workload_restarts:increase"};
	char labels[256];

	for (size_t i = 0; i < 3; i++) {
		snprintf(labels, sizeof(labels),
			"__name__=nimbusguard:%s,namespace=%s,workload=%s,workload_kind=Deployment",
			series[i], namespace_name, name);
		write_body_simple(request, labels, clock_now_ms(clock_system()),
			i == 0 ? saturation : 0);
	}
}

/* What the guard must see of the workloads: they are in the stream, and saturated. */
static bool feed(void)
{
	static struct write_body request;

	write_body_reset(&request);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_workload(&request, "shop", names[i]);
	for (int i = 0; i < STORM; i++)
		add_workload(&request, "storm", storm_name(i));
	add_workload(&request, "bare", "web");
	assert_int_equal(write_post_status(guard->port.number, &request), 204);
	return true;
}

static int setup(void **state)
{
	if (!servers_there(false, false) || !kube_cluster_there())
		return 0;
	servers_open(&servers);
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	kube_cluster_namespace(&cluster, "bare");
	kube_cluster_namespace(&cluster, "storm");
	make_account();
	grant("shop", true);
	grant("storm", true);
	grant("bare", false);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		kube_cluster_deployment(&cluster, "shop", names[i], 3,
			strcmp(names[i], "foreign") == 0 ? "" : MANAGED);
	for (int i = 0; i < STORM; i++)
		kube_cluster_deployment(&cluster, "storm", storm_name(i), 1, MANAGED);
	kube_cluster_deployment(&cluster, "bare", "web", 3, MANAGED);
	kube_cluster_patch(&cluster, "/api/v1/nodes/node-2", "{'metadata':{'annotations':{%s}}}",
		MANAGED);
	guard = server_add(&servers, "nimbusguard");
	write_playbooks();
	start_guard();
	(void)feed();
	AWAIT(&servers, length_of("workloads") == sizeof(names) / sizeof(names[0]) + STORM + 1, 60);
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		servers_close(&servers);
		kube_cluster_close(&cluster);
	}
	return 0;
}

/* ---- words ---- */

/* Labels are members of an object, in which ' stands for ". */
static void send_alert(const char *name, const char *labels)
{
	char url[256], body[2048];
	struct web_answer answer;

	snprintf(body, sizeof(body),
		"{'version':'4','groupKey':'g','status':'firing','receiver':'n','alerts':["
		"{'status':'firing','labels':{'alertname':'%s',%s},"
		"'startsAt':'2026-01-02T03:04:05Z'}]}",
		name, labels);
	for (char *at = body; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	snprintf(url, sizeof(url), "%s/api/v1/webhook", guard->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

static void alert_workload(const char *alert, const char *namespace_name, const char *name)
{
	char labels[512];

	snprintf(labels, sizeof(labels),
		"'namespace':'%s','workload_kind':'Deployment','workload':'%s','container':'app'",
		namespace_name, name);
	send_alert(alert, labels);
}

/* The newest action on a target that is no ticket; NULL when there is none (json_decref). */
static json_t *action_on(const char *namespace_name, const char *name)
{
	json_t *list = nimbusguard_get(guard, "actions"), *action, *found = NULL;
	size_t i;

	json_array_foreach(list, i, action)
	{
		const char *space =
			json_string_value(kube_get(action, "target", "namespace", NULL));
		const char *own = json_string_value(kube_get(action, "target", "name", NULL));
		const char *kind = json_string_value(json_object_get(action, "kind"));

		if (found == NULL && space != NULL && own != NULL &&
			strcmp(space, namespace_name) == 0 && strcmp(own, name) == 0 &&
			strcmp(kind, "ticket") != 0)
			found = json_incref(action);
	}
	json_decref(list);
	return found;
}

static bool action_has(const char *namespace_name, const char *name, const char *field,
	const char *wanted)
{
	json_t *action = action_on(namespace_name, name);
	const char *text = json_string_value(json_object_get(action, field));
	bool has = text != NULL && (wanted == NULL || strstr(text, wanted) != NULL);

	json_decref(action);
	(void)feed();
	return has;
}

static void await_done(const char *namespace_name, const char *name)
{
	json_t *action;
	char *all;

	for (int i = 0; i < WAIT_S * 5; i++) {
		if (action_has(namespace_name, name, "done_at", NULL))
			return;
		clock_sleep_ms(200);
	}
	action = action_on(namespace_name, name);
	all = json_dumps(action, JSON_INDENT(1));
	servers_tell(&servers);
	fail_msg("%s/%s was not done: %s", namespace_name, name, all != NULL ? all : "no action");
}

static void expect_key(const json_t *object, const char *namespace_name, const char *name)
{
	json_t *action = action_on(namespace_name, name);

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
	alert_workload("NimbusGuardWorkloadSaturated", "shop", "front");
	await_done("shop", "front");
	saturation = 0.3;
	(void)feed();
	object = deployment("shop", "front");
	assert_int_equal(json_integer_value(kube_get(object, "spec", "replicas", NULL)), 5);
	/* /scale takes no annotations: the manager tells whose change it was. */
	assert_non_null(kube_managed(object, "nimbusguard", "scale"));
	assert_null(kube_managed(object, "nimbusguard", ""));
	json_decref(object);
	AWAIT(&servers, action_has("shop", "front", "state", "cured"), WAIT_S);
	saturation = 0.95;
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
	send_alert("NimbusGuardPodCrashLooping", labels);
	await_done("shop", name);
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
	alert_workload("Leak", "shop", "web");
	await_done("shop", "web");
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
	alert_workload("NimbusGuardContainerOOMKilled", "shop", "heap");
	await_done("shop", "heap");
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
	AWAIT(&servers, action_has("shop", "heap", "state", "cured"), WAIT_S);
}

static bool node_action_done(void)
{
	json_t *list = nimbusguard_get(guard, "actions"), *action;
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
	send_alert("BadDisk", "'node':'node-2'");
	AWAIT(&servers, node_action_done(), WAIT_S);
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
	alert_workload("NimbusGuardContainerOOMKilled", "shop", "foreign");
	AWAIT(&servers, action_has("shop", "foreign", "reason", "unmanaged"), WAIT_S);
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
	alert_workload("NimbusGuardWorkloadSaturated", "shop", "auto");
	AWAIT(&servers, action_has("shop", "auto", "reason", "replicas_owned"), WAIT_S);
	expect_untouched("auto");
}

static void missing_permission_is_told_and_nothing_is_done(void **state)
{
	json_t *object;

	if (!opened)
		skip();
	alert_workload("NimbusGuardWorkloadSaturated", "bare", "web");
	AWAIT(&servers, action_has("bare", "web", "sentence", "deployments/scale"), WAIT_S);
	assert_true(action_has("bare", "web", "reason", "forbidden"));
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
		done = done && action_has("storm", storm_name(i), "done_at", NULL);
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
			alert_workload("NimbusGuardContainerOOMKilled", "storm", storm_name(i));
		clock_sleep_ms(delays_ms[round]);
		kube_cluster_kill_api(&cluster);
		kube_cluster_start_api(&cluster);
	}
	AWAIT(&servers, storm_done(), 2 * WAIT_S);
	print_message("outcomes were unknown: %s\n",
		server_said(guard, "state=unknown") ? "yes" : "no");
	for (int i = 0; i < STORM; i++) {
		const char *name = storm_name(i);
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
	alert_workload("NimbusGuardContainerOOMKilled", "shop", "later");
	AWAIT(&servers, action_has("shop", "later", "reason", "cluster_unavailable"), WAIT_S);
	assert_true(action_has("shop", "later", "sentence", "401"));
	expect_untouched("later");
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
	await_done("shop", "later");
	assert_true(action_has("shop", "later", "done_at", NULL));
}

static void service_ends_in_order(void **state)
{
	if (!opened)
		skip();
	server_end(guard);
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
