/*
 * Features of traffic: a row against one that tests/golden/traffic_golden.py worked out from the definition;
 * what is missing is not zero.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/scaler/traffic.h"

#define DAY POLICY_SLOTS_PER_DAY
#define GOLDEN_SLOTS (7 * DAY + 2976)
#define FIRST (INT64_C(20000) * DAY + 17)
#define TWO_PI 6.283185307179586

/* Printed by tests/golden/traffic_golden.py. */
static const double golden[TRAFFIC_FEATURES] = {-0.018724, -0.037806, -0.077097, 0.012559,
	-0.063537, -0.050157, -0.011471, 0.001660, 0.003371, 0.006789, 0.125685, -0.024975,
	-0.017968, 0.002482, 0.046915, -0.087166, 0.009232, 0.924998, -0.025211, 0.924998, 0.257266,
	0.934405, -0.021795, 0.934405, 0.253849, -0.121869, -0.992546, 0.241922, 0.970296,
	-0.358368, -0.933580, 0.207912, -0.978148, -0.406737, 0.913545, 0.584453, 0.899455,
	2.533697, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000,
	0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000,
	0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000, 0.000000,
	0.000000, 0.000000, 1.000000, 0.000000};

static struct traffic traffic_of_nothing(void)
{
	struct traffic traffic;

	assert_int_equal(traffic_init(&traffic, NULL), STATUS_OK);
	return traffic;
}

/* A day's hill, ripples, and a burst each hour. */
static double golden_rate(int i)
{
	double rate = 100 + 50 * sin(TWO_PI * i / DAY) + (double)(i * INT64_C(7919) % 13);

	return i % 240 >= 100 && i % 240 <= 103 ? rate * 2.5 : rate;
}

static void a_row_is_what_its_definition_says(void **state)
{
	struct traffic traffic = traffic_of_nothing();
	struct traffic_memory memory;
	size_t horizon = 10;
	float row[1][TRAFFIC_FEATURES];

	(void)state;
	traffic_memory_init(&memory);
	for (int i = 0; i < GOLDEN_SLOTS; i++) {
		assert_true(traffic_add(&traffic, FIRST + i, golden_rate(i)));
		traffic_memory_step(&memory, &traffic, traffic.count - 1);
	}
	traffic_features(&traffic, &memory, traffic.count - 1, &horizon, 1, row);
	for (size_t i = 0; i < TRAFFIC_FEATURES; i++)
		assert_true(fabs((double)row[0][i] - golden[i]) < 2e-5);
	traffic_fini(&traffic);
}

static void rows_of_two_horizons_differ_in_what_the_horizon_holds_alone(void **state)
{
	struct traffic traffic = traffic_of_nothing();
	struct traffic_memory memory;
	size_t horizons[2] = {10, 40}, differ = 0;
	float rows[2][TRAFFIC_FEATURES], alone[1][TRAFFIC_FEATURES];

	(void)state;
	traffic_memory_init(&memory);
	for (int i = 0; i < GOLDEN_SLOTS; i++) {
		assert_true(traffic_add(&traffic, FIRST + i, golden_rate(i)));
		traffic_memory_step(&memory, &traffic, traffic.count - 1);
	}
	traffic_features(&traffic, &memory, traffic.count - 20, horizons, 2, rows);
	traffic_features(&traffic, &memory, traffic.count - 20, horizons + 1, 1, alone);
	assert_memory_equal(rows[1], alone[0], sizeof(rows[1]));
	for (size_t i = 0; i < TRAFFIC_FEATURES; i++)
		differ += rows[0][i] < rows[1][i] || rows[0][i] > rows[1][i];
	assert_in_range(differ, 1, 4);
	traffic_fini(&traffic);
}

static void missing_slots_are_not_zero(void **state)
{
	struct traffic traffic = traffic_of_nothing();

	(void)state;
	/* Nothing stands in before the first known one. */
	assert_false(traffic_add(&traffic, 10, (double)NAN));
	assert_true(traffic_add(&traffic, 11, 40));
	assert_true(traffic_add(&traffic, 14, 60));
	assert_int_equal(traffic.count, 4);
	assert_false(traffic_known(&traffic, 1));
	assert_true(traffic_rate(&traffic, 2) == 40);
	assert_true(isnan(traffic_level(&traffic, 2)));
	assert_true(traffic_level(&traffic, 3) == 60);
	assert_true(traffic_level(&traffic, 1) == 40);
	/* A true zero is one. */
	assert_true(traffic_add(&traffic, 15, 0));
	assert_true(traffic_known(&traffic, 4) && traffic_rate(&traffic, 4) == 0);
	assert_true(traffic_add(&traffic, 16, -5));
	assert_false(traffic_known(&traffic, 5));
	/* The past is not written anew. */
	assert_false(traffic_add(&traffic, 16, 70));
	assert_int_equal(traffic.count, 6);
	traffic_fini(&traffic);
}

static void nine_days_are_kept_and_no_more(void **state)
{
	struct traffic traffic = traffic_of_nothing();

	(void)state;
	for (int64_t i = 0; i < 25 * DAY; i++) {
		assert_true(traffic_add(&traffic, i, (double)(i % 1000)));
		assert_true(traffic.count <= TRAFFIC_SLOTS);
	}
	assert_true(traffic.count >= TRAFFIC_KEPT);
	assert_int_equal(traffic.first + (int64_t)traffic.count, 25 * DAY);
	assert_true(traffic_rate(&traffic, 0) == (double)(traffic.first % 1000));
	/* After a hole of more than that all is forgotten. */
	assert_true(traffic_add(&traffic, 40 * DAY, 5));
	assert_int_equal(traffic.count, 1);
	traffic_fini(&traffic);
}

static void ratios_come_back(void **state)
{
	struct traffic_memory memory = {.slow = 100};

	(void)state;
	for (double rate = 7; rate < 1000; rate += 7)
		assert_true(fabs(traffic_unratio(&memory, 80, traffic_ratio(&memory, 80, rate)) -
				    rate) < 1e-9 * (rate + 1));
	/* A hundred thousand times as much is no more than e^3. */
	assert_true(traffic_ratio(&memory, 80, 8e6) == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_what_its_definition_says),
		cmocka_unit_test(rows_of_two_horizons_differ_in_what_the_horizon_holds_alone),
		cmocka_unit_test(missing_slots_are_not_zero),
		cmocka_unit_test(nine_days_are_kept_and_no_more),
		cmocka_unit_test(ratios_come_back),
	};

	return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
