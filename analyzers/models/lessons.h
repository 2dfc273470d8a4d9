/*
 * What a net for all workloads is trained on: series of many workloads, as the net sees them, and its
 * training on them with the last part of each held out.
 *
 * Ownership: init and fini on the caller's struct; values added are not kept.
 * Limits: LESSONS_SERIES_MAX series.
 * Threads: one thread at a time; training is for long.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_LESSONS_H
#define NIMBUSGUARD_ANALYZERS_MODELS_LESSONS_H

#include "analyzers/forecast/lstm_shared.h"
#include "analyzers/forecast/lstm_train.h"

#define LESSONS_SERIES_MAX 4096

struct lessons {
	struct forecaster_config config; /* step, horizons, signals beside */
	struct lstm_rows *series;        /* [LESSONS_SERIES_MAX] */
	size_t count, rows;
};

/* A series to be added: values [count], NaN: missing; beside [count][FORECAST_BESIDE] or NULL. */
struct lesson {
	const double *values, *beside;
	size_t count, season_rows;
	int64_t start_ms, step_ms;
};

/* Of nets that fit this config. */
enum status lessons_init(struct lessons *lessons, const struct forecaster_config *config,
	struct error *error) MUST_CHECK;
void lessons_fini(struct lessons *lessons);
/* STATUS_TOO_LARGE: no room for another series; STATUS_NO_MEMORY. */
enum status lessons_add(struct lessons *lessons, const struct lesson *lesson,
	struct error *error) MUST_CHECK;
/* Trains the net from what it is: see lstm_train(). The net must not be served meanwhile. */
enum status lessons_train(const struct lessons *lessons, struct lstm_net *net,
	const struct lstm_training *training, struct lstm_training_result *result,
	struct error *error) MUST_CHECK;

#endif
