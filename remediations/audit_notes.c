/*
 * Reading and writing of the audit records. Ranges of different records may interleave, as records of
 * open incidents are left standing between older ones: they are sorted and joined after reading.
 */
#include "remediations/audit_notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_span.h"
#include "base/mem.h"
#include "remediations/journal.h"
#include "remediations/journal_file.h"

void audit_notes_init(struct audit_notes *notes)
{
	*notes = (struct audit_notes){.removed = NULL};
}

void audit_notes_fini(struct audit_notes *notes)
{
	mem_free(notes->removed);
	audit_notes_init(notes);
}

static enum status add_range(struct audit_notes *notes, struct number_range range)
{
	if (notes->removed_count == notes->removed_room) {
		size_t room = notes->removed_room ? notes->removed_room * 2 : 64;
		struct number_range *grown;

		if (notes->removed_room >= AUDIT_RANGES_MAX)
			return STATUS_LIMIT;
		grown = mem_resize(notes->removed, room, sizeof(*grown));
		if (grown == NULL)
			return STATUS_NO_MEMORY;
		notes->removed = grown;
		notes->removed_room = room;
	}
	notes->removed[notes->removed_count++] = range;
	return STATUS_OK;
}

/* [[from,to],...] */
static enum status read_removed(struct audit_notes *notes, const struct json_span *list,
	struct error *error)
{
	struct json_span pair, value;
	struct json_walk walk, inner;
	enum status status = STATUS_OK;

	json_walk_init(&walk, list);
	while (status == STATUS_OK && json_walk_next(&walk, NULL, &pair)) {
		struct number_range range = {0, 0};

		json_walk_init(&inner, &pair);
		if (!json_walk_next(&inner, NULL, &value) ||
			json_span_natural(&value, &range.from, NULL) != STATUS_OK ||
			!json_walk_next(&inner, NULL, &value) ||
			json_span_natural(&value, &range.to, NULL) != STATUS_OK ||
			range.from == 0 || range.from > range.to)
			return error_set(error, STATUS_BAD_INPUT, "removed is no list of ranges");
		status = add_range(notes, range);
	}
	if (status != STATUS_OK)
		return error_set(error, status, "%s",
			status == STATUS_LIMIT ? "more ranges of removed records than are read"
					       : "no memory for the audit records");
	return STATUS_OK;
}

static bool read_hash(const struct json_span *value, unsigned char hash[JOURNAL_HASH_SIZE])
{
	return value->kind == SPAN_STRING && value->size == JOURNAL_HASH_TEXT_SIZE + 1 &&
		chain_unhex(value->text + 1, value->size - 2, hash);
}

/* {"number":N,"why":"..."} */
static void read_broken(struct audit_notes *notes, const struct json_span *object)
{
	struct json_span key, value;
	struct json_walk walk;

	json_walk_init(&walk, object);
	while (json_walk_next(&walk, &key, &value)) {
		if (json_span_is(&key, "number"))
			(void)!json_span_natural(&value, &notes->broken, NULL);
		else if (json_span_is(&key, "why") && value.size <= sizeof(notes->broken_why))
			(void)!json_span_decode(&value, notes->broken_why, NULL, NULL);
	}
}

enum status audit_notes_add(struct audit_notes *notes, const char *body, size_t size,
	struct error *error)
{
	struct json_span root, key, value;
	struct json_walk walk;
	enum status status = json_span_init(&root, body, size, 8, error);

	notes->record_count++;
	if (status != STATUS_OK)
		return status;
	json_walk_init(&walk, &root);
	while (status == STATUS_OK && json_walk_next(&walk, &key, &value)) {
		if (json_span_is(&key, "removed"))
			status = read_removed(notes, &value, error);
		else if (json_span_is(&key, "first"))
			status = json_span_natural(&value, &notes->first, error);
		else if (json_span_is(&key, "hash") && !read_hash(&value, notes->first_hash))
			status = error_set(error, STATUS_BAD_INPUT, "hash is none");
		else if (json_span_is(&key, "broken"))
			read_broken(notes, &value);
	}
	return status;
}

static int compare(const void *a, const void *b)
{
	const struct number_range *left = a, *right = b;

	return (left->from > right->from) - (left->from < right->from);
}

static void sort_ranges(struct audit_notes *notes)
{
	size_t kept = 0;

	if (notes->removed_count == 0)
		return;
	qsort(notes->removed, notes->removed_count, sizeof(*notes->removed), compare);
	for (size_t i = 1; i < notes->removed_count; i++) {
		struct number_range *last = &notes->removed[kept];

		if (notes->removed[i].from > last->to + 1)
			notes->removed[++kept] = notes->removed[i];
		else if (notes->removed[i].to > last->to)
			last->to = notes->removed[i].to;
	}
	notes->removed_count = kept + 1;
}

enum status audit_notes_read(struct audit_notes *notes, sqlite3 *connection, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	enum status status = STATUS_OK;
	char sql[120];
	int code;

	snprintf(sql, sizeof(sql),
		"SELECT number, body FROM records WHERE kind = %d ORDER BY number", RECORD_AUDIT);
	code = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);
	while (code == SQLITE_OK && status == STATUS_OK) {
		const char *body;

		if (sqlite3_step(statement) != SQLITE_ROW)
			break;
		body = (const char *)sqlite3_column_text(statement, 1);
		status = audit_notes_add(notes, body != NULL ? body : "",
			(size_t)sqlite3_column_bytes(statement, 1), error);
		/* A body that can't be read was changed: the walk over the chain names it. */
		if (status == STATUS_BAD_INPUT)
			status = STATUS_OK;
	}
	if (code == SQLITE_OK)
		code = sqlite3_reset(statement);
	sqlite3_finalize(statement);
	if (status == STATUS_OK && code != SQLITE_OK)
		status =
			journal_sql_error(connection, code, "cannot read the audit records", error);
	sort_ranges(notes);
	return status;
}

bool audit_notes_vouch(struct audit_notes *notes, uint64_t number)
{
	while (notes->cursor < notes->removed_count && notes->removed[notes->cursor].to < number)
		notes->cursor++;
	return notes->cursor < notes->removed_count && notes->removed[notes->cursor].from <= number;
}

void audit_write_removed(struct buf *json, const uint64_t *numbers, size_t count)
{
	const char *comma = "";

	buf_add_text(json, "\"removed\":[");
	for (size_t i = 0; i < count;) {
		size_t last = i;

		while (last + 1 < count && numbers[last + 1] == numbers[last] + 1)
			last++;
		buf_printf(json, "%s[%" PRIu64 ",%" PRIu64 "]", comma, numbers[i], numbers[last]);
		comma = ",";
		i = last + 1;
	}
	buf_add_char(json, ']');
}

enum status audit_write_first(struct buf *json, sqlite3 *connection, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	unsigned char hash[JOURNAL_HASH_SIZE] = {0};
	char text[JOURNAL_HASH_TEXT_SIZE];
	int64_t number = 0;
	int code = sqlite3_prepare_v2(connection,
		"SELECT number, hash FROM records ORDER BY number LIMIT 1", -1, &statement, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		number = sqlite3_column_int64(statement, 0);
		if (sqlite3_column_bytes(statement, 1) == JOURNAL_HASH_SIZE)
			memcpy(hash, sqlite3_column_blob(statement, 1), JOURNAL_HASH_SIZE);
		code = SQLITE_DONE;
	}
	sqlite3_finalize(statement);
	if (code != SQLITE_DONE)
		return journal_sql_error(connection, code, "cannot read the first record", error);
	chain_hex(hash, text);
	buf_printf(json, "\"first\":%" PRId64 ",\"hash\":\"%s\"", number, text);
	return STATUS_OK;
}
