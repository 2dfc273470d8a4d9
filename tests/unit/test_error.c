/*
 * Status codes and error texts: what is set can be read, cutting keeps UTF-8 whole, the table is
 * complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/utf8.h"

static void set_returns_the_code_and_keeps_the_text(void **state)
{
	struct error error;

	assert_int_equal(error_set(&error, STATUS_LIMIT, "%d of %s", 3, "x"), STATUS_LIMIT);
	assert_int_equal(error.code, STATUS_LIMIT);
	assert_string_equal(error.text, "3 of x");
}

static void null_discards_the_text_but_not_the_code(void **state)
{
	assert_int_equal(error_set(NULL, STATUS_BUSY, "x"), STATUS_BUSY);
	assert_int_equal(error_set_errno(NULL, STATUS_IO, ENOENT, "x"), STATUS_IO);
	assert_int_equal(error_prefix(NULL, "x"), STATUS_UNKNOWN);
	error_reset(NULL);
}

static void prefix_goes_before_the_text(void **state)
{
	struct error error;

	error_set(&error, STATUS_BAD_INPUT, "no such key");
	assert_int_equal(error_prefix(&error, "line %d", 7), STATUS_BAD_INPUT);
	assert_string_equal(error.text, "line 7: no such key");
}

static void own_text_may_be_an_argument(void **state)
{
	struct error error;

	error_set(&error, STATUS_BAD_INPUT, "inner");
	error_set(&error, STATUS_IO, "outer(%s)", error.text);
	assert_string_equal(error.text, "outer(inner)");
	error_prefix(&error, "%s", error.text);
	assert_string_equal(error.text, "outer(inner): outer(inner)");
	error_set_errno(&error, STATUS_IO, ENOENT, "again %.5s", error.text);
	assert_string_equal(error.text, "again outer: No such file or directory");
}

static void errno_is_told_in_words(void **state)
{
	struct error error;

	assert_int_equal(error_set_errno(&error, STATUS_IO, EACCES, "open %s", "f"), STATUS_IO);
	assert_string_equal(error.text, "open f: Permission denied");
}

static void assert_utf8(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t length = utf8_length(text, left);
		assert_int_not_equal(length, 0);
		text += length;
		left -= length;
	}
}

/* Sequences of two, three and four bytes, shifted so that each of their bytes meets the cut. */
static void cutting_keeps_sequences_whole(void **state)
{
	static const char *const sequences[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	for (size_t s = 0; s < ARRAY_COUNT(sequences); s++) {
		for (size_t shift = 0; shift < 4; shift++) {
			char text[4 * ERROR_TEXT_MAX] = "";
			size_t step = strlen(sequences[s]), length;
			struct error error;

			memset(text, 'x', shift);
			for (size_t i = shift; i < ERROR_TEXT_MAX + 16; i += step)
				memcpy(text + i, sequences[s], step + 1);
			error_set(&error, STATUS_BAD_INPUT, "%s", text);
			length = strlen(error.text);
			assert_utf8(error.text);
			assert_in_range(length, ERROR_TEXT_MAX - step, ERROR_TEXT_MAX - 1);
			error_prefix(&error, "p");
			assert_utf8(error.text);
			assert_memory_equal(error.text, "p: ", 3);
			assert_in_range(strlen(error.text), ERROR_TEXT_MAX - step,
				ERROR_TEXT_MAX - 1);
		}
	}
}

static void text_that_fits_exactly_is_not_cut(void **state)
{
	char text[ERROR_TEXT_MAX];
	struct error error;

	memset(text, 'y', sizeof(text) - 3);
	memcpy(text + sizeof(text) - 3, "\xc3\xa4", 3);
	error_set(&error, STATUS_BAD_INPUT, "%s", text);
	assert_string_equal(error.text, text);
}

static void text_that_is_not_utf8_is_cut_all_the_same(void **state)
{
	char text[2 * ERROR_TEXT_MAX];
	struct error error;

	memset(text, 0x80, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&error, STATUS_BAD_INPUT, "%s", text);
	assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
	error_prefix(&error, "%s", text);
	assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
}

static void reset_is_ok_and_empty(void **state)
{
	struct error error;

	error_set(&error, STATUS_BUG, "x");
	error_reset(&error);
	assert_int_equal(error.code, STATUS_OK);
	assert_string_equal(error.text, "");
}

static void every_code_has_a_label_of_its_own(void **state)
{
	for (int code = 0; code < STATUS_COUNT; code++) {
		assert_non_null(status_label((enum status)code));
		assert_in_range(status_http((enum status)code), 200, 599);
		for (int other = 0; other < code; other++)
			assert_string_not_equal(status_label((enum status)code),
				status_label((enum status)other));
	}
}

static void senders_retry_only_what_may_pass_later(void **state)
{
	assert_true(status_retry(STATUS_BUSY));
	assert_true(status_retry(STATUS_NO_MEMORY));
	assert_false(status_retry(STATUS_BAD_INPUT));
	/* What a remote-write sender retries is decided by the HTTP status: all 5xx, no 4xx. */
	for (int code = 0; code < STATUS_COUNT; code++) {
		if (status_retry((enum status)code))
			assert_in_range(status_http((enum status)code), 500, 599);
	}
}

static void unknown_code_has_an_answer(void **state)
{
	assert_string_equal(status_label(STATUS_COUNT), "bug");
	assert_int_equal(status_http((enum status)1000), 500);
	assert_false(status_retry(STATUS_COUNT));
}

static void utf8_lengths_follow_the_table(void **state)
{
	static const struct {
		const char *text;
		size_t size, length;
	} cases[] = {
		{"a", 1, 1},
		{"\0", 1, 1},
		{"\x7f", 1, 1},
		{"\x80", 1, 0},
		{"\xc1\xbf", 2, 0}, /* overlong */
		{"\xc2\x80", 2, 2},
		{"\xc2", 1, 0},
		{"\xc2z", 2, 0},
		{"\xe0\x9f\xbf", 3, 0}, /* overlong */
		{"\xe0\xa0\x80", 3, 3},
		{"\xed\x9f\xbf", 3, 3},
		{"\xed\xa0\x80", 3, 0}, /* surrogate */
		{"\xef\xbf\xbf", 3, 3},
		{"\xe2\x82", 2, 0},
		{"\xe2\x82z", 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0}, /* overlong */
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\xf4\x90\x80\x80", 4, 0}, /* above U+10FFFF */
		{"\xf0\x90\x80", 3, 0},
		{"\xf0\x90\x80z", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(utf8_length(cases[i].text, cases[i].size), cases[i].length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_code_and_keeps_the_text),
		cmocka_unit_test(null_discards_the_text_but_not_the_code),
		cmocka_unit_test(prefix_goes_before_the_text),
		cmocka_unit_test(own_text_may_be_an_argument),
		cmocka_unit_test(errno_is_told_in_words),
		cmocka_unit_test(cutting_keeps_sequences_whole),
		cmocka_unit_test(text_that_fits_exactly_is_not_cut),
		cmocka_unit_test(text_that_is_not_utf8_is_cut_all_the_same),
		cmocka_unit_test(reset_is_ok_and_empty),
		cmocka_unit_test(every_code_has_a_label_of_its_own),
		cmocka_unit_test(senders_retry_only_what_may_pass_later),
		cmocka_unit_test(unknown_code_has_an_answer),
		cmocka_unit_test(utf8_lengths_follow_the_table),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
