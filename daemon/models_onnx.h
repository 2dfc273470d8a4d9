/*
 * A model file as an ONNX model, with what the file says of it as metadata (analyzers/models/onnx.h).
 */
#ifndef NIMBUSGUARD_DAEMON_MODELS_ONNX_H
#define NIMBUSGUARD_DAEMON_MODELS_ONNX_H

#include "base/error.h"
#include "base/workload.h"

/* STATUS_BAD_INPUT: of another kind than an LSTM; else as lstm_file_read() and file_write_atomic(). */
enum status models_onnx_export(const char *from, const char *to, struct error *error) MUST_CHECK;
/* The isolation forest that a workload is judged by, alone or within the ensemble, out of the folder of what
 * was learnt (analyzers/learnt_file.h). STATUS_UNSUPPORTED: its detector has none; else as
 * learnt_file_read(), watch_read_kept() and file_write_atomic(). */
enum status models_onnx_export_forest(const char *folder, const struct workload_key *workload,
	const char *to, struct error *error) MUST_CHECK;

#endif
