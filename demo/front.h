/*
 * The small HTTP servers of the sample workload and of the load on it: one on receiver/server.h without
 * access control, and parameters of a query that are what they should be.
 *
 * Threads: as receiver/server.h says.
 */
#ifndef NIMBUSGUARD_DEMO_FRONT_H
#define NIMBUSGUARD_DEMO_FRONT_H

#include "base/error.h"
#include "receiver/server.h"

struct front;

/* NULL with why. routes are copied. */
struct front *front_open(const char *listen_address, const struct route *routes, size_t route_count,
	struct error *error) MUST_CHECK;
unsigned front_port(const struct front *front);
void front_close(struct front *front, int64_t drain_ms); /* NULL allowed */
/* Answers with a metrics page, or 503 when there was no memory for it. */
void front_reply_metrics(struct request *request, const struct buf *page);

/* Refuses a parameter that is none of these names (up to a NULL). */
enum status query_known(const struct request *request, const char *const *known,
	struct error *error) MUST_CHECK;
/* A parameter of the query; what was not given stays as it is, unless it is needed. STATUS_BAD_INPUT
 * names it and what it may be. */
enum status query_natural(const struct request *request, const char *name, bool needed,
	uint64_t min, uint64_t max, uint64_t *value, struct error *error) MUST_CHECK;
/* Bytes with a suffix, such as 64MiB; at least 1. */
enum status query_size(const struct request *request, const char *name, bool needed, uint64_t max,
	uint64_t *value, struct error *error) MUST_CHECK;
/* Such as 30s, from 1 ms to max_ms. */
enum status query_duration(const struct request *request, const char *name, bool needed,
	int64_t max_ms, int64_t *ms, struct error *error) MUST_CHECK;
/* From 0 to 1. */
enum status query_share(const struct request *request, const char *name, bool needed, double *value,
	struct error *error) MUST_CHECK;

#endif
