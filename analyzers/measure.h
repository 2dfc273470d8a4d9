/*
 * The measurement that a sample carries: of a gauge its value, of a counter the rate since the sample
 * before it.
 *
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MEASURE_H
#define NIMBUSGUARD_ANALYZERS_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "store/store.h"

/* All zero: nothing seen yet. */
struct measure_cursor {
	double previous;
	int64_t previous_ms;
	bool started;
};

/* Points in time order. false when the point is no measurement: NaN, infinite, a stale marker, or the
 * first of a counter. A counter that fell has begun anew from zero: *reset is set, else left. */
bool measure_point(struct measure_cursor *cursor, enum signal_type type,
	const struct store_point *point, double *value, bool *reset);

#endif
