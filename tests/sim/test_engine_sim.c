/*
 * A seeded simulation of the engine: a model cluster, a journal that fails, tears and crashes,
 * commands whose answers are lost or late, alerts that repeat, flap, storm and come in the wrong
 * order, and people who approve, reject, undo and pause. One seed is one run, to the byte.
 *
 * The workload (what happens) and the checkers (what must hold) are apart: checkers see only what
 * went through the ports and what is in the journal.
 *
 *   SIM_SEEDS=n   so many seeds (default 10000; 300 under AddressSanitizer)   SIM_FIRST=n   from this one on
 *   SIM_SEED=n    only this one
 * An argument 2/4 takes the second of four parts of them.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/support/engine_sim.h"

#define STEPS 90

static struct playbooks *playbooks;

static const char *const playbook_texts[] = {
	"playbook: scale\n"
	"trigger: {alert: ['alertname=\"Saturated\"'], range: 10s}\n"
	"target: {kind: Workload}\n"
	"conditions: [{signal: saturation, is: above, value: 0.5, over: 30s}]\n"
	"steps:\n"
	"- {action: scale, by: +50%, max: 12}\n"
	"- {action: restart_workload}\n"
	"verify: {signal: saturation, is: below, value: 0.8, over: 30s, after: 40s}\n",

	"playbook: restart\n"
	"trigger: {alert: ['alertname=\"CrashLoop\"'], range: 10s}\n"
	"target: {kind: Pod}\n"
	"steps: [{action: restart_pod}]\n"
	"verify: {signal: restarts, is: below, value: 1, over: 30s, after: 40s}\n",

	"playbook: memory\n"
	"trigger: {alert: ['alertname=~\"OOM|OOMToo\"'], range: 10s}\n"
	"target: {kind: Workload}\n"
	"steps: [{action: adjust_resources, memory: +50%, ceiling: 4GiB}]\n"
	"verify: {signal: oom_kills, is: below, value: 1, over: 30s, after: 40s}\n"
	"hand_over: none\n",

	"playbook: rest\n"
	"trigger: {alert: []}\n"
	"priority: -1000\n"
	"steps: [{action: ticket, title: '{{ event }}', text: '{{ reason }}'}]\n",
};

/* ---- the workload ---- */

static void commit_record(struct sim *sim, struct record *record)
{
	if (record->kind == RECORD_NOTE && !strcmp(record->key, JOURNAL_EVENTS_DONE)) {
		uint64_t number = strtoull(strchr(record->body, ':') + 1, NULL, 10);

		if (number > sim->checkpoint)
			sim->checkpoint = number;
		record_fini(record);
		return;
	}
	if (sim->journal_count == RECORDS) {
		sim_breaks(sim, "the journal of the simulation is full");
		record_fini(record);
		return;
	}
	record->number = sim->journal_count + 1;
	sim->journal[sim->journal_count++] = *record;
}

static void commit_one(struct sim *sim)
{
	struct submission submission = sim->waiting[0];
	bool fails = sim_chance(sim, 3);

	sim->waiting_count--;
	memmove(sim->waiting, sim->waiting + 1, sim->waiting_count * sizeof(submission));
	for (size_t i = 0; i < submission.count; i++) {
		if (fails)
			record_fini(&submission.records[i]);
		else
			commit_record(sim, &submission.records[i]);
	}
	engine_journaled(sim->engine, submission.ticket, fails ? STATUS_IO : STATUS_OK,
		sim->now_ms);
}

static void answer_look(struct sim *sim)
{
	size_t at = sim->calm ? 0 : (size_t)random_below(&sim->random, sim->look_count);
	struct look look = sim->looks[at];
	struct observation seen;

	sim->looks[at] = sim->looks[--sim->look_count];
	if (sim_chance(sim, 4))
		return; /* lost */
	sim_observe(sim, &look.target, &seen);
	if (sim_chance(sim, 6))
		error_set(&seen.error, STATUS_UNAVAILABLE, "connection refused");
	else
		sim->answered_looks[sim_deployment(sim, &look.target)]++;
	engine_observed(sim->engine, look.ticket, &seen, sim->now_ms);
}

/* Commands whose time has come reach the API server; then some answers come back. */
static void fly(struct sim *sim)
{
	for (size_t i = 0; i < sim->flight_count; i++) {
		struct flight *flight = &sim->flights[i];
		struct command_result result = {.outcome = flight->outcome};

		if (flight->over || flight->at_ms > sim->now_ms)
			continue;
		flight->over = true;
		if (flight_is_change(flight) && flight->applies) {
			const struct target *target = &flight->command.target;

			flight->applied = sim_apply(sim, &flight->command);
			flight->touched = sim->deployments[sim_deployment(sim, target)].touched;
		}
		if (flight->epoch != sim->epoch)
			continue;
		if (flight->outcome == COMMAND_DONE && flight_is_change(flight) &&
			!flight->applied) {
			result.outcome = COMMAND_FAILED;
			error_set(&result.error, STATUS_CONFLICT, "precondition");
		}
		if (flight->outcome == COMMAND_UNKNOWN && sim_chance(sim, 50))
			continue; /* not even that */
		memcpy(result.action_id, flight->command.action_id, ACTION_ID_MAX);
		result.dry_run = flight->dry_run;
		engine_finished(sim->engine, &result, sim->now_ms);
	}
}

/* The receiver persists before it acknowledges; what is known already gets no second record. */
static void hear(struct sim *sim, struct alert *alert)
{
	struct record record = {.kind = RECORD_EVENT, .time_ms = sim->now_ms};
	struct event event;
	struct buf body;
	char key[64];

	sim_event(sim, alert, &event);
	snprintf(key, sizeof(key), "%016" PRIx64 "/%" PRId64 "/%s", event.fingerprint,
		event.starts_ms, event.firing ? "firing" : "resolved");
	buf_init(&body, 1 << 20);
	event_write_json(&body, &event);
	alert->fingerprint = event.fingerprint;
	event_fini(&event);
	for (size_t i = 0; i < sim->journal_count; i++)
		if (sim->journal[i].kind == RECORD_EVENT && !strcmp(sim->journal[i].key, key)) {
			buf_fini(&body);
			return;
		}
	if (sim->delivery_count >= QUEUE || sim->journal_count == RECORDS) {
		buf_fini(&body);
		return; /* busy: not acknowledged */
	}
	record.key = mem_strdup(key);
	record.incident = mem_strdup("");
	record.body = buf_take(&body, NULL);
	commit_record(sim, &record);
	sim->deliveries[sim->delivery_count++] = (struct delivery){sim->journal_count - 1};
	alert->heard = alert->heard || alert->firing;
}

static void deliver(struct sim *sim)
{
	/* Two Alertmanagers: neighbours may change places, and the same may come twice. */
	size_t at = sim->delivery_count > 1 && sim_chance(sim, 20) ? 1 : 0;
	const struct record *record = &sim->journal[sim->deliveries[at].record];
	struct event event;

	if (event_read_json(&event, record->body, strlen(record->body), NULL))
		abort();
	sim->delivering = event.fingerprint;
	for (size_t i = 0; i < ALERTS; i++) {
		struct alert *alert = &sim->alerts[i];

		if (alert->fingerprint != event.fingerprint || event.starts_ms < alert->told_ms)
			continue;
		/* Of the same start the end is the newer word, whatever came last. */
		alert->told_firing =
			event.firing && (event.starts_ms > alert->told_ms || alert->told_firing);
		alert->told_ms = event.starts_ms;
	}
	if (sim_chance(sim, 4))
		mem_fail_after(1 + (long)random_below(&sim->random, 40), false);
	engine_event(sim->engine, &event, at ? 0 : record->number, sim->now_ms);
	mem_fail_after(0, false);
	event_fini(&event);
	if (at || sim_chance(sim, 5))
		return; /* comes again */
	sim->delivery_count--;
	memmove(sim->deliveries, sim->deliveries + 1,
		sim->delivery_count * sizeof(sim->deliveries[0]));
}

static void change_alert(struct sim *sim, struct alert *alert)
{
	alert->firing = !alert->firing;
	if (alert->firing) {
		alert->starts_ms = sim->now_ms;
		sim->deployments[alert->deployment].well = false;
	}
	hear(sim, alert);
}

static bool pick_action(void *argument, const struct incident *incident)
{
	char *id = argument;
	const struct action *action = incident_action(incident);

	if (action && (action->state == STATE_AWAITING_APPROVAL || (!*id && action->done_ms)))
		memcpy(id, action->id, ACTION_ID_MAX);
	return true;
}

static struct word *begin_word(struct sim *sim, const struct person *person)
{
	struct word *word = &sim->words_given[sim->word_count];

	*word = (struct word){.given_ms = sim->now_ms};
	snprintf(word->by, sizeof(word->by), "%s", person->identity);
	return word;
}

/* The word counts before the engine has it, for it may act at once. */
static void approve(struct sim *sim, const char *id, const struct person *person)
{
	const struct incident *incident = engine_incident_of_action(sim->engine, id);
	const struct action *action = incident ? incident_find_action(incident, id) : NULL;
	struct word *word;
	struct error error;

	if (!action || sim->word_count == WORDS)
		return;
	word = begin_word(sim, person);
	memcpy(word->action_id, action->id, sizeof(word->action_id));
	word->changes = action->plan.changes;
	memcpy(word->uid, action->target.uid, sizeof(word->uid));
	sim->word_count++;
	if (engine_approve(sim->engine, id, person, true, sim->now_ms, &error))
		sim->word_count--;
}

static void undo(struct sim *sim, const char *id, const struct person *person)
{
	const struct incident *incident = engine_incident_of_action(sim->engine, id);
	const struct action *action = incident ? incident_action(incident) : NULL;
	struct word *word;
	struct error error;

	if (!action || sim->word_count == WORDS)
		return;
	word = begin_word(sim, person);
	word->any_plan = true;
	/* The id that the undo will have: the next of its incident. */
	snprintf(word->action_id, sizeof(word->action_id), "a-%s-%u", incident->id + 2,
		action->number + 1);
	sim->word_count++;
	if (engine_undo(sim->engine, id, person, sim->now_ms, &error))
		sim->word_count--;
}

static void people(struct sim *sim)
{
	static const char *const names[] = {"ann", "ben"};
	struct person person = {.identity = names[random_below(&sim->random, 2)],
		.role = "approve"};
	char id[ACTION_ID_MAX] = "";
	struct error error;

	if (sim_chance(sim, 10)) {
		(void)!engine_lift(sim->engine, sim_chance(sim, 50) ? "scale" : "restart", "",
			sim_chance(sim, 50) ? "shop" : "bank", "ann", sim->now_ms, &error);
		return;
	}
	if (sim_chance(sim, 15)) {
		engine_pause(sim->engine, sim_chance(sim, 30), "ann", sim->now_ms);
		return;
	}
	engine_visit(sim->engine, pick_action, id);
	if (!*id)
		return;
	if (sim_chance(sim, 80)) {
		approve(sim, id, &person);
		person.identity = names[random_below(&sim->random, 2)];
		if (sim_chance(sim, 70))
			approve(sim, id, &person);
	} else if (sim_chance(sim, 30))
		(void)!engine_approve(sim->engine, id, &person, false, sim->now_ms, &error);
	if (sim_chance(sim, 10) && sim->config.mode == MODE_AUTO)
		undo(sim, id, &person);
}

static void somebody_writes(struct sim *sim, struct field_writer *writer)
{
	*writer = (struct field_writer){.time_ms = sim->now_ms, .by_hand = sim_chance(sim, 30)};
	snprintf(writer->manager, sizeof(writer->manager), "%s",
		writer->by_hand               ? "kubectl-edit"
			: sim_chance(sim, 80) ? "helm"
					      : "");
}

static void others(struct sim *sim)
{
	struct deployment *deployment = &sim->deployments[random_below(&sim->random, DEPLOYMENTS)];

	deployment->version++;
	deployment->touched++;
	if (sim_chance(sim, 20))
		deployment->paused = !deployment->paused;
	if (sim_chance(sim, 20))
		deployment->managed = !sim_chance(sim, 20);
	if (sim_chance(sim, 40)) {
		deployment->replicas = 1 + (int32_t)random_below(&sim->random, 6);
		somebody_writes(sim, &deployment->replicas_writer);
	}
	if (sim_chance(sim, 8)) {
		deployment->memory = INT64_C(1) << (26 + random_below(&sim->random, 4));
		somebody_writes(sim, &deployment->memory_writer);
	}
	if (sim_chance(sim, 10))
		deployment->uid[0] = ++sim->uid_last;
	if (sim_chance(sim, 20))
		deployment->well = !deployment->well;
	if (sim_chance(sim, 5))
		deployment->owned = !deployment->owned;
}

/* ---- crash and replay ---- */

static void open_engine(struct sim *sim)
{
	struct error error = {0};

	sim->engine = engine_open(&sim->config, &sim->ports, sim->now_ms);
	if (!sim->engine)
		abort();
	for (size_t i = 0; i < sim->journal_count && !sim->broken; i++)
		if (engine_replay(sim->engine, &sim->journal[i], &error))
			sim_breaks(sim, "replay: %s", error.text);
	engine_visit(sim->engine, check_replayed, sim);
	sim_read_back(sim);
	engine_start(sim->engine, sim->now_ms);
	/* The events above the checkpoint come again, in order. */
	sim->delivery_count = 0;
	for (size_t i = 0; i < sim->journal_count; i++)
		if (sim->journal[i].kind == RECORD_EVENT &&
			sim->journal[i].number > sim->checkpoint)
			sim->deliveries[sim->delivery_count++] = (struct delivery){i};
}

static void crash(struct sim *sim)
{
	/* What was on its way to the disk: whole submissions, and then a torn one. */
	size_t whole = (size_t)random_below(&sim->random, sim->waiting_count + 1);

	sim_totals[1]++;
	engine_close(sim->engine);
	for (size_t i = 0; i < sim->waiting_count; i++) {
		struct submission *submission = &sim->waiting[i];
		size_t kept = i < whole ? submission->count
			: i > whole     ? 0
					: (size_t)random_below(&sim->random, submission->count + 1);

		if (kept && kept < submission->count && sim->torn_count < 64)
			snprintf(sim->torn[sim->torn_count++], INCIDENT_ID_MAX, "%s",
				submission->records[submission->count - 1].incident);
		for (size_t k = 0; k < submission->count; k++) {
			if (k < kept)
				commit_record(sim, &submission->records[k]);
			else
				record_fini(&submission->records[k]);
		}
	}
	sim->waiting_count = sim->look_count = 0;
	for (size_t i = 0; i < ALERTS; i++)
		sim->alerts[i].told_ms = 0;
	sim->epoch++;
	sim->now_ms += (int64_t)random_below(&sim->random, sim_chance(sim, 80) ? 500 : 20000);
	open_engine(sim);
}

/* ---- a run ---- */

static void step(struct sim *sim)
{
	uint64_t what = random_below(&sim->random, 100);

	if (what < 30 && sim->waiting_count)
		commit_one(sim);
	else if (what < 45 && sim->look_count)
		answer_look(sim);
	else if (what < 60 && sim->delivery_count)
		deliver(sim);
	else if (what < 70)
		change_alert(sim, &sim->alerts[random_below(&sim->random, ALERTS)]);
	else if (what < 74)
		hear(sim, &sim->alerts[random_below(&sim->random, ALERTS)]);
	else if (what < 79)
		others(sim);
	else if (what < 86)
		people(sim);
	else if (what < 87)
		crash(sim);
	else if (what < 96)
		sim->now_ms += (int64_t)random_below(&sim->random, 3000);
	else if (engine_due(sim->engine) < sim->now_ms + 600000)
		sim->now_ms = engine_due(sim->engine) > sim->now_ms ? engine_due(sim->engine)
								    : sim->now_ms;
	else
		sim->now_ms += (int64_t)random_below(&sim->random, 120000);
	fly(sim);
	if (sim_chance(sim, 3))
		mem_fail_after(1 + (long)random_below(&sim->random, 40), false);
	engine_tick(sim->engine, sim->now_ms);
	mem_fail_after(0, false);
	check_live(sim);
}

/* Nothing fails and nothing new comes any more: everything must come to its end. */
static void calm_down(struct sim *sim)
{
	sim->calm = true;
	engine_pause(sim->engine, false, "ann", sim->now_ms);
	for (int i = 0; i < 4000 && !sim->broken; i++) {
		int64_t due;

		while (sim->waiting_count)
			commit_one(sim);
		while (sim->look_count)
			answer_look(sim);
		while (sim->delivery_count)
			deliver(sim);
		fly(sim);
		if (!sim->waiting_count && !sim->look_count) {
			if (!engine_open_count(sim->engine))
				return;
			due = engine_due(sim->engine);
			for (size_t k = 0; k < sim->flight_count; k++)
				if (!sim->flights[k].over && sim->flights[k].at_ms < due)
					due = sim->flights[k].at_ms;
			if (due > sim->now_ms && due != INT64_MAX)
				sim->now_ms = due;
		}
		engine_tick(sim->engine, sim->now_ms);
		check_live(sim);
	}
	sim_breaks(sim, "%zu incidents never end", engine_open_count(sim->engine));
}

static void check_replay(struct sim *sim)
{
	engine_close(sim->engine);
	open_engine(sim);
	if (engine_open_count(sim->engine))
		sim_breaks(sim, "what had ended is open after a replay");
}

static void sim_init(struct sim *sim, uint64_t seed)
{
	static const char *const names[DEPLOYMENTS] = {"api", "web", "db"};
	size_t count = 0;

	sim->seed = seed;
	sim->now_ms = START_MS;
	random_init(&sim->random, seed);
	for (size_t i = 0; i < DEPLOYMENTS; i++) {
		struct deployment *deployment = &sim->deployments[i];

		snprintf(deployment->name, sizeof(deployment->name), "%s", names[i]);
		snprintf(deployment->namespace_name, sizeof(deployment->namespace_name), "%s",
			i == 2 ? "bank" : "shop");
		deployment->replicas = 2;
		deployment->memory = INT64_C(1) << 28;
		deployment->managed = true;
		/* OOMToo joins what OOM began, and the other way round. */
		for (int pod = -3; pod < PODS; pod++) {
			struct alert *alert = &sim->alerts[count++];

			snprintf(alert->name, sizeof(alert->name), "%s",
				pod == -3           ? "OOMToo"
					: pod == -2 ? "Saturated"
					: pod == -1 ? "OOM"
						    : "CrashLoop");
			alert->deployment = i;
			alert->pod = pod < 0 ? -1 : pod;
			if (pod >= 0)
				deployment->uid[pod] = ++sim->uid_last;
		}
	}
	snprintf(sim->alerts[count].name, sizeof(sim->alerts[count].name), "Other");
	sim->alerts[count].pod = -1;
	sim->config = (struct engine_config){.playbooks = playbooks,
		.limits = sim_limits,
		.incident_max = 8,
		.signals = sim_signals(sim),
		.mode = random_below(&sim->random, 100) < 70
			? MODE_AUTO
			: (enum mode)random_below(&sim->random, MODE_COUNT),
		.dry_run = random_below(&sim->random, 100) < 15,
		.times = {.observe = 5000,
			.send = 5000,
			.send_margin = 5000,
			.journal = 20000,
			.retry = 2000,
			.wait_max = 120000,
			.approval_max = 90000,
			.approval_valid = 30000,
			.verify_grace = 60000}};
	if (random_below(&sim->random, 100) < 30)
		sim->config.limits.two_persons =
			1u << ACTION_RESTART_WORKLOAD | 1u << ACTION_ADJUST_RESOURCES;
	if (random_below(&sim->random, 100) < 10)
		sim->config.limits.two_persons = ~0u;
	sim->ports = sim_ports(sim);
}

static bool run_seed(uint64_t seed, char *words, size_t size)
{
	static struct sim memory;
	struct sim *sim = &memory;
	bool good;

	memset(sim, 0, sizeof(*sim));
	sim_init(sim, seed);
	open_engine(sim);
	for (int i = 0; i < STEPS && !sim->broken; i++)
		step(sim);
	if (!sim->broken)
		calm_down(sim);
	if (!sim->broken)
		check_heard(sim);
	if (!sim->broken && seed % 4 == 1)
		check_replay(sim);
	good = !sim->broken;
	snprintf(words, size, "%.511s", sim->words);
	engine_close(sim->engine);
	for (size_t i = 0; i < sim->journal_count; i++)
		record_fini(&sim->journal[i]);
	for (size_t i = 0; i < sim->waiting_count; i++)
		for (size_t k = 0; k < sim->waiting[i].count; k++)
			record_fini(&sim->waiting[i].records[k]);
	return good;
}

#ifdef __SANITIZE_ADDRESS__
#define SEEDS_USUAL 300
#else
#define SEEDS_USUAL 10000
#endif

static uint64_t part = 1, part_count = 1;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void whatever_happens_the_promises_hold(void **state)
{
	const char *only = getenv("SIM_SEED");
	uint64_t all = only ? 1 : number_of("SIM_SEEDS", SEEDS_USUAL);
	uint64_t first =
		number_of(only ? "SIM_SEED" : "SIM_FIRST", 1) + (part - 1) * all / part_count;
	uint64_t count = only ? 1 : part * all / part_count - (part - 1) * all / part_count;
	char words[600];

	(void)state;
	for (uint64_t seed = first; seed < first + count; seed++)
		if (!run_seed(seed, words, sizeof(words)))
			fail_msg("seed %" PRIu64 ": %s (repeat with SIM_SEED=%" PRIu64 ")", seed,
				words, seed);
	print_message("%" PRIu64
		      " seeds: commands, crashes, incidents ended, unknown, reverted, worse, "
		      "self-healed, demoted, by two persons:",
		count);
	for (size_t i = 0; i < SIM_TOTALS; i++)
		print_message(" %" PRIu64, sim_totals[i]);
	print_message("\n");
	/* A simulation in which nothing happens would find nothing. */
	if (!only) {
		assert_true(sim_totals[0] > count);
		assert_true(sim_totals[1] > count / 2);
		assert_true(sim_totals[2] > 2 * count);
		assert_true(sim_totals[3] > count / 10);
		for (size_t i = 4; i < SIM_TOTALS; i++)
			assert_true(sim_totals[i] > count / 1000);
	}
}

static void the_same_seed_gives_the_same_run(void **state)
{
	uint64_t before[SIM_TOTALS], first[SIM_TOTALS];
	char words[600];

	(void)state;
	memcpy(before, sim_totals, sizeof(before));
	assert_true(run_seed(77, words, sizeof(words)));
	for (size_t i = 0; i < SIM_TOTALS; i++)
		first[i] = sim_totals[i] - before[i];
	memcpy(before, sim_totals, sizeof(before));
	assert_true(run_seed(77, words, sizeof(words)));
	for (size_t i = 0; i < SIM_TOTALS; i++)
		assert_int_equal(first[i], sim_totals[i] - before[i]);
}

static int setup(void **state)
{
	struct diagnostics diagnostics;

	(void)state;
	guard_limits_default(&sim_limits);
	sim_limits.cooldown_ms = 60000;
	sim_limits.startup_grace_ms = 500;
	sim_limits.window_ms = 600000;
	sim_limits.per_target = 3;
	sim_limits.per_namespace = 4;
	sim_limits.per_kind = 5;
	sim_limits.per_cluster = 6;
	sim_limits.concurrent = 2;
	sim_limits.hands_off_ms = 300000;
	sim_limits.demote_after = 2;
	sim_limits.storm_alerts = 14;
	sim_limits.storm_window_ms = 30000;
	playbooks = playbooks_open(&sim_limits);
	diagnostics_init(&diagnostics);
	for (size_t i = 0; i < sizeof(playbook_texts) / sizeof(playbook_texts[0]); i++)
		if (playbooks_load_text(playbooks, "sim.yaml", playbook_texts[i],
			    strlen(playbook_texts[i]), &diagnostics))
			return -1;
	diagnostics_fini(&diagnostics);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	playbooks_close(playbooks);
	return 0;
}

int main(int argument_count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_the_promises_hold),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
	};

	if (argument_count > 1 &&
		(sscanf(arguments[1], "%" SCNu64 "/%" SCNu64, &part, &part_count) != 2 || !part ||
			part > part_count))
		return 2;
	return cmocka_run_group_tests_name("engine_sim", tests, setup, teardown);
}
