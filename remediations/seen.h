/*
 * What was heard before, as hashes with a bounded memory, and how many alerts came lately.
 *
 * Limits: a seen set forgets the oldest of a bucket of eight when the bucket is full; a storm gauge
 *   counts up to its maximum.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_SEEN_H
#define NIMBUSGUARD_REMEDIATIONS_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct seen_entry;

struct seen {
	struct seen_entry *entries;
	size_t bucket_count;
};

/* Room for at least entry_max hashes. STATUS_NO_MEMORY. */
enum status seen_init(struct seen *seen, size_t entry_max) MUST_CHECK;
void seen_fini(struct seen *seen);
bool seen_has(const struct seen *seen, uint64_t hash);
void seen_put(struct seen *seen, uint64_t hash, int64_t time_ms);

struct storm_gauge {
	int64_t *times; /* ring of the newest `max` times */
	size_t max, next, count;
};

/* Counts up to `most` events. STATUS_NO_MEMORY. */
enum status storm_init(struct storm_gauge *gauge, size_t most) MUST_CHECK;
void storm_fini(struct storm_gauge *gauge);
void storm_add(struct storm_gauge *gauge, int64_t time_ms);
/* Events at or after since_ms, at most `most`. */
unsigned storm_count(const struct storm_gauge *gauge, int64_t since_ms);

#endif
