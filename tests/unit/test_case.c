/*
 * Tests of playbooks as a tool: the notation of series, what is wrong with a file told with its place,
 * the cluster in memory, and that a test which expects the wrong thing fails and says what came.
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
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/case.h"
#include "remediations/kube_object.h"

static char folder[512], path[600];
static struct bundle bundle;

static int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR"), *source = getenv("NIMBUSGUARD_SOURCE");

	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	snprintf(folder, sizeof(folder), "%s/case-XXXXXX", parent != NULL ? parent : "/tmp");
	snprintf(bundle.signals, sizeof(bundle.signals), "%s/rules/signals.yaml",
		source != NULL ? source : ".");
	bundle.signal_paths[0] = bundle.signals;
	bundle.playbook_paths[0] = bundle.playbooks;
	bundle.found = true;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/x_test.yaml", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char playbook[700];

	snprintf(playbook, sizeof(playbook), "%s/p.yaml", folder);
	(void)unlink(playbook);
	(void)unlink(path);
	return rmdir(folder);
}

static void write_text(const char *name, const char *text)
{
	char file[700];
	struct error error;

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	assert_int_equal(file_write_atomic(file, text, strlen(text), 0600, &error), STATUS_OK);
}

/* ---- series ---- */

static void read_series(const char *values, struct case_series *series)
{
	struct error error = {.text = ""};

	*series = (struct case_series){0};
	if (case_series_read(series, "up{job=\"x\"}", values, &error) != STATUS_OK)
		fail_msg("%s: %s", values, error.text);
}

static void notation_is_that_of_promtool(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		double values[8]; /* NaN: no sample */
	} table[] = {
		{"5", 1, {5}},
		{"-1 2.5e3", 2, {-1, 2500}},
		{"1+2x3", 4, {1, 3, 5, 7}},
		{"5-2x2", 3, {5, 3, 1}},
		{"-5+2x2", 3, {-5, -3, -1}},
		{"7x2", 3, {7, 7, 7}},
		{"0x2", 3, {0, 0, 0}},
		{"1e-1+1e-1x1", 2, {0.1, 0.2}},
		{"_ 1 _x2", 4, {NAN, 1, NAN, NAN}},
	};
	struct case_series series;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		read_series(table[i].text, &series);
		assert_int_equal(series.count, table[i].count);
		for (size_t k = 0; k < series.count; k++) {
			assert_int_equal(series.values[k].absent, isnan(table[i].values[k]));
			if (!series.values[k].absent)
				assert_true(
					fabs(series.values[k].value - table[i].values[k]) < 1e-9);
		}
		case_series_fini(&series);
	}
}

static void stale_is_the_marker_and_no_other_nan(void **state)
{
	struct case_series series;

	read_series("stale NaN", &series);
	assert_int_equal(series.count, 2);
	assert_true(store_is_stale(series.values[0].value));
	assert_true(isnan(series.values[1].value));
	assert_false(store_is_stale(series.values[1].value));
	case_series_fini(&series);
}

static void what_is_no_value_is_refused(void **state)
{
	static const char *const bad[] = {"", "x", "1x", "1x-1", "1+x3", "0x1f", "1+2", "__",
		"{{schema:0}}", "1x100001", "1..2"};
	struct case_series series;
	struct error error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		series = (struct case_series){0};
		if (case_series_read(&series, "up", bad[i], &error) == STATUS_OK)
			fail_msg("\"%s\" was taken", bad[i]);
		case_series_fini(&series);
	}
	series = (struct case_series){0};
	assert_int_equal(case_series_read(&series, "up{a=~\"b\"}", "1", &error), STATUS_BAD_INPUT);
	case_series_fini(&series);
}

/* ---- files ---- */

static char told[65536];

static struct case_file *open_text(const char *text)
{
	struct diagnostics diagnostics;
	struct case_file *file;
	struct buf buf;

	write_text("x_test.yaml", text);
	diagnostics_init(&diagnostics);
	buf_init(&buf, 65536);
	file = case_file_open(path, &diagnostics);
	diagnostics_write(&diagnostics, &buf);
	snprintf(told, sizeof(told), "%s", buf.data != NULL ? buf.data : "");
	buf_fini(&buf);
	diagnostics_fini(&diagnostics);
	return file;
}

static void expect_error(const char *text, const char *place, const char *words)
{
	char wanted[128];

	assert_null(open_text(text));
	snprintf(wanted, sizeof(wanted), "x_test.yaml:%s: error: ", place);
	if (strstr(told, wanted) == NULL || strstr(told, words) == NULL)
		fail_msg("wanted %s ... %s, got: %s", place, words, told);
}

#define HEAD "playbooks: [p.yaml]\ntests:\n- name: t\n"

static void errors_are_told_with_their_place(void **state)
{
	expect_error("tests: []\n", "1:1", "names no playbook");
	expect_error("playbooks: [p.yaml]\ntest: []\n", "2:1", "did you mean \"tests\"");
	expect_error(HEAD "  checks:\n  - {at: 1m, expect: nothin}\n", "5:22", "`nothing`");
	expect_error(HEAD "  checks:\n  - {at: 1m, expect: {stat: done}}\n", "5:23",
		"did you mean \"state\"");
	expect_error(HEAD "  checks:\n  - {at: 1m, expect: {state: don}}\n", "5:30", "done");
	expect_error(HEAD "  checks:\n  - {at: 1m, expect: {replicas: 3}}\n", "5:33", "2 -> 3");
	expect_error(HEAD "  checks:\n  - {expect: nothing}\n", "5:5", "at");
	expect_error(HEAD "  alerts: [{at: 1m}]\n", "4:12", "no labels");
	expect_error(HEAD "  alerts: [{at: 2m, until: 1m, labels: {a: b}}]\n", "4:28",
		"ends before");
	expect_error(HEAD "  input_series: [{series: up, values: 1y}]\n", "4:39", "no value");
	expect_error(HEAD "  input_series: [{series: 'up{', values: 1}]\n", "4:27", "");
	expect_error(HEAD, "3:3", "checks nothing");
}

static void manifests_are_held_to_their_form(void **state)
{
	expect_error(HEAD "  cluster:\n  - {kind: Deploymnt, metadata: {namespace: a, name: b}}\n",
		"5:12", "did you mean Deployment");
	expect_error(HEAD "  cluster:\n  - {kind: Deployment, metadata: {name: b}}\n", "5:34",
		"namespace");
	expect_error(HEAD "  cluster:\n  - {kind: Node, metadata: {name: B_}}\n", "5:35",
		"no name that Kubernetes allows");
	expect_error(HEAD
		"  cluster:\n  - {kind: Node, metadata: {name: b, annotations: {x: true}}}\n",
		"5:55", "put it in quotes");
	expect_error(HEAD
		"  cluster:\n  - {apiVersion: apps/v1, kind: Node, metadata: {name: b}}\n",
		"5:18", "apiVersion v1");
	expect_error(HEAD "  cluster:\n  - {kind: Node, metadata: {name: b}, spce: {}}\n", "5:39",
		"did you mean \"spec\"");
}

static void an_error_of_what_is_shared_is_told_once(void **state)
{
	const char *first;

	assert_null(
		open_text("playbooks: [p.yaml]\ninput_series: [{series: up, values: z}]\ntests:\n"
			  "- {name: a, checks: [{at: 1m, expect: nothing}]}\n"
			  "- {name: b, checks: [{at: 1m, expect: nothing}]}\n"));
	first = strstr(told, "is no value");
	assert_non_null(first);
	assert_null(strstr(first + 1, "is no value"));
}

/* ---- the cluster ---- */

static json_t *manifest(const char *yaml)
{
	struct diagnostics diagnostics;
	struct yaml_document *document;
	struct yaml_reader reader = {"m", &diagnostics};
	json_t *read;

	diagnostics_init(&diagnostics);
	document = yaml_open_text("m", yaml, strlen(yaml), &diagnostics);
	assert_non_null(document);
	read = case_manifest_read(&reader, yaml_root(document));
	assert_non_null(read);
	yaml_close(document);
	diagnostics_fini(&diagnostics);
	return read;
}

static void apply(struct case_cluster *cluster, const char *yaml)
{
	json_t *read = manifest(yaml);
	struct error error;

	if (case_cluster_apply(cluster, read, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	json_decref(read);
}

static int call(struct case_cluster *cluster, enum kube_method method, const char *at,
	const char *body, json_t **answer)
{
	struct kube_request request = {.method = method, .path = at, .body = body};

	*answer = NULL;
	return case_cluster_serve(cluster, &request, answer);
}

#define WEB "/apis/apps/v1/namespaces/shop/deployments/web"

static void a_patch_holds_its_preconditions(void **state)
{
	struct case_cluster cluster;
	json_t *answer;
	char body[256];

	assert_int_equal(case_cluster_init(&cluster), STATUS_OK);
	apply(&cluster,
		"{kind: Deployment, metadata: {namespace: shop, name: web}, spec: {replicas: 2}}");
	assert_int_equal(call(&cluster, KUBE_GET, WEB, NULL, &answer), 200);
	snprintf(body, sizeof(body),
		"{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\"},"
		"\"spec\":{\"replicas\":3}}",
		kube_uid(answer), kube_resource_version(answer));
	json_decref(answer);
	/* Asked to try only: nothing changes. */
	assert_int_equal(call(&cluster, KUBE_PATCH, WEB "/scale?dryRun=All", body, &answer), 200);
	json_decref(answer);
	assert_int_equal(call(&cluster, KUBE_PATCH, WEB "/scale", body, &answer), 200);
	assert_int_equal(kube_number(kube_get(answer, "spec", "replicas", NULL), 0), 3);
	assert_int_equal(kube_number(kube_get(answer, "status", "readyReplicas", NULL), 0), 3);
	json_decref(answer);
	/* The version is another one by now. */
	assert_int_equal(call(&cluster, KUBE_PATCH, WEB "/scale", body, &answer), 409);
	json_decref(answer);
	assert_int_equal(call(&cluster, KUBE_PATCH, WEB "x", body, &answer), 404);
	json_decref(answer);
	case_cluster_fini(&cluster);
}

static void containers_are_patched_by_name(void **state)
{
	struct case_cluster cluster;
	const json_t *container;
	json_t *answer;

	assert_int_equal(case_cluster_init(&cluster), STATUS_OK);
	apply(&cluster,
		"{kind: Deployment, metadata: {namespace: shop, name: web}, spec: {template: {spec: "
		"{containers: [{name: a, image: x}, {name: b, image: y}]}}}}");
	assert_int_equal(
		call(&cluster, KUBE_PATCH, WEB,
			"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"b\","
			"\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]}}}}",
			&answer),
		200);
	container = kube_container(answer, TARGET_DEPLOYMENT, "b");
	assert_string_equal(json_string_value(json_object_get(container, "image")), "y");
	assert_string_equal(json_string_value(
				    kube_get(container, "resources", "limits", "memory", NULL)),
		"1Gi");
	container = kube_container(answer, TARGET_DEPLOYMENT, "a");
	assert_null(json_object_get(container, "resources"));
	json_decref(answer);
	case_cluster_fini(&cluster);
}

static void a_pod_is_deleted_by_its_uid_alone(void **state)
{
	struct case_cluster cluster;
	json_t *answer;

	assert_int_equal(case_cluster_init(&cluster), STATUS_OK);
	apply(&cluster, "{kind: Pod, metadata: {namespace: shop, name: a, uid: one}}");
	assert_int_equal(call(&cluster, KUBE_DELETE, "/api/v1/namespaces/shop/pods/a",
				 "{\"preconditions\":{\"uid\":\"two\"}}", &answer),
		409);
	json_decref(answer);
	assert_int_equal(call(&cluster, KUBE_DELETE, "/api/v1/namespaces/shop/pods/a",
				 "{\"preconditions\":{\"uid\":\"one\"}}", &answer),
		200);
	json_decref(answer);
	assert_int_equal(call(&cluster, KUBE_GET, "/api/v1/namespaces/shop/pods/a", NULL, &answer),
		404);
	json_decref(answer);
	cluster.unreachable = true;
	assert_int_equal(call(&cluster, KUBE_GET, "/api/v1/namespaces/shop", NULL, &answer), 0);
	case_cluster_fini(&cluster);
}

static void an_owner_must_be_there(void **state)
{
	struct case_cluster cluster;
	struct error error;
	json_t *read = manifest("{kind: Pod, metadata: {namespace: shop, name: a, "
				"ownerReferences: [{kind: ReplicaSet, name: gone}]}}");

	assert_int_equal(case_cluster_init(&cluster), STATUS_OK);
	assert_int_equal(case_cluster_apply(&cluster, read, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "ReplicaSet gone"));
	assert_int_equal(case_cluster_delete(&cluster, "shop/Pod/b", &error), STATUS_NOT_FOUND);
	assert_int_equal(case_cluster_delete(&cluster, "Pod/b", &error), STATUS_BAD_INPUT);
	json_decref(read);
	case_cluster_fini(&cluster);
}

/* ---- running ---- */

static const char playbook[] = "playbook: grow\n"
			       "trigger: {alert: ['alertname=\"Busy\"']}\n"
			       "target: {kind: Deployment}\n"
			       "steps: [{action: scale, by: +1}]\n"
			       "verify: {signal: saturation, is: below, value: 0.9}\n"
			       "hand_over: none\n";

/* One workload that is managed, and a test of it that goes on. */
#define ONE                                                                                        \
	"playbooks: [p.yaml]\n"                                                                    \
	"input_series:\n"                                                                          \
	"- {series: 'nimbusguard:workload_saturation:ratio{namespace=\"shop\","                    \
	"workload_kind=\"Deployment\",workload=\"web\"}', values: 0.5x200}\n"                      \
	"cluster:\n"                                                                               \
	"- {kind: Deployment, metadata: {namespace: shop, name: web, annotations: "                \
	"{nimbusguard.io/managed: 'true'}}, spec: {replicas: 2}}\n"                                \
	"tests:\n"                                                                                 \
	"- name: t\n"

#define BODY                                                                                       \
	ONE "  alerts:\n"                                                                          \
	    "  - {at: 5m, labels: {alertname: Busy, namespace: shop, deployment: web}}\n"

static enum status run_status;

/* The failures of the first test; what was told is in `told`. */
static size_t run_with(const char *playbook_text, const char *text)
{
	struct case_options options = {false};
	struct diagnostics diagnostics;
	struct case_result result;
	struct case_file *file;
	struct buf buf;

	write_text("p.yaml", playbook_text);
	file = open_text(text);
	if (file == NULL) {
		fail_msg("%s", told);
		return 0;
	}
	diagnostics_init(&diagnostics);
	run_status = case_run(file, &file->tests[0], &bundle, &options, &result, &diagnostics);
	buf_init(&buf, 65536);
	diagnostics_write(&diagnostics, &buf);
	snprintf(told, sizeof(told), "%s%s", result.text.data != NULL ? result.text.data : "",
		buf.data != NULL ? buf.data : "");
	buf_fini(&buf);
	buf_fini(&result.text);
	diagnostics_fini(&diagnostics);
	case_file_close(file);
	return result.failures;
}

static size_t run_text(const char *text)
{
	return run_with(playbook, text);
}

static void expect_told(size_t failures, const char *text, const char *words)
{
	size_t came = run_text(text);

	assert_int_equal(run_status, STATUS_OK);
	if (came != failures || strstr(told, words) == NULL)
		fail_msg("wanted %zu with %s, got %zu: %s", failures, words, came, told);
}

/* No rule of Prometheus waits for a proposal: the playbook's `for` does. */
static void a_proposal_is_answered_when_it_has_held_for_long_enough(void **state)
{
	static const char held[] = "playbook: grow\n"
				   "trigger: {proposal: ['proposal=\"scale_out\"'], for: 3m}\n"
				   "target: {kind: Deployment}\n"
				   "steps: [{action: scale, to: proposed}]\n"
				   "verify: {by: cluster, after: 1m}\n"
				   "hand_over: none\n";
#define PROPOSED(until, checks)                                                                    \
	ONE "  proposals:\n"                                                                       \
	    "  - {at: 5m" until                                                                    \
	    ", labels: {proposal: scale_out, namespace: shop, deployment: web}, "                  \
	    "annotations: {replicas: '4'}}\n"                                                      \
	    "  checks:\n" checks
#define HELD                                                                                       \
	"  - {at: 7m, expect: {action: scale, state: blocked, refused: condition, replicas: 2 -> 4}}\n"

	(void)state;
	if (run_with(held, PROPOSED("", HELD "  - {at: 8m30s, expect: {state: watched}}\n")) != 0)
		fail_msg("%s", told);
	if (run_with(held,
		    PROPOSED(", until: 7m30s",
			    HELD "  - {at: 20m, expect: {state: blocked, outcome: "
				 "resolved}}\n")) != 0)
		fail_msg("%s", told);
#undef HELD
#undef PROPOSED
}

static void what_comes_as_expected_passes(void **state)
{
	expect_told(0,
		BODY
		"  checks:\n"
		"  - {at: 4m, expect: nothing}\n"
		"  - {at: 5m, expect: {playbook: grow, action: scale, replicas: 2 -> 3, "
		"target: shop/Deployment/web, state: watched, outcome: none, dry_run: false}}\n"
		"  - {at: 30m, expect: {state: cured, outcome: cured, reason: cured}}\n",
		"");
	assert_string_equal(told, "");
}

static void what_comes_otherwise_fails_with_its_place(void **state)
{
	expect_told(1, BODY "  checks:\n  - {at: 5m, expect: nothing}\n",
		"x_test.yaml:11:22: FAIL t, at 5m: expected nothing, got an incident");
	expect_told(1, BODY "  checks:\n  - {at: 5m, expect: {replicas: 2 -> 4}}\n",
		"x_test.yaml:11:33: FAIL t, at 5m: expected replicas 2 -> 4, got 2 -> 3");
	expect_told(2, BODY "  checks:\n  - {at: 5m, expect: {action: cordon, state: done}}\n",
		"expected action cordon, got scale");
	expect_told(1, BODY "  checks:\n  - {at: 5m, expect: {target: shop/Pod/web}}\n",
		"expected target shop/Pod/web, got shop/Deployment/web");
	expect_told(1, BODY "  checks:\n  - {at: 5m, expect: {refused: cooldown}}\n",
		"expected a refusal by cooldown, got none");
	expect_told(1, BODY "  checks:\n  - {at: 4m, expect: {action: scale}}\n",
		"expected an incident, got none");
	expect_told(1, BODY "  checks:\n  - {at: 5m, expect: {dry_run: true}}\n",
		"expected dry_run true, got false");
}

static const char plan_body[] =
	"playbooks: [p.yaml]\n"
	"cluster:\n"
	"- {kind: Namespace, metadata: {name: shop, annotations: {nimbusguard.io/managed: "
	"'true'}}}\n"
	"- {kind: Deployment, metadata: {namespace: shop, name: web}, spec: {replicas: 2, "
	"template: {spec: {containers: [{name: app}]}}}}\n"
	"- {kind: HorizontalPodAutoscaler, metadata: {namespace: shop, name: hpa}, spec: "
	"{scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, "
	"minReplicas: 2, maxReplicas: 4}}\n"
	"- {kind: ReplicaSet, metadata: {namespace: shop, name: web-6f, ownerReferences: "
	"[{kind: Deployment, name: web}]}, spec: {replicas: 2}}\n"
	"- {kind: Pod, metadata: {namespace: shop, name: web-6f-a, ownerReferences: "
	"[{kind: ReplicaSet, name: web-6f}]}, spec: {nodeName: n1, containers: [{name: app, "
	"resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 1, memory: 64Mi}}}]}}\n"
	"- {kind: Node, metadata: {name: n1, annotations: {nimbusguard.io/managed: 'true'}}}\n"
	"input_series:\n"
	"- {series: 'nimbusguard:workload_saturation:ratio{namespace=\"shop\","
	"workload_kind=\"Deployment\",workload=\"web\"}', values: 0.5x200}\n"
	"tests:\n- name: t\n  alerts:\n"
	"  - {at: 5m, labels: {alertname: Busy, %s}}\n"
	"  checks:\n  - {at: 6m, expect: {%s}}\n";
static const char pod_labels[] = "namespace: shop, pod: web-6f-a",
		  web_labels[] = "namespace: shop, deployment: web";
static const struct {
	const char *kind, *step, *labels, *good, *bad, *told;
} plan_rows[] = {
	{"Deployment", "{action: adjust_autoscaler, min: 3, max: +1}", web_labels,
		"replicas_min: 2 -> 3, replicas_max: 4 -> 5, object: "
		"HorizontalPodAutoscaler/hpa",
		"object: ScaledObject/hpa",
		"expected object ScaledObject/hpa, got HorizontalPodAutoscaler/hpa"},
	{"Deployment", "{action: adjust_autoscaler, max: +1}", web_labels, "replicas_max: 4 -> 5",
		"replicas_min: 2 -> 3", "expected replicas_min 2 -> 3, got none"},
	{"Pod", "{action: adjust_resources, memory: 96MiB, cpu_request: 20m}", pod_labels,
		"in_place: true, state: watched, memory: 64Mi -> 96Mi, cpu_request: 10m -> 20m, plan: in "
		"place",
		"in_place: false", "expected in_place false, got true"},
	{"Pod", "{action: restart_pod, by: evict}", pod_labels, "by: evict", "by: delete",
		"expected by delete, got evict"},
	{"Node", "{action: drain, deadline: 30m, delete_local_data: true}", "node: n1",
		"unschedulable: false -> true, delete_local_data: true, delete_unowned: "
		"false, time: 30m",
		"time: 15m", "expected time 15m, got 30m"},
	{"Deployment",
		"{action: run_job, template: {apiVersion: batch/v1, kind: Job, spec: "
		"{activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 600, template: "
		"{spec: {restartPolicy: Never, containers: [{name: a, image: clean, env: "
		"[{name: WHERE, value: '{{ namespace }}'}]}]}}}}}",
		web_labels, "payload: '\"value\":\"shop\"'", "job: ng-other",
		"expected job ng-other, got ng-a-"},
	{"Deployment", "{action: silence, alerts: [Slow], for: 1h}", web_labels,
		"matchers: ['deployment=\"web\"', 'namespace=\"shop\"', "
		"'alertname=\"Slow\"'], time: 1h, action: silence",
		"matchers: ['alertname=\"Slow\"'], action: silence",
		"expected matchers alertname=\"Slow\", got "},
	{"Deployment", "{action: ticket, title: 'of {{ namespace }}', text: 'look at it'}",
		web_labels, "title: of shop, text: look", "title: of",
		"expected title of, got of shop"},
};

/* Whatever a plan has can be expected, and what is otherwise is told. */
static void each_part_of_a_plan_can_be_expected(void **state)
{
	char text[4096], own[1024];

	for (size_t i = 0; i < sizeof(plan_rows) / sizeof(plan_rows[0]); i++) {
		snprintf(own, sizeof(own),
			"playbook: p\ntrigger: {alert: ['alertname=\"Busy\"']}\n"
			"target: {kind: %s}\nsteps:\n- %s\n- {action: ticket, title: a, text: b}\n"
			"verify: {signal: saturation, is: below, value: 0.9}\n",
			plan_rows[i].kind, plan_rows[i].step);
		for (int good = 0; good < 2; good++) {
			size_t failures;

			snprintf(text, sizeof(text), plan_body, plan_rows[i].labels,
				good ? plan_rows[i].good : plan_rows[i].bad);
			failures = run_with(own, text);
			if (failures != !good ||
				strstr(told, good ? "" : plan_rows[i].told) == NULL)
				fail_msg("%s: %s", plan_rows[i].step, told);
		}
	}
}

static void a_failure_tells_which_gates_refused(void **state)
{
	expect_told(1,
		BODY
		"  changes:\n"
		"  - {at: 1m, apply: {kind: Deployment, metadata: {namespace: shop, name: web, "
		"annotations: {nimbusguard.io/paused: 'true'}}}}\n"
		"  checks:\n  - {at: 5m, expect: {state: watched}}\n",
		"refused by paused: The target is paused by the annotation nimbusguard.io/paused");
}

static void settings_are_those_of_the_service(void **state)
{
	expect_told(0,
		BODY "  settings: {guard: {startup_grace: 10m}}\n"
		     "  checks:\n  - {at: 5m, expect: {refused: startup_grace}}\n",
		"");
	expect_told(0,
		BODY "  settings: {mode: approve}\n"
		     "  people: [{at: 6m, say: approve}]\n"
		     "  checks:\n  - {at: 5m, expect: {state: awaiting_approval}}\n"
		     "  - {at: 6m, expect: {state: watched}}\n",
		"");
	assert_int_equal(run_text(BODY "  settings: {guard: {cooldwn: 1m}}\n"
				       "  checks:\n  - {at: 5m, expect: nothing}\n"),
		0);
	assert_int_equal(run_status, STATUS_BAD_INPUT);
	if (strstr(told, "x_test.yaml:10:22: error: ") == NULL)
		fail_msg("%s", told);
	assert_non_null(strstr(told, "cooldown"));
}

static void somebody_elses_change_is_an_outcome(void **state)
{
	expect_told(0,
		BODY
		"  changes:\n"
		"  - {at: 6m, apply: {kind: Deployment, metadata: {namespace: shop, name: web}, "
		"spec: {replicas: 2}}}\n"
		"  checks:\n  - {at: 30m, expect: {state: reverted, reason: reverted, "
		"outcome: handed_over}}\n",
		"");
}

static void without_a_cluster_no_real_change_is_made(void **state)
{
	expect_told(0,
		"playbooks: [p.yaml]\n"
		"tests:\n"
		"- name: t\n"
		"  alerts: [{at: 5m, labels: {alertname: Busy, namespace: shop, deployment: web}}]\n"
		"  checks: [{at: 6m, expect: {state: blocked, refused: cluster_unavailable}}]\n",
		"");
}

/* ---- proposals ---- */

#define PROPOSAL                                                                                   \
	"playbook: p\ntrigger: {proposal: [proposal=~\"scale_.*\"]}\ntarget: {kind: Workload}\n"   \
	"steps: [{action: scale, to: proposed}]\nmode: approve\nverify: {by: cluster, after: 1m}\n"

#define PROPOSED(at, name, replicas)                                                               \
	"  - {at: " at ", labels: {proposal: " name ", namespace: shop, workload_kind: "           \
	"Deployment, workload: web}, annotations: {replicas: '" replicas "'}}\n"

#define PROPOSALS                                                                                  \
	"playbooks: [p.yaml]\ninput_series:\n"                                                     \
	"- {series: 'nimbusguard:workload_saturation:ratio{namespace=\"shop\","                    \
	"workload_kind=\"Deployment\",workload=\"web\"}', values: 0.5x200}\n"                      \
	"cluster:\n"                                                                               \
	"- {kind: Deployment, metadata: {namespace: shop, name: web, annotations: "                \
	"{nimbusguard.io/managed: 'true'}}, spec: {replicas: 4}}\n"                                \
	"tests:\n- name: t\n  proposals:\n"

static void expect_passes(const char *text)
{
	if (run_with(PROPOSAL, text) != 0)
		fail_msg("%s", told);
}

static void a_newer_proposal_changes_what_waits_for_a_person(void **state)
{
	expect_passes(PROPOSALS PROPOSED("5m", "scale_out", "6")
			PROPOSED("8m", "scale_out", "9") "  people: [{at: 12m, say: approve}]\n"
							 "  checks:\n"
							 "  - {at: 6m, expect: {replicas: 4 -> "
							 "6, state: awaiting_approval}}\n"
							 "  - {at: 13m, expect: {action: scale, "
							 "replicas: 4 -> 9}}\n");
}

static void a_proposal_the_other_way_is_another_incident(void **state)
{
	expect_passes(PROPOSALS PROPOSED("5m", "scale_out", "6") PROPOSED("8m", "scale_in",
		"2") "  checks:\n"
		     "  - {at: 9m, alert: scale_out, expect: {replicas: 4 -> 6}}\n"
		     "  - {at: 9m, alert: scale_in, expect: {state: blocked, "
		     "refused: no_condition}}\n");
}

static void proposals_are_no_storm(void **state)
{
	expect_passes("settings: {guard: {storm_alerts: 1}}\n" PROPOSALS PROPOSED("5m", "scale_out",
		"6") PROPOSED("5m10s", "scale_in", "2") PROPOSED("5m20s", "scale_other",
		"7") PROPOSED("5m30s", "scale_last",
		"8") "  checks:\n"
		     "  - {at: 6m, alert: scale_out, expect: {state: awaiting_approval}}\n"
		     "  - {at: 6m, alert: scale_last, expect: {state: awaiting_approval}}\n");
}

static void only_a_proposal_says_a_number(void **state)
{
	(void)run_with("playbook: p\ntrigger: {proposal: [proposal=\"scale_out\"], alert: "
		       "[alertname=\"Busy\"]}\ntarget: {kind: Workload}\n"
		       "steps: [{action: scale, to: proposed}]\nverify: {by: cluster}\n",
		PROPOSALS PROPOSED("5m", "scale_out",
			"6") "  checks: [{at: 5m, expect: nothing}]\n");
	assert_int_equal(run_status, STATUS_BAD_INPUT);
	assert_non_null(strstr(told, "the trigger may be nothing but a proposal"));
}

static void no_memory_is_an_answer(void **state)
{
	static const char text[] = BODY "  checks:\n  - {at: 5m, expect: {replicas: 2 -> 3}}\n";
	struct diagnostics diagnostics;
	struct case_file *file;

	write_text("x_test.yaml", text);
	for (long nth = 1;; nth++) {
		diagnostics_init(&diagnostics);
		(void)mem_fail_after(nth, false);
		file = case_file_open(path, &diagnostics);
		bool injected = mem_fail_after(0, false);

		case_file_close(file);
		diagnostics_fini(&diagnostics);
		if (!injected)
			break;
	}
}

static void no_memory_ends_a_run_and_nothing_else(void **state)
{
	struct case_options options = {false};
	struct diagnostics diagnostics;
	struct case_result result;
	struct case_file *file;

	write_text("p.yaml", playbook);
	file = open_text(BODY "  checks:\n  - {at: 5m, expect: {replicas: 2 -> 3}}\n");
	assert_non_null(file);
	for (long nth = 1; nth < 200; nth++) {
		diagnostics_init(&diagnostics);
		(void)mem_fail_after(nth, false);
		(void)!case_run(file, &file->tests[0], &bundle, &options, &result, &diagnostics);
		(void)mem_fail_after(0, false);
		buf_fini(&result.text);
		diagnostics_fini(&diagnostics);
	}
	case_file_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notation_is_that_of_promtool),
		cmocka_unit_test(stale_is_the_marker_and_no_other_nan),
		cmocka_unit_test(what_is_no_value_is_refused),
		cmocka_unit_test(errors_are_told_with_their_place),
		cmocka_unit_test(manifests_are_held_to_their_form),
		cmocka_unit_test(an_error_of_what_is_shared_is_told_once),
		cmocka_unit_test(a_patch_holds_its_preconditions),
		cmocka_unit_test(containers_are_patched_by_name),
		cmocka_unit_test(a_pod_is_deleted_by_its_uid_alone),
		cmocka_unit_test(an_owner_must_be_there),
		cmocka_unit_test(a_proposal_is_answered_when_it_has_held_for_long_enough),
		cmocka_unit_test(what_comes_as_expected_passes),
		cmocka_unit_test(what_comes_otherwise_fails_with_its_place),
		cmocka_unit_test(each_part_of_a_plan_can_be_expected),
		cmocka_unit_test(a_failure_tells_which_gates_refused),
		cmocka_unit_test(settings_are_those_of_the_service),
		cmocka_unit_test(somebody_elses_change_is_an_outcome),
		cmocka_unit_test(without_a_cluster_no_real_change_is_made),
		cmocka_unit_test(a_newer_proposal_changes_what_waits_for_a_person),
		cmocka_unit_test(a_proposal_the_other_way_is_another_incident),
		cmocka_unit_test(proposals_are_no_storm),
		cmocka_unit_test(only_a_proposal_says_a_number),
		cmocka_unit_test(no_memory_is_an_answer),
		cmocka_unit_test(no_memory_ends_a_run_and_nothing_else),
	};

	return cmocka_run_group_tests_name("case", tests, make_folder, remove_folder);
}
