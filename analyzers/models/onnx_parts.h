/*
 * Writing ONNX models: tensors, nodes and values of a graph one after the other, then the model around
 * them. Messages are written from the inside out, which takes a buffer for each level.
 *
 * Order: init; of each tensor its numbers, then the tensor; of each node its names and attributes, then
 * the node; finish, which gives the buffers back.
 * Threads: one at a time a writer.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_ONNX_PARTS_H
#define NIMBUSGUARD_ANALYZERS_MODELS_ONNX_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/models/onnx.h"

enum onnx_type { ONNX_FLOAT = 1, ONNX_INT64 = 7, ONNX_DOUBLE = 11 };
/* Fields of a node and of the graph. */
enum onnx_end { ONNX_NODE_INPUT = 1, ONNX_NODE_OUTPUT = 2 };
enum onnx_value { ONNX_GRAPH_INPUT = 11, ONNX_GRAPH_OUTPUT = 12 };

struct onnx_writer {
	struct buf graph, node, inner, innermost;
};

/* max: bytes of the whole model. */
void onnx_writer_init(struct onnx_writer *writer, size_t max);
/* Adds the model to `out`, also when something failed: buf_ok() tells. learning: it has operators of
 * the domain ai.onnx.ml. */
void onnx_writer_finish(struct onnx_writer *writer, const char *name, bool learning,
	const struct onnx_note *notes, size_t note_count, struct buf *out);

/* Numbers of the tensor to come. stride: from one number to the next. */
void onnx_floats(struct onnx_writer *writer, const float *values, size_t count, size_t stride);
void onnx_doubles(struct onnx_writer *writer, const double *values, size_t count);
void onnx_int64(struct onnx_writer *writer, int64_t value);
/* The tensor of these numbers. sizes: [rank]. */
void onnx_tensor(struct onnx_writer *writer, const char *name, enum onnx_type type,
	const size_t *sizes, size_t rank);

/* Names and attributes of the node to come. */
void onnx_node_name(struct onnx_writer *writer, enum onnx_end end, const char *name);
void onnx_attribute_int(struct onnx_writer *writer, const char *name, uint64_t value);
void onnx_attribute_text(struct onnx_writer *writer, const char *name, const char *value);
/* values: [count], at least 0 each. */
void onnx_attribute_ints(struct onnx_writer *writer, const char *name, const uint32_t *values,
	size_t count);
void onnx_attribute_floats(struct onnx_writer *writer, const char *name, const float *values,
	size_t count);
void onnx_attribute_texts(struct onnx_writer *writer, const char *name, const char *const *values,
	size_t count);
/* The node of these. domain: NULL of ONNX's own operators. */
void onnx_node(struct onnx_writer *writer, const char *domain, const char *type, const char *name);
/* output = type(inputs), without attributes. inputs: up to a NULL. */
void onnx_node_of(struct onnx_writer *writer, const char *type, const char *const *inputs,
	const char *output);

/* A size of 0 is one that the caller of the model chooses, by the name. */
struct onnx_side {
	size_t size;
	const char *name;
};

void onnx_value(struct onnx_writer *writer, enum onnx_value value, const char *name,
	enum onnx_type type, const struct onnx_side *sides, size_t rank);

#endif
