/*
 * The engine's records: what is written at each step, how the checkpoint of events moves, and the way
 * back from the journal at start.
 *
 * Each submission holds the whole state of the incident and of each action that is not surely in the
 * journal as it is, so that the last record of a key says all and a lost submission is mended by the
 * next one: an incident whose newest record
 * failed is `dirty` and written again by engine_flush().
 *
 * The checkpoint says up to which event the engine has nothing more to hear. It is moved behind the
 * records: a mark (events_done, last ticket) is noted down once that ticket is acknowledged and
 * nothing is dirty. One mark at a time is enough, the next one covers what came meanwhile.
 *
 * Replay: incidents and actions are taken from their last records, whatever order a torn group left
 * them in. An action that was WRITTEN or SENT is UNKNOWN then: it may or may not have reached the
 * cluster, and the first thing done about it is to look.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/engine_state.h"
#include "remediations/json_fields.h"

#define RECORD_BODY_USUAL 2000
#define FLUSH_MS 1000
#define CONFIGURATION "configuration"
#define GROUP_MAX (ACTIONS_MAX + 3)

/* ---- writing ---- */

static bool record_fill(struct record *record, enum record_kind kind, int64_t time_ms,
	const char *key, const char *incident, struct buf *body)
{
	char *text = buf_take(body, NULL);

	*record = (struct record){.kind = kind, .time_ms = time_ms, .body = text};
	record->key = mem_strdup(key);
	record->incident = mem_strdup(incident);
	return text && record->key && record->incident;
}

static void write_known(struct buf *json, const char *text)
{
	if (*text)
		buf_add_json_string(json, text, strlen(text));
	else
		buf_add_text(json, "null");
}

static void write_decision(struct buf *json, const struct engine *engine,
	const struct incident *incident, const struct decision *decision)
{
	const struct action *action = incident_action(incident);
	enum gate reason = decision_reason(decision);
	char text[GATE_SENTENCE_MAX] = "", time[32];

	format_rfc3339(decision->time_ms, time, sizeof(time));
	if (reason != GATE_COUNT)
		gate_sentence(decision, reason, text, sizeof(text));
	buf_printf(json,
		"{\"incident\":\"%s\",\"action\":\"%s\",\"playbook\":\"%s\",\"step\":%u,"
		"\"time\":\"%s\",\"verdict\":\"%s\",\"mode\":\"%s\",\"dry_run\":%s,"
		"\"basis\":\"%s\",\"reason\":",
		incident->id, action->id, incident->playbook, action->step, time,
		decision_name(decision->verdict), mode_name(engine_mode(engine, incident)),
		decision->dry_run ? "true" : "false", plan_basis_name(action->plan.basis));
	write_known(json, reason == GATE_COUNT ? "" : decision->gates[reason].reason);
	buf_add_text(json, ",\"text\":");
	write_known(json, text);
	buf_add_text(json, ",\"plan\":");
	buf_add_json_string(json, action->plan.words, strlen(action->plan.words));
	buf_add_text(json, ",\"gates\":");
	decision_write_gates(json, decision);
	buf_add_char(json, '}');
}

/* Records are a few kilobytes, and there are several at each step: they do not begin at a few bytes. */
static void body_init(struct buf *body)
{
	buf_init(body, RECORD_BODY_MAX);
	(void)buf_reserve(body, RECORD_BODY_USUAL);
}

static size_t make_group(struct engine *engine, struct incident *incident,
	const struct decision *decision, struct record group[GROUP_MAX], bool *whole)
{
	const struct track *track = engine_track_pending(engine, incident);
	struct buf body;
	size_t count = 0;

	*whole = true;
	if (track) {
		char key[TRACK_KEY_MAX];

		track_key(track, key);
		body_init(&body);
		track_write_json(&body, track);
		*whole = record_fill(&group[count++], RECORD_NOTE, engine->now_ms, key, "", &body);
	}
	/* The incident comes before its actions: replay hangs its actions on it. A group that was torn behind it
	 * was never acknowledged, so nothing was sent on its word. */
	body_init(&body);
	incident_write_json(&body, incident);
	*whole = record_fill(&group[count], RECORD_INCIDENT, engine->now_ms, incident->id,
			 incident->id, &body) &&
		*whole;
	group[count++].ended = !incident->open;
	if (decision) {
		body_init(&body);
		write_decision(&body, engine, incident, decision);
		*whole = record_fill(&group[count++], RECORD_DECISION, engine->now_ms, incident->id,
				 incident->id, &body) &&
			*whole;
	}
	for (size_t i = 0; i < incident->action_count; i++) {
		const struct action *action = incident->actions[i];

		if (action->settled)
			continue;
		body_init(&body);
		action_write_json(&body, action, incident);
		*whole = record_fill(&group[count++], RECORD_ACTION, engine->now_ms, action->id,
				 incident->id, &body) &&
			*whole;
	}
	return count;
}

/* What nobody waits for may wait for company in the journal: what was only thought of; that a command went
 * out, as its record of before already says that it may have; and that it was done, as the next record comes
 * at once. What is about to be done, what came of it, and a person's word are written at once. */
static bool may_wait(const struct incident *incident)
{
	const struct action *action = incident_action(incident);

	if (!incident->open || !action)
		return false;
	for (size_t i = 0; i + 1 < incident->action_count; i++)
		if (!incident->actions[i]->settled && incident->actions[i]->written_ms)
			return false;
	if (action->state == STATE_SENT || action->state == STATE_DONE)
		return true;
	return !action->approval_count && !*action->undo_of && !action->written_ms &&
		(action->state == STATE_PROPOSED || action->state == STATE_BLOCKED);
}

void engine_set_dirty(struct engine *engine, struct incident *incident, bool dirty)
{
	if (incident->dirty == dirty)
		return;
	incident->dirty = dirty;
	if (!dirty) {
		engine->dirty_count--;
	} else if (!engine->dirty_count++) {
		engine->next_flush_ms = engine->now_ms + FLUSH_MS;
	}
}

static uint64_t next_ticket(struct engine *engine, uint32_t slot)
{
	return ++engine->ticket_last << SLOT_BITS | slot;
}

static enum status submit(struct engine *engine, uint64_t ticket, struct record *records,
	size_t count, bool whole)
{
	enum status status = STATUS_NO_MEMORY;

	if (whole)
		status = engine->ports.journal(engine->ports.self, ticket, records, count);
	if (status) {
		for (size_t i = 0; i < count; i++) {
			mem_free(records[i].key);
			mem_free(records[i].incident);
			mem_free(records[i].body);
		}
		return status;
	}
	engine->outstanding++;
	return STATUS_OK;
}

enum status engine_record(struct engine *engine, struct incident *incident,
	const struct decision *decision)
{
	struct record group[GROUP_MAX];
	bool whole;
	size_t count = make_group(engine, incident, decision, group, &whole);
	uint64_t ticket = next_ticket(engine, incident->slot);
	struct track *track = engine_track_pending(engine, incident);
	enum status status;

	for (size_t i = 0; i < count; i++)
		group[i].may_wait = !track && may_wait(incident);
	status = submit(engine, ticket, group, count, whole);
	if (track && !status)
		track->noted = true;
	incident->settled = false;
	/* An acknowledgement of an older record says nothing of this one. */
	incident->last_ticket = status ? 0 : ticket;
	for (size_t i = 0; i < incident->action_count; i++)
		if (!incident->actions[i]->settled)
			incident->actions[i]->last_ticket = status ? 0 : ticket;
	engine_set_dirty(engine, incident, status != STATUS_OK);
	return status;
}

uint64_t engine_note(struct engine *engine, enum record_kind kind, const char *key, char *body)
{
	uint64_t ticket = next_ticket(engine, (1u << SLOT_BITS) - 1);
	struct record record = {.kind = kind,
		.time_ms = engine->now_ms,
		.body = body,
		/* A person's word and what becomes of a playbook are notes. */
		.may_wait = kind == RECORD_DECISION};

	record.key = mem_strdup(key);
	record.incident = mem_strdup("");
	if (submit(engine, ticket, &record, 1, record.key && record.incident && body))
		return 0;
	return ticket;
}

/* ---- the checkpoint ---- */

static void note_checkpoint(struct engine *engine, uint64_t number)
{
	struct buf body;

	buf_init(&body, 64);
	buf_printf(&body, "{\"number\":%" PRIu64 "}", number);
	/* One that finds no room is covered by the next. */
	(void)engine_note(engine, RECORD_NOTE, JOURNAL_EVENTS_DONE, buf_take(&body, NULL));
	engine->events_noted = number;
}

void engine_settle(struct engine *engine)
{
	if (engine->dirty_count || engine->events_done <= engine->events_noted)
		return;
	if (!engine->outstanding) {
		note_checkpoint(engine, engine->events_done);
		engine->mark_sequence = 0;
	} else if (!engine->mark_sequence) {
		engine->mark_number = engine->events_done;
		engine->mark_sequence = engine->ticket_last;
	}
}

void engine_journaled(struct engine *engine, uint64_t ticket, enum status status, int64_t now_ms)
{
	uint64_t slot = ticket & ((1u << SLOT_BITS) - 1);
	struct incident *incident = slot < engine->slot_max ? engine->slots[slot] : NULL;

	engine->now_ms = now_ms;
	if (engine->outstanding)
		engine->outstanding--;
	if (status && ticket == engine->pause_ticket)
		engine->pause_noted = false;
	for (size_t i = 0; incident && i < incident->action_count && !status; i++)
		if (incident->actions[i]->last_ticket == ticket)
			incident->actions[i]->settled = true;
	if (incident && incident->last_ticket == ticket) {
		incident->tracked = incident->tracked && status;
		engine_set_dirty(engine, incident, status != STATUS_OK);
		incident->settled = !status;
	}
	/* What failed stands in a newer record that is on its way, or will be written again: a mark that
	 * was set before covers neither. */
	if (status)
		engine->mark_sequence = 0;
	if (engine->mark_sequence && ticket >> SLOT_BITS >= engine->mark_sequence) {
		if (!engine->dirty_count && !status)
			note_checkpoint(engine, engine->mark_number);
		engine->mark_sequence = 0;
	}
	if (incident && incident->open && incident->wait == WAIT_JOURNAL &&
		incident->journal_ticket == ticket) {
		/* An earlier record that failed may be another action's end: see engine_write(). */
		if (status || engine->dirty_count)
			engine_failed(engine, incident, "journal_failed",
				"The journal could not be written; nothing was sent.");
		else
			engine_send(engine, incident);
	}
	engine_settle(engine);
}

void engine_flush(struct engine *engine)
{
	if (!engine->dirty_count || engine->now_ms < engine->next_flush_ms)
		return;
	engine->next_flush_ms = engine->now_ms + FLUSH_MS;
	for (size_t i = 0; i < engine->slot_max && engine->dirty_count; i++)
		if (engine->slots[i] && engine->slots[i]->dirty &&
			engine_record(engine, engine->slots[i], NULL))
			return;
}

/* ---- replay ---- */

/* The new state in the old one's place: actions stay, they have records of their own. */
static void take_over(struct engine *engine, struct incident *old, struct incident *read)
{
	bool was_open = old->open;
	struct action *actions[ACTIONS_MAX];
	size_t count = old->action_count;

	memcpy(actions, old->actions, sizeof(actions));
	engine_join_unlink(engine, old);
	while (old->companions) {
		struct companion *next = old->companions->next;

		mem_free(old->companions);
		old->companions = next;
	}
	event_fini(&old->event);
	read->slot = old->slot;
	read->live_place = old->live_place;
	engine->dues[read->slot] = INT64_MIN;
	read->next_same = old->next_same;
	read->next_id = old->next_id;
	read->dirty = old->dirty;
	mem_free(old->observation);
	*old = *read;
	memcpy(old->actions, actions, sizeof(actions));
	old->action_count = count;
	mem_free(read);
	engine_join_link(engine, old);
	if (was_open == old->open)
		return;
	if (old->open) {
		engine->open_count++;
		engine_mark_open(engine, old);
	} else {
		engine->open_count--;
		engine_mark_ended(engine, old);
	}
}

static enum status replay_incident(struct engine *engine, const struct record *record,
	struct error *error)
{
	struct incident *read, *old;
	enum status status = incident_read_json(&read, record->body, strlen(record->body), error);

	if (status)
		return status;
	seen_put(&engine->seen, engine_event_key(&read->event, read->playbook, &read->target),
		read->opened_ms);
	for (const struct companion *at = read->companions; at; at = at->next) {
		const struct event event = {.fingerprint = at->fingerprint,
			.starts_ms = at->starts_ms};

		if (!at->symptom)
			seen_put(&engine->seen,
				engine_event_key(&event, read->playbook, &read->target),
				at->joined_ms);
	}
	read->settled = true;
	old = engine_find(engine, read->id);
	if (old) {
		take_over(engine, old, read);
	} else if (!engine_take_slot(engine, read)) {
		incident_close(read);
		return error_set(error, STATUS_LIMIT,
			"the journal holds more open incidents than there is room for");
	}
	return STATUS_OK;
}

static void replay_ledger(struct engine *engine, const struct incident *incident,
	const struct action *action)
{
	struct ledger_entry entry = engine_entry(engine, incident, action);
	bool known = false;

	if (!action->written_ms)
		return;
	entry.time_ms = action->written_ms;
	for (size_t i = 0; i < engine->ledger.count && !known; i++)
		known = !strcmp(engine->ledger.entries[i].action_id, action->id);
	if (!known && !ledger_full(&engine->ledger) && ledger_add(&engine->ledger, &entry))
		return;
	if (action->state == STATE_FAILED)
		ledger_mark_undone(&engine->ledger, action->id);
	if (action->state == STATE_INEFFECTIVE || action->state == STATE_WORSE ||
		action->state == STATE_REVERTED ||
		(action->state == STATE_ROLLED_BACK && !strcmp(action->reason, "worse")))
		ledger_mark_ineffective(&engine->ledger, action->id, action->ended_ms);
	if (action->state == STATE_REVERTED)
		ledger_mark_reverted(&engine->ledger, action->id, action->ended_ms);
}

static enum status replay_action(struct engine *engine, const struct record *record,
	struct error *error)
{
	struct incident *incident = engine_find(engine, record->incident ? record->incident : "");
	struct action *read = mem_alloc(sizeof(*read)), *kept = NULL;
	enum status status;

	if (!read)
		return error_set(error, STATUS_NO_MEMORY, "no memory for an action");
	status = action_read_json(read, record->body, strlen(record->body), error);
	/* An incident that ended long ago may be forgotten before its last action's record. */
	if (!status && incident)
		kept = incident_find_action(incident, read->id);
	if (kept) {
		*kept = *read;
		kept->settled = true;
	} else if (!status && incident && incident->action_count < ACTIONS_MAX) {
		size_t at = incident->action_count++;

		/* A torn group may have left a record out, but numbers always grow. */
		while (at && incident->actions[at - 1]->number > read->number) {
			incident->actions[at] = incident->actions[at - 1];
			at--;
		}
		incident->actions[at] = kept = read;
		kept->settled = true;
		read = NULL;
	}
	if (!status && kept)
		replay_ledger(engine, incident, kept);
	mem_free(read);
	return status;
}

/* The kill switch as it was left. What cannot be read of it is an error, not "off". */
static enum status replay_note(struct engine *engine, const struct record *record,
	struct error *error)
{
	static const struct field fields[] = {
		FIELD_NAMED("by", FIELD_TEXT, struct engine, paused_by),
		FIELD_NAMED("paused", FIELD_BOOL, struct engine, paused),
		FIELD_NAMED("since", FIELD_TIME, struct engine, paused_since_ms),
	};
	struct json_span root, value;
	enum status status;

	if (!strncmp(record->key, TRACK_KEY, strlen(TRACK_KEY)))
		return tracks_replay(&engine->tracks, record->body, error);
	if (strcmp(record->key, "paused") != 0)
		return STATUS_OK;
	status = json_span_init(&root, record->body, strlen(record->body), 4, error);
	if (status)
		return status;
	if (!fields_find(&root, "paused", &value))
		return error_set(error, STATUS_BAD_INPUT, "paused is absent");
	engine->paused_since_ms = record->time_ms;
	status = fields_read(&root, fields, ARRAY_COUNT(fields), engine, error);
	/* The configuration's word stands above a pause that was lifted before. */
	if (!status && engine->config.paused && !engine->paused) {
		engine->paused = true;
		engine->paused_since_ms = engine->started_ms;
		snprintf(engine->paused_by, sizeof(engine->paused_by), CONFIGURATION);
	}
	return status;
}

static enum status replay_event(struct engine *engine, const struct record *record,
	struct error *error)
{
	struct event event;
	enum status status;

	event_init(&event);
	status = event_read_json(&event, record->body, strlen(record->body), error);
	/* Only ends are remembered here; beginnings are in incidents or still to be heard. */
	if (!status && !event.firing)
		seen_put(&engine->seen, engine_resolved_key(event.fingerprint, event.starts_ms),
			record->time_ms);
	event_fini(&event);
	return status;
}

enum status engine_replay(struct engine *engine, const struct record *record, struct error *error)
{
	enum status status = STATUS_OK;

	if (record->kind == RECORD_INCIDENT)
		status = replay_incident(engine, record, error);
	else if (record->kind == RECORD_ACTION)
		status = replay_action(engine, record, error);
	else if (record->kind == RECORD_NOTE)
		status = replay_note(engine, record, error);
	else if (record->kind == RECORD_EVENT)
		status = replay_event(engine, record, error);
	if (status)
		error_prefix(error, "journal record %" PRIu64 " (%s)", record->number,
			record->key ? record->key : "");
	return status;
}

/* A restart gives people no more time, and forgets no approval. */
static void resume_waiting(struct engine *engine, struct incident *incident, struct action *action)
{
	if (!action->expires_ms)
		action->expires_ms = engine->now_ms + engine->config.times.approval_max;
	if (engine_approved(action))
		engine_ask(engine, incident, WAIT_OBSERVATION);
	else
		engine_wait(engine, incident, WAIT_APPROVAL, action->expires_ms);
}

void engine_resume(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);

	incident->blocked_since_ms = engine->now_ms;
	if (!action) {
		engine_begin_step(engine, incident);
	} else if (action->state == STATE_WRITTEN || action->state == STATE_SENT ||
		action->state == STATE_UNKNOWN) {
		engine_unknown(engine, incident, "Found so at start; the cluster is asked.");
	} else if (action->state == STATE_DONE || action->state == STATE_WATCHED) {
		if (action->ended && action_kind_accompanies(action->plan.kind) &&
			!*action->undo_of)
			engine_accompany(engine, incident);
		else if (action->ended)
			engine_hand_over(engine, incident, "interrupted",
				"The service ended meanwhile.");
		else
			engine_watch(engine, incident);
	} else if (action->state == STATE_INEFFECTIVE) {
		engine_next_step(engine, incident, action->reason, action->sentence);
	} else if (action->state == STATE_WORSE) {
		engine_roll_back(engine, incident, action->sentence);
	} else if (action->state == STATE_REVERTED) {
		engine_hand_over(engine, incident, action->reason, action->sentence);
	} else if (action->state == STATE_SELF_HEALED) {
		engine_end(engine, incident, OUTCOME_SELF_HEALED, action->reason, action->sentence);
	} else if (action->state == STATE_CURED) {
		engine_end(engine, incident, OUTCOME_CURED, action->reason, action->sentence);
	} else if (action->state == STATE_HANDED_OVER || action->state == STATE_ROLLED_BACK) {
		engine_end(engine, incident, OUTCOME_HANDED_OVER, action->reason, action->sentence);
	} else if (action->ended) {
		engine_wait(engine, incident, WAIT_RETRY, engine->now_ms);
	} else if (action->state == STATE_AWAITING_APPROVAL) {
		resume_waiting(engine, incident, action);
	} else {
		engine_ask(engine, incident, WAIT_OBSERVATION);
	}
}

void engine_start(struct engine *engine, int64_t now_ms)
{
	engine->now_ms = engine->started_ms = now_ms;
	engine->pause_noted = true;
	engine->next_floor_ms = 0;
	for (size_t i = 0; i < engine->slot_max; i++)
		if (engine->slots[i] && engine->slots[i]->open)
			engine_resume(engine, engine->slots[i]);
	engine_settle(engine);
}
