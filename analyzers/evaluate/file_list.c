/*
 * Files of a folder: folders found go to the end of a queue, so that no depth of them needs recursion.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/evaluate/file_list.h"
#include "base/mem.h"

struct walk {
	const char *folder;
	struct file_list *files, folders;
};

static enum status list_add(struct file_list *list, const char *folder, const char *name,
	struct error *error)
{
	char **names, *copy;

	if (list->count == FILE_LIST_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%s: more than %d files", folder,
			FILE_LIST_MAX);
	names = mem_resize(list->names, list->count + 1, sizeof(*names));
	if (names == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", folder);
	list->names = names;
	copy = mem_strdup(name);
	if (copy == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", folder);
	list->names[list->count++] = copy;
	return STATUS_OK;
}

static unsigned depth_of(const char *name)
{
	unsigned depth = 0;

	for (; *name != '\0'; name++)
		depth += *name == '/';
	return depth;
}

static enum status add_entry(struct walk *walk, const char *inside, const char *entry,
	struct error *error)
{
	char name[PATH_MAX], path[PATH_MAX];
	struct stat info;

	if (*entry == '.')
		return STATUS_OK;
	if (snprintf(name, sizeof(name), "%s%s%s", inside, *inside != '\0' ? "/" : "", entry) >=
			(int)sizeof(name) ||
		snprintf(path, sizeof(path), "%s/%s", walk->folder, name) >= (int)sizeof(path))
		return error_set(error, STATUS_TOO_LARGE, "%s: a path is too long", walk->folder);
	if (stat(path, &info) != 0)
		return error_set_errno(error, STATUS_IO, errno, "%s", path);
	if (S_ISREG(info.st_mode))
		return list_add(walk->files, walk->folder, name, error);
	if (S_ISDIR(info.st_mode) && depth_of(name) + 1 < FILE_LIST_DEPTH)
		return list_add(&walk->folders, walk->folder, name, error);
	return STATUS_OK;
}

static enum status read_folder(struct walk *walk, const char *inside, struct error *error)
{
	enum status status = STATUS_OK;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (snprintf(path, sizeof(path), "%s%s%s", walk->folder, *inside != '\0' ? "/" : "",
		    inside) >= (int)sizeof(path))
		return error_set(error, STATUS_TOO_LARGE, "%s: a path is too long", walk->folder);
	folder = opendir(path);
	if (folder == NULL)
		return error_set_errno(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, errno,
			"%s", path);
	while (status == STATUS_OK && (entry = readdir(folder)) != NULL)
		status = add_entry(walk, inside, entry->d_name, error);
	closedir(folder);
	return status;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum status file_list_read(const char *folder, struct file_list *list, struct error *error)
{
	struct walk walk = {.folder = folder, .files = list};
	enum status status;

	*list = (struct file_list){.names = NULL};
	status = read_folder(&walk, "", error);
	for (size_t i = 0; i < walk.folders.count && status == STATUS_OK; i++)
		status = read_folder(&walk, walk.folders.names[i], error);
	file_list_fini(&walk.folders);
	if (list->count > 0)
		qsort(list->names, list->count, sizeof(*list->names), by_name);
	return status;
}

void file_list_fini(struct file_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mem_free(list->names[i]);
	mem_free(list->names);
	*list = (struct file_list){.names = NULL};
}

bool file_list_has(const struct file_list *list, const char *name, const char **found)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < list->count; i++) {
		if (strncmp(list->names[i], name, size) != 0)
			continue;
		if (list->names[i][size] == '\0' || strcmp(list->names[i] + size, ".gz") == 0) {
			*found = list->names[i];
			return true;
		}
	}
	return false;
}

size_t file_list_stem(const char *name)
{
	static const char *const ends[] = {".csv", ".csv.gz"};
	size_t size = strlen(name);

	for (size_t i = 0; i < 2; i++) {
		size_t end = strlen(ends[i]);

		if (size > end && strcmp(name + size - end, ends[i]) == 0)
			return size - end;
	}
	return 0;
}

const char *file_list_base(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}
