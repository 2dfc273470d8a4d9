/*
 * Kubernetes Events on the objects that are acted on: each action that was sent, what became of it,
 * and why it was not done, for whoever runs `kubectl describe`.
 *
 * Told is: of an action that is sent, done, failed or of unknown outcome, and what verification said
 * of it; of a refusal, once an incident and reason, and only for objects that are opted in. The same
 * refusal of later incidents becomes the series of the first one's Event. In a dry run nothing is told,
 * for nothing is written to the cluster then.
 *
 * Limits: KUBE_EVENT_QUEUE_MAX wait, KUBE_EVENT_RATE a second; what is too much is dropped and
 *   counted. Nothing ever waits for it.
 * Threads: kube_events_told() from the engine's; one thread of its own with a connection.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_KUBE_EVENT_H
#define NIMBUSGUARD_REMEDIATIONS_KUBE_EVENT_H

#include "remediations/engine.h"
#include "remediations/kube_client.h"

#define KUBE_EVENT_QUEUE_MAX 256
#define KUBE_EVENT_RATE 10 /* a second, in the long run; KUBE_EVENT_BURST at once */
#define KUBE_EVENT_BURST 100
#define KUBE_EVENT_DRAIN_MS 2000 /* at the end, for what waits */

struct kube_events;

/* Takes the client over when STATUS_OK, and closes it with itself. STATUS_NO_MEMORY. */
enum status kube_events_open(struct kube_events **opened, struct kube_client *client,
	struct error *error) MUST_CHECK;
/* Right after opening, before anything is told: as kube_session_fence(). What may not be sent is dropped,
 * for whoever leads tells it. */
void kube_events_fence(struct kube_events *events, kube_fence_fn *fence, void *argument);
void kube_events_close(struct kube_events *events);
/* NULL: none are written. */
void kube_events_told(struct kube_events *events, const struct news *news);

#endif
