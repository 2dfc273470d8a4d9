/*
 * Requests to a service at the moments at which its visits come, and how long each of them took from the moment
 * at which it was to begin. The moments do not depend on the answers: a service that stalls delays what
 * queues behind, and that is in the latencies (no coordinated omission).
 *
 * Ownership: texts of the configuration and the points of its visits are borrowed until drive_close().
 * Limits: DRIVE_CONNECTIONS_MAX requests under way at once; what finds all connections taken begins late,
 *   and what has not begun when the time is over and one timeout more counts as unsent.
 * Threads: one for each connection; any may read and stop, one closes.
 */
#ifndef NIMBUSGUARD_DEMO_DRIVE_H
#define NIMBUSGUARD_DEMO_DRIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "demo/latency.h"
#include "demo/visits.h"

#define DRIVE_CONNECTIONS_MAX 1024
#define DRIVE_CODES_MAX 16
#define DRIVE_TIMEOUT_MAX_MS 60000

struct drive_config {
	const char *url;      /* http(s)://..., asked with GET */
	const char *token;    /* bearer token, or NULL */
	const char *ca_file;  /* or NULL */
	struct visits visits; /* complete */
	uint32_t connections; /* 1 to DRIVE_CONNECTIONS_MAX */
	int64_t timeout_ms;   /* of a request */
	/* Told of each request when it has ended, on its connection's thread; code 0: no answer. NULL: nobody. */
	void (*tell)(void *argument, int code, int64_t from_due_ns);
	void *argument;
};

struct drive_code {
	int code;
	uint64_t requests;
};

struct drive_result {
	uint64_t sent, answered, failed; /* failed: without an answer */
	uint64_t good;                   /* answered 2xx or 3xx */
	uint64_t late;                   /* begun more than 10 ms after they were due */
	uint64_t unsent;
	struct drive_code codes[DRIVE_CODES_MAX];
	uint32_t code_count;
	struct latency due,
		sent_on; /* time to the end, from when it was due and from when it began */
	int64_t spent_ns;
	double rate_now; /* that is wanted just now; 0 when it is over */
	bool over, stopped;
	char failure[200]; /* of the first request without an answer */
};

struct drive;

/* What is wrong with it, but for its visits. STATUS_BAD_INPUT. */
enum status drive_check(const struct drive_config *config, struct error *error) MUST_CHECK;
/* Once before the first, on the main thread: load_client_library_init() of demo/load_client.h. */
struct drive *drive_open(const struct drive_config *config, struct error *error) MUST_CHECK;
void drive_read(struct drive *drive, struct drive_result *result);
/* No further request begins, and those under way are given up. */
void drive_stop(struct drive *drive);
/* Returns when all is over, or after so long: whether it is. */
bool drive_wait(struct drive *drive, int64_t ms);
void drive_close(struct drive *drive); /* NULL allowed */

/* ---- report ---- */

/* Every request was sent and answered 2xx or 3xx. */
bool drive_good(const struct drive_result *result);
void drive_write_report(FILE *out, const struct drive_config *config,
	const struct drive_result *result);
/* One JSON object. */
void drive_write_json(struct buf *out, const struct drive_config *config,
	const struct drive_result *result);

#endif
