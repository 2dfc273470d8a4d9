/*
 * Scenarios about pods: resized in place, evicted under budgets, drained from their node; and a watch that
 * tells of all that.
 */
#include "tests/support/action_suite_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/kube_object.h"
#include "remediations/kube_observe.h"
#include "remediations/kube_watch.h"
#include "tests/support/servers.h"

#define LIMIT "resources", "limits", "memory"

static void skip_without_cluster(void)
{
	if (suite_used.session == NULL)
		skip();
}

/* ---- in place ---- */

static void a_pod_is_resized_in_place_and_its_template_stays(void **state)
{
	static const char *const of_pod[NAMES_MAX] = {"spec", "containers", "0", LIMIT};
	static const char *const of_status[NAMES_MAX] = {"status", "containerStatuses", "0", LIMIT};
	static const char *const of_template[NAMES_MAX] = {"spec", "template", "spec",
		"containers"};
	char pod[OBJECT_NAME_MAX], path[512], *before, *after, *template;

	skip_without_cluster();
	suite_pod(pod);
	snprintf(path, sizeof(path), PODS "/%s", pod);
	before = suite_value(path, of_pod);
	template = suite_value(WEB, of_template);
	suite_plan(TARGET_POD, pod, "{action: adjust_resources, memory: +25%, ceiling: 4GiB}");
	assert_non_null(strstr(suite_scene->plan.words, "in place"));
	scene_send(suite_scene, suite_ids[0]);
	suite_done(false);
	after = suite_value(path, of_pod);
	assert_string_not_equal(after, before);
	suite_value_is(WEB, of_template, template);
	assert_int_equal(scene_applied(suite_scene, suite_ids[0]), 1);
	/* What the kubelet runs it with is what is asked for. */
	suite_value_is(path, of_status, after);
	assert_string_equal(scene_undo(suite_scene, suite_ids[0]), "");
	scene_send(suite_scene, suite_ids[1]);
	suite_done(false);
	suite_value_is(path, of_pod, before);
	free(before);
	free(after);
	free(template);
}

static bool is_resizable(const void *argument)
{
	suite_plan(TARGET_DEPLOYMENT, "web", argument);
	return suite_scene->plan.options.by_resize;
}

/* Of each pod that the plan names, what is asked for and what its kubelet runs it with. */
static unsigned count_pods_with(const char *limit)
{
	json_t *list = suite_read(PODS "?labelSelector=app%3Dweb"), *pod;
	unsigned count = 0;
	size_t i;

	json_array_foreach(json_object_get(list, "items"), i, pod)
	{
		const char *asked = json_string_value(
			kube_get(json_array_get(kube_get(pod, "spec", "containers", NULL), 0),
				LIMIT, NULL));
		const char *run = json_string_value(
			kube_get(json_array_get(kube_get(pod, "status", "containerStatuses", NULL),
					 0),
				LIMIT, NULL));

		count += resize_pods_have(&suite_scene->plan.pods, kube_uid(pod)) &&
			asked != NULL && run != NULL && strcmp(asked, limit) == 0 &&
			strcmp(run, limit) == 0;
	}
	json_decref(list);
	return count;
}

static void a_workload_is_resized_in_place_and_its_template_stays(void **state)
{
	static const char *const of_template[NAMES_MAX] = {"spec", "template", "spec",
		"containers"};
	char *template, limit[2][32];
	const struct change *change;

	skip_without_cluster();
	suite_settle();
	suite_await(is_resizable, "{action: adjust_resources, memory: +25%, ceiling: 4GiB}",
		"pods of web that can be resized");
	template = suite_value(WEB, of_template);
	change = changes_find(&suite_scene->plan.changes, CHANGE_MEMORY_LIMIT);
	change_value_write(UNIT_BYTES, change->before, limit[0], sizeof(limit[0]));
	change_value_write(UNIT_BYTES, change->after, limit[1], sizeof(limit[1]));
	scene_send(suite_scene, suite_ids[0]);
	suite_done(false);
	assert_int_equal(count_pods_with(limit[1]), suite_scene->plan.pods.count);
	suite_value_is(WEB, of_template, template);
	assert_int_equal(scene_applied(suite_scene, suite_ids[0]), 1);
	assert_string_equal(scene_undo(suite_scene, suite_ids[0]), "");
	scene_send(suite_scene, suite_ids[1]);
	suite_done(false);
	assert_int_equal(count_pods_with(limit[0]), suite_scene->plan.pods.count);
	free(template);
}

/* What no server takes. */
static void a_resize_changes_amounts_and_nothing_else(void **state)
{
	char pod[OBJECT_NAME_MAX], path[512];

	skip_without_cluster();
	suite_pod(pod);
	snprintf(path, sizeof(path), PODS "/%s/resize", pod);
	assert_int_equal(action_suite_code(KUBE_PATCH, path,
				 "application/strategic-merge-patch+json",
				 "{\"spec\":{\"containers\":[{\"name\":\"app\",\"resources\":{"
				 "\"limits\":{\"memory\":\"1Mi\"}}}]}}"),
		422);
	snprintf(path, sizeof(path), PODS "/%s", pod);
	assert_int_equal(action_suite_code(KUBE_PATCH, path,
				 "application/strategic-merge-patch+json",
				 "{\"spec\":{\"containers\":[{\"name\":\"app\",\"resources\":{"
				 "\"limits\":{\"memory\":\"999Mi\"}}}]}}"),
		422);
}

/* ---- budgets ---- */

static void make_budget(const char *name, const char *least)
{
	char body[256], path[128];

	snprintf(path, sizeof(path), PDBS "/%s", name);
	if (suite_has(path))
		suite_must(KUBE_DELETE, path, JSON, DELETE_OPTIONS);
	snprintf(body, sizeof(body),
		"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"minAvailable\":%s,\"selector\":{"
		"\"matchLabels\":{\"app\":\"web\"}}}}",
		name, least);
	suite_must(KUBE_POST, PDBS, JSON, body);
}

/* Whether the budget `web` allows so many. */
static bool allows(const void *argument)
{
	const int *wanted = argument;
	json_t *budget = suite_read(PDBS "/web");
	bool is = kube_number(kube_get(budget, "status", "disruptionsAllowed", NULL), -1) ==
			*wanted &&
		kube_number(kube_get(budget, "status", "expectedPods", NULL), 0) > 0;

	json_decref(budget);
	return is;
}

static int evicts(const char *pod)
{
	char path[512], body[512];

	snprintf(path, sizeof(path), PODS "/%s/eviction?dryRun=All", pod);
	snprintf(body, sizeof(body),
		"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"shop\"}}",
		pod);
	return action_suite_code(KUBE_POST, path, JSON, body);
}

static void budgets_hold_evictions(void **state)
{
	static const int none = 0, one = 1;
	char pod[OBJECT_NAME_MAX];
	unsigned replicas;
	json_t *web;
	char least[16];

	skip_without_cluster();
	suite_pod(pod);
	make_budget("web", "\"100%\"");
	suite_await(allows, &none, "a budget that allows nothing");
	assert_int_equal(evicts(pod), 429);
	web = suite_read(WEB);
	replicas = (unsigned)json_integer_value(kube_get(web, "spec", "replicas", NULL));
	json_decref(web);
	snprintf(least, sizeof(least), "%u", replicas - 1);
	make_budget("web", least);
	suite_await(allows, &one, "a budget that allows one");
	assert_int_equal(evicts(pod), 201);
	make_budget("other", "1");
	assert_int_equal(evicts(pod), 500);
	suite_must(KUBE_DELETE, PDBS "/other", JSON, DELETE_OPTIONS);
	suite_must(KUBE_DELETE, PDBS "/web", JSON, DELETE_OPTIONS);
}

/* ---- drains ---- */

static size_t pods_on(const char *node)
{
	char path[256];
	json_t *list;
	size_t count;

	snprintf(path, sizeof(path),
		PODS "?labelSelector=app%%3Dweb&fieldSelector=spec.nodeName%%3D%s", node);
	list = suite_read(path);
	count = json_array_size(json_object_get(list, "items"));
	json_decref(list);
	return count;
}

static void node_of(const char *pod, char node[OBJECT_NAME_MAX])
{
	char path[512];
	json_t *object;

	snprintf(path, sizeof(path), PODS "/%s", pod);
	object = suite_read(path);
	snprintf(node, OBJECT_NAME_MAX, "%s",
		json_string_value(kube_get(object, "spec", "nodeName", NULL)));
	json_decref(object);
}

static void a_node_is_drained_under_its_budget_and_uncordoned(void **state)
{
	static const char *const closed[NAMES_MAX] = {"spec", "unschedulable"};
	static const int one = 1;
	char pod[OBJECT_NAME_MAX], node[OBJECT_NAME_MAX], path[512], least[16];
	json_t *web;

	skip_without_cluster();
	suite_pod(pod);
	node_of(pod, node);
	snprintf(path, sizeof(path), NODES "/%s", node);
	web = suite_read(WEB);
	snprintf(least, sizeof(least), "%d",
		(int)json_integer_value(kube_get(web, "spec", "replicas", NULL)) - 1);
	json_decref(web);
	make_budget("web", least);
	suite_await(allows, &one, "a budget that allows one");
	suite_plan(TARGET_NODE, node, "{action: drain}");
	assert_true(pods_on(node) > 0);
	scene_send(suite_scene, suite_ids[0]);
	suite_done(false);
	suite_value_is(path, closed, "true");
	assert_int_equal(pods_on(node), 0);
	assert_int_equal(scene_applied(suite_scene, suite_ids[0]), 1);
	assert_string_equal(scene_undo(suite_scene, suite_ids[0]), "");
	scene_send(suite_scene, suite_ids[1]);
	suite_done(false);
	suite_value_is(path, closed, "null");
	suite_must(KUBE_DELETE, PDBS "/web", JSON, DELETE_OPTIONS);
}

/* ---- watches ---- */

struct sight {
	struct kube_watch *watch;
	enum kube_watch_kind kind;
	const char *space, *name;
	int replicas; /* -1: it is not there */
};

static bool is_seen(const void *argument)
{
	const struct sight *sight = argument;
	struct kube_seen seen;
	enum kube_watch_word word =
		kube_watch_get(sight->watch, sight->kind, sight->space, sight->name, &seen);

	if (sight->replicas < 0)
		return word == KUBE_WATCH_NONE;
	return word == KUBE_WATCH_SEEN && seen.replicas == sight->replicas;
}

static void see(struct kube_watch *watch, enum kube_watch_kind kind, const char *name, int replicas,
	const char *what)
{
	const struct sight sight = {watch, kind, "shop", name, replicas};

	suite_await(is_seen, &sight, what);
}

static void a_watch_tells_what_happens(void **state)
{
	const struct kube_watch_config config = {.kinds = KUBE_WATCH_BIT(KUBE_WATCH_DEPLOYMENTS) |
			KUBE_WATCH_BIT(KUBE_WATCH_AUTOSCALERS) | KUBE_WATCH_BIT(KUBE_WATCH_PODS),
		.settle_ms = 100};
	struct kube_watch *watch;
	struct error error;
	char body[64];
	json_t *web;
	int replicas;

	skip_without_cluster();
	suite_settle();
	if (suite_has(HPAS "/web"))
		suite_must(KUBE_DELETE, HPAS "/web", JSON, DELETE_OPTIONS);
	web = suite_read(WEB);
	replicas = (int)json_integer_value(kube_get(web, "spec", "replicas", NULL));
	json_decref(web);
	assert_int_equal(kube_watch_open(&watch, suite_used.client, &config, &error), STATUS_OK);
	see(watch, KUBE_WATCH_DEPLOYMENTS, "web", replicas, "the list");
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%d}}", replicas + 1);
	suite_must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	see(watch, KUBE_WATCH_DEPLOYMENTS, "web", replicas + 1, "a change");
	snprintf(body, sizeof(body), "{\"spec\":{\"replicas\":%d}}", replicas);
	suite_must(KUBE_PATCH, WEB "/scale?fieldManager=somebody", MERGE, body);
	see(watch, KUBE_WATCH_DEPLOYMENTS, "web", replicas, "the change back");
	suite_must(KUBE_POST, HPAS, JSON,
		"{\"metadata\":{\"name\":\"web\"},\"spec\":{\"scaleTargetRef\":{\"apiVersion\":"
		"\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\"},\"minReplicas\":1,"
		"\"maxReplicas\":6}}");
	see(watch, KUBE_WATCH_AUTOSCALERS, "web", 0, "a new object");
	suite_must(KUBE_DELETE, HPAS "/web", JSON, DELETE_OPTIONS);
	see(watch, KUBE_WATCH_AUTOSCALERS, "web", -1, "an object that is gone");
	/* All of it by one list each. */
	assert_int_equal(kube_watch_state(watch, KUBE_WATCH_DEPLOYMENTS).lists, 1);
	assert_int_equal(kube_watch_state(watch, KUBE_WATCH_AUTOSCALERS).lists, 1);
	kube_watch_close(watch);
}

size_t action_suite_fill_more(struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX], size_t count)
{
#define T(name) cmocka_unit_test_setup_teardown(name, suite_open_scene, suite_close_scene)
	static const struct CMUnitTest more[] =
		{T(a_pod_is_resized_in_place_and_its_template_stays),
			T(a_workload_is_resized_in_place_and_its_template_stays),
			T(a_resize_changes_amounts_and_nothing_else), T(budgets_hold_evictions),
			T(a_node_is_drained_under_its_budget_and_uncordoned),
			T(a_watch_tells_what_happens)};

	CHECK(count + ARRAY_COUNT(more) <= ACTION_SUITE_TESTS_MAX);
	for (size_t i = 0; i < ARRAY_COUNT(more); i++)
		tests[count++] = more[i];
	return count;
}
