/*
 * Short turns: asked for where the kernel knows them, and nothing else of a thread's scheduling changes.
 */
#define _GNU_SOURCE /* SCHED_BATCH; NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): by the manual */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/turns.h"

/* What sched_getattr(2) tells, of which the C library knows nothing. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct scheduling {
	int policy_wanted, nice_wanted;
	bool good; /* all calls were taken */
	struct attributes before, after;
};

static bool read_attributes(struct attributes *attributes)
{
	memset(attributes, 0, sizeof(*attributes));
	return syscall(SYS_sched_getattr, 0, attributes, sizeof(*attributes), 0) == 0;
}

/* On a thread of its own, as a nice value once raised can't be lowered again. */
static void *shorten(void *argument)
{
	struct scheduling *scheduling = argument;
	struct sched_param none = {0};
	id_t self = (id_t)syscall(SYS_gettid);

	scheduling->good = sched_setscheduler(0, scheduling->policy_wanted, &none) == 0 &&
		setpriority(PRIO_PROCESS, self, scheduling->nice_wanted) == 0 &&
		read_attributes(&scheduling->before);
	turns_shorten();
	scheduling->good = scheduling->good && read_attributes(&scheduling->after);
	return NULL;
}

static struct scheduling run(int policy, int nice_value)
{
	struct scheduling scheduling = {.policy_wanted = policy, .nice_wanted = nice_value};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, shorten, &scheduling), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(scheduling.good);
	return scheduling;
}

static void turns_are_short_where_the_kernel_knows_them(void **state)
{
	struct scheduling seen = run(SCHED_OTHER, 19);

	(void)state;
	/* Before Linux 6.12 the length of a turn is nobody's to tell. */
	if (seen.before.runtime_ns == 0)
		skip();
	assert_true(seen.after.runtime_ns < seen.before.runtime_ns);
}

static void policy_and_nice_value_stay(void **state)
{
	struct scheduling seen = run(SCHED_OTHER, 19);

	(void)state;
	assert_int_equal(seen.after.nice, 19);
	assert_int_equal(seen.after.policy, SCHED_OTHER);
	assert_int_equal(seen.after.flags, seen.before.flags);
}

static void a_thread_under_another_policy_is_left_as_it_is(void **state)
{
	struct scheduling seen = run(SCHED_BATCH, 19);

	(void)state;
	assert_memory_equal(&seen.after, &seen.before, sizeof(seen.before));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_short_where_the_kernel_knows_them),
		cmocka_unit_test(policy_and_nice_value_stay),
		cmocka_unit_test(a_thread_under_another_policy_is_left_as_it_is),
	};

	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
