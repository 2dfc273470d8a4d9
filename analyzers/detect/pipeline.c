/*
 * row -> cleaned -> (rolling features) -> standardised -> models -> scores.
 *
 * A fit builds the new models and their scales first and puts them in the old ones' place at the end,
 * so that a failed fit changes nothing. The rolling state is fed by the rows of training and goes on
 * from there. The standardised features of the last row stay where they are, to be explained.
 */
#include "analyzers/detect/pipeline.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/roll.h"
#include "analyzers/detect/standard.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

/* More rows than this are thinned out evenly before a model is fitted: their features would fill
 * memory, and a model of so many gains nothing from more. */
#define FIT_ROWS_MAX 32768

struct pipeline {
	struct detector detector;
	struct pipeline_part parts[PIPELINE_MODELS_MAX];
	void *models[PIPELINE_MODELS_MAX]; /* NULL: not fitted */
	size_t part_count;
	struct roll *roll; /* NULL: plain features */
	size_t features;
	size_t known; /* columns of which training had a value */
	struct standard standard;
	bool judged;          /* the last row had scores */
	double *row;          /* [columns] cleaned */
	double *features_row; /* [features] of the last row */
	double *shares;       /* [features] */
};

static struct pipeline *pipeline_of(struct detector *detector)
{
	return (struct pipeline *)(void *)detector;
}

struct detector *pipeline_open(const struct pipeline_part *parts, size_t count, bool rolling,
	const struct detector_config *config, size_t columns, struct error *error)
{
	struct pipeline *pipeline = mem_zalloc(1, sizeof(*pipeline));

	if (pipeline == NULL)
		goto no_memory;
	if (detector_init(&pipeline->detector, config, columns, error) != STATUS_OK) {
		mem_free(pipeline);
		return NULL;
	}
	CHECK(count >= 1 && count <= PIPELINE_MODELS_MAX);
	memcpy(pipeline->parts, parts, count * sizeof(*parts));
	pipeline->part_count = count;
	pipeline->features = rolling ? ROLL_FEATURES * columns : columns;
	if (rolling && (pipeline->roll = roll_open(columns, error)) == NULL)
		goto no_memory;
	pipeline->row = mem_zalloc(columns, sizeof(double));
	pipeline->features_row = mem_zalloc(pipeline->features, sizeof(double));
	pipeline->shares = mem_zalloc(pipeline->features, sizeof(double));
	if (pipeline->row == NULL || pipeline->features_row == NULL || pipeline->shares == NULL)
		goto no_memory;
	return &pipeline->detector;

no_memory:
	if (pipeline != NULL)
		pipeline_close(&pipeline->detector);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for a detector of %zu columns",
		columns);
	return NULL;
}

/* models: [part_count], those that are there. */
static void close_models(const struct pipeline *pipeline, void **models)
{
	for (size_t i = 0; i < pipeline->part_count; i++) {
		if (models[i] != NULL)
			pipeline->parts[i].model->close(models[i]);
		models[i] = NULL;
	}
}

void pipeline_close(struct detector *detector)
{
	struct pipeline *pipeline;

	if (detector == NULL)
		return;
	pipeline = pipeline_of(detector);
	close_models(pipeline, pipeline->models);
	standard_fini(&pipeline->standard);
	roll_close(pipeline->roll);
	mem_free(pipeline->row);
	mem_free(pipeline->features_row);
	mem_free(pipeline->shares);
	mem_free(pipeline);
}

size_t pipeline_size(const struct detector *detector)
{
	const struct pipeline *pipeline = (const struct pipeline *)(const void *)detector;

	size_t size = sizeof(*pipeline) +
		(detector->columns + 4 * pipeline->features) * sizeof(double) +
		(pipeline->roll != NULL ? roll_size(pipeline->roll) : 0);

	for (size_t i = 0; i < pipeline->part_count; i++)
		if (pipeline->models[i] != NULL)
			size += pipeline->parts[i].model->size(pipeline->models[i]);
	return size;
}

/* Features of the next row; returns how many of its values are there. */
static size_t look(struct pipeline *pipeline, const double *row, double *features)
{
	size_t columns = pipeline->detector.columns, present = 0;

	for (size_t i = 0; i < columns; i++) {
		pipeline->row[i] = detector_value(row[i]);
		present += isnan(pipeline->row[i]) ? 0 : 1;
	}
	if (pipeline->roll != NULL)
		roll_step(pipeline->roll, pipeline->row, features);
	else
		memcpy(features, pipeline->row, columns * sizeof(*features));
	return present;
}

static size_t count_known(const struct pipeline *pipeline, const struct standard *standard)
{
	size_t known = 0;

	for (size_t i = 0; i < pipeline->detector.columns; i++)
		known += isnan(standard->mean[i]) ? 0 : 1;
	return known;
}

/* Feeds all rows to the rolling state; the features of every `stride`th are kept. */
static size_t look_at_all(struct pipeline *pipeline, const struct detector_rows *train,
	size_t stride, double *rows)
{
	size_t kept = 0;

	if (pipeline->roll != NULL)
		roll_reset(pipeline->roll);
	for (size_t i = 0; i < train->count; i++) {
		const double *row = train->values + i * train->columns;

		(void)look(pipeline, row, pipeline->features_row);
		if (i % stride == 0)
			memcpy(rows + kept++ * pipeline->features, pipeline->features_row,
				pipeline->features * sizeof(*rows));
	}
	return kept;
}

/* What one part of the models is fitted with. */
static struct detector_config part_config(const struct pipeline *pipeline, size_t part)
{
	struct detector_config config = pipeline->detector.config;
	size_t divisor = pipeline->parts[part].trees_divisor;

	config.trees = (config.trees + divisor - 1) / divisor;
	return config;
}

void pipeline_pack(struct detector *detector, struct pack *pack)
{
	struct pipeline *pipeline = pipeline_of(detector);

	detector_pack(detector, pack);
	pack_same(pack, pipeline->part_count);
	for (size_t i = 0; i < pipeline->part_count; i++) {
		struct detector_config config = part_config(pipeline, i);
		bool there = pipeline->models[i] != NULL;

		pack_flag(pack, &there);
		if (there && !pack->failed)
			pipeline->parts[i].model->pack(&pipeline->models[i], &config,
				pipeline->features, pack);
	}
	if (detector->fitted)
		standard_pack(&pipeline->standard, pipeline->features, pack);
	if (pipeline->roll != NULL)
		roll_pack(pipeline->roll, pack);
	pack_index(pack, &pipeline->known, detector->columns);
	if (pack_reads(pack))
		pipeline->judged = false;
}

/* rows: [count][features], standardised. models: [part_count], NULL for one that cannot be fitted;
 * without any, or without memory, that is the status, and all are NULL. */
static enum status fit_models(const struct pipeline *pipeline, const double *rows, size_t count,
	void **models, struct error *error)
{
	enum status status = STATUS_OK;
	size_t fitted = 0;

	for (size_t i = 0; i < pipeline->part_count && status != STATUS_NO_MEMORY; i++) {
		struct detector_config own = part_config(pipeline, i);

		models[i] =
			pipeline->parts[i].model->fit(&own, rows, count, pipeline->features, error);
		fitted += models[i] != NULL;
		status = models[i] != NULL ? status : error->code;
	}
	if (fitted > 0 && status != STATUS_NO_MEMORY)
		return STATUS_OK;
	close_models(pipeline, models);
	return status;
}

/* Fits scales and models on rows: [count][features], which become standardised. */
static enum status fit_rows(struct pipeline *pipeline, double *rows, size_t count,
	struct error *error)
{
	size_t features = pipeline->features;
	struct standard standard;
	void *models[PIPELINE_MODELS_MAX] = {NULL};
	enum status status = standard_fit(&standard, rows, count, features, error);

	if (status != STATUS_OK)
		return status;
	if (count_known(pipeline, &standard) == 0) {
		standard_fini(&standard);
		return error_set(error, STATUS_BAD_INPUT, "none of the %zu rows holds a value",
			count);
	}
	for (size_t i = 0; i < count; i++)
		standard_apply(&standard, rows + i * features, rows + i * features);
	status = fit_models(pipeline, rows, count, models, error);
	if (status != STATUS_OK) {
		standard_fini(&standard);
		return status;
	}
	close_models(pipeline, pipeline->models);
	memcpy(pipeline->models, models, sizeof(models));
	standard_fini(&pipeline->standard);
	pipeline->standard = standard;
	pipeline->known = count_known(pipeline, &standard);
	pipeline->detector.fitted = true;
	return STATUS_OK;
}

enum status pipeline_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct pipeline *pipeline = pipeline_of(detector);
	size_t stride = (train->count + FIT_ROWS_MAX - 1) / FIT_ROWS_MAX;
	struct error own;
	double *rows;
	enum status status = detector_check_rows(detector, train, error);

	if (status != STATUS_OK)
		return status;
	rows = mem_zalloc((train->count / stride + 1) * pipeline->features, sizeof(*rows));
	if (rows == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the features of %zu rows",
			train->count);
	status = fit_rows(pipeline, rows, look_at_all(pipeline, train, stride, rows), &own);
	mem_free(rows);
	return status == STATUS_OK ? status : error_set(error, status, "%s", own.text);
}

/* Whether the row can be judged; then its standardised features stand in features_row. */
static bool take_row(struct pipeline *pipeline, const double *row)
{
	size_t present = look(pipeline, row, pipeline->features_row);

	pipeline->judged =
		pipeline->detector.fitted && 2 * present >= pipeline->known && present > 0;
	if (pipeline->judged)
		standard_apply(&pipeline->standard, pipeline->features_row, pipeline->features_row);
	return pipeline->judged;
}

static double score_part(const struct pipeline *pipeline, size_t part)
{
	if (!pipeline->judged || pipeline->models[part] == NULL)
		return NAN;
	return pipeline->parts[part].model->score(pipeline->models[part], pipeline->features_row,
		NULL);
}

void pipeline_scores(struct detector *detector, const double *row, double *scores)
{
	struct pipeline *pipeline = pipeline_of(detector);

	(void)take_row(pipeline, row);
	for (size_t i = 0; i < pipeline->part_count; i++)
		scores[i] = score_part(pipeline, i);
}

double pipeline_step(struct detector *detector, const double *row, double *contributions)
{
	struct pipeline *pipeline = pipeline_of(detector);
	double score;

	(void)take_row(pipeline, row);
	score = score_part(pipeline, 0);
	if (contributions != NULL)
		pipeline_explain(detector, contributions);
	return score;
}

void pipeline_explain_part(struct detector *detector, size_t part, double *contributions)
{
	struct pipeline *pipeline = pipeline_of(detector);
	size_t columns = detector->columns;

	memset(contributions, 0, columns * sizeof(*contributions));
	if (!pipeline->judged || pipeline->models[part] == NULL)
		return;
	memset(pipeline->shares, 0, pipeline->features * sizeof(*pipeline->shares));
	(void)pipeline->parts[part].model->score(pipeline->models[part], pipeline->features_row,
		pipeline->shares);
	for (size_t f = 0; f < pipeline->features; f++)
		contributions[f % columns] += pipeline->shares[f];
	detector_shares(contributions, columns);
}

void pipeline_explain(struct detector *detector, double *contributions)
{
	pipeline_explain_part(detector, 0, contributions);
}

bool pipeline_forest(const struct detector *detector, struct forest_view *view)
{
	const struct pipeline *pipeline = (const struct pipeline *)(const void *)detector;

	for (size_t i = 0; i < pipeline->part_count && detector->fitted; i++) {
		if (pipeline->parts[i].model != &model_forest || pipeline->models[i] == NULL)
			continue;
		*view = (struct forest_view){.forest = pipeline->models[i],
			.standard = &pipeline->standard,
			.rolling = pipeline->roll != NULL};
		return true;
	}
	return false;
}
