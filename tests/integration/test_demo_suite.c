/*
 * The simulated cluster of demo/ passes the suite that a real API server passes (tests/e2e/
 * test_kubernetes_suite.c), for the calls that it serves; what is left out is told, and answered as by
 * an API server that does not have it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/check.h"
#include "demo/kube_api.h"
#include "tests/support/action_suite.h"

#define SHOP "/namespaces/" CLUSTER_NAMESPACE "/"
#define MERGE "application/merge-patch+json"
#define JSON "application/json"

static struct cluster cluster;
static struct kube_api *api;
static struct kube_client *client;
static struct kube_session *session;

static int setup(void **state)
{
	char url[64];
	struct kube_client_config config = {.url = url, .timeout_ms = 10000};
	struct error error;

	cluster_init(&cluster, INT64_C(1700000000000), 7);
	api = kube_api_start(&cluster, 0, &error);
	assert_non_null(api);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", kube_api_port(api));
	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_OK);
	session = kube_session_open(client);
	assert_non_null(session);
	action_suite_use(&(const struct action_suite){.session = session});
	return 0;
}

static int teardown(void **state)
{
	kube_session_close(session);
	kube_client_close(client);
	kube_api_stop(api);
	cluster_fini(&cluster);
	return 0;
}

static void what_is_left_out_is_refused(void **state)
{
	static const struct {
		const char *what;
		enum kube_method method;
		const char *path, *type, *body;
		int code;
	} calls[] = {
		{"rollback", KUBE_GET, "/apis/apps/v1" SHOP "replicasets?labelSelector=app%3Dweb",
			NULL, NULL, 404},
		{"rollback", KUBE_PATCH, "/apis/apps/v1" SHOP "deployments/web",
			"application/json-patch+json", "[]", 415},
		{"pause_rollout", KUBE_PATCH, "/apis/apps/v1" SHOP "deployments/web", MERGE,
			"{\"spec\":{\"paused\":true}}", 422},
		{"adjust_resources of requests", KUBE_PATCH, "/apis/apps/v1" SHOP "deployments/web",
			"application/strategic-merge-patch+json",
			"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\","
			"\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}}}",
			422},
		{"adjust_resources of a pod", KUBE_GET, "/api/v1", NULL, NULL, 404},
		{"drain", KUBE_GET, "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1", NULL, NULL,
			404},
		{"StatefulSets", KUBE_GET, "/apis/apps/v1" SHOP "statefulsets/web", NULL, NULL,
			404},
		{"DaemonSets", KUBE_GET, "/apis/apps/v1" SHOP "daemonsets/web", NULL, NULL, 404},
		{"ScaledObjects", KUBE_GET, "/apis/keda.sh", NULL, NULL, 404},
		{"leases", KUBE_POST, "/apis/coordination.k8s.io/v1" SHOP "leases", JSON, "{}",
			404},
		{"objects that are made", KUBE_POST, "/apis/apps/v1" SHOP "deployments/web", JSON,
			"{}", 405},
		{"workloads that go", KUBE_DELETE, "/apis/apps/v1" SHOP "deployments/web", JSON,
			"{}", 405},
	};

	for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
		int code = action_suite_code(calls[i].method, calls[i].path, calls[i].type,
			calls[i].body);

		print_message("left out: %s\n", calls[i].what);
		if (code != calls[i].code)
			fail_msg("%s: %d, wanted: %d", calls[i].path, code, calls[i].code);
	}
}

int main(void)
{
	struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX] = {
		cmocka_unit_test(what_is_left_out_is_refused)};

	(void)action_suite_fill(tests, 1);
	return cmocka_run_group_tests_name("demo_suite", tests, setup, teardown);
}
