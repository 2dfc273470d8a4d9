/*
 * Objects of the simulated cluster that no workload stands behind: nodes, autoscalers, Jobs. They are
 * kept as they were written, with uid, resourceVersion and managedFields as an API server keeps them.
 * Nothing acts on them: an autoscaler sets no replicas, a cordoned node still gets pods, and a Job is
 * complete as soon as it is created.
 *
 * Served by path: GET of one and of the list, POST, PATCH (merge, and strategic merge of what has no
 * lists), DELETE; of nodes GET and PATCH.
 *
 * Ownership: answers are the caller's (json_decref).
 * Limits: KUBE_STORE_MAX objects, patches of KUBE_STORE_DEPTH maps in each other.
 * Threads: the caller holds the cluster's lock.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_STORE_H
#define NIMBUSGUARD_DEMO_KUBE_STORE_H

#include <jansson.h>

#include "demo/cluster.h"

#define KUBE_STORE_MAX 512
#define KUBE_STORE_DEPTH 16

struct kube_store;

/* With the nodes that the simulated pods are on. NULL: no memory. The cluster is borrowed. */
struct kube_store *kube_store_open(struct cluster *cluster) MUST_CHECK;
void kube_store_close(struct kube_store *store);

struct kube_store_call {
	const char *method, *path; /* the path without its query */
	const char *manager;       /* fieldManager; NULL: unknown */
	bool dry;                  /* judged and answered, and not kept */
	const json_t *body;        /* of POST and PATCH: an object */
	const char *uid;           /* of DELETE: the precondition, or NULL */
};

/* The HTTP status; 0: the path is none of the store's. *answer: the object or list, or the Status of a
 * refusal; NULL when memory is out. */
int kube_store_serve(struct kube_store *store, const struct kube_store_call *call, json_t **answer);

#endif
