/*
 * Findings that belong together become one incident: those of one workload, and those of several
 * workloads on one node, when they began within a window of each other.
 *
 * A pure function over a list of findings: the same list gives the same incidents, in whatever order
 * it is. Threads: any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_INCIDENT_H
#define NIMBUSGUARD_ANALYZERS_DETECT_INCIDENT_H

#include <stddef.h>
#include <stdint.h>

#define INCIDENT_FINDINGS_MAX 4096

/* workload, node: numbers that the caller gives to each; node 0: unknown, which joins nothing. */
struct incident_finding {
	uint64_t id, workload, node;
	int64_t since_ms, until_ms; /* until_ms INT64_MAX: it lasts */
	double surprise;            /* decades; NaN counts as 0 */
};

enum incident_kind {
	INCIDENT_SINGLE,   /* one finding */
	INCIDENT_WORKLOAD, /* several findings of one workload */
	INCIDENT_NODE,     /* of several workloads, all on one node */
	INCIDENT_GROUP     /* of several workloads, joined over several nodes */
};

struct incident {
	enum incident_kind kind;
	uint64_t first;     /* id of the finding that began first; of equals the smallest id */
	uint64_t strongest; /* id of the finding with the greatest surprise */
	uint64_t node;      /* of INCIDENT_NODE, else 0 */
	int64_t since_ms, until_ms;
	size_t findings, workloads;
	double surprise;
};

/* Writes the incidents, by since_ms and then `first`, to incidents: [count], and the place of each
 * finding's incident among them to incident_of: [count] or NULL. Findings of one workload are joined
 * when one begins not later than window_ms after the other ended or while it lasts; findings of
 * different workloads on one node only when they begin within window_ms of each other: a busy node is
 * not one endless incident. Returns how many incidents there are; findings past
 * INCIDENT_FINDINGS_MAX are left out (incident_of SIZE_MAX). */
size_t incidents_join(const struct incident_finding *findings, size_t count, int64_t window_ms,
	struct incident *incidents, size_t *incident_of);

#endif
