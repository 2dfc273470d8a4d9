/*
 * Scenes (tests/support/action_scene.h) on a real Kubernetes: a cluster with the namespace `shop`, and a
 * session of a service account that is allowed what the scene's playbook needs.
 *
 * Usage: kube_scene_open() in the group's setup, kube_scene_close() in its teardown; kube_scene_begin()
 *   and kube_scene_end() around each test.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_SCENE_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_SCENE_H

#include "tests/support/action_scene.h"
#include "tests/support/kube_account.h"

struct kube_scene {
	struct kube_cluster cluster;
	struct kube_client_config config; /* of the account, for further clients */
	char token_path[SERVER_PATH_MAX];
	struct kube_client *client;
	struct kube_session *session;
	struct scene *scene; /* of the test that runs */
	bool opened;         /* false: the program was not built, and tests are to be skipped */
};

void kube_scene_open(struct kube_scene *world);
void kube_scene_close(struct kube_scene *world);
/* A new scene; of the real cluster, where there is one. */
void kube_scene_begin(struct kube_scene *world);
void kube_scene_end(struct kube_scene *world);

/* The account may do what the scene's playbook needs but for one of it (NULL: all of it). */
void kube_scene_allow_all_but(struct kube_scene *world, const struct permission *without);

#endif
