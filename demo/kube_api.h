/*
 * The part of the Kubernetes API that NimbusGuard uses, over HTTP, on the simulated cluster.
 *
 * Served:
 *   GET     a namespace; pods (one, or a list by labelSelector), replica sets, deployments, their scale
 *   PATCH   a deployment (replicas, the template's annotations and limits) and its scale
 *   DELETE  of a pod, and its eviction
 *   nodes, HPAs and Jobs as demo/kube_store.h says
 * Merge and strategic merge patches; preconditions (resourceVersion, uid), dryRun=All and fieldManager are
 * honoured. What is not served is answered as by an API server, with a Status: 404, or 405 where only the
 * method is not served; a field that is not simulated is refused with 422. There are no watches, no
 * revisions, no disruption budgets, and rollouts take no time that could be paused.
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
