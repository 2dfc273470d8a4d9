/*
 * What the API server would say to an action that waits: its command is made as it would be sent, with
 * dryRun=All, and the action itself is not touched. That it was asked, by whom, and what was answered stands
 * in the journal as a note.
 *
 * The command has an id of its own, so that its answer can never be taken for the action's.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "remediations/engine_state.h"

#define SUFFIX "-dry"

static enum status check(const struct incident *incident, const struct action *action,
	const struct person *person, struct error *error)
{
	if (!incident->open || action != incident_action(incident) || action->ended ||
		(action->state != STATE_AWAITING_APPROVAL && action->state != STATE_BLOCKED))
		return error_set(error, STATUS_CONFLICT, "action %s does not wait: it is %s",
			action->id, action_state_name(action->state));
	if (action->plan.kind == ACTION_TICKET || action_kind_told_apart(action->plan.kind))
		return error_set(error, STATUS_UNSUPPORTED, "%s is no business of the API server",
			action_kind_name(action->plan.kind));
	if (person->seen && person->seen != action->approval_hash)
		return error_set(error, STATUS_CONFLICT,
			"action %s is another one by now than was shown: look at it again",
			action->id);
	if (*action->plan.refusal.reason)
		return error_set(error, STATUS_CONFLICT, "action %s cannot be carried out: %s",
			action->id, action->plan.refusal.sentence);
	if (action->plan.basis != PLAN_FROM_CLUSTER || !*action->target.uid)
		return error_set(error, STATUS_CONFLICT,
			"action %s was planned without the cluster: there is nothing to ask",
			action->id);
	return STATUS_OK;
}

enum status engine_dry_run(struct engine *engine, const char *action_id,
	const struct person *person, struct command *command, char **payload, int64_t now_ms,
	struct error *error)
{
	struct incident *incident = engine_incident_of_action(engine, action_id);
	struct action *action = incident ? incident_find_action(incident, action_id) : NULL;
	struct refusal refusal = {.reason = ""};
	enum status status;

	*payload = NULL;
	engine->now_ms = now_ms;
	if (!action)
		return error_set(error, STATUS_NOT_FOUND, "there is no action %.64s", action_id);
	status = check(incident, action, person, error);
	if (status)
		return status;
	if (!engine_payload(engine, incident, action, payload, &refusal))
		return error_set(error, STATUS_CONFLICT, "%s", refusal.sentence);
	plan_command(&action->plan, &action->target, command);
	snprintf(command->action_id, sizeof(command->action_id), "%.*s" SUFFIX,
		(int)(sizeof(command->action_id) - sizeof(SUFFIX)), action->id);
	command->deadline_ms = now_ms + engine->config.times.send;
	command->server_dry_run = true;
	command->payload = *payload;
	return STATUS_OK;
}

uint64_t engine_note_dry_run(struct engine *engine, const struct command *command,
	const char *identity, const char *answer, int64_t now_ms)
{
	char key[ACTION_ID_MAX + 16], time[32], words[256];
	struct buf body;

	engine->now_ms = now_ms;
	format_rfc3339(now_ms, time, sizeof(time));
	command_describe(command, words, sizeof(words));
	snprintf(key, sizeof(key), "dry_run/%s", command->action_id);
	buf_init(&body, 8192);
	buf_printf(&body, "{\"id\":\"%s\",\"%s\":\"%s\",\"by\":", command->action_id,
		answer ? "answered_at" : "asked_at", time);
	buf_add_json_string(&body, identity, strlen(identity));
	buf_add_text(&body, ",\"change\":");
	buf_add_json_string(&body, words, strlen(words));
	buf_printf(&body, ",\"answer\":%s}", answer ? answer : "null");
	return engine_note(engine, RECORD_NOTE, key, buf_take(&body, NULL));
}
