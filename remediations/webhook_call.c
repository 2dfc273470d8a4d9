/*
 * A webhook's receiver is told once. What may have arrived is not told again: only a connection that
 * was never made, and 429, which is a refusal, are tried anew.
 */
#include "remediations/webhook_call.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "remediations/kube_object.h"
#include "remediations/ticket_service.h"
#include "remediations/web_text.h"

#define GAP_FIRST_MS 500
#define GAP_MAX_MS 5000

/* What a call needs, read anew for each command. */
struct letter {
	json_t *payload;
	char *url, *secret;
	const char *body;
};

static const char *member(const struct letter *letter, const char *name)
{
	return json_string_value(json_object_get(letter->payload, name));
}

static void wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	mem_free(secret);
}

static void letter_close(struct letter *letter)
{
	wipe(letter->url);
	wipe(letter->secret);
	json_decref(letter->payload);
}

static enum status letter_open(struct letter *letter, const char *payload, struct error *error)
{
	enum status status = STATUS_OK;

	*letter = (struct letter){.payload = json_loads(payload != NULL ? payload : "", 0, NULL)};
	letter->body = member(letter, "body");
	if (letter->body == NULL || member(letter, "secret_file") == NULL)
		return error_set(error, STATUS_BAD_INPUT, "the command is not whole");
	if (member(letter, "url") != NULL) {
		letter->url = mem_strdup(member(letter, "url"));
		if (letter->url == NULL)
			return error_set(error, STATUS_NO_MEMORY, "no memory for the call");
	} else {
		status = file_read_secret(member(letter, "url_file") != NULL
				? member(letter, "url_file")
				: "",
			&letter->url, error);
	}
	if (status == STATUS_OK && !web_url_good(letter->url))
		status = error_set(error, STATUS_BAD_INPUT,
			"its URL is no https:// one (http:// is for loopback only)");
	if (status == STATUS_OK)
		status = file_read_secret(member(letter, "secret_file"), &letter->secret, error);
	return status;
}

/* One try. STATUS_OK: an answer came. */
static enum status try_once(const struct web_calling *calling, const struct letter *letter,
	struct ticket_http *http, const char *id, struct ticket_answer *answer, struct error *error)
{
	char signatures[TICKET_SIGNATURES_MAX], signature[TICKET_SIGNATURES_MAX + 32];
	char webhook_id[ACTION_ID_MAX + 32], key[ACTION_ID_MAX + 32], time[64];
	int64_t now_s = clock_now_ms(calling->clock) / 1000;
	struct ticket_call call = {.method = "POST",
		.fresh = true,
		.url = letter->url,
		.headers = {webhook_id, time, signature, key, NULL},
		.body = letter->body,
		.body_size = strlen(letter->body)};
	enum status status;

	*answer = (struct ticket_answer){.body = ""};
	status = ticket_webhook_sign(letter->secret, id, now_s, letter->body, call.body_size,
		signatures, error);
	if (status != STATUS_OK)
		return status;
	snprintf(webhook_id, sizeof(webhook_id), "webhook-id: %s", id);
	snprintf(time, sizeof(time), "webhook-timestamp: %" PRId64, now_s);
	snprintf(signature, sizeof(signature), "webhook-signature: %s", signatures);
	snprintf(key, sizeof(key), "Idempotency-Key: %s", id);
	return ticket_http_call(http, &call, answer, error);
}

/* What an answer says of the command; true: it is to be tried again. */
static bool judge(const struct ticket_answer *answer, enum status status,
	struct command_result *result)
{
	if (status != STATUS_OK) {
		result->outcome = answer->sent ? COMMAND_UNKNOWN : COMMAND_FAILED;
		return !answer->sent && status != STATUS_BAD_INPUT && status != STATUS_NO_MEMORY;
	}
	if (answer->code >= 200 && answer->code < 300) {
		result->outcome = COMMAND_DONE;
		error_reset(&result->error);
		return false;
	}
	result->outcome =
		answer->code >= 500 || answer->code == 408 ? COMMAND_UNKNOWN : COMMAND_FAILED;
	error_set(&result->error, answer->code == 429 ? STATUS_BUSY : STATUS_UNAVAILABLE,
		"the webhook answered %d", answer->code);
	return answer->code == 429;
}

bool web_pause(const struct web_calling *calling, int64_t ms)
{
	for (; ms > 0 && !atomic_load(calling->stop); ms -= 50)
		clock_sleep_ms(ms < 50 ? ms : 50);
	return !atomic_load(calling->stop);
}

void webhook_call(const struct web_calling *calling, const struct command *command,
	struct command_result *result)
{
	struct ticket_http *http = NULL;
	int64_t gap_ms = GAP_FIRST_MS;
	struct letter letter;
	enum status status = letter_open(&letter, command->payload, &result->error);
	bool again = status == STATUS_OK;

	result->outcome = COMMAND_FAILED;
	if (again)
		http = ticket_http_open(member(&letter, "ca_file"), calling->stop);
	if (http != NULL)
		ticket_http_fence(http, calling->fence);
	if (again && http == NULL)
		error_set(&result->error, STATUS_NO_MEMORY, "no memory for the call");
	while (again && http != NULL) {
		struct ticket_answer answer;
		int64_t wait_ms;

		status = try_once(calling, &letter, http, command->action_id, &answer,
			&result->error);
		again = judge(&answer, status, result);
		wait_ms = answer.retry_after_ms > gap_ms ? answer.retry_after_ms : gap_ms;
		gap_ms = 2 * gap_ms < GAP_MAX_MS ? 2 * gap_ms : GAP_MAX_MS;
		if (again &&
			(command->deadline_ms == 0 || send_fence_left_ns(calling->fence) <= 0 ||
				clock_now_ms(calling->clock) + wait_ms >= command->deadline_ms ||
				!web_pause(calling, wait_ms)))
			break;
	}
	ticket_http_close(http);
	letter_close(&letter);
}
