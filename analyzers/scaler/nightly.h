/*
 * The nightly tuner: each day that ended is replayed once under every setting of the serving policy and
 * under the HPA, and what the last seven days' replays say decides what serves.
 *
 * Replayed is the traffic as it was observed, through the plant of simulate.h with what one pod serves by
 * the estimate of that night; forecasts are those of the day, worked out once for all settings and from
 * the model that served that day, which had not seen it.
 *
 * What could not be avoided (the least of a day over all settings of at most 1.8 times the cheapest one's
 * pods) is not held against any. Chosen is the cheapest among those whose violated minutes and bad requests
 * are within .8 of the objective; where none is, the one that comes nearest to it. The price is that of the
 * pods (1 + .0004 changes a day) (1 + .2 the larger of violated minutes and bad requests, per cent): a little
 * dearer and much safer is the better bargain.
 *
 * Ownership: a replay belongs to one night at a time; tables are plain values.
 * Limits: one day at a time; NIGHTLY_DAYS days are remembered.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_NIGHTLY_H
#define NIMBUSGUARD_ANALYZERS_SCALER_NIGHTLY_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/foresight.h"
#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/load.h"
#include "analyzers/scaler/quantile_chooser.h"
#include "analyzers/scaler/quantile_control.h"
#include "analyzers/scaler/simulate.h"
#include "base/error.h"

#define NIGHTLY_DAYS 7
#define NIGHTLY_FORECAST_ARMS 2 /* net, ens */
#define NIGHTLY_DOWNS 2
#define NIGHTLY_LEVELS 9
#define NIGHTLY_WINDOWS 3
#define NIGHTLY_LOADS 3
#define NIGHTLY_SETTINGS                                                                           \
	(NIGHTLY_FORECAST_ARMS * NIGHTLY_DOWNS * NIGHTLY_LEVELS * NIGHTLY_WINDOWS * NIGHTLY_LOADS)
/* Behind the settings: the user's own HPA. */
#define NIGHTLY_HPA NIGHTLY_SETTINGS
/* And the learners on top of the setting that served that day: a table (quantile_chooser.h), a small net
 * (deep_chooser.h). */
#define NIGHTLY_LEARNERS (NIGHTLY_SETTINGS + 1)
#define NIGHTLY_TABLE NIGHTLY_LEARNERS
#define NIGHTLY_DQN (NIGHTLY_LEARNERS + 1)
#define NIGHTLY_POLICIES (NIGHTLY_LEARNERS + 2)
/* Passes of a learner over a day that ended. */
#define NIGHTLY_PASSES 4
#define NIGHTLY_PART .8
#define NIGHTLY_DEAR 1.8
#define NIGHTLY_EVENT_PRICE .0004
/* Of a per cent of violated minutes or bad requests, in parts of the pods. */
#define NIGHTLY_MISS_PRICE .2

/* index: below NIGHTLY_SETTINGS. */
void nightly_setting(size_t index, struct control_setting *setting);

/* Of one policy on one day. */
struct nightly_outcome {
	float violated, bad; /* minutes, requests */
	float pod_slots, events;
};

/* What is asked of the days of one night's choice. */
struct nightly_day {
	int64_t day;                    /* slot / POLICY_SLOTS_PER_DAY */
	float minutes, requests, slots; /* judged */
	struct nightly_outcome outcomes[NIGHTLY_POLICIES];
};

/* Sums over the days of one policy, what could not be avoided taken off. */
struct nightly_sum {
	double violated, bad; /* per cent */
	double pod_slots;     /* a slot: pods on the mean */
	double events;        /* a day */
	double price; /* pods (1 + .0004 events) (1 + miss price x what is violated or bad) */
	bool kept;    /* within .8 of the objective */
};

/* What could not be avoided on a day. */
struct nightly_floor {
	float violated, bad;
};

/* outcomes: [policy_count] of one day; dear_part as below. */
void nightly_floor_of(const struct nightly_outcome *outcomes, size_t policy_count, double dear_part,
	struct nightly_floor *floor);
/* A day into a sum that is all zero at first; and its end, with the sums of what was judged. */
void nightly_sum_add(struct nightly_sum *sum, const struct nightly_outcome *outcome,
	const struct nightly_floor *floor);
void nightly_sum_end(struct nightly_sum *sum, double minutes, double requests, double slots,
	double miss_price, double objective);

/* miss_price: NIGHTLY_MISS_PRICE, or 0: within the objective the cheapest is the best.
 * dear_part: a setting that costs so many times the cheapest one's pods avoids nothing that has to be
 * avoided (one event that only twice the pods would have met must not be paid for all week); infinite: all
 * settings count. outcomes: [day_count] pointers to [policy_count]. sums: [policy_count]. */
void nightly_sum_up(const struct nightly_day *const *days, size_t day_count,
	const struct nightly_outcome *const *outcomes, size_t policy_count, double dear_part,
	double miss_price, double objective, struct nightly_sum *sums);
/* Whether one is to be preferred to another: kept before not kept, then the cheaper one, or among those
 * that are not kept the one nearer to the objective. */
bool nightly_better(const struct nightly_sum *one, const struct nightly_sum *other);
/* The index of the best of sums[count]. */
size_t nightly_choose(const struct nightly_sum *sums, size_t count);

/* By how much one policy's days were dearer than another's: logarithm of the prices, a day a sample, with
 * an interval of 90 % by Student's t. The days were served by neither alone: both are replayed on what was
 * observed, which is the estimate off policy. NaN with less than two days. */
struct nightly_advantage {
	double mean, low, high;
};
void nightly_advantage(const struct nightly_day *days, size_t day_count, size_t policy,
	size_t other, struct nightly_advantage *advantage);

/* ---- replaying ---- */

/* A day of observed traffic as the simulator takes it, and the forecasts of its slots. */
struct replay {
	struct load load;
	struct draw draw;
	uint8_t *contexts; /* of unrest, [slot] */
	float *rates; /* forecasts, [NIGHTLY_FORECAST_ARMS][horizon][level][slot]; NaN: nothing said */
	size_t slots_max;
};

enum status replay_init(struct replay *replay, struct error *error) MUST_CHECK;
void replay_fini(struct replay *replay);
/* The traffic's slots[from .. from + count), count at most a day, under the plant (whose service_rate is
 * the estimate). False: more than half is missing, there is nothing to replay. */
bool replay_day(struct replay *replay, const struct traffic *traffic, size_t from, size_t count,
	const struct plant_config *plant);
/* Fills the forecasts as they were said: the state is that of before slots[from] and moves to the end. */
void replay_foresee(struct replay *replay, const struct foresight_model *model,
	struct foresight_state *state, const struct traffic *traffic, size_t from);
void replay_policy(const struct replay *replay, const struct plant_config *plant,
	struct policy *policy, struct nightly_outcome *outcome, struct nightly_day *day);
/* All settings, and the HPA if there is one (NULL: its outcome costs infinitely much). */
void replay_settings(const struct replay *replay, const struct plant_config *plant, double idle,
	const struct hpa_config *hpa, struct nightly_day *day);
/* The forecasts of a level: [slot]. arm: 0 net, 1 ens. */
float *replay_rates(const struct replay *replay, size_t arm, size_t horizon, size_t level);

/* What a learner is asked and told. */
struct night_learner {
	void *state;
	uint8_t (*best)(const void *state, const struct chooser_view *view, uint8_t usual);
	/* The part of the minutes in which it tries any level while it learns. */
	double (*explored)(const void *state);
	void (*learn)(void *state, const struct chooser_view *view, int action, double reward,
		const struct chooser_view *next);
};
/* A learner on top of a setting: how it would have done, into day->outcomes[index], and then what it learns
 * from the day. */
void replay_learner(const struct replay *replay, const struct plant_config *plant, double idle,
	const struct control_setting *setting, double objective,
	const struct night_learner *learner, size_t index, struct nightly_day *day);

#endif
