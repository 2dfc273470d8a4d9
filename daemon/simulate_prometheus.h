/*
 * The traffic of a workload out of Prometheus, for `simulate`: its requests a second, minute by minute, and
 * what one of its pods serves.
 *
 * Ownership: the trace is the caller's, initialised.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_SIMULATE_PROMETHEUS_H
#define NIMBUSGUARD_DAEMON_SIMULATE_PROMETHEUS_H

#include "analyzers/scaler/trace.h"
#include "daemon/command.h"

/* By the flags --target, --query, --start and --end. *pod_rate is set when it is NaN and the CPU of the
 * workload tells it. Returns an exit status, with a message on standard error when it is not good. */
int simulate_fetch(const struct command_line *line, const char *url, struct trace *trace,
	double *pod_rate);

#endif
