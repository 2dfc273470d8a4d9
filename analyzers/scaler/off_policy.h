/*
 * What one policy would have been beside another on days that neither may have served, from replays of those
 * days, and how sure that is.
 *
 * What serves is greedy, so the decisions that are logged have propensities of 0 and 1 and importance sampling
 * has nothing to weigh; but the traffic does not depend on how it is served, so both can be replayed on the
 * same days. The estimate is that of the model (the plant) and shares its errors. Its confidence is over the
 * days, which are what is drawn anew: price by Student's t over the days' logarithms, differences of violated
 * minutes and bad requests and the share of draws in which the policy is to be preferred by bootstrap of days
 * in pairs. Percentiles over seven days are too narrow (by a factor of about .9), so nothing is decided by
 * them alone.
 *
 * Source: Hanna, Stone, Niekum, "Bootstrapping with Models: Confidence Intervals for Off-Policy Evaluation",
 *   AAMAS 2017; Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, 13.3.
 * Ownership: plain values.
 * Limits: NIGHTLY_DAYS days, OFF_POLICY_DRAWS draws.
 * Threads: any; deterministic.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_OFF_POLICY_H
#define NIMBUSGUARD_ANALYZERS_SCALER_OFF_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzers/scaler/nightly.h"
#include "base/buf.h"

#define OFF_POLICY_DRAWS 1000
/* The share of draws in which a policy has to be the better one before it serves: in the place of the user's
 * HPA, and in that of the best setting, which serves as well as it where it is in doubt. */
#define OFF_POLICY_LIKELY .5
#define OFF_POLICY_SURE .9
#define OFF_POLICY_TRIALS_MAX 3

/* Bounds are those of 90 %. */
struct off_policy_interval {
	double mean, low, high;
};

/* Of a policy against another; NaN: not known. */
struct off_policy_estimate {
	size_t days;
	struct off_policy_interval price;         /* its price over the other's, - 1 */
	struct off_policy_interval violated, bad; /* points of per cent more */
	double better; /* share of the draws in which it is the better one */
};

/* A policy and what it has to beat before it serves: names are static text. */
struct off_policy_trial {
	const char *arm, *against;
	bool serves;
	struct off_policy_estimate estimate;
};

struct off_policy_trials {
	struct off_policy_trial trials[OFF_POLICY_TRIALS_MAX];
	size_t count;
};

/* policy, other: indices below NIGHTLY_POLICIES. objective: per cent. Less than two days: nothing is known. */
void off_policy_compare(const struct nightly_day *days, size_t day_count, size_t policy,
	size_t other, double objective, struct off_policy_estimate *estimate);

/* An array of objects, as the API and `simulate` have it. */
void off_policy_write_json(const struct off_policy_trials *trials, struct buf *json);
/* A plain sentence without its full stop. */
void off_policy_write_words(const struct off_policy_trial *trial, struct buf *text);

#endif
