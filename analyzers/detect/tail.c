/*
 * The last excesses in a ring; the distribution is fitted anew with every REFIT-th of them.
 */
#include "analyzers/detect/tail.h"

#include <math.h>
#include <stdlib.h>

#include "analyzers/pack.h"

#define LEVEL_DEFAULT 0.98
#define PROBABILITY_DEFAULT 1e-3
#define REFIT 8
/* Single precision holds it. */
#define EXCESS_MAX 1e38

static double within(double value, double low, double high, double otherwise)
{
	if (!(value > 0))
		return otherwise;
	return value < low ? low : value > high ? high : value;
}

void tail_init(struct tail *tail, const struct tail_config *config)
{
	*tail = (struct tail){.quantile = NAN, .threshold = NAN};
	tail->config.level = within(config->level, 0.5, 0.999, LEVEL_DEFAULT);
	tail->config.probability =
		within(config->probability, 1e-9, 1 - tail->config.level, PROBABILITY_DEFAULT);
	tail->config.depth = config->depth < TAIL_DEPTH_MAX ? config->depth : TAIL_DEPTH_MAX;
	tail->config.recent = config->recent;
	if (config->recent == NULL)
		tail->config.depth = 0;
}

/* The score, or its distance from the mean of the last ones; NaN while there are none. */
static double distance_of(const struct tail *tail, double score)
{
	if (tail->config.depth == 0)
		return score;
	return tail->recent_count > 0 ? score - tail->recent_sum / (double)tail->recent_count : NAN;
}

static void remember(struct tail *tail, double score)
{
	if (tail->config.depth == 0)
		return;
	if (tail->recent_count == tail->config.depth)
		tail->recent_sum -= tail->config.recent[tail->recent_next];
	else
		tail->recent_count++;
	tail->config.recent[tail->recent_next] = score;
	tail->recent_sum += score;
	tail->recent_next = (tail->recent_next + 1) % tail->config.depth;
	if (tail->recent_next == 0) {
		/* Once a round the sum is taken anew, so that no rounding is carried along. */
		tail->recent_sum = 0;
		for (size_t i = 0; i < tail->recent_count; i++)
			tail->recent_sum += tail->config.recent[i];
	}
}

static void keep_excess(struct tail *tail, double excess)
{
	tail->excesses[tail->excess_next] = (float)fmin(excess, EXCESS_MAX);
	tail->excess_next = (tail->excess_next + 1) % TAIL_EXCESSES_MAX;
	tail->excess_count += tail->excess_count < TAIL_EXCESSES_MAX;
	tail->excess_fresh++;
	tail->over++;
}

static void refit(struct tail *tail)
{
	double excesses[TAIL_EXCESSES_MAX], over;

	tail->excess_fresh = 0;
	for (size_t i = 0; i < tail->excess_count; i++)
		excesses[i] = (double)tail->excesses[i];
	tail->pareto = pareto_fit(excesses, tail->excess_count);
	over = tail->over > 0 ? (double)tail->over / (double)tail->seen : 1 - tail->config.level;
	tail->threshold = tail->quantile;
	if (over > tail->config.probability)
		tail->threshold += pareto_excess(&tail->pareto, tail->config.probability / over);
	/* Scores that are all alike have no tail; only what is over them is an alarm. */
	if (tail->threshold <= tail->quantile)
		tail->threshold = nextafter(tail->quantile, INFINITY);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

bool tail_fit(struct tail *tail, const double *scores, size_t count, double *scratch)
{
	struct tail fresh;
	size_t kept = 0;

	tail_init(&fresh, &tail->config);
	for (size_t i = 0; i < count; i++)
		kept += isfinite(scores[i]) ? 1 : 0;
	/* The first has no mean that it could be held against. */
	if (kept < TAIL_SCORES_MIN + (fresh.config.depth > 0 ? 1 : 0))
		return false;
	kept = 0;
	for (size_t i = 0; i < count; i++) {
		double distance = isfinite(scores[i]) ? distance_of(&fresh, scores[i]) : NAN;

		if (isfinite(distance))
			scratch[kept++] = distance;
		if (isfinite(scores[i]))
			remember(&fresh, scores[i]);
	}
	qsort(scratch, kept, sizeof(*scratch), compare);
	fresh.quantile = scratch[(size_t)(fresh.config.level * (double)(kept - 1))];
	fresh.seen = kept;
	for (size_t i = 0; i < kept; i++)
		if (scratch[i] > fresh.quantile)
			keep_excess(&fresh, scratch[i] - fresh.quantile);
	fresh.fitted = true;
	refit(&fresh);
	*tail = fresh;
	return true;
}

double tail_step(struct tail *tail, double score)
{
	double distance, probability = 1;

	if (!tail->fitted || !isfinite(score))
		return NAN;
	distance = distance_of(tail, score);
	if (distance > tail->quantile)
		probability = (double)tail->over / (double)tail->seen *
			pareto_tail(&tail->pareto, distance - tail->quantile);
	if (distance >= tail->threshold)
		/* An alarm teaches nothing, or a long one would become the usual. */
		return probability < tail->config.probability ? probability
							      : tail->config.probability;
	remember(tail, score);
	tail->seen++;
	if (distance > tail->quantile) {
		keep_excess(tail, distance - tail->quantile);
		if (tail->excess_fresh >= REFIT)
			refit(tail);
	}
	return probability;
}

void tail_pack(struct tail *tail, struct pack *pack)
{
	if (tail->config.depth > 0)
		pack_fail(pack);
	pack_flag(pack, &tail->fitted);
	pack_value(pack, &tail->quantile);
	pack_value(pack, &tail->pareto);
	pack_value(pack, &tail->seen);
	pack_value(pack, &tail->over);
	pack_index(pack, &tail->excess_count, TAIL_EXCESSES_MAX);
	pack_index(pack, &tail->excess_next, TAIL_EXCESSES_MAX - 1);
	pack_index(pack, &tail->excess_fresh, TAIL_EXCESSES_MAX);
	pack_value(pack, &tail->excesses);
	pack_value(pack, &tail->threshold);
}

double tail_threshold(const struct tail *tail)
{
	if (!tail->fitted || tail->config.depth == 0)
		return tail->threshold;
	return tail->threshold + tail->recent_sum / (double)tail->recent_count;
}
