/*
 * The memory of the store: one reserved region with a hard end, cut into slabs, cut into cells.
 *
 * The region is taken from the heap once, at open; pages of it that were never handed out are
 * never touched, so that a large budget costs nothing until it is used. A slab belongs to one user
 * for good; a user cuts it into cells of one size and keeps its own list of free cells. Places are
 * named by handles of 32 bits in units of 16 bytes, half the size of a pointer.
 *
 * Ownership: slabs_fini() gives everything back at once.
 * Limits: slabs_init()'s bytes, at most SLABS_BYTES_MAX; a full region answers 0.
 * Threads: slabs_take() and slab_at() from any thread, without locks; pools and segments belong to
 *   whoever holds their owner's lock.
 */
#ifndef NIMBUSGUARD_STORE_SLAB_H
#define NIMBUSGUARD_STORE_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SLAB_UNIT 16u
#define SLABS_BYTES_MAX (((uint64_t)UINT32_MAX - UINT16_MAX) * SLAB_UNIT)

struct slabs {
	unsigned char *base; /* the first slab is never handed out: handle 0 is "none" */
	uint32_t slab_size;  /* a power of two, 4 KiB at least */
	uint32_t count;      /* slabs that may be handed out */
	_Atomic uint32_t taken;
};

/* Reserves `bytes` rounded down to slabs. STATUS_NO_MEMORY when the system does not grant it. */
enum status slabs_init(struct slabs *slabs, uint64_t bytes, uint32_t slab_size,
	struct error *error) MUST_CHECK;
void slabs_fini(struct slabs *slabs);

/* A fresh slab of undefined content; 0 when `keep` or fewer are left. */
uint32_t slabs_take(struct slabs *slabs, uint32_t keep);
/* Bytes handed out as slabs so far. */
uint64_t slabs_bytes(const struct slabs *slabs);

static inline void *slab_at(const struct slabs *slabs, uint32_t handle)
{
	return slabs->base + (size_t)handle * SLAB_UNIT;
}

/* Cells of one size, a multiple of SLAB_UNIT and at most a slab. */
struct cell_pool {
	struct slabs *slabs;
	uint32_t cell_size;
	uint32_t free;       /* list of given-back cells, linked through their first word */
	uint32_t fresh;      /* next cell of the newest slab never used so far */
	uint32_t fresh_left; /* such cells */
	uint32_t used;       /* cells handed out now */
};

void cell_pool_init(struct cell_pool *pool, struct slabs *slabs, uint32_t cell_size);
/* A cell of undefined content, or 0 when the region (less `keep` slabs) is used up. */
uint32_t cell_take(struct cell_pool *pool, uint32_t keep);
void cell_give(struct cell_pool *pool, uint32_t handle);

/* Cells of mixed sizes, each from the pool of the next larger class. */
#define CELL_CLASSES 20

struct cell_classes {
	struct cell_pool pools[CELL_CLASSES];
};

void cell_classes_init(struct cell_classes *classes, struct slabs *slabs);
/* At least `size` bytes, or 0 when memory is out or size is larger than the largest class. */
uint32_t classes_take(struct cell_classes *classes, size_t size);
/* size: as it was asked for. */
void classes_give(struct cell_classes *classes, uint32_t handle, size_t size);
/* Bytes that a cell for `size` has; 0 when there is no such class. */
size_t classes_room(const struct cell_classes *classes, size_t size);

/* An array that grows slab by slab and never moves. */
struct segments {
	struct slabs *slabs;
	_Atomic uint32_t *slab; /* [slab_max], 0: not there yet */
	uint32_t record_size, shift, slab_max;
};

/* record_size: a power of two. STATUS_NO_MEMORY. */
enum status segments_init(struct segments *segments, struct slabs *slabs, uint32_t record_size,
	uint32_t record_max) MUST_CHECK;
void segments_fini(struct segments *segments);
/* Makes record `index` exist, zeroed; false when memory is out. One thread at a time. */
bool segments_grow(struct segments *segments, uint32_t index);
/* Bytes that segments_init() takes beside the slabs. */
size_t segments_fixed_bytes(const struct segments *segments);

/* index: made to exist before. */
static inline void *segment_at(const struct segments *segments, uint32_t index)
{
	uint32_t slab = atomic_load_explicit(&segments->slab[index >> segments->shift],
		memory_order_relaxed);
	uint32_t place = index & ((1u << segments->shift) - 1);

	return (unsigned char *)slab_at(segments->slabs, slab) +
		(size_t)place * segments->record_size;
}

#endif
