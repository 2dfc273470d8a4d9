/*
 * Labels and where they stand: names and name-value pairs interned once, a label set per series as
 * an array of pairs, the table of all label sets, and for each pair the numbers of the series that
 * carry it.
 *
 * A pair is named by the handle of its cell, so that a label set of ten labels takes 48 bytes and
 * equal label sets are equal arrays. Label sets, pairs and names are found by keyed hashes of 96
 * bits (keys.h); texts are not compared again.
 *
 * Ownership: the index owns all texts; pointers into it are valid under the lock only.
 * Limits: INDEX_LABELS_MAX labels a series, INDEX_NAMES_MAX label names, 8 * series_max + 4096 pairs;
 *   texts up to the largest cell (16 KiB, or a slab where slabs are smaller).
 * Order: label sets are sorted by name in byte order, as struct labels is.
 * Threads: all functions under one lock, that of the caller.
 */
#ifndef NIMBUSGUARD_STORE_INDEX_H
#define NIMBUSGUARD_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/hash.h"
#include "store/keys.h"
#include "store/postings.h"
#include "store/slab.h"

#define INDEX_LABELS_MAX STORE_LABELS_MAX
#define INDEX_NAMES_MAX 32768

struct index_name {
	uint32_t references, size;
	char text[]; /* NUL-terminated */
};

struct index_pair {
	uint32_t references; /* series that carry it */
	uint32_t name;       /* handle of an index_name */
	struct posting posting;
	uint32_t next_changed; /* list of pairs that lost series; see index_remove() */
	bool changed;
	uint32_t size;
	char text[]; /* the value, NUL-terminated */
};

struct index_set {
	uint32_t count;
	uint32_t pairs[];
};

/* Series made one after the other mostly share all pairs but one or two. What the shared ones are told is
 * gathered here, place by place, and told in one go: each pair is then touched once for many series. */
#define INDEX_RUN_MAX 64
struct index_run {
	uint32_t place_count; /* 0: nothing is gathered */
	uint32_t series_count;
	uint32_t series[INDEX_RUN_MAX];
	struct index_place {
		uint32_t pair; /* 0: none */
		uint32_t from; /* the first of series[] that the pair has not been told of */
		uint32_t room; /* bytes that its posting has for more of them */
	} places[INDEX_LABELS_MAX];
};

struct index {
	struct slabs *slabs;
	const struct hash_secret *secret;
	struct cell_classes cells;
	struct key_table names, pairs, sets;
	uint32_t first_changed;
	uint64_t epoch; /* changes when a name or a pair is freed: handles may be used again */
	/* The pairs of the set looked up last: the next new series mostly shares them, place by place,
	 * and comparing is cheaper than hashing. Void when `epoch` moves on. */
	uint32_t last[INDEX_LABELS_MAX], last_count;
	uint64_t last_epoch;
	const struct label *last_sorted; /* whose they are; not followed, it may be gone */
	struct index_run run;
};

/* STATUS_NO_MEMORY. */
enum status index_init(struct index *index, struct slabs *slabs, const struct hash_secret *secret,
	uint32_t series_max) MUST_CHECK;
void index_fini(struct index *index);
size_t index_fixed_bytes(const struct index *index);

/* The series that has exactly these labels, or KEYS_NONE. sorted: by name, no name twice, no empty
 * value. pairs[count] is filled with what is known, 0 for unknown pairs. */
uint32_t index_find_set(struct index *index, const struct label *sorted, uint32_t count,
	uint32_t *pairs);

/* The same in steps, so that the cache misses of several sets come together. Whether all pairs are
 * known. The last `shared` labels are the very same bytes in memory as those in these places of `before`,
 * which has as many labels: where `before` was the set that was looked up or added last, their pairs are
 * known without a look. */
bool index_find_pairs(struct index *index, const struct label *sorted, uint32_t count,
	const struct label *before, uint32_t shared, uint32_t *pairs);
/* The key of a set of known pairs; what is needed to look it up in index->sets, and to put it there, is
 * on its way into the cache. */
struct store_key index_set_key(const struct index *index, const uint32_t *pairs, uint32_t count);
/* Adds a label set that index_find_set() did not find, with the pairs it filled in. Returns the
 * handle of its index_set, or 0 when memory is out; then nothing has changed. */
uint32_t index_add(struct index *index, const struct label *sorted, uint32_t count, uint32_t *pairs,
	uint32_t series);
/* The same for a set all of whose pairs are known, and its key: cheaper for several in a row, as the
 * postings are told later. index_settle() must come before anything but finding and adding, and before
 * the lock is given up. 0: not done, and index_add() may still do it. */
uint32_t index_add_known(struct index *index, const struct label *sorted, uint32_t count,
	const uint32_t *pairs, struct store_key key, uint32_t series);
void index_settle(struct index *index);
/* Takes a label set (the handle of index_add()) out of all tables, but not yet its series out of the postings: that is done
 * pair by pair by index_clean_one(), until it returns false. The number of the series must not be
 * used again before. */
void index_remove(struct index *index, uint32_t handle);
bool index_clean_one(struct index *index, posting_gone_fn *gone, void *argument);

/* Handles of a name and of a pair, or 0. */
uint32_t index_find_name(const struct index *index, const char *name, size_t size);
uint32_t index_find_pair(const struct index *index, uint32_t name, const char *value, size_t size);

/* Putting back what a snapshot kept. A name or pair that is found or made gets a reference that the
 * caller gives back by index_release_*() when all series are there, so that what no series uses is
 * freed. 0 when memory is out. */
uint32_t index_hold_name(struct index *index, const char *name, size_t size);
uint32_t index_hold_pair(struct index *index, uint32_t name, const char *value, size_t size);
void index_release_name(struct index *index, uint32_t handle);
void index_release_pair(struct index *index, uint32_t handle);
/* Whether there is a series with exactly these pairs. */
bool index_has_set(const struct index *index, const uint32_t *pairs, uint32_t count);

static inline const struct index_set *index_set_at(const struct index *index, uint32_t handle)
{
	return slab_at(index->slabs, handle);
}

static inline const struct index_pair *index_pair_at(const struct index *index, uint32_t handle)
{
	return slab_at(index->slabs, handle);
}

static inline const struct index_name *index_name_at(const struct index *index, uint32_t handle)
{
	return slab_at(index->slabs, handle);
}

#endif
