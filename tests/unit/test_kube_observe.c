/* run-under: tsan */
/* What the Kubernetes actuator tells of a target, against a scripted API server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remediations/kube_watch.h"
#include "tests/support/kube_fixture.h"

#define OWNER(version, kind, name, uid)                                                                  \
	",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Other\",\"name\":\"x\",\"uid\":\"y\"}," \
	"{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"name\":\"" name                         \
	"\",\"uid\":\"" uid "\",\"controller\":true}]"
#define META(name, uid, more)                                                                      \
	"\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid "\",\"resourceVersion\":\"7\"" more "}"
#define NOTED(key, value) ",\"annotations\":{\"" key "\":\"" value "\"}"

#define POD "GET /api/v1/namespaces/shop/pods/web-abc-1 "
#define REPLICASET "GET /apis/apps/v1/namespaces/shop/replicasets/web-abc "
#define DEPLOYMENT "GET /apis/apps/v1/namespaces/shop/deployments/web "
#define NAMESPACE "GET /api/v1/namespaces/shop "
#define HPAS "GET /apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers?limit=500"
#define KEDA "GET /apis/keda.sh "
#define SCALED "GET /apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects?limit=500"

#define POD_BODY(more)                                                                                                          \
	"{" META("web-abc-1", "p1",                                                                                             \
		OWNER("apps/v1", "ReplicaSet", "web-abc", "r1")                                                                 \
			more) ",\"spec\":{\"containers\":[{\"name\":\"app\",\"resources\":{\"limits\":{\"memory\":\"512Mi\","   \
			      "\"cpu\":\"1500m\"}}},{\"name\":\"side\"}]},\"status\":{\"containerStatuses\":["                  \
			      "{\"name\":\"side\",\"restartCount\":1,\"lastState\":{\"terminated\":{\"reason\":\"Error\"}}},"   \
			      "{\"name\":\"app\",\"restartCount\":9,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}," \
			      "\"lastState\":{\"terminated\":{\"reason\":\"OOMKilled\"}}}]}}"
#define REPLICASET_BODY "{" META("web-abc", "r1", OWNER("apps/v1", "Deployment", "web", "d1")) "}"
#define DEPLOYMENT_BODY(more)                                                                      \
	"{" META("web", "d1",                                                                      \
		more) ",\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{"        \
		      "\"name\":\"app\",\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]}}},"     \
		      "\"status\":{\"readyReplicas\":2}}"
#define NAMESPACE_BODY(more) "{" META("shop", "n1", more) "}"
#define EMPTY_LIST "{\"items\":[]}"
#define HPA(name, target, more)                                                                    \
	"{" META(name, "h1", more) ",\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\","    \
				   "\"kind\":\"Deployment\",\"name\":\"" target "\"}}}"

/* A deployment with a pod, no autoscaler, no KEDA: rules given to a test come before these. */
static const struct stub_rule cluster[] = {
	{.start = POD, .body = POD_BODY("")},
	{.start = REPLICASET, .body = REPLICASET_BODY},
	{.start = DEPLOYMENT, .body = DEPLOYMENT_BODY("")},
	{.start = NAMESPACE, .body = NAMESPACE_BODY("")},
	{.start = HPAS, .body = EMPTY_LIST},
};

#define RULES_MAX 16
static struct stub_rule in_force[RULES_MAX];

static const struct observation *look(struct kube_fixture *fixture, enum target_kind kind,
	const char *name, const struct stub_rule *rules, size_t count)
{
	struct target target = kube_target(kind, kind == TARGET_NODE ? "" : "shop", name);

	http_stub_rules(fixture->stub, NULL, 0);
	assert_true(count + ARRAY_COUNT(cluster) <= RULES_MAX);
	memcpy(in_force, rules, count * sizeof(*rules));
	memcpy(in_force + count, cluster, sizeof(cluster));
	kube_fixture_observe(fixture, &target, in_force, count + ARRAY_COUNT(cluster));
	return &fixture->observation;
}

#define LOOK(fixture, kind, name, ...)                                                             \
	look(fixture, kind, name, (const struct stub_rule[]){__VA_ARGS__},                         \
		sizeof((const struct stub_rule[]){__VA_ARGS__}) / sizeof(struct stub_rule))
#define NO_RULE                                                                                    \
	{                                                                                          \
		.start = "nothing"                                                                 \
	}

static void assert_clear(const struct observation *seen)
{
	if (seen->error.code != STATUS_OK)
		fail_msg("%s", seen->error.text);
}

static void assert_error(const struct observation *seen, enum status status, const char *words)
{
	if (seen->error.code != status || strstr(seen->error.text, words) == NULL)
		fail_msg("%s: %s", status_label(seen->error.code), seen->error.text);
}

static void pod_is_followed_to_its_deployment(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "web-abc-1", NO_RULE);

	assert_clear(seen);
	assert_true(seen->found);
	assert_int_equal(((struct kube_fixture *)*state)->ticket, 42);
	assert_string_equal(seen->target.uid, "p1");
	assert_string_equal(seen->target.resource_version, "7");
	assert_int_equal(seen->target.workload.kind, TARGET_DEPLOYMENT);
	assert_string_equal(seen->target.workload.namespace_name, "shop");
	assert_string_equal(seen->target.workload.name, "web");
	assert_int_equal(seen->replicas, 3);
	assert_int_equal(seen->ready_replicas, 2);
	assert_int_equal(seen->memory_limit_bytes, INT64_C(512) << 20);
	assert_int_equal(seen->cpu_limit_milli, 1500);
	assert_string_equal(seen->restart_reason, "CrashLoopBackOff");
	assert_int_equal(seen->restart_count, 9);
	assert_string_equal(seen->owner_of_replicas, "");
	assert_string_equal(seen->git_owner, "");
	assert_false(seen->managed || seen->paused || seen->paused_unclear || seen->dry_run);
	assert_false(seen->terminating || seen->rollout_paused);
}

static void deployment_is_its_own_workload(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web", NO_RULE);

	assert_clear(seen);
	assert_string_equal(seen->target.uid, "d1");
	assert_int_equal(seen->target.workload.kind, TARGET_DEPLOYMENT);
	assert_int_equal(seen->memory_limit_bytes, INT64_C(1) << 30);
	assert_int_equal(seen->cpu_limit_milli, 0);
	assert_int_equal(seen->restart_count, 0);
}

static void job_is_followed_to_its_cron_job(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "j-1",
		{.start = "GET /api/v1/namespaces/shop/pods/j-1 ",
			.body = "{" META("j-1", "p", OWNER("batch/v1", "Job", "j", "j1")) "}"},
		{.start = "GET /apis/batch/v1/namespaces/shop/jobs/j ",
			.body = "{" META("j", "j1", OWNER("batch/v1", "CronJob", "c", "c1")) "}"},
		{.start = "GET /apis/batch/v1/namespaces/shop/cronjobs/c ",
			.body = "{" META("c", "c1", "") "}"});

	assert_clear(seen);
	assert_int_equal(seen->target.workload.kind, TARGET_CRONJOB);
	assert_string_equal(seen->target.workload.name, "c");
}

static void daemon_set_counts_its_nodes(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DAEMONSET, "agent",
		{.start = "GET /apis/apps/v1/namespaces/shop/daemonsets/agent ",
			.body = "{" META("agent", "a1",
				"") ",\"status\":{\"desiredNumberScheduled\":4,"
				    "\"numberReady\":3}}"});

	assert_clear(seen);
	assert_int_equal(seen->replicas, 4);
	assert_int_equal(seen->ready_replicas, 3);
}

static void pod_without_owner_has_no_workload(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "lone",
		{.start = "GET /api/v1/namespaces/shop/pods/lone ",
			.body = "{" META("lone", "p", "") "}"});

	assert_clear(seen);
	assert_int_equal(seen->target.workload.kind, TARGET_NONE);
	assert_int_equal(seen->memory_limit_bytes, 0);
}

static void node_is_seen_without_a_namespace(void **state)
{
	struct kube_fixture *fixture = *state;
	const struct observation *seen = LOOK(fixture, TARGET_NODE, "n1",
		{.start = "GET /api/v1/nodes/n1 ",
			.body = "{" META("n1", "n", NOTED("nimbusguard.io/managed", "true")) "}"});

	assert_clear(seen);
	assert_true(seen->managed);
	assert_int_equal(http_stub_request_count(fixture->stub), 1);
}

static void absent_target_is_no_error(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "none", NO_RULE);

	assert_clear(seen);
	assert_false(seen->found);
	assert_string_equal(seen->target.name, "none");
}

static void name_given_anew_is_noticed(void **state)
{
	struct kube_fixture *fixture = *state;
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	const struct observation *seen = LOOK(fixture, TARGET_POD, "web-abc-1",
		{.start = REPLICASET,
			.body = "{" META("web-abc", "r2",
				OWNER("apps/v1", "Deployment", "web", "d1")) "}"});

	assert_error(seen, STATUS_CONFLICT, "ReplicaSet web-abc is another object by now");
	/* Of the target itself the uid is told: whoever asked knows which one was meant. */
	snprintf(target.uid, sizeof(target.uid), "d0");
	kube_fixture_observe(fixture, &target, cluster, ARRAY_COUNT(cluster));
	assert_clear(seen);
	assert_true(seen->found);
	assert_string_equal(seen->target.uid, "d1");
}

static void key_of_the_last_action_and_a_cordon_are_told(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = DEPLOYMENT,
			.body = DEPLOYMENT_BODY(NOTED("nimbusguard.io/action", "a-7"))});

	assert_clear(seen);
	assert_string_equal(seen->action_key, "a-7");
	assert_false(seen->unschedulable);
	LOOK(*state, TARGET_NODE, "n1",
		{.start = "GET /api/v1/nodes/n1 ",
			.body = "{" META("n1", "n", "") ",\"spec\":{\"unschedulable\":true}}"});
	assert_clear(seen);
	assert_string_equal(seen->action_key, "");
	assert_true(seen->unschedulable);
}

static void owner_that_is_gone_is_an_error(void **state)
{
	assert_error(LOOK(*state, TARGET_POD, "web-abc-1", {.start = DEPLOYMENT, .code = 404}),
		STATUS_NOT_FOUND, "its owner Deployment web");
}

static void unknown_controller_owns_the_replicas(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "web-abc-1",
		{.start = REPLICASET,
			.body = "{" META("web-abc", "r1",
				OWNER("argoproj.io/v1alpha1", "Rollout", "web", "o1")) "}"});

	assert_clear(seen);
	assert_string_equal(seen->owner_of_replicas, "Rollout/web");
	assert_int_equal(seen->target.workload.kind, TARGET_REPLICASET);
	/* A Deployment of somebody else's API group is not ours either. */
	seen = LOOK(*state, TARGET_POD, "web-abc-1",
		{.start = REPLICASET,
			.body = "{" META("web-abc", "r1",
				OWNER("apps.example.com/v1", "Deployment", "web", "d1")) "}"});
	assert_string_equal(seen->owner_of_replicas, "Deployment/web");
}

static void autoscaler_of_the_workload_is_found(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "web-abc-1",
		{.start = HPAS,
			.body = "{\"items\":[" HPA("other", "api", "") "," HPA("grow", "web",
				"") "]}"});

	assert_clear(seen);
	assert_string_equal(seen->owner_of_replicas, "HorizontalPodAutoscaler/grow");
	seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = HPAS, .body = "{\"items\":[" HPA("other", "api", "") "]}"});
	assert_string_equal(seen->owner_of_replicas, "");
}

static void autoscaler_on_a_later_page_is_found(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = HPAS "&continue=a%2Fb%3D ",
			.body = "{\"items\":[" HPA("late", "web", "") "]}"},
		{.start = HPAS " ", .body = "{\"metadata\":{\"continue\":\"a/b=\"},\"items\":[]}"});

	assert_clear(seen);
	assert_string_equal(seen->owner_of_replicas, "HorizontalPodAutoscaler/late");
}

static void endless_list_is_an_error(void **state)
{
	assert_error(
		LOOK(*state, TARGET_DEPLOYMENT, "web",
			{.start = HPAS,
				.body = "{\"metadata\":{\"continue\":\"again\"},\"items\":[]}"}),
		STATUS_LIMIT, "too long");
}

static void keda_is_the_owner_behind_its_autoscaler(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = HPAS,
			.body = "{\"items\":[" HPA("keda-hpa-web", "web",
				OWNER("keda.sh/v1alpha1", "ScaledObject", "web-so", "s1")) "]}"});

	assert_string_equal(seen->owner_of_replicas, "ScaledObject/web-so");
	seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = HPAS,
			.body = "{\"items\":[" HPA("keda-hpa-web", "web",
				",\"labels\":{\"scaledobject.keda.sh/name\":\"by-label\"}") "]}"});
	assert_string_equal(seen->owner_of_replicas, "ScaledObject/by-label");
}

static void paused_scaled_object_without_autoscaler_is_found(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web", {.start = KEDA},
		{.start = SCALED,
			.body = "{\"items\":[{" META("so", "s",
				"") ",\"spec\":{\"scaleTargetRef\":{\"name\":\"web\"}}}]}"});

	assert_clear(seen);
	assert_string_equal(seen->owner_of_replicas, "ScaledObject/so");
}

static void list_that_we_may_not_see_is_not_empty(void **state)
{
	struct kube_fixture *fixture = *state;

	assert_error(LOOK(fixture, TARGET_DEPLOYMENT, "web", {.start = HPAS, .code = 403}),
		STATUS_FORBIDDEN, "the list of horizontalpodautoscalers");
	assert_error(LOOK(fixture, TARGET_DEPLOYMENT, "web", {.start = KEDA, .code = 403}),
		STATUS_FORBIDDEN, "the API group keda.sh");
	assert_error(LOOK(fixture, TARGET_DEPLOYMENT, "web", {.start = KEDA},
			     {.start = SCALED, .code = 403}),
		STATUS_FORBIDDEN, "the list of scaledobjects");
	assert_error(LOOK(fixture, TARGET_DEPLOYMENT, "web", {.start = NAMESPACE, .code = 403}),
		STATUS_FORBIDDEN, "the namespace shop");
	assert_error(LOOK(fixture, TARGET_POD, "web-abc-1", {.start = REPLICASET, .code = 403}),
		STATUS_FORBIDDEN, "its owner ReplicaSet web-abc");
}

static void api_that_is_not_there_holds_nothing(void **state)
{
	const struct observation *seen =
		LOOK(*state, TARGET_DEPLOYMENT, "web", {.start = HPAS, .code = 404});

	assert_clear(seen);
	assert_string_equal(seen->owner_of_replicas, "");
}

static size_t count_requests(struct kube_fixture *fixture, const char *start)
{
	size_t count = 0;

	for (size_t i = 0; i < http_stub_request_count(fixture->stub); i++)
		count += strncmp(http_stub_request(fixture->stub, i), start, strlen(start)) == 0;
	return count;
}

static void absence_of_keda_is_remembered(void **state)
{
	struct kube_fixture *fixture = *state;

	for (int i = 0; i < 10; i++)
		assert_clear(LOOK(fixture, TARGET_DEPLOYMENT, "web", NO_RULE));
	/* Once for each of the two threads. */
	assert_in_range(count_requests(fixture, KEDA), 1, 2);
}

/* Annotations of pod, deployment and namespace, and what follows. */
/* Waits until a kind is followed; the metric is set by its collector. */
static void await_watch(const char *kind)
{
	for (int waited_ms = 0; metrics_get(METRIC_KUBE_WATCH_FRESH, kind) < 1; waited_ms += 5) {
		struct buf page;

		assert_true(waited_ms < 120000);
		clock_sleep_ms(5);
		buf_init(&page, 4 << 20);
		metrics_write_page(&page);
		buf_fini(&page);
	}
}

static void what_is_watched_is_not_read(void **state)
{
#define SIGN "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n\f"
#define LIST(item) "{\"metadata\":{\"resourceVersion\":\"8\"},\"items\":[" item "]}"
	static const struct stub_rule rules[] = {
		{.start = DEPLOYMENT, .body = DEPLOYMENT_BODY("")},
		{.start = "GET /api/v1/namespaces?limit",
			.body = LIST(NAMESPACE_BODY(NOTED("nimbusguard.io/paused", "true")))},
		{.start = "GET /api/v1/namespaces?watch", .stream = true, .body = SIGN},
		{.start = "GET /apis/autoscaling/v2/horizontalpodautoscalers?limit",
			.body = LIST(HPA("scaler", "web", ",\"namespace\":\"shop\""))},
		{.start = "GET /apis/autoscaling/v2/horizontalpodautoscalers?watch",
			.stream = true,
			.body = SIGN},
	};
	struct kube_fixture fixture = {0};
	struct target target = kube_target(TARGET_DEPLOYMENT, "shop", "web");
	char url[64];
	size_t before;

	(void)state;
	metrics_reset();
	fixture.stub = http_stub_open(rules, ARRAY_COUNT(rules), NULL, NULL);
	assert_non_null(fixture.stub);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_stub_port(fixture.stub));
	kube_fixture_open(&fixture,
		(struct actuator_kube_config){.url = url,
			.watch_kinds = KUBE_WATCH_BIT(KUBE_WATCH_NAMESPACES) |
				KUBE_WATCH_BIT(KUBE_WATCH_AUTOSCALERS),
			.timeout_ms = 60000});
	await_watch("namespaces");
	await_watch("horizontalpodautoscalers");
	before = http_stub_request_count(fixture.stub);
	kube_fixture_observe(&fixture, &target, NULL, 0);
	assert_clear(&fixture.observation);
	assert_true(fixture.observation.paused);
	assert_string_equal(fixture.observation.owner_of_replicas,
		"HorizontalPodAutoscaler/scaler");
	/* The target itself is read always. */
	assert_int_equal(http_stub_request_count(fixture.stub), before + 1);
	assert_memory_equal(http_stub_request(fixture.stub, before), DEPLOYMENT,
		sizeof(DEPLOYMENT) - 1);
	kube_fixture_close(&fixture);
}

static void nearest_annotation_decides_and_unclear_ones_show(void **state)
{
	static const struct {
		struct stub_rule rules[3];
		bool managed, paused, unclear, dry_run;
	} table[] = {
#define ROW(pod, deployment, space, ...)                                                           \
	{{{.start = POD, .body = POD_BODY(pod)},                                                   \
		 {.start = DEPLOYMENT, .body = DEPLOYMENT_BODY(deployment)},                       \
		 {.start = NAMESPACE, .body = NAMESPACE_BODY(space)}},                             \
		__VA_ARGS__}
#define MANAGED(value) NOTED("nimbusguard.io/managed", value)
#define PAUSED(value) NOTED("nimbusguard.io/paused", value)
#define DRY(value) NOTED("nimbusguard.io/dry-run", value)
		ROW("", "", MANAGED("true"), true, false, false, false),
		ROW("", MANAGED("true"), "", true, false, false, false),
		ROW("", MANAGED("false"), MANAGED("true"), false, false, false, false),
		ROW(MANAGED("false"), MANAGED("true"), MANAGED("true"), false, false, false, false),
		ROW("", MANAGED("yes"), MANAGED("true"), false, false, true, false),
		ROW("", MANAGED("True"), "", false, false, true, false),
		ROW("", "", PAUSED("true"), false, true, false, false),
		ROW("", PAUSED("false"), PAUSED("true"), false, false, false, false),
		ROW(PAUSED("false"), PAUSED("true"), "", false, true, false, false),
		ROW("", "", PAUSED(""), false, false, true, false),
		ROW("", PAUSED("1"), "", false, false, true, false),
		ROW("", DRY("true"), MANAGED("true"), true, false, false, true),
		ROW("", DRY("false"), DRY("true"), false, false, false, false),
		ROW("", "", DRY("on"), false, false, true, false),
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		const struct observation *seen =
			look(*state, TARGET_POD, "web-abc-1", table[i].rules, 3);

		assert_clear(seen);
		if (seen->managed != table[i].managed || seen->paused != table[i].paused ||
			seen->paused_unclear != table[i].unclear ||
			seen->dry_run != table[i].dry_run)
			fail_msg("row %zu: managed %d, paused %d, unclear %d, dry run %d", i,
				seen->managed, seen->paused, seen->paused_unclear, seen->dry_run);
	}
}

static void annotation_that_is_no_text_is_unclear(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = DEPLOYMENT,
			.body = DEPLOYMENT_BODY(
				",\"annotations\":{\"nimbusguard.io/paused\":true}")});

	assert_true(seen->paused_unclear);
}

static void git_marks_are_read_unless_copied(void **state)
{
	static const struct {
		const char *start, *body, *owner;
	} table[] = {
#define ARGO(id) NOTED("argocd.argoproj.io/tracking-id", id)
		{DEPLOYMENT, DEPLOYMENT_BODY(ARGO("store:apps/Deployment:shop/web")),
			"argocd:store"},
		{DEPLOYMENT, DEPLOYMENT_BODY(ARGO("store:apps/Deployment:shop/api")), ""},
		{DEPLOYMENT, DEPLOYMENT_BODY(ARGO("store:apps/StatefulSet:shop/web")), ""},
		{DEPLOYMENT, DEPLOYMENT_BODY(ARGO("nonsense")), ""},
		{DEPLOYMENT,
			DEPLOYMENT_BODY(
				",\"labels\":{\"kustomize.toolkit.fluxcd.io/name\":\"base\"}"),
			"flux:base"},
		{DEPLOYMENT,
			DEPLOYMENT_BODY(",\"labels\":{\"helm.toolkit.fluxcd.io/name\":\"chart\"}"),
			"flux:chart"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		const struct observation *seen = LOOK(*state, TARGET_POD, "web-abc-1",
			{.start = table[i].start, .body = table[i].body});

		assert_clear(seen);
		assert_string_equal(seen->git_owner, table[i].owner);
	}
}

static void terminating_and_paused_rollouts_are_told(void **state)
{
	const struct observation *seen = LOOK(*state, TARGET_POD, "web-abc-1",
		{.start = POD,
			.body = POD_BODY(",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"")});

	assert_true(seen->terminating);
	seen = LOOK(*state, TARGET_DEPLOYMENT, "web",
		{.start = DEPLOYMENT,
			.body = "{" META("web", "d1", "") ",\"spec\":{\"paused\":true}}"});
	assert_true(seen->rollout_paused);
	assert_int_equal(seen->replicas, 1); /* what an absent number means */
}

static void named_container_is_the_one_looked_at(void **state)
{
	struct kube_fixture *fixture = *state;
	struct target target = kube_target(TARGET_POD, "shop", "web-abc-1");

	snprintf(target.container, sizeof(target.container), "side");
	kube_fixture_observe(fixture, &target, cluster, ARRAY_COUNT(cluster));
	assert_clear(&fixture->observation);
	assert_int_equal(fixture->observation.memory_limit_bytes, 0);
	assert_int_equal(fixture->observation.restart_count, 1);
	assert_string_equal(fixture->observation.restart_reason, "Error");
	snprintf(target.container, sizeof(target.container), "none");
	kube_fixture_observe(fixture, &target, cluster, ARRAY_COUNT(cluster));
	assert_error(&fixture->observation, STATUS_NOT_FOUND, "no container none");
}

static void limit_that_is_no_quantity_is_an_error(void **state)
{
	assert_error(
		LOOK(*state, TARGET_DEPLOYMENT, "web",
			{.start = DEPLOYMENT,
				.body = "{" META("web", "d1",
					"") ",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
					    "\"a\",\"resources\":{\"limits\":{\"cpu\":\"much\"}}}]}}}}"}),
		STATUS_BAD_INPUT, "\"much\" is no quantity");
}

static void odd_names_reach_no_path(void **state)
{
	struct kube_fixture *fixture = *state;
	struct target target = kube_target(TARGET_POD, "shop/pods/x", "web");

	assert_error(LOOK(fixture, TARGET_POD, "../../secrets/key", NO_RULE), STATUS_BAD_INPUT,
		"can be no name of a Pod");
	kube_fixture_observe(fixture, &target, NULL, 0);
	assert_error(&fixture->observation, STATUS_BAD_INPUT, "can be no name of a namespace");
	assert_error(LOOK(fixture, TARGET_NONE, "x", NO_RULE), STATUS_UNSUPPORTED, "no object");
	assert_int_equal(http_stub_request_count(fixture->stub), 0);
}

static void unreachable_cluster_is_an_error(void **state)
{
	struct kube_fixture *fixture = *state;
	struct target target = kube_target(TARGET_POD, "shop", "web");

	http_stub_close(fixture->stub);
	fixture->stub = NULL;
	kube_fixture_observe(fixture, &target, NULL, 0);
	assert_error(&fixture->observation, STATUS_UNAVAILABLE, "cannot reach the API server");
	assert_false(fixture->observation.found);
}

static void objects_of_wrong_types_do_no_harm(void **state)
{
	static const char *const bodies[] = {"{}", "{\"metadata\":[]}",
		"{\"metadata\":{\"uid\":5}}", "{\"metadata\":{\"ownerReferences\":{}}}",
		"{\"metadata\":{\"ownerReferences\":[5,null]}}", "{\"spec\":7,\"status\":\"x\"}",
		"{\"spec\":{\"containers\":{\"a\":1}}}", "{\"spec\":{\"containers\":[1,2]}}",
		"{\"status\":{\"containerStatuses\":[[],{}]}}",
		"{\"metadata\":{\"ownerReferences\":[{\"controller\":true}]}}",
		"{\"metadata\":{\"annotations\":[]}}"};

	for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
		const struct observation *seen =
			LOOK(*state, TARGET_POD, "web-abc-1", {.start = POD, .body = bodies[i]});

		assert_int_equal(seen->target.workload.kind, TARGET_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kube_fixture_make, kube_fixture_remove)
		T(pod_is_followed_to_its_deployment),
		T(deployment_is_its_own_workload),
		T(job_is_followed_to_its_cron_job),
		T(daemon_set_counts_its_nodes),
		T(pod_without_owner_has_no_workload),
		T(node_is_seen_without_a_namespace),
		T(absent_target_is_no_error),
		T(name_given_anew_is_noticed),
		T(key_of_the_last_action_and_a_cordon_are_told),
		T(owner_that_is_gone_is_an_error),
		T(unknown_controller_owns_the_replicas),
		T(autoscaler_of_the_workload_is_found),
		T(autoscaler_on_a_later_page_is_found),
		T(endless_list_is_an_error),
		T(keda_is_the_owner_behind_its_autoscaler),
		T(paused_scaled_object_without_autoscaler_is_found),
		T(list_that_we_may_not_see_is_not_empty),
		T(api_that_is_not_there_holds_nothing),
		T(absence_of_keda_is_remembered),
		cmocka_unit_test(what_is_watched_is_not_read),
		T(nearest_annotation_decides_and_unclear_ones_show),
		T(annotation_that_is_no_text_is_unclear),
		T(git_marks_are_read_unless_copied),
		T(terminating_and_paused_rollouts_are_told),
		T(named_container_is_the_one_looked_at),
		T(limit_that_is_no_quantity_is_an_error),
		T(odd_names_reach_no_path),
		T(unreachable_cluster_is_an_error),
		T(objects_of_wrong_types_do_no_harm),
	};

	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("kube_observe", tests, NULL, NULL);
}
