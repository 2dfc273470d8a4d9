/*
 * Whether playbooks that the cluster does not let do their work are disabled by name, by the reviews of a
 * real API server: a Role without one verb, and a namespace without a binding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "remediations/permission_watch.h"
#include "tests/support/action_scene.h"
#include "tests/support/kube_cluster.h"

#define ROLES "/apis/rbac.authorization.k8s.io/v1/"
#define WAIT_S 120

static struct kube_cluster cluster;
static struct kube_client_config client_config = {.timeout_ms = 10000};
static char token_path[SERVER_PATH_MAX];
static struct kube_client *client;
static struct kube_session *session;
static struct scene *scene;
static bool opened;

/* ---- the world ---- */

/* What the playbook needs but for one (NULL: all of it), for all in the namespace `shop` and what lives in
 * no namespace. */
static void grant_all_but(const struct permission *without)
{
	for (int wide = 0; wide < 2; wide++) {
		struct buf rules;

		buf_init(&rules, 8000);
		for (size_t i = 0; i < scene->permissions.count; i++) {
			const struct permission *one = &scene->permissions.list[i];

			if (one == without || one->cluster_wide != (wide == 1))
				continue;
			buf_printf(&rules,
				"%s{'apiGroups':['%s'],'resources':['%s'],'verbs':['%s']}",
				rules.size > 0 ? "," : "", one->group, one->resource, one->verb);
		}
		buf_add_text(&rules, "");
		kube_cluster_patch(&cluster,
			wide ? ROLES "clusterroles/watched" : ROLES "namespaces/shop/roles/watched",
			"{'rules':[%s]}", rules.data);
		buf_fini(&rules);
	}
}

static void make_account(void)
{
	static const struct {
		const char *place, *kind;
	} roles[] = {{"namespaces/shop/role", "Role"}, {"clusterrole", "ClusterRole"}};
	char path[128];

	kube_cluster_create(&cluster, "/api/v1/namespaces/shop/serviceaccounts",
		"{'metadata':{'name':'watched'}}");
	for (size_t i = 0; i < ARRAY_COUNT(roles); i++) {
		snprintf(path, sizeof(path), ROLES "%ss", roles[i].place);
		kube_cluster_create(&cluster, path, "{'metadata':{'name':'watched'},'rules':[]}");
		snprintf(path, sizeof(path), ROLES "%sbindings", roles[i].place);
		kube_cluster_create(&cluster, path,
			"{'metadata':{'name':'watched'},'roleRef':{'apiGroup':"
			"'rbac.authorization.k8s.io','kind':'%s','name':'watched'},'subjects':["
			"{'kind':'ServiceAccount','name':'watched','namespace':'shop'}]}",
			roles[i].kind);
	}
	kube_cluster_token(&cluster, "shop", "watched", NULL, "token", token_path);
}

static int setup(void **state)
{
	struct error error;

	if (!kube_cluster_there())
		return 0;
	signal(SIGPIPE, SIG_IGN);
	kube_cluster_open(&cluster);
	opened = true;
	kube_cluster_namespace(&cluster, "shop");
	kube_cluster_namespace(&cluster, "unbound");
	make_account();
	client_config.url = cluster.api->url;
	client_config.ca_file = cluster.ca_file;
	client_config.token_file = token_path;
	assert_int_equal(kube_client_open(&client, &client_config, &error), STATUS_OK);
	session = kube_session_open(client);
	assert_non_null(session);
	return 0;
}

static int teardown(void **state)
{
	if (opened) {
		kube_session_close(session);
		kube_client_close(client);
		kube_cluster_close(&cluster);
	}
	return 0;
}

static int open_scene(void **state)
{
	void *made;

	scene_setup(&made);
	scene = made;
	return 0;
}

static int close_scene(void **state)
{
	void *made = scene;

	return scene_teardown(&made);
}

/* ---- playbooks that lack one ---- */

static const struct permission *permission_to(const char *verb, const char *resource)
{
	for (size_t i = 0; i < scene->permissions.count; i++)
		if (strcmp(scene->permissions.list[i].verb, verb) == 0 &&
			strcmp(scene->permissions.list[i].resource, resource) == 0)
			return &scene->permissions.list[i];
	fail_msg("no permission to %s %s", verb, resource);
	return NULL;
}

static struct permission_watch *watch_permissions(const char *const *namespaces, size_t count)
{
	const struct permission_watch_config config = {.namespaces = namespaces,
		.namespace_count = count,
		.every_ms = 300,
		.retry_ms = 300};
	struct permission_watch *watch;
	struct kube_client *own;
	struct error error;

	assert_int_equal(kube_client_open(&own, &client_config, &error), STATUS_OK);
	assert_int_equal(permission_watch_open(&watch, own, &config, &error), STATUS_OK);
	permission_watch_use(watch, scene->playbooks, MODE_AUTO);
	return watch;
}

/* Whether the playbook is disabled for lack of just that. */
static bool lacks(struct permission_watch *watch, const char *words)
{
	char text[256] = "";

	return permission_watch_missing(watch, "p", TARGET_DEPLOYMENT, text, sizeof(text)) &&
		strcmp(text, words) == 0;
}

static bool lacks_nothing(struct permission_watch *watch)
{
	char text[256];

	return !permission_watch_missing(watch, "p", TARGET_DEPLOYMENT, text, sizeof(text));
}

static void a_playbook_without_one_verb_is_disabled_until_it_is_given(void **state)
{
	static const char *const shop[] = {"shop"};
	struct permission_watch *watch;

	if (!opened)
		skip();
	scene_step(scene, "Deployment", "{action: restart_workload}");
	grant_all_but(permission_to("patch", "deployments"));
	watch = watch_permissions(shop, 1);
	AWAIT(&cluster.parts, lacks(watch, "patch deployments.apps"), WAIT_S);
	grant_all_but(NULL);
	AWAIT(&cluster.parts, lacks_nothing(watch), WAIT_S);
	grant_all_but(permission_to("patch", "deployments"));
	AWAIT(&cluster.parts, lacks(watch, "patch deployments.apps"), WAIT_S);
	permission_watch_close(watch);
}

/* A playbook is not half allowed: with a namespace of its own where it may not act it is disabled. */
static void a_namespace_without_a_binding_disables_what_is_for_it(void **state)
{
	static const char *const both[] = {"shop", "unbound"};
	struct permission_watch *watch, *narrow;
	bool allowed = true;
	struct error error;

	if (!opened)
		skip();
	scene_step(scene, "Deployment", "{action: restart_workload}");
	grant_all_but(NULL);
	narrow = watch_permissions(both, 1);
	watch = watch_permissions(both, 2);
	AWAIT(&cluster.parts,
		!lacks_nothing(watch) &&
			permission_review(session, permission_to("patch", "deployments"), "shop",
				&allowed, &error) == STATUS_OK &&
			allowed,
		WAIT_S);
	assert_int_equal(permission_review(session, permission_to("patch", "deployments"),
				 "unbound", &allowed, &error),
		STATUS_OK);
	assert_false(allowed);
	AWAIT(&cluster.parts, lacks_nothing(narrow), WAIT_S);
	assert_false(lacks_nothing(watch));
	permission_watch_close(narrow);
	permission_watch_close(watch);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
	const struct CMUnitTest tests[] =
		{T(a_playbook_without_one_verb_is_disabled_until_it_is_given),
			T(a_namespace_without_a_binding_disables_what_is_for_it)};

	return cmocka_run_group_tests_name("kubernetes_permissions", tests, setup, teardown);
}
