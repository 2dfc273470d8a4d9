/*
 * The pods that a workload would have under another autoscaler, fed with the traffic that it really has:
 * counted, with one start-up time for all, served by the law of plant_law.h. Costs and late requests of
 * autoscalers that do not serve are counted on fleets (follower.h).
 *
 * A request is late when it takes longer than FLEET_LATE times what a pod needs for one: with that the
 * highest load without a violation is 85 % whatever a pod serves.
 *
 * Ownership: plain values.
 * Limits: FLEET_PODS_MAX pods; start-up times below FLEET_RING slots.
 * Threads: one at a time; deterministic.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_FLEET_H
#define NIMBUSGUARD_ANALYZERS_SCALER_FLEET_H

#include <stdint.h>

#define FLEET_RING 64 /* a power of two */
#define FLEET_PODS_MAX 60000
#define FLEET_LATE 20.0
/* rho*: 1 - ln 20 / FLEET_LATE. */
#define FLEET_LOAD_MAX 0.85

struct fleet {
	int wanted, ready;
	int64_t slot; /* up to which pods became ready */
	double backlog;
	uint16_t due[FLEET_RING]; /* pods that become ready in a slot */
};

/* All `replicas` pods are ready. */
void fleet_init(struct fleet *fleet, int64_t slot, int replicas);
/* The time goes on to `slot`: pods due become ready. */
void fleet_advance(struct fleet *fleet, int64_t slot);
/* The wanted number from the fleet's slot on; down: what is not ready goes first, the latest first.
 * start_slots: 0 to FLEET_RING - 1. */
void fleet_want(struct fleet *fleet, int wanted, int start_slots);

/* What came of one slot of traffic. */
struct fleet_slot {
	double late; /* share of the requests late or dropped, 0 to 1; 0 without requests */
	double cpu;  /* mean of a ready pod, 1 is its request */
};

/* rate: requests a second; pod_rate: what one pod serves. Both finite, pod_rate above 0. */
void fleet_serve(struct fleet *fleet, double pod_rate, double rate, struct fleet_slot *slot);
/* The same for `ready` pods of which no more is known; *backlog is kept by the caller. */
void fleet_serve_pods(double ready, double *backlog, double pod_rate, double rate,
	struct fleet_slot *slot);
/* The fewest pods that serve the rate without a violation; at least 1. */
int fleet_need(double pod_rate, double rate);

#endif
