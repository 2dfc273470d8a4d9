/*
 * Days are drawn with replacement, both policies' outcomes of a day together.
 */
#include "analyzers/scaler/off_policy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

#define SEED 1
#define PART .05 /* beyond each bound */

/* What is drawn, [draw]. */
struct draws {
	double violated[OFF_POLICY_DRAWS], bad[OFF_POLICY_DRAWS];
	double better;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The mean is that of the days themselves. */
static void interval_of(double *draws, double mean, struct off_policy_interval *interval)
{
	qsort(draws, OFF_POLICY_DRAWS, sizeof(*draws), compare_doubles);
	*interval = (struct off_policy_interval){mean, draws[(size_t)(PART * OFF_POLICY_DRAWS)],
		draws[(size_t)((1 - PART) * OFF_POLICY_DRAWS) - 1]};
}

/* The part of the objective that choices keep as a margin (NIGHTLY_PART) is one for just what is drawn here: a
 * draw is within the objective when it is within all of it. */
#define WHOLE(objective) ((objective) / NIGHTLY_PART)

/* Of the days picked[day_count]: how far apart the two are, and whether the first is to be preferred. */
static bool compare_picked(const struct nightly_day *days, const struct nightly_floor *floors,
	const size_t *picked, size_t day_count, const size_t *pair, double objective,
	double *violated, double *bad)
{
	struct nightly_sum sums[2] = {{0}};
	double minutes = 0, requests = 0, slots = 0, more_violated = 0, more_bad = 0;

	for (size_t d = 0; d < day_count; d++) {
		const struct nightly_day *day = &days[picked[d]];
		const struct nightly_outcome *one = &day->outcomes[pair[0]];
		const struct nightly_outcome *other = &day->outcomes[pair[1]];

		minutes += (double)day->minutes;
		requests += (double)day->requests;
		slots += (double)day->slots;
		more_violated += (double)(one->violated - other->violated);
		more_bad += (double)(one->bad - other->bad);
		nightly_sum_add(&sums[0], one, &floors[picked[d]]);
		nightly_sum_add(&sums[1], other, &floors[picked[d]]);
	}
	*violated = 100 * more_violated / fmax(minutes, 1);
	*bad = 100 * more_bad / fmax(requests, 1);
	for (size_t i = 0; i < 2; i++)
		nightly_sum_end(&sums[i], minutes, requests, slots, NIGHTLY_MISS_PRICE,
			WHOLE(objective));
	return nightly_better(&sums[0], &sums[1]);
}

void off_policy_compare(const struct nightly_day *days, size_t day_count, size_t policy,
	size_t other, double objective, struct off_policy_estimate *estimate)
{
	const struct off_policy_interval unknown = {NAN, NAN, NAN};
	const size_t pair[2] = {policy, other};
	struct nightly_floor floors[NIGHTLY_DAYS];
	size_t picked[NIGHTLY_DAYS];
	struct nightly_advantage price;
	struct draws draws = {.better = 0};
	struct random random;
	double violated, bad;

	CHECK(day_count <= NIGHTLY_DAYS && policy < NIGHTLY_POLICIES && other < NIGHTLY_POLICIES);
	*estimate = (struct off_policy_estimate){day_count, unknown, unknown, unknown, NAN};
	if (day_count < 2)
		return;
	for (size_t d = 0; d < day_count; d++)
		nightly_floor_of(days[d].outcomes, NIGHTLY_POLICIES, NIGHTLY_DEAR, &floors[d]);
	random_init(&random, SEED);
	for (size_t i = 0; i < OFF_POLICY_DRAWS; i++) {
		for (size_t d = 0; d < day_count; d++)
			picked[d] = (size_t)random_below(&random, day_count);
		draws.better += compare_picked(days, floors, picked, day_count, pair, objective,
			&draws.violated[i], &draws.bad[i]);
	}
	for (size_t d = 0; d < day_count; d++)
		picked[d] = d;
	(void)compare_picked(days, floors, picked, day_count, pair, objective, &violated, &bad);
	interval_of(draws.violated, violated, &estimate->violated);
	interval_of(draws.bad, bad, &estimate->bad);
	estimate->better = draws.better / OFF_POLICY_DRAWS;
	nightly_advantage(days, day_count, policy, other, &price);
	estimate->price = (struct off_policy_interval){expm1(price.mean), expm1(price.low),
		expm1(price.high)};
}

/* ---- writing ---- */

static void add_interval(struct buf *json, const char *name, const struct off_policy_interval *one)
{
	buf_printf(json, ",\"%s\":{\"mean\":", name);
	buf_add_json_number(json, one->mean);
	buf_add_text(json, ",\"low\":");
	buf_add_json_number(json, one->low);
	buf_add_text(json, ",\"high\":");
	buf_add_json_number(json, one->high);
	buf_add_char(json, '}');
}

void off_policy_write_json(const struct off_policy_trials *trials, struct buf *json)
{
	buf_add_char(json, '[');
	for (size_t i = 0; i < trials->count; i++) {
		const struct off_policy_trial *trial = &trials->trials[i];
		const struct off_policy_estimate *estimate = &trial->estimate;

		buf_printf(json, "%s{\"arm\":", i > 0 ? "," : "");
		buf_add_json_string(json, trial->arm, strlen(trial->arm));
		buf_add_text(json, ",\"against\":");
		buf_add_json_string(json, trial->against, strlen(trial->against));
		buf_printf(json, ",\"serves\":%s,\"days\":%zu", trial->serves ? "true" : "false",
			estimate->days);
		add_interval(json, "price", &estimate->price);
		add_interval(json, "violated_points", &estimate->violated);
		add_interval(json, "bad_points", &estimate->bad);
		buf_add_text(json, ",\"better\":");
		buf_add_json_number(json, estimate->better);
		buf_add_char(json, '}');
	}
	buf_add_char(json, ']');
}

void off_policy_write_words(const struct off_policy_trial *trial, struct buf *text)
{
	const struct off_policy_estimate *estimate = &trial->estimate;
	const struct off_policy_interval *price = &estimate->price, *violated = &estimate->violated;

	if (estimate->days < 2) {
		buf_printf(text, "%s against %s: %zu days replayed, nothing is known yet",
			trial->arm, trial->against, estimate->days);
		return;
	}
	buf_printf(text,
		"%s against %s, %zu days replayed: price %+.1f %% (90 %%: %+.1f to %+.1f), "
		"violated minutes %+.2f points (%+.2f to %+.2f), better in %.0f %% of %d draws, %s",
		trial->arm, trial->against, estimate->days, 100 * price->mean, 100 * price->low,
		100 * price->high, violated->mean, violated->low, violated->high,
		100 * estimate->better, OFF_POLICY_DRAWS,
		trial->serves ? "serves" : "does not serve");
}
