/*
 * Days and their forecast, and the sizes that are made of them: on containers whose needs are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/rightsize/sizing.h"

#define M0 (INT64_C(20000) * 1440)
#define MEBI 1048576.0
#define GIBI (1024 * MEBI)

static struct sizing sizing;
static const struct sizing_prices prices = {0.03, 0.004};
static const struct sizing_now now = {{1, GIBI}, {2, 2 * GIBI}, 3, 1};

static int setup(void **state)
{
	sizing_init(&sizing);
	return 0;
}

static void assert_within(double value, double low, double high)
{
	if (!(value >= low && value <= high))
		fail_msg("%.12g is not within %.12g and %.12g", value, low, high);
}

/* Days of a container that uses `cores` at noon, less before and after, and `bytes` at most. */
static void add_days(int64_t first, int count, double cores, double bytes)
{
	for (int64_t i = first * 1440; i < (first + count) * 1440; i++) {
		double part = 1 - fabs((double)(i % 1440 - 720)) / 720;
		const struct sizing_minute minute = {.cpu = cores * part,
			.memory = bytes * (.8 + .2 * part),
			.killed = 0,
			.request = GIBI};

		sizing_add(&sizing, M0 + i, &minute);
	}
}

static int64_t end(int days)
{
	return M0 + days * 1440 - 1;
}

static void a_day_is_known_by_its_quantiles(void **state)
{
	const struct day_row *row = &sizing.days[SIZED_CPU].rows[0];

	add_days(0, 2, 1, 512 * MEBI);
	/* Today is not a day yet. */
	assert_int_equal(sizing.days[SIZED_CPU].count, 1);
	assert_int_equal(row->day, 20000);
	assert_within((double)row->levels[DAY_MEDIAN], .5, .5 * 1.051);
	assert_within((double)row->levels[DAY_P95], .95, 1);
	assert_within((double)row->levels[DAY_PEAK], 1, 1 + 1e-6);
	assert_within((double)sizing.days[SIZED_MEMORY].rows[0].levels[DAY_PEAK], 511 * MEBI,
		512 * MEBI + 64);
}

static void half_a_day_is_no_day(void **state)
{
	for (int64_t i = 0; i < 3 * 1440; i++) {
		const struct sizing_minute minute = {i % 1440 < (i < 1440 ? 719 : 721) ? .1 : NAN,
			NAN, NAN, NAN};

		sizing_add(&sizing, M0 + i, &minute);
	}
	assert_int_equal(sizing.days[SIZED_CPU].count, 1);
	assert_int_equal(sizing.days[SIZED_CPU].rows[0].day, 20001);
	assert_int_equal(sizing.days[SIZED_MEMORY].count, 0);
	assert_true(isnan(days_peak(&sizing.days[SIZED_MEMORY])));
	assert_true(isnan(days_above(&sizing.days[SIZED_MEMORY], 1)));
}

static void no_more_days_are_kept_than_there_is_room_for(void **state)
{
	add_days(0, DAYS_MAX + 6, 1, GIBI);
	assert_int_equal(sizing.days[SIZED_CPU].count, DAYS_MAX);
	assert_int_equal(sizing.days[SIZED_CPU].rows[0].day, 20005);
	assert_int_equal(sizing.days[SIZED_CPU].rows[DAYS_MAX - 1].day, 20000 + DAYS_MAX + 4);
}

static void with_little_history_nothing_is_recommended(void **state)
{
	struct sizing_advice advice;

	add_days(0, 3, 1, GIBI);
	sizing_advise(&sizing, end(3), &now, &prices, &advice);
	assert_int_equal(advice.verdict, SIZING_TOO_SHORT);
	assert_int_equal(advice.days[SIZED_CPU], 2);
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++)
		assert_true(isnan(advice.choices[way].request[SIZED_CPU]) &&
			isnan(advice.choices[way].request[SIZED_MEMORY]) &&
			isnan(advice.choices[way].month));
	/* What is set is told all the same. */
	assert_true(advice.choices[SIZING_NOW].request[SIZED_CPU] == 1);
	add_days(3, 1, 1, GIBI);
	sizing_advise(&sizing, end(4), &now, &prices, &advice);
	assert_int_equal(advice.verdict, SIZING_READY);
	sizing_advise(&sizing, end(4) + 61, &now, &prices, &advice);
	assert_int_equal(advice.verdict, SIZING_STALE);
	assert_true(isnan(advice.choices[SIZING_OURS].request[SIZED_CPU]));
}

static void an_even_workload_gets_what_it_needs(void **state)
{
	struct sizing_advice advice;
	const struct sizing_choice *ours = &advice.choices[SIZING_OURS];

	add_days(0, 15, .4, 512 * MEBI);
	sizing_advise(&sizing, end(15), &now, &prices, &advice);
	assert_int_equal(advice.forecasts[SIZED_CPU].tried, 11);
	assert_within(ours->request[SIZED_CPU], .4 * .95, .4 * .95 * 1.06);
	assert_within(ours->request[SIZED_MEMORY], 512 * MEBI, 513 * MEBI);
	assert_within(ours->over[SIZED_CPU], 0, .06);
	assert_within(ours->limit[SIZED_MEMORY], 512 * 1.2 * MEBI, 513 * 1.21 * MEBI);
	assert_true(ours->kill_risk == 0);
	/* 730 hours of the requests. */
	assert_within(advice.choices[SIZING_NOW].month, 730 * (.03 + .004) - 1e-9,
		730 * (.03 + .004) + 1e-9);
	assert_true(ours->month < advice.choices[SIZING_PEAK].month);
	assert_true(ours->month < advice.choices[SIZING_NOW].month);
	/* The rule of the VPA moves limits with requests: twice of them here. */
	assert_within(advice.choices[SIZING_VPA].limit[SIZED_CPU] /
			advice.choices[SIZING_VPA].request[SIZED_CPU],
		1.99, 2.01);
}

static void within_the_first_week_there_is_a_margin(void **state)
{
	struct sizing_advice advice;

	add_days(0, 8, .4, 512 * MEBI);
	sizing_advise(&sizing, end(8), &now, &prices, &advice);
	assert_int_equal(advice.forecasts[SIZED_MEMORY].tried, 4);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 1.15 * 511 * MEBI,
		1.15 * 513 * MEBI);
}

static void growth_is_followed_ahead_of_it(void **state)
{
	struct sizing_advice advice;

	for (int day = 0; day < 20; day++)
		add_days(day, 1, .4 + .02 * day, (500 + 20 * day) * MEBI);
	sizing_advise(&sizing, end(20), &now, &prices, &advice);
	/* Day 19 is under way, and tomorrow is its last full one's morrow. */
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 880 * MEBI, 930 * MEBI);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_CPU], .78 * .95, .78 * .95 * 1.1);
}

static void a_busy_day_of_the_week_is_remembered(void **state)
{
	struct sizing_advice advice;

	/* Every seventh day needs three times as much; the 27th will be one. */
	for (int day = 0; day < 28; day++)
		add_days(day, 1, day % 7 == 6 ? .9 : .3, (day % 7 == 6 ? 900 : 300) * MEBI);
	sizing_advise(&sizing, end(28), &now, &prices, &advice);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 900 * MEBI, 990 * MEBI);
	/* By the week, not by always keeping the most: half of that is enough the day after. */
	sizing_init(&sizing);
	for (int day = 0; day < 25; day++)
		add_days(day, 1, day % 7 == 6 ? .9 : .3, (day % 7 == 6 ? 900 : 300) * MEBI);
	sizing_advise(&sizing, end(25), &now, &prices, &advice);
	assert_string_equal(advice.forecasts[SIZED_MEMORY].by, "week_ago");
}

static void a_kill_raises_memory_and_is_told_once(void **state)
{
	struct sizing_advice advice;
	struct sizing_minute minute = {.1, 512 * MEBI, 1.07, GIBI};

	add_days(0, 8, .4, 512 * MEBI);
	/* Ten minutes of a window, in which the same kill stands. */
	for (int i = 0; i < 10; i++)
		sizing_add(&sizing, M0 + 8 * 1440 + i, &minute);
	sizing_advise(&sizing, M0 + 8 * 1440 + 9, &now, &prices, &advice);
	assert_int_equal(advice.kills, 1);
	/* A fifth over the request of 1 GiB, which is more than 100 MiB. */
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 1.2 * GIBI,
		1.2 * GIBI + MEBI);
	assert_true(advice.choices[SIZING_OURS].limit[SIZED_MEMORY] > 1.4 * GIBI);
	minute.killed = NAN;
	sizing_add(&sizing, M0 + 8 * 1440 + 10, &minute);
	assert_int_equal(sizing.kills, 1);
	minute.killed = 2.1;
	sizing_add(&sizing, M0 + 8 * 1440 + 11, &minute);
	assert_int_equal(sizing.kills, 2);
	/* Eight days on it is forgotten. */
	minute.killed = 0;
	add_days(9, 9, .4, 512 * MEBI);
	sizing_advise(&sizing, end(18), &now, &prices, &advice);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 512 * MEBI, 600 * MEBI);
}

static void a_day_that_needs_more_is_answered_on_that_day(void **state)
{
	struct sizing_advice advice;
	const struct sizing_now limited = {{.4, GIBI}, {.8, GIBI}, 1, 1};
	const struct sizing_minute busy = {.8, 900 * MEBI, 0, NAN};

	add_days(0, 10, .4, 512 * MEBI);
	for (int i = 0; i < 59; i++)
		sizing_add(&sizing, M0 + 10 * 1440 + i, &busy);
	sizing_advise(&sizing, M0 + 10 * 1440 + 58, &now, &prices, &advice);
	assert_true(advice.choices[SIZING_OURS].request[SIZED_CPU] < .45);
	sizing_add(&sizing, M0 + 10 * 1440 + 59, &busy);
	sizing_advise(&sizing, M0 + 10 * 1440 + 59, &now, &prices, &advice);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_CPU], .8, .801);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_MEMORY], 900 * MEBI, 901 * MEBI);
	/* At its limit it may have wanted more. */
	sizing_advise(&sizing, M0 + 10 * 1440 + 59, &limited, &prices, &advice);
	assert_within(advice.choices[SIZING_OURS].request[SIZED_CPU], .8 * 1.15, .8 * 1.15 + .002);
}

static void risk_is_told_of_what_is_set(void **state)
{
	struct sizing_advice advice;
	const struct sizing_now tight = {{.2, 400 * MEBI}, {NAN, 500 * MEBI}, NAN, 1};

	add_days(0, 11, .4, 512 * MEBI);
	sizing_advise(&sizing, end(11), &tight, &prices, &advice);
	/* Of a triangle up to .4 one half is above .2, and every day's peak is above the limit. */
	assert_within(advice.choices[SIZING_NOW].over[SIZED_CPU], .47, .53);
	assert_true(advice.choices[SIZING_NOW].over[SIZED_MEMORY] > .9);
	assert_true(advice.choices[SIZING_NOW].kill_risk == 1);
	assert_true(isnan(advice.choices[SIZING_OURS].limit[SIZED_CPU]));
	assert_true(advice.choices[SIZING_OURS].limit[SIZED_MEMORY] >= 512 * 1.2 * MEBI);
}

static void what_is_not_set_has_no_price_and_no_limit(void **state)
{
	struct sizing_advice advice;
	const struct sizing_now none = {{NAN, NAN}, {NAN, NAN}, NAN, 1};

	add_days(0, 6, .4, 512 * MEBI);
	sizing_advise(&sizing, end(6), &none, &prices, &advice);
	assert_true(isnan(advice.choices[SIZING_NOW].month));
	assert_true(isnan(advice.choices[SIZING_NOW].kill_risk));
	for (int way = SIZING_VPA; way < SIZING_WAYS; way++)
		assert_true(isnan(advice.choices[way].limit[SIZED_MEMORY]) &&
			advice.choices[way].month > 0);
}

static void a_minute_twice_counts_once(void **state)
{
	static struct sizing before;
	const struct sizing_minute late = {50, 1e12, 9, NAN};

	add_days(0, 2, 1, GIBI);
	before = sizing;
	sizing_add(&sizing, M0 + 1440, &late);
	assert_memory_equal(&before, &sizing, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_day_is_known_by_its_quantiles, setup),
		cmocka_unit_test_setup(half_a_day_is_no_day, setup),
		cmocka_unit_test_setup(no_more_days_are_kept_than_there_is_room_for, setup),
		cmocka_unit_test_setup(with_little_history_nothing_is_recommended, setup),
		cmocka_unit_test_setup(an_even_workload_gets_what_it_needs, setup),
		cmocka_unit_test_setup(within_the_first_week_there_is_a_margin, setup),
		cmocka_unit_test_setup(growth_is_followed_ahead_of_it, setup),
		cmocka_unit_test_setup(a_busy_day_of_the_week_is_remembered, setup),
		cmocka_unit_test_setup(a_kill_raises_memory_and_is_told_once, setup),
		cmocka_unit_test_setup(a_day_that_needs_more_is_answered_on_that_day, setup),
		cmocka_unit_test_setup(risk_is_told_of_what_is_set, setup),
		cmocka_unit_test_setup(what_is_not_set_has_no_price_and_no_limit, setup),
		cmocka_unit_test_setup(a_minute_twice_counts_once, setup),
	};

	return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
