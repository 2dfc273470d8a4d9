/*
 * Field numbers and types are those of onnx.proto3.
 */
#include "analyzers/models/onnx_parts.h"

#include <string.h>

#include "analyzers/models/protobuf.h"

#define IR_VERSION 8
#define OPERATOR_SET 14
#define LEARNING_DOMAIN "ai.onnx.ml"
#define LEARNING_SET 1

enum {
	MODEL_IR_VERSION = 1,
	MODEL_PRODUCER = 2,
	MODEL_GRAPH = 7,
	MODEL_OPERATOR_SET = 8,
	MODEL_METADATA = 14,
	OPERATOR_SET_DOMAIN = 1,
	OPERATOR_SET_VERSION = 2,
	METADATA_KEY = 1,
	METADATA_VALUE = 2,
	GRAPH_NODE = 1,
	GRAPH_NAME = 2,
	GRAPH_INITIALIZER = 5,
	NODE_NAME = 3,
	NODE_TYPE = 4,
	NODE_ATTRIBUTE = 5,
	NODE_DOMAIN = 7,
	ATTRIBUTE_NAME = 1,
	ATTRIBUTE_INT = 3,
	ATTRIBUTE_TEXT = 4,
	ATTRIBUTE_FLOATS = 7,
	ATTRIBUTE_INTS = 8,
	ATTRIBUTE_TEXTS = 9,
	ATTRIBUTE_TYPE = 20,
	TENSOR_DIMENSION = 1,
	TENSOR_TYPE = 2,
	TENSOR_NAME = 8,
	TENSOR_RAW = 9,
	VALUE_NAME = 1,
	VALUE_TYPE = 2,
	VALUE_TENSOR = 1,
	VALUE_ELEMENT = 1,
	VALUE_SHAPE = 2,
	SHAPE_DIMENSION = 1,
	DIMENSION_VALUE = 1,
	DIMENSION_NAME = 2,
};

/* Values of ATTRIBUTE_TYPE. */
enum { TYPE_INT = 2, TYPE_TEXT = 3, TYPE_FLOATS = 6, TYPE_INTS = 7, TYPE_TEXTS = 8 };

void onnx_writer_init(struct onnx_writer *writer, size_t max)
{
	buf_init(&writer->graph, max);
	buf_init(&writer->node, max);
	buf_init(&writer->inner, max);
	buf_init(&writer->innermost, max);
}

void onnx_writer_finish(struct onnx_writer *writer, const char *name, bool learning,
	const struct onnx_note *notes, size_t note_count, struct buf *out)
{
	protobuf_text(&writer->graph, GRAPH_NAME, name);
	protobuf_int(out, MODEL_IR_VERSION, IR_VERSION);
	protobuf_text(out, MODEL_PRODUCER, "nimbusguard");
	protobuf_message(out, MODEL_GRAPH, &writer->graph);
	protobuf_int(&writer->inner, OPERATOR_SET_VERSION, OPERATOR_SET);
	protobuf_message(out, MODEL_OPERATOR_SET, &writer->inner);
	if (learning) {
		protobuf_text(&writer->inner, OPERATOR_SET_DOMAIN, LEARNING_DOMAIN);
		protobuf_int(&writer->inner, OPERATOR_SET_VERSION, LEARNING_SET);
		protobuf_message(out, MODEL_OPERATOR_SET, &writer->inner);
	}
	for (size_t i = 0; i < note_count; i++) {
		protobuf_text(&writer->inner, METADATA_KEY, notes[i].key);
		protobuf_text(&writer->inner, METADATA_VALUE, notes[i].value);
		protobuf_message(out, MODEL_METADATA, &writer->inner);
	}
	buf_fini(&writer->graph);
	buf_fini(&writer->node);
	buf_fini(&writer->inner);
	buf_fini(&writer->innermost);
}

/* ---- tensors ---- */

/* Raw numbers are little-endian whatever the machine. */
static void raw_add(struct buf *raw, uint64_t bits, size_t size)
{
	unsigned char bytes[sizeof(bits)];

	for (size_t b = 0; b < size; b++)
		bytes[b] = (unsigned char)(bits >> 8 * b);
	buf_add(raw, bytes, size);
}

static void float_add(struct buf *raw, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	raw_add(raw, bits, sizeof(bits));
}

void onnx_floats(struct onnx_writer *writer, const float *values, size_t count, size_t stride)
{
	for (size_t i = 0; i < count; i++)
		float_add(&writer->innermost, values[i * stride]);
}

void onnx_doubles(struct onnx_writer *writer, const double *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t bits;

		memcpy(&bits, &values[i], sizeof(bits));
		raw_add(&writer->innermost, bits, sizeof(bits));
	}
}

void onnx_int64(struct onnx_writer *writer, int64_t value)
{
	raw_add(&writer->innermost, (uint64_t)value, sizeof(value));
}

void onnx_tensor(struct onnx_writer *writer, const char *name, enum onnx_type type,
	const size_t *sizes, size_t rank)
{
	struct buf *tensor = &writer->inner;

	for (size_t i = 0; i < rank; i++)
		protobuf_int(tensor, TENSOR_DIMENSION, sizes[i]);
	protobuf_int(tensor, TENSOR_TYPE, type);
	protobuf_text(tensor, TENSOR_NAME, name);
	protobuf_message(tensor, TENSOR_RAW, &writer->innermost);
	protobuf_message(&writer->graph, GRAPH_INITIALIZER, tensor);
}

/* ---- nodes ---- */

void onnx_node_name(struct onnx_writer *writer, enum onnx_end end, const char *name)
{
	protobuf_text(&writer->node, end, name);
}

/* The attribute whose values are in `inner`. */
static void attribute_end(struct onnx_writer *writer, const char *name, unsigned type)
{
	protobuf_text(&writer->inner, ATTRIBUTE_NAME, name);
	protobuf_int(&writer->inner, ATTRIBUTE_TYPE, type);
	protobuf_message(&writer->node, NODE_ATTRIBUTE, &writer->inner);
}

void onnx_attribute_int(struct onnx_writer *writer, const char *name, uint64_t value)
{
	protobuf_int(&writer->inner, ATTRIBUTE_INT, value);
	attribute_end(writer, name, TYPE_INT);
}

void onnx_attribute_text(struct onnx_writer *writer, const char *name, const char *value)
{
	protobuf_text(&writer->inner, ATTRIBUTE_TEXT, value);
	attribute_end(writer, name, TYPE_TEXT);
}

void onnx_attribute_ints(struct onnx_writer *writer, const char *name, const uint32_t *values,
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		protobuf_int(&writer->inner, ATTRIBUTE_INTS, values[i]);
	attribute_end(writer, name, TYPE_INTS);
}

/* Packed, which a reader has to understand whatever the definition says. */
void onnx_attribute_floats(struct onnx_writer *writer, const char *name, const float *values,
	size_t count)
{
	onnx_floats(writer, values, count, 1);
	protobuf_message(&writer->inner, ATTRIBUTE_FLOATS, &writer->innermost);
	attribute_end(writer, name, TYPE_FLOATS);
}

void onnx_attribute_texts(struct onnx_writer *writer, const char *name, const char *const *values,
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		protobuf_text(&writer->inner, ATTRIBUTE_TEXTS, values[i]);
	attribute_end(writer, name, TYPE_TEXTS);
}

void onnx_node(struct onnx_writer *writer, const char *domain, const char *type, const char *name)
{
	protobuf_text(&writer->node, NODE_TYPE, type);
	protobuf_text(&writer->node, NODE_NAME, name);
	if (domain != NULL)
		protobuf_text(&writer->node, NODE_DOMAIN, domain);
	protobuf_message(&writer->graph, GRAPH_NODE, &writer->node);
}

void onnx_node_of(struct onnx_writer *writer, const char *type, const char *const *inputs,
	const char *output)
{
	for (; *inputs != NULL; inputs++)
		onnx_node_name(writer, ONNX_NODE_INPUT, *inputs);
	onnx_node_name(writer, ONNX_NODE_OUTPUT, output);
	onnx_node(writer, NULL, type, output);
}

/* ---- values ---- */

void onnx_value(struct onnx_writer *writer, enum onnx_value value, const char *name,
	enum onnx_type type, const struct onnx_side *sides, size_t rank)
{
	struct buf *shape = &writer->inner, *side = &writer->innermost;

	for (size_t i = 0; i < rank; i++) {
		if (sides[i].size > 0)
			protobuf_int(side, DIMENSION_VALUE, sides[i].size);
		else
			protobuf_text(side, DIMENSION_NAME, sides[i].name);
		protobuf_message(shape, SHAPE_DIMENSION, side);
	}
	/* The tensor's type, then the type of the value, each around the last. */
	protobuf_int(side, VALUE_ELEMENT, type);
	protobuf_message(side, VALUE_SHAPE, shape);
	protobuf_message(shape, VALUE_TENSOR, side);
	protobuf_text(&writer->node, VALUE_NAME, name);
	protobuf_message(&writer->node, VALUE_TYPE, shape);
	protobuf_message(&writer->graph, value, &writer->node);
}
