/*
 * Older samples put into rings that the stream has already begun to fill: history fetched from
 * elsewhere, before the first sample of a ring or into a hole between two of them.
 *
 * Ownership: nothing is kept of what is given.
 * Limits: those of the store. Nobody's samples are given up for older ones: a fill that finds no
 *   memory is answered FILL_NO_ROOM.
 * Order: what the ring holds stays, stale markers too; a point at the time of a sample changes
 *   nothing, so that a fill may be repeated.
 * Threads: any thread, while others append and read. A shard is locked for a part of the points at a
 *   time, FILL_SAMPLES_MAX samples of work or so.
 */
#ifndef NIMBUSGUARD_STORE_FILL_H
#define NIMBUSGUARD_STORE_FILL_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* X(result, metric label) */
#define FILL_TABLE(X)                                                                              \
	X(FILL_STORED, "stored")                                                                   \
	X(FILL_PRESENT, "present")   /* the ring holds a sample of that time, which stays */       \
	X(FILL_COVERED, "covered")   /* holes only: the ring's samples are dense there */          \
	X(FILL_EXPIRED, "expired")   /* older than the retention */                                \
	X(FILL_FUTURE, "future")     /* further ahead of the clock than future_max_ms */           \
	X(FILL_DISORDER, "disorder") /* not newer than the point before it */                      \
	X(FILL_NO_ROOM, "no_room")   /* the memory budget is used up */                            \
	X(FILL_GONE, "gone")         /* the series is no longer there */

enum fill_result {
#define X(result, label) result,
	FILL_TABLE(X)
#undef X
		FILL_RESULT_COUNT
};

const char *fill_result_name(enum fill_result result);

/* Chunks and samples of a ring that are written anew under one lock at most, or a little more. */
#define FILL_CHUNKS_MAX 16u
#define FILL_SAMPLES_MAX 8192u

enum fill_mode {
	FILL_ANYWHERE,
	/* For another replica's samples, whose times differ: only where two samples of the ring are
	 * further apart than one and a half of their usual distance (the median of the points', where they
	 * are enough to tell), or before the first, or after the last. */
	FILL_HOLES
};

/* points: ascending. counts[] is added to, one for each point. Does not count as a sign of life of
 * the series (store_limits.ended_keep_ms). */
void store_fill(struct store *store, uint32_t series, const struct store_point *points,
	size_t count, enum fill_mode mode, uint64_t counts[FILL_RESULT_COUNT]);

#endif
