/*
 * A service account on the real Kubernetes of an end-to-end test, and what it may do there.
 *
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_ACCOUNT_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_ACCOUNT_H

#include <stddef.h>

#include "remediations/permissions.h"
#include "tests/support/kube_cluster.h"

/* The account, which may do nothing yet, with a Role in its namespace and a ClusterRole that are bound to
 * it, all of that name. */
void kube_account_make(struct kube_cluster *cluster, const char *namespace_name, const char *name);
/* From now on it may do what is listed but for one of them (NULL: all of it): in its namespace, and what
 * is cluster_wide anywhere. The server may take a moment to follow. */
void kube_account_allow(struct kube_cluster *cluster, const char *namespace_name, const char *name,
	const struct permission *list, size_t count, const struct permission *without);
/* Creates what `nimbusguard rbac --format=json` printed with these flags (NULL-terminated, at most 12),
 * but for a service account that is there. */
void kube_account_bind(struct kube_cluster *cluster, const char *const *flags);
/* What `nimbusguard rbac` says with these flags (free), and its exit status. */
char *kube_account_ask(struct kube_cluster *cluster, const char *const *flags, int *status);

#endif
