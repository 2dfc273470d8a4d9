/*
 * Looks that begin before their event is in the journal: used by the incident that the event opens, and by
 * no other; and nothing is done on the word of such an event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

static void what_was_looked_at_meanwhile_is_decided_at_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 1);
	answer_observe(bench);
	assert_int_equal(engine_open_count(bench->engine), 0);
	assert_int_equal(bench->record_count, 0);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 0);
	assert_int_equal(state(bench), STATE_WRITTEN);
	/* That it was proposed stands in the journal all the same. */
	assert_non_null(strstr(bench->records[1].body, "\"state\":\"proposed\""));
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(bench->sent[0].target.uid, "uid-1");
	bench_close(bench);
}

static void a_look_that_is_under_way_is_waited_for(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	assert_int_equal(state(bench), STATE_PROPOSED);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	bench_close(bench);
}

static void a_look_without_an_answer_is_given_up_as_any(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	alert(bench, "Saturated", true, START_MS);
	bench->observe_count = 0;
	pass(bench, 31000);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_int_equal(bench->sent_count, 0);
	/* It is asked for anew. */
	pass(bench, 600000);
	assert_int_equal(bench->observe_count, 1);
	bench_close(bench);
}

static void a_look_that_failed_is_made_anew(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	bench->observation.error.code = STATUS_UNAVAILABLE;
	answer_observe(bench);
	bench->observation.error.code = STATUS_OK;
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	assert_int_equal(state(bench), STATE_PROPOSED);
	bench_close(bench);
}

static void an_old_look_is_made_anew(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	answer_observe(bench);
	pass(bench, 1001);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	assert_int_equal(state(bench), STATE_PROPOSED);
	bench_close(bench);
}

static void another_target_is_looked_at_by_itself(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "api", "Saturated", START_MS);
	answer_observe(bench);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	assert_int_equal(state(bench), STATE_PROPOSED);
	bench_close(bench);
}

static void what_would_open_no_incident_is_not_looked_at(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	/* A ticket. */
	look_ahead_on(bench, "web", "Unheard", START_MS);
	assert_int_equal(bench->observe_count, 0);
	/* An incident that is there. */
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	look_ahead_on(bench, "web", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 1);
	bench_close(bench);
}

static void what_will_be_refused_is_not_looked_at(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	engine_expect(bench->engine, bench->config.limits.storm_alerts + 1);
	assert_false(engine_looks_ahead(bench->engine));
	look_ahead_on(bench, "web", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 0);
	engine_expect(bench->engine, 0);
	assert_true(engine_looks_ahead(bench->engine));
	(void)engine_pause(bench->engine, true, "ann", bench->now_ms);
	assert_false(engine_looks_ahead(bench->engine));
	look_ahead_on(bench, "web", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 0);
	bench_close(bench);
}

static void looks_that_nobody_claims_make_room(void **st)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	for (size_t i = 0; i < 4; i++)
		look_ahead_on(bench, names[i], "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 4);
	look_ahead_on(bench, "e", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 4);
	pass(bench, 1001);
	look_ahead_on(bench, "e", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 5);
	/* Answers to what was forgotten are nobody's. */
	answer_observe(bench);
	bench_close(bench);
}

static void a_replica_that_stands_by_forgets_what_it_looked_at(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	look_ahead_on(bench, "web", "Saturated", START_MS);
	answer_observe(bench);
	engine_stand_by(bench->engine, bench->now_ms);
	look_ahead_on(bench, "web", "Saturated", START_MS);
	assert_int_equal(bench->observe_count, 0);
	engine_lead(bench->engine, true, bench->now_ms);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 1);
	assert_int_equal(state(bench), STATE_PROPOSED);
	bench_close(bench);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_looked_at_meanwhile_is_decided_at_once),
		cmocka_unit_test(a_look_that_is_under_way_is_waited_for),
		cmocka_unit_test(a_look_without_an_answer_is_given_up_as_any),
		cmocka_unit_test(a_look_that_failed_is_made_anew),
		cmocka_unit_test(an_old_look_is_made_anew),
		cmocka_unit_test(another_target_is_looked_at_by_itself),
		cmocka_unit_test(what_would_open_no_incident_is_not_looked_at),
		cmocka_unit_test(what_will_be_refused_is_not_looked_at),
		cmocka_unit_test(looks_that_nobody_claims_make_room),
		cmocka_unit_test(a_replica_that_stands_by_forgets_what_it_looked_at),
	};

	return cmocka_run_group_tests_name("engine_ahead", tests, NULL, NULL);
}
