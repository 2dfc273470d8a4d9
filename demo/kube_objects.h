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
json_t *kube_deployment(const struct sim_workload *workload);
json_t *kube_scale(const struct sim_workload *workload);
json_t *kube_replicaset(const struct sim_workload *workload);
json_t *kube_pod(const struct cluster *cluster, const struct sim_workload *workload, int pod);
json_t *kube_list(const char *kind, const char *api_version, json_t *items, uint64_t version);
json_t *kube_status(int code, const char *reason, const char *message);

#endif
