/*
 * adjust_autoscaler: the least and the most replicas that an autoscaler may set, where an HPA or a
 * KEDA ScaledObject owns the workload's replicas. What is written is the autoscaler, never the
 * replicas: it would take those back within seconds. An HPA that KEDA made is KEDA's; its
 * ScaledObject is written in its stead.
 *
 * The least never goes above the most; where a step would lead there it stops at the other bound.
 *
 * A least that is raised `for` a time is a floor (remediations/floor.h): the same patch marks the object
 * with its end and with the least that was there without it, which is put back when that time is over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/actions/shapes.h"
#include "remediations/floor.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

#define SCALED (TARGET_BIT(TARGET_DEPLOYMENT) | TARGET_BIT(TARGET_STATEFULSET))

static void read_bound(const struct step_reading *reading, struct playbook_step *step,
	const char *key, enum change_field field)
{
	struct step_change *change;

	if (!yaml_get(reading->map, key))
		return;
	change = step_add_change(step, field);
	step_read_amount(reading, key, UNIT_COUNT, true, &change->amount);
	if (change->amount.kind != AMOUNT_ABSOLUTE && change->amount.value < 0)
		step_need_condition(reading);
}

/* Only what is raised can fall back. */
static void read_hold(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map;
	const struct step_change *least = &step->changes[0];

	if (!yaml_read_duration(reading->at, map, "for", false, FLOOR_HOLD_MIN_MS,
		    FLOOR_HOLD_MAX_MS, &step->options.floor_hold_ms))
		return;
	if (step->change_count != 1 || least->field != CHANGE_REPLICAS_MIN ||
		(least->amount.kind != AMOUNT_ABSOLUTE && least->amount.value < 0))
		yaml_report(reading->at, yaml_get(map, "for"),
			"for is the time of a floor: the step raises min, and does not touch max");
}

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map;
	int64_t lowest = 0, highest = 0;

	read_bound(reading, step, "min", CHANGE_REPLICAS_MIN);
	read_bound(reading, step, "max", CHANGE_REPLICAS_MAX);
	if (step->change_count == 0) {
		yaml_report(reading->at, map,
			"an adjust_autoscaler step needs min or max (+2, +50%%, or 5)");
		return;
	}
	step_read_replicas(reading, "floor", 1, &lowest);
	step_read_replicas(reading, "ceiling", 1, &highest);
	for (unsigned i = 0; i < step->change_count; i++) {
		step->changes[i].lowest = lowest;
		step->changes[i].highest = highest;
	}
	if (lowest && highest && lowest > highest)
		yaml_report(reading->at, yaml_get(map, "floor"), "the floor is above the ceiling");
	step_warn_replicas(reading, "ceiling", highest);
	read_hold(reading, step);
}

/* ---- the plan ---- */

/* What is written; false, and the plan refused, when there is nothing that could be. */
static bool find_autoscaler(struct plan *plan, const struct plan_question *question)
{
	const struct observation *observation = question->observation;
	const struct autoscaler_seen *seen = &observation->autoscaler;

	if (!plan_observed(question)) {
		plan_refuse_unknown(plan, &question->step->changes[0], "autoscaler_unknown",
			"Only the cluster tells which autoscaler there is.");
		return false;
	}
	snprintf(plan->words, sizeof(plan->words), "%s of %s",
		change_field_words(question->step->changes[0].field),
		*observation->owner_of_replicas ? observation->owner_of_replicas : "no autoscaler");
	if (!*observation->owner_of_replicas)
		refusal_set(&plan->refusal, "no_autoscaler",
			"No autoscaler owns the replicas; the action scale changes them itself.");
	else if (seen->object.kind == TARGET_NONE || !seen->looked)
		refusal_set(&plan->refusal, "autoscaler_foreign",
			"%s owns the replicas, and is neither an HPA nor a ScaledObject.",
			observation->owner_of_replicas);
	else if (seen->paused)
		refusal_set(&plan->refusal, "autoscaler_paused",
			"%s is paused by an annotation: somebody wants no change.",
			observation->owner_of_replicas);
	else if (observation->replicas <= 0 && seen->object.kind == TARGET_HPA)
		refusal_set(&plan->refusal, "scaled_to_zero",
			"The workload stands at 0 replicas: somebody switched it off.");
	plan->object = seen->object;
	return !*plan->refusal.reason;
}

/* Holds the bound that moved at the other one. */
static void keep_order(struct plan *plan, const struct autoscaler_seen *seen)
{
	const struct change *least = changes_find(&plan->changes, CHANGE_REPLICAS_MIN);
	const struct change *most = changes_find(&plan->changes, CHANGE_REPLICAS_MAX);
	int64_t highest = most ? most->after : seen->replicas_max;

	if (!least && most && most->after < seen->replicas_min)
		changes_set(&plan->changes, CHANGE_REPLICAS_MAX, most->before, seen->replicas_min);
	else if (least && least->after > highest)
		changes_set(&plan->changes, CHANGE_REPLICAS_MIN, least->before, highest);
}

/* A floor in the place of one that still stands falls back to what was there before both. Whoever
 * writes the least otherwise takes the marks of a floor away. */
static void plan_floor(struct plan *plan, const struct floor_mark *there)
{
	const struct change *least = changes_find(&plan->changes, CHANGE_REPLICAS_MIN);
	struct action_options *options = &plan->options;
	size_t used = strlen(plan->words);
	char hold[32];

	if (!least)
		return;
	options->floor_end = !options->floor_hold_ms && there->until_ms;
	if (!options->floor_hold_ms)
		return;
	options->floor_before = there->until_ms ? there->before : least->before;
	format_duration(options->floor_hold_ms, hold, sizeof(hold));
	snprintf(plan->words + used, sizeof(plan->words) - used, " for %s, then %" PRId64, hold,
		options->floor_before);
	if (least->after < least->before)
		refusal_set(&plan->refusal, "no_change",
			"A floor for a time is never below the least that is there.");
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	size_t used;

	if (!find_autoscaler(plan, question))
		return;
	for (unsigned i = 0; i < step->change_count; i++) {
		struct step_change change = step->changes[i];
		int64_t before = 0;

		/* An HPA has no least below one; KEDA's may be none at all. */
		if (!change.lowest &&
			(plan->object.kind == TARGET_HPA || change.field == CHANGE_REPLICAS_MAX))
			change.lowest = 1;
		if (observation_value(question->observation, change.field, &before)) {
			if (!plan_take_proposed(plan, question, &change, before))
				return;
			plan_add_change(plan, &change, before, question->replicas_max);
		}
		if (changes_after(&plan->changes, change.field, 0) < 0)
			changes_set(&plan->changes, change.field, before, 0);
	}
	keep_order(plan, &question->observation->autoscaler);
	snprintf(plan->words, sizeof(plan->words),
		"%s: ", question->observation->owner_of_replicas);
	used = strlen(plan->words);
	changes_write(&plan->changes, plan->words + used, sizeof(plan->words) - used);
	plan_floor(plan, &question->observation->autoscaler.floor);
	if (!changes_any(&plan->changes))
		refusal_set(&plan->refusal, "no_change",
			"The autoscaler's bounds already are as far as this step may go.");
}

static int applied(const struct plan *plan, const struct target *target, const char *action_id,
	const struct observation *observation)
{
	const struct object_ref *seen = &observation->autoscaler.object;

	/* Another autoscaler by now, or none: what was written is no longer in force. */
	if (seen->kind != plan->object.kind || strcmp(seen->name, plan->object.name) != 0 ||
		(observation->autoscaler.looked && strcmp(seen->uid, plan->object.uid) != 0))
		return 0;
	return applied_by_values(plan, target, action_id, observation);
}

static void describe(struct words *words, const struct command *command)
{
	char changes[128];

	changes_write(&command->changes, changes, sizeof(changes));
	words_add(words, "set %s of %s %s for ", changes, target_kind_name(command->object.kind),
		command->object.name);
	words_add_target(words, &command->target);
	if (command->options.floor_until_ms) {
		char until[32];

		format_rfc3339(command->options.floor_until_ms, until, sizeof(until));
		words_add(words, " until %s, then %" PRId64, until, command->options.floor_before);
	}
}

/* ---- on the cluster ---- */

static const char *field_name(enum target_kind kind, enum change_field field)
{
	if (kind == TARGET_HPA)
		return field == CHANGE_REPLICAS_MIN ? "minReplicas" : "maxReplicas";
	return field == CHANGE_REPLICAS_MIN ? "minReplicaCount" : "maxReplicaCount";
}

static enum status check(const struct command *command, struct error *error)
{
	if (command->object.kind != TARGET_HPA && command->object.kind != TARGET_SCALED_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "no autoscaler is named");
	for (unsigned i = 0; i < command->changes.count; i++)
		if (command->changes.list[i].after < 0 ||
			command->changes.list[i].after > INT32_MAX)
			return error_set(error, STATUS_BAD_INPUT, "replicas must not be negative");
	return command->changes.count ? STATUS_OK
				      : error_set(error, STATUS_BAD_INPUT, "no bound to set");
}

static void write_body(struct buf *body, const struct sending *sending)
{
	const struct changes *changes = &sending->command->changes;
	const struct action_options *options = &sending->command->options;
	struct floor_mark mark = {.before = (int32_t)options->floor_before,
		.floor = (int32_t)changes_after(changes, CHANGE_REPLICAS_MIN, 0)};
	char marks[FLOOR_MARKS_MAX] = "";

	/* A server that is only asked has no end yet to be told. */
	mark.until_ms = options->floor_until_ms
		? options->floor_until_ms
		: clock_now_ms(sending->clock) + options->floor_hold_ms;
	if (options->floor_hold_ms)
		floor_write(&mark, marks, sizeof(marks));
	else if (options->floor_end)
		floor_write(NULL, marks, sizeof(marks));
	buf_add_char(body, '{');
	sending_add_marked(body, sending, marks);
	buf_add_text(body, ",\"spec\":{");
	for (unsigned i = 0; i < changes->count; i++)
		buf_printf(body, "%s\"%s\":%" PRId64, i ? "," : "",
			field_name(sending->object.kind, changes->list[i].field),
			changes->list[i].after);
	buf_add_text(body, "}}");
}

static bool bounds_are(const struct sending *sending, const json_t *object, bool after)
{
	const struct changes *changes = &sending->command->changes;
	bool hpa = sending->object.kind == TARGET_HPA;

	for (unsigned i = 0; i < changes->count; i++) {
		const struct change *change = &changes->list[i];
		bool least = change->field == CHANGE_REPLICAS_MIN;
		int32_t otherwise = least ? hpa : hpa ? 1 : 100;

		if (kube_number(kube_get(object, "spec",
					field_name(sending->object.kind, change->field), NULL),
			    otherwise) != (after ? change->after : change->before))
			return false;
	}
	return true;
}

static bool is_wanted(const struct sending *sending, const json_t *object)
{
	return bounds_are(sending, object, true);
}

static bool is_judged(const struct sending *sending, const json_t *object)
{
	return bounds_are(sending, object, false);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.targets = SCALED,
	.check = check,
	.write_body = write_body,
	.is_wanted = is_wanted,
	.is_judged = is_judged,
};

static const struct action_need needs[] = {
	{"autoscaling", "horizontalpodautoscalers", "get", SCALED, "reads the autoscaler's bounds",
		true},
	{"autoscaling", "horizontalpodautoscalers", "patch", SCALED,
		"writes the autoscaler's bounds", false},
	{"keda.sh", "scaledobjects", "get", SCALED, "reads the autoscaler's bounds", true},
	{"keda.sh", "scaledobjects", "patch", SCALED, "writes the autoscaler's bounds", false},
};

static const char *const keys[] = {"min", "max", "floor", "ceiling", "for", NULL};

const struct action_class action_adjust_autoscaler = {
	.name = "adjust_autoscaler",
	.writes_manifest = true,
	.targets = SCALED,
	.looks = LOOK_AUTOSCALER,
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.inverse = true,
	.applied = applied,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
