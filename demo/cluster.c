/*
 * The story of the simulated cluster, in simulated minutes from its start:
 *   0      three deployments at rest, their traffic on the flank of a daily curve, with bursts
 *   12     traffic of shop/web rises to twice its value within ten minutes
 *   26     one pod of shop/payments begins to crash at each start
 *   32     shop/cart needs more memory than its limit allows
 * What happens then depends on who acts: pods start late, a deleted pod comes back sound, a higher
 * limit rolls the pods, one a slot.
 */
#include "demo/cluster.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define WINDOW_MS (10 * MINUTE_MS)
#define RISE_MIN 12.0
#define RISE_LENGTH_MIN 10.0
#define CRASH_MIN 26.0
#define MEMORY_MIN 32.0
#define CRASH_EVERY_MS (2 * MINUTE_MS)
#define RESTART_SLOTS 2

enum { WEB, PAYMENTS, CART };

static const struct {
	const char *name;
	double demand; /* requests a second at rest */
	int replicas;
	double memory_need_mib, memory_limit_mib;
} story[CLUSTER_WORKLOADS] = {
	[WEB] = {"web", 98, 3, 140, 256},
	[PAYMENTS] = {"payments", 70, 3, 120, 256},
	[CART] = {"cart", 60, 2, 150, 256},
};

void cluster_make_uid(struct cluster *cluster, char uid[40])
{
	uint64_t a = random_u64(&cluster->random), b = random_u64(&cluster->random);

	snprintf(uid, 40, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
		(unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52),
		(unsigned long long)b & 0xffffffffffffULL);
}

const char *cluster_node_name(int node)
{
	static const char *const names[CLUSTER_NODES] = {"node-1", "node-2"};

	return names[node];
}

/* They take turns; -1 while all are cordoned. */
static int choose_node(const struct cluster *cluster, unsigned turn)
{
	for (unsigned i = 0; i < CLUSTER_NODES; i++)
		if (!cluster->node_closed[(turn + i) % CLUSTER_NODES])
			return (int)((turn + i) % CLUSTER_NODES);
	return -1;
}

static void make_pod(struct cluster *cluster, struct sim_workload *workload, int pod)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	struct sim_pod *made = &workload->pods[pod];
	char suffix[6];

	for (size_t i = 0; i < 5; i++)
		suffix[i] = letters[random_below(&cluster->random, sizeof(letters) - 1)];
	suffix[5] = '\0';
	*made = (struct sim_pod){.memory_mib = 60,
		.memory_limit_mib = workload->memory_limit_mib,
		.node = choose_node(cluster, workload->pod_serial)};
	snprintf(made->replicaset, sizeof(made->replicaset), "%s", workload->replicaset);
	snprintf(made->name, sizeof(made->name), "%s-%s", workload->replicaset, suffix);
	cluster_make_uid(cluster, made->uid);
	workload->pod_serial++;
}

void cluster_init(struct cluster *cluster, int64_t start_ms, uint64_t seed)
{
	memset(cluster, 0, sizeof(*cluster));
	pthread_mutex_init(&cluster->lock, NULL);
	random_init(&cluster->random, seed);
	cluster->start_ms = cluster->now_ms = start_ms;
	cluster->version = 1000;
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		struct sim_workload *workload = &cluster->workloads[i];
		struct plant_config config;

		plant_config_default(&config);
		plant_init(&workload->plant, &config, story[i].replicas, seed + 1 + (uint64_t)i);
		snprintf(workload->name, sizeof(workload->name), "%s", story[i].name);
		snprintf(workload->container, sizeof(workload->container), "app");
		snprintf(workload->replicaset, sizeof(workload->replicaset), "%s-7d9c5b6f8",
			story[i].name);
		cluster_make_uid(cluster, workload->uid);
		cluster_make_uid(cluster, workload->replicaset_uid);
		workload->cpu_request_cores = 1;
		workload->memory_limit_mib = story[i].memory_limit_mib;
		workload->memory_need_mib = story[i].memory_need_mib;
		workload->demand = story[i].demand;
		for (int pod = 0; pod < story[i].replicas; pod++) {
			make_pod(cluster, workload, pod);
			workload->pods[pod].memory_mib = workload->memory_need_mib;
		}
	}
}

void cluster_fini(struct cluster *cluster)
{
	pthread_mutex_destroy(&cluster->lock);
}

struct sim_workload *cluster_find(struct cluster *cluster, const char *name)
{
	for (int i = 0; i < CLUSTER_WORKLOADS; i++)
		if (strcmp(cluster->workloads[i].name, name) == 0)
			return &cluster->workloads[i];
	return NULL;
}

void cluster_scale(struct cluster *cluster, struct sim_workload *workload, int replicas)
{
	struct plant *plant = &workload->plant;

	while (plant->wanted > replicas && plant->wanted > 1) {
		int victim = plant_victim(plant);

		plant_remove(plant, victim);
		memmove(&workload->pods[victim], &workload->pods[victim + 1],
			(size_t)(plant->wanted - victim) * sizeof(workload->pods[0]));
	}
	int before = plant->wanted;

	plant_want(plant, replicas);
	for (int pod = before; pod < plant->wanted; pod++)
		make_pod(cluster, workload, pod);
}

static void start_pod(struct cluster *cluster, struct sim_workload *workload, int pod, int after)
{
	const struct plant_config *config = &workload->plant.config;
	int delay = config->start_slots_min +
		(int)random_below(&cluster->random,
			(uint64_t)(config->start_slots_max - config->start_slots_min + 1));

	plant_lose(&workload->plant, pod, after + delay);
	make_pod(cluster, workload, pod);
}

void cluster_delete_pod(struct cluster *cluster, struct sim_workload *workload, int pod)
{
	start_pod(cluster, workload, pod, 0);
}

static bool is_old(const struct sim_workload *workload, int pod)
{
	return strcmp(workload->pods[pod].replicaset, workload->replicaset) != 0;
}

/* A rolling update keeps an old pod until the new one is ready; at this grain that is a short loss of
 * one pod after the other. */
static void replace_pod(struct cluster *cluster, struct sim_workload *workload, int pod, int slots)
{
	make_pod(cluster, workload, pod);
	if (workload->plant.ready_at[pod] <= workload->plant.slot)
		plant_lose(&workload->plant, pod, slots);
}

void cluster_roll(struct cluster *cluster, struct sim_workload *workload)
{
	for (int pod = 0; pod < workload->plant.wanted; pod++)
		if (is_old(workload, pod))
			replace_pod(cluster, workload, pod, pod == 0 ? 1 : 0);
}

bool cluster_pod_ready(const struct sim_workload *workload, int pod)
{
	return workload->plant.ready_at[pod] <= workload->plant.slot &&
		!workload->pods[pod].crash_looping && workload->pods[pod].node >= 0;
}

/* One more pod, once those that were made before are ready: with one that never is, it is stuck. */
static void step_rollout(struct cluster *cluster, struct sim_workload *workload)
{
	int old = -1;

	for (int pod = workload->plant.wanted - 1; pod >= 0; pod--) {
		if (is_old(workload, pod))
			old = pod;
		else if (!cluster_pod_ready(workload, pod))
			return;
	}
	if (old >= 0 && !workload->paused)
		replace_pod(cluster, workload, old, 1);
}

bool cluster_find_pod(struct cluster *cluster, const char *name, struct sim_workload **workload,
	int *index)
{
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		struct sim_workload *own = &cluster->workloads[i];

		for (int pod = 0; pod < own->plant.wanted; pod++) {
			if (strcmp(own->pods[pod].name, name) != 0)
				continue;
			if (workload != NULL)
				*workload = own;
			if (index != NULL)
				*index = pod;
			return true;
		}
	}
	return false;
}

/* The daily curve, compressed so that an hour of it shows something, and bursts. */
static double traffic(const struct cluster *cluster, int i, double minute)
{
	double demand = story[i].demand * (1 + 0.04 * sin(minute / 90 * 2 * 3.14159265358979 + i));
	double burst = fmod(minute + 13 * i, 17);

	if (i != WEB && burst < 1)
		demand *= 1.12;
	if (i == WEB) {
		double rise = fmin(fmax((minute - RISE_MIN) / RISE_LENGTH_MIN, 0), 1);

		demand *= 1 + rise * rise * (3 - 2 * rise);
	}
	(void)cluster;
	return demand;
}

static void record_restart(struct cluster *cluster, struct sim_workload *workload, int pod,
	bool oom)
{
	unsigned slot = workload->restart_count++ % RESTARTS_KEPT;

	workload->restarts[slot].t_ms = cluster->now_ms;
	workload->restarts[slot].oom = oom;
	workload->pods[pod].restarts++;
	workload->pods[pod].oom_killed = oom;
}

static void step_pod(struct cluster *cluster, struct sim_workload *workload, int pod)
{
	struct sim_pod *state = &workload->pods[pod];
	bool ready = workload->plant.ready_at[pod] <= workload->plant.slot;

	if (state->node < 0)
		state->node = choose_node(cluster, workload->pod_serial++);
	if (state->node < 0) {
		plant_lose(&workload->plant, pod, RESTART_SLOTS);
		return;
	}
	if (state->crash_looping) {
		plant_lose(&workload->plant, pod, RESTART_SLOTS);
		if (cluster->now_ms >= state->next_crash_ms) {
			record_restart(cluster, workload, pod, false);
			state->next_crash_ms = cluster->now_ms + CRASH_EVERY_MS;
		}
		return;
	}
	if (!ready)
		return;
	/* Memory fills towards what the program needs, a fifth of the way each slot. */
	state->memory_mib += (workload->memory_need_mib - state->memory_mib) * 0.2 +
		random_normal(&cluster->random);
	if (state->memory_mib < state->memory_limit_mib)
		return;
	record_restart(cluster, workload, pod, true);
	state->memory_mib = 60;
	plant_lose(&workload->plant, pod, RESTART_SLOTS);
}

static void tell_story(struct cluster *cluster, double minute)
{
	struct sim_workload *payments = &cluster->workloads[PAYMENTS];

	if (minute >= CRASH_MIN && !cluster->crash_done) {
		payments->pods[0].crash_looping = true;
		payments->pods[0].next_crash_ms = cluster->now_ms;
		cluster->crash_done = true;
	}
	if (minute >= MEMORY_MIN)
		cluster->workloads[CART].memory_need_mib = 290;
}

void cluster_step(struct cluster *cluster, int64_t now_ms)
{
	double minute = (double)(now_ms - cluster->start_ms) / (double)MINUTE_MS;

	pthread_mutex_lock(&cluster->lock);
	cluster->now_ms = now_ms;
	cluster->moves = true;
	tell_story(cluster, minute);
	for (int i = 0; i < CLUSTER_WORKLOADS; i++) {
		struct sim_workload *workload = &cluster->workloads[i];

		workload->demand = traffic(cluster, i, minute);
		step_rollout(cluster, workload);
		for (int pod = 0; pod < workload->plant.wanted; pod++)
			step_pod(cluster, workload, pod);
		plant_step(&workload->plant, plant_noisy_demand(&workload->plant, workload->demand),
			&workload->last);
	}
	pthread_mutex_unlock(&cluster->lock);
}

static void show(struct sim_reading *reading, enum signal_role role, double value)
{
	reading->present[role] = true;
	reading->values[role] = value;
}

static void read_restarts(const struct cluster *cluster, const struct sim_workload *workload,
	struct sim_reading *reading)
{
	unsigned first = workload->restart_count > RESTARTS_KEPT
		? workload->restart_count - RESTARTS_KEPT
		: 0;
	double restarts = 0, oom_kills = 0;

	for (unsigned i = first; i < workload->restart_count; i++) {
		if (workload->restarts[i % RESTARTS_KEPT].t_ms < cluster->now_ms - WINDOW_MS)
			continue;
		restarts++;
		oom_kills += workload->restarts[i % RESTARTS_KEPT].oom;
	}
	show(reading, ROLE_RESTARTS, restarts);
	show(reading, ROLE_OOM_KILLS, oom_kills);
}

void cluster_read(struct cluster *cluster, int index, struct sim_reading *reading)
{
	const struct sim_workload *workload;
	double memory = 0, largest = 0;

	*reading = (struct sim_reading){.ready = 0};
	pthread_mutex_lock(&cluster->lock);
	workload = &cluster->workloads[index];
	for (int pod = 0; pod < workload->plant.wanted; pod++) {
		const struct sim_pod *own = &workload->pods[pod];

		memory += own->memory_mib;
		largest = fmax(largest, own->memory_mib / own->memory_limit_mib);
	}
	snprintf(reading->workload, sizeof(reading->workload), "%s", workload->name);
	snprintf(reading->container, sizeof(reading->container), "%s", workload->container);
	reading->cpu_request_cores = workload->cpu_request_cores;
	reading->ready = workload->last.ready;
	reading->wanted = workload->plant.wanted;
	reading->latency_p99_s = workload->last.latency_p99_s;
	reading->memory_limit_mib = workload->memory_limit_mib;
	show(reading, ROLE_CPU,
		workload->last.cpu * workload->cpu_request_cores * workload->last.ready);
	show(reading, ROLE_CPU_UTILIZATION, workload->last.cpu);
	show(reading, ROLE_MEMORY, memory * 1048576);
	show(reading, ROLE_MEMORY_UTILIZATION, largest);
	show(reading, ROLE_MEMORY_LIMIT, workload->memory_limit_mib * 1048576);
	show(reading, ROLE_REQUEST_RATE, workload->last.demand);
	if (workload->last.arrivals > 0)
		show(reading, ROLE_ERROR_RATE, workload->last.dropped / workload->last.arrivals);
	show(reading, ROLE_LATENCY, workload->last.latency_p99_s);
	show(reading, ROLE_REPLICAS, workload->last.ready);
	show(reading, ROLE_REPLICAS_WANTED, workload->plant.wanted);
	show(reading, ROLE_SATURATION, workload->last.cpu);
	read_restarts(cluster, workload, reading);
	pthread_mutex_unlock(&cluster->lock);
}
