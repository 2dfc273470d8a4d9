/* run-under: tsan */
/*
 * The clocks: the system's goes on, the manual one only when it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"

static void the_system_clock_is_the_time_of_day(void **state)
{
	int64_t before = (int64_t)time(NULL), now = clock_now_ms(clock_system());
	int64_t after = (int64_t)time(NULL);

	/* time() may lag a tick behind. */
	assert_in_range(now / 1000, before, after + 1);
}

static void monotonic_time_never_goes_back_and_sleep_lasts(void **state)
{
	int64_t first = clock_mono_ns(clock_system()), last = first;

	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_mono_ns(clock_system());
		assert_true(now >= last);
		last = now;
	}
	first = clock_mono_ns(clock_system());
	clock_sleep_ms(20);
	assert_true(clock_mono_ns(clock_system()) - first >= 20 * 1000000);
	first = clock_mono_ns(clock_system());
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
	assert_true(clock_mono_ns(clock_system()) - first < INT64_C(60000000000));
}

static void thread_time_counts_work_and_not_sleep(void **state)
{
	int64_t first = clock_thread_cpu_ns(), slept;
	volatile unsigned work = 0;

	clock_sleep_ms(100);
	slept = clock_thread_cpu_ns() - first;
	assert_true(slept < 50 * 1000000);
	first = clock_thread_cpu_ns();
	for (unsigned i = 0; i < 1000000; i++)
		work = work + i;
	assert_true(clock_thread_cpu_ns() > first);
}

static void a_manual_clock_stands_until_it_is_advanced(void **state)
{
	struct clock_manual manual;
	int64_t mono;

	clock_manual_init(&manual, 1700000000000);
	mono = clock_mono_ns(&manual.clock);
	assert_true(mono > 0);
	assert_int_equal(clock_now_ms(&manual.clock), 1700000000000);
	clock_sleep_ms(2);
	assert_int_equal(clock_now_ms(&manual.clock), 1700000000000);
	assert_int_equal(clock_mono_ns(&manual.clock), mono);
	clock_manual_advance(&manual, 1500);
	assert_int_equal(clock_now_ms(&manual.clock), 1700000001500);
	assert_int_equal(clock_mono_ns(&manual.clock), mono + 1500000000);
}

static void *advance_often(void *argument)
{
	for (int i = 0; i < 1000; i++)
		clock_manual_advance(argument, 1);
	return NULL;
}

static void threads_advance_a_manual_clock_together(void **state)
{
	struct clock_manual manual;
	pthread_t threads[3];

	clock_manual_init(&manual, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, advance_often, &manual), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(clock_now_ms(&manual.clock), 3000);
}

static void ignore_signal(int number)
{
	(void)number;
}

struct sleeper {
	pthread_t thread;
	atomic_bool awake;
};

static void *signal_later(void *argument)
{
	struct sleeper *sleeper = argument;

	/* More than once: the first may come before the sleep has begun. */
	while (!atomic_load(&sleeper->awake)) {
		clock_sleep_ms(20);
		pthread_kill(sleeper->thread, SIGUSR1);
	}
	return NULL;
}

static void a_signal_ends_the_sleep(void **state)
{
	struct sigaction action = {.sa_handler = ignore_signal}, old;
	struct sleeper self = {.thread = pthread_self()};
	pthread_t thread;
	int64_t first = clock_mono_ns(clock_system());

	sigemptyset(&action.sa_mask);
	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	assert_int_equal(pthread_create(&thread, NULL, signal_later, &self), 0);
	clock_sleep_ms(600000);
	assert_true(clock_mono_ns(clock_system()) - first < 300 * INT64_C(1000000000));
	atomic_store(&self.awake, true);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_system_clock_is_the_time_of_day),
		cmocka_unit_test(monotonic_time_never_goes_back_and_sleep_lasts),
		cmocka_unit_test(thread_time_counts_work_and_not_sleep),
		cmocka_unit_test(a_manual_clock_stands_until_it_is_advanced),
		cmocka_unit_test(threads_advance_a_manual_clock_together),
		cmocka_unit_test(a_signal_ends_the_sleep),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
