/*
 * A policy says, every 15 s, how many pods there shall be. It sees what an autoscaler would see: readings
 * that are two slots old, and no more than were taken.
 *
 * Ownership: policy_close() ends what the maker opened. A policy belongs to one run at a time.
 * Order: begin() once before each run, then decide() for every slot in turn.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_POLICY_H
#define NIMBUSGUARD_ANALYZERS_SCALER_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_SLOT_S 15
#define POLICY_SLOTS_PER_MINUTE 4
#define POLICY_SLOTS_PER_DAY 5760
/* A reading is seen so many slots after it was taken: scrape and sync. */
#define POLICY_DELAY_SLOTS 2
#define POLICY_NAME_MAX 64

/* What is seen at a slot. Readings are of slot - POLICY_DELAY_SLOTS; NaN: missing. */
struct policy_view {
	int64_t slot; /* of the decision, counted from the trace's beginning */
	int wanted;   /* pods that exist, ready or not */
	int ready;    /* pods that were ready then */
	double rate;  /* requests a second */
	double cpu;   /* mean of a ready pod's CPU, 1 is all of its request */
	double latency; /* share of requests late or dropped, as a service with its own histogram tells */
};

#define POLICY_TRAINING_POINTS 32

/* The learning curve of a policy that was trained: means over stretches of training days. */
struct policy_training_point {
	double days, epsilon, reward;
	double violated, cost; /* per cent of minutes; pod-hours / the oracle's */
};

struct policy_training {
	struct policy_training_point points[POLICY_TRAINING_POINTS];
	size_t count;
};

struct off_policy_trials; /* analyzers/scaler/off_policy.h */

struct policy {
	char name[POLICY_NAME_MAX]; /* as asked for, such as hpa:60:5m */
	void *state;
	/* replicas: pods at the beginning, all ready. NULL: nothing to begin. */
	void (*begin)(void *state, int replicas);
	/* The wanted number of pods; the caller clamps it. */
	int (*decide)(void *state, const struct policy_view *view);
	void (*close)(void *state);
	const struct policy_training *training; /* owned by the state; NULL: it does not learn */
	/* Likewise, as of the end of a run: what replays said of its arms. NULL: it has none. */
	const struct off_policy_trials *trials;
};

static inline void policy_close(struct policy *policy)
{
	if (policy->close != NULL)
		policy->close(policy->state);
	policy->close = NULL;
	policy->state = NULL;
	policy->training = NULL;
	policy->trials = NULL;
}

#endif
