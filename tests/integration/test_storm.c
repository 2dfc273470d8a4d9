/*
 * Ten thousand alerts at once, each about a workload of its own: no more is changed than the budgets
 * allow, none is lost, and each has its decision record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "remediations/journal.h"
#include "tests/support/http_client.h"
#include "tests/support/servers.h"

#define ALERTS 10000
#define A_MESSAGE 100
#define BUDGET 7

static struct servers servers;
static struct server *nimbusguard;
static char playbook_flag[SERVER_PATH_MAX + 32];

/* The storm gate lets all pass here, so that the budgets are what holds. */
static const char *const open_flags[] = {playbook_flag, "--guard.startup-grace=0s", "--mode=auto",
	"--guard.storm-alerts=1000000", "--guard.per-cluster=7", "--guard.per-namespace=100000",
	"--guard.per-kind=100000", "--guard.concurrent=10000", "--remediate.event-queue-max=20000",
	"--remediate.incidents-max=20000", "--enable-feature=ingest,remediate",
	"--remediate.opt-in={namespace=\"shop\"}", "--log.level=error", NULL};

static const char playbook[] =
	"playbook: storm\ntrigger:\n  alert: ['alertname=\"Storm\"']\ntarget: {kind: Workload}\n"
	"steps:\n- {action: scale, by: +1, max: 40}\n"
	"verify: {signal: replicas, is: above, value: 2, over: 1m, after: 11m}\n";

static int setup(void **state)
{
	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	nimbusguard = server_add(&servers, "nimbusguard");
	snprintf(playbook_flag, sizeof(playbook_flag), "--remediate.playbooks=%s",
		servers_write(&servers, "storm.yaml", playbook));
	nimbusguard_start(&servers, nimbusguard, open_flags);
	return 0;
}

static int teardown(void **state)
{
	if (servers.folder[0] != '\0')
		servers_close(&servers);
	return 0;
}

static void send_message(int first)
{
	static char body[A_MESSAGE * 320 + 100];
	struct http_reply reply;
	size_t size;

	size = (size_t)snprintf(body, sizeof(body), "{\"version\":\"4\",\"alerts\":[");
	for (int i = first; i < first + A_MESSAGE; i++)
		size += (size_t)snprintf(body + size, sizeof(body) - size,
			"%s{\"status\":\"firing\",\"labels\":{\"alertname\":\"Storm\",\"severity\":"
			"\"warning\",\"namespace\":\"shop\",\"workload_kind\":\"Deployment\","
			"\"workload\":\"w-%d\"},\"startsAt\":\"2026-01-02T03:04:05Z\"}",
			i > first ? "," : "", i);
	snprintf(body + size, sizeof(body) - size, "]}");
	/* What is told to come again comes again, as Alertmanager would send it. */
	for (int tries = 0; tries < 600; tries++) {
		reply = http_call(nimbusguard->port.number, "POST", "/api/v1/webhook",
			"Content-Type: application/json\r\n", body);
		if (reply.status == 200) {
			http_reply_fini(&reply);
			return;
		}
		assert_int_equal(reply.status, 503);
		http_reply_fini(&reply);
		clock_sleep_ms(100);
	}
	fail_msg("a message was never taken");
}

static double decisions(void)
{
	return web_metric_sum(nimbusguard->url, "nimbusguard_decisions_total");
}

/* What the journal holds: events, and the incidents that have a decision, each once. */
struct held {
	char (*decided)[64];
	size_t events, decisions;
};

static bool visit(void *argument, const struct record *record)
{
	struct held *held = argument;

	held->events += record->kind == RECORD_EVENT;
	if (record->kind == RECORD_DECISION && held->decisions < 4 * ALERTS)
		snprintf(held->decided[held->decisions++], 64, "%.63s", record->incident);
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void read_journal(struct held *held)
{
	const struct journal_query all = {.kind = -1};
	struct error error = {.text = ""};
	char path[SERVER_PATH_MAX + 64];
	struct journal_config config = {.path = path, .queue_max = 16, .clock = clock_system()};
	struct journal *journal;
	size_t distinct = 0;

	snprintf(path, sizeof(path), "%.400s/nimbusguard/journal.sqlite", servers.folder);
	held->decided = mem_zalloc(4 * ALERTS, sizeof(*held->decided));
	assert_non_null(held->decided);
	journal = journal_open(&config, &error);
	if (journal == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(journal_read(journal, &all, visit, held, &error), STATUS_OK);
	journal_close(journal);
	qsort(held->decided, held->decisions, sizeof(*held->decided), compare);
	for (size_t i = 0; i < held->decisions; i++)
		distinct += i == 0 || strcmp(held->decided[i - 1], held->decided[i]) != 0;
	held->decisions = distinct;
	mem_free(held->decided);
}

static void every_alert_of_a_storm_is_taken_and_decided_on(void **state)
{
	if (nimbusguard == NULL)
		skip();
	for (int i = 0; i < ALERTS; i += A_MESSAGE)
		send_message(i);
	AWAIT(&servers, decisions() >= ALERTS, 300);
	assert_true(
		web_metric_sum(nimbusguard->url, "nimbusguard_alerts_received_total") >= ALERTS);
}

static void no_more_is_done_than_the_budget_allows(void **state)
{
	double done, refused;

	if (nimbusguard == NULL)
		skip();
	done = web_metric_sum(nimbusguard->url, "nimbusguard_actions_total");
	refused = web_metric(nimbusguard->url,
		"nimbusguard_refusals_total{reason=\"budget_cluster\"}");
	if (done > BUDGET || done < BUDGET)
		fail_msg("%g actions, a budget of %d", done, BUDGET);
	if (refused < ALERTS - BUDGET)
		fail_msg("%g refusals by the budget of %d alerts", refused, ALERTS);
}

static void the_journal_holds_each_alert_and_its_decision(void **state)
{
	struct held held = {0};

	if (nimbusguard == NULL)
		skip();
	server_end(nimbusguard);
	read_journal(&held);
	assert_int_equal(held.events, ALERTS);
	assert_int_equal(held.decisions, ALERTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_alert_of_a_storm_is_taken_and_decided_on),
		cmocka_unit_test(no_more_is_done_than_the_budget_allows),
		cmocka_unit_test(the_journal_holds_each_alert_and_its_decision),
	};

	return cmocka_run_group_tests_name("storm", tests, setup, teardown);
}
