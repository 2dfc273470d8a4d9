/*
 * row -> cleaned -> minus what was expected -> standardised -> magnitudes, of each column's a mean that
 * fades over SMOOTH_ROWS -> their mean.
 *
 * A fit builds a new expectation and its scale and puts them in the old ones' place at the end, so that
 * a failed fit changes nothing. A value that is missing is as usual as can be.
 */
#include "analyzers/detect/residual.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/standard.h"
#include "analyzers/pack.h"
#include "base/mem.h"

/* A row alone says little: what lasts is told from what jumps by a dozen of them. */
#define SMOOTH_ROWS 12

struct residual {
	struct detector detector;
	const struct expectation_class *class;
	void *expectation; /* NULL: not fitted */
	size_t known;      /* columns of which training could tell how far off it is */
	struct standard standard;
	double *row;   /* [columns] cleaned, then residuals */
	double *means; /* [columns] faded magnitudes */
	bool judged;   /* the last row had a score */
};

static struct residual *residual_of(struct detector *detector)
{
	return (struct residual *)(void *)detector;
}

void residual_close(struct detector *detector)
{
	struct residual *self;

	if (detector == NULL)
		return;
	self = residual_of(detector);
	self->class->close(self->expectation);
	standard_fini(&self->standard);
	mem_free(self->row);
	mem_free(self->means);
	mem_free(self);
}

struct detector *residual_open(const struct expectation_class *class,
	const struct detector_config *config, size_t columns, struct error *error)
{
	struct residual *self = mem_zalloc(1, sizeof(*self));

	if (self == NULL)
		goto no_memory;
	self->class = class;
	if (detector_init(&self->detector, config, columns, error) != STATUS_OK) {
		mem_free(self);
		return NULL;
	}
	self->row = mem_zalloc(columns, sizeof(*self->row));
	self->means = mem_zalloc(columns, sizeof(*self->means));
	if (self->row == NULL || self->means == NULL)
		goto no_memory;
	return &self->detector;

no_memory:
	if (self != NULL)
		residual_close(&self->detector);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for residuals of %zu columns", columns);
	return NULL;
}

/* residuals: [columns]; row: [columns] for the cleaned row. */
static void look(const struct residual *self, void *expectation, const double *values, double *row,
	double *residuals)
{
	for (size_t i = 0; i < self->detector.columns; i++)
		row[i] = detector_value(values[i]);
	self->class->look(expectation, row, residuals);
}

/* The scale of the residuals of rows [from, count), which `expectation` has not seen; *known: columns
 * that have one. row: [columns]. */
static enum status find_scale(const struct residual *self, void *expectation,
	const struct detector_rows *train, size_t from, double *row, struct standard *standard,
	size_t *known, struct error *error)
{
	size_t columns = train->columns, count = train->count - from;
	double *residuals = mem_zalloc(count * columns, sizeof(*residuals));
	enum status status;

	*known = 0;
	if (residuals == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu residuals", count);
	for (size_t i = 0; i < count; i++)
		look(self, expectation, train->values + (from + i) * columns, row,
			residuals + i * columns);
	status = standard_fit(standard, residuals, count, columns, error);
	mem_free(residuals);
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < columns; i++)
		*known += isnan(standard->mean[i]) ? 0 : 1;
	if (*known > 0)
		return STATUS_OK;
	standard_fini(standard);
	return error_set(error, STATUS_BAD_INPUT,
		"of the last %zu rows no value was expected to be anything", count);
}

enum status residual_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct residual *self = residual_of(detector);
	size_t split = train->count - train->count / 4, known = 0;
	struct standard standard = {0};
	struct error why;
	void *expectation;
	enum status status = detector_check_rows(detector, train, error);

	if (status != STATUS_OK)
		return status;
	expectation = self->class->open(&detector->config, train->columns, &why);
	if (expectation == NULL)
		return error_set(error, why.code, "%s", why.text);
	status = self->class->fit(expectation,
		&(struct detector_rows){train->values, split, train->columns}, error);
	if (status == STATUS_OK)
		status = find_scale(self, expectation, train, split, self->row, &standard, &known,
			error);
	if (status != STATUS_OK) {
		self->class->close(expectation);
		return status;
	}
	self->class->close(self->expectation);
	standard_fini(&self->standard);
	self->expectation = expectation;
	self->standard = standard;
	self->known = known;
	self->judged = false;
	memset(self->means, 0, train->columns * sizeof(*self->means));
	detector->fitted = true;
	return STATUS_OK;
}

void residual_explain(struct detector *detector, double *contributions)
{
	const struct residual *self = residual_of(detector);

	for (size_t i = 0; i < detector->columns; i++)
		contributions[i] = self->judged ? self->means[i] : 0;
	detector_shares(contributions, detector->columns);
}

static double score_row(struct residual *self, const double *values)
{
	size_t columns = self->detector.columns, present = 0;
	double sum = 0;

	self->judged = false;
	if (!self->detector.fitted)
		return NAN;
	look(self, self->expectation, values, self->row, self->row);
	for (size_t i = 0; i < columns; i++)
		present += isnan(self->row[i]) ? 0 : 1;
	if (present == 0 || 2 * present < self->known)
		return NAN;
	self->judged = true;
	standard_apply(&self->standard, self->row, self->row);
	for (size_t i = 0; i < columns; i++) {
		self->means[i] += (fabs(self->row[i]) - self->means[i]) / SMOOTH_ROWS;
		sum += self->means[i];
	}
	return sum / (double)columns;
}

double residual_step(struct detector *detector, const double *row, double *contributions)
{
	double score = score_row(residual_of(detector), row);

	if (contributions != NULL)
		residual_explain(detector, contributions);
	return score;
}

void residual_pack(struct detector *detector, struct pack *pack)
{
	struct residual *self = residual_of(detector);
	size_t columns = detector->columns;
	struct error error;

	detector_pack(detector, pack);
	pack_index(pack, &self->known, columns);
	pack_bytes(pack, self->means, columns * sizeof(*self->means));
	if (pack_reads(pack))
		self->judged = false;
	if (!detector->fitted || pack->failed)
		return;
	if (pack_reads(pack) && self->expectation == NULL)
		self->expectation = self->class->open(&detector->config, columns, &error);
	if (self->expectation == NULL) {
		pack_fail(pack);
		return;
	}
	self->class->pack(self->expectation, pack);
	standard_pack(&self->standard, columns, pack);
}

size_t residual_size(const struct detector *detector)
{
	const struct residual *self = (const struct residual *)(const void *)detector;

	return sizeof(*self) + detector->columns * 4 * sizeof(double) +
		(self->expectation != NULL ? self->class->size(self->expectation) : 0);
}
