/*
 * Learners on top of a setting, replayed: each minute what came of the last choice is learned, and a level is
 * chosen. Which learner it is the caller says.
 */
#include <math.h>

#include "analyzers/scaler/nightly.h"
#include "base/check.h"

struct replayed_learner {
	struct control control;
	const struct replay *replay;
	size_t arm;
	const struct night_learner *learner;
	double objective, inverse; /* 1 / (what a pod serves at the highest load) */
	bool learns;
	struct random random;
	struct chooser_view view; /* of the minute under way */
	int action;               /* likewise; -1: none yet */
	struct chooser_minute minute;
	int wanted;
};

static void begin(void *state, int replicas)
{
	struct replayed_learner *at = state;

	control_begin(&at->control);
	at->action = -1;
	at->minute = (struct chooser_minute){0};
	at->wanted = replicas;
}

/* A minute is over: what came of it is learned, and the next level is chosen. */
static void end_minute(struct replayed_learner *at, const struct chooser_view *view)
{
	const struct night_learner *learner = at->learner;
	uint8_t level;

	if (at->learns && at->action >= 0)
		learner->learn(learner->state, &at->view, at->action,
			chooser_reward(&at->minute, at->objective), view);
	level = learner->best(learner->state, view, at->control.setting.level);
	if (at->learns && random_unit(&at->random) < learner->explored(learner->state))
		level = (uint8_t)(1 + random_below(&at->random, CHOOSER_ACTIONS));
	at->view = *view;
	at->action = level - 1;
	at->minute = (struct chooser_minute){0};
}

static void count_slot(struct replayed_learner *at, const struct policy_view *view)
{
	const double part = 1. / POLICY_SLOTS_PER_MINUTE;

	at->minute.changes += view->wanted != at->wanted ? 1 : 0;
	at->wanted = view->wanted;
	at->minute.pods += part * view->wanted;
	if (view->rate >= 0) {
		at->minute.need += part * ceil(view->rate * at->inverse);
		at->minute.late += part * view->latency;
	}
}

static int decide(void *state, const struct policy_view *view)
{
	struct replayed_learner *at = state;
	const struct replay *replay = at->replay;
	int64_t seen = view->slot - POLICY_DELAY_SLOTS;
	double up = NAN, down = NAN;

	control_capacity_step(&at->control, view);
	if (view->slot % POLICY_SLOTS_PER_MINUTE == 0 && seen >= 0) {
		struct chooser_view now = {.middle = replay_rates(replay, at->arm, 0, 1)[seen],
			.high = replay_rates(replay, at->arm, 0, 5)[seen],
			.far = replay_rates(replay, at->arm, 1, 5)[seen],
			.context = replay->contexts[seen],
			.slot = view->slot};

		if (!isnan(now.middle))
			end_minute(at, &now);
	}
	if (seen >= 0) {
		const struct control_setting *setting = &at->control.setting;
		uint8_t level = (uint8_t)(at->action < 0 ? setting->level : at->action + 1);

		up = (double)replay_rates(replay, at->arm, FORESIGHT_UP, level)[seen];
		down = (double)replay_rates(replay, at->arm, setting->down, level)[seen];
	}
	count_slot(at, view);
	return control_decide(&at->control, view, up, down, NULL);
}

void replay_learner(const struct replay *replay, const struct plant_config *plant, double idle,
	const struct control_setting *setting, double objective,
	const struct night_learner *learner, size_t index, struct nightly_day *day)
{
	struct replayed_learner state = {.replay = replay,
		.arm = setting->arm == FORESIGHT_NET ? 0 : 1,
		.learner = learner,
		.objective = objective,
		.inverse = 1 / load_pods_rate(plant, 1)};
	struct policy policy = {.state = &state, .begin = begin, .decide = decide};
	struct nightly_outcome ignored;

	CHECK(index >= NIGHTLY_LEARNERS && index < NIGHTLY_POLICIES);
	random_init(&state.random, (uint64_t)day->day);
	/* Judged first: of a day that it has learned from it would know too much. */
	for (size_t pass = 0; pass <= NIGHTLY_PASSES; pass++) {
		state.learns = pass > 0;
		control_init(&state.control, setting, plant->service_rate, idle);
		replay_policy(replay, plant, &policy, pass == 0 ? &day->outcomes[index] : &ignored,
			day);
	}
}
