/*
 * Each series id has an entry of 16 bytes: what was decided, and its oldest and newest record. A record
 * is a chain of cells of 128 bytes, and records of a series are chained from the oldest to the newest.
 * With cells of one size nothing is ever lost between sizes: what one series gives back any other can
 * use, however records grow. The last cell of a record is half empty on average.
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
	uint32_t first, last; /* heads of records; 0: none */
	uint16_t generation, count;
	uint8_t decision; /* enum record_decision */
};

_Static_assert(sizeof(struct entry) == 16, "entries are segment records");
_Static_assert(RECORDS_KEEP_MAX <= UINT16_MAX, "an entry counts its records");

#define CELL_SIZE 128u

/* The first cell of a record; all others are struct rest. */
struct head {
	uint32_t next_cell;   /* 0: the last one */
	uint32_t next_record; /* the next younger one; 0: the newest */
	int64_t t_ms;
	uint32_t size; /* of the record */
	unsigned char bytes[CELL_SIZE - 20];
};

struct rest {
	uint32_t next_cell;
	unsigned char bytes[CELL_SIZE - 4];
};

_Static_assert(sizeof(struct head) == CELL_SIZE && sizeof(struct rest) == CELL_SIZE, "one size");

struct records {
	struct store *store;
	const char *name;
	struct records_limits limits;
	pthread_mutex_t lock;
	struct segments entries;
	struct cell_pool cells;
	struct records_stats stats; /* without bytes, which cells.used tells */
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
	cell_pool_init(&records->cells, &store->slabs, CELL_SIZE);
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

/* Under the lock, as all that follows. */
static struct head *head_at(const struct records *records, uint32_t handle)
{
	return slab_at(&records->store->slabs, handle);
}

static struct rest *rest_at(const struct records *records, uint32_t handle)
{
	return slab_at(&records->store->slabs, handle);
}

/* Gives back the cells of a record. */
static void record_put(struct records *records, uint32_t handle)
{
	uint32_t next = head_at(records, handle)->next_cell;

	cell_give(&records->cells, handle);
	while (next != 0) {
		handle = next;
		next = rest_at(records, handle)->next_cell;
		cell_give(&records->cells, handle);
	}
}

static uint32_t cell_get(struct records *records)
{
	if (((uint64_t)records->cells.used + 1) * CELL_SIZE > records->limits.bytes_max)
		return 0;
	return cell_take(&records->cells, 0);
}

/* A record of these bytes; 0 when there is no room. */
static uint32_t record_get(struct records *records, int64_t t_ms, const unsigned char *bytes,
	size_t size)
{
	uint32_t handle = cell_get(records), *end;
	struct head *head;
	size_t part;

	if (handle == 0)
		return 0;
	head = head_at(records, handle);
	*head = (struct head){.t_ms = t_ms, .size = (uint32_t)size};
	part = size < sizeof(head->bytes) ? size : sizeof(head->bytes);
	memcpy(head->bytes, bytes, part);
	end = &head->next_cell;
	for (size_t done = part; done < size; done += part) {
		struct rest *rest;
		uint32_t cell = cell_get(records);
		if (cell == 0) {
			record_put(records, handle);
			return 0;
		}
		rest = rest_at(records, cell);
		rest->next_cell = 0;
		part = size - done < sizeof(rest->bytes) ? size - done : sizeof(rest->bytes);
		memcpy(rest->bytes, bytes + done, part);
		*end = cell;
		end = &rest->next_cell;
	}
	return handle;
}

/* Copies the bytes of a record out. */
static void record_read(const struct records *records, const struct head *head, char *out)
{
	size_t left = head->size;
	size_t part = left < sizeof(head->bytes) ? left : sizeof(head->bytes);
	uint32_t next = head->next_cell;

	memcpy(out, head->bytes, part);
	while ((left -= part) > 0) {
		const struct rest *rest = rest_at(records, next);
		out += part;
		part = left < sizeof(rest->bytes) ? left : sizeof(rest->bytes);
		memcpy(out, rest->bytes, part);
		next = rest->next_cell;
	}
}

static bool record_is(const struct records *records, const struct head *head,
	const unsigned char *bytes, size_t size)
{
	size_t part = size < sizeof(head->bytes) ? size : sizeof(head->bytes);
	uint32_t next = head->next_cell;

	if (head->size != size || memcmp(head->bytes, bytes, part) != 0)
		return false;
	for (size_t done = part; done < size; done += part) {
		const struct rest *rest = rest_at(records, next);
		part = size - done < sizeof(rest->bytes) ? size - done : sizeof(rest->bytes);
		if (memcmp(rest->bytes, bytes + done, part) != 0)
			return false;
		next = rest->next_cell;
	}
	return true;
}

static void drop_oldest(struct records *records, struct entry *entry)
{
	uint32_t oldest = entry->first;

	entry->first = head_at(records, oldest)->next_record;
	record_put(records, oldest);
	records->stats.records--;
	if (--entry->count == 0) {
		entry->last = 0;
		records->stats.series--;
	}
}

static void entry_clear(struct records *records, struct entry *entry)
{
	entry->decision = RECORDS_UNDECIDED;
	while (entry->count > 0)
		drop_oldest(records, entry);
}

static bool entry_exists(const struct records *records, uint32_t series)
{
	return atomic_load_explicit(&records->entries.slab[series >> records->entries.shift],
		       memory_order_relaxed) != 0;
}

/* The entry of this generation, emptied when it was an earlier one's; NULL when there is none, or when
 * it is that of a later one: then the series was removed since its generation was read. */
static struct entry *entry_find(struct records *records, uint32_t series, uint16_t generation)
{
	struct entry *entry;

	if (!entry_exists(records, series))
		return NULL;
	entry = segment_at(&records->entries, series);
	if (entry->generation == generation)
		return entry;
	if ((entry->count > 0 || entry->decision != RECORDS_UNDECIDED) &&
		(uint16_t)(entry->generation - generation) <= UINT16_MAX / 2)
		return NULL;
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
		if (entry != NULL)
			entry->decision = wanted ? RECORDS_WANTED : RECORDS_UNWANTED;
	}
	(void)pthread_mutex_unlock(&records->lock);
}

/* What becomes of a record of this time. Nearly always it is younger than the newest. */
static enum record_result entry_test(const struct records *records, const struct entry *entry,
	int64_t t_ms, const unsigned char *bytes, size_t size)
{
	enum record_result result = RECORD_STORED;
	const struct head *head;

	if (entry->count == 0 || head_at(records, entry->last)->t_ms < t_ms)
		return RECORD_STORED;
	for (uint32_t at = entry->first; at != 0; at = head->next_record) {
		head = head_at(records, at);
		if (head->t_ms == t_ms && record_is(records, head, bytes, size))
			return RECORD_REPEATED;
		if (head->t_ms > t_ms)
			result = RECORD_LATE;
		else if (head->t_ms == t_ms && !records->limits.same_time)
			result = RECORD_CONFLICT;
	}
	return result;
}

static enum record_result entry_add(struct records *records, struct entry *entry, int64_t t_ms,
	const unsigned char *bytes, size_t size)
{
	enum record_result result = entry_test(records, entry, t_ms, bytes, size);
	uint32_t handle;

	if (result != RECORD_STORED)
		return result;
	if (entry->count == records->limits.keep_max)
		drop_oldest(records, entry);
	while ((handle = record_get(records, t_ms, bytes, size)) == 0 && entry->count > 0)
		drop_oldest(records, entry);
	if (handle == 0)
		return RECORD_NO_ROOM;
	if (entry->count++ == 0) {
		entry->first = handle;
		records->stats.series++;
	} else {
		head_at(records, entry->last)->next_record = handle;
	}
	entry->last = handle;
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
	const struct head *head;
	size_t needed = 0;

	for (uint32_t at = entry == NULL ? 0 : entry->first; at != 0; at = head->next_record) {
		struct copy_head written;
		head = head_at(records, at);
		if (head->t_ms < from_ms || head->t_ms > to_ms)
			continue;
		written = (struct copy_head){head->t_ms, head->size};
		if (room != NULL && needed + sizeof(written) + head->size <= size) {
			memcpy(room + needed, &written, sizeof(written));
			record_read(records, head, room + needed + sizeof(written));
		}
		needed += sizeof(written) + head->size;
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
		found = ((struct entry *)segment_at(&records->entries, *at))->count > 0;
	(void)pthread_mutex_unlock(&records->lock);
	return found;
}

bool records_next(struct records *records, uint32_t *series)
{
	uint32_t id_end = atomic_load_explicit(&records->store->id_end, memory_order_acquire);

	while (*series < id_end) {
		uint32_t run_end = (*series / SWEEP_RUN + 1) * SWEEP_RUN;
		uint32_t at = *series;

		if (next_listed(records, &at, run_end < id_end ? run_end : id_end)) {
			*series = at - 1;
			return true;
		}
		*series = run_end;
	}
	return false;
}

bool records_restore(struct records *records, uint32_t series, int64_t t_ms, const void *bytes,
	size_t size)
{
	struct entry *entry;
	uint16_t generation;
	bool stored = false;

	if (size == 0 || size > RECORD_SIZE_MAX ||
		!series_generation(records->store, series, false, &generation))
		return false;
	(void)pthread_mutex_lock(&records->lock);
	if (segments_grow(&records->entries, series)) {
		entry = entry_find(records, series, generation);
		stored = entry_add(records, entry, t_ms, bytes, size) == RECORD_STORED;
	}
	(void)pthread_mutex_unlock(&records->lock);
	return stored;
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
	stats->bytes = (uint64_t)records->cells.used * CELL_SIZE;
	(void)pthread_mutex_unlock(&records->lock);
}
