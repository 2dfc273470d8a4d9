/*
 * A = Q T Q' by reflections, T = S D S' by rotations; the rows of S'Q' are the eigenvectors. Both are
 * applied to rows, which lie together in memory.
 */
#include "analyzers/detect/eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

#define STEPS_MAX 60

/* The reflection 1 - 2vv' that takes x (in v: [count]) to (alpha, 0, ..., 0); returns alpha, and a
 * v of zeros when x is that already. */
static double reflect(double *v, size_t count)
{
	double largest = 0, norm = 0, alpha;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(v[i]));
	if (largest == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		double part = v[i] / largest;

		norm += part * part;
	}
	alpha = -copysign(largest * sqrt(norm), v[0]);
	norm = 0;
	v[0] -= alpha;
	for (size_t i = 0; i < count; i++) {
		v[i] /= alpha;
		norm += v[i] * v[i];
	}
	for (size_t i = 0; i < count; i++)
		v[i] /= sqrt(norm);
	return alpha;
}

/* matrix becomes H matrix H in rows and columns from `first` on, for H = 1 - 2vv'. Only the lower
 * triangle is kept. w: [n]. */
static void reflect_both(double *matrix, size_t n, size_t first, const double *v, double *w)
{
	double product = 0;

	memset(w, 0, n * sizeof(*w));
	for (size_t i = first; i < n; i++) {
		const double *row = matrix + i * n;
		double sum = row[i] * v[i];

		for (size_t j = first; j < i; j++) {
			sum += row[j] * v[j];
			w[j] += row[j] * v[i];
		}
		w[i] += sum;
	}
	for (size_t i = first; i < n; i++)
		product += v[i] * w[i];
	for (size_t i = first; i < n; i++)
		w[i] -= product * v[i];
	for (size_t i = first; i < n; i++) {
		double *row = matrix + i * n;

		for (size_t j = first; j <= i; j++)
			row[j] -= 2 * (v[i] * w[j] + w[i] * v[j]);
	}
}

/* vectors becomes H vectors. w: [n]. */
static void reflect_rows(double *vectors, size_t n, size_t first, const double *v, double *w)
{
	memset(w, 0, n * sizeof(*w));
	for (size_t i = first; i < n; i++)
		for (size_t j = 0; j < n; j++)
			w[j] += v[i] * vectors[i * n + j];
	for (size_t i = first; i < n; i++)
		for (size_t j = 0; j < n; j++)
			vectors[i * n + j] -= 2 * v[i] * w[j];
}

/* diagonal: [n]; below: [n], below[i] under diagonal[i]. v, w: [n]. */
static void make_tridiagonal(double *matrix, size_t n, double *diagonal, double *below,
	double *vectors, double *v, double *w)
{
	memset(vectors, 0, n * n * sizeof(*vectors));
	for (size_t i = 0; i < n; i++)
		vectors[i * n + i] = 1;
	for (size_t k = 0; k + 2 < n; k++) {
		for (size_t i = k + 1; i < n; i++)
			v[i] = matrix[i * n + k];
		below[k] = reflect(v + k + 1, n - k - 1);
		reflect_both(matrix, n, k + 1, v, w);
		reflect_rows(vectors, n, k + 1, v, w);
	}
	for (size_t i = 0; i < n; i++)
		diagonal[i] = matrix[i * n + i];
	if (n > 1)
		below[n - 2] = matrix[(n - 1) * n + n - 2];
	below[n - 1] = 0;
}

static void rotate_rows(double *upper, double *lower, size_t n, double c, double s)
{
	for (size_t j = 0; j < n; j++) {
		double value = lower[j];

		lower[j] = s * upper[j] + c * value;
		upper[j] = c * upper[j] - s * value;
	}
}

/* One implicit QL step on rows first..last of the tridiagonal matrix. */
static void ql_step(double *diagonal, double *below, double *vectors, size_t n, size_t first,
	size_t last)
{
	double half = (diagonal[first + 1] - diagonal[first]) / (2 * below[first]);
	double g = diagonal[last] - diagonal[first] +
		below[first] / (half + copysign(hypot(half, 1), half));
	double s = 1, c = 1, p = 0;

	for (size_t i = last; i-- > first;) {
		double f = s * below[i], b = c * below[i], r = hypot(f, g);

		below[i + 1] = r;
		if (r == 0) {
			/* Split here: the next step goes on with the smaller part. */
			diagonal[i + 1] -= p;
			below[last] = 0;
			return;
		}
		s = f / r;
		c = g / r;
		g = diagonal[i + 1] - p;
		r = (diagonal[i] - g) * s + 2 * c * b;
		p = s * r;
		diagonal[i + 1] = g + p;
		g = c * r - b;
		rotate_rows(vectors + i * n, vectors + (i + 1) * n, n, c, s);
	}
	diagonal[first] -= p;
	below[first] = g;
	below[last] = 0;
}

/* What lies below the diagonal and is not larger than this is rounding. */
static double find_rounding(const double *diagonal, const double *below, size_t n)
{
	double largest = 0;

	for (size_t i = 0; i < n; i++)
		largest = fmax(largest, fabs(diagonal[i]) + fabs(below[i]));
	return DBL_EPSILON * largest;
}

/* The last row of the unreduced block that begins at `first`. */
static size_t block_end(const double *below, size_t n, size_t first, double rounding)
{
	size_t last = first;

	while (last + 1 < n && fabs(below[last]) > rounding)
		last++;
	return last;
}

/* Selection: as many exchanges of rows as there are rows. */
static void order(double *values, double *vectors, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t best = i;
		double value = values[i];

		for (size_t j = i + 1; j < n; j++)
			if (values[j] > values[best])
				best = j;
		if (best == i)
			continue;
		values[i] = values[best];
		values[best] = value;
		for (size_t j = 0; j < n; j++) {
			value = vectors[i * n + j];
			vectors[i * n + j] = vectors[best * n + j];
			vectors[best * n + j] = value;
		}
	}
}

enum status eigen_symmetric(double *matrix, size_t n, double *values, double *vectors,
	struct error *error)
{
	double *scratch = mem_zalloc(3 * n, sizeof(*scratch)), *below = scratch, rounding;

	if (scratch == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu eigenvalues", n);
	make_tridiagonal(matrix, n, values, below, vectors, scratch + n, scratch + 2 * n);
	rounding = find_rounding(values, below, n);
	for (size_t first = 0; first < n; first++) {
		size_t last;

		for (int steps = 0; (last = block_end(below, n, first, rounding)) != first;
			steps++) {
			if (steps == STEPS_MAX) {
				mem_free(scratch);
				return error_set(error, STATUS_BAD_INPUT,
					"the eigenvalues of %zu features do not converge", n);
			}
			ql_step(values, below, vectors, n, first, last);
		}
	}
	order(values, vectors, n);
	mem_free(scratch);
	return STATUS_OK;
}
