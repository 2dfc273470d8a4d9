/*
 * Counted pods under another autoscaler.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analyzers/scaler/fleet.h"

#define assert_near(a, b, by) assert_true(fabs((a) - (b)) <= (by))

static void a_new_pod_serves_after_its_start_and_not_before(void **state)
{
	struct fleet fleet;

	fleet_init(&fleet, 100, 2);
	fleet_want(&fleet, 5, 3);
	assert_int_equal(fleet.wanted, 5);
	fleet_advance(&fleet, 102);
	assert_int_equal(fleet.ready, 2);
	fleet_advance(&fleet, 103);
	assert_int_equal(fleet.ready, 5);
}

static void who_is_not_ready_goes_first_and_the_latest_of_them(void **state)
{
	struct fleet fleet;

	fleet_init(&fleet, 0, 4);
	fleet_want(&fleet, 6, 5);
	fleet_advance(&fleet, 2);
	fleet_want(&fleet, 8, 5);
	fleet_want(&fleet, 5, 5);
	assert_int_equal(fleet.ready, 4);
	fleet_advance(&fleet, 5);
	assert_int_equal(fleet.ready, 5);
	fleet_advance(&fleet, 40);
	assert_int_equal(fleet.ready, 5);
	fleet_want(&fleet, 2, 5);
	assert_int_equal(fleet.ready, 2);
}

static void a_leap_of_time_loses_no_pod(void **state)
{
	struct fleet fleet;

	fleet_init(&fleet, 10, 1);
	fleet_want(&fleet, 9, 4);
	fleet_advance(&fleet, 100000);
	assert_int_equal(fleet.ready, 9);
	/* A clock that is set back starts nothing and ends nothing. */
	fleet_want(&fleet, 12, 4);
	fleet_advance(&fleet, 50);
	assert_int_equal(fleet.ready, 9);
}

static void below_85_per_cent_nothing_is_violated_and_above_it_is(void **state)
{
	static const double rates[] = {0.5, 50, 4000};
	struct fleet_slot slot;

	for (size_t i = 0; i < 3; i++) {
		double backlog = 0;

		fleet_serve_pods(10, &backlog, rates[i], 8.4 * rates[i], &slot);
		assert_true(slot.late < 0.05);
		fleet_serve_pods(10, &backlog, rates[i], 8.7 * rates[i], &slot);
		assert_true(slot.late > 0.05);
		assert_near(slot.cpu, 0.9, 1e-9);
		assert_int_equal(fleet_need(rates[i], 8.5 * rates[i]), 10);
		assert_int_equal(fleet_need(rates[i], 8.51 * rates[i]), 11);
	}
	assert_int_equal(fleet_need(10, 0), 1);
}

static void what_is_not_served_waits_and_is_late(void **state)
{
	struct fleet fleet;
	struct fleet_slot slot;

	fleet_init(&fleet, 0, 2);
	fleet_serve(&fleet, 10, 30, &slot);
	assert_near(slot.late, 1, 1e-9);
	assert_true(fleet.backlog > 0);
	assert_near(slot.cpu, 1, 1e-9);
	/* No traffic: nobody is late, but the backlog is served first. */
	fleet_serve(&fleet, 10, 0, &slot);
	assert_near(slot.late, 0, 0);
	fleet_serve(&fleet, 10, 0, &slot);
	assert_near(fleet.backlog, 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_pod_serves_after_its_start_and_not_before),
		cmocka_unit_test(who_is_not_ready_goes_first_and_the_latest_of_them),
		cmocka_unit_test(a_leap_of_time_loses_no_pod),
		cmocka_unit_test(below_85_per_cent_nothing_is_violated_and_above_it_is),
		cmocka_unit_test(what_is_not_served_waits_and_is_late),
	};

	return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
