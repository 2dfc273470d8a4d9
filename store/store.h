/*
 * The series of the stream in memory: an index of label sets and a compressed ring of samples per
 * series.
 *
 * A series is found by the 128-bit hash of its raw label bytes as the sender encoded them; labels
 * are parsed only at first sight. Another encoding of the same label set becomes an alias.
 *
 * Ownership: the store owns series and labels; what is returned is copied out unless said otherwise.
 * Limits: series_max series, memory_max bytes for all of it (labels, index, rings). When either is
 *   reached a new series is answered STATUS_LIMIT, and a full ring overwrites its oldest chunk;
 *   samples of known series are always taken.
 * Order: samples of a series in time order; late samples and repeats change nothing.
 * Threads: all functions from any thread, except store_open and store_close. Locks are per shard,
 *   taken once per batch and shard.
 */
#ifndef NIMBUSGUARD_STORE_STORE_H
#define NIMBUSGUARD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/labels.h"
#include "base/matcher.h"

/* Bits of the marker by which Prometheus ends a series; compared as bits, it is a NaN. */
#define STORE_STALE_BITS UINT64_C(0x7ff0000000000002)

/* Bounds of memory_max: half a megabyte, 32 GiB. */
#define STORE_MEMORY_MIN UINT64_C(524288)
#define STORE_MEMORY_MAX (UINT64_C(1) << 35)
/* The slot of a removed series is not given to another one before so long (monotonic clock). */
#define STORE_REUSE_MS 60000

struct store_limits {
	uint64_t memory_max; /* bytes; reserved at once, touched as they are used */
	uint32_t series_max;
	int64_t retention_ms; /* what a ring shall hold at least, as far as memory goes */
	int64_t interval_ms;  /* expected distance of samples, to size the blocks of rings */
	/* A series that took no sample for so long is removed: by the monotonic clock, whatever
	 * its timestamps say, stale or not. */
	int64_t ended_keep_ms;
	int64_t future_max_ms; /* a sample further ahead of the clock is refused */
};

struct store;

/* NULL: STATUS_BAD_INPUT, STATUS_NO_MEMORY (memory_max is not to be had), STATUS_IO. The clock must
 * outlive the store. Metrics are set by a collector (base/metrics.h). */
struct store *store_open(const struct store_limits *limits, const struct clock *clock,
	struct error *error) MUST_CHECK;
void store_close(struct store *store);

/* Hash of raw label bytes with a secret drawn at store_open (XXH3, 128 bits), so that collisions
 * cannot be crafted. */
struct store_key {
	uint64_t low, high;
};

struct store_key store_key_of(const struct store *store, const void *raw_labels, size_t size);

#define STORE_NO_SERIES UINT32_MAX
#define STORE_LABELS_MAX 255
#define STORE_TEXT_MAX 16000 /* bytes of a label name or value; 4000 when memory_max < 64 MiB */

/* The series known by this raw encoding, or STORE_NO_SERIES, which may also mean "looked while the
 * table was changing": store_intern() decides. Takes no lock. An id stays valid until the series is
 * removed; its slot is not given to another series before STORE_REUSE_MS later, so an id from this
 * lookup may be used for the batch at hand: even if the series is removed between look-up and
 * append, the sample is taken and the series comes back. Who keeps ids longer asks
 * store_generation(). */
uint32_t store_find(struct store *store, struct store_key key);

/* series[i] = store_find(keys[i]), in groups with prefetch: several times faster than one by one as
 * soon as the table is larger than the cache. Pass as many keys as are at hand (64 and more). */
void store_find_many(struct store *store, const struct store_key *keys, size_t count,
	uint32_t *series);

/* The same along the order in which series came before, which senders repeat: several times faster
 * again. The trail is the caller's, one for each thread, all zero at first; the keys are those of one
 * request, in its order. */
struct store_trail {
	uint32_t last; /* the series before */
	/* The rest is of these functions alone: keys not found, found off the trail. */
	uint32_t unknown, strayed, limit, turn;
	bool lost;
};

void store_find_trail(struct store *store, struct store_trail *trail, const struct store_key *keys,
	size_t count, uint32_t *series);
/* After each store_find_trail(), when all of its series have their ids: they came in this order.
 * STORE_NO_SERIES stands for whatever has none. */
void store_trail_learn(struct store *store, struct store_trail *trail, const uint32_t *series,
	size_t count);

/* The series of this label set, made when new; `key` becomes its (further) raw encoding. pairs
 * need not be sorted; pairs with an empty value are dropped. STATUS_BAD_INPUT (repeated or empty
 * label name, no labels at all, more than STORE_LABELS_MAX), STATUS_LIMIT (series_max, memory_max,
 * or a text longer than STORE_TEXT_MAX). */
enum status store_intern(struct store *store, struct store_key key, const struct label *pairs,
	size_t count, uint32_t *series, struct error *error) MUST_CHECK;

/* The same for several, in their order: cheaper, because locks are taken once for some of them, and
 * what a series shares with the one before it is not looked up again. series: STORE_NO_SERIES where it
 * did not work; store_intern() then says why. */
struct store_newcomer {
	struct store_key key;
	const struct label *pairs;
	uint32_t count, series;
};

void store_intern_many(struct store *store, struct store_newcomer *newcomers, size_t count);

struct store_sample {
	uint32_t series;
	int64_t t_ms;
	double value; /* stale markers are passed on as they are */
};

/* X(result, metric label) */
#define APPEND_TABLE(X)                                                                            \
	X(APPEND_STORED, "stored")                                                                 \
	X(APPEND_STALE_MARKER, "stale_marker") /* taken: the series has ended at t */              \
	X(APPEND_REPEATED, "repeated") /* same time and value bits as the newest: harmless */      \
	X(APPEND_CONFLICT, "conflict") /* same time, other value: not stored */                    \
	X(APPEND_LATE, "late")         /* older than the newest: not stored */                     \
	X(APPEND_FUTURE, "future")     /* further ahead than future_max_ms: not stored */

enum append_result {
#define X(result, label) result,
	APPEND_TABLE(X)
#undef X
		APPEND_RESULT_COUNT
};

const char *append_result_name(enum append_result result);

/* Appends in the given order; counts[] is added to. Never fails: samples of ids that do not exist,
 * and timestamps more than 4459 years before 1970, count as late. Fastest when ids ascend (the
 * order in which series were made), as they do in scrape order. */
void store_append(struct store *store, const struct store_sample *samples, size_t count,
	uint64_t counts[APPEND_RESULT_COUNT]);

/*
 * Reading. A selection is a copy of ids made under the locks; windows are copied out per series.
 */
struct store_selection {
	uint32_t *series; /* ascending */
	size_t count;
};

/* All series that match, at most `max` of them (more: STATUS_LIMIT and the first max). Matchers on
 * an exact metric name are answered by an index. */
enum status store_select(struct store *store, struct matchers *matchers, size_t max,
	struct store_selection *selection, struct error *error) MUST_CHECK;
void store_selection_fini(struct store_selection *selection);
/* A counter that changes when a series is made or removed, so that callers cache selections. */
uint64_t store_generation(struct store *store);

/* A copy of the labels; STATUS_NOT_FOUND when the series is gone. */
enum status store_labels(struct store *store, uint32_t series, struct labels *labels) MUST_CHECK;

struct store_point {
	int64_t t_ms;
	double value; /* may be the stale marker: test with store_is_stale() */
};

/* Of all that the ring holds, which may be more than retention_ms: copies samples with from_ms <= t <= to_ms, oldest first, at most max (the newest ones when there
 * are more). Returns the number; 0 also when the series is gone. */
size_t store_window(struct store *store, uint32_t series, int64_t from_ms, int64_t to_ms,
	struct store_point *points, size_t max);
/* How far a reader of one series has come. All zero: nothing was read. */
struct store_cursor {
	int64_t newest_ms; /* of what was read */
	int64_t begun_ms;  /* the rest is of store_news() alone */
	uint32_t series, fills;
	uint16_t count, cleared;
	bool begun;
};

enum store_news {
	STORE_NEWS_GONE,  /* no samples, or no series */
	STORE_NEWS_SINCE, /* only what stands in points[] was added */
	STORE_NEWS_ANEW   /* all is to be read again */
};

/* What the series got since the cursor stood, and moves it. SINCE: all that store_window() would give up to
 * cursor->newest_ms is what was read before, without what is older than *oldest_ms, then points[0..*count).
 * ANEW: read the window up to cursor->newest_ms; so it is with the first call, another series, older
 * samples filled in (into a series of the same shard), and with more than `max` new ones (1 at least). */
enum store_news store_news(struct store *store, uint32_t series, struct store_cursor *cursor,
	struct store_point *points, size_t max, size_t *count, int64_t *oldest_ms);
/* The newest sample. false when there is none. */
bool store_newest(struct store *store, uint32_t series, struct store_point *point);
bool store_is_stale(double value);

/* Removes series that took no sample for ended_keep_ms; for a housekeeping thread, every 10 to 60 s.
 * Takes short locks. Returns how many were removed. A second caller at the same time returns 0, and
 * so does everyone while a snapshot is written. */
size_t store_sweep(struct store *store);

struct store_stats {
	uint64_t series, samples, created, removed;
	uint64_t bytes;       /* held, never more than memory_max */
	uint64_t overwritten; /* samples given up within retention_ms because memory was full */
};
void store_stats(struct store *store, struct store_stats *stats);

#endif
