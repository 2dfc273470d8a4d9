/*
 * The ziggurat cuts the half of the bell curve into 128 blocks of one area: a point in the part of a block
 * that lies under the curve, 99 of 100, costs one number and one comparison. PTRS accepts nine of ten
 * candidates by a squeeze without a logarithm; from INVERSE_MEAN_MIN on the inverse of Poisson's
 * distribution, as a series around the normal's, takes one normal number and no second try.
 */
#include "analyzers/scaler/draws.h"

#include <math.h>
#include <stdbool.h>

#define EDGE_LAST 3.442619855899
#define BLOCK_AREA 9.91256303526217e-3
#define PTRS_MEAN_MIN 30.0
#define INVERSE_MEAN_MIN 256.0
#define MEAN_MAX 1e15
#define STIRLING_MIN 16.0
#define HALF_LN_TWO_PI 0.9189385332046727

void draws_init(struct draws *draws, uint64_t seed)
{
	double height = exp(-0.5 * EDGE_LAST * EDGE_LAST);

	random_init(&draws->random, seed);
	draws->edge[0] = BLOCK_AREA / height;
	draws->edge[1] = EDGE_LAST;
	draws->edge[DRAWS_BLOCKS] = 0;
	for (int i = 2; i < DRAWS_BLOCKS; i++) {
		draws->edge[i] = sqrt(-2 * log(BLOCK_AREA / draws->edge[i - 1] + height));
		height = exp(-0.5 * draws->edge[i] * draws->edge[i]);
	}
	for (int i = 0; i < DRAWS_BLOCKS; i++)
		draws->inner[i] = draws->edge[i + 1] / draws->edge[i];
}

/* Beyond the last edge: Marsaglia's exponential rejection. */
static double normal_tail(struct draws *draws, double sign)
{
	double x, y;

	do {
		x = log(1 - random_unit(&draws->random)) / EDGE_LAST;
		y = log(1 - random_unit(&draws->random));
	} while (-2 * y < x * x);
	return sign < 0 ? x - EDGE_LAST : EDGE_LAST - x;
}

/* random_u64() without a call: the simulator draws four numbers a slot. */
static inline uint64_t next(struct draws *draws)
{
	uint64_t *s = draws->random.state, five = s[1] * 5, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return (five << 7 | five >> 57) * 9;
}

/* Whether a place outside of the block's inner part is under the curve after all; *x is the number. */
static bool outer_place(struct draws *draws, unsigned block, double place, double *x)
{
	double high, low;

	if (block == 0) {
		*x = normal_tail(draws, place);
		return true;
	}
	*x = place * draws->edge[block];
	high = exp(-0.5 * (draws->edge[block] * draws->edge[block] - *x * *x));
	low = exp(-0.5 * (draws->edge[block + 1] * draws->edge[block + 1] - *x * *x));
	return low + random_unit(&draws->random) * (high - low) < 1;
}

double draws_normal(struct draws *draws)
{
	for (;;) {
		uint64_t bits = next(draws);
		unsigned block = bits & (DRAWS_BLOCKS - 1);
		double place = (double)(int64_t)(bits & ~(uint64_t)0x7ff) * 0x1p-63, x;

		if (fabs(place) < draws->inner[block])
			return place * draws->edge[block];
		if (outer_place(draws, block, place, &x))
			return x;
	}
}

/* From one half of a number: seven bits of block, 24 of place. */
static inline float half_normal(struct draws *draws, uint32_t bits)
{
	unsigned block = bits & (DRAWS_BLOCKS - 1);
	double place = (double)(int32_t)(bits & ~(uint32_t)0xff) * 0x1p-31, x;

	if (fabs(place) < draws->inner[block])
		return (float)(place * draws->edge[block]);
	return (float)(outer_place(draws, block, place, &x) ? x : draws_normal(draws));
}

void draws_normal_pair(struct draws *draws, float pair[2])
{
	uint64_t bits = next(draws);

	pair[0] = half_normal(draws, (uint32_t)bits);
	pair[1] = half_normal(draws, (uint32_t)(bits >> 32));
}

/* ln k!: Stirling's series, whose error from 16 on is below 1e-13. */
static double log_factorial(double k)
{
	double n = k + 1, inverse = 1 / n, square = inverse * inverse;
	int sign;

	if (k < STIRLING_MIN)
		return lgamma_r(n, &sign);
	return (n - 0.5) * log(n) - n + HALF_LN_TWO_PI +
		inverse * (1. / 12 - square * (1. / 360 - square * (1. / 1260 - square / 1680)));
}

static double poisson_ptrs(struct draws *draws, double mean)
{
	double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
	double v_r = 0.9277 - 3.6224 / (b - 2);

	for (;;) {
		double u = random_unit(&draws->random) - 0.5;
		double v = 1 - random_unit(&draws->random);
		double us = 0.5 - fabs(u), inverse_alpha;
		double k = floor((2 * a / us + b) * u + mean + 0.43);

		if (us >= 0.07 && v <= v_r)
			return k;
		if (k < 0 || (us < 0.013 && v > us))
			continue;
		inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
		if (log(v * inverse_alpha / (a / (us * us) + b)) <=
			-mean + k * log(mean) - log_factorial(k))
			return k;
	}
}

/* Giles' Q_N2: what is left out is below 1e-5 of a request for nearly all numbers. */
static double poisson_inverse(struct draws *draws, double mean)
{
	double w = draws_normal(draws), root = sqrt(mean), inverse = 1 / root, square = w * w, q;

	q = mean + root * w + (1. / 3 + square * (1. / 6)) -
		w * (1. / 36 + square * (1. / 72)) * inverse +
		(square * (7. / 810 + square * (1. / 270)) - 8. / 405) * inverse * inverse;
	return q > 0 ? (double)(int64_t)q : 0;
}

double draws_poisson(struct draws *draws, double mean)
{
	if (!(mean >= PTRS_MEAN_MIN))
		return (double)random_poisson(&draws->random, mean);
	if (mean < INVERSE_MEAN_MIN)
		return poisson_ptrs(draws, mean);
	return poisson_inverse(draws, mean < MEAN_MAX ? mean : MEAN_MAX);
}

double draws_lognormal(struct draws *draws, double sigma)
{
	double x = sigma * draws_normal(draws) - 0.5 * sigma * sigma;

	if (fabs(x) > 0.25)
		return exp(x);
	/* The exponential's series: what is left out is below 3e-13. */
	return 1 +
		x *
		(1 + x * (1. / 2 + x * (1. / 6 + x * (1. / 24 + x * (1. / 120 + x * (1. / 720 + x * (1. / 5040 + x * (1. / 40320 + x / 362880))))))));
}
