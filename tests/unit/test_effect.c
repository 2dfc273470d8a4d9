/*
 * What came of a change: cured, or well by itself; ineffective, worse and rolled back, or reverted by
 * somebody else. And the simple forecasts that this is judged by.
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
#define DAY_MS (24 * HOUR_MS)

/* ---- forecasts ---- */

/* A signal as a function of the time. */
struct course {
	double (*value)(int64_t ms);
	int64_t from_ms;   /* no samples before */
	int64_t latest_ms; /* of all that was read */
};

static void read_course(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	struct course *course = self;

	(void)workload, (void)role, (void)fold;
	if (to_ms > course->latest_ms)
		course->latest_ms = to_ms;
	*reading = (struct signal_reading){.quality = QUALITY_MISSING, .value = NAN};
	if (from_ms < course->from_ms)
		return;
	*reading = (struct signal_reading){.quality = QUALITY_GOOD,
		.value = course->value(to_ms),
		.newest_ms = to_ms,
		.samples = 4};
}

static const struct signal_test below = {ROLE_SATURATION, SIGNAL_MEAN, false, 0.8, 60000};

/* Known at START_MS, asked for ten minutes later. */
static struct forecast expect(struct course *course)
{
	static const struct workload_key web = {.namespace_name = "shop",
		.kind = TARGET_DEPLOYMENT,
		.name = "web"};
	struct signal_source source = {.self = course, .read = read_course};
	struct forecast_source simple = forecast_simple(&source);
	struct forecast_question question = {&web, &below, START_MS + 600000, START_MS};
	struct forecast forecast;

	simple.expect(simple.self, &question, &forecast);
	return forecast;
}

/* A peak at the same time of each day, which is over ten minutes later. */
static double daily_peak(int64_t ms)
{
	int64_t since = ((ms - START_MS) % DAY_MS + DAY_MS) % DAY_MS;

	return since == 0 || since > DAY_MS - HOUR_MS ? 0.95 : 0.3;
}

static double high_since_an_hour(int64_t ms)
{
	return ms > START_MS - HOUR_MS ? 0.95 + 0.01 * (double)(ms / 60000 % 3) : 0.3;
}

static double high_since_two_minutes(int64_t ms)
{
	return ms > START_MS - 120000 ? 0.95 : 0.3;
}

static void a_daily_peak_is_expected_to_end_as_it_did(void **st)
{
	struct course course = {.value = daily_peak, .from_ms = START_MS - 3 * DAY_MS};
	struct forecast forecast = expect(&course);

	(void)st;
	assert_int_equal(forecast.method, FORECAST_SEASONAL_NAIVE);
	assert_true(forecast.high < 0.8);
	assert_true(forecast.low <= 0.3 && 0.3 <= forecast.high);
}

static void a_trouble_that_no_day_had_is_expected_to_last(void **st)
{
	struct course course = {.value = high_since_an_hour, .from_ms = START_MS - 3 * DAY_MS};
	struct forecast forecast = expect(&course);

	(void)st;
	assert_int_equal(forecast.method, FORECAST_ROBUST_Z);
	assert_true(forecast.low > 0.8 && forecast.high < 1.1);
}

static void what_is_too_new_is_not_forecast(void **st)
{
	struct course course = {.value = high_since_two_minutes, .from_ms = START_MS - 3 * DAY_MS};
	struct forecast forecast = expect(&course);

	(void)st;
	assert_int_equal(forecast.method, FORECAST_NONE);
	assert_true(isnan(forecast.value));
	course = (struct course){.value = high_since_an_hour, .from_ms = START_MS};
	assert_int_equal(expect(&course).method, FORECAST_NONE);
}

/* What a forecaster answers in the tests; its low end NaN: none can tell. */
static struct forecast modelled = {FORECAST_MODEL, 0.5, 0.4, 0.6};
static int64_t asked_known_ms, asked_at_ms;

static bool foresee(void *self, const struct workload_key *workload, enum signal_role role,
	int64_t known_ms, int64_t at_ms, double *value, double *low, double *high)
{
	(void)self, (void)workload;
	assert_int_equal(role, ROLE_SATURATION);
	asked_known_ms = known_ms;
	asked_at_ms = at_ms;
	if (isnan(modelled.low))
		return false;
	*value = modelled.value;
	*low = modelled.low;
	*high = modelled.high;
	return true;
}

static struct forecast expect_by_model(struct course *course, const struct signal_test *test)
{
	static const struct workload_key web = {.namespace_name = "shop",
		.kind = TARGET_DEPLOYMENT,
		.name = "web"};
	struct signal_source source = {.self = course, .read = read_course, .foresee = foresee};
	struct forecast_source by = forecast_simple(&source);
	struct forecast_question question = {&web, test, START_MS + 600000, START_MS};
	struct forecast forecast;

	by.expect(by.self, &question, &forecast);
	return forecast;
}

static void a_forecaster_with_skill_is_asked_first(void **st)
{
	struct course course = {.value = high_since_an_hour, .from_ms = START_MS - 3 * DAY_MS};
	struct forecast forecast = expect_by_model(&course, &below);

	(void)st;
	assert_int_equal(forecast.method, FORECAST_MODEL);
	assert_true(forecast.value == 0.5 && forecast.low == 0.4 && forecast.high == 0.6);
	assert_true(asked_known_ms == START_MS && asked_at_ms == START_MS + 600000);
	/* One without skill, and one that contradicts itself, leave it to the simple ones. */
	modelled.low = NAN;
	assert_int_equal(expect_by_model(&course, &below).method, FORECAST_ROBUST_Z);
	modelled.low = 0.55;
	assert_int_equal(expect_by_model(&course, &below).method, FORECAST_ROBUST_Z);
	modelled.low = 0.4;
}

static void a_forecaster_is_not_asked_for_what_it_does_not_forecast(void **st)
{
	struct course course = {.value = high_since_an_hour, .from_ms = START_MS - 3 * DAY_MS};
	struct signal_test test = below;

	(void)st;
	test.fold = SIGNAL_MAX;
	assert_int_equal(expect_by_model(&course, &test).method, FORECAST_ROBUST_Z);
	/* Half of the window is known already. */
	test = below;
	test.over_ms = 1200000;
	assert_true(expect_by_model(&course, &test).method != FORECAST_MODEL);
}

static void a_forecast_looks_at_nothing_that_came_later(void **st)
{
	struct course course = {.value = daily_peak, .from_ms = START_MS - 3 * DAY_MS};

	(void)st;
	expect(&course);
	assert_true(course.latest_ms <= START_MS);
	course = (struct course){.value = high_since_an_hour, .from_ms = START_MS - 3 * DAY_MS};
	expect(&course);
	assert_true(course.latest_ms <= START_MS);
}

/* ---- outcomes ---- */

static const struct action *last(struct bench *bench)
{
	return incident_action(only(bench));
}

/* A change that was done and waits for its verification; the cluster shows what was written. */
static struct bench *bench_watched(double before)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->saturation = before;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench->observation.replicas = 3;
	snprintf(bench->observation.replicas_writer.manager, 64, FIELD_MANAGER);
	return bench;
}

static void verify(struct bench *bench)
{
	pass(bench, HOUR_MS / 4);
	settle(bench);
}

static void what_gets_well_against_the_forecast_is_cured(void **st)
{
	struct bench *bench = bench_watched(0.95);

	(void)st;
	assert_int_equal(last(bench)->effect.forecast.method, FORECAST_SEASONAL_NAIVE);
	bench->saturation = 0.5;
	verify(bench);
	assert_int_equal(state(bench), STATE_CURED);
	assert_true(last(bench)->effect.before == 0.95 && last(bench)->effect.after == 0.5);
	assert_string_equal(bench->outcome, "cured");
	bench_close(bench);
}

static void expect_good(void *self, const struct forecast_question *question,
	struct forecast *forecast)
{
	(void)self, (void)question;
	*forecast = (struct forecast){FORECAST_MODEL, 0.5, 0.4, 0.6};
}

static void what_was_to_get_well_anyway_is_self_healed(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	bench->config.forecast.expect = expect_good;
	assert_int_equal(engine_configure(bench->engine, &bench->config), STATUS_OK);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	bench->saturation = 0.5;
	verify(bench);
	assert_int_equal(state(bench), STATE_SELF_HEALED);
	assert_int_equal(only(bench)->outcome, OUTCOME_SELF_HEALED);
	assert_string_equal(bench->outcome, "self_healed");
	assert_non_null(strstr(last(bench)->sentence, "(model)"));
	/* It counts neither for the breaker nor against it. */
	assert_int_equal(engine_ledger(bench->engine)->entries[0].ineffective_ms, 0);
	bench_close(bench);
}

static void others_that_got_well_untreated_tell_that_it_was_not_us(void **st)
{
	struct signal_test test = below;
	struct effect effect = {.before = 0.95, .after = 0.5, .peers = 3, .peers_recovered = 2};
	char words[GATE_TEXT_MAX];

	(void)st;
	assert_true(effect_self_healed(&effect, &test, words, sizeof(words)));
	assert_non_null(strstr(words, "2 of 3"));
	effect.peers_recovered = 1;
	assert_false(effect_self_healed(&effect, &test, words, sizeof(words)));
	/* One is no evidence. */
	effect.peers = effect.peers_recovered = 1;
	assert_false(effect_self_healed(&effect, &test, words, sizeof(words)));
}

static void untreated_others_are_counted(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct incident others[4] = {{.id = ""}}, incident = {.id = "", .playbook = "p"};
	struct action action = {.written_ms = START_MS + 1000, .done_ms = START_MS + 2000};
	struct action treatment = {.written_ms = START_MS, .plan = {.kind = ACTION_SCALE}};
	struct incident **slots = bench->engine->slots, *saved[4];

	(void)st;
	memcpy(saved, slots, sizeof(saved));
	incident.target = (struct target){.kind = TARGET_DEPLOYMENT, .name = "mine"};
	for (size_t i = 0; i < 4; i++) {
		slots[i] = &others[i];
		snprintf(others[i].playbook, sizeof(others[i].playbook), "p");
		others[i].target.kind = TARGET_DEPLOYMENT;
		snprintf(others[i].target.name, OBJECT_NAME_MAX, "other-%zu", i);
		others[i].opened_ms = START_MS;
		others[i].updated_ms = START_MS + 3000;
	}
	others[0].firing = true;
	/* The same object is no other, and one that was treated tells nothing of being left alone. */
	others[2].target = incident.target;
	others[3].actions[0] = &treatment;
	others[3].action_count = 1;
	engine_count_peers(bench->engine, &incident, &action);
	assert_int_equal(action.effect.peers, 2);
	assert_int_equal(action.effect.peers_recovered, 1);
	memcpy(slots, saved, sizeof(saved));
	bench_close(bench);
}

static void what_gets_worse_is_rolled_back_and_handed_over(void **st)
{
	struct bench *bench = bench_watched(0.9);

	(void)st;
	bench->saturation = 1.4;
	verify(bench);
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(bench->sent[1].kind, ACTION_SCALE);
	assert_int_equal(changes_after(&bench->sent[1].changes, CHANGE_REPLICAS, -1), 2);
	assert_int_equal(bench->sent[2].kind, ACTION_TICKET);
	assert_int_equal(only(bench)->actions[0]->state, STATE_ROLLED_BACK);
	assert_string_equal(only(bench)->actions[0]->reason, "worse");
	assert_true(only(bench)->actions[1]->rollback);
	assert_string_equal(only(bench)->reason, "worse");
	assert_true(engine_ledger(bench->engine)->entries[0].ineffective_ms != 0);
	bench_close(bench);
}

static void a_little_worse_is_only_ineffective(void **st)
{
	struct bench *bench = bench_watched(0.9);

	(void)st;
	bench->saturation = 1.0;
	verify(bench);
	assert_int_equal(only(bench)->actions[0]->state, STATE_INEFFECTIVE);
	bench_close(bench);
}

static void a_crash_behind_the_verdict_still_rolls_back(void **st)
{
	struct bench *bench = bench_watched(0.9);

	(void)st;
	bench->saturation = 1.4;
	pass(bench, HOUR_MS / 4);
	answer_observe(bench);
	assert_int_equal(only(bench)->actions[0]->state, STATE_WORSE);
	bench_restart(bench);
	settle(bench);
	assert_int_equal(changes_after(&bench->sent[1].changes, CHANGE_REPLICAS, -1), 2);
	assert_int_equal(only(bench)->actions[0]->state, STATE_ROLLED_BACK);
	bench_close(bench);
}

static void what_somebody_else_wrote_is_not_rolled_back(void **st)
{
	struct bench *bench = bench_watched(0.9);

	(void)st;
	bench->saturation = 1.4;
	/* The value is the same, and it is theirs. */
	snprintf(bench->observation.replicas_writer.manager, 64, "helm");
	verify(bench);
	assert_int_equal(only(bench)->actions[0]->state, STATE_WORSE);
	assert_true(refused_for(bench, "changed_since"));
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].kind, ACTION_TICKET);
	bench_close(bench);
}

static void a_change_that_is_taken_back_is_reverted_by_name(void **st)
{
	struct bench *bench = bench_watched(0.95);

	(void)st;
	bench->observation.replicas = 2;
	snprintf(bench->observation.replicas_writer.manager, 64, "helm");
	bench->observation.replicas_writer.time_ms = bench->now_ms;
	verify(bench);
	assert_int_equal(only(bench)->actions[0]->state, STATE_REVERTED);
	assert_string_equal(only(bench)->actions[0]->effect.reverted_by, "helm");
	assert_non_null(strstr(only(bench)->actions[0]->sentence, "Reverted by helm"));
	assert_true(engine_ledger(bench->engine)->entries[0].ineffective_ms != 0);
	assert_string_equal(only(bench)->reason, "reverted");
	/* Nor does it begin anew with the next alert: hands off, also after a restart. */
	bench_restart(bench);
	pass(bench, HOUR_MS);
	alert(bench, "Saturated", true, START_MS + HOUR_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_true(refused_for(bench, "field_owned"));
	bench_close(bench);
}

static void an_undo_keeps_its_hands_off_what_others_wrote(void **st)
{
	struct bench *bench = bench_watched(0.95);
	static const struct person ann = {.identity = "ann", .role = "approve"};
	struct error error;

	(void)st;
	snprintf(bench->observation.replicas_writer.manager, 64, "kubectl-edit");
	assert_int_equal(engine_undo(bench->engine, last(bench)->id, &ann, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(refused_for(bench, "changed_since"));
	bench_close(bench);
}

static void the_effect_is_in_the_record_and_read_back(void **st)
{
	struct bench *bench = bench_watched(0.95);
	struct action read;
	struct error error;
	struct buf json;

	(void)st;
	buf_init(&json, 1 << 20);
	action_write_json(&json, last(bench), only(bench));
	assert_non_null(strstr(json.data, "\"forecast_by\":\"seasonal_naive\""));
	assert_non_null(strstr(json.data, "\"after\":null"));
	assert_int_equal(action_read_json(&read, json.data, json.size, &error), STATUS_OK);
	assert_true(read.effect.before == 0.95 && isnan(read.effect.after));
	assert_int_equal(read.effect.forecast.method, FORECAST_SEASONAL_NAIVE);
	buf_fini(&json);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_daily_peak_is_expected_to_end_as_it_did),
		cmocka_unit_test(a_trouble_that_no_day_had_is_expected_to_last),
		cmocka_unit_test(what_is_too_new_is_not_forecast),
		cmocka_unit_test(a_forecaster_with_skill_is_asked_first),
		cmocka_unit_test(a_forecaster_is_not_asked_for_what_it_does_not_forecast),
		cmocka_unit_test(a_forecast_looks_at_nothing_that_came_later),
		cmocka_unit_test(what_gets_well_against_the_forecast_is_cured),
		cmocka_unit_test(what_was_to_get_well_anyway_is_self_healed),
		cmocka_unit_test(others_that_got_well_untreated_tell_that_it_was_not_us),
		cmocka_unit_test(untreated_others_are_counted),
		cmocka_unit_test(what_gets_worse_is_rolled_back_and_handed_over),
		cmocka_unit_test(a_little_worse_is_only_ineffective),
		cmocka_unit_test(a_crash_behind_the_verdict_still_rolls_back),
		cmocka_unit_test(what_somebody_else_wrote_is_not_rolled_back),
		cmocka_unit_test(a_change_that_is_taken_back_is_reverted_by_name),
		cmocka_unit_test(an_undo_keeps_its_hands_off_what_others_wrote),
		cmocka_unit_test(the_effect_is_in_the_record_and_read_back),
	};

	return cmocka_run_group_tests_name("effect", tests, NULL, NULL);
}
