/*
 * nimbusguard models on files: what is whole is shown, what is not is refused by name, and the file
 * before comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/models/model_file.h"
#include "base/error.h"
#include "base/json_span.h"
#include "tests/support/folder.h"
#include "tests/support/proc.h"

static void write_model(const char *folder, const char *name, uint64_t seed)
{
	struct model_info info = {.kind = "lstm",
		.made_by = "test",
		.shapes = {6, 128, 3, 2},
		.trained_ms = 1767225600000,
		.data_from_ms = 1764547200000,
		.data_to_ms = 1767139200000,
		.data_rows = 43200,
		.seed = seed,
		.score_names = {"mase_5"},
		.scores = {.87}};
	const float numbers[] = {1, 2, 3};
	char path[FOLDER_PATH_MAX];
	struct error error;

	folder_path(path, sizeof(path), folder, name);
	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
}

/* What the command says (free). first and second are names in the folder, "" the folder itself, NULL
 * none. */
static char *run(const char *folder, const char *verb, const char *first, const char *second,
	const char *flag, int *status)
{
	const char *program = getenv("NIMBUSGUARD_TEST_BIN");
	char log[FOLDER_PATH_MAX + 8], one[FOLDER_PATH_MAX], two[FOLDER_PATH_MAX];
	const char *argv[7] = {program, "models", verb};
	size_t count = 3;

	assert_non_null(program);
	snprintf(log, sizeof(log), "%s.log", folder);
	folder_path(one, sizeof(one), folder, first);
	argv[count++] = *first != '\0' ? one : folder;
	if (second != NULL) {
		folder_path(two, sizeof(two), folder, second);
		argv[count++] = two;
	}
	if (flag != NULL)
		argv[count++] = flag;
	(void)remove(log);
	return proc_output(log, argv, NULL, status);
}

static void a_whole_model_is_shown(void **state)
{
	char folder[FOLDER_PATH_MAX], *said;
	struct json_span root;
	struct error error;
	int status;

	folder_make(folder);
	write_model(folder, "a.model", 7);
	said = run(folder, "show", "a.model", NULL, NULL, &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(said, "6 x 128 x 3 x 2"));
	assert_non_null(
		strstr(said, "2025-12-01T00:00:00.000Z to 2025-12-31T00:00:00.000Z, 43200 rows"));
	assert_non_null(strstr(said, "mase_5                   0.87"));
	free(said);
	said = run(folder, "show", "a.model", NULL, "--json", &status);
	assert_int_equal(status, 0);
	assert_int_equal(json_span_init(&root, said, strlen(said), 8, &error), STATUS_OK);
	assert_non_null(strstr(said, "\"shapes\":[6,128,3,2],\"numbers\":3"));
	assert_non_null(strstr(said, "\"scores\":{\"mase_5\":0.87}"));
	free(said);
	folder_remove(folder);
}

static void what_is_no_model_is_refused_by_name(void **state)
{
	char folder[FOLDER_PATH_MAX], *said;
	int status;

	folder_make(folder);
	write_model(folder, "a.model", 7);
	folder_write(folder, "b.model", "NGMODEL\n");
	said = run(folder, "list", "", NULL, NULL, &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(said, "a.model  lstm  6x128x3x2  trained 2026-01-01"));
	assert_non_null(strstr(said, "b.model: cut off"));
	free(said);
	said = run(folder, "import", "b.model", "a.model", NULL, &status);
	assert_int_equal(status, 1);
	free(said);
	said = run(folder, "show", "a.model", NULL, NULL, &status);
	assert_int_equal(status, 0);
	free(said);
	said = run(folder, "sho", "a.model", NULL, NULL, &status);
	assert_int_equal(status, 2);
	free(said);
	folder_remove(folder);
}

static void what_was_there_before_an_import_comes_back(void **state)
{
	char folder[FOLDER_PATH_MAX], *said;
	int status;

	folder_make(folder);
	write_model(folder, "serving.model", 1);
	write_model(folder, "new.model", 2);
	said = run(folder, "import", "new.model", "serving.model", NULL, &status);
	assert_int_equal(status, 0);
	free(said);
	said = run(folder, "show", "serving.model", NULL, NULL, &status);
	assert_non_null(strstr(said, "seed       2\n"));
	free(said);
	said = run(folder, "rollback", "serving.model", NULL, NULL, &status);
	assert_int_equal(status, 0);
	free(said);
	said = run(folder, "show", "serving.model", NULL, NULL, &status);
	assert_non_null(strstr(said, "seed       1\n"));
	free(said);
	said = run(folder, "rollback", "new.model", NULL, NULL, &status);
	assert_int_equal(status, 1);
	free(said);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_model_is_shown),
		cmocka_unit_test(what_is_no_model_is_refused_by_name),
		cmocka_unit_test(what_was_there_before_an_import_comes_back),
	};

	return cmocka_run_group_tests_name("models_command", tests, NULL, NULL);
}
