/*
 * The simulated cluster's objects as Kubernetes would write them.
 *
 * Ownership: each function returns a new JSON value for the caller (json_decref), NULL when memory
 * is out. The caller holds the cluster's lock.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_OBJECTS_H
#define NIMBUSGUARD_DEMO_KUBE_OBJECTS_H

#include <jansson.h>

#include "demo/cluster.h"

json_t *kube_namespace(const char *name);
json_t *kube_node(const char *name);
/* As somebody applied it at the beginning: without a status. */
json_t *kube_deployment(const struct sim_workload *workload);
/* Of the Deployment as it is. */
json_t *kube_scale(const json_t *deployment);
/* A new revision of the Deployment's template, of the name and uid that the workload gives. */
json_t *kube_replicaset(const struct sim_workload *workload, const json_t *deployment);
/* A pod of the ReplicaSet, and its status. pod: the spec and labels of a pod as it is now. */
json_t *kube_pod(const struct sim_pod *pod, const json_t *replicaset);
json_t *kube_pod_status(const struct sim_pod *pod, const json_t *spec, bool ready);
json_t *kube_list(const char *kind, const char *api_version, json_t *items, uint64_t version);
json_t *kube_status(int code, const char *reason, const char *message);

#endif
