/*
 * What the parts of the analyzer share: analyzer.c (life, binding, publishing) and scan.c (what one
 * scan does with one workload). Nobody else includes it.
 */
#ifndef NIMBUSGUARD_ANALYZERS_ANALYZER_STATE_H
#define NIMBUSGUARD_ANALYZERS_ANALYZER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "analyzers/analyzer.h"
#include "analyzers/derive.h"
#include "analyzers/rightsize/sizer.h"
#include "analyzers/school.h"
#include "analyzers/snapshot.h"
#include "analyzers/watcher.h"

#define ANALYZER_POINTS_MAX 100000

struct analyzer {
	struct store *store;
	const struct clock *clock;
	struct rollup *rollup; /* may be NULL */
	bool (*history_comes)(void *argument);
	void *history_argument;
	void (*scanned)(void *argument, const struct snapshot *snapshot);
	void *scanned_argument;
	int64_t swept_minute;
	pthread_mutex_t scan_lock;     /* one scan at a time; also guards config */
	struct analyzer_config config; /* paths are not kept */
	struct signal_set set;         /* written under both locks, read under either */
	struct derive *derive;
	struct roster roster;
	uint64_t generation;
	int64_t bound_ns; /* monotonic; 0: never */
	struct store_point *points;
	double *values, *scratch;
	struct sight_scratch sight;
	size_t sight_bytes;
	struct watcher watcher;
	struct lstm_shared *shared; /* the net for all workloads; NULL: none */
	int64_t general_trained_ms; /* when it was, 0: elsewhere */
	struct school *school;      /* NULL: it is not trained here */
	struct sizer *sizer;        /* NULL: nothing is sized */
	struct findings_log log;
	pthread_mutex_t publish_lock; /* a leaf */
	struct snapshot *published;
	pthread_t thread;
	bool thread_runs, collected;
	atomic_bool stopping;
};

/* Judges all signals of a workload, closes its complete minutes, and tells what begins and ends. With
 * the scan lock held. */
void scan_workload(struct analyzer *analyzer, struct watched_workload *workload, int64_t now_ms);

#endif
