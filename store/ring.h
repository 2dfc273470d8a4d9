/*
 * The samples of one series: a chain of chunks from the oldest to the open one. A chunk that has
 * left the retention as a whole, or the oldest one when memory is out, is overwritten.
 *
 *     tail (oldest, sealed) -> sealed -> ... -> head (open) -> tail
 *
 * A ring owns at least one block from ring_init() on, so that a known series can always take a
 * sample: with one block and no memory, the block starts anew.
 *
 * Threads: under the lock of the ring's shard, but for `life`, which is atomic.
 */
#ifndef NIMBUSGUARD_STORE_RING_H
#define NIMBUSGUARD_STORE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/chunk.h"
#include "store/slab.h"
#include "store/store.h"

/*
 * FREE -> LIVE: store_intern() gives the slot to a series.
 * LIVE -> ENDED: store_sweep(), no samples for ended_keep_ms; nobody sees the series any more.
 * ENDED -> LIVE: a request that found it just before appends, or the label set comes back.
 * ENDED -> FREE: store_sweep(), STORE_REUSE_MS later; the slot may be used again.
 */
enum ring_state { RING_FREE, RING_LIVE, RING_ENDED };

struct ring {
	_Alignas(64) struct chunk_end end; /* end.count == 0: no samples at all */
	uint32_t head;                     /* the open chunk; its `next` is the oldest */
	/* State in the two lowest bits, above them the tick of the store when the state was entered or
	 * the last sample was taken. While LIVE it is written under the shard's lock only. */
	_Atomic uint32_t life;
};

static inline uint32_t ring_life(uint32_t tick, enum ring_state state)
{
	return tick << 2 | (uint32_t)state;
}

static inline enum ring_state life_state(uint32_t life)
{
	return (enum ring_state)(life & 3);
}

/* Ticks since then; 0 when `tick` is older, as it is for a sample that came while we looked. */
static inline uint32_t life_age(uint32_t life, uint32_t tick)
{
	int32_t age = (int32_t)((tick << 2) - (life & ~3u)) / 4;

	return age < 0 ? 0 : (uint32_t)age;
}

_Static_assert(sizeof(struct ring) == 64, "a ring is a cache line");

/* What the rings of one shard share. */
struct ring_memory {
	struct cell_pool blocks;
	uint32_t keep; /* slabs left to new series: full rings do not grow into them */
	int64_t retention_ms;
	uint32_t step_ms; /* expected distance of samples, where a ring has none yet; 0: unknown */
	uint64_t samples; /* in these rings now */
	uint32_t
		fills; /* times that older samples were put into one of these rings; wraps around */
	uint64_t overwritten; /* samples lost to the budget while still within the retention */
};

/* Gives an unused ring its block; false when memory is out. */
bool ring_init(struct ring *ring, struct ring_memory *memory);
/* Removes all samples and all blocks but one. */
void ring_clear(struct ring *ring, struct ring_memory *memory);
/* Brings the place into the cache where the next sample goes, if it is likely to fill a word. */
static inline void ring_prefetch(const struct ring *ring, const struct ring_memory *memory)
{
	const struct chunk *chunk = slab_at(memory->blocks.slabs, ring->head);

	if (ring->end.position % 64u >= 40)
		__builtin_prefetch(&chunk->bytes[ring->end.position / 64u * 8], 1);
}

/* Begins a new chunk with the sample, where the open one is full or there is none. */
void ring_begin_chunk(struct ring *ring, struct ring_memory *memory, int64_t t_ms, uint64_t bits);

/* The ring belongs to a series that is live or ended. */
static inline enum append_result ring_append(struct ring *ring, struct ring_memory *memory,
	int64_t t_ms, uint64_t bits)
{
	struct chunk *chunk = slab_at(memory->blocks.slabs, ring->head);

	if (ring->end.count > 0 && t_ms <= ring->end.t_ms) {
		if (t_ms < ring->end.t_ms)
			return APPEND_LATE;
		return bits == ring->end.bits ? APPEND_REPEATED : APPEND_CONFLICT;
	}
	if (ring->end.count == 0 ||
		!chunk_append(&ring->end, chunk, memory->blocks.cell_size, t_ms, bits))
		ring_begin_chunk(ring, memory, t_ms, bits);
	memory->samples++;
	return bits == STORE_STALE_BITS ? APPEND_STALE_MARKER : APPEND_STORED;
}

/*
 * For snapshots: the blocks of a ring one after the other, oldest first, the open one last and only
 * as far as it is written; what is pending of it stands in ring->end.
 */
uint32_t ring_chunk_count(const struct ring *ring, const struct ring_memory *memory);
/* Bytes that the open block takes. */
static inline size_t ring_head_size(const struct chunk_end *end)
{
	return CHUNK_HEADER + end->position / 64u * 8;
}
/* Writes (count - 1) whole blocks and the open one; returns the samples in them. Not for an empty
 * ring. */
uint64_t ring_dump(const struct ring *ring, const struct ring_memory *memory, unsigned char *place);
/* Whether appending to such blocks of `size` bytes and reading them is safe, whatever they hold:
 * positions and states within their bounds, times of blocks ascending. */
bool ring_dump_valid(const struct chunk_end *end, const unsigned char *blocks, uint32_t count,
	size_t size);
/* Fills a ring as ring_init() left it with valid blocks of the ring's own block size. Where memory
 * is out the newest ones win. */
void ring_restore(struct ring *ring, struct ring_memory *memory, const struct chunk_end *end,
	const unsigned char *blocks, uint32_t count);

/* Chunks copied out under the lock, to be decoded without it. */
#define RING_COPY_BYTES 8192

struct ring_copy {
	uint32_t chunk_size, chunk_count;
	bool more;           /* there are more: go on at resume_ms */
	uint16_t generation; /* changes when the ring is cleared */
	int64_t resume_ms;
	_Alignas(8) unsigned char bytes[RING_COPY_BYTES];
};

/* Copies the chunks that may hold samples within [from_ms, to_ms], as many as fit. To go on, call
 * again with from_ms = copy->resume_ms, as long as the generation is the same. */
void ring_copy_chunks(const struct ring *ring, const struct ring_memory *memory, int64_t from_ms,
	int64_t to_ms, struct ring_copy *copy);

#endif
