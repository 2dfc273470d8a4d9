/*
 * The engine's thread: the queue in, the ports out.
 *
 * Everything that concerns the engine comes as a message through one queue: new events and
 * commits from the journal's thread, observations and results from the actuators', words of people
 * from any. The queue has room for all that can be under way at once, so that an answer is never
 * dropped: events are counted before they are accepted, and each incident has at most a few answers
 * outstanding. If one is lost all the same the engine's own time-outs find out.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread_name.h"
#include "base/turns.h"
#include "remediations/leader.h"
#include "remediations/remediator_state.h"

#define BATCH 64
#define IDLE_MS 50
#define RECORDS_AT_ONCE (ACTIONS_MAX + 3) /* of the engine */

void message_fini(struct message *message)
{
	switch (message->kind) {
	case MESSAGE_AHEAD:
	case MESSAGE_EVENT:
		event_fini(message->with.event);
		mem_free(message->with.event);
		break;
	case MESSAGE_OBSERVED:
		mem_free(message->with.observation);
		break;
	case MESSAGE_FINISHED:
		mem_free(message->with.result);
		break;
	case MESSAGE_TICKET:
		mem_free(message->with.incident);
		break;
	case MESSAGE_JOURNALED:
	case MESSAGE_CONTROL:
		break;
	}
}

static void push(struct remediator *remediator, struct message *message)
{
	if (!queue_push(remediator->queue, message))
		return;
	if (!queue_ended(remediator->queue))
		LOG_WARN("answer dropped, the engine's queue is full");
	message_fini(message);
}

/* ---- ports ---- */

struct submitted {
	struct remediator *remediator;
	uint64_t number;
};

static void journal_done(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct submitted *submitted = argument;
	struct message message = {.kind = MESSAGE_JOURNALED,
		.status = status,
		.number = submitted->number};

	(void)numbers, (void)count;
	push(submitted->remediator, &message);
	mem_free(submitted);
}

#define TICKETS ",\"tickets\":["

/* An incident's body with what is known of its tickets at its end. */
static void show_incident(struct remediator *remediator, const char *id, const char *body,
	size_t size)
{
	struct buf json;

	buf_init(&json, RECORD_BODY_MAX);
	buf_add(&json, body, size - 1);
	buf_add_text(&json, ",\"tickets\":");
	tickets_write_incident(remediator->tickets, id, &json);
	buf_add_char(&json, '}');
	if (!buf_ok(&json) || board_put(remediator->board, BOARD_INCIDENTS, id, json.data))
		LOG_WARN("no memory to show a record", LOG_TEXT("key", id));
	buf_fini(&json);
}

/* The tickets changed: the incident's body is that on the board up to where its tickets begin. No text in
 * it can hold that, for quotes are escaped there, and a label's value is no list. */
void remediator_show_tickets(struct remediator *remediator, const char *id)
{
	const char *end = NULL, *at;
	struct buf json;

	buf_init(&json, RECORD_BODY_MAX);
	if (!board_get(remediator->board, BOARD_INCIDENTS, id, &json) && buf_ok(&json)) {
		for (at = json.data; (at = strstr(at, TICKETS)) != NULL; at++)
			end = at;
		if (end) {
			json.size = (size_t)(end - json.data);
			buf_add_char(&json, '}');
		}
		if (buf_ok(&json))
			show_incident(remediator, id, json.data, json.size);
	}
	buf_fini(&json);
}

void remediator_show(struct remediator *remediator, const struct record *record)
{
	enum board_kind kind = record->kind == RECORD_INCIDENT ? BOARD_INCIDENTS
		: record->kind == RECORD_ACTION                ? BOARD_ACTIONS
							       : BOARD_ALERTS;
	char fingerprint[17] = "";

	if (record->kind != RECORD_INCIDENT && record->kind != RECORD_ACTION &&
		record->kind != RECORD_EVENT)
		return;
	/* An alert is known by its fingerprint, the first part of its record's key. */
	if (kind == BOARD_ALERTS)
		strncpy(fingerprint, record->key, sizeof(fingerprint) - 1);
	if (kind == BOARD_INCIDENTS && remediator->tickets) {
		show_incident(remediator, record->key, record->body, strlen(record->body));
		return;
	}
	if (board_put(remediator->board, kind, kind == BOARD_ALERTS ? fingerprint : record->key,
		    record->body))
		LOG_WARN("no memory to show a record", LOG_TEXT("key", record->key));
}

/* What of a record is shown, or nothing. */
static struct record copy_shown(const struct record *record)
{
	struct record copy = {.kind = record->kind};

	if (record->kind != RECORD_INCIDENT && record->kind != RECORD_ACTION)
		return copy;
	copy.key = mem_strdup(record->key);
	copy.body = mem_strdup(record->body);
	return copy;
}

static void show_copy(struct remediator *remediator, struct record *copy)
{
	if (copy->key && copy->body)
		remediator_show(remediator, copy);
	else if (copy->kind == RECORD_INCIDENT || copy->kind == RECORD_ACTION)
		LOG_WARN("no memory to show a record");
	record_fini(copy);
}

static enum status port_journal(void *self, uint64_t number, struct record *records, size_t count)
{
	struct remediator *remediator = self;
	struct submitted *submitted = mem_alloc(sizeof(*submitted));
	struct record copies[RECORDS_AT_ONCE];
	enum status status;

	CHECK(count <= RECORDS_AT_ONCE);
	if (!submitted)
		return STATUS_NO_MEMORY;
	*submitted = (struct submitted){remediator, number};
	/* The journal takes the texts over. It writes while they are shown. */
	for (size_t i = 0; i < count; i++)
		copies[i] = copy_shown(&records[i]);
	status = journal_submit(remediator->journal, records, count, journal_done, submitted);
	if (status)
		mem_free(submitted);
	for (size_t i = 0; i < count; i++)
		show_copy(remediator, &copies[i]);
	return status;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct remediator *remediator = self;

	return remediator->dry.vtable->observe(remediator->dry.self, ticket, target, purpose);
}

/* Without ticket services the journal's record is the ticket. */
static enum status open_ticket(struct remediator *remediator, const struct command *command)
{
	const struct incident *incident =
		engine_incident_of_action(remediator->engine, command->action_id);
	const struct playbook *playbook =
		incident ? engine_playbook(remediator->engine, incident) : NULL;
	const struct action *action =
		incident ? incident_find_action(incident, command->action_id) : NULL;
	struct command_result *result = mem_zalloc(1, sizeof(*result));
	struct message message = {.kind = MESSAGE_FINISHED, .with.result = result};

	if (remediator->tickets && action) {
		mem_free(result);
		return tickets_send(remediator->tickets, incident, action,
			playbook ? playbook->runbook : NULL);
	}
	if (!result)
		return STATUS_NO_MEMORY;
	memcpy(result->action_id, command->action_id, sizeof(result->action_id));
	result->outcome = COMMAND_DONE;
	LOG_WARN_OF(command->action_id, "ticket", LOG_TEXT("action", command->action_id),
		LOG_TEXT("title", command->title), LOG_TEXT("text", command->text));
	push(remediator, &message);
	return STATUS_OK;
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct remediator *remediator = self;

	/* Connections to the cluster ask once more right before they send. */
	if (remediator->leading && !leader_until_ns(leading_leader(remediator->leading)))
		return STATUS_UNAVAILABLE;
	if (dry_run)
		return remediator->dry.vtable->send(remediator->dry.self, command);
	if (command->kind == ACTION_TICKET)
		return open_ticket(remediator, command);
	if (action_kind_told_apart(command->kind))
		return remediator->web.vtable
			? remediator->web.vtable->send(remediator->web.self, command)
			: STATUS_UNAVAILABLE;
	if (!remediator->real.vtable)
		return STATUS_UNAVAILABLE;
	return remediator->real.vtable->send(remediator->real.self, command);
}

static void count_action(const struct news *news)
{
	const struct plan *plan = &news->action->plan;

	metrics_inc(METRIC_ACTIONS, action_kind_name(plan->kind), news->word);
	if (plan->kind == ACTION_SCALE)
		metrics_inc(METRIC_SCALING_OPERATIONS, plan->shrinks ? "down" : "up", news->word);
}

static void note_replicas(const struct news *news)
{
	const struct observation *seen = news->observation;
	const struct workload_key *key = &news->incident->target.workload;

	/* What is said of a pod's replicas is not the workload's. */
	if (!seen || seen->error.code || !seen->found || key->kind == TARGET_NONE ||
		news->incident->target.kind != key->kind)
		return;
	metrics_set(METRIC_CURRENT_REPLICAS, seen->ready_replicas, key->namespace_name,
		target_kind_name(key->kind), key->name);
}

static void tell_step(struct remediator *remediator, const struct news *news)
{
	remediator_watch_fn *watch;
	void *argument;

	/* A burst of one incident's lines must not hide another's. */
	LOG_INFO_OF(news->incident->id, news->text, LOG_TEXT("incident", news->incident->id),
		LOG_TEXT("action", news->action ? news->action->id : ""),
		LOG_TEXT("state", news->word), LOG_TEXT("playbook", news->playbook));
	pthread_mutex_lock(&remediator->lock);
	watch = remediator->watch;
	argument = remediator->watch_argument;
	pthread_mutex_unlock(&remediator->lock);
	if (watch)
		watch(argument, news->time_ms, news->incident->id, news->word, news->text);
}

/* The incident is over, and so are its silences. The answers concern nobody: what could not be removed
 * ends by itself. */
static void end_silences(struct remediator *remediator, const struct incident *incident)
{
	int64_t now_ms = clock_now_ms(remediator->clock);

	/* Who leads ends them. */
	if (engine_stands_by(remediator->engine))
		return;
	for (size_t i = 0; remediator->web.vtable && i < incident->action_count; i++) {
		const struct action *action = incident->actions[i];
		struct command command;

		if (action->plan.kind != ACTION_SILENCE || action->dry_run || !action->sent_ms ||
			*action->undo_of || now_ms > action->sent_ms + action->plan.options.time_ms)
			continue;
		plan_command(&action->plan, &action->target, &command);
		command.changes = changes_inverse(&command.changes);
		memcpy(command.action_id, action->id, sizeof(command.action_id));
		if (remediator->web.vtable->send(remediator->web.self, &command))
			LOG_WARN("a silence is left to its own end",
				LOG_TEXT("incident", incident->id));
	}
}

static bool end_old_silences(void *argument, const struct incident *incident)
{
	if (!incident->open)
		end_silences(argument, incident);
	return true;
}

void remediator_end_silences(struct remediator *remediator)
{
	engine_visit(remediator->engine, end_old_silences, remediator);
}

void remediator_count(const struct news *news)
{
	if (news->kind == NEWS_DECISION) {
		metrics_inc(METRIC_DECISIONS, news->playbook, news->word);
		/* Alerts have none. */
		if (news->incident && !isnan(news->incident->event.confidence))
			metrics_set(METRIC_DECISION_CONFIDENCE, news->incident->event.confidence,
				news->playbook);
	} else if (news->kind == NEWS_REFUSAL) {
		metrics_inc(METRIC_REFUSALS, news->word);
	}
}

static void port_told(void *self, const struct news *news)
{
	struct remediator *remediator = self;

	if (remediator->tickets)
		tickets_told(remediator->tickets, news);
	kube_events_told(remediator->kube_events, news);
	stages_told(remediator->stages, news);
	switch (news->kind) {
	case NEWS_STATE:
	case NEWS_JOINED:
		tell_step(self, news);
		break;
	case NEWS_DECISION:
	case NEWS_REFUSAL:
		remediator_count(news);
		break;
	case NEWS_ACTION:
		count_action(news);
		break;
	case NEWS_OUTCOME:
		if (news->incident && !news->incident->open)
			end_silences(remediator, news->incident);
		metrics_inc(METRIC_OUTCOMES, news->playbook, news->word);
		break;
	case NEWS_MODE:
		metrics_inc(METRIC_MODE_CHANGES, news->playbook, news->word);
		LOG_WARN_OF(news->playbook, news->text, LOG_TEXT("playbook", news->playbook),
			LOG_TEXT("namespace", news->track->namespace_name),
			LOG_TEXT("change", news->word));
		break;
	case NEWS_OBSERVED:
		note_replicas(news);
		break;
	case NEWS_UNLISTED:
		metrics_inc(METRIC_EVENTS_UNLISTED, news->playbook);
		break;
	case NEWS_QUIET:
		break;
	}
}

struct engine_ports remediator_ports(struct remediator *remediator)
{
	return (struct engine_ports){remediator, port_journal, port_observe, port_send, port_told};
}

/* ---- answers of the actuators ---- */

static void sink_observed(void *argument, uint64_t ticket, const struct observation *observation)
{
	struct message message = {.kind = MESSAGE_OBSERVED, .number = ticket};

	message.with.observation = mem_alloc(sizeof(*observation));
	if (!message.with.observation)
		return;
	*message.with.observation = *observation;
	push(argument, &message);
}

static void sink_finished(void *argument, const struct command_result *result)
{
	struct message message = {.kind = MESSAGE_FINISHED};

	message.with.result = mem_alloc(sizeof(*result));
	if (!message.with.result)
		return;
	*message.with.result = *result;
	push(argument, &message);
}

void remediator_ticket_finished(void *argument, const struct command_result *result)
{
	sink_finished(argument, result);
}

/* A change that finds no room is shown with the next one, and by the next record of the incident. */
void remediator_ticket_changed(void *argument, const char *incident)
{
	struct message message = {.kind = MESSAGE_TICKET};
	struct remediator *remediator = argument;

	if (atomic_fetch_add(&remediator->ticket_messages, 1) < TICKET_MESSAGES_MAX)
		message.with.incident = mem_strdup(incident);
	if (message.with.incident && !queue_push(remediator->queue, &message))
		return;
	atomic_fetch_sub(&remediator->ticket_messages, 1);
	message_fini(&message);
}

struct actuator_sink remediator_sink(struct remediator *remediator)
{
	return (struct actuator_sink){remediator, sink_observed, sink_finished};
}

/* ---- the thread ---- */

static enum status push_control(struct remediator *remediator, struct control *control)
{
	struct message message = {.kind = MESSAGE_CONTROL, .with.control = control};
	enum status status = queue_push(remediator->queue, &message);

	if (status)
		error_set(&control->error, status, "the engine takes no questions now");
	return status;
}

void remediator_ask(struct remediator *remediator, struct control *control)
{
	enum status status = push_control(remediator, control);

	if (!status)
		return;
	control->status = status;
	control->done(control);
}

enum status remediator_control(struct remediator *remediator, struct control *control)
{
	enum status status = push_control(remediator, control);

	if (status)
		return status;
	pthread_mutex_lock(&remediator->lock);
	while (!control->answered)
		pthread_cond_wait(&remediator->answered, &remediator->lock);
	pthread_mutex_unlock(&remediator->lock);
	return control->status;
}

void remediator_answer(struct remediator *remediator, struct control *control, enum status status)
{
	if (control->done) {
		control->status = status;
		control->done(control);
		return;
	}
	pthread_mutex_lock(&remediator->lock);
	control->status = status;
	control->answered = true;
	pthread_cond_broadcast(&remediator->answered);
	pthread_mutex_unlock(&remediator->lock);
}

void remediator_note_pause(struct remediator *remediator)
{
	struct kill_switch state = {.on = engine_paused(remediator->engine)};
	const char *by = engine_paused_by(remediator->engine, &state.since_ms);

	snprintf(state.by, sizeof(state.by), "%s", by);
	if (!*by)
		state.since_ms = 0;
	pthread_mutex_lock(&remediator->lock);
	remediator->kill_switch = state;
	atomic_store(&remediator->paused, state.on);
	pthread_mutex_unlock(&remediator->lock);
}

static void answer_word(struct remediator *remediator, struct control *control, enum status status)
{
	if (control->kind == CONTROL_DRY_RUN) {
		if (!status) {
			remediator_ask_server(remediator, control);
			return;
		}
		mem_free(control->command);
		error_set(&control->error, status,
			"the journal could not note down that it is asked: it was not");
		remediator_answer(remediator, control, status);
		return;
	}
	if (status && control->kind == CONTROL_PAUSE)
		error_set(&control->error, status,
			"the kill switch is %s, but the journal could not note it down: a restart may "
			"not know of it",
			control->flag ? "on" : "off");
	else if (status)
		error_set(&control->error, status,
			"it is taken, but the journal could not note it down: a restart may not know "
			"of it");
	remediator_answer(remediator, control, status);
}

/* A person's word was taken: the answer comes with the commit of its record. */
static void await_commit(struct remediator *remediator, struct control *control, uint64_t ticket)
{
	if (!ticket) {
		answer_word(remediator, control, STATUS_UNAVAILABLE);
		return;
	}
	control->ticket = ticket;
	control->next = remediator->words;
	remediator->words = control;
}

static void take_pause(struct remediator *remediator, struct control *control, int64_t now_ms)
{
	uint64_t ticket =
		engine_pause(remediator->engine, control->flag, control->identity, now_ms);

	remediator_note_pause(remediator);
	await_commit(remediator, control, ticket);
}

/* Answers the words that waited for this ticket, or with `all` whoever waits. */
static void end_words(struct remediator *remediator, uint64_t ticket, bool all, enum status status)
{
	struct control **at = &remediator->words, *control;

	while ((control = *at) != NULL) {
		if (!all && control->ticket != ticket) {
			at = &control->next;
			continue;
		}
		/* Its memory is the asker's, and gone with the answer. */
		*at = control->next;
		answer_word(remediator, control, status);
	}
}

/* Standing by, people's words belong to the leader; false: the control was answered. A kill switch that
 * is put on is in force here all the same, for the day on which this replica leads. */
static bool standby_takes(struct remediator *remediator, struct control *control, int64_t now_ms)
{
	enum status status;

	if (control->kind != CONTROL_APPROVE && control->kind != CONTROL_UNDO &&
		control->kind != CONTROL_PAUSE && control->kind != CONTROL_LIFT &&
		control->kind != CONTROL_DRY_RUN)
		return true;
	status = leading_refuse(remediator, &control->error);
	if (control->kind == CONTROL_PAUSE && status == STATUS_UNAVAILABLE && control->flag)
		return true;
	if (control->kind == CONTROL_PAUSE && control->flag) {
		engine_pause(remediator->engine, true, control->identity, now_ms);
		remediator_note_pause(remediator);
		error_prefix(&control->error, "the kill switch is on here, but not at the leader");
	}
	control->refused = true;
	remediator_answer(remediator, control, status);
	return false;
}

static enum status take_word(struct engine *engine, struct control *control, int64_t now_ms)
{
	if (control->kind == CONTROL_APPROVE)
		return engine_approve(engine, control->id, control->person, control->flag, now_ms,
			&control->error);
	if (control->kind == CONTROL_UNDO)
		return engine_undo(engine, control->id, control->person, now_ms, &control->error);
	return engine_lift(engine, control->id, control->cluster, control->namespace_name,
		control->identity, now_ms, &control->error);
}

static void take_control(struct remediator *remediator, struct control *control, int64_t now_ms)
{
	struct engine *engine = remediator->engine;
	enum status status = STATUS_OK;

	if (engine_stands_by(engine) && remediator->leading &&
		!standby_takes(remediator, control, now_ms))
		return;
	switch (control->kind) {
	case CONTROL_DRAIN:
		status = engine_drain(engine) ? STATUS_OK : STATUS_BUSY;
		break;
	case CONTROL_PAUSE:
		take_pause(remediator, control, now_ms);
		return;
	case CONTROL_APPROVE:
	case CONTROL_UNDO:
	case CONTROL_LIFT:
		status = take_word(engine, control, now_ms);
		if (!status) {
			await_commit(remediator, control, engine_word_ticket(engine));
			return;
		}
		break;
	case CONTROL_DRY_RUN:
		status = remediator_begin_dry_run(remediator, control, now_ms);
		if (!status) {
			await_commit(remediator, control, control->ticket);
			return;
		}
		break;
	case CONTROL_MODES:
		engine_write_modes(engine, control->json);
		break;
	case CONTROL_LEAD:
	case CONTROL_STAND_BY:
	case CONTROL_ADOPT:
		status = leading_control(remediator, control, now_ms);
		break;
	case CONTROL_CONFIGURE:
		status = engine_configure(engine, control->config);
		break;
	}
	remediator_answer(remediator, control, status);
}

static void take_event(struct remediator *remediator, struct message *message, int64_t now_ms)
{
	struct record record = {.kind = RECORD_EVENT};
	char key[17];
	struct buf body;

	buf_init(&body, JOURNAL_BODY_MAX);
	event_write_json(&body, message->with.event);
	snprintf(key, sizeof(key), "%016" PRIx64, message->with.event->fingerprint);
	record.key = key;
	record.body = body.data;
	if (buf_ok(&body))
		remediator_show(remediator, &record);
	buf_fini(&body);
	stages_receive(message->since_ns);
	engine_event(remediator->engine, message->with.event, message->number, now_ms);
	atomic_store(&remediator->looks_ahead, engine_looks_ahead(remediator->engine));
	if (remediator->tickets)
		tickets_resolved(remediator->tickets, message->with.event);
	atomic_fetch_sub(&remediator->events_waiting, 1);
}

static void take(struct remediator *remediator, struct message *message)
{
	int64_t now_ms = clock_now_ms(remediator->clock);
	struct engine *engine = remediator->engine;

	engine_expect(engine, atomic_load(&remediator->events_waiting));
	switch (message->kind) {
	case MESSAGE_AHEAD:
		atomic_fetch_sub(&remediator->ahead_messages, 1);
		engine_look_ahead(engine, message->with.event, now_ms);
		break;
	case MESSAGE_EVENT:
		take_event(remediator, message, now_ms);
		break;
	case MESSAGE_JOURNALED:
		engine_journaled(engine, message->number, message->status, now_ms);
		end_words(remediator, message->number, false,
			message->status ? STATUS_UNAVAILABLE : STATUS_OK);
		break;
	case MESSAGE_OBSERVED:
		engine_observed(engine, message->number, message->with.observation, now_ms);
		break;
	case MESSAGE_FINISHED:
		if (remediator_server_answered(remediator, message->with.result, now_ms))
			break;
		engine_finished(engine, message->with.result, now_ms);
		break;
	case MESSAGE_CONTROL:
		take_control(remediator, message->with.control, now_ms);
		break;
	case MESSAGE_TICKET:
		atomic_fetch_sub(&remediator->ticket_messages, 1);
		remediator_show_tickets(remediator, message->with.incident);
		break;
	}
	message_fini(message);
}

/* After the end nothing is begun any more: events are still in the journal and come again. */
static void refuse(struct remediator *remediator, struct message *message)
{
	if (message->kind == MESSAGE_CONTROL) {
		error_set(&message->with.control->error, STATUS_UNAVAILABLE,
			"the service is ending");
		remediator_answer(remediator, message->with.control, STATUS_UNAVAILABLE);
	}
	message_fini(message);
}

void *remediator_run(void *argument)
{
	struct remediator *remediator = argument;
	struct message messages[BATCH];

	thread_name("engine");
	turns_shorten();
	while (!queue_ended(remediator->queue)) {
		int64_t due = engine_due(remediator->engine) - clock_now_ms(remediator->clock);
		/* The clock may run faster than the queue's: never sleep for long. */
		size_t count = queue_pop_many(remediator->queue, messages, BATCH,
			due < 0                 ? 0
				: due < IDLE_MS ? due
						: IDLE_MS);

		for (size_t i = 0; i < count; i++) {
			if (queue_ended(remediator->queue))
				refuse(remediator, &messages[i]);
			else
				take(remediator, &messages[i]);
		}
		engine_expect(remediator->engine, atomic_load(&remediator->events_waiting));
		engine_tick(remediator->engine, clock_now_ms(remediator->clock));
	}
	for (size_t count; (count = queue_pop_many(remediator->queue, messages, BATCH, 0)) != 0;)
		for (size_t i = 0; i < count; i++)
			refuse(remediator, &messages[i]);
	end_words(remediator, 0, true, STATUS_UNAVAILABLE);
	remediator_end_dry_runs(remediator);
	atomic_store(&remediator->running, false);
	return NULL;
}

/* ---- metrics ---- */

static void count_incidents(void *argument, const char *state, size_t entries)
{
	(void)argument;
	metrics_set(METRIC_INCIDENTS, (double)entries, state);
}

void remediator_collect(void *argument)
{
	struct remediator *remediator = argument;

	struct kill_switch kill_switch;

	if (remediator->leading)
		leader_collect(leading_leader(remediator->leading));
	remediator_kill_switch(remediator, &kill_switch);
	metrics_set(METRIC_KILL_SWITCH, kill_switch.on);
	if (remediator->tickets)
		tickets_collect(remediator->tickets);
	metrics_clear(METRIC_INCIDENTS);
	board_count(remediator->board, BOARD_INCIDENTS, count_incidents, NULL);
	metrics_set(METRIC_ACTIONS_PENDING,
		(double)board_open_entries(remediator->board, BOARD_ACTIONS));
	metrics_set(METRIC_QUEUE_LENGTH, atomic_load(&remediator->events_waiting), "events");
	metrics_set(METRIC_QUEUE_LIMIT, remediator->event_queue_max, "events");
}
