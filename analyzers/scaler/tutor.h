/*
 * The thread that learns for the scaler, one job at a time, at the lowest priority: a policy from a
 * workload's history, the night of a day that ended, the lesson of a week (quantile_policy.h).
 *
 * History is that of the 1-minute tier; between the middles of two known minutes it is a line.
 *
 * Ownership: what a job holds belongs to the tutor from tutor_give() until tutor_take() gives it back. The
 *   tier is borrowed.
 * Limits: one job; TUTOR_DAYS_MAX days of history.
 * Threads: giving and taking from one thread (the scan's).
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_TUTOR_H
#define NIMBUSGUARD_ANALYZERS_SCALER_TUTOR_H

#include <stdbool.h>

#include "analyzers/scaler/quantile_policy.h"
#include "base/workload.h"
#include "store/rollup.h"

#define TUTOR_DAYS_MAX 14

/* X(kind, name) */
#define TUTOR_KIND_TABLE(X)                                                                        \
	X(TUTOR_LEARN, "learn")                                                                    \
	X(TUTOR_NIGHT, "night")                                                                    \
	X(TUTOR_LESSON, "lesson")

enum tutor_kind {
#define X(kind, name) kind,
	TUTOR_KIND_TABLE(X)
#undef X
		TUTOR_KINDS
};

const char *tutor_kind_name(enum tutor_kind kind);

struct tutor_job {
	enum tutor_kind kind;
	struct workload_key workload;
	enum signal_role load_role;
	int64_t end;                          /* slot: history before it is learned from */
	struct quantile_policy_config config; /* of TUTOR_LEARN */
	/* Of TUTOR_LEARN: where what was learnt before a restart is kept; NULL: nowhere. Borrowed. */
	const char *folder;
	bool restored;                /* the policy came from there */
	struct quantile_night *night; /* of TUTOR_NIGHT: begun, then run */
	/* What came of it; NULL when it did not work, and the error says why. */
	struct quantile_policy *policy;
	struct quantile_lesson *lesson;
	struct error error;
};

struct tutor;

struct tutor *tutor_open(struct rollup *rollup, struct error *error) MUST_CHECK;
/* Ends the thread. A job that was not taken must have been (tutor_take()), after tutor_stop(). */
void tutor_close(struct tutor *tutor);
/* Without the thread tutor_run() does its work. */
enum status tutor_start(struct tutor *tutor, struct error *error) MUST_CHECK;
/* After the job under way. */
void tutor_stop(struct tutor *tutor);

/* Whether a job may be given. */
bool tutor_idle(struct tutor *tutor);
/* Only when it is idle. */
void tutor_give(struct tutor *tutor, const struct tutor_job *job);
/* The job, when it is done (or never was begun and the thread has ended); false: it is not. */
bool tutor_take(struct tutor *tutor, struct tutor_job *job);
/* The job in the caller's thread; false: there is none. */
bool tutor_run(struct tutor *tutor);

/* rates: [count] slots before `end`, NaN: not known. Returns how many are known. */
size_t tutor_history(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role load_role, int64_t end, double *minutes, float *rates, size_t count);

#endif
