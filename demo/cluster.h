/*
 * The simulated cluster: deployments whose pods follow the plant, the faults of the story, and what
 * can be seen of it all: objects, series, alerts.
 *
 * Ownership: the cluster owns everything; callers copy out.
 * Limits: CLUSTER_WORKLOADS deployments of at most PLANT_PODS_MAX pods.
 * Threads: every function below takes the cluster's lock itself, except those that say otherwise.
 */
#ifndef NIMBUSGUARD_DEMO_CLUSTER_H
#define NIMBUSGUARD_DEMO_CLUSTER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "analyzers/plant.h"
#include "base/error.h"
#include "base/workload.h"

#define CLUSTER_WORKLOADS 3
#define CLUSTER_NAMESPACE "shop"
#define CLUSTER_NODES 2
#define RESTARTS_KEPT 64

struct sim_pod {
	char name[64], uid[40];
	char replicaset[48]; /* whose template it was made by */
	int node;            /* -1: none takes it, and it waits */
	double memory_limit_mib;
	bool crash_looping; /* its container fails at each start until the pod is deleted */
	bool oom_killed;    /* the last termination of its container */
	int restarts;
	int64_t next_crash_ms;
	double memory_mib;
};

struct sim_workload {
	char name[32], container[32], uid[40], replicaset[48], replicaset_uid[40];
	bool paused; /* pods of older templates stay */
	struct plant plant;
	struct sim_pod pods[PLANT_PODS_MAX];        /* beside plant.ready_at */
	double cpu_request_cores, memory_limit_mib; /* of new pods */
	double memory_need_mib;
	double demand; /* of the story, before noise */
	struct plant_slot last;
	struct {
		int64_t t_ms;
		bool oom;
	} restarts[RESTARTS_KEPT];
	unsigned restart_count, pod_serial;
	char restarted_at[64]; /* of the template's annotations */
};

struct cluster {
	pthread_mutex_t lock;
	struct random random;
	uint64_t version; /* of objects (demo/kube_store.h) */
	int64_t start_ms, now_ms;
	bool moves; /* cluster_step() was called: rollouts take their time */
	bool node_closed[CLUSTER_NODES];
	struct sim_workload workloads[CLUSTER_WORKLOADS];
	double noise[CLUSTER_WORKLOADS];
	bool crash_done;
};

void cluster_init(struct cluster *cluster, int64_t start_ms, uint64_t seed);
void cluster_fini(struct cluster *cluster);
/* One slot of the story; now_ms is its end. */
void cluster_step(struct cluster *cluster, int64_t now_ms);

/* What a scrape of one workload would give at the last slot. */
struct sim_reading {
	char workload[32], container[32];
	bool present[ROLE_COUNT]; /* false: the cluster has no such signal */
	double values[ROLE_COUNT];
	int ready, wanted;
	double latency_p99_s, memory_limit_mib, cpu_request_cores;
};
void cluster_read(struct cluster *cluster, int index, struct sim_reading *reading);

/* Changes; the caller holds the lock. */
struct sim_workload *cluster_find(struct cluster *cluster, const char *name);
void cluster_scale(struct cluster *cluster, struct sim_workload *workload, int replicas);
void cluster_delete_pod(struct cluster *cluster, struct sim_workload *workload, int pod);
/* All pods of an older template are replaced at once. */
void cluster_roll(struct cluster *cluster, struct sim_workload *workload);
void cluster_make_uid(struct cluster *cluster, char uid[40]);

/* Questions; the caller holds the lock. */
const char *cluster_node_name(int node);
bool cluster_pod_ready(const struct sim_workload *workload, int pod);
/* workload, index: NULL, or what is found. */
bool cluster_find_pod(struct cluster *cluster, const char *name, struct sim_workload **workload,
	int *index);

#endif
