/*
 * One connection to a ticket service over libcurl.
 */
#include "remediations/ticket_http.h"

#include <curl/curl.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define RETRY_AFTER_MAX_S 86400

struct ticket_http {
	CURL *curl;
	const atomic_bool *stop;
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

static bool set_options(struct ticket_http *http, const char *ca_file)
{
	CURL *curl = http->curl;
	CURLcode code = CURLE_OK;

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (code == CURLE_OK)                                                              \
			code = curl_easy_setopt(curl, option, value);                              \
	} while (0)
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CA_CACHE_TIMEOUT, 0L);
	if (ca_file != NULL) {
		SET(CURLOPT_CAINFO, ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	SET(CURLOPT_TIMEOUT_MS, (long)TICKET_HTTP_TIMEOUT_MS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)TICKET_HTTP_CONNECT_MS);
	SET(CURLOPT_MAXCONNECTS, 1L);
	SET(CURLOPT_MAXAGE_CONN, 60L);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, http);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_XFERINFOFUNCTION, watch_stop);
	SET(CURLOPT_XFERINFODATA, http);
	SET(CURLOPT_USERAGENT, "nimbusguard");
#undef SET
	return code == CURLE_OK;
}

struct ticket_http *ticket_http_open(const char *ca_file, const atomic_bool *stop)
{
	struct ticket_http *http = mem_zalloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	http->stop = stop;
	buf_init(&http->body, TICKET_ANSWER_MAX);
	http->curl = curl_easy_init();
	if (http->curl == NULL || !set_options(http, ca_file)) {
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

static bool add_header(struct curl_slist **headers, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*headers, text);

	if (longer != NULL)
		*headers = longer;
	return longer != NULL;
}

static bool make_headers(const struct ticket_call *call, struct curl_slist **headers)
{
	/* Without the empty Expect libcurl would wait for "100 Continue" before a large body. */
	bool good = add_header(headers, "Accept: application/json") &&
		add_header(headers, "Expect:") &&
		(call->body == NULL || add_header(headers, "Content-Type: application/json"));

	for (size_t i = 0; good && i < TICKET_HTTP_HEADERS_MAX && call->headers[i] != NULL; i++)
		good = add_header(headers, call->headers[i]);
	return good;
}

static CURLcode set_call(CURL *curl, const struct ticket_call *call, struct curl_slist *headers)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, call->url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
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
		return error_set(error, STATUS_UNAVAILABLE, "nimbusguard is ending");
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
	CURLcode result = CURLE_OUT_OF_MEMORY;
	curl_off_t asked_s = 0;
	long code = 0;

	*answer = (struct ticket_answer){.body = ""};
	buf_reset(&http->body);
	if (make_headers(call, &headers)) {
		result = set_call(http->curl, call, headers);
		if (result == CURLE_OK)
			result = curl_easy_perform(http->curl);
	}
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (result != CURLE_OK)
		return judge(http, result, error);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &code);
	if (curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked_s) == CURLE_OK &&
		asked_s > 0)
		answer->retry_after_ms =
			(asked_s < RETRY_AFTER_MAX_S ? asked_s : RETRY_AFTER_MAX_S) * INT64_C(1000);
	answer->code = (int)code;
	if (http->body.size > 0)
		answer->body = http->body.data;
	answer->size = http->body.size;
	return STATUS_OK;
}
