#include "store/slab.h"

#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"

/* Regions from this size on ask for huge pages: first touches and random look-ups cost several
 * times more with small ones. The region is used from its start on without holes, so that at most
 * one page of two megabytes is resident and unused. */
#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_FROM ((size_t)32 << 20)

enum status slabs_init(struct slabs *slabs, uint64_t bytes, uint32_t slab_size, struct error *error)
{
	uint64_t count = bytes / slab_size;

	CHECK(slab_size >= 4096 && (slab_size & (slab_size - 1)) == 0);
	memset(slabs, 0, sizeof(*slabs));
	if (bytes > SLABS_BYTES_MAX)
		return error_set(error, STATUS_LIMIT, "a store holds at most %llu bytes",
			(unsigned long long)SLABS_BYTES_MAX);
	if (count < 2)
		return error_set(error, STATUS_LIMIT, "%llu bytes are too few for a store",
			(unsigned long long)bytes);
	slabs->slab_size = slab_size;
	slabs->count = (uint32_t)count - 1;
	atomic_init(&slabs->taken, 0);
	slabs->base = mem_alloc_aligned(HUGE_PAGE, (size_t)count * slab_size);
	if (slabs->base == NULL)
		return error_set(error, STATUS_NO_MEMORY,
			"the system does not grant %llu bytes to the store",
			(unsigned long long)(count * slab_size));
	if (count * slab_size >= HUGE_FROM)
		(void)madvise(slabs->base, (size_t)count * slab_size, MADV_HUGEPAGE);
	return STATUS_OK;
}

void slabs_fini(struct slabs *slabs)
{
	mem_free(slabs->base);
	memset(slabs, 0, sizeof(*slabs));
}

uint32_t slabs_take(struct slabs *slabs, uint32_t keep)
{
	uint32_t taken = atomic_load_explicit(&slabs->taken, memory_order_relaxed);

	do {
		if (slabs->count - taken <= keep)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&slabs->taken, &taken, taken + 1,
		memory_order_relaxed, memory_order_relaxed));
	return (taken + 1) * (slabs->slab_size / SLAB_UNIT);
}

uint64_t slabs_bytes(const struct slabs *slabs)
{
	return (uint64_t)atomic_load_explicit(&slabs->taken, memory_order_relaxed) *
		slabs->slab_size;
}

void cell_pool_init(struct cell_pool *pool, struct slabs *slabs, uint32_t cell_size)
{
	CHECK(cell_size % SLAB_UNIT == 0 && cell_size > 0);
	memset(pool, 0, sizeof(*pool));
	pool->slabs = slabs;
	pool->cell_size = cell_size;
}

uint32_t cell_take(struct cell_pool *pool, uint32_t keep)
{
	uint32_t handle = pool->free;

	if (handle != 0) {
		memcpy(&pool->free, slab_at(pool->slabs, handle), sizeof(pool->free));
	} else {
		if (pool->fresh_left == 0) {
			uint32_t slab = pool->cell_size <= pool->slabs->slab_size
				? slabs_take(pool->slabs, keep)
				: 0;

			if (slab == 0)
				return 0;
			pool->fresh = slab;
			pool->fresh_left = pool->slabs->slab_size / pool->cell_size;
		}
		handle = pool->fresh;
		pool->fresh += pool->cell_size / SLAB_UNIT;
		pool->fresh_left--;
	}
	pool->used++;
	return handle;
}

void cell_give(struct cell_pool *pool, uint32_t handle)
{
	CHECK(handle != 0 && pool->used > 0);
	memcpy(slab_at(pool->slabs, handle), &pool->free, sizeof(pool->free));
	pool->free = handle;
	pool->used--;
}

static const uint16_t class_sizes[CELL_CLASSES] = {16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 256,
	320, 384, 512, 768, 1024, 1536, 2048, 4096, 16384};

void cell_classes_init(struct cell_classes *classes, struct slabs *slabs)
{
	for (size_t i = 0; i < CELL_CLASSES; i++)
		cell_pool_init(&classes->pools[i], slabs, class_sizes[i]);
}

static size_t class_of(size_t size)
{
	size_t i = size <= 128 ? (size + 15) / 16 : 9;

	if (size <= 128)
		return i == 0 ? 0 : i - 1;
	for (i = 8; i < CELL_CLASSES; i++) {
		if (size <= class_sizes[i])
			break;
	}
	return i;
}

uint32_t classes_take(struct cell_classes *classes, size_t size)
{
	size_t i = class_of(size);

	return i < CELL_CLASSES ? cell_take(&classes->pools[i], 0) : 0;
}

void classes_give(struct cell_classes *classes, uint32_t handle, size_t size)
{
	cell_give(&classes->pools[class_of(size)], handle);
}

size_t classes_room(const struct cell_classes *classes, size_t size)
{
	size_t i = class_of(size);

	return i < CELL_CLASSES ? classes->pools[i].cell_size : 0;
}

enum status segments_init(struct segments *segments, struct slabs *slabs, uint32_t record_size,
	uint32_t record_max)
{
	uint32_t per_slab = slabs->slab_size / record_size;

	CHECK((record_size & (record_size - 1)) == 0 && per_slab > 0);
	memset(segments, 0, sizeof(*segments));
	segments->slabs = slabs;
	segments->record_size = record_size;
	while (1u << segments->shift < per_slab)
		segments->shift++;
	segments->slab_max = (record_max >> segments->shift) + 1;
	segments->slab = mem_zalloc(segments->slab_max, sizeof(*segments->slab));
	return segments->slab == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void segments_fini(struct segments *segments)
{
	mem_free(segments->slab);
	memset(segments, 0, sizeof(*segments));
}

bool segments_grow(struct segments *segments, uint32_t index)
{
	uint32_t at = index >> segments->shift;
	uint32_t slab;

	CHECK(at < segments->slab_max);
	if (atomic_load_explicit(&segments->slab[at], memory_order_relaxed) != 0)
		return true;
	slab = slabs_take(segments->slabs, 0);
	if (slab == 0)
		return false;
	memset(slab_at(segments->slabs, slab), 0, segments->slabs->slab_size);
	atomic_store_explicit(&segments->slab[at], slab, memory_order_release);
	return true;
}

size_t segments_fixed_bytes(const struct segments *segments)
{
	return (size_t)segments->slab_max * sizeof(*segments->slab);
}
