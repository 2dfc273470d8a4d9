/*
 * What an LSTM sees of a series, so that one net serves all series of a kind: changes in units of the
 * series' own mean change, squashed, and the time of day and week. What it says is again a change from
 * the last value in that unit.
 *
 * Inputs of a row: the change since the row before, how far the value is from its day's level, from
 * its hour's level, whether it is missing, sine and cosine of day and week, and for each horizon what
 * followed at the same time yesterday. Outputs: the quantiles .1 .5 .9 for each horizon.
 *
 * Limits: LSTM_SERIES_INPUTS_MAX inputs.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SERIES_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_LSTM_SERIES_H

#include "analyzers/forecast/forecaster.h"

#define LSTM_SERIES_INPUTS(horizons) (8 + (horizons))
#define LSTM_SERIES_INPUTS_MAX LSTM_SERIES_INPUTS(FORECAST_HORIZONS_MAX)
#define LSTM_SERIES_QUANTILES 3

extern const float lstm_series_levels[LSTM_SERIES_QUANTILES * FORECAST_HORIZONS_MAX];

struct lstm_series {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count, season_rows;
	double *ring; /* [season_rows], the last rows, NaN: missing */
	size_t at;
	double last, unit, changes; /* unit: faded mean |change|; 0: there was none yet */
	double day_level, hour_level;
};

enum status lstm_series_init(struct lstm_series *series, const struct forecaster_config *config,
	struct error *error) MUST_CHECK;
void lstm_series_fini(struct lstm_series *series);
/* The next row (NaN: missing). inputs: [LSTM_SERIES_INPUTS(horizon_count)], all finite. */
void lstm_series_step(struct lstm_series *series, double value, int64_t at_ms, float *inputs);
/* An outcome as the net is taught it: the change from the series' last value in its unit, bounded;
 * NaN when there is none. */
float lstm_series_target(const struct lstm_series *series, double outcome);
/* The value that an output means; NaN before the first measurement. */
double lstm_series_value(const struct lstm_series *series, float output);

#endif
