/*
 * Alertmanager's webhook, version 4: bytes to events.
 *
 * Ownership: the batch belongs to the caller (event_batch_fini).
 * Limits: alert_max alerts a message (the rest are counted as truncated), depth 16, an alert of at
 *   most WEBHOOK_ALERT_SIZE_MAX bytes, label and annotation limits of base/event.h; the body's size
 *   was bounded by the server. Memory: what is kept of the alerts, and one alert's strings.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_RECEIVER_WEBHOOK_H
#define NIMBUSGUARD_RECEIVER_WEBHOOK_H

#include "base/event.h"

#define WEBHOOK_DEPTH_MAX 16
#define WEBHOOK_ALERT_SIZE_MAX (1024 * 1024)

/*
 * STATUS_BAD_INPUT names the field (and for JSON errors line and column), STATUS_NO_MEMORY.
 *
 * A bad alert among good ones is counted in batch->invalid_count (and metric ALERTS_INVALID by
 * reason: not_an_object, size, status, labels, annotations, time, text, repeated_field), not an
 * error. Alerts that carry the label nimbusguard="true" are our own and are left out, counted in
 * batch->own_count and with reason "own_alert". batch->truncated_count is what the sender cut off
 * plus what is past alert_max; each event of such a message is marked. received_ms is written into
 * each event.
 *
 * The fingerprint is always computed from the labels; one given that differs is logged and not
 * used. A zero endsAt (year 1) is 0. Labels with an empty value are dropped, as Alertmanager does.
 */
enum status webhook_parse(const void *body, size_t size, size_t alert_max, int64_t received_ms,
	struct event_batch *batch, struct error *error) MUST_CHECK;

#endif
