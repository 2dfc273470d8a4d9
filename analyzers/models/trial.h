/*
 * A trial of models on a table of one's own: a net learns from the first part of each column, and on the
 * last part, which it never saw, it is measured beside the baselines, other nets and what serves.
 *
 * The figure that decides is the geometric mean, over columns and horizons, of the mean absolute error
 * relative to that of the last value: below 1 is better than saying the last value.
 *
 * Ownership: init and fini on the caller's struct; the entity is borrowed for init alone.
 * Limits: TRIAL_COLUMNS_MAX columns.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_TRIAL_H
#define NIMBUSGUARD_ANALYZERS_MODELS_TRIAL_H

#include <stdbool.h>

#include "analyzers/evaluate/entity.h"
#include "analyzers/forecast/forecaster.h"
#include "analyzers/forecast/lstm_train.h"
#include "analyzers/models/model_file.h"

#define TRIAL_COLUMNS_MAX 256
#define TRIAL_HORIZONS 2
#define TRIAL_HOLDOUT .2

struct trial {
	struct grid_series *columns; /* [column_count], fit_end is where the holdout begins */
	size_t column_count;
	struct forecaster_config config;  /* the same for all columns */
	int64_t from_ms, split_ms, to_ms; /* first row, first of the holdout, last */
	size_t learnt_rows;               /* measurements of all columns before the holdout */
	/* What training begins with (trial_start_from()); NULL: seeded weights. */
	const struct lstm *start;
	const struct model_info *start_info;
};

/* How one forecaster did on the holdout of all columns. */
struct trial_figures {
	char name[64];
	double figure; /* NaN: nothing could be judged, as no column ever changes */
	double relative[TRIAL_HORIZONS], mase[TRIAL_HORIZONS], coverage80[TRIAL_HORIZONS];
	size_t points, not_predicted;
};

/* holdout: the last part of the rows, .05 to .5. STATUS_BAD_INPUT: too many columns, or too few rows for
 * the holdout; STATUS_NO_MEMORY. */
enum status trial_init(struct trial *trial, struct entity *entity, double holdout,
	struct error *error) MUST_CHECK;
void trial_fini(struct trial *trial);

/* Training goes on from this net, whose shape and data become those of the next one; both are borrowed.
 * STATUS_BAD_INPUT: as of trial_measure_net(), name: of the net in it. */
enum status trial_start_from(struct trial *trial, const char *name, const struct lstm *start,
	const struct model_info *info, struct error *error) MUST_CHECK;
/* Begins the net (lstm_fini) by trial->config's shape and seed, or with the net to start from, and trains
 * it on the rows before the holdout, of which lstm_train() keeps the last part to stop by. info: shapes
 * behind the first four, times, rows and seed are filled in, the scores are the caller's (trial_scores()).
 * Where the rows are minutes the shapes are those of a net for all workloads (models/general_file.h). */
enum status trial_train(const struct trial *trial, const struct lstm_training *training,
	struct lstm *lstm, struct lstm_training_result *result, struct model_info *info,
	struct error *error) MUST_CHECK;
/* STATUS_BAD_INPUT: the net is not of the inputs and outputs that this version feeds. */
enum status trial_measure_net(const struct trial *trial, const char *name, const struct lstm *lstm,
	struct trial_figures *figures, struct error *error) MUST_CHECK;
/* Fitted on the rows before the holdout, learning on within it, as in service. */
enum status trial_measure_class(const struct trial *trial, const struct forecaster_class *class,
	struct trial_figures *figures, struct error *error) MUST_CHECK;

/* The names of the baselines that a model has to beat, and after them those that are shown only; NULL
 * behind the last. */
extern const char *const trial_baselines[];
#define TRIAL_BASELINES 4

/* The figures as scores of a model file. */
void trial_scores(const struct trial_figures *figures, double best_baseline,
	struct model_info *info);
/* Whether the first is better than all others; if not, why: a sentence. A figure that is not known is
 * never better, and nothing is better than one that is not known. */
bool trial_better(const struct trial_figures *candidate, const struct trial_figures *others,
	size_t count, char *why, size_t size);
/* Whether a model with such data has seen rows of the holdout. */
bool trial_seen(const struct trial *trial, const struct model_info *info);

#endif
