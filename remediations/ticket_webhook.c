/*
 * A signed webhook as standard-webhooks describes it: JSON {"type","timestamp","data"}, the headers
 * webhook-id, webhook-timestamp and webhook-signature. The id is the event's and stays the same at each
 * try, so that the receiver can tell a repeat; the timestamp is the try's. Every answer but 2xx is tried
 * again, 410 ends it.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/ticket_service.h"

#define BODY_MAX (64u << 10)
#define PREFIX "whsec_"
#define KEY_MIN 24
#define KEY_MAX 64

/* The bytes of one secret; 0 when it has another form. */
static size_t decode_secret(const char *text, size_t size, unsigned char key[KEY_MAX + 3])
{
	unsigned char encoded[4 * ((KEY_MAX + 2) / 3) + 1];
	size_t padding = 0;
	int length;

	if (size < strlen(PREFIX) || memcmp(text, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	text += strlen(PREFIX);
	size -= strlen(PREFIX);
	if (size == 0 || size % 4 != 0 || size >= sizeof(encoded))
		return 0;
	memcpy(encoded, text, size);
	while (padding < 2 && encoded[size - 1 - padding] == '=')
		padding++;
	length = EVP_DecodeBlock(key, encoded, (int)size);
	explicit_bzero(encoded, sizeof(encoded));
	if (length < 0 || (size_t)length < KEY_MIN + padding)
		return 0;
	return (size_t)length - padding <= KEY_MAX ? (size_t)length - padding : 0;
}

static enum status sign_one(const unsigned char *key, size_t key_size, const struct buf *content,
	char signatures[TICKET_SIGNATURES_MAX])
{
	unsigned char digest[32], encoded[48];
	unsigned size = sizeof(digest);
	size_t used = strlen(signatures);

	if (HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)content->data,
		    content->size, digest, &size) == NULL)
		return STATUS_NO_MEMORY;
	EVP_EncodeBlock(encoded, digest, (int)size);
	snprintf(signatures + used, TICKET_SIGNATURES_MAX - used, "%sv1,%s", used > 0 ? " " : "",
		(const char *)encoded);
	return STATUS_OK;
}

enum status ticket_webhook_sign(const char *secrets, const char *id, int64_t time_s,
	const char *body, size_t size, char signatures[TICKET_SIGNATURES_MAX], struct error *error)
{
	unsigned char key[KEY_MAX + 3];
	enum status status = STATUS_OK;
	struct buf content;
	size_t count = 0;

	signatures[0] = '\0';
	buf_init(&content, size + 256);
	buf_printf(&content, "%s.%" PRId64 ".", id, time_s);
	buf_add(&content, body, size);
	if (!buf_ok(&content))
		status = error_set(error, STATUS_NO_MEMORY, "no memory to sign");
	for (secrets += strspn(secrets, " \t\r\n"); status == STATUS_OK && *secrets != '\0';) {
		size_t length = strcspn(secrets, " \t\r\n");
		size_t key_size = decode_secret(secrets, length, key);

		if (key_size == 0 || count == TICKET_SECRETS_MAX)
			status = error_set(error, STATUS_BAD_INPUT,
				count == TICKET_SECRETS_MAX
					? "there are more than four secrets"
					: "the secret is not of the form whsec_<base64 of 24 to 64 bytes>");
		else if (sign_one(key, key_size, &content, signatures) != STATUS_OK)
			status = error_set(error, STATUS_NO_MEMORY, "no memory to sign");
		count++;
		secrets += length;
		secrets += strspn(secrets, " \t\r\n");
	}
	if (status == STATUS_OK && count == 0)
		status = error_set(error, STATUS_BAD_INPUT, "there is no secret");
	explicit_bzero(key, sizeof(key));
	buf_fini(&content);
	return status;
}

void ticket_webhook_tell(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result)
{
	char id[TICKET_ID_MAX + 32], time[64], signature[TICKET_SIGNATURES_MAX + 32], when[32];
	char signatures[TICKET_SIGNATURES_MAX];
	struct ticket_call call = {.headers = {id, time, signature, NULL}};
	struct ticket_answer answer;
	struct error error;
	struct buf body;

	buf_init(&body, BODY_MAX);
	format_rfc3339(task->event->time_ms, when, sizeof(when));
	buf_printf(&body, "{\"type\":\"%s\",\"timestamp\":\"%s\",\"data\":",
		ticket_operation_type(task->event->operation), when);
	ticket_event_write(&body, task->event);
	buf_add_char(&body, '}');
	if (!buf_ok(&body) ||
		ticket_webhook_sign(session->secret, task->id, task->now_ms / 1000, body.data,
			body.size, signatures, &error) != STATUS_OK) {
		ticket_not_ready(result, "%s: %s", session->service->secret_file,
			buf_ok(&body) ? error.text : "no memory for the message");
		buf_fini(&body);
		return;
	}
	snprintf(id, sizeof(id), "webhook-id: %s", task->id);
	snprintf(time, sizeof(time), "webhook-timestamp: %" PRId64, task->now_ms / 1000);
	snprintf(signature, sizeof(signature), "webhook-signature: %s", signatures);
	snprintf(session->url, sizeof(session->url), "%s", session->service->url);
	if (!ticket_session_call(session, &call, &body, &answer, result) &&
		result->verdict == TICKET_REFUSED) {
		result->gone = result->code == 410;
		if (!result->gone)
			result->verdict = TICKET_LATER;
	}
	buf_fini(&body);
}
