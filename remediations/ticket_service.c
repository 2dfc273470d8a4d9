/*
 * What all ticket services share: credentials that are read anew for each try, so that a changed file
 * needs no restart, and what an answer means.
 */
#include "remediations/ticket_service.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"

#define EXCERPT_MAX 200

enum status ticket_session_open(struct ticket_session *session,
	const struct ticket_service *service, const atomic_bool *stop)
{
	*session = (struct ticket_session){.service = service};
	session->http = ticket_http_open(service->ca_file, stop);
	return session->http != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static void forget_secret(struct ticket_session *session)
{
	if (session->secret != NULL)
		explicit_bzero(session->secret, strlen(session->secret));
	mem_free(session->secret);
	session->secret = NULL;
	explicit_bzero(session->authorization, sizeof(session->authorization));
}

void ticket_session_close(struct ticket_session *session)
{
	forget_secret(session);
	ticket_http_close(session->http);
	session->http = NULL;
}

void ticket_not_ready(struct ticket_result *result, const char *format, ...)
{
	char words[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	result->verdict = TICKET_LATER;
	result->pause = true;
	error_set(&result->error, STATUS_UNAVAILABLE, "%s", words);
}

void ticket_session_tell(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result)
{
	static ticket_tell_fn *const tell[] = {[TICKET_PAGERDUTY] = ticket_pagerduty_tell,
		[TICKET_JIRA] = ticket_jira_tell,
		[TICKET_WEBHOOK] = ticket_webhook_tell};
	const struct ticket_service *service = session->service;
	struct error error;

	*result = (struct ticket_result){.verdict = TICKET_LATER};
	if (file_read_secret(service->secret_file, &session->secret, &error) != STATUS_OK)
		ticket_not_ready(result, "no credentials: %s", error.text);
	else if (session->secret[0] == '\0')
		ticket_not_ready(result, "no credentials: %s is empty", service->secret_file);
	else
		tell[service->kind](session, task, result);
	forget_secret(session);
}

void ticket_session_url(struct ticket_session *session, const char *path)
{
	const char *base = session->service->url;
	size_t size = strlen(base);

	while (size > 0 && base[size - 1] == '/')
		size--;
	snprintf(session->url, sizeof(session->url), "%.*s%s", (int)size, base, path);
}

bool ticket_session_call(struct ticket_session *session, struct ticket_call *call,
	const struct buf *body, struct ticket_answer *answer, struct ticket_result *result)
{
	enum status status;

	call->url = session->url;
	call->method = body != NULL ? "POST" : "GET";
	if (body != NULL && (!buf_ok(body) || body->data == NULL)) {
		ticket_not_ready(result, "no memory for the message");
		return false;
	}
	call->body = body != NULL ? body->data : NULL;
	call->body_size = body != NULL ? body->size : 0;
	status = ticket_http_call(session->http, call, answer, &result->error);
	if (status != STATUS_OK) {
		result->verdict = TICKET_LATER;
		result->pause = true;
		result->code = 0;
		return false;
	}
	return ticket_judge(session, answer, result);
}

/* Whether a word of the secret begins here, and how long it is. */
static size_t secret_at(const char *secret, const char *text)
{
	size_t longest = 0;

	while (*secret != '\0') {
		size_t size = strcspn(secret, " \t\r\n");

		if (size >= 4 && size > longest && strncmp(text, secret, size) == 0)
			longest = size;
		secret += size;
		secret += strspn(secret, " \t\r\n");
	}
	return longest;
}

/* What the service said, for people: one line, short, and without the secret that it may echo. */
static void excerpt(const struct ticket_session *session, const char *body, char words[EXCERPT_MAX])
{
	const char *secret = session->secret != NULL ? session->secret : "";
	char line[EXCERPT_MAX * 4];
	size_t used = 0;

	while (*body != '\0' && used + 4 < sizeof(line)) {
		size_t hidden = secret_at(secret, body);

		if (hidden > 0) {
			memcpy(line + used, "***", 3);
			used += 3;
			body += hidden;
			continue;
		}
		line[used++] = (unsigned char)*body < ' ' ? ' ' : *body;
		body++;
	}
	line[used] = '\0';
	ticket_text_copy(words, EXCERPT_MAX, line);
}

bool ticket_judge(const struct ticket_session *session, const struct ticket_answer *answer,
	struct ticket_result *result)
{
	char words[EXCERPT_MAX];
	int code = answer->code;

	result->code = code;
	if (code >= 200 && code < 300) {
		result->verdict = TICKET_TOLD;
		error_reset(&result->error);
		return true;
	}
	result->wait_ms = answer->retry_after_ms;
	result->verdict = code == 429 || code >= 500 ? TICKET_LATER : TICKET_REFUSED;
	result->pause = code == 429 || code >= 500;
	excerpt(session, answer->body, words);
	error_set(&result->error,
		result->verdict == TICKET_LATER ? STATUS_UNAVAILABLE : STATUS_BAD_INPUT,
		"answered %d%s%s", code, words[0] != '\0' ? ": " : "", words);
	return false;
}
