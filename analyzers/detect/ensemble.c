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
 *
 * The three that look at rolling features share one pipeline, so that a row's features are taken and
 * standardised once.
 */
#include "analyzers/detect/detector_parts.h"

#include <math.h>
#include <string.h>

#include "analyzers/detect/calibration.h"
#include "analyzers/detect/pipeline.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

/* Rows whose windows are not filled by training alone: they calibrate nothing. */
#define WARM_ROWS 60

static const struct pipeline_part rolled_parts[] = {
	{&model_pca, 1}, {&model_forest, 1},
	{&model_extended_forest, 2}, /* a plane costs several times what a threshold does */
};

#define ROLLED ARRAY_COUNT(rolled_parts)
/* The members: those of the pipeline, then the season. */
#define SEASON ROLLED
#define MEMBERS (ROLLED + 1)

static const double weights[MEMBERS] = {2, 1, 1, 1};

struct ensemble {
	struct detector detector;
	struct detector *rolled, *seasonal;
	bool rolled_fitted, seasonal_fitted;
	struct calibration calibrations[MEMBERS];
	double surprises[MEMBERS]; /* of the last row; NaN: no say */
	double *parts;             /* [columns] of one member */
};

static struct ensemble *ensemble_of(struct detector *detector)
{
	return (struct ensemble *)(void *)detector;
}

const struct detector *ensemble_rolled(const struct detector *detector)
{
	return ((const struct ensemble *)(const void *)detector)->rolled;
}

static void ensemble_close(struct detector *detector)
{
	struct ensemble *self;

	if (detector == NULL)
		return;
	self = ensemble_of(detector);
	pipeline_close(self->rolled);
	detector_seasonal.close(self->seasonal);
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
	self->rolled =
		pipeline_open(rolled_parts, ROLLED, true, &self->detector.config, columns, error);
	if (self->rolled != NULL)
		self->seasonal = detector_seasonal.open(&self->detector.config, columns, error);
	if (self->seasonal == NULL) {
		ensemble_close(&self->detector);
		return NULL;
	}
	self->parts = mem_zalloc(columns, sizeof(*self->parts));
	if (self->parts == NULL) {
		ensemble_close(&self->detector);
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for an ensemble");
		return NULL;
	}
	return &self->detector;
}

/* scores: [MEMBERS], NaN of who has no say. */
static void member_scores(struct ensemble *self, const double *row, double *scores)
{
	for (size_t i = 0; i < MEMBERS; i++)
		scores[i] = NAN;
	if (self->rolled_fitted)
		pipeline_scores(self->rolled, row, scores);
	if (self->seasonal_fitted)
		scores[SEASON] = detector_seasonal.step(self->seasonal, row, NULL);
}

/* Steps through training once more, at whose end the members' states stand already. scores:
 * [MEMBERS][train->count]. */
static void calibrate(struct ensemble *self, const struct detector_rows *train, double *scores)
{
	size_t skipped = train->count > 4 * WARM_ROWS ? WARM_ROWS : 0;

	for (size_t row = 0; row < train->count; row++) {
		double said[MEMBERS];

		member_scores(self, train->values + row * train->columns, said);
		for (size_t i = 0; i < MEMBERS; i++)
			scores[i * train->count + row] = said[i];
	}
	for (size_t i = 0; i < MEMBERS; i++)
		calibration_fit(&self->calibrations[i], scores + i * train->count + skipped,
			train->count - skipped);
}

/* One that could be fitted before and cannot now would judge by what is no more: it has no say. */
static enum status fit_members(struct ensemble *self, const struct detector_rows *train,
	struct error *error)
{
	struct error reason = {.code = STATUS_OK};
	enum status status = pipeline_fit(self->rolled, train, error);

	self->rolled_fitted = status == STATUS_OK;
	if (status == STATUS_NO_MEMORY)
		return status;
	status = detector_seasonal.fit(self->seasonal, train, &reason);
	self->seasonal_fitted = status == STATUS_OK;
	if (status == STATUS_NO_MEMORY)
		return error_set(error, status, "%s", reason.text);
	return self->rolled_fitted || self->seasonal_fitted ? STATUS_OK : error->code;
}

static enum status ensemble_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	struct ensemble *self = ensemble_of(detector);
	double *scores;
	enum status status = detector_check_rows(detector, train, error);

	if (status != STATUS_OK)
		return status;
	scores = mem_zalloc(train->count * MEMBERS, sizeof(*scores));
	if (scores == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu scores", train->count);
	status = fit_members(self, train, error);
	if (status == STATUS_OK) {
		calibrate(self, train, scores);
		detector->fitted = true;
	}
	mem_free(scores);
	return status;
}

/* Each member's parts, weighed as its surprise is. */
static void ensemble_explain(struct detector *detector, double *contributions)
{
	struct ensemble *self = ensemble_of(detector);

	memset(contributions, 0, detector->columns * sizeof(*contributions));
	for (size_t i = 0; i < MEMBERS; i++) {
		if (isnan(self->surprises[i]))
			continue;
		if (i == SEASON)
			detector_seasonal.explain(self->seasonal, self->parts);
		else
			pipeline_explain_part(self->rolled, i, self->parts);
		for (size_t c = 0; c < detector->columns; c++)
			contributions[c] += weights[i] * self->surprises[i] * self->parts[c];
	}
	detector_shares(contributions, detector->columns);
}

static double ensemble_step(struct detector *detector, const double *row, double *contributions)
{
	struct ensemble *self = ensemble_of(detector);
	double scores[MEMBERS], sum = 0, whole = 0;

	member_scores(self, row, scores);
	for (size_t i = 0; i < MEMBERS; i++) {
		double surprise = calibration_surprise(&self->calibrations[i], scores[i]);

		self->surprises[i] = detector->fitted ? surprise : NAN;
		if (isnan(self->surprises[i]))
			continue;
		sum += weights[i] * surprise;
		whole += weights[i];
	}
	if (contributions != NULL)
		ensemble_explain(detector, contributions);
	return whole > 0 ? sum / whole : NAN;
}

static void ensemble_pack(struct detector *detector, struct pack *pack)
{
	struct ensemble *self = ensemble_of(detector);

	detector_pack(detector, pack);
	pack_same(pack, MEMBERS);
	pack_flag(pack, &self->rolled_fitted);
	pack_flag(pack, &self->seasonal_fitted);
	pipeline_pack(self->rolled, pack);
	detector_seasonal.pack(self->seasonal, pack);
	for (size_t i = 0; i < MEMBERS; i++)
		calibration_pack(&self->calibrations[i], pack);
	for (size_t i = 0; i < MEMBERS && pack_reads(pack); i++)
		self->surprises[i] = NAN;
}

static size_t ensemble_size(const struct detector *detector)
{
	const struct ensemble *self = (const struct ensemble *)(const void *)detector;

	return sizeof(*self) + detector->columns * sizeof(double) + pipeline_size(self->rolled) +
		detector_seasonal.size(self->seasonal);
}

const struct detector_class detector_ensemble = {.name = "ensemble",
	.summary = "mean surprise of pca_roll, forest_roll, extended_forest_roll and seasonal",
	.open = ensemble_open,
	.fit = ensemble_fit,
	.step = ensemble_step,
	.explain = ensemble_explain,
	.pack = ensemble_pack,
	.size = ensemble_size,
	.close = ensemble_close};
