/*
 * The mean absolute standardised feature, and the isolation forest as a model.
 */
#include "analyzers/detect/model.h"

#include <math.h>

#include "analyzers/detect/forest.h"
#include "analyzers/pack.h"
#include "base/mem.h"

struct mean_z {
	size_t features;
};

static void *mean_z_fit(const struct detector_config *config, const double *rows, size_t count,
	size_t features, struct error *error)
{
	struct mean_z *model = mem_zalloc(1, sizeof(*model));

	(void)config;
	(void)rows;
	(void)count;
	if (model == NULL)
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for a mean");
	else
		model->features = features;
	return model;
}

static double mean_z_score(const void *model, const double *row, double *parts)
{
	size_t features = ((const struct mean_z *)model)->features;
	double sum = 0;

	for (size_t i = 0; i < features; i++) {
		sum += fabs(row[i]);
		if (parts != NULL)
			parts[i] += fabs(row[i]);
	}
	return sum / (double)features;
}

static size_t mean_z_size(const void *model)
{
	(void)model;
	return sizeof(struct mean_z);
}

static void mean_z_pack(void **model, const struct detector_config *config, size_t features,
	struct pack *pack)
{
	struct error error;

	if (pack_reads(pack))
		*model = mean_z_fit(config, NULL, 0, features, &error);
	if (*model == NULL)
		pack_fail(pack);
}

const struct model_class model_mean_z = {mean_z_fit, mean_z_score, mean_z_pack, mean_z_size,
	mem_free};

static void *fit_forest(const struct detector_config *config, const double *rows, size_t count,
	size_t features, struct error *error)
{
	const struct forest_config forest = {config->trees, config->sample, config->seed};

	return forest_fit(&forest, rows, count, features, error);
}

static double score_forest(const void *model, const double *row, double *parts)
{
	if (parts != NULL)
		forest_gains(model, row, parts);
	return forest_row(model, row);
}

static void pack_forest(void **model, const struct detector_config *config, size_t features,
	struct pack *pack)
{
	const struct forest_config forest = {config->trees, config->sample, config->seed};
	struct forest *packed = *model;

	forest_pack(&packed, &forest, features, pack);
	*model = packed;
}

static size_t size_forest(const void *model)
{
	return forest_size(model);
}

static void close_forest(void *model)
{
	forest_close(model);
}

const struct model_class model_forest = {fit_forest, score_forest, pack_forest, size_forest,
	close_forest};
