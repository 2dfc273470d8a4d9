/*
 * What a running NimbusGuard has in its rings, beside what Prometheus has.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_RINGS_H
#define NIMBUSGUARD_TESTS_SUPPORT_RINGS_H

#include <jansson.h>

#include "tests/support/servers.h"

/* The text of a label set, its names sorted: the same at both sides (free). */
char *rings_key(const json_t *labels);
/* Our series by the text of their label sets, without stale markers: an object of lists of
 * [time, "value"]. The test fails when a label set stands twice. */
json_t *rings_read(const struct server *nimbusguard, const char *match, double from_s, double to_s);
/* The test fails when the samples are not the same by time and value; ours may be NULL, which is a
 * failure too. */
void rings_compare(const char *key, const json_t *theirs, const json_t *ours);

#endif
