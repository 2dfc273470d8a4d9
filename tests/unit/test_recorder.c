/* run-under: tsan */
/*
 * The recorder: what was added from several threads is in the files, these never take more than their
 * bound, and what stands beside them is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "daemon/recorder.h"
#include "daemon/tape.h"

#define THREADS 4
#define FRAMES 200

static char folder[512];

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/recorder-XXXXXX", parent != NULL ? parent : "/tmp");
	return mkdtemp(folder) != NULL ? 0 : -1;
}

/* Bytes of the files of the recording; remove: and away with all. */
static uint64_t look(size_t *files, bool remove)
{
	DIR *open = opendir(folder);
	struct dirent *entry;
	uint64_t bytes = 0;

	*files = 0;
	assert_non_null(open);
	while ((entry = readdir(open)) != NULL) {
		char path[1024];
		struct stat info;

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
			continue;
		if (strstr(entry->d_name, ".ngr") != NULL) {
			bytes += (uint64_t)info.st_size;
			++*files;
		}
		if (remove)
			unlink(path);
	}
	closedir(open);
	return bytes;
}

static int remove_folder(void **state)
{
	size_t files;

	(void)look(&files, true);
	return rmdir(folder);
}

static struct recorder *open_recorder(struct config **config, const char *size)
{
	const struct config_flag flags[] = {{"recording.path", folder},
		{"recording.size-max", size}};
	struct diagnostics diagnostics;
	struct recorder *recorder;
	struct error error = {.text = ""};

	diagnostics_init(&diagnostics);
	*config = config_load(NULL, NULL, flags, 2, &diagnostics);
	diagnostics_fini(&diagnostics);
	assert_non_null(*config);
	assert_true(recorder_wanted(*config));
	recorder = recorder_open(*config, &error);
	if (recorder == NULL)
		fail_msg("%s", error.text);
	return recorder;
}

static void *add_frames(void *argument)
{
	for (int i = 0; i < FRAMES; i++)
		recorder_add(argument,
			&(struct recording_frame){RECORDING_WEBHOOK, 1000 + i, "{\"a\":1}", 7});
	return NULL;
}

static void what_many_threads_add_is_in_the_recording(void **state)
{
	struct config *config;
	struct recorder *recorder = open_recorder(&config, "64MiB");
	pthread_t threads[THREADS];
	struct error error = {.text = ""};
	struct tape tape;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_frames, recorder), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	recorder_close(recorder);
	config_close(config);
	tape_init(&tape);
	assert_int_equal(tape_read(&tape, folder, NULL, &error), STATUS_OK);
	assert_int_equal(tape.webhooks, THREADS * FRAMES);
	assert_memory_equal(tape.frames[0].body, "{\"a\":1}", 7);
	tape_fini(&tape);
}

static void the_files_stay_within_their_bound_and_the_newest_are_kept(void **state)
{
	const size_t size = 100000;
	char *body = mem_zalloc(size, 1), other[600];
	struct config *config;
	struct recorder *recorder;
	struct error error = {.text = ""};
	struct tape tape;
	size_t files;

	snprintf(other, sizeof(other), "%s/other.ngr", folder);
	assert_int_equal(file_write_atomic(other, "x", 1, 0600, &error), STATUS_OK);
	recorder = open_recorder(&config, "1MiB");
	for (int i = 0; i < 100; i++)
		recorder_add(recorder,
			&(struct recording_frame){RECORDING_WRITE_V1, 2000000 + i, body, size});
	recorder_close(recorder);
	config_close(config);
	assert_true(look(&files, false) <= 1 << 20);
	assert_true(files > 2);
	/* It has no name of ours: it is nobody's to remove. */
	assert_int_equal(unlink(other), 0);
	tape_init(&tape);
	assert_int_equal(tape_read(&tape, folder, NULL, &error), STATUS_OK);
	assert_true(tape.frame_count >= 5);
	assert_int_equal(tape.frames[tape.frame_count - 1].time_ms, 2000099);
	tape_fini(&tape);
	mem_free(body);
}

static void a_folder_that_cannot_be_made_is_an_error_that_names_it(void **state)
{
	const struct config_flag flags[] = {{"recording.path", "/dev/null/x"}};
	struct diagnostics diagnostics;
	struct config *config;
	struct error error = {.text = ""};

	diagnostics_init(&diagnostics);
	config = config_load(NULL, NULL, flags, 1, &diagnostics);
	diagnostics_fini(&diagnostics);
	assert_non_null(config);
	assert_null(recorder_open(config, &error));
	assert_non_null(strstr(error.text, "recording.path"));
	config_close(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_many_threads_add_is_in_the_recording,
			make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			the_files_stay_within_their_bound_and_the_newest_are_kept, make_folder,
			remove_folder),
		cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error_that_names_it),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
