/*
 * Rules are made of the permissions of one resource. What lives in no namespace (nodes) needs a
 * ClusterRole even where namespaces are named.
 */
#include "daemon/rbac.h"

#include <stdio.h>
#include <string.h>

#define RBAC_NAME_MAX 264

/* Of what a role consists. */
enum scope { SCOPE_ALL, SCOPE_NAMESPACED, SCOPE_CLUSTER };

static bool in_scope(const struct permission *permission, enum scope scope)
{
	/* A watch is for all namespaces; where roles are for some, objects are read. */
	if (scope != SCOPE_ALL && permission->for_all)
		return false;
	return scope == SCOPE_ALL || permission->cluster_wide == (scope == SCOPE_CLUSTER);
}

static bool any_in_scope(const struct permissions *permissions, enum scope scope)
{
	for (size_t i = 0; i < permissions->count; i++)
		if (in_scope(&permissions->list[i], scope))
			return true;
	return false;
}

static bool same_rule(const struct permission *a, const struct permission *b)
{
	return strcmp(a->group, b->group) == 0 && strcmp(a->resource, b->resource) == 0;
}

static void add_text(struct buf *text, const char *value)
{
	buf_add_json_string(text, value, strlen(value));
}

typedef void write_role_fn(struct buf *text, const struct rbac_question *question,
	const char *namespace_name, enum scope scope);

/* Each role and its binding, in order. */
static void each_role(struct buf *text, const struct rbac_question *question, write_role_fn *write)
{
	if (question->namespace_count == 0) {
		write(text, question, NULL, SCOPE_ALL);
		return;
	}
	for (size_t i = 0; i < question->namespace_count; i++)
		write(text, question, question->namespaces[i], SCOPE_NAMESPACED);
	if (any_in_scope(question->permissions, SCOPE_CLUSTER))
		write(text, question, NULL, SCOPE_CLUSTER);
}

static void name_lease_role(const struct rbac_question *question, char name[RBAC_NAME_MAX])
{
	snprintf(name, RBAC_NAME_MAX, "%.*s-lease", RBAC_NAME_MAX - 8, question->name);
}

/* ---- YAML ---- */

static void yaml_metadata(struct buf *text, const char *name, const char *namespace_name)
{
	buf_printf(text, "metadata:\n  name: %s\n", name);
	if (namespace_name != NULL)
		buf_printf(text, "  namespace: %s\n", namespace_name);
	buf_add_text(text, "  labels:\n    app.kubernetes.io/name: nimbusguard\n");
}

static void yaml_rules(struct buf *text, const struct permissions *permissions, enum scope scope)
{
	const struct permission *last = NULL;

	buf_add_text(text, any_in_scope(permissions, scope) ? "rules:\n" : "rules: []\n");
	for (size_t i = 0; i < permissions->count; i++) {
		const struct permission *permission = &permissions->list[i];

		if (!in_scope(permission, scope))
			continue;
		if (last == NULL || !same_rule(last, permission))
			buf_printf(text, "- apiGroups: [\"%s\"]\n  resources: [\"%s\"]\n  verbs:\n",
				permission->group, permission->resource);
		buf_printf(text, "  - %-6s # %s (%s)\n", permission->verb, permission->reason,
			permission->playbooks);
		last = permission;
	}
}

static void yaml_binding(struct buf *text, const struct rbac_question *question, const char *kind,
	const char *name, const char *namespace_name)
{
	buf_printf(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %sBinding\n", kind);
	yaml_metadata(text, name, namespace_name);
	buf_printf(text,
		"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %s\n  name: %s\n"
		"subjects:\n- kind: ServiceAccount\n  name: %s\n  namespace: %s\n",
		kind, name, question->account, question->account_namespace);
}

static void yaml_role(struct buf *text, const struct rbac_question *question,
	const char *namespace_name, enum scope scope)
{
	const char *kind = namespace_name != NULL ? "Role" : "ClusterRole";

	buf_printf(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\n", kind);
	yaml_metadata(text, question->name, namespace_name);
	yaml_rules(text, question->permissions, scope);
	yaml_binding(text, question, kind, question->name, namespace_name);
}

static void yaml_lease(struct buf *text, const struct rbac_question *question)
{
	struct permission list[PERMISSIONS_LEASE];
	char name[RBAC_NAME_MAX];

	if (question->lease_name == NULL)
		return;
	name_lease_role(question, name);
	permissions_of_lease(question->lease_name, list);
	buf_add_text(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n");
	yaml_metadata(text, name, question->lease_namespace);
	buf_add_text(text, "rules:\n");
	for (size_t i = 0; i < PERMISSIONS_LEASE; i++) {
		if (i < 2)
			buf_printf(text, "- apiGroups: [\"%s\"]\n  resources: [\"%s\"]\n",
				list[i].group, list[i].resource);
		if (i == 1)
			buf_printf(text, "  resourceNames: [\"%s\"]\n", list[i].object);
		buf_printf(text, "%s  - %-6s # %s (%s)\n", i < 2 ? "  verbs:\n" : "", list[i].verb,
			list[i].reason, list[i].playbooks);
	}
	yaml_binding(text, question, "Role", name, question->lease_namespace);
}

void rbac_write_yaml(struct buf *text, const struct rbac_question *question)
{
	buf_add_text(text,
		"# What NimbusGuard needs for the enabled playbooks, and nothing more. Made by "
		"`nimbusguard rbac`.\napiVersion: v1\nkind: ServiceAccount\n");
	yaml_metadata(text, question->account, question->account_namespace);
	each_role(text, question, yaml_role);
	yaml_lease(text, question);
}

/* ---- JSON ---- */

#define RBAC_VERSION "rbac.authorization.k8s.io/v1"

static void json_head(struct buf *text, const char *version, const char *kind, const char *name,
	const char *namespace_name)
{
	buf_printf(text, "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":", version,
		kind);
	add_text(text, name);
	if (namespace_name != NULL) {
		buf_add_text(text, ",\"namespace\":");
		add_text(text, namespace_name);
	}
	buf_add_text(text, ",\"labels\":{\"app.kubernetes.io/name\":\"nimbusguard\"}}");
}

static void json_rules(struct buf *text, const struct permissions *permissions, enum scope scope)
{
	const struct permission *last = NULL;

	for (size_t i = 0; i < permissions->count; i++) {
		const struct permission *permission = &permissions->list[i];

		if (!in_scope(permission, scope))
			continue;
		if (last != NULL && same_rule(last, permission))
			buf_printf(text, ",\"%s\"", permission->verb);
		else
			buf_printf(text,
				"%s{\"apiGroups\":[\"%s\"],\"resources\":[\"%s\"],\"verbs\":[\"%s\"",
				last != NULL ? "]}," : "", permission->group, permission->resource,
				permission->verb);
		last = permission;
	}
	if (last != NULL)
		buf_add_text(text, "]}");
}

static void json_binding(struct buf *text, const struct rbac_question *question, const char *kind,
	const char *name, const char *namespace_name)
{
	json_head(text, RBAC_VERSION, namespace_name != NULL ? "RoleBinding" : "ClusterRoleBinding",
		name, namespace_name);
	buf_printf(text,
		",\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"%s\","
		"\"name\":",
		kind);
	add_text(text, name);
	buf_add_text(text, "},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":");
	add_text(text, question->account);
	buf_add_text(text, ",\"namespace\":");
	add_text(text, question->account_namespace);
	buf_add_text(text, "}]}");
}

static void json_role(struct buf *text, const struct rbac_question *question,
	const char *namespace_name, enum scope scope)
{
	const char *kind = namespace_name != NULL ? "Role" : "ClusterRole";

	buf_add_char(text, ',');
	json_head(text, RBAC_VERSION, kind, question->name, namespace_name);
	buf_add_text(text, ",\"rules\":[");
	json_rules(text, question->permissions, scope);
	buf_add_text(text, "]},");
	json_binding(text, question, kind, question->name, namespace_name);
}

static void json_lease(struct buf *text, const struct rbac_question *question)
{
	struct permission list[PERMISSIONS_LEASE];
	char name[RBAC_NAME_MAX];

	if (question->lease_name == NULL)
		return;
	name_lease_role(question, name);
	permissions_of_lease(question->lease_name, list);
	buf_add_char(text, ',');
	json_head(text, RBAC_VERSION, "Role", name, question->lease_namespace);
	buf_add_text(text, ",\"rules\":[");
	for (size_t i = 0; i < PERMISSIONS_LEASE; i++) {
		buf_printf(text,
			"%s{\"apiGroups\":[\"%s\"],\"resources\":[\"%s\"],\"verbs\":[\"%s\"]",
			i > 0 ? "," : "", list[i].group, list[i].resource, list[i].verb);
		if (list[i].object != NULL) {
			buf_add_text(text, ",\"resourceNames\":[");
			add_text(text, list[i].object);
			buf_add_char(text, ']');
		}
		buf_add_char(text, '}');
	}
	buf_add_text(text, "]},");
	json_binding(text, question, "Role", name, question->lease_namespace);
}

void rbac_write_json(struct buf *text, const struct rbac_question *question)
{
	buf_add_text(text, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
	json_head(text, "v1", "ServiceAccount", question->account, question->account_namespace);
	buf_add_char(text, '}');
	each_role(text, question, json_role);
	json_lease(text, question);
	buf_add_text(text, "]}\n");
}
