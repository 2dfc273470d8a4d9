/*
 * What the threads of a process ran, and waited for a processor while they could have run, by their names, as
 * the kernel counts it.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_THREAD_TURNS_H
#define NIMBUSGUARD_TESTS_SUPPORT_THREAD_TURNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define THREAD_TURNS_MAX 64

struct thread_turns {
	size_t count;
	struct {
		char name[16];
		int64_t ran_ns, waited_ns,
			turns; /* of all threads of the name, since their start */
	} of[THREAD_TURNS_MAX];
};

void thread_turns_read(struct thread_turns *turns, pid_t process);
/* What came since, an alert where there were so many: in all, and of each name that ran for a hundredth of it. */
void thread_turns_print(const struct thread_turns *before, const struct thread_turns *after,
	int alerts);

#endif
