/*
 * Distance from yesterday: of each column the difference between the value and the one a day's rows
 * earlier, in deviations of that difference over training, and the mean of their magnitudes.
 *
 * A day of rows is kept as integers of 16 bits (detect/quantize.h) around the column's median in training,
 * in units of an eighth of its median deviation: yesterday is told to a 1,024th of such a unit near the
 * median, to a 1,024th of the distance far from it. Until a day has been seen, or with no
 * day configured, or where training is shorter than a day and a quarter, nothing is judged.
 */
#include "analyzers/detect/detector_parts.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/quantize.h"
#include "analyzers/detect/standard.h"
#include "analyzers/pack.h"
#include "analyzers/robust.h"
#include "base/mem.h"

#define UNITS_PER_DEVIATION 8.0
#define MISSING INT16_MIN

struct seasonal {
	struct detector detector;
	size_t day;               /* rows; 0: the season is unknown */
	size_t known;             /* columns that training could compare */
	size_t next, seen;        /* slot to write; rows in the ring */
	double *center, *inverse; /* [columns] of training; inverse 0: it never varied */
	int16_t *ring;            /* [day][columns] */
	double *row;              /* [columns] residuals of the last row */
	bool judged;              /* it had a score */
	struct standard standard; /* of the residuals */
};

static struct seasonal *seasonal_of(struct detector *detector)
{
	return (struct seasonal *)(void *)detector;
}

static void seasonal_close(struct detector *detector)
{
	struct seasonal *self;

	if (detector == NULL)
		return;
	self = seasonal_of(detector);
	standard_fini(&self->standard);
	mem_free(self->center);
	mem_free(self->inverse);
	mem_free(self->ring);
	mem_free(self->row);
	mem_free(self);
}

static struct detector *seasonal_open(const struct detector_config *config, size_t columns,
	struct error *error)
{
	struct seasonal *self = mem_zalloc(1, sizeof(*self));

	if (self == NULL)
		goto no_memory;
	if (detector_init(&self->detector, config, columns, error) != STATUS_OK) {
		mem_free(self);
		return NULL;
	}
	self->day = config->rows_per_day;
	self->center = mem_zalloc(columns, sizeof(*self->center));
	self->inverse = mem_zalloc(columns, sizeof(*self->inverse));
	self->row = mem_zalloc(columns, sizeof(*self->row));
	self->ring = mem_zalloc(self->day * columns, sizeof(*self->ring));
	if (self->center == NULL || self->inverse == NULL || self->row == NULL ||
		self->ring == NULL)
		goto no_memory;
	return &self->detector;

no_memory:
	if (self != NULL)
		seasonal_close(&self->detector);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for a day of %zu columns", columns);
	return NULL;
}

/* A column that never varied is told from its one value alone. */
static int16_t cell_of(const struct seasonal *self, size_t column, double value)
{
	if (isnan(value) || (self->inverse[column] <= 0 && value != self->center[column]))
		return MISSING;
	return quantize(quantize_place(value, self->center[column], self->inverse[column]));
}

static double value_of(const struct seasonal *self, size_t column, int16_t cell)
{
	if (cell == MISSING)
		return NAN;
	if (cell == 0)
		return self->center[column];
	return self->center[column] + (double)quantize_back(cell) / self->inverse[column];
}

/* values: [count], those of one column, of which those that are there are put first. */
static void find_unit(struct seasonal *self, size_t column, double *values, size_t count)
{
	size_t present = 0, differing = 0;
	double deviation;

	for (size_t i = 0; i < count; i++)
		if (!isnan(values[i]))
			values[present++] = values[i];
	self->center[column] = present > 0 ? robust_median(values, present) : 0;
	for (size_t i = 0; i < present; i++) {
		double distance = fabs(values[i] - self->center[column]);

		if (distance > 0)
			values[differing++] = distance;
	}
	deviation = differing > 0 ? robust_median(values, differing) : 0;
	self->inverse[column] = deviation > 1e-200 ? UNITS_PER_DEVIATION / deviation : 0;
}

/* scratch: [train->count]. */
static void find_units(struct seasonal *self, const struct detector_rows *train, double *scratch)
{
	for (size_t column = 0; column < train->columns; column++) {
		for (size_t i = 0; i < train->count; i++)
			scratch[i] = detector_value(train->values[i * train->columns + column]);
		find_unit(self, column, scratch, train->count);
	}
}

/* Residuals of the next row, which takes the place of yesterday's; how many there are. */
static size_t look(struct seasonal *self, const double *row, double *residuals)
{
	size_t columns = self->detector.columns, present = 0;
	int16_t *slot = self->ring + self->next * columns;
	bool full = self->seen == self->day;

	for (size_t i = 0; i < columns; i++) {
		double value = detector_value(row[i]);

		residuals[i] = full ? value - value_of(self, i, slot[i]) : NAN;
		slot[i] = cell_of(self, i, value);
		present += isnan(residuals[i]) ? 0 : 1;
	}
	self->next = (self->next + 1) % self->day;
	self->seen += !full;
	return present;
}

static enum status seasonal_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct seasonal *self = seasonal_of(detector);
	size_t columns = detector->columns, known;
	struct standard standard;
	double *residuals;
	enum status status = detector_check_rows(detector, train, error);

	if (status != STATUS_OK)
		return status;
	if (self->day == 0 || train->count < self->day + self->day / 4)
		return error_set(error, STATUS_BAD_INPUT,
			"%zu rows: distances from yesterday need a day and a quarter, of %zu rows a day",
			train->count, self->day);
	residuals = mem_zalloc(train->count * columns, sizeof(*residuals));
	if (residuals == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu residuals",
			train->count);
	self->next = self->seen = 0;
	/* The residuals' room serves twice. */
	find_units(self, train, residuals);
	for (size_t i = 0; i < train->count; i++)
		(void)look(self, train->values + i * columns, residuals + i * columns);
	status = standard_fit(&standard, residuals + self->day * columns, train->count - self->day,
		columns, error);
	mem_free(residuals);
	if (status != STATUS_OK)
		return status;
	known = 0;
	for (size_t i = 0; i < columns; i++)
		known += isnan(standard.mean[i]) ? 0 : 1;
	if (known == 0) {
		standard_fini(&standard);
		return error_set(error, STATUS_BAD_INPUT,
			"no value of the %zu rows has one a day before it", train->count);
	}
	standard_fini(&self->standard);
	self->known = known;
	self->standard = standard;
	detector->fitted = true;
	return STATUS_OK;
}

static double score_row(struct seasonal *self, const double *row)
{
	size_t columns = self->detector.columns, present;
	double sum = 0;

	self->judged = false;
	if (!self->detector.fitted)
		return NAN;
	present = look(self, row, self->row);
	if (present == 0 || 2 * present < self->known)
		return NAN;
	self->judged = true;
	standard_apply(&self->standard, self->row, self->row);
	for (size_t i = 0; i < columns; i++)
		sum += fabs(self->row[i]);
	return sum / (double)columns;
}

static void seasonal_explain(struct detector *detector, double *contributions)
{
	const struct seasonal *self = seasonal_of(detector);

	for (size_t i = 0; i < detector->columns; i++)
		contributions[i] = self->judged ? fabs(self->row[i]) : 0;
	detector_shares(contributions, detector->columns);
}

static double seasonal_step(struct detector *detector, const double *row, double *contributions)
{
	double score = score_row(seasonal_of(detector), row);

	if (contributions != NULL)
		seasonal_explain(detector, contributions);
	return score;
}

static void seasonal_pack(struct detector *detector, struct pack *pack)
{
	struct seasonal *self = seasonal_of(detector);
	size_t columns = detector->columns;

	detector_pack(detector, pack);
	pack_same(pack, self->day);
	pack_index(pack, &self->known, columns);
	pack_index(pack, &self->next, self->day > 0 ? self->day - 1 : 0);
	pack_index(pack, &self->seen, self->day);
	pack_bytes(pack, self->center, columns * sizeof(*self->center));
	pack_bytes(pack, self->inverse, columns * sizeof(*self->inverse));
	pack_bytes(pack, self->ring, self->day * columns * sizeof(*self->ring));
	if (detector->fitted)
		standard_pack(&self->standard, columns, pack);
	if (pack_reads(pack))
		self->judged = false;
}

static size_t seasonal_size(const struct detector *detector)
{
	const struct seasonal *self = (const struct seasonal *)(const void *)detector;

	return sizeof(*self) +
		detector->columns * (5 * sizeof(double) + self->day * sizeof(*self->ring));
}

const struct detector_class detector_seasonal = {.name = "seasonal",
	.summary = "distance from the same time yesterday",
	.open = seasonal_open,
	.fit = seasonal_fit,
	.step = seasonal_step,
	.explain = seasonal_explain,
	.pack = seasonal_pack,
	.size = seasonal_size,
	.close = seasonal_close};
