/*
 * The net forward and backward, Adam, and the memory. All weights lie in one array: three layers, each a row
 * an output with its constant last.
 */
#include "analyzers/scaler/deep_chooser.h"

#include <math.h>
#include <string.h>

#define DISCOUNT .9f
#define RATE .001
#define MOMENT_FIRST .9
#define MOMENT_SECOND .999
#define MINUTES_AN_UPDATE 4
#define EXPLORING_MINUTES 2880.
/* A minute in which all is late must not drown what the others tell. */
#define REWARD_LEAST (-10)
#define TURN 6.283185307179586

#define SECOND_AT ((size_t)DEEP_HIDDEN * (DEEP_INPUTS + 1))
#define THIRD_AT (SECOND_AT + (size_t)DEEP_HIDDEN * (DEEP_HIDDEN + 1))

/* What the layers gave. */
struct activations {
	float one[DEEP_HIDDEN], two[DEEP_HIDDEN], values[CHOOSER_ACTIONS];
};

/* ---- the net ---- */

/* weights: [outputs][inputs + 1] */
static void layer(const float *weights, const float *in, size_t inputs, float *out, size_t outputs,
	bool rectified)
{
	for (size_t o = 0; o < outputs; o++) {
		const float *row = weights + o * (inputs + 1);
		float sum = row[inputs];

		for (size_t i = 0; i < inputs; i++)
			sum += row[i] * in[i];
		out[o] = rectified && sum < 0 ? 0 : sum;
	}
}

static void forward(const float *weights, const float *state, struct activations *at)
{
	layer(weights, state, DEEP_INPUTS, at->one, DEEP_HIDDEN, true);
	layer(weights + SECOND_AT, at->one, DEEP_HIDDEN, at->two, DEEP_HIDDEN, true);
	layer(weights + THIRD_AT, at->two, DEEP_HIDDEN, at->values, CHOOSER_ACTIONS, false);
}

/* One output's error goes into the gradient and, by its weights, into those of the inputs. */
static void backward_row(const float *row, float *gradient, const float *in, size_t inputs,
	float error, float *in_errors)
{
	for (size_t i = 0; i < inputs; i++) {
		gradient[i] += error * in[i];
		if (in_errors != NULL)
			in_errors[i] += error * row[i];
	}
	gradient[inputs] += error;
}

/* Of a rectified layer: where it gave nothing, nothing comes back. */
static void backward_layer(const float *weights, float *gradient, const float *in, size_t inputs,
	const float *out, const float *errors, float *in_errors)
{
	for (size_t o = 0; o < DEEP_HIDDEN; o++)
		if (out[o] > 0)
			backward_row(weights + o * (inputs + 1), gradient + o * (inputs + 1), in,
				inputs, errors[o], in_errors);
}

static void backward(const float *weights, const float *state, const struct activations *at,
	size_t action, float error, float *gradient)
{
	float one[DEEP_HIDDEN] = {0}, two[DEEP_HIDDEN] = {0};
	size_t row = THIRD_AT + action * (DEEP_HIDDEN + 1);

	backward_row(weights + row, gradient + row, at->two, DEEP_HIDDEN, error, two);
	backward_layer(weights + SECOND_AT, gradient + SECOND_AT, at->one, DEEP_HIDDEN, at->two,
		two, one);
	backward_layer(weights, gradient, state, DEEP_INPUTS, at->one, one, NULL);
}

static void step(struct deep_chooser *chooser, const float *gradient)
{
	double first_left, second_left;

	chooser->updates++;
	first_left = 1 - pow(MOMENT_FIRST, chooser->updates);
	second_left = 1 - pow(MOMENT_SECOND, chooser->updates);
	for (size_t i = 0; i < DEEP_WEIGHTS; i++) {
		double slope = (double)gradient[i];
		double first =
			MOMENT_FIRST * (double)chooser->first[i] + (1 - MOMENT_FIRST) * slope;
		double second = MOMENT_SECOND * (double)chooser->second[i] +
			(1 - MOMENT_SECOND) * slope * slope;

		chooser->first[i] = (float)first;
		chooser->second[i] = (float)second;
		chooser->weights[i] -=
			(float)(RATE * (first / first_left) / (sqrt(second / second_left) + 1e-8));
	}
}

double deep_chooser_fit(struct deep_chooser *chooser, const struct deep_experience *experiences,
	const float *targets, size_t count)
{
	float gradient[DEEP_WEIGHTS] = {0};
	double loss = 0;

	for (size_t i = 0; i < count; i++) {
		const struct deep_experience *one = &experiences[i];
		struct activations at;
		float apart;

		forward(chooser->weights, one->state, &at);
		apart = at.values[one->action] - targets[i];
		/* Huber: square within 1, straight beyond. */
		loss += (double)(fabsf(apart) <= 1 ? apart * apart / 2 : fabsf(apart) - .5f);
		apart = fmaxf(-1, fminf(apart, 1));
		backward(chooser->weights, one->state, &at, one->action, apart / (float)count,
			gradient);
	}
	step(chooser, gradient);
	return loss / (double)count;
}

/* ---- states and actions ---- */

static float log_ratio(float high, float low)
{
	double ratio = fmax((double)high, 1e-9) / fmax((double)low, 1e-9);

	return (float)fmax(-1, fmin(log(ratio), 2));
}

static void state_of(const struct chooser_view *view, float *state)
{
	double turn = TURN * (double)(view->slot % POLICY_SLOTS_PER_DAY) / POLICY_SLOTS_PER_DAY;

	state[0] = 2 * log_ratio(view->high, view->middle);
	state[1] = 4 * log_ratio(view->far, view->high);
	for (int c = 0; c < FORESIGHT_CONTEXTS; c++)
		state[2 + c] = view->context == c ? 1 : 0;
	state[5] = (float)sin(turn);
	state[6] = (float)cos(turn);
	state[7] = (float)sin(2 * turn);
	state[8] = (float)cos(2 * turn);
}

static size_t largest(const float *values)
{
	size_t best = 0;

	for (size_t a = 1; a < CHOOSER_ACTIONS; a++)
		if (values[a] > values[best])
			best = a;
	return best;
}

void deep_chooser_values(const struct deep_chooser *chooser, const struct chooser_view *view,
	float *values)
{
	float state[DEEP_INPUTS];
	struct activations at;

	state_of(view, state);
	forward(chooser->weights, state, &at);
	memcpy(values, at.values, sizeof(at.values));
}

uint8_t deep_chooser_best(const struct deep_chooser *chooser, const struct chooser_view *view,
	uint8_t usual)
{
	float values[CHOOSER_ACTIONS];

	if (chooser->minutes < DEEP_MINUTES_MIN)
		return usual;
	deep_chooser_values(chooser, view, values);
	return (uint8_t)(1 + largest(values));
}

double deep_chooser_explored(const struct deep_chooser *chooser)
{
	return fmax(CHOOSER_EXPLORED, 1 - chooser->minutes / EXPLORING_MINUTES);
}

/* ---- learning ---- */

/* He's: uniform, of a deviation that keeps the signal's size through rectified layers. */
static void init_layer(struct random *random, float *weights, size_t inputs, size_t outputs)
{
	double most = sqrt(6. / (double)inputs);

	for (size_t o = 0; o < outputs; o++) {
		for (size_t i = 0; i < inputs; i++)
			*weights++ = (float)(most * (2 * random_unit(random) - 1));
		*weights++ = 0;
	}
}

void deep_chooser_init(struct deep_chooser *chooser, uint64_t seed)
{
	memset(chooser, 0, sizeof(*chooser));
	random_init(&chooser->random, seed);
	init_layer(&chooser->random, chooser->weights, DEEP_INPUTS, DEEP_HIDDEN);
	init_layer(&chooser->random, chooser->weights + SECOND_AT, DEEP_HIDDEN, DEEP_HIDDEN);
	init_layer(&chooser->random, chooser->weights + THIRD_AT, DEEP_HIDDEN, CHOOSER_ACTIONS);
	memcpy(chooser->copy, chooser->weights, sizeof(chooser->copy));
}

void deep_chooser_restored(struct deep_chooser *chooser, uint64_t seed)
{
	memcpy(chooser->copy, chooser->weights, sizeof(chooser->copy));
	memset(chooser->first, 0, sizeof(chooser->first));
	memset(chooser->second, 0, sizeof(chooser->second));
	chooser->updates = 0;
	chooser->memory_count = chooser->memory_next = 0;
	random_init(&chooser->random, seed);
}

/* What the action of an experience is to be worth by now. */
static float target_of(const struct deep_chooser *chooser, size_t at)
{
	const struct deep_experience *one = &chooser->memory[at];
	const struct deep_experience *next = &chooser->memory[(at + 1) % DEEP_MEMORY];
	struct activations now, before;

	forward(chooser->weights, next->state, &now);
	forward(chooser->copy, next->state, &before);
	return one->reward + DISCOUNT * before.values[largest(now.values)];
}

static void learn_batch(struct deep_chooser *chooser)
{
	struct deep_experience batch[DEEP_BATCH];
	float targets[DEEP_BATCH];
	size_t count = 0;

	/* A minute that nothing follows tells nothing yet: as many draws as there are places. */
	for (size_t i = 0; i < DEEP_BATCH; i++) {
		size_t at = (size_t)random_below(&chooser->random, chooser->memory_count);

		if (!chooser->memory[at].followed)
			continue;
		batch[count] = chooser->memory[at];
		targets[count++] = target_of(chooser, at);
	}
	if (count == 0)
		return;
	(void)deep_chooser_fit(chooser, batch, targets, count);
	if (fmod(chooser->updates, DEEP_COPIED) < .5)
		memcpy(chooser->copy, chooser->weights, sizeof(chooser->copy));
}

static void move_on(struct deep_chooser *chooser)
{
	chooser->memory_next = (chooser->memory_next + 1) % DEEP_MEMORY;
	if (chooser->memory_count < DEEP_MEMORY)
		chooser->memory_count++;
}

static bool same_state(const float *one, const float *other)
{
	for (size_t i = 0; i < DEEP_INPUTS; i++)
		if (one[i] < other[i] || one[i] > other[i])
			return false;
	return true;
}

void deep_chooser_learn(struct deep_chooser *chooser, const struct chooser_view *view, int action,
	double reward, const struct chooser_view *next)
{
	struct deep_experience *now = &chooser->memory[chooser->memory_next];
	float state[DEEP_INPUTS];

	state_of(view, state);
	/* Behind the newest minute stands what followed it. Where this one begins elsewhere, as with a new day,
	 * that stays there as the end of its run. */
	if (!same_state(now->state, state)) {
		move_on(chooser);
		now = &chooser->memory[chooser->memory_next];
	}
	memcpy(now->state, state, sizeof(state));
	now->action = (uint8_t)action;
	now->reward = (float)fmax(reward, REWARD_LEAST);
	now->followed = true;
	move_on(chooser);
	now = &chooser->memory[chooser->memory_next];
	state_of(next, now->state);
	now->followed = false;
	chooser->minutes++;
	if (fmod(chooser->minutes, MINUTES_AN_UPDATE) < .5)
		learn_batch(chooser);
}
