/*
 * A workload to try things on: it answers requests that cost processor time, and is told over HTTP to burn,
 * hold or leak, to fail, to be slow, not to be ready, or to crash. docs/sample.md has its routes.
 *
 * Ownership: texts of the configuration are borrowed until sample_close().
 * Limits: struct strain_limits; SAMPLE_DURATION_MAX_MS for whatever lasts; SAMPLE_DELAYED_MAX slow answers
 *   at once, then 503.
 * Threads: open and close on one thread.
 */
#ifndef NIMBUSGUARD_DEMO_SAMPLE_H
#define NIMBUSGUARD_DEMO_SAMPLE_H

#include "base/error.h"
#include "demo/strain.h"

#define SAMPLE_DURATION_MAX_MS INT64_C(3600000)
#define SAMPLE_LATENCY_MAX_MS 30000
#define SAMPLE_COST_MAX_MS 1000
#define SAMPLE_DELAYED_MAX 4096

struct sample_config {
	const char *listen_address;
	struct strain_limits limits;
	int64_t cost_ms; /* processor time of a request */
	uint64_t seed;   /* of which requests fail */
	/* Told when it is to crash, on a thread of its own server: the program is to end with a failure. */
	void (*crash)(void *argument);
	void *argument;
};

struct sample;

struct sample *sample_open(const struct sample_config *config, struct error *error) MUST_CHECK;
unsigned sample_port(const struct sample *sample);
/* Requests under way have drain_ms to end. */
void sample_close(struct sample *sample, int64_t drain_ms);

#endif
