/*
 * Adaptive conformal intervals from a sorted window of residuals.
 */
#include "analyzers/forecast/conformal.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/check.h"

/* How far a level may run beyond what the window holds. */
#define BEYOND .25

void conformal_init(struct conformal *conformal, double coverage)
{
	memset(conformal, 0, sizeof(*conformal));
	conformal->target[CONFORMAL_LOW] = (1 - coverage) / 2;
	conformal->target[CONFORMAL_Q10] = .1;
	conformal->target[CONFORMAL_Q90] = .9;
	conformal->target[CONFORMAL_HIGH] = (1 + coverage) / 2;
	memcpy(conformal->level, conformal->target, sizeof(conformal->level));
}

/* The first index whose residual is not below value. */
static size_t position(const struct conformal *conformal, float value)
{
	size_t low = 0, high = conformal->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (conformal->sorted[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void forget_oldest(struct conformal *conformal)
{
	size_t at = position(conformal, conformal->ring[conformal->at]);

	CHECK(at < conformal->count);
	memmove(conformal->sorted + at, conformal->sorted + at + 1,
		(conformal->count - at - 1) * sizeof(float));
	conformal->count--;
}

static void insert(struct conformal *conformal, float value)
{
	size_t at = position(conformal, value);

	memmove(conformal->sorted + at + 1, conformal->sorted + at,
		(conformal->count - at) * sizeof(float));
	conformal->sorted[at] = value;
	conformal->count++;
}

/* A lower end rises while outcomes keep above it, and falls when one lies below; an upper end
 * mirrors it. An outcome on the end counts as covered. */
static void move_levels(struct conformal *conformal, double residual, const double *offsets)
{
	for (size_t i = 0; i < CONFORMAL_ENDS; i++) {
		bool lower = i <= CONFORMAL_Q10;
		double target = conformal->target[i], level = conformal->level[i];
		double below = lower ? residual < offsets[i] : residual <= offsets[i];

		if (isnan(offsets[i]))
			continue;
		level += CONFORMAL_RATE * (target - below);
		conformal->level[i] =
			lower ? fmin(fmax(level, -BEYOND), .5) : fmin(fmax(level, .5), 1 + BEYOND);
	}
}

void conformal_add(struct conformal *conformal, double residual, const double *offsets)
{
	float value = (float)residual;

	move_levels(conformal, residual, offsets);
	if (conformal->count == CONFORMAL_WINDOW)
		forget_oldest(conformal);
	insert(conformal, value);
	conformal->ring[conformal->at] = value;
	conformal->at = (conformal->at + 1) % CONFORMAL_WINDOW;
}

/* The sorted window follows from the ring. */
void conformal_pack(struct conformal *conformal, struct pack *pack)
{
	size_t count = conformal->count;

	pack_index(pack, &count, CONFORMAL_WINDOW);
	pack_index(pack, &conformal->at, CONFORMAL_WINDOW - 1);
	pack_bytes(pack, conformal->ring, count * sizeof(*conformal->ring));
	pack_value(pack, &conformal->level);
	if (!pack_reads(pack))
		return;
	conformal->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (isfinite(conformal->ring[i]))
			insert(conformal, conformal->ring[i]);
		else
			pack_fail(pack);
	}
	/* A ring that is not full yet begins at 0. */
	if (count < CONFORMAL_WINDOW && conformal->at != count)
		pack_fail(pack);
}

/* The quantile, linear between residuals, and beyond them by at most the window's range. */
static double quantile(const struct conformal *conformal, double level)
{
	size_t last = conformal->count - 1;
	double lowest = (double)conformal->sorted[0], highest = (double)conformal->sorted[last];
	double at = level * (double)(conformal->count + 1) - 1, part;
	size_t below;

	if (level < 0)
		return lowest - (highest - lowest) * fmin(-level / BEYOND, 1);
	if (level > 1)
		return highest + (highest - lowest) * fmin((level - 1) / BEYOND, 1);
	if (at <= 0)
		return lowest;
	if (at >= (double)last)
		return highest;
	below = (size_t)at;
	part = at - (double)below;
	return (1 - part) * (double)conformal->sorted[below] +
		part * (double)conformal->sorted[below + 1];
}

void conformal_offsets(const struct conformal *conformal, double *offsets)
{
	if (conformal->count < CONFORMAL_OUTCOMES_MIN) {
		for (size_t i = 0; i < CONFORMAL_ENDS; i++)
			offsets[i] = NAN;
		return;
	}
	offsets[CONFORMAL_Q10] = fmin(quantile(conformal, conformal->level[CONFORMAL_Q10]), 0);
	offsets[CONFORMAL_LOW] =
		fmin(quantile(conformal, conformal->level[CONFORMAL_LOW]), offsets[CONFORMAL_Q10]);
	offsets[CONFORMAL_Q90] = fmax(quantile(conformal, conformal->level[CONFORMAL_Q90]), 0);
	offsets[CONFORMAL_HIGH] =
		fmax(quantile(conformal, conformal->level[CONFORMAL_HIGH]), offsets[CONFORMAL_Q90]);
}
