/*
 * Accounts of the parties. A window or block that is not complete when the next one begins (the stream was
 * away, or the service) is judged by the slots that it has, if there are enough of them.
 */
#include "analyzers/scaler/feedback.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/qlearning.h"
#include "base/check.h"

/* A window with fewer slots tells nothing; a block neither. */
#define WINDOW_SLOTS_MIN 20
#define BLOCK_SLOTS_MIN 120
#define BLOCKS_MIN 3
/* Six hours. */
#define LEAD_WEIGHT (1.0 / 36)
#define ERROR_WEIGHT (1.0 / 36)
/* What is predicted is a quantile of .8 or more: at .8 so many of 64 are missed once in 500 times. */
#define DRIFT_WINDOWS_MIN 36
#define DRIFT_MISSES_MAX 0.35
#define DRIFT_LEAD 0.05
/* Neighbouring hours may be this much alike before the interval is of no use. */
#define ALIKE_MAX 0.9

static const char *const party_names[FEEDBACK_PARTIES] = {
#define X(party, name) [party] = name,
	FEEDBACK_PARTY_TABLE(X)
#undef X
};

const char *feedback_party_name(enum feedback_party party)
{
	CHECK((unsigned)party < FEEDBACK_PARTIES);
	return party_names[party];
}

void feedback_init(struct feedback *feedback)
{
	memset(feedback, 0, sizeof(*feedback));
	feedback->window_number = feedback->block_number = -1;
	feedback->predicted = feedback->came = feedback->error = NAN;
	for (int party = 0; party < FEEDBACK_PARTIES; party++) {
		feedback->savings[party].before = NAN;
		feedback->last.reward[party] = feedback->last.pods[party] =
			feedback->last.late[party] = NAN;
	}
	feedback->last.predicted = feedback->last.came = NAN;
}

double feedback_reward(const struct feedback_sums *sums)
{
	struct qlearning_config config;

	if (!(sums->slots > 0))
		return NAN;
	qlearning_config_default(&config);
	return qlearning_reward_balanced(&config, sums->late / sums->slots,
		sums->efficiency / sums->slots, sums->changes);
}

static double smooth(double before, double value, double weight)
{
	return isnan(before) ? value : before + weight * (value - before);
}

static void judge_prediction(struct feedback *feedback, struct feedback_window *window)
{
	window->predicted = feedback->predicted;
	window->came = feedback->came;
	if (!(window->predicted > 0) || !(window->came > 0))
		return;
	feedback->error =
		smooth(feedback->error, fabs(log(window->came / window->predicted)), ERROR_WEIGHT);
	feedback->missed = feedback->missed << 1 | (window->came > window->predicted);
	if (feedback->predicted_windows < FEEDBACK_MISSES)
		feedback->predicted_windows++;
}

static void end_window(struct feedback *feedback)
{
	struct feedback_window *last = &feedback->last;

	if (feedback->window[FEEDBACK_OURS].slots >= WINDOW_SLOTS_MIN) {
		last->end = (feedback->window_number + 1) * FEEDBACK_WINDOW_SLOTS;
		for (int party = 0; party < FEEDBACK_PARTIES; party++) {
			const struct feedback_sums *sums = &feedback->window[party];

			last->reward[party] = feedback_reward(sums);
			last->pods[party] = sums->slots > 0 ? sums->pods / sums->slots : NAN;
			last->late[party] = sums->slots > 0 ? sums->late / sums->slots : NAN;
			feedback->trial.reward[party] += last->reward[party];
		}
		judge_prediction(feedback, last);
		feedback->lead = smooth(feedback->windows > 0 ? feedback->lead : NAN,
			last->reward[FEEDBACK_OURS] - last->reward[FEEDBACK_HPA], LEAD_WEIGHT);
		feedback->windows++;
		feedback->trial.windows++;
	}
	memset(feedback->window, 0, sizeof(feedback->window));
	feedback->predicted = feedback->came = NAN;
}

static void add_block(struct feedback_saving *saving, double saved, double other)
{
	double from_mean = saved - saving->mean;

	saving->blocks++;
	saving->mean += from_mean / saving->blocks;
	saving->squares += from_mean * (saved - saving->mean);
	if (!isnan(saving->before))
		saving->cross += (saved - saving->mean) * (saving->before - saving->mean);
	saving->before = saved;
	saving->other += other;
}

static void end_block(struct feedback *feedback)
{
	/* What is short of an hour counts for an hour of its own mean. */
	double hours = feedback->block_slots >= BLOCK_SLOTS_MIN ? 1 / feedback->block_slots : 0;

	for (int party = 0; party < FEEDBACK_PARTIES && hours > 0; party++) {
		double other = feedback->block[party] * hours;

		if (party != FEEDBACK_OURS)
			add_block(&feedback->savings[party],
				other - feedback->block[FEEDBACK_OURS] * hours, other);
	}
	memset(feedback->block, 0, sizeof(feedback->block));
	feedback->block_slots = 0;
}

void feedback_add(struct feedback *feedback, int64_t slot, double need, double rate,
	double predicted, const struct feedback_slot slots[FEEDBACK_PARTIES])
{
	if (slot / FEEDBACK_WINDOW_SLOTS != feedback->window_number) {
		end_window(feedback);
		feedback->window_number = slot / FEEDBACK_WINDOW_SLOTS;
		feedback->predicted = predicted;
	}
	if (slot / FEEDBACK_BLOCK_SLOTS != feedback->block_number) {
		end_block(feedback);
		feedback->block_number = slot / FEEDBACK_BLOCK_SLOTS;
	}
	feedback->came = fmax(feedback->came, rate);
	feedback->block_slots++;
	for (int party = 0; party < FEEDBACK_PARTIES; party++) {
		const struct feedback_slot *one = &slots[party];
		const struct feedback_sums sums = {.slots = 1,
			.pods = one->pods,
			.late = one->late > FEEDBACK_LATE,
			.efficiency = one->pods > 0 ? fmin(1, need / one->pods) : 0,
			.changes = one->changed};
		struct feedback_sums *const into[] = {&feedback->window[party],
			&feedback->total[party]};

		for (size_t i = 0; i < ARRAY_COUNT(into); i++) {
			into[i]->slots += sums.slots;
			into[i]->pods += sums.pods;
			into[i]->late += sums.late;
			into[i]->efficiency += sums.efficiency;
			into[i]->changes += sums.changes;
		}
		feedback->block[party] += one->pods;
		feedback->trial.late[party] += sums.late;
	}
	feedback->trial.slots++;
}

void feedback_begin_trial(struct feedback *feedback)
{
	feedback->trial = (struct feedback_trial){0};
	feedback->missed = 0;
	feedback->predicted_windows = feedback->windows = 0;
}

double feedback_miss_share(const struct feedback *feedback)
{
	uint64_t mask = feedback->predicted_windows >= 64
		? UINT64_MAX
		: (UINT64_C(1) << feedback->predicted_windows) - 1;

	if (feedback->predicted_windows == 0)
		return NAN;
	return (double)__builtin_popcountll(feedback->missed & mask) / feedback->predicted_windows;
}

struct feedback_saved feedback_saved(const struct feedback *feedback, enum feedback_party other)
{
	const struct feedback_saving *saving = &feedback->savings[other];
	struct feedback_saved saved = {NAN, NAN, NAN, NAN, saving->blocks};
	double n = saving->blocks, variance, alike, width, mean_other;

	if (n < BLOCKS_MIN || !(saving->other > 0))
		return saved;
	variance = saving->squares / (n - 1);
	alike = saving->squares > 0 ? saving->cross / saving->squares : 0;
	alike = alike > 0 ? fmin(alike, ALIKE_MAX) : 0;
	width = 1.96 * sqrt(variance / n * (1 + alike) / (1 - alike));
	mean_other = saving->other / n;
	saved.hours = saving->mean * n;
	saved.share = saving->mean / mean_other;
	saved.low = (saving->mean - width) / mean_other;
	saved.high = (saving->mean + width) / mean_other;
	return saved;
}

bool feedback_drifts(const struct feedback *feedback, char *words, unsigned size)
{
	double missed = feedback_miss_share(feedback);

	if (feedback->predicted_windows >= DRIFT_WINDOWS_MIN && missed > DRIFT_MISSES_MAX) {
		snprintf(words, size,
			"the rate was above what was forecast in %.0f %% of the last windows",
			missed * 100);
		return true;
	}
	if (feedback->windows >= DRIFT_WINDOWS_MIN && feedback->lead < -DRIFT_LEAD) {
		snprintf(words, size, "its reward was %.2f below the HPA's of late",
			-feedback->lead);
		return true;
	}
	return false;
}
