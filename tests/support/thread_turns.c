/*
 * /proc/<process>/task/<thread>/{comm,schedstat}, see Documentation/scheduler/sched-stats.rst of Linux.
 */
#include "tests/support/thread_turns.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void read_text(pid_t process, const char *thread, const char *file, char *text, size_t room)
{
	char path[128];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s", (int)process, thread, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd >= 0 ? read(fd, text, room - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[size > 0 ? size : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* The place of a name; a new one behind the others, and the last for whatever finds no room. */
static size_t place_of(struct thread_turns *turns, const char *name)
{
	size_t at = 0;

	while (at < turns->count && strcmp(turns->of[at].name, name) != 0)
		at++;
	if (at == THREAD_TURNS_MAX)
		return at - 1;
	if (at == turns->count) {
		turns->count++;
		snprintf(turns->of[at].name, sizeof(turns->of[at].name), "%.15s", name);
	}
	return at;
}

static void add_thread(struct thread_turns *turns, pid_t process, const char *thread)
{
	char name[64], text[128];
	int64_t ran, waited, count;
	size_t at;

	read_text(process, thread, "comm", name, sizeof(name));
	read_text(process, thread, "schedstat", text, sizeof(text));
	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64, &ran, &waited, &count) != 3)
		return;
	at = place_of(turns, name);
	turns->of[at].ran_ns += ran;
	turns->of[at].waited_ns += waited;
	turns->of[at].turns += count;
}

void thread_turns_read(struct thread_turns *turns, pid_t process)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	memset(turns, 0, sizeof(*turns));
	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL)
		if (entry->d_name[0] != '.')
			add_thread(turns, process, entry->d_name);
	if (tasks != NULL)
		closedir(tasks);
}

static void print_line(const char *name, int64_t ran_ns, int64_t waited_ns, int64_t turns,
	int alerts)
{
	printf("  %-40s ran %8.3f ms   waited %8.3f ms for a processor   %6.1f turns\n", name,
		(double)ran_ns / 1e6 / alerts, (double)waited_ns / 1e6 / alerts,
		(double)turns / alerts);
}

void thread_turns_print(const struct thread_turns *before, const struct thread_turns *after,
	int alerts)
{
	struct thread_turns since = *after;
	int64_t ran = 0, waited = 0, turns = 0;

	for (size_t i = 0; i < before->count; i++) {
		size_t at = place_of(&since, before->of[i].name);

		since.of[at].ran_ns -= before->of[i].ran_ns;
		since.of[at].waited_ns -= before->of[i].waited_ns;
		since.of[at].turns -= before->of[i].turns;
	}
	for (size_t i = 0; i < since.count; i++) {
		ran += since.of[i].ran_ns;
		waited += since.of[i].waited_ns;
		turns += since.of[i].turns;
	}
	printf("its threads, an alert:\n");
	print_line("all", ran, waited, turns, alerts);
	for (size_t i = 0; i < since.count; i++)
		if (since.of[i].ran_ns * 100 >= ran)
			print_line(since.of[i].name, since.of[i].ran_ns, since.of[i].waited_ns,
				since.of[i].turns, alerts);
}
