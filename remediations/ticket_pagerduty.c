/*
 * PagerDuty's Events API v2. An incident's key is the dedup_key: a repeated trigger adds to the alert that
 * is open, a resolve without one is dropped by the service. A comment becomes a change event, which shows
 * on the timeline and pages nobody.
 *
 * Past 512 KB an event is refused by the service; ours is bounded by its fields and stays far below, which
 * EVENT_MAX makes sure of.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/ticket_service.h"

#define EVENT_MAX (512000u)
#define ROUTING_KEY_SIZE 32
#define SUMMARY_MAX 1024
#define BUSY_WAIT_MS 120000 /* after 429: minutes, says the service */

static void add_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

static void add_known(struct buf *json, const char *name, const char *text)
{
	if (*text != '\0')
		add_text(json, name, text);
}

static void add_links(struct buf *json, const struct ticket_event *event)
{
	const char *comma = "";

	if (*event->link == '\0' && *event->runbook == '\0')
		return;
	buf_add_text(json, ",\"links\":[");
	if (*event->link != '\0') {
		buf_add_text(json, "{\"href\":");
		buf_add_json_string(json, event->link, strlen(event->link));
		buf_add_text(json, ",\"text\":\"What was decided and done\"}");
		comma = ",";
	}
	if (*event->runbook != '\0') {
		buf_printf(json, "%s{\"href\":", comma);
		buf_add_json_string(json, event->runbook, strlen(event->runbook));
		buf_add_text(json, ",\"text\":\"Runbook\"}");
	}
	buf_add_char(json, ']');
}

static void add_details(struct buf *json, const struct ticket_event *event)
{
	buf_add_text(json, ",\"custom_details\":");
	ticket_event_write(json, event);
}

/* summary, source and timestamp, without the closing brace. */
static void begin_payload(struct buf *json, const struct ticket_event *event)
{
	char when[32];

	format_rfc3339(event->time_ms, when, sizeof(when));
	buf_add_text(json, ",\"payload\":{\"summary\":");
	ticket_add_json(json, event->operation == TICKET_OPEN ? event->title : event->text,
		SUMMARY_MAX, SUMMARY_MAX, true);
	buf_add_text(json, ",\"source\":");
	ticket_add_json(json, *event->target != '\0' ? event->target : "nimbusguard", SUMMARY_MAX,
		SUMMARY_MAX, true);
	buf_printf(json, ",\"timestamp\":\"%s\"", when);
}

static void write_trigger(struct buf *json, const struct ticket_event *event)
{
	begin_payload(json, event);
	buf_printf(json, ",\"severity\":\"%s\"", ticket_severity_name((int)event->severity));
	add_known(json, "component", event->workload);
	add_known(json, "group", event->namespace_name);
	add_known(json, "class", event->name);
	add_details(json, event);
	buf_add_char(json, '}');
	add_text(json, "client", "NimbusGuard");
	add_known(json, "client_url", event->link);
	add_links(json, event);
}

static void write_change(struct buf *json, const struct ticket_event *event)
{
	begin_payload(json, event);
	add_details(json, event);
	buf_add_char(json, '}');
	add_links(json, event);
}

void ticket_pagerduty_tell(struct ticket_session *session, const struct ticket_task *task,
	struct ticket_result *result)
{
	const struct ticket_event *event = task->event;
	struct ticket_call call = {.headers = {NULL}};
	struct ticket_answer answer;
	struct buf json;

	if (strlen(session->secret) != ROUTING_KEY_SIZE) {
		ticket_not_ready(result, "%s holds no routing key of %d characters",
			session->service->secret_file, ROUTING_KEY_SIZE);
		return;
	}
	buf_init(&json, EVENT_MAX);
	buf_add_text(&json, "{\"routing_key\":");
	buf_add_json_string(&json, session->secret, strlen(session->secret));
	if (event->operation != TICKET_COMMENT) {
		add_text(&json, "event_action",
			event->operation == TICKET_OPEN ? "trigger" : "resolve");
		add_text(&json, "dedup_key", event->key);
	}
	if (event->operation == TICKET_OPEN)
		write_trigger(&json, event);
	else if (event->operation == TICKET_COMMENT)
		write_change(&json, event);
	buf_add_char(&json, '}');
	ticket_session_url(session,
		event->operation == TICKET_COMMENT ? "/v2/change/enqueue" : "/v2/enqueue");
	if (ticket_session_call(session, &call, &json, &answer, result))
		snprintf(result->external, sizeof(result->external), "%.*s",
			(int)sizeof(result->external) - 1, event->key);
	else if (result->code == 429 && result->wait_ms < BUSY_WAIT_MS)
		result->wait_ms = result->wait_ms > 0 ? result->wait_ms : BUSY_WAIT_MS;
	if (json.data != NULL)
		explicit_bzero(json.data, json.size);
	buf_fini(&json);
}
