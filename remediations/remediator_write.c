/*
 * What the API, the page and the commands are told: lists from the board, and for `why` the records
 * of one incident out of the journal, as data and as sentences in the order of time.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/json_fields.h"
#include "remediations/remediator_state.h"

#define LIMIT_DEFAULT 200
#define RECORDS_MAX 1000

enum status remediator_write_alerts(struct remediator *remediator, struct buf *json, size_t limit)
{
	return board_write(remediator->board, BOARD_ALERTS, NULL, limit ? limit : LIMIT_DEFAULT,
		json);
}

enum status remediator_check_state(const char *state, bool incidents, struct error *error)
{
	const char *known[ACTION_STATE_COUNT + OUTCOME_COUNT + 3], *nearest;
	char list[400] = "";
	size_t count = 0, size = 0;

	known[count++] = "open";
	known[count++] = "ended";
	for (unsigned i = 0; i < ACTION_STATE_COUNT; i++)
		known[count++] = action_state_name((enum action_state)i);
	for (unsigned i = OUTCOME_CURED; i < OUTCOME_COUNT && incidents; i++) {
		enum action_state same;

		if (!action_state_parse(outcome_name((enum outcome)i), &same))
			known[count++] = outcome_name((enum outcome)i);
	}
	known[count] = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(known[i], state))
			return STATUS_OK;
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? ", " : "",
			known[i]);
		CHECK(size < sizeof(list));
	}
	nearest = nearest_word(state, known);
	return error_set(error, STATUS_BAD_INPUT, "state \"%.40s\" is none of %s%s%s%s", state,
		list, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		nearest ? "\"?" : "");
}

enum status remediator_write_incidents(struct remediator *remediator, struct buf *json,
	const char *state, size_t limit)
{
	return board_write(remediator->board, BOARD_INCIDENTS, state, limit ? limit : LIMIT_DEFAULT,
		json);
}

enum status remediator_write_actions(struct remediator *remediator, struct buf *json,
	const char *state, size_t limit)
{
	return board_write(remediator->board, BOARD_ACTIONS, state, limit ? limit : LIMIT_DEFAULT,
		json);
}

enum status remediator_write_tickets(struct remediator *remediator, struct buf *json)
{
	if (remediator->tickets)
		tickets_write_status(remediator->tickets, json);
	else
		buf_add_text(json, "[]");
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

/* ---- why ---- */

#define TOLD_MAX 256
#define SUBJECTS_MAX 64

/* What was last said of the incident or of one action. */
struct subject {
	uint64_t key, line;
};

struct telling {
	struct buf sentences, decisions, action_list;
	char *incident; /* its newest body */
	size_t sentence_count, decision_count, action_count;
	char last[1024];
	/* Hashes of what stands in each record from then on and is told once; a story that has more of
	 * them tells the others again. */
	uint64_t told[TOLD_MAX];
	size_t told_count;
	/* States; a story that has more subjects tells the others' states with each record. */
	struct subject subjects[SUBJECTS_MAX];
	size_t subject_count;
};

/* A text field of a body, or "". */
static void text_of(const struct json_span *body, const char *name, char *text, size_t size)
{
	struct json_span value;
	char *copy = NULL;

	*text = '\0';
	if (fields_find(body, name, &value) && value.kind == SPAN_STRING &&
		!json_span_strdup(&value, &copy, NULL) && copy)
		snprintf(text, size, "%s", copy);
	mem_free(copy);
}

static void add_sentence(struct telling *telling, int64_t time_ms, const char *kind,
	const char *text)
{
	char when[32], line[1024];

	format_rfc3339(time_ms, when, sizeof(when));
	snprintf(line, sizeof(line), "%s%s", kind, text);
	/* A state is journaled again when only its surroundings changed. */
	if (!*text || !strcmp(line, telling->last))
		return;
	snprintf(telling->last, sizeof(telling->last), "%s", line);
	buf_printf(&telling->sentences,
		"%s{\"time\":\"%s\",\"text\":", telling->sentence_count++ ? "," : "", when);
	buf_add_json_string(&telling->sentences, line, strlen(line));
	buf_add_char(&telling->sentences, '}');
}

static uint64_t hash_of(const char *kind, const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (const char *at = kind; *at; at++)
		hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
	for (const char *at = text; *at; at++)
		hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
	return hash;
}

static void add_once(struct telling *telling, int64_t time_ms, const char *kind, const char *text)
{
	uint64_t hash = hash_of(kind, text);

	for (size_t i = 0; i < telling->told_count; i++)
		if (telling->told[i] == hash)
			return;
	if (telling->told_count < TOLD_MAX)
		telling->told[telling->told_count++] = hash;
	add_sentence(telling, time_ms, kind, text);
}

/* The state of a subject, the incident ("") or an action; not again while it stays, whatever else is told
 * in between. */
static void add_state(struct telling *telling, int64_t time_ms, const char *subject,
	const char *kind, const char *text)
{
	uint64_t key = hash_of("", subject), line = hash_of(kind, text);
	size_t i = 0;

	while (i < telling->subject_count && telling->subjects[i].key != key)
		i++;
	if (i < telling->subject_count && telling->subjects[i].line == line)
		return;
	if (i < SUBJECTS_MAX) {
		telling->subjects[i] = (struct subject){key, line};
		if (i == telling->subject_count)
			telling->subject_count++;
	}
	add_sentence(telling, time_ms, kind, text);
}

/* The record's decision with a sentence for each gate. */
static void write_decision(struct buf *json, const struct json_span *body)
{
	struct json_span key, value;
	struct json_walk walk;
	size_t count = 0;

	buf_add_char(json, '{');
	json_walk_init(&walk, body);
	while (json_walk_next(&walk, &key, &value)) {
		buf_add_text(json, count++ ? "," : "");
		buf_add(json, key.text, key.size);
		buf_add_char(json, ':');
		if (json_span_is(&key, "gates"))
			gates_write_told(json, &value);
		else
			buf_add(json, value.text, value.size);
	}
	buf_add_char(json, '}');
}

static void tell_decision(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	char verdict[64], reason[64], text[GATE_SENTENCE_MAX], line[1024];

	text_of(body, "verdict", verdict, sizeof(verdict));
	text_of(body, "reason", reason, sizeof(reason));
	text_of(body, "text", text, sizeof(text));
	snprintf(line, sizeof(line), "%s%s%s%s%s", verdict, *reason ? " (" : "", reason,
		*reason ? "). " : ".", text);
	add_sentence(telling, record->time_ms, "The guard decided: ", line);
	buf_add_text(&telling->decisions, telling->decision_count++ ? "," : "");
	write_decision(&telling->decisions, body);
}

/* The alerts and findings that joined the incident. */
static void tell_companions(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	struct json_span list, value;
	struct json_walk walk;
	uint64_t unlisted;

	if (!fields_find(body, "companions", &list))
		return;
	json_walk_init(&walk, &list);
	while (json_walk_next(&walk, NULL, &value)) {
		char name[128], text[COMPANION_TEXT_MAX], ended[64], line[512];

		text_of(&value, "name", name, sizeof(name));
		text_of(&value, "text", text, sizeof(text));
		text_of(&value, "ended_at", ended, sizeof(ended));
		snprintf(line, sizeof(line), "%s%s%s%s", name, *text ? " (" : "", text,
			*text ? ")" : "");
		add_once(telling, record->time_ms, "Joined by ", line);
		if (*ended)
			add_once(telling, record->time_ms, "Ended, of what joined: ", line);
	}
	if (fields_find(body, "unlisted", &value) &&
		json_span_natural(&value, &unlisted, NULL) == STATUS_OK && unlisted > 0)
		add_once(telling, record->time_ms, "Joined by ",
			"more events than are listed one by one; \"unlisted\" of the incident counts "
			"them");
}

static void tell_incident(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	char outcome[64], sentence[512], name[256], playbook[128], line[1024];

	text_of(body, "outcome", outcome, sizeof(outcome));
	text_of(body, "sentence", sentence, sizeof(sentence));
	if (!telling->incident) {
		text_of(body, "name", name, sizeof(name));
		text_of(body, "playbook", playbook, sizeof(playbook));
		snprintf(line, sizeof(line), "%s came, and playbook %s answers it.", name,
			playbook);
		add_sentence(telling, record->time_ms, "", line);
		text_of(body, "target_refused_because", sentence, sizeof(sentence));
		add_sentence(telling, record->time_ms, "", sentence);
	}
	tell_companions(telling, record, body);
	if (strcmp(outcome, "none") != 0) {
		snprintf(line, sizeof(line), "%s. %s", outcome, sentence);
		add_state(telling, record->time_ms, "", "The incident ended: ", line);
	}
	mem_free(telling->incident);
	telling->incident = mem_strdup(record->body);
}

/* What people said of it, each with its time: their names stand in the records from then on. */
static void tell_people(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	struct json_span list, value;
	struct json_walk walk;
	char line[768], text[512], asked[IDENTITY_MAX];

	text_of(body, "asked_by", asked, sizeof(asked));
	if (fields_find(body, "approvals", &list)) {
		json_walk_init(&walk, &list);
		while (json_walk_next(&walk, NULL, &value)) {
			char by[IDENTITY_MAX], role[ROLE_MAX], given[64], until[64];

			text_of(&value, "by", by, sizeof(by));
			text_of(&value, "role", role, sizeof(role));
			text_of(&value, "given_at", given, sizeof(given));
			text_of(&value, "until", until, sizeof(until));
			snprintf(line, sizeof(line), "%s: %s by %s%s%s%s at %s, good until %s.",
				record->key,
				!strcmp(asked, by) ? "asked for and approved" : "approved", by,
				*role ? " (" : "", role, *role ? ")" : "", given, until);
			add_once(telling, record->time_ms, "Action ", line);
		}
	}
	text_of(body, "approval_void_because", text, sizeof(text));
	if (*text) {
		snprintf(line, sizeof(line), "%s: %s", record->key, text);
		add_once(telling, record->time_ms, "Action ", line);
	}
}

static void tell_action(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	char state[64], sentence[512], line[768];

	tell_people(telling, record, body);
	text_of(body, "state", state, sizeof(state));
	text_of(body, "sentence", sentence, sizeof(sentence));
	snprintf(line, sizeof(line), "%s: %s. %s", record->key, state, sentence);
	add_state(telling, record->time_ms, record->key, "Action ", line);
}

/* What a service was told, or why not. */
static void tell_ticket(struct telling *telling, const struct record *record,
	const struct json_span *body)
{
	char service[64], operation[32], state[32], key[160], error[300], line[768];

	text_of(body, "service", service, sizeof(service));
	text_of(body, "operation", operation, sizeof(operation));
	text_of(body, "state", state, sizeof(state));
	text_of(body, "key", key, sizeof(key));
	text_of(body, "error", error, sizeof(error));
	snprintf(line, sizeof(line), "%s of the ticket in %s: %s%s%s%s%s.", operation, service,
		state, *key ? ", " : "", key, *error ? ": " : "", error);
	add_sentence(telling, record->time_ms, "", line);
}

static bool tell_record(void *argument, const struct record *record)
{
	struct telling *telling = argument;
	struct json_span body;

	if (json_span_init(&body, record->body, strlen(record->body), 16, NULL))
		return true;
	if (record->kind == RECORD_INCIDENT)
		tell_incident(telling, record, &body);
	else if (record->kind == RECORD_ACTION)
		tell_action(telling, record, &body);
	else if (record->kind == RECORD_DECISION)
		tell_decision(telling, record, &body);
	else if (record->kind == RECORD_TICKET)
		tell_ticket(telling, record, &body);
	return true;
}

/* The incident's actions as the board shows them now, in their order. */
static void list_actions(struct remediator *remediator, struct telling *telling)
{
	struct json_span body, actions, value;
	struct json_walk walk;
	char id[ACTION_ID_MAX];

	if (!telling->incident ||
		json_span_init(&body, telling->incident, strlen(telling->incident), 16, NULL) ||
		!fields_find(&body, "actions", &actions))
		return;
	json_walk_init(&walk, &actions);
	while (json_walk_next(&walk, NULL, &value)) {
		struct buf one;

		if (value.size > sizeof(id) || json_span_decode(&value, id, NULL, NULL))
			continue;
		buf_init(&one, 1 << 20);
		if (!board_get(remediator->board, BOARD_ACTIONS, id, &one)) {
			buf_add_text(&telling->action_list, telling->action_count++ ? "," : "");
			buf_add_text(&telling->action_list, one.data);
		}
		buf_fini(&one);
	}
}

static void write_part(struct buf *json, const char *name, const struct buf *list)
{
	buf_printf(json, ",\"%s\":[", name);
	if (list->data)
		buf_add(json, list->data, list->size);
	buf_add_char(json, ']');
}

/* "a-<rest>-<number>" belongs to "i-<rest>"; other ids are taken as they are. */
static void incident_id_of(const char *id, char *incident, size_t size)
{
	const char *end = strrchr(id, '-');

	if (!strncmp(id, "a-", 2) && end > id + 1)
		snprintf(incident, size, "i-%.*s", (int)(end - id - 2), id + 2);
	else
		snprintf(incident, size, "%s", id);
}

enum status remediator_write_why(struct remediator *remediator, const char *id, struct buf *json)
{
	char incident[ACTION_ID_MAX];
	struct telling telling = {.incident = NULL};
	struct journal_query query = {.kind = -1, .limit = RECORDS_MAX};
	struct error error;
	enum status status;

	incident_id_of(id, incident, sizeof(incident));
	buf_init(&telling.sentences, json->max);
	buf_init(&telling.decisions, json->max);
	buf_init(&telling.action_list, json->max);
	/* An event that became no incident left a decision under its fingerprint. */
	if (strncmp(incident, "i-", 2) != 0) {
		query.kind = RECORD_DECISION;
		query.key = incident;
	} else {
		query.incident = incident;
	}
	status = journal_read(remediator->journal, &query, tell_record, &telling, &error);
	if (!status && !telling.sentence_count)
		status = STATUS_NOT_FOUND;
	if (!status) {
		list_actions(remediator, &telling);
		buf_add_text(json, "{\"id\":");
		buf_add_json_string(json, id, strlen(id));
		buf_printf(json, ",\"incident\":%s", telling.incident ? telling.incident : "null");
		buf_add_text(json, ",\"tickets\":");
		if (remediator->tickets)
			tickets_write_incident(remediator->tickets, incident, json);
		else
			buf_add_text(json, "[]");
		write_part(json, "actions", &telling.action_list);
		write_part(json, "sentences", &telling.sentences);
		write_part(json, "decisions", &telling.decisions);
		buf_add_char(json, '}');
		if (!buf_ok(json))
			status = STATUS_TOO_LARGE;
	}
	mem_free(telling.incident);
	buf_fini(&telling.sentences);
	buf_fini(&telling.decisions);
	buf_fini(&telling.action_list);
	return status;
}
