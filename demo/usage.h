/*
 * Requests counted under the names of the usual instrumentations, so that what reads the metrics of any
 * service reads these: PREFIX_requests_total and the histogram PREFIX_request_duration_seconds, each with
 * handler, method and code, and process_*.
 *
 * Ownership: the prefix is borrowed for the life of the usage, texts of an observation are copied.
 * Limits: USAGE_CHILDREN_MAX combinations of labels; what comes with another one then counts as code "other".
 * Threads: any.
 */
#ifndef NIMBUSGUARD_DEMO_USAGE_H
#define NIMBUSGUARD_DEMO_USAGE_H

#include "base/buf.h"
#include "base/error.h"

#define USAGE_CHILDREN_MAX 64

struct usage;

/* NULL: no memory. */
struct usage *usage_open(const char *prefix) MUST_CHECK;
void usage_close(struct usage *usage); /* NULL allowed */
/* code: of HTTP, 0 for a request without an answer. */
void usage_observe(struct usage *usage, const char *handler, const char *method, int code,
	double seconds);
void usage_write(struct usage *usage, struct buf *buf);
/* process_* of this process. Once before: metrics_process_install(). */
void usage_write_process(struct buf *buf);

#endif
