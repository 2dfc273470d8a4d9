/*
 * What the parts of the JSON API share: parameters of requests, the envelope of answers.
 * Threads: pure functions on a request, which belongs to one thread.
 */
#ifndef NIMBUSGUARD_DAEMON_API_H
#define NIMBUSGUARD_DAEMON_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/workload.h"
#include "receiver/server.h"

/* The data, or the error of status; a buffer that failed is too large. */
void api_reply(struct request *request, struct buf *json, enum status status,
	const struct error *error);
/* namespace=, kind=, workload= (and cluster=): all of the first three, or none. */
enum status api_read_workload(const struct request *request, struct workload_key *key, bool *given,
	struct error *error) MUST_CHECK;
/* limit=n, 1 to max; fallback where it is not given. */
enum status api_read_limit(const struct request *request, size_t fallback, size_t max,
	size_t *limit, struct error *error) MUST_CHECK;
/* start= and end=; end is now and start default_ms before it where they are not given. */
enum status api_read_range(const struct request *request, int64_t now_ms, int64_t default_ms,
	int64_t *from_ms, int64_t *to_ms, struct error *error) MUST_CHECK;

#endif
