/*
 * The decoder of snappy elements against libsnappy: the same bytes or the same refusal, in each
 * variant, with buffers of exactly the promised sizes, so that AddressSanitizer sees the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "base/random.h"
#include "remote_write/snappy_decode.h"

#define ELEMENTS_BYTES_MAX 4096
#define PREAMBLE_BYTES 5
#define SEEDS 10000

struct block {
	uint8_t preamble[PREAMBLE_BYTES]; /* as long as it can be, so that it never moves */
	uint8_t elements[ELEMENTS_BYTES_MAX];
	size_t size;    /* of the elements */
	size_t decoded; /* what they make, if they are good */
};

static void put(struct block *block, unsigned byte)
{
	assert_true(block->size < ELEMENTS_BYTES_MAX);
	block->elements[block->size++] = (uint8_t)byte;
}

static void put_bytes(struct block *block, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put(block, i < sizeof(value) ? (unsigned)(value >> (8 * i) & 0xff) : 0);
}

static void put_literal(struct block *block, struct random *random, size_t length)
{
	size_t bytes = length <= 60 ? 0 : length <= 256 ? 1 : 2;

	put(block, (unsigned)(bytes == 0 ? length - 1 : 59 + bytes) << 2);
	put_bytes(block, length - 1, bytes);
	for (size_t i = 0; i < length; i++)
		put(block, (unsigned)random_below(random, 256));
	block->decoded += length;
}

/* Offsets are mostly good and often short, where copies overlap. */
static void put_copy(struct block *block, struct random *random, unsigned kind)
{
	size_t length = kind == 1 ? 4 + random_below(random, 8) : 1 + random_below(random, 64);
	size_t most = random_below(random, 3) == 0 ? 40 : block->decoded;
	size_t offset = 1 + random_below(random, most < block->decoded ? most : block->decoded);

	if (kind == 1 && offset > 2047)
		offset = 2047;
	if (kind == 1) {
		put(block, (unsigned)(offset >> 8 << 5 | (length - 4) << 2 | 1));
		put(block, offset & 0xff);
	} else {
		put(block, (unsigned)((length - 1) << 2 | kind));
		put_bytes(block, offset, kind == 2 ? 2 : 4);
	}
	block->decoded += length;
}

static void make_block(struct block *block, struct random *random)
{
	size_t count = 1 + random_below(random, random_below(random, 4) == 0 ? 60 : 6);

	block->size = block->decoded = 0;
	put_literal(block, random, 1 + random_below(random, 100));
	while (count-- > 0 && block->size + 400 < ELEMENTS_BYTES_MAX) {
		unsigned kind = (unsigned)random_below(random, 4);
		if (kind == 0)
			put_literal(block, random,
				1 + random_below(random, random_below(random, 5) == 0 ? 300 : 20));
		else
			put_copy(block, random, kind);
	}
}

/* Whether libsnappy takes it as a block of this decoded size, and what it makes. */
static bool reference(struct block *block, size_t size, size_t decoded, uint8_t *out)
{
	size_t made = decoded;

	for (size_t i = 0; i < PREAMBLE_BYTES; i++)
		block->preamble[i] = (uint8_t)((decoded >> (7 * i) & 0x7f) |
			(i + 1 < PREAMBLE_BYTES ? 0x80 : 0));
	return snappy_uncompress((const char *)block->preamble, PREAMBLE_BYTES + size, (char *)out,
		       &made) == SNAPPY_OK;
}

/* One of the ways to the bytes. */
struct variant {
	bool (*more)(struct snappy_stream *stream, size_t until);
	bool mixed, parts;
};

/* Whole, or in parts of all sizes, of which nothing may change any more once it is there. */
static bool decode(const struct variant *variant, const uint8_t *in, size_t in_size, uint8_t *out,
	size_t out_size)
{
	struct snappy_stream stream = snappy_stream_of(in, in_size, out, out_size);
	uint8_t *seen = malloc(out_size + 1);
	size_t ready = 0, part = variant->parts ? in_size % 97 : out_size + 1;
	bool good = true;

	assert_non_null(seen);
	stream.mixed = variant->mixed;
	while (good && !stream.done) {
		good = variant->more(&stream, ready + part);
		assert_true(
			!good || stream.done || (size_t)(stream.cursor.out - out) >= ready + part);
		assert_memory_equal(seen, out, ready);
		if (good)
			ready = (size_t)(stream.cursor.out - out);
		assert_true(ready <= out_size);
		memcpy(seen, out, ready);
		part = part * 5 % 211 + 1;
	}
	free(seen);
	return good;
}

static void assert_same(struct block *block, size_t size, size_t decoded)
{
	static const struct variant variants[] = {
		{snappy_stream_more, false, false},
		{snappy_stream_more, false, true},
		{snappy_stream_more, true, false},
		{snappy_stream_more, true, true},
		{snappy_stream_more_plain, false, false},
		{snappy_stream_more_plain, true, true},
	};
	uint8_t *expected = malloc(decoded + 1);
	bool good;

	_Static_assert(offsetof(struct block, elements) == PREAMBLE_BYTES, "they are one block");
	assert_non_null(expected);
	good = reference(block, size, decoded, expected);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		uint8_t *in = malloc(size == 0 ? 1 : size);
		uint8_t *out = malloc(decoded + SNAPPY_SLOP);

		assert_non_null(in);
		assert_non_null(out);
		memcpy(in, block->elements, size);
		assert_int_equal(decode(&variants[i], in, size, out, decoded), good);
		if (good)
			assert_memory_equal(out, expected, decoded);
		free(in);
		free(out);
	}
	free(expected);
}

static void well_formed_blocks_give_the_same_bytes(void **state)
{
	struct random random;
	struct block block;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		random_init(&random, seed);
		make_block(&block, &random);
		assert_same(&block, block.size, block.decoded);
	}
}

static void damaged_blocks_get_the_same_answer(void **state)
{
	struct random random;
	struct block block;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		random_init(&random, seed);
		make_block(&block, &random);
		for (int bits = 0; bits < 3; bits++) {
			size_t at = random_below(&random, block.size);
			block.elements[at] ^= (uint8_t)(1u << random_below(&random, 8));
			assert_same(&block, block.size, block.decoded);
		}
		assert_same(&block, block.size, random_below(&random, 2 * block.decoded));
	}
}

static void a_block_cut_off_anywhere_gets_the_same_answer(void **state)
{
	struct random random;
	struct block block;

	for (uint64_t seed = 0; seed < 100; seed++) {
		random_init(&random, seed);
		make_block(&block, &random);
		for (size_t size = 0; size < block.size; size++)
			assert_same(&block, size, block.decoded);
	}
}

/* Zeros behind the end would be a literal of one byte. */
static void the_end_is_not_read_beyond(void **state)
{
	struct block block = {.size = 0};
	static const char text[] = "\x08"
				   "abc";

	memcpy(block.elements, text, 4);
	assert_true(snappy_decode(block.elements, 4, (uint8_t[3 + SNAPPY_SLOP]){0}, 3));
	assert_false(snappy_decode(block.elements, 4, (uint8_t[4 + SNAPPY_SLOP]){0}, 4));
	assert_false(snappy_decode(block.elements, 3, (uint8_t[3 + SNAPPY_SLOP]){0}, 3));
}

static void any_tag_gets_the_same_answer(void **state)
{
	struct random random;
	struct block block;

	random_init(&random, 1);
	for (unsigned tag = 0; tag < 256; tag++) {
		for (unsigned byte = 0; byte < 256; byte += 5) {
			for (size_t decoded = 30; decoded < 140; decoded += 11) {
				block.size = block.decoded = 0;
				put_literal(&block, &random, 30);
				put(&block, tag);
				put(&block, byte);
				put_bytes(&block, 0, byte % 70);
				assert_same(&block, block.size, decoded);
			}
		}
	}
}

static void the_longest_lengths_get_the_same_answer(void **state)
{
	struct random random;
	struct block block;

	random_init(&random, 1);
	for (uint32_t length = UINT32_MAX - 3; length != 4; length++) {
		block.size = block.decoded = 0;
		put_literal(&block, &random, 5);
		put(&block, 63 << 2);
		put_bytes(&block, length, 4);
		put_bytes(&block, 0, 3);
		for (size_t decoded = 4; decoded < 10; decoded++) {
			assert_same(&block, block.size, decoded);
			assert_same(&block, block.size - 3, decoded);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_blocks_give_the_same_bytes),
		cmocka_unit_test(damaged_blocks_get_the_same_answer),
		cmocka_unit_test(a_block_cut_off_anywhere_gets_the_same_answer),
		cmocka_unit_test(the_end_is_not_read_beyond),
		cmocka_unit_test(any_tag_gets_the_same_answer),
		cmocka_unit_test(the_longest_lengths_get_the_same_answer),
	};

	return cmocka_run_group_tests_name("snappy_decode", tests, NULL, NULL);
}
