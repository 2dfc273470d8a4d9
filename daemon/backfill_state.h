/*
 * The inside of struct backfill, shared by backfill.c (jobs, threads, states) and backfill_slice.c
 * (one slice: question, answer, series). Nobody else includes it.
 */
#ifndef NIMBUSGUARD_DAEMON_BACKFILL_STATE_H
#define NIMBUSGUARD_DAEMON_BACKFILL_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/labels.h"
#include "base/matcher.h"
#include "daemon/backfill.h"
#include "daemon/backfill_labels.h"
#include "daemon/prometheus_answer.h"
#include "remote_write/selectors.h"
#include "store/fill.h"

#define SLICE_FIRST_MS INT64_C(3600000)
#define SLICE_MIN_MS INT64_C(10000)

/* A selector and how far it has been fetched. */
struct backfill_job {
	struct matchers matchers; /* what is wanted of the series as sent */
	char *text;               /* for messages */
	char *query;              /* what Prometheus is asked for */
	int64_t next_to_ms;       /* all that is newer has been fetched */
	int64_t span_ms;          /* of the next slice */
	unsigned malformed;       /* answers in a row that could not be read */
	bool busy, ended, failed;
};

struct backfill {
	struct backfill_config config;
	struct store *store;
	struct selectors keep, drop;
	struct labels external; /* read-only once the jobs run */
	struct backfill_job *jobs;
	size_t job_count;
	atomic_bool stop;
	pthread_t thread;
	bool thread_runs;

	pthread_mutex_t lock; /* all below, and the jobs */
	enum backfill_state state;
	int64_t from_ms, to_ms;
	int64_t started_ns, ended_ns; /* monotonic; of the first answer, and 0 until the end */
	int64_t good_ns;              /* monotonic, of the last answer */
	int64_t retry_ns, backoff_ms; /* nothing is asked before; the wait after the next failure */
	int64_t told_ns;              /* of the last line on progress */
	uint64_t series, samples, failures, refused;
	uint64_t *seen; /* bit set of the series that got samples */
	size_t seen_words;
	char problem[ERROR_TEXT_MAX]; /* the last one */
};

/* One connection and its scratch. */
struct backfill_worker {
	struct backfill *backfill;
	struct prometheus_client *client;
	struct matrix matrix;
	struct selector_scratch scratch;
	struct sent_labels sent;
	struct buf raw, answer;
	struct backfill_job *job; /* at work */
	uint64_t fills[FILL_RESULT_COUNT];
	pthread_t thread;
};

enum slice_result {
	SLICE_TAKEN,
	SLICE_LATER,         /* Prometheus cannot answer now */
	SLICE_SMALLER,       /* at once with half the time */
	SLICE_SMALLER_LATER, /* after a while with half the time */
	SLICE_REFUSED,       /* this selector will not be answered */
	SLICE_STOPPED
};

/* The reason is a label of METRIC_BACKFILL_FAILURES. */
struct slice_outcome {
	enum slice_result result;
	const char *reason;
	struct error error;
	size_t answer_size;
};

/* Asks for (from_ms, to_ms] of the worker's job and fills it in. */
void backfill_slice(struct backfill_worker *worker, int64_t from_ms, int64_t to_ms,
	struct slice_outcome *outcome);
/* Asks for the external labels. SLICE_REFUSED: they cannot be known that way. */
void backfill_ask_labels(struct backfill_worker *worker, struct labels *external,
	struct slice_outcome *outcome);
/* A series got samples; under no lock. */
void backfill_count_series(struct backfill *backfill, uint32_t series);

#endif
