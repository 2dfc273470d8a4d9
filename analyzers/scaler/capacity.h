/*
 * What one pod serves when it uses all of its CPU request, learnt from what the workload does: rate over
 * (ready pods times their CPU beyond that of an idle one), smoothed. It goes on being learnt at high load:
 * a pod that became slower is noticed when it matters.
 *
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_CAPACITY_H
#define NIMBUSGUARD_ANALYZERS_SCALER_CAPACITY_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* CPU of a pod without load, share of its request. */
#define CAPACITY_IDLE 0.03
/* Below this the CPU reading is mostly that of an idle pod and tells nothing. */
#define CAPACITY_CPU_MIN 0.08
#define CAPACITY_WEIGHT 0.02
/* So many readings before it is believed: five minutes. */
#define CAPACITY_READINGS_MIN 20

struct capacity {
	double rate; /* of one pod at 100 % of its request; of no meaning before the first reading */
	uint32_t readings;
};

static inline bool capacity_known(const struct capacity *capacity)
{
	return capacity->readings >= CAPACITY_READINGS_MIN;
}

/* rate: of the workload; ready: pods; cpu: mean of a ready pod, 1 is its request. What is NaN or tells
 * nothing is left out. */
static inline void capacity_learn(struct capacity *capacity, double rate, double ready, double cpu)
{
	double one, weight;

	if (!(rate > 0) || !(ready >= 1) || !(cpu >= CAPACITY_CPU_MIN))
		return;
	one = rate / (ready * (cpu - CAPACITY_IDLE));
	if (!isfinite(one))
		return;
	weight = 1.0 / (capacity->readings + 1.0);
	if (weight < CAPACITY_WEIGHT)
		weight = CAPACITY_WEIGHT;
	capacity->rate += weight * (one - capacity->rate);
	if (capacity->readings < UINT32_MAX)
		capacity->readings++;
}

#endif
