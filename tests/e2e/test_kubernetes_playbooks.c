/*
 * Every bundled playbook on a real Kubernetes, from what triggers it to its outcome: the alert comes by
 * webhook or the scan finds what the samples tell, the target is there, a person approves where the
 * playbook wants one, the change is read back from the API server, its Events stand on the object, and
 * the samples of afterwards lead to the outcome.
 *
 * tests/support/playbook_world.h says how they run. Cases run side by side: whatever is waited for, all of
 * them go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "tests/support/playbook_world.h"

#define WAIT_S PLAYBOOK_WAIT_S

static struct playbook_world world;
static bool opened;

/* ---- what is read back ---- */

static json_t *web_of(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments/web", at->space);
	return kube_cluster_get(&world.cluster, path);
}

/* It carries the action's key, and we are told as the one who wrote it. */
static void expect_key(const json_t *object, const struct playbook_case *at)
{
	assert_string_equal(kube_annotation(object, ANNOTATION_ACTION), at->id);
	assert_non_null(kube_managed(object, "nimbusguard", ""));
}

/* By what people would look with. */
static void expect_printed(const struct playbook_case *at, const char *object, const char *path,
	const char *wanted)
{
	char where[512];

	snprintf(where, sizeof(where), "-n %s %s", at->space, object);
	kube_cluster_prints(&world.cluster, where, path, wanted);
}

static void expect_rolled_out(const struct playbook_case *at)
{
	char arguments[256], *printed;

	snprintf(arguments, sizeof(arguments), "-n %s rollout status deployment/web --timeout=120s",
		at->space);
	printed = kube_cluster_kubectl(&world.cluster, arguments);
	assert_non_null(strstr(printed, "successfully rolled out"));
	free(printed);
	AWAIT(&world.cluster.parts, kube_cluster_rolled_out(&world.cluster, at->space, "web", 2),
		WAIT_S);
}

static const char *limit_of(const json_t *container, const char *name)
{
	return json_string_value(kube_get(container, "resources", "limits", name, NULL));
}

/* In place: of the pods that there were, and the template stays. */
static void expect_limit(const struct playbook_case *at, const char *name, const char *wanted,
	const char *before)
{
	json_t *pods = kube_cluster_pods(&world.cluster, at->space, "web"), *pod;
	json_t *object = web_of(at);
	size_t i;

	assert_int_equal(json_array_size(pods), 2);
	json_array_foreach(pods, i, pod)
	{
		const json_t *run =
			json_array_get(kube_get(pod, "status", "containerStatuses", NULL), 0);

		assert_string_equal(limit_of(kube_container(pod, TARGET_POD, "app"), name), wanted);
		assert_string_equal(limit_of(run, name), wanted);
		assert_int_equal(kube_number(json_object_get(run, "restartCount"), -1), 0);
	}
	assert_string_equal(limit_of(kube_container(object, TARGET_DEPLOYMENT, "app"), name),
		before);
	json_decref(object);
	json_decref(pods);
}

static void cpu_was_raised(const struct playbook_case *at)
{
	expect_limit(at, "cpu", "1250m", "1");
}

static void memory_was_raised(const struct playbook_case *at)
{
	expect_limit(at, "memory", "160Mi", "128Mi");
}

static void three_replicas(const struct playbook_case *at)
{
	json_t *object = web_of(at);

	assert_int_equal(json_integer_value(kube_get(object, "spec", "replicas", NULL)), 3);
	assert_non_null(kube_managed(object, "nimbusguard", "scale"));
	json_decref(object);
	AWAIT(&world.cluster.parts, kube_cluster_rolled_out(&world.cluster, at->space, "web", 3),
		WAIT_S);
	expect_printed(at, "deployment/web", ".status.readyReplicas", "3");
}

static void expect_revision(const json_t *object, const char *revision)
{
	assert_string_equal(kube_annotation(object, "deployment.kubernetes.io/revision"), revision);
}

static void restarted_as_by_kubectl(const struct playbook_case *at)
{
	json_t *object;

	expect_rolled_out(at);
	object = web_of(at);
	assert_non_null(kube_get(object, "spec", "template", "metadata", "annotations",
		"kubectl.kubernetes.io/restartedAt", NULL));
	expect_key(object, at);
	expect_revision(object, "2");
	json_decref(object);
}

static void back_at_the_first_image(const struct playbook_case *at)
{
	json_t *object;

	expect_rolled_out(at);
	object = web_of(at);
	assert_string_equal(json_string_value(json_object_get(kube_container(object,
								      TARGET_DEPLOYMENT, "app"),
				    "image")),
		"example.org/app:1");
	expect_key(object, at);
	expect_revision(object, "3");
	json_decref(object);
}

static void a_maximum_of_five(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];
	json_t *object;

	snprintf(path, sizeof(path),
		"/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers/web", at->space);
	object = kube_cluster_get(&world.cluster, path);
	assert_int_equal(json_integer_value(kube_get(object, "spec", "maxReplicas", NULL)), 5);
	assert_int_equal(json_integer_value(kube_get(object, "spec", "minReplicas", NULL)), 2);
	expect_key(object, at);
	json_decref(object);
	expect_printed(at, "hpa/web", ".spec.maxReplicas", "5");
}

static void another_pod_is_there(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX], object[300];

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/pods/%s", at->space, at->pod);
	AWAIT(&world.cluster.parts, !kube_cluster_has(&world.cluster, path), WAIT_S);
	expect_rolled_out(at);
	snprintf(object, sizeof(object), "pod/%s --ignore-not-found", at->pod);
	expect_printed(at, object, ".metadata.uid", "");
}

static void no_new_pods(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];
	json_t *node;

	snprintf(path, sizeof(path), "/api/v1/nodes/%s", at->space);
	node = kube_cluster_get(&world.cluster, path);
	assert_true(json_is_true(kube_get(node, "spec", "unschedulable", NULL)));
	assert_non_null(kube_annotation(node, ANNOTATION_CORDONED));
	expect_key(node, at);
	json_decref(node);
	snprintf(path, sizeof(path), "node/%s", at->space);
	kube_cluster_prints(&world.cluster, path, ".spec.unschedulable", "true");
}

/* ---- what is there before ---- */

static void patch_web(const struct playbook_case *at, const char *template)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments/web", at->space);
	kube_cluster_patch(&world.cluster, path, "{'spec':{'template':%s}}", template);
}

#define SECOND_IMAGE "'spec':{'containers':[{'name':'app','image':'example.org/app:2'}]}"

static void roll_out(const struct playbook_case *at)
{
	patch_web(at, "{" SECOND_IMAGE "}");
	AWAIT(&world.cluster.parts, kube_cluster_rolled_out(&world.cluster, at->space, "web", 2),
		WAIT_S);
}

static bool has_second_revision(const struct playbook_case *at)
{
	json_t *object = web_of(at);
	const char *revision = kube_annotation(object, "deployment.kubernetes.io/revision");
	bool has = revision != NULL && strcmp(revision, "2") == 0 &&
		json_integer_value(kube_get(object, "status", "updatedReplicas", NULL)) > 0;

	json_decref(object);
	return has;
}

/* The new pods never get ready. */
static void roll_out_in_vain(const struct playbook_case *at)
{
	patch_web(at,
		"{'metadata':{'annotations':{'e2e.nimbusguard.io/ready':'false'}}," SECOND_IMAGE
		"}");
	AWAIT(&world.cluster.parts, has_second_revision(at), WAIT_S);
}

static void make_autoscaler(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers",
		at->space);
	kube_cluster_create(&world.cluster, path,
		"{'metadata':{'name':'web'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1',"
		"'kind':'Deployment','name':'web'},'minReplicas':2,'maxReplicas':4}}");
}

static void open_to_us(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/api/v1/nodes/%s", at->space);
	kube_cluster_patch(&world.cluster, path,
		"{'metadata':{'annotations':{'nimbusguard.io/managed':'true'}}}");
}

#define CONTAINERS "'containers':[{'name':'app','image':'example.org/app:1'}]"

/* No node is like that. */
static void make_pod_without_a_node(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/pods", at->space);
	kube_cluster_create(&world.cluster, path,
		"{'metadata':{'name':'lost'},'spec':{'nodeSelector':{'none':'such'}," CONTAINERS
		"}}");
}

static void make_job(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/apis/batch/v1/namespaces/%s/jobs", at->space);
	kube_cluster_create(&world.cluster, path,
		"{'metadata':{'name':'backup'},'spec':{'template':{'spec':{'restartPolicy':"
		"'Never'," CONTAINERS "}}}}");
}

static void make_claim(const struct playbook_case *at)
{
	char path[SERVER_PATH_MAX];

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/persistentvolumeclaims", at->space);
	kube_cluster_create(&world.cluster, path,
		"{'metadata':{'name':'files'},'spec':{'accessModes':['ReadWriteOnce'],"
		"'resources':{'requests':{'storage':'1Gi'}}}}");
}

/* ---- the cases ---- */

#define RESTARTS                                                                                   \
	{                                                                                          \
		"workload_restarts:increase", 3, 0, 0                                              \
	}
#define SATURATION                                                                                 \
	{                                                                                          \
		"workload_saturation:ratio", 0.95, 0.5, 0.3                                        \
	}

static struct playbook_case cases[] = {
	{.claim = "a_crash_looping_pod_gets_a_fresh_start",
		.playbook = "restart-crash-looping-pod",
		.kind = ON_POD,
		.space = "crash-loop",
		.event = "NimbusGuardPodCrashLooping",
		.action = "restart_pod",
		.outcome = "cured",
		.fed = {RESTARTS},
		.check = another_pod_is_there},
	{.claim = "a_container_that_was_killed_for_memory_gets_more_of_it",
		.playbook = "raise-memory-on-oom",
		.space = "oom",
		.event = "NimbusGuardContainerOOMKilled",
		.labels = ",'container':'app'",
		.action = "adjust_resources",
		.outcome = "cured",
		.fed = {{"workload_oom_kills:increase", 2, 0, 0}},
		.check = memory_was_raised},
	{.claim = "a_leaking_workload_is_restarted_on_a_persons_word",
		.playbook = "restart-on-memory-leak",
		.space = "leak",
		.event = "NimbusGuardMemoryLeak",
		.action = "restart_workload",
		.outcome = "cured",
		.fed = {{"workload_memory_utilization:ratio", 0.9, 0.4, 0}},
		.check = restarted_as_by_kubectl},
	{.claim = "a_throttled_workload_gets_more_cpu_on_a_persons_word",
		.playbook = "raise-cpu-on-throttling",
		.space = "throttled",
		.event = "NimbusGuardCPUThrottled",
		.action = "adjust_resources",
		.outcome = "cured",
		.fed = {{"workload_cpu_throttled:ratio", 0.7, 0.1, 0}},
		.check = cpu_was_raised},
	{.claim = "a_saturated_workload_is_scaled_out",
		.playbook = "scale-out-on-saturation",
		.space = "saturated",
		.event = "NimbusGuardWorkloadSaturated",
		.action = "scale",
		.outcome = "cured",
		.fed = {SATURATION},
		.check = three_replicas},
	{.claim = "a_workload_that_is_found_to_be_saturated_is_scaled_out",
		.playbook = "scale-out-on-saturation",
		.space = "found-saturated",
		.action = "scale",
		.outcome = "cured",
		.fed = {SATURATION},
		.check = three_replicas},
	{.claim = "a_slow_and_saturated_workload_is_scaled_out",
		.playbook = "scale-out-on-slow-requests",
		.space = "slow",
		.event = "NimbusGuardLatencyBudgetBurn",
		.action = "scale",
		.outcome = "cured",
		.fed = {{"workload_latency_seconds:p99", 2, 0.2, 0}, SATURATION},
		.check = three_replicas},
	{.claim = "an_autoscaler_at_its_maximum_gets_a_higher_one_on_a_persons_word",
		.playbook = "raise-autoscaler-at-maximum",
		.space = "at-maximum",
		.event = "NimbusGuardAutoscalerAtMaximum",
		.action = "adjust_autoscaler",
		.outcome = "cured",
		.fed = {SATURATION},
		.make = make_autoscaler,
		.check = a_maximum_of_five},
	{.claim = "errors_since_a_rollout_are_rolled_back_on_a_persons_word",
		.playbook = "roll-back-on-errors",
		.space = "errors",
		.event = "NimbusGuardErrorsAfterRollout",
		.action = "rollback",
		.outcome = "cured",
		.fed = {{"workload_errors:ratio", 0.3, 0, 0}},
		.make = roll_out,
		.check = back_at_the_first_image},
	{.claim = "a_stuck_rollout_is_rolled_back_on_a_persons_word",
		.playbook = "roll-back-stuck-rollout",
		.space = "stuck",
		.event = "NimbusGuardRolloutStuck",
		.action = "rollback",
		.outcome = "cured",
		.fed = {RESTARTS},
		.make = roll_out_in_vain,
		.check = back_at_the_first_image},
	{.claim = "a_pod_without_a_node_is_told",
		.playbook = "ticket-on-pending-pod",
		.kind = TOLD,
		.space = "pending",
		.event = "NimbusGuardPodPending",
		.labels = "'namespace':'pending','pod':'lost'",
		.make = make_pod_without_a_node,
		.title = "Pod pending/lost is pending"},
	{.claim = "a_volume_that_fills_up_is_told",
		.playbook = "ticket-on-volume-filling-up",
		.kind = TOLD,
		.space = "filling",
		.event = "NimbusGuardVolumeFillingUp",
		.labels = "'namespace':'filling','persistentvolumeclaim':'files'",
		.make = make_claim,
		.title = "Volume filling/files fills up"},
	{.claim = "a_failed_job_is_told",
		.playbook = "ticket-on-job-failed",
		.kind = TOLD,
		.space = "failed-job",
		.event = "NimbusGuardJobFailed",
		.labels = "'namespace':'failed-job','job_name':'backup'",
		.make = make_job,
		.title = "Job failed-job/backup failed"},
	{.claim = "a_certificate_that_ends_soon_is_told",
		.playbook = "ticket-on-certificate-expiring",
		.kind = TOLD,
		.event = "NimbusGuardCertificateExpiring",
		.labels = "'certificate':'shop/site'",
		.title = "Certificate shop/site expires within a week"},
	{.claim = "a_target_that_is_down_is_told",
		.playbook = "ticket-on-target-down",
		.kind = TOLD,
		.event = "NimbusGuardTargetDown",
		.labels = "'job':'node','instance':'10.0.0.1:9100'",
		.title = "Target 10.0.0.1:9100 of job node is down"},
	{.claim = "what_no_other_playbook_answers_is_told",
		.playbook = "ticket-on-everything-else",
		.kind = TOLD,
		.event = "SomethingElse",
		.labels = "'namespace':'elsewhere','deployment':'web'",
		.title = "SomethingElse: "},
	{.claim = "an_anomaly_that_no_other_playbook_answers_is_told",
		.playbook = "ticket-on-anomaly",
		.kind = TOLD,
		.space = "found-slow",
		.fed = {{"workload_latency_seconds:p99", 2, 2, 0.2}},
		.title = "latency_high: "},
	{.claim = "a_node_that_is_not_ready_gets_no_new_pods_on_a_persons_word",
		.playbook = "cordon-node-not-ready",
		.kind = ON_NODE,
		.space = "node-1",
		.event = "NimbusGuardNodeNotReady",
		.action = "cordon",
		.outcome = "handed_over",
		.make = open_to_us,
		.check = no_new_pods},
	/* Its alert comes at once with the other one's: it waits for its turn, one node in the window. */
	{.claim = "a_node_with_a_full_disk_gets_no_new_pods_on_a_persons_word",
		.playbook = "cordon-node-on-disk-pressure",
		.kind = ON_NODE,
		.space = "node-2",
		.event = "NimbusGuardNodeDiskPressure",
		.action = "cordon",
		.outcome = "handed_over",
		.make = open_to_us,
		.check = no_new_pods},
};

#define CASES_END (cases + ARRAY_COUNT(cases))

static int setup(void **state)
{
	opened = playbook_world_open(&world, cases, ARRAY_COUNT(cases));
	return 0;
}

static int teardown(void **state)
{
	if (opened)
		playbook_world_close(&world);
	return 0;
}

/* ---- tests ---- */

/* In mode suggest: they carry nothing out. What they show is tested by their _test.yaml. */
static const char *const suggesting[] = {"raise-memory-request.yaml", "lower-cpu-request.yaml"};

static bool is_tested(const char *file)
{
	size_t length = strlen(file);

	/* rules/playbooks/ holds NAME.yaml and NAME_test.yaml. */
	if (length < 10 || strcmp(file + length - 5, ".yaml") != 0 ||
		strcmp(file + length - 10, "_test.yaml") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(suggesting); i++)
		if (strcmp(file, suggesting[i]) == 0)
			return true;
	/* No webhook brings a proposal; what it does is done by action_suite.h. */
	if (strcmp(file, "scale-on-forecast.yaml") == 0 ||
		strcmp(file, "scale-in-on-forecast.yaml") == 0)
		return true;
	for (struct playbook_case *at = cases; at < CASES_END; at++)
		if (strlen(at->playbook) == length - 5 &&
			strncmp(file, at->playbook, length - 5) == 0)
			return true;
	return false;
}

static void no_bundled_playbook_is_left_out(void **state)
{
	char path[SERVER_PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (!opened)
		skip();
	snprintf(path, sizeof(path), "%s/rules/playbooks", getenv("NIMBUSGUARD_SOURCE"));
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL)
		if (!is_tested(entry->d_name))
			fail_msg("%s has no case here", entry->d_name);
	closedir(folder);
}

static bool ticket_was_told(const char *title)
{
	for (size_t i = 0; i < http_stub_request_count(world.stub); i++)
		if (strstr(http_stub_body(world.stub, i), "incident.opened") != NULL &&
			strstr(http_stub_body(world.stub, i), title) != NULL)
			return true;
	return false;
}

static void expect_told(struct playbook_case *at)
{
	assert_string_equal(at->ended_as, "handed_over");
	AWAIT(&world.servers, ticket_was_told(at->title), WAIT_S);
}

static void expect_carried_out(struct playbook_case *at)
{
	if (!at->done || strcmp(at->ended_as, at->outcome) != 0)
		playbook_world_fail(&world, at);
	at->check(at);
	AWAIT(&world.cluster.parts, playbook_world_event(&world, at, "RemediationDone"), WAIT_S);
	if (strcmp(at->outcome, "cured") == 0)
		AWAIT(&world.cluster.parts, playbook_world_event(&world, at, "RemediationCured"),
			WAIT_S);
	/* All of it by what was printed for this playbook alone. */
	AWAIT(&world.cluster.parts,
		playbook_world_allowed(&world, at, at->kind == ON_NODE ? "everything" : at->space),
		WAIT_S);
}

static void the_playbook_is_carried_out(void **state)
{
	struct playbook_case *at = *state;

	if (!opened)
		skip();
	playbook_world_await_end(&world, at);
	if (at->kind == TOLD)
		expect_told(at);
	else
		expect_carried_out(at);
}

static bool is_disabled(const char *playbook)
{
	json_t *status = nimbusguard_get(world.guard, "status"), *one;
	bool disabled = false;
	size_t i;

	json_array_foreach(json_object_get(status, "playbooks_disabled"), i, one) disabled =
		disabled || strcmp(text_at(one, "playbook"), playbook) == 0;
	json_decref(status);
	playbook_world_go_on(&world);
	return disabled;
}

static void playbooks_of_nodes_wait_for_their_role(void **state)
{
	char url[256];
	struct web_answer answer;

	if (!opened)
		skip();
	for (struct playbook_case *at = cases; at < CASES_END; at++)
		if (at->kind == ON_NODE) {
			AWAIT(&world.servers, is_disabled(at->playbook), WAIT_S);
			playbook_world_grant(&world, at, "everything", at->playbook);
			AWAIT(&world.cluster.parts,
				playbook_world_allowed(&world, at, "everything"), WAIT_S);
		}
	/* A reload asks at once. */
	snprintf(url, sizeof(url), "%s/-/reload", world.guard->url);
	answer = web_call("POST", url, NULL, NULL);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
	for (struct playbook_case *at = cases; at < CASES_END; at++)
		if (at->kind == ON_NODE) {
			AWAIT(&world.servers, !is_disabled(at->playbook), WAIT_S);
			playbook_world_trigger(&world, at);
		}
}

static void tickets_change_nothing_in_the_cluster(void **state)
{
	static const char *const paths[] = {"/api/v1/namespaces/pending/pods/lost",
		"/api/v1/namespaces/filling/persistentvolumeclaims/files",
		"/apis/batch/v1/namespaces/failed-job/jobs/backup",
		"/apis/apps/v1/namespaces/found-slow/deployments/web"};

	if (!opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		json_t *object = kube_cluster_get(&world.cluster, paths[i]);

		assert_null(kube_managed(object, "nimbusguard", ""));
		json_decref(object);
	}
}

static void service_ends_in_order(void **state)
{
	if (!opened)
		skip();
	server_end(world.guard);
}

#define FURTHER 4

int main(void)
{
	struct CMUnitTest tests[ARRAY_COUNT(cases) + FURTHER] = {
		cmocka_unit_test(no_bundled_playbook_is_left_out)};
	static const struct CMUnitTest further[] = {cmocka_unit_test(
							    playbooks_of_nodes_wait_for_their_role),
		cmocka_unit_test(tickets_change_nothing_in_the_cluster),
		cmocka_unit_test(service_ends_in_order)};
	size_t count = 1;
	bool nodes = false;

	for (struct playbook_case *at = cases; at < CASES_END; at++) {
		if (at->kind == ON_NODE && !nodes)
			tests[count++] = further[0];
		nodes = nodes || at->kind == ON_NODE;
		tests[count++] = (struct CMUnitTest){.name = at->claim,
			.test_func = the_playbook_is_carried_out,
			.initial_state = at};
	}
	tests[count++] = further[1];
	tests[count++] = further[2];
	CHECK(count == ARRAY_COUNT(tests));
	return cmocka_run_group_tests_name("kubernetes_playbooks", tests, setup, teardown);
}
