/*
 * What the tests of the journal share: a journal in a folder of its own, answers that can be waited
 * for, events and records by number, what was read.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_JOURNAL_FIXTURE_H
#define NIMBUSGUARD_TESTS_SUPPORT_JOURNAL_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "remediations/journal.h"

#define HOUR_MS INT64_C(3600000)

/* For cmocka's setup and teardown. */
struct journal_fixture {
	char folder[256], path[300];
	struct journal_config config;
	struct clock_manual clock;
};

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t came;
	enum status status;
	uint64_t numbers[16];
	size_t count, calls;
	bool held; /* the done function waits while this is set */
};

#define ANSWER_INIT                                                                                \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER                \
	}

struct seen {
	uint64_t numbers[1024];
	char keys[1024][80];
	size_t count, stop_at;
};

int journal_fixture_make(void **state);
int journal_fixture_remove(void **state);
struct journal *open_journal(struct journal_fixture *fixture);
void take_answer(void *argument, enum status status, const uint64_t *numbers, size_t count);
enum status await_calls(struct answer *answer, size_t calls);
void release(struct answer *answer);
void make_event(struct event *event, int64_t id, bool firing);
enum status submit_event(struct journal *journal, int64_t id, bool firing, struct answer *answer);
uint64_t add_event(struct journal *journal, int64_t id, bool firing);
struct record make_record(enum record_kind kind, const char *key, const char *incident,
	const char *body);
enum status submit_record(struct journal *journal, struct record record, struct answer *answer);
uint64_t add_record(struct journal *journal, struct record record);
uint64_t move_checkpoint(struct journal *journal, uint64_t number);
bool see(void *argument, const struct record *record);
size_t read_all(struct journal *journal, const struct journal_query *query, struct seen *seen);
size_t count_records(struct journal *journal);
void assert_chain(struct journal *journal);

#endif
