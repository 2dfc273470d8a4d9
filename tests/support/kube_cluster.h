/*
 * A real Kubernetes for end-to-end tests: etcd, kube-apiserver, kube-controller-manager and
 * kube-scheduler as processes on this machine, with certificates made on the spot, and two nodes on
 * which a stand-in for the kubelet says that pods run. All parts, and kubectl, are one program, which
 * tests/e2e/build.sh builds from the Go modules of Kubernetes.
 *
 * Usage: kube_cluster_open() in the test's setup, kube_cluster_close() in its teardown, which ends
 *   all processes and removes their folder.
 * Limits: one pod costs nothing but its object; nothing is pulled and nothing runs, but on the node of
 *   tests/support/kube_machine.h.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_KUBE_CLUSTER_H
#define NIMBUSGUARD_TESTS_SUPPORT_KUBE_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>

#include "tests/support/servers.h"

struct kube_cluster {
	struct servers parts; /* with the folder that everything is in */
	struct server *etcd, *api, *controllers, *scheduler, *kubelets;
	char ca_file[SERVER_PATH_MAX];
	const char
		*address; /* where pods reach the API server; NULL: there is no network of pods */
	bool forgetful; /* an API server that is started has etcd forget old versions after a second */
};

/* In the folder: person.pem and person.key, a client certificate of the user `person`, who may do
 * nothing until a role is bound to them. */

/* False when the program was not built: the test is to be skipped. */
bool kube_cluster_there(void);
/* Returns when the API server is ready and both nodes can take pods. */
void kube_cluster_open(struct kube_cluster *cluster);
/* The same without nodes; address is kept. tests/support/kube_machine.h brings one on which containers run. */
void kube_cluster_open_control(struct kube_cluster *cluster);
void kube_cluster_close(struct kube_cluster *cluster);
/* Whether so many nodes, and no others, take pods; the test fails when a part of the cluster has ended. */
bool kube_cluster_nodes_ready(struct kube_cluster *cluster, size_t count);
/* Starts the part of Kubernetes that the server is named after. flags are NULL-terminated; "FOLDER" in one
 * stands for the cluster's folder. */
void kube_cluster_start(struct kube_cluster *cluster, struct server *part,
	const char *const *flags);

/* SIGKILL, and the same server over the same store again, with the wait until it is ready. */
void kube_cluster_kill_api(struct kube_cluster *cluster);
void kube_cluster_start_api(struct kube_cluster *cluster);
/* While the API server is away: what was followed by version cannot be followed on. Another one over the
 * same store, at another address, is there while `meanwhile` runs, and until etcd has forgotten all that
 * was before it came. */
void kube_cluster_forget(struct kube_cluster *cluster,
	void (*meanwhile)(struct kube_cluster *cluster));

/*
 * Calls by an administrator. Bodies are formats of JSON, in which ' stands for "; their length is
 * at most 8 KiB. PATCH is a strategic merge patch, MERGE a JSON merge patch, for custom resources. The answer is the caller's (json_decref).
 */
json_t *kube_cluster_call(struct kube_cluster *cluster, const char *method, const char *path,
	long *status, const char *body, ...) __attribute__((format(printf, 5, 6)));
/* The test fails when it is not there. */
json_t *kube_cluster_get(struct kube_cluster *cluster, const char *path);
bool kube_cluster_has(struct kube_cluster *cluster, const char *path);
/* POST that must be answered 201. */
void kube_cluster_create(struct kube_cluster *cluster, const char *path, const char *body, ...)
	__attribute__((format(printf, 3, 4)));
void kube_cluster_patch(struct kube_cluster *cluster, const char *path, const char *body, ...)
	__attribute__((format(printf, 3, 4)));

/* A namespace whose service accounts are there. */
void kube_cluster_namespace(struct kube_cluster *cluster, const char *name);
/* A Deployment of one container, `app`, with a limit of 128Mi; returns when all its pods are ready.
 * annotations: members of an object, in which ' stands for ", or "". */
void kube_cluster_deployment(struct kube_cluster *cluster, const char *namespace_name,
	const char *name, int replicas, const char *annotations);
bool kube_cluster_rolled_out(struct kube_cluster *cluster, const char *namespace_name,
	const char *name, int replicas);
/* The pods of a Deployment: the list. */
json_t *kube_cluster_pods(struct kube_cluster *cluster, const char *namespace_name,
	const char *deployment);

/* KEDA's own definition of ScaledObjects, out of its module, or where that could not be fetched a stand-in
 * with the fields that matter here. Returns when they are served. */
void kube_cluster_keda(struct kube_cluster *cluster);

/* Writes a token of the service account to a file of the cluster's folder; path: its place, of
 * SERVER_PATH_MAX bytes. secret: the token is good as long as this Secret is there; NULL: for an hour. */
void kube_cluster_token(struct kube_cluster *cluster, const char *namespace_name,
	const char *account, const char *secret, const char *file, char *path);

/* What kubectl prints with these arguments, which are cut at spaces (free); the test fails unless it
 * exits with 0. */
char *kube_cluster_kubectl(struct kube_cluster *cluster, const char *arguments);
/* One that goes on (--watch): what it prints is in its log, and it is the caller's to stop. */
void kube_cluster_follow(struct kube_cluster *cluster, const char *arguments,
	struct proc *follower);
/* kubectl get with {.path} of the object: the test fails when that is not printed. where: "node/node-1", or
 * with the namespace before it, as "-n shop pod/web". */
void kube_cluster_prints(struct kube_cluster *cluster, const char *where, const char *path,
	const char *wanted);

/* The part of managedFields that this manager has on a subresource ("" for the object itself);
 * NULL when there is none. */
const json_t *kube_managed(const json_t *object, const char *manager, const char *subresource);

#endif
