/*
 * A slot of one workload. The capacity is learnt from what the workload has; the arm (or the built-in
 * rule) says how many pods there shall be; then each party's pods take the slot's traffic.
 *
 * Built-in rule: the two newest rates, and where the analyzers' forecaster has skill what it holds likely
 * at start-up, at config->load of what a pod serves; never below an HPA at config->guard_cpu without
 * tolerance; down to the highest recommendation of the window.
 */
#include "analyzers/scaler/follower.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define BUILT_IN "built-in"
#define DAY_SLOTS 5760
#define DAYS 8
/* A silence of the stream that is longer is no slot left out but a new beginning of the fleets. */
#define SILENCE_SLOTS 20
/* Violations that ours may have more than the HPA, share of slots: of a week 50 minutes. */
#define LATE_SPARE 0.005
#define SURE 0.95
/* In shadow beside a replay of its last days. */
#define PROVEN_SLOTS 240

static const char *const state_names[FOLLOW_STATE_COUNT] = {
#define X(state, name) [state] = name,
	FOLLOW_STATE_TABLE(X)
#undef X
};

static const struct {
	const char *name, *words;
} reasons[FOLLOW_REASON_COUNT] = {
#define X(reason, name, words) [reason] = {name, words},
	FOLLOW_REASON_TABLE(X)
#undef X
};

const char *follow_state_name(enum follow_state state)
{
	CHECK((unsigned)state < FOLLOW_STATE_COUNT);
	return state_names[state];
}

const char *follow_reason_name(enum follow_reason reason)
{
	CHECK((unsigned)reason < FOLLOW_REASON_COUNT);
	return reasons[reason].name;
}

const char *follow_reason_words(enum follow_reason reason)
{
	CHECK((unsigned)reason < FOLLOW_REASON_COUNT);
	return reasons[reason].words;
}

void follow_config_default(struct follow_config *config)
{
	*config = (struct follow_config){.start_slots = 5,
		.replicas_min = 1,
		.replicas_max = 50,
		.load = 0.75,
		.guard_cpu = 0.85,
		.stabilize_slots = 40,
		.shadow_slots = 7 * DAY_SLOTS,
		.set_back_slots = DAY_SLOTS};
	hpa_config_default(&config->hpa);
	config->hpa.target_percent = 60;
	config->hpa.replicas_max = config->replicas_max;
}

static void forget_parts(struct follow_parts *parts)
{
	*parts = (struct follow_parts){NAN, NAN, NAN, NAN, NAN, NAN};
}

void follower_init(struct follower *follower, const struct workload_key *key,
	enum signal_role load_role)
{
	memset(follower, 0, sizeof(*follower));
	follower->key = *key;
	follower->load_role = load_role;
	follower->rate_before = NAN;
	follower->peak_day = -1;
	follower->view.arm = BUILT_IN;
	follower->view.shadow_since = -1;
	follower->set_back = -1;
	forget_parts(&follower->view.parts);
	feedback_init(&follower->feedback);
}

void follower_fini(struct follower *follower)
{
	policy_close(&follower->arm.policy);
}

void follower_set_arm(struct follower *follower, const struct follow_arm *arm)
{
	policy_close(&follower->arm.policy);
	follower->arm = *arm;
	if (arm->name != NULL && arm->policy.begin != NULL)
		arm->policy.begin(arm->policy.state, follower->view.wanted);
}

/* ---- the wish ---- */

static int clamp(const struct follow_config *config, double pods)
{
	if (!(pods > config->replicas_min))
		return config->replicas_min;
	return pods < config->replicas_max ? (int)pods : config->replicas_max;
}

static double pods_up(double pods)
{
	return ceil(pods - 1e-9);
}

/* Not below an HPA at 85 % with no tolerance: what is in use now, whatever is forecast. */
static double guard_of(const struct follow_config *config, const struct follow_reading *reading)
{
	return pods_up(reading->ready * reading->cpu / config->guard_cpu);
}

/* The larger of those that are known, and why; NaN: none is. */
static double largest(const struct follow_parts *parts, enum follow_reason *reason)
{
	const struct {
		double pods;
		enum follow_reason reason;
	} all[] = {{parts->need, FOLLOW_NEED}, {parts->ahead, FOLLOW_FORECAST},
		{parts->guard, FOLLOW_GUARD}};
	double most = NAN;

	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		if (isnan(all[i].pods) || all[i].pods <= most)
			continue;
		most = all[i].pods;
		*reason = all[i].reason;
	}
	return most;
}

static int wish_by_rule(struct follower *follower, const struct follow_config *config, int64_t slot,
	const struct follow_reading *reading)
{
	struct follow_parts *parts = &follower->view.parts;
	double pod = follower->capacity.rate * config->load;
	double rate = fmax(reading->rate, follower->rate_before), most, down;
	int stabilized;

	parts->need = pods_up(rate / pod);
	parts->forecast = fmax(reading->ahead_up, reading->ahead_down);
	parts->ahead = pods_up(reading->ahead_up / pod);
	parts->guard = guard_of(config, reading);
	most = largest(parts, &follower->view.reason);
	/* Who comes again within the window is not sent away. */
	down = fmax(most, pods_up(reading->ahead_down / pod));
	recent_add(&follower->ours, slot, clamp(config, down));
	stabilized = recent_highest(&follower->ours, config->stabilize_slots);
	parts->stabilized = stabilized;
	if (clamp(config, most) >= follower->view.wanted)
		return clamp(config, most);
	if (stabilized < follower->view.wanted)
		return stabilized;
	follower->view.reason = FOLLOW_STABILIZED;
	return follower->view.wanted;
}

/* The arm sees every slot, read or not. 0: it says nothing, and the built-in rule does. */
static int ask_arm(struct follower *follower, int64_t slot, const struct follow_reading *reading)
{
	struct follow_arm *arm = &follower->arm;
	const struct policy_view view = {.slot = slot,
		.wanted = follower->view.wanted,
		.ready = reading->ready >= 0 ? (int)fmin(reading->ready, FLEET_PODS_MAX) : 0,
		.rate = reading->rate,
		.cpu = reading->cpu,
		.latency = NAN};

	return arm->name != NULL ? arm->policy.decide(arm->policy.state, &view) : 0;
}

static int wish_by_arm(struct follower *follower, const struct follow_config *config,
	const struct follow_reading *reading, int said)
{
	struct follow_arm *arm = &follower->arm;
	double wish = said;

	follower->view.reason = FOLLOW_NEED;
	if (arm->explain != NULL)
		arm->explain(arm->policy.state, &follower->view.parts, &follower->view.reason);
	/* Whatever an arm says, what is in use now is not taken away. */
	follower->view.parts.guard = guard_of(config, reading);
	if (follower->view.parts.guard > wish) {
		wish = follower->view.parts.guard;
		follower->view.reason = FOLLOW_GUARD;
	}
	if (clamp(config, wish) < (int)wish)
		follower->view.reason = FOLLOW_BOUND;
	return clamp(config, wish);
}

/* As before, or more where what can be read asks for it. */
static int wish_without(struct follower *follower, const struct follow_config *config,
	const struct follow_reading *reading, int said)
{
	struct follow_parts *parts = &follower->view.parts;
	enum follow_reason reason = FOLLOW_MISSING;
	double most;

	parts->need = pods_up(reading->rate / (follower->capacity.rate * config->load));
	parts->guard = guard_of(config, reading);
	most = largest(parts, &reason);
	if (said > 0 && !(most >= said)) {
		most = said;
		reason = FOLLOW_FORECAST;
	}
	follower->view.reason = FOLLOW_MISSING;
	if (!(most > follower->view.wanted))
		return follower->view.wanted;
	follower->view.reason = reason;
	return clamp(config, most);
}

/* Fleets begin where the workload is. */
static void begin(struct follower *follower, const struct follow_config *config, int64_t slot,
	const struct follow_reading *reading)
{
	int pods = clamp(config, reading->wanted);

	for (int party = 0; party < FEEDBACK_PARTIES; party++)
		fleet_init(&follower->fleets[party], slot, pods);
	follower->actual_backlog = 0;
	/* What it has is not too many before a window has told so. */
	recent_add(&follower->ours, slot - 1, pods);
	follower->view.hpa = pods;
	follower->view.wanted = pods;
	follower->begun = true;
	if (follower->arm.name != NULL && follower->arm.policy.begin != NULL)
		follower->arm.policy.begin(follower->arm.policy.state, pods);
}

void follower_wish(struct follower *follower, const struct follow_config *config, int64_t slot,
	const struct follow_reading *reading)
{
	struct follow_view *view = &follower->view;
	bool whole = isfinite(reading->rate) && isfinite(reading->cpu) && reading->ready >= 1 &&
		reading->wanted >= 1;
	int said;

	if (whole)
		capacity_learn(&follower->capacity, reading->rate, reading->ready, reading->cpu);
	if (follower->begun && slot - view->slot > SILENCE_SLOTS)
		follower->begun = false;
	view->slot = slot;
	view->reading = *reading;
	forget_parts(&view->parts);
	if (!capacity_known(&follower->capacity) || (!follower->begun && !whole)) {
		if (view->state != FOLLOW_SERVING)
			view->state = FOLLOW_OBSERVING;
		view->reason =
			capacity_known(&follower->capacity) ? FOLLOW_MISSING : FOLLOW_NO_CAPACITY;
		/* It says nothing; what it said last is too long ago. */
		view->wanted = view->wish = 0;
		follower->rate_before = reading->rate;
		return;
	}
	if (!follower->begun)
		begin(follower, config, slot, reading);
	if (view->state == FOLLOW_OBSERVING) {
		view->state = FOLLOW_SHADOW;
		view->shadow_since = slot;
	}
	view->parts.pod_rate = follower->capacity.rate;
	said = ask_arm(follower, slot, reading);
	view->arm = said > 0 ? follower->arm.name : BUILT_IN;
	if (!whole)
		view->wish = wish_without(follower, config, reading, said);
	else if (said > 0)
		view->wish = wish_by_arm(follower, config, reading, said);
	else
		view->wish = wish_by_rule(follower, config, slot, reading);
	follower->rate_before = reading->rate;
}

/* ---- the accounts ---- */

/* `behavior` by its defaults: at most twice as many or four more, down at once to the window's highest. */
static int hpa_next(struct follower *follower, const struct follow_config *config, double cpu)
{
	struct fleet *fleet = &follower->fleets[FEEDBACK_HPA];
	struct hpa_pods pods = {.current = fleet->wanted, .usage = cpu};
	int recommended, limit, highest;

	pods.measured = fleet->ready < fleet->wanted ? fleet->ready : fleet->wanted;
	pods.unready = fleet->wanted - pods.measured;
	recommended = hpa_recommend(&config->hpa, &pods);
	recent_add(&follower->hpa, fleet->slot, recommended);
	highest = recent_highest(&follower->hpa, config->hpa.down.window_s / POLICY_SLOT_S);
	if (recommended > fleet->wanted) {
		limit = 2 * fleet->wanted > fleet->wanted + 4 ? 2 * fleet->wanted
							      : fleet->wanted + 4;
		recommended = recommended < limit ? recommended : limit;
	} else {
		recommended = highest < fleet->wanted ? highest : fleet->wanted;
	}
	if (recommended < config->hpa.replicas_min)
		recommended = config->hpa.replicas_min;
	return recommended < config->hpa.replicas_max ? recommended : config->hpa.replicas_max;
}

/* The most that was needed at a time, of today and the seven days before. */
static int static_next(struct follower *follower, int64_t slot, int need)
{
	int64_t day = slot / DAY_SLOTS;
	int most = 0;

	if (follower->peak_day >= 0 && day - follower->peak_day < DAYS)
		for (int64_t past = follower->peak_day + 1; past <= day; past++)
			follower->peaks[past % DAYS] = 0;
	else if (day != follower->peak_day)
		memset(follower->peaks, 0, sizeof(follower->peaks));
	follower->peak_day = day;
	if (need > follower->peaks[day % DAYS])
		follower->peaks[day % DAYS] = need;
	for (int i = 0; i < DAYS; i++)
		most = follower->peaks[i] > most ? follower->peaks[i] : most;
	return most;
}

static void serve_party(struct follower *follower, enum feedback_party party, int wanted,
	const struct follow_config *config, struct feedback_slot *account, double *cpu)
{
	struct fleet *fleet = &follower->fleets[party];
	struct fleet_slot came;

	account->changed = wanted != fleet->wanted;
	fleet_want(fleet, wanted, config->start_slots);
	fleet_serve(fleet, follower->capacity.rate, follower->view.reading.rate, &came);
	account->pods = fleet->wanted;
	account->late = came.late;
	*cpu = came.cpu;
}

/* What the workload itself has, and by its own errors where they are told. */
static void serve_actual(struct follower *follower, struct feedback_slot *account)
{
	const struct follow_reading *reading = &follower->view.reading;
	struct fleet *fleet = &follower->fleets[FEEDBACK_ACTUAL];
	struct fleet_slot came;

	fleet_serve_pods(reading->ready, &follower->actual_backlog, follower->capacity.rate,
		reading->rate, &came);
	account->changed = (int)reading->wanted != fleet->wanted;
	fleet->wanted = (int)reading->wanted;
	account->pods = reading->wanted;
	account->late = fmax(came.late, reading->error_ratio);
}

void follower_settle(struct follower *follower, const struct follow_config *config, int granted)
{
	struct follow_view *view = &follower->view;
	const struct follow_reading *reading = &view->reading;
	struct feedback_slot slots[FEEDBACK_PARTIES];
	double cpu, unused;
	int need;

	if (!follower->begun)
		return;
	CHECK(granted >= 1 && granted <= view->wish);
	if (granted < view->wish)
		view->reason = FOLLOW_BUDGET;
	view->wanted = granted;
	for (int party = 0; party < FEEDBACK_PARTIES; party++)
		fleet_advance(&follower->fleets[party], view->slot);
	if (!isfinite(reading->rate) || !(reading->ready >= 0) || !(reading->wanted >= 0)) {
		/* Nobody knows what came: pods go on to start and to be wanted, nothing is judged. */
		fleet_want(&follower->fleets[FEEDBACK_OURS], granted, config->start_slots);
		return;
	}
	need = fleet_need(follower->capacity.rate, reading->rate);
	serve_actual(follower, &slots[FEEDBACK_ACTUAL]);
	serve_party(follower, FEEDBACK_OURS, granted, config, &slots[FEEDBACK_OURS], &unused);
	serve_party(follower, FEEDBACK_STATIC,
		clamp(config, static_next(follower, view->slot, need)), config,
		&slots[FEEDBACK_STATIC], &unused);
	serve_party(follower, FEEDBACK_HPA,
		view->hpa > 0 ? view->hpa : follower->fleets[FEEDBACK_HPA].wanted, config,
		&slots[FEEDBACK_HPA], &cpu);
	feedback_add(&follower->feedback, view->slot, need, reading->rate, view->parts.forecast,
		slots);
	view->hpa = hpa_next(follower, config, cpu);
	view->fixed = follower->fleets[FEEDBACK_STATIC].wanted;
}

/* ---- in shadow or serving ---- */

bool follower_may_serve(const struct follower *follower, const struct follow_config *config)
{
	const struct feedback_trial *trial = &follower->feedback.trial;
	int64_t slot = follower->view.slot;

	int64_t needed = config->shadow_slots;

	if (follower->proven && needed > PROVEN_SLOTS)
		needed = PROVEN_SLOTS;
	if (follower->view.state != FOLLOW_SHADOW || config->shadow_slots <= 0 ||
		trial->slots < (double)needed ||
		(follower->set_back >= 0 && slot - follower->set_back < config->set_back_slots))
		return false;
	return trial->late[FEEDBACK_OURS] <=
		trial->late[FEEDBACK_HPA] + LATE_SPARE * trial->slots &&
		trial->reward[FEEDBACK_OURS] >= trial->reward[FEEDBACK_HPA];
}

void follower_judge(struct follower *follower, const struct follow_config *config, bool serve)
{
	struct follow_view *view = &follower->view;

	if (view->state == FOLLOW_SERVING &&
		feedback_drifts(&follower->feedback, view->words, sizeof(view->words))) {
		view->state = FOLLOW_SHADOW;
		view->drifted = true;
		follower->set_back = view->slot;
		view->shadow_since = view->slot;
		feedback_begin_trial(&follower->feedback);
		return;
	}
	if (view->state == FOLLOW_SERVING && !serve) {
		view->state = FOLLOW_SHADOW;
		snprintf(view->words, sizeof(view->words), "scaler.mode is not serve");
		return;
	}
	if (!serve || !follower_may_serve(follower, config))
		return;
	view->state = FOLLOW_SERVING;
	view->drifted = false;
	snprintf(view->words, sizeof(view->words),
		"in shadow it was no worse than the HPA in violations and in reward");
}

double follower_confidence(const struct follower *follower)
{
	const struct feedback *feedback = &follower->feedback;
	double missed = feedback_miss_share(feedback), n = feedback->predicted_windows;

	/* What is needed now is no forecast. */
	if (follower->view.reason != FOLLOW_FORECAST)
		return SURE;
	return isnan(missed) ? 0.5 : ((1 - missed) * n + 1) / (n + 2);
}
