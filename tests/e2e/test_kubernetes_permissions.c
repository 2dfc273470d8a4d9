/*
 * Whether playbooks that the cluster does not let do their work are disabled by name, by the reviews of a
 * real API server: a Role without one verb, and a namespace without a binding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "remediations/permission_watch.h"
#include "tests/support/kube_scene.h"

#define WAIT_S 120

static struct kube_scene world;

static int setup(void **state)
{
	kube_scene_open(&world);
	if (world.opened)
		kube_cluster_namespace(&world.cluster, "unbound");
	return 0;
}

static int teardown(void **state)
{
	kube_scene_close(&world);
	return 0;
}

static int open_scene(void **state)
{
	kube_scene_begin(&world);
	return 0;
}

static int close_scene(void **state)
{
	kube_scene_end(&world);
	return 0;
}

/* ---- playbooks that lack one ---- */

static const struct permission *permission_to(const char *verb, const char *resource)
{
	for (size_t i = 0; i < world.scene->permissions.count; i++)
		if (strcmp(world.scene->permissions.list[i].verb, verb) == 0 &&
			strcmp(world.scene->permissions.list[i].resource, resource) == 0)
			return &world.scene->permissions.list[i];
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

	assert_int_equal(kube_client_open(&own, &world.config, &error), STATUS_OK);
	assert_int_equal(permission_watch_open(&watch, own, &config, &error), STATUS_OK);
	permission_watch_use(watch, world.scene->playbooks, MODE_AUTO);
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

	if (!world.opened)
		skip();
	scene_step(world.scene, "Deployment", "{action: restart_workload}");
	kube_scene_allow_all_but(&world, permission_to("patch", "deployments"));
	watch = watch_permissions(shop, 1);
	AWAIT(&world.cluster.parts, lacks(watch, "patch deployments.apps"), WAIT_S);
	kube_scene_allow_all_but(&world, NULL);
	AWAIT(&world.cluster.parts, lacks_nothing(watch), WAIT_S);
	kube_scene_allow_all_but(&world, permission_to("patch", "deployments"));
	AWAIT(&world.cluster.parts, lacks(watch, "patch deployments.apps"), WAIT_S);
	permission_watch_close(watch);
}

/* A playbook is not half allowed: with a namespace of its own where it may not act it is disabled. */
static void a_namespace_without_a_binding_disables_what_is_for_it(void **state)
{
	static const char *const both[] = {"shop", "unbound"};
	struct permission_watch *watch, *narrow;
	bool allowed = true;
	struct error error;

	if (!world.opened)
		skip();
	scene_step(world.scene, "Deployment", "{action: restart_workload}");
	kube_scene_allow_all_but(&world, NULL);
	narrow = watch_permissions(both, 1);
	watch = watch_permissions(both, 2);
	AWAIT(&world.cluster.parts,
		!lacks_nothing(watch) &&
			permission_review(world.session, permission_to("patch", "deployments"),
				"shop", &allowed, &error) == STATUS_OK &&
			allowed,
		WAIT_S);
	assert_int_equal(permission_review(world.session, permission_to("patch", "deployments"),
				 "unbound", &allowed, &error),
		STATUS_OK);
	assert_false(allowed);
	AWAIT(&world.cluster.parts, lacks_nothing(narrow), WAIT_S);
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
