/*
 * Evaluation: opens the data set and runs what is asked for.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/detect/detector.h"
#include "analyzers/evaluate/evaluation.h"
#include "analyzers/evaluate/references.h"
#include "analyzers/forecast/forecaster.h"
#include "base/check.h"
#include "base/parse.h"

#define NAMES_MAX 64

void evaluate_options_default(struct evaluate_options *options)
{
	*options = (struct evaluate_options){.seeds = 1, .seed = 1, .horizons = {5, 15}};
}

bool evaluation_asks(const char *asked, const char *name)
{
	return asked == NULL || strcmp(asked, "all") == 0 || strcmp(asked, name) == 0;
}

void evaluation_tell(const struct evaluation *evaluation, const char *method, const char *entity)
{
	if (evaluation->options->progress != NULL)
		evaluation->options->progress(evaluation->options->user, method, entity);
}

enum status evaluation_add_references(struct evaluation *evaluation, struct result_table *table,
	const char *method)
{
	const char *dataset = dataset_kind_name(evaluation->options->dataset.kind);
	const struct reference *reference;
	enum status status = STATUS_OK;

	for (size_t i = 0; (reference = reference_at(i)) != NULL && status == STATUS_OK; i++) {
		double values[RESULT_FIGURES_MAX];

		if (strcmp(reference->dataset, dataset) != 0 ||
			strcmp(reference->table, table->key) != 0 ||
			strcmp(reference->method, method) != 0)
			continue;
		for (size_t f = 0; f < RESULT_FIGURES_MAX; f++)
			values[f] = f < REFERENCE_VALUES ? reference->values[f] : NAN;
		status = result_add(table, RESULT_REFERENCE, method, reference->of, values,
			evaluation->error);
	}
	return status;
}

/* ---- names ---- */

static enum status refuse_name(const char *what, const char *name, const char **names,
	struct error *error)
{
	const char *nearest = nearest_word(name, names);
	char all[ERROR_TEXT_MAX] = "";
	size_t size = 0;

	if (nearest != NULL)
		return error_set(error, STATUS_BAD_INPUT, "there is no %s \"%s\", did you mean %s?",
			what, name, nearest);
	for (size_t i = 0; names[i] != NULL && size < sizeof(all) - 1; i++) {
		int got = snprintf(all + size, sizeof(all) - size, "%s%s", i > 0 ? ", " : "",
			names[i]);

		size += got > 0 ? (size_t)got : 0;
	}
	return error_set(error, STATUS_BAD_INPUT, "there is no %s \"%s\"; there are %s", what, name,
		all);
}

static bool is_general(const char *name)
{
	return name == NULL || strcmp(name, "all") == 0 || strcmp(name, "none") == 0;
}

static enum status check_detector(const char *name, struct error *error)
{
	const struct detector_class *class;
	const char *names[NAMES_MAX + 1];
	size_t count = 0;

	if (is_general(name) || detector_class_find(name) != NULL)
		return STATUS_OK;
	for (; (class = detector_class_at(count)) != NULL && count < NAMES_MAX; count++)
		names[count] = class->name;
	names[count] = NULL;
	return refuse_name("detector", name, names, error);
}

static enum status check_forecaster(const char *name, struct error *error)
{
	const struct forecaster_class *class;
	const char *names[NAMES_MAX + 1];
	size_t count = 0;

	if (is_general(name) || forecaster_class_find(name) != NULL)
		return STATUS_OK;
	for (; (class = forecaster_class_at(count)) != NULL && count < NAMES_MAX; count++)
		names[count] = forecaster_class_name(class);
	names[count] = NULL;
	return refuse_name("forecaster", name, names, error);
}

/* ---- what is run ---- */

static bool is_none(const char *name)
{
	return name != NULL && strcmp(name, "none") == 0;
}

/* Where only the one is named, the other is not meant. */
static bool wants_detectors(const struct evaluate_options *options)
{
	if (!dataset_kind_labelled(options->dataset.kind) || is_none(options->detector))
		return false;
	return options->detector != NULL || options->forecaster == NULL;
}

static bool wants_forecasters(const struct evaluate_options *options)
{
	if (is_none(options->forecaster))
		return false;
	if (options->forecaster != NULL)
		return true;
	return dataset_kind_forecast(options->dataset.kind) && options->detector == NULL;
}

static enum status check_options(const struct evaluate_options *options, struct error *error)
{
	const char *kind = dataset_kind_name(options->dataset.kind);
	enum status status = check_detector(options->detector, error);

	if (status == STATUS_OK)
		status = check_forecaster(options->forecaster, error);
	if (status != STATUS_OK)
		return status;
	if (options->detector != NULL && !is_none(options->detector) &&
		!dataset_kind_labelled(options->dataset.kind))
		return error_set(error, STATUS_BAD_INPUT,
			"%s has no labels to hold detectors against", kind);
	if (options->forecaster != NULL && !is_none(options->forecaster) &&
		strcmp(kind, "nezha") == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"nezha's day is too short to hold forecasts against");
	if (!wants_detectors(options) && !wants_forecasters(options))
		return error_set(error, STATUS_BAD_INPUT, "there is nothing to evaluate");
	if (options->seeds < 1 || options->seeds > EVALUATE_SEEDS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "seeds: 1 to %d", EVALUATE_SEEDS_MAX);
	if (options->horizons[0] < 1 || options->horizons[1] <= options->horizons[0] ||
		options->horizons[1] > FORECAST_HORIZON_ROWS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "horizons: two, rising, at most %d rows",
			FORECAST_HORIZON_ROWS_MAX);
	return STATUS_OK;
}

/* Whether any entity has labels; asked of one's own data alone, which may have some or none. */
static enum status find_labels(struct evaluation *evaluation, bool *found)
{
	enum status status = STATUS_OK;

	*found = false;
	for (size_t i = 0; i < dataset_count(evaluation->dataset) && !*found; i++) {
		struct entity entity;

		status = dataset_load(evaluation->dataset, i, &entity, evaluation->error);
		if (status != STATUS_OK)
			return status;
		*found = entity.labels != NULL;
		entity_fini(&entity);
	}
	return status;
}

/* Where nothing is named, what can be measured is: without labels the forecasts. */
static enum status choose(struct evaluation *evaluation, struct evaluate_options *asked)
{
	enum status status;
	bool labels;

	if (asked->detector != NULL || asked->forecaster != NULL ||
		strcmp(dataset_kind_name(asked->dataset.kind), "csv") != 0)
		return STATUS_OK;
	status = find_labels(evaluation, &labels);
	if (status != STATUS_OK || labels)
		return status;
	asked->detector = "none";
	asked->forecaster = "all";
	results_note(evaluation->results,
		"no column label to hold detectors against: forecasts alone are measured");
	return STATUS_OK;
}

enum status evaluate(const struct evaluate_options *options, struct results *results,
	struct error *error)
{
	struct evaluate_options asked = *options;
	struct evaluation evaluation = {.options = &asked, .results = results};
	struct error unheard;
	enum status status;

	evaluation.error = error = error != NULL ? error : &unheard;
	status = check_options(&asked, error);
	if (status == STATUS_OK)
		status = dataset_open(&asked.dataset, &evaluation.dataset, error);
	if (status == STATUS_OK)
		status = choose(&evaluation, &asked);
	if (status == STATUS_OK && wants_detectors(&asked))
		status = evaluate_detectors(&evaluation);
	if (status == STATUS_OK && wants_forecasters(&asked))
		status = evaluate_forecasters(&evaluation);
	dataset_close(evaluation.dataset);
	return status;
}
