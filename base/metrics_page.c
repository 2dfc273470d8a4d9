/*
 * The metrics page in Prometheus' text format 0.0.4, the collectors that run before it, and the table
 * of metrics as Markdown.
 *
 * Pages take turns: one runs its collectors and prints while others wait, so that no page sees the
 * gauges of half a collection. The turn is a flag with a condition, not a lock held over callbacks.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/metrics.h"
#include "base/metrics_cells.h"

#define COLLECTORS_MAX 32

struct collector {
	metrics_collect_fn *collect;
	void *argument;
};

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_over = PTHREAD_COND_INITIALIZER;
static bool turn_taken;
/* Written and read by whoever has the turn. */
static struct collector collectors[COLLECTORS_MAX];
static size_t collector_count;

static const char *const bound_texts[METRIC_BOUND_COUNT + 1] = {
#define X(bound) #bound,
	METRIC_BOUND_TABLE(X)
#undef X
		"+Inf",
};

static void turn_begin(void)
{
	pthread_mutex_lock(&turn_lock);
	while (turn_taken)
		pthread_cond_wait(&turn_over, &turn_lock);
	turn_taken = true;
	pthread_mutex_unlock(&turn_lock);
}

static void turn_end(void)
{
	pthread_mutex_lock(&turn_lock);
	turn_taken = false;
	pthread_cond_signal(&turn_over);
	pthread_mutex_unlock(&turn_lock);
}

void metrics_add_collector(metrics_collect_fn *collect, void *argument)
{
	turn_begin();
	CHECK(collector_count < COLLECTORS_MAX);
	collectors[collector_count++] = (struct collector){collect, argument};
	turn_end();
}

void metrics_remove_collector(metrics_collect_fn *collect, void *argument)
{
	size_t kept = 0;

	turn_begin();
	for (size_t i = 0; i < collector_count; i++)
		if (collectors[i].collect != collect || collectors[i].argument != argument)
			collectors[kept++] = collectors[i];
	collector_count = kept;
	turn_end();
}

static void write_number(struct buf *buf, double value)
{
	char text[32];

	if (isnan(value)) {
		buf_add_text(buf, "NaN");
	} else if (isinf(value)) {
		buf_add_text(buf, value > 0 ? "+Inf" : "-Inf");
	} else if (fabs(value) < 1e15 && trunc(value) == value) {
		/* Counts and bytes are read by people too: no exponent. */
		snprintf(text, sizeof(text), "%.0f", value);
		buf_add_text(buf, text);
	} else {
		buf_add_json_number(buf, value);
	}
}

/* HELP escapes backslash and line feed, label values the double quote as well. */
static void write_escaped(struct buf *buf, const char *text, bool in_quotes)
{
	for (; *text; text++) {
		if (*text == '\n')
			buf_add(buf, "\\n", 2);
		else if (*text == '\\' || (*text == '"' && in_quotes))
			buf_add(buf, (char[]){'\\', *text}, 2);
		else
			buf_add_char(buf, *text);
	}
}

/* {a="x",le="5"}; le may be NULL. */
static void write_labels(struct buf *buf, const char *names, const struct metric_cell *cell,
	const char *le)
{
	size_t i = 0;

	if (!*names && !le)
		return;
	buf_add_char(buf, '{');
	while (*names) {
		size_t size = strcspn(names, ",");

		buf_add(buf, names, size);
		buf_add(buf, "=\"", 2);
		write_escaped(buf, cell->values[i++], true);
		buf_add_char(buf, '"');
		names += size;
		names += *names == ',';
		if (*names || le)
			buf_add_char(buf, ',');
	}
	if (le)
		buf_printf(buf, "le=\"%s\"", le);
	buf_add_char(buf, '}');
}

static void write_sample(struct buf *buf, const struct metric_description *metric,
	const char *suffix, const struct metric_cell *cell, const char *le, double value)
{
	buf_add_text(buf, metric->name);
	buf_add_text(buf, suffix);
	write_labels(buf, metric->labels, cell, le);
	buf_add_char(buf, ' ');
	write_number(buf, value);
	buf_add_char(buf, '\n');
}

static void write_cell(struct buf *buf, const struct metric_description *metric,
	const struct metric_cell *cell)
{
	uint64_t count = 0;

	if (metric->type != METRIC_HISTOGRAM) {
		write_sample(buf, metric, "", cell, NULL, metric_cell_sum(cell));
		return;
	}
	for (size_t i = 0; i <= METRIC_BOUND_COUNT; i++) {
		count += atomic_load_explicit(&cell->buckets->counts[i], memory_order_relaxed);
		write_sample(buf, metric, "_bucket", cell, bound_texts[i], (double)count);
	}
	write_sample(buf, metric, "_sum", cell, NULL, metric_cell_sum(cell));
	write_sample(buf, metric, "_count", cell, NULL, (double)count);
}

static const char *type_name(enum metric_type type)
{
	static const char *const names[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	return names[type];
}

static void write_head(struct buf *buf, const struct metric_description *metric)
{
	buf_printf(buf, "# HELP %s ", metric->name);
	write_escaped(buf, metric->help, false);
	buf_printf(buf, "\n# TYPE %s %s\n", metric->name, type_name(metric->type));
}

static void write_family(struct buf *buf, enum metric_id id)
{
	const struct metric_description *metric = metric_describe(id);
	struct metric_family *family = metric_family(id);

	if (!*metric->labels) {
		write_head(buf, metric);
		write_cell(buf, metric, metric_single(id));
		return;
	}
	pthread_mutex_lock(&family->lock);
	if (family->cell_count)
		write_head(buf, metric);
	for (size_t i = 0; i < family->cell_count; i++)
		write_cell(buf, metric, family->cells[i]);
	pthread_mutex_unlock(&family->lock);
}

/* Which metrics had more children than there may be. */
static void collect_left_out(void)
{
	for (int id = 0; id < METRIC_COUNT; id++) {
		uint64_t count = atomic_load(&metric_family((enum metric_id)id)->left_out);

		if (count > 0)
			metrics_set(METRIC_LEFT_OUT, (double)count,
				metric_describe((enum metric_id)id)->name);
	}
}

void metrics_collect_begin(void)
{
	turn_begin();
	for (size_t i = 0; i < collector_count; i++)
		collectors[i].collect(collectors[i].argument);
	collect_left_out();
}

void metrics_collect_end(void)
{
	turn_end();
}

void metrics_write_page(struct buf *buf)
{
	metrics_collect_begin();
	for (int id = 0; id < METRIC_COUNT; id++)
		write_family(buf, (enum metric_id)id);
	metrics_collect_end();
}

static void write_markdown(struct buf *buf, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '\\')
			buf_add_char(buf, '\\');
		buf_add_char(buf, *text == '\n' ? ' ' : *text);
	}
}

void metrics_write_docs(struct buf *buf)
{
	buf_add_text(buf, "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
	for (int id = 0; id < METRIC_COUNT; id++) {
		const struct metric_description *metric = metric_describe((enum metric_id)id);

		buf_printf(buf, "| `%s` | %s | ", metric->name, type_name(metric->type));
		for (const char *name = metric->labels; *name;) {
			size_t size = strcspn(name, ",");

			buf_printf(buf, "`%.*s`", (int)size, name);
			name += size;
			if (*name) {
				buf_add(buf, ", ", 2);
				name++;
			}
		}
		buf_add_text(buf, " | ");
		write_markdown(buf, metric->help);
		buf_add_text(buf, " |\n");
	}
}
