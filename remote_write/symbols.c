/*
 * How a series of remote write 2.0 is found.
 *
 * Its label references say nothing from one request to the next: the table is built anew for each.
 * So each symbol is hashed once per request (XXH3, 128 bits, under the store's secret), and the key
 * of a series is the sum, over its places, of the symbol's hash times an odd factor that belongs to
 * the place, in two lanes of 64 bits. The factors come from the secret too and are the same for all
 * threads. The sum is uniform because the hashes are; that two different lists meet in it takes the
 * difference of their products to be zero in both lanes, which nobody can prepare who does not know
 * the secret. The list of texts, not of references, decides: a table with repeated symbols or in
 * another order gives the same keys.
 *
 * Measured against writing each series out as its 1.0 bytes and hashing those, and against XXH3 over
 * the hashes of the symbols (bench_ingest, "the same and key ..."): see docs/remote-write.md. The
 * key is thus not the one of the same series by remote write 1.0; the store takes it as an alias of
 * the series, which the canonical labels decide.
 */
#include "remote_write/symbols.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

/* A table larger than this is not kept for the next request. */
#define KEEP_MAX ((uint32_t)1 << 16)
#define FIRST_CAPACITY 1024u

enum status symbols_init(struct symbols *symbols, const struct store *store, uint32_t symbol_max,
	uint32_t place_max, struct error *error)
{
	*symbols = (struct symbols){.symbol_max = symbol_max, .place_max = place_max};
	symbols->factors = mem_zalloc(place_max, sizeof(*symbols->factors));
	if (symbols->factors == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu32 " references",
			place_max);
	for (uint32_t i = 0; i < place_max; i++) {
		char name[32];
		int size = snprintf(name, sizeof(name), "place %" PRIu32, i);
		symbols->factors[i] = store_key_of(store, name, (size_t)size);
		symbols->factors[i].low |= 1;
		symbols->factors[i].high |= 1;
	}
	return STATUS_OK;
}

static void give_arrays(struct symbols *symbols)
{
	mem_free(symbols->keys);
	mem_free(symbols->texts);
	symbols->keys = NULL;
	symbols->texts = NULL;
	symbols->capacity = 0;
}

void symbols_fini(struct symbols *symbols)
{
	give_arrays(symbols);
	mem_free(symbols->factors);
	*symbols = (struct symbols){.keys = NULL};
}

void symbols_reset(struct symbols *symbols)
{
	symbols->count = 0;
	symbols->overflow = false;
	if (symbols->capacity > KEEP_MAX)
		give_arrays(symbols);
}

static enum status grow(struct symbols *symbols)
{
	uint32_t capacity = symbols->capacity == 0 ? FIRST_CAPACITY : symbols->capacity * 2;
	struct store_key *keys;
	struct symbol *texts;

	if (capacity > symbols->symbol_max)
		capacity = symbols->symbol_max;
	keys = mem_resize(symbols->keys, capacity, sizeof(*keys));
	if (keys == NULL)
		return STATUS_NO_MEMORY;
	symbols->keys = keys;
	texts = mem_resize(symbols->texts, capacity, sizeof(*texts));
	if (texts == NULL)
		return STATUS_NO_MEMORY;
	symbols->texts = texts;
	symbols->capacity = capacity;
	return STATUS_OK;
}

enum status symbols_add(struct symbols *symbols, const struct store *store, const struct wire *text)
{
	size_t size = wire_left(text);

	if (symbols->count == symbols->symbol_max) {
		symbols->overflow = true;
		return STATUS_OK;
	}
	if (symbols->count == symbols->capacity && grow(symbols) != STATUS_OK)
		return STATUS_NO_MEMORY;
	symbols->keys[symbols->count] = store_key_of(store, text->at, size);
	symbols->texts[symbols->count] = (struct symbol){(const char *)text->at, (uint32_t)size};
	symbols->count++;
	return STATUS_OK;
}

static inline void add_places(const struct symbols *symbols, const uint32_t *references,
	uint32_t count, const struct store_key *factors, struct store_key *key)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct store_key *symbol = &symbols->keys[references[i]];
		key->low += symbol->low * factors[i].low;
		key->high += symbol->high * factors[i].high;
	}
}

struct store_key symbols_key(const struct symbols *symbols, const uint32_t *references,
	uint32_t count, uint32_t skip)
{
	struct store_key key = {0, 0};

	CHECK(count <= symbols->place_max);
	if (skip >= count) {
		add_places(symbols, references, count, symbols->factors, &key);
		return key;
	}
	add_places(symbols, references, skip, symbols->factors, &key);
	add_places(symbols, references + skip + 2, count - skip - 2, symbols->factors + skip, &key);
	return key;
}
