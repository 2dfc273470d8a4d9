/*
 * Detectors on entities: each seed's scores are measured, the figures are means over seeds; the last row
 * of a method is the mean over entities, as such figures are usually given. A detector whose scores do
 * not depend on the seed is run once.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/evaluation.h"
#include "analyzers/evaluate/fault_windows.h"
#include "analyzers/evaluate/judge.h"
#include "analyzers/evaluate/measures.h"
#include "analyzers/evaluate/nab_files.h"
#include "base/mem.h"

#define MINUTE_MS 60000.

static const struct figure figures[] = {
	{"roc_auc", "ROC", "area under the ROC curve", FIGURE_PART},
	{"average_precision", "PR", "average precision", FIGURE_PART},
	{"best_f1", "F1", "best point F1 over all thresholds", FIGURE_PART},
	{"best_composite_f1", "Fc1", "best composite F1: point precision, event recall",
		FIGURE_PART},
	{"alarm_rate", "alarms", "points at which an alarm stands, at the default setting",
		FIGURE_PERCENT},
	{"point_precision", "p.prec", "those of them that are labelled", FIGURE_PART},
	{"event_precision", "e.prec", "alarm episodes that touch an event", FIGURE_PART},
	{"event_recall", "e.rec", "events with an alarm in them", FIGURE_PART},
	{"delay_minutes", "delay", "minutes from an event's beginning to its alarm, mean",
		FIGURE_NUMBER},
	{"unjudged", "silent", "points without a score", FIGURE_PERCENT},
	{"point_adjusted_f1", "PA-F1", "point-adjusted F1: a random score does well by it",
		FIGURE_PART},
};

enum { FIGURES = 10, FIGURES_ADJUSTED = 11 };

struct run {
	struct evaluation *evaluation;
	const struct detector_class *class;
	struct result_table *table;
	struct fault_windows *faults; /* of Nezha, else NULL */
	struct nab_files *nab;        /* of NAB, else NULL */
	size_t seeds, quarantined;    /* entities */
};

static void add_values(double *sums, const double *values, size_t *counts)
{
	for (size_t f = 0; f < FIGURES_ADJUSTED; f++) {
		if (isnan(values[f]))
			continue;
		sums[f] += values[f];
		counts[f]++;
	}
}

static enum status measure(struct run *run, const struct entity *entity,
	const struct judged *judged, double *values)
{
	struct point_measures points;
	struct alarm_measures alarms;
	enum status status = measure_points(judged->scores, judged->labels, judged->count, &points,
		run->evaluation->error);

	if (status != STATUS_OK)
		return status;
	measure_alarms(judged->alarms, judged->labels, judged->count, &alarms);
	values[0] = points.roc_auc;
	values[1] = points.average_precision;
	values[2] = points.best_f1;
	values[3] = points.best_composite;
	values[4] = alarms.rate;
	values[5] = alarms.point_precision;
	values[6] = alarms.event_precision;
	values[7] = alarms.event_recall;
	values[8] = alarms.delay_mean * (double)entity->step_ms / MINUTE_MS;
	values[9] = judged->count > 0 ? (double)points.unjudged / (double)judged->count : NAN;
	values[10] = points.point_adjusted_f1;
	return STATUS_OK;
}

/* The highest score of each column of the plot, over the highest of all. */
static void draw(struct plot *plot, const struct judged *judged)
{
	double lowest = INFINITY, highest = -INFINITY;

	if (plot == NULL)
		return;
	plot->count = judged->count < PLOT_COLUMNS ? judged->count : PLOT_COLUMNS;
	for (size_t i = 0; i < plot->count; i++)
		plot->value[i] = NAN;
	for (size_t i = 0; i < judged->count; i++) {
		if (isnan(judged->scores[i]))
			continue;
		lowest = fmin(lowest, judged->scores[i]);
		highest = fmax(highest, judged->scores[i]);
	}
	for (size_t i = 0; i < judged->count; i++) {
		size_t at = i * plot->count / judged->count;
		double score = judged->scores[i];

		plot->labelled[at] |= judged->labels[i] != 0;
		plot->alarm[at] |= judged->alarms[i] != 0;
		if (isnan(score) || !(highest > lowest))
			continue;
		score = (score - lowest) / (highest - lowest);
		if (!(plot->value[at] >= (float)score))
			plot->value[at] = (float)score;
	}
}

static bool same_scores(const struct judged *judged, const double *before)
{
	return memcmp(judged->scores, before, judged->count * sizeof(double)) == 0;
}

/* What a seed's scores are used for, besides being measured as points. */
static enum status use_scores(struct run *run, const struct entity *entity,
	const struct judged *judged, size_t seed)
{
	enum status status = STATUS_OK;

	if (run->faults != NULL)
		status = fault_windows_add(run->faults, entity, judged, run->evaluation->error);
	if (status == STATUS_OK && run->nab != NULL)
		status = nab_files_add(run->nab, entity, judged, seed, run->evaluation->error);
	if (status != STATUS_OK || seed > 0)
		return status;
	run->quarantined += judged->quarantined > 0;
	draw(results_plot(run->evaluation->results, run->class->name, entity->name), judged);
	if (run->evaluation->options->scores_folder != NULL)
		status = evaluation_write_scores(run->evaluation, entity, judged, run->class->name);
	return status;
}

/* One seed; *seeds falls to 1 when a second one changes nothing. */
static enum status run_seed(struct run *run, const struct entity *entity, size_t seed,
	double **first_scores, double *sums, size_t *counts)
{
	struct judge_options options = {.seed = run->evaluation->options->seed + seed,
		.refit_rows = run->nab != NULL ? EVALUATE_REFIT_ROWS : 0,
		.shared = run->evaluation->options->shared};
	double values[RESULT_FIGURES_MAX];
	struct judged judged;
	enum status status =
		judge_entity(entity, run->class, &options, &judged, run->evaluation->error);

	if (status != STATUS_OK)
		return status;
	if (seed == 1 && same_scores(&judged, *first_scores)) {
		run->seeds = 1;
		judged_fini(&judged);
		return STATUS_OK;
	}
	status = measure(run, entity, &judged, values);
	if (status == STATUS_OK) {
		add_values(sums, values, counts);
		status = use_scores(run, entity, &judged, seed);
	}
	if (seed == 0) {
		*first_scores = judged.scores;
		judged.scores = NULL;
	}
	judged_fini(&judged);
	return status;
}

/* Faults and windows tell of events in another way than labels of rows. */
static bool has_event(const struct entity *entity)
{
	bool labelled = entity->windows != NULL;

	for (size_t i = 0; i < entity->rows && !labelled; i++)
		labelled =
			(i < entity->fit_begin || i >= entity->fit_end) && entity->labels[i] != 0;
	return labelled;
}

static enum status run_entity(struct run *run, const struct entity *entity)
{
	double sums[FIGURES_ADJUSTED] = {0}, values[RESULT_FIGURES_MAX], *first_scores = NULL;
	size_t counts[FIGURES_ADJUSTED] = {0};
	enum status status = STATUS_OK;

	evaluation_tell(run->evaluation, run->class->name, entity->name);
	for (size_t seed = 0; seed < run->seeds && status == STATUS_OK; seed++)
		status = run_seed(run, entity, seed, &first_scores, sums, counts);
	mem_free(first_scores);
	/* What a detector cannot learn from is its figure; all others go on. */
	if (status == STATUS_BAD_INPUT)
		results_note(run->evaluation->results, "%s", run->evaluation->error->text);
	else if (status != STATUS_OK)
		return status;
	else if (run->faults == NULL && !has_event(entity))
		results_note(run->evaluation->results,
			"%.160s: no row of the measured part is labelled: no figure that needs an event",
			entity->name);
	for (size_t f = 0; f < FIGURES_ADJUSTED; f++)
		values[f] = counts[f] > 0 ? sums[f] / (double)counts[f] : NAN;
	return result_add(run->table, RESULT_ENTITY, run->class->name, entity->name, values,
		run->evaluation->error);
}

static enum status load_and_run(struct run *run, size_t index)
{
	struct entity entity;
	enum status status =
		dataset_load(run->evaluation->dataset, index, &entity, run->evaluation->error);

	if (status != STATUS_OK)
		return status;
	if (entity.labels == NULL)
		status = error_set(run->evaluation->error, STATUS_BAD_INPUT,
			"%s has no column label to hold detectors against", entity.name);
	/* NAB's rule: what is not scored is there to learn from. */
	if (entity.windows != NULL)
		entity.fit_end = nab_probation(entity.rows);
	if (status == STATUS_OK)
		status = run_entity(run, &entity);
	entity_fini(&entity);
	return status;
}

static enum status run_class(struct run *run)
{
	struct evaluation *evaluation = run->evaluation;
	enum status status = STATUS_OK;

	run->seeds = evaluation->options->seeds;
	run->quarantined = 0;
	for (size_t i = 0; i < dataset_count(evaluation->dataset) && status == STATUS_OK; i++)
		status = load_and_run(run, i);
	if (run->quarantined > 0)
		results_note(evaluation->results,
			"%s flagged everything or nothing for a while on %zu of %zu entities, and "
			"raised no alarms then",
			run->class->name, run->quarantined, dataset_count(evaluation->dataset));
	if (status == STATUS_OK)
		status = result_add_mean(run->table, run->class->name, evaluation->error);
	if (status == STATUS_OK && run->faults == NULL)
		status = evaluation_add_references(evaluation, run->table, run->class->name);
	if (status == STATUS_OK && run->faults != NULL)
		status = fault_windows_finish(run->faults, run->class->name, evaluation);
	if (status == STATUS_OK && run->nab != NULL)
		status = nab_files_finish(run->nab, run->class->name, evaluation);
	return status;
}

static bool is_asked_for(const struct evaluate_options *options, const char *name)
{
	/* A point-adjusted figure means nothing but beside a random score's. */
	return evaluation_asks(options->detector, name) ||
		(options->point_adjusted && strcmp(name, "random") == 0);
}

static bool asks_net(const struct evaluate_options *options, const char *name)
{
	return options->shared != NULL
		? is_asked_for(options, name)
		: options->detector != NULL && strcmp(options->detector, name) == 0;
}

enum status evaluate_detectors(struct evaluation *evaluation)
{
	const struct evaluate_options *options = evaluation->options;
	const char *kind = dataset_kind_name(options->dataset.kind);
	struct run run = {.evaluation = evaluation};
	enum status status = STATUS_OK;

	results_note(evaluation->results,
		"detectors fitted without labels, %zu %s; figures are means over seeds where a "
		"detector has any",
		options->seeds, options->seeds == 1 ? "seed" : "seeds");
	run.table = results_table(evaluation->results, "detectors", "detectors", figures,
		options->point_adjusted ? FIGURES_ADJUSTED : FIGURES);
	if (strcmp(kind, "nezha") == 0)
		status = fault_windows_open(&run.faults, evaluation);
	if (strcmp(kind, "nab") == 0)
		status = nab_files_open(&run.nab, evaluation);
	for (size_t i = 0; status == STATUS_OK; i++) {
		run.class = detector_class_at(i);
		if (run.class == NULL)
			break;
		if (is_asked_for(options, run.class->name))
			status = run_class(&run);
	}
	/* The one that asks the net for all workloads, when it is meant or a net is given. */
	run.class = detector_class_find("lstm_residual");
	if (status == STATUS_OK && asks_net(options, run.class->name))
		status = run_class(&run);
	if (status == STATUS_OK && run.nab != NULL)
		status = evaluation_add_references(evaluation, nab_files_table(run.nab), "others");
	fault_windows_close(run.faults);
	nab_files_close(run.nab);
	return status;
}
