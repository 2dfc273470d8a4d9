/*
 * Candidates for a level side by side: whose level was nearest to the value a horizon later, lately,
 * answers for that horizon.
 *
 * Limits: RACE_CANDIDATES_MAX candidates.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_RACE_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_RACE_H

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/pending.h"

#define RACE_CANDIDATES_MAX 12

struct pack;

struct race {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count, candidates;
	double errors[FORECAST_HORIZONS_MAX][RACE_CANDIDATES_MAX]; /* faded mean absolute */
	size_t outcomes[FORECAST_HORIZONS_MAX];
	double weight; /* of a new error, at least */
	struct pending pending;
};

/* Errors fade within about a day (the config's season, or 1440 rows without one). */
enum status race_init(struct race *race, const struct forecaster_config *config, size_t candidates,
	struct error *error) MUST_CHECK;
void race_fini(struct race *race);
void race_pack(struct race *race, struct pack *pack);
/* The value of the row that begins, before race_put() of it; NaN teaches nothing. */
void race_learn(struct race *race, double value);
/* levels: [candidates] after that row; NaN in the first: none yet. */
void race_put(struct race *race, const double *levels);
/* middle: [horizon_count], the leaders' newest levels. */
void race_predict(const struct race *race, double *middle);

#endif
