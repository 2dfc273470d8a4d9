/*
 * Whole files: read with a maximum, written so that a crash leaves the old or the new one.
 * Threads: any; no shared state.
 */
#ifndef NIMBUSGUARD_BASE_FILE_H
#define NIMBUSGUARD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the file's bytes to buf (whose max bounds them). STATUS_NOT_FOUND, STATUS_TOO_LARGE,
 * STATUS_IO; the error names the path. */
enum status file_read(const char *path, struct buf *buf, struct error *error) MUST_CHECK;
/* Temporary file beside it, write, fsync, rename, fsync of the folder. */
enum status file_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
	struct error *error) MUST_CHECK;
/*
 * The same for a file too large to be held in memory: pieces go to a draft, which takes the name at
 * the end. The draft is <path>.draft, so that what a crash leaves behind is overwritten by the next
 * one; a lock on it keeps two processes from writing the same file.
 */
struct file_draft;

/* STATUS_BUSY: another process writes it. */
struct file_draft *file_draft_begin(const char *path, unsigned mode,
	struct error *error) MUST_CHECK;
enum status file_draft_add(struct file_draft *draft, const void *bytes, size_t size,
	struct error *error) MUST_CHECK;
/* Sync, rename, sync of the folder. The draft is gone afterwards, whatever the answer. */
enum status file_draft_commit(struct file_draft *draft, struct error *error) MUST_CHECK;
/* Removes the draft; NULL is allowed. */
void file_draft_abort(struct file_draft *draft);

/* Makes a folder and its parents, mode 0700. */
enum status file_make_folder(const char *path, struct error *error) MUST_CHECK;
/* A value that changes when the file is replaced or written (mtime, size, inode); 0 when absent. */
uint64_t file_stamp(const char *path);
/* A secret file: content without trailing white space, NUL-terminated, at most 64 KiB
 * (mem_free). Empty: STATUS_BAD_INPUT. */
enum status file_read_secret(const char *path, char **text, struct error *error) MUST_CHECK;

#endif
