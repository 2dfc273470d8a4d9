/*
 * The chain of the journal's records: what is found when somebody changed them from outside, what a
 * sweep leaves behind, an older journal's way to the new schema, exports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "remediations/audit.h"
#include "remediations/audit_chain.h"
#include "remediations/audit_walk.h"
#include "tests/support/journal_fixture.h"

/* A record of each kind that can be submitted, and two more behind them. */
static void add_kinds(struct journal *journal)
{
	for (int kind = 0; kind < RECORD_KIND_COUNT; kind++) {
		if (kind == RECORD_EVENT)
			assert_true(add_event(journal, 7, true) > 0);
		else if (kind != RECORD_AUDIT)
			assert_true(add_record(journal,
					    make_record((enum record_kind)kind, "key", "i1",
						    "{\"state\":\"x\"}")) > 0);
	}
	add_record(journal, make_record(RECORD_NOTE, "n", "", "{}"));
	add_record(journal, make_record(RECORD_NOTE, "o", "", "{\"o\":1}"));
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *connection;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
	if (sqlite3_exec(connection, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
	assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static enum status verify(const char *path, const char *head, struct audit_report *report,
	struct error *error)
{
	struct audit_head parsed;
	struct audit *audit;
	enum status status = audit_open(&audit, path, error);

	if (status != STATUS_OK)
		fail_msg("audit_open: %s", error->text);
	if (head != NULL)
		assert_int_equal(audit_head_parse(head, &parsed, error), STATUS_OK);
	status = audit_verify(audit, head != NULL ? &parsed : NULL, report, error);
	audit_close(audit);
	return status;
}

static void assert_whole(const char *path)
{
	struct audit_report report;
	struct error error = {0};

	if (verify(path, NULL, &report, &error) != STATUS_OK)
		fail_msg("not whole: %s", error.text);
	assert_int_equal(report.broken, 0);
}

static void assert_broken(const char *path, uint64_t number, const char *words)
{
	struct audit_report report;
	struct error error = {0};

	if (verify(path, NULL, &report, &error) != STATUS_CONFLICT)
		fail_msg("found whole although record %" PRIu64 " is not: %s", number, words);
	if (report.broken != number || strstr(error.text, words) == NULL)
		fail_msg("record %" PRIu64 ", %s: found was %s", number, words, error.text);
}

/* A closed journal with a record of each kind. */
static void make_closed(struct journal_fixture *fixture)
{
	struct journal *journal = open_journal(fixture);

	add_kinds(journal);
	journal_close(journal);
	assert_whole(fixture->path);
}

static void each_column_of_each_record_is_covered(void **state)
{
	/* One change for each column, and those that only look alike to SQL. */
	static const char *const changes[] = {"number=number+100", "time=time+1", "kind=kind+1",
		"ended=1-ended", "key=key||'x'", "incident=incident||'x'", "body=body||' '",
		"hash=zeroblob(32)", "time=time+0.5", "body=body||char(0)||'x'",
		"key=upper(key)||''", "ended=ended+2", "hash=substr(hash,1,31)",
		"key=CAST(key||'y' AS BLOB)", "kind=-1",
		"kind=-1,time=0,ended=0,key='',incident='',body=lower(hex(hash))"};
	struct journal_fixture *fixture = *state;
	char copy[320], sql[400];
	struct audit_report report;
	struct error error;

	make_closed(fixture);
	assert_int_equal(verify(fixture->path, NULL, &report, &error), STATUS_OK);
	snprintf(copy, sizeof(copy), "%s-copy", fixture->path);
	for (uint64_t number = 1; number <= report.last; number++) {
		for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
			/* Upper case of what has no letters is no change. */
			if (strncmp(changes[i], "key=upper", 9) == 0 && number == 1)
				continue;
			snprintf(sql, sizeof(sql), "PRAGMA synchronous=OFF; VACUUM INTO '%s'",
				copy);
			run_sql(fixture->path, sql);
			snprintf(sql, sizeof(sql), "UPDATE records SET %s WHERE number=%" PRIu64,
				changes[i], number);
			run_sql(copy, sql);
			assert_broken(copy, number, "record");
			unlink(copy);
		}
	}
}

static void removed_inserted_and_moved_records_are_named(void **state)
{
	static const struct {
		const char *sql;
		uint64_t number;
		const char *words;
	} cases[] = {
		{"DELETE FROM records WHERE number=4", 4, "missing"},
		{"DELETE FROM records WHERE number=1", 1, "taken out"},
		{"DELETE FROM records WHERE number BETWEEN 3 AND 5", 3, "up to record 5"},
		{"DELETE FROM records WHERE number=4;"
		 "UPDATE records SET number=4 WHERE number=5;"
		 "UPDATE records SET number=5 WHERE number=6;"
		 "UPDATE records SET number=6 WHERE number=7;"
		 "UPDATE records SET number=7 WHERE number=8",
			4, "does not fit"},
		{"UPDATE records SET number=99 WHERE number=3;"
		 "UPDATE records SET number=3 WHERE number=4;"
		 "UPDATE records SET number=4 WHERE number=99",
			3, "moved"},
		{"UPDATE records SET number=number+1000 WHERE number>=3;"
		 "UPDATE records SET number=number-999 WHERE number>=1000;"
		 "INSERT INTO records SELECT 3,time,kind,ended,key,incident,body,hash FROM records"
		 " WHERE number=2",
			3, "inserted"},
		{"INSERT INTO records SELECT 10,time,kind,ended,key,incident,body,hash FROM records"
		 " WHERE number=8",
			10, "does not fit"},
		/* The event's own record is the first: cut off behind nothing that speaks of it. */
		{"UPDATE state SET value=50 WHERE name='events_done'", 10, "knows of record 50"},
		{"UPDATE records SET kind=-1,time=0,ended=0,key='',incident='',"
		 "body='0000000000000000000000000000000000000000000000000000000000000000'"
		 " WHERE number=4",
			4, "taken out"},
	};
	struct journal_fixture *fixture = *state;
	char copy[320], sql[400];

	make_closed(fixture);
	snprintf(copy, sizeof(copy), "%s-copy", fixture->path);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		snprintf(sql, sizeof(sql), "PRAGMA synchronous=OFF; VACUUM INTO '%s'", copy);
		run_sql(fixture->path, sql);
		run_sql(copy, cases[i].sql);
		assert_broken(copy, cases[i].number, cases[i].words);
		unlink(copy);
	}
}

/* Emptied with its right digest, as a sweep would do it, but without saying so. */
static void emptied_record_that_no_sweep_noted_is_named(void **state)
{
	struct journal_fixture *fixture = *state;
	struct chain_hasher hasher;
	unsigned char digest[JOURNAL_HASH_SIZE];
	char text[JOURNAL_HASH_TEXT_SIZE], sql[400];
	sqlite3_stmt *statement;
	sqlite3 *connection;
	struct chain_row row;

	make_closed(fixture);
	assert_int_equal(chain_hasher_init(&hasher, NULL), STATUS_OK);
	assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(connection, CHAIN_ROW_SQL " WHERE number=4", -1,
				 &statement, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_null(chain_row_read(statement, &row));
	assert_int_equal(chain_digest(&hasher, &row, digest), STATUS_OK);
	chain_hex(digest, text);
	sqlite3_finalize(statement);
	sqlite3_close(connection);
	chain_hasher_fini(&hasher);
	snprintf(sql, sizeof(sql),
		"UPDATE records SET kind=-1,time=0,ended=0,key='',incident='',body='%s'"
		" WHERE number=4",
		text);
	run_sql(fixture->path, sql);
	assert_broken(fixture->path, 4, "no audit record says so");
}

static void what_is_cut_off_at_the_end_is_told_by_its_head(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	char head[JOURNAL_HEAD_SIZE], other[JOURNAL_HEAD_SIZE];
	struct audit_report report;
	struct error error;

	journal_head(journal, head);
	assert_string_equal(head, "");
	add_kinds(journal);
	journal_head(journal, head);
	add_record(journal, make_record(RECORD_NOTE, "later", "", "{}"));
	journal_close(journal);
	assert_int_equal(strncmp(head, "9:", 2), 0);
	assert_int_equal(verify(fixture->path, head, &report, &error), STATUS_OK);
	assert_true(report.asked_for == report.last - 1);
	/* By the hash alone, too. */
	assert_int_equal(verify(fixture->path, strchr(head, ':') + 1, &report, &error), STATUS_OK);
	snprintf(other, sizeof(other), "%s", head);
	other[strlen(other) - 1] = other[strlen(other) - 1] == '0' ? '1' : '0';
	assert_int_equal(verify(fixture->path, other, &report, &error), STATUS_CONFLICT);
	run_sql(fixture->path,
		"DELETE FROM records WHERE number >= (SELECT max(number) - 1 FROM records)");
	assert_whole(fixture->path);
	assert_int_equal(verify(fixture->path, head, &report, &error), STATUS_CONFLICT);
	assert_true(report.broken == report.last + 1);
	assert_non_null(strstr(error.text, "cut off"));
	assert_int_equal(audit_head_parse("12:zz", &(struct audit_head){0}, &error),
		STATUS_BAD_INPUT);
	assert_int_equal(audit_head_parse("x:00", &(struct audit_head){0}, &error),
		STATUS_BAD_INPUT);
}

/* --- sweeps --- */

static void sweep_all(struct journal_fixture *fixture, struct journal *journal)
{
	for (int i = 0; i < 12; i++) {
		clock_manual_advance(&fixture->clock, 200000);
		move_checkpoint(journal, 0);
	}
}

static void fill_ended(struct journal *journal, const char *prefix, int count)
{
	struct record record;

	for (int i = 0; i < count; i++) {
		char id[16];

		snprintf(id, sizeof(id), "i%s%d", prefix, i);
		record = make_record(RECORD_INCIDENT, id, id, "{}");
		/* One stays open, so that what is removed has a gap. */
		record.ended = i != count / 2;
		add_record(journal, record);
	}
}

static void sweeps_leave_a_chain_that_vouches_for_itself(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct audit_report report;
	struct error error;

	fill_ended(journal, "a", 21);
	clock_manual_advance(&fixture->clock, 2 * HOUR_MS);
	fill_ended(journal, "b", 3);
	clock_manual_advance(&fixture->clock, 23 * HOUR_MS);
	sweep_all(fixture, journal);
	assert_int_equal(journal_check_chain(journal, &report, &error), STATUS_OK);
	/* 1 to 10 are gone but for the last of them, 11 is open, 12 to 21 are emptied. */
	assert_int_equal(report.first, 10);
	assert_int_equal(report.removed, 11);
	/* The audit records themselves go once nothing is left of what they speak of. */
	for (int day = 0; day < 4; day++) {
		clock_manual_advance(&fixture->clock, 25 * HOUR_MS);
		sweep_all(fixture, journal);
		assert_int_equal(journal_check_chain(journal, &report, &error), STATUS_OK);
	}
	journal_close(journal);
	journal = open_journal(fixture);
	assert_chain(journal);
	journal_close(journal);
	assert_whole(fixture->path);
}

static void tampering_with_a_swept_journal_is_named(void **state)
{
	static const struct {
		const char *sql;
		uint64_t number;
	} cases[] = {
		/* The chain's beginning is moved on. */
		{"DELETE FROM records WHERE number=10;"
		 "UPDATE records SET kind=-1,time=0,ended=0,key='',incident='',"
		 "body='0000000000000000000000000000000000000000000000000000000000000000'"
		 " WHERE number=11",
			11},
		{"DELETE FROM records WHERE number=10", 1},
		{"UPDATE records SET hash=zeroblob(32) WHERE number=10", 10},
		{"UPDATE records SET body=replace(body,'a','b') WHERE number=12", 12},
		{"UPDATE records SET time=5 WHERE number=13", 13},
		/* An audit record that says other than it did. */
		{"UPDATE records SET body=replace(body,'[12,','[13,') WHERE kind=7", 25},
		{"UPDATE records SET body='nothing' WHERE kind=7 AND number=25", 25},
		{"UPDATE records SET kind=5 WHERE kind=7 AND number=25", 25},
	};
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	char copy[320], sql[400];

	fill_ended(journal, "a", 21);
	clock_manual_advance(&fixture->clock, 2 * HOUR_MS);
	fill_ended(journal, "b", 3);
	clock_manual_advance(&fixture->clock, 23 * HOUR_MS);
	sweep_all(fixture, journal);
	journal_close(journal);
	assert_whole(fixture->path);
	snprintf(copy, sizeof(copy), "%s-copy", fixture->path);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct audit_report report;
		struct error error;

		snprintf(sql, sizeof(sql), "PRAGMA synchronous=OFF; VACUUM INTO '%s'", copy);
		run_sql(fixture->path, sql);
		run_sql(copy, cases[i].sql);
		assert_int_equal(verify(copy, NULL, &report, &error), STATUS_CONFLICT);
		if (report.broken != cases[i].number)
			fail_msg("%s: found was %s", cases[i].sql, error.text);
		unlink(copy);
	}
}

/* --- the older schema --- */

/* Brings a closed journal back to schema 2: the old hashes, and removed records without digests. */
static void make_old(const char *path, bool remove)
{
	unsigned char before[JOURNAL_HASH_SIZE] = {0};
	sqlite3_stmt *read, *write;
	struct chain_hasher hasher;
	sqlite3 *connection;
	struct chain_row row;

	assert_int_equal(chain_hasher_init(&hasher, NULL), STATUS_OK);
	assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(connection, CHAIN_ROW_SQL " ORDER BY number", -1, &read,
				 NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(connection,
				 "UPDATE records SET hash=?2 WHERE number=?1", -1, &write, NULL),
		SQLITE_OK);
	while (sqlite3_step(read) == SQLITE_ROW) {
		assert_null(chain_row_read(read, &row));
		assert_int_equal(chain_link_old(&hasher, before, &row, before), STATUS_OK);
		sqlite3_bind_int64(write, 1, row.number);
		sqlite3_bind_blob(write, 2, before, JOURNAL_HASH_SIZE, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(write), SQLITE_DONE);
		sqlite3_reset(write);
	}
	sqlite3_finalize(read);
	sqlite3_finalize(write);
	assert_int_equal(sqlite3_exec(connection, "PRAGMA user_version=2", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(connection);
	chain_hasher_fini(&hasher);
	if (remove)
		run_sql(path,
			"UPDATE records SET kind=-1,ended=0,key='',incident='',body=''"
			" WHERE number IN (2, 3, 5); DELETE FROM records WHERE number=1");
}

static void older_journal_gets_the_new_chain_at_its_opening(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal;
	struct audit_report report;
	struct error error;
	uint64_t last;

	make_closed(fixture);
	make_old(fixture->path, true);
	assert_int_equal(verify(fixture->path, NULL, &report, &error), STATUS_OK);
	assert_int_equal(report.schema, 2);
	last = report.last;
	journal = open_journal(fixture);
	assert_int_equal(journal_check_chain(journal, &report, &error), STATUS_OK);
	assert_int_equal(report.schema, 3);
	assert_int_equal(report.last, last + 1);
	assert_int_equal(report.removed, 3);
	assert_true(add_record(journal, make_record(RECORD_NOTE, "n", "", "{}")) == last + 2);
	assert_chain(journal);
	journal_close(journal);
	/* What was removed before counts as removed still, and no more than that. */
	run_sql(fixture->path,
		"UPDATE records SET body=replace(body,'[5,5]','[5,6]') WHERE kind=7");
	assert_broken(fixture->path, last + 1, "does not fit");
}

static void older_journal_that_was_changed_is_remembered_as_such(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal;
	struct audit_report report;
	struct error error;

	make_closed(fixture);
	make_old(fixture->path, false);
	run_sql(fixture->path, "UPDATE records SET body='{}' WHERE number=4");
	assert_broken(fixture->path, 4, "does not fit");
	journal = open_journal(fixture);
	assert_int_equal(journal_check_chain(journal, &report, &error), STATUS_CONFLICT);
	assert_int_equal(report.broken, 4);
	journal_close(journal);
}

static void migration_that_is_cut_short_leaves_the_old_journal(void **state)
{
	struct journal_fixture *fixture = *state;
	struct audit_report report;
	struct error error;
	bool failed = true;

	make_closed(fixture);
	make_old(fixture->path, true);
	for (long n = 1; failed; n++) {
		struct journal *journal;

		mem_fail_after(n, true);
		journal = journal_open(&fixture->config, &error);
		failed = mem_fail_after(0, false);
		if (journal != NULL) {
			journal_close(journal);
			assert_false(failed);
		} else {
			assert_int_equal(verify(fixture->path, NULL, &report, &error), STATUS_OK);
			assert_true(report.schema == 2 || report.schema == 3);
		}
	}
	assert_int_equal(verify(fixture->path, NULL, &report, &error), STATUS_OK);
	assert_int_equal(report.schema, 3);
}

/* --- exports --- */

static char *slurp(const char *path)
{
	FILE *file = fopen(path, "rb");
	static char text[1 << 20];
	size_t size;

	assert_non_null(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
}

static enum status export_to(const char *journal, const char *path, const struct audit_span *span,
	struct audit_report *report, struct error *error)
{
	FILE *out = fopen(path, "wb");
	struct audit *audit;
	enum status status;

	assert_non_null(out);
	assert_int_equal(audit_open(&audit, journal, error), STATUS_OK);
	status = audit_export(audit, span, out, report, error);
	audit_close(audit);
	assert_int_equal(fclose(out), 0);
	return status;
}

static enum status verify_text(const char *text, const struct audit_head *head,
	struct audit_report *report, struct error *error)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "rb");
	enum status status;

	assert_non_null(in);
	status = audit_verify_export(in, head, report, error);
	fclose(in);
	return status;
}

/* Replaces one text in a copy. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	size_t size = strlen(text) + strlen(to) + 1;
	char *copy = malloc(size);

	assert_non_null(copy);
	if (at == NULL)
		fail_msg("\"%s\" is not in the export", from);
	snprintf(copy, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return copy;
}

static void export_is_a_chain_of_its_own(void **state)
{
	static const struct {
		const char *from, *to, *words;
	} cases[] = {
		{"\"number\":4,", "\"number\":5,", "missing"},
		{"\"kind_number\":2", "\"kind_number\":3", "does not fit"},
		{"\"state\":\"x\"", "\"state\":\"y\"", "does not fit"},
		{"\"incident\":\"i1\"", "\"incident\":\"i2\"", "does not fit"},
		{"\"ended\":0", "\"ended\":1", "does not fit"},
		{"\"end\":true", "\"end\":true,\"x\":1", NULL},
		{"{\"end\":true", "{\"number\":77,\"end\":true", NULL},
		{"\"records\":", "\"records\":1", "other records"},
		{"{\"number\":3", "{\"number\":3,", "no JSON"},
	};
	struct journal_fixture *fixture = *state;
	struct audit_span span = {.now_ms = 1};
	struct audit_report report;
	struct audit_head head = {.number = 0};
	struct error error;
	char path[320], *text, *cut;

	make_closed(fixture);
	snprintf(path, sizeof(path), "%s.jsonl", fixture->path);
	assert_int_equal(export_to(fixture->path, path, &span, &report, &error), STATUS_OK);
	memcpy(head.hash, report.head, sizeof(head.hash));
	text = slurp(path);
	if (verify_text(text, &head, &report, &error) != STATUS_OK)
		fail_msg("the export is not whole: %s", error.text);
	assert_int_equal(report.asked_for, report.last);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char *other = changed(text, cases[i].from, cases[i].to);
		enum status status = verify_text(other, NULL, &report, &error);

		if (cases[i].words == NULL)
			assert_int_equal(status, STATUS_OK);
		else if (status != STATUS_CONFLICT || !strstr(error.text, cases[i].words))
			fail_msg("%s: %s", cases[i].to, status ? error.text : "found whole");
		free(other);
	}
	/* Its end cut off: between two lines, and within one. */
	cut = strstr(text, "{\"end\":true");
	*cut = '\0';
	assert_int_equal(verify_text(text, NULL, &report, &error), STATUS_CONFLICT);
	assert_non_null(strstr(error.text, "cut off"));
	cut[-20] = '\0';
	assert_int_equal(verify_text(text, NULL, &report, &error), STATUS_CONFLICT);
	assert_int_equal(verify_text("{\"a\":1}\n", NULL, &report, &error), STATUS_BAD_INPUT);
}

static void export_of_a_span_holds_its_records_only(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct audit_span span = {.now_ms = 1};
	struct audit_report report;
	struct error error;
	char path[320];
	int64_t begin = clock_now_ms(&fixture->clock.clock);

	for (int i = 0; i < 9; i++) {
		add_record(journal,
			make_record(RECORD_NOTE, "n", "", "{\"text\":\"a \\\"b\\\"\"}"));
		clock_manual_advance(&fixture->clock, 1000);
	}
	span.from_ms = begin + 3000;
	span.to_ms = begin + 6000;
	snprintf(path, sizeof(path), "%s.jsonl", fixture->path);
	/* Of a journal that is in use. */
	assert_int_equal(export_to(fixture->path, path, &span, &report, &error), STATUS_OK);
	assert_int_equal(report.exported, 3);
	assert_int_equal(verify_text(slurp(path), NULL, &report, &error), STATUS_OK);
	assert_int_equal(report.first, 4);
	assert_int_equal(report.last, 6);
	span.from_ms = begin + 60000;
	span.to_ms = 0;
	assert_int_equal(export_to(fixture->path, path, &span, &report, &error), STATUS_OK);
	assert_int_equal(report.exported, 0);
	assert_int_equal(verify_text(slurp(path), NULL, &report, &error), STATUS_OK);
	span = (struct audit_span){.format = AUDIT_CSV};
	assert_int_equal(export_to(fixture->path, path, &span, &report, &error), STATUS_OK);
	assert_non_null(strstr(slurp(path), "note,0,\"n\",\"\",\"{\"\"text\"\":"));
	journal_close(journal);
}

static void export_of_a_swept_journal_keeps_the_digests(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct audit_span span = {.now_ms = 1};
	struct audit_report report;
	struct error error;
	char path[320];

	fill_ended(journal, "a", 21);
	clock_manual_advance(&fixture->clock, 2 * HOUR_MS);
	fill_ended(journal, "b", 3);
	clock_manual_advance(&fixture->clock, 23 * HOUR_MS);
	sweep_all(fixture, journal);
	journal_close(journal);
	snprintf(path, sizeof(path), "%s.jsonl", fixture->path);
	assert_int_equal(export_to(fixture->path, path, &span, &report, &error), STATUS_OK);
	if (verify_text(slurp(path), NULL, &report, &error) != STATUS_OK)
		fail_msg("the export is not whole: %s", error.text);
	assert_int_equal(report.removed, 11);
}

static void what_keeps_an_export_from_being_written_is_told(void **state)
{
	struct journal_fixture *fixture = *state;
	struct audit_span span = {.now_ms = 1};
	struct audit_report report;
	struct error error;
	struct audit *audit;
	FILE *full = fopen("/dev/full", "wb");

	assert_non_null(full);
	make_closed(fixture);
	assert_int_equal(audit_open(&audit, fixture->path, &error), STATUS_OK);
	assert_int_equal(audit_export(audit, &span, full, &report, &error), STATUS_IO);
	audit_close(audit);
	(void)fclose(full);
	assert_string_equal(error.text, "the export can't be written: No space left on device");
}

/* --- files --- */

static void copy_in_a_folder_that_cannot_be_written_is_read(void **state)
{
	struct journal_fixture *fixture = *state;
	struct error error;
	struct audit *audit;
	char folder[300], copy[320], sql[400];

	make_closed(fixture);
	snprintf(folder, sizeof(folder), "%s/sub#1?", fixture->folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(copy, sizeof(copy), "%s/j", folder);
	snprintf(sql, sizeof(sql), "PRAGMA synchronous=OFF; VACUUM INTO '%s'", copy);
	run_sql(fixture->path, sql);
	assert_int_equal(chmod(folder, 0500), 0);
	assert_whole(copy);
	assert_int_equal(chmod(folder, 0700), 0);
	unlink(copy);
	rmdir(folder);
	assert_int_equal(audit_open(&audit, copy, &error), STATUS_NOT_FOUND);
	assert_null(audit);
}

static void what_is_no_journal_is_refused(void **state)
{
	struct journal_fixture *fixture = *state;
	char path[320];
	struct error error;
	struct audit *audit;
	FILE *file;

	snprintf(path, sizeof(path), "%s/other", fixture->folder);
	run_sql(path, "CREATE TABLE t(x)");
	assert_int_equal(audit_open(&audit, path, &error), STATUS_BAD_INPUT);
	unlink(path);
	file = fopen(path, "wb");
	assert_non_null(file);
	fputs("this is a text and no journal, whatever it is called", file);
	fclose(file);
	assert_int_equal(audit_open(&audit, path, &error), STATUS_BAD_INPUT);
	unlink(path);
}

static void audit_records_are_the_journals_alone(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct answer answer = ANSWER_INIT;

	assert_int_equal(submit_record(journal, make_record(RECORD_AUDIT, "swept/1", "", "{}"),
				 &answer),
		STATUS_BAD_INPUT);
	journal_close(journal);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, journal_fixture_make, journal_fixture_remove)
	const struct CMUnitTest tests[] = {
		T(each_column_of_each_record_is_covered),
		T(removed_inserted_and_moved_records_are_named),
		T(emptied_record_that_no_sweep_noted_is_named),
		T(what_is_cut_off_at_the_end_is_told_by_its_head),
		T(sweeps_leave_a_chain_that_vouches_for_itself),
		T(tampering_with_a_swept_journal_is_named),
		T(older_journal_gets_the_new_chain_at_its_opening),
		T(older_journal_that_was_changed_is_remembered_as_such),
		T(migration_that_is_cut_short_leaves_the_old_journal),
		T(export_is_a_chain_of_its_own),
		T(export_of_a_span_holds_its_records_only),
		T(export_of_a_swept_journal_keeps_the_digests),
		T(what_keeps_an_export_from_being_written_is_told),
		T(copy_in_a_folder_that_cannot_be_written_is_read),
		T(what_is_no_journal_is_refused),
		T(audit_records_are_the_journals_alone),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
