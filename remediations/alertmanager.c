/*
 * Creating is not idempotent: who asks twice has two silences. So each try begins with a look for the key
 * in the comments of our own silences, of those that cover the first matcher; and a try whose answer was
 * lost is followed by one more look.
 */
#include "remediations/alertmanager.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/kube_object.h"
#include "remediations/ticket_http.h"

#define URL_SIZE 4096
#define TRIES 4
#define GAP_FIRST_MS 500

struct visit {
	const struct alertmanager_config *config;
	const struct web_calling *calling;
	struct ticket_http *http;
	char authorization[4096];
	char key[128];
	struct ticket_answer answer;
};

void silence_write_matchers(struct buf *json, const struct matchers *matchers)
{
	buf_add_char(json, '[');
	for (size_t i = 0; i < matchers->count; i++) {
		const struct matcher *matcher = &matchers->list[i];
		enum matcher_type type = matcher->type;

		buf_add_text(json, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_add_json_string(json, matcher->name, strlen(matcher->name));
		buf_add_text(json, ",\"value\":");
		buf_add_json_string(json, matcher->value, strlen(matcher->value));
		buf_printf(json, ",\"isRegex\":%s,\"isEqual\":%s}",
			type == MATCHER_REGEX || type == MATCHER_NOT_REGEX ? "true" : "false",
			type == MATCHER_EQUAL || type == MATCHER_REGEX ? "true" : "false");
	}
	buf_add_char(json, ']');
}

/* "a-<incident>-<number>": the incident is what all its actions share. */
void silence_key(const struct command *command, char *key, size_t size)
{
	const char *id = command->action_id, *end = strrchr(id, '-');

	if (strncmp(id, "a-", 2) == 0 && end != NULL && end > id + 1)
		snprintf(key, size, "i-%.*s/%016llx", (int)(end - id - 2), id + 2,
			(unsigned long long)command->options.content);
	else
		snprintf(key, size, "%s/%016llx", id, (unsigned long long)command->options.content);
}

/* ---- calls ---- */

static enum status call(struct visit *visit, const char *method, const char *path, const char *body,
	struct error *error)
{
	const char *base = visit->config->url;
	size_t size = strlen(base);
	char url[URL_SIZE];
	struct ticket_call request = {.method = method,
		.fresh = strcmp(method, "POST") == 0,
		.url = url,
		.headers = {*visit->authorization != '\0' ? visit->authorization : NULL, NULL},
		.body = body,
		.body_size = body != NULL ? strlen(body) : 0};

	while (size > 0 && base[size - 1] == '/')
		size--;
	if (snprintf(url, sizeof(url), "%.*s/api/v2%s", (int)size, base, path) >= (int)sizeof(url))
		return error_set(error, STATUS_LIMIT, "the Alertmanager's URL is too long");
	return ticket_http_call(visit->http, &request, &visit->answer, error);
}

/* What an answer that is no 2xx means. */
static enum status refuse(const struct visit *visit, struct error *error)
{
	int code = visit->answer.code;

	return error_set(error,
		code >= 500 || code == 429 ? STATUS_UNAVAILABLE
			: code == 404      ? STATUS_NOT_FOUND
					   : STATUS_BAD_INPUT,
		"the Alertmanager answered %d: %.200s", code, visit->answer.body);
}

static bool is_ours(const json_t *silence, const char *key)
{
	const char *creator = json_string_value(json_object_get(silence, "createdBy"));
	const char *comment = json_string_value(json_object_get(silence, "comment"));
	const char *state = json_string_value(kube_get(silence, "status", "state", NULL));
	size_t size = strlen(key);

	return creator != NULL && comment != NULL && state != NULL &&
		strcmp(creator, SILENCE_CREATOR) == 0 && strcmp(state, "expired") != 0 &&
		*comment == '[' && strncmp(comment + 1, key, size) == 0 && comment[size + 1] == ']';
}

/* The id of the silence with the key, "" when there is none. */
static enum status find(struct visit *visit, char id[SILENCE_ID_MAX], struct error *error)
{
	enum status status = call(visit, "GET", "/silences", NULL, error);
	json_t *list, *silence;
	size_t i;

	*id = '\0';
	if (status != STATUS_OK)
		return status;
	if (visit->answer.code != 200)
		return refuse(visit, error);
	list = json_loadb(visit->answer.body, visit->answer.size, 0, NULL);
	if (!json_is_array(list))
		status = error_set(error, STATUS_IO, "the Alertmanager's list of silences is none");
	json_array_foreach(list, i, silence)
	{
		const char *own = json_string_value(json_object_get(silence, "id"));

		if (own != NULL && is_ours(silence, visit->key) && strlen(own) < SILENCE_ID_MAX)
			snprintf(id, SILENCE_ID_MAX, "%s", own);
	}
	json_decref(list);
	return status;
}

static void write_silence(struct buf *body, const struct visit *visit,
	const struct command *command, const json_t *payload)
{
	int64_t now_ms = clock_now_ms(visit->calling->clock);
	const char *text = json_string_value(json_object_get(payload, "comment"));
	char *matchers = kube_dump(json_object_get(payload, "matchers"), 32u << 10);
	char begins[32], ends[32], comment[ACTION_TEXT_MAX + 160];

	format_rfc3339(now_ms, begins, sizeof(begins));
	format_rfc3339(now_ms + command->options.time_ms, ends, sizeof(ends));
	snprintf(comment, sizeof(comment), "[%s] %s", visit->key, text != NULL ? text : "");
	buf_printf(body, "{\"matchers\":%s,\"startsAt\":\"%s\",\"endsAt\":\"%s\",\"createdBy\":\"",
		matchers != NULL ? matchers : "null", begins, ends);
	buf_add_text(body, SILENCE_CREATOR "\",\"comment\":");
	buf_add_json_string(body, comment, strlen(comment));
	buf_add_char(body, '}');
	mem_free(matchers);
}

static enum status create(struct visit *visit, const struct command *command,
	char id[SILENCE_ID_MAX], struct error *error)
{
	json_t *payload = json_loads(command->payload != NULL ? command->payload : "", 0, NULL);
	const char *own;
	json_t *answer;
	struct buf body;
	enum status status;

	buf_init(&body, 64u << 10);
	if (json_array_size(json_object_get(payload, "matchers")) == 0)
		status = error_set(error, STATUS_BAD_INPUT, "the command has no matchers");
	else {
		write_silence(&body, visit, command, payload);
		status = buf_ok(&body) ? call(visit, "POST", "/silences", body.data, error)
				       : error_set(error, STATUS_NO_MEMORY, "no memory");
	}
	buf_fini(&body);
	json_decref(payload);
	if (status != STATUS_OK)
		return status;
	if (visit->answer.code != 200)
		return refuse(visit, error);
	answer = json_loadb(visit->answer.body, visit->answer.size, 0, NULL);
	own = json_string_value(json_object_get(answer, "silenceID"));
	snprintf(id, SILENCE_ID_MAX, "%s", own != NULL ? own : "");
	json_decref(answer);
	return STATUS_OK;
}

/* ---- a command ---- */

static enum status look_and_change(struct visit *visit, const struct command *command, bool silence,
	char id[SILENCE_ID_MAX], bool *already, struct error *error)
{
	char path[SILENCE_ID_MAX + 16];
	enum status status = find(visit, id, error);

	*already = status == STATUS_OK && (*id != '\0') == silence;
	if (status != STATUS_OK || *already)
		return status;
	if (silence)
		return create(visit, command, id, error);
	snprintf(path, sizeof(path), "/silence/%s", id);
	status = call(visit, "DELETE", path, NULL, error);
	if (status == STATUS_OK && visit->answer.code != 200 && visit->answer.code != 404)
		status = refuse(visit, error);
	return status;
}

static enum status write_basic(struct visit *visit, const char *secret, struct error *error)
{
	enum status status = STATUS_OK;
	struct buf plain, text;

	buf_init(&plain, 2048);
	buf_init(&text, 3072);
	buf_printf(&plain, "%s:%s", visit->config->user, secret);
	if (buf_ok(&plain))
		base64_encode(plain.data, plain.size, &text);
	if (buf_ok(&plain) && buf_ok(&text))
		snprintf(visit->authorization, sizeof(visit->authorization),
			"Authorization: Basic %s", text.data);
	else
		status = error_set(error, STATUS_LIMIT,
			"the Alertmanager's credentials are too long");
	if (plain.data != NULL)
		explicit_bzero(plain.data, plain.size);
	if (text.data != NULL)
		explicit_bzero(text.data, text.size);
	buf_fini(&plain);
	buf_fini(&text);
	return status;
}

static enum status authorize(struct visit *visit, struct error *error)
{
	char *secret = NULL;
	enum status status;

	if (visit->config->token_file == NULL)
		return STATUS_OK;
	status = file_read_secret(visit->config->token_file, &secret, error);
	if (status != STATUS_OK)
		return status;
	if (visit->config->user == NULL)
		snprintf(visit->authorization, sizeof(visit->authorization),
			"Authorization: Bearer %s", secret);
	else
		status = write_basic(visit, secret, error);
	explicit_bzero(secret, strlen(secret));
	mem_free(secret);
	return status;
}

static void tell(const struct command *command, const struct web_calling *calling, bool silence,
	const char *id, bool already, struct command_result *result)
{
	size_t used = strlen(result->detail);
	char until[32];

	format_rfc3339(clock_now_ms(calling->clock) + command->options.time_ms, until,
		sizeof(until));
	if (already)
		snprintf(result->detail + used, sizeof(result->detail) - used, " (already so%s%s)",
			*id != '\0' ? ": " : "", id);
	else if (silence)
		snprintf(result->detail + used, sizeof(result->detail) - used, ": %s until %s", id,
			until);
	else
		snprintf(result->detail + used, sizeof(result->detail) - used, ": %s", id);
}

void silence_call(const struct alertmanager_config *config, const struct web_calling *calling,
	const struct command *command, struct command_result *result)
{
	bool silence = changes_after(&command->changes, CHANGE_SILENCED, 1) != 0, already = false;
	struct visit visit = {.config = config, .calling = calling};
	enum status status = authorize(&visit, &result->error);
	int64_t gap_ms = GAP_FIRST_MS;
	char id[SILENCE_ID_MAX] = "";
	bool sent = false;

	silence_key(command, visit.key, sizeof(visit.key));
	result->outcome = COMMAND_FAILED;
	if (status == STATUS_OK)
		visit.http = ticket_http_open(config->ca_file, calling->stop);
	if (visit.http != NULL)
		ticket_http_fence(visit.http, calling->fence);
	for (int i = 0; i < TRIES && visit.http != NULL; i++, gap_ms *= 3) {
		status = look_and_change(&visit, command, silence, id, &already, &result->error);
		sent = status != STATUS_OK && visit.answer.sent;
		if ((status != STATUS_UNAVAILABLE && status != STATUS_TIMEOUT &&
			    status != STATUS_IO) ||
			i + 1 == TRIES || send_fence_left_ns(calling->fence) <= 0 ||
			!web_pause(calling, gap_ms))
			break;
	}
	if (status == STATUS_OK && visit.http == NULL)
		status = error_set(&result->error, STATUS_NO_MEMORY, "no memory for the call");
	ticket_http_close(visit.http);
	explicit_bzero(visit.authorization, sizeof(visit.authorization));
	if (status == STATUS_OK) {
		error_reset(&result->error);
		result->outcome = COMMAND_DONE;
		tell(command, calling, silence, id, already, result);
	} else if (sent && status != STATUS_BAD_INPUT) {
		result->outcome = COMMAND_UNKNOWN;
	}
}
