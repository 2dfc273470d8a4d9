/*
 * What a signal would do if nothing were done: one narrow question, asked when a change is written
 * and held against what came when it is verified. Who answers is named in the record.
 *
 * Where a forecaster of the analyzers has skill for the signal and the time (signal_source.h, foresee),
 * it answers for tests of a mean or of the newest value. Else two simple ones do, on the samples alone:
 * seasonal naive (Hyndman and Athanasopoulos, Forecasting, section 5.2) where the same time of an
 * earlier day had the same trouble, else the robust z-score: the median of the trouble so far and its
 * median absolute deviation (Iglewicz and Hoaglin 1993).
 *
 * Ownership: plain values.
 * Threads: from the engine's thread; must not block.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_FORECAST_H
#define NIMBUSGUARD_REMEDIATIONS_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "remediations/plan.h"

/* X(method, name) */
#define FORECAST_TABLE(X)                                                                          \
	X(FORECAST_NONE, "none")                                                                   \
	X(FORECAST_SEASONAL_NAIVE, "seasonal_naive")                                               \
	X(FORECAST_ROBUST_Z, "robust_z_score")                                                     \
	X(FORECAST_MODEL, "model") /* one of the analyzers' */

enum forecast_method {
#define X(method, name) method,
	FORECAST_TABLE(X)
#undef X
		FORECAST_METHOD_COUNT
};

const char *forecast_method_name(enum forecast_method method);

struct forecast_question {
	const struct workload_key *workload;
	const struct signal_test *test; /* of the signal, folded over test->over_ms */
	int64_t at_ms;                  /* the end of the window that is asked about */
	int64_t known_ms;               /* nothing that came after may be looked at */
};

struct forecast {
	enum forecast_method method; /* FORECAST_NONE: it cannot be told */
	double value, low, high;     /* what is likely without a change, and within what */
};

struct forecast_source {
	void *self;
	void (*expect)(void *self, const struct forecast_question *question,
		struct forecast *forecast);
};

/* On a signal source alone, as told above; source is borrowed. */
struct forecast_source forecast_simple(const struct signal_source *source);

#endif
