/*
 * Loading a snapshot.
 *
 * The file is read twice: first all checksums and the totals are looked at, then, page by page with its
 * checksum again, it is put into the store. It is read and not mapped, because a disk that fails or a
 * file that is cut under the mapping would be a signal instead of an answer.
 *
 * A checksum says that nobody damaged the file, not who wrote it. So nothing in it is believed: sizes
 * are checked against the page, handles and ids are looked up in tables of what this file brought,
 * label sets must be sorted as the index promises, blocks and their state must be within the bounds
 * that appending and reading rely on (ring_dump_valid()). What a file made on purpose can do is to
 * bring wrong samples.
 */
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/layout.h"
#include "store/number_map.h"
#include "store/snapshot_format.h"

#define AGE_MAX (1u << 28) /* ticks, 208 days */

struct loader {
	const struct snapshot_parts *parts;
	struct store *store;
	const char *path;
	struct error *error;
	struct snapshot_stats *stats;
	int descriptor;
	struct snapshot_header header;
	unsigned char *page; /* the items of the page read last */
	size_t capacity;
	struct page_head head;
	uint64_t sequence, file_size;
	struct end_item totals;
	/* From the writer's handles and ids to ours. */
	struct number_map names, pairs, series;
	/* The label set before: the next one shares most of it. */
	uint32_t before[INDEX_LABELS_MAX], before_ours[INDEX_LABELS_MAX], before_count;
	bool no_room; /* for a label */
	int64_t t_max;
	_Alignas(8) unsigned char sealed[CHUNK_SIZE_MAX];
};

static enum status refuse(const struct loader *loader, const char *reason)
{
	return error_set(loader->error, STATUS_BAD_INPUT, "%s", reason);
}

static enum status page_damaged(const struct loader *loader, const char *what)
{
	return error_set(loader->error, STATUS_BAD_INPUT, "page %llu %s",
		(unsigned long long)loader->sequence, what);
}

/* STATUS_BAD_INPUT at the end of the file; the error is the caller's to set. */
static enum status bytes_read(struct loader *loader, void *place, size_t size)
{
	unsigned char *at = place;

	while (size > 0) {
		ssize_t got = read(loader->descriptor, at, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set_errno(loader->error, STATUS_IO, errno, "cannot read it");
		if (got == 0)
			return STATUS_BAD_INPUT;
		at += got;
		size -= (size_t)got;
	}
	return STATUS_OK;
}

static enum status file_open(struct loader *loader)
{
	struct stat about;

	loader->descriptor = open(loader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (loader->descriptor < 0)
		return error_set_errno(loader->error,
			errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno, "cannot open it");
	if (fstat(loader->descriptor, &about) != 0 || !S_ISREG(about.st_mode))
		return refuse(loader, "it is not a plain file");
	loader->file_size = (uint64_t)about.st_size;
	return STATUS_OK;
}

static enum status header_check(const struct loader *loader)
{
	const struct snapshot_header *header = &loader->header;
	uint32_t size = header->block_size;

	if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof(header->magic)) != 0)
		return refuse(loader, "it is not a snapshot");
	if (header->byte_order != SNAPSHOT_BYTE_ORDER)
		return refuse(loader, "it comes from a machine with another byte order");
	if (header->version != SNAPSHOT_VERSION)
		return error_set(loader->error, STATUS_BAD_INPUT,
			"it has version %u, and this program reads version %u", header->version,
			SNAPSHOT_VERSION);
	if (header->checksum !=
		hash_checksum(header, offsetof(struct snapshot_header, checksum), 0))
		return refuse(loader, "its header is damaged");
	if (header->end_size != sizeof(struct chunk_end) || size < CHUNK_SIZE_MIN ||
		size > CHUNK_SIZE_MAX || size % 8 != 0)
		return refuse(loader, "its layout is that of another build");
	return STATUS_OK;
}

static enum status header_read(struct loader *loader)
{
	enum status status = bytes_read(loader, &loader->header, sizeof(loader->header));

	loader->sequence = 0;
	if (status == STATUS_BAD_INPUT)
		return refuse(loader, "it is torn: it ends within its header");
	return status != STATUS_OK ? status : header_check(loader);
}

static enum status page_reserve(struct loader *loader, size_t size)
{
	unsigned char *larger;

	if (size <= loader->capacity)
		return STATUS_OK;
	larger = mem_resize(loader->page, size, 1);
	if (larger == NULL)
		return error_set(loader->error, STATUS_NO_MEMORY,
			"no memory for a page of %zu bytes", size);
	loader->page = larger;
	loader->capacity = size;
	return STATUS_OK;
}

/* The page with its head as it is checked, so that the checksum is one run over both. */
static enum status page_read(struct loader *loader)
{
	size_t head_size = sizeof(loader->head);
	struct page_head head;
	enum status status = bytes_read(loader, &head, head_size);

	if (status == STATUS_BAD_INPUT)
		return page_damaged(loader, "is missing: the file is torn");
	if (status == STATUS_OK &&
		(head.size == 0 || head.size > SNAPSHOT_PAGE_MAX || head.size % 8 != 0))
		return page_damaged(loader, "is damaged");
	/* Before memory is taken for it. */
	if (status == STATUS_OK && head.size > loader->file_size)
		return page_damaged(loader, "is cut short: the file is torn");
	if (status == STATUS_OK)
		status = page_reserve(loader, head_size + head.size);
	if (status == STATUS_OK)
		status = bytes_read(loader, loader->page + head_size, head.size);
	if (status == STATUS_BAD_INPUT)
		return page_damaged(loader, "is cut short: the file is torn");
	if (status != STATUS_OK)
		return status;
	memcpy(loader->page, &head, head_size);
	if (head.checksum !=
		hash_checksum(loader->page + sizeof(head.checksum),
			head_size - sizeof(head.checksum) + head.size,
			loader->header.nonce + loader->sequence))
		return page_damaged(loader, "is damaged");
	if (head.kind < PAGE_NAMES || head.kind > PAGE_END || head.kind < loader->head.kind)
		return page_damaged(loader, "is of a kind that cannot stand there");
	loader->head = head;
	loader->sequence++;
	return STATUS_OK;
}

/* The items of a page, one after the other. */
struct items {
	const unsigned char *at;
	size_t left;
};

static struct items page_items(const struct loader *loader)
{
	return (struct items){loader->page + sizeof(loader->head), loader->head.size};
}

/* The next `size` bytes, and past the filling behind them; NULL when there are not so many. */
static const void *items_take(struct items *items, size_t size)
{
	const unsigned char *at = items->at;
	size_t rounded = round_up_8(size);

	if (size > items->left || rounded > items->left)
		return NULL;
	items->at += rounded;
	items->left -= rounded;
	return at;
}

static enum status end_check(struct loader *loader)
{
	struct items items = page_items(loader);
	const void *item = items_take(&items, sizeof(loader->totals));
	unsigned char probe;

	if (item == NULL || items.left > 0)
		return refuse(loader, "its end page is damaged");
	memcpy(&loader->totals, item, sizeof(loader->totals));
	if (bytes_read(loader, &probe, 1) != STATUS_BAD_INPUT)
		return refuse(loader, "something follows its end page");
	/* The tables are as large as the totals say; a file cannot hold more than its bytes. */
	if (loader->totals.names > loader->file_size / sizeof(struct text_item) ||
		loader->totals.pairs > loader->file_size / sizeof(struct text_item) ||
		loader->totals.series > loader->file_size / sizeof(struct series_item))
		return refuse(loader, "its totals are larger than the file");
	return STATUS_OK;
}

static enum status text_load(struct loader *loader, const struct text_item *item, const char *text)
{
	bool pair = loader->head.kind == PAGE_PAIRS;
	uint32_t name = 0, ours;

	for (size_t at = 0; at < item->size;) {
		size_t length = utf8_length(text + at, item->size - at);

		if (length == 0 || text[at] == '\0')
			return page_damaged(loader, "has a text that is not UTF-8");
		at += length;
	}
	/* A name that came too late to be seen: so did the pair. */
	if (pair && !number_map_get(&loader->names, item->name, &name))
		return STATUS_OK;
	(void)pthread_mutex_lock(&loader->store->index_lock);
	ours = pair ? index_hold_pair(&loader->store->index, name, text, item->size)
		    : index_hold_name(&loader->store->index, text, item->size);
	(void)pthread_mutex_unlock(&loader->store->index_lock);
	/* The series that need it will be dropped and counted. */
	if (ours == 0) {
		loader->no_room = true;
		return STATUS_OK;
	}
	if (number_map_put(pair ? &loader->pairs : &loader->names, item->handle, ours))
		return STATUS_OK;
	(void)pthread_mutex_lock(&loader->store->index_lock);
	if (pair)
		index_release_pair(&loader->store->index, ours);
	else
		index_release_name(&loader->store->index, ours);
	(void)pthread_mutex_unlock(&loader->store->index_lock);
	return page_damaged(loader, "names a handle twice, or more than its end says");
}

static enum status texts_load(struct loader *loader)
{
	struct items items = page_items(loader);
	enum status status = STATUS_OK;

	while (status == STATUS_OK && items.left > 0) {
		const struct text_item *item = items_take(&items, sizeof(*item));
		const char *text = item == NULL ? NULL : items_take(&items, item->size);

		if (text == NULL || item->size == 0 || item->size > STORE_TEXT_MAX)
			return page_damaged(loader, "has a text of a wrong size");
		status = text_load(loader, item, text);
	}
	return status;
}

static bool names_ascend(const struct index *index, uint32_t pair, uint32_t next)
{
	const struct index_name *a = index_name_at(index, index_pair_at(index, pair)->name);
	const struct index_name *b = index_name_at(index, index_pair_at(index, next)->name);
	int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);

	return order != 0 ? order < 0 : a->size < b->size;
}

/* Our pairs for the writer's. *known: all of them are there. false: they are not a label set. */
static bool pairs_find(struct loader *loader, const uint32_t *theirs, uint32_t count,
	uint32_t *ours, bool *known)
{
	bool shared = true; /* as in the set before, which was in order */

	for (uint32_t i = 0; i < count; i++) {
		bool same = i < loader->before_count && theirs[i] == loader->before[i];

		if (same)
			ours[i] = loader->before_ours[i];
		else if (!number_map_get(&loader->pairs, theirs[i], &ours[i])) {
			*known = false;
			loader->before_count = 0;
			return true;
		}
		if (i > 0 && !(same && shared) &&
			!names_ascend(&loader->store->index, ours[i - 1], ours[i]))
			return false;
		shared = same;
		loader->before[i] = theirs[i];
		loader->before_ours[i] = ours[i];
	}
	loader->before_count = count;
	*known = true;
	return true;
}

/* Decodes and appends: for blocks of another size, and where some samples cannot be taken. */
static void samples_append(struct loader *loader, uint32_t id, const struct series_item *item,
	const unsigned char *blocks)
{
	struct ring_memory *memory = &shard_of(loader->store, id)->memory;
	struct ring *ring = ring_of(loader->store, id);
	size_t size = loader->header.block_size;

	for (uint32_t i = 0; i < item->chunk_count; i++) {
		const struct chunk *chunk = (const void *)(blocks + i * size);
		struct chunk_reader reader;

		if (i + 1 == item->chunk_count) {
			memset(loader->sealed, 0, size);
			memcpy(loader->sealed, chunk, ring_head_size(&item->end));
			chunk_seal(&item->end, (struct chunk *)loader->sealed);
			chunk = (const struct chunk *)loader->sealed;
		}
		chunk_reader_init(&reader, chunk, size);
		while (chunk_next(&reader)) {
			if (reader.end.t_ms > loader->t_max ||
				reader.end.t_ms < -CHUNK_TIME_LIMIT ||
				ring_append(ring, memory, reader.end.t_ms, reader.end.bits) >
					APPEND_STALE_MARKER)
				loader->stats->samples_dropped++;
		}
	}
}

static void ring_load(struct loader *loader, uint32_t id, const struct series_item *item,
	const unsigned char *blocks)
{
	struct shard *shard = shard_of(loader->store, id);
	size_t size = loader->header.block_size;
	uint64_t overwritten = shard->memory.overwritten;

	(void)pthread_mutex_lock(&shard->lock);
	if (size != shard->memory.blocks.cell_size || item->end.t_ms > loader->t_max)
		samples_append(loader, id, item, blocks);
	else
		ring_restore(ring_of(loader->store, id), &shard->memory, &item->end, blocks,
			item->chunk_count);
	loader->stats->samples_dropped += shard->memory.overwritten - overwritten;
	(void)pthread_mutex_unlock(&shard->lock);
}

/* The blocks of a series item, or NULL when its sizes do not fit together. */
static const unsigned char *series_blocks(const struct loader *loader,
	const struct series_item *item, const uint32_t **pairs)
{
	size_t size = loader->header.block_size;
	uint64_t expected;
	const unsigned char *blocks;

	if (item->pair_count == 0 || item->pair_count > INDEX_LABELS_MAX)
		return NULL;
	expected = sizeof(*item) + round_up_8(item->pair_count * sizeof(**pairs));
	if (item->size < expected)
		return NULL;
	blocks = (const unsigned char *)item + expected;
	*pairs = (const void *)(item + 1);
	if (item->chunk_count == 0)
		return item->size == expected ? blocks : NULL;
	/* Before its position is used. */
	if (!chunk_end_valid(&item->end, size))
		return NULL;
	expected += (uint64_t)(item->chunk_count - 1) * size + ring_head_size(&item->end);
	if (item->size != expected || !ring_dump_valid(&item->end, blocks, item->chunk_count, size))
		return NULL;
	return blocks;
}

static enum status series_load_one(struct loader *loader, const struct series_item *item)
{
	uint32_t ours[INDEX_LABELS_MAX], id;
	uint32_t age = item->age < AGE_MAX ? item->age : AGE_MAX;
	const uint32_t *pairs = NULL;
	const unsigned char *blocks = series_blocks(loader, item, &pairs);
	enum status status;
	bool known;

	if (blocks == NULL)
		return page_damaged(loader, "has a series whose parts do not fit together");
	if (!pairs_find(loader, pairs, item->pair_count, ours, &known))
		return page_damaged(loader, "has a series whose labels are not sorted");
	if (!known) {
		/* Else it is younger than the snapshot: its labels came after they were written. */
		loader->stats->series_dropped += loader->no_room;
		return STATUS_OK;
	}
	status = series_restore(loader->store, ours, item->pair_count, age, &id);
	if (status == STATUS_CONFLICT)
		return page_damaged(loader, "has a series that was there before");
	if (status != STATUS_OK) {
		loader->stats->series_dropped++;
		return STATUS_OK;
	}
	if (!number_map_put(&loader->series, item->id, id))
		return page_damaged(loader, "has more series than its end says, or one twice");
	loader->stats->series++;
	if (item->chunk_count > 0)
		ring_load(loader, id, item, blocks);
	return STATUS_OK;
}

static enum status series_load(struct loader *loader)
{
	struct items items = page_items(loader);
	enum status status = STATUS_OK;

	while (status == STATUS_OK && items.left > 0) {
		const struct series_item *item = (const void *)items.at;

		if (items.left < sizeof(*item) || item->size < sizeof(*item) ||
			items_take(&items, item->size) == NULL)
			return page_damaged(loader, "has a series of a wrong size");
		status = series_load_one(loader, item);
	}
	return status;
}

static enum status keys_load(struct loader *loader)
{
	struct items items = page_items(loader);

	while (items.left > 0) {
		const struct key_item *item = items_take(&items, sizeof(*item));
		uint32_t id;

		if (item == NULL)
			return page_damaged(loader, "has half a key");
		/* Without its key a series is found by its labels once more. */
		if (number_map_get(&loader->series, item->id, &id))
			(void)key_restore(loader->store, (struct store_key){item->low, item->high},
				id);
	}
	return STATUS_OK;
}

static enum status records_load(struct loader *loader)
{
	struct items items = page_items(loader);

	while (items.left > 0) {
		const struct record_item *item = items_take(&items, sizeof(*item));
		const void *bytes = item == NULL ? NULL : items_take(&items, item->size);
		struct records *records;
		uint32_t id;

		if (bytes == NULL || item->size == 0 || item->size > RECORD_SIZE_MAX ||
			item->kind >= RECORD_KINDS)
			return page_damaged(loader, "has a record of a wrong size or kind");
		records = item->kind == RECORD_HISTOGRAM ? loader->parts->histograms
							 : loader->parts->exemplars;
		if (records != NULL && item->t_ms <= loader->t_max &&
			number_map_get(&loader->series, item->id, &id))
			loader->stats->records +=
				records_restore(records, id, item->t_ms, bytes, item->size);
	}
	return STATUS_OK;
}

static enum status starts_load(struct loader *loader)
{
	struct items items = page_items(loader);

	while (items.left > 0) {
		const struct start_item *item = items_take(&items, sizeof(*item));
		uint32_t id;

		if (item == NULL)
			return page_damaged(loader, "has half a start");
		if (loader->parts->starts != NULL && number_map_get(&loader->series, item->id, &id))
			starts_note(loader->parts->starts, id, item->t_ms, item->start_ms);
	}
	return STATUS_OK;
}

static enum status page_load(struct loader *loader)
{
	switch ((enum page_kind)loader->head.kind) {
	case PAGE_NAMES:
	case PAGE_PAIRS:
		return texts_load(loader);
	case PAGE_SERIES:
		return series_load(loader);
	case PAGE_KEYS:
		return keys_load(loader);
	case PAGE_RECORDS:
		return records_load(loader);
	case PAGE_STARTS:
		return starts_load(loader);
	case PAGE_END:
		break;
	}
	return STATUS_OK;
}

/* All pages up to the end page, put into the store or only looked at. */
static enum status pages_read(struct loader *loader, bool load)
{
	enum status status = STATUS_OK;

	memset(&loader->head, 0, sizeof(loader->head));
	while (status == STATUS_OK && loader->head.kind != PAGE_END) {
		status = page_read(loader);
		if (status == STATUS_OK && load)
			status = page_load(loader);
	}
	return status;
}

static enum status tables_open(struct loader *loader)
{
	if (number_map_init(&loader->names, loader->totals.names) != STATUS_OK ||
		number_map_init(&loader->pairs, loader->totals.pairs) != STATUS_OK ||
		number_map_init(&loader->series, loader->totals.series) != STATUS_OK)
		return error_set(loader->error, STATUS_NO_MEMORY,
			"no memory for the tables of %llu series",
			(unsigned long long)loader->totals.series);
	return STATUS_OK;
}

static void release_one(void *argument, uint32_t handle)
{
	struct loader *loader = argument;

	if (loader->head.kind == PAGE_PAIRS)
		index_release_pair(&loader->store->index, handle);
	else
		index_release_name(&loader->store->index, handle);
}

/* Frees the names and pairs that no series uses, and the tables. */
static void tables_close(struct loader *loader)
{
	(void)pthread_mutex_lock(&loader->store->index_lock);
	loader->head.kind = PAGE_PAIRS;
	number_map_each(&loader->pairs, release_one, loader);
	loader->head.kind = PAGE_NAMES;
	number_map_each(&loader->names, release_one, loader);
	(void)pthread_mutex_unlock(&loader->store->index_lock);
	number_map_fini(&loader->names);
	number_map_fini(&loader->pairs);
	number_map_fini(&loader->series);
}

/* A snapshot that holds nothing of the time that rings keep, or one from a time to come. */
static enum status age_check(const struct loader *loader, int64_t now_ms)
{
	const struct store_limits *limits = &loader->store->limits;
	int64_t taken_ms = loader->header.taken_ms;

	if (taken_ms < now_ms &&
		(uint64_t)now_ms - (uint64_t)taken_ms > (uint64_t)limits->retention_ms)
		return error_set(loader->error, STATUS_BAD_INPUT,
			"it was taken %llu s ago, and rings keep %lld s",
			((unsigned long long)now_ms - (unsigned long long)taken_ms) / 1000,
			(long long)limits->retention_ms / 1000);
	return STATUS_OK;
}

static enum status file_load(struct loader *loader)
{
	int64_t now_ms = clock_now_ms(loader->store->clock);
	enum status status = file_open(loader);

	loader->t_max = now_ms > CHUNK_TIME_LIMIT - loader->store->limits.future_max_ms
		? CHUNK_TIME_LIMIT
		: now_ms + loader->store->limits.future_max_ms;
	if (status == STATUS_OK)
		status = header_read(loader);
	if (status == STATUS_OK)
		status = pages_read(loader, false);
	if (status == STATUS_OK)
		status = end_check(loader);
	if (status == STATUS_OK)
		status = age_check(loader, now_ms);
	if (status == STATUS_OK)
		status = tables_open(loader);
	if (status == STATUS_OK && lseek(loader->descriptor, 0, SEEK_SET) != 0)
		status = error_set_errno(loader->error, STATUS_IO, errno, "cannot read it");
	if (status == STATUS_OK)
		status = header_read(loader);
	if (status != STATUS_OK)
		return status;
	/* The raw keys in the file were hashed with it; nothing has been hashed yet. */
	hash_secret_restore(&loader->store->secret, loader->header.secret);
	return pages_read(loader, true);
}

enum status snapshot_load(const struct snapshot_parts *parts, const char *path,
	struct snapshot_stats *stats, struct error *error)
{
	struct loader *loader = mem_zalloc(1, sizeof(*loader));
	struct store_stats held;
	struct error own; /* `error` may be NULL */
	enum status status;

	memset(stats, 0, sizeof(*stats));
	if (loader == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to load a snapshot");
	CHECK(atomic_load(&parts->store->id_end) == 0);
	loader->parts = parts;
	loader->store = parts->store;
	loader->path = path;
	loader->stats = stats;
	loader->error = &own;
	loader->descriptor = -1;
	error_reset(&own);
	status = file_load(loader);
	if (status != STATUS_OK)
		error_set(error, status, "%s", own.text);
	stats->bytes = loader->file_size;
	stats->taken_ms = loader->header.taken_ms;
	stats->recoded =
		loader->header.block_size != loader->store->shards[0].memory.blocks.cell_size;
	store_stats(loader->store, &held);
	stats->samples = held.samples;
	tables_close(loader);
	if (loader->descriptor >= 0)
		close(loader->descriptor);
	mem_free(loader->page);
	mem_free(loader);
	return status;
}
