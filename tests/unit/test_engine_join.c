/*
 * Events that join an incident instead of opening one of their own.
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
#include "remediations/engine.h"
#include "tests/support/engine_bench.h"

#define GROUP UINT64_C(0xfeedbeef)

static struct label pair(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static const char *of = "web"; /* the workload of the next events */
static const char *summary;    /* of the next findings, whose pods are on a node; NULL: none */

static int of_web(void **st)
{
	(void)st;
	of = "web";
	summary = NULL;
	return 0;
}

/* One of its alerts (pod not NULL) or findings. */
static void make_event(struct event *event, const char *name, const char *pod, bool firing,
	int64_t starts_ms)
{
	struct label pairs[] = {pair(pod ? "alertname" : "finding", name),
		pair("namespace", "shop"), pair("workload", of),
		pair("workload_kind", "Deployment"), pair("pod", pod ? pod : "")};

	event_init(event);
	assert_int_equal(labels_init(&event->labels, pairs, pod ? 5 : 4, NULL), STATUS_OK);
	event->firing = firing;
	event->fingerprint = labels_fingerprint(&event->labels);
	event->starts_ms = starts_ms;
}

static void hear(struct bench *bench, struct event *event)
{
	event->received_ms = bench->now_ms;
	engine_event(bench->engine, event, 0, bench->now_ms);
	event_fini(event);
}

static void fire(struct bench *bench, const char *name, const char *pod, bool firing,
	int64_t starts_ms)
{
	struct event event;

	make_event(&event, name, pod, firing, starts_ms);
	hear(bench, &event);
}

static void find(struct bench *bench, const char *name, uint64_t group, bool firing,
	int64_t starts_ms)
{
	struct event event;

	make_event(&event, name, NULL, firing, starts_ms);
	event.source = EVENT_FINDING;
	event.score = event.confidence = 1;
	event.group = group;
	if (summary) {
		struct label annotation = pair("summary", summary);

		assert_int_equal(labels_init(&event.annotations, &annotation, 1, NULL), STATUS_OK);
		event.node = mem_strdup("worker-1");
	}
	hear(bench, &event);
}

/* Two pods of web are saturated, one a second after the other. */
static void fire_two(struct bench *bench)
{
	fire(bench, "Saturated", "web-1", true, START_MS);
	fire(bench, "Saturated", "web-2", true, START_MS + 1000);
}

static void load_text(struct bench *bench, const char *text)
{
	struct diagnostics diagnostics;

	diagnostics_init(&diagnostics);
	assert_int_equal(playbooks_load_text(bench->playbooks, "more.yaml", text, strlen(text),
				 &diagnostics),
		STATUS_OK);
	diagnostics_fini(&diagnostics);
}

static const char findings_text[] = "playbook: findings\n"
				    "trigger: {finding: ['finding=~\".+\"']}\n"
				    "priority: -900\n"
				    "steps: [{action: ticket, title: '{{ event }}', text: 'x'}]\n";

static const char remedy_text[] = "playbook: remedy\n"
				  "trigger: {finding: ['finding=\"saturation_high\"']}\n"
				  "target: {kind: Workload}\n"
				  "steps: [{action: scale, by: +50%, max: 10}]\n"
				  "verify: {signal: saturation, is: below, value: 0.8, over: 1m}\n";

/* The same step as the bench's own playbook `scale`. */
static const char other_text[] = "playbook: other\n"
				 "trigger: {alert: ['alertname=\"Slow\"'], range: 1m}\n"
				 "target: {kind: Workload}\n"
				 "steps: [{action: scale, by: +50%, max: 10}]\n"
				 "verify: {signal: saturation, is: below, value: 0.8, over: 1m}\n";

static bool count_one(void *argument, const struct incident *incident)
{
	(void)incident;
	++*(size_t *)argument;
	return true;
}

static size_t incident_count(const struct bench *bench)
{
	size_t count = 0;

	engine_visit(bench->engine, count_one, &count);
	return count;
}

static size_t sent_tickets(const struct bench *bench)
{
	size_t count = 0;

	for (size_t i = 0; i < bench->sent_count; i++)
		count += bench->sent[i].kind == ACTION_TICKET;
	return count;
}

/* ---- alerts ---- */

static void the_second_pod_of_a_workload_is_answered_by_the_same_plan(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);
	char joined[1024];

	(void)st;
	fire(bench, "Saturated", "web-1", true, START_MS);
	settle(bench);
	fire(bench, "Saturated", "web-2", true, START_MS + 1000);
	settle(bench);
	assert_int_equal(incident_count(bench), 1);
	assert_int_equal(only(bench)->joined, 1);
	assert_int_equal(only(bench)->action_count, 1);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	companions_write(only(bench), joined, sizeof(joined));
	assert_string_equal(joined, "Saturated (pod web-2)");
	/* Said again it is nothing new. */
	fire(bench, "Saturated", "web-2", true, START_MS + 1000);
	assert_int_equal(only(bench)->joined, 1);
	bench_close(bench);
}

static void an_incident_goes_on_until_the_last_of_its_alerts_ended(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);

	(void)st;
	fire_two(bench);
	settle(bench);
	fire(bench, "Saturated", "web-1", false, START_MS);
	settle(bench);
	assert_true(only(bench)->open && only(bench)->firing);
	assert_int_equal(state(bench), STATE_AWAITING_APPROVAL);
	fire(bench, "Saturated", "web-2", false, START_MS + 1000);
	settle(bench);
	assert_false(only(bench)->open);
	assert_string_equal(bench->outcome, "resolved");
	/* What ended and was answered opens nothing when it is told again. */
	fire(bench, "Saturated", "web-2", true, START_MS + 1000);
	settle(bench);
	assert_int_equal(incident_count(bench), 1);
	bench_close(bench);
}

static void what_joined_and_ended_may_fire_anew(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);

	(void)st;
	fire_two(bench);
	fire(bench, "Saturated", "web-2", false, START_MS + 1000);
	fire(bench, "Saturated", "web-2", true, START_MS + 5000);
	fire(bench, "Saturated", "web-1", false, START_MS);
	settle(bench);
	assert_int_equal(incident_count(bench), 1);
	assert_true(only(bench)->firing);
	assert_int_equal(only(bench)->joined, 2);
	bench_close(bench);
}

static void another_pod_is_another_target(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);

	(void)st;
	bench->restarts = 5;
	fire(bench, "CrashLoop", "web-1", true, START_MS);
	fire(bench, "CrashLoop", "web-2", true, START_MS);
	settle(bench);
	assert_int_equal(incident_count(bench), 2);
	bench_close(bench);
}

static void what_joined_is_known_after_a_restart(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);

	(void)st;
	fire_two(bench);
	settle(bench);
	fire(bench, "Saturated", "web-1", false, START_MS);
	settle(bench);
	bench_restart(bench);
	settle(bench);
	assert_int_equal(only(bench)->companion_count, 1);
	assert_string_equal(only(bench)->companions->text, "pod web-2");
	assert_true(only(bench)->firing && !only(bench)->first_firing);
	fire(bench, "Saturated", "web-2", true, START_MS + 1000);
	fire(bench, "Saturated", "web-3", true, START_MS + 2000);
	settle(bench);
	assert_int_equal(incident_count(bench), 1);
	fire(bench, "Saturated", "web-3", false, START_MS + 2000);
	assert_true(only(bench)->open);
	fire(bench, "Saturated", "web-2", false, START_MS + 1000);
	assert_false(only(bench)->open);
	bench_close(bench);
}

static void more_than_are_remembered_join_all_the_same(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);
	char pod[32], joined[32768];

	(void)st;
	for (int i = 0; i < COMPANIONS_MAX + 10; i++) {
		snprintf(pod, sizeof(pod), "web-%d", i);
		fire(bench, "Saturated", pod, true, START_MS + i);
		settle(bench);
	}
	assert_int_equal(incident_count(bench), 1);
	assert_int_equal(only(bench)->companion_count, COMPANIONS_MAX);
	assert_int_equal(only(bench)->joined, COMPANIONS_MAX + 9);
	/* How many are not told one by one is known, and is not forgotten. */
	assert_int_equal(only(bench)->unlisted, 9);
	bench_restart(bench);
	assert_int_equal(only(bench)->unlisted, 9);
	companions_write(only(bench), joined, sizeof(joined));
	assert_non_null(strstr(joined, "Saturated (pod web-64) and more"));
	bench_close(bench);
}

static void two_playbooks_with_the_same_plan_ask_once(void **st)
{
	struct bench *bench = bench_open(MODE_APPROVE, false);

	(void)st;
	load_text(bench, other_text);
	fire(bench, "Saturated", "web-1", true, START_MS);
	settle(bench);
	fire(bench, "Slow", "web-1", true, START_MS + 1000);
	settle(bench);
	assert_int_equal(incident_count(bench), 2);
	assert_int_equal(engine_open_count(bench->engine), 1);
	assert_string_equal(bench->outcome, "resolved");
	/* The one that is left is ended by both. */
	fire(bench, "Saturated", "web-1", false, START_MS);
	assert_int_equal(engine_open_count(bench->engine), 1);
	fire(bench, "Slow", "web-1", false, START_MS + 1000);
	assert_int_equal(engine_open_count(bench->engine), 0);
	bench_close(bench);
}

/* ---- findings ---- */

static void findings_of_one_group_are_one_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	char joined[1024];

	(void)st;
	load_text(bench, findings_text);
	find(bench, "cpu_high", GROUP, true, START_MS);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	/* The ticket is open, and the incident over. */
	assert_int_equal(engine_open_count(bench->engine), 0);
	find(bench, "latency_high", GROUP, true, START_MS + 60000);
	find(bench, "errors_high", GROUP, true, START_MS + 90000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	assert_int_equal(incident_count(bench), 1);
	companions_write(only(bench), joined, sizeof(joined));
	assert_string_equal(joined,
		"latency_high (finding latency_high), errors_high (finding errors_high)");
	/* Told again, both are known. */
	find(bench, "latency_high", GROUP, true, START_MS + 60000);
	assert_int_equal(only(bench)->joined, 2);
	bench_close(bench);
}

static void a_ticket_of_several_findings_is_over_with_the_last_one(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	load_text(bench, findings_text);
	find(bench, "cpu_high", GROUP, true, START_MS);
	settle(bench);
	find(bench, "latency_high", GROUP, true, START_MS + 60000);
	find(bench, "cpu_high", GROUP, false, START_MS);
	settle(bench);
	bench_restart(bench);
	assert_int_equal(bench->quiet, 0);
	find(bench, "latency_high", GROUP, false, START_MS + 60000);
	assert_int_equal(bench->quiet, 1);
	find(bench, "latency_high", GROUP, false, START_MS + 60000);
	assert_int_equal(bench->quiet, 1);
	bench_close(bench);
}

static void findings_of_two_groups_are_two_tickets(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	load_text(bench, findings_text);
	find(bench, "cpu_high", GROUP, true, START_MS);
	find(bench, "latency_high", GROUP + 1, true, START_MS);
	find(bench, "errors_high", 0, true, START_MS);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 3);
	bench_close(bench);
}

static void a_symptom_joins_the_remedy_and_is_heard_anew_when_it_outlasts_it(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	load_text(bench, findings_text);
	load_text(bench, remedy_text);
	find(bench, "saturation_high", GROUP, true, START_MS);
	find(bench, "latency_high", GROUP, true, START_MS + 1000);
	settle(bench);
	assert_int_equal(incident_count(bench), 1);
	assert_int_equal(sent_tickets(bench), 0);
	bench->observation.replicas = 3;
	bench->saturation = 0.5;
	for (int i = 0; i < 20; i++) {
		pass(bench, 60000);
		settle(bench);
	}
	assert_string_equal(bench->outcome, "cured");
	find(bench, "latency_high", GROUP, true, START_MS + 1000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	bench_close(bench);
}

static void a_remedy_is_not_swallowed_by_a_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	load_text(bench, findings_text);
	load_text(bench, remedy_text);
	/* Neither while it is on its way nor when it is open. */
	find(bench, "latency_high", GROUP, true, START_MS);
	assert_int_equal(engine_open_count(bench->engine), 1);
	find(bench, "saturation_high", GROUP, true, START_MS + 1000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	assert_int_equal(bench->sent_count, 2);
	assert_int_equal(engine_open_count(bench->engine), 1);
	bench_close(bench);
}

/* Of one group are findings of two workloads when the pods of both are on one node. */
static void findings_of_two_workloads_in_one_group_are_one_ticket(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);
	char joined[1024];

	(void)st;
	load_text(bench, findings_text);
	find(bench, "cpu_high", GROUP, true, START_MS);
	of = "api";
	/* While it is on its way, and when it is open. */
	summary = "cpu of api is high";
	find(bench, "cpu_high", GROUP, true, START_MS + 1000);
	summary = NULL;
	settle(bench);
	companions_write(only(bench), joined, sizeof(joined));
	assert_string_equal(joined,
		"cpu_high (cpu of api is high; its pods are all on node worker-1, too)");
	find(bench, "latency_high", GROUP, true, START_MS + 60000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	assert_int_equal(incident_count(bench), 1);
	assert_int_equal(only(bench)->joined, 2);
	/* Told again, they are known; and after a restart. */
	find(bench, "cpu_high", GROUP, true, START_MS + 1000);
	bench_restart(bench);
	find(bench, "latency_high", GROUP, true, START_MS + 60000);
	find(bench, "errors_high", GROUP, true, START_MS + 70000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 1);
	assert_int_equal(only(bench)->joined, 3);
	find(bench, "errors_high", GROUP + 1, true, START_MS + 80000);
	settle(bench);
	assert_int_equal(sent_tickets(bench), 2);
	bench_close(bench);
}

static void remedies_of_two_workloads_in_one_group_stay_apart(void **st)
{
	struct bench *bench = bench_open(MODE_AUTO, false);

	(void)st;
	load_text(bench, findings_text);
	load_text(bench, remedy_text);
	/* A remedy joins no ticket of another workload, and a ticket no remedy of one. */
	find(bench, "latency_high", GROUP, true, START_MS);
	of = "api";
	find(bench, "saturation_high", GROUP, true, START_MS + 1000);
	of = "cart";
	find(bench, "saturation_high", GROUP, true, START_MS + 2000);
	settle(bench);
	assert_int_equal(incident_count(bench), 3);
	of = "db";
	find(bench, "saturation_high", GROUP + 1, true, START_MS + 3000);
	of = "queue";
	find(bench, "latency_high", GROUP + 1, true, START_MS + 4000);
	settle(bench);
	assert_int_equal(incident_count(bench), 5);
	bench_close(bench);
}

/* ---- replicas ---- */

static void the_leaders_incident_ends_the_twin_that_began_with_another_alert(void **st)
{
	struct bench *leader = bench_open(MODE_APPROVE, false);
	struct bench *second = bench_open(MODE_APPROVE, false);
	struct error error;
	bool news;

	(void)st;
	engine_stand_by(leader->engine, START_MS);
	engine_lead(leader->engine, true, START_MS);
	engine_stand_by(second->engine, START_MS);
	fire_two(leader);
	settle(leader);
	fire(second, "Saturated", "web-2", true, START_MS + 1000);
	fire(second, "Saturated", "web-1", true, START_MS);
	settle(second);
	assert_string_not_equal(only(leader)->id, only(second)->id);
	for (size_t i = 0; i < leader->record_count; i++)
		if (leader->records[i].kind == RECORD_INCIDENT ||
			leader->records[i].kind == RECORD_ACTION)
			assert_int_equal(engine_adopt(second->engine, &leader->records[i], &news,
						 second->now_ms, &error),
				STATUS_OK);
	assert_int_equal(engine_open_count(second->engine), 1);
	bench_close(leader);
	bench_close(second);
}

/* ---- memory ---- */

static void without_memory_an_event_joins_whole_or_is_refused_by_name(void **st)
{
	bool reached = true, joined = false, ever_refused = false;

	(void)st;
	for (long n = 1; reached; n++) {
		struct bench *bench = bench_open(MODE_APPROVE, false);
		struct event event;

		fire(bench, "Saturated", "web-1", true, START_MS);
		settle(bench);
		make_event(&event, "Saturated", "web-2", true, START_MS + 1000);
		mem_fail_after(n, false);
		engine_event(bench->engine, &event, 0, bench->now_ms);
		reached = mem_fail_after(0, false);
		settle(bench);
		assert_int_equal(incident_count(bench), 1);
		assert_true(only(bench)->open);
		joined = only(bench)->joined == 1;
		assert_int_equal(only(bench)->companion_count, joined);
		assert_int_equal(refused_for(bench, "no_memory"), !joined);
		ever_refused = ever_refused || !joined;
		event_fini(&event);
		bench_close(bench);
	}
	assert_true(joined && ever_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_pod_of_a_workload_is_answered_by_the_same_plan),
		cmocka_unit_test(an_incident_goes_on_until_the_last_of_its_alerts_ended),
		cmocka_unit_test(what_joined_and_ended_may_fire_anew),
		cmocka_unit_test(another_pod_is_another_target),
		cmocka_unit_test(what_joined_is_known_after_a_restart),
		cmocka_unit_test(more_than_are_remembered_join_all_the_same),
		cmocka_unit_test(two_playbooks_with_the_same_plan_ask_once),
		cmocka_unit_test(findings_of_one_group_are_one_ticket),
		cmocka_unit_test(a_ticket_of_several_findings_is_over_with_the_last_one),
		cmocka_unit_test(findings_of_two_groups_are_two_tickets),
		cmocka_unit_test_teardown(findings_of_two_workloads_in_one_group_are_one_ticket,
			of_web),
		cmocka_unit_test_teardown(remedies_of_two_workloads_in_one_group_stay_apart,
			of_web),
		cmocka_unit_test(a_symptom_joins_the_remedy_and_is_heard_anew_when_it_outlasts_it),
		cmocka_unit_test(a_remedy_is_not_swallowed_by_a_ticket),
		cmocka_unit_test(the_leaders_incident_ends_the_twin_that_began_with_another_alert),
		cmocka_unit_test(without_memory_an_event_joins_whole_or_is_refused_by_name),
	};

	return cmocka_run_group_tests_name("engine_join", tests, NULL, NULL);
}
