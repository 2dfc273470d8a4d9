/*
 * Replays and choices of a night. A setting's replay is the slot loop of simulate.c with a policy that
 * reads its forecast from an array.
 */
#include "analyzers/scaler/nightly.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define DAY ((size_t)POLICY_SLOTS_PER_DAY)
/* What no HPA costs: more than anything, and still a number. */
#define NO_HPA_PODS 1e30f
#define DAY_MINUTES (DAY / POLICY_SLOTS_PER_MINUTE)

static const uint8_t arms[NIGHTLY_FORECAST_ARMS] = {FORESIGHT_NET, FORESIGHT_ENS};
static const uint8_t windows[NIGHTLY_WINDOWS] = {20, 40, 80};
static const float loads[NIGHTLY_LOADS] = {.75f, .80f, .85f};

void nightly_setting(size_t index, struct control_setting *setting)
{
	CHECK(index < NIGHTLY_SETTINGS);
	setting->load = loads[index % NIGHTLY_LOADS];
	index /= NIGHTLY_LOADS;
	setting->window = windows[index % NIGHTLY_WINDOWS];
	index /= NIGHTLY_WINDOWS;
	/* All but the lowest level. */
	setting->level = (uint8_t)(1 + index % NIGHTLY_LEVELS);
	index /= NIGHTLY_LEVELS;
	setting->down = (uint8_t)(index % NIGHTLY_DOWNS);
	setting->arm = arms[index / NIGHTLY_DOWNS];
}

/* ---- choosing ---- */

void nightly_floor_of(const struct nightly_outcome *outcomes, size_t policy_count, double dear_part,
	struct nightly_floor *floor)
{
	float dear = INFINITY;

	*floor = (struct nightly_floor){INFINITY, INFINITY};
	for (size_t p = 0; p < policy_count; p++)
		dear = fminf(dear, outcomes[p].pod_slots * (float)dear_part);
	for (size_t p = 0; p < policy_count; p++) {
		if (outcomes[p].pod_slots > dear)
			continue;
		floor->violated = fminf(floor->violated, outcomes[p].violated);
		floor->bad = fminf(floor->bad, outcomes[p].bad);
	}
}

void nightly_sum_add(struct nightly_sum *sum, const struct nightly_outcome *outcome,
	const struct nightly_floor *floor)
{
	sum->violated += fmax((double)(outcome->violated - floor->violated), 0);
	sum->bad += fmax((double)(outcome->bad - floor->bad), 0);
	sum->pod_slots += (double)outcome->pod_slots;
	sum->events += (double)outcome->events;
}

void nightly_sum_end(struct nightly_sum *sum, double minutes, double requests, double slots,
	double miss_price, double objective)
{
	sum->violated *= 100 / fmax(minutes, 1);
	sum->bad *= 100 / fmax(requests, 1);
	sum->pod_slots /= fmax(slots, 1);
	sum->events *= (double)DAY / fmax(slots, 1);
	sum->price = sum->pod_slots * (1 + NIGHTLY_EVENT_PRICE * sum->events) *
		(1 + miss_price * fmax(sum->violated, sum->bad));
	sum->kept = fmax(sum->violated, sum->bad) <= NIGHTLY_PART * objective;
}

void nightly_sum_up(const struct nightly_day *const *days, size_t day_count,
	const struct nightly_outcome *const *outcomes, size_t policy_count, double dear_part,
	double miss_price, double objective, struct nightly_sum *sums)
{
	double minutes = 0, requests = 0, slots = 0;

	memset(sums, 0, policy_count * sizeof(*sums));
	for (size_t d = 0; d < day_count; d++) {
		struct nightly_floor floor;

		nightly_floor_of(outcomes[d], policy_count, dear_part, &floor);
		minutes += (double)days[d]->minutes;
		requests += (double)days[d]->requests;
		slots += (double)days[d]->slots;
		for (size_t p = 0; p < policy_count; p++)
			nightly_sum_add(&sums[p], &outcomes[d][p], &floor);
	}
	for (size_t p = 0; p < policy_count; p++)
		nightly_sum_end(&sums[p], minutes, requests, slots, miss_price, objective);
}

bool nightly_better(const struct nightly_sum *one, const struct nightly_sum *other)
{
	if (one->kept != other->kept)
		return one->kept;
	if (one->kept)
		return one->price < other->price;
	return fmax(one->violated, one->bad) < fmax(other->violated, other->bad);
}

size_t nightly_choose(const struct nightly_sum *sums, size_t count)
{
	size_t best = 0;

	for (size_t i = 1; i < count; i++)
		if (nightly_better(&sums[i], &sums[best]))
			best = i;
	return best;
}

void nightly_advantage(const struct nightly_day *days, size_t day_count, size_t policy,
	size_t other, struct nightly_advantage *advantage)
{
	/* Student's t at .95, by degrees of freedom. */
	static const double t[NIGHTLY_DAYS] = {0, 6.314, 2.920, 2.353, 2.132, 2.015, 1.943};
	double mean = 0, square = 0, n = 0, half;

	for (size_t d = 0; d < day_count; d++) {
		const struct nightly_outcome *one = &days[d].outcomes[policy];
		const struct nightly_outcome *two = &days[d].outcomes[other];
		double sample = log(
			((double)one->pod_slots * (1 + NIGHTLY_EVENT_PRICE * (double)one->events)) /
			((double)two->pod_slots * (1 + NIGHTLY_EVENT_PRICE * (double)two->events)));
		double apart = sample - mean;

		n++;
		mean += apart / n;
		square += apart * (sample - mean);
	}
	*advantage = (struct nightly_advantage){NAN, NAN, NAN};
	if (day_count < 2 || day_count > NIGHTLY_DAYS)
		return;
	half = t[day_count - 1] * sqrt(square / (n - 1) / n);
	*advantage = (struct nightly_advantage){mean, mean - half, mean + half};
}

/* ---- a day as the simulator takes it ---- */

enum status replay_init(struct replay *replay, struct error *error)
{
	*replay = (struct replay){.slots_max = DAY};
	replay->load.demand = mem_zalloc(DAY, sizeof(double));
	replay->load.events = mem_zalloc(DAY, 1);
	replay->load.known = mem_zalloc(DAY_MINUTES, 1);
	replay->draw.arrivals = mem_zalloc(DAY, sizeof(double));
	replay->draw.oracle = mem_zalloc(DAY, sizeof(int));
	replay->draw.observed = mem_zalloc(DAY, sizeof(float));
	replay->draw.cpu = mem_zalloc(DAY, sizeof(float));
	replay->contexts = mem_zalloc(DAY, 1);
	replay->rates =
		mem_zalloc(NIGHTLY_FORECAST_ARMS * FORESIGHT_HORIZONS * FORESIGHT_LEVELS * DAY,
			sizeof(float));
	if (replay->load.demand == NULL || replay->load.events == NULL ||
		replay->load.known == NULL || replay->draw.arrivals == NULL ||
		replay->draw.oracle == NULL || replay->draw.observed == NULL ||
		replay->draw.cpu == NULL || replay->contexts == NULL || replay->rates == NULL) {
		replay_fini(replay);
		return error_set(error, STATUS_NO_MEMORY, "no memory for the replay of a day");
	}
	return STATUS_OK;
}

void replay_fini(struct replay *replay)
{
	load_fini(&replay->load);
	draw_fini(&replay->draw);
	mem_free(replay->contexts);
	mem_free(replay->rates);
	*replay = (struct replay){0};
}

bool replay_day(struct replay *replay, const struct traffic *traffic, size_t from, size_t count,
	const struct plant_config *plant)
{
	double inverse = 1 / load_pods_rate(plant, 1);
	struct random random;
	size_t missing = 0;

	CHECK(count <= DAY && from + count <= traffic->count);
	/* Whole minutes, each of which counts when it is known as a whole. */
	count -= count % POLICY_SLOTS_PER_MINUTE;
	replay->load.slots = replay->draw.slots = count;
	random_init(&random, (uint64_t)(traffic->first + (int64_t)from));
	memset(replay->load.known, 1, DAY_MINUTES);
	for (size_t i = 0; i < count; i++) {
		double rate = traffic_rate(traffic, from + i), pods = ceil(rate * inverse);
		bool known = traffic_known(traffic, from + i);

		replay->load.demand[i] = rate;
		replay->load.events[i] = known ? 0 : LOAD_METRICS_MISSING;
		if (!known) {
			replay->load.known[i / POLICY_SLOTS_PER_MINUTE] = 0;
			missing++;
		}
		replay->draw.arrivals[i] = rate * POLICY_SLOT_S;
		replay->draw.oracle[i] = (int)fmin(pods, plant->replicas_max);
		replay->draw.observed[i] = 1;
		replay->draw.cpu[i] = (float)(1 + plant->cpu_noise * random_normal(&random));
	}
	return missing * 2 <= count && count > SIMULATE_TAIL_SLOTS;
}

float *replay_rates(const struct replay *replay, size_t arm, size_t h, size_t level)
{
	return replay->rates +
		((arm * FORESIGHT_HORIZONS + h) * FORESIGHT_LEVELS + level) * replay->slots_max;
}

void replay_foresee(struct replay *replay, const struct foresight_model *model,
	struct foresight_state *state, const struct traffic *traffic, size_t from)
{
	for (size_t i = 0; i < replay->load.slots; i++) {
		struct foresight foresight;

		foresight_step(model, state, traffic, from + i, &foresight);
		replay->contexts[i] = foresight.context;
		for (size_t a = 0; a < NIGHTLY_FORECAST_ARMS; a++)
			for (size_t h = 0; h < FORESIGHT_HORIZONS; h++)
				for (size_t q = 0; q < FORESIGHT_LEVELS; q++)
					replay_rates(replay, a, h, q)[i] = foresight.known
						? foresight.rates[arms[a]][h][q]
						: NAN;
	}
}

/* ---- replaying ---- */

void replay_policy(const struct replay *replay, const struct plant_config *plant,
	struct policy *policy, struct nightly_outcome *outcome, struct nightly_day *day)
{
	struct simulate_options options = {.plant = plant, .seed = 1};
	struct run_outcome run;

	simulate(&options, &replay->load, &replay->draw, policy, &run);
	*outcome = (struct nightly_outcome){.violated = (float)run.violated,
		.bad = (float)run.bad,
		.pod_slots = (float)run.pod_slots,
		.events = (float)run.events};
	day->minutes = (float)run.minutes;
	day->requests = (float)run.requests;
	day->slots = (float)run.slots;
}

struct replayed_setting {
	struct control control;
	const float *up, *down;
};

static void begin(void *state, int replicas)
{
	struct replayed_setting *at = state;

	(void)replicas;
	control_begin(&at->control);
}

static int decide(void *state, const struct policy_view *view)
{
	struct replayed_setting *at = state;
	int64_t seen = view->slot - POLICY_DELAY_SLOTS;
	double up = NAN, down = NAN;

	control_capacity_step(&at->control, view);
	if (seen >= 0) {
		up = (double)at->up[seen];
		down = (double)at->down[seen];
	}
	return control_decide(&at->control, view, up, down, NULL);
}

void replay_settings(const struct replay *replay, const struct plant_config *plant, double idle,
	const struct hpa_config *hpa, struct nightly_day *day)
{
	struct replayed_setting state;
	struct policy policy = {.state = &state, .begin = begin, .decide = decide};

	for (size_t i = 0; i < NIGHTLY_SETTINGS; i++) {
		struct control_setting setting;
		size_t arm;

		nightly_setting(i, &setting);
		arm = setting.arm == arms[0] ? 0 : 1;
		control_init(&state.control, &setting, plant->service_rate, idle);
		state.up = replay_rates(replay, arm, FORESIGHT_UP, setting.level);
		state.down = replay_rates(replay, arm, setting.down, setting.level);
		replay_policy(replay, plant, &policy, &day->outcomes[i], day);
	}
	day->outcomes[NIGHTLY_HPA] = (struct nightly_outcome){.violated = day->minutes,
		.bad = day->requests,
		.pod_slots = NO_HPA_PODS};
	if (hpa != NULL) {
		struct policy own = {.name = "hpa"};

		if (hpa_policy_open(&own, hpa, NULL) != STATUS_OK)
			return;
		replay_policy(replay, plant, &own, &day->outcomes[NIGHTLY_HPA], day);
		policy_close(&own);
	}
}
