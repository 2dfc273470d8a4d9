/*
 * The 1-minute tier: mean and max of each minute of a signal for days, and min, last and count for the
 * last 24 hours, in a mapped file, at less than five bytes a minute.
 *
 * A signal is known by a text, its key, which outlives the series behind it. Minutes are UTC minutes
 * since 1970. A minute without samples is a gap, never a zero. The newest minutes are kept as they
 * are; a block of two hours is closed, and from then on fixed, when a minute ROLLUP_LATE_MINUTES
 * behind it is written. Until then a minute may be written again with more samples.
 *
 * After a kill all that was written is there. After a loss of power records that did not reach the
 * disk are recognised by their checksums and are gaps.
 *
 * Ownership: keys and minutes are copied in and out.
 * Limits: signals_max signals, ROLLUP_KEY_MAX bytes a key. A signal without minutes for longer than
 *   the retention gives its place up. With all places taken a new signal is answered STATUS_LIMIT
 *   and counted; no disk space: STATUS_IO, likewise; known signals go on. About 99.6 kB a signal for 14 days,
 *   reserved on disk before it is used, 50 signals at a time.
 * Order: minutes of one signal ascend; see rollup_write() for those that do not.
 * Threads: rollup_write() and rollup_sweep() from one thread at a time; reading from any, meanwhile.
 */
#ifndef NIMBUSGUARD_STORE_ROLLUP_H
#define NIMBUSGUARD_STORE_ROLLUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define ROLLUP_KEY_MAX 480u
#define ROLLUP_LATE_MINUTES 8u
/* A minute further ahead of the clock is refused, and what is stored further ahead, by a clock that
 * was wrong, counts as none; only the block that was open then was closed by it. */
#define ROLLUP_AHEAD_MINUTES 1440u
#define ROLLUP_NEVER INT64_C(-1)
#define ROLLUP_RETENTION_MIN_MS (INT64_C(24) * 3600000)
#define ROLLUP_RETENTION_MAX_MS (INT64_C(90) * 24 * 3600000)

struct rollup_limits {
	int64_t retention_ms; /* rounded up to two hours; of the bounds above */
	uint32_t signals_max;
};

struct rollup_minute {
	double mean, max; /* NaN in a gap */
	double min, last; /* NaN in a gap, and beyond 24 hours */
	uint32_t count;   /* samples, 255 for that many and more; 0 in a gap and beyond 24 hours */
	bool present;     /* false: a gap */
};

struct rollup;

/* A file that is torn at its front, foreign or of another version is told of, renamed to
 * <path>.refused-<time>, and an empty one takes its place. One made for another retention is
 * rewritten. NULL: STATUS_BAD_INPUT (limits), STATUS_BUSY (in use by another process),
 * STATUS_NO_MEMORY, STATUS_IO. */
struct rollup *rollup_open(const char *path, const struct rollup_limits *limits,
	const struct clock *clock, struct error *error) MUST_CHECK;
void rollup_close(struct rollup *rollup);

/* Writes minutes first, first + 1, ... of a signal, which becomes known with the first one that is
 * present; those that are not are passed over. values: [count], finite where present, with a count of
 * at least 1. now_minute: of the clock.
 * A minute that is there already is replaced by one with more samples, else left; one that is
 * closed, or older than what is open, counts as late; one more than ROLLUP_AHEAD_MINUTES ahead of the
 * clock as ahead. STATUS_LIMIT, STATUS_IO, STATUS_NO_MEMORY: nothing was written, for want of a
 * place; STATUS_BAD_INPUT: the key is empty or too long. */
enum status rollup_write(struct rollup *rollup, const char *key, size_t key_size, int64_t first,
	const struct rollup_minute *values, size_t count, int64_t now_minute,
	struct error *error) MUST_CHECK;
/* Frees the places of signals whose newest minute is older than the retention. Returns how many. */
size_t rollup_sweep(struct rollup *rollup, int64_t now_minute);

/* The newest minute written, or ROLLUP_NEVER. */
int64_t rollup_newest(struct rollup *rollup, const char *key, size_t key_size);

/* Columns that are wanted, each [to - from) long or NULL. */
struct rollup_columns {
	double *mean, *max; /* NaN in a gap */
	double *min, *last; /* NaN in a gap, and beyond 24 hours */
	uint32_t *count;    /* 0 in a gap, and beyond 24 hours */
	uint64_t *gaps;     /* bit i % 64 of word i / 64 is set when minute from + i is a gap */
};

/* Copies out minutes from <= m < to; what is not there, before the retention and after the newest
 * included, is a gap. Returns the number of minutes that are present; 0 also for a signal that is not
 * known. Precision: exact for minutes that are not closed; in a block a 65535th of its range for mean,
 * min and last, a 32767th for max (store/rollup_block.h). */
size_t rollup_read(struct rollup *rollup, const char *key, size_t key_size, int64_t from,
	int64_t to, const struct rollup_columns *columns);

struct rollup_stats {
	uint32_t signals, signals_max;
	int64_t retention_minutes;
	uint64_t disk_bytes, resident_bytes; /* of the file; of it, in memory now */
};
/* Asks the kernel for what is resident: a few ms for 30,000 signals. */
void rollup_stats(struct rollup *rollup, struct rollup_stats *stats);

/* floor(t_ms / 60000), also before 1970. */
static inline int64_t rollup_minute_of(int64_t t_ms)
{
	return t_ms / 60000 - (t_ms % 60000 < 0);
}

#endif
