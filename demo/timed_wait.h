/*
 * Conditions that are waited for until a moment of the monotonic clock.
 * Threads: as POSIX says of conditions.
 */
#ifndef NIMBUSGUARD_DEMO_TIMED_WAIT_H
#define NIMBUSGUARD_DEMO_TIMED_WAIT_H

#include <pthread.h>
#include <stdint.h>

void timed_condition_init(pthread_cond_t *condition);
/* Returns when it is told, at this moment of clock_mono_ns(), or for no reason. */
void timed_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ns);

#endif
