/*
 * A thread goes by the name that it gave itself, and others keep theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/prctl.h>

#include "base/thread_name.h"

static void *take_name(void *argument)
{
	thread_name("journal log");
	(void)prctl(PR_GET_NAME, argument, 0, 0, 0);
	return NULL;
}

static void a_thread_goes_by_its_own_name(void **state)
{
	char own[THREAD_NAME_MAX] = "", name[THREAD_NAME_MAX] = "", after[THREAD_NAME_MAX] = "";
	pthread_t thread;

	(void)state;
	(void)prctl(PR_GET_NAME, own, 0, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, take_name, name), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)prctl(PR_GET_NAME, after, 0, 0, 0);
	assert_string_equal(name, "journal log");
	assert_string_equal(after, own);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_goes_by_its_own_name),
	};

	return cmocka_run_group_tests_name("thread_name", tests, NULL, NULL);
}
