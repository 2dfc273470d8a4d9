/*
 * fork, exec, wait with a deadline. The child asks the kernel to be killed when its parent dies.
 *
 * For the kernel the parent is the thread that forked, not its process: a program started by a thread
 * that ends would be killed with it, in the middle of a test. So only the first thread may start
 * programs, which lives as long as the process. A parent that dies before the child has asked is
 * noticed by the child's having got another one.
 *
 * Other threads may hold any lock at the time of the fork: between fork and exec nothing is called
 * that takes one, and so the environment is put together before.
 */
/* For gettid() and environ. */
#define _GNU_SOURCE /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): by the manual */

#include "tests/support/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static void become(const struct proc *proc, const char *const *argv, char *const *environment,
	pid_t parent)
{
	int log = open(proc->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDONLY);
	static const char words[] = ": cannot be started\n";
	ssize_t written;
	sigset_t none;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (proc->folder != NULL && chdir(proc->folder) != 0)
		_exit(126);
	if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(126);
	execve(argv[0], (char *const *)(uintptr_t)argv, environment);
	written = write(2, argv[0], strlen(argv[0]));
	if (written >= 0)
		written = write(2, words, sizeof(words) - 1);
	_exit(127);
}

static bool same_name(const char *a, const char *b)
{
	size_t size = strcspn(a, "=") + 1;

	return strncmp(a, b, size) == 0;
}

/* That of the test with `further` in it (free); the texts are borrowed. */
static char **environment_with(const char *const *further)
{
	size_t count = 0, more = 0, used = 0;
	char **all;

	while (environ[count] != NULL)
		count++;
	while (further != NULL && further[more] != NULL)
		more++;
	all = calloc(count + more + 1, sizeof(*all));
	if (all == NULL)
		return NULL;
	for (size_t i = 0; i < count + more; i++) {
		char *text = i < count ? environ[i] : (char *)(uintptr_t)further[i - count];
		size_t at = 0;
		while (at < used && !same_name(text, all[at]))
			at++;
		all[at] = text;
		used += at == used;
	}
	return all;
}

void proc_start(struct proc *proc, const char *const *argv, const char *const *environment)
{
	char **all = environment_with(environment);
	pid_t parent = getpid();

	if (gettid() != parent || all == NULL) {
		fprintf(stderr, "%s: only the first thread starts programs\n", argv[0]);
		exit(1);
	}
	fflush(NULL);
	proc->pid = fork();
	if (proc->pid == 0)
		become(proc, argv, all, parent);
	free(all);
	if (proc->pid < 0) {
		fprintf(stderr, "fork: %s\n", strerror(errno));
		exit(1);
	}
}

int proc_wait(struct proc *proc, int timeout_ms)
{
	const struct clock *clock = clock_system();
	int64_t end_ns = clock_mono_ns(clock) + (int64_t)timeout_ms * 1000000;
	int status = 0;

	if (proc->pid <= 0)
		return -1;
	while (waitpid(proc->pid, &status, WNOHANG) == 0) {
		if (clock_mono_ns(clock) >= end_ns)
			return -1;
		clock_sleep_ms(10);
	}
	proc->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int proc_stop(struct proc *proc, int signal_number, int timeout_ms)
{
	int status;

	if (proc->pid <= 0)
		return -1;
	kill(proc->pid, signal_number);
	status = proc_wait(proc, timeout_ms);
	if (status < 0 && proc->pid > 0) {
		kill(proc->pid, SIGKILL);
		(void)proc_wait(proc, 10000);
	}
	return status;
}

bool proc_runs(struct proc *proc)
{
	siginfo_t info = {0};

	return proc->pid > 0 &&
		waitid(P_PID, (id_t)proc->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == 0;
}

char *proc_log(const struct proc *proc)
{
	FILE *file = fopen(proc->log_path, "r");
	char *text = NULL;
	size_t size = 0;
	FILE *all = open_memstream(&text, &size);
	int c;

	while (file != NULL && (c = fgetc(file)) != EOF)
		fputc(c, all);
	if (file != NULL)
		fclose(file);
	fclose(all);
	return text;
}

bool proc_said(const struct proc *proc, const char *text)
{
	char *log = proc_log(proc);
	bool there = strstr(log, text) != NULL;

	free(log);
	return there;
}

char *proc_output(const char *log_path, const char *const *argv, const char *const *environment,
	int *status)
{
	struct proc proc = {.pid = 0};

	(void)unlink(log_path);
	snprintf(proc.log_path, sizeof(proc.log_path), "%s", log_path);
	proc_start(&proc, argv, environment);
	*status = proc_wait(&proc, 300000);
	if (*status < 0)
		(void)proc_stop(&proc, SIGKILL, 10000);
	return proc_log(&proc);
}
