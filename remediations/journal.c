/*
 * The journal's threads and queue.
 *
 * Submissions wait in one list. The writer takes what is there (up to GROUP_MAX of them), writes it
 * in one transaction with one sync, and calls each submission's done function. What comes while
 * it syncs forms the next group, so that groups grow with the load by themselves; group_delay_us
 * adds a wait only when the group before held more than one, so that a lone caller never pays it.
 *
 * A second thread copies the log into the file beside the writer (checkpoint), so that no commit
 * has to wait for that; only a log past LOG_PAGES_MAX, which readers kept from being reused, makes
 * the writer do it itself.
 *
 * When a group fails, all of it is answered STATUS_IO and nothing of it is left; the next group
 * simply tries again, so that a disk that is back is noticed without a restart.
 */
#include "remediations/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/json_span.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remediations/journal_file.h"
#include "remediations/journal_readers.h"

#define GROUP_MAX 512
#define GROUP_BYTES_MAX (64u << 20)
#define MS_NS INT64_C(1000000)
#define CHECKPOINT_NOTE_WAIT_NS (100 * MS_NS)
#define IDLE_NS (1000 * MS_NS)
#define SWEEP_FIRST_NS (10000 * MS_NS)
#define SWEEP_STEP_NS (50 * MS_NS)
#define SWEEP_PAUSE_NS (600000 * MS_NS)
#define LOG_PAGES_COPY 1000 /* 4 MiB */
#define LOG_PAGES_MAX 16000 /* 64 MiB */

/* One record on its way. */
struct entry {
	struct record record; /* as written; texts are never NULL */
	struct record owned;  /* what is freed; for an event only the body */
	struct event_key key; /* of an event */
	char key_text[EVENT_KEY_MAX];
	bool is_event, is_alert, is_checkpoint;
	uint64_t checkpoint;
};

struct submission {
	struct submission *next;
	journal_done_fn *done;
	void *argument;
	size_t count, bytes;
	bool urgent;           /* holds more than checkpoint notes */
	struct entry *entries; /* [count], in the same block */
	uint64_t *numbers;     /* [count], in the same block */
};

struct journal {
	struct journal_config config;
	char *path;
	struct journal_file *file; /* the writer's */
	struct journal_readers *readers;
	sqlite3 *copier; /* the checkpoint thread's connection */
	_Atomic bool healthy;

	pthread_mutex_t lock;
	pthread_cond_t submitted, copy_wanted;
	/* under lock */
	struct submission *first, **last;
	size_t pending, pending_urgent, pending_bytes;
	bool ended, copy, copier_ended;
	uint64_t head_number;
	unsigned char head_hash[JOURNAL_HASH_SIZE];

	/* the writer's */
	size_t group_before;
	int64_t sweep_ns; /* when the next step is due, on the config's clock */
	pthread_t writer_thread, copier_thread;
};

static const char *const kind_names[] = {
#define X(kind, name) name,
	RECORD_TABLE(X)
#undef X
};

const char *record_kind_name(enum record_kind kind)
{
	CHECK((unsigned)kind < RECORD_KIND_COUNT);
	return kind_names[kind];
}

void record_fini(struct record *record)
{
	mem_free(record->key);
	mem_free(record->incident);
	mem_free(record->body);
	*record = (struct record){0};
}

struct journal_readers *journal_readers_of(struct journal *journal)
{
	return journal->readers;
}

bool journal_healthy(struct journal *journal)
{
	return atomic_load(&journal->healthy);
}

/* --- submissions --- */

static struct submission *submission_open(size_t count, journal_done_fn *done, void *argument)
{
	struct submission *submission;
	size_t entries_size, size;

	if (__builtin_mul_overflow(count, sizeof(struct entry) + sizeof(uint64_t), &size))
		return NULL;
	entries_size = count * sizeof(struct entry);
	submission = mem_zalloc(1, sizeof(*submission) + size);
	if (submission == NULL)
		return NULL;
	submission->done = done;
	submission->argument = argument;
	submission->count = count;
	submission->bytes = sizeof(*submission) + size;
	submission->entries = (struct entry *)(submission + 1);
	submission->numbers = (uint64_t *)(void *)((char *)submission->entries + entries_size);
	return submission;
}

static void submission_close(struct submission *submission)
{
	for (size_t i = 0; i < submission->count; i++)
		record_fini(&submission->entries[i].owned);
	mem_free(submission);
}

/* Appends to the queue; the submission is the queue's when STATUS_OK. */
static enum status enqueue(struct journal *journal, struct submission *submission)
{
	enum status status = STATUS_OK;

	pthread_mutex_lock(&journal->lock);
	if (journal->ended) {
		status = STATUS_UNAVAILABLE;
	} else if (journal->pending >= journal->config.queue_max ||
		submission->bytes > JOURNAL_QUEUE_BYTES_MAX - journal->pending_bytes) {
		status = STATUS_BUSY;
	} else {
		*journal->last = submission;
		journal->last = &submission->next;
		journal->pending++;
		journal->pending_urgent += submission->urgent;
		journal->pending_bytes += submission->bytes;
		pthread_cond_signal(&journal->submitted);
	}
	pthread_mutex_unlock(&journal->lock);
	return status;
}

static char no_text[] = "";

static enum status write_event(struct entry *entry, const struct event *event, int64_t now_ms)
{
	struct buf body;
	size_t size;

	entry->is_event = true;
	entry->is_alert = event->source == EVENT_ALERT;
	entry->key = (struct event_key){event->fingerprint, event->starts_ms, event->firing};
	event_key_write(&entry->key, entry->key_text, sizeof(entry->key_text));
	buf_init(&body, JOURNAL_BODY_MAX);
	event_write_json(&body, event);
	entry->owned.body = buf_take(&body, &size);
	buf_fini(&body);
	if (entry->owned.body == NULL)
		return STATUS_NO_MEMORY;
	entry->record = (struct record){
		.time_ms = event->received_ms != 0 ? event->received_ms : now_ms,
		.kind = RECORD_EVENT,
		.key = entry->key_text,
		.incident = no_text,
		.body = entry->owned.body,
	};
	return STATUS_OK;
}

enum status journal_submit_events(struct journal *journal, const struct event *events, size_t count,
	journal_done_fn *done, void *argument)
{
	struct submission *submission = submission_open(count, done, argument);
	int64_t now_ms = clock_now_ms(journal->config.clock);
	enum status status = STATUS_OK;

	if (submission == NULL)
		return STATUS_NO_MEMORY;
	submission->urgent = true;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct entry *entry = &submission->entries[i];

		status = write_event(entry, &events[i], now_ms);
		if (status != STATUS_OK)
			break;
		submission->bytes += strlen(entry->record.body);
		if (submission->bytes > JOURNAL_QUEUE_BYTES_MAX)
			status = STATUS_TOO_LARGE;
	}
	if (status == STATUS_OK)
		status = enqueue(journal, submission);
	if (status != STATUS_OK)
		submission_close(submission);
	return status;
}

/* Reads {"number":N}. */
static enum status read_checkpoint(const char *body, uint64_t *number)
{
	struct json_span root, key, value;
	struct json_walk walk;
	uint64_t found = UINT64_MAX;
	enum status status = json_span_init(&root, body, strlen(body), JSON_SPAN_DEPTH_MAX, NULL);

	if (status != STATUS_OK || root.kind != SPAN_OBJECT)
		return STATUS_BAD_INPUT;
	json_walk_init(&walk, &root);
	while (json_walk_next(&walk, &key, &value))
		if (json_span_is(&key, "number") &&
			json_span_natural(&value, &found, NULL) != STATUS_OK)
			return STATUS_BAD_INPUT;
	*number = found;
	return found <= INT64_MAX ? STATUS_OK : STATUS_BAD_INPUT;
}

/* Fills in what the entry's record leaves out; owns nothing yet. */
static enum status check_record(struct entry *entry, const struct record *record, int64_t now_ms)
{
	entry->record = *record;
	if (entry->record.time_ms == 0)
		entry->record.time_ms = now_ms;
	if (entry->record.key == NULL)
		entry->record.key = no_text;
	if (entry->record.incident == NULL)
		entry->record.incident = no_text;
	/* Events have a way of their own, on which repeats are known; audit records are the journal's. */
	if (record->kind == RECORD_EVENT || record->kind == RECORD_AUDIT ||
		(unsigned)record->kind >= RECORD_KIND_COUNT || record->body == NULL)
		return STATUS_BAD_INPUT;
	if (strlen(record->body) > JOURNAL_BODY_MAX)
		return STATUS_TOO_LARGE;
	entry->is_checkpoint =
		record->kind == RECORD_NOTE && strcmp(entry->record.key, JOURNAL_EVENTS_DONE) == 0;
	return entry->is_checkpoint ? read_checkpoint(record->body, &entry->checkpoint) : STATUS_OK;
}

enum status journal_submit(struct journal *journal, struct record *records, size_t count,
	journal_done_fn *done, void *argument)
{
	struct submission *submission = submission_open(count, done, argument);
	int64_t now_ms = clock_now_ms(journal->config.clock);
	enum status status = STATUS_OK;

	if (submission == NULL)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct entry *entry = &submission->entries[i];

		status = check_record(entry, &records[i], now_ms);
		if (status == STATUS_OK)
			submission->bytes += strlen(entry->record.key) +
				strlen(entry->record.incident) + strlen(entry->record.body);
		submission->urgent |= !entry->is_checkpoint;
	}
	if (status == STATUS_OK && submission->bytes > JOURNAL_QUEUE_BYTES_MAX)
		status = STATUS_TOO_LARGE;
	/* The writer may be through with it before enqueue() returns: what is owned is set before,
	 * and taken back when it stays the caller's. */
	for (size_t i = 0; i < count; i++)
		submission->entries[i].owned = records[i];
	if (status == STATUS_OK)
		status = enqueue(journal, submission);
	if (status != STATUS_OK) {
		for (size_t i = 0; i < count; i++)
			submission->entries[i].owned = (struct record){0};
		submission_close(submission);
		return status;
	}
	for (size_t i = 0; i < count; i++)
		records[i] = (struct record){0};
	return STATUS_OK;
}

/* --- the writer --- */

/* With the lock held: false when until_ns has passed. */
static bool wait_submitted(struct journal *journal, int64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
		.tv_nsec = (long)(until_ns % 1000000000)};
	int result = pthread_cond_timedwait(&journal->submitted, &journal->lock, &until);

	CHECK(result == 0 || result == ETIMEDOUT);
	return result == 0;
}

/* With the lock held: takes the head of the list as a group. */
static struct submission *detach_group(struct journal *journal, size_t *count)
{
	struct submission *group = journal->first, **link = &journal->first;
	size_t bytes = 0;

	*count = 0;
	while (*link != NULL && *count < GROUP_MAX && bytes < GROUP_BYTES_MAX) {
		struct submission *submission = *link;

		bytes += submission->bytes;
		journal->pending--;
		journal->pending_urgent -= submission->urgent;
		++*count;
		link = &submission->next;
	}
	journal->pending_bytes -= bytes;
	journal->first = *link;
	*link = NULL;
	if (journal->first == NULL)
		journal->last = &journal->first;
	return group;
}

/* The next group, or NULL when nothing came for a while or all is done (*ended). */
static struct submission *take_group(struct journal *journal, bool *ended)
{
	const struct clock *clock = clock_system();
	struct submission *group = NULL;
	int64_t until = clock_mono_ns(clock) + IDLE_NS;
	size_t count = 0, left;

	pthread_mutex_lock(&journal->lock);
	while (journal->first == NULL && !journal->ended)
		if (!wait_submitted(journal, until))
			break;
	if (journal->first != NULL) {
		until = clock_mono_ns(clock) + CHECKPOINT_NOTE_WAIT_NS;
		while (journal->pending_urgent == 0 && !journal->ended)
			if (!wait_submitted(journal, until))
				break;
		until = clock_mono_ns(clock) + journal->config.group_delay_us * INT64_C(1000);
		while (journal->config.group_delay_us > 0 && journal->group_before > 1 &&
			journal->pending < GROUP_MAX && !journal->ended)
			if (!wait_submitted(journal, until))
				break;
		group = detach_group(journal, &count);
	}
	*ended = journal->ended && group == NULL;
	left = journal->pending;
	pthread_mutex_unlock(&journal->lock);
	if (group != NULL) {
		journal->group_before = count;
		metrics_set(METRIC_QUEUE_LENGTH, (double)left, "journal");
	}
	return group;
}

static enum status write_entry(struct journal *journal, struct entry *entry, uint64_t *number,
	struct error *error)
{
	enum status status;

	if (entry->is_checkpoint)
		return journal_file_events_done(journal->file, entry->checkpoint, error);
	status = entry->is_event
		? journal_file_add_event(journal->file, &entry->key, &entry->record, error)
		: journal_file_add(journal->file, &entry->record, error);
	*number = entry->record.number;
	return status;
}

static enum status write_group(struct journal *journal, struct submission *group,
	struct error *error)
{
	enum status status = journal_file_begin(journal->file, error);

	for (struct submission *s = group; s != NULL && status == STATUS_OK; s = s->next)
		for (size_t i = 0; i < s->count && status == STATUS_OK; i++)
			status = write_entry(journal, &s->entries[i], &s->numbers[i], error);
	if (status == STATUS_OK)
		status = journal_file_commit(journal->file, error);
	if (status == STATUS_OK)
		return STATUS_OK;
	journal_file_abort(journal->file);
	for (struct submission *s = group; s != NULL; s = s->next)
		memset(s->numbers, 0, s->count * sizeof(*s->numbers));
	return status;
}

static void count_group(const struct submission *group)
{
	size_t kinds[RECORD_KIND_COUNT] = {0}, repeats = 0;

	for (const struct submission *s = group; s != NULL; s = s->next) {
		for (size_t i = 0; i < s->count; i++) {
			const struct entry *entry = &s->entries[i];

			if (s->numbers[i] != 0)
				kinds[entry->record.kind]++;
			else if (entry->is_alert)
				repeats++;
		}
	}
	for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++)
		if (kinds[kind] > 0)
			metrics_add(METRIC_JOURNAL_RECORDS, (double)kinds[kind], kind_names[kind]);
	if (repeats > 0)
		metrics_add(METRIC_ALERTS_DUPLICATE, (double)repeats);
}

/* Notes how a commit went, and tells people when that changed. */
static void note_health(struct journal *journal, enum status status, const struct error *error)
{
	bool was = atomic_exchange(&journal->healthy, status == STATUS_OK);

	if (status != STATUS_OK) {
		metrics_inc(METRIC_JOURNAL_ERRORS);
		LOG_ERROR("the journal cannot commit: nothing is acknowledged or acted on",
			LOG_TEXT("journal", journal->path), LOG_ERROR_FIELD(error));
	} else if (!was) {
		LOG_INFO("the journal commits again", LOG_TEXT("journal", journal->path));
	}
}

/* What journal_head() tells. */
static void note_head(struct journal *journal)
{
	unsigned char hash[JOURNAL_HASH_SIZE];
	uint64_t number = journal_file_end(journal->file, hash);

	pthread_mutex_lock(&journal->lock);
	journal->head_number = number;
	memcpy(journal->head_hash, hash, sizeof(hash));
	pthread_mutex_unlock(&journal->lock);
}

void journal_head(struct journal *journal, char head[JOURNAL_HEAD_SIZE])
{
	unsigned char hash[JOURNAL_HASH_SIZE];
	char text[JOURNAL_HASH_TEXT_SIZE];
	uint64_t number;

	pthread_mutex_lock(&journal->lock);
	number = journal->head_number;
	memcpy(hash, journal->head_hash, sizeof(hash));
	pthread_mutex_unlock(&journal->lock);
	chain_hex(hash, text);
	head[0] = '\0';
	if (number != 0)
		snprintf(head, JOURNAL_HEAD_SIZE, "%" PRIu64 ":%s", number, text);
}

static void commit_group(struct journal *journal, struct submission *group)
{
	int64_t began = clock_mono_ns(clock_system());
	struct error error = {0};
	enum status status = write_group(journal, group, &error);

	if (status == STATUS_OK) {
		metrics_observe(METRIC_JOURNAL_COMMIT_SECONDS,
			(double)(clock_mono_ns(clock_system()) - began) / 1e9);
		count_group(group);
		note_head(journal);
	} else if (status != STATUS_NO_MEMORY) {
		status = STATUS_IO;
	}
	note_health(journal, status, &error);
	while (group != NULL) {
		struct submission *next = group->next;

		if (group->done != NULL)
			group->done(group->argument, status, group->numbers, group->count);
		submission_close(group);
		group = next;
	}
}

static void copy_log(struct journal *journal, sqlite3 *connection)
{
	struct error error;
	unsigned left, before = UINT32_MAX;

	/* What was committed while it was copied is soon copied too; once nothing is left the writer
	 * begins the log anew. */
	do {
		if (journal_connection_checkpoint(connection, &left, &error) != STATUS_OK) {
			LOG_WARN("the journal's log was not copied into its file",
				LOG_TEXT("journal", journal->path), LOG_ERROR_FIELD(&error));
			return;
		}
		if (left >= before)
			return;
		before = left;
	} while (left > 0);
}

static void bound_log(struct journal *journal)
{
	unsigned pages = journal_file_log_pages(journal->file);

	if (pages < LOG_PAGES_COPY)
		return;
	if (pages >= LOG_PAGES_MAX) {
		copy_log(journal, journal_file_connection(journal->file));
		return;
	}
	pthread_mutex_lock(&journal->lock);
	journal->copy = true;
	pthread_cond_signal(&journal->copy_wanted);
	pthread_mutex_unlock(&journal->lock);
}

static void sweep(struct journal *journal)
{
	const struct clock *clock = journal->config.clock;
	int64_t now_ns = clock_mono_ns(clock), now_ms = clock_now_ms(clock);
	struct error error;
	bool finished;

	if (journal->config.keep_ms <= 0 || now_ns < journal->sweep_ns)
		return;
	if (journal_file_sweep(journal->file, now_ms - journal->config.keep_ms, now_ms, &finished,
		    &error) != STATUS_OK) {
		LOG_WARN("old records of the journal were not removed",
			LOG_TEXT("journal", journal->path), LOG_ERROR_FIELD(&error));
		finished = true;
	}
	note_head(journal);
	journal->sweep_ns = now_ns + (finished ? SWEEP_PAUSE_NS : SWEEP_STEP_NS);
}

static void *run_writer(void *argument)
{
	struct journal *journal = argument;
	bool ended = false;

	while (!ended) {
		struct submission *group = take_group(journal, &ended);

		if (group != NULL)
			commit_group(journal, group);
		if (!ended) {
			sweep(journal);
			bound_log(journal);
		}
	}
	return NULL;
}

static void *run_copier(void *argument)
{
	struct journal *journal = argument;

	pthread_mutex_lock(&journal->lock);
	for (;;) {
		while (!journal->copy && !journal->copier_ended)
			pthread_cond_wait(&journal->copy_wanted, &journal->lock);
		if (journal->copier_ended)
			break;
		journal->copy = false;
		pthread_mutex_unlock(&journal->lock);
		copy_log(journal, journal->copier);
		pthread_mutex_lock(&journal->lock);
	}
	pthread_mutex_unlock(&journal->lock);
	return NULL;
}

/* --- opening and closing --- */

static void init_lock(struct journal *journal)
{
	pthread_condattr_t attributes;

	CHECK(pthread_mutex_init(&journal->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&journal->submitted, &attributes) == 0);
	CHECK(pthread_cond_init(&journal->copy_wanted, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
}

/* Closes all but the threads, which have ended or never began. */
static void close_parts(struct journal *journal)
{
	journal_readers_close(journal->readers);
	if (journal->copier != NULL)
		CHECK(sqlite3_close(journal->copier) == SQLITE_OK);
	journal_file_close(journal->file);
	pthread_cond_destroy(&journal->copy_wanted);
	pthread_cond_destroy(&journal->submitted);
	pthread_mutex_destroy(&journal->lock);
	mem_free(journal->path);
	mem_free(journal);
}

static void end_copier(struct journal *journal)
{
	pthread_mutex_lock(&journal->lock);
	journal->copier_ended = true;
	pthread_cond_signal(&journal->copy_wanted);
	pthread_mutex_unlock(&journal->lock);
	pthread_join(journal->copier_thread, NULL);
}

static enum status start_threads(struct journal *journal, struct error *error)
{
	int number = pthread_create(&journal->copier_thread, NULL, run_copier, journal);

	if (number != 0)
		return error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
	number = pthread_create(&journal->writer_thread, NULL, run_writer, journal);
	if (number == 0)
		return STATUS_OK;
	end_copier(journal);
	return error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
}

static enum status open_parts(struct journal *journal, struct error *error)
{
	enum status status;

	journal->path = mem_strdup(journal->config.path);
	journal->config.path = journal->path;
	journal->readers = journal_readers_open(&journal->config);
	if (journal->path == NULL || journal->readers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
	status = journal_file_open(&journal->file, &journal->config, error);
	if (status == STATUS_OK)
		status = journal_connection_open(&journal->copier, &journal->config, error);
	if (status != STATUS_OK)
		return status;
	note_head(journal);
	return start_threads(journal, error);
}

struct journal *journal_open(const struct journal_config *config, struct error *error)
{
	struct journal *journal = mem_zalloc(1, sizeof(*journal));

	CHECK(config->path != NULL && config->clock != NULL && config->queue_max > 0);
	if (journal == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
		return NULL;
	}
	journal->config = *config;
	journal->last = &journal->first;
	atomic_init(&journal->healthy, true);
	init_lock(journal);
	journal->sweep_ns = clock_mono_ns(config->clock) + SWEEP_FIRST_NS;
	if (open_parts(journal, error) != STATUS_OK) {
		close_parts(journal);
		return NULL;
	}
	metrics_set(METRIC_QUEUE_LIMIT, (double)config->queue_max, "journal");
	return journal;
}

void journal_close(struct journal *journal)
{
	if (journal == NULL)
		return;
	pthread_mutex_lock(&journal->lock);
	journal->ended = true;
	pthread_cond_broadcast(&journal->submitted);
	pthread_mutex_unlock(&journal->lock);
	pthread_join(journal->writer_thread, NULL);
	end_copier(journal);
	close_parts(journal);
}
