/*
 * The engine of one replica of several: what it does while another leads, and what it does not do
 * again when it takes the lead.
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

/* A replica that heard the alert while another one leads. */
static struct bench *bench_standing_by(enum mode mode, uint32_t two_persons)
{
	struct bench *bench = bench_open(mode, false);

	bench->config.limits.two_persons = two_persons;
	assert_int_equal(engine_configure(bench->engine, &bench->config), STATUS_OK);
	engine_stand_by(bench->engine, bench->now_ms);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	pass(bench, 10000);
	return bench;
}

static void lead(struct bench *bench, bool words_known)
{
	engine_lead(bench->engine, words_known, bench->now_ms);
	settle(bench);
}

static void who_stands_by_sends_nothing_until_it_leads(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);

	(void)st;
	for (int i = 0; i < 60; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_true(engine_stands_by(bench->engine));
	assert_int_equal(bench->sent_count, 0);
	assert_true(only(bench)->open);
	lead(bench, true);
	assert_false(engine_stands_by(bench->engine));
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void lost_lead_holds_what_was_not_sent(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	engine_stand_by(bench->engine, bench->now_ms);
	settle(bench);
	pass(bench, 600000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	bench_close(bench);
}

static void action_that_the_object_carries_is_not_repeated(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);
	char key[ACTION_ID_MAX];

	(void)st;
	/* Of this incident, and not known here: the former leader died before it could tell. */
	snprintf(key, sizeof(key), "a-%.40s-9", only(bench)->id + 2);
	memcpy(bench->observation.action_key, key, sizeof(key));
	lead(bench, false);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_WATCHED);
	assert_string_equal(incident_action(only(bench))->id, key);
	bench_close(bench);
}

static void key_of_another_incident_explains_nothing(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);

	(void)st;
	snprintf(bench->observation.action_key, sizeof(bench->observation.action_key), "a-%s9-1",
		only(bench)->id + 2);
	lead(bench, false);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void field_that_we_wrote_since_the_alert_is_not_written_again(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);
	struct field_writer *writer = &bench->observation.replicas_writer;

	(void)st;
	snprintf(writer->manager, sizeof(writer->manager), "nimbusguard");
	writer->time_ms = bench->now_ms - 1000;
	lead(bench, false);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void field_that_we_wrote_before_the_alert_explains_nothing(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);
	struct field_writer *writer = &bench->observation.replicas_writer;

	(void)st;
	snprintf(writer->manager, sizeof(writer->manager), "nimbusguard");
	writer->time_ms = START_MS - 3600000;
	lead(bench, false);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

/* What this replica itself, or the journal that it took over, tells of is no hand of a leader that died. */
static void write_that_is_known_explains_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct field_writer *writer = &bench->observation.replicas_writer;
	int64_t written_ms;

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	written_ms = incident_action(only(bench))->written_ms;
	bench->observation.replicas = 3;
	bench->saturation = 0.5;
	for (int i = 0; i < 20; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_string_equal(bench->outcome, "cured");
	alert(bench, "Saturated", false, START_MS);
	engine_stand_by(bench->engine, bench->now_ms);
	snprintf(writer->manager, sizeof(writer->manager), "nimbusguard");
	writer->time_ms = written_ms;
	/* It began before that write, and is about the same field. */
	bench->saturation = 0.95;
	alert(bench, "Saturated", true, START_MS + 1);
	settle(bench);
	pass(bench, 10000);
	lead(bench, false);
	assert_int_equal(bench->sent_count, 2);
	bench_close(bench);
}

/* A leader to which one of two persons said yes, and a follower that took its journal over. */
static void open_two(struct bench **leader, struct bench **follower)
{
	struct error error;
	bool news;

	*leader = bench_open(MODE_AUTO, false);
	(*leader)->config.limits.two_persons = 1u << ACTION_SCALE;
	assert_int_equal(engine_configure((*leader)->engine, &(*leader)->config), STATUS_OK);
	alert(*leader, "Saturated", true, START_MS);
	settle(*leader);
	assert_int_equal(engine_approve((*leader)->engine, incident_action(only(*leader))->id, &ann,
				 true, (*leader)->now_ms, &error),
		STATUS_OK);
	settle(*leader);
	*follower = bench_standing_by(MODE_AUTO, 1u << ACTION_SCALE);
	for (size_t i = 0; i < (*leader)->record_count; i++) {
		const struct record *record = &(*leader)->records[i];

		if (record->kind == RECORD_INCIDENT || record->kind == RECORD_ACTION)
			assert_int_equal(engine_adopt((*follower)->engine, record, &news,
						 (*follower)->now_ms, &error),
				STATUS_OK);
	}
	assert_int_equal(incident_action(only(*follower))->approval_count, 1);
}

static enum status say_second(struct bench *bench)
{
	struct error error;
	enum status status = engine_approve(bench->engine, incident_action(only(bench))->id, &ben,
		true, bench->now_ms, &error);

	settle(bench);
	return status;
}

static void approvals_are_void_when_the_former_leader_cannot_be_asked(void **st)
{
	struct bench *leader, *follower;

	(void)st;
	open_two(&leader, &follower);
	lead(follower, false);
	assert_int_equal(state(follower), STATE_AWAITING_APPROVAL);
	assert_int_equal(incident_action(only(follower))->approval_count, 0);
	/* The second one's yes is the first again. */
	assert_int_equal(say_second(follower), STATUS_OK);
	assert_int_equal(follower->sent_count, 0);
	bench_close(leader);
	bench_close(follower);
}

static void approvals_that_the_former_leader_told_are_good(void **st)
{
	struct bench *leader, *follower;

	(void)st;
	open_two(&leader, &follower);
	lead(follower, true);
	assert_int_equal(incident_action(only(follower))->approval_count, 1);
	assert_int_equal(follower->sent_count, 0);
	assert_int_equal(say_second(follower), STATUS_OK);
	assert_int_equal(follower->sent_count, 1);
	bench_close(leader);
	bench_close(follower);
}

static void who_leads_adopts_nothing(void **st)
{
	struct bench *bench = bench_standing_by(MODE_AUTO, 0);
	struct error error;
	bool news;

	(void)st;
	lead(bench, true);
	assert_int_equal(engine_adopt(bench->engine, &bench->records[0], &news, bench->now_ms,
				 &error),
		STATUS_CONFLICT);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stands_by_sends_nothing_until_it_leads),
		cmocka_unit_test(lost_lead_holds_what_was_not_sent),
		cmocka_unit_test(action_that_the_object_carries_is_not_repeated),
		cmocka_unit_test(key_of_another_incident_explains_nothing),
		cmocka_unit_test(field_that_we_wrote_since_the_alert_is_not_written_again),
		cmocka_unit_test(field_that_we_wrote_before_the_alert_explains_nothing),
		cmocka_unit_test(write_that_is_known_explains_nothing),
		cmocka_unit_test(approvals_are_void_when_the_former_leader_cannot_be_asked),
		cmocka_unit_test(approvals_that_the_former_leader_told_are_good),
		cmocka_unit_test(who_leads_adopts_nothing),
	};

	return cmocka_run_group_tests_name("engine_lead", tests, NULL, NULL);
}
