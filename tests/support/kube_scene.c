/*
 * The account is `shop/nimbusguard`.
 */
#include "tests/support/kube_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

void kube_scene_open(struct kube_scene *world)
{
	struct error error;

	*world = (struct kube_scene){.config = {.timeout_ms = 10000}};
	if (!kube_cluster_there())
		return;
	signal(SIGPIPE, SIG_IGN);
	kube_cluster_open(&world->cluster);
	world->opened = true;
	kube_cluster_namespace(&world->cluster, "shop");
	kube_account_make(&world->cluster, "shop", "nimbusguard");
	kube_cluster_token(&world->cluster, "shop", "nimbusguard", NULL, "token",
		world->token_path);
	world->config.url = world->cluster.api->url;
	world->config.ca_file = world->cluster.ca_file;
	world->config.token_file = world->token_path;
	if (kube_client_open(&world->client, &world->config, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	world->session = kube_session_open(world->client);
	assert_non_null(world->session);
}

void kube_scene_close(struct kube_scene *world)
{
	if (!world->opened)
		return;
	kube_session_close(world->session);
	kube_client_close(world->client);
	kube_cluster_close(&world->cluster);
}

void kube_scene_begin(struct kube_scene *world)
{
	void *made;

	scene_setup(&made);
	world->scene = made;
	if (world->opened)
		scene_attach(world->scene, world->session);
}

void kube_scene_end(struct kube_scene *world)
{
	void *made = world->scene;

	scene_teardown(&made);
}

void kube_scene_allow_all_but(struct kube_scene *world, const struct permission *without)
{
	kube_account_allow(&world->cluster, "shop", "nimbusguard", world->scene->permissions.list,
		world->scene->permissions.count, without);
}
