/*
 * Data sets of each kind, written small: what of them is read, how it is parted, and that what is wrong
 * in a file is refused with its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/evaluate/dataset.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "tests/support/folder.h"

struct scene {
	char folder[FOLDER_PATH_MAX];
	struct dataset *dataset;
	struct entity entity;
	struct error error;
};

static void scene_begin(struct scene *scene)
{
	*scene = (struct scene){.dataset = NULL};
	folder_make(scene->folder);
}

static void scene_end(struct scene *scene)
{
	entity_fini(&scene->entity);
	dataset_close(scene->dataset);
	folder_remove(scene->folder);
}

static enum status open_kind(struct scene *scene, const char *kind, const char *entity)
{
	struct dataset_options options = {.kind = dataset_kind_find(kind),
		.path = scene->folder,
		.entity = entity};

	return dataset_open(&options, &scene->dataset, &scene->error);
}

/* Opens and reads the first entity. */
static enum status read_first(struct scene *scene, const char *kind)
{
	enum status status = open_kind(scene, kind, NULL);

	if (status != STATUS_OK)
		return status;
	return dataset_load(scene->dataset, 0, &scene->entity, &scene->error);
}

static void assert_ends(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	if (size < end_size || strcmp(text + size - end_size, end) != 0)
		fail_msg("\"%s\" does not end with \"%s\"", text, end);
}

static void every_kind_is_found_by_its_name(void **state)
{
	for (size_t i = 0; dataset_kind_names[i] != NULL; i++) {
		const struct dataset_kind *kind = dataset_kind_find(dataset_kind_names[i]);

		assert_non_null(kind);
		assert_string_equal(dataset_kind_name(kind), dataset_kind_names[i]);
		assert_true(dataset_kind_labelled(kind) || dataset_kind_forecast(kind));
	}
	assert_null(dataset_kind_find("smb"));
}

/* ---- pairs of files ---- */

static void write_pair(struct scene *scene)
{
	folder_write(scene->folder, "m-9_train.csv", "1,2\n3,4\n5,6\n");
	folder_write(scene->folder, "m-9_test.csv", "7,8\n9,10\n");
	folder_write(scene->folder, "m-9_test_label.csv", "0\r\n1\r\n");
}

static void a_pair_is_fitted_on_train_and_judged_on_test(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	write_pair(&scene);
	assert_int_equal(read_first(&scene, "smd"), STATUS_OK);
	assert_string_equal(scene.entity.name, "m-9");
	assert_int_equal(scene.entity.rows, 5);
	assert_int_equal(scene.entity.columns, 2);
	assert_true(scene.entity.values[9] == 10);
	assert_int_equal(entity_judged(&scene.entity), 2);
	assert_int_equal(entity_judged_row(&scene.entity, 0), 3);
	assert_int_equal(scene.entity.seam, 3);
	assert_int_equal(scene.entity.labels[3], 0);
	assert_int_equal(scene.entity.labels[4], 1);
	assert_int_equal(entity_rows_per_day(&scene.entity), 1440);
	scene_end(&scene);
}

static void both_ways_of_naming_and_folders_are_taken(void **state)
{
	char inner[FOLDER_PATH_MAX];
	struct scene scene;

	scene_begin(&scene);
	write_pair(&scene);
	folder_path(inner, sizeof(inner), scene.folder, "inner");
	assert_int_equal(mkdir(inner, 0700), 0);
	folder_write(inner, "train_service7.csv", "1\n2\n");
	folder_write(inner, "test_service7.csv", "3\n");
	folder_write(inner, "test_label_service7.csv", "1\n");
	assert_int_equal(open_kind(&scene, "jumpstarter", NULL), STATUS_OK);
	assert_int_equal(dataset_count(scene.dataset), 2);
	assert_string_equal(dataset_entity_name(scene.dataset, 0), "inner/service7");
	assert_int_equal(dataset_load(scene.dataset, 0, &scene.entity, NULL), STATUS_OK);
	assert_int_equal(entity_rows_per_day(&scene.entity), 288);
	dataset_close(scene.dataset);
	assert_int_equal(open_kind(&scene, "jumpstarter", "service7"), STATUS_OK);
	assert_int_equal(dataset_count(scene.dataset), 1);
	dataset_close(scene.dataset);
	scene.dataset = NULL;
	assert_int_equal(open_kind(&scene, "jumpstarter", "ice7"), STATUS_NOT_FOUND);
	assert_ends(scene.error.text, ": no entity ice7 of kind jumpstarter");
	folder_remove(inner);
	scene_end(&scene);
}

static void a_pair_that_does_not_fit_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *name, *text, *words;
	} cases[] = {
		{"m-9_test.csv", "7,8,9\n", "m-9_test.csv:1:1: 3 columns, the train part has 2"},
		{"m-9_test.csv", "7,8\n9,ten\n", "m-9_test.csv:2:3: \"ten\" is not a number"},
		{"m-9_test_label.csv", "0\n",
			"m-9_test_label.csv:1:1: 1 labels for 2 rows of the test part"},
		{"m-9_test_label.csv", "0\n2\n", "m-9_test_label.csv:2:1: a label is 0 or 1"},
		{"m-9_test_label.csv", "0,0\n1,1\n",
			"m-9_test_label.csv:1:1: 2 columns, not one of labels"},
		{"m-9_train.csv", "", "m-9_train.csv:1:1: no rows"},
		{"x_train.csv", "1\n", "x_train.csv: there is no x_test.csv beside it"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_begin(&scene);
		write_pair(&scene);
		folder_write(scene.folder, cases[i].name, cases[i].text);
		assert_int_not_equal(read_first(&scene, "smd"), STATUS_OK);
		assert_ends(scene.error.text, cases[i].words);
		assert_null(scene.entity.values);
		scene_end(&scene);
	}
}

static void a_folder_without_the_kind_is_refused(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	assert_int_equal(open_kind(&scene, "smd", NULL), STATUS_NOT_FOUND);
	assert_ends(scene.error.text, ": no files of kind smd");
	assert_int_equal(open_kind(&scene, "nab", NULL), STATUS_NOT_FOUND);
	assert_int_equal(open_kind(&scene, "nezha", NULL), STATUS_NOT_FOUND);
	folder_remove(scene.folder);
	assert_int_equal(open_kind(&scene, "csv", NULL), STATUS_NOT_FOUND);
}

/* ---- nab ---- */

static void write_nab(struct scene *scene, const char *windows)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_add_text(&text, "timestamp,value\n");
	for (int i = 0; i < 20; i++)
		buf_printf(&text, "2014-01-01 00:%02d:00,%d\n", i, i);
	assert_true(buf_ok(&text));
	folder_write(scene->folder, "cpu.csv", text.data);
	folder_write(scene->folder, "combined_windows.json", windows);
	buf_fini(&text);
}

static void windows_of_nab_become_rows(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	write_nab(&scene,
		"{\"realX/cpu.csv\": [[\"2014-01-01 00:05:00.000000\", \"2014-01-01 00:07:30\"],"
		"[\"2014-01-01 00:12:00\", \"2014-01-01 00:12:00\"]], \"realX/other.csv\": []}");
	assert_int_equal(read_first(&scene, "nab"), STATUS_OK);
	assert_int_equal(scene.entity.window_count, 2);
	assert_int_equal(scene.entity.windows[0].first, 5);
	assert_int_equal(scene.entity.windows[0].last, 7);
	assert_int_equal(scene.entity.windows[1].first, 12);
	assert_int_equal(scene.entity.labels[6], 1);
	assert_int_equal(scene.entity.labels[8], 0);
	assert_int_equal(scene.entity.step_ms, 60000);
	scene_end(&scene);
}

static void windows_that_are_wrong_are_refused(void **state)
{
	static const struct {
		const char *windows, *words;
	} cases[] = {
		{"[]", "combined_windows.json: not an object of files"},
		{"{\"cpu.csv\":\n 5}", "combined_windows.json:2:2: not a list of windows"},
		{"{\"cpu.csv\": [[\"2014-01-01 00:05:00\"]]}",
			"combined_windows.json:1:14: a window is a list of its first and its last "
			"time"},
		{"{\"cpu.csv\": [[\"noon\", \"2014-01-01 00:05:00\"]]}",
			"combined_windows.json:1:14: a window's end is no time such as 2014-02-26 "
			"13:45:00"},
		{"{\"cpu.csv\": [[\"2015-01-01 00:05:00\", \"2015-01-01 00:06:00\"]]}",
			"cpu: window 1 holds none of its rows, or overlaps the one before"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_begin(&scene);
		write_nab(&scene, cases[i].windows);
		assert_int_equal(read_first(&scene, "nab"), STATUS_BAD_INPUT);
		assert_ends(scene.error.text, cases[i].words);
		scene_end(&scene);
	}
}

/* ---- nezha ---- */

static void write_pod(struct scene *scene, int minutes)
{
	struct buf text;
	char time[32];

	buf_init(&text, 1 << 20);
	buf_add_text(&text, "Time,TimeStamp,PodName,Cpu(m),Memory\n");
	for (int i = 0; i < minutes; i++) {
		format_rfc3339((int64_t)i * 60000, time, sizeof(time));
		time[10] = ' ';
		time[19] = '\0';
		buf_printf(&text, "%s.6 +0000 UTC m=+0.1,99,pod-1,%d,7\n", time, i);
	}
	assert_true(buf_ok(&text));
	folder_write(scene->folder, "pod-1_metric.csv", text.data);
	buf_fini(&text);
	folder_write(scene->folder, "dependency.csv", "a,b\n");
	folder_write(scene->folder, "1970-01-01-fault_list.json",
		"{\"00\": [{\"inject_time\": \"1970-01-01 00:10:00\", \"inject_pod\": \"pod-1\","
		"\"inject_type\": \"cpu\"}, {\"inject_time\": \"1970-01-01 00:30:00\","
		"\"inject_pod\": \"pod-2\", \"inject_type\": \"net\"}]}");
}

static void a_pod_is_fitted_far_from_all_faults(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	write_pod(&scene, 600);
	assert_int_equal(read_first(&scene, "nezha"), STATUS_OK);
	assert_string_equal(scene.entity.name, "pod-1_metric");
	assert_int_equal(scene.entity.columns, 2);
	assert_string_equal(scene.entity.column_names[0], "Cpu(m)");
	assert_int_equal(scene.entity.fault_count, 1);
	assert_string_equal(scene.entity.faults[0].kind, "cpu");
	/* The fault of the other pod ends at minute 36. */
	assert_int_equal(scene.entity.fit_begin, 318);
	assert_int_equal(scene.entity.fit_end, 600);
	assert_int_equal(entity_judged_row(&scene.entity, 0), 0);
	assert_int_equal(scene.entity.labels[9], 0);
	assert_int_equal(scene.entity.labels[10], 1);
	assert_int_equal(scene.entity.labels[15], 1);
	assert_int_equal(scene.entity.labels[16], 0);
	scene_end(&scene);
}

static void a_day_full_of_faults_is_fitted_as_a_whole(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	write_pod(&scene, 60);
	assert_int_equal(read_first(&scene, "nezha"), STATUS_OK);
	assert_true(scene.entity.fit_is_all);
	assert_int_equal(entity_judged(&scene.entity), 60);
	scene_end(&scene);
}

static void a_list_of_faults_without_a_pod_is_refused(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	write_pod(&scene, 10);
	folder_write(scene.folder, "1970-01-01-fault_list.json",
		"{\"00\": [\n {\"inject_time\": \"1970-01-01 00:10:00\"}]}");
	assert_int_equal(read_first(&scene, "nezha"), STATUS_BAD_INPUT);
	assert_ends(scene.error.text,
		"fault_list.json:2:2: a fault needs inject_time (a time) and inject_pod");
	scene_end(&scene);
}

/* ---- series ---- */

static void a_trace_is_parted_by_whole_days(void **state)
{
	static const struct {
		int days;
		size_t fit, settings;
	} cases[] = {{27, 12, 18}, {14, 6, 9}, {28, 13, 19}, {11, 5, 7}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct scene scene;
		struct buf text;

		scene_begin(&scene);
		buf_init(&text, 4 << 20);
		buf_add_text(&text, "minute,requests\n");
		for (int k = 0; k < cases[i].days * 1440; k++)
			buf_printf(&text, "%d,%d\n", k, k % 7);
		assert_true(buf_ok(&text));
		folder_write(scene.folder, "shop.csv", text.data);
		buf_fini(&text);
		assert_int_equal(read_first(&scene, "traces"), STATUS_OK);
		assert_int_equal(scene.entity.fit_end, cases[i].fit * 1440);
		assert_int_equal(scene.entity.report_begin, cases[i].settings * 1440);
		scene_end(&scene);
	}
}

static void a_gap_on_the_grid_is_missing_and_not_zero(void **state)
{
	struct grid_series series;
	struct scene scene;

	scene_begin(&scene);
	folder_write(scene.folder, "shop.csv", "minute,requests\n3,1\n4,2\n5,3\n8,4\n9,5\n10,6\n");
	assert_int_equal(read_first(&scene, "traces"), STATUS_OK);
	assert_int_equal(entity_grid(&scene.entity, 0, &series, &scene.error), STATUS_OK);
	assert_int_equal(series.count, 8);
	assert_int_equal(series.start_ms, 180000);
	assert_true(series.values[2] == 3 && isnan(series.values[3]) && isnan(series.values[4]) &&
		series.values[5] == 4);
	/* Rows 2 and 4 of six begin the parts. */
	assert_int_equal(series.fit_end, 2);
	assert_int_equal(series.report_begin, 6);
	mem_free(series.values);
	scene_end(&scene);
}

static void a_bitbrains_machine_is_read_whatever_its_unit_of_time(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	folder_write(scene.folder, "1.csv",
		"Timestamp [ms];\tCPU cores;\tCPU usage [%];\tMemory usage [KB]\n"
		"1375308176;\t32;\t4.05;\t0.0\n1375308476;\t32;\t4.2;\t1.0\n"
		"1375308776;\t32;\t4.3;\t1.0\n");
	assert_int_equal(read_first(&scene, "bitbrains"), STATUS_OK);
	assert_int_equal(scene.entity.step_ms, 300000);
	assert_string_equal(scene.entity.column_names[1], "CPU usage [%]");
	assert_true(dataset_forecasts_column(scene.dataset, &scene.entity, 1));
	assert_false(dataset_forecasts_column(scene.dataset, &scene.entity, 0));
	scene_end(&scene);
}

static void the_own_format_has_labels_where_it_has_the_column(void **state)
{
	struct scene scene;

	scene_begin(&scene);
	folder_write(scene.folder, "a.csv",
		"time,cpu,label,memory\n2026-01-01T00:00:00Z,1,,2\n2026-01-01T00:01:00Z,,1,3\n");
	folder_write(scene.folder, "b.csv", "timestamp,x\n10,1\n20,2\n30,3\n");
	assert_int_equal(read_first(&scene, "csv"), STATUS_OK);
	assert_int_equal(scene.entity.columns, 2);
	assert_true(isnan(scene.entity.values[2]) && scene.entity.values[3] == 3);
	assert_int_equal(scene.entity.labels[0], 0);
	assert_int_equal(scene.entity.labels[1], 1);
	assert_int_equal(scene.entity.fit_end, 1);
	entity_fini(&scene.entity);
	assert_int_equal(dataset_load(scene.dataset, 1, &scene.entity, NULL), STATUS_OK);
	assert_null(scene.entity.labels);
	assert_int_equal(scene.entity.step_ms, 10000);
	scene_end(&scene);
}

static void a_bad_own_file_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "a.csv:1:1: no header"},
		{"cpu,memory\n1,2\n", "a.csv:1:1: the header has no column time"},
		{"time\n1\n", "a.csv:1:1: the header has no column of values"},
		{"time,x\n", "a.csv:1:1: a header and no rows"},
		{"time,x\n10,1\n10,2\n", "a.csv:3:1: the time is not after that of the row before"},
		{"time,x\n10,1\nnoon,2\n",
			"a.csv:3:1: \"noon\" is no time such as 2026-01-31 23:59:00"},
		{"time,x,label\n10,1,yes\n", "a.csv:2:6: \"yes\" is not a number"},
		{"time,x,label\n10,1,.5\n", "a.csv:2:6: a label is 0 or 1"},
		{"time,x\n10\n", "a.csv:2:1: the row has 1 columns, the header 2"},
		{"time,x\n10,1,2\n", "a.csv:2:6: more than the 2 columns of the header"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct scene scene;

		scene_begin(&scene);
		folder_write(scene.folder, "a.csv", cases[i].text);
		assert_int_equal(read_first(&scene, "csv"), STATUS_BAD_INPUT);
		assert_ends(scene.error.text, cases[i].words);
		scene_end(&scene);
	}
}

static void memory_that_is_out_is_an_answer(void **state)
{
	static const char *const kinds[] = {"smd", "nab", "nezha", "csv"};
	struct scene scene;

	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		scene_begin(&scene);
		if (k == 0)
			write_pair(&scene);
		else if (k == 1)
			write_nab(&scene,
				"{\"cpu.csv\": [[\"2014-01-01 00:05:00\", \"2014-01-01 "
				"00:07:00\"]]}");
		else if (k == 2)
			write_pod(&scene, 20);
		else
			folder_write(scene.folder, "a.csv", "time,x,label\n10,1,0\n20,2,1\n");
		for (long nth = 1;; nth++) {
			enum status status;
			bool reached;

			mem_fail_after(nth, false);
			status = read_first(&scene, kinds[k]);
			reached = mem_fail_after(0, false);
			assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
			entity_fini(&scene.entity);
			dataset_close(scene.dataset);
			scene.dataset = NULL;
			if (!reached)
				break;
		}
		scene_end(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_found_by_its_name),
		cmocka_unit_test(a_pair_is_fitted_on_train_and_judged_on_test),
		cmocka_unit_test(both_ways_of_naming_and_folders_are_taken),
		cmocka_unit_test(a_pair_that_does_not_fit_is_refused_with_its_place),
		cmocka_unit_test(a_folder_without_the_kind_is_refused),
		cmocka_unit_test(windows_of_nab_become_rows),
		cmocka_unit_test(windows_that_are_wrong_are_refused),
		cmocka_unit_test(a_pod_is_fitted_far_from_all_faults),
		cmocka_unit_test(a_day_full_of_faults_is_fitted_as_a_whole),
		cmocka_unit_test(a_list_of_faults_without_a_pod_is_refused),
		cmocka_unit_test(a_trace_is_parted_by_whole_days),
		cmocka_unit_test(a_gap_on_the_grid_is_missing_and_not_zero),
		cmocka_unit_test(a_bitbrains_machine_is_read_whatever_its_unit_of_time),
		cmocka_unit_test(the_own_format_has_labels_where_it_has_the_column),
		cmocka_unit_test(a_bad_own_file_is_refused_with_its_place),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
