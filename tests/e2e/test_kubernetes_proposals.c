/*
 * The scaler's proposals on a real Kubernetes, the whole way: samples of a load that grew, the decision of a
 * workload that it serves, the proposal, the bundled playbook's plan, and what then stands on the API server:
 * a floor with its end on the autoscaler that there is, the replicas where there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/floor.h"
#include "remediations/kube_object.h"
#include "tests/support/kube_account.h"
#include "tests/support/kube_guard.h"
#include "tests/support/scaler_served.h"
#include "tests/support/write_post.h"

#define WAIT_S 240
#define HPA "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/shop/deployments/"
/* At 75 % of what a pod serves 60 requests a second need eight. */
#define NEED 8

static const struct kube_guard_workload workloads[] = {{"shop", "web"}, {"shop", "bare"}};
static struct served_workload loads[] = {{"shop", "web", 25, 4}, {"shop", "bare", 25, 4}};

static struct kube_cluster cluster;
static struct kube_guard guard;
static char token_path[SERVER_PATH_MAX];
static bool opened;

/* The bundled playbook, which acts, and whose outcome is looked at sooner. */
static void write_playbook(char *flag, size_t size)
{
	char *text = source_read("rules/playbooks/scale-on-forecast.yaml");

	text = text_replace(text, "\nmode: observe", "\nmode: auto");
	text = text_replace(text, "after: 1m", "after: 2s");
	snprintf(flag, size, "--remediate.playbooks=%s",
		servers_write(&guard.servers, "forecast.yaml", text));
	free(text);
}

static void make_objects(void)
{
	kube_cluster_namespace(&cluster, "shop");
	for (size_t i = 0; i < ARRAY_COUNT(workloads); i++)
		kube_cluster_deployment(&cluster, "shop", workloads[i].name, 4,
			"'nimbusguard.io/managed':'true'");
	kube_cluster_create(&cluster,
		"/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
		"{'metadata':{'name':'web'},'spec':{'scaleTargetRef':{'apiVersion':'apps/v1',"
		"'kind':'Deployment','name':'web'},'minReplicas':2,'maxReplicas':20}}");
}

static int setup(void **state)
{
	char playbooks[2 * SERVER_PATH_MAX], storage[2 * SERVER_PATH_MAX];
	const char *const account[] = {"--format=json", "--namespace=shop",
		"--service-account=shop/nimbusguard", playbooks, NULL};
	const char *const flags[] = {playbooks, "--scaler.mode=serve", "--scaler.shadow=1h",
		"--kubernetes.namespaces=shop", "--guard.cumulative-change-max=10", NULL};

	(void)state;
	if (!servers_there(false, false) || !kube_cluster_there())
		return 0;
	opened = true;
	kube_cluster_open(&cluster);
	make_objects();
	kube_guard_open(&guard, &cluster, workloads, ARRAY_COUNT(workloads));
	write_playbook(playbooks, sizeof(playbooks));
	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/serviceaccounts",
		"{'metadata':{'name':'nimbusguard'}}");
	kube_account_bind(&cluster, account);
	kube_cluster_token(&cluster, "shop", "nimbusguard", NULL, "token", token_path);
	snprintf(storage, sizeof(storage), "%s/nimbusguard", guard.servers.folder);
	scaler_served_write(storage, loads, ARRAY_COUNT(loads));
	kube_guard_start(&guard, token_path, flags);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!opened)
		return 0;
	kube_guard_close(&guard);
	kube_cluster_close(&cluster);
	return 0;
}

static int64_t number_at(const char *path, const char *name)
{
	json_t *object = kube_cluster_get(&cluster, path);
	int64_t value = json_integer_value(kube_get(object, "spec", name, NULL));

	json_decref(object);
	return value;
}

/* Whether what was proposed was done there; the load of now is told meanwhile. */
static bool is_done(const char *name)
{
	static struct write_body request;

	scaler_served_feed(&request, loads, ARRAY_COUNT(loads));
	assert_int_equal(write_post_status(guard.server->port.number, &request), 204);
	return kube_guard_has(&guard, "shop", name, "done_at", NULL);
}

static void await_done(const char *name)
{
	for (int i = 0; i < WAIT_S * 5; i++) {
		if (is_done(name))
			return;
		clock_sleep_ms(200);
	}
	/* Tells what there is in its place. */
	kube_guard_await_done(&guard, "shop", name);
}

static void a_load_that_grows_gives_the_autoscaler_a_floor_that_ends(void **state)
{
	struct floor_mark mark;
	json_t *hpa;

	(void)state;
	if (!opened)
		skip();
	for (size_t i = 0; i < ARRAY_COUNT(loads); i++)
		loads[i].rate = 60;
	await_done("web");
	hpa = kube_cluster_get(&cluster, HPA);
	assert_int_equal(floor_read(hpa, &mark), FLOOR_MARKED);
	assert_int_equal(kube_number(kube_get(hpa, "spec", "minReplicas", NULL), 0), mark.floor);
	json_decref(hpa);
	assert_true(mark.floor >= NEED);
	assert_int_equal(mark.before, 2);
	assert_true(mark.until_ms > clock_now_ms(clock_system()));
	assert_true(kube_guard_has(&guard, "shop", "web", "playbook", "scale-on-forecast"));
	assert_true(kube_guard_has(&guard, "shop", "web", "kind", "adjust_autoscaler"));
	/* The autoscaler does what it is there for; we do not write its replicas. */
	AWAIT(&cluster.parts, number_at(DEPLOYMENTS "web", "replicas") == mark.floor, WAIT_S);
}

static void one_without_an_autoscaler_gets_the_replicas(void **state)
{
	(void)state;
	if (!opened)
		skip();
	await_done("bare");
	assert_true(kube_guard_has(&guard, "shop", "bare", "kind", "scale"));
	assert_true(number_at(DEPLOYMENTS "bare", "replicas") >= NEED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_load_that_grows_gives_the_autoscaler_a_floor_that_ends),
		cmocka_unit_test(one_without_an_autoscaler_gets_the_replicas),
	};

	return cmocka_run_group_tests_name("kubernetes_proposals", tests, setup, teardown);
}
