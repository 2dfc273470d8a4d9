/*
 * One policy on one draw of a load: the plant with counted pods, and what it cost and who waited.
 *
 * A slot: pods due become ready; the policy sees what is two slots old; its wish is clamped, new pods get
 * a start-up time each, pods too many go at once, those not ready first; then the law of plant_law.h.
 * A minute is violated when more than 5 % of its arrivals are late or dropped.
 *
 * Ownership: everything is borrowed.
 * Limits: start-up times to SIMULATE_START_MAX slots.
 * Threads: one for each run; loads and draws may be shared.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_SIMULATE_H
#define NIMBUSGUARD_ANALYZERS_SCALER_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/load.h"
#include "analyzers/scaler/policy.h"

#define SIMULATE_START_MAX 63
#define SIMULATE_BAD_PART 0.05
/* A change against the one before, within so many slots, is a reversal. */
#define SIMULATE_REVERSAL_SLOTS 40
/* The end of a trace is not counted, as the oracle cannot look beyond it. */
#define SIMULATE_TAIL_SLOTS 40

struct run_outcome {
	double minutes, violated; /* judged ones */
	double requests, bad;     /* late or dropped */
	double pod_slots, oracle_pod_slots;
	double events, reversals; /* changes of the wanted number */
	double slots;             /* judged */
	int most;                 /* pods */
};

/* The three figures of a run: percent, percent, and the factor on the oracle's pod-hours; NaN when there
 * is nothing to divide by. */
double run_outcome_violated(const struct run_outcome *outcome);
double run_outcome_bad(const struct run_outcome *outcome);
double run_outcome_cost(const struct run_outcome *outcome);
double run_outcome_events_a_day(const struct run_outcome *outcome);
double run_outcome_reversals_a_day(const struct run_outcome *outcome);
double run_outcome_pod_hours(const struct run_outcome *outcome);

/* What happened minute by minute, for drawings: [slots / 4], NULL or all. */
struct trail {
	float *rate, *wanted, *ready;
	uint8_t *violated;
};

struct simulate_options {
	const struct plant_config *plant;
	size_t first_slot, end_slot; /* the part that is run; 0, 0: all */
	uint64_t seed;               /* of the start-up times */
	struct trail *trail;
};

/* The policy begins anew, with the oracle's number of pods. */
void simulate(const struct simulate_options *options, const struct load *load,
	const struct draw *draw, struct policy *policy, struct run_outcome *outcome);

#endif
