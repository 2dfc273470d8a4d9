/*
 * By class: a pipeline of a forest, or the ensemble, which has one among its parts.
 */
#include "analyzers/detect/forest_view.h"

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/pipeline.h"

bool forest_view(const struct detector_class *class, const struct detector *detector,
	struct forest_view *view)
{
	if (class == &detector_ensemble)
		return pipeline_forest(ensemble_rolled(detector), view);
	return (class == &detector_forest || class == &detector_forest_roll) &&
		pipeline_forest(detector, view);
}
