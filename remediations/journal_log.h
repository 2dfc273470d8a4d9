/*
 * The journal's write-ahead log is kept short: what it holds is copied into the file beside the writer,
 * and then it is begun anew.
 *
 * Ownership: opens a connection and a thread of its own.
 * Limits: the log is begun anew at LOG_PAGES_ANEW pages; readings that keep it from that let it grow,
 *   and past LOG_PAGES_MAX the writer copies it by itself.
 * Threads: one, the writer's; journal_log_close() after it has ended.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_LOG_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_LOG_H

#include <stdint.h>

#include "base/error.h"
#include "remediations/journal_file.h"

#define LOG_PAGES_COPY 2000        /* 8 MiB that were not copied: it is time to */
#define LOG_PAGES_ANEW 6000        /* 24 MiB */
#define LOG_PAGES_MAX 16000        /* 64 MiB */
#define LOG_BYTES_QUIET (32 << 20) /* how long it is made while nothing is to be done */

struct journal_log;

enum status journal_log_open(struct journal_log **opened, struct journal_file *file,
	const struct journal_config *config, struct error *error) MUST_CHECK;
void journal_log_close(struct journal_log *log);

/* After each commit. */
void journal_log_grew(struct journal_log *log);
/* When nothing was to be written for journal_log_patience_ns(). */
void journal_log_quiet(struct journal_log *log);
/* Shorter while the log's file is not made longer yet, as each commit that makes it longer is slow. */
int64_t journal_log_patience_ns(const struct journal_log *log);

#endif
