/*
 * Body slots: a counter of slots in use and a stack of buffers that were given back. The buffer
 * used last is taken first, so that a quiet server holds few warm ones.
 */
#include "receiver/slots.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"

#define SLOT_CAPACITY_MIN 16384

struct slots {
	pthread_mutex_t lock; /* guards what follows */
	unsigned max, busy, idle_count;
	struct slot *idle; /* [max] */
};

struct slots *slots_open(unsigned max)
{
	struct slots *slots = mem_zalloc(1, sizeof(*slots));

	if (!slots)
		return NULL;
	slots->idle = mem_zalloc(max, sizeof(*slots->idle));
	if (!slots->idle) {
		mem_free(slots);
		return NULL;
	}
	slots->max = max;
	pthread_mutex_init(&slots->lock, NULL);
	metrics_set(METRIC_HTTP_SLOTS, max);
	metrics_set(METRIC_HTTP_SLOTS_BUSY, 0);
	return slots;
}

void slots_close(struct slots *slots)
{
	if (!slots)
		return;
	CHECK(slots->busy == 0);
	for (unsigned i = 0; i < slots->idle_count; i++)
		mem_free(slots->idle[i].bytes);
	pthread_mutex_destroy(&slots->lock);
	mem_free(slots->idle);
	mem_free(slots);
}

enum status slot_take(struct slots *slots, struct slot *slot)
{
	bool taken;

	*slot = (struct slot){0};
	pthread_mutex_lock(&slots->lock);
	taken = slots->busy < slots->max;
	if (taken) {
		slots->busy++;
		if (slots->idle_count)
			*slot = slots->idle[--slots->idle_count];
	}
	pthread_mutex_unlock(&slots->lock);
	if (!taken)
		return STATUS_BUSY;
	metrics_add(METRIC_HTTP_SLOTS_BUSY, 1);
	return STATUS_OK;
}

/* Takes the buffer over, or NULL. */
static void slot_return(struct slots *slots, char *bytes, size_t capacity)
{
	pthread_mutex_lock(&slots->lock);
	CHECK(slots->busy > 0);
	slots->busy--;
	/* Busy and idle together never exceed max, so there is room. */
	if (bytes)
		slots->idle[slots->idle_count++] =
			(struct slot){.bytes = bytes, .capacity = capacity};
	pthread_mutex_unlock(&slots->lock);
	metrics_add(METRIC_HTTP_SLOTS_BUSY, -1);
}

void slot_release(struct slots *slots, struct slot *slot)
{
	if (slot->capacity > SLOT_KEEP_MAX) {
		mem_free(slot->bytes);
		slot->bytes = NULL;
	}
	slot_return(slots, slot->bytes, slot->capacity);
	*slot = (struct slot){0};
}

bool slots_full(struct slots *slots)
{
	bool full;

	pthread_mutex_lock(&slots->lock);
	full = slots->busy == slots->max;
	pthread_mutex_unlock(&slots->lock);
	return full;
}

char *slot_detach(struct slots *slots, struct slot *slot)
{
	char *bytes = slot->bytes;

	slot_return(slots, NULL, 0);
	*slot = (struct slot){0};
	return bytes;
}

enum status slot_add(struct slot *slot, const void *bytes, size_t size, size_t size_max)
{
	size_t capacity = slot->capacity < SLOT_CAPACITY_MIN ? SLOT_CAPACITY_MIN : slot->capacity;
	char *grown;

	if (slot->size > size_max || size > size_max - slot->size)
		return STATUS_TOO_LARGE;
	if (size > slot->capacity - slot->size) {
		while (capacity < slot->size + size)
			capacity *= 2;
		/* The last doubling is cut at the limit; a small limit still gets a whole buffer. */
		if (capacity > size_max && size_max > SLOT_CAPACITY_MIN)
			capacity = size_max;
		grown = mem_resize(slot->bytes, capacity, 1);
		if (!grown)
			return STATUS_NO_MEMORY;
		slot->bytes = grown;
		slot->capacity = capacity;
	}
	memcpy(slot->bytes + slot->size, bytes, size);
	slot->size += size;
	return STATUS_OK;
}
