/*
 * fork, exec, wait with a deadline. The child asks the kernel to be killed when its parent dies.
 */
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

static void become(const struct proc *proc, const char *const *argv, const char *const *environment)
{
	int log = open(proc->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (proc->folder != NULL && chdir(proc->folder) != 0)
		_exit(126);
	if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(126);
	for (; environment != NULL && *environment != NULL; environment++)
		if (putenv((char *)(uintptr_t)*environment) != 0)
			_exit(126);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

void proc_start(struct proc *proc, const char *const *argv, const char *const *environment)
{
	fflush(NULL);
	proc->pid = fork();
	if (proc->pid == 0)
		become(proc, argv, environment);
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
	*status = proc_wait(&proc, 60000);
	if (*status < 0)
		(void)proc_stop(&proc, SIGKILL, 10000);
	return proc_log(&proc);
}
