/* run-under: tsan */
/*
 * Strain keeps its bounds, costs what it says, and is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "demo/strain.h"

#define MIB ((uint64_t)1 << 20)
#define HOUR_MS INT64_C(3600000)
/* For what must come at some time. */
#define PATIENCE_NS INT64_C(60000000000)

static struct strain *open_strain(uint32_t millicores, uint64_t bytes)
{
	struct strain_limits limits = {millicores, bytes};
	struct error error;
	struct strain *strain = strain_open(&limits, &error);

	if (strain == NULL)
		fail_msg("%s", error.text);
	return strain;
}

static struct strain_state state_of(struct strain *strain)
{
	struct strain_state now;

	strain_read(strain, &now);
	return now;
}

static bool patient(int64_t begun_ns)
{
	clock_sleep_ms(10);
	return clock_mono_ns(clock_system()) - begun_ns < PATIENCE_NS;
}

static void burns_add_up_to_the_limit_and_no_further(void **state)
{
	struct strain *strain = open_strain(300, MIB);
	struct error error;

	(void)state;
	assert_int_equal(strain_burn(strain, 200, HOUR_MS, &error), STATUS_OK);
	assert_int_equal(strain_burn(strain, 101, HOUR_MS, &error), STATUS_LIMIT);
	assert_non_null(strstr(error.text, "200"));
	assert_int_equal(strain_burn(strain, 100, HOUR_MS, &error), STATUS_OK);
	assert_int_equal(state_of(strain).millicores, 300);
	strain_rest(strain);
	assert_int_equal(state_of(strain).millicores, 0);
	for (int i = 0; i < STRAIN_MAX; i++)
		assert_int_equal(strain_burn(strain, 1, HOUR_MS, &error), STATUS_OK);
	assert_int_equal(strain_burn(strain, 1, HOUR_MS, &error), STATUS_LIMIT);
	strain_close(strain);
}

static void a_burn_ends_by_itself(void **state)
{
	struct strain *strain = open_strain(2000, MIB);
	int64_t begun_ns = clock_mono_ns(clock_system());
	struct error error;

	(void)state;
	assert_int_equal(strain_burn(strain, 1500, 200, &error), STATUS_OK);
	while (state_of(strain).millicores > 0)
		assert_true(patient(begun_ns));
	strain_close(strain);
}

static void time_spent_is_processor_time(void **state)
{
	int64_t cpu_ns = clock_thread_cpu_ns();

	(void)state;
	strain_spend(50);
	assert_true(clock_thread_cpu_ns() - cpu_ns >= 50000000);
}

static void memory_is_held_up_to_the_limit_and_given_back(void **state)
{
	struct strain *strain = open_strain(1, 10 * MIB);
	int64_t begun_ns = clock_mono_ns(clock_system());
	struct error error;

	(void)state;
	assert_int_equal(strain_hold(strain, 6 * MIB, HOUR_MS, &error), STATUS_OK);
	assert_int_equal(strain_hold(strain, 5 * MIB, HOUR_MS, &error), STATUS_LIMIT);
	assert_non_null(strstr(error.text, "6291456"));
	assert_int_equal(strain_hold(strain, 4 * MIB, 100, &error), STATUS_OK);
	while (state_of(strain).held_bytes > 6 * MIB)
		assert_true(patient(begun_ns));
	assert_int_equal(state_of(strain).held_bytes, 6 * MIB);
	strain_rest(strain);
	assert_int_equal(state_of(strain).held_bytes, 0);
	strain_close(strain);
}

static void a_leak_stops_at_the_limit_and_stays(void **state)
{
	struct strain *strain = open_strain(1, 3 * MIB + 1000);
	int64_t begun_ns = clock_mono_ns(clock_system());
	struct error error;

	(void)state;
	assert_int_equal(strain_hold(strain, MIB, HOUR_MS, &error), STATUS_OK);
	strain_leak(strain, 1024 * MIB, HOUR_MS);
	while (state_of(strain).leak_bytes_per_second > 0)
		assert_true(patient(begun_ns));
	assert_int_equal(state_of(strain).leaked_bytes, 2 * MIB);
	assert_int_equal(strain_hold(strain, MIB, HOUR_MS, &error), STATUS_LIMIT);
	strain_rest(strain);
	assert_int_equal(state_of(strain).leaked_bytes, 0);
	strain_close(strain);
}

static void without_memory_nothing_is_held(void **state)
{
	struct strain_limits limits = {1000, MIB};
	struct error error;
	bool injected;
	long nth = 0;

	(void)state;
	do {
		struct strain *strain;

		(void)mem_fail_after(++nth, false);
		strain = strain_open(&limits, &error);
		if (strain != NULL && strain_hold(strain, 1000, HOUR_MS, &error) != STATUS_OK)
			assert_int_equal(state_of(strain).held_bytes, 0);
		injected = mem_fail_after(0, false);
		assert_true(injected || strain != NULL);
		if (injected)
			assert_int_equal(error.code, STATUS_NO_MEMORY);
		strain_close(strain);
	} while (injected);
	assert_int_equal(nth, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burns_add_up_to_the_limit_and_no_further),
		cmocka_unit_test(a_burn_ends_by_itself),
		cmocka_unit_test(time_spent_is_processor_time),
		cmocka_unit_test(memory_is_held_up_to_the_limit_and_given_back),
		cmocka_unit_test(a_leak_stops_at_the_limit_and_stays),
		cmocka_unit_test(without_memory_nothing_is_held),
	};

	return cmocka_run_group_tests_name("strain", tests, NULL, NULL);
}
