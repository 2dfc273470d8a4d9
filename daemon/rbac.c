/*
 * Rules are made of the permissions of one resource. What lives in no namespace (nodes) needs a
 * ClusterRole even where namespaces are named.
 */
#include "daemon/rbac.h"

#include <string.h>

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

static void yaml_role(struct buf *text, const struct rbac_question *question,
	const char *namespace_name, enum scope scope)
{
	const char *kind = namespace_name != NULL ? "Role" : "ClusterRole";

	buf_printf(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\n", kind);
	yaml_metadata(text, question->name, namespace_name);
	yaml_rules(text, question->permissions, scope);
	buf_printf(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %sBinding\n", kind);
	yaml_metadata(text, question->name, namespace_name);
	buf_printf(text,
		"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %s\n  name: %s\n"
		"subjects:\n- kind: ServiceAccount\n  name: %s\n  namespace: %s\n",
		kind, question->name, question->account, question->account_namespace);
}

void rbac_write_yaml(struct buf *text, const struct rbac_question *question)
{
	buf_add_text(text,
		"# What NimbusGuard needs for the enabled playbooks, and nothing more. Made by "
		"`nimbusguard rbac`.\napiVersion: v1\nkind: ServiceAccount\n");
	yaml_metadata(text, question->account, question->account_namespace);
	each_role(text, question, yaml_role);
}

/* ---- JSON ---- */

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

static void json_role(struct buf *text, const struct rbac_question *question,
	const char *namespace_name, enum scope scope)
{
	static const char version[] = "rbac.authorization.k8s.io/v1";
	const char *kind = namespace_name != NULL ? "Role" : "ClusterRole";

	buf_add_char(text, ',');
	json_head(text, version, kind, question->name, namespace_name);
	buf_add_text(text, ",\"rules\":[");
	json_rules(text, question->permissions, scope);
	buf_add_text(text, "]},");
	json_head(text, version, namespace_name != NULL ? "RoleBinding" : "ClusterRoleBinding",
		question->name, namespace_name);
	buf_printf(text,
		",\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"%s\","
		"\"name\":",
		kind);
	add_text(text, question->name);
	buf_add_text(text, "},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":");
	add_text(text, question->account);
	buf_add_text(text, ",\"namespace\":");
	add_text(text, question->account_namespace);
	buf_add_text(text, "}]}");
}

void rbac_write_json(struct buf *text, const struct rbac_question *question)
{
	buf_add_text(text, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[");
	json_head(text, "v1", "ServiceAccount", question->account, question->account_namespace);
	buf_add_char(text, '}');
	each_role(text, question, json_role);
	buf_add_text(text, "]}\n");
}
