/*
 * The findings that the journal's incidents have, for who gives findings their groups: told while the
 * remediator opens, when no thread of it runs yet.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "remediations/remediator_state.h"

struct found {
	const struct incident **list; /* [room]; NULL: they are only counted */
	size_t count, room;
};

static bool note_found(void *argument, const struct incident *incident)
{
	struct found *found = argument;

	if (incident->event.source != EVENT_FINDING || !incident->event.group)
		return true;
	if (found->list && found->count < found->room)
		found->list[found->count] = incident;
	found->count++;
	return true;
}

static int compare_found(const void *a, const void *b)
{
	const struct incident *one = *(const struct incident *const *)a;
	const struct incident *other = *(const struct incident *const *)b;

	return (one->opened_ms > other->opened_ms) - (one->opened_ms < other->opened_ms);
}

/* Those that joined are of the same workload, and what tells them apart is their fingerprint. */
static void tell_known(const struct remediator_config *config, const struct incident *incident)
{
	struct event event = incident->event;

	event.starts_ms = incident->starts_ms;
	config->known_finding(config->known_argument, &event);
	for (const struct companion *at = incident->companions; at; at = at->next) {
		event.fingerprint = at->fingerprint;
		event.starts_ms = at->starts_ms;
		config->known_finding(config->known_argument, &event);
	}
}

/* Without memory for it they are not known, and a symptom may become a ticket of its own. */
void remediator_tell_known(const struct remediator *remediator,
	const struct remediator_config *config)
{
	struct found found = {.list = NULL};

	if (!config->known_finding)
		return;
	engine_visit(remediator->engine, note_found, &found);
	found.room = found.count;
	found.count = 0;
	found.list = mem_alloc(found.room * sizeof(*found.list));
	if (!found.list)
		return;
	engine_visit(remediator->engine, note_found, &found);
	qsort(found.list, found.count, sizeof(*found.list), compare_found);
	for (size_t i = 0; i < found.count; i++)
		tell_known(config, found.list[i]);
	mem_free(found.list);
}
