/*
 * Quantiles of training give the start, the floor and the unit of the steps; the rest is one addition
 * a score.
 */
#include "analyzers/detect/track.h"

#include <math.h>
#include <stdlib.h>

static double within(double value, double low, double high, double otherwise)
{
	if (!(value > 0))
		return otherwise;
	return value < low ? low : value > high ? high : value;
}

void track_init(struct track *track, const struct track_config *config)
{
	*track = (struct track){.threshold = NAN};
	track->config.rate = within(config->rate, 1e-5, 0.5, 0.01);
	track->config.start = within(config->start, 0.5, 1, 0.995);
	track->config.floor = within(config->floor, 0.5, 1, 0.99);
	track->config.step = within(config->step, 1e-4, 10, 0.1);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

bool track_fit(struct track *track, double *scores, size_t count)
{
	size_t kept = 0;
	double last, unit;

	for (size_t i = 0; i < count; i++)
		if (isfinite(scores[i]))
			scores[kept++] = scores[i];
	if (kept < TRACK_SCORES_MIN)
		return false;
	qsort(scores, kept, sizeof(*scores), compare);
	last = (double)(kept - 1);
	if (scores[0] == scores[kept - 1])
		return false;
	unit = scores[(size_t)(0.99 * last)] - scores[(size_t)(0.9 * last)];
	if (unit <= 0)
		/* Hardly ever anything but one score: the whole range must do. */
		unit = scores[kept - 1] - scores[0];
	track->threshold = scores[(size_t)(track->config.start * last)];
	track->least = scores[(size_t)(track->config.floor * last)];
	track->step = track->config.step * unit;
	return true;
}

bool track_step(struct track *track, double score)
{
	bool over;

	if (isnan(track->threshold) || !isfinite(score))
		return false;
	over = score > track->threshold;
	track->threshold += track->step * ((over ? 1 : 0) - track->config.rate);
	if (track->threshold < track->least)
		track->threshold = track->least;
	return over;
}
