/*
 * From raw samples to something that may be judged: the recent value, the history before it, and
 * the verdict on the data, which comes first.
 *
 * Threads: pure; the caller's scratch is used.
 */
#ifndef NIMBUSGUARD_ANALYZERS_WINDOW_H
#define NIMBUSGUARD_ANALYZERS_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "base/quality.h"
#include "store/store.h"

/* A window is cut into history [from, now - recent) and the recent part [now - recent, now]. */
struct window_spec {
	int64_t now_ms, history_ms, history_min_ms, recent_ms, skew_max_ms;
	double coverage_min; /* share of the expected samples that must be there */
};

struct window {
	enum quality quality;
	double value;  /* mean of the recent part; NaN when there is none */
	double newest; /* newest value; NaN when none */
	int64_t newest_ms;
	double *history; /* values before the recent part, in the caller's scratch */
	size_t history_count;
	int64_t span_ms; /* time that the history covers */
	double coverage; /* samples there / samples expected, at most 1 */
	size_t samples;  /* usable samples of the whole window */
};

/* points: [count] oldest first, as store_window gives them. scratch: [count]. Counters become rates
 * per second: an increase over the time between two samples, a fall counts as a reset from zero. */
void window_build(struct window *window, const struct window_spec *spec,
	const struct signal_binding *binding, const struct store_point *points, size_t count,
	double *scratch);

#endif
