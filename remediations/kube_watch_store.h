/*
 * What is kept of the objects that are watched: a few fields each, found by kind, namespace and name.
 *
 * Ownership: the store owns its entries; a struct kube_seen is the caller's copy.
 * Limits: object_max objects of all kinds together.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_STORE_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workload.h"
#include "remediations/kube_object.h"

/* X(kind, API group, version, resource) */
#define KUBE_WATCH_TABLE(X)                                                                        \
	X(KUBE_WATCH_NAMESPACES, "", "v1", "namespaces")                                           \
	X(KUBE_WATCH_PODS, "", "v1", "pods")                                                       \
	X(KUBE_WATCH_NODES, "", "v1", "nodes")                                                     \
	X(KUBE_WATCH_DEPLOYMENTS, "apps", "v1", "deployments")                                     \
	X(KUBE_WATCH_STATEFULSETS, "apps", "v1", "statefulsets")                                   \
	X(KUBE_WATCH_DAEMONSETS, "apps", "v1", "daemonsets")                                       \
	X(KUBE_WATCH_REPLICASETS, "apps", "v1", "replicasets")                                     \
	X(KUBE_WATCH_AUTOSCALERS, "autoscaling", "v2", "horizontalpodautoscalers")                 \
	X(KUBE_WATCH_SCALED_OBJECTS, "keda.sh", "v1alpha1", "scaledobjects")                       \
	X(KUBE_WATCH_BUDGETS, "policy", "v1", "poddisruptionbudgets")

enum kube_watch_kind {
#define X(kind, group, version, resource) kind,
	KUBE_WATCH_TABLE(X)
#undef X
		KUBE_WATCH_KIND_COUNT
};

const char *kube_watch_group(enum kube_watch_kind kind);
const char *kube_watch_version(enum kube_watch_kind kind);
const char *kube_watch_resource(enum kube_watch_kind kind);

struct kube_seen {
	char namespace_name[NAMESPACE_MAX], name[OBJECT_NAME_MAX];
	char uid[UID_MAX], resource_version[UID_MAX];
	enum kube_flag managed, paused, dry_run; /* annotations nimbusguard.io/... */
	bool terminating;
	/* Of autoscalers and ScaledObjects what they scale, of all else the controller that owns it;
	 * TARGET_NONE with a name: a kind that we don't know. */
	enum target_kind reference_kind;
	char reference_name[OBJECT_NAME_MAX], reference_uid[UID_MAX];
	/* Of a pod its node, of an autoscaler the ScaledObject that made it; "" when none. */
	char further[OBJECT_NAME_MAX];
	/* Of a node and a pod: ready (1) or not; of workloads and autoscalers as they say. */
	int32_t replicas, ready_replicas;
	int32_t restarts;            /* of a pod's containers, the most */
	int32_t disruptions_allowed; /* of a budget */
	bool unschedulable;          /* of a node */
	bool rolled_out; /* of a workload: its controller has seen the newest generation */
};

struct kube_watch_store;

/* NULL: no memory. */
struct kube_watch_store *kube_watch_store_open(size_t object_max) MUST_CHECK;
void kube_watch_store_close(struct kube_watch_store *store);

/* Puts the object in place of what was there. round: of the list that it came with.
 * STATUS_BAD_INPUT: it has no name, uid or version, or one is too long; STATUS_LIMIT: the store is
 * full; STATUS_NO_MEMORY. */
enum status kube_watch_store_put(struct kube_watch_store *store, enum kube_watch_kind kind,
	const json_t *object, uint32_t round) MUST_CHECK;
void kube_watch_store_remove(struct kube_watch_store *store, enum kube_watch_kind kind,
	const json_t *object);
/* Removes all of a kind that were last put in another round; clear: all of them. */
void kube_watch_store_sweep(struct kube_watch_store *store, enum kube_watch_kind kind,
	uint32_t round);
void kube_watch_store_clear(struct kube_watch_store *store, enum kube_watch_kind kind);

/* namespace_name "" for kinds that live in none. */
bool kube_watch_store_get(const struct kube_watch_store *store, enum kube_watch_kind kind,
	const char *namespace_name, const char *name, struct kube_seen *seen);
/* One of a kind whose reference is this object. */
bool kube_watch_store_find(const struct kube_watch_store *store, enum kube_watch_kind kind,
	const char *namespace_name, enum target_kind reference_kind, const char *reference_name,
	struct kube_seen *seen);
size_t kube_watch_store_count(const struct kube_watch_store *store, enum kube_watch_kind kind);
/* Bytes held for all kinds. */
size_t kube_watch_store_bytes(const struct kube_watch_store *store);

#endif
