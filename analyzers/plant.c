/*
 * Pods with names, so to speak: each has the slot from which it serves. What becomes of the requests of a
 * slot is the law in plant_law.h; cpu = min(1, rho + idle) (1 + noise N(0,1)). The 99 % latency is the
 * same law solved for the time: W + ln(100) / (mu (1 - rho)).
 */
#include "analyzers/plant.h"

#include <math.h>

#include "base/check.h"

#define DEMAND_SIGMA 0.03

void plant_config_default(struct plant_config *config)
{
	*config = (struct plant_config){.service_rate = 50,
		.latency_limit_s = 0.4,
		.start_slots_min = 2,
		.start_slots_max = 8,
		.replicas_min = 1,
		.replicas_max = 50,
		.cpu_idle = 0.03,
		.cpu_noise = 0.02};
}

static int clamp_replicas(const struct plant *plant, int replicas)
{
	if (replicas < plant->config.replicas_min)
		return plant->config.replicas_min;
	return replicas > plant->config.replicas_max ? plant->config.replicas_max : replicas;
}

void plant_init(struct plant *plant, const struct plant_config *config, int replicas, uint64_t seed)
{
	CHECK(config->replicas_max <= PLANT_PODS_MAX && config->replicas_min >= 0);
	*plant = (struct plant){.config = *config};
	random_init(&plant->random, seed);
	plant->wanted = clamp_replicas(plant, replicas);
}

int plant_victim(const struct plant *plant)
{
	int last = 0;

	/* The pod that would be ready latest; among ready ones the newest. */
	for (int i = 1; i < plant->wanted; i++)
		if (plant->ready_at[i] >= plant->ready_at[last])
			last = i;
	return last;
}

void plant_remove(struct plant *plant, int pod)
{
	CHECK(pod >= 0 && pod < plant->wanted);
	for (int i = pod; i + 1 < plant->wanted; i++)
		plant->ready_at[i] = plant->ready_at[i + 1];
	plant->wanted--;
}

void plant_want(struct plant *plant, int replicas)
{
	int spread = plant->config.start_slots_max - plant->config.start_slots_min + 1;

	replicas = clamp_replicas(plant, replicas);
	/* A pod that is ready now and one that was ready before are alike: `ready_at` of ready pods only
	 * tells their age. */
	while (plant->wanted > replicas)
		plant_remove(plant, plant_victim(plant));
	while (plant->wanted < replicas) {
		int delay = plant->config.start_slots_min +
			(int)random_below(&plant->random, (uint64_t)spread);

		plant->ready_at[plant->wanted++] = plant->slot + delay;
	}
}

int plant_ready(const struct plant *plant)
{
	int ready = 0;

	for (int i = 0; i < plant->wanted; i++)
		ready += plant->ready_at[i] <= plant->slot;
	return ready;
}

void plant_lose(struct plant *plant, int pod, int slots)
{
	CHECK(pod >= 0 && pod < plant->wanted);
	plant->ready_at[pod] = plant->slot + slots;
}

double plant_noisy_demand(struct plant *plant, double demand)
{
	double noise =
		exp(DEMAND_SIGMA * random_normal(&plant->random) - DEMAND_SIGMA * DEMAND_SIGMA / 2);

	return (double)random_poisson(&plant->random, PLANT_SLOT_S * demand * noise) / PLANT_SLOT_S;
}

void plant_step(struct plant *plant, double demand, struct plant_slot *result)
{
	const struct plant_config *config = &plant->config;
	double mu = config->service_rate, arrivals = PLANT_SLOT_S * demand;
	int ready = plant_ready(plant);
	struct plant_law law =
		plant_serve(mu, config->latency_limit_s, ready * mu, plant->backlog, arrivals);
	double slack = mu * (1 - law.utilization);

	*result = (struct plant_slot){.wanted = plant->wanted,
		.ready = ready,
		.demand = demand,
		.arrivals = arrivals,
		.served = law.served,
		.dropped = law.dropped,
		.utilization = law.utilization,
		.wait_s = law.wait_s,
		.bad = law.bad};
	result->latency_p99_s = slack > 0 ? fmin(law.wait_s + log(100) / slack, PLANT_WAIT_MAX_S)
					  : PLANT_WAIT_MAX_S;
	result->cpu = ready > 0 ? fmin(1, law.utilization + config->cpu_idle) *
			(1 + config->cpu_noise * random_normal(&plant->random))
				: 0;
	plant->backlog = law.backlog;
	plant->slot++;
}
