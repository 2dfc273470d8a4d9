/*
 * Nights: the day that ended is replayed, and the days together decide what serves.
 */
#include <math.h>
#include <string.h>

#include "analyzers/scaler/quantile_parts.h"
#include "base/check.h"
#include "base/mem.h"

#define DAY ((int64_t)POLICY_SLOTS_PER_DAY)

struct quantile_night {
	const struct foresight_model *model; /* of the policy */
	struct quantile_policy_config config;
	struct traffic traffic; /* a copy */
	struct foresight_state state;
	struct replay replay;
	int64_t slot; /* the first of the day */
	bool replayed;
	struct nightly_day day;
	struct chooser chooser;
	struct deep_chooser deep;
	struct control_setting setting;
};

bool quantile_policy_night_due(const struct quantile_policy *policy)
{
	return policy->due_slot >= 0 && policy->model.fitted;
}

static void night_close(struct quantile_night *night)
{
	traffic_fini(&night->traffic);
	replay_fini(&night->replay);
	mem_free(night);
}

struct quantile_night *quantile_night_begin(struct quantile_policy *policy, struct error *error)
{
	struct quantile_night *night;

	if (!quantile_policy_night_due(policy)) {
		error_set(error, STATUS_NOT_FOUND, "no day waits for its replay");
		return NULL;
	}
	night = mem_zalloc(1, sizeof(*night));
	if (night == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a night");
		return NULL;
	}
	if (traffic_init(&night->traffic, error) != STATUS_OK ||
		replay_init(&night->replay, error) != STATUS_OK) {
		night_close(night);
		return NULL;
	}
	night->model = &policy->model;
	night->config = policy->config;
	night->config.plant.service_rate = control_capacity(&policy->control);
	night->traffic.first = policy->traffic.first;
	night->traffic.count = policy->traffic.count;
	memcpy(night->traffic.slots, policy->traffic.slots, policy->traffic.count * sizeof(float));
	night->state = policy->due_state;
	night->slot = policy->due_slot;
	night->chooser = policy->chooser;
	night->deep = policy->deep;
	night->setting = policy->standing.setting;
	policy->due_slot = -1;
	return night;
}

/* ---- the learners ---- */

static uint8_t table_best(const void *state, const struct chooser_view *view, uint8_t usual)
{
	return chooser_best(state, chooser_state(view), usual);
}

static double table_explored(const void *state)
{
	(void)state;
	return CHOOSER_EXPLORED;
}

static void table_learn(void *state, const struct chooser_view *view, int action, double reward,
	const struct chooser_view *next)
{
	chooser_learn(state, chooser_state(view), action, reward, chooser_state(next));
}

static uint8_t deep_best(const void *state, const struct chooser_view *view, uint8_t usual)
{
	return deep_chooser_best(state, view, usual);
}

static double deep_explored(const void *state)
{
	return deep_chooser_explored(state);
}

static void deep_learn(void *state, const struct chooser_view *view, int action, double reward,
	const struct chooser_view *next)
{
	deep_chooser_learn(state, view, action, reward, next);
}

static void run_learners(struct quantile_night *night)
{
	const struct plant_config *plant = &night->config.plant;
	const struct night_learner learners[] = {{&night->chooser, table_best, table_explored,
							 table_learn},
		{&night->deep, deep_best, deep_explored, deep_learn}};

	for (size_t i = 0; i < sizeof(learners) / sizeof(learners[0]); i++)
		replay_learner(&night->replay, plant, plant->cpu_idle, &night->setting,
			night->config.objective, &learners[i], NIGHTLY_LEARNERS + i, &night->day);
}

void quantile_night_run(struct quantile_night *night)
{
	const struct plant_config *plant = &night->config.plant;
	const struct traffic *traffic = &night->traffic;
	size_t from = (size_t)(night->slot - traffic->first);

	/* Without a capacity there is no plant to replay on. */
	if (!(plant->service_rate > 0) || night->slot < traffic->first ||
		from + (size_t)DAY > traffic->count ||
		!replay_day(&night->replay, traffic, from, (size_t)DAY, plant))
		return;
	replay_foresee(&night->replay, night->model, &night->state, traffic, from);
	night->day.day = night->slot / DAY;
	replay_settings(&night->replay, plant, plant->cpu_idle,
		night->config.has_hpa ? &night->config.hpa : NULL, &night->day);
	run_learners(night);
	night->replayed = true;
}

/* ---- what serves ---- */

static size_t index_of(enum quantile_choice arm, size_t setting)
{
	return arm == QUANTILE_SETTING ? setting : NIGHTLY_LEARNERS + (size_t)arm - QUANTILE_TABLE;
}

static struct off_policy_estimate *try_arm(struct quantile_policy *policy, enum quantile_choice arm,
	size_t index, size_t against, const char *against_name)
{
	struct off_policy_trials *trials = &policy->standing.trials;
	struct off_policy_trial *trial = &trials->trials[trials->count++];

	*trial = (struct off_policy_trial){.arm = quantile_choice_name(arm),
		.against = against_name};
	off_policy_compare(policy->days, policy->day_count, index, against,
		policy->config.objective, &trial->estimate);
	return &trial->estimate;
}

/* A learner serves only where it is within the objective and surely cheaper than the best setting. */
static enum quantile_choice choose_arm(struct quantile_policy *policy,
	const struct nightly_sum *sums, size_t setting)
{
	enum quantile_choice chosen = QUANTILE_SETTING;

	for (enum quantile_choice arm = QUANTILE_TABLE; arm < QUANTILE_ARMS; arm++) {
		size_t index = index_of(arm, setting);
		const struct off_policy_estimate *estimate = try_arm(policy, arm, index, setting,
			quantile_choice_name(QUANTILE_SETTING));

		if (sums[index].kept && estimate->price.high < 0 &&
			estimate->better >= OFF_POLICY_SURE &&
			nightly_better(&sums[index], &sums[index_of(chosen, setting)]))
			chosen = arm;
	}
	return policy->config.forced ? policy->config.arm : chosen;
}

/* Whether what was chosen may serve in the place of the user's HPA. */
static bool beats_hpa(struct quantile_policy *policy, const struct nightly_sum *sums, size_t index)
{
	const struct quantile_standing *standing = &policy->standing;
	const struct off_policy_estimate *estimate;

	if (!policy->config.has_hpa)
		return true;
	estimate = try_arm(policy, standing->arm, index, NIGHTLY_HPA, "hpa");
	return policy->config.forced ||
		(nightly_better(&sums[index], &sums[NIGHTLY_HPA]) &&
			estimate->better > OFF_POLICY_LIKELY);
}

static void mark_serving(struct quantile_standing *standing)
{
	const char *name = quantile_choice_name(standing->arm);

	for (size_t i = 0; i < standing->trials.count; i++)
		standing->trials.trials[i].serves =
			standing->promoted && standing->trials.trials[i].arm == name;
}

void quantile_policy_judge(struct quantile_policy *policy)
{
	const struct nightly_day *days[NIGHTLY_DAYS];
	const struct nightly_outcome *outcomes[NIGHTLY_DAYS];
	struct nightly_sum sums[NIGHTLY_POLICIES];
	struct quantile_standing *standing = &policy->standing;
	size_t best;

	for (size_t d = 0; d < policy->day_count; d++) {
		days[d] = &policy->days[d];
		outcomes[d] = policy->days[d].outcomes;
	}
	standing->days = policy->day_count;
	if (policy->day_count == 0)
		return;
	nightly_sum_up(days, policy->day_count, outcomes, NIGHTLY_POLICIES, NIGHTLY_DEAR,
		NIGHTLY_MISS_PRICE, policy->config.objective, sums);
	best = nightly_choose(sums, NIGHTLY_SETTINGS);
	nightly_setting(best, &standing->setting);
	policy->control.setting = standing->setting;
	standing->trials.count = 0;
	standing->arm = choose_arm(policy, sums, best);
	best = index_of(standing->arm, best);
	standing->policy = sums[best];
	standing->hpa = sums[NIGHTLY_HPA];
	standing->promoted =
		beats_hpa(policy, sums, best) && policy->day_count >= QUANTILE_PROMOTION_DAYS;
	mark_serving(standing);
}

void quantile_night_end(struct quantile_night *night, struct quantile_policy *policy)
{
	if (night->replayed) {
		if (policy->day_count == NIGHTLY_DAYS) {
			policy->day_count--;
			memmove(policy->days, policy->days + 1,
				policy->day_count * sizeof(policy->days[0]));
		}
		policy->days[policy->day_count++] = night->day;
		policy->chooser = night->chooser;
		policy->deep = night->deep;
		quantile_policy_judge(policy);
	}
	night_close(night);
}

enum status quantile_policy_night(struct quantile_policy *policy, struct error *error)
{
	struct quantile_night *night = quantile_night_begin(policy, error);

	if (night == NULL)
		return error != NULL ? error->code : STATUS_NO_MEMORY;
	quantile_night_run(night);
	quantile_night_end(night, policy);
	return STATUS_OK;
}

void quantile_policy_standing(const struct quantile_policy *policy,
	struct quantile_standing *standing)
{
	*standing = policy->standing;
}

void quantile_policy_aim(struct quantile_policy *policy, double objective)
{
	policy->config.objective = objective;
	quantile_policy_judge(policy);
}

void quantile_policy_demote(struct quantile_policy *policy)
{
	policy->standing.promoted = false;
	/* What the days before said of it does not count any more. */
	policy->day_count = 0;
	policy->standing.days = 0;
}
