/*
 * The program as a client of a running service, for `nimbusguard actions`, `dataset` and `models`.
 * Threads: one thread.
 */
#ifndef NIMBUSGUARD_DAEMON_CLIENT_H
#define NIMBUSGUARD_DAEMON_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* One request; the answer's body in body. url is complete; token may be NULL. Any HTTP answer is
 * STATUS_OK with its status in *http_status; STATUS_UNAVAILABLE when there was none. */
enum status client_request(const char *method, const char *url, const char *token,
	const char *ca_file, long *http_status, struct buf *body, struct error *error) MUST_CHECK;

/* The data of the API's successful answer (json_decref()); NULL after a message on standard error.
 * missing: set when the answer was 404, without a message; NULL: 404 is an error like others. */
json_t *client_data(const char *method, const char *url, const char *token, const char *ca_file,
	bool *missing) MUST_CHECK;

#endif
