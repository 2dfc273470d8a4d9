/*
 * Questions to Prometheus' HTTP API: one connection, bounded answers, a deadline for each.
 *
 * Ownership: the configuration is borrowed and must outlive the client; the answer is the caller's.
 * Limits: answers of answer_max bytes.
 * Threads: a client belongs to one thread, which must have SIGPIPE blocked (or the process ignores
 *   it); `stop` is set by any.
 */
#ifndef NIMBUSGUARD_DAEMON_PROMETHEUS_CLIENT_H
#define NIMBUSGUARD_DAEMON_PROMETHEUS_CLIENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Files are read anew for each question, as their contents rotate. NULL: none. */
struct prometheus_target {
	const char *url; /* http(s)://host:port[/prefix], without credentials */
	const char *bearer_token_file, *username, *password_file, *ca_file;
	int64_t timeout_ms;
	size_t answer_max;
};

/* STATUS_BAD_INPUT: no URL that can be asked, or more than one kind of credentials. */
enum status prometheus_target_check(const struct prometheus_target *target,
	struct error *error) MUST_CHECK;

struct prometheus_client;

/* stop: ends a question under way (STATUS_UNAVAILABLE). NULL: STATUS_NO_MEMORY. */
struct prometheus_client *prometheus_client_open(const struct prometheus_target *target,
	const atomic_bool *stop, struct error *error) MUST_CHECK;
void prometheus_client_close(struct prometheus_client *client);

/* Name and value of a parameter; the list ends with NULL. */
struct prometheus_parameter {
	const char *name, *value;
};

/* path: from /api/v1/ on. parameters: sent as a form by POST; NULL: GET without any. STATUS_OK for
 * any HTTP status, with the body in `answer`. STATUS_UNAVAILABLE: no answer; STATUS_TIMEOUT;
 * STATUS_TOO_LARGE: answer_max; STATUS_NO_MEMORY; of the files what file_read_secret() gives. The
 * error names the address. */
enum status prometheus_client_ask(struct prometheus_client *client, const char *path,
	const struct prometheus_parameter *parameters, long *http, struct buf *answer,
	struct error *error) MUST_CHECK;

#endif
