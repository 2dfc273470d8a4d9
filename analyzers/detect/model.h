/*
 * What a detector does with standardised features: the part that a pipeline (pipeline.c) puts behind
 * rolling or plain features.
 *
 * Threads: read-only after the fit, but for the scratch inside: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_MODEL_H
#define NIMBUSGUARD_ANALYZERS_DETECT_MODEL_H

#include "analyzers/detect/detector.h"

struct model_class {
	/* rows: [count][features], all finite. A new model, or NULL with the reason. */
	void *(*fit)(const struct detector_config *config, const double *rows, size_t count,
		size_t features, struct error *error);
	/* row: [features], finite. parts: [features], to which each feature's part in the score is
	 * added in any unit, or NULL. */
	double (*score)(const void *model, const double *row, double *parts);
	/* All of it; *model: NULL when it is read, then a new one, or NULL when the pack failed. config,
	 * features: as of the fit. */
	void (*pack)(void **model, const struct detector_config *config, size_t features,
		struct pack *pack);
	size_t (*size)(const void *model);
	void (*close)(void *model);
};

extern const struct model_class model_forest, model_extended_forest, model_pca, model_mean_z;

#endif
