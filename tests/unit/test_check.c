/*
 * A broken promise: the place and the promise are told, and the process ends by SIGABRT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

/* Runs check_failed() in a child whose standard error is a pipe; the text goes to told. */
static int fail_in_a_child(const char *promise, char *told, size_t size)
{
	size_t length = 0;
	int ends[2], status = 0;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		check_failed("base/x.c", 12, promise);
	}
	close(ends[1]);
	for (ssize_t got = 1; got > 0 && length + 1 < size; length += got > 0 ? (size_t)got : 0)
		got = read(ends[0], told + length, size - 1 - length);
	told[length] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void a_kept_promise_does_nothing(void **state)
{
	int evaluated = 0;

	CHECK(++evaluated == 1);
	assert_int_equal(evaluated, 1);
}

static void a_broken_promise_is_told_and_aborts(void **state)
{
	char told[1000];
	int status = fail_in_a_child("held <= max", told, sizeof(told));

	assert_string_equal(told, "nimbusguard: broken promise at base/x.c:12: held <= max\n");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_long_promise_is_cut_and_ends_its_line(void **state)
{
	char promise[2000], told[1000];

	memset(promise, 'p', sizeof(promise) - 1);
	promise[sizeof(promise) - 1] = '\0';
	assert_true(WIFSIGNALED(fail_in_a_child(promise, told, sizeof(told))));
	assert_in_range(strlen(told), 100, 512);
	assert_int_equal(told[strlen(told) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_promise_does_nothing),
		cmocka_unit_test(a_broken_promise_is_told_and_aborts),
		cmocka_unit_test(a_long_promise_is_cut_and_ends_its_line),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
