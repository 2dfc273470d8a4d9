/*
 * Replays a fuzz target's corpus without libFuzzer.
 *
 * Each argument is a folder of inputs and becomes one test in TAP: every file in it goes through
 * LLVMFuzzerTestOneInput() once, in a heap block of exactly its size, so that AddressSanitizer sees a read one byte
 * past the input. A folder without a file fails: an empty corpus proves nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

/* Returns 1 when the file was replayed, 0 when the path is no regular file, -1 when it could not be read. */
static int replay_file(const char *path)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return -1;
	if (!S_ISREG(status.st_mode))
		return 0;

	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -1;
	size_t input_size = (size_t)status.st_size;
	uint8_t *input = malloc(input_size > 0 ? input_size : 1);
	bool complete = input != NULL && fread(input, 1, input_size, file) == input_size;
	fclose(file);
	if (complete) {
		/* Flushed first, so that after a crash the last line names the input. */
		printf("# %s\n", path);
		fflush(stdout);
		LLVMFuzzerTestOneInput(input, input_size);
	}
	free(input);
	return complete ? 1 : -1;
}

/* Replays every file of one folder in the order of their names; returns how many, or -1 on an error. */
static int replay_folder(const char *folder)
{
	struct dirent **entries;
	int entry_count = scandir(folder, &entries, NULL, alphasort);
	if (entry_count < 0) {
		printf("# %s: %s\n", folder, strerror(errno));
		return -1;
	}

	int replayed = 0;
	for (int i = 0; i < entry_count; i++) {
		char path[PATH_MAX];
		int length = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		free(entries[i]);
		if (replayed < 0)
			continue;
		int result = length < (int)sizeof(path) ? replay_file(path) : -1;
		if (result < 0)
			printf("# %s: %s\n", path, strerror(errno));
		replayed = result < 0 ? -1 : replayed + result;
	}
	free(entries);
	return replayed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int replayed = replay_folder(argv[i]);
		if (replayed <= 0)
			failed++;
		printf("%s %d - replay of %d inputs in %s\n", replayed > 0 ? "ok" : "not ok", i,
			replayed > 0 ? replayed : 0, argv[i]);
	}
	return failed > 0 || argc < 2;
}
