/*
 * The table of reference figures.
 */
#include <math.h>

#include "analyzers/evaluate/references.h"
#include "base/check.h"

#define SMD8 "8 machines"
#define ASD12 "12 servers"
#define D2_30 "Dataset2, 30 services"
#define SKLEARN ", scikit-learn"
#define ALL58 "all 58 files"

static const struct reference references[] = {
	{"smd", "detectors", "random", SMD8, {.503, .067, .120, .180}},
	{"smd", "detectors", "forest", SMD8 SKLEARN, {.773, .347, .401, .601}},
	{"smd", "detectors", "forest_roll", SMD8 SKLEARN, {.840, .427, .472, .622}},
	{"smd", "detectors", "extended_forest", SMD8, {.819, .492, .535, .806}},
	{"smd", "detectors", "extended_forest_roll", SMD8, {.873, .549, .586, .779}},
	{"smd", "detectors", "pca", SMD8, {.784, .488, .556, .731}},
	{"smd", "detectors", "pca_roll", SMD8, {.898, .613, .628, .825}},
	{"smd", "detectors", "seasonal", SMD8, {.800, .316, .439, .591}},
	{"smd", "detectors", "mean_z", SMD8, {.788, .497, .520, .826}},
	{"smd", "detectors", "lstm", SMD8, {.779, .362, .417, .680}},
	{"smd", "detectors", "ensemble", SMD8 ", rank mean of three", {.894, .558, .585, .722}},
	{"smd", "detectors", "forest", "machine-1-7" SKLEARN, {.716, .238, .320, NAN}},
	{"smd", "detectors", "forest_roll", "machine-1-7" SKLEARN, {.783, .305, .337, NAN}},
	{"smd", "detectors", "pca_roll", "machine-1-7", {.942, .799, .718, NAN}},

	{"asd", "detectors", "random", ASD12, {.517, .051, .097, .159}},
	{"asd", "detectors", "forest", ASD12 SKLEARN, {.632, .202, .299, .458}},
	{"asd", "detectors", "forest_roll", ASD12 SKLEARN, {.715, .283, .373, .587}},
	{"asd", "detectors", "extended_forest", ASD12, {.662, .154, .284, .475}},
	{"asd", "detectors", "extended_forest_roll", ASD12, {.691, .152, .282, .423}},
	{"asd", "detectors", "pca", ASD12, {.706, .262, .360, .581}},
	{"asd", "detectors", "pca_roll", ASD12, {.799, .300, .408, .641}},
	{"asd", "detectors", "seasonal", ASD12, {.794, .250, .351, .573}},
	{"asd", "detectors", "mean_z", ASD12, {.596, .147, .250, .457}},
	{"asd", "detectors", "lstm", ASD12, {.689, .210, .272, .748}},
	{"asd", "detectors", "ensemble", ASD12 ", rank mean of three", {.828, .379, .437, .714}},

	{"jumpstarter", "detectors", "random", D2_30, {.491, .051, .096, .119}},
	{"jumpstarter", "detectors", "forest", D2_30 SKLEARN, {.611, .146, .210, .637}},
	{"jumpstarter", "detectors", "forest_roll", D2_30 SKLEARN, {.767, .303, .357, .769}},
	{"jumpstarter", "detectors", "pca", D2_30, {.535, .153, .245, .732}},
	{"jumpstarter", "detectors", "pca_roll", D2_30, {.670, .255, .342, .733}},
	{"jumpstarter", "detectors", "seasonal", D2_30, {.745, .183, .266, .674}},
	{"jumpstarter", "detectors", "mean_z", D2_30, {.605, .178, .234, .761}},
	{"jumpstarter", "detectors", "ensemble", D2_30 ", rank mean of three",
		{.787, .302, .340, .812}},

	{"nezha", "detectors_faults", "forest", "98 faults" SKLEARN, {.823, .439, NAN, NAN}},
	{"nezha", "detectors_faults", "forest_roll", "98 faults" SKLEARN, {.883, .571, NAN, NAN}},
	{"nezha", "detectors_faults", "mean_z", "98 faults, MAD z", {.730, .408, NAN, NAN}},

	{"nab", "nab", "others", "ARTime, " ALL58, {74.9, 65.2, 80.4, NAN}},
	{"nab", "nab", "others", "Numenta HTM, " ALL58, {70.1, 63.1, 74.3, NAN}},
	{"nab", "nab", "others", "CAD-OSE, " ALL58, {69.9, 67.0, 73.2, NAN}},
	{"nab", "nab", "others", "htmjava, " ALL58, {65.5, 53.3, 70.4, NAN}},
	{"nab", "nab", "others", "Skyline, " ALL58, {58.2, 46.2, 63.8, NAN}},
	{"nab", "nab", "others", "AWS random cut forest, " ALL58, {51.7, 38.4, 59.7, NAN}},
	{"nab", "nab", "others", "windowed Gaussian, " ALL58, {39.6, 20.9, 47.4, NAN}},
	{"nab", "nab", "forest_roll", "every point, " ALL58 SKLEARN, {25.6, 14.0, 38.9, NAN}},
	{"nab", "nab", "forest_roll", "one alarm an episode, " ALL58 SKLEARN,
		{53.3, 39.1, 61.8, NAN}},

	{"smd", "forecasts", "naive", "SMD CPU + memory", {2.31, 1, 3.90, 1}},
	{"smd", "forecasts", "ewma", "SMD CPU + memory", {2.23, NAN, 3.74, NAN}},
	{"smd", "forecasts", "holt_winters", "SMD CPU + memory", {2.26, NAN, 3.65, NAN}},
	{"smd", "forecasts", "ridge_ar", "SMD CPU + memory", {1.92, .847, 2.95, .789}},
	{"smd", "forecasts", "lstm", "SMD CPU + memory", {2.19, .951, 3.72, NAN}},
	{"traces", "forecasts", "naive", "NASA", {1.10, 1, 1.14, 1}},
	{"traces", "forecasts", "ewma", "NASA", {.843, NAN, .872, NAN}},
	{"traces", "forecasts", "holt_winters", "NASA", {.857, NAN, .886, NAN}},
	{"traces", "forecasts", "ridge_ar", "NASA", {.842, NAN, .874, NAN}},
	{"traces", "forecasts", "lstm", "NASA", {.835, .760, .892, NAN}},
	{"traces", "forecasts", "naive", "World Cup 98", {1.52, 1, 2.48, 1}},
	{"traces", "forecasts", "ewma", "World Cup 98", {1.49, NAN, 2.45, NAN}},
	{"traces", "forecasts", "holt_winters", "World Cup 98", {1.54, NAN, 2.53, NAN}},
	{"traces", "forecasts", "ridge_ar", "World Cup 98", {1.58, NAN, 2.86, NAN}},
	{"traces", "forecasts", "lstm", "World Cup 98", {1.46, .958, 2.29, .923}},
	{"bitbrains", "forecasts", "naive", "Bitbrains CPU + memory", {2.18, 1, 3.57, 1}},
	{"bitbrains", "forecasts", "ewma", "Bitbrains CPU + memory", {2.14, NAN, 3.48, NAN}},
	{"bitbrains", "forecasts", "holt_winters", "Bitbrains CPU + memory",
		{2.30, NAN, 3.65, NAN}},
	{"bitbrains", "forecasts", "ridge_ar", "Bitbrains CPU + memory", {2.09, NAN, 3.48, NAN}},
	{"bitbrains", "forecasts", "lstm", "Bitbrains CPU + memory", {2.00, .889, 3.34, .875}},
	{"nab", "forecasts", "naive", "NAB AWS", {1.41, 1, 1.45, 1}},
	{"nab", "forecasts", "ewma", "NAB AWS", {1.16, NAN, 1.23, NAN}},
	{"nab", "forecasts", "holt_winters", "NAB AWS", {1.13, NAN, 1.22, NAN}},
	{"nab", "forecasts", "ridge_ar", "NAB AWS", {.935, .633, 1.05, .659}},
	{"nab", "forecasts", "lstm", "NAB AWS", {3.16, NAN, 3.22, NAN}},
};

const struct reference *reference_at(size_t index)
{
	return index < ARRAY_COUNT(references) ? &references[index] : NULL;
}
