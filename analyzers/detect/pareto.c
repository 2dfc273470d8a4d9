/*
 * With theta = shape / scale the best shape for a theta is the mean of log(1 + theta x), which leaves
 * a likelihood of theta alone: mean log-likelihood = -log(shape / theta) - shape - 1. It is searched
 * in log(theta) by golden section; bounds of shape become bounds of theta.
 */
#include "analyzers/detect/pareto.h"

#include <math.h>

#define GOLDEN 0.6180339887498949
#define STEPS 40
/* Of theta times the mean excess: below it the distribution is exponential for all purposes. */
#define THETA_LEAST 1e-4
#define THETA_MOST 1e4
#define TAIL_LEAST 1e-300

static double mean_log(const double *excesses, size_t count, double theta)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += log1p(theta * excesses[i]);
	return sum / (double)count;
}

static double likelihood(const double *excesses, size_t count, double log_theta)
{
	double theta = exp(log_theta), shape = mean_log(excesses, count, theta);

	return -log(shape / theta) - shape - 1;
}

static double best_log_theta(const double *excesses, size_t count, double low, double high)
{
	double a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low);
	double at_a = likelihood(excesses, count, a), at_b = likelihood(excesses, count, b);

	for (int i = 0; i < STEPS; i++) {
		if (at_a > at_b) {
			high = b;
			b = a;
			at_b = at_a;
			a = high - GOLDEN * (high - low);
			at_a = likelihood(excesses, count, a);
		} else {
			low = a;
			a = b;
			at_a = at_b;
			b = low + GOLDEN * (high - low);
			at_b = likelihood(excesses, count, b);
		}
	}
	return (low + high) / 2;
}

struct pareto pareto_fit(const double *excesses, size_t count)
{
	struct pareto pareto = {0};
	double mean = 0, theta;

	for (size_t i = 0; i < count; i++)
		mean += excesses[i] / (double)count;
	if (!(mean > 0))
		return pareto;
	pareto.scale = mean;
	theta = exp(
		best_log_theta(excesses, count, log(THETA_LEAST / mean), log(THETA_MOST / mean)));
	pareto.shape = mean_log(excesses, count, theta);
	/* No better than exponential. */
	if (-log(pareto.shape / theta) - pareto.shape - 1 <= -log(mean) - 1) {
		pareto.shape = 0;
		return pareto;
	}
	pareto.scale = pareto.shape / theta;
	if (pareto.shape > PARETO_SHAPE_MAX) {
		/* The mean of the distribution is scale / (1 - shape): it is kept. */
		pareto.shape = PARETO_SHAPE_MAX;
		pareto.scale = mean * (1 - PARETO_SHAPE_MAX);
	}
	return pareto;
}

double pareto_tail(const struct pareto *pareto, double excess)
{
	double tail;

	if (!(excess > 0))
		return 1;
	if (pareto->scale <= 0)
		return TAIL_LEAST;
	tail = pareto->shape > 0
		? pow(1 + pareto->shape * (excess / pareto->scale), -1 / pareto->shape)
		: exp(-excess / pareto->scale);
	return tail > TAIL_LEAST ? tail : TAIL_LEAST;
}

double pareto_excess(const struct pareto *pareto, double probability)
{
	if (pareto->shape > 0)
		return pareto->scale / pareto->shape * (pow(probability, -pareto->shape) - 1);
	return -pareto->scale * log(probability);
}
