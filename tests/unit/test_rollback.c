/* rollback: to the revision before, of each kind of workload, from the playbook to the cluster. */
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
#define DB "/apis/apps/v1/namespaces/shop/statefulsets/db"
#define STEP "{action: rollback}"

static void add_revision(struct scene *scene, int number, const char *owner)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'%s-%d',"
		"'labels':{'app':'web'},'ownerReferences':[{'kind':'Deployment','name':'%s'}],"
		"'annotations':{'deployment.kubernetes.io/revision':'%d','cause':'v%d',"
		"'nimbusguard.io/paused':'true'}},'spec':{'replicas':0,'template':{'metadata':"
		"{'labels':{'app':'web','pod-template-hash':'h%d'}},'spec':{'containers':["
		"{'name':'app','image':'web:v%d'}]}}}}",
		owner, number, owner, number, number, number, number);
	scene_add(scene, text);
}

/* A Deployment at its third revision. */
static void add_web(struct scene *scene)
{
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web','generation':3,"
		"'annotations':{'nimbusguard.io/managed':'true','cause':'v3','mine':'x',"
		"'deployment.kubernetes.io/revision':'3'}},"
		"'spec':{'replicas':2,'selector':{'matchLabels':{'app':'web'}},'template':"
		"{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'app',"
		"'image':'web:v3'}]}}},'status':{'observedGeneration':3}}");
	for (int number = 1; number <= 3; number++)
		add_revision(scene, number, "web");
}

static const char *plan(struct scene *scene, const char *kind, const char *name)
{
	scene_step(scene, kind, STEP);
	scene_look(scene, target_kind_parse(kind), name);
	return scene_plan(scene);
}

static const char *image(struct scene *scene, const char *path)
{
	return json_string_value(scene_get(scene, path, "spec", "template", "spec", "containers",
		"0", "image", NULL));
}

static const char *annotation(struct scene *scene, const char *name)
{
	return json_string_value(scene_get(scene, WEB, "metadata", "annotations", name, NULL));
}

static void a_deployment_gets_the_template_of_the_revision_before(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	assert_string_equal(plan(scene, "Deployment", "web"), "");
	assert_string_equal(scene->plan.words, "roll back: revision 3 -> 2");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail,
		"roll back Deployment shop/web from revision 3 to 2");
	assert_string_equal(scene_change(scene)->content_type, "application/json-patch+json");
	assert_string_equal(image(scene, WEB), "web:v2");
	assert_null(scene_get(scene, WEB, "spec", "template", "metadata", "labels",
		"pod-template-hash", NULL));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
}

/* As kubectl has it, but for what is the service's own. */
static void annotations_are_the_revisions_but_for_what_stays(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	plan(scene, "Deployment", "web");
	scene_send(scene, "a-1");
	assert_string_equal(annotation(scene, "cause"), "v2");
	assert_null(annotation(scene, "mine"));
	assert_string_equal(annotation(scene, "deployment.kubernetes.io/revision"), "3");
	assert_string_equal(annotation(scene, "nimbusguard.io/managed"), "true");
	assert_null(annotation(scene, "nimbusguard.io/paused"));
	assert_string_equal(annotation(scene, "nimbusguard.io/action"), "a-1");
}

static void the_inverse_goes_back_to_the_newest_before(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	plan(scene, "Deployment", "web");
	scene_send(scene, "a-1");
	/* What the Deployment's controller makes of it: revision 2 becomes 4. */
	add_revision(scene, 2, "web");
	scene_add(scene,
		"{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'web-2',"
		"'annotations':{'deployment.kubernetes.io/revision':'4'}}}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	assert_string_equal(scene->plan.words, "revision 4 -> 3 (undo)");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(image(scene, WEB), "web:v3");
}

static void a_rollout_that_came_since_is_not_undone(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	plan(scene, "Deployment", "web");
	scene_send(scene, "a-1");
	add_revision(scene, 5, "web");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

static void other_workloads_revisions_do_not_count(void **state)
{
	struct scene *scene = *state;

	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'other'},"
		"'spec':{'replicas':1}}");
	add_revision(scene, 7, "other");
	add_revision(scene, 8, "other");
	add_web(scene);
	assert_string_equal(plan(scene, "Deployment", "web"), "");
	assert_int_equal(scene->plan.changes.list[0].before, 3);
	assert_int_equal(scene->plan.changes.list[0].after, 2);
}

static void what_cannot_go_back_is_refused_with_its_reason(void **state)
{
	struct scene *scene = *state;

	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':1}}");
	assert_string_equal(plan(scene, "Deployment", "web"), "no_revision");
	add_revision(scene, 1, "web");
	assert_string_equal(plan(scene, "Deployment", "web"), "no_revision");
	scene->observation.error.code = STATUS_UNAVAILABLE;
	assert_string_equal(scene_plan(scene), "revision_unknown");
	assert_int_equal(scene->plan.basis, PLAN_FROM_LABELS);
}

/* ---- between the look and the change ---- */

static int meddled;

static void roll_out(struct scene *scene, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH || meddled++)
		return;
	add_revision(scene, 4, "web");
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web',"
		"'generation':4},'status':{'observedGeneration':4}}");
}

static void begin_to_roll_out(struct scene *scene, const struct kube_request *request)
{
	if (request->method == KUBE_PATCH && !meddled++)
		scene_add(scene,
			"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web',"
			"'generation':4}}");
}

static void set_the_status(struct scene *scene, const struct kube_request *request)
{
	if (request->method == KUBE_PATCH && !meddled++)
		scene_add(scene,
			"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
			"'status':{'x':1}}");
}

static void a_newer_rollout_is_not_rolled_back(void **state)
{
	scene_before_fn *const table[] = {roll_out, begin_to_roll_out};
	struct scene *scene = *state;

	for (size_t i = 0; i < 2; i++) {
		add_web(scene);
		plan(scene, "Deployment", "web");
		meddled = 0;
		scene->before = table[i];
		scene_send(scene, "a-1");
		scene->before = NULL;
		assert_int_equal(scene->result.outcome, COMMAND_FAILED);
		assert_int_equal(scene->result.error.code, STATUS_CONFLICT);
		assert_string_equal(image(scene, WEB), "web:v3");
		scene_teardown(state);
		scene_setup(state);
		scene = *state;
	}
}

static void conflict_of_a_mere_status_is_got_over(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	plan(scene, "Deployment", "web");
	meddled = 0;
	scene->before = set_the_status;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(scene_changes(scene), 2);
	assert_string_equal(image(scene, WEB), "web:v2");
}

static void a_revision_that_is_gone_fails(void **state)
{
	struct scene *scene = *state;
	struct error error;

	add_web(scene);
	plan(scene, "Deployment", "web");
	assert_int_equal(case_cluster_delete(&scene->cluster, "shop/ReplicaSet/web-2", &error),
		STATUS_OK);
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(scene->result.error.text, "revision 2 is gone"));
	assert_int_equal(scene_changes(scene), 0);
}

/* ---- stateful sets and daemon sets ---- */

static void add_controller_revision(struct scene *scene, int number)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"{'kind':'ControllerRevision','metadata':{'namespace':'shop','name':'db-%d',"
		"'ownerReferences':[{'kind':'StatefulSet','name':'db'}]},'revision':%d,"
		"'data':{'spec':{'template':{'$patch':'replace','spec':{'containers':["
		"{'name':'app','image':'db:v%d'}]}}}}}",
		number, number, number);
	scene_add(scene, text);
}

static void add_db(struct scene *scene)
{
	scene_add(scene,
		"{'kind':'StatefulSet','metadata':{'namespace':'shop','name':'db'},"
		"'spec':{'replicas':2,'selector':{'matchLabels':{'app':'db'}},'template':"
		"{'spec':{'nodeName':'x','containers':[{'name':'app','image':'db:v2'}]}}}}");
	add_controller_revision(scene, 1);
	add_controller_revision(scene, 2);
}

static void a_stateful_set_takes_the_data_of_its_revision(void **state)
{
	struct scene *scene = *state;

	add_db(scene);
	assert_string_equal(plan(scene, "StatefulSet", "db"), "");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene_change(scene)->content_type,
		"application/strategic-merge-patch+json");
	assert_non_null(strstr(scene_change(scene)->body, "\"$patch\":\"replace\""));
	assert_string_equal(image(scene, DB), "db:v1");
	assert_null(scene_get(scene, DB, "spec", "template", "spec", "nodeName", NULL));
	assert_string_equal(json_string_value(scene_get(scene, DB, "metadata", "annotations",
				    "nimbusguard.io/action", NULL)),
		"a-1");
}

static void pods_that_only_a_deletion_updates_are_left(void **state)
{
	struct scene *scene = *state;

	add_db(scene);
	scene_add(scene,
		"{'kind':'StatefulSet','metadata':{'namespace':'shop','name':'db'},"
		"'spec':{'updateStrategy':{'type':'OnDelete'}}}");
	assert_string_equal(plan(scene, "StatefulSet", "db"), "on_delete");
	scene_step(scene, "StatefulSet", "{action: restart_workload}");
	scene_look(scene, TARGET_STATEFULSET, "db");
	assert_string_equal(scene_plan(scene), "on_delete");
}

static void wrong_steps_are_told(void **state)
{
	(void)state;
	scene_says("Workload", STEP, true, NULL);
	scene_says("Pod", STEP, true, "rollback can't be done to the kind of target");
	scene_says("Workload", "{action: rollback, to: 3}", true, "unknown key \"to\"");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_deployment_gets_the_template_of_the_revision_before),
		T(annotations_are_the_revisions_but_for_what_stays),
		T(the_inverse_goes_back_to_the_newest_before),
		T(a_rollout_that_came_since_is_not_undone),
		T(other_workloads_revisions_do_not_count),
		T(what_cannot_go_back_is_refused_with_its_reason),
		T(a_newer_rollout_is_not_rolled_back),
		T(conflict_of_a_mere_status_is_got_over),
		T(a_revision_that_is_gone_fails),
		T(a_stateful_set_takes_the_data_of_its_revision),
		T(pods_that_only_a_deletion_updates_are_left),
		cmocka_unit_test(wrong_steps_are_told),
	};

	return cmocka_run_group_tests_name("rollback", tests, NULL, NULL);
}
