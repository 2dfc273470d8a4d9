/*
 * VerticalPodAutoscalers (autoscaling.k8s.io/v1): one that targets a workload sets the requests and
 * limits of its pods, unless its mode is Off.
 *
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_VERTICAL_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_VERTICAL_H

#include "remediations/kube_observe.h"

#define KUBE_VERTICAL_GROUP "autoscaling.k8s.io"

/* Fills observation->owner_of_resources for the target's workload. A cluster without the API group has
 * none, and then nothing else is asked. An error: the list could not be read, and might hold one. */
enum status kube_vertical_look(struct kube_look *look, struct observation *observation,
	struct error *error) MUST_CHECK;

#endif
