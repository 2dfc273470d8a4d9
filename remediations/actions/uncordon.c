/*
 * uncordon: pods may come to a node again. Only what an action of ours cordoned, by the mark that it
 * left and by who wrote the field last, unless the step says `cordoned_by_others: true`. Its inverse
 * cordons the node again.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/words.h"

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	yaml_read_bool(reading->at, reading->map, "cordoned_by_others", false,
		&step->options.foreign);
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	bool cordoned = !plan_observed(question) || question->observation->unschedulable;

	changes_set(&plan->changes, CHANGE_UNSCHEDULABLE, cordoned, 0);
	snprintf(plan->words, sizeof(plan->words), "pods may come to the node again");
	if (!cordoned)
		refusal_set(&plan->refusal, "no_change", "The node is not cordoned.");
	else if (plan_observed(question) && !plan->options.foreign &&
		*question->observation->cordoned_by == '\0')
		refusal_set(&plan->refusal, "cordoned_by_others",
			"Somebody else cordoned the node; cordoned_by_others: true allows it.");
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words,
		changes_after(&command->changes, CHANGE_UNSCHEDULABLE, 0) ? "cordon "
									  : "uncordon ");
	words_add_target(words, &command->target);
}

static bool is_judged(const struct sending *sending, const json_t *node)
{
	return sending->command->options.foreign ||
		changes_after(&sending->command->changes, CHANGE_UNSCHEDULABLE, 0) != 0 ||
		cordoned_by_us(node, NULL);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.targets = TARGET_BIT(TARGET_NODE),
	.write_body = write_cordon_body,
	.is_wanted = is_cordon_wanted,
	.is_judged = is_judged,
};

static const struct action_need needs[] = {
	{"", "nodes", "patch", TARGET_BIT(TARGET_NODE), "writes whether pods may be scheduled",
		false},
};

static const char *const keys[] = {"cordoned_by_others", NULL};

const struct action_class action_uncordon = {
	.name = "uncordon",
	.targets = TARGET_BIT(TARGET_NODE),
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
