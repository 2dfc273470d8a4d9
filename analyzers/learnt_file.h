/*
 * Files of what was learnt of one workload, so that a restart goes on with it: one file a workload and
 * kind in a folder, replaced as a whole. What is cut off, foreign, damaged, of a later format or of another
 * workload is refused by name.
 *
 * Format: "NGLEARNT", u32 format, u32 bytes of the key, u64 bytes of the body, the key as text, the body (a
 * pack, analyzers/pack.h), u64 XXH64 of all before it; numbers as this machine has them.
 *
 * Limits: LEARNT_BYTES_MAX. Threads: any; two writers of one file exclude each other by the caller.
 */
#ifndef NIMBUSGUARD_ANALYZERS_LEARNT_FILE_H
#define NIMBUSGUARD_ANALYZERS_LEARNT_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/workload.h"

#define LEARNT_FORMAT 1
#define LEARNT_BYTES_MAX ((size_t)16 << 20)
#define LEARNT_PATH_MAX 4400

/* The file's path. kind: "detect" or "forecast". */
void learnt_file_path(const char *folder, const char *kind, const struct workload_key *workload,
	char path[LEARNT_PATH_MAX]);
/* Makes the folder when it is not there. STATUS_TOO_LARGE, STATUS_IO, STATUS_NO_MEMORY. */
enum status learnt_file_write(const char *folder, const char *kind,
	const struct workload_key *workload, const void *body, size_t size,
	struct error *error) MUST_CHECK;
/* bytes: an empty buffer of LEARNT_BYTES_MAX; *body: within it. STATUS_NOT_FOUND, STATUS_BAD_INPUT,
 * STATUS_UNSUPPORTED (of a later format), STATUS_TOO_LARGE, STATUS_IO. */
enum status learnt_file_read(const char *folder, const char *kind,
	const struct workload_key *workload, struct buf *bytes, const void **body, size_t *size,
	struct error *error) MUST_CHECK;
/* Removes the files that nobody wrote since that time; returns how many. */
size_t learnt_file_sweep(const char *folder, int64_t before_ms);

#endif
