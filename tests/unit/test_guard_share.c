/*
 * Budgets as shares: of a namespace's workloads, a workload's pods, a cluster's nodes. Rounded down, this
 * action among them; of an unknown number nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remediations/guard.h"

#define NOW INT64_C(1767225600000)

static struct guard_question question;
static struct guard_limits limits;
static struct playbook playbook;
static struct event event;
static struct target target;
static struct refusal resolved;
static struct observation observation;
static struct plan plan;
static struct ledger ledger;
static struct ledger_entry entry;
static struct decision decision;

static int setup(void **state)
{
	(void)state;
	guard_limits_default(&limits);
	playbook = (struct playbook){.name = "p", .enabled = true};
	event_init(&event);
	target = (struct target){.kind = TARGET_DEPLOYMENT,
		.namespace_name = "shop",
		.name = "web",
		.workload = {.namespace_name = "shop", .kind = TARGET_DEPLOYMENT, .name = "web"}};
	observation = (struct observation){.found = true, .replicas = 2, .managed = true};
	observation.target = target;
	snprintf(observation.target.uid, UID_MAX, "u");
	plan = (struct plan){.kind = ACTION_SCALE, .changes = {{{CHANGE_REPLICAS, 2, 3}}, 1}};
	ledger_init(&ledger, 100);
	entry = (struct ledger_entry){.kind = ACTION_SCALE, .playbook = 5};
	ledger_key(&entry, &target);
	question = (struct guard_question){.now_ms = NOW,
		.started_ms = NOW - 3600000,
		.playbook = &playbook,
		.limits = &limits,
		.mode = MODE_AUTO,
		.event = &event,
		.firing = true,
		.target = &target,
		.target_refusal = &resolved,
		.observation = &observation,
		.plan = &plan,
		.ledger = &ledger,
		.entry = &entry,
		.selected = -1,
		.seen = 1};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ledger_fini(&ledger);
	return 0;
}

static void add_other(uint64_t object, uint64_t owner)
{
	struct ledger_entry past = entry;

	past.time_ms = NOW - 1000;
	past.object = object;
	past.owner = owner;
	assert_int_equal(ledger_add(&ledger, &past), STATUS_OK);
}

static enum gate_verdict verdict_of(enum gate gate)
{
	guard_judge(&question, &decision);
	return decision.gates[gate].verdict;
}

static void a_share_of_the_workloads_of_a_namespace(void **state)
{
	limits.workloads_percent = 50;
	/* How many there are is not known. */
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_UNKNOWN);
	assert_int_equal(decision.verdict, DECISION_WAIT);
	question.workloads = 5;
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_PASS);
	add_other(1, 1);
	/* The same workload again is no further one, and its own counts as this one. */
	add_other(2, 1);
	add_other(entry.object, entry.owner);
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_PASS);
	add_other(3, 3);
	/* Three of five are more than half of them. */
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_REFUSE);
	assert_string_equal(decision.gates[GATE_SHARE_WORKLOADS].value,
		"3 of 5 workloads with this one");
	question.workloads = 6;
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_PASS);
	limits.workloads_percent = 100;
	question.workloads = 0;
	assert_int_equal(verdict_of(GATE_SHARE_WORKLOADS), GATE_NOT_ASKED);
}

static void a_share_of_the_pods_of_a_workload(void **state)
{
	limits.pods_percent = 30;
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_NOT_ASKED);
	target.kind = TARGET_POD;
	observation.replicas = 6;
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_PASS);
	add_other(1, entry.owner);
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_REFUSE);
	observation.replicas = 7;
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_PASS);
	add_other(2, 99);
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_PASS);
	/* 30 % of three pods are none. */
	observation.replicas = 3;
	ledger.count = 0;
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_REFUSE);
	observation.replicas = 0;
	assert_int_equal(verdict_of(GATE_SHARE_PODS), GATE_UNKNOWN);
}

static void a_share_of_the_nodes_of_a_cluster(void **state)
{
	limits.nodes_percent = 10;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_NOT_ASKED);
	plan.kind = entry.kind = ACTION_CORDON;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_UNKNOWN);
	observation.nodes = 9;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_REFUSE);
	observation.nodes = 20;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_PASS);
	observation.nodes_cordoned = 1;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_PASS);
	question.live_nodes = 1;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_REFUSE);
	/* The drain of a node that we have cordoned makes it no further one. */
	snprintf(observation.cordoned_by, ACTION_ID_MAX, "a-1");
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_PASS);
	question.undo = true;
	assert_int_equal(verdict_of(GATE_SHARE_NODES), GATE_NOT_ASKED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_share_of_the_workloads_of_a_namespace),
		T(a_share_of_the_pods_of_a_workload),
		T(a_share_of_the_nodes_of_a_cluster),
	};

	return cmocka_run_group_tests_name("guard_share", tests, NULL, NULL);
}
