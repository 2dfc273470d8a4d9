/*
 * The raw series of one workload as kube-state-metrics, cAdvisor and an instrumented program expose
 * them, for a target that a real Prometheus scrapes. The test turns the rates.
 *
 * Threads: the page is written on the target's thread; the atomics may be set from any.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_RAW_SERIES_H
#define NIMBUSGUARD_TESTS_SUPPORT_RAW_SERIES_H

#include <stdatomic.h>
#include <stdint.h>

struct raw_series {
	_Atomic double cpu_cores; /* in use, of all pods together */
	_Atomic double requests_per_s;
	atomic_int restarts;   /* of the first pod's container */
	atomic_int oom_killed; /* 1: that was the reason of the last one */
	/* Owned by the target's thread. */
	double cpu_seconds, requests;
	int64_t written_ns, pages;
};

#define RAW_PODS 2

void raw_series_init(struct raw_series *series);
/* A target_write_fn; argument: the struct. */
char *raw_series_write(void *argument);

#endif
