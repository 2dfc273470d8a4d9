/*
 * The table of HTTP routes; the small ones are served here: health, readiness, reload, metrics, and
 * the two ways in, the remote-write stream and the webhook.
 *
 * A webhook is answered by the journal's thread once its alerts are committed and synced: the
 * request is suspended meanwhile, so that no pool thread waits for a disk.
 */
#include "daemon/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/recorder.h"
#include "daemon/service.h"
#include "receiver/webhook.h"

#define PAGE_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"

enum status route_write_head(struct request *request, struct error *error)
{
	return ingest_check_media(request_header(request, "Content-Type"),
		request_header(request, "Content-Encoding"), error);
}

/* What a 2.0 sender is told with every answer; it takes an answer without for one of 1.0. */
static void add_written(struct request *request, const struct ingest_counts *counts)
{
	const struct {
		const char *name;
		uint64_t count;
	} headers[] = {
		{"X-Prometheus-Remote-Write-Samples-Written", counts->samples_written},
		{"X-Prometheus-Remote-Write-Histograms-Written", counts->histograms_written},
		{"X-Prometheus-Remote-Write-Exemplars-Written", counts->exemplars_written},
	};
	char text[32];

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)headers[i].count);
		request_add_header(request, headers[i].name, text);
	}
}

/* For replays; without a recorder nothing is done. */
static void record(struct service *service, enum recording_kind kind, const void *body, size_t size)
{
	recorder_add(service_recorder(service),
		&(struct recording_frame){kind, clock_now_ms(service_clock(service)), body, size});
}

void route_write(struct request *request, void *argument)
{
	struct service *service = argument;
	struct ingest_counts counts;
	struct error error;
	size_t size;
	const void *body = request_body(request, &size);
	struct ingest *ingest = service_ingest(service, request_thread(request));
	enum status status;

	if (ingest == NULL || !service_feature(service, "ingest")) {
		request_reply_text(request, 404, "ingest is not enabled (--enable-feature)\n");
		return;
	}
	record(service, recorder_kind_of(request_header(request, "Content-Type")), body, size);
	status = ingest_request(ingest, request_header(request, "Content-Type"),
		request_header(request, "Content-Encoding"), body, size, &counts, &error);
	if (counts.tell_written)
		add_written(request, &counts);
	if (status == STATUS_OK) {
		request_reply(request, 204, NULL, NULL, 0);
		return;
	}
	if (status_http(status) == 503)
		request_add_header(request, "Retry-After", "1");
	LOG_WARN("remote write refused", LOG_ERROR_FIELD(&error),
		LOG_UINT("stored", counts.results[APPEND_STORED]));
	request_reply_text(request, status_http(status), error.text);
}

struct webhook_wait {
	struct request *request;
	int64_t parsed_ns;
};

/* On the journal's thread, which counts what was new and what was not. */
static void webhook_persisted(void *argument, enum status status, size_t new_count)
{
	struct webhook_wait *wait = argument;
	int64_t took_ns = clock_mono_ns(clock_system()) - wait->parsed_ns;

	(void)new_count;
	if (status == STATUS_OK) {
		metrics_observe(METRIC_ALERT_PERSIST_SECONDS, (double)took_ns / 1e9);
		request_reply_text(wait->request, 200, "");
	} else {
		request_add_header(wait->request, "Retry-After", "1");
		request_reply_text(wait->request, 503,
			"the alerts could not be persisted, send them again\n");
	}
	mem_free(wait);
}

static void count_alerts(const struct event_batch *batch)
{
	size_t firing = 0;

	for (size_t i = 0; i < batch->count; i++)
		firing += batch->events[i].firing;
	metrics_add(METRIC_ALERTS_RECEIVED, (double)firing, "firing");
	metrics_add(METRIC_ALERTS_RECEIVED, (double)(batch->count - firing), "resolved");
	if (batch->truncated_count > 0) {
		metrics_add(METRIC_ALERTS_TRUNCATED, (double)batch->truncated_count);
		LOG_WARN(
			"alerts were cut off: raise max_alerts of the receiver or webhook.alerts_max",
			LOG_UINT("truncated", batch->truncated_count),
			LOG_UINT("kept", batch->count));
	}
	if (batch->invalid_count > 0)
		LOG_WARN("alerts of a message could not be used, the others were kept",
			LOG_UINT("invalid", batch->invalid_count), LOG_UINT("kept", batch->count),
			LOG_UINT("first_index", batch->first_invalid.index),
			LOG_TEXT("first_fingerprint", batch->first_invalid.fingerprint),
			LOG_TEXT("first_reason", batch->first_invalid.reason),
			LOG_TEXT("err", batch->first_invalid.text));
}

void route_webhook(struct request *request, void *argument)
{
	struct service *service = argument;
	struct event_batch batch;
	struct webhook_wait *wait;
	struct error error;
	size_t size;
	const void *body = request_body(request, &size);
	enum status status;

	if (service_remediator(service) == NULL) {
		request_reply_text(request, 404, "remediate is not enabled (--enable-feature)\n");
		return;
	}
	record(service, RECORDING_WEBHOOK, body, size);
	status = webhook_parse(body, size,
		(size_t)config_int(service_config(service), SETTING_WEBHOOK_ALERTS_MAX),
		clock_now_ms(service_clock(service)), &batch, &error);
	if (status != STATUS_OK) {
		LOG_WARN("webhook refused", LOG_ERROR_FIELD(&error));
		request_reply_text(request, status_http(status), error.text);
		return;
	}
	count_alerts(&batch);
	if (batch.count == 0) {
		event_batch_fini(&batch);
		request_reply_text(request, 200, "");
		return;
	}
	wait = mem_alloc(sizeof(*wait));
	if (wait == NULL) {
		event_batch_fini(&batch);
		request_add_header(request, "Retry-After", "1");
		request_reply_text(request, 503, "out of memory\n");
		return;
	}
	*wait = (struct webhook_wait){request, clock_mono_ns(clock_system())};
	/* What waits for a disk must not keep others from being read. */
	request_release_body(request);
	request_suspend(request);
	status = remediator_submit(service_remediator(service), batch.events, batch.count,
		webhook_persisted, wait);
	if (status != STATUS_OK)
		webhook_persisted(wait, status, 0);
	event_batch_fini(&batch);
}

static void serve_healthy(struct request *request, void *argument)
{
	(void)argument;
	request_reply_text(request, 200, "NimbusGuard is healthy.\n");
}

static void serve_ready(struct request *request, void *argument)
{
	const char *reason;

	if (service_ready(argument, &reason)) {
		request_reply_text(request, 200, "NimbusGuard is ready.\n");
		return;
	}
	request_add_header(request, "Retry-After", "1");
	request_reply_text(request, 503, reason != NULL ? reason : "not ready");
}

static void serve_reload(struct request *request, void *argument)
{
	struct diagnostics diagnostics;
	struct buf text;

	diagnostics_init(&diagnostics);
	buf_init(&text, 1024 * 1024);
	if (service_reload(argument, &diagnostics) == STATUS_OK) {
		request_reply_text(request, 200, "");
	} else {
		diagnostics_write(&diagnostics, &text);
		request_reply_text(request, 500,
			buf_ok(&text) && text.data != NULL ? text.data : "reload refused\n");
	}
	buf_fini(&text);
	diagnostics_fini(&diagnostics);
}

static ssize_t metrics_pull(void *argument, char *bytes, size_t room)
{
	ssize_t size = metrics_page_read(argument, bytes, room);

	return size > 0 ? size : size == 0 ? -1 : REPLY_CUT;
}

static void metrics_closed(void *argument)
{
	metrics_page_close(argument);
}

/* In pieces: 5,000 workloads with six signals, two of them forecast, are about 20 MB. */
static void serve_metrics(struct request *request, void *argument)
{
	struct metrics_page *page = metrics_page_open();
	const struct reply_source source = {.pull = metrics_pull,
		.closed = metrics_closed,
		.argument = page,
		.whole = true};

	(void)argument;
	if (page == NULL)
		request_reply_text(request, 503, "no memory for the metrics page\n");
	else if (request_reply_stream(request, PAGE_TYPE, &source) == NULL)
		metrics_page_close(page);
}

#define READ(name, path, serve)                                                                    \
	{                                                                                          \
		name, "GET", path, ROUTE_EXACT, ACCESS_READ, 0, NULL, serve, NULL                  \
	}

struct route *routes_build(struct service *service, size_t *count, struct error *error)
{
	const struct config *config = service_config(service);
	const struct route table[] = {
		{"write", "POST", "/api/v1/write", ROUTE_BODY | ROUTE_CHANGES, ACCESS_INGEST,
			(uint64_t)config_int(config, SETTING_INGEST_BODY_MAX), route_write_head,
			route_write, NULL},
		{"webhook", "POST", "/api/v1/webhook", ROUTE_BODY | ROUTE_CHANGES, ACCESS_WEBHOOK,
			(uint64_t)config_int(config, SETTING_WEBHOOK_BODY_MAX), NULL, route_webhook,
			NULL},
		{"healthy", "GET", "/-/healthy", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_healthy,
			NULL},
		{"healthy", "GET", "/healthz", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_healthy,
			NULL},
		{"ready", "GET", "/-/ready", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_ready, NULL},
		{"ready", "GET", "/ready", ROUTE_EXACT, ACCESS_NONE, 0, NULL, serve_ready, NULL},
		{"reload", "POST", "/-/reload", ROUTE_CHANGES | ROUTE_PRIVILEGED, ACCESS_ADMIN, 0,
			NULL, serve_reload, NULL},
		READ("metrics", "/metrics", serve_metrics),
		READ("series", "/api/v1/series", route_series),
		READ("query", "/api/v1/query", route_query),
		READ("rollup", "/api/v1/rollup", route_rollup),
		READ("signals", "/api/v1/signals", route_signals),
		READ("detect", "/api/v1/detect", route_detect),
		READ("predict", "/api/v1/predict", route_predict),
		READ("scaler", "/api/v1/scaler", route_scaler),
		{"scaler_value", "GET", "/api/v1/scaler/", ROUTE_PREFIX, ACCESS_READ, 0, NULL,
			route_scaler_value, NULL},
		READ("rightsize", "/api/v1/rightsize", route_rightsize),
		READ("workloads", "/api/v1/workloads", route_workloads),
		READ("findings", "/api/v1/findings", route_findings),
		READ("alerts", "/api/v1/alerts", route_alerts),
		READ("incidents", "/api/v1/incidents", route_incidents),
		READ("actions", "/api/v1/actions", route_actions),
		READ("modes", "/api/v1/modes", route_modes),
		{"lift", "POST", "/api/v1/modes/lift", ROUTE_CHANGES | ROUTE_PRIVILEGED,
			ACCESS_ADMIN, 0, NULL, route_lift, NULL},
		READ("status", "/api/v1/status", route_status),
		READ("handover", "/api/v1/handover", route_handover),
		{"why", "GET", "/api/v1/why/", ROUTE_PREFIX, ACCESS_READ, 0, NULL, route_why, NULL},
		{"action", "POST", "/api/v1/actions/",
			ROUTE_PREFIX | ROUTE_CHANGES | ROUTE_PRIVILEGED, ACCESS_APPROVE, 0, NULL,
			route_action_change, NULL},
		{"pause", "POST", "/api/v1/pause", ROUTE_CHANGES | ROUTE_PRIVILEGED, ACCESS_ADMIN,
			0, NULL, route_pause, NULL},
		READ("page", "/", route_page),
	};
	struct route *routes = mem_alloc(sizeof(table));

	if (routes == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	memcpy(routes, table, sizeof(table));
	*count = sizeof(table) / sizeof(table[0]);
	for (size_t i = 0; i < *count; i++)
		routes[i].argument = service;
	return routes;
}
