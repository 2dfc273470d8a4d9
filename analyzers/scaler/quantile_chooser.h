/*
 * A learner on top of the forecast: tabular Q-learning that chooses the quantile, once a minute, where the
 * tuner's setting keeps one quantile for all day. Trained on the replays of days that ended, greedy in
 * service, and only there where its replays are surely better than those of the best setting (nightly.h).
 *
 * State: spread of the forecast upwards (5) and to the farther horizon (3), unrest (3), time of day (8).
 * Action: one of the nine levels of the grid; in a state that was never seen the setting's own.
 * Reward of a minute: -(pods / (need + .7) - 1) - beta late - .3 for a change; beta grows as the objective
 * gets narrower. Discount .9, step max(.005, (1 + visits)^-.6).
 *
 * Source: Watkins, Dayan, "Q-learning", Machine Learning 8, 1992.
 * Ownership: plain values.
 * Threads: one at a time; deterministic by seed.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_CHOOSER_H
#define NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_CHOOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/scaler/foresight.h"
#include "analyzers/scaler/policy.h"
#include "base/random.h"

#define CHOOSER_STATES (5 * 3 * 3 * 8)
#define CHOOSER_ACTIONS 9
#define CHOOSER_EXPLORED .1

struct chooser {
	float values[CHOOSER_STATES][CHOOSER_ACTIONS];
	float visits[CHOOSER_STATES][CHOOSER_ACTIONS];
};

/* What the state is worked out from. */
struct chooser_view {
	float middle, high, far; /* forecasts: .5 and .95 of the near horizon, .95 of the far one */
	int context;             /* of unrest */
	int64_t slot;
};

int chooser_state(const struct chooser_view *view);
/* The level (index in foresight_levels) that is best; `usual` where the state was never seen. */
uint8_t chooser_best(const struct chooser *chooser, int state, uint8_t usual);

/* Of one minute: pods and what was needed on the mean, the late part, changes. */
struct chooser_minute {
	double pods, need, late, changes;
};
double chooser_reward(const struct chooser_minute *minute, double objective);
/* After action (0 .. CHOOSER_ACTIONS - 1) in `state` gave the reward and led to `next`. */
void chooser_learn(struct chooser *chooser, int state, int action, double reward, int next);

#endif
