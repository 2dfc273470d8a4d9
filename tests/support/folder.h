/*
 * A temporary folder of a test, and the files in it.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_FOLDER_H
#define NIMBUSGUARD_TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

#define FOLDER_PATH_MAX 512

/* A new folder under $TMPDIR. */
void folder_make(char path[FOLDER_PATH_MAX]);
/* Removes the folder and the plain files in it. */
void folder_remove(const char *path);
void folder_path(char *path, size_t size, const char *folder, const char *name);
/* Writes a text file, as a replacement (new inode) of what was there. */
void folder_write(const char *folder, const char *name, const char *text);

#endif
