/* adjust_autoscaler: the bounds of an HPA and of a ScaledObject, from the playbook to the cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "remediations/kube_object.h"
#include "tests/support/action_scene.h"

#define HPA_PATH "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web"
#define SCALED_PATH "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/web-so"

static void add_web(struct scene *scene, int replicas)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':%d,'template':{'spec':{'containers':[{'name':'app'}]}}}}",
		replicas);
	scene_add(scene, text);
}

#define TARGET_REF "'scaleTargetRef':{'apiVersion':'apps/v1','kind':'Deployment','name':'web'}"

static void add_hpa(struct scene *scene, const char *bounds)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{" TARGET_REF "%s}}",
		bounds);
	scene_add(scene, text);
}

static void add_scaled(struct scene *scene, const char *annotations)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{'kind':'ScaledObject','metadata':{'namespace':'shop','name':'web-so',"
		"'annotations':{%s}},'spec':{'scaleTargetRef':{'name':'web'},"
		"'maxReplicaCount':10}}",
		annotations);
	scene_add(scene, text);
}

static const char *plan(struct scene *scene, const char *step)
{
	scene_step(scene, "Deployment", step);
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	return scene_plan(scene);
}

static int64_t after(const struct scene *scene, enum change_field field)
{
	return changes_after(&scene->plan.changes, field, -1);
}

static void the_hpas_maximum_is_raised_and_put_back(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 10);
	add_hpa(scene, ",'minReplicas':2,'maxReplicas':10");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: +50%, ceiling: 14}"), "");
	assert_string_equal(scene->plan.words,
		"HorizontalPodAutoscaler/web: most replicas 10 -> 14");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail,
		"set most replicas 10 -> 14 of HorizontalPodAutoscaler web for Deployment shop/web");
	assert_string_equal(scene_change(scene)->path, HPA_PATH "?fieldManager=nimbusguard");
	assert_non_null(strstr(scene_change(scene)->body, "\"resourceVersion\":"));
	assert_non_null(strstr(scene_change(scene)->body, ",\"spec\":{\"maxReplicas\":14}}"));
	assert_string_equal(json_string_value(scene_get(scene, HPA_PATH, "metadata", "annotations",
				    "nimbusguard.io/action", NULL)),
		"a-1");
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	/* The replicas themselves are the autoscaler's. */
	assert_int_equal(scene_changes(scene), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(json_integer_value(
				 scene_get(scene, HPA_PATH, "spec", "maxReplicas", NULL)),
		10);
}

static void amounts_are_absolute_relative_or_percent(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	add_hpa(scene, ",'maxReplicas':10");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, min: 3, max: +4}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MIN), 3);
	assert_int_equal(scene->plan.changes.list[0].before, 1);
	assert_int_equal(after(scene, CHANGE_REPLICAS_MAX), 14);
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: -25%}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MAX), 7);
	assert_true(scene->plan.shrinks);
	/* An HPA's least is one at least. */
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, min: -3}"), "no_change");
	/* The guard's own bound. */
	scene->replicas_max = 12;
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: +50%}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MAX), 12);
}

static void the_least_never_goes_above_the_most(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	add_hpa(scene, ",'minReplicas':4,'maxReplicas':6");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, min: +4}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MIN), 6);
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: -4}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MAX), 4);
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, min: 9, max: 8}"), "");
	assert_int_equal(after(scene, CHANGE_REPLICAS_MIN), 8);
	assert_int_equal(after(scene, CHANGE_REPLICAS_MAX), 8);
}

static void keda_is_asked_by_its_scaled_object(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	add_scaled(scene, "");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, min: +2, max: +10}"), "");
	assert_string_equal(scene->plan.words,
		"ScaledObject/web-so: least replicas 0 -> 2, most replicas 10 -> 20");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene_change(scene)->path, SCALED_PATH "?fieldManager=nimbusguard");
	assert_string_equal(scene_change(scene)->content_type, "application/merge-patch+json");
	assert_non_null(strstr(scene_change(scene)->body,
		"\"spec\":{\"minReplicaCount\":2,\"maxReplicaCount\":20}"));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
}

static void keda_owns_the_hpa_that_it_made(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	add_scaled(scene, "");
	scene_add(scene,
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop',"
		"'name':'keda-hpa-web-so','ownerReferences':[{'kind':'ScaledObject',"
		"'name':'web-so'}]},'spec':{" TARGET_REF ",'minReplicas':1,'maxReplicas':10}}");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: +1}"), "");
	scene_send(scene, "a-1");
	assert_string_equal(scene_change(scene)->path, SCALED_PATH "?fieldManager=nimbusguard");
}

static void what_cannot_be_set_is_refused_with_its_reason(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: +1}"), "no_autoscaler");
	add_hpa(scene, ",'maxReplicas':10");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 10}"), "no_change");
	add_web(scene, 0);
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 12}"), "scaled_to_zero");
	add_web(scene, 3);
	scene_add(scene,
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop','name':'web',"
		"'annotations':{'nimbusguard.io/paused':'yes'}}}");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 12}"),
		"autoscaler_paused");
}

static void kedas_own_pause_is_respected(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	add_scaled(scene, "'autoscaling.keda.sh/paused-replicas':'3'");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 12}"),
		"autoscaler_paused");
	add_scaled(scene,
		"'autoscaling.keda.sh/paused-replicas':null,"
		"'autoscaling.keda.sh/paused':'false'");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 12}"), "");
}

static void a_foreign_owner_is_left_alone(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web',"
		"'ownerReferences':[{'kind':'Rollout','name':'web'}]}}");
	assert_string_equal(plan(scene, "{action: adjust_autoscaler, max: 12}"),
		"autoscaler_foreign");
}

/* ---- conflicts ---- */

static int meddled;

static void set_the_status(struct scene *scene, const struct kube_request *request)
{
	if (request->method == KUBE_PATCH && !meddled++)
		add_hpa(scene, "},'status':{'currentReplicas':4");
}

static void set_the_maximum(struct scene *scene, const struct kube_request *request)
{
	if (request->method == KUBE_PATCH && !meddled++)
		add_hpa(scene, ",'maxReplicas':99");
}

static void conflict_of_a_mere_status_is_got_over(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	add_hpa(scene, ",'maxReplicas':10");
	plan(scene, "{action: adjust_autoscaler, max: 12}");
	meddled = 0;
	scene->before = set_the_status;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(scene_changes(scene), 2);
}

static void somebody_elses_bound_is_not_overwritten(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	add_hpa(scene, ",'maxReplicas':10");
	plan(scene, "{action: adjust_autoscaler, max: 12}");
	meddled = 0;
	scene->before = set_the_maximum;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(scene->result.error.code, STATUS_CONFLICT);
	assert_int_equal(json_integer_value(
				 scene_get(scene, HPA_PATH, "spec", "maxReplicas", NULL)),
		99);
}

static void what_was_changed_since_is_not_undone(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	add_hpa(scene, ",'maxReplicas':10");
	plan(scene, "{action: adjust_autoscaler, max: 12}");
	scene_send(scene, "a-1");
	add_hpa(scene, ",'maxReplicas':20");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

static void an_autoscaler_made_anew_is_another(void **state)
{
	struct scene *scene = *state;
	struct error error;

	add_web(scene, 4);
	add_hpa(scene, ",'maxReplicas':10");
	plan(scene, "{action: adjust_autoscaler, max: 12}");
	assert_int_equal(case_cluster_delete(&scene->cluster, "shop/HorizontalPodAutoscaler/web",
				 &error),
		STATUS_OK);
	add_hpa(scene, ",'maxReplicas':10");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	add_hpa(scene, ",'maxReplicas':12");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
}

/* ---- playbooks ---- */

static void wrong_steps_are_told_at_their_place(void **state)
{
	(void)state;
	scene_says("Deployment", "{action: adjust_autoscaler, max: +2, ceiling: 40}", true, NULL);
	scene_says("Deployment", "{action: adjust_autoscaler}", true,
		"p.yaml:5:3: error: an adjust_autoscaler step needs min or max");
	scene_says("Deployment", "{action: adjust_autoscaler, max: 50%}", true,
		"p.yaml:5:36: error: max: \"50%\" is no amount; wanted is a form like 5, +2");
	scene_says("Deployment", "{action: adjust_autoscaler, max: -1}", true,
		"needs at least one condition");
	scene_says("Deployment", "{action: adjust_autoscaler, max: -1}", false, NULL);
	scene_says("Deployment", "{action: adjust_autoscaler, max: +1, floor: 9, ceiling: 3}", true,
		"p.yaml:5:47: error: the floor is above the ceiling");
	scene_says("Deployment", "{action: adjust_autoscaler, max: +1, ceiling: 51}", true,
		"warning: ceiling 51 is above guard.replicas_max");
	scene_says("Deployment", "{action: adjust_autoscaler, mx: +1}", true,
		"unknown key \"mx\", did you mean");
	scene_says("DaemonSet", "{action: adjust_autoscaler, max: +1}", true,
		"can't be done to the kind of target");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(the_hpas_maximum_is_raised_and_put_back),
		T(amounts_are_absolute_relative_or_percent),
		T(the_least_never_goes_above_the_most),
		T(keda_is_asked_by_its_scaled_object),
		T(keda_owns_the_hpa_that_it_made),
		T(what_cannot_be_set_is_refused_with_its_reason),
		T(kedas_own_pause_is_respected),
		T(a_foreign_owner_is_left_alone),
		T(conflict_of_a_mere_status_is_got_over),
		T(somebody_elses_bound_is_not_overwritten),
		T(what_was_changed_since_is_not_undone),
		T(an_autoscaler_made_anew_is_another),
		cmocka_unit_test(wrong_steps_are_told_at_their_place),
	};

	return cmocka_run_group_tests_name("adjust_autoscaler", tests, NULL, NULL);
}
