/*
 * From samples to the 1-minute tier (store/rollup.h): the mean, max, min, last and count of the
 * measurements of each minute of a signal, written once the minute is complete.
 *
 * A minute is complete when its series has a sample behind it or its end marker, or when it ended
 * ROLLUP_LATE_MINUTES ago. Values that are NaN or infinite and stale markers are no measurements; a
 * minute without any is a gap. A counter's measurement is its rate (analyzers/measure.h); none is made
 * over a silence longer than the signal's stale_ms or over the end of the series.
 *
 * Threads: those of rollup_write(); the fold is pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MINUTES_H
#define NIMBUSGUARD_ANALYZERS_MINUTES_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/signals.h"
#include "base/workload.h"
#include "store/rollup.h"
#include "store/store.h"

/* The key of a signal in the tier: cluster/namespace/Kind/name/role, each with its slash even when
 * it is empty. Returns its size; text: [ROLLUP_KEY_MAX]. */
size_t minutes_key(const struct workload_key *workload, enum signal_role role, char *text);

/* minutes: [count], of first, first + 1 and so on. points: oldest first; those before the first minute
 * only start counters. */
void minutes_fold(const struct signal_binding *binding, const struct store_point *points,
	size_t point_count, int64_t first, struct rollup_minute *minutes, size_t count);

struct minutes_source {
	struct store *store;
	struct rollup *rollup;
	int64_t now_ms;
	struct store_point *points; /* scratch */
	size_t point_max;
};

/* Writes the complete minutes of a series that are not in the tier yet, and those of the last
 * ROLLUP_LATE_MINUTES again where they have more samples now. *fed: up to which minute the
 * series was looked at; 0 at first, kept by the caller. What went wrong is that of rollup_write();
 * the minutes concerned are not tried again. */
enum status minutes_feed(const struct minutes_source *source, const struct workload_key *workload,
	enum signal_role role, const struct signal_binding *binding, uint32_t series, int64_t *fed,
	struct error *error) MUST_CHECK;
/* The same under any other key of the tier. */
enum status minutes_feed_key(const struct minutes_source *source, const char *key, size_t key_size,
	const struct signal_binding *binding, uint32_t series, int64_t *fed,
	struct error *error) MUST_CHECK;

#endif
