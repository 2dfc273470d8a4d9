/*
 * Each series id has an entry of eight bytes: what was decided, and the handle of its list, which is
 * one cell with places for keep_max records. A record is a cell of its own size.
 *
 * An id is given to another series after its own was removed. The generation of its ring, which
 * changes with every removal, is kept in the entry: an entry of another generation is that of a
 * series that is gone, and is emptied by whoever finds it.
 *
 * Locks, one after the other and never two: that of the series' shard for the generation, and the one
 * here for all else. Between the two the series may be removed; then a record is stored for nobody,
 * and the next one who looks empties the entry.
 */
#include "store/records.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/layout.h"

#define SWEEP_RUN 1024u

struct entry {
	uint32_t list; /* handle; 0: no records */
	uint16_t generation;
	uint8_t decision; /* enum record_decision */
};

_Static_assert(sizeof(struct entry) == 8, "entries are segment records");

struct place {
	int64_t t_ms;
	uint32_t bytes; /* handle; never 0 */
	uint32_t size;
};

/* A ring of places: the oldest at `first`. */
struct list {
	uint32_t first, count;
	uint64_t spare;
	struct place places[];
};

struct records {
	struct store *store;
	const char *name;
	struct records_limits limits;
	pthread_mutex_t lock;
	struct segments entries;
	struct cell_classes cells;
	size_t list_size;
	struct records_stats stats; /* bytes: of the cells in use */
};

const char *record_result_name(enum record_result result)
{
	static const char *const names[] = {
#define X(result, label) label,
		RECORD_TABLE(X)
#undef X
	};

	return names[result];
}

static void records_collect(void *argument)
{
	struct records *records = argument;
	struct records_stats stats;

	records_stats(records, &stats);
	metrics_set(METRIC_STORE_RECORDS, (double)stats.records, records->name);
	metrics_set(METRIC_STORE_RECORD_BYTES, (double)stats.bytes, records->name);
	metrics_set(METRIC_STORE_RECORD_BYTES_LIMIT, (double)records->limits.bytes_max,
		records->name);
}

struct records *records_open(struct store *store, const char *name,
	const struct records_limits *limits, struct error *error)
{
	struct records *records = mem_zalloc(1, sizeof(*records));

	CHECK(limits->keep_max >= 1 && limits->keep_max <= RECORDS_KEEP_MAX);
	if (records == NULL ||
		segments_init(&records->entries, &store->slabs, sizeof(struct entry),
			store->id_max) != STATUS_OK) {
		mem_free(records);
		error_set(error, STATUS_NO_MEMORY, "no memory for the records of series");
		return NULL;
	}
	records->store = store;
	records->name = name;
	records->limits = *limits;
	records->list_size = sizeof(struct list) + limits->keep_max * sizeof(struct place);
	cell_classes_init(&records->cells, &store->slabs);
	CHECK(pthread_mutex_init(&records->lock, NULL) == 0);
	metrics_add_collector(records_collect, records);
	return records;
}

void records_close(struct records *records)
{
	if (records == NULL)
		return;
	metrics_remove_collector(records_collect, records);
	(void)pthread_mutex_destroy(&records->lock);
	segments_fini(&records->entries);
	mem_free(records);
}

/* The generation of a series that lives; false when it is gone. A record lets it live on. */
static bool series_generation(struct store *store, uint32_t series, bool touch,
	uint16_t *generation)
{
	struct shard *shard;
	struct ring *ring;
	uint32_t tick;
	bool lives;

	if (!id_exists(store, series))
		return false;
	shard = shard_of(store, series);
	ring = ring_of(store, series);
	tick = store_tick(store);
	(void)pthread_mutex_lock(&shard->lock);
	lives = touch ? series_revive(store, ring, tick) : ring_state_of(ring) == RING_LIVE;
	if (lives && touch)
		atomic_store_explicit(&ring->life, ring_life(tick, RING_LIVE),
			memory_order_relaxed);
	*generation = ring->end.owner; /* the field that counts how often the ring was emptied */
	(void)pthread_mutex_unlock(&shard->lock);
	return lives;
}

static struct list *list_at(const struct records *records, uint32_t handle)
{
	return slab_at(&records->store->slabs, handle);
}

static struct place *place_at(const struct records *records, struct list *list, uint32_t i)
{
	return &list->places[(list->first + i) % records->limits.keep_max];
}

static uint32_t cell_get(struct records *records, size_t size)
{
	uint64_t room = classes_room(&records->cells, size);
	uint32_t handle;

	if (room == 0 || records->stats.bytes + room > records->limits.bytes_max)
		return 0;
	handle = classes_take(&records->cells, size);
	if (handle != 0)
		records->stats.bytes += room;
	return handle;
}

static void cell_put(struct records *records, uint32_t handle, size_t size)
{
	records->stats.bytes -= classes_room(&records->cells, size);
	classes_give(&records->cells, handle, size);
}

static void drop_oldest(struct records *records, struct list *list)
{
	struct place *place = place_at(records, list, 0);

	cell_put(records, place->bytes, place->size);
	list->first = (list->first + 1) % records->limits.keep_max;
	list->count--;
	records->stats.records--;
}

/* Under the lock, as all that follows. */
static void entry_clear(struct records *records, struct entry *entry)
{
	struct list *list;

	entry->decision = RECORDS_UNDECIDED;
	if (entry->list == 0)
		return;
	list = list_at(records, entry->list);
	while (list->count > 0)
		drop_oldest(records, list);
	cell_put(records, entry->list, records->list_size);
	entry->list = 0;
	records->stats.series--;
}

static bool entry_exists(const struct records *records, uint32_t series)
{
	return atomic_load_explicit(&records->entries.slab[series >> records->entries.shift],
		       memory_order_relaxed) != 0;
}

/* The entry of this generation, emptied when it was another one's; NULL when there is none. */
static struct entry *entry_find(struct records *records, uint32_t series, uint16_t generation)
{
	struct entry *entry;

	if (!entry_exists(records, series))
		return NULL;
	entry = segment_at(&records->entries, series);
	if (entry->generation != generation)
		entry_clear(records, entry);
	entry->generation = generation;
	return entry;
}

enum record_decision records_decision(struct records *records, uint32_t series)
{
	enum record_decision decision = RECORDS_UNDECIDED;
	const struct entry *entry;
	uint16_t generation;

	if (!series_generation(records->store, series, false, &generation))
		return decision;
	(void)pthread_mutex_lock(&records->lock);
	entry = entry_find(records, series, generation);
	if (entry != NULL)
		decision = (enum record_decision)entry->decision;
	(void)pthread_mutex_unlock(&records->lock);
	return decision;
}

void records_decide(struct records *records, uint32_t series, bool wanted)
{
	struct entry *entry;
	uint16_t generation;

	if (!series_generation(records->store, series, false, &generation))
		return;
	(void)pthread_mutex_lock(&records->lock);
	if (segments_grow(&records->entries, series)) {
		entry = entry_find(records, series, generation);
		entry->decision = wanted ? RECORDS_WANTED : RECORDS_UNWANTED;
	}
	(void)pthread_mutex_unlock(&records->lock);
}

static bool place_is(const struct records *records, const struct place *place, const void *bytes,
	size_t size)
{
	return place->size == size &&
		memcmp(slab_at(&records->store->slabs, place->bytes), bytes, size) == 0;
}

/* Where a record of this time belongs among those that are there. */
static enum record_result place_test(const struct records *records, struct list *list, int64_t t_ms,
	const void *bytes, size_t size)
{
	enum record_result result = RECORD_STORED;

	for (uint32_t i = list->count; i-- > 0;) {
		const struct place *place = place_at(records, list, i);
		if (place->t_ms < t_ms)
			break;
		if (place->t_ms == t_ms && place_is(records, place, bytes, size))
			return RECORD_REPEATED;
		if (place->t_ms > t_ms)
			result = RECORD_LATE;
		else if (result == RECORD_STORED && !records->limits.same_time)
			result = RECORD_CONFLICT;
	}
	return result;
}

static struct list *list_get(struct records *records, struct entry *entry)
{
	if (entry->list == 0) {
		entry->list = cell_get(records, records->list_size);
		if (entry->list == 0)
			return NULL;
		memset(list_at(records, entry->list), 0, sizeof(struct list));
		records->stats.series++;
	}
	return list_at(records, entry->list);
}

static enum record_result entry_add(struct records *records, struct entry *entry, int64_t t_ms,
	const void *bytes, size_t size)
{
	struct list *list = list_get(records, entry);
	enum record_result result;
	uint32_t handle;

	if (list == NULL)
		return RECORD_NO_ROOM;
	result = place_test(records, list, t_ms, bytes, size);
	if (result != RECORD_STORED)
		return result;
	if (list->count == records->limits.keep_max)
		drop_oldest(records, list);
	while ((handle = cell_get(records, size)) == 0 && list->count > 0)
		drop_oldest(records, list);
	if (handle == 0)
		return RECORD_NO_ROOM;
	memcpy(slab_at(&records->store->slabs, handle), bytes, size);
	*place_at(records, list, list->count) =
		(struct place){.t_ms = t_ms, .bytes = handle, .size = (uint32_t)size};
	list->count++;
	records->stats.records++;
	return RECORD_STORED;
}

enum record_result records_add(struct records *records, uint32_t series, int64_t t_ms,
	const void *bytes, size_t size)
{
	const struct store *store = records->store;
	int64_t now = clock_now_ms(store->clock);
	enum record_result result = RECORD_NO_ROOM;
	struct entry *entry;
	uint16_t generation;

	if (t_ms > now && t_ms - now > store->limits.future_max_ms)
		return RECORD_FUTURE;
	if (size == 0 || size > RECORD_SIZE_MAX ||
		!series_generation(records->store, series, true, &generation))
		return RECORD_NO_ROOM;
	(void)pthread_mutex_lock(&records->lock);
	entry = entry_find(records, series, generation);
	if (entry != NULL && entry->decision == RECORDS_WANTED)
		result = entry_add(records, entry, t_ms, bytes, size);
	(void)pthread_mutex_unlock(&records->lock);
	return result;
}

/* What stands before the bytes of a record in a copy. */
struct copy_head {
	int64_t t_ms;
	uint64_t size;
};

/* Bytes needed for those within the times; they are written when `room` is enough. */
static size_t entry_copy(const struct records *records, const struct entry *entry, int64_t from_ms,
	int64_t to_ms, char *room, size_t size)
{
	struct list *list;
	size_t needed = 0;

	if (entry == NULL || entry->list == 0)
		return 0;
	list = list_at(records, entry->list);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct place *place = place_at(records, list, i);
		struct copy_head head = {place->t_ms, place->size};
		if (place->t_ms < from_ms || place->t_ms > to_ms)
			continue;
		if (needed + sizeof(head) + place->size <= size) {
			memcpy(room + needed, &head, sizeof(head));
			memcpy(room + needed + sizeof(head),
				slab_at(&records->store->slabs, place->bytes), place->size);
		}
		needed += sizeof(head) + place->size;
	}
	return needed;
}

enum status records_copy(struct records *records, uint32_t series, int64_t from_ms, int64_t to_ms,
	struct buf *copy)
{
	size_t needed = 0, size;
	uint16_t generation;
	char *room = NULL;

	if (!series_generation(records->store, series, false, &generation))
		return STATUS_OK;
	/* Memory is taken without the lock, and more may have come meanwhile. */
	do {
		size = needed;
		room = size > 0 ? buf_reserve(copy, size) : NULL;
		if (size > 0 && room == NULL)
			return STATUS_NO_MEMORY;
		(void)pthread_mutex_lock(&records->lock);
		needed = entry_copy(records, entry_find(records, series, generation), from_ms,
			to_ms, room, size);
		(void)pthread_mutex_unlock(&records->lock);
	} while (needed > size);
	copy->size += needed;
	if (room != NULL)
		room[needed] = '\0';
	return STATUS_OK;
}

bool record_next(const struct buf *copy, size_t *at, struct record *record)
{
	struct copy_head head;

	if (*at >= copy->size)
		return false;
	memcpy(&head, copy->data + *at, sizeof(head));
	*record = (struct record){
		.t_ms = head.t_ms,
		.bytes = (const uint8_t *)copy->data + *at + sizeof(head),
		.size = (size_t)head.size,
	};
	*at += sizeof(head) + record->size;
	return true;
}

/* The next id from *at on that has records; false at the end of the run. */
static bool next_listed(struct records *records, uint32_t *at, uint32_t end)
{
	bool found = false;

	(void)pthread_mutex_lock(&records->lock);
	for (; !found && *at < end && entry_exists(records, *at); ++*at)
		found = ((struct entry *)segment_at(&records->entries, *at))->list != 0;
	(void)pthread_mutex_unlock(&records->lock);
	return found;
}

void records_sweep(struct records *records)
{
	uint32_t id_end = atomic_load_explicit(&records->store->id_end, memory_order_acquire);

	for (uint32_t first = 0; first < id_end; first += SWEEP_RUN) {
		uint32_t end = id_end - first < SWEEP_RUN ? id_end : first + SWEEP_RUN;
		uint32_t at = first;
		while (next_listed(records, &at, end)) {
			uint16_t generation = 0;
			bool lives = series_generation(records->store, at - 1, false, &generation);
			(void)pthread_mutex_lock(&records->lock);
			if (lives)
				(void)entry_find(records, at - 1, generation);
			else
				entry_clear(records, segment_at(&records->entries, at - 1));
			(void)pthread_mutex_unlock(&records->lock);
		}
	}
}

void records_stats(struct records *records, struct records_stats *stats)
{
	(void)pthread_mutex_lock(&records->lock);
	*stats = records->stats;
	(void)pthread_mutex_unlock(&records->lock);
}
