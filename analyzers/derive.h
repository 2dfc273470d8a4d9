/*
 * Signals that are made of several series: quantiles of histograms and ratios. The values are
 * appended to the store as one gauge a workload and role, so that all that reads signals reads these
 * alike:
 *   nimbusguard:signal:derived{cluster, namespace, workload_kind, workload, role, definition}
 *
 * A value is made for each multiple of the binding's interval, once all sources have gone beyond it.
 * What cannot be told is a gap: no value for a quantile without observations, without the bucket +Inf
 * or with fewer than two buckets, nor for a ratio whose numerator or denominator is missing or whose
 * denominator is zero. When all sources have ended the gauge ends too.
 *
 * Ownership: the store and the records are borrowed.
 * Limits: DERIVE_SOURCES_MAX sources a signal (more: the signal is left out and told), signal_max
 *   signals, DERIVE_STEPS_MAX values a signal a step. No room in the store: the signal has no series.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DERIVE_H
#define NIMBUSGUARD_ANALYZERS_DERIVE_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "store/store.h"

#define DERIVE_SOURCES_MAX 512
#define DERIVE_STEPS_MAX 64

struct derive;
struct records; /* store/records.h */

/* histograms: native histograms of series without the label le; may be NULL. workload_max: as the
 * roster's. NULL: STATUS_NO_MEMORY. */
struct derive *derive_open(struct store *store, struct records *histograms, size_t workload_max,
	struct error *error) MUST_CHECK;
void derive_close(struct derive *derive);

/* Looks up the sources of all derived signals of the set anew. What is known of signals that are still
 * there stays. STATUS_NO_MEMORY: there are none until the next time. */
enum status derive_bind(struct derive *derive, struct signal_set *set) MUST_CHECK;
/* Makes the values that can be made now, from now_ms - history_ms on at most. set: that of the last
 * derive_bind(). Returns how many were appended. */
size_t derive_step(struct derive *derive, const struct signal_set *set, int64_t now_ms,
	int64_t history_ms);
/* Derived signals with sources. */
size_t derive_count(const struct derive *derive);

/* The value below which a share q of the observations lies, as histogram_quantile() of Prometheus
 * gives it for classic buckets: linear within a bucket, 0 as the lower bound of the lowest when its
 * upper bound is positive, the highest finite bound for what lies in +Inf. bounds: ascending, the
 * same one several times is added up; counts: cumulative, made monotonic; both [count] and changed.
 * NaN: the last bound is not +Inf, fewer than two buckets, no observations, or counts that are no
 * numbers. q: 0..1. Source: Prometheus, promql/quantile.go, BucketQuantile(). */
double derive_bucket_quantile(double *bounds, double *counts, size_t count, double q);

#endif
