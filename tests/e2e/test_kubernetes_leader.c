/*
 * Two replicas on a real Kubernetes, each with every alert and the whole stream: one holds the Lease and
 * acts. It is killed, stopped and ended around the moment at which it acts, and each alert must be
 * acted on exactly once: a Deployment's generation grows by one with each change of its spec.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "tests/support/kube_account.h"
#include "tests/support/kube_guard.h"
#include "tests/support/write_post.h"

#define MANAGED "'nimbusguard.io/managed':'true'"
#define WORKLOADS 13
#define WAIT_S 120

static struct kube_cluster cluster;
static struct servers servers;
static struct server *replicas[2];
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* ---- the world ---- */

/* Their outcome is looked at long after the test, so that nothing but the first step is done. */
static void write_playbooks(void)
{
	char *text = text_replace(source_read("rules/playbooks/scale-out-on-saturation.yaml"),
		"  over: 3m", "  over: 50m\n  after: 40m");

	(void)servers_write(&servers, "playbook-scale.yaml", text);
	free(text);
	(void)servers_write(&servers, "playbook-restart.yaml",
		"playbook: restart-on-leak\ndescription: Restarts a workload that leaks.\n"
		"trigger:\n  alert: ['alertname=\"Leak\"']\ntarget:\n  kind: Workload\n"
		"steps:\n- action: restart_workload\n"
		"verify: {signal: restarts, fold: newest, is: below, value: 1, over: 50m, "
		"after: 40m}\n");
}

/* Each object that `nimbusguard rbac` writes for a replica's settings, and no other. */
static void grant(void)
{
	char playbooks[SERVER_PATH_MAX * 4];
	const char *const flags[] = {"--format=json", "--namespace=shop",
		"--service-account=shop/nimbusguard", playbooks, "--leader-election.enabled",
		"--leader-election.namespace=shop", NULL};

	snprintf(playbooks, sizeof(playbooks),
		"--remediate.playbooks=%s/playbook-scale.yaml,%s/playbook-restart.yaml",
		servers.folder, servers.folder);
	kube_account_bind(&cluster, flags);
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/secrets",
		"{'metadata':{'name':'first'}}");
	kube_cluster_token(&cluster, "shop", "nimbusguard", "first", "token", token_path);
}

static void start_replica(struct server *replica)
{
	static char url[SERVER_PATH_MAX], token[SERVER_PATH_MAX * 2], ca[SERVER_PATH_MAX * 2],
		playbooks[SERVER_PATH_MAX * 6], own[SERVER_PATH_MAX], name[SERVER_PATH_MAX];
	const char *const flags[] = {url, token, ca, playbooks, own, name, "--mode=auto",
		"--no-dry-run", "--guard.startup-grace=0s", "--analyze.scan-interval=200ms",
		"--guard.per-namespace=100", "--guard.per-cluster=100", "--guard.per-kind=100",
		"--guard.concurrent=100", "--kubernetes.namespaces=shop",
		"--leader-election.enabled", "--leader-election.namespace=shop",
		"--leader-election.lease-duration=5s", "--leader-election.renew-deadline=3s",
		"--leader-election.retry-period=500ms", NULL};
	const char *folder = servers.folder;

	snprintf(url, sizeof(url), "--kubernetes.url=%s", cluster.api->url);
	snprintf(token, sizeof(token), "--kubernetes.token-file=%s", token_path);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", cluster.ca_file);
	snprintf(own, sizeof(own), "--leader-election.url=%s", replica->url);
	snprintf(name, sizeof(name), "--leader-election.identity=%s", replica->name);
	snprintf(playbooks, sizeof(playbooks),
		"--remediate.playbooks=%s/playbook-scale.yaml,%s/playbook-restart.yaml", folder,
		folder);
	nimbusguard_start(&servers, replica, flags);
}

static const char *workload_name(int i)
{
	static char text[4][16];
	static unsigned next;
	char *name = text[next++ % 4];

	snprintf(name, sizeof(text[0]), "web-%d", i);
	return name;
}

static void add_workload(struct write_body *request, const char *name)
{
	static const char *const series[] = {"workload_saturation:ratio",
		"workload_oom_kills:increase", "workload_restarts:increase"};
	char labels[256];

	for (size_t i = 0; i < 3; i++) {
		snprintf(labels, sizeof(labels),
			"__name__=nimbusguard:%s,namespace=shop,workload=%s,"
			"workload_kind=Deployment",
			series[i], name);
		write_body_simple(request, labels, clock_now_ms(clock_system()), i == 0 ? 0.95 : 0);
	}
}

static void feed_one(const struct server *replica)
{
	static struct write_body request;

	write_body_reset(&request);
	for (int i = 0; i < WORKLOADS; i++)
		add_workload(&request, workload_name(i));
	/* One that is just being killed or started takes none. */
	(void)write_post_status(replica->port.number, &request);
}

static struct server *asleep; /* gets no samples */

static void feed(void)
{
	for (size_t i = 0; i < 2; i++)
		if (replicas[i] != asleep && proc_runs(&replicas[i]->proc))
			feed_one(replicas[i]);
}

static bool leads(const struct server *replica)
{
	json_t *status;
	bool leads;

	if (replica == asleep || !proc_runs((struct proc *)(uintptr_t)&replica->proc))
		return false;
	status = nimbusguard_get(replica, "status");
	leads = json_is_true(kube_get(status, "leader", "leads", NULL));
	json_decref(status);
	return leads;
}

static struct server *await_leader(void)
{
	for (int i = 0; i < WAIT_S * 10; i++) {
		for (size_t r = 0; r < 2; r++)
			if (leads(replicas[r]))
				return replicas[r];
		feed();
		clock_sleep_ms(100);
	}
	servers_tell(&servers);
	fail_msg("nobody leads");
	return NULL;
}

static struct server *other_than(const struct server *replica)
{
	return replica == replicas[0] ? replicas[1] : replicas[0];
}

static bool knows_leader(const struct server *replica)
{
	json_t *status = nimbusguard_get(replica, "status");
	const char *holder = json_string_value(kube_get(status, "leader", "holder", NULL));
	bool knows = holder != NULL && *holder != '\0';

	json_decref(status);
	return knows;
}

static int setup(void **state)
{
	if (!servers_there(false, false) || !kube_cluster_there())
		return 0;
	servers_open(&servers);
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	write_playbooks();
	grant();
	for (int i = 0; i < WORKLOADS; i++)
		kube_cluster_deployment(&cluster, "shop", workload_name(i), 1, MANAGED);
	replicas[0] = server_add(&servers, "one");
	replicas[1] = server_add(&servers, "two");
	start_replica(replicas[0]);
	start_replica(replicas[1]);
	for (int i = 0; i < 10; i++) {
		feed();
		clock_sleep_ms(300);
	}
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		servers_close(&servers);
		kube_cluster_close(&cluster);
	}
	return 0;
}

#define SKIP_WITHOUT_CLUSTER()                                                                     \
	do {                                                                                       \
		if (!opened)                                                                       \
			skip();                                                                    \
	} while (0)

/* ---- words ---- */

static void send_alert(const struct server *replica, const char *alert, int workload)
{
	char labels[256];

	snprintf(labels, sizeof(labels),
		"'namespace':'shop','workload_kind':'Deployment','workload':'%s','container':'app'",
		workload_name(workload));
	kube_guard_send(replica, alert, labels);
}

static json_int_t generation_of(int workload)
{
	char path[256];
	json_t *object;
	json_int_t generation;

	snprintf(path, sizeof(path), "/apis/apps/v1/namespaces/shop/deployments/%s",
		workload_name(workload));
	object = kube_cluster_get(&cluster, path);
	generation = json_integer_value(kube_get(object, "metadata", "generation", NULL));
	json_decref(object);
	return generation;
}

/* The workload is changed once, and stays so for a while in which both replicas are awake. */
static void expect_once(int workload, json_int_t before)
{
	for (int i = 0; i < WAIT_S * 5 && generation_of(workload) == before; i++) {
		feed();
		clock_sleep_ms(200);
	}
	for (int i = 0; i < 20; i++) {
		feed();
		clock_sleep_ms(200);
	}
	if (generation_of(workload) != before + 1) {
		servers_tell(&servers);
		fail_msg("%s was changed %d times", workload_name(workload),
			(int)(generation_of(workload) - before));
	}
}

/* ---- tests ---- */

static void one_leads_and_the_other_says_who(void **state)
{
	struct server *leader, *follower;
	struct web_answer answer;
	char url[256];

	SKIP_WITHOUT_CLUSTER();
	leader = await_leader();
	follower = other_than(leader);
	AWAIT(&servers, knows_leader(follower), WAIT_S);
	assert_false(leads(follower));
	snprintf(url, sizeof(url), "%s/api/v1/pause?paused=false", follower->url);
	answer = web_call("POST", url, NULL, "");
	assert_int_equal(answer.status, 409);
	assert_non_null(strstr(answer.body, leader->name));
	assert_non_null(strstr(answer.body, leader->url));
	web_answer_fini(&answer);
	send_alert(leader, "NimbusGuardWorkloadSaturated", 0);
	send_alert(follower, "NimbusGuardWorkloadSaturated", 0);
	expect_once(0, 1);
	/* The follower's page and list show what the leader did. */
	AWAIT(&servers, server_said(follower, "stands by"), WAIT_S);
}

static void kill_switch_goes_with_the_lead(void **state)
{
	struct server *leader, *follower;
	struct web_answer answer;
	json_t *status;
	char url[256];

	SKIP_WITHOUT_CLUSTER();
	leader = await_leader();
	follower = other_than(leader);
	snprintf(url, sizeof(url), "%s/api/v1/pause?paused=true", leader->url);
	answer = web_call("POST", url, NULL, "");
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
	for (int i = 0; i < WAIT_S * 5; i++) {
		bool on;

		status = nimbusguard_get(follower, "status");
		on = json_is_true(kube_get(status, "kill_switch", "on", NULL));
		json_decref(status);
		if (on)
			break;
		clock_sleep_ms(200);
		assert_true(i < WAIT_S * 5 - 1);
	}
	server_kill(leader);
	assert_ptr_equal(await_leader(), follower);
	send_alert(follower, "NimbusGuardWorkloadSaturated", 1);
	for (int i = 0; i < 15; i++) {
		feed();
		clock_sleep_ms(200);
	}
	assert_int_equal(generation_of(1), 1);
	snprintf(url, sizeof(url), "%s/api/v1/pause?paused=false", follower->url);
	answer = web_call("POST", url, NULL, "");
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
	start_replica(leader);
	expect_once(1, 1);
}

static void alert_of_a_killed_leader_is_acted_on_once(void **state)
{
	static const int delays_ms[] = {0, 3, 10, 30, 200};

	SKIP_WITHOUT_CLUSTER();
	for (size_t i = 0; i < ARRAY_COUNT(delays_ms); i++) {
		struct server *leader = await_leader(), *follower = other_than(leader);
		/* With a key on the object, and without. */
		const char *alert = i % 2 ? "Leak" : "NimbusGuardWorkloadSaturated";
		int workload = 2 + (int)i;

		feed();
		send_alert(follower, alert, workload);
		send_alert(leader, alert, workload);
		clock_sleep_ms(delays_ms[i]);
		server_kill(leader);
		assert_ptr_equal(await_leader(), follower);
		start_replica(leader);
		expect_once(workload, 1);
	}
}

static void stopped_leader_sends_nothing_when_it_wakes(void **state)
{
	static const int delays_ms[] = {0, 2, 5, 12};

	SKIP_WITHOUT_CLUSTER();
	for (size_t i = 0; i < ARRAY_COUNT(delays_ms); i++) {
		struct server *leader = await_leader(), *follower = other_than(leader);
		const char *alert = i % 2 ? "Leak" : "NimbusGuardWorkloadSaturated";
		int workload = 7 + (int)i;

		feed();
		send_alert(follower, alert, workload);
		send_alert(leader, alert, workload);
		clock_sleep_ms(delays_ms[i]);
		assert_int_equal(kill(leader->proc.pid, SIGSTOP), 0);
		asleep = leader;
		assert_ptr_equal(await_leader(), follower);
		/* The new one acts, or finds that it was done. */
		for (int n = 0; n < 25 && generation_of(workload) == 1; n++) {
			feed();
			clock_sleep_ms(200);
		}
		assert_int_equal(generation_of(workload), 2);
		assert_int_equal(kill(leader->proc.pid, SIGCONT), 0);
		asleep = NULL;
		expect_once(workload, 1);
		assert_true(leads(follower));
		assert_false(leads(leader));
	}
}

static void leader_that_ends_hands_over(void **state)
{
	struct server *leader, *follower;

	SKIP_WITHOUT_CLUSTER();
	leader = await_leader();
	follower = other_than(leader);
	feed();
	send_alert(follower, "NimbusGuardWorkloadSaturated", 11);
	send_alert(leader, "NimbusGuardWorkloadSaturated", 11);
	server_end(leader);
	assert_ptr_equal(await_leader(), follower);
	/* It was given back, not waited for. */
	assert_false(server_said(leader, "could not be given back"));
	start_replica(leader);
	expect_once(11, 1);
}

static void leader_without_api_server_stops_acting(void **state)
{
	struct server *leader;

	SKIP_WITHOUT_CLUSTER();
	leader = await_leader();
	kube_cluster_kill_api(&cluster);
	AWAIT(&servers, !leads(leader), WAIT_S);
	send_alert(replicas[0], "NimbusGuardWorkloadSaturated", 12);
	send_alert(replicas[1], "NimbusGuardWorkloadSaturated", 12);
	kube_cluster_start_api(&cluster);
	(void)await_leader();
	expect_once(12, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_leads_and_the_other_says_who),
		cmocka_unit_test(kill_switch_goes_with_the_lead),
		cmocka_unit_test(alert_of_a_killed_leader_is_acted_on_once),
		cmocka_unit_test(stopped_leader_sends_nothing_when_it_wakes),
		cmocka_unit_test(leader_that_ends_hands_over),
		cmocka_unit_test(leader_without_api_server_stops_acting),
	};

	return cmocka_run_group_tests_name("kubernetes_leader", tests, setup, teardown);
}
