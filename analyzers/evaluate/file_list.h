/*
 * The files of a folder and of the folders in it, by name.
 *
 * Ownership: file_list_fini() gives back all.
 * Limits: FILE_LIST_MAX files, FILE_LIST_DEPTH folders deep; symbolic links are followed. What begins
 *   with a dot is passed over.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_FILE_LIST_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_FILE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define FILE_LIST_MAX 20000
#define FILE_LIST_DEPTH 4

struct file_list {
	char **names; /* relative to the folder, sorted */
	size_t count;
};

/* STATUS_NOT_FOUND, STATUS_IO, STATUS_TOO_LARGE, STATUS_NO_MEMORY. file_list_fini() it in any case. */
enum status file_list_read(const char *folder, struct file_list *list,
	struct error *error) MUST_CHECK;
void file_list_fini(struct file_list *list);

/* Whether the list has name or name.gz; *found is the one it has. */
bool file_list_has(const struct file_list *list, const char *name, const char **found);
/* The length of a name without .csv or .csv.gz at its end; 0 for other files. */
size_t file_list_stem(const char *name);
/* Where the last part of a path begins. */
const char *file_list_base(const char *name);

#endif
