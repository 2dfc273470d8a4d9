/*
 * The gradient of a batch of windows, worked out by some threads: the batch is cut in shares, each share
 * has a tape, a gradient and random numbers of its own, and what the shares say is added up in their
 * order. So the numbers are the same with any number of threads.
 *
 * Ownership: open and close; the net is borrowed for each call.
 * Limits: LSTM_TRAIN_THREADS_MAX threads, LSTM_TRAIN_SHARES_MAX shares.
 * Threads: one thread at a time; the crew's own ones work during lstm_crew_gradient() alone.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_CREW_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_CREW_H

#include <stdint.h>

#include "analyzers/forecast/lstm.h"

struct lstm_crew;

struct lstm_crew_config {
	size_t window, batch, share, threads; /* share: a divisor of batch */
	double dropout;
	uint64_t seed;
};

/* NULL: STATUS_BAD_INPUT names the number; STATUS_NO_MEMORY. A thread that cannot be had is done without. */
struct lstm_crew *lstm_crew_open(const struct lstm_shape *shape,
	const struct lstm_crew_config *config, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void lstm_crew_close(struct lstm_crew *crew);

/* Where the window of a lane (of the batch) is to be put: row t of it at inputs + t * row stride. The
 * window begins with the state that the one before left, or with zero when restart. */
struct lstm_lane {
	float *inputs, *targets;
	size_t inputs_stride, targets_stride; /* floats from row to row */
	bool *restart;
};
void lstm_crew_lane(struct lstm_crew *crew, size_t lane, struct lstm_lane *place);

/* The mean pinball loss over all targets that are numbers, and its gradient: [parameter_count]. */
double lstm_crew_gradient(struct lstm_crew *crew, const struct lstm *lstm, const float *levels,
	float *gradient);

#endif
