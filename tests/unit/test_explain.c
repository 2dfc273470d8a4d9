/*
 * What labels mean and why: each rule is told, candidates of an ambiguity are listed, the cluster's
 * word stands beside, and listening changes no answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/case_cluster.h"
#include "daemon/explain.h"
#include "remediations/resolver.h"

static char told[16384];
static bool resolved;
static struct kube_session *session;

/* pairs: "a=b c=d" */
static void make_event(struct event *event, const char *pairs)
{
	struct label labels[16];
	char text[512];
	size_t count = 0;

	event_init(event);
	event->firing = true;
	snprintf(text, sizeof(text), "%s", pairs);
	for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;) {
		char *equal = strchr(word, '=');

		*equal = '\0';
		labels[count++] = (struct label){word, equal + 1, (uint32_t)strlen(word),
			(uint32_t)strlen(equal + 1)};
	}
	assert_int_equal(labels_init(&event->labels, labels, count, NULL), STATUS_OK);
}

static void ask(const char *kind, const char *pairs)
{
	struct explain_question question = {.kind = kind, .session = session};
	struct event event;
	json_t *explanation;
	struct buf text;

	make_event(&event, pairs);
	question.event = &event;
	explanation = explain(&question);
	assert_non_null(explanation);
	resolved = explain_resolved(explanation);
	buf_init(&text, sizeof(told));
	explain_write(&text, explanation);
	snprintf(told, sizeof(told), "%s", text.data);
	buf_fini(&text);
	json_decref(explanation);
	event_fini(&event);
}

static void expect(const char *words)
{
	if (strstr(told, words) == NULL)
		fail_msg("\"%s\" is not in: %s", words, told);
}

static void exported_labels_win_and_it_is_said(void **state)
{
	ask("Pod", "namespace=mon pod=ksm-0 exported_namespace=shop exported_pod=db-0 job=ksm");
	assert_true(resolved);
	expect("as Pod: shop/Pod/db-0\n");
	expect("ignored: job=ksm never names a target");
	expect("rule: exported_pod=db-0 is read, and not pod");
	ask("Pod", "namespace=mon pod=ksm-0 exported_namespace=shop");
	assert_false(resolved);
	expect("as Pod: refused, target_exporter");
	expect("ignored: pod=ksm-0 is the exporter's own: there is no exported_pod");
	ask("Pod", "namespace=mon pod=kube-state-metrics-0 job=kube-state-metrics");
	assert_false(resolved);
	expect("ignored: pod=kube-state-metrics-0 is the exporter's own");
}

static void an_ambiguity_lists_its_candidates(void **state)
{
	ask("Workload", "namespace=shop deployment=web statefulset=db");
	assert_false(resolved);
	expect("as Workload: refused, target_ambiguous");
	expect("candidate: Deployment shop/web");
	expect("candidate: StatefulSet shop/db");
}

static void without_a_kind_all_three_are_told(void **state)
{
	ask(NULL, "namespace=shop pod=web-1 node=n1");
	assert_true(resolved);
	expect("as Pod: shop/Pod/web-1");
	expect("as Workload: refused, target_missing");
	expect("as Node: Node/n1");
}

static void apply(struct case_cluster *cluster, const char *yaml)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;
	struct yaml_reader reader = {"m", &diagnostics};
	struct error error;
	json_t *read;

	diagnostics_init(&diagnostics);
	document = yaml_open_text("m", yaml, strlen(yaml), &diagnostics);
	assert_non_null(document);
	read = case_manifest_read(&reader, yaml_root(document));
	assert_non_null(read);
	assert_int_equal(case_cluster_apply(cluster, read, &error), STATUS_OK);
	json_decref(read);
	yaml_close(document);
	diagnostics_fini(&diagnostics);
}

static void the_cluster_tells_owners_and_annotations(void **state)
{
	struct case_cluster cluster;

	assert_int_equal(case_cluster_init(&cluster), STATUS_OK);
	apply(&cluster,
		"{kind: Deployment, metadata: {namespace: shop, name: web, annotations: "
		"{nimbusguard.io/managed: 'true', nimbusguard.io/paused: 'true'}}, "
		"spec: {replicas: 3}}");
	apply(&cluster,
		"{kind: ReplicaSet, metadata: {namespace: shop, name: web-6f, "
		"ownerReferences: [{kind: Deployment, name: web}]}}");
	apply(&cluster,
		"{kind: Pod, metadata: {namespace: shop, name: web-6f-a, "
		"ownerReferences: [{kind: ReplicaSet, name: web-6f}]}, "
		"spec: {containers: [{name: app}]}}");
	apply(&cluster,
		"{kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: auto}, "
		"spec: {scaleTargetRef: {kind: Deployment, name: web}}}");
	session = kube_session_open_served(case_cluster_serve, &cluster);
	assert_non_null(session);
	ask("Pod", "namespace=shop pod=web-6f-a");
	expect("it exists, uid uid-");
	expect("owner: ReplicaSet/web-6f -> Deployment/web\n");
	expect("managed: yes, paused: yes");
	expect("replicas: 3, 3 ready, owned by HorizontalPodAutoscaler/auto");
	/* By its owner the pod names the workload, too. */
	ask("Workload", "namespace=shop pod=web-6f-a");
	expect("as Workload: shop/Deployment/web");
	ask("Deployment", "namespace=shop deployment=gone");
	assert_true(resolved);
	expect("in the cluster: it does not exist");
	cluster.unreachable = true;
	ask("Deployment", "namespace=shop deployment=web");
	expect("in the cluster: not known: cannot look at");
	kube_session_close(session);
	session = NULL;
	case_cluster_fini(&cluster);
}

static void count_step(void *argument, enum resolve_step step, const char *text)
{
	++*(size_t *)argument;
}

static void listening_changes_no_answer(void **state)
{
	static const char *const labels[] = {"namespace=shop pod=web-1", "namespace=shop",
		"namespace=a deployment=b workload=c workload_kind=Deployment",
		"exported_namespace=x namespace=y deployment=z", "node=n", "pod=x"};
	static const struct target_spec specs[] = {{.kind = TARGET_POD}, {.any_workload = true},
		{.kind = TARGET_NODE}, {.kind = TARGET_DEPLOYMENT}, {.none = true}};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]) * 5; i++) {
		struct target quiet, loud;
		struct refusal quiet_refusal, loud_refusal;
		struct event event;
		size_t steps = 0;
		const struct resolve_listener listener = {&steps, count_step};

		make_event(&event, labels[i / 5]);
		bool a = target_resolve(&specs[i % 5], &event.labels, NULL, &quiet, &quiet_refusal);
		bool b = target_explain(&specs[i % 5], &event.labels, NULL, &listener, &loud,
			&loud_refusal);
		assert_int_equal(a, b);
		assert_memory_equal(&quiet, &loud, sizeof(quiet));
		assert_string_equal(quiet_refusal.reason, loud_refusal.reason);
		assert_true(steps > 0);
		event_fini(&event);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exported_labels_win_and_it_is_said),
		cmocka_unit_test(an_ambiguity_lists_its_candidates),
		cmocka_unit_test(without_a_kind_all_three_are_told),
		cmocka_unit_test(the_cluster_tells_owners_and_annotations),
		cmocka_unit_test(listening_changes_no_answer),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
