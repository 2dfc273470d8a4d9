/*
 * Least squares by normal equations: a symmetric matrix, kept as its lower triangle by rows, is factored
 * after Cholesky, and solved for as many right-hand sides as there are.
 *
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_REGRESSION_H
#define NIMBUSGUARD_ANALYZERS_REGRESSION_H

#include <stddef.h>

/* Numbers of the lower triangle of n rows; row i begins at REGRESSION_SIZE(i). */
#define REGRESSION_SIZE(n) ((n) * ((n) + 1) / 2)

/* a, b: [count]. */
double regression_dot(const double *a, const double *b, size_t count);
/* G = L L', in G's place, [REGRESSION_SIZE(n)]; a pivot lost to rounding is replaced by the ridge alone,
 * which is above 0. */
void regression_factor(double *lower, size_t n, double ridge);
/* theta = (L L')^-1 moments; both [n]. */
void regression_solve(const double *lower, size_t n, const double *moments, double *theta);

#endif
