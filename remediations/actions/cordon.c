/*
 * cordon: no new pods on a node. Its inverse lets them come again.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/words.h"

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	bool cordoned = plan_observed(question) && question->observation->unschedulable;

	changes_set(&plan->changes, CHANGE_UNSCHEDULABLE, cordoned, 1);
	snprintf(plan->words, sizeof(plan->words), "no new pods on the node");
	/* What somebody else cordoned is not ours to uncordon later. */
	if (cordoned)
		refusal_set(&plan->refusal, "no_change", "The node is cordoned already.");
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words,
		changes_after(&command->changes, CHANGE_UNSCHEDULABLE, 1) ? "cordon "
									  : "uncordon ");
	words_add_target(words, &command->target);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.targets = TARGET_BIT(TARGET_NODE),
	.write_body = write_cordon_body,
	.is_wanted = is_cordon_wanted,
};

static const struct action_need needs[] = {
	{"", "nodes", "patch", TARGET_BIT(TARGET_NODE), "writes whether pods may be scheduled",
		false},
};

const struct action_class action_cordon = {
	.name = "cordon",
	.cordons = true,
	.targets = TARGET_BIT(TARGET_NODE),
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
