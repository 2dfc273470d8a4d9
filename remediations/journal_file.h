/*
 * The journal's SQLite file: schema, transactions of the one writer, checkpoints, removal of old
 * records, and the connections of readers.
 *
 * Ownership: the file owns its connection and prepared statements.
 * Limits: none of its own; the journal bounds what it is given.
 * Threads: a struct journal_file belongs to the writer's thread; the functions that take a
 *   connection, to the thread that owns the connection.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JOURNAL_FILE_H
#define NIMBUSGUARD_REMEDIATIONS_JOURNAL_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "remediations/audit_chain.h"
#include "remediations/journal.h"

struct journal_file;

/* Identity of an event: (fingerprint, startsAt, status). */
struct event_key {
	uint64_t fingerprint;
	int64_t starts_ms;
	bool firing;
};

/* fingerprint (16 hex digits)/startsAt (ms)/firing or resolved. */
#define EVENT_KEY_MAX 64
void event_key_write(const struct event_key *key, char *text, size_t size);
bool event_key_parse(const char *text, struct event_key *key);

/* Opens or creates, takes the lock beside it, checks. Errors as journal_open(). */
enum status journal_file_open(struct journal_file **opened, const struct journal_config *config,
	struct error *error) MUST_CHECK;
void journal_file_close(struct journal_file *file);

/* A transaction: begin, any number of adds, commit or abort. After an error only abort may follow;
 * nothing of it is left then. STATUS_IO, STATUS_NO_MEMORY. */
enum status journal_file_begin(struct journal_file *file, struct error *error) MUST_CHECK;
/* Gives record->number. */
enum status journal_file_add(struct journal_file *file, struct record *record,
	struct error *error) MUST_CHECK;
/* Like journal_file_add() when the event is new; otherwise *number is 0, and it is noted that it was
 * seen again. */
enum status journal_file_add_event(struct journal_file *file, const struct event_key *key,
	struct record *record, struct error *error) MUST_CHECK;
/* Moves the engine's checkpoint up to number, never down. */
enum status journal_file_events_done(struct journal_file *file, uint64_t number,
	struct error *error) MUST_CHECK;
/* With its sync. */
enum status journal_file_commit(struct journal_file *file, struct error *error) MUST_CHECK;
void journal_file_abort(struct journal_file *file);

/* Removes what ended before cutoff_ms, a few hundred rows in one transaction, with an audit record of
 * what was removed; *finished when a sweep is through. Does not sync more than the log. */
enum status journal_file_sweep(struct journal_file *file, int64_t cutoff_ms, int64_t now_ms,
	bool *finished, struct error *error) MUST_CHECK;

/* Pages in the write-ahead log after the last commit. */
unsigned journal_file_log_pages(const struct journal_file *file);
/* Makes the log's file a step longer than it is, up to byte_max, so that commits need not. True when
 * it is so long, or can't be made longer. */
bool journal_file_lengthen_log(struct journal_file *file, size_t step, size_t byte_max);
/* Copies the log's pages into the file as far as readers allow; *copied: pages that are there now,
 * *left: those that are not. */
enum status journal_connection_checkpoint(sqlite3 *connection, unsigned *copied, unsigned *left,
	struct error *error) MUST_CHECK;
/* Syncs the file (not the log), which a checkpoint that was overtaken by a commit leaves to the next. */
enum status journal_connection_sync(sqlite3 *connection, struct error *error) MUST_CHECK;

/* A further connection to an open journal. */
enum status journal_connection_open(sqlite3 **connection, const struct journal_config *config,
	struct error *error) MUST_CHECK;
sqlite3 *journal_file_connection(struct journal_file *file);

/* What SQLite said, as an error of ours; `what` names what was tried. */
enum status journal_sql_error(sqlite3 *connection, int code, const char *what, struct error *error);

/* The last record's number (0: none) and hash, as of the transaction. */
uint64_t journal_file_end(const struct journal_file *file, unsigned char hash[JOURNAL_HASH_SIZE]);

#endif
