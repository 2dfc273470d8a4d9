/*
 * Appending batches.
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
#include <string.h>

#include "store/layout.h"

/* Timestamps beyond 4459 years from 1970 are not kept: differences must not overflow. */
#define TIME_MIN_MS (-CHUNK_TIME_LIMIT)
#define TIME_MAX_MS CHUNK_TIME_LIMIT
#define APPEND_GROUP 16u
#define APPEND_BATCH 8192u /* samples sorted at a time */
/* Sorting costs as much for so many samples as one more lock. */
#define SORT_FROM 16u

const char *append_result_name(enum append_result result)
{
	static const char *const names[] = {
#define X(result, label) label,
		APPEND_TABLE(X)
#undef X
	};

	return names[result];
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

		/* As if each run of ids had a shard of its own, which is cheaper to see. */
		for (uint32_t i = 1; i < part; i++)
			changes += (samples[i].series ^ samples[i - 1].series) >= SHARD_RUN;
		if (changes <= store->shard_count || changes <= part / SORT_FROM)
			append_straight(store, &batch, samples, part, counts);
		else
			append_sorted(store, &batch, samples, part, counts);
		samples += part;
		count -= part;
	}
}
