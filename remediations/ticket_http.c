/*
 * One connection to a ticket service over libcurl.
 */
#include "remediations/ticket_http.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "remediations/curl_setup.h"

#define RETRY_AFTER_MAX_S 86400

struct ticket_http {
	CURL *curl;
	const atomic_bool *stop;
	const struct send_fence *fence; /* NULL: none */
	bool fenced;                    /* the call under way was not sent for its time was over */
	struct buf body;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct ticket_http *http = argument;

	buf_add(&http->body, bytes, size * count);
	return buf_ok(&http->body) ? size * count : 0;
}

/* Called by libcurl now and then: a non-zero answer ends the transfer. */
static int watch_stop(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct ticket_http *http = argument;

	(void)a, (void)b, (void)c, (void)d;
	return http->stop != NULL && atomic_load(http->stop);
}

int64_t send_fence_left_ns(const struct send_fence *fence)
{
	if (fence == NULL || fence->until_ns == NULL)
		return INT64_MAX;
	return fence->until_ns(fence->argument) - clock_mono_ns(clock_system());
}

void ticket_http_fence(struct ticket_http *http, const struct send_fence *fence)
{
	http->fence = fence;
}

/* Called by libcurl when the connection stands and the request is about to go out: a thread that was
 * stopped since the call began finds out here. */
static int check_fence(void *argument, char *to, char *from, int to_port, int from_port)
{
	struct ticket_http *http = argument;

	(void)to, (void)from, (void)to_port, (void)from_port;
	http->fenced = send_fence_left_ns(http->fence) <= 0;
	return http->fenced ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

struct ticket_http *ticket_http_open(const char *ca_file, const atomic_bool *stop)
{
	struct ticket_http *http = mem_zalloc(1, sizeof(*http));
	struct curl_setup setup = {.ca_file = ca_file,
		.connection_age_s = 60,
		.take = take_body,
		.watch = watch_stop};

	if (http == NULL)
		return NULL;
	http->stop = stop;
	buf_init(&http->body, TICKET_ANSWER_MAX);
	setup.argument = http;
	http->curl = curl_setup_open(&setup);
	if (http->curl == NULL ||
		curl_easy_setopt(http->curl, CURLOPT_PREREQFUNCTION, check_fence) != CURLE_OK ||
		curl_easy_setopt(http->curl, CURLOPT_PREREQDATA, http) != CURLE_OK ||
		curl_easy_setopt(http->curl, CURLOPT_CONNECTTIMEOUT_MS,
			(long)TICKET_HTTP_CONNECT_MS) != CURLE_OK) {
		ticket_http_close(http);
		return NULL;
	}
	return http;
}

void ticket_http_close(struct ticket_http *http)
{
	if (http == NULL)
		return;
	if (http->curl != NULL)
		curl_easy_cleanup(http->curl);
	buf_fini(&http->body);
	mem_free(http);
}

enum status ticket_http_certificate(struct ticket_http *http, const char *cert_file,
	const char *key_file)
{
	return curl_easy_setopt(http->curl, CURLOPT_SSLCERT, cert_file) == CURLE_OK &&
			curl_easy_setopt(http->curl, CURLOPT_SSLKEY, key_file) == CURLE_OK
		? STATUS_OK
		: STATUS_NO_MEMORY;
}

static bool make_headers(const struct ticket_call *call, struct curl_slist **headers)
{
	/* Without the empty Expect libcurl would wait for "100 Continue" before a large body. */
	char type[128] = "Content-Type: application/json";
	bool good = curl_setup_add(headers, "Accept: application/json") &&
		curl_setup_add(headers, "Expect:");

	if (call->type != NULL)
		snprintf(type, sizeof(type), "Content-Type: %s", call->type);
	good = good && (call->body == NULL || curl_setup_add(headers, type));

	for (size_t i = 0; good && i < TICKET_HTTP_HEADERS_MAX && call->headers[i] != NULL; i++)
		good = curl_setup_add(headers, call->headers[i]);
	return good;
}

static CURLcode set_call(CURL *curl, const struct ticket_call *call, struct curl_slist *headers,
	int64_t timeout_ms)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, call->url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, call->fresh ? 1L : 0L);
	if (code != CURLE_OK)
		return code;
	if (call->body == NULL) {
		code = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	} else {
		code = curl_easy_setopt(curl, CURLOPT_POST, 1L);
		if (code == CURLE_OK)
			code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->body_size);
		if (code == CURLE_OK)
			code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	return code;
}

static enum status refuse_fenced(struct error *error)
{
	return error_set(error, STATUS_UNAVAILABLE,
		"another replica may lead by now: nothing was sent");
}

static enum status judge(const struct ticket_http *http, CURLcode code, struct error *error)
{
	if (!buf_ok(&http->body))
		return http->body.size < TICKET_ANSWER_MAX / 2
			? error_set(error, STATUS_NO_MEMORY, "no memory for the answer")
			: error_set(error, STATUS_TOO_LARGE, "the answer is larger than %u bytes",
				  TICKET_ANSWER_MAX);
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return error_set(error, STATUS_NO_MEMORY, "no memory for the call");
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(error, STATUS_TIMEOUT, "no answer in time");
	case CURLE_ABORTED_BY_CALLBACK:
		return http->fenced ? refuse_fenced(error)
				    : error_set(error, STATUS_UNAVAILABLE, "nimbusguard is ending");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(error, STATUS_UNAVAILABLE, "the certificate cannot be trusted: %s",
			curl_easy_strerror(code));
	default:
		return error_set(error, STATUS_UNAVAILABLE, "cannot be reached: %s",
			curl_easy_strerror(code));
	}
}

enum status ticket_http_call(struct ticket_http *http, const struct ticket_call *call,
	struct ticket_answer *answer, struct error *error)
{
	struct curl_slist *headers = NULL;
	struct curl_header *header;
	CURLcode result = CURLE_OUT_OF_MEMORY;
	curl_off_t asked_s = 0;
	long code = 0, request_size = 0;
	int64_t left_ms = send_fence_left_ns(http->fence) / INT64_C(1000000);
	int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TICKET_HTTP_TIMEOUT_MS;

	*answer = (struct ticket_answer){.body = ""};
	buf_reset(&http->body);
	http->fenced = false;
	/* libcurl takes 0 for no limit. */
	if (left_ms <= 0)
		return refuse_fenced(error);
	if (make_headers(call, &headers)) {
		result = set_call(http->curl, call, headers,
			left_ms < timeout_ms ? left_ms : timeout_ms);
		if (result == CURLE_OK)
			result = curl_easy_perform(http->curl);
	}
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (curl_easy_getinfo(http->curl, CURLINFO_REQUEST_SIZE, &request_size) == CURLE_OK)
		answer->sent = request_size > 0;
	if (result != CURLE_OK)
		return judge(http, result, error);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &code);
	if (curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked_s) == CURLE_OK &&
		asked_s > 0)
		answer->retry_after_ms =
			(asked_s < RETRY_AFTER_MAX_S ? asked_s : RETRY_AFTER_MAX_S) * INT64_C(1000);
	answer->code = (int)code;
	answer->has_asked = call->asked != NULL &&
		curl_easy_header(http->curl, call->asked, 0, CURLH_HEADER, -1, &header) ==
			CURLHE_OK;
	if (http->body.size > 0)
		answer->body = http->body.data;
	answer->size = http->body.size;
	return STATUS_OK;
}
