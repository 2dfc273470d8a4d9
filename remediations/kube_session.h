/*
 * What a session needs of its client. Only for kube_*.c and permission_watch.c.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_SESSION_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_SESSION_H

#include "remediations/curl_setup.h"
#include "remediations/kube_client.h"
#include "remediations/kube_config_credentials.h"

const struct kube_client_config *kube_client_config_of(const struct kube_client *client);
bool kube_client_stopped(const struct kube_client *client);
/* Waits; false when the client was stopped. */
bool kube_client_pause(struct kube_client *client, int64_t ms);

/* How to reach the server; lives as long as the client. */
struct kube_peer {
	const char *url;         /* to which a path is added */
	const char *connect_to;  /* for CURLOPT_CONNECT_TO; NULL: not needed */
	const char *host_header; /* NULL: the URL's */
	struct curl_setup setup; /* without its functions */
};

const struct kube_peer *kube_client_peer(const struct kube_client *client);
/* As kube_credentials_get(). */
enum status kube_client_credential(struct kube_client *client, uint64_t refused,
	struct kube_credential *credential, struct error *error) MUST_CHECK;

#endif
