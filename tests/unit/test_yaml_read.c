/* Typed readers of YAML trees: what they take, and the words in which they refuse the rest. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/yaml.h"

/* One document with its reader; room holds what diagnostics_write() said last. */
struct bench {
	struct yaml_document *document;
	const struct yaml_node *root;
	struct diagnostics diagnostics;
	struct yaml_reader reader;
	struct buf buf;
};

static struct bench *bench_open(const char *text)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	diagnostics_init(&bench->diagnostics);
	buf_init(&bench->buf, 1 << 20);
	bench->document = yaml_open_text("f.yml", text, strlen(text), &bench->diagnostics);
	if (!bench->document)
		fail_msg("%s", bench->diagnostics.list[0].text);
	bench->root = yaml_root(bench->document);
	bench->reader = (struct yaml_reader){"f.yml", &bench->diagnostics};
	return bench;
}

static const char *bench_words(struct bench *bench)
{
	buf_reset(&bench->buf);
	buf_add_text(&bench->buf, "");
	diagnostics_write(&bench->diagnostics, &bench->buf);
	return bench->buf.data ? bench->buf.data : "";
}

static void bench_close(struct bench *bench)
{
	buf_fini(&bench->buf);
	diagnostics_fini(&bench->diagnostics);
	yaml_close(bench->document);
	free(bench);
}

/* Reads key k of "k: <value>" as one type; the expected words without their place, "" for none. */
struct reading {
	const char *value, *words;
};

static struct bench *bench_open_value(const char *value)
{
	char text[300];

	snprintf(text, sizeof(text), "k: %s\n", value);
	return bench_open(text);
}

static void assert_words(struct bench *bench, bool taken, const char *words)
{
	char line[400] = "";

	if (*words)
		snprintf(line, sizeof(line), "f.yml:1:4: error: %s\n", words);
	assert_string_equal(bench_words(bench), line);
	assert_int_equal(taken, !*words);
}

static void unknown_keys_get_a_suggestion(void **state)
{
	static const char *const known[] = {"interval", "timeout", "labels", NULL};
	struct bench *bench = bench_open("timeuot: 1\nlabels: {}\nzzzzz: 2\n");

	assert_true(yaml_check_keys(&bench->reader, bench->root, known));
	assert_string_equal(bench_words(bench),
		"f.yml:1:1: error: unknown key \"timeuot\", did you mean \"timeout\"?\n"
		"f.yml:3:1: error: unknown key \"zzzzz\"\n");
	bench_close(bench);
}

static void keys_of_what_is_no_map_are_reported_once(void **state)
{
	static const char *const known[] = {"a", NULL};
	struct bench *bench = bench_open("- [1]\n- x\n-\n");

	assert_false(yaml_check_keys(&bench->reader, NULL, known));
	assert_string_equal(bench_words(bench), "");
	assert_false(yaml_check_keys(&bench->reader, bench->root, known));
	assert_false(yaml_check_keys(&bench->reader, bench->root->children[1], known));
	assert_false(yaml_check_keys(&bench->reader, bench->root->children[2], known));
	assert_string_equal(bench_words(bench),
		"f.yml:1:1: error: a map is wanted here, not a list\n"
		"f.yml:2:3: error: a map is wanted here, not a single value\n"
		"f.yml:3:2: error: a map is wanted here, not nothing\n");
	bench_close(bench);
}

static void absent_keys_are_reported_only_when_required(void **state)
{
	static const char *const names[] = {"x", NULL};
	struct bench *bench = bench_open("a: {b: 1}\n");
	const struct yaml_node *map = yaml_get(bench->root, "a");
	const char *text = "kept";
	int64_t number = 7;
	uint64_t size = 7;
	double real = 7;
	bool boolean = true;
	int choice = 7;

	assert_false(yaml_read_text(&bench->reader, map, "t", false, &text));
	assert_false(yaml_read_int(&bench->reader, map, "i", false, 0, 9, &number));
	assert_false(yaml_read_double(&bench->reader, map, "d", false, 0, 9, &real));
	assert_false(yaml_read_bool(&bench->reader, map, "b2", false, &boolean));
	assert_false(yaml_read_duration(&bench->reader, map, "u", false, 0, 9, &number));
	assert_false(yaml_read_size(&bench->reader, map, "s", false, 0, 9, &size));
	assert_false(yaml_read_choice(&bench->reader, map, "c", false, names, &choice));
	assert_string_equal(bench_words(bench), "");
	assert_false(yaml_read_text(&bench->reader, map, "t", true, &text));
	assert_false(yaml_read_int(&bench->reader, NULL, "i", true, 0, 9, &number));
	assert_string_equal(bench_words(bench),
		"f.yml: error: the key \"i\" is missing\n"
		"f.yml:1:4: error: the key \"t\" is missing\n");
	assert_string_equal(text, "kept");
	assert_true(number == 7 && size == 7 && real == 7 && boolean && choice == 7);
	bench_close(bench);
}

static void a_key_without_value_is_reported(void **state)
{
	struct bench *bench = bench_open("a:\nb: ~\n");
	const char *text;
	int64_t number;

	assert_false(yaml_read_text(&bench->reader, bench->root, "a", false, &text));
	assert_false(yaml_read_int(&bench->reader, bench->root, "b", false, 0, 9, &number));
	assert_string_equal(bench_words(bench),
		"f.yml:1:1: error: a has no value; a text is wanted\n"
		"f.yml:2:1: error: b has no value; a whole number is wanted\n");
	bench_close(bench);
}

static void texts_are_taken_as_they_stand(void **state)
{
	static const struct reading readings[] = {{"abc", ""}, {"'5'", ""}, {"5", ""}, {"true", ""},
		{"''", ""}, {"[a]", "k: a text is wanted, not a list"},
		{"{a: b}", "k: a text is wanted, not a map"}};
	const char *text = NULL;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken = yaml_read_text(&bench->reader, bench->root, "k", true, &text);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (text != NULL));
		bench_close(bench);
	}
}

static void integers_are_decimal_and_bounded(void **state)
{
	static const struct reading readings[] = {{"5", ""}, {"-5", ""}, {"0", ""}, {"100", ""},
		{"101", "k: 101 is not within -5 and 100"},
		{"-6", "k: -6 is not within -5 and 100"},
		{"0x10", "k: \"0x10\" is not a whole number in decimal digits"},
		{"010", "k: \"010\" is not a whole number in decimal digits"},
		{"-007", "k: \"-007\" is not a whole number in decimal digits"},
		{"1_000", "k: \"1_000\" is not a whole number in decimal digits"},
		{"1e2", "k: \"1e2\" is not a whole number in decimal digits"},
		{"1.0", "k: \"1.0\" is not a whole number in decimal digits"},
		{"9223372036854775808",
			"k: \"9223372036854775808\" is not a whole number in decimal digits"},
		{"'5'", "k: a whole number is wanted, without quotes"},
		{"[5]", "k: a whole number is wanted, not a list"}};
	int64_t number = -99;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken =
			yaml_read_int(&bench->reader, bench->root, "k", true, -5, 100, &number);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (number == strtoll(readings[i].value, NULL, 10)));
		bench_close(bench);
	}
}

static void numbers_are_bounded_and_never_nan(void **state)
{
	static const struct reading readings[] = {{"0.5", ""}, {"1", ""}, {"5e-1", ""}, {"0", ""},
		{"1.5", "k: 1.5 is not within 0 and 1"}, {"NaN", "k: nan is not within 0 and 1"},
		{"+Inf", "k: inf is not within 0 and 1"}, {".5x", "k: \".5x\" is not a number"},
		{"0,5", "k: \"0,5\" is not a number"},
		{"\"0.5\"", "k: a number is wanted, without quotes"}};
	double number = -99;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken =
			yaml_read_double(&bench->reader, bench->root, "k", true, 0, 1, &number);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (number == strtod(readings[i].value, NULL)));
		bench_close(bench);
	}
}

static void only_true_and_false_are_booleans(void **state)
{
	static const struct reading readings[] = {{"true", ""}, {"false", ""},
		{"yes", "k: \"yes\" is a text here; write true"},
		{"On", "k: \"On\" is a text here; write true"},
		{"TRUE", "k: \"TRUE\" is a text here; write true"},
		{"no", "k: \"no\" is a text here; write false"},
		{"off", "k: \"off\" is a text here; write false"},
		{"0", "k: \"0\" is a text here; write false"},
		{"maybe", "k: \"maybe\" is not true or false"},
		{"'true'", "k: true or false is wanted, without quotes"}};
	bool boolean = false;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken = yaml_read_bool(&bench->reader, bench->root, "k", true, &boolean);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (boolean == (readings[i].value[0] == 't')));
		bench_close(bench);
	}
}

static void durations_are_prometheus(void **state)
{
	static const struct reading readings[] = {{"90s", ""}, {"1m30s", ""}, {"'90s'", ""},
		{"500ms", "k: 500ms is not within 1s and 1h"},
		{"2h", "k: 2h is not within 1s and 1h"},
		{"90", "k: \"90\" is not a duration such as 1h30m, 15s or 500ms"},
		{"1.5m", "k: \"1.5m\" is not a duration such as 1h30m, 15s or 500ms"},
		{"[1m]", "k: a duration such as 1h30m is wanted, not a list"}};
	int64_t ms = 0;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken = yaml_read_duration(&bench->reader, bench->root, "k", true, 1000,
			3600000, &ms);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (ms == 90000));
		bench_close(bench);
	}
}

static void sizes_take_binary_units(void **state)
{
	static const struct reading readings[] = {{"64KiB", ""}, {"65536", ""},
		{"1KiB", "k: 1KiB is not within 4KiB and 1MiB"},
		{"2MiB", "k: 2MiB is not within 4KiB and 1MiB"},
		{"big", "k: \"big\" is not a size such as 64MiB, 512KiB or 4096"}};
	uint64_t size = 0;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken = yaml_read_size(&bench->reader, bench->root, "k", true, 4096, 1048576,
			&size);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (size == 65536));
		bench_close(bench);
	}
}

static void choices_suggest_the_nearest(void **state)
{
	static const char *const names[] = {"observe", "suggest", "approve", "auto", NULL};
	static const struct reading readings[] = {{"approve", ""}, {"'approve'", ""},
		{"aprove", "k: \"aprove\" is not known, did you mean \"approve\"?"},
		{"qqqqqq", "k: \"qqqqqq\" is none of observe, suggest, approve or auto"},
		{"[auto]", "k: observe, suggest, approve or auto is wanted, not a list"}};
	int choice = -1;

	for (size_t i = 0; i < ARRAY_COUNT(readings); i++) {
		struct bench *bench = bench_open_value(readings[i].value);
		bool taken =
			yaml_read_choice(&bench->reader, bench->root, "k", true, names, &choice);

		assert_words(bench, taken, readings[i].words);
		assert_true(!taken || (choice == 2));
		bench_close(bench);
	}
}

static void long_values_are_shown_cut_on_a_character(void **state)
{
	struct bench *bench = bench_open("k: \xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
					 "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
					 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xC3\xA4\xC3\xA4z\n");
	double number;

	assert_false(yaml_read_double(&bench->reader, bench->root, "k", true, 0, 1, &number));
	assert_string_equal(bench_words(bench),
		"f.yml:1:4: error: k: \"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
		"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is not a number\n");
	bench_close(bench);
}

static void reports_and_warnings_carry_the_place(void **state)
{
	struct bench *bench = bench_open("a: b\n");

	yaml_warn(&bench->reader, yaml_get(bench->root, "a"), "old, use %s", "c");
	yaml_report(&bench->reader, NULL, "whole file");
	assert_string_equal(bench_words(bench),
		"f.yml: error: whole file\n"
		"f.yml:1:4: warning: old, use c\n");
	assert_int_equal(bench->diagnostics.errors, 1);
	assert_int_equal(bench->diagnostics.warnings, 1);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_keys_get_a_suggestion),
		cmocka_unit_test(keys_of_what_is_no_map_are_reported_once),
		cmocka_unit_test(absent_keys_are_reported_only_when_required),
		cmocka_unit_test(a_key_without_value_is_reported),
		cmocka_unit_test(texts_are_taken_as_they_stand),
		cmocka_unit_test(integers_are_decimal_and_bounded),
		cmocka_unit_test(numbers_are_bounded_and_never_nan),
		cmocka_unit_test(only_true_and_false_are_booleans),
		cmocka_unit_test(durations_are_prometheus),
		cmocka_unit_test(sizes_take_binary_units),
		cmocka_unit_test(choices_suggest_the_nearest),
		cmocka_unit_test(long_values_are_shown_cut_on_a_character),
		cmocka_unit_test(reports_and_warnings_carry_the_place),
	};

	return cmocka_run_group_tests_name("yaml_read", tests, NULL, NULL);
}
