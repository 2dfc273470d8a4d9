/*
 * One of several replicas leads and acts, the others stand by.
 *
 * Standing by, the engine hears every event, opens incidents and ends those whose alert ended, but
 * nothing comes due: engine_wait() puts off whatever waits, engine_begin_step() holds the incident.
 * What the leader journals is taken over as if it had been read at start (engine_adopt()); ids of
 * incidents follow from their events, so that both mean the same one.
 *
 * Taking the lead is a restart with what is known: each open incident goes on by engine_resume(), and
 * an action that was written or sent is UNKNOWN, so that the cluster is asked. What the former leader
 * did in its last seconds and could not tell any more is found on the object: by the key of one of
 * this incident's actions, or because our own field manager wrote the field since the alert began and
 * no action that is known explains it. Such a step is watched as if it had been done here, and not
 * repeated; as what stood there before is not known, it can't be undone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/engine_state.h"

/* Clocks of the API server and of whoever sent the alert may be so far apart, and managedFields
 * counts in seconds. */
#define CLOCKS_APART_MS 2000
/* An action that was written so long before the field changed is what changed it. */
#define WRITE_TAKES_MS 60000

bool engine_stands_by(const struct engine *engine)
{
	return engine->standby;
}

void engine_hold(struct engine *engine, struct incident *incident)
{
	incident->blocked_since_ms = engine->now_ms;
	engine_tell(engine, incident, incident_action(incident), NEWS_STATE,
		incident_state_name(incident),
		"This replica stands by; the one that leads acts on it.");
	engine_record(engine, incident, NULL);
	engine_wait(engine, incident, WAIT_RETRY, INT64_MAX);
}

void engine_stand_by(struct engine *engine, int64_t now_ms)
{
	engine->now_ms = now_ms;
	engine->standby = engine->elected = true;
	engine_ahead_forget(engine);
	for (size_t i = 0; i < engine->slot_max; i++) {
		struct incident *incident = engine->slots[i];

		if (!incident || !incident->open)
			continue;
		incident->observe_asked = false;
		incident->due_ms = INT64_MAX;
	}
}

/* What people said to a leader that can't be asked any more may have been taken back there. */
static void void_approvals(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);

	if (!action || action->state != STATE_AWAITING_APPROVAL || !action->approval_count)
		return;
	action->approval_count = 0;
	action->approved_hash = 0;
	engine_set_state(engine, incident, action, STATE_AWAITING_APPROVAL, "leader_changed",
		"Another replica leads now and could not ask the former one: approvals are void. %s",
		action->plan.words);
	engine_record(engine, incident, NULL);
}

void engine_lead(struct engine *engine, bool words_known, int64_t now_ms)
{
	engine->now_ms = now_ms;
	if (!engine->standby)
		return;
	engine->standby = false;
	engine->lead_since_ms = now_ms;
	engine->next_floor_ms = 0;
	for (size_t i = 0; i < engine->slot_max; i++) {
		struct incident *incident = engine->slots[i];

		if (!incident || !incident->open)
			continue;
		if (!words_known)
			void_approvals(engine, incident);
		engine_resume(engine, incident);
	}
	engine_settle(engine);
}

/* ---- what a former leader did ---- */

static const struct field_writer *writer_of(const struct observation *seen, enum action_kind kind)
{
	switch (kind) {
	case ACTION_SCALE:
		return &seen->replicas_writer;
	case ACTION_ADJUST_RESOURCES:
		return &seen->limits_writer;
	case ACTION_CORDON:
		return &seen->unschedulable_writer;
	default:
		return NULL;
	}
}

/* Whether the object carries the key of an action of this incident that is not known here. */
static bool has_strange_key(const struct incident *incident, const struct observation *seen)
{
	/* "i-X": its actions are "a-X-1", "a-X-2" and so on. */
	char start[INCIDENT_ID_MAX + 2], id[INCIDENT_ID_MAX];
	const struct companion *at = incident->companions;

	if (incident_find_action(incident, seen->action_key))
		return false;
	snprintf(start, sizeof(start), "a-%s-", incident->id + 2);
	if (!strncmp(seen->action_key, start, strlen(start)))
		return true;
	/* The former leader may have heard another one of its events first. */
	for (; at; at = at->next) {
		const struct event event = {.fingerprint = at->fingerprint,
			.starts_ms = at->starts_ms};

		engine_event_id(&event, incident->playbook, &incident->target, id);
		snprintf(start, sizeof(start), "a-%s-", id + 2);
		if (!strncmp(seen->action_key, start, strlen(start)))
			return true;
	}
	return false;
}

/* Whether our field manager wrote the field since the alert began, and nothing that is known did. */
static bool has_strange_write(const struct engine *engine, const struct incident *incident,
	const struct action *action, const struct field_writer *writer)
{
	struct ledger_entry like = engine_entry(engine, incident, action);
	const struct ledger_entry *known;

	if (!writer || strcmp(writer->manager, FIELD_MANAGER) != 0 ||
		writer->time_ms + CLOCKS_APART_MS < incident->event.starts_ms)
		return false;
	known = ledger_last_written(&engine->ledger, &like);
	return !known || known->time_ms + WRITE_TAKES_MS < writer->time_ms;
}

static bool was_written(const struct incident *incident)
{
	for (size_t i = 0; i < incident->action_count; i++)
		if (incident->actions[i]->written_ms && !incident->actions[i]->dry_run &&
			incident->actions[i]->state != STATE_FAILED)
			return true;
	return false;
}

bool engine_done_before(struct engine *engine, struct incident *incident)
{
	const struct observation *seen = incident->observation;
	struct action *action = incident_action(incident);
	struct ledger_entry entry;
	bool by_key;

	/* Only what began before this replica led can have been done by another. */
	if (!engine->elected || incident->opened_ms >= engine->lead_since_ms || !action ||
		action->ended || *action->undo_of || action->plan.kind == ACTION_TICKET || !seen ||
		seen->error.code || !seen->found || was_written(incident))
		return false;
	by_key = has_strange_key(incident, seen);
	if (!by_key &&
		!has_strange_write(engine, incident, action, writer_of(seen, action->plan.kind)))
		return false;
	if (by_key)
		memcpy(action->id, seen->action_key, sizeof(action->id));
	action->target = seen->target;
	action->dry_run = false;
	action->written_ms = action->sent_ms = engine->now_ms;
	action->effect.before = NAN;
	snprintf(action->plan.words, sizeof(action->plan.words), "%s by the former leader",
		action_kind_name(action->plan.kind));
	entry = engine_entry(engine, incident, action);
	/* A full ledger refuses every further action, which is as good. */
	(void)!ledger_add(&engine->ledger, &entry);
	engine_watch(engine, incident);
	return true;
}

/* ---- what the leader tells ---- */

static bool same_text(const struct buf *json, const char *body)
{
	return buf_ok(json) && json->data && !strcmp(json->data, body);
}

/* Whether it is known just so. */
static bool is_known(const struct engine *engine, const struct record *record)
{
	const struct incident *incident = engine_find(engine, record->incident);
	const struct action *action = incident ? incident_find_action(incident, record->key) : NULL;
	struct buf json;
	bool same;

	buf_init(&json, RECORD_BODY_MAX);
	if (record->kind == RECORD_INCIDENT && incident)
		incident_write_json(&json, incident);
	else if (record->kind == RECORD_ACTION && action)
		action_write_json(&json, action, incident);
	same = same_text(&json, record->body);
	buf_fini(&json);
	return same;
}

/* The same alert on the same target, opened here under another id as this replica did not hear of its
 * first firing: the leader's goes on. */
static void end_twin(struct engine *engine, const struct incident *kept, struct incident *twin)
{
	if (twin != kept && twin->open && !twin->action_count &&
		!strcmp(twin->target.name, kept->target.name) &&
		!strcmp(twin->target.namespace_name, kept->target.namespace_name))
		engine_end(engine, twin, OUTCOME_RESOLVED, "joined",
			"The leader's incident about the same goes on.");
}

static void end_twins_of(struct engine *engine, const struct incident *kept, uint64_t fingerprint)
{
	struct incident *incident = engine_index(engine, fingerprint), *next;
	struct companion *companion = engine_companions(engine, fingerprint);

	for (; incident; incident = next) {
		next = incident->next_same;
		if (incident->event.fingerprint == fingerprint)
			end_twin(engine, kept, incident);
	}
	for (; companion; companion = companion->next_same)
		if (companion->fingerprint == fingerprint && !companion->symptom)
			end_twin(engine, kept, companion->incident);
}

static void end_twins(struct engine *engine, const struct incident *kept)
{
	end_twins_of(engine, kept, kept->event.fingerprint);
	for (const struct companion *at = kept->companions; at; at = at->next)
		if (!at->symptom)
			end_twins_of(engine, kept, at->fingerprint);
}

enum status engine_adopt(struct engine *engine, const struct record *record, bool *news,
	int64_t now_ms, struct error *error)
{
	struct incident *incident;
	enum status status;

	engine->now_ms = now_ms;
	*news = false;
	if (!engine->standby)
		return error_set(error, STATUS_CONFLICT, "this replica leads");
	if (record->kind != RECORD_INCIDENT && record->kind != RECORD_ACTION &&
		record->kind != RECORD_NOTE)
		return error_set(error, STATUS_BAD_INPUT, "a leader tells of no such records");
	if (record->kind != RECORD_NOTE && is_known(engine, record))
		return STATUS_OK;
	status = engine_replay(engine, record, error);
	if (status)
		return status;
	*news = true;
	incident = record->kind == RECORD_NOTE ? NULL : engine_find(engine, record->incident);
	if (!incident)
		return STATUS_OK;
	if (incident->open)
		engine_wait(engine, incident, WAIT_RETRY, INT64_MAX);
	engine_keep_live(engine, incident);
	if (incident->open && record->kind == RECORD_INCIDENT)
		end_twins(engine, incident);
	return STATUS_OK;
}
