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
	night->setting = policy->standing.setting;
	policy->due_slot = -1;
	return night;
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
	replay_chooser(&night->replay, plant, plant->cpu_idle, &night->setting,
		night->config.objective, &night->chooser, &night->day);
	night->replayed = true;
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
		policy->config.objective, sums);
	best = nightly_choose(sums, NIGHTLY_SETTINGS);
	nightly_setting(best, &standing->setting);
	standing->policy = sums[best];
	standing->hpa = sums[NIGHTLY_HPA];
	policy->control.setting = standing->setting;
	/* The learner serves only where it is surely cheaper and within the objective as well. */
	nightly_advantage(policy->days, policy->day_count, NIGHTLY_CHOOSER, best,
		&standing->chooser_advantage);
	nightly_advantage(policy->days, policy->day_count, best, NIGHTLY_HPA,
		&standing->hpa_advantage);
	standing->chooses = nightly_better(&sums[NIGHTLY_CHOOSER], &sums[best]) &&
		sums[NIGHTLY_CHOOSER].kept && standing->chooser_advantage.high < 0;
	if (standing->chooses)
		standing->policy = sums[NIGHTLY_CHOOSER];
	standing->promoted = policy->day_count >= QUANTILE_PROMOTION_DAYS &&
		(!policy->config.has_hpa || nightly_better(&standing->policy, &standing->hpa));
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
