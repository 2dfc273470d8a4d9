/*
 * Training of an LSTM on series of rows: lanes walk through the series window by window with their
 * state carried on, Adam steps with a clipped gradient, dropout, and early stopping on the last part
 * of each series, which is never trained on.
 *
 * Limits: LSTM_TRAIN_THREADS_MAX threads, LSTM_TRAIN_SHARES_MAX shares.
 * Threads: one thread at a time; for long: give it one of its own. It may start others, which end with
 *   it. Deterministic by seed.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_TRAIN_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_TRAIN_H

#include <stdatomic.h>
#include <stdint.h>

#include "analyzers/forecast/lstm.h"

#define LSTM_TRAIN_THREADS_MAX 8
#define LSTM_TRAIN_SHARES_MAX 16

struct lstm_rows {
	const float *inputs;  /* [count][inputs] */
	const float *targets; /* [count][outputs], NaN: none */
	size_t count;
};

struct lstm_training {
	size_t window, batch; /* rows of a window, windows of a step */
	size_t epochs_max;    /* each sees about as many rows as there are, in 30 steps at least */
	size_t patience;      /* epochs without a better holdout before it ends */
	double holdout;       /* last part of each series: 0 < holdout < .5 */
	double rate, clip, dropout; /* Adam's; the gradient's longest norm; 0 <= dropout < .9 */
	double rate_end; /* the rate falls to this share of it along a cosine until epochs_max; 1: never */
	/* Windows that go through the net together, a divisor of batch: a cache's worth. Threads share
	 * them out; the numbers are the same with any number of threads. */
	size_t share, threads;
	uint64_t seed;
	/* Called after each epoch, may be NULL; false ends the training, the best so far stays. */
	bool (*progress)(void *caller, size_t epoch, double train_loss, double holdout_loss);
	void *caller;
	/* Looked at before each step, may be NULL: true ends the training, likewise. */
	const atomic_bool *stopping;
};

struct lstm_training_result {
	size_t epochs, steps;
	double first_holdout, best_holdout; /* mean pinball loss before and after */
};

/* Window 60, batch 16 in one share, one thread, 20 epochs, patience 3, holdout .15, rate 2e-3 that stays,
 * clip 1, dropout .2. */
void lstm_training_default(struct lstm_training *training);
/* Trains the net from its present parameters; afterwards it has those of the best holdout, which may
 * be those it came with. levels: [outputs]. STATUS_BAD_INPUT: a number out of its limits, or no series
 * long enough for a window and a holdout. */
enum status lstm_train(struct lstm *lstm, const struct lstm_rows *series, size_t series_count,
	const float *levels, const struct lstm_training *training,
	struct lstm_training_result *result, struct error *error) MUST_CHECK;

#endif
