/*
 * What came, held against what a check expects. Each difference is a line with its place; behind the
 * first one of a check stands what the service had to say: the incident, its actions, and the gates
 * that refused, in their own sentences.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_span.h"
#include "base/parse.h"
#include "daemon/case_world.h"

void world_fail(struct world *world, const struct yaml_node *node, int64_t at_ms)
{
	char time[32];

	format_duration(at_ms, time, sizeof(time));
	buf_printf(&world->result->text, "%s:%d:%d: FAIL %s, at %s: ", world->file->path,
		node->line, node->column, world->test->name, time);
	world->result->failures++;
}

/* ---- finding the incident ---- */

struct finding_incident {
	const char *alert;
	const struct yaml_node *labels;
	const struct incident *newest;
	size_t count;
};

static bool has_labels(const struct incident *incident, const struct yaml_node *map)
{
	for (size_t i = 0; map != NULL && i < map->child_count; i++) {
		const struct yaml_node *wanted = map->children[i];
		const char *value = labels_get(&incident->event.labels, wanted->key);

		if (value == NULL || wanted->kind != YAML_SCALAR ||
			strcmp(value, wanted->text) != 0)
			return false;
	}
	return true;
}

static bool visit_incident(void *argument, const struct incident *incident)
{
	struct finding_incident *at = argument;

	if ((at->alert != NULL && strcmp(event_name(&incident->event), at->alert) != 0) ||
		!has_labels(incident, at->labels))
		return true;
	at->count++;
	if (at->newest == NULL || incident->opened_ms > at->newest->opened_ms ||
		(incident->opened_ms == at->newest->opened_ms &&
			strcmp(incident->id, at->newest->id) > 0))
		at->newest = incident;
	return true;
}

const struct incident *world_incident(struct world *world, const char *alert,
	const struct yaml_node *labels, size_t *count)
{
	struct finding_incident at = {.alert = alert, .labels = labels};

	engine_visit(world->sandbox.engine, visit_incident, &at);
	*count = at.count;
	return at.newest;
}

/* The newest action of the kind that is asked for; else the newest that is not the ticket at the
 * end. */
static const struct action *choose_action(const struct incident *incident, const char *kind)
{
	const struct action *last = NULL;

	for (size_t i = incident->action_count; i > 0; i--) {
		const struct action *action = incident->actions[i - 1];

		if (kind != NULL) {
			if (strcmp(action_kind_name(action->plan.kind), kind) == 0)
				return action;
		} else if (!action->hand_over) {
			return action;
		}
		if (last == NULL)
			last = action;
	}
	return kind == NULL ? last : NULL;
}

/* ---- what the service has to say ---- */

/* The decision record of the action, NULL when there is none. */
static const struct record *decision_of(const struct world *world, const struct action *action)
{
	char part[ACTION_ID_MAX + 16];

	if (action == NULL)
		return NULL;
	snprintf(part, sizeof(part), "\"action\":\"%s\"", action->id);
	for (size_t i = world->record_count; i > 0; i--) {
		const struct record *record = &world->records[i - 1];

		if (record->kind == RECORD_DECISION && strstr(record->body, part) != NULL)
			return record;
	}
	return NULL;
}

/* The gates of a decision as an array with their sentences (json_decref); NULL: none, or memory is
 * out. */
static json_t *gates_of(const struct world *world, const struct action *action)
{
	const struct record *record = decision_of(world, action);
	struct json_span body, key, value;
	struct json_walk walk;
	struct error error;
	struct buf told;
	json_t *gates = NULL;

	if (record == NULL ||
		json_span_init(&body, record->body, strlen(record->body), JSON_SPAN_DEPTH_MAX,
			&error) != STATUS_OK)
		return NULL;
	buf_init(&told, 1 << 20);
	json_walk_init(&walk, &body);
	while (json_walk_next(&walk, &key, &value))
		if (json_span_is(&key, "gates"))
			gates_write_told(&told, &value);
	if (buf_ok(&told) && told.size > 0)
		gates = json_loadb(told.data, told.size, 0, NULL);
	buf_fini(&told);
	return gates;
}

static const char *gate_text(const json_t *gate, const char *name)
{
	const char *text = json_string_value(json_object_get(gate, name));

	return text != NULL ? text : "";
}

/* The reason code of a gate that refuses: its own, where it is more exact than the gate's name. */
static const char *gate_reason(const json_t *gate)
{
	const char *reason = gate_text(gate, "reason");

	return reason[0] != '\0' ? reason : gate_text(gate, "gate");
}

static void tell_gates(const struct checking *at)
{
	json_t *gates = gates_of(at->world, at->action), *gate;
	size_t i;

	json_array_foreach(gates, i, gate) if (json_is_true(json_object_get(gate, "refuses")))
		buf_printf(&at->world->result->text, "    refused by %s: %s\n", gate_reason(gate),
			gate_text(gate, "text"));
	json_decref(gates);
}

static void tell_action(struct buf *text, const struct action *action)
{
	char target[TARGET_TEXT_MAX];

	target_write(&action->target, target, sizeof(target));
	buf_printf(text, "    action %u: %s%s %s%s%s, %s%s%s: %s\n", action->number,
		action->dry_run ? "dry run of " : "", action_kind_name(action->plan.kind),
		action->target.kind != TARGET_NONE ? target : "",
		action->plan.words[0] != '\0' ? ", " : "", action->plan.words,
		action_state_name(action->state), action->reason[0] != '\0' ? " " : "",
		action->reason, action->sentence);
}

static void tell_incident(const struct checking *at)
{
	const struct incident *incident = at->incident;
	struct buf *text = &at->world->result->text;

	buf_printf(text, "    incident of %s: playbook %s, %s%s\n", event_name(&incident->event),
		incident->playbook, incident->open ? "open" : "ended, ",
		incident->open ? "" : outcome_name(incident->outcome));
	if (incident->target_refusal.reason[0] != '\0')
		buf_printf(text, "    %s: %s\n", incident->target_refusal.reason,
			incident->target_refusal.sentence);
	for (size_t i = 0; i < incident->action_count; i++)
		tell_action(text, incident->actions[i]);
	tell_gates(at);
}

/* What follows it is told once a check. */
void checking_differ(struct checking *at, const char *key, const char *expected, const char *came)
{
	const struct yaml_node *node = yaml_get(at->check->node, key);

	world_fail(at->world, node != NULL ? node : at->check->node, at->check->at_ms);
	buf_printf(&at->world->result->text, "expected %s %s, got %s\n", key, expected,
		came[0] != '\0' ? came : "none");
	at->failed = true;
}

static void expect_text(struct checking *at, const char *key, const char *expected,
	const char *came)
{
	if (expected != NULL && strcmp(expected, came) != 0)
		checking_differ(at, key, expected, came);
}

/* A check may leave the container out. */
static void expect_target(struct checking *at)
{
	const struct action *action = at->action;
	const struct target *target = action != NULL && action->target.kind != TARGET_NONE
		? &action->target
		: &at->incident->target;
	char whole[TARGET_TEXT_MAX] = "", bare[TARGET_TEXT_MAX] = "";
	struct target without = *target;

	if (at->check->target == NULL)
		return;
	without.container[0] = '\0';
	if (target->kind != TARGET_NONE) {
		target_write(target, whole, sizeof(whole));
		target_write(&without, bare, sizeof(bare));
	}
	if (strcmp(at->check->target, bare) != 0)
		expect_text(at, "target", at->check->target, whole);
}

/* ---- refusals ---- */

static bool refused_for(const json_t *gates, const char *reason)
{
	const json_t *gate;
	size_t i;

	json_array_foreach(gates, i, gate) if (json_is_true(json_object_get(gate, "refuses")) &&
		(strcmp(gate_reason(gate), reason) == 0 ||
			strcmp(gate_text(gate, "gate"), reason) == 0)) return true;
	return false;
}

static void expect_refusals(struct checking *at)
{
	json_t *gates = at->check->refused_count > 0 ? gates_of(at->world, at->action) : NULL;
	char came[512] = "";
	const json_t *gate;
	size_t i;

	json_array_foreach(gates, i, gate) if (json_is_true(json_object_get(gate, "refuses")))
		snprintf(came + strlen(came), sizeof(came) - strlen(came), "%s%s",
			came[0] != '\0' ? ", " : "", gate_reason(gate));
	for (i = 0; i < at->check->refused_count; i++) {
		const struct yaml_node *node = at->check->refused_nodes[i];

		if (refused_for(gates, at->check->refused[i]))
			continue;
		world_fail(at->world, node, at->check->at_ms);
		buf_printf(&at->world->result->text, "expected a refusal by %s, got %s\n",
			at->check->refused[i], came[0] != '\0' ? came : "none");
		at->failed = true;
	}
	json_decref(gates);
}

/* ---- a check ---- */

static void expect_nothing(struct checking *at)
{
	if (at->incident == NULL)
		return;
	world_fail(at->world, at->check->node, at->check->at_ms);
	buf_printf(&at->world->result->text, "expected nothing, got an incident\n");
	tell_incident(at);
}

static void expect_all(struct checking *at)
{
	const struct case_check *check = at->check;
	const struct incident *incident = at->incident;
	char joined[1024];

	at->action = choose_action(incident, check->action);
	expect_text(at, "playbook", check->playbook, incident->playbook);
	if (check->action != NULL && at->action == NULL) {
		const struct action *last = incident_action(incident);

		checking_differ(at, "action", check->action,
			last != NULL ? action_kind_name(last->plan.kind) : "");
		at->action = choose_action(incident, NULL);
	}
	expect_target(at);
	checking_plan(at);
	expect_text(at, "state", check->state,
		at->action != NULL ? action_state_name(at->action->state) : "");
	expect_refusals(at);
	expect_text(at, "outcome", check->outcome, outcome_name(incident->outcome));
	companions_write(incident, joined, sizeof(joined));
	expect_text(at, "joined", check->joined, joined);
	expect_text(at, "reason", check->reason,
		incident->open && at->action != NULL ? at->action->reason : incident->reason);
	if (at->failed)
		tell_incident(at);
}

void world_check(struct world *world, const struct case_check *check)
{
	struct checking at = {.world = world, .check = check};
	size_t count;

	at.incident = world_incident(world, check->alert, check->labels, &count);
	if (at.incident != NULL)
		at.action = choose_action(at.incident, NULL);
	if (check->nothing) {
		expect_nothing(&at);
	} else if (at.incident == NULL) {
		world_fail(world, check->node, check->at_ms);
		buf_printf(&world->result->text,
			"expected an incident%s%s, got none: nothing came, or no playbook answers it\n",
			check->alert != NULL ? " of " : "",
			check->alert != NULL ? check->alert : "");
	} else if (count > 1 && check->alert == NULL && check->labels == NULL) {
		world_fail(world, check->node, check->at_ms);
		buf_printf(&world->result->text,
			"%zu incidents fit: say by `alert` or `labels` which one is meant\n",
			count);
	} else {
		expect_all(&at);
	}
}
