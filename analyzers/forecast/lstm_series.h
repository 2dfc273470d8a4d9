/*
 * What an LSTM sees of a series, so that one net serves all series of a kind: changes in units of the
 * series' own mean change, squashed, and the time of day and week. What it says is again a change from
 * the last value in that unit.
 *
 * Inputs of a row: the change since the row before; how far the value is from its levels (faded means
 * over 5, 15, 60, 240 rows and a day); how far from the same time yesterday; how far it usually is from
 * its day's level; whether it is missing; sine and cosine of day and week; for each horizon what
 * followed at the same time yesterday; and of each signal beside it (config->lstm_beside of them) its
 * change, how far it is from its hour's level, and whether it is known.
 * Outputs: the quantiles .1 .5 .9 for each horizon.
 *
 * Limits: LSTM_SERIES_INPUTS_MAX inputs.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SERIES_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SERIES_H

#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/history.h"

/* Of the inputs above: to be counted up when they change, for files of nets know it. */
#define LSTM_SERIES_LAYOUT 2
#define LSTM_SERIES_LEVELS 5
#define LSTM_SERIES_BESIDE_INPUTS 3
#define LSTM_SERIES_INPUTS(horizons, beside)                                                       \
	(8 + LSTM_SERIES_LEVELS + (horizons) + LSTM_SERIES_BESIDE_INPUTS * (beside))
#define LSTM_SERIES_INPUTS_MAX LSTM_SERIES_INPUTS(FORECAST_HORIZONS_MAX, FORECAST_BESIDE)
#define LSTM_SERIES_QUANTILES 3

extern const float lstm_series_levels[LSTM_SERIES_QUANTILES * FORECAST_HORIZONS_MAX];

/* A signal beside: its last value, its mean |change| and its hour's level. */
struct lstm_beside {
	double last, unit, changes, level;
};

struct pack;

struct lstm_series {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count, season_rows, beside_count;
	struct history *history;    /* NULL: no season */
	size_t rows;                /* seen */
	double last, unit, changes; /* unit: faded mean |change|; 0: there was none yet */
	double levels[LSTM_SERIES_LEVELS], spread;
	struct lstm_beside beside[FORECAST_BESIDE];
};

enum status lstm_series_init(struct lstm_series *series, const struct forecaster_config *config,
	struct error *error) MUST_CHECK;
void lstm_series_fini(struct lstm_series *series);
size_t lstm_series_inputs(const struct lstm_series *series);
/* The next row (NaN: missing). beside: [FORECAST_BESIDE], NaN: unknown, or NULL: all are. inputs:
 * [lstm_series_inputs()], all finite. */
void lstm_series_step(struct lstm_series *series, double value, const double *beside, int64_t at_ms,
	float *inputs);
/* What it has seen; a past that others hold is theirs to pack. */
void lstm_series_pack(struct lstm_series *series, struct pack *pack);
/* An outcome as the net is taught it: the change from the series' last value in its unit, bounded;
 * NaN when there is none. */
float lstm_series_target(const struct lstm_series *series, double outcome);
/* The value that an output means; NaN before the first measurement. */
double lstm_series_value(const struct lstm_series *series, float output);

/*
 * A whole series as it is trained on: inputs [count][lstm_series_inputs()] and targets
 * [count][LSTM_SERIES_QUANTILES * horizon_count] of values [count] and beside [count][FORECAST_BESIDE]
 * (or NULL), of a series at the start.
 */
void lstm_series_rows(struct lstm_series *series, const double *values, const double *beside,
	size_t count, int64_t at_ms, int64_t step_ms, float *inputs, float *targets);

#endif
