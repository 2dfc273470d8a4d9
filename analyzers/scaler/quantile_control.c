/*
 * The control law. It runs hundreds of millions of times a night: no call but isnan's.
 */
#include "analyzers/scaler/quantile_control.h"

#include <math.h>
#include <stddef.h>

#define RING_MASK (CONTROL_RING - 1)
#define CAPACITY_WEIGHT .02
/* Below this CPU share above idle a reading says too little about capacity. */
#define BUSY_MIN .05
/* From here on CPU may be cut off at its limit: the true capacity is at most what the reading says. */
#define BUSY_FULL .96
/* A rate that means so many times the CPU that is used contradicts it. */
#define CONTRADICTION 4
#define CONTRADICTION_SLOTS 20
#define PODS_MAX 1000000

void control_setting_default(struct control_setting *setting)
{
	*setting = (struct control_setting){.arm = FORESIGHT_NET,
		.down = FORESIGHT_DOWN,
		.level = 6,
		.window = 40,
		.load = .8f};
}

void control_init(struct control *control, const struct control_setting *setting, double capacity,
	double idle)
{
	control->setting = *setting;
	control->idle = idle;
	control->capacity = capacity;
	control->factor = 1;
	control->capacity_readings = isnan(capacity) ? 0 : CONTROL_CAPACITY_READINGS_MIN;
	control_begin(control);
}

void control_begin(struct control *control)
{
	control->contradicted = 0;
	control->first = control->end = 0;
}

double control_capacity(const struct control *control)
{
	return control->capacity_readings >= CONTROL_CAPACITY_READINGS_MIN ? control->capacity
									   : (double)NAN;
}

void control_factor_set(struct control *control, double factor)
{
	control->factor = factor;
}

static int round_up(double x)
{
	int whole;

	if (!(x > 0))
		return 0;
	whole = x < PODS_MAX ? (int)x : PODS_MAX;
	return whole + (x > whole && whole < PODS_MAX);
}

bool control_contradicts(struct control *control, const struct policy_view *view)
{
	double busy = view->cpu - control->idle, room = control->capacity * view->ready;
	double implied = view->rate / room;
	bool odd;

	/* Of either kind: far more requests than the pods work for, or none although they work. */
	odd = view->ready > 0 && control->capacity_readings >= CONTROL_CAPACITY_READINGS_MIN &&
		busy < BUSY_FULL - control->idle &&
		(implied > CONTRADICTION * fmax(busy, BUSY_MIN) ||
			(busy > 4 * BUSY_MIN && implied * CONTRADICTION < busy));
	control->contradicted = odd ? control->contradicted + 1 : 0;
	return odd && control->contradicted <= CONTRADICTION_SLOTS;
}

void control_capacity_step(struct control *control, const struct policy_view *view)
{
	double busy = view->cpu - control->idle, sample;

	if (!(busy > BUSY_MIN) || !(view->rate > 0) || view->ready <= 0)
		return;
	sample = view->rate / (view->ready * busy);
	if (control->capacity_readings == 0) {
		control->capacity = sample;
	} else {
		if (view->cpu >= BUSY_FULL && sample > control->capacity)
			return;
		/* The first readings count alike. */
		control->capacity += (control->capacity_readings < 50
						     ? 1 / (double)(control->capacity_readings + 1)
						     : CAPACITY_WEIGHT) *
			(sample - control->capacity);
	}
	control->capacity_readings++;
}

int control_guard(const struct policy_view *view)
{
	int measured = view->ready < view->wanted ? view->ready : view->wanted, again;
	int unready = view->wanted - measured;
	double ratio = view->cpu * (1 / CONTROL_GUARD_UTILIZATION);

	if (measured <= 0 || !(view->cpu >= 0))
		return 0;
	if (ratio <= 1 || unready == 0)
		return round_up(ratio * measured);
	/* Pods on their way count as idle, as the HPA counts them. */
	again = round_up(ratio * measured);
	return again > view->wanted ? again : view->wanted;
}

static void push(struct control *control, int64_t slot, int value)
{
	while (control->end != control->first &&
		control->values[(control->end - 1) & RING_MASK] <= value)
		control->end--;
	control->slots[control->end & RING_MASK] = slot;
	control->values[control->end & RING_MASK] = value;
	control->end++;
	while (slot - control->slots[control->first & RING_MASK] >= control->setting.window &&
		control->end - control->first > 1)
		control->first++;
}

int control_decide(struct control *control, const struct policy_view *view, double up, double down,
	struct control_parts *parts)
{
	double inverse = 1 / (control->capacity * control->factor * (double)control->setting.load);
	int guard = control_guard(view), need = guard, slow, high;
	int need_up = 0, need_down = 0;

	if (up >= 0 && inverse > 0) {
		need_up = round_up(up * inverse);
		need_down = round_up(down * inverse);
		need = need_up > need ? need_up : need;
		slow = need_down > need ? need_down : need;
	} else {
		/* Nothing is known of what comes: nothing goes. */
		slow = view->wanted > need ? view->wanted : need;
	}
	push(control, view->slot, slow);
	high = control->values[control->first & RING_MASK];
	if (parts != NULL)
		*parts = (struct control_parts){.up = up,
			.down = down,
			.need = need_up,
			.need_down = need_down,
			.guard = guard,
			.stabilized = high,
			.rate_missing = isnan(view->rate)};
	if (need > view->wanted)
		return need;
	return high < view->wanted ? high : view->wanted;
}
