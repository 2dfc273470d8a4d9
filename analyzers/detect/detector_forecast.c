/*
 * Distance from a forecast: each column's next value is forecast by a ridge regression on its own past,
 * learnt once from training and then left as it is, so that what goes wrong slowly is not learnt.
 *
 *   z            the value, standardised on training (detect/standard.h)
 *   level k      z, faded by rate k
 *   x            [1, z, level k - z for each k]
 *   target       the next row's z - z
 *   theta        (sum x x' + ridge)^-1 sum x target
 *
 * Ridge pulls towards the last value. Levels of several rates are the past that lags would be (each is
 * a sum of all of them), in a tenth of their memory. A missing value changes no level; nothing is learnt
 * of it, and nothing is expected of the row after it.
 */
#include <math.h>
#include <string.h>

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/residual.h"
#include "analyzers/detect/standard.h"
#include "analyzers/pack.h"
#include "analyzers/regression.h"
#include "base/mem.h"

/* Of the Gram matrix' mean diagonal. */
#define RIDGE 1e-3

#define RATES 7
#define FEATURES (RATES + 2)

static const double rates[RATES] = {.6, .35, .2, .1, .05, .025, .012};

struct forecast {
	size_t columns;
	struct standard standard;
	double (*levels)[RATES];   /* [columns], NaN: no value yet */
	double (*theta)[FEATURES]; /* [columns] */
	double *said;              /* [columns] of the next row; NaN: nothing */
	double *row;               /* [columns] standardised */
};

/* What is learnt of one column. */
struct lesson {
	double gram[REGRESSION_SIZE(FEATURES)], moments[FEATURES];
	double past[FEATURES]; /* of the row before; the first NaN: there was no value */
};

static void forecast_close(void *expectation)
{
	struct forecast *self = expectation;

	if (self == NULL)
		return;
	standard_fini(&self->standard);
	mem_free(self->levels);
	mem_free(self->theta);
	mem_free(self->said);
	mem_free(self->row);
	mem_free(self);
}

static void *forecast_open(const struct detector_config *config, size_t columns,
	struct error *error)
{
	struct forecast *self = mem_zalloc(1, sizeof(*self));

	(void)config;
	if (self == NULL)
		goto no_memory;
	self->columns = columns;
	self->levels = mem_zalloc(columns, sizeof(*self->levels));
	self->theta = mem_zalloc(columns, sizeof(*self->theta));
	self->said = mem_zalloc(columns, sizeof(*self->said));
	self->row = mem_zalloc(columns, sizeof(*self->row));
	if (self->levels == NULL || self->theta == NULL || self->said == NULL || self->row == NULL)
		goto no_memory;
	for (size_t i = 0; i < columns; i++) {
		self->said[i] = NAN;
		for (size_t k = 0; k < RATES; k++)
			self->levels[i][k] = NAN;
	}
	return self;

no_memory:
	forecast_close(self);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for forecasts of %zu columns", columns);
	return NULL;
}

static void levels_take(double levels[RATES], double z)
{
	for (size_t k = 0; k < RATES; k++)
		levels[k] = isnan(levels[k]) ? z : levels[k] + rates[k] * (z - levels[k]);
}

static void features_take(const double levels[RATES], double z, double x[FEATURES])
{
	x[0] = 1;
	x[1] = z;
	for (size_t k = 0; k < RATES; k++)
		x[2 + k] = levels[k] - z;
}

/* z: NaN when it is missing. */
static void lesson_add(struct lesson *lesson, const double levels[RATES], double z)
{
	double *x = lesson->past;

	if (!isnan(z) && !isnan(x[0]))
		for (size_t i = 0; i < FEATURES; i++) {
			lesson->moments[i] += x[i] * (z - x[1]);
			for (size_t j = 0; j <= i; j++)
				lesson->gram[REGRESSION_SIZE(i) + j] += x[i] * x[j];
		}
	features_take(levels, z, x);
	if (isnan(z))
		x[0] = NAN;
}

static void lesson_end(struct lesson *lesson, double theta[FEATURES])
{
	double trace = 0, ridge;

	for (size_t i = 0; i < FEATURES; i++)
		trace += lesson->gram[REGRESSION_SIZE(i) + i];
	ridge = RIDGE * trace / FEATURES;
	memset(theta, 0, FEATURES * sizeof(*theta));
	if (!(ridge > 0))
		return;
	for (size_t i = 0; i < FEATURES; i++)
		lesson->gram[REGRESSION_SIZE(i) + i] += ridge;
	regression_factor(lesson->gram, FEATURES, ridge);
	regression_solve(lesson->gram, FEATURES, lesson->moments, theta);
}

/* row: cleaned. The row standardised, NaN where it is missing or was so in all of training. */
static void standardise(struct forecast *self, const double *row)
{
	standard_apply(&self->standard, row, self->row);
	for (size_t i = 0; i < self->columns; i++)
		if (isnan(row[i]) || isnan(self->standard.mean[i]))
			self->row[i] = NAN;
}

/* The state takes the standardised row in. */
static void row_take(struct forecast *self)
{
	for (size_t i = 0; i < self->columns; i++) {
		double x[FEATURES], z = self->row[i];

		self->said[i] = NAN;
		if (isnan(z))
			continue;
		levels_take(self->levels[i], z);
		features_take(self->levels[i], z, x);
		self->said[i] = z + regression_dot(x, self->theta[i], FEATURES);
	}
}

static void learn(struct forecast *self, const double *rows, size_t count, struct lesson *lessons)
{
	for (size_t at = 0; at < count; at++) {
		standardise(self, rows + at * self->columns);
		row_take(self);
		for (size_t i = 0; i < self->columns; i++)
			lesson_add(&lessons[i], self->levels[i], self->row[i]);
	}
	for (size_t i = 0; i < self->columns; i++) {
		lesson_end(&lessons[i], self->theta[i]);
		/* It was said without theta. */
		self->said[i] = NAN;
	}
}

static enum status forecast_fit(void *expectation, const struct detector_rows *train,
	struct error *error)
{
	struct forecast *self = expectation;
	size_t cells = train->count * train->columns;
	struct lesson *lessons = mem_zalloc(train->columns, sizeof(*lessons));
	double *rows = mem_alloc(cells * sizeof(*rows));
	enum status status = STATUS_OK;

	if (lessons == NULL || rows == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows", train->count);
		goto done;
	}
	for (size_t i = 0; i < train->columns; i++)
		lessons[i].past[0] = NAN;
	for (size_t i = 0; i < cells; i++)
		rows[i] = detector_value(train->values[i]);
	status = standard_fit(&self->standard, rows, train->count, train->columns, error);
	if (status == STATUS_OK)
		learn(self, rows, train->count, lessons);
done:
	mem_free(lessons);
	mem_free(rows);
	return status;
}

static void forecast_look(void *expectation, const double *row, double *residuals)
{
	struct forecast *self = expectation;

	standardise(self, row);
	for (size_t i = 0; i < self->columns; i++)
		residuals[i] = self->row[i] - self->said[i];
	row_take(self);
}

static void forecast_pack(void *expectation, struct pack *pack)
{
	struct forecast *self = expectation;
	size_t columns = self->columns;

	pack_same(pack, FEATURES);
	pack_bytes(pack, self->levels, columns * sizeof(*self->levels));
	pack_bytes(pack, self->theta, columns * sizeof(*self->theta));
	pack_bytes(pack, self->said, columns * sizeof(*self->said));
	standard_pack(&self->standard, columns, pack);
}

static size_t forecast_size(const void *expectation)
{
	const struct forecast *self = expectation;

	return sizeof(*self) +
		self->columns * (sizeof(*self->levels) + sizeof(*self->theta) + 4 * sizeof(double));
}

static const struct expectation_class forecasts = {forecast_open, forecast_fit, forecast_look,
	forecast_pack, forecast_size, forecast_close};

RESIDUAL_DETECTOR(forecast_residual, "forecast_residual",
	"distance from what a regression on the past forecasts", forecasts);
