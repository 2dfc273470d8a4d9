/*
 * What saying (foresight.c) and fitting (foresight_fit.c) share.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_FORESIGHT_PARTS_H
#define NIMBUSGUARD_ANALYZERS_SCALER_FORESIGHT_PARTS_H

#include "analyzers/scaler/foresight.h"

int foresight_context(const struct foresight_model *model, double unrest);
/* row: [TRAFFIC_FEATURES]; a log ratio. */
double foresight_ridge_mean(const struct foresight_ridge *ridge, const float *row);
void foresight_residual_add(struct foresight_state *state, size_t horizon, int context,
	double residual);
/* A slot later. */
void foresight_residuals_age(struct foresight_state *state);

#endif
