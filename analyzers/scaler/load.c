/*
 * From minutes to slots. A minute whose rate is not known gets one between its neighbours, so that the run
 * goes on, and is marked: it is not judged.
 */
#include "analyzers/scaler/load.h"

#include <math.h>
#include <string.h>

#include "analyzers/scaler/draws.h"
#include "analyzers/scaler/policy.h"
#include "base/mem.h"

#define DEMAND_SIGMA 0.03
#define OBSERVED_NOISE 0.01f
#define DAY_MINUTES 1440

double load_highest(const struct plant_config *plant)
{
	double highest = 1 - log(20) / (plant->service_rate * plant->latency_limit_s);

	/* A pod so slow that it is late even alone is never loaded without a violation. */
	return fmax(highest, 0.05);
}

double load_pods_rate(const struct plant_config *plant, double pods)
{
	return pods * plant->service_rate * load_highest(plant);
}

/* Rates of all minutes: those that are not known lie on the line between their neighbours. */
static enum status fill_minutes(struct load *load, const struct trace *trace, double scale,
	double *rates, struct error *error)
{
	size_t before = SIZE_MAX;

	for (size_t i = 0; i < trace->minutes; i++) {
		rates[i] = trace->rates[i] * scale;
		load->known[i] = isfinite(rates[i]) ? 1 : 0;
		if (!load->known[i])
			continue;
		for (size_t k = before == SIZE_MAX ? 0 : before + 1; k < i; k++) {
			double part = before == SIZE_MAX
				? 1
				: (double)(k - before) / (double)(i - before);

			rates[k] = part >= 1 ? rates[i]
					     : rates[before] + part * (rates[i] - rates[before]);
		}
		before = i;
	}
	if (before == SIZE_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%s: no rate is known", trace->name);
	for (size_t k = before + 1; k < trace->minutes; k++)
		rates[k] = rates[before];
	return STATUS_OK;
}

static void fill_slots(struct load *load, const double *rates, size_t minutes)
{
	for (size_t i = 0; i < load->slots; i++) {
		/* In minutes, from the middle of the first one. */
		double at = ((double)i + 0.5) / POLICY_SLOTS_PER_MINUTE - 0.5;
		size_t left = at > 0 ? (size_t)at : 0;
		double part = at > 0 ? at - (double)left : 0;
		double next = rates[left + 1 < minutes ? left + 1 : left];

		load->demand[i] = rates[left] + part * (next - rates[left]);
	}
}

/* ---- disturbances ---- */

static void mark(struct load *load, size_t minute, size_t count, enum load_event event)
{
	size_t first = minute * POLICY_SLOTS_PER_MINUTE;

	for (size_t i = 0; i < count && first + i < load->slots; i++)
		load->events[first + i] |= (uint8_t)event;
}

static enum status disturb(struct load *load, const struct trace *trace, struct error *error)
{
	size_t minutes = trace->minutes;

	if (trace->disturbance == TRACE_UNDISTURBED)
		return STATUS_OK;
	load->events = mem_zalloc(load->slots, 1);
	if (load->events == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (trace->disturbance == TRACE_CAPACITY_LOSS)
		mark(load, minutes / 2, load->slots, LOAD_CAPACITY_LOST);
	/* Three times a day: on the way up, at the top and on the way down. */
	for (size_t day = 0; day < minutes; day += DAY_MINUTES) {
		for (size_t hour = 9; hour <= 19; hour += 5) {
			if (trace->disturbance == TRACE_METRICS_MISSING)
				mark(load, day + hour * 60, (size_t)10 * POLICY_SLOTS_PER_MINUTE,
					LOAD_METRICS_MISSING);
			else if (trace->disturbance == TRACE_PODS_LOST)
				mark(load, day + hour * 60, 1, LOAD_PODS_LOST);
		}
	}
	return STATUS_OK;
}

/* ---- the oracle ---- */

/* What a slot of so many requests a second needs, at the highest load without a violation. */
static int pods_needed(const struct load *load, const struct plant_config *plant, double inverse,
	size_t slot, double rate)
{
	bool lost = load->events != NULL && (load->events[slot] & LOAD_CAPACITY_LOST) != 0;
	double pods = rate * inverse / (lost ? load->capacity_left : 1);
	int whole = pods < plant->replicas_max ? (int)pods : plant->replicas_max;

	whole += pods > whole && whole < plant->replicas_max;
	return whole > plant->replicas_min ? whole : plant->replicas_min;
}

int load_most_pods(const struct load *load, const struct plant_config *plant, size_t end)
{
	double inverse = 1 / load_pods_rate(plant, 1);
	int most = 0;

	for (size_t i = 0; i < (end > 0 ? end : load->slots); i++) {
		int need = pods_needed(load, plant, inverse, i, load->demand[i]);

		most = need > most ? need : most;
	}
	return most;
}

#define QUEUE_MASK (2 * LOAD_HORIZON_SLOTS - 1)

/* The most that is needed from now to the end of the horizon; from the end, by a falling queue. */
static void fill_oracle(struct draw *draw, const struct load *load,
	const struct plant_config *plant)
{
	double inverse = 1 / load_pods_rate(plant, 1);
	size_t slots[QUEUE_MASK + 1];
	int needs[QUEUE_MASK + 1];
	unsigned first = 0, end = 0;

	for (size_t i = load->slots; i-- > 0;) {
		int need = pods_needed(load, plant, inverse, i,
			draw->arrivals[i] * (1 / PLANT_SLOT_S));

		/* The first is the farthest slot, of the largest need. */
		if (end != first && slots[first & QUEUE_MASK] > i + LOAD_HORIZON_SLOTS)
			first++;
		while (end != first && needs[(end - 1) & QUEUE_MASK] <= need)
			end--;
		slots[end & QUEUE_MASK] = i;
		needs[end++ & QUEUE_MASK] = need;
		draw->oracle[i] = needs[first & QUEUE_MASK];
	}
}

enum status load_init(struct load *load, const struct trace *trace, double scale,
	struct error *error)
{
	double *rates = mem_zalloc(trace->minutes, sizeof(*rates));
	enum status status;

	*load = (struct load){.slots = trace->minutes * POLICY_SLOTS_PER_MINUTE,
		.capacity_left = 0.75,
		.pods_lost = 1. / 3};
	load->demand = mem_zalloc(load->slots, sizeof(*load->demand));
	load->known = mem_zalloc(trace->minutes, 1);
	if (rates == NULL || load->demand == NULL || load->known == NULL)
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
	else
		status = fill_minutes(load, trace, scale, rates, error);
	if (status == STATUS_OK)
		status = disturb(load, trace, error);
	if (status == STATUS_OK)
		fill_slots(load, rates, trace->minutes);
	else
		load_fini(load);
	mem_free(rates);
	return status;
}

void load_fini(struct load *load)
{
	mem_free(load->demand);
	mem_free(load->events);
	mem_free(load->known);
	*load = (struct load){0};
}

enum status draw_make(struct draw *draw, const struct load *load, const struct plant_config *plant,
	uint64_t seed, struct error *error)
{
	float noise[2], cpu_noise = (float)plant->cpu_noise;
	struct draws draws;

	*draw = (struct draw){.slots = load->slots};
	draw->arrivals = mem_alloc(load->slots * sizeof(*draw->arrivals));
	draw->oracle = mem_alloc(load->slots * sizeof(*draw->oracle));
	draw->observed = mem_alloc(load->slots * sizeof(*draw->observed));
	draw->cpu = mem_alloc(load->slots * sizeof(*draw->cpu));
	if (draw->arrivals == NULL || draw->oracle == NULL || draw->observed == NULL ||
		draw->cpu == NULL) {
		draw_fini(draw);
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	draws_init(&draws, seed);
	for (size_t i = 0; i < load->slots; i++) {
		double rate = load->demand[i] * draws_lognormal(&draws, DEMAND_SIGMA);

		draw->arrivals[i] = draws_poisson(&draws, PLANT_SLOT_S * rate);
		draws_normal_pair(&draws, noise);
		draw->observed[i] = 1 + OBSERVED_NOISE * noise[0];
		draw->cpu[i] = 1 + cpu_noise * noise[1];
	}
	fill_oracle(draw, load, plant);
	return STATUS_OK;
}

void draw_fini(struct draw *draw)
{
	mem_free(draw->arrivals);
	mem_free(draw->oracle);
	mem_free(draw->observed);
	mem_free(draw->cpu);
	*draw = (struct draw){0};
}
