/*
 * adjust_resources: limits of one container in the pod template, which rolls all pods.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"
#include "remediations/words.h"

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	const struct yaml_node *map = reading->map;
	struct step_change *memory = step_add_change(step, CHANGE_MEMORY_LIMIT);
	struct step_change *cpu = step_add_change(step, CHANGE_CPU_LIMIT);

	step_read_amount(reading, "memory", UNIT_BYTES, true, &memory->amount);
	step_read_quantity(reading, "ceiling", UNIT_BYTES, &memory->highest);
	step_read_quantity(reading, "floor", UNIT_BYTES, &memory->lowest);
	step_read_amount(reading, "cpu", UNIT_MILLICORES, true, &cpu->amount);
	step_read_quantity(reading, "cpu_ceiling", UNIT_MILLICORES, &cpu->highest);
	step_read_quantity(reading, "cpu_floor", UNIT_MILLICORES, &cpu->lowest);
	if (!yaml_get(map, "memory") && !yaml_get(map, "cpu"))
		yaml_report(reading->at, map, "an adjust_resources step needs memory or cpu");
	if (!yaml_get(map, "memory") && (yaml_get(map, "ceiling") || yaml_get(map, "floor")))
		yaml_report(reading->at, map,
			"ceiling and floor are memory's; cpu has cpu_ceiling and cpu_floor");
	step_check_bounds(reading, "memory", memory);
	step_check_bounds(reading, "cpu", cpu);
}

/* ---- the plan ---- */

/* A limit by the series of what is used of it. */
static bool limit_by_signals(const struct plan_question *question, enum change_field field,
	double *before)
{
	bool memory = field == CHANGE_MEMORY_LIMIT;
	double use, share;

	if (!plan_read_signal(question, memory ? ROLE_MEMORY : ROLE_CPU, &use) ||
		!plan_read_signal(question, memory ? ROLE_MEMORY_UTILIZATION : ROLE_CPU_UTILIZATION,
			&share) ||
		share <= 0)
		return false;
	*before = rint(use / share * (memory ? 1 : 1000));
	return true;
}

/* The value as it is; false, and the plan refused, when it is not known or none is set. */
static bool value_before(struct plan *plan, const struct plan_question *question,
	const struct step_change *change, int64_t *before)
{
	double value = 0;

	*before = 0;
	if (plan_observed(question)) {
		observation_value(question->observation, change->field, before);
	} else if (limit_by_signals(question, change->field, &value)) {
		plan->basis = PLAN_FROM_SIGNALS;
		*before = (int64_t)value;
	} else {
		plan->basis = PLAN_FROM_LABELS;
		plan_refuse_unknown(plan, change, "limit_unknown",
			"Neither the cluster nor a series tells what the limit is now.");
		return false;
	}
	if (*before > 0)
		return true;
	refusal_set(&plan->refusal, "no_limit_set",
		"The container has no %s limit that could be adjusted.",
		change->field == CHANGE_MEMORY_LIMIT ? "memory" : "CPU");
	return false;
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct playbook_step *step = question->step;
	int64_t before[CHANGES_MAX];

	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE &&
			!value_before(plan, question, &step->changes[i], &before[i]))
			return;
	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind != AMOUNT_NONE)
			plan_add_change(plan, &step->changes[i], before[i], 0);
	changes_write(&plan->changes, plan->words, sizeof(plan->words));
	if (!changes_any(&plan->changes))
		refusal_set(&plan->refusal, "no_change",
			"The limits already are as far as this step may go.");
}

static void describe(struct words *words, const struct command *command)
{
	const char *comma = " ";

	words_add(words, "set limits of ");
	words_add_target(words, &command->target);
	if (*command->target.container)
		words_add(words, " container %s", command->target.container);
	words_add(words, ":");
	for (unsigned i = 0; i < command->changes.count; i++) {
		const struct change *change = &command->changes.list[i];
		enum change_unit unit = change_field_unit(change->field);
		char before[32], after[32];

		change_value_write(unit, change->before, before, sizeof(before));
		change_value_write(unit, change->after, after, sizeof(after));
		words_add(words, "%s%s %s -> %s", comma, unit == UNIT_BYTES ? "memory" : "cpu",
			before, after);
		comma = ", ";
	}
}

/* ---- on the cluster ---- */

static enum status check(const struct command *command, struct error *error)
{
	for (unsigned i = 0; i < command->changes.count; i++)
		if (command->changes.list[i].after <= 0)
			return error_set(error, STATUS_BAD_INPUT, "no limit to set");
	return command->changes.count ? STATUS_OK
				      : error_set(error, STATUS_BAD_INPUT, "no limit to set");
}

static void write_body(struct buf *body, const struct sending *sending)
{
	const struct changes *changes = &sending->command->changes;

	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_add_text(body, ",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":");
	buf_add_json_string(body, sending->container, strlen(sending->container));
	buf_add_text(body, ",\"resources\":{\"limits\":{");
	for (unsigned i = 0; i < changes->count; i++) {
		enum change_unit unit = change_field_unit(changes->list[i].field);
		char value[32];

		change_value_write(unit, changes->list[i].after, value, sizeof(value));
		buf_printf(body, "%s\"%s\":\"%s\"", i ? "," : "",
			unit == UNIT_BYTES ? "memory" : "cpu", value);
	}
	buf_add_text(body, "}}}]}}}}");
}

static bool limits_are(const struct sending *sending, const json_t *object, bool after)
{
	const struct command *command = sending->command;
	const json_t *container = kube_container(object, command->target.kind, sending->container);
	int64_t memory, cpu;

	if (container == NULL || kube_limits(container, &memory, &cpu, NULL) != STATUS_OK)
		return false;
	for (unsigned i = 0; i < command->changes.count; i++) {
		const struct change *change = &command->changes.list[i];

		if ((change->field == CHANGE_MEMORY_LIMIT ? memory : cpu) !=
			(after ? change->after : change->before))
			return false;
	}
	return true;
}

static bool is_wanted(const struct sending *sending, const json_t *object)
{
	return limits_are(sending, object, true);
}

static bool is_judged(const struct sending *sending, const json_t *object)
{
	return limits_are(sending, object, false);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = STRATEGIC_PATCH,
	.targets = TARGETS_WORKLOAD,
	.check = check,
	.prepare = prepare_container,
	.write_body = write_body,
	.is_wanted = is_wanted,
	.is_judged = is_judged,
};

static const struct action_need needs[] = {
	NEED_WORKLOADS("patch", "writes the pod template", false)};

static const char *const keys[] = {"memory", "ceiling", "floor", "cpu", "cpu_ceiling", "cpu_floor",
	NULL};

const struct action_class action_adjust_resources = {
	.name = "adjust_resources",
	.disruptive = true,
	.destructive = true,
	.writes_manifest = true,
	.targets = TARGETS_WORKLOAD | TARGET_BIT(TARGET_POD),
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.inverse = true,
	.applied = applied_by_values,
	.reads_back = true,
	.describe = describe,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
