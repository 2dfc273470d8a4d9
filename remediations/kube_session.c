/*
 * One connection to the API server, kept alive between calls, and the rules of retrying.
 *
 * Whether the server may have seen a request decides what a failure means: before its first byte
 * went out it was surely not carried out. libcurl by itself repeats a request once on a fresh
 * connection when a kept one turns out closed before a byte of the answer came; that is harmless,
 * as each change carries a precondition that its own success makes false.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "remediations/kube_session.h"

#define MS_NS INT64_C(1000000)
#define RETRY_AFTER_MAX_S 30

struct kube_session {
	struct kube_client *client;
	CURL *curl;
	struct curl_slist *connect_to; /* NULL: as the URL says */
	uint64_t certificate;          /* version of the plugin's that is set; 0: none */
	uint64_t used;                 /* version of the credential of the last attempt */
	struct buf body;
	struct random random;
	bool is_read;         /* of the call under way */
	bool fenced;          /* the call under way was not sent for its time was over */
	kube_fence_fn *fence; /* NULL: none */
	void *fence_argument;
	kube_serve_fn *serve; /* not NULL: answers in place of a server; client and curl are NULL */
	void *serve_argument;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct kube_session *session = argument;

	buf_add(&session->body, bytes, size * count);
	return buf_ok(&session->body) ? size * count : 0;
}

/* Called by libcurl now and then: a non-zero answer ends the transfer. */
static int watch_stop(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct kube_session *session = argument;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return session->is_read && kube_client_stopped(session->client);
}

/* Nanoseconds left for a change. */
static int64_t fence_left_ns(const struct kube_session *session)
{
	return session->fence(session->fence_argument) - clock_mono_ns(clock_system());
}

/* Called by libcurl when the connection stands and the request is about to go out: a thread that was
 * stopped since the attempt began finds out here. */
static int check_fence(void *argument, char *to, char *from, int to_port, int from_port)
{
	struct kube_session *session = argument;

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	session->fenced =
		!session->is_read && session->fence != NULL && fence_left_ns(session) <= 0;
	return session->fenced ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

void kube_session_fence(struct kube_session *session, kube_fence_fn *fence, void *argument)
{
	session->fence = fence;
	session->fence_argument = argument;
}

static bool open_curl(struct kube_session *session)
{
	const struct kube_peer *peer = kube_client_peer(session->client);
	struct curl_setup setup = peer->setup;

	setup.take = take_body;
	setup.watch = watch_stop;
	setup.argument = session;
	session->curl = curl_setup_open(&setup);
	if (session->curl == NULL ||
		curl_easy_setopt(session->curl, CURLOPT_PREREQFUNCTION, check_fence) != CURLE_OK ||
		curl_easy_setopt(session->curl, CURLOPT_PREREQDATA, session) != CURLE_OK)
		return false;
	if (peer->connect_to == NULL)
		return true;
	return curl_setup_add(&session->connect_to, peer->connect_to) &&
		curl_easy_setopt(session->curl, CURLOPT_CONNECT_TO, session->connect_to) ==
		CURLE_OK;
}

struct kube_session *kube_session_open(struct kube_client *client)
{
	struct kube_session *session = mem_zalloc(1, sizeof(*session));
	uint64_t seed = 1;

	if (session == NULL)
		return NULL;
	session->client = client;
	buf_init(&session->body, KUBE_ANSWER_MAX);
	if (random_secret(&seed, sizeof(seed)) != STATUS_OK)
		seed = (uint64_t)clock_mono_ns(clock_system());
	random_init(&session->random, seed);
	if (!open_curl(session)) {
		kube_session_close(session);
		return NULL;
	}
	return session;
}

struct kube_session *kube_session_open_served(kube_serve_fn *serve, void *argument)
{
	struct kube_session *session = mem_zalloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	buf_init(&session->body, KUBE_ANSWER_MAX);
	session->serve = serve;
	session->serve_argument = argument;
	return session;
}

void kube_session_close(struct kube_session *session)
{
	if (session == NULL)
		return;
	if (session->curl != NULL)
		curl_easy_cleanup(session->curl);
	curl_slist_free_all(session->connect_to);
	buf_fini(&session->body);
	mem_free(session);
}

void kube_answer_fini(struct kube_answer *answer)
{
	json_decref(answer->object);
	*answer = (struct kube_answer){0};
}

/* --- one attempt --- */

static bool fill_headers(const struct kube_session *session, const struct kube_request *request,
	const struct kube_credential *credential, struct curl_slist **headers)
{
	const char *host = kube_client_peer(session->client)->host_header;
	char type[128];

	snprintf(type, sizeof(type), "Content-Type: %s",
		request->content_type != NULL ? request->content_type : "application/json");
	return curl_setup_add(headers, "Accept: application/json") &&
		/* Without it libcurl would wait for "100 Continue" before a large body. */
		curl_setup_add(headers, "Expect:") &&
		(host == NULL || curl_setup_add(headers, host)) &&
		(credential->header == NULL || curl_setup_add(headers, credential->header)) &&
		(request->body == NULL || curl_setup_add(headers, type));
}

/* Who we are, in the headers and for TLS. refused: the server did not take the last credential. */
static enum status make_headers(struct kube_session *session, const struct kube_request *request,
	bool refused, struct curl_slist **headers, struct error *error)
{
	struct kube_credential credential;
	enum status status = kube_client_credential(session->client, refused ? session->used : 0,
		&credential, error);
	bool good;

	if (status != STATUS_OK)
		return status;
	session->used = credential.version;
	good = fill_headers(session, request, &credential, headers);
	if (good && credential.cert_pem != NULL && session->certificate != credential.version) {
		session->certificate = credential.version;
		good = curl_setup_certificate(session->curl, credential.cert_pem,
			       credential.key_pem) == CURLE_OK;
	}
	kube_credential_fini(&credential);
	return good ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "no memory for headers");
}

static CURLcode set_request(struct kube_session *session, const struct kube_request *request,
	const char *url, struct curl_slist *headers, int64_t timeout_ms)
{
	static const char *const methods[] = {"GET", "PATCH", "DELETE", "POST", "PUT"};
	CURL *curl = session->curl;
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	if (code != CURLE_OK)
		return code;
	if (request->body == NULL) {
		code = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	} else {
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
		if (code == CURLE_OK)
			code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
	}
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, methods[request->method]);
	return code;
}

static enum status refuse_fenced(struct error *error)
{
	return error_set(error, STATUS_UNAVAILABLE,
		"another replica may lead by now: nothing was sent");
}

/* Why there is no answer. */
static enum status judge_transport(struct kube_session *session, CURLcode code, struct error *error)
{
	const char *words = curl_easy_strerror(code);

	if (!buf_ok(&session->body))
		return session->body.size < KUBE_ANSWER_MAX / 2
			? error_set(error, STATUS_NO_MEMORY, "no memory for the answer")
			: error_set(error, STATUS_IO,
				  "the API server's answer is larger than %u bytes",
				  KUBE_ANSWER_MAX);
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return error_set(error, STATUS_NO_MEMORY, "no memory for the call");
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(error, STATUS_TIMEOUT, "the API server did not answer in time");
	case CURLE_ABORTED_BY_CALLBACK:
		if (session->fenced)
			return refuse_fenced(error);
		return error_set(error, STATUS_UNAVAILABLE, "the service is ending");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(error, STATUS_UNAVAILABLE,
			"the API server's certificate cannot be trusted: %s", words);
	case CURLE_SSL_CERTPROBLEM:
		return error_set(error, STATUS_UNAUTHENTICATED,
			"our client certificate or its key cannot be used: %s", words);
	default:
		return error_set(error, STATUS_UNAVAILABLE, "cannot reach the API server: %s",
			words);
	}
}

static enum status code_status(int code)
{
	static const struct {
		int code;
		enum status status;
	} table[] = {{400, STATUS_BAD_INPUT}, {401, STATUS_UNAUTHENTICATED},
		{403, STATUS_FORBIDDEN}, {404, STATUS_NOT_FOUND}, {405, STATUS_UNSUPPORTED},
		{406, STATUS_UNSUPPORTED}, {409, STATUS_CONFLICT}, {410, STATUS_CONFLICT},
		{413, STATUS_TOO_LARGE}, {415, STATUS_UNSUPPORTED}, {422, STATUS_BAD_INPUT},
		{429, STATUS_BUSY}, {504, STATUS_TIMEOUT}};

	if (code >= 200 && code < 300)
		return STATUS_OK;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++)
		if (table[i].code == code)
			return table[i].status;
	if (code >= 300 && code < 400)
		return STATUS_UNSUPPORTED;
	return code >= 500 ? STATUS_UNAVAILABLE : STATUS_BAD_INPUT;
}

/* Whether a cause of the refusal has this text in this field. */
static bool has_cause(const json_t *status, const char *field, const char *wanted)
{
	const json_t *causes = json_object_get(json_object_get(status, "details"), "causes");
	const json_t *cause;
	size_t i;

	json_array_foreach(causes, i, cause)
	{
		const char *text = json_string_value(json_object_get(cause, field));

		if (text != NULL && strcmp(text, wanted) == 0)
			return true;
	}
	return false;
}

/* The words of a refusal: of a Status object, or of plain text as a busy server sends it. */
static enum status judge_refusal(struct kube_session *session, json_t *object,
	struct kube_answer *answer, struct error *error)
{
	const char *reason = json_string_value(json_object_get(object, "reason"));
	const char *message = json_string_value(json_object_get(object, "message"));
	enum status status = code_status(answer->code);

	if (object != NULL) {
		/* 429 with this cause comes from an eviction, not from a busy server. */
		answer->budget =
			answer->code == 429 && has_cause(object, "reason", "DisruptionBudget");
		/* A uid in a patch is a precondition, but to the server a change of what can't be
		 * changed. */
		if (answer->code == 422 && has_cause(object, "field", "metadata.uid"))
			status = STATUS_CONFLICT;
		return error_set(error, status, "the API server answered %d %s: %s", answer->code,
			reason != NULL ? reason : "", message != NULL ? message : "");
	}
	return error_set(error, status, "the API server answered %d: %.200s", answer->code,
		session->body.size > 0 ? session->body.data : "");
}

static enum status judge_answer(struct kube_session *session, struct kube_answer *answer,
	struct error *error)
{
	json_error_t where;
	json_t *object = NULL;
	enum status status;

	if (session->body.size > 0)
		object = json_loadb(session->body.data, session->body.size, 0, &where);
	if (object != NULL && !json_is_object(object)) {
		json_decref(object);
		object = NULL;
	}
	if (answer->code < 200 || answer->code >= 300) {
		status = judge_refusal(session, object, answer, error);
		json_decref(object);
		return status;
	}
	if (object == NULL)
		return error_set(error, STATUS_IO, "the API server's answer is no JSON object");
	answer->object = object;
	return STATUS_OK;
}

static enum status attempt(struct kube_session *session, const struct kube_request *request,
	int64_t timeout_ms, bool refused, struct kube_answer *answer, struct error *error)
{
	const struct kube_peer *peer = kube_client_peer(session->client);
	struct curl_slist *headers = NULL;
	char url[KUBE_PATH_MAX + 1024];
	long code = 0, request_size = 0;
	enum status status;
	CURLcode result;

	answer->code = 0;
	answer->sent = false;
	if (snprintf(url, sizeof(url), "%s%s", peer->url, request->path) >= (int)sizeof(url))
		return error_set(error, STATUS_BAD_INPUT, "the path of the call is too long");
	status = make_headers(session, request, refused, &headers, error);
	if (status != STATUS_OK) {
		curl_slist_free_all(headers);
		return status;
	}
	buf_reset(&session->body);
	session->is_read = request->method == KUBE_GET;
	session->fenced = false;
	result = set_request(session, request, url, headers, timeout_ms);
	if (result == CURLE_OK) {
		result = curl_easy_perform(session->curl);
		curl_easy_getinfo(session->curl, CURLINFO_REQUEST_SIZE, &request_size);
		curl_easy_getinfo(session->curl, CURLINFO_RESPONSE_CODE, &code);
	}
	curl_easy_setopt(session->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	answer->sent = request_size > 0 && !session->fenced;
	answer->code = (int)code;
	return result == CURLE_OK ? judge_answer(session, answer, error)
				  : judge_transport(session, result, error);
}

/* --- a call --- */

static bool may_retry(const struct kube_request *request, const struct kube_answer *answer,
	enum status status)
{
	if (status == STATUS_BUSY)
		return !answer->budget;
	if (status != STATUS_UNAVAILABLE && status != STATUS_TIMEOUT)
		return false;
	return request->method == KUBE_GET || !answer->sent;
}

/* How long to wait before the next attempt: doubled each time, with chance so that many clients do
 * not come back at once, and never shorter than the server asks for; -1: it asks for so long that the
 * call is better given back. */
static int64_t backoff_ms(struct kube_session *session, unsigned attempts)
{
	const struct kube_client_config *config = kube_client_config_of(session->client);
	int64_t wait_ms = config->backoff_ms << (attempts - 1);
	curl_off_t asked_s = 0;

	wait_ms += (int64_t)random_below(&session->random, (uint64_t)wait_ms + 1);
	if (curl_easy_getinfo(session->curl, CURLINFO_RETRY_AFTER, &asked_s) == CURLE_OK &&
		asked_s > 0) {
		if (asked_s > RETRY_AFTER_MAX_S)
			return -1;
		wait_ms = asked_s * 1000 +
			(int64_t)random_below(&session->random, (uint64_t)asked_s * 100 + 1);
	}
	return wait_ms;
}

/* Milliseconds for one attempt; 0 or less: the deadline has passed. */
static int64_t time_left_ms(struct kube_session *session, const struct kube_request *request)
{
	int64_t timeout_ms = kube_client_config_of(session->client)->timeout_ms;
	int64_t left_ms;

	if (request->method != KUBE_GET && session->fence != NULL) {
		left_ms = fence_left_ns(session) / MS_NS;
		timeout_ms = left_ms < timeout_ms ? left_ms : timeout_ms;
	}
	if (request->deadline_ns == 0)
		return timeout_ms;
	left_ms = (request->deadline_ns - clock_mono_ns(clock_system())) / MS_NS;
	return left_ms < timeout_ms ? left_ms : timeout_ms;
}

static enum status call_served(struct kube_session *session, const struct kube_request *request,
	struct kube_answer *answer, struct error *error)
{
	json_t *body = NULL;
	enum status status;

	answer->attempts = 1;
	if (request->method != KUBE_GET && session->fence != NULL && fence_left_ns(session) <= 0)
		return refuse_fenced(error);
	answer->code = session->serve(session->serve_argument, request, &body);
	answer->sent = answer->code != 0;
	if (answer->code == 0) {
		status = error_set(error, STATUS_UNAVAILABLE, "cannot reach the API server");
	} else if (answer->code < 200 || answer->code >= 300) {
		status = judge_refusal(session, body, answer, error);
	} else if (body == NULL) {
		status = error_set(error, STATUS_IO, "the API server's answer is no JSON object");
	} else {
		answer->object = json_incref(body);
		status = STATUS_OK;
	}
	json_decref(body);
	return status;
}

enum status kube_session_call(struct kube_session *session, const struct kube_request *request,
	struct kube_answer *answer, struct error *error)
{
	enum status status = STATUS_TIMEOUT;
	bool refused = false;

	*answer = (struct kube_answer){0};
	if (session->serve != NULL)
		return call_served(session, request, answer, error);
	for (;;) {
		int64_t left_ms = time_left_ms(session, request);
		int64_t wait_ms;

		if (left_ms <= 0 && request->method != KUBE_GET && session->fence != NULL &&
			fence_left_ns(session) < MS_NS)
			return answer->attempts > 0 ? status : refuse_fenced(error);
		if (left_ms <= 0)
			return answer->attempts > 0
				? status
				: error_set(error, STATUS_TIMEOUT, "no time left: not sent");
		if (kube_client_stopped(session->client))
			return error_set(error, STATUS_UNAVAILABLE, "the service is ending");
		answer->attempts++;
		status = attempt(session, request, left_ms, refused, answer, error);
		if (status == STATUS_UNAUTHENTICATED && !refused) {
			refused = true;
			continue;
		}
		if (answer->attempts >= KUBE_ATTEMPTS_MAX || !may_retry(request, answer, status))
			return status;
		wait_ms = backoff_ms(session, answer->attempts);
		if (wait_ms < 0)
			return status;
		if (request->deadline_ns != 0 &&
			clock_mono_ns(clock_system()) + wait_ms * MS_NS >= request->deadline_ns)
			return status;
		if (!kube_client_pause(session->client, wait_ms))
			return status;
	}
}
