/*
 * The school of the net for all workloads: it is trained further on what the workloads here do, once a
 * week or when it has become worse, and serves when it is better than the one that does.
 *
 *   waiting --(a week since it learnt, or drift)--> training --(epochs)--> exam --> promoted or kept
 *
 * Lessons are the minutes of signals drawn from those that are forecast. The last 15 % of each are kept
 * for the exam: no net has seen them. The new net serves when its error there, relative to the last
 * value's (geometric mean over series and horizons), is below that of the net that serves, of the last
 * value, and of yesterday's value. Then it is written to the file, of which the one before is kept.
 * Drift: once a day the net that serves is examined on the last day; an error DRIFT_FACTOR times as
 * large as at its own exam is drift.
 *
 * While it trains, the best so far is a file beside (.checkpoint): a school that was ended goes on from
 * it. Progress is in the log, after each epoch, in nimbusguard_lstm_* and in school_progress().
 *
 * Ownership: the net that is shared, the tier and the clock are borrowed.
 * Limits: SCHOOL_SERIES_MAX series and SCHOOL_ROWS_MAX rows, about 60 MB while it trains.
 * Threads: start and stop from one thread, progress from any; its own thread has the lowest priority.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCHOOL_H
#define NIMBUSGUARD_ANALYZERS_SCHOOL_H

#include <stdbool.h>

#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/training.h"
#include "base/clock.h"
#include "base/workload.h"
#include "store/rollup.h"

#define SCHOOL_SERIES_MAX 64
#define SCHOOL_ROWS_MAX 400000
/* Fewer measurements of a signal are no lesson. */
#define SCHOOL_ROWS_MIN 2880
#define SCHOOL_DRIFT_FACTOR 1.2

/* A signal to learn from. */
struct school_signal {
	struct workload_key workload;
	enum signal_role role;
};

struct school_config {
	struct lstm_shared *shared;
	struct rollup *rollup;
	const struct clock *clock;
	const char *path;   /* file of the net that was promoted last; copied */
	int64_t again_rows; /* minutes from one training to the next */
	int64_t learn_rows; /* minutes that are learnt from, at most */
	size_t epochs_max, threads;
	uint64_t seed;
	/* Signals that are forecast now: [max], returns how many there are. Called by its thread. */
	size_t (*signals)(void *argument, struct school_signal *signals, size_t max);
	void *argument;
	/* Told of each training that was not ended; NULL: nobody is. */
	training_told_fn *told;
	void *told_argument;
};

enum school_outcome {
	SCHOOL_IDLE,     /* it was not time, or there is too little to learn from */
	SCHOOL_PROMOTED, /* the new net serves */
	SCHOOL_KEPT,     /* it was not better */
	SCHOOL_FAILED,   /* no memory, no room on the disk: told in the log */
	SCHOOL_ENDED,    /* by school_stop() */
};

/* The training that is under way, or else the one that was last. */
struct school_progress {
	bool under_way;
	uint64_t epoch, epochs_max; /* epochs behind it */
	double loss, holdout_loss;  /* after the last epoch; NaN before the first */
	int64_t since_ms, ended_ms;
	const char *outcome; /* a word, static; NULL while it is under way */
};

struct school;

/* Learning again_rows of a week (10,080), from a week at most, 10 epochs, one thread. */
void school_config_default(struct school_config *config);
/* trained_ms: when the net that serves was trained, 0: elsewhere. */
struct school *school_open(const struct school_config *config, int64_t trained_ms,
	struct error *error) MUST_CHECK;
enum status school_start(struct school *school, struct error *error) MUST_CHECK;
/* Ends the thread, within a step of training. */
void school_stop(struct school *school);
/* NULL is allowed. */
void school_close(struct school *school);
/* What its thread does each minute, in the caller's: looks whether it is time, and trains then. Only
 * without the thread. */
enum school_outcome school_look(struct school *school);
/* false: nothing was trained since it was opened. From any thread. */
bool school_progress(struct school *school, struct school_progress *progress);

#endif
