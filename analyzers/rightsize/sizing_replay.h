/*
 * What requests by each way would have cost and done on a recorded container: the ways decide along the
 * recording, seeing no more than what had happened, and what came is held against it.
 *
 * Limits are taken to be the requests, as in a pod of class Guaranteed: a minute above the CPU request is
 * throttled, and one above the memory request is a kill. What is throttled or killed is not seen at its full
 * height by the next decision, as it would not be.
 *
 *   vpa       looks each hour; acts as the VPA's updater does: outside of the bounds, or after 12 hours on
 *             a difference of 10 %, or after a kill
 *   peak      the peak of the days before, for good; a fifth more after a kill
 *   forecast  each day at 0:00 UTC; between, hourly, only to more by a tenth; and after a kill
 *
 * Limits: SIZING_REPLAY_MINUTES_MAX minutes.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZING_REPLAY_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_SIZING_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/rightsize/sizing.h"
#include "base/buf.h"
#include "base/error.h"

#define SIZING_REPLAY_MINUTES_MAX ((size_t)400 * 1440)

/* Minutes of one container from `first` on (since 1970); NaN: not known. */
struct sizing_trace {
	int64_t first;
	size_t count;
	double *cpu, *memory, *killed; /* [count] */
};

/* All NaN. STATUS_NO_MEMORY, STATUS_TOO_LARGE; nothing is left to free then. */
enum status sizing_trace_init(struct sizing_trace *trace, int64_t first, size_t count,
	struct error *error) MUST_CHECK;
void sizing_trace_fini(struct sizing_trace *trace);
/*
 * A table with a header: time or timestamp (table_time()); cpu or cpu_cores, cpu_millicores; memory or
 * memory_bytes, memory_mib; and, if there are such columns, oom_kills, and replicas, by which CPU and memory
 * are divided. A row holds until the next one, for SIZING_ROW_MINUTES at most. STATUS_BAD_INPUT with
 * "file:line:column: " for what cannot be used: rows out of order, values below 0. Plain or gzipped.
 */
#define SIZING_ROW_MINUTES 15
enum status sizing_trace_read_csv(struct sizing_trace *trace, const char *path,
	struct error *error) MUST_CHECK;
/* All of it into a learner, and what is recommended at its end. */
void sizing_trace_learn(const struct sizing_trace *trace, struct sizing *sizing);

struct sizing_outcome {
	double core_hours, gib_hours, money;
	double throttled, killed; /* part of the judged minutes with a measurement */
	size_t changes;
};

struct sizing_replay {
	size_t judged;                               /* minutes */
	struct sizing_outcome outcomes[SIZING_WAYS]; /* of NOW nothing */
};

/* history: days that are learnt from before anything is judged, at least DAYS_MIN + 1. STATUS_UNAVAILABLE:
 * nothing is left to judge; STATUS_NO_MEMORY. */
enum status sizing_replay(const struct sizing_trace *trace, size_t history,
	const struct sizing_prices *prices, struct sizing_replay *replay,
	struct error *error) MUST_CHECK;
/* A table; JSON: an object by way. */
void sizing_replay_write_text(const struct sizing_replay *replay, struct buf *text);
void sizing_replay_write_json(const struct sizing_replay *replay, struct buf *json);

#endif
