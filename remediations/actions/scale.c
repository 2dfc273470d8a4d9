/*
 * scale: the replicas of a workload, through its scale subresource. That has no annotations: the
 * number is absolute and the resourceVersion the precondition, so that doing it twice does no harm.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_custom.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

#define SCALED                                                                                     \
	(TARGET_BIT(TARGET_DEPLOYMENT) | TARGET_BIT(TARGET_STATEFULSET) |                          \
		TARGET_BIT(TARGET_REPLICASET) | TARGETS_CUSTOM)

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map, *place = yaml_get(map, "to");
	struct step_change *replicas = step_add_change(step, CHANGE_REPLICAS);
	int64_t to = 0;

	step_read_amount(reading, "by", UNIT_COUNT, false, &replicas->amount);
	if (place && yaml_get(map, "by"))
		yaml_report(reading->at, place, "a step has by or to, not both");
	if (place && place->kind == YAML_SCALAR && !strcmp(place->text, PROPOSED_WORD))
		replicas->amount.kind = AMOUNT_PROPOSED;
	else if (step_read_replicas(reading, "to", 1, &to))
		replicas->amount = (struct amount){AMOUNT_ABSOLUTE, (double)to};
	if (!place && !yaml_get(map, "by"))
		yaml_report(reading->at, map,
			"a scale step needs by (+2, +50%%) or to (5, proposed)");
	step_read_replicas(reading, "min", 1, &replicas->lowest);
	step_read_replicas(reading, "max", 1, &replicas->highest);
	step_warn_replicas(reading, "max", replicas->highest);
	if (replicas->lowest && replicas->highest && replicas->lowest > replicas->highest)
		yaml_report(reading->at, yaml_get(map, "min"), "min is above max");
	if (replicas->amount.kind != AMOUNT_ABSOLUTE && replicas->amount.value < 0)
		step_need_condition(reading);
}

/* The replicas as they are; false, and the plan refused, when nothing tells. */
static bool replicas_before(struct plan *plan, const struct plan_question *question,
	const struct step_change *change, double *before)
{
	if (plan_observed(question)) {
		*before = question->observation->replicas;
		return true;
	}
	if (plan_read_signal(question, ROLE_REPLICAS, before) && *before >= 0 && *before < 1e6) {
		*before = rint(*before);
		plan->basis = PLAN_FROM_SIGNALS;
		return true;
	}
	*before = 0;
	plan->basis = PLAN_FROM_LABELS;
	if (change->amount.kind == AMOUNT_ABSOLUTE || change->amount.kind == AMOUNT_PROPOSED)
		return true;
	plan_refuse_unknown(plan, change, "replicas_unknown",
		"Neither the cluster nor a series tells how many replicas there are.");
	return false;
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	struct step_change change = *step_change_of(question->step, CHANGE_REPLICAS);
	double before;

	if (plan_observed(question) && question->observation->no_scale) {
		refusal_set(&plan->refusal, "no_scale", "A %s has no scale subresource.",
			target_kind_name(question->target->kind));
		return;
	}
	if (!replicas_before(plan, question, &change, &before))
		return;
	if (!change.lowest)
		change.lowest = 1;
	if (!plan_take_proposed(plan, question, &change, (int64_t)before))
		return;
	plan_add_change(plan, &change, (int64_t)before, question->replicas_max);
	changes_write(&plan->changes, plan->words, sizeof(plan->words));
	if (before <= 0 && plan->basis == PLAN_FROM_CLUSTER)
		refusal_set(&plan->refusal, "scaled_to_zero",
			"The workload stands at 0 replicas: somebody switched it off.");
	else if (!changes_any(&plan->changes))
		refusal_set(&plan->refusal, "no_change",
			"The workload already has %d replicas, which is as far as this step may go.",
			(int)before);
}

static void describe(struct words *words, const struct command *command)
{
	const struct change *change = changes_find(&command->changes, CHANGE_REPLICAS);

	words_add(words, "scale ");
	words_add_target(words, &command->target);
	if (change)
		words_add(words, " %" PRId64 " -> %" PRId64 " replicas", change->before,
			change->after);
}

/* ---- on the cluster ---- */

static enum status check(const struct command *command, struct error *error)
{
	int64_t replicas = changes_after(&command->changes, CHANGE_REPLICAS, -1);

	if (replicas < 0 || replicas > INT32_MAX)
		return error_set(error, STATUS_BAD_INPUT, "replicas must not be negative");
	return STATUS_OK;
}

static void write_body(struct buf *body, const struct sending *sending)
{
	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_printf(body, ",\"spec\":{\"replicas\":%" PRId64 "}}",
		changes_after(&sending->command->changes, CHANGE_REPLICAS, 0));
}

static bool read_replicas(const json_t *object, enum change_field field, int64_t *value)
{
	*value = kube_number(kube_get(object, "spec", "replicas", NULL), 1);
	return field == CHANGE_REPLICAS;
}

/* Where a custom resource keeps its replicas is its own affair: its scale tells. One that cannot be
 * read is neither as it was nor as it should be. */
static bool replicas_are(const struct sending *sending, const json_t *object, bool after)
{
	const struct changes *changes = &sending->command->changes;
	struct error error;
	json_t *scale;
	bool are;

	if (custom_kind_get(sending->object.kind) == NULL)
		return object_has(object, changes, after, read_replicas);
	are = kube_scale_read(sending->session, sending->object.kind,
		      sending->command->target.namespace_name, sending->object.name, &scale,
		      &error) == STATUS_OK &&
		object_has(scale, changes, after, read_replicas);
	json_decref(scale);
	return are;
}

static bool is_wanted(const struct sending *sending, const json_t *object)
{
	return replicas_are(sending, object, true);
}

static bool is_judged(const struct sending *sending, const json_t *object)
{
	return replicas_are(sending, object, false);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.subresource = "/scale",
	.targets = SCALED,
	.check = check,
	.write_body = write_body,
	.is_wanted = is_wanted,
	.is_judged = is_judged,
};

static const struct action_need needs[] = {
	{"apps", "deployments/scale", "patch", TARGET_BIT(TARGET_DEPLOYMENT), "writes the replicas",
		false},
	{"apps", "statefulsets/scale", "patch", TARGET_BIT(TARGET_STATEFULSET),
		"writes the replicas", false},
	{"apps", "replicasets/scale", "patch", TARGET_BIT(TARGET_REPLICASET), "writes the replicas",
		false},
	{NULL, "/scale", "patch", TARGETS_CUSTOM, "writes the replicas", false},
};

static const char *const keys[] = {"by", "to", "min", "max", NULL};

const struct action_class action_scale = {
	.name = "scale",
	.writes_replicas = true,
	.writes_manifest = true,
	.targets = SCALED,
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.inverse = true,
	.applied = applied_by_values,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_VALUE,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
