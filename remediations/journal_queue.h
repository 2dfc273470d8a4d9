/*
 * What waits for the journal's writer, in two lanes: events, whose senders wait for their
 * acknowledgement, and records of the engine.
 *
 * A group takes all events that wait, and of the records as many as cost an acknowledgement little.
 * Records that may wait for company (struct record, may_wait) are taken once the first of them has
 * waited for QUEUE_COMPANY_MS, or there are enough of them, or one behind them may not wait; the notes of
 * the engine's checkpoint ride along, or go after QUEUE_NOTE_MS.
 *
 * Order: within a lane the order of submission; events overtake records.
 * Limits: submission_max submissions of together byte_max bytes: past that STATUS_BUSY.
 * Threads: add and end from any; take from one, the writer's.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_QUEUE_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define QUEUE_COMPANY_MS 20
#define QUEUE_NOTE_MS 100

enum hurry {
	HURRY_EVENT,  /* lane of events */
	HURRY_RECORD, /* lane of records, all below */
	HURRY_COMPANY,
	HURRY_NOTE,
	HURRY_COUNT
};

/* The beginning of a submission. */
struct waiting {
	struct waiting *next;
	enum hurry hurry;
	size_t bytes;
	int64_t came_ns; /* monotonic; set when it is added */
};

struct lane {
	struct waiting *first, **last;
	size_t bytes;
};

struct journal_queue {
	pthread_mutex_t lock;
	pthread_cond_t added;
	size_t submission_max, byte_max;
	int64_t delay_ns; /* see journal_config.group_delay_us */
	/* under lock */
	struct lane events, records;
	size_t counts[HURRY_COUNT], bytes;
	bool ended;
	/* the writer's */
	size_t group_before;
};

void journal_queue_init(struct journal_queue *queue, size_t submission_max, size_t byte_max,
	int64_t delay_ns);
/* Nothing may wait any more. */
void journal_queue_fini(struct journal_queue *queue);

/* The queue's until it is taken, when STATUS_OK; STATUS_BUSY: full; STATUS_UNAVAILABLE: it has ended. */
enum status journal_queue_add(struct journal_queue *queue, struct waiting *waiting) MUST_CHECK;
/* From now on nothing is added, and all that waits is taken at once. */
void journal_queue_end(struct journal_queue *queue);

/* The next group as a list, events first; NULL when none was due within idle_ns, or with *ended when
 * the queue has ended and is empty. *left: how many wait still. */
struct waiting *journal_queue_take(struct journal_queue *queue, int64_t idle_ns, size_t *left,
	bool *ended);

#endif
