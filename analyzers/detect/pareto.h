/*
 * The generalised Pareto distribution, which the excesses of almost anything over a high threshold
 * follow (Balkema, de Haan 1974; Pickands 1975): P(X > x) = (1 + shape x / scale)^(-1 / shape).
 *
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_PARETO_H
#define NIMBUSGUARD_ANALYZERS_DETECT_PARETO_H

#include <stddef.h>

/* shape 0 is the exponential distribution. A shape below 0 would have an end, behind which nothing
 * could ever happen; one above PARETO_SHAPE_MAX has no variance. Neither is believed. */
#define PARETO_SHAPE_MAX 0.5

struct pareto {
	double shape, scale; /* scale 0: there were no excesses above 0 */
};

/* Maximum likelihood within the bounds of shape, by Grimshaw's profile in one variable ("Computing
 * Maximum Likelihood Estimates for the Generalized Pareto Distribution", Technometrics 1993).
 * excesses: [count], finite, at least 0. */
struct pareto pareto_fit(const double *excesses, size_t count);
/* P(X > excess), 1 for an excess of 0 or less, never below 1e-300. */
double pareto_tail(const struct pareto *pareto, double excess);
/* The excess with P(X > it) = probability, for 0 < probability <= 1. */
double pareto_excess(const struct pareto *pareto, double probability);

#endif
