/*
 * Events that join an incident instead of opening one of their own, so that one trouble is one plan and
 * one ticket.
 *
 * An event joins when an incident about the same object is there and
 *   - open, of the same playbook, whose steps say the same for this event as for the incident's first
 *     one: the second pod of a workload that is short of memory asks for the same raise; or
 *   - open or handed over with a ticket, and both are findings of one group (struct event), and the
 *     event belongs to the same playbook or would only become a ticket. Nothing that would change the
 *     cluster joins another playbook's incident by its event.
 * Findings of one group may be about several workloads on one node: they are one ticket where each would be
 * no more than that; what has a remedy keeps its incident.
 * What two playbooks plan is known only after a look at the target: engine_join_plan() is asked then.
 *
 * An incident fires for as long as one of its events does. Each that joined the plan of its own playbook
 * is remembered as answered (seen.h), as the first is; a symptom that joined another playbook's incident
 * is not, so that it is heard anew when that one ends without a ticket and the trouble goes on.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/engine_state.h"
#include "remediations/ticket.h"

/* ---- the indexes ---- */

/* NULL: what has no target at all is not found by it. */
static struct incident **place_of(const struct engine *engine, const struct target *target)
{
	struct workload_key key = {.kind = target->kind};

	if (target->kind == TARGET_NONE) {
		key = target->workload;
	} else {
		memcpy(key.cluster, target->cluster, sizeof(key.cluster));
		memcpy(key.namespace_name, target->namespace_name, sizeof(key.namespace_name));
		memcpy(key.name, target->name, sizeof(key.name));
	}
	if (key.kind == TARGET_NONE)
		return NULL;
	return &engine->places[workload_key_hash(&key) & (engine->index_size - 1)];
}

/* NULL: it belongs to no group. */
static struct incident **group_of(const struct engine *engine, const struct event *event)
{
	return event->group ? &engine->groups[event->group & (engine->index_size - 1)] : NULL;
}

static struct companion **index_of(const struct engine *engine, uint64_t fingerprint)
{
	return &engine->companions[fingerprint & (engine->index_size - 1)];
}

static void link_companion(struct engine *engine, struct companion *companion)
{
	struct companion **head = index_of(engine, companion->fingerprint);

	companion->next_same = *head;
	*head = companion;
}

void engine_join_link(struct engine *engine, struct incident *incident)
{
	struct incident **place = place_of(engine, &incident->target);
	struct incident **group = group_of(engine, &incident->event);

	incident->next_place = incident->next_group = NULL;
	if (group) {
		incident->next_group = *group;
		*group = incident;
	}
	if (place) {
		incident->next_place = *place;
		*place = incident;
	}
	for (struct companion *at = incident->companions; at; at = at->next) {
		at->incident = incident;
		link_companion(engine, at);
	}
}

void engine_join_unlink(struct engine *engine, struct incident *incident)
{
	struct incident **place = place_of(engine, &incident->target);
	struct incident **group = group_of(engine, &incident->event);

	while (group && *group && *group != incident)
		group = &(*group)->next_group;
	if (group && *group)
		*group = incident->next_group;
	while (place && *place && *place != incident)
		place = &(*place)->next_place;
	if (place && *place)
		*place = incident->next_place;
	for (struct companion *at = incident->companions; at; at = at->next) {
		struct companion **link = index_of(engine, at->fingerprint);

		while (*link && *link != at)
			link = &(*link)->next_same;
		if (*link)
			*link = at->next_same;
	}
}

struct companion *engine_companions(const struct engine *engine, uint64_t fingerprint)
{
	return *index_of(engine, fingerprint);
}

struct companion *engine_find_companion(const struct engine *engine, const struct event *event,
	const struct target *target)
{
	struct companion *at = engine_companions(engine, event->fingerprint);

	for (; at; at = at->next_same)
		if (at->fingerprint == event->fingerprint && at->incident->open &&
			(at->symptom || engine_same_object(&at->incident->target, target)))
			return at;
	return NULL;
}

/* ---- what belongs together ---- */

static bool only_tickets(const struct playbook *playbook)
{
	for (size_t i = 0; i < playbook->step_count; i++)
		if (playbook->steps[i].action != ACTION_TICKET)
			return false;
	return true;
}

static bool fills_alike(const char *template_text, const struct event *a, const struct event *b)
{
	char one[ACTION_TEXT_MAX], other[ACTION_TEXT_MAX];

	if (!template_text)
		return true;
	template_fill(template_text, a, "", "", "", one, sizeof(one));
	template_fill(template_text, b, "", "", "", other, sizeof(other));
	return !strcmp(one, other);
}

/* Where the number is the proposal's, both say the same one. */
static bool proposes_alike(const struct playbook_step *step, const struct event *a,
	const struct event *b)
{
	const char *one = labels_get(&a->annotations, "replicas");
	const char *other = labels_get(&b->annotations, "replicas");

	for (unsigned i = 0; i < step->change_count; i++)
		if (step->changes[i].amount.kind == AMOUNT_PROPOSED)
			return one && other && !strcmp(one, other);
	return true;
}

/* Whether each step says the same for both events. What is sent to a machine may name labels in ways
 * that only its own class knows: such steps are never taken for the same. */
static bool steps_alike(const struct playbook *playbook, const struct event *a,
	const struct event *b)
{
	for (size_t i = 0; i < playbook->step_count; i++) {
		const struct playbook_step *step = &playbook->steps[i];

		if (step->payload || !proposes_alike(step, a, b))
			return false;
		if (step->action != ACTION_TICKET)
			continue;
		if (!step->title && strcmp(event_name(a), event_name(b)) != 0)
			return false;
		if (!fills_alike(step->title, a, b) || !fills_alike(step->text, a, b))
			return false;
	}
	return true;
}

/* Of what is no target it is the workload that counts. */
static bool same_place(const struct target *a, const struct target *b)
{
	struct ledger_entry one = {.object = 0}, other = {.object = 0};

	if (a->kind == TARGET_NONE && b->kind == TARGET_NONE && a->workload.kind == TARGET_NONE)
		return false;
	ledger_key(&one, a);
	ledger_key(&other, b);
	return one.owner == other.owner;
}

static bool has_ticket(const struct incident *incident)
{
	for (size_t i = 0; i < incident->action_count; i++)
		if (incident->actions[i]->plan.kind == ACTION_TICKET &&
			incident->actions[i]->done_ms)
			return true;
	return false;
}

static bool answers(const struct incident *incident, const struct event *event,
	const struct playbook *playbook, const struct target *target)
{
	const struct action *action = incident_action(incident);
	bool same_playbook = !strcmp(incident->playbook, playbook->name);
	bool grouped = event->group && event->group == incident->event.group &&
		(same_playbook || only_tickets(playbook)) && same_place(&incident->target, target);

	if (*incident->target_refusal.reason)
		return false;
	if (!incident->open)
		return grouped && only_tickets(playbook) && has_ticket(incident);
	/* What a person takes back is about that change alone. */
	if (action && *action->undo_of)
		return false;
	return grouped ||
		(same_playbook && target->kind != TARGET_NONE &&
			engine_same_object(&incident->target, target) &&
			steps_alike(playbook, &incident->event, event));
}

/* The ticket of other workloads, of one group with the event; an open one before one that is over. */
static struct incident *find_in_group(const struct engine *engine, const struct event *event,
	const struct playbook *playbook)
{
	struct incident **group = group_of(engine, event);
	struct incident *incident = group ? *group : NULL, *ended = NULL;

	for (; incident && only_tickets(playbook); incident = incident->next_group) {
		const struct playbook *its =
			playbooks_find(engine->config.playbooks, incident->playbook);

		if (incident->event.group != event->group || !its || !only_tickets(its) ||
			*incident->target_refusal.reason)
			continue;
		if (incident->open)
			return incident;
		if (has_ticket(incident))
			ended = incident;
	}
	return ended;
}

struct incident *engine_find_alike(const struct engine *engine, const struct event *event,
	const struct playbook *playbook, const struct target *target)
{
	struct incident **place = place_of(engine, target);
	struct incident *incident = place ? *place : NULL, *ended = NULL;

	for (; incident; incident = incident->next_place) {
		if (!answers(incident, event, playbook, target))
			continue;
		if (incident->open)
			return incident;
		ended = incident;
	}
	return ended ? ended : find_in_group(engine, event, playbook);
}

/* ---- joining ---- */

static bool same_workload(const struct event *a, const struct event *b)
{
	struct workload_key one, other;

	return !workload_key_from_labels(&one, &a->labels, NULL) &&
		!workload_key_from_labels(&other, &b->labels, NULL) &&
		workload_key_equal(&one, &other);
}

/* A finding by its sentence; an alert by the labels that the first one has otherwise. */
static void tell_apart(const struct incident *incident, const struct event *event, char *text,
	size_t size)
{
	const char *summary = labels_get(&event->annotations, "summary");
	size_t used = 0;

	*text = '\0';
	if (event->source == EVENT_FINDING && summary) {
		used = (size_t)snprintf(text, size, "%s", summary);
		if (event->node && !same_workload(event, &incident->event) && used < size)
			snprintf(text + used, size - used, "; its pods are all on node %s, too",
				event->node);
		return;
	}
	for (uint32_t i = 0; i < event->labels.count && used < size; i++) {
		const struct label *label = &event->labels.pairs[i];
		const char *first = labels_get(&incident->event.labels, label->name);

		if (!strcmp(label->name, "alertname") || (first && !strcmp(first, label->value)))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s %s", used ? ", " : "",
			label->name, label->value);
	}
}

static void tell_joined(struct engine *engine, struct incident *incident,
	const struct companion *companion, const char *name)
{
	char words[SENTENCE_MAX];

	snprintf(words, sizeof(words),
		"%s%s%s%s joined: what is done about this incident answers it.", name,
		companion && *companion->text ? " (" : "", companion ? companion->text : "",
		companion && *companion->text ? ")" : "");
	engine_tell(engine, incident, incident_action(incident), NEWS_JOINED,
		incident_state_name(incident), words);
}

/* Its last action is shown with what joined. */
static void show_anew(const struct incident *incident)
{
	struct action *action = incident_action(incident);

	if (action)
		action->settled = false;
}

/* One too many is answered all the same, and *added is NULL. false: there is no memory for it, and
 * nothing changed. */
static bool add(struct engine *engine, struct incident *incident, const struct event *event,
	struct companion **added)
{
	bool full = incident->companion_count == COMPANIONS_MAX;
	struct companion *companion = full ? NULL : incident_add_companion(incident);
	char text[4 * COMPANION_TEXT_MAX];

	*added = companion;
	if (!companion && !full)
		return false;
	show_anew(incident);
	incident->joined++;
	incident->firing = incident->firing || event->firing;
	incident->updated_ms = engine->now_ms;
	if (!companion) {
		incident->unlisted++;
		engine_tell(engine, incident, incident_action(incident), NEWS_UNLISTED,
			incident_state_name(incident),
			"More events joined than are remembered one by one.");
		return true;
	}
	companion->fingerprint = event->fingerprint;
	companion->starts_ms = event->starts_ms;
	companion->joined_ms = engine->now_ms;
	tell_apart(incident, event, text, sizeof(text));
	ticket_text_copy(companion->name, sizeof(companion->name), event_name(event));
	ticket_text_copy(companion->text, sizeof(companion->text), text);
	link_companion(engine, companion);
	return true;
}

bool engine_join(struct engine *engine, struct incident *incident, const struct event *event,
	const char *playbook)
{
	bool symptom = strcmp(incident->playbook, playbook) != 0;
	struct companion *at = engine_companions(engine, event->fingerprint);

	/* It has ended, and the event goes on. */
	for (; at; at = at->next_same)
		if (at->fingerprint == event->fingerprint && at->incident == incident)
			return true;
	if (!add(engine, incident, event, &at))
		return false;
	if (at)
		at->symptom = symptom;
	if (!symptom)
		seen_put(&engine->seen, engine_event_key(event, playbook, &incident->target),
			engine->now_ms);
	tell_joined(engine, incident, at, event_name(event));
	engine_record(engine, incident, NULL);
	return true;
}

void engine_join_again(struct engine *engine, struct companion *companion,
	const struct event *event)
{
	struct incident *incident = companion->incident;

	if (event->starts_ms < companion->starts_ms ||
		(!companion->ended_ms && event->starts_ms == companion->starts_ms))
		return;
	companion->starts_ms = event->starts_ms;
	companion->ended_ms = 0;
	incident->firing = true;
	incident->joined++;
	incident->updated_ms = engine->now_ms;
	tell_joined(engine, incident, companion, companion->name);
	engine_record(engine, incident, NULL);
}

/* ---- plans ---- */

static bool same_plan(const struct action *a, const struct action *b)
{
	return a->dry_run == b->dry_run && engine_same_object(&a->target, &b->target) &&
		a->plan.hash == b->plan.hash;
}

/* Whether the other's action is at least as far as this one is. */
static bool is_ahead(const struct incident *other, const struct action *own,
	enum decision_verdict verdict)
{
	const struct action *action = incident_action(other);

	if (!other->open || !action || action->ended || *action->undo_of || action->hand_over ||
		!same_plan(action, own))
		return false;
	return action_live(action) ||
		(verdict != DECISION_CLEARED && action->state == STATE_AWAITING_APPROVAL);
}

bool engine_join_plan(struct engine *engine, struct incident *incident)
{
	struct action *action = incident_action(incident);
	struct incident **place = place_of(engine, &incident->target);
	struct incident *other = place ? *place : NULL;
	struct companion *one = NULL;
	char words[2 * SENTENCE_MAX];

	/* What has no value to change, such as a ticket, says too little of what it is. */
	if (*action->undo_of || action->hand_over || action->approval_count ||
		*action->plan.refusal.reason || !action->plan.changes.count)
		return false;
	while (other && (other == incident || !is_ahead(other, action, engine->decision.verdict)))
		other = other->next_place;
	if (!other)
		return false;
	if (incident->first_firing && !add(engine, other, &incident->event, &one))
		return false;
	if (one)
		tell_joined(engine, other, one, one->name);
	for (struct companion *at = incident->companions; at; at = at->next) {
		struct companion *moved = at->ended_ms ? NULL : incident_add_companion(other);

		if (!moved)
			continue;
		show_anew(other);
		other->joined++;
		moved->symptom = at->symptom;
		memcpy(moved->name, at->name, sizeof(moved->name));
		memcpy(moved->text, at->text, sizeof(moved->text));
		moved->fingerprint = at->fingerprint;
		moved->starts_ms = at->starts_ms;
		moved->joined_ms = engine->now_ms;
		link_companion(engine, moved);
		tell_joined(engine, other, moved, moved->name);
	}
	engine_record(engine, other, NULL);
	snprintf(words, sizeof(words),
		"%s plans the same change (%s) by playbook %s: this event joined it.", other->id,
		action->plan.words, other->playbook);
	engine_end(engine, incident, OUTCOME_RESOLVED, "joined", words);
	return true;
}
