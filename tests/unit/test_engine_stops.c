/*
 * What stops the engine as a whole: the kill switch over restarts and a journal without room, freeze
 * windows; and how times of actions are written and read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/parse.h"
#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

static size_t pause_notes(const struct bench *bench)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->record_count; i++)
		count += !strcmp(bench->records[i].key, "paused");
	return count;
}

static void a_kill_switch_that_found_no_room_is_noted_later(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->journal_status = STATUS_BUSY;
	assert_int_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	assert_true(engine_paused(bench->engine));
	assert_int_equal(pause_notes(bench), 0);
	bench->journal_status = STATUS_OK;
	pass(bench, 60000);
	assert_int_equal(pause_notes(bench), 1);
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	/* It is written anew before the journal forgets it. */
	pass(bench, 25 * 3600000);
	assert_int_equal(pause_notes(bench), 2);
	bench_close(bench);
}

static void the_configuration_keeps_the_kill_switch_on(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t since_ms;

	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	bench->config.paused = true;
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	assert_string_equal(engine_paused_by(bench->engine, &since_ms), "configuration");
	bench_close(bench);
}

static void the_kill_switch_survives_a_restart(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t since_ms, told_ms;

	assert_int_not_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	since_ms = bench->now_ms;
	pass(bench, 60000);
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	assert_string_equal(engine_paused_by(bench->engine, &told_ms), "ann");
	assert_int_equal(told_ms, since_ms);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "kill_switch"));
	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

/* The bench's time is 2026-01-01 and some; the window is read as an operator writes it. */
static void nothing_is_sent_while_a_freeze_window_is_open(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t minute = bench->now_ms / 60000, day = 1440;
	char text[32], expected[128], until[32];
	const char *one = text;
	struct freeze *freeze;
	struct error error;
	int begin = (int)(minute % day), end = (int)((minute + 30) % day);

	snprintf(text, sizeof(text), "%02d:%02d-%02d:%02d", begin / 60, begin % 60, end / 60,
		end % 60);
	assert_int_equal(freeze_open(&one, 1, &freeze, &error), STATUS_OK);
	bench->config.freeze = freeze;
	assert_int_equal(engine_configure(bench->engine, &bench->config), STATUS_OK);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	/* Nor is the cluster asked. */
	assert_int_equal(bench->observe_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_true(refused_for(bench, "freeze"));
	format_rfc3339((minute + 30) * 60000, until, sizeof(until));
	snprintf(expected, sizeof(expected), "A freeze window is open (%s, until %s)", text, until);
	if (!strstr(incident_action(only(bench))->sentence, expected))
		fail_msg("%s", incident_action(only(bench))->sentence);
	/* A second before its end still nothing, and right after it the change. */
	pass(bench, (minute + 30) * 60000 - 1000 - bench->now_ms);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	pass(bench, 20000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
	freeze_close(freeze);
}

static void what_is_refused_anyway_asks_nothing_of_the_cluster(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	assert_int_not_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_int_equal(bench->refused_count, 1);
	assert_true(refused_for(bench, "kill_switch"));
	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	/* Events that wait outside are a storm already. */
	engine_expect(bench->engine, bench->config.limits.storm_alerts + 1);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "storm"));
	engine_expect(bench->engine, 0);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

/* Times of the API are for people; journals written before that have milliseconds. */
static void times_are_words_and_older_numbers_are_still_read(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	const struct incident *incident;
	struct action action, again;
	struct error error;
	struct buf json;
	char *at, other[41];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	incident = only(bench);
	buf_init(&json, RECORD_BODY_MAX);
	action_write_json(&json, incident_action(incident), incident);
	assert_non_null(strstr(json.data, "\"proposed_at\":\"2026-"));
	assert_non_null(strstr(json.data, "\"ended_at\":null"));
	assert_non_null(strstr(json.data, "\"approved_by\":null"));
	assert_null(strstr(json.data, "_ms\""));
	assert_null(strstr(json.data, ":\"\""));
	assert_int_equal(action_read_json(&action, json.data, json.size, &error), STATUS_OK);
	assert_int_equal(action.proposed_ms, incident_action(incident)->proposed_ms);
	assert_int_equal(action.ended_ms, 0);
	assert_string_equal(action.approved_by, "");
	/* The same time as an older journal has it. */
	at = strstr(json.data, "\"proposed_at\":");
	snprintf(other, sizeof(other), "%-40s", "\"proposed_ms\":1767225600123");
	memcpy(at, other, 40);
	assert_int_equal(action_read_json(&again, json.data, json.size, &error), STATUS_OK);
	assert_int_equal(again.proposed_ms, INT64_C(1767225600123));
	/* And one that is no time is an error that names the field. */
	snprintf(other, sizeof(other), "%-40s", "\"proposed_at\":\"yesterday\"");
	memcpy(at, other, 40);
	assert_int_equal(action_read_json(&again, json.data, json.size, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "proposed_at"));
	buf_reset(&json);
	incident_write_json(&json, incident);
	assert_null(strstr(json.data, "_ms\""));
	assert_non_null(strstr(json.data, "\"opened_at\":\"2026-"));
	buf_fini(&json);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_switch_that_found_no_room_is_noted_later),
		cmocka_unit_test(the_configuration_keeps_the_kill_switch_on),
		cmocka_unit_test(the_kill_switch_survives_a_restart),
		cmocka_unit_test(nothing_is_sent_while_a_freeze_window_is_open),
		cmocka_unit_test(what_is_refused_anyway_asks_nothing_of_the_cluster),
		cmocka_unit_test(times_are_words_and_older_numbers_are_still_read),
	};

	return cmocka_run_group_tests_name("engine_stops", tests, NULL, NULL);
}
