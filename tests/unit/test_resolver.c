/*
 * Targets from labels: which object is meant, and when that is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remediations/resolver.h"

#define PAIRS_MAX 12

static struct target target;
static struct refusal refusal;
static const struct target_spec pod_spec = {.kind = TARGET_POD};
static const struct target_spec workload_spec = {.any_workload = true};
static const struct target_spec deployment_spec = {.kind = TARGET_DEPLOYMENT};
static const struct target_spec node_spec = {.kind = TARGET_NODE};
static const struct target_spec none_spec = {.none = true};

static bool owner_is_web(void *self, const char *cluster, const char *namespace_name,
	const char *pod, struct workload_key *workload)
{
	(void)self;
	*workload = (struct workload_key){.kind = TARGET_DEPLOYMENT, .name = "web"};
	snprintf(workload->cluster, sizeof(workload->cluster), "%s", cluster);
	snprintf(workload->namespace_name, sizeof(workload->namespace_name), "%s", namespace_name);
	return !strncmp(pod, "web-", 4);
}

static const struct signal_source signals = {.owner_of_pod = owner_is_web};

/* text: "name=value name=value" */
static bool resolve(const struct target_spec *spec, const char *text)
{
	struct label pairs[PAIRS_MAX];
	struct labels labels;
	size_t count = 0;
	bool good;

	while (*text) {
		size_t size = strcspn(text, " "), name = strcspn(text, "=");

		assert_true(count < PAIRS_MAX);
		pairs[count++] = (struct label){text, text + name + 1, (uint32_t)name,
			(uint32_t)(size - name - 1)};
		text += size + (text[size] == ' ');
	}
	assert_int_equal(labels_init(&labels, pairs, count, NULL), STATUS_OK);
	good = target_resolve(spec, &labels, &signals, &target, &refusal);
	labels_fini(&labels);
	assert_true(good == !*refusal.reason);
	assert_true(good || *refusal.sentence);
	return good;
}

static void refused(const struct target_spec *spec, const char *text, const char *reason)
{
	if (resolve(spec, text))
		fail_msg("%s names %s", text, target.name);
	assert_string_equal(refusal.reason, reason);
}

static void a_pod_is_named_by_namespace_and_pod(void **state)
{
	assert_true(resolve(&pod_spec, "namespace=shop pod=web-1 container=app cluster=eu"));
	assert_int_equal(target.kind, TARGET_POD);
	assert_string_equal(target.namespace_name, "shop");
	assert_string_equal(target.name, "web-1");
	assert_string_equal(target.container, "app");
	assert_string_equal(target.cluster, "eu");
	/* The owner comes from the stream's own series. */
	assert_int_equal(target.workload.kind, TARGET_DEPLOYMENT);
	assert_string_equal(target.workload.name, "web");
	assert_string_equal(target.workload.cluster, "eu");
	assert_string_equal(target.uid, "");
}

static void there_is_no_default_namespace(void **state)
{
	refused(&pod_spec, "pod=web-1", "target_missing");
	refused(&workload_spec, "deployment=web", "target_missing");
	refused(&pod_spec, "namespace=shop", "target_missing");
}

static void exported_labels_win_over_the_exporters_own(void **state)
{
	assert_true(resolve(&pod_spec,
		"namespace=monitoring pod=kube-state-metrics-5d container=ksm job=kube-state-metrics "
		"exported_namespace=shop exported_pod=web-1 exported_container=app"));
	assert_string_equal(target.namespace_name, "shop");
	assert_string_equal(target.name, "web-1");
	assert_string_equal(target.container, "app");
}

static void half_exported_labels_never_mix(void **state)
{
	/* A Deployment's series: the pod is the exporter's. */
	refused(&pod_spec, "namespace=monitoring pod=ksm-1 exported_namespace=shop deployment=web",
		"target_exporter");
	refused(&pod_spec, "namespace=monitoring exported_pod=web-1", "target_exporter");
	assert_true(resolve(&deployment_spec,
		"namespace=monitoring pod=ksm-1 container=ksm exported_namespace=shop deployment=web"));
	assert_string_equal(target.namespace_name, "shop");
	assert_string_equal(target.name, "web");
	/* Its container would be the exporter's. */
	assert_string_equal(target.container, "");
}

static void the_exporters_pod_is_no_target(void **state)
{
	refused(&pod_spec,
		"namespace=shop pod=kube-state-metrics-5d-x job=kube-state-metrics deployment=web",
		"target_exporter");
	refused(&pod_spec, "namespace=shop pod=node-exporter-7 job=node-exporter node=n1",
		"target_exporter");
	/* job and pod alike are common for applications; that alone refuses nothing. */
	assert_true(resolve(&pod_spec, "namespace=shop pod=web-1 job=web"));
	/* The exporter's pod owns nothing either. */
	refused(&workload_spec, "namespace=shop pod=kube-state-metrics-5d job=kube-state-metrics",
		"target_missing");
}

static void a_workload_is_named_by_its_labels_or_its_pod(void **state)
{
	assert_true(
		resolve(&workload_spec, "namespace=shop workload_kind=StatefulSet workload=db"));
	assert_int_equal(target.kind, TARGET_STATEFULSET);
	assert_string_equal(target.name, "db");
	assert_true(resolve(&workload_spec, "namespace=shop daemonset=agent"));
	assert_int_equal(target.kind, TARGET_DAEMONSET);
	assert_true(resolve(&workload_spec, "namespace=shop pod=web-1"));
	assert_int_equal(target.kind, TARGET_DEPLOYMENT);
	assert_string_equal(target.name, "web");
	refused(&workload_spec, "namespace=shop pod=other-1", "target_missing");
	refused(&workload_spec, "namespace=shop workload=web", "target_missing");
	refused(&workload_spec, "namespace=shop workload_kind=Thing workload=web",
		"target_missing");
}

static void two_names_are_ambiguous(void **state)
{
	refused(&workload_spec, "namespace=shop deployment=web statefulset=db", "target_ambiguous");
	refused(&workload_spec,
		"namespace=shop deployment=web workload_kind=Deployment workload=api",
		"target_ambiguous");
	refused(&pod_spec, "namespace=shop pod=web-1 deployment=api", "target_ambiguous");
	assert_true(resolve(&workload_spec,
		"namespace=shop deployment=web workload_kind=Deployment workload=web"));
}

static void another_kind_than_wanted_is_refused(void **state)
{
	refused(&deployment_spec, "namespace=shop statefulset=db", "target_missing");
	refused(&node_spec, "instance=10.0.0.1:9100", "target_missing");
	assert_true(resolve(&node_spec, "node=n1 instance=10.0.0.1:9100"));
	assert_string_equal(target.name, "n1");
}

static void names_that_kubernetes_refuses_are_refused(void **state)
{
	static const char *const bad[] = {"../x", "Web", "a/b", "-a", "a-", "a_b", "%2e", "a?b"};
	char text[128], longest[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "namespace=shop pod=%s", bad[i]);
		refused(&pod_spec, text, "target_invalid");
		snprintf(text, sizeof(text), "pod=web-1 namespace=%s", bad[i]);
		refused(&pod_spec, text, "target_invalid");
	}
	snprintf(longest, sizeof(longest), "namespace=shop pod=%0300d", 1);
	refused(&pod_spec, longest, "target_invalid");
	snprintf(longest, sizeof(longest), "pod=a namespace=%064d", 1);
	refused(&pod_spec, longest, "target_invalid");
}

static void a_playbook_may_name_other_labels(void **state)
{
	static char namespace_label[] = "ns", name_label[] = "app", kind_label[] = "type";
	const struct target_spec spec = {.any_workload = true,
		.namespace_label = namespace_label,
		.name_label = name_label,
		.kind_label = kind_label};

	assert_true(resolve(&spec, "ns=shop app=db type=StatefulSet namespace=other deployment=x"));
	assert_string_equal(target.namespace_name, "shop");
	assert_int_equal(target.kind, TARGET_STATEFULSET);
	assert_string_equal(target.name, "db");
	refused(&spec, "namespace=shop app=db type=StatefulSet", "target_missing");
}

static void a_ticket_needs_no_target_and_takes_what_is_named(void **state)
{
	assert_true(resolve(&none_spec, "alertname=X"));
	assert_int_equal(target.kind, TARGET_NONE);
	assert_true(resolve(&none_spec, "namespace=shop deployment=web statefulset=db"));
	assert_int_equal(target.kind, TARGET_NONE);
	assert_string_equal(target.namespace_name, "");
	assert_true(resolve(&none_spec, "namespace=shop deployment=web"));
	assert_int_equal(target.kind, TARGET_DEPLOYMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_named_by_namespace_and_pod),
		cmocka_unit_test(there_is_no_default_namespace),
		cmocka_unit_test(exported_labels_win_over_the_exporters_own),
		cmocka_unit_test(half_exported_labels_never_mix),
		cmocka_unit_test(the_exporters_pod_is_no_target),
		cmocka_unit_test(a_workload_is_named_by_its_labels_or_its_pod),
		cmocka_unit_test(two_names_are_ambiguous),
		cmocka_unit_test(another_kind_than_wanted_is_refused),
		cmocka_unit_test(names_that_kubernetes_refuses_are_refused),
		cmocka_unit_test(a_playbook_may_name_other_labels),
		cmocka_unit_test(a_ticket_needs_no_target_and_takes_what_is_named),
	};

	return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
