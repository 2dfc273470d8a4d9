/*
 * The engine step by step, with a journal, a cluster and signals that this file answers for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/parse.h"
#include "remediations/engine.h"

#define START_MS INT64_C(1767225600000)
#define QUEUE 64
#define RECORDS 512

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

struct bench {
	struct engine *engine;
	struct playbooks *playbooks;
	struct engine_config config;
	struct engine_ports ports;
	int64_t now_ms;
	struct observation observation;
	double saturation, restarts;
	enum quality quality;
	bool owner_known;
	/* What was asked and not answered yet. */
	uint64_t journal[QUEUE], observe[QUEUE];
	size_t journal_count, observe_count;
	struct command sent[QUEUE];
	bool sent_dry[QUEUE];
	size_t sent_count, answered;
	struct record records[RECORDS];
	size_t record_count;
	enum status journal_status;
	char refused[QUEUE][64];
	size_t refused_count;
	char outcome[64];
};

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

static enum status port_observe(void *self, uint64_t ticket, const struct target *target)
{
	struct bench *bench = self;

	(void)target;
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

static struct bench *bench_open(enum mode mode, bool dry_run)
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
	bench->config.signals = (struct signal_source){bench, read_signal, owner_of_pod, knows};
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

static void bench_close(struct bench *bench)
{
	for (size_t i = 0; i < bench->record_count; i++)
		record_fini(&bench->records[i]);
	engine_close(bench->engine);
	playbooks_close(bench->playbooks);
	free(bench);
}

/* The engine of a new process with what the journal holds; what was asked before is lost. */
static void bench_restart(struct bench *bench)
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

static void answer_journal(struct bench *bench, enum status status)
{
	uint64_t tickets[QUEUE];
	size_t count = bench->journal_count;

	memcpy(tickets, bench->journal, sizeof(tickets));
	bench->journal_count = 0;
	for (size_t i = 0; i < count; i++)
		engine_journaled(bench->engine, tickets[i], status, bench->now_ms);
}

static void answer_observe(struct bench *bench)
{
	uint64_t tickets[QUEUE];
	size_t count = bench->observe_count;

	memcpy(tickets, bench->observe, sizeof(tickets));
	bench->observe_count = 0;
	for (size_t i = 0; i < count; i++)
		engine_observed(bench->engine, tickets[i], &bench->observation, bench->now_ms);
}

static void answer_send(struct bench *bench, enum command_outcome outcome)
{
	for (; bench->answered < bench->sent_count; bench->answered++) {
		struct command_result result = {.outcome = outcome};

		memcpy(result.action_id, bench->sent[bench->answered].action_id, ACTION_ID_MAX);
		engine_finished(bench->engine, &result, bench->now_ms);
	}
}

/* Everything that is asked is answered well until nothing is asked any more. */
static void settle(struct bench *bench)
{
	for (int i = 0; i < 50; i++) {
		answer_journal(bench, STATUS_OK);
		answer_observe(bench);
		answer_send(bench, COMMAND_DONE);
		engine_tick(bench->engine, bench->now_ms);
	}
}

static void pass(struct bench *bench, int64_t ms)
{
	bench->now_ms += ms;
	engine_tick(bench->engine, bench->now_ms);
}

static void alert(struct bench *bench, const char *name, bool firing, int64_t starts_ms)
{
	struct event event;
	struct label pairs[] = {{"alertname", name, 9, (uint32_t)strlen(name)},
		{"namespace", "shop", 9, 4}, {"pod", "web-1", 3, 5}, {"workload", "web", 8, 3},
		{"workload_kind", "Deployment", 13, 10}};

	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, 5, NULL), STATUS_OK);
	event.firing = firing;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = starts_ms;
	event.received_ms = bench->now_ms;
	engine_event(bench->engine, &event, 0, bench->now_ms);
	event_fini(&event);
}

static bool keep_last(void *argument, const struct incident *incident)
{
	*(const struct incident **)argument = incident;
	return true;
}

static const struct incident *only(struct bench *bench)
{
	const struct incident *incident = NULL;

	engine_visit(bench->engine, keep_last, &incident);
	assert_non_null(incident);
	return incident;
}

static enum action_state state(struct bench *bench)
{
	return incident_action(only(bench))->state;
}

static bool refused_for(const struct bench *bench, const char *reason)
{
	for (size_t i = 0; i < bench->refused_count; i++)
		if (!strcmp(bench->refused[i], reason))
			return true;
	return false;
}

/* ---- tests ---- */

static void an_alert_becomes_a_cure(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->sent_count, 0);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_false(bench->sent_dry[0]);
	assert_int_equal(bench->sent[0].replicas_before, 2);
	assert_int_equal(bench->sent[0].replicas_after, 3);
	assert_string_equal(bench->sent[0].target.uid, "uid-1");
	assert_int_equal(state(bench), STATE_WATCHED);
	bench->observation.replicas = 3;
	bench->saturation = 0.5;
	pass(bench, 5 * 60000);
	settle(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	pass(bench, 2 * 60000);
	settle(bench);
	assert_int_equal(state(bench), STATE_CURED);
	assert_string_equal(bench->outcome, "cured");
	assert_int_equal(engine_open_count(bench->engine), 0);
	bench_close(bench);
}

static void nothing_is_sent_before_its_commit(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_journal(bench, STATUS_OK);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	assert_int_equal(bench->sent_count, 0);
	answer_journal(bench, STATUS_IO);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_FAILED);
	bench_close(bench);
}

static void an_alert_that_ended_during_the_commit_changes_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_string_equal(bench->outcome, "resolved");
	bench_close(bench);
}

static void an_end_that_came_first_starts_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", false, START_MS);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "already_resolved"));
	bench_close(bench);
}

static void the_same_alert_acts_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	for (int i = 0; i < 3; i++) {
		alert(bench, "Saturated", true, START_MS);
		settle(bench);
	}
	/* A flap: another start, the same open incident. */
	alert(bench, "Saturated", true, START_MS + 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(only(bench)->joined, 1);
	bench->saturation = 0.1;
	bench->observation.replicas = 3;
	pass(bench, 20 * 60000);
	settle(bench);
	assert_int_equal(engine_open_count(bench->engine), 0);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void what_did_not_help_leads_to_the_next_step_and_to_a_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	for (int i = 0; i < 40; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 3);
	assert_int_equal(bench->sent[1].kind, ACTION_RESTART_WORKLOAD);
	assert_int_equal(bench->sent[2].kind, ACTION_TICKET);
	assert_string_equal(bench->outcome, "handed_over");
	assert_int_equal(engine_open_count(bench->engine), 0);
	bench_close(bench);
}

static void a_dry_run_takes_the_same_path_and_cures_nothing(void **st)
{
	struct bench *bench = bench_open(MODE_OBSERVE, true);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent_dry[0]);
	assert_int_equal(engine_ledger(bench->engine)->count, 1);
	bench->saturation = 0.1;
	pass(bench, 20 * 60000);
	settle(bench);
	assert_string_equal(bench->outcome, "dry_run");
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void mode_observe_stays_dry_whatever_the_flag_says(void **st)
{
	struct bench *bench = bench_open(MODE_OBSERVE, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(bench->sent_dry[0]);
	bench_close(bench);
}

static void the_annotation_of_the_object_makes_its_action_a_dry_run(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.dry_run = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_true(bench->sent_count > 0);
	for (size_t i = 0; i < bench->sent_count; i++)
		if (bench->sent[i].kind != ACTION_TICKET)
			assert_true(bench->sent_dry[i]);
	bench_close(bench);
}

static void without_a_cluster_only_a_dry_run_is_planned(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	error_set(&bench->observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	alert(bench, "CrashLoop", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_true(refused_for(bench, "cluster_unavailable"));
	bench_close(bench);

	bench = bench_open(MODE_OBSERVE, true);
	error_set(&bench->observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	alert(bench, "CrashLoop", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(incident_action(only(bench))->plan.basis, PLAN_FROM_LABELS);
	bench_close(bench);
}

static void a_waiting_incident_ends_with_its_alert(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.paused = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_BLOCKED);
	alert(bench, "Saturated", false, START_MS);
	settle(bench);
	assert_string_equal(bench->outcome, "resolved");
	assert_int_equal(bench->sent_count, 0);
	bench_close(bench);
}

static void a_refusal_that_passes_is_asked_again(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.paused = true;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.paused = false;
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void a_refusal_for_good_ends_with_a_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->observation.managed = false;
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(bench->sent[0].kind, ACTION_TICKET);
	assert_string_equal(bench->outcome, "handed_over");
	assert_true(refused_for(bench, "unmanaged"));
	bench_close(bench);
}

static void no_answer_is_looked_into_before_anything_is_repeated(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	answer_observe(bench);
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, 1);
	answer_send(bench, COMMAND_UNKNOWN);
	assert_int_equal(state(bench), STATE_UNKNOWN);
	pass(bench, 60000);
	assert_int_equal(bench->observe_count, 1);
	/* It was done after all. */
	bench->observation.replicas = 3;
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WATCHED);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void a_crash_after_sending_asks_the_cluster(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "CrashLoop", true, START_MS);
	answer_observe(bench);
	answer_journal(bench, STATUS_OK);
	assert_int_equal(bench->sent_count, 1);
	bench_restart(bench);
	assert_int_equal(state(bench), STATE_UNKNOWN);
	/* The successor of the pod has another UID: it was done. */
	snprintf(bench->observation.target.uid, UID_MAX, "uid-2");
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void a_crash_before_sending_acts_once(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "CrashLoop", true, START_MS);
	answer_observe(bench);
	assert_int_equal(state(bench), STATE_WRITTEN);
	bench_restart(bench);
	for (int i = 0; i < 3; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_int_equal(bench->sent_count, 1);
	assert_int_equal(state(bench), STATE_WATCHED);
	bench_close(bench);
}

static void approval_is_for_the_plan_that_was_shown(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);
	struct error error;
	char id[ACTION_ID_MAX];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	assert_int_equal(bench->sent_count, 0);
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	bench->observation.replicas = 4;
	assert_int_equal(engine_approve(bench->engine, id, "ann", true, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "approval_void"));
	assert_int_equal(engine_approve(bench->engine, id, "ann", true, bench->now_ms, &error),
		STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_string_equal(incident_action(only(bench))->approved_by, "ann");
	assert_int_equal(engine_approve(bench->engine, id, "ann", true, bench->now_ms, &error),
		STATUS_CONFLICT);
	bench_close(bench);
}

static void suggestions_are_never_carried_out(void **st)
{
	struct bench *bench = bench_open(MODE_SUGGEST, false);
	struct error error;

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(engine_approve(bench->engine, incident_action(only(bench))->id, "ann",
				 true, bench->now_ms, &error),
		STATUS_FORBIDDEN);
	pass(bench, 3 * 3600000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_string_equal(bench->outcome, "suggested");
	bench_close(bench);
}

static void undo_puts_back_only_what_is_still_ours(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct error error;
	char id[ACTION_ID_MAX];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 3;
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	assert_int_equal(engine_undo(bench->engine, id, "ann", bench->now_ms, &error), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(bench->sent[1].replicas_after, 2);
	assert_string_equal(bench->outcome, "rolled_back");
	assert_int_equal(engine_undo(bench->engine, id, "ann", bench->now_ms, &error),
		STATUS_CONFLICT);
	bench_close(bench);

	bench = bench_open(MODE_AUTO, false);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 9;
	snprintf(id, sizeof(id), "%s", incident_action(only(bench))->id);
	assert_int_equal(engine_undo(bench->engine, id, "ann", bench->now_ms, &error), STATUS_OK);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	assert_true(refused_for(bench, "changed_since"));
	bench_close(bench);
}

static size_t pause_notes(const struct bench *bench)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->record_count; i++)
		count += !strcmp(bench->records[i].key, "paused");
	return count;
}

static void a_kill_switch_that_found_no_room_is_noted_later(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	bench->journal_status = STATUS_BUSY;
	assert_int_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	assert_true(engine_paused(bench->engine));
	assert_int_equal(pause_notes(bench), 0);
	bench->journal_status = STATUS_OK;
	pass(bench, 60000);
	assert_int_equal(pause_notes(bench), 1);
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	/* It is written anew before the journal forgets it. */
	pass(bench, 25 * 3600000);
	assert_int_equal(pause_notes(bench), 2);
	bench_close(bench);
}

static void the_configuration_keeps_the_kill_switch_on(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t since_ms;

	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	bench->config.paused = true;
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	assert_string_equal(engine_paused_by(bench->engine, &since_ms), "configuration");
	bench_close(bench);
}

static void the_kill_switch_survives_a_restart(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t since_ms, told_ms;

	assert_int_not_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	since_ms = bench->now_ms;
	pass(bench, 60000);
	bench_restart(bench);
	assert_true(engine_paused(bench->engine));
	assert_string_equal(engine_paused_by(bench->engine, &told_ms), "ann");
	assert_int_equal(told_ms, since_ms);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "kill_switch"));
	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

/* The bench's time is 2026-01-01 and some; the window is read as an operator writes it. */
static void nothing_is_sent_while_a_freeze_window_is_open(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	int64_t minute = bench->now_ms / 60000, day = 1440;
	char text[32], expected[128], until[32];
	const char *one = text;
	struct freeze *freeze;
	struct error error;
	int begin = (int)(minute % day), end = (int)((minute + 30) % day);

	snprintf(text, sizeof(text), "%02d:%02d-%02d:%02d", begin / 60, begin % 60, end / 60,
		end % 60);
	assert_int_equal(freeze_open(&one, 1, &freeze, &error), STATUS_OK);
	bench->config.freeze = freeze;
	assert_int_equal(engine_configure(bench->engine, &bench->config), STATUS_OK);
	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	/* Nor is the cluster asked. */
	assert_int_equal(bench->observe_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_true(refused_for(bench, "freeze"));
	format_rfc3339((minute + 30) * 60000, until, sizeof(until));
	snprintf(expected, sizeof(expected), "A freeze window is open (%s, until %s)", text, until);
	if (!strstr(incident_action(only(bench))->sentence, expected))
		fail_msg("%s", incident_action(only(bench))->sentence);
	/* A second before its end still nothing, and right after it the change. */
	pass(bench, (minute + 30) * 60000 - 1000 - bench->now_ms);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	pass(bench, 20000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
	freeze_close(freeze);
}

static void what_is_refused_anyway_asks_nothing_of_the_cluster(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	assert_int_not_equal(engine_pause(bench->engine, true, "ann", bench->now_ms), 0);
	alert(bench, "Saturated", true, START_MS);
	assert_int_equal(bench->observe_count, 0);
	assert_int_equal(state(bench), STATE_BLOCKED);
	assert_int_equal(bench->refused_count, 1);
	assert_true(refused_for(bench, "kill_switch"));
	assert_int_not_equal(engine_pause(bench->engine, false, "ann", bench->now_ms), 0);
	/* Events that wait outside are a storm already. */
	engine_expect(bench->engine, bench->config.limits.storm_alerts + 1);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 0);
	assert_true(refused_for(bench, "storm"));
	engine_expect(bench->engine, 0);
	pass(bench, 60000);
	settle(bench);
	assert_int_equal(bench->sent_count, 1);
	bench_close(bench);
}

static void what_has_no_room_is_refused_by_name(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	char name[32];

	bench->observation.paused = true;
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "Other%d", i);
		bench->journal_status = STATUS_OK;
		alert(bench, name, true, START_MS);
	}
	assert_int_equal(engine_open_count(bench->engine), 8);
	assert_true(refused_for(bench, "incidents_full"));
	bench_close(bench);
}

/* Times of the API are for people; journals written before that have milliseconds. */
static void times_are_words_and_older_numbers_are_still_read(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	const struct incident *incident;
	struct action action, again;
	struct error error;
	struct buf json;
	char *at, other[41];

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	incident = only(bench);
	buf_init(&json, RECORD_BODY_MAX);
	action_write_json(&json, incident_action(incident), incident);
	assert_non_null(strstr(json.data, "\"proposed_at\":\"2026-"));
	assert_non_null(strstr(json.data, "\"ended_at\":null"));
	assert_non_null(strstr(json.data, "\"approved_by\":null"));
	assert_null(strstr(json.data, "_ms\""));
	assert_null(strstr(json.data, ":\"\""));
	assert_int_equal(action_read_json(&action, json.data, json.size, &error), STATUS_OK);
	assert_int_equal(action.proposed_ms, incident_action(incident)->proposed_ms);
	assert_int_equal(action.ended_ms, 0);
	assert_string_equal(action.approved_by, "");
	/* The same time as an older journal has it. */
	at = strstr(json.data, "\"proposed_at\":");
	snprintf(other, sizeof(other), "%-40s", "\"proposed_ms\":1767225600123");
	memcpy(at, other, 40);
	assert_int_equal(action_read_json(&again, json.data, json.size, &error), STATUS_OK);
	assert_int_equal(again.proposed_ms, INT64_C(1767225600123));
	/* And one that is no time is an error that names the field. */
	snprintf(other, sizeof(other), "%-40s", "\"proposed_at\":\"yesterday\"");
	memcpy(at, other, 40);
	assert_int_equal(action_read_json(&again, json.data, json.size, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "proposed_at"));
	buf_reset(&json);
	incident_write_json(&json, incident);
	assert_null(strstr(json.data, "_ms\""));
	assert_non_null(strstr(json.data, "\"opened_at\":\"2026-"));
	buf_fini(&json);
	bench_close(bench);
}

static void replay_gives_the_same_incident(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	struct buf before, after;

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->saturation = 0.2;
	bench->observation.replicas = 3;
	pass(bench, 20 * 60000);
	settle(bench);
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	incident_write_json(&before, only(bench));
	action_write_json(&before, incident_action(only(bench)), only(bench));
	bench_restart(bench);
	incident_write_json(&after, only(bench));
	action_write_json(&after, incident_action(only(bench)), only(bench));
	assert_string_equal(before.data, after.data);
	buf_fini(&before);
	buf_fini(&after);
	bench_close(bench);
}

static void a_value_that_somebody_takes_back_is_left_to_people(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	alert(bench, "Saturated", true, START_MS);
	settle(bench);
	bench->observation.replicas = 2; /* an autoscaler put it back */
	pass(bench, 10 * 60000);
	settle(bench);
	assert_string_equal(only(bench)->reason, "reverted");
	assert_int_equal(bench->sent[bench->sent_count - 1].kind, ACTION_TICKET);
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alert_becomes_a_cure),
		cmocka_unit_test(nothing_is_sent_before_its_commit),
		cmocka_unit_test(an_alert_that_ended_during_the_commit_changes_nothing),
		cmocka_unit_test(an_end_that_came_first_starts_nothing),
		cmocka_unit_test(the_same_alert_acts_once),
		cmocka_unit_test(what_did_not_help_leads_to_the_next_step_and_to_a_ticket),
		cmocka_unit_test(a_dry_run_takes_the_same_path_and_cures_nothing),
		cmocka_unit_test(mode_observe_stays_dry_whatever_the_flag_says),
		cmocka_unit_test(the_annotation_of_the_object_makes_its_action_a_dry_run),
		cmocka_unit_test(without_a_cluster_only_a_dry_run_is_planned),
		cmocka_unit_test(a_waiting_incident_ends_with_its_alert),
		cmocka_unit_test(a_refusal_that_passes_is_asked_again),
		cmocka_unit_test(a_refusal_for_good_ends_with_a_ticket),
		cmocka_unit_test(no_answer_is_looked_into_before_anything_is_repeated),
		cmocka_unit_test(a_crash_after_sending_asks_the_cluster),
		cmocka_unit_test(a_crash_before_sending_acts_once),
		cmocka_unit_test(approval_is_for_the_plan_that_was_shown),
		cmocka_unit_test(suggestions_are_never_carried_out),
		cmocka_unit_test(undo_puts_back_only_what_is_still_ours),
		cmocka_unit_test(nothing_is_sent_while_a_freeze_window_is_open),
		cmocka_unit_test(the_kill_switch_survives_a_restart),
		cmocka_unit_test(a_kill_switch_that_found_no_room_is_noted_later),
		cmocka_unit_test(the_configuration_keeps_the_kill_switch_on),
		cmocka_unit_test(what_is_refused_anyway_asks_nothing_of_the_cluster),
		cmocka_unit_test(what_has_no_room_is_refused_by_name),
		cmocka_unit_test(times_are_words_and_older_numbers_are_still_read),
		cmocka_unit_test(replay_gives_the_same_incident),
		cmocka_unit_test(a_value_that_somebody_takes_back_is_left_to_people),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
