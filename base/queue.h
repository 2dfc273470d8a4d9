/*
 * A bounded queue of fixed-size values between threads: threads own, queues carry values.
 *
 * Ownership: values are copied in and out; what they point to changes hands with them.
 * Limits: `capacity` values; a push into a full queue answers STATUS_BUSY, it never waits.
 * Order: first in, first out, over all pushers.
 * Threads: any number of pushers and poppers.
 */
#ifndef NIMBUSGUARD_BASE_QUEUE_H
#define NIMBUSGUARD_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct queue;

struct queue *queue_open(size_t value_size, size_t capacity) MUST_CHECK; /* NULL: out of memory */
void queue_close(struct queue *queue); /* frees; no thread may still be inside */

/* STATUS_OK, STATUS_BUSY (full) or STATUS_UNAVAILABLE (ended). */
enum status queue_push(struct queue *queue, const void *value) MUST_CHECK;
/* Waits up to timeout_ms (negative: for ever; 0: not at all). STATUS_OK, STATUS_TIMEOUT, or
 * STATUS_UNAVAILABLE when the queue has ended and is empty. */
enum status queue_pop(struct queue *queue, void *value, int64_t timeout_ms) MUST_CHECK;
/* Pops up to max values at once; returns how many (0: timeout or ended). */
size_t queue_pop_many(struct queue *queue, void *values, size_t max, int64_t timeout_ms);
/* No more pushes; poppers drain what is left. */
void queue_end(struct queue *queue);
bool queue_ended(struct queue *queue);
size_t queue_length(struct queue *queue);

#endif
