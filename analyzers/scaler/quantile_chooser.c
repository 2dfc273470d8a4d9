/*
 * States, rewards and the update. Level 0 of the forecast is in no setting's grid, so action a is level
 * a + 1.
 */
#include "analyzers/scaler/quantile_chooser.h"

#include <math.h>

#define DISCOUNT .9
#define STEP_MIN .005
#define STEP_POWER (-.6)
#define CHANGE_PRICE .3
#define NEED_ROOM .7
/* One per cent of late requests costs as much as four per cent of pods at an objective of 1 %. */
#define LATE_PRICE 4

/* The place among ascending bounds. */
static int place(double x, const double *bounds, int count)
{
	int at = 0;

	while (at < count && x > bounds[at])
		at++;
	return at;
}

int chooser_state(const struct chooser_view *view)
{
	static const double spreads[] = {.05, .1, .2, .4}, reaches[] = {.03, .12};
	double middle = fmax((double)view->middle, 1e-9);
	double spread = log(fmax((double)view->high, 1e-9) / middle);
	double reach = log(fmax((double)view->far, 1e-9) / fmax((double)view->high, 1e-9));
	int eighth = (int)(view->slot % POLICY_SLOTS_PER_DAY * 8 / POLICY_SLOTS_PER_DAY);

	return ((place(spread, spreads, 4) * 3 + place(reach, reaches, 2)) * 3 + view->context) *
		8 +
		eighth;
}

uint8_t chooser_best(const struct chooser *chooser, int state, uint8_t usual)
{
	uint8_t best = usual;
	bool seen = false;

	for (int a = 0; a < CHOOSER_ACTIONS; a++) {
		if (!(chooser->visits[state][a] > 0))
			continue;
		if (!seen || chooser->values[state][a] > chooser->values[state][best - 1])
			best = (uint8_t)(a + 1);
		seen = true;
	}
	return best;
}

double chooser_reward(const struct chooser_minute *minute, double objective)
{
	double beta = LATE_PRICE / fmax(objective, .01);

	return -(minute->pods / (minute->need + NEED_ROOM) - 1) - beta * minute->late -
		CHANGE_PRICE * minute->changes;
}

void chooser_learn(struct chooser *chooser, int state, int action, double reward, int next)
{
	float *value = &chooser->values[state][action], *visits = &chooser->visits[state][action];
	double most = 0, step = fmax(STEP_MIN, pow(1 + (double)*visits, STEP_POWER));
	bool seen = false;

	for (int a = 0; a < CHOOSER_ACTIONS; a++) {
		if (!(chooser->visits[next][a] > 0))
			continue;
		most = seen ? fmax(most, (double)chooser->values[next][a])
			    : (double)chooser->values[next][a];
		seen = true;
	}
	*value += (float)(step * (reward + DISCOUNT * most - (double)*value));
	*visits += 1;
}
