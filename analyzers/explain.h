/*
 * What a watch has found, in plain sentences: which signals, how far from what was expected, since
 * when; and the event that tells it.
 *
 * Ownership: the event built belongs to the caller.
 * Threads: pure; reads the plain values of a workload, of the roster or of a copy.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EXPLAIN_H
#define NIMBUSGUARD_ANALYZERS_EXPLAIN_H

#include "analyzers/roster.h"
#include "base/buf.h"
#include "base/event.h"

#define EXPLAIN_SIGNALS 3
#define FINDING_WORKLOAD "workload_anomaly"

/* What was expected of a signal, and on what ground. */
struct expectation {
	double value; /* NaN: not known */
	double score; /* robust deviations from it; NaN: not known */
	const char *ground;
};

void explain_expected(const struct watched_signal *signal, struct expectation *expectation);

/* One sentence on the last judged minute, without a full stop: the signals that stand out with their
 * values and what was expected, strongest first. */
void explain_signals(const struct watched_workload *workload, const double *contributions,
	struct buf *text);

/* The event of the episode of a workload's watch. Labels: finding "workload_anomaly", detector, role
 * (the one that stood out first), direction "both", namespace, workload_kind, workload, cluster.
 * joined: the name of the finding in which it goes on, or NULL. */
enum status explain_event(const struct watched_workload *workload, const char *detector,
	enum finding_change change, const char *joined, int64_t now_ms, struct event *event,
	struct error *error) MUST_CHECK;

#endif
