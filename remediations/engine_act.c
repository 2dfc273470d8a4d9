/*
 * From the guard's word to a change that is known to be done or not: the record first, then the
 * command, then the answer, and looking where there was none.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/engine_state.h"

void engine_write(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	struct ledger_entry entry = engine_entry(engine, incident, action);
	enum status status;

	if (engine->draining || engine->standby) {
		/* The next start takes it up again, from the journal. */
		if (!incident->last_ticket && !incident->settled && !incident->dirty)
			engine_record(engine, incident, &engine->decision);
		engine_wait(engine, incident, WAIT_RETRY,
			engine->now_ms + engine->config.times.retry);
		return;
	}
	/* As long as the journal lacks the end of another action a crash would bring that one back to
	 * life beside this one. */
	if (engine->dirty_count) {
		engine->next_flush_ms = engine->now_ms;
		engine_flush(engine);
	}
	status = engine->dirty_count ? STATUS_BUSY : ledger_add(&engine->ledger, &entry);
	if (!status) {
		action->written_ms = engine->now_ms;
		engine_floor_written(engine, action);
		engine_foresee(engine, incident, action);
		engine_set_state(engine, incident, action, STATE_WRITTEN, "", "%s%s.",
			action->dry_run ? "Dry run: " : "", action->plan.words);
		status = engine_record(engine, incident, &engine->decision);
	}
	if (!status) {
		incident->journal_ticket = incident->last_ticket;
		engine_wait(engine, incident, WAIT_JOURNAL,
			engine->now_ms + engine->config.times.journal);
		return;
	}
	/* Nothing is done that could not be remembered: back to where it was. */
	ledger_remove(&engine->ledger, action->id);
	action->written_ms = 0;
	engine_set_state(engine, incident, action, STATE_BLOCKED, "journal_busy",
		"The journal took no record: %s.", status_label(status));
	/* What has no record yet gets one as soon as there is room: its event must not be forgotten. */
	engine_record(engine, incident, &engine->decision);
	engine_wait(engine, incident, WAIT_RETRY, engine->now_ms + engine->config.times.retry);
}

/* Asked once more just before the command goes out: the world may have changed during the commit. */
static bool still_wanted(struct engine *engine, struct incident *incident,
	const struct action *action)
{
	if (engine->standby) {
		engine_failed(engine, incident, "not_leader",
			"Another replica leads; it was not sent.");
		return false;
	}
	if (action->plan.kind == ACTION_TICKET)
		return true;
	if (engine->paused) {
		engine_failed(engine, incident, "kill_switch",
			incident->resumed
				? "Paused while it was under way; what was begun stays as it is."
				: "Paused before it was sent.");
		return false;
	}
	/* What was begun goes on. */
	if (incident->resumed)
		return true;
	if (freeze_until(engine->config.freeze, engine->now_ms, NULL)) {
		engine_failed(engine, incident, "freeze",
			"A freeze window opened before it was sent.");
		return false;
	}
	if (!incident->firing && !*action->undo_of) {
		engine_failed(engine, incident, "not_firing",
			"The alert ended before it was sent.");
		return false;
	}
	/* A demotion, or a reload, may have taken the right to act alone away. */
	if (!action->dry_run && !engine_approved(action) &&
		engine_mode(engine, incident) != MODE_AUTO) {
		engine_failed(engine, incident, "mode", "The mode was lowered before it was sent.");
		return false;
	}
	return true;
}

static int64_t deadline_of(const struct engine *engine, const struct action *action)
{
	int64_t own_ms = action->plan.options.time_ms;

	/* Of what accompanies others it is how long that lasts. */
	if (action_kind_accompanies(action->plan.kind))
		own_ms = 0;
	return action->written_ms + engine->config.times.send + own_ms;
}

bool engine_payload(const struct engine *engine, const struct incident *incident,
	const struct action *action, char **payload, struct refusal *refusal)
{
	const struct playbook *playbook = engine_playbook(engine, incident);
	const struct playbook_step *step = engine_step_of(playbook, action);
	const struct plan_question question = {.playbook = playbook,
		.step = step,
		.event = &incident->event,
		.target = &action->target,
		.now_ms = engine->now_ms,
		.reason = incident->sentence};

	*payload = NULL;
	if (!action->plan.options.content || *action->undo_of)
		return true;
	if (!step || step->action != action->plan.kind ||
		step->options.content != action->plan.options.content) {
		refusal_set(refusal, "playbook_changed",
			"The playbook says something else than was planned.");
		return false;
	}
	*payload = plan_payload(&question, action->id);
	if (!*payload)
		refusal_set(refusal, "not_made", "What is to be sent cannot be made.");
	return *payload != NULL;
}

void engine_send(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	const struct engine_times *times = &engine->config.times;
	struct refusal refusal = {.reason = ""};
	struct command command;
	char *payload = NULL;
	enum status status;

	if (!still_wanted(engine, incident, action))
		return;
	plan_command(&action->plan, &action->target, &command);
	memcpy(command.action_id, action->id, sizeof(command.action_id));
	command.deadline_ms = deadline_of(engine, action);
	command.server_dry_run = action->dry_run;
	/* One that was begun is sent past its time, too: to take back what must not stay. */
	if (engine->now_ms >= command.deadline_ms && !incident->resumed) {
		engine_failed(engine, incident, "deadline",
			"Its time was over before it was sent.");
		return;
	}
	if (!engine_payload(engine, incident, action, &payload, &refusal)) {
		engine_failed(engine, incident, refusal.reason, refusal.sentence);
		return;
	}
	command.payload = payload;
	status = engine->ports.send(engine->ports.self, &command, action->dry_run);
	mem_free(payload);
	if (status == STATUS_BUSY) {
		engine_wait(engine, incident, WAIT_SEND, engine->now_ms + 100);
		return;
	}
	if (status) {
		engine_failed(engine, incident, "not_sent", status_label(status));
		return;
	}
	action->sent_ms = engine->now_ms;
	engine_set_state(engine, incident, action, STATE_SENT, "", "%s%s.",
		action->dry_run ? "Dry run, not sent to the cluster: " : "Sent: ",
		action->plan.words);
	engine_record(engine, incident, NULL);
	engine_wait(engine, incident, WAIT_RESULT,
		(command.deadline_ms > engine->now_ms ? command.deadline_ms : engine->now_ms) +
			times->send_margin);
}

void engine_failed(struct engine *engine, struct incident *incident, const char *reason,
	const char *words)
{
	struct action *action = incident_action(incident);

	ledger_mark_undone(&engine->ledger, action->id);
	engine_set_state(engine, incident, action, STATE_FAILED, reason, "%s", words);
	engine_tell(engine, incident, action, NEWS_ACTION, "failed", action->sentence);
	engine_retry_step(engine, incident);
}

void engine_retry_step(struct engine *engine, struct incident *incident)
{
	const struct action *action = incident_action(incident);

	if (*action->undo_of) {
		engine_hand_over(engine, incident, action->reason, action->sentence);
		return;
	}
	if (!incident->firing && action->plan.kind != ACTION_TICKET) {
		engine_end_resolved(engine, incident);
		return;
	}
	if (++incident->tries >= TRIES_MAX ||
		(action->sent_ms && action_kind_once(action->plan.kind))) {
		engine_next_step(engine, incident, action->reason, action->sentence);
		return;
	}
	engine_record(engine, incident, NULL);
	engine_wait(engine, incident, WAIT_RETRY, engine->now_ms + engine->config.times.retry);
}

/* ---- answers ---- */

void engine_finished(struct engine *engine, const struct command_result *result, int64_t now_ms)
{
	struct incident *incident = engine_incident_of_action(engine, result->action_id);
	struct action *action = incident ? incident_action(incident) : NULL;

	engine->now_ms = now_ms;
	/* A late answer is good as long as nobody has found out otherwise. */
	if (!action || strcmp(action->id, result->action_id) != 0 || action->ended ||
		(action->state != STATE_SENT && action->state != STATE_UNKNOWN))
		return;
	if (result->outcome == COMMAND_DONE) {
		if (*result->detail)
			snprintf(action->plan.words, sizeof(action->plan.words), "%s",
				result->detail);
		engine_watch(engine, incident);
	} else if (result->outcome == COMMAND_UNDER_WAY) {
		engine_set_state(engine, incident, action, action->state, "", "%s: %s.",
			action->plan.words, result->detail);
		engine_record(engine, incident, NULL);
	} else if (result->outcome == COMMAND_FAILED) {
		engine_failed(engine, incident, status_label(result->error.code),
			result->error.text);
	} else if (action->state == STATE_SENT) {
		engine_unknown(engine, incident,
			*result->error.text ? result->error.text : "The answer was lost.");
	}
	engine_settle(engine);
}

void engine_unknown(struct engine *engine, struct incident *incident, const char *words)
{
	struct action *action = incident_action(incident);
	const struct engine_times *times = &engine->config.times;
	int64_t deadline = deadline_of(engine, action) + times->send_margin;

	engine_set_state(engine, incident, action, STATE_UNKNOWN, "unknown", "%s", words);
	engine_record(engine, incident, NULL);
	incident->looks = 0;
	incident->observe_asked = false;
	/* Before its deadline the command may still be on its way: then a look proves nothing. */
	/* What goes on where it stopped looks by itself before each of its calls. */
	engine_wait(engine, incident, WAIT_LOOK,
		deadline > engine->now_ms && !action->dry_run &&
				!action_resumes(action->plan.kind, &action->plan.options)
			? deadline
			: engine->now_ms);
}

void engine_look(struct engine *engine, struct incident *incident)
{
	const struct action *action = incident_action(incident);

	if (incident->observe_asked) {
		/* The look itself got no answer. */
		incident->observe_asked = false;
		if (incident->observation)
			error_set(&incident->observation->error, STATUS_TIMEOUT,
				"the cluster did not answer in time");
		engine_looked(engine, incident);
		return;
	}
	if (action->plan.kind == ACTION_TICKET || incident->looks >= LOOKS_MAX)
		engine_looked(engine, incident);
	else
		engine_ask(engine, incident, WAIT_LOOK);
}

void engine_looked(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	int applied =
		plan_applied(&action->plan, &action->target, action->id, incident->observation);

	/* A dry run changes nothing, so nothing can have been done. A ticket may be asked for once more: its
	 * incident's key keeps it from being made twice. */
	if (action->dry_run || action->plan.kind == ACTION_TICKET ||
		action_kind_accompanies(action->plan.kind))
		applied = 0;
	if (applied == APPLIED_BEGUN) {
		incident->resumed = true;
		engine_send(engine, incident);
	} else if (applied == 1) {
		engine_watch(engine, incident);
	} else if (applied == 0) {
		engine_failed(engine, incident, "not_done",
			action->plan.kind == ACTION_TICKET
				? "Whether the ticket was taken is not known; it is asked for again."
				: "The cluster says that it was not done.");
	} else if (++incident->looks >= LOOKS_MAX) {
		engine_set_state(engine, incident, action, STATE_HANDED_OVER, "outcome_unknown",
			"Whether it was done can't be told.");
		engine_tell(engine, incident, action, NEWS_ACTION, "unknown", action->sentence);
		engine_hand_over(engine, incident, action->reason, action->sentence);
	} else {
		engine_wait(engine, incident, WAIT_LOOK,
			engine->now_ms + (engine->config.times.retry << incident->looks));
	}
}

/* ---- done ---- */

static void ticket_done(struct engine *engine, struct incident *incident, struct action *action)
{
	bool dry_run = action->dry_run;

	engine_record(engine, incident, NULL);
	action->ended = true;
	engine_set_state(engine, incident, action, STATE_HANDED_OVER, "ticket", "%s",
		action->plan.words);
	if (dry_run)
		engine_end(engine, incident, OUTCOME_DRY_RUN,
			*incident->reason ? incident->reason : "dry_run",
			"Dry run: a ticket would have been opened.");
	else
		engine_end(engine, incident, OUTCOME_HANDED_OVER,
			*incident->reason ? incident->reason : "ticket", "A ticket was opened.");
}

static void undo_done(struct engine *engine, struct incident *incident, struct action *action)
{
	struct action *undone = incident_find_action(incident, action->undo_of);

	engine_record(engine, incident, NULL);
	action->ended = true;
	action->ended_ms = engine->now_ms;
	if (action->expiry && !action->dry_run) {
		engine_floor_fell(engine, incident, undone, "floor_expired", action->plan.words);
		return;
	}
	if (undone && !action->dry_run)
		engine_set_state(engine, incident, undone, STATE_ROLLED_BACK,
			action->rollback ? "worse" : "undone", "%s by %s%s%s%s.",
			action->rollback ? "It got worse; rolled back" : "Undone", action->id,
			*action->asked_by ? ", as " : "", action->asked_by,
			*action->asked_by ? " asked" : "");
	if (action->rollback && !action->dry_run) {
		engine_rolled_back(engine, incident);
		return;
	}
	if (action->dry_run)
		engine_end(engine, incident, OUTCOME_DRY_RUN, "dry_run",
			"Dry run: it would be undone.");
	else
		engine_end(engine, incident, OUTCOME_ROLLED_BACK, "undone",
			"The change was undone.");
}

void engine_accompany(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);

	/* It is no change of the target that the next step would have to keep a distance from. */
	ledger_mark_undone(&engine->ledger, action->id);
	if (!action->ended) {
		action->ended = true;
		action->ended_ms = engine->now_ms;
		engine_record(engine, incident, NULL);
	}
	engine_next_step(engine, incident, "accompanied", action->sentence);
}

void engine_watch(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	const struct playbook *playbook = engine_playbook(engine, incident);
	int64_t after = playbook ? playbook->verify_after_ms : 0;

	if (!action->done_ms) {
		action->done_ms = engine->now_ms;
		engine_set_state(engine, incident, action, STATE_DONE,
			action->dry_run ? "dry_run" : "", "%s%s.",
			action->dry_run ? "Dry run: " : "Done: ", action->plan.words);
		engine_tell(engine, incident, action, NEWS_ACTION,
			action->dry_run ? "dry_run" : "done", action->plan.words);
		if (action->plan.kind == ACTION_TICKET) {
			ticket_done(engine, incident, action);
			return;
		}
		if (*action->undo_of) {
			undo_done(engine, incident, action);
			return;
		}
		engine_record(engine, incident, NULL);
	}
	if (action_kind_accompanies(action->plan.kind)) {
		engine_accompany(engine, incident);
		return;
	}
	engine_set_state(engine, incident, action, STATE_WATCHED, action->dry_run ? "dry_run" : "",
		"%s",
		action->dry_run ? "Dry run: what the signal does without a change is watched."
				: "Watched until the look-back of the alert has passed.");
	engine_record(engine, incident, NULL);
	incident->observe_asked = false;
	incident->looks = 0;
	engine_wait(engine, incident, WAIT_VERIFY, action->done_ms + after);
}
