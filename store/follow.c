/*
 * Finding series along the order in which they came before.
 *
 * A row of entries of 16 bytes is walked as the successors say, which for series made in scrape order
 * is forwards, without a cache miss: 4 ns a series where a look-up takes 15 to 40 (bench_ingest). Where
 * a key is not the one that was expected, the next few keys are looked up together; the more in a row
 * fail the more, so that a sender without an order pays one comparison for each 64 look-ups.
 *
 * Learning costs a write for each series, and random ones where there is no order; there it is done for
 * one group of keys in LEARN_SELDOM.
 */
#include "store/follow.h"

#include "store/layout.h"

/* Keys looked up together where the trail is lost: more and more. */
#define STEP_FIRST 4u
#define STEP_MAX 32u
#define SELDOM 16u

static inline uint32_t successor(const struct store *store, uint32_t id)
{
	return atomic_load_explicit(&follow_of(store, id)->next, memory_order_relaxed);
}

/* Along the trail. Where it is lost, the next keys are looked up together. */
static void walk(struct store *store, struct store_trail *trail, const struct store_key *keys,
	size_t count, uint32_t *series)
{
	uint32_t id_end = atomic_load_explicit(&store->id_end, memory_order_acquire);
	uint32_t next = trail->last < id_end ? successor(store, trail->last) : 0;
	size_t at = 0, first, step = STEP_FIRST;
	uint32_t known;

	while (at < count) {
		for (first = at;
			at < count && next < id_end && follow_is(follow_of(store, next), keys[at]);
			at++) {
			series[at] = next;
			next = successor(store, next);
		}
		if (at > first)
			step = STEP_FIRST;
		first = at;
		at = count - at < step ? count : at + step;
		step = step * 2 < STEP_MAX ? step * 2 : STEP_MAX;
		keys_find_many(&store->keys, keys + first, at - first, series + first);
		known = STORE_NO_SERIES;
		for (; first < at; first++) {
			if (series[first] < id_end) {
				known = series[first];
				trail->strayed++;
			} else {
				trail->unknown++;
			}
		}
		if (known != STORE_NO_SERIES && at < count)
			next = successor(store, known);
	}
}

void store_find_trail(struct store *store, struct store_trail *trail, const struct store_key *keys,
	size_t count, uint32_t *series)
{
	bool in_order = trail->strayed <= trail->limit;

	trail->strayed = trail->unknown = 0;
	trail->limit = (uint32_t)count / 2;
	trail->lost = !in_order && trail->turn++ % SELDOM != 0;
	if (!trail->lost) {
		walk(store, trail, keys, count, series);
		return;
	}
	keys_find_many(&store->keys, keys, count, series);
	trail->strayed = (uint32_t)count;
}

void store_trail_learn(struct store *store, struct store_trail *trail, const uint32_t *series,
	size_t count)
{
	uint32_t id_end = atomic_load_explicit(&store->id_end, memory_order_acquire);
	uint32_t last = trail->last;

	while (count > 0 && series[count - 1] >= id_end)
		count--;
	if (count == 0)
		return;
	trail->last = series[count - 1];
	if (trail->lost || trail->strayed + trail->unknown == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (series[i] >= id_end)
			continue;
		if (last < id_end && successor(store, last) != series[i])
			atomic_store_explicit(&follow_of(store, last)->next, series[i],
				memory_order_relaxed);
		last = series[i];
	}
}
