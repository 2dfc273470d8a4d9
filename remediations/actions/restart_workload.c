/*
 * restart_workload: all pods of a workload by a rollout, as kubectl rollout restart does it. The
 * action's key on the object tells that it was done. It has no inverse.
 */
#include <stdio.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	snprintf(plan->words, sizeof(plan->words), "restart all pods by a rollout");
	if (plan_observed(question) && question->observation->updates_on_delete)
		refusal_set(&plan->refusal, "on_delete",
			"Its update strategy is OnDelete: a rollout would restart no pod.");
}

static void write_body(struct buf *body, const struct sending *sending)
{
	buf_add_char(body, '{');
	sending_add_metadata(body, sending);
	buf_printf(body,
		",\"spec\":{\"template\":{\"metadata\":{\"annotations\":{"
		"\"kubectl.kubernetes.io/restartedAt\":\"%s\"}}}}}",
		sending->now);
}

static const struct kube_action kube = {
	.method = KUBE_PATCH,
	.content_type = MERGE_PATCH,
	.targets = TARGETS_WORKLOAD,
	.write_body = write_body,
	.is_wanted = has_key,
};

static const struct action_need needs[] = {
	NEED_WORKLOADS("patch", "writes the pod template", false)};

const struct action_class action_restart_workload = {
	.name = "restart_workload",
	.disruptive = true,
	.destructive = true,
	.targets = TARGETS_WORKLOAD,
	.plan = make_plan,
	.applied = applied_by_key,
	.describe = describe_restart,
	.way = ACTION_BY_KEY,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
