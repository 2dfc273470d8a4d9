/*
 * The journal's writer. Submissions wait in a queue of two lanes (journal_queue.h). The writer takes a
 * group of what is there, writes it in one transaction with one sync, and calls each submission's done
 * function. What comes while it syncs forms the next group, so that groups grow with the load by
 * themselves; group_delay_us adds a wait only when the group before held more than one, so that a lone
 * caller never pays it.
 *
 * The log is copied into the file beside the writer and begun anew (journal_log.h), so that no commit
 * has to wait for much of that.
 *
 * When a group fails, all of it is answered STATUS_IO and nothing of it is left; the next group
 * simply tries again, so that a disk that is back is noticed without a restart.
 */
#include "remediations/journal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json_span.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "base/turns.h"
#include "remediations/journal_file.h"
#include "remediations/journal_log.h"
#include "remediations/journal_queue.h"
#include "remediations/journal_readers.h"

#define MS_NS INT64_C(1000000)
#define SWEEP_FIRST_NS (10000 * MS_NS)
#define SWEEP_STEP_NS (50 * MS_NS)
#define SWEEP_PAUSE_NS (600000 * MS_NS)

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
	struct waiting waiting; /* the first member: the queue knows no more of it */
	journal_done_fn *done;
	void *argument;
	size_t count;
	struct entry *entries; /* [count], in the same block */
	uint64_t *numbers;     /* [count], in the same block */
};

struct journal {
	struct journal_config config;
	char *path;
	struct journal_file *file; /* the writer's */
	struct journal_readers *readers;
	struct journal_log *log; /* the writer's */
	struct journal_queue queue;
	_Atomic bool healthy;

	pthread_mutex_t lock;
	/* under lock */
	uint64_t head_number;
	unsigned char head_hash[JOURNAL_HASH_SIZE];

	int64_t sweep_ns; /* when the next step is due, on the config's clock; the writer's */
	pthread_t thread;
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
	submission->waiting.bytes = sizeof(*submission) + size;
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
	submission->waiting.hurry = HURRY_EVENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct entry *entry = &submission->entries[i];

		status = write_event(entry, &events[i], now_ms);
		if (status != STATUS_OK)
			break;
		submission->waiting.bytes += strlen(entry->record.body);
		if (submission->waiting.bytes > JOURNAL_QUEUE_BYTES_MAX)
			status = STATUS_TOO_LARGE;
	}
	if (status == STATUS_OK)
		status = journal_queue_add(&journal->queue, &submission->waiting);
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

/* A submission hurries as much as the record of it that hurries most. */
static void note_hurry(struct submission *submission, const struct entry *entry)
{
	enum hurry hurry = entry->is_checkpoint ? HURRY_NOTE
		: entry->record.may_wait        ? HURRY_COMPANY
						: HURRY_RECORD;

	if (hurry < submission->waiting.hurry)
		submission->waiting.hurry = hurry;
}

enum status journal_submit(struct journal *journal, struct record *records, size_t count,
	journal_done_fn *done, void *argument)
{
	struct submission *submission = submission_open(count, done, argument);
	int64_t now_ms = clock_now_ms(journal->config.clock);
	enum status status = STATUS_OK;

	if (submission == NULL)
		return STATUS_NO_MEMORY;
	submission->waiting.hurry = HURRY_NOTE;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct entry *entry = &submission->entries[i];

		status = check_record(entry, &records[i], now_ms);
		if (status == STATUS_OK)
			submission->waiting.bytes += strlen(entry->record.key) +
				strlen(entry->record.incident) + strlen(entry->record.body);
		note_hurry(submission, entry);
	}
	if (status == STATUS_OK && submission->waiting.bytes > JOURNAL_QUEUE_BYTES_MAX)
		status = STATUS_TOO_LARGE;
	/* The writer may be through with it before enqueue() returns: what is owned is set before,
	 * and taken back when it stays the caller's. */
	for (size_t i = 0; i < count; i++)
		submission->entries[i].owned = records[i];
	if (status == STATUS_OK)
		status = journal_queue_add(&journal->queue, &submission->waiting);
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

static struct submission *submission_of(struct waiting *waiting)
{
	return (struct submission *)(void *)waiting;
}

static struct submission *next_of(const struct submission *submission)
{
	return submission_of(submission->waiting.next);
}

/* The next group, or NULL when nothing came for a while or all is done (*ended). */
static struct submission *take_group(struct journal *journal, bool *ended)
{
	size_t left;
	struct waiting *group = journal_queue_take(&journal->queue,
		journal_log_patience_ns(journal->log), &left, ended);

	if (group != NULL)
		metrics_set(METRIC_QUEUE_LENGTH, (double)left, "journal");
	return submission_of(group);
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

	for (struct submission *s = group; s != NULL && status == STATUS_OK; s = next_of(s))
		for (size_t i = 0; i < s->count && status == STATUS_OK; i++)
			status = write_entry(journal, &s->entries[i], &s->numbers[i], error);
	if (status == STATUS_OK)
		status = journal_file_commit(journal->file, error);
	if (status == STATUS_OK)
		return STATUS_OK;
	journal_file_abort(journal->file);
	for (struct submission *s = group; s != NULL; s = next_of(s))
		memset(s->numbers, 0, s->count * sizeof(*s->numbers));
	return status;
}

static void count_group(const struct submission *group)
{
	size_t kinds[RECORD_KIND_COUNT] = {0}, repeats = 0;

	for (const struct submission *s = group; s != NULL; s = next_of(s)) {
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
		struct submission *next = next_of(group);

		if (group->done != NULL)
			group->done(group->argument, status, group->numbers, group->count);
		submission_close(group);
		group = next;
	}
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

	thread_name("journal");
	turns_shorten();
	while (!ended) {
		struct submission *group = take_group(journal, &ended);

		if (group != NULL)
			commit_group(journal, group);
		if (ended)
			break;
		sweep(journal);
		if (group != NULL)
			journal_log_grew(journal->log);
		else
			journal_log_quiet(journal->log);
	}
	return NULL;
}

/* --- opening and closing --- */

/* Closes all but the thread, which has ended or never began. */
static void close_parts(struct journal *journal)
{
	journal_log_close(journal->log);
	journal_readers_close(journal->readers);
	journal_file_close(journal->file);
	journal_queue_fini(&journal->queue);
	pthread_mutex_destroy(&journal->lock);
	mem_free(journal->path);
	mem_free(journal);
}

static enum status open_parts(struct journal *journal, struct error *error)
{
	enum status status;
	int number;

	journal->path = mem_strdup(journal->config.path);
	journal->config.path = journal->path;
	journal->readers = journal_readers_open(&journal->config);
	if (journal->path == NULL || journal->readers == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the journal");
	status = journal_file_open(&journal->file, &journal->config, error);
	if (status == STATUS_OK)
		status = journal_log_open(&journal->log, journal->file, &journal->config, error);
	if (status != STATUS_OK)
		return status;
	note_head(journal);
	number = pthread_create(&journal->thread, NULL, run_writer, journal);
	return number == 0
		? STATUS_OK
		: error_set_errno(error, STATUS_NO_MEMORY, number, "cannot start a thread");
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
	atomic_init(&journal->healthy, true);
	CHECK(pthread_mutex_init(&journal->lock, NULL) == 0);
	journal_queue_init(&journal->queue, config->queue_max, JOURNAL_QUEUE_BYTES_MAX,
		config->group_delay_us * INT64_C(1000));
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
	journal_queue_end(&journal->queue);
	pthread_join(journal->thread, NULL);
	close_parts(journal);
}
