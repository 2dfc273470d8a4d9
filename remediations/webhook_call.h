/*
 * Calls of actions that are no business of an API server: a signed webhook, and silences of an
 * Alertmanager.
 *
 * Ownership: commands are borrowed.
 * Limits: those of ticket_http.h; a body of WEBHOOK_BODY_MAX.
 * Threads: one thread's own; `stop` is read while a call is under way.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_WEBHOOK_CALL_H
#define NIMBUSGUARD_REMEDIATIONS_WEBHOOK_CALL_H

#include <stdatomic.h>

#include "base/clock.h"
#include "remediations/actuator.h"
#include "remediations/ticket_http.h"

#define WEBHOOK_BODY_MAX (64u << 10)

struct web_calling {
	const struct clock *clock;
	const atomic_bool *stop;        /* ends waits and calls */
	const struct send_fence *fence; /* NULL: none */
};

/*
 * command->payload: {"url" or "url_file","secret_file","ca_file","body"}. Signed as standard-webhooks
 * asks for it, the action's id as webhook-id and Idempotency-Key. Tried again until the command's
 * deadline, and no longer than the fence lets through, as long as nothing was sent or the receiver answers 429; COMMAND_UNKNOWN when it may have
 * been received and no clear answer came.
 */
void webhook_call(const struct web_calling *calling, const struct command *command,
	struct command_result *result);

/* Waits; false: it ends. */
bool web_pause(const struct web_calling *calling, int64_t ms);

#endif
