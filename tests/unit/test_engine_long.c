/* Actions that take long: their progress is told, a restart in the middle goes on with them, and what
 * has no signals is verified by the cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/engine_bench.h"

static const char drain_text[] =
	"playbook: drain\ntrigger:\n  alert: ['alertname=~\"BadDisk.*\"']\ntarget:\n  kind: Node\n"
	"steps:\n- {action: drain, deadline: 20m}\nverify: {by: cluster, after: 1m}\n";

static struct bench *open_bench(void)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "drain.yaml", drain_text,
				 strlen(drain_text), &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	bench->observation =
		(struct observation){.found = true, .managed = true, .drain_seen = true};
	snprintf(bench->observation.target.uid, UID_MAX, "uid-n");
	snprintf(bench->observation.target.resource_version, UID_MAX, "7");
	bench->observation.drain.counts[DRAIN_EVICT] = 3;
	return bench;
}

static void bad_disk(struct bench *bench, const char *alert, const char *node)
{
	struct label pairs[] = {{"alertname", alert, 9, (uint32_t)strlen(alert)},
		{"node", node, 4, (uint32_t)strlen(node)}};
	struct event event;

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 2, NULL), STATUS_OK);
	event.firing = true;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = START_MS;
	event.received_ms = bench->now_ms;
	engine_event(bench->engine, &event, 0, bench->now_ms);
	event_fini(&event);
}

/* Until the command is out, and no further. */
static void send_it(struct bench *bench)
{
	for (int i = 0; i < 10; i++) {
		answer_journal(bench, STATUS_OK);
		answer_observe(bench);
		engine_tick(bench->engine, bench->now_ms);
	}
}

static void begin(struct bench *bench)
{
	bad_disk(bench, "BadDisk", "n1");
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_SENT);
}

/* What the node is like when the drain has begun. */
static void see_begun(struct bench *bench)
{
	bench->observation.unschedulable = true;
	snprintf(bench->observation.cordoned_by, sizeof(bench->observation.cordoned_by), "%s",
		bench->sent[0].action_id);
}

static void answer_last(struct bench *bench, enum command_outcome outcome, const char *detail)
{
	struct command_result result = {.outcome = outcome};

	memcpy(result.action_id, bench->sent[bench->sent_count - 1].action_id, ACTION_ID_MAX);
	snprintf(result.detail, sizeof(result.detail), "%s", detail);
	engine_finished(bench->engine, &result, bench->now_ms);
	answer_journal(bench, STATUS_OK);
}

static void long_action_has_its_own_time_and_tells_how_far_it_is(void **st)
{
	struct bench *bench = open_bench();
	size_t records;

	(void)st;
	begin(bench);
	assert_int_equal(bench->sent[0].deadline_ms,
		bench->now_ms + bench->config.times.send + 20 * 60000);
	records = bench->record_count;
	answer_last(bench, COMMAND_UNDER_WAY, "1 of 3 pods are gone");
	assert_int_equal(state(bench), STATE_SENT);
	assert_non_null(strstr(incident_action(only(bench))->sentence, "1 of 3 pods are gone"));
	assert_true(bench->record_count > records);
	/* Long after the time that one request would have. */
	pass(bench, 10 * 60000);
	assert_int_equal(state(bench), STATE_SENT);
	answer_last(bench, COMMAND_DONE, "");
	assert_int_equal(state(bench), STATE_WATCHED);
	see_begun(bench);
	bench->observation.drain.counts[DRAIN_EVICT] = 0;
	pass(bench, 60000);
	settle(bench);
	assert_string_equal(bench->outcome, "cured");
	bench_close(bench);
}

static void restart_in_the_middle_goes_on_with_the_same_action(void **st)
{
	struct bench *bench = open_bench();

	(void)st;
	begin(bench);
	see_begun(bench);
	pass(bench, 60000);
	bench_restart(bench);
	send_it(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_string_equal(bench->sent[1].action_id, bench->sent[0].action_id);
	assert_int_equal(bench->sent[1].deadline_ms, bench->sent[0].deadline_ms);
	assert_true(bench->sent[1].options.time_ms == 20 * 60000);
	answer_last(bench, COMMAND_DONE, "");
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void restart_after_its_end_sends_nothing(void **st)
{
	struct bench *bench = open_bench();

	(void)st;
	begin(bench);
	see_begun(bench);
	bench->observation.drain.counts[DRAIN_EVICT] = 0;
	bench_restart(bench);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void kill_switch_holds_what_would_go_on(void **st)
{
	struct bench *bench = open_bench();

	(void)st;
	begin(bench);
	see_begun(bench);
	assert_int_not_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	answer_journal(bench, STATUS_OK);
	bench_restart(bench);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void what_does_not_hold_is_ineffective(void **st)
{
	struct bench *bench = open_bench();

	(void)st;
	begin(bench);
	answer_last(bench, COMMAND_DONE, "");
	/* Somebody uncordoned it. */
	pass(bench, 60000);
	send_it(bench);
	assert_int_equal(incident_action(only(bench))->number, 2);
	assert_int_equal(only(bench)->actions[0]->state, STATE_INEFFECTIVE);
	bench_close(bench);
}

static void one_node_is_drained_at_a_time(void **st)
{
	struct bench *bench = open_bench();

	(void)st;
	begin(bench);
	bad_disk(bench, "BadDiskToo", "n2");
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(refused_for(bench, "concurrency"));
	bench_close(bench);
}

/* ---- what accompanies another step ---- */

static const char silence_text[] =
	"playbook: quiet\ntrigger:\n  alert: ['alertname=\"Slow\"']\ntarget:\n  kind: Deployment\n"
	"priority: 900\nsteps:\n- {action: silence, alerts: [PodNotReady], for: 30m}\n"
	"- {action: restart_workload}\nverify: {signal: saturation, is: below, value: 0.9, after: 1m, "
	"over: 1m}\n";

static void silence_is_followed_by_its_step_at_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct diagnostics diagnostics;

	(void)st;
	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "quiet.yaml", silence_text,
				 strlen(silence_text), &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(bench->sent[0].kind, ACTION_SILENCE);
	assert_non_null(bench->sent[0].payload);
	assert_int_equal(bench->sent[0].deadline_ms, bench->now_ms + bench->config.times.send);
	answer_last(bench, COMMAND_DONE, "silence alerts of Deployment shop/web: id-1");
	send_it(bench);
	assert_int_equal(only(bench)->actions[0]->state, STATE_DONE);
	assert_true(only(bench)->actions[0]->ended);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].kind, ACTION_RESTART_WORKLOAD);
	bench_close(bench);
}

static void restart_between_the_two_goes_on_with_the_second(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct diagnostics diagnostics;

	(void)st;
	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "quiet.yaml", silence_text,
				 strlen(silence_text), &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	alert(bench, "Slow", true, START_MS);
	send_it(bench);
	/* The answer was lost with the process: it is asked for again, and found by its key. */
	bench_restart(bench);
	pass(bench, 60000);
	send_it(bench);
	pass(bench, 60000);
	send_it(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].kind, ACTION_SILENCE);
	answer_last(bench, COMMAND_DONE, "");
	send_it(bench);
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(bench->sent[2].kind, ACTION_RESTART_WORKLOAD);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_action_has_its_own_time_and_tells_how_far_it_is),
		cmocka_unit_test(restart_in_the_middle_goes_on_with_the_same_action),
		cmocka_unit_test(restart_after_its_end_sends_nothing),
		cmocka_unit_test(kill_switch_holds_what_would_go_on),
		cmocka_unit_test(what_does_not_hold_is_ineffective),
		cmocka_unit_test(one_node_is_drained_at_a_time),
		cmocka_unit_test(silence_is_followed_by_its_step_at_once),
		cmocka_unit_test(restart_between_the_two_goes_on_with_the_second),
	};

	return cmocka_run_group_tests_name("engine_long", tests, NULL, NULL);
}
