/*
 * Which series mean what: rules/signals.yaml binds selectors to roles.
 *
 * Ownership: struct signal_set owns its matchers and texts.
 * Limits: SIGNALS_MAX bindings; one binding a role in each file, later files replace earlier ones.
 * Threads: read-only after loading (matching is thread-safe).
 */
#ifndef NIMBUSGUARD_ANALYZERS_SIGNALS_H
#define NIMBUSGUARD_ANALYZERS_SIGNALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/matcher.h"
#include "base/workload.h"
#include "base/yaml.h"

enum signal_direction { DIRECTION_NONE, DIRECTION_UP, DIRECTION_DOWN, DIRECTION_BOTH };
enum signal_type { SIGNAL_GAUGE, SIGNAL_COUNTER };
/* Signals made of several series: analyzers/derive.h makes one of them, a gauge. */
enum signal_derivation { DERIVE_NONE, DERIVE_QUANTILE, DERIVE_RATIO };

#define SIGNAL_DERIVED_METRIC "nimbusguard:signal:derived"

struct signal_binding {
	bool bound, forecast;
	enum signal_type type;
	enum signal_direction detect;
	struct matchers matchers; /* of a derived signal: that of the series made of the others */
	double deviation_min;     /* in the role's unit: smaller deviations are never findings */
	int64_t interval_ms;      /* expected distance of samples */
	int64_t stale_ms;         /* newest sample older than this: QUALITY_STALE */
	enum signal_derivation derivation;
	struct matchers parts[2]; /* of a quantile the buckets; of a ratio numerator, denominator */
	double quantile;
	int64_t window_ms;
	bool counters;       /* of a ratio: increases over the window are divided, not values */
	char definition[17]; /* of a derived signal: a hash of all that its values depend on */
};

struct signal_set {
	struct signal_binding roles[ROLE_COUNT];
	struct matchers pod_owner; /* series whose labels name pod and workload; empty: none */
	struct matchers
		workload_node; /* workload and node that all of its pods are on; empty: none */
};

/* What is wrong is in diagnostics; STATUS_BAD_INPUT when there was an error. */
enum status signal_set_load(struct signal_set *set, const char *const *paths, size_t count,
	struct diagnostics *diagnostics) MUST_CHECK;
void signal_set_fini(struct signal_set *set);

/* All selectors of series from outside that the set reads, in the order of roles, pod_owner and
 * workload_node last.
 * selectors: [SIGNAL_SELECTORS_MAX]; valid as long as the set. Returns their number. */
#define SIGNAL_SELECTORS_MAX (2 * ROLE_COUNT + 2)
size_t signal_set_selectors(const struct signal_set *set, const struct matchers **selectors);

#endif
