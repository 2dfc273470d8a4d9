/*
 * Histories of model files: lines are added behind each other, the oldest go when there are too many, and
 * what is written is JSON whatever the texts hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/models/model_history.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "tests/support/folder.h"

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 64];

static int make(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "a.model");
	return 0;
}

static int clear(void **state)
{
	folder_remove(folder);
	return 0;
}

static char *lines_read(size_t *size)
{
	struct error error;
	struct buf lines;

	buf_init(&lines, 2 * MODEL_HISTORY_MAX);
	assert_int_equal(model_history_read(path, &lines, &error), STATUS_OK);
	return buf_take(&lines, size);
}

static void changes_are_told_in_their_order(void **state)
{
	struct model_change change = {.at_ms = 1767225600000,
		.what = "promoted",
		.from = "new \"one\".model",
		.reason = "the old one\nis of last year",
		.checksum = 0xabc,
		.figure = .5,
		.beaten = NAN};
	struct json_span root;
	struct error error;
	size_t size;
	char *lines;

	assert_int_equal(model_history_add(path, &change, &error), STATUS_OK);
	change.what = "rolled back";
	change.from = change.reason = NULL;
	change.figure = NAN;
	assert_int_equal(model_history_add(path, &change, &error), STATUS_OK);
	lines = lines_read(&size);
	assert_string_equal(lines,
		"{\"time\":\"2026-01-01T00:00:00.000Z\",\"change\":\"promoted\","
		"\"from\":\"new \\\"one\\\".model\",\"checksum\":\"0000000000000abc\","
		"\"relative_error\":0.5,\"forced\":\"the old one\\nis of last year\"}\n"
		"{\"time\":\"2026-01-01T00:00:00.000Z\",\"change\":\"rolled back\","
		"\"checksum\":\"0000000000000abc\"}\n");
	*strchr(lines, '\n') = '\0';
	assert_int_equal(json_span_init(&root, lines, strlen(lines), 8, &error), STATUS_OK);
	mem_free(lines);
}

static void the_oldest_lines_go(void **state)
{
	static char reason[20000];
	struct model_change change = {.what = "promoted",
		.reason = reason,
		.figure = NAN,
		.beaten = NAN};
	struct error error;
	size_t size;
	char *lines;

	memset(reason, 'x', sizeof(reason) - 1);
	for (uint64_t i = 1; i <= 20; i++) {
		change.checksum = i;
		assert_int_equal(model_history_add(path, &change, &error), STATUS_OK);
	}
	lines = lines_read(&size);
	assert_true(size <= MODEL_HISTORY_MAX && size > MODEL_HISTORY_MAX - 21000);
	assert_int_equal(lines[0], '{');
	assert_null(strstr(lines, "\"0000000000000001\""));
	assert_non_null(strstr(lines, "\"0000000000000014\""));
	mem_free(lines);
}

static void without_memory_the_history_stays(void **state)
{
	struct model_change change = {.what = "imported", .figure = 1, .beaten = 2};
	struct error error;
	bool injected = true;
	size_t size, before;

	assert_int_equal(model_history_add(path, &change, &error), STATUS_OK);
	mem_free(lines_read(&before));
	for (long n = 1; injected; n++) {
		enum status status;

		mem_fail_after(n, false);
		status = model_history_add(path, &change, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		mem_free(lines_read(&size));
		assert_int_equal(size, injected ? before : 2 * before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_are_told_in_their_order, make, clear),
		cmocka_unit_test_setup_teardown(the_oldest_lines_go, make, clear),
		cmocka_unit_test_setup_teardown(without_memory_the_history_stays, make, clear),
	};

	return cmocka_run_group_tests_name("model_history", tests, NULL, NULL);
}
