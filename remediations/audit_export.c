/*
 * Records as lines. A body is written as it is, for the hash covers its bytes; one that is no JSON on
 * one line is written as a text.
 *
 * JSON lines:
 *   {"audit":"nimbusguard","exported":T,"before":"NUMBER:HASH"}     hash that the first one follows
 *   {"number":N,"time":T,"time_ms":M,"kind":K,"kind_number":I,"ended":0,"key":..,"incident":..,
 *    "body":{..}|"body_text":"..","hash":H}
 *   {"number":N,"removed":true,"digest":D,"hash":H}                  removed for its age
 *   {"end":true,"records":N,"last":"NUMBER:HASH","head":"NUMBER:HASH"}
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_span.h"
#include "base/parse.h"
#include "remediations/audit_state.h"
#include "remediations/audit_walk.h"
#include "remediations/journal.h"
#include "remediations/journal_file.h"

struct exporting {
	const struct audit_span *span;
	FILE *out;
	uint64_t from, to; /* numbers, both included */
	struct buf line;
	uint64_t lines, last;
	unsigned char last_hash[JOURNAL_HASH_SIZE];
	bool begun, failed;
	int cause; /* errno of the first write that failed; 0: out of memory */
};

static void add_text(struct buf *line, const struct chain_text *text)
{
	buf_add_json_string(line, text->text, text->size);
}

/* Whether the body can stand in a line as it is. */
static bool is_json_line(const struct chain_text *body)
{
	struct json_span root;

	return memchr(body->text, '\n', body->size) == NULL &&
		memchr(body->text, '\r', body->size) == NULL &&
		json_span_init(&root, body->text, body->size, JSON_SPAN_DEPTH_MAX - 1, NULL) ==
		STATUS_OK &&
		root.size == body->size;
}

static void write_json(struct buf *line, const struct chain_row *row)
{
	char time[32], hash[JOURNAL_HASH_TEXT_SIZE];

	chain_hex(row->hash, hash);
	if (row->kind == CHAIN_KIND_REMOVED) {
		buf_printf(line,
			"{\"number\":%" PRId64 ",\"removed\":true,\"digest\":\"%.64s\","
			"\"hash\":\"%s\"}\n",
			row->number, row->body.text, hash);
		return;
	}
	format_rfc3339(row->time_ms, time, sizeof(time));
	buf_printf(line,
		"{\"number\":%" PRId64 ",\"time\":\"%s\",\"time_ms\":%" PRId64 ",\"kind\":\"%s\","
		"\"kind_number\":%" PRId64 ",\"ended\":%" PRId64 ",\"key\":",
		row->number, time, row->time_ms,
		row->kind < RECORD_KIND_COUNT ? record_kind_name((enum record_kind)row->kind)
					      : "unknown",
		row->kind, row->ended);
	add_text(line, &row->key);
	buf_add_text(line, ",\"incident\":");
	add_text(line, &row->incident);
	if (is_json_line(&row->body)) {
		buf_add_text(line, ",\"body\":");
		buf_add(line, row->body.text, row->body.size);
	} else {
		buf_add_text(line, ",\"body_text\":");
		add_text(line, &row->body);
	}
	buf_printf(line, ",\"hash\":\"%s\"}\n", hash);
}

/* A field of CSV (RFC 4180). */
static void add_field(struct buf *line, const struct chain_text *text)
{
	buf_add_text(line, ",\"");
	for (size_t i = 0; i < text->size; i++) {
		if (text->text[i] == '"')
			buf_add_char(line, '"');
		buf_add_char(line, text->text[i]);
	}
	buf_add_char(line, '"');
}

static void write_csv(struct buf *line, const struct chain_row *row)
{
	char time[32] = "", hash[JOURNAL_HASH_TEXT_SIZE];
	bool removed = row->kind == CHAIN_KIND_REMOVED;

	chain_hex(row->hash, hash);
	if (!removed)
		format_rfc3339(row->time_ms, time, sizeof(time));
	buf_printf(line, "%" PRId64 ",%s,%s,%" PRId64, row->number, time,
		removed ? "removed"
			: row->kind < RECORD_KIND_COUNT
			? record_kind_name((enum record_kind)row->kind)
			: "unknown",
		row->ended);
	add_field(line, &row->key);
	add_field(line, &row->incident);
	add_field(line, &row->body);
	buf_printf(line, ",%s\r\n", hash);
}

/* Writes what is in the line. */
static bool put(struct exporting *exporting)
{
	struct buf *line = &exporting->line;

	if (!buf_ok(line)) {
		exporting->failed = true;
	} else if (fwrite(line->data, 1, line->size, exporting->out) != line->size) {
		exporting->cause = errno;
		exporting->failed = true;
	}
	buf_reset(line);
	return !exporting->failed;
}

static bool begin(struct exporting *exporting, uint64_t number,
	const unsigned char before[JOURNAL_HASH_SIZE])
{
	char time[32], head[JOURNAL_HEAD_SIZE];

	exporting->begun = true;
	if (exporting->span->format == AUDIT_CSV) {
		buf_add_text(&exporting->line, "number,time,kind,ended,key,incident,body,hash\r\n");
		return put(exporting);
	}
	format_rfc3339(exporting->span->now_ms, time, sizeof(time));
	audit_head_write(number, before, head, sizeof(head));
	buf_printf(&exporting->line,
		"{\"audit\":\"nimbusguard\",\"exported\":\"%s\",\"before\":\"%s\"}\n", time, head);
	return put(exporting);
}

static bool export_row(void *argument, const struct chain_row *row,
	const unsigned char before[JOURNAL_HASH_SIZE])
{
	struct exporting *exporting = argument;
	uint64_t number = (uint64_t)row->number;

	if (number < exporting->from || number > exporting->to)
		return true;
	if (!exporting->begun && !begin(exporting, number - 1, before))
		return false;
	if (exporting->span->format == AUDIT_CSV)
		write_csv(&exporting->line, row);
	else
		write_json(&exporting->line, row);
	exporting->lines++;
	exporting->last = number;
	memcpy(exporting->last_hash, row->hash, JOURNAL_HASH_SIZE);
	return put(exporting);
}

/* The numbers between which the span's records lie; to < from: there is none. */
static enum status find_bounds(struct audit *audit, struct exporting *exporting,
	struct error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(audit->connection,
		"SELECT (SELECT number FROM records WHERE kind >= 0 AND time >= ?1"
		"  ORDER BY number LIMIT 1),"
		" (SELECT number FROM records WHERE kind >= 0 AND time < ?2"
		"  ORDER BY number DESC LIMIT 1)",
		-1, &statement, NULL);

	exporting->from = 1;
	exporting->to = INT64_MAX;
	if (code == SQLITE_OK) {
		sqlite3_bind_int64(statement, 1, exporting->span->from_ms);
		sqlite3_bind_int64(statement, 2, exporting->span->to_ms);
		code = sqlite3_step(statement);
	}
	if (code == SQLITE_ROW) {
		if (exporting->span->from_ms != 0)
			exporting->from = sqlite3_column_type(statement, 0) == SQLITE_NULL
				? INT64_MAX
				: (uint64_t)sqlite3_column_int64(statement, 0);
		if (exporting->span->to_ms != 0)
			exporting->to = (uint64_t)sqlite3_column_int64(statement, 1);
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_OK
		? STATUS_OK
		: journal_sql_error(audit->connection, code, "cannot read the journal", error);
}

static void end_export(struct exporting *exporting, const struct audit_report *report)
{
	char last[JOURNAL_HEAD_SIZE], head[JOURNAL_HEAD_SIZE];
	static const unsigned char none[JOURNAL_HASH_SIZE];

	if (!exporting->begun && !begin(exporting, 0, none))
		return;
	if (exporting->span->format == AUDIT_CSV)
		return;
	audit_head_write(exporting->last, exporting->last_hash, last, sizeof(last));
	audit_head_write(report->last, report->head, head, sizeof(head));
	buf_printf(&exporting->line,
		"{\"end\":true,\"records\":%" PRIu64 ",\"last\":\"%s\",\"head\":\"%s\"}\n",
		exporting->lines, last, head);
	put(exporting);
}

enum status audit_export(struct audit *audit, const struct audit_span *span, FILE *out,
	struct audit_report *report, struct error *error)
{
	struct exporting exporting = {.span = span, .out = out};
	enum status status = find_bounds(audit, &exporting, error);

	*report = (struct audit_report){0};
	if (status != STATUS_OK)
		return status;
	buf_init(&exporting.line, AUDIT_LINE_MAX);
	status = audit_walk(audit->connection, NULL, export_row, &exporting, report, error);
	if (status == STATUS_OK && !exporting.failed)
		end_export(&exporting, report);
	report->exported = exporting.lines;
	buf_fini(&exporting.line);
	if (status == STATUS_OK && !exporting.failed && fflush(out) != 0) {
		exporting.cause = errno;
		exporting.failed = true;
	}
	if (status == STATUS_OK && exporting.failed)
		return error_set(error, STATUS_IO, "the export can't be written: %s",
			exporting.cause != 0 ? strerror(exporting.cause) : "out of memory");
	return status;
}
