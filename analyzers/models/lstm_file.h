/*
 * An LSTM in a model file.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_LSTM_FILE_H
#define NIMBUSGUARD_ANALYZERS_MODELS_LSTM_FILE_H

#include "analyzers/forecast/lstm.h"
#include "analyzers/models/model_file.h"

/* Kind and the first four shapes of info are filled in, the rest is the caller's. */
enum status lstm_file_write(const char *path, const struct lstm *lstm, struct model_info *info,
	struct error *error) MUST_CHECK;
/* Begins the net (lstm_fini). STATUS_BAD_INPUT: of another kind, or numbers that are not of its
 * shape; else as model_file_read(). */
enum status lstm_file_read(const char *path, const struct kernels *kernels, struct lstm *lstm,
	struct model_info *info, struct error *error) MUST_CHECK;

#endif
