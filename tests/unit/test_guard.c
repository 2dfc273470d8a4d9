/*
 * The guard gate by gate: from a question that every gate lets pass, one thing is made wrong at a
 * time, and exactly the gate for it must refuse. Ledger and plans along with it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "remediations/guard.h"

#define NOW INT64_C(1767225600000)

struct scene {
	struct guard_question question;
	struct guard_limits limits;
	struct playbook playbook;
	struct event event;
	struct target target;
	struct refusal resolved;
	struct observation observation;
	struct plan plan;
	struct test_result condition;
	struct ledger ledger;
	struct ledger_entry entry;
	struct decision decision;
};

static struct scene *scene;

static int setup(void **state)
{
	static struct scene memory;

	(void)state;
	scene = &memory;
	ledger_fini(&scene->ledger);
	memset(scene, 0, sizeof(*scene));
	guard_limits_default(&scene->limits);
	snprintf(scene->playbook.name, sizeof(scene->playbook.name), "p");
	scene->playbook.enabled = true;
	scene->playbook.condition_count = 1;
	scene->playbook.conditions[0] =
		(struct signal_test){ROLE_SATURATION, SIGNAL_MEAN, true, 0.8, 60000};
	scene->condition = (struct test_result){{QUALITY_GOOD, 0.9, NOW, 5}, true};
	event_init(&scene->event);
	scene->target = (struct target){.kind = TARGET_DEPLOYMENT,
		.namespace_name = "shop",
		.name = "web",
		.workload = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT, .name = "web"}};
	scene->observation = (struct observation){.found = true, .replicas = 2, .managed = true};
	scene->observation.target = scene->target;
	snprintf(scene->observation.target.uid, UID_MAX, "u");
	scene->plan =
		(struct plan){.kind = ACTION_SCALE, .changes = {{{CHANGE_REPLICAS, 2, 3}}, 1}};
	ledger_init(&scene->ledger, 100);
	ledger_key(&scene->entry, &scene->target);
	scene->entry.kind = ACTION_SCALE;
	scene->entry.before = 2;
	scene->entry.after = 3;
	scene->entry.playbook = 5;
	scene->question = (struct guard_question){.now_ms = NOW,
		.started_ms = NOW - 3600000,
		.playbook = &scene->playbook,
		.limits = &scene->limits,
		.mode = MODE_AUTO,
		.event = &scene->event,
		.firing = true,
		.target = &scene->target,
		.target_refusal = &scene->resolved,
		.observation = &scene->observation,
		.plan = &scene->plan,
		.conditions = &scene->condition,
		.ledger = &scene->ledger,
		.entry = &scene->entry,
		.selected = -1,
		.seen = 1};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ledger_fini(&scene->ledger);
	return 0;
}

static enum decision_verdict judge(void)
{
	guard_judge(&scene->question, &scene->decision);
	return scene->decision.verdict;
}

/* Exactly this gate refuses, with this verdict over all. */
static void only(enum gate gate, enum decision_verdict verdict)
{
	char text[512];

	assert_int_equal(judge(), verdict);
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		if (decision_refuses(&scene->decision, (enum gate)i) == (i == gate))
			continue;
		gate_sentence(&scene->decision, (enum gate)i, text, sizeof(text));
		fail_msg("%s", text);
	}
	assert_int_equal(decision_reason(&scene->decision), gate);
	setup(NULL);
}

static void add_past(int64_t ago_ms, enum action_kind kind)
{
	struct ledger_entry entry = scene->entry;

	entry.time_ms = NOW - ago_ms;
	entry.kind = kind;
	snprintf(entry.action_id, sizeof(entry.action_id), "a-%zu", scene->ledger.count);
	assert_int_equal(ledger_add(&scene->ledger, &entry), STATUS_OK);
}

/* ---- tests ---- */

static void a_good_question_is_cleared(void **state)
{
	assert_int_equal(judge(), DECISION_CLEARED);
	assert_int_equal(decision_reason(&scene->decision), GATE_COUNT);
}

static void each_gate_about_the_service_refuses_alone(void **state)
{
	scene->playbook.enabled = false;
	only(GATE_PLAYBOOK, DECISION_BLOCKED);
	scene->question.missing = "patch deployments.apps";
	only(GATE_PERMISSION, DECISION_WAIT);
	scene->question.firing = false;
	only(GATE_FIRING, DECISION_BLOCKED);
	scene->question.kill_switch = true;
	only(GATE_KILL_SWITCH, DECISION_WAIT);
	scene->question.mode = MODE_OBSERVE;
	only(GATE_MODE, DECISION_BLOCKED);
	scene->question.frozen_until_ms = NOW + 1;
	only(GATE_FREEZE, DECISION_WAIT);
	scene->question.started_ms = NOW - scene->limits.startup_grace_ms + 1;
	only(GATE_STARTUP, DECISION_WAIT);
	scene->question.storm_alerts = scene->limits.storm_alerts + 1;
	only(GATE_STORM, DECISION_WAIT);
}

static void each_gate_about_the_target_refuses_alone(void **state)
{
	refusal_set(&scene->resolved, "target_missing", "none");
	only(GATE_TARGET, DECISION_BLOCKED);
	scene->observation.found = false;
	only(GATE_FOUND, DECISION_BLOCKED);
	snprintf(scene->target.uid, UID_MAX, "other");
	only(GATE_SAME, DECISION_BLOCKED);
	snprintf(scene->observation.target.workload.name, OBJECT_NAME_MAX, "api");
	only(GATE_SAME, DECISION_BLOCKED);
	scene->observation.target.uid[0] = '\0';
	only(GATE_SAME, DECISION_WAIT);
	scene->observation.terminating = true;
	only(GATE_TERMINATING, DECISION_WAIT);
	scene->observation.managed = false;
	only(GATE_MANAGED, DECISION_BLOCKED);
	scene->observation.paused = true;
	only(GATE_PAUSED, DECISION_WAIT);
	scene->observation.paused_unclear = true;
	only(GATE_PAUSED_UNCLEAR, DECISION_WAIT);
	scene->observation.rollout_paused = true;
	only(GATE_ROLLOUT, DECISION_WAIT);
	snprintf(scene->observation.owner_of_replicas, 64, "HorizontalPodAutoscaler/web");
	only(GATE_REPLICAS_OWNER, DECISION_BLOCKED);
	snprintf(scene->observation.git_owner, 64, "argocd:web");
	only(GATE_GIT_OWNER, DECISION_BLOCKED);
	scene->question.seen = 0;
	only(GATE_SEEN, DECISION_WAIT);
	scene->question.seen = -1;
	only(GATE_SEEN, DECISION_WAIT);
}

static void a_bare_pod_is_never_deleted(void **state)
{
	scene->plan.kind = scene->entry.kind = ACTION_RESTART_POD;
	scene->observation.target.workload.kind = TARGET_NONE;
	only(GATE_OWNED, DECISION_BLOCKED);
	scene->plan.kind = scene->entry.kind = ACTION_RESTART_POD;
	/* An autoscaler or Git does not mind a restart. */
	snprintf(scene->observation.owner_of_replicas, 64, "x");
	snprintf(scene->observation.git_owner, 64, "x");
	assert_int_equal(judge(), DECISION_CLEARED);
}

static void each_gate_about_the_plan_refuses_alone(void **state)
{
	scene->event.source = EVENT_FINDING;
	scene->event.confidence = 0.79;
	only(GATE_CONFIDENCE, DECISION_BLOCKED);
	scene->event.source = EVENT_FINDING;
	scene->event.confidence = NAN;
	only(GATE_CONFIDENCE, DECISION_BLOCKED);
	scene->condition = (struct test_result){{QUALITY_GOOD, 0.7, NOW, 5}, false};
	only(GATE_CONDITIONS, DECISION_WAIT);
	refusal_set(&scene->plan.refusal, "no_change", "x");
	only(GATE_PLAN, DECISION_BLOCKED);
	scene->plan.changes.list[0].after = scene->limits.replicas_max + 1;
	only(GATE_REPLICAS_MAX, DECISION_BLOCKED);
	scene->entry.after = 2 * scene->limits.cumulative_change_max + 1;
	only(GATE_CUMULATIVE, DECISION_BLOCKED);
}

static void bad_data_refuses_whatever_its_value(void **state)
{
	for (int quality = QUALITY_MISSING; quality < QUALITY_COUNT; quality++) {
		scene->condition.reading.quality = (enum quality)quality;
		assert_int_equal(judge(), DECISION_WAIT);
		assert_true(decision_refuses(&scene->decision, GATE_DATA));
	}
}

static void changes_together_stay_in_their_bound(void **state)
{
	/* Twice doubled within the window: the third doubling would be eightfold. */
	add_past(3000000, ACTION_SCALE);
	scene->ledger.entries[0].before = 2;
	scene->ledger.entries[0].after = 4;
	scene->entry.before = 8;
	scene->entry.after = 16;
	judge();
	assert_true(decision_refuses(&scene->decision, GATE_CUMULATIVE));
	scene->entry.after = 8;
	judge();
	assert_false(decision_refuses(&scene->decision, GATE_CUMULATIVE));
	/* Out of the window it is forgotten. */
	scene->ledger.entries[0].time_ms = NOW - scene->limits.window_ms - 1;
	scene->entry.after = 16;
	judge();
	assert_false(decision_refuses(&scene->decision, GATE_CUMULATIVE));
}

static void each_gate_about_the_past_refuses_alone(void **state)
{
	scene->question.live_on_target = 1;
	only(GATE_MUTEX, DECISION_WAIT);
	scene->question.live = scene->limits.concurrent;
	only(GATE_CONCURRENCY, DECISION_WAIT);
	add_past(scene->limits.cooldown_ms - 1, ACTION_SCALE);
	only(GATE_COOLDOWN, DECISION_WAIT);
	add_past(scene->limits.cooldown_ms, ACTION_SCALE);
	assert_int_equal(judge(), DECISION_CLEARED);
	setup(NULL);
	/* Surely not done: no cooldown, but it counts for the budget. */
	for (unsigned i = 0; i < scene->limits.per_target; i++) {
		add_past(1000, ACTION_SCALE);
		scene->ledger.entries[i].undone = true;
	}
	only(GATE_BUDGET_TARGET, DECISION_WAIT);
	scene->limits.ineffective_max = 1;
	add_past(3000000, ACTION_SCALE);
	scene->ledger.entries[0].ineffective_ms = NOW - 1;
	only(GATE_BREAKER, DECISION_BLOCKED);
	ledger_fini(&scene->ledger);
	ledger_init(&scene->ledger, 0);
	only(GATE_RECORDS, DECISION_WAIT);
}

static void budgets_count_their_scope_only(void **state)
{
	struct ledger_entry entry = scene->entry;

	scene->limits.per_namespace = 2;
	for (int i = 0; i < 2; i++) {
		entry.time_ms = NOW - 1000;
		entry.object = entry.owner = 1000 + (uint64_t)i;
		assert_int_equal(ledger_add(&scene->ledger, &entry), STATUS_OK);
	}
	judge();
	assert_true(decision_refuses(&scene->decision, GATE_BUDGET_NAMESPACE));
	assert_false(decision_refuses(&scene->decision, GATE_BUDGET_TARGET));
	assert_false(decision_refuses(&scene->decision, GATE_COOLDOWN));
	scene->entry.namespace_hash++;
	judge();
	assert_false(decision_refuses(&scene->decision, GATE_BUDGET_NAMESPACE));
	scene->limits.per_cluster = 2;
	judge();
	assert_true(decision_refuses(&scene->decision, GATE_BUDGET_CLUSTER));
	scene->entry.cluster++;
	judge();
	assert_false(decision_refuses(&scene->decision, GATE_BUDGET_CLUSTER));
}

static void without_a_cluster_nothing_real_is_cleared(void **state)
{
	error_set(&scene->observation.error, STATUS_UNAVAILABLE, "no cluster configured");
	assert_int_equal(judge(), DECISION_WAIT);
	scene->question.observation = NULL;
	assert_int_equal(judge(), DECISION_WAIT);
	scene->question.dry_run = true;
	assert_int_equal(judge(), DECISION_CLEARED);
	assert_int_equal(scene->decision.gates[GATE_CLUSTER].verdict, GATE_UNKNOWN);
	assert_int_equal(scene->decision.gates[GATE_MANAGED].verdict, GATE_UNKNOWN);
	/* What is known refuses a dry run as well. */
	scene->question.observation = &scene->observation;
	scene->observation.error.code = STATUS_OK;
	scene->observation.managed = false;
	assert_int_equal(judge(), DECISION_BLOCKED);
}

static void what_was_not_looked_at_is_never_cleared(void **state)
{
	scene->question.not_looked = true;
	scene->question.observation = NULL;
	assert_int_equal(judge(), DECISION_WAIT);
	assert_int_equal(decision_reason(&scene->decision), GATE_CLUSTER);
	scene->question.dry_run = true;
	assert_int_equal(judge(), DECISION_WAIT);
	scene->question.kill_switch = true;
	only(GATE_KILL_SWITCH, DECISION_WAIT);
}

static void the_selector_opts_in_too(void **state)
{
	scene->observation.managed = false;
	scene->question.selected = 1;
	assert_int_equal(judge(), DECISION_CLEARED);
	scene->question.selected = 0;
	assert_int_equal(judge(), DECISION_BLOCKED);
}

static void modes_ask_for_a_person(void **state)
{
	scene->question.mode = MODE_APPROVE;
	assert_int_equal(judge(), DECISION_APPROVAL);
	scene->question.by_person = true;
	assert_int_equal(judge(), DECISION_CLEARED);
	/* A yes opens no other gate. */
	scene->observation.paused = true;
	assert_int_equal(judge(), DECISION_WAIT);
	scene->question.by_person = false;
	scene->observation.paused = false;
	scene->question.mode = MODE_SUGGEST;
	assert_int_equal(judge(), DECISION_APPROVAL);
	scene->question.mode = MODE_OBSERVE;
	scene->question.dry_run = true;
	assert_int_equal(judge(), DECISION_CLEARED);
}

static void a_ticket_passes_what_guards_changes(void **state)
{
	scene->plan.kind = scene->entry.kind = ACTION_TICKET;
	scene->question.kill_switch = true;
	scene->question.observation = NULL;
	scene->question.mode = MODE_APPROVE;
	scene->question.storm_alerts = 100000;
	assert_int_equal(judge(), DECISION_CLEARED);
	for (unsigned i = 0; i < scene->limits.per_cluster; i++)
		add_past(1000, ACTION_TICKET);
	assert_int_equal(judge(), DECISION_WAIT);
	/* Tickets and changes use no budget of each other. */
	scene->plan.kind = scene->entry.kind = ACTION_SCALE;
	judge();
	assert_false(decision_refuses(&scene->decision, GATE_BUDGET_CLUSTER));
}

/* What another manager has written since is its own, and what a person set by hand theirs. */
static void a_field_of_somebody_elses_is_left_alone_for_a_while(void **state)
{
	struct field_writer *writer = &scene->observation.replicas_writer;

	snprintf(writer->manager, sizeof(writer->manager), "helm");
	writer->time_ms = NOW - 60000;
	/* We never wrote it: whoever deployed it did. */
	assert_int_equal(judge(), DECISION_CLEARED);
	writer->by_hand = true;
	only(GATE_WRITER, DECISION_WAIT);
	snprintf(writer->manager, sizeof(writer->manager), "kubectl-edit");
	writer->by_hand = true;
	writer->time_ms = NOW - scene->limits.hands_off_ms;
	assert_int_equal(judge(), DECISION_CLEARED);
	setup(NULL);
	add_past(2 * 3600000, ACTION_SCALE);
	snprintf(writer->manager, sizeof(writer->manager), "helm");
	writer->time_ms = NOW - 3600000;
	judge();
	assert_int_equal(scene->decision.retry_ms, NOW - 3600000 + scene->limits.hands_off_ms);
	only(GATE_WRITER, DECISION_WAIT);
	add_past(2 * 3600000, ACTION_SCALE);
	snprintf(writer->manager, sizeof(writer->manager), FIELD_MANAGER);
	assert_int_equal(judge(), DECISION_CLEARED);
	/* It was changed back before, even if nobody tells by whom. */
	ledger_mark_reverted(&scene->ledger, scene->ledger.entries[0].action_id, NOW - 1000);
	only(GATE_WRITER, DECISION_WAIT);
	/* A dry run wrote nothing. */
	scene->entry.dry_run = true;
	add_past(2 * 3600000, ACTION_SCALE);
	snprintf(writer->manager, sizeof(writer->manager), "helm");
	assert_int_equal(judge(), DECISION_CLEARED);
	setup(NULL);
	scene->question.undo = true;
	snprintf(writer->manager, sizeof(writer->manager), "helm");
	judge();
	assert_string_equal(scene->decision.gates[GATE_WRITER].reason, "changed_since");
	only(GATE_WRITER, DECISION_BLOCKED);
}

static void two_persons_are_asked_for_in_any_mode(void **state)
{
	static struct action action;

	action = (struct action){.approvals_needed = 2, .approval_count = 1};
	snprintf(action.approvals[0].by, sizeof(action.approvals[0].by), "ann");
	snprintf(action.approvals[0].role, sizeof(action.approvals[0].role), "approve");
	scene->question.action = &action;
	assert_int_equal(judge(), DECISION_APPROVAL);
	assert_string_equal(scene->decision.gates[GATE_PERSONS].value, "ann (approve)");
	assert_int_equal(scene->decision.gates[GATE_MODE].verdict, GATE_PASS);
	scene->question.by_person = true;
	assert_int_equal(judge(), DECISION_CLEARED);
	scene->question.by_person = false;
	snprintf(action.void_reason, sizeof(action.void_reason), "approval_expired");
	judge();
	assert_string_equal(scene->decision.gates[GATE_PERSONS].reason, "approval_expired");
}

/* Whatever is asked, a real change is cleared only if no gate had a doubt. */
static void no_combination_slips_through(void **state)
{
	struct random random;

	random_init(&random, 42);
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = random_u64(&random);
		bool wrong = false;

		setup(NULL);
		if (bits & 1)
			scene->observation.paused = wrong = true;
		if (bits & 2)
			scene->question.kill_switch = wrong = true;
		if (bits & 4)
			scene->question.observation = NULL, wrong = true;
		if (bits & 8)
			scene->question.live_on_target = 1, wrong = true;
		if (bits & 16)
			scene->condition.reading.quality = QUALITY_STALE, wrong = true;
		if (bits & 32)
			scene->question.firing = false, wrong = true;
		if (bits & 64)
			scene->question.started_ms = NOW, wrong = true;
		if (bits & 128)
			snprintf(scene->observation.git_owner, 64, "flux:x"), wrong = true;
		/* Things that open nothing by themselves. */
		scene->question.by_person = bits & 256;
		scene->question.selected = bits & 512 ? 1 : -1;
		assert_int_equal(judge() == DECISION_CLEARED, !wrong);
	}
}

static void every_gate_is_told_in_words(void **state)
{
	struct buf json, told;
	struct json_span list;

	judge();
	buf_init(&json, 1 << 20);
	decision_write_gates(&json, &scene->decision);
	assert_true(buf_ok(&json));
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		char part[96];

		snprintf(part, sizeof(part), "\"gate\":\"%s\"", gate_name((enum gate)i));
		assert_non_null(strstr(json.data, part));
	}
	/* The record is short; the sentences are made from it when somebody asks. */
	assert_int_equal(json_span_init(&list, json.data, json.size, 4, NULL), STATUS_OK);
	buf_init(&told, 1 << 20);
	gates_write_told(&told, &list);
	assert_non_null(strstr(told.data,
		"The last action on the target is long enough ago (never; wanted: at least "));
	assert_int_equal(json_span_init(&list, told.data, told.size, 4, NULL), STATUS_OK);
	buf_fini(&told);
	buf_fini(&json);
}

/* A refusal is one plain statement of why, with what would have to change. */
static void a_refusal_says_why_and_what_would_have_to_change(void **state)
{
	char text[GATE_SENTENCE_MAX];

	scene->observation.managed = false;
	judge();
	gate_sentence(&scene->decision, GATE_MANAGED, text, sizeof(text));
	assert_string_equal(text,
		"The target is not opted in (by neither annotation nor selector). Annotate it or its "
		"namespace with nimbusguard.io/managed: \"true\", or select it by remediate.opt_in.");
	add_past(60000, ACTION_SCALE);
	judge();
	gate_sentence(&scene->decision, GATE_COOLDOWN, text, sizeof(text));
	assert_string_equal(text,
		"The last action on the target is too recent (1m ago; wanted: at least 5m). Wait until "
		"guard.cooldown is over.");
	refusal_set(&scene->resolved, "target_missing", "The labels lack a namespace.");
	refusal_set(&scene->plan.refusal, "no_change", "The limits are there already.");
	scene->question.kill_switch = true;
	scene->question.kill_switch_by = "ann";
	scene->question.kill_switch_since_ms = NOW;
	scene->question.mode = MODE_SUGGEST;
	scene->question.seen = -1;
	judge();
	gate_sentence(&scene->decision, GATE_TARGET, text, sizeof(text));
	assert_string_equal(text,
		"The labels do not name one target: The labels lack a namespace. Mend the alert's "
		"labels or the playbook's target.");
	gate_sentence(&scene->decision, GATE_PLAN, text, sizeof(text));
	assert_non_null(strstr(text, "can be made: The limits are there already. Change the"));
	gate_sentence(&scene->decision, GATE_KILL_SWITCH, text, sizeof(text));
	assert_string_equal(text,
		"The kill switch is on (since 2026-01-01T00:00:00.000Z by ann). Post paused=false to "
		"/api/v1/pause to switch it off.");
	gate_sentence(&scene->decision, GATE_MODE, text, sizeof(text));
	assert_non_null(strstr(text,
		"It is a suggestion, shown and never carried out (suggest; wanted: mode approve"));
	gate_sentence(&scene->decision, GATE_SEEN, text, sizeof(text));
	assert_non_null(strstr(text, "It is not known whether the workload is in the stream"));
}

static void no_sentence_denies_a_denial(void **state)
{
	for (unsigned i = 0; i < GATE_COUNT; i++) {
		struct gate_result *result = &scene->decision.gates[i];
		char text[GATE_SENTENCE_MAX];

		memset(result, 0, sizeof(*result));
		result->verdict = GATE_REFUSE;
		gate_sentence(&scene->decision, (enum gate)i, text, sizeof(text));
		if (strstr(text, ": no") || text[strlen(text) - 1] != '.' || !strstr(text, ". "))
			fail_msg("%s", text);
		result->verdict = GATE_PASS;
		gate_sentence(&scene->decision, (enum gate)i, text, sizeof(text));
		if (strstr(text, ": yes") || text[0] < 'A' || text[0] > 'Z')
			fail_msg("%s", text);
	}
}

/* ---- counted ---- */

static unsigned counted(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < GATE_COUNT; i++)
		count += decision_counts(&scene->decision, (enum gate)i);
	return count;
}

static void one_missing_answer_counts_as_one_refusal(void **state)
{
	scene->question.observation = NULL;
	assert_int_equal(judge(), DECISION_WAIT);
	assert_true(decision_refuses(&scene->decision, GATE_MANAGED));
	assert_int_equal(counted(), 1);
	assert_true(decision_counts(&scene->decision, GATE_CLUSTER));
	/* Where gates say no, they are what refused. */
	scene->question.kill_switch = true;
	scene->question.storm_alerts = scene->limits.storm_alerts + 1;
	judge();
	assert_int_equal(counted(), 2);
	assert_true(decision_counts(&scene->decision, GATE_KILL_SWITCH));
	assert_true(decision_counts(&scene->decision, GATE_STORM));
	/* In a dry run what is not known refuses nothing. */
	setup(NULL);
	scene->question.observation = NULL;
	scene->question.dry_run = true;
	assert_int_equal(judge(), DECISION_CLEARED);
	assert_int_equal(counted(), 0);
}

/* ---- plans ---- */

static struct playbook_step scale_by(enum amount_kind kind, double value)
{
	return (struct playbook_step){.action = ACTION_SCALE,
		.changes = {{CHANGE_REPLICAS, {kind, value}, 0, 0}},
		.change_count = 1};
}

static int32_t planned(struct playbook_step step, int32_t replicas, int32_t replicas_max)
{
	struct plan_question question = {.playbook = &scene->playbook,
		.step = &step,
		.event = &scene->event,
		.target = &scene->target,
		.observation = &scene->observation,
		.replicas_max = replicas_max,
		.now_ms = NOW,
		.reason = ""};

	scene->observation.replicas = replicas;
	plan_make(&scene->plan, &question);
	return (int32_t)changes_after(&scene->plan.changes, CHANGE_REPLICAS, 0);
}

static void scale_steps_are_rounded_away_and_held_in_bounds(void **state)
{
	struct playbook_step step;

	assert_int_equal(planned(scale_by(AMOUNT_DELTA, 2), 3, 50), 5);
	assert_int_equal(planned(scale_by(AMOUNT_PERCENT, 50), 3, 50), 5);
	assert_int_equal(planned(scale_by(AMOUNT_PERCENT, 10), 1, 50), 2);
	assert_int_equal(planned(scale_by(AMOUNT_PERCENT, -10), 10, 50), 9);
	assert_int_equal(planned(scale_by(AMOUNT_DELTA, -5), 3, 50), 1);
	assert_int_equal(planned(scale_by(AMOUNT_PERCENT, 100), 40, 50), 50);
	assert_string_equal(scene->plan.refusal.reason, "");
	assert_int_equal(planned(scale_by(AMOUNT_PERCENT, 100), 50, 50), 50);
	assert_string_equal(scene->plan.refusal.reason, "no_change");
	/* Above its bound already: a raise must not become a cut. */
	assert_int_equal(planned(scale_by(AMOUNT_DELTA, 2), 60, 50), 60);
	assert_string_equal(scene->plan.refusal.reason, "no_change");
	assert_int_equal(planned(scale_by(AMOUNT_DELTA, 2), 0, 50), 2);
	assert_string_equal(scene->plan.refusal.reason, "scaled_to_zero");
	step = scale_by(AMOUNT_DELTA, 5);
	step.changes[0].highest = 4;
	assert_int_equal(planned(step, 3, 50), 4);
}

static void a_limit_that_is_not_set_is_not_raised(void **state)
{
	struct playbook_step step = {.action = ACTION_ADJUST_RESOURCES,
		.changes = {{CHANGE_MEMORY_LIMIT, {AMOUNT_PERCENT, 25}, 0, 1000}},
		.change_count = 1};

	scene->observation.memory_limit_bytes = 0;
	planned(step, 1, 1);
	assert_string_equal(scene->plan.refusal.reason, "no_limit_set");
	scene->observation.memory_limit_bytes = 400;
	planned(step, 1, 1);
	assert_int_equal(scene->plan.changes.list[0].after, 500);
	scene->observation.memory_limit_bytes = 900;
	planned(step, 1, 1);
	assert_int_equal(scene->plan.changes.list[0].after, 1000);
	scene->observation.memory_limit_bytes = 1000;
	planned(step, 1, 1);
	assert_string_equal(scene->plan.refusal.reason, "no_change");
}

static void the_hash_binds_plan_and_state(void **state)
{
	uint64_t first;

	planned(scale_by(AMOUNT_DELTA, 2), 3, 50);
	first = scene->plan.hash;
	planned(scale_by(AMOUNT_DELTA, 2), 3, 50);
	assert_true(first == scene->plan.hash);
	planned(scale_by(AMOUNT_DELTA, 2), 4, 50);
	assert_true(first != scene->plan.hash);
	snprintf(scene->target.uid, UID_MAX, "x");
	planned(scale_by(AMOUNT_DELTA, 2), 3, 50);
	assert_true(first != scene->plan.hash);
}

static int applied(void)
{
	return plan_applied(&scene->plan, &scene->target, "a-1", &scene->observation);
}

static void what_was_done_is_told_by_the_cluster(void **state)
{
	planned(scale_by(AMOUNT_DELTA, 1), 2, 50);
	assert_int_equal(applied(), 0);
	scene->observation.replicas = 3;
	assert_int_equal(applied(), 1);
	error_set(&scene->observation.error, STATUS_TIMEOUT, "x");
	assert_int_equal(applied(), -1);
	assert_int_equal(plan_applied(&scene->plan, &scene->target, "a-1", NULL), -1);
	error_reset(&scene->observation.error);
	scene->plan.kind = ACTION_RESTART_POD;
	assert_int_equal(applied(), -1);
	snprintf(scene->target.uid, UID_MAX, "u");
	assert_int_equal(applied(), 0);
	snprintf(scene->target.uid, UID_MAX, "old");
	assert_int_equal(applied(), 1);
	/* What another object of that name is like tells nothing of ours. */
	scene->plan.kind = ACTION_SCALE;
	assert_int_equal(applied(), 0);
}

static void restart_is_told_by_its_key_and_cordon_by_the_node(void **state)
{
	planned(scale_by(AMOUNT_DELTA, 1), 2, 50);
	scene->plan.kind = ACTION_RESTART_WORKLOAD;
	assert_int_equal(applied(), 0);
	snprintf(scene->observation.action_key, ACTION_ID_MAX, "a-10");
	assert_int_equal(applied(), 0);
	snprintf(scene->observation.action_key, ACTION_ID_MAX, "a-1");
	assert_int_equal(applied(), 1);
	assert_int_equal(plan_applied(&scene->plan, &scene->target, "", &scene->observation), -1);
	scene->plan.kind = ACTION_CORDON;
	scene->plan.changes = (struct changes){{{CHANGE_UNSCHEDULABLE, 0, 1}}, 1};
	assert_int_equal(applied(), 0);
	scene->observation.unschedulable = true;
	assert_int_equal(applied(), 1);
	scene->observation.found = false;
	assert_int_equal(applied(), 0);
}

static void a_full_ledger_takes_nothing_more(void **state)
{
	struct ledger ledger;
	struct ledger_entry entry = scene->entry;

	ledger_init(&ledger, 3);
	for (int64_t i = 0; i < 3; i++) {
		entry.time_ms = NOW + i;
		assert_int_equal(ledger_add(&ledger, &entry), STATUS_OK);
	}
	assert_int_equal(ledger_add(&ledger, &entry), STATUS_LIMIT);
	ledger_expire(&ledger, NOW + 10, 9);
	assert_int_equal(ledger.count, 2);
	assert_int_equal(ledger_add(&ledger, &entry), STATUS_OK);
	ledger_fini(&ledger);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_good_question_is_cleared),
		T(each_gate_about_the_service_refuses_alone),
		T(each_gate_about_the_target_refuses_alone),
		T(a_bare_pod_is_never_deleted),
		T(each_gate_about_the_plan_refuses_alone),
		T(bad_data_refuses_whatever_its_value),
		T(a_refusal_says_why_and_what_would_have_to_change),
		T(no_sentence_denies_a_denial),
		T(one_missing_answer_counts_as_one_refusal),
		T(changes_together_stay_in_their_bound),
		T(each_gate_about_the_past_refuses_alone),
		T(budgets_count_their_scope_only),
		T(without_a_cluster_nothing_real_is_cleared),
		T(what_was_not_looked_at_is_never_cleared),
		T(the_selector_opts_in_too),
		T(modes_ask_for_a_person),
		T(a_ticket_passes_what_guards_changes),
		T(a_field_of_somebody_elses_is_left_alone_for_a_while),
		T(two_persons_are_asked_for_in_any_mode),
		T(no_combination_slips_through),
		T(every_gate_is_told_in_words),
		T(scale_steps_are_rounded_away_and_held_in_bounds),
		T(a_limit_that_is_not_set_is_not_raised),
		T(the_hash_binds_plan_and_state),
		T(what_was_done_is_told_by_the_cluster),
		T(restart_is_told_by_its_key_and_cordon_by_the_node),
		T(a_full_ledger_takes_nothing_more),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
