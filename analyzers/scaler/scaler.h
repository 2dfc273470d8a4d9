/*
 * The scaler, live: a follower (follower.h) for each workload whose load and replicas are in the stream,
 * stepped after each scan, once a slot of 15 s; a budget that they share; proposals of those that serve;
 * and what readers see of all.
 *
 * The load is the request rate where a series tells it, else the CPU in use: then what one pod serves is in
 * cores.
 *
 * Proposals are events (EVENT_PROPOSAL) with the labels proposal (scale_out, scale_in), cluster, namespace,
 * workload_kind, workload, and the annotations replicas, actual, reason, summary, description. One that
 * grows begins anew, so that it is heard after the incident of the last one has ended.
 *
 * Ownership: followers belong to the scaler; pages are shared by count.
 * Limits: workload_max followers; further workloads are counted in `left_out`. A workload that is not seen
 *   for SCALER_FORGET_SLOTS is forgotten.
 * Threads: scaler_scan() and scaler_offer() from one thread at a time, which is the scan's; the rest from
 *   any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_SCALER_SCALER_H
#define NIMBUSGUARD_ANALYZERS_SCALER_SCALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/scaler/follower.h"
#include "base/buf.h"
#include "base/event.h"
#include "base/workload.h"

struct rollup;   /* store/rollup.h */
struct snapshot; /* analyzers/snapshot.h */

#define SCALER_FORGET_SLOTS 240
#define SCALER_SLOT_MS 15000

struct scaler_config {
	struct follow_config follow;
	bool off;   /* nothing is followed */
	bool serve; /* those that may serve do; else all stay in shadow */
	unsigned workload_max;
	int64_t reading_age_max_ms; /* older readings are missing ones */
	double pod_hour_price;      /* 0: none is known */
	/* From whose minutes policies are learned, borrowed; NULL: none are. Not changed by a reload. */
	struct rollup *rollup;
	size_t policies_max; /* some 0.7 MB each */
	/* Where what was learnt is kept over a restart, copied; NULL: nowhere. Not changed by a reload. */
	const char *kept_folder;
	double objective; /* per cent of violated minutes and of bad requests that they are tuned to */
	/* Of all workloads together; 0: no limit. */
	double pods_max, namespace_pods_max, cost_max /* an hour */;
	/* Called from the scan's thread with proposals that hold and that end; may be NULL. */
	void (*proposed)(void *argument, const struct event *proposal);
	/* The same, with the accounts of each ten minutes in which a workload was judged: until when (RFC
	 * 3339), and a JSON object of at most 50 workloads, borrowed; may be NULL. */
	void (*window_ended)(void *argument, const char *until, const char *json);
	void *proposed_argument; /* of both */
};

/* Shadow, 5,000 workloads, readings of a minute, 200 policies for .5 %, no limits. */
void scaler_config_default(struct scaler_config *config);

struct scaler;

struct scaler *scaler_open(const struct scaler_config *config, struct error *error) MUST_CHECK;
void scaler_close(struct scaler *scaler);
/* Starts the thread that learns; without it scaler_learn() does its work, in the thread of the scans;
 * false: nothing was to be learned. */
enum status scaler_start(struct scaler *scaler, struct error *error) MUST_CHECK;
bool scaler_learn(struct scaler *scaler);
/* Takes over what may change while it runs: all but workload_max and proposed. */
void scaler_reload(struct scaler *scaler, const struct scaler_config *config);

/* Steps all workloads of a scan; a second scan within a slot does nothing. To be given as the analyzer's
 * `scanned`. */
void scaler_scan(void *argument, const struct snapshot *snapshot);

/* What a workload is to have, for those who ask for the number itself (KEDA, an HPA). cluster NULL: the
 * only one of that name. STATUS_NOT_FOUND: it is not followed; STATUS_CONFLICT: several clusters have it;
 * STATUS_UNAVAILABLE: it does not serve, or what is known is older than a minute, at now_ms. */
enum status scaler_value(struct scaler *scaler, const char *cluster, const struct workload_key *key,
	int64_t now_ms, int *replicas, struct error *error) MUST_CHECK;

/* JSON for the API: an array of workloads, those that would change most first; or one object of a
 * workload: STATUS_NOT_FOUND. limit 0: 1000. */
enum status scaler_write(struct scaler *scaler, struct buf *json, size_t limit);
enum status scaler_write_one(struct scaler *scaler, const struct workload_key *key,
	struct buf *json, struct error *error) MUST_CHECK;

/* Of all workloads, for the page. */
struct scaler_summary {
	size_t workloads, states[FOLLOW_STATE_COUNT], left_out;
	double pods[FEEDBACK_PARTIES]; /* now, of those that are judged */
	double pod_hours[FEEDBACK_PARTIES], late_hours[FEEDBACK_PARTIES];
	int cut;            /* pods that the budget does not leave */
	int64_t decided_ms; /* 0: not yet */
};
void scaler_summarize(struct scaler *scaler, struct scaler_summary *summary);
/* A collector (base/metrics.h) with the scaler as argument. */
void scaler_collect(void *argument);

#endif
