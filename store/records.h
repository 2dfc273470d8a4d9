/*
 * For some series the last few records of bytes with a time: native histograms, exemplars. The memory
 * is that of the store.
 *
 * Whether records of a series are kept is decided by the caller once and remembered until the series
 * is removed.
 *
 * Ownership: records are copied in and out. The store must outlive them.
 * Limits: keep_max records a series, RECORD_SIZE_MAX a record, bytes_max for all records together,
 *   beside which there are 16 bytes an id. Where memory is out a series gives up its own oldest
 *   records first.
 * Order: by time; a record with the time of one that is there is a repeat, a conflict, or, where
 *   same_time is allowed, one more.
 * Threads: any, but for opening and closing. One lock, taken per record, never with another.
 */
#ifndef NIMBUSGUARD_STORE_RECORDS_H
#define NIMBUSGUARD_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

#define RECORD_SIZE_MAX 16384
#define RECORDS_KEEP_MAX 1000

struct records;

struct records_limits {
	uint32_t keep_max;  /* records a series, 1 to RECORDS_KEEP_MAX */
	uint64_t bytes_max; /* of the store's budget */
	bool same_time;     /* several records of one time are no conflict */
};

/* name: for the metrics, such as "histogram"; kept as it is. NULL: STATUS_NO_MEMORY. */
struct records *records_open(struct store *store, const char *name,
	const struct records_limits *limits, struct error *error) MUST_CHECK;
void records_close(struct records *records);

/* X(result, metric label) */
#define RECORD_TABLE(X)                                                                            \
	X(RECORD_STORED, "stored")                                                                 \
	X(RECORD_REPEATED, "repeated") /* there already: harmless */                               \
	X(RECORD_CONFLICT, "conflict") /* same time, other bytes: not stored */                    \
	X(RECORD_LATE, "late")         /* older than the newest: not stored */                     \
	X(RECORD_FUTURE, "future")     /* further ahead than the store's future_max_ms */          \
	X(RECORD_NO_ROOM, "no_room")   /* too large, memory is out, or the series is gone */

enum record_result {
#define X(result, label) result,
	RECORD_TABLE(X)
#undef X
		RECORD_RESULT_COUNT
};

const char *record_result_name(enum record_result result);

enum record_decision { RECORDS_UNDECIDED, RECORDS_WANTED, RECORDS_UNWANTED };

/* What was decided for the series. */
enum record_decision records_decision(struct records *records, uint32_t series);
/* Remembers it; forgets it when memory is out, so that it is asked again. */
void records_decide(struct records *records, uint32_t series, bool wanted);

/* The series lives on by it, as by a sample. Only for a series decided RECORDS_WANTED. */
enum record_result records_add(struct records *records, uint32_t series, int64_t t_ms,
	const void *bytes, size_t size);

/* Appends the records with from_ms <= t <= to_ms to the copy, oldest first; walk it with
 * record_next(). STATUS_NO_MEMORY, also when the copy's maximum is reached. */
enum status records_copy(struct records *records, uint32_t series, int64_t from_ms, int64_t to_ms,
	struct buf *copy) MUST_CHECK;

struct record {
	int64_t t_ms;
	const uint8_t *bytes;
	size_t size;
};

/* *at starts at 0; false at the end. The bytes are in the copy. */
bool record_next(const struct buf *copy, size_t *at, struct record *record);

/* For snapshots. The first series from *series on that has records; false when there is none. */
bool records_next(struct records *records, uint32_t *series);
/* Puts a record back, in the order of records_copy(). Neither lets the series live on nor decides
 * anything about it: whether more are wanted is asked again. false when there is no room. */
bool records_restore(struct records *records, uint32_t series, int64_t t_ms, const void *bytes,
	size_t size);

/* Gives back what belongs to series that were removed; after store_sweep(). Short locks. */
void records_sweep(struct records *records);

struct records_stats {
	uint64_t series, records, bytes;
};
void records_stats(struct records *records, struct records_stats *stats);

#endif
