/*
 * The process_* metrics from the kernel: /proc/self/stat (proc(5)), /proc/self/fd and the limit on
 * descriptors. What cannot be read keeps its last value.
 */
#include "base/metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/metrics.h"

#define PROC_FILE_MAX ((size_t)1024 * 1024)

/* Reads a file of /proc; false when there is none, as in some containers. */
static bool proc_read(const char *path, struct buf *buf)
{
	buf_init(buf, PROC_FILE_MAX);
	if (!file_read(path, buf, NULL) && buf->data)
		return true;
	buf_fini(buf);
	return false;
}

/* When the machine started, in seconds since 1970; 0 when unknown. */
static uint64_t boot_time(void)
{
	struct buf buf;
	uint64_t seconds = 0;
	const char *line;

	if (!proc_read("/proc/stat", &buf))
		return 0;
	line = strstr(buf.data, "\nbtime ");
	if (line && sscanf(line, "\nbtime %" SCNu64, &seconds) != 1)
		seconds = 0;
	buf_fini(&buf);
	return seconds;
}

static void collect_stat(void)
{
	uint64_t user, system, start, virtual, boot;
	int64_t resident;
	double ticks = (double)sysconf(_SC_CLK_TCK), page = (double)sysconf(_SC_PAGESIZE);
	struct buf buf;
	const char *rest;

	if (!proc_read("/proc/self/stat", &buf))
		return;
	/* The second field is the program's name, in parentheses and with whatever it likes inside;
	 * behind it stand the fields from the third on. */
	rest = strrchr(buf.data, ')');
	if (rest && ticks > 0 && page > 0 &&
		sscanf(rest + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
			" %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
			&user, &system, &start, &virtual, &resident) == 5) {
		metrics_set(METRIC_PROCESS_CPU, ((double)user + (double)system) / ticks);
		metrics_set(METRIC_PROCESS_VIRTUAL, (double)virtual);
		metrics_set(METRIC_PROCESS_RESIDENT, (double)resident * page);
		/* Both are fixed while the process lives: asked for until known. */
		boot = metrics_get(METRIC_PROCESS_START) > 0 ? 0 : boot_time();
		if (boot)
			metrics_set(METRIC_PROCESS_START, (double)boot + (double)start / ticks);
	}
	buf_fini(&buf);
}

static void collect_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct rlimit limit;
	int count = 0;

	if (folder) {
		while (readdir(folder))
			count++;
		closedir(folder);
		/* Without ".", ".." and the descriptor of the folder itself. */
		metrics_set(METRIC_PROCESS_FDS, count - 3);
	}
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		metrics_set(METRIC_PROCESS_MAX_FDS, (double)limit.rlim_cur);
}

static void collect(void *unused)
{
	(void)unused;
	collect_stat();
	collect_descriptors();
}

void metrics_process_install(void)
{
	metrics_remove_collector(collect, NULL);
	metrics_add_collector(collect, NULL);
}
