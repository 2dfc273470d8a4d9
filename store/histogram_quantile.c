/*
 * Bounds of buckets and quantiles (Prometheus, "Native Histograms", sections "Schema" and
 * "Interpolation within a bucket", and histogram_quantile() of Prometheus 3).
 *
 * The quantile walks the buckets from the nearer end, so that high quantiles are not lost in the
 * rounding of a large sum; with observations that are no number, which are counted but in no bucket,
 * always from the lower end: they lie above all others.
 */
#include <float.h>
#include <math.h>

#include "store/histogram.h"

double histogram_bound(int32_t schema, int32_t index)
{
	double exponent = ldexp((double)index, -schema);
	double whole = floor(exponent);

	if (exponent == 1024)
		return DBL_MAX;
	if (exponent > 1024)
		return INFINITY;
	/* Exact at powers of two, and for the small numbers that exp2() alone rounds to zero. */
	return ldexp(exp2(exponent - whole), (int)whole);
}

static double custom_bound(const struct histogram *histogram, int32_t index)
{
	if (index < 0)
		return -INFINITY;
	return (uint32_t)index < histogram->custom_count ? histogram->custom[index] : INFINITY;
}

uint32_t histogram_range_count(const struct histogram *histogram)
{
	return histogram->stale ? 0
				: histogram->negative.count + (histogram->zero_count > 0) +
			histogram->positive.count;
}

struct histogram_range histogram_range_at(const struct histogram *histogram, uint32_t i)
{
	const struct histogram_bucket *bucket;

	if (i < histogram->negative.count) {
		bucket = &histogram->negative.list[histogram->negative.count - 1 - i];
		return (struct histogram_range){
			.lower = -histogram_bound(histogram->schema, bucket->index),
			.upper = -histogram_bound(histogram->schema, bucket->index - 1),
			.count = bucket->count,
			.bounds = HISTOGRAM_OPEN_RIGHT,
		};
	}
	i -= histogram->negative.count;
	if (histogram->zero_count > 0 && i-- == 0)
		return (struct histogram_range){
			.lower = -histogram->zero_threshold,
			.upper = histogram->zero_threshold,
			.count = histogram->zero_count,
			.bounds = HISTOGRAM_CLOSED,
		};
	bucket = &histogram->positive.list[i];
	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM)
		return (struct histogram_range){
			.lower = custom_bound(histogram, bucket->index - 1),
			.upper = custom_bound(histogram, bucket->index),
			.count = bucket->count,
			.bounds = bucket->index == 0 ? HISTOGRAM_CLOSED : HISTOGRAM_OPEN_LEFT,
		};
	return (struct histogram_range){
		.lower = histogram_bound(histogram->schema, bucket->index - 1),
		.upper = histogram_bound(histogram->schema, bucket->index),
		.count = bucket->count,
		.bounds = HISTOGRAM_OPEN_LEFT,
	};
}

/* The value at a share of the way through a bucket. */
static double interpolate(const struct histogram *histogram, struct histogram_range range,
	double share)
{
	double lower, upper;

	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
		/* A bucket without an end says no more than its bound; the first one is taken to
		 * begin at zero where that is possible. */
		if (isinf(range.upper))
			return range.lower;
		if (isinf(range.lower) && range.upper <= 0)
			return range.upper;
		if (isinf(range.lower))
			range.lower = 0;
		return range.lower + (range.upper - range.lower) * share;
	}
	if (range.lower <= 0 && range.upper >= 0) {
		/* With observations on one side only, the zero bucket has those of that side. */
		if (histogram->negative.count == 0 && histogram->positive.count > 0)
			range.lower = 0;
		else if (histogram->positive.count == 0 && histogram->negative.count > 0)
			range.upper = 0;
		return range.lower + (range.upper - range.lower) * share;
	}
	lower = log2(fabs(range.lower));
	upper = log2(fabs(range.upper));
	return range.lower > 0 ? exp2(lower + (upper - lower) * share)
			       : -exp2(upper + (lower - upper) * (1 - share));
}

double histogram_quantile(const struct histogram *histogram, double q)
{
	uint32_t count = histogram_range_count(histogram);
	bool nan_counted = isnan(histogram->sum), upwards = nan_counted || q < 0.5;
	double rank = (upwards ? q : 1 - q) * histogram->count, passed = 0;
	struct histogram_range range = {.count = 0};

	if (isnan(q) || count == 0 || !(histogram->count > 0))
		return NAN;
	if (q < 0 || q > 1)
		return q < 0 ? -INFINITY : INFINITY;
	for (uint32_t i = 0; i < count; i++) {
		range = histogram_range_at(histogram, upwards ? i : count - 1 - i);
		passed += range.count;
		if (passed >= rank)
			break;
	}
	if (passed > histogram->count)
		passed = histogram->count;
	/* Rounding, or observations that are no number and lie above. */
	if (passed < rank)
		return nan_counted ? NAN : range.upper;
	rank = upwards ? rank - (passed - range.count) : passed - rank;
	return interpolate(histogram, range, rank / range.count);
}
