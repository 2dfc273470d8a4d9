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

/* As senders have them: sorted, no name twice, nothing empty. The last `known` are known to be so. */
static bool labels_ready(const struct label *pairs, size_t count, size_t known)
{
	for (size_t i = 0; i < count - known; i++) {
		if (pairs[i].name_size == 0 || pairs[i].value_size == 0 ||
			(i > 0 && name_compare(&pairs[i - 1], &pairs[i]) >= 0))
			return false;
	}
	if (known > 0 && known < count &&
		name_compare(&pairs[count - known - 1], &pairs[count - known]) >= 0)
		return false;
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

/* There is room for the key. Who calls it counts it, by series_settle(). */
static void series_make(struct store *store, struct store_key key, uint32_t id, uint32_t set,
	uint32_t tick)
{
	struct ring *ring = ring_of(store, id);
	struct slot *slot = slot_of(store, id);

	slot->set = set;
	slot->key_count = 1;
	atomic_store_explicit(&ring->life, ring_life(tick, RING_LIVE), memory_order_release);
	/* Last, so that whoever finds it by its key may append at once. */
	keys_put(&store->keys, key, id);
	follow_set(follow_of(store, id), key);
	/* A guess until the series has come for the second time. */
	atomic_store_explicit(&follow_of(store, id)->next, id + 1, memory_order_relaxed);
}

/* At the end of the index's lock: what is counted and told for all series made under it. */
static void series_settle(struct store *store, uint32_t made)
{
	index_settle(&store->index);
	if (made == 0)
		return;
	atomic_fetch_add(&store->live, made);
	atomic_fetch_add(&store->created, made);
	atomic_fetch_add(&store->generation, made);
}

/* A series that is looked for. */
struct sought {
	struct store_key key;
	const struct label *sorted;
	/* The one looked for before it, when it has as many labels and the last `shared` are the same bytes
	 * in memory; else NULL. */
	const struct label *before;
	uint32_t count, shared;
	bool ready; /* labels_ready(), of newcomers */
	/* pairs[] are its labels and `set` is the key of their set, if nothing was freed since. */
	bool complete;
	uint64_t epoch;
	struct store_key set;
	uint32_t pairs[INDEX_LABELS_MAX];
};

/* Under one lock. */
struct making {
	uint32_t tick;
	uint32_t made;
	bool retry; /* an id has to be made ready first */
};

static void find_pairs(struct store *store, struct sought *sought)
{
	struct index *index = &store->index;

	sought->complete = index_find_pairs(index, sought->sorted, sought->count, sought->before,
		sought->shared, sought->pairs);
	sought->epoch = index->epoch;
	if (sought->complete)
		sought->set = index_set_key(index, sought->pairs, sought->count);
}

/* The series of these labels, or KEYS_NONE. */
static uint32_t find_labels(struct store *store, struct sought *sought)
{
	if (!sought->complete || sought->epoch != store->index.epoch)
		find_pairs(store, sought);
	return sought->complete ? keys_find(&store->index.sets, sought->set) : KEYS_NONE;
}

/* The handle of its label set, or 0 when memory is out. */
static uint32_t labels_add(struct store *store, struct sought *sought, uint32_t id)
{
	struct index *index = &store->index;
	uint32_t set = 0;

	if (sought->complete)
		set = index_add_known(index, sought->sorted, sought->count, sought->pairs,
			sought->set, id);
	return set != 0 ? set : index_add(index, sought->sorted, sought->count, sought->pairs, id);
}

/* Under the index's lock. */
static enum status series_find_or_make(struct store *store, struct sought *sought,
	struct making *making, uint32_t *series, struct error *error)
{
	uint32_t id = keys_find(&store->keys, sought->key);
	bool aliased = id != KEYS_NONE;
	uint32_t set = 0;

	if (!aliased)
		id = find_labels(store, sought);
	if (id != KEYS_NONE) {
		CHECK(series_revive(store, ring_of(store, id), making->tick));
		if (!aliased)
			alias_add(store, sought->key, id);
		*series = id;
		return STATUS_OK;
	}
	if (atomic_load(&store->live) + making->made >= store->limits.series_max)
		return error_set(error, STATUS_LIMIT,
			"the store holds %u series, its maximum (storage.series_max)",
			store->limits.series_max);
	id = list_pop(store, &store->ready);
	making->retry = id == NO_ID;
	if (making->retry)
		return STATUS_OK;
	if (keys_reserve(&store->keys, sought->key))
		set = labels_add(store, sought, id);
	if (set == 0) {
		list_push(store, &store->ready, id);
		return error_set(error, STATUS_LIMIT,
			"the store holds %llu bytes, its maximum (storage.memory_max)",
			(unsigned long long)store->limits.memory_max);
	}
	series_make(store, sought->key, id, set, making->tick);
	making->made++;
	*series = id;
	return STATUS_OK;
}

enum status store_intern(struct store *store, struct store_key key, const struct label *pairs,
	size_t count, uint32_t *series, struct error *error)
{
	struct sought sought = {.key = key, .sorted = pairs, .count = (uint32_t)count};
	struct label copies[INDEX_LABELS_MAX];
	enum status status = STATUS_OK;
	struct making making = {.tick = store_tick(store), .retry = true};

	*series = STORE_NO_SERIES;
	if (!labels_ready(pairs, count, 0)) {
		status = labels_sort(pairs, count, copies, &sought.count, error);
		sought.sorted = copies;
	}
	while (status == STATUS_OK && making.retry) {
		making.retry = false;
		(void)pthread_mutex_lock(&store->index_lock);
		status = series_find_or_make(store, &sought, &making, series, error);
		series_settle(store, making.made);
		(void)pthread_mutex_unlock(&store->index_lock);
		if (making.retry && !ids_make_ready(store))
			return error_set(error, STATUS_LIMIT,
				"the store has no room for another series in its %llu bytes "
				"(storage.memory_max)",
				(unsigned long long)store->limits.memory_max);
	}
	return status;
}

/* How many of the last labels are the very same bytes in memory in both. */
static uint32_t labels_shared(const struct label *a, const struct label *b, uint32_t count)
{
	uint32_t from = 1;

	if (count == 0)
		return 0;
	/* Mostly only the metric's name differs, which stands first. */
	if (memcmp(a + 1, b + 1, (count - 1) * sizeof(*a)) != 0) {
		for (from = count; from > 1; from--) {
			if (memcmp(&a[from - 1], &b[from - 1], sizeof(*a)) != 0)
				break;
		}
	}
	return count - from;
}

/* Looks their labels up, one after the other, and fetches what it takes to look up the sets. Pairs that
 * one of them will make are not known to the others yet. */
static void newcomers_seek(struct store *store, const struct store_newcomer *newcomers,
	uint32_t count, const struct sought *before, struct sought *sought)
{
	for (uint32_t i = 0; i < count; i++) {
		struct sought *one = &sought[i];

		one->key = newcomers[i].key;
		one->sorted = newcomers[i].pairs;
		one->count = newcomers[i].count;
		one->complete = false;
		one->before = NULL;
		one->shared = 0;
		if (before != NULL && before->ready && before->count == one->count) {
			one->shared = labels_shared(before->sorted, one->sorted, one->count);
			one->before = before->sorted;
		}
		one->ready = labels_ready(one->sorted, one->count, one->shared);
		if (one->ready)
			find_pairs(store, one);
		before = one;
	}
}

/* Under the index's lock. Returns how many are done with: all, or as many as there were ids. */
static uint32_t newcomers_make(struct store *store, struct store_newcomer *newcomers,
	uint32_t count, struct sought *sought, struct making *making)
{
	for (uint32_t i = 0; i < count; i++) {
		if (sought[i].ready)
			(void)series_find_or_make(store, &sought[i], making, &newcomers[i].series,
				NULL);
		if (making->retry)
			return i;
	}
	return count;
}

/* Under the index's lock, as many as NEWCOMERS_PER_LOCK. */
static uint32_t newcomers_take(struct store *store, struct store_newcomer *newcomers, size_t count,
	struct making *making)
{
	struct sought sought[2][NEWCOMERS_STEP];
	const struct sought *before = NULL;
	uint32_t held = 0;

	for (bool turn = false; held < count && held < NEWCOMERS_PER_LOCK && !making->retry;
		turn = !turn) {
		uint32_t step =
			count - held < NEWCOMERS_STEP ? (uint32_t)(count - held) : NEWCOMERS_STEP;

		newcomers_seek(store, newcomers + held, step, before, sought[turn]);
		held += newcomers_make(store, newcomers + held, step, sought[turn], making);
		before = &sought[turn][step - 1];
	}
	series_settle(store, making->made);
	return held;
}

void store_intern_many(struct store *store, struct store_newcomer *newcomers, size_t count)
{
	uint32_t tick = store_tick(store);
	bool room = true;

	for (size_t i = 0; i < count; i++)
		newcomers[i].series = STORE_NO_SERIES;
	while (count > 0 && room) {
		struct making making = {.tick = tick};
		uint32_t taken;

		(void)pthread_mutex_lock(&store->index_lock);
		taken = newcomers_take(store, newcomers, count, &making);
		(void)pthread_mutex_unlock(&store->index_lock);
		newcomers += taken;
		count -= taken;
		room = !making.retry || ids_make_ready(store);
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
