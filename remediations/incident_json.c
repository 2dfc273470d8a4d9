/*
 * Incidents and actions as JSON, for the journal and the API alike. Tables of fields say what is
 * written and read back; behind them stand fields for readers that follow from the others (target
 * and state in words), which are not read back.
 *
 * Times are RFC 3339 with milliseconds; what is not there yet or not known is null.
 *
 * incident: {"id":"i-..","open":true,..,"target":{..},"event":{..},"state":"watched","actions":[ids]}
 * action:   {"id":"a-..","incident":"i-..","state":"done",..,"plan":{..},"target":{..}}
 */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/incident.h"
#include "remediations/json_fields.h"

#define JSON_DEPTH_MAX 16

static const char *action_kind_word(int value)
{
	return value < ACTION_KIND_COUNT ? action_kind_name((enum action_kind)value) : NULL;
}

static const char *state_word(int value)
{
	return value < ACTION_STATE_COUNT ? action_state_name((enum action_state)value) : NULL;
}

static const char *outcome_word(int value)
{
	return value < OUTCOME_COUNT ? outcome_name((enum outcome)value) : NULL;
}

static const char *basis_word(int value)
{
	return value < PLAN_BASIS_COUNT ? plan_basis_name((enum plan_basis)value) : NULL;
}

static const struct field target_fields[] = {
	FIELD_NAMED("kind", FIELD_KIND, struct target, kind),
	FIELD(FIELD_TEXT, struct target, cluster),
	FIELD_NAMED("namespace", FIELD_TEXT, struct target, namespace_name),
	FIELD(FIELD_TEXT, struct target, name),
	FIELD(FIELD_TEXT, struct target, container),
	FIELD(FIELD_TEXT, struct target, uid),
	FIELD(FIELD_TEXT, struct target, resource_version),
	FIELD_NAMED("workload_kind", FIELD_KIND, struct target, workload.kind),
	FIELD_NAMED("workload_cluster", FIELD_TEXT, struct target, workload.cluster),
	FIELD_NAMED("workload_namespace", FIELD_TEXT, struct target, workload.namespace_name),
	FIELD_NAMED("workload", FIELD_TEXT, struct target, workload.name),
};

static const struct field plan_fields[] = {
	FIELD_ENUM("action", struct plan, kind, action_kind_word),
	FIELD_ENUM("basis", struct plan, basis, basis_word),
	FIELD_NAMED("refused", FIELD_TEXT, struct plan, refusal.reason),
	FIELD_NAMED("refused_because", FIELD_TEXT, struct plan, refusal.sentence),
	FIELD(FIELD_BOOL, struct plan, shrinks),
	FIELD(FIELD_HASH, struct plan, hash),
	FIELD(FIELD_TEXT, struct plan, words),
	FIELD(FIELD_TEXT, struct plan, title),
	FIELD(FIELD_TEXT, struct plan, text),
};

/* Where another object than the target is written. */
static const struct field object_fields[] = {
	FIELD_NAMED("kind", FIELD_KIND, struct object_ref, kind),
	FIELD(FIELD_TEXT, struct object_ref, name),
	FIELD(FIELD_TEXT, struct object_ref, uid),
	FIELD(FIELD_TEXT, struct object_ref, resource_version),
};

static const char *in_place_text(int value)
{
	return value < IN_PLACE_COUNT ? in_place_word((enum in_place)value) : NULL;
}

static const struct field option_fields[] = {
	FIELD_NAMED("by_eviction", FIELD_BOOL, struct action_options, evict),
	FIELD_NAMED("delete_local_data", FIELD_BOOL, struct action_options, local_data),
	FIELD_NAMED("delete_unowned", FIELD_BOOL, struct action_options, unowned),
	FIELD_NAMED("cordoned_by_others", FIELD_BOOL, struct action_options, foreign),
	FIELD_ENUM("in_place", struct action_options, in_place, in_place_text),
	FIELD(FIELD_BOOL, struct action_options, by_resize),
	FIELD(FIELD_BOOL, struct action_options, resize_failed),
	FIELD_NAMED("time_ms", FIELD_AMOUNT, struct action_options, time_ms),
	FIELD(FIELD_HASH, struct action_options, content),
	FIELD_NAMED("floor_hold_ms", FIELD_AMOUNT, struct action_options, floor_hold_ms),
	FIELD_NAMED("floor_until", FIELD_TIME, struct action_options, floor_until_ms),
	FIELD_NAMED("floor_before", FIELD_AMOUNT, struct action_options, floor_before),
	FIELD(FIELD_BOOL, struct action_options, floor_end),
};

static const struct field action_fields[] = {
	FIELD(FIELD_TEXT, struct action, id),
	FIELD(FIELD_TEXT, struct action, undo_of),
	FIELD(FIELD_UNSIGNED, struct action, number),
	FIELD(FIELD_UNSIGNED, struct action, step),
	FIELD(FIELD_BOOL, struct action, hand_over),
	FIELD(FIELD_BOOL, struct action, rollback),
	FIELD(FIELD_BOOL, struct action, expiry),
	FIELD(FIELD_BOOL, struct action, ended),
	FIELD(FIELD_BOOL, struct action, dry_run),
	FIELD_ENUM("state", struct action, state, state_word),
	FIELD(FIELD_TEXT, struct action, reason),
	FIELD(FIELD_TEXT, struct action, sentence),
	FIELD_NAMED("proposed_at", FIELD_TIME, struct action, proposed_ms),
	FIELD_NAMED("written_at", FIELD_TIME, struct action, written_ms),
	FIELD_NAMED("sent_at", FIELD_TIME, struct action, sent_ms),
	FIELD_NAMED("done_at", FIELD_TIME, struct action, done_ms),
	FIELD_NAMED("ended_at", FIELD_TIME, struct action, ended_ms),
	FIELD(FIELD_TEXT, struct action, asked_by),
	FIELD_NAMED("expires_at", FIELD_TIME, struct action, expires_ms),
	FIELD(FIELD_HASH, struct action, approval_hash),
	FIELD(FIELD_HASH, struct action, state_hash),
	FIELD(FIELD_UNSIGNED, struct action, approvals_needed),
	FIELD_NAMED("approval_void", FIELD_TEXT, struct action, void_reason),
	FIELD_NAMED("approval_void_because", FIELD_TEXT, struct action, void_sentence),
	FIELD(FIELD_TEXT, struct action, approved_by),
	FIELD(FIELD_HASH, struct action, approved_hash),
};

static const struct field approval_fields[] = {
	FIELD(FIELD_TEXT, struct approval, by),
	FIELD(FIELD_TEXT, struct approval, role),
	FIELD_NAMED("given_at", FIELD_TIME, struct approval, given_ms),
	FIELD_NAMED("until", FIELD_TIME, struct approval, until_ms),
	FIELD(FIELD_HASH, struct approval, plan_hash),
	FIELD(FIELD_HASH, struct approval, state_hash),
};

static const char *forecast_word(int value)
{
	return value < FORECAST_METHOD_COUNT ? forecast_method_name((enum forecast_method)value)
					     : NULL;
}

static const struct field effect_fields[] = {
	FIELD(FIELD_DOUBLE, struct effect, before),
	FIELD(FIELD_DOUBLE, struct effect, after),
	FIELD_ENUM("forecast_by", struct effect, forecast.method, forecast_word),
	FIELD_NAMED("forecast", FIELD_DOUBLE, struct effect, forecast.value),
	FIELD_NAMED("forecast_low", FIELD_DOUBLE, struct effect, forecast.low),
	FIELD_NAMED("forecast_high", FIELD_DOUBLE, struct effect, forecast.high),
	FIELD(FIELD_UNSIGNED, struct effect, peers),
	FIELD(FIELD_UNSIGNED, struct effect, peers_recovered),
	FIELD(FIELD_TEXT, struct effect, reverted_by),
};

static const struct field incident_fields[] = {
	FIELD(FIELD_TEXT, struct incident, id),
	FIELD(FIELD_BOOL, struct incident, open),
	FIELD_ENUM("outcome", struct incident, outcome, outcome_word),
	FIELD(FIELD_TEXT, struct incident, reason),
	FIELD(FIELD_TEXT, struct incident, sentence),
	FIELD(FIELD_TEXT, struct incident, playbook),
	FIELD_NAMED("target_refused", FIELD_TEXT, struct incident, target_refusal.reason),
	FIELD_NAMED("target_refused_because", FIELD_TEXT, struct incident, target_refusal.sentence),
	FIELD(FIELD_BOOL, struct incident, firing),
	FIELD(FIELD_BOOL, struct incident, first_firing),
	FIELD_NAMED("starts_at", FIELD_TIME, struct incident, starts_ms),
	FIELD_NAMED("opened_at", FIELD_TIME, struct incident, opened_ms),
	FIELD_NAMED("updated_at", FIELD_TIME, struct incident, updated_ms),
	FIELD_NAMED("ended_at", FIELD_TIME, struct incident, ended_ms),
	FIELD(FIELD_UNSIGNED, struct incident, joined),
	FIELD(FIELD_UNSIGNED, struct incident, unlisted),
	FIELD(FIELD_UNSIGNED, struct incident, step),
	FIELD(FIELD_UNSIGNED, struct incident, tries),
	FIELD(FIELD_BOOL, struct incident, handing_over),
};

static const struct field companion_fields[] = {
	FIELD(FIELD_TEXT, struct companion, name),
	FIELD(FIELD_TEXT, struct companion, text),
	FIELD(FIELD_HASH, struct companion, fingerprint),
	FIELD_NAMED("starts_at", FIELD_TIME, struct companion, starts_ms),
	FIELD_NAMED("joined_at", FIELD_TIME, struct companion, joined_ms),
	FIELD_NAMED("ended_at", FIELD_TIME, struct companion, ended_ms),
	FIELD(FIELD_BOOL, struct companion, symptom),
};

static void write_companions(struct buf *json, const struct incident *incident)
{
	buf_add_text(json, ",\"companions\":[");
	for (const struct companion *at = incident->companions; at; at = at->next) {
		buf_add_text(json, at == incident->companions ? "{" : ",{");
		fields_write(json, companion_fields, ARRAY_COUNT(companion_fields), at);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}

/* Older records have none. */
static enum status read_companions(const struct json_span *object, struct incident *incident,
	struct error *error)
{
	struct json_span list, value;
	struct json_walk walk;

	if (!fields_find(object, "companions", &list))
		return STATUS_OK;
	json_walk_init(&walk, &list);
	while (json_walk_next(&walk, NULL, &value)) {
		struct companion *companion = incident_add_companion(incident);

		if (!companion)
			return incident->companion_count == COMPANIONS_MAX
				? error_set(error, STATUS_BAD_INPUT, "companions: more than %d",
					  COMPANIONS_MAX)
				: error_set(error, STATUS_NO_MEMORY, "no memory for an incident");
		if (fields_read(&value, companion_fields, ARRAY_COUNT(companion_fields), companion,
			    error))
			return error_prefix(error, "companions");
	}
	return STATUS_OK;
}

static void write_target(struct buf *json, const struct target *target)
{
	char text[TARGET_TEXT_MAX];

	buf_add_text(json, ",\"target\":{");
	fields_write(json, target_fields, ARRAY_COUNT(target_fields), target);
	target_write(target, text, sizeof(text));
	buf_add_text(json, ",\"text\":");
	if (target->kind == TARGET_NONE)
		buf_add_text(json, "null");
	else
		buf_add_json_string(json, text, strlen(text));
	buf_add_char(json, '}');
}

static void write_approvals(struct buf *json, const struct action *action)
{
	buf_add_text(json, ",\"approvals\":[");
	for (unsigned i = 0; i < action->approval_count; i++) {
		buf_add_text(json, i ? ",{" : "{");
		fields_write(json, approval_fields, ARRAY_COUNT(approval_fields),
			&action->approvals[i]);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}

/* Older records have none. */
static enum status read_approvals(const struct json_span *object, struct action *action,
	struct error *error)
{
	struct json_span list, value;
	struct json_walk walk;

	if (!fields_find(object, "approvals", &list))
		return STATUS_OK;
	json_walk_init(&walk, &list);
	while (json_walk_next(&walk, NULL, &value)) {
		if (action->approval_count == APPROVALS_MAX)
			return error_set(error, STATUS_BAD_INPUT, "approvals: more than %d",
				APPROVALS_MAX);
		if (fields_read(&value, approval_fields, ARRAY_COUNT(approval_fields),
			    &action->approvals[action->approval_count], error))
			return error_prefix(error, "approvals");
		action->approval_count++;
	}
	return STATUS_OK;
}

static void write_pods(struct buf *json, const struct resize_pods *pods)
{
	for (unsigned i = 0; i < pods->count; i++) {
		buf_add_text(json, i ? "," : ",\"pods\":[");
		buf_add_json_string(json, pods->uids[i], strlen(pods->uids[i]));
	}
	if (pods->count)
		buf_add_char(json, ']');
}

static enum status read_pods(const struct json_span *list, struct resize_pods *pods,
	struct error *error)
{
	struct json_span value;
	struct json_walk walk;

	json_walk_init(&walk, list);
	while (json_walk_next(&walk, NULL, &value)) {
		char text[RESIZE_UID_MAX];
		size_t size;

		if (value.kind != SPAN_STRING || pods->count == RESIZE_PODS_MAX ||
			value.size > sizeof(text) || json_span_decode(&value, text, &size, error))
			return error_set(error, STATUS_BAD_INPUT,
				"pods: not a list of at most %d uids", RESIZE_PODS_MAX);
		memcpy(pods->uids[pods->count], text, size);
		pods->uids[pods->count++][size] = '\0';
	}
	return STATUS_OK;
}

void action_write_json(struct buf *json, const struct action *action,
	const struct incident *incident)
{
	buf_add_char(json, '{');
	fields_write(json, action_fields, ARRAY_COUNT(action_fields), action);
	write_approvals(json, action);
	buf_add_text(json, ",\"effect\":{");
	fields_write(json, effect_fields, ARRAY_COUNT(effect_fields), &action->effect);
	buf_add_char(json, '}');
	buf_printf(json, ",\"incident\":\"%s\",\"playbook\":\"%s\",\"kind\":\"%s\",\"plan\":{",
		incident->id, incident->playbook, action_kind_name(action->plan.kind));
	fields_write(json, plan_fields, ARRAY_COUNT(plan_fields), &action->plan);
	buf_add_text(json, ",\"changes\":");
	changes_write_json(json, &action->plan.changes);
	if (action->plan.object.kind != TARGET_NONE) {
		buf_add_text(json, ",\"object\":{");
		fields_write(json, object_fields, ARRAY_COUNT(object_fields), &action->plan.object);
		buf_add_char(json, '}');
	}
	write_pods(json, &action->plan.pods);
	if (action_options_any(&action->plan.options)) {
		buf_add_text(json, ",\"options\":{");
		fields_write(json, option_fields, ARRAY_COUNT(option_fields),
			&action->plan.options);
		buf_add_char(json, '}');
	}
	buf_add_char(json, '}');
	if (incident->companions) {
		char joined[8 * COMPANION_TEXT_MAX];

		companions_write(incident, joined, sizeof(joined) - 1);
		buf_add_text(json, ",\"joined\":");
		buf_add_json_string(json, joined, strlen(joined));
	}
	write_target(json, &action->target);
	buf_add_char(json, '}');
}

void incident_write_json(struct buf *json, const struct incident *incident)
{
	const char *name = event_name(&incident->event);

	buf_add_char(json, '{');
	fields_write(json, incident_fields, ARRAY_COUNT(incident_fields), incident);
	buf_printf(json, ",\"state\":\"%s\",\"name\":", incident_state_name(incident));
	buf_add_json_string(json, name, strlen(name));
	write_target(json, &incident->target);
	buf_add_text(json, ",\"actions\":[");
	for (size_t i = 0; i < incident->action_count; i++)
		buf_printf(json, "%s\"%s\"", i ? "," : "", incident->actions[i]->id);
	buf_add_char(json, ']');
	write_companions(json, incident);
	buf_add_text(json, ",\"event\":");
	event_write_json(json, &incident->event);
	buf_add_char(json, '}');
}

static enum status read_target(const struct json_span *object, struct target *target,
	struct error *error)
{
	struct json_span value;

	if (!fields_find(object, "target", &value))
		return error_set(error, STATUS_BAD_INPUT, "target is absent");
	if (fields_read(&value, target_fields, ARRAY_COUNT(target_fields), target, error))
		return error_prefix(error, "target");
	return STATUS_OK;
}

static enum status read_plan(const struct json_span *object, struct plan *plan, struct error *error)
{
	struct json_span value;

	if (fields_read(object, plan_fields, ARRAY_COUNT(plan_fields), plan, error))
		return error->code;
	if (fields_find(object, "object", &value) &&
		fields_read(&value, object_fields, ARRAY_COUNT(object_fields), &plan->object,
			error))
		return error_prefix(error, "object");
	if (fields_find(object, "options", &value) &&
		fields_read(&value, option_fields, ARRAY_COUNT(option_fields), &plan->options,
			error))
		return error_prefix(error, "options");
	if (fields_find(object, "pods", &value) && read_pods(&value, &plan->pods, error))
		return error->code;
	if (fields_find(object, "changes", &value))
		return changes_read_json(&value, &plan->changes, error);
	return changes_read_older(object, &plan->changes, error);
}

enum status action_read_json(struct action *action, const char *text, size_t size,
	struct error *error)
{
	struct json_span root, plan, effect;
	enum status status = json_span_init(&root, text, size, JSON_DEPTH_MAX, error);

	memset(action, 0, sizeof(*action));
	action->effect = (struct effect){.before = NAN,
		.after = NAN,
		.forecast = {FORECAST_NONE, NAN, NAN, NAN}};
	if (!status)
		status = fields_read(&root, action_fields, ARRAY_COUNT(action_fields), action,
			error);
	if (status)
		return status;
	if (!fields_find(&root, "plan", &plan))
		return error_set(error, STATUS_BAD_INPUT, "plan is absent");
	if (read_plan(&plan, &action->plan, error))
		return error_prefix(error, "plan");
	if (!*action->id)
		return error_set(error, STATUS_BAD_INPUT, "id is absent");
	if (fields_find(&root, "effect", &effect) &&
		fields_read(&effect, effect_fields, ARRAY_COUNT(effect_fields), &action->effect,
			error))
		return error_prefix(error, "effect");
	status = read_approvals(&root, action, error);
	if (status)
		return status;
	return read_target(&root, &action->target, error);
}

enum status incident_read_json(struct incident **incident, const char *text, size_t size,
	struct error *error)
{
	struct json_span root, value;
	struct event event;
	struct incident *read;
	enum status status = json_span_init(&root, text, size, JSON_DEPTH_MAX, error);

	*incident = NULL;
	if (status)
		return status;
	if (!fields_find(&root, "event", &value))
		return error_set(error, STATUS_BAD_INPUT, "event is absent");
	event_init(&event);
	status = event_read_json(&event, value.text, value.size, error);
	if (status)
		return status;
	read = incident_open(&event);
	event_fini(&event);
	if (!read)
		return error_set(error, STATUS_NO_MEMORY, "no memory for an incident");
	status = fields_read(&root, incident_fields, ARRAY_COUNT(incident_fields), read, error);
	/* In records from before events joined, the first one is the only one. */
	if (!status && !fields_find(&root, "first_firing", &value))
		read->first_firing = read->firing;
	if (!status)
		status = read_companions(&root, read, error);
	if (!status)
		status = read_target(&root, &read->target, error);
	if (!status && (strncmp(read->id, "i-", 2) != 0 || !read->id[2]))
		status = error_set(error, STATUS_BAD_INPUT, "id is absent");
	if (status)
		incident_close(read);
	else
		*incident = read;
	return status;
}
