/*
 * What readers see: the roster as of one scan and the log of findings, shared by reference count;
 * and the few doors into the analyzer that its readers need.
 *
 * Ownership: a snapshot lives until the last snapshot_release().
 * Threads: read-only after it is made; hold and release from any thread.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SNAPSHOT_H
#define NIMBUSGUARD_ANALYZERS_SNAPSHOT_H

#include <stdatomic.h>

#include "analyzers/analyzer.h"
#include "analyzers/roster.h"
#include "base/event.h"

#define FINDINGS_LOG_MAX 256

struct school_progress; /* analyzers/school.h */

/* The last findings opened and ended, in order; the oldest is overwritten. */
struct findings_log {
	struct event events[FINDINGS_LOG_MAX];
	size_t first, count;
};

void findings_log_init(struct findings_log *log);
void findings_log_fini(struct findings_log *log);
/* A copy; when memory is out the finding is missing in the log, not elsewhere. */
void findings_log_add(struct findings_log *log, const struct event *event);

struct snapshot {
	_Atomic unsigned holders;
	int64_t scanned_ms;
	int64_t stale_ms[ROLE_COUNT]; /* of the bindings then in force */
	uint32_t forecast_roles; /* bit 1 << role: is to be forecast; 0: no forecaster is set */
	int64_t forecast_rows, forecast_rows_min; /* minutes that are learnt from, and the fewest */
	struct roster roster;
	struct findings_log log;
};

/* Held once; NULL when memory is out. */
struct snapshot *snapshot_make(const struct roster *roster, const struct findings_log *log,
	int64_t scanned_ms) MUST_CHECK;
void snapshot_hold(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot);

/* The newest one, held for the caller. */
struct snapshot *analyzer_snapshot(struct analyzer *analyzer) MUST_CHECK;
/* Sets the gauges of what was seen; a collector (base/metrics.h) with the analyzer as argument. */
void analyzer_collect(void *argument);
/* NULL: there is none. */
struct rollup *analyzer_rollup(struct analyzer *analyzer);
struct store *analyzer_store(struct analyzer *analyzer);
const struct clock *analyzer_clock(struct analyzer *analyzer);
/* As school_progress() of the net for all workloads; false too when it is not trained here. */
bool analyzer_school(struct analyzer *analyzer, struct school_progress *progress);
/* A copy of the matchers of pod_owner, or of workload_node; STATUS_NOT_FOUND when none is bound. */
enum status analyzer_pod_owner_matchers(struct analyzer *analyzer,
	struct matchers *matchers) MUST_CHECK;
enum status analyzer_workload_node_matchers(struct analyzer *analyzer,
	struct matchers *matchers) MUST_CHECK;

#endif
