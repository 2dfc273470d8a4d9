/*
 * Each action on a real API server, from its playbook's step to the objects and back, with a service
 * account that may do what `nimbusguard rbac` says for that playbook and nothing more.
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
#include "remediations/floor.h"
#include "remediations/kube_object.h"
#include "tests/support/kube_scene.h"

#define APPS "/apis/apps/v1/namespaces/shop/"
#define HPAS "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
#define SCALED "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects"
#define WAIT_S 120

static struct kube_scene world;

/* ---- the objects ---- */

#define TEMPLATE(name, image)                                                                      \
	"'selector':{'matchLabels':{'app':'" name                                                  \
	"'}},'template':{'metadata':{'labels':{'app':'" name                                       \
	"'}},'spec':{'terminationGracePeriodSeconds':1,'containers':[{'name':'app',"               \
	"'image':'example.org/app:" image "'}]}}"

static void make_hpa(const char *name)
{
	kube_cluster_create(&world.cluster, HPAS,
		"{'apiVersion':'autoscaling/v2','kind':'HorizontalPodAutoscaler','metadata':"
		"{'name':'%s'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1',"
		"'kind':'Deployment','name':'%s'},'minReplicas':2,'maxReplicas':4}}",
		name, name);
}

/* There is no KEDA that would act on it. */
static void make_scaled_object(void)
{
	kube_cluster_keda(&world.cluster);
	kube_cluster_create(&world.cluster, SCALED,
		"{'apiVersion':'keda.sh/v1alpha1','kind':'ScaledObject','metadata':{'name':'so'},"
		"'spec':{'scaleTargetRef':{'name':'queue'},'maxReplicaCount':5,'triggers':["
		"{'type':'cpu','metricType':'Utilization','metadata':{'value':'60'}}]}}");
}

#define FLEETS "/apis/example.org/v1/namespaces/shop/fleets"

static bool fleets_served(void)
{
	return kube_cluster_has(&world.cluster, FLEETS);
}

/* A kind with a scale subresource, whose replicas are no member of the name "replicas". */
static void make_fleet(void)
{
	kube_cluster_create(&world.cluster,
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition',"
		"'metadata':{'name':'fleets.example.org'},'spec':{'group':'example.org',"
		"'scope':'Namespaced','names':{'kind':'Fleet','plural':'fleets',"
		"'singular':'fleet'},'versions':[{'name':'v1','served':true,'storage':true,"
		"'subresources':{'scale':{'specReplicasPath':'.spec.size',"
		"'statusReplicasPath':'.status.size'}},'schema':{'openAPIV3Schema':{"
		"'type':'object','x-kubernetes-preserve-unknown-fields':true,'properties':{"
		"'spec':{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
		"'properties':{'size':{'type':'integer','format':'int32'}}}}}}}]}}");
	AWAIT(&world.cluster.parts, fleets_served(), WAIT_S);
	kube_cluster_create(&world.cluster, FLEETS,
		"{'apiVersion':'example.org/v1','kind':'Fleet','metadata':{'name':'ships'},"
		"'spec':{'size':3}}");
	kube_cluster_create(&world.cluster, APPS "replicasets",
		"{'metadata':{'name':'bare'},'spec':{'replicas':1," TEMPLATE("bare", "1") "}}");
}

#define VERTICALS "/apis/autoscaling.k8s.io/v1/namespaces/shop/verticalpodautoscalers"

static bool verticals_served(void)
{
	return kube_cluster_has(&world.cluster, VERTICALS);
}

/* Of the VerticalPodAutoscaler's definition the fields that are read. */
static void make_vertical(void)
{
	kube_cluster_create(&world.cluster,
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
		"{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition',"
		"'metadata':{'name':'verticalpodautoscalers.autoscaling.k8s.io','annotations':{"
		"'api-approved.kubernetes.io':'https://github.com/kubernetes/kubernetes/pull/63797'}},"
		"'spec':{'group':'autoscaling.k8s.io','scope':'Namespaced','names':{"
		"'kind':'VerticalPodAutoscaler','plural':'verticalpodautoscalers',"
		"'singular':'verticalpodautoscaler'},'versions':[{'name':'v1','served':true,"
		"'storage':true,'schema':{'openAPIV3Schema':{'type':'object','properties':{"
		"'spec':{'type':'object','x-kubernetes-preserve-unknown-fields':true}}}}}]}}");
	AWAIT(&world.cluster.parts, verticals_served(), WAIT_S);
	kube_cluster_create(&world.cluster, VERTICALS,
		"{'apiVersion':'autoscaling.k8s.io/v1','kind':'VerticalPodAutoscaler','metadata':"
		"{'name':'v'},'spec':{'targetRef':{'apiVersion':'apps/v1','kind':'Deployment',"
		"'name':'web'},'updatePolicy':{'updateMode':'Recreate'}}}");
}

static void make_objects(void)
{
	kube_cluster_deployment(&world.cluster, "shop", "web", 2,
		"'nimbusguard.io/managed':'true'");
	make_hpa("web");
	kube_cluster_deployment(&world.cluster, "shop", "queue", 1, "");
	make_scaled_object();
	make_fleet();
	make_vertical();
	kube_cluster_deployment(&world.cluster, "shop", "rolled", 2, "'cause':'first'");
	kube_cluster_deployment(&world.cluster, "shop", "sized", 2, "");
	kube_cluster_create(&world.cluster, APPS "statefulsets",
		"{'metadata':{'name':'db'},'spec':{'replicas':1,'serviceName':'db'," TEMPLATE("db",
			"1") "}}");
	kube_cluster_create(&world.cluster, APPS "daemonsets",
		"{'metadata':{'name':'agent'},'spec':{" TEMPLATE("agent", "1") "}}");
	/* A rollout of this one never ends: its pods are not available for an hour. */
	kube_cluster_create(&world.cluster, APPS "deployments",
		"{'metadata':{'name':'slow'},'spec':{'replicas':2,'minReadySeconds':3600,'progressDeadlineSeconds':7200," TEMPLATE(
			"slow", "1") "}}");
}

static int setup(void **state)
{
	kube_scene_open(&world);
	if (world.opened)
		make_objects();
	return 0;
}

static int teardown(void **state)
{
	kube_scene_close(&world);
	return 0;
}

static int open_scene(void **state)
{
	kube_scene_begin(&world);
	return 0;
}

static int close_scene(void **state)
{
	kube_scene_end(&world);
	return 0;
}

/* ---- steps ---- */

/* The number at the end of the names, -1 when it is not there. */
static long long number_at(const char *path, const char *part, const char *name)
{
	json_t *object = kube_cluster_get(&world.cluster, path);
	const json_t *value = kube_get(object, part, name, NULL);
	long long number = json_is_integer(value) ? json_integer_value(value) : -1;

	json_decref(object);
	return number;
}

static bool text_is(const char *path, const char *name, const char *wanted)
{
	json_t *object = kube_cluster_get(&world.cluster, path);
	const char *value =
		json_string_value(kube_get(object, "metadata", "annotations", name, NULL));
	bool is = wanted == NULL ? value == NULL : value != NULL && strcmp(value, wanted) == 0;

	json_decref(object);
	return is;
}

static bool image_is(const char *path, const char *wanted)
{
	json_t *object = kube_cluster_get(&world.cluster, path);
	json_t *containers = kube_get(object, "spec", "template", "spec", "containers", NULL);
	const char *image =
		json_string_value(json_object_get(json_array_get(containers, 0), "image"));
	bool is = image != NULL && strcmp(image, wanted) == 0;

	json_decref(object);
	return is;
}

/* A custom resource by its words, "GROUP/VERSION KIND". */
static enum target_kind kind_of(const char *words)
{
	const char *space = strchr(words, ' ');

	return target_kind_parse(space != NULL ? space + 1 : words);
}

/* Lets the account do what the step needs and plans it on what it sees. */
static void plan_step(const char *kind, const char *name, const char *step)
{
	scene_step(world.scene, kind, step);
	kube_scene_allow_all_but(&world, NULL);
	AWAIT(&world.cluster.parts, scene_try_look(world.scene, kind_of(kind), name), WAIT_S);
	if (*scene_plan(world.scene) != '\0')
		fail_msg("%s: %s", world.scene->plan.refusal.reason,
			world.scene->plan.refusal.sentence);
}

/* The role is there for the look; the change may find it a moment later. */
static bool sent(const char *id)
{
	scene_send(world.scene, id);
	return world.scene->result.outcome == COMMAND_DONE;
}

static void send_step(const char *id)
{
	AWAIT(&world.cluster.parts, sent(id), WAIT_S);
}

static bool seen_applied(const char *kind, const char *name, const char *id)
{
	return scene_try_look(world.scene, kind_of(kind), name) &&
		scene_applied(world.scene, id) == 1;
}

static void undo_step(const char *id, const char *undo_id)
{
	const char *reason = scene_undo(world.scene, id);

	if (*reason != '\0')
		fail_msg("%s: %s", reason, world.scene->plan.refusal.sentence);
	if (!sent(undo_id))
		fail_msg("%s", world.scene->result.error.text);
}

static void an_hpas_bounds_are_written_and_put_back(void **state)
{
	if (!world.opened)
		skip();
	plan_step("Deployment", "web", "{action: adjust_autoscaler, min: +1, max: +50%}");
	send_step("a-1");
	assert_int_equal(number_at(HPAS "/web", "spec", "minReplicas"), 3);
	assert_int_equal(number_at(HPAS "/web", "spec", "maxReplicas"), 6);
	assert_true(text_is(HPAS "/web", "nimbusguard.io/action", "a-1"));
	assert_true(seen_applied("Deployment", "web", "a-1"));
	/* It is known under whose name the bounds were written. */
	assert_string_equal(world.scene->observation.autoscaler.writer.manager, FIELD_MANAGER);
	/* The HPA does what it is there for. */
	AWAIT(&world.cluster.parts, number_at(APPS "deployments/web", "spec", "replicas") == 3,
		WAIT_S);
	undo_step("a-1", "a-2");
	assert_int_equal(number_at(HPAS "/web", "spec", "minReplicas"), 2);
	assert_int_equal(number_at(HPAS "/web", "spec", "maxReplicas"), 4);
}

static void a_scaled_objects_bounds_are_written_and_put_back(void **state)
{
	if (!world.opened)
		skip();
	plan_step("Deployment", "queue", "{action: adjust_autoscaler, min: 2, max: 9}");
	send_step("b-1");
	assert_int_equal(number_at(SCALED "/so", "spec", "minReplicaCount"), 2);
	assert_int_equal(number_at(SCALED "/so", "spec", "maxReplicaCount"), 9);
	assert_true(seen_applied("Deployment", "queue", "b-1"));
	undo_step("b-1", "b-2");
	assert_int_equal(number_at(SCALED "/so", "spec", "minReplicaCount"), 0);
	assert_int_equal(number_at(SCALED "/so", "spec", "maxReplicaCount"), 5);
}

static void note_fate(void *argument, const struct floor_seen *seen)
{
	enum floor_fate *fate = argument;

	*fate = seen->fate;
}

static enum floor_fate fate_at(int64_t now_ms)
{
	const struct floors_question question = {.namespace_name = "shop",
		.now_ms = now_ms,
		.apply = true};
	enum floor_fate fate = FLOOR_FATE_COUNT;
	struct error error;

	if (floors_expire(world.session, &question, note_fate, &fate, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return fate;
}

static void set_floor(const char *name, const char *step, const char *id, int64_t until_ms)
{
	plan_step("Deployment", name, step);
	world.scene->plan.options.floor_until_ms = until_ms;
	send_step(id);
}

/* By the same permissions, and by what stands on the objects alone. */
static void a_floor_falls_back_though_nobody_remembers_it(void **state)
{
	int64_t until_ms = 1800000000000;

	if (!world.opened)
		skip();
	set_floor("web", "{action: adjust_autoscaler, min: 3, for: 1h}", "f-1", until_ms);
	assert_int_equal(number_at(HPAS "/web", "spec", "minReplicas"), 3);
	assert_true(text_is(HPAS "/web", ANNOTATION_FLOOR_UNTIL, "2027-01-15T08:00:00.000Z"));
	assert_true(text_is(HPAS "/web", ANNOTATION_FLOOR_BEFORE, "2"));
	AWAIT(&world.cluster.parts, number_at(APPS "deployments/web", "spec", "replicas") == 3,
		WAIT_S);
	assert_int_equal(fate_at(until_ms - 1), FLOOR_STANDS);
	assert_int_equal(fate_at(until_ms), FLOOR_EXPIRED);
	assert_int_equal(number_at(HPAS "/web", "spec", "minReplicas"), 2);
	assert_false(text_is(HPAS "/web", ANNOTATION_FLOOR_BEFORE, "2"));
	assert_int_equal(fate_at(until_ms), FLOOR_FATE_COUNT);
	set_floor("queue", "{action: adjust_autoscaler, min: 4, for: 1h}", "f-2", until_ms);
	assert_int_equal(number_at(SCALED "/so", "spec", "minReplicaCount"), 4);
	assert_int_equal(fate_at(until_ms), FLOOR_EXPIRED);
	assert_int_equal(number_at(SCALED "/so", "spec", "minReplicaCount"), 0);
	/* The one who set it puts it back with its marks, too. */
	set_floor("queue", "{action: adjust_autoscaler, min: 4, for: 1h}", "f-3", until_ms);
	assert_true(seen_applied("Deployment", "queue", "f-3"));
	undo_step("f-3", "f-4");
	assert_int_equal(number_at(SCALED "/so", "spec", "minReplicaCount"), 0);
	assert_false(text_is(SCALED "/so", ANNOTATION_FLOOR, "4"));
}

/* Another image, and the revision that its controller gives it. */
static void roll_out(const char *path, const char *image)
{
	kube_cluster_patch(&world.cluster, path,
		"{'spec':{'template':{'spec':{'containers':[{'name':'app',"
		"'image':'example.org/app:%s'}]}}}}",
		image);
	AWAIT(&world.cluster.parts,
		number_at(path, "status", "observedGeneration") ==
			number_at(path, "metadata", "generation"),
		WAIT_S);
}

static bool has_revision(const char *kind, const char *name, int64_t revision)
{
	return scene_try_look(world.scene, target_kind_parse(kind), name) &&
		world.scene->observation.revision == revision &&
		number_at(world.scene->target.kind == TARGET_DEPLOYMENT ? APPS "deployments/rolled"
				: world.scene->target.kind == TARGET_STATEFULSET
				? APPS "statefulsets/db"
				: APPS "daemonsets/agent",
			"status", "observedGeneration") ==
		number_at(world.scene->target.kind == TARGET_DEPLOYMENT ? APPS "deployments/rolled"
				: world.scene->target.kind == TARGET_STATEFULSET
				? APPS "statefulsets/db"
				: APPS "daemonsets/agent",
			"metadata", "generation");
}

static void goes_back_and_forth(const char *kind, const char *name, const char *path)
{
	scene_step(world.scene, kind, "{action: rollback}");
	kube_scene_allow_all_but(&world, NULL);
	AWAIT(&world.cluster.parts, has_revision(kind, name, 1), WAIT_S);
	assert_string_equal(scene_plan(world.scene), "no_revision");
	roll_out(path, "2");
	AWAIT(&world.cluster.parts, has_revision(kind, name, 2), WAIT_S);
	plan_step(kind, name, "{action: rollback}");
	send_step("c-1");
	assert_true(image_is(path, "example.org/app:1"));
	assert_true(text_is(path, "nimbusguard.io/action", "c-1"));
	AWAIT(&world.cluster.parts, has_revision(kind, name, 3), WAIT_S);
	assert_int_equal(scene_applied(world.scene, "c-1"), 1);
	undo_step("c-1", "c-2");
	assert_true(image_is(path, "example.org/app:2"));
	AWAIT(&world.cluster.parts, has_revision(kind, name, 4), WAIT_S);
	/* What is rolled out after a rollback is not undone with it. */
	plan_step(kind, name, "{action: rollback}");
	send_step("c-3");
	AWAIT(&world.cluster.parts, has_revision(kind, name, 5), WAIT_S);
	roll_out(path, "3");
	AWAIT(&world.cluster.parts, has_revision(kind, name, 6), WAIT_S);
	assert_int_equal(scene_applied(world.scene, "c-3"), 0);
	assert_string_equal(scene_undo(world.scene, "c-3"), "changed_since");
}

static void a_deployment_is_rolled_back_and_forth(void **state)
{
	if (!world.opened)
		skip();
	goes_back_and_forth("Deployment", "rolled", APPS "deployments/rolled");
	assert_true(text_is(APPS "deployments/rolled", "cause", "first"));
}

static void a_stateful_set_is_rolled_back_and_forth(void **state)
{
	if (!world.opened)
		skip();
	goes_back_and_forth("StatefulSet", "db", APPS "statefulsets/db");
}

static void a_daemon_set_is_rolled_back_and_forth(void **state)
{
	if (!world.opened)
		skip();
	goes_back_and_forth("DaemonSet", "agent", APPS "daemonsets/agent");
}

static void a_rollout_is_paused_and_resumed(void **state)
{
	json_t *object;

	if (!world.opened)
		skip();
	roll_out(APPS "deployments/slow", "2");
	plan_step("Deployment", "slow", "{action: pause_rollout}");
	send_step("d-1");
	assert_true(seen_applied("Deployment", "slow", "d-1"));
	assert_true(world.scene->observation.rollout_paused);
	assert_string_equal(world.scene->observation.paused_writer.manager, FIELD_MANAGER);
	kube_cluster_prints(&world.cluster, "-n shop deployment/slow", ".spec.paused", "true");
	/* The controller leaves a new template alone. */
	undo_step("d-1", "d-2");
	object = kube_cluster_get(&world.cluster, APPS "deployments/slow");
	assert_null(kube_get(object, "spec", "paused", NULL));
	json_decref(object);
}

/* ---- resources ---- */

static const char *resource_of(const json_t *object, bool pod, const char *which, const char *name)
{
	json_t *spec = json_object_get(object, "spec");

	if (!pod)
		spec = kube_get(spec, "template", "spec", NULL);
	return json_string_value(kube_get(json_array_get(json_object_get(spec, "containers"), 0),
		"resources", which, name, NULL));
}

static bool resource_is(const char *path, const char *which, const char *name, const char *wanted)
{
	json_t *object = kube_cluster_get(&world.cluster, path);
	const char *value = resource_of(object, strstr(path, "/pods/") != NULL, which, name);
	bool is = value != NULL && strcmp(value, wanted) == 0;

	json_decref(object);
	return is;
}

static void limits_and_requests_are_written_by_a_rollout(void **state)
{
	if (!world.opened)
		skip();
	plan_step("Deployment", "rolled",
		"{action: adjust_resources, memory: +25%, ceiling: 1GiB, cpu_request: 20m, "
		"memory_request: +50%, memory_request_ceiling: 1GiB, in_place: never}");
	send_step("e-1");
	assert_true(resource_is(APPS "deployments/rolled", "limits", "memory", "160Mi"));
	assert_true(resource_is(APPS "deployments/rolled", "requests", "memory", "96Mi"));
	assert_true(resource_is(APPS "deployments/rolled", "requests", "cpu", "20m"));
	assert_true(seen_applied("Deployment", "rolled", "e-1"));
	undo_step("e-1", "e-2");
	assert_true(resource_is(APPS "deployments/rolled", "limits", "memory", "128Mi"));
	assert_true(resource_is(APPS "deployments/rolled", "requests", "memory", "64Mi"));
}

static void a_vertical_autoscaler_owns_what_it_targets(void **state)
{
	if (!world.opened)
		skip();
	plan_step("Deployment", "rolled", "{action: adjust_resources, memory: 200MiB}");
	assert_string_equal(world.scene->observation.owner_of_resources, "");
	plan_step("Deployment", "web", "{action: adjust_resources, memory: 200MiB}");
	assert_string_equal(world.scene->observation.owner_of_resources,
		"VerticalPodAutoscaler/v, mode Recreate");
}

#define SINGLE "/api/v1/namespaces/shop/pods/single"

static bool runs(const char *path)
{
	json_t *pod = kube_cluster_get(&world.cluster, path);
	const char *phase = json_string_value(kube_get(pod, "status", "phase", NULL));
	bool is = phase != NULL && strcmp(phase, "Running") == 0;

	json_decref(pod);
	return is;
}

/* resize: how the kubelet's stand-in answers a resize, "" to do it. */
static void make_single(const char *resize)
{
	if (!kube_cluster_has(&world.cluster, SINGLE))
		kube_cluster_create(&world.cluster, "/api/v1/namespaces/shop/pods",
			"{'metadata':{'name':'single'},'spec':{'containers':[{'name':'app',"
			"'image':'example.org/app:1','resources':{'requests':{'memory':'32Mi',"
			"'cpu':'10m'},'limits':{'memory':'64Mi','cpu':'1'}}}]}}");
	AWAIT(&world.cluster.parts, runs(SINGLE), WAIT_S);
	if (*resize == '\0')
		kube_cluster_patch(&world.cluster, SINGLE,
			"{'metadata':{'annotations':{'e2e.nimbusguard.io/resize':null}}}");
	else
		kube_cluster_patch(&world.cluster, SINGLE,
			"{'metadata':{'annotations':{'e2e.nimbusguard.io/resize':'%s'}}}", resize);
}

static void a_pod_is_resized_in_place_and_back(void **state)
{
	char *uid;
	json_t *pod;

	if (!world.opened)
		skip();
	make_single("");
	pod = kube_cluster_get(&world.cluster, SINGLE);
	uid = strdup(kube_uid(pod));
	json_decref(pod);
	plan_step("Pod", "single", "{action: adjust_resources, memory: 96MiB, cpu_request: 20m}");
	send_step("f-1");
	assert_true(resource_is(SINGLE, "limits", "memory", "96Mi"));
	assert_true(resource_is(SINGLE, "requests", "cpu", "20m"));
	kube_cluster_prints(&world.cluster, "-n shop pod/single",
		".status.containerStatuses[0].resources.limits.memory", "96Mi");
	assert_true(seen_applied("Pod", "single", "f-1"));
	assert_string_equal(world.scene->observation.target.uid, uid);
	assert_int_equal(world.scene->observation.restart_count, 0);
	undo_step("f-1", "f-2");
	assert_true(resource_is(SINGLE, "limits", "memory", "64Mi"));
	free(uid);
}

static void a_resize_that_cannot_be_done_is_taken_back(void **state)
{
	if (!world.opened)
		skip();
	make_single("infeasible");
	plan_step("Pod", "single", "{action: adjust_resources, memory: 96MiB}");
	/* The account may already do all of it: the look and the role came together. */
	AWAIT(&world.cluster.parts,
		!sent("g-1") && world.scene->result.error.code != STATUS_FORBIDDEN, WAIT_S);
	assert_int_equal(world.scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(world.scene->result.error.text, "cannot be done"));
	assert_true(resource_is(SINGLE, "limits", "memory", "64Mi"));
	make_single("");
}

/* ---- anything with a scale subresource ---- */

#define FLEET "example.org/v1 Fleet"

static void a_custom_resource_is_scaled_and_put_back(void **state)
{
	if (!world.opened)
		skip();
	plan_step(FLEET, "ships", "{action: scale, by: +2, max: 9}");
	assert_string_equal(world.scene->plan.words, "replicas 3 -> 5");
	send_step("h-1");
	assert_int_equal(number_at(FLEETS "/ships", "spec", "size"), 5);
	assert_true(seen_applied(FLEET, "ships", "h-1"));
	assert_string_equal(world.scene->observation.replicas_writer.manager, FIELD_MANAGER);
	undo_step("h-1", "h-2");
	assert_int_equal(number_at(FLEETS "/ships", "spec", "size"), 3);
}

static void resize_fleet(int size)
{
	long status;

	json_decref(kube_cluster_call(&world.cluster, "MERGE",
		FLEETS "/ships?fieldManager=kubectl-edit", &status, "{'spec':{'size':%d}}", size));
	assert_int_equal(status, 200);
}

/* managedFields tell whose the number is: what somebody wrote since is not taken back. */
static void a_custom_resource_that_somebody_else_wrote_is_not_put_back(void **state)
{
	struct gate_result result;

	if (!world.opened)
		skip();
	plan_step(FLEET, "ships", "{action: scale, by: +2, max: 9}");
	send_step("h-6");
	assert_true(seen_applied(FLEET, "ships", "h-6"));
	assert_int_equal(scene_gate(world.scene, judge_writer, true).verdict, GATE_PASS);
	resize_fleet(6);
	assert_true(scene_try_look(world.scene, kind_of(FLEET), "ships"));
	assert_int_equal(scene_applied(world.scene, "h-6"), 0);
	assert_string_equal(scene_undo(world.scene, "h-6"), "changed_since");
	/* The same number by somebody else's hand is theirs, too, which is the guard's to say, and is left alone for a while. */
	resize_fleet(5);
	assert_true(scene_try_look(world.scene, kind_of(FLEET), "ships"));
	assert_string_equal(scene_undo(world.scene, "h-6"), "");
	result = scene_gate(world.scene, judge_writer, true);
	assert_int_equal(result.verdict, GATE_REFUSE);
	assert_string_equal(result.reason, "changed_since");
	assert_int_equal(strncmp(result.value, "kubectl-edit at ", 16), 0);
	assert_int_equal(scene_gate(world.scene, judge_writer, false).verdict, GATE_REFUSE);
	resize_fleet(3);
}

/* The version that was looked at is the precondition: what came in between is looked at. */
static void a_custom_resource_that_changed_is_not_scaled(void **state)
{
	if (!world.opened)
		skip();
	plan_step(FLEET, "ships", "{action: scale, to: 8}");
	resize_fleet(4);
	assert_false(sent("h-3"));
	assert_int_equal(world.scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(world.scene->result.error.code, STATUS_CONFLICT);
	assert_int_equal(number_at(FLEETS "/ships", "spec", "size"), 4);
	assert_true(scene_try_look(world.scene, kind_of(FLEET), "ships"));
	assert_string_equal(world.scene->observation.replicas_writer.manager, "kubectl-edit");
	resize_fleet(3);
}

static void an_autoscaler_of_a_custom_resource_owns_its_replicas(void **state)
{
	struct gate_result result;
	long status;

	if (!world.opened)
		skip();
	kube_cluster_create(&world.cluster, HPAS,
		"{'metadata':{'name':'fleet'},'spec':{'scaleTargetRef':{'apiVersion':"
		"'example.org/v1','kind':'Fleet','name':'ships'},'maxReplicas':4}}");
	scene_step(world.scene, FLEET, "{action: scale, to: 8}");
	kube_scene_allow_all_but(&world, NULL);
	AWAIT(&world.cluster.parts, scene_try_look(world.scene, kind_of(FLEET), "ships"), WAIT_S);
	assert_string_equal(world.scene->observation.owner_of_replicas,
		"HorizontalPodAutoscaler/fleet");
	assert_string_equal(scene_plan(world.scene), "");
	result = scene_gate(world.scene, judge_replicas_owner, false);
	assert_int_equal(result.verdict, GATE_REFUSE);
	assert_non_null(strstr(result.value, "HorizontalPodAutoscaler/fleet"));
	json_decref(kube_cluster_call(&world.cluster, "DELETE", HPAS "/fleet", &status, "{}"));
}

static void what_is_not_served_and_what_has_no_scale_is_told(void **state)
{
	if (!world.opened)
		skip();
	scene_step(world.scene, "example.org/v1 Convoy", "{action: scale, to: 8}");
	assert_false(scene_try_look(world.scene, kind_of("example.org/v1 Convoy"), "x"));
	assert_non_null(strstr(world.scene->observation.error.text,
		"the server serves no example.org/v1 Convoy"));
	scene_step(world.scene, "keda.sh/v1alpha1 TriggerAuthentication", "{action: scale, to: 8}");
	assert_false(scene_try_look(world.scene, kind_of("keda.sh/v1alpha1 TriggerAuthentication"),
		"x"));
	assert_non_null(
		strstr(world.scene->observation.error.text, "the server serves no keda.sh"));
}

static void a_replica_set_is_scaled_and_put_back(void **state)
{
	if (!world.opened)
		skip();
	plan_step("ReplicaSet", "bare", "{action: scale, to: 2}");
	send_step("h-4");
	assert_int_equal(number_at(APPS "replicasets/bare", "spec", "replicas"), 2);
	assert_true(seen_applied("ReplicaSet", "bare", "h-4"));
	undo_step("h-4", "h-5");
	assert_int_equal(number_at(APPS "replicasets/bare", "spec", "replicas"), 1);
}

/* ---- permissions ---- */

static const struct {
	const char *kind, *name, *step;
} scenarios[] = {
	{"Deployment", "web", "{action: adjust_autoscaler, max: +1}"},
	{"Deployment", "queue", "{action: adjust_autoscaler, max: +1}"},
	{"Deployment", "rolled", "{action: rollback}"},
	{"StatefulSet", "db", "{action: rollback}"},
	{"DaemonSet", "agent", "{action: rollback}"},
	{"Deployment", "slow", "{action: pause_rollout}"},
	{"Deployment", "rolled", "{action: adjust_resources, cpu: 700m, in_place: never}"},
	{"Deployment", "sized", "{action: adjust_resources, cpu: 700m, in_place: require}"},
	{"Pod", "single", "{action: adjust_resources, cpu: 700m}"},
	{FLEET, "ships", "{action: scale, by: +1}"},
	{"ReplicaSet", "bare", "{action: scale, by: +1}"},
};

/* Whether the scenario can be looked at and its change passes as a dry run; what was refused. */
static bool passes(size_t i, char *refused, size_t size)
{
	struct command_result result;
	struct command command;

	refused[0] = '\0';
	if (!scene_try_look(world.scene, kind_of(scenarios[i].kind), scenarios[i].name)) {
		snprintf(refused, size, "%s", world.scene->observation.error.text);
		return false;
	}
	scene_plan(world.scene);
	plan_command(&world.scene->plan, &world.scene->target, &command);
	command.server_dry_run = true;
	kube_send(world.session, &world.scene->clock.clock, &command, &result);
	snprintf(refused, size, "%s", result.outcome == COMMAND_DONE ? "" : result.error.text);
	return result.outcome == COMMAND_DONE;
}

/* Whether a scenario of the same playbook breaks; each has the same permissions. */
static bool some_fails(size_t first, char *refused, size_t size)
{
	for (size_t i = 0; i < ARRAY_COUNT(scenarios); i++)
		if (strcmp(scenarios[i].kind, scenarios[first].kind) == 0 &&
			strcmp(scenarios[i].step, scenarios[first].step) == 0 &&
			!passes(i, refused, size))
			return true;
	return false;
}

/*
 * What no change depends on: the watches, without which all is read at each look, and Events. The pod
 * here has no owners, so that nobody reads them or their autoscalers; test_kubernetes_client has those.
 */
static bool is_spared(size_t scenario, const struct permission *permission)
{
	if (strcmp(scenarios[scenario].kind, "Pod") == 0 && permission->group[0] != '\0')
		return true;
	return permission->optional || strcmp(permission->verb, "watch") == 0 ||
		(strcmp(permission->verb, "list") == 0 &&
			strcmp(permission->resource, "namespaces") == 0);
}

static void each_permission_is_needed_and_all_together_suffice(void **state)
{
	char refused[ERROR_TEXT_MAX], resource[64];

	if (!world.opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(scenarios); i++) {
		scene_step(world.scene, scenarios[i].kind, scenarios[i].step);
		for (int without = -1; without < (int)world.scene->permissions.count; without++) {
			const struct permission *permission =
				&world.scene->permissions.list[without < 0 ? 0 : without];

			kube_scene_allow_all_but(&world, NULL);
			AWAIT(&world.cluster.parts, !some_fails(i, refused, sizeof(refused)),
				WAIT_S);
			if (without < 0 || is_spared(i, permission))
				continue;
			print_message("%s without %s %s\n", scenarios[i].step, permission->verb,
				permission->resource);
			kube_scene_allow_all_but(&world, permission);
			AWAIT(&world.cluster.parts, some_fails(i, refused, sizeof(refused)),
				WAIT_S);
			snprintf(resource, sizeof(resource), "\"%s\"", permission->resource);
			if (strstr(refused, "403 Forbidden") == NULL ||
				strstr(refused, resource) == NULL)
				fail_msg("%s without %s %s: %s", scenarios[i].step,
					permission->verb, permission->resource, refused);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		T(an_hpas_bounds_are_written_and_put_back),
		T(a_scaled_objects_bounds_are_written_and_put_back),
		T(a_floor_falls_back_though_nobody_remembers_it),
		T(a_deployment_is_rolled_back_and_forth),
		T(a_stateful_set_is_rolled_back_and_forth),
		T(a_daemon_set_is_rolled_back_and_forth),
		T(a_rollout_is_paused_and_resumed),
		T(limits_and_requests_are_written_by_a_rollout),
		T(a_vertical_autoscaler_owns_what_it_targets),
		T(a_pod_is_resized_in_place_and_back),
		T(a_resize_that_cannot_be_done_is_taken_back),
		T(a_custom_resource_is_scaled_and_put_back),
		T(a_custom_resource_that_somebody_else_wrote_is_not_put_back),
		T(a_custom_resource_that_changed_is_not_scaled),
		T(an_autoscaler_of_a_custom_resource_owns_its_replicas),
		T(what_is_not_served_and_what_has_no_scale_is_told),
		T(a_replica_set_is_scaled_and_put_back),
		T(each_permission_is_needed_and_all_together_suffice),
	};

	return cmocka_run_group_tests_name("kubernetes_actions", tests, setup, teardown);
}
