/*
 * The protobuf wire format, value by value: what is read, and where and why reading stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "remote_write/wire.h"
#include "tests/support/write_body.h"

static struct write_body bytes;

static struct wire wire_of_hex(const char *hex)
{
	write_body_reset(&bytes);
	write_body_hex(&bytes, hex);
	return wire_of(bytes.bytes, bytes.size);
}

static void varints_of_every_length_read_back(void **state)
{
	struct random random;

	random_init(&random, 5);
	for (int i = 0; i < 10000; i++) {
		uint64_t value = random_u64(&random) >> random_below(&random, 64), read;
		uint8_t room[WIRE_VARINT_MAX];
		size_t size = (size_t)(wire_put_varint(room, value) - room);
		struct wire wire = wire_of(room, size);
		assert_int_equal(size, wire_varint_size(value));
		assert_true(wire_varint(&wire, &read));
		assert_true(read == value && wire.at == wire.end);
		wire = wire_of(room, size - 1);
		assert_false(wire_varint(&wire, &read));
		assert_string_equal(wire.fault, "a varint is cut off");
		assert_ptr_equal(wire.at, room);
	}
}

static void a_varint_of_eleven_bytes_is_refused_and_bits_past_64_are_dropped(void **state)
{
	struct wire wire = wire_of_hex("ff ff ff ff ff ff ff ff ff ff 01");
	uint64_t value;

	assert_false(wire_varint(&wire, &value));
	assert_string_equal(wire.fault, "a varint is longer than ten bytes");
	wire = wire_of_hex("ff ff ff ff ff ff ff ff ff 7f");
	assert_true(wire_varint(&wire, &value));
	assert_true(value == UINT64_MAX);
}

static void tags_are_read_in_any_length_and_bad_ones_are_named(void **state)
{
	static const struct {
		const char *hex, *fault;
		uint32_t field;
		enum wire_type type;
	} cases[] = {
		{"08", NULL, 1, WIRE_VARINT},
		{"7a", NULL, 15, WIRE_BYTES},
		{"0d", NULL, 1, WIRE_FIXED32},
		{"8a 00", NULL, 1, WIRE_BYTES},
		{"82 01", NULL, 16, WIRE_BYTES},
		{"f8 ff ff ff 0f", NULL, (1 << 29) - 1, WIRE_VARINT},
		{"f8 ff ff ff 1f", "a field number is too large", 0, 0},
		{"80 80 80 80 80 00", "a tag is longer than five bytes", 0, 0},
		{"80", "a tag is cut off", 0, 0},
		{"00", "field number 0 is illegal", 0, 0},
		{"05", "field number 0 is illegal", 0, 0},
		{"82 00", "field number 0 is illegal", 0, 0},
		{"0b", "groups are not part of this format", 0, 0},
		{"0c", "groups are not part of this format", 0, 0},
		{"0e", "an unknown wire type", 0, 0},
		{"0f", "an unknown wire type", 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire wire = wire_of_hex(cases[i].hex);
		struct wire_tag tag;
		bool read = wire_tag(&wire, &tag);
		assert_int_equal(read, cases[i].fault == NULL);
		if (read) {
			assert_int_equal(tag.field, cases[i].field);
			assert_int_equal(tag.type, cases[i].type);
			assert_ptr_equal(wire.at, wire.end);
		} else {
			assert_string_equal(wire.fault, cases[i].fault);
			assert_ptr_equal(wire.at, bytes.bytes);
		}
	}
}

static void lengths_never_point_past_the_end(void **state)
{
	static const struct {
		const char *hex, *fault;
		size_t size;
	} cases[] = {
		{"00", NULL, 0},
		{"02 61 62", NULL, 2},
		{"82 00 61 62", NULL, 2},
		{"02 61 62 63", NULL, 2},
		{"03 61 62", "a length points past the end", 0},
		{"01", "a length points past the end", 0},
		{"ff ff ff ff 7f", "a length points past the end", 0},
		{"80 80 80 80 80 00", "a length is longer than five bytes", 0},
		{"80", "a length is cut off", 0},
		{"", "a length is cut off", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire wire = wire_of_hex(cases[i].hex);
		struct wire inside = {.at = NULL};
		assert_int_equal(wire_bytes(&wire, &inside), cases[i].fault == NULL);
		if (cases[i].fault == NULL) {
			assert_int_equal(wire_left(&inside), cases[i].size);
			assert_ptr_equal(inside.end, wire.at);
		} else {
			assert_string_equal(wire.fault, cases[i].fault);
		}
	}
}

static void values_of_each_type_are_skipped_whole_or_refused(void **state)
{
	static const struct {
		enum wire_type type;
		const char *whole;
	} cases[] = {
		{WIRE_VARINT, "80 01"},
		{WIRE_FIXED64, "01 02 03 04 05 06 07 08"},
		{WIRE_BYTES, "03 61 62 63"},
		{WIRE_FIXED32, "01 02 03 04"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire wire = wire_of_hex(cases[i].whole);
		assert_true(wire_skip(&wire, cases[i].type));
		assert_ptr_equal(wire.at, wire.end);
		wire = wire_of_hex(cases[i].whole);
		wire.end--;
		assert_false(wire_skip(&wire, cases[i].type));
		assert_non_null(wire.fault);
	}
}

static void doubles_are_little_endian(void **state)
{
	struct wire wire = wire_of_hex("01 02 03 04 05 06 07 88");
	uint64_t bits;

	assert_true(wire_fixed64(&wire, &bits));
	assert_true(bits == UINT64_C(0x8807060504030201));
}

static const struct wire_field leaf_fields[] =
	{[1] = {WIRE_KIND_VARINTS, NULL}, [2] = {WIRE_KIND_DOUBLES, NULL}};
static const struct wire_shape leaf = {leaf_fields, 3};
static const struct wire_field branch_fields[] = {[1] = {WIRE_KIND_MESSAGE, &leaf},
	[2] = {WIRE_KIND_DOUBLE, NULL},
	[3] = {WIRE_KIND_BYTES, NULL},
	[4] = {WIRE_KIND_VARINT, NULL}};
static const struct wire_shape branch = {branch_fields, 5};

static void messages_are_checked_to_their_innermost_value(void **state)
{
	static const struct {
		const char *hex, *fault;
		size_t at;
	} cases[] = {
		{"", NULL, 0},
		{"0a 00 0a 02 08 05 20 01", NULL, 0},
		{"0a 05 0a 03 80 01 05 1a 01 61", NULL, 0},
		{"0a 0a 12 08 0000000000000000", NULL, 0},
		{"0a 09 11 0000000000000000 a2 06 01 78", NULL, 0},
		{"0a 03 0a 01 80", "a varint is cut off", 4},
		{"0a 06 12 04 00000000", "packed doubles do not fill their block", 8},
		{"0a 02 0d 00", "a known field has the wrong wire type", 3},
		{"15 00000000", "a known field has the wrong wire type", 1},
		{"18 01", "a known field has the wrong wire type", 1},
		{"22 00", "a known field has the wrong wire type", 1},
		{"08 01", "a known field has the wrong wire type", 1},
		{"20 01 0b", "groups are not part of this format", 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire wire = wire_of_hex(cases[i].hex);
		assert_int_equal(wire_check(&wire, &branch), cases[i].fault == NULL);
		if (cases[i].fault == NULL) {
			assert_ptr_equal(wire.at, wire.end);
		} else {
			assert_string_equal(wire.fault, cases[i].fault);
			assert_int_equal(wire.at - bytes.bytes, cases[i].at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_of_every_length_read_back),
		cmocka_unit_test(a_varint_of_eleven_bytes_is_refused_and_bits_past_64_are_dropped),
		cmocka_unit_test(tags_are_read_in_any_length_and_bad_ones_are_named),
		cmocka_unit_test(lengths_never_point_past_the_end),
		cmocka_unit_test(values_of_each_type_are_skipped_whole_or_refused),
		cmocka_unit_test(doubles_are_little_endian),
		cmocka_unit_test(messages_are_checked_to_their_innermost_value),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
