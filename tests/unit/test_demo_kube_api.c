/* The simulated cluster's API, asked by the actuator itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "demo/kube_api.h"
#include "tests/support/kube_fixture.h"

static void pod_is_evicted_by_its_uid_and_no_other(void **state)
{
	static struct cluster cluster;
	static struct kube_fixture fixture;
	struct kube_api *api;
	struct command command = {.kind = ACTION_RESTART_POD, .action_id = "a-1"};
	struct sim_workload *workload;
	char url[64], name[64], uid[40];
	struct error error;

	(void)state;
	cluster_init(&cluster, INT64_C(1700000000000), 7);
	api = kube_api_start(&cluster, 0, &error);
	assert_non_null(api);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", kube_api_port(api));
	kube_fixture_open(&fixture, (struct actuator_kube_config){.url = url});
	workload = &cluster.workloads[0];
	snprintf(name, sizeof(name), "%s", workload->pods[0].name);
	snprintf(uid, sizeof(uid), "%s", workload->pods[0].uid);
	command.target = kube_target(TARGET_POD, CLUSTER_NAMESPACE, name);
	command.options.evict = true;
	snprintf(command.target.uid, sizeof(command.target.uid), "another");
	kube_fixture_send(&fixture, &command, NULL, 0);
	/* It is another pod that has the name: what was to go is gone. */
	assert_non_null(strstr(fixture.result.detail, "already so"));
	assert_string_equal(workload->pods[0].uid, uid);
	snprintf(command.target.uid, sizeof(command.target.uid), "%s", uid);
	kube_fixture_send(&fixture, &command, NULL, 0);
	assert_int_equal(fixture.result.outcome, COMMAND_DONE);
	assert_null(strstr(fixture.result.detail, "already so"));
	for (int i = 0; i < workload->plant.wanted; i++)
		assert_string_not_equal(workload->pods[i].uid, uid);
	kube_fixture_close(&fixture);
	kube_api_stop(api);
	cluster_fini(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pod_is_evicted_by_its_uid_and_no_other),
	};

	return cmocka_run_group_tests_name("demo_kube_api", tests, NULL, NULL);
}
