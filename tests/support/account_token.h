/*
 * A service account's token that we sign ourselves, by the key of a kube_cluster: with an end that the API
 * server would not give it, which is ten minutes ahead at least.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ACCOUNT_TOKEN_H
#define NIMBUSGUARD_TESTS_SUPPORT_ACCOUNT_TOKEN_H

#include "tests/support/kube_cluster.h"

/* The token (free), good for so many seconds from now, of an account that is there. */
char *account_token_sign(struct kube_cluster *cluster, const char *namespace_name,
	const char *account, long valid_s);

#endif
