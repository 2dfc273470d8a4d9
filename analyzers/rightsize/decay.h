/*
 * The decaying histogram of the Vertical Pod Autoscaler's recommender: buckets that grow by a factor, and
 * weights that halve with each half-life of their age.
 *
 * Instead of ageing what is there, a sample at t is added with weight * 2^((t - reference) / half-life);
 * when that exponent exceeds 100 the reference moves and all weights are scaled.
 *
 * Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/util (histogram,
 *   decaying_histogram).
 * Ownership: a plain value of about 1.4 kB.
 * Limits: DECAY_BUCKETS_MAX buckets; what is above the last one counts in it.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_RIGHTSIZE_DECAY_H
#define NIMBUSGUARD_ANALYZERS_RIGHTSIZE_DECAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECAY_BUCKETS_MAX 176

/* Bucket n begins at first * (growth^n - 1) / (growth - 1); the last one is that of `most`. */
struct decay_scale {
	double first, growth, most;
	int64_t half_life_ms;
	double epsilon; /* a bucket with less weight counts as empty */
};

struct decay {
	const struct decay_scale *scale;
	double weights[DECAY_BUCKETS_MAX];
	double total;
	int64_t reference_ms;
};

/* The scale is borrowed for the life of the histogram and has at most DECAY_BUCKETS_MAX buckets. */
void decay_init(struct decay *decay, const struct decay_scale *scale);
size_t decay_bucket_count(const struct decay_scale *scale);
/* The bucket of a value of at least 0, and where a bucket begins. */
size_t decay_bucket(const struct decay_scale *scale, double value);
double decay_bucket_start(const struct decay_scale *scale, size_t bucket);

void decay_add(struct decay *decay, double value, double weight, int64_t t_ms);
/* Takes back a sample that was added with the same value, weight and time. */
void decay_subtract(struct decay *decay, double value, double weight, int64_t t_ms);
bool decay_empty(const struct decay *decay);
/* The end of the bucket that holds the part of all weight, 0 to 1; 0 when the histogram is empty. */
double decay_percentile(const struct decay *decay, double part);
/* The part of the weight above a value, the bucket of which is divided evenly; NaN: empty. */
double decay_above(const struct decay *decay, double value);

#endif
