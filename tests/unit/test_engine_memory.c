/*
 * The engine's list of live incidents: what the guard counts of the others stays true while incidents
 * come, end and go on in whatever order.
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

/* Other bounds than that of what is under way at once are out of the way. */
static void take_concurrent(struct bench *bench, unsigned most)
{
	struct guard_limits *limits = &playbooks_find(bench->playbooks, "scale")->guard;

	limits->concurrent = most;
	limits->per_namespace = limits->per_kind = limits->per_cluster = 100;
}

static void decide_one(struct bench *bench, const char *workload)
{
	struct workload_key *seen = &bench->observation.target.workload;

	alert_on(bench, workload, "Saturated", true, bench->now_ms);
	answer_journal(bench, STATUS_OK);
	snprintf(seen->name, sizeof(seen->name), "%s", workload);
	answer_observe(bench);
}

/* Up to the command, whose answer is left out. */
static void send_one(struct bench *bench, const char *workload)
{
	size_t sent = bench->sent_count;

	decide_one(bench, workload);
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, sent + 1);
}

static void answer_one(struct bench *bench, size_t which, enum command_outcome outcome)
{
	struct command_result result = {.outcome = outcome};

	memcpy(result.action_id, bench->sent[which].action_id, ACTION_ID_MAX);
	engine_finished(bench->engine, &result, bench->now_ms);
	answer_journal(bench, STATUS_OK);
}

static void what_ends_leaves_the_others_counted_right(void **state)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)state;
	take_concurrent(bench, 3);
	send_one(bench, "a");
	send_one(bench, "b");
	send_one(bench, "c");
	/* The first of them fails: its place goes to another one. */
	answer_one(bench, 0, COMMAND_FAILED);
	/* b and c are under way still. */
	take_concurrent(bench, 2);
	decide_one(bench, "d");
	assert_true(refused_for(bench, "concurrency"));
	/* c is only watched from now on. */
	answer_one(bench, 2, COMMAND_DONE);
	send_one(bench, "e");
	bench_close(bench);
}

static void a_workload_that_is_watched_is_left_alone(void **state)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)state;
	take_concurrent(bench, 100);
	send_one(bench, "a");
	send_one(bench, "web");
	answer_one(bench, 0, COMMAND_DONE);
	answer_one(bench, 1, COMMAND_DONE);
	/* Another alert, about a pod of web. */
	alert(bench, "CrashLoop", true, bench->now_ms);
	answer_journal(bench, STATUS_OK);
	answer_observe(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_true(refused_for(bench, "target_busy"));
	bench_close(bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ends_leaves_the_others_counted_right),
		cmocka_unit_test(a_workload_that_is_watched_is_left_alone),
	};

	return cmocka_run_group_tests_name("engine_memory", tests, NULL, NULL);
}
