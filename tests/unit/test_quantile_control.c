/*
 * The control law, the correction of what was said, and the choice of a night, each against numbers worked
 * out by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/scaler/nightly.h"
#include "analyzers/scaler/quantile_control.h"
#include "base/check.h"

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b) + 1);
}

/* Ten minutes of window, .8 of 50 requests a second: 40 a pod. */
static struct control control_of(double capacity)
{
	struct control_setting setting;
	struct control control;

	control_setting_default(&setting);
	setting.load = .8f;
	control_init(&control, &setting, capacity, .03);
	return control;
}

static struct policy_view view_of(int64_t slot, int wanted, double rate, double cpu)
{
	return (struct policy_view){.slot = slot,
		.wanted = wanted,
		.ready = wanted,
		.rate = rate,
		.cpu = cpu};
}

static void a_miss_raises_by_q_and_a_hit_lowers_by_the_rest(void **state)
{
	(void)state;
	assert_true(near(foresight_shift(0, .95, true), .0007 * .95));
	assert_true(near(foresight_shift(0, .95, false), -.0007 * .05));
	assert_true(near(foresight_shift(.2, .3, false), .2 - .0007 * .7));
	assert_true(near(foresight_shift(-.3, .3, false), -.3));
	assert_true(near(foresight_shift(1.4999, .999, true), 1.5));
}

static void need_is_met_at_once(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 3, 90, .6);
	struct control_parts parts;

	(void)state;
	/* 401 / 40 = 10.03. */
	assert_int_equal(control_decide(&control, &view, 401, 401, &parts), 11);
	assert_int_equal(parts.need, 11);
	/* A slot later as well: no cooldown stands before going up. */
	view = view_of(101, 11, 90, .2);
	assert_int_equal(control_decide(&control, &view, 801, 801, &parts), 21);
}

static void surplus_waits_for_the_window(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 10, 300, .6);

	(void)state;
	assert_int_equal(control_decide(&control, &view, 400, 400, NULL), 10);
	for (int64_t slot = 101; slot < 140; slot++) {
		view = view_of(slot, 10, 100, .2);
		assert_int_equal(control_decide(&control, &view, 120, 120, NULL), 10);
	}
	view = view_of(140, 10, 100, .2);
	assert_int_equal(control_decide(&control, &view, 120, 120, NULL), 3);
}

static void the_farther_forecast_holds_what_will_be_needed(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 8, 100, .25);
	struct control_parts parts;

	(void)state;
	/* Now 3 are enough, in ten minutes 6 are needed; but six are not wanted before that. */
	assert_int_equal(control_decide(&control, &view, 120, 240, &parts), 6);
	view.wanted = 4;
	assert_int_equal(control_decide(&control, &view, 120, 240, &parts), 4);
	assert_int_equal(parts.need, 3);
	assert_int_equal(parts.need_down, 6);
}

static void nothing_falls_below_the_guard(void **state)
{
	(void)state;
	for (int wanted = 1; wanted < 50; wanted++) {
		for (int cpu = 0; cpu <= 100; cpu++) {
			struct control control = control_of(50);
			struct policy_view view = view_of(100, wanted, 1, cpu / 100.);
			int guard = (int)ceil(cpu / 100. / .85 * wanted - 1e-9), got;

			/* A forecast of next to nothing. */
			got = control_decide(&control, &view, 1, 1, NULL);
			assert_true(got >= guard);
			assert_true(got >= 1);
		}
	}
}

static void the_guard_counts_pods_on_their_way_as_idle(void **state)
{
	struct policy_view view = view_of(100, 10, 400, 1);

	(void)state;
	view.ready = 5;
	/* 5 at 100 % need 6: the ten that are wanted already will do, and stay. */
	assert_int_equal(control_guard(&view), 10);
	view.ready = 9;
	assert_int_equal(control_guard(&view), 11);
	view.cpu = NAN;
	assert_int_equal(control_guard(&view), 0);
}

static void a_missing_rate_holds_or_raises(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 10, NAN, .3);

	(void)state;
	for (int64_t slot = 100; slot < 300; slot++) {
		view.slot = slot;
		assert_int_equal(control_decide(&control, &view, NAN, NAN, NULL), 10);
	}
	view.slot = 300;
	view.cpu = .99;
	assert_int_equal(control_decide(&control, &view, NAN, NAN, NULL), 12);
	view.cpu = NAN;
	view.slot = 301;
	assert_int_equal(control_decide(&control, &view, NAN, NAN, NULL), 10);
}

static void capacity_follows_the_readings(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 10, 300, .83);

	(void)state;
	/* 300 / (10 * .8) = 37.5: a quarter is lost. */
	control_capacity_step(&control, &view);
	assert_true(near(control.capacity, 50 + 1. / 21 * (37.5 - 50)));
	for (int i = 0; i < 400; i++)
		control_capacity_step(&control, &view);
	assert_true(fabs(control.capacity - 37.5) < .01);
	/* CPU at its limit: more requests do not mean that a pod serves more. */
	view = view_of(100, 10, 900, 1);
	control_capacity_step(&control, &view);
	assert_true(control.capacity < 37.51);
	/* And idle pods tell nothing. */
	view = view_of(100, 10, 900, .05);
	control_capacity_step(&control, &view);
	assert_true(control.capacity < 37.51);
}

static void without_readings_there_is_no_capacity(void **state)
{
	struct control control = control_of(NAN);
	struct policy_view view = view_of(100, 10, 400, .83);

	(void)state;
	assert_true(isnan(control_capacity(&control)));
	for (int i = 0; i < CONTROL_CAPACITY_READINGS_MIN; i++) {
		assert_true(isnan(control_capacity(&control)));
		control_capacity_step(&control, &view);
	}
	assert_true(near(control_capacity(&control), 50));
}

static void a_rate_against_the_cpu_is_not_believed_for_five_minutes(void **state)
{
	struct control control = control_of(50);
	struct policy_view view = view_of(100, 10, 30000, .63);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(control_contradicts(&control, &view));
	assert_false(control_contradicts(&control, &view));
	/* None at all, although the pods work. */
	view.rate = 0;
	view.cpu = .63;
	control_begin(&control);
	assert_true(control_contradicts(&control, &view));
	/* A real crowd shows in the CPU; and ordinary traffic agrees. */
	view.rate = 30000;
	view.cpu = 1;
	assert_false(control_contradicts(&control, &view));
	view.rate = 300;
	view.cpu = .63;
	assert_false(control_contradicts(&control, &view));
}

/* ---- the choice ---- */

static struct nightly_outcome outcome_of(float violated, float bad, float pods, float events)
{
	return (struct nightly_outcome){violated, bad, pods * 5720, events};
}

static void the_cheapest_within_the_objective_is_chosen(void **state)
{
	static struct nightly_day days[2];
	const struct nightly_day *day_list[2] = {&days[0], &days[1]};
	/* Of 1430 minutes each day, at .5 %: 11.4 may be violated in two days. */
	struct nightly_outcome outcomes[2][5] = {{outcome_of(0, 0, 19, 10),
							 outcome_of(4, 40, 15, 10),
							 outcome_of(9, 90, 12, 10),
							 outcome_of(4, 40, 15, 400),
							 outcome_of(1, 400, 11, 10)},
		{outcome_of(3, 30, 19, 10), outcome_of(8, 80, 15, 10), outcome_of(9, 90, 12, 10),
			outcome_of(8, 80, 15, 400), outcome_of(4, 400, 11, 10)}};
	const struct nightly_outcome *outcome_list[2] = {outcomes[0], outcomes[1]};
	struct nightly_sum sums[5];

	(void)state;
	for (int d = 0; d < 2; d++) {
		days[d].minutes = 1430;
		days[d].requests = 30000;
		days[d].slots = 5720;
	}
	nightly_sum_up(day_list, 2, outcome_list, 5, NIGHTLY_DEAR, 0, .5, sums);
	/* The three minutes of the second day could not be avoided by any. */
	assert_true(near(sums[0].violated, 0));
	assert_true(near(sums[1].violated, 100 * 9 / 2860.));
	assert_true(near(sums[2].violated, 100 * 15 / 2860.));
	assert_true(near(sums[1].bad, 100 * 90 / 60000.));
	assert_true(sums[0].kept && sums[1].kept && sums[3].kept);
	assert_false(sums[2].kept); /* minutes */
	assert_false(sums[4].kept); /* requests */
	assert_int_equal(nightly_choose(sums, 5), 1);
	/* Changes cost: the same pods with forty times the events are dearer. */
	assert_true(nightly_better(&sums[1], &sums[3]));
	/* At .05 % only the first one is left; at .0001 none but it, which violates least. */
	nightly_sum_up(day_list, 2, outcome_list, 5, NIGHTLY_DEAR, 0, .05, sums);
	assert_int_equal(nightly_choose(sums, 5), 0);
	nightly_sum_up(day_list, 2, outcome_list, 4, NIGHTLY_DEAR, 0, .5, sums + 1);
	assert_int_equal(nightly_choose(sums + 2, 3), 0);
}

static void what_only_twice_the_pods_would_have_met_counts_against_none(void **state)
{
	static struct nightly_day day = {.minutes = 1430, .requests = 30000, .slots = 5720};
	const struct nightly_day *days[1] = {&day};
	struct nightly_outcome outcomes[3] = {outcome_of(60, 600, 10, 10),
		outcome_of(50, 500, 15, 10), outcome_of(0, 0, 19, 10)};
	const struct nightly_outcome *list[1] = {outcomes};
	struct nightly_sum sums[3];

	(void)state;
	nightly_sum_up(days, 1, list, 3, NIGHTLY_DEAR, 0, .5, sums);
	assert_false(sums[0].kept);
	assert_true(sums[1].kept && sums[2].kept);
	assert_true(near(sums[2].violated, 0));
	assert_int_equal(nightly_choose(sums, 3), 1);
}

static void every_setting_of_the_grid_is_another_one(void **state)
{
	struct control_setting settings[NIGHTLY_SETTINGS];

	(void)state;
	for (size_t i = 0; i < NIGHTLY_SETTINGS; i++) {
		memset(&settings[i], 0, sizeof(settings[i]));
		nightly_setting(i, &settings[i]);
		assert_true(settings[i].window <= CONTROL_WINDOW_MAX);
		assert_true(settings[i].level < FORESIGHT_LEVELS);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&settings[i], &settings[k], sizeof(settings[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_miss_raises_by_q_and_a_hit_lowers_by_the_rest),
		cmocka_unit_test(need_is_met_at_once),
		cmocka_unit_test(surplus_waits_for_the_window),
		cmocka_unit_test(the_farther_forecast_holds_what_will_be_needed),
		cmocka_unit_test(nothing_falls_below_the_guard),
		cmocka_unit_test(the_guard_counts_pods_on_their_way_as_idle),
		cmocka_unit_test(a_missing_rate_holds_or_raises),
		cmocka_unit_test(capacity_follows_the_readings),
		cmocka_unit_test(without_readings_there_is_no_capacity),
		cmocka_unit_test(a_rate_against_the_cpu_is_not_believed_for_five_minutes),
		cmocka_unit_test(the_cheapest_within_the_objective_is_chosen),
		cmocka_unit_test(what_only_twice_the_pods_would_have_met_counts_against_none),
		cmocka_unit_test(every_setting_of_the_grid_is_another_one),
	};

	return cmocka_run_group_tests_name("quantile_control", tests, NULL, NULL);
}
