/*
 * The objects of the simulated cluster, as an API server keeps them: each under its path, with uid,
 * resourceVersion, generation and managedFields, and what became of them lately, for watches.
 *
 * Ownership: objects that are given are taken; answers are the caller's (json_decref), but for those
 *   that are said to be borrowed.
 * Limits: KUBE_STORE_MAX objects and KUBE_STORE_EVENTS changes; who watches from before the oldest of
 *   these is told so (410).
 * Threads: the caller holds the cluster's lock.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_STORE_H
#define NIMBUSGUARD_DEMO_KUBE_STORE_H

#include <jansson.h>

#include "base/buf.h"
#include "demo/cluster.h"
#include "demo/kube_path.h"
#include "demo/kube_patch.h"

#define KUBE_STORE_MAX 2048
#define KUBE_STORE_EVENTS 512

struct kube_store;

/* Empty. NULL: no memory. The cluster is borrowed: its version is the store's. */
struct kube_store *kube_store_open(struct cluster *cluster) MUST_CHECK;
void kube_store_close(struct kube_store *store);

/* Borrowed until the next change; NULL: there is none. */
const json_t *kube_store_get(const struct kube_store *store, const char *key);
/* Calls visit with each object of a resource, borrowed, until it says false; the store must not be
 * changed meanwhile. space "": of all namespaces. */
void kube_store_each(const struct kube_store *store, const struct kube_resource *resource,
	const char *space, bool (*visit)(const json_t *object, void *argument), void *argument);

/* Puts an object in the place of what was there, or anew; what is the same changes nothing. What a
 * server keeps (uid, generation, resourceVersion) is filled in; with a writer, who wrote what. The
 * new object, borrowed; NULL: memory is out, or the store is full. */
const json_t *kube_store_put(struct kube_store *store, const struct kube_resource *resource,
	const char *key, json_t *object, const struct kube_writer *writer);
void kube_store_remove(struct kube_store *store, const char *key);

/* A client's call. */
struct kube_store_call {
	const struct kube_place *place;
	const char *manager; /* fieldManager; NULL: unknown */
	bool dry;            /* judged and answered, and not kept */
	const json_t *body;  /* of POST, PUT and PATCH */
	enum kube_patch_kind patch;
	const char *uid; /* of DELETE: the precondition, or NULL */
};

/* All give the HTTP status, and in *answer the object or list, or the Status of a refusal; NULL when
 * memory is out. */
int kube_store_list(const struct kube_store *store, const struct kube_place *place,
	const struct kube_selection *selection, json_t **answer);
int kube_store_create(struct kube_store *store, const struct kube_store_call *call,
	json_t **answer);
int kube_store_patch(struct kube_store *store, const struct kube_store_call *call, json_t **answer);
int kube_store_replace(struct kube_store *store, const struct kube_store_call *call,
	json_t **answer);
int kube_store_delete(struct kube_store *store, const struct kube_store_call *call,
	json_t **answer);
int kube_refuse(json_t **answer, int code, const char *reason, const char *message);

/* Writes what happened to a place's objects after *version, a line each, and moves *version on.
 * False: some of that is forgotten. */
bool kube_store_events(const struct kube_store *store, const struct kube_place *place,
	uint64_t *version, struct buf *lines);
/* A bookmark: nothing happened until now. */
void kube_store_bookmark(const struct kube_store *store, const struct kube_place *place,
	uint64_t *version, struct buf *lines);

#endif
