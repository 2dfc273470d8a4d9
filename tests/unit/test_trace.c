/*
 * Traces: what is odd in a file is named with its line and taken as missing or refused, units are as told,
 * and generated shapes are what their names say and the same for one seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/trace.h"
#include "base/buf.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define MINUTES 240

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 16];
static struct trace trace;
static struct error error;
static struct buf text;

static int setup(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "t.csv");
	buf_init(&text, 1 << 20);
	trace_init(&trace, "t");
	return 0;
}

static int teardown(void **state)
{
	folder_remove(folder);
	buf_fini(&text);
	trace_fini(&trace);
	return 0;
}

/* Minutes of 600 requests, but for a wave so that it is no flat line. */
static double usual(size_t minute)
{
	return 600 + (double)(minute % 7) * 10;
}

static enum status read_with(enum trace_unit unit, bool keep_odd)
{
	struct trace_csv_options options = {.unit = unit, .keep_odd = keep_odd};

	folder_write(folder, "t.csv", text.data);
	trace_fini(&trace);
	trace_init(&trace, "t");
	return trace_read_csv(&trace, path, &options, &error);
}

static enum status read_text(void)
{
	return read_with(TRACE_UNIT_HEADER, false);
}

/* A line for each minute but those that `line` writes itself. */
static void write_minutes(const char *header, double (*value)(size_t minute))
{
	buf_reset(&text);
	buf_printf(&text, "%s\n", header);
	for (size_t i = 0; i < MINUTES; i++) {
		double v = value(i);

		if (isnan(v))
			buf_printf(&text, "%zu,\n", i);
		else
			buf_printf(&text, "%zu,%g\n", i, v);
	}
}

static void assert_said(const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(error.text, *words) == NULL)
			fail_msg("\"%s\" is not in: %s", *words, error.text);
}
#define SAID(...) assert_said((const char *const[]){__VA_ARGS__, NULL})

static void assert_noted(const char *words)
{
	for (size_t i = 0; i < trace.note_count; i++)
		if (strstr(trace.notes[i], words) != NULL)
			return;
	fail_msg("not noted: %s (%zu notes, the first: %s)", words, trace.note_count,
		trace.note_count > 0 ? trace.notes[0] : "");
}

static size_t missing(void)
{
	size_t count = 0;

	for (size_t i = 0; i < trace.minutes; i++)
		count += isnan(trace.rates[i]) ? 1 : 0;
	return count;
}

static void the_header_names_the_unit(void **state)
{
	write_minutes("minute,requests", usual);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(trace.minutes, MINUTES);
	assert_int_equal(trace.start_ms, -1);
	assert_true(fabs(trace.rates[3] - 630. / 60) < 1e-12 && trace.note_count == 0);
	write_minutes("minute,rpm", usual);
	assert_int_equal(read_text(), STATUS_OK);
	assert_true(fabs(trace.rates[3] - 630. / 60) < 1e-12);
	write_minutes("minute,rate", usual);
	assert_int_equal(read_text(), STATUS_OK);
	assert_true(fabs(trace.rates[3] - 630) < 1e-12);
	assert_int_equal(read_with(TRACE_UNIT_PER_MINUTE, false), STATUS_OK);
	assert_true(fabs(trace.rates[3] - 630. / 60) < 1e-12);
	write_minutes("minute,value", usual);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID(":1:8: ", "tells no unit");
	assert_int_equal(read_with(TRACE_UNIT_COUNT, false), STATUS_OK);
	assert_true(fabs(trace.rates[3] - 630. / 60) < 1e-12);
}

static void of_several_rates_the_first_is_taken(void **state)
{
	buf_reset(&text);
	buf_add_text(&text, "note,minute,requests,rps,second\n");
	for (size_t i = 0; i < MINUTES; i++)
		buf_printf(&text, "x,%zu,600,999,%zu\n", i, i);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(trace.minutes, MINUTES);
	assert_true(fabs(trace.rates[3] - 10) < 1e-12);
}

static void finer_rows_are_averaged_and_coarser_ones_joined(void **state)
{
	buf_reset(&text);
	buf_add_text(&text, "time,requests\n");
	for (size_t i = 0; i < 4 * MINUTES; i++)
		buf_printf(&text, "%zu,%zu\n", 1700000000 + i * 15, i % 4 * 30);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(trace.minutes, MINUTES);
	assert_true(trace.start_ms == INT64_C(1700000000000));
	assert_true(fabs(trace.rates[7] - 3) < 1e-12);
	buf_reset(&text);
	buf_add_text(&text, "time,rate\n");
	for (size_t i = 0; i < 60; i++)
		buf_printf(&text, "%zu,%zu\n", 1700000000 + i * 300, 100 + i % 2 * 100);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(trace.minutes, 300);
	/* The middle of a row's five minutes has its value; the next row's middle is five minutes on. */
	assert_true(fabs(trace.rates[2] - 100) < 1e-9 && fabs(trace.rates[7] - 200) < 1e-9);
	assert_true(fabs(trace.rates[4] - 140) < 1e-9);
	assert_noted("300 s apart");
}

static double with_gap(size_t minute)
{
	return minute >= 50 && minute < 62 ? (double)NAN : usual(minute);
}

static void gaps_are_missing_and_named(void **state)
{
	write_minutes("minute,requests", with_gap);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 12);
	assert_noted("1 gaps, 12 minutes");
	/* The same where the rows are not there at all. */
	buf_reset(&text);
	buf_add_text(&text, "minute,requests\n");
	for (size_t i = 0; i < MINUTES; i++)
		if (i < 50 || i >= 62)
			buf_printf(&text, "%zu,%g\n", i, usual(i));
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 12);
	assert_noted("t.csv:51: 1 gaps, 12 minutes");
}

static double with_infinity(size_t minute)
{
	return minute >= 50 && minute < 62 ? (double)INFINITY : usual(minute);
}

static void infinities_are_gaps(void **state)
{
	write_minutes("minute,requests", with_infinity);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 12);
	assert_noted("1 gaps, 12 minutes");
}

static double mostly_gap(size_t minute)
{
	return minute % 3 > 0 ? (double)NAN : usual(minute);
}

static void too_many_gaps_are_refused(void **state)
{
	write_minutes("minute,requests", mostly_gap);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID("160 of 240 minutes are missing");
}

static double with_zeros(size_t minute)
{
	return minute >= 100 && minute < 105 ? 0 : usual(minute);
}

static double quiet(size_t minute)
{
	return minute % 3 == 0 ? 1 : 0;
}

static void zeros_amid_traffic_are_missing(void **state)
{
	write_minutes("minute,requests", with_zeros);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 5);
	assert_noted("t.csv:102: 5 minutes of zeros");
	assert_int_equal(read_with(TRACE_UNIT_HEADER, true), STATUS_OK);
	assert_int_equal(missing(), 0);
	/* Where little comes, nothing for a minute is nothing odd. */
	write_minutes("minute,requests", quiet);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 0);
}

static double with_spike(size_t minute)
{
	return minute == 120 ? 70000 : usual(minute);
}

static double with_crowd(size_t minute)
{
	return minute >= 120 && minute < 140 ? 70000 : usual(minute);
}

static void a_lone_spike_of_a_hundred_is_missing_and_a_crowd_is_not(void **state)
{
	write_minutes("minute,requests", with_spike);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 1);
	assert_true(isnan(trace.rates[120]));
	assert_noted("t.csv:122: ");
	assert_int_equal(read_with(TRACE_UNIT_HEADER, true), STATUS_OK);
	assert_int_equal(missing(), 0);
	write_minutes("minute,requests", with_crowd);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(missing(), 0);
}

static void rows_out_of_order_are_put_in_order(void **state)
{
	buf_reset(&text);
	buf_add_text(&text, "minute,requests\n");
	for (size_t i = 0; i < MINUTES; i++)
		buf_printf(&text, "%zu,%g\n", i ^ 1, usual(i ^ 1));
	assert_int_equal(read_text(), STATUS_OK);
	assert_noted("t.csv:3: the time goes back");
	for (size_t i = 0; i < MINUTES; i++)
		assert_true(fabs(trace.rates[i] - usual(i) / 60) < 1e-12);
}

static void a_time_twice_is_dropped_or_refused(void **state)
{
	write_minutes("minute,requests", usual);
	buf_printf(&text, "%d,%g\n", 100, usual(100));
	assert_int_equal(read_text(), STATUS_OK);
	assert_noted("t.csv:242: a time is there twice");
	assert_int_equal(trace.minutes, MINUTES);
	buf_printf(&text, "%d,%d\n", 110, 5);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID("t.csv:243: ", "line 112", "which one is right?");
}

static double negative(size_t minute)
{
	return minute == 30 ? -1 : usual(minute);
}

static double counter(size_t minute)
{
	return 1000 + 600 * (double)minute;
}

static double huge(size_t minute)
{
	return minute == 33 ? 1e12 : usual(minute);
}

static void what_cannot_be_a_rate_is_refused(void **state)
{
	write_minutes("minute,requests", negative);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID("t.csv:32: ", "below 0");
	write_minutes("minute,requests", counter);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID("this is a counter");
	write_minutes("minute,rate", huge);
	assert_int_equal(read_text(), STATUS_BAD_INPUT);
	SAID("t.csv:35: ", "is the unit right?");
}

static void wrong_files_are_refused_with_their_place(void **state)
{
	static const struct {
		const char *text, *words;
	} wrong[] = {
		{"", "empty"},
		{"minute,requests\n", "fewer than two"},
		{"a,b\n1,2\n", "no column time"},
		{"time,b\n1,2\n", "no column rate"},
		{"minute,requests\n1,2\nx,3\n", "t.csv:3:1: "},
		{"minute,requests\n1,2\n2,many\n", "t.csv:3:3: "},
		{"minute,requests\n1,2\n-5,1\n", "t.csv:3:1: this is no minute"},
		{"time,rate\n0,2\n60,3\n", "before 1990"},
		{"time,rate\n1700000000,2\n1700086400,3\n", "86400.000 s apart"},
		{"minute,rate\n1,2\n2,2\n", "an hour is the least"},
		{"minute,rate\n1,2\n2,2\n3,5\n900000,5\n", "t.csv:5: the trace is longer"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		buf_reset(&text);
		buf_add_text(&text, wrong[i].text);
		assert_int_equal(read_text(), STATUS_BAD_INPUT);
		SAID(wrong[i].words);
	}
	trace_fini(&trace);
	assert_int_equal(trace_read_csv(&trace, "/nowhere.csv", &(struct trace_csv_options){0},
				 &error),
		STATUS_NOT_FOUND);
}

static void every_shape_is_deterministic_by_seed(void **state)
{
	for (size_t i = 0; trace_shapes[i] != NULL; i++) {
		struct trace one, two;
		double highest = 0;

		trace_init(&one, "one");
		trace_init(&two, "two");
		assert_int_equal(trace_generate(&one, trace_shapes[i], 14, 1000, 7, &error),
			STATUS_OK);
		assert_int_equal(trace_generate(&two, trace_shapes[i], 14, 1000, 7, &error),
			STATUS_OK);
		assert_int_equal(one.minutes, 14 * 1440);
		assert_memory_equal(one.rates, two.rates, one.minutes * sizeof(*one.rates));
		for (size_t k = 0; k < one.minutes; k++) {
			assert_true(one.rates[k] >= 0 && isfinite(one.rates[k]));
			highest = fmax(highest, one.rates[k]);
		}
		if (highest < 500 || highest > 2000)
			fail_msg("%s: highest %g", trace_shapes[i], highest);
		trace_fini(&one);
		trace_fini(&two);
	}
	assert_int_equal(trace_generate(&trace, "square", 1, 1, 1, &error), STATUS_BAD_INPUT);
	assert_int_equal(trace_generate(&trace, "steady", 0, 1, 1, &error), STATUS_BAD_INPUT);
}

static double rate_at(size_t day, size_t hour, size_t minute)
{
	return trace.rates[day * 1440 + hour * 60 + minute];
}

static void shapes_are_what_their_names_say(void **state)
{
	struct {
		const char *name;
		enum trace_disturbance disturbance;
	} disturbed[] = {{"capacity_loss", TRACE_CAPACITY_LOSS},
		{"metrics_missing", TRACE_METRICS_MISSING}, {"pods_lost", TRACE_PODS_LOST}};

	assert_int_equal(trace_generate(&trace, "weekly", 7, 100, 1, &error), STATUS_OK);
	assert_true(fabs(rate_at(5, 12, 0) - rate_at(4, 12, 0) / 2) < 1e-9);
	trace_fini(&trace);
	assert_int_equal(trace_generate(&trace, "scheduled_bursts", 1, 100, 1, &error), STATUS_OK);
	assert_true(fabs(rate_at(0, 7, 2) - 100) < 1e-9 && fabs(rate_at(0, 7, 6) - 25) < 1e-9);
	trace_fini(&trace);
	assert_int_equal(trace_generate(&trace, "drift", 20, 100, 1, &error), STATUS_OK);
	assert_true(rate_at(19, 15, 0) > 2 * rate_at(0, 15, 0));
	for (size_t i = 0; i < 3; i++) {
		trace_fini(&trace);
		assert_int_equal(trace_generate(&trace, disturbed[i].name, 1, 100, 1, &error),
			STATUS_OK);
		assert_int_equal(trace.disturbance, disturbed[i].disturbance);
	}
}

static void quantiles_are_of_what_is_known(void **state)
{
	double rate;

	write_minutes("minute,rate", with_gap);
	assert_int_equal(read_text(), STATUS_OK);
	assert_int_equal(trace_quantile(&trace, 1, &rate, &error), STATUS_OK);
	assert_true(fabs(rate - 660) < 1e-9);
	assert_int_equal(trace_quantile(&trace, 0, &rate, &error), STATUS_OK);
	assert_true(fabs(rate - 600) < 1e-9);
}

static void every_failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	write_minutes("minute,requests", with_zeros);
	folder_write(folder, "t.csv", text.data);
	for (long nth = 1; reached; nth++) {
		struct trace_csv_options options = {.unit = TRACE_UNIT_HEADER};
		enum status status;

		trace_fini(&trace);
		trace_init(&trace, "t");
		mem_fail_after(nth, false);
		status = trace_read_csv(&trace, path, &options, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_names_the_unit),
		cmocka_unit_test(of_several_rates_the_first_is_taken),
		cmocka_unit_test(finer_rows_are_averaged_and_coarser_ones_joined),
		cmocka_unit_test(gaps_are_missing_and_named),
		cmocka_unit_test(infinities_are_gaps),
		cmocka_unit_test(too_many_gaps_are_refused),
		cmocka_unit_test(zeros_amid_traffic_are_missing),
		cmocka_unit_test(a_lone_spike_of_a_hundred_is_missing_and_a_crowd_is_not),
		cmocka_unit_test(rows_out_of_order_are_put_in_order),
		cmocka_unit_test(a_time_twice_is_dropped_or_refused),
		cmocka_unit_test(what_cannot_be_a_rate_is_refused),
		cmocka_unit_test(wrong_files_are_refused_with_their_place),
		cmocka_unit_test(every_shape_is_deterministic_by_seed),
		cmocka_unit_test(shapes_are_what_their_names_say),
		cmocka_unit_test(quantiles_are_of_what_is_known),
		cmocka_unit_test(every_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("trace", tests, setup, teardown);
}
