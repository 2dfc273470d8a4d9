/*
 * What is collected of a replay. A row is an action; it is found again by its id, and its verdict is
 * that of the newest news of it, but once it would have been done it stays so: what is watched
 * afterwards is what happened without it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "daemon/replay.h"

#define TABLE_FIRST 256

const char *replay_verdict_name(enum replay_verdict verdict)
{
	static const char *const names[] = {
#define X(verdict, name) name,
		REPLAY_VERDICT_TABLE(X)
#undef X
	};

	return names[verdict];
}

void replay_plans_init(struct replay_plans *plans)
{
	*plans = (struct replay_plans){0};
}

void replay_plans_fini(struct replay_plans *plans)
{
	mem_free(plans->plans);
	mem_free(plans->incidents);
	mem_free(plans->table);
	*plans = (struct replay_plans){0};
}

/* ---- rows by id ---- */

static const char *id_of(const struct replay_plans *plans, uint32_t entry)
{
	size_t index = (entry - 1) / 2;

	return (entry - 1) % 2 ? plans->incidents[index].id : plans->plans[index].id;
}

static size_t place_of(const struct replay_plans *plans, const char *id)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	size_t at;

	for (const char *c = id; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
	at = (size_t)(hash ^ hash >> 32) & (plans->table_size - 1);
	while (plans->table[at] != 0 && strcmp(id_of(plans, plans->table[at]), id) != 0)
		at = (at + 1) & (plans->table_size - 1);
	return at;
}

static bool grow_table(struct replay_plans *plans)
{
	size_t size = plans->table_size > 0 ? plans->table_size * 2 : TABLE_FIRST;
	uint32_t *old = plans->table;
	size_t old_size = plans->table_size;

	if (plans->table_used * 2 < plans->table_size)
		return true;
	plans->table = mem_zalloc(size, sizeof(*plans->table));
	if (plans->table == NULL) {
		plans->table = old;
		return false;
	}
	plans->table_size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i] != 0)
			plans->table[place_of(plans, id_of(plans, old[i]))] = old[i];
	mem_free(old);
	return true;
}

static struct replay_plan *find_plan(struct replay_plans *plans, const char *id)
{
	size_t at = plans->table_size > 0 ? place_of(plans, id) : 0;

	return plans->table_size > 0 && plans->table[at] != 0
		? &plans->plans[(plans->table[at] - 1) / 2]
		: NULL;
}

static struct replay_incident *find_incident(struct replay_plans *plans, const char *id)
{
	size_t at = plans->table_size > 0 ? place_of(plans, id) : 0;

	return plans->table_size > 0 && plans->table[at] != 0
		? &plans->incidents[(plans->table[at] - 1) / 2]
		: NULL;
}

static struct replay_plan *add_plan(struct replay_plans *plans, const struct action *action,
	const struct incident *incident)
{
	struct replay_plan *plan;

	if (plans->plans == NULL || plans->plan_count == plans->plan_room) {
		size_t room = plans->plan_room > 0 ? plans->plan_room * 2 : 64;

		plan = plans->plan_count < REPLAY_PLANS_MAX
			? mem_resize(plans->plans, room, sizeof(*plan))
			: NULL;
		if (plan == NULL)
			return NULL;
		plans->plans = plan;
		plans->plan_room = room;
	}
	if (!grow_table(plans))
		return NULL;
	plan = &plans->plans[plans->plan_count];
	*plan = (struct replay_plan){.verdict = REPLAY_NONE, .hand_over = action->hand_over};
	snprintf(plan->id, sizeof(plan->id), "%s", action->id);
	snprintf(plan->playbook, sizeof(plan->playbook), "%s", incident->playbook);
	snprintf(plan->event, sizeof(plan->event), "%.127s", event_name(&incident->event));
	plans->table[place_of(plans, plan->id)] = (uint32_t)plans->plan_count++ * 2 + 1;
	plans->table_used++;
	return plan;
}

static struct replay_incident *add_incident(struct replay_plans *plans,
	const struct incident *incident)
{
	struct replay_incident *row;

	if (plans->incident_count == plans->incident_room) {
		size_t room = plans->incident_room > 0 ? plans->incident_room * 2 : 64;

		row = plans->incident_count < REPLAY_PLANS_MAX
			? mem_resize(plans->incidents, room, sizeof(*row))
			: NULL;
		if (row == NULL)
			return NULL;
		plans->incidents = row;
		plans->incident_room = room;
	}
	if (!grow_table(plans))
		return NULL;
	row = &plans->incidents[plans->incident_count];
	*row = (struct replay_incident){.outcome = OUTCOME_NONE};
	snprintf(row->id, sizeof(row->id), "%s", incident->id);
	snprintf(row->playbook, sizeof(row->playbook), "%s", incident->playbook);
	snprintf(row->event, sizeof(row->event), "%.127s", event_name(&incident->event));
	plans->table[place_of(plans, row->id)] = (uint32_t)plans->incident_count++ * 2 + 2;
	plans->table_used++;
	return row;
}

/* ---- news ---- */

static bool was_carried_out(enum action_state state)
{
	return state == STATE_SENT || state == STATE_DONE || state == STATE_WATCHED ||
		state == STATE_CURED || state == STATE_INEFFECTIVE || state == STATE_ROLLED_BACK;
}

/* The verdict that follows from the state, REPLAY_NONE when it says nothing new. */
static enum replay_verdict verdict_of(const struct replay_plan *plan, const struct action *action,
	enum mode mode)
{
	if (plan->verdict == REPLAY_ACT || was_carried_out(action->state))
		return REPLAY_ACT;
	switch (action->state) {
	case STATE_AWAITING_APPROVAL:
		return mode == MODE_SUGGEST ? REPLAY_SUGGEST : REPLAY_APPROVAL;
	case STATE_BLOCKED:
		/* A plan that was shown stays one, however its waiting ended. */
		return plan->verdict == REPLAY_APPROVAL || plan->verdict == REPLAY_SUGGEST
			? plan->verdict
			: REPLAY_REFUSED;
	case STATE_FAILED:
		return REPLAY_FAILED;
	default:
		return plan->verdict;
	}
}

static void take_action(struct replay_plans *plans, const struct news *news, enum mode mode)
{
	const struct action *action = news->action;
	struct replay_plan *plan = find_plan(plans, action->id);
	enum replay_verdict verdict;

	if (plan == NULL)
		plan = add_plan(plans, action, news->incident);
	if (plan == NULL) {
		plans->full = true;
		return;
	}
	verdict = verdict_of(plan, action, mode);
	if (verdict == plan->verdict && verdict != REPLAY_NONE)
		return;
	plan->time_ms = news->time_ms;
	plan->verdict = verdict;
	plan->action = action->plan.kind;
	plan->basis = action->plan.basis;
	plan->target[0] = '\0';
	if (action->target.kind != TARGET_NONE)
		target_write(&action->target, plan->target, sizeof(plan->target));
	snprintf(plan->namespace_name, sizeof(plan->namespace_name), "%s",
		action->target.namespace_name);
	snprintf(plan->words, sizeof(plan->words), "%s", action->plan.words);
	plan->reason[0] = plan->sentence[0] = '\0';
	if (verdict == REPLAY_ACT || verdict == REPLAY_NONE)
		return;
	snprintf(plan->reason, sizeof(plan->reason), "%s", action->reason);
	snprintf(plan->sentence, sizeof(plan->sentence), "%s", action->sentence);
}

void replay_plans_take(struct replay_plans *plans, const struct news *news, enum mode mode)
{
	struct replay_incident *row;

	if (news->kind == NEWS_DECISION && strcmp(news->word, "no_playbook") == 0)
		plans->counts.unanswered++;
	if (news->incident == NULL)
		return;
	row = find_incident(plans, news->incident->id);
	if (row == NULL)
		row = add_incident(plans, news->incident);
	if (row == NULL)
		plans->full = true;
	else
		row->outcome = news->incident->outcome;
	if (news->kind == NEWS_STATE && news->action != NULL)
		take_action(plans, news, mode);
}

void replay_plans_applied(struct replay_plans *plans, const char *action_id)
{
	struct replay_plan *plan = find_plan(plans, action_id);

	if (plan != NULL)
		plan->applied = true;
}

static int by_time(const void *a, const void *b)
{
	const struct replay_plan *x = a, *y = b;

	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? -1 : 1;
	return strcmp(x->id, y->id);
}

void replay_plans_sort(struct replay_plans *plans)
{
	/* The table's numbers are wrong afterwards. */
	mem_free(plans->table);
	plans->table = NULL;
	plans->table_size = plans->table_used = 0;
	if (plans->plan_count > 0)
		qsort(plans->plans, plans->plan_count, sizeof(*plans->plans), by_time);
}
