/*
 * Looks that begin before their event is in the journal. Nothing is decided or done on the word of an event
 * that is not there, but reading changes nothing: while the journal syncs, the API server answers.
 *
 *   engine_look_ahead() -> asked -> (claimed) -> observed -> decided
 *                             |
 *                             +-> observed -> claimed -> decided
 *
 * A look is claimed by the incident that the event opens, when it asks for the same: the same object, what is
 * to be told of it, and a kind of action whose looks are all alike. What nobody claimed within AHEAD_MS is too
 * old, and one that failed is made anew.
 */
#include <string.h>

#include "base/mem.h"
#include "remediations/engine_state.h"

#define AHEAD_MS 1000

static void forget(struct look_ahead *look)
{
	mem_free(look->observation);
	*look = (struct look_ahead){.ticket = 0};
}

void engine_ahead_forget(struct engine *engine)
{
	for (size_t i = 0; i < AHEAD_MAX; i++)
		forget(&engine->ahead[i]);
}

/* A free place. One whose incident no longer waits for it is free, too. NULL: there is none. */
static struct look_ahead *find_place(struct engine *engine)
{
	for (size_t i = 0; i < AHEAD_MAX; i++) {
		struct look_ahead *look = &engine->ahead[i];
		int64_t keep_ms = *look->incident ? engine->config.times.observe : AHEAD_MS;

		if (look->ticket && engine->now_ms - look->asked_ms > keep_ms)
			forget(look);
		if (!look->ticket)
			return look;
	}
	return NULL;
}

bool engine_looks_ahead(const struct engine *engine)
{
	return !engine->standby && !engine->draining &&
		!engine_premature(engine, &engine->config.limits);
}

void engine_look_ahead(struct engine *engine, const struct event *event, int64_t now_ms)
{
	struct purpose purpose = {.kind = ACTION_TICKET};
	struct playbook *playbook;
	struct look_ahead *look;
	struct target target;

	engine->now_ms = now_ms;
	look = engine_looks_ahead(engine) ? find_place(engine) : NULL;
	playbook = look ? engine_would_open(engine, event, &target) : NULL;
	if (!playbook || !playbook->step_count || engine_premature(engine, &playbook->guard))
		return;
	purpose.kind = playbook->steps[0].action;
	purpose.options = playbook->steps[0].options;
	if (purpose.kind == ACTION_TICKET || action_kind_looks_for_itself(purpose.kind))
		return;
	target.looks = engine_looks_of(purpose.kind, &playbook->guard);
	*look = (struct look_ahead){.ticket = ++engine->ticket_last << SLOT_BITS | AHEAD_SLOT,
		.asked_ms = now_ms,
		.target = target,
		.kind = purpose.kind};
	if (engine->ports.observe(engine->ports.self, look->ticket, &target, &purpose))
		forget(look);
}

static bool fits(const struct engine *engine, const struct look_ahead *look,
	const struct incident *incident, unsigned looks)
{
	const struct action *action = incident_action(incident);
	int64_t age_ms = engine->now_ms - look->asked_ms;

	return look->ticket && !*look->incident && age_ms >= 0 && age_ms <= AHEAD_MS &&
		look->kind == action->plan.kind && look->target.looks == looks &&
		engine_same_object(&look->target, &incident->target);
}

bool engine_ahead_claim(struct engine *engine, struct incident *incident)
{
	const struct playbook *playbook = engine_playbook(engine, incident);
	const struct action *action = incident_action(incident);

	if (!playbook || engine_premature(engine, &playbook->guard))
		return false;
	for (size_t i = 0; i < AHEAD_MAX; i++) {
		struct look_ahead *look = &engine->ahead[i];

		if (!fits(engine, look, incident,
			    engine_looks_of(action->plan.kind, &playbook->guard)))
			continue;
		memcpy(look->incident, incident->id, sizeof(look->incident));
		incident->observe_asked = true;
		incident->observe_ticket = look->ticket;
		engine_wait(engine, incident, WAIT_OBSERVATION,
			engine->now_ms + engine->config.times.observe);
		return true;
	}
	return false;
}

void engine_ahead_take(struct engine *engine, struct incident *incident)
{
	for (size_t i = 0; i < AHEAD_MAX; i++) {
		struct look_ahead *look = &engine->ahead[i];
		struct observation *observation = look->observation;

		if (!observation || !incident->observe_asked ||
			look->ticket != incident->observe_ticket)
			continue;
		look->observation = NULL;
		forget(look);
		engine_take_look(engine, incident, observation);
		mem_free(observation);
		return;
	}
}

struct incident *engine_ahead_observed(struct engine *engine, uint64_t ticket,
	const struct observation *observation)
{
	for (size_t i = 0; i < AHEAD_MAX; i++) {
		struct look_ahead *look = &engine->ahead[i];
		struct incident *incident;

		if (look->ticket != ticket)
			continue;
		incident = *look->incident ? engine_find(engine, look->incident) : NULL;
		if (!*look->incident && !observation->error.code)
			look->observation = mem_alloc(sizeof(*observation));
		if (look->observation)
			*look->observation = *observation;
		else
			forget(look);
		return incident;
	}
	return NULL;
}
