/*
 * Forecasts that wait for their outcome: a ring of what was said in each of the last rows, so that a
 * value can be held against what was said of it some rows before.
 *
 * Limits: one row more than the longest horizon.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_PENDING_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_PENDING_H

#include <stddef.h>

#include "base/error.h"

struct pack;

struct pending {
	double *slots; /* [rows][width] */
	size_t rows, width, at;
};

/* The slots, from and to a ring of the same size. */
void pending_pack(struct pending *pending, struct pack *pack);
/* All slots say NaN. */
enum status pending_init(struct pending *pending, size_t horizon_max, size_t width,
	struct error *error) MUST_CHECK;
void pending_fini(struct pending *pending);
void pending_reset(struct pending *pending);
/* The slot of the row that begins now: [width], to be filled. */
double *pending_next(struct pending *pending);
/* What was put `back` rows before the newest one; 0 is the newest. back <= horizon_max. */
const double *pending_back(const struct pending *pending, size_t back);

#endif
