/*
 * The samples of a workload's signals that the scan judges, kept from one scan to the next, so that a
 * scan reads what is new alone. What is handed out is what store_window() would give, bit for bit.
 *
 * Ownership: feeds are the scan's; points are written to the caller.
 * Limits: FEED_SAMPLES_MAX a signal; a window with more of them, or with hours of silence in it, is read from the
 *   store each time, and so it is when memory is out. Some 11 bytes a sample.
 * Threads: one at a time; the store may be written meanwhile.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FEED_H
#define NIMBUSGUARD_ANALYZERS_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "base/workload.h"
#include "store/store.h"

#define FEED_SAMPLES_MAX 2048u
/* A feed may hold a few more before it is made anew. */
#define FEED_POINTS_MIN 2400u

struct feed;

/* The feeds of one workload. All zero: nothing was read. */
struct feeds {
	struct feed *of[ROLE_COUNT];
};

/* NULL is allowed. */
void feeds_close(struct feeds *feeds);
size_t feeds_bytes(const struct feeds *feeds);

/* As store_window() of the series since from_ms, points: [max], max at least FEED_POINTS_MIN. feeds: NULL:
 * nothing is kept. */
size_t feeds_read(struct feeds *feeds, enum signal_role role, struct store *store, uint32_t series,
	int64_t from_ms, struct store_point *points, size_t max);

#endif
