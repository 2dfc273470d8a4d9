/*
 * The engine's ports are wired as in remediations/remediator_thread.c: observations and dry runs go
 * through the dry-run actuator, whose reader looks at the cluster with kube_observe(); what is carried
 * out goes through kube_send(). Answers are queued, as a port must not call back. Each commit of the
 * journal succeeds at once; its records are the caller's.
 */
#include "daemon/sandbox.h"

#include <string.h>

#include "base/mem.h"
#include "remediations/kube_send.h"

#define SETTLE_MAX 10000000
#define ANSWERS_FIRST 64
#define SEEN_MAX 65536

/* An answer on its way to the engine. */
enum answer_kind { ANSWER_JOURNALED, ANSWER_OBSERVED, ANSWER_FINISHED };

struct sandbox_answer {
	enum answer_kind kind;
	uint64_t ticket;
	struct observation *observation; /* owned */
	struct command_result *result;   /* owned */
};

int64_t sandbox_now_ms(const struct sandbox *sandbox)
{
	return clock_now_ms(&sandbox->clock.clock);
}

void sandbox_give_up(struct sandbox *sandbox, const char *words)
{
	if (!sandbox->failed && sandbox->config.gave_up != NULL)
		sandbox->config.gave_up(sandbox->config.argument, words);
	sandbox->failed = true;
}

/* ---- answers ---- */

static void answer_fini(struct sandbox_answer *answer)
{
	mem_free(answer->observation);
	mem_free(answer->result);
}

static bool make_room(struct sandbox *sandbox)
{
	size_t room = sandbox->answer_room > 0 ? sandbox->answer_room * 2 : ANSWERS_FIRST;
	struct sandbox_answer *grown;

	if (sandbox->answer_count < sandbox->answer_room)
		return true;
	if (room > SANDBOX_ANSWERS_MAX)
		return false;
	grown = mem_zalloc(room, sizeof(*grown));
	if (grown == NULL)
		return false;
	for (size_t i = 0, at = sandbox->answer_first; i < sandbox->answer_count; i++) {
		grown[i] = sandbox->answers[at];
		at = at + 1 < sandbox->answer_room ? at + 1 : 0;
	}
	mem_free(sandbox->answers);
	sandbox->answers = grown;
	sandbox->answer_room = room;
	sandbox->answer_first = 0;
	return true;
}

static void push(struct sandbox *sandbox, struct sandbox_answer answer)
{
	if (!make_room(sandbox)) {
		sandbox_give_up(sandbox, "too much is under way at once, or memory is out");
		answer_fini(&answer);
		return;
	}
	sandbox->answers[(sandbox->answer_first + sandbox->answer_count++) % sandbox->answer_room] =
		answer;
}

static void answer_one(struct sandbox *sandbox)
{
	struct sandbox_answer answer = sandbox->answers[sandbox->answer_first];
	int64_t now_ms = sandbox_now_ms(sandbox);

	sandbox->answer_first = (sandbox->answer_first + 1) % sandbox->answer_room;
	sandbox->answer_count--;
	switch (answer.kind) {
	case ANSWER_JOURNALED:
		engine_journaled(sandbox->engine, answer.ticket, STATUS_OK, now_ms);
		break;
	case ANSWER_OBSERVED:
		engine_observed(sandbox->engine, answer.ticket, answer.observation, now_ms);
		break;
	case ANSWER_FINISHED:
		engine_finished(sandbox->engine, answer.result, now_ms);
		break;
	}
	answer_fini(&answer);
}

void sandbox_settle(struct sandbox *sandbox)
{
	int64_t now_ms = sandbox_now_ms(sandbox);
	int steps = 0;

	engine_tick(sandbox->engine, now_ms);
	while (sandbox->answer_count > 0 && !sandbox->failed) {
		answer_one(sandbox);
		if (sandbox->answer_count == 0)
			engine_tick(sandbox->engine, now_ms);
		if (++steps == SETTLE_MAX)
			sandbox_give_up(sandbox, "the engine does not come to rest");
	}
}

/* ---- the cluster as an actuator ---- */

static void observed(void *argument, uint64_t ticket, const struct observation *observation)
{
	struct sandbox *sandbox = argument;
	struct sandbox_answer answer = {.kind = ANSWER_OBSERVED, .ticket = ticket};

	answer.observation = mem_alloc(sizeof(*observation));
	if (answer.observation == NULL) {
		sandbox_give_up(sandbox, "out of memory");
		return;
	}
	*answer.observation = *observation;
	push(sandbox, answer);
}

static void finished(void *argument, const struct command_result *result)
{
	struct sandbox *sandbox = argument;
	struct sandbox_answer answer = {.kind = ANSWER_FINISHED};

	answer.result = mem_alloc(sizeof(*result));
	if (answer.result == NULL) {
		sandbox_give_up(sandbox, "out of memory");
		return;
	}
	*answer.result = *result;
	push(sandbox, answer);
}

static enum status cluster_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct sandbox *sandbox = self;
	struct observation observation;

	/* The memory of whether there is KEDA goes by real time: ask each time. */
	sandbox->look.keda_until_ns = 0;
	kube_observe(&sandbox->look, target, purpose, &observation);
	observed(sandbox, ticket, &observation);
	return STATUS_OK;
}

static enum status cluster_send(void *self, const struct command *command)
{
	struct sandbox *sandbox = self;
	struct command_result result;

	kube_send(sandbox->look.session, &sandbox->clock.clock, command, &result);
	finished(sandbox, &result);
	return STATUS_OK;
}

static void cluster_close(void *self)
{
	struct sandbox *sandbox = self;

	kube_session_close(sandbox->look.session);
	sandbox->look.session = NULL;
}

static const struct actuator_vtable cluster_vtable = {
	.observe = cluster_observe,
	.send = cluster_send,
	.close = cluster_close,
};

/* ---- ports ---- */

static enum status port_journal(void *self, uint64_t ticket, struct record *records, size_t count)
{
	struct sandbox *sandbox = self;

	for (size_t i = 0; i < count; i++) {
		records[i].number = ++sandbox->records;
		sandbox->config.recorded(sandbox->config.argument, &records[i]);
	}
	push(sandbox, (struct sandbox_answer){.kind = ANSWER_JOURNALED, .ticket = ticket});
	return STATUS_OK;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct sandbox *sandbox = self;

	return sandbox->dry.vtable->observe(sandbox->dry.self, ticket, target, purpose);
}

/* Not what deletes pods or makes others: which ones, and how they would fare, nobody knows. */
static bool is_certain(const struct command *command)
{
	switch (command->kind) {
	case ACTION_SCALE:
	case ACTION_ADJUST_AUTOSCALER:
	case ACTION_PAUSE_ROLLOUT:
	case ACTION_CORDON:
	case ACTION_UNCORDON:
		return true;
	case ACTION_ADJUST_RESOURCES:
		return command->target.kind != TARGET_POD;
	default:
		return false;
	}
}

static void apply(struct sandbox *sandbox, const struct command *command)
{
	struct command carried = *command;
	struct command_result result;

	if (!sandbox->config.applies || sandbox->look.session == NULL || !is_certain(command))
		return;
	carried.server_dry_run = false;
	kube_send(sandbox->look.session, &sandbox->clock.clock, &carried, &result);
	if (result.outcome == COMMAND_DONE && sandbox->config.applied != NULL)
		sandbox->config.applied(sandbox->config.argument, command);
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct sandbox *sandbox = self;
	struct command_result result = {.outcome = COMMAND_DONE};

	if (sandbox->config.sent != NULL)
		sandbox->config.sent(sandbox->config.argument, command);
	if (dry_run) {
		apply(sandbox, command);
		return sandbox->dry.vtable->send(sandbox->dry.self, command);
	}
	if (command->kind == ACTION_TICKET || action_kind_told_apart(command->kind)) {
		memcpy(result.action_id, command->action_id, sizeof(result.action_id));
		finished(sandbox, &result);
		return STATUS_OK;
	}
	if (sandbox->real.vtable == NULL)
		return STATUS_UNAVAILABLE;
	return sandbox->real.vtable->send(sandbox->real.self, command);
}

static void port_told(void *self, const struct news *news)
{
	struct sandbox *sandbox = self;

	if (sandbox->config.told != NULL)
		sandbox->config.told(sandbox->config.argument, news);
}

/* ---- opening ---- */

/* A finding of the scan, kept until the engine is given it. */
static void found(void *argument, const struct event *finding)
{
	struct sandbox *sandbox = argument;
	struct event *grown =
		mem_resize(sandbox->findings, sandbox->finding_count + 1, sizeof(*grown));

	if (grown != NULL)
		sandbox->findings = grown;
	if (grown == NULL || event_clone(&grown[sandbox->finding_count], finding) != STATUS_OK)
		sandbox_give_up(sandbox, "out of memory");
	else
		sandbox->finding_count++;
}

static enum status open_eyes(struct sandbox *sandbox, struct diagnostics *diagnostics,
	struct error *error)
{
	const struct clock *clock = &sandbox->clock.clock;
	struct analyzer_config analyzer;

	sandbox->store = store_open(&sandbox->config.store, clock, error);
	if (sandbox->store == NULL)
		return error->code;
	service_analyzer_config(sandbox->config.config, sandbox->config.bundle, clock, &analyzer);
	analyzer.found = found;
	analyzer.found_argument = sandbox;
	sandbox->scan_ms = analyzer.scan_interval_ms;
	if (analyzer_check(&analyzer, diagnostics) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "the signals have errors");
	sandbox->analyzer = analyzer_open(&analyzer, sandbox->store, error);
	return sandbox->analyzer != NULL ? STATUS_OK : error->code;
}

static enum status open_cluster(struct sandbox *sandbox, struct error *error)
{
	const struct actuator_sink sink = {sandbox, observed, finished};

	if (case_cluster_init(&sandbox->cluster) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	/* As Kubernetes does since 1.33. */
	sandbox->cluster.resizes = true;
	if (sandbox->config.has_cluster) {
		sandbox->look.session =
			kube_session_open_served(case_cluster_serve, &sandbox->cluster);
		if (sandbox->look.session == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		sandbox->real = (struct actuator){&cluster_vtable, sandbox};
	}
	return actuator_dry_open(&sandbox->dry, sandbox->real, &sink, error);
}

static enum status open_engine(struct sandbox *sandbox, struct diagnostics *diagnostics,
	struct error *error)
{
	const struct engine_ports ports = {sandbox, port_journal, port_observe, port_send,
		port_told};
	struct remediator_config remediator;
	struct engine_config config;
	char journal_path[4352];
	int64_t now_ms = sandbox_now_ms(sandbox);

	service_remediator_config(sandbox->config.config, sandbox->config.bundle,
		&sandbox->clock.clock, journal_path, sizeof(journal_path), &remediator);
	if (sandbox->config.playbook_paths != NULL) {
		remediator.playbook_paths = sandbox->config.playbook_paths;
		remediator.playbook_path_count = sandbox->config.playbook_path_count;
	}
	remediator.signals = signals_of_analyzer(sandbox->analyzer);
	remediator.dry_run = remediator.dry_run || sandbox->config.dry_run;
	if (rules_open(&remediator, &sandbox->rules, diagnostics) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "the playbooks have errors");
	permissions_of(&sandbox->permissions, sandbox->rules->playbooks);
	sandbox->cluster.permissions = &sandbox->permissions;
	rules_engine_config(&remediator, sandbox->rules, &config);
	sandbox->engine = engine_open(&config, &ports, now_ms);
	if (sandbox->engine == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	engine_start(sandbox->engine, now_ms);
	return STATUS_OK;
}

enum status sandbox_open(struct sandbox *sandbox, const struct sandbox_config *config,
	struct diagnostics *diagnostics, struct error *error)
{
	enum status status;

	*sandbox = (struct sandbox){.config = *config};
	clock_manual_init(&sandbox->clock, config->start_ms);
	if (seen_init(&sandbox->seen, SEEN_MAX) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	status = open_eyes(sandbox, diagnostics, error);
	if (status == STATUS_OK)
		status = open_cluster(sandbox, error);
	return status == STATUS_OK ? open_engine(sandbox, diagnostics, error) : status;
}

static void drop_findings(struct sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->finding_count; i++)
		event_fini(&sandbox->findings[i]);
	sandbox->finding_count = 0;
}

void sandbox_close(struct sandbox *sandbox)
{
	if (sandbox->engine != NULL)
		engine_close(sandbox->engine);
	rules_close(sandbox->rules);
	for (; sandbox->answer_count > 0; sandbox->answer_count--) {
		answer_fini(&sandbox->answers[sandbox->answer_first]);
		sandbox->answer_first = (sandbox->answer_first + 1) % sandbox->answer_room;
	}
	mem_free(sandbox->answers);
	if (sandbox->dry.vtable != NULL)
		sandbox->dry.vtable->close(sandbox->dry.self);
	else if (sandbox->look.session != NULL)
		kube_session_close(sandbox->look.session);
	case_cluster_fini(&sandbox->cluster);
	if (sandbox->analyzer != NULL) {
		analyzer_stop(sandbox->analyzer);
		analyzer_close(sandbox->analyzer);
	}
	if (sandbox->store != NULL)
		store_close(sandbox->store);
	drop_findings(sandbox);
	mem_free(sandbox->findings);
	seen_fini(&sandbox->seen);
	*sandbox = (struct sandbox){.failed = true};
}

/* ---- what happens ---- */

void sandbox_scan(struct sandbox *sandbox)
{
	analyzer_scan(sandbox->analyzer);
}

/* As the journal knows a repeat. */
static bool is_repeat(struct sandbox *sandbox, const struct event *event)
{
	uint64_t hash = event->fingerprint ^
		((uint64_t)event->starts_ms * 2 + event->firing) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	if (seen_has(&sandbox->seen, hash))
		return true;
	seen_put(&sandbox->seen, hash, sandbox_now_ms(sandbox));
	return false;
}

/* Drops the repeats from a list of pointers; returns how many are left. */
static size_t choose_new(struct sandbox *sandbox, const struct event *events, size_t count,
	const struct event **chosen)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_repeat(sandbox, &events[i]))
			chosen[kept++] = &events[i];
	return kept;
}

size_t sandbox_give(struct sandbox *sandbox, const struct event *events, size_t count)
{
	const struct event **chosen = mem_zalloc(sandbox->finding_count + count, sizeof(*chosen));
	size_t findings, kept;

	if (chosen == NULL) {
		sandbox_give_up(sandbox, "out of memory");
		return 0;
	}
	findings = choose_new(sandbox, sandbox->findings, sandbox->finding_count, chosen);
	kept = choose_new(sandbox, events, count, chosen + findings);
	for (size_t i = 0; i < findings + kept && !sandbox->failed; i++) {
		engine_expect(sandbox->engine, (unsigned)(findings + kept - i - 1));
		struct event event = *chosen[i];

		if (event.source == EVENT_FINDING)
			event.group = finding_groups_of(&sandbox->groups, &event);
		engine_event(sandbox->engine, &event, 0, sandbox_now_ms(sandbox));
	}
	mem_free(chosen);
	drop_findings(sandbox);
	return count - kept;
}
