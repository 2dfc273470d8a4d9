/*
 * Counters, gauges and histograms of this process: one table in base/metric_table.h feeds the
 * enum, the metrics page, docs/metrics.md and the lint of rules and dashboards.
 *
 * Usage: metrics_inc(METRIC_ALERTS_RECEIVED, "firing"); on hot paths keep a cell:
 *   struct metric_cell *cell = metrics_cell(METRIC_X, "value"); metric_cell_add(cell, n);
 * Ownership: cells live as long as the process (until metrics_reset()).
 * Limits: METRIC_CHILDREN_MAX label combinations a metric; past that all go to one child whose
 *   label values are "other", so that hostile labels cannot grow memory, and are counted
 *   (nimbusguard_metrics_left_out_total).
 * Threads: any thread. A cell is one atomic; getting a cell takes a leaf lock.
 */
#ifndef NIMBUSGUARD_BASE_METRICS_H
#define NIMBUSGUARD_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/metric_table.h"

#define METRIC_LABELS_MAX 6
#define METRIC_CHILDREN_MAX 131072

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum metric_id {
#define METRIC(id, name, type, help, labels) METRIC_##id,
	METRIC_TABLE(METRIC)
#undef METRIC
		METRIC_COUNT
};

struct metric_description {
	const char *name, *help, *labels; /* labels: comma-separated names, "" for none */
	enum metric_type type;
};

struct metric_cell;

const struct metric_description *metric_describe(enum metric_id id);

/* The child for these label values, in the table's order; as many `const char *` as the metric has
 * labels (NULL counts as ""). A value is cut at 256 bytes, one that is not UTF-8 becomes "invalid".
 * Never NULL: when memory is out, the "other" child or a cell that nobody reads. */
struct metric_cell *metrics_cell_values(enum metric_id id, const char *const *values, size_t count);
#define metrics_cell(id, ...)                                                                      \
	metrics_cell_values(id, (const char *const[]){NULL, ##__VA_ARGS__} + 1,                    \
		sizeof((const char *const[]){NULL, ##__VA_ARGS__}) / sizeof(char *) - 1)

/* A counter takes no negative amount and no NaN: they are dropped. */
void metric_cell_add(struct metric_cell *cell, double amount);
/* Not on a counter that others add to. */
void metric_cell_set(struct metric_cell *cell, double value);
void metric_cell_observe(struct metric_cell *cell, double value); /* histogram; NaN is dropped */
double metric_cell_get(struct metric_cell *cell);                 /* histogram: the count */

#define metrics_add(id, amount, ...) metric_cell_add(metrics_cell(id, ##__VA_ARGS__), amount)
#define metrics_inc(id, ...) metric_cell_add(metrics_cell(id, ##__VA_ARGS__), 1)
#define metrics_set(id, value, ...) metric_cell_set(metrics_cell(id, ##__VA_ARGS__), value)
#define metrics_observe(id, value, ...) metric_cell_observe(metrics_cell(id, ##__VA_ARGS__), value)
#define metrics_get(id, ...) metric_cell_get(metrics_cell(id, ##__VA_ARGS__))

/* Removes all children of a metric, for gauges whose label sets are rewritten at each collection.
 * Cells of it are void afterwards: do not keep any. A thread that still writes into one does no harm
 * to memory, but what it writes is lost or lands on another child. */
void metrics_clear(enum metric_id id);

/* Called before each page with its argument; collectors set gauges (and counters that the kernel
 * keeps, with metrics_set). At most 32; one more is a broken promise. Collectors run one after the
 * other and never twice at once, without a lock held; they must not add or remove collectors.
 * metrics_remove_collector() returns when the collector no longer runs. */
typedef void metrics_collect_fn(void *argument);
void metrics_add_collector(metrics_collect_fn *collect, void *argument);
void metrics_remove_collector(metrics_collect_fn *collect, void *argument);

/*
 * Text format 0.0.4 in pieces, families in table order, children in the order of their first use (so whoever
 * knows the label sets asks for their cells at start, which shows them at zero). A metric with labels
 * and no children is left out.
 *
 * A page is of one collection: open runs the collectors, and while a page is being read others that are opened
 * show the same collection, for METRICS_PAGE_MS at most. After that the collectors run for the next one;
 * what is left of a page that is still not read to its end is written before and kept for its reader, all of
 * them together METRICS_KEPT_MAX bytes at most. One that finds no room is cut off, as is one of whose metrics
 * one was cleared half way: never is a page of two collections. Counters go on meanwhile: each line is as of when
 * its piece is written, a histogram's lines of one moment.
 *
 * Holds one piece, METRICS_PIECE_MAX bytes at most, however many children there are, and what is kept. One thread
 * at a time a page; no lock is held between two calls.
 */
#define METRICS_PAGE_MS 10000
#define METRICS_PIECE_MAX 131072
#define METRICS_KEPT_MAX ((size_t)64 << 20)
struct metrics_page;
/* NULL: memory is out. */
struct metrics_page *metrics_page_open(void) MUST_CHECK;
/* The next bytes, `room` at most; 0 at the end, -1: cut off, or memory is out. Whole lines up to there. */
ssize_t metrics_page_read(struct metrics_page *page, char *bytes, size_t room);
/* NULL is allowed. */
void metrics_page_close(struct metrics_page *page);
/* All of it at once, into a buffer with its own maximum. */
void metrics_write_page(struct buf *buf);

/* One counter or gauge as it was. */
struct metric_sample {
	enum metric_id id;
	double value;
	const char *values[METRIC_LABELS_MAX]; /* of its labels, in the table's order */
};
struct metric_samples {
	struct metric_sample *list;
	size_t count;
	struct arena texts;
};
/* Copies of these counters and gauges, after the collectors have run; histograms have none.
 * STATUS_NO_MEMORY: as many as there was memory for. metric_samples_fini() in any case. */
enum status metrics_take(const enum metric_id *ids, size_t id_count,
	struct metric_samples *samples) MUST_CHECK;
void metric_samples_fini(struct metric_samples *samples);

/* The table as Markdown, for docs/metrics.md. */
void metrics_write_docs(struct buf *buf);
/* Tests only: all cells back to nothing, and the system's clock. */
void metrics_reset(void);
/* Tests only: what tells how long a page has been read; borrowed until metrics_reset(). */
void metrics_page_clock(const struct clock *clock);

#endif
