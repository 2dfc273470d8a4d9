/*
 * The JSON API's part for people's words: approve, reject, undo, dry-run, lift, pause. A word is passed on to the
 * engine and answered once it is in the journal; the request is suspended until then, so that no thread
 * of the server waits for a disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/api.h"
#include "daemon/routes.h"
#include "daemon/service.h"

static enum status no_remediator(struct error *error)
{
	return error_set(error, STATUS_NOT_FOUND, "remediate is not enabled");
}

/* hash=<16 hex digits>: what the person was shown, as approval_hash of the action told it. */
static enum status read_seen(const struct request *request, uint64_t *seen, struct error *error)
{
	const char *text = request_query(request, "hash");

	*seen = 0;
	if (text == NULL)
		return STATUS_OK;
	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return error_set(error, STATUS_BAD_INPUT,
			"hash \"%.40s\" is not the 16 hex digits of an approval_hash", text);
	*seen = strtoull(text, NULL, 16);
	return STATUS_OK;
}

/* A word that was passed on; its answer comes when it is in the journal. */
struct word_wait {
	struct request *request;
	struct buf json; /* the answer when all is well */
};

static void word_answered(void *argument, enum status status, const struct error *error)
{
	struct word_wait *wait = argument;

	api_reply(wait->request, &wait->json, status, error);
	buf_fini(&wait->json);
	mem_free(wait);
}

/* Answers the request once the word is in the journal, without holding a thread until then. Takes
 * json. */
static void say(struct request *request, struct remediator *remediator, struct person_word *word,
	struct buf *json)
{
	struct word_wait *wait = mem_alloc(sizeof(*wait));
	struct error error;

	if (wait == NULL) {
		api_reply(request, json, error_set(&error, STATUS_NO_MEMORY, "out of memory"),
			&error);
		buf_fini(json);
		return;
	}
	*wait = (struct word_wait){request, *json};
	word->json = &wait->json;
	word->person.identity = request_identity(request);
	if (word->person.identity[0] == '\0')
		word->person.identity = "local";
	word->person.role = access_role_name(request_role(request));
	request_suspend(request);
	remediator_say(remediator, word, word_answered, wait);
}

static enum status read_verb(const char *verb, enum word_kind *kind, struct error *error)
{
	static const char *const verbs[] = {"/approve", "/reject", "/undo", "/dry-run"};
	static const enum word_kind kinds[] = {WORD_APPROVE, WORD_REJECT, WORD_UNDO, WORD_DRY_RUN};

	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
		*kind = kinds[i];
		if (strcmp(verb, verbs[i]) == 0)
			return STATUS_OK;
	}
	return error_set(error, STATUS_NOT_FOUND,
		"\"%.20s\" is none of /approve, /reject, /undo, /dry-run", verb);
}

/* POST /api/v1/actions/<id>/approve|reject|undo|dry-run */
void route_action_change(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	const char *rest = request_rest(request), *slash = strrchr(rest, '/');
	struct person_word word = {.kind = WORD_APPROVE};
	char id[128];
	struct error error;
	struct buf json;
	enum status status;

	error_reset(&error);
	buf_init(&json, 4096);
	if (remediator == NULL || slash == NULL || (size_t)(slash - rest) >= sizeof(id)) {
		status = remediator == NULL
			? no_remediator(&error)
			: error_set(&error, STATUS_NOT_FOUND,
				  "use /api/v1/actions/<id>/approve, /reject, /undo or /dry-run");
	} else {
		snprintf(id, sizeof(id), "%.*s", (int)(slash - rest), rest);
		word.id = id;
		status = read_seen(request, &word.person.seen, &error);
		if (status == STATUS_OK)
			status = read_verb(slash, &word.kind, &error);
	}
	if (status != STATUS_OK) {
		api_reply(request, &json, status, &error);
		buf_fini(&json);
		return;
	}
	/* The answer of a dry run is the server's. */
	if (word.kind != WORD_DRY_RUN) {
		buf_add_text(&json, "{\"id\":");
		buf_add_json_string(&json, id, strlen(id));
		buf_add_char(&json, '}');
	}
	say(request, remediator, &word, &json);
}

/* POST /api/v1/modes/lift?playbook=&namespace=[&cluster=] */
void route_lift(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	const char *cluster = request_query(request, "cluster");
	struct person_word word = {.kind = WORD_LIFT,
		.id = request_query(request, "playbook"),
		.cluster = cluster != NULL ? cluster : "",
		.namespace_name = request_query(request, "namespace")};
	struct error error;
	struct buf json;

	buf_init(&json, 4096);
	if (remediator == NULL || word.id == NULL || word.namespace_name == NULL) {
		enum status status = remediator == NULL
			? no_remediator(&error)
			: error_set(&error, STATUS_BAD_INPUT, "give playbook= and namespace=");

		api_reply(request, &json, status, &error);
		buf_fini(&json);
		return;
	}
	buf_add_text(&json, "{\"playbook\":");
	buf_add_json_string(&json, word.id, strlen(word.id));
	buf_add_text(&json, ",\"demoted\":false}");
	say(request, remediator, &word, &json);
}

/* POST /api/v1/pause?paused=true|false */
void route_pause(struct request *request, void *argument)
{
	struct remediator *remediator = service_remediator(argument);
	const char *text = request_query(request, "paused");
	struct person_word word = {.kind = WORD_PAUSE};
	struct error error;
	struct buf json;
	enum status status = STATUS_OK;
	bool paused = true;

	buf_init(&json, 256);
	if (remediator == NULL)
		status = no_remediator(&error);
	else if (text == NULL || parse_bool(text, &paused) != STATUS_OK)
		status = error_set(&error, STATUS_BAD_INPUT, "give paused=true or paused=false");
	if (status != STATUS_OK) {
		api_reply(request, &json, status, &error);
		buf_fini(&json);
		return;
	}
	word.kind = paused ? WORD_PAUSE : WORD_RESUME;
	buf_printf(&json, "{\"paused\":%s}", paused ? "true" : "false");
	say(request, remediator, &word, &json);
}
