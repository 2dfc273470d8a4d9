/*
 * The engine on a bench for its unit tests: ports that queue what they are asked until the test
 * answers, a journal in memory, time that the test passes.
 *
 * Ownership: bench_open() to bench_close(). One at a time is usual, more are possible.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_ENGINE_BENCH_H
#define NIMBUSGUARD_TESTS_SUPPORT_ENGINE_BENCH_H

#include "remediations/engine.h"

#define START_MS INT64_C(1767225600000)
#define QUEUE 64
#define RECORDS 512

struct bench {
	struct engine *engine;
	struct playbooks *playbooks;
	struct engine_config config;
	struct engine_ports ports;
	int64_t now_ms;
	struct observation observation;
	double saturation, restarts;
	enum quality quality;
	bool owner_known;
	/* What was asked and not answered yet. */
	uint64_t journal[QUEUE], observe[QUEUE];
	size_t journal_count, observe_count;
	struct command sent[QUEUE];
	bool sent_dry[QUEUE];
	size_t sent_count, answered;
	struct record records[RECORDS];
	size_t record_count;
	enum status journal_status;
	char refused[QUEUE][64];
	size_t refused_count;
	char outcome[64];
	unsigned quiet; /* incidents of several events that were told to be over */
};

struct bench *bench_open(enum mode mode, bool dry_run);
void bench_close(struct bench *bench);
/* The engine of a new process with what the journal holds; what was asked before is lost. */
void bench_restart(struct bench *bench);
void answer_journal(struct bench *bench, enum status status);
void answer_observe(struct bench *bench);
void answer_send(struct bench *bench, enum command_outcome outcome);
/* Everything that is asked is answered well until nothing is asked any more. */
void settle(struct bench *bench);
void pass(struct bench *bench, int64_t ms);
/* About the workload web of the namespace shop, or another one there. */
void alert(struct bench *bench, const char *name, bool firing, int64_t starts_ms);
void alert_on(struct bench *bench, const char *workload, const char *name, bool firing,
	int64_t starts_ms);
/* Such a firing is on its way into the journal. */
void look_ahead_on(struct bench *bench, const char *workload, const char *name, int64_t starts_ms);
const struct incident *only(struct bench *bench);
enum action_state state(struct bench *bench);
bool refused_for(const struct bench *bench, const char *reason);

#endif
