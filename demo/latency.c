/*
 * Below 64 ns a bucket is one nanosecond. Above, its number is the power of two and the five bits
 * that follow the leading one.
 */
#include "demo/latency.h"

#include <math.h>

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t power;

	if (ns < 64)
		return (uint32_t)ns;
	power = 63 - (uint32_t)__builtin_clzll(ns);
	return (power - 4) * 32 + (uint32_t)(ns >> (power - 5) & 31);
}

/* The largest time of a bucket. */
static int64_t bucket_top(uint32_t bucket)
{
	uint32_t power = bucket / 32 + 4;

	if (bucket < 64)
		return bucket;
	return (int64_t)(((UINT64_C(33) + bucket % 32) << (power - 5)) - 1);
}

void latency_add(struct latency *latency, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	latency->buckets[bucket_of((uint64_t)ns)]++;
	latency->count++;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
}

void latency_merge(struct latency *sum, const struct latency *more)
{
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
		sum->buckets[i] += more->buckets[i];
	sum->count += more->count;
	if (more->max_ns > sum->max_ns)
		sum->max_ns = more->max_ns;
}

int64_t latency_quantile_ns(const struct latency *latency, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)latency->count), seen = 0;

	if (wanted < 1)
		wanted = 1;
	for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
		seen += latency->buckets[i];
		if (seen >= wanted)
			return bucket_top(i) < latency->max_ns ? bucket_top(i) : latency->max_ns;
	}
	return latency->max_ns;
}

static double quantile_ms(const struct latency *latency, double share)
{
	return (double)latency_quantile_ns(latency, share) / 1e6;
}

void latency_write(FILE *out, const char *title, const struct latency *latency)
{
	fprintf(out, "%-11s p50 %.2f ms   p90 %.2f ms   p99 %.2f ms   max %.2f ms\n", title,
		quantile_ms(latency, 0.5), quantile_ms(latency, 0.9), quantile_ms(latency, 0.99),
		(double)latency->max_ns / 1e6);
}

void latency_write_json(struct buf *json, const char *name, const struct latency *latency)
{
	buf_printf(json, "\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name,
		quantile_ms(latency, 0.5), quantile_ms(latency, 0.9), quantile_ms(latency, 0.99),
		(double)latency->max_ns / 1e6);
}
