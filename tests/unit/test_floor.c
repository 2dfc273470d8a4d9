/* Floors on the objects: the marks, the patch that sets and takes them, and what is over by them alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/floor.h"
#include "remediations/kube_object.h"
#include "tests/support/action_scene.h"

#define HPA_PATH "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web"
#define SCALED_PATH "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/web-so"
#define UNTIL "2026-01-01T01:00:00.000Z"
#define TARGET_REF "'scaleTargetRef':{'apiVersion':'apps/v1','kind':'Deployment','name':'web'}"
#define MARKS(until, floor, before)                                                                \
	"'nimbusguard.io/floor-until':'" until "','nimbusguard.io/floor':'" floor                  \
	"','nimbusguard.io/floor-before':'" before "'"

static int64_t until_ms(void)
{
	int64_t ms;

	assert_int_equal(parse_rfc3339(UNTIL, &ms), STATUS_OK);
	return ms;
}

static void add_web(struct scene *scene)
{
	scene_add(scene,
		"{'kind':'Deployment','metadata':{'namespace':'shop','name':'web'},"
		"'spec':{'replicas':3,'template':{'spec':{'containers':[{'name':'app'}]}}}}");
}

static void add_hpa(struct scene *scene, const char *name, const char *metadata, int least)
{
	char text[768];

	snprintf(text, sizeof(text),
		"{'kind':'HorizontalPodAutoscaler','metadata':{'namespace':'shop','name':'%s'%s},"
		"'spec':{" TARGET_REF ",'minReplicas':%d,'maxReplicas':12}}",
		name, metadata, least);
	scene_add(scene, text);
}

static const char *mark(struct scene *scene, const char *path, const char *name)
{
	return json_string_value(scene_get(scene, path, "metadata", "annotations", name, NULL));
}

static int64_t bound(struct scene *scene, const char *path, const char *name)
{
	return json_integer_value(scene_get(scene, path, "spec", name, NULL));
}

/* ---- set and taken back by the action ---- */

static void set_floor(struct scene *scene, const char *step)
{
	scene_step(scene, "Deployment", step);
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene_plan(scene), "");
	scene->plan.options.floor_until_ms = until_ms();
	scene_send(scene, "a-1");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
}

static void bound_and_marks_are_one_patch_and_so_is_their_end(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	add_hpa(scene, "web", "", 2);
	set_floor(scene, "{action: adjust_autoscaler, min: 7, for: 1h}");
	assert_string_equal(scene->plan.words,
		"HorizontalPodAutoscaler/web: least replicas 2 -> 7 for 1h, then 2");
	assert_int_equal(scene_changes(scene), 1);
	assert_int_equal(bound(scene, HPA_PATH, "minReplicas"), 7);
	assert_string_equal(mark(scene, HPA_PATH, ANNOTATION_FLOOR_UNTIL), UNTIL);
	assert_string_equal(mark(scene, HPA_PATH, ANNOTATION_FLOOR), "7");
	assert_string_equal(mark(scene, HPA_PATH, ANNOTATION_FLOOR_BEFORE), "2");
	assert_int_equal(scene->observation.autoscaler.floor.until_ms, until_ms());
	assert_string_equal(scene_undo(scene, "a-1"), "");
	scene_send(scene, "a-2");
	assert_int_equal(scene->result.outcome, COMMAND_DONE);
	assert_int_equal(scene_changes(scene), 2);
	assert_int_equal(bound(scene, HPA_PATH, "minReplicas"), 2);
	assert_null(mark(scene, HPA_PATH, ANNOTATION_FLOOR_UNTIL));
	assert_null(mark(scene, HPA_PATH, ANNOTATION_FLOOR));
	assert_null(mark(scene, HPA_PATH, ANNOTATION_FLOOR_BEFORE));
}

static void a_floor_on_a_floor_falls_to_what_was_there_before_both(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	add_hpa(scene, "web", ",'annotations':{" MARKS(UNTIL, "5", "2") "}", 5);
	set_floor(scene, "{action: adjust_autoscaler, min: 7, for: 1h}");
	assert_string_equal(mark(scene, HPA_PATH, ANNOTATION_FLOOR), "7");
	assert_string_equal(mark(scene, HPA_PATH, ANNOTATION_FLOOR_BEFORE), "2");
	assert_string_equal(scene_undo(scene, "a-1"), "");
	assert_int_equal(changes_after(&scene->plan.changes, CHANGE_REPLICAS_MIN, -1), 2);
	/* Another floor by now, though of the same height. */
	scene->observation.autoscaler.floor.until_ms++;
	assert_string_equal(scene_undo(scene, "a-1"), "changed_since");
}

static void a_bound_that_is_to_stay_takes_the_marks_away(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	add_hpa(scene, "web", ",'annotations':{" MARKS(UNTIL, "5", "2") "}", 5);
	scene_step(scene, "Deployment", "{action: adjust_autoscaler, min: 8}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene_plan(scene), "");
	scene_send(scene, "a-1");
	assert_int_equal(bound(scene, HPA_PATH, "minReplicas"), 8);
	assert_null(mark(scene, HPA_PATH, ANNOTATION_FLOOR_UNTIL));
}

static void a_floor_never_lowers(void **state)
{
	struct scene *scene = *state;

	add_web(scene);
	add_hpa(scene, "web", "", 6);
	scene_step(scene, "Deployment", "{action: adjust_autoscaler, min: 4, for: 1h}");
	scene_look(scene, TARGET_DEPLOYMENT, "web");
	assert_string_equal(scene_plan(scene), "no_change");
}

static void wrong_steps_are_told_at_their_place(void **state)
{
	(void)state;
	scene_says("Deployment", "{action: adjust_autoscaler, min: +2, ceiling: 40, for: 1h}", true,
		NULL);
	scene_says("Deployment", "{action: adjust_autoscaler, max: +2, for: 1h}", true,
		"for is the time of a floor: the step raises min");
	scene_says("Deployment", "{action: adjust_autoscaler, min: +2, max: +2, for: 1h}", true,
		"for is the time of a floor: the step raises min");
	scene_says("Deployment", "{action: adjust_autoscaler, min: -1, for: 1h}", false,
		"for is the time of a floor: the step raises min");
	scene_says("Deployment", "{action: adjust_autoscaler, min: +2, for: 1m}", true, "for");
	scene_says("Deployment", "{action: adjust_autoscaler, min: +2, for: 25h}", true, "for");
	/* Its verification comes an hour and more after it. */
	scene_says("Deployment", "{action: adjust_autoscaler, min: +2, for: 5m}", true,
		"the floor would fall back before it is verified");
}

/* ---- what is over, by the marks alone ---- */

struct found {
	enum floor_fate fates[16];
	char names[16][64];
	size_t count;
};

static void note(void *argument, const struct floor_seen *seen)
{
	struct found *found = argument;

	assert_true(found->count < 16);
	snprintf(found->names[found->count], 64, "%s", seen->name);
	found->fates[found->count++] = seen->fate;
}

static enum floor_fate fate_of(const struct found *found, const char *name)
{
	for (size_t i = 0; i < found->count; i++)
		if (!strcmp(found->names[i], name))
			return found->fates[i];
	return FLOOR_FATE_COUNT;
}

/* A role of a playbook with this action allows what the sweep does, but for lists in all namespaces. */
static void expire(struct scene *scene, const struct floors_question *question, struct found *found)
{
	struct error error;

	*found = (struct found){.count = 0};
	if (floors_expire(scene->session, question, note, found, &error) != STATUS_OK)
		fail_msg("%s", error.text);
}

static void add_all(struct scene *scene)
{
	add_web(scene);
	scene_step(scene, "Deployment", "{action: adjust_autoscaler, min: 7, for: 1h}");
	add_hpa(scene, "web", ",'annotations':{" MARKS(UNTIL, "7", "2") "}", 7);
	add_hpa(scene, "standing", ",'annotations':{" MARKS("2026-01-01T02:00:00Z", "7", "2") "}",
		7);
	add_hpa(scene, "changed", ",'annotations':{" MARKS(UNTIL, "7", "2") "}", 4);
	add_hpa(scene, "paused",
		",'annotations':{" MARKS(UNTIL, "7", "2") ",'nimbusguard.io/paused':'true'}", 7);
	add_hpa(scene, "unclear", ",'annotations':{" MARKS(UNTIL, "seven", "2") "}", 7);
	add_hpa(scene, "plain", "", 7);
	add_hpa(scene, "keda-hpa-web-so",
		",'labels':{'scaledobject.keda.sh/name':'web-so'},'annotations':{" MARKS(UNTIL, "6",
			"0") "}",
		6);
	scene_add(scene,
		"{'kind':'ScaledObject','metadata':{'namespace':'shop','name':'web-so','annotations':{" MARKS(
			UNTIL, "6",
			"0") "}},"
			     "'spec':{'scaleTargetRef':{'name':'web'},'minReplicaCount':6,'maxReplicaCount':10}}");
}

static void only_what_is_over_and_still_ours_is_taken_down(void **state)
{
	struct scene *scene = *state;
	struct floors_question question = {.now_ms = until_ms() + 1, .apply = true};
	struct found found;

	add_all(scene);
	expire(scene, &question, &found);
	assert_int_equal(found.count, 6);
	assert_int_equal(fate_of(&found, "web"), FLOOR_EXPIRED);
	assert_int_equal(fate_of(&found, "standing"), FLOOR_STANDS);
	assert_int_equal(fate_of(&found, "changed"), FLOOR_CHANGED);
	assert_int_equal(fate_of(&found, "paused"), FLOOR_PAUSED);
	assert_int_equal(fate_of(&found, "unclear"), FLOOR_MARK_BAD);
	assert_int_equal(fate_of(&found, "web-so"), FLOOR_EXPIRED);
	assert_int_equal(bound(scene, HPA_PATH, "minReplicas"), 2);
	assert_null(mark(scene, HPA_PATH, ANNOTATION_FLOOR_UNTIL));
	assert_int_equal(bound(scene, SCALED_PATH, "minReplicaCount"), 0);
	assert_null(mark(scene, SCALED_PATH, ANNOTATION_FLOOR_UNTIL));
	/* Another's bound stays; the marks, which speak of nothing any more, go. */
#define PATH "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/"
	assert_int_equal(bound(scene, PATH "changed", "minReplicas"), 4);
	assert_null(mark(scene, PATH "changed", ANNOTATION_FLOOR_UNTIL));
	assert_int_equal(bound(scene, PATH "paused", "minReplicas"), 7);
	assert_int_equal(bound(scene, PATH "unclear", "minReplicas"), 7);
	assert_int_equal(bound(scene, PATH "keda-hpa-web-so", "minReplicas"), 6);
	assert_int_equal(scene_changes(scene), 3);
	expire(scene, &question, &found);
	assert_int_equal(found.count, 3);
	assert_int_equal(scene_changes(scene), 3);
}

/* The scene's own namespace is one that nobody paused. */
static void a_paused_namespace_keeps_its_floors(void **state)
{
	struct scene *scene = *state;
	struct floors_question question = {.now_ms = until_ms() + 1, .apply = true};
	struct found found;

	add_all(scene);
	scene_add(scene,
		"{'kind':'Namespace','metadata':{'name':'shop','annotations':{'nimbusguard.io/paused':'true'}}}");
	expire(scene, &question, &found);
	assert_int_equal(fate_of(&found, "web"), FLOOR_PAUSED);
	assert_int_equal(fate_of(&found, "web-so"), FLOOR_PAUSED);
	assert_int_equal(fate_of(&found, "standing"), FLOOR_STANDS);
	assert_int_equal(scene_changes(scene), 0);
}

static void without_apply_nothing_is_written(void **state)
{
	struct scene *scene = *state;
	struct floors_question question = {.now_ms = until_ms() + 1};
	struct found found;

	add_all(scene);
	expire(scene, &question, &found);
	assert_int_equal(fate_of(&found, "web"), FLOOR_OVER);
	assert_int_equal(scene_changes(scene), 0);
}

static void a_service_that_is_there_is_given_time_to_do_it(void **state)
{
	struct scene *scene = *state;
	struct floors_question question = {.now_ms = until_ms() + 60000,
		.grace_ms = 60001,
		.apply = true};
	struct found found;

	add_all(scene);
	expire(scene, &question, &found);
	assert_int_equal(fate_of(&found, "web"), FLOOR_STANDS);
	question.now_ms++;
	expire(scene, &question, &found);
	assert_int_equal(fate_of(&found, "web"), FLOOR_EXPIRED);
}

/* Between the list and the patch the service was faster: the version that was seen is the precondition. */
static void touch(struct scene *scene, const struct kube_request *request)
{
	if (request->method != KUBE_PATCH)
		return;
	scene->before = NULL;
	add_hpa(scene, "web", ",'annotations':{'x':'y'}", 9);
}

static void what_changed_since_it_was_seen_is_left_alone(void **state)
{
	struct scene *scene = *state;
	struct floors_question question = {.now_ms = until_ms() + 1, .apply = true};
	struct found found;

	add_all(scene);
	scene->before = touch;
	expire(scene, &question, &found);
	assert_int_equal(fate_of(&found, "web"), FLOOR_FAILED);
	assert_int_equal(bound(scene, HPA_PATH, "minReplicas"), 9);
	assert_int_equal(fate_of(&found, "web-so"), FLOOR_EXPIRED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
	const struct CMUnitTest tests[] = {
		T(bound_and_marks_are_one_patch_and_so_is_their_end),
		T(a_floor_on_a_floor_falls_to_what_was_there_before_both),
		T(a_bound_that_is_to_stay_takes_the_marks_away),
		T(a_floor_never_lowers),
		cmocka_unit_test(wrong_steps_are_told_at_their_place),
		T(only_what_is_over_and_still_ours_is_taken_down),
		T(a_paused_namespace_keeps_its_floors),
		T(without_apply_nothing_is_written),
		T(a_service_that_is_there_is_given_time_to_do_it),
		T(what_changed_since_it_was_seen_is_left_alone),
	};

	return cmocka_run_group_tests_name("floor", tests, NULL, NULL);
}
