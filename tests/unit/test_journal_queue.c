/* run-under: tsan */
/*
 * In which order and company the journal commits what waits, and how its log is kept short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "remediations/journal_log.h"
#include "remediations/journal_queue.h"
#include "tests/support/journal_fixture.h"
#include "tests/support/vfs_lossy.h"

/* The writer is kept busy meanwhile, so that all of it waits. */
static void an_event_does_not_wait_for_records_before_it(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer first = ANSWER_INIT, record = ANSWER_INIT, event = ANSWER_INIT;

	first.held = true;
	assert_int_equal(submit_event(journal, 1, true, &first), STATUS_OK);
	await_calls(&first, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(submit_record(journal, make_record(RECORD_NOTE, "", "", "{}"),
					 &record),
			STATUS_OK);
	assert_int_equal(submit_event(journal, 2, true, &event), STATUS_OK);
	release(&first);
	assert_int_equal(await_calls(&event, 1), STATUS_OK);
	assert_int_equal(await_calls(&record, 3), STATUS_OK);
	assert_int_equal(event.numbers[0], 2);
	assert_int_equal(record.numbers[0], 5);
	journal_close(journal);
}

/* The group that is due within half a minute. */
static struct waiting *take(struct journal_queue *queue)
{
	int64_t began_ns = clock_mono_ns(clock_system());
	struct waiting *group;
	size_t left;
	bool ended;

	group = journal_queue_take(queue, INT64_C(30000000000), &left, &ended);
	assert_true(clock_mono_ns(clock_system()) - began_ns < INT64_C(30000000000));
	assert_non_null(group);
	return group;
}

static void an_event_waits_for_nobody(void **state)
{
	struct waiting event = {.hurry = HURRY_EVENT, .bytes = 10};
	struct journal_queue queue;

	journal_queue_init(&queue, 100, 1000, 0);
	assert_int_equal(journal_queue_add(&queue, &event), STATUS_OK);
	assert_ptr_equal(take(&queue), &event);
	assert_null(event.next);
	journal_queue_fini(&queue);
}

/* Notes alone would have gone after a while. */
static void notes_ride_along_with_an_event(void **state)
{
	struct waiting note = {.hurry = HURRY_NOTE, .bytes = 10},
		       event = {.hurry = HURRY_EVENT, .bytes = 10};
	struct journal_queue queue;

	journal_queue_init(&queue, 100, 1000, 0);
	assert_int_equal(journal_queue_add(&queue, &note), STATUS_OK);
	assert_int_equal(journal_queue_add(&queue, &event), STATUS_OK);
	assert_ptr_equal(take(&queue), &event);
	assert_ptr_equal(event.next, &note);
	assert_null(note.next);
	journal_queue_fini(&queue);
}

static struct record patient_record(const char *key)
{
	struct record record = make_record(RECORD_NOTE, key, "", "{}");

	record.may_wait = true;
	return record;
}

static void records_that_may_wait_share_a_sync(void **state)
{
	struct journal_fixture *fixture = *state;
	struct answer answer = ANSWER_INIT;
	struct journal *journal;
	unsigned long before;
	int64_t began;

	fixture->config.vfs = VFS_LOSSY;
	journal = open_journal(fixture);
	add_event(journal, 1, true);
	before = vfs_lossy_syncs();
	began = clock_mono_ns(clock_system());
	for (int i = 0; i < 5; i++) {
		assert_int_equal(submit_record(journal, patient_record("k"), &answer), STATUS_OK);
		clock_sleep_ms(1);
	}
	assert_int_equal(await_calls(&answer, 5), STATUS_OK);
	/* On a machine too slow for that the first may have gone alone. */
	if (clock_mono_ns(clock_system()) - began < INT64_C(30000000))
		assert_int_equal(vfs_lossy_syncs() - before, 1);
	journal_close(journal);
}

static void records_that_may_wait_go_with_the_next_that_may_not(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer patient = ANSWER_INIT;

	for (int i = 0; i < 50; i++) {
		assert_int_equal(submit_record(journal, patient_record("k"), &patient), STATUS_OK);
		assert_int_equal(add_record(journal, make_record(RECORD_NOTE, "", "", "{}")),
			2 * i + 2);
		assert_int_equal(await_calls(&patient, (size_t)i + 1), STATUS_OK);
		assert_int_equal(patient.numbers[0], 2 * i + 1);
	}
	journal_close(journal);
}

static void what_may_wait_is_committed_at_close(void **state)
{
	struct journal *journal = open_journal(*state);
	struct answer answer = ANSWER_INIT;

	for (int i = 0; i < 3; i++)
		assert_int_equal(submit_record(journal, patient_record("k"), &answer), STATUS_OK);
	journal_close(journal);
	assert_int_equal(answer.calls, 3);
	assert_int_equal(answer.status, STATUS_OK);
	journal = open_journal(*state);
	assert_int_equal(count_records(journal), 3);
	journal_close(journal);
}

/* Without being begun anew under load it would be 100 MiB long. */
static void a_busy_log_is_begun_anew(void **state)
{
	struct journal_fixture *fixture = *state;
	struct journal *journal = open_journal(fixture);
	struct answer answer = ANSWER_INIT;
	static char body[1 << 20];
	char path[320];
	struct stat facts;

	memset(body, ' ', sizeof(body) - 1);
	body[0] = '{';
	body[sizeof(body) - 2] = '}';
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(submit_record(journal, make_record(RECORD_NOTE, "", "", body),
					 &answer),
			STATUS_OK);
		if (i >= 4)
			assert_int_equal(await_calls(&answer, i - 3), STATUS_OK);
	}
	assert_int_equal(await_calls(&answer, 100), STATUS_OK);
	snprintf(path, sizeof(path), "%s-wal", fixture->path);
	assert_int_equal(stat(path, &facts), 0);
	assert_true(facts.st_size < (LOG_PAGES_MAX + 4000) * INT64_C(4120));
	assert_chain(journal);
	journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, journal_fixture_make, journal_fixture_remove)
		T(an_event_does_not_wait_for_records_before_it),
		cmocka_unit_test(an_event_waits_for_nobody),
		cmocka_unit_test(notes_ride_along_with_an_event),
		T(records_that_may_wait_share_a_sync),
		T(records_that_may_wait_go_with_the_next_that_may_not),
		T(what_may_wait_is_committed_at_close),
		T(a_busy_log_is_begun_anew),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	if (vfs_lossy_register() != 0)
		return 1;
	return cmocka_run_group_tests_name("journal_queue", tests, NULL, NULL);
}
