/*
 * scale of what is no Deployment: a ReplicaSet, and custom resources through their scale subresource,
 * on a cluster in memory that allows only what the roles for the playbook allow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "base/mem.h"
#include "remediations/guard.h"
#include "remediations/kube_custom.h"
#include "tests/support/action_scene.h"

#define ROLLOUT "argoproj.io/v1alpha1 Rollout"
#define PATH "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web"
#define MANIFEST(more)                                                                             \
	"{'apiVersion':'argoproj.io/v1alpha1','kind':'Rollout','metadata':{'namespace':'shop',"    \
	"'name':'web'" more "}"

static struct scene *scene;

static enum target_kind rollout(void)
{
	return target_kind_parse("Rollout");
}

static void add_rollout(void)
{
	scene_step(scene, ROLLOUT, "{action: scale, by: +2, max: 10}");
	scene_add(scene, MANIFEST("},'spec':{'replicas':3}"));
}

static int open_scene(void **state)
{
	scene_setup(state);
	scene = *state;
	return 0;
}

static bool holds(const char *group, const char *resource, const char *verb)
{
	for (size_t i = 0; i < scene->permissions.count; i++)
		if (strcmp(scene->permissions.list[i].group, group) == 0 &&
			strcmp(scene->permissions.list[i].resource, resource) == 0 &&
			strcmp(scene->permissions.list[i].verb, verb) == 0)
			return true;
	return false;
}

static void a_custom_resource_is_scaled_and_put_back(void **state)
{
	add_rollout();
	scene_look(scene, rollout(), "web");
	assert_int_equal(scene->observation.replicas, 3);
	assert_int_equal(scene->target.workload.kind, rollout());
	assert_string_equal(scene_plan(scene), "");
	assert_string_equal(scene->plan.words, "replicas 3 -> 5");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail, "scale Rollout shop/web 3 -> 5 replicas");
	assert_string_equal(scene_change(scene)->path, PATH "/scale?fieldManager=nimbusguard");
	assert_string_equal(scene_change(scene)->content_type, MERGE_PATCH);
	assert_non_null(strstr(scene_change(scene)->body, "\"uid\":\"uid-"));
	assert_non_null(strstr(scene_change(scene)->body, "\"resourceVersion\":\""));
	assert_int_equal(json_integer_value(scene_get(scene, PATH, "spec", "replicas", NULL)), 5);
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(json_integer_value(scene_get(scene, PATH, "spec", "replicas", NULL)), 3);
}

static void its_role_is_for_its_scale_alone(void **state)
{
	add_rollout();
	assert_true(holds("argoproj.io", "rollouts", "get"));
	assert_true(holds("argoproj.io", "rollouts/scale", "get"));
	assert_true(holds("argoproj.io", "rollouts/scale", "patch"));
	assert_false(holds("argoproj.io", "rollouts", "patch"));
	for (size_t i = 0; i < scene->permissions.count; i++)
		assert_string_not_equal(scene->permissions.list[i].group, "apps");
}

static void an_autoscaler_of_the_kind_owns_it(void **state)
{
	add_rollout();
	scene_add(scene,
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop','name':'other'},"
		"'spec':{'scaleTargetRef':{'apiVersion':'apps/v1','kind':'Deployment',"
		"'name':'web'}}}");
	scene_look(scene, rollout(), "web");
	assert_string_equal(scene->observation.owner_of_replicas, "");
	scene_add(scene,
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop','name':'h'},"
		"'spec':{'scaleTargetRef':{'apiVersion':'argoproj.io/v1alpha1','kind':'Rollout',"
		"'name':'web'}}}");
	scene_look(scene, rollout(), "web");
	assert_string_equal(scene->observation.owner_of_replicas, "HorizontalPodAutoscaler/h");
}

static void a_paused_one_and_git_are_seen_as_of_any_workload(void **state)
{
	scene_step(scene, ROLLOUT, "{action: scale, by: +2, max: 10}");
	scene_add(scene,
		MANIFEST(",'annotations':{'argocd.argoproj.io/tracking-id':"
			 "'shop:argoproj.io/Rollout:shop/web','nimbusguard.io/managed':'true'}}"
			 ",'spec':{'replicas':3,'paused':true}"));
	scene_look(scene, rollout(), "web");
	assert_true(scene->observation.rollout_paused);
	assert_true(scene->observation.managed);
	assert_string_equal(scene->observation.git_owner, "argocd:shop");
}

/* What wrote the replicas through the scale tells which member of the spec they are. */
static void the_writer_of_its_replicas_is_found_by_the_scale(void **state)
{
	add_rollout();
	scene_add(scene,
		MANIFEST(
			",'managedFields':["
			"{'manager':'kubectl-edit','operation':'Update',"
			"'time':'2026-01-02T00:00:00Z','fieldsV1':{'f:spec':{'f:strategy':{}}}},"
			"{'manager':'nimbusguard','operation':'Update','subresource':'scale',"
			"'time':'2026-01-01T00:00:00Z','fieldsV1':{'f:spec':{'f:replicas':{}}}}]}"));
	scene_look(scene, rollout(), "web");
	assert_string_equal(scene->observation.replicas_writer.manager, FIELD_MANAGER);
	scene_add(scene,
		MANIFEST(",'managedFields':["
			 "{'manager':'kubectl-edit','operation':'Update',"
			 "'time':'2026-01-02T00:00:00Z','fieldsV1':{'f:spec':{'f:size':{}}}}]}"));
	scene_look(scene, rollout(), "web");
	/* Any member may be it: somebody's hand is on it. */
	assert_string_equal(scene->observation.replicas_writer.manager, "kubectl-edit");
	assert_true(scene->observation.replicas_writer.by_hand);
}

static void at_zero_it_was_switched_off(void **state)
{
	add_rollout();
	scene_add(scene, MANIFEST("},'spec':{'replicas':0}"));
	scene_look(scene, rollout(), "web");
	assert_string_equal(scene_plan(scene), "scaled_to_zero");
	scene->observation.no_scale = true;
	assert_string_equal(scene_plan(scene), "no_scale");
	assert_string_equal(scene->plan.refusal.sentence, "A Rollout has no scale subresource.");
}

/* What a server says of the API's version and of a scale, in which ' stands for ". */
static const char *api_says, *scale_says;

static int answer_told(void *argument, const struct kube_request *request, json_t **body)
{
	size_t size = strlen(request->path);
	const char *text =
		size > 6 && strcmp(request->path + size - 6, "/scale") == 0 ? scale_says : api_says;
	char *copy = mem_strdup(text);

	(void)argument;
	assert_non_null(copy);
	for (char *c = copy; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	*body = json_loads(copy, 0, NULL);
	assert_non_null(*body);
	mem_free(copy);
	return 200;
}

static enum status look_told(struct observation *observation, struct error *error)
{
	struct kube_session *session = kube_session_open_served(answer_told, NULL);
	struct kube_look look = {.session = session};
	enum status status;

	scene_step(scene, ROLLOUT, "{action: scale, by: +2, max: 10}");
	*observation = (struct observation){.replicas = 7,
		.target = {.kind = rollout(), .namespace_name = "shop", .name = "web"}};
	status = kube_custom_look(&look, observation, error);
	kube_session_close(session);
	return status;
}

#define SERVED(namespaced)                                                                         \
	"{'resources':[{'name':'rollouts','kind':'Rollout','namespaced':" namespaced               \
	"},{'name':'rollouts/scale','kind':'Scale','namespaced':true}]}"

static void replicas_that_are_not_sent_are_none(void **state)
{
	struct observation observation;
	struct error error;

	api_says = SERVED("true");
	scale_says = "{'spec':{},'status':{'replicas':4}}";
	assert_int_equal(look_told(&observation, &error), STATUS_OK);
	assert_int_equal(observation.replicas, 0);
	assert_int_equal(observation.ready_replicas, 4);
	assert_false(observation.no_scale);
}

static void a_kind_without_namespaces_is_refused(void **state)
{
	struct observation observation;
	struct error error;

	api_says = SERVED("false");
	scale_says = "{}";
	assert_int_equal(look_told(&observation, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "lives in no namespace"));
}

static void set_aside(struct scene *at, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH || at->call_count > 40)
		return;
	at->before = NULL;
	scene_add(at, MANIFEST(",'labels':{'x':'y'}}"));
}

static void take_over(struct scene *at, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH)
		return;
	at->before = NULL;
	scene_add(at, MANIFEST("},'spec':{'replicas':9}"));
}

static void a_conflict_is_judged_by_its_scale(void **state)
{
	add_rollout();
	scene_look(scene, rollout(), "web");
	scene_plan(scene);
	scene->before = set_aside;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(json_integer_value(scene_get(scene, PATH, "spec", "replicas", NULL)), 5);
	scene_look(scene, rollout(), "web");
	scene_plan(scene);
	scene->before = take_over;
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(json_integer_value(scene_get(scene, PATH, "spec", "replicas", NULL)), 9);
}

#define SET "/apis/apps/v1/namespaces/shop/replicasets/web-1"

static void a_replica_set_of_its_own_is_scaled(void **state)
{
	scene_step(scene, "ReplicaSet", "{action: scale, to: 4}");
	scene_add(scene,
		"{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'web-1'},"
		"'spec':{'replicas':2}}");
	scene_look(scene, TARGET_REPLICASET, "web-1");
	assert_string_equal(scene->observation.owner_of_replicas, "");
	assert_string_equal(scene_plan(scene), "");
	scene_send(scene, "a-1");
	assert_string_equal(scene_change(scene)->path, SET "/scale?fieldManager=nimbusguard");
	assert_int_equal(json_integer_value(scene_get(scene, SET, "spec", "replicas", NULL)), 4);
}

static void a_replica_set_of_a_deployment_is_the_deployments(void **state)
{
	scene_step(scene, "ReplicaSet", "{action: scale, to: 4}");
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':2}}");
	scene_add(scene,
		"{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'web-1',"
		"'ownerReferences':[{'kind':'Deployment','name':'web'}]},'spec':{'replicas':2}}");
	scene_look(scene, TARGET_REPLICASET, "web-1");
	assert_string_equal(scene->observation.owner_of_replicas, "Deployment/web");
}

static void what_a_playbook_says_of_its_kind_is_checked(void **state)
{
	static const struct {
		const char *kind, *step, *part;
	} cases[] = {
		{"argoproj.io/v1 rollout", "{action: scale, by: +1}", "is no kind"},
		{"other.example/v1 Rollout", "{action: scale, by: +1}", "already known"},
		{ROLLOUT, "{action: restart_workload}", "can't be done to the kind"},
		{"ReplicaSet", "{action: restart_workload}", "can't be done to the kind"},
		{"Deployment, resource: deployments", "{action: scale, by: +1}",
			"resource: only of a custom resource"},
		{ROLLOUT, "{action: scale, by: +1}", NULL},
		{"ReplicaSet", "{action: scale, by: +1}", NULL},
	};

	add_rollout();
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		scene_says(cases[i].kind, cases[i].step, false, cases[i].part);
}

static void resolves(enum target_kind wanted, const char *label, const char *value,
	const char *more, const char *refused)
{
	const struct target_spec spec = {.kind = wanted};
	struct label pairs[3] = {{"namespace", "shop", 9, 4},
		{label, value, (uint32_t)strlen(label), (uint32_t)strlen(value)},
		{"workload_kind", more, 13, more ? (uint32_t)strlen(more) : 0}};
	const struct labels labels = {pairs, more ? 3 : 2};
	struct refusal refusal;
	struct target target;

	assert_int_equal(target_resolve(&spec, &labels, NULL, &target, &refusal), !*refused);
	assert_string_equal(refusal.reason, refused);
	if (*refused)
		return;
	assert_int_equal(target.kind, wanted);
	assert_string_equal(target.name, value);
	assert_int_equal(target.workload.kind, wanted);
}

static void its_labels_name_it_for_its_own_playbook_alone(void **state)
{
	add_rollout();
	resolves(rollout(), "rollout", "web", NULL, "");
	resolves(rollout(), "workload", "web", "Rollout", "");
	resolves(rollout(), "workload", "web", "Deployment", "target_missing");
	resolves(TARGET_REPLICASET, "replicaset", "web-1", NULL, "");
	resolves(TARGET_DEPLOYMENT, "replicaset", "web-1", NULL, "target_missing");
	resolves(TARGET_DEPLOYMENT, "workload", "web", "Rollout", "target_missing");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_custom_resource_is_scaled_and_put_back),
		T(its_role_is_for_its_scale_alone),
		T(an_autoscaler_of_the_kind_owns_it),
		T(a_paused_one_and_git_are_seen_as_of_any_workload),
		T(the_writer_of_its_replicas_is_found_by_the_scale),
		T(at_zero_it_was_switched_off),
		T(replicas_that_are_not_sent_are_none),
		T(a_kind_without_namespaces_is_refused),
		T(a_conflict_is_judged_by_its_scale),
		T(a_replica_set_of_its_own_is_scaled),
		T(a_replica_set_of_a_deployment_is_the_deployments),
		T(what_a_playbook_says_of_its_kind_is_checked),
		T(its_labels_name_it_for_its_own_playbook_alone),
	};

	return cmocka_run_group_tests_name("scale", tests, NULL, NULL);
}
