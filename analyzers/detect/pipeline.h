/*
 * A detector made of parts: plain or rolling features, standardised on training, and one or several
 * models that look at them.
 *
 * Threads: as detector.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_PIPELINE_H
#define NIMBUSGUARD_ANALYZERS_DETECT_PIPELINE_H

#include <stdbool.h>

#include "analyzers/detect/detector.h"
#include "analyzers/detect/forest_view.h"
#include "analyzers/detect/model.h"

#define PIPELINE_MODELS_MAX 3

struct pipeline_part {
	const struct model_class *model;
	size_t trees_divisor; /* it gets this part of the trees that are configured */
};

/* parts: [count], count at most PIPELINE_MODELS_MAX. */
struct detector *pipeline_open(const struct pipeline_part *parts, size_t count, bool rolling,
	const struct detector_config *config, size_t columns, struct error *error);
/* A part whose model cannot be fitted is left out while another can. */
enum status pipeline_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error);
/* The first part's score. */
double pipeline_step(struct detector *detector, const double *row, double *contributions);
void pipeline_explain(struct detector *detector, double *contributions);
void pipeline_pack(struct detector *detector, struct pack *pack);
size_t pipeline_size(const struct detector *detector);
void pipeline_close(struct detector *detector);

/* One step with the scores of all parts: [count], NaN where the row or the part is not judged. */
void pipeline_scores(struct detector *detector, const double *row, double *scores);
/* What one part says of the last row. */
void pipeline_explain_part(struct detector *detector, size_t part, double *contributions);

/* The first part that is an isolation forest; false: none, or not fitted. */
bool pipeline_forest(const struct detector *detector, struct forest_view *view);

#endif
