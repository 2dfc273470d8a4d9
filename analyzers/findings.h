/*
 * From scores to findings: one an episode, with a minimum duration and hysteresis, and a sentence
 * that says what is seen, how far from what was expected, and since when.
 *
 * Ownership: plain values; the event built belongs to the caller.
 * Threads: one thread at a time a tracker.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FINDINGS_H
#define NIMBUSGUARD_ANALYZERS_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "base/event.h"
#include "base/quality.h"
#include "base/workload.h"

#define DETECTOR_ROBUST_Z "robust_zscore"

/* What one scan says of one signal. */
struct judgement {
	enum quality quality;
	double value, expected, scale, score; /* score NaN when it was not judged */
	double newest;                        /* newest value; NaN when there is none */
	double confidence;                    /* 0..1: history and coverage behind the score */
	int64_t newest_ms;
	uint32_t samples;
};

struct finding_spec {
	double threshold, threshold_close;
	int64_t duration_min_ms, repeat_ms, lost_ms;
};

/* States: quiet -> pending (over the threshold) -> active (for duration_min_ms) -> closing (below
 * threshold_close) -> quiet. Bad data ends what is pending and changes no other state, but an active
 * finding whose signal was lost for lost_ms is resolved with that reason. */
struct finding_tracker {
	enum { FINDING_QUIET, FINDING_PENDING, FINDING_ACTIVE, FINDING_CLOSING } state;
	bool up;          /* direction of the episode */
	int64_t since_ms; /* first sample over the threshold */
	int64_t closing_ms, told_ms, judged_ms;
	struct judgement worst; /* of the episode */
};

enum finding_change {
	FINDING_NONE,
	FINDING_OPENED,
	FINDING_REPEATED,
	FINDING_RESOLVED,
	FINDING_LOST
};

/* A number with its unit, as a person would say it. */
void finding_amount(double value, enum signal_role role, char *text, size_t size);

enum finding_change finding_update(struct finding_tracker *tracker, const struct finding_spec *spec,
	enum signal_direction detect, const struct judgement *judgement, int64_t now_ms);

/* The labels of a finding's event: finding (such as cpu_high), detector, role, direction, namespace,
 * workload_kind, workload, and cluster where there is one. The caller ends them with labels_fini(). */
enum status finding_labels(struct labels *labels, const struct workload_key *workload,
	enum signal_role role, const char *finding, const char *detector, const char *direction,
	struct error *error) MUST_CHECK;

/* The event of an active or just ended finding, with those labels. */
enum status finding_event(const struct finding_tracker *tracker,
	const struct workload_key *workload, enum signal_role role, const struct judgement *now,
	enum finding_change change, int64_t now_ms, struct event *event,
	struct error *error) MUST_CHECK;

#endif
