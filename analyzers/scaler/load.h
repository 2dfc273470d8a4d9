/*
 * A trace cut into slots of 15 s, and what chance makes of it: the load is one per trace, a draw one per
 * seed. Policies that are compared meet the same draw.
 *
 * Demand: the trace's rates are linear between the middles of its minutes, times a lognormal number
 * (sigma .03, mean 1), then Poisson. Observed rate: 1 % noise; CPU: that of the plant.
 *
 * Ownership: load_fini() and draw_fini() give back what init and make took; a draw does not need its load
 *   any more.
 * Limits: LOAD_MINUTES_MAX minutes.
 * Threads: plain values; a load may be read by many.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_LOAD_H
#define NIMBUSGUARD_ANALYZERS_SCALER_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/trace.h"
#include "base/error.h"

#define LOAD_MINUTES_MAX TRACE_MINUTES_MAX
#define LOAD_HORIZON_SLOTS 8 /* how far the oracle looks ahead */

enum load_event {
	LOAD_METRICS_MISSING = 1, /* no reading of this slot */
	LOAD_CAPACITY_LOST = 2,   /* pods serve at load->capacity_left of their rate */
	LOAD_PODS_LOST = 4        /* load->pods_lost of the ready pods die and are made anew */
};

struct load {
	size_t slots;
	double *demand;  /* requests a second, before noise; [slots] */
	uint8_t *events; /* enum load_event; NULL: none. [slots] */
	uint8_t *known;  /* of each minute: the trace told its rate. [slots / 4] */
	double capacity_left, pods_lost;
};

/* rho*: the highest load without a violation, 1 - ln 20 / (mu L). */
double load_highest(const struct plant_config *plant);
/* A rate that needs `pods` pods at rho*. */
double load_pods_rate(const struct plant_config *plant, double pods);
/* The most pods that a slot before `end` needs by the rates without noise; 0: of all. */
int load_most_pods(const struct load *load, const struct plant_config *plant, size_t end);
/* scale: factor on the trace's rates (1: as they are). STATUS_NO_MEMORY, STATUS_BAD_INPUT for a trace
 * without a known rate. Nothing is left to free after an error. */
enum status load_init(struct load *load, const struct trace *trace, double scale,
	struct error *error) MUST_CHECK;
void load_fini(struct load *load);

struct draw {
	size_t slots;
	double *arrivals; /* requests of a slot */
	int *oracle; /* pods that the oracle has: the most that is needed from now on for two minutes */
	float *observed; /* factor on the rate that is observed */
	float *cpu;      /* factor on the CPU reading */
};

enum status draw_make(struct draw *draw, const struct load *load, const struct plant_config *plant,
	uint64_t seed, struct error *error) MUST_CHECK;
void draw_fini(struct draw *draw);

#endif
