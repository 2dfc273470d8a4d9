/*
 * restart_pod: deletes a pod, whose owner makes a new one; with `by: evict` it asks for its eviction,
 * which its disruption budget may refuse: then it is asked again until the command's time is over. The
 * uid is the precondition, so that its successor is never deleted. It has no inverse.
 *
 * Deleting is the default, for a pod that crashes counts as disrupted already: most budgets refuse its
 * eviction just when it is wanted.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/shapes.h"
#include "remediations/kube_object.h"

static void read_step(const struct step_reading *reading, struct playbook_step *step)
{
	static const char *const ways[] = {"delete", "evict", NULL};
	int way = 0;

	yaml_read_choice(reading->at, reading->map, "by", false, ways, &way);
	step->options.evict = way == 1;
}

static void make_plan(struct plan *plan, const struct plan_question *question)
{
	(void)question;
	snprintf(plan->words, sizeof(plan->words), "%s the pod, its owner makes a new one",
		plan->options.evict ? "evict" : "delete");
}

static void describe(struct words *words, const struct command *command)
{
	describe_restart(words, command);
	if (command->options.evict)
		words_add(words, " by eviction");
}

/* ---- on the cluster ---- */

static enum status delete_pod(struct sending *sending, struct error *error)
{
	struct buf path, body;
	enum status status;

	buf_init(&path, KUBE_PATH_MAX);
	buf_init(&body, SENDING_BODY_MAX);
	buf_add_text(&body, "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",");
	sending_add_delete_options(&body, sending, sending->object.uid);
	buf_add_char(&body, '}');
	status = kube_object_path(&path, TARGET_POD, sending->command->target.namespace_name,
		sending->object.name, error);
	if (status == STATUS_OK && !buf_ok(&body))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for the request");
	if (status == STATUS_OK)
		status = sending_call(sending, KUBE_DELETE, path.data, "application/json",
			body.data, NULL, error);
	buf_fini(&path);
	buf_fini(&body);
	return status;
}

/* After 409: whose name is it now? */
static enum status find_out(struct sending *sending, struct error *error)
{
	struct error reading;
	json_t *pod;
	enum status status = sending_read(sending, &pod, &reading);

	sending->already = status == STATUS_NOT_FOUND ||
		(status == STATUS_OK && strcmp(kube_uid(pod), sending->object.uid) != 0);
	if (sending->already)
		status = STATUS_OK;
	else if (status == STATUS_OK)
		status = error_set(error, STATUS_CONFLICT, "the pod could not be deleted");
	else
		status = error_set(error, STATUS_CONFLICT,
			"it changed, and cannot be looked at again: %.300s", reading.text);
	json_decref(pod);
	return status;
}

static enum status go_on(struct sending *sending, int64_t *again_ms, struct error *error)
{
	const struct target *target = &sending->command->target;
	bool budget = false;
	enum status status = !sending->command->options.evict
		? delete_pod(sending, error)
		: sending_evict(sending, target->namespace_name, sending->object.name,
			  sending->object.uid, &budget, error);

	if (status == STATUS_NOT_FOUND) {
		sending->already = true;
		return STATUS_OK;
	}
	if (status == STATUS_CONFLICT)
		return find_out(sending, error);
	if (status != STATUS_BUSY)
		return status;
	if (!budget)
		return error_set(error, STATUS_UNAVAILABLE, "the API server is busy");
	/* Who only asks is told the no; who means it asks again. */
	if (sending->command->server_dry_run)
		return error_set(error, STATUS_FORBIDDEN,
			"its disruption budget allows no eviction now");
	snprintf(sending->progress, sizeof(sending->progress),
		"its disruption budget allows no eviction now");
	*again_ms = EVICTION_AGAIN_MS;
	return STATUS_BUSY;
}

static bool is_needed(const struct action_need *need, const struct action_options *options)
{
	return options->evict == (strcmp(need->verb, "create") == 0);
}

static const struct kube_action kube = {
	.targets = TARGET_BIT(TARGET_POD),
	.go_on = go_on,
};

static const struct action_need needs[] = {
	{"", "pods", "delete", TARGET_BIT(TARGET_POD),
		"deletes the pod, with its uid as precondition", false},
	{"", "pods/eviction", "create", TARGET_BIT(TARGET_POD),
		"evicts the pod, with its uid as precondition", false},
};

static const char *const keys[] = {"by", NULL};

const struct action_class action_restart_pod = {
	.name = "restart_pod",
	.disruptive = true,
	.destructive = true,
	.needs_pod_owner = true,
	.targets = TARGET_BIT(TARGET_POD),
	.keys = keys,
	.read_step = read_step,
	.plan = make_plan,
	.applied = applied_by_end,
	.gone_is_done = true,
	.describe = describe,
	.way = ACTION_BY_UID,
	.kube = &kube,
	.needs = needs,
	.need_count = ARRAY_COUNT(needs),
	.is_needed = is_needed,
};
