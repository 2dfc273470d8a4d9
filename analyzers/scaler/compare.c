/*
 * Draws are made once a seed and kept, so that policies and the settings of the advice meet the same
 * traffic: what differs between two rows is the policy alone.
 */
#include "analyzers/scaler/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/policies.h"
#include "base/check.h"
#include "base/mem.h"

struct comparing {
	const struct compare_options *options;
	struct comparison *comparison;
	struct load load;
	struct policy_scene scene;
	struct draw *draws; /* [seeds] */
	size_t drawn;
	double done, all; /* runs, for the progress */
};

static const int windows_s[COMPARE_WINDOWS] = {120, 300, 600, 1200, 1800};

void compare_options_default(struct compare_options *options)
{
	*options = (struct compare_options){.scale = 1,
		.seeds = 1,
		.seed = 1,
		.objective = 0.5,
		.hpa_whole_percent = true};
	plant_config_default(&options->plant);
}

static void tell_progress(struct comparing *at, const char *what)
{
	const struct compare_options *options = at->options;

	at->done++;
	if (options->progress != NULL)
		options->progress(options->progress_user, fmin(1, at->done / at->all), what);
}

/* ---- figures ---- */

static void figures_of(const struct run_outcome *outcome, double price,
	double figures[COMPARE_FIGURES])
{
	figures[COMPARE_VIOLATED] = run_outcome_violated(outcome);
	figures[COMPARE_BAD] = run_outcome_bad(outcome);
	figures[COMPARE_COST] = run_outcome_cost(outcome);
	figures[COMPARE_POD_HOURS] = run_outcome_pod_hours(outcome);
	figures[COMPARE_EVENTS] = run_outcome_events_a_day(outcome);
	figures[COMPARE_REVERSALS] = run_outcome_reversals_a_day(outcome);
	figures[COMPARE_MONEY] = run_outcome_pod_hours(outcome) * price;
}

/* Welford's mean and variance, one seed at a time; the deviation holds the sum of squares until the end. */
static void spread_add(struct compare_spread *spread, double value, size_t count)
{
	double apart = value - spread->mean;

	spread->mean += apart / (double)count;
	spread->deviation += apart * (value - spread->mean);
	spread->low = count == 1 ? value : fmin(spread->low, value);
	spread->high = count == 1 ? value : fmax(spread->high, value);
}

static void spread_end(struct compare_spread *spread, size_t count)
{
	spread->deviation = count > 1 ? sqrt(spread->deviation / (double)(count - 1)) : 0;
}

/* ---- runs ---- */

static void run_one(struct comparing *at, struct policy *policy, size_t seed, struct trail *trail,
	struct run_outcome *outcome)
{
	const struct compare_options *options = at->options;
	struct simulate_options run = {.plant = &options->plant,
		.first_slot = options->first_minute * POLICY_SLOTS_PER_MINUTE,
		.seed = options->seed + seed,
		.trail = trail};

	at->scene.draw = &at->draws[seed];
	simulate(&run, &at->load, &at->draws[seed], policy, outcome);
	at->comparison->slots += (double)(at->load.slots - run.first_slot);
}

static enum status trail_open(struct trail *trail, size_t minutes, struct error *error)
{
	trail->rate = mem_zalloc(minutes, sizeof(*trail->rate));
	trail->wanted = mem_zalloc(minutes, sizeof(*trail->wanted));
	trail->ready = mem_zalloc(minutes, sizeof(*trail->ready));
	trail->violated = mem_zalloc(minutes, sizeof(*trail->violated));
	if (trail->rate == NULL || trail->wanted == NULL || trail->ready == NULL ||
		trail->violated == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	return STATUS_OK;
}

static enum status run_policy(struct comparing *at, const char *name, struct error *error)
{
	const struct compare_options *options = at->options;
	struct comparison *comparison = at->comparison;
	struct compare_row *row = &comparison->rows[comparison->row_count];
	struct policy policy;
	enum status status = policy_open(&policy, name, &at->scene, error);

	if (status != STATUS_OK)
		return status;
	/* Counted at once: comparison_fini() frees its trail whatever comes. */
	comparison->row_count++;
	snprintf(row->policy, sizeof(row->policy), "%s", name);
	if (policy.training != NULL)
		row->training = *policy.training;
	if (options->trails)
		status = trail_open(&row->trail, options->trace->minutes, error);
	for (size_t seed = 0; status == STATUS_OK && seed < options->seeds; seed++) {
		double figures[COMPARE_FIGURES];
		struct run_outcome outcome;

		run_one(at, &policy, seed, options->trails && seed == 0 ? &row->trail : NULL,
			&outcome);
		if (policy.trials != NULL && seed == 0)
			row->trials = *policy.trials;
		figures_of(&outcome, options->price, figures);
		for (size_t f = 0; f < COMPARE_FIGURES; f++)
			spread_add(&row->figures[f], figures[f], seed + 1);
		comparison->judged_minutes = outcome.minutes;
		comparison->oracle_pod_hours = outcome.oracle_pod_slots * POLICY_SLOT_S / 3600;
		tell_progress(at, name);
	}
	for (size_t f = 0; f < COMPARE_FIGURES; f++)
		spread_end(&row->figures[f], options->seeds);
	policy_close(&policy);
	return status;
}

/* ---- advice ---- */

/* Means over the seeds at one setting of the HPA. */
static enum status try_setting(struct comparing *at, double target_percent, int window_s,
	struct compare_advice *advice, struct error *error)
{
	const struct compare_options *options = at->options;
	struct hpa_config config;
	struct policy policy = {.name = "advice"};
	enum status status;

	hpa_config_default(&config);
	config.whole_percent = options->hpa_whole_percent;
	config.replicas_min = options->plant.replicas_min;
	config.replicas_max = options->plant.replicas_max;
	config.target_percent = target_percent;
	config.down.window_s = window_s;
	status = hpa_policy_open(&policy, &config, error);
	if (status != STATUS_OK)
		return status;
	*advice = (struct compare_advice){.asked = true,
		.target_percent = target_percent,
		.window_s = window_s};
	for (size_t seed = 0; seed < options->seeds; seed++) {
		struct run_outcome outcome;
		double part = 1 / (double)options->seeds;

		run_one(at, &policy, seed, NULL, &outcome);
		advice->violated += part * run_outcome_violated(&outcome);
		advice->bad += part * run_outcome_bad(&outcome);
		advice->cost += part * run_outcome_cost(&outcome);
		advice->pod_hours += part * run_outcome_pod_hours(&outcome);
		tell_progress(at, "advice for the HPA");
	}
	advice->found = advice->violated <= options->objective && advice->bad <= options->objective;
	policy_close(&policy);
	return STATUS_OK;
}

/* Whether a setting is to be preferred: within the objective the cheaper one, else the one that comes
 * nearer to it. */
static bool better(const struct compare_advice *one, const struct compare_advice *best)
{
	if (!best->asked || one->found != best->found)
		return !best->asked || one->found;
	if (one->found)
		return one->pod_hours < best->pod_hours;
	return fmax(one->violated, one->bad) < fmax(best->violated, best->bad);
}

static enum status advise(struct comparing *at, struct error *error)
{
	for (int t = 0; t < COMPARE_TARGETS; t++) {
		for (int w = 0; w < COMPARE_WINDOWS; w++) {
			struct compare_advice one;
			enum status status =
				try_setting(at, 25 + 2.5 * t, windows_s[w], &one, error);

			if (status != STATUS_OK)
				return status;
			if (better(&one, &at->comparison->advice))
				at->comparison->advice = one;
		}
	}
	return STATUS_OK;
}

/* ---- all ---- */

static enum status make_draws(struct comparing *at, struct error *error)
{
	const struct compare_options *options = at->options;
	enum status status = STATUS_OK;

	at->draws = mem_zalloc(options->seeds, sizeof(*at->draws));
	if (at->draws == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	while (status == STATUS_OK && at->drawn < options->seeds) {
		status = draw_make(&at->draws[at->drawn], &at->load, &options->plant,
			options->seed + at->drawn, error);
		if (status == STATUS_OK)
			at->drawn++;
	}
	return status;
}

enum status compare(const struct compare_options *options, struct comparison *comparison,
	struct error *error)
{
	struct comparing at = {.options = options, .comparison = comparison};
	double settings = options->advice ? COMPARE_TARGETS * COMPARE_WINDOWS : 0;
	enum status status;

	CHECK(options->seeds >= 1 && options->seeds <= COMPARE_SEEDS_MAX &&
		options->policy_count <= COMPARE_POLICIES_MAX);
	*comparison = (struct comparison){.options = options};
	if (options->first_minute + SIMULATE_TAIL_SLOTS / POLICY_SLOTS_PER_MINUTE >=
		options->trace->minutes)
		return error_set(error, STATUS_BAD_INPUT,
			"%s: nothing is left to judge: the trace has %zu minutes, of which %zu are "
			"history",
			options->trace->name, options->trace->minutes, options->first_minute);
	at.scene = (struct policy_scene){.load = &at.load,
		.plant = &options->plant,
		.first_slot = options->first_minute * POLICY_SLOTS_PER_MINUTE,
		.hpa_whole_percent = options->hpa_whole_percent};
	at.all = ((double)options->policy_count + settings) * (double)options->seeds;
	status = load_init(&at.load, options->trace, options->scale, error);
	if (status == STATUS_OK)
		status = make_draws(&at, error);
	for (size_t i = 0; status == STATUS_OK && i < options->policy_count; i++)
		status = run_policy(&at, options->policies[i], error);
	if (status == STATUS_OK && options->advice)
		status = advise(&at, error);
	if (status != STATUS_OK)
		comparison_fini(comparison);
	for (size_t i = 0; i < at.drawn; i++)
		draw_fini(&at.draws[i]);
	mem_free(at.draws);
	load_fini(&at.load);
	return status;
}

void comparison_fini(struct comparison *comparison)
{
	for (size_t i = 0; i < comparison->row_count; i++) {
		struct trail *trail = &comparison->rows[i].trail;

		mem_free(trail->rate);
		mem_free(trail->wanted);
		mem_free(trail->ready);
		mem_free(trail->violated);
	}
	comparison->row_count = 0;
}
