/*
 * Several detectors as one: the weighted mean of their surprises, in decades of tail probability
 * against training (detect/calibration.h).
 *
 * Adding logarithms of tail probabilities is Fisher's way of combining evidence ("Statistical Methods
 * for Research Workers", 1932). Adding ranks, the usual alternative, is the same in the middle but
 * cannot tell the highest score of training from one ten times as high, which is where alarms are
 * decided. The detectors are those whose errors differ: what breaks with how features go together
 * (counted twice), what is isolated along axes and along oblique planes, what differs from yesterday.
 *
 * A detector that cannot be fitted for want of history (no day yet) or that gave all of training the
 * same score has no say.
 */
#include "analyzers/detect/detector_parts.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/calibration.h"
#include "base/check.h"
#include "base/mem.h"

/* Rows whose windows are not filled by training alone: they calibrate nothing. */
#define WARM_ROWS 60

static const struct {
	const struct detector_class *class;
	double weight;
	size_t trees_divisor; /* a plane costs several times what a threshold does */
} members[] = {
	{&detector_pca_roll, 2, 1},
	{&detector_forest_roll, 1, 1},
	{&detector_extended_forest_roll, 1, 2},
	{&detector_seasonal, 1, 1},
};

#define MEMBERS ARRAY_COUNT(members)

struct ensemble {
	struct detector detector;
	struct detector *members[MEMBERS];
	bool fitted[MEMBERS];
	struct calibration calibrations[MEMBERS];
	double *parts; /* [columns] of one member */
};

static struct ensemble *ensemble_of(struct detector *detector)
{
	return (struct ensemble *)(void *)detector;
}

static void ensemble_close(struct detector *detector)
{
	struct ensemble *self;

	if (detector == NULL)
		return;
	self = ensemble_of(detector);
	for (size_t i = 0; i < MEMBERS; i++)
		members[i].class->close(self->members[i]);
	mem_free(self->parts);
	mem_free(self);
}

static struct detector *ensemble_open(const struct detector_config *config, size_t columns,
	struct error *error)
{
	struct ensemble *self = mem_zalloc(1, sizeof(*self));

	if (self == NULL) {
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for an ensemble");
		return NULL;
	}
	if (detector_init(&self->detector, config, columns, error) != STATUS_OK) {
		mem_free(self);
		return NULL;
	}
	for (size_t i = 0; i < MEMBERS; i++) {
		struct detector_config own = self->detector.config;

		own.trees = (own.trees + members[i].trees_divisor - 1) / members[i].trees_divisor;
		self->members[i] = members[i].class->open(&own, columns, error);
		if (self->members[i] == NULL) {
			ensemble_close(&self->detector);
			return NULL;
		}
	}
	self->parts = mem_zalloc(columns, sizeof(*self->parts));
	if (self->parts == NULL) {
		ensemble_close(&self->detector);
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for an ensemble");
		return NULL;
	}
	return &self->detector;
}

/* Steps through training once more, whose end is where the member's state stands already. scores:
 * [train->count]. */
static void calibrate(struct calibration *calibration, const struct detector_class *class,
	struct detector *member, const struct detector_rows *train, double *scores)
{
	size_t skipped = train->count > 4 * WARM_ROWS ? WARM_ROWS : 0;

	detector_score(class, member, train, scores);
	calibration_fit(calibration, scores + skipped, train->count - skipped);
}

static enum status ensemble_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct ensemble *self = ensemble_of(detector);
	double *scores;
	enum status status = detector_check_rows(detector, train, error);
	struct error reason = {.code = STATUS_OK};
	size_t fitted = 0;

	if (status != STATUS_OK)
		return status;
	scores = mem_zalloc(train->count, sizeof(*scores));
	if (scores == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu scores", train->count);
	for (size_t i = 0; i < MEMBERS; i++) {
		status = members[i].class->fit(self->members[i], train, &reason);
		if (status == STATUS_NO_MEMORY)
			break;
		/* One that could be fitted before and cannot now would judge by what is no more. */
		self->fitted[i] = status == STATUS_OK;
		if (status != STATUS_OK)
			continue;
		calibrate(&self->calibrations[i], members[i].class, self->members[i], train,
			scores);
		fitted++;
	}
	mem_free(scores);
	if (status == STATUS_NO_MEMORY || fitted == 0)
		return error_set(error, reason.code, "%s", reason.text);
	detector->fitted = true;
	return STATUS_OK;
}

static double ensemble_step(struct detector *detector, const double *row, double *contributions)
{
	struct ensemble *self = ensemble_of(detector);
	double sum = 0, weights = 0;

	if (contributions != NULL)
		memset(contributions, 0, detector->columns * sizeof(*contributions));
	for (size_t i = 0; i < MEMBERS; i++) {
		double score, surprise;

		if (!self->fitted[i])
			continue;
		score = members[i].class->step(self->members[i], row,
			contributions != NULL ? self->parts : NULL);
		surprise = calibration_surprise(&self->calibrations[i], score);
		if (isnan(surprise))
			continue;
		sum += members[i].weight * surprise;
		weights += members[i].weight;
		for (size_t c = 0; contributions != NULL && c < detector->columns; c++)
			contributions[c] += members[i].weight * surprise * self->parts[c];
	}
	if (contributions != NULL)
		detector_shares(contributions, detector->columns);
	return detector->fitted && weights > 0 ? sum / weights : NAN;
}

static size_t ensemble_size(const struct detector *detector)
{
	const struct ensemble *self = (const struct ensemble *)(const void *)detector;
	size_t size = sizeof(*self) + detector->columns * sizeof(double);

	for (size_t i = 0; i < MEMBERS; i++)
		size += members[i].class->size(self->members[i]);
	return size;
}

const struct detector_class detector_ensemble = {.name = "ensemble",
	.summary = "mean surprise of pca_roll, forest_roll, extended_forest_roll and seasonal",
	.open = ensemble_open,
	.fit = ensemble_fit,
	.step = ensemble_step,
	.size = ensemble_size,
	.close = ensemble_close};
