/*
 * Each row must have the next number, columns of the kinds that the journal writes, and the hash that
 * follows from the hash before it and what it says. An emptied row must be vouched for by an audit
 * record, and a chain that does not begin at 1 must begin where the newest audit record says.
 *
 * Schema 1 and 2 hashed otherwise and vouched for nothing; they are walked by their own rule.
 */
#include "remediations/audit_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "remediations/audit_notes.h"
#include "remediations/journal.h"
#include "remediations/journal_file.h"

#define SCHEMA_CHAINED 3

struct walk {
	struct chain_hasher hasher;
	struct audit_notes notes;
	struct audit_report *report;
	const struct audit_head *head;
	uint64_t number; /* of the row before; 0: none yet */
	unsigned char before[JOURNAL_HASH_SIZE];
	size_t notes_seen;
	bool stopped;
	/* What audit records lack is told at the end only: it may be that one of them was changed. */
	uint64_t doubted;
	char doubt[160];
	bool at_note; /* the row that is looked at is an audit record, or was one by its key */
};

enum status audit_head_parse(const char *text, struct audit_head *head, struct error *error)
{
	const char *colon = strchr(text, ':');
	char number[24];
	int64_t value = 0;

	*head = (struct audit_head){0};
	if (colon != NULL) {
		if ((size_t)(colon - text) >= sizeof(number))
			return error_set(error, STATUS_BAD_INPUT,
				"a head is HASH or NUMBER:HASH, not \"%.100s\"", text);
		memcpy(number, text, (size_t)(colon - text));
		number[colon - text] = '\0';
		if (parse_int(number, &value) != STATUS_OK || value < 1)
			return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no number of a record",
				number);
		head->number = (uint64_t)value;
		text = colon + 1;
	}
	if (!chain_unhex(text, strlen(text), head->hash))
		return error_set(error, STATUS_BAD_INPUT,
			"a hash is 64 digits 0-9 a-f, not \"%.100s\"", text);
	return STATUS_OK;
}

static enum status refuse(struct walk *walk, uint64_t number, struct error *error, const char *why)
{
	walk->report->broken = number;
	return error_set(error, STATUS_CONFLICT, "record %" PRIu64 ": %s", number, why);
}

static void doubt(struct walk *walk, uint64_t number, const char *why)
{
	if (walk->doubted != 0)
		return;
	walk->doubted = number;
	snprintf(walk->doubt, sizeof(walk->doubt), "%s", why);
}

/* Its number must be the next one. */
static enum status check_number(struct walk *walk, const struct chain_row *row, struct error *error)
{
	uint64_t number = (uint64_t)row->number, expected = walk->number + 1;
	char why[120];

	if (row->number < 1)
		return refuse(walk, number, error, "no record has such a number");
	if (number == expected)
		return STATUS_OK;
	if (walk->number == 0 && row->kind == CHAIN_KIND_REMOVED)
		return STATUS_OK;
	if (walk->number == 0) {
		snprintf(why, sizeof(why), "the records before record %" PRIu64 " were taken out",
			number);
		return refuse(walk, 1, error, why);
	}
	snprintf(why, sizeof(why), "it is missing, and with it all up to record %" PRIu64,
		number - 1);
	return refuse(walk, expected, error, why);
}

/* A removed record: nothing is left of it but its digest. */
static enum status check_removed(struct walk *walk, const struct chain_row *row,
	unsigned char hash[JOURNAL_HASH_SIZE], struct error *error)
{
	uint64_t number = (uint64_t)row->number;
	unsigned char digest[JOURNAL_HASH_SIZE];
	bool first = walk->number == 0 && number != 1;

	walk->report->removed++;
	if (walk->report->schema < SCHEMA_CHAINED) {
		memcpy(hash, row->hash, JOURNAL_HASH_SIZE);
		return STATUS_OK;
	}
	if (row->time_ms != 0 || row->ended != 0 || row->key.size != 0 || row->incident.size != 0 ||
		!chain_unhex(row->body.text, row->body.size, digest))
		return refuse(walk, number, error, "it was emptied, but not by the journal");
	if (!audit_notes_vouch(&walk->notes, number))
		doubt(walk, number, "its content was taken out, and no audit record says so");
	if (first) {
		memcpy(hash, row->hash, JOURNAL_HASH_SIZE);
		if (number != walk->notes.first ||
			memcmp(hash, walk->notes.first_hash, JOURNAL_HASH_SIZE) != 0)
			doubt(walk, number,
				"the chain does not begin where its newest audit record says: "
				"records before it were taken out");
		return STATUS_OK;
	}
	return chain_link(&walk->hasher, walk->before, digest, hash);
}

static enum status check_row(struct walk *walk, const struct chain_row *row, struct error *error)
{
	uint64_t number = (uint64_t)row->number;
	unsigned char digest[JOURNAL_HASH_SIZE], hash[JOURNAL_HASH_SIZE];
	enum status status = check_number(walk, row, error);

	walk->at_note = row->kind == RECORD_AUDIT ||
		(row->key.size > 6 && memcmp(row->key.text, "swept/", 6) == 0);
	if (status != STATUS_OK)
		return status;
	if (row->kind == CHAIN_KIND_REMOVED) {
		status = check_removed(walk, row, hash, error);
	} else if (walk->report->schema < SCHEMA_CHAINED) {
		status = chain_link_old(&walk->hasher, walk->before, row, hash);
	} else {
		status = chain_digest(&walk->hasher, row, digest);
		if (status == STATUS_OK)
			status = chain_link(&walk->hasher, walk->before, digest, hash);
	}
	if (status == STATUS_NO_MEMORY)
		return error_set(error, status, "cannot hash a record");
	if (status != STATUS_OK)
		return status;
	if (memcmp(hash, row->hash, JOURNAL_HASH_SIZE) != 0)
		return refuse(walk, number, error,
			"it does not fit its hash and the record before it: it was changed, "
			"inserted or moved");
	walk->notes_seen += row->kind == RECORD_AUDIT;
	return STATUS_OK;
}

static void take_row(struct walk *walk, const struct chain_row *row)
{
	struct audit_report *report = walk->report;

	if (walk->number == 0)
		report->first = (uint64_t)row->number;
	if (row->kind != CHAIN_KIND_REMOVED) {
		report->first_ms = report->first_ms != 0 ? report->first_ms : row->time_ms;
		report->last_ms = row->time_ms;
	}
	report->records++;
	report->last = walk->number = (uint64_t)row->number;
	memcpy(walk->before, row->hash, JOURNAL_HASH_SIZE);
	memcpy(report->head, row->hash, JOURNAL_HASH_SIZE);
	if (walk->head != NULL && memcmp(row->hash, walk->head->hash, JOURNAL_HASH_SIZE) == 0)
		report->asked_for = report->last;
}

static enum status walk_rows(struct walk *walk, sqlite3 *connection, audit_visit_fn *visit,
	void *argument, struct error *error)
{
	sqlite3_stmt *statement = NULL;
	enum status status = STATUS_OK;
	int code = sqlite3_prepare_v2(connection, CHAIN_ROW_SQL " ORDER BY number", -1, &statement,
		NULL);

	while (code == SQLITE_OK && status == STATUS_OK && !walk->stopped) {
		struct chain_row row = {.number = 0};
		const char *wrong;

		if (sqlite3_step(statement) != SQLITE_ROW)
			break;
		wrong = chain_row_read(statement, &row);
		if (wrong != NULL) {
			char why[80];

			if (sqlite3_errcode(connection) == SQLITE_NOMEM) {
				status = error_set(error, STATUS_NO_MEMORY, "no memory for a row");
				break;
			}
			snprintf(why, sizeof(why), "its %s is none that the journal writes", wrong);
			status = refuse(walk, (uint64_t)row.number, error, why);
			break;
		}
		status = check_row(walk, &row, error);
		if (status != STATUS_OK)
			break;
		walk->stopped = visit != NULL && !visit(argument, &row, walk->before);
		take_row(walk, &row);
	}
	if (code == SQLITE_OK)
		code = sqlite3_reset(statement);
	sqlite3_finalize(statement);
	if (status == STATUS_OK && code != SQLITE_OK)
		status = journal_sql_error(connection, code, "cannot read the journal", error);
	return status;
}

static int ask(sqlite3 *connection, const char *sql, int64_t *number)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);

	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		*number = sqlite3_column_int64(statement, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Whatever else speaks of a record behind the last one. */
static enum status check_end(struct walk *walk, sqlite3 *connection, struct error *error)
{
	const struct audit_head *head = walk->head;
	uint64_t last = walk->report->last;
	int64_t spoken = 0;
	char why[160];
	int code = ask(connection,
		"SELECT max(coalesce((SELECT max(number) FROM events), 0),"
		" coalesce((SELECT value FROM state WHERE name = 'events_done'), 0))",
		&spoken);

	if (code != SQLITE_OK)
		return journal_sql_error(connection, code, "cannot read the journal", error);
	if (spoken > 0 && (uint64_t)spoken > last) {
		snprintf(why, sizeof(why),
			"it is missing: the journal ends here, but knows of record %" PRId64,
			spoken);
		return refuse(walk, last + 1, error, why);
	}
	if (walk->notes_seen != walk->notes.record_count && !walk->stopped &&
		walk->report->schema >= SCHEMA_CHAINED)
		return refuse(walk, last, error, "the index of records does not fit the records");
	if (walk->notes.broken != 0) {
		snprintf(why, sizeof(why), "%.150s", walk->notes.broken_why);
		return refuse(walk, walk->notes.broken, error, why);
	}
	if (head == NULL || walk->report->asked_for != 0)
		return STATUS_OK;
	if (head->number != 0 && head->number < walk->report->first)
		return error_set(error, STATUS_NOT_FOUND,
			"record %" PRIu64 " was removed for its age: the journal begins at %" PRIu64
			" and can't be held against its hash any more",
			head->number, walk->report->first);
	return refuse(walk, head->number != 0 && head->number <= last ? head->number : last + 1,
		error,
		head->number != 0 && head->number <= last
			? "it has another hash than the given one: the chain was computed anew"
			: "the given hash is none of this chain: records were cut off at its end, "
			  "or the chain was computed anew");
}

static enum status walk_all(struct walk *walk, sqlite3 *connection, audit_visit_fn *visit,
	void *argument, struct error *error)
{
	enum status status;
	int code = ask(connection, "PRAGMA user_version", &walk->report->schema);

	if (code != SQLITE_OK)
		return journal_sql_error(connection, code, "cannot read the journal", error);
	status = chain_hasher_init(&walk->hasher, error);
	if (status == STATUS_OK && walk->report->schema >= SCHEMA_CHAINED)
		status = audit_notes_read(&walk->notes, connection, error);
	if (status == STATUS_OK)
		status = walk_rows(walk, connection, visit, argument, error);
	if (status == STATUS_CONFLICT && walk->doubted != 0 && !walk->at_note)
		status = refuse(walk, walk->doubted, error, walk->doubt);
	if (status == STATUS_OK && walk->doubted != 0)
		status = refuse(walk, walk->doubted, error, walk->doubt);
	if (status == STATUS_OK && !walk->stopped)
		status = check_end(walk, connection, error);
	chain_hasher_fini(&walk->hasher);
	return status;
}

enum status audit_walk(sqlite3 *connection, const struct audit_head *head, audit_visit_fn *visit,
	void *argument, struct audit_report *report, struct error *error)
{
	struct walk walk = {.report = report, .head = head};
	enum status status;
	int code = sqlite3_exec(connection, "BEGIN", NULL, NULL, NULL);

	*report = (struct audit_report){0};
	if (code != SQLITE_OK)
		return journal_sql_error(connection, code, "cannot read the journal", error);
	audit_notes_init(&walk.notes);
	status = walk_all(&walk, connection, visit, argument, error);
	audit_notes_fini(&walk.notes);
	sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
	return status;
}
