/*
 * A detector made of parts: plain or rolling features, standardised on training, and a model.
 *
 * Threads: as detector.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_PIPELINE_H
#define NIMBUSGUARD_ANALYZERS_DETECT_PIPELINE_H

#include <stdbool.h>

#include "analyzers/detect/detector.h"
#include "analyzers/detect/model.h"

struct detector *pipeline_open(const struct model_class *model, bool rolling,
	const struct detector_config *config, size_t columns, struct error *error);
enum status pipeline_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error);
double pipeline_step(struct detector *detector, const double *row, double *contributions);
size_t pipeline_size(const struct detector *detector);
void pipeline_close(struct detector *detector);

#endif
