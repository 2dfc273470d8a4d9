/*
 * Which findings belong together: those of one workload that began at about one time are one trouble, and
 * so are those of workloads whose pods are all on one node; they are given one group (struct event), by
 * which the engine makes one incident of them.
 *
 * Ownership: plain values; nothing is allocated.
 * Limits: FINDING_GROUPS_MAX findings are remembered, the oldest is forgotten first.
 * Threads: the scan's.
 */
#ifndef NIMBUSGUARD_DAEMON_FINDING_GROUPS_H
#define NIMBUSGUARD_DAEMON_FINDING_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

#define FINDING_GROUPS_MAX 1024
/* Of two findings of one workload, or node, that began so close to one another one is taken to tell of the
 * other's cause: detectors look at windows of minutes, and one signal draws the next after it. */
#define FINDING_GROUP_WINDOW_MS (10 * 60000)

struct finding_groups {
	struct grouped_finding {
		uint64_t workload, fingerprint, group;
		uint64_t node; /* 0: unknown */
		int64_t since_ms;
		double surprise;
	} ring[FINDING_GROUPS_MAX];
	size_t next, count;
};

/* The finding's group; told again, or its end, has the one that it had. 0: it names no workload. */
uint64_t finding_groups_of(struct finding_groups *groups, const struct event *finding);
/* Remembers a finding with the group that it had before a restart; the oldest first. One without a group,
 * or that names no workload, is passed over. */
void finding_groups_remember(struct finding_groups *groups, const struct event *finding);

#endif
