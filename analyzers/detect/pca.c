/*
 * Principal components: the squared length of what is left of a row when the components that hold 90 %
 * of training's variance are taken out of it (the Q statistic of Jackson, Mudholkar, "Control
 * Procedures for Residuals Associated With Principal Component Analysis", Technometrics 1979).
 *
 * Features are standardised already, so that the matrix decomposed is their correlation. Components
 * are kept as floats: they are the largest part of the model, and a score needs no more.
 *
 * A feature's part is what the score would lose at most if that feature alone were another: its
 * squared residual over the part of it that the components leave over (Alcala, Qin,
 * "Reconstruction-based contribution for process monitoring", Automatica 2009). The plain squared
 * residual smears one feature's fault over all that go with it.
 */
#include "analyzers/detect/model.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/eigen.h"
#include "analyzers/pack.h"
#include "base/mem.h"

#define VARIANCE_KEPT 0.9
#define LEFT_LEAST 0.01

struct pca {
	size_t features, components;
	float *vectors;   /* [components][features] */
	double *left;     /* [features] the part of a feature that the components leave over */
	double *residual; /* [features] scratch */
};

static void close_pca(void *model)
{
	struct pca *pca = model;

	if (pca == NULL)
		return;
	mem_free(pca->vectors);
	mem_free(pca->left);
	mem_free(pca->residual);
	mem_free(pca);
}

/* matrix: [features][features], the lower triangle. */
static void correlate(double *matrix, const double *rows, size_t count, size_t features)
{
	double scale = 1 / (double)count;

	memset(matrix, 0, features * features * sizeof(*matrix));
	for (size_t r = 0; r < count; r++) {
		const double *row = rows + r * features;

		for (size_t i = 0; i < features; i++) {
			double *cells = matrix + i * features, value = row[i] * scale;

			/* Constant features are many, and always 0. */
			if (value == 0)
				continue;
			for (size_t j = 0; j <= i; j++)
				cells[j] += value * row[j];
		}
	}
}

static size_t count_components(const double *values, size_t features)
{
	double sum = 0, kept = 0;
	size_t count = 0;

	for (size_t i = 0; i < features; i++)
		sum += fmax(values[i], 0);
	while (count < features && kept < VARIANCE_KEPT * sum)
		kept += fmax(values[count++], 0);
	return count;
}

static struct pca *open_pca(size_t features, size_t components)
{
	struct pca *pca = mem_zalloc(1, sizeof(*pca));

	if (pca == NULL)
		return NULL;
	pca->features = features;
	pca->components = components;
	pca->vectors = mem_zalloc(pca->components * features, sizeof(*pca->vectors));
	pca->left = mem_zalloc(features, sizeof(*pca->left));
	pca->residual = mem_zalloc(features, sizeof(*pca->residual));
	if (pca->vectors == NULL || pca->left == NULL || pca->residual == NULL) {
		close_pca(pca);
		return NULL;
	}
	return pca;
}

static struct pca *make_pca(const double *values, const double *vectors, size_t features)
{
	struct pca *pca = open_pca(features, count_components(values, features));

	if (pca == NULL)
		return NULL;
	for (size_t i = 0; i < pca->components * features; i++)
		pca->vectors[i] = (float)vectors[i];
	for (size_t i = 0; i < features; i++) {
		pca->left[i] = 1;
		for (size_t k = 0; k < pca->components; k++)
			pca->left[i] -= vectors[k * features + i] * vectors[k * features + i];
		pca->left[i] = fmax(pca->left[i], LEFT_LEAST);
	}
	return pca;
}

static void *fit_pca(const struct detector_config *config, const double *rows, size_t count,
	size_t features, struct error *error)
{
	double *matrix = mem_zalloc(features * features, sizeof(*matrix));
	double *vectors = mem_zalloc(features * features, sizeof(*vectors));
	double *values = mem_zalloc(features, sizeof(*values));
	struct pca *pca = NULL;

	(void)config;
	if (matrix == NULL || vectors == NULL || values == NULL) {
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for %zu components", features);
		goto out;
	}
	correlate(matrix, rows, count, features);
	if (eigen_symmetric(matrix, features, values, vectors, error) != STATUS_OK)
		goto out;
	pca = make_pca(values, vectors, features);
	if (pca == NULL)
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for %zu components", features);
out:
	mem_free(matrix);
	mem_free(vectors);
	mem_free(values);
	return pca;
}

static double score_pca(const void *model, const double *row, double *parts)
{
	const struct pca *pca = model;
	double sum = 0;

	memcpy(pca->residual, row, pca->features * sizeof(*row));
	for (size_t k = 0; k < pca->components; k++) {
		const float *vector = pca->vectors + k * pca->features;
		double product = 0;

		for (size_t i = 0; i < pca->features; i++)
			product += (double)vector[i] * row[i];
		for (size_t i = 0; i < pca->features; i++)
			pca->residual[i] -= product * (double)vector[i];
	}
	for (size_t i = 0; i < pca->features; i++) {
		double square = pca->residual[i] * pca->residual[i];

		sum += square;
		if (parts != NULL)
			parts[i] += square / pca->left[i];
	}
	return sum / (double)pca->features;
}

static void pack_pca(void **model, const struct detector_config *config, size_t features,
	struct pack *pack)
{
	struct pca *pca = *model;
	size_t components = pca != NULL ? pca->components : 0;

	(void)config;
	pack_index(pack, &components, features);
	if (pack_reads(pack))
		*model = pca = open_pca(features, components);
	if (pca == NULL) {
		pack_fail(pack);
		return;
	}
	pack_bytes(pack, pca->vectors, components * features * sizeof(*pca->vectors));
	pack_bytes(pack, pca->left, features * sizeof(*pca->left));
}

static size_t size_pca(const void *model)
{
	const struct pca *pca = model;

	return sizeof(*pca) +
		pca->features * (pca->components * sizeof(float) + 2 * sizeof(double));
}

const struct model_class model_pca = {fit_pca, score_pca, pack_pca, size_pca, close_pca};
