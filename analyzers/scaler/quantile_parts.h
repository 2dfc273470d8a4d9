/*
 * The inside of a serving policy, for its files: steps and nights (quantile_policy.c, quantile_night.c),
 * its file (quantile_file.c), the simulator (quantile_arm.c).
 * Threads: as quantile_policy.h says.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_PARTS_H
#define NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_PARTS_H

#include "analyzers/scaler/deep_chooser.h"
#include "analyzers/scaler/quantile_policy.h"

/* Days of replay without which nothing is promoted. */
#define QUANTILE_PROMOTION_DAYS 2

struct quantile_policy {
	struct quantile_policy_config config;
	struct traffic traffic;
	struct foresight_model model;
	struct foresight_state state;
	struct foresight foresight; /* as of the newest slot */
	int64_t stepped;            /* the newest slot that was taken into the state */
	struct control control;
	/* The day under way and the one that waits for its night, each with the state at its beginning. */
	struct foresight_state day_state, due_state;
	int64_t day_slot, due_slot; /* -1: none */
	/* The days that were replayed, the oldest first. */
	struct nightly_day days[NIGHTLY_DAYS];
	size_t day_count;
	struct chooser chooser;
	struct deep_chooser deep;
	uint8_t chosen; /* level of this minute; 0: none yet */
	struct quantile_standing standing;
};

/* Takes a slot into traffic and state, and marks the days. */
void quantile_policy_take_slot(struct quantile_policy *policy, int64_t slot, double rate);
/* A copy that goes its own way. NULL: out of memory. */
struct quantile_policy *quantile_policy_clone(const struct quantile_policy *policy) MUST_CHECK;
/* Sums up the days and decides what serves. */
void quantile_policy_judge(struct quantile_policy *policy);

#endif
