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

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "demo/kube_api.h"
#include "demo/kube_store.h"
#include "remediations/kube_object.h"
#include "tests/support/action_suite.h"

#define SHOP "/namespaces/" CLUSTER_NAMESPACE "/"
#define JSON "application/json"

static struct cluster cluster;
static struct kube_api *api;
static struct kube_client *client;
static struct kube_session *session;
static pthread_t hand;
static atomic_bool stopped;

#define START_MS INT64_C(1700000000000)
#define SLOT_MS 15000

/* The simulated time goes on, so that pods become ready and rollouts end. */
static void *turn(void *argument)
{
	int64_t now_ms = START_MS;

	while (!atomic_load(&stopped)) {
		cluster_step(&cluster, now_ms += SLOT_MS);
		kube_api_step(api);
		clock_sleep_ms(20);
	}
	return argument;
}

static int setup(void **state)
{
	char url[64];
	struct kube_client_config config = {.url = url, .timeout_ms = 10000};
	struct error error;

	cluster_init(&cluster, START_MS, 7);
	api = kube_api_start(&cluster, 0, &error);
	assert_non_null(api);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", kube_api_port(api));
	assert_int_equal(kube_client_open(&client, &config, &error), STATUS_OK);
	session = kube_session_open(client);
	assert_non_null(session);
	assert_int_equal(pthread_create(&hand, NULL, turn, NULL), 0);
	action_suite_use(&(const struct action_suite){.session = session, .client = client});
	return 0;
}

static int teardown(void **state)
{
	atomic_store(&stopped, true);
	pthread_join(hand, NULL);
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
		{"StatefulSets", KUBE_GET, "/apis/apps/v1" SHOP "statefulsets/web", NULL, NULL,
			404},
		{"DaemonSets", KUBE_GET, "/apis/apps/v1" SHOP "daemonsets/web", NULL, NULL, 404},
		{"ScaledObjects", KUBE_GET, "/apis/keda.sh", NULL, NULL, 404},
		{"custom resources", KUBE_GET, "/apis/argoproj.io/v1alpha1", NULL, NULL, 404},
		{"server-side apply", KUBE_PATCH, "/apis/apps/v1" SHOP "deployments/web",
			"application/apply-patch+yaml", "{}", 415},
		{"objects that are made", KUBE_POST, "/apis/apps/v1" SHOP "deployments", JSON,
			"{\"metadata\":{\"name\":\"more\"}}", 405},
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

/* A version that nobody remembers is answered with the word to list anew. */
static void a_watch_from_too_long_ago_is_told_so(void **state)
{
	const struct kube_request request = {.path = "/apis/apps/v1/deployments?watch=1"
						     "&resourceVersion=1"};
	struct kube_answer answer;
	struct error error;
	char body[64];

	for (int i = 0; i < KUBE_STORE_EVENTS + 50; i++) {
		snprintf(body, sizeof(body), "{\"metadata\":{\"labels\":{\"turn\":\"%d\"}}}", i);
		assert_int_equal(action_suite_code(KUBE_PATCH, "/api/v1/nodes/node-2",
					 "application/merge-patch+json", body),
			200);
	}
	assert_int_equal(kube_session_call(session, &request, &answer, &error), STATUS_OK);
	assert_string_equal(json_string_value(kube_get(answer.object, "type", NULL)), "ERROR");
	assert_int_equal(json_integer_value(kube_get(answer.object, "object", "code", NULL)), 410);
	kube_answer_fini(&answer);
}

int main(void)
{
	struct CMUnitTest tests[ACTION_SUITE_TESTS_MAX] = {cmocka_unit_test(
								   what_is_left_out_is_refused),
		cmocka_unit_test(a_watch_from_too_long_ago_is_told_so)};

	(void)action_suite_fill(tests, 2);
	return cmocka_run_group_tests_name("demo_suite", tests, setup, teardown);
}
