/*
 * What a running NimbusGuard has in its rings, beside what Prometheus has.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_RINGS_H
#define NIMBUSGUARD_TESTS_SUPPORT_RINGS_H

#include <jansson.h>

#include "tests/support/servers.h"

/* The test fails unless the rings hold each sample between the two times that Prometheus has, by time
 * and value, and no other; stale markers, which Prometheus does not show, are left out. What is still on
 * its way is waited for: the stream may be late, and so may a rule's evaluation. external, or NULL: labels
 * that the stream adds where a series has none of that name. Returns how many samples they are. */
size_t rings_are_the_same(const struct server *nimbusguard, const struct server *prometheus,
	const json_t *external, double from_s, double to_s);

#endif
