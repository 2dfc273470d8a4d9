/*
 * Signals, their places, and the life of a minute:
 *
 *   none -> open     write_minute(): as it came, among the OPEN_MINUTES newest
 *   open -> open     the same minute with more samples
 *   open -> closed   close_blocks(): the block is encoded once, from the open minutes, when a minute
 *                    ROLLUP_LATE_MINUTES behind it is written; its open minutes are overwritten only
 *                    after that, so that encoding never starts from what was encoded
 *   closed -> none   another block or another signal takes the place
 *
 * Invariants:
 * 1. Whether a record is valid is decided by itself: its number and its checksum under the salt of its
 *    signal. No order of writes matters, but for 2. The checksum of an open minute has 16 bits only, so
 *    that one in 65,536 of what another signal left behind would pass for one's own: open minutes are
 *    cleared when a place is taken.
 * 2. A block is closed before the first of its open minutes is overwritten: OPEN_MINUTES is a block
 *    and the minutes that may be late.
 * 3. A block that is closed is not closed again: what is then left of its open minutes may be less.
 *
 * Locks: `lock` guards the table (places, index, heads of the file), segment_locks guard the records,
 * none is taken under another. A reader that lost its signal to another one between the two finds
 * nothing valid, since the salt has changed.
 */
#include "store/rollup.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/rollup_file.h"

#define NO_SLOT UINT32_MAX
#define SIGNALS_MAX 10000000u
#define MINUTE_MAX (INT64_C(4000000000)) /* the year 9575; fits 32 bits with room */
#define BLOCK_MS (INT64_C(60000) * BLOCK_MINUTES)

struct place {
	bool taken;
	uint32_t newest; /* minute; 0: none */
	uint32_t hash;
};

struct rollup {
	struct rollup_file file;
	const struct clock *clock;
	uint32_t signals_max;
	pthread_mutex_t lock;
	struct place *places; /* [segment_max * SEGMENT_SLOTS] */
	uint32_t *index;      /* open addressing: slot + 1, 0 is free */
	uint32_t index_mask, taken, free_from;
	uint64_t seed; /* of the index, so that keys cannot be made to collide */
	pthread_mutex_t *segment_locks;
	uint32_t segment_lock_count;
	struct metric_cell *written, *gaps, *late, *ahead;
};

static uint32_t hash_of(const struct rollup *rollup, const char *key, size_t key_size)
{
	return (uint32_t)XXH3_64bits_withSeed(key, key_size, rollup->seed);
}

/* Under the lock. */
static uint32_t find_slot(const struct rollup *rollup, const char *key, size_t key_size)
{
	uint32_t hash = hash_of(rollup, key, key_size), i = hash & rollup->index_mask;

	for (; rollup->index[i] != 0; i = (i + 1) & rollup->index_mask) {
		uint32_t slot = rollup->index[i] - 1;
		const struct rollup_head *head = rollup_file_head(&rollup->file, slot);

		if (rollup->places[slot].hash == hash && head->key_size == key_size &&
			memcmp(head->key, key, key_size) == 0)
			return slot;
	}
	return NO_SLOT;
}

static void index_add(struct rollup *rollup, uint32_t slot)
{
	uint32_t i = rollup->places[slot].hash & rollup->index_mask;

	while (rollup->index[i] != 0)
		i = (i + 1) & rollup->index_mask;
	rollup->index[i] = slot + 1;
}

/* Takes a place whose head is set. */
static void place_take(struct rollup *rollup, uint32_t slot, uint32_t newest)
{
	const struct rollup_head *head = rollup_file_head(&rollup->file, slot);

	rollup->places[slot] = (struct place){.taken = true,
		.newest = newest,
		.hash = hash_of(rollup, head->key, head->key_size)};
	rollup->taken++;
	index_add(rollup, slot);
}

/* Whom the file knows. A damaged head gives its place up. */
static void read_heads(struct rollup *rollup)
{
	uint32_t count = rollup->file.segment_count * SEGMENT_SLOTS, damaged = 0;

	for (uint32_t slot = 0; slot < count; slot++) {
		struct rollup_head *head = rollup_file_head(&rollup->file, slot);

		if (head->check == 0)
			continue;
		if (!rollup_head_valid(head) ||
			find_slot(rollup, head->key, head->key_size) != NO_SLOT) {
			rollup_head_clear(head);
			damaged++;
			continue;
		}
		place_take(rollup, slot, head->newest);
	}
	if (damaged == 0)
		return;
	metrics_add(METRIC_ROLLUP_REFUSED, damaged, "damaged");
	LOG_WARN("signals of the 1-minute tier were damaged and are given up",
		LOG_UINT("signals", damaged), LOG_UINT("kept", rollup->taken));
}

static enum status open_table(struct rollup *rollup, struct error *error)
{
	uint32_t segments = rollup->file.segment_max, index_size = 64;

	while (index_size < segments * SEGMENT_SLOTS * 2)
		index_size *= 2;
	rollup->index_mask = index_size - 1;
	rollup->index = mem_zalloc(index_size, sizeof(*rollup->index));
	rollup->places = mem_zalloc((size_t)segments * SEGMENT_SLOTS, sizeof(*rollup->places));
	rollup->segment_locks = mem_zalloc(segments, sizeof(pthread_mutex_t));
	if (rollup->index == NULL || rollup->places == NULL || rollup->segment_locks == NULL)
		return error_set(error, STATUS_NO_MEMORY,
			"no memory for the table of the 1-minute tier");
	for (uint32_t i = 0; i < segments; i++)
		(void)pthread_mutex_init(&rollup->segment_locks[i], NULL);
	rollup->segment_lock_count = segments;
	if (random_secret(&rollup->seed, sizeof(rollup->seed)) != STATUS_OK)
		return error_set(error, STATUS_IO, "the kernel gives no random bytes");
	read_heads(rollup);
	return STATUS_OK;
}

/* What cannot be read is kept beside, for somebody to look at. */
static enum status set_aside(const char *path, const struct clock *clock,
	const struct error *reason, struct error *error)
{
	char beside[4352];

	if ((size_t)snprintf(beside, sizeof(beside), "%s.refused-%lld", path,
		    (long long)clock_now_ms(clock)) >= sizeof(beside))
		return error_set(error, STATUS_IO, "the path is too long: %s", path);
	if (rename(path, beside) != 0)
		return error_set(error, STATUS_IO, "%s, and it cannot be renamed", reason->text);
	metrics_inc(METRIC_ROLLUP_REFUSED, "file");
	LOG_ERROR("the 1-minute tier begins empty, its file was refused", LOG_ERROR_FIELD(reason),
		LOG_TEXT("kept", beside));
	return STATUS_OK;
}

static enum status open_file(struct rollup *rollup, const char *path, uint32_t blocks,
	uint32_t segment_max, struct error *error)
{
	struct error reason;
	enum status status = rollup_file_open(&rollup->file, path, segment_max, &reason);

	if (status == STATUS_BAD_INPUT) {
		if (set_aside(path, rollup->clock, &reason, error) != STATUS_OK)
			return STATUS_IO;
		status = STATUS_NOT_FOUND;
	}
	if (status == STATUS_NOT_FOUND) {
		status = rollup_file_create(path, blocks, error);
		return status != STATUS_OK
			? status
			: rollup_file_open(&rollup->file, path, segment_max, error);
	}
	if (status != STATUS_OK)
		return error_set(error, status, "%s", reason.text);
	if (rollup->file.blocks != blocks &&
		rollup_file_resize(&rollup->file, path, blocks, &reason) != STATUS_OK)
		LOG_WARN("the 1-minute tier keeps its old retention", LOG_ERROR_FIELD(&reason));
	return STATUS_OK;
}

static void collect(void *argument)
{
	struct rollup_stats stats;

	rollup_stats(argument, &stats);
	metrics_set(METRIC_ROLLUP_SIGNALS, stats.signals);
	metrics_set(METRIC_ROLLUP_SIGNALS_LIMIT, stats.signals_max);
	metrics_set(METRIC_ROLLUP_BYTES, (double)stats.disk_bytes, "disk");
	metrics_set(METRIC_ROLLUP_BYTES, (double)stats.resident_bytes, "resident");
}

/* Known from the start on, so that their first increase is seen. */
static void take_cells(struct rollup *rollup)
{
	static const char *const reasons[] = {"full", "disk", "file", "damaged"};

	rollup->written = metrics_cell(METRIC_ROLLUP_WRITTEN);
	rollup->gaps = metrics_cell(METRIC_ROLLUP_GAPS);
	rollup->late = metrics_cell(METRIC_ROLLUP_REFUSED, "late");
	rollup->ahead = metrics_cell(METRIC_ROLLUP_REFUSED, "ahead");
	for (size_t i = 0; i < ARRAY_COUNT(reasons); i++)
		(void)metrics_cell(METRIC_ROLLUP_REFUSED, reasons[i]);
}

struct rollup *rollup_open(const char *path, const struct rollup_limits *limits,
	const struct clock *clock, struct error *error)
{
	struct error unwanted;
	struct rollup *rollup;
	uint32_t blocks = (uint32_t)((limits->retention_ms + BLOCK_MS - 1) / BLOCK_MS);
	uint32_t segments = (limits->signals_max + SEGMENT_SLOTS - 1) / SEGMENT_SLOTS;

	error = error != NULL ? error : &unwanted;
	if (limits->retention_ms < ROLLUP_RETENTION_MIN_MS ||
		limits->retention_ms > ROLLUP_RETENTION_MAX_MS || limits->signals_max < 1 ||
		limits->signals_max > SIGNALS_MAX) {
		error_set(error, STATUS_BAD_INPUT,
			"the 1-minute tier keeps 1 to 90 days of 1 to %u signals", SIGNALS_MAX);
		return NULL;
	}
	rollup = mem_zalloc(1, sizeof(*rollup));
	if (rollup == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	rollup->file.descriptor = -1;
	rollup->clock = clock;
	rollup->signals_max = limits->signals_max;
	(void)pthread_mutex_init(&rollup->lock, NULL);
	take_cells(rollup);
	if (open_file(rollup, path, blocks, segments, error) != STATUS_OK ||
		open_table(rollup, error) != STATUS_OK) {
		rollup_close(rollup);
		return NULL;
	}
	metrics_add_collector(collect, rollup);
	return rollup;
}

void rollup_close(struct rollup *rollup)
{
	if (rollup == NULL)
		return;
	metrics_remove_collector(collect, rollup);
	rollup_file_close(&rollup->file);
	for (uint32_t i = 0; i < rollup->segment_lock_count; i++)
		(void)pthread_mutex_destroy(&rollup->segment_locks[i]);
	(void)pthread_mutex_destroy(&rollup->lock);
	mem_free(rollup->segment_locks);
	mem_free(rollup->places);
	mem_free(rollup->index);
	mem_free(rollup);
}

/* A free place that is mapped, or NO_SLOT. Under the lock. */
static uint32_t free_slot(struct rollup *rollup)
{
	uint32_t count = rollup->file.segment_count * SEGMENT_SLOTS;

	while (rollup->free_from < count && rollup->places[rollup->free_from].taken)
		rollup->free_from++;
	return rollup->free_from < count ? rollup->free_from : NO_SLOT;
}

/* A free place has no reader who holds its salt, but the segment's other places have. */
static void clear_open(struct rollup *rollup, uint32_t slot)
{
	pthread_mutex_t *lock = &rollup->segment_locks[slot / SEGMENT_SLOTS];

	(void)pthread_mutex_lock(lock);
	for (uint32_t minute = 0; minute < OPEN_MINUTES; minute++) {
		struct rollup_open_minute *open =
			rollup_file_open_minute(&rollup->file, slot, minute);

		if (open->check != 0)
			*open = (struct rollup_open_minute){.check = 0};
	}
	(void)pthread_mutex_unlock(lock);
}

/* The place of a signal, made when it has none. Growing, which may take long, is done without the lock:
 * there is one writer. */
static enum status claim_slot(struct rollup *rollup, const char *key, size_t key_size,
	uint32_t *slot, struct error *error)
{
	struct rollup_file grown = rollup->file;
	enum status status = STATUS_OK;
	uint64_t salt;
	uint32_t taken;

	(void)pthread_mutex_lock(&rollup->lock);
	*slot = find_slot(rollup, key, key_size);
	taken = rollup->taken;
	if (*slot != NO_SLOT) {
		(void)pthread_mutex_unlock(&rollup->lock);
		return STATUS_OK;
	}
	*slot = free_slot(rollup);
	(void)pthread_mutex_unlock(&rollup->lock);
	if (taken >= rollup->signals_max)
		return error_set(error, STATUS_LIMIT,
			"the 1-minute tier holds %u signals, as storage.rollup_signals_max says",
			(unsigned)rollup->signals_max);
	if (random_secret(&salt, sizeof(salt)) != STATUS_OK)
		return error_set(error, STATUS_IO, "the kernel gives no random bytes");
	if (*slot == NO_SLOT)
		status = rollup_file_grow(&grown, error);
	else
		clear_open(rollup, *slot);
	if (status != STATUS_OK)
		return status;
	(void)pthread_mutex_lock(&rollup->lock);
	rollup->file.segment_count = grown.segment_count;
	*slot = free_slot(rollup);
	CHECK(*slot != NO_SLOT);
	rollup_head_set(rollup_file_head(&rollup->file, *slot), salt, key, (uint32_t)key_size);
	place_take(rollup, *slot, 0);
	(void)pthread_mutex_unlock(&rollup->lock);
	return STATUS_OK;
}

/* What is open of a block. Under the segment's lock. */
static uint32_t gather_open(const struct rollup *rollup, uint32_t slot, uint64_t salt,
	uint32_t number, struct rollup_minute minutes[BLOCK_MINUTES])
{
	uint32_t present = 0;

	for (uint32_t i = 0; i < BLOCK_MINUTES; i++) {
		uint32_t minute = number * BLOCK_MINUTES + i;
		const struct rollup_open_minute *open =
			rollup_file_open_minute(&rollup->file, slot, minute);

		minutes[i] = rollup_gap();
		if (open->minute != minute || !rollup_open_valid(open, salt))
			continue;
		rollup_open_decode(open, &minutes[i]);
		present++;
	}
	return present;
}

static bool block_closed(const struct rollup *rollup, uint32_t slot, uint64_t salt, uint32_t number)
{
	return rollup_block_valid(rollup_file_block(&rollup->file, slot, number), number, salt);
}

static void close_block(struct rollup *rollup, uint32_t slot, uint64_t salt, uint32_t number)
{
	struct rollup_minute minutes[BLOCK_MINUTES];
	struct rollup_block block;
	struct rollup_recent recent;

	if (block_closed(rollup, slot, salt, number) ||
		gather_open(rollup, slot, salt, number, minutes) == 0)
		return;
	rollup_block_encode(&block, &recent, number, salt, minutes);
	/* The block is what makes it closed, so it comes last. */
	*rollup_file_recent(&rollup->file, slot, number) = recent;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	*rollup_file_block(&rollup->file, slot, number) = block;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Whether a block is closed once this minute is written. */
static bool block_due(uint32_t number, uint32_t newest)
{
	return newest >= (number + 1) * BLOCK_MINUTES + ROLLUP_LATE_MINUTES;
}

/* Two blocks may be open: that of the newest minute and the one before it. */
static void close_blocks(struct rollup *rollup, uint32_t slot, uint64_t salt, uint32_t newest,
	uint32_t minute)
{
	uint32_t number = newest / BLOCK_MINUTES;

	for (uint32_t i = number > 0 ? number - 1 : 0; i <= number; i++)
		if (block_due(i, minute))
			close_block(rollup, slot, salt, i);
}

/* What one call writes. */
struct writing {
	struct rollup *rollup;
	uint32_t slot;
	uint64_t salt;
	uint32_t newest;
	int64_t now;
	uint64_t written, gaps, late, ahead;
};

/* Under the segment's lock. */
static void write_minute(struct writing *writing, int64_t at, const struct rollup_minute *value)
{
	struct rollup *rollup = writing->rollup;
	uint32_t minute = (uint32_t)at;
	struct rollup_open_minute *open =
		rollup_file_open_minute(&rollup->file, writing->slot, minute);
	bool valid = rollup_open_valid(open, writing->salt);

	/* The second may hold where a loss of power took the newest minute back. */
	if (block_due(minute / BLOCK_MINUTES, writing->newest) ||
		block_closed(rollup, writing->slot, writing->salt, minute / BLOCK_MINUTES) ||
		(valid && open->minute > minute &&
			open->minute <= writing->now + ROLLUP_AHEAD_MINUTES)) {
		writing->late++;
		return;
	}
	if (valid && open->minute == minute && open->count >= value->count)
		return;
	if (minute > writing->newest && writing->newest != 0) {
		close_blocks(rollup, writing->slot, writing->salt, writing->newest, minute);
		writing->gaps += minute - writing->newest - 1;
	}
	rollup_open_encode(open, minute, writing->salt, value);
	writing->newest = minute > writing->newest ? minute : writing->newest;
	writing->written++;
}

static bool usable(const struct rollup_minute *value)
{
	return value->present && value->count > 0 && isfinite(value->mean) &&
		isfinite(value->max) && isfinite(value->min) && isfinite(value->last);
}

static void write_minutes(struct writing *writing, int64_t first,
	const struct rollup_minute *values, size_t count)
{
	pthread_mutex_t *lock = &writing->rollup->segment_locks[writing->slot / SEGMENT_SLOTS];

	(void)pthread_mutex_lock(lock);
	for (size_t i = 0; i < count; i++) {
		int64_t minute = first + (int64_t)i;

		if (!usable(&values[i]))
			continue;
		if (minute < 1)
			writing->late++;
		else if (minute > writing->now + ROLLUP_AHEAD_MINUTES || minute > MINUTE_MAX)
			writing->ahead++;
		else
			write_minute(writing, minute, &values[i]);
	}
	(void)pthread_mutex_unlock(lock);
}

/* Gaps are counted where they are shorter than the retention: a longer one is a new beginning. */
static void count_written(const struct writing *writing)
{
	const struct rollup *rollup = writing->rollup;

	metric_cell_add(rollup->written, (double)writing->written);
	if (writing->gaps > 0 && writing->gaps <= (uint64_t)rollup->file.blocks * BLOCK_MINUTES)
		metric_cell_add(rollup->gaps, (double)writing->gaps);
	if (writing->late > 0)
		metric_cell_add(rollup->late, (double)writing->late);
	if (writing->ahead > 0)
		metric_cell_add(rollup->ahead, (double)writing->ahead);
}

enum status rollup_write(struct rollup *rollup, const char *key, size_t key_size, int64_t first,
	const struct rollup_minute *values, size_t count, int64_t now_minute, struct error *error)
{
	struct writing writing = {.rollup = rollup, .now = now_minute};
	struct rollup_head *head;
	size_t usables = 0;
	enum status status;

	if (key_size < 1 || key_size > ROLLUP_KEY_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"a signal's key of %zu bytes is not between 1 and %u", key_size,
			ROLLUP_KEY_MAX);
	for (size_t i = 0; i < count; i++)
		usables += usable(&values[i]);
	if (usables == 0)
		return STATUS_OK;
	status = claim_slot(rollup, key, key_size, &writing.slot, error);
	if (status != STATUS_OK) {
		metrics_add(METRIC_ROLLUP_REFUSED, (double)usables,
			status == STATUS_IO ? "disk" : "full");
		return status;
	}
	(void)pthread_mutex_lock(&rollup->lock);
	head = rollup_file_head(&rollup->file, writing.slot);
	writing.salt = head->salt;
	writing.newest = rollup->places[writing.slot].newest;
	(void)pthread_mutex_unlock(&rollup->lock);
	/* Written by a clock that was ahead. */
	if (writing.newest > now_minute + ROLLUP_AHEAD_MINUTES)
		writing.newest = now_minute > 0 ? (uint32_t)now_minute : 0;
	write_minutes(&writing, first, values, count);
	(void)pthread_mutex_lock(&rollup->lock);
	rollup->places[writing.slot].newest = writing.newest;
	head->newest = writing.newest;
	(void)pthread_mutex_unlock(&rollup->lock);
	count_written(&writing);
	return STATUS_OK;
}

/* Under the lock. */
static void index_rebuild(struct rollup *rollup)
{
	uint32_t count = rollup->file.segment_count * SEGMENT_SLOTS;

	memset(rollup->index, 0, ((size_t)rollup->index_mask + 1) * sizeof(*rollup->index));
	for (uint32_t slot = 0; slot < count; slot++)
		if (rollup->places[slot].taken)
			index_add(rollup, slot);
	rollup->free_from = 0;
}

size_t rollup_sweep(struct rollup *rollup, int64_t now_minute)
{
	uint32_t count = rollup->file.segment_count * SEGMENT_SLOTS;
	int64_t retention = (int64_t)rollup->file.blocks * BLOCK_MINUTES;
	size_t freed = 0;

	(void)pthread_mutex_lock(&rollup->lock);
	for (uint32_t slot = 0; slot < count; slot++) {
		struct place *place = &rollup->places[slot];

		if (!place->taken)
			continue;
		/* Written by a clock that was ahead: it ages from now on. */
		if (place->newest > now_minute + ROLLUP_AHEAD_MINUTES && now_minute > 0)
			place->newest = (uint32_t)now_minute;
		if (place->newest + retention >= now_minute)
			continue;
		rollup_head_clear(rollup_file_head(&rollup->file, slot));
		*place = (struct place){.taken = false};
		rollup->taken--;
		freed++;
	}
	if (freed > 0)
		index_rebuild(rollup);
	(void)pthread_mutex_unlock(&rollup->lock);
	return freed;
}

int64_t rollup_newest(struct rollup *rollup, const char *key, size_t key_size)
{
	int64_t newest = ROLLUP_NEVER;
	uint32_t slot;

	(void)pthread_mutex_lock(&rollup->lock);
	slot = find_slot(rollup, key, key_size);
	if (slot != NO_SLOT && rollup->places[slot].newest != 0)
		newest = rollup->places[slot].newest;
	(void)pthread_mutex_unlock(&rollup->lock);
	return newest;
}

/* All of one block, gaps included. The lock is held for copying and checking only. */
static void read_block(struct rollup *rollup, uint32_t slot, uint64_t salt, uint32_t number,
	struct rollup_minute minutes[BLOCK_MINUTES])
{
	pthread_mutex_t *lock = &rollup->segment_locks[slot / SEGMENT_SLOTS];
	struct rollup_block block;
	struct rollup_recent recent;
	bool closed, known = false;

	(void)pthread_mutex_lock(lock);
	closed = block_closed(rollup, slot, salt, number);
	if (closed) {
		const struct rollup_recent *found = rollup_file_recent(&rollup->file, slot, number);

		block = *rollup_file_block(&rollup->file, slot, number);
		known = rollup_recent_valid(found, number, salt);
		if (known)
			recent = *found;
	} else {
		(void)gather_open(rollup, slot, salt, number, minutes);
	}
	(void)pthread_mutex_unlock(lock);
	if (closed)
		rollup_block_decode(&block, known ? &recent : NULL, minutes);
}

static void put_minute(const struct rollup_columns *columns, size_t i,
	const struct rollup_minute *minute)
{
	if (columns->mean != NULL)
		columns->mean[i] = minute->mean;
	if (columns->max != NULL)
		columns->max[i] = minute->max;
	if (columns->min != NULL)
		columns->min[i] = minute->min;
	if (columns->last != NULL)
		columns->last[i] = minute->last;
	if (columns->count != NULL)
		columns->count[i] = minute->count;
	if (columns->gaps == NULL)
		return;
	if (i % 64 == 0)
		columns->gaps[i / 64] = 0;
	if (!minute->present)
		columns->gaps[i / 64] |= UINT64_C(1) << i % 64;
}

size_t rollup_read(struct rollup *rollup, const char *key, size_t key_size, int64_t from,
	int64_t to, const struct rollup_columns *columns)
{
	struct rollup_minute minutes[BLOCK_MINUTES], gap = rollup_gap();
	int64_t first = INT64_MAX, end = INT64_MIN, loaded = -1;
	size_t present = 0;
	uint64_t salt = 0;
	uint32_t slot;

	(void)pthread_mutex_lock(&rollup->lock);
	slot = find_slot(rollup, key, key_size);
	if (slot != NO_SLOT) {
		/* Outside of these no block can be. */
		end = ((int64_t)rollup->places[slot].newest / BLOCK_MINUTES + 1) * BLOCK_MINUTES;
		first = end - ((int64_t)rollup->file.blocks + 1) * BLOCK_MINUTES;
		salt = rollup_file_head(&rollup->file, slot)->salt;
	}
	(void)pthread_mutex_unlock(&rollup->lock);
	for (int64_t minute = from; minute < to; minute++) {
		const struct rollup_minute *found = &gap;

		if (minute >= first && minute >= 0 && minute < end) {
			if (minute / BLOCK_MINUTES != loaded) {
				loaded = minute / BLOCK_MINUTES;
				read_block(rollup, slot, salt, (uint32_t)loaded, minutes);
			}
			found = &minutes[minute % BLOCK_MINUTES];
		}
		present += found->present;
		put_minute(columns, (size_t)(minute - from), found);
	}
	return present;
}

void rollup_stats(struct rollup *rollup, struct rollup_stats *stats)
{
	struct rollup_file seen;

	(void)pthread_mutex_lock(&rollup->lock);
	seen = rollup->file;
	*stats = (struct rollup_stats){.signals = rollup->taken,
		.signals_max = rollup->signals_max,
		.retention_minutes = (int64_t)rollup->file.blocks * BLOCK_MINUTES,
		.disk_bytes = ROLLUP_FILE_HEAD + (uint64_t)seen.segment_count * seen.segment_size};
	(void)pthread_mutex_unlock(&rollup->lock);
	/* Segments never move and never go while the tier is open. */
	stats->resident_bytes = rollup_file_resident(&seen);
}
