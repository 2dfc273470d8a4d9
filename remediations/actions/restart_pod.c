/*
 * restart_pod: deletes a pod, whose owner makes a new one. The uid is the precondition, so that its
 * successor is never deleted. It has no inverse.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	(void)question;
	snprintf(plan->words, sizeof(plan->words), "delete the pod, its owner makes a new one");
}

static void write_body(struct buf *body, const struct sending *sending)
{
	buf_add_text(body,
		"{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
		"\"preconditions\":{\"uid\":");
	buf_add_json_string(body, sending->object.uid, strlen(sending->object.uid));
	buf_add_text(body, sending->command->server_dry_run ? "},\"dryRun\":[\"All\"]}" : "}}");
}

static const struct kube_action kube = {
	.method = KUBE_DELETE,
	.content_type = "application/json",
	.targets = TARGET_BIT(TARGET_POD),
	.write_body = write_body,
};

static const struct action_need needs[] = {
	{"", "pods", "delete", TARGET_BIT(TARGET_POD),
		"deletes the pod, with its uid as precondition", false},
};

const struct action_class action_restart_pod = {
	.name = "restart_pod",
	.disruptive = true,
	.destructive = true,
	.needs_pod_owner = true,
	.targets = TARGET_BIT(TARGET_POD),
	.plan = make_plan,
	.applied = applied_by_end,
	.gone_is_done = true,
	.describe = describe_restart,
	.way = ACTION_BY_UID,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
};
