/*
 * The engine step by step, with a journal, a cluster and signals that this file answers for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/parse.h"
#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

static const struct person ann = {.identity = "ann", .role = "approve"};

/* ---- tests ---- */

static void an_alert_becomes_a_cure(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->sent_count, 0);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_false(bench->sent_dry[0]);
	assert_int_equal(bench->sent[0].changes.list[0].before, 2);
	assert_int_equal(changes_after(&bench->sent[0].changes, CHANGE_REPLICAS, 0), 3);
	assert_string_equal(bench->sent[0].target.uid, "uid-1");
	assert_int_equal(state(bench), STATE_WATCHED);
	bench->observation.replicas = 3;
	bench->saturation = 0.5;
	pass(bench, 5 * 60000);
	settle(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	pass(bench, 2 * 60000);
	settle(bench);
	assert_int_equal(state(bench), STATE_CURED);
	assert_string_equal(bench->outcome, "cured");
	assert_int_equal(engine_open_count(bench->engine), 0);
	bench_close(bench);
}

static void nothing_is_sent_before_its_commit(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_journal(bench, STATUS_OK);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	assert_int_equal(bench->sent_count, 0);
	answer_journal(bench, STATUS_IO);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_FAILED);
	bench_close(bench);
}

static void an_alert_that_ended_during_the_commit_changes_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_string_equal(bench->outcome, "resolved");
	bench_close(bench);
}

static void an_end_that_came_first_starts_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", false, START_MS);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "already_resolved"));
	bench_close(bench);
}

static void the_same_alert_acts_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	for (int i = 0; i < 3; i++) {
		alert(bench, "Saturated", true, START_MS);
		settle(bench);
	}
	/* A flap: another start, the same open incident. */
	alert(bench, "Saturated", true, START_MS + 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(only(bench)->joined, 1);
	bench->saturation = 0.1;
	bench->observation.replicas = 3;
	pass(bench, 20 * 60000);
	settle(bench);
	assert_int_equal(engine_open_count(bench->engine), 0);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void what_did_not_help_leads_to_the_next_step_and_to_a_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	for (int i = 0; i < 40; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(bench->sent[1].kind, ACTION_RESTART_WORKLOAD);
	assert_int_equal(bench->sent[2].kind, ACTION_TICKET);
	assert_string_equal(bench->outcome, "handed_over");
	assert_int_equal(engine_open_count(bench->engine), 0);
	bench_close(bench);
}

static void a_dry_run_takes_the_same_path_and_cures_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_OBSERVE, true);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent_dry[0]);
	assert_int_equal(engine_ledger(bench->engine)->count, 1);
	bench->saturation = 0.1;
	pass(bench, 20 * 60000);
	settle(bench);
	assert_string_equal(bench->outcome, "dry_run");
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void mode_observe_stays_dry_whatever_the_flag_says(void **st)
{
	struct bench *bench = bench_open(MODE_OBSERVE, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent_dry[0]);
	bench_close(bench);
}

static void the_annotation_of_the_object_makes_its_action_a_dry_run(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.dry_run = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_true(bench->sent_count > 0);
	for (size_t i = 0; i < bench->sent_count; i++)
		if (bench->sent[i].kind != ACTION_TICKET)
			assert_true(bench->sent_dry[i]);
	bench_close(bench);
}

static void without_a_cluster_only_a_dry_run_is_planned(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	error_set(&bench->observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	alert(bench, "CrashLoop", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_true(refused_for(bench, "cluster_unavailable"));
	bench_close(bench);

	bench = bench_open(MODE_OBSERVE, true);
	error_set(&bench->observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	alert(bench, "CrashLoop", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(incident_action(only(bench))->plan.basis, PLAN_FROM_LABELS);
	bench_close(bench);
}

static void a_waiting_incident_ends_with_its_alert(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.paused = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_BLOCKED);
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	assert_string_equal(bench->outcome, "resolved");
	assert_int_equal(bench->sent_count, 0);
	bench_close(bench);
}

static void a_refusal_that_passes_is_asked_again(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.paused = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.paused = false;
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void a_refusal_for_good_ends_with_a_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.managed = false;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(bench->sent[0].kind, ACTION_TICKET);
	assert_string_equal(bench->outcome, "handed_over");
	assert_true(refused_for(bench, "unmanaged"));
	bench_close(bench);
}

static void a_ticket_that_a_crash_cut_off_is_asked_for_again(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.managed = false;
	alert(bench, "Saturated", true, START_MS);
	/* Up to the command, whose answer never comes. */
	for (int i = 0; i < 20 && bench->sent_count == 0; i++) {
		answer_observe(bench);
		answer_journal(bench, STATUS_OK);
	}
	assert_int_equal(bench->sent_count, 1);
	bench_restart(bench);
	for (int i = 0; i < 10 && !only(bench)->ended_ms; i++) {
		settle(bench);
		pass(bench, 60000);
	}
	assert_int_equal(bench->sent[bench->sent_count - 1].kind, ACTION_TICKET);
	assert_int_equal(bench->sent_count, 2);
	assert_string_equal(bench->outcome, "handed_over");
	assert_string_equal(only(bench)->sentence, "A ticket was opened.");
	bench_close(bench);
}

static void no_answer_is_looked_into_before_anything_is_repeated(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_observe(bench);
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, 1);
	answer_send(bench, COMMAND_UNKNOWN);
	assert_int_equal(state(bench), STATE_UNKNOWN);
	pass(bench, 60000);
	assert_int_equal(bench->observe_count, 1);
	/* It was done after all. */
	bench->observation.replicas = 3;
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void a_crash_after_sending_asks_the_cluster(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "CrashLoop", true, START_MS);
	answer_observe(bench);
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, 1);
	bench_restart(bench);
	assert_int_equal(state(bench), STATE_UNKNOWN);
	/* The successor of the pod has another UID: it was done. */
	snprintf(bench->observation.target.uid, UID_MAX, "uid-2");
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void a_crash_before_sending_acts_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "CrashLoop", true, START_MS);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	bench_restart(bench);
	for (int i = 0; i < 3; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void approval_is_for_the_plan_that_was_shown(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);
	struct error error;
	char id[ACTION_ID_MAX];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(bench->sent_count, 0);
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	bench->observation.replicas = 4;
	assert_int_equal(engine_approve(bench->engine, id, &ann, true, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "approval_plan_changed"));
	assert_int_equal(engine_approve(bench->engine, id, &ann, true, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(incident_action(only(bench))->approved_by, "ann");
	assert_int_equal(engine_approve(bench->engine, id, &ann, true, bench->now_ms, &error),
		STATUS_CONFLICT);
	bench_close(bench);
}

static void suggestions_are_never_carried_out(void **st)
{
	struct bench *bench = bench_open(MODE_SUGGEST, false);
	struct error error;

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_non_null(strstr(incident_action(only(bench))->sentence, "not approved, until"));
	assert_null(strstr(incident_action(only(bench))->sentence, "waits for"));
	assert_int_equal(engine_approve(bench->engine, incident_action(only(bench))->id, &ann, true,
				 bench->now_ms, &error),
		STATUS_FORBIDDEN);
	pass(bench, 3 * 3600000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_string_equal(bench->outcome, "suggested");
	bench_close(bench);
}

static void undo_puts_back_only_what_is_still_ours(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct error error;
	char id[ACTION_ID_MAX];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	assert_int_equal(engine_undo(bench->engine, id, &ann, bench->now_ms, &error), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(changes_after(&bench->sent[1].changes, CHANGE_REPLICAS, 0), 2);
	assert_string_equal(bench->outcome, "rolled_back");
	assert_int_equal(engine_undo(bench->engine, id, &ann, bench->now_ms, &error),
		STATUS_CONFLICT);
	bench_close(bench);

	bench = bench_open(MODE_AUTO, false);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 9;
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	assert_int_equal(engine_undo(bench->engine, id, &ann, bench->now_ms, &error), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(refused_for(bench, "changed_since"));
	bench_close(bench);
}

static void what_has_no_room_is_refused_by_name(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	char name[32];

	bench->observation.paused = true;
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "Other%d", i);
		bench->journal_status = STATUS_OK;
		alert(bench, name, true, START_MS);
	}
	assert_int_equal(engine_open_count(bench->engine), 8);
	assert_true(refused_for(bench, "incidents_full"));
	bench_close(bench);
}

static void replay_gives_the_same_incident(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct buf before, after;

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->saturation = 0.2;
	bench->observation.replicas = 3;
	pass(bench, 20 * 60000);
	settle(bench);
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	incident_write_json(&before, only(bench));
	action_write_json(&before, incident_action(only(bench)), only(bench));
	bench_restart(bench);
	incident_write_json(&after, only(bench));
	action_write_json(&after, incident_action(only(bench)), only(bench));
	assert_string_equal(before.data, after.data);
	buf_fini(&before);
	buf_fini(&after);
	bench_close(bench);
}

static void a_value_that_somebody_takes_back_is_left_to_people(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 2; /* an autoscaler put it back */
	pass(bench, 10 * 60000);
	settle(bench);
	assert_string_equal(only(bench)->reason, "reverted");
	assert_int_equal(bench->sent[bench->sent_count - 1].kind, ACTION_TICKET);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_becomes_a_cure),
		cmocka_unit_test(nothing_is_sent_before_its_commit),
		cmocka_unit_test(an_alert_that_ended_during_the_commit_changes_nothing),
		cmocka_unit_test(an_end_that_came_first_starts_nothing),
		cmocka_unit_test(the_same_alert_acts_once),
		cmocka_unit_test(what_did_not_help_leads_to_the_next_step_and_to_a_ticket),
		cmocka_unit_test(a_dry_run_takes_the_same_path_and_cures_nothing),
		cmocka_unit_test(mode_observe_stays_dry_whatever_the_flag_says),
		cmocka_unit_test(the_annotation_of_the_object_makes_its_action_a_dry_run),
		cmocka_unit_test(without_a_cluster_only_a_dry_run_is_planned),
		cmocka_unit_test(a_waiting_incident_ends_with_its_alert),
		cmocka_unit_test(a_refusal_that_passes_is_asked_again),
		cmocka_unit_test(a_refusal_for_good_ends_with_a_ticket),
		cmocka_unit_test(a_ticket_that_a_crash_cut_off_is_asked_for_again),
		cmocka_unit_test(no_answer_is_looked_into_before_anything_is_repeated),
		cmocka_unit_test(a_crash_after_sending_asks_the_cluster),
		cmocka_unit_test(a_crash_before_sending_acts_once),
		cmocka_unit_test(approval_is_for_the_plan_that_was_shown),
		cmocka_unit_test(suggestions_are_never_carried_out),
		cmocka_unit_test(undo_puts_back_only_what_is_still_ours),
		cmocka_unit_test(what_has_no_room_is_refused_by_name),
		cmocka_unit_test(replay_gives_the_same_incident),
		cmocka_unit_test(a_value_that_somebody_takes_back_is_left_to_people),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
