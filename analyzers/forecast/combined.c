/*
 * The forecasters together, weighed by what they were worth lately.
 *
 * For each horizon the answer is a convex combination of the members' forecasts. The weights are
 * those of the polynomial potential with one rate a member (Gaillard, Stoltz, van Erven, "A second-order
 * bound with excess losses", COLT 2014, ML-Poly) on the gradient of the absolute error, so that the
 * combination competes with the best one in hindsight; regrets fade, so that "in hindsight" means lately.
 *
 *   gradient g = sign(combined - value), excess r_i = g (combined - forecast_i) / unit
 *   R_i <- fade R_i + r_i,  S_i <- fade S_i + r_i^2,  weight_i ~ max(R_i, 0) / (1 + S_i)
 *
 * Switched off is a member whose faded mean error exceeds the last value's: it weighs nothing until
 * it is better again. The last value itself is always there, and serves alone while the combination
 * was worse than it. A member without a forecast (NaN) is left
 * out for that row.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/forecast/history.h"
#include "analyzers/forecast/model.h"
#include "analyzers/forecast/pending.h"
#include "base/check.h"
#include "base/mem.h"

static const struct forecaster_class *const members[] = {
	&forecast_naive, /* the measure of all others: first */
	&forecast_seasonal_naive, &forecast_ewma, &forecast_median, &forecast_holt_winters,
	&forecast_holt_winters_multiplicative, &forecast_ridge_ar,
	&forecast_lstm_general, /* only where a net is given that fits */
};

#define MEMBERS ARRAY_COUNT(members)
/* What waits for its outcome, a horizon: the members' forecasts and the combination. */
#define SAID_WIDTH (MEMBERS + 1)
#define OUTCOMES_MIN 30

/* An excess counts at most so many times the last value's mean error: one spike decides nothing. */
#define EXCESS_MAX 10
/* Memories in days: of errors, of regrets, and of the guard. */
#define ERROR_DAYS .5
#define REGRET_DAYS 1.0
#define GUARD_DAYS .25

/* What the members were worth at one horizon; means of absolute errors, faded. */
struct worth {
	double day_rows;
	double error[MEMBERS], outcomes[MEMBERS];
	double regret[MEMBERS], square[MEMBERS];
	double combined, naive,
		judged; /* the guard's: errors of the combination and the last value */
};

struct forecast_model {
	size_t horizons[FORECAST_HORIZONS_MAX], horizon_count;
	int64_t step_ms;
	struct forecast_model *members[MEMBERS]; /* NULL: does not take part */
	const double *beside;                    /* of the rows to come, see model.h */
	struct history *history;                 /* of all members */
	struct pending pending;                  /* [horizon_count][SAID_WIDTH] */
	struct worth worth[FORECAST_HORIZONS_MAX];
};

static void combined_close(struct forecast_model *model)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (model->members[i] != NULL)
			members[i]->close(model->members[i]);
	history_close(model->history);
	pending_fini(&model->pending);
	mem_free(model);
}

static struct forecast_model *combined_open(const struct forecaster_config *config,
	struct error *error)
{
	struct forecast_model *model = mem_zalloc(1, sizeof(*model));
	struct forecaster_config own = *config;

	if (model == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a combination");
		return NULL;
	}
	memcpy(model->horizons, config->horizons, sizeof(model->horizons));
	model->horizon_count = config->horizon_count;
	model->step_ms = config->step_ms;
	for (size_t k = 0; k < config->horizon_count; k++)
		model->worth[k].day_rows =
			config->season_rows > 0 ? (double)config->season_rows : 1440;
	if (pending_init(&model->pending, config->horizons[config->horizon_count - 1],
		    config->horizon_count * SAID_WIDTH, error) != STATUS_OK)
		goto failed;
	model->history =
		history_open(HISTORY_ROWS(config->season_rows > HISTORY_LAGS ? config->season_rows
									     : HISTORY_LAGS,
				     config->horizons[config->horizon_count - 1]),
			error);
	if (model->history == NULL)
		goto failed;
	own.history = model->history;
	for (size_t i = 0; i < MEMBERS; i++) {
		if (members[i] == &forecast_lstm_general && config->shared == NULL)
			continue;
		model->members[i] = members[i]->open(&own, error);
		/* A net of other horizons takes no part. */
		if (model->members[i] == NULL && members[i] == &forecast_lstm_general &&
			error->code == STATUS_BAD_INPUT)
			continue;
		if (model->members[i] == NULL)
			goto failed;
	}
	return model;
failed:
	combined_close(model);
	return NULL;
}

static void fade(double *mean, double error, double outcomes, double rows)
{
	*mean += fmax(1 / outcomes, 1 / rows) * (error - *mean);
}

static void guard_learn(struct worth *worth, double combined, double naive, double value)
{
	double rows = GUARD_DAYS * worth->day_rows;

	if (isnan(combined) || isnan(naive))
		return;
	worth->judged++;
	fade(&worth->combined, fabs(value - combined), worth->judged, rows);
	fade(&worth->naive, fabs(value - naive), worth->judged, rows);
}

/* said: [SAID_WIDTH] of one horizon. */
static void worth_learn(struct worth *worth, const double *said, double value)
{
	double unit = fmax(worth->error[0], 1e-300), combined = said[MEMBERS];
	double gradient = (combined > value) - (combined < value);
	double kept = 1 - 1 / (REGRET_DAYS * worth->day_rows);

	guard_learn(worth, combined, said[0], value);
	for (size_t i = 0; i < MEMBERS; i++) {
		double excess;

		if (isnan(said[i]))
			continue;
		worth->outcomes[i]++;
		fade(&worth->error[i], fabs(value - said[i]), worth->outcomes[i],
			ERROR_DAYS * worth->day_rows);
		if (isnan(combined) || worth->outcomes[0] < OUTCOMES_MIN)
			continue;
		excess = gradient * (combined - said[i]) / unit;
		excess = fmin(fmax(excess, -EXCESS_MAX), EXCESS_MAX);
		worth->regret[i] = worth->regret[i] * kept + excess;
		worth->square[i] = worth->square[i] * kept + excess * excess;
	}
}

static bool is_switched_off(const struct worth *worth, size_t member)
{
	if (member == 0)
		return false;
	return worth->outcomes[member] < OUTCOMES_MIN || worth->error[member] > worth->error[0];
}

/* forecasts: [MEMBERS]. */
static double combine(const struct worth *worth, const double *forecasts)
{
	double sum = 0, weights = 0, best = NAN, least = HUGE_VAL;

	for (size_t i = 0; i < MEMBERS; i++) {
		double weight = fmax(worth->regret[i], 0) / (1 + worth->square[i]);

		if (isnan(forecasts[i]) || is_switched_off(worth, i))
			continue;
		if (worth->error[i] < least) {
			least = worth->error[i];
			best = forecasts[i];
		}
		sum += weight * forecasts[i];
		weights += weight;
	}
	return weights > 0 ? sum / weights : best;
}

static void said_put(struct forecast_model *model)
{
	double *slot = pending_next(&model->pending), middle[MEMBERS][FORECAST_HORIZONS_MAX];

	for (size_t i = 0; i < MEMBERS; i++)
		if (model->members[i] != NULL)
			members[i]->predict(model->members[i], middle[i]);
	for (size_t k = 0; k < model->horizon_count; k++) {
		double *said = slot + k * SAID_WIDTH;

		for (size_t i = 0; i < MEMBERS; i++)
			said[i] = model->members[i] != NULL &&
					fabs(middle[i][k]) <= FORECAST_VALUE_MAX * 2
				? middle[i][k]
				: NAN;
		said[MEMBERS] = combine(&model->worth[k], said);
	}
}

static void combined_beside(struct forecast_model *model, const double *values)
{
	model->beside = values;
}

static void beside_tell(struct forecast_model *model, size_t member, const double *values)
{
	if (model->members[member] != NULL && members[member]->beside != NULL)
		members[member]->beside(model->members[member], values);
}

static void combined_step(struct forecast_model *model, double value, int64_t at_ms)
{
	if (!isnan(value))
		for (size_t k = 0; k < model->horizon_count; k++)
			worth_learn(&model->worth[k],
				pending_back(&model->pending, model->horizons[k] - 1) +
					k * SAID_WIDTH,
				value);
	for (size_t i = 0; i < MEMBERS; i++) {
		beside_tell(model, i, model->beside);
		if (model->members[i] != NULL)
			members[i]->step(model->members[i], value, at_ms);
	}
	model->beside = NULL;
	said_put(model);
}

/* Members that fit in one go are fitted on the first half, and all are weighed on the second. */
static enum status combined_fit(struct forecast_model *model, const double *values, size_t count,
	int64_t at_ms, struct error *error)
{
	const double *beside = model->beside;
	size_t split = count - count / 3;

	for (size_t i = 0; i < MEMBERS; i++) {
		enum status status = STATUS_OK;

		beside_tell(model, i, beside);
		if (model->members[i] != NULL)
			status = members[i]->fit(model->members[i], values, split, at_ms, error);
		if (status != STATUS_OK)
			return status;
	}
	said_put(model);
	for (size_t i = split; i < count; i++) {
		model->beside = beside != NULL ? beside + i * FORECAST_BESIDE : NULL;
		combined_step(model, values[i], at_ms + (int64_t)i * model->step_ms);
	}
	model->beside = NULL;
	return STATUS_OK;
}

/* Where even the combination was worse than the last value of late, that is said. */
static void combined_predict(const struct forecast_model *model, double *middle)
{
	const double *slot = pending_back(&model->pending, 0);

	for (size_t k = 0; k < model->horizon_count; k++) {
		const double *said = slot + k * SAID_WIDTH;
		const struct worth *worth = &model->worth[k];

		middle[k] = worth->combined > worth->naive ? said[0] : said[MEMBERS];
	}
}

/* Who takes part must be the same: weights are of members. */
static void combined_pack(struct forecast_model *model, struct pack *pack)
{
	pack_same(pack, MEMBERS);
	history_pack(model->history, pack);
	pending_pack(&model->pending, pack);
	for (size_t k = 0; k < model->horizon_count; k++)
		pack_value(pack, &model->worth[k]);
	for (size_t i = 0; i < MEMBERS; i++) {
		pack_same(pack, model->members[i] != NULL);
		if (model->members[i] != NULL && !pack->failed)
			members[i]->pack(model->members[i], pack);
	}
}

const struct forecaster_class forecast_combined = {
	.name = "combined",
	.summary =
		"all others, weighed by recent error; what is worse than the last value is left out",
	.open = combined_open,
	.fit = combined_fit,
	.step = combined_step,
	.predict = combined_predict,
	.close = combined_close,
	.pack = combined_pack,
	.beside = combined_beside,
};
