/*
 * The table of detectors and what they share.
 */
#include "analyzers/detect/detector_parts.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/check.h"

#define TREES_DEFAULT 100
#define TREES_MAX 1000
#define SAMPLE_DEFAULT 256
#define SAMPLE_MAX 256
#define CONTAMINATION_DEFAULT 0.1
#define ROWS_PER_DAY_MAX 86400

static const struct detector_class *const classes[] = {
	&detector_forest,
	&detector_forest_roll,
	&detector_extended_forest,
	&detector_extended_forest_roll,
	&detector_pca,
	&detector_pca_roll,
	&detector_seasonal,
	&detector_mean_z,
	&detector_ewma_bands,
	&detector_forecast_residual,
	&detector_ensemble,
	&detector_random,
};

/* Found by name alone: it has to be given a net. */
static const struct detector_class *const unlisted = &detector_lstm_residual;

const struct detector_class *detector_class_at(size_t index)
{
	return index < ARRAY_COUNT(classes) ? classes[index] : NULL;
}

const struct detector_class *detector_class_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(classes); i++)
		if (strcmp(classes[i]->name, name) == 0)
			return classes[i];
	return strcmp(unlisted->name, name) == 0 ? unlisted : NULL;
}

void detector_score(const struct detector_class *class, struct detector *detector,
	const struct detector_rows *rows, double *scores)
{
	for (size_t i = 0; i < rows->count; i++)
		scores[i] = class->step(detector, rows->values + i * rows->columns, NULL);
}

static enum status check_config(const struct detector_config *config, size_t columns,
	struct error *error)
{
	if (columns == 0 || columns > DETECTOR_COLUMNS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%zu columns: 1 to %d are possible",
			columns, DETECTOR_COLUMNS_MAX);
	if (config->trees > TREES_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%zu trees: 1 to %d are possible",
			config->trees, TREES_MAX);
	if (config->sample == 1 || config->sample > SAMPLE_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"a sample of %zu rows a tree: 2 to %d are possible", config->sample,
			SAMPLE_MAX);
	if (config->rows_per_day > ROWS_PER_DAY_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%zu rows a day: 0 to %d are possible",
			config->rows_per_day, ROWS_PER_DAY_MAX);
	if (!(config->contamination >= 0 && config->contamination <= 0.5))
		return error_set(error, STATUS_BAD_INPUT,
			"a contamination of %g: above 0 to 0.5 are possible",
			config->contamination);
	return STATUS_OK;
}

enum status detector_init(struct detector *detector, const struct detector_config *config,
	size_t columns, struct error *error)
{
	enum status status = check_config(config, columns, error);

	if (status != STATUS_OK)
		return status;
	*detector = (struct detector){.config = *config, .columns = columns};
	if (config->trees == 0)
		detector->config.trees = TREES_DEFAULT;
	if (config->sample == 0)
		detector->config.sample = SAMPLE_DEFAULT;
	if (config->contamination == 0)
		detector->config.contamination = CONTAMINATION_DEFAULT;
	return STATUS_OK;
}

enum status detector_check_rows(const struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	if (train->columns != detector->columns)
		return error_set(error, STATUS_BAD_INPUT,
			"the rows have %zu columns, the detector %zu", train->columns,
			detector->columns);
	if (train->count < DETECTOR_ROWS_MIN || train->count > DETECTOR_ROWS_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"%zu rows to learn from: %d to %d are possible", train->count,
			DETECTOR_ROWS_MIN, DETECTOR_ROWS_MAX);
	return STATUS_OK;
}

void detector_pack(struct detector *detector, struct pack *pack)
{
	const struct detector_config *config = &detector->config;

	pack_same(pack, detector->columns);
	pack_same(pack, config->trees);
	pack_same(pack, config->sample);
	pack_same(pack, config->rows_per_day);
	pack_same(pack, config->seed);
	pack_flag(pack, &detector->fitted);
}

double detector_value(double value)
{
	/* False for NaN too. */
	return fabs(value) <= DETECTOR_VALUE_MAX ? value : NAN;
}

void detector_shares(double *contributions, size_t columns)
{
	double sum = 0;

	for (size_t i = 0; i < columns; i++) {
		/* A comparison that is false for NaN. */
		if (!(contributions[i] > 0))
			contributions[i] = 0;
		sum += contributions[i];
	}
	for (size_t i = 0; i < columns; i++)
		contributions[i] = sum > 0 && isfinite(sum) ? contributions[i] / sum : 0;
}
