/*
 * The bench's ports and playbooks.
 */
#include "tests/support/engine_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static const char scale_text[] = "playbook: scale\n"
				 "trigger: {alert: ['alertname=\"Saturated\"'], range: 1m}\n"
				 "target: {kind: Workload}\n"
				 "steps:\n"
				 "- {action: scale, by: +50%, max: 10}\n"
				 "- {action: restart_workload}\n"
				 "verify: {signal: saturation, is: below, value: 0.8, over: 1m}\n";

static const char restart_text[] = "playbook: restart\n"
				   "trigger: {alert: ['alertname=\"CrashLoop\"'], range: 1m}\n"
				   "target: {kind: Pod}\n"
				   "steps: [{action: restart_pod}]\n"
				   "verify: {signal: restarts, is: below, value: 1, over: 1m}\n";

static const char ticket_text[] =
	"playbook: rest\n"
	"trigger: {alert: []}\n"
	"priority: -1000\n"
	"steps: [{action: ticket, title: '{{ event }}', text: '{{ reason }}'}]\n";

static enum status port_journal(void *self, uint64_t ticket, struct record *records, size_t count)
{
	struct bench *bench = self;

	if (bench->journal_status)
		return bench->journal_status;
	assert_true(bench->journal_count < QUEUE && bench->record_count + count <= RECORDS);
	bench->journal[bench->journal_count++] = ticket;
	for (size_t i = 0; i < count; i++) {
		records[i].number = bench->record_count + 1;
		bench->records[bench->record_count++] = records[i];
	}
	return STATUS_OK;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct bench *bench = self;

	(void)target, (void)purpose;
	assert_true(bench->observe_count < QUEUE);
	bench->observe[bench->observe_count++] = ticket;
	return STATUS_OK;
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct bench *bench = self;

	assert_true(bench->sent_count < QUEUE);
	bench->sent_dry[bench->sent_count] = dry_run;
	bench->sent[bench->sent_count++] = *command;
	return STATUS_OK;
}

static void port_told(void *self, const struct news *news)
{
	struct bench *bench = self;

	if (news->kind == NEWS_REFUSAL && bench->refused_count < QUEUE)
		snprintf(bench->refused[bench->refused_count++], 64, "%s", news->word);
	bench->quiet += news->kind == NEWS_QUIET;
	if (news->kind == NEWS_OUTCOME)
		snprintf(bench->outcome, sizeof(bench->outcome), "%s", news->word);
}

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	struct bench *bench = self;

	(void)workload, (void)fold, (void)from_ms;
	*reading = (struct signal_reading){.quality = bench->quality,
		.value = role == ROLE_RESTARTS ? bench->restarts : bench->saturation,
		.newest_ms = to_ms,
		.samples = 4};
}

static bool owner_of_pod(void *self, const char *cluster, const char *namespace_name,
	const char *pod, struct workload_key *workload)
{
	struct bench *bench = self;

	(void)cluster, (void)pod;
	*workload = (struct workload_key){.kind = TARGET_DEPLOYMENT, .name = "web"};
	snprintf(workload->namespace_name, sizeof(workload->namespace_name), "%s", namespace_name);
	return bench->owner_known;
}

static bool knows(void *self, const struct workload_key *workload)
{
	(void)self, (void)workload;
	return true;
}

static void load(struct playbooks *playbooks, const char *text)
{
	struct diagnostics diagnostics;
	struct buf buf;

	diagnostics_init(&diagnostics);
	if (playbooks_load_text(playbooks, "test.yaml", text, strlen(text), &diagnostics)) {
		buf_init(&buf, 65536);
		diagnostics_write(&diagnostics, &buf);
		fail_msg("%s", buf.data);
	}
	diagnostics_fini(&diagnostics);
}

struct bench *bench_open(enum mode mode, bool dry_run)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->now_ms = START_MS;
	bench->saturation = 0.95;
	bench->owner_known = true;
	bench->config.mode = mode;
	bench->config.dry_run = dry_run;
	bench->config.incident_max = 8;
	guard_limits_default(&bench->config.limits);
	bench->config.limits.startup_grace_ms = 0;
	bench->config.signals = (struct signal_source){.self = bench,
		.read = read_signal,
		.owner_of_pod = owner_of_pod,
		.knows = knows};
	engine_times_default(&bench->config.times);
	bench->playbooks = playbooks_open(&bench->config.limits);
	load(bench->playbooks, scale_text);
	load(bench->playbooks, restart_text);
	load(bench->playbooks, ticket_text);
	bench->config.playbooks = bench->playbooks;
	bench->observation = (struct observation){.found = true,
		.replicas = 2,
		.ready_replicas = 2,
		.memory_limit_bytes = 1 << 28,
		.managed = true};
	snprintf(bench->observation.target.uid, UID_MAX, "uid-1");
	snprintf(bench->observation.target.resource_version, UID_MAX, "7");
	bench->observation.target.workload = (struct workload_key){.namespace_name = "shop",
		.kind = TARGET_DEPLOYMENT,
		.name = "web"};
	bench->ports =
		(struct engine_ports){bench, port_journal, port_observe, port_send, port_told};
	bench->engine = engine_open(&bench->config, &bench->ports, bench->now_ms);
	assert_non_null(bench->engine);
	engine_start(bench->engine, bench->now_ms);
	return bench;
}

void bench_close(struct bench *bench)
{
	for (size_t i = 0; i < bench->record_count; i++)
		record_fini(&bench->records[i]);
	engine_close(bench->engine);
	playbooks_close(bench->playbooks);
	free(bench);
}

/* The engine of a new process with what the journal holds; what was asked before is lost. */
void bench_restart(struct bench *bench)
{
	struct error error;

	engine_close(bench->engine);
	bench->journal_count = bench->observe_count = 0;
	bench->answered = bench->sent_count;
	bench->engine = engine_open(&bench->config, &bench->ports, bench->now_ms);
	assert_non_null(bench->engine);
	for (size_t i = 0; i < bench->record_count; i++)
		assert_int_equal(engine_replay(bench->engine, &bench->records[i], &error),
			STATUS_OK);
	engine_start(bench->engine, bench->now_ms);
}

void answer_journal(struct bench *bench, enum status status)
{
	uint64_t tickets[QUEUE];
	size_t count = bench->journal_count;

	memcpy(tickets, bench->journal, sizeof(tickets));
	bench->journal_count = 0;
	for (size_t i = 0; i < count; i++)
		engine_journaled(bench->engine, tickets[i], status, bench->now_ms);
}

void answer_observe(struct bench *bench)
{
	uint64_t tickets[QUEUE];
	size_t count = bench->observe_count;

	memcpy(tickets, bench->observe, sizeof(tickets));
	bench->observe_count = 0;
	for (size_t i = 0; i < count; i++)
		engine_observed(bench->engine, tickets[i], &bench->observation, bench->now_ms);
}

void answer_send(struct bench *bench, enum command_outcome outcome)
{
	for (; bench->answered < bench->sent_count; bench->answered++) {
		struct command_result result = {.outcome = outcome};

		memcpy(result.action_id, bench->sent[bench->answered].action_id, ACTION_ID_MAX);
		engine_finished(bench->engine, &result, bench->now_ms);
	}
}

/* Everything that is asked is answered well until nothing is asked any more. */
void settle(struct bench *bench)
{
	for (int i = 0; i < 50; i++) {
		answer_journal(bench, STATUS_OK);
		answer_observe(bench);
		answer_send(bench, COMMAND_DONE);
		engine_tick(bench->engine, bench->now_ms);
	}
}

void pass(struct bench *bench, int64_t ms)
{
	bench->now_ms += ms;
	engine_tick(bench->engine, bench->now_ms);
}

static void make_event(struct event *event, const struct bench *bench, const char *workload,
	const char *name)
{
	struct label pairs[] = {{"alertname", name, 9, (uint32_t)strlen(name)},
		{"namespace", "shop", 9, 4}, {"pod", "web-1", 3, 5},
		{"workload", workload, 8, (uint32_t)strlen(workload)},
		{"workload_kind", "Deployment", 13, 10}};

	event_init(event);
	assert_int_equal(labels_init(&event->labels, pairs, 5, NULL), STATUS_OK);
	event->fingerprint = labels_fingerprint(&event->labels);
	event->received_ms = bench->now_ms;
}

void alert(struct bench *bench, const char *name, bool firing, int64_t starts_ms)
{
	alert_on(bench, "web", name, firing, starts_ms);
}

void alert_on(struct bench *bench, const char *workload, const char *name, bool firing,
	int64_t starts_ms)
{
	struct event event;

	make_event(&event, bench, workload, name);
	event.firing = firing;
	event.starts_ms = starts_ms;
	engine_event(bench->engine, &event, 0, bench->now_ms);
	event_fini(&event);
}

void look_ahead_on(struct bench *bench, const char *workload, const char *name, int64_t starts_ms)
{
	struct event event;

	make_event(&event, bench, workload, name);
	event.firing = true;
	event.starts_ms = starts_ms;
	engine_look_ahead(bench->engine, &event, bench->now_ms);
	event_fini(&event);
}

static bool keep_last(void *argument, const struct incident *incident)
{
	*(const struct incident **)argument = incident;
	return true;
}

const struct incident *only(struct bench *bench)
{
	const struct incident *incident = NULL;

	engine_visit(bench->engine, keep_last, &incident);
	assert_non_null(incident);
	return incident;
}

enum action_state state(struct bench *bench)
{
	return incident_action(only(bench))->state;
}

bool refused_for(const struct bench *bench, const char *reason)
{
	for (size_t i = 0; i < bench->refused_count; i++)
		if (!strcmp(bench->refused[i], reason))
			return true;
	return false;
}
