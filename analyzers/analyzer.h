/*
 * The seeing side as one thing: signals bound to workloads, a scan at its own pace, verdicts on
 * data, scores, findings.
 *
 * Ownership: the store and clock are borrowed; lists are written as copies.
 * Limits: struct analyzer_config; what exceeds workload_max is counted and told, not bound.
 * Threads: one scan thread inside; all functions from any thread, except open and close.
 */
#ifndef NIMBUSGUARD_ANALYZERS_ANALYZER_H
#define NIMBUSGUARD_ANALYZERS_ANALYZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/forecast/lstm.h"
#include "analyzers/rightsize/sizing.h"
#include "analyzers/training.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/quality.h"
#include "base/workload.h"
#include "base/yaml.h"
#include "store/rollup.h"
#include "store/store.h"

struct records;  /* store/records.h */
struct snapshot; /* analyzers/snapshot.h */

struct analyzer_config {
	const char *const *signal_paths; /* rules/signals.yaml and others */
	size_t signal_path_count;
	unsigned workload_max;
	int64_t scan_interval_ms;
	double threshold;        /* robust z-score at which a finding opens (default 6) */
	double threshold_close;  /* and below which it closes (hysteresis) */
	int64_t duration_min_ms; /* for so long it must hold */
	int64_t history_ms;      /* window that the score is judged against */
	int64_t history_min_ms;  /* less: QUALITY_TOO_SHORT, no finding */
	/* Of the detector of whole workloads (detect/detector.h), which learns from the 1-minute tier;
	 * "" or NULL, or without a tier: none. Not changed by a reload. */
	const char *detector;
	/* Of the forecasters of single signals (forecast/forecaster.h), likewise. */
	const char *forecaster;
	/* Files of a net for all workloads (models/general_file.h) that is one of its members: the first of
	 * them that is good serves. NULL: none. Not changed by a reload. */
	const char *general_models[2];
	enum lstm_weights general_weights; /* that it answers with (default: lstm_weights_best()) */
	/* Where a net that is trained in service is written (analyzers/school.h), and how often; NULL or 0:
	 * none is. */
	const char *general_learnt;
	int64_t general_again_ms;
	/* Folder of files of what was learnt of each workload (analyzers/learnt_file.h), which a start goes on
	 * with; NULL: none. Not changed by a reload. */
	const char *learnt_folder;
	double detector_probability; /* a usual minute scores as high as a finding no more often */
	int64_t learn_ms, learn_min_ms, learn_again_ms;
	uint64_t models_bytes_max;
	const struct clock *clock;
	/* Borrowed, filled by the scan; NULL: none. Not changed by a reload. */
	struct rollup *rollup;
	/* Borrowed, read for quantiles; NULL: none is kept. Not changed by a reload. */
	struct records *histograms;
	/* Asked from the scan's thread: true while older samples are still to come, for which the minutes
	 * then wait; NULL: never. Not changed by a reload. */
	bool (*history_comes)(void *argument);
	void *history_argument;
	/* Of requests for containers (rightsize/sizer.h): how many; 0, or without a tier: none. Not changed by
	 * a reload, but for the prices. */
	size_t containers_max;
	struct sizing_prices prices;
	/* Called from the thread that trains, with each training; may be NULL. Must be short. */
	training_told_fn *trained;
	void *trained_argument;
	/* Called from the scan's thread with what each scan saw, borrowed; may be NULL. Not changed by a
	 * reload. */
	void (*scanned)(void *argument, const struct snapshot *snapshot);
	void *scanned_argument;
	/* Called from the scan's thread with firing and resolved findings; may be NULL. */
	void (*found)(void *argument, const struct event *finding);
	void *found_argument;
};

void analyzer_config_default(struct analyzer_config *config);

struct analyzer;
struct prediction; /* forecast/forecaster.h */
struct sizer;      /* rightsize/sizer.h */

enum status analyzer_check(const struct analyzer_config *config,
	struct diagnostics *diagnostics) MUST_CHECK;
struct analyzer *analyzer_open(const struct analyzer_config *config, struct store *store,
	struct error *error) MUST_CHECK;
enum status analyzer_reload(struct analyzer *analyzer, const struct analyzer_config *config,
	struct diagnostics *diagnostics) MUST_CHECK;
/* Ends the scan thread; reading still works. */
void analyzer_stop(struct analyzer *analyzer);
void analyzer_close(struct analyzer *analyzer);

/* One scan now, from the caller's thread (tests, simulations); the thread does the same. */
void analyzer_scan(struct analyzer *analyzer);
/* All models that were asked for, in the caller's thread (tests, simulations). Only without the
 * threads. */
void analyzer_learn(struct analyzer *analyzer);
/* Without the thread: analyzer_open() starts none until this is called. */
enum status analyzer_start(struct analyzer *analyzer, struct error *error) MUST_CHECK;

/* A value folded over [from_ms, to_ms] of the raw samples of a signal, with the verdict on them.
 * fold: as remediations/signal_source.h numbers it (newest, mean, min, max, increase). */
void analyzer_read(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int fold, int64_t from_ms, int64_t to_ms, enum quality *quality,
	double *value, int64_t *newest_ms, uint32_t *samples);
/* What the forecaster of a signal expects of its mean over the minute that ends at at_ms, as of the last
 * scan. False, and nothing is set, when there is none, when it was no better than the last value of
 * late, has no interval yet, has seen what is later than known_ms or nothing of the last minutes, or when
 * the time is not among those that it forecasts (outlook.h, and between them). */
bool analyzer_foresee(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int64_t known_ms, int64_t at_ms, struct prediction *prediction);
/* What nine of ten times the highest minute of the signal in the next fifteen does not pass, as of the last
 * scan (demand.h). QUALITY_GOOD, or why it is not told and *value is NaN: QUALITY_MISSING: not of this
 * signal, QUALITY_STALE, QUALITY_TOO_SHORT: still learning, or no better than multiples of the present
 * level. *newest_ms: the end of the last minute that it knows; 0: none. */
enum quality analyzer_peak(struct analyzer *analyzer, const struct workload_key *workload,
	enum signal_role role, int64_t now_ms, double *value, int64_t *newest_ms);
/* Requests for containers; NULL: none are recommended. */
struct sizer *analyzer_sizer(struct analyzer *analyzer);
bool analyzer_knows(struct analyzer *analyzer, const struct workload_key *workload);
/* Of a namespace, as far as the newest scan saw. */
unsigned analyzer_count_workloads(struct analyzer *analyzer, const char *cluster,
	const char *namespace_name);
bool analyzer_owner_of_pod(struct analyzer *analyzer, const char *cluster,
	const char *namespace_name, const char *pod, struct workload_key *workload);
/* The node that all pods of the workload run on, by the series that signals.yaml binds as workload_node, as
 * of their last five minutes. node: [OBJECT_NAME_MAX]. False: there is none, or it is not known. */
bool analyzer_node_of_workload(struct analyzer *analyzer, const struct workload_key *workload,
	char *node);

/* JSON arrays for the API: signals [{workload, role, unit, quality, value, expected, score, ...}],
 * workloads [{cluster, namespace, kind, name, signals, replicas, findings}], findings
 * (active_only: all that hold now; else the last 256 opened or ended, newest first). limit 0: 1000. */
enum status analyzer_write_signals(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload, size_t limit);
enum status analyzer_write_workloads(struct analyzer *analyzer, struct buf *json, size_t limit);
/* One object about one workload: what its detector says of the last minute and why, its features and
 * what was expected of each signal. STATUS_NOT_FOUND: the workload is not watched. */
enum status analyzer_write_detection(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload) MUST_CHECK;
/* Likewise: [{role, unit, value, state, reason, forecasts: [{minutes, at, low, q10, middle, q90, high,
 * skill}], peak: {minutes, until, state, reason, q50, q90, q95, q99, skill}}] of the signals that are to be
 * forecast; reason only where the state is not "serving", peak only of the signal that it is told of. */
enum status analyzer_write_outlook(struct analyzer *analyzer, struct buf *json,
	const struct workload_key *workload) MUST_CHECK;
enum status analyzer_write_findings(struct analyzer *analyzer, struct buf *json, bool active_only,
	size_t limit);

#endif
