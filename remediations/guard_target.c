/*
 * The guard's gates about the object itself: what the cluster says of it, who owns it, whether it was
 * opted in. Without an observation they answer "unknown", which refuses a real change.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/actions/action_class.h"
#include "remediations/guard_gates.h"

static const struct observation *seen_target(const struct guard_question *question)
{
	const struct observation *observation = question->observation;

	return observation && !observation->error.code ? observation : NULL;
}

/* The observation for a gate about the object; without one the gate's verdict is "unknown". */
static const struct observation *look(const struct guard_question *question,
	struct gate_result *result)
{
	const struct observation *observation = seen_target(question);

	if (question->not_looked) {
		result->verdict = GATE_NOT_ASKED;
		return NULL;
	}
	if (!observation) {
		result->verdict = GATE_UNKNOWN;
		gate_saw(result, "no answer from a cluster");
	} else if (!observation->found) {
		result->verdict = GATE_NOT_ASKED;
		observation = NULL;
	}
	return observation;
}

/* The same for a gate that is for some actions only; the others are not asked. */
static const struct observation *look_if(const struct guard_question *question,
	struct gate_result *result, bool asked)
{
	if (asked)
		return look(question, result);
	result->verdict = GATE_NOT_ASKED;
	return NULL;
}

/* What somebody else owns is not ours to write; owner "": nobody does. */
static void judge_owner(struct gate_result *result, const char *owner)
{
	gate_saw(result, "%s", *owner ? owner : "nobody");
	if (*owner)
		gate_refuse_for_good(result);
}

void judge_target(const struct guard_question *question, struct gate_result *result)
{
	char text[TARGET_TEXT_MAX];

	if (*question->target_refusal->reason) {
		gate_refuse_for_good(result);
		memcpy(result->reason, question->target_refusal->reason, sizeof(result->reason));
		gate_saw(result, "%.*s", GATE_TEXT_MAX - 1, question->target_refusal->sentence);
		return;
	}
	target_write(question->target, text, sizeof(text));
	gate_saw(result, "%.*s", GATE_TEXT_MAX - 1, text);
}

void judge_cluster(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = question->observation;

	if (question->not_looked) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "answered");
	if (seen_target(question))
		return;
	result->verdict = GATE_UNKNOWN;
	gate_saw(result, "%.*s", GATE_TEXT_MAX - 1,
		observation && *observation->error.text ? observation->error.text : "no answer");
	gate_wanted(result, "an answer before a real change");
}

void judge_found(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = seen_target(question);

	if (question->not_looked) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (!observation) {
		result->verdict = GATE_UNKNOWN;
		gate_saw(result, "no answer from a cluster");
		return;
	}
	gate_saw(result, "%s", observation->found ? "found" : "not found");
	if (!observation->found)
		gate_refuse_for_good(result);
}

/* The UID pins the object; for a workload of another kind than the labels say it is another target. */
void judge_same(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = look(question, result);
	const struct workload_key *named = &question->target->workload, *found;

	if (!observation)
		return;
	found = &observation->target.workload;
	gate_saw(result, "uid %s", *observation->target.uid ? observation->target.uid : "not told");
	if (*question->target->uid && strcmp(question->target->uid, observation->target.uid) != 0) {
		gate_wanted(result, "uid %s", question->target->uid);
		gate_refuse_for_good(result);
	} else if (named->kind != TARGET_NONE && found->kind != TARGET_NONE &&
		(named->kind != found->kind || strcmp(named->name, found->name) != 0)) {
		gate_saw(result, "owner %s %.80s", target_kind_name(found->kind), found->name);
		gate_wanted(result, "owner %s %.80s", target_kind_name(named->kind), named->name);
		gate_refuse_for_good(result);
	} else if (!*observation->target.uid) {
		result->verdict = GATE_UNKNOWN;
	}
}

void judge_terminating(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = look(question, result);

	if (!observation)
		return;
	gate_saw(result, "deletion %s", observation->terminating ? "has begun" : "not asked for");
	if (observation->terminating)
		gate_refuse_for_now(result, 0);
}

void judge_managed(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = seen_target(question);

	if (question->not_looked) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (question->selected == 1) {
		gate_saw(result, "by the selector");
		return;
	}
	if (!observation) {
		result->verdict = GATE_UNKNOWN;
		gate_saw(result, "no answer from a cluster");
		return;
	}
	gate_saw(result, "%s",
		observation->managed ? "by annotation" : "by neither annotation nor selector");
	if (!observation->managed)
		gate_refuse_for_good(result);
}

void judge_paused(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = look(question, result);

	if (!observation)
		return;
	gate_saw(result, "%s", observation->paused ? "true" : "not true");
	if (observation->paused)
		gate_refuse_for_now(result, 0);
}

void judge_paused_unclear(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation = look(question, result);

	if (observation && observation->paused_unclear)
		gate_refuse_for_now(result, 0);
}

void judge_rollout(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation =
		look_if(question, result, !action_class(question->plan->kind)->while_paused);

	if (!observation)
		return;
	gate_saw(result, "%s", observation->rollout_paused ? "spec.paused is true" : "not paused");
	if (observation->rollout_paused)
		gate_refuse_for_now(result, 0);
}

/* A pod without a controller that is deleted does not come back. */
void judge_owned(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation =
		look_if(question, result, action_class(question->plan->kind)->needs_pod_owner);

	if (!observation)
		return;
	gate_saw(result, "%s", target_kind_name(observation->target.workload.kind));
	if (observation->target.workload.kind == TARGET_NONE)
		gate_refuse_for_good(result);
}

void judge_replicas_owner(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation =
		look_if(question, result, action_class(question->plan->kind)->writes_replicas);

	if (observation)
		judge_owner(result, observation->owner_of_replicas);
}

void judge_resources_owner(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation =
		look_if(question, result, action_class(question->plan->kind)->writes_resources);

	if (observation)
		judge_owner(result, observation->owner_of_resources);
}

void judge_git_owner(const struct guard_question *question, struct gate_result *result)
{
	const struct observation *observation =
		look_if(question, result, action_class(question->plan->kind)->writes_manifest);

	if (observation)
		judge_owner(result,
			question->plan->object.kind == TARGET_NONE
				? observation->git_owner
				: observation->autoscaler.git_owner);
}

const struct field_writer *observation_writer(const struct observation *observation,
	const struct plan *plan)
{
	if (!plan->changes.count)
		return NULL;
	switch (plan->changes.list[0].field) {
	case CHANGE_REPLICAS:
		return &observation->replicas_writer;
	case CHANGE_MEMORY_LIMIT:
	case CHANGE_CPU_LIMIT:
	case CHANGE_MEMORY_REQUEST:
	case CHANGE_CPU_REQUEST:
		return plan->options.by_resize ? &observation->resize_writer
					       : &observation->limits_writer;
	case CHANGE_UNSCHEDULABLE:
		return &observation->unschedulable_writer;
	case CHANGE_PAUSED:
		return &observation->paused_writer;
	case CHANGE_REPLICAS_MIN:
	case CHANGE_REPLICAS_MAX:
		return &observation->autoscaler.writer;
	default:
		return NULL;
	}
}

static void hands_off(const struct guard_question *question, struct gate_result *result,
	int64_t since_ms)
{
	int64_t until = since_ms + question->limits->hands_off_ms;
	char text[32];

	if (question->now_ms >= until)
		return;
	format_duration(question->limits->hands_off_ms, text, sizeof(text));
	gate_wanted(result, "for %s nobody but " FIELD_MANAGER, text);
	gate_refuse_for_now(result, until);
}

/*
 * What was changed by us and then by somebody else is theirs for a while, and so is what a person set by
 * hand. An undo puts back only what still is ours: whoever has written it since meant it.
 */
void judge_writer(const struct guard_question *question, struct gate_result *result)
{
	const struct ledger_entry *ours = ledger_last_written(question->ledger, question->entry);
	const struct observation *observation;
	const struct field_writer *writer;
	char since[32] = "";

	observation = look(question, result);
	if (!observation)
		return;
	writer = observation_writer(observation, question->plan);
	if (!writer) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	if (writer->time_ms)
		format_rfc3339(writer->time_ms, since, sizeof(since));
	gate_saw(result, "%s%s%s", *writer->manager ? writer->manager : "not told",
		*since ? " at " : "", since);
	/* Every API server keeps them; what took them out could have come from anybody. */
	if (writer->untold) {
		gate_saw(result, "the object has no managedFields");
		gate_wanted(result, "managedFields, which tell who wrote the field");
		result->verdict = GATE_UNKNOWN;
		return;
	}
	if (!question->undo && ours && ours->reverted_ms)
		hands_off(question, result, ours->reverted_ms);
	if (!*writer->manager || !strcmp(writer->manager, FIELD_MANAGER))
		return;
	if (question->undo) {
		memcpy(result->reason, "changed_since", sizeof("changed_since"));
		gate_wanted(result, FIELD_MANAGER);
		gate_refuse_for_good(result);
	} else if (writer->by_hand || ours) {
		hands_off(question, result,
			writer->time_ms ? writer->time_ms
				: ours  ? ours->time_ms
					: question->now_ms);
	}
}

/* A forged alert about something that never sent a sample must not restart it. */
void judge_seen(const struct guard_question *question, struct gate_result *result)
{
	if (question->target->kind == TARGET_NODE) {
		result->verdict = GATE_NOT_ASKED;
		return;
	}
	gate_saw(result, "%s",
		question->seen == 1      ? "yes"
			: question->seen ? "cannot be told"
					 : "no");
	if (question->seen != 1)
		result->verdict = GATE_UNKNOWN;
}
