/*
 * A small HTTP/1.1 server for tests of clients: it answers by a list of rules and keeps every request
 * as it came, byte by byte.
 *
 * Ownership: rules and their texts are borrowed and must outlive the stub.
 * Limits: HTTP_STUB_REQUESTS_MAX requests of 64 KiB; Content-Length bodies only.
 * Order: the first rule that fits and is not used up answers; where none does, a Status with 404.
 * Threads: any; it listens on a free port of 127.0.0.1 and has a thread for each connection.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_HTTP_STUB_H
#define NIMBUSGUARD_TESTS_SUPPORT_HTTP_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_STUB_REQUESTS_MAX 1024

struct http_stub;

struct stub_rule {
	/* How the request line begins: "GET /api/v1/pods/x"; behind a tab what the request has in it. */
	const char *start;
	int code;            /* 0: 200 */
	const char *body;    /* NULL: "{}" */
	const char *type;    /* NULL: application/json */
	const char *headers; /* further ones, each ended by \r\n; NULL: none */
	int times;           /* how often it answers; 0: always */
	bool drop;           /* reads the request and closes without an answer */
	bool close;          /* closes after the answer */
	int64_t delay_ms;    /* before the answer */
	size_t pad;          /* so many spaces behind the body */
	/* The body is sent in pieces, which end with \f each, with a moment between them. Behind the last
	 * one the stream stays open until the stub or the client ends it; with `close` it is ended, with
	 * `drop` cut off. */
	bool stream;
};

/* certificate, key: PEM files for TLS, or NULL. NULL when it cannot be opened. */
struct http_stub *http_stub_open(const struct stub_rule *rules, size_t count,
	const char *certificate, const char *key);
/* The same with TLS, and only for clients with a certificate of this authority. */
struct http_stub *http_stub_open_mutual(const struct stub_rule *rules, size_t count,
	const char *certificate, const char *key, const char *client_ca);
void http_stub_close(struct http_stub *stub);
/* Other rules, all unused. */
void http_stub_rules(struct http_stub *stub, const struct stub_rule *rules, size_t count);
/* While held it takes requests and answers none. */
void http_stub_hold(struct http_stub *stub, bool held);
unsigned http_stub_port(const struct http_stub *stub);
size_t http_stub_request_count(struct http_stub *stub);
size_t http_stub_connection_count(struct http_stub *stub);
/* The i-th request with its head and body, NUL-terminated; "" when there was none. Lives as long as
 * the stub. */
const char *http_stub_request(struct http_stub *stub, size_t i);
/* Its body. */
const char *http_stub_body(struct http_stub *stub, size_t i);

#endif
