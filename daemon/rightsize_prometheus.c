/*
 * Each question has one series a container: of its pods the one that uses the most.
 */
#include "daemon/rightsize_prometheus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "daemon/range_client.h"

#define HOUR_MS INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)

enum what {
	CPU,
	MEMORY,
	KILLED,
	SERIES,
	CPU_REQUEST = SERIES,
	MEMORY_REQUEST,
	CPU_LIMIT,
	MEMORY_LIMIT,
	PODS
};

struct fetching {
	struct range_client *client;
	struct workload_key workload;
	char pods[RANGE_PODS_MAX];
	struct rightsize_containers *containers;
	enum what what; /* is being asked for */
};

static enum status container_of(struct fetching *at, const char *name,
	struct rightsize_container **found, struct error *error)
{
	struct rightsize_containers *all = at->containers;
	int64_t first = range_client_start_ms(at->client) / MINUTE_MS;
	int64_t end = range_client_end_ms(at->client) / MINUTE_MS;
	struct rightsize_container *container;

	*found = NULL;
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].sized.container, name) == 0)
			*found = &all->list[i];
	/* What is set of a container that used nothing makes none of it. */
	if (*found != NULL || at->what != CPU)
		return STATUS_OK;
	if (all->count == RIGHTSIZE_CONTAINERS_MAX || strlen(name) >= CONTAINER_NAME_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d containers, or a name too long",
			RIGHTSIZE_CONTAINERS_MAX);
	container = &all->list[all->count];
	memset(container, 0, sizeof(*container));
	if (sizing_trace_init(&container->trace, first, (size_t)(end - first), error) != STATUS_OK)
		return error->code;
	container->sized.workload = at->workload;
	memcpy(container->sized.container, name, strlen(name) + 1);
	container->sized.now = (struct sizing_now){{NAN, NAN}, {NAN, NAN}, NAN, 1};
	all->count++;
	*found = container;
	return STATUS_OK;
}

static void take_minutes(struct sizing_trace *trace, enum what what,
	const struct store_point *points, size_t count)
{
	double *columns[SERIES] = {trace->cpu, trace->memory, trace->killed};

	for (size_t i = 0; i < count; i++) {
		int64_t minute = points[i].t_ms / MINUTE_MS - trace->first;

		if (minute >= 0 && minute < (int64_t)trace->count && isfinite(points[i].value))
			columns[what][minute] = points[i].value;
	}
}

/* Of what is set the newest counts. */
static void take_setting(struct sizing_now *now, enum what what, double value)
{
	double *places[] = {[CPU_REQUEST - SERIES] = &now->request[SIZED_CPU],
		[MEMORY_REQUEST - SERIES] = &now->request[SIZED_MEMORY],
		[CPU_LIMIT - SERIES] = &now->limit[SIZED_CPU],
		[MEMORY_LIMIT - SERIES] = &now->limit[SIZED_MEMORY],
		[PODS - SERIES] = &now->replicas};

	*places[what - SERIES] = isfinite(value) && value > 0 ? value : NAN;
}

static enum status take_series(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *error)
{
	struct fetching *at = argument;
	struct rightsize_container *container = NULL;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < pair_count && status == STATUS_OK; i++)
		if (strcmp(pairs[i].name, "container") == 0)
			status = container_of(at, pairs[i].value, &container, error);
	if (status != STATUS_OK || container == NULL || point_count == 0)
		return status;
	if (at->what < SERIES)
		take_minutes(&container->trace, at->what, points, point_count);
	else
		take_setting(&container->sized.now, at->what, points[point_count - 1].value);
	return STATUS_OK;
}

static enum status ask(struct fetching *at, enum what what, struct error *error)
{
	static const char *const forms[] = {
		[CPU] = "max by (container) (rate(container_cpu_usage_seconds_total{%s,container!=\"\","
			"container!=\"POD\"}[2m]))",
		[MEMORY] =
			"max by (container) (container_memory_working_set_bytes{%s,container!=\"\","
			"container!=\"POD\"})",
		[KILLED] =
			"sum by (container) (increase(kube_pod_container_status_restarts_total{%1$s}"
			"[10m]) * on (pod, container) max by (pod, container) ("
			"kube_pod_container_status_last_terminated_reason{%1$s,reason="
			"\"OOMKilled\"}))",
		[CPU_REQUEST] =
			"max by (container) (kube_pod_container_resource_requests{%s,resource="
			"\"cpu\"})",
		[MEMORY_REQUEST] = "max by (container) (kube_pod_container_resource_requests{%s,"
				   "resource=\"memory\"})",
		[CPU_LIMIT] = "max by (container) (kube_pod_container_resource_limits{%s,resource="
			      "\"cpu\"})",
		[MEMORY_LIMIT] =
			"max by (container) (kube_pod_container_resource_limits{%s,resource="
			"\"memory\"})",
		[PODS] = "count by (container) (container_memory_working_set_bytes{%s})",
	};
	char pods[2 * RANGE_PODS_MAX];
	struct buf text;
	enum status status;

	snprintf(pods, sizeof(pods), "namespace=\"%s\",pod=~\"%s\"", at->workload.namespace_name,
		at->pods);
	buf_init(&text, RANGE_EXPRESSION_MAX);
	for (const char *c = forms[what]; *c != '\0'; c++) {
		if (strncmp(c, "%s", 2) == 0 || strncmp(c, "%1$s", 4) == 0) {
			buf_add_text(&text, pods);
			c += c[1] == 's' ? 1 : 3;
		} else {
			buf_add_char(&text, *c);
		}
	}
	at->what = what;
	status = buf_ok(&text)
		? range_client_ask(at->client, text.data, what < SERIES ? MINUTE_MS : HOUR_MS,
			  take_series, at, error)
		: error_set(error, STATUS_TOO_LARGE, "the names are too long");
	buf_fini(&text);
	return status;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(((const struct rightsize_container *)left)->sized.container,
		((const struct rightsize_container *)right)->sized.container);
}

int rightsize_fetch(const struct command_line *line, const char *url,
	struct rightsize_containers *containers)
{
	struct fetching at = {.containers = containers};
	enum status status = STATUS_OK;
	struct error error;
	int result;

	containers->count = 0;
	if (!range_target_read(command_flag(line, "target"), &at.workload, at.pods))
		return EXIT_USAGE;
	at.client = range_client_open(line, url, SIZING_REPLAY_MINUTES_MAX / 1440, &result);
	if (at.client == NULL)
		return result;
	for (int what = CPU; what <= PODS && status == STATUS_OK; what++)
		status = ask(&at, (enum what)what, &error);
	if (status == STATUS_OK && containers->count == 0)
		status = error_set(&error, STATUS_NOT_FOUND,
			"%.150s has no CPU usage of pods \"%.200s\" in namespace %.100s", url,
			at.pods, at.workload.namespace_name);
	range_client_close(at.client);
	for (size_t i = 0; i < containers->count; i++)
		containers->list[i].sized.now.containers = (unsigned)containers->count;
	qsort(containers->list, containers->count, sizeof(containers->list[0]), compare_names);
	if (status == STATUS_OK)
		return EXIT_GOOD;
	fprintf(stderr, "nimbusguard: %s\n", error.text);
	return EXIT_FAILED;
}

void rightsize_containers_fini(struct rightsize_containers *containers)
{
	for (size_t i = 0; i < containers->count; i++)
		sizing_trace_fini(&containers->list[i].trace);
	containers->count = 0;
}
