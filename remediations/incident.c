/*
 * The life of incidents and actions in memory, and the words of their states.
 */
#include "remediations/incident.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

static const char *const state_names[ACTION_STATE_COUNT] = {
#define X(state, name) [state] = name,
	ACTION_STATE_TABLE(X)
#undef X
};

static const char *const outcome_names[OUTCOME_COUNT] = {
#define X(outcome, name) [outcome] = name,
	OUTCOME_TABLE(X)
#undef X
};

const char *action_state_name(enum action_state state)
{
	CHECK((unsigned)state < ACTION_STATE_COUNT);
	return state_names[state];
}

bool action_state_parse(const char *name, enum action_state *state)
{
	for (unsigned i = 0; i < ACTION_STATE_COUNT; i++) {
		if (!strcmp(name, state_names[i])) {
			*state = (enum action_state)i;
			return true;
		}
	}
	return false;
}

const char *outcome_name(enum outcome outcome)
{
	CHECK((unsigned)outcome < OUTCOME_COUNT);
	return outcome_names[outcome];
}

struct incident *incident_open(const struct event *event)
{
	struct incident *incident = mem_zalloc(1, sizeof(*incident));

	if (!incident)
		return NULL;
	event_init(&incident->event);
	if (event_clone(&incident->event, event)) {
		mem_free(incident);
		return NULL;
	}
	incident->open = true;
	incident->firing = incident->first_firing = event->firing;
	incident->starts_ms = event->starts_ms;
	return incident;
}

void incident_close(struct incident *incident)
{
	if (!incident)
		return;
	for (size_t i = 0; i < incident->action_count; i++)
		mem_free(incident->actions[i]);
	while (incident->companions) {
		struct companion *next = incident->companions->next;

		mem_free(incident->companions);
		incident->companions = next;
	}
	mem_free(incident->observation);
	event_fini(&incident->event);
	mem_free(incident);
}

struct companion *incident_add_companion(struct incident *incident)
{
	struct companion **at = &incident->companions, *companion;

	if (incident->companion_count == COMPANIONS_MAX)
		return NULL;
	companion = mem_zalloc(1, sizeof(*companion));
	if (!companion)
		return NULL;
	while (*at)
		at = &(*at)->next;
	*at = companion;
	companion->incident = incident;
	incident->companion_count++;
	return companion;
}

bool incident_fires(const struct incident *incident)
{
	const struct companion *companion = incident->companions;

	while (companion && companion->ended_ms)
		companion = companion->next;
	return incident->first_firing || companion;
}

void companions_write(const struct incident *incident, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (const struct companion *at = incident->companions; at; at = at->next) {
		/* Cut between two of them. */
		if (used + strlen(at->name) + strlen(at->text) + sizeof(", () and more") > size) {
			snprintf(text + used, size - used, "%s", used ? " and more" : "");
			return;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s%s", used ? ", " : "",
			at->name, *at->text ? " (" : "", at->text, *at->text ? ")" : "");
	}
	if (incident->unlisted && used + sizeof(" and more") <= size)
		snprintf(text + used, size - used, " and more");
}

struct action *incident_action(const struct incident *incident)
{
	return incident->action_count ? incident->actions[incident->action_count - 1] : NULL;
}

struct action *incident_find_action(const struct incident *incident, const char *id)
{
	for (size_t i = 0; i < incident->action_count; i++)
		if (!strcmp(incident->actions[i]->id, id))
			return incident->actions[i];
	return NULL;
}

struct action *incident_add_action(struct incident *incident)
{
	struct action *action;
	unsigned number = 1;

	if (incident->action_count == ACTIONS_MAX)
		return NULL;
	action = mem_zalloc(1, sizeof(*action));
	if (!action)
		return NULL;
	if (incident->action_count)
		number = incident->actions[incident->action_count - 1]->number + 1;
	action->effect = (struct effect){.before = NAN,
		.after = NAN,
		.forecast = {FORECAST_NONE, NAN, NAN, NAN}};
	action->number = number;
	action->step = incident->step;
	/* The incident's id begins with "i-"; its actions' ids share the rest. */
	snprintf(action->id, sizeof(action->id), "a-%s-%u", incident->id + 2, number);
	incident->actions[incident->action_count++] = action;
	return action;
}

void approvals_write(const struct action *action, bool roles, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned i = 0; i < action->approval_count && used < size; i++) {
		const struct approval *approval = &action->approvals[i];
		const char *role = roles ? approval->role : "";

		used += (size_t)snprintf(text + used, size - used, "%s%s%s%s%s", i ? ", " : "",
			approval->by, *role ? " (" : "", role, *role ? ")" : "");
	}
}

const char *incident_state_name(const struct incident *incident)
{
	const struct action *action = incident_action(incident);

	if (!incident->open && incident->outcome == OUTCOME_HANDED_OVER)
		return action_state_name(STATE_HANDED_OVER);
	if (!incident->open && incident->outcome == OUTCOME_ROLLED_BACK)
		return action_state_name(STATE_ROLLED_BACK);
	if (action)
		return action_state_name(action->state);
	return action_state_name(*incident->target_refusal.reason ? STATE_BLOCKED : STATE_PROPOSED);
}
