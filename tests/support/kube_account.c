/*
 * Roles and bindings are named after the account that they are for.
 */
#include "tests/support/kube_account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "remediations/kube_object.h"

#define ROLES "/apis/rbac.authorization.k8s.io/v1/"
#define RULES_MAX 8000
#define FLAGS_MAX 12

void kube_account_make(struct kube_cluster *cluster, const char *namespace_name, const char *name)
{
	const char *const kinds[] = {"Role", "ClusterRole"};
	char place[2][SERVER_PATH_MAX], path[2 * SERVER_PATH_MAX + 16];

	snprintf(path, sizeof(path), "/api/v1/namespaces/%s/serviceaccounts", namespace_name);
	kube_cluster_create(cluster, path, "{'metadata':{'name':'%s'}}", name);
	snprintf(place[0], sizeof(place[0]), ROLES "namespaces/%s/role", namespace_name);
	snprintf(place[1], sizeof(place[1]), ROLES "clusterrole");
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		snprintf(path, sizeof(path), "%ss", place[i]);
		kube_cluster_create(cluster, path, "{'metadata':{'name':'%s'},'rules':[]}", name);
		snprintf(path, sizeof(path), "%sbindings", place[i]);
		kube_cluster_create(cluster, path,
			"{'metadata':{'name':'%s'},'roleRef':{'apiGroup':"
			"'rbac.authorization.k8s.io','kind':'%s','name':'%s'},'subjects':["
			"{'kind':'ServiceAccount','name':'%s','namespace':'%s'}]}",
			name, kinds[i], name, name, namespace_name);
	}
}

void kube_account_allow(struct kube_cluster *cluster, const char *namespace_name, const char *name,
	const struct permission *list, size_t count, const struct permission *without)
{
	char path[SERVER_PATH_MAX];

	for (int wide = 0; wide < 2; wide++) {
		struct buf rules;

		buf_init(&rules, RULES_MAX);
		for (size_t i = 0; i < count; i++) {
			if (&list[i] == without || list[i].cluster_wide != (wide == 1))
				continue;
			buf_printf(&rules,
				"%s{'apiGroups':['%s'],'resources':['%s'],'verbs':['%s']}",
				rules.size > 0 ? "," : "", list[i].group, list[i].resource,
				list[i].verb);
		}
		buf_add_text(&rules, "");
		assert_true(buf_ok(&rules));
		if (wide)
			snprintf(path, sizeof(path), ROLES "clusterroles/%s", name);
		else
			snprintf(path, sizeof(path), ROLES "namespaces/%s/roles/%s", namespace_name,
				name);
		kube_cluster_patch(cluster, path, "{'rules':[%s]}", rules.data);
		buf_fini(&rules);
	}
}

char *kube_account_ask(struct kube_cluster *cluster, const char *const *flags, int *status)
{
	const char *argv[FLAGS_MAX + 3] = {getenv("NIMBUSGUARD_TEST_BIN"), "rbac"};
	char log[SERVER_PATH_MAX * 2];

	for (size_t i = 0; flags[i] != NULL; i++) {
		assert_true(i < FLAGS_MAX);
		argv[i + 2] = flags[i];
	}
	snprintf(log, sizeof(log), "%s/rbac.log", cluster->parts.folder);
	return proc_output(log, argv, NULL, status);
}

static void create(struct kube_cluster *cluster, const json_t *object)
{
	static const struct {
		const char *kind, *resource;
	} kinds[] = {{"Role", "roles"}, {"RoleBinding", "rolebindings"},
		{"ClusterRole", "clusterroles"}, {"ClusterRoleBinding", "clusterrolebindings"},
		{"ServiceAccount", "serviceaccounts"}};
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const char *space = json_string_value(kube_get(object, "metadata", "namespace", NULL));
	const char *name = json_string_value(kube_get(object, "metadata", "name", NULL));
	char path[SERVER_PATH_MAX], *body = json_dumps(object, JSON_COMPACT);
	size_t i = 0;

	assert_true(kind != NULL && name != NULL && body != NULL);
	while (i < ARRAY_COUNT(kinds) && strcmp(kinds[i].kind, kind) != 0)
		i++;
	assert_true(i < ARRAY_COUNT(kinds));
	snprintf(path, sizeof(path), "%s%s%s%s%s",
		strcmp(kind, "ServiceAccount") == 0 ? "/api/v1/" : ROLES,
		space != NULL ? "namespaces/" : "", space != NULL ? space : "",
		space != NULL ? "/" : "", kinds[i].resource);
	if (strcmp(kind, "ServiceAccount") == 0) {
		char there[SERVER_PATH_MAX * 2];

		snprintf(there, sizeof(there), "%s/%s", path, name);
		if (kube_cluster_has(cluster, there)) {
			free(body);
			return;
		}
	}
	kube_cluster_create(cluster, path, "%s", body);
	free(body);
}

void kube_account_bind(struct kube_cluster *cluster, const char *const *flags)
{
	json_t *list, *object;
	int status;
	char *text;
	size_t i;

	text = kube_account_ask(cluster, flags, &status);
	list = json_loads(text, 0, NULL);
	if (status != 0 || list == NULL)
		fail_msg("rbac: %d %s", status, text);
	free(text);
	json_array_foreach(json_object_get(list, "items"), i, object) create(cluster, object);
	json_decref(list);
}
