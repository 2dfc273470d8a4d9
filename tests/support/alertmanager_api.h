/*
 * What a test asks of a real Alertmanager, and tells it in Prometheus' place.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ALERTMANAGER_API_H
#define NIMBUSGUARD_TESTS_SUPPORT_ALERTMANAGER_API_H

#include "tests/support/servers.h"

/* An alert that fires from now on; labels are members of an object, in which ' stands for ". */
void alertmanager_fire(const struct server *manager, const char *labels);
/* How many silences are "active", "expired" or "pending". */
size_t alertmanager_silences(const struct server *manager, const char *state);

#endif
