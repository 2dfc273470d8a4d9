/*
 * Seeded streams and the kernel's randomness.
 *
 * xoshiro256**: Blackman, Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47(4),
 * 2021. splitmix64: Steele, Lea, Flood, OOPSLA 2014. Poisson by transformed rejection with squeeze
 * (PTRS): W. Hoermann, "The transformed rejection method for generating Poisson random variables",
 * Insurance: Mathematics and Economics 12, 1993. Bounded integers: Lemire, "Fast random integer
 * generation in an interval", ACM TOMACS 29(1), 2019.
 *
 * A stream is the same on every machine as far as integers and random_unit() go; normal and Poisson
 * numbers also depend on the C library's logarithm.
 */
#include "base/random.h"

#include <errno.h>
#include <math.h>
#include <sys/random.h>

#define TWO_PI 6.283185307179586
#define POISSON_PTRS_MIN 30.0
/* Above this the normal approximation differs from Poisson by less than a double can say of the
 * shape, and the result still fits 64 bits with wide room. */
#define POISSON_MEAN_MAX 1e15

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

void random_init(struct random *random, uint64_t seed)
{
	for (size_t i = 0; i < 4; i++)
		random->state[i] = splitmix64(&seed);
	random->spare = NAN;
}

uint64_t random_u64(struct random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	unsigned __int128 product;
	uint64_t low;

	if (bound == 0)
		return 0;
	product = (unsigned __int128)random_u64(random) * bound;
	low = (uint64_t)product;
	if (low < bound) {
		/* 2^64 mod bound: products whose low half lies under it come up once too often. */
		uint64_t threshold = (0 - bound) % bound;
		while (low < threshold) {
			product = (unsigned __int128)random_u64(random) * bound;
			low = (uint64_t)product;
		}
	}
	return (uint64_t)(product >> 64);
}

double random_unit(struct random *random)
{
	return (double)(random_u64(random) >> 11) * 0x1p-53;
}

double random_normal(struct random *random)
{
	double radius, angle, spare = random->spare;

	if (!isnan(spare)) {
		random->spare = NAN;
		return spare;
	}
	/* 1 - u lies in (0, 1], where the logarithm is finite. */
	radius = sqrt(-2.0 * log(1.0 - random_unit(random)));
	angle = TWO_PI * random_unit(random);
	random->spare = radius * sin(angle);
	return radius * cos(angle);
}

/* Knuth's method: multiply uniforms until they fall under e^-mean. */
static uint64_t poisson_by_product(struct random *random, double mean)
{
	double limit = exp(-mean), product = random_unit(random);
	uint64_t count = 0;

	while (product > limit) {
		product *= random_unit(random);
		count++;
	}
	return count;
}

/* lgamma() writes a global (signgam); this one leaves the sign with us. */
static double log_factorial(double k)
{
	int sign;

	return lgamma_r(k + 1.0, &sign);
}

static uint64_t poisson_ptrs(struct random *random, double mean)
{
	double b = 0.931 + 2.53 * sqrt(mean);
	double a = -0.059 + 0.02483 * b;
	double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
	double v_r = 0.9277 - 3.6224 / (b - 2.0);
	double log_mean = log(mean);

	for (;;) {
		double u = random_unit(random) - 0.5;
		double v = 1.0 - random_unit(random);
		double us = 0.5 - fabs(u);
		double k = floor((2.0 * a / us + b) * u + mean + 0.43);

		if (us >= 0.07 && v <= v_r)
			return (uint64_t)k;
		if (k < 0.0 || (us < 0.013 && v > us))
			continue;
		if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <=
			-mean + k * log_mean - log_factorial(k))
			return (uint64_t)k;
	}
}

uint64_t random_poisson(struct random *random, double mean)
{
	if (!(mean > 0.0)) /* NaN too */
		return 0;
	if (mean < POISSON_PTRS_MIN)
		return poisson_by_product(random, mean);
	if (mean > POISSON_MEAN_MAX)
		mean = POISSON_MEAN_MAX;
	return poisson_ptrs(random, mean);
}

enum status random_secret(void *bytes, size_t size)
{
	char *at = bytes;

	while (size > 0) {
		ssize_t got = getrandom(at, size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return STATUS_IO;
		at += got;
		size -= (size_t)got;
	}
	return STATUS_OK;
}
