#include "analyzers/rightsize/decay.h"

#include <math.h>

#include "base/check.h"

#define EXPONENT_MAX 100

size_t decay_bucket_count(const struct decay_scale *scale)
{
	return (size_t)ceil(log(scale->most * (scale->growth - 1) / scale->first + 1) /
		       log(scale->growth)) +
		1;
}

size_t decay_bucket(const struct decay_scale *scale, double value)
{
	size_t last = decay_bucket_count(scale) - 1;
	double bucket;

	if (!(value >= scale->first))
		return 0;
	bucket = floor(log(value * (scale->growth - 1) / scale->first + 1) / log(scale->growth));
	return bucket < (double)last ? (size_t)bucket : last;
}

double decay_bucket_start(const struct decay_scale *scale, size_t bucket)
{
	return bucket == 0
		? 0
		: scale->first * (pow(scale->growth, (double)bucket) - 1) / (scale->growth - 1);
}

void decay_init(struct decay *decay, const struct decay_scale *scale)
{
	CHECK(decay_bucket_count(scale) <= DECAY_BUCKETS_MAX);
	*decay = (struct decay){.scale = scale};
}

/* To a whole number of half-lives near t, so that weights are scaled by a power of two alone. */
static void move_reference(struct decay *decay, int64_t t_ms)
{
	int64_t half_life = decay->scale->half_life_ms;
	int64_t rounds = t_ms / half_life - (t_ms % half_life < 0);
	int64_t next = rounds * half_life;
	int exponent;

	if (t_ms - next >= half_life - half_life / 2)
		next += half_life;
	/* Further than the range of a double everything is gone either way. */
	exponent = (decay->reference_ms - next) / half_life < -2000
		? -2000
		: (int)((decay->reference_ms - next) / half_life);
	decay->total = ldexp(decay->total, exponent);
	for (size_t i = 0; i < DECAY_BUCKETS_MAX; i++)
		decay->weights[i] = ldexp(decay->weights[i], exponent);
	decay->reference_ms = next;
}

static double factor_of(struct decay *decay, int64_t t_ms)
{
	if (t_ms > decay->reference_ms + EXPONENT_MAX * decay->scale->half_life_ms)
		move_reference(decay, t_ms);
	return exp2((double)(t_ms - decay->reference_ms) / (double)decay->scale->half_life_ms);
}

void decay_add(struct decay *decay, double value, double weight, int64_t t_ms)
{
	double added = weight * factor_of(decay, t_ms);

	decay->weights[decay_bucket(decay->scale, value)] += added;
	decay->total += added;
}

static double without(double weight, double taken, double epsilon)
{
	return weight - taken < epsilon ? 0 : weight - taken;
}

void decay_subtract(struct decay *decay, double value, double weight, int64_t t_ms)
{
	double taken = weight * factor_of(decay, t_ms);
	double *bucket = &decay->weights[decay_bucket(decay->scale, value)];

	*bucket = without(*bucket, taken, decay->scale->epsilon);
	decay->total = without(decay->total, taken, decay->scale->epsilon);
}

/* The first and the last bucket that are not empty. */
static bool bounds(const struct decay *decay, size_t *first, size_t *last)
{
	size_t count = decay_bucket_count(decay->scale);

	*first = 0;
	while (*first < count && decay->weights[*first] < decay->scale->epsilon)
		(*first)++;
	if (*first == count)
		return false;
	*last = count - 1;
	while (decay->weights[*last] < decay->scale->epsilon)
		(*last)--;
	return true;
}

bool decay_empty(const struct decay *decay)
{
	size_t first, last;

	return !bounds(decay, &first, &last);
}

double decay_percentile(const struct decay *decay, double part)
{
	size_t bucket, last;
	double sum = 0;

	if (!bounds(decay, &bucket, &last))
		return 0;
	for (; bucket < last; bucket++) {
		sum += decay->weights[bucket];
		if (sum >= part * decay->total)
			break;
	}
	/* The last bucket of all has no end. */
	if (bucket + 1 < decay_bucket_count(decay->scale))
		bucket++;
	return decay_bucket_start(decay->scale, bucket);
}

double decay_above(const struct decay *decay, double value)
{
	size_t bucket = decay_bucket(decay->scale, value);
	double start = decay_bucket_start(decay->scale, bucket);
	double end = decay_bucket_start(decay->scale, bucket + 1), above, sum = 0;

	if (decay_empty(decay))
		return NAN;
	above = decay->weights[bucket] * fmax(0, fmin(1, (end - value) / (end - start)));
	for (size_t i = 0; i < DECAY_BUCKETS_MAX; i++) {
		sum += decay->weights[i];
		above += i > bucket ? decay->weights[i] : 0;
	}
	return above / sum;
}
