/* pause_rollout: a rollout that is under way is stopped, and resumed by the inverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "remediations/kube_object.h"
#include "tests/support/action_scene.h"

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"

/* Half of its pods have the newest template. */
static void add_web(struct scene *scene, int updated)
{
	char text[512];

	snprintf(text, sizeof(text),
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':4},'status':{'replicas':4,'readyReplicas':4,"
		"'availableReplicas':4,'updatedReplicas':%d}}",
		updated);
	scene_add(scene, text);
}

static const char *plan(struct scene *scene)
{
	scene_step(scene, "Deployment", "{action: pause_rollout}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	return scene_plan(scene);
}

static void a_rollout_is_paused_and_resumed(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	assert_string_equal(plan(scene), "");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail, "pause the rollout of Deployment shop/web");
	assert_non_null(strstr(scene_change(scene)->body, ",\"spec\":{\"paused\":true}}"));
	assert_true(json_is_true(scene_get(scene, WEB, "spec", "paused", NULL)));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_string_equal(scene->result.detail, "resume the rollout of Deployment shop/web");
	assert_true(json_is_false(scene_get(scene, WEB, "spec", "paused", NULL)));
}

static void only_a_rollout_under_way_is_paused(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 4);
	assert_string_equal(plan(scene), "no_rollout");
	add_web(scene, 1);
	assert_string_equal(plan(scene), "");
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'paused':true}}");
	assert_string_equal(plan(scene), "no_change");
}

static void what_somebody_resumed_is_not_undone(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	plan(scene);
	scene_send(scene, "a-1");
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'paused':false}}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

static int meddled;

static void set_the_status(struct scene *scene, const struct kube_request *request)
{
	if (request->method == KUBE_PATCH && !meddled++)
		add_web(scene, 3);
}

/* Also of the inverse, which finds it paused. */
static void conflict_of_a_mere_status_is_got_over(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	plan(scene);
	meddled = 0;
	scene->before = set_the_status;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	meddled = 0;
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(scene_changes(scene), 4);
}

static void wrong_steps_are_told(void **state)
{
	(void)state;
	scene_says("Deployment", "{action: pause_rollout}", true, NULL);
	scene_says("StatefulSet", "{action: pause_rollout}", true,
		"pause_rollout can't be done to the kind of target");
	scene_says("Deployment", "{action: pause_rollout, by: 1}", true, "unknown key \"by\"");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_rollout_is_paused_and_resumed),
		T(only_a_rollout_under_way_is_paused),
		T(what_somebody_resumed_is_not_undone),
		T(conflict_of_a_mere_status_is_got_over),
		cmocka_unit_test(wrong_steps_are_told),
	};

	return cmocka_run_group_tests_name("pause_rollout", tests, NULL, NULL);
}
