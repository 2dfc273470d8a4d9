/*
 * Who came after whom: for each series one of its keys, and the series whose sample stood behind its
 * own in a request. Senders repeat their order, so that most series are found by comparing one key in
 * a row of them that is walked forwards, instead of at a random place of the key table.
 *
 * A key stands here only while it stands in the key table for the same series, so that a match is as
 * good as a look-up. The successor is a guess that anybody may write; a wrong one costs a look-up.
 *
 * Limits: 16 bytes a series.
 * Threads: follow_set() and follow_clear() under the lock of the index, all else from any thread.
 *   A number is used again STORE_REUSE_MS after it was cleared, as everywhere in the store, so that
 *   no reader sees half of one series and half of another.
 */
#ifndef NIMBUSGUARD_STORE_FOLLOW_H
#define NIMBUSGUARD_STORE_FOLLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct follow {
	_Atomic uint64_t high; /* 0: no key here */
	_Atomic uint32_t low;  /* the same bits as in the key table */
	_Atomic uint32_t next;
};

static inline void follow_clear(struct follow *follow)
{
	atomic_store_explicit(&follow->high, 0, memory_order_release);
}

/* The key of a series made just now or known by no other key here. */
static inline void follow_set(struct follow *follow, struct store_key key)
{
	follow_clear(follow);
	atomic_store_explicit(&follow->low, (uint32_t)key.low, memory_order_release);
	atomic_store_explicit(&follow->high, key.high, memory_order_release);
}

static inline bool follow_is(const struct follow *follow, struct store_key key)
{
	return atomic_load_explicit(&follow->high, memory_order_acquire) == key.high &&
		atomic_load_explicit(&follow->low, memory_order_relaxed) == (uint32_t)key.low &&
		key.high != 0;
}

#endif
