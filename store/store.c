/*
 * Opening, appending, reading. Series are made in intern.c, selected in select.c and removed in
 * sweep.c.
 *
 * What makes it fast, in the order of what it brought (tests/bench/bench_store.c; a virtual machine
 * with 100 ns a cache miss, others working beside):
 *   - a sample touches one cache line, its ring (ring.h), which holds the encoder's state and the bits
 *     that do not fill a word yet; the chunk is written once in 64 bits, every sixth sample or so;
 *   - ids are given in the order of arrival and blocks in the order of ids, so that a batch in scrape
 *     order walks memory forwards;
 *   - rings are fetched a group ahead of their use: 115 ns a sample before, 45 after, and shuffled 235
 *     and 65; look-ups in groups likewise;
 *   - a lock is taken once for a batch and shard; a shuffled batch is sorted by shard first;
 *   - no branch by the kind of series on the way of an integer (chunk_code.h), no allocation anywhere
 *     but at open.
 * At 100,000 to 1,000,000 series a look-up takes 20 to 30 ns and an append 37 to 40, a new series of
 * ten labels 1.0 to 1.7 us; a series with an hour at 15 s takes 500 bytes in all.
 */
#include "store/store.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/layout.h"

/* Timestamps beyond 4459 years from 1970 are not kept: differences must not overflow. */
#define TIME_MIN_MS (-CHUNK_TIME_LIMIT)
#define TIME_MAX_MS CHUNK_TIME_LIMIT
/* Blocks of chunks: a ring ends half empty in one, so they grow with the ring; each costs a header
 * and a start of about 25 bytes. Measured at 240 samples: 128 bytes take the least. */
#define BLOCK_MIN 128u
#define BLOCK_MAX 512u
#define APPEND_GROUP 16u
#define APPEND_BATCH 8192u /* samples sorted at a time */

const char *append_result_name(enum append_result result)
{
	static const char *const names[] = {
#define X(result, label) label,
		APPEND_TABLE(X)
#undef X
	};

	return names[result];
}

bool store_is_stale(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits == STORE_STALE_BITS;
}

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
		keys_init(&store->keys, &store->slabs, id_max * 2) != STATUS_OK ||
		index_init(&store->index, &store->slabs, &store->secret, id_max) != STATUS_OK)
		return STATUS_NO_MEMORY;
	store->gone = mem_zalloc(words, sizeof(*store->gone));
	if (store->gone == NULL)
		return STATUS_NO_MEMORY;
	store->fixed_bytes += segments_fixed_bytes(&store->rings) +
		segments_fixed_bytes(&store->slots) + keys_fixed_bytes(&store->keys) +
		index_fixed_bytes(&store->index) + words * sizeof(*store->gone);
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

bool series_revive(struct store *store, struct ring *ring, uint32_t tick)
{
	uint32_t life = atomic_load_explicit(&ring->life, memory_order_acquire);

	while (life_state(life) == RING_ENDED) {
		if (!atomic_compare_exchange_weak(&ring->life, &life, ring_life(tick, RING_LIVE)))
			continue;
		atomic_fetch_add(&store->live, 1);
		atomic_fetch_add(&store->created, 1);
		atomic_fetch_add(&store->generation, 1);
		return true;
	}
	return life_state(life) == RING_LIVE;
}

/* The bounds of one batch. */
struct batch {
	int64_t t_max;
	uint32_t id_end, tick;
};

static void batch_begin(struct store *store, struct batch *batch)
{
	int64_t now = clock_now_ms(store->clock);
	int64_t future = store->limits.future_max_ms;

	batch->t_max = now > TIME_MAX_MS - future ? TIME_MAX_MS : now + future;
	batch->id_end = atomic_load_explicit(&store->id_end, memory_order_acquire);
	batch->tick = store_tick(store);
}

static inline enum append_result sample_append(struct store *store, const struct batch *batch,
	struct ring_memory *memory, struct ring *ring, const struct store_sample *sample)
{
	enum append_result result;
	uint64_t bits;

	if (sample->t_ms > batch->t_max)
		return APPEND_FUTURE;
	if (sample->t_ms < TIME_MIN_MS)
		return APPEND_LATE;
	if (ring_state_of(ring) != RING_LIVE && !series_revive(store, ring, batch->tick))
		return APPEND_LATE;
	memcpy(&bits, &sample->value, sizeof(bits));
	result = ring_append(ring, memory, sample->t_ms, bits);
	if (result <= APPEND_STALE_MARKER)
		atomic_store_explicit(&ring->life, ring_life(batch->tick, RING_LIVE),
			memory_order_release);
	return result;
}

/* What a batch is cut into: places of samples, all in one shard. */
struct run {
	const struct store_sample *samples;
	const uint16_t *order; /* NULL: as they stand */
	uint32_t first, count;
};

/* A few samples and their rings. */
struct group {
	const struct store_sample *samples[APPEND_GROUP];
	struct ring *rings[APPEND_GROUP];
	uint32_t count;
};

/* The group that begins at `first`; its rings are on their way into the cache. */
static inline void group_begin(const struct store *store, const struct run *run, uint32_t first,
	struct group *group)
{
	uint32_t count = run->count - first < APPEND_GROUP ? run->count - first : APPEND_GROUP;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = run->first + first + i;

		group->samples[i] = &run->samples[run->order == NULL ? at : run->order[at]];
		group->rings[i] = ring_of(store, group->samples[i]->series);
		__builtin_prefetch(group->rings[i], 1);
	}
	group->count = count;
}

/* A ring and the end of its chunk are a cache miss each, about 100 ns on the machine it was measured
 * on, and about ten of them can be on their way at a time. So, in groups: while one group is worked
 * on, the rings of the next are fetched; then the ends of its chunks. */
static void run_append(struct store *store, const struct batch *batch, struct shard *shard,
	const struct run *run, uint64_t *counts)
{
	struct ring_memory *memory = &shard->memory;
	struct group groups[2];
	uint32_t turn = 0;

	group_begin(store, run, 0, &groups[0]);
	(void)pthread_mutex_lock(&shard->lock);
	for (uint32_t first = 0; first < run->count; turn = !turn) {
		const struct group *group = &groups[turn];

		for (uint32_t i = 0; i < group->count; i++)
			ring_prefetch(group->rings[i], memory);
		first += group->count;
		group_begin(store, run, first, &groups[!turn]);
		for (uint32_t i = 0; i < group->count; i++)
			counts[sample_append(store, batch, memory, group->rings[i],
				group->samples[i])]++;
	}
	(void)pthread_mutex_unlock(&shard->lock);
}

/* Samples in the order of shards; within a shard they keep their order, as those of one series must.
 * `order` gets the places of those whose id exists. ends[] gets where each shard's part ends. */
static void batch_sort(const struct store *store, const struct batch *batch,
	const struct store_sample *samples, uint32_t count, uint16_t *order, uint16_t *ends)
{
	uint16_t at[SHARDS_MAX] = {0};
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (samples[i].series < batch->id_end)
			at[shard_index(store, samples[i].series)]++;
	}
	for (uint32_t i = 0; i < store->shard_count; i++) {
		uint16_t size = at[i];

		at[i] = (uint16_t)sum;
		sum += size;
		ends[i] = (uint16_t)sum;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (samples[i].series < batch->id_end)
			order[at[shard_index(store, samples[i].series)]++] = (uint16_t)i;
	}
}

static void append_sorted(struct store *store, const struct batch *batch,
	const struct store_sample *samples, uint32_t count, uint64_t *counts)
{
	uint16_t order[APPEND_BATCH], ends[SHARDS_MAX];
	struct run run = {samples, order, 0, 0};

	batch_sort(store, batch, samples, count, order, ends);
	for (uint32_t i = 0; i < store->shard_count; i++) {
		run.count = ends[i] - run.first;
		if (run.count > 0)
			run_append(store, batch, &store->shards[i], &run, counts);
		run.first = ends[i];
	}
	counts[APPEND_LATE] += count - run.first;
}

/* In scrape order a batch is a few runs of one shard each: no sorting. */
static void append_straight(struct store *store, const struct batch *batch,
	const struct store_sample *samples, uint32_t count, uint64_t *counts)
{
	struct run run = {samples, NULL, 0, 0};

	while (run.first < count) {
		uint32_t shard, end = run.first;

		if (samples[end].series >= batch->id_end) {
			counts[APPEND_LATE]++;
			run.first++;
			continue;
		}
		shard = shard_index(store, samples[end].series);
		while (end < count && samples[end].series < batch->id_end &&
			shard_index(store, samples[end].series) == shard)
			end++;
		run.count = end - run.first;
		run_append(store, batch, &store->shards[shard], &run, counts);
		run.first = end;
	}
}

void store_append(struct store *store, const struct store_sample *samples, size_t count,
	uint64_t counts[APPEND_RESULT_COUNT])
{
	struct batch batch;

	batch_begin(store, &batch);
	while (count > 0) {
		uint32_t part = count < APPEND_BATCH ? (uint32_t)count : APPEND_BATCH;
		uint32_t changes = 0;

		for (uint32_t i = 1; i < part; i++)
			changes += shard_index(store, samples[i].series) !=
				shard_index(store, samples[i - 1].series);
		if (changes <= store->shard_count)
			append_straight(store, &batch, samples, part, counts);
		else
			append_sorted(store, &batch, samples, part, counts);
		samples += part;
		count -= part;
	}
}

/* The newest `max` of the points pushed, as a ring that is turned straight at the end. */
struct point_sink {
	struct store_point *points;
	size_t max, next, count;
};

static void sink_push(struct point_sink *sink, int64_t t_ms, uint64_t bits)
{
	struct store_point *point = &sink->points[sink->next];

	point->t_ms = t_ms;
	memcpy(&point->value, &bits, sizeof(bits));
	sink->next = sink->next + 1 == sink->max ? 0 : sink->next + 1;
	sink->count += sink->count < sink->max;
}

static void points_reverse(struct store_point *points, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct store_point point = points[i];

		points[i] = points[count - 1 - i];
		points[count - 1 - i] = point;
	}
}

static size_t sink_end(struct point_sink *sink)
{
	if (sink->count == sink->max && sink->next != 0) {
		points_reverse(sink->points, sink->next);
		points_reverse(sink->points + sink->next, sink->max - sink->next);
		points_reverse(sink->points, sink->max);
	}
	return sink->count;
}

static void chunks_decode(const struct ring_copy *copy, int64_t from_ms, int64_t to_ms,
	struct point_sink *sink)
{
	for (uint32_t i = 0; i < copy->chunk_count; i++) {
		const struct chunk *chunk =
			(const void *)(copy->bytes + (size_t)i * copy->chunk_size);
		struct chunk_reader reader;

		chunk_reader_init(&reader, chunk, copy->chunk_size);
		while (chunk_next(&reader) && reader.end.t_ms <= to_ms) {
			if (reader.end.t_ms >= from_ms)
				sink_push(sink, reader.end.t_ms, reader.end.bits);
		}
	}
}

size_t store_window(struct store *store, uint32_t series, int64_t from_ms, int64_t to_ms,
	struct store_point *points, size_t max)
{
	struct point_sink sink = {.points = points, .max = max};
	int64_t resume_ms = from_ms;
	uint16_t generation = 0;
	struct shard *shard;
	struct ring_copy copy;

	if (max == 0 || from_ms > to_ms || !id_exists(store, series))
		return 0;
	shard = shard_of(store, series);
	copy.more = false;
	do {
		struct ring *ring = ring_of(store, series);

		(void)pthread_mutex_lock(&shard->lock);
		/* Cleared while we decoded: what was copied before still is its window. */
		if (ring_state_of(ring) != RING_LIVE ||
			(copy.more && ring->end.owner != generation)) {
			(void)pthread_mutex_unlock(&shard->lock);
			break;
		}
		ring_copy_chunks(ring, &shard->memory, resume_ms, to_ms, &copy);
		(void)pthread_mutex_unlock(&shard->lock);
		generation = copy.generation;
		resume_ms = copy.resume_ms;
		chunks_decode(&copy, from_ms, to_ms, &sink);
	} while (copy.more);
	return sink_end(&sink);
}

bool store_newest(struct store *store, uint32_t series, struct store_point *point)
{
	struct shard *shard;
	struct ring *ring;
	bool found;

	if (!id_exists(store, series))
		return false;
	shard = shard_of(store, series);
	ring = ring_of(store, series);
	(void)pthread_mutex_lock(&shard->lock);
	found = ring_state_of(ring) == RING_LIVE && ring->end.count > 0;
	if (found) {
		point->t_ms = ring->end.t_ms;
		memcpy(&point->value, &ring->end.bits, sizeof(point->value));
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return found;
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
