/*
 * The isolation forest within a detector, for who writes it in another form.
 *
 * Threads: read-only; not while the detector is fitted.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_FOREST_VIEW_H
#define NIMBUSGUARD_ANALYZERS_DETECT_FOREST_VIEW_H

#include <stdbool.h>

#include "analyzers/detect/detector.h"

struct forest;
struct standard;

/* Borrowed from the detector. */
struct forest_view {
	const struct forest *forest;     /* of standardised features */
	const struct standard *standard; /* how they are standardised */
	bool rolling;                    /* features are those of detect/roll.h; else the values */
};

/* false: it has no isolation forest, or is not fitted. A forest of hyperplanes is none. */
bool forest_view(const struct detector_class *class, const struct detector *detector,
	struct forest_view *view);

#endif
