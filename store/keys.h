/*
 * A table from 128-bit keys to 32-bit numbers, read without locks while one thread changes it.
 *
 * Keys are hashes made with a secret, so that they are uniform and nobody can choose them. The
 * upper half picks a page through a directory (extendible hashing: Fagin, Nievergelt, Pippenger,
 * Strong, ACM TODS 1979), the lowest byte a place in the page, and linear probing does the rest. A
 * page of 4 KiB holds 255 slots of 16 bytes and splits when four fifths of it are used: no insert
 * ever moves more than one page, and the memory follows the number of keys.
 *
 * A slot keeps 96 bits of the key: two of a million keys are mistaken for each other with a
 * probability of 2^-57.
 *
 * Reading: an insert publishes a slot by its second word, written last. Whatever moves slots
 * (split, removal) makes `sequence` odd meanwhile; a reader who sees it change looks again, a few
 * times, and then says "not found", so that it never waits. Pages are never given back, so that
 * a late reader reads old words but never foreign ones.
 *
 * Limits: key_max keys and the slabs' memory.
 * Threads: keys_find(), keys_find_many() and keys_expect() from any thread; all else by one thread at a time.
 */
#ifndef NIMBUSGUARD_STORE_KEYS_H
#define NIMBUSGUARD_STORE_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/slab.h"
#include "store/store.h"

#define KEYS_NONE UINT32_MAX

struct key_table {
	struct slabs *slabs;
	struct cell_pool pages;
	_Atomic uint32_t *directory; /* [1 << depth_max] handles of pages */
	_Atomic uint64_t sequence;
	_Atomic uint32_t depth;
	uint32_t depth_max, count, key_max;
};

/* STATUS_NO_MEMORY, also when the slabs have no page left. */
enum status keys_init(struct key_table *table, struct slabs *slabs, uint32_t key_max) MUST_CHECK;
void keys_fini(struct key_table *table);
size_t keys_fixed_bytes(const struct key_table *table);

/* The number of a key, or KEYS_NONE. */
uint32_t keys_find(const struct key_table *table, struct store_key key);
/* Brings into the cache what keys_find() and keys_insert() of the key will touch. */
void keys_expect(const struct key_table *table, struct store_key key);
/* numbers[i] = keys_find(keys[i]), with several cache misses under way at any time. */
void keys_find_many(const struct key_table *table, const struct store_key *keys, size_t count,
	uint32_t *numbers);

/* Makes room for one key, so that keys_insert() of it cannot fail; false when there is none. */
bool keys_reserve(struct key_table *table, struct store_key key);
/* keys_insert() right after keys_reserve(). */
void keys_put(struct key_table *table, struct store_key key, uint32_t number);
/* key: not in the table; number: not KEYS_NONE. false when the table or the memory is full. */
bool keys_insert(struct key_table *table, struct store_key key, uint32_t number);
/* false when it was not there. */
bool keys_remove(struct key_table *table, struct store_key key);

/* Walks the pages for a bulk removal. *cursor starts at 0. Removes the slots of one page for which
 * gone(number) holds; false when that page was the last one. */
typedef bool keys_gone_fn(void *argument, uint32_t number);
bool keys_sweep_page(struct key_table *table, uint64_t *cursor, keys_gone_fn *gone, void *argument);

/* The same without removing: calls each() for the slots of one page. key.low has the 32 bits that a
 * slot keeps, with which keys_insert() makes the same slot. Keys that stay in the table during the
 * whole walk are seen exactly once, even if others come and pages split between the calls. */
typedef void keys_each_fn(void *argument, struct store_key key, uint32_t number);
bool keys_walk_page(const struct key_table *table, uint64_t *cursor, keys_each_fn *each,
	void *argument);
#define KEYS_PAGE_MAX 255 /* slots of a page at most */

#endif
