/*
 * The serving policy in the simulator: it learns from the days before the judged part, and while it is
 * judged has its nights and, once a week, its lessons, from what it saw itself. Until it is promoted the
 * HPA serves.
 */
#include <math.h>
#include <string.h>

#include "analyzers/scaler/quantile_parts.h"
#include "base/mem.h"

/* The trace's beginning: any midnight will do, as long as a week lies before it. */
#define FIRST_SLOT ((int64_t)20000 * POLICY_SLOTS_PER_DAY)
#define LESSON_DAYS 7

struct quantile_arm {
	struct quantile_policy *learned,
		*policy; /* as of the judged part's beginning; in the run */
	struct policy hpa;
	const struct policy_scene *scene;
	float *rates;                    /* of the history and of what was seen; [slots] */
	int64_t lesson;                  /* slot of the next one */
	struct off_policy_trials trials; /* as of the last night */
};

static void arm_close(void *state)
{
	struct quantile_arm *arm = state;

	quantile_policy_close(arm->learned);
	quantile_policy_close(arm->policy);
	policy_close(&arm->hpa);
	mem_free(arm->rates);
	mem_free(arm);
}

static void arm_begin(void *state, int replicas)
{
	struct quantile_arm *arm = state;

	quantile_policy_close(arm->policy);
	arm->policy = quantile_policy_clone(arm->learned);
	arm->lesson = (int64_t)arm->scene->first_slot + LESSON_DAYS * (int64_t)POLICY_SLOTS_PER_DAY;
	for (size_t i = arm->scene->first_slot; i < arm->scene->load->slots; i++)
		arm->rates[i] = NAN;
	if (arm->hpa.begin != NULL)
		arm->hpa.begin(arm->hpa.state, replicas);
}

static void note_trials(struct quantile_arm *arm, const struct quantile_policy *policy)
{
	struct quantile_standing standing;

	quantile_policy_standing(policy, &standing);
	arm->trials = standing.trials;
}

/* What fails for lack of memory leaves yesterday's policy. */
static void learn(struct quantile_arm *arm, int64_t slot)
{
	if (quantile_policy_night_due(arm->policy) &&
		quantile_policy_night(arm->policy, NULL) == STATUS_OK)
		note_trials(arm, arm->policy);
	if (slot >= arm->lesson) {
		struct quantile_lesson *lesson = quantile_lesson_make(arm->rates, (size_t)slot,
			FIRST_SLOT, arm->policy->config.seed, NULL);

		if (lesson != NULL)
			quantile_policy_take(arm->policy, lesson);
		arm->lesson += LESSON_DAYS * (int64_t)POLICY_SLOTS_PER_DAY;
	}
}

static int arm_decide(void *state, const struct policy_view *view)
{
	struct quantile_arm *arm = state;
	struct policy_view seen = *view;
	struct quantile_wish wish;
	int fallback = arm->hpa.decide(arm->hpa.state, view);

	if (arm->policy == NULL)
		return fallback;
	seen.slot += FIRST_SLOT;
	if (view->slot >= POLICY_DELAY_SLOTS)
		arm->rates[view->slot - POLICY_DELAY_SLOTS] = (float)view->rate;
	quantile_policy_step(arm->policy, &seen, &wish);
	learn(arm, view->slot);
	return wish.serves && !wish.observes ? wish.wanted : fallback;
}

/* What would have been observed before the judged part, by a draw of its own. */
static enum status learn_history(struct quantile_arm *arm, struct error *error)
{
	const struct policy_scene *scene = arm->scene;
	const struct load *load = scene->load;
	struct draw draw;
	enum status status =
		draw_make(&draw, load, scene->plant, arm->learned->config.seed + 7919, error);

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < scene->first_slot; i++) {
		bool known = load->known[i / POLICY_SLOTS_PER_MINUTE] &&
			(load->events == NULL || !(load->events[i] & LOAD_METRICS_MISSING));

		arm->rates[i] = known
			? (float)(draw.arrivals[i] / POLICY_SLOT_S * (double)draw.observed[i])
			: NAN;
	}
	draw_fini(&draw);
	status = quantile_policy_learn(arm->learned, arm->rates, scene->first_slot, FIRST_SLOT,
		error);
	/* Too short a history is none: the HPA serves until enough was seen. */
	return status == STATUS_BAD_INPUT ? STATUS_OK : status;
}

enum status quantile_arm_open(struct policy *policy, const struct quantile_policy_config *config,
	const struct policy_scene *scene, struct error *error)
{
	struct quantile_arm *arm = mem_zalloc(1, sizeof(*arm));
	enum status status;

	if (arm == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	arm->scene = scene;
	arm->rates = mem_zalloc(scene->load->slots, sizeof(*arm->rates));
	arm->learned = quantile_policy_open(config, error);
	if (arm->learned == NULL || arm->rates == NULL) {
		arm_close(arm);
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	status = hpa_policy_open(&arm->hpa, &config->hpa, error);
	if (status == STATUS_OK)
		status = learn_history(arm, error);
	if (status != STATUS_OK) {
		arm_close(arm);
		return status;
	}
	policy->state = arm;
	policy->begin = arm_begin;
	policy->decide = arm_decide;
	policy->close = arm_close;
	policy->trials = &arm->trials;
	note_trials(arm, arm->learned);
	return STATUS_OK;
}

void quantile_arm_stranger(struct policy *policy, struct quantile_lesson *lesson)
{
	struct quantile_arm *arm = policy->state;

	quantile_policy_forget(arm->learned);
	quantile_policy_take(arm->learned, lesson);
	for (size_t i = 0; i < arm->scene->first_slot; i++)
		arm->rates[i] = NAN;
}

void quantile_arm_aim(struct policy *policy, double objective)
{
	struct quantile_arm *arm = policy->state;

	quantile_policy_aim(arm->learned, objective);
}
