/*
 * The Horizontal Pod Autoscaler of Kubernetes for one CPU utilization metric: the recommendation from the
 * pods' readings, its stabilization, the limits of `behavior`, and the bounds.
 *
 * Source: kubernetes/kubernetes pkg/controller/podautoscaler (replica_calculator, horizontal) and the
 *   document "Horizontal Pod Autoscaling"; autoscaling/v2.
 * Ownership: plain values; struct hpa is the memory of one autoscaler.
 * Limits: windows to 3600 s and periods to 1800 s, as the API has them; HPA_RULES_MAX rules a direction.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_HPA_H
#define NIMBUSGUARD_ANALYZERS_SCALER_HPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/scaler/policy.h"
#include "base/error.h"

#define HPA_RULES_MAX 4
#define HPA_WINDOW_MAX_S 3600
#define HPA_PERIOD_MAX_S 1800
#define HPA_RING 256 /* a power of two above HPA_WINDOW_MAX_S / POLICY_SLOT_S + 1 */

enum hpa_select { HPA_SELECT_MAX, HPA_SELECT_MIN, HPA_SELECT_DISABLED };

struct hpa_rule {
	bool percent; /* else pods */
	int value, period_s;
};

struct hpa_direction {
	int window_s; /* stabilization */
	enum hpa_select select;
	struct hpa_rule rules[HPA_RULES_MAX];
	size_t rule_count;
	double tolerance;
};

struct hpa_config {
	double target_percent;
	/* Kubernetes cuts the current utilization to a whole per cent before it compares. */
	bool whole_percent;
	int replicas_min, replicas_max;
	struct hpa_direction up, down;
};

/* 80 %, 1 to 50, the API's defaults of `behavior`, tolerance 0.1. */
void hpa_config_default(struct hpa_config *config);
/* Refuses what the API would. */
enum status hpa_config_check(const struct hpa_config *config, struct error *error) MUST_CHECK;

/* The pods as one sync sees them; those being deleted or failed are in no number. */
struct hpa_pods {
	int current;  /* spec.replicas */
	int measured; /* ready, with a sample */
	int unready;  /* not yet ready: their samples do not count */
	int missing;  /* without a sample */
	double usage; /* mean of the measured pods, 1 is the request */
};

/* The recommendation before stabilization; pods->current where nothing can be said (no sample at all). */
int hpa_recommend(const struct hpa_config *config, const struct hpa_pods *pods);

/* The smallest or largest of a moving window: a queue that falls or rises. */
struct hpa_extreme {
	int64_t slot[HPA_RING];
	int value[HPA_RING];
	unsigned first, end;
};

struct hpa {
	struct hpa_config config;
	struct hpa_extreme highest, lowest;
	int changes[HPA_RING]; /* pods added (or removed, below 0) in a slot */
	int64_t change_slot[HPA_RING];
};

void hpa_init(struct hpa *hpa, const struct hpa_config *config);
/* Stabilization, limits and bounds on a recommendation; remembers both it and the change that it makes.
 * slot: the number of this sync, rising; syncs without a recommendation are left out. */
int hpa_settle(struct hpa *hpa, int64_t slot, int current, int recommendation);

/* The autoscaler as a policy: pods that were not ready two slots ago are unready, no reading: no change.
 * STATUS_NO_MEMORY. */
enum status hpa_policy_open(struct policy *policy, const struct hpa_config *config,
	struct error *error) MUST_CHECK;

#endif
