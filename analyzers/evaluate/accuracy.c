/*
 * Measures of forecasts: sums only, so that nothing is kept of the forecasts themselves.
 */
#include <math.h>

#include "analyzers/evaluate/accuracy.h"

double accuracy_scale(const double *values, size_t count)
{
	double sum = 0;
	size_t pairs = 0;

	for (size_t i = 1; i < count; i++) {
		if (isnan(values[i]) || isnan(values[i - 1]))
			continue;
		sum += fabs(values[i] - values[i - 1]);
		pairs++;
	}
	return pairs > 0 && sum > 0 && isfinite(sum) ? sum / (double)pairs : NAN;
}

void accuracy_init(struct accuracy *accuracy, double scale)
{
	*accuracy = (struct accuracy){.scale = scale};
}

static void add_interval(struct accuracy_interval interval, double actual, size_t *count,
	size_t *held, double *width)
{
	if (isnan(interval.low) || isnan(interval.high))
		return;
	(*count)++;
	*held += actual >= interval.low && actual <= interval.high;
	*width += interval.high - interval.low;
}

void accuracy_add(struct accuracy *accuracy, double last, double forecast,
	struct accuracy_interval interval80, struct accuracy_interval interval90, double actual)
{
	if (isnan(last) || isnan(actual))
		return;
	if (isnan(forecast)) {
		accuracy->not_predicted++;
		forecast = last;
	}
	accuracy->points++;
	accuracy->error_sum += fabs(actual - forecast);
	accuracy->naive_sum += fabs(actual - last);
	add_interval(interval80, actual, &accuracy->intervals80, &accuracy->held80,
		&accuracy->width80_sum);
	add_interval(interval90, actual, &accuracy->intervals90, &accuracy->held90,
		&accuracy->width90_sum);
}

static double ratio(double of, size_t count)
{
	return count > 0 ? of / (double)count : NAN;
}

static double relative_error(const struct accuracy *accuracy)
{
	if (accuracy->points == 0)
		return NAN;
	if (accuracy->naive_sum > 0)
		return accuracy->error_sum / accuracy->naive_sum;
	return accuracy->error_sum > 0 ? INFINITY : 1;
}

void accuracy_figures(const struct accuracy *accuracy, struct accuracy_figures *figures)
{
	double scale = accuracy->scale;

	*figures = (struct accuracy_figures){
		.mae = ratio(accuracy->error_sum, accuracy->points),
		.relative = relative_error(accuracy),
		.naive_mase = ratio(accuracy->naive_sum, accuracy->points) / scale,
		.coverage80 = ratio((double)accuracy->held80, accuracy->intervals80),
		.coverage90 = ratio((double)accuracy->held90, accuracy->intervals90),
		.width80 = ratio(accuracy->width80_sum, accuracy->intervals80) / scale,
		.width90 = ratio(accuracy->width90_sum, accuracy->intervals90) / scale,
		.points = accuracy->points,
		.not_predicted = accuracy->not_predicted,
	};
	figures->mase = figures->mae / scale;
}

double geometric_mean(const double *values, size_t count)
{
	double sum = 0;
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		if (!isfinite(values[i]) || values[i] <= 0)
			continue;
		sum += log(values[i]);
		taken++;
	}
	return taken > 0 ? exp(sum / (double)taken) : NAN;
}

double mean_known(const double *values, size_t count)
{
	double sum = 0;
	size_t taken = 0;

	for (size_t i = 0; i < count; i++) {
		if (isnan(values[i]))
			continue;
		sum += values[i];
		taken++;
	}
	return taken > 0 ? sum / (double)taken : NAN;
}
