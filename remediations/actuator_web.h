/*
 * The actuator of what is no business of an API server: webhooks and an Alertmanager's silences, each
 * with a thread of its own, so that a receiver that hangs holds up no silence.
 *
 * Ownership: config's texts are copied; commands too, with their payload.
 * Limits: WEB_QUEUE_MAX commands wait for each (STATUS_BUSY past that).
 * Threads: send from any; answers come on the actuator's threads.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_ACTUATOR_WEB_H
#define NIMBUSGUARD_REMEDIATIONS_ACTUATOR_WEB_H

#include "base/clock.h"
#include "remediations/actuator.h"
#include "remediations/alertmanager.h"

#define WEB_QUEUE_MAX 256

struct actuator_web_config {
	struct alertmanager_config alertmanager; /* url NULL: none, and no silences */
	const struct clock *clock;
	struct send_fence fence; /* past it commands are answered COMMAND_FAILED, not sent */
};

/* It does not observe. STATUS_NO_MEMORY. */
enum status actuator_web_open(struct actuator *actuator, const struct actuator_web_config *config,
	const struct actuator_sink *sink, struct error *error) MUST_CHECK;

#endif
