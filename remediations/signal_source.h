/*
 * How the remediation side reads signals: one narrow question, answered by the wiring from the
 * store, so that the engine can be replayed against recorded answers.
 *
 * Threads: read from the engine's thread; must not block (memory only).
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_SIGNAL_SOURCE_H
#define NIMBUSGUARD_REMEDIATIONS_SIGNAL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/quality.h"
#include "base/workload.h"

/* SIGNAL_PEAK: what nine of ten times the highest minute of the next fifteen does not pass; asked of conditions
 * alone, and the time asked for counts by its end. */
enum signal_fold {
	SIGNAL_NEWEST,
	SIGNAL_MEAN,
	SIGNAL_MIN,
	SIGNAL_MAX,
	SIGNAL_INCREASE,
	SIGNAL_PEAK
};

struct signal_reading {
	enum quality
		quality; /* value is meaningful only for QUALITY_GOOD; QUALITY_TOO_SHORT may carry one */
	double value;      /* NaN when there is none */
	int64_t newest_ms; /* time of the newest sample used; 0 when none */
	uint32_t samples;
};

struct signal_source {
	void *self;
	void (*read)(void *self, const struct workload_key *workload, enum signal_role role,
		enum signal_fold fold, int64_t from_ms, int64_t to_ms,
		struct signal_reading *reading);
	/* The workload that owns a pod by the stream's own series (namespace, pod -> owner); false when
	 * unknown or ambiguous. May be NULL. */
	bool (*owner_of_pod)(void *self, const char *cluster, const char *namespace_name,
		const char *pod, struct workload_key *workload);
	/* Whether the stream has ever shown this workload. May be NULL. */
	bool (*knows)(void *self, const struct workload_key *workload);
	/* What a forecaster that is better than the last value expects of the signal's mean at at_ms, by
	 * nothing later than known_ms, and within what nine of ten outcomes lie; false, and nothing is
	 * set: there is none that can tell. May be NULL. */
	bool (*foresee)(void *self, const struct workload_key *workload, enum signal_role role,
		int64_t known_ms, int64_t at_ms, double *value, double *low, double *high);
	/* How many workloads of a namespace the stream shows; 0: not known. May be NULL. */
	unsigned (*count_workloads)(void *self, const char *cluster, const char *namespace_name);
};

#endif
