/*
 * The suite of tests/support/action_suite.h on a real API server, so that what it asks of the simulated
 * cluster of demo/ (tests/integration/test_demo_suite.c) is what a real one does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "remediations/kube_object.h"
#include "tests/support/action_suite.h"
#include "tests/support/kube_cluster.h"

static struct kube_cluster cluster;
static struct kube_client *client;
static struct kube_session *session;
static bool opened;

/* Nothing runs: the pod of the Job is said to have ended well. */
static void end_pods(const char *job)
{
	char path[512];
	json_t *list, *pod;
	size_t i;

	snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods?labelSelector=job-name=%s", job);
	list = kube_cluster_get(&cluster, path);
	json_array_foreach(json_object_get(list, "items"), i, pod)
	{
		snprintf(path, sizeof(path), "/api/v1/namespaces/shop/pods/%s/status",
			json_string_value(kube_get(pod, "metadata", "name", NULL)));
		kube_cluster_patch(&cluster, path, "{'status':{'phase':'Succeeded'}}");
	}
	json_decref(list);
}

static int setup(void **state)
{
	struct kube_client_config config = {.timeout_ms = 10000};
	struct action_suite suite = {.while_job_runs = end_pods};
	struct error error;

	if (kube_cluster_there()) {
		kube_cluster_open(&cluster);
		opened = true;
		kube_cluster_namespace(&cluster, "shop");
		kube_cluster_deployment(&cluster, "shop", "web", 3, "");
		config.url = cluster.api->url;
		config.ca_file = cluster.ca_file;
		config.token_file =
			servers_write(&cluster.parts, "admin.token", "token-of-the-administrator");
		assert_int_equal(kube_client_open(&client, &config, &error), STATUS_OK);
		session = kube_session_open(client);
		assert_non_null(session);
		suite.session = session;
		suite.client = client;
	}
	action_suite_use(&suite);
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		kube_session_close(session);
		kube_client_close(client);
		kube_cluster_close(&cluster);
	}
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX] = {0};

	(void)action_suite_fill(tests, 0);
	return cmocka_run_group_tests_name("kubernetes_suite", tests, setup, teardown);
}
