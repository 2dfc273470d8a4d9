/*
 * HTTP to ticket services: the one place with libcurl for them. TLS is verified always, redirects and
 * proxies of the environment are not followed, time and size of an answer are bounded.
 *
 * Ownership: a struct ticket_http owns its connection, kept alive between calls, and the last answer.
 * Limits: TICKET_HTTP_TIMEOUT_MS a call unless it says otherwise, TICKET_ANSWER_MAX bytes of answer.
 * Threads: one thread's own; `stop` is read while a call is under way.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_TICKET_HTTP_H
#define NIMBUSGUARD_REMEDIATIONS_TICKET_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define TICKET_HTTP_TIMEOUT_MS 20000
#define TICKET_HTTP_CONNECT_MS 10000
#define TICKET_ANSWER_MAX (1u << 20)
#define TICKET_HTTP_HEADERS_MAX 12

struct ticket_http;

/* NULL: out of memory. ca_file NULL: the system's authorities. stop: a call ends soon after it is
 * true. Both are borrowed. */
struct ticket_http *ticket_http_open(const char *ca_file, const atomic_bool *stop) MUST_CHECK;
void ticket_http_close(struct ticket_http *http);
/* PEM files with a certificate of our own and its key, read anew for each connection. STATUS_NO_MEMORY. */
enum status ticket_http_certificate(struct ticket_http *http, const char *cert_file,
	const char *key_file) MUST_CHECK;

/* Until when (monotonic, ns) anything may be sent, as kube_session_fence() asks it. */
struct send_fence {
	int64_t (*until_ns)(void *argument); /* NULL: always */
	void *argument;
};

/* Nanoseconds that are left; INT64_MAX without a fence (NULL too). At 0 and below nothing may be sent. */
int64_t send_fence_left_ns(const struct send_fence *fence);
/* Asked before each call and once more when its first byte is about to go out; a call ends before that
 * time. Past it the answer is STATUS_UNAVAILABLE, and nothing was sent. Borrowed; NULL: none. */
void ticket_http_fence(struct ticket_http *http, const struct send_fence *fence);

struct ticket_call {
	const char *method, *url;                     /* GET, POST, PUT, DELETE */
	const char *headers[TICKET_HTTP_HEADERS_MAX]; /* further ones, NULL behind the last */
	bool fresh; /* on a connection of its own: libcurl repeats a request by itself when a kept
		     * one breaks before an answer */
	const char *body; /* NULL: none */
	size_t body_size;
	const char *type;   /* of the body; NULL: application/json */
	int64_t timeout_ms; /* 0: TICKET_HTTP_TIMEOUT_MS */
	const char *asked;  /* a header of the answer that is of interest; NULL: none */
};

struct ticket_answer {
	int code;               /* 0: there was none */
	bool sent;              /* the other side may have seen the request */
	int64_t retry_after_ms; /* as asked for by the service; 0: not */
	const char *body;       /* NUL-terminated, "" when empty; lives until the next call */
	size_t size;
	bool has_asked; /* the header is there */
};

/* STATUS_OK when an answer came, whatever its code. Otherwise why there is none, in words without the
 * URL, which may be a secret: STATUS_TIMEOUT, STATUS_UNAVAILABLE, STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
enum status ticket_http_call(struct ticket_http *http, const struct ticket_call *call,
	struct ticket_answer *answer, struct error *error) MUST_CHECK;

#endif
