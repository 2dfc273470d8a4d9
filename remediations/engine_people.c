/*
 * What people say to the engine: pause, yes or no to a waiting action, undo of a done one.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/engine_state.h"

bool engine_paused(const struct engine *engine)
{
	return engine->paused;
}

const char *engine_paused_by(const struct engine *engine, int64_t *since_ms)
{
	*since_ms = engine->paused_since_ms;
	return engine->paused_by;
}

/* The journal forgets old notes, so a kill switch that stays on is written down anew every day. */
#define PAUSE_NOTE_MS (24 * 3600 * INT64_C(1000))

static void note_pause(struct engine *engine)
{
	char since[32];
	struct buf body;

	format_rfc3339(engine->paused_since_ms, since, sizeof(since));
	buf_init(&body, 4096);
	buf_printf(&body,
		"{\"paused\":%s,\"since\":\"%s\",\"by\":", engine->paused ? "true" : "false",
		since);
	buf_add_json_string(&body, engine->paused_by, strlen(engine->paused_by));
	buf_add_char(&body, '}');
	engine->pause_ticket = engine_note(engine, RECORD_NOTE, "paused", buf_take(&body, NULL));
	engine->pause_noted = engine->pause_ticket != 0;
	engine->pause_note_ms = engine->now_ms;
}

void engine_keep_pause(struct engine *engine)
{
	int64_t ago = engine->now_ms - engine->pause_note_ms;

	if ((!engine->pause_noted && ago >= engine->config.times.retry) ||
		(engine->paused && ago >= PAUSE_NOTE_MS))
		note_pause(engine);
}

uint64_t engine_pause(struct engine *engine, bool paused, const char *identity, int64_t now_ms)
{
	engine->now_ms = now_ms;
	/* Said again it is still on since it was first said. */
	if (paused != engine->paused || !*engine->paused_by) {
		engine->paused_since_ms = now_ms;
		snprintf(engine->paused_by, sizeof(engine->paused_by), "%s", identity);
	}
	engine->paused = paused;
	note_pause(engine);
	return engine->pause_ticket;
}

static void reject(struct engine *engine, struct incident *incident, struct action *action,
	const char *identity)
{
	action->ended = true;
	engine_set_state(engine, incident, action, STATE_BLOCKED, "rejected", "%s said no.",
		identity);
	engine_end(engine, incident, OUTCOME_REJECTED, "rejected", action->sentence);
}

enum status engine_approve(struct engine *engine, const char *action_id, const char *identity,
	bool approve, int64_t now_ms, struct error *error)
{
	struct incident *incident = engine_incident_of_action(engine, action_id);
	struct action *action = incident ? incident_find_action(incident, action_id) : NULL;

	engine->now_ms = now_ms;
	if (!action)
		return error_set(error, STATUS_NOT_FOUND, "there is no action %.64s", action_id);
	if (!incident->open || action != incident_action(incident) ||
		action->state != STATE_AWAITING_APPROVAL || action->ended)
		return error_set(error, STATUS_CONFLICT,
			"action %s does not wait for approval: it is %s", action->id,
			action_state_name(action->state));
	if (approve && engine_mode(engine, engine_playbook(engine, incident)) == MODE_SUGGEST)
		return error_set(error, STATUS_FORBIDDEN,
			"mode suggest: suggestions are shown, never carried out");
	if (!approve) {
		reject(engine, incident, action, identity);
		return STATUS_OK;
	}
	/* The yes is for the plan as it was shown; what the target is now is looked at first. */
	snprintf(incident->approver, sizeof(incident->approver), "%s",
		*identity ? identity : "someone");
	action->approved_hash = action->plan.hash;
	engine_tell(engine, incident, action, NEWS_STATE, action_state_name(action->state),
		"Approved; the target is looked at once more.");
	engine_ask(engine, incident, WAIT_OBSERVATION);
	return STATUS_OK;
}

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
	if (action->plan.kind != ACTION_SCALE && action->plan.kind != ACTION_ADJUST_RESOURCES)
		return error_set(error, STATUS_UNSUPPORTED, "%s has no inverse",
			action_kind_name(action->plan.kind));
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

enum status engine_undo(struct engine *engine, const char *action_id, const char *identity,
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
	undo = incident_add_action(incident);
	if (!undo)
		return error_set(error, STATUS_LIMIT, "incident %s has too many actions",
			incident->id);
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
	undo->proposed_ms = now_ms;
	snprintf(undo->undo_of, sizeof(undo->undo_of), "%s", action->id);
	snprintf(incident->approver, sizeof(incident->approver), "%s",
		*identity ? identity : "someone");
	incident->blocked_since_ms = 0;
	engine_set_state(engine, incident, undo, STATE_PROPOSED, "undo", "%s asked to undo %s.",
		incident->approver, action->id);
	engine_ask(engine, incident, WAIT_OBSERVATION);
	engine_record(engine, incident, NULL);
	return STATUS_OK;
}
