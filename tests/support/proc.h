/*
 * Programs started by a test, each with a file for what it says, stopped by their own pid. A program
 * ends with the test that started it, however that ends.
 *
 * Threads: only the first thread of the process starts programs; another one ends the test.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_PROC_H
#define NIMBUSGUARD_TESTS_SUPPORT_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
	pid_t pid; /* 0: not running */
	char log_path[512];
	const char *folder; /* its working directory; NULL: the test's */
};

/* argv and environment (further NAME=value, may be NULL) end with NULL. What the program writes to
 * either output is appended to the file proc->log_path. */
void proc_start(struct proc *proc, const char *const *argv, const char *const *environment);
/* Exit status, or 128 + the signal that ended it; -1 when it still runs after timeout_ms. */
int proc_wait(struct proc *proc, int timeout_ms);
/* Sends the signal and waits; when that is in vain SIGKILL, and -1. */
int proc_stop(struct proc *proc, int signal_number, int timeout_ms);
bool proc_runs(struct proc *proc);
/* All that was written so far, NUL-terminated (free). */
char *proc_log(const struct proc *proc);
bool proc_said(const struct proc *proc, const char *text);
/* Starts, waits, and gives what was written (free) and the exit status. */
char *proc_output(const char *log_path, const char *const *argv, const char *const *environment,
	int *status);

#endif
