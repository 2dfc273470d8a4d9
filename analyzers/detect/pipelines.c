/*
 * The detectors that are pipelines: the same functions with another model and other features.
 */
#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/pipeline.h"

#define PIPELINE(symbol, label, words, model, rolling)                                             \
	static struct detector *open_##symbol(const struct detector_config *config,                \
		size_t columns, struct error *error)                                               \
	{                                                                                          \
		const struct pipeline_part part = {&(model), 1};                                   \
                                                                                                   \
		return pipeline_open(&part, 1, rolling, config, columns, error);                   \
	}                                                                                          \
	const struct detector_class detector_##symbol = {.name = (label),                          \
		.summary = (words),                                                                \
		.open = open_##symbol,                                                             \
		.fit = pipeline_fit,                                                               \
		.step = pipeline_step,                                                             \
		.explain = pipeline_explain,                                                       \
		.pack = pipeline_pack,                                                             \
		.size = pipeline_size,                                                             \
		.close = pipeline_close}

PIPELINE(forest, "forest", "isolation forest of the values", model_forest, false);
PIPELINE(forest_roll, "forest_roll", "isolation forest of rolling features", model_forest, true);
PIPELINE(extended_forest, "extended_forest", "forest of random hyperplanes, of the values",
	model_extended_forest, false);
PIPELINE(extended_forest_roll, "extended_forest_roll",
	"forest of random hyperplanes, of rolling features", model_extended_forest, true);
PIPELINE(pca, "pca", "what principal components of the values leave over", model_pca, false);
PIPELINE(pca_roll, "pca_roll", "what principal components of rolling features leave over",
	model_pca, true);
PIPELINE(mean_z, "mean_z", "mean distance from training's means, in deviations", model_mean_z,
	false);
