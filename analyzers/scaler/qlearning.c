/*
 * A decision a minute, none within the cooldown of the last change. At each decision the one before is
 * rewarded and its value moved: Q(s, a) += rate (r + discount max Q(s', .) - Q(s, a)). A reading that is
 * missing holds the replicas and teaches nothing.
 *
 * Training replays the days before the judged part one by one, each pass with other chance.
 */
#include "analyzers/scaler/qlearning.h"

#include <math.h>
#include <string.h>

#include "analyzers/scaler/simulate.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define ACTIONS (2 * QLEARNING_ACTION_MAX + 1)
#define WINDOW 40 /* slots of ten minutes */
#define CPU_WANTED 0.7
#define CHANGES_MOST 4.0

struct agent {
	struct qlearning_config config;
	double *values; /* [states][ACTIONS] */
	size_t states;
	bool trained; /* greedy, nothing is learned any more */
	double epsilon;
	struct random random;
	/* The decision under way. */
	bool pending;
	size_t state;
	int action;
	int64_t decided, changed; /* slots */
	/* The last ten minutes, as rings. */
	uint8_t late[WINDOW], change[WINDOW];
	double efficiency[WINDOW];
	int before; /* wanted at the slot before */
	/* Since the beginning of the run. */
	double rewards, rewarded;
	struct policy_training training;
};

void qlearning_config_default(struct qlearning_config *config)
{
	*config = (struct qlearning_config){.learning_rate = 0.1,
		.discount = 0.95,
		.epsilon_first = 1,
		.epsilon_last = 0.01,
		.epsilon_decay = 0.995,
		.cooldown_s = 300,
		.decision_s = 60,
		.replicas_min = 1,
		.replicas_max = 50,
		.bins_cpu = 10,
		.bins_memory = 1,
		.bins_rate = 10,
		.bins_replicas = 10,
		.rate_max = 1000,
		.good = 10,
		.waste = -1,
		.late = -5,
		.cpu_low = 0.4,
		.cpu_high = 0.8,
		.weight_efficiency = 0.4,
		.weight_sla = 0.4,
		.weight_stability = 0.2,
		.training_days = 1000,
		.seed = 1};
}

static bool part(double value)
{
	return value >= 0 && value <= 1;
}

static bool bins_usable(int bins)
{
	return bins >= 1 && bins <= QLEARNING_BINS_MAX;
}

enum status qlearning_config_check(const struct qlearning_config *config, struct error *error)
{
	if (!part(config->learning_rate) || !part(config->discount) ||
		!part(config->epsilon_first) || !part(config->epsilon_last) ||
		!part(config->epsilon_decay))
		return error_set(error, STATUS_BAD_INPUT,
			"Q-learning: learning rate, discount and epsilon are 0 to 1");
	if (config->cooldown_s < 0 || config->decision_s < POLICY_SLOT_S)
		return error_set(error, STATUS_BAD_INPUT,
			"Q-learning: a decision is at least %d s after the last", POLICY_SLOT_S);
	if (config->replicas_min < 1 || config->replicas_max < config->replicas_min)
		return error_set(error, STATUS_BAD_INPUT, "Q-learning: the bounds are %d to %d",
			config->replicas_min, config->replicas_max);
	if (!bins_usable(config->bins_cpu) || !bins_usable(config->bins_memory) ||
		!bins_usable(config->bins_rate) || !bins_usable(config->bins_replicas))
		return error_set(error, STATUS_BAD_INPUT, "Q-learning: bins are 1 to %d",
			QLEARNING_BINS_MAX);
	if (!(config->rate_max > 0) || config->training_days > QLEARNING_DAYS_MAX)
		return error_set(error, STATUS_BAD_INPUT,
			"Q-learning: a highest rate above 0 and at most %d training days",
			QLEARNING_DAYS_MAX);
	return STATUS_OK;
}

/* ---- rewards ---- */

static bool is_late(const struct policy_view *view)
{
	return view->latency > SIMULATE_BAD_PART;
}

double qlearning_reward_classic(const struct qlearning_config *config,
	const struct policy_view *view)
{
	if (is_late(view) || view->cpu > config->cpu_high)
		return config->late;
	return view->cpu < config->cpu_low ? config->waste : config->good;
}

double qlearning_reward_balanced(const struct qlearning_config *config, double late_part,
	double efficiency, double changes)
{
	return config->weight_efficiency * efficiency + config->weight_sla * (1 - late_part) +
		config->weight_stability * (1 - fmin(1, changes / CHANGES_MOST));
}

static double reward_of(const struct agent *agent, const struct policy_view *view)
{
	double late = 0, efficiency = 0, changes = 0;

	if (agent->config.reward == QLEARNING_CLASSIC)
		return qlearning_reward_classic(&agent->config, view);
	for (int i = 0; i < WINDOW; i++) {
		late += agent->late[i];
		efficiency += agent->efficiency[i];
		changes += agent->change[i];
	}
	return qlearning_reward_balanced(&agent->config, late / WINDOW, efficiency / WINDOW,
		changes);
}

static void remember(struct agent *agent, const struct policy_view *view)
{
	size_t at = (size_t)view->slot % WINDOW;

	agent->late[at] = is_late(view) ? 1 : 0;
	agent->efficiency[at] = fmax(0, 1 - fabs(view->cpu - CPU_WANTED) / CPU_WANTED);
	agent->change[at] = view->wanted != agent->before ? 1 : 0;
	agent->before = view->wanted;
}

/* ---- state and action ---- */

static size_t bin(double value, double most, int bins)
{
	double at = value / most * bins;

	if (!(at > 0))
		return 0;
	return at < bins ? (size_t)at : (size_t)bins - 1;
}

static size_t state_of(const struct agent *agent, const struct policy_view *view)
{
	const struct qlearning_config *config = &agent->config;
	size_t state = bin(view->cpu, 1, config->bins_cpu);

	/* Memory would come here; there is one bin of it. */
	state = state * (size_t)config->bins_memory;
	state = state * (size_t)config->bins_rate +
		bin(view->rate, config->rate_max, config->bins_rate);
	return state * (size_t)config->bins_replicas +
		bin(view->wanted - config->replicas_min,
			config->replicas_max - config->replicas_min + 1, config->bins_replicas);
}

static int best_action(const struct agent *agent, size_t state)
{
	const double *values = &agent->values[state * ACTIONS];
	int best = QLEARNING_ACTION_MAX; /* no change, where all are alike */

	for (int a = 0; a < ACTIONS; a++)
		if (values[a] > values[best])
			best = a;
	return best;
}

static void learn(struct agent *agent, const struct policy_view *view, size_t state)
{
	double reward = reward_of(agent, view);

	agent->rewards += reward;
	agent->rewarded++;
	if (agent->pending && !agent->trained) {
		double *value = &agent->values[agent->state * ACTIONS + (size_t)agent->action];
		double next = agent->values[state * ACTIONS + (size_t)best_action(agent, state)];

		*value += agent->config.learning_rate *
			(reward + agent->config.discount * next - *value);
	}
}

static int choose(struct agent *agent, size_t state)
{
	if (!agent->trained && random_unit(&agent->random) < agent->epsilon)
		return (int)random_below(&agent->random, ACTIONS);
	return best_action(agent, state);
}

static int decide(void *self, const struct policy_view *view)
{
	struct agent *agent = self;
	const struct qlearning_config *config = &agent->config;
	size_t state;
	int wanted;

	if (isnan(view->cpu) || isnan(view->rate)) {
		agent->pending = false;
		return view->wanted;
	}
	remember(agent, view);
	if ((view->slot - agent->decided) * POLICY_SLOT_S < config->decision_s ||
		(view->slot - agent->changed) * POLICY_SLOT_S < config->cooldown_s)
		return view->wanted;
	state = state_of(agent, view);
	learn(agent, view, state);
	agent->state = state;
	agent->action = choose(agent, state);
	agent->pending = true;
	agent->decided = view->slot;
	wanted = view->wanted + agent->action - QLEARNING_ACTION_MAX;
	wanted = wanted < config->replicas_min ? config->replicas_min : wanted;
	wanted = wanted > config->replicas_max ? config->replicas_max : wanted;
	if (wanted != view->wanted)
		agent->changed = view->slot;
	return wanted;
}

static void begin(void *self, int replicas)
{
	struct agent *agent = self;

	agent->pending = false;
	agent->decided = agent->changed = INT32_MIN;
	agent->before = replicas;
	agent->rewards = agent->rewarded = 0;
	memset(agent->late, 0, sizeof(agent->late));
	memset(agent->change, 0, sizeof(agent->change));
	memset(agent->efficiency, 0, sizeof(agent->efficiency));
}

/* In service without training it starts from nothing with each run. */
static void begin_untrained(void *self, int replicas)
{
	struct agent *agent = self;

	begin(agent, replicas);
	memset(agent->values, 0, agent->states * ACTIONS * sizeof(*agent->values));
	agent->epsilon = agent->config.epsilon_first;
	random_init(&agent->random, agent->config.seed);
}

/* Learns while it serves: epsilon falls with each day, as in training. */
static int decide_untrained(void *self, const struct policy_view *view)
{
	struct agent *agent = self;

	if (view->slot % POLICY_SLOTS_PER_DAY == POLICY_SLOTS_PER_DAY - 1)
		agent->epsilon = fmax(agent->config.epsilon_last,
			agent->epsilon * agent->config.epsilon_decay);
	return decide(agent, view);
}

/* ---- training ---- */

/* Mean figures of a stretch of days into the curve. */
static void note_day(struct agent *agent, size_t day, const struct run_outcome *outcome)
{
	struct policy_training *training = &agent->training;
	size_t days = agent->config.training_days;
	size_t points = days < POLICY_TRAINING_POINTS ? days : POLICY_TRAINING_POINTS;
	size_t at = day * points / days;
	struct policy_training_point *point = &training->points[at];
	double reward = agent->rewarded > 0 ? agent->rewards / agent->rewarded : 0;

	if (!(outcome->minutes > 0) || !(outcome->oracle_pod_slots > 0))
		return;
	training->count = at + 1;
	point->days++;
	point->epsilon = agent->epsilon;
	point->reward += (reward - point->reward) / point->days;
	point->violated += (run_outcome_violated(outcome) - point->violated) / point->days;
	point->cost += (run_outcome_cost(outcome) - point->cost) / point->days;
}

static enum status train(struct agent *agent, struct policy *policy,
	const struct policy_scene *scene, struct error *error)
{
	size_t days = scene->first_slot / POLICY_SLOTS_PER_DAY, done = 0;
	enum status status = STATUS_OK;

	random_init(&agent->random, agent->config.seed);
	agent->epsilon = agent->config.epsilon_first;
	for (uint64_t pass = 0; status == STATUS_OK && done < agent->config.training_days; pass++) {
		/* Chance that no judged run has: those count from small numbers. */
		uint64_t seed = agent->config.seed + (pass + 1) * UINT64_C(0x9e3779b97f4a7c15);
		struct draw draw;

		status = draw_make(&draw, scene->load, scene->plant, seed, error);
		for (size_t day = 0;
			status == STATUS_OK && day < days && done < agent->config.training_days;
			day++, done++) {
			struct simulate_options options = {.plant = scene->plant,
				.first_slot = day * POLICY_SLOTS_PER_DAY,
				.end_slot = (day + 1) * POLICY_SLOTS_PER_DAY,
				.seed = seed};
			struct run_outcome outcome;

			simulate(&options, scene->load, &draw, policy, &outcome);
			note_day(agent, done, &outcome);
			agent->epsilon = fmax(agent->config.epsilon_last,
				agent->epsilon * agent->config.epsilon_decay);
		}
		if (status == STATUS_OK)
			draw_fini(&draw);
	}
	agent->trained = true;
	return status;
}

static void agent_close(void *self)
{
	struct agent *agent = self;

	mem_free(agent->values);
	mem_free(agent);
}

enum status qlearning_policy_open(struct policy *policy, const struct qlearning_config *config,
	const struct policy_scene *scene, struct error *error)
{
	struct agent *agent;
	enum status status = qlearning_config_check(config, error);

	if (status != STATUS_OK)
		return status;
	agent = mem_zalloc(1, sizeof(*agent));
	if (agent == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	agent->config = *config;
	agent->states = (size_t)config->bins_cpu * (size_t)config->bins_memory *
		(size_t)config->bins_rate * (size_t)config->bins_replicas;
	agent->values = mem_zalloc(agent->states * ACTIONS, sizeof(*agent->values));
	if (agent->values == NULL) {
		mem_free(agent);
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	policy->state = agent;
	policy->begin = begin;
	policy->decide = decide;
	policy->close = agent_close;
	policy->training = &agent->training;
	if (scene->first_slot >= POLICY_SLOTS_PER_DAY && config->training_days > 0) {
		status = train(agent, policy, scene, error);
	} else {
		policy->begin = begin_untrained;
		policy->decide = decide_untrained;
	}
	if (status != STATUS_OK)
		policy_close(policy);
	return status;
}
