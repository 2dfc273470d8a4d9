/*
 * The system clock's clock_mono_ns() is CLOCK_MONOTONIC, so that its moments are those of the conditions.
 */
#include "demo/timed_wait.h"

#include <time.h>

void timed_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void timed_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000)};

	(void)pthread_cond_timedwait(condition, lock, &until);
}
