/*
 * Inside of the metrics: what metrics.c keeps, metrics_page.c prints and metrics_take.c copies. For these
 * files only.
 *
 * Threads: a family's lock guards all its fields; the atomics of a cell may be used without it.
 */
#ifndef NIMBUSGUARD_BASE_METRICS_CELLS_H
#define NIMBUSGUARD_BASE_METRICS_CELLS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"

/* One set of bounds for all histograms, which all are in seconds: from half a millisecond (a parsed
 * request) over 5 ms (the promise for a journaled webhook) to 5 s (Alertmanager's patience). */
/* clang-format off */
#define METRIC_BOUND_TABLE(X) \
	X(0.0005) X(0.001) X(0.0025) X(0.005) X(0.01) X(0.025) X(0.05) \
	X(0.1) X(0.25) X(0.5) X(1) X(2.5) X(5) X(10)
/* clang-format on */
#define METRIC_BOUND_COUNT 14

/* Observations by the first bound that is not below them; the last is past all bounds. */
struct metric_buckets {
	_Atomic uint64_t counts[METRIC_BOUND_COUNT + 1];
};

struct metric_cell {
	/* Counters: the sum of whole additions. */
	_Atomic uint64_t whole;
	/* A double: a counter's fractions, a gauge's value, a histogram's sum. */
	_Atomic uint64_t bits;
	struct metric_buckets *buckets; /* histograms */
	enum metric_type type;
	uint64_t hash;
	struct metric_cell *next; /* in its slot, or in the spare list */
	char *bytes;              /* holds the values */
	const char *values[METRIC_LABELS_MAX];
};

struct metric_family {
	pthread_mutex_t lock;
	struct metric_cell **cells; /* in the order of their birth */
	struct metric_cell **slots; /* hash table with chains; a power of two */
	size_t cell_count, slot_count;
	struct metric_cell *spare;
	uint64_t cleared;          /* how often */
	_Atomic uint64_t left_out; /* look-ups that got "other" or no cell at all */
};

struct metric_family *metric_family(enum metric_id id);
/* The cell of a metric without labels. */
struct metric_cell *metric_single(enum metric_id id);
/* Labels named in a description. */
size_t metric_label_count(enum metric_id id);
/* Counter, gauge: the value; histogram: the sum. */
double metric_cell_sum(const struct metric_cell *cell);
/* Runs the collectors, or goes on with what they collected for a page that is being read (metrics.h), and keeps
 * others from running them until the end. */
void metrics_collect_begin(void);
void metrics_collect_end(void);

#endif
