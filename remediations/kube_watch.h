/*
 * Watches on kinds of objects, so that looking at a target does not list them each time: one thread
 * with connections of its own holds a list of each kind and follows its changes.
 *
 * The rule is: in doubt read. An answer is given only while the list is whole, the stream is connected
 * and settled, and its last sign of life (an event or a bookmark, which comes about each minute) is at
 * most fresh_ms old; in all other cases, whatever the reason, KUBE_WATCH_UNSURE says that the API
 * server has to be asked. What a change takes as its precondition never comes from here.
 *
 * Limits: object_max objects; a kind that does not fit is forgotten and read instead, and tried again
 *   after later_ms. Pages of KUBE_WATCH_BODY_MAX, events of KUBE_WATCH_LINE_MAX bytes.
 * Threads: questions from any; they wait for no connection.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remediations/kube_client.h"
#include "remediations/kube_watch_store.h"

#define KUBE_WATCH_BODY_MAX (32u << 20)
#define KUBE_WATCH_LINE_MAX (4u << 20)
#define KUBE_WATCH_BIT(kind) (1u << (unsigned)(kind))

/* 0 takes the default. */
struct kube_watch_config {
	unsigned kinds;     /* bits of enum kube_watch_kind */
	size_t object_max;  /* 50,000 */
	int64_t fresh_ms;   /* 90 s */
	int64_t settle_ms;  /* without a sign, so long after connecting: 3 s */
	int64_t silence_ms; /* a stream without a byte for so long is cut: 150 s */
	int64_t backoff_ms; /* before the first repeat, doubled up to 30 times that: 1 s */
	int64_t later_ms; /* before a kind that is forbidden, absent or too large is tried: 5 min */
};

struct kube_watch;

/* Starts the thread. STATUS_NO_MEMORY. The client must outlive it. */
enum status kube_watch_open(struct kube_watch **opened, struct kube_client *client,
	const struct kube_watch_config *config, struct error *error) MUST_CHECK;
void kube_watch_close(struct kube_watch *watch);

enum kube_watch_word {
	KUBE_WATCH_UNSURE, /* ask the API server */
	KUBE_WATCH_NONE,   /* there is no such object */
	KUBE_WATCH_SEEN    /* *seen */
};

/* All take NULL for a watch that is switched off, which is never sure. */
enum kube_watch_word kube_watch_get(struct kube_watch *watch, enum kube_watch_kind kind,
	const char *namespace_name, const char *name, struct kube_seen *seen);
/* An object of the kind that refers to this one: an autoscaler of a workload, a pod of its owner. */
enum kube_watch_word kube_watch_find(struct kube_watch *watch, enum kube_watch_kind kind,
	const char *namespace_name, enum target_kind reference_kind, const char *reference_name,
	struct kube_seen *seen);
/* Whether questions about the kind are answered now, how many objects there are, and the age of the
 * last sign of life (-1: there was none). */
struct kube_watch_state {
	bool sure;
	size_t objects;
	int64_t age_ms;
	uint64_t lists; /* whole lists read since the start */
};
struct kube_watch_state kube_watch_state(struct kube_watch *watch, enum kube_watch_kind kind);

#endif
