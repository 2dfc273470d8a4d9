/*
 * The part of the Kubernetes API that NimbusGuard uses, over HTTP, on the simulated cluster.
 *
 * Served, as demo/kube_path.h has it in its table: objects and lists by label and field selectors, watches
 * with bookmarks and 410; merge, strategic merge and JSON patches; the scale of a Deployment, evictions
 * under PodDisruptionBudgets, resizes of pods; Jobs, Events, Leases; reviews of access, which allow all.
 * Preconditions (resourceVersion, uid), dryRun=All and fieldManager are honoured, and managedFields kept.
 *
 * The simulation behind it has Deployments (revisions, rollouts that can be paused and rolled back),
 * their pods and two nodes. There are no StatefulSets, DaemonSets and custom resources; an autoscaler
 * sets no replicas, a Job runs no pod. What is not served is answered as by an API server, with a Status:
 * 404, or 405 where only the method is not served. Lists are not paged.
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
/* After cluster_step(): what it did is told to those who watch. */
void kube_api_step(struct kube_api *api);
void kube_api_stop(struct kube_api *api);

#endif
