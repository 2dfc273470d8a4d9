/*
 * Modes by playbook and namespace: rules, track records, demotion that outlives a restart, and a
 * promotion that is only proposed.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remediations/engine_state.h"
#include "tests/support/engine_bench.h"

#define HOUR_MS INT64_C(3600000)

/* ---- rules ---- */

static void the_strictest_rule_that_fits_counts(void **st)
{
	static const struct mode_rule list[] = {{.namespace_name = "prod-.*", .mode = MODE_APPROVE},
		{.playbook = "scale", .namespace_name = "prod-bank", .mode = MODE_SUGGEST},
		{.playbook = "scale", .mode = MODE_AUTO}, {.cluster = "old", .mode = MODE_OBSERVE}};
	struct diagnostics diagnostics;
	enum status status;
	struct mode_rules *rules;

	(void)st;
	diagnostics_init(&diagnostics);
	rules = mode_rules_open(list, 4, NULL, &diagnostics, &status);
	assert_non_null(rules);
	assert_int_equal(mode_rules_apply(rules, "scale", "", "dev", MODE_AUTO), MODE_AUTO);
	assert_int_equal(mode_rules_apply(rules, "scale", "", "prod-a", MODE_AUTO), MODE_APPROVE);
	assert_int_equal(mode_rules_apply(rules, "scale", "", "prod-bank", MODE_AUTO),
		MODE_SUGGEST);
	assert_int_equal(mode_rules_apply(rules, "restart", "", "prod-bank", MODE_AUTO),
		MODE_APPROVE);
	assert_int_equal(mode_rules_apply(rules, "scale", "old", "dev", MODE_AUTO), MODE_OBSERVE);
	/* A pattern is for the whole name, and no rule makes anything laxer. */
	assert_int_equal(mode_rules_apply(rules, "x", "", "my-prod-a", MODE_AUTO), MODE_AUTO);
	assert_int_equal(mode_rules_apply(rules, "scale", "", "dev", MODE_SUGGEST), MODE_SUGGEST);
	assert_int_equal(mode_rules_apply(NULL, "scale", "", "dev", MODE_AUTO), MODE_AUTO);
	mode_rules_close(rules);
	diagnostics_fini(&diagnostics);
}

static void what_is_wrong_in_a_rule_is_told_with_its_place(void **st)
{
	static const struct mode_rule list[] = {{.namespace_name = "a(",
							.mode = MODE_APPROVE,
							.file = "x.yml",
							.line = 3,
							.column = 5},
		{.playbook = "absent",
			.mode = MODE_APPROVE,
			.file = "x.yml",
			.line = 4,
			.column = 5}};
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct diagnostics diagnostics;
	enum status status;

	(void)st;
	diagnostics_init(&diagnostics);
	assert_null(mode_rules_open(list, 2, bench->playbooks, &diagnostics, &status));
	assert_int_equal(status, STATUS_BAD_INPUT);
	assert_int_equal(diagnostics.count, 2);
	assert_int_equal(diagnostics.list[0].line, 3);
	assert_non_null(strstr(diagnostics.list[0].text, "namespace"));
	assert_int_equal(diagnostics.list[1].line, 4);
	assert_non_null(strstr(diagnostics.list[1].text, "absent"));
	diagnostics_fini(&diagnostics);
	bench_close(bench);
}

/* ---- records ---- */

static void the_lower_bound_is_wilsons(void **st)
{
	(void)st;
	/* By its definition: the share p from which the seen one lies z standard errors of p away. */
	for (unsigned right = 1; right <= 20; right++) {
		double p = wilson_lower(right, 20), away = right / 20.0 - p;

		assert_true(away > 0 && fabs(away - 1.645 * sqrt(p * (1 - p) / 20)) < 1e-9);
	}
	assert_true(wilson_lower(0, 0) == 0 && fabs(wilson_lower(0, 5)) < 1e-12);
}

static void a_higher_mode_is_proposed_by_enough_right_answers_only(void **st)
{
	struct track track = {.cured = 19};

	(void)st;
	assert_int_equal(track_proposal(&track, MODE_APPROVE, 0.8, 20, NULL, NULL), MODE_APPROVE);
	track.cured = 20;
	assert_int_equal(track_proposal(&track, MODE_APPROVE, 0.8, 20, NULL, NULL), MODE_AUTO);
	/* What was done says nothing of what would be, nor the other way round. */
	assert_int_equal(track_proposal(&track, MODE_SUGGEST, 0.8, 20, NULL, NULL), MODE_SUGGEST);
	track.healed = 4;
	assert_int_equal(track_proposal(&track, MODE_APPROVE, 0.8, 20, NULL, NULL), MODE_APPROVE);
	track = (struct track){.needed = 30, .unneeded = 1};
	assert_int_equal(track_proposal(&track, MODE_SUGGEST, 0.8, 20, NULL, NULL), MODE_APPROVE);
	assert_int_equal(track_proposal(&track, MODE_OBSERVE, 0.8, 20, NULL, NULL), MODE_SUGGEST);
	track = (struct track){.cured = 100, .demoted = true};
	assert_int_equal(track_proposal(&track, MODE_APPROVE, 0.8, 20, NULL, NULL), MODE_APPROVE);
	track = (struct track){.cured = 100};
	assert_int_equal(track_proposal(&track, MODE_AUTO, 0.8, 20, NULL, NULL), MODE_AUTO);
}

static void a_full_table_forgets_no_demotion(void **st)
{
	struct tracks tracks;
	char name[64];

	(void)st;
	tracks_init(&tracks);
	for (int i = 0; i < TRACKS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		tracks_get(&tracks, "p", "", name, START_MS + i)->demoted = i != 7;
	}
	assert_non_null(tracks_get(&tracks, "p", "", "one more", START_MS));
	assert_null(tracks_find(&tracks, "p", "", "n7"));
	tracks_find(&tracks, "p", "", "one more")->demoted = true;
	assert_null(tracks_get(&tracks, "p", "", "another", START_MS));
	assert_true(tracks.full);
	tracks_fini(&tracks);
}

/* ---- in the engine ---- */

static const struct action *last(struct bench *bench)
{
	return incident_action(only(bench));
}

/* The alert fires, is answered with a change, and that makes it worse. */
static struct bench *bench_demoted(void)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->saturation = 0.9;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench->observation.replicas = 3;
	bench->saturation = 1.4;
	pass(bench, HOUR_MS / 4);
	settle(bench);
	bench->observation.replicas = 2;
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	return bench;
}

static const struct track *record(struct bench *bench)
{
	assert_int_equal(bench->engine->tracks.count, 1);
	return &bench->engine->tracks.list[0];
}

static void what_made_it_worse_acts_only_when_approved(void **st)
{
	struct bench *bench = bench_demoted();
	static const struct person ann = {.identity = "ann", .role = "admin"};
	size_t sent = bench->sent_count;
	struct error error;

	(void)st;
	assert_true(record(bench)->demoted);
	assert_string_equal(record(bench)->reason, "worse");
	assert_string_equal(record(bench)->namespace_name, "shop");
	bench_restart(bench);
	assert_true(record(bench)->demoted);
	bench->saturation = 0.95;
	pass(bench, 5 * HOUR_MS);
	alert(bench, "Saturated", true, bench->now_ms);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(bench->sent_count, sent);
	assert_int_equal(engine_approve(bench->engine, last(bench)->id, &ann, true, bench->now_ms,
				 &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, sent + 1);
	bench_close(bench);
}

static void only_a_person_lifts_a_demotion_and_that_is_kept(void **st)
{
	struct bench *bench = bench_demoted();
	size_t sent = bench->sent_count;
	struct error error;

	(void)st;
	assert_int_equal(engine_lift(bench->engine, "scale", "", "bank", "ann", bench->now_ms,
				 &error),
		STATUS_NOT_FOUND);
	assert_int_equal(engine_lift(bench->engine, "scale", "", "shop", "ann", bench->now_ms,
				 &error),
		STATUS_OK);
	answer_journal(bench, STATUS_OK);
	bench_restart(bench);
	assert_false(record(bench)->demoted);
	assert_string_equal(record(bench)->by, "ann");
	assert_int_equal(record(bench)->failed, 1);
	bench->saturation = 0.95;
	pass(bench, 5 * HOUR_MS);
	alert(bench, "Saturated", true, bench->now_ms);
	settle(bench);
	assert_int_equal(bench->sent_count, sent + 1);
	bench_close(bench);
}

static void a_demotion_is_in_the_journal_before_anything_else_is_done(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	bench->saturation = 0.9;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	bench->saturation = 1.4;
	bench->journal_status = STATUS_BUSY;
	pass(bench, HOUR_MS / 4);
	answer_observe(bench);
	answer_observe(bench);
	/* Not even the rollback is sent: its record is behind that of the verdict. */
	assert_int_equal(bench->sent_count, 1);
	bench->journal_status = STATUS_OK;
	for (int i = 0; i < 5; i++) {
		pass(bench, 6000);
		settle(bench);
	}
	assert_true(bench->sent_count > 1);
	bench_restart(bench);
	assert_true(record(bench)->demoted);
	bench_close(bench);
}

static void a_note_of_half_a_group_demotes_all_the_same(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	size_t before, cut;

	(void)st;
	bench->saturation = 0.9;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	bench->saturation = 1.4;
	before = bench->record_count;
	pass(bench, HOUR_MS / 4);
	answer_observe(bench);
	/* Of the group of the verdict only the first record came to the disk. */
	cut = before;
	while (cut < bench->record_count && bench->records[cut].kind != RECORD_NOTE)
		cut++;
	assert_true(cut < bench->record_count);
	for (size_t i = cut + 1; i < bench->record_count; i++)
		record_fini(&bench->records[i]);
	bench->record_count = cut + 1;
	bench_restart(bench);
	assert_true(record(bench)->demoted);
	settle(bench);
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(only(bench)->actions[0]->state, STATE_ROLLED_BACK);
	bench_close(bench);
}

static void what_was_not_carried_out_is_measured_too(void **st)
{
	struct bench *bench = bench_open(MODE_SUGGEST, false);

	(void)st;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	alert(bench, "Saturated", false, START_MS);
	assert_int_equal(record(bench)->unneeded, 1);
	alert(bench, "Saturated", true, START_MS + 1000);
	settle(bench);
	pass(bench, 2 * HOUR_MS);
	settle(bench);
	assert_int_equal(record(bench)->needed, 1);
	bench_close(bench);

	bench = bench_open(MODE_AUTO, true);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->saturation = 0.5;
	pass(bench, HOUR_MS / 4);
	settle(bench);
	assert_int_equal(record(bench)->unneeded, 1);
	bench_close(bench);
}

static void modes_are_told_with_what_was_measured(void **st)
{
	struct bench *bench = bench_demoted();
	struct json_span root;
	struct error error;
	struct buf json;

	(void)st;
	buf_init(&json, 1 << 20);
	engine_write_modes(bench->engine, &json);
	assert_int_equal(json_span_init(&root, json.data, json.size, 8, &error), STATUS_OK);
	assert_non_null(strstr(json.data, "\"demoted\":true"));
	assert_non_null(strstr(json.data, "\"mode\":\"approve\""));
	assert_non_null(strstr(json.data, "\"failed\":1"));
	buf_fini(&json);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strictest_rule_that_fits_counts),
		cmocka_unit_test(what_is_wrong_in_a_rule_is_told_with_its_place),
		cmocka_unit_test(the_lower_bound_is_wilsons),
		cmocka_unit_test(a_higher_mode_is_proposed_by_enough_right_answers_only),
		cmocka_unit_test(a_full_table_forgets_no_demotion),
		cmocka_unit_test(what_made_it_worse_acts_only_when_approved),
		cmocka_unit_test(only_a_person_lifts_a_demotion_and_that_is_kept),
		cmocka_unit_test(a_demotion_is_in_the_journal_before_anything_else_is_done),
		cmocka_unit_test(a_note_of_half_a_group_demotes_all_the_same),
		cmocka_unit_test(what_was_not_carried_out_is_measured_too),
		cmocka_unit_test(modes_are_told_with_what_was_measured),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
