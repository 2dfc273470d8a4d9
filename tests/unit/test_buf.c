/*
 * The buffer: whole writes or none, its maximum kept to the byte, and what it writes for JSON and
 * HTML can be read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

static void content_is_always_terminated(void **state)
{
	struct buf buf;

	buf_init(&buf, 1000);
	assert_null(buf.data);
	buf_add(&buf, "", 0);
	assert_string_equal(buf.data, "");
	for (int i = 0; i < 300; i++) {
		buf_add_char(&buf, 'x');
		assert_int_equal(strlen(buf.data), buf.size);
	}
	assert_int_equal(buf.size, 300);
	assert_true(buf_ok(&buf));
	buf_fini(&buf);
	assert_null(buf.data);
}

static void exactly_the_maximum_fits_and_one_more_does_not(void **state)
{
	for (size_t max = 0; max < 200; max++) {
		struct buf buf;

		buf_init(&buf, max);
		for (size_t i = 0; i < max; i++)
			buf_add_char(&buf, 'x');
		assert_true(buf_ok(&buf));
		assert_int_equal(buf.size, max);
		assert_true(buf.capacity <= max + 1);
		buf_add_char(&buf, 'y');
		assert_false(buf_ok(&buf));
		assert_int_equal(buf.size, max);
		if (max > 0)
			assert_int_equal(buf.data[max - 1], 'x');
		buf_fini(&buf);
	}
}

static void after_a_failure_nothing_is_written(void **state)
{
	struct buf buf;

	buf_init(&buf, 10);
	buf_add_text(&buf, "12345");
	buf_add_text(&buf, "123456");
	buf_add_text(&buf, "6");
	buf_printf(&buf, "%d", 7);
	buf_add_json_string(&buf, "a", 1);
	buf_add_html(&buf, "a");
	buf_add_json_number(&buf, 1);
	assert_null(buf_reserve(&buf, 1));
	assert_string_equal(buf.data, "12345");
	assert_false(buf_ok(&buf));
	buf_reset(&buf);
	assert_true(buf_ok(&buf));
	buf_add_text(&buf, "0123456789");
	assert_string_equal(buf.data, "0123456789");
	buf_fini(&buf);
}

static void sizes_that_would_overflow_are_refused(void **state)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX);
	buf_add_text(&buf, "abc");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_false(buf_ok(&buf));
	buf_reset(&buf);
	assert_null(buf_reserve(&buf, SIZE_MAX - 1));
	buf_fini(&buf);
}

static void printf_is_whole_or_nothing(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_printf(&buf, "%d-%s", 12, "ab");
	assert_string_equal(buf.data, "12-ab");
	buf_printf(&buf, "%090d", 1); /* longer than the capacity so far */
	assert_int_equal(buf.size, 95);
	buf_printf(&buf, "%05d", 1);
	assert_int_equal(buf.size, 100);
	assert_true(buf_ok(&buf));
	buf_printf(&buf, "%s", "");
	assert_true(buf_ok(&buf));
	buf_printf(&buf, "%d", 1);
	assert_false(buf_ok(&buf));
	assert_int_equal(buf.size, 100);
	assert_int_equal(buf.data[100], 0);
	buf_fini(&buf);
}

static void reserved_bytes_count_when_they_are_counted_in(void **state)
{
	struct buf buf;
	char *room;

	buf_init(&buf, 1000);
	buf_add_text(&buf, "ab");
	room = buf_reserve(&buf, 500);
	assert_non_null(room);
	memset(room, 'c', 500);
	assert_int_equal(buf.size, 2);
	buf.size += 500;
	buf_add_text(&buf, "d");
	assert_int_equal(buf.size, 503);
	assert_int_equal(buf.data[501], 'c');
	assert_int_equal(buf.data[502], 'd');
	buf_fini(&buf);
}

static void take_hands_over_and_leaves_it_empty(void **state)
{
	struct buf buf;
	size_t size = 7;
	char *text;

	buf_init(&buf, 10);
	text = buf_take(&buf, &size);
	assert_string_equal(text, "");
	assert_int_equal(size, 0);
	mem_free(text);
	buf_add_text(&buf, "abc");
	text = buf_take(&buf, &size);
	assert_string_equal(text, "abc");
	assert_int_equal(size, 3);
	mem_free(text);
	assert_int_equal(buf.size, 0);
	buf_add_text(&buf, "0123456789a");
	assert_null(buf_take(&buf, &size));
	assert_int_equal(size, 0);
	assert_true(buf_ok(&buf));
	buf_add_text(&buf, "again");
	text = buf_take(&buf, NULL);
	assert_string_equal(text, "again");
	mem_free(text);
	buf_fini(&buf);
}

static void assert_json_string(const char *text, size_t length, const char *expected)
{
	struct buf buf;

	buf_init(&buf, 1000);
	buf_add_json_string(&buf, text, length);
	assert_true(buf_ok(&buf));
	assert_string_equal(buf.data, expected);
	buf_fini(&buf);
}

static void json_strings_are_escaped(void **state)
{
	assert_json_string("", 0, "\"\"");
	assert_json_string("plain", 5, "\"plain\"");
	assert_json_string("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
	assert_json_string("\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\\u007f\"");
	assert_json_string("a\0b", 3, "\"a\\u0000b\"");
	assert_json_string("\xc3\xa4\xf0\x9f\x98\x80", 6, "\"\xc3\xa4\xf0\x9f\x98\x80\"");
	/* One U+FFFD for each byte that belongs to no sequence. */
	assert_json_string("x\xff\xc3", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_json_string("\xed\xa0\x80y", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\"");
}

static void any_bytes_become_json_that_a_parser_takes(void **state)
{
	struct random random;
	struct buf buf;

	random_init(&random, 1);
	buf_init(&buf, 10000);
	for (int round = 0; round < 3000; round++) {
		char text[64];
		size_t length = random_below(&random, sizeof(text));
		json_t *value;

		for (size_t i = 0; i < length; i++)
			text[i] = (char)random_below(&random, 256);
		buf_reset(&buf);
		buf_add_json_string(&buf, text, length);
		value = json_loadb(buf.data, buf.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(value);
		json_decref(value);
	}
	buf_fini(&buf);
}

static void a_json_string_that_does_not_fit_leaves_nothing(void **state)
{
	for (size_t max = 2; max < 12; max++) {
		struct buf buf;

		buf_init(&buf, max);
		buf_add_text(&buf, "ab");
		buf_add_json_string(&buf, "x\n\xff\"y", 5); /* 11 bytes with its quotes */
		assert_false(buf_ok(&buf));
		assert_string_equal(buf.data, "ab");
		buf_fini(&buf);
	}
}

static void assert_json_number(double value, const char *expected)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_json_number(&buf, value);
	assert_string_equal(buf.data, expected);
	buf_fini(&buf);
}

static void json_numbers_are_as_short_as_reads_back(void **state)
{
	assert_json_number(0, "0");
	assert_json_number(-0.0, "-0");
	assert_json_number(1, "1");
	assert_json_number(0.1, "0.1");
	assert_json_number(-2.5, "-2.5");
	assert_json_number(0.1 + 0.2, "0.30000000000000004");
	assert_json_number(1e300, "1e+300");
	assert_json_number(123456789012345678.0, "1.2345678901234568e+17");
	assert_json_number(5e-324, "4.94065645841247e-324");
	assert_json_number(1700000000123.0, "1700000000123");
	assert_json_number(NAN, "null");
	assert_json_number(INFINITY, "null");
	assert_json_number(-INFINITY, "null");
}

static void every_finite_number_reads_back(void **state)
{
	struct random random;
	struct buf buf;

	random_init(&random, 2);
	buf_init(&buf, 100);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = random_u64(&random);
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		buf_reset(&buf);
		buf_add_json_number(&buf, value);
		assert_true(strtod(buf.data, NULL) == value);
	}
	buf_fini(&buf);
}

static void html_is_escaped(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_add_html(&buf, "<a href=\"x\">'&'</a>");
	assert_string_equal(buf.data, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
	buf_fini(&buf);
	buf_init(&buf, 8);
	buf_add_text(&buf, "ab");
	buf_add_html(&buf, "cd&e");
	assert_false(buf_ok(&buf));
	assert_string_equal(buf.data, "ab");
	buf_fini(&buf);
}

/* All writers in turn; returns whether the buffer says that all went well. */
static bool write_everything(struct buf *buf)
{
	buf_add_text(buf, "text");
	for (int i = 0; i < 40; i++)
		buf_add_char(buf, 'c');
	buf_printf(buf, "%0200d", 1);
	buf_add_json_string(buf, "\"\n\xff plain", 9);
	buf_add_json_number(buf, 0.1);
	buf_add_html(buf, "<&>");
	if (buf_reserve(buf, 1000) != NULL)
		buf->size += 0;
	return buf_ok(buf);
}

static void failed_allocation_fails_the_buffer_and_no_more(void **state)
{
	struct buf whole;
	bool reached = true;

	buf_init(&whole, 10000);
	assert_true(write_everything(&whole));
	for (long nth = 1; reached; nth++) {
		struct buf buf;

		buf_init(&buf, 10000);
		mem_fail_after(nth, false);
		bool ok = write_everything(&buf);
		reached = mem_fail_after(0, false);
		assert_int_equal(ok, !reached);
		if (buf.data != NULL) {
			assert_int_equal(strlen(buf.data), buf.size);
			assert_memory_equal(buf.data, whole.data, buf.size);
		}
		buf_fini(&buf);
		assert_true(nth < 100);
	}
	buf_fini(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_is_always_terminated),
		cmocka_unit_test(exactly_the_maximum_fits_and_one_more_does_not),
		cmocka_unit_test(after_a_failure_nothing_is_written),
		cmocka_unit_test(sizes_that_would_overflow_are_refused),
		cmocka_unit_test(printf_is_whole_or_nothing),
		cmocka_unit_test(reserved_bytes_count_when_they_are_counted_in),
		cmocka_unit_test(take_hands_over_and_leaves_it_empty),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(any_bytes_become_json_that_a_parser_takes),
		cmocka_unit_test(a_json_string_that_does_not_fit_leaves_nothing),
		cmocka_unit_test(json_numbers_are_as_short_as_reads_back),
		cmocka_unit_test(every_finite_number_reads_back),
		cmocka_unit_test(html_is_escaped),
		cmocka_unit_test(failed_allocation_fails_the_buffer_and_no_more),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
