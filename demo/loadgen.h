/*
 * The load generator: sends a stream of remote-write requests as fast as it is taken, or at a given
 * rate, and checks by the receiver's own counters that nothing of it was lost.
 *
 * Ownership: texts of the configuration are borrowed until loadgen_run() returns.
 * Limits: body_memory_max bytes of bodies made ahead, one round at least.
 * Order: a series stays on one connection, so its samples arrive in the order of time.
 * Threads: loadgen_run() on one thread; it starts one for each connection.
 */
#ifndef NIMBUSGUARD_DEMO_LOADGEN_H
#define NIMBUSGUARD_DEMO_LOADGEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "demo/latency.h"
#include "demo/load.h"
#include "demo/load_client.h"

#define LOADGEN_SERIES_MAX 10000000
#define LOADGEN_BATCH_MAX 50000
#define LOADGEN_CONNECTIONS_MAX 256
#define LOADGEN_STATUSES_MAX 16

struct loadgen_config {
	struct load_target target;
	struct load_shape shape;
	uint32_t first_round, round_count; /* round_count 0: until duration_ms is over */
	int64_t duration_ms;               /* of sending; 0: until all rounds are sent */
	uint32_t batch_series;             /* series of a request */
	uint32_t connection_count;
	bool shuffled;             /* the series of a connection in another order each round */
	double samples_per_second; /* 0: as fast as they are taken */
	uint64_t body_memory_max;
	FILE *progress; /* NULL: none */
	bool live;      /* progress is a terminal: a bar instead of lines */
};

struct loadgen_status {
	long http;
	uint64_t requests;
};

struct loadgen_result {
	uint32_t connections;              /* that had something to send */
	uint64_t requests, samples, bytes; /* sent, whatever the answer */
	uint64_t samples_accepted;         /* of them answered 2xx */
	uint64_t samples_unknown;          /* of requests without an answer */
	uint64_t samples_written;          /* by the headers of 2.0 answers */
	bool written_told;                 /* such headers came */
	uint64_t series_made;              /* series that were new by our reckoning */
	uint64_t rounds_begun;
	int64_t spent_ns;       /* sending, without the making of bodies */
	bool stopped;           /* by hand */
	struct latency latency; /* from the first byte sent to the answer */
	struct latency due;     /* with a rate: from when it was due */
	struct loadgen_status statuses[LOADGEN_STATUSES_MAX];
	uint32_t status_count;
	char refusal[LOAD_ANSWER_MAX]; /* text of the first answer that was not 2xx */
	struct error failure;          /* a request without an answer ended the run */
	struct load_counters before, after;
};

/* What is wrong with the numbers, named as the flags are. STATUS_BAD_INPUT. */
enum status loadgen_check(const struct loadgen_config *config, struct error *error) MUST_CHECK;
/* Runs until all is sent, the time is over, *stop, or a request gets no answer (then with
 * STATUS_OK and result->failure set). An error otherwise: nobody answers at all, no memory. */
enum status loadgen_run(const struct loadgen_config *config, const atomic_bool *stop,
	struct loadgen_result *result, struct error *error) MUST_CHECK;

/* ---- report ---- */

/* What became of what was sent, by the counters before and after. */
enum loadgen_verdict { LOADGEN_UNVERIFIED, LOADGEN_COMPLETE, LOADGEN_LOST };

enum loadgen_verdict loadgen_verdict(const struct loadgen_result *result);
/* All answers were 2xx, none is missing, and the counters show no loss. */
bool loadgen_good(const struct loadgen_result *result);
void loadgen_write_report(FILE *out, const struct loadgen_result *result);
/* The same as one JSON object in one line. */
void loadgen_write_json(FILE *out, const struct loadgen_result *result);

/* Progress while it runs. */
struct loadgen_progress {
	uint64_t samples, bad_answers;
	double share;     /* done, 0 to 1 */
	int64_t spent_ns; /* sending */
	bool sending;     /* false: bodies are made */
};

void loadgen_write_progress(FILE *out, bool live, const struct loadgen_progress *progress);
void loadgen_end_progress(FILE *out, bool live);

#endif
