/*
 * What a session needs of its client. Only for kube_client.c and kube_session.c.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_SESSION_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_SESSION_H

#include "remediations/kube_client.h"

const struct kube_client_config *kube_client_config_of(const struct kube_client *client);
bool kube_client_stopped(const struct kube_client *client);
/* Waits; false when the client was stopped. */
bool kube_client_pause(struct kube_client *client, int64_t ms);
/* The Authorization header (mem_free), NULL where there is no token. refused: the server did not
 * take the last one, so the file is read again. */
enum status kube_client_token(struct kube_client *client, bool refused, char **header,
	struct error *error) MUST_CHECK;

#endif
