/*
 * The table has a line for each call: which verb on which resource, for which targets and actions.
 * A line without an action is needed to look at a target, which comes before every change and after
 * it. The discovery of the API group keda.sh is allowed to every authenticated user by the role
 * system:discovery that clusters come with, and so is a SelfSubjectAccessReview by system:basic-user.
 */
#include "remediations/permissions.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/kube_object.h"

#define BIT(value) (1u << (unsigned)(value))
#define LOOK 0u /* for any action that changes the cluster */
#define SCALED                                                                                     \
	(BIT(TARGET_DEPLOYMENT) | BIT(TARGET_STATEFULSET) | BIT(TARGET_REPLICASET) |               \
		BIT(TARGET_POD))
#define WORKLOADS (BIT(TARGET_DEPLOYMENT) | BIT(TARGET_STATEFULSET) | BIT(TARGET_DAEMONSET))
#define ANY_OF_A_NAMESPACE (WORKLOADS | BIT(TARGET_REPLICASET) | BIT(TARGET_POD))
#define TEMPLATES (BIT(ACTION_RESTART_WORKLOAD) | BIT(ACTION_ADJUST_RESOURCES))

static const struct need {
	const char *group, *resource, *verb;
	unsigned targets, actions; /* bits of enum target_kind and enum action_kind */
	const char *reason;
} needs[] = {
	{"", "namespaces", "get", ANY_OF_A_NAMESPACE, LOOK,
		"annotations that opt a namespace in or pause it"},
	{"", "pods", "get", BIT(TARGET_POD), LOOK,
		"the target's state, before a change and after it"},
	{"", "nodes", "get", BIT(TARGET_NODE), LOOK,
		"the target's state, before a change and after it"},
	{"apps", "deployments", "get", BIT(TARGET_DEPLOYMENT), LOOK,
		"the target's state, before a change and after it"},
	{"apps", "statefulsets", "get", BIT(TARGET_STATEFULSET), LOOK,
		"the target's state, before a change and after it"},
	{"apps", "daemonsets", "get", BIT(TARGET_DAEMONSET), LOOK,
		"the target's state, before a change and after it"},
	{"apps", "replicasets", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"apps", "deployments", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"apps", "statefulsets", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"apps", "daemonsets", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"batch", "jobs", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"batch", "cronjobs", "get", BIT(TARGET_POD), LOOK, "a pod's chain of owners"},
	{"autoscaling", "horizontalpodautoscalers", "list", SCALED, LOOK,
		"whether an autoscaler owns the replicas"},
	{"keda.sh", "scaledobjects", "list", SCALED, LOOK,
		"whether KEDA owns the replicas, where it is installed"},

	{"apps", "deployments/scale", "patch", BIT(TARGET_DEPLOYMENT), BIT(ACTION_SCALE),
		"scale: writes the replicas"},
	{"apps", "statefulsets/scale", "patch", BIT(TARGET_STATEFULSET), BIT(ACTION_SCALE),
		"scale: writes the replicas"},
	{"", "pods", "delete", BIT(TARGET_POD), BIT(ACTION_RESTART_POD),
		"restart_pod: deletes the pod, with its uid as precondition"},
	{"apps", "deployments", "patch", BIT(TARGET_DEPLOYMENT), TEMPLATES,
		"restart_workload, adjust_resources: writes the pod template"},
	{"apps", "statefulsets", "patch", BIT(TARGET_STATEFULSET), TEMPLATES,
		"restart_workload, adjust_resources: writes the pod template"},
	{"apps", "daemonsets", "patch", BIT(TARGET_DAEMONSET), TEMPLATES,
		"restart_workload, adjust_resources: writes the pod template"},
	{"", "nodes", "patch", BIT(TARGET_NODE), BIT(ACTION_CORDON),
		"cordon: writes whether pods may be scheduled"},
};

static unsigned targets_of(const struct playbook *playbook)
{
	if (playbook->target.none)
		return 0;
	return playbook->target.any_workload ? WORKLOADS : BIT(playbook->target.kind);
}

/* Kinds of which an action can change something; of others it is refused before it is sent. */
static unsigned actions_of(const struct playbook *playbook)
{
	unsigned actions = 0;

	for (size_t i = 0; i < playbook->step_count; i++)
		if (playbook->steps[i].action != ACTION_TICKET)
			actions |= BIT(playbook->steps[i].action);
	return actions;
}

static int compare(const struct permission *a, const struct need *b)
{
	int order = strcmp(a->group, b->group);

	if (order == 0)
		order = strcmp(a->resource, b->resource);
	return order != 0 ? order : strcmp(a->verb, b->verb);
}

static void add_name(struct permission *permission, const char *name)
{
	size_t size = strlen(permission->playbooks), room = sizeof(permission->playbooks);
	const char *last = strrchr(permission->playbooks, ' ');

	/* Playbooks are added one after the other: only the newest may be there already. */
	if (strcmp(last != NULL ? last + 1 : permission->playbooks, name) == 0)
		return;
	if (size + strlen(name) + 8 < room)
		snprintf(permission->playbooks + size, room - size, "%s%s", size > 0 ? ", " : "",
			name);
	else if (size < 3 || strcmp(permission->playbooks + size - 3, "...") != 0)
		snprintf(permission->playbooks + size, room - size, ", ...");
}

static void add_need(struct permissions *permissions, const struct need *need, const char *name)
{
	struct permission *list = permissions->list;
	size_t at = 0;

	while (at < permissions->count && compare(&list[at], need) < 0)
		at++;
	if (at == permissions->count || compare(&list[at], need) != 0) {
		CHECK(permissions->count < PERMISSIONS_MAX);
		memmove(&list[at + 1], &list[at], (permissions->count - at) * sizeof(*list));
		permissions->count++;
		list[at] = (struct permission){need->group, need->resource, need->verb,
			strcmp(need->resource, "nodes") == 0, need->reason, ""};
	}
	add_name(&list[at], name);
}

void permissions_add(struct permissions *permissions, const struct playbook *playbook)
{
	unsigned targets = targets_of(playbook), actions = actions_of(playbook);
	bool acts = playbook->mode == MODE_APPROVE || playbook->mode == MODE_AUTO;

	/* Tickets look at nothing. */
	if (!playbook->enabled || actions == 0)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(needs); i++) {
		if ((needs[i].targets & targets) == 0)
			continue;
		if (needs[i].actions == LOOK || (acts && (needs[i].actions & actions) != 0))
			add_need(permissions, &needs[i], playbook->name);
	}
}

void permissions_of(struct permissions *permissions, const struct playbooks *playbooks)
{
	*permissions = (struct permissions){.count = 0};
	for (size_t i = 0; i < playbooks_count(playbooks); i++)
		permissions_add(permissions, playbooks_at(playbooks, i));
}

/* ---- calls ---- */

#define PARTS_MAX 10

/* As the API server's authorizer reads a request: group, resource with subresource, verb. */
bool permissions_hold(const struct permissions *permissions, enum kube_method method,
	const char *path)
{
	static const char *const verbs[] = {"get", "patch", "delete", "create"};
	char text[KUBE_PATH_MAX], *parts[PARTS_MAX], *rest = text, *word;
	const char *group = "", *verb = verbs[method];
	size_t count = 0, at;
	char resource[160];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(path, "?"), path);
	while (count < PARTS_MAX && (word = strsep(&rest, "/")) != NULL)
		if (*word != '\0')
			parts[count++] = word;
	if (count > 0 && strcmp(parts[0], "apis") == 0)
		group = count > 1 ? parts[1] : "";
	at = *group != '\0' ? 3 : 2;
	if (count <= at)
		return method == KUBE_GET;
	/* A namespace is an object itself where nothing stands behind its name. */
	if (strcmp(parts[at], "namespaces") == 0 && count > at + 2)
		at += 2;
	if (count == at + 1 && method == KUBE_GET)
		verb = "list";
	snprintf(resource, sizeof(resource), "%s%s%s", parts[at], count > at + 2 ? "/" : "",
		count > at + 2 ? parts[at + 2] : "");
	for (size_t i = 0; i < permissions->count; i++)
		if (strcmp(permissions->list[i].group, group) == 0 &&
			strcmp(permissions->list[i].resource, resource) == 0 &&
			strcmp(permissions->list[i].verb, verb) == 0)
			return true;
	return false;
}

/* ---- asking the cluster ---- */

static json_t *review_of(const struct permission *permission, const char *namespace_name)
{
	const char *slash = strchr(permission->resource, '/');
	int size = slash != NULL ? (int)(slash - permission->resource)
				 : (int)strlen(permission->resource);
	json_t *attributes = json_pack("{s:s,s:s%,s:s}", "group", permission->group, "resource",
		permission->resource, (size_t)size, "verb", permission->verb);

	if (attributes != NULL && slash != NULL)
		json_object_set_new(attributes, "subresource", json_string(slash + 1));
	if (attributes != NULL && !permission->cluster_wide && namespace_name != NULL &&
		namespace_name[0] != '\0')
		json_object_set_new(attributes, "namespace", json_string(namespace_name));
	return json_pack("{s:s,s:s,s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind",
		"SelfSubjectAccessReview", "spec", "resourceAttributes", attributes);
}

enum status permission_review(struct kube_session *session, const struct permission *permission,
	const char *namespace_name, bool *allowed, struct error *error)
{
	json_t *review = review_of(permission, namespace_name);
	char body[1024];
	size_t size = review != NULL ? json_dumpb(review, body, sizeof(body) - 1, JSON_COMPACT) : 0;
	struct kube_request request = {.method = KUBE_POST,
		.path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		.content_type = "application/json",
		.body = body};
	struct kube_answer answer;
	const json_t *word;
	enum status status;

	*allowed = false;
	json_decref(review);
	if (size == 0 || size >= sizeof(body))
		return error_set(error, STATUS_NO_MEMORY, "no memory for the review");
	body[size] = '\0';
	status = kube_session_call(session, &request, &answer, error);
	word = kube_get(answer.object, "status", "allowed", NULL);
	if (status == STATUS_OK && !json_is_boolean(word))
		status = error_set(error, STATUS_IO, "the review's answer says neither yes nor no");
	*allowed = status == STATUS_OK && json_is_true(word);
	kube_answer_fini(&answer);
	return status;
}
