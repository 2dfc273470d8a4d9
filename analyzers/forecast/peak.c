/*
 * Quantiles of the maximum to come.
 *
 * The slots of eight days lie in a ring; all inputs of a slot are worked out from it anew, some hundred
 * additions. A slot is the upper half of a float without its sign, rounded: two bytes with 8 bits behind the
 * point, which do for the logarithms of ratios. What is known of bursts (a level of more than BURST times its slow mean) is kept apart, by
 * the minute of the hour.
 */
#include "analyzers/forecast/peak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/forecast/pending.h"
#include "analyzers/forecast/quantile_net.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

#define DAY_MS 86400000
#define HOUR_MS 3600000
#define MINUTE_MS 60000
#define RING_DAYS 8
#define TWO_PI 6.283185307179586
#define RATIO_MAX 3
#define BURST 1.6
#define SLOW_WEIGHT .02
#define BURST_MEAN_KEPT .99
#define BURST_MAX_KEPT .995
#define VALUE_MAX 1e30
/* A longer hole is told as one of this many slots. */
#define GAP_MAX PEAK_DAY_SLOTS_MAX
#define SLOT_MISSING UINT16_MAX
#define SLOT_SHIFT 15 /* of the bits of a float: the sign is never set */
#define HOLDOUT_MAX .5
/* Of what waits for its outcome: the quantiles, then the level and its floor as they were. */
#define SAID_LEVEL PEAK_LEVELS
#define SAID_FLOOR (PEAK_LEVELS + 1)
#define SAID_WIDTH (PEAK_LEVELS + 2)

const float peak_levels[PEAK_LEVELS] = {.3f, .5f, .7f, .8f, .9f, .95f, .98f, .99f, .995f, .999f};

struct peak {
	struct peak_config config;
	struct quantile_net net;
	bool fitted, started;
	size_t day, five;     /* slots of a day and of five minutes */
	uint16_t *ring;       /* [ring_size], SLOT_MISSING or slot_pack() of it */
	size_t ring_size, at; /* at: of the newest */
	int64_t last_ms;
	double slow;  /* slow mean of the level; NaN: none yet */
	double level; /* of the newest slot; NaN: unknown */
	double since; /* slots since the last burst */
	double burst_mean[60], burst_max[60];
	double shift[PEAK_LEVELS];
	/* Logarithms of the fixed multiples; sums of losses, weights falling by half a day, and how many
	 * outcomes are in them. */
	double multiples[PEAK_LEVELS];
	double loss, multiples_loss;
	uint64_t outcomes;
	struct pending pending; /* what was said: [SAID_WIDTH] */
};

void peak_config_default(struct peak_config *config)
{
	*config = (struct peak_config){.slot_ms = 15000, .horizon = 10, .epochs = 16, .seed = 1};
}

static enum status config_check(const struct peak_config *config, struct error *error)
{
	if (config->slot_ms <= 0 || config->slot_ms > MINUTE_MS ||
		MINUTE_MS % config->slot_ms != 0 || DAY_MS / config->slot_ms > PEAK_DAY_SLOTS_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"slot_ms must be a divisor of a minute, %d at least",
			DAY_MS / PEAK_DAY_SLOTS_MAX);
	if (config->horizon < 1 || config->horizon > PEAK_HORIZON_MAX)
		return error_set(error, STATUS_BAD_INPUT, "horizon must be 1 to %d",
			PEAK_HORIZON_MAX);
	if (!(config->holdout >= 0 && config->holdout <= HOLDOUT_MAX))
		return error_set(error, STATUS_BAD_INPUT, "holdout must be 0 to %.1f", HOLDOUT_MAX);
	return STATUS_OK;
}

struct peak *peak_open(const struct peak_config *config, struct error *error)
{
	struct peak *peak;

	if (config_check(config, error) != STATUS_OK)
		return NULL;
	peak = mem_zalloc(1, sizeof(*peak));
	if (peak == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a forecast of peaks");
		return NULL;
	}
	peak->config = *config;
	peak->day = (size_t)(DAY_MS / config->slot_ms);
	peak->five = (size_t)(5 * MINUTE_MS / config->slot_ms);
	peak->ring_size = RING_DAYS * peak->day;
	peak->ring = mem_zalloc(peak->ring_size, sizeof(*peak->ring));
	peak->slow = peak->level = NAN;
	if (peak->ring == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for %zu slots", peak->ring_size);
		goto failed;
	}
	for (size_t i = 0; i < peak->ring_size; i++)
		peak->ring[i] = SLOT_MISSING;
	if (pending_init(&peak->pending, config->horizon, SAID_WIDTH, error) != STATUS_OK ||
		quantile_net_init(&peak->net, PEAK_INPUTS, peak_levels, PEAK_LEVELS, kernels_best(),
			error) != STATUS_OK)
		goto failed;
	return peak;
failed:
	peak_close(peak);
	return NULL;
}

void peak_close(struct peak *peak)
{
	if (peak == NULL)
		return;
	quantile_net_fini(&peak->net);
	pending_fini(&peak->pending);
	mem_free(peak->ring);
	mem_free(peak);
}

size_t peak_size(const struct peak *peak)
{
	return sizeof(*peak) + peak->ring_size * sizeof(*peak->ring) +
		peak->pending.rows * SAID_WIDTH * sizeof(double) +
		(2 * PEAK_INPUTS + peak->net.parameter_count) * sizeof(float);
}

bool peak_last(const struct peak *peak, int64_t *at_ms)
{
	if (peak->started)
		*at_ms = peak->last_ms;
	return peak->started;
}

/* ---- what the slots tell ---- */

static bool slot_known(double value)
{
	return value >= 0 && value <= VALUE_MAX;
}

static uint16_t slot_pack(double value)
{
	float number = (float)value;
	uint32_t bits;

	if (!slot_known(value))
		return SLOT_MISSING;
	memcpy(&bits, &number, sizeof(bits));
	/* A minus before a zero is none. */
	bits &= UINT32_MAX >> 1;
	return (uint16_t)((bits + (1u << (SLOT_SHIFT - 1))) >> SLOT_SHIFT);
}

/* The slot `back` slots before the newest, at most a ring's; NaN: missing. */
static double slot_back(const struct peak *peak, size_t back)
{
	size_t at = back <= peak->at ? peak->at - back : peak->at + peak->ring_size - back;
	uint32_t bits = (uint32_t)peak->ring[at] << SLOT_SHIFT;
	float number;

	if (peak->ring[at] == SLOT_MISSING)
		return NAN;
	memcpy(&number, &bits, sizeof(number));
	return (double)number;
}

struct summary {
	double mean, high, low; /* NaN: all are missing */
};

/* Of `count` slots, the last of them `back` slots before the newest. */
static struct summary summary_of(const struct peak *peak, size_t back, size_t count)
{
	struct summary summary = {0, -HUGE_VAL, HUGE_VAL};
	double known = 0;

	for (size_t i = back; i < back + count; i++) {
		double value = slot_back(peak, i);

		if (isnan(value))
			continue;
		known++;
		summary.mean += value;
		summary.high = fmax(summary.high, value);
		summary.low = fmin(summary.low, value);
	}
	if (known == 0)
		return (struct summary){NAN, NAN, NAN};
	summary.mean /= known;
	return summary;
}

static double level_back(const struct peak *peak, size_t back)
{
	return summary_of(peak, back, 2).mean;
}

static double level_floor(const struct peak *peak)
{
	return fmax(.01 * peak->slow, 1e-12);
}

/* The logarithm of a value against the present level, bounded; what is unknown is 0. A hundredth of the
 * usual level is added to both, so that a lone request at night is no thousandfold. */
static float ratio(const struct peak *peak, double value)
{
	double floor = level_floor(peak);

	if (isnan(value))
		return 0;
	return (float)fmin(fmax(log((value + floor) / (peak->level + floor)), -RATIO_MAX),
		RATIO_MAX);
}

/* `days` days ago: the maximum of what followed, the level, the maximum around, the slope. */
static float *days_ago(const struct peak *peak, size_t days, float *inputs)
{
	size_t back = days * peak->day, five = peak->five;
	double before = summary_of(peak, back, five).mean;
	double after = summary_of(peak, back - five, five).mean;

	*inputs++ = ratio(peak,
		summary_of(peak, back - peak->config.horizon, peak->config.horizon).high);
	*inputs++ = ratio(peak, before);
	*inputs++ = ratio(peak, summary_of(peak, back - five, 2 * five + 1).high);
	*inputs++ = ratio(peak, after) - (isnan(after) ? 0 : ratio(peak, before));
	return inputs;
}

static float *calendar(int64_t at_ms, float *inputs)
{
	double day = TWO_PI * (double)((at_ms % DAY_MS + DAY_MS) % DAY_MS) / DAY_MS;
	double hour = TWO_PI * (double)((at_ms % HOUR_MS + HOUR_MS) % HOUR_MS) / HOUR_MS;

	for (int i = 1; i <= 3; i++) {
		*inputs++ = (float)sin(day * i);
		*inputs++ = (float)cos(day * i);
	}
	for (int i = 1; i <= 2; i++) {
		*inputs++ = (float)sin(hour * i);
		*inputs++ = (float)cos(hour * i);
	}
	return inputs;
}

static size_t minute_of(int64_t at_ms)
{
	return (size_t)((at_ms % HOUR_MS + HOUR_MS) % HOUR_MS / MINUTE_MS);
}

/* The level is known. inputs: [PEAK_INPUTS]. */
static void inputs_fill(const struct peak *peak, float *inputs)
{
	static const size_t lags[] = {1, 2, 4, 6, 10, 16, 24, 40, 80, 160, 240};
	const struct summary late = summary_of(peak, 0, 40);
	/* Of the minute that the horizon ends in, for that is when the burst is to be foreseen. */
	int64_t then_ms = peak->last_ms + (int64_t)peak->config.horizon * peak->config.slot_ms;
	size_t minute = minute_of(then_ms), today = minute_of(peak->last_ms) % 30;
	float *begin = inputs;

	for (size_t i = 0; i < ARRAY_COUNT(lags); i++)
		*inputs++ = ratio(peak, level_back(peak, lags[i]));
	*inputs++ = ratio(peak, summary_of(peak, 0, 8).mean);
	*inputs++ = ratio(peak, late.mean);
	*inputs++ = ratio(peak, summary_of(peak, 0, 120).mean);
	*inputs++ = ratio(peak, late.high);
	*inputs++ = ratio(peak, late.low);
	*inputs++ = ratio(peak, slot_back(peak, 0));
	inputs = days_ago(peak, 1, inputs);
	inputs = days_ago(peak, 7, inputs);
	inputs = calendar(peak->last_ms, inputs);
	*inputs++ = (float)fmin(peak->burst_mean[minute], RATIO_MAX);
	*inputs++ = (float)fmin(peak->burst_max[minute], RATIO_MAX);
	*inputs++ = (float)log(1 + peak->since / 20);
	for (size_t i = 0; i < 30; i++)
		*inputs++ = i == today ? 1 : 0;
	CHECK(inputs == begin + PEAK_INPUTS);
}

static void slot_take(struct peak *peak, double value, int64_t at_ms)
{
	size_t minute = minute_of(at_ms);
	double size;

	peak->at = (peak->at + 1) % peak->ring_size;
	peak->ring[peak->at] = slot_pack(value);
	peak->last_ms = at_ms;
	peak->started = true;
	peak->level = level_back(peak, 0);
	peak->since++;
	if (isnan(peak->level))
		return;
	size = peak->slow > 0 ? peak->level / peak->slow : 1;
	if (size > BURST)
		peak->since = 0;
	size = size > BURST ? log(size) : 0;
	peak->burst_mean[minute] += (1 - BURST_MEAN_KEPT) * (size - peak->burst_mean[minute]);
	peak->burst_max[minute] = fmax(peak->burst_max[minute] * BURST_MAX_KEPT, size);
	peak->slow = isnan(peak->slow) ? peak->level
				       : peak->slow + SLOW_WEIGHT * (peak->level - peak->slow);
}

/* ---- saying and learning ---- */

static double pinball(double value, double said, double level)
{
	return value >= said ? level * (value - said) : (level - 1) * (value - said);
}

/* In units of the level as it was, so that the busy hours are not all that counts. */
static void losses_take(struct peak *peak, const double *said, double high)
{
	double kept = exp2(-2 / (double)peak->day), loss = 0, plain = 0;
	double unit = said[SAID_LEVEL] + said[SAID_FLOOR];

	for (size_t j = 0; j < PEAK_LEVELS; j++) {
		double multiple = unit * exp(peak->multiples[j]) - said[SAID_FLOOR];

		loss += pinball(high, said[j], (double)peak_levels[j]) / unit;
		plain += pinball(high, multiple, (double)peak_levels[j]) / unit;
	}
	peak->loss = kept * peak->loss + loss;
	peak->multiples_loss = kept * peak->multiples_loss + plain;
	peak->outcomes++;
}

double peak_skill(const struct peak *peak)
{
	if (peak->outcomes < PEAK_SKILL_OUTCOMES || !(peak->multiples_loss > 0))
		return NAN;
	return 1 - peak->loss / peak->multiples_loss;
}

/* What was said `horizon` slots ago, now that all of its slots are known. */
static void outcome_learn(struct peak *peak)
{
	const double *said = pending_back(&peak->pending, peak->config.horizon - 1);
	double high = summary_of(peak, 0, peak->config.horizon).high;

	if (isnan(said[0]) || isnan(high))
		return;
	losses_take(peak, said, high);
	for (size_t j = 0; j < PEAK_LEVELS; j++) {
		double missed = high > said[j] ? 1 : 0;

		peak->shift[j] += PEAK_RATE * (missed - (1 - (double)peak_levels[j]));
		peak->shift[j] = fmin(fmax(peak->shift[j], PEAK_SHIFT_LOW), PEAK_SHIFT_HIGH);
	}
}

static void peak_say(struct peak *peak)
{
	double *said = pending_next(&peak->pending);
	float inputs[PEAK_INPUTS], quantiles[PEAK_LEVELS];
	double floor = level_floor(peak), before = 0;

	for (size_t j = 0; j < SAID_WIDTH; j++)
		said[j] = NAN;
	if (!peak->fitted || isnan(peak->level))
		return;
	said[SAID_LEVEL] = peak->level;
	said[SAID_FLOOR] = floor;
	inputs_fill(peak, inputs);
	quantile_net_predict(&peak->net, inputs, quantiles);
	for (size_t j = 0; j < PEAK_LEVELS; j++) {
		double high = (peak->level + floor) * exp((double)quantiles[j]) - floor;

		said[j] = fmax(high * exp(peak->shift[j]), before);
		before = said[j];
	}
}

static void slot_absorb(struct peak *peak, double value, int64_t at_ms)
{
	slot_take(peak, value, at_ms);
	outcome_learn(peak);
	peak_say(peak);
}

void peak_step(struct peak *peak, double value, int64_t at_ms)
{
	if (peak->started) {
		uint64_t width = (uint64_t)peak->config.slot_ms, behind, gap;

		if (at_ms <= peak->last_ms)
			return;
		/* Of unsigned numbers, so that no distance is too far. */
		behind = (uint64_t)at_ms - (uint64_t)peak->last_ms;
		gap = behind / width + (behind % width * 2 >= width ? 1 : 0);
		if (gap == 0)
			return;
		for (uint64_t rows = gap - 1 < GAP_MAX ? gap - 1 : GAP_MAX; rows > 0; rows--)
			slot_absorb(peak, NAN, at_ms - (int64_t)(rows * width));
	}
	slot_absorb(peak, value, at_ms);
}

void peak_predict(const struct peak *peak, double *quantiles)
{
	memcpy(quantiles, pending_back(&peak->pending, 0), PEAK_LEVELS * sizeof(*quantiles));
}

/* ---- fitting ---- */

/* The target of slot i, whose level is known; NaN when a slot of the horizon is missing. */
static float target_of(const struct peak *peak, const double *values, size_t count, size_t i)
{
	double high = 0;

	if (i + peak->config.horizon >= count)
		return NAN;
	for (size_t k = 1; k <= peak->config.horizon; k++) {
		if (!slot_known(values[i + k]))
			return NAN;
		high = fmax(high, values[i + k]);
	}
	return ratio(peak, high);
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* targets: [count], sorted and packed to the known ones, of which there is one at least. */
static void multiples_take(struct peak *peak, float *targets, size_t count)
{
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		if (!isnan(targets[i]))
			targets[known++] = targets[i];
	qsort(targets, known, sizeof(*targets), ascending);
	for (size_t j = 0; j < PEAK_LEVELS; j++)
		peak->multiples[j] =
			(double)targets[(size_t)((double)(known - 1) * (double)peak_levels[j])];
}

/* The net on the first `count` of the slots, along which the state goes. */
static enum status net_fit(struct peak *peak, const double *values, size_t count, int64_t start_ms,
	struct error *error)
{
	float *inputs = mem_zalloc(count * PEAK_INPUTS, sizeof(*inputs));
	float *targets = mem_zalloc(count, sizeof(*targets));
	struct quantile_net_training training;
	enum status status = STATUS_OK;
	size_t known = 0;
	double loss;

	if (inputs == NULL || targets == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "no memory for %zu slots", count);
		goto done;
	}
	for (size_t i = 0; i < count; i++) {
		slot_take(peak, values[i], start_ms + (int64_t)i * peak->config.slot_ms);
		targets[i] = NAN;
		if (isnan(peak->level))
			continue;
		inputs_fill(peak, inputs + i * PEAK_INPUTS);
		targets[i] = target_of(peak, values, count, i);
		known += isnan(targets[i]) ? 0 : 1;
	}
	if (known < PEAK_FIT_SLOTS_MIN) {
		status = error_set(error, STATUS_BAD_INPUT,
			"%zu slots with an outcome: %d are the least to fit", known,
			PEAK_FIT_SLOTS_MIN);
		goto done;
	}
	quantile_net_training_default(&training);
	training.epochs = peak->config.epochs;
	training.seed = peak->config.seed;
	status = quantile_net_train(&peak->net, inputs, targets, count, &training, &loss, error);
	peak->fitted = status == STATUS_OK;
	if (peak->fitted)
		multiples_take(peak, targets, count);
done:
	mem_free(inputs);
	mem_free(targets);
	return status;
}

enum status peak_fit(struct peak *peak, const double *values, size_t count, int64_t start_ms,
	struct error *error)
{
	size_t kept = (size_t)((double)count * peak->config.holdout);
	enum status status = net_fit(peak, values, count - kept, start_ms, error);

	if (status != STATUS_OK)
		return status;
	peak_say(peak);
	for (size_t i = count - kept; i < count; i++)
		slot_absorb(peak, values[i], start_ms + (int64_t)i * peak->config.slot_ms);
	return STATUS_OK;
}

/* ---- keeping ---- */

void peak_pack(struct peak *peak, struct pack *pack)
{
	pack_same(pack, (uint64_t)peak->config.slot_ms);
	pack_same(pack, peak->config.horizon);
	pack_flag(pack, &peak->fitted);
	pack_flag(pack, &peak->started);
	pack_bytes(pack, peak->ring, peak->ring_size * sizeof(*peak->ring));
	pack_index(pack, &peak->at, peak->ring_size - 1);
	pack_value(pack, &peak->last_ms);
	pack_value(pack, &peak->slow);
	pack_value(pack, &peak->level);
	pack_value(pack, &peak->since);
	pack_value(pack, &peak->burst_mean);
	pack_value(pack, &peak->burst_max);
	pack_value(pack, &peak->shift);
	pack_value(pack, &peak->multiples);
	pack_value(pack, &peak->loss);
	pack_value(pack, &peak->multiples_loss);
	pack_value(pack, &peak->outcomes);
	pending_pack(&peak->pending, pack);
	quantile_net_pack(&peak->net, pack);
}
