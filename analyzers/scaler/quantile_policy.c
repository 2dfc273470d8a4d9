/*
 * Opening, learning and stepping. The state stands at the newest slot; when a day begins it is kept, so
 * that the night can replay the day from there.
 */
#include "analyzers/scaler/quantile_policy.h"

#include <math.h>
#include <string.h>

#include "analyzers/scaler/quantile_parts.h"
#include "base/check.h"
#include "base/mem.h"

#define DAY ((int64_t)POLICY_SLOTS_PER_DAY)

struct quantile_lesson {
	struct foresight_model model;
	struct foresight_state state; /* its residuals are what counts */
};

void quantile_policy_config_default(struct quantile_policy_config *config)
{
	*config = (struct quantile_policy_config){.objective = .5,
		.capacity_factor = 1,
		.has_hpa = true,
		.seed = 1};
	plant_config_default(&config->plant);
	config->plant.service_rate = NAN;
	hpa_config_default(&config->hpa);
}

const char *quantile_reason_name(enum quantile_reason reason)
{
	static const char *const names[QUANTILE_REASONS] = {"no_capacity", "no_forecast", "missing",
		"forecast", "guard", "stabilized", "bound"};

	CHECK(reason < QUANTILE_REASONS);
	return names[reason];
}

const char *quantile_choice_name(enum quantile_choice arm)
{
	static const char *const names[QUANTILE_ARMS] = {
#define X(arm, name) [arm] = name,
		QUANTILE_ARM_TABLE(X)
#undef X
	};

	CHECK(arm < QUANTILE_ARMS);
	return names[arm];
}

static enum status config_check(const struct quantile_policy_config *config, struct error *error)
{
	const struct plant_config *plant = &config->plant;

	if (!(config->objective >= 0 && config->objective <= 100))
		return error_set(error, STATUS_BAD_INPUT, "objective: %g is not 0 to 100 %%",
			config->objective);
	if (plant->replicas_min < 1 || plant->replicas_max < plant->replicas_min)
		return error_set(error, STATUS_BAD_INPUT, "replicas: %d to %d", plant->replicas_min,
			plant->replicas_max);
	if (plant->start_slots_min < 0 || plant->start_slots_max < plant->start_slots_min ||
		plant->start_slots_max > SIMULATE_START_MAX)
		return error_set(error, STATUS_BAD_INPUT, "start-up: %d to %d slots",
			plant->start_slots_min, plant->start_slots_max);
	if (!isnan(plant->service_rate) && !(plant->service_rate > 0 && plant->service_rate < 1e9))
		return error_set(error, STATUS_BAD_INPUT, "what a pod serves: %g requests a second",
			plant->service_rate);
	if (!(config->capacity_factor > 0))
		return error_set(error, STATUS_BAD_INPUT, "capacity factor: %g",
			config->capacity_factor);
	return config->has_hpa ? hpa_config_check(&config->hpa, error) : STATUS_OK;
}

static void policy_reset(struct quantile_policy *policy)
{
	struct control_setting setting;

	control_setting_default(&setting);
	control_init(&policy->control, &setting, policy->config.plant.service_rate,
		policy->config.plant.cpu_idle);
	control_factor_set(&policy->control, policy->config.capacity_factor);
	foresight_state_init(&policy->state);
	policy->foresight.known = false;
	policy->stepped = policy->day_slot = policy->due_slot = -1;
	policy->day_count = 0;
	policy->chosen = 0;
	memset(&policy->chooser, 0, sizeof(policy->chooser));
	deep_chooser_init(&policy->deep, policy->config.seed);
	policy->standing = (struct quantile_standing){.setting = setting};
}

struct quantile_policy *quantile_policy_open(const struct quantile_policy_config *config,
	struct error *error)
{
	struct quantile_policy *policy;

	if (config_check(config, error) != STATUS_OK)
		return NULL;
	policy = mem_zalloc(1, sizeof(*policy));
	if (policy == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a policy");
		return NULL;
	}
	policy->config = *config;
	policy_reset(policy);
	if (traffic_init(&policy->traffic, error) != STATUS_OK ||
		foresight_model_init(&policy->model, error) != STATUS_OK) {
		quantile_policy_close(policy);
		return NULL;
	}
	return policy;
}

void quantile_policy_close(struct quantile_policy *policy)
{
	if (policy == NULL)
		return;
	traffic_fini(&policy->traffic);
	foresight_model_fini(&policy->model);
	mem_free(policy);
}

struct quantile_policy *quantile_policy_clone(const struct quantile_policy *policy)
{
	struct quantile_policy *clone = quantile_policy_open(&policy->config, NULL);
	struct traffic traffic;
	struct foresight_model model;

	if (clone == NULL)
		return NULL;
	traffic = clone->traffic;
	model = clone->model;
	*clone = *policy;
	clone->traffic.slots = traffic.slots;
	memcpy(traffic.slots, policy->traffic.slots, policy->traffic.count * sizeof(float));
	for (size_t h = 0; h < FORESIGHT_HORIZONS; h++) {
		const struct quantile_net *net = &policy->model.nets[h];

		clone->model.nets[h].block = model.nets[h].block;
		memcpy(model.nets[h].block, net->block,
			(2 * net->inputs + net->parameter_count) * sizeof(float));
	}
	return clone;
}

/* ---- slots ---- */

static void mark_day(struct quantile_policy *policy, int64_t slot)
{
	/* A night that was not reached gives way to the next one. */
	if (policy->day_slot >= 0) {
		policy->due_state = policy->day_state;
		policy->due_slot = policy->day_slot;
	}
	policy->day_state = policy->state;
	policy->day_slot = slot;
}

void quantile_policy_take_slot(struct quantile_policy *policy, int64_t slot, double rate)
{
	struct traffic *traffic = &policy->traffic;
	int64_t next;

	if (!traffic_add(traffic, slot, rate))
		return;
	next = policy->stepped + 1 > traffic->first ? policy->stepped + 1 : traffic->first;
	for (; next <= slot; next++) {
		foresight_step(&policy->model, &policy->state, traffic,
			(size_t)(next - traffic->first), &policy->foresight);
		policy->stepped = next;
		if ((next + 1) % DAY == 0)
			mark_day(policy, next + 1);
	}
}

void quantile_policy_recall(struct quantile_policy *policy, const float *rates, size_t count,
	int64_t first)
{
	for (size_t i = 0; i < count; i++)
		(void)traffic_add(&policy->traffic, first + (int64_t)i, (double)rates[i]);
	if (policy->traffic.count > 0)
		policy->stepped = policy->traffic.first + (int64_t)policy->traffic.count - 1;
}

/* ---- steps ---- */

static int bounded(const struct plant_config *plant, int wanted)
{
	if (wanted < plant->replicas_min)
		return plant->replicas_min;
	return wanted > plant->replicas_max ? plant->replicas_max : wanted;
}

static enum quantile_reason reason_of(const struct quantile_wish *wish, int wanted, int now)
{
	const struct control_parts *parts = &wish->parts;

	if (wish->wanted != wanted)
		return QUANTILE_BOUND;
	if (parts->guard >= wanted && parts->guard > parts->need)
		return QUANTILE_GUARD;
	if (parts->rate_missing)
		return QUANTILE_MISSING;
	return wanted > parts->need && wanted <= now ? QUANTILE_STABILIZED : QUANTILE_FORECAST;
}

static void observe(const struct policy_view *view, enum quantile_reason reason,
	struct quantile_wish *wish)
{
	wish->observes = true;
	wish->serves = false;
	wish->reason = reason;
	wish->wanted = view->wanted;
	wish->parts.guard = control_guard(view);
}

/* What a learner sees in the minute that begins with the slot. False: nothing was forecast. */
static bool view_now(const struct quantile_policy *policy, int64_t slot, struct chooser_view *view)
{
	const struct foresight *foresight = &policy->foresight;
	const float(*rates)[FORESIGHT_LEVELS] = foresight->rates[policy->control.setting.arm];

	*view = (struct chooser_view){.middle = rates[FORESIGHT_UP][1],
		.high = rates[FORESIGHT_UP][5],
		.far = rates[FORESIGHT_DOWN][5],
		.context = foresight->context,
		.slot = slot};
	return foresight->known;
}

/* The level that serves: the setting's, or a learner's of this minute. */
static uint8_t level_now(struct quantile_policy *policy, int64_t slot)
{
	uint8_t usual = policy->control.setting.level;
	enum quantile_choice arm = policy->standing.arm;
	struct chooser_view now;

	if (arm == QUANTILE_SETTING)
		return usual;
	if (slot % POLICY_SLOTS_PER_MINUTE == 0 && view_now(policy, slot, &now))
		policy->chosen = arm == QUANTILE_DQN
			? deep_chooser_best(&policy->deep, &now, usual)
			: chooser_best(&policy->chooser, chooser_state(&now), usual);
	return policy->chosen > 0 ? policy->chosen : usual;
}

static bool table_opinion(const struct chooser *chooser, const struct chooser_view *view,
	uint8_t usual, struct quantile_opinion *opinion)
{
	int state = chooser_state(view);
	uint8_t best = chooser_best(chooser, state, usual);

	opinion->explored = CHOOSER_EXPLORED;
	opinion->level = (double)foresight_levels[best];
	opinion->best = (double)chooser->values[state][best - 1];
	opinion->usual = chooser->visits[state][usual - 1] > 0
		? (double)chooser->values[state][usual - 1]
		: (double)NAN;
	for (int s = 0; s < CHOOSER_STATES; s++)
		for (int a = 0; a < CHOOSER_ACTIONS; a++)
			opinion->minutes += (double)chooser->visits[s][a];
	return chooser->visits[state][best - 1] > 0;
}

bool quantile_policy_opinion(const struct quantile_policy *policy, enum quantile_choice learner,
	struct quantile_opinion *opinion)
{
	uint8_t usual = policy->control.setting.level, best;
	float values[CHOOSER_ACTIONS];
	struct chooser_view view;

	*opinion = (struct quantile_opinion){0};
	if (!view_now(policy, policy->stepped, &view))
		return false;
	if (learner == QUANTILE_TABLE)
		return table_opinion(&policy->chooser, &view, usual, opinion);
	best = deep_chooser_best(&policy->deep, &view, usual);
	deep_chooser_values(&policy->deep, &view, values);
	opinion->level = (double)foresight_levels[best];
	opinion->best = (double)values[best - 1];
	opinion->usual = (double)values[usual - 1];
	opinion->explored = deep_chooser_explored(&policy->deep);
	opinion->minutes = policy->deep.minutes;
	return policy->deep.minutes >= DEEP_MINUTES_MIN;
}

void quantile_policy_step(struct quantile_policy *policy, const struct policy_view *view,
	struct quantile_wish *wish)
{
	struct control *control = &policy->control;
	const struct control_setting *setting = &control->setting;
	struct policy_view seen = *view;
	double up = NAN, down = NAN;
	uint8_t level;
	int wanted;

	*wish = (struct quantile_wish){.serves = policy->standing.promoted,
		.load = (double)setting->load};
	if (control_contradicts(control, view)) {
		seen.rate = NAN;
		wish->contradicted = true;
	}
	control_capacity_step(control, &seen);
	quantile_policy_take_slot(policy, view->slot - POLICY_DELAY_SLOTS, seen.rate);
	level = level_now(policy, view->slot);
	wish->quantile = (double)foresight_levels[level];
	wish->foresight = policy->foresight;
	wish->capacity = control_capacity(control);
	if (isnan(wish->capacity)) {
		observe(view, QUANTILE_NO_CAPACITY, wish);
		return;
	}
	if (!policy->model.fitted) {
		observe(view, QUANTILE_NO_FORECAST, wish);
		return;
	}
	/* What was said of an older slot is not of this one. */
	if (policy->foresight.known && !isnan(seen.rate)) {
		up = (double)policy->foresight.rates[setting->arm][FORESIGHT_UP][level];
		down = (double)policy->foresight.rates[setting->arm][setting->down][level];
	}
	wanted = control_decide(control, &seen, up, down, &wish->parts);
	wish->wanted = bounded(&policy->config.plant, wanted);
	wish->reason = reason_of(wish, wanted, view->wanted);
}

/* ---- lessons ---- */

struct quantile_lesson *quantile_lesson_make(const float *rates, size_t count, int64_t first,
	uint64_t seed, struct error *error)
{
	struct quantile_lesson *lesson = mem_zalloc(1, sizeof(*lesson));

	if (lesson == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a lesson");
		return NULL;
	}
	foresight_state_init(&lesson->state);
	if (foresight_model_init(&lesson->model, error) != STATUS_OK ||
		foresight_fit(&lesson->model, &lesson->state, rates, count, first, seed, error) !=
			STATUS_OK) {
		quantile_lesson_drop(lesson);
		return NULL;
	}
	return lesson;
}

void quantile_lesson_drop(struct quantile_lesson *lesson)
{
	if (lesson == NULL)
		return;
	foresight_model_fini(&lesson->model);
	mem_free(lesson);
}

void quantile_policy_take(struct quantile_policy *policy, struct quantile_lesson *lesson)
{
	foresight_model_fini(&policy->model);
	policy->model = lesson->model;
	memcpy(policy->state.residuals, lesson->state.residuals, sizeof(policy->state.residuals));
	policy->state.weight = lesson->state.weight;
	lesson->model = (struct foresight_model){0};
	quantile_lesson_drop(lesson);
}

void quantile_policy_forget(struct quantile_policy *policy)
{
	policy_reset(policy);
	traffic_reset(&policy->traffic);
	policy->model.fitted = false;
}

/* ---- history ---- */

/* Days to fit on, so that two of three remain, and at most seven for the replays. */
static size_t fitted_days(size_t days)
{
	size_t two_thirds = days * 2 / 3;

	return days - two_thirds > NIGHTLY_DAYS ? days - NIGHTLY_DAYS : two_thirds;
}

enum status quantile_policy_learn(struct quantile_policy *policy, const float *rates, size_t count,
	int64_t first, struct error *error)
{
	size_t days = count / (size_t)DAY, fit = fitted_days(days) * (size_t)DAY;
	struct quantile_lesson *lesson;
	enum status status = STATUS_OK;

	if (fit == 0)
		fit = count;
	quantile_policy_forget(policy);
	lesson = quantile_lesson_make(rates, fit, first, policy->config.seed, error);
	for (size_t i = 0; i < fit; i++)
		quantile_policy_take_slot(policy, first + (int64_t)i, (double)rates[i]);
	if (lesson == NULL)
		return error != NULL ? error->code : STATUS_BAD_INPUT;
	quantile_policy_take(policy, lesson);
	/* The replays are of days that the model has not seen: those before are none of them. */
	policy->day_slot = policy->due_slot = -1;
	if ((first + (int64_t)fit) % DAY == 0)
		mark_day(policy, first + (int64_t)fit);
	for (size_t i = fit; status == STATUS_OK && i < count; i++) {
		quantile_policy_take_slot(policy, first + (int64_t)i, (double)rates[i]);
		if (quantile_policy_night_due(policy) && !isnan(control_capacity(&policy->control)))
			status = quantile_policy_night(policy, error);
	}
	return status;
}
