/*
 * A small deep Q-network that chooses the quantile once a minute, beside the table of quantile_chooser.h: the
 * same state, but as numbers instead of bins, the same actions, the same reward. Trained on the replays of
 * days that ended, greedy in service, and only there where its replays are surely better than those of the
 * best setting (quantile_night.c).
 *
 * State: ln of the forecast's spread upwards and to the farther horizon, unrest (one of three), time of day (sine
 * and cosine of one and two turns). Net: 9-16-16-9, rectified. Memory: the last DEEP_MEMORY minutes; each
 * fourth minute DEEP_BATCH of them are learned from (Huber's loss, Adam 1e-3, discount .9), the net chooses
 * the next action and its copy of DEEP_COPIED updates ago values it.
 *
 * Source: Mnih et al., "Human-level control through deep reinforcement learning", Nature 518, 2015; van Hasselt,
 *   Guez, Silver, "Deep Reinforcement Learning with Double Q-learning", AAAI 2016.
 * Ownership: plain values.
 * Limits: DEEP_MEMORY minutes, about 180 kB.
 * Threads: one at a time; deterministic by seed.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_DEEP_CHOOSER_H
#define NIMBUSGUARD_ANALYZERS_SCALER_DEEP_CHOOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/scaler/quantile_chooser.h"
#include "base/random.h"

#define DEEP_INPUTS 9
#define DEEP_HIDDEN 16
#define DEEP_WEIGHTS                                                                               \
	(DEEP_HIDDEN * (DEEP_INPUTS + 1) + DEEP_HIDDEN * (DEEP_HIDDEN + 1) +                       \
		CHOOSER_ACTIONS * (DEEP_HIDDEN + 1))
#define DEEP_MEMORY 4096
#define DEEP_BATCH 16
#define DEEP_COPIED 250
/* What it says of a state is not asked before it saw so many minutes. */
#define DEEP_MINUTES_MIN 1440

/* A minute: the next one's state is that of the next experience, unless nothing follows. */
struct deep_experience {
	float state[DEEP_INPUTS];
	float reward;
	uint8_t action;
	bool followed;
};

struct deep_chooser {
	float weights[DEEP_WEIGHTS], copy[DEEP_WEIGHTS];
	float first[DEEP_WEIGHTS], second[DEEP_WEIGHTS]; /* Adam's moments */
	double minutes, updates;                         /* seen; learned from */
	struct deep_experience memory[DEEP_MEMORY];      /* a ring */
	size_t memory_count, memory_next;
	struct random random;
};

void deep_chooser_init(struct deep_chooser *chooser, uint64_t seed);
/* After its weights were read from a file: the copy is theirs, the memory is empty. */
void deep_chooser_restored(struct deep_chooser *chooser, uint64_t seed);
/* values: [CHOOSER_ACTIONS], what each action is worth. */
void deep_chooser_values(const struct deep_chooser *chooser, const struct chooser_view *view,
	float *values);
/* The level (index in foresight_levels) that is best; `usual` before DEEP_MINUTES_MIN. */
uint8_t deep_chooser_best(const struct deep_chooser *chooser, const struct chooser_view *view,
	uint8_t usual);
/* The part of the minutes in which it tries any action while it learns: from all to CHOOSER_EXPLORED over the
 * first two days. */
double deep_chooser_explored(const struct deep_chooser *chooser);
/* After action (0 .. CHOOSER_ACTIONS - 1) in `view` gave the reward. next: what was seen then. */
void deep_chooser_learn(struct deep_chooser *chooser, const struct chooser_view *view, int action,
	double reward, const struct chooser_view *next);

/* One update from given experiences, for tests: the loss before it. targets: [count], what the actions are
 * to be worth. */
double deep_chooser_fit(struct deep_chooser *chooser, const struct deep_experience *experiences,
	const float *targets, size_t count);

#endif
