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
#include "base/mem.h"
#include "daemon/range_client.h"

#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)

/* Counters of requests that carry a pod's labels, the commonest first. */
static const char *const counters[] = {"http_requests_total", "http_server_requests_seconds_count",
	"http_server_request_duration_seconds_count", "http_request_duration_seconds_count",
	"istio_requests_total", "grpc_server_handled_total"};

struct fetching {
	struct range_client *client;
	struct workload_key workload;
	char pods[RANGE_PODS_MAX]; /* a regular expression */
	struct trace_point *points;
	size_t count, capacity;
};

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

static enum status ask_all(struct fetching *at, const char *expression, int64_t step_ms,
	struct error *error)
{
	at->count = 0;
	return range_client_ask(at->client, expression, step_ms, take_series, at, error);
}

/* ---- the traffic ---- */

static void write_counter(const struct fetching *at, const char *counter, const char *window,
	char expression[RANGE_EXPRESSION_MAX])
{
	snprintf(expression, RANGE_EXPRESSION_MAX,
		"sum(rate(%s{namespace=\"%s\",pod=~\"%s\"}[%s]))", counter,
		at->workload.namespace_name, at->pods, window);
}

static enum status fetch_traffic(struct fetching *at, const char *query,
	char expression[RANGE_EXPRESSION_MAX], struct error *error)
{
	enum status status = STATUS_OK;

	if (query != NULL) {
		if (strlen(query) > RANGE_EXPRESSION_MAX / 2)
			return error_set(error, STATUS_BAD_INPUT, "--query is too long");
		snprintf(expression, RANGE_EXPRESSION_MAX, "sum(%s)", query);
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
			range_client_url(at->client), at->pods, at->workload.namespace_name,
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
	char expression[2 * RANGE_EXPRESSION_MAX];
	enum status status;
	size_t known = 0;

	snprintf(expression, sizeof(expression),
		"(sum(kube_pod_container_resource_requests{resource=\"cpu\",namespace=\"%s\",pod=~"
		"\"%s\"}) / count(count by (pod) (kube_pod_container_resource_requests{resource="
		"\"cpu\",namespace=\"%s\",pod=~\"%s\"}))) * (%s) / sum(rate("
		"container_cpu_usage_seconds_total{namespace=\"%s\",pod=~\"%s\",container!=\"\"}"
		"[5m]))",
		at->workload.namespace_name, at->pods, at->workload.namespace_name, at->pods,
		traffic, at->workload.namespace_name, at->pods);
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
	struct trace_assembly assembly = {.source = range_client_url(at->client)};
	char expression[RANGE_EXPRESSION_MAX];
	enum status status = fetch_traffic(at, command_flag(line, "query"), expression, error);

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
	return status;
}

int simulate_fetch(const struct command_line *line, const char *url, struct trace *trace,
	double *pod_rate)
{
	struct fetching at = {.client = NULL};
	struct error error;
	int result = EXIT_USAGE;

	if (!range_target_read(command_flag(line, "target"), &at.workload, at.pods))
		return EXIT_USAGE;
	at.client = range_client_open(line, url, TRACE_MINUTES_MAX / 1440, &result);
	if (at.client == NULL)
		return result;
	trace_init(trace, command_flag(line, "target"));
	if (fetch(&at, line, trace, pod_rate, &error) != STATUS_OK) {
		fprintf(stderr, "nimbusguard: %s\n", error.text);
		result = EXIT_FAILED;
	}
	range_client_close(at.client);
	mem_free(at.points);
	return result;
}
