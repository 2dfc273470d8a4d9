/* adjust_resources of a workload in place: which pods, one after the other, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/kube_object.h"
#include "tests/support/action_scene.h"

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"
#define DB "/apis/apps/v1/namespaces/shop/statefulsets/db"
#define PODS "/api/v1/namespaces/shop/pods/"
#define CONTAINERS(memory)                                                                         \
	"'containers':[{'name':'app','resources':{'requests':{'memory':'100Mi','cpu':'100m'},"     \
	"'limits':{'memory':'" memory "','cpu':'1'}}}]"
#define STEP "{action: adjust_resources, memory: 300MiB}"
#define REQUIRED "{action: adjust_resources, memory: 300MiB, in_place: require}"
#define BODY_MAX 1024

/* owner: kind and name; further: members of metadata behind a comma. */
static void add_pod(struct scene *scene, const char *name, const char *kind, const char *owner,
	const char *further)
{
	char text[BODY_MAX];

	snprintf(text, sizeof(text),
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'%s','ownerReferences':[{"
		"'kind':'%s','name':'%s'}]%s},'spec':{" CONTAINERS(
			"200Mi") "},"
				 "'status':{'phase':'Running'}}",
		name, kind, owner, further);
	scene_add(scene, text);
}

static void add_web(struct scene *scene, int pods)
{
	char text[BODY_MAX], name[16];

	snprintf(text, sizeof(text),
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},'spec':{"
		"'replicas':%d,'selector':{'matchLabels':{'app':'web'}},'template':{'spec':{" CONTAINERS(
			"200Mi") "}}}}",
		pods);
	scene_add(scene, text);
	scene_add(scene,
		"{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'web-6f',"
		"'ownerReferences':[{'kind':'Deployment','name':'web'}]}}");
	for (int i = 1; i <= pods; i++) {
		snprintf(name, sizeof(name), "web-%d", i);
		add_pod(scene, name, "ReplicaSet", "web-6f", "");
	}
	scene->cluster.resizes = true;
}

static void add_db(struct scene *scene, const char *strategy)
{
	char text[BODY_MAX];

	snprintf(text, sizeof(text),
		"{'kind':'StatefulSet','metadata':{'namespace':'shop','name':'db'},'spec':{"
		"'replicas':2,'updateStrategy':{'type':'%s'},'template':{'spec':{" CONTAINERS(
			"200Mi") "}}}}",
		strategy);
	scene_add(scene, text);
	add_pod(scene, "db-0", "StatefulSet", "db", "");
	add_pod(scene, "db-1", "StatefulSet", "db", "");
	scene->cluster.resizes = true;
}

static const char *plan(struct scene *scene, const char *kind, const char *step)
{
	scene_step(scene, kind, step);
	scene_look(scene, target_kind_parse(kind), strcmp(kind, "StatefulSet") == 0 ? "db" : "web");
	return scene_plan(scene);
}

static const char *limit_of(struct scene *scene, const char *pod)
{
	char path[256];

	snprintf(path, sizeof(path), PODS "%s", pod);
	return json_string_value(scene_get(scene, path, "spec", "containers", "0", "resources",
		"limits", "memory", NULL));
}

static const char *limit_of_template(struct scene *scene, const char *path)
{
	return json_string_value(scene_get(scene, path, "spec", "template", "spec", "containers",
		"0", "resources", "limits", "memory", NULL));
}

static void expect_limits(struct scene *scene, int pods, const char *limit)
{
	char name[16];

	for (int i = 1; i <= pods; i++) {
		snprintf(name, sizeof(name), "web-%d", i);
		assert_string_equal(limit_of(scene, name), limit);
	}
}

/* How often the pod was asked to be resized. */
static unsigned asked(const struct scene *scene, const char *pod)
{
	char path[256];
	unsigned count = 0;

	snprintf(path, sizeof(path), PODS "%s/resize", pod);
	for (size_t i = 0; i < scene->call_count; i++)
		count += scene->calls[i].method == KUBE_PATCH &&
			strncmp(scene->calls[i].path, path, strlen(path)) == 0;
	return count;
}

/* ---- the way there and back ---- */

static void a_workload_is_resized_pod_by_pod_and_back(void **state)
{
	struct scene *scene = *state;
	const struct scene_call *last;

	add_web(scene, 3);
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	assert_string_equal(scene->plan.words,
		"memory limit 200MiB -> 300MiB, in place in 3 pods, until the next rollout; else "
		"by a rollout");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(scene->result.detail,
		"set limits of Deployment shop/web: memory 200Mi -> 300Mi, in place in 3 pods");
	expect_limits(scene, 3, "300Mi");
	assert_string_equal(limit_of_template(scene, WEB), "200Mi");
	assert_int_equal(scene_changes(scene), 3);
	last = scene_change(scene);
	assert_string_equal(last->path, PODS "web-3/resize?fieldManager=nimbusguard");
	assert_non_null(strstr(last->body, "{\"metadata\":{\"uid\":\"uid-"));
	assert_non_null(strstr(last->body, "\"resourceVersion\":\"1"));
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	expect_limits(scene, 3, "200Mi");
}

/* Its labels are the workload's, its owner is not. */
static void the_pods_of_others_are_left_alone(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene, "{'kind':'ReplicaSet','metadata':{'namespace':'shop','name':'other'}}");
	add_pod(scene, "other-1", "ReplicaSet", "other", ",'labels':{'app':'web'}");
	add_pod(scene, "job-1", "Job2", "web", ",'labels':{'app':'web'}");
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	assert_int_equal(scene->plan.pods.count, 2);
	scene_send(scene, "a-1");
	expect_limits(scene, 2, "300Mi");
	assert_string_equal(limit_of(scene, "other-1"), "200Mi");
	assert_string_equal(limit_of(scene, "job-1"), "200Mi");
}

static void what_it_starts_from_is_what_the_pods_have(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	scene_send(scene, "a-1");
	assert_string_equal(plan(scene, "Deployment",
				    "{action: adjust_resources, memory: +10%, ceiling: 1GiB}"),
		"");
	assert_int_equal(changes_after(&scene->plan.changes, CHANGE_MEMORY_LIMIT, 0),
		INT64_C(330) << 20);
}

static void a_pod_that_somebody_changed_is_not_put_back(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	plan(scene, "Deployment", STEP);
	scene_send(scene, "a-1");
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2'},'spec':{" CONTAINERS(
			"250Mi") "}}");
	scene_again(scene, "a-1");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

static void an_undo_puts_back_the_pods_that_are_left(void **state)
{
	struct scene *scene = *state;
	struct error error;

	add_web(scene, 3);
	plan(scene, "Deployment", STEP);
	scene_send(scene, "a-1");
	assert_int_equal(case_cluster_delete(&scene->cluster, "shop/Pod/web-2", &error), STATUS_OK);
	add_pod(scene, "web-2", "ReplicaSet", "web-6f", "");
	scene_again(scene, "a-1");
	assert_int_equal(scene_applied(scene, "a-1"), 1);
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	expect_limits(scene, 3, "200Mi");
	/* The first time, and not as the other pod that has its name. */
	assert_int_equal(asked(scene, "web-2"), 1);
	assert_int_equal(asked(scene, "web-3"), 2);
}

static void when_no_pod_is_left_nothing_is_to_be_undone(void **state)
{
	struct scene *scene = *state;
	struct error error;

	add_web(scene, 1);
	plan(scene, "Deployment", STEP);
	scene_send(scene, "a-1");
	assert_int_equal(case_cluster_delete(&scene->cluster, "shop/Pod/web-1", &error), STATUS_OK);
	add_pod(scene, "web-1", "ReplicaSet", "web-6f", "");
	scene_again(scene, "a-1");
	assert_int_equal(scene_applied(scene, "a-1"), 0);
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

/* A new template of it replaces nothing. */
static void where_the_template_replaces_no_pod_it_comes_along(void **state)
{
	struct scene *scene = *state;

	add_db(scene, "OnDelete");
	assert_string_equal(plan(scene, "StatefulSet", REQUIRED), "");
	assert_string_equal(scene->plan.words,
		"memory limit 200MiB -> 300MiB, in place in 2 pods and in the template");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(limit_of(scene, "db-1"), "300Mi");
	assert_string_equal(limit_of_template(scene, DB), "300Mi");
	assert_string_equal(scene->observation.action_key, "a-1");
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_string_equal(limit_of(scene, "db-0"), "200Mi");
	assert_string_equal(limit_of_template(scene, DB), "200Mi");
}

static void a_template_that_would_roll_is_left_alone(void **state)
{
	struct scene *scene = *state;

	add_db(scene, "RollingUpdate");
	scene_add(scene,
		"{'kind':'StatefulSet','metadata':{'namespace':'shop','name':'db'},"
		"'status':{'updatedReplicas':2}}");
	assert_string_equal(plan(scene, "StatefulSet", STEP), "");
	assert_int_equal(scene->plan.pods.count, 2);
	scene_send(scene, "a-1");
	assert_string_equal(limit_of(scene, "db-1"), "300Mi");
	assert_string_equal(limit_of_template(scene, DB), "200Mi");
}

/* ---- what cannot be done ---- */

static void what_one_kubelet_cannot_do_is_put_back_everywhere(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	add_pod(scene, "web-2", "ReplicaSet", "web-6f", ",'annotations':{'resize':'Infeasible'}");
	plan(scene, "Deployment", STEP);
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_non_null(strstr(scene->result.error.text, "pod web-2: the resize cannot be done"));
	assert_non_null(strstr(scene->result.error.text, "2 of 3 pods put back"));
	expect_limits(scene, 3, "200Mi");
	assert_int_equal(asked(scene, "web-3"), 0);
}

static void what_could_not_be_done_in_place_is_rolled_out_or_refused(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene->resize_failed = true;
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	assert_string_equal(scene->plan.words,
		"memory limit 200MiB -> 300MiB, by a rollout, as it could not be done in place");
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_string_equal(limit_of_template(scene, WEB), "300Mi");
	assert_string_equal(plan(scene, "Deployment", REQUIRED), "no_resize");
	assert_non_null(strstr(scene->plan.refusal.sentence, "could not be done"));
}

/* answer: what the second pod's kubelet says of its resize, for as long as it is asked. */
static void expect_put_back_in_the_end(struct scene *scene, const char *answer, const char *words)
{
	char annotation[64];
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;
	int waits = 0;

	add_web(scene, 2);
	snprintf(annotation, sizeof(annotation), ",'annotations':{'resize':'%s'}", answer);
	add_pod(scene, "web-2", "ReplicaSet", "web-6f", annotation);
	plan(scene, "Deployment", STEP);
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.deadline_ms = clock_now_ms(&scene->clock.clock) + 600000;
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	while (!kube_send_go_on(&sending, &again_ms, &result)) {
		clock_manual_advance(&scene->clock, 30 * again_ms);
		assert_true(++waits < 20);
	}
	assert_true(waits > 2);
	assert_int_equal(result.outcome, COMMAND_FAILED);
	if (strstr(result.error.text, words) == NULL)
		fail_msg("%s", result.error.text);
	expect_limits(scene, 2, "200Mi");
}

static void what_is_put_off_for_too_long_is_put_back(void **state)
{
	expect_put_back_in_the_end(*state, "Deferred",
		"put it off for too long: the resize is deferred");
}

/* The kubelet tries by itself again what it failed at: it is given as long. */
static void what_fails_for_too_long_is_put_back(void **state)
{
	expect_put_back_in_the_end(*state, "Error", "the resize fails, yet: the node is too small");
}

static void its_time_ends_it_and_puts_it_back(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;

	add_web(scene, 2);
	add_pod(scene, "web-2", "ReplicaSet", "web-6f", ",'annotations':{'resize':'Deferred'}");
	plan(scene, "Deployment", STEP);
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.deadline_ms = clock_now_ms(&scene->clock.clock) + 3000;
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	while (!kube_send_go_on(&sending, &again_ms, &result))
		clock_manual_advance(&scene->clock, again_ms);
	assert_int_equal(result.outcome, COMMAND_FAILED);
	assert_int_equal(result.error.code, STATUS_TIMEOUT);
	expect_limits(scene, 2, "200Mi");
}

/* ---- what happens in between ---- */

static void replace_second(struct scene *scene, const struct kube_request *request)
{
	struct error error;

	if (request->method != KUBE_PATCH)
		return;
	scene->before = NULL;
	assert_int_equal(case_cluster_delete(&scene->cluster, "shop/Pod/web-2", &error), STATUS_OK);
	add_pod(scene, "web-2", "ReplicaSet", "web-6f", "");
}

static void a_successor_of_the_same_name_is_not_resized(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	plan(scene, "Deployment", STEP);
	scene->before = replace_second;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(asked(scene, "web-2"), 0);
	assert_string_equal(limit_of(scene, "web-2"), "200Mi");
	assert_string_equal(limit_of(scene, "web-3"), "300Mi");
}

/* Its status is written now and then, which its version tells. */
static void touch_first(struct scene *scene, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH)
		return;
	scene->before = NULL;
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1'},"
		"'status':{'message':'x'}}");
}

static void a_pod_whose_status_changed_is_read_again(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 1);
	plan(scene, "Deployment", STEP);
	scene->before = touch_first;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(asked(scene, "web-1"), 2);
}

static void pause_it(struct scene *scene, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH)
		return;
	scene->before = NULL;
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web',"
		"'annotations':{'nimbusguard.io/paused':'true'}}}");
}

static void a_pause_in_the_middle_ends_it(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 3);
	plan(scene, "Deployment", STEP);
	scene->before = pause_it;
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_FAILED);
	assert_int_equal(asked(scene, "web-2"), 0);
	expect_limits(scene, 3, "200Mi");
}

static void a_restart_in_the_middle_goes_on_where_it_stopped(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;

	add_web(scene, 3);
	plan(scene, "Deployment", STEP);
	plan_command(&scene->plan, &scene->target, &scene->command);
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	assert_false(kube_send_go_on(&sending, &again_ms, &result));
	assert_string_equal(sending.progress, "1 of 3 pods are resized");
	kube_send_stop(&sending, "the service is ending", &result);
	assert_int_equal(result.outcome, COMMAND_UNKNOWN);
	assert_string_equal(limit_of(scene, "web-1"), "300Mi");
	scene_again(scene, "a-1");
	assert_int_equal(scene_applied(scene, "a-1"), APPLIED_BEGUN);
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	expect_limits(scene, 3, "300Mi");
	assert_int_equal(scene_changes(scene), 3);
}

/* A restart that took longer than the action may. */
static void what_was_begun_and_is_out_of_time_is_put_back(void **state)
{
	struct scene *scene = *state;
	struct sending sending;
	struct command_result result;
	int64_t again_ms = 0;

	add_web(scene, 2);
	plan(scene, "Deployment", STEP);
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.deadline_ms = clock_now_ms(&scene->clock.clock) + 600000;
	kube_send_begin(&sending, scene->session, &scene->clock.clock, &scene->command);
	assert_false(kube_send_go_on(&sending, &again_ms, &result));
	kube_send_stop(&sending, "the service is ending", &result);
	clock_manual_advance(&scene->clock, 600001);
	kube_send(scene->session, &scene->clock.clock, &scene->command, &result);
	assert_int_equal(result.outcome, COMMAND_FAILED);
	expect_limits(scene, 2, "200Mi");
}

static void a_servers_dry_run_asks_for_each_pod_and_changes_none(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	plan(scene, "Deployment", STEP);
	plan_command(&scene->plan, &scene->target, &scene->command);
	scene->command.server_dry_run = true;
	kube_send(scene->session, &scene->clock.clock, &scene->command, &scene->result);
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(asked(scene, "web-1"), 1);
	assert_int_equal(asked(scene, "web-2"), 1);
	assert_non_null(strstr(scene_change(scene)->path, "dryRun=All"));
	expect_limits(scene, 2, "200Mi");
}

/* ---- which way ---- */

/* The plan goes by a rollout where it may, and is refused with these words where it may not. */
static void expect_hindered(struct scene *scene, const char *words)
{
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	assert_false(scene->plan.options.by_resize);
	assert_non_null(strstr(scene->plan.words, ", by a rollout"));
	assert_string_equal(plan(scene, "Deployment", REQUIRED), "no_resize");
	if (strstr(scene->plan.refusal.sentence, words) == NULL)
		fail_msg("%s", scene->plan.refusal.sentence);
}

static void an_older_server_rolls_out(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene->cluster.resizes = false;
	expect_hindered(scene, "the server cannot do it");
}

static void pods_that_do_not_run_are_rolled_out(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2'},"
		"'status':{'phase':'Pending'}}");
	expect_hindered(scene, "not all of its pods run");
	add_web(scene, 0);
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1'},"
		"'status':{'phase':'Failed'}}");
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2'},"
		"'status':{'phase':'Succeeded'}}");
	expect_hindered(scene, "no pod of it runs");
}

static void pods_that_differ_are_rolled_out(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2'},'spec':{" CONTAINERS(
			"250Mi") "}}");
	expect_hindered(scene, "its pods differ");
}

static void a_rollout_under_way_is_not_resized(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'status':{'readyReplicas':2,'updatedReplicas':1}}");
	expect_hindered(scene, "a rollout is under way");
}

static void a_resize_under_way_is_left_alone(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2'},'status':{"
		"'conditions':[{'type':'PodResizeInProgress','status':'True'}]}}");
	expect_hindered(scene, "a resize is under way");
}

static void more_pods_than_are_named_are_rolled_out(void **state)
{
	struct scene *scene = *state;

	add_web(scene, RESIZE_PODS_MAX);
	assert_string_equal(plan(scene, "Deployment", STEP), "");
	assert_true(scene->plan.options.by_resize);
	add_web(scene, RESIZE_PODS_MAX + 1);
	expect_hindered(scene, "more pods than are resized one by one");
}

static bool may(const struct scene *scene, const char *resource, const char *verb, bool *optional)
{
	for (size_t i = 0; i < scene->permissions.count; i++) {
		const struct permission *permission = &scene->permissions.list[i];

		if (strcmp(permission->resource, resource) != 0 ||
			strcmp(permission->verb, verb) != 0)
			continue;
		*optional = permission->optional;
		return true;
	}
	return false;
}

static void the_roles_follow_the_step(void **state)
{
	static const char *const calls[][2] = {{"pods/resize", "patch"}, {"pods", "list"},
		{"pods", "get"}, {"replicasets", "get"}};
	struct scene *scene = *state;
	bool optional;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		scene_step(scene, "Deployment", STEP);
		assert_true(may(scene, calls[i][0], calls[i][1], &optional));
		assert_true(optional);
		scene_step(scene, "Deployment", REQUIRED);
		assert_true(may(scene, calls[i][0], calls[i][1], &optional));
		assert_false(optional);
		scene_step(scene, "Deployment",
			"{action: adjust_resources, memory: 300MiB, in_place: never}");
		assert_false(may(scene, calls[i][0], calls[i][1], &optional));
	}
}

/* Roles of before, which say nothing of pods. */
static void who_may_not_see_the_pods_rolls_them_out(void **state)
{
	struct permissions fewer;
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_step(scene, "Deployment", STEP);
	fewer = scene->permissions;
	for (size_t i = 0; i < fewer.count; i++)
		if (strcmp(fewer.list[i].resource, "pods") == 0)
			fewer.list[i].verb = "none";
	scene->cluster.permissions = &fewer;
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene_plan(scene), "");
	assert_non_null(strstr(scene->plan.words, ", by a rollout"));
	scene_step(scene, "Deployment", REQUIRED);
	scene->cluster.permissions = &fewer;
	assert_false(scene_try_look(scene, TARGET_DEPLOYMENT, "web"));
	assert_int_equal(scene->observation.error.code, STATUS_FORBIDDEN);
}

static void the_way_is_part_of_what_is_approved(void **state)
{
	struct scene *scene = *state;
	uint64_t in_place;

	add_web(scene, 2);
	plan(scene, "Deployment", STEP);
	in_place = scene->plan.hash;
	add_pod(scene, "web-3", "ReplicaSet", "web-6f", "");
	plan(scene, "Deployment", STEP);
	assert_int_equal(scene->plan.pods.count, 3);
	assert_true(scene->plan.hash == in_place);
	scene->resize_failed = true;
	scene_plan(scene);
	assert_true(scene->plan.hash != in_place);
}

/* A person's hand on one of the pods is told, that a controller made them is not. */
static void who_wrote_the_pods_is_told(void **state)
{
	struct scene *scene = *state;

	add_web(scene, 2);
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1','managedFields':[{"
		"'manager':'kube-controller-manager','operation':'Update','time':"
		"'2023-11-14T20:00:00Z','fieldsV1':{'f:spec':{'f:containers':{"
		"'k:{\\\"name\\\":\\\"app\\\"}':{'f:resources':{'f:limits':{}}}}}}}]}}");
	plan(scene, "Deployment", STEP);
	assert_string_equal(observation_writer(&scene->observation, &scene->plan)->manager, "");
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-2','managedFields':[{"
		"'manager':'kubectl-edit','operation':'Update','subresource':'resize','time':"
		"'2023-11-14T20:00:00Z','fieldsV1':{'f:spec':{'f:containers':{"
		"'k:{\\\"name\\\":\\\"app\\\"}':{'f:resources':{'f:requests':{}}}}}}}]}}");
	plan(scene, "Deployment", STEP);
	assert_string_equal(observation_writer(&scene->observation, &scene->plan)->manager,
		"kubectl-edit");
	assert_false(observation_writer(&scene->observation, &scene->plan)->untold);
	/* One of them that says nothing of who wrote it leaves all of them open. */
	scene_add(scene,
		"{'kind':'Pod','metadata':{'namespace':'shop','name':'web-1','managedFields':[]}}");
	plan(scene, "Deployment", STEP);
	assert_true(observation_writer(&scene->observation, &scene->plan)->untold);
}

static void wrong_words_are_told(void **state)
{
	(void)state;
	scene_says("Pod", "{action: adjust_resources, cpu: 1, in_place: prefer}", true,
		"a pod is always resized in place");
	scene_says("Workload", "{action: adjust_resources, cpu: 1, in_place: yes}", true,
		"in_place");
	scene_says("Workload", "{action: adjust_resources, cpu: 1, in_place: require}", true, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(a_workload_is_resized_pod_by_pod_and_back),
		T(the_pods_of_others_are_left_alone),
		T(what_it_starts_from_is_what_the_pods_have),
		T(a_pod_that_somebody_changed_is_not_put_back),
		T(an_undo_puts_back_the_pods_that_are_left),
		T(when_no_pod_is_left_nothing_is_to_be_undone),
		T(where_the_template_replaces_no_pod_it_comes_along),
		T(a_template_that_would_roll_is_left_alone),
		T(what_one_kubelet_cannot_do_is_put_back_everywhere),
		T(what_could_not_be_done_in_place_is_rolled_out_or_refused),
		T(what_is_put_off_for_too_long_is_put_back),
		T(what_fails_for_too_long_is_put_back),
		T(its_time_ends_it_and_puts_it_back),
		T(a_successor_of_the_same_name_is_not_resized),
		T(a_pod_whose_status_changed_is_read_again),
		T(a_pause_in_the_middle_ends_it),
		T(a_restart_in_the_middle_goes_on_where_it_stopped),
		T(what_was_begun_and_is_out_of_time_is_put_back),
		T(a_servers_dry_run_asks_for_each_pod_and_changes_none),
		T(an_older_server_rolls_out),
		T(pods_that_do_not_run_are_rolled_out),
		T(pods_that_differ_are_rolled_out),
		T(a_rollout_under_way_is_not_resized),
		T(a_resize_under_way_is_left_alone),
		T(more_pods_than_are_named_are_rolled_out),
		T(the_roles_follow_the_step),
		T(who_may_not_see_the_pods_rolls_them_out),
		T(the_way_is_part_of_what_is_approved),
		T(who_wrote_the_pods_is_told),
		cmocka_unit_test(wrong_words_are_told),
	};

	return cmocka_run_group_tests_name("resize_pods", tests, NULL, NULL);
}
