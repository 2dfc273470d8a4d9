/*
 * What must be read of each kind of target stands in the table below, for that comes before every
 * change and after it; what else an action needs is told by its class. The discovery of the API group
 * keda.sh is allowed to every authenticated user by the role system:discovery that clusters come with,
 * and so is a SelfSubjectAccessReview by system:basic-user.
 */
#include "remediations/permissions.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/actions/action_class.h"
#include "remediations/kube_object.h"
#include "remediations/kube_vertical.h"

#define SCALED                                                                                     \
	(TARGET_BIT(TARGET_DEPLOYMENT) | TARGET_BIT(TARGET_STATEFULSET) |                          \
		TARGET_BIT(TARGET_REPLICASET) | TARGET_BIT(TARGET_POD))
#define OF_A_NAMESPACE                                                                             \
	(TARGETS_WORKLOAD | TARGET_BIT(TARGET_REPLICASET) | TARGET_BIT(TARGET_POD) | TARGETS_CUSTOM)
#define STATE "the target's state, before a change and after it"
#define EVENTS "tells of actions on the object (kubernetes.events)"
#define WATCHED "followed instead of read at each look (kubernetes.watch)"
#define OWNERS "a pod's chain of owners"

static const struct action_need looks[] = {
	{"", "namespaces", "get", OF_A_NAMESPACE, "annotations that opt a namespace in or pause it",
		true},
	{"", "pods", "get", TARGET_BIT(TARGET_POD), STATE, true},
	{"", "nodes", "get", TARGET_BIT(TARGET_NODE), STATE, true},
	{"apps", "deployments", "get", TARGET_BIT(TARGET_DEPLOYMENT), STATE, true},
	{"apps", "statefulsets", "get", TARGET_BIT(TARGET_STATEFULSET), STATE, true},
	{"apps", "daemonsets", "get", TARGET_BIT(TARGET_DAEMONSET), STATE, true},
	{"apps", "replicasets", "get", TARGET_BIT(TARGET_REPLICASET), STATE, true},
	{NULL, "", "get", TARGETS_CUSTOM, STATE, true},
	{NULL, "/scale", "get", TARGETS_CUSTOM, "the replicas, before a change and after it", true},
	{"apps", "replicasets", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"apps", "deployments", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"apps", "statefulsets", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"apps", "daemonsets", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"batch", "jobs", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"batch", "cronjobs", "get", TARGET_BIT(TARGET_POD), OWNERS, true},
	{"autoscaling", "horizontalpodautoscalers", "list", SCALED | TARGETS_CUSTOM,
		"whether an autoscaler owns the replicas", true},
	{"keda.sh", "scaledobjects", "list", SCALED | TARGETS_CUSTOM,
		"whether KEDA owns the replicas, where it is installed", true},
	{"autoscaling", "horizontalpodautoscalers", "watch", SCALED, WATCHED, true},
	{"keda.sh", "scaledobjects", "watch", SCALED, WATCHED, true},
	{"", "namespaces", "list", OF_A_NAMESPACE, WATCHED, true},
	{"", "namespaces", "watch", OF_A_NAMESPACE, WATCHED, true},
};

static const struct action_need tells[] = {
	{"events.k8s.io", "events", "create", ~0u, EVENTS, false},
	{"events.k8s.io", "events", "patch", ~0u, EVENTS, false},
};

static const struct action_need nodes_need = {"", "nodes", "list", TARGET_BIT(TARGET_NODE),
	"how many nodes there are (guard.nodes_percent)", true};

static unsigned targets_of(const struct playbook *playbook)
{
	if (playbook->target.none)
		return 0;
	return playbook->target.any_workload ? TARGETS_WORKLOAD : TARGET_BIT(playbook->target.kind);
}

/* Whether a step changes something; tickets look at nothing. */
static bool changes_something(const struct playbook *playbook)
{
	for (size_t i = 0; i < playbook->step_count; i++)
		if (!action_class(playbook->steps[i].action)->is_told)
			return true;
	return false;
}

static int compare(const struct permission *a, const struct action_need *b)
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

/* "scale: writes the replicas"; what is done alike by several is said once: "a, b: writes it". */
static void add_reason(struct permission *permission, const char *action, const char *reason)
{
	char before[sizeof(permission->reason)];
	const char *same;
	struct words words;

	memcpy(before, permission->reason, sizeof(before));
	same = strstr(before, reason);
	/* One reason to look is enough, but for one that could be done without. */
	if (*action == '\0'
			? *before != '\0' && (same != NULL || strstr(before, NEED_IN_PLACE) == NULL)
			: same != NULL && (same < before + 2 || strstr(before, action) != NULL))
		return;
	words_init(&words, permission->reason, sizeof(permission->reason));
	if (same != NULL)
		words_add(&words, "%.*s, %s: %s", (int)(same - 2 - before), before, action, same);
	else
		words_add(&words, "%s%s%s%s%s", before, *before != '\0' ? "; " : "", action,
			*action != '\0' ? ": " : "", reason);
}

/* A custom resource's need by its names, which live for ever. */
static struct action_need named(const struct action_need *need, const struct playbook *playbook)
{
	const struct custom_kind *custom = custom_kind_get(playbook->target.kind);
	struct action_need result = *need;

	if (need->group == NULL) {
		CHECK(custom != NULL);
		result.group = custom->group;
		result.resource = *need->resource != '\0' ? custom->scale : custom->resource;
	}
	return result;
}

static void add_need(struct permissions *permissions, const struct action_need *general,
	const char *action, const struct playbook *playbook)
{
	const struct action_need specific = named(general, playbook), *need = &specific;
	struct permission *list = permissions->list;
	size_t at = 0;

	while (at < permissions->count && compare(&list[at], need) < 0)
		at++;
	if (at == permissions->count || compare(&list[at], need) != 0) {
		CHECK(permissions->count < PERMISSIONS_MAX);
		memmove(&list[at + 1], &list[at], (permissions->count - at) * sizeof(*list));
		permissions->count++;
		list[at] = (struct permission){.group = need->group,
			.resource = need->resource,
			.verb = need->verb,
			.optional = true,
			.for_all = true};
	}
	list[at].for_all &= strcmp(need->reason, WATCHED) == 0;
	list[at].optional &= strcmp(need->reason, WATCHED) == 0 ||
		strcmp(need->reason, EVENTS) == 0 || strcmp(need->reason, NEED_IN_PLACE) == 0;
	/* What is done to a node is done in all namespaces. */
	list[at].cluster_wide |= (targets_of(playbook) & TARGET_BIT(TARGET_NODE)) != 0;
	add_reason(&list[at], action, need->reason);
	add_name(&list[at], playbook->name);
}

static void add_needs(struct permissions *permissions, const struct action_need *needs,
	size_t count, bool acts, const struct playbook_step *step, const struct playbook *playbook)
{
	const struct action_class *class = step != NULL ? action_class(step->action) : NULL;
	unsigned targets = targets_of(playbook);

	for (size_t i = 0; i < count; i++)
		if ((needs[i].targets & targets) != 0 && (acts || needs[i].look) &&
			(class == NULL || class->is_needed == NULL ||
				class->is_needed(&needs[i], &step->options)))
			add_need(permissions, &needs[i], class != NULL ? class->name : "",
				playbook);
}

void permissions_add(struct permissions *permissions, const struct playbook *playbook)
{
	bool acts = playbook->mode == MODE_APPROVE || playbook->mode == MODE_AUTO;

	if (!playbook->enabled || !changes_something(playbook))
		return;
	add_needs(permissions, looks, ARRAY_COUNT(looks), true, NULL, playbook);
	add_needs(permissions, tells, ARRAY_COUNT(tells), acts, NULL, playbook);
	for (size_t i = 0; i < playbook->step_count; i++) {
		const struct action_class *class = action_class(playbook->steps[i].action);

		if (class->cordons && playbook->guard.nodes_percent < 100)
			add_need(permissions, &nodes_need, "", playbook);
		add_needs(permissions, class->needs, class->need_count, acts, &playbook->steps[i],
			playbook);
	}
}

void permissions_of(struct permissions *permissions, const struct playbooks *playbooks)
{
	*permissions = (struct permissions){.count = 0};
	for (size_t i = 0; i < playbooks_count(playbooks); i++)
		permissions_add(permissions, playbooks_at(playbooks, i));
}

void permissions_of_lease(const char *name, struct permission list[PERMISSIONS_LEASE])
{
	static const char *const needs[PERMISSIONS_LEASE][2] =
		{{"create", "makes the lease; a create can't be held to a name"},
			{"get", "who leads"}, {"update", "takes, renews and gives back the lead"}};

	for (size_t i = 0; i < PERMISSIONS_LEASE; i++) {
		list[i] = (struct permission){.group = "coordination.k8s.io",
			.resource = "leases",
			.verb = needs[i][0],
			.object = i > 0 ? name : NULL};
		snprintf(list[i].reason, sizeof(list[i].reason), "%s", needs[i][1]);
		snprintf(list[i].playbooks, sizeof(list[i].playbooks), "leader election");
	}
}

unsigned permissions_watched(const struct permissions *permissions)
{
	unsigned kinds = 0;

	for (int kind = 0; kind < KUBE_WATCH_KIND_COUNT; kind++) {
		const char *group = kube_watch_group((enum kube_watch_kind)kind);
		const char *resource = kube_watch_resource((enum kube_watch_kind)kind);

		for (size_t i = 0; i < permissions->count; i++)
			if (strcmp(permissions->list[i].verb, "watch") == 0 &&
				strcmp(permissions->list[i].group, group) == 0 &&
				strcmp(permissions->list[i].resource, resource) == 0)
				kinds |= KUBE_WATCH_BIT(kind);
	}
	return kinds;
}

/* ---- calls ---- */

#define PARTS_MAX 10

/* As the API server's authorizer reads a request: group, resource with subresource, verb. */
bool permissions_hold(const struct permissions *permissions, enum kube_method method,
	const char *path)
{
	static const char *const verbs[] = {"get", "patch", "delete", "create", "update"};
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

static const char *const others[] = {"keda.sh", KUBE_VERTICAL_GROUP};

enum status permissions_absent(struct kube_session *session, unsigned *absent, struct error *error)
{
	*absent = 0;
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		char path[64];
		json_t *group;
		enum status status;

		snprintf(path, sizeof(path), "/apis/%s", others[i]);
		status = kube_read(session, path, &group, error);
		json_decref(group);
		if (status == STATUS_NOT_FOUND)
			*absent |= 1u << i;
		else if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

bool permission_is_absent(const struct permission *permission, unsigned absent)
{
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		if ((absent >> i & 1) != 0 && strcmp(permission->group, others[i]) == 0)
			return true;
	return false;
}

static json_t *review_of(const struct permission *permission, const char *namespace_name)
{
	const char *slash = strchr(permission->resource, '/');
	int size = slash != NULL ? (int)(slash - permission->resource)
				 : (int)strlen(permission->resource);
	json_t *attributes = json_pack("{s:s,s:s%,s:s}", "group", permission->group, "resource",
		permission->resource, (size_t)size, "verb", permission->verb);

	if (attributes != NULL && slash != NULL)
		json_object_set_new(attributes, "subresource", json_string(slash + 1));
	if (attributes != NULL && permission->object != NULL)
		json_object_set_new(attributes, "name", json_string(permission->object));
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
