/*
 * The pods of a workload as adjust_resources sees them before it resizes them in place, and which of
 * them a plan names.
 *
 * Ownership: plain values.
 * Limits: RESIZE_PODS_MAX pods; of more a workload is rolled out.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_RESIZE_VIEW_H
#define NIMBUSGUARD_REMEDIATIONS_RESIZE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "remediations/change.h"

#define RESIZE_PODS_MAX 32
#define RESIZE_UID_MAX 40 /* a UUID has 36 characters */

/* X(way, word in playbooks) */
#define IN_PLACE_TABLE(X)                                                                          \
	X(IN_PLACE_NEVER, never)   /* by a rollout */                                              \
	X(IN_PLACE_PREFER, prefer) /* in place where it can be done, else by a rollout */          \
	X(IN_PLACE_REQUIRE, require)

enum in_place {
#define X(way, word) way,
	IN_PLACE_TABLE(X)
#undef X
		IN_PLACE_COUNT
};

const char *in_place_word(enum in_place way);

/* By their uids, so that a successor of the same name is another pod. */
struct resize_pods {
	unsigned count;
	char uids[RESIZE_PODS_MAX][RESIZE_UID_MAX];
};

bool resize_pods_have(const struct resize_pods *pods, const char *uid);

/* What one container of a pod has; 0: none. */
struct resize_pod {
	char uid[RESIZE_UID_MAX];
	int64_t memory_limit_bytes, cpu_limit_milli, memory_request_bytes, cpu_request_milli;
	bool pending; /* the kubelet has not done what was asked of it last */
};

struct resize_view {
	bool looked;    /* what follows is filled */
	bool too_many;  /* there are more, or one that cannot be named */
	unsigned idle;  /* pods that do not run yet */
	unsigned count; /* pods that run */
	struct resize_pod pods[RESIZE_PODS_MAX];
};

/* The value of a pod's field; false where it is none of resources. */
bool resize_pod_value(const struct resize_pod *pod, enum change_field field, int64_t *value);
/* Whether it has each value after the changes, or each before. */
bool resize_pod_has(const struct resize_pod *pod, const struct changes *changes, bool after);

#endif
