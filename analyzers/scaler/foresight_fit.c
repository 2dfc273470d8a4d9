/*
 * Fitting: the history runs through the traffic once for each horizon, each row beside the maximum that
 * followed it; then the ridge by its normal equations (Cholesky), and the net.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/scaler/foresight_parts.h"
#include "base/mem.h"

#define FEATURES TRAFFIC_FEATURES
#define SIZE (FEATURES + 1)
/* Of the rows: each standardised feature has that much of a prior at 0. */
#define RIDGE .003

struct fitting {
	struct traffic traffic;
	const float *rates;
	size_t count, stride;
	int64_t first;
	float *rows, *targets, *unrest; /* [row_max][FEATURES], [row_max], [row_max] */
	size_t row_count, row_max;
	double (*gram)[SIZE]; /* [SIZE] */
	float *sorted;
};

static void fitting_fini(struct fitting *fitting)
{
	traffic_fini(&fitting->traffic);
	mem_free(fitting->rows);
	mem_free(fitting->targets);
	mem_free(fitting->unrest);
	mem_free(fitting->gram);
	mem_free(fitting->sorted);
}

static enum status fitting_init(struct fitting *fitting, const float *rates, size_t count,
	int64_t first, struct error *error)
{
	size_t stride = (count + FORESIGHT_ROWS_MAX - 1) / FORESIGHT_ROWS_MAX;
	size_t rows = stride > 0 ? count / stride + 1 : 1;

	*fitting = (struct fitting){.rates = rates,
		.count = count,
		.stride = stride,
		.first = first,
		.row_max = rows};
	if (traffic_init(&fitting->traffic, error) != STATUS_OK)
		return STATUS_NO_MEMORY;
	fitting->rows = mem_alloc(rows * FEATURES * sizeof(float));
	fitting->targets = mem_alloc(rows * sizeof(float));
	fitting->unrest = mem_alloc(rows * sizeof(float));
	fitting->sorted = mem_alloc(rows * sizeof(float));
	fitting->gram = mem_alloc(SIZE * sizeof(*fitting->gram));
	if (fitting->rows == NULL || fitting->targets == NULL || fitting->unrest == NULL ||
		fitting->sorted == NULL || fitting->gram == NULL) {
		fitting_fini(fitting);
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows of traffic",
			rows);
	}
	return STATUS_OK;
}

/* The maximum of the horizon behind slot i; NaN when a slot of it is missing. */
static double maximum_after(const struct fitting *fitting, size_t i, size_t horizon)
{
	double high = 0;

	if (i + horizon >= fitting->count)
		return NAN;
	for (size_t k = 1; k <= horizon; k++) {
		if (!(fitting->rates[i + k] >= 0))
			return NAN;
		high = fmax(high, (double)fitting->rates[i + k]);
	}
	return high;
}

/* All rows with an outcome. The memory is left as of the last slot. */
static void collect(struct fitting *fitting, size_t horizon, struct traffic_memory *memory)
{
	float(*rows)[FEATURES] = (float(*)[FEATURES])fitting->rows;

	fitting->row_count = 0;
	traffic_reset(&fitting->traffic);
	traffic_memory_init(memory);
	for (size_t i = 0; i < fitting->count; i++) {
		struct traffic *traffic = &fitting->traffic;
		double high, level;
		size_t at;

		if (!traffic_add(traffic, fitting->first + (int64_t)i, (double)fitting->rates[i]))
			continue;
		at = traffic->count - 1;
		traffic_memory_step(memory, traffic, at);
		level = traffic_level(traffic, at);
		if (i % fitting->stride != 0 || isnan(level))
			continue;
		high = maximum_after(fitting, i, horizon);
		if (isnan(high))
			continue;
		traffic_features(traffic, memory, at, &horizon, 1, rows + fitting->row_count);
		fitting->targets[fitting->row_count] = (float)traffic_ratio(memory, level, high);
		fitting->unrest[fitting->row_count++] = (float)traffic_unrest(traffic, at);
	}
}

static void standardise(const struct fitting *fitting, struct foresight_ridge *ridge)
{
	for (size_t f = 0; f < FEATURES; f++) {
		double sum = 0, square = 0, n = (double)fitting->row_count;

		for (size_t r = 0; r < fitting->row_count; r++)
			sum += (double)fitting->rows[r * FEATURES + f];
		ridge->mean[f] = sum / n;
		for (size_t r = 0; r < fitting->row_count; r++) {
			double apart = (double)fitting->rows[r * FEATURES + f] - ridge->mean[f];

			square += apart * apart;
		}
		ridge->inverse[f] = square > 1e-12 * n ? 1 / sqrt(square / n) : 0;
	}
}

/* Lower triangle of x'x + ridge, and x'y; x: standardised features and 1. */
static void add_rows(struct fitting *fitting, const struct foresight_ridge *ridge, double *moment)
{
	double x[SIZE];

	memset(fitting->gram, 0, SIZE * sizeof(*fitting->gram));
	memset(moment, 0, SIZE * sizeof(*moment));
	for (size_t r = 0; r < fitting->row_count; r++) {
		const float *row = fitting->rows + r * FEATURES;

		for (size_t f = 0; f < FEATURES; f++)
			x[f] = ((double)row[f] - ridge->mean[f]) * ridge->inverse[f];
		x[FEATURES] = 1;
		for (size_t i = 0; i < SIZE; i++) {
			double xi = x[i];

			for (size_t k = 0; k <= i; k++)
				fitting->gram[i][k] += xi * x[k];
			moment[i] += xi * (double)fitting->targets[r];
		}
	}
	for (size_t i = 0; i < SIZE; i++)
		fitting->gram[i][i] += RIDGE * (double)fitting->row_count;
}

/* Cholesky in place, then both substitutions; the prior keeps every pivot above 0. */
static void solve(double (*gram)[SIZE], const double *moment, double *weights)
{
	for (size_t i = 0; i < SIZE; i++) {
		for (size_t k = 0; k <= i; k++) {
			double sum = gram[i][k];

			for (size_t j = 0; j < k; j++)
				sum -= gram[i][j] * gram[k][j];
			gram[i][k] = i == k ? sqrt(fmax(sum, 1e-12)) : sum / gram[k][k];
		}
	}
	for (size_t i = 0; i < SIZE; i++) {
		double sum = moment[i];

		for (size_t k = 0; k < i; k++)
			sum -= gram[i][k] * weights[k];
		weights[i] = sum / gram[i][i];
	}
	for (size_t i = SIZE; i-- > 0;) {
		double sum = weights[i];

		for (size_t k = i + 1; k < SIZE; k++)
			sum -= gram[k][i] * weights[k];
		weights[i] = sum / gram[i][i];
	}
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Contexts of as many rows each. */
static void bound_contexts(struct fitting *fitting, struct foresight_model *model)
{
	memcpy(fitting->sorted, fitting->unrest, fitting->row_count * sizeof(float));
	qsort(fitting->sorted, fitting->row_count, sizeof(float), ascending);
	for (size_t c = 1; c < FORESIGHT_CONTEXTS; c++)
		model->unrest[c - 1] =
			(double)fitting->sorted[fitting->row_count * c / FORESIGHT_CONTEXTS];
}

static enum status fit_horizon(struct fitting *fitting, struct foresight_model *model, size_t h,
	uint64_t seed, struct error *error)
{
	struct foresight_ridge *ridge = &model->ridges[h];
	struct quantile_net_training training;
	double moment[SIZE], loss;

	standardise(fitting, ridge);
	add_rows(fitting, ridge, moment);
	solve(fitting->gram, moment, ridge->weights);
	quantile_net_training_default(&training);
	training.seed = seed;
	return quantile_net_train(&model->nets[h], fitting->rows, fitting->targets,
		fitting->row_count, &training, &loss, error);
}

static void keep_residuals(const struct fitting *fitting, const struct foresight_model *model,
	size_t h, struct foresight_state *state)
{
	for (size_t r = 0; r < fitting->row_count; r++) {
		double mean = foresight_ridge_mean(&model->ridges[h], fitting->rows + r * FEATURES);
		int context = foresight_context(model, (double)fitting->unrest[r]);

		foresight_residual_add(state, h, context, (double)fitting->targets[r] - mean);
	}
}

enum status foresight_fit(struct foresight_model *model, struct foresight_state *state,
	const float *rates, size_t count, int64_t first, uint64_t seed, struct error *error)
{
	struct foresight_model fresh;
	struct traffic_memory memory;
	struct fitting fitting;
	enum status status = foresight_model_init(&fresh, error);

	if (status != STATUS_OK)
		return status;
	status = fitting_init(&fitting, rates, count, first, error);
	if (status != STATUS_OK)
		goto failed;
	for (size_t h = 0; status == STATUS_OK && h < FORESIGHT_HORIZONS; h++) {
		collect(&fitting, foresight_horizons[h], &memory);
		if (fitting.row_count < FORESIGHT_ROWS_MIN)
			status = error_set(error, STATUS_BAD_INPUT,
				"%zu slots with an outcome: %d are the least to learn from",
				fitting.row_count, FORESIGHT_ROWS_MIN);
		if (status != STATUS_OK)
			break;
		if (h == 0) {
			bound_contexts(&fitting, &fresh);
			memset(state->residuals, 0, sizeof(state->residuals));
			state->weight = 1;
		}
		status = fit_horizon(&fitting, &fresh, h, seed, error);
		if (status == STATUS_OK)
			keep_residuals(&fitting, &fresh, h, state);
	}
	fitting_fini(&fitting);
	if (status != STATUS_OK)
		goto failed;
	fresh.fitted = true;
	foresight_model_fini(model);
	*model = fresh;
	return STATUS_OK;
failed:
	foresight_model_fini(&fresh);
	return status;
}
