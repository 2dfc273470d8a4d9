/*
 * The webhook's message is checked as JSON once, its fields are found, and its alerts are then read
 * one at a time from the bytes where they stand. What is wrong with the message as a whole (syntax,
 * version, alerts no array, a field that stands twice) refuses it; what is wrong with one alert
 * costs that alert, because a refused message is never sent again.
 */
#include "receiver/webhook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/parse.h"

/* 0001-01-01T00:00:00Z, which says "not ended". */
#define ZERO_TIME_MS INT64_C(-62135596800000)

#define EVENTS_FIRST 16

enum message_field {
	MESSAGE_VERSION,
	MESSAGE_RECEIVER,
	MESSAGE_TRUNCATED,
	MESSAGE_ALERTS,
	MESSAGE_FIELDS
};

static const char *const message_names[] = {"version", "receiver", "truncatedAlerts", "alerts"};

enum alert_field {
	ALERT_STATUS,
	ALERT_LABELS,
	ALERT_ANNOTATIONS,
	ALERT_STARTS,
	ALERT_ENDS,
	ALERT_GENERATOR,
	ALERT_FINGERPRINT,
	ALERT_FIELDS
};

static const char *const alert_names[] = {"status", "labels", "annotations", "startsAt", "endsAt",
	"generatorURL", "fingerprint"};

struct message {
	struct json_span fields[MESSAGE_FIELDS];
	char *receiver;
	int64_t received_ms;
};

/* Finds the named fields of an object; absent ones stay null. Returns the index of a field that
 * stands twice, or count. */
static size_t find_fields(const struct json_span *object, const char *const *names, size_t count,
	struct json_span *fields)
{
	bool seen[ALERT_FIELDS] = {0};
	struct json_span key, value;
	struct json_walk walk;
	size_t field;

	for (field = 0; field < count; field++)
		fields[field] = (struct json_span){SPAN_NULL, "null", 4};
	json_walk_init(&walk, object);
	while (json_walk_next(&walk, &key, &value)) {
		field = 0;
		while (field < count && !json_span_is(&key, names[field]))
			field++;
		if (field == count)
			continue; /* fields appear in minor releases */
		if (seen[field])
			return field;
		seen[field] = true;
		fields[field] = value;
	}
	return count;
}

/* Alertmanager sends the receiver's name as a quoted regular expression: team\.x is team.x. */
static void unescape_receiver(char *name)
{
	char *to = name;

	for (const char *at = name; *at; at++) {
		if (*at == '\\' && at[1] && strchr("\\.+*?()|[]{}^$", at[1]))
			at++;
		*to++ = *at;
	}
	*to = '\0';
}

static enum status check_version(const struct json_span *version, struct error *error)
{
	char text[32] = "";

	if (json_span_is(version, "4"))
		return STATUS_OK;
	if (version->kind == SPAN_STRING && version->size <= sizeof(text) &&
		!json_span_decode(version, text, NULL, NULL))
		return error_set(error, STATUS_BAD_INPUT,
			"field \"version\" is \"%s\", only \"4\" is understood", text);
	return error_set(error, STATUS_BAD_INPUT,
		"field \"version\" must be \"4\" (a receiver with an own payload template is not "
		"understood)");
}

static enum status read_message(struct message *message, const struct json_span *root,
	uint64_t *truncated_count, struct error *error)
{
	const struct json_span *fields = message->fields;
	enum status status;
	size_t repeated;

	if (root->kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "an object is expected, not %s",
			json_span_kind_words(root->kind));
	repeated = find_fields(root, message_names, MESSAGE_FIELDS, message->fields);
	if (repeated < MESSAGE_FIELDS)
		return error_set(error, STATUS_BAD_INPUT, "field \"%s\" stands twice",
			message_names[repeated]);
	status = check_version(&fields[MESSAGE_VERSION], error);
	if (status)
		return status;
	if (fields[MESSAGE_ALERTS].kind != SPAN_ARRAY && fields[MESSAGE_ALERTS].kind != SPAN_NULL)
		return error_set(error, STATUS_BAD_INPUT,
			"field \"alerts\": an array is expected, not %s",
			json_span_kind_words(fields[MESSAGE_ALERTS].kind));
	*truncated_count = 0;
	if (fields[MESSAGE_TRUNCATED].kind != SPAN_NULL)
		status = json_span_natural(&fields[MESSAGE_TRUNCATED], truncated_count, error);
	if (status) {
		error_prefix(error, "field \"truncatedAlerts\"");
		return status;
	}
	status = json_span_strdup(&fields[MESSAGE_RECEIVER], &message->receiver, error);
	if (status)
		error_prefix(error, "field \"receiver\"");
	else if (message->receiver)
		unescape_receiver(message->receiver);
	return status;
}

static bool read_time(const struct json_span *span, int64_t *ms)
{
	char text[64];

	return span->kind == SPAN_STRING && span->size <= sizeof(text) &&
		!json_span_decode(span, text, NULL, NULL) && !parse_rfc3339(text, ms);
}

static void compare_fingerprint(const struct event *event, const struct json_span *given)
{
	char own[17];

	snprintf(own, sizeof(own), "%016" PRIx64, event->fingerprint);
	if (given->kind != SPAN_NULL && !json_span_is(given, own))
		LOG_WARN("an alert's fingerprint is not that of its labels, ours is used",
			LOG_TEXT("computed", own));
}

static const char *read_times(struct event *event, const struct json_span *starts,
	const struct json_span *ends)
{
	if (!read_time(starts, &event->starts_ms) || event->starts_ms == ZERO_TIME_MS)
		return "time";
	if (ends->kind != SPAN_NULL && !read_time(ends, &event->ends_ms))
		return "time";
	if (event->ends_ms == ZERO_TIME_MS)
		event->ends_ms = 0;
	return NULL;
}

/* NULL, or the reason why the alert cannot be used, with more of it in error's text; *status tells
 * memory being out apart. */
static const char *read_alert(struct event *event, const struct message *message,
	const struct json_span *alert, struct json_span fields[ALERT_FIELDS], enum status *status,
	struct error *error)
{
	const char *reason;
	size_t repeated;

	if (alert->kind != SPAN_OBJECT)
		return "not_an_object";
	if (alert->size > WEBHOOK_ALERT_SIZE_MAX)
		return "size";
	repeated = find_fields(alert, alert_names, ALERT_FIELDS, fields);
	if (repeated < ALERT_FIELDS) {
		error_set(error, STATUS_BAD_INPUT, "field \"%s\" stands twice",
			alert_names[repeated]);
		return "repeated_field";
	}
	event->firing = json_span_is(&fields[ALERT_STATUS], "firing");
	if (!event->firing && !json_span_is(&fields[ALERT_STATUS], "resolved"))
		return "status";
	*status = event_read_labels(&event->labels, &fields[ALERT_LABELS], error);
	if (*status || !event->labels.count)
		return "labels"; /* without a label it is nobody's alert */
	*status = event_read_labels(&event->annotations, &fields[ALERT_ANNOTATIONS], error);
	if (*status)
		return "annotations";
	error_set(error, STATUS_BAD_INPUT, "startsAt or endsAt is no RFC 3339 time");
	reason = read_times(event, &fields[ALERT_STARTS], &fields[ALERT_ENDS]);
	if (reason)
		return reason;
	*status = json_span_strdup(&fields[ALERT_GENERATOR], &event->generator_url, error);
	if (*status)
		return "text";
	if (message->receiver) {
		event->receiver = mem_strdup(message->receiver);
		*status = event->receiver ? STATUS_OK : STATUS_NO_MEMORY;
	}
	event->source = EVENT_ALERT;
	event->received_ms = message->received_ms;
	event->fingerprint = labels_fingerprint(&event->labels);
	compare_fingerprint(event, &fields[ALERT_FINGERPRINT]);
	return *status ? "text" : NULL;
}

static bool own_alert(const struct event *event)
{
	const char *marker = labels_get(&event->labels, "nimbusguard");

	return marker && !strcmp(marker, "true");
}

/* Sixteen hex digits, or nothing: what a sender wrote there goes into the log. */
static void copy_fingerprint(const struct json_span *given, char fingerprint[17])
{
	char text[17] = "";

	fingerprint[0] = '\0';
	if (given->kind == SPAN_STRING && given->size <= sizeof(text) + 1 &&
		!json_span_decode(given, text, NULL, NULL) && strlen(text) == 16 &&
		strspn(text, "0123456789abcdef") == 16)
		memcpy(fingerprint, text, sizeof(text));
}

static void note_invalid(struct event_batch *batch, size_t index, const char *reason,
	const struct json_span *fingerprint, const struct error *error)
{
	struct event_invalid *first = &batch->first_invalid;

	if (batch->invalid_count++)
		return;
	first->index = index;
	first->reason = reason;
	copy_fingerprint(fingerprint, first->fingerprint);
	snprintf(first->text, sizeof(first->text), "%.250s", error->text);
}

/* Keeps the alert at the batch's end, or counts why not. */
static enum status take_alert(struct event_batch *batch, const struct message *message,
	const struct json_span *alert, size_t index)
{
	struct json_span fields[ALERT_FIELDS];
	struct error error;
	struct event *event = &batch->events[batch->count];
	enum status status = STATUS_OK;
	const char *reason;

	event_init(event);
	error_reset(&error);
	for (size_t i = 0; i < ALERT_FIELDS; i++)
		fields[i] = (struct json_span){SPAN_NULL, "null", 4};
	reason = read_alert(event, message, alert, fields, &status, &error);
	if (status == STATUS_NO_MEMORY) {
		event_fini(event);
		return status;
	}
	if (!reason && !own_alert(event)) {
		batch->count++;
		return STATUS_OK;
	}
	if (reason)
		note_invalid(batch, index, reason, &fields[ALERT_FINGERPRINT], &error);
	else
		batch->own_count++;
	metrics_inc(METRIC_ALERTS_INVALID, reason ? reason : "own_alert");
	event_fini(event);
	return STATUS_OK;
}

/* Room for one more event; the array doubles up to alert_max. */
static bool make_room(struct event_batch *batch, size_t *capacity, size_t alert_max)
{
	size_t wanted = *capacity ? *capacity * 2 : EVENTS_FIRST;
	struct event *grown;

	if (batch->count < *capacity)
		return true;
	if (wanted > alert_max)
		wanted = alert_max;
	grown = mem_resize(batch->events, wanted, sizeof(*grown));
	if (!grown)
		return false;
	batch->events = grown;
	*capacity = wanted;
	return true;
}

static enum status read_alerts(struct event_batch *batch, const struct message *message,
	uint64_t truncated_count, size_t alert_max, struct error *error)
{
	size_t seen = 0, capacity = 0;
	struct json_span key, value;
	struct json_walk walk;

	batch->truncated_count = truncated_count;
	json_walk_init(&walk, &message->fields[MESSAGE_ALERTS]);
	while (json_walk_next(&walk, &key, &value)) {
		if (seen++ >= alert_max) {
			batch->truncated_count += batch->truncated_count < UINT64_MAX;
			continue;
		}
		if (!make_room(batch, &capacity, alert_max) ||
			take_alert(batch, message, &value, seen - 1))
			return error_set(error, STATUS_NO_MEMORY, "no memory for the alerts");
	}
	for (size_t i = 0; i < batch->count; i++)
		batch->events[i].truncated = batch->truncated_count > 0;
	return STATUS_OK;
}

enum status webhook_parse(const void *body, size_t size, size_t alert_max, int64_t received_ms,
	struct event_batch *batch, struct error *error)
{
	struct message message = {.received_ms = received_ms};
	uint64_t truncated_count = 0;
	struct json_span root;
	enum status status;

	*batch = (struct event_batch){0};
	status = json_span_init(&root, body, size, WEBHOOK_DEPTH_MAX, error);
	if (!status)
		status = read_message(&message, &root, &truncated_count, error);
	if (!status)
		status = read_alerts(batch, &message, truncated_count, alert_max, error);
	mem_free(message.receiver);
	if (status)
		event_batch_fini(batch);
	return status;
}
