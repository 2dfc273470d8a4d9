/*
 * JSON read in place: what is one value and what is not, walking, decoding, numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "base/random.h"

static enum status read_text(const char *text, unsigned depth, struct error *error)
{
	/* A block of the exact size, so that a read past its end is seen. */
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);
	struct json_span span;
	enum status status;

	memcpy(copy, text, size);
	status = json_span_init(&span, copy, size, depth, error);
	free(copy);
	return status;
}

static void json_is_told_from_what_is_not(void **state)
{
	static const char *const good[] = {"null", " true ", "false", "0", "-0", "1.5e+3", "1E-2",
		"\"\"", "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "[]", "[ ]", "{}", "{ }",
		"[1,[2,[]],{\"a\":{}}]", "{\"a\":1,\"b\":[true,null]}\n", "[\r\n\t1 ,\n2 ]",
		"123456789"};
	static const char *const bad[] = {"", " ", "nul", "nulll", "truefalse", "01", "-", "1.",
		".5", "1e", "1e+", "+1", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"",
		"\"\\u12g4\"", "\"a\nb\"", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "{",
		"{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}",
		"{\"a\" 1}", "[1}", "{\"a\":1]", "1 2", "[] []", "NaN", "Infinity", "'a'",
		"// c\n1", "\xEF\xBB\xBF[]", "\x01"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (read_text(good[i], 16, NULL))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (read_text(bad[i], 16, NULL) != STATUS_BAD_INPUT)
			fail_msg("taken: %s", bad[i]);
}

static void place_of_an_error_is_named(void **state)
{
	struct error error;

	assert_int_equal(read_text("{\"a\": 1,\n  \"b\" 2}", 16, &error), STATUS_BAD_INPUT);
	assert_string_equal(error.text, "JSON, line 2, column 7: \":\" is expected");
	assert_int_equal(read_text("[1,\n2", 16, &error), STATUS_BAD_INPUT);
	assert_string_equal(error.text, "JSON, line 2, column 2: the text ends too early");
	assert_int_equal(read_text("[1] x", 16, &error), STATUS_BAD_INPUT);
	assert_string_equal(error.text, "JSON, line 1, column 5: something follows the value");
}

static void depth_is_bounded(void **state)
{
	char text[300000];
	struct error error;

	assert_int_equal(read_text("[[[]]]", 3, NULL), STATUS_OK);
	assert_int_equal(read_text("[[[[]]]]", 3, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "nested too deep"));
	assert_int_equal(read_text("1", 0, NULL), STATUS_OK);
	assert_int_equal(read_text("[]", 0, NULL), STATUS_BAD_INPUT);
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(read_text(text, 1000000, NULL), STATUS_BAD_INPUT);
	/* The deepest that may be, with both kinds. */
	for (int i = 0; i < JSON_SPAN_DEPTH_MAX / 2; i++)
		memcpy(text + i * 6, "[{\"a\":", 6);
	text[JSON_SPAN_DEPTH_MAX * 3] = '1';
	for (int i = 0; i < JSON_SPAN_DEPTH_MAX / 2; i++)
		memcpy(text + JSON_SPAN_DEPTH_MAX * 3 + 1 + i * 2, "}]", 2);
	text[JSON_SPAN_DEPTH_MAX * 4 + 1] = '\0';
	assert_int_equal(read_text(text, JSON_SPAN_DEPTH_MAX, NULL), STATUS_OK);
	assert_int_equal(read_text(text, JSON_SPAN_DEPTH_MAX - 1, NULL), STATUS_BAD_INPUT);
}

static void walk_gives_each_child_once(void **state)
{
	static const char text[] = " { \"a\" : 1 , \"b\":[ 10,\"x\" , {} ],\"c\":null} ";
	struct json_span root, key, value, list;
	struct json_walk walk;

	assert_int_equal(json_span_init(&root, text, strlen(text), 16, NULL), STATUS_OK);
	assert_int_equal(root.kind, SPAN_OBJECT);
	json_walk_init(&walk, &root);
	assert_true(json_walk_next(&walk, &key, &value));
	assert_true(json_span_is(&key, "a"));
	assert_int_equal(value.kind, SPAN_NUMBER);
	assert_true(json_walk_next(&walk, &key, &list));
	assert_true(json_span_is(&key, "b"));
	assert_int_equal(list.kind, SPAN_ARRAY);
	assert_true(json_walk_next(&walk, &key, &value));
	assert_int_equal(value.kind, SPAN_NULL);
	assert_false(json_walk_next(&walk, &key, &value));
	assert_false(json_walk_next(&walk, &key, &value));

	json_walk_init(&walk, &list);
	assert_true(json_walk_next(&walk, NULL, &value));
	assert_int_equal(value.size, 2);
	assert_true(json_walk_next(&walk, NULL, &value));
	assert_true(json_span_is(&value, "x"));
	assert_true(json_walk_next(&walk, NULL, &value));
	assert_int_equal(value.kind, SPAN_OBJECT);
	assert_false(json_walk_next(&walk, NULL, &list));
	json_walk_init(&walk, &value);
	assert_false(json_walk_next(&walk, &key, &list));
	json_walk_init(&walk, &key); /* a scalar has no children */
	assert_false(json_walk_next(&walk, &key, &list));
}

static enum status decode(const char *json, char *room, size_t *size)
{
	struct json_span span;

	assert_int_equal(json_span_init(&span, json, strlen(json), 16, NULL), STATUS_OK);
	return json_span_decode(&span, room, size, NULL);
}

static void strings_are_decoded(void **state)
{
	char room[256];
	size_t size;

	assert_int_equal(decode("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", room, &size), STATUS_OK);
	assert_string_equal(room, "a\"\\/\b\f\n\r\t");
	assert_int_equal(decode("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00z\"", room, &size),
		STATUS_OK);
	assert_string_equal(room, "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
	assert_int_equal(size, 11);
	assert_int_equal(decode("\"\"", room, &size), STATUS_OK);
	assert_int_equal(size, 0);
	assert_int_equal(decode("\"\\ud83d\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"\\ud83d\\n\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"\\ud83d\\ud83d\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"\\ude00\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"a\\u0000b\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"\xFF\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("\"\xC0\x80\"", room, NULL), STATUS_BAD_INPUT);
	assert_int_equal(decode("12", room, NULL), STATUS_BAD_INPUT);
}

static bool is(const char *json, const char *text)
{
	struct json_span span;

	assert_int_equal(json_span_init(&span, json, strlen(json), 16, NULL), STATUS_OK);
	return json_span_is(&span, text);
}

static void strings_are_compared_decoded(void **state)
{
	assert_true(is("\"alerts\"", "alerts"));
	assert_true(is("\"al\\u0065rts\"", "alerts"));
	assert_true(is("\"\\u0061\\u0062\"", "ab"));
	assert_true(is("\"a\\\\b\"", "a\\b"));
	assert_false(is("\"a\\nb\"", "a\\nb"));
	assert_false(is("\"alert\"", "alerts"));
	assert_false(is("\"alertss\"", "alerts"));
	assert_false(is("null", "null"));
	assert_true(is("\"\"", ""));
}

static void numbers_are_read_within_their_bounds(void **state)
{
	struct json_span span;
	uint64_t natural;
	double number;
	bool boolean;

#define SPAN(text) assert_int_equal(json_span_init(&span, text, strlen(text), 1, NULL), STATUS_OK)
	SPAN("18446744073709551615");
	assert_int_equal(json_span_natural(&span, &natural, NULL), STATUS_OK);
	assert_true(natural == UINT64_MAX);
	SPAN("18446744073709551616");
	assert_int_equal(json_span_natural(&span, &natural, NULL), STATUS_BAD_INPUT);
	SPAN("-1");
	assert_int_equal(json_span_natural(&span, &natural, NULL), STATUS_BAD_INPUT);
	SPAN("1.0");
	assert_int_equal(json_span_natural(&span, &natural, NULL), STATUS_BAD_INPUT);
	SPAN("\"1\"");
	assert_int_equal(json_span_natural(&span, &natural, NULL), STATUS_BAD_INPUT);
	SPAN("-1.25e2");
	assert_int_equal(json_span_double(&span, &number, NULL), STATUS_OK);
	assert_true(number == -125);
	SPAN("null");
	assert_int_equal(json_span_double(&span, &number, NULL), STATUS_OK);
	assert_true(isnan(number));
	SPAN("true");
	assert_int_equal(json_span_double(&span, &number, NULL), STATUS_BAD_INPUT);
	assert_int_equal(json_span_bool(&span, &boolean, NULL), STATUS_OK);
	assert_true(boolean);
	SPAN("1");
	assert_int_equal(json_span_bool(&span, &boolean, NULL), STATUS_BAD_INPUT);
}

/* Random texts of JSON's own characters: taken exactly when another reader takes them. */
static void same_texts_are_taken_as_by_jansson(void **state)
{
	static const char *const pieces[] = {"{", "}", "[", "]", ":", ",", "\"", "a", "\\", "n",
		"u00e9", "1", "-", ".", "e", "0", " ", "true", "null", "false", "\"k\":", "\"s\"",
		"[]", "{}"};
	struct random random;
	char text[256];
	int both = 0;

	random_init(&random, 7);
	for (int i = 0; i < 200000; i++) {
		size_t count = 1 + (size_t)random_below(&random, 9), size = 0;
		json_t *tree;
		bool ours;

		for (size_t j = 0; j < count; j++) {
			const char *piece =
				pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))];

			memcpy(text + size, piece, strlen(piece));
			size += strlen(piece);
		}
		text[size] = '\0';
		ours = !read_text(text, 64, NULL);
		tree = json_loadb(text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
		/* Numbers past the range of a double are refused there and are a matter of the
		 * conversion here. */
		if (ours != (tree != NULL) && !strchr(text, 'e'))
			fail_msg("%s: ours %d, jansson %d", text, ours, tree != NULL);
		both += ours && tree;
		json_decref(tree);
	}
	assert_true(both > 1000);
}

static void allocation_failure_is_an_answer(void **state)
{
	struct json_span span;
	char *text;

	SPAN("\"abc\"");
	mem_fail_after(1, false);
	assert_int_equal(json_span_strdup(&span, &text, NULL), STATUS_NO_MEMORY);
	mem_fail_after(0, false);
	assert_null(text);
	assert_int_equal(json_span_strdup(&span, &text, NULL), STATUS_OK);
	assert_string_equal(text, "abc");
	mem_free(text);
	SPAN("null");
	assert_int_equal(json_span_strdup(&span, &text, NULL), STATUS_OK);
	assert_null(text);
	SPAN("\"\\u0000\"");
	assert_int_equal(json_span_strdup(&span, &text, NULL), STATUS_BAD_INPUT);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_told_from_what_is_not),
		cmocka_unit_test(place_of_an_error_is_named),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(walk_gives_each_child_once),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(strings_are_compared_decoded),
		cmocka_unit_test(numbers_are_read_within_their_bounds),
		cmocka_unit_test(same_texts_are_taken_as_by_jansson),
		cmocka_unit_test(allocation_failure_is_an_answer),
	};

	return cmocka_run_group_tests_name("json_span", tests, NULL, NULL);
}
