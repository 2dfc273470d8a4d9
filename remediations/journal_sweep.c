/*
 * A sweep has three phases: records are judged in the order of their numbers and emptied; emptied
 * rows at the beginning of the journal are deleted, but for the last of them, whose hash is where
 * the chain begins; events that were last seen before the cutoff are forgotten.
 *
 * Statements are prepared at each step: a step a second at most is worth no kept ones.
 */
#include "remediations/journal_sweep.h"

#include "remediations/journal_file.h"

#define STEP_ROWS SWEEP_STEP_ROWS

/* 1 when the record may go: it is old, and either belongs to no incident (an event only when the
 * engine is done with it, the kill switch only when a newer note tells of it, an audit record only when nothing is left that it
 * vouches for and a newer one says where the chain begins), or its incident's last word says "ended" and nothing of it is recent. */
static const char judge_sql[] =
	"SELECT r.number, r.time >= ?2, r.kind >= 0 AND r.number < ?3 AND"
	" CASE WHEN r.incident = '' THEN"
	"  CASE r.kind WHEN 0 THEN"
	"   r.number <= (SELECT value FROM state WHERE name = 'events_done')"
	"  WHEN 5 THEN (r.key <> 'paused' AND substr(r.key, 1, 5) <> 'mode/')"
	"   OR EXISTS(SELECT 1 FROM records p WHERE p.number > r.number"
	"   AND p.key = r.key AND p.kind = 5 AND p.kind > 0)"
	"  WHEN 7 THEN CAST(substr(r.key, instr(r.key, '/') + 1) AS INTEGER)"
	"   <= (SELECT min(number) FROM records)"
	"   AND EXISTS(SELECT 1 FROM records a WHERE a.number > r.number AND a.kind = 7)"
	"  ELSE 1 END"
	" ELSE"
	"  coalesce((SELECT i.ended FROM records i WHERE i.incident = r.incident"
	"   AND i.incident <> '' AND i.kind = 1 ORDER BY i.number DESC LIMIT 1), 0)"
	"  AND NOT EXISTS(SELECT 1 FROM records n WHERE n.incident = r.incident"
	"   AND n.incident <> '' AND n.time >= ?2)"
	" END FROM records r WHERE r.number > ?1 ORDER BY r.number LIMIT ?4";

static const char whole_sql[] = CHAIN_ROW_SQL " WHERE number = ?1";

static const char empty_sql[] =
	"UPDATE records SET time = 0, kind = -1, ended = 0, key = '', incident = '',"
	" body = ?2 WHERE number = ?1";

static const char delete_sql[] =
	"DELETE FROM records WHERE number IN (SELECT number FROM records WHERE number <"
	" (SELECT min(number) FROM records WHERE +kind >= 0) - 1 ORDER BY number LIMIT ?1)";

static const char old_events_sql[] =
	"SELECT fingerprint, starts, firing, last_seen < ?4 AND"
	" number <= (SELECT value FROM state WHERE name = 'events_done') FROM events"
	" WHERE (fingerprint, starts, firing) > (?1, ?2, ?3)"
	" ORDER BY fingerprint, starts, firing LIMIT ?5";

static const char forget_sql[] =
	"DELETE FROM events WHERE fingerprint = ?1 AND starts = ?2 AND firing = ?3";

static int prepare(sqlite3 *connection, const char *sql, sqlite3_stmt **statement)
{
	return sqlite3_prepare_v2(connection, sql, -1, statement, NULL);
}

static int step_once(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	sqlite3_reset(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Which of the next rows may go. */
static int judge_records(struct journal_sweep *sweep, sqlite3 *connection, int64_t cutoff_ms,
	uint64_t last_number, struct swept *swept)
{
	sqlite3_stmt *judge = NULL;
	int rows = 0, code = prepare(connection, judge_sql, &judge);
	bool recent = false;

	if (code != SQLITE_OK)
		return code;
	sqlite3_bind_int64(judge, 1, sweep->cursor);
	sqlite3_bind_int64(judge, 2, cutoff_ms);
	sqlite3_bind_int64(judge, 3, (sqlite3_int64)last_number);
	sqlite3_bind_int(judge, 4, STEP_ROWS);
	/* Times follow numbers but for steps of the clock: the first recent record ends the phase. */
	while (!recent && (code = sqlite3_step(judge)) == SQLITE_ROW) {
		sweep->cursor = sqlite3_column_int64(judge, 0);
		recent = sqlite3_column_int(judge, 1) != 0;
		if (!recent && sqlite3_column_int(judge, 2) != 0)
			swept->numbers[swept->count++] = (uint64_t)sweep->cursor;
		rows++;
	}
	sqlite3_finalize(judge);
	if (recent || rows < STEP_ROWS)
		sweep->phase = SWEEP_EMPTIED;
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The digest takes the place of what it is of. A row that the journal never wrote so stays as it is,
 * for the chain is broken there and shall be found to be. */
static int empty_record(struct chain_hasher *hasher, sqlite3_stmt *whole, sqlite3_stmt *empty,
	uint64_t number, bool *emptied)
{
	unsigned char digest[JOURNAL_HASH_SIZE];
	char text[JOURNAL_HASH_TEXT_SIZE];
	struct chain_row row;
	int code;

	*emptied = false;
	sqlite3_bind_int64(whole, 1, (sqlite3_int64)number);
	code = sqlite3_step(whole);
	if (code == SQLITE_ROW && chain_row_read(whole, &row) == NULL) {
		if (chain_digest(hasher, &row, digest) != STATUS_OK)
			code = SQLITE_NOMEM;
		else
			*emptied = true;
	}
	sqlite3_reset(whole);
	if (!*emptied)
		return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
	chain_hex(digest, text);
	sqlite3_bind_int64(empty, 1, (sqlite3_int64)number);
	sqlite3_bind_text(empty, 2, text, -1, SQLITE_STATIC);
	code = step_once(empty);
	sqlite3_clear_bindings(empty);
	return code;
}

static int empty_records(struct journal_sweep *sweep, sqlite3 *connection, int64_t cutoff_ms,
	uint64_t last_number, struct swept *swept)
{
	sqlite3_stmt *whole = NULL, *empty = NULL;
	struct chain_hasher hasher;
	size_t kept = 0;
	int code = judge_records(sweep, connection, cutoff_ms, last_number, swept);

	if (code != SQLITE_OK || swept->count == 0)
		return code;
	if (chain_hasher_init(&hasher, NULL) != STATUS_OK)
		return SQLITE_NOMEM;
	code = prepare(connection, whole_sql, &whole);
	if (code == SQLITE_OK)
		code = prepare(connection, empty_sql, &empty);
	for (size_t i = 0; i < swept->count && code == SQLITE_OK; i++) {
		bool emptied;

		code = empty_record(&hasher, whole, empty, swept->numbers[i], &emptied);
		if (emptied)
			swept->numbers[kept++] = swept->numbers[i];
	}
	swept->count = kept;
	sqlite3_finalize(whole);
	sqlite3_finalize(empty);
	chain_hasher_fini(&hasher);
	return code;
}

static int delete_emptied(struct journal_sweep *sweep, sqlite3 *connection, struct swept *swept)
{
	sqlite3_stmt *statement = NULL;
	int deleted = 0, code = prepare(connection, delete_sql, &statement);

	if (code == SQLITE_OK) {
		sqlite3_bind_int(statement, 1, STEP_ROWS);
		code = step_once(statement);
	}
	sqlite3_finalize(statement);
	if (code == SQLITE_OK)
		deleted = sqlite3_changes(connection);
	swept->deleted = deleted > 0;
	if (code == SQLITE_OK && deleted < STEP_ROWS)
		sweep->phase = SWEEP_EVENTS;
	return code;
}

static void bind_key(sqlite3_stmt *statement, const struct journal_sweep *key)
{
	sqlite3_bind_int64(statement, 1, key->begun ? key->fingerprint : INT64_MIN);
	sqlite3_bind_int64(statement, 2, key->begun ? key->starts : INT64_MIN);
	sqlite3_bind_int(statement, 3, key->begun ? key->firing : -1);
}

static int forget_events(struct journal_sweep *sweep, sqlite3 *connection, int64_t cutoff_ms,
	bool *finished)
{
	struct journal_sweep keys[STEP_ROWS];
	sqlite3_stmt *old = NULL, *forget = NULL;
	int count = 0, rows = 0;
	int code = prepare(connection, old_events_sql, &old);

	if (code == SQLITE_OK)
		code = prepare(connection, forget_sql, &forget);
	if (code != SQLITE_OK)
		goto out;
	bind_key(old, sweep);
	sqlite3_bind_int64(old, 4, cutoff_ms);
	sqlite3_bind_int(old, 5, STEP_ROWS);
	while ((code = sqlite3_step(old)) == SQLITE_ROW) {
		sweep->begun = true;
		sweep->fingerprint = sqlite3_column_int64(old, 0);
		sweep->starts = sqlite3_column_int64(old, 1);
		sweep->firing = sqlite3_column_int(old, 2);
		if (sqlite3_column_int(old, 3) != 0)
			keys[count++] = *sweep;
		rows++;
	}
	code = code == SQLITE_DONE ? SQLITE_OK : code;
	for (int i = 0; i < count && code == SQLITE_OK; i++) {
		bind_key(forget, &keys[i]);
		code = step_once(forget);
	}
	*finished = rows < STEP_ROWS;
out:
	sqlite3_finalize(old);
	sqlite3_finalize(forget);
	return code;
}

enum status journal_sweep_step(struct journal_sweep *sweep, sqlite3 *connection, int64_t cutoff_ms,
	uint64_t last_number, struct swept *swept, bool *finished, struct error *error)
{
	int code = SQLITE_OK;

	*finished = false;
	switch (sweep->phase) {
	case SWEEP_RECORDS:
		code = empty_records(sweep, connection, cutoff_ms, last_number, swept);
		break;
	case SWEEP_EMPTIED:
		code = delete_emptied(sweep, connection, swept);
		break;
	case SWEEP_EVENTS:
		code = forget_events(sweep, connection, cutoff_ms, finished);
		break;
	}
	if (code != SQLITE_OK)
		return journal_sql_error(connection, code, "cannot remove old records", error);
	if (*finished)
		*sweep = (struct journal_sweep){0};
	return STATUS_OK;
}
