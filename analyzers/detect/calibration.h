/*
 * What a score means: its place among the scores of training, as a tail probability, so that scores
 * of different detectors can be compared and added.
 *
 * Ownership: a plain value. Threads: read-only after the fit.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_CALIBRATION_H
#define NIMBUSGUARD_ANALYZERS_DETECT_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzers/detect/pareto.h"

#define CALIBRATION_POINTS 65
#define CALIBRATION_TAIL 0.02
/* Decades: beyond this a tail that was never seen is extrapolated, and surprise grows with its logarithm
 * only. A hard end would make equals of all rows where training was short or is long past. */
#define CALIBRATION_SURPRISE_SURE 6.0
#define CALIBRATION_SURPRISE_MAX 30.0

struct pack;

struct calibration {
	bool flat; /* training's scores were all the same: nothing is told apart */
	double points
		[CALIBRATION_POINTS]; /* quantiles, evenly spaced from 0 to 1 - CALIBRATION_TAIL */
	struct pareto tail;           /* of the excesses over the last of them */
};

/* scores: [count], their order is changed; those that are not finite are left out. With less than 50
 * the calibration is flat. */
void calibration_fit(struct calibration *calibration, double *scores, size_t count);
void calibration_pack(struct calibration *calibration, struct pack *pack);
/* P(a usual score is at least this), in (0, 1]; NaN for NaN and when flat. */
double calibration_tail(const struct calibration *calibration, double score);
/* -log10 of that, 0 to CALIBRATION_SURPRISE_MAX: the decades of surprise. */
double calibration_surprise(const struct calibration *calibration, double score);

#endif
