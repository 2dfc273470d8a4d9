/*
 * The old rule hashed a record's fields together with the hash before it, so that a removed record
 * left no digest of its own. Its old hash, which covers what it said, serves as its digest from here
 * on.
 *
 * A chain that was broken before stays known as such: the audit record names the break, and every
 * later walk tells of it.
 */
#include "remediations/journal_migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "remediations/audit_notes.h"
#include "remediations/audit_walk.h"
#include "remediations/journal.h"
#include "remediations/journal_file.h"

struct migration {
	sqlite3 *connection;
	sqlite3_stmt *read, *rehash, *empty, *add;
	struct chain_hasher hasher;
	unsigned char before[JOURNAL_HASH_SIZE];
	uint64_t last;
	struct buf ranges; /* "[1,3],[5,5]" */
	uint64_t from, to; /* of the range that is growing; 0: none */
};

static const char rehash_sql[] = "UPDATE records SET hash = ?2 WHERE number = ?1";
static const char emptied_sql[] =
	"UPDATE records SET hash = ?2, body = ?3, time = 0, ended = 0, key = '', incident = ''"
	" WHERE number = ?1";
static const char add_sql[] =
	"INSERT INTO records(number, time, kind, ended, key, incident, body, hash)"
	" VALUES(?1, ?2, ?3, 0, ?4, '', ?5, ?6)";

static int run(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void end_range(struct migration *migration)
{
	if (migration->from != 0)
		buf_printf(&migration->ranges, "%s[%" PRIu64 ",%" PRIu64 "]",
			migration->ranges.size > 0 ? "," : "", migration->from, migration->to);
	migration->from = 0;
}

static void add_removed(struct migration *migration, uint64_t number)
{
	if (migration->from != 0 && number != migration->to + 1)
		end_range(migration);
	if (migration->from == 0)
		migration->from = number;
	migration->to = number;
}

static int migrate_row(struct migration *migration, const struct chain_row *row)
{
	bool removed = row->kind == CHAIN_KIND_REMOVED;
	sqlite3_stmt *write = removed ? migration->empty : migration->rehash;
	unsigned char digest[JOURNAL_HASH_SIZE];
	char text[JOURNAL_HASH_TEXT_SIZE];

	if (removed) {
		memcpy(digest, row->hash, JOURNAL_HASH_SIZE);
		chain_hex(digest, text);
		sqlite3_bind_text(write, 3, text, -1, SQLITE_STATIC);
		add_removed(migration, (uint64_t)row->number);
	} else if (chain_digest(&migration->hasher, row, digest) != STATUS_OK) {
		return SQLITE_NOMEM;
	}
	if (chain_link(&migration->hasher, migration->before, digest, migration->before) !=
		STATUS_OK)
		return SQLITE_NOMEM;
	sqlite3_bind_int64(write, 1, row->number);
	sqlite3_bind_blob(write, 2, migration->before, JOURNAL_HASH_SIZE, SQLITE_STATIC);
	return run(write);
}

/* The next row is looked up anew each time: the order of a walk over rows that are changed under it
 * is not promised. The row is written while it is still being pointed to, for its texts live there. */
static int migrate_rows(struct migration *migration)
{
	int code = SQLITE_ROW;

	while (code == SQLITE_ROW) {
		struct chain_row row;

		sqlite3_bind_int64(migration->read, 1, (sqlite3_int64)migration->last);
		code = sqlite3_step(migration->read);
		if (code != SQLITE_ROW)
			break;
		migration->last = (uint64_t)sqlite3_column_int64(migration->read, 0);
		/* A row that no journal wrote stays as it is: the chain is broken there. */
		if (chain_row_read(migration->read, &row) == NULL) {
			int written = migrate_row(migration, &row);

			if (written != SQLITE_OK)
				code = written;
		}
		sqlite3_reset(migration->read);
	}
	sqlite3_reset(migration->read);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void write_body(struct migration *migration, const struct audit_report *found,
	const char *why, struct buf *body)
{
	char head[JOURNAL_HASH_TEXT_SIZE];

	chain_hex(found->head, head);
	end_range(migration);
	buf_printf(body,
		"{\"event\":\"migrated\",\"schema\":%" PRId64 ",\"last\":%" PRIu64
		",\"head\":\"%s\",\"removed\":[",
		found->schema, migration->last, head);
	if (migration->ranges.size > 0)
		buf_add(body, migration->ranges.data, migration->ranges.size);
	buf_add_text(body, "],");
	if (*why != '\0') {
		buf_printf(body, "\"broken\":{\"number\":%" PRIu64 ",\"why\":",
			found->broken != 0 ? found->broken : 1);
		buf_add_json_string(body, why, strnlen(why, 150));
		buf_add_text(body, "},");
	}
}

static enum status add_note(struct migration *migration, const struct audit_report *found,
	const char *why, int64_t now_ms, struct error *error)
{
	unsigned char digest[JOURNAL_HASH_SIZE];
	struct chain_row row = {.number = (int64_t)migration->last + 1,
		.time_ms = now_ms,
		.kind = RECORD_AUDIT,
		.incident = {"", 0}};
	sqlite3_stmt *add = migration->add;
	char key[40];
	struct buf body;
	enum status status;

	snprintf(key, sizeof(key), "migrated/%" PRIu64, migration->to);
	buf_init(&body, AUDIT_BODY_MAX);
	write_body(migration, found, why, &body);
	status = audit_write_first(&body, migration->connection, error);
	buf_add_char(&body, '}');
	if (status == STATUS_OK && (!buf_ok(&body) || !buf_ok(&migration->ranges)))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for an audit record");
	if (status == STATUS_OK) {
		row.key = (struct chain_text){key, strlen(key)};
		row.body = (struct chain_text){body.data, body.size};
		status = chain_digest(&migration->hasher, &row, digest);
	}
	if (status == STATUS_OK)
		status = chain_link(&migration->hasher, migration->before, digest,
			migration->before);
	if (status == STATUS_OK) {
		sqlite3_bind_int64(add, 1, row.number);
		sqlite3_bind_int64(add, 2, now_ms);
		sqlite3_bind_int(add, 3, RECORD_AUDIT);
		sqlite3_bind_text(add, 4, key, -1, SQLITE_STATIC);
		sqlite3_bind_text(add, 5, body.data, (int)body.size, SQLITE_STATIC);
		sqlite3_bind_blob(add, 6, migration->before, JOURNAL_HASH_SIZE, SQLITE_STATIC);
		if (run(add) != SQLITE_OK)
			status = error_set(error, STATUS_IO, "cannot write the audit record: %s",
				sqlite3_errmsg(migration->connection));
	}
	buf_fini(&body);
	return status;
}

enum status journal_migrate_chain(sqlite3 *connection, const struct audit_report *found,
	const char *why, int64_t now_ms, struct error *error)
{
	struct migration migration = {.connection = connection};
	enum status status = chain_hasher_init(&migration.hasher, error);
	int code;

	if (status != STATUS_OK)
		return status;
	buf_init(&migration.ranges, AUDIT_BODY_MAX / 2);
	code = sqlite3_prepare_v2(connection,
		CHAIN_ROW_SQL " WHERE number > ?1 ORDER BY number LIMIT 1", -1, &migration.read,
		NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(connection, rehash_sql, -1, &migration.rehash, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(connection, emptied_sql, -1, &migration.empty, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(connection, add_sql, -1, &migration.add, NULL);
	if (code == SQLITE_OK)
		code = migrate_rows(&migration);
	if (code != SQLITE_OK)
		status = journal_sql_error(connection, code, "cannot hash the records anew", error);
	else if (migration.last > 0)
		status = add_note(&migration, found, why, now_ms, error);
	sqlite3_finalize(migration.read);
	sqlite3_finalize(migration.rehash);
	sqlite3_finalize(migration.empty);
	sqlite3_finalize(migration.add);
	buf_fini(&migration.ranges);
	chain_hasher_fini(&migration.hasher);
	return status;
}
