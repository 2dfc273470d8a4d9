/*
 * The schema of the journal and the questions asked of a file before it is trusted.
 *
 * records  number     1, 2, 3, ... in commit order, without gaps
 *          kind       enum record_kind; -1 for what was removed for its age: number and hash stay, and
 *                     the body is the digest (hex) of what the record said
 *          hash       SHA-256 over the hash of number - 1 and this record's digest, see audit_chain.h
 * events   an event's identity, so that a repeat is known; number: its record
 * state    events_done: the engine's checkpoint
 *
 * Versions: 1, the first; 2, records of kind ticket (6), which a program of version 1 does not know and
 * must not open: the tables are the same; 3, hashes by way of digests, and records of kind audit (7)
 * that say what was removed. An older file is brought to the newest version in one
 * transaction, after it was found whole.
 *
 * The file is in write-ahead mode with synchronous=EXTRA: a commit appends to the log and syncs it
 * once, and what was committed survives the loss of power. (EXTRA differs from FULL only while the
 * file is created, in rollback mode: with FULL the rollback journal's removal is not synced, and
 * after a loss of power it could come back and undo the creation with all that followed.) A rollback journal with the same
 * promise needs three syncs a commit (journal, file, removal of the journal), and readers would
 * wait for the writer. The cost: the log must be copied into the file now and then (checkpoint),
 * which is done beside the writer, and the file system must share memory between connections,
 * which network file systems don't.
 */
#include "remediations/journal_schema.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "remediations/audit_walk.h"
#include "remediations/journal_file.h"
#include "remediations/journal_migrate.h"

#define APPLICATION_ID 0x4e474a4c /* "NGJL" */
#define SCHEMA_VERSION 3

/* Keys of events are found through `events`, so that a new event costs one random page, not two.
 * Partial indexes leave out what would be empty. */
static const char schema[] = "CREATE TABLE records("
			     "number INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
			     "kind INTEGER NOT NULL, ended INTEGER NOT NULL, key TEXT NOT NULL,"
			     "incident TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);"
			     "CREATE INDEX records_kind ON records(kind);"
			     "CREATE INDEX records_key ON records(key) WHERE kind > 0;"
			     "CREATE INDEX records_incident ON records(incident)"
			     " WHERE incident <> '';"
			     "CREATE TABLE events("
			     "fingerprint INTEGER NOT NULL, starts INTEGER NOT NULL,"
			     "firing INTEGER NOT NULL, number INTEGER NOT NULL,"
			     "last_seen INTEGER NOT NULL, times_seen INTEGER NOT NULL,"
			     "PRIMARY KEY(fingerprint, starts, firing)) WITHOUT ROWID;"
			     "CREATE TABLE state("
			     "name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
			     "INSERT INTO state VALUES('events_done', 0);";

static const char migrating[] = "cannot bring the journal to its new schema";

static enum status run(sqlite3 *connection, const char *sql, const char *what, struct error *error)
{
	int code = sqlite3_exec(connection, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? STATUS_OK : journal_sql_error(connection, code, what, error);
}

/* The first row's value: a number, and its text when there is room for it. */
static int ask(sqlite3 *connection, const char *sql, int64_t *number, char *text, size_t size)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(connection, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		const char *found = (const char *)sqlite3_column_text(statement, 0);

		if (number)
			*number = sqlite3_column_int64(statement, 0);
		if (text)
			snprintf(text, size, "%s", found ? found : "");
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code;
}

static enum status create(sqlite3 *connection, struct error *error)
{
	char text[160];
	enum status status = run(connection, "BEGIN IMMEDIATE", "cannot create the journal", error);

	if (status != STATUS_OK)
		return status;
	snprintf(text, sizeof(text), "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		APPLICATION_ID, SCHEMA_VERSION);
	status = run(connection, schema, "cannot create the journal", error);
	if (status == STATUS_OK)
		status = run(connection, text, "cannot create the journal", error);
	if (status == STATUS_OK)
		return run(connection, "COMMIT", "cannot create the journal", error);
	sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

/* What leads to the newest version; nothing but the chain ever changed. */
static enum status change_schema(sqlite3 *connection, const struct audit_report *found,
	const char *why, int64_t now_ms, struct error *error)
{
	enum status status = journal_migrate_chain(connection, found, why, now_ms, error);
	char text[64];

	snprintf(text, sizeof(text), "PRAGMA user_version=%d", SCHEMA_VERSION);
	return status == STATUS_OK ? run(connection, text, migrating, error) : status;
}

static enum status migrate(sqlite3 *connection, const char *path, int64_t now_ms,
	struct error *error)
{
	struct audit_report found;
	struct error broken = {0};
	enum status status = audit_walk(connection, NULL, NULL, NULL, &found, &broken);

	if (status == STATUS_CONFLICT)
		LOG_ERROR("the journal was changed from outside before it was brought to its new "
			  "schema; it is remembered",
			LOG_TEXT("journal", path), LOG_ERROR_FIELD(&broken));
	else if (status != STATUS_OK)
		return error_set(error, status, "%s", broken.text);
	else
		broken.text[0] = '\0';
	status = run(connection, "BEGIN IMMEDIATE", migrating, error);
	if (status != STATUS_OK)
		return status;
	status = change_schema(connection, &found, broken.text, now_ms, error);
	if (status == STATUS_OK)
		status = run(connection, "COMMIT", migrating, error);
	if (status != STATUS_OK)
		sqlite3_exec(connection, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

static enum status refuse_damaged(const char *path, const char *found, struct error *error)
{
	return error_set(error, STATUS_BAD_INPUT,
		"the journal %s is damaged (%s): restore it from a backup, or move it and its -wal "
		"file away to begin an empty one (`sqlite3 %s .recover` may save its records)",
		path, found, path);
}

static enum status refuse_foreign(const char *path, const char *found, struct error *error)
{
	return error_set(error, STATUS_BAD_INPUT,
		"%s is not a journal of NimbusGuard (%s) and was left as it is: name another "
		"storage folder or move the file away",
		path, found);
}

/* Whether SQLite's answer speaks of the file's content rather than of the disk. */
static bool is_damage(int code)
{
	return (code & 0xff) == SQLITE_CORRUPT || code == SQLITE_IOERR_SHORT_READ;
}

static enum status judge_code(sqlite3 *connection, int code, const char *path, struct error *error)
{
	if ((code & 0xff) == SQLITE_NOTADB)
		return refuse_foreign(path, "it is no SQLite file", error);
	if (is_damage(code))
		return refuse_damaged(path, sqlite3_errmsg(connection), error);
	journal_sql_error(connection, code, "cannot read it", error);
	return error_prefix(error, "the journal %s", path);
}

enum status journal_connection_configure(sqlite3 *connection, const char *path, bool no_sync,
	struct error *error)
{
	/* Checkpoints are ours to time; nothing in the file may run code (triggers, views). */
	int code = sqlite3_exec(connection,
		"PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;"
		"PRAGMA cache_size=-8000; PRAGMA secure_delete=OFF;"
		"PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0",
		NULL, NULL, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_exec(connection,
			no_sync ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=EXTRA", NULL, NULL,
			NULL);
	if (code != SQLITE_OK)
		return judge_code(connection, code, path, error);
	sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(connection, 5000);
	return STATUS_OK;
}

static enum status check_integrity(sqlite3 *connection, const char *path, struct error *error)
{
	char verdict[200] = "";
	int code = ask(connection, "PRAGMA quick_check(1)", NULL, verdict, sizeof(verdict));

	if (code != SQLITE_OK)
		return judge_code(connection, code, path, error);
	if (strcmp(verdict, "ok") != 0)
		return refuse_damaged(path, verdict, error);
	return STATUS_OK;
}

static enum status use_write_ahead(sqlite3 *connection, const char *path, struct error *error)
{
	char mode[32] = "";
	int code = ask(connection, "PRAGMA journal_mode=WAL", NULL, mode, sizeof(mode));

	if (code != SQLITE_OK)
		return judge_code(connection, code, path, error);
	if (strcmp(mode, "wal") != 0)
		return error_set(error, STATUS_IO,
			"the journal %s cannot use a write-ahead log here (mode %s): its folder must "
			"be on a local disk",
			path, mode);
	return STATUS_OK;
}

/* *version 0: the file is empty. */
static enum status check_owner(sqlite3 *connection, const char *path, int64_t *version,
	struct error *error)
{
	int64_t application = 0, tables = 0;
	char found[64];
	int code;

	*version = 0;
	code = ask(connection, "PRAGMA application_id", &application, NULL, 0);
	if (code == SQLITE_OK)
		code = ask(connection, "PRAGMA user_version", version, NULL, 0);
	if (code == SQLITE_OK)
		code = ask(connection, "SELECT count(*) FROM sqlite_schema", &tables, NULL, 0);
	if (code != SQLITE_OK)
		return judge_code(connection, code, path, error);
	if (application != APPLICATION_ID && (application != 0 || *version != 0 || tables != 0)) {
		snprintf(found, sizeof(found), "application_id %lld", (long long)application);
		return refuse_foreign(path, found, error);
	}
	if (*version > SCHEMA_VERSION)
		return error_set(error, STATUS_BAD_INPUT,
			"the journal %s was written by a newer NimbusGuard (schema %lld, this one "
			"knows %d) and was left as it is: start that version, or name another "
			"storage folder",
			path, (long long)*version, SCHEMA_VERSION);
	if (application != 0 && *version < 1)
		return refuse_damaged(path, "it has no schema version", error);
	return STATUS_OK;
}

enum status journal_schema_known(sqlite3 *connection, const char *path, struct error *error)
{
	int64_t version;
	enum status status = check_owner(connection, path, &version, error);

	if (status == STATUS_OK && version == 0)
		return refuse_foreign(path, "it is empty", error);
	return status;
}

enum status journal_schema_check(sqlite3 *connection, const char *path, int64_t now_ms,
	struct error *error)
{
	int64_t version;
	enum status status = check_owner(connection, path, &version, error);

	if (status == STATUS_OK)
		status = use_write_ahead(connection, path, error);
	if (status != STATUS_OK)
		return status;
	if (version == 0)
		return create(connection, error);
	status = check_integrity(connection, path, error);
	if (status == STATUS_OK && version < SCHEMA_VERSION)
		status = migrate(connection, path, now_ms, error);
	return status;
}
