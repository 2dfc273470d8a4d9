/*
 * Opening, closing, looking up, counting. Series are made in intern.c, filled in append.c, read in
 * window.c, selected in select.c and removed in sweep.c.
 */
#include "store/store.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/layout.h"

/* Blocks of chunks: a ring ends half empty in one, so they grow with the ring; each costs a header
 * and a start of about 25 bytes. Bytes held for a series with 240 samples, by size: 96: 489, 128: 500,
 * 192: 529, 256: 546; shorter chunks are slower to read and to begin. */
#define BLOCK_MIN 128u
#define BLOCK_MAX 512u

static uint64_t power_of_two_below(uint64_t value, uint64_t low, uint64_t high)
{
	uint64_t power = low;

	while (power * 2 <= value && power * 2 <= high)
		power *= 2;
	return power;
}

static enum status limits_check(const struct store_limits *limits, struct error *error)
{
	if (limits->memory_max < STORE_MEMORY_MIN)
		return error_set(error, STATUS_BAD_INPUT,
			"a store needs %llu bytes at least, not %llu",
			(unsigned long long)STORE_MEMORY_MIN,
			(unsigned long long)limits->memory_max);
	if (limits->memory_max > STORE_MEMORY_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"a store holds %llu bytes at most, not %llu",
			(unsigned long long)STORE_MEMORY_MAX,
			(unsigned long long)limits->memory_max);
	if (limits->series_max == 0)
		return error_set(error, STATUS_BAD_INPUT, "a store for no series at all");
	if (limits->retention_ms <= 0 || limits->interval_ms <= 0 || limits->ended_keep_ms <= 0 ||
		limits->future_max_ms < 0)
		return error_set(error, STATUS_BAD_INPUT, "times of a store must be positive");
	return STATUS_OK;
}

static uint32_t block_size(const struct store_limits *limits)
{
	uint64_t expected = (uint64_t)(limits->retention_ms / limits->interval_ms);

	return (uint32_t)power_of_two_below(expected / 4, BLOCK_MIN, BLOCK_MAX);
}

static enum status shards_init(struct store *store)
{
	uint32_t count =
		(uint32_t)power_of_two_below(store->limits.memory_max >> 22, 1, SHARDS_MAX);

	store->shards = mem_alloc_aligned(64, count * sizeof(*store->shards));
	if (store->shards == NULL)
		return STATUS_NO_MEMORY;
	memset(store->shards, 0, count * sizeof(*store->shards));
	store->fixed_bytes += count * sizeof(*store->shards);
	for (uint32_t i = 0; i < count; i++) {
		struct ring_memory *memory = &store->shards[i].memory;

		CHECK(pthread_mutex_init(&store->shards[i].lock, NULL) == 0);
		cell_pool_init(&memory->blocks, &store->slabs, block_size(&store->limits));
		memory->retention_ms = store->limits.retention_ms;
		if (store->limits.interval_ms <= UINT32_MAX)
			memory->step_ms = (uint32_t)store->limits.interval_ms;
		memory->keep = store->slabs.count / 16;
	}
	store->shard_count = count;
	return STATUS_OK;
}

/* Everything that needs slabs, which exist by now. */
static enum status tables_init(struct store *store)
{
	uint32_t id_max = store->id_max;
	size_t words = id_max / 64 + 1;

	if (segments_init(&store->rings, &store->slabs, sizeof(struct ring), id_max) != STATUS_OK ||
		segments_init(&store->slots, &store->slabs, sizeof(struct slot), id_max) !=
			STATUS_OK ||
		segments_init(&store->follows, &store->slabs, sizeof(struct follow), id_max) !=
			STATUS_OK ||
		keys_init(&store->keys, &store->slabs, id_max * 2) != STATUS_OK ||
		index_init(&store->index, &store->slabs, &store->secret, id_max) != STATUS_OK)
		return STATUS_NO_MEMORY;
	store->gone = mem_zalloc(words, sizeof(*store->gone));
	if (store->gone == NULL)
		return STATUS_NO_MEMORY;
	store->fixed_bytes += segments_fixed_bytes(&store->rings) +
		segments_fixed_bytes(&store->slots) + segments_fixed_bytes(&store->follows) +
		keys_fixed_bytes(&store->keys) + index_fixed_bytes(&store->index) +
		words * sizeof(*store->gone);
	return shards_init(store);
}

/* What a counter has grown by since it was told last. */
static double told(_Atomic uint64_t *before, uint64_t now)
{
	return (double)(now - atomic_exchange(before, now));
}

static void store_collect(void *argument)
{
	struct store *store = argument;
	struct store_stats stats;

	store_stats(store, &stats);
	metrics_set(METRIC_STORE_SERIES, (double)stats.series);
	metrics_set(METRIC_STORE_SERIES_LIMIT, (double)store->limits.series_max);
	metrics_set(METRIC_STORE_BYTES, (double)stats.bytes);
	metrics_set(METRIC_STORE_BYTES_LIMIT, (double)store->limits.memory_max);
	metrics_set(METRIC_STORE_SAMPLES, (double)stats.samples);
	metrics_add(METRIC_STORE_SERIES_CREATED, told(&store->created_told, stats.created));
	metrics_add(METRIC_STORE_SERIES_REMOVED, told(&store->removed_told, stats.removed),
		"ended");
	metrics_add(METRIC_STORE_OVERWRITTEN, told(&store->overwritten_told, stats.overwritten));
}

static enum status store_init(struct store *store, struct error *error)
{
	uint64_t memory_max = store->limits.memory_max;
	/* The smallest series takes more than 256 bytes of slabs, and a tenth of the budget is more
	 * than the fixed tables for as many series take. */
	uint64_t series_fit = memory_max / 256;
	uint32_t slab_size = (uint32_t)power_of_two_below(memory_max >> 12, 4096, 65536);
	enum status status;

	if (store->limits.series_max < series_fit)
		series_fit = store->limits.series_max;
	/* Half more ids than series: ids of ended series are not used again at once. */
	store->id_max = (uint32_t)(series_fit + series_fit / 2 + 64);
	if (hash_secret_init(&store->secret) != STATUS_OK)
		return error_set(error, STATUS_IO, "the system gives no random bytes");
	status = slabs_init(&store->slabs, memory_max, slab_size, error);
	if (status != STATUS_OK)
		return status;
	if (tables_init(store) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the tables of %u series",
			store->limits.series_max);
	/* What stands beside the slabs counts too; their number is lowered by it. */
	store->slabs.count -= (uint32_t)(store->fixed_bytes / slab_size + 1);
	return STATUS_OK;
}

struct store *store_open(const struct store_limits *limits, const struct clock *clock,
	struct error *error)
{
	struct store *store;

	if (limits_check(limits, error) != STATUS_OK)
		return NULL;
	store = mem_zalloc(1, sizeof(*store));
	if (store == NULL) {
		(void)error_set(error, STATUS_NO_MEMORY, "no memory for a store");
		return NULL;
	}
	store->limits = *limits;
	store->clock = clock;
	store->ready = store->bare = NO_ID;
	store->fixed_bytes = sizeof(*store);
	atomic_flag_clear(&store->sweeping);
	CHECK(pthread_mutex_init(&store->index_lock, NULL) == 0);
	if (store_init(store, error) != STATUS_OK) {
		store_close(store);
		return NULL;
	}
	metrics_add_collector(store_collect, store);
	return store;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	metrics_remove_collector(store_collect, store);
	for (uint32_t i = 0; i < store->shard_count; i++)
		(void)pthread_mutex_destroy(&store->shards[i].lock);
	(void)pthread_mutex_destroy(&store->index_lock);
	mem_free(store->shards);
	mem_free(store->gone);
	index_fini(&store->index);
	keys_fini(&store->keys);
	segments_fini(&store->follows);
	segments_fini(&store->slots);
	segments_fini(&store->rings);
	slabs_fini(&store->slabs);
	mem_free(store);
}

struct store_key store_key_of(const struct store *store, const void *raw_labels, size_t size)
{
	return hash_bytes(&store->secret, raw_labels, size);
}

uint32_t store_find(struct store *store, struct store_key key)
{
	return keys_find(&store->keys, key);
}

void store_find_many(struct store *store, const struct store_key *keys, size_t count,
	uint32_t *series)
{
	keys_find_many(&store->keys, keys, count, series);
}

uint64_t store_generation(struct store *store)
{
	return atomic_load(&store->generation);
}

void store_stats(struct store *store, struct store_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (uint32_t i = 0; i < store->shard_count; i++) {
		struct shard *shard = &store->shards[i];

		(void)pthread_mutex_lock(&shard->lock);
		stats->samples += shard->memory.samples;
		stats->overwritten += shard->memory.overwritten;
		(void)pthread_mutex_unlock(&shard->lock);
	}
	stats->series = atomic_load(&store->live);
	stats->bytes = store->fixed_bytes + slabs_bytes(&store->slabs);
	stats->created = atomic_load(&store->created);
	stats->removed = atomic_load(&store->removed);
}
