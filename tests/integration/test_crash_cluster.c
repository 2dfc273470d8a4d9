/*
 * kill -9 while changes are made to a cluster: three workloads were killed for lack of memory, each is
 * to get a quarter more, and the service dies somewhere between the alert and the change. After the
 * restart, with the alerts sent again, the limit of each pod was raised exactly once, in place: the cluster
 * itself is asked what was done.
 *
 * Several such pairs of a cluster and a service, killed at different moments, since after a kill the
 * engine waits until a command can no longer be under way before it looks.
 *
 * The cluster is the simulated one, behind the part of the Kubernetes API that is used; nothing else
 * in this test is simulated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/cluster.h"
#include "demo/kube_api.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define PAIRS 6

static struct servers servers;
static struct pair {
	struct server *nimbusguard;
	struct cluster cluster;
	struct kube_api *api;
	double limits[CLUSTER_WORKLOADS]; /* before anything was done */
	char kube_url[64], name[32];
} pairs[PAIRS];
static char playbooks[2 * SERVER_PATH_MAX];
static bool opened;

static void open_pair(struct pair *pair, int number)
{
	struct error error;

	snprintf(pair->name, sizeof(pair->name), "nimbusguard-%d", number);
	pair->nimbusguard = server_add(&servers, pair->name);
	cluster_init(&pair->cluster, clock_now_ms(clock_system()), 7);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		pair->limits[i] = pair->cluster.workloads[i].memory_limit_mib;
	pair->api = kube_api_start(&pair->cluster, 0, &error);
	if (pair->api == NULL)
		fail_msg("%s", error.text);
	snprintf(pair->kube_url, sizeof(pair->kube_url), "--kubernetes.url=http://127.0.0.1:%u",
		kube_api_port(pair->api));
}

static int setup(void **state)
{
	char *text;

	if (!servers_there(false, false))
		return 0;
	servers_open(&servers);
	opened = true;
	for (int i = 0; i < PAIRS; i++)
		open_pair(&pairs[i], i);
	/* The bundled playbook; only what it waits for before its verdict is shorter. */
	text = source_read("rules/playbooks/raise-memory-on-oom.yaml");
	text = text_replace(text, "range: 10m", "range: 1s");
	text = text_replace(text, "over: 5m", "over: 1s");
	snprintf(playbooks, sizeof(playbooks), "--remediate.playbooks=%s",
		servers_write(&servers, "memory.yaml", text));
	free(text);
	return 0;
}

static int teardown(void **state)
{
	if (!opened)
		return 0;
	servers_close(&servers);
	for (int i = 0; i < PAIRS; i++) {
		if (pairs[i].api == NULL)
			continue;
		kube_api_stop(pairs[i].api);
		cluster_fini(&pairs[i].cluster);
	}
	return 0;
}

static void start(struct pair *pair)
{
	const char *const flags[] = {pair->kube_url, playbooks, "--mode=auto", "--no-dry-run",
		"--remediate.opt-in={namespace=\"shop\"}", "--guard.startup-grace=0s",
		"--analyze.scan-interval=100ms", NULL};

	nimbusguard_start(&servers, pair->nimbusguard, flags);
}

/* What the engine must see of the workloads: they are in the stream, and none is killed any more. */
static void send_samples(struct pair *pair)
{
	static struct write_body request;
	char labels[256];

	write_body_reset(&request);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		snprintf(labels, sizeof(labels),
			"__name__=nimbusguard:workload_oom_kills:increase,namespace=shop,"
			"workload=%s,workload_kind=Deployment",
			pair->cluster.workloads[i].name);
		write_body_simple(&request, labels, clock_now_ms(clock_system()), 0);
	}
	assert_int_equal(write_post_status(pair->nimbusguard->port.number, &request), 204);
}

/* One message with an alert of each workload; whether it was acknowledged. */
static bool send_alerts(struct pair *pair)
{
	char url[256], body[4096];
	struct web_answer answer;
	bool good;
	size_t size;

	size = (size_t)snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"groupKey\":\"g\","
		"\"status\":\"firing\",\"receiver\":\"n\",\"alerts\":[");
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		size += (size_t)snprintf(body + size, sizeof(body) - size,
			"%s{\"status\":\"firing\",\"labels\":{\"alertname\":"
			"\"NimbusGuardContainerOOMKilled\",\"namespace\":\"shop\",\"workload_kind\":"
			"\"Deployment\",\"workload\":\"%s\",\"container\":\"app\"},"
			"\"startsAt\":\"2026-01-02T03:04:05Z\"}",
			i > 0 ? "," : "", pair->cluster.workloads[i].name);
	snprintf(body + size, sizeof(body) - size, "]}");
	snprintf(url, sizeof(url), "%s/api/v1/webhook", pair->nimbusguard->url);
	answer = web_call("POST", url, NULL, body);
	good = answer.status == 200;
	web_answer_fini(&answer);
	return good;
}

/* By what factors, over the workload's pods: each is resized by itself. */
struct raise {
	double least, most;
};

static struct raise raised(struct pair *pair, int workload)
{
	const struct sim_workload *at = &pair->cluster.workloads[workload];
	struct raise raise = {.least = INFINITY};

	pthread_mutex_lock(&pair->cluster.lock);
	for (int i = 0; i < at->plant.wanted; i++) {
		double factor = at->pods[i].memory_limit_mib / pair->limits[workload];

		raise.least = fmin(raise.least, factor);
		raise.most = fmax(raise.most, factor);
	}
	pthread_mutex_unlock(&pair->cluster.lock);
	return raise;
}

/* Those of which all pods are. */
static int raised_count(struct pair *pair)
{
	int count = 0;

	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		count += raised(pair, i).least > 1;
	return count;
}

static size_t length_of(struct pair *pair, const char *path)
{
	json_t *list = nimbusguard_get(pair->nimbusguard, path);
	size_t length = json_array_size(list);

	json_decref(list);
	return length;
}

/* Every incident has an action that was done, or that was found to have been. */
static bool all_done(struct pair *pair)
{
	json_t *list = nimbusguard_get(pair->nimbusguard, "actions"), *action;
	size_t i, done = 0;

	send_samples(pair);
	json_array_foreach(list, i, action)
	{
		done += json_is_string(json_object_get(action, "done_at"));
	}
	json_decref(list);
	return done >= CLUSTER_WORKLOADS && length_of(pair, "incidents") == CLUSTER_WORKLOADS;
}

static void each_limit_is_raised_exactly_once(void **state)
{
	int interrupted = 0;

	if (!opened)
		skip();
	for (int i = 0; i < PAIRS; i++) {
		struct pair *pair = &pairs[i];
		int64_t pause_ms = 3 * i;
		int before;

		start(pair);
		send_samples(pair);
		AWAIT(&servers, length_of(pair, "workloads") == CLUSTER_WORKLOADS, 30);
		assert_true(send_alerts(pair));
		clock_sleep_ms(pause_ms);
		server_kill(pair->nimbusguard);
		before = raised_count(pair);
		interrupted += before < CLUSTER_WORKLOADS;
		print_message("killed %lld ms after the answer: %d of %d limits were raised\n",
			(long long)pause_ms, before, CLUSTER_WORKLOADS);
		start(pair);
		send_samples(pair);
		assert_true(send_alerts(pair));
	}
	/* Else nothing was tested. */
	assert_true(interrupted > 0);
	for (int i = 0; i < PAIRS; i++)
		AWAIT(&servers, all_done(&pairs[i]), 120);
	for (int i = 0; i < PAIRS; i++) {
		server_end(pairs[i].nimbusguard);
		for (int k = 0; k < CLUSTER_WORKLOADS; k++) {
			struct raise raise = raised(&pairs[i], k);

			if (fabs(raise.least - 1.25) <= 0.02 && fabs(raise.most - 1.25) <= 0.02)
				continue;
			servers_tell(&servers);
			fail_msg("%s, %s: the limits were raised by factors of %.3f to %.3f",
				pairs[i].name, pairs[i].cluster.workloads[k].name, raise.least,
				raise.most);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_is_raised_exactly_once),
	};

	return cmocka_run_group_tests_name("crash_cluster", tests, setup, teardown);
}
