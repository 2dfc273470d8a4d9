#include "tests/support/journal_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/vfs_lossy.h"

int journal_fixture_make(void **state)
{
	struct journal_fixture *fixture = calloc(1, sizeof(*fixture));
	const char *base = getenv("TMPDIR");

	snprintf(fixture->folder, sizeof(fixture->folder), "%s/journal-XXXXXX",
		base ? base : "/tmp");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/journal.db", fixture->folder);
	clock_manual_init(&fixture->clock, INT64_C(1700000000000));
	fixture->config = (struct journal_config){.path = fixture->path,
		.queue_max = 64,
		.keep_ms = 24 * HOUR_MS,
		.clock = &fixture->clock.clock};
	metrics_reset();
	*state = fixture;
	return 0;
}

int journal_fixture_remove(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-lock", "-copy"};
	struct journal_fixture *fixture = *state;
	char name[400];

	vfs_lossy_fail(0, "", 0);
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", fixture->path, ends[i]);
		unlink(name);
	}
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

struct journal *open_journal(struct journal_fixture *fixture)
{
	struct error error = {0};
	struct journal *journal = journal_open(&fixture->config, &error);

	if (journal == NULL)
		fail_msg("journal_open: %s", error.text);
	return journal;
}

/* --- answers --- */

void take_answer(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct answer *answer = argument;

	pthread_mutex_lock(&answer->lock);
	answer->status = status;
	answer->count = count;
	for (size_t i = 0; i < count && i < ARRAY_COUNT(answer->numbers); i++)
		answer->numbers[i] = numbers[i];
	answer->calls++;
	pthread_cond_broadcast(&answer->came);
	while (answer->held)
		pthread_cond_wait(&answer->came, &answer->lock);
	pthread_mutex_unlock(&answer->lock);
}

enum status await_calls(struct answer *answer, size_t calls)
{
	enum status status;

	pthread_mutex_lock(&answer->lock);
	while (answer->calls < calls)
		pthread_cond_wait(&answer->came, &answer->lock);
	status = answer->status;
	pthread_mutex_unlock(&answer->lock);
	return status;
}

void release(struct answer *answer)
{
	pthread_mutex_lock(&answer->lock);
	answer->held = false;
	pthread_cond_broadcast(&answer->came);
	pthread_mutex_unlock(&answer->lock);
}

/* --- events and records --- */

void make_event(struct event *event, int64_t id, bool firing)
{
	char name[32];
	struct label pairs[2];

	event_init(event);
	snprintf(name, sizeof(name), "web-%" PRId64, id);
	pairs[0] = (struct label){"alertname", "Slow", 9, 4};
	pairs[1] = (struct label){"pod", name, 3, (uint32_t)strlen(name)};
	assert_int_equal(labels_init(&event->labels, pairs, 2, NULL), STATUS_OK);
	event->fingerprint = labels_fingerprint(&event->labels);
	event->firing = firing;
	event->starts_ms = id;
	event->received_ms = INT64_C(1700000000000);
}

enum status submit_event(struct journal *journal, int64_t id, bool firing, struct answer *answer)
{
	struct event event;
	enum status status;

	make_event(&event, id, firing);
	status = journal_submit_events(journal, &event, 1, take_answer, answer);
	event_fini(&event);
	return status;
}

/* Submits, waits, gives the number. */
uint64_t add_event(struct journal *journal, int64_t id, bool firing)
{
	struct answer answer = ANSWER_INIT;

	assert_int_equal(submit_event(journal, id, firing, &answer), STATUS_OK);
	assert_int_equal(await_calls(&answer, 1), STATUS_OK);
	assert_int_equal(answer.count, 1);
	return answer.numbers[0];
}

struct record make_record(enum record_kind kind, const char *key, const char *incident,
	const char *body)
{
	return (struct record){.kind = kind,
		.key = mem_strdup(key),
		.incident = mem_strdup(incident),
		.body = mem_strdup(body)};
}

enum status submit_record(struct journal *journal, struct record record, struct answer *answer)
{
	enum status status = journal_submit(journal, &record, 1, take_answer, answer);

	record_fini(&record);
	return status;
}

uint64_t add_record(struct journal *journal, struct record record)
{
	struct answer answer = ANSWER_INIT;

	assert_int_equal(submit_record(journal, record, &answer), STATUS_OK);
	assert_int_equal(await_calls(&answer, 1), STATUS_OK);
	return answer.numbers[0];
}

uint64_t move_checkpoint(struct journal *journal, uint64_t number)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"number\":%" PRIu64 "}", number);
	return add_record(journal, make_record(RECORD_NOTE, JOURNAL_EVENTS_DONE, "", body));
}

/* --- what is read --- */

bool see(void *argument, const struct record *record)
{
	struct seen *seen = argument;

	assert_true(seen->count < ARRAY_COUNT(seen->numbers));
	seen->numbers[seen->count] = record->number;
	snprintf(seen->keys[seen->count], sizeof(seen->keys[0]), "%s", record->key);
	return ++seen->count != seen->stop_at;
}

size_t read_all(struct journal *journal, const struct journal_query *query, struct seen *seen)
{
	struct error error = {0};
	enum status status;

	memset(seen, 0, sizeof(*seen));
	status = journal_read(journal, query, see, seen, &error);
	if (status != STATUS_OK)
		fail_msg("journal_read: %s", error.text);
	return seen->count;
}

size_t count_records(struct journal *journal)
{
	struct journal_query query = {.kind = -1};
	static struct seen seen;

	return read_all(journal, &query, &seen);
}

void assert_chain(struct journal *journal)
{
	struct error error = {0};

	if (journal_check_chain(journal, NULL, &error) != STATUS_OK)
		fail_msg("journal_check_chain: %s", error.text);
}
