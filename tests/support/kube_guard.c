/*
 * All that is asked goes by the service's own API.
 */
#include "tests/support/kube_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"
#include "tests/support/write_post.h"

#define WAIT_S 120

void kube_guard_open(struct kube_guard *guard, struct kube_cluster *cluster,
	const struct kube_guard_workload *workloads, size_t count)
{
	*guard = (struct kube_guard){.cluster = cluster,
		.workloads = workloads,
		.workload_count = count,
		.saturation = 0.95};
	servers_open(&guard->servers);
	guard->server = server_add(&guard->servers, "nimbusguard");
}

void kube_guard_close(struct kube_guard *guard)
{
	servers_close(&guard->servers);
}

static bool knows_all(struct kube_guard *guard)
{
	json_t *list = nimbusguard_get(guard->server, "workloads");
	size_t length = json_array_size(list);

	json_decref(list);
	return length == guard->workload_count;
}

void kube_guard_start(struct kube_guard *guard, const char *token_path, const char *const *flags)
{
	static char url[SERVER_PATH_MAX], token[SERVER_PATH_MAX * 2], ca[SERVER_PATH_MAX * 2];
	const char *all[KUBE_GUARD_FLAGS_MAX + 8] = {url, token, ca, "--mode=auto", "--no-dry-run",
		"--guard.startup-grace=0s", "--analyze.scan-interval=200ms"};
	size_t own = 0;

	while (all[own] != NULL)
		own++;
	for (size_t i = 0; flags[i] != NULL; i++) {
		assert_true(i < KUBE_GUARD_FLAGS_MAX);
		all[own + i] = flags[i];
	}
	snprintf(url, sizeof(url), "--kubernetes.url=%s", guard->cluster->api->url);
	snprintf(token, sizeof(token), "--kubernetes.token-file=%s", token_path);
	snprintf(ca, sizeof(ca), "--kubernetes.ca-file=%s", guard->cluster->ca_file);
	nimbusguard_start(&guard->servers, guard->server, all);
	kube_guard_feed(guard);
	AWAIT(&guard->servers, knows_all(guard), WAIT_S);
}

static void add_workload(struct write_body *request, const struct kube_guard_workload *workload,
	double saturation)
{
	static const char *const series[] = {"workload_saturation:ratio",
		"workload_oom_kills:increase", "workload_restarts:increase"};
	char labels[256];

	for (size_t i = 0; i < ARRAY_COUNT(series); i++) {
		snprintf(labels, sizeof(labels),
			"__name__=nimbusguard:%s,namespace=%s,workload=%s,workload_kind=Deployment",
			series[i], workload->namespace_name, workload->name);
		write_body_simple(request, labels, clock_now_ms(clock_system()),
			i == 0 ? saturation : 0);
	}
}

void kube_guard_feed(struct kube_guard *guard)
{
	static struct write_body request;

	write_body_reset(&request);
	for (size_t i = 0; i < guard->workload_count; i++)
		add_workload(&request, &guard->workloads[i], guard->saturation);
	assert_int_equal(write_post_status(guard->server->port.number, &request), 204);
}

void kube_guard_send(const struct server *server, const char *alert, const char *labels)
{
	char url[256], body[2048];
	struct web_answer answer;

	snprintf(body, sizeof(body),
		"{'version':'4','groupKey':'g','status':'firing','receiver':'n','alerts':["
		"{'status':'firing','labels':{'alertname':'%s',%s},"
		"'startsAt':'2026-01-02T03:04:05Z'}]}",
		alert, labels);
	for (char *at = body; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	snprintf(url, sizeof(url), "%s/api/v1/webhook", server->url);
	answer = web_call("POST", url, NULL, body);
	assert_int_equal(answer.status, 200);
	web_answer_fini(&answer);
}

void kube_guard_alert(struct kube_guard *guard, const char *alert, const char *namespace_name,
	const char *workload)
{
	char labels[512];

	snprintf(labels, sizeof(labels),
		"'namespace':'%s','workload_kind':'Deployment','workload':'%s','container':'app'",
		namespace_name, workload);
	kube_guard_send(guard->server, alert, labels);
}

json_t *kube_guard_action(struct kube_guard *guard, const char *namespace_name, const char *name)
{
	json_t *list = nimbusguard_get(guard->server, "actions"), *action, *found = NULL;
	size_t i;

	json_array_foreach(list, i, action)
	{
		const char *space =
			json_string_value(kube_get(action, "target", "namespace", NULL));
		const char *own = json_string_value(kube_get(action, "target", "name", NULL));
		const char *kind = json_string_value(json_object_get(action, "kind"));

		if (found == NULL && own != NULL && strcmp(own, name) == 0 &&
			strcmp(space != NULL ? space : "", namespace_name) == 0 &&
			strcmp(kind, "ticket") != 0)
			found = json_incref(action);
	}
	json_decref(list);
	return found;
}

bool kube_guard_has(struct kube_guard *guard, const char *namespace_name, const char *name,
	const char *field, const char *wanted)
{
	json_t *action = kube_guard_action(guard, namespace_name, name);
	const char *text = json_string_value(json_object_get(action, field));
	bool has = text != NULL && (wanted == NULL || strstr(text, wanted) != NULL);

	json_decref(action);
	kube_guard_feed(guard);
	return has;
}

void kube_guard_await_done(struct kube_guard *guard, const char *namespace_name, const char *name)
{
	json_t *action;
	char *all;

	for (int i = 0; i < WAIT_S * 5; i++) {
		if (kube_guard_has(guard, namespace_name, name, "done_at", NULL))
			return;
		clock_sleep_ms(200);
	}
	action = kube_guard_action(guard, namespace_name, name);
	all = json_dumps(action, JSON_INDENT(1));
	servers_tell(&guard->servers);
	fail_msg("%s/%s was not done: %s", namespace_name, name, all != NULL ? all : "no action");
}
