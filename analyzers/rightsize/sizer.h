/*
 * The containers that are sized in service: found by their series, kept in the 1-minute tier, learnt from
 * it minute by minute, and from its beginning after a start.
 *
 * A container is known by the labels cluster, namespace, workload_kind, workload and container of the
 * series nimbusguard:container_* that rules/prometheus/workloads.rules.yml records: of each the most that
 * any of its pods uses, so that the size is that of the busiest pod.
 *
 * Ownership: store, rollup and clock are borrowed.
 * Limits: containers_max containers; those beyond are counted and left out. About 11 kB each. A step
 *   learns SIZER_MINUTES_A_STEP minutes at most.
 * Threads: sizer_step() from one thread, which may write the tier then; sizer_list() from any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZER_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZER_H

#include <stdint.h>

#include "analyzers/rightsize/sized.h"
#include "store/rollup.h"
#include "store/store.h"

#define SIZER_MINUTES_A_STEP 1000000
/* Containers of which every size is a metric. */
#define SIZER_METRICS_MAX 1500

struct sizer_config {
	struct store *store;
	struct rollup *rollup;
	size_t containers_max;
	struct sizing_prices prices;
};

struct sizer;

/* NULL: STATUS_NO_MEMORY. Its gauges are set by a collector (base/metrics.h). */
struct sizer *sizer_open(const struct sizer_config *config, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void sizer_close(struct sizer *sizer);
/* Does what is due: at each scan. */
void sizer_step(struct sizer *sizer, int64_t now_ms);
/* With the thread of sizer_step() held off. */
void sizer_set_prices(struct sizer *sizer, const struct sizing_prices *prices);

/* Copies of the containers of a workload (NULL: of all), at most limit, in the order of sized_compare();
 * mem_free(). NULL: no memory. */
struct sized *sizer_list(struct sizer *sizer, const struct workload_key *workload, size_t limit,
	size_t *count) MUST_CHECK;

#endif
