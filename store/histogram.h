/*
 * Native histograms of Prometheus as plain values: exponential buckets (schemas -4 to 8) and buckets
 * with custom bounds (schema -53), their check, their compact encoding, increases and quantiles.
 * Source: Prometheus, "Native Histograms" (specification).
 *
 * Ownership: plain values, without pointers; about 20 KiB each, not for the stack of a thread.
 * Limits: HISTOGRAM_BUCKETS_MAX populated buckets a side; with more, exponential buckets are merged
 *   two by two (a schema lower), custom ones are refused. HISTOGRAM_CUSTOM_MAX custom bounds.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_STORE_HISTOGRAM_H
#define NIMBUSGUARD_STORE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HISTOGRAM_BUCKETS_MAX 512
#define HISTOGRAM_CUSTOM_MAX 511 /* a bucket more */
#define HISTOGRAM_SCHEMA_MIN (-4)
#define HISTOGRAM_SCHEMA_MAX 8
#define HISTOGRAM_SCHEMA_CUSTOM (-53)
/* Bytes that an encoded histogram takes at most. */
#define HISTOGRAM_BYTES_MAX 16384

/* Numbers of the protocol. */
enum histogram_hint {
	HISTOGRAM_HINT_UNKNOWN,
	HISTOGRAM_HINT_RESET,
	HISTOGRAM_HINT_NO_RESET,
	HISTOGRAM_HINT_GAUGE
};

/* Bucket i of schema n covers (b^(i-1), b^i] with b = 2^(2^-n), mirrored on the negative side; of
 * custom bounds (custom[i-1], custom[i]], the first from -Inf, the last to +Inf. Empty buckets are
 * left out. */
struct histogram_bucket {
	int32_t index;
	double count;
};

struct histogram_side {
	uint32_t count;
	struct histogram_bucket list[HISTOGRAM_BUCKETS_MAX]; /* ascending */
};

struct histogram {
	int64_t start_ms; /* when it began to count; 0: unknown */
	int32_t schema;
	uint8_t merged; /* how many times buckets were merged two by two on the way in */
	enum histogram_hint hint;
	bool is_float; /* counts need not be whole */
	bool stale;    /* a marker: the series has ended, all else means nothing */
	double count, sum;
	double zero_count, zero_threshold; /* zero bucket: |v| <= zero_threshold */
	struct histogram_side positive, negative;
	uint32_t custom_count;
	double custom[HISTOGRAM_CUSTOM_MAX];
};

/* Empty, of schema 0. */
void histogram_reset(struct histogram *histogram);

/* Before buckets are added. Schemas 9 to 52 are taken as 8, with buckets merged. STATUS_BAD_INPUT. */
enum status histogram_set_schema(struct histogram *histogram, int32_t schema,
	struct error *error) MUST_CHECK;
/* The next bucket of a side, of the schema that was set, in ascending order; empty ones are passed
 * over. STATUS_BAD_INPUT: a negative or infinite count, a bucket that cannot be; STATUS_LIMIT: too
 * many of custom bounds. */
enum status histogram_add(struct histogram *histogram, bool negative, int64_t index, double count,
	struct error *error) MUST_CHECK;
/* The next custom bound. STATUS_LIMIT. */
enum status histogram_add_custom(struct histogram *histogram, double bound,
	struct error *error) MUST_CHECK;
/* Whether it all fits together, once all of it is there. STATUS_BAD_INPUT. */
enum status histogram_check(const struct histogram *histogram, struct error *error) MUST_CHECK;

/* Merges exponential buckets two by two; false when the schema is the lowest or custom. */
bool histogram_merge(struct histogram *histogram);

/* later := what was counted between the two, which follow each other in a series of counters. Where
 * the counters started anew in between it is `later` as it is. Schemas and zero buckets are brought
 * together, which may change `earlier` too.
 * false: one is a marker or a gauge, or the bounds differ in kind; then both mean nothing. */
bool histogram_increase(struct histogram *later, struct histogram *earlier);
/* sum := sum + other, with schemas, zero buckets and custom bounds brought together (custom bounds
 * that only one of them has are given up), which may change `other` too.
 * false: one is a marker, or the bounds differ in kind; then both mean nothing. */
bool histogram_plus(struct histogram *sum, struct histogram *other);

/* The value below which a share q of the observations lies, as Prometheus 3 gives it: interpolated on
 * a logarithmic scale in exponential buckets, linearly in custom ones and in the zero bucket. NaN:
 * no observations, a marker, or q is no number; else -Inf for q < 0, +Inf for q > 1.
 * Source: HistogramQuantile() in promql/quantile.go of Prometheus 3. */
double histogram_quantile(const struct histogram *histogram, double q);

/* Which bounds belong to a bucket: the numbers of Prometheus' API. */
enum histogram_bounds {
	HISTOGRAM_OPEN_LEFT = 0,
	HISTOGRAM_OPEN_RIGHT = 1,
	HISTOGRAM_OPEN_BOTH = 2,
	HISTOGRAM_CLOSED = 3
};

/* The upper bound of an exponential bucket; the largest double for 2^1024, infinite beyond. */
double histogram_bound(int32_t schema, int32_t index);

struct histogram_range {
	double lower, upper, count;
	enum histogram_bounds bounds;
};

/* All populated buckets from the lowest to the highest, the zero bucket among them:
 * 0 <= i < histogram_range_count(). */
uint32_t histogram_range_count(const struct histogram *histogram);
struct histogram_range histogram_range_at(const struct histogram *histogram, uint32_t i);

/* Bytes written; room: at least HISTOGRAM_BYTES_MAX. */
size_t histogram_encode(const struct histogram *histogram, uint8_t *bytes);
/* Of bytes that histogram_encode() wrote. */
void histogram_decode(struct histogram *histogram, const uint8_t *bytes, size_t size);

#endif
