/*
 * The live view of the demo: in a terminal a table of workloads above a log of steps, redrawn in
 * place; elsewhere a line for each step.
 *
 * Ownership: the view copies all texts. The descriptor is borrowed.
 * Limits: VIEW_LINES lines of log, VIEW_SPARK points of history.
 * Threads: view_tell() from any thread, the rest from one.
 */
#ifndef NIMBUSGUARD_DEMO_VIEW_H
#define NIMBUSGUARD_DEMO_VIEW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "demo/cluster.h"

#define VIEW_LINES 24
#define VIEW_LINE_SIZE 240
#define VIEW_SPARK 32

enum view_tone { TONE_PLAIN, TONE_DIM, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_ACT };

struct view {
	int output;
	bool live, color, drawn;
	unsigned rows;        /* of the log that fit the terminal */
	pthread_mutex_t lock; /* of the log */
	char lines[VIEW_LINES][VIEW_LINE_SIZE];
	enum view_tone tones[VIEW_LINES];
	uint64_t line_count, line_shown; /* shown: lines already written when not live */
	double history[CLUSTER_WORKLOADS][VIEW_SPARK];
	unsigned history_count;
	struct sim_reading last[CLUSTER_WORKLOADS];
	struct buf screen;
};

void view_init(struct view *view, int output, bool live, bool color);
void view_fini(struct view *view);
/* A line for the log: minutes and seconds since the start, source, text. */
void view_tell(struct view *view, int64_t elapsed_ms, enum view_tone tone, const char *source,
	const char *text);
/* Takes the readings of one slot into the table. */
void view_update(struct view *view, const struct sim_reading *readings);
/* Draws; header is one line. */
void view_draw(struct view *view, const char *header);
/* Leaves the live screen below its last line. */
void view_end(struct view *view);

#endif
