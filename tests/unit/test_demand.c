/*
 * The demand to come of a workload: what is learnt from the tier and what is too little, that nothing is said
 * which is no better than multiples of the present level, who takes whose place, and that a restart
 * changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/demand.h"
#include "analyzers/minutes.h"
#include "analyzers/outlook.h"
#include "base/mem.h"
#include "base/random.h"
#include "tests/support/folder.h"

#define DAY 1440
#define DAYS 4
#define M0 (INT64_C(28333320) - INT64_C(28333320) % DAY)

static const struct workload_key web = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};
static const struct workload_key plain = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "plain"};

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct rollup *rollup;
static struct error error;
static struct random dice;

/* Four times the level for five minutes of each hour, the first days at another minute than later. */
static double bursts(int64_t minute)
{
	int64_t begin = minute < M0 ? 20 : 50, at = minute % 60;

	return (at >= begin && at < begin + 5 ? 400 : 100) * exp(.05 * random_normal(&dice));
}

/* Of which the present value is all that can be known. */
static double walk(int64_t minute)
{
	static double level = 100;

	(void)minute;
	level *= exp(.05 * random_normal(&dice));
	return level;
}

static void fill(const struct workload_key *workload, enum signal_role role, int64_t from,
	int64_t end, double (*value_of)(int64_t minute))
{
	struct rollup_minute minutes[60];
	char key[ROLLUP_KEY_MAX];

	for (int64_t at = from; at < end; at += 60) {
		for (int i = 0; i < 60; i++) {
			double value = value_of(at + i);

			minutes[i] = (struct rollup_minute){value, value, value, value, 1, true};
		}
		assert_int_equal(rollup_write(rollup, key, minutes_key(workload, role, key), at,
					 minutes, 60, M0 + DAYS * DAY, &error),
			STATUS_OK);
	}
}

static int setup(void **state)
{
	static const struct rollup_limits limits = {.retention_ms = INT64_C(14) * 86400000,
		.signals_max = 10};

	(void)state;
	random_init(&dice, 7);
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, (M0 + DAYS * DAY) * 60000);
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	assert_non_null(rollup);
	fill(&web, ROLE_REQUEST_RATE, M0 - DAYS * DAY, M0 + DAYS * DAY, bursts);
	fill(&plain, ROLE_CPU, M0 - DAYS * DAY, M0, walk);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)mem_fail_after(0, false);
	rollup_close(rollup);
	folder_remove(folder);
	return 0;
}

static struct demand *trained(int64_t rows, int64_t end)
{
	struct demand *demand;

	assert_int_equal(demand_train(rollup, &web, ROLE_REQUEST_RATE, rows, end, &demand, &error),
		STATUS_OK);
	return demand;
}

static void a_burst_by_the_clock_is_foreseen_and_serves(void **state)
{
	struct demand *demand = trained(DAYS * DAY, M0);
	struct demand_view view;

	(void)state;
	assert_int_equal(demand_rows(demand), DAYS * DAY);
	/* The last minute is 59: none of the next fifteen is a burst. */
	demand_read(demand, &view);
	assert_int_equal(view.state, DEMAND_SERVING);
	assert_int_equal(view.role, ROLE_REQUEST_RATE);
	assert_true(view.skill > .3 && view.skill < 1);
	assert_true(view.quantiles[1] > 95 && view.quantiles[1] < 200);
	for (int64_t i = 0; i < 16; i++)
		demand_step(demand, M0 + i, 100);
	/* Of minutes 16 to 30. */
	demand_read(demand, &view);
	assert_true(view.quantiles[0] > 300 && view.quantiles[0] < 600);
	for (size_t i = 1; i < DEMAND_QUANTILES; i++)
		assert_true(view.quantiles[i] >= view.quantiles[i - 1]);
	assert_in_range(demand_bytes(demand), 30000, 45000);
	demand_close(demand);
}

static void with_less_than_a_day_nothing_is_learnt(void **state)
{
	struct demand *demand = (struct demand *)&error;

	(void)state;
	assert_int_equal(demand_train(rollup, &web, ROLE_REQUEST_RATE, DAY - 1, M0, &demand,
				 &error),
		STATUS_UNAVAILABLE);
	assert_null(demand);
	assert_non_null(strstr(error.text, "1439 of 1440 minutes"));
	assert_int_equal(demand_train(rollup, &web, ROLE_CPU, DAYS * DAY, M0, &demand, &error),
		STATUS_UNAVAILABLE);
}

static void what_is_no_better_than_multiples_of_the_level_is_not_said(void **state)
{
	struct demand *demand;
	struct demand_view view;

	(void)state;
	assert_int_equal(demand_train(rollup, &plain, ROLE_CPU, DAY, M0, &demand, &error),
		STATUS_OK);
	demand_read(demand, &view);
	assert_true(view.skill <= 0);
	assert_int_equal(view.state, DEMAND_WORSE);
	for (size_t i = 0; i < DEMAND_QUANTILES; i++)
		assert_true(isnan(view.quantiles[i]));
	assert_false(demand_beats(demand, NULL));
	demand_close(demand);
}

static void missing_minutes_are_stale_and_one_is_bridged(void **state)
{
	struct demand *demand = trained(DAYS * DAY, M0);
	struct demand_view view;

	(void)state;
	demand_step(demand, M0, NAN);
	demand_read(demand, &view);
	assert_int_equal(view.state, DEMAND_SERVING);
	demand_step(demand, M0 + 1, NAN);
	demand_read(demand, &view);
	assert_int_equal(view.state, DEMAND_STALE);
	assert_true(isnan(view.quantiles[0]));
	demand_close(demand);
}

/* The bursts move at M0: what learnt from before is worse there than what learnt from after. */
static void the_better_one_of_late_serves(void **state)
{
	int64_t end = M0 + 3 * DAY;
	struct demand *before = trained(DAYS * DAY, M0), *after = trained(3 * DAY, end);

	(void)state;
	assert_true(demand_beats(before, NULL));
	assert_int_equal(demand_catch_up(before, rollup, &web, M0 + DAY, &error), STATUS_OK);
	assert_int_equal(demand_catch_up(before, rollup, &web, end, &error), STATUS_OK);
	assert_true(demand_beats(after, before));
	assert_false(demand_beats(before, after));
	assert_false(demand_beats(after, after));
	assert_int_equal(demand_catch_up(before, rollup, &web, end + OUTLOOK_RESTORE_ROWS_MAX + 1,
				 &error),
		STATUS_UNAVAILABLE);
	demand_close(before);
	demand_close(after);
}

static void a_restart_changes_nothing(void **state)
{
	struct demand *before = trained(DAYS * DAY, M0), *after = NULL;
	struct demand_view one, two;
	void *bytes;
	size_t size;

	(void)state;
	assert_int_equal(demand_catch_up(before, rollup, &web, M0 + 10, &error), STATUS_OK);
	bytes = demand_write(before, &size);
	assert_non_null(bytes);
	assert_int_equal(demand_catch_up(before, rollup, &web, M0 + 700, &error), STATUS_OK);
	assert_int_equal(demand_restore(rollup, &web, ROLE_REQUEST_RATE, M0 + 700, bytes, size,
				 &after, &error),
		STATUS_OK);
	for (int64_t minute = M0 + 700; minute < M0 + 760; minute++) {
		demand_step(before, minute, 120);
		demand_step(after, minute, 120);
		demand_read(before, &one);
		demand_read(after, &two);
		assert_true(one.state == two.state && one.skill == two.skill);
		assert_memory_equal(one.quantiles, two.quantiles, sizeof(one.quantiles));
	}
	assert_int_equal(demand_rows(after), demand_rows(before));
	demand_close(after);
	/* Of another signal, of a time to come, cut off. */
	assert_int_equal(demand_restore(rollup, &web, ROLE_CPU, M0 + 700, bytes, size, &after,
				 &error),
		STATUS_BAD_INPUT);
	assert_int_equal(demand_restore(rollup, &web, ROLE_REQUEST_RATE, M0 + 5, bytes, size,
				 &after, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(demand_restore(rollup, &web, ROLE_REQUEST_RATE, M0 + 700, bytes, size - 1,
				 &after, &error),
		STATUS_BAD_INPUT);
	assert_null(after);
	mem_free(bytes);
	demand_close(before);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	bool injected = true;

	(void)state;
	for (long n = 1; injected; n++) {
		struct demand *demand = NULL, *again = NULL;
		enum status status;
		void *bytes = NULL;
		size_t size = 0;

		mem_fail_after(n, false);
		status = demand_train(rollup, &web, ROLE_REQUEST_RATE, DAY, M0, &demand, &error);
		if (status == STATUS_OK)
			bytes = demand_write(demand, &size);
		if (bytes != NULL)
			status = demand_restore(rollup, &web, ROLE_REQUEST_RATE, M0 + 9, bytes,
				size, &again, &error);
		injected = mem_fail_after(0, false);
		assert_true(injected ? status == STATUS_NO_MEMORY || bytes == NULL
				     : status == STATUS_OK);
		mem_free(bytes);
		demand_close(demand);
		demand_close(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_by_the_clock_is_foreseen_and_serves, setup,
			teardown),
		cmocka_unit_test_setup_teardown(with_less_than_a_day_nothing_is_learnt, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			what_is_no_better_than_multiples_of_the_level_is_not_said, setup, teardown),
		cmocka_unit_test_setup_teardown(missing_minutes_are_stale_and_one_is_bridged, setup,
			teardown),
		cmocka_unit_test_setup_teardown(the_better_one_of_late_serves, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_that_is_out_is_an_answer, setup, teardown),
	};

	return cmocka_run_group_tests_name("demand", tests, NULL, NULL);
}
