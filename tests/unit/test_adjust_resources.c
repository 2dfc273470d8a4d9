/* adjust_resources: limits and requests, by a rollout and in place, from the playbook to the cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "remediations/kube_object.h"
#include "tests/support/action_scene.h"

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"
#define POD "/api/v1/namespaces/shop/pods/web-1"
#define CONTAINERS                                                                                 \
	"'containers':[{'name':'app','resources':{'requests':{'memory':'100Mi','cpu':'100m'},"     \
	"'limits':{'memory':'200Mi','cpu':'1'}}}]"
#define MI (INT64_C(1) << 20)

static void add_web(struct scene *scene)
{
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':2,'template':{'spec':{" CONTAINERS "}}}}");
}

static void add_pod(struct scene *scene, const char *annotations)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1','annotations':{%s}},"
		"'spec':{" CONTAINERS "}}",
		annotations);
	scene_add(scene, text);
	scene->cluster.resizes = true;
}

static const char *plan(struct scene *scene, const char *kind, const char *step)
{
	scene_step(scene, kind, step);
	scene_look(scene, target_kind_parse(kind), strcmp(kind, "Pod") == 0 ? "web-1" : "web");
	return scene_plan(scene);
}

static int64_t after(const struct scene *scene, enum change_field field)
{
	return changes_after(&scene->plan.changes, field, -1);
}

static const char *value(struct scene *scene, const char *which, const char *name)
{
	return json_string_value(
		scene_get(scene, POD, "spec", "containers", "0", "resources", which, name, NULL));
}

#define VERTICAL(mode, target)                                                                     \
	"{'kind':'VerticalPodAutoscaler','metadata':{'namespace':'shop','name':'v'},"              \
	"'spec':{" mode "'targetRef':{'apiVersion':'apps/v1','kind':'Deployment','name':'" target  \
	"'}}}"

/* An absent mode is Auto; only Off leaves the values alone. */
static void a_vertical_autoscaler_of_the_workload_is_seen(void **state)
{
	static const struct {
		const char *manifest, *owner;
	} cases[] = {
		{VERTICAL("'updatePolicy':{'updateMode':'Off'},", "web"), ""},
		{VERTICAL("'updatePolicy':{'updateMode':'Initial'},", "web"),
			"VerticalPodAutoscaler/v, mode Initial"},
		{VERTICAL("'updatePolicy':{'updateMode':'InPlaceOrRecreate'},", "web"),
			"VerticalPodAutoscaler/v, mode InPlaceOrRecreate"},
		{VERTICAL("'updatePolicy':{'updateMode':'NewWord'},", "web"),
			"VerticalPodAutoscaler/v, mode NewWord"},
		{VERTICAL("'updatePolicy':{'updateMode':'Recreate'},", "other"), ""},
	};
	struct scene *scene = *state;

	add_web(scene);
	scene_step(scene, "Deployment", "{action: adjust_resources, memory: 300MiB}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene->observation.owner_of_resources, "");
	scene_add(scene, VERTICAL("", "web"));
	scene->look.vertical_until_ns = 0;
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene->observation.owner_of_resources,
		"VerticalPodAutoscaler/v, mode Auto");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scene_add(scene, cases[i].manifest);
		scene_look(scene, TARGET_DEPLOYMENT, "web");
		assert_string_equal(scene->observation.owner_of_resources, cases[i].owner);
	}
}

/* Whose list may not be read might hold one. */
static void a_vertical_autoscaler_that_may_not_be_seen_is_an_error(void **state)
{
	struct permissions none = {.count = 0};
	struct scene *scene = *state;

	add_web(scene);
	scene_step(scene, "Deployment", "{action: adjust_resources, memory: 300MiB}");
	none = scene->permissions;
	for (size_t i = 0; i < none.count; i++)
		if (strcmp(none.list[i].resource, "verticalpodautoscalers") == 0)
			none.list[i].verb = "none";
	scene->cluster.permissions = &none;
	/* Where the cluster has none of them the permission is not needed. */
	assert_true(scene_try_look(scene, TARGET_DEPLOYMENT, "web"));
	scene_add(scene, VERTICAL("", "other"));
	scene->look.vertical_until_ns = 0;
	assert_false(scene_try_look(scene, TARGET_DEPLOYMENT, "web"));
	assert_non_null(strstr(scene->observation.error.text, "verticalpodautoscalers"));
}

static void requests_and_limits_are_written_together(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	assert_string_equal(
		plan(scene, "Deployment",
			"{action: adjust_resources, memory: +50%, ceiling: 280MiB, "
			"memory_request: +50MiB, memory_request_ceiling: 1GiB, cpu_request: 250m}"),
		"");
	assert_int_equal(after(scene, CHANGE_MEMORY_LIMIT), 280 * MI);
	assert_int_equal(after(scene, CHANGE_MEMORY_REQUEST), 150 * MI);
	assert_int_equal(after(scene, CHANGE_CPU_REQUEST), 250);
	assert_string_equal(scene->plan.words,
		"memory limit 200MiB -> 280MiB, memory request 100MiB -> 150MiB, "
		"cpu request 100m -> 250m, by a rollout");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene_change(scene)->path, WEB "?fieldManager=nimbusguard");
	assert_non_null(strstr(scene_change(scene)->body,
		"\"resources\":{\"limits\":{\"memory\":\"280Mi\"},"
		"\"requests\":{\"memory\":\"150Mi\",\"cpu\":\"250m\"}}"));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->observation.memory_request_bytes, 100 * MI);
	assert_int_equal(scene->observation.memory_limit_bytes, 200 * MI);
}

static void a_request_never_goes_above_its_limit(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	assert_string_equal(plan(scene, "Deployment",
				    "{action: adjust_resources, memory_request: 300MiB}"),
		"request_above_limit");
	assert_string_equal(plan(scene, "Deployment",
				    "{action: adjust_resources, memory_request: 300MiB, "
				    "memory: 400MiB}"),
		"");
	assert_string_equal(plan(scene, "Deployment", "{action: adjust_resources, memory: 50MiB}"),
		"request_above_limit");
}

static void what_is_not_set_is_not_adjusted(void **state)
{
	struct scene *scene = *state;

	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'template':{'spec':{'containers':[{'name':'app'}]}}}}");
	assert_string_equal(plan(scene, "Deployment", "{action: adjust_resources, cpu_request: 2}"),
		"no_limit_set");
	assert_non_null(strstr(scene->plan.refusal.sentence, "no CPU request"));
}

/* ---- in place ---- */

static void a_pod_is_resized_in_place_and_back(void **state)
{
	struct scene *scene = *state;

	add_pod(scene, "");
	assert_string_equal(plan(scene, "Pod",
				    "{action: adjust_resources, memory: 300MiB, cpu: +500m, "
				    "cpu_ceiling: 4}"),
		"");
	assert_string_equal(scene->plan.words,
		"memory limit 200MiB -> 300MiB, cpu limit 1000m -> 1500m, in place");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail,
		"set limits of Pod shop/web-1: memory 200Mi -> 300Mi, cpu 1 -> 1500m, in place");
	assert_string_equal(scene_change(scene)->path, POD "/resize?fieldManager=nimbusguard");
	assert_null(strstr(scene_change(scene)->body, "annotations"));
	assert_non_null(strstr(scene_change(scene)->body,
		",\"spec\":{\"containers\":[{\"name\":\"app\",\"resources\":{\"limits\":"
		"{\"memory\":\"300Mi\",\"cpu\":\"1500m\"}}}]}}"));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(value(scene, "limits", "memory"), "200Mi");
}

static void what_the_kubelet_cannot_do_is_taken_back(void **state)
{
	struct scene *scene = *state;

	add_pod(scene, "'resize':'Infeasible'");
	plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB, memory_request: 150MiB}");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(scene->result.error.text, "the node is too small"));
	assert_int_equal(scene_changes(scene), 2);
	assert_string_equal(value(scene, "limits", "memory"), "200Mi");
	assert_string_equal(value(scene, "requests", "memory"), "100Mi");
}

/* A resize that is put off is waited for, until its time is over. */
static void what_is_put_off_is_taken_back_in_the_end(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;
	int waits = 0;

	add_pod(scene, "'resize':'Deferred'");
	plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB}");
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.deadline_ms = clock_now_ms(&scene->clock.clock) + 180000;
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	while (!kube_send_go_on(&sending, &again_ms, &result)) {
		assert_string_equal(sending.progress, "the resize is deferred");
		assert_string_equal(value(scene, "limits", "memory"), "300Mi");
		assert_true(again_ms > 0);
		clock_manual_advance(&scene->clock, 50 * again_ms);
		assert_true(++waits < 100);
	}
	assert_true(waits > 1);
	assert_int_equal(result.outcome, COMMAND_FAILED);
	assert_int_equal(result.error.code, STATUS_TIMEOUT);
	assert_string_equal(value(scene, "limits", "memory"), "200Mi");
}

static void what_is_put_off_may_be_done_later(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;

	add_pod(scene, "'resize':'Deferred'");
	plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB}");
	plan_command(&scene->plan, &scene->target, &scene->command);
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	assert_false(kube_send_go_on(&sending, &again_ms, &result));
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1'},'status':{"
		"'conditions':[],'containerStatuses':[{'name':'app','resources':{'limits':"
		"{'memory':'300Mi'}}}]}}");
	assert_true(kube_send_go_on(&sending, &again_ms, &result));
	assert_int_equal(result.outcome, COMMAND_DONE);
	assert_string_equal(value(scene, "limits", "memory"), "300Mi");
}

static void the_services_end_takes_back_what_is_put_off(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;

	add_pod(scene, "'resize':'Deferred'");
	plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB}");
	plan_command(&scene->plan, &scene->target, &scene->command);
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	assert_false(kube_send_go_on(&sending, &again_ms, &result));
	kube_send_stop(&sending, "the service is ending", &result);
	assert_int_equal(result.outcome, COMMAND_FAILED);
	assert_string_equal(value(scene, "limits", "memory"), "200Mi");
}

static void an_older_server_resizes_nothing(void **state)
{
	struct scene *scene = *state;

	add_pod(scene, "");
	scene->cluster.resizes = false;
	assert_string_equal(plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB}"),
		"no_resize");
}

/* What the series say of the limits; NaN: nothing. */
struct told_limits {
	double memory, cpu;
	enum quality quality;
};

static void read_limit(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	const struct told_limits *told = self;

	assert_int_equal(workload->kind, TARGET_DEPLOYMENT);
	assert_int_equal(fold, SIGNAL_NEWEST);
	assert_int_equal(to_ms - from_ms, 5 * 60000);
	*reading = (struct signal_reading){.quality = QUALITY_MISSING, .value = NAN};
	if (role == ROLE_MEMORY_LIMIT)
		reading->value = told->memory;
	else if (role == ROLE_CPU_LIMIT)
		reading->value = told->cpu;
	else
		reading->value = 1000;
	if (!isnan(reading->value))
		reading->quality = told->quality;
}

/* The refusal's reason for web, of which the cluster tells nothing and the series tell this. */
static const char *plan_blind(struct scene *scene, struct told_limits *told, const char *step)
{
	scene_step(scene, "Deployment", step);
	scene->signals = (struct signal_source){.self = told, .read = read_limit};
	scene->target.kind = scene->target.workload.kind = TARGET_DEPLOYMENT;
	scene->observation.error.code = STATUS_UNAVAILABLE;
	return scene_plan(scene);
}

static void without_a_cluster_a_limit_is_that_of_its_series(void **state)
{
	struct told_limits told = {.memory = 64 * (double)MI, .cpu = 0.3, .quality = QUALITY_GOOD};
	struct scene *scene = *state;

	assert_string_equal(plan_blind(scene, &told,
				    "{action: adjust_resources, memory: +25%, ceiling: 4GiB, "
				    "cpu: +25%, cpu_ceiling: 4}"),
		"");
	assert_string_equal(scene->plan.words,
		"memory limit 64MiB -> 80MiB, cpu limit 300m -> 375m, by a rollout");
	assert_int_equal(scene->plan.basis, PLAN_FROM_SIGNALS);
}

static void without_a_cluster_and_a_series_no_limit_is_guessed(void **state)
{
	static const struct told_limits cases[] = {
		{NAN, 0.3, QUALITY_GOOD},
		{64 * (double)MI, 0.3, QUALITY_STALE},
		{64 * (double)MI, 0.3, QUALITY_DUPLICATE},
		{INFINITY, 0.3, QUALITY_GOOD},
		{0, 0.3, QUALITY_GOOD},
		{-1, 0.3, QUALITY_GOOD},
		{1e300, 0.3, QUALITY_GOOD},
	};
	struct told_limits told = {.memory = 64 * (double)MI, .cpu = NAN, .quality = QUALITY_GOOD};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct told_limits one = cases[i];

		assert_string_equal(
			plan_blind(scene, &one,
				"{action: adjust_resources, memory: +25%, ceiling: 4GiB}"),
			"limit_unknown");
		assert_int_equal(scene->plan.basis, PLAN_FROM_LABELS);
		assert_int_equal(scene->plan.changes.count, 0);
	}
	assert_string_equal(plan_blind(scene, &told,
				    "{action: adjust_resources, cpu: +25%, cpu_ceiling: 4}"),
		"limit_unknown");
}

/* No series is there of requests; that of the limit is not taken for it. */
static void without_a_cluster_no_request_is_known(void **state)
{
	struct told_limits told = {.memory = 64 * (double)MI, .cpu = 0.3, .quality = QUALITY_GOOD};
	struct scene *scene = *state;

	assert_string_equal(plan_blind(scene, &told,
				    "{action: adjust_resources, memory_request: +25%, "
				    "memory_request_ceiling: 4GiB}"),
		"limit_unknown");
}

static void a_dry_run_waits_for_nothing(void **state)
{
	struct scene *scene = *state;

	add_pod(scene, "'resize':'Deferred'");
	plan(scene, "Pod", "{action: adjust_resources, memory: 300MiB}");
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.server_dry_run = true;
	kube_send(scene->session, &scene->clock.clock, &scene->command, &scene->result);
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(scene_changes(scene), 1);
	assert_string_equal(value(scene, "limits", "memory"), "200Mi");
}

static void wrong_steps_are_told(void **state)
{
	(void)state;
	scene_says("Workload", "{action: adjust_resources, cpu_request: +100m}", true,
		"p.yaml:5:43: error: cpu_request: a raise needs its ceiling");
	scene_says("Workload", "{action: adjust_resources, memory_request: -10%}", false,
		"memory_request: a cut needs its floor");
	scene_says("Workload",
		"{action: adjust_resources, memory_request: -10%, memory_request_floor: 64MiB}",
		true, "needs at least one condition");
	scene_says("Workload", "{action: adjust_resources, cpu: 1, cpu_request_floor: 10m}", true,
		"are bounds of cpu_request, which is not there");
	scene_says("Workload", "{action: adjust_resources, memory_request: 64Mx}", true,
		"is no amount");
	scene_says("Node", "{action: adjust_resources, cpu: 1}", true,
		"can't be done to the kind of target");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_vertical_autoscaler_of_the_workload_is_seen),
		T(a_vertical_autoscaler_that_may_not_be_seen_is_an_error),
		T(requests_and_limits_are_written_together),
		T(a_request_never_goes_above_its_limit),
		T(what_is_not_set_is_not_adjusted),
		T(a_pod_is_resized_in_place_and_back),
		T(what_the_kubelet_cannot_do_is_taken_back),
		T(what_is_put_off_is_taken_back_in_the_end),
		T(what_is_put_off_may_be_done_later),
		T(the_services_end_takes_back_what_is_put_off),
		T(an_older_server_resizes_nothing),
		T(without_a_cluster_a_limit_is_that_of_its_series),
		T(without_a_cluster_and_a_series_no_limit_is_guessed),
		T(without_a_cluster_no_request_is_known),
		T(a_dry_run_waits_for_nothing),
		cmocka_unit_test(wrong_steps_are_told),
	};

	return cmocka_run_group_tests_name("adjust_resources", tests, NULL, NULL);
}
