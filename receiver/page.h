/*
 * The status page: one self-contained HTML document without scripts, from plain values.
 *
 * Ownership: struct page_status borrows all that it points to; NULL texts are shown as a dash.
 * Limits: those of the buffer; callers choose how many rows to show and give the totals.
 * Threads: pure.
 */
#ifndef NIMBUSGUARD_RECEIVER_PAGE_H
#define NIMBUSGUARD_RECEIVER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct page_component {
	const char *name, *note;
	bool healthy;
};

/* A value that is not known is NaN, never zero. */
struct page_signal {
	const char *role, *unit; /* unit as in base/workload.h: cores, ratio, bytes, ... */
	double value, expected, z;
	const char *quality; /* "good" or the verdict */
};

struct page_workload {
	const char *name; /* namespace/Kind/name */
	const struct page_signal *signals;
	size_t signal_count;
};

struct page_finding {
	const char *workload, *role, *summary;
	double score, confidence;
	int64_t since_ms;
};

/* What the scaler would have a workload have, beside others; NaN: nobody says a number. */
struct page_scaling {
	const char *workload, *state; /* observing, shadow, serving */
	const char *policy, *because; /* what speaks for it, and why it is this number */
	double replicas, wanted, forecast,
		hpa; /* as it is, ours, by the forecast alone, an HPA's */
};

/* A gate of the guard: passed, or refused with its reason code. */
struct page_gate {
	const char *name, *reason;
	bool passed;
};

/* One point of an incident's story, oldest first. */
struct page_step {
	int64_t at_ms;
	const char *state, *text;
};

struct page_incident {
	const char *id, *title, *target, *playbook, *state, *plan, *outcome;
	const char *ticket, *ticket_url; /* its key or service, and where it is; NULL: none */
	bool open;
	int64_t opened_ms;
	const struct page_gate *gates;
	size_t gate_count;
	const struct page_step *steps;
	size_t step_count;
	const char *approval; /* who approved it and who still has to; NULL: nobody has to */
	const char *joined;   /* the other alerts and findings that it answers; NULL: none */
};

/* A training that is under way, or the last one that ended. */
struct page_training {
	const char *what;
	bool under_way;
	uint64_t epoch, epochs_max;
	double loss, holdout_loss;
	int64_t since_ms, ended_ms; /* ended_ms and outcome: of one that has ended */
	const char *outcome;
};

struct page_status {
	const char *version, *mode, *prefix; /* prefix: of the routes, "" or "/prefix" */
	bool dry_run, paused;                /* paused: the kill switch is on */
	const char *paused_by;               /* NULL: not known */
	int64_t paused_since_ms;
	int64_t now_ms, uptime_ms;
	unsigned refresh_s; /* 0: the page does not reload itself */
	const struct page_component *components;
	size_t component_count;

	uint64_t series, series_max, bytes, bytes_max;
	double samples_per_second; /* NaN when not known yet */

	const struct page_training *training; /* NULL: there never was one */
	const struct page_workload *workloads;
	size_t workload_count, workload_total;
	const struct page_finding *findings;
	size_t finding_count, finding_total;
	const struct page_scaling *scalings; /* those that would change most first */
	size_t scaling_count, scaling_total;
	const struct page_incident *incidents;
	size_t incident_count, incident_total;
};

/* Everything is escaped; check buf_ok() afterwards. */
void page_write_status(struct buf *buf, const struct page_status *status);

#endif
