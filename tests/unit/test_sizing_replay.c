/*
 * Requests held against recordings whose needs are known, and the tables that recordings are read from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/rightsize/sizing_replay.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define FIRST (INT64_C(20000) * 1440)
#define MEBI 1048576.0
#define GIBI (1024 * MEBI)

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct sizing_trace trace;
static struct sizing_replay replay;
static struct error error;
static const struct sizing_prices prices = {1, 10};

static int setup(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "t.csv");
	return 0;
}

static int teardown(void **state)
{
	sizing_trace_fini(&trace);
	folder_remove(folder);
	return 0;
}

/* Days of `cores` and `bytes`, with a tenth up and down in turn. */
static void make_trace(size_t days, double cores, double bytes)
{
	assert_int_equal(sizing_trace_init(&trace, FIRST, days * 1440, &error), STATUS_OK);
	for (size_t i = 0; i < trace.count; i++) {
		trace.cpu[i] = cores * (i % 2 == 0 ? 1 : .9);
		trace.memory[i] = bytes * (i % 2 == 0 ? 1 : .9);
	}
}

static const struct sizing_outcome *run(enum sizing_way way)
{
	assert_int_equal(sizing_replay(&trace, 7, &prices, &replay, &error), STATUS_OK);
	return &replay.outcomes[way];
}

static void an_even_container_costs_what_it_uses(void **state)
{
	const struct sizing_outcome *ours, *peak;

	make_trace(14, .5, GIBI);
	peak = run(SIZING_PEAK);
	ours = &replay.outcomes[SIZING_OURS];
	assert_int_equal(replay.judged, 7 * 1440);
	assert_true(fabs(peak->core_hours - 7 * 24 * .5) < 1e-6);
	assert_true(fabs(peak->gib_hours - 7 * 24) < 1e-6);
	assert_true(fabs(peak->money - (7 * 24 * .5 + 7 * 24 * 10)) < 1e-4);
	assert_true(peak->throttled == 0 && peak->killed == 0 && peak->changes == 0);
	assert_true(ours->throttled == 0 && ours->killed == 0);
	/* Close to the peak, but for the margin of a limit that is near. */
	assert_true(ours->core_hours < 7 * 24 * .5 * 1.2);
	/* The VPA adds 15 % to the end of the bucket. */
	assert_true(replay.outcomes[SIZING_VPA].core_hours > 7 * 24 * .5 * 1.15);
}

static void need_that_doubles_is_followed_and_told(void **state)
{
	const struct sizing_outcome *peak;

	make_trace(14, .5, GIBI);
	for (size_t i = 10 * 1440; i < trace.count; i++) {
		trace.cpu[i] *= 2;
		trace.memory[i] *= 2;
	}
	peak = run(SIZING_PEAK);
	/* Four of seven days are above a request that does not move. */
	assert_true(fabs(peak->throttled - 4.0 / 7) < .01);
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++) {
		const struct sizing_outcome *outcome = &replay.outcomes[way];

		assert_true(outcome->killed > 0 && outcome->killed < .003);
		assert_true(outcome->changes > 0);
	}
	assert_true(replay.outcomes[SIZING_OURS].throttled < .2);
	/* Held back by its limit it sees that it needs more, but not how much: it goes up in steps. */
	assert_true(replay.outcomes[SIZING_OURS].throttled > .01);
}

static void what_is_missing_is_not_judged(void **state)
{
	make_trace(14, .5, GIBI);
	for (size_t i = 9 * 1440; i < 12 * 1440; i++)
		trace.cpu[i] = trace.memory[i] = NAN;
	/* Above any request, in a twentieth of the 4 days that are known. */
	for (size_t i = 13 * 1440; i < 13 * 1440 + 288; i++)
		trace.cpu[i] = 50;
	assert_true(fabs(run(SIZING_PEAK)->throttled - .05) < 1e-9);
	assert_true(replay.outcomes[SIZING_OURS].killed == 0);
}

static void without_enough_days_nothing_is_judged(void **state)
{
	make_trace(7, .5, GIBI);
	assert_int_equal(sizing_replay(&trace, 7, &prices, &replay, &error), STATUS_UNAVAILABLE);
}

static enum status read_text(const char *text)
{
	sizing_trace_fini(&trace);
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &error), STATUS_OK);
	return sizing_trace_read_csv(&trace, path, &error);
}

static void a_table_becomes_minutes_in_cores_and_bytes(void **state)
{
	assert_int_equal(read_text("time,other,cpu_millicores,memory_mib,oom_kills\n"
				   "2026-01-01T00:00:10Z,x,500,2,0\n"
				   "2026-01-01T00:00:40Z,x,700,1,0\n"
				   "2026-01-01T00:01:00Z,x,,3,\n"
				   "2026-01-01T00:03:00Z,x,100,4,1\n"
				   "2026-01-01T01:03:00Z,x,200,5,0\n"),
		STATUS_OK);
	assert_int_equal(trace.count, 64);
	/* The highest of a minute; an empty field is not known; a row holds until the next one. */
	assert_true(fabs(trace.cpu[0] - .7) < 1e-9 && trace.memory[0] == 2 * MEBI);
	assert_true(isnan(trace.cpu[1]) && trace.memory[1] == 3 * MEBI && isnan(trace.killed[1]));
	assert_true(trace.memory[2] == 3 * MEBI);
	assert_true(fabs(trace.cpu[3] - .1) < 1e-9 && trace.killed[3] == 1);
	/* But not for longer than a quarter of an hour. */
	assert_true(
		fabs(trace.cpu[17] - .1) < 1e-9 && isnan(trace.cpu[18]) && isnan(trace.memory[62]));
	assert_true(trace.memory[63] == 5 * MEBI);
}

static void replicas_divide_what_all_of_them_used(void **state)
{
	assert_int_equal(read_text("timestamp,cpu,memory,replicas\n"
				   "1767225600,4,400,4\n1767225660,4,400,0\n1767225720,4,400,\n"),
		STATUS_OK);
	assert_true(trace.cpu[0] == 1 && trace.memory[0] == 100);
	assert_true(isnan(trace.cpu[1]) && isnan(trace.cpu[2]));
}

static void a_bad_table_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", "the file is empty"},
		{"time,cpu\n1767225600,1\n", ":1:1: the header needs columns"},
		{"time,cpu,memory,cpu_cores\n", ":1:17: a second column for the same"},
		{"time,cpu,memory\n", "there are no rows"},
		{"time,cpu,memory\n1767225600,1,-5\n", ":2:14: the value is below 0"},
		{"time,cpu,memory\n1767225600,1,2\n1767225000,1,2\n", ":3:1: the time is before"},
		{"time,cpu,memory\n1767225600,x,2\n", ":2:12: "},
		{"time,cpu,memory\n1767225600,1,2\n2767225600,1,2\n", "more than 576000 minutes"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(read_text(cases[i].text), STATUS_OK);
		if (strstr(error.text, cases[i].words) == NULL)
			fail_msg("case %zu: %s", i, error.text);
	}
}

static void without_memory_nothing_is_left_behind(void **state)
{
	static const char text[] = "time,cpu,memory\n1767225600,1,2\n1767225660,1,2\n";
	bool reached = true;

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &error), STATUS_OK);
	for (long nth = 1; reached; nth++) {
		enum status status;

		mem_fail_after(nth, false);
		status = sizing_trace_read_csv(&trace, path, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		sizing_trace_fini(&trace);
	}
	make_trace(9, .5, GIBI);
	mem_fail_after(1, false);
	assert_int_equal(sizing_replay(&trace, 7, &prices, &replay, &error), STATUS_NO_MEMORY);
	mem_fail_after(0, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_even_container_costs_what_it_uses),
		TEST(need_that_doubles_is_followed_and_told),
		TEST(what_is_missing_is_not_judged),
		TEST(without_enough_days_nothing_is_judged),
		TEST(a_table_becomes_minutes_in_cores_and_bytes),
		TEST(replicas_divide_what_all_of_them_used),
		TEST(a_bad_table_is_refused_with_its_place),
		TEST(without_memory_nothing_is_left_behind),
	};

	return cmocka_run_group_tests_name("sizing_replay", tests, NULL, NULL);
}
