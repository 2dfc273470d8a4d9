/*
 * Generated workloads to train on: signals of a service as they are seen in the field, each from a seed.
 *
 * The request rate is a level with a day's and a week's shape, slow drift, noise with a memory, bursts
 * that fade, ramps, steps that stay (a new version, a new customer) and work by the clock; it is counted
 * (Poisson), smooth, or in whole steps. CPU follows it, memory fills and is freed, latency rises as CPU
 * runs out, and a fifth signal follows nobody: states that switch, saw teeth, walks. Rows are missing
 * here and there, and for hours now and then.
 *
 * Threads: a pure function of its arguments.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_GENERATED_H
#define NIMBUSGUARD_ANALYZERS_MODELS_GENERATED_H

#include <stddef.h>
#include <stdint.h>

enum generated_signal {
	GENERATED_REQUESTS,
	GENERATED_CPU,
	GENERATED_MEMORY,
	GENERATED_LATENCY,
	GENERATED_OTHER,
	GENERATED_SIGNALS,
};

struct generated_spec {
	uint64_t seed;
	size_t rows;
	size_t day_rows; /* 1440: minutes */
};

/* values: [GENERATED_SIGNALS][rows], NaN: missing. */
void generated_workload(const struct generated_spec *spec, double *values);
/* What a signal of it has beside it: [rows][FORECAST_BESIDE] of requests, CPU and memory, NaN for the
 * signal itself. known: whether any of it is known at all (else all NaN). */
void generated_beside(const double *values, size_t rows, enum generated_signal signal, int known,
	double *beside);

#endif
