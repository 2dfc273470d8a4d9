/*
 * An isolation forest as an ONNX model (operators of set 14, and TreeEnsembleRegressor of ai.onnx.ml).
 *
 * Input: features [rows][features], doubles: of N columns the values, or with rolling features the
 *   6 N of detect/roll.h in their order; NaN: missing, which counts as the mean.
 * Output: scores [rows][1], as forest_row() gives them to 1e-6.
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_ONNX_FOREST_H
#define NIMBUSGUARD_ANALYZERS_MODELS_ONNX_FOREST_H

#include "analyzers/detect/forest_view.h"
#include "analyzers/models/onnx.h"
#include "base/error.h"

/* Adds the model's bytes, some 60 a node; whether it had room is buf_ok()'s. STATUS_NO_MEMORY. */
enum status onnx_write_forest(struct buf *out, const struct forest_view *view,
	const struct onnx_note *notes, size_t note_count, struct error *error) MUST_CHECK;

#endif
