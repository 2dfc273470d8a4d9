/*
 * What the load generator sends: series as a Prometheus that scrapes pods has them, their labels,
 * values and times, all given by a seed, so that the same settings send the same bytes.
 *
 * Ownership: a cursor owns the texts that its labels point to; they are valid until its next use.
 * Limits: LOAD_LABELS_MAX labels of LOAD_TEXT_MAX bytes.
 * Threads: a shape is read by many; a cursor belongs to one thread.
 */
#ifndef NIMBUSGUARD_DEMO_LOAD_H
#define NIMBUSGUARD_DEMO_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/labels.h"

#define LOAD_LABELS_MIN 2
#define LOAD_LABELS_MAX 64
#define LOAD_TEXT_MAX 80
#define LOAD_TAG_MAX 16
/* Series of one pod: they differ in their metric name alone and stand side by side. */
#define LOAD_POD_SERIES 50

struct load_shape {
	uint32_t series_count;
	uint32_t label_count;   /* of each series, with its name */
	uint32_t churn_percent; /* of the pods, replaced by new ones from round to round */
	uint64_t seed;
	int64_t start_ms, interval_ms; /* time of round 0, distance of rounds */
};

/* The labels of the series at hand. What the series of a pod share is written once a pod. */
struct load_cursor {
	const struct load_shape *shape;
	struct labels labels;
	struct label pairs[LOAD_LABELS_MAX];
	char texts[LOAD_LABELS_MAX][LOAD_TEXT_MAX];
	char tags[LOAD_LABELS_MAX][LOAD_TAG_MAX];
	uint32_t name_index; /* of __name__ among the pairs */
	uint32_t pod, life;
	bool filled;
};

void load_cursor_init(struct load_cursor *cursor, const struct load_shape *shape);
/* Sorted labels of a series in a round; valid until the next call. */
const struct labels *load_labels(struct load_cursor *cursor, uint32_t series, uint32_t round);
/* Whether the series was not there a round before (round > 0). */
bool load_replaced(const struct load_shape *shape, uint32_t series, uint32_t round);
/* All series of one target are scraped at the same moment, as in life. */
int64_t load_time_ms(const struct load_shape *shape, uint32_t series, uint32_t round);
/* 30 % constant, 55 % counters of whole numbers, 10 % gauges of whole pages of memory, 5 % floats
 * that walk at random. *walk: where the walk stands, 0 at first, kept for each series; rounds must
 * follow each other for it to be one. */
double load_value(const struct load_shape *shape, uint32_t series, uint32_t round, double *walk);

#endif
