/*
 * A score that knows nothing: what any measure must be read against.
 */
#include "analyzers/detect/detector_parts.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/mem.h"
#include "base/random.h"

struct random_score {
	struct detector detector;
	struct random dice;
};

static struct detector *random_score_open(const struct detector_config *config, size_t columns,
	struct error *error)
{
	struct random_score *self = mem_zalloc(1, sizeof(*self));

	if (self == NULL) {
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for a detector");
		return NULL;
	}
	if (detector_init(&self->detector, config, columns, error) != STATUS_OK) {
		mem_free(self);
		return NULL;
	}
	random_init(&self->dice, config->seed);
	return &self->detector;
}

static enum status random_score_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error)
{
	enum status status = detector_check_rows(detector, train, error);

	detector->fitted = detector->fitted || status == STATUS_OK;
	return status;
}

static double random_score_step(struct detector *detector, const double *row, double *contributions)
{
	struct random_score *self = (struct random_score *)(void *)detector;

	(void)row;
	if (contributions != NULL)
		memset(contributions, 0, detector->columns * sizeof(*contributions));
	return detector->fitted ? random_unit(&self->dice) : NAN;
}

static void random_score_explain(struct detector *detector, double *contributions)
{
	memset(contributions, 0, detector->columns * sizeof(*contributions));
}

static void random_score_pack(struct detector *detector, struct pack *pack)
{
	struct random_score *self = (struct random_score *)(void *)detector;

	detector_pack(detector, pack);
	pack_value(pack, &self->dice);
}

static size_t random_score_size(const struct detector *detector)
{
	(void)detector;
	return sizeof(struct random_score);
}

static void random_score_close(struct detector *detector)
{
	mem_free(detector);
}

const struct detector_class detector_random = {.name = "random",
	.summary = "chance: what any measure must be read against",
	.open = random_score_open,
	.fit = random_score_fit,
	.step = random_score_step,
	.explain = random_score_explain,
	.pack = random_score_pack,
	.size = random_score_size,
	.close = random_score_close};
