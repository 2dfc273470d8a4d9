/*
 * Where the numbers live: one family per row of the table, one cell per label combination.
 *
 * A metric without labels has one cell that stands in static memory: adding to it takes no lock and
 * cannot fail. Cells of labelled metrics are found by a hash of the label values under the family's
 * own lock (a leaf: nothing else is taken or called under it but the allocator).
 *
 * A counter is a whole part, added to by one atomic instruction, and a part for fractions, added to
 * by compare-and-swap; almost every addition is whole. A gauge uses the second part alone. A histogram
 * counts each observation in its own bucket only; the page sums them up, so that the count on a page
 * is always the sum of its buckets.
 *
 * Cells are never freed but by metrics_reset(): metrics_clear() puts them on the family's free list, so
 * that a thread which still holds one writes into live memory.
 */
#include "base/metrics.h"

#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/labels.h"
#include "base/mem.h"
#include "base/metrics_cells.h"
#include "base/random.h"

#define CACHE_LINE 64
#define VALUE_SIZE_MAX 256
#define SLOTS_FIRST 16

static const struct metric_description descriptions[METRIC_COUNT] = {
#define METRIC(id, metric_name, metric_type, metric_help, metric_labels)                           \
	[METRIC_##id] = {.name = metric_name,                                                      \
		.help = metric_help,                                                               \
		.labels = metric_labels,                                                           \
		.type = metric_type},
	METRIC_TABLE(METRIC)
#undef METRIC
};

static struct metric_family families[METRIC_COUNT] = {
#define METRIC(id, name, type, help, labels) [METRIC_##id] = {.lock = PTHREAD_MUTEX_INITIALIZER},
	METRIC_TABLE(METRIC)
#undef METRIC
};

/* For metrics without labels. */
static struct metric_buckets single_buckets[METRIC_COUNT];
static struct metric_cell single_cells[METRIC_COUNT] = {
#define METRIC(id, name, metric_type, help, labels)                                                \
	[METRIC_##id] = {.type = (metric_type),                                                    \
		.buckets =                                                                         \
			(metric_type) == METRIC_HISTOGRAM ? &single_buckets[METRIC_##id] : NULL},
	METRIC_TABLE(METRIC)
#undef METRIC
};

/* Takes what memory could not be found for; nobody reads it. */
static struct metric_buckets lost_buckets;
static struct metric_cell lost_cell = {.buckets = &lost_buckets};

static const double bounds[METRIC_BOUND_COUNT] = {
#define X(bound) bound,
	METRIC_BOUND_TABLE(X)
#undef X
};

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed;

/* Label values come from outside: without a secret seed they could be chosen to collide. */
static void seed_init(void)
{
	if (random_secret(&seed, sizeof(seed)))
		seed = (uint64_t)(uintptr_t)&seed;
}

const struct metric_description *metric_describe(enum metric_id id)
{
	return &descriptions[id];
}

struct metric_family *metric_family(enum metric_id id)
{
	return &families[id];
}

struct metric_cell *metric_single(enum metric_id id)
{
	return &single_cells[id];
}

size_t metric_label_count(enum metric_id id)
{
	const char *labels = descriptions[id].labels;
	size_t count = *labels != 0;

	for (; *labels; labels++)
		count += *labels == ',';
	return count;
}

static uint64_t values_hash(const char *const *values, size_t count)
{
	uint64_t hash = seed;

	for (size_t i = 0; i < count; i++)
		hash = XXH3_64bits_withSeed(values[i], strlen(values[i]), hash);
	return hash;
}

static bool values_equal(const struct metric_cell *cell, const char *const *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(cell->values[i], values[i]) != 0)
			return false;
	return true;
}

static struct metric_cell *family_find(const struct metric_family *family, uint64_t hash,
	const char *const *values, size_t count)
{
	struct metric_cell *cell;

	if (!family->slot_count)
		return NULL;
	for (cell = family->slots[hash & (family->slot_count - 1)]; cell; cell = cell->next)
		if (cell->hash == hash && values_equal(cell, values, count))
			return cell;
	return NULL;
}

static void slot_insert(struct metric_family *family, struct metric_cell *cell)
{
	struct metric_cell **slot = &family->slots[cell->hash & (family->slot_count - 1)];

	cell->next = *slot;
	*slot = cell;
}

/* Room for one more cell in the list and, if memory allows, in shorter chains. */
static bool family_grow(struct metric_family *family)
{
	size_t count = family->slot_count ? family->slot_count * 2 : SLOTS_FIRST;
	struct metric_cell **cells, **slots;

	if (family->cell_count < family->slot_count)
		return true;
	cells = mem_resize(family->cells, count, sizeof(struct metric_cell *));
	if (!cells)
		return false;
	family->cells = cells;
	slots = mem_zalloc(count, sizeof(struct metric_cell *));
	if (!slots)
		return false;
	mem_free(family->slots);
	family->slots = slots;
	family->slot_count = count;
	for (size_t i = 0; i < family->cell_count; i++)
		slot_insert(family, cells[i]);
	return true;
}

static struct metric_cell *cell_new(struct metric_family *family, enum metric_type type)
{
	size_t size = sizeof(struct metric_cell);
	struct metric_cell *cell = family->spare;

	if (cell) {
		family->spare = cell->next;
		return cell;
	}
	if (type == METRIC_HISTOGRAM)
		size += sizeof(struct metric_buckets);
	/* A cell fills whole cache lines, so that two busy cells never share one. */
	size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	cell = mem_alloc_aligned(CACHE_LINE, size);
	if (!cell)
		return NULL;
	memset(cell, 0, size);
	cell->type = type;
	if (type == METRIC_HISTOGRAM)
		cell->buckets = (struct metric_buckets *)(cell + 1);
	return cell;
}

static bool cell_name(struct metric_cell *cell, const char *const *values, size_t count)
{
	size_t size = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		size += strlen(values[i]) + 1;
	cell->bytes = at = mem_alloc(size);
	if (!at)
		return false;
	for (size_t i = 0; i < count; i++) {
		size = strlen(values[i]) + 1;
		memcpy(at, values[i], size);
		cell->values[i] = at;
		at += size;
	}
	return true;
}

static void cell_zero(struct metric_cell *cell)
{
	atomic_store_explicit(&cell->whole, 0, memory_order_relaxed);
	atomic_store_explicit(&cell->bits, 0, memory_order_relaxed);
	if (cell->buckets)
		for (size_t i = 0; i <= METRIC_BOUND_COUNT; i++)
			atomic_store_explicit(&cell->buckets->counts[i], 0, memory_order_relaxed);
}

static struct metric_cell *family_add(struct metric_family *family, enum metric_type type,
	uint64_t hash, const char *const *values, size_t count)
{
	struct metric_cell *cell;

	if (!family_grow(family))
		return NULL;
	cell = cell_new(family, type);
	if (!cell)
		return NULL;
	if (!cell_name(cell, values, count)) {
		cell->next = family->spare;
		family->spare = cell;
		return NULL;
	}
	cell_zero(cell);
	cell->hash = hash;
	family->cells[family->cell_count++] = cell;
	slot_insert(family, cell);
	return cell;
}

/* What a page can carry: UTF-8 of at most VALUE_SIZE_MAX bytes. */
static const char *value_clean(const char *value, char *room)
{
	size_t size = strlen(value);

	if (!utf8_valid(value, size))
		return "invalid";
	if (size <= VALUE_SIZE_MAX)
		return value;
	size = VALUE_SIZE_MAX;
	while (size && ((unsigned char)value[size] & 0xC0) == 0x80)
		size--;
	memcpy(room, value, size);
	room[size] = 0;
	return room;
}

/* Under the family's lock, after the values as given were not found. */
static struct metric_cell *family_add_clean(struct metric_family *family, enum metric_type type,
	const char *const *values, size_t count)
{
	static const char *const other[METRIC_LABELS_MAX] = {"other", "other", "other", "other",
		"other", "other"};
	char rooms[METRIC_LABELS_MAX][VALUE_SIZE_MAX + 1];
	const char *clean[METRIC_LABELS_MAX];
	struct metric_cell *cell = NULL;
	uint64_t hash;

	for (size_t i = 0; i < count; i++)
		clean[i] = value_clean(values[i], rooms[i]);
	hash = values_hash(clean, count);
	cell = family_find(family, hash, clean, count);
	if (!cell && family->cell_count < METRIC_CHILDREN_MAX)
		cell = family_add(family, type, hash, clean, count);
	if (cell)
		return cell;
	atomic_fetch_add_explicit(&family->left_out, 1, memory_order_relaxed);
	hash = values_hash(other, count);
	cell = family_find(family, hash, other, count);
	if (!cell)
		cell = family_add(family, type, hash, other, count);
	return cell ? cell : &lost_cell;
}

struct metric_cell *metrics_cell_values(enum metric_id id, const char *const *values, size_t count)
{
	const char *present[METRIC_LABELS_MAX];
	struct metric_family *family = &families[id];
	struct metric_cell *cell;
	uint64_t hash;

	CHECK(count <= METRIC_LABELS_MAX && count == metric_label_count(id));
	if (!count)
		return metric_single(id);
	pthread_once(&seed_once, seed_init);
	for (size_t i = 0; i < count; i++)
		present[i] = values[i] ? values[i] : "";
	hash = values_hash(present, count);
	pthread_mutex_lock(&family->lock);
	cell = family_find(family, hash, present, count);
	if (!cell)
		cell = family_add_clean(family, descriptions[id].type, present, count);
	pthread_mutex_unlock(&family->lock);
	return cell;
}

static double bits_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t double_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void bits_add(_Atomic uint64_t *bits, double amount)
{
	uint64_t old = atomic_load_explicit(bits, memory_order_relaxed), new;

	do {
		new = double_bits(bits_double(old) + amount);
	} while (!atomic_compare_exchange_weak_explicit(bits, &old, new, memory_order_relaxed,
		memory_order_relaxed));
}

/* A counter only rises: what is negative or no number is dropped, never subtracted. */
void metric_cell_add(struct metric_cell *cell, double amount)
{
	const double whole_max = 9007199254740992.0; /* 2^53 */

	if (cell->type != METRIC_COUNTER) {
		bits_add(&cell->bits, amount);
		return;
	}
	if (!(amount > 0))
		return;
	if (amount <= whole_max && (double)(uint64_t)amount == amount)
		atomic_fetch_add_explicit(&cell->whole, (uint64_t)amount, memory_order_relaxed);
	else
		bits_add(&cell->bits, amount);
}

void metric_cell_set(struct metric_cell *cell, double value)
{
	atomic_store_explicit(&cell->whole, 0, memory_order_relaxed);
	atomic_store_explicit(&cell->bits, double_bits(value), memory_order_relaxed);
}

/* NaN says nothing about a duration and would spoil the sum for good. */
void metric_cell_observe(struct metric_cell *cell, double value)
{
	size_t i = 0;

	CHECK(cell->buckets);
	if (value != value)
		return;
	while (i < METRIC_BOUND_COUNT && value > bounds[i])
		i++;
	atomic_fetch_add_explicit(&cell->buckets->counts[i], 1, memory_order_relaxed);
	bits_add(&cell->bits, value);
}

double metric_cell_sum(const struct metric_cell *cell)
{
	return (double)atomic_load_explicit(&cell->whole, memory_order_relaxed) +
		bits_double(atomic_load_explicit(&cell->bits, memory_order_relaxed));
}

double metric_cell_get(struct metric_cell *cell)
{
	uint64_t count = 0;

	if (cell->type != METRIC_HISTOGRAM)
		return metric_cell_sum(cell);
	for (size_t i = 0; i <= METRIC_BOUND_COUNT; i++)
		count += atomic_load_explicit(&cell->buckets->counts[i], memory_order_relaxed);
	return (double)count;
}

void metrics_clear(enum metric_id id)
{
	struct metric_family *family = &families[id];

	cell_zero(metric_single(id));
	pthread_mutex_lock(&family->lock);
	for (size_t i = 0; i < family->cell_count; i++) {
		struct metric_cell *cell = family->cells[i];

		mem_free(cell->bytes);
		cell->bytes = NULL;
		cell->next = family->spare;
		family->spare = cell;
	}
	family->cell_count = 0;
	family->cleared++;
	if (family->slots)
		memset(family->slots, 0, family->slot_count * sizeof(struct metric_cell *));
	pthread_mutex_unlock(&family->lock);
}

void metrics_reset(void)
{
	metrics_page_clock(NULL);
	for (int id = 0; id < METRIC_COUNT; id++) {
		struct metric_family *family = &families[id];

		metrics_clear((enum metric_id)id);
		pthread_mutex_lock(&family->lock);
		while (family->spare) {
			struct metric_cell *cell = family->spare;

			family->spare = cell->next;
			mem_free(cell);
		}
		mem_free(family->cells);
		mem_free(family->slots);
		family->cells = family->slots = NULL;
		family->slot_count = 0;
		atomic_store(&family->left_out, 0);
		pthread_mutex_unlock(&family->lock);
	}
}
