/*
 * Verifying an export: each line must follow from the one before it, as the records did in the
 * journal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_span.h"
#include "base/mem.h"
#include "remediations/audit.h"
#include "remediations/audit_chain.h"

struct reading {
	struct chain_hasher hasher;
	struct audit_report *report;
	const struct audit_head *head;
	uint64_t line, number;
	unsigned char before[JOURNAL_HASH_SIZE];
	bool begun, ended;
};

/* A line's fields. */
struct fields {
	struct json_span number, removed, digest, hash, time_ms, kind, ended, key, incident, body,
		body_text, audit, before, end, records, last;
};

static const struct {
	const char *name;
	size_t offset;
} field_table[] = {
#define F(field, name)                                                                             \
	{                                                                                          \
		name, offsetof(struct fields, field)                                               \
	}
	F(number, "number"),
	F(removed, "removed"),
	F(digest, "digest"),
	F(hash, "hash"),
	F(time_ms, "time_ms"),
	F(kind, "kind_number"),
	F(ended, "ended"),
	F(key, "key"),
	F(incident, "incident"),
	F(body, "body"),
	F(body_text, "body_text"),
	F(audit, "audit"),
	F(before, "before"),
	F(end, "end"),
	F(records, "records"),
	F(last, "last"),
#undef F
};

/* False at the end of the input. */
static bool next_line(FILE *in, struct buf *line)
{
	char piece[65536];

	buf_reset(line);
	while (fgets(piece, sizeof(piece), in) != NULL) {
		size_t size = strlen(piece);

		if (size > 0 && piece[size - 1] == '\n') {
			buf_add(line, piece, size - 1);
			return true;
		}
		buf_add(line, piece, size);
	}
	return line->size > 0;
}

static enum status refuse(struct reading *reading, uint64_t number, struct error *error,
	const char *why)
{
	reading->report->broken = number != 0 ? number : 1;
	return error_set(error, STATUS_CONFLICT, "record %" PRIu64 " (line %" PRIu64 "): %s",
		reading->report->broken, reading->line, why);
}

static bool take_hash(const struct json_span *span, unsigned char hash[JOURNAL_HASH_SIZE])
{
	return span->text != NULL && span->kind == SPAN_STRING && span->size > 2 &&
		chain_unhex(span->text + 1, span->size - 2, hash);
}

static bool take_number(const struct json_span *span, int64_t *number)
{
	uint64_t value;

	if (span->text == NULL)
		return false;
	/* Times before 1970 are none that a journal has. */
	if (json_span_natural(span, &value, NULL) != STATUS_OK || value > INT64_MAX)
		return false;
	*number = (int64_t)value;
	return true;
}

static bool take_text(const struct json_span *span, char **text, struct chain_text *taken)
{
	if (span->text == NULL || span->kind != SPAN_STRING ||
		json_span_strdup(span, text, NULL) != STATUS_OK)
		return false;
	*taken = (struct chain_text){*text, strlen(*text)};
	return true;
}

/* The digest of a line, computed or given. */
static enum status digest_line(struct reading *reading, const struct fields *fields,
	unsigned char digest[JOURNAL_HASH_SIZE], struct error *error)
{
	struct chain_row row = {.number = (int64_t)reading->number + 1};
	char *key = NULL, *incident = NULL, *body = NULL;
	enum status status = STATUS_OK;
	bool good;

	if (fields->removed.text != NULL) {
		reading->report->removed++;
		return take_hash(&fields->digest, digest)
			? STATUS_OK
			: refuse(reading, reading->number + 1, error, "its digest is none");
	}
	good = take_number(&fields->time_ms, &row.time_ms) &&
		take_number(&fields->kind, &row.kind) && take_number(&fields->ended, &row.ended) &&
		take_text(&fields->key, &key, &row.key) &&
		take_text(&fields->incident, &incident, &row.incident);
	if (good && fields->body.text != NULL)
		row.body = (struct chain_text){fields->body.text, fields->body.size};
	else if (good)
		good = take_text(&fields->body_text, &body, &row.body);
	if (!good)
		status = refuse(reading, reading->number + 1, error,
			"a field is missing or is none that an export has");
	else if (chain_digest(&reading->hasher, &row, digest) != STATUS_OK)
		status = error_set(error, STATUS_NO_MEMORY, "cannot hash a record");
	mem_free(key);
	mem_free(incident);
	mem_free(body);
	return status;
}

static enum status take_record(struct reading *reading, const struct fields *fields,
	struct error *error)
{
	unsigned char digest[JOURNAL_HASH_SIZE], hash[JOURNAL_HASH_SIZE], told[JOURNAL_HASH_SIZE];
	struct audit_report *report = reading->report;
	uint64_t expected = reading->number + 1;
	int64_t number = 0;
	enum status status;

	if (!take_number(&fields->number, &number))
		return refuse(reading, expected, error, "it has no number");
	if ((uint64_t)number != expected)
		return refuse(reading, expected, error, "it is missing, or stands elsewhere");
	status = digest_line(reading, fields, digest, error);
	if (status != STATUS_OK)
		return status;
	/* An export may begin with the row that the journal begins with, whose hash stands for all
	 * that was before it. */
	if (chain_link(&reading->hasher, reading->before, digest, hash) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "cannot hash a record");
	if (!take_hash(&fields->hash, told))
		return refuse(reading, expected, error, "it has no hash");
	if (memcmp(told, hash, sizeof(hash)) != 0 &&
		!(report->records == 0 && fields->removed.text != NULL && expected > 1))
		return refuse(reading, expected, error,
			"it does not fit its hash and the record before it: it was changed, "
			"inserted or moved");
	memcpy(reading->before, told, sizeof(told));
	memcpy(report->head, told, sizeof(told));
	reading->number = report->last = expected;
	if (report->records++ == 0)
		report->first = expected;
	if (fields->removed.text == NULL && take_number(&fields->time_ms, &report->last_ms) &&
		report->first_ms == 0)
		report->first_ms = report->last_ms;
	if (reading->head != NULL && memcmp(told, reading->head->hash, sizeof(told)) == 0)
		report->asked_for = expected;
	return STATUS_OK;
}

/* "NUMBER:HASH" */
static bool take_head(const struct json_span *span, struct audit_head *head)
{
	char text[128];

	return span->text != NULL && span->kind == SPAN_STRING && span->size < sizeof(text) &&
		json_span_decode(span, text, NULL, NULL) == STATUS_OK &&
		(strncmp(text, "0:", 2) == 0 ? chain_unhex(text + 2, strlen(text + 2), head->hash)
					     : audit_head_parse(text, head, NULL) == STATUS_OK);
}

static enum status take_begin(struct reading *reading, const struct fields *fields,
	struct error *error)
{
	struct audit_head before = {0};

	if (fields->audit.text == NULL || !json_span_is(&fields->audit, "nimbusguard") ||
		!take_head(&fields->before, &before))
		return error_set(error, STATUS_BAD_INPUT,
			"it is neither a journal nor an export in JSON lines");
	reading->begun = true;
	reading->number = before.number;
	memcpy(reading->before, before.hash, sizeof(reading->before));
	memcpy(reading->report->head, before.hash, sizeof(reading->before));
	return STATUS_OK;
}

static enum status take_end(struct reading *reading, const struct fields *fields,
	struct error *error)
{
	struct audit_head last = {0};
	int64_t records = 0;

	reading->ended = true;
	if (!take_number(&fields->records, &records) || !take_head(&fields->last, &last) ||
		(uint64_t)records != reading->report->records ||
		(records > 0 &&
			(last.number != reading->number ||
				memcmp(last.hash, reading->before, JOURNAL_HASH_SIZE) != 0)))
		return refuse(reading, reading->number + 1, error,
			"its last line tells of other records: some were taken out at its end");
	return STATUS_OK;
}

static enum status take_line(struct reading *reading, const struct buf *line, struct error *error)
{
	struct fields fields = {.number = {.text = NULL}};
	struct json_span root, key, value;
	struct json_walk walk;
	enum status status =
		json_span_init(&root, line->data, line->size, JSON_SPAN_DEPTH_MAX, NULL);

	reading->line++;
	if (status != STATUS_OK || root.kind != SPAN_OBJECT)
		return reading->begun ? refuse(reading, reading->number + 1, error, "it is no JSON")
				      : take_begin(reading, &fields, error);
	json_walk_init(&walk, &root);
	while (json_walk_next(&walk, &key, &value))
		for (size_t i = 0; i < sizeof(field_table) / sizeof(field_table[0]); i++)
			if (json_span_is(&key, field_table[i].name))
				memcpy((char *)&fields + field_table[i].offset, &value,
					sizeof(value));
	if (!reading->begun)
		return take_begin(reading, &fields, error);
	if (reading->ended)
		return refuse(reading, reading->number + 1, error, "it stands behind the end");
	return fields.end.text != NULL ? take_end(reading, &fields, error)
				       : take_record(reading, &fields, error);
}

static enum status check_end(struct reading *reading, struct error *error)
{
	const struct audit_head *head = reading->head;

	if (!reading->begun)
		return error_set(error, STATUS_BAD_INPUT, "it is empty");
	if (!reading->ended)
		return refuse(reading, reading->number + 1, error,
			"the export has no last line: it was cut off");
	if (head == NULL || reading->report->asked_for != 0)
		return STATUS_OK;
	if (head->number != 0 && head->number < reading->report->first)
		return error_set(error, STATUS_NOT_FOUND,
			"the export begins behind the record that the given hash is of");
	return refuse(reading, head->number != 0 ? head->number : reading->number + 1, error,
		"the given hash is none of this chain");
}

enum status audit_verify_export(FILE *in, const struct audit_head *head,
	struct audit_report *report, struct error *error)
{
	struct reading reading = {.report = report, .head = head};
	enum status status = chain_hasher_init(&reading.hasher, error);
	struct buf line;

	*report = (struct audit_report){0};
	if (status != STATUS_OK)
		return status;
	buf_init(&line, AUDIT_LINE_MAX);
	while (status == STATUS_OK && next_line(in, &line)) {
		if (!buf_ok(&line))
			status = error_set(error, STATUS_NO_MEMORY, "line %" PRIu64 " is too long",
				reading.line + 1);
		else
			status = take_line(&reading, &line, error);
	}
	if (status == STATUS_OK && ferror(in))
		status = error_set(error, STATUS_IO, "it can't be read");
	if (status == STATUS_OK)
		status = check_end(&reading, error);
	buf_fini(&line);
	chain_hasher_fini(&reading.hasher);
	return status;
}
