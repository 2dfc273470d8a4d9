/*
 * One table of children under a lock; they are few, and a request is rare beside what it costs.
 */
#include "demo/usage.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"

#define BOUND_TABLE(X)                                                                             \
	X(0.005) X(0.01) X(0.025) X(0.05) X(0.1) X(0.25) X(0.5) X(1) X(2.5) X(5) X(10)
#define BOUND_COUNT 11

static const double bounds[BOUND_COUNT] = {
#define X(bound) bound,
	BOUND_TABLE(X)
#undef X
};
static const char *const bound_texts[BOUND_COUNT + 1] = {
#define X(bound) #bound,
	BOUND_TABLE(X)
#undef X
		"+Inf",
};

struct child {
	char handler[48], method[8], code[8];
	uint64_t buckets[BOUND_COUNT + 1]; /* not cumulated */
	uint64_t count;
	double sum;
};

struct usage {
	pthread_mutex_t lock;
	const char *prefix;
	size_t child_count;
	struct child children[USAGE_CHILDREN_MAX + 1]; /* the last: all that found no place */
};

struct usage *usage_open(const char *prefix)
{
	struct usage *usage = mem_zalloc(1, sizeof(*usage));

	if (usage == NULL)
		return NULL;
	pthread_mutex_init(&usage->lock, NULL);
	usage->prefix = prefix;
	return usage;
}

void usage_close(struct usage *usage)
{
	if (usage == NULL)
		return;
	pthread_mutex_destroy(&usage->lock);
	mem_free(usage);
}

static struct child *child_of(struct usage *usage, const char *handler, const char *method,
	const char *code)
{
	struct child *child;

	for (size_t i = 0; i < usage->child_count; i++) {
		child = &usage->children[i];
		if (strcmp(child->handler, handler) == 0 && strcmp(child->method, method) == 0 &&
			strcmp(child->code, code) == 0)
			return child;
	}
	if (usage->child_count >= USAGE_CHILDREN_MAX) {
		handler = method = code = "other";
		usage->child_count = USAGE_CHILDREN_MAX + 1;
		child = &usage->children[USAGE_CHILDREN_MAX];
	} else {
		child = &usage->children[usage->child_count++];
	}
	snprintf(child->handler, sizeof(child->handler), "%s", handler);
	snprintf(child->method, sizeof(child->method), "%s", method);
	snprintf(child->code, sizeof(child->code), "%s", code);
	return child;
}

void usage_observe(struct usage *usage, const char *handler, const char *method, int code,
	double seconds)
{
	struct child *child;
	char text[8] = "none";
	size_t i = 0;

	if (code > 0)
		snprintf(text, sizeof(text), "%d", code % 1000);
	while (i < BOUND_COUNT && !(seconds <= bounds[i]))
		i++;
	pthread_mutex_lock(&usage->lock);
	child = child_of(usage, handler, method, text);
	child->buckets[i]++;
	child->count++;
	child->sum += seconds;
	pthread_mutex_unlock(&usage->lock);
}

static void write_labels(struct buf *buf, const struct child *child)
{
	buf_printf(buf, "{handler=\"%s\",method=\"%s\",code=\"%s\"", child->handler, child->method,
		child->code);
}

static void write_histogram(struct buf *buf, const char *prefix, const struct child *child)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= BOUND_COUNT; i++) {
		count += child->buckets[i];
		buf_printf(buf, "%s_request_duration_seconds_bucket", prefix);
		write_labels(buf, child);
		buf_printf(buf, ",le=\"%s\"} %" PRIu64 "\n", bound_texts[i], count);
	}
	buf_printf(buf, "%s_request_duration_seconds_sum", prefix);
	write_labels(buf, child);
	buf_printf(buf, "} %.9g\n%s_request_duration_seconds_count", child->sum, prefix);
	write_labels(buf, child);
	buf_printf(buf, "} %" PRIu64 "\n", child->count);
}

void usage_write(struct usage *usage, struct buf *buf)
{
	const char *prefix = usage->prefix;

	pthread_mutex_lock(&usage->lock);
	buf_printf(buf, "# HELP %s_requests_total Requests by handler, method and code.\n", prefix);
	buf_printf(buf, "# TYPE %s_requests_total counter\n", prefix);
	for (size_t i = 0; i < usage->child_count; i++) {
		buf_printf(buf, "%s_requests_total", prefix);
		write_labels(buf, &usage->children[i]);
		buf_printf(buf, "} %" PRIu64 "\n", usage->children[i].count);
	}
	buf_printf(buf, "# HELP %s_request_duration_seconds Time of a request.\n", prefix);
	buf_printf(buf, "# TYPE %s_request_duration_seconds histogram\n", prefix);
	for (size_t i = 0; i < usage->child_count; i++)
		write_histogram(buf, prefix, &usage->children[i]);
	pthread_mutex_unlock(&usage->lock);
}

void usage_write_process(struct buf *buf)
{
	static const enum metric_id ids[] = {METRIC_PROCESS_CPU, METRIC_PROCESS_RESIDENT,
		METRIC_PROCESS_VIRTUAL, METRIC_PROCESS_FDS, METRIC_PROCESS_MAX_FDS,
		METRIC_PROCESS_START};
	struct metric_samples samples;

	/* What there was no memory for is left out of the page. */
	if (metrics_take(ids, sizeof(ids) / sizeof(ids[0]), &samples) != STATUS_OK)
		buf->failed = true;
	for (size_t i = 0; i < samples.count; i++) {
		const struct metric_description *metric = metric_describe(samples.list[i].id);

		buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", metric->name,
			metric->help, metric->name,
			metric->type == METRIC_COUNTER ? "counter" : "gauge", metric->name,
			samples.list[i].value);
	}
	metric_samples_fini(&samples);
}
