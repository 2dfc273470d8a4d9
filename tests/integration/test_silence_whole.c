/*
 * A silence on its way through the whole service: an alert comes in, Debian's Alertmanager gets a silence
 * for what the restart will make fire, the workload of the simulated cluster is restarted at once, and when
 * the cluster says that it was, the silence is gone. A webhook is told on the way, signed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/kube_api.h"
#include "remediations/kube_object.h"
#include "tests/support/alertmanager_api.h"
#include "tests/support/http_stub.h"
#include "tests/support/servers.h"
#include "tests/support/write_post.h"

#define WAIT_S 90

static struct servers servers;
static struct server *manager, *guard;
static struct cluster cluster;
static struct kube_api *api;
static struct http_stub *receiver;
static bool opened;

static void write_playbook(char *flag, size_t size)
{
	char text[2048];
	const char *secret =
		servers_write(&servers, "secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n");

	snprintf(text, sizeof(text),
		"playbook: quiet-restart\ntrigger:\n  alert: ['alertname=\"Leak\"']\n"
		"  range: 1s\ntarget:\n  kind: Deployment\nsteps:\n"
		"- {action: silence, alerts: [PodNotReady], for: 10m}\n"
		"- {action: restart_workload}\n"
		"verify: {by: cluster, after: 2s}\n");
	snprintf(flag, size, "--remediate.playbooks=%s,",
		servers_write(&servers, "quiet.yaml", text));
	snprintf(text, sizeof(text),
		"playbook: tell-a-webhook\ntrigger:\n  alert: ['alertname=\"Full\"']\n"
		"  range: 1s\ntarget:\n  kind: Deployment\nsteps:\n"
		"- {action: webhook, url: 'http://127.0.0.1:%u/hook', secret_file: '%s',\n"
		"   body: '{\"who\":\"{{ workload }}\",\"why\":\"{{ detail }}\"}'}\n"
		"verify: {signal: restarts, is: below, value: 1, over: 1s, after: 1s}\n",
		http_stub_port(receiver), secret);
	snprintf(flag + strlen(flag), size - strlen(flag), "%s",
		servers_write(&servers, "tell.yaml", text));
}

static int setup(void **state)
{
	static char kube_url[64], manager_url[128], playbooks[2 * SERVER_PATH_MAX];
	const char *const flags[] = {kube_url, manager_url, playbooks, "--mode=auto",
		"--no-dry-run", "--remediate.opt-in={namespace=\"shop\"}",
		"--guard.startup-grace=0s", "--analyze.scan-interval=100ms", NULL};
	struct error error;
	char *text;

	(void)state;
	if (!servers_there(false, true))
		return 0;
	servers_open(&servers);
	opened = true;
	manager = server_add(&servers, "alertmanager");
	text = strdup("route: {receiver: none}\nreceivers:\n- name: none\n");
	alertmanager_start(&servers, manager, text);
	free(text);
	cluster_init(&cluster, clock_now_ms(clock_system()), 7);
	api = kube_api_start(&cluster, 0, &error);
	assert_non_null(api);
	receiver = http_stub_open(NULL, 0, NULL, NULL);
	assert_non_null(receiver);
	snprintf(kube_url, sizeof(kube_url), "--kubernetes.url=http://127.0.0.1:%u",
		kube_api_port(api));
	snprintf(manager_url, sizeof(manager_url), "--alertmanager.url=%s", manager->url);
	write_playbook(playbooks, sizeof(playbooks));
	guard = server_add(&servers, "nimbusguard");
	nimbusguard_start(&servers, guard, flags);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!opened)
		return 0;
	servers_close(&servers);
	http_stub_close(receiver);
	kube_api_stop(api);
	cluster_fini(&cluster);
	return 0;
}

/* The workloads are in the stream. */
static void send_samples(void)
{
	static struct write_body request;
	char labels[256];

	write_body_reset(&request);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		snprintf(labels, sizeof(labels),
			"__name__=nimbusguard:workload_restarts:increase,namespace=shop,workload=%s,"
			"workload_kind=Deployment",
			cluster.workloads[i].name);
		write_body_simple(&request, labels, clock_now_ms(clock_system()), 0);
	}
	assert_int_equal(write_post_status(guard->port.number, &request), 204);
}

static void send_alert(const char *alert, int workload)
{
	char url[256], body[1024];
	struct web_answer answer;

	snprintf(body, sizeof(body),
		"{\"version\":\"4\",\"groupKey\":\"g\",\"status\":\"firing\",\"receiver\":\"n\","
		"\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"%s\","
		"\"namespace\":\"shop\",\"workload_kind\":\"Deployment\",\"workload\":\"%s\","
		"\"detail\":\"a \\\" b\"},\"startsAt\":\"2026-01-02T03:04:05Z\"}]}",
		alert, cluster.workloads[workload].name);
	snprintf(url, sizeof(url), "%s/api/v1/webhook", guard->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

/* Silences of this state. */
static size_t silences(const char *wanted)
{
	send_samples();
	return alertmanager_silences(manager, wanted);
}

static bool has_outcome(const char *playbook, const char *outcome)
{
	json_t *list = nimbusguard_get(guard, "incidents"), *one;
	bool has = false;
	size_t i;

	send_samples();
	json_array_foreach(list, i, one)
	{
		const char *own = json_string_value(json_object_get(one, "playbook"));
		const char *word = json_string_value(json_object_get(one, "outcome"));

		has = has ||
			(own != NULL && word != NULL && strcmp(own, playbook) == 0 &&
				strcmp(word, outcome) == 0);
	}
	json_decref(list);
	return has;
}

static void silence_lasts_until_the_restart_is_verified(void **state)
{
	char restarted[64];

	(void)state;
	if (!opened)
		skip();
	send_samples();
	send_alert("Leak", 0);
	AWAIT(&servers, silences("active") == 1 || silences("expired") == 1, WAIT_S);
	AWAIT(&servers, has_outcome("quiet-restart", "cured"), WAIT_S);
	pthread_mutex_lock(&cluster.lock);
	snprintf(restarted, sizeof(restarted), "%s", cluster.workloads[0].restarted_at);
	pthread_mutex_unlock(&cluster.lock);
	assert_string_not_equal(restarted, "");
	AWAIT(&servers, silences("active") == 0 && silences("expired") == 1, WAIT_S);
}

static void webhook_is_told_once(void **state)
{
	static const struct stub_rule taken = {.start = "POST /hook"};

	(void)state;
	if (!opened)
		skip();
	http_stub_rules(receiver, &taken, 1);
	send_alert("Full", 1);
	/* The signal was good before, too. */
	AWAIT(&servers,
		has_outcome("tell-a-webhook", "cured") ||
			has_outcome("tell-a-webhook", "self_healed"),
		WAIT_S);
	assert_int_equal(http_stub_request_count(receiver), 1);
	assert_non_null(strstr(http_stub_request(receiver, 0), "\r\nwebhook-signature: v1,"));
	assert_non_null(strstr(http_stub_body(receiver, 0), "\"why\":\"a \\\" b\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_lasts_until_the_restart_is_verified),
		cmocka_unit_test(webhook_is_told_once),
	};

	return cmocka_run_group_tests_name("silence_whole", tests, setup, teardown);
}
