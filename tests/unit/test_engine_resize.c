/* A resize in place on its way through the engine: its pods are journaled before it is sent, what cannot
 * be done is planned anew as a rollout, and a restart in the middle goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/engine_bench.h"

#define MI (INT64_C(1) << 20)

static const char resize_text[] =
	"playbook: bigger\ntrigger:\n  alert: ['alertname=\"Slow\"']\ntarget:\n  kind: Deployment\n"
	"priority: 900\nsteps:\n- {action: adjust_resources, memory: 300MiB, in_place: %s}\n"
	"verify: {signal: saturation, is: below, value: 0.9, after: 1m, over: 1m}\n";

static struct bench *open_bench(enum mode mode, const char *way)
{
	struct bench *bench = bench_open(mode, false);
	struct diagnostics diagnostics;
	struct resize_view *view = &bench->observation.resize;
	char text[1024];

	snprintf(text, sizeof(text), resize_text, way);
	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "bigger.yaml", text, strlen(text),
				 &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	bench->observation.memory_limit_bytes = 200 * MI;
	bench->observation.resizes = true;
	view->looked = true;
	view->count = 2;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(view->pods[i].uid, RESIZE_UID_MAX, "uid-of-pod-%u", i);
		view->pods[i].memory_limit_bytes = 200 * MI;
	}
	return bench;
}

/* Until a command is out, and no further. */
static void send_it(struct bench *bench)
{
	for (int i = 0; i < 10; i++) {
		answer_journal(bench, STATUS_OK);
		answer_observe(bench);
		engine_tick(bench->engine, bench->now_ms);
	}
}

static void answer_last(struct bench *bench, enum command_outcome outcome, enum status code)
{
	struct command_result result = {.outcome = outcome};

	memcpy(result.action_id, bench->sent[bench->sent_count - 1].action_id, ACTION_ID_MAX);
	if (outcome != COMMAND_DONE)
		error_set(&result.error, code, "the node is too small");
	engine_finished(bench->engine, &result, bench->now_ms);
	answer_journal(bench, STATUS_OK);
}

static void pods_are_in_the_journal_before_the_first_is_touched(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");
	bool noted = false;

	(void)st;
	alert(bench, "Slow", true, START_MS);
	for (int i = 0; i < 10 && bench->sent_count == 0; i++) {
		/* What the journal holds at this moment is acknowledged next, and then it is sent. */
		for (size_t k = 0; k < bench->record_count; k++)
			noted = noted ||
				(bench->records[k].kind == RECORD_ACTION &&
					strstr(bench->records[k].body,
						"\"pods\":[\"uid-of-pod-0\",\"uid-of-pod-1\"]") !=
						NULL);
		answer_journal(bench, STATUS_OK);
		assert_true(bench->sent_count == 0 || noted);
		answer_observe(bench);
		engine_tick(bench->engine, bench->now_ms);
	}
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent[0].options.by_resize);
	assert_int_equal(bench->sent[0].pods.count, 2);
	assert_int_equal(bench->sent[0].deadline_ms,
		bench->now_ms + bench->config.times.send + 10 * 60000);
	bench_close(bench);
}

static void what_could_not_be_done_in_place_is_rolled_out(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	answer_last(bench, COMMAND_FAILED, STATUS_BAD_INPUT);
	assert_int_equal(state(bench), STATE_FAILED);
	pass(bench, 60000);
	send_it(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_false(bench->sent[1].options.by_resize);
	assert_int_equal(bench->sent[1].pods.count, 0);
	assert_non_null(strstr(incident_action(only(bench))->plan.words,
		"by a rollout, as it could not be done in place"));
	/* A restart forgets neither. */
	bench_restart(bench);
	assert_true(incident_action(only(bench))->plan.options.resize_failed);
	bench_close(bench);
}

/* The rollout is another plan than was approved. */
static void rollout_in_its_place_is_approved_anew(void **st)
{
	struct bench *bench = open_bench(MODE_APPROVE, "prefer");
	const struct person ann = {.identity = "ann", .role = "approve"};
	struct error error;

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(engine_approve(bench->engine, incident_action(only(bench))->id, &ann, true,
				 bench->now_ms, &error),
		STATUS_OK);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	answer_last(bench, COMMAND_FAILED, STATUS_BAD_INPUT);
	pass(bench, 60000);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(incident_action(only(bench))->approval_count, 0);
	assert_non_null(strstr(incident_action(only(bench))->plan.words, ", by a rollout"));
	bench_close(bench);
}

static void what_must_be_in_place_is_never_rolled_out(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "require");

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	assert_true(bench->sent[0].options.by_resize);
	answer_last(bench, COMMAND_FAILED, STATUS_BAD_INPUT);
	pass(bench, 60000);
	send_it(bench);
	/* People are told, and nothing else is done. */
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].kind, ACTION_TICKET);
	assert_true(refused_for(bench, "no_resize"));
	bench_close(bench);
}

static void restart_in_the_middle_goes_on_with_the_same_pods(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	bench->observation.resize.pods[0].memory_limit_bytes = 300 * MI;
	bench_restart(bench);
	send_it(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_string_equal(bench->sent[1].action_id, bench->sent[0].action_id);
	assert_memory_equal(&bench->sent[1].pods, &bench->sent[0].pods,
		sizeof(bench->sent[0].pods));
	assert_true(bench->sent[1].options.by_resize);
	answer_last(bench, COMMAND_DONE, STATUS_OK);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void lost_answer_of_what_is_done_sends_nothing_more(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	bench->observation.resize.pods[0].memory_limit_bytes = 300 * MI;
	bench->observation.resize.pods[1].memory_limit_bytes = 300 * MI;
	answer_last(bench, COMMAND_UNKNOWN, STATUS_TIMEOUT);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

/* The kubelet of the last one may still refuse it. */
static void what_a_kubelet_has_not_done_is_not_done(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	bench->observation.resize.pods[0].memory_limit_bytes = 300 * MI;
	bench->observation.resize.pods[1].memory_limit_bytes = 300 * MI;
	bench->observation.resize.pods[1].pending = true;
	bench_restart(bench);
	send_it(bench);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void pods_that_were_replaced_are_told(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO, "prefer");
	const struct action *action;

	(void)st;
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	answer_last(bench, COMMAND_DONE, STATUS_OK);
	snprintf(bench->observation.resize.pods[0].uid, RESIZE_UID_MAX, "uid-of-a-successor");
	bench->observation.resize.count = 1;
	pass(bench, 60000);
	send_it(bench);
	action = only(bench)->actions[0];
	assert_int_equal(action->state, STATE_REVERTED);
	assert_non_null(strstr(action->sentence, "The pods that were resized are gone"));
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pods_are_in_the_journal_before_the_first_is_touched),
		cmocka_unit_test(what_could_not_be_done_in_place_is_rolled_out),
		cmocka_unit_test(rollout_in_its_place_is_approved_anew),
		cmocka_unit_test(what_must_be_in_place_is_never_rolled_out),
		cmocka_unit_test(restart_in_the_middle_goes_on_with_the_same_pods),
		cmocka_unit_test(lost_answer_of_what_is_done_sends_nothing_more),
		cmocka_unit_test(what_a_kubelet_has_not_done_is_not_done),
		cmocka_unit_test(pods_that_were_replaced_are_told),
	};

	return cmocka_run_group_tests_name("engine_resize", tests, NULL, NULL);
}
