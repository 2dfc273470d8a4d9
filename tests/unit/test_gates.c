/*
 * Every gate of the guard in the whole engine: from scenes made by chance in which an action is cleared
 * and sent, one thing is made wrong, and then all of this holds together: exactly the gate for it
 * refuses, by its reason code; the metric of refusals counts that reason, once, and no other; the
 * decision record, as people are told it, names the gate with a sentence; nothing is sent.
 *
 * A gate that is broken lets the action pass, and its row fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "remediations/engine.h"
#include "remediations/engine_state.h"
#include "remediations/freeze.h"
#include "remediations/remediator_state.h"

#define START_MS INT64_C(1767225600000)
#define SCENES 20
#define RECORDS_MAX 64
#define SENT_MAX 4
#define RANDOM_SEED 20260101

struct world {
	struct random random;
	struct engine *engine;
	struct engine_config config;
	struct engine_ports ports;
	struct playbooks *playbooks;
	struct guard_limits limits;
	struct observation observation;
	struct test_result saturation;
	enum action_kind kind;
	unsigned workloads;
	bool known, lacks, finding, nameless;
	double confidence;
	int64_t now_ms;
	uint64_t journal[RECORDS_MAX], observe[SENT_MAX];
	size_t journal_count, observe_count;
	struct record records[RECORDS_MAX];
	size_t record_count;
	struct command sent[SENT_MAX];
	size_t sent_count;
};

/* ---- what the engine asks ---- */

static enum status port_journal(void *self, uint64_t ticket, struct record *records, size_t count)
{
	struct world *world = self;

	assert_true(
		world->journal_count < RECORDS_MAX && world->record_count + count <= RECORDS_MAX);
	world->journal[world->journal_count++] = ticket;
	for (size_t i = 0; i < count; i++)
		world->records[world->record_count++] = records[i];
	return STATUS_OK;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target,
	const struct purpose *purpose)
{
	struct world *world = self;

	(void)target, (void)purpose;
	assert_true(world->observe_count < SENT_MAX);
	world->observe[world->observe_count++] = ticket;
	return STATUS_OK;
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct world *world = self;

	assert_false(dry_run);
	assert_true(world->sent_count < SENT_MAX);
	world->sent[world->sent_count++] = *command;
	return STATUS_OK;
}

static void port_told(void *self, const struct news *news)
{
	(void)self;
	remediator_count(news);
}

static void read_signal(void *self, const struct workload_key *workload, enum signal_role role,
	enum signal_fold fold, int64_t from_ms, int64_t to_ms, struct signal_reading *reading)
{
	struct world *world = self;

	(void)workload, (void)role, (void)fold, (void)from_ms;
	*reading = world->saturation.reading;
	reading->newest_ms = to_ms;
}

static bool knows(void *self, const struct workload_key *workload)
{
	(void)workload;
	return ((struct world *)self)->known;
}

static unsigned count_workloads(void *self, const char *cluster, const char *namespace_name)
{
	(void)cluster, (void)namespace_name;
	return ((struct world *)self)->workloads;
}

static bool lacks(void *self, const char *playbook, enum target_kind kind, char *text, size_t size)
{
	(void)playbook, (void)kind;
	snprintf(text, size, "patch deployments.apps");
	return ((struct world *)self)->lacks;
}

/* ---- scenes ---- */

static unsigned upto(struct world *world, unsigned least, unsigned most)
{
	return least + (unsigned)(random_below(&world->random, most - least + 1));
}

/* Of the kinds of action those that the row is about; each has its playbook. */
static const struct kind_row {
	enum action_kind kind;
	const char *target, *step;
} kinds[] = {
	{ACTION_SCALE, "Deployment", "{action: scale, by: +1}"},
	{ACTION_ADJUST_RESOURCES, "Deployment",
		"{action: adjust_resources, memory: +25%, ceiling: 8GiB}"},
	{ACTION_RESTART_POD, "Pod", "{action: restart_pod}"},
	{ACTION_CORDON, "Node", "{action: cordon}"},
};

static const struct kind_row *row_of(enum action_kind kind)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (kinds[i].kind == kind)
			return &kinds[i];
	fail_msg("no playbook for action %d", (int)kind);
	return NULL;
}

static void make_observation(struct world *world)
{
	struct observation *seen = &world->observation;
	bool node = world->kind == ACTION_CORDON;

	*seen = (struct observation){.found = true,
		.replicas = (int32_t)upto(world, 2, 9),
		.memory_limit_bytes = (int64_t)upto(world, 1, 8) << 27,
		.managed = true,
		.nodes = upto(world, 10, 50)};
	seen->ready_replicas = seen->replicas;
	snprintf(seen->target.uid, UID_MAX, "uid-%u", upto(world, 1, 1000));
	snprintf(seen->target.resource_version, UID_MAX, "%u", upto(world, 1, 100000));
	seen->target.workload =
		(struct workload_key){.kind = node ? TARGET_NONE : TARGET_DEPLOYMENT,
			.name = "web"};
	snprintf(seen->target.workload.namespace_name, NAMESPACE_MAX, "%s", node ? "" : "shop");
	if (node)
		seen->target.workload.name[0] = '\0';
}

static void make_limits(struct world *world)
{
	struct guard_limits *limits = &world->limits;

	guard_limits_default(limits);
	limits->startup_grace_ms = 0;
	limits->cooldown_ms = (int64_t)upto(world, 1, 50) * 60000;
	limits->per_target = upto(world, 6, 9);
	limits->per_namespace = upto(world, 10, 19);
	limits->per_kind = upto(world, 20, 29);
	limits->per_cluster = upto(world, 30, 39);
	limits->concurrent = upto(world, 2, 9);
	limits->storm_alerts = upto(world, 5, 100);
	limits->ineffective_max = upto(world, 2, 5);
	limits->cumulative_change_max = 2 + upto(world, 1, 4);
}

static struct world *world_make(enum action_kind kind, uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	random_init(&world->random, RANDOM_SEED + seed);
	world->kind = kind;
	world->now_ms = START_MS + (int64_t)upto(world, 0, 1000000) * 1000;
	world->known = true;
	world->workloads = upto(world, 10, 100);
	world->confidence = 0.9;
	world->saturation.reading = (struct signal_reading){.quality = QUALITY_GOOD,
		.value = 0.9,
		.samples = upto(world, 3, 40)};
	make_observation(world);
	make_limits(world);
	world->config.mode = MODE_AUTO;
	world->config.incident_max = 8;
	world->config.signals = (struct signal_source){.self = world,
		.read = read_signal,
		.knows = knows,
		.count_workloads = count_workloads};
	world->config.permissions = (struct permission_source){world, lacks};
	engine_times_default(&world->config.times);
	return world;
}

static void load_playbook(struct world *world)
{
	const struct kind_row *row = row_of(world->kind);
	struct diagnostics diagnostics;
	struct buf said;
	static const char other[] =
		"playbook: q\ntrigger: {alert: ['alertname=\"B\"'], range: 1m}\n"
		"target: {kind: Workload}\n"
		"conditions: [{signal: saturation, is: above, value: 0.8}]\n"
		"steps: [{action: restart_workload}]\n"
		"verify: {signal: saturation, is: below, value: 0.8, over: 1m}\nhand_over: none\n";
	char text[1024];

	snprintf(text, sizeof(text),
		"playbook: p\ntrigger: {alert: ['alertname=\"A\"'], finding: ['alertname=\"A\"'], "
		"range: 1m}\ntarget: {kind: %s}\n%ssteps:\n- %s\n%shand_over: none\n",
		row->target,
		world->kind == ACTION_CORDON
			? ""
			: "conditions: [{signal: saturation, is: above, value: 0.8}]\n",
		row->step,
		world->kind == ACTION_CORDON
			? "verify: {by: cluster}\n"
			: "verify: {signal: saturation, is: below, value: 0.8, over: 1m}\n");
	world->playbooks = playbooks_open(&world->limits);
	diagnostics_init(&diagnostics);
	if (playbooks_load_text(world->playbooks, "p.yaml", text, strlen(text), &diagnostics) ||
		playbooks_load_text(world->playbooks, "q.yaml", other, strlen(other),
			&diagnostics)) {
		buf_init(&said, 65536);
		diagnostics_write(&diagnostics, &said);
		fail_msg("%s", said.data);
	}
	diagnostics_fini(&diagnostics);
}

static void world_open(struct world *world)
{
	load_playbook(world);
	world->config.limits = world->limits;
	world->config.playbooks = world->playbooks;
	world->ports =
		(struct engine_ports){world, port_journal, port_observe, port_send, port_told};
	metrics_reset();
	world->engine = engine_open(&world->config, &world->ports, world->now_ms);
	assert_non_null(world->engine);
	engine_start(world->engine, world->now_ms);
}

static void world_close(struct world *world)
{
	struct freeze *freeze = (struct freeze *)world->config.freeze;

	for (size_t i = 0; i < world->record_count; i++)
		record_fini(&world->records[i]);
	engine_close(world->engine);
	playbooks_close(world->playbooks);
	freeze_close(freeze);
	free(world);
}

static void add_label(struct label *pairs, uint32_t *count, const char *name, const char *value)
{
	pairs[(*count)++] = label_of(name, value);
}

/* name: of the workload or node that it is about. */
static void raise_named(struct world *world, const char *alert, const char *name)
{
	struct label pairs[8];
	struct event event;
	uint32_t count = 0;

	/* Another alert, and not the first one again. */
	add_label(pairs, &count, "again", world->sent_count ? "yes" : "no");
	add_label(pairs, &count, "alertname", alert);
	add_label(pairs, &count, "namespace", "shop");
	if (world->kind == ACTION_CORDON && !world->nameless)
		add_label(pairs, &count, "node", name);
	if (world->kind == ACTION_RESTART_POD)
		add_label(pairs, &count, "pod", "web-1");
	if (world->kind != ACTION_CORDON) {
		add_label(pairs, &count, "workload", name);
		add_label(pairs, &count, "workload_kind", "Deployment");
	}
	event_init(&event);
	assert_int_equal(labels_init(&event.labels, pairs, count, NULL), STATUS_OK);
	event.source = world->finding ? EVENT_FINDING : EVENT_ALERT;
	event.confidence = world->confidence;
	event.firing = true;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = event.received_ms = world->now_ms;
	engine_event(world->engine, &event, 0, world->now_ms);
	event_fini(&event);
}

static void raise_alert(struct world *world, const char *name)
{
	raise_named(world, "A", name);
}

/* All that is asked is answered, but for what was sent. */
static void settle(struct world *world)
{
	for (int i = 0; i < 20; i++) {
		uint64_t journal[RECORDS_MAX], observe[SENT_MAX];
		size_t journals = world->journal_count, observes = world->observe_count;

		memcpy(journal, world->journal, sizeof(journal));
		memcpy(observe, world->observe, sizeof(observe));
		world->journal_count = world->observe_count = 0;
		for (size_t k = 0; k < journals; k++)
			engine_journaled(world->engine, journal[k], STATUS_OK, world->now_ms);
		for (size_t k = 0; k < observes; k++)
			engine_observed(world->engine, observe[k], &world->observation,
				world->now_ms);
		engine_tick(world->engine, world->now_ms);
	}
}

/* What was done before, ago_ms ago; object and owner 0: to the target of the alert. */
static struct ledger_entry *add_past(struct world *world, int64_t ago_ms, enum action_kind kind,
	uint64_t object, uint64_t owner)
{
	struct ledger *ledger = (struct ledger *)engine_ledger(world->engine);
	bool node = world->kind == ACTION_CORDON, pod = world->kind == ACTION_RESTART_POD;
	struct ledger_entry entry = {.time_ms = world->now_ms - ago_ms, .kind = kind};
	struct target target = {.kind = node ? TARGET_NODE : pod ? TARGET_POD : TARGET_DEPLOYMENT};

	snprintf(target.name, sizeof(target.name), "%s", node ? "n1" : pod ? "web-1" : "web");
	if (!node) {
		snprintf(target.namespace_name, sizeof(target.namespace_name), "shop");
		target.workload = world->observation.target.workload;
	}
	ledger_key(&entry, &target);
	if (object != 0)
		entry.object = object;
	if (owner != 0)
		entry.owner = owner;
	snprintf(entry.action_id, sizeof(entry.action_id), "a-%zu", ledger->count);
	assert_int_equal(ledger_add(ledger, &entry), STATUS_OK);
	for (size_t i = ledger->count; i-- > 0;)
		if (strcmp(ledger->entries[i].action_id, entry.action_id) == 0)
			return &ledger->entries[i];
	return NULL;
}

/* ---- what is made wrong ---- */

typedef void wrong_fn(struct world *world);

#define WRONG(name, statement)                                                                     \
	static void name(struct world *world)                                                      \
	{                                                                                          \
		statement;                                                                         \
	}
#define OWNED(name, by, words)                                                                     \
	static void name(struct world *world)                                                      \
	{                                                                                          \
		snprintf(world->observation.by, sizeof(world->observation.by), words);             \
	}

WRONG(not_opted_in, world->observation.managed = false)
static void switched_off(struct world *world)
{
	(void)engine_pause(world->engine, true, "ann", world->now_ms);
	settle(world);
}

WRONG(paused, world->observation.paused = true)
WRONG(pause_unclear, world->observation.paused_unclear = true)
WRONG(paused_rollout, world->observation.rollout_paused = true)
static void frozen(struct world *world)
{
	static const char *const always[] = {"00:00-12:00", "12:00-00:00"};
	struct freeze *freeze;
	struct error error;

	assert_int_equal(freeze_open(always, 2, &freeze, &error), STATUS_OK);
	world->config.freeze = freeze;
}

WRONG(just_started, world->limits.startup_grace_ms = (int64_t)upto(world, 1, 600) * 1000)
WRONG(stormy, world->limits.storm_alerts = 0)
WRONG(under_way, world->limits.cooldown_ms = 0)
/* Another alert about the same workload, whose action was sent and has no answer yet. One with the same
 * plan would be joined. */
static void busy(struct world *world)
{
	raise_named(world, "B", "web");
	settle(world);
	assert_int_equal(world->sent_count, 1);
}

WRONG(at_concurrency, world->limits.concurrent = 1)
static void busy_elsewhere(struct world *world)
{
	snprintf(world->observation.target.workload.name, OBJECT_NAME_MAX, "api");
	raise_alert(world, "api");
	settle(world);
	assert_int_equal(world->sent_count, 1);
	make_observation(world);
}

static void cooling_down(struct world *world)
{
	add_past(world, (int64_t)upto(world, 0, (unsigned)world->limits.cooldown_ms - 1),
		ACTION_RESTART_WORKLOAD, 0, 0);
}

static void target_budget_used(struct world *world)
{
	/* Surely not done: no cooldown follows from it, but it counts. */
	for (unsigned i = 0; i < world->limits.per_target; i++)
		add_past(world, i, ACTION_RESTART_WORKLOAD, 0, 0)->undone = true;
}

static void namespace_budget_used(struct world *world)
{
	for (unsigned i = 0; i < world->limits.per_namespace; i++)
		add_past(world, i, ACTION_RESTART_WORKLOAD, 100 + i, 100 + i);
}

static void kind_budget_used(struct world *world)
{
	for (unsigned i = 0; i < world->limits.per_kind; i++)
		add_past(world, i, world->kind, 100 + i, 100 + i)->namespace_hash = 200 + i;
}

static void cluster_budget_used(struct world *world)
{
	for (unsigned i = 0; i < world->limits.per_cluster; i++)
		add_past(world, i, ACTION_RESTART_WORKLOAD, 100 + i, 100 + i)->namespace_hash =
			200 + i;
}

static void few_workloads(struct world *world)
{
	world->limits.workloads_percent = upto(world, 1, 9);
	world->workloads = upto(world, 1, 10);
}

static void workloads_unknown(struct world *world)
{
	world->limits.workloads_percent = upto(world, 1, 99);
	world->workloads = 0;
}

WRONG(few_pods, world->limits.pods_percent = upto(world, 1, 10))
static void few_nodes(struct world *world)
{
	world->limits.nodes_percent = upto(world, 2, 10);
	world->observation.nodes_cordoned = 5;
}

static void nodes_unknown(struct world *world)
{
	world->limits.nodes_percent = upto(world, 1, 99);
	world->observation.nodes = 0;
}

static void grown_before(struct world *world)
{
	struct ledger_entry *entry =
		add_past(world, world->limits.window_ms - 1, world->kind, 0, 0);

	entry->before = world->observation.replicas / (2 * world->limits.cumulative_change_max);
}

static void no_effect_before(struct world *world)
{
	for (unsigned i = 0; i < world->limits.ineffective_max; i++) {
		struct ledger_entry *entry = add_past(world,
			world->limits.window_ms - 1 - (int64_t)i, ACTION_RESTART_WORKLOAD, 0, 0);

		entry->ineffective_ms = world->now_ms - 1;
		entry->undone = true;
		entry->playbook = engine_event_key(&(struct event){.fingerprint = 0}, "p",
			&(struct target){.kind = TARGET_NONE});
	}
}

WRONG(lacking, world->lacks = true)
WRONG(no_target, world->nameless = true)
static void unanswered(struct world *world)
{
	error_set(&world->observation.error, STATUS_UNAVAILABLE, "no answer");
}

WRONG(gone, world->observation.found = false)
WRONG(going, world->observation.terminating = true)
OWNED(owned_by_hpa, owner_of_replicas, "HorizontalPodAutoscaler/h")
OWNED(owned_by_keda, owner_of_replicas, "ScaledObject/s")
OWNED(owned_by_vpa, owner_of_resources, "VerticalPodAutoscaler/v, mode Auto")
OWNED(owned_by_argo, git_owner, "argocd:x")
OWNED(owned_by_flux, git_owner, "flux:x")
static void written_by_hand(struct world *world)
{
	struct field_writer *writer = world->kind == ACTION_SCALE
		? &world->observation.replicas_writer
		: &world->observation.limits_writer;

	snprintf(writer->manager, sizeof(writer->manager), "kubectl-edit");
	writer->by_hand = true;
	writer->time_ms = world->now_ms -
		(int64_t)upto(world, 0, (unsigned)(world->limits.hands_off_ms / 1000) - 1) * 1000;
}

WRONG(untold, world->observation.replicas_writer.untold = true)
WRONG(unowned, world->observation.target.workload = (struct workload_key){.kind = TARGET_NONE})
WRONG(never_seen, world->known = false)
static void bad_data(struct world *world)
{
	static const enum quality bad[] = {QUALITY_MISSING, QUALITY_STALE, QUALITY_TOO_SHORT,
		QUALITY_DUPLICATE};

	world->saturation.reading.quality = bad[upto(world, 0, 3)];
}

WRONG(quiet, world->saturation.reading.value = 0.1)
static void unsure(struct world *world)
{
	world->finding = true;
	world->confidence = world->limits.confidence_min - 0.001 * upto(world, 1, 500);
}

/* X is made wrong before the engine opens (its limits, playbook, configuration) or after. */
static const struct wrong {
	const char *what, *gate, *reason; /* reason NULL: the gate's own name */
	enum action_kind kind;
	wrong_fn *before, *after;
	const char *also; /* a gate that cannot but refuse with it; NULL: none */
} wrongs[] = {
	{"opt-in", "unmanaged", NULL, ACTION_SCALE, NULL, not_opted_in, NULL},
	{"kill switch", "kill_switch", NULL, ACTION_SCALE, NULL, switched_off, NULL},
	{"paused object", "paused", NULL, ACTION_RESTART_POD, NULL, paused, NULL},
	{"unclear pause", "paused_unclear", NULL, ACTION_SCALE, NULL, pause_unclear, NULL},
	{"paused rollout", "rollout_paused", NULL, ACTION_SCALE, NULL, paused_rollout, NULL},
	{"freeze window", "freeze", NULL, ACTION_SCALE, frozen, NULL, NULL},
	{"start-up grace", "startup_grace", NULL, ACTION_SCALE, just_started, NULL, NULL},
	{"storm gate", "storm", NULL, ACTION_SCALE, stormy, NULL, NULL},
	{"mutex", "target_busy", NULL, ACTION_SCALE, under_way, busy, NULL},
	{"concurrency", "concurrency", NULL, ACTION_SCALE, at_concurrency, busy_elsewhere, NULL},
	{"cooldown", "cooldown", NULL, ACTION_SCALE, NULL, cooling_down, NULL},
	{"rate of the target", "budget_target", NULL, ACTION_SCALE, NULL, target_budget_used, NULL},
	{"rate of the namespace", "budget_namespace", NULL, ACTION_SCALE, NULL,
		namespace_budget_used, NULL},
	{"rate of the kind", "budget_kind", NULL, ACTION_SCALE, NULL, kind_budget_used, NULL},
	{"rate of the cluster", "budget_cluster", NULL, ACTION_SCALE, NULL, cluster_budget_used,
		NULL},
	{"percentage of workloads", "share_workloads", NULL, ACTION_SCALE, few_workloads, NULL,
		NULL},
	{"workloads unknown", "share_workloads", NULL, ACTION_SCALE, workloads_unknown, NULL, NULL},
	{"percentage of pods", "share_pods", NULL, ACTION_RESTART_POD, few_pods, NULL, NULL},
	{"percentage of nodes", "share_nodes", NULL, ACTION_CORDON, few_nodes, NULL, NULL},
	{"nodes unknown", "share_nodes", NULL, ACTION_CORDON, nodes_unknown, NULL, NULL},
	{"cumulative change", "cumulative_change", NULL, ACTION_SCALE, NULL, grown_before, NULL},
	{"breaker", "breaker", NULL, ACTION_SCALE, NULL, no_effect_before, NULL},
	{"permissions", "no_permission", NULL, ACTION_SCALE, NULL, lacking, NULL},
	{"no target", "target", "target_missing", ACTION_CORDON, NULL, no_target, NULL},
	{"silent cluster", "cluster_unavailable", NULL, ACTION_SCALE, NULL, unanswered, NULL},
	{"target gone", "target_gone", NULL, ACTION_SCALE, NULL, gone, NULL},
	{"terminating", "terminating", NULL, ACTION_SCALE, NULL, going, NULL},
	{"HPA", "replicas_owned", NULL, ACTION_SCALE, NULL, owned_by_hpa, NULL},
	{"ScaledObject", "replicas_owned", NULL, ACTION_SCALE, NULL, owned_by_keda, NULL},
	{"VPA", "resources_owned", NULL, ACTION_ADJUST_RESOURCES, NULL, owned_by_vpa, NULL},
	{"Argo CD", "git_owned", NULL, ACTION_SCALE, NULL, owned_by_argo, NULL},
	{"Flux", "git_owned", NULL, ACTION_ADJUST_RESOURCES, NULL, owned_by_flux, NULL},
	{"a human", "field_owned", NULL, ACTION_SCALE, NULL, written_by_hand, NULL},
	{"a human at the limits", "field_owned", NULL, ACTION_ADJUST_RESOURCES, NULL,
		written_by_hand, NULL},
	{"nobody tells who wrote it", "field_owned", NULL, ACTION_SCALE, NULL, untold, NULL},
	{"bare pod", "no_owner", NULL, ACTION_RESTART_POD, NULL, unowned, NULL},
	{"not in the stream", "not_in_stream", NULL, ACTION_SCALE, NULL, never_seen, NULL},
	{"data quality", "data_quality", NULL, ACTION_SCALE, NULL, bad_data, "condition"},
	{"condition", "condition", NULL, ACTION_SCALE, NULL, quiet, NULL},
	{"minimum confidence", "low_confidence", NULL, ACTION_SCALE, NULL, unsure, NULL},
};

/* ---- what must hold ---- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* The newest decision as people are told it: each gate with its sentence. */
static json_t *told_decision(const struct world *world, char *reason, size_t size)
{
	const struct record *record = NULL;
	struct json_span body, key, value;
	struct json_walk walk;
	struct error error;
	struct buf told;
	json_t *whole, *gates;

	for (size_t i = 0; i < world->record_count; i++)
		if (world->records[i].kind == RECORD_DECISION)
			record = &world->records[i];
	assert_non_null(record);
	assert_int_equal(json_span_init(&body, record->body, strlen(record->body), 16, &error),
		STATUS_OK);
	whole = json_loads(record->body, 0, NULL);
	snprintf(reason, size, "%s", text_of(whole, "reason"));
	json_decref(whole);
	buf_init(&told, 1 << 20);
	json_walk_init(&walk, &body);
	while (json_walk_next(&walk, &key, &value))
		if (json_span_is(&key, "gates"))
			gates_write_told(&told, &value);
	gates = json_loads(told.data, 0, NULL);
	assert_true(json_is_array(gates));
	buf_fini(&told);
	return gates;
}

static bool is_also(const struct wrong *wrong, const char *gate)
{
	return wrong->also && strcmp(wrong->also, gate) == 0;
}

/* Exactly this gate refuses in the record, and says why in a sentence. */
static void record_names(const struct world *world, const struct wrong *wrong, const char *code)
{
	char reason[REASON_MAX];
	json_t *gates = told_decision(world, reason, sizeof(reason)), *gate;
	bool unseen = strcmp(wrong->gate, "target") == 0 ||
		strcmp(wrong->gate, "cluster_unavailable") == 0;
	bool named = false;
	size_t i;

	json_array_foreach(gates, i, gate)
	{
		bool own = strcmp(text_of(gate, "gate"), wrong->gate) == 0;
		bool refuses = json_is_true(json_object_get(gate, "refuses"));
		const char *told =
			*text_of(gate, "reason") ? text_of(gate, "reason") : text_of(gate, "gate");

		/* What follows from one missing answer is unknown, and not another refusal. */
		if (refuses && !own && !is_also(wrong, text_of(gate, "gate")) &&
			(!unseen || strcmp(text_of(gate, "verdict"), "unknown") != 0))
			fail_msg("%s: %s refuses too: %s", wrong->what, text_of(gate, "gate"),
				text_of(gate, "text"));
		if (!own)
			continue;
		named = refuses && strcmp(told, code) == 0 && strlen(text_of(gate, "text")) > 20;
	}
	if (!named || strcmp(reason, code) != 0)
		fail_msg("%s: the record does not name %s (its reason is \"%s\")", wrong->what,
			code, reason);
	json_decref(gates);
}

static void is_counted(const struct wrong *wrong, const char *code)
{
	for (size_t i = 0; i < ARRAY_COUNT(wrongs); i++) {
		const char *other = wrongs[i].reason ? wrongs[i].reason : wrongs[i].gate;
		double count = metrics_get(METRIC_REFUSALS, other);

		if (count != (strcmp(other, code) == 0 || is_also(wrong, other)))
			fail_msg("%s: refusals of %s are counted %g times", wrong->what, other,
				count);
	}
}

static void refuses_alone(const struct wrong *wrong, uint64_t seed)
{
	const char *code = wrong->reason ? wrong->reason : wrong->gate;
	struct world *world = world_make(wrong->kind, seed);
	size_t sent;

	if (wrong->before)
		wrong->before(world);
	world_open(world);
	if (wrong->after)
		wrong->after(world);
	sent = world->sent_count;
	world->now_ms++;
	raise_alert(world, world->kind == ACTION_CORDON ? "n1" : "web");
	settle(world);
	if (world->sent_count != sent)
		fail_msg("%s, scene %d: something was sent", wrong->what, (int)seed);
	record_names(world, wrong, code);
	is_counted(wrong, code);
	world_close(world);
}

static void each_gate_refuses_alone_is_counted_told_and_sends_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(wrongs); i++)
		for (uint64_t seed = 0; seed < SCENES; seed++)
			refuses_alone(&wrongs[i], seed);
}

/* What makes the rows above mean something: without anything wrong the same scenes are sent. */
static void the_same_scenes_are_sent_when_nothing_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		for (uint64_t seed = 0; seed < SCENES; seed++) {
			struct world *world = world_make(kinds[i].kind, seed);

			world_open(world);
			raise_alert(world, kinds[i].kind == ACTION_CORDON ? "n1" : "web");
			settle(world);
			if (world->sent_count != 1)
				fail_msg("%s, scene %d: not sent", kinds[i].step, (int)seed);
			assert_int_equal(world->sent[0].kind, kinds[i].kind);
			world_close(world);
		}
	}
}

/* The mode refuses nothing: it asks for a person, and the record says so. */
static void a_mode_that_asks_a_person_sends_nothing(void **state)
{
	static const enum mode modes[] = {MODE_SUGGEST, MODE_APPROVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		for (uint64_t seed = 0; seed < SCENES; seed++) {
			struct world *world = world_make(ACTION_SCALE, seed);
			char reason[REASON_MAX];
			json_t *gates, *gate;
			size_t k;

			world->config.mode = modes[i];
			world_open(world);
			raise_alert(world, "web");
			settle(world);
			assert_int_equal(world->sent_count, 0);
			assert_true(metrics_get(METRIC_DECISIONS, "p", "approval") == 1);
			gates = told_decision(world, reason, sizeof(reason));
			json_array_foreach(gates, k, gate)
			{
				bool mode = strcmp(text_of(gate, "gate"), "mode") == 0 ||
					(modes[i] == MODE_APPROVE &&
						strcmp(text_of(gate, "gate"), "approval") == 0);

				assert_false(json_is_true(json_object_get(gate, "refuses")));
				assert_int_equal(strcmp(text_of(gate, "verdict"), "approval") == 0,
					mode);
			}
			json_decref(gates);
			world_close(world);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_scenes_are_sent_when_nothing_is_wrong),
		cmocka_unit_test(each_gate_refuses_alone_is_counted_told_and_sends_nothing),
		cmocka_unit_test(a_mode_that_asks_a_person_sends_nothing),
	};

	return cmocka_run_group_tests_name("gates", tests, NULL, NULL);
}
