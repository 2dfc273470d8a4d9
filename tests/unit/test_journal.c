/* run-under: tsan */
/* The journal: order, repeats, limits, what it refuses to open, failing disks, age, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/journal_fixture.h"
#include "tests/support/vfs_lossy.h"

static void records_are_numbered_in_commit_order(void **state)
{
	struct journal *journal = open_journal(*state);
	struct record pair[2] = {make_record(RECORD_INCIDENT, "i1", "i1", "{\"state\":\"open\"}"),
		make_record(RECORD_ACTION, "a1", "i1", "{}")};
	struct answer answer = ANSWER_INIT;

	assert_int_equal(add_event(journal, 1, true), 1);
	assert_int_equal(journal_submit(journal, pair, 2, take_answer, &answer), STATUS_OK);
	assert_null(pair[0].body);
	assert_int_equal(await_calls(&answer, 1), STATUS_OK);
	assert_int_equal(answer.numbers[0], 2);
	assert_int_equal(answer.numbers[1], 3);
	journal_close(journal);
	journal = open_journal(*state);
	assert_int_equal(add_event(journal, 2, true), 4);
	assert_chain(journal);
	journal_close(journal);
}

static void repeated_event_gets_number_zero(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer answer = ANSWER_INIT;
	struct event events[3];

	make_event(&events[0], 7, true);
	make_event(&events[1], 8, true);
	make_event(&events[2], 7, true);
	assert_int_equal(journal_submit_events(journal, events, 3, take_answer, &answer),
		STATUS_OK);
	assert_int_equal(await_calls(&answer, 1), STATUS_OK);
	assert_int_equal(answer.numbers[0], 1);
	assert_int_equal(answer.numbers[1], 2);
	assert_int_equal(answer.numbers[2], 0);
	assert_int_equal(add_event(journal, 8, true), 0);
	assert_int_equal(add_event(journal, 8, false), 3);
	journal_close(journal);
	journal = open_journal(*state);
	assert_int_equal(add_event(journal, 8, false), 0);
	assert_int_equal(count_records(journal), 3);
	assert_int_equal((int)metrics_get(METRIC_ALERTS_DUPLICATE), 3);
	assert_int_equal((int)metrics_get(METRIC_JOURNAL_RECORDS, "event"), 3);
	journal_close(journal);
	for (size_t i = 0; i < 3; i++)
		event_fini(&events[i]);
}

static void full_queue_answers_busy(void **state)
{
	struct journal_fixture *fixture = *state;
	struct answer first = ANSWER_INIT, rest = ANSWER_INIT;
	struct journal *journal;

	fixture->config.queue_max = 4;
	journal = open_journal(fixture);
	first.held = true;
	assert_int_equal(submit_event(journal, 1, true, &first), STATUS_OK);
	await_calls(&first, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(submit_event(journal, 10 + i, true, &rest), STATUS_OK);
	assert_int_equal(submit_event(journal, 20, true, &rest), STATUS_BUSY);
	assert_int_equal(submit_record(journal, make_record(RECORD_NOTE, "", "", "{}"), &rest),
		STATUS_BUSY);
	release(&first);
	assert_int_equal(await_calls(&rest, 4), STATUS_OK);
	assert_int_equal(count_records(journal), 5);
	assert_int_equal(add_event(journal, 20, true), 6);
	journal_close(journal);
}

static void what_is_queued_is_committed_at_close(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer answer = ANSWER_INIT;

	for (int i = 0; i < 20; i++)
		assert_int_equal(submit_event(journal, i, true, &answer), STATUS_OK);
	journal_close(journal);
	assert_int_equal(answer.calls, 20);
	assert_int_equal(answer.status, STATUS_OK);
	journal = open_journal(*state);
	assert_int_equal(count_records(journal), 20);
	journal_close(journal);
}

static void records_that_make_no_sense_are_refused(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer answer = ANSWER_INIT;
	struct record odd = make_record(RECORD_NOTE, "", "", "{}");
	char *body;

	odd.kind = RECORD_KIND_COUNT;
	assert_int_equal(submit_record(journal, odd, &answer), STATUS_BAD_INPUT);
	assert_int_equal(submit_record(journal, make_record(RECORD_EVENT, "k", "", "{}"), &answer),
		STATUS_BAD_INPUT);
	body = malloc(JOURNAL_BODY_MAX + 2);
	memset(body, 'x', JOURNAL_BODY_MAX + 1);
	body[JOURNAL_BODY_MAX + 1] = '\0';
	assert_int_equal(submit_record(journal, make_record(RECORD_NOTE, "", "", body), &answer),
		STATUS_TOO_LARGE);
	free(body);
	odd = (struct record){.kind = RECORD_NOTE, .body = mem_strdup("{}")};
	assert_int_equal(add_record(journal, odd), 1);
	journal_close(journal);
	assert_int_equal(answer.calls, 0);
}

static void add_some(struct journal *journal)
{
	struct record last = make_record(RECORD_INCIDENT, "i1", "i1", "{\"state\":\"cured\"}");

	add_event(journal, 100, true);                                       /* 1 */
	add_record(journal, make_record(RECORD_INCIDENT, "i1", "i1", "{}")); /* 2 */
	add_record(journal, make_record(RECORD_ACTION, "a1", "i1", "{}"));   /* 3 */
	add_record(journal, make_record(RECORD_ACTION, "a2", "i2", "{}"));   /* 4 */
	last.time_ms = INT64_C(1700000000000) + HOUR_MS;
	add_record(journal, last);      /* 5 */
	add_event(journal, 100, false); /* 6 */
}

#define ASSERT_READ(journal, query, ...)                                                           \
	do {                                                                                       \
		uint64_t expected[] = {__VA_ARGS__};                                               \
		static struct seen found;                                                          \
		assert_int_equal(read_all(journal, &(query), &found), ARRAY_COUNT(expected));      \
		assert_memory_equal(found.numbers, expected, sizeof(expected));                    \
	} while (0)

static void queries_find_what_they_name(void **state)
{
	struct journal *journal = open_journal(*state);
	struct journal_query all = {.kind = -1}, query;
	static struct seen seen;

	add_some(journal);
	ASSERT_READ(journal, all, 1, 2, 3, 4, 5, 6);
	query = (struct journal_query){.kind = RECORD_EVENT};
	ASSERT_READ(journal, query, 1, 6);
	query = (struct journal_query){.kind = -1, .incident = "i1"};
	ASSERT_READ(journal, query, 2, 3, 5);
	query.kind = RECORD_INCIDENT;
	query.newest_first = true;
	ASSERT_READ(journal, query, 5, 2);
	query.limit = 1;
	ASSERT_READ(journal, query, 5);
	query = (struct journal_query){.kind = -1, .key = "a2"};
	ASSERT_READ(journal, query, 4);
	query.incident = "i1";
	assert_int_equal(read_all(journal, &query, &seen), 0);
	query = (struct journal_query){.kind = -1, .after_number = 2, .limit = 2};
	ASSERT_READ(journal, query, 3, 4);
	query = (struct journal_query){.kind = -1, .after_number = 3, .newest_first = true};
	ASSERT_READ(journal, query, 6, 5, 4);
	query = (struct journal_query){.kind = -1, .from_ms = INT64_C(1700000000000) + HOUR_MS};
	ASSERT_READ(journal, query, 5);
	journal_close(journal);
}

static void event_is_found_by_its_key(void **state)
{
	struct journal *journal = open_journal(*state);
	struct journal_query query = {.kind = RECORD_EVENT};
	static struct seen seen;
	char key[80];

	add_some(journal);
	assert_int_equal(read_all(journal, &query, &seen), 2);
	snprintf(key, sizeof(key), "%s", seen.keys[1]);
	assert_non_null(strstr(key, "/100/resolved"));
	query.key = key;
	ASSERT_READ(journal, query, 6);
	query.kind = -1;
	ASSERT_READ(journal, query, 6);
	query.key = "0123/5/firing";
	assert_int_equal(read_all(journal, &query, &seen), 0);
	journal_close(journal);
}

static void long_reading_is_whole_and_can_be_stopped(void **state)
{
	struct journal *journal = open_journal(*state);
	struct journal_query query = {.kind = -1};
	struct answer answer = ANSWER_INIT;
	struct event events[600];
	static struct seen seen;

	for (int i = 0; i < 600; i++)
		make_event(&events[i], i, true);
	assert_int_equal(journal_submit_events(journal, events, 600, take_answer, &answer),
		STATUS_OK);
	await_calls(&answer, 1);
	assert_int_equal(read_all(journal, &query, &seen), 600);
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(seen.numbers[i], i + 1);
	query.newest_first = true;
	query.limit = 300;
	assert_int_equal(read_all(journal, &query, &seen), 300);
	assert_int_equal(seen.numbers[299], 301);
	seen = (struct seen){.stop_at = 257};
	assert_int_equal(journal_read(journal, &query, see, &seen, NULL), STATUS_OK);
	assert_int_equal(seen.count, 257);
	journal_close(journal);
	for (int i = 0; i < 600; i++)
		event_fini(&events[i]);
}

static void pending_events_are_those_above_the_checkpoint(void **state)
{
	struct journal *journal = open_journal(*state);
	static struct seen seen;
	uint64_t number;

	add_event(journal, 1, true);
	add_record(journal, make_record(RECORD_NOTE, "start", "", "{}"));
	add_event(journal, 2, true);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(journal_pending_events(journal, see, &seen, NULL), STATUS_OK);
	assert_int_equal(seen.count, 2);
	assert_int_equal(move_checkpoint(journal, 1), 0);
	journal_close(journal);

	journal = open_journal(*state);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(journal_pending_events(journal, see, &seen, NULL), STATUS_OK);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.numbers[0], 3);
	move_checkpoint(journal, 3);
	move_checkpoint(journal, 2);
	assert_int_equal(journal_checkpoint(journal, &number, NULL), STATUS_OK);
	assert_int_equal(number, 3);
	assert_int_equal(count_records(journal), 3);
	journal_close(journal);
}

static void checkpoint_without_a_number_is_refused(void **state)
{
	static const char *const bodies[] = {"", "{}", "[]", "{\"number\":-1}",
		"{\"number\":\"1\"}", "{\"number\":1.5}", "{\"number\":9223372036854775808}",
		"{\"number\":1"};
	struct journal *journal = open_journal(*state);
	struct answer answer = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_COUNT(bodies); i++)
		assert_int_equal(submit_record(journal,
					 make_record(RECORD_NOTE, JOURNAL_EVENTS_DONE, "",
						 bodies[i]),
					 &answer),
			STATUS_BAD_INPUT);
	journal_close(journal);
}

static void group_costs_one_sync(void **state)
{
	struct journal_fixture *fixture = *state;
	struct answer first = ANSWER_INIT, rest = ANSWER_INIT;
	struct journal *journal;
	unsigned long before;

	fixture->config.vfs = VFS_LOSSY;
	journal = open_journal(fixture);
	add_event(journal, 1, true); /* the first commit begins the log anew */
	before = vfs_lossy_syncs();
	first.held = true;
	assert_int_equal(submit_event(journal, 2, true, &first), STATUS_OK);
	await_calls(&first, 1);
	assert_int_equal(vfs_lossy_syncs() - before, 1);
	for (int i = 0; i < 50; i++)
		assert_int_equal(submit_event(journal, 10 + i, true, &rest), STATUS_OK);
	release(&first);
	await_calls(&rest, 50);
	assert_int_equal(vfs_lossy_syncs() - before, 2);
	journal_close(journal);
}

static void checkpoint_note_rides_along(void **state)
{
	struct journal_fixture *fixture = *state;
	struct answer note = ANSWER_INIT;
	struct journal *journal;
	unsigned long before;
	int64_t began;

	fixture->config.vfs = VFS_LOSSY;
	journal = open_journal(fixture);
	add_event(journal, 1, true);
	before = vfs_lossy_syncs();
	began = clock_mono_ns(clock_system());
	assert_int_equal(submit_record(journal,
				 make_record(RECORD_NOTE, JOURNAL_EVENTS_DONE, "",
					 "{\"number\":1}"),
				 &note),
		STATUS_OK);
	clock_sleep_ms(20);
	add_event(journal, 2, true);
	assert_int_equal(await_calls(&note, 1), STATUS_OK);
	/* On a machine too slow for that the note may have gone alone. */
	if (clock_mono_ns(clock_system()) - began < INT64_C(80000000))
		assert_int_equal(vfs_lossy_syncs() - before, 1);
	journal_close(journal);
}

/* --- files that are not opened --- */

static void assert_refused(struct journal_fixture *fixture, enum status status, const char *words)
{
	struct error error = {0};
	struct journal *journal = journal_open(&fixture->config, &error);

	if (journal != NULL) {
		journal_close(journal);
		fail_msg("the file was taken");
	}
	if (error.code != status || strstr(error.text, words) == NULL ||
		strstr(error.text, fixture->path) == NULL)
		fail_msg("%s: %s", status_label(error.code), error.text);
}

static void run_sql(struct journal_fixture *fixture, const char *sql)
{
	sqlite3 *connection;
	char *message = NULL;

	assert_int_equal(sqlite3_open(fixture->path, &connection), SQLITE_OK);
	if (sqlite3_exec(connection, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	assert_int_equal(sqlite3_close(connection), SQLITE_OK);
}

static void foreign_file_is_refused_and_left_alone(void **state)
{
	struct journal_fixture *fixture = *state;
	char text[32] = "";
	FILE *file = fopen(fixture->path, "w");

	fputs("these are my holiday notes, thank you", file);
	fclose(file);
	assert_refused(fixture, STATUS_BAD_INPUT, "is not a journal of NimbusGuard");
	file = fopen(fixture->path, "r");
	assert_int_equal(fread(text, 1, 9, file), 9);
	fclose(file);
	assert_string_equal(text, "these are");
	unlink(fixture->path);
	run_sql(fixture, "CREATE TABLE mine(x)");
	assert_refused(fixture, STATUS_BAD_INPUT, "is not a journal of NimbusGuard");
	run_sql(fixture, "PRAGMA application_id=77");
	assert_refused(fixture, STATUS_BAD_INPUT, "application_id 77");
}

static void newer_schema_is_refused(void **state)
{
	struct journal_fixture *fixture = *state;

	journal_close(open_journal(fixture));
	run_sql(fixture, "PRAGMA user_version=4");
	assert_refused(fixture, STATUS_BAD_INPUT, "newer NimbusGuard (schema 4");
}

static void fill(struct journal *journal, int count)
{
	struct answer answer = ANSWER_INIT;

	for (int i = 0; i < count; i++) {
		while (submit_event(journal, i, true, &answer) == STATUS_BUSY)
			clock_sleep_ms(1);
	}
	await_calls(&answer, (size_t)count);
}

static void damaged_file_is_refused(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	char noise[8192];
	int descriptor;

	fill(journal, 300);
	journal_close(journal);
	memset(noise, 0x5a, sizeof(noise));
	descriptor = open(fixture->path, O_WRONLY);
	assert_int_equal(pwrite(descriptor, noise, sizeof(noise), 4096 * 8), sizeof(noise));
	close(descriptor);
	assert_refused(fixture, STATUS_BAD_INPUT, "is damaged");
}

static void torn_file_is_refused(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);

	fill(journal, 300);
	journal_close(journal);
	assert_int_equal(truncate(fixture->path, 4096 * 5 + 100), 0);
	assert_refused(fixture, STATUS_BAD_INPUT, "is damaged");
	assert_int_equal(truncate(fixture->path, 60), 0);
	assert_refused(fixture, STATUS_BAD_INPUT, "is damaged");
}

static void journal_in_use_is_refused(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);

	assert_refused(fixture, STATUS_BUSY, "in use by another process");
	assert_int_equal(add_event(journal, 1, true), 1);
	journal_close(journal);
}

static void missing_folder_is_named(void **state)
{
	struct journal_fixture *fixture = *state;

	snprintf(fixture->path, sizeof(fixture->path), "%s/none/journal.db", fixture->folder);
	assert_refused(fixture, STATUS_IO, "No such file or directory");
}

/* --- errors of the disk --- */

static void fail_and_recover(struct journal_fixture *fixture, int code, int sync_only)
{
	struct answer first = ANSWER_INIT, rest = ANSWER_INIT;
	double errors = metrics_get(METRIC_JOURNAL_ERRORS);
	struct journal *journal;
	uint64_t last;

	fixture->config.vfs = VFS_LOSSY;
	journal = open_journal(fixture);
	last = add_event(journal, 1000 * sync_only + 1, true);
	first.held = true;
	assert_int_equal(submit_event(journal, 1000 * sync_only + 2, true, &first), STATUS_OK);
	await_calls(&first, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(submit_event(journal, 1000 * sync_only + 10 + i, true, &rest),
			STATUS_OK);
	vfs_lossy_fail(code, "-wal", sync_only);
	release(&first);
	assert_int_equal(await_calls(&rest, 5), STATUS_IO);
	assert_int_equal(rest.numbers[0], 0);
	assert_int_equal((int)(metrics_get(METRIC_JOURNAL_ERRORS) - errors), 1);
	assert_false(journal_healthy(journal));
	assert_int_equal(count_records(journal), last + 1);
	vfs_lossy_fail(0, "", 0);
	assert_int_equal(add_event(journal, 1000 * sync_only + 10, true), last + 2);
	assert_true(journal_healthy(journal));
	assert_chain(journal);
	journal_close(journal);
}

static void full_disk_fails_the_group_and_is_got_over(void **state)
{
	fail_and_recover(*state, SQLITE_FULL, 0);
}

static void failed_sync_fails_the_group_and_is_got_over(void **state)
{
	fail_and_recover(*state, SQLITE_IOERR_FSYNC, 1);
}

/* --- age and chain --- */

/* Lets the journal's own time pass until `count` records are left. */
static void await_records(struct journal_fixture *fixture, struct journal *journal, size_t count)
{
	/* Long enough for the next sweep, if one saw half a step of the clock. */
	for (int i = 0; i < 200 && count_records(journal) != count; i++) {
		clock_manual_advance(&fixture->clock, 10000);
		move_checkpoint(journal, 0);
	}
	assert_int_equal(count_records(journal), count);
}

static void old_ended_records_go_and_the_chain_stays(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct record ended = make_record(RECORD_INCIDENT, "i1", "i1", "{\"state\":\"cured\"}");
	struct journal_query all = {.kind = -1};

	add_event(journal, 1, true);                                         /* 1: done with */
	add_record(journal, make_record(RECORD_INCIDENT, "i1", "i1", "{}")); /* 2 */
	add_record(journal, make_record(RECORD_INCIDENT, "i2", "i2", "{}")); /* 3: never ended */
	add_record(journal, make_record(RECORD_ACTION, "a1", "i1", "{}"));   /* 4 */
	ended.ended = true;
	add_record(journal, ended);                                   /* 5 */
	add_event(journal, 2, true);                                  /* 6: still to do */
	add_record(journal, make_record(RECORD_NOTE, "n", "", "{}")); /* 7: the newest */
	move_checkpoint(journal, 1);
	clock_manual_advance(&fixture->clock, 25 * HOUR_MS);
	/* 8 tells which were emptied, 9 that the first of them is deleted. */
	await_records(fixture, journal, 5);
	ASSERT_READ(journal, all, 3, 6, 7, 8, 9);
	assert_chain(journal);
	/* A forgotten event is new when it comes again; one still to do is known. */
	for (int i = 0; i < 5; i++) {
		clock_manual_advance(&fixture->clock, 1000);
		move_checkpoint(journal, 0);
	}
	assert_int_equal(add_event(journal, 2, true), 0);
	assert_true(add_event(journal, 1, true) > 9);
	assert_chain(journal);
	journal_close(journal);
	journal = open_journal(fixture);
	assert_chain(journal);
	journal_close(journal);
}

/* Or a service that is started after a month would act although it was told not to. */
static void the_newest_word_on_the_kill_switch_stays(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct journal_query all = {.kind = -1};

	add_record(journal, make_record(RECORD_NOTE, "paused", "", "{\"paused\":false}"));
	add_record(journal, make_record(RECORD_NOTE, "paused", "", "{\"paused\":true}"));
	add_record(journal, make_record(RECORD_NOTE, "n", "", "{}"));
	add_record(journal, make_record(RECORD_NOTE, "n", "", "{}"));
	clock_manual_advance(&fixture->clock, 25 * HOUR_MS);
	await_records(fixture, journal, 3);
	ASSERT_READ(journal, all, 2, 4, 5);
	assert_chain(journal);
	journal_close(journal);
}

static void changed_record_breaks_the_chain(void **state)
{
	static const char *const changes[] = {"UPDATE records SET body='{\"x\":1}' WHERE number=3",
		"UPDATE records SET incident='i9' WHERE number=3",
		"UPDATE records SET time=time+1 WHERE number=3",
		"UPDATE records SET ended=1 WHERE number=3", "DELETE FROM records WHERE number=2",
		"DELETE FROM records WHERE number=1"};
	static const char *const words[] = {"record 3", "record 3", "record 3", "record 3",
		"record 2", "record 1"};

	for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
		struct error error = {0};
		struct journal *journal;
		void *fresh = NULL;

		journal_fixture_make(&fresh);
		journal = open_journal(fresh);
		add_some(journal);
		assert_chain(journal);
		journal_close(journal);
		run_sql(fresh, changes[i]);
		journal = open_journal(fresh);
		assert_int_equal(journal_check_chain(journal, NULL, &error), STATUS_CONFLICT);
		assert_non_null(strstr(error.text, words[i]));
		journal_close(journal);
		journal_fixture_remove(&fresh);
	}
}

/* --- memory --- */

static void every_failed_allocation_is_an_answer(void **state)
{
	struct journal_fixture *fixture = *state;
	struct event event;
	bool reached = true;

	make_event(&event, 5, true);
	for (long nth = 1; reached; nth++) {
		struct answer answer = ANSWER_INIT;
		struct journal *journal;
		struct error error = {0};
		struct journal_query query = {.kind = -1};
		static struct seen seen;
		enum status status;
		size_t calls = 0;

		mem_fail_after(nth, false);
		journal = journal_open(&fixture->config, &error);
		if (journal == NULL) {
			assert_int_equal(error.code, STATUS_NO_MEMORY);
			reached = mem_fail_after(0, false);
			continue;
		}
		status = journal_submit_events(journal, &event, 1, take_answer, &answer);
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
		calls += status == STATUS_OK;
		memset(&seen, 0, sizeof(seen));
		status = journal_read(journal, &query, see, &seen, &error);
		assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
		await_calls(&answer, calls);
		journal_close(journal);
		reached = mem_fail_after(0, false);
	}
	event_fini(&event);
}

/* --- threads --- */

struct crowd {
	struct journal *journal;
	int64_t first_id;
	atomic_size_t answered, fresh;
};

static void count_answer(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct crowd *crowd = argument;

	assert_int_equal(status, STATUS_OK);
	for (size_t i = 0; i < count; i++)
		atomic_fetch_add(&crowd->fresh, numbers[i] != 0);
	atomic_fetch_add(&crowd->answered, 1);
}

#define CROWD_EVENTS 150

static void *submit_many(void *argument)
{
	struct crowd *crowd = argument;

	for (int64_t i = 0; i < CROWD_EVENTS; i++) {
		struct event event;

		make_event(&event, i, true);
		while (journal_submit_events(crowd->journal, &event, 1, count_answer, crowd) ==
			STATUS_BUSY)
			clock_sleep_ms(1);
		event_fini(&event);
	}
	return NULL;
}

static bool count_visit(void *argument, const struct record *record)
{
	uint64_t *next = argument;

	return record->number == ++*next;
}

static void *read_many(void *argument)
{
	struct crowd *crowd = argument;
	struct journal_query query = {.kind = -1};

	for (int i = 0; i < 20; i++) {
		uint64_t last = 0;

		assert_int_equal(journal_read(crowd->journal, &query, count_visit, &last, NULL),
			STATUS_OK);
		assert_true(last <= CROWD_EVENTS);
	}
	return NULL;
}

static void threads_agree_on_what_is_new(void **state)
{
	struct journal_fixture *fixture = *state;
	struct crowd crowd = {0};
	pthread_t threads[6];

	fixture->config.group_delay_us = 200;
	crowd.journal = open_journal(fixture);
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 4 ? submit_many : read_many,
					 &crowd),
			0);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	journal_close(crowd.journal);
	assert_int_equal(atomic_load(&crowd.answered), 4 * CROWD_EVENTS);
	assert_int_equal(atomic_load(&crowd.fresh), CROWD_EVENTS);
	crowd.journal = open_journal(fixture);
	assert_int_equal(count_records(crowd.journal), CROWD_EVENTS);
	assert_chain(crowd.journal);
	journal_close(crowd.journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, journal_fixture_make, journal_fixture_remove)
		T(records_are_numbered_in_commit_order),
		T(repeated_event_gets_number_zero),
		T(full_queue_answers_busy),
		T(what_is_queued_is_committed_at_close),
		T(records_that_make_no_sense_are_refused),
		T(queries_find_what_they_name),
		T(event_is_found_by_its_key),
		T(long_reading_is_whole_and_can_be_stopped),
		T(pending_events_are_those_above_the_checkpoint),
		T(checkpoint_without_a_number_is_refused),
		T(group_costs_one_sync),
		T(checkpoint_note_rides_along),
		T(foreign_file_is_refused_and_left_alone),
		T(newer_schema_is_refused),
		T(damaged_file_is_refused),
		T(torn_file_is_refused),
		T(journal_in_use_is_refused),
		T(missing_folder_is_named),
		T(full_disk_fails_the_group_and_is_got_over),
		T(failed_sync_fails_the_group_and_is_got_over),
		T(old_ended_records_go_and_the_chain_stays),
		T(the_newest_word_on_the_kill_switch_stays),
		T(changed_record_breaks_the_chain),
		T(every_failed_allocation_is_an_answer),
		T(threads_agree_on_what_is_new),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	if (vfs_lossy_register() != 0)
		return 1;
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
