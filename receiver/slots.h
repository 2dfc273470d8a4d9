/*
 * Slots for request bodies: how many bodies may be held at once, and the buffers they are held in.
 *
 * Ownership: a slot taken belongs to the taker until slot_release(); the pool must outlive it.
 * Limits: `max` slots; a slot's buffer grows with what arrives (never with what is claimed) up to
 *   the limit given with each write. Memory held at most: max times the largest such limit; a
 *   buffer given back keeps at most SLOT_KEEP_MAX bytes.
 * Threads: the pool from any thread; a slot by one thread at a time.
 */
#ifndef NIMBUSGUARD_RECEIVER_SLOTS_H
#define NIMBUSGUARD_RECEIVER_SLOTS_H

#include <stddef.h>

#include "base/error.h"

#define SLOT_KEEP_MAX (256 * 1024)

struct slots;

struct slot {
	char *bytes;
	size_t size, capacity;
};

struct slots *slots_open(unsigned max) MUST_CHECK; /* NULL: out of memory */
void slots_close(struct slots *slots);             /* all slots must be back */

/* STATUS_OK or STATUS_BUSY. */
enum status slot_take(struct slots *slots, struct slot *slot) MUST_CHECK;
void slot_release(struct slots *slots, struct slot *slot);
/* Whether none is free. */
bool slots_full(struct slots *slots);
/* Gives the slot back to be counted free while its buffer stays with the caller (mem_free). */
char *slot_detach(struct slots *slots, struct slot *slot);
/* Appends. STATUS_TOO_LARGE past size_max, STATUS_NO_MEMORY; the content is then unchanged. */
enum status slot_add(struct slot *slot, const void *bytes, size_t size, size_t size_max) MUST_CHECK;

#endif
