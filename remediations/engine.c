/*
 * The engine's life, its memory of incidents, and the door for events, time and people.
 *
 * An incident is one trouble with one target. It tries the steps of its playbook, each as an action
 * with these states (the function that makes each transition beside it):
 *
 *   PROPOSED            engine_begin_step()      an observation of the target is asked for
 *     -> BLOCKED        engine_decide()          the guard refuses: asked again until wait_max, or for good
 *     -> AWAITING_APPROVAL  engine_decide()      mode suggest or approve; engine_approve(), engine_expire()
 *     -> CLEARED        engine_decide()          the guard lets it pass
 *   CLEARED -> WRITTEN  engine_write()           the record is on its way to the journal
 *   WRITTEN -> SENT     engine_send()            after its commit, firing and pause checked again
 *   WRITTEN -> FAILED   engine_failed()          it was not sent
 *   SENT -> DONE        engine_watch()           the cluster confirmed it
 *     -> FAILED         engine_failed()          surely not done: tried anew TRIES_MAX times
 *     -> UNKNOWN        engine_unknown()         no answer, or found written or sent after a crash
 *   UNKNOWN -> DONE | FAILED  engine_looked()    an observation tells; it is never repeated blindly
 *     -> HANDED_OVER    engine_looked()          LOOKS_MAX looks did not tell
 *   DONE -> WATCHED     engine_watch()
 *   WATCHED -> CURED | INEFFECTIVE  engine_verify()   raw samples after the alert's look-back
 *     -> ROLLED_BACK    engine_watch()           its undo is done
 *   after INEFFECTIVE, FAILED or BLOCKED for good: engine_next_step(), and behind the last one
 *   engine_hand_over(), which opens a ticket (an action like the others) and ends the incident.
 *
 * Invariants:
 *  1. No two live actions (WRITTEN to WATCHED) share a target or its owner.
 *  2. A command goes out only after the commit of its WRITTEN record, in the same run.
 *  3. Whoever waits has a due time: engine_tick() calls engine_expire() when it has come.
 *  4. RESOLVED never starts anything; it ends what has not been sent.
 *  5. Mode observe and dry runs take the same path; only the port is told not to touch anything,
 *     and they end with the outcome "dry_run", never "cured".
 */
#include "remediations/engine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/engine_state.h"

void engine_times_default(struct engine_times *times)
{
	*times = (struct engine_times){
		.observe = 30000,
		.send = 30000,
		.send_margin = 15000,
		.journal = 60000,
		.retry = 5000,
		.wait_max = 60 * 60000,
		.approval_max = 60 * 60000,
		.approval_valid = 15 * 60000,
		.verify_grace = 10 * 60000,
	};
}

/* ---- life ---- */

static int64_t longest_memory(const struct engine_config *config)
{
	int64_t keep = config->limits.window_ms;

	if (config->limits.cooldown_ms > keep)
		keep = config->limits.cooldown_ms;
	if (config->limits.hands_off_ms > keep)
		keep = config->limits.hands_off_ms;
	for (size_t i = 0; i < playbooks_count(config->playbooks); i++) {
		const struct guard_limits *guard = &playbooks_at(config->playbooks, i)->guard;

		if (guard->cooldown_ms > keep)
			keep = guard->cooldown_ms;
	}
	return keep;
}

struct engine *engine_open(const struct engine_config *config, const struct engine_ports *ports,
	int64_t now_ms)
{
	struct engine *engine = mem_zalloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->config = *config;
	engine->ports = *ports;
	engine->now_ms = engine->started_ms = now_ms;
	engine->paused = config->paused;
	engine->pause_noted = true;
	engine->pause_note_ms = now_ms;
	engine->paused_since_ms = now_ms;
	if (config->paused)
		snprintf(engine->paused_by, sizeof(engine->paused_by), "configuration");
	engine->next_due_ms = engine->next_floor_ms = INT64_MAX;
	engine->ledger_keep_ms = longest_memory(config);
	ledger_init(&engine->ledger, LEDGER_MAX);
	tracks_init(&engine->tracks);
	if (engine_allocate(engine, config->incident_max))
		return engine;
	engine_close(engine);
	return NULL;
}

void engine_close(struct engine *engine)
{
	if (!engine)
		return;
	engine_forget_all(engine);
	engine_ahead_forget(engine);
	seen_fini(&engine->seen);
	storm_fini(&engine->storm);
	ledger_fini(&engine->ledger);
	tracks_fini(&engine->tracks);
	mem_free(engine);
}

enum status engine_configure(struct engine *engine, const struct engine_config *config)
{
	struct storm_gauge storm;

	if (storm_init(&storm, (size_t)config->limits.storm_alerts + 1))
		return STATUS_NO_MEMORY;
	/* The gauge starts anew only when its size changed, so that a reload can't hide a storm. */
	if (storm.max != engine->storm.max) {
		storm_fini(&engine->storm);
		engine->storm = storm;
	} else {
		storm_fini(&storm);
	}
	engine->config = *config;
	engine->ledger_keep_ms = longest_memory(config);
	return STATUS_OK;
}

/* ---- events ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	/* The finishing steps of splitmix64 (Steele, Lea, Flood 2014). */
	hash ^= value + UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
	return hash ^ (hash >> 31);
}

uint64_t engine_event_key(const struct event *event, const char *playbook,
	const struct target *target)
{
	struct ledger_entry entry = {.object = 0};
	uint64_t hash = mix(event->fingerprint, (uint64_t)event->starts_ms);

	ledger_key(&entry, target);
	for (; *playbook; playbook++)
		hash = mix(hash, (unsigned char)*playbook);
	return mix(hash, entry.object);
}

uint64_t engine_resolved_key(uint64_t fingerprint, int64_t starts_ms)
{
	return mix(mix(fingerprint, (uint64_t)starts_ms), 1);
}

bool engine_same_object(const struct target *a, const struct target *b)
{
	return a->kind == b->kind && !strcmp(a->name, b->name) &&
		!strcmp(a->namespace_name, b->namespace_name) && !strcmp(a->cluster, b->cluster) &&
		!strcmp(a->container, b->container);
}

static struct incident *find_open(const struct engine *engine, uint64_t fingerprint,
	const struct target *target)
{
	struct incident *incident = engine_index(engine, fingerprint);

	for (; incident; incident = incident->next_same)
		if (incident->open && incident->event.fingerprint == fingerprint &&
			engine_same_object(&incident->target, target))
			return incident;
	return NULL;
}

/* A newer proposal says another number: the plan is made from it, as long as it is made. */
static void take_newer(struct incident *incident, const struct event *event)
{
	struct labels annotations;

	/* Without memory the older number stays. */
	if (labels_clone(&annotations, &event->annotations) != STATUS_OK)
		return;
	labels_fini(&incident->event.annotations);
	incident->event.annotations = annotations;
	incident->event.score = event->score;
	incident->event.confidence = event->confidence;
}

static void join(struct engine *engine, struct incident *incident, const struct event *event)
{
	if (incident->first_firing && event->starts_ms <= incident->starts_ms)
		return;
	/* A firing that is older than the end that we know of is late. */
	if (event->starts_ms < incident->starts_ms)
		return;
	incident->firing = incident->first_firing = true;
	incident->starts_ms = event->starts_ms;
	if (event->source == EVENT_PROPOSAL)
		take_newer(incident, event);
	incident->joined++;
	incident->updated_ms = engine->now_ms;
	engine_tell(engine, incident, incident_action(incident), NEWS_STATE,
		incident_state_name(incident), "A newer firing of the alert joined this incident.");
	engine_record(engine, incident, NULL);
}

/* The lowest `size` digits of value in base 36. */
static void write_digits(uint64_t value, char *text, size_t size)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (size_t i = size; i--; value /= 36)
		text[i] = digits[value % 36];
	text[size] = '\0';
}

/* Sortable by time. Of several replicas each must give the same id to the same event, for what one of
 * them did in the cluster under this name another one has to recognise: there it is the time at which
 * the alert began. A single one takes the time of now, so that an event that is heard again when all
 * about it is forgotten gets another id. turn: how many incidents with this id are in memory. */
static void make_id(int64_t time_ms, uint64_t key, unsigned turn, char id[INCIDENT_ID_MAX])
{
	char time[9], tail[14];

	write_digits((uint64_t)time_ms, time, 8);
	write_digits(turn ? mix(key, turn) : key, tail, 13);
	snprintf(id, INCIDENT_ID_MAX, "i-%s-%s", time, tail);
}

void engine_event_id(const struct event *event, const char *playbook, const struct target *target,
	char id[INCIDENT_ID_MAX])
{
	make_id(event->starts_ms, engine_event_key(event, playbook, target), 0, id);
}

/* What became of an event that is no incident, for `why` and the metrics. */
static void refuse_event(struct engine *engine, const struct event *event, const char *reason,
	const char *words)
{
	struct buf body;
	char key[24];

	engine_tell(engine, NULL, NULL, NEWS_REFUSAL, reason, words);
	snprintf(key, sizeof(key), "%016" PRIx64, event->fingerprint);
	buf_init(&body, RECORD_BODY_MAX);
	buf_printf(&body,
		"{\"fingerprint\":\"%s\",\"verdict\":\"refused\",\"reason\":\"%s\",\"text\":", key,
		reason);
	buf_add_json_string(&body, words, strlen(words));
	buf_add_char(&body, '}');
	/* The metric tells it all the same. */
	(void)engine_note(engine, RECORD_DECISION, key, buf_take(&body, NULL));
}

static void open_incident(struct engine *engine, const struct event *event,
	const struct playbook *playbook, const struct target *target, const struct refusal *refusal)
{
	struct incident *incident = incident_open(event);

	/* An older one of the same event that is not forgotten keeps its name. */
	for (unsigned tries = 0; incident && (!tries || engine_find(engine, incident->id)); tries++)
		make_id(engine->elected ? event->starts_ms : engine->now_ms,
			engine_event_key(event, playbook->name, target), tries, incident->id);
	if (incident) {
		snprintf(incident->playbook, sizeof(incident->playbook), "%s", playbook->name);
		incident->target = *target;
		incident->target_refusal = *refusal;
	}
	if (!incident || !engine_take_slot(engine, incident)) {
		refuse_event(engine, event, incident ? "incidents_full" : "no_memory",
			"There is no room for one more incident; nothing is done about this event.");
		incident_close(incident);
		return;
	}
	incident->opened_ms = incident->updated_ms = engine->now_ms;
	seen_put(&engine->seen, engine_event_key(event, playbook->name, target), engine->now_ms);
	engine_begin_step(engine, incident);
}

struct playbook *engine_would_open(struct engine *engine, const struct event *event,
	struct target *target)
{
	struct playbook *playbook = playbooks_match(engine->config.playbooks, event);
	struct refusal refusal;

	if (!event->firing || !playbook ||
		seen_has(&engine->seen,
			engine_resolved_key(event->fingerprint, event->starts_ms)) ||
		!target_resolve(&playbook->target, &event->labels, &engine->config.signals, target,
			&refusal) ||
		find_open(engine, event->fingerprint, target) ||
		engine_find_companion(engine, event, target) ||
		seen_has(&engine->seen, engine_event_key(event, playbook->name, target)) ||
		engine_find_alike(engine, event, playbook, target))
		return NULL;
	return playbook;
}

static void handle_firing(struct engine *engine, const struct event *event)
{
	struct playbook *playbook;
	struct companion *companion;
	struct incident *incident;
	struct target target;
	struct refusal refusal;

	/* What we propose ourselves is no sign of trouble. */
	if (event->source != EVENT_PROPOSAL)
		storm_add(&engine->storm, engine->now_ms);
	if (seen_has(&engine->seen, engine_resolved_key(event->fingerprint, event->starts_ms))) {
		engine_tell(engine, NULL, NULL, NEWS_REFUSAL, "already_resolved",
			"The end of this alert came before its beginning.");
		return;
	}
	playbook = playbooks_match(engine->config.playbooks, event);
	if (!playbook) {
		engine_tell(engine, NULL, NULL, NEWS_DECISION, "no_playbook", event_name(event));
		return;
	}
	if (!target_resolve(&playbook->target, &event->labels, &engine->config.signals, &target,
		    &refusal))
		memset(&target, 0, sizeof(target));
	incident = find_open(engine, event->fingerprint, &target);
	if (incident)
		join(engine, incident, event);
	else if ((companion = engine_find_companion(engine, event, &target)) != NULL)
		engine_join_again(engine, companion, event);
	else if (seen_has(&engine->seen, engine_event_key(event, playbook->name, &target)))
		engine_tell(engine, NULL, NULL, NEWS_DECISION, "duplicate", event_name(event));
	else if ((incident = engine_find_alike(engine, event, playbook, &target)) == NULL)
		open_incident(engine, event, playbook, &target, &refusal);
	else if (!engine_join(engine, incident, event, playbook->name))
		refuse_event(engine, event, "no_memory",
			"There is no memory for what joins an incident; nothing is done about this event.");
}

/* Whether nothing of the current step can have reached the cluster or is on its way there. */
static bool only_waits(const struct incident *incident)
{
	const struct action *action = incident_action(incident);

	return !action ||
		(!action_live(action) && incident->wait != WAIT_NOTHING && !*action->undo_of);
}

/* Of several events: whoever keeps a ticket of it knows only the first. */
static void tell_quiet(struct engine *engine, const struct incident *incident)
{
	if (incident->companions)
		engine_tell(engine, incident, incident_action(incident), NEWS_QUIET,
			incident_state_name(incident), "All of its alerts ended.");
}

/* One of its events ended. */
static void resolve(struct engine *engine, struct incident *incident)
{
	bool fires = incident_fires(incident);

	incident->updated_ms = engine->now_ms;
	if (!incident->open) {
		if (!incident->companions)
			return;
		if (!fires)
			tell_quiet(engine, incident);
		engine_record(engine, incident, NULL);
		return;
	}
	if (fires) {
		engine_tell(engine, incident, incident_action(incident), NEWS_STATE,
			incident_state_name(incident),
			"An alert of this incident ended; another one goes on.");
		engine_record(engine, incident, NULL);
		return;
	}
	incident->firing = false;
	if (only_waits(incident)) {
		engine_void_resolved(engine, incident);
		engine_end_resolved(engine, incident);
		return;
	}
	engine_tell(engine, incident, incident_action(incident), NEWS_STATE,
		incident_state_name(incident),
		"The alert ended; what was begun is still verified.");
	tell_quiet(engine, incident);
	engine_record(engine, incident, NULL);
}

static void resolve_companions(struct engine *engine, const struct event *event)
{
	struct companion *at = engine_companions(engine, event->fingerprint);

	for (; at; at = at->next_same) {
		if (at->fingerprint != event->fingerprint || at->ended_ms ||
			event->starts_ms < at->starts_ms)
			continue;
		at->ended_ms = engine->now_ms;
		resolve(engine, at->incident);
	}
}

static void handle_resolved(struct engine *engine, const struct event *event)
{
	struct incident *incident = engine_index(engine, event->fingerprint), *next;

	seen_put(&engine->seen, engine_resolved_key(event->fingerprint, event->starts_ms),
		engine->now_ms);
	for (; incident; incident = next) {
		next = incident->next_same;
		if (!incident->first_firing || incident->event.fingerprint != event->fingerprint ||
			event->starts_ms < incident->starts_ms)
			continue;
		incident->first_firing = false;
		resolve(engine, incident);
	}
	resolve_companions(engine, event);
}

void engine_event(struct engine *engine, const struct event *event, uint64_t number, int64_t now_ms)
{
	engine->now_ms = now_ms;
	if (event->firing)
		handle_firing(engine, event);
	else
		handle_resolved(engine, event);
	if (number > engine->events_done)
		engine->events_done = number;
	engine_settle(engine);
}

void engine_expect(struct engine *engine, unsigned events)
{
	engine->expected = events;
}

/* ---- answers and time ---- */

bool engine_drain(struct engine *engine)
{
	engine->draining = true;
	for (size_t i = 0; i < engine->slot_max; i++) {
		const struct incident *incident = engine->slots[i];

		if (incident && incident->open &&
			(incident->wait == WAIT_JOURNAL || incident->wait == WAIT_SEND ||
				incident->wait == WAIT_RESULT))
			return false;
	}
	return true;
}

void engine_take_look(struct engine *engine, struct incident *incident,
	const struct observation *observation)
{
	incident->observe_asked = false;
	if (!incident->observation)
		incident->observation = mem_alloc(sizeof(*observation));
	if (incident->observation) {
		*incident->observation = *observation;
		engine_tell(engine, incident, NULL, NEWS_OBSERVED, "", "");
	}
	if (incident->wait == WAIT_OBSERVATION) {
		if (!engine_done_before(engine, incident))
			engine_decide(engine, incident);
	} else if (incident->wait == WAIT_LOOK) {
		engine_looked(engine, incident);
	} else if (incident->wait == WAIT_VERIFY) {
		engine_verify(engine, incident);
	}
}

void engine_observed(struct engine *engine, uint64_t ticket, const struct observation *observation,
	int64_t now_ms)
{
	uint64_t slot = ticket & ((1u << SLOT_BITS) - 1);
	struct incident *incident = slot < engine->slot_max ? engine->slots[slot] : NULL;

	engine->now_ms = now_ms;
	if (slot == AHEAD_SLOT)
		incident = engine_ahead_observed(engine, ticket, observation);
	if (engine->standby || !incident || !incident->open || !incident->observe_asked ||
		incident->observe_ticket != ticket)
		return;
	engine_take_look(engine, incident, observation);
	engine_settle(engine);
}

static void come_due(struct engine *engine, size_t slot)
{
	struct incident *incident = engine->slots[slot];

	engine->dues[slot] = incident && incident->open ? incident->due_ms : INT64_MAX;
	if (engine->dues[slot] > engine->now_ms)
		return;
	engine_expire(engine, incident);
	incident = engine->slots[slot];
	if (!incident || !incident->open)
		engine->dues[slot] = INT64_MAX;
}

void engine_tick(struct engine *engine, int64_t now_ms)
{
	engine->now_ms = now_ms;
	engine_flush(engine);
	engine_keep_pause(engine);
	engine_keep_tracks(engine);
	engine_keep_floors(engine);
	if (now_ms >= engine->next_due_ms) {
		engine->next_due_ms = INT64_MAX;
		for (size_t i = 0; i < engine->slot_max; i++) {
			if (engine->dues[i] <= now_ms)
				come_due(engine, i);
			if (engine->dues[i] < engine->next_due_ms)
				engine->next_due_ms = engine->dues[i];
		}
	}
	engine_settle(engine);
}

int64_t engine_due(const struct engine *engine)
{
	int64_t due = engine->next_due_ms,
		note = engine->pause_note_ms + engine->config.times.retry;

	if (engine->dirty_count > 0 && engine->next_flush_ms < due)
		due = engine->next_flush_ms;
	if (!engine->standby && !engine->draining && engine->next_floor_ms < due)
		due = engine->next_floor_ms;
	if (!engine->pause_noted && note < due)
		due = note;
	return due;
}
