/*
 * Range queries of a minute's step, a day at a time: weeks are more points than one answer may have. The
 * traffic is --query or the rate of the first well-known counter that has anything for the workload's pods.
 * What a pod serves is its CPU request times the requests that come for a CPU second: the median of the
 * hours.
 */
#include "daemon/simulate_prometheus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/bundle.h"
#include "daemon/prometheus_answer.h"
#include "daemon/prometheus_client.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)
#define RANGE_DEFAULT_MS (14 * DAY_MS)
#define EXPRESSION_MAX 4096
#define NAME_MAX_SIZE 254
#define PODS_MAX_SIZE 640

/* Counters of requests that carry a pod's labels, the commonest first. */
static const char *const counters[] = {"http_requests_total", "http_server_requests_seconds_count",
	"http_server_request_duration_seconds_count", "http_request_duration_seconds_count",
	"istio_requests_total", "grpc_server_handled_total"};

struct fetching {
	struct config *config;
	struct bundle bundle;
	struct backfill_config backfill;
	struct diagnostics diagnostics;
	struct prometheus_client *client;
	struct matrix matrix;
	atomic_bool stop;
	char namespace_name[NAME_MAX_SIZE], pods[PODS_MAX_SIZE]; /* a regular expression */
	int64_t from_ms, to_ms;
	struct trace_point *points;
	size_t count, capacity;
};

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "nimbusguard: %s%s%s\n", what, value != NULL ? ": " : "",
		value != NULL ? value : "");
	return EXIT_USAGE;
}

/* ---- the target ---- */

static bool name_usable(const char *name, size_t length)
{
	return length > 0 && length < NAME_MAX_SIZE &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= length;
}

/* The pods' names by the kind of their owner; a dot of the name is a dot. */
static bool pods_pattern(struct fetching *at, const char *kind, size_t kind_length,
	const char *name)
{
	static const struct {
		const char *kind, *tail;
	} kinds[] = {{"Deployment", "-[a-z0-9]+-[a-z0-9]{5}"}, {"StatefulSet", "-[0-9]+"},
		{"DaemonSet", "-[a-z0-9]{5}"}};

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct buf text;
		bool fits;

		if (strlen(kinds[i].kind) != kind_length ||
			strncmp(kinds[i].kind, kind, kind_length) != 0)
			continue;
		buf_init(&text, PODS_MAX_SIZE - 1);
		for (const char *c = name; *c != '\0'; c++)
			buf_printf(&text, *c == '.' ? "[%c]" : "%c", *c);
		buf_add_text(&text, kinds[i].tail);
		fits = buf_ok(&text);
		if (fits)
			memcpy(at->pods, text.data, text.size + 1);
		buf_fini(&text);
		return fits;
	}
	return false;
}

static int read_target(struct fetching *at, const char *text)
{
	static const char words[] =
		"--target is NAMESPACE/KIND/NAME, KIND one of Deployment, StatefulSet, DaemonSet";
	const char *kind = text != NULL ? strchr(text, '/') : NULL;
	const char *name = kind != NULL ? strchr(kind + 1, '/') : NULL;

	if (name == NULL || !name_usable(text, (size_t)(kind - text)) ||
		!name_usable(name + 1, strlen(name + 1)) ||
		!pods_pattern(at, kind + 1, (size_t)(name - kind) - 1, name + 1))
		return usage(words, text);
	snprintf(at->namespace_name, sizeof(at->namespace_name), "%.*s", (int)(kind - text), text);
	return EXIT_GOOD;
}

static int read_times(struct fetching *at, const struct command_line *line)
{
	const char *start = command_flag(line, "start"), *end = command_flag(line, "end");

	at->to_ms = clock_now_ms(clock_system());
	if (end != NULL && parse_time(end, &at->to_ms) != STATUS_OK)
		return usage("--end is no time as in RFC 3339 or seconds since 1970", end);
	at->from_ms = at->to_ms - RANGE_DEFAULT_MS;
	if (start != NULL && parse_time(start, &at->from_ms) != STATUS_OK)
		return usage("--start is no time as in RFC 3339 or seconds since 1970", start);
	/* On whole minutes, so that the same question has the same answer. */
	at->from_ms -= at->from_ms % MINUTE_MS;
	at->to_ms -= at->to_ms % MINUTE_MS;
	if (at->from_ms < 0 || at->to_ms - at->from_ms < TRACE_MINUTES_MIN * MINUTE_MS ||
		at->to_ms - at->from_ms > (int64_t)TRACE_MINUTES_MAX * MINUTE_MS)
		return usage("--start must be at least an hour and at most 400 days before --end",
			NULL);
	return EXIT_GOOD;
}

/* ---- questions ---- */

static enum status take_series(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *error)
{
	struct fetching *at = argument;

	(void)pairs;
	(void)pair_count;
	if (at->count + point_count > at->capacity) {
		size_t more = (at->count + point_count) * 2;
		struct trace_point *grown = mem_resize(at->points, more, sizeof(*grown));

		if (grown == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		at->points = grown;
		at->capacity = more;
	}
	for (size_t i = 0; i < point_count; i++)
		at->points[at->count++] =
			(struct trace_point){.t_ms = points[i].t_ms, .rate = points[i].value};
	return STATUS_OK;
}

static enum status ask(struct fetching *at, const char *expression, int64_t from_ms, int64_t to_ms,
	int64_t step_ms, struct error *error)
{
	char start[32], end[32], step[32];
	const struct prometheus_parameter parameters[] = {{"query", expression}, {"start", start},
		{"end", end}, {"step", step}, {NULL, NULL}};
	struct prometheus_failure failure;
	struct matrix_counts counts = {0};
	struct buf answer;
	enum status status;
	long http = 0;

	snprintf(start, sizeof(start), "%lld", (long long)(from_ms / 1000));
	snprintf(end, sizeof(end), "%lld", (long long)(to_ms / 1000));
	snprintf(step, sizeof(step), "%lld", (long long)(step_ms / 1000));
	buf_init(&answer, at->backfill.target.answer_max);
	status = prometheus_client_ask(at->client, "/api/v1/query_range", parameters, &http,
		&answer, error);
	if (status == STATUS_OK && http != 200) {
		prometheus_failure_read(answer.data, answer.size, &failure);
		status = error_set(error, STATUS_UNAVAILABLE, "%.150s: HTTP %ld %s: %.200s",
			at->backfill.target.url, http, failure.type, failure.message);
	} else if (status == STATUS_OK) {
		status = matrix_read(&at->matrix, answer.data, answer.size, take_series, at,
			&counts, error);
	}
	buf_fini(&answer);
	return status;
}

/* All of the time, a day (or 60 days of hours) an answer. */
static enum status ask_all(struct fetching *at, const char *expression, int64_t step_ms,
	struct error *error)
{
	int64_t slice_ms = step_ms / MINUTE_MS * DAY_MS;
	enum status status = STATUS_OK;

	at->count = 0;
	for (int64_t from_ms = at->from_ms; status == STATUS_OK && from_ms < at->to_ms;
		from_ms += slice_ms) {
		int64_t to_ms = from_ms + slice_ms < at->to_ms ? from_ms + slice_ms : at->to_ms;

		/* Both ends of a range query are in its answer. */
		status = ask(at, expression, from_ms, to_ms - step_ms, step_ms, error);
	}
	return status;
}

/* ---- the traffic ---- */

static void write_counter(const struct fetching *at, const char *counter, const char *window,
	char expression[EXPRESSION_MAX])
{
	snprintf(expression, EXPRESSION_MAX, "sum(rate(%s{namespace=\"%s\",pod=~\"%s\"}[%s]))",
		counter, at->namespace_name, at->pods, window);
}

static enum status fetch_traffic(struct fetching *at, const char *query,
	char expression[EXPRESSION_MAX], struct error *error)
{
	enum status status = STATUS_OK;

	if (query != NULL) {
		if (strlen(query) > EXPRESSION_MAX / 2)
			return error_set(error, STATUS_BAD_INPUT, "--query is too long");
		snprintf(expression, EXPRESSION_MAX, "sum(%s)", query);
		status = ask_all(at, expression, MINUTE_MS, error);
	}
	for (size_t i = 0; query == NULL && i < ARRAY_COUNT(counters) && status == STATUS_OK; i++) {
		write_counter(at, counters[i], "2m", expression);
		status = ask_all(at, expression, MINUTE_MS, error);
		if (at->count > 0)
			break;
	}
	if (status == STATUS_OK && at->count == 0)
		return error_set(error, STATUS_NOT_FOUND,
			"%.150s has no traffic of pods \"%.200s\" in namespace %.100s%s",
			at->backfill.target.url, at->pods, at->namespace_name,
			query != NULL ? " by --query"
				      : " under any well-known name: say --query=EXPRESSION");
	return status;
}

static int compare_points(const void *left, const void *right)
{
	double a = ((const struct trace_point *)left)->rate;
	double b = ((const struct trace_point *)right)->rate;

	return (a > b) - (a < b);
}

/* Leaves *pod_rate alone when Prometheus does not know it. */
static enum status fetch_pod_rate(struct fetching *at, const char *traffic, double *pod_rate,
	struct error *error)
{
	char expression[2 * EXPRESSION_MAX];
	enum status status;
	size_t known = 0;

	snprintf(expression, sizeof(expression),
		"(sum(kube_pod_container_resource_requests{resource=\"cpu\",namespace=\"%s\",pod=~"
		"\"%s\"}) / count(count by (pod) (kube_pod_container_resource_requests{resource="
		"\"cpu\",namespace=\"%s\",pod=~\"%s\"}))) * (%s) / sum(rate("
		"container_cpu_usage_seconds_total{namespace=\"%s\",pod=~\"%s\",container!=\"\"}"
		"[5m]))",
		at->namespace_name, at->pods, at->namespace_name, at->pods, traffic,
		at->namespace_name, at->pods);
	status = ask_all(at, expression, HOUR_MS, error);
	for (size_t i = 0; i < at->count; i++)
		if (isfinite(at->points[i].rate) && at->points[i].rate > 0)
			at->points[known++] = at->points[i];
	if (status != STATUS_OK || known == 0)
		return status;
	qsort(at->points, known, sizeof(*at->points), compare_points);
	*pod_rate = at->points[known / 2].rate;
	return STATUS_OK;
}

static enum status fetch(struct fetching *at, const struct command_line *line, struct trace *trace,
	double *pod_rate, struct error *error)
{
	struct trace_assembly assembly = {.source = at->backfill.target.url};
	char expression[EXPRESSION_MAX];
	enum status status = prometheus_target_check(&at->backfill.target, error);

	if (status == STATUS_OK) {
		at->client = prometheus_client_open(&at->backfill.target, &at->stop, error);
		status = at->client != NULL ? STATUS_OK : error->code;
	}
	if (status == STATUS_OK)
		status = fetch_traffic(at, command_flag(line, "query"), expression, error);
	if (status == STATUS_OK)
		trace_note(trace, "traffic: %.230s", expression);
	if (status == STATUS_OK)
		status = trace_assemble(trace, &assembly, at->points, at->count, error);
	if (status == STATUS_OK && isnan(*pod_rate)) {
		status = fetch_pod_rate(at, expression, pod_rate, error);
		if (status == STATUS_OK && !isnan(*pod_rate))
			trace_note(trace,
				"a pod serves %.4g requests/s, by its CPU request and the CPU that a "
				"request takes",
				*pod_rate);
	}
	if (at->client != NULL)
		prometheus_client_close(at->client);
	return status;
}

static int fetch_with_config(struct fetching *at, const struct command_line *line, const char *url,
	struct trace *trace, double *pod_rate)
{
	struct error error = {.code = STATUS_OK};
	struct buf words;

	at->config = config_load(line->config_path, line->environment, line->settings,
		line->setting_count, &at->diagnostics);
	if (at->config == NULL) {
		buf_init(&words, 1 << 20);
		diagnostics_write(&at->diagnostics, &words);
		fprintf(stderr, "%s", words.data != NULL ? words.data : "");
		buf_fini(&words);
		return EXIT_FAILED;
	}
	bundle_find(&at->bundle);
	service_backfill_config(at->config, &at->bundle, clock_system(), &at->backfill);
	at->backfill.target.url = url;
	trace_init(trace, command_flag(line, "target"));
	if (fetch(at, line, trace, pod_rate, &error) == STATUS_OK)
		return EXIT_GOOD;
	fprintf(stderr, "nimbusguard: %s\n", error.text);
	return EXIT_FAILED;
}

int simulate_fetch(const struct command_line *line, const char *url, struct trace *trace,
	double *pod_rate)
{
	struct fetching *at = mem_zalloc(1, sizeof(*at));
	int result;

	if (at == NULL)
		return EXIT_FAILED;
	atomic_init(&at->stop, false);
	matrix_init(&at->matrix);
	diagnostics_init(&at->diagnostics);
	result = read_target(at, command_flag(line, "target"));
	if (result == EXIT_GOOD)
		result = read_times(at, line);
	if (result == EXIT_GOOD)
		result = fetch_with_config(at, line, url, trace, pod_rate);
	config_close(at->config);
	diagnostics_fini(&at->diagnostics);
	matrix_fini(&at->matrix);
	mem_free(at->points);
	mem_free(at);
	return result;
}
