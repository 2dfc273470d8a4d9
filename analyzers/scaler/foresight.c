/*
 * Saying and correcting, slot by slot; fitting is in foresight_fit.c.
 */
#include "analyzers/scaler/foresight.h"

#include <math.h>
#include <string.h>

#include "analyzers/scaler/foresight_parts.h"
#include "base/check.h"

#define SAID_MASK (FORESIGHT_SAID - 1)
#define RESIDUAL_LOW (-1.5)
#define RESIDUAL_HIGH 2.5
/* Half-life of 3 days. */
#define RESIDUAL_DAYS 3
#define WEIGHT_MAX 1e20
/* A context with less than so many residuals' weight is answered by all three together. */
#define CONTEXT_ROWS_MIN 240

const char *const foresight_arms[FORESIGHT_ARMS] = {"ridge", "net", "ens"};
const size_t foresight_horizons[FORESIGHT_HORIZONS] = {10, 40};
const float foresight_levels[FORESIGHT_LEVELS] = {.3f, .5f, .7f, .8f, .9f, .95f, .98f, .99f, .995f,
	.999f};

_Static_assert(FORESIGHT_SAID > TRAFFIC_HORIZON_MAX, "what was said waits for its outcome");

enum status foresight_model_init(struct foresight_model *model, struct error *error)
{
	*model = (struct foresight_model){0};
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++) {
		enum status status = quantile_net_init(&model->nets[h], TRAFFIC_FEATURES,
			foresight_levels, FORESIGHT_LEVELS, kernels_best(), error);

		if (status != STATUS_OK) {
			foresight_model_fini(model);
			return status;
		}
	}
	return STATUS_OK;
}

void foresight_model_fini(struct foresight_model *model)
{
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++)
		quantile_net_fini(&model->nets[h]);
	*model = (struct foresight_model){0};
}

void foresight_state_init(struct foresight_state *state)
{
	memset(state, 0, sizeof(*state));
	traffic_memory_init(&state->memory);
	state->weight = 1;
	for (size_t i = 0; i < FORESIGHT_SAID; i++)
		state->said[i].slot = INT64_MIN;
}

/* ---- residuals of the ridge ---- */

int foresight_context(const struct foresight_model *model, double unrest)
{
	int context = 0;

	while (context < FORESIGHT_CONTEXTS - 1 && unrest > model->unrest[context])
		context++;
	return context;
}

double foresight_ridge_mean(const struct foresight_ridge *ridge, const float *row)
{
	double sum = ridge->weights[TRAFFIC_FEATURES];

	for (size_t i = 0; i < TRAFFIC_FEATURES; i++)
		sum += ridge->weights[i] * ((double)row[i] - ridge->mean[i]) * ridge->inverse[i];
	return sum;
}

void foresight_residual_add(struct foresight_state *state, size_t horizon, int context,
	double residual)
{
	double place = (residual - RESIDUAL_LOW) / (RESIDUAL_HIGH - RESIDUAL_LOW) * FORESIGHT_BINS;
	size_t bin = place <= 0 ? 0 : (size_t)fmin(place, FORESIGHT_BINS - 1);

	state->residuals[horizon][context][bin] += (float)state->weight;
}

/* The older weigh less by the newer weighing more, until the numbers grow too large. */
void foresight_residuals_age(struct foresight_state *state)
{
	state->weight *= 1 + M_LN2 / (RESIDUAL_DAYS * (double)POLICY_SLOTS_PER_DAY);
	if (state->weight < WEIGHT_MAX)
		return;
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++)
		for (size_t c = 0; c < FORESIGHT_CONTEXTS; c++)
			for (size_t b = 0; b < FORESIGHT_BINS; b++)
				state->residuals[h][c][b] *= (float)(1 / state->weight);
	state->weight = 1;
}

/* quantiles: [FORESIGHT_LEVELS] of a histogram, within its bins on a line. */
static void residual_quantiles(const float *bins, double total, float *quantiles)
{
	const double width = (RESIDUAL_HIGH - RESIDUAL_LOW) / FORESIGHT_BINS;
	double below = 0;
	size_t level = 0;

	for (size_t b = 0; b < FORESIGHT_BINS && level < FORESIGHT_LEVELS; b++) {
		double here = (double)bins[b];

		while (level < FORESIGHT_LEVELS &&
			(double)foresight_levels[level] * total <= below + here && here > 0) {
			double part = ((double)foresight_levels[level] * total - below) / here;

			quantiles[level++] = (float)(RESIDUAL_LOW + width * ((double)b + part));
		}
		below += here;
	}
	for (; level < FORESIGHT_LEVELS; level++)
		quantiles[level] = level > 0 ? quantiles[level - 1] : 0;
}

static void ridge_quantiles(const struct foresight_state *state, size_t horizon, int context,
	float *quantiles)
{
	const float *bins = state->residuals[horizon][context];
	float all[FORESIGHT_BINS];
	double total = 0;

	for (size_t b = 0; b < FORESIGHT_BINS; b++)
		total += (double)bins[b];
	if (total < CONTEXT_ROWS_MIN * state->weight) {
		total = 0;
		for (size_t b = 0; b < FORESIGHT_BINS; b++) {
			all[b] = state->residuals[horizon][0][b] + state->residuals[horizon][1][b] +
				state->residuals[horizon][2][b];
			total += (double)all[b];
		}
		bins = all;
	}
	residual_quantiles(bins, total, quantiles);
}

/* ---- correction ---- */

double foresight_shift(double shift, double level, bool missed)
{
	shift += FORESIGHT_RATE * ((missed ? 1 : 0) - (1 - level));
	return fmin(fmax(shift, FORESIGHT_SHIFT_LOW), FORESIGHT_SHIFT_HIGH);
}

static void learn_outcome(struct foresight_state *state, const struct traffic *traffic, size_t at,
	size_t h)
{
	size_t horizon = foresight_horizons[h];
	int64_t slot = traffic->first + (int64_t)at - (int64_t)horizon;
	const struct foresight_said *said = &state->said[(size_t)slot & SAID_MASK];
	double high;

	if (said->slot != slot || !said->foresight.known)
		return;
	/* The maximum of a horizon that is not known to its end is not known. */
	for (size_t i = 0; i < horizon; i++)
		if (!traffic_known(traffic, at - i))
			return;
	high = traffic_maximum(traffic, at + 1 - horizon, horizon);
	for (size_t a = 0; a < FORESIGHT_ARMS; a++)
		for (size_t q = 0; q < FORESIGHT_LEVELS; q++)
			state->shift[a][h][q] =
				foresight_shift(state->shift[a][h][q], (double)foresight_levels[q],
					high > (double)said->foresight.rates[a][h][q]);
	foresight_residual_add(state, h, (int)said->foresight.context,
		traffic_ratio(&(struct traffic_memory){.slow = (double)said->slow},
			(double)said->level, high) -
			(double)said->ridge[h]);
}

/* ---- saying ---- */

/* Log ratios become rates, corrected and ascending. */
static void say_arm(const struct foresight_state *state, size_t arm, size_t h, double level,
	const float *ratios, struct foresight *foresight)
{
	float before = 0;

	for (size_t q = 0; q < FORESIGHT_LEVELS; q++) {
		double rate = traffic_unratio(&state->memory, level, (double)ratios[q]) *
			exp(state->shift[arm][h][q]);

		before = fmaxf((float)rate, before);
		foresight->rates[arm][h][q] = before;
	}
}

static void say(const struct foresight_model *model, struct foresight_state *state,
	const struct traffic *traffic, size_t at, struct foresight_said *said)
{
	float rows[FORESIGHT_HORIZONS][TRAFFIC_FEATURES];
	double level = traffic_level(traffic, at);

	traffic_features(traffic, &state->memory, at, foresight_horizons, FORESIGHT_HORIZONS, rows);
	said->level = (float)level;
	said->slow = (float)state->memory.slow;
	said->foresight.context = (uint8_t)foresight_context(model, traffic_unrest(traffic, at));
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++) {
		float ratios[FORESIGHT_ARMS][FORESIGHT_LEVELS];
		double mean = foresight_ridge_mean(&model->ridges[h], rows[h]);

		said->ridge[h] = (float)mean;
		ridge_quantiles(state, h, said->foresight.context, ratios[FORESIGHT_RIDGE]);
		quantile_net_predict(&model->nets[h], rows[h], ratios[FORESIGHT_NET]);
		for (size_t q = 0; q < FORESIGHT_LEVELS; q++) {
			ratios[FORESIGHT_RIDGE][q] += (float)mean;
			ratios[FORESIGHT_ENS][q] =
				.5f * (ratios[FORESIGHT_RIDGE][q] + ratios[FORESIGHT_NET][q]);
		}
		for (size_t a = 0; a < FORESIGHT_ARMS; a++)
			say_arm(state, a, h, level, ratios[a], &said->foresight);
	}
	said->foresight.known = true;
}

void foresight_step(const struct foresight_model *model, struct foresight_state *state,
	const struct traffic *traffic, size_t at, struct foresight *foresight)
{
	int64_t slot = traffic->first + (int64_t)at;
	struct foresight_said *said = &state->said[(size_t)slot & SAID_MASK];

	traffic_memory_step(&state->memory, traffic, at);
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++)
		if (at >= foresight_horizons[h])
			learn_outcome(state, traffic, at, h);
	foresight_residuals_age(state);
	*said = (struct foresight_said){.slot = slot};
	if (model->fitted && !isnan(traffic_level(traffic, at)))
		say(model, state, traffic, at, said);
	*foresight = said->foresight;
}
