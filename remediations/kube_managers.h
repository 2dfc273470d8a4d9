/*
 * Who wrote a field of an object last, by its managedFields.
 *
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_MANAGERS_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_MANAGERS_H

#include <jansson.h>

#include "base/workload.h"
#include "remediations/actuator.h"

enum kube_written {
	KUBE_WRITTEN_REPLICAS,
	KUBE_WRITTEN_LIMITS,
	KUBE_WRITTEN_UNSCHEDULABLE,
	KUBE_WRITTEN_PAUSED,
	KUBE_WRITTEN_BOUNDS /* of an autoscaler: either */
};

/* The manager that holds the field, the newest of several; "" when none is told: nobody ever set it, or,
 * where there are no managedFields at all, who did is not known (untold). container: for limits, "" for
 * any. */
void kube_field_writer(const json_t *object, enum target_kind kind, enum kube_written field,
	const char *container, struct field_writer *writer);

#endif
