/*
 * The remediator: opens and closes what the action side consists of, and takes in events and words
 * of people for the engine's thread (remediator_thread.c).
 *
 * Start: journal, then all its records into the engine, then the events that the engine had not
 * finished with, then the thread. An event's way: journal_submit_events() -> committed -> queue ->
 * engine; the sender is answered from the journal's thread right after the commit.
 *
 * Close: no action is begun any more and those under way get their answers (for DRAIN_MS at most),
 * the queue ends, the thread stops, the actuators finish what is under way, the
 * journal commits what it holds. What was not finished is taken up at the next start.
 */
#include "remediations/web_text.h"
#include "remediations/remediator.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/parse.h"
#include "remediations/actuator_kube.h"
#include "remediations/leader.h"
#include "remediations/permissions.h"
#include "remediations/remediator_state.h"

#define JOURNAL_QUEUE_MAX 65536
#define JOURNAL_KEEP_MS (30 * 24 * 3600 * INT64_C(1000))
#define EVENT_QUEUE_DEFAULT 20000
#define INCIDENTS_DEFAULT 10000
#define CONTROLS_MAX 256
#define DRAIN_MS 5000

/* ---- rules ---- */

void rules_close(struct rules *rules)
{
	if (!rules)
		return;
	playbooks_close(rules->playbooks);
	matchers_fini(&rules->opt_in);
	freeze_close(rules->freeze);
	mode_rules_close(rules->modes);
	mem_free(rules);
}

enum status rules_open(const struct remediator_config *config, struct rules **opened,
	struct diagnostics *diagnostics)
{
	struct rules *rules = mem_zalloc(1, sizeof(*rules));
	enum status status = STATUS_OK, one;
	struct error error;

	*opened = NULL;
	if (!rules)
		return STATUS_NO_MEMORY;
	matchers_init(&rules->opt_in);
	rules->playbooks = playbooks_open(&config->guard);
	if (!rules->playbooks)
		status = STATUS_NO_MEMORY;
	for (size_t i = 0; i < config->playbook_path_count && status != STATUS_NO_MEMORY; i++) {
		size_t before = playbooks_count(rules->playbooks);

		one = playbooks_load(rules->playbooks, config->playbook_paths[i], diagnostics);
		if (one)
			status = one;
		else if (playbooks_count(rules->playbooks) == before)
			diagnostics_add(diagnostics, true, config->playbook_paths[i], 0, 0,
				"holds no playbook: nothing is answered by it");
	}
	if (config->opt_in_selector && *config->opt_in_selector) {
		rules->opt_in_set = true;
		one = matchers_parse_selector(&rules->opt_in, config->opt_in_selector, &error);
		if (one) {
			diagnostics_add(diagnostics, false, "remediate.opt_in", 0, 0, "%s",
				error.text);
			status = one;
		}
	}
	one = freeze_open(config->freeze, config->freeze_count, &rules->freeze, &error);
	if (one) {
		diagnostics_add(diagnostics, false, "guard.freeze", 0, 0, "%s", error.text);
		status = one;
	}
	if (rules->playbooks) {
		rules->modes = mode_rules_open(config->modes, config->mode_count, rules->playbooks,
			diagnostics, &one);
		status = status ? status : one;
	}
	if (status)
		rules_close(rules);
	else
		*opened = rules;
	return status;
}

void rules_engine_config(const struct remediator_config *config, struct rules *rules,
	struct engine_config *engine)
{
	*engine = (struct engine_config){.playbooks = rules->playbooks,
		.opt_in = rules->opt_in_set ? &rules->opt_in : NULL,
		.freeze = rules->freeze,
		.mode = config->mode,
		.modes = rules->modes,
		.dry_run = config->dry_run,
		.paused = config->paused,
		.limits = config->guard,
		.signals = config->signals,
		.incident_max = config->incident_max ? config->incident_max : INCIDENTS_DEFAULT};
	engine_times_default(&engine->times);
	if (config->approval_wait_ms)
		engine->times.approval_max = config->approval_wait_ms;
	if (config->approval_valid_ms)
		engine->times.approval_valid = config->approval_valid_ms;
}

enum status remediator_check(const struct remediator_config *config,
	struct diagnostics *diagnostics)
{
	struct rules *rules;
	enum status status = rules_open(config, &rules, diagnostics);

	rules_close(rules);
	return status;
}

size_t remediator_playbook_count(struct remediator *remediator)
{
	size_t count;

	pthread_mutex_lock(&remediator->reload_lock);
	count = playbooks_count(remediator->rules->playbooks);
	pthread_mutex_unlock(&remediator->reload_lock);
	return count;
}

/* ---- open ---- */

struct replaying {
	struct remediator *remediator;
	struct error *error;
	enum status status;
};

static bool replay_record(void *argument, const struct record *record)
{
	struct replaying *replaying = argument;

	remediator_show(replaying->remediator, record);
	replaying->status = engine_replay(replaying->remediator->engine, record, replaying->error);
	if (!replaying->status && replaying->remediator->tickets)
		replaying->status =
			tickets_replay(replaying->remediator->tickets, record, replaying->error);
	if (replaying->remediator->tickets && record->kind == RECORD_TICKET)
		remediator_show_tickets(replaying->remediator, record->incident);
	return replaying->status == STATUS_OK;
}

static bool replay_pending(void *argument, const struct record *record)
{
	struct replaying *replaying = argument;
	struct remediator *remediator = replaying->remediator;
	struct event event;

	event_init(&event);
	replaying->status =
		event_read_json(&event, record->body, strlen(record->body), replaying->error);
	if (!replaying->status)
		engine_event(remediator->engine, &event, record->number,
			clock_now_ms(remediator->clock));
	event_fini(&event);
	return replaying->status == STATUS_OK;
}

static enum status replay(struct remediator *remediator, struct error *error)
{
	struct replaying replaying = {remediator, error, STATUS_OK};
	const struct journal_query all = {.kind = -1};
	enum status status =
		journal_read(remediator->journal, &all, replay_record, &replaying, error);

	if (!status)
		status = replaying.status;
	if (status)
		return status;
	if (remediator->leading)
		engine_stand_by(remediator->engine, clock_now_ms(remediator->clock));
	engine_start(remediator->engine, clock_now_ms(remediator->clock));
	status = journal_pending_events(remediator->journal, replay_pending, &replaying, error);
	return status ? status : replaying.status;
}

static enum status open_journal(struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	const struct journal_config journal = {.path = config->journal_path,
		.vfs = config->journal_vfs,
		.queue_max = JOURNAL_QUEUE_MAX,
		.keep_ms = config->journal_keep_ms > 0 ? config->journal_keep_ms : JOURNAL_KEEP_MS,
		.clock = config->clock};

	remediator->journal = journal_open(&journal, error);
	return remediator->journal ? STATUS_OK : error->code;
}

/* Past it another replica may lead. */
static struct send_fence fence_of(const struct remediator *remediator)
{
	return remediator->leading
		? (struct send_fence){leader_until_ns, leading_leader(remediator->leading)}
		: (struct send_fence){NULL, NULL};
}

/* In a dry run nobody is told anything. */
static enum status open_tickets(struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	const struct tickets_config tickets = {.outbox = {.services = config->tickets,
						       .service_count = config->ticket_count,
						       .gap_first_ms = config->ticket_gap_ms},
		.external_url = config->external_url,
		.clock = remediator->clock,
		.journal = remediator->journal,
		.fence = fence_of(remediator),
		.argument = remediator,
		.finished = remediator_ticket_finished,
		.changed = remediator_ticket_changed};

	if (!config->ticket_count || config->dry_run)
		return STATUS_OK;
	remediator->tickets = tickets_open(&tickets, error);
	return remediator->tickets ? STATUS_OK : error->code;
}

/* The cluster's actuator reads for the dry run as well, which closes it. */
static enum status open_actuators(struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	struct permissions permissions;

	permissions_of(&permissions, remediator->rules->playbooks);

	struct actuator_kube_config kube = {.url = config->kube_url,
		.token_file = config->kube_token_file,
		.ca_file = config->kube_ca_file,
		.kubeconfig = config->kube_config,
		.context = config->kube_context,
		.watch_kinds = config->kube_watch ? permissions_watched(&permissions) : 0,
		.watch_object_max = config->kube_watch_objects,
		.paused = &remediator->paused,
		.clock = config->clock};
	const struct actuator_sink sink = remediator_sink(remediator);
	struct actuator reader = {0};
	enum status status;

	if (remediator->leading) {
		kube.fence = leader_until_ns;
		kube.fence_argument = leading_leader(remediator->leading);
	}
	status = actuator_kube_open(&reader, &kube, &sink, error);

	/* Without a URL and outside a cluster there is none, which is not wrong. */
	if (status == STATUS_NOT_FOUND && !config->kube_url) {
		reader = (struct actuator){0};
		status = STATUS_OK;
	}
	if (status)
		return error_prefix(error, "kubernetes");
	status = actuator_dry_open(&remediator->dry, reader, &sink, error);
	if (status && reader.vtable)
		reader.vtable->close(reader.self);
	else
		remediator->real = reader;
	return status;
}

/* In a dry run nobody is called. */
static enum status open_web(struct remediator *remediator, const struct remediator_config *config,
	struct error *error)
{
	const struct actuator_web_config web = {.alertmanager = {.url = config->alertmanager_url,
							.token_file =
								config->alertmanager_token_file,
							.user = config->alertmanager_user,
							.ca_file = config->alertmanager_ca_file},
		.clock = remediator->clock,
		.fence = fence_of(remediator)};
	const struct actuator_sink sink = remediator_sink(remediator);

	if (config->alertmanager_url && !web_url_good(config->alertmanager_url))
		return error_set(error, STATUS_BAD_INPUT,
			"alertmanager.url is no https:// one (http:// is for loopback only)");
	if (config->dry_run)
		return STATUS_OK;
	return actuator_web_open(&remediator->web, &web, &sink, error);
}

/* A connection of its own, for what must not wait for actions, or they for it. */
static enum status open_client(const struct remediator_config *config, struct kube_client **client,
	struct error *error)
{
	struct kube_client_config settings = {.url = config->kube_url,
		.token_file = config->kube_token_file,
		.ca_file = config->kube_ca_file,
		.kubeconfig = config->kube_config,
		.context = config->kube_context};
	enum status status = STATUS_OK;
	char url[512];

	if (!settings.url && !settings.kubeconfig)
		status = kube_config_in_cluster(&settings, url, sizeof(url), error);
	return status ? status : kube_client_open(client, &settings, error);
}

/* In a dry run nothing at all is written to the cluster. */
static enum status open_events(struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	struct kube_client *client;
	enum status status;

	if (!config->kube_events || config->dry_run || !remediator->real.vtable)
		return STATUS_OK;
	status = open_client(config, &client, error);
	if (status)
		return status;
	status = kube_events_open(&remediator->kube_events, client, error);
	if (status)
		kube_client_close(client);
	else if (remediator->leading)
		kube_events_fence(remediator->kube_events, leader_until_ns,
			leading_leader(remediator->leading));
	return status;
}

/* A dry run needs no permission to change anything. */
static enum status open_permissions(struct remediator *remediator,
	const struct remediator_config *config, struct error *error)
{
	const struct permission_watch_config settings = {.namespaces = config->kube_namespaces,
		.namespace_count = config->kube_namespace_count};
	struct kube_client *client;
	enum status status;

	if (config->dry_run || !remediator->real.vtable)
		return STATUS_OK;
	status = open_client(config, &client, error);
	if (status)
		return status;
	status = permission_watch_open(&remediator->permissions, client, &settings, error);
	if (status)
		kube_client_close(client);
	else
		permission_watch_use(remediator->permissions, remediator->rules->playbooks,
			remediator->config.mode);
	return status;
}

static bool lacks(void *self, const char *playbook, enum target_kind kind, char *text, size_t size)
{
	struct remediator *remediator = self;

	return permission_watch_missing(remediator->permissions, playbook, kind, text, size);
}

void remediator_write_disabled(struct remediator *remediator, struct buf *json)
{
	permission_watch_write(remediator->permissions, json);
}

void remediator_tell_disabled(struct remediator *remediator, struct buf *text)
{
	permission_watch_tell(remediator->permissions, text);
}

static enum status open_parts(struct remediator *remediator, const struct remediator_config *config,
	struct error *error)
{
	struct engine_ports ports = remediator_ports(remediator);
	size_t answers = (size_t)remediator->config.incident_max * 4;
	enum status status;

	remediator->board = board_open(remediator->config.incident_max);
	remediator->stages = stages_open(remediator->config.incident_max);
	remediator->queue = queue_open(sizeof(struct message),
		remediator->event_queue_max + answers + CONTROLS_MAX + TICKET_MESSAGES_MAX +
			AHEAD_MESSAGES_MAX);
	remediator->engine =
		engine_open(&remediator->config, &ports, clock_now_ms(remediator->clock));
	if (!remediator->board || !remediator->queue || !remediator->engine || !remediator->stages)
		return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
	status = open_journal(remediator, config, error);
	if (!status)
		status = config->leader.enabled
			? leading_open(&remediator->leading, remediator, config, error)
			: STATUS_OK;
	if (!status)
		status = open_tickets(remediator, config, error);
	if (!status)
		status = open_actuators(remediator, config, error);
	if (!status)
		status = open_web(remediator, config, error);
	if (!status)
		status = open_events(remediator, config, error);
	if (!status)
		status = open_permissions(remediator, config, error);
	if (!status)
		status = replay(remediator, error);
	if (!status)
		remediator_end_silences(remediator);
	if (!status && remediator->tickets)
		status = tickets_start(remediator->tickets, error);
	return status;
}

static void first_diagnostic(struct diagnostics *diagnostics, enum status status,
	struct error *error)
{
	const struct diagnostic *first = diagnostics->count ? &diagnostics->list[0] : NULL;

	for (size_t i = 0; i < diagnostics->count && first->warning; i++)
		first = &diagnostics->list[i];
	if (first)
		error_set(error, status, "%s:%d:%d: %s", first->file ? first->file : "",
			first->line, first->column, first->text);
	else
		error_set(error, status, "the playbooks can't be loaded");
}

/* body: taken over; NULL when there was no memory for it. */
static enum status submit_note(struct remediator *remediator, const char *key, char *body)
{
	struct record record = {.kind = RECORD_NOTE, .body = body};
	enum status status = STATUS_NO_MEMORY;

	record.key = mem_strdup(key);
	record.incident = mem_strdup("");
	if (record.body && record.key && record.incident)
		status = journal_submit(remediator->journal, &record, 1, NULL, NULL);
	if (status)
		record_fini(&record);
	return status;
}

void remediator_note(struct remediator *remediator, const char *key, const char *json)
{
	enum status status = submit_note(remediator, key, mem_strdup(json));

	if (status)
		LOG_WARN("not noted in the journal", LOG_TEXT("what", key),
			LOG_TEXT("reason", status_label(status)));
}

static void note_start(struct remediator *remediator)
{
	struct buf body;

	buf_init(&body, 4096);
	buf_printf(&body, "{\"mode\":\"%s\",\"dry_run\":%s,\"playbooks\":%zu,\"cluster\":%s}",
		mode_name(remediator->config.mode), remediator->config.dry_run ? "true" : "false",
		playbooks_count(remediator->rules->playbooks),
		remediator->real.vtable ? "true" : "false");
	/* A start that is not noted down is a start. */
	(void)submit_note(remediator, "start", buf_take(&body, NULL));
}

/* A kill switch that somebody forgot must not look like a service that finds nothing to do. */
static void tell_kill_switch(struct remediator *remediator)
{
	struct kill_switch state;
	char since[32];

	remediator_note_pause(remediator);
	remediator_kill_switch(remediator, &state);
	format_rfc3339(state.since_ms, since, sizeof(since));
	if (state.on)
		LOG_WARN("kill switch on: nothing is changed until paused=false is posted to "
			 "/api/v1/pause and the configuration does not say paused",
			LOG_TEXT("since", since), LOG_TEXT("by", state.by));
}

struct remediator *remediator_open(const struct remediator_config *config, struct error *error)
{
	struct remediator *remediator = mem_zalloc(1, sizeof(*remediator));
	struct diagnostics diagnostics;
	enum status status;

	if (!remediator) {
		error_set(error, STATUS_NO_MEMORY, "no memory for the remediator");
		return NULL;
	}
	CHECK(pthread_mutex_init(&remediator->lock, NULL) == 0);
	CHECK(pthread_mutex_init(&remediator->reload_lock, NULL) == 0);
	CHECK(pthread_cond_init(&remediator->answered, NULL) == 0);
	remediator->clock = config->clock ? config->clock : clock_system();
	remediator->event_queue_max =
		config->event_queue_max ? config->event_queue_max : EVENT_QUEUE_DEFAULT;
	diagnostics_init(&diagnostics);
	status = rules_open(config, &remediator->rules, &diagnostics);
	if (status)
		first_diagnostic(&diagnostics, status, error);
	diagnostics_fini(&diagnostics);
	if (!status) {
		rules_engine_config(config, remediator->rules, &remediator->config);
		remediator->config.permissions = (struct permission_source){remediator, lacks};
		status = open_parts(remediator, config, error);
	}
	if (status) {
		remediator_close(remediator);
		return NULL;
	}
	note_start(remediator);
	tell_kill_switch(remediator);
	remediator_tell_known(remediator, config);
	atomic_store(&remediator->running, true);
	if (pthread_create(&remediator->thread, NULL, remediator_run, remediator)) {
		error_set(error, STATUS_NO_MEMORY, "no thread for the engine");
		remediator_close(remediator);
		return NULL;
	}
	remediator->thread_started = true;
	metrics_add_collector(remediator_collect, remediator);
	if ((remediator->leading && leading_start(remediator->leading, error)) ||
		audit_watch_open(&remediator->audit_watch, remediator->journal, remediator->clock,
			config->journal_verify_ms, error)) {
		remediator_close(remediator);
		return NULL;
	}
	return remediator;
}

/* What was written gets its answer, so that the next start need not find out what came of it. */
static void drain(struct remediator *remediator)
{
	for (int waited_ms = 0; waited_ms < DRAIN_MS; waited_ms += 5) {
		struct control control = {.kind = CONTROL_DRAIN};

		if (remediator_control(remediator, &control) != STATUS_BUSY)
			return;
		clock_sleep_ms(5);
	}
}

void remediator_close(struct remediator *remediator)
{
	struct message message;

	if (!remediator)
		return;
	leading_stop(remediator->leading);
	if (remediator->thread_started)
		drain(remediator);
	if (remediator->queue)
		queue_end(remediator->queue);
	if (remediator->thread_started) {
		metrics_remove_collector(remediator_collect, remediator);
		pthread_join(remediator->thread, NULL);
	}
	if (remediator->dry.vtable)
		remediator->dry.vtable->close(remediator->dry.self);
	if (remediator->web.vtable)
		remediator->web.vtable->close(remediator->web.self);
	kube_events_close(remediator->kube_events);
	permission_watch_close(remediator->permissions);
	tickets_stop(remediator->tickets);
	/* Nothing is sent any more: the next one need not wait for the lease's end. */
	leading_close(remediator->leading);
	audit_watch_close(remediator->audit_watch);
	if (remediator->journal)
		journal_close(remediator->journal);
	tickets_close(remediator->tickets);
	/* What was asked before the thread began, when opening failed half-way. */
	while (remediator->queue && !queue_pop(remediator->queue, &message, 0))
		message_fini(&message);
	if (remediator->queue)
		queue_close(remediator->queue);
	engine_close(remediator->engine);
	stages_close(remediator->stages);
	rules_close(remediator->rules);
	board_close(remediator->board);
	pthread_cond_destroy(&remediator->answered);
	pthread_mutex_destroy(&remediator->lock);
	pthread_mutex_destroy(&remediator->reload_lock);
	mem_free(remediator);
}

enum status remediator_reload(struct remediator *remediator, const struct remediator_config *config,
	struct diagnostics *diagnostics)
{
	struct engine_config engine;
	struct rules *rules;
	struct control control = {.kind = CONTROL_CONFIGURE, .config = &engine};
	enum status status = rules_open(config, &rules, diagnostics);
	struct error error;
	bool pause;

	if (status)
		return status;
	rules_engine_config(config, rules, &engine);
	engine.permissions = (struct permission_source){remediator, lacks};
	pthread_mutex_lock(&remediator->reload_lock);
	/* Whether anything is really done is decided at start, and so are the sizes. */
	engine.dry_run = remediator->config.dry_run;
	engine.incident_max = remediator->config.incident_max;
	pause = engine.paused != remediator->config.paused;
	status = remediator_control(remediator, &control);
	if (!status) {
		struct rules *old = remediator->rules;

		remediator->rules = rules;
		remediator->config = engine;
		permission_watch_use(remediator->permissions, rules->playbooks, engine.mode);
		rules = old;
	}
	pthread_mutex_unlock(&remediator->reload_lock);
	rules_close(rules);
	/* In force either way; what could not be noted down is in the log. */
	if (!status && pause)
		(void)!remediator_pause(remediator, engine.paused, "configuration", &error);
	return status;
}

/* ---- events in ---- */

struct submission {
	struct remediator *remediator;
	remediator_done_fn *done;
	void *argument;
	int64_t since_ns;
	size_t count;
	struct event *events[];
};

static void submission_close(struct submission *submission)
{
	for (size_t i = 0; i < submission->count; i++) {
		if (!submission->events[i])
			continue;
		event_fini(submission->events[i]);
		mem_free(submission->events[i]);
		atomic_fetch_sub(&submission->remediator->events_waiting, 1);
	}
	mem_free(submission);
}

/* On the journal's thread: what is new goes on to the engine, then the sender is answered. */
static void events_done(void *argument, enum status status, const uint64_t *numbers, size_t count)
{
	struct submission *submission = argument;
	remediator_done_fn *done = submission->done;
	void *done_argument = submission->argument;
	size_t new_count = 0;

	for (size_t i = 0; i < count && !status; i++) {
		struct message message = {.kind = MESSAGE_EVENT,
			.number = numbers[i],
			.since_ns = submission->since_ns};

		if (!numbers[i])
			continue;
		new_count++;
		message.with.event = submission->events[i];
		/* There is room: it was counted before. After the end the journal keeps it. */
		if (!queue_push(submission->remediator->queue, &message))
			submission->events[i] = NULL;
	}
	submission_close(submission);
	if (done)
		done(done_argument, status, new_count);
}

static enum status submission_open(struct remediator *remediator, const struct event *events,
	size_t count, struct submission **opened)
{
	struct submission *submission = mem_zalloc(1, sizeof(*submission) + count * sizeof(void *));

	*opened = NULL;
	if (!submission)
		return STATUS_NO_MEMORY;
	submission->remediator = remediator;
	submission->count = count;
	if (atomic_fetch_add(&remediator->events_waiting, (unsigned)count) + count >
		remediator->event_queue_max) {
		atomic_fetch_sub(&remediator->events_waiting, (unsigned)count);
		mem_free(submission);
		return STATUS_BUSY;
	}
	for (size_t i = 0; i < count; i++) {
		submission->events[i] = mem_alloc(sizeof(struct event));
		if (submission->events[i] && !event_clone(submission->events[i], &events[i]))
			continue;
		mem_free(submission->events[i]);
		submission->events[i] = NULL;
		/* submission_close() gives back what is there; the rest was never taken. */
		atomic_fetch_sub(&remediator->events_waiting, (unsigned)(count - i));
		submission_close(submission);
		return STATUS_NO_MEMORY;
	}
	*opened = submission;
	return STATUS_OK;
}

/* While the event is written into the journal the engine may look at its target. One that finds no room is
 * looked at later. */
static void look_ahead(struct remediator *remediator, const struct event *event)
{
	struct message message = {.kind = MESSAGE_AHEAD};

	if (atomic_fetch_add(&remediator->ahead_messages, 1) < AHEAD_MESSAGES_MAX)
		message.with.event = mem_alloc(sizeof(*event));
	if (message.with.event && event_clone(message.with.event, event)) {
		mem_free(message.with.event);
		message.with.event = NULL;
	}
	if (message.with.event && !queue_push(remediator->queue, &message))
		return;
	atomic_fetch_sub(&remediator->ahead_messages, 1);
	if (message.with.event)
		message_fini(&message);
}

enum status remediator_submit(struct remediator *remediator, const struct event *events,
	size_t count, remediator_done_fn *done, void *argument)
{
	struct submission *submission;
	enum status status;

	if (count > remediator->event_queue_max)
		return STATUS_TOO_LARGE;
	status = submission_open(remediator, events, count, &submission);
	if (status)
		return status;
	submission->done = done;
	submission->since_ns = clock_mono_ns(clock_system());
	submission->argument = argument;
	status = journal_submit_events(remediator->journal, events, count, events_done, submission);
	if (status)
		submission_close(submission);
	else if (count == 1 && events->firing && atomic_load(&remediator->looks_ahead))
		look_ahead(remediator, events);
	return status;
}

/* ---- people ---- */

void remediator_kill_switch(struct remediator *remediator, struct kill_switch *state)
{
	pthread_mutex_lock(&remediator->lock);
	*state = remediator->kill_switch;
	pthread_mutex_unlock(&remediator->lock);
}

void remediator_watch(struct remediator *remediator, remediator_watch_fn *watch, void *argument)
{
	pthread_mutex_lock(&remediator->lock);
	remediator->watch = watch;
	remediator->watch_argument = argument;
	pthread_mutex_unlock(&remediator->lock);
}

bool remediator_healthy(struct remediator *remediator, const char **component)
{
	const char *ill = NULL;

	if (!atomic_load(&remediator->running))
		ill = "engine";
	else if (!journal_healthy(remediator->journal))
		ill = "journal";
	if (component)
		*component = ill;
	return !ill;
}
