/*
 * Removing series that ended.
 *
 * 1. LIVE -> ENDED (shard locks): the series disappears for all readers, its ring is emptied. Its
 *    raw keys are taken out of the table (index lock, page by page).
 * 2. ENDED -> FREE, STORE_REUSE_MS later (index lock): labels and postings are freed, and the id
 *    may be used again.
 *
 * Between the two, a request that found the id just before step 1 may still append: the series
 * comes back to life with that sample, and nothing is lost. So does a series whose labels come
 * again. After step 2 no request can still hold the id.
 */
#include <string.h>

#include "store/layout.h"

#define PAGES_PER_LOCK 16

static bool gone_test(const struct store *store, uint32_t id)
{
	return store->gone[id / 64] >> (id % 64) & 1;
}

static void gone_set(struct store *store, uint32_t id)
{
	store->gone[id / 64] |= UINT64_C(1) << (id % 64);
}

static void gone_clear(struct store *store, uint32_t id_end)
{
	memset(store->gone, 0, (id_end / 64 + 1) * sizeof(*store->gone));
}

static uint32_t ticks_of(int64_t ms)
{
	int64_t limit = INT64_C(1) << 28; /* 208 days */
	int64_t ticks =
		ms < INT64_MAX / 1000000 ? ms * 1000000 / (INT64_C(1) << TICK_SHIFT) + 1 : limit;

	return (uint32_t)(ticks < limit ? ticks : limit);
}

/* Step 1 for the ids of one run, all in one shard. */
static uint32_t run_end(struct store *store, uint32_t first, uint32_t end, uint32_t tick)
{
	struct shard *shard = shard_of(store, first);
	uint32_t keep = ticks_of(store->limits.ended_keep_ms);
	uint32_t ended = 0, life;

	(void)pthread_mutex_lock(&shard->lock);
	for (uint32_t id = first; id < end; id++) {
		struct ring *ring = ring_of(store, id);

		life = atomic_load_explicit(&ring->life, memory_order_relaxed);
		if (life_state(life) != RING_LIVE || life_age(life, tick) <= keep)
			continue;
		ring_clear(ring, &shard->memory);
		atomic_store_explicit(&ring->life, ring_life(tick, RING_ENDED),
			memory_order_release);
		gone_set(store, id);
		ended++;
	}
	(void)pthread_mutex_unlock(&shard->lock);
	return ended;
}

static bool key_gone(void *argument, uint32_t id)
{
	struct store *store = argument;

	if (!gone_test(store, id))
		return false;
	slot_of(store, id)->key_count--;
	follow_clear(follow_of(store, id));
	return true;
}

static void keys_clean(struct store *store)
{
	uint64_t cursor = 0;
	bool more = true;

	while (more) {
		(void)pthread_mutex_lock(&store->index_lock);
		for (int i = 0; i < PAGES_PER_LOCK && more; i++)
			more = keys_sweep_page(&store->keys, &cursor, key_gone, store);
		(void)pthread_mutex_unlock(&store->index_lock);
	}
}

/* Step 2 for the ids of one run. */
static uint32_t run_free(struct store *store, uint32_t first, uint32_t end, uint32_t tick)
{
	uint32_t keep = ticks_of(STORE_REUSE_MS);
	uint32_t freed = 0;

	(void)pthread_mutex_lock(&store->index_lock);
	for (uint32_t id = first; id < end; id++) {
		struct ring *ring = ring_of(store, id);
		uint32_t life = atomic_load_explicit(&ring->life, memory_order_relaxed);

		/* Fails when a sample has just brought it back. */
		if (life_state(life) != RING_ENDED || life_age(life, tick) <= keep ||
			!atomic_compare_exchange_strong(&ring->life, &life,
				ring_life(tick, RING_FREE)))
			continue;
		index_remove(&store->index, slot_of(store, id)->set);
		slot_of(store, id)->set = 0;
		gone_set(store, id);
		freed++;
	}
	(void)pthread_mutex_unlock(&store->index_lock);
	return freed;
}

static bool number_gone(void *argument, uint32_t id)
{
	return gone_test(argument, id);
}

static void postings_clean(struct store *store)
{
	bool more;

	do {
		(void)pthread_mutex_lock(&store->index_lock);
		more = index_clean_one(&store->index, number_gone, store);
		(void)pthread_mutex_unlock(&store->index_lock);
	} while (more);
}

static void ids_give_back(struct store *store, uint32_t id_end)
{
	(void)pthread_mutex_lock(&store->index_lock);
	for (uint32_t word = id_end / 64 + 1; word-- > 0;) {
		/* From the highest id down, so that they come off the list in ascending order. */
		for (uint64_t bits = store->gone[word]; bits != 0;) {
			uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits);

			bits &= ~(UINT64_C(1) << bit);
			slot_of(store, word * 64 + bit)->next_free = store->ready;
			store->ready = word * 64 + bit;
		}
	}
	(void)pthread_mutex_unlock(&store->index_lock);
}

static uint32_t sweep_run(struct store *store, uint32_t id_end, uint32_t tick,
	uint32_t (*step)(struct store *, uint32_t, uint32_t, uint32_t))
{
	uint32_t count = 0;

	for (uint32_t first = 0; first < id_end; first += SHARD_RUN)
		count += step(store, first, id_end - first < SHARD_RUN ? id_end : first + SHARD_RUN,
			tick);
	return count;
}

void removal_pause(struct store *store)
{
	while (atomic_flag_test_and_set(&store->sweeping))
		clock_sleep_ms(1);
}

void removal_resume(struct store *store)
{
	atomic_flag_clear(&store->sweeping);
}

size_t store_sweep(struct store *store)
{
	uint32_t tick = store_tick(store);
	uint32_t id_end, ended;

	if (atomic_flag_test_and_set(&store->sweeping))
		return 0;
	id_end = atomic_load_explicit(&store->id_end, memory_order_acquire);
	if (sweep_run(store, id_end, tick, run_free) > 0) {
		postings_clean(store);
		ids_give_back(store, id_end);
		gone_clear(store, id_end);
	}
	ended = sweep_run(store, id_end, tick, run_end);
	if (ended > 0) {
		atomic_fetch_sub(&store->live, ended);
		atomic_fetch_add(&store->removed, ended);
		atomic_fetch_add(&store->generation, 1);
		keys_clean(store);
		gone_clear(store, id_end);
	}
	atomic_flag_clear(&store->sweeping);
	return ended;
}
