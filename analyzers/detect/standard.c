/*
 * Two passes over the rows: means first, then squares of distances, so that what lies far from zero
 * cancels nothing. A deviation under CONSTANT of the largest magnitude is rounding, not variation.
 */
#include "analyzers/detect/standard.h"

#include <math.h>

#include "analyzers/pack.h"
#include "base/mem.h"

#define CONSTANT 1e-9

static void find_means(struct standard *standard, double *seen, const double *rows,
	size_t row_count)
{
	size_t count = standard->count;

	for (size_t i = 0; i < count; i++)
		standard->mean[i] = seen[i] = 0;
	for (size_t r = 0; r < row_count; r++)
		for (size_t i = 0; i < count; i++) {
			double value = rows[r * count + i];

			standard->mean[i] += isnan(value) ? 0 : value;
			seen[i] += isnan(value) ? 0 : 1;
		}
	for (size_t i = 0; i < count; i++)
		standard->mean[i] = seen[i] > 0 ? standard->mean[i] / seen[i] : NAN;
}

static void find_scales(struct standard *standard, const double *seen, const double *rows,
	size_t row_count)
{
	size_t count = standard->count;

	for (size_t i = 0; i < count; i++)
		standard->inverse[i] = 0;
	for (size_t r = 0; r < row_count; r++)
		for (size_t i = 0; i < count; i++) {
			double value = rows[r * count + i];
			double distance = isnan(value) ? 0 : value - standard->mean[i];

			standard->inverse[i] += distance * distance;
		}
	for (size_t i = 0; i < count; i++) {
		double deviation = seen[i] > 0 ? sqrt(standard->inverse[i] / seen[i]) : 0;

		/* 1 over something tiny would be infinite. */
		standard->inverse[i] =
			deviation > CONSTANT * fabs(standard->mean[i]) && deviation > 1e-100
			? 1 / deviation
			: 0;
	}
}

enum status standard_fit(struct standard *standard, const double *rows, size_t row_count,
	size_t count, struct error *error)
{
	double *seen = mem_zalloc(count, sizeof(*seen));

	*standard = (struct standard){.count = count,
		.mean = mem_zalloc(count, sizeof(double)),
		.inverse = mem_zalloc(count, sizeof(double))};
	if (seen == NULL || standard->mean == NULL || standard->inverse == NULL) {
		mem_free(seen);
		standard_fini(standard);
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu means", count);
	}
	find_means(standard, seen, rows, row_count);
	find_scales(standard, seen, rows, row_count);
	mem_free(seen);
	return STATUS_OK;
}

void standard_pack(struct standard *standard, size_t count, struct pack *pack)
{
	pack_same(pack, count);
	if (pack_reads(pack)) {
		*standard = (struct standard){.count = count,
			.mean = mem_zalloc(count, sizeof(double)),
			.inverse = mem_zalloc(count, sizeof(double))};
		if (standard->mean == NULL || standard->inverse == NULL)
			pack_fail(pack);
	}
	pack_bytes(pack, standard->mean, count * sizeof(double));
	pack_bytes(pack, standard->inverse, count * sizeof(double));
}

void standard_fini(struct standard *standard)
{
	mem_free(standard->mean);
	mem_free(standard->inverse);
	*standard = (struct standard){0};
}

void standard_apply(const struct standard *standard, const double *values, double *scores)
{
	for (size_t i = 0; i < standard->count; i++) {
		double distance = values[i] - standard->mean[i];
		double score = distance * standard->inverse[i];

		if (isnan(distance))
			score = 0;
		else if (standard->inverse[i] == 0 &&
			fabs(distance) > CONSTANT * fabs(standard->mean[i]))
			score = distance > 0 ? STANDARD_NOVELTY : -STANDARD_NOVELTY;
		scores[i] = score > STANDARD_MAX ? STANDARD_MAX
			: score < -STANDARD_MAX  ? -STANDARD_MAX
						 : score;
	}
}
