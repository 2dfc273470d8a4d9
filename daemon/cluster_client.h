/*
 * The cluster that the settings name, for commands that ask it something.
 *
 * Ownership: the caller's, until cluster_client_close().
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CLUSTER_CLIENT_H
#define NIMBUSGUARD_DAEMON_CLUSTER_CLIENT_H

#include "daemon/config.h"
#include "remediations/kube_client.h"

struct cluster_client {
	struct kube_client *client;
	struct kube_session *session;
};

/* Whether the settings name a cluster, or the program runs in one. */
bool cluster_client_known(const struct config *config);
/* Connects to nothing yet. Errors as kube_client_open() and kube_config_in_cluster(). */
enum status cluster_client_open(struct cluster_client *cluster, const struct config *config,
	struct error *error) MUST_CHECK;
void cluster_client_close(struct cluster_client *cluster);

#endif
