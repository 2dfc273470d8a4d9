/*
 * An LSTM as an ONNX model (https://onnx.ai, IR version 8, operators of set 14), for other runtimes.
 *
 * Inputs, with R rows of B series:
 *   inputs [R][B][inputs]              what the net sees of each row (forecast/lstm_series.h)
 *   last [R][B][1], unit [R][B][1]     the series' last value and its mean change, which normalise it
 *   hidden_before, cell_before [layers][B][hidden]   its state; 0 at first
 * Outputs:
 *   quantiles [R][B][outputs]          changes from the last value in that unit, as the net says them
 *   values [R][B][outputs]             last + unit * quantiles
 *   hidden, cell [layers][B][hidden]   the state to go on with
 *
 * Threads: any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_ONNX_H
#define NIMBUSGUARD_ANALYZERS_MODELS_ONNX_H

#include "analyzers/forecast/lstm.h"
#include "base/buf.h"

/* Words about the model, which ONNX keeps as metadata. */
struct onnx_note {
	const char *key, *value;
};

/* Adds the model's bytes, of which there are about as many as the net's numbers take; whether it had
 * room is buf_ok()'s. */
void onnx_write_lstm(struct buf *out, const struct lstm *lstm, const struct onnx_note *notes,
	size_t note_count);

#endif
