/*
 * Writing a snapshot beside everything else that goes on.
 *
 * The cut. Removal of series rests meanwhile (removal_pause()), so that an id stays with its label
 * set, no handle of a name or pair is given to another, and no raw key leaves the table. What can
 * happen is that something comes: so what is referred to is written first, and a reference to what was
 * not seen belongs to a series made after the beginning, which the loader leaves out.
 *
 *   1. names, pairs      index lock, a page of their table at a time: all there were at the beginning
 *   2. series by runs    index lock: the label sets of 256 ids; then shard lock: the rings of 64 ids at
 *                        a time, each ring as a whole
 *   3. raw keys          index lock, a page of the table at a time
 *   4. records, starts   each under its own lock
 *
 * Under a lock bytes are only copied into the page in memory; a page that is full is written with no
 * lock held, and what did not fit is tried again.
 */
#include "store/snapshot.h"

#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/layout.h"
#include "store/snapshot_format.h"

#define RINGS_PER_LOCK 64u

struct writer {
	const struct snapshot_parts *parts;
	struct store *store;
	struct file_draft *draft;
	struct error *error;
	unsigned char *page; /* head and items */
	size_t used, capacity;
	size_t needed; /* of the item that did not fit */
	enum page_kind kind;
	uint64_t nonce, sequence, bytes;
	struct end_item totals;
	uint64_t series_cut;
	/* A page of a key table, and the label sets of a run. */
	uint32_t listed_count;
	struct key_item listed[KEYS_PAGE_MAX];
	uint32_t set_sizes[SHARD_RUN];
	uint32_t sets[SHARD_RUN * INDEX_LABELS_MAX];
};

static enum status bytes_write(struct writer *writer, const void *bytes, size_t size)
{
	writer->bytes += size;
	return file_draft_add(writer->draft, bytes, size, writer->error);
}

static enum status page_flush(struct writer *writer)
{
	struct page_head head = {.size = (uint32_t)(writer->used - sizeof(head)),
		.kind = (uint32_t)writer->kind};
	size_t used = writer->used;

	writer->used = sizeof(head);
	if (head.size == 0)
		return STATUS_OK;
	memcpy(writer->page, &head, sizeof(head));
	head.checksum = hash_checksum(writer->page + sizeof(head.checksum),
		used - sizeof(head.checksum), writer->nonce + writer->sequence++);
	memcpy(writer->page, &head, sizeof(head));
	return bytes_write(writer, writer->page, used);
}

/* Makes room for the item that did not fit. */
static enum status page_turn(struct writer *writer)
{
	enum status status = page_flush(writer);
	size_t capacity = sizeof(struct page_head) + writer->needed + writer->needed / 4;
	unsigned char *larger;

	if (status != STATUS_OK || writer->used + writer->needed <= writer->capacity)
		return status;
	capacity = capacity < SNAPSHOT_PAGE_MAX ? capacity : SNAPSHOT_PAGE_MAX;
	larger = mem_resize(writer->page, capacity, 1);
	if (larger == NULL)
		return error_set(writer->error, STATUS_NO_MEMORY,
			"no memory for a series of %zu bytes", writer->needed);
	writer->page = larger;
	writer->capacity = capacity;
	return STATUS_OK;
}

static enum status kind_begin(struct writer *writer, enum page_kind kind)
{
	enum status status = page_flush(writer);

	writer->kind = kind;
	return status;
}

/* Room in the page, zeroed up to its end; NULL when the page has to be turned first. */
static void *item_place(struct writer *writer, size_t size)
{
	size_t rounded = round_up_8(size);
	unsigned char *place = writer->page + writer->used;

	if (writer->used + rounded > writer->capacity) {
		writer->needed = rounded;
		return NULL;
	}
	memset(place + rounded - 8, 0, 8);
	writer->used += rounded;
	return place;
}

/* For items written without a lock. NULL: the error is set. */
static void *item_room(struct writer *writer, size_t size)
{
	void *place = item_place(writer, size);

	if (place == NULL && page_turn(writer) == STATUS_OK)
		place = item_place(writer, size);
	return place;
}

static void list_slot(void *argument, struct store_key key, uint32_t number)
{
	struct writer *writer = argument;

	writer->listed[writer->listed_count++] =
		(struct key_item){key.high, (uint32_t)key.low, number};
}

/* The slots of the next page of a table; false when it was the last one. */
static bool table_list(struct writer *writer, const struct key_table *table, uint64_t *cursor)
{
	bool more;

	writer->listed_count = 0;
	(void)pthread_mutex_lock(&writer->store->index_lock);
	more = keys_walk_page(table, cursor, list_slot, writer);
	(void)pthread_mutex_unlock(&writer->store->index_lock);
	return more;
}

/* The name or the pair with this handle; false when the page has to be turned. */
static bool text_put(struct writer *writer, uint32_t handle)
{
	struct text_item item = {.handle = handle};
	const char *text;
	unsigned char *place;

	if (writer->kind == PAGE_NAMES) {
		const struct index_name *name = index_name_at(&writer->store->index, handle);

		item.size = name->size;
		text = name->text;
	} else {
		const struct index_pair *pair = index_pair_at(&writer->store->index, handle);

		item.name = pair->name;
		item.size = pair->size;
		text = pair->text;
	}
	place = item_place(writer, sizeof(item) + item.size);
	if (place == NULL)
		return false;
	memcpy(place, &item, sizeof(item));
	memcpy(place + sizeof(item), text, item.size);
	return true;
}

static enum status texts_write(struct writer *writer, enum page_kind kind,
	const struct key_table *table, uint64_t *total)
{
	enum status status = kind_begin(writer, kind);
	uint64_t cursor = 0;
	bool more = true;

	while (status == STATUS_OK && more) {
		uint32_t done = 0;

		more = table_list(writer, table, &cursor);
		while (status == STATUS_OK && done < writer->listed_count) {
			(void)pthread_mutex_lock(&writer->store->index_lock);
			while (done < writer->listed_count &&
				text_put(writer, writer->listed[done].id))
				done++;
			(void)pthread_mutex_unlock(&writer->store->index_lock);
			if (done < writer->listed_count)
				status = page_turn(writer);
		}
		*total += done;
	}
	return status;
}

/* The label sets of the ids of one run; size 0: the id is free. */
static void sets_copy(struct writer *writer, uint32_t first, uint32_t end)
{
	struct store *store = writer->store;

	(void)pthread_mutex_lock(&store->index_lock);
	for (uint32_t id = first; id < end; id++) {
		uint32_t handle = slot_of(store, id)->set;
		const struct index_set *set = index_set_at(&store->index, handle);

		writer->set_sizes[id - first] = handle == 0 ? 0 : set->count;
		if (handle != 0)
			memcpy(writer->sets + (size_t)(id - first) * INDEX_LABELS_MAX, set->pairs,
				set->count * sizeof(set->pairs[0]));
	}
	(void)pthread_mutex_unlock(&store->index_lock);
}

/* Under the shard's lock; false when the page has to be turned. */
static bool series_put(struct writer *writer, uint32_t id, uint32_t tick)
{
	const struct ring_memory *memory = &shard_of(writer->store, id)->memory;
	struct ring *ring = ring_of(writer->store, id);
	uint32_t life = atomic_load_explicit(&ring->life, memory_order_relaxed);
	uint32_t at = id % SHARD_RUN;
	struct series_item item = {.id = id,
		.age = life_age(life, tick),
		.pair_count = writer->set_sizes[at],
		.chunk_count = ring_chunk_count(ring, memory),
		.end = ring->end};
	size_t pairs = round_up_8(item.pair_count * sizeof(uint32_t));
	size_t blocks = item.chunk_count == 0
		? 0
		: (size_t)(item.chunk_count - 1) * memory->blocks.cell_size +
			ring_head_size(&ring->end);
	unsigned char *place;
	bool cut = false;

	if (item.pair_count == 0 || life_state(life) != RING_LIVE)
		return true;
	if (sizeof(item) + pairs + blocks > SNAPSHOT_PAGE_MAX - sizeof(struct page_head)) {
		memset(&item.end, 0, sizeof(item.end));
		item.chunk_count = 0;
		blocks = 0;
		cut = true;
	}
	item.size = (uint32_t)(sizeof(item) + pairs + blocks);
	place = item_place(writer, item.size);
	if (place == NULL)
		return false;
	memcpy(place, &item, sizeof(item));
	memset(place + sizeof(item) + pairs - 8, 0, 8);
	memcpy(place + sizeof(item), writer->sets + (size_t)at * INDEX_LABELS_MAX,
		item.pair_count * sizeof(uint32_t));
	if (item.chunk_count > 0)
		writer->totals.samples += ring_dump(ring, memory, place + sizeof(item) + pairs);
	writer->totals.series++;
	writer->series_cut += cut;
	return true;
}

/* The ids of one run, all in one shard. */
static enum status run_write(struct writer *writer, uint32_t first, uint32_t end)
{
	struct shard *shard = shard_of(writer->store, first);
	enum status status = STATUS_OK;

	sets_copy(writer, first, end);
	while (status == STATUS_OK && first < end) {
		uint32_t tick = store_tick(writer->store);
		uint32_t stop = end - first < RINGS_PER_LOCK ? end : first + RINGS_PER_LOCK;

		(void)pthread_mutex_lock(&shard->lock);
		while (first < stop && series_put(writer, first, tick))
			first++;
		(void)pthread_mutex_unlock(&shard->lock);
		if (first < stop)
			status = page_turn(writer);
	}
	return status;
}

static enum status series_write(struct writer *writer, uint32_t id_end)
{
	enum status status = kind_begin(writer, PAGE_SERIES);

	for (uint32_t first = 0; status == STATUS_OK && first < id_end; first += SHARD_RUN)
		status = run_write(writer, first,
			id_end - first < SHARD_RUN ? id_end : first + SHARD_RUN);
	return status;
}

static enum status keys_write(struct writer *writer)
{
	enum status status = kind_begin(writer, PAGE_KEYS);
	uint64_t cursor = 0;
	bool more = true;

	while (status == STATUS_OK && more) {
		void *place;
		size_t size;

		more = table_list(writer, &writer->store->keys, &cursor);
		size = writer->listed_count * sizeof(writer->listed[0]);
		if (size == 0)
			continue;
		place = item_room(writer, size);
		if (place == NULL)
			return writer->error->code;
		memcpy(place, writer->listed, size);
		writer->totals.keys += writer->listed_count;
	}
	return status;
}

static enum status records_of_series(struct writer *writer, struct records *records,
	enum record_kind kind, uint32_t id, struct buf *copy)
{
	struct record record;
	size_t at = 0;

	buf_reset(copy);
	if (records_copy(records, id, INT64_MIN, INT64_MAX, copy) != STATUS_OK)
		return error_set(writer->error, STATUS_NO_MEMORY, "no memory for records");
	while (record_next(copy, &at, &record)) {
		struct record_item item = {.t_ms = record.t_ms,
			.id = id,
			.size = (uint32_t)record.size,
			.kind = (uint32_t)kind};
		unsigned char *place = item_room(writer, sizeof(item) + record.size);

		if (place == NULL)
			return writer->error->code;
		memcpy(place, &item, sizeof(item));
		memcpy(place + sizeof(item), record.bytes, record.size);
		writer->totals.records++;
	}
	return STATUS_OK;
}

static enum status records_write(struct writer *writer, struct records *records,
	enum record_kind kind)
{
	enum status status = kind_begin(writer, PAGE_RECORDS);
	struct buf copy;

	buf_init(&copy, (size_t)RECORDS_KEEP_MAX * (RECORD_SIZE_MAX + 16));
	for (uint32_t id = 0; status == STATUS_OK && records != NULL && records_next(records, &id);
		id++)
		status = records_of_series(writer, records, kind, id, &copy);
	buf_fini(&copy);
	return status;
}

static enum status starts_write(struct writer *writer, uint32_t id_end)
{
	enum status status = kind_begin(writer, PAGE_STARTS);
	struct starts *starts = writer->parts->starts;

	for (uint32_t id = 0; status == STATUS_OK && starts != NULL && id < id_end; id++) {
		struct start_item item = {.id = id};
		struct store_point newest;
		struct start_item *place;

		if (!starts_get(starts, id, &item.start_ms) ||
			!store_newest(writer->store, id, &newest))
			continue;
		item.t_ms = newest.t_ms;
		place = item_room(writer, sizeof(item));
		if (place == NULL)
			return writer->error->code;
		*place = item;
		writer->totals.starts++;
	}
	return status;
}

static enum status end_write(struct writer *writer)
{
	enum status status = kind_begin(writer, PAGE_END);
	void *place;

	if (status != STATUS_OK)
		return status;
	place = item_room(writer, sizeof(writer->totals));
	if (place == NULL)
		return writer->error->code;
	memcpy(place, &writer->totals, sizeof(writer->totals));
	return page_flush(writer);
}

static enum status header_write(struct writer *writer, int64_t taken_ms)
{
	const struct store *store = writer->store;
	struct snapshot_header header;

	memset(&header, 0, sizeof(header));
	memcpy(header.magic, SNAPSHOT_MAGIC, sizeof(header.magic));
	header.version = SNAPSHOT_VERSION;
	header.byte_order = SNAPSHOT_BYTE_ORDER;
	header.end_size = sizeof(struct chunk_end);
	header.block_size = store->shards[0].memory.blocks.cell_size;
	header.taken_ms = taken_ms;
	memcpy(header.secret, store->secret.bytes, sizeof(header.secret));
	if (random_secret(&header.nonce, sizeof(header.nonce)) != STATUS_OK)
		return error_set(writer->error, STATUS_IO, "the system gives no random bytes");
	header.checksum = hash_checksum(&header, offsetof(struct snapshot_header, checksum), 0);
	writer->nonce = header.nonce;
	return bytes_write(writer, &header, sizeof(header));
}

static enum status all_write(struct writer *writer, int64_t taken_ms)
{
	const struct index *index = &writer->store->index;
	uint32_t id_end;
	enum status status = header_write(writer, taken_ms);

	/* Pairs before names would do as well, as long as both stand before the series; but names
	 * come first in the file, so they are looked through first, and a pair whose name was not
	 * seen is as new as that name. */
	if (status == STATUS_OK)
		status = texts_write(writer, PAGE_NAMES, &index->names, &writer->totals.names);
	if (status == STATUS_OK)
		status = texts_write(writer, PAGE_PAIRS, &index->pairs, &writer->totals.pairs);
	id_end = atomic_load_explicit(&writer->store->id_end, memory_order_acquire);
	if (status == STATUS_OK)
		status = series_write(writer, id_end);
	if (status == STATUS_OK)
		status = keys_write(writer);
	if (status == STATUS_OK)
		status = records_write(writer, writer->parts->histograms, RECORD_HISTOGRAM);
	if (status == STATUS_OK)
		status = records_write(writer, writer->parts->exemplars, RECORD_EXEMPLAR);
	if (status == STATUS_OK)
		status = starts_write(writer, id_end);
	return status == STATUS_OK ? end_write(writer) : status;
}

/* With the draft open. */
static enum status draft_write(struct writer *writer, int64_t taken_ms)
{
	enum status status;

	removal_pause(writer->store);
	status = all_write(writer, taken_ms);
	removal_resume(writer->store);
	if (status == STATUS_OK)
		return file_draft_commit(writer->draft, writer->error);
	file_draft_abort(writer->draft);
	return status;
}

enum status snapshot_write(const struct snapshot_parts *parts, const char *path,
	struct snapshot_stats *stats, struct error *error)
{
	struct writer *writer = mem_zalloc(1, sizeof(*writer));
	struct error own; /* `error` may be NULL */
	enum status status = STATUS_NO_MEMORY;

	memset(stats, 0, sizeof(*stats));
	if (writer == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to write a snapshot");
	error_reset(&own);
	writer->parts = parts;
	writer->store = parts->store;
	writer->error = &own;
	writer->used = sizeof(struct page_head);
	writer->capacity = SNAPSHOT_PAGE;
	writer->page = mem_alloc(writer->capacity);
	if (writer->page == NULL) {
		error_set(&own, STATUS_NO_MEMORY, "no memory to write a snapshot");
		goto out;
	}
	writer->draft = file_draft_begin(path, 0600, &own);
	if (writer->draft == NULL) {
		status = own.code;
		goto out;
	}
	stats->taken_ms = clock_now_ms(writer->store->clock);
	status = draft_write(writer, stats->taken_ms);
	stats->bytes = writer->bytes;
	stats->series = writer->totals.series;
	stats->samples = writer->totals.samples;
	stats->records = writer->totals.records;
	stats->series_cut = writer->series_cut;
out:
	if (status != STATUS_OK)
		error_set(error, status, "%s", own.text);
	mem_free(writer->page);
	mem_free(writer);
	return status;
}
