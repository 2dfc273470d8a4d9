/*
 * Remote write through remote_write/encode.h, one request a slot; alerts by the same conditions as
 * rules/prometheus/alerts.rules.yml, grouped as deploy/alertmanager/receiver.yml asks.
 */
#include "demo/sender.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remote_write/encode.h"

#define ALERTS_MAX 64
#define BODY_MAX (1024 * 1024)
#define TIMEOUT_MS 5000

static const char *const role_series[ROLE_COUNT] = {
	[ROLE_CPU] = "nimbusguard:workload_cpu_cores:sum",
	[ROLE_CPU_UTILIZATION] = "nimbusguard:workload_cpu_utilization:ratio",
	[ROLE_MEMORY] = "nimbusguard:workload_memory_bytes:sum",
	[ROLE_MEMORY_UTILIZATION] = "nimbusguard:workload_memory_utilization:ratio",
	[ROLE_REQUEST_RATE] = "nimbusguard:workload_requests:rate",
	[ROLE_ERROR_RATE] = "nimbusguard:workload_errors:ratio",
	[ROLE_LATENCY] = "nimbusguard:workload_latency_seconds:p99",
	[ROLE_RESTARTS] = "nimbusguard:workload_restarts:increase",
	[ROLE_OOM_KILLS] = "nimbusguard:workload_oom_kills:increase",
	[ROLE_REPLICAS] = "nimbusguard:workload_replicas:ready",
	[ROLE_REPLICAS_WANTED] = "nimbusguard:workload_replicas:wanted",
	[ROLE_SATURATION] = "nimbusguard:workload_saturation:ratio",
	[ROLE_CPU_THROTTLED] = "nimbusguard:workload_cpu_throttled:ratio",
	[ROLE_MEMORY_LIMIT] = "nimbusguard:workload_memory_limit_bytes:container",
	[ROLE_CPU_LIMIT] = "nimbusguard:workload_cpu_limit_cores:container",
};

struct sender {
	CURL *curl;
	struct write_encoder *encoder;
	char write_url[256], webhook_url[256];
	struct sim_alert alerts[ALERTS_MAX];
	struct buf json;
};

struct sender *sender_open(const char *service_url, struct error *error)
{
	struct sender *sender = mem_zalloc(1, sizeof(*sender));

	if (sender == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	buf_init(&sender->json, BODY_MAX);
	snprintf(sender->write_url, sizeof(sender->write_url), "%.200s/api/v1/write", service_url);
	snprintf(sender->webhook_url, sizeof(sender->webhook_url), "%.200s/api/v1/webhook",
		service_url);
	sender->curl = curl_easy_init();
	sender->encoder = write_encoder_open(BODY_MAX, error);
	if (sender->curl == NULL || sender->encoder == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		sender_close(sender);
		return NULL;
	}
	return sender;
}

void sender_close(struct sender *sender)
{
	if (sender == NULL)
		return;
	if (sender->curl != NULL)
		curl_easy_cleanup(sender->curl);
	if (sender->encoder != NULL)
		write_encoder_close(sender->encoder);
	buf_fini(&sender->json);
	mem_free(sender);
}

static size_t drop_body(char *bytes, size_t size, size_t count, void *argument)
{
	struct buf *text = argument;

	if (text->size + size * count < 256)
		buf_add(text, bytes, size * count);
	return size * count;
}

static enum status post(struct sender *sender, const char *url, const char *const *headers,
	size_t header_count, const void *body, size_t size, struct error *error)
{
	struct curl_slist *list = NULL;
	struct buf answer;
	CURLcode code;
	long http = 0;

	buf_init(&answer, 4096);
	for (size_t i = 0; i < header_count; i++)
		list = curl_slist_append(list, headers[i]);
	curl_easy_reset(sender->curl);
	curl_easy_setopt(sender->curl, CURLOPT_URL, url);
	curl_easy_setopt(sender->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDSIZE, (long)size);
	curl_easy_setopt(sender->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(sender->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(sender->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(sender->curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEFUNCTION, drop_body);
	curl_easy_setopt(sender->curl, CURLOPT_WRITEDATA, &answer);
	code = curl_easy_perform(sender->curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(sender->curl, CURLINFO_RESPONSE_CODE, &http);
	curl_slist_free_all(list);
	if (code != CURLE_OK)
		error_set(error, STATUS_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(code));
	else if (http / 100 != 2)
		error_set(error, STATUS_BAD_INPUT, "%s answered %ld: %s", url, http,
			answer.data != NULL ? answer.data : "");
	else
		error_reset(error);
	buf_fini(&answer);
	return error->code;
}

static enum status add_series(struct sender *sender, const char *series, const struct label *more,
	size_t more_count, int64_t now_ms, double value, struct error *error)
{
	struct label pairs[8] = {label_of(LABEL_METRIC_NAME, series)};
	struct labels labels;
	enum status status;

	memcpy(pairs + 1, more, more_count * sizeof(*more));
	status = labels_init(&labels, pairs, more_count + 1, error);
	if (status != STATUS_OK)
		return status;
	status = write_encoder_add(sender->encoder, &labels, &now_ms, &value, 1);
	labels_fini(&labels);
	return status;
}

static enum status add_pod_owners(struct sender *sender, struct cluster *cluster, int i,
	int64_t now_ms, struct error *error)
{
	enum status status = STATUS_OK;
	const struct sim_workload *workload = &cluster->workloads[i];

	pthread_mutex_lock(&cluster->lock);
	for (int pod = 0; pod < workload->plant.wanted && status == STATUS_OK; pod++) {
		const struct label labels[] = {label_of("namespace", CLUSTER_NAMESPACE),
			label_of("pod", workload->pods[pod].name),
			label_of("workload_kind", "Deployment"),
			label_of("workload", workload->name)};

		status = add_series(sender, "nimbusguard:pod_owner:info", labels, 4, now_ms, 1,
			error);
	}
	pthread_mutex_unlock(&cluster->lock);
	return status;
}

/* What is used and set of the one container, by its busiest pod. */
static enum status add_container(struct sender *sender, const struct sim_reading *reading,
	int64_t now_ms, struct error *error)
{
	double limit = reading->memory_limit_mib * 1048576;
	const struct {
		const char *series;
		double value;
	} all[] = {
		{"nimbusguard:container_cpu_cores:max",
			reading->values[ROLE_CPU_UTILIZATION] * reading->cpu_request_cores},
		{"nimbusguard:container_memory_bytes:max",
			reading->values[ROLE_MEMORY_UTILIZATION] * limit},
		{"nimbusguard:container_oom_kills:increase", reading->values[ROLE_OOM_KILLS]},
		{"nimbusguard:container_cpu_request_cores:max", reading->cpu_request_cores},
		{"nimbusguard:container_cpu_limit_cores:max", reading->cpu_request_cores},
		{"nimbusguard:container_memory_request_bytes:max", limit},
		{"nimbusguard:container_memory_limit_bytes:max", limit},
		{"nimbusguard:container_pods:count", reading->wanted},
	};
	const struct label labels[] = {label_of("namespace", CLUSTER_NAMESPACE),
		label_of("workload_kind", "Deployment"), label_of("workload", reading->workload),
		label_of("container", reading->container)};
	enum status status = STATUS_OK;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && status == STATUS_OK; i++)
		status = add_series(sender, all[i].series, labels, 4, now_ms, all[i].value, error);
	return status;
}

enum status sender_write(struct sender *sender, struct cluster *cluster, int64_t now_ms,
	struct error *error)
{
	static const char *const headers[] = {"Content-Type: application/x-protobuf",
		"Content-Encoding: snappy", "X-Prometheus-Remote-Write-Version: 0.1.0",
		"User-Agent: nimbusguard-demo"};
	enum status status = STATUS_OK;
	const void *body;
	size_t size;

	write_encoder_reset(sender->encoder);
	for (int i = 0; i < CLUSTER_WORKLOADS && status == STATUS_OK; i++) {
		struct sim_reading reading;

		cluster_read(cluster, i, &reading);
		const struct label labels[] = {label_of("namespace", CLUSTER_NAMESPACE),
			label_of("workload_kind", "Deployment"),
			label_of("workload", reading.workload)};

		for (int role = 0; role < ROLE_COUNT && status == STATUS_OK; role++)
			if (reading.present[role])
				status = add_series(sender, role_series[role], labels, 3, now_ms,
					reading.values[role], error);
		if (status == STATUS_OK)
			status = add_container(sender, &reading, now_ms, error);
		if (status == STATUS_OK)
			status = add_pod_owners(sender, cluster, i, now_ms, error);
	}
	if (status == STATUS_OK)
		status = write_encoder_finish(sender->encoder, &body, &size, error);
	if (status != STATUS_OK)
		return status;
	return post(sender, sender->write_url, headers, 4, body, size, error);
}

/* The alert of this name on this object; a free place when it is new. */
static struct sim_alert *find_alert(struct sender *sender, const char *name, const char *workload,
	const char *pod)
{
	struct sim_alert *place = NULL;

	for (size_t i = 0; i < ALERTS_MAX; i++) {
		struct sim_alert *alert = &sender->alerts[i];

		if (alert->used && strcmp(alert->name, name) == 0 &&
			strcmp(alert->workload, workload) == 0 && strcmp(alert->pod, pod) == 0)
			return alert;
		if (!alert->used && place == NULL)
			place = alert;
	}
	if (place != NULL) {
		*place = (struct sim_alert){.used = true};
		snprintf(place->name, sizeof(place->name), "%s", name);
		snprintf(place->workload, sizeof(place->workload), "%s", workload);
		snprintf(place->pod, sizeof(place->pod), "%s", pod);
		snprintf(place->severity, sizeof(place->severity), "warning");
	}
	return place;
}

static void evaluate(struct sender *sender, const char *name, const char *workload, const char *pod,
	bool condition, int64_t for_ms, int64_t now_ms, const char *summary)
{
	struct sim_alert *alert;

	if (!condition) {
		/* Only what stands already can end: nothing is made for what is not so. */
		for (size_t i = 0; i < ALERTS_MAX; i++)
			if (sender->alerts[i].used && strcmp(sender->alerts[i].name, name) == 0 &&
				strcmp(sender->alerts[i].workload, workload) == 0 &&
				strcmp(sender->alerts[i].pod, pod) == 0)
				sender->alerts[i].active = false;
		return;
	}
	alert = find_alert(sender, name, workload, pod);
	if (alert == NULL)
		return;
	if (!alert->active && !alert->firing)
		alert->pending_ms = now_ms;
	alert->active = true;
	snprintf(alert->container, sizeof(alert->container), "%s", pod[0] != '\0' ? "app" : "");
	snprintf(alert->summary, sizeof(alert->summary), "%s", summary);
	if (!alert->firing && now_ms - alert->pending_ms >= for_ms) {
		alert->firing = true;
		alert->starts_ms = now_ms;
	}
}

static void evaluate_pods(struct sender *sender, const struct sim_workload *workload,
	int64_t now_ms)
{
	for (int pod = 0; pod < workload->plant.wanted; pod++) {
		const struct sim_pod *state = &workload->pods[pod];
		char summary[160];

		snprintf(summary, sizeof(summary),
			"Container app of pod shop/%s is in a crash loop", state->name);
		evaluate(sender, "NimbusGuardPodCrashLooping", workload->name, state->name,
			state->crash_looping, 60000, now_ms, summary);
		snprintf(summary, sizeof(summary),
			"Container app of pod shop/%s was killed for lack of memory", state->name);
		evaluate(sender, "NimbusGuardContainerOOMKilled", workload->name, state->name,
			state->oom_killed, 0, now_ms, summary);
	}
}

/* Alerts on pods that are gone end with them. */
static void end_gone_pods(struct sender *sender, struct cluster *cluster)
{
	for (size_t i = 0; i < ALERTS_MAX; i++) {
		struct sim_alert *alert = &sender->alerts[i];
		const struct sim_workload *workload;
		bool found = false;

		if (!alert->used || alert->pod[0] == '\0')
			continue;
		workload = cluster_find(cluster, alert->workload);
		for (int pod = 0; workload != NULL && pod < workload->plant.wanted; pod++)
			found = found || strcmp(workload->pods[pod].name, alert->pod) == 0;
		alert->active = alert->active && found;
	}
}

static void evaluate_rules(struct sender *sender, struct cluster *cluster, int64_t now_ms)
{
	pthread_mutex_lock(&cluster->lock);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		const struct sim_workload *workload = &cluster->workloads[i];
		char summary[160];

		snprintf(summary, sizeof(summary),
			"Deployment shop/%s uses %.0f%% of what it requested", workload->name,
			workload->last.cpu * 100);
		evaluate(sender, "NimbusGuardWorkloadSaturated", workload->name, "",
			workload->last.cpu > 0.9, 120000, now_ms, summary);
		snprintf(summary, sizeof(summary), "99 %% latency of Deployment shop/%s is %.2fs",
			workload->name, workload->last.latency_p99_s);
		evaluate(sender, "NimbusGuardWorkloadLatencyHigh", workload->name, "",
			workload->last.latency_p99_s > 1, 120000, now_ms, summary);
		evaluate_pods(sender, workload, now_ms);
	}
	end_gone_pods(sender, cluster);
	pthread_mutex_unlock(&cluster->lock);
}

/* The labels of an alert as the rule gives them; the caller ends them with labels_fini(). */
static enum status alert_labels(const struct sim_alert *alert, struct labels *labels)
{
	const struct label pairs[] = {label_of("alertname", alert->name),
		label_of("severity", alert->severity), label_of("namespace", CLUSTER_NAMESPACE),
		label_of("workload_kind", "Deployment"), label_of("workload", alert->workload),
		/* Empty on alerts about a workload: an empty label is an absent one. */
		label_of("pod", alert->pod), label_of("container", alert->container)};

	return labels_init(labels, pairs, sizeof(pairs) / sizeof(pairs[0]), NULL);
}

static void write_alert(struct buf *json, const struct sim_alert *alert)
{
	char starts[32], ends[32] = "0001-01-01T00:00:00Z";
	struct labels labels;

	if (alert_labels(alert, &labels) != STATUS_OK) {
		json->failed = true;
		return;
	}
	format_rfc3339(alert->starts_ms, starts, sizeof(starts));
	if (!alert->firing)
		format_rfc3339(alert->ends_ms, ends, sizeof(ends));
	buf_printf(json, "{\"status\":\"%s\",\"labels\":", alert->firing ? "firing" : "resolved");
	labels_write_json(json, &labels);
	buf_add_text(json, ",\"annotations\":{\"summary\":");
	buf_add_json_string(json, alert->summary, strlen(alert->summary));
	buf_printf(json,
		"},\"startsAt\":\"%s\",\"endsAt\":\"%s\",\"generatorURL\":\"\","
		"\"fingerprint\":\"%016llx\"}",
		starts, ends, (unsigned long long)labels_fingerprint(&labels));
	labels_fini(&labels);
}

/* One message for what began or ended since the last delivered one. */
static void write_message(struct buf *json, struct sim_alert *const *alerts, size_t count)
{
	bool firing = false;

	for (size_t i = 0; i < count; i++)
		firing = firing || alerts[i]->firing;
	buf_reset(json);
	buf_printf(json,
		"{\"version\":\"4\",\"groupKey\":\"{}:{}\",\"truncatedAlerts\":0,"
		"\"status\":\"%s\",\"receiver\":\"nimbusguard\",\"groupLabels\":{},"
		"\"commonLabels\":{},\"commonAnnotations\":{},\"externalURL\":\"\",\"alerts\":[",
		firing ? "firing" : "resolved");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(json, ',');
		write_alert(json, alerts[i]);
	}
	buf_add_text(json, "]}\n");
}

/* What ended is told once as resolved; what never fired is forgotten. */
static size_t collect_changes(struct sender *sender, int64_t now_ms, struct sim_alert **list)
{
	size_t count = 0;

	for (size_t i = 0; i < ALERTS_MAX; i++) {
		struct sim_alert *alert = &sender->alerts[i];

		if (!alert->used)
			continue;
		if (!alert->active && alert->firing) {
			alert->firing = false;
			alert->ends_ms = now_ms;
		}
		if (alert->firing != alert->told_firing)
			list[count++] = alert;
		else if (!alert->active)
			alert->used = false;
	}
	return count;
}

enum status sender_alert(struct sender *sender, struct cluster *cluster, int64_t now_ms,
	struct sim_alert *changed, size_t max, size_t *changed_count, struct error *error)
{
	static const char *const headers[] = {"Content-Type: application/json",
		"User-Agent: nimbusguard-demo"};
	struct sim_alert *list[ALERTS_MAX];
	size_t count;
	enum status status;

	*changed_count = 0;
	evaluate_rules(sender, cluster, now_ms);
	count = collect_changes(sender, now_ms, list);
	if (count == 0)
		return STATUS_OK;
	write_message(&sender->json, list, count);
	if (!buf_ok(&sender->json))
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	status = post(sender, sender->webhook_url, headers, 2, sender->json.data, sender->json.size,
		error);
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < count; i++) {
		list[i]->told_firing = list[i]->firing;
		if (*changed_count < max)
			changed[(*changed_count)++] = *list[i];
		if (!list[i]->firing)
			list[i]->used = list[i]->active;
	}
	return STATUS_OK;
}
