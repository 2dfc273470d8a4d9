/*
 * The net for all workloads in a model file: an LSTM (kind "lstm") whose further shapes tell the layout
 * of its inputs, the signals beside, and its two horizons.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_GENERAL_FILE_H
#define NIMBUSGUARD_ANALYZERS_MODELS_GENERAL_FILE_H

#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/models/model_file.h"

/* Of shapes behind inputs, hidden, layers, outputs. */
enum general_shape {
	GENERAL_LAYOUT = 4,
	GENERAL_BESIDE,
	GENERAL_NEAR,
	GENERAL_FAR,
};

/* Kind and shapes of info are filled in, the rest is the caller's. STATUS_BAD_INPUT: not of two
 * horizons; else as model_file_write(). */
enum status general_file_write(const char *path, const struct lstm_net *net,
	struct model_info *info, struct error *error) MUST_CHECK;
/* *net: held once, NULL unless STATUS_OK. STATUS_BAD_INPUT: an LSTM of another use, or of a layout of
 * inputs that this version does not make; else as lstm_file_read(). */
enum status general_file_read(const char *path, struct lstm_net **net, struct model_info *info,
	struct error *error) MUST_CHECK;

#endif
