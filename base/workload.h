/*
 * The plain values that name things of the cluster: a workload, the roles of its signals, the
 * target of an action. They cross rooms by value.
 *
 * Limits: names as Kubernetes bounds them (253 bytes for names, 63 for namespaces); longer input
 *   is refused where it is read, never cut.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_BASE_WORKLOAD_H
#define NIMBUSGUARD_BASE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/labels.h"

#define OBJECT_NAME_MAX 254
#define NAMESPACE_MAX 64
#define KIND_MAX 64
#define UID_MAX 64

/* X(kind, Kubernetes kind, label that names it on an alert, namespaced) */
#define TARGET_KIND_TABLE(X)                                                                       \
	X(TARGET_NONE, "None", "", false)                                                          \
	X(TARGET_DEPLOYMENT, "Deployment", "deployment", true)                                     \
	X(TARGET_STATEFULSET, "StatefulSet", "statefulset", true)                                  \
	X(TARGET_DAEMONSET, "DaemonSet", "daemonset", true)                                        \
	X(TARGET_REPLICASET, "ReplicaSet", "replicaset", true)                                     \
	X(TARGET_POD, "Pod", "pod", true)                                                          \
	X(TARGET_NODE, "Node", "node", false)                                                      \
	X(TARGET_JOB, "Job", "job_name", true)                                                     \
	X(TARGET_CRONJOB, "CronJob", "cronjob", true)                                              \
	X(TARGET_HPA, "HorizontalPodAutoscaler", "horizontalpodautoscaler", true)                  \
	X(TARGET_PVC, "PersistentVolumeClaim", "persistentvolumeclaim", true)                      \
	X(TARGET_SCALED_OBJECT, "ScaledObject", "scaledobject", true)

enum target_kind {
#define X(kind, name, label, namespaced) kind,
	TARGET_KIND_TABLE(X)
#undef X
		TARGET_KIND_COUNT
};

const char *target_kind_name(enum target_kind kind);
const char *target_kind_label(enum target_kind kind);
bool target_kind_namespaced(enum target_kind kind);
/* By Kubernetes kind, any case; TARGET_NONE when unknown. A custom resource is known once it was defined
 * (base/custom_kind.h). */
enum target_kind target_kind_parse(const char *name);

/* (cluster, namespace, kind, name): cluster is "" where external labels name none. */
struct workload_key {
	char cluster[NAMESPACE_MAX];
	char namespace_name[NAMESPACE_MAX];
	enum target_kind kind;
	char name[OBJECT_NAME_MAX];
};

/* From the labels cluster, namespace, workload_kind, workload of a nimbusguard:* series.
 * STATUS_NOT_FOUND when a label is absent (cluster may be, and namespace for kinds that live in
 * none), STATUS_BAD_INPUT when one is too long or the kind unknown. */
enum status workload_key_from_labels(struct workload_key *key, const struct labels *labels,
	struct error *error) MUST_CHECK;
bool workload_key_equal(const struct workload_key *a, const struct workload_key *b);
uint64_t workload_key_hash(const struct workload_key *key);
/* namespace/Kind/name, with "cluster:" before it when there is one. At most WORKLOAD_TEXT_MAX. */
#define WORKLOAD_TEXT_MAX 512
void workload_key_write(const struct workload_key *key, char *text, size_t size);

/* X(role, name in rules/signals.yaml, unit) */
#define ROLE_TABLE(X)                                                                              \
	X(ROLE_CPU, "cpu", "cores")                                                                \
	X(ROLE_CPU_UTILIZATION, "cpu_utilization", "ratio")                                        \
	X(ROLE_MEMORY, "memory", "bytes")                                                          \
	X(ROLE_MEMORY_UTILIZATION, "memory_utilization", "ratio")                                  \
	X(ROLE_REQUEST_RATE, "request_rate", "per_second")                                         \
	X(ROLE_ERROR_RATE, "error_rate", "ratio")                                                  \
	X(ROLE_LATENCY, "latency", "seconds")                                                      \
	X(ROLE_RESTARTS, "restarts", "count")                                                      \
	X(ROLE_OOM_KILLS, "oom_kills", "count")                                                    \
	X(ROLE_REPLICAS, "replicas", "count")                                                      \
	X(ROLE_REPLICAS_WANTED, "replicas_wanted", "count")                                        \
	X(ROLE_SATURATION, "saturation", "ratio")                                                  \
	X(ROLE_CPU_THROTTLED, "cpu_throttled", "ratio")                                            \
	X(ROLE_MEMORY_LIMIT, "memory_limit", "bytes")                                              \
	X(ROLE_CPU_LIMIT, "cpu_limit", "cores")

enum signal_role {
#define X(role, name, unit) role,
	ROLE_TABLE(X)
#undef X
		ROLE_COUNT
};

const char *role_name(enum signal_role role);
const char *role_unit(enum signal_role role);
/* ROLE_COUNT when unknown. */
enum signal_role role_parse(const char *name);

/* What an action changes. uid and resource_version are empty until the cluster was asked. */
struct target {
	enum target_kind kind;
	char cluster[NAMESPACE_MAX];
	char namespace_name[NAMESPACE_MAX];
	char name[OBJECT_NAME_MAX];
	char container[OBJECT_NAME_MAX]; /* "" when the action is not about one container */
	char uid[UID_MAX];
	char resource_version[UID_MAX];
	struct workload_key
		workload; /* the owner at the top of the chain; kind TARGET_NONE when none */
	unsigned looks;   /* what an observation tells beyond the usual: LOOK_..., not kept */
};

/* namespace/Kind/name as above, and " container <name>" when there is one. At most TARGET_TEXT_MAX. */
#define TARGET_TEXT_MAX 768
void target_write(const struct target *target, char *text, size_t size);

#endif
