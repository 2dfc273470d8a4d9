/*
 * The net's parameters, and its stateful step.
 *
 * The step takes STEP_BATCH series at a time through all layers, so that their gates stay in the
 * first cache; the weights, packed in panels, are read once a batch in the order in which they lie.
 */
#include "analyzers/forecast/lstm.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define STEP_BATCH 16
#define ALIGNMENT 64

enum status lstm_shape_check(const struct lstm_shape *shape, struct error *error)
{
	if (shape->inputs < 1 || shape->inputs > LSTM_INPUTS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "inputs %zu: must be 1 to %d",
			shape->inputs, LSTM_INPUTS_MAX);
	if (shape->hidden < LSTM_HIDDEN_STEP || shape->hidden > LSTM_HIDDEN_MAX ||
		shape->hidden % LSTM_HIDDEN_STEP != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"hidden %zu: must be a multiple of %d up to %d", shape->hidden,
			LSTM_HIDDEN_STEP, LSTM_HIDDEN_MAX);
	if (shape->layers < 1 || shape->layers > LSTM_LAYERS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "layers %zu: must be 1 to %d",
			shape->layers, LSTM_LAYERS_MAX);
	if (shape->outputs < 1 || shape->outputs > LSTM_HEAD)
		return error_set(error, STATUS_BAD_INPUT, "outputs %zu: must be 1 to %d",
			shape->outputs, LSTM_HEAD);
	return STATUS_OK;
}

static size_t layer_inputs(const struct lstm_shape *shape, size_t layer)
{
	return layer == 0 ? shape->inputs : shape->hidden;
}

size_t lstm_parameter_count(const struct lstm_shape *shape)
{
	size_t count = (shape->hidden + 1) * LSTM_HEAD;

	for (size_t l = 0; l < shape->layers; l++)
		count += (layer_inputs(shape, l) + shape->hidden + 1) * 4 * shape->hidden;
	return count;
}

enum status lstm_init(struct lstm *lstm, const struct lstm_shape *shape,
	const struct kernels *kernels, struct error *error)
{
	size_t size = lstm_parameter_count(shape) * sizeof(float), gates = 4 * shape->hidden;
	float *at, *packed;

	memset(lstm, 0, sizeof(*lstm));
	if (lstm_shape_check(shape, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	lstm->shape = *shape;
	lstm->kernels = kernels;
	lstm->parameter_count = size / sizeof(float);
	lstm->parameters = mem_alloc_aligned(ALIGNMENT, size);
	lstm->packed = mem_alloc_aligned(ALIGNMENT, size);
	if (lstm->parameters == NULL || lstm->packed == NULL) {
		lstm_fini(lstm);
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu parameters",
			size / sizeof(float));
	}
	memset(lstm->parameters, 0, size);
	memset(lstm->packed, 0, size);
	at = lstm->parameters;
	packed = lstm->packed;
	for (size_t l = 0; l < shape->layers; l++) {
		struct lstm_layer *layer = &lstm->layers[l];

		layer->inputs = layer_inputs(shape, l);
		layer->input = at;
		layer->recurrent = layer->input + layer->inputs * gates;
		layer->bias = layer->recurrent + shape->hidden * gates;
		at = layer->bias + gates;
		layer->packed_input = packed;
		layer->packed_recurrent = packed + layer->inputs * gates;
		layer->rounded_input = (uint16_t *)(void *)layer->packed_input;
		layer->rounded_recurrent = (uint16_t *)(void *)layer->packed_recurrent;
		packed = layer->packed_recurrent + shape->hidden * gates;
	}
	lstm->head = at;
	lstm->head_bias = at + shape->hidden * LSTM_HEAD;
	return STATUS_OK;
}

void lstm_fini(struct lstm *lstm)
{
	mem_free(lstm->parameters);
	mem_free(lstm->packed);
	memset(lstm, 0, sizeof(*lstm));
}

void lstm_seed(struct lstm *lstm, struct random *random)
{
	size_t hidden = lstm->shape.hidden;
	double bound = 1 / sqrt((double)hidden);

	for (float *at = lstm->parameters; at < lstm->head; at++)
		*at = (float)((random_unit(random) * 2 - 1) * bound);
	memset(lstm->head, 0, (hidden + 1) * LSTM_HEAD * sizeof(float));
	for (size_t l = 0; l < lstm->shape.layers; l++)
		for (size_t j = hidden; j < 2 * hidden; j++)
			lstm->layers[l].bias[j] += 1;
	lstm_prepare(lstm);
}

void lstm_prepare(struct lstm *lstm)
{
	size_t gates = 4 * lstm->shape.hidden, hidden = lstm->shape.hidden;

	for (size_t l = 0; l < lstm->shape.layers; l++) {
		const struct lstm_layer *layer = &lstm->layers[l];

		if (lstm->weights == LSTM_BF16) {
			kernels_pack_rounded(layer->input, gates, layer->inputs, gates,
				layer->rounded_input);
			kernels_pack_rounded(layer->recurrent, gates, hidden, gates,
				layer->rounded_recurrent);
			continue;
		}
		kernels_pack(layer->input, gates, layer->inputs, gates, layer->packed_input);
		kernels_pack(layer->recurrent, gates, hidden, gates, layer->packed_recurrent);
	}
}

enum lstm_weights lstm_weights_best(void)
{
	return kernels_best()->rounds ? LSTM_BF16 : LSTM_FP32;
}

void lstm_take_weights(struct lstm *lstm, enum lstm_weights weights)
{
	lstm->weights = weights;
	lstm_prepare(lstm);
}

size_t lstm_state_size(const struct lstm_shape *shape)
{
	return shape->layers * 2 * shape->hidden;
}

void lstm_gates_add(const struct lstm *lstm, size_t l, bool recurrent, size_t rows, const float *a,
	size_t a_row, float *gates)
{
	const struct lstm_layer *layer = &lstm->layers[l];
	size_t width = 4 * lstm->shape.hidden;
	size_t inner = recurrent ? lstm->shape.hidden : layer->inputs;
	struct kernel_product product = {.rows = rows,
		.inner = inner,
		.columns = width,
		.a = a,
		.a_row = a_row,
		.a_column = 1,
		.b = recurrent ? layer->packed_recurrent : layer->packed_input,
		.b_row = KERNEL_PANEL,
		.b_panel = inner * KERNEL_PANEL,
		.c = gates,
		.c_row = width,
		.add = true};

	if (lstm->weights == LSTM_BF16)
		lstm->kernels->multiply_rounded(&product,
			recurrent ? layer->rounded_recurrent : layer->rounded_input);
	else
		lstm->kernels->multiply(&product);
}

/* gates: [count][4 hidden] of one layer: b + x W + h U. */
static void gates_sum(const struct lstm *lstm, size_t l, size_t count, const float *inputs,
	size_t input_row, const float *states, float *gates)
{
	size_t hidden = lstm->shape.hidden, width = 4 * hidden;

	for (size_t i = 0; i < count; i++)
		memcpy(gates + i * width, lstm->layers[l].bias, width * sizeof(*gates));
	lstm_gates_add(lstm, l, false, count, inputs, input_row, gates);
	lstm_gates_add(lstm, l, true, count, states + l * 2 * hidden, lstm_state_size(&lstm->shape),
		gates);
}

static void head_step(const struct lstm *lstm, size_t count, const float *states, float *outputs)
{
	size_t hidden = lstm->shape.hidden, state = lstm_state_size(&lstm->shape);
	float sums[STEP_BATCH * LSTM_HEAD];
	struct kernel_product product = {.rows = count,
		.inner = hidden,
		.columns = LSTM_HEAD,
		.a = states + (lstm->shape.layers - 1) * 2 * hidden,
		.a_row = state,
		.a_column = 1,
		.b = lstm->head,
		.b_row = LSTM_HEAD,
		.c = sums,
		.c_row = LSTM_HEAD,
		.add = true};

	for (size_t i = 0; i < count; i++)
		memcpy(sums + i * LSTM_HEAD, lstm->head_bias, LSTM_HEAD * sizeof(*sums));
	lstm->kernels->multiply(&product);
	for (size_t i = 0; i < count; i++)
		memcpy(outputs + i * lstm->shape.outputs, sums + i * LSTM_HEAD,
			lstm->shape.outputs * sizeof(*outputs));
}

void lstm_step(const struct lstm *lstm, size_t count, float *states, const float *inputs,
	float *outputs)
{
	size_t hidden = lstm->shape.hidden, state = lstm_state_size(&lstm->shape);
	_Alignas(64) float gates[STEP_BATCH * 4 * LSTM_HIDDEN_MAX];

	while (count > 0) {
		size_t batch = count < STEP_BATCH ? count : STEP_BATCH;

		for (size_t l = 0; l < lstm->shape.layers; l++) {
			const float *below = l == 0 ? inputs : states + (l - 1) * 2 * hidden;

			gates_sum(lstm, l, batch, below, l == 0 ? lstm->shape.inputs : state,
				states, gates);
			for (size_t i = 0; i < batch; i++) {
				float *own = states + i * state + l * 2 * hidden;

				lstm->kernels->cell(gates + i * 4 * hidden, own + hidden,
					own + hidden, own, hidden);
			}
		}
		head_step(lstm, batch, states, outputs);
		count -= batch;
		states += batch * state;
		inputs += batch * lstm->shape.inputs;
		outputs += batch * lstm->shape.outputs;
	}
}
