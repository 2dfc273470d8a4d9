/*
 * The folder holds recording-<time of the first frame in ms>.ngr, FILES_WANTED of them when it is full:
 * a new one is begun when the newest has its share of the bytes. Names sort by time, so that the oldest
 * is the first; only files with such names are ever removed.
 *
 * After a failure the file is left as it is and a new one is begun at the next frame, RETRY_MS later at
 * the soonest: a torn frame is at most the last of a file.
 */
#include "daemon/recorder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "base/thread_name.h"

#define FILES_WANTED 8
#define FRAMES_WAITING_MAX 16384
#define RETRY_NS INT64_C(5000000000)
#define PATH_SIZE 4352
#define NAME_SIZE 64

struct waiting {
	unsigned char *bytes; /* head and body; owned */
	size_t size;
	int64_t time_ms;
};

struct recorder {
	char folder[4096];
	uint64_t size_max;
	struct queue *queue;
	atomic_size_t waiting; /* bytes */
	pthread_t thread;
	bool thread_runs;
	/* Of the thread alone: */
	int fd; /* -1: no file */
	uint64_t file_size;
	int64_t retry_ns; /* no file is begun before */
	char newest[NAME_SIZE];
};

bool recorder_wanted(const struct config *config)
{
	return config_text(config, SETTING_RECORDING_PATH)[0] != '\0';
}

enum recording_kind recorder_kind_of(const char *content_type)
{
	return content_type != NULL && strstr(content_type, "io.prometheus.write.v2") != NULL
		? RECORDING_WRITE_V2
		: RECORDING_WRITE_V1;
}

/* ---- files ---- */

static bool is_ours(const char *name)
{
	size_t size = strlen(name);

	return size < NAME_SIZE && size > 14 && strncmp(name, "recording-", 10) == 0 &&
		strcmp(name + size - 4, ".ngr") == 0 &&
		strspn(name + 10, "0123456789") == size - 14;
}

static uint64_t size_of(const struct recorder *recorder, const char *name)
{
	char path[PATH_SIZE];
	struct stat info;

	snprintf(path, sizeof(path), "%s/%s", recorder->folder, name);
	return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* Bytes of all files; oldest: the name that sorts first, "" when there is none but the newest. */
static uint64_t look_around(const struct recorder *recorder, char oldest[NAME_SIZE])
{
	DIR *folder = opendir(recorder->folder);
	const struct dirent *entry;
	uint64_t bytes = 0;

	oldest[0] = '\0';
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (!is_ours(entry->d_name))
			continue;
		bytes += size_of(recorder, entry->d_name);
		if (strcmp(entry->d_name, recorder->newest) != 0 &&
			(oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0))
			snprintf(oldest, NAME_SIZE, "%.63s", entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return bytes;
}

/* Removes the oldest until `more` bytes fit. */
static void make_room(const struct recorder *recorder, uint64_t more)
{
	char oldest[NAME_SIZE], path[PATH_SIZE];

	while (look_around(recorder, oldest) + more > recorder->size_max && oldest[0] != '\0') {
		snprintf(path, sizeof(path), "%s/%s", recorder->folder, oldest);
		if (unlink(path) != 0)
			return;
	}
}

static void end_file(struct recorder *recorder)
{
	if (recorder->fd >= 0)
		close(recorder->fd);
	recorder->fd = -1;
	recorder->newest[0] = '\0';
}

static bool write_all(struct recorder *recorder, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t written = write(recorder->fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		at += written;
		size -= (size_t)written;
		recorder->file_size += (uint64_t)written;
	}
	return true;
}

static void fail(struct recorder *recorder, const char *what)
{
	LOG_ERROR("the recording has a gap", LOG_TEXT("folder", recorder->folder),
		LOG_TEXT("what", what), LOG_TEXT("err", strerror(errno)));
	end_file(recorder);
	recorder->retry_ns = clock_mono_ns(clock_system()) + RETRY_NS;
}

/* A file whose name sorts behind all that are there, also when the clock went back. */
static bool begin_file(struct recorder *recorder, int64_t time_ms)
{
	char path[PATH_SIZE];

	if (clock_mono_ns(clock_system()) < recorder->retry_ns)
		return false;
	for (int tries = 0; tries < 1000 && recorder->fd < 0; tries++, time_ms++) {
		snprintf(recorder->newest, sizeof(recorder->newest), "recording-%013lld.ngr",
			(long long)time_ms);
		snprintf(path, sizeof(path), "%s/%s", recorder->folder, recorder->newest);
		recorder->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (recorder->fd < 0 && errno != EEXIST)
			break;
	}
	recorder->file_size = 0;
	if (recorder->fd < 0 || !write_all(recorder, RECORDING_MAGIC, RECORDING_MAGIC_SIZE)) {
		fail(recorder, "a file cannot be begun");
		return false;
	}
	return true;
}

static bool store(struct recorder *recorder, const struct waiting *frame)
{
	uint64_t share = recorder->size_max / FILES_WANTED;

	if (frame->size > recorder->size_max / 2)
		return false;
	if (recorder->fd >= 0 && recorder->file_size + frame->size > share)
		end_file(recorder);
	if (recorder->fd < 0 && !begin_file(recorder, frame->time_ms))
		return false;
	if (recorder->file_size == RECORDING_MAGIC_SIZE)
		make_room(recorder, frame->size > share ? frame->size : share);
	if (write_all(recorder, frame->bytes, frame->size))
		return true;
	fail(recorder, "a frame cannot be written");
	return false;
}

static void *run(void *argument)
{
	struct recorder *recorder = argument;
	struct waiting frame;

	thread_name("recorder");
	for (;;) {
		enum status status = queue_pop(recorder->queue, &frame, -1);

		if (status == STATUS_UNAVAILABLE)
			break;
		if (status != STATUS_OK)
			continue;
		if (store(recorder, &frame))
			metrics_add(METRIC_RECORDING_BYTES, (double)frame.size);
		else
			metrics_inc(METRIC_RECORDING_DROPPED);
		atomic_fetch_sub(&recorder->waiting, frame.size);
		mem_free(frame.bytes);
	}
	end_file(recorder);
	return NULL;
}

/* ---- life ---- */

struct recorder *recorder_open(const struct config *config, struct error *error)
{
	struct recorder *recorder = mem_zalloc(1, sizeof(*recorder));
	const char *folder = config_text(config, SETTING_RECORDING_PATH);

	if (recorder == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	recorder->fd = -1;
	recorder->size_max = (uint64_t)config_int(config, SETTING_RECORDING_SIZE_MAX);
	atomic_init(&recorder->waiting, 0);
	if ((size_t)snprintf(recorder->folder, sizeof(recorder->folder), "%s", folder) >=
		sizeof(recorder->folder)) {
		error_set(error, STATUS_BAD_INPUT, "recording.path is too long");
	} else if (file_make_folder(folder, error) != STATUS_OK) {
		error_prefix(error, "recording.path");
	} else {
		recorder->queue = queue_open(sizeof(struct waiting), FRAMES_WAITING_MAX);
		recorder->thread_runs = recorder->queue != NULL &&
			pthread_create(&recorder->thread, NULL, run, recorder) == 0;
		if (recorder->thread_runs)
			return recorder;
		error_set(error, STATUS_NO_MEMORY, "no thread for the recording");
	}
	recorder_close(recorder);
	return NULL;
}

void recorder_close(struct recorder *recorder)
{
	if (recorder == NULL)
		return;
	if (recorder->queue != NULL)
		queue_end(recorder->queue);
	if (recorder->thread_runs)
		pthread_join(recorder->thread, NULL);
	if (recorder->queue != NULL)
		queue_close(recorder->queue);
	mem_free(recorder);
}

void recorder_add(struct recorder *recorder, const struct recording_frame *frame)
{
	struct waiting waiting = {.size = RECORDING_HEAD + frame->size, .time_ms = frame->time_ms};

	if (recorder == NULL || frame->size == 0 || frame->size > RECORDING_BODY_MAX)
		return;
	if (atomic_fetch_add(&recorder->waiting, waiting.size) + waiting.size <=
		RECORDER_WAITING_MAX)
		waiting.bytes = mem_alloc(waiting.size);
	if (waiting.bytes != NULL) {
		recording_write_head(waiting.bytes, frame);
		memcpy(waiting.bytes + RECORDING_HEAD, frame->body, frame->size);
		if (queue_push(recorder->queue, &waiting) == STATUS_OK)
			return;
	}
	atomic_fetch_sub(&recorder->waiting, waiting.size);
	mem_free(waiting.bytes);
	metrics_inc(METRIC_RECORDING_DROPPED);
}
