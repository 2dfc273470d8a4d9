/*
 * Windows through an LSTM, layer by layer, remembering what its gradient needs; and that gradient, by
 * backpropagation through time (Werbos, Proc. IEEE 1990).
 *
 * A tape runs `batch` windows of `rows` rows side by side. The state it begins with is its own: zero
 * after lstm_tape_begin(), or carried on from the end of the run before (lstm_tape_carry()).
 *
 * Ownership: init and fini on the caller's struct; the net is borrowed for each call.
 * Limits: LSTM_TAPE_ROWS_MAX rows, LSTM_TAPE_BATCH_MAX windows.
 * Threads: one thread at a time per tape.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_TAPE_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_TAPE_H

#include "analyzers/forecast/lstm.h"

#define LSTM_TAPE_ROWS_MAX 512
#define LSTM_TAPE_BATCH_MAX 256

struct lstm_tape {
	struct lstm_shape shape;
	size_t rows, batch;
	float *block; /* all below */
	/* Of each layer; row t of window i at [t][i]. */
	float *gates[LSTM_LAYERS_MAX]; /* [rows][batch][4 hidden], activations, then gradients */
	float *cells
		[LSTM_LAYERS_MAX]; /* [rows + 1][batch][hidden], the first is the state before */
	float *hiddens[LSTM_LAYERS_MAX]; /* the same */
	float *fed[LSTM_LAYERS_MAX]; /* [rows][batch][hidden], what the next layer got (dropout) */
	float *masks[LSTM_LAYERS_MAX]; /* [rows][batch][hidden] */
	float *outputs;                /* [rows][batch][LSTM_HEAD] */
	float *d_outputs, *d_hidden;   /* the same; [rows][batch][hidden] */
	float *d_cell;                 /* [batch][hidden] */
	float *transposed;             /* [4 hidden][hidden], packed */
	size_t target_count;           /* that were numbers, of the last gradient */
	bool training;
};

/* training: with room for gradients and dropout. */
enum status lstm_tape_init(struct lstm_tape *tape, const struct lstm_shape *shape, size_t rows,
	size_t batch, bool training, struct error *error) MUST_CHECK;
void lstm_tape_fini(struct lstm_tape *tape);
void lstm_tape_begin(struct lstm_tape *tape);
/* The state at the end becomes the one to begin with; of window i it is zero when restart[i]. */
void lstm_tape_carry(struct lstm_tape *tape, const bool *restart);

/* inputs: [rows][batch][inputs]. The answers are in tape->outputs. dropout: share of the values
 * between layers that is dropped (0: none), random: for it (may be NULL without). */
void lstm_tape_run(struct lstm_tape *tape, const struct lstm *lstm, const float *inputs,
	double dropout, struct random *random);
/* The mean pinball loss of the run's outputs over all targets that are numbers (NaN: none), and its
 * gradient by all parameters into gradient: [parameter_count], overwritten. targets:
 * [rows][batch][outputs]; levels: [outputs], the quantiles. `inputs` as in the run. With no target at
 * all: 0 and a gradient of 0. */
double lstm_tape_gradient(struct lstm_tape *tape, const struct lstm *lstm, const float *inputs,
	const float *targets, const float *levels, float *gradient);
/* The loss alone. */
double lstm_tape_loss(const struct lstm_tape *tape, const float *targets, const float *levels,
	size_t *target_count);

#endif
