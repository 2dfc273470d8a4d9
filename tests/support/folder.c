/*
 * Temporary folders for tests.
 */
#include "tests/support/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void folder_make(char path[FOLDER_PATH_MAX])
{
	const char *base = getenv("TMPDIR");

	snprintf(path, FOLDER_PATH_MAX, "%s/nimbusguard-test-XXXXXX",
		base && *base ? base : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		abort();
	}
}

void folder_path(char *path, size_t size, const char *folder, const char *name)
{
	if ((size_t)snprintf(path, size, "%s/%s", folder, name) >= size)
		abort();
}

void folder_write(const char *folder, const char *name, const char *text)
{
	char path[FOLDER_PATH_MAX + 64], temporary[FOLDER_PATH_MAX + 80];
	FILE *file;

	folder_path(path, sizeof(path), folder, name);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "w");
	if (!file || fwrite(text, 1, strlen(text), file) != strlen(text) || fclose(file) ||
		rename(temporary, path)) {
		perror(path);
		abort();
	}
}

void folder_remove(const char *path)
{
	DIR *folder = opendir(path);
	char file[FOLDER_PATH_MAX + 300];
	struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(file);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}
