/*
 * EWMA bands: of each column the distance from its exponentially weighted mean, in exponentially
 * weighted deviations (Roberts, Technometrics 1, 1959), and the mean of their magnitudes. It needs no
 * training: it judges from SEEN_MIN values of a column on, and what it is fitted on is stepped through.
 *
 * A value beyond LIMIT deviations moves mean and deviation as if it stood at LIMIT, so that what is
 * unusual widens its own band slowly. Weights are those of a plain mean until the fading one's is smaller,
 * so that the first values are no more than others. A missing value moves nothing.
 */
#include <math.h>
#include <string.h>

#include "analyzers/detect/detector_parts.h"
#include "analyzers/detect/standard.h"
#include "analyzers/pack.h"
#include "base/mem.h"

#define SEEN_MIN 15
/* A value weighs one part in as many at least: bands follow within an hour of minutes. */
#define MEMORY 60
#define LIMIT 3.0
/* A deviation under this part of the mean is rounding, not variation. */
#define CONSTANT 1e-9

struct band {
	double mean, variance;
	size_t seen; /* values, up to MEMORY */
};

struct ewma {
	struct detector detector;
	struct band *bands; /* [columns] */
	double *row;        /* [columns] magnitudes of the last row */
	bool judged;        /* it had a score */
};

static struct ewma *ewma_of(struct detector *detector)
{
	return (struct ewma *)(void *)detector;
}

static void ewma_close(struct detector *detector)
{
	struct ewma *self;

	if (detector == NULL)
		return;
	self = ewma_of(detector);
	mem_free(self->bands);
	mem_free(self->row);
	mem_free(self);
}

static struct detector *ewma_open(const struct detector_config *config, size_t columns,
	struct error *error)
{
	struct ewma *self = mem_zalloc(1, sizeof(*self));

	if (self == NULL)
		goto no_memory;
	if (detector_init(&self->detector, config, columns, error) != STATUS_OK) {
		mem_free(self);
		return NULL;
	}
	self->bands = mem_zalloc(columns, sizeof(*self->bands));
	self->row = mem_zalloc(columns, sizeof(*self->row));
	if (self->bands != NULL && self->row != NULL)
		return &self->detector;

no_memory:
	if (self != NULL)
		ewma_close(&self->detector);
	(void)error_set(error, STATUS_NO_MEMORY, "no memory for %zu bands", columns);
	return NULL;
}

/* Deviations from the mean, signed; what never varied is STANDARD_NOVELTY from it when it does. */
static double band_distance(const struct band *band, double value)
{
	double distance = value - band->mean, deviation = sqrt(band->variance);

	if (deviation > CONSTANT * fabs(band->mean) && deviation > 1e-100)
		return fmax(-STANDARD_MAX, fmin(distance / deviation, STANDARD_MAX));
	if (fabs(distance) <= CONSTANT * fabs(band->mean))
		return 0;
	return distance > 0 ? STANDARD_NOVELTY : -STANDARD_NOVELTY;
}

static void band_take(struct band *band, double value)
{
	double step = value - band->mean, deviation = sqrt(band->variance), weight;

	/* A band without width would never have any. */
	if (band->seen >= SEEN_MIN && deviation > 0 && fabs(step) > LIMIT * deviation)
		step = copysign(LIMIT * deviation, step);
	band->seen += band->seen < MEMORY ? 1 : 0;
	weight = 1.0 / (double)band->seen;
	band->mean += weight * step;
	band->variance = (1 - weight) * (band->variance + weight * step * step);
}

static double score_row(struct ewma *self, const double *row)
{
	size_t columns = self->detector.columns, present = 0, known = 0;
	double sum = 0;

	for (size_t i = 0; i < columns; i++) {
		struct band *band = &self->bands[i];
		double value = detector_value(row[i]);
		bool judges = band->seen >= SEEN_MIN;

		known += judges ? 1 : 0;
		self->row[i] = 0;
		if (isnan(value))
			continue;
		if (judges) {
			self->row[i] = fabs(band_distance(band, value));
			present++;
		}
		band_take(band, value);
		sum += self->row[i];
	}
	self->judged = present > 0 && 2 * present >= known;
	return self->judged ? sum / (double)columns : NAN;
}

static enum status ewma_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct ewma *self = ewma_of(detector);
	enum status status = detector_check_rows(detector, train, error);
	size_t there = 0;

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < train->count * train->columns; i++)
		there += isnan(detector_value(train->values[i])) ? 0 : 1;
	if (there == 0)
		return error_set(error, STATUS_BAD_INPUT, "no value in any of the %zu rows",
			train->count);
	memset(self->bands, 0, train->columns * sizeof(*self->bands));
	for (size_t i = 0; i < train->count; i++)
		(void)score_row(self, train->values + i * train->columns);
	detector->fitted = true;
	return STATUS_OK;
}

static void ewma_explain(struct detector *detector, double *contributions)
{
	const struct ewma *self = ewma_of(detector);

	for (size_t i = 0; i < detector->columns; i++)
		contributions[i] = self->judged ? self->row[i] : 0;
	detector_shares(contributions, detector->columns);
}

static double ewma_step(struct detector *detector, const double *row, double *contributions)
{
	double score = score_row(ewma_of(detector), row);

	if (contributions != NULL)
		ewma_explain(detector, contributions);
	return score;
}

static void ewma_pack(struct detector *detector, struct pack *pack)
{
	struct ewma *self = ewma_of(detector);

	detector_pack(detector, pack);
	pack_bytes(pack, self->bands, detector->columns * sizeof(*self->bands));
	if (pack_reads(pack))
		self->judged = false;
}

static size_t ewma_size(const struct detector *detector)
{
	return sizeof(struct ewma) + detector->columns * (sizeof(struct band) + sizeof(double));
}

const struct detector_class detector_ewma_bands = {.name = "ewma_bands",
	.summary = "distance from faded means, in faded deviations; needs no training",
	.open = ewma_open,
	.fit = ewma_fit,
	.step = ewma_step,
	.explain = ewma_explain,
	.pack = ewma_pack,
	.size = ewma_size,
	.close = ewma_close};
