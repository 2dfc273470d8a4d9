/*
 * Generated traffic: what autoscalers meet, one difficulty a shape. A day has one hill, low at night;
 * everything that chance decides is drawn from the seed.
 */
#include <math.h>
#include <string.h>

#include "analyzers/scaler/trace.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"

#define DAY 1440
#define TWO_PI 6.283185307179586
#define NIGHT 0.25

struct shape_state {
	struct random random;
	size_t minutes;
	/* A crowd under way: when it began (SIZE_MAX: none), its height and how fast it comes and goes. */
	size_t crowd_begin;
	double crowd_height;
	double wander; /* slow noise, of the drift */
};

static double hill(size_t minute)
{
	double hour = (double)(minute % DAY) / 60;

	return NIGHT + (1 - NIGHT) * 0.5 * (1 - cos(TWO_PI * (hour - 3) / 24));
}

static double shape_steady(struct shape_state *state, size_t minute)
{
	(void)state;
	(void)minute;
	return 0.6;
}

static double shape_diurnal(struct shape_state *state, size_t minute)
{
	(void)state;
	return hill(minute);
}

/* Days six and seven of a week have half of the traffic. */
static double shape_weekly(struct shape_state *state, size_t minute)
{
	(void)state;
	return hill(minute) * (minute / DAY % 7 < 5 ? 1 : 0.5);
}

/* Three times the usual for 15 minutes, at one time a day that chance decides. */
static double shape_spike(struct shape_state *state, size_t minute)
{
	if (minute % DAY == 0)
		state->crowd_begin = minute + 60 + (size_t)random_below(&state->random, DAY - 120);
	return hill(minute) / 3 *
		(minute >= state->crowd_begin && minute < state->crowd_begin + 15 ? 3 : 1);
}

/* From a tenth to all and back within four hours, over and over. */
static double shape_ramp(struct shape_state *state, size_t minute)
{
	double part = (double)(minute % 240) / 120;

	(void)state;
	return 0.1 + 0.9 * (part < 1 ? part : 2 - part);
}

/* A crowd comes in two minutes and leaves over an hour; about two a day, at any time. */
static double shape_flash_crowd(struct shape_state *state, size_t minute)
{
	double crowd = 0, age;

	if (random_below(&state->random, 720) == 0) {
		state->crowd_begin = minute;
		state->crowd_height = 0.3 + 0.4 * random_unit(&state->random);
	}
	if (state->crowd_begin != SIZE_MAX) {
		age = (double)(minute - state->crowd_begin);
		crowd = state->crowd_height * (age < 2 ? (age + 1) / 3 : exp(-(age - 2) / 20));
	}
	return hill(minute) * 0.3 + crowd;
}

/* Jobs of five minutes on the hour and of three at half past, over a flat ground. */
static double shape_scheduled_bursts(struct shape_state *state, size_t minute)
{
	size_t at = minute % 60;

	(void)state;
	return 0.25 + (at < 5 ? 0.75 : 0) + (at >= 30 && at < 33 ? 0.4 : 0);
}

/* The hill grows fourfold over the trace and wanders. */
static double shape_drift(struct shape_state *state, size_t minute)
{
	double part = (double)minute / (double)state->minutes;

	state->wander = 0.999 * state->wander + 0.004 * random_normal(&state->random);
	return hill(minute) * (0.25 + 0.75 * part) * exp(state->wander);
}

static const struct {
	double (*rate)(struct shape_state *state, size_t minute);
	enum trace_disturbance disturbance;
} shapes[] = {
	{shape_steady, TRACE_UNDISTURBED},
	{shape_diurnal, TRACE_UNDISTURBED},
	{shape_weekly, TRACE_UNDISTURBED},
	{shape_spike, TRACE_UNDISTURBED},
	{shape_ramp, TRACE_UNDISTURBED},
	{shape_flash_crowd, TRACE_UNDISTURBED},
	{shape_scheduled_bursts, TRACE_UNDISTURBED},
	{shape_drift, TRACE_UNDISTURBED},
	{shape_diurnal, TRACE_CAPACITY_LOSS},
	{shape_diurnal, TRACE_METRICS_MISSING},
	{shape_diurnal, TRACE_PODS_LOST},
};

const char *const trace_shapes[] = {"steady", "diurnal", "weekly", "spike", "ramp", "flash_crowd",
	"scheduled_bursts", "drift", "capacity_loss", "metrics_missing", "pods_lost", NULL};

_Static_assert(ARRAY_COUNT(trace_shapes) == ARRAY_COUNT(shapes) + 1, "each shape has a name");

enum status trace_generate(struct trace *trace, const char *shape, size_t days, double peak,
	uint64_t seed, struct error *error)
{
	struct shape_state state = {.minutes = days * DAY, .crowd_begin = SIZE_MAX};
	size_t i = 0;

	while (trace_shapes[i] != NULL && strcmp(trace_shapes[i], shape) != 0)
		i++;
	if (trace_shapes[i] == NULL)
		return error_set(error, STATUS_BAD_INPUT, "there is no shape \"%s\"", shape);
	if (days == 0 || state.minutes > TRACE_MINUTES_MAX)
		return error_set(error, STATUS_BAD_INPUT, "a trace has 1 to %zu days",
			TRACE_MINUTES_MAX / DAY);
	trace->rates = mem_alloc(state.minutes * sizeof(*trace->rates));
	if (trace->rates == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	trace->minutes = state.minutes;
	trace->disturbance = shapes[i].disturbance;
	random_init(&state.random, seed);
	for (size_t minute = 0; minute < state.minutes; minute++)
		trace->rates[minute] = peak * shapes[i].rate(&state, minute);
	return STATUS_OK;
}
