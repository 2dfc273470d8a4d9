/*
 * Approvals: bound to what was shown, good for a time, of two persons where two are asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/engine_bench.h"

static const struct person ann = {.identity = "ann", .role = "approve"};
static const struct person ben = {.identity = "ben", .role = "admin"};

static struct bench *bench_waiting(enum mode mode, uint32_t two_persons, const char *name)
{
	struct bench *bench = bench_open(mode, false);

	bench->config.limits.two_persons = two_persons;
	assert_int_equal(engine_configure(bench->engine, &bench->config), STATUS_OK);
	alert(bench, name, true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	return bench;
}

static const struct action *last(struct bench *bench)
{
	return incident_action(only(bench));
}

static enum status say(struct bench *bench, const struct person *person)
{
	struct error error;

	return engine_approve(bench->engine, last(bench)->id, person, true, bench->now_ms, &error);
}

/* Whether the newest decision record holds the text. */
static bool decided(const struct bench *bench, const char *text)
{
	for (size_t i = bench->record_count; i--;)
		if (bench->records[i].kind == RECORD_DECISION)
			return strstr(bench->records[i].body, text) != NULL;
	return false;
}

static void a_yes_is_void_when_the_target_is_another_one_in_state(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "CrashLoop");

	(void)st;
	bench->observation.git_owner[0] = 'x';
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "approval_target_changed"));
	assert_true(decided(bench, "approval_target_changed"));
	assert_string_equal(last(bench)->reason, "approval_target_changed");
	assert_int_equal(last(bench)->approval_count, 0);
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(last(bench)->approved_by, "ann");
	bench_close(bench);
}

static void a_new_version_of_the_same_state_voids_nothing(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "CrashLoop");

	(void)st;
	snprintf(bench->observation.target.resource_version, UID_MAX, "99");
	bench->observation.ready_replicas = 1;
	bench->observation.restart_count = 44;
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(bench->sent[0].target.resource_version, "99");
	bench_close(bench);
}

static void a_yes_that_waits_too_long_expires(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "Saturated");

	(void)st;
	engine_pause(bench->engine, true, "ben", bench->now_ms);
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_int_equal(last(bench)->approval_count, 1);
	pass(bench, bench->config.times.approval_valid);
	engine_pause(bench->engine, false, "ben", bench->now_ms);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_true(refused_for(bench, "approval_expired"));
	assert_true(decided(bench, "approval_expired"));
	bench_close(bench);
}

static void a_yes_within_its_time_outlives_what_blocks(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "Saturated");

	(void)st;
	engine_pause(bench->engine, true, "ben", bench->now_ms);
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	engine_pause(bench->engine, false, "ben", bench->now_ms);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void the_end_of_the_alert_voids_what_was_approved(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 1u << ACTION_SCALE, "Saturated");

	(void)st;
	assert_int_equal(say(bench, &ann), STATUS_OK);
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_false(only(bench)->open);
	assert_true(refused_for(bench, "approval_resolved"));
	assert_true(decided(bench, "approval_resolved"));
	assert_string_equal(last(bench)->void_reason, "approval_resolved");
	bench_close(bench);
}

static void two_persons_are_two(void **st)
{
	struct bench *bench = bench_waiting(MODE_AUTO, 1u << ACTION_SCALE, "Saturated");

	(void)st;
	assert_int_equal(last(bench)->approvals_needed, 2);
	assert_int_equal(say(bench, &ann), STATUS_OK);
	settle(bench);
	assert_int_equal(say(bench, &ann), STATUS_CONFLICT);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(say(bench, &ben), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(last(bench)->approved_by, "ann, ben");
	assert_string_equal(last(bench)->approvals[1].role, "admin");
	bench_close(bench);
}

static void approvals_survive_a_restart(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 1u << ACTION_SCALE, "Saturated");
	int64_t expires_ms = last(bench)->expires_ms;

	(void)st;
	assert_int_equal(say(bench, &ann), STATUS_OK);
	answer_journal(bench, STATUS_OK);
	pass(bench, 60000);
	bench_restart(bench);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(last(bench)->expires_ms, expires_ms);
	assert_int_equal(say(bench, &ann), STATUS_CONFLICT);
	assert_int_equal(say(bench, &ben), STATUS_OK);
	/* The second word is in the journal, and the look that follows it was never answered. */
	answer_journal(bench, STATUS_OK);
	bench_restart(bench);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void waiting_for_people_ends_at_its_time_over_a_restart(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "Saturated");

	(void)st;
	pass(bench, bench->config.times.approval_max - 1000);
	bench_restart(bench);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	pass(bench, 2000);
	settle(bench);
	assert_false(only(bench)->open);
	assert_string_equal(only(bench)->reason, "approval_expired");
	bench_close(bench);
}

static void a_word_on_another_plan_than_was_shown_is_refused(void **st)
{
	struct bench *bench = bench_waiting(MODE_APPROVE, 0, "Saturated");
	struct person late = {.identity = "ann", .role = "approve"};

	(void)st;
	late.seen = last(bench)->approval_hash + 1;
	assert_int_equal(say(bench, &late), STATUS_CONFLICT);
	late.seen = last(bench)->approval_hash;
	assert_int_equal(say(bench, &late), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void an_undo_of_what_needs_two_needs_two(void **st)
{
	struct bench *bench = bench_waiting(MODE_AUTO, 1u << ACTION_SCALE, "Saturated");
	struct error error;

	(void)st;
	assert_int_equal(say(bench, &ann), STATUS_OK);
	assert_int_equal(say(bench, &ben), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench->observation.replicas = 3;
	assert_int_equal(engine_undo(bench->engine, last(bench)->id, &ann, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_string_equal(last(bench)->asked_by, "ann");
	assert_int_equal(say(bench, &ann), STATUS_CONFLICT);
	assert_int_equal(say(bench, &ben), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(changes_after(&bench->sent[1].changes, CHANGE_REPLICAS, 0), 2);
	bench_close(bench);
}

static void words_name_the_classes(void **st)
{
	static const char *const good[] = {"destructive", "scale"};
	static const char *const bad[] = {"destructive", "reboot"}, *const ticket[] = {"ticket"};
	uint32_t kinds = 0;
	struct error error;

	(void)st;
	assert_int_equal(two_persons_parse(good, 2, &kinds, &error), STATUS_OK);
	for (unsigned i = 0; i < ACTION_KIND_COUNT; i++)
		assert_int_equal(kinds >> i & 1,
			action_kind_destructive((enum action_kind)i) || i == ACTION_SCALE);
	assert_int_equal(two_persons_parse(bad, 2, &kinds, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "reboot"));
	assert_int_equal(two_persons_parse(ticket, 1, &kinds, &error), STATUS_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_yes_is_void_when_the_target_is_another_one_in_state),
		cmocka_unit_test(a_new_version_of_the_same_state_voids_nothing),
		cmocka_unit_test(a_yes_that_waits_too_long_expires),
		cmocka_unit_test(a_yes_within_its_time_outlives_what_blocks),
		cmocka_unit_test(the_end_of_the_alert_voids_what_was_approved),
		cmocka_unit_test(two_persons_are_two),
		cmocka_unit_test(approvals_survive_a_restart),
		cmocka_unit_test(waiting_for_people_ends_at_its_time_over_a_restart),
		cmocka_unit_test(a_word_on_another_plan_than_was_shown_is_refused),
		cmocka_unit_test(an_undo_of_what_needs_two_needs_two),
		cmocka_unit_test(words_name_the_classes),
	};

	return cmocka_run_group_tests_name("approvals", tests, NULL, NULL);
}
