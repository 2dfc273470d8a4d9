/*
 * The watches over all workloads and their forecasts, as the scan runs them: who is to learn, what
 * came of it, what each closed minute says, and the findings of it.
 *
 * A finding of a watch joins those of single signals: while a signal of the workload has a finding
 * of its own, the watch's is not told beside it, and one that was told ends in it.
 *
 * Limits: models_bytes_max for all models together; beyond it nobody learns (told once an hour).
 * Threads: the scan's, with the scan lock held; learning is the trainer's.
 */
#ifndef NIMBUSGUARD_ANALYZERS_WATCHER_H
#define NIMBUSGUARD_ANALYZERS_WATCHER_H

#include "analyzers/explain.h"
#include "analyzers/roster.h"
#include "analyzers/sight.h"
#include "analyzers/trainer.h"

struct watcher {
	struct watch_spec spec;      /* class NULL: there are no watches */
	struct outlook_spec outlook; /* class NULL: there are no forecasts */
	uint32_t forecast_roles;     /* of the signals in force */
	struct trainer *trainer;
	struct rollup *rollup;
	int64_t refit_rows;
	uint64_t bytes_max, bytes; /* of the models, as of the last scan and counted in this one */
	uint64_t counting;
	size_t states[3];             /* of the scan: learning, serving, in quarantine */
	int64_t step_ns, forecast_ns; /* of the scan */
	int64_t told_full;            /* minute */
};

/* tell: an event of a finding that begins, goes on or ends. */
typedef void watcher_tell_fn(void *argument, struct event *event, enum finding_change change);

/* Before the workloads: models that are ready take their places. */
void watcher_begin(struct watcher *watcher, struct roster *roster);
/* After sight_end(): the rows of the span, and whether to learn. */
void watcher_follow(struct watcher *watcher, struct watched_workload *workload,
	const struct sight_scratch *scratch, int64_t now_ms, watcher_tell_fn *tell, void *argument);
/* For each workload in each scan. */
void watcher_count(struct watcher *watcher, const struct watched_workload *workload);
/* After the workloads: the metrics of the scan. */
void watcher_end(struct watcher *watcher);

#endif
