/*
 * The program as a client of a running service, for `nimbusguard actions`.
 * Threads: one thread.
 */
#ifndef NIMBUSGUARD_DAEMON_CLIENT_H
#define NIMBUSGUARD_DAEMON_CLIENT_H

#include "base/buf.h"
#include "base/error.h"

/* One request; the answer's body in body. url is complete; token may be NULL. Any HTTP answer is
 * STATUS_OK with its status in *http_status; STATUS_UNAVAILABLE when there was none. */
enum status client_request(const char *method, const char *url, const char *token,
	const char *ca_file, long *http_status, struct buf *body, struct error *error) MUST_CHECK;

#endif
