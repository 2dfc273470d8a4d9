/*
 * Approvals: a person's yes is bound to the plan and to the state of the target that were shown, and
 * to a time. It is written into the journal with the action when it is given, so that it survives a
 * restart, and held against the world once more by engine_check_approvals() after a fresh look at the
 * target, just before the action is written.
 *
 *   none  -> given     engine_approve()          one is enough, or two of different identity
 *   given -> used      engine_decide()           the guard clears it; approved_by tells who
 *   given -> void      engine_check_approvals()  "approval_plan_changed", "approval_target_changed",
 *                                                "approval_expired"
 *                      engine_void_resolved()    "approval_resolved"
 *
 * What the target's state is here: which object it is, who owns its fields, its limits and whether it
 * is paused or closed; not its resourceVersion, which changes with each heartbeat, and not what the
 * plan itself holds, such as the replicas that it starts from.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/engine_state.h"

/* ---- what an approval is bound to ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * UINT64_C(1099511628211);
	return hash;
}

static uint64_t hash_word(uint64_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t state_hash(const struct incident *incident)
{
	const struct observation *seen = incident->observation;
	const struct workload_key *key = &incident->target.workload;
	uint64_t hash = UINT64_C(14695981039346656037);
	unsigned char flags;

	hash = hash_word(hash, incident->target.uid);
	hash = hash_bytes(hash, &key->kind, sizeof(key->kind));
	hash = hash_word(hash, key->namespace_name);
	hash = hash_word(hash, key->name);
	if (!seen || seen->error.code)
		return hash | 1;
	flags = (unsigned char)(seen->found | seen->managed << 1 | seen->paused << 2 |
		seen->rollout_paused << 3 | seen->unschedulable << 4 | seen->terminating << 5);
	hash = hash_bytes(hash, &flags, 1);
	hash = hash_word(hash, seen->target.uid);
	hash = hash_word(hash, seen->owner_of_replicas);
	hash = hash_word(hash, seen->git_owner);
	hash = hash_bytes(hash, &seen->memory_limit_bytes, sizeof(seen->memory_limit_bytes));
	hash = hash_bytes(hash, &seen->cpu_limit_milli, sizeof(seen->cpu_limit_milli));
	return hash | 1;
}

unsigned engine_approvals_needed(const struct engine *engine, const struct incident *incident,
	const struct action *action)
{
	enum mode mode = engine_mode(engine, incident);

	/* A rollback takes back what was approved or allowed, and nothing else; that a floor falls back
	 * was approved or allowed with it. */
	if (action->plan.kind == ACTION_TICKET || mode == MODE_OBSERVE || action->rollback ||
		action->expiry)
		return 0;
	if (engine->config.limits.two_persons & UINT32_C(1) << action->plan.kind)
		return 2;
	return mode == MODE_AUTO && !*action->undo_of ? 0 : 1;
}

bool engine_approved(const struct action *action)
{
	return action->rollback || action->expiry ||
		(action->approval_count && action->approval_count >= action->approvals_needed);
}

/* ---- what is void ---- */

static void make_void(struct engine *engine, struct incident *incident, struct action *action,
	const char *reason, const char *words)
{
	char names[2 * IDENTITY_MAX];
	struct refusal said;

	approvals_write(action, false, names, sizeof(names));
	refusal_set(&said, reason, "The approval by %s is void: %s", names, words);
	memcpy(action->void_reason, said.reason, sizeof(action->void_reason));
	memcpy(action->void_sentence, said.sentence, sizeof(action->void_sentence));
	memset(action->approvals, 0, sizeof(action->approvals));
	action->approval_count = 0;
	action->approved_hash = 0;
	action->settled = false;
	engine_tell(engine, incident, action, NEWS_REFUSAL, action->void_reason,
		action->void_sentence);
}

static const char *void_because(const struct engine *engine, const struct action *action,
	const char **words)
{
	for (unsigned i = 0; i < action->approval_count; i++) {
		const struct approval *approval = &action->approvals[i];

		*words = "the plan is another one than was shown.";
		if (approval->plan_hash != action->plan.hash)
			return "approval_plan_changed";
		*words = "the target is in another state than was shown.";
		if (approval->state_hash != action->state_hash)
			return "approval_target_changed";
		*words = "its time is over.";
		if (engine->now_ms >= approval->until_ms)
			return "approval_expired";
	}
	return NULL;
}

void engine_check_approvals(struct engine *engine, struct incident *incident, struct action *action)
{
	const char *reason, *words = "";

	action->approvals_needed = engine_approvals_needed(engine, incident, action);
	/* Without a look there is nothing to hold them against yet. */
	if (incident->not_looked)
		return;
	action->state_hash = state_hash(incident);
	action->approval_hash =
		hash_bytes(action->plan.hash, &action->state_hash, sizeof(action->state_hash));
	for (unsigned i = 0; i < action->approval_count; i++) {
		if (action->approvals[i].plan_hash)
			continue;
		action->approvals[i].plan_hash = action->plan.hash;
		action->approvals[i].state_hash = action->state_hash;
	}
	reason = void_because(engine, action, &words);
	if (reason)
		make_void(engine, incident, action, reason, words);
}

void engine_void_resolved(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);

	if (!action || action->ended || !action->approval_count)
		return;
	make_void(engine, incident, action, "approval_resolved", "the alert ended.");
	engine_judge(engine, incident);
	engine_record(engine, incident, &engine->decision);
}

/* ---- what is given ---- */

static void give(struct engine *engine, struct action *action, const struct person *person,
	bool bound)
{
	struct approval *approval = &action->approvals[action->approval_count++];

	CHECK(action->approval_count <= APPROVALS_MAX);
	*approval = (struct approval){.given_ms = engine->now_ms,
		.until_ms = engine->now_ms + engine->config.times.approval_valid,
		.plan_hash = bound ? action->plan.hash : 0,
		.state_hash = bound ? action->state_hash : 0};
	snprintf(approval->by, sizeof(approval->by), "%s",
		*person->identity ? person->identity : "someone");
	snprintf(approval->role, sizeof(approval->role), "%s", person->role ? person->role : "");
	action->void_reason[0] = action->void_sentence[0] = '\0';
	action->settled = false;
}

static void reject(struct engine *engine, struct incident *incident, struct action *action,
	const struct person *person)
{
	action->ended = true;
	engine_set_state(engine, incident, action, STATE_BLOCKED, "rejected",
		"%s%s%s%s said no; it was planned: %s.",
		*person->identity ? person->identity : "someone",
		person->role && *person->role ? " (" : "", person->role ? person->role : "",
		person->role && *person->role ? ")" : "", action->plan.words);
	engine_end(engine, incident, OUTCOME_REJECTED, "rejected", action->sentence);
}

static enum status check_word(const struct engine *engine, const struct incident *incident,
	const struct action *action, const struct person *person, bool approve, struct error *error)
{
	if (!incident->open || action != incident_action(incident) ||
		action->state != STATE_AWAITING_APPROVAL || action->ended)
		return error_set(error, STATUS_CONFLICT,
			"action %s does not wait for approval: it is %s", action->id,
			action_state_name(action->state));
	if (!approve)
		return STATUS_OK;
	if (engine_mode(engine, incident) == MODE_SUGGEST)
		return error_set(error, STATUS_FORBIDDEN,
			"mode suggest: suggestions are shown, never carried out");
	if (person->seen && person->seen != action->approval_hash)
		return error_set(error, STATUS_CONFLICT,
			"action %s is another one by now than was shown: look at it again",
			action->id);
	if (engine_approved(action))
		return error_set(error, STATUS_CONFLICT,
			"action %s is approved already; the target is being looked at", action->id);
	for (unsigned i = 0; i < action->approval_count; i++)
		if (!strcmp(action->approvals[i].by, person->identity))
			return error_set(error, STATUS_CONFLICT,
				"%s approved action %s already: a second person has to",
				person->identity, action->id);
	return STATUS_OK;
}

enum status engine_approve(struct engine *engine, const char *action_id,
	const struct person *person, bool approve, int64_t now_ms, struct error *error)
{
	struct incident *incident = engine_incident_of_action(engine, action_id);
	struct action *action = incident ? incident_find_action(incident, action_id) : NULL;
	enum status status;

	engine->now_ms = now_ms;
	if (!action)
		return error_set(error, STATUS_NOT_FOUND, "there is no action %.64s", action_id);
	status = check_word(engine, incident, action, person, approve, error);
	if (status)
		return status;
	if (!approve) {
		reject(engine, incident, action, person);
		engine->word_ticket = incident->last_ticket;
		return STATUS_OK;
	}
	give(engine, action, person, true);
	engine_tell(engine, incident, action, NEWS_STATE, action_state_name(action->state),
		engine_approved(action) ? "Approved; the target is looked at once more."
					: "Approved by one; a second person has to.");
	engine_record(engine, incident, NULL);
	engine->word_ticket = incident->last_ticket;
	if (engine_approved(action))
		engine_ask(engine, incident, WAIT_OBSERVATION);
	return STATUS_OK;
}

/* ---- undo ---- */

static enum status check_undo(const struct engine *engine, const struct incident *incident,
	const struct action *action, struct error *error)
{
	const struct action *last = incident_action(incident);

	if (action->dry_run)
		return error_set(error, STATUS_CONFLICT,
			"action %s was a dry run: nothing was changed", action->id);
	if (!action->done_ms)
		return error_set(error, STATUS_CONFLICT, "action %s was not done: it is %s",
			action->id, action_state_name(action->state));
	if (!action_kind_has_inverse(action->plan.kind))
		return error_set(error, STATUS_UNSUPPORTED, "%s has no inverse",
			action_kind_name(action->plan.kind));
	if (action_kind_reads_back(action->plan.kind) && !action->plan.changes.count)
		return error_set(error, STATUS_UNSUPPORTED,
			"action %s was done by a former leader: what stood there before is not "
			"known",
			action->id);
	if (action->state == STATE_ROLLED_BACK)
		return error_set(error, STATUS_CONFLICT, "action %s was undone already",
			action->id);
	if (incident->open && (last != action || action->state != STATE_WATCHED))
		return error_set(error, STATUS_CONFLICT,
			"incident %s is busy with another action: wait for its end", incident->id);
	if (!incident->open && engine->open_count >= engine->slot_max)
		return error_set(error, STATUS_BUSY, "too many incidents are open");
	return STATUS_OK;
}

struct action *engine_begin_undo(struct engine *engine, struct incident *incident,
	struct action *action)
{
	struct action *undo = incident_add_action(incident);

	if (!undo)
		return NULL;
	if (!incident->open) {
		incident->open = true;
		incident->outcome = OUTCOME_NONE;
		incident->ended_ms = 0;
		engine->open_count++;
		engine_mark_open(engine, incident);
	}
	action->ended = true;
	undo->step = action->step;
	undo->plan = action->plan;
	undo->target = action->target;
	undo->proposed_ms = engine->now_ms;
	snprintf(undo->undo_of, sizeof(undo->undo_of), "%s", action->id);
	incident->blocked_since_ms = engine->now_ms;
	incident->decided = 0;
	incident->resumed = false;
	return undo;
}

enum status engine_undo(struct engine *engine, const char *action_id, const struct person *person,
	int64_t now_ms, struct error *error)
{
	struct incident *incident = engine_incident_of_action(engine, action_id);
	struct action *action = incident ? incident_find_action(incident, action_id) : NULL, *undo;
	enum status status;

	engine->now_ms = now_ms;
	if (!action)
		return error_set(error, STATUS_NOT_FOUND, "there is no action %.64s", action_id);
	status = check_undo(engine, incident, action, error);
	if (status)
		return status;
	undo = engine_begin_undo(engine, incident, action);
	if (!undo)
		return error_set(error, STATUS_LIMIT, "incident %s has too many actions",
			incident->id);
	give(engine, undo, person, false);
	memcpy(undo->asked_by, undo->approvals[0].by, sizeof(undo->asked_by));
	engine_set_state(engine, incident, undo, STATE_PROPOSED, "undo", "%s asked to undo %s.",
		undo->asked_by, action->id);
	engine_ask(engine, incident, WAIT_OBSERVATION);
	engine_record(engine, incident, NULL);
	engine->word_ticket = incident->last_ticket;
	return STATUS_OK;
}

uint64_t engine_word_ticket(const struct engine *engine)
{
	return engine->word_ticket;
}
