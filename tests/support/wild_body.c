#include "tests/support/wild_body.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remote_write/wire.h"

static struct random seeded;
static bool loose;

void wild_seed(uint64_t seed, bool loosely)
{
	random_init(&seeded, seed);
	loose = loosely;
}

uint64_t wild_below(uint64_t bound)
{
	return random_below(&seeded, bound);
}

bool wild_chance(unsigned percent)
{
	return random_below(&seeded, 100) < percent;
}

void wild_put(struct wild_body *body, const void *bytes, size_t size)
{
	CHECK(size <= sizeof(body->bytes) - body->size);
	if (size > 0)
		memcpy(body->bytes + body->size, bytes, size);
	body->size += size;
}

void wild_varint(struct wild_body *body, uint64_t value, unsigned bytes_max)
{
	uint8_t bytes[WIRE_VARINT_MAX + 1];
	size_t size = (size_t)(wire_put_varint(bytes, value) - bytes);

	if (loose && size < bytes_max && wild_chance(5)) {
		bytes[size - 1] |= 0x80;
		bytes[size++] = 0;
	}
	wild_put(body, bytes, size);
}

static void put_tag(struct wild_body *body, uint32_t field, unsigned type)
{
	wild_varint(body, (uint64_t)field << 3 | type, 5);
}

void wild_bytes(struct wild_body *body, uint32_t field, const void *bytes, size_t size)
{
	put_tag(body, field, WIRE_BYTES);
	wild_varint(body, size, 5);
	wild_put(body, bytes, size);
}

void wild_number(struct wild_body *body, uint32_t field, uint64_t value)
{
	put_tag(body, field, WIRE_VARINT);
	wild_varint(body, value, 10);
}

void wild_bits(struct wild_body *body, uint32_t field, uint64_t bits)
{
	put_tag(body, field, WIRE_FIXED64);
	for (unsigned i = 0; i < 8; i++)
		wild_put(body, &(uint8_t){(uint8_t)(bits >> (8 * i))}, 1);
}

uint64_t wild_any_number(void)
{
	switch (random_below(&seeded, 6)) {
	case 0:
		return 0;
	case 1:
		return random_below(&seeded, 200);
	case 2:
		return 1700000000000 + random_below(&seeded, 1000000);
	case 3:
		return (uint64_t) - (int64_t)random_below(&seeded, 100000);
	case 4:
		return UINT64_C(1) << random_below(&seeded, 64);
	default:
		return random_u64(&seeded);
	}
}

uint64_t wild_any_bits(void)
{
	static const double plain[] = {0, 1, -1, 0.5, 1e300};
	uint64_t bits;

	if (wild_chance(10))
		return UINT64_C(0x7ff0000000000002);
	if (wild_chance(30))
		return random_u64(&seeded);
	memcpy(&bits, &plain[random_below(&seeded, 5)], sizeof(bits));
	return bits;
}

/* An unknown field of this message: a number from 20 on, sometimes a large one. */
void wild_unknown(struct wild_body *body)
{
	uint32_t field = wild_chance(20) ? (uint32_t)random_below(&seeded, (1 << 29) - 100) + 50
					 : 20 + (uint32_t)random_below(&seeded, 30);

	switch (random_below(&seeded, 4)) {
	case 0:
		wild_number(body, field, wild_any_number());
		break;
	case 1:
		wild_bits(body, field, wild_any_bits());
		break;
	case 2:
		wild_bytes(body, field, "whatever", random_below(&seeded, 8));
		break;
	default:
		put_tag(body, field, WIRE_FIXED32);
		wild_put(body, "abcd", 4);
	}
}

void wild_text(struct wild_body *body, uint32_t field)
{
	uint8_t text[64];
	size_t size = random_below(&seeded, wild_chance(5) ? sizeof(text) : 12);

	for (size_t i = 0; i < size; i++)
		text[i] = wild_chance(90) ? (uint8_t)('a' + random_below(&seeded, 26))
					  : (uint8_t)random_u64(&seeded);
	wild_bytes(body, field, text, size);
}

void wild_message(struct wild_body *body, uint32_t field, wild_fill_fn *fill)
{
	struct wild_body *inside = mem_alloc(sizeof(*inside));
	unsigned fields = (unsigned)random_below(&seeded, 5);

	CHECK(inside != NULL);
	inside->size = 0;
	fill(inside, fields);
	wild_bytes(body, field, inside->bytes, inside->size);
	mem_free(inside);
}

static void fill_span(struct wild_body *body, unsigned fields)
{
	for (unsigned i = 0; i < fields; i++)
		wild_number(body, wild_chance(50) ? 1 : 2, wild_any_number());
}

/* Repeated numbers, in one block or one by one. */
void wild_numbers(struct wild_body *body, uint32_t field, bool doubles, uint64_t bound)
{
	struct wild_body *block = mem_alloc(sizeof(*block));
	unsigned count = (unsigned)random_below(&seeded, 5);
	bool packed = wild_chance(50);

	CHECK(block != NULL);
	block->size = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t number = bound > 0 ? random_below(&seeded, bound) : wild_any_number();
		if (!packed && doubles)
			wild_bits(body, field, number);
		else if (!packed)
			wild_number(body, field, number);
		else if (doubles)
			wild_put(block, &number, sizeof(number));
		else
			wild_varint(block, number, 10);
	}
	if (packed)
		wild_bytes(body, field, block->bytes, block->size);
	mem_free(block);
}

void wild_histogram(struct wild_body *body, unsigned fields, bool has_start)
{
	for (unsigned i = 0; i < fields * 3; i++) {
		uint32_t field = 1 + (uint32_t)random_below(&seeded, 17);
		switch (field) {
		case 2:
		case 3:
		case 5:
		case 7:
			wild_bits(body, field, wild_any_bits());
			break;
		case 8:
		case 11:
			wild_message(body, field, fill_span);
			break;
		case 9:
		case 12:
			wild_numbers(body, field, false, 0);
			break;
		case 10:
		case 13:
		case 16:
			wild_numbers(body, field, true, 0);
			break;
		case 17:
			if (has_start)
				wild_number(body, field, wild_any_number());
			else
				wild_unknown(body);
			break;
		default:
			wild_number(body, field, wild_any_number());
		}
	}
}

/* Flips, removes, inserts, repeats or cuts. */
void wild_mutate(struct wild_body *body)
{
	size_t at = random_below(&seeded, body->size);
	size_t count = 1 + random_below(&seeded, 4);

	if (count > body->size - at)
		count = body->size - at;
	switch (random_below(&seeded, 6)) {
	case 0:
		body->bytes[at] ^= (uint8_t)(1 << random_below(&seeded, 8));
		break;
	case 1:
		body->bytes[at] = (uint8_t)random_u64(&seeded);
		break;
	case 2:
		memmove(body->bytes + at, body->bytes + at + count, body->size - at - count);
		body->size -= count;
		break;
	case 3:
		memmove(body->bytes + at + count, body->bytes + at, body->size - at);
		body->size += count;
		break;
	case 4:
		body->size = at;
		break;
	default:
		body->bytes[at] |= 0x80;
	}
}
