/*
 * Floors on the engine's bench: a least that is raised for a time is taken back when that is over, by
 * nobody's word, through the guard, over a restart too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

#define HOUR_MS INT64_C(3600000)

static const char floor_text[] = "playbook: floor\n"
				 "trigger: {alert: ['alertname=\"Busy\"'], range: 1m}\n"
				 "target: {kind: Workload}\n"
				 "priority: 10\n"
				 "steps: [{action: adjust_autoscaler, min: 5, for: 1h}]\n"
				 "verify: {by: cluster, after: 1m}\n"
				 "hand_over: none\n";

static struct bench *open_bench(enum mode mode)
{
	struct bench *bench = bench_open(mode, false);
	struct autoscaler_seen *seen = &bench->observation.autoscaler;
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "floor.yaml", floor_text,
				 strlen(floor_text), &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
	snprintf(bench->observation.owner_of_replicas, sizeof(bench->observation.owner_of_replicas),
		"HorizontalPodAutoscaler/web");
	*seen = (struct autoscaler_seen){.object = {.kind = TARGET_HPA,
						 .name = "web",
						 .uid = "hpa-1",
						 .resource_version = "3"},
		.looked = true,
		.replicas_min = 2,
		.replicas_max = 10};
	snprintf(seen->writer.manager, sizeof(seen->writer.manager), FIELD_MANAGER);
	return bench;
}

/* The cluster is as the last command wanted it. */
static void take(struct bench *bench)
{
	const struct command *command = &bench->sent[bench->sent_count - 1];
	struct autoscaler_seen *seen = &bench->observation.autoscaler;

	seen->replicas_min = (int32_t)changes_after(&command->changes, CHANGE_REPLICAS_MIN, -1);
	seen->floor = (struct floor_mark){0};
	if (command->options.floor_hold_ms)
		seen->floor = (struct floor_mark){.until_ms = command->options.floor_until_ms,
			.floor = seen->replicas_min,
			.before = (int32_t)command->options.floor_before};
}

/* A floor that was verified; its incident is over. */
static void set_floor(struct bench *bench, int64_t starts_ms)
{
	size_t sent = bench->sent_count;

	alert(bench, "Busy", true, starts_ms);
	settle(bench);
	assert_int_equal(bench->sent_count, sent + 1);
	take(bench);
	alert(bench, "Busy", false, starts_ms);
	pass(bench, 2 * 60000);
	settle(bench);
	assert_int_equal(engine_open_count(bench->engine), 0);
	assert_string_equal(bench->outcome, "cured");
}

static void a_floor_says_its_end_and_falls_back_then(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);
	const struct action *undo;

	(void)st;
	set_floor(bench, START_MS);
	assert_int_equal(bench->sent[0].options.floor_until_ms, START_MS + HOUR_MS);
	assert_int_equal(bench->sent[0].options.floor_before, 2);
	pass(bench, HOUR_MS - 2 * 60000 - 1);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(engine_due(bench->engine) <= START_MS + HOUR_MS);
	pass(bench, 1);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].changes.list[0].before, 5);
	assert_int_equal(changes_after(&bench->sent[1].changes, CHANGE_REPLICAS_MIN, -1), 2);
	assert_true(bench->sent[1].options.floor_end);
	assert_int_equal(bench->sent[1].options.floor_hold_ms, 0);
	take(bench);
	undo = incident_action(only(bench));
	assert_string_equal(undo->undo_of, only(bench)->actions[0]->id);
	assert_true(undo->expiry);
	/* What came of the change stays what it was. */
	assert_int_equal(only(bench)->outcome, OUTCOME_CURED);
	assert_string_equal(only(bench)->reason, "floor_expired");
	assert_int_equal(only(bench)->actions[0]->state, STATE_CURED);
	pass(bench, 48 * HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void one_that_ended_while_nobody_ran_falls_at_the_next_start(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);

	(void)st;
	set_floor(bench, START_MS);
	bench->now_ms += 5 * HOUR_MS;
	bench_restart(bench);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	take(bench);
	assert_int_equal(bench->observation.autoscaler.replicas_min, 2);
	bench->now_ms += 5 * HOUR_MS;
	bench_restart(bench);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void nobody_is_asked_again_for_the_end_that_he_approved(void **st)
{
	struct bench *bench = open_bench(MODE_APPROVE);
	const struct person ann = {.identity = "ann", .role = "approve"};
	struct error error;

	(void)st;
	alert(bench, "Busy", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(engine_approve(bench->engine, incident_action(only(bench))->id, &ann, true,
				 bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	take(bench);
	pass(bench, 2 * 60000);
	settle(bench);
	pass(bench, HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void the_kill_switch_holds_it_and_it_falls_afterwards(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);

	(void)st;
	set_floor(bench, START_MS);
	(void)engine_pause(bench->engine, true, "ann", bench->now_ms);
	/* It waits for the switch; meanwhile there is no second try beside it. */
	pass(bench, HOUR_MS);
	settle(bench);
	pass(bench, 10 * 60000);
	settle(bench);
	assert_int_equal(only(bench)->action_count, 2);
	for (int i = 0; i < 5; i++) {
		pass(bench, HOUR_MS);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 1);
	(void)engine_pause(bench->engine, false, "ann", bench->now_ms);
	for (int i = 0; i < 3; i++) {
		pass(bench, HOUR_MS);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void what_somebody_else_set_since_stays(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);

	(void)st;
	set_floor(bench, START_MS);
	bench->observation.autoscaler.replicas_min = 4;
	bench->observation.autoscaler.floor = (struct floor_mark){0};
	for (int i = 0; i < 5; i++) {
		pass(bench, HOUR_MS);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(engine_open_count(bench->engine), 0);
	assert_string_equal(only(bench)->reason, "floor_gone");
	/* Looked at once, and not every hour. */
	assert_int_equal(only(bench)->action_count, 2);
	bench_close(bench);
}

/* The same bound, but of a later floor: the first one's end is not its own. */
static void a_later_floor_stands_until_its_own_end_and_falls_to_what_was_there_before_both(
	void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);
	const struct incident *first = NULL;

	(void)st;
	set_floor(bench, START_MS);
	first = only(bench);
	bench->now_ms += 30 * 60000;
	bench->observation.autoscaler.replicas_min = 4;
	bench->observation.autoscaler.floor.floor = 4;
	set_floor(bench, bench->now_ms);
	assert_int_equal(bench->sent[1].changes.list[0].before, 4);
	assert_int_equal(bench->sent[1].options.floor_before, 2);
	pass(bench, 30 * 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_string_equal(first->reason, "floor_gone");
	pass(bench, HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(changes_after(&bench->sent[2].changes, CHANGE_REPLICAS_MIN, -1), 2);
	bench_close(bench);
}

static void a_dry_run_has_nothing_that_could_fall(void **st)
{
	struct bench *bench = open_bench(MODE_OBSERVE);

	(void)st;
	alert(bench, "Busy", true, START_MS);
	settle(bench);
	for (int i = 0; i < 4; i++) {
		pass(bench, HOUR_MS);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent_dry[0]);
	assert_int_equal(only(bench)->action_count, 1);
	bench_close(bench);
}

static void who_stands_by_leaves_it_to_the_leader_and_takes_it_down_as_one(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);

	(void)st;
	set_floor(bench, START_MS);
	engine_stand_by(bench->engine, bench->now_ms);
	pass(bench, 2 * HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(engine_open_count(bench->engine), 0);
	engine_lead(bench->engine, true, bench->now_ms);
	engine_tick(bench->engine, bench->now_ms);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

static void a_new_leader_takes_down_what_the_former_one_set(void **st)
{
	struct bench *leader = open_bench(MODE_AUTO), *other = open_bench(MODE_AUTO);
	struct error error;
	bool news;

	(void)st;
	/* It has looked through its own, of which there are none. */
	pass(other, 1);
	engine_stand_by(other->engine, other->now_ms);
	set_floor(leader, START_MS);
	for (size_t i = 0; i < leader->record_count; i++) {
		const struct record *record = &leader->records[i];

		if (record->kind == RECORD_INCIDENT || record->kind == RECORD_ACTION)
			assert_int_equal(engine_adopt(other->engine, record, &news, other->now_ms,
						 &error),
				STATUS_OK);
	}
	other->observation = leader->observation;
	pass(other, 2 * HOUR_MS);
	engine_lead(other->engine, true, other->now_ms);
	settle(other);
	assert_int_equal(other->sent_count, 1);
	assert_true(other->sent[0].options.floor_end);
	assert_int_equal(changes_after(&other->sent[0].changes, CHANGE_REPLICAS_MIN, -1), 2);
	bench_close(other);
	bench_close(leader);
}

static void its_incident_is_remembered_while_others_can_be_forgotten(void **st)
{
	struct bench *bench = open_bench(MODE_AUTO);
	char name[24];

	(void)st;
	set_floor(bench, START_MS);
	/* More than the engine has room for, that end at once. */
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "Other%d", i);
		alert_on(bench, "api", name, true, bench->now_ms);
		settle(bench);
		alert_on(bench, "api", name, false, bench->now_ms);
		settle(bench);
	}
	pass(bench, HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent[bench->sent_count - 1].kind, ACTION_ADJUST_AUTOSCALER);
	assert_true(bench->sent[bench->sent_count - 1].options.floor_end);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_floor_says_its_end_and_falls_back_then),
		cmocka_unit_test(one_that_ended_while_nobody_ran_falls_at_the_next_start),
		cmocka_unit_test(nobody_is_asked_again_for_the_end_that_he_approved),
		cmocka_unit_test(the_kill_switch_holds_it_and_it_falls_afterwards),
		cmocka_unit_test(what_somebody_else_set_since_stays),
		cmocka_unit_test(
			a_later_floor_stands_until_its_own_end_and_falls_to_what_was_there_before_both),
		cmocka_unit_test(a_dry_run_has_nothing_that_could_fall),
		cmocka_unit_test(who_stands_by_leaves_it_to_the_leader_and_takes_it_down_as_one),
		cmocka_unit_test(a_new_leader_takes_down_what_the_former_one_set),
		cmocka_unit_test(its_incident_is_remembered_while_others_can_be_forgotten),
	};

	return cmocka_run_group_tests_name("engine_floor", tests, NULL, NULL);
}
