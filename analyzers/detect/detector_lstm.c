/*
 * Distance from what the net for all workloads (forecast/lstm_shared.h) forecasts: each column is stepped
 * through it with a state of its own, and its value is held against what was said of it AHEAD rows
 * before. Nothing of the net is learnt here: only how far it usually is off.
 *
 * Rows have no time here, so that the net takes them all for the same hour; what follows from the day, it
 * has from yesterday's rows. What never changed is expected to go on so: of that the net says nothing.
 * A value beyond FORECAST_VALUE_MAX is missing.
 *
 * Without a net of the usual horizons a fit is refused. Another net that serves later begins with a state
 * of zero and says nothing for an hour; the scale is that of the net at the fit.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/residual.h"
#include "analyzers/forecast/model.h"
#include "analyzers/pack.h"
#include "base/mem.h"

/* The nearer one of forecaster_config_default(). */
#define AHEAD 5
/* Rows so far apart are all of the same hour. */
#define WEEK_MS INT64_C(604800000)

/* One column. */
struct track {
	struct forecast_model *model;
	double first; /* NaN: no value yet */
	bool changed;
	double said[AHEAD]; /* of rows to come; NaN: nothing */
};

struct nets {
	size_t columns;
	size_t next; /* place in `said` of this row */
	struct forecaster_config config;
	struct track tracks[]; /* [columns] */
};

static void nets_close(void *expectation)
{
	struct nets *self = expectation;

	for (size_t i = 0; self != NULL && i < self->columns; i++)
		if (self->tracks[i].model != NULL)
			forecast_lstm_general.close(self->tracks[i].model);
	mem_free(self);
}

static void *nets_open(const struct detector_config *config, size_t columns, struct error *error)
{
	struct nets *self = mem_zalloc(1, sizeof(*self) + columns * sizeof(*self->tracks));

	if (self == NULL) {
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for %zu columns", columns);
		return NULL;
	}
	self->columns = columns;
	forecaster_config_default(&self->config);
	self->config.season_rows =
		config->rows_per_day <= FORECAST_SEASON_ROWS_MAX ? config->rows_per_day : 0;
	self->config.step_ms = WEEK_MS;
	self->config.shared = config->shared;
	for (size_t i = 0; i < columns; i++) {
		struct track *track = &self->tracks[i];

		track->first = NAN;
		for (size_t k = 0; k < AHEAD; k++)
			track->said[k] = NAN;
		track->model = forecast_lstm_general.open(&self->config, error);
		if (track->model == NULL) {
			nets_close(self);
			return NULL;
		}
	}
	return self;
}

static double measurement(double value)
{
	return fabs(value) <= FORECAST_VALUE_MAX ? value : NAN;
}

static void track_note(struct track *track, double value)
{
	if (isnan(value))
		return;
	if (isnan(track->first))
		track->first = value;
	track->changed = track->changed || value != track->first;
}

/* What is said of the row AHEAD of the last one. */
static double track_say(const struct track *track)
{
	double middle[FORECAST_HORIZONS_MAX];

	if (!track->changed)
		return track->first;
	forecast_lstm_general.predict(track->model, middle);
	return isfinite(middle[0]) ? middle[0] : NAN;
}

static enum status nets_fit(void *expectation, const struct detector_rows *train,
	struct error *error)
{
	struct nets *self = expectation;
	double *column = mem_alloc(train->count * sizeof(*column));
	enum status status = STATUS_OK;

	if (column == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", train->count);
	for (size_t i = 0; i < self->columns && status == STATUS_OK; i++) {
		for (size_t row = 0; row < train->count; row++) {
			column[row] = measurement(train->values[row * train->columns + i]);
			track_note(&self->tracks[i], column[row]);
		}
		status = forecast_lstm_general.fit(self->tracks[i].model, column, train->count, 0,
			error);
	}
	mem_free(column);
	return status;
}

static void nets_look(void *expectation, const double *row, double *residuals)
{
	struct nets *self = expectation;

	for (size_t i = 0; i < self->columns; i++) {
		struct track *track = &self->tracks[i];
		double value = measurement(row[i]);

		residuals[i] = value - track->said[self->next];
		track_note(track, value);
		forecast_lstm_general.step(track->model, value, 0);
		track->said[self->next] = isnan(value) ? NAN : track_say(track);
	}
	self->next = (self->next + 1) % AHEAD;
}

static void nets_pack(void *expectation, struct pack *pack)
{
	struct nets *self = expectation;

	pack_same(pack, AHEAD);
	pack_index(pack, &self->next, AHEAD - 1);
	for (size_t i = 0; i < self->columns; i++) {
		struct track *track = &self->tracks[i];

		pack_value(pack, &track->first);
		pack_flag(pack, &track->changed);
		pack_value(pack, &track->said);
		forecast_lstm_general.pack(track->model, pack);
	}
}

/* The net apart, which is everybody's. */
static size_t nets_size(const void *expectation)
{
	const struct nets *self = expectation;
	struct pack pack;

	pack_measure(&pack);
	for (size_t i = 0; i < self->columns; i++)
		forecast_lstm_general.pack(self->tracks[i].model, &pack);
	return sizeof(*self) + self->columns * sizeof(*self->tracks) + pack.done;
}

static const struct expectation_class expected = {nets_open, nets_fit, nets_look, nets_pack,
	nets_size, nets_close};

RESIDUAL_DETECTOR(lstm_residual, "lstm_residual",
	"distance from what the net for all workloads forecasts", expected);
