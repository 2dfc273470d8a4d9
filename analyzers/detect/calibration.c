/*
 * Up to the 98th percentile training's scores speak for themselves, by quantiles; above it a Pareto
 * distribution fitted to the highest 2 % goes on to where training never was.
 */
#include "analyzers/detect/calibration.h"

#include <math.h>
#include <stdlib.h>

#include "analyzers/pack.h"

#define SCORES_MIN 50
#define EXCESSES_MAX 1024

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static size_t keep_finite(double *scores, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (isfinite(scores[i]))
			scores[kept++] = scores[i];
	return kept;
}

void calibration_fit(struct calibration *calibration, double *scores, size_t count)
{
	double excesses[EXCESSES_MAX];
	size_t first, stride, n = 0;
	double threshold;

	*calibration = (struct calibration){.flat = true};
	count = keep_finite(scores, count);
	if (count < SCORES_MIN)
		return;
	qsort(scores, count, sizeof(*scores), compare);
	for (size_t i = 0; i < CALIBRATION_POINTS; i++) {
		double place = (1 - CALIBRATION_TAIL) * (double)i / (CALIBRATION_POINTS - 1);

		calibration->points[i] = scores[(size_t)(place * (double)(count - 1))];
	}
	threshold = calibration->points[CALIBRATION_POINTS - 1];
	calibration->flat = scores[0] == scores[count - 1];
	first = (size_t)((1 - CALIBRATION_TAIL) * (double)(count - 1)) + 1;
	stride = (count - first + EXCESSES_MAX - 1) / EXCESSES_MAX;
	for (size_t i = count; i > first && n<EXCESSES_MAX; i -= i> stride ? stride : i)
		excesses[n++] = scores[i - 1] - threshold;
	calibration->tail = pareto_fit(excesses, n);
	/* All of the highest alike: their distance from the lowest must do for a scale. */
	if (calibration->tail.scale <= 0)
		calibration->tail.scale = (threshold - scores[0]) / 2;
}

void calibration_pack(struct calibration *calibration, struct pack *pack)
{
	pack_flag(pack, &calibration->flat);
	pack_value(pack, &calibration->points);
	pack_value(pack, &calibration->tail);
}

/* Where the score lies between the quantiles, 0 to CALIBRATION_POINTS - 1; equal ones count half. */
static double place(const double *points, double score)
{
	size_t below = 0, through;

	while (below < CALIBRATION_POINTS && points[below] < score)
		below++;
	through = below;
	while (through < CALIBRATION_POINTS && points[through] <= score)
		through++;
	if (through > below)
		return ((double)below + (double)through - 1) / 2;
	if (below == 0)
		return 0;
	return (double)below - 1 +
		(score - points[below - 1]) / (points[below] - points[below - 1]);
}

double calibration_tail(const struct calibration *calibration, double score)
{
	double threshold = calibration->points[CALIBRATION_POINTS - 1];

	if (isnan(score) || calibration->flat)
		return NAN;
	if (score > threshold)
		return CALIBRATION_TAIL * pareto_tail(&calibration->tail, score - threshold);
	return 1 -
		(1 - CALIBRATION_TAIL) * place(calibration->points, score) /
		(CALIBRATION_POINTS - 1);
}

double calibration_surprise(const struct calibration *calibration, double score)
{
	double surprise = -log10(calibration_tail(calibration, score));

	/* False for NaN. */
	if (surprise > CALIBRATION_SURPRISE_SURE)
		surprise =
			CALIBRATION_SURPRISE_SURE * (1 + log(surprise / CALIBRATION_SURPRISE_SURE));
	return surprise > CALIBRATION_SURPRISE_MAX ? CALIBRATION_SURPRISE_MAX : surprise;
}
