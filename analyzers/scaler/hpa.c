/*
 * A sync of the HPA, in this order: hpa_recommend() compares usage and target over the ready pods and, when
 * pods are unready or missing, again with cautious guesses for those; hpa_settle() takes the largest (down)
 * and smallest (up) recommendation of the windows, then limits the step by the rules of `behavior`, then
 * clamps to the bounds.
 */
#include "analyzers/scaler/hpa.h"

#include <math.h>

#include "base/check.h"
#include "base/mem.h"

#define RING_MASK (HPA_RING - 1)

void hpa_config_default(struct hpa_config *config)
{
	*config = (struct hpa_config){.target_percent = 80,
		.whole_percent = true,
		.replicas_min = 1,
		.replicas_max = 50,
		.up = {.window_s = 0,
			.rules = {{true, 100, 15}, {false, 4, 15}},
			.rule_count = 2,
			.tolerance = 0.1},
		.down = {.window_s = 300,
			.rules = {{true, 100, 15}},
			.rule_count = 1,
			.tolerance = 0.1}};
}

static enum status check_direction(const struct hpa_direction *direction, const char *name,
	struct error *error)
{
	if (direction->window_s < 0 || direction->window_s > HPA_WINDOW_MAX_S)
		return error_set(error, STATUS_BAD_INPUT,
			"%s: the stabilization window is %d s, allowed are 0 to %d", name,
			direction->window_s, HPA_WINDOW_MAX_S);
	if (!(direction->tolerance >= 0 && direction->tolerance < 1))
		return error_set(error, STATUS_BAD_INPUT, "%s: the tolerance is %g, not 0 to 1",
			name, direction->tolerance);
	if (direction->rule_count > HPA_RULES_MAX ||
		(direction->rule_count == 0 && direction->select != HPA_SELECT_DISABLED))
		return error_set(error, STATUS_BAD_INPUT, "%s: there are %zu policies, not 1 to %d",
			name, direction->rule_count, HPA_RULES_MAX);
	for (size_t i = 0; i < direction->rule_count; i++) {
		const struct hpa_rule *rule = &direction->rules[i];

		if (rule->value <= 0 || rule->period_s < 1 || rule->period_s > HPA_PERIOD_MAX_S)
			return error_set(error, STATUS_BAD_INPUT,
				"%s: policy %zu has value %d and period %d s; a value above 0 and a "
				"period of 1 to %d s are allowed",
				name, i + 1, rule->value, rule->period_s, HPA_PERIOD_MAX_S);
	}
	return STATUS_OK;
}

enum status hpa_config_check(const struct hpa_config *config, struct error *error)
{
	enum status status;

	if (!(config->target_percent >= 1 && config->target_percent <= 1000))
		return error_set(error, STATUS_BAD_INPUT,
			"the HPA's target is %g %%, not 1 to 1000", config->target_percent);
	if (config->replicas_min < 1 || config->replicas_max < config->replicas_min)
		return error_set(error, STATUS_BAD_INPUT, "the HPA's bounds are %d to %d",
			config->replicas_min, config->replicas_max);
	status = check_direction(&config->up, "scaleUp", error);
	return status == STATUS_OK ? check_direction(&config->down, "scaleDown", error) : status;
}

/* ---- the recommendation ---- */

/* Not ceil() and floor(), which are calls where the processor's rounding may not be assumed. */
static int round_up(double x)
{
	int whole = x < INT32_MAX - 1 ? (int)x : INT32_MAX - 1;

	return whole + (x > whole);
}

static double ratio_of(const struct hpa_config *config, double usage)
{
	double percent = usage * 100;

	if (config->whole_percent && percent < INT32_MAX)
		percent = (int)percent;
	return percent / config->target_percent;
}

static bool tolerated(const struct hpa_config *config, double ratio)
{
	return ratio >= 1 - config->down.tolerance && ratio <= 1 + config->up.tolerance;
}

int hpa_recommend(const struct hpa_config *config, const struct hpa_pods *pods)
{
	double ratio, again, usage;
	int counted = pods->measured, wanted;
	bool idle_unready;

	if (pods->measured <= 0 || !isfinite(pods->usage))
		return pods->current;
	ratio = ratio_of(config, pods->usage);
	idle_unready = pods->unready > 0 && ratio > 1;
	if (!idle_unready && pods->missing == 0)
		return tolerated(config, ratio) ? pods->current : round_up(ratio * counted);
	/* Against the change: on the way down who does not answer uses all, on the way up nothing. */
	usage = pods->usage * pods->measured;
	if (ratio < 1) {
		usage += pods->missing * fmax(1, config->target_percent / 100);
		counted += pods->missing;
	} else if (ratio > 1) {
		counted += pods->missing;
	}
	if (idle_unready)
		counted += pods->unready;
	again = ratio_of(config, usage / counted);
	if (tolerated(config, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1))
		return pods->current;
	wanted = round_up(again * counted);
	if ((again < 1 && wanted > pods->current) || (again > 1 && wanted < pods->current))
		return pods->current;
	return wanted;
}

/* ---- stabilization and limits ---- */

static void extreme_push(struct hpa_extreme *extreme, int64_t slot, int value, int sign)
{
	while (extreme->end != extreme->first &&
		sign * extreme->value[(extreme->end - 1) & RING_MASK] <= sign * value)
		extreme->end--;
	extreme->slot[extreme->end & RING_MASK] = slot;
	extreme->value[extreme->end & RING_MASK] = value;
	extreme->end++;
}

/* The extreme of what is younger than window_s; just pushed: never empty. */
static int extreme_of(struct hpa_extreme *extreme, int64_t slot, int window_s)
{
	while (extreme->end - extreme->first > 1 &&
		(slot - extreme->slot[extreme->first & RING_MASK]) * POLICY_SLOT_S >= window_s)
		extreme->first++;
	return extreme->value[extreme->first & RING_MASK];
}

/* Pods at the beginning of a period: those of now without what was changed in it. */
static int period_start(const struct hpa *hpa, int64_t slot, int current, int period_s)
{
	int start = current;

	for (int64_t back = 1; back * POLICY_SLOT_S < period_s && back <= slot; back++) {
		unsigned at = (unsigned)(slot - back) & RING_MASK;

		if (hpa->change_slot[at] == slot - back)
			start -= hpa->changes[at];
	}
	return start;
}

static int rule_limit(const struct hpa_rule *rule, int start, bool up)
{
	double part = rule->value / 100.;

	if (up)
		return rule->percent ? round_up(start * (1 + part)) : start + rule->value;
	return rule->percent ? (int)(start * (1 - part)) : start - rule->value;
}

/* The furthest that the rules allow from `current`. */
static int direction_limit(const struct hpa *hpa, const struct hpa_direction *direction, bool up,
	int64_t slot, int current)
{
	int limit = current;

	if (direction->select == HPA_SELECT_DISABLED)
		return current;
	for (size_t i = 0; i < direction->rule_count; i++) {
		int start = period_start(hpa, slot, current, direction->rules[i].period_s);
		int one = rule_limit(&direction->rules[i], start, up);
		bool further = up ? one > limit : one < limit;

		if (i == 0 || further == (direction->select == HPA_SELECT_MAX))
			limit = one;
	}
	/* What was changed in the period may have used up more than is allowed: then nothing moves. */
	if (up)
		return limit > current ? limit : current;
	return limit < current ? limit : current;
}

void hpa_init(struct hpa *hpa, const struct hpa_config *config)
{
	hpa->config = *config;
	hpa->highest.first = hpa->highest.end = 0;
	hpa->lowest.first = hpa->lowest.end = 0;
	for (size_t i = 0; i < HPA_RING; i++)
		hpa->change_slot[i] = -1;
}

int hpa_settle(struct hpa *hpa, int64_t slot, int current, int recommendation)
{
	const struct hpa_config *config = &hpa->config;
	int wanted = current, low, high, limit;

	extreme_push(&hpa->highest, slot, recommendation, 1);
	high = extreme_of(&hpa->highest, slot, config->down.window_s);
	low = recommendation;
	if (config->up.window_s > 0) {
		extreme_push(&hpa->lowest, slot, recommendation, -1);
		low = extreme_of(&hpa->lowest, slot, config->up.window_s);
	}
	if (wanted < low)
		wanted = low;
	if (wanted > high)
		wanted = high;
	if (wanted > current) {
		limit = direction_limit(hpa, &config->up, true, slot, current);
		wanted = wanted < limit ? wanted : limit;
	} else if (wanted < current) {
		limit = direction_limit(hpa, &config->down, false, slot, current);
		wanted = wanted > limit ? wanted : limit;
	}
	if (wanted > config->replicas_max)
		wanted = config->replicas_max;
	if (wanted < config->replicas_min)
		wanted = config->replicas_min;
	if (wanted != current) {
		hpa->changes[(unsigned)slot & RING_MASK] = wanted - current;
		hpa->change_slot[(unsigned)slot & RING_MASK] = slot;
	}
	return wanted;
}

/* ---- as a policy ---- */

static void begin(void *state, int replicas)
{
	struct hpa *hpa = state;
	struct hpa_config config = hpa->config;

	(void)replicas;
	hpa_init(hpa, &config);
}

static int decide(void *state, const struct policy_view *view)
{
	struct hpa *hpa = state;
	struct hpa_pods pods = {.current = view->wanted, .usage = view->cpu};

	pods.measured = view->ready < view->wanted ? view->ready : view->wanted;
	pods.unready = view->wanted - pods.measured;
	if (isnan(view->cpu) || pods.measured == 0)
		return view->wanted;
	return hpa_settle(hpa, view->slot, view->wanted, hpa_recommend(&hpa->config, &pods));
}

enum status hpa_policy_open(struct policy *policy, const struct hpa_config *config,
	struct error *error)
{
	struct hpa *hpa;
	enum status status = hpa_config_check(config, error);

	if (status != STATUS_OK)
		return status;
	hpa = mem_alloc(sizeof(*hpa));
	if (hpa == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	hpa_init(hpa, config);
	policy->state = hpa;
	policy->begin = begin;
	policy->decide = decide;
	policy->close = mem_free;
	return STATUS_OK;
}
