/*
 * What the service must be allowed to do in a cluster: the verbs of looking at a target and
 * those of each action (its class, actions/), folded over the enabled playbooks.
 *
 * Ownership: a set is a plain value; its texts are constants or copied.
 * Limits: PERMISSIONS_MAX entries, more than the tables can give.
 * Order: by API group, resource, verb.
 * Threads: pure, but for permissions_review(), which is the session's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_PERMISSIONS_H
#define NIMBUSGUARD_REMEDIATIONS_PERMISSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "remediations/kube_client.h"
#include "remediations/kube_watch.h"
#include "remediations/playbook.h"

#define PERMISSIONS_MAX 128
#define PERMISSION_FOR_MAX 256

struct permission {
	const char *group, *resource,
		*verb;      /* resource with its subresource: "deployments/scale" */
	const char *object; /* the only one that it is about; NULL: all */
	bool cluster_wide;  /* the resource lives in no namespace, or in any */
	bool optional;      /* the playbook works without: to watch, to write Events */
	bool for_all;       /* of use for all namespaces only: to watch what is read otherwise */
	char reason[PERMISSION_FOR_MAX];    /* what is done with it */
	char playbooks[PERMISSION_FOR_MAX]; /* "a, b", cut with "..." */
};

struct permissions {
	struct permission list[PERMISSIONS_MAX];
	size_t count;
};

/* What this playbook needs, added to the set. One that is disabled needs nothing; one whose mode is
 * observe or suggest never changes anything and only looks. */
void permissions_add(struct permissions *permissions, const struct playbook *playbook);
/* Of all playbooks. */
void permissions_of(struct permissions *permissions, const struct playbooks *playbooks);

/* What leader election by the lease of this name (borrowed) needs in the lease's namespace, in order. */
#define PERMISSIONS_LEASE 3
void permissions_of_lease(const char *name, struct permission list[PERMISSIONS_LEASE]);

/* The kinds that may be watched with this set, bits as in remediations/kube_watch.h. */
unsigned permissions_watched(const struct permissions *permissions);

/* Whether the set holds the call of an API server: method and path as kube_session_call() takes them.
 * What every authenticated user may read (the discovery of API groups) is held by every set. */
bool permissions_hold(const struct permissions *permissions, enum kube_method method,
	const char *path);

/*
 * API groups of others that a cluster need not have (KEDA, the VerticalPodAutoscaler): of one that it
 * has not nothing is ever read. *absent: bits of those, for permission_is_absent().
 */
enum status permissions_absent(struct kube_session *session, unsigned *absent,
	struct error *error) MUST_CHECK;
bool permission_is_absent(const struct permission *permission, unsigned absent);

/*
 * Asks the cluster by a SelfSubjectAccessReview whether we are allowed to. namespace_name: NULL or ""
 * for all namespaces. Errors as kube_session_call(); *allowed is then false.
 */
enum status permission_review(struct kube_session *session, const struct permission *permission,
	const char *namespace_name, bool *allowed, struct error *error) MUST_CHECK;

#endif
