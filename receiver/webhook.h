/*
 * Alertmanager's webhook, version 4: bytes to events.
 *
 * Ownership: the batch belongs to the caller (event_batch_fini).
 * Limits: alert_max alerts a message (the rest are counted as truncated), depth 16, label and
 *   annotation limits of base/event.h; the body's size was bounded by the server.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_RECEIVER_WEBHOOK_H
#define NIMBUSGUARD_RECEIVER_WEBHOOK_H

#include "base/event.h"

/* STATUS_BAD_INPUT names the field (and for JSON errors line and column). A bad alert among good
 * ones is counted in batch->invalid_count (and metric ALERTS_INVALID by reason), not an error.
 * Alerts that carry the label nimbusguard="true" are our own and are left out, counted with reason
 * "own_alert". received_ms is written into each event. */
enum status webhook_parse(const void *body, size_t size, size_t alert_max, int64_t received_ms,
	struct event_batch *batch, struct error *error) MUST_CHECK;

#endif
