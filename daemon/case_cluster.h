/*
 * A cluster of Kubernetes objects in memory, for tests of playbooks: it answers the calls that the
 * product makes of an API server (GET of objects and lists, merge and strategic merge patches with
 * their preconditions, DELETE with a uid, evictions, Jobs) and does what a controller that needs no time would do.
 *
 * Ownership: the cluster owns its objects.
 * Limits: CASE_OBJECTS_MAX objects.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CASE_CLUSTER_H
#define NIMBUSGUARD_DAEMON_CASE_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/yaml.h"
#include "remediations/permissions.h"

#define CASE_OBJECTS_MAX 1000

struct case_cluster {
	json_t *objects; /* path -> object */
	uint64_t version;
	unsigned uid_last;
	bool unreachable; /* no call is answered */
	bool resizes;     /* it has pods/resize */
	/* What calls are allowed, as by the roles of `nimbusguard rbac`; NULL: all. */
	const struct permissions *permissions;
};

enum status case_cluster_init(struct case_cluster *cluster) MUST_CHECK;
void case_cluster_fini(struct case_cluster *cluster);

/* A manifest in Kubernetes' form to JSON; what is wrong with it is reported with its place, NULL
 * then. The caller's (json_decref). */
json_t *case_manifest_read(const struct yaml_reader *reader,
	const struct yaml_node *node) MUST_CHECK;

/* Adds the object of a manifest, or lays the manifest over the object that is there. Fills in what
 * an API server would: uid, resourceVersion, the namespace's object, an owner's uid. The sentence of
 * an error has no place. */
enum status case_cluster_apply(struct case_cluster *cluster, const json_t *manifest,
	struct error *error) MUST_CHECK;
/* name: "shop/Pod/web-1" or "Node/n1". STATUS_NOT_FOUND, STATUS_BAD_INPUT. */
enum status case_cluster_delete(struct case_cluster *cluster, const char *name,
	struct error *error) MUST_CHECK;

/* A kube_serve_fn; argument: the cluster. */
int case_cluster_serve(void *argument, const struct kube_request *request, json_t **body);

/* case_calls.c, for case_cluster.c: creating a Job or an eviction, and the pods of a node. */
int case_cluster_post(struct case_cluster *cluster, const char *path, const char *text, bool dry,
	json_t **body);
/* What is read of custom resources: the discovery of their version, and the scale of one. False: the
 * path is none of them. */
bool case_cluster_custom(const struct case_cluster *cluster, const char *path, json_t **body);
int case_cluster_pods(const struct case_cluster *cluster, const char *query, json_t **body);
int case_cluster_remove(struct case_cluster *cluster, const char *path, const char *text, bool dry,
	json_t **body);
int case_cluster_refuse(json_t **body, int code, const char *reason, const char *message);

#endif
