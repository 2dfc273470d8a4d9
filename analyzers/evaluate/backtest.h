/*
 * Forecasts of a forecaster on one column of an entity, measured where the data set allows it.
 *
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_BACKTEST_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_BACKTEST_H

#include "analyzers/evaluate/accuracy.h"
#include "analyzers/evaluate/entity.h"
#include "analyzers/evaluate/results.h"
#include "analyzers/forecast/forecaster.h"

#define BACKTEST_HORIZONS 2

struct backtest_options {
	uint64_t seed;
	size_t horizons[BACKTEST_HORIZONS]; /* rows, ascending */
	struct lstm_shared *shared;         /* as of the forecaster's config; NULL: none */
	bool settings_part; /* measured on the part for choosing settings, not on the reported one */
};

/*
 * Fitted on the first part, stepped over all that follows, measured from where the asked part begins: a
 * forecast counts when what it is of lies in that part. Behind a seam a day is stepped before anything is
 * measured, and nothing is forecast across it. plot (may be NULL): the last rows at the longer horizon.
 * accuracy: [BACKTEST_HORIZONS]. error: not NULL.
 */
enum status backtest_series(const struct grid_series *series, const char *name,
	const struct forecaster_class *class, const struct backtest_options *options,
	struct accuracy *accuracy, struct plot *plot, struct error *error) MUST_CHECK;

#endif
