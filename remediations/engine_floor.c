/*
 * Floors fall back by themselves: what was raised for a time is taken back when that is over, by an undo
 * that nobody has to ask for, through the guard and the journal as every action.
 *
 *   done -> falling   take_down()           an undo of the engine's own; the incident is open for it
 *   falling -> fell   engine_floor_fell()   it was put back, or is no longer ours
 *           -> done   engine_hand_over()    it could not be; again after `wait_max`, a few times
 *
 * All of it follows from the incident's actions, which a restart reads from the journal: floors that ended
 * while nobody ran are taken down at the first tick. Whoever is gone for good leaves it to
 * `nimbusguard floors`, which reads the objects' marks (floor.h).
 */
#include <stdio.h>
#include <string.h>

#include "remediations/engine_state.h"

#define TAKE_DOWN_TRIES_MAX 8
#define BUSY_MS 5000

void engine_floor_written(struct engine *engine, struct action *action)
{
	struct action_options *options = &action->plan.options;

	if (!options->floor_hold_ms)
		return;
	options->floor_until_ms = engine->now_ms + options->floor_hold_ms;
	if (options->floor_until_ms < engine->next_floor_ms)
		engine->next_floor_ms = options->floor_until_ms;
}

/* Whether the undo ended the matter: it is done, or what it was to undo is no longer there. */
static bool settles(const struct action *undo)
{
	return !undo->dry_run &&
		(undo->done_ms || (undo->ended && !strcmp(undo->reason, "changed_since")));
}

/* When it is to be taken down, or tried again; INT64_MAX: never. */
static int64_t due_of(const struct engine *engine, const struct incident *incident,
	const struct action *floor)
{
	int64_t due = floor->plan.options.floor_until_ms;
	unsigned tries = 0;

	/* What is still under way may be done yet, and what nobody could tell may have been. */
	if ((!floor->done_ms && floor->ended && floor->state != STATE_HANDED_OVER) ||
		floor->dry_run || *floor->undo_of || !due)
		return INT64_MAX;
	for (size_t i = 0; i < incident->action_count; i++) {
		const struct action *undo = incident->actions[i];
		int64_t again = undo->ended_ms + engine->config.times.wait_max;

		if (strcmp(undo->undo_of, floor->id) != 0)
			continue;
		if (settles(undo) || ++tries >= TAKE_DOWN_TRIES_MAX)
			return INT64_MAX;
		if (undo->ended_ms && again > due)
			due = again;
	}
	return due;
}

/* The floor of the incident that is due first. */
static struct action *first_due(const struct engine *engine, const struct incident *incident,
	int64_t *due_ms)
{
	struct action *first = NULL;

	*due_ms = INT64_MAX;
	for (size_t i = 0; i < incident->action_count; i++) {
		int64_t due = due_of(engine, incident, incident->actions[i]);

		if (due >= *due_ms)
			continue;
		*due_ms = due;
		first = incident->actions[i];
	}
	return first;
}

bool engine_floor_stands(const struct engine *engine, const struct incident *incident)
{
	int64_t due;

	return first_due(engine, incident, &due) != NULL;
}

static void take_down(struct engine *engine, struct incident *incident, struct action *floor)
{
	struct action *undo = engine_begin_undo(engine, incident, floor);

	if (!undo)
		return;
	undo->expiry = true;
	engine_set_state(engine, incident, undo, STATE_PROPOSED, "floor_expired",
		"The time of the floor of %s is over.", floor->id);
	engine_ask(engine, incident, WAIT_OBSERVATION);
	if (incident->open && incident_action(incident) == undo && undo->state == STATE_PROPOSED)
		engine_record(engine, incident, NULL);
}

void engine_keep_floors(struct engine *engine)
{
	int64_t due;

	if (engine->standby || engine->draining || engine->now_ms < engine->next_floor_ms)
		return;
	engine->next_floor_ms = INT64_MAX;
	for (size_t i = 0; i < engine->slot_max; i++) {
		struct incident *incident = engine->slots[i];
		struct action *floor = incident ? first_due(engine, incident, &due) : NULL;

		if (!floor)
			continue;
		/* What is still under way in its incident comes first. */
		if (due <= engine->now_ms && incident->open)
			due = engine->now_ms + BUSY_MS;
		if (due <= engine->now_ms) {
			take_down(engine, incident, floor);
			due = engine->now_ms + BUSY_MS;
		}
		if (due < engine->next_floor_ms)
			engine->next_floor_ms = due;
	}
}

void engine_floor_fell(struct engine *engine, struct incident *incident, const struct action *floor,
	const char *reason, const char *words)
{
	enum outcome outcome = OUTCOME_ROLLED_BACK;

	if (floor && floor->state == STATE_CURED)
		outcome = OUTCOME_CURED;
	else if (floor && floor->state == STATE_SELF_HEALED)
		outcome = OUTCOME_SELF_HEALED;
	engine_end(engine, incident, outcome, reason, words);
}
