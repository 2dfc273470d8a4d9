/*
 * The part of the Kubernetes API that NimbusGuard uses, over HTTP, on the simulated cluster.
 *
 * Served: GET of a namespace; of pods (one, or a list by labelSelector), replica sets, deployments,
 * their scale; lists of HPAs (always empty). PATCH (merge, strategic merge) of a deployment and its
 * scale; DELETE and eviction of a pod. Preconditions (resourceVersion, uid), dryRun=All and fieldManager are
 * honoured; what is not served is answered 404 with a Status, as an API server does.
 *
 * Ownership: the cluster is borrowed and must outlive the API.
 * Threads: requests run on the server's threads under the cluster's lock.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_API_H
#define NIMBUSGUARD_DEMO_KUBE_API_H

#include "base/error.h"
#include "demo/cluster.h"

struct kube_api;

struct kube_api *kube_api_start(struct cluster *cluster, unsigned port,
	struct error *error) MUST_CHECK;
unsigned kube_api_port(const struct kube_api *api);
void kube_api_stop(struct kube_api *api);

#endif
