/*
 * pause_rollout: stops the rollout of a Deployment where it is (spec.paused), until somebody resumes
 * it. The inverse resumes it. What is paused takes no other action but this one's inverse.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/words.h"

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	const struct observation *observation = question->observation;
	bool seen = plan_observed(question);

	snprintf(plan->words, sizeof(plan->words), "pause the rollout");
	changes_set(&plan->changes, CHANGE_PAUSED, seen && observation->rollout_paused, 1);
	/* What somebody else paused is not ours to resume later. */
	if (seen && observation->rollout_paused)
		refusal_set(&plan->refusal, "no_change", "The rollout is paused already.");
	else if (seen && !observation->rolling_out)
		refusal_set(&plan->refusal, "no_rollout", "No rollout is under way.");
}

static void describe(struct words *words, const struct command *command)
{
	words_add(words, "%s the rollout of ",
		changes_after(&command->changes, CHANGE_PAUSED, 1) ? "pause" : "resume");
	words_add_target(words, &command->target);
}

static void write_body(struct buf *body, const struct sending *sending)
{
	write_flag_body(body, sending, "paused", CHANGE_PAUSED);
}

static bool is_wanted(const struct sending *sending, const json_t *object)
{
	return flag_is(object, "paused", changes_find(&sending->command->changes, CHANGE_PAUSED),
		true);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.targets = TARGET_BIT(TARGET_DEPLOYMENT),
	.write_body = write_body,
	.is_wanted = is_wanted,
};

static const struct action_need needs[] = {
	{"apps", "deployments", "patch", TARGET_BIT(TARGET_DEPLOYMENT),
		"writes whether the rollout goes on", false},
};

const struct action_class action_pause_rollout = {
	.name = "pause_rollout",
	.while_paused = true,
	.targets = TARGET_BIT(TARGET_DEPLOYMENT),
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
