/*
 * A small HTTP/1.1 client on a plain socket, for tests that must say exactly which bytes are sent
 * and when.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_HTTP_CLIENT_H
#define NIMBUSGUARD_TESTS_SUPPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct http_reply {
	int status; /* 0: the connection ended or the time was over before an answer came */
	char *head, *body;
	size_t body_size;
	bool closed; /* the peer closed after it */
};

/* A connected socket on 127.0.0.1, or -1. */
int http_connect(unsigned port);
bool http_send(int fd, const void *bytes, size_t size);
bool http_send_text(int fd, const char *text);
/* One answer; waits at most timeout_ms. head_only: no body follows (HEAD). */
struct http_reply http_read(int fd, int timeout_ms, bool head_only);
void http_reply_fini(struct http_reply *reply);
/* The header's value, copied into value; false when absent. */
bool http_header(const struct http_reply *reply, const char *name, char *value, size_t size);
/* Connects, sends, reads one answer, closes. */
struct http_reply http_ask(unsigned port, const char *text);
/* "method path" with extra header lines (each with \r\n, may be "") and a body (NULL: none). */
struct http_reply http_call(unsigned port, const char *method, const char *path,
	const char *headers, const char *body);
/* Waits until the peer closes; false when it has not after timeout_ms. */
bool http_closed(int fd, int timeout_ms);

#endif
