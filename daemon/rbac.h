/*
 * A set of permissions as the objects of RBAC that grant it, and nothing more.
 *
 * Ownership: everything is borrowed.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_DAEMON_RBAC_H
#define NIMBUSGUARD_DAEMON_RBAC_H

#include "base/buf.h"
#include "remediations/permissions.h"

#define RBAC_NAMESPACES_MAX 128

struct rbac_question {
	const struct permissions *permissions;
	/* Names of the role and its binding; the subject. */
	const char *name, *account, *account_namespace;
	/* Where a Role is wanted instead of a ClusterRole; none: a ClusterRole for all. */
	const char *namespaces[RBAC_NAMESPACES_MAX];
	size_t namespace_count;
	/* Of leader election: a Role of its own, NAME-lease, in the lease's namespace; NULL: none. */
	const char *lease_name, *lease_namespace;
};

/* ServiceAccount, roles and bindings: YAML documents with the reason of each verb as a comment, or
 * one JSON object of kind List. The same question gives the same bytes. */
void rbac_write_yaml(struct buf *text, const struct rbac_question *question);
void rbac_write_json(struct buf *text, const struct rbac_question *question);

#endif
