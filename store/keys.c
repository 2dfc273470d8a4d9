#include "store/keys.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define PAGE_SIZE 4096u
#define PAGE_SLOTS ((uint32_t)KEYS_PAGE_MAX)
#define PAGE_SPLIT_AT 204u
#define FIND_TRIES 4
#define FIND_AHEAD 16u /* a power of two */

/* Second word: the number plus one above, 32 bits of key.low below; 0 is an empty slot. */
struct key_slot {
	_Atomic uint64_t high, low;
};

struct page {
	uint16_t depth, used; /* writer's own */
	uint32_t spare[3];
	struct key_slot slots[PAGE_SLOTS];
};

_Static_assert(sizeof(struct page) == PAGE_SIZE, "a page is a cell");

static inline uint64_t word_load(const _Atomic uint64_t *word)
{
	/* Acquire, so that the check of the sequence cannot move before it. Free on x86. */
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline void word_store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

static inline uint32_t directory_index(uint64_t high, uint32_t depth)
{
	return (uint32_t)(high >> 1 >> (63 - depth));
}

static inline uint32_t slot_index(uint64_t low)
{
	return (uint32_t)(((low & 0xff) * PAGE_SLOTS) >> 8);
}

static inline struct page *page_of(const struct key_table *table, uint64_t high)
{
	uint32_t depth = atomic_load_explicit(&table->depth, memory_order_acquire);
	uint32_t handle = atomic_load_explicit(&table->directory[directory_index(high, depth)],
		memory_order_acquire);

	return slab_at(table->slabs, handle);
}

static uint64_t sequence_begin(struct key_table *table)
{
	uint64_t sequence = atomic_load_explicit(&table->sequence, memory_order_relaxed);

	atomic_store_explicit(&table->sequence, sequence + 1, memory_order_relaxed);
	return sequence + 2;
}

static void sequence_end(struct key_table *table, uint64_t sequence)
{
	atomic_store_explicit(&table->sequence, sequence, memory_order_release);
}

static void page_clear(struct page *page, uint16_t depth)
{
	page->depth = depth;
	page->used = 0;
	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		word_store(&page->slots[i].low, 0);
		word_store(&page->slots[i].high, 0);
	}
}

enum status keys_init(struct key_table *table, struct slabs *slabs, uint32_t key_max)
{
	uint32_t depth = 1;
	uint32_t handle;

	memset(table, 0, sizeof(*table));
	table->slabs = slabs;
	table->key_max = key_max;
	/* Pages are at least two fifths full on average; two bits more for uneven splits. */
	while (depth < 24 && (uint64_t)(PAGE_SPLIT_AT / 2) << depth < key_max)
		depth++;
	table->depth_max = depth + 2;
	cell_pool_init(&table->pages, slabs, PAGE_SIZE);
	atomic_init(&table->sequence, 0);
	atomic_init(&table->depth, 0);
	table->directory = mem_zalloc((size_t)1 << table->depth_max, sizeof(*table->directory));
	if (table->directory == NULL)
		return STATUS_NO_MEMORY;
	handle = cell_take(&table->pages, 0);
	if (handle == 0) {
		keys_fini(table);
		return STATUS_NO_MEMORY;
	}
	page_clear(slab_at(slabs, handle), 0);
	atomic_store_explicit(&table->directory[0], handle, memory_order_release);
	return STATUS_OK;
}

void keys_fini(struct key_table *table)
{
	mem_free(table->directory);
	memset(table, 0, sizeof(*table));
}

size_t keys_fixed_bytes(const struct key_table *table)
{
	return sizeof(*table->directory) << table->depth_max;
}

static uint32_t page_find(const struct page *page, struct store_key key)
{
	uint32_t at = slot_index(key.low);

	for (uint32_t probes = 0; probes < PAGE_SLOTS; probes++) {
		uint64_t low = word_load(&page->slots[at].low);

		if (low == 0)
			return KEYS_NONE;
		if ((uint32_t)low == (uint32_t)key.low &&
			word_load(&page->slots[at].high) == key.high)
			return (uint32_t)(low >> 32) - 1;
		at = at + 1 == PAGE_SLOTS ? 0 : at + 1;
	}
	return KEYS_NONE;
}

void keys_expect(const struct key_table *table, struct store_key key)
{
	const struct page *page = page_of(table, key.high);

	__builtin_prefetch(page, 1);
	__builtin_prefetch(&page->slots[slot_index(key.low)], 1);
}

uint32_t keys_find(const struct key_table *table, struct store_key key)
{
	for (int i = 0; i < FIND_TRIES; i++) {
		uint64_t sequence = atomic_load_explicit(&table->sequence, memory_order_acquire);
		uint32_t number = page_find(page_of(table, key.high), key);

		if (atomic_load_explicit(&table->sequence, memory_order_relaxed) == sequence &&
			(sequence & 1) == 0)
			return number;
	}
	return KEYS_NONE;
}

/* Where to look for a key; it is on its way into the cache. */
static inline const struct page *page_expect(const struct key_table *table, struct store_key key)
{
	const struct page *page = page_of(table, key.high);

	__builtin_prefetch(&page->slots[slot_index(key.low)]);
	return page;
}

/* Each key is looked for when the one FIND_AHEAD places behind it is fetched, so that as many misses are
 * always on their way. */
void keys_find_many(const struct key_table *table, const struct store_key *keys, size_t count,
	uint32_t *numbers)
{
	uint64_t sequence = atomic_load_explicit(&table->sequence, memory_order_acquire);
	const struct page *pages[FIND_AHEAD];
	size_t fetched = 0;

	for (; fetched < count && fetched < FIND_AHEAD; fetched++)
		pages[fetched] = page_expect(table, keys[fetched]);
	for (size_t i = 0; i < count; i++) {
		const struct page *page = pages[i % FIND_AHEAD];

		if (fetched < count)
			pages[i % FIND_AHEAD] = page_expect(table, keys[fetched++]);
		numbers[i] = page_find(page, keys[i]);
		/* What is not there will be put there. */
		if (numbers[i] == KEYS_NONE)
			__builtin_prefetch(page, 1);
	}
	if (atomic_load_explicit(&table->sequence, memory_order_relaxed) == sequence &&
		(sequence & 1) == 0)
		return;
	/* The table changed under us: one by one. */
	for (size_t i = 0; i < count; i++)
		numbers[i] = keys_find(table, keys[i]);
}

/* Room is the caller's promise. high before low: a reader trusts the slot once low is there. */
static void page_put(struct page *page, uint64_t high, uint64_t low)
{
	uint32_t at = slot_index(low);

	CHECK(page->used < PAGE_SLOTS);
	while (word_load(&page->slots[at].low) != 0)
		at = at + 1 == PAGE_SLOTS ? 0 : at + 1;
	word_store(&page->slots[at].high, high);
	word_store(&page->slots[at].low, low);
	page->used++;
}

static void directory_double(struct key_table *table)
{
	uint32_t depth = atomic_load_explicit(&table->depth, memory_order_relaxed);

	for (uint32_t i = (1u << depth) - 1;; i--) {
		uint32_t handle = atomic_load_explicit(&table->directory[i], memory_order_relaxed);

		atomic_store_explicit(&table->directory[2 * i + 1], handle, memory_order_release);
		atomic_store_explicit(&table->directory[2 * i], handle, memory_order_release);
		if (i == 0)
			break;
	}
	atomic_store_explicit(&table->depth, depth + 1, memory_order_release);
}

/* Splits the page of `high` by the next bit of its keys. false when memory is out or the
 * directory is at its end; then nothing has changed. */
static bool page_split(struct key_table *table, uint64_t high)
{
	struct page *page = page_of(table, high);
	uint32_t depth = atomic_load_explicit(&table->depth, memory_order_relaxed);
	uint32_t own = page->depth;
	uint32_t handle, first, span;
	struct page *upper;
	struct page old;
	uint64_t sequence;

	if (own == table->depth_max)
		return false;
	handle = cell_take(&table->pages, 0);
	if (handle == 0)
		return false;
	upper = slab_at(table->slabs, handle);
	memcpy(&old, page, sizeof(old));
	sequence = sequence_begin(table);
	if (own == depth) {
		directory_double(table);
		depth++;
	}
	page_clear(page, (uint16_t)(own + 1));
	page_clear(upper, (uint16_t)(own + 1));
	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		uint64_t slot_high = old.slots[i].high;

		if (old.slots[i].low != 0)
			page_put(slot_high >> (63 - own) & 1 ? upper : page, slot_high,
				old.slots[i].low);
	}
	span = 1u << (depth - own - 1);
	first = (directory_index(high, depth) & ~(2 * span - 1)) + span;
	for (uint32_t i = first; i < first + span; i++)
		atomic_store_explicit(&table->directory[i], handle, memory_order_release);
	sequence_end(table, sequence);
	return true;
}

bool keys_reserve(struct key_table *table, struct store_key key)
{
	struct page *page = page_of(table, key.high);

	if (table->count >= table->key_max)
		return false;
	while (page->used >= PAGE_SPLIT_AT) {
		/* A page that cannot split is filled up, less one slot that ends the probing. */
		if (!page_split(table, key.high))
			return page->used < PAGE_SLOTS - 1;
		page = page_of(table, key.high);
	}
	return true;
}

void keys_put(struct key_table *table, struct store_key key, uint32_t number)
{
	CHECK(number != KEYS_NONE);
	page_put(page_of(table, key.high), key.high,
		(uint64_t)(number + 1) << 32 | (uint32_t)key.low);
	table->count++;
}

bool keys_insert(struct key_table *table, struct store_key key, uint32_t number)
{
	if (!keys_reserve(table, key))
		return false;
	keys_put(table, key, number);
	return true;
}

/* Rebuilds a page without the slots that are gone. */
static uint32_t page_filter(struct key_table *table, struct page *page, keys_gone_fn *gone,
	void *argument)
{
	struct page old;
	uint64_t sequence;
	uint32_t removed = 0;

	memcpy(&old, page, sizeof(old));
	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		uint64_t low = old.slots[i].low;

		if (low != 0 && gone(argument, (uint32_t)(low >> 32) - 1)) {
			old.slots[i].low = 0;
			removed++;
		}
	}
	if (removed == 0)
		return 0;
	sequence = sequence_begin(table);
	page_clear(page, old.depth);
	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		if (old.slots[i].low != 0)
			page_put(page, old.slots[i].high, old.slots[i].low);
	}
	sequence_end(table, sequence);
	table->count -= removed;
	return removed;
}

bool keys_remove(struct key_table *table, struct store_key key)
{
	struct page *page = page_of(table, key.high);
	uint32_t at = slot_index(key.low);
	uint32_t hole;
	uint64_t low, sequence;

	while ((low = word_load(&page->slots[at].low)) != 0 &&
		((uint32_t)low != (uint32_t)key.low ||
			word_load(&page->slots[at].high) != key.high))
		at = at + 1 == PAGE_SLOTS ? 0 : at + 1;
	if (low == 0)
		return false;
	/* Backward shift (Knuth, TAOCP volume 3, section 6.4, algorithm R). */
	sequence = sequence_begin(table);
	hole = at;
	for (;;) {
		at = at + 1 == PAGE_SLOTS ? 0 : at + 1;
		low = word_load(&page->slots[at].low);
		if (low == 0)
			break;
		if ((at + PAGE_SLOTS - slot_index(low)) % PAGE_SLOTS >=
			(at + PAGE_SLOTS - hole) % PAGE_SLOTS) {
			word_store(&page->slots[hole].high, word_load(&page->slots[at].high));
			word_store(&page->slots[hole].low, low);
			hole = at;
		}
	}
	word_store(&page->slots[hole].low, 0);
	page->used--;
	table->count--;
	sequence_end(table, sequence);
	return true;
}

/* Moves the cursor behind the page: it holds all keys with the first page->depth bits of the cursor.
 * false when it was the last one. */
static bool cursor_advance(const struct page *page, uint64_t *cursor)
{
	uint64_t next;

	if (page->depth == 0)
		return false;
	next = ((*cursor >> (64 - page->depth)) + 1) << (64 - page->depth);
	if (next == 0)
		return false;
	*cursor = next;
	return true;
}

bool keys_sweep_page(struct key_table *table, uint64_t *cursor, keys_gone_fn *gone, void *argument)
{
	struct page *page = page_of(table, *cursor);

	(void)page_filter(table, page, gone, argument);
	return cursor_advance(page, cursor);
}

bool keys_walk_page(const struct key_table *table, uint64_t *cursor, keys_each_fn *each,
	void *argument)
{
	const struct page *page = page_of(table, *cursor);

	for (uint32_t i = 0; i < PAGE_SLOTS; i++) {
		uint64_t low = word_load(&page->slots[i].low);

		if (low != 0)
			each(argument,
				(struct store_key){(uint32_t)low, word_load(&page->slots[i].high)},
				(uint32_t)(low >> 32) - 1);
	}
	return cursor_advance(page, cursor);
}
