/*
 * From a forecast to a number of pods: need at once, surplus slowly, a guard below which nothing falls, and
 * an estimate of what one pod serves that is worked out from the readings.
 *
 *   up    = max(ceil(F_up,q / (mu rho)), guard), at once
 *   down  = max(up, ceil(F_down,q / (mu rho))); pods go only to the largest `down` of the window
 *   guard = what an HPA at 85 % with no tolerance wants now
 *   mu    = slow mean (.02) of rate / (ready (cpu - idle))
 *
 * Nothing here waits before it adds pods. A missing reading of the rate leaves the forecast's part out: the
 * number holds or the guard raises it. A rate that the CPU readings contradict is taken as missing for five
 * minutes at most.
 *
 * Ownership: plain values.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_CONTROL_H
#define NIMBUSGUARD_ANALYZERS_SCALER_QUANTILE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/scaler/foresight.h"
#include "analyzers/scaler/policy.h"

#define CONTROL_GUARD_UTILIZATION .85
#define CONTROL_WINDOW_MAX 80 /* slots: 20 minutes */
#define CONTROL_RING 128      /* a power of two above it */
/* Readings of capacity without which there is no estimate. */
#define CONTROL_CAPACITY_READINGS_MIN 20

/* What the tuner chooses. */
struct control_setting {
	uint8_t arm;    /* enum foresight_arm */
	uint8_t down;   /* horizon for going down: FORESIGHT_UP or FORESIGHT_DOWN */
	uint8_t level;  /* index in foresight_levels */
	uint8_t window; /* slots */
	float load;     /* rho: the load that pods are wanted for */
};

/* Net, going down by forty slots, q .98, ten minutes, .80: for the first day. */
void control_setting_default(struct control_setting *setting);

struct control {
	struct control_setting setting;
	double idle;     /* CPU share of a pod without load */
	double capacity; /* mu; NaN: not known */
	double factor;   /* on mu in decisions; 1 but for experiments */
	int64_t capacity_readings;
	int contradicted; /* slots on end */
	/* The largest recommendation of the window: a falling queue. */
	int64_t slots[CONTROL_RING];
	int values[CONTROL_RING];
	unsigned first, end;
};

/* The parts of a decision. */
struct control_parts {
	double up, down;            /* F: requests a second; NaN: nothing was said */
	int need, need_down, guard; /* pods; 0: not known */
	int stabilized;             /* largest recommendation of the window */
	bool rate_missing;
};

/* capacity: requests a second that a pod serves, NaN: from the readings. */
void control_init(struct control *control, const struct control_setting *setting, double capacity,
	double idle);
/* Forgets the window, not the capacity. */
void control_begin(struct control *control);
/* What a pod serves; NaN: too few readings yet. */
double control_capacity(const struct control *control);
/* The estimate counts so many times, to see what a wrong one does. */
void control_factor_set(struct control *control, double factor);
/* Whether the CPU readings say that the rate cannot be what it is: five minutes of it are taken for a
 * change of the service instead. */
bool control_contradicts(struct control *control, const struct policy_view *view);
/* The reading goes into the estimate of capacity. */
void control_capacity_step(struct control *control, const struct policy_view *view);
/* The wanted number of pods, not clamped; parts may be NULL. up, down: F of the setting's level, NaN:
 * nothing is said. */
int control_decide(struct control *control, const struct policy_view *view, double up, double down,
	struct control_parts *parts);
/* What an HPA at 85 % with no tolerance wants; 0: nothing is known. */
int control_guard(const struct policy_view *view);

#endif
