/*
 * Forecasters behind one interface: fed one value a row of a regular grid, they say what the value
 * will be some rows later, with an interval that keeps its promise.
 *
 *   open -> [fit] -> step, predict, step, predict ... -> close
 *
 * A class (struct forecaster_class, in forecast/model.h) gives point forecasts; what is common to all
 * stands here: the grid with its gaps, what is no measurement, bounds of what is said, adaptive
 * conformal intervals, and the skill against the last value.
 *
 * Without a fit a forecaster learns from its steps alone, from the first minutes on, and says NaN
 * where it knows too little.
 *
 * Ownership: a forecaster belongs to who opened it; nothing given to it is kept.
 * Limits: FORECAST_HORIZONS_MAX horizons of at most FORECAST_HORIZON_ROWS_MAX rows, seasons of
 *   FORECAST_SEASON_ROWS_MAX rows. Memory is taken by open and fit, never by step and predict.
 * Threads: one thread at a time per forecaster.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_FORECASTER_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_FORECASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FORECAST_HORIZONS_MAX 4
#define FORECAST_HORIZON_ROWS_MAX 240
#define FORECAST_SEASON_ROWS_MAX 10080
/* A value beyond this (or NaN, or infinite) is no measurement and counts as missing. */
#define FORECAST_VALUE_MAX 1e30
/* After so many missing rows nothing is forecast until a value comes. */
#define FORECAST_STALE_ROWS 15
/* Signals beside the one that is forecast: request rate, CPU, memory; the signal itself is not beside
 * itself. */
#define FORECAST_BESIDE 3

struct history;
struct pack;
struct lstm_shared;

struct forecaster_config {
	int64_t step_ms;                        /* width of a row */
	size_t horizons[FORECAST_HORIZONS_MAX]; /* rows ahead, ascending, at least 1 */
	size_t horizon_count;
	size_t season_rows; /* rows a day (1440 for minutes); 0: no season is looked for */
	double coverage;    /* of [low, high]: .8 to .99 */
	uint64_t seed;
	/* Of class lstm alone: the net's shape, rows of a training window, epochs at most, and of how
	 * many signals beside it is told: the first so many of FORECAST_BESIDE. */
	size_t lstm_hidden, lstm_layers, lstm_window, lstm_epochs, lstm_beside;
	/* The net for all workloads (forecast/lstm_shared.h), borrowed, for longer than any forecaster
	 * opened with it: class lstm_general steps it, combined weighs it among its members, lstm begins
	 * its training with it. NULL: there is none. */
	struct lstm_shared *shared;
	/* The last rows (forecast/history.h), for the members of a combination, which see the same; NULL:
	 * each model keeps its own. */
	struct history *history;
};

/* Rows of a minute, 5 and 15 ahead, a season of a day, intervals of 90 %; 3 layers of 128, windows of 60. */
void forecaster_config_default(struct forecaster_config *config);

/* All NaN: nothing is known. middle is the median; q10 and q90 are the quantiles .1 and .9; low and
 * high the ends of the interval that holds `coverage` of the outcomes. While too few outcomes were
 * seen for an interval, middle alone is a number. low <= q10 <= middle <= q90 <= high. */
struct prediction {
	double low, q10, middle, q90, high;
};

struct forecaster;
struct forecaster_class;

/* NULL: no class of that name. */
const struct forecaster_class *forecaster_class_find(const char *name);
/* The index-th class whose fit is short; NULL behind the last. Not among them, but found by name, is
 * "lstm", whose fit takes minutes. */
const struct forecaster_class *forecaster_class_at(size_t index);
const char *forecaster_class_name(const struct forecaster_class *class);

/* STATUS_BAD_INPUT names the field of the config. */
struct forecaster *forecaster_open(const struct forecaster_class *class,
	const struct forecaster_config *config, struct error *error) MUST_CHECK;
/*
 * values: [count] rows from start_ms on, NaN where nothing was measured. The class fits on the first
 * three quarters; intervals and skill are then taken from its forecasts of the last quarter, so that
 * they are honest from the first forecast on. Afterwards the state stands at the last row. At most
 * once per forecaster, before the first step. STATUS_BAD_INPUT: less than two measurements.
 */
enum status forecaster_fit(struct forecaster *forecaster, const double *values, size_t count,
	int64_t start_ms, struct error *error) MUST_CHECK;
/*
 * What is known of the signals beside in the rows to come, before a fit or a step: values
 * [rows][FORECAST_BESIDE], NaN where nothing was measured, of the rows of that fit or (1) that step.
 * They are read there and not kept. Without it nothing is known of them.
 */
void forecaster_beside(struct forecaster *forecaster, const double *values, size_t rows);
/* The next row. A time that is not behind the last one changes nothing; rows left out are missing. */
void forecaster_step(struct forecaster *forecaster, double value, int64_t at_ms);
/* predictions: [horizon_count], as of the last step. */
void forecaster_predict(const struct forecaster *forecaster, struct prediction *predictions);
/* 1 - MAE / MAE of the last value, over about the last day of outcomes; below 0: worse than that.
 * NaN before the first outcomes or when the last value was always right. horizon: index. */
double forecaster_skill(const struct forecaster *forecaster, size_t horizon);
/* All of its state (analyzers/pack.h), from and to one opened with the same class and configuration; the
 * pack fails where the class cannot: "lstm". */
void forecaster_pack(struct forecaster *forecaster, struct pack *pack);
/* Bytes of memory held, about; nets apart. */
size_t forecaster_size(struct forecaster *forecaster);
/* The time of the last row; false: none yet. */
bool forecaster_last(const struct forecaster *forecaster, int64_t *at_ms);
/* NULL is allowed. */
void forecaster_close(struct forecaster *forecaster);

#endif
