/*
 * Forward and backward through windows.
 *
 * What the inputs contribute to the gates of a whole window is one matrix product; only the recurrence
 * goes row by row. Backwards likewise: the recurrence row by row gives the gradients of all gates, and
 * those of the weights and of the layer below are products over the whole window, in blocks of
 * INNER_BLOCK rows, so that a block of gates stays in the cache while all rows of the weights take it.
 */
#include "analyzers/forecast/lstm_tape.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define INNER_BLOCK 128

/* The next part of the block; NULL as long as there is no block. */
static float *take(const struct lstm_tape *tape, size_t *at, size_t count)
{
	float *taken = tape->block == NULL ? NULL : tape->block + *at;

	/* Whole cache lines, so that all stay aligned. */
	*at += (count + 15) / 16 * 16;
	return taken;
}

/* Lays out the block; returns its floats. */
static size_t lay_out(struct lstm_tape *tape)
{
	size_t at = 0;

	size_t hidden = tape->shape.hidden, wide = tape->rows * tape->batch;
	size_t state = tape->batch * hidden;

	for (size_t l = 0; l < tape->shape.layers; l++) {
		tape->gates[l] = take(tape, &at, wide * 4 * hidden);
		tape->cells[l] = take(tape, &at, wide * hidden + state);
		tape->hiddens[l] = take(tape, &at, wide * hidden + state);
		tape->fed[l] = tape->block == NULL ? NULL : tape->hiddens[l] + state;
		tape->masks[l] = NULL;
		if (tape->training && l + 1 < tape->shape.layers) {
			tape->fed[l] = take(tape, &at, wide * hidden);
			tape->masks[l] = take(tape, &at, wide * hidden);
		}
	}
	tape->outputs = take(tape, &at, wide * LSTM_HEAD);
	if (tape->training) {
		tape->d_outputs = take(tape, &at, wide * LSTM_HEAD);
		tape->d_hidden = take(tape, &at, wide * hidden);
		tape->d_cell = take(tape, &at, state);
		tape->transposed = take(tape, &at, 4 * hidden * hidden);
	}
	return at;
}

enum status lstm_tape_init(struct lstm_tape *tape, const struct lstm_shape *shape, size_t rows,
	size_t batch, bool training, struct error *error)
{
	size_t size;

	memset(tape, 0, sizeof(*tape));
	if (lstm_shape_check(shape, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	if (rows < 1 || rows > LSTM_TAPE_ROWS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "rows %zu: must be 1 to %d", rows,
			LSTM_TAPE_ROWS_MAX);
	if (batch < 1 || batch > LSTM_TAPE_BATCH_MAX)
		return error_set(error, STATUS_BAD_INPUT, "batch %zu: must be 1 to %d", batch,
			LSTM_TAPE_BATCH_MAX);
	tape->shape = *shape;
	tape->rows = rows;
	tape->batch = batch;
	tape->training = training;
	size = lay_out(tape) * sizeof(float);
	tape->block = mem_alloc_aligned(64, size);
	if (tape->block == NULL) {
		memset(tape, 0, sizeof(*tape));
		return error_set(error, STATUS_NO_MEMORY, "no memory for windows of %zu bytes",
			size);
	}
	memset(tape->block, 0, size);
	(void)lay_out(tape);
	return STATUS_OK;
}

void lstm_tape_fini(struct lstm_tape *tape)
{
	mem_free(tape->block);
	memset(tape, 0, sizeof(*tape));
}

void lstm_tape_begin(struct lstm_tape *tape)
{
	size_t size = tape->batch * tape->shape.hidden * sizeof(float);

	for (size_t l = 0; l < tape->shape.layers; l++) {
		memset(tape->cells[l], 0, size);
		memset(tape->hiddens[l], 0, size);
	}
}

void lstm_tape_carry(struct lstm_tape *tape, const bool *restart)
{
	size_t hidden = tape->shape.hidden, last = tape->rows * tape->batch * hidden;

	for (size_t l = 0; l < tape->shape.layers; l++)
		for (size_t i = 0; i < tape->batch; i++) {
			float *cell = tape->cells[l] + i * hidden;
			float *output = tape->hiddens[l] + i * hidden;

			memcpy(cell, cell + last, hidden * sizeof(float));
			memcpy(output, output + last, hidden * sizeof(float));
			if (restart[i]) {
				memset(cell, 0, hidden * sizeof(float));
				memset(output, 0, hidden * sizeof(float));
			}
		}
}

static void rows_fill(float *rows, size_t count, const float *row, size_t width)
{
	for (size_t i = 0; i < count; i++)
		memcpy(rows + i * width, row, width * sizeof(*rows));
}

/* Drops about the share `dropout` (in steps of 1/256) and scales what is kept. */
static void drop(float *fed, float *masks, const float *from, size_t count, double dropout,
	struct random *random)
{
	unsigned below = (unsigned)(dropout * 256);
	float kept = 256.0f / (float)(256 - below);

	for (size_t i = 0; i < count; i += 8) {
		uint64_t bits = random_u64(random);

		for (size_t j = i; j < i + 8 && j < count; j++, bits >>= 8) {
			masks[j] = (bits & 255) < below ? 0 : kept;
			fed[j] = from[j] * masks[j];
		}
	}
}

static void layer_run(struct lstm_tape *tape, const struct lstm *lstm, size_t l,
	const float *inputs)
{
	const struct lstm_layer *layer = &lstm->layers[l];
	size_t hidden = tape->shape.hidden, width = 4 * hidden, batch = tape->batch;

	rows_fill(tape->gates[l], tape->rows * batch, layer->bias, width);
	lstm_gates_add(lstm, l, false, tape->rows * batch, inputs, layer->inputs, tape->gates[l]);
	for (size_t t = 0; t < tape->rows; t++) {
		float *before = tape->cells[l] + t * batch * hidden;
		float *gates = tape->gates[l] + t * batch * width;

		lstm_gates_add(lstm, l, true, batch, tape->hiddens[l] + t * batch * hidden, hidden,
			gates);
		for (size_t i = 0; i < batch; i++)
			lstm->kernels->cell(gates + i * width, before + i * hidden,
				before + (batch + i) * hidden,
				tape->hiddens[l] + ((t + 1) * batch + i) * hidden, hidden);
	}
}

void lstm_tape_run(struct lstm_tape *tape, const struct lstm *lstm, const float *inputs,
	double dropout, struct random *random)
{
	size_t hidden = tape->shape.hidden, wide = tape->rows * tape->batch;
	size_t last = tape->shape.layers - 1;
	struct kernel_product product = {.rows = wide,
		.inner = hidden,
		.columns = LSTM_HEAD,
		.a = tape->hiddens[last] + tape->batch * hidden,
		.a_row = hidden,
		.a_column = 1,
		.b = lstm->head,
		.b_row = LSTM_HEAD,
		.c = tape->outputs,
		.c_row = LSTM_HEAD,
		.add = true};

	for (size_t l = 0; l <= last; l++) {
		layer_run(tape, lstm, l, l == 0 ? inputs : tape->fed[l - 1]);
		if (tape->masks[l] != NULL && dropout > 0)
			drop(tape->fed[l], tape->masks[l], tape->hiddens[l] + tape->batch * hidden,
				wide * hidden, dropout, random);
		else if (tape->masks[l] != NULL) {
			for (size_t i = 0; i < wide * hidden; i++)
				tape->masks[l][i] = 1;
			memcpy(tape->fed[l], tape->hiddens[l] + tape->batch * hidden,
				wide * hidden * sizeof(float));
		}
	}
	rows_fill(tape->outputs, wide, lstm->head_bias, LSTM_HEAD);
	lstm->kernels->multiply(&product);
}

double lstm_tape_loss(const struct lstm_tape *tape, const float *targets, const float *levels,
	size_t *target_count)
{
	size_t outputs = tape->shape.outputs, count = 0;
	double sum = 0;

	for (size_t i = 0; i < tape->rows * tape->batch; i++)
		for (size_t j = 0; j < outputs; j++) {
			float over = targets[i * outputs + j] - tape->outputs[i * LSTM_HEAD + j];

			if (isnan(over))
				continue;
			sum += (double)(over >= 0 ? levels[j] * over : (levels[j] - 1) * over);
			count++;
		}
	*target_count = count;
	return count == 0 ? 0 : sum / (double)count;
}

/* The loss' gradient by the outputs. */
static void outputs_back(struct lstm_tape *tape, const float *targets, const float *levels,
	size_t count)
{
	size_t outputs = tape->shape.outputs;
	float part = 1 / (float)count;

	memset(tape->d_outputs, 0, tape->rows * tape->batch * LSTM_HEAD * sizeof(float));
	for (size_t i = 0; i < tape->rows * tape->batch; i++)
		for (size_t j = 0; j < outputs; j++) {
			float over = targets[i * outputs + j] - tape->outputs[i * LSTM_HEAD + j];

			if (!isnan(over))
				tape->d_outputs[i * LSTM_HEAD + j] =
					over >= 0 ? -levels[j] * part : (1 - levels[j]) * part;
		}
}

/* gradient [rows][columns] = left' right over `inner` rows; left: [inner][rows], right:
 * [inner][columns]. */
static void product_of_transposed(const struct kernels *kernels, const float *left, size_t rows,
	const float *right, size_t columns, size_t inner, float *gradient)
{
	struct kernel_product product = {.rows = rows,
		.columns = columns,
		.a_row = 1,
		.a_column = rows,
		.b_row = columns,
		.b_panel = KERNEL_PANEL,
		.c = gradient,
		.c_row = columns};

	for (size_t k = 0; k < inner; k += INNER_BLOCK) {
		product.inner = inner - k < INNER_BLOCK ? inner - k : INNER_BLOCK;
		product.a = left + k * rows;
		product.b = right + k * columns;
		product.add = k > 0;
		kernels->multiply(&product);
	}
}

/* row [columns] = sum of rows [inner][columns]. */
static void rows_sum(const struct kernels *kernels, const float *rows, size_t inner, size_t columns,
	float *row)
{
	static const float one = 1;
	struct kernel_product product = {.rows = 1,
		.inner = inner,
		.columns = columns,
		.a = &one,
		.b = rows,
		.b_row = columns,
		.b_panel = KERNEL_PANEL,
		.c = row,
		.c_row = columns};

	kernels->multiply(&product);
}

/* Row by row from the last to the first: gates become their gradients. d_hidden: from above. */
static void recurrence_back(struct lstm_tape *tape, const struct lstm *lstm, size_t l)
{
	size_t hidden = tape->shape.hidden, width = 4 * hidden, batch = tape->batch;
	size_t state = batch * hidden;
	struct kernel_product product = {.rows = batch,
		.inner = width,
		.columns = hidden,
		.a_row = width,
		.a_column = 1,
		.b = tape->transposed,
		.b_row = KERNEL_PANEL,
		.b_panel = width * KERNEL_PANEL,
		.c_row = hidden,
		.add = true};

	kernels_pack_transposed(lstm->layers[l].recurrent, width, width, hidden, tape->transposed);
	memset(tape->d_cell, 0, state * sizeof(float));
	for (size_t t = tape->rows; t-- > 0;) {
		float *gates = tape->gates[l] + t * batch * width;
		const float *before = tape->cells[l] + t * state;

		for (size_t i = 0; i < batch; i++)
			lstm->kernels->cell_back(gates + i * width, before + i * hidden,
				before + state + i * hidden,
				tape->d_hidden + t * state + i * hidden, tape->d_cell + i * hidden,
				gates + i * width, hidden);
		if (t == 0)
			break;
		product.a = gates;
		product.c = tape->d_hidden + (t - 1) * state;
		lstm->kernels->multiply(&product);
	}
}

static void layer_back(struct lstm_tape *tape, const struct lstm *lstm, size_t l,
	const float *inputs, float *gradient)
{
	const struct lstm_layer *layer = &lstm->layers[l];
	const struct kernels *kernels = lstm->kernels;
	size_t hidden = tape->shape.hidden, width = 4 * hidden, wide = tape->rows * tape->batch;
	float *d_layer = gradient + (layer->input - lstm->parameters);
	struct kernel_product below = {.rows = wide,
		.inner = width,
		.columns = hidden,
		.a = tape->gates[l],
		.a_row = width,
		.a_column = 1,
		.b = tape->transposed,
		.b_row = KERNEL_PANEL,
		.b_panel = width * KERNEL_PANEL,
		.c = tape->d_hidden,
		.c_row = hidden};

	recurrence_back(tape, lstm, l);
	product_of_transposed(kernels, inputs, layer->inputs, tape->gates[l], width, wide, d_layer);
	d_layer += layer->inputs * width;
	product_of_transposed(kernels, tape->hiddens[l], hidden, tape->gates[l], width, wide,
		d_layer);
	rows_sum(kernels, tape->gates[l], wide, width, d_layer + hidden * width);
	if (l == 0)
		return;
	kernels_pack_transposed(layer->input, width, width, hidden, tape->transposed);
	kernels->multiply(&below);
	for (size_t i = 0; i < wide * hidden; i++)
		tape->d_hidden[i] *= tape->masks[l - 1][i];
}

double lstm_tape_gradient(struct lstm_tape *tape, const struct lstm *lstm, const float *inputs,
	const float *targets, const float *levels, float *gradient)
{
	size_t hidden = tape->shape.hidden, wide = tape->rows * tape->batch, count;
	size_t last = tape->shape.layers - 1;
	float head[LSTM_HEAD * LSTM_HIDDEN_MAX];
	double loss = lstm_tape_loss(tape, targets, levels, &count);
	struct kernel_product product = {.rows = wide,
		.inner = LSTM_HEAD,
		.columns = hidden,
		.a = tape->d_outputs,
		.a_row = LSTM_HEAD,
		.a_column = 1,
		.b = head,
		.b_row = KERNEL_PANEL,
		.b_panel = LSTM_HEAD * KERNEL_PANEL,
		.c = tape->d_hidden,
		.c_row = hidden};
	float *d_head = gradient + (lstm->head - lstm->parameters);

	CHECK(tape->training && lstm->weights == LSTM_FP32);
	tape->target_count = count;
	memset(gradient, 0, lstm->parameter_count * sizeof(*gradient));
	if (count == 0)
		return 0;
	outputs_back(tape, targets, levels, count);
	product_of_transposed(lstm->kernels, tape->hiddens[last] + tape->batch * hidden, hidden,
		tape->d_outputs, LSTM_HEAD, wide, d_head);
	rows_sum(lstm->kernels, tape->d_outputs, wide, LSTM_HEAD, d_head + hidden * LSTM_HEAD);
	kernels_pack_transposed(lstm->head, LSTM_HEAD, LSTM_HEAD, hidden, head);
	lstm->kernels->multiply(&product);
	for (size_t l = last + 1; l-- > 0;)
		layer_back(tape, lstm, l, l == 0 ? inputs : tape->fed[l - 1], gradient);
	return loss;
}
