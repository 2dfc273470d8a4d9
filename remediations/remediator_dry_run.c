/*
 * A person asks what the API server would say to an action that waits:
 *
 *   asked -> noted    remediator_begin_dry_run()    the command is made, the note on its way
 *   noted -> sent     remediator_ask_server()       by the cluster's actuator, with dryRun=All
 *   sent -> answered  remediator_server_answered()  what it said is noted, too
 *
 * Limits: DRY_RUNS_MAX at a time.
 */
#include "remediations/remediator_state.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

#define DRY_RUNS_MAX 8

static unsigned count_of(const struct control *list)
{
	unsigned count = 0;

	for (; list; list = list->next)
		count += list->kind == CONTROL_DRY_RUN;
	return count;
}

/* The id of the action behind that of the command stays the control's. */
static void forget(struct control *control)
{
	mem_free(control->command);
	control->command = NULL;
}

static void answer(struct remediator *remediator, struct control *control, enum status status)
{
	forget(control);
	remediator_answer(remediator, control, status);
}

enum status remediator_begin_dry_run(struct remediator *remediator, struct control *control,
	int64_t now_ms)
{
	char *payload;
	enum status status;

	if (!remediator->real.vtable)
		return error_set(&control->error, STATUS_CONFLICT,
			"no cluster is configured that could be asked");
	if (count_of(remediator->words) + count_of(remediator->dry_runs) >= DRY_RUNS_MAX)
		return error_set(&control->error, STATUS_BUSY,
			"the API server is being asked about %d actions already", DRY_RUNS_MAX);
	control->command = mem_zalloc(1, sizeof(*control->command));
	if (!control->command)
		return error_set(&control->error, STATUS_NO_MEMORY, "no memory for a command");
	status = engine_dry_run(remediator->engine, control->id, control->person, control->command,
		&payload, now_ms, &control->error);
	mem_free(payload);
	if (status) {
		forget(control);
		return status;
	}
	control->ticket = engine_note_dry_run(remediator->engine, control->command,
		control->identity, NULL, now_ms);
	if (control->ticket)
		return STATUS_OK;
	forget(control);
	return error_set(&control->error, STATUS_UNAVAILABLE,
		"the journal could not note down that it is asked: it was not");
}

void remediator_ask_server(struct remediator *remediator, struct control *control)
{
	char *payload;
	enum status status;

	/* Its plan may be another one by now. */
	status = engine_dry_run(remediator->engine, control->id, control->person, control->command,
		&payload, clock_now_ms(remediator->clock), &control->error);
	if (!status) {
		status = remediator->real.vtable->send(remediator->real.self, control->command);
		if (status)
			error_set(&control->error, status, "the API server cannot be asked now");
	}
	mem_free(payload);
	if (status) {
		answer(remediator, control, status);
		return;
	}
	control->command->payload = NULL;
	control->next = remediator->dry_runs;
	remediator->dry_runs = control;
}

/* Who said no, by the words that API servers use. */
static const char *refuser(const struct error *error)
{
	static const struct {
		const char *words, *name;
	} known[] = {
		{"exceeded quota", "quota"},
		{"admission webhook", "webhook"},
		{"ValidatingAdmissionPolicy", "policy"},
		{" cannot ", "permission"},
		{"disruption budget", "budget"},
	};

	if (error->code == STATUS_FORBIDDEN) {
		for (size_t i = 0; i < ARRAY_COUNT(known); i++)
			if (strstr(error->text, known[i].words))
				return known[i].name;
		return "admission";
	}
	if (strstr(error->text, "admission webhook"))
		return "webhook";
	if (strstr(error->text, "ValidatingAdmissionPolicy"))
		return "policy";
	return error->code == STATUS_CONFLICT ? "conflict" : "validation";
}

/* The server's own word is a refusal; that nobody could be reached is none. */
static bool is_refused(const struct command_result *result)
{
	enum status code = result->error.code;

	return result->outcome == COMMAND_FAILED && code != STATUS_UNAVAILABLE &&
		code != STATUS_TIMEOUT && code != STATUS_IO && code != STATUS_NO_MEMORY &&
		code != STATUS_BUSY;
}

static void write_answer(struct buf *json, const struct control *control,
	const struct command_result *result)
{
	bool admitted = result->outcome == COMMAND_DONE, refused = is_refused(result);
	const char *message = result->error.text;
	char words[256];

	command_describe(control->command, words, sizeof(words));
	buf_add_text(json, "{\"id\":");
	buf_add_json_string(json, control->id, strlen(control->id));
	buf_add_text(json, ",\"change\":");
	buf_add_json_string(json, words, strlen(words));
	buf_printf(json, ",\"admitted\":%s,\"refused_by\":",
		admitted          ? "true"
			: refused ? "false"
				  : "null");
	if (refused)
		buf_printf(json, "\"%s\"", refuser(&result->error));
	else
		buf_add_text(json, "null");
	buf_add_text(json, ",\"message\":");
	if (admitted)
		buf_add_text(json, "null");
	else
		buf_add_json_string(json, message, strlen(message));
	buf_add_char(json, '}');
}

bool remediator_server_answered(struct remediator *remediator, const struct command_result *result,
	int64_t now_ms)
{
	struct control **at = &remediator->dry_runs, *control;
	struct buf json;

	while (*at && strcmp((*at)->command->action_id, result->action_id) != 0)
		at = &(*at)->next;
	if (!*at)
		return false;
	if (result->outcome == COMMAND_UNDER_WAY)
		return true;
	control = *at;
	*at = control->next;
	buf_init(&json, 4096);
	write_answer(&json, control, result);
	if (!buf_ok(&json) ||
		!engine_note_dry_run(remediator->engine, control->command, control->identity,
			json.data, now_ms))
		LOG_WARN("the answer of a dry run was not noted down",
			LOG_TEXT("action", control->id));
	if (buf_ok(&json))
		buf_add(control->json, json.data, json.size);
	LOG_INFO("the API server was asked about an action", LOG_TEXT("action", control->id),
		LOG_TEXT("by", control->identity),
		LOG_BOOL("admitted", result->outcome == COMMAND_DONE),
		LOG_TEXT("message", result->error.text));
	answer(remediator, control,
		buf_ok(&json) ? STATUS_OK
			      : error_set(&control->error, STATUS_NO_MEMORY, "out of memory"));
	buf_fini(&json);
	return true;
}

void remediator_end_dry_runs(struct remediator *remediator)
{
	struct control *control;

	while ((control = remediator->dry_runs) != NULL) {
		remediator->dry_runs = control->next;
		error_set(&control->error, STATUS_UNAVAILABLE, "the service is ending");
		answer(remediator, control, STATUS_UNAVAILABLE);
	}
}
