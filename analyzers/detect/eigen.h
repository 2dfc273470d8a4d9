/*
 * Eigenvalues and eigenvectors of a real symmetric matrix.
 *
 * Source: Golub, Van Loan, "Matrix Computations", 4th edition, 8.3: Householder tridiagonalisation
 * (8.3.1) and implicit symmetric QL steps with Wilkinson's shift (8.3.4, 8.3.5).
 * Threads: pure function.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_EIGEN_H
#define NIMBUSGUARD_ANALYZERS_DETECT_EIGEN_H

#include <stddef.h>

#include "base/error.h"

/* matrix: [n][n], finite, of which the lower triangle is read; it is overwritten. values: [n],
 * largest first. vectors: [n][n], one unit vector a row, in that order. STATUS_NO_MEMORY, or
 * STATUS_BAD_INPUT when it does not converge, which finite input does not do. */
enum status eigen_symmetric(double *matrix, size_t n, double *values, double *vectors,
	struct error *error) MUST_CHECK;

#endif
