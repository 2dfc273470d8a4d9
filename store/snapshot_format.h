/*
 * The file of a snapshot, for its writer and its loader.
 *
 *     header | page | page | ... | end page
 *
 * A page is a head and items of one kind. Its checksum covers the rest of the head and the items, and
 * is seeded with the file's nonce and the number of the page, so that a page from another file or
 * place is noticed as one that is damaged. The end page holds the totals; nothing follows it: a file
 * without it is torn.
 *
 * Kinds stand in the order of enum page_kind, so that what an item names is known before it. Handles
 * and ids are those of the writer's store; the loader has its own and keeps tables from one to the
 * other.
 *
 * All numbers are in the byte order of the machine, which the header tells; items begin at multiples
 * of 8 bytes. SNAPSHOT_VERSION grows when any of this, struct chunk_end or the encoding of chunks
 * (chunk_code.h) changes: a file of another version is refused.
 */
#ifndef NIMBUSGUARD_STORE_SNAPSHOT_FORMAT_H
#define NIMBUSGUARD_STORE_SNAPSHOT_FORMAT_H

#include "store/chunk.h"
#include "store/hash.h"

#define SNAPSHOT_MAGIC "NGSNAP\r\n"
#define SNAPSHOT_VERSION 2u
#define SNAPSHOT_BYTE_ORDER 0x01020304u
#define SNAPSHOT_PAGE ((size_t)1 << 20) /* usual size of a page */

struct snapshot_header {
	char magic[8];
	uint32_t version, byte_order;
	uint32_t end_size, block_size; /* of struct chunk_end, of the blocks of rings */
	uint64_t nonce;
	int64_t taken_ms;
	unsigned char secret[HASH_SECRET_BYTES];
	uint64_t checksum; /* of all before */
};

enum page_kind {
	PAGE_NAMES = 1,
	PAGE_PAIRS,
	PAGE_SERIES,
	PAGE_KEYS,
	PAGE_RECORDS,
	PAGE_STARTS,
	PAGE_END
};

struct page_head {
	uint64_t checksum;
	uint32_t size; /* of the items */
	uint32_t kind;
};

/* Names (name is 0) and values of pairs, followed by the text. */
struct text_item {
	uint32_t handle, name, size, spare;
};

/* Followed by the pairs, filled up to 8 bytes, and the blocks as of ring_dump(). */
struct series_item {
	uint32_t size; /* of all of it */
	uint32_t id, age;
	uint32_t pair_count, chunk_count, spare;
	struct chunk_end end;
};

struct key_item {
	uint64_t high;
	uint32_t low, id;
};

enum record_kind { RECORD_HISTOGRAM, RECORD_EXEMPLAR, RECORD_KINDS };

/* Followed by the bytes. Those of a series in the order of time. */
struct record_item {
	int64_t t_ms;
	uint32_t id, size, kind, spare;
};

struct start_item {
	int64_t t_ms, start_ms;
	uint32_t id, spare;
};

struct end_item {
	uint64_t names, pairs, series, samples, keys, records, starts;
};

static inline size_t round_up_8(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

#endif
