/*
 * Which pods of a node a drain evicts, which it leaves, and which forbid it. The rules are those of
 * kubectl drain, in their order.
 *
 * Ownership: plain values; the pods are the caller's.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_DRAIN_PODS_H
#define NIMBUSGUARD_REMEDIATIONS_DRAIN_PODS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* X(word, reason code of the refusal; "" where the pod forbids nothing) */
#define DRAIN_WORD_TABLE(X)                                                                        \
	X(DRAIN_EVICT, "")                                                                         \
	X(DRAIN_GOING, "")    /* is being deleted: waited for */                                   \
	X(DRAIN_FINISHED, "") /* runs no more: left to those who clean up */                       \
	X(DRAIN_DAEMON, "")   /* its DaemonSet would put it back */                                \
	X(DRAIN_MIRROR, "")   /* the shadow of a static pod: the API server cannot end it */       \
	X(DRAIN_OWN, "drain_own_pod")        /* the pod that we run in */                          \
	X(DRAIN_LOCAL, "drain_local_data")   /* has an emptyDir, which is lost with it */          \
	X(DRAIN_UNOWNED, "drain_unowned")    /* nobody would make it anew */                       \
	X(DRAIN_UNREADABLE, "drain_unclear") /* no pod as the API describes it */

enum drain_word {
#define X(word, reason) word,
	DRAIN_WORD_TABLE(X)
#undef X
		DRAIN_WORD_COUNT
};

struct drain_rules {
	bool local_data;     /* emptyDir volumes may be lost */
	bool unowned;        /* pods without a controller may be lost */
	const char *own_pod; /* the name of the pod that we run in; NULL or "": none */
};

/* pod: of the API, as an item of a list. */
enum drain_word drain_judge(const json_t *pod, const struct drain_rules *rules);
/* "" when a pod of this word forbids nothing. */
const char *drain_word_reason(enum drain_word word);

struct drain_view {
	unsigned counts[DRAIN_WORD_COUNT];
	enum drain_word forbidden; /* of the first pod that forbids it; DRAIN_EVICT: none does */
	char pod[320];             /* "shop/web-1" of that pod */
};

/* Adds the pods of one page of a list to a zeroed view. */
void drain_add(struct drain_view *view, const json_t *list, const struct drain_rules *rules);
/* What must still go: to be evicted, or going. */
unsigned drain_left(const struct drain_view *view);
/* "evict 7 pods; 3 stay (2 of DaemonSets, 1 static)"; cut at size. */
void drain_write(const struct drain_view *view, char *text, size_t size);
/* Why it is forbidden, in a sentence; "" when it is not. */
void drain_write_refusal(const struct drain_view *view, char *text, size_t size);

#endif
