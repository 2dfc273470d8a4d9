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
 * they have a column a gate and another order. Field numbers and types are those of onnx.proto3.
 */
#include "analyzers/models/onnx.h"

#include <stdio.h>
#include <string.h>

#include "analyzers/models/protobuf.h"
#include "base/mem.h"

#define IR_VERSION 8
#define OPERATOR_SET 14
#define NAME_SIZE 48

enum {
	MODEL_IR_VERSION = 1,
	MODEL_PRODUCER = 2,
	MODEL_GRAPH = 7,
	MODEL_OPERATOR_SET = 8,
	MODEL_METADATA = 14,
	OPERATOR_SET_VERSION = 2,
	METADATA_KEY = 1,
	METADATA_VALUE = 2,
	GRAPH_NODE = 1,
	GRAPH_NAME = 2,
	GRAPH_INITIALIZER = 5,
	GRAPH_INPUT = 11,
	GRAPH_OUTPUT = 12,
	NODE_INPUT = 1,
	NODE_OUTPUT = 2,
	NODE_NAME = 3,
	NODE_TYPE = 4,
	NODE_ATTRIBUTE = 5,
	ATTRIBUTE_NAME = 1,
	ATTRIBUTE_INT = 3,
	ATTRIBUTE_TYPE = 20,
	ATTRIBUTE_TYPE_INT = 2,
	TENSOR_DIMENSION = 1,
	TENSOR_TYPE = 2,
	TENSOR_NAME = 8,
	TENSOR_RAW = 9,
	TYPE_FLOAT = 1,
	TYPE_INT64 = 7,
	VALUE_NAME = 1,
	VALUE_TYPE = 2,
	VALUE_TENSOR = 1,
	VALUE_ELEMENT = 1,
	VALUE_SHAPE = 2,
	SHAPE_DIMENSION = 1,
	DIMENSION_VALUE = 1,
	DIMENSION_NAME = 2,
};

struct writer {
	const struct lstm *lstm;
	struct buf graph, node, inner, innermost;
};

/* ---- pieces ---- */

/* Raw tensors are little-endian whatever the machine. */
static void floats_add(struct buf *raw, const float *values, size_t count, size_t stride)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char bytes[4];
		uint32_t bits;

		memcpy(&bits, &values[i * stride], sizeof(bits));
		for (size_t b = 0; b < sizeof(bytes); b++)
			bytes[b] = (unsigned char)(bits >> 8 * b);
		buf_add(raw, bytes, sizeof(bytes));
	}
}

/* The tensor whose numbers are in `innermost`. */
static void tensor_add(struct writer *writer, const char *name, unsigned type, const size_t *sizes,
	size_t rank)
{
	struct buf *tensor = &writer->inner;

	for (size_t i = 0; i < rank; i++)
		protobuf_int(tensor, TENSOR_DIMENSION, sizes[i]);
	protobuf_int(tensor, TENSOR_TYPE, type);
	protobuf_text(tensor, TENSOR_NAME, name);
	protobuf_message(tensor, TENSOR_RAW, &writer->innermost);
	protobuf_message(&writer->graph, GRAPH_INITIALIZER, tensor);
}

static void attribute_add(struct writer *writer, const char *name, uint64_t value)
{
	protobuf_text(&writer->inner, ATTRIBUTE_NAME, name);
	protobuf_int(&writer->inner, ATTRIBUTE_INT, value);
	protobuf_int(&writer->inner, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INT);
	protobuf_message(&writer->node, NODE_ATTRIBUTE, &writer->inner);
}

/* Ends the node whose inputs, outputs and attributes are written. */
static void node_add(struct writer *writer, const char *type, const char *name)
{
	protobuf_text(&writer->node, NODE_TYPE, type);
	protobuf_text(&writer->node, NODE_NAME, name);
	protobuf_message(&writer->graph, GRAPH_NODE, &writer->node);
}

/* output = type(a, b). */
static void node_of_two(struct writer *writer, const char *type, const char *a, const char *b,
	const char *output)
{
	protobuf_text(&writer->node, NODE_INPUT, a);
	protobuf_text(&writer->node, NODE_INPUT, b);
	protobuf_text(&writer->node, NODE_OUTPUT, output);
	node_add(writer, type, output);
}

/* A size of 0 is one that the caller of the model chooses, by the name. */
struct side {
	size_t size;
	const char *name;
};

static void value_add(struct writer *writer, unsigned field, const char *name,
	const struct side sides[3])
{
	struct buf *shape = &writer->inner, *side = &writer->innermost;
	struct buf *value = &writer->node;

	for (size_t i = 0; i < 3; i++) {
		if (sides[i].size > 0)
			protobuf_int(side, DIMENSION_VALUE, sides[i].size);
		else
			protobuf_text(side, DIMENSION_NAME, sides[i].name);
		protobuf_message(shape, SHAPE_DIMENSION, side);
	}
	/* The tensor's type, then the type of the value, each around the last. */
	protobuf_int(side, VALUE_ELEMENT, TYPE_FLOAT);
	protobuf_message(side, VALUE_SHAPE, shape);
	protobuf_message(shape, VALUE_TENSOR, side);
	protobuf_text(value, VALUE_NAME, name);
	protobuf_message(value, VALUE_TYPE, shape);
	protobuf_message(&writer->graph, field, value);
}

/* ---- weights ---- */

/* weights: [rows][4 hidden] as [4 hidden][rows], gates in ONNX's order. */
static void gates_add(struct writer *writer, const float *weights, size_t rows)
{
	static const size_t order[] = {0, 3, 1, 2};
	size_t hidden = writer->lstm->shape.hidden;

	for (size_t g = 0; g < 4; g++)
		for (size_t j = 0; j < hidden; j++)
			floats_add(&writer->innermost, weights + order[g] * hidden + j, rows,
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
	tensor_add(writer, name, TYPE_FLOAT, (size_t[]){1, 4 * hidden, layer->inputs}, 3);
	gates_add(writer, layer->recurrent, hidden);
	snprintf(name, sizeof(name), "recurrent_weights_%zu", l);
	tensor_add(writer, name, TYPE_FLOAT, (size_t[]){1, 4 * hidden, hidden}, 3);
	/* Two biases, which ONNX adds up; there is one. */
	gates_add(writer, layer->bias, 1);
	floats_add(&writer->innermost, &zero, 4 * hidden, 0);
	snprintf(name, sizeof(name), "bias_%zu", l);
	tensor_add(writer, name, TYPE_FLOAT, (size_t[]){1, 8 * hidden}, 2);
}

static void head_weights(struct writer *writer)
{
	const struct lstm *lstm = writer->lstm;
	size_t hidden = lstm->shape.hidden, outputs = lstm->shape.outputs;
	const unsigned char one[8] = {1};

	for (size_t j = 0; j < hidden; j++)
		floats_add(&writer->innermost, lstm->head + j * LSTM_HEAD, outputs, 1);
	tensor_add(writer, "head", TYPE_FLOAT, (size_t[]){hidden, outputs}, 2);
	floats_add(&writer->innermost, lstm->head_bias, outputs, 1);
	tensor_add(writer, "head_bias", TYPE_FLOAT, (size_t[]){outputs}, 1);
	buf_add(&writer->innermost, one, sizeof(one));
	tensor_add(writer, "direction", TYPE_INT64, (size_t[]){1}, 1);
}

/* ---- nodes ---- */

/* name_0, name_1 ... of all layers, as inputs or outputs of the node. */
static void layers_name(struct writer *writer, unsigned field, const char *name)
{
	for (size_t l = 0; l < writer->lstm->shape.layers; l++) {
		char text[NAME_SIZE];

		snprintf(text, sizeof(text), "%s_%zu", name, l);
		protobuf_text(&writer->node, field, text);
	}
}

static void split_add(struct writer *writer, const char *name)
{
	char text[NAME_SIZE];

	protobuf_text(&writer->node, NODE_INPUT, name);
	layers_name(writer, NODE_OUTPUT, name);
	attribute_add(writer, "axis", 0);
	snprintf(text, sizeof(text), "split_%s", name);
	node_add(writer, "Split", text);
}

static void concat_add(struct writer *writer, const char *name)
{
	layers_name(writer, NODE_INPUT, name);
	protobuf_text(&writer->node, NODE_OUTPUT, name);
	attribute_add(writer, "axis", 0);
	node_add(writer, "Concat", name);
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
	protobuf_text(&writer->node, NODE_INPUT, below);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		snprintf(name, sizeof(name), "%s_%zu", inputs[i], l);
		protobuf_text(&writer->node, NODE_INPUT, *inputs[i] != '\0' ? name : "");
	}
	for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
		snprintf(name, sizeof(name), "%s_%zu", outputs[i], l);
		protobuf_text(&writer->node, NODE_OUTPUT, name);
	}
	attribute_add(writer, "hidden_size", writer->lstm->shape.hidden);
	snprintf(name, sizeof(name), "layer_%zu", l);
	node_add(writer, "LSTM", name);
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
	const struct side rows = {0, "rows"}, series = {0, "series"}, one = {1, NULL};
	const struct side state[] = {{shape->layers, NULL}, series, {shape->hidden, NULL}};
	const struct side inputs[] = {rows, series, {shape->inputs, NULL}};
	const struct side outputs[] = {rows, series, {shape->outputs, NULL}};
	const struct side number[] = {rows, series, one};

	value_add(writer, GRAPH_INPUT, "inputs", inputs);
	value_add(writer, GRAPH_INPUT, "last", number);
	value_add(writer, GRAPH_INPUT, "unit", number);
	value_add(writer, GRAPH_INPUT, "hidden_before", state);
	value_add(writer, GRAPH_INPUT, "cell_before", state);
	value_add(writer, GRAPH_OUTPUT, "quantiles", outputs);
	value_add(writer, GRAPH_OUTPUT, "values", outputs);
	value_add(writer, GRAPH_OUTPUT, "hidden", state);
	value_add(writer, GRAPH_OUTPUT, "cell", state);
}

void onnx_write_lstm(struct buf *out, const struct lstm *lstm, const struct onnx_note *notes,
	size_t note_count)
{
	struct writer writer = {.lstm = lstm};

	buf_init(&writer.graph, out->max);
	buf_init(&writer.node, out->max);
	buf_init(&writer.inner, out->max);
	buf_init(&writer.innermost, out->max);
	nodes_add(&writer);
	protobuf_text(&writer.graph, GRAPH_NAME, "lstm");
	for (size_t l = 0; l < lstm->shape.layers; l++)
		layer_weights(&writer, l);
	head_weights(&writer);
	values_add(&writer);

	protobuf_int(out, MODEL_IR_VERSION, IR_VERSION);
	protobuf_text(out, MODEL_PRODUCER, "nimbusguard");
	protobuf_message(out, MODEL_GRAPH, &writer.graph);
	protobuf_int(&writer.inner, OPERATOR_SET_VERSION, OPERATOR_SET);
	protobuf_message(out, MODEL_OPERATOR_SET, &writer.inner);
	for (size_t i = 0; i < note_count; i++) {
		protobuf_text(&writer.inner, METADATA_KEY, notes[i].key);
		protobuf_text(&writer.inner, METADATA_VALUE, notes[i].value);
		protobuf_message(out, MODEL_METADATA, &writer.inner);
	}
	buf_fini(&writer.graph);
	buf_fini(&writer.node);
	buf_fini(&writer.inner);
	buf_fini(&writer.innermost);
}
