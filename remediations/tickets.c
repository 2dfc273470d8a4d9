/*
 * From the engine to the outbox and the journal, and from there to the services' threads.
 *
 * The lock guards the outbox only; records go to the journal and texts over the network without it. The
 * journal commits in the order of submission, but two threads may submit in another order than they asked
 * the outbox in; the numbers in the records tell.
 */
#include "remediations/tickets.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "remediations/journal_file.h"
#include "remediations/json_fields.h"
#include "remediations/ticket_gates.h"

#define IDLE_MS 1000
#define MS_NS INT64_C(1000000)
#define RESOLVED_TEXT "The alert ended."

struct worker {
	struct tickets *tickets;
	size_t service;
	pthread_t thread;
	bool started;
};

struct tickets {
	struct tickets_config config;
	char *external_url;
	struct outbox *outbox;
	pthread_mutex_t lock; /* of the outbox */
	pthread_cond_t due;
	struct worker workers[TICKET_SERVICES_MAX];
	atomic_bool stop;
	bool replayed_gone; /* records of services that are no longer there were seen */
};

static int64_t mono_ms(void)
{
	return clock_mono_ns(clock_system()) / MS_NS;
}

static int64_t now_ms(const struct tickets *tickets)
{
	return clock_now_ms(tickets->config.clock);
}

static const struct ticket_service *service_of(const struct tickets *tickets, size_t service)
{
	return &tickets->config.outbox.services[service];
}

static void count(const struct tickets *tickets, size_t service, enum ticket_operation operation,
	const char *result)
{
	metrics_inc(METRIC_TICKETS, service_of(tickets, service)->name,
		ticket_operation_name((int)operation), result);
}

static void changed(struct tickets *tickets, const char *incident)
{
	if (tickets->config.changed != NULL)
		tickets->config.changed(tickets->config.argument, incident);
}

/* ---- putting ---- */

/* Entries whose first records are on their way to the journal together. */
struct batch {
	struct tickets *tickets;
	char action_id[ACTION_ID_MAX], incident[INCIDENT_ID_MAX]; /* action_id "": nobody waits */
	size_t count;
	size_t slots[TICKET_SERVICES_MAX];
};

static void finish(struct tickets *tickets, const char *action_id, enum status status)
{
	struct command_result result = {
		.outcome = status == STATUS_OK ? COMMAND_DONE : COMMAND_FAILED};

	if (*action_id == '\0')
		return;
	snprintf(result.action_id, sizeof(result.action_id), "%s", action_id);
	if (status != STATUS_OK)
		error_set(&result.error, status, "the journal did not take the ticket");
	tickets->config.finished(tickets->config.argument, &result);
}

/* The first records are committed, or none of them is. */
static void settle(struct batch *batch, enum status status)
{
	struct tickets *tickets = batch->tickets;

	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < batch->count; i++) {
		if (status == STATUS_OK)
			outbox_written(tickets->outbox, batch->slots[i]);
		else
			outbox_drop(tickets->outbox, batch->slots[i]);
	}
	pthread_cond_broadcast(&tickets->due);
	pthread_mutex_unlock(&tickets->lock);
}

static void committed(void *argument, enum status status, const uint64_t *numbers,
	size_t record_count)
{
	struct batch *batch = argument;

	(void)numbers, (void)record_count;
	settle(batch, status);
	finish(batch->tickets, batch->action_id, status);
	changed(batch->tickets, batch->incident);
	mem_free(batch);
}

/* Puts the event for one service, or with OUTBOX_NONE for all; what is there already is left out. */
static enum status fill_batch(struct batch *batch, const struct ticket_event *event, size_t only,
	struct record records[TICKET_SERVICES_MAX])
{
	struct tickets *tickets = batch->tickets;
	enum status status = STATUS_OK, one;

	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < tickets->config.outbox.service_count; i++) {
		if (only != OUTBOX_NONE && only != i)
			continue;
		one = outbox_put(tickets->outbox, event, i, now_ms(tickets), mono_ms(),
			&batch->slots[batch->count], &records[batch->count]);
		if (one == STATUS_OK)
			batch->count++;
		else if (one != STATUS_CONFLICT && one != STATUS_NOT_FOUND)
			status = one;
	}
	pthread_mutex_unlock(&tickets->lock);
	return status;
}

/* All or nothing. */
static enum status put(struct tickets *tickets, const struct ticket_event *event, size_t only,
	const char *action_id)
{
	struct record records[TICKET_SERVICES_MAX];
	struct batch *batch = mem_zalloc(1, sizeof(*batch));
	enum status status;
	size_t records_count;

	if (batch == NULL)
		return STATUS_NO_MEMORY;
	batch->tickets = tickets;
	snprintf(batch->action_id, sizeof(batch->action_id), "%s", action_id);
	memcpy(batch->incident, event->incident, sizeof(batch->incident));
	status = fill_batch(batch, event, only, records);
	records_count = batch->count;
	if (status == STATUS_OK && records_count > 0)
		status = journal_submit(tickets->config.journal, records, records_count, committed,
			batch);
	else if (status == STATUS_OK)
		finish(tickets, action_id, STATUS_OK);
	/* The batch is the journal's now. */
	if (status == STATUS_OK && records_count > 0)
		return STATUS_OK;
	for (size_t i = 0; i < records_count; i++)
		record_fini(&records[i]);
	if (status != STATUS_OK)
		settle(batch, status);
	mem_free(batch);
	return status;
}

enum status tickets_send(struct tickets *tickets, const struct incident *incident,
	const struct action *action, const char *runbook)
{
	struct ticket_event *event = mem_alloc(sizeof(*event));
	enum status status;

	if (event == NULL)
		return STATUS_NO_MEMORY;
	ticket_event_fill(event, TICKET_OPEN, incident, action, tickets->external_url, runbook,
		NULL, now_ms(tickets));
	status = put(tickets, event, OUTBOX_NONE, action->id);
	if (status == STATUS_LIMIT)
		LOG_ERROR("the outbox of tickets is full", LOG_TEXT("incident", incident->id));
	mem_free(event);
	return status;
}

/* A comment or end that finds no room is told to people here. */
static void add(struct tickets *tickets, const struct ticket_event *event, size_t only)
{
	enum status status = put(tickets, event, only, "");

	if (status != STATUS_OK)
		LOG_WARN_OF(event->incident, "not noted for the incident's ticket",
			LOG_TEXT("incident", event->incident),
			LOG_TEXT("operation", ticket_operation_name((int)event->operation)),
			LOG_TEXT("reason", status_label(status)));
}

/* Whether a state that an action reached is worth a comment. */
static bool worth_telling(const struct news *news)
{
	const struct action *action = news->action;

	if (news->kind == NEWS_JOINED)
		return true;
	if (news->kind != NEWS_STATE || action == NULL || action->plan.kind == ACTION_TICKET ||
		action->dry_run || strcmp(news->word, action_state_name(action->state)) != 0)
		return false;
	return action->state == STATE_DONE || action->state == STATE_FAILED ||
		action->state == STATE_CURED || action->state == STATE_INEFFECTIVE ||
		action->state == STATE_WORSE || action->state == STATE_REVERTED ||
		action->state == STATE_SELF_HEALED || action->state == STATE_ROLLED_BACK;
}

void tickets_told(struct tickets *tickets, const struct news *news)
{
	bool quiet = news->kind == NEWS_QUIET;
	bool ended = news->kind == NEWS_OUTCOME &&
		(strcmp(news->word, outcome_name(OUTCOME_CURED)) == 0 ||
			(strcmp(news->word, outcome_name(OUTCOME_SELF_HEALED)) == 0 &&
				!news->incident->open) ||
			strcmp(news->word, outcome_name(OUTCOME_RESOLVED)) == 0);
	struct ticket_event *event;
	char text[ACTION_TEXT_MAX];

	if (news->incident == NULL || (!ended && !quiet && !worth_telling(news)) ||
		!tickets_has(tickets, news->incident->id))
		return;
	event = mem_alloc(sizeof(*event));
	if (event == NULL) {
		LOG_WARN("no memory for a ticket's comment");
		return;
	}
	if (ended)
		snprintf(text, sizeof(text), "The incident ended, %s. %s", news->word, news->text);
	else if (quiet || news->kind == NEWS_JOINED)
		snprintf(text, sizeof(text), "%s", news->text);
	else
		snprintf(text, sizeof(text), "%s: %s. %s", news->action->id, news->word,
			news->text);
	ticket_event_fill(event, ended || quiet ? TICKET_CLOSE : TICKET_COMMENT, news->incident,
		news->action, tickets->external_url, NULL, text, now_ms(tickets));
	add(tickets, event, OUTBOX_NONE);
	mem_free(event);
}

static void close_resolved(struct tickets *tickets, uint64_t fingerprint, int64_t starts_ms,
	uint64_t number)
{
	struct ticket_event *end = mem_alloc(sizeof(*end));
	size_t at = 0, service;
	bool more = end != NULL;

	while (more) {
		pthread_mutex_lock(&tickets->lock);
		more = outbox_next_open(tickets->outbox, fingerprint, starts_ms, number, &at,
			&service, end);
		pthread_mutex_unlock(&tickets->lock);
		if (!more)
			break;
		snprintf(end->text, sizeof(end->text), RESOLVED_TEXT);
		end->time_ms = now_ms(tickets);
		add(tickets, end, service);
	}
	mem_free(end);
}

void tickets_resolved(struct tickets *tickets, const struct event *event)
{
	if (!event->firing)
		close_resolved(tickets, event->fingerprint, event->starts_ms, UINT64_MAX);
}

/* The end of an alert may have been noted and the program ended before its tickets' were. */
static bool catch_up(void *argument, const struct record *record)
{
	struct event_key key;

	if (event_key_parse(record->key, &key) && !key.firing)
		close_resolved(argument, key.fingerprint, key.starts_ms, record->number);
	return true;
}

/* ---- telling ---- */

struct reading {
	struct ticket_event *event;
	const char *key;
	bool found;
};

static bool read_event(void *argument, const struct record *record)
{
	struct reading *reading = argument;
	struct json_span root, value;

	if (json_span_init(&root, record->body, strlen(record->body), 16, NULL) == STATUS_OK &&
		fields_find(&root, "event", &value) &&
		ticket_event_read(&value, reading->event, NULL) == STATUS_OK)
		reading->found = true;
	return !reading->found;
}

/* The event of an entry out of its first record. */
static enum status load_event(struct tickets *tickets, const char *id, struct ticket_event *event,
	struct error *error)
{
	struct reading reading = {.event = event};
	const struct journal_query query = {.kind = RECORD_TICKET, .key = id, .limit = 1};
	enum status status =
		journal_read(tickets->config.journal, &query, read_event, &reading, error);

	if (status == STATUS_OK && !reading.found)
		status = error_set(error, STATUS_IO, "the journal lacks %s", id);
	return status;
}

/* What an alert's end does not know by itself it takes from the ticket's opening. */
static void complete(struct tickets *tickets, const struct outbox_item *item,
	struct ticket_event *event)
{
	struct ticket_event *opening;
	struct error error;

	if (event->name[0] != '\0')
		return;
	opening = mem_alloc(sizeof(*opening));
	if (opening != NULL &&
		load_event(tickets, item->opening_id, opening, &error) == STATUS_OK) {
		opening->operation = event->operation;
		opening->action[0] = '\0';
		opening->tried[0] = '\0';
		memcpy(opening->text, event->text, sizeof(opening->text));
		opening->time_ms = event->time_ms;
		*event = *opening;
	}
	mem_free(opening);
}

static void tell(struct worker *worker, struct ticket_session *session,
	const struct outbox_item *item, struct ticket_result *result)
{
	struct tickets *tickets = worker->tickets;
	struct ticket_event *event = mem_alloc(sizeof(*event));
	struct ticket_task task = {.event = event,
		.id = item->id,
		.external = item->external,
		.again = item->again,
		.now_ms = now_ms(tickets)};
	struct error error;

	*result = (struct ticket_result){.verdict = TICKET_LATER};
	if (event == NULL) {
		ticket_not_ready(result, "no memory for the ticket");
	} else if (load_event(tickets, item->id, event, &error) != STATUS_OK) {
		ticket_not_ready(result, "%s", error.text);
	} else {
		complete(tickets, item, event);
		/* Whatever became known of the target since, the key is the opening's. */
		memcpy(event->key, item->key, sizeof(event->key));
		if (item->operation == TICKET_OPEN)
			ticket_gates_read(tickets->config.journal, item->incident, event->action,
				event->gates, sizeof(event->gates));
		ticket_session_tell(session, &task, result);
	}
	mem_free(event);
}

static void log_end(const struct worker *worker, const struct outbox_item *item, const char *word,
	const struct ticket_result *result)
{
	const char *name = service_of(worker->tickets, worker->service)->name;
	const char *operation = ticket_operation_name((int)item->operation);

	if (strcmp(word, "dead") == 0)
		LOG_ERROR("a ticket service was not told, and will not be",
			LOG_TEXT("service", name), LOG_TEXT("operation", operation),
			LOG_TEXT("incident", item->incident), LOG_ERROR_FIELD(&result->error));
	else
		LOG_INFO_OF(item->incident, "ticket", LOG_TEXT("service", name),
			LOG_TEXT("operation", operation), LOG_TEXT("incident", item->incident),
			LOG_TEXT("result", word), LOG_TEXT("key", result->external));
}

static void note_result(struct worker *worker, size_t slot, const struct outbox_item *item,
	const struct ticket_result *result)
{
	struct tickets *tickets = worker->tickets;
	struct record record = {0};
	const char *word = "retry";
	bool ended;

	pthread_mutex_lock(&tickets->lock);
	ended = outbox_done(tickets->outbox, slot, result, now_ms(tickets), mono_ms(), &word,
		&record);
	pthread_mutex_unlock(&tickets->lock);
	count(tickets, worker->service, item->operation, word);
	if (!ended) {
		LOG_WARN_OF(service_of(tickets, worker->service)->name,
			"a ticket service was not told, it is tried again",
			LOG_TEXT("service", service_of(tickets, worker->service)->name),
			LOG_TEXT("incident", item->incident), LOG_ERROR_FIELD(&result->error));
		changed(tickets, item->incident);
		return;
	}
	/* Without this record it is told once more after a restart, which does no harm. */
	if (record.body == NULL ||
		journal_submit(tickets->config.journal, &record, 1, NULL, NULL) != STATUS_OK) {
		LOG_WARN("the journal did not note a ticket's result",
			LOG_TEXT("incident", item->incident));
		record_fini(&record);
	}
	log_end(worker, item, word, result);
	changed(tickets, item->incident);
}

/* Waits until an entry is due; OUTBOX_NONE at the end. */
static size_t next_entry(struct worker *worker, struct outbox_item *item, bool *skip)
{
	struct tickets *tickets = worker->tickets;
	size_t slot = OUTBOX_NONE;

	pthread_mutex_lock(&tickets->lock);
	while (!atomic_load(&tickets->stop)) {
		int64_t wait_ms = IDLE_MS, until_ns;
		struct timespec until;

		/* Who does not lead holds everything, also what is not needed any more. */
		if (send_fence_left_ns(&tickets->config.fence) > 0)
			slot = outbox_take(tickets->outbox, worker->service, mono_ms(), &wait_ms,
				skip);
		if (slot != OUTBOX_NONE) {
			outbox_item(tickets->outbox, slot, item);
			break;
		}
		until_ns = clock_mono_ns(clock_system()) +
			(wait_ms < IDLE_MS ? wait_ms : IDLE_MS) * MS_NS;
		until = (struct timespec){.tv_sec = (time_t)(until_ns / 1000000000),
			.tv_nsec = (long)(until_ns % 1000000000)};
		(void)pthread_cond_timedwait(&tickets->due, &tickets->lock, &until);
	}
	pthread_mutex_unlock(&tickets->lock);
	return slot;
}

static void *run_worker(void *argument)
{
	struct worker *worker = argument;
	struct tickets *tickets = worker->tickets;
	const struct ticket_service *service = service_of(tickets, worker->service);
	struct ticket_session session = {.service = service};
	struct outbox_item item;
	size_t slot;
	bool skip;

	thread_name("tickets");
	while ((slot = next_entry(worker, &item, &skip)) != OUTBOX_NONE) {
		struct ticket_result result = {.verdict = TICKET_REFUSED};

		if (skip)
			error_set(&result.error, STATUS_CONFLICT, "not needed any more");
		else if (session.http == NULL &&
			ticket_session_open(&session, service, &tickets->stop) != STATUS_OK)
			ticket_not_ready(&result, "no memory for a connection");
		else {
			ticket_http_fence(session.http, &tickets->config.fence);
			tell(worker, &session, &item, &result);
		}
		/* What was given up for the end is told by the next start. */
		if (result.verdict == TICKET_LATER && atomic_load(&tickets->stop))
			break;
		note_result(worker, slot, &item, &result);
	}
	ticket_session_close(&session);
	return NULL;
}

/* ---- life ---- */

struct tickets *tickets_open(const struct tickets_config *config, struct error *error)
{
	struct tickets *tickets = mem_zalloc(1, sizeof(*tickets));
	pthread_condattr_t attributes;
	uint64_t seed = 1;

	if (tickets == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for tickets");
		return NULL;
	}
	tickets->config = *config;
	CHECK(pthread_mutex_init(&tickets->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&tickets->due, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	if (random_secret(&seed, sizeof(seed)) != STATUS_OK)
		seed = (uint64_t)clock_mono_ns(clock_system());
	tickets->external_url =
		mem_strdup(config->external_url != NULL ? config->external_url : "");
	tickets->outbox = outbox_open(&config->outbox, seed);
	if (tickets->outbox != NULL && tickets->external_url != NULL)
		return tickets;
	tickets_close(tickets);
	error_set(error, STATUS_NO_MEMORY, "no memory for tickets");
	return NULL;
}

enum status tickets_replay(struct tickets *tickets, const struct record *record,
	struct error *error)
{
	bool known = true;
	enum status status;

	if (record->kind != RECORD_TICKET)
		return STATUS_OK;
	pthread_mutex_lock(&tickets->lock);
	status = outbox_replay(tickets->outbox, record, &known, error);
	pthread_mutex_unlock(&tickets->lock);
	if (!known && !tickets->replayed_gone) {
		tickets->replayed_gone = true;
		LOG_WARN("the journal has tickets of a service that is no longer configured",
			LOG_TEXT("first", record->key));
	}
	return status;
}

enum status tickets_start(struct tickets *tickets, struct error *error)
{
	const struct journal_query events = {.kind = RECORD_EVENT};
	enum status status =
		journal_read(tickets->config.journal, &events, catch_up, tickets, error);

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < tickets->config.outbox.service_count; i++) {
		struct worker *worker = &tickets->workers[i];
		int number;

		*worker = (struct worker){.tickets = tickets, .service = i};
		number = pthread_create(&worker->thread, NULL, run_worker, worker);
		if (number != 0)
			return error_set_errno(error, STATUS_NO_MEMORY, number,
				"no thread for tickets");
		worker->started = true;
	}
	return STATUS_OK;
}

void tickets_stop(struct tickets *tickets)
{
	if (tickets == NULL)
		return;
	pthread_mutex_lock(&tickets->lock);
	atomic_store(&tickets->stop, true);
	pthread_cond_broadcast(&tickets->due);
	pthread_mutex_unlock(&tickets->lock);
	for (size_t i = 0; i < TICKET_SERVICES_MAX; i++) {
		if (tickets->workers[i].started)
			pthread_join(tickets->workers[i].thread, NULL);
		tickets->workers[i].started = false;
	}
}

void tickets_close(struct tickets *tickets)
{
	if (tickets == NULL)
		return;
	tickets_stop(tickets);
	outbox_close(tickets->outbox);
	mem_free(tickets->external_url);
	pthread_cond_destroy(&tickets->due);
	pthread_mutex_destroy(&tickets->lock);
	mem_free(tickets);
}

/* ---- what is told of it ---- */

bool tickets_has(struct tickets *tickets, const char *incident)
{
	bool has;

	pthread_mutex_lock(&tickets->lock);
	has = outbox_has(tickets->outbox, incident);
	pthread_mutex_unlock(&tickets->lock);
	return has;
}

void tickets_write_incident(struct tickets *tickets, const char *incident, struct buf *json)
{
	pthread_mutex_lock(&tickets->lock);
	outbox_write_incident(tickets->outbox, incident, json);
	pthread_mutex_unlock(&tickets->lock);
}

void tickets_write_status(struct tickets *tickets, struct buf *json)
{
	buf_add_char(json, '[');
	pthread_mutex_lock(&tickets->lock);
	for (size_t i = 0; i < tickets->config.outbox.service_count; i++) {
		const struct ticket_service *service = service_of(tickets, i);
		struct outbox_state state;

		outbox_state(tickets->outbox, i, now_ms(tickets), mono_ms(), &state);
		buf_printf(json,
			"%s{\"service\":\"%s\",\"kind\":\"%s\",\"queued\":%zu,\"dead\":%llu,"
			"\"gone\":%s,\"oldest_seconds\":",
			i ? "," : "", service->name, ticket_kind_name((int)service->kind),
			state.queued, (unsigned long long)state.dead,
			state.gone ? "true" : "false");
		buf_add_json_number(json, (double)state.oldest_ms / 1000);
		buf_add_text(json, ",\"paused_seconds\":");
		buf_add_json_number(json, (double)state.pause_ms / 1000);
		buf_add_text(json, ",\"error\":");
		if (*state.error != '\0')
			buf_add_json_string(json, state.error, strlen(state.error));
		else
			buf_add_text(json, "null");
		buf_add_char(json, '}');
	}
	pthread_mutex_unlock(&tickets->lock);
	buf_add_char(json, ']');
}

void tickets_collect(struct tickets *tickets)
{
	for (size_t i = 0; i < tickets->config.outbox.service_count; i++) {
		const char *name = service_of(tickets, i)->name;
		struct outbox_state state;

		pthread_mutex_lock(&tickets->lock);
		outbox_state(tickets->outbox, i, now_ms(tickets), mono_ms(), &state);
		pthread_mutex_unlock(&tickets->lock);
		metrics_set(METRIC_TICKET_OUTBOX, (double)state.queued, name);
		metrics_set(METRIC_TICKET_OLDEST, (double)state.oldest_ms / 1000, name);
	}
}
