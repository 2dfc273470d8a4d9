/*
 * Two lists behind one mutex. The writer sleeps until something is due: an event at once, records when
 * one of them may not wait, when the first has waited for long enough, or when they are many.
 *
 * A group takes GROUP_RECORD_BYTES of records, or an eighth of what waits if that is more, so that a
 * backlog shrinks under any load: behind an acknowledgement that waits for the group stand at most the
 * bytes of one such portion.
 */
#include "remediations/journal_queue.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

#define LANE_MAX 512 /* of each in a group */
#define GROUP_BYTES_MAX (64u << 20)
#define GROUP_RECORD_BYTES (256u << 10)
#define COMPANY_BYTES (128u << 10) /* so many are company enough */
#define MS_NS INT64_C(1000000)

static void lane_init(struct lane *lane)
{
	*lane = (struct lane){.last = &lane->first};
}

void journal_queue_init(struct journal_queue *queue, size_t submission_max, size_t byte_max,
	int64_t delay_ns)
{
	pthread_condattr_t attributes;

	*queue = (struct journal_queue){.submission_max = submission_max,
		.byte_max = byte_max,
		.delay_ns = delay_ns};
	lane_init(&queue->events);
	lane_init(&queue->records);
	CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&queue->added, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
}

void journal_queue_fini(struct journal_queue *queue)
{
	CHECK(!queue->events.first && !queue->records.first);
	pthread_cond_destroy(&queue->added);
	pthread_mutex_destroy(&queue->lock);
}

static size_t count_all(const struct journal_queue *queue)
{
	size_t count = 0;

	for (int i = 0; i < HURRY_COUNT; i++)
		count += queue->counts[i];
	return count;
}

enum status journal_queue_add(struct journal_queue *queue, struct waiting *waiting)
{
	struct lane *lane = waiting->hurry == HURRY_EVENT ? &queue->events : &queue->records;
	enum status status = STATUS_OK;
	bool wake = false;

	waiting->next = NULL;
	waiting->came_ns = clock_mono_ns(clock_system());
	pthread_mutex_lock(&queue->lock);
	if (queue->ended) {
		status = STATUS_UNAVAILABLE;
	} else if (count_all(queue) >= queue->submission_max ||
		waiting->bytes > queue->byte_max - queue->bytes) {
		status = STATUS_BUSY;
	} else {
		*lane->last = waiting;
		lane->last = &waiting->next;
		lane->bytes += waiting->bytes;
		queue->bytes += waiting->bytes;
		queue->counts[waiting->hurry]++;
		/* Company that only makes more of it need not wake the writer. */
		wake = waiting->hurry <= HURRY_RECORD || lane->first == waiting ||
			lane->bytes >= COMPANY_BYTES;
	}
	pthread_mutex_unlock(&queue->lock);
	/* Once the lock is free: who wakes at once would only wait for it. */
	if (wake)
		pthread_cond_signal(&queue->added);
	return status;
}

void journal_queue_end(struct journal_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_broadcast(&queue->added);
	pthread_mutex_unlock(&queue->lock);
}

/* ---- the writer ---- */

/* With the lock held: false when until_ns has passed. */
static bool await_more(struct journal_queue *queue, int64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000)};
	int result = pthread_cond_timedwait(&queue->added, &queue->lock, &until);

	CHECK(result == 0 || result == ETIMEDOUT);
	return result == 0;
}

/* With the lock held: when records are to be taken; INT64_MAX: there are none. */
static int64_t records_due_ns(const struct journal_queue *queue)
{
	const struct lane *lane = &queue->records;
	const size_t *counts = queue->counts;
	int64_t patience_ms = counts[HURRY_COMPANY] > 0 ? QUEUE_COMPANY_MS : QUEUE_NOTE_MS;

	if (lane->first == NULL)
		return INT64_MAX;
	/* Notes alone ride along with whatever is committed. */
	if (queue->ended || counts[HURRY_RECORD] > 0 || lane->bytes >= COMPANY_BYTES ||
		(counts[HURRY_COMPANY] == 0 && queue->events.first != NULL))
		return INT64_MIN;
	return lane->first->came_ns + patience_ms * MS_NS;
}

/* With the lock held: moves the first of a lane behind *link, up to so many bytes. Returns the new
 * end. */
static struct waiting **detach(struct journal_queue *queue, struct lane *lane,
	struct waiting **link, size_t byte_max)
{
	size_t bytes = 0, count = 0;

	while (lane->first != NULL && count < LANE_MAX && bytes < byte_max) {
		struct waiting *waiting = lane->first;

		bytes += waiting->bytes;
		queue->counts[waiting->hurry]--;
		count++;
		lane->first = waiting->next;
		*link = waiting;
		link = &waiting->next;
	}
	*link = NULL;
	lane->bytes -= bytes;
	queue->bytes -= bytes;
	if (lane->first == NULL)
		lane->last = &lane->first;
	return link;
}

static struct waiting *detach_group(struct journal_queue *queue, bool records)
{
	size_t portion = queue->records.bytes / 8;
	struct waiting *group = NULL, **end;

	if (portion < GROUP_RECORD_BYTES)
		portion = GROUP_RECORD_BYTES;
	end = detach(queue, &queue->events, &group, GROUP_BYTES_MAX);
	if (records)
		detach(queue, &queue->records, end, portion);
	return group;
}

struct waiting *journal_queue_take(struct journal_queue *queue, int64_t idle_ns, size_t *left,
	bool *ended)
{
	const struct clock *clock = clock_system();
	int64_t now = clock_mono_ns(clock), idle_until = now + idle_ns, due, until;
	struct waiting *group = NULL;

	pthread_mutex_lock(&queue->lock);
	while (queue->events.first == NULL && (due = records_due_ns(queue)) > now &&
		!queue->ended && now < idle_until) {
		await_more(queue, due < idle_until ? due : idle_until);
		now = clock_mono_ns(clock);
	}
	until = now + queue->delay_ns;
	while (queue->delay_ns > 0 && queue->group_before > 1 && !queue->ended &&
		count_all(queue) > 0 && count_all(queue) < LANE_MAX)
		if (!await_more(queue, until))
			break;
	*left = count_all(queue);
	group = detach_group(queue, records_due_ns(queue) <= clock_mono_ns(clock));
	if (group != NULL)
		queue->group_before = *left - count_all(queue);
	*left = count_all(queue);
	*ended = queue->ended && group == NULL;
	pthread_mutex_unlock(&queue->lock);
	return group;
}
