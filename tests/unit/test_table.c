/*
 * Tables: what is taken, and that what is refused is refused with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "analyzers/evaluate/table.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "tests/support/folder.h"

static enum status read_text(const char *text, struct numbers *numbers, struct error *error)
{
	struct table_reader reader;

	table_reader_init(&reader, "t.csv", text, strlen(text), ',');
	return table_numbers(&reader, numbers, error);
}

static void numbers_are_read_row_by_row(void **state)
{
	struct numbers numbers;
	struct error error;

	assert_int_equal(read_text("\xEF\xBB\xBF"
				   "1, 2.5,-3e2\r\n\"4\",,NaN\n.5,6,7\n\n\n",
				 &numbers, &error),
		STATUS_OK);
	assert_int_equal(numbers.rows, 3);
	assert_int_equal(numbers.columns, 3);
	assert_true(numbers.values[1] == 2.5 && numbers.values[2] == -300);
	assert_true(numbers.values[3] == 4 && isnan(numbers.values[4]) && isnan(numbers.values[5]));
	assert_true(numbers.values[6] == .5 && numbers.values[8] == 7);
	numbers_fini(&numbers);
}

static void what_is_no_measurement_is_missing(void **state)
{
	struct numbers numbers;

	(void)state;
	assert_int_equal(read_text("1,inf,-Inf\n+Infinity,NaN,2\n", &numbers, NULL), STATUS_OK);
	assert_int_equal(numbers.rows, 2);
	assert_true(isnan(numbers.values[1]) && isnan(numbers.values[2]));
	assert_true(isnan(numbers.values[3]) && isnan(numbers.values[4]));
	assert_true(numbers.values[0] == 1 && numbers.values[5] == 2);
	numbers_fini(&numbers);
}

static void an_empty_line_is_a_missing_value_of_a_single_column(void **state)
{
	struct numbers numbers;

	assert_int_equal(read_text("1\n\n3\n", &numbers, NULL), STATUS_OK);
	assert_int_equal(numbers.rows, 3);
	assert_true(isnan(numbers.values[1]));
	numbers_fini(&numbers);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "t.csv:1:1: no rows"},
		{"\n\n", "t.csv:1:1: no rows"},
		{"1,2\n3,x\n", "t.csv:2:3: \"x\" is not a number"},
		{"1,2\n3, 0x10\n", "t.csv:2:4: \"0x10\" is not a number"},
		{"1,2\n3\n", "t.csv:2:1: the row has 1 columns, the first row 2"},
		{"1,2\n3,4,5\n", "t.csv:2:5: more than the 2 columns of the first row"},
		{"1,2\n3,4-5\n", "t.csv:2:3: \"4-5\" is not a number"},
		{"1,infi\n", "t.csv:1:3: \"infi\" is not a number"},
		{"1,1e999\n", "t.csv:1:3: 1e999 is too large a number"},
		{"1,2\n\n3,4\n", "t.csv:2:1: the row has 1 columns, the first row 2"},
		{"1;2\n", "t.csv:1:1: \"1;2\" is not a number"},
		{"cpu,memory\n", "t.csv:1:1: \"cpu\" is not a number"},
		{"1,\"2\n", "t.csv:1:3: \"\"2\" is not a number"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct numbers numbers;
		struct error error;

		assert_int_equal(read_text(cases[i].text, &numbers, &error), STATUS_BAD_INPUT);
		assert_string_equal(error.text, cases[i].words);
		assert_null(numbers.values);
	}
}

static void times_of_all_kinds_are_one_moment(void **state)
{
	static const struct {
		const char *text, *moment;
	} cases[] = {
		{"2022-08-22 03:51:19.607158889 +0000 UTC m=+0.113112869",
			"2022-08-22T03:51:19.607Z"},
		{"2022-08-22 11:51:19 +0800 CST", "2022-08-22T03:51:19.000Z"},
		{"2022-08-22 11:51:19+08:00", "2022-08-22T03:51:19.000Z"},
		{"2014-02-26 13:45:00.000000", "2014-02-26T13:45:00.000Z"},
		{"2014-02-26 13:45:00", "2014-02-26T13:45:00.000Z"},
		{"2014-02-26T13:45:00", "2014-02-26T13:45:00.000Z"},
		{"2014-02-26T13:45:00Z", "2014-02-26T13:45:00.000Z"},
		{"2014-02-26 13:45:00 UTC", "2014-02-26T13:45:00.000Z"},
		{"1375308176", "2013-07-31T22:02:56.000Z"},
		{"1375308176.25", "2013-07-31T22:02:56.250Z"},
		{"1375308176250", "2013-07-31T22:02:56.250Z"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t ms, expected;

		assert_int_equal(parse_rfc3339(cases[i].moment, &expected), STATUS_OK);
		assert_int_equal(time_parse(cases[i].text, strlen(cases[i].text), &ms), STATUS_OK);
		assert_int_equal(ms, expected);
	}
}

#define ZEROS "00000000000000000000000000000000"

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = {"", "x", "2014-02-30 00:00:00", "2014-02-26",
		"2014-02-26 13:45", "2014-02-26 25:00:00", "2014-02-26 13:45:00 +99", "-5", "1e9",
		"2014-02-26x13:45:00", "2014-02-26 13:45:00 Berlin", "99999999999999999999",
		"2014-02-26 13:45:00." ZEROS ZEROS ZEROS};
	int64_t ms;

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(time_parse(texts[i], strlen(texts[i]), &ms), STATUS_BAD_INPUT);
}

/* ---- files ---- */

static void write_gzip(const char *folder, const char *name, const char *text, size_t cut)
{
	char path[FOLDER_PATH_MAX];
	gzFile file;

	folder_path(path, sizeof(path), folder, name);
	file = gzopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), strlen(text));
	assert_int_equal(gzclose(file), Z_OK);
	if (cut > 0)
		assert_int_equal(truncate(path, (off_t)cut), 0);
}

static void packed_and_plain_files_are_alike(void **state)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct numbers plain, packed;

	folder_make(folder);
	folder_write(folder, "a.csv", "1,2\n3,4\n");
	write_gzip(folder, "a.csv.gz", "1,2\n3,4\n", 0);
	folder_path(path, sizeof(path), folder, "a.csv");
	assert_int_equal(table_load_numbers(path, &plain, NULL), STATUS_OK);
	folder_path(path, sizeof(path), folder, "a.csv.gz");
	assert_int_equal(table_load_numbers(path, &packed, NULL), STATUS_OK);
	assert_int_equal(packed.rows, 2);
	assert_memory_equal(plain.values, packed.values, 4 * sizeof(double));
	numbers_fini(&plain);
	numbers_fini(&packed);
	folder_remove(folder);
}

static void a_file_cut_short_is_refused(void **state)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct numbers numbers;
	struct error error;

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "a.csv.gz");
	for (size_t cut = 12; cut < 26; cut++) {
		write_gzip(folder, "a.csv.gz", "1,2\n3,4\n5,6\n7,8\n", cut);
		assert_int_equal(table_load_numbers(path, &numbers, &error), STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, "a.csv.gz"));
	}
	folder_path(path, sizeof(path), folder, "none.csv");
	assert_int_equal(table_load_numbers(path, &numbers, &error), STATUS_NOT_FOUND);
	folder_remove(folder);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	for (long nth = 1; nth < 100; nth++) {
		struct numbers numbers;
		enum status status;
		bool reached;

		mem_fail_after(nth, false);
		status = read_text("1,2\n3,4\n", &numbers, NULL);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		numbers_fini(&numbers);
		if (!reached)
			return;
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_row_by_row),
		cmocka_unit_test(an_empty_line_is_a_missing_value_of_a_single_column),
		cmocka_unit_test(what_is_no_measurement_is_missing),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(times_of_all_kinds_are_one_moment),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(packed_and_plain_files_are_alike),
		cmocka_unit_test(a_file_cut_short_is_refused),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
