/*
 * Events: life, copy, and their JSON form.
 *
 * {"source":"alert","status":"firing","truncated":false,"fingerprint":"0123456789abcdef",
 *  "startsAt":"2026-01-02T03:04:05.678Z","endsAt":null,"receivedAt":"...","labels":{..},
 *  "annotations":{..},"receiver":"team.x","generatorURL":"...","score":null,"confidence":null}
 *
 * endsAt is null while it fires; score and confidence are null when they are not a number. The
 * fingerprint is written for readers; reading computes it anew from the labels. "group", 16 hex
 * digits, stands there for findings that belong to others, "node" for those whose pods are all on one.
 */
#include "base/event.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"

static const char *const source_names[] =
	{[EVENT_ALERT] = "alert", [EVENT_FINDING] = "finding", [EVENT_PROPOSAL] = "proposal"};

const char *event_source_name(enum event_source source)
{
	CHECK((unsigned)source < ARRAY_COUNT(source_names));
	return source_names[source];
}

void event_init(struct event *event)
{
	*event = (struct event){.score = NAN, .confidence = NAN};
}

void event_fini(struct event *event)
{
	labels_fini(&event->labels);
	labels_fini(&event->annotations);
	mem_free(event->receiver);
	mem_free(event->generator_url);
	mem_free(event->node);
	event_init(event);
}

static bool clone_text(char **copy, const char *text)
{
	*copy = text ? mem_strdup(text) : NULL;
	return !text || *copy;
}

enum status event_clone(struct event *copy, const struct event *event)
{
	*copy = *event;
	copy->labels = copy->annotations = (struct labels){0};
	copy->receiver = copy->generator_url = copy->node = NULL;
	if (!labels_clone(&copy->labels, &event->labels) &&
		!labels_clone(&copy->annotations, &event->annotations) &&
		clone_text(&copy->receiver, event->receiver) &&
		clone_text(&copy->generator_url, event->generator_url) &&
		clone_text(&copy->node, event->node))
		return STATUS_OK;
	event_fini(copy);
	return STATUS_NO_MEMORY;
}

void event_batch_fini(struct event_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		event_fini(&batch->events[i]);
	mem_free(batch->events);
	*batch = (struct event_batch){0};
}

static void write_text(struct buf *buf, const char *key, const char *text)
{
	buf_printf(buf, ",\"%s\":", key);
	if (text)
		buf_add_json_string(buf, text, strlen(text));
	else
		buf_add_text(buf, "null");
}

static void write_time(struct buf *buf, const char *key, int64_t ms)
{
	char text[32];

	format_rfc3339(ms, text, sizeof(text));
	buf_printf(buf, ",\"%s\":\"%s\"", key, text);
}

void event_write_json(struct buf *buf, const struct event *event)
{
	buf_printf(buf,
		"{\"source\":\"%s\",\"status\":\"%s\",\"truncated\":%s,\"fingerprint\":\"%016" PRIx64
		"\"",
		event_source_name(event->source), event->firing ? "firing" : "resolved",
		event->truncated ? "true" : "false", event->fingerprint);
	write_time(buf, "startsAt", event->starts_ms);
	if (event->ends_ms)
		write_time(buf, "endsAt", event->ends_ms);
	else
		buf_add_text(buf, ",\"endsAt\":null");
	write_time(buf, "receivedAt", event->received_ms);
	buf_add_text(buf, ",\"labels\":");
	labels_write_json(buf, &event->labels);
	buf_add_text(buf, ",\"annotations\":");
	labels_write_json(buf, &event->annotations);
	write_text(buf, "receiver", event->receiver);
	write_text(buf, "generatorURL", event->generator_url);
	buf_add_text(buf, ",\"score\":");
	buf_add_json_number(buf, event->score);
	buf_add_text(buf, ",\"confidence\":");
	buf_add_json_number(buf, event->confidence);
	if (event->node)
		write_text(buf, "node", event->node);
	if (event->group)
		buf_printf(buf, ",\"group\":\"%016" PRIx64 "\"", event->group);
	buf_add_char(buf, '}');
}

/* Decodes one string to *at, which moves behind its NUL. */
static enum status take_string(const struct json_span *span, size_t size_max, char **at,
	const char **text, uint32_t *size, struct error *error)
{
	size_t length;
	enum status status = json_span_decode(span, *at, &length, error);

	if (status)
		return status;
	if (length > size_max)
		return error_set(error, STATUS_LIMIT, "%zu bytes, at most %zu are allowed", length,
			size_max);
	*text = *at;
	*size = (uint32_t)length;
	*at += length + 1;
	return STATUS_OK;
}

enum status event_read_labels(struct labels *labels, const struct json_span *object,
	struct error *error)
{
	struct label pairs[EVENT_LABELS_MAX];
	struct json_span key, value;
	struct json_walk walk;
	enum status status = STATUS_OK;
	size_t count = 0;
	char *room, *at;

	*labels = (struct labels){0};
	if (object->kind == SPAN_NULL)
		return STATUS_OK;
	if (object->kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "an object is expected, not %s",
			json_span_kind_words(object->kind));
	/* Decoded strings with their NULs are never longer than what they stand for with its quotes. */
	at = room = mem_alloc(object->size);
	if (!room)
		return error_set(error, STATUS_NO_MEMORY, "no memory for labels");
	json_walk_init(&walk, object);
	while (!status && json_walk_next(&walk, &key, &value)) {
		struct label *pair = &pairs[count];

		if (count++ == EVENT_LABELS_MAX) {
			status = error_set(error, STATUS_LIMIT, "more than %d pairs",
				EVENT_LABELS_MAX);
			break;
		}
		status = take_string(&key, EVENT_LABEL_NAME_MAX, &at, &pair->name, &pair->name_size,
			error);
		if (status) {
			error_prefix(error, "a name");
			break;
		}
		status = take_string(&value, EVENT_LABEL_VALUE_MAX, &at, &pair->value,
			&pair->value_size, error);
		if (status)
			error_prefix(error, "value of \"%.64s\"", pair->name);
	}
	if (!status)
		status = labels_init(labels, pairs, count, error);
	mem_free(room);
	return status;
}

static enum status read_time(const struct json_span *value, int64_t *ms, struct error *error)
{
	char text[64];

	*ms = 0;
	if (value->kind == SPAN_NULL)
		return STATUS_OK;
	if (value->kind != SPAN_STRING || value->size > sizeof(text) ||
		json_span_decode(value, text, NULL, NULL) || parse_rfc3339(text, ms))
		return error_set(error, STATUS_BAD_INPUT, "a time as in RFC 3339 is expected");
	return STATUS_OK;
}

static enum status read_source(const struct json_span *value, enum event_source *source,
	struct error *error)
{
	for (unsigned i = 0; i < ARRAY_COUNT(source_names); i++) {
		if (json_span_is(value, source_names[i])) {
			*source = (enum event_source)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_BAD_INPUT, "alert, finding or proposal is expected");
}

static enum status read_status(const struct json_span *value, bool *firing, struct error *error)
{
	*firing = json_span_is(value, "firing");
	if (*firing || json_span_is(value, "resolved"))
		return STATUS_OK;
	return error_set(error, STATUS_BAD_INPUT, "firing or resolved is expected");
}

static enum status read_group(const struct json_span *value, uint64_t *group, struct error *error)
{
	char text[32];

	if (value->kind != SPAN_STRING || value->size >= sizeof(text) ||
		json_span_decode(value, text, NULL, NULL) || strlen(text) != 16 ||
		strspn(text, "0123456789abcdef") != 16)
		return error_set(error, STATUS_BAD_INPUT, "16 hex digits are expected");
	*group = strtoull(text, NULL, 16);
	return STATUS_OK;
}

enum event_field {
	FIELD_SOURCE,
	FIELD_STATUS,
	FIELD_TRUNCATED,
	FIELD_STARTS,
	FIELD_ENDS,
	FIELD_RECEIVED,
	FIELD_LABELS,
	FIELD_ANNOTATIONS,
	FIELD_RECEIVER,
	FIELD_GENERATOR,
	FIELD_SCORE,
	FIELD_CONFIDENCE,
	FIELD_GROUP,
	FIELD_NODE,
	FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {"source", "status", "truncated", "startsAt",
	"endsAt", "receivedAt", "labels", "annotations", "receiver", "generatorURL", "score",
	"confidence", "group", "node"};

static enum status read_field(struct event *event, enum event_field field,
	const struct json_span *value, struct error *error)
{
	switch (field) {
	case FIELD_SOURCE:
		return read_source(value, &event->source, error);
	case FIELD_STATUS:
		return read_status(value, &event->firing, error);
	case FIELD_TRUNCATED:
		return json_span_bool(value, &event->truncated, error);
	case FIELD_STARTS:
		return read_time(value, &event->starts_ms, error);
	case FIELD_ENDS:
		return read_time(value, &event->ends_ms, error);
	case FIELD_RECEIVED:
		return read_time(value, &event->received_ms, error);
	case FIELD_LABELS:
		return event_read_labels(&event->labels, value, error);
	case FIELD_ANNOTATIONS:
		return event_read_labels(&event->annotations, value, error);
	case FIELD_RECEIVER:
		return json_span_strdup(value, &event->receiver, error);
	case FIELD_GENERATOR:
		return json_span_strdup(value, &event->generator_url, error);
	case FIELD_SCORE:
		return json_span_double(value, &event->score, error);
	case FIELD_CONFIDENCE:
		return json_span_double(value, &event->confidence, error);
	case FIELD_GROUP:
		return read_group(value, &event->group, error);
	case FIELD_NODE:
		return json_span_strdup(value, &event->node, error);
	case FIELD_COUNT:
		break;
	}
	return STATUS_OK; /* a field of a newer version */
}

static enum event_field find_field(const struct json_span *key)
{
	unsigned field = 0;

	while (field < FIELD_COUNT && !json_span_is(key, field_names[field]))
		field++;
	return (enum event_field)field;
}

enum status event_read_json(struct event *event, const char *text, size_t size, struct error *error)
{
	bool seen[FIELD_COUNT + 1] = {0};
	struct json_span root, key, value;
	struct json_walk walk;
	enum status status;

	event_init(event);
	status = json_span_init(&root, text, size, JSON_SPAN_DEPTH_MAX, error);
	if (status)
		return status;
	if (root.kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "an event is an object, not %s",
			json_span_kind_words(root.kind));
	json_walk_init(&walk, &root);
	while (!status && json_walk_next(&walk, &key, &value)) {
		enum event_field field = find_field(&key);

		/* Each field at most once: reading it again would leak what the first held. */
		if (field < FIELD_COUNT && seen[field])
			status = error_set(error, STATUS_BAD_INPUT, "the field stands twice");
		else
			status = read_field(event, field, &value, error);
		if (status && field < FIELD_COUNT)
			error_prefix(error, "field \"%s\"", field_names[field]);
		seen[field] = true;
	}
	if (!status && (!seen[FIELD_SOURCE] || !seen[FIELD_STATUS] || !seen[FIELD_LABELS]))
		status = error_set(error, STATUS_BAD_INPUT,
			"an event needs source, status and labels");
	if (status)
		event_fini(event);
	else
		event->fingerprint = labels_fingerprint(&event->labels);
	return status;
}
