/*
 * The graph, a node after the other:
 *
 *   Split(hidden_before), Split(cell_before)           the state of each layer
 *   for each layer: LSTM(below, W, R, B, , hidden, cell) -> all rows, hidden, cell;  Squeeze
 *   Concat(hidden of all layers), Concat(cells)
 *   MatMul(rows of the last layer, head), Add(head's bias)   -> quantiles
 *   Mul(quantiles, unit), Add(last)                          -> values
 *
 * ONNX keeps weights with a row a gate and the gates in the order input, output, forget, candidate; here
 * they have a column a gate and another order.
 */
#include "analyzers/models/onnx_parts.h"

#include <stdio.h>

#define NAME_SIZE 48

struct writer {
	const struct lstm *lstm;
	struct onnx_writer onnx;
};

static void node_of_two(struct writer *writer, const char *type, const char *a, const char *b,
	const char *output)
{
	onnx_node_of(&writer->onnx, type, (const char *const[]){a, b, NULL}, output);
}

/* ---- weights ---- */

/* weights: [rows][4 hidden] as [4 hidden][rows], gates in ONNX's order. */
static void gates_add(struct writer *writer, const float *weights, size_t rows)
{
	static const size_t order[] = {0, 3, 1, 2};
	size_t hidden = writer->lstm->shape.hidden;

	for (size_t g = 0; g < 4; g++)
		for (size_t j = 0; j < hidden; j++)
			onnx_floats(&writer->onnx, weights + order[g] * hidden + j, rows,
				4 * hidden);
}

static void layer_weights(struct writer *writer, size_t l)
{
	const struct lstm_layer *layer = &writer->lstm->layers[l];
	size_t hidden = writer->lstm->shape.hidden;
	const float zero = 0;
	char name[NAME_SIZE];

	gates_add(writer, layer->input, layer->inputs);
	snprintf(name, sizeof(name), "input_weights_%zu", l);
	onnx_tensor(&writer->onnx, name, ONNX_FLOAT, (size_t[]){1, 4 * hidden, layer->inputs}, 3);
	gates_add(writer, layer->recurrent, hidden);
	snprintf(name, sizeof(name), "recurrent_weights_%zu", l);
	onnx_tensor(&writer->onnx, name, ONNX_FLOAT, (size_t[]){1, 4 * hidden, hidden}, 3);
	/* Two biases, which ONNX adds up; there is one. */
	gates_add(writer, layer->bias, 1);
	onnx_floats(&writer->onnx, &zero, 4 * hidden, 0);
	snprintf(name, sizeof(name), "bias_%zu", l);
	onnx_tensor(&writer->onnx, name, ONNX_FLOAT, (size_t[]){1, 8 * hidden}, 2);
}

static void head_weights(struct writer *writer)
{
	const struct lstm *lstm = writer->lstm;
	size_t hidden = lstm->shape.hidden, outputs = lstm->shape.outputs;

	for (size_t j = 0; j < hidden; j++)
		onnx_floats(&writer->onnx, lstm->head + j * LSTM_HEAD, outputs, 1);
	onnx_tensor(&writer->onnx, "head", ONNX_FLOAT, (size_t[]){hidden, outputs}, 2);
	onnx_floats(&writer->onnx, lstm->head_bias, outputs, 1);
	onnx_tensor(&writer->onnx, "head_bias", ONNX_FLOAT, (size_t[]){outputs}, 1);
	onnx_int64(&writer->onnx, 1);
	onnx_tensor(&writer->onnx, "direction", ONNX_INT64, (size_t[]){1}, 1);
}

/* ---- nodes ---- */

/* name_0, name_1 ... of all layers, as inputs or outputs of the node. */
static void layers_name(struct writer *writer, enum onnx_end end, const char *name)
{
	for (size_t l = 0; l < writer->lstm->shape.layers; l++) {
		char text[NAME_SIZE];

		snprintf(text, sizeof(text), "%s_%zu", name, l);
		onnx_node_name(&writer->onnx, end, text);
	}
}

static void split_add(struct writer *writer, const char *name)
{
	char text[NAME_SIZE];

	onnx_node_name(&writer->onnx, ONNX_NODE_INPUT, name);
	layers_name(writer, ONNX_NODE_OUTPUT, name);
	onnx_attribute_int(&writer->onnx, "axis", 0);
	snprintf(text, sizeof(text), "split_%s", name);
	onnx_node(&writer->onnx, NULL, "Split", text);
}

static void concat_add(struct writer *writer, const char *name)
{
	layers_name(writer, ONNX_NODE_INPUT, name);
	onnx_node_name(&writer->onnx, ONNX_NODE_OUTPUT, name);
	onnx_attribute_int(&writer->onnx, "axis", 0);
	onnx_node(&writer->onnx, NULL, "Concat", name);
}

static void layer_add(struct writer *writer, size_t l)
{
	/* The fifth input, lengths of sequences, is left out. */
	static const char *const inputs[] = {"input_weights", "recurrent_weights", "bias", "",
		"hidden_before", "cell_before"};
	static const char *const outputs[] = {"all", "hidden", "cell"};
	char below[NAME_SIZE] = "inputs", name[NAME_SIZE];

	if (l > 0)
		snprintf(below, sizeof(below), "rows_%zu", l - 1);
	onnx_node_name(&writer->onnx, ONNX_NODE_INPUT, below);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		snprintf(name, sizeof(name), "%s_%zu", inputs[i], l);
		onnx_node_name(&writer->onnx, ONNX_NODE_INPUT, *inputs[i] != '\0' ? name : "");
	}
	for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
		snprintf(name, sizeof(name), "%s_%zu", outputs[i], l);
		onnx_node_name(&writer->onnx, ONNX_NODE_OUTPUT, name);
	}
	onnx_attribute_int(&writer->onnx, "hidden_size", writer->lstm->shape.hidden);
	snprintf(name, sizeof(name), "layer_%zu", l);
	onnx_node(&writer->onnx, NULL, "LSTM", name);
	snprintf(name, sizeof(name), "all_%zu", l);
	snprintf(below, sizeof(below), "rows_%zu", l);
	node_of_two(writer, "Squeeze", name, "direction", below);
}

static void nodes_add(struct writer *writer)
{
	size_t layers = writer->lstm->shape.layers;
	char last[NAME_SIZE];

	split_add(writer, "hidden_before");
	split_add(writer, "cell_before");
	for (size_t l = 0; l < layers; l++)
		layer_add(writer, l);
	concat_add(writer, "hidden");
	concat_add(writer, "cell");
	snprintf(last, sizeof(last), "rows_%zu", layers - 1);
	node_of_two(writer, "MatMul", last, "head", "sums");
	node_of_two(writer, "Add", "sums", "head_bias", "quantiles");
	node_of_two(writer, "Mul", "quantiles", "unit", "changes");
	node_of_two(writer, "Add", "changes", "last", "values");
}

static void values_add(struct writer *writer)
{
	const struct lstm_shape *shape = &writer->lstm->shape;
	const struct onnx_side rows = {0, "rows"}, series = {0, "series"}, one = {1, NULL};
	const struct onnx_side state[] = {{shape->layers, NULL}, series, {shape->hidden, NULL}};
	const struct onnx_side inputs[] = {rows, series, {shape->inputs, NULL}};
	const struct onnx_side outputs[] = {rows, series, {shape->outputs, NULL}};
	const struct onnx_side number[] = {rows, series, one};

	onnx_value(&writer->onnx, ONNX_GRAPH_INPUT, "inputs", ONNX_FLOAT, inputs, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_INPUT, "last", ONNX_FLOAT, number, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_INPUT, "unit", ONNX_FLOAT, number, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_INPUT, "hidden_before", ONNX_FLOAT, state, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_INPUT, "cell_before", ONNX_FLOAT, state, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_OUTPUT, "quantiles", ONNX_FLOAT, outputs, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_OUTPUT, "values", ONNX_FLOAT, outputs, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_OUTPUT, "hidden", ONNX_FLOAT, state, 3);
	onnx_value(&writer->onnx, ONNX_GRAPH_OUTPUT, "cell", ONNX_FLOAT, state, 3);
}

void onnx_write_lstm(struct buf *out, const struct lstm *lstm, const struct onnx_note *notes,
	size_t note_count)
{
	struct writer writer = {.lstm = lstm};

	onnx_writer_init(&writer.onnx, out->max);
	nodes_add(&writer);
	for (size_t l = 0; l < lstm->shape.layers; l++)
		layer_weights(&writer, l);
	head_weights(&writer);
	values_add(&writer);
	onnx_writer_finish(&writer.onnx, "lstm", false, notes, note_count, out);
}
