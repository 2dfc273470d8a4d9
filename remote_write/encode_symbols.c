#include "remote_write/encode_symbols.h"

#include <string.h>

#include "base/mem.h"
#include "remote_write/wire.h"

#define TAG_SYMBOL ((uint8_t)(4 << 3 | 2))
#define FIRST_PLACES 1024u

/* An empty place has the number 0, which is the empty text and never looked up here. */
struct encode_place {
	uint32_t hash, number;
	size_t at; /* of the text, in fields */
	size_t size;
};

void encode_symbols_init(struct encode_symbols *symbols, size_t fields_max)
{
	*symbols = (struct encode_symbols){.places = NULL};
	buf_init(&symbols->fields, fields_max);
}

void encode_symbols_fini(struct encode_symbols *symbols)
{
	buf_fini(&symbols->fields);
	mem_free(symbols->places);
	*symbols = (struct encode_symbols){.places = NULL};
}

void encode_symbols_reset(struct encode_symbols *symbols)
{
	buf_reset(&symbols->fields);
	symbols->count = 0;
	if (symbols->places != NULL)
		memset(symbols->places, 0, symbols->place_count * sizeof(*symbols->places));
}

size_t encode_symbols_size(size_t text_size)
{
	return 1 + wire_varint_size(text_size) + text_size;
}

/* FNV-1a. What is hashed is our own. */
static uint32_t hash_text(const char *text, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

/* The place of the text, or the empty one where it would be. */
static struct encode_place *find_place(const struct encode_symbols *symbols, const char *text,
	size_t size, uint32_t hash)
{
	uint32_t mask = symbols->place_count - 1;

	for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
		struct encode_place *place = &symbols->places[i];
		if (place->number == 0 ||
			(place->hash == hash && place->size == size &&
				memcmp(symbols->fields.data + place->at, text, size) == 0))
			return place;
	}
}

/* Twice as many places. */
static enum status grow(struct encode_symbols *symbols)
{
	uint32_t old_count = symbols->place_count;
	uint32_t count = old_count == 0 ? FIRST_PLACES : old_count * 2;
	struct encode_place *old = symbols->places;
	struct encode_place *places = mem_zalloc(count, sizeof(*places));

	if (places == NULL)
		return STATUS_NO_MEMORY;
	symbols->places = places;
	symbols->place_count = count;
	for (uint32_t i = 0; i < old_count; i++) {
		uint32_t at = old[i].hash & (count - 1);
		while (old[i].number != 0 && places[at].number != 0)
			at = (at + 1) & (count - 1);
		if (old[i].number != 0)
			places[at] = old[i];
	}
	mem_free(old);
	return STATUS_OK;
}

static enum status add_field(struct encode_symbols *symbols, const char *text, size_t size)
{
	uint8_t *start = (uint8_t *)buf_reserve(&symbols->fields, encode_symbols_size(size));
	uint8_t *at = start;

	if (at == NULL)
		return STATUS_NO_MEMORY;
	*at++ = TAG_SYMBOL;
	at = wire_put_varint(at, size);
	if (size > 0)
		memcpy(at, text, size);
	symbols->fields.size += encode_symbols_size(size);
	symbols->fields.data[symbols->fields.size] = '\0';
	symbols->count++;
	return STATUS_OK;
}

enum status encode_symbols_number(struct encode_symbols *symbols, const char *text, size_t size,
	uint32_t *number)
{
	uint32_t hash = hash_text(text, size);
	struct encode_place *place;

	*number = 0;
	if ((symbols->count == 0 && add_field(symbols, "", 0) != STATUS_OK) ||
		(symbols->count >= symbols->place_count / 2 && grow(symbols) != STATUS_OK))
		return STATUS_NO_MEMORY;
	if (size == 0)
		return STATUS_OK;
	place = find_place(symbols, text, size, hash);
	if (place->number == 0) {
		*number = symbols->count;
		if (add_field(symbols, text, size) != STATUS_OK)
			return STATUS_NO_MEMORY;
		*place = (struct encode_place){
			.hash = hash,
			.number = *number,
			.at = symbols->fields.size - size,
			.size = size,
		};
	}
	*number = place->number;
	return STATUS_OK;
}
