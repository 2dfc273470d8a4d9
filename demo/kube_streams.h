/*
 * Watches on the simulated cluster: what happens to the objects of a place, line by line as it happens,
 * with bookmarks while nothing does.
 *
 * Threads: any. The cluster's lock is taken by the streams themselves, and must not be held by callers.
 */
#ifndef NIMBUSGUARD_DEMO_KUBE_STREAMS_H
#define NIMBUSGUARD_DEMO_KUBE_STREAMS_H

#include "demo/kube_store.h"
#include "receiver/server.h"

struct kube_streams;

/* NULL: no memory. Both are borrowed. */
struct kube_streams *kube_streams_open(struct cluster *cluster,
	const struct kube_store *store) MUST_CHECK;
/* After the server was stopped, which ends all streams. */
void kube_streams_close(struct kube_streams *streams);

/* Answers the request with the place's events since its resourceVersion. */
void kube_streams_serve(struct kube_streams *streams, struct request *request,
	const struct kube_place *place);
/* Something may have happened, or a bookmark may be due. */
void kube_streams_wake(struct kube_streams *streams);

#endif
