/*
 * Snappy blocks: what is decoded, what is refused, and that a claim takes no memory before it is
 * believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "base/mem.h"
#include "base/random.h"
#include "remote_write/snappy_body.h"
#include "tests/support/write_body.h"

#define DECODED_MAX ((uint64_t)1 << 20)

static struct snappy_body body;
static struct write_body block;
static struct error error;

static int setup(void **state)
{
	snappy_body_init(&body);
	write_body_reset(&block);
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	snappy_body_fini(&body);
	return 0;
}

static enum status decode(void)
{
	void *copy = mem_alloc(block.size);
	enum status status;

	assert_non_null(copy);
	memcpy(copy, block.bytes, block.size);
	error_reset(&error);
	status = snappy_body_decode(&body, copy, block.size, DECODED_MAX, &error);
	mem_free(copy);
	assert_int_equal(status, error.code);
	assert_true(status == STATUS_OK || body.size == 0);
	return status;
}

static enum status decode_hex(const char *hex)
{
	write_body_reset(&block);
	write_body_hex(&block, hex);
	return decode();
}

static void assert_says(const char *part)
{
	if (strstr(error.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
}

static void overlapping_copies_repeat_what_they_wrote(void **state)
{
	assert_int_equal(decode_hex("0c 08 616263 15 03"), STATUS_OK);
	assert_int_equal(body.size, 12);
	assert_memory_equal(body.bytes, "abcabcabcabc", 12);
	/* A copy with a 2-byte offset, of 64 bytes, from the byte before. */
	assert_int_equal(decode_hex("41 00 78 fe 01 00"), STATUS_OK);
	assert_int_equal(body.size, 65);
	assert_int_equal(body.bytes[64], 'x');
}

static void an_empty_message_is_one_zero_byte(void **state)
{
	assert_int_equal(decode_hex("00"), STATUS_OK);
	assert_int_equal(body.size, 0);
	assert_int_equal(decode_hex(""), STATUS_BAD_INPUT);
	assert_says("empty");
}

static void malformed_blocks_are_refused(void **state)
{
	static const char *const blocks[] = {
		"03 08 6162",           /* literal cut off */
		"04 08 616263",         /* fewer bytes than claimed */
		"02 08 616263",         /* more bytes than claimed */
		"07 08 616263 01 00",   /* copy from offset 0 */
		"07 08 616263 01 04",   /* copy from before the start */
		"07 08 616263 02 ff",   /* offset cut off */
		"04 01 01",             /* a copy as the first element */
		"01 f4 00",             /* length of a literal cut off */
		"00 00 61",             /* bytes after an empty message */
		"80 80 80 80 10 00",    /* length past 32 bits */
		"80 80 80 80 80 80 00", /* length in too many bytes */
		"80",                   /* length cut off */
		"03 08 616263 00",      /* a literal cut off at the end */
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (decode_hex(blocks[i]) != STATUS_BAD_INPUT)
			fail_msg("taken: %s", blocks[i]);
		assert_says("not a snappy block");
	}
}

static void the_framed_format_is_told_by_name(void **state)
{
	assert_int_equal(decode_hex("ff 06 00 00 73 4e 61 50 70 59 01 02"), STATUS_BAD_INPUT);
	assert_says("framed");
}

static void a_claim_costs_nothing_before_it_is_believed(void **state)
{
	static const struct {
		const char *hex;
		enum status status;
	} claims[] = {
		{"ff ff ff ff 0f 00", STATUS_LIMIT},        /* 4 GiB in six bytes */
		{"81 80 40 08 61 62 63", STATUS_LIMIT},     /* one more than the limit */
		{"80 80 40 08 61 62 63", STATUS_BAD_INPUT}, /* the limit, in seven bytes */
		{"41 00 78", STATUS_BAD_INPUT},             /* 65 bytes in two */
	};

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		write_body_reset(&block);
		write_body_hex(&block, claims[i].hex);
		mem_fail_after(1, true);
		assert_int_equal(snappy_body_decode(&body, block.bytes, block.size, DECODED_MAX,
					 &error),
			claims[i].status);
		assert_false(mem_fail_after(0, false));
		assert_null(body.bytes);
	}
	assert_says("cannot hold");
}

static void the_densest_block_is_believed(void **state)
{
	/* One literal byte, then copies of 64 bytes from 3: the most that n bytes can hold. */
	write_body_hex(&block, "c1 38 00 78");
	for (int i = 0; i < 113; i++)
		write_body_hex(&block, i < 112 ? "fe 01 00" : "");
	block.bytes[0] = 0x81; /* 1 + 64 * 112 = 7169 = 0x1c01 */
	assert_int_equal(decode(), STATUS_OK);
	assert_int_equal(body.size, 7169);
}

static void no_memory_is_an_answer_and_the_next_block_is_taken(void **state)
{
	write_body_hex(&block, "0c 08 616263 15 03");
	mem_fail_after(1, false);
	assert_int_equal(snappy_body_decode(&body, block.bytes, block.size, DECODED_MAX, &error),
		STATUS_NO_MEMORY);
	assert_true(mem_fail_after(0, false));
	assert_int_equal(decode(), STATUS_OK);
	/* The buffer is kept: the same again needs no memory. */
	mem_fail_after(1, true);
	assert_int_equal(snappy_body_decode(&body, block.bytes, block.size, DECODED_MAX, &error),
		STATUS_OK);
	assert_false(mem_fail_after(0, false));
	snappy_body_trim(&body, 0);
	assert_null(body.bytes);
}

static void what_libsnappy_makes_is_decoded(void **state)
{
	static char text[200000], packed[300000];
	struct random random;

	random_init(&random, 4);
	for (size_t size = 0; size < sizeof(text); size = size * 3 + 1) {
		size_t packed_size = sizeof(packed);
		for (size_t i = 0; i < size; i++)
			text[i] = (char)('a' + random_below(&random, 1 + size % 7));
		assert_int_equal(snappy_compress(text, size, packed, &packed_size), SNAPPY_OK);
		assert_int_equal(snappy_body_decode(&body, packed, packed_size, DECODED_MAX,
					 &error),
			STATUS_OK);
		assert_int_equal(body.size, size);
		assert_memory_equal(body.bytes, text, size);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(overlapping_copies_repeat_what_they_wrote),
		TEST(an_empty_message_is_one_zero_byte),
		TEST(malformed_blocks_are_refused),
		TEST(the_framed_format_is_told_by_name),
		TEST(a_claim_costs_nothing_before_it_is_believed),
		TEST(the_densest_block_is_believed),
		TEST(no_memory_is_an_answer_and_the_next_block_is_taken),
		TEST(what_libsnappy_makes_is_decoded),
	};

	return cmocka_run_group_tests_name("snappy_body", tests, NULL, NULL);
}
