/*
 * The plant against its model worked out by hand: start-up times, removal, backlog, losses, latency,
 * CPU, noise; and that one seed is one run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "analyzers/plant.h"

static struct plant plant_of(int replicas)
{
	struct plant_config config;
	struct plant plant;

	plant_config_default(&config);
	config.cpu_noise = 0;
	plant_init(&plant, &config, replicas, 7);
	return plant;
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b) + 1);
}

static void the_first_pods_are_ready_at_once(void **state)
{
	struct plant plant = plant_of(3);

	assert_int_equal(plant_ready(&plant), 3);
	assert_int_equal(plant.wanted, 3);
}

static void wishes_are_held_within_the_bounds(void **state)
{
	struct plant plant = plant_of(1000);

	assert_int_equal(plant.wanted, 50);
	plant_want(&plant, -3);
	assert_int_equal(plant.wanted, 1);
	plant_want(&plant, 51);
	assert_int_equal(plant.wanted, 50);
}

/* mu 50, one pod, 25/s: rho 1/2, slack 25, no wait: late e^-10, 99 % after ln(100)/25. */
static void half_load_is_served_on_time(void **state)
{
	struct plant plant = plant_of(1);
	struct plant_slot slot;

	plant_step(&plant, 25, &slot);
	assert_true(near(slot.arrivals, 375) && near(slot.served, 375));
	assert_true(near(slot.utilization, 0.5) && slot.wait_s == 0 && slot.dropped == 0);
	assert_true(near(slot.bad, 375 * exp(-10)));
	assert_true(near(slot.latency_p99_s, log(100) / 25));
	assert_true(near(slot.cpu, 0.53));
	assert_int_equal(plant.slot, 1);
}

/* 60/s on one pod: 900 come, 750 are served, 150 wait: W = 150 / 100, all late, none dropped. */
static void too_much_load_waits(void **state)
{
	struct plant plant = plant_of(1);
	struct plant_slot slot;

	plant_step(&plant, 60, &slot);
	assert_true(near(slot.served, 750) && near(plant.backlog, 150));
	assert_true(near(slot.wait_s, 1.5) && near(slot.utilization, 1));
	assert_true(near(slot.bad, 900) && slot.dropped == 0);
	assert_true(near(slot.latency_p99_s, 30) && near(slot.cpu, 1));
	/* The backlog is served when the load falls: 150 + 300 are less than 750. */
	plant_step(&plant, 20, &slot);
	assert_true(near(slot.served, 450) && plant.backlog == 0);
	assert_true(near(slot.wait_s, 1.5));
}

/* The backlog holds 10 s of capacity, 500 requests; what is above is lost and bad. */
static void what_the_backlog_cannot_hold_is_dropped(void **state)
{
	struct plant plant = plant_of(1);
	struct plant_slot slot;

	plant_step(&plant, 100, &slot);
	assert_true(near(slot.dropped, 250) && near(plant.backlog, 500) && near(slot.bad, 1500));
}

static void requests_are_never_lost_from_the_books(void **state)
{
	struct plant_config config;
	struct plant plant;
	double before = 0;

	plant_config_default(&config);
	plant_init(&plant, &config, 4, 99);
	for (int i = 0; i < 2000; i++) {
		double demand = plant_noisy_demand(&plant, 150 + 140 * sin(i / 40.0));
		struct plant_slot slot;

		plant_want(&plant, (int)(demand / 40) + (i % 3));
		plant_step(&plant, demand, &slot);
		assert_true(
			near(before + slot.arrivals, slot.served + slot.dropped + plant.backlog));
		assert_true(slot.bad >= 0 && slot.bad <= slot.arrivals * (1 + 1e-9) + slot.dropped);
		assert_true(slot.utilization >= 0 && slot.utilization <= 1);
		assert_true(slot.ready >= 0 && slot.ready <= slot.wanted);
		assert_true(slot.latency_p99_s <= 30 && slot.cpu >= 0);
		before = plant.backlog;
	}
}

static void nobody_ready_serves_nobody(void **state)
{
	struct plant plant = plant_of(1);
	struct plant_slot slot;

	plant_lose(&plant, 0, 2);
	plant_step(&plant, 10, &slot);
	assert_int_equal(slot.ready, 0);
	assert_true(slot.served == 0 && near(slot.dropped, 150) && near(slot.bad, 150));
	assert_true(slot.cpu == 0 && slot.utilization == 1 && slot.latency_p99_s == 30);
	plant_step(&plant, 0, &slot);
	plant_step(&plant, 10, &slot);
	assert_int_equal(slot.ready, 1);
	assert_true(near(slot.served, 150));
}

static void a_new_pod_is_ready_after_two_to_eight_slots(void **state)
{
	int seen[9] = {0};

	for (uint64_t seed = 0; seed < 400; seed++) {
		struct plant_config config;
		struct plant plant;
		struct plant_slot slot;
		int slots = 0;

		plant_config_default(&config);
		plant_init(&plant, &config, 1, seed);
		plant_want(&plant, 2);
		while (plant_ready(&plant) < 2) {
			plant_step(&plant, 1, &slot);
			slots++;
		}
		assert_in_range(slots, 2, 8);
		seen[slots]++;
	}
	for (int i = 2; i <= 8; i++)
		assert_true(seen[i] > 20);
}

static void pods_that_are_not_ready_go_first_the_latest_before(void **state)
{
	struct plant plant = plant_of(2);

	plant_want(&plant, 4);
	plant.ready_at[2] = 8;
	plant.ready_at[3] = 5;
	assert_int_equal(plant_victim(&plant), 2);
	plant_want(&plant, 3);
	assert_int_equal(plant.ready_at[2], 5);
	plant_want(&plant, 2);
	assert_int_equal(plant_ready(&plant), 2);
	assert_int_equal(plant_victim(&plant), 1);
}

static void removing_a_pod_keeps_the_order_of_the_others(void **state)
{
	struct plant plant = plant_of(1);

	plant_want(&plant, 4);
	for (int i = 0; i < 4; i++)
		plant.ready_at[i] = i;
	plant_remove(&plant, 1);
	assert_int_equal(plant.wanted, 3);
	assert_int_equal(plant.ready_at[0], 0);
	assert_int_equal(plant.ready_at[1], 2);
	assert_int_equal(plant.ready_at[2], 3);
	plant_remove(&plant, 2);
	assert_int_equal(plant.wanted, 2);
}

static void a_seed_is_a_run(void **state)
{
	struct plant_config config;
	struct plant a, b;

	plant_config_default(&config);
	plant_init(&a, &config, 2, 5);
	plant_init(&b, &config, 2, 5);
	for (int i = 0; i < 300; i++) {
		struct plant_slot x = {0}, y = {0};

		plant_want(&a, 2 + i % 5);
		plant_want(&b, 2 + i % 5);
		plant_step(&a, plant_noisy_demand(&a, 100), &x);
		plant_step(&b, plant_noisy_demand(&b, 100), &y);
		assert_true(x.ready == y.ready && x.arrivals == y.arrivals && x.cpu == y.cpu &&
			x.bad == y.bad);
	}
}

/* Poisson of 1500 with a lognormal factor of mean 1 and sigma .03: mean 100/s, deviation
 * sqrt(1500 + (1500 * .03)^2) / 15 = 3.96/s. */
static void noisy_demand_has_the_mean_and_spread_of_its_law(void **state)
{
	struct plant plant = plant_of(1);
	double sum = 0, squares = 0;
	int count = 20000;

	for (int i = 0; i < count; i++) {
		double demand = plant_noisy_demand(&plant, 100);

		sum += demand;
		squares += demand * demand;
	}
	double mean = sum / count, deviation = sqrt(squares / count - mean * mean);

	assert_true(fabs(mean - 100) < 0.15);
	assert_true(fabs(deviation - 3.96) < 0.1);
	assert_true(plant_noisy_demand(&plant, 0) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_pods_are_ready_at_once),
		cmocka_unit_test(wishes_are_held_within_the_bounds),
		cmocka_unit_test(half_load_is_served_on_time),
		cmocka_unit_test(too_much_load_waits),
		cmocka_unit_test(what_the_backlog_cannot_hold_is_dropped),
		cmocka_unit_test(requests_are_never_lost_from_the_books),
		cmocka_unit_test(nobody_ready_serves_nobody),
		cmocka_unit_test(a_new_pod_is_ready_after_two_to_eight_slots),
		cmocka_unit_test(pods_that_are_not_ready_go_first_the_latest_before),
		cmocka_unit_test(removing_a_pod_keeps_the_order_of_the_others),
		cmocka_unit_test(a_seed_is_a_run),
		cmocka_unit_test(noisy_demand_has_the_mean_and_spread_of_its_law),
	};

	return cmocka_run_group_tests_name("plant", tests, NULL, NULL);
}
