/*
 * The scaler of one workload, live: each slot of 15 s it reads what the workload does, says how many pods
 * it would have and why, and counts what that would cost beside what serves now, the HPA and a static
 * number, all on the same traffic.
 *
 *   observing  what one pod serves is not known: it says nothing
 *   shadow     it says what it would do; nobody acts on it
 *   serving    it is acted on. Back to shadow: drift
 *
 * Order of a slot: follower_wish(), then follower_settle() with what a budget leaves of the wish.
 *
 * Up at once, down only to the highest recommendation of the stabilization window. Where a reading is
 * missing or old the wish is never lower than before. Missing data is no zero: a slot without a rate is
 * in no account.
 *
 * Parties: what the workload has (actual), the wish (ours), an HPA by its usual behaviour and a static
 * number, the most that was needed at a time within a week. The first is counted by the pods that it has,
 * the others by fleets (fleet.h).
 *
 * Ownership: plain values but for the arm, which is closed by follower_fini().
 * Limits: as of fleet.h.
 * Threads: one at a time; deterministic.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_FOLLOWER_H
#define NIMBUSGUARD_ANALYZERS_SCALER_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/scaler/capacity.h"
#include "analyzers/scaler/feedback.h"
#include "analyzers/scaler/fleet.h"
#include "analyzers/scaler/hpa.h"
#include "analyzers/scaler/policy.h"
#include "analyzers/scaler/recent.h"
#include "base/workload.h"

/* X(state, name) */
#define FOLLOW_STATE_TABLE(X)                                                                      \
	X(FOLLOW_OBSERVING, "observing")                                                           \
	X(FOLLOW_SHADOW, "shadow")                                                                 \
	X(FOLLOW_SERVING, "serving")

enum follow_state {
#define X(state, name) state,
	FOLLOW_STATE_TABLE(X)
#undef X
		FOLLOW_STATE_COUNT
};

/* X(reason, name, plain words) */
#define FOLLOW_REASON_TABLE(X)                                                                     \
	X(FOLLOW_NO_CAPACITY, "no_capacity", "what one pod serves is not known yet")               \
	X(FOLLOW_MISSING, "missing", "readings are missing or old: not lower than before")         \
	X(FOLLOW_FORECAST, "forecast", "the traffic that is forecast needs it")                    \
	X(FOLLOW_NEED, "need", "the traffic of now needs it")                                      \
	X(FOLLOW_GUARD, "guard", "the CPU in use needs it")                                        \
	X(FOLLOW_STABILIZED, "stabilized", "fewer would do, but not for long enough yet")          \
	X(FOLLOW_BOUND, "bound", "the bounds on replicas")                                         \
	X(FOLLOW_BUDGET, "budget", "the budget that workloads share leaves no more")

enum follow_reason {
#define X(reason, name, words) reason,
	FOLLOW_REASON_TABLE(X)
#undef X
		FOLLOW_REASON_COUNT
};

const char *follow_state_name(enum follow_state state);
const char *follow_reason_name(enum follow_reason reason);
const char *follow_reason_words(enum follow_reason reason);

struct follow_config {
	struct hpa_config hpa; /* that ours is held against; its `behavior` is the API's default */
	int start_slots;       /* from a pod's creation until it is ready */
	int replicas_min, replicas_max;
	double load;            /* of a pod that is aimed at, share of what it serves */
	double guard_cpu;       /* never fewer than an HPA with this target and no tolerance */
	int stabilize_slots;    /* at most RECENT_SLOTS */
	int64_t shadow_slots;   /* of good readings before it may serve; 0: it never may */
	int64_t set_back_slots; /* after a drift nothing serves for so long */
};

/* HPA at 60 %, start-up 5 slots, 1 to 50 pods, load .75, guard .85, 10 minutes, 7 days, a day. */
void follow_config_default(struct follow_config *config);

/* What a slot shows; NaN: missing or too old. */
struct follow_reading {
	double rate;          /* the workload's load a second */
	double cpu;           /* mean of a ready pod, 1 is its request */
	double ready, wanted; /* pods */
	double error_ratio;   /* of the requests */
	double ahead_up,
		ahead_down; /* forecast of the rate, upper, at start-up and for the window */
};

/* What the wish is made of. NaN: not known. */
struct follow_parts {
	double forecast;   /* rate that is prepared for */
	double pod_rate;   /* what one pod serves */
	double need;       /* pods for the rate of now */
	double ahead;      /* pods for the forecast */
	double guard;      /* pods by the CPU in use */
	double stabilized; /* highest recommendation of the window */
};

/* What is known of a workload after a slot: plain values, copied for readers. */
struct follow_view {
	int64_t slot;
	enum follow_state state;
	enum follow_reason reason;
	int wanted;     /* ours; 0: it says nothing */
	int wish;       /* before the budget */
	int hpa, fixed; /* what the HPA and the static number are at */
	struct follow_reading reading;
	struct follow_parts parts;
	const char *arm;      /* static text: which policy makes the wish */
	int64_t shadow_since; /* slot since which it is in shadow, of good readings */
	bool drifted;         /* it served, and was set back */
	char words[160];      /* why it is in this state */
};

/* A policy in place of the built-in rule, and what its wish is made of. It is asked at every slot, with NaN
 * for what is missing; 0: it says nothing, and the built-in rule does. */
struct follow_arm {
	const char *name; /* static text; NULL: the built-in rule */
	struct policy policy;
	void (*explain)(const void *state, struct follow_parts *parts, enum follow_reason *reason);
};

struct follower {
	struct workload_key key;
	enum signal_role load_role; /* whose unit the load has: request_rate or cpu */
	struct follow_view view;
	struct capacity capacity;
	struct recent ours, hpa;               /* recommendations */
	struct fleet fleets[FEEDBACK_PARTIES]; /* that of what is actual is not used */
	double actual_backlog;
	double rate_before;
	int peaks[8]; /* most pods needed on a day, by day % 8; 0: not known */
	int64_t peak_day, set_back;
	struct feedback feedback;
	struct follow_arm arm;
	bool proven; /* a replay of its last days was better than the HPA: an hour in shadow will do */
	bool begun;
};

void follower_init(struct follower *follower, const struct workload_key *key,
	enum signal_role load_role);
void follower_fini(struct follower *follower);
/* Takes the arm over; it begins at the next slot. */
void follower_set_arm(struct follower *follower, const struct follow_arm *arm);

/* slot: rising; those left out are as if nothing had been read. */
void follower_wish(struct follower *follower, const struct follow_config *config, int64_t slot,
	const struct follow_reading *reading);
/* granted: what may be had of the wish; at least 1, no more than the wish. */
void follower_settle(struct follower *follower, const struct follow_config *config, int granted);
/* Whether what it showed in shadow allows that it serves: long enough, no worse than the HPA in
 * violations and reward, and not set back of late. */
bool follower_may_serve(const struct follower *follower, const struct follow_config *config);
/* serve: whether it is wished that those that may serve do; else all go back to shadow. */
void follower_judge(struct follower *follower, const struct follow_config *config, bool serve);
/* 0 to 1: how sure a wish is by what its forecasts were worth. */
double follower_confidence(const struct follower *follower);

#endif
