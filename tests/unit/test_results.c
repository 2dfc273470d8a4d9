/*
 * Tables of results and their texts, and a whole evaluation of a small set: what is asked for is run,
 * what cannot be learnt from is told, and memory that is out is an answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/evaluate.h"
#include "analyzers/evaluate/references.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "base/random.h"
#include "tests/support/folder.h"

static const struct figure figures[] = {
	{"roc", "ROC", "area", FIGURE_PART},
	{"rate", "rate", "part", FIGURE_PERCENT},
	{"nab", "NAB", "score", FIGURE_SCORE},
	{"width", "width", "width", FIGURE_NUMBER},
	{"count", "count", "count", FIGURE_COUNT},
};

static void a_mean_leaves_out_what_is_undefined_and_other_methods(void **state)
{
	static const double one[] = {.5, .1, 10, 1e6, 3}, two[] = {.7, NAN, 20, 3, 5},
			    other[] = {9, 9, 9, 9, 9};
	struct result_table *table;
	struct results results;

	results_init(&results, "set");
	table = results_table(&results, "t", "Title", figures, 5);
	assert_int_equal(result_add(table, RESULT_ENTITY, "m", "a", one, NULL), STATUS_OK);
	assert_int_equal(result_add(table, RESULT_ENTITY, "o", "a", other, NULL), STATUS_OK);
	assert_int_equal(result_add(table, RESULT_ENTITY, "m", "b", two, NULL), STATUS_OK);
	assert_int_equal(result_add(table, RESULT_REFERENCE, "m", "r", other, NULL), STATUS_OK);
	assert_int_equal(result_add_mean(table, "m", NULL), STATUS_OK);
	assert_string_equal(table->rows[4].entity, "mean of 2");
	assert_true(fabs(table->rows[4].values[0] - .6) < 1e-12);
	assert_true(fabs(table->rows[4].values[1] - .1) < 1e-12);
	results_fini(&results);
}

static void fill(struct results *results)
{
	static const double values[] = {.12345, .0159, 53.27, 12.345678, 24},
			    none[] = {NAN, NAN, NAN, NAN, NAN};
	struct result_table *table;
	struct plot *plot;

	results_init(results, "set <1>");
	results_note(results, "a \"note\" of %d", 1);
	table = results_table(results, "t", "Title", figures, 5);
	assert_int_equal(result_add(table, RESULT_ENTITY, "m", "e<1>", values, NULL), STATUS_OK);
	assert_int_equal(result_add(table, RESULT_REFERENCE, "m", "r", none, NULL), STATUS_OK);
	plot = results_plot(results, "m", "e<1>");
	assert_non_null(plot);
	plot->count = 4;
	plot->value[0] = .25F;
	plot->value[1] = NAN;
	plot->value[2] = 1;
	plot->labelled[2] = plot->labelled[3] = plot->alarm[2] = 1;
	plot = results_plot(results, "f", "series");
	assert_non_null(plot);
	plot->forecast = true;
	plot->count = 2;
	plot->value[1] = plot->high[0] = 3;
	plot->low[1] = plot->high[1] = NAN;
}

static void the_text_lines_up_and_shows_what_is_unknown_as_a_dash(void **state)
{
	struct results results;
	struct buf text;

	fill(&results);
	buf_init(&text, 1 << 16);
	results_write_text(&results, &text);
	assert_string_equal(text.data,
		"data set set <1>\n"
		"a \"note\" of 1\n"
		"\n"
		"Title\n"
		"                            ROC     rate      NAB    width    count\n"
		"m\n"
		"  e<1>                    0.123    1.59%     53.3    12.35       24\n"
		"  reference, r                -        -        -        -        -\n");
	buf_fini(&text);
	results_fini(&results);
}

static void json_is_json_with_null_for_what_is_unknown(void **state)
{
	struct json_span root;
	struct results results;
	struct error error;
	struct buf text;

	fill(&results);
	buf_init(&text, 1 << 16);
	results_write_json(&results, &text);
	assert_int_equal(json_span_init(&root, text.data, text.size, 8, &error), STATUS_OK);
	assert_non_null(strstr(text.data, "\"roc\":0.12345,"));
	assert_non_null(strstr(text.data,
		"\"kind\":\"reference\",\"method\":\"m\",\"of\":\"r\","
		"\"roc\":null"));
	buf_fini(&text);
	results_fini(&results);
}

static void the_page_escapes_names_and_draws_gaps_as_gaps(void **state)
{
	struct results results;
	struct buf text;

	fill(&results);
	buf_init(&text, 1 << 16);
	results_write_html(&results, &text);
	assert_true(buf_ok(&text));
	assert_non_null(strstr(text.data, "e&lt;1&gt;"));
	assert_null(strstr(text.data, "e<1>"));
	/* Two strokes: the missing value between them is not drawn over. */
	assert_non_null(strstr(text.data, "d=\"M0 60.5M2 8.0L3 78.0\""));
	assert_non_null(strstr(text.data, "<rect class=\"label\" x=\"2\" y=\"0\" width=\"2\""));
	assert_non_null(strstr(text.data, "<rect class=\"alarm\" x=\"2\" y=\"0\" width=\"1\""));
	assert_null(strstr(text.data, "nan"));
	assert_null(strstr(text.data, "http"));
	buf_fini(&text);
	results_fini(&results);
}

static void every_reference_belongs_to_a_kind_of_data_set(void **state)
{
	const struct reference *reference;
	size_t count = 0;

	for (; (reference = reference_at(count)) != NULL; count++) {
		assert_non_null(dataset_kind_find(reference->dataset));
		for (size_t i = 0; i < REFERENCE_VALUES; i++)
			assert_false(reference->values[i] < 0 || reference->values[i] > 100);
	}
	assert_true(count > 50);
}

/* ---- whole evaluations ---- */

static void write_series(const char *folder, size_t rows)
{
	struct random random;
	struct buf text;

	random_init(&random, 3);
	buf_init(&text, 1 << 20);
	buf_add_text(&text, "time,load,label\n");
	for (size_t i = 0; i < rows; i++) {
		bool odd = i % 100 > 90 && i > rows / 2;

		buf_printf(&text, "%zu,%.4f,%d\n", i * 60, random_normal(&random) + (odd ? 9 : 0),
			odd);
	}
	assert_true(buf_ok(&text));
	folder_write(folder, "a.csv", text.data);
	buf_fini(&text);
}

static void set_options(struct evaluate_options *options, const char *folder)
{
	evaluate_options_default(options);
	options->dataset.kind = dataset_kind_find("csv");
	options->dataset.path = folder;
}

static void asked_methods_are_run_and_no_others(void **state)
{
	char folder[FOLDER_PATH_MAX];
	struct evaluate_options options;
	struct results results;
	struct error error;

	folder_make(folder);
	write_series(folder, 600);
	set_options(&options, folder);
	options.detector = "mean_z";
	options.forecaster = "naive";
	results_init(&results, "csv");
	assert_int_equal(evaluate(&options, &results, &error), STATUS_OK);
	assert_int_equal(results.table_count, 2);
	assert_int_equal(results.tables[0].row_count, 2);
	assert_true(results.tables[0].rows[0].values[0] > .99);
	assert_int_equal(results.tables[1].row_count, 2);
	assert_true(fabs(results.tables[1].rows[0].values[1] - 1) < 1e-12);
	results_fini(&results);
	folder_remove(folder);
}

static void rows_without_labels_are_forecast_unless_detectors_are_asked_for(void **state)
{
	char folder[FOLDER_PATH_MAX];
	struct evaluate_options options;
	struct results results;
	struct error error;

	folder_make(folder);
	folder_write(folder, "own.csv",
		"time,cpu\n2026-01-01T00:00:00Z,5\n2026-01-01T00:01:00Z,5\n");
	set_options(&options, folder);
	results_init(&results, "csv");
	assert_int_equal(evaluate(&options, &results, &error), STATUS_OK);
	assert_int_equal(results.table_count, 1);
	assert_string_equal(results.tables[0].key, "forecasts");
	assert_non_null(strstr(results.notes[0], "no column label"));
	results_fini(&results);
	options.detector = "all";
	results_init(&results, "csv");
	assert_int_equal(evaluate(&options, &results, &error), STATUS_BAD_INPUT);
	results_fini(&results);
	/* One entity that has labels is enough for them to be asked of all. */
	folder_write(folder, "a.csv",
		"time,cpu,label\n2026-01-01T00:00:00Z,5,0\n2026-01-01T00:01:00Z,5,1\n");
	options.detector = NULL;
	results_init(&results, "csv");
	assert_int_equal(evaluate(&options, &results, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "own has no column label"));
	results_fini(&results);
	folder_remove(folder);
}

static void the_same_note_is_taken_once(void **state)
{
	struct results results;

	results_init(&results, "csv");
	for (int i = 0; i < 100; i++)
		results_note(&results, "column %d never changes", i % 2);
	assert_int_equal(results.note_count, 2);
	assert_string_equal(results.notes[1], "column 1 never changes");
	results_fini(&results);
}

static void what_is_too_short_to_learn_from_is_told_and_not_scored(void **state)
{
	char folder[FOLDER_PATH_MAX];
	struct evaluate_options options;
	struct results results;
	struct error error;

	folder_make(folder);
	write_series(folder, 20);
	set_options(&options, folder);
	options.detector = "mean_z";
	results_init(&results, "csv");
	assert_int_equal(evaluate(&options, &results, &error), STATUS_OK);
	assert_true(isnan(results.tables[0].rows[0].values[0]));
	assert_int_equal(results.note_count, 2);
	assert_non_null(strstr(results.notes[1], "mean_z"));
	results_fini(&results);
	folder_remove(folder);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	char folder[FOLDER_PATH_MAX];
	struct evaluate_options options;

	folder_make(folder);
	write_series(folder, 200);
	set_options(&options, folder);
	options.detector = "mean_z";
	options.forecaster = "naive";
	options.seeds = 2;
	for (long nth = 1;; nth++) {
		struct results results;
		struct error error;
		enum status status;
		struct buf text;
		bool reached;

		results_init(&results, "csv");
		mem_fail_after(nth, false);
		status = evaluate(&options, &results, &error);
		buf_init(&text, 1 << 20);
		if (status == STATUS_OK)
			results_write_html(&results, &text);
		reached = mem_fail_after(0, false);
		/* A page that has one drawing less is a page. */
		assert_true(status == STATUS_NO_MEMORY || status == STATUS_OK);
		buf_fini(&text);
		results_fini(&results);
		if (!reached)
			break;
	}
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mean_leaves_out_what_is_undefined_and_other_methods),
		cmocka_unit_test(the_text_lines_up_and_shows_what_is_unknown_as_a_dash),
		cmocka_unit_test(json_is_json_with_null_for_what_is_unknown),
		cmocka_unit_test(the_page_escapes_names_and_draws_gaps_as_gaps),
		cmocka_unit_test(every_reference_belongs_to_a_kind_of_data_set),
		cmocka_unit_test(asked_methods_are_run_and_no_others),
		cmocka_unit_test(rows_without_labels_are_forecast_unless_detectors_are_asked_for),
		cmocka_unit_test(the_same_note_is_taken_once),
		cmocka_unit_test(what_is_too_short_to_learn_from_is_told_and_not_scored),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
