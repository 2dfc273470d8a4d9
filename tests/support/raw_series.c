/*
 * Deployment shop/web with two pods of ReplicaSet web-6f, one container each, half a core requested,
 * limits of one core and 64 MiB. Counters grow by their rate times the time since the page before.
 */
#include "tests/support/raw_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

void raw_series_init(struct raw_series *series)
{
	*series = (struct raw_series){.written_ns = clock_mono_ns(clock_system())};
	atomic_init(&series->cpu_cores, 0.2);
	atomic_init(&series->requests_per_s, 20);
	atomic_init(&series->restarts, 0);
	atomic_init(&series->oom_killed, 0);
}

static void advance(struct raw_series *series)
{
	int64_t now_ns = clock_mono_ns(clock_system());
	double seconds = (double)(now_ns - series->written_ns) / 1e9;

	series->written_ns = now_ns;
	series->cpu_seconds += seconds * atomic_load(&series->cpu_cores);
	series->requests += seconds * atomic_load(&series->requests_per_s);
	series->pages++;
}

static void write_pod(FILE *page, struct raw_series *series, int pod)
{
	char name[64], labels[128], share = (char)('a' + pod);
	double part = 1.0 / RAW_PODS, waves = sin((double)series->pages / 7.0);

	snprintf(name, sizeof(name), "namespace=\"shop\",pod=\"web-6f-%c\"", share);
	snprintf(labels, sizeof(labels), "%s,container=\"app\"", name);
	fprintf(page, "kube_pod_owner{%s,owner_kind=\"ReplicaSet\",owner_name=\"web-6f\"} 1\n",
		name);
	fprintf(page, "container_cpu_usage_seconds_total{%s} %.6f\n", labels,
		series->cpu_seconds * part);
	fprintf(page, "container_cpu_cfs_periods_total{%s} %lld\n", labels,
		(long long)series->pages * 10);
	fprintf(page, "container_cpu_cfs_throttled_periods_total{%s} 0\n", labels);
	fprintf(page, "container_memory_working_set_bytes{%s} %.0f\n", labels,
		33554432 + 262144 * waves);
	fprintf(page, "kube_pod_container_resource_requests{%s,resource=\"cpu\"} 0.5\n", labels);
	fprintf(page, "kube_pod_container_resource_limits{%s,resource=\"memory\"} 67108864\n",
		labels);
	fprintf(page, "kube_pod_container_resource_limits{%s,resource=\"cpu\"} 1\n", labels);
	fprintf(page, "kube_pod_container_status_restarts_total{%s} %d\n", labels,
		pod == 0 ? atomic_load(&series->restarts) : 0);
	fprintf(page,
		"kube_pod_container_status_last_terminated_reason{%s,reason=\"OOMKilled\"} %d\n",
		labels, pod == 0 ? atomic_load(&series->oom_killed) : 0);
	fprintf(page, "http_requests_total{%s,code=\"200\"} %.3f\n", name,
		series->requests * part * 0.99);
	fprintf(page, "http_requests_total{%s,code=\"500\"} %.3f\n", name,
		series->requests * part * 0.01);
	fprintf(page, "http_request_duration_seconds_bucket{%s,le=\"0.1\"} %.3f\n", name,
		series->requests * part * 0.95);
	fprintf(page, "http_request_duration_seconds_bucket{%s,le=\"0.5\"} %.3f\n", name,
		series->requests * part);
	fprintf(page, "http_request_duration_seconds_bucket{%s,le=\"+Inf\"} %.3f\n", name,
		series->requests * part);
}

char *raw_series_write(void *argument)
{
	struct raw_series *series = argument;
	char *text = NULL;
	size_t size;
	FILE *page = open_memstream(&text, &size);

	advance(series);
	fprintf(page,
		"kube_replicaset_owner{namespace=\"shop\",replicaset=\"web-6f\","
		"owner_kind=\"Deployment\",owner_name=\"web\"} 1\n"
		"kube_deployment_status_replicas_ready{namespace=\"shop\",deployment=\"web\"} %d\n"
		"kube_deployment_spec_replicas{namespace=\"shop\",deployment=\"web\"} %d\n",
		RAW_PODS, RAW_PODS);
	for (int pod = 0; pod < RAW_PODS; pod++)
		write_pod(page, series, pod);
	/* What a value can be: negative, very small and large, infinite, no number, a name in UTF-8. */
	fprintf(page,
		"odd{kind=\"nan\"} NaN\nodd{kind=\"inf\"} +Inf\nodd{kind=\"minus_inf\"} -Inf\n"
		"odd{kind=\"tiny\"} 5e-324\nodd{kind=\"large\"} 1.7976931348623157e+308\n"
		"odd{kind=\"minus_zero\"} -0\nodd{kind=\"third\"} -0.3333333333333333\n"
		"odd{kind=\"gr\xc3\xbc\xc3\x9f \\\"dich\\\" \\\\ \\n\"} %lld\n",
		(long long)series->pages);
	fclose(page);
	return text;
}
