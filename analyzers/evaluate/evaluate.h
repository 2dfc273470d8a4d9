/*
 * Evaluation: detectors and forecasters on public data sets or one's own, measured alike for all and
 * shown beside reference figures.
 *
 * Honesty: a detector is fitted without labels on the part the data set gives for it; labels are read by
 * the measures alone. No setting is chosen here: what runs is the default of each detector.
 * Threads: one at a time; what it runs is single-threaded.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_EVALUATE_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_EVALUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/evaluate/dataset.h"
#include "analyzers/evaluate/results.h"
#include "base/error.h"

#define EVALUATE_SEEDS_MAX 100
/* NAB: fitted anew so often, and so long without a further alarm in an episode. */
#define EVALUATE_REFIT_ROWS 288
#define EVALUATE_QUIET_ROWS 350

struct evaluate_options {
	struct dataset_options dataset;
	/* Of each: a name, "all", "none"; NULL: all of what the kind of data set is for. */
	const char *detector, *forecaster;
	size_t seeds;       /* figures are means over so many; at least 1 */
	uint64_t seed;      /* the first */
	size_t horizons[2]; /* of forecasts, in rows, ascending */
	bool point_adjusted;
	bool settings_part; /* of forecasts: measure the part for choosing settings */
	/* The net for all workloads (forecast/lstm_shared.h), borrowed; NULL: none takes part. */
	struct lstm_shared *shared;
	const char *scores_folder; /* NULL, or where each entity's scores are written */
	/* Called before each entity or series, may be NULL. */
	void (*progress)(void *user, const char *method, const char *entity);
	void *user;
};

void evaluate_options_default(struct evaluate_options *options);
/* STATUS_BAD_INPUT for names that are unknown or do not fit the data set. results: initialised by the
 * caller, and finished by it in any case. */
enum status evaluate(const struct evaluate_options *options, struct results *results,
	struct error *error) MUST_CHECK;

#endif
