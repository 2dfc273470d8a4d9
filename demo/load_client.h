/*
 * One keep-alive connection of the load generator, and the counters of the service it sends to.
 *
 * Ownership: texts of the settings are borrowed for the life of the client.
 * Limits: a request ends after LOAD_TIMEOUT_MS; an answer's text is cut; a metrics page of 64 MiB.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_DEMO_LOAD_CLIENT_H
#define NIMBUSGUARD_DEMO_LOAD_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define LOAD_TIMEOUT_MS 60000
#define LOAD_ANSWER_MAX 600

struct load_target {
	const char *url;     /* of the receiver: http(s)://host:port/path */
	const char *token;   /* bearer token, or NULL */
	const char *ca_file; /* certificate authority, or NULL */
	bool protocol_2;     /* media type of remote write 2.0 */
};

struct load_client;

/* stop: when it becomes true a request under way is given up. Once before the first of them, on the
 * main thread: load_client_library_init(). NULL: STATUS_NO_MEMORY. */
struct load_client *load_client_open(const struct load_target *target, const atomic_bool *stop,
	struct error *error) MUST_CHECK;
void load_client_close(struct load_client *client);
enum status load_client_library_init(struct error *error) MUST_CHECK;

struct load_answer {
	long http;
	char text[LOAD_ANSWER_MAX]; /* how its body begins */
	int64_t samples_written;    /* by its header of 2.0; -1 when there is none */
};

/* Sends a body and waits for the answer. STATUS_UNAVAILABLE when there was none, with the reason, in
 * which the target is named; STATUS_TIMEOUT when it took too long or *stop became true. */
enum status load_client_post(struct load_client *client, const void *body, size_t size,
	struct load_answer *answer, struct error *error) MUST_CHECK;

/* What the service says of itself on its metrics page. */
enum load_receiver { LOAD_UNKNOWN, LOAD_NIMBUSGUARD, LOAD_PROMETHEUS };

struct load_counters {
	enum load_receiver receiver;
	double stored, repeated, conflict, late, future; /* samples since its start */
	double series, series_created;
};

/* Reads the metrics page beside the receiver: what stands before /api/ in the URL, and /metrics.
 * LOAD_UNKNOWN when there is none or it is of another program. STATUS_UNAVAILABLE when nobody
 * answers at all. */
enum status load_counters_read(const struct load_target *target, struct load_counters *counters,
	struct error *error) MUST_CHECK;
/* The counters out of a page's text. */
void load_counters_parse(const char *page, struct load_counters *counters);

#endif
