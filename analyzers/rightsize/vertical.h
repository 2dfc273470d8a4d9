/*
 * The recommendation of the Vertical Pod Autoscaler for one container, by its rule: what CPU requests and
 * memory requests it would set, from the usage of each minute, the peaks of a day and kills for lack of
 * memory.
 *
 *   CPU      each minute's usage with weight 0.1, half-life 24 h, buckets from 0.01 core by 5 %
 *   memory   the peak of each window of 24 h with weight 1, half-life 24 h, buckets from 10 MB by 5 %
 *   a kill   a peak of max(request, the window's peak) + the larger of 100 MiB and 20 %
 *   target   percentile .9 + 15 %; lower .5, upper .95 likewise, wider the shorter the history
 *
 * Source: kubernetes/autoscaler vertical-pod-autoscaler 1.7, pkg/recommender (model, logic).
 * Ownership: a plain value of about 2.9 kB.
 * Order: samples in time order; those that are not are left out, as there.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_VERTICAL_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_VERTICAL_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/rightsize/decay.h"

enum sized_resource { SIZED_CPU, SIZED_MEMORY, SIZED_RESOURCES }; /* cores, bytes */

extern const struct decay_scale vertical_cpu_scale, vertical_memory_scale;

struct vertical {
	struct decay cpu, memory;
	int64_t first_ms, last_ms; /* of CPU samples */
	uint64_t samples;          /* of CPU */
	int64_t memory_ms;         /* the newest memory sample */
	int64_t window_end_ms;
	double peak, kill_peak; /* of the window that ends then, bytes; 0: none */
	bool cpu_started, memory_started;
};

/* Windows end at the first memory sample and every 24 hours from there. */
void vertical_init(struct vertical *vertical);
/* cores, bytes: at least 0, else left out. */
void vertical_add_cpu(struct vertical *vertical, int64_t t_ms, double cores);
void vertical_add_memory(struct vertical *vertical, int64_t t_ms, double bytes);
/* A container was killed for lack of memory. request: in bytes; NaN: none. False: it is older than the
 * window before this one, and is left out. */
bool vertical_add_kill(struct vertical *vertical, int64_t t_ms, double request);

/* cores and bytes; NaN: there are no samples of that resource. */
struct vertical_advice {
	double target[SIZED_RESOURCES], lower[SIZED_RESOURCES], upper[SIZED_RESOURCES];
	double confidence; /* days of history, or samples by what a day has, whichever is less */
};

/* containers: of the pod, which divide the least recommendation for a pod, 25 millicores and 250 MiB. An
 * upper bound is infinite at confidence 0. */
void vertical_advise(const struct vertical *vertical, unsigned containers,
	struct vertical_advice *advice);

#endif
