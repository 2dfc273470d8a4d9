/*
 * What waits to be sent by remote write, and the thread that sends it: one request after the other, in
 * their order, as the protocol wants it for samples of one series.
 *
 * What became of a request, by remote write's rules: 2xx: sent. 5xx, 429, no answer: tried again after
 * wait_first_ms and up to wait_max_ms, or when Retry-After says, until it is older than age_max_ms. Anything
 * else: refused, dropped and told in the log.
 *
 * Which protocol: that of the configuration, or the receiver's. 2.0 is tried first; an answer of 2xx that counts
 * what was written, as 2.0 wants it, settles it. 2xx without counting (a receiver of 1.0 reads a body of 2.0
 * as an empty one), 415 and 400 settle 1.0, and the same samples go out as that; so until it is settled a
 * request waits in both forms. A receiver that answers 415 later is written to in 1.0 from then on; what waits in
 * 2.0 alone is said again in 1.0 as it is sent.
 *
 * Ownership: bodies are copied; texts of the target are borrowed. Files are read anew for each request.
 * Limits: bytes_max of bodies; where a further one does not fit, the oldest that wait make room.
 *   nimbusguard_remote_write_out_samples_total counts all of that.
 * Threads: a thread of its own; adding from any, open and close from one.
 */
#ifndef NIMBUSGUARD_DAEMON_WRITE_QUEUE_H
#define NIMBUSGUARD_DAEMON_WRITE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define WRITE_HEADERS_MAX 8

/* A header of the configuration. */
struct write_header {
	const char *text; /* NAME=VALUE, or NAME=PATH of the file with the value; NULL: none */
	bool file;
};

/* NULL: none. */
struct write_target {
	const char *url;
	const char *token_file, *user, *password_file, *ca_file, *cert_file, *key_file;
	struct write_header headers[WRITE_HEADERS_MAX];
	int64_t timeout_ms;
};

enum write_protocol { WRITE_1_0, WRITE_2_0, WRITE_PROTOCOLS };
enum write_negotiation { WRITE_ONLY_1_0, WRITE_ONLY_2_0, WRITE_EITHER };

/* One request in one protocol, compressed. */
struct write_form {
	const void *bytes; /* NULL: not in this one */
	size_t size;
};

struct write_queue_config {
	struct write_target target;
	enum write_negotiation negotiation;
	size_t bytes_max;
	int64_t age_max_ms, wait_first_ms, wait_max_ms;
};

/* STATUS_BAD_INPUT: no such address, halves of credentials, or two kinds of them; names the setting. */
enum status write_target_check(const struct write_target *target, struct error *error) MUST_CHECK;

struct write_queue;

/* config: copied, its texts borrowed. */
struct write_queue *write_queue_open(const struct write_queue_config *config,
	struct error *error) MUST_CHECK;
/* Tries for flush_ms to send what waits, then ends; the rest is counted as given up. NULL is allowed. */
void write_queue_close(struct write_queue *queue, int64_t flush_ms);
/* Whether requests are to be added in that protocol; in one at least. */
bool write_queue_wants(const struct write_queue *queue, enum write_protocol protocol);
/* A request with that many samples. */
void write_queue_add(struct write_queue *queue, const struct write_form forms[WRITE_PROTOCOLS],
	size_t samples);

#endif
