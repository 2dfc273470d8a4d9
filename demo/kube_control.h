/*
 * The controllers of the simulated cluster: what a Deployment asks for becomes ReplicaSets, pods and
 * rollouts of the simulation, and what the simulation did becomes objects; budgets are counted, Jobs
 * are complete at once. An autoscaler sets no replicas.
 *
 * Threads: the caller holds the cluster's lock.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_CONTROL_H
#define NIMBUSGUARD_DEMO_KUBE_CONTROL_H

#include "demo/cluster.h"
#include "demo/kube_store.h"

/* The objects of the beginning. False: memory is out. */
bool kube_control_begin(struct cluster *cluster, struct kube_store *store) MUST_CHECK;
/* Brings cluster and objects together; after each change of either. */
void kube_control_sync(struct cluster *cluster, struct kube_store *store);

/* What the budgets say of an eviction of this pod: 0, or the status and words of the refusal. */
int kube_control_evicts(const struct kube_store *store, const json_t *pod, json_t **answer);

#endif
