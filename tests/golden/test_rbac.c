/*
 * The roles of a known set of playbooks, byte by byte, and what a cluster is asked about them: what
 * stands in the golden file is what people review and apply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/rbac.h"

static const char *const texts[] = {
	"playbook: grow\n"
	"trigger: {alert: ['alertname=\"A\"']}\n"
	"target: {kind: Deployment}\n"
	"steps: [{action: scale, by: +1}]\n"
	"verify: {signal: saturation, is: below, value: 0.9}\n",
	"playbook: isolate\n"
	"trigger: {alert: ['alertname=\"B\"']}\n"
	"target: {kind: Node}\n"
	"steps: [{action: cordon}]\n"
	"verify: {signal: saturation, is: below, value: 0.9}\n",
	"playbook: only-look\n"
	"mode: suggest\n"
	"trigger: {alert: ['alertname=\"C\"']}\n"
	"target: {kind: Pod}\n"
	"steps: [{action: restart_pod}]\n"
	"verify: {signal: restarts, is: below, value: 1}\n",
	"playbook: switched-off\n"
	"enabled: false\n"
	"trigger: {alert: ['alertname=\"D\"']}\n"
	"target: {kind: DaemonSet}\n"
	"steps: [{action: restart_workload}]\n"
	"verify: {signal: restarts, is: below, value: 1}\n",
	"playbook: tell\n"
	"trigger: {alert: []}\n"
	"steps: [{action: ticket, title: x, text: y}]\n",
};

static struct permissions permissions;

static int load(void **state)
{
	struct guard_limits limits;
	struct diagnostics diagnostics;
	struct playbooks *playbooks;
	int failed = 0;

	guard_limits_default(&limits);
	diagnostics_init(&diagnostics);
	playbooks = playbooks_open(&limits);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		failed |= playbooks_load_text(playbooks, "p.yaml", texts[i], strlen(texts[i]),
				  &diagnostics) != STATUS_OK;
	permissions_of(&permissions, playbooks);
	playbooks_close(playbooks);
	diagnostics_fini(&diagnostics);
	return failed;
}

static bool has(const char *group, const char *resource, const char *verb)
{
	for (size_t i = 0; i < permissions.count; i++)
		if (strcmp(permissions.list[i].group, group) == 0 &&
			strcmp(permissions.list[i].resource, resource) == 0 &&
			strcmp(permissions.list[i].verb, verb) == 0)
			return true;
	return false;
}

static void only_what_may_be_done_may_be_written(void **state)
{
	assert_true(has("apps", "deployments/scale", "patch"));
	assert_true(has("", "nodes", "patch"));
	/* It would only suggest to. */
	assert_true(has("", "pods", "get"));
	assert_false(has("", "pods", "delete"));
	/* Scaling does not touch the template. */
	assert_false(has("apps", "deployments", "patch"));
	assert_false(has("apps", "daemonsets", "patch"));
	for (size_t i = 1; i < permissions.count; i++)
		for (size_t k = 0; k < i; k++)
			assert_false(strcmp(permissions.list[i].resource,
					     permissions.list[k].resource) == 0 &&
				strcmp(permissions.list[i].verb, permissions.list[k].verb) == 0);
}

static void compare_with_golden(const char *name, const struct buf *text)
{
	const char *source = getenv("NIMBUSGUARD_SOURCE");
	struct error error;
	struct buf wanted;
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/golden/rbac/%s", source != NULL ? source : ".",
		name);
	buf_init(&wanted, 1 << 20);
	if (file_read(path, &wanted, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	if (wanted.size != text->size || memcmp(wanted.data, text->data, text->size) != 0)
		fail_msg("%s differs; now it is:\n%s", path, text->data);
	buf_fini(&wanted);
}

static void the_roles_are_as_recorded(void **state)
{
	struct rbac_question question = {.permissions = &permissions,
		.name = "nimbusguard",
		.account = "guard",
		.account_namespace = "ops"};
	struct buf text;

	buf_init(&text, 1 << 20);
	rbac_write_yaml(&text, &question);
	compare_with_golden("cluster.yaml", &text);
	buf_reset(&text);
	question.namespaces[question.namespace_count++] = "shop";
	question.namespaces[question.namespace_count++] = "billing";
	rbac_write_yaml(&text, &question);
	compare_with_golden("namespaces.yaml", &text);
	buf_reset(&text);
	question.namespace_count = 1;
	question.lease_name = "nimbusguard";
	question.lease_namespace = "ops";
	rbac_write_yaml(&text, &question);
	compare_with_golden("leader.yaml", &text);
	buf_fini(&text);
}

/* The lease of this name alone may be changed, and only in its namespace. */
static void json_grants_the_lease(void **state)
{
	const struct permissions none = {.count = 0};
	struct rbac_question question = {.permissions = &none,
		.name = "n",
		.account = "a",
		.account_namespace = "b",
		.lease_name = "l",
		.lease_namespace = "c"};
	const json_t *items, *role, *rule;
	struct buf text;
	json_t *list;
	size_t i;

	buf_init(&text, 1 << 20);
	rbac_write_json(&text, &question);
	list = json_loadb(text.data, text.size, 0, NULL);
	assert_non_null(list);
	items = json_object_get(list, "items");
	assert_int_equal(json_array_size(items), 5);
	role = json_array_get(items, 3);
	assert_string_equal(json_string_value(json_object_get(role, "kind")), "Role");
	assert_string_equal(json_string_value(json_object_get(json_object_get(role, "metadata"),
				    "namespace")),
		"c");
	json_array_foreach(json_object_get(role, "rules"), i, rule)
	{
		const char *verb =
			json_string_value(json_array_get(json_object_get(rule, "verbs"), 0));
		const json_t *name = json_array_get(json_object_get(rule, "resourceNames"), 0);

		/* What does not exist yet has no name to be held to. */
		if (strcmp(verb, "create") == 0)
			assert_null(name);
		else
			assert_string_equal(json_string_value(name), "l");
	}
	assert_int_equal(i, 3);
	json_decref(list);
	buf_fini(&text);
}

/* Each verb of the set is in one rule of the one role, and no other. */
static void json_grants_the_same(void **state)
{
	struct rbac_question question = {.permissions = &permissions,
		.name = "n",
		.account = "a",
		.account_namespace = "b"};
	json_t *list, *rules, *rule, *verb;
	size_t i, k, verbs = 0;
	struct buf text;

	buf_init(&text, 1 << 20);
	rbac_write_json(&text, &question);
	list = json_loadb(text.data, text.size, 0, NULL);
	assert_non_null(list);
	assert_int_equal(json_array_size(json_object_get(list, "items")), 3);
	rules = json_object_get(json_array_get(json_object_get(list, "items"), 1), "rules");
	json_array_foreach(rules, i, rule)
	{
		const char *group =
			json_string_value(json_array_get(json_object_get(rule, "apiGroups"), 0));
		const char *resource =
			json_string_value(json_array_get(json_object_get(rule, "resources"), 0));

		json_array_foreach(json_object_get(rule, "verbs"), k, verb)
		{
			assert_true(has(group, resource, json_string_value(verb)));
			verbs++;
		}
	}
	assert_int_equal(verbs, permissions.count);
	json_decref(list);
	buf_fini(&text);
}

static void calls_are_held_to_the_set(void **state)
{
	static const struct {
		enum kube_method method;
		const char *path;
		bool held;
	} calls[] = {
		{KUBE_GET, "/apis/apps/v1/namespaces/shop/deployments/web", true},
		{KUBE_GET, "/apis/apps/v1/namespaces/shop/deployments", false},
		{KUBE_PATCH, "/apis/apps/v1/namespaces/shop/deployments/web/scale?dryRun=All",
			true},
		{KUBE_PATCH, "/apis/apps/v1/namespaces/shop/deployments/web", false},
		{KUBE_PATCH, "/api/v1/nodes/n1", true},
		{KUBE_GET, "/api/v1/namespaces/shop", true},
		{KUBE_GET, "/api/v1/namespaces", true},
		{KUBE_GET, "/api/v1/pods", false},
		{KUBE_DELETE, "/api/v1/namespaces/shop/pods/a", false},
		{KUBE_GET, "/apis/autoscaling/v2/namespaces/s/horizontalpodautoscalers?limit=5",
			true},
		{KUBE_GET, "/apis/keda.sh", true},
		{KUBE_PUT, "/apis/apps/v1/namespaces/shop/deployments/web", false},
		{KUBE_POST, "/apis/batch/v1/namespaces/shop/jobs", false},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (permissions_hold(&permissions, calls[i].method, calls[i].path) != calls[i].held)
			fail_msg("%s", calls[i].path);
}

struct reviewer {
	int code;
	const char *answer;
	char asked[1024];
};

static int serve(void *argument, const struct kube_request *request, json_t **body)
{
	struct reviewer *reviewer = argument;

	assert_int_equal(request->method, KUBE_POST);
	assert_string_equal(request->path,
		"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
	snprintf(reviewer->asked, sizeof(reviewer->asked), "%s", request->body);
	*body = json_loads(reviewer->answer, 0, NULL);
	return reviewer->code;
}

static void a_review_asks_for_exactly_one_permission(void **state)
{
	const struct permission scale = {.group = "apps",
		.resource = "deployments/scale",
		.verb = "patch"};
	const struct permission node = {.group = "",
		.resource = "nodes",
		.verb = "patch",
		.cluster_wide = true};
	struct permission lease[PERMISSIONS_LEASE];
	struct reviewer reviewer = {201, "{\"status\":{\"allowed\":true}}", ""};
	struct kube_session *session = kube_session_open_served(serve, &reviewer);
	struct error error;
	bool allowed;

	assert_int_equal(permission_review(session, &scale, "shop", &allowed, &error), STATUS_OK);
	assert_true(allowed);
	assert_non_null(strstr(reviewer.asked,
		"{\"group\":\"apps\",\"resource\":\"deployments\",\"verb\":\"patch\","
		"\"subresource\":\"scale\",\"namespace\":\"shop\"}"));
	/* A node is in no namespace. */
	assert_int_equal(permission_review(session, &node, "shop", &allowed, &error), STATUS_OK);
	assert_null(strstr(reviewer.asked, "namespace"));
	/* A right to one object is asked for with its name. */
	permissions_of_lease("l", lease);
	assert_int_equal(permission_review(session, &lease[2], "ops", &allowed, &error), STATUS_OK);
	assert_non_null(strstr(reviewer.asked,
		"{\"group\":\"coordination.k8s.io\",\"resource\":\"leases\",\"verb\":\"update\","
		"\"name\":\"l\",\"namespace\":\"ops\"}"));
	reviewer.answer = "{\"status\":{\"allowed\":false}}";
	assert_int_equal(permission_review(session, &scale, NULL, &allowed, &error), STATUS_OK);
	assert_false(allowed);
	/* Neither yes nor no, and no answer at all, are errors and never a yes. */
	reviewer.answer = "{\"status\":{}}";
	assert_int_equal(permission_review(session, &scale, NULL, &allowed, &error), STATUS_IO);
	assert_false(allowed);
	reviewer.code = 0;
	assert_int_equal(permission_review(session, &scale, NULL, &allowed, &error),
		STATUS_UNAVAILABLE);
	assert_false(allowed);
	kube_session_close(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_may_be_done_may_be_written),
		cmocka_unit_test(the_roles_are_as_recorded),
		cmocka_unit_test(json_grants_the_same),
		cmocka_unit_test(json_grants_the_lease),
		cmocka_unit_test(calls_are_held_to_the_set),
		cmocka_unit_test(a_review_asks_for_exactly_one_permission),
	};

	return cmocka_run_group_tests_name("rbac", tests, load, NULL);
}
