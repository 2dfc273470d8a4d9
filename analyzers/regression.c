/*
 * Row by row, so that all sums run along memory.
 */
#include "analyzers/regression.h"

#include <math.h>

double regression_dot(const double *a, const double *b, size_t count)
{
	double sum[4] = {0};
	size_t i = 0;

	for (; i + 4 <= count; i += 4)
		for (size_t j = 0; j < 4; j++)
			sum[j] += a[i + j] * b[i + j];
	for (; i < count; i++)
		sum[0] += a[i] * b[i];
	return sum[0] + sum[1] + (sum[2] + sum[3]);
}

void regression_factor(double *lower, size_t n, double ridge)
{
	for (size_t i = 0; i < n; i++) {
		double *row = lower + REGRESSION_SIZE(i);

		for (size_t j = 0; j < i; j++) {
			const double *other = lower + REGRESSION_SIZE(j);

			row[j] = (row[j] - regression_dot(row, other, j)) / other[j];
		}
		row[i] = sqrt(fmax(row[i] - regression_dot(row, row, i), ridge));
	}
}

void regression_solve(const double *lower, size_t n, const double *moments, double *theta)
{
	for (size_t i = 0; i < n; i++) {
		const double *row = lower + REGRESSION_SIZE(i);

		theta[i] = (moments[i] - regression_dot(row, theta, i)) / row[i];
	}
	for (size_t i = n; i-- > 0;) {
		const double *row = lower + REGRESSION_SIZE(i);

		theta[i] /= row[i];
		for (size_t j = 0; j < i; j++)
			theta[j] -= row[j] * theta[i];
	}
}
