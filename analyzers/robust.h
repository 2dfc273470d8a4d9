/*
 * Robust location and scale: median, median absolute deviation, and the z-score built on them
 * (Iglewicz, Hoaglin, "How to Detect and Handle Outliers", ASQC 1993; 1.4826 makes the deviation
 * consistent with a normal distribution's standard deviation).
 *
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_ANALYZERS_ROBUST_H
#define NIMBUSGUARD_ANALYZERS_ROBUST_H

#include <stddef.h>

/* The median of values[0..count), whose order is changed; the mean of the middle two for an even
 * count; NaN for count 0. Values must be finite. */
double robust_median(double *values, size_t count);

struct robust_scale {
	double median, deviation; /* deviation: 1.4826 * median |x - median| */
};

/* values: [count], order changed. scratch: [count]. */
struct robust_scale robust_scale(double *values, double *scratch, size_t count);

/* (value - median) / max(deviation, floor); 0 when that divisor is 0 and value equals the median.
 * Never NaN for finite input; clamped to +-1e6. */
double robust_score(double value, const struct robust_scale *scale, double floor);

#endif
