/*
 * A ring of values behind one mutex, with one condition for "not empty or ended". Pushers never
 * wait, so there is no condition for "not full". Waits are timed on the monotonic clock: a step of
 * the wall clock neither wakes nor delays anyone.
 */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	size_t value_size, capacity;
	size_t head, length; /* head: the oldest value; under lock */
	bool ended;          /* under lock */
	char *values;        /* [capacity][value_size] */
};

struct queue *queue_open(size_t value_size, size_t capacity)
{
	struct queue *queue = mem_zalloc(1, sizeof(*queue));
	pthread_condattr_t attributes;

	CHECK(value_size > 0 && capacity > 0);
	if (queue == NULL)
		return NULL;
	queue->values = mem_zalloc(capacity, value_size);
	if (queue->values == NULL) {
		mem_free(queue);
		return NULL;
	}
	queue->value_size = value_size;
	queue->capacity = capacity;
	CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&queue->filled, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	return queue;
}

void queue_close(struct queue *queue)
{
	if (queue == NULL)
		return;
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
	mem_free(queue->values);
	mem_free(queue);
}

enum status queue_push(struct queue *queue, const void *value)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&queue->lock);
	if (queue->ended) {
		status = STATUS_UNAVAILABLE;
	} else if (queue->length == queue->capacity) {
		status = STATUS_BUSY;
	} else {
		size_t room = queue->capacity - queue->head;
		size_t slot =
			queue->length < room ? queue->head + queue->length : queue->length - room;
		memcpy(queue->values + slot * queue->value_size, value, queue->value_size);
		queue->length++;
	}
	pthread_mutex_unlock(&queue->lock);
	/* Once the lock is free: who wakes at once would only wait for it. */
	if (status == STATUS_OK)
		pthread_cond_signal(&queue->filled);
	return status;
}

/* The absolute monotonic time timeout_ms from now. */
static struct timespec deadline_after(int64_t timeout_ms)
{
	int64_t now = clock_mono_ns(clock_system());
	int64_t deadline;
	struct timespec at;

	/* Far enough is for ever: three hundred years of nanoseconds fit an int64_t. */
	if (__builtin_mul_overflow(timeout_ms, 1000000, &deadline) ||
		__builtin_add_overflow(deadline, now, &deadline))
		deadline = INT64_MAX;
	at.tv_sec = (time_t)(deadline / 1000000000);
	at.tv_nsec = (long)(deadline % 1000000000);
	return at;
}

/* With the lock held: waits until there is a value, the queue has ended, or the time is over. */
static void wait_filled(struct queue *queue, int64_t timeout_ms)
{
	struct timespec deadline;

	if (queue->length > 0 || queue->ended || timeout_ms == 0)
		return;
	if (timeout_ms > 0)
		deadline = deadline_after(timeout_ms);
	while (queue->length == 0 && !queue->ended) {
		int result = timeout_ms < 0
			? pthread_cond_wait(&queue->filled, &queue->lock)
			: pthread_cond_timedwait(&queue->filled, &queue->lock, &deadline);
		if (result == ETIMEDOUT)
			return;
		CHECK(result == 0);
	}
}

/* With the lock held: moves the oldest value out. */
static void take_oldest(struct queue *queue, void *value)
{
	memcpy(value, queue->values + queue->head * queue->value_size, queue->value_size);
	queue->head = queue->head + 1 == queue->capacity ? 0 : queue->head + 1;
	queue->length--;
}

enum status queue_pop(struct queue *queue, void *value, int64_t timeout_ms)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&queue->lock);
	wait_filled(queue, timeout_ms);
	if (queue->length > 0)
		take_oldest(queue, value);
	else
		status = queue->ended ? STATUS_UNAVAILABLE : STATUS_TIMEOUT;
	pthread_mutex_unlock(&queue->lock);
	return status;
}

size_t queue_pop_many(struct queue *queue, void *values, size_t max, int64_t timeout_ms)
{
	size_t count = 0;

	if (max == 0)
		return 0;
	pthread_mutex_lock(&queue->lock);
	wait_filled(queue, timeout_ms);
	while (queue->length > 0 && count < max) {
		take_oldest(queue, (char *)values + count * queue->value_size);
		count++;
	}
	pthread_mutex_unlock(&queue->lock);
	return count;
}

void queue_end(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_ended(struct queue *queue)
{
	bool ended;

	pthread_mutex_lock(&queue->lock);
	ended = queue->ended;
	pthread_mutex_unlock(&queue->lock);
	return ended;
}

size_t queue_length(struct queue *queue)
{
	size_t length;

	pthread_mutex_lock(&queue->lock);
	length = queue->length;
	pthread_mutex_unlock(&queue->lock);
	return length;
}
