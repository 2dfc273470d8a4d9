/*
 * The engine's memory of incidents: slots with a free list, an index by fingerprint, the order in
 * which incidents ended, and the few whose action is live. Nothing here grows after the start.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/engine_state.h"

bool engine_allocate(struct engine *engine, unsigned incident_max)
{
	size_t slots = incident_max ? incident_max : 1, size = 16;

	if (slots > AHEAD_SLOT)
		slots = AHEAD_SLOT;
	while (size < slots)
		size *= 2;
	engine->slot_max = engine->free_count = slots;
	engine->index_size = size;
	engine->slots = mem_zalloc(slots, sizeof(struct incident *));
	engine->free_slots = mem_zalloc(slots, sizeof(*engine->free_slots));
	engine->ended = mem_zalloc(slots, sizeof(*engine->ended));
	engine->dues = mem_zalloc(slots, sizeof(*engine->dues));
	engine->live = mem_zalloc(slots, sizeof(*engine->live));
	engine->index = mem_zalloc(size, sizeof(struct incident *));
	engine->ids = mem_zalloc(size, sizeof(struct incident *));
	engine->companions = mem_zalloc(size, sizeof(struct companion *));
	engine->places = mem_zalloc(size, sizeof(struct incident *));
	engine->groups = mem_zalloc(size, sizeof(struct incident *));
	if (!engine->slots || !engine->free_slots || !engine->ended || !engine->dues ||
		!engine->live || !engine->index || !engine->ids || !engine->companions ||
		!engine->places || !engine->groups || seen_init(&engine->seen, slots * 4 + 1024) ||
		storm_init(&engine->storm, (size_t)engine->config.limits.storm_alerts + 1))
		return false;
	for (size_t i = 0; i < slots; i++)
		engine->free_slots[i] = (uint32_t)(slots - 1 - i);
	return true;
}

void engine_forget_all(struct engine *engine)
{
	for (size_t i = 0; engine->slots && i < engine->slot_max; i++)
		incident_close(engine->slots[i]);
	mem_free(engine->slots);
	mem_free(engine->free_slots);
	mem_free(engine->ended);
	mem_free(engine->dues);
	mem_free(engine->live);
	mem_free(engine->index);
	mem_free(engine->ids);
	mem_free(engine->companions);
	mem_free(engine->places);
	mem_free(engine->groups);
}

static struct incident **index_of(const struct engine *engine, uint64_t fingerprint)
{
	return &engine->index[fingerprint & (engine->index_size - 1)];
}

static struct incident **ids_of(const struct engine *engine, const char *id)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
	return &engine->ids[hash & (engine->index_size - 1)];
}

struct incident *engine_find(const struct engine *engine, const char *id)
{
	struct incident *incident = *ids_of(engine, id);

	while (incident && strcmp(incident->id, id) != 0)
		incident = incident->next_id;
	return incident;
}

struct incident *engine_index(const struct engine *engine, uint64_t fingerprint)
{
	return *index_of(engine, fingerprint);
}

void engine_mark_ended(struct engine *engine, const struct incident *incident)
{
	engine->ended[(engine->ended_first + engine->ended_count) % engine->slot_max] =
		incident->slot;
	engine->ended_count++;
}

void engine_mark_open(struct engine *engine, const struct incident *incident)
{
	size_t kept = 0;

	for (size_t i = 0; i < engine->ended_count; i++) {
		uint32_t slot = engine->ended[(engine->ended_first + i) % engine->slot_max];

		if (slot != incident->slot)
			engine->ended[(engine->ended_first + kept++) % engine->slot_max] = slot;
	}
	engine->ended_count = kept;
}

static void forget(struct engine *engine, struct incident *incident)
{
	struct incident **at = index_of(engine, incident->event.fingerprint);

	while (*at && *at != incident)
		at = &(*at)->next_same;
	CHECK(*at == incident && !incident->open && !incident->live_place);
	*at = incident->next_same;
	at = ids_of(engine, incident->id);
	while (*at && *at != incident)
		at = &(*at)->next_id;
	CHECK(*at == incident);
	*at = incident->next_id;
	engine_join_unlink(engine, incident);
	engine->slots[incident->slot] = NULL;
	engine->free_slots[engine->free_count++] = incident->slot;
	incident_close(incident);
}

/* The incident that ended first is forgotten, but not before the journal has its end. */
static bool free_first(struct engine *engine, bool floors)
{
	for (size_t i = 0; i < engine->ended_count; i++) {
		size_t at = (engine->ended_first + i) % engine->slot_max;
		struct incident *old = engine->slots[engine->ended[at]];

		if (!old->settled || (!floors && engine_floor_stands(engine, old)))
			continue;
		if (i) {
			engine_mark_open(engine, old);
		} else {
			engine->ended_first = (at + 1) % engine->slot_max;
			engine->ended_count--;
		}
		forget(engine, old);
		return true;
	}
	return false;
}

/* Those whose floor has to fall back are forgotten last: what is on the object tells of it then. */
static void free_a_slot(struct engine *engine)
{
	if (!free_first(engine, false))
		(void)free_first(engine, true);
}

bool engine_take_slot(struct engine *engine, struct incident *incident)
{
	struct incident **head = index_of(engine, incident->event.fingerprint);

	if (!engine->free_count)
		free_a_slot(engine);
	if (!engine->free_count)
		return false;
	incident->slot = engine->free_slots[--engine->free_count];
	engine->slots[incident->slot] = incident;
	engine->dues[incident->slot] = INT64_MIN;
	incident->next_same = *head;
	*head = incident;
	head = ids_of(engine, incident->id);
	incident->next_id = *head;
	*head = incident;
	engine_join_link(engine, incident);
	if (incident->open)
		engine->open_count++;
	else
		engine_mark_ended(engine, incident);
	return true;
}

struct incident *engine_incident_of_action(const struct engine *engine, const char *action_id)
{
	const char *end = strrchr(action_id, '-');
	char id[INCIDENT_ID_MAX];
	int size;

	/* "a-<rest>-<number>" belongs to "i-<rest>". */
	if (strncmp(action_id, "a-", 2) != 0 || end < action_id + 2)
		return NULL;
	size = snprintf(id, sizeof(id), "i-%.*s", (int)(end - action_id - 2), action_id + 2);
	return size > 0 && (size_t)size < sizeof(id) ? engine_find(engine, id) : NULL;
}

void engine_visit(const struct engine *engine,
	bool (*visit)(void *argument, const struct incident *incident), void *argument)
{
	for (size_t i = 0; i < engine->slot_max; i++)
		if (engine->slots[i] && !visit(argument, engine->slots[i]))
			return;
}

size_t engine_open_count(const struct engine *engine)
{
	return engine->open_count;
}

const struct ledger *engine_ledger(const struct engine *engine)
{
	return &engine->ledger;
}

/* ---- steps that all files use ---- */

struct playbook *engine_playbook(const struct engine *engine, const struct incident *incident)
{
	return playbooks_find(engine->config.playbooks, incident->playbook);
}

/* A playbook's mode is the most that it allows. */
enum mode engine_mode_at(const struct engine *engine, const char *playbook_name,
	const char *cluster, const char *namespace_name)
{
	const struct playbook *playbook = playbooks_find(engine->config.playbooks, playbook_name);
	const struct track *track =
		tracks_find(&engine->tracks, playbook_name, cluster, namespace_name);
	enum mode mode = engine->config.mode;

	if (playbook && playbook->mode < mode)
		mode = playbook->mode;
	mode = mode_rules_apply(engine->config.modes, playbook_name, cluster, namespace_name, mode);
	if (mode > MODE_APPROVE && (track ? track->demoted : engine->tracks.full))
		mode = MODE_APPROVE;
	return mode;
}

enum mode engine_mode(const struct engine *engine, const struct incident *incident)
{
	return engine_mode_at(engine, incident->playbook, incident->target.cluster,
		incident->target.namespace_name);
}

void engine_wait(struct engine *engine, struct incident *incident, enum wait wait, int64_t due_ms)
{
	/* Nobody comes due while another replica leads. */
	if (engine->standby)
		due_ms = INT64_MAX;
	incident->wait = wait;
	incident->due_ms = due_ms;
	engine->dues[incident->slot] = due_ms;
	if (due_ms < engine->next_due_ms)
		engine->next_due_ms = due_ms;
}

void engine_tell(struct engine *engine, const struct incident *incident,
	const struct action *action, enum news_kind kind, const char *word, const char *text)
{
	const struct news news = {.kind = kind,
		.time_ms = engine->now_ms,
		.incident = incident,
		.action = action,
		.observation = incident ? incident->observation : NULL,
		.playbook = incident ? incident->playbook : "none",
		.word = word,
		.text = text};

	if (engine->ports.told)
		engine->ports.told(engine->ports.self, &news);
}

bool action_live(const struct action *action)
{
	enum action_state state = action->state;

	return !action->ended &&
		(state == STATE_WRITTEN || state == STATE_SENT || state == STATE_UNKNOWN ||
			state == STATE_DONE || state == STATE_WATCHED);
}

static void add_live(struct engine *engine, struct incident *incident)
{
	engine->live[engine->live_count++].incident = incident;
	incident->live_place = (uint32_t)engine->live_count;
}

/* The last one takes its place. */
static void drop_live(struct engine *engine, struct incident *incident)
{
	struct live *last = &engine->live[--engine->live_count];

	last->incident->live_place = incident->live_place;
	engine->live[incident->live_place - 1] = *last;
	incident->live_place = 0;
}

void engine_keep_live(struct engine *engine, struct incident *incident)
{
	const struct action *action = incident_action(incident);
	struct ledger_entry entry = {.object = 0};
	struct live *live;

	if (!incident->open || !action || action->plan.kind == ACTION_TICKET ||
		!action_live(action)) {
		if (incident->live_place)
			drop_live(engine, incident);
		return;
	}
	if (!incident->live_place)
		add_live(engine, incident);
	live = &engine->live[incident->live_place - 1];
	ledger_key(&entry, &action->target);
	live->object = entry.object;
	live->owner = entry.owner;
	live->cluster = entry.cluster;
	live->kind = action->plan.kind;
	live->watched = action->state == STATE_WATCHED;
	live->dry_run = action->dry_run;
}

void engine_set_state(struct engine *engine, struct incident *incident, struct action *action,
	enum action_state state, const char *reason, const char *format, ...)
{
	va_list arguments;
	char words[2 * SENTENCE_MAX];
	struct refusal said;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	refusal_set(&said, reason, "%s", words);
	memcpy(action->reason, said.reason, sizeof(action->reason));
	memcpy(action->sentence, said.sentence, sizeof(action->sentence));
	action->state = state;
	action->settled = false;
	if (state == STATE_FAILED || state == STATE_CURED || state == STATE_SELF_HEALED ||
		state == STATE_INEFFECTIVE || state == STATE_WORSE || state == STATE_REVERTED ||
		state == STATE_ROLLED_BACK || state == STATE_HANDED_OVER)
		action->ended = true;
	if (action->ended && !action->ended_ms)
		action->ended_ms = engine->now_ms;
	incident->updated_ms = engine->now_ms;
	engine_keep_live(engine, incident);
	engine_tell(engine, incident, action, NEWS_STATE, action_state_name(state),
		action->sentence);
}
