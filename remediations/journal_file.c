/*
 * The writer's side of the journal's file. Statements are prepared once; the last number and the
 * last link of the chain are kept in memory and put back when a transaction is aborted.
 *
 * Two processes on one journal would each think to be its only writer: `path`-lock is held with
 * flock() while it is open. It is a file of its own because closing any descriptor of the database
 * would drop the locks that SQLite holds on it.
 */
#include "remediations/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "remediations/audit_notes.h"
#include "remediations/journal_schema.h"
#include "remediations/journal_sweep.h"

#define PATH_SIZE 4096
#define LOG_BYTES (8 << 20)

/* X(id, SQL) */
#define STATEMENT_TABLE(X)                                                                         \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(ADD,                                                                                     \
		"INSERT INTO records(number, time, kind, ended, key, incident, body, hash)"        \
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                         \
	X(ADD_EVENT,                                                                               \
		"INSERT INTO events(fingerprint, starts, firing, number, last_seen, times_seen)"   \
		" VALUES(?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT DO NOTHING")                           \
	X(SEEN_AGAIN,                                                                              \
		"UPDATE events SET last_seen = max(last_seen, ?4),"                                \
		" times_seen = times_seen + 1"                                                     \
		" WHERE fingerprint = ?1 AND starts = ?2 AND firing = ?3")                         \
	X(EVENTS_DONE, "UPDATE state SET value = ?1 WHERE name = 'events_done' AND value < ?1")    \
	X(LAST, "SELECT number, hash FROM records ORDER BY number DESC LIMIT 1")

enum statement {
#define X(id, sql) STATEMENT_##id,
	STATEMENT_TABLE(X)
#undef X
		STATEMENT_COUNT
};

static const char *const statement_sql[] = {
#define X(id, sql) sql,
	STATEMENT_TABLE(X)
#undef X
};

struct chain_end {
	uint64_t number;
	unsigned char hash[JOURNAL_HASH_SIZE];
};

struct journal_file {
	char *path; /* NULL: another VFS keeps it */
	sqlite3 *connection;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	struct chain_end end, end_before; /* before: as of the transaction's begin */
	struct journal_sweep sweep;
	struct chain_hasher hasher;
	unsigned log_pages;
	int lock; /* descriptor; -1 when not held */
};

void event_key_write(const struct event_key *key, char *text, size_t size)
{
	snprintf(text, size, "%016" PRIx64 "/%" PRId64 "/%s", key->fingerprint, key->starts_ms,
		key->firing ? "firing" : "resolved");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool event_key_parse(const char *text, struct event_key *key)
{
	const char *end = strrchr(text, '/');
	char number[24];

	*key = (struct event_key){0};
	for (int i = 0; i < 16; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		key->fingerprint = key->fingerprint << 4 | (uint64_t)digit;
	}
	if (text[16] != '/' || end == text + 16 || (size_t)(end - text) - 17 >= sizeof(number))
		return false;
	memcpy(number, text + 17, (size_t)(end - text) - 17);
	number[end - text - 17] = '\0';
	key->firing = strcmp(end, "/firing") == 0;
	return (key->firing || strcmp(end, "/resolved") == 0) &&
		parse_int(number, &key->starts_ms) == STATUS_OK;
}

enum status journal_sql_error(sqlite3 *connection, int code, const char *what, struct error *error)
{
	enum status status = (code & 0xff) == SQLITE_NOMEM ? STATUS_NO_MEMORY : STATUS_IO;
	int number = sqlite3_system_errno(connection);

	if ((code & 0xff) == SQLITE_IOERR && number != 0)
		return error_set_errno(error, status, number, "%s: %s", what, sqlite3_errstr(code));
	return error_set(error, status, "%s: %s", what, sqlite3_errmsg(connection));
}

static enum status file_error(struct journal_file *file, int code, const char *what,
	struct error *error)
{
	return journal_sql_error(file->connection, code, what, error);
}

/* Runs a bound statement that gives no rows. */
static int run(struct journal_file *file, enum statement which)
{
	sqlite3_stmt *statement = file->statements[which];
	int code = sqlite3_step(statement);

	/* The reset repeats the step's error; texts are unbound so that nobody points to them. */
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

/* --- opening --- */

static enum status take_lock(struct journal_file *file, const char *path, struct error *error)
{
	char name[PATH_SIZE];

	if (snprintf(name, sizeof(name), "%s-lock", path) >= (int)sizeof(name))
		return error_set(error, STATUS_BAD_INPUT, "the journal's path is too long");
	file->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file->lock < 0)
		return error_set_errno(error, STATUS_IO, errno, "cannot open %s", name);
	if (flock(file->lock, LOCK_EX | LOCK_NB) == 0)
		return STATUS_OK;
	if (errno == EWOULDBLOCK)
		return error_set(error, STATUS_BUSY,
			"the journal %s is in use by another process: stop it, or name another "
			"storage folder",
			path);
	return error_set_errno(error, STATUS_IO, errno, "cannot lock %s", name);
}

/* SQLite would create it readable for all. Only under the lock, see above. */
static enum status make_private(const char *path, struct error *error)
{
	int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (descriptor < 0)
		return error_set_errno(error, STATUS_IO, errno, "cannot open the journal %s", path);
	close(descriptor);
	return STATUS_OK;
}

enum status journal_connection_open(sqlite3 **connection, const struct journal_config *config,
	struct error *error)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int code = sqlite3_open_v2(config->path, connection, flags, config->vfs);
	enum status status;

	if (code == SQLITE_OK) {
		status = journal_connection_configure(*connection, config->path,
			config->unsafe_no_sync, error);
	} else {
		journal_sql_error(*connection, code, "cannot open it", error);
		status = error_prefix(error, "the journal %s", config->path);
	}
	if (status != STATUS_OK) {
		sqlite3_close(*connection);
		*connection = NULL;
	}
	return status;
}

/* Syncing a write into a file is several times faster than syncing one that makes it longer, as the
 * file system need not commit the file's new length; without this the commits after a start would be
 * slow until the log is begun anew. What is behind the last valid frame means nothing to SQLite, and
 * zeros are no frame. Only the writer appends to the log, and this is its thread. That it fails is no
 * matter. */
bool journal_file_lengthen_log(struct journal_file *file, size_t step, size_t byte_max)
{
	static const char zeros[65536];
	char name[PATH_SIZE];
	int descriptor;
	off_t at, end;

	/* Another VFS may keep its files elsewhere. */
	if (file->path == NULL)
		return true;
	snprintf(name, sizeof(name), "%s-wal", file->path);
	descriptor = open(name, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return true;
	at = lseek(descriptor, 0, SEEK_END);
	end = at + (off_t)step;
	while (at >= 0 && at < end && at < (off_t)byte_max) {
		ssize_t written = pwrite(descriptor, zeros, sizeof(zeros), at);

		if (written <= 0)
			break;
		at += written;
	}
	fdatasync(descriptor);
	close(descriptor);
	return at < end || at >= (off_t)byte_max;
}

static int count_log_pages(void *argument, sqlite3 *connection, const char *name, int pages)
{
	struct journal_file *file = argument;

	(void)connection;
	(void)name;
	file->log_pages = (unsigned)pages;
	return SQLITE_OK;
}

static enum status prepare(struct journal_file *file, struct error *error)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		int code = sqlite3_prepare_v3(file->connection, statement_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &file->statements[i], NULL);

		if (code != SQLITE_OK)
			return file_error(file, code, "cannot prepare a statement", error);
	}
	return STATUS_OK;
}

static enum status read_end(struct journal_file *file, struct error *error)
{
	sqlite3_stmt *statement = file->statements[STATEMENT_LAST];
	enum status status = STATUS_OK;
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW) {
		const void *hash = sqlite3_column_blob(statement, 1);

		file->end.number = (uint64_t)sqlite3_column_int64(statement, 0);
		if (sqlite3_column_bytes(statement, 1) == JOURNAL_HASH_SIZE)
			memcpy(file->end.hash, hash, JOURNAL_HASH_SIZE);
		else
			status = error_set(error, STATUS_BAD_INPUT,
				"the last record has no hash of %d bytes", JOURNAL_HASH_SIZE);
	} else if (code != SQLITE_DONE) {
		status = file_error(file, code, "cannot read the last record", error);
	}
	sqlite3_reset(statement);
	return status;
}

enum status journal_file_open(struct journal_file **opened, const struct journal_config *config,
	struct error *error)
{
	struct journal_file *file = mem_zalloc(1, sizeof(*file));
	enum status status = STATUS_OK;

	*opened = NULL;
	if (file == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
	file->lock = -1;
	if (config->vfs == NULL) {
		file->path = mem_strdup(config->path);
		status = file->path != NULL
			? STATUS_OK
			: error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
	}
	if (status == STATUS_OK)
		status = chain_hasher_init(&file->hasher, error);
	if (status == STATUS_OK)
		status = take_lock(file, config->path, error);
	if (status == STATUS_OK)
		status = make_private(config->path, error);
	if (status == STATUS_OK)
		status = journal_connection_open(&file->connection, config, error);
	if (status == STATUS_OK)
		status = journal_schema_check(file->connection, config->path,
			clock_now_ms(config->clock), error);
	if (status == STATUS_OK)
		status = prepare(file, error);
	if (status == STATUS_OK)
		status = read_end(file, error);
	if (status != STATUS_OK) {
		journal_file_close(file);
		return status;
	}
	(void)journal_file_lengthen_log(file, LOG_BYTES, LOG_BYTES);
	sqlite3_wal_hook(file->connection, count_log_pages, file);
	*opened = file;
	return STATUS_OK;
}

void journal_file_close(struct journal_file *file)
{
	if (file == NULL)
		return;
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(file->statements[i]);
	/* The last connection copies the log into the file and removes it. */
	if (file->connection != NULL)
		CHECK(sqlite3_close(file->connection) == SQLITE_OK);
	if (file->lock >= 0)
		close(file->lock);
	chain_hasher_fini(&file->hasher);
	mem_free(file->path);
	mem_free(file);
}

/* --- writing --- */

enum status journal_file_begin(struct journal_file *file, struct error *error)
{
	int code = run(file, STATEMENT_BEGIN);

	file->end_before = file->end;
	return code == SQLITE_OK ? STATUS_OK
				 : file_error(file, code, "cannot begin a transaction", error);
}

static enum status hash_record(struct journal_file *file, const struct record *record,
	unsigned char hash[JOURNAL_HASH_SIZE])
{
	const struct chain_row row = {.number = (int64_t)record->number,
		.time_ms = record->time_ms,
		.kind = record->kind,
		.ended = record->ended,
		.key = {record->key, strlen(record->key)},
		.incident = {record->incident, strlen(record->incident)},
		.body = {record->body, strlen(record->body)}};
	unsigned char digest[JOURNAL_HASH_SIZE];
	enum status status = chain_digest(&file->hasher, &row, digest);

	return status == STATUS_OK ? chain_link(&file->hasher, file->end.hash, digest, hash)
				   : status;
}

enum status journal_file_add(struct journal_file *file, struct record *record, struct error *error)
{
	sqlite3_stmt *add = file->statements[STATEMENT_ADD];
	struct chain_end end = {.number = file->end.number + 1};
	int code;

	record->number = end.number;
	if (hash_record(file, record, end.hash) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "cannot hash a record");
	sqlite3_bind_int64(add, 1, (sqlite3_int64)end.number);
	sqlite3_bind_int64(add, 2, record->time_ms);
	sqlite3_bind_int(add, 3, (int)record->kind);
	sqlite3_bind_int(add, 4, record->ended);
	sqlite3_bind_text(add, 5, record->key, -1, SQLITE_STATIC);
	sqlite3_bind_text(add, 6, record->incident, -1, SQLITE_STATIC);
	sqlite3_bind_text(add, 7, record->body, -1, SQLITE_STATIC);
	sqlite3_bind_blob(add, 8, end.hash, JOURNAL_HASH_SIZE, SQLITE_STATIC);
	code = run(file, STATEMENT_ADD);
	if (code != SQLITE_OK)
		return file_error(file, code, "cannot write a record", error);
	file->end = end;
	return STATUS_OK;
}

static void bind_event_key(sqlite3_stmt *statement, const struct event_key *key)
{
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)key->fingerprint);
	sqlite3_bind_int64(statement, 2, key->starts_ms);
	sqlite3_bind_int(statement, 3, key->firing);
}

enum status journal_file_add_event(struct journal_file *file, const struct event_key *key,
	struct record *record, struct error *error)
{
	sqlite3_stmt *add = file->statements[STATEMENT_ADD_EVENT];
	sqlite3_stmt *again = file->statements[STATEMENT_SEEN_AGAIN];
	int code;

	record->number = 0;
	bind_event_key(add, key);
	sqlite3_bind_int64(add, 4, (sqlite3_int64)file->end.number + 1);
	sqlite3_bind_int64(add, 5, record->time_ms);
	code = run(file, STATEMENT_ADD_EVENT);
	if (code == SQLITE_OK && sqlite3_changes(file->connection) == 1)
		return journal_file_add(file, record, error);
	if (code == SQLITE_OK) {
		bind_event_key(again, key);
		sqlite3_bind_int64(again, 4, record->time_ms);
		code = run(file, STATEMENT_SEEN_AGAIN);
	}
	return code == SQLITE_OK ? STATUS_OK
				 : file_error(file, code, "cannot write an event", error);
}

enum status journal_file_events_done(struct journal_file *file, uint64_t number,
	struct error *error)
{
	int code;

	sqlite3_bind_int64(file->statements[STATEMENT_EVENTS_DONE], 1, (sqlite3_int64)number);
	code = run(file, STATEMENT_EVENTS_DONE);
	return code == SQLITE_OK ? STATUS_OK
				 : file_error(file, code, "cannot move the checkpoint", error);
}

enum status journal_file_commit(struct journal_file *file, struct error *error)
{
	int code = run(file, STATEMENT_COMMIT);

	return code == SQLITE_OK ? STATUS_OK : file_error(file, code, "cannot commit", error);
}

void journal_file_abort(struct journal_file *file)
{
	/* Most errors of the disk have already rolled back. What a failed sync left in the log lies
	 * behind its last valid commit for this connection, and the next commit overwrites it. The
	 * connection is kept for that reason: opening anew could find such a commit valid after all
	 * and bring back what was answered as failed. */
	if (sqlite3_get_autocommit(file->connection) == 0)
		run(file, STATEMENT_ROLLBACK);
	file->end = file->end_before;
}

/* Says in the chain what was taken out of it. */
static enum status note_sweep(struct journal_file *file, const struct swept *swept,
	int64_t cutoff_ms, int64_t now_ms, struct error *error)
{
	uint64_t last = swept->count > 0 ? swept->numbers[swept->count - 1] : 0;
	char key[40], cutoff[32];
	struct record record = {.kind = RECORD_AUDIT, .time_ms = now_ms, .key = key};
	static char nothing[] = "";
	struct buf body;
	enum status status;

	format_rfc3339(cutoff_ms, cutoff, sizeof(cutoff));
	snprintf(key, sizeof(key), "swept/%" PRIu64, last);
	buf_init(&body, AUDIT_BODY_MAX);
	buf_printf(&body, "{\"event\":\"swept\",\"older_than\":\"%s\",", cutoff);
	audit_write_removed(&body, swept->numbers, swept->count);
	buf_add_char(&body, ',');
	status = audit_write_first(&body, file->connection, error);
	buf_add_char(&body, '}');
	if (status == STATUS_OK && !buf_ok(&body))
		status = error_set(error, STATUS_NO_MEMORY, "no memory for an audit record");
	record.incident = nothing;
	record.body = body.data;
	if (status == STATUS_OK)
		status = journal_file_add(file, &record, error);
	buf_fini(&body);
	return status;
}

enum status journal_file_sweep(struct journal_file *file, int64_t cutoff_ms, int64_t now_ms,
	bool *finished, struct error *error)
{
	enum status status = journal_file_begin(file, error);
	struct swept swept = {.count = 0};

	*finished = true;
	if (status != STATUS_OK)
		return status;
	status = journal_sweep_step(&file->sweep, file->connection, cutoff_ms, file->end.number,
		&swept, finished, error);
	if (status == STATUS_OK && (swept.count > 0 || swept.deleted))
		status = note_sweep(file, &swept, cutoff_ms, now_ms, error);
	if (status == STATUS_OK)
		status = journal_file_commit(file, error);
	if (status != STATUS_OK) {
		journal_file_abort(file);
		file->sweep = (struct journal_sweep){0};
	}
	return status;
}

uint64_t journal_file_end(const struct journal_file *file, unsigned char hash[JOURNAL_HASH_SIZE])
{
	memcpy(hash, file->end.hash, JOURNAL_HASH_SIZE);
	return file->end.number;
}

unsigned journal_file_log_pages(const struct journal_file *file)
{
	return file->log_pages;
}

sqlite3 *journal_file_connection(struct journal_file *file)
{
	return file->connection;
}

enum status journal_connection_checkpoint(sqlite3 *connection, unsigned *copied, unsigned *left,
	struct error *error)
{
	int pages = 0, done = 0;
	int code = sqlite3_wal_checkpoint_v2(connection, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages,
		&done);

	*copied = *left = 0;
	/* BUSY: the other connection is at it. */
	if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
		return journal_sql_error(connection, code, "cannot copy the log into the journal",
			error);
	*copied = done > 0 ? (unsigned)done : 0;
	*left = pages > done ? (unsigned)(pages - done) : 0;
	return STATUS_OK;
}

enum status journal_connection_sync(sqlite3 *connection, struct error *error)
{
	sqlite3_file *file = NULL;
	int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (code == SQLITE_OK && file != NULL && file->pMethods != NULL)
		code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	return code == SQLITE_OK
		? STATUS_OK
		: journal_sql_error(connection, code, "cannot sync the journal", error);
}
