/*
 * The policies by name:
 *   hpa[:TARGET[:WINDOW]]  the HPA at TARGET % of the CPU request (80), stabilization window WINDOW (5m)
 *   static[:PODS]          always so many; without a number the most that the traffic before the part that
 *                          is judged needed (that of the whole trace when nothing is before it)
 *   qlearning[:classic|balanced[:DAYS]]  the tabular agent by either reward, trained on DAYS days (1000)
 *                          out of the history; without history it learns while it serves
 *   ours[:OBJECTIVE[:setting|table|dqn]]  the serving policy (quantile_policy.h) for OBJECTIVE % of violated
 *                          minutes and bad requests at most (.5), which learns from the history; with a third
 *                          word that chooses the quantile and serves, whatever its replays say
 *   oracle                 knows the demand of the next two minutes: the yardstick
 *
 * Ownership: policy_open() fills a policy that policy_close() ends; the scene is borrowed until then.
 * Threads: a policy belongs to one run at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_POLICIES_H
#define NIMBUSGUARD_ANALYZERS_SCALER_POLICIES_H

#include <stdbool.h>
#include <stddef.h>

#include "analyzers/plant.h"
#include "analyzers/scaler/load.h"
#include "analyzers/scaler/policy.h"
#include "base/error.h"

/* What a policy may know when it is made. */
struct policy_scene {
	const struct load *load;
	const struct draw *draw; /* of the run under way; for the oracle alone */
	const struct plant_config *plant;
	size_t first_slot; /* of the judged part: what is before may be learned from */
	bool hpa_whole_percent;
};

/* The names before the colon, NULL-terminated. */
extern const char *const policy_names[];
/* STATUS_BAD_INPUT: no such policy, or its words cannot be read; STATUS_NO_MEMORY. */
enum status policy_open(struct policy *policy, const char *text, const struct policy_scene *scene,
	struct error *error) MUST_CHECK;

#endif
