/*
 * The containers of a workload out of Prometheus, for `rightsize`: what each used, minute by minute, and what
 * is set.
 *
 * Ownership: rightsize_containers_fini() gives back all.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_RIGHTSIZE_PROMETHEUS_H
#define NIMBUSGUARD_DAEMON_RIGHTSIZE_PROMETHEUS_H

#include "analyzers/rightsize/sized.h"
#include "analyzers/rightsize/sizing_replay.h"
#include "daemon/command.h"

#define RIGHTSIZE_CONTAINERS_MAX 16

struct rightsize_container {
	struct sized sized;
	struct sizing_trace trace;
};

struct rightsize_containers {
	struct rightsize_container list[RIGHTSIZE_CONTAINERS_MAX]; /* in the order of names */
	size_t count;
};

/* By the flags --target, --start and --end. Returns an exit status, with a message on standard error when
 * it is not good. */
int rightsize_fetch(const struct command_line *line, const char *url,
	struct rightsize_containers *containers);
void rightsize_containers_fini(struct rightsize_containers *containers);

#endif
