/*
 * nimbusguard models on files: what is whole is shown, what is not is refused by name, the file before
 * comes back, and what is trained is promoted only when it is better.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/models/model_file.h"
#include "base/error.h"
#include "base/json_span.h"
#include "tests/support/day_tier.h"
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

/* ---- train, evaluate, promote ---- */

#define SMALL "--hidden=32", "--layers=1", "--epochs=3"

/* A wave of a period, 700 minutes of it. */
static void write_wave(const char *folder, const char *name, double period)
{
	static char text[64 * 1024];
	size_t at = (size_t)snprintf(text, sizeof(text), "time,requests\n");

	for (int i = 0; i < 700; i++) {
		double value = 100 + 30 * sin(i / period) + (i * 7919 % 97) / 97.0;

		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"2026-01-01T%02d:%02d:00Z,%.4f\n", i / 60, i % 60, value);
	}
	folder_write(folder, name, text);
}

/* nimbusguard models in the folder, with words of the caller (NULL-terminated); what it says (free). */
static char *models(const char *folder, const char *const *words, int *status)
{
	const char *program = getenv("NIMBUSGUARD_TEST_BIN"), *argv[16] = {program, "models"};
	struct proc proc = {.folder = folder};
	size_t count = 2;

	assert_non_null(program);
	folder_path(proc.log_path, sizeof(proc.log_path), folder, "said");
	(void)remove(proc.log_path);
	while (*words != NULL && count < 15)
		argv[count++] = *words++;
	proc_start(&proc, argv, NULL);
	*status = proc_wait(&proc, 120000);
	return proc_log(&proc);
}

static void say_and_check(const char *folder, const char *const *words, int expected,
	const char *text)
{
	int status;
	char *said = models(folder, words, &status);

	if (status != expected || strstr(said, text) == NULL)
		fail_msg("status %d, not %d with \"%s\": %s", status, expected, text, said);
	free(said);
}

static void a_model_is_promoted_only_when_it_is_better(void **state)
{
	static const char *const train[] = {"train", "new.model", "--path=wave.csv", "--json",
		SMALL, NULL};
	static const char *const promote[] = {"promote", "new.model", "serving.model",
		"--path=wave.csv", NULL};
	static const char *const force[] = {"promote", "new.model", "serving.model",
		"--path=wave.csv", "--force", "--reason=a drill", NULL};
	static const char *const other[] = {"train", "other.model", "--path=wave.csv", SMALL,
		"--seed=2", NULL};
	static const char *const force_other[] = {"promote", "other.model", "serving.model",
		"--path=wave.csv", "--force", "--reason=another drill", NULL};
	static const char *const show[] = {"show", "serving.model", "--json", NULL};
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];

	folder_make(folder);
	write_wave(folder, "wave.csv", 9);
	say_and_check(folder, train, 0, "\"better\":true,\"written\":true");
	say_and_check(folder, promote, 0, "serving.model: promoted");
	/* The same again is not better than what serves. */
	say_and_check(folder, promote, 1, "not promoted");
	folder_path(path, sizeof(path), folder, "serving.model.previous");
	assert_int_equal(access(path, F_OK), -1);
	say_and_check(folder, force, 0, "serving.model: promoted");
	say_and_check(folder, show, 0, "\"forced\":\"a drill\"}]}");
	/* The same file is not the one before. */
	assert_int_equal(access(path, F_OK), -1);
	say_and_check(folder, other, 0, "other.model: written");
	say_and_check(folder, force_other, 0, "serving.model: promoted");
	assert_int_equal(access(path, F_OK), 0);
	folder_remove(folder);
}

static void a_model_is_judged_beside_baselines_and_others(void **state)
{
	static const char *const train[] = {"train", "a.model", "--path=wave.csv", SMALL, NULL};
	static const char *const evaluate[] = {"evaluate", "a.model", "a.model", "--path=wave.csv",
		"--json", NULL};
	static const char *const seen[] = {"evaluate", "a.model", "--path=wave.csv",
		"--holdout=0.4", NULL};
	char folder[FOLDER_PATH_MAX], *said;
	struct json_span root;
	struct error error;
	int status;

	folder_make(folder);
	write_wave(folder, "wave.csv", 9);
	say_and_check(folder, train, 0, "a.model: written");
	said = models(folder, evaluate, &status);
	assert_int_equal(status, 0);
	assert_int_equal(json_span_init(&root, said, strlen(said), 8, &error), STATUS_OK);
	assert_non_null(strstr(said, "\"role\":\"candidate\""));
	assert_non_null(strstr(said, "{\"name\":\"seasonal_naive\",\"role\":\"baseline\""));
	assert_non_null(strstr(said, "{\"name\":\"a.model\",\"role\":\"serving\""));
	assert_non_null(strstr(said, "\"better\":false,\"why\":\"its error is "));
	free(said);
	say_and_check(folder, seen, 0, "not better: it has learnt from rows of this holdout");
	folder_remove(folder);
}

static void a_trained_net_learns_on_and_serves_all_workloads(void **state)
{
	static const char *const train[] = {"train", "a.model", "--path=wave.csv", SMALL, NULL};
	static const char *const further[] = {"train", "b.model", "--from=a.model",
		"--path=wave.csv", "--epochs=1", NULL};
	static const char *const shaped[] = {"train", "b.model", "--from=a.model",
		"--path=wave.csv", "--hidden=64", NULL};
	static const char *const missing[] = {"train", "b.model", "--from=none.model",
		"--path=wave.csv", NULL};
	static const char *const show[] = {"show", "b.model", NULL};
	char folder[FOLDER_PATH_MAX];

	folder_make(folder);
	write_wave(folder, "wave.csv", 9);
	say_and_check(folder, train, 0, "a.model: written");
	say_and_check(folder, shaped, 2, "--from and --hidden or --layers do not go together");
	say_and_check(folder, missing, 1, "none.model");
	say_and_check(folder, further, 0, "b.model: written");
	/* 560 minutes each. */
	say_and_check(folder, show, 0, "1120");
	folder_remove(folder);
}

static void what_another_kind_cannot_is_said(void **state)
{
	static const char *const evaluate[] = {"evaluate", "p.model", "--path=wave.csv", NULL};
	static const char *const further[] = {"train", "b.model", "--from=p.model",
		"--path=wave.csv", NULL};
	static const char *const promote[] = {"promote", "p.model", "s.model", "--path=wave.csv",
		NULL};
	static const char *const force[] = {"promote", "p.model", "s.model", "--force",
		"--reason=a drill", NULL};
	static const char *const show[] = {"show", "s.model", NULL};
	static const char only[] = "p.model: of kind scaler: only nets (lstm) learn from rows";
	struct model_info info = {.kind = "scaler", .shapes = {3}};
	const float numbers[] = {1, 2, 3};
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	struct error error;

	folder_make(folder);
	write_wave(folder, "wave.csv", 9);
	folder_path(path, sizeof(path), folder, "p.model");
	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
	say_and_check(folder, evaluate, 1, only);
	say_and_check(folder, further, 1, only);
	say_and_check(folder, promote, 1, only);
	say_and_check(folder, force, 0, "s.model: promoted");
	say_and_check(folder, show, 0, "a drill");
	folder_remove(folder);
}

static void what_is_wrong_is_named(void **state)
{
	static const char *const no_rows[] = {"train", "a.model", NULL};
	static const char *const no_number[] = {"train", "a.model", "--path=bad.csv", NULL};
	static const char *const short_rows[] = {"train", "a.model", "--path=short.csv", NULL};
	static const char *const hidden[] = {"train", "a.model", "--path=wave.csv", "--hidden=33",
		NULL};
	static const char *const no_model[] = {"evaluate", "b.model", "--path=wave.csv", NULL};
	static const char *const foreign[] = {"evaluate", "bad.csv", "--path=wave.csv", NULL};
	static const char *const no_reason[] = {"promote", "a.model", "b.model", "--force", NULL};
	static const char *const no_force[] = {"promote", "a.model", "b.model", "--reason=none",
		NULL};
	static const char *const format[] = {"export", "a.model", "b.model", "--format=pickle",
		NULL};
	char folder[FOLDER_PATH_MAX];

	folder_make(folder);
	write_wave(folder, "wave.csv", 9);
	folder_write(folder, "bad.csv",
		"time,cpu\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,x\n");
	folder_write(folder, "short.csv", "time,cpu\n2026-01-01T00:00:00Z,1\n");
	say_and_check(folder, no_rows, 2, "--path=FILE.csv");
	say_and_check(folder, no_number, 1, "bad.csv:3:22: ");
	say_and_check(folder, short_rows, 1, "short.csv: 1 rows");
	say_and_check(folder, hidden, 1, "hidden 33: must be a multiple of 32");
	say_and_check(folder, no_model, 1, "b.model");
	say_and_check(folder, foreign, 1, "bad.csv: not a model of NimbusGuard");
	say_and_check(folder, no_reason, 2, "go together");
	say_and_check(folder, no_force, 2, "go together");
	say_and_check(folder, format, 2, "--format");
	folder_remove(folder);
}

static void an_export_is_a_model_again(void **state)
{
	static const char *const export[] = {"export", "a.model", "b.model", NULL};
	static const char *const onnx[] = {"export", "a.model", "b.onnx", "--format=onnx", NULL};
	char folder[FOLDER_PATH_MAX], *said;
	int status;

	folder_make(folder);
	write_model(folder, "a.model", 5);
	say_and_check(folder, export, 0, "b.model is written");
	said = run(folder, "show", "b.model", NULL, NULL, &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(said, "seed       5\n"));
	free(said);
	/* A file that is whole, but no net. */
	say_and_check(folder, onnx, 1, "a.model: 3 numbers, and its shape has");
	folder_remove(folder);
}

/* What the command says to an export of the forest of shop/NAME. */
static void forest_exported(struct day_tier *tier, const char *name, const char *format, int wanted,
	const char *words)
{
	char workload[64];
	const char *argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "models", "export", tier->folder,
		"forest.onnx", "--namespace=shop", workload, format, NULL};
	char log[FOLDER_PATH_MAX], onnx[FOLDER_PATH_MAX], *said;
	int status;

	snprintf(workload, sizeof(workload), "--workload=%s", name);
	folder_path(onnx, sizeof(onnx), tier->folder, "forest.onnx");
	argv[4] = onnx;
	folder_path(log, sizeof(log), tier->folder, "said.log");
	said = proc_output(log, argv, NULL, &status);
	if (status != wanted || strstr(said, words) == NULL)
		fail_msg("%d, not %d with \"%s\": %s", status, wanted, words, said);
	free(said);
}

static void the_forest_of_a_workload_is_exported_or_refused_by_name(void **state)
{
	struct day_tier tier;

	day_tier_open(&tier, 1, 0);
	forest_exported(&tier, "web", "--format=onnx", 1, "No such file");
	day_tier_learn(&tier, "ensemble");
	forest_exported(&tier, "web", "--format=onnx", 0, "forest.onnx is written");
	forest_exported(&tier, "web", "--format=native", 2, "--format=onnx alone");
	forest_exported(&tier, "web", "--kind=Sheep", 2, "\"Sheep\" is not known");
	forest_exported(&tier, "other", "--format=onnx", 1, "detect.learnt");
	day_tier_learn(&tier, "extended_forest_roll");
	forest_exported(&tier, "web", "--format=onnx", 1,
		"detect.learnt: the detector \"extended_forest_roll\" has no isolation forest");
	day_tier_close(&tier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_model_is_shown),
		cmocka_unit_test(what_is_no_model_is_refused_by_name),
		cmocka_unit_test(what_was_there_before_an_import_comes_back),
		cmocka_unit_test(a_model_is_promoted_only_when_it_is_better),
		cmocka_unit_test(a_model_is_judged_beside_baselines_and_others),
		cmocka_unit_test(a_trained_net_learns_on_and_serves_all_workloads),
		cmocka_unit_test(what_another_kind_cannot_is_said),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(an_export_is_a_model_again),
		cmocka_unit_test(the_forest_of_a_workload_is_exported_or_refused_by_name),
	};

	return cmocka_run_group_tests_name("models_command", tests, NULL, NULL);
}
