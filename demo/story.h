/*
 * The lines that the demo tells: what a person on call would want to read of traffic, alerts, plans,
 * changes and what came of them, in the order of cause and effect, and what is counted on the way.
 *
 * Ownership: the story borrows the view; texts are copied.
 * Limits: STORY_INCIDENTS incidents are remembered by name, STORY_HELD steps held back.
 * Threads: all functions from any thread, except init and fini.
 */
#ifndef NIMBUSGUARD_DEMO_STORY_H
#define NIMBUSGUARD_DEMO_STORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "demo/sender.h"
#include "demo/view.h"

#define STORY_TOLD 64
#define STORY_INCIDENTS 32
#define STORY_HELD 32
#define STORY_TEXT 200

struct story_tally {
	uint64_t alerts, findings, refused, failed, done, changes, tickets, dry, cured, ineffective,
		handed_over;
};

struct story_step {
	int64_t elapsed_ms;
	char incident[48], state[24], text[STORY_TEXT];
};

struct story {
	struct view *view;
	pthread_mutex_t lock;
	struct story_tally tally;
	char told[STORY_TOLD][64]; /* an action and its incident tell the same step */
	unsigned told_count;
	struct {
		char incident[48], deed[STORY_TEXT];
		bool ticket;
	} incidents[STORY_INCIDENTS]; /* what was done about them */
	unsigned incident_count;
	struct {
		char workload[64];
		int64_t elapsed_ms;
	} findings[CLUSTER_WORKLOADS]; /* the last one shown of each */
	bool holding;
	struct story_step held[STORY_HELD];
	unsigned held_count;
};

void story_init(struct story *story, struct view *view);
void story_fini(struct story *story);

/* While alerts are on their way the service may already answer them: steps wait from begin to end,
 * so that the alert is told first. */
void story_alerts_begin(struct story *story);
void story_alerts_end(struct story *story, int64_t elapsed_ms, const struct sim_alert *alerts,
	size_t count);

/* A step of an incident, as remediator_watch_fn tells it. */
void story_step(struct story *story, int64_t elapsed_ms, const char *incident, const char *state,
	const char *text);
/* A finding: the first one of a workload within some minutes is told, all are counted. */
void story_finding(struct story *story, int64_t elapsed_ms, const char *episode,
	const char *summary);
struct story_tally story_tally(struct story *story);

#endif
