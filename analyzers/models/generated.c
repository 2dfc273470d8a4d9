/*
 * The shapes of generated workloads.
 */
#include "analyzers/models/generated.h"

#include <math.h>
#include <stdbool.h>

#include "analyzers/forecast/forecaster.h"
#include "base/random.h"

#define TWO_PI 6.283185307179586
#define HARMONICS 4
#define STEPS_MAX 6
#define WEEK_DAYS 7

static double between(struct random *random, double low, double high)
{
	return low + (high - low) * random_unit(random);
}

/* Evenly in the logarithm. */
static double scaled(struct random *random, double low, double high)
{
	return low * pow(high / low, random_unit(random));
}

static bool chance(struct random *random, double share)
{
	return random_unit(random) < share;
}

/* Noise with a memory: AR(1) of deviation 1, now and then of heavy tails. */
struct noise {
	double memory, value, tail;
};

static void noise_init(struct noise *noise, struct random *random)
{
	noise->memory = chance(random, .3) ? 0 : 1 - scaled(random, .002, .7);
	noise->tail = chance(random, .3) ? between(random, .01, .1) : 0;
	noise->value = random_normal(random);
}

static double noise_next(struct noise *noise, struct random *random)
{
	double drawn = random_normal(random);

	if (noise->tail > 0 && chance(random, noise->tail))
		drawn *= between(random, 2, 6);
	noise->value =
		noise->memory * noise->value + sqrt(1 - noise->memory * noise->memory) * drawn;
	return noise->value;
}

/* Work by the clock: every so many rows, for some rows. */
struct clockwork {
	size_t every, length, phase;
	double height;
};

static void clockwork_init(struct clockwork *clockwork, struct random *random)
{
	static const size_t periods[] = {5, 10, 15, 20, 30, 60, 120, 360};

	clockwork->every = periods[random_below(random, sizeof(periods) / sizeof(periods[0]))];
	clockwork->length = 1 + random_below(random, clockwork->every / 3 + 1);
	clockwork->phase = random_below(random, clockwork->every);
	clockwork->height = chance(random, .35) ? scaled(random, .1, 2.5) : 0;
}

static double clockwork_at(const struct clockwork *clockwork, size_t row)
{
	return (row + clockwork->phase) % clockwork->every < clockwork->length ? clockwork->height
									       : 0;
}

/* Bursts that begin at random and fade. */
struct bursts {
	double chance, height, fade, left;
};

static void bursts_init(struct bursts *bursts, struct random *random, size_t day_rows)
{
	bursts->chance = chance(random, .5) ? scaled(random, .2, 40) / (double)day_rows : 0;
	bursts->height = scaled(random, .2, 4);
	bursts->fade = 1 - 1 / scaled(random, 1.2, 40);
	bursts->left = 0;
}

static double bursts_next(struct bursts *bursts, struct random *random)
{
	bursts->left *= bursts->fade;
	if (chance(random, bursts->chance))
		bursts->left += bursts->height * between(random, .3, 1.7);
	return bursts->left;
}

/* What the level does beyond the days: steps that stay, and ramps to them. */
struct steps {
	size_t at[STEPS_MAX], length[STEPS_MAX], count;
	double height[STEPS_MAX];
};

static void steps_init(struct steps *steps, struct random *random,
	const struct generated_spec *spec)
{
	steps->count = chance(random, .5) ? random_below(random, STEPS_MAX + 1) : 0;
	for (size_t i = 0; i < steps->count; i++) {
		steps->at[i] = random_below(random, spec->rows);
		steps->length[i] =
			chance(random, .5) ? 1 : 1 + random_below(random, spec->day_rows / 4);
		steps->height[i] = between(random, -.5, .9);
	}
}

static double steps_at(const struct steps *steps, size_t row)
{
	double factor = 1;

	for (size_t i = 0; i < steps->count; i++) {
		double part;

		if (row < steps->at[i])
			continue;
		part = fmin(1, (double)(row - steps->at[i] + 1) / (double)steps->length[i]);
		factor *= 1 + part * steps->height[i];
	}
	return factor;
}

struct days {
	double height[HARMONICS], phase[HARMONICS], weekend;
	size_t first_day;
};

static void days_init(struct days *days, struct random *random)
{
	double strength = chance(random, .75) ? between(random, .1, .8) : 0;

	for (int i = 0; i < HARMONICS; i++) {
		days->height[i] = strength * between(random, .3, 1) / (1 + i);
		days->phase[i] = between(random, 0, TWO_PI);
	}
	days->weekend = chance(random, .5) ? between(random, .3, 1.1) : 1;
	days->first_day = random_below(random, WEEK_DAYS);
}

static double days_at(const struct days *days, double day)
{
	size_t today = (days->first_day + (size_t)day) % WEEK_DAYS;
	double factor = 1;

	for (int i = 0; i < HARMONICS; i++)
		factor += days->height[i] * sin(TWO_PI * day * (i + 1) + days->phase[i]);
	return fmax(factor, .02) * (today >= 5 ? days->weekend : 1);
}

/* What is seen of a rate: counted, smooth, or in whole steps. */
static double seen(struct random *random, int kind, double rate, double interval)
{
	switch (kind) {
	case 0:
		return (double)random_poisson(random, fmin(rate * interval, 1e6)) / interval;
	case 1:
		return floor(rate * interval + .5) / interval;
	default:
		return rate;
	}
}

static void requests_fill(struct random *random, const struct generated_spec *spec, double *values)
{
	double level = scaled(random, .5, 3000), rough = scaled(random, .003, .4);
	double wander = scaled(random, .0002, .02), walk = 0;
	int kind = (int)random_below(random, 3);
	struct clockwork clockwork;
	struct bursts bursts;
	struct steps steps;
	struct noise noise;
	struct days days;

	days_init(&days, random);
	steps_init(&steps, random, spec);
	noise_init(&noise, random);
	bursts_init(&bursts, random, spec->day_rows);
	clockwork_init(&clockwork, random);
	for (size_t i = 0; i < spec->rows; i++) {
		double rate = level * days_at(&days, (double)i / (double)spec->day_rows);

		walk = .999 * walk + wander * random_normal(random);
		rate *= steps_at(&steps, i) *
			exp(fmin(walk + rough * noise_next(&noise, random), 3));
		rate *= 1 + bursts_next(&bursts, random) + clockwork_at(&clockwork, i);
		values[i] = seen(random, kind, rate, kind == 0 ? 60 : 1);
	}
}

/* CPU follows the requests of the last rows, with work of its own beside them. */
static void cpu_fill(struct random *random, const struct generated_spec *spec,
	const double *requests, double *values)
{
	double cost = scaled(random, .0005, .02), idle = scaled(random, .01, .5);
	double lag = chance(random, .5) ? 1 : scaled(random, .1, 1), smooth = requests[0];
	double rough = scaled(random, .003, .3), limit = scaled(random, 2, 100);
	struct clockwork clockwork;
	struct bursts bursts;
	struct noise noise;

	noise_init(&noise, random);
	bursts_init(&bursts, random, spec->day_rows);
	clockwork_init(&clockwork, random);
	for (size_t i = 0; i < spec->rows; i++) {
		double use;

		smooth += lag * (requests[i] - smooth);
		use = idle * (1 + bursts_next(&bursts, random) + clockwork_at(&clockwork, i)) +
			cost * smooth;
		use *= exp(fmin(rough * noise_next(&noise, random), 3));
		values[i] = fmin(use, limit);
	}
}

/* Memory: a base, a part that follows the load, and what fills up until it is freed. */
static void memory_fill(struct random *random, const struct generated_spec *spec,
	const double *requests, double *values)
{
	double base = scaled(random, 2e7, 4e9), lag = scaled(random, .003, .3);
	double share = chance(random, .6) ? between(random, .05, .6) : 0, smooth = requests[0];
	double top = fmax(requests[0], 1), rough = scaled(random, 1e-4, .02), filled = 0;
	double leak = chance(random, .5) ? scaled(random, 1e-5, 2e-2) : 0;
	double full = between(random, .05, .9), kept = between(random, 0, .3);
	struct noise noise;

	noise_init(&noise, random);
	for (size_t i = 0; i < spec->rows; i++) {
		smooth += lag * (requests[i] - smooth);
		top = fmax(top * .9999, smooth);
		filled += leak * between(random, .2, 1.8);
		if (filled > full)
			filled *= kept;
		values[i] = base * (1 + share * smooth / top + filled) *
			(1 + rough * noise_next(&noise, random));
		values[i] = floor(values[i] / 4096) * 4096;
	}
}

static void latency_fill(struct random *random, const struct generated_spec *spec,
	const double *cpu, double *values)
{
	double base = scaled(random, .002, 1), rough = scaled(random, .01, .5), top = 0;
	struct bursts bursts;
	struct noise noise;

	noise_init(&noise, random);
	bursts_init(&bursts, random, spec->day_rows);
	for (size_t i = 0; i < spec->rows; i++)
		top = fmax(top, cpu[i]);
	for (size_t i = 0; i < spec->rows; i++) {
		double busy = .9 * cpu[i] / fmax(top, 1e-9);

		values[i] = base * (1 + bursts_next(&bursts, random)) / (1 - busy * busy) *
			exp(fmin(rough * noise_next(&noise, random), 3));
	}
}

/* Follows nobody. */
static void other_fill(struct random *random, const struct generated_spec *spec, double *values)
{
	double level = scaled(random, .1, 1e6), states[4], at = 0, rough = scaled(random, .001, .3);
	double leave = 1 / scaled(random, 3, 300), slope = scaled(random, 1e-3, .2);
	size_t kind = random_below(random, 4), state = 0, period = 5 + random_below(random, 300);
	struct noise noise;

	noise_init(&noise, random);
	for (int i = 0; i < 4; i++)
		states[i] = between(random, 0, 3);
	for (size_t i = 0; i < spec->rows; i++) {
		switch (kind) {
		case 0: /* states that switch */
			if (chance(random, leave))
				state = random_below(random, 4);
			at = states[state];
			break;
		case 1: /* saw teeth */
			at = 1 + (double)(i % period) / (double)period;
			break;
		case 2: /* a walk that is pulled back */
			at += .01 * (1 - at) + slope * random_normal(random);
			break;
		default: /* a wave with no day in it */
			at = 2 + sin(TWO_PI * (double)i / (double)period);
			break;
		}
		values[i] = level * (at + rough * noise_next(&noise, random));
	}
}

/* Single rows and whole hours are lost. */
static void gaps_cut(struct random *random, const struct generated_spec *spec, double *values)
{
	double lost = chance(random, .3) ? scaled(random, .0005, .05) : 0;
	double hole = chance(random, .3) ? 1.0 / (double)spec->day_rows : 0;
	size_t left = 0;

	for (size_t i = 0; i < spec->rows; i++) {
		if (left == 0 && chance(random, hole))
			left = 1 + random_below(random, spec->day_rows / 6);
		if (left > 0 || chance(random, lost))
			values[i] = NAN;
		left -= left > 0 ? 1 : 0;
	}
}

void generated_workload(const struct generated_spec *spec, double *values)
{
	double *signals[GENERATED_SIGNALS];
	struct random random;

	random_init(&random, spec->seed);
	for (int i = 0; i < GENERATED_SIGNALS; i++)
		signals[i] = values + (size_t)i * spec->rows;
	requests_fill(&random, spec, signals[GENERATED_REQUESTS]);
	cpu_fill(&random, spec, signals[GENERATED_REQUESTS], signals[GENERATED_CPU]);
	memory_fill(&random, spec, signals[GENERATED_REQUESTS], signals[GENERATED_MEMORY]);
	latency_fill(&random, spec, signals[GENERATED_CPU], signals[GENERATED_LATENCY]);
	other_fill(&random, spec, signals[GENERATED_OTHER]);
	for (int i = 0; i < GENERATED_SIGNALS; i++)
		gaps_cut(&random, spec, signals[i]);
}

void generated_beside(const double *values, size_t rows, enum generated_signal signal, int known,
	double *beside)
{
	static const enum generated_signal columns[FORECAST_BESIDE] = {GENERATED_REQUESTS,
		GENERATED_CPU, GENERATED_MEMORY};

	for (size_t i = 0; i < rows; i++)
		for (size_t c = 0; c < FORECAST_BESIDE; c++)
			beside[i * FORECAST_BESIDE + c] = known && columns[c] != signal
				? values[(size_t)columns[c] * rows + i]
				: NAN;
}
