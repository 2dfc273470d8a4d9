/*
 * Reading the journal. A query is walked in chunks of a few hundred rows, each a short read
 * transaction: one that lasted as long as a slow reader would keep the log from being reused, and
 * it would grow. Records are only ever added, so that chunks fit together.
 *
 * A connection is taken from a small stack under a leaf lock and used without it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/audit_walk.h"
#include "remediations/journal.h"
#include "remediations/journal_file.h"
#include "remediations/journal_readers.h"

#define IDLE_MAX 4
#define CHUNK_ROWS 256

struct journal_readers {
	pthread_mutex_t lock;
	const struct journal_config *config;
	sqlite3 *idle[IDLE_MAX]; /* under lock */
	unsigned idle_count, open_count;
};

struct journal_readers *journal_readers_open(const struct journal_config *config)
{
	struct journal_readers *readers = mem_zalloc(1, sizeof(*readers));

	if (readers == NULL)
		return NULL;
	readers->config = config;
	CHECK(pthread_mutex_init(&readers->lock, NULL) == 0);
	return readers;
}

void journal_readers_close(struct journal_readers *readers)
{
	if (readers == NULL)
		return;
	CHECK(readers->open_count == readers->idle_count);
	for (unsigned i = 0; i < readers->idle_count; i++)
		CHECK(sqlite3_close(readers->idle[i]) == SQLITE_OK);
	pthread_mutex_destroy(&readers->lock);
	mem_free(readers);
}

static void leave(struct journal_readers *readers, sqlite3 *connection)
{
	bool keep;

	pthread_mutex_lock(&readers->lock);
	keep = connection != NULL && readers->idle_count < IDLE_MAX;
	if (keep)
		readers->idle[readers->idle_count++] = connection;
	else
		readers->open_count--;
	pthread_mutex_unlock(&readers->lock);
	if (!keep && connection != NULL)
		CHECK(sqlite3_close(connection) == SQLITE_OK);
}

static enum status enter(struct journal_readers *readers, sqlite3 **connection, struct error *error)
{
	enum status status = STATUS_OK;

	*connection = NULL;
	pthread_mutex_lock(&readers->lock);
	if (readers->idle_count > 0)
		*connection = readers->idle[--readers->idle_count];
	else if (readers->open_count < JOURNAL_READERS_MAX)
		readers->open_count++;
	else
		status = STATUS_BUSY;
	pthread_mutex_unlock(&readers->lock);
	if (status != STATUS_OK)
		return error_set(error, status, "the journal has %d readers already",
			JOURNAL_READERS_MAX);
	if (*connection != NULL)
		return STATUS_OK;
	status = journal_connection_open(connection, readers->config, error);
	if (status != STATUS_OK)
		leave(readers, NULL);
	return status;
}

/* --- queries --- */

struct reading {
	const struct journal_query *query;
	struct event_key event_key; /* when the key is one */
	bool has_event_key;
	uint64_t bound; /* last number seen; rows lie beyond it */
};

/* The unary + keeps SQLite from an index that would make it sort: rows come by number, and the
 * narrowest of key, incident and kind is looked up. */
static void write_sql(const struct reading *reading, struct buf *sql)
{
	const struct journal_query *query = reading->query;
	bool narrow = query->key != NULL || query->incident != NULL;

	buf_add_text(sql,
		"SELECT number, time, kind, ended, key, incident, body FROM records"
		" WHERE number > ?1 AND number < ?2");
	if (query->kind >= 0)
		buf_add_text(sql, narrow ? " AND +kind = ?3" : " AND kind = ?3");
	else
		buf_add_text(sql, " AND +kind >= 0");
	if (query->key != NULL) {
		buf_add_text(sql,
			" AND number IN (SELECT number FROM records WHERE kind > 0"
			" AND key = ?4");
		if (reading->has_event_key)
			buf_add_text(sql,
				" UNION SELECT number FROM events WHERE fingerprint = ?5"
				" AND starts = ?6 AND firing = ?7");
		buf_add_text(sql, ")");
	}
	if (query->incident != NULL)
		buf_add_text(sql,
			query->key != NULL ? " AND +incident = ?8"
					   : " AND incident = ?8 AND incident <> ''");
	if (query->from_ms != 0)
		buf_add_text(sql, " AND time >= ?9");
	buf_add_text(sql,
		query->newest_first ? " ORDER BY number DESC LIMIT ?10"
				    : " ORDER BY number LIMIT ?10");
}

static void bind_query(const struct reading *reading, sqlite3_stmt *statement, size_t rows)
{
	const struct journal_query *query = reading->query;
	uint64_t above = query->newest_first ? query->after_number : reading->bound;
	uint64_t below = query->newest_first ? reading->bound : INT64_MAX;

	/* A parameter that the text does not have is refused with SQLITE_RANGE, which is right. */
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)(above > INT64_MAX ? INT64_MAX : above));
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)below);
	sqlite3_bind_int(statement, 3, query->kind);
	if (query->key != NULL)
		sqlite3_bind_text(statement, 4, query->key, -1, SQLITE_STATIC);
	if (reading->has_event_key) {
		sqlite3_bind_int64(statement, 5, (sqlite3_int64)reading->event_key.fingerprint);
		sqlite3_bind_int64(statement, 6, reading->event_key.starts_ms);
		sqlite3_bind_int(statement, 7, reading->event_key.firing);
	}
	if (query->incident != NULL)
		sqlite3_bind_text(statement, 8, query->incident, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 9, query->from_ms);
	sqlite3_bind_int64(statement, 10, (sqlite3_int64)rows);
}

static bool take_row(sqlite3_stmt *statement, struct record *record)
{
	*record = (struct record){
		.number = (uint64_t)sqlite3_column_int64(statement, 0),
		.time_ms = sqlite3_column_int64(statement, 1),
		.kind = (enum record_kind)sqlite3_column_int(statement, 2),
		.ended = sqlite3_column_int(statement, 3) != 0,
		.key = (char *)sqlite3_column_text(statement, 4),
		.incident = (char *)sqlite3_column_text(statement, 5),
		.body = (char *)sqlite3_column_text(statement, 6),
	};
	return record->key != NULL && record->incident != NULL && record->body != NULL;
}

/* Visits up to `rows` rows; *visited tells how many, *stopped that the visitor wants no more. */
static int visit_chunk(struct reading *reading, sqlite3_stmt *statement, size_t rows,
	journal_visit_fn *visit, void *argument, size_t *visited, bool *stopped)
{
	int code = SQLITE_ROW;

	*visited = 0;
	bind_query(reading, statement, rows);
	while (!*stopped && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct record record;

		if (!take_row(statement, &record)) {
			code = SQLITE_NOMEM;
			break;
		}
		reading->bound = record.number;
		++*visited;
		/* A newer schema's kinds mean nothing to us. */
		if (record.kind < RECORD_KIND_COUNT)
			*stopped = !visit(argument, &record);
	}
	sqlite3_reset(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum status read_chunks(struct reading *reading, sqlite3 *connection,
	journal_visit_fn *visit, void *argument, struct error *error)
{
	size_t left = reading->query->limit > 0 ? reading->query->limit : SIZE_MAX;
	sqlite3_stmt *statement = NULL;
	bool stopped = false;
	struct buf sql;
	int code;

	buf_init(&sql, 4096);
	write_sql(reading, &sql);
	if (!buf_ok(&sql)) {
		buf_fini(&sql);
		return error_set(error, STATUS_NO_MEMORY, "no memory for a query");
	}
	code = sqlite3_prepare_v2(connection, sql.data, -1, &statement, NULL);
	buf_fini(&sql);
	while (code == SQLITE_OK && !stopped && left > 0) {
		size_t rows = left < CHUNK_ROWS ? left : CHUNK_ROWS, visited;

		code = visit_chunk(reading, statement, rows, visit, argument, &visited, &stopped);
		if (visited < rows)
			break;
		left -= rows;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_OK
		? STATUS_OK
		: journal_sql_error(connection, code, "cannot read the journal", error);
}

enum status journal_read(struct journal *journal, const struct journal_query *query,
	journal_visit_fn *visit, void *argument, struct error *error)
{
	struct journal_readers *readers = journal_readers_of(journal);
	struct reading reading = {.query = query};
	sqlite3 *connection;
	enum status status;

	reading.bound = query->newest_first ? INT64_MAX : query->after_number;
	reading.has_event_key =
		query->key != NULL && event_key_parse(query->key, &reading.event_key);
	status = enter(readers, &connection, error);
	if (status != STATUS_OK)
		return status;
	status = read_chunks(&reading, connection, visit, argument, error);
	leave(readers, connection);
	return status;
}

enum status journal_checkpoint(struct journal *journal, uint64_t *number, struct error *error)
{
	struct journal_readers *readers = journal_readers_of(journal);
	sqlite3_stmt *statement = NULL;
	sqlite3 *connection;
	enum status status = enter(readers, &connection, error);
	int code;

	*number = 0;
	if (status != STATUS_OK)
		return status;
	code = sqlite3_prepare_v2(connection, "SELECT value FROM state WHERE name = 'events_done'",
		-1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		*number = (uint64_t)sqlite3_column_int64(statement, 0);
	else
		status = journal_sql_error(connection, code, "cannot read the checkpoint", error);
	sqlite3_finalize(statement);
	leave(readers, connection);
	return status;
}

enum status journal_pending_events(struct journal *journal, journal_visit_fn *visit, void *argument,
	struct error *error)
{
	struct journal_query query = {.kind = RECORD_EVENT};
	enum status status = journal_checkpoint(journal, &query.after_number, error);

	return status == STATUS_OK ? journal_read(journal, &query, visit, argument, error) : status;
}

/* --- the chain --- */

enum status journal_check_chain(struct journal *journal, struct audit_report *report,
	struct error *error)
{
	struct journal_readers *readers = journal_readers_of(journal);
	struct audit_report own;
	sqlite3 *connection;
	enum status status = enter(readers, &connection, error);

	if (status != STATUS_OK)
		return status;
	status = audit_walk(connection, NULL, NULL, NULL, report != NULL ? report : &own, error);
	leave(readers, connection);
	return status;
}
