/*
 * The keys of series that were decided to be dropped: a bounded set in which a late-comer may push
 * out another, which is then decided once more. What is dropped thus costs a look-up and no memory
 * beyond the set's.
 *
 * Ownership: the set owns its table.
 * Limits: dropped_open()'s entries, rounded up; full buckets overwrite.
 * Threads: all functions but opening and closing from any thread, without locks.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_DROPPED_H
#define NIMBUSGUARD_REMOTE_WRITE_DROPPED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

#define DROPPED_WAYS 8

struct dropped_bucket {
	_Alignas(64) _Atomic uint64_t tags[DROPPED_WAYS]; /* 0: empty */
};

struct dropped {
	struct dropped_bucket *buckets; /* [mask + 1] */
	uint64_t mask;
};

/* NULL: out of memory. */
struct dropped *dropped_open(uint32_t entries) MUST_CHECK;
void dropped_close(struct dropped *dropped);

static inline struct dropped_bucket *dropped_bucket_of(const struct dropped *dropped,
	struct store_key key)
{
	return &dropped->buckets[key.low & dropped->mask];
}

/* The upper half of the key, which the bucket says nothing of: of 2^30 keys that are not in a full
 * set, one is mistaken with a probability of 2^-30. */
static inline uint64_t dropped_tag(struct store_key key)
{
	return key.high | 1;
}

static inline void dropped_prefetch(const struct dropped *dropped, struct store_key key)
{
	__builtin_prefetch(dropped_bucket_of(dropped, key));
}

static inline bool dropped_has(const struct dropped *dropped, struct store_key key)
{
	const struct dropped_bucket *bucket = dropped_bucket_of(dropped, key);
	uint64_t tag = dropped_tag(key);
	bool found = false;

	for (int way = 0; way < DROPPED_WAYS; way++)
		found |= atomic_load_explicit(&bucket->tags[way], memory_order_relaxed) == tag;
	return found;
}

void dropped_add(struct dropped *dropped, struct store_key key);

#endif
