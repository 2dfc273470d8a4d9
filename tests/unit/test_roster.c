/*
 * The table of workloads over a real store: who is bound, which of two series wins, what is left out
 * and what is dropped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "analyzers/roster.h"
#include "base/mem.h"

#define T0 INT64_C(1700000000000)

struct world {
	struct clock_manual clock;
	struct store *store;
	struct signal_set set;
	struct roster roster;
};

static void bind_selector(struct world *world, enum signal_role role, const char *selector)
{
	struct signal_binding *binding = &world->set.roles[role];
	struct error error;

	binding->bound = true;
	binding->stale_ms = 150000;
	binding->interval_ms = 15000;
	assert_int_equal(matchers_parse_selector(&binding->matchers, selector, &error), STATUS_OK);
}

static void open_world(struct world *world, size_t workload_max)
{
	struct store_limits limits = {.memory_max = 16 << 20,
		.series_max = 10000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 600000,
		.future_max_ms = 600000};
	struct error error;

	memset(world, 0, sizeof(*world));
	clock_manual_init(&world->clock, T0);
	world->store = store_open(&limits, &world->clock.clock, &error);
	assert_non_null(world->store);
	for (int role = 0; role < ROLE_COUNT; role++)
		matchers_init(&world->set.roles[role].matchers);
	matchers_init(&world->set.pod_owner);
	bind_selector(world, ROLE_CPU, "cpu");
	bind_selector(world, ROLE_REPLICAS, "replicas");
	assert_int_equal(roster_init(&world->roster, workload_max), STATUS_OK);
}

static void close_world(struct world *world)
{
	roster_fini(&world->roster);
	signal_set_fini(&world->set);
	store_close(world->store);
}

/* A sample of metric{namespace="shop",workload_kind="Deployment",workload=name[,replica=..]}. */
static void sample(struct world *world, const char *metric, const char *workload,
	const char *replica, int64_t t_ms, double value)
{
	struct label pairs[] = {{"__name__", metric, 8, (uint32_t)strlen(metric)},
		{"namespace", "shop", 9, 4}, {"workload_kind", "Deployment", 13, 10},
		{"workload", workload, 8, (uint32_t)strlen(workload)},
		{"replica", replica, 7, (uint32_t)strlen(replica)}};
	char raw[512];
	int size = snprintf(raw, sizeof(raw), "%s/%s/%s", metric, workload, replica);
	struct store_key key = store_key_of(world->store, raw, (size_t)size);
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store_sample one = {.t_ms = t_ms, .value = value};
	struct error error;

	assert_int_equal(store_intern(world->store, key, pairs, 5, &one.series, &error), STATUS_OK);
	store_append(world->store, &one, 1, counts);
	assert_int_equal(counts[APPEND_STORED] + counts[APPEND_STALE_MARKER], 1);
}

static double stale_marker(void)
{
	uint64_t bits = STORE_STALE_BITS;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void bind(struct world *world)
{
	assert_int_equal(roster_bind(&world->roster, &world->set, world->store), STATUS_OK);
}

static struct watched_workload *find(struct world *world, const char *name)
{
	struct workload_key key = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT};

	snprintf(key.name, sizeof(key.name), "%s", name);
	return roster_find(&world->roster, &key);
}

static void each_workload_has_its_series(void **state)
{
	struct world world;
	struct watched_workload *web, *cart;

	open_world(&world, 100);
	sample(&world, "cpu", "web", "", T0, 1);
	sample(&world, "cpu", "cart", "", T0, 2);
	sample(&world, "replicas", "web", "", T0, 3);
	sample(&world, "other", "web", "", T0, 4);
	bind(&world);
	assert_int_equal(world.roster.count, 2);
	web = find(&world, "web");
	cart = find(&world, "cart");
	assert_non_null(web);
	assert_non_null(cart);
	assert_null(find(&world, "none"));
	struct store_point point;

	assert_true(store_newest(world.store, web->signals[ROLE_REPLICAS].series, &point));
	assert_true(point.value == 3);
	assert_true(store_newest(world.store, cart->signals[ROLE_CPU].series, &point));
	assert_true(point.value == 2);
	assert_int_equal(cart->signals[ROLE_REPLICAS].series, STORE_NO_SERIES);
	assert_int_equal(web->signals[ROLE_MEMORY].series, STORE_NO_SERIES);
	assert_false(web->signals[ROLE_CPU].duplicate);
	close_world(&world);
}

static double bound_value(struct world *world, bool *duplicate)
{
	struct watched_workload *web = find(world, "web");
	struct store_point points[10];
	size_t count;

	assert_non_null(web);
	*duplicate = web->signals[ROLE_CPU].duplicate;
	count = store_window(world->store, web->signals[ROLE_CPU].series, 0, INT64_MAX, points, 10);
	assert_true(count > 0);
	return points[0].value;
}

static void two_living_series_are_a_duplicate(void **state)
{
	struct world world;
	bool duplicate;

	open_world(&world, 100);
	sample(&world, "cpu", "web", "a", T0, 1);
	sample(&world, "cpu", "web", "b", T0 - 15000, 2);
	bind(&world);
	assert_true(bound_value(&world, &duplicate) == 1);
	assert_true(duplicate);
	close_world(&world);
}

static void an_ended_series_makes_no_duplicate(void **state)
{
	for (int ended_first = 0; ended_first <= 1; ended_first++) {
		struct world world;
		bool duplicate;

		open_world(&world, 100);
		if (!ended_first)
			sample(&world, "cpu", "web", "b", T0, 2);
		sample(&world, "cpu", "web", "a", T0 - 30000, 1);
		sample(&world, "cpu", "web", "a", T0 - 15000, stale_marker());
		if (ended_first)
			sample(&world, "cpu", "web", "b", T0, 2);
		bind(&world);
		assert_true(bound_value(&world, &duplicate) == 2);
		assert_false(duplicate);
		close_world(&world);
	}
}

static void a_series_that_fell_silent_makes_no_duplicate(void **state)
{
	for (int silent_first = 0; silent_first <= 1; silent_first++) {
		struct world world;
		bool duplicate;

		open_world(&world, 100);
		if (silent_first)
			sample(&world, "cpu", "web", "a", T0 - 200000, 1);
		sample(&world, "cpu", "web", "b", T0 - 200000, 2);
		if (!silent_first)
			sample(&world, "cpu", "web", "a", T0 - 200000, 1);
		sample(&world, "cpu", "web", "b", T0, 2);
		bind(&world);
		assert_true(bound_value(&world, &duplicate) == 2);
		assert_false(duplicate);
		close_world(&world);
	}
}

static void the_last_of_ended_series_is_still_bound(void **state)
{
	struct world world;
	bool duplicate;

	open_world(&world, 100);
	sample(&world, "cpu", "web", "a", T0 - 45000, 1);
	sample(&world, "cpu", "web", "a", T0 - 30000, stale_marker());
	sample(&world, "cpu", "web", "b", T0 - 25000, 2);
	sample(&world, "cpu", "web", "b", T0 - 15000, stale_marker());
	bind(&world);
	assert_true(bound_value(&world, &duplicate) == 2);
	assert_false(duplicate);
	close_world(&world);
}

static void series_without_a_workload_are_passed_over(void **state)
{
	struct world world;
	struct label pairs[] = {{"__name__", "cpu", 8, 3}, {"namespace", "shop", 9, 4}};
	struct store_key key;
	uint32_t series;
	struct error error;

	open_world(&world, 100);
	key = store_key_of(world.store, "x", 1);
	assert_int_equal(store_intern(world.store, key, pairs, 2, &series, &error), STATUS_OK);
	sample(&world, "cpu", "web", "", T0, 1);
	bind(&world);
	assert_int_equal(world.roster.count, 1);
	close_world(&world);
}

static void what_exceeds_the_limit_is_left_out_and_counted(void **state)
{
	struct world world;

	open_world(&world, 2);
	sample(&world, "cpu", "a", "", T0, 1);
	sample(&world, "cpu", "b", "", T0, 1);
	sample(&world, "cpu", "c", "", T0, 1);
	sample(&world, "replicas", "a", "", T0, 1);
	bind(&world);
	assert_int_equal(world.roster.count, 2);
	assert_int_equal(world.roster.left_out, 1);
	assert_null(find(&world, "c"));
	assert_int_not_equal(find(&world, "a")->signals[ROLE_REPLICAS].series, STORE_NO_SERIES);
	bind(&world);
	assert_int_equal(world.roster.left_out, 1);
	close_world(&world);
}

static void a_workload_goes_with_its_last_series(void **state)
{
	struct world world;
	char name[16];

	open_world(&world, 300);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		sample(&world, "cpu", name, "", T0, 1);
	}
	bind(&world);
	assert_int_equal(world.roster.count, 200);
	find(&world, "w7")->signals[ROLE_CPU].tracker.state = FINDING_ACTIVE;
	find(&world, "w8")->signals[ROLE_CPU].tracker.up = true;
	/* All series but w8's end and are removed. */
	clock_manual_advance(&world.clock, 400000);
	sample(&world, "cpu", "w8", "", T0 + 400000, 1);
	clock_manual_advance(&world.clock, 400000);
	assert_int_equal(store_sweep(world.store), 199);
	bind(&world);
	assert_int_equal(world.roster.count, 2);
	/* The one with an open finding stays until that is closed, and those that stay keep what was
	 * known of them. */
	assert_non_null(find(&world, "w7"));
	assert_int_equal(find(&world, "w7")->signals[ROLE_CPU].series, STORE_NO_SERIES);
	assert_true(find(&world, "w8")->signals[ROLE_CPU].tracker.up);
	assert_null(find(&world, "w9"));
	find(&world, "w7")->signals[ROLE_CPU].tracker.state = FINDING_QUIET;
	bind(&world);
	assert_int_equal(world.roster.count, 1);
	assert_non_null(find(&world, "w8"));
	close_world(&world);
}

static void a_copy_stands_on_its_own(void **state)
{
	struct world world;
	struct roster copy;

	open_world(&world, 100);
	sample(&world, "cpu", "web", "", T0, 1);
	bind(&world);
	assert_int_equal(roster_copy(&copy, &world.roster), STATUS_OK);
	find(&world, "web")->signals[ROLE_CPU].series = 77;
	struct workload_key key = find(&world, "web")->key;

	close_world(&world);
	assert_non_null(roster_find(&copy, &key));
	assert_int_not_equal(roster_find(&copy, &key)->signals[ROLE_CPU].series, 77);
	roster_fini(&copy);
	assert_null(roster_find(&copy, &key));
}

static void memory_that_is_out_leaves_a_usable_roster(void **state)
{
	struct world world;
	enum status status;
	bool reached;
	long nth = 0;

	open_world(&world, 100);
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "w%d", i);
		sample(&world, "cpu", name, "", T0, 1);
	}
	do {
		struct roster copy, fresh;

		(void)mem_fail_after(++nth, false);
		status = roster_init(&fresh, 100);
		if (status == STATUS_OK) {
			status = roster_bind(&fresh, &world.set, world.store);
			if (status == STATUS_OK)
				status = roster_copy(&copy, &fresh);
			if (status == STATUS_OK)
				roster_fini(&copy);
			for (size_t i = 0; i < fresh.count; i++)
				assert_ptr_equal(roster_find(&fresh, &fresh.workloads[i].key),
					&fresh.workloads[i]);
		}
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		roster_fini(&fresh);
	} while (reached);
	assert_true(nth > 40);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_workload_has_its_series),
		cmocka_unit_test(two_living_series_are_a_duplicate),
		cmocka_unit_test(an_ended_series_makes_no_duplicate),
		cmocka_unit_test(a_series_that_fell_silent_makes_no_duplicate),
		cmocka_unit_test(the_last_of_ended_series_is_still_bound),
		cmocka_unit_test(series_without_a_workload_are_passed_over),
		cmocka_unit_test(what_exceeds_the_limit_is_left_out_and_counted),
		cmocka_unit_test(a_workload_goes_with_its_last_series),
		cmocka_unit_test(a_copy_stands_on_its_own),
		cmocka_unit_test(memory_that_is_out_leaves_a_usable_roster),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
