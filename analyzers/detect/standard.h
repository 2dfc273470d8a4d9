/*
 * Standardised features: (value - mean) / deviation, both of training.
 *
 * What did not vary in training has no scale of its own. Such a feature is 0 while it keeps its
 * value and STANDARD_NOVELTY, up or down, when it does not: worth telling, and never the whole score.
 * All others are cut at +-STANDARD_MAX. A missing value, or a feature missing in all of training, is
 * 0, which is as usual as can be.
 *
 * Ownership: heap arrays inside, released by standard_fini(). Threads: read-only after the fit.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_STANDARD_H
#define NIMBUSGUARD_ANALYZERS_DETECT_STANDARD_H

#include <stddef.h>

#include "base/error.h"

struct pack;

#define STANDARD_NOVELTY 3.0
#define STANDARD_MAX 20.0

struct standard {
	size_t count;
	double *mean, *inverse; /* [count]; inverse 0: constant in training; NaN mean: never seen */
};

/* rows: [row_count][count] row-major. On error the standard is empty and may be finished. */
enum status standard_fit(struct standard *standard, const double *rows, size_t row_count,
	size_t count, struct error *error) MUST_CHECK;
/* count: as of the fit; what is read goes into an empty one. */
void standard_pack(struct standard *standard, size_t count, struct pack *pack);
void standard_fini(struct standard *standard);
/* values, scores: [count]; they may be the same. */
void standard_apply(const struct standard *standard, const double *values, double *scores);

#endif
