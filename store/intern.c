/*
 * From labels to a series: sorted, looked up, made when new.
 *
 * A new series needs an id whose ring owns a block. Blocks are under the shards' locks and ids
 * under the index's, and no two locks are held at a time: so ids are made ready in small runs
 * beforehand, and a series is made under the index's lock alone.
 */
#include <string.h>

#include "base/check.h"
#include "store/layout.h"

#define READY_RUN 64u
/* New series made under one lock: 50 us or so, less than it takes a thread to wait and be woken often. */
#define NEWCOMERS_PER_LOCK 64u
/* Looked up together. */
#define NEWCOMERS_STEP 8u
#define KEYS_PER_SERIES 8u

/* Of names that are not empty. The first bytes mostly tell. */
static int name_compare(const struct label *a, const struct label *b)
{
	uint32_t size = a->name_size < b->name_size ? a->name_size : b->name_size;
	int order = (unsigned char)a->name[0] - (unsigned char)b->name[0];

	if (order == 0)
		order = memcmp(a->name, b->name, size);
	if (order != 0)
		return order;
	return a->name_size < b->name_size ? -1 : a->name_size > b->name_size;
}

/* As senders have them: sorted, no name twice, nothing empty. */
static bool labels_ready(const struct label *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].name_size == 0 || pairs[i].value_size == 0 ||
			(i > 0 && name_compare(&pairs[i - 1], &pairs[i]) >= 0))
			return false;
	}
	return count > 0 && count <= INDEX_LABELS_MAX;
}

/* Copies the pairs with a value, sorted by name. */
static enum status labels_sort(const struct label *pairs, size_t count, struct label *sorted,
	uint32_t *sorted_count, struct error *error)
{
	uint32_t n = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t at = n;
		int order = -1;

		if (pairs[i].name_size == 0)
			return error_set(error, STATUS_BAD_INPUT, "a label has no name");
		if (pairs[i].value_size == 0)
			continue;
		if (n == INDEX_LABELS_MAX)
			return error_set(error, STATUS_BAD_INPUT, "more than %d labels",
				INDEX_LABELS_MAX);
		while (at > 0 && (order = name_compare(&sorted[at - 1], &pairs[i])) > 0) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		if (order == 0)
			return error_set(error, STATUS_BAD_INPUT, "label %.*s stands twice",
				(int)(pairs[i].name_size < 256 ? pairs[i].name_size : 256),
				pairs[i].name);
		sorted[at] = pairs[i];
		n++;
	}
	*sorted_count = n;
	if (n == 0)
		return error_set(error, STATUS_BAD_INPUT, "a series has no labels");
	return STATUS_OK;
}

static uint32_t list_pop(struct store *store, uint32_t *list)
{
	uint32_t id = *list;

	if (id != NO_ID)
		*list = slot_of(store, id)->next_free;
	return id;
}

static void list_push(struct store *store, uint32_t *list, uint32_t id)
{
	slot_of(store, id)->next_free = *list;
	*list = id;
}

/* Up to READY_RUN free ids, from the list of bare ones, else new ones. */
static uint32_t ids_take(struct store *store, uint32_t *ids)
{
	uint32_t end = atomic_load_explicit(&store->id_end, memory_order_relaxed);
	uint32_t n = 0;

	while (n < READY_RUN && (ids[n] = list_pop(store, &store->bare)) != NO_ID)
		n++;
	while (n < READY_RUN && end < store->id_max && segments_grow(&store->rings, end) &&
		segments_grow(&store->slots, end) && segments_grow(&store->follows, end))
		ids[n++] = end++;
	atomic_store_explicit(&store->id_end, end, memory_order_release);
	return n;
}

/* Puts ids with blocks on the list. false when there is no id or no memory for one. */
static bool ids_make_ready(struct store *store)
{
	uint32_t ids[READY_RUN];
	bool ready[READY_RUN];
	bool any = false;
	uint32_t count;

	(void)pthread_mutex_lock(&store->index_lock);
	count = ids_take(store, ids);
	(void)pthread_mutex_unlock(&store->index_lock);
	for (uint32_t i = 0, end; i < count; i = end) {
		struct shard *shard = shard_of(store, ids[i]);

		(void)pthread_mutex_lock(&shard->lock);
		for (end = i; end < count && shard_of(store, ids[end]) == shard; end++)
			ready[end] = ring_init(ring_of(store, ids[end]), &shard->memory);
		(void)pthread_mutex_unlock(&shard->lock);
	}
	(void)pthread_mutex_lock(&store->index_lock);
	/* Backwards, so that ids come off the list in ascending order. */
	for (uint32_t i = count; i-- > 0;) {
		list_push(store, ready[i] ? &store->ready : &store->bare, ids[i]);
		any = any || ready[i];
	}
	(void)pthread_mutex_unlock(&store->index_lock);
	return any;
}

/* A series that is known by its labels gets another raw encoding, as far as there is room: without
 * it the labels are parsed again each time, which is slow but right. */
static void alias_add(struct store *store, struct store_key key, uint32_t id)
{
	struct slot *slot = slot_of(store, id);

	if (slot->key_count < KEYS_PER_SERIES && store->keys.count < store->id_max &&
		keys_insert(&store->keys, key, id)) {
		slot->key_count++;
		/* The newest one: senders of the others have stopped, or take turns. */
		follow_set(follow_of(store, id), key);
	}
}

static void series_make(struct store *store, struct store_key key, uint32_t id, uint32_t set,
	uint32_t tick)
{
	struct ring *ring = ring_of(store, id);
	struct slot *slot = slot_of(store, id);

	slot->set = set;
	slot->key_count = 1;
	atomic_store_explicit(&ring->life, ring_life(tick, RING_LIVE), memory_order_release);
	/* Last, so that whoever finds it by its key may append at once. */
	CHECK(keys_insert(&store->keys, key, id));
	follow_set(follow_of(store, id), key);
	/* A guess until the series has come for the second time. */
	atomic_store_explicit(&follow_of(store, id)->next, id + 1, memory_order_relaxed);
	atomic_fetch_add(&store->live, 1);
	atomic_fetch_add(&store->created, 1);
	atomic_fetch_add(&store->generation, 1);
}

/* A series that is looked for. */
struct sought {
	struct store_key key;
	const struct label *sorted;
	uint32_t count;
	bool ready; /* labels_ready(), of newcomers */
	/* pairs[] are its labels and `set` is the key of their set, if nothing was freed since. */
	bool complete;
	uint64_t epoch;
	struct store_key set;
	uint32_t pairs[INDEX_LABELS_MAX];
};

/* The series of these labels, or KEYS_NONE. */
static uint32_t find_labels(struct store *store, struct sought *sought)
{
	if (sought->complete && sought->epoch == store->index.epoch)
		return keys_find(&store->index.sets, sought->set);
	return index_find_set(&store->index, sought->sorted, sought->count, sought->pairs);
}

/* Under the index's lock. *retry: an id has to be made ready first. */
static enum status series_find_or_make(struct store *store, struct sought *sought, uint32_t tick,
	uint32_t *series, bool *retry, struct error *error)
{
	uint32_t id = keys_find(&store->keys, sought->key);
	bool aliased = id != KEYS_NONE;
	uint32_t set = 0;

	if (!aliased)
		id = find_labels(store, sought);
	if (id != KEYS_NONE) {
		CHECK(series_revive(store, ring_of(store, id), tick));
		if (!aliased)
			alias_add(store, sought->key, id);
		*series = id;
		return STATUS_OK;
	}
	if (atomic_load(&store->live) >= store->limits.series_max)
		return error_set(error, STATUS_LIMIT,
			"the store holds %u series, its maximum (storage.series_max)",
			store->limits.series_max);
	id = list_pop(store, &store->ready);
	*retry = id == NO_ID;
	if (*retry)
		return STATUS_OK;
	if (keys_reserve(&store->keys, sought->key))
		set = index_add(&store->index, sought->sorted, sought->count, sought->pairs, id);
	if (set == 0) {
		list_push(store, &store->ready, id);
		return error_set(error, STATUS_LIMIT,
			"the store holds %llu bytes, its maximum (storage.memory_max)",
			(unsigned long long)store->limits.memory_max);
	}
	series_make(store, sought->key, id, set, tick);
	*series = id;
	return STATUS_OK;
}

enum status store_intern(struct store *store, struct store_key key, const struct label *pairs,
	size_t count, uint32_t *series, struct error *error)
{
	struct sought sought = {.key = key, .sorted = pairs, .count = (uint32_t)count};
	struct label copies[INDEX_LABELS_MAX];
	enum status status = STATUS_OK;
	uint32_t tick = store_tick(store);
	bool retry = true;

	*series = STORE_NO_SERIES;
	if (!labels_ready(pairs, count)) {
		status = labels_sort(pairs, count, copies, &sought.count, error);
		sought.sorted = copies;
	}
	while (status == STATUS_OK && retry) {
		retry = false;
		(void)pthread_mutex_lock(&store->index_lock);
		status = series_find_or_make(store, &sought, tick, series, &retry, error);
		(void)pthread_mutex_unlock(&store->index_lock);
		if (retry && !ids_make_ready(store))
			return error_set(error, STATUS_LIMIT,
				"the store has no room for another series in its %llu bytes "
				"(storage.memory_max)",
				(unsigned long long)store->limits.memory_max);
	}
	return status;
}

/* Looks their labels up, one after the other, and fetches what it takes to look up the sets. Pairs that
 * one of them will make are not known to the others yet. */
static void newcomers_seek(struct store *store, const struct store_newcomer *newcomers,
	uint32_t count, struct sought *sought)
{
	const struct label *before = NULL;
	uint32_t before_count = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct sought *one = &sought[i];

		one->key = newcomers[i].key;
		one->sorted = newcomers[i].pairs;
		one->count = newcomers[i].count;
		one->complete = false;
		one->ready = labels_ready(one->sorted, one->count);
		if (!one->ready)
			continue;
		one->complete = index_find_pairs(&store->index, one->sorted, one->count, before,
			before_count, one->pairs);
		one->epoch = store->index.epoch;
		if (one->complete)
			one->set = index_set_key(&store->index, one->pairs, one->count);
		before = one->sorted;
		before_count = one->count;
	}
}

/* Under the index's lock. Returns how many are done with: all, or as many as there were ids. */
static uint32_t newcomers_make(struct store *store, struct store_newcomer *newcomers,
	uint32_t count, uint32_t tick)
{
	struct sought sought[NEWCOMERS_STEP];
	bool retry = false;

	newcomers_seek(store, newcomers, count, sought);
	for (uint32_t i = 0; i < count; i++) {
		if (sought[i].ready)
			(void)series_find_or_make(store, &sought[i], tick, &newcomers[i].series,
				&retry, NULL);
		if (retry)
			return i;
	}
	return count;
}

void store_intern_many(struct store *store, struct store_newcomer *newcomers, size_t count)
{
	uint32_t tick = store_tick(store);
	bool room = true;

	for (size_t i = 0; i < count; i++)
		newcomers[i].series = STORE_NO_SERIES;
	while (count > 0 && room) {
		uint32_t step = 0, done = 0, held = 0;

		(void)pthread_mutex_lock(&store->index_lock);
		for (; count > 0 && done == step && held < NEWCOMERS_PER_LOCK; held += done) {
			step = count < NEWCOMERS_STEP ? (uint32_t)count : NEWCOMERS_STEP;
			done = newcomers_make(store, newcomers, step, tick);
			newcomers += done;
			count -= done;
		}
		(void)pthread_mutex_unlock(&store->index_lock);
		room = done == step || ids_make_ready(store);
	}
}

/* Under the index's lock. *retry: an id has to be made ready first. */
static enum status restore_locked(struct store *store, uint32_t *pairs, uint32_t count,
	uint32_t age, uint32_t *series, bool *retry)
{
	uint32_t id, set;

	if (index_has_set(&store->index, pairs, count))
		return STATUS_CONFLICT;
	if (atomic_load(&store->live) >= store->limits.series_max)
		return STATUS_LIMIT;
	id = list_pop(store, &store->ready);
	*retry = id == NO_ID;
	if (*retry)
		return STATUS_OK;
	set = index_add(&store->index, NULL, count, pairs, id);
	if (set == 0) {
		list_push(store, &store->ready, id);
		return STATUS_LIMIT;
	}
	slot_of(store, id)->set = set;
	slot_of(store, id)->key_count = 0;
	atomic_store_explicit(&ring_of(store, id)->life,
		ring_life(store_tick(store) - age, RING_LIVE), memory_order_release);
	/* Not counted as created: it was so before the restart, and churn graphs show what is new. */
	atomic_fetch_add(&store->live, 1);
	atomic_fetch_add(&store->generation, 1);
	*series = id;
	return STATUS_OK;
}

enum status series_restore(struct store *store, uint32_t *pairs, uint32_t count, uint32_t age,
	uint32_t *series)
{
	enum status status = STATUS_OK;
	bool retry = true;

	*series = STORE_NO_SERIES;
	while (status == STATUS_OK && retry) {
		retry = false;
		(void)pthread_mutex_lock(&store->index_lock);
		status = restore_locked(store, pairs, count, age, series, &retry);
		(void)pthread_mutex_unlock(&store->index_lock);
		if (retry && !ids_make_ready(store))
			return STATUS_LIMIT;
	}
	return status;
}

bool key_restore(struct store *store, struct store_key key, uint32_t series)
{
	struct slot *slot = slot_of(store, series);
	bool added = false;

	(void)pthread_mutex_lock(&store->index_lock);
	if (keys_find(&store->keys, key) == KEYS_NONE) {
		/* Further ones as far as there is room, as in alias_add(). */
		added = (slot->key_count == 0 ||
				(slot->key_count < KEYS_PER_SERIES &&
					store->keys.count < store->id_max)) &&
			keys_insert(&store->keys, key, series);
		slot->key_count += added;
		if (added) {
			follow_set(follow_of(store, series), key);
			atomic_store_explicit(&follow_of(store, series)->next, series + 1,
				memory_order_relaxed);
		}
	}
	(void)pthread_mutex_unlock(&store->index_lock);
	return added;
}
