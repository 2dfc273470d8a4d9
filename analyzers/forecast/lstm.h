/*
 * A long short-term memory net (Hochreiter, Schmidhuber, Neural Computation 1997; the variant with a
 * forget gate, as PyTorch's nn.LSTM): layers of cells and a linear head, of 32-bit floats.
 *
 *   gates = x W + h U + b           input, forget, candidate, output: [4][hidden]
 *   cell  = f cell + i g,  h = o tanh(cell)
 *   y     = h of the last layer V + d
 *
 * Parameters lie in one block: per layer W [inputs or hidden][4 hidden], U [hidden][4 hidden],
 * b [4 hidden], then V [hidden][LSTM_HEAD], d [LSTM_HEAD], of which the first `outputs` columns count.
 *
 * W and U may be taken rounded to bfloat16 by steps and by windows without training, which read half as
 * much then (lstm_take_weights); the parameters themselves, bias, head, states and training are floats.
 *
 * Two ways to run it: lstm_step() keeps the state of many series and takes one row of each; a tape
 * (lstm_tape.h) runs windows and remembers what training needs.
 *
 * Ownership: init and fini on the caller's struct.
 * Limits: the constants below; a shape is checked before memory is taken.
 * Threads: a net that nobody changes may be stepped from many threads, each with its own states.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/kernels/kernels.h"
#include "base/error.h"
#include "base/random.h"

#define LSTM_INPUTS_MAX 128
#define LSTM_HIDDEN_STEP KERNEL_PANEL /* hidden is a multiple of it */
#define LSTM_HIDDEN_MAX 512
#define LSTM_LAYERS_MAX 8
#define LSTM_HEAD KERNEL_PANEL /* columns kept for outputs */

enum lstm_weights {
	LSTM_FP32,
	LSTM_BF16,
};

struct lstm_shape {
	size_t inputs, hidden, layers, outputs;
};

struct lstm_layer {
	size_t inputs;
	float *input, *recurrent, *bias; /* W, U, b within the parameters */
	float *packed_input, *packed_recurrent;
	uint16_t *rounded_input, *rounded_recurrent; /* in the same places */
};

struct lstm {
	struct lstm_shape shape;
	const struct kernels *kernels;
	float *parameters; /* [parameter_count] */
	size_t parameter_count;
	struct lstm_layer layers[LSTM_LAYERS_MAX];
	float *head, *head_bias;
	float *packed;             /* W and U of all layers in panels, see lstm_prepare() */
	enum lstm_weights weights; /* of what is packed */
};

/* STATUS_BAD_INPUT names the number that is out of its limits. */
enum status lstm_shape_check(const struct lstm_shape *shape, struct error *error) MUST_CHECK;
size_t lstm_parameter_count(const struct lstm_shape *shape);
/* All parameters are 0. */
enum status lstm_init(struct lstm *lstm, const struct lstm_shape *shape,
	const struct kernels *kernels, struct error *error) MUST_CHECK;
void lstm_fini(struct lstm *lstm);
/* Uniform within +-1/sqrt(hidden), the forget gates' bias 1 more; the head's weights begin at 0, so
 * that the net begins by saying nothing. */
void lstm_seed(struct lstm *lstm, struct random *random);
/* To be called after the parameters were changed, before a step or a tape is run. */
void lstm_prepare(struct lstm *lstm);
/* LSTM_BF16 where the processor has instructions for it; elsewhere single steps of large nets gain, and
 * many side by side lose. */
enum lstm_weights lstm_weights_best(void);
/* What steps and windows take from here on (LSTM_FP32 at first), of the same parameters; prepares, too.
 * Not while others step it, and not LSTM_BF16 of a net in training. */
void lstm_take_weights(struct lstm *lstm, enum lstm_weights weights);

/* gates [rows][4 hidden] += a W, or a U when recurrent, of layer l; a: row i at a[i * a_row]. By the
 * weights that are packed. */
void lstm_gates_add(const struct lstm *lstm, size_t l, bool recurrent, size_t rows, const float *a,
	size_t a_row, float *gates);

/* Floats of one series' state: for each layer h and the cell, [layers][2][hidden]. All 0 at first. */
size_t lstm_state_size(const struct lstm_shape *shape);
/* One row of `count` series. states: [count][state size]; inputs: [count][inputs]; outputs:
 * [count][outputs]. Denormals should be flushed (kernels_flush_denormals). */
void lstm_step(const struct lstm *lstm, size_t count, float *states, const float *inputs,
	float *outputs);

#endif
