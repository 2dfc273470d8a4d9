/*
 * The slot loop. Pods are counted, not named: ready ones, and a ring of those that become ready in one of
 * the next slots. That is the plant of plant.h where all pods are alike (tests hold the two together), at
 * the price of a few comparisons a slot.
 */
#include "analyzers/scaler/simulate.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

#define RING (SIMULATE_START_MAX + 1)
#define RING_MASK (RING - 1)
#define SEEN 4 /* readings kept; a power of two above POLICY_DELAY_SLOTS */

struct run {
	const struct plant_config *plant;
	struct random random;
	int wanted, ready;
	int due[RING]; /* pods that become ready at a slot, by its number */
	double backlog;
	struct policy_view seen[SEEN];
	/* The minute under way. */
	double arrivals, bad;
	int direction; /* of the last change */
	size_t changed;
};

double run_outcome_violated(const struct run_outcome *outcome)
{
	return outcome->minutes > 0 ? 100 * outcome->violated / outcome->minutes : NAN;
}

double run_outcome_bad(const struct run_outcome *outcome)
{
	return outcome->requests > 0 ? 100 * outcome->bad / outcome->requests : NAN;
}

double run_outcome_cost(const struct run_outcome *outcome)
{
	return outcome->oracle_pod_slots > 0 ? outcome->pod_slots / outcome->oracle_pod_slots : NAN;
}

double run_outcome_events_a_day(const struct run_outcome *outcome)
{
	return outcome->slots > 0 ? outcome->events * POLICY_SLOTS_PER_DAY / outcome->slots : NAN;
}

double run_outcome_reversals_a_day(const struct run_outcome *outcome)
{
	return outcome->slots > 0 ? outcome->reversals * POLICY_SLOTS_PER_DAY / outcome->slots
				  : NAN;
}

double run_outcome_pod_hours(const struct run_outcome *outcome)
{
	return outcome->pod_slots * POLICY_SLOT_S / 3600;
}

static void add_pods(struct run *run, size_t slot, int count)
{
	const struct plant_config *plant = run->plant;
	uint64_t spread = (uint64_t)(plant->start_slots_max - plant->start_slots_min) + 1;

	for (int i = 0; i < count; i++) {
		size_t delay =
			(size_t)plant->start_slots_min + (size_t)random_below(&run->random, spread);

		run->due[(slot + delay) & RING_MASK]++;
	}
	/* A start-up time of 0 slots serves at once. */
	run->ready += run->due[slot & RING_MASK];
	run->due[slot & RING_MASK] = 0;
}

static void remove_pods(struct run *run, size_t slot, int count)
{
	int starting = run->wanted - run->ready;

	for (size_t ahead = RING_MASK; ahead > 0 && count > 0 && starting > 0; ahead--) {
		int *due = &run->due[(slot + ahead) & RING_MASK];
		int gone = *due < count ? *due : count;

		*due -= gone;
		count -= gone;
		starting -= gone;
	}
	run->ready -= count;
}

static void change(struct run *run, size_t slot, int wanted, bool judged,
	struct run_outcome *outcome)
{
	int direction = wanted > run->wanted ? 1 : -1;

	if (direction > 0) {
		int count = wanted - run->wanted;

		run->wanted = wanted;
		add_pods(run, slot, count);
	} else {
		remove_pods(run, slot, run->wanted - wanted);
		run->wanted = wanted;
	}
	if (judged) {
		outcome->events++;
		outcome->reversals += run->direction == -direction &&
			slot - run->changed <= SIMULATE_REVERSAL_SLOTS;
	}
	run->direction = direction;
	run->changed = slot;
}

/* Pods that died are made anew and start like all others. */
static void lose_pods(struct run *run, size_t slot, double part)
{
	int lost = (int)ceil(run->ready * part);

	run->ready -= lost;
	add_pods(run, slot, lost);
}

static int clamp(const struct plant_config *plant, int wanted)
{
	if (wanted < plant->replicas_min)
		return plant->replicas_min;
	return wanted > plant->replicas_max ? plant->replicas_max : wanted;
}

static void end_minute(struct run *run, size_t minute, bool judged, const struct trail *trail,
	struct run_outcome *outcome)
{
	bool violated = run->bad > SIMULATE_BAD_PART * run->arrivals;

	if (judged) {
		outcome->minutes++;
		outcome->violated += violated;
		outcome->requests += run->arrivals;
		outcome->bad += run->bad;
	}
	if (trail != NULL) {
		trail->rate[minute] = (float)(run->arrivals / 60);
		trail->wanted[minute] = (float)run->wanted;
		trail->ready[minute] = (float)run->ready;
		trail->violated[minute] = violated;
	}
	run->arrivals = 0;
	run->bad = 0;
}

/* Serves a slot and leaves its reading for later. */
static void serve(struct run *run, size_t slot, const struct draw *draw, uint8_t events,
	double capacity_left)
{
	const struct plant_config *plant = run->plant;
	double rate = plant->service_rate, arrivals = draw->arrivals[slot];
	struct policy_view *reading = &run->seen[slot & (SEEN - 1)];
	struct plant_law law;

	if (events & LOAD_CAPACITY_LOST)
		rate *= capacity_left;
	law = plant_serve(rate, plant->latency_limit_s, run->ready * rate, run->backlog, arrivals);
	run->backlog = law.backlog;
	run->arrivals += arrivals;
	run->bad += law.bad;
	reading->ready = run->ready;
	if (events & LOAD_METRICS_MISSING) {
		reading->rate = reading->cpu = reading->latency = NAN;
		return;
	}
	reading->rate = arrivals * (1 / PLANT_SLOT_S) * (double)draw->observed[slot];
	reading->latency = arrivals > 0 ? law.bad / arrivals : 0;
	reading->cpu = law.utilization + plant->cpu_idle;
	if (reading->cpu > 1)
		reading->cpu = 1;
	reading->cpu = run->ready > 0 ? reading->cpu * (double)draw->cpu[slot] : (double)NAN;
}

static void run_init(struct run *run, const struct simulate_options *options, int replicas)
{
	*run = (struct run){.plant = options->plant, .wanted = replicas, .ready = replicas};
	/* Another stream than that of the draw, which has the same seed. */
	random_init(&run->random, ~options->seed);
	for (size_t i = 0; i < SEEN; i++)
		run->seen[i] = (struct policy_view){.ready = replicas,
			.rate = NAN,
			.cpu = NAN,
			.latency = NAN};
}

void simulate(const struct simulate_options *options, const struct load *load,
	const struct draw *draw, struct policy *policy, struct run_outcome *outcome)
{
	const struct plant_config *plant = options->plant;
	size_t end = options->end_slot > 0 ? options->end_slot : load->slots;
	size_t tail = end > SIMULATE_TAIL_SLOTS ? end - SIMULATE_TAIL_SLOTS : 0;
	struct run run;

	CHECK(plant->start_slots_max <= SIMULATE_START_MAX && plant->start_slots_min >= 0 &&
		end <= load->slots && draw->slots == load->slots);
	*outcome = (struct run_outcome){0};
	if (options->first_slot >= end)
		return;
	run_init(&run, options, clamp(plant, draw->oracle[options->first_slot]));
	if (policy->begin != NULL)
		policy->begin(policy->state, run.wanted);
	for (size_t t = options->first_slot; t < end; t++) {
		bool judged = t < tail && load->known[t / POLICY_SLOTS_PER_MINUTE];
		uint8_t events = load->events != NULL ? load->events[t] : 0;
		struct policy_view view = run.seen[(t - POLICY_DELAY_SLOTS) & (SEEN - 1)];
		int wanted;

		run.ready += run.due[t & RING_MASK];
		run.due[t & RING_MASK] = 0;
		if (events & LOAD_PODS_LOST)
			lose_pods(&run, t, load->pods_lost);
		view.slot = (int64_t)t;
		view.wanted = run.wanted;
		wanted = clamp(plant, policy->decide(policy->state, &view));
		if (wanted != run.wanted)
			change(&run, t, wanted, judged, outcome);
		serve(&run, t, draw, events, load->capacity_left);
		if (judged) {
			outcome->slots++;
			outcome->pod_slots += run.wanted;
			outcome->oracle_pod_slots += draw->oracle[t];
			if (run.wanted > outcome->most)
				outcome->most = run.wanted;
		}
		if (t % POLICY_SLOTS_PER_MINUTE == POLICY_SLOTS_PER_MINUTE - 1)
			end_minute(&run, t / POLICY_SLOTS_PER_MINUTE, judged, options->trail,
				outcome);
	}
}
