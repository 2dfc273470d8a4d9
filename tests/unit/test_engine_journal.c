/*
 * Which records hurry: what is about to be done and what came of it, and not what stands between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

/* Of the first record of an action in this state: 1 it may wait, 0 it may not; -1: there is none. */
static int waits(const struct bench *bench, const char *state)
{
	char part[64];

	snprintf(part, sizeof(part), ",\"state\":\"%s\",", state);
	for (size_t i = 0; i < bench->record_count; i++)
		if (bench->records[i].kind == RECORD_ACTION &&
			strstr(bench->records[i].body, part) != NULL)
			return bench->records[i].may_wait;
	return -1;
}

static void what_is_about_to_be_done_and_what_came_of_it_hurry(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(waits(bench, "proposed"), 1);
	assert_int_equal(waits(bench, "written"), 0);
	assert_int_equal(waits(bench, "sent"), 1);
	assert_int_equal(waits(bench, "done"), 1);
	assert_int_equal(waits(bench, "watched"), 0);
	bench_close(bench);
}

static void what_went_wrong_hurries(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	answer_journal(bench, STATUS_OK);
	answer_observe(bench);
	answer_journal(bench, STATUS_OK);
	answer_send(bench, COMMAND_UNKNOWN);
	assert_int_equal(waits(bench, "unknown"), 0);
	bench_close(bench);
}

/* A crash that took the waiting records with it: what was written may have been done. */
static void a_command_whose_going_out_was_not_noted_is_looked_after(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	size_t kept;

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	answer_journal(bench, STATUS_OK);
	answer_observe(bench);
	kept = bench->record_count;
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, 1);
	while (bench->record_count > kept)
		record_fini(&bench->records[--bench->record_count]);
	bench_restart(bench);
	assert_int_equal(state(bench), STATE_UNKNOWN);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_about_to_be_done_and_what_came_of_it_hurry),
		cmocka_unit_test(what_went_wrong_hurries),
		cmocka_unit_test(a_command_whose_going_out_was_not_noted_is_looked_after),
	};

	return cmocka_run_group_tests_name("engine_journal", tests, NULL, NULL);
}
