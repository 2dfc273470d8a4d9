/*
 * Carrying out a command on the cluster.
 *
 * Threads: those of the session.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_SEND_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_SEND_H

#include "base/clock.h"
#include "remediations/actuator.h"
#include "remediations/kube_client.h"

/* Fills *result. clock: of command->deadline_ms. */
void kube_send(struct kube_session *session, const struct clock *clock,
	const struct command *command, struct command_result *result);

#endif
