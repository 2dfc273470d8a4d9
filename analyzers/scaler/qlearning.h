/*
 * The tabular Q-learning agent as it was once specified, for comparison: epsilon-greedy, state CPU, memory,
 * request rate and replicas, actions -10 to +10 pods. Offline it is trained on days before the judged part
 * and then serves greedily; without such days it learns while it serves, from nothing.
 *
 * The plant has no memory of its own: that part of the state is one bin unless a caller fills it.
 *
 * Source: Watkins, Dayan, "Q-learning", Machine Learning 8, 1992.
 * Ownership: the policy owns the agent; the scene is borrowed.
 * Limits: QLEARNING_DAYS_MAX training days; QLEARNING_BINS_MAX bins a dimension.
 * Threads: one at a time; deterministic.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_QLEARNING_H
#define NIMBUSGUARD_ANALYZERS_SCALER_QLEARNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/scaler/policies.h"
#include "base/error.h"

#define QLEARNING_DAYS_MAX 100000
#define QLEARNING_BINS_MAX 20
#define QLEARNING_ACTION_MAX 10

enum qlearning_reward {
	/* good where nothing is late and CPU lies in the band, waste below the band, late where more than
	 * 5 % of the requests are late or CPU is above it; of the newest reading. */
	QLEARNING_CLASSIC,
	/* Efficiency, SLA and stability, weighted, over the last ten minutes. */
	QLEARNING_BALANCED
};

struct qlearning_config {
	double learning_rate, discount;
	double epsilon_first, epsilon_last, epsilon_decay; /* decays with each training day */
	int cooldown_s, decision_s;
	int replicas_min, replicas_max;
	int bins_cpu, bins_memory, bins_rate, bins_replicas;
	double rate_max; /* requests a second of the last bin */
	enum qlearning_reward reward;
	double good, waste, late; /* of the classic reward */
	double cpu_low, cpu_high; /* its band */
	double weight_efficiency, weight_sla, weight_stability;
	size_t training_days;
	uint64_t seed;
};

/* Learning rate .1, discount .95, epsilon 1 to .01 by .995, cooldown 300 s, a decision a minute, 1 to 50
 * replicas, rewards +10, -1, -5, weights .4, .4, .2, 1000 training days. */
void qlearning_config_default(struct qlearning_config *config);
enum status qlearning_config_check(const struct qlearning_config *config,
	struct error *error) MUST_CHECK;

/* Trains on the days before scene->first_slot, as often as the training days ask for; the policy tells its
 * learning curve (policy.h). STATUS_NO_MEMORY. */
enum status qlearning_policy_open(struct policy *policy, const struct qlearning_config *config,
	const struct policy_scene *scene, struct error *error) MUST_CHECK;

/* The rewards, for tests: of a reading; of the sums of ten minutes (readings, of which late, mean
 * efficiency 0 to 1, changes of the wanted number). */
double qlearning_reward_classic(const struct qlearning_config *config,
	const struct policy_view *view);
double qlearning_reward_balanced(const struct qlearning_config *config, double late_part,
	double efficiency, double changes);

#endif
