/*
 * Tickets as values. The form in the journal and in the webhook's message is one table of fields.
 */
#include "remediations/ticket.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/parse.h"
#include "base/utf8.h"
#include "remediations/json_fields.h"

static const char *const kind_names[] = {
#define X(kind, name) name,
	TICKET_KIND_TABLE(X)
#undef X
};

static const char *const operation_names[] = {
#define X(operation, name, type) name,
	TICKET_OPERATION_TABLE(X)
#undef X
};

static const char *const operation_types[] = {
#define X(operation, name, type) type,
	TICKET_OPERATION_TABLE(X)
#undef X
};

static const char *const severity_names[] = {"critical", "error", "warning", "info"};

const char *ticket_kind_name(int kind)
{
	return kind < TICKET_KIND_COUNT ? kind_names[kind] : NULL;
}

const char *ticket_operation_name(int operation)
{
	return operation < TICKET_OPERATION_COUNT ? operation_names[operation] : NULL;
}

const char *ticket_operation_type(enum ticket_operation operation)
{
	CHECK((unsigned)operation < TICKET_OPERATION_COUNT);
	return operation_types[operation];
}

const char *ticket_severity_name(int severity)
{
	return severity < TICKET_SEVERITY_COUNT ? severity_names[severity] : NULL;
}

enum ticket_severity ticket_severity_of(const char *label)
{
	static const struct {
		const char *word;
		enum ticket_severity severity;
	} words[] = {{"critical", TICKET_CRITICAL}, {"page", TICKET_CRITICAL},
		{"error", TICKET_ERROR}, {"high", TICKET_ERROR}, {"major", TICKET_ERROR},
		{"info", TICKET_INFO}, {"none", TICKET_INFO}, {"low", TICKET_INFO},
		{"informational", TICKET_INFO}};

	for (size_t i = 0; label != NULL && i < ARRAY_COUNT(words); i++)
		if (strcasecmp(label, words[i].word) == 0)
			return words[i].severity;
	return TICKET_WARNING;
}

/* ---- texts ---- */

/* Whether all of it is the beginning of a character. */
static bool is_torn(const char *text, size_t size)
{
	if (size > 3 || (unsigned char)text[0] < 0xc2 || (unsigned char)text[0] > 0xf4)
		return false;
	for (size_t i = 1; i < size; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* The next character of a text: its bytes, which may be others than stand there. False at the end. */
static bool next_rune(const char **at, size_t *left, const char **bytes, size_t *size)
{
	while (*left > 0) {
		*size = utf8_length(*at, *left);
		if (*size > 0) {
			*bytes = *at;
			*at += *size;
			*left -= *size;
			return true;
		}
		/* A sequence that was cut at the end of a field is no character any more. */
		if (is_torn(*at, *left))
			return false;
		++*at;
		--*left;
		*bytes = "\xef\xbf\xbd";
		*size = 3;
		return true;
	}
	return false;
}

void ticket_text_copy(char *to, size_t size, const char *text)
{
	const char *at = text, *bytes;
	size_t left = strlen(text), length, used = 0;

	CHECK(size > 0);
	while (next_rune(&at, &left, &bytes, &length)) {
		if (used + length >= size)
			break;
		memcpy(to + used, bytes, length);
		used += length;
	}
	to[used] = '\0';
}

void ticket_add_json(struct buf *json, const char *text, size_t rune_max, size_t byte_max,
	bool one_line)
{
	const char *at = text, *bytes;
	size_t left = strlen(text), size, runes = 0, kept = 0;
	struct buf cut;

	CHECK(rune_max >= 3 && byte_max >= 3);
	buf_init(&cut, byte_max + 1);
	buf_add_text(&cut, "");
	while (next_rune(&at, &left, &bytes, &size)) {
		if (runes == rune_max || cut.size + size > byte_max) {
			/* The place for the dots was noted when there was still room for them. */
			cut.size = kept;
			buf_add_text(&cut, "...");
			break;
		}
		if (one_line && size == 1 && (unsigned char)*bytes < ' ')
			bytes = " ";
		buf_add(&cut, bytes, size);
		runes++;
		if (runes + 3 <= rune_max && cut.size + 3 <= byte_max)
			kept = cut.size;
	}
	if (buf_ok(&cut))
		buf_add_json_string(json, cut.data, cut.size);
	else
		json->failed = true;
	buf_fini(&cut);
}

/* ---- from an incident ---- */

/* Only what is sure to be fine in a header, a JQL string and a key: ASCII without blanks and quotes. */
static void key_part(char *to, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 1 < size; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			(*text >= '0' && *text <= '9') || *text == '-' || *text == '.';

		to[used++] = plain ? *text : '_';
	}
	if (used == 0)
		to[used++] = '-';
	to[used] = '\0';
}

/* nimbusguard/<cluster>/<namespace>/<workload>/<incident>; the incident is never cut. */
static void make_key(char key[TICKET_KEY_MAX], const struct incident *incident)
{
	const struct target *target = &incident->target;
	bool owned = target->workload.kind != TARGET_NONE;
	char cluster[33], namespace_name[50], workload[60];

	key_part(cluster, sizeof(cluster), target->cluster);
	key_part(namespace_name, sizeof(namespace_name), target->namespace_name);
	key_part(workload, sizeof(workload), owned ? target->workload.name : target->name);
	snprintf(key, TICKET_KEY_MAX, "nimbusguard/%s/%s/%s/%s", cluster, namespace_name, workload,
		incident->id);
}

static void list_tried(struct ticket_event *event, const struct incident *incident,
	const struct action *but)
{
	char line[SENTENCE_MAX + 512];
	struct buf text;

	buf_init(&text, ACTIONS_MAX * sizeof(line));
	for (size_t i = 0; i < incident->action_count; i++) {
		const struct action *action = incident->actions[i];

		if (action == but || action->plan.kind == ACTION_TICKET)
			continue;
		snprintf(line, sizeof(line), "%s: %s: %s. %s\n", action->id,
			*action->plan.words ? action->plan.words
					    : action_kind_name(action->plan.kind),
			action_state_name(action->state), action->sentence);
		buf_add_text(&text, line);
	}
	ticket_text_copy(event->tried, sizeof(event->tried),
		buf_ok(&text) && text.data != NULL ? text.data : "");
	buf_fini(&text);
}

static void make_link(struct ticket_event *event, const char *external_url,
	const struct incident *incident)
{
	size_t size = strlen(external_url);

	while (size > 0 && external_url[size - 1] == '/')
		size--;
	if (size > 0 && size < sizeof(event->link) - 2 * INCIDENT_ID_MAX)
		snprintf(event->link, sizeof(event->link), "%.*s/#%s", (int)size, external_url,
			incident->id);
}

void ticket_event_fill(struct ticket_event *event, enum ticket_operation operation,
	const struct incident *incident, const struct action *action, const char *external_url,
	const char *runbook, const char *text, int64_t now_ms)
{
	const struct target *target = &incident->target;
	const struct workload_key *workload = &target->workload;

	*event = (struct ticket_event){.operation = operation,
		.severity = ticket_severity_of(labels_get(&incident->event.labels, "severity")),
		.fingerprint = incident->event.fingerprint,
		.starts_ms = incident->starts_ms,
		.time_ms = now_ms};
	make_key(event->key, incident);
	memcpy(event->incident, incident->id, sizeof(event->incident));
	if (action != NULL)
		memcpy(event->action, action->id, sizeof(event->action));
	ticket_text_copy(event->name, sizeof(event->name), event_name(&incident->event));
	memcpy(event->playbook, incident->playbook, sizeof(event->playbook));
	if (target->kind != TARGET_NONE) {
		char words[TARGET_TEXT_MAX];

		target_write(target, words, sizeof(words));
		ticket_text_copy(event->target, sizeof(event->target), words);
		ticket_text_copy(event->cluster, sizeof(event->cluster), target->cluster);
		ticket_text_copy(event->namespace_name, sizeof(event->namespace_name),
			target->namespace_name);
	}
	if (workload->kind != TARGET_NONE) {
		snprintf(event->workload_kind, sizeof(event->workload_kind), "%s",
			target_kind_name(workload->kind));
		ticket_text_copy(event->workload, sizeof(event->workload), workload->name);
	}
	ticket_text_copy(event->reason, sizeof(event->reason), incident->reason);
	ticket_text_copy(event->sentence, sizeof(event->sentence), incident->sentence);
	ticket_text_copy(event->title, sizeof(event->title),
		text == NULL && action != NULL ? action->plan.title : event->name);
	ticket_text_copy(event->text, sizeof(event->text),
		text != NULL             ? text
			: action != NULL ? action->plan.text
					 : "");
	companions_write(incident, event->joined, sizeof(event->joined));
	if (operation == TICKET_OPEN)
		list_tried(event, incident, action);
	make_link(event, external_url, incident);
	if (runbook != NULL)
		ticket_text_copy(event->runbook, sizeof(event->runbook), runbook);
}

/* ---- JSON ---- */

static const struct field event_fields[] = {
	FIELD_ENUM("operation", struct ticket_event, operation, ticket_operation_name),
	FIELD_ENUM("severity", struct ticket_event, severity, ticket_severity_name),
	FIELD(FIELD_TEXT, struct ticket_event, key),
	FIELD(FIELD_TEXT, struct ticket_event, incident),
	FIELD(FIELD_TEXT, struct ticket_event, action),
	FIELD(FIELD_TEXT, struct ticket_event, name),
	FIELD(FIELD_TEXT, struct ticket_event, playbook),
	FIELD(FIELD_TEXT, struct ticket_event, cluster),
	FIELD_NAMED("namespace", FIELD_TEXT, struct ticket_event, namespace_name),
	FIELD(FIELD_TEXT, struct ticket_event, workload_kind),
	FIELD(FIELD_TEXT, struct ticket_event, workload),
	FIELD(FIELD_TEXT, struct ticket_event, target),
	FIELD(FIELD_TEXT, struct ticket_event, title),
	FIELD(FIELD_TEXT, struct ticket_event, text),
	FIELD(FIELD_TEXT, struct ticket_event, reason),
	FIELD(FIELD_TEXT, struct ticket_event, sentence),
	FIELD(FIELD_TEXT, struct ticket_event, joined),
	FIELD(FIELD_TEXT, struct ticket_event, tried),
	FIELD(FIELD_TEXT, struct ticket_event, gates),
	FIELD(FIELD_TEXT, struct ticket_event, link),
	FIELD(FIELD_TEXT, struct ticket_event, runbook),
	FIELD(FIELD_HASH, struct ticket_event, fingerprint),
	FIELD_NAMED("starts_at", FIELD_TIME, struct ticket_event, starts_ms),
	FIELD_NAMED("time", FIELD_TIME, struct ticket_event, time_ms),
};

void ticket_event_write(struct buf *json, const struct ticket_event *event)
{
	buf_add_char(json, '{');
	fields_write(json, event_fields, ARRAY_COUNT(event_fields), event);
	buf_add_char(json, '}');
}

enum status ticket_event_read(const struct json_span *object, struct ticket_event *event,
	struct error *error)
{
	memset(event, 0, sizeof(*event));
	return fields_read(object, event_fields, ARRAY_COUNT(event_fields), event, error);
}

/* ---- for people ---- */

static void add_part(struct buf *text, const char *name, const char *value)
{
	if (*value != '\0')
		buf_printf(text, "%s: %s\n", name, value);
}

static void add_block(struct buf *text, const char *name, const char *value)
{
	if (*value != '\0')
		buf_printf(text, "\n%s:\n%s", name, value);
}

void ticket_event_words(struct buf *text, const struct ticket_event *event)
{
	char when[32];

	if (*event->text != '\0')
		buf_printf(text, "%s\n", event->text);
	if (event->operation != TICKET_OPEN) {
		add_part(text, "Action", event->action);
		add_part(text, "Record", event->link);
		return;
	}
	format_rfc3339(event->starts_ms, when, sizeof(when));
	buf_add_char(text, '\n');
	add_part(text, "Alert", event->name);
	add_part(text, "Joined by", event->joined);
	add_part(text, "Target", event->target);
	add_part(text, "Since", when);
	add_part(text, "Severity", ticket_severity_name((int)event->severity));
	add_part(text, "Why", event->sentence);
	add_part(text, "Playbook", event->playbook);
	add_part(text, "Incident", event->incident);
	add_part(text, "Record", event->link);
	add_part(text, "Runbook", event->runbook);
	add_block(text, "Tried before", event->tried);
	add_block(text, "The guard said", event->gates);
}
