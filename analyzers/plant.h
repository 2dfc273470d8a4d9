/*
 * The plant: what a workload does with its traffic, slot by slot. Pods take time to start, a backlog
 * forms when capacity is short, requests are late or dropped, CPU follows the load. Serves the
 * simulator and the simulated cluster alike.
 *
 * Model: an M/M/1-like station per slot with a bounded backlog of 10 s of capacity; a request is
 * late when it waits longer than latency_limit_s, with probability exp(-mu (1 - rho) (L - W)).
 *
 * Ownership: plain values on the caller's memory.
 * Limits: PLANT_PODS_MAX pods.
 * Order: each slot: pods due become ready; the caller's wish is taken; demand is served.
 * Threads: one thread at a time; deterministic by seed.
 */
#ifndef NIMBUSGUARD_ANALYZERS_PLANT_H
#define NIMBUSGUARD_ANALYZERS_PLANT_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/plant_law.h"
#include "base/random.h"

#define PLANT_PODS_MAX 256

struct plant_config {
	double service_rate;                  /* mu: requests a second that one pod serves */
	double latency_limit_s;               /* L: later than this is a violation */
	int start_slots_min, start_slots_max; /* a new pod is ready after so many slots, uniform */
	int replicas_min, replicas_max;
	double cpu_idle;  /* CPU share of a pod without load */
	double cpu_noise; /* relative standard deviation of the CPU reading */
};

/* mu 50, L 0.4 s, start-up 2 to 8 slots, 1 to 50 replicas, idle .03, noise .02. */
void plant_config_default(struct plant_config *config);

struct plant {
	struct plant_config config;
	struct random random;
	int64_t slot;
	int wanted;
	int64_t ready_at[PLANT_PODS_MAX]; /* slot from which pod i serves; pods 0..wanted-1 exist */
	double backlog;                   /* requests waiting */
};

struct plant_slot {
	int wanted, ready;
	double demand;                         /* lambda: requests a second offered */
	double arrivals, served, dropped, bad; /* requests in this slot; bad: late or dropped */
	double utilization;                    /* rho: share of capacity used */
	double wait_s;                         /* W: mean wait in the backlog */
	double latency_p99_s;
	double cpu; /* mean share of a pod's CPU in use, 0..1, with noise */
};

/* All `replicas` pods are ready at once. */
void plant_init(struct plant *plant, const struct plant_config *config, int replicas,
	uint64_t seed);
/* Clamped to the config's bounds. Down: pods that are not ready go first, the latest first. */
void plant_want(struct plant *plant, int replicas);
/* The pod that goes first when there is one too many, and its removal (later pods move up by one),
 * for callers that give pods a name. At least one pod must exist. */
int plant_victim(const struct plant *plant);
void plant_remove(struct plant *plant, int pod);
/* Ready pods at the coming slot. */
int plant_ready(const struct plant *plant);
/* A pod stops serving for `slots` slots (a crash, a restart). pod: index below wanted. */
void plant_lose(struct plant *plant, int pod, int slots);
/* One slot of `demand` requests a second; demand must be finite and not negative. */
void plant_step(struct plant *plant, double demand, struct plant_slot *result);
/* The demand as it is offered in one slot: lognormal noise (sigma .03, mean 1), then Poisson. */
double plant_noisy_demand(struct plant *plant, double demand);

#endif
