/*
 * Times of many requests in little memory, for quantiles: 32 buckets between each power of two of
 * nanoseconds and the next, so that a quantile is at most 3 % too high.
 *
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_DEMO_LATENCY_H
#define NIMBUSGUARD_DEMO_LATENCY_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

#define LATENCY_BUCKETS (60 * 32)

struct latency {
	uint64_t count, buckets[LATENCY_BUCKETS];
	int64_t max_ns;
};

/* Less than nothing counts as nothing. */
void latency_add(struct latency *latency, int64_t ns);
void latency_merge(struct latency *sum, const struct latency *more);
/* The least time that at least this share (0 to 1) of the requests kept to; 0 without requests. */
int64_t latency_quantile_ns(const struct latency *latency, double share);
/* One line: the title, and 50, 90 and 99 % and the longest in milliseconds. */
void latency_write(FILE *out, const char *title, const struct latency *latency);
/* `"name":{"p50":..,"p90":..,"p99":..,"max":..}` in milliseconds. */
void latency_write_json(struct buf *json, const char *name, const struct latency *latency);

#endif
