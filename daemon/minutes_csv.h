/*
 * The minutes of a workload's signals from a running service, as CSV with a header: what its models learn
 * from. A minute without samples is an empty field.
 */
#ifndef NIMBUSGUARD_DAEMON_MINUTES_CSV_H
#define NIMBUSGUARD_DAEMON_MINUTES_CSV_H

#include "base/buf.h"
#include "daemon/command.h"

#define MINUTES_CSV_MAX ((size_t)1 << 28)

struct minutes_range {
	int64_t from_ms, to_ms; /* to_ms is behind the last */
};

/* The flags that name the workload, the times and the service; to be among a command's known ones. */
#define MINUTES_CSV_FLAGS                                                                          \
	"namespace", "workload", "kind", "cluster", "start", "end", "url", "token-file", "ca-file"

/* range: the times that are taken without --start and --end; NULL: the last 14 days. Returns an exit
 * status; what is wrong was said. */
int minutes_csv_fetch(const struct command_line *line, const struct minutes_range *range,
	struct buf *csv) MUST_CHECK;

#endif
