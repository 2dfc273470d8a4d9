/*
 * What an API server asks of an object before it takes it: of the kinds and fields that the simulated
 * cluster acts on.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_RULES_H
#define NIMBUSGUARD_DEMO_KUBE_RULES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "demo/kube_path.h"

/* before NULL: it is new. False: what is wrong stands in error. */
bool kube_rules_hold(const struct kube_place *place, const json_t *before, const json_t *after,
	struct error *error);

#endif
