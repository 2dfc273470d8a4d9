/*
 * Building, checking, merging. Differences are in histogram_increase.c, quantiles in
 * histogram_quantile.c, the encoding in histogram_code.c.
 *
 * A histogram that has more populated buckets than there is room for loses resolution instead of
 * buckets: histogram_add() merges what is there two by two and takes the rest at the lower schema.
 * Index j of a schema is index ((j - 1) >> 1) + 1 of the next lower one, because bounds are inclusive
 * above. At schema -4 a bucket spans 2^16, so that all doubles fit in 133 buckets: merging always
 * ends with enough room.
 */
#include "store/histogram.h"

#include <math.h>
#include <string.h>

/* Indexes beyond this are of no double: 2^8 buckets for each power of two, and schemas up to 52 that
 * are merged on the way. */
#define INDEX_MAX (INT64_C(1) << 62)
/* Up to here doubles add whole numbers exactly. */
#define EXACT_MAX 9007199254740992.0

void histogram_reset(struct histogram *histogram)
{
	histogram->start_ms = 0;
	histogram->schema = 0;
	histogram->merged = 0;
	histogram->hint = HISTOGRAM_HINT_UNKNOWN;
	histogram->is_float = false;
	histogram->stale = false;
	histogram->count = histogram->sum = 0;
	histogram->zero_count = histogram->zero_threshold = 0;
	histogram->positive.count = histogram->negative.count = 0;
	histogram->custom_count = 0;
}

enum status histogram_set_schema(struct histogram *histogram, int32_t schema, struct error *error)
{
	if (schema != HISTOGRAM_SCHEMA_CUSTOM && (schema < HISTOGRAM_SCHEMA_MIN || schema > 52))
		return error_set(error, STATUS_BAD_INPUT, "schema %d is unknown", schema);
	histogram->schema = schema;
	if (schema > HISTOGRAM_SCHEMA_MAX) {
		histogram->merged = (uint8_t)(schema - HISTOGRAM_SCHEMA_MAX);
		histogram->schema = HISTOGRAM_SCHEMA_MAX;
	}
	return STATUS_OK;
}

/* The index after `times` mergings. */
static int64_t merged_index(int64_t index, unsigned times)
{
	int64_t below = index - 1;

	/* An arithmetic shift, written so that C promises it. */
	return (below >= 0 ? below >> times : ~(~below >> times)) + 1;
}

static void merge_side(struct histogram_side *side)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < side->count; i++) {
		int32_t index = (int32_t)merged_index(side->list[i].index, 1);
		if (kept > 0 && side->list[kept - 1].index == index)
			side->list[kept - 1].count += side->list[i].count;
		else
			side->list[kept++] = (struct histogram_bucket){index, side->list[i].count};
	}
	side->count = kept;
}

bool histogram_merge(struct histogram *histogram)
{
	if (histogram->schema <= HISTOGRAM_SCHEMA_MIN)
		return false;
	merge_side(&histogram->positive);
	merge_side(&histogram->negative);
	histogram->schema--;
	histogram->merged++;
	return true;
}

/* Whether a bucket of this index can hold a double at all, with one more at each end for what lies
 * beyond (infinities) and for senders that count the smallest numbers into the next bucket. */
static bool index_possible(const struct histogram *histogram, int64_t index)
{
	double exponent;

	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM)
		return index >= 0 && index <= HISTOGRAM_CUSTOM_MAX;
	exponent = ldexp((double)index, -histogram->schema);
	return exponent >= -1076 - ldexp(1, -histogram->schema) &&
		exponent <= 1024 + 2 * ldexp(1, -histogram->schema);
}

enum status histogram_add(struct histogram *histogram, bool negative, int64_t index, double count,
	struct error *error)
{
	struct histogram_side *side = negative ? &histogram->negative : &histogram->positive;

	if (!(count >= 0) || isinf(count))
		return error_set(error, STATUS_BAD_INPUT,
			"a bucket has the count %g, which cannot be", count);
	if (index > INDEX_MAX || index < -INDEX_MAX ||
		!index_possible(histogram, merged_index(index, histogram->merged)))
		return error_set(error, STATUS_BAD_INPUT, "there can be no bucket %lld",
			(long long)index);
	if (count == 0)
		return STATUS_OK;
	for (;;) {
		int64_t at = merged_index(index, histogram->merged);
		struct histogram_bucket *last =
			side->count > 0 ? &side->list[side->count - 1] : NULL;
		if (last != NULL && last->index > at)
			return error_set(error, STATUS_BAD_INPUT, "buckets are not in order");
		if (last != NULL && last->index == at) {
			last->count += count;
			return STATUS_OK;
		}
		if (side->count < HISTOGRAM_BUCKETS_MAX) {
			side->list[side->count++] = (struct histogram_bucket){(int32_t)at, count};
			return STATUS_OK;
		}
		if (!histogram_merge(histogram))
			return error_set(error, STATUS_LIMIT, "more than %d buckets",
				HISTOGRAM_BUCKETS_MAX);
	}
}

enum status histogram_add_custom(struct histogram *histogram, double bound, struct error *error)
{
	if (histogram->custom_count == HISTOGRAM_CUSTOM_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d custom bounds",
			HISTOGRAM_CUSTOM_MAX);
	histogram->custom[histogram->custom_count++] = bound;
	return STATUS_OK;
}

static enum status check_custom(const struct histogram *histogram, struct error *error)
{
	const struct histogram_side *positive = &histogram->positive;

	if (histogram->negative.count > 0 || histogram->zero_count != 0 ||
		histogram->zero_threshold != 0)
		return error_set(error, STATUS_BAD_INPUT,
			"custom bounds go with no zero bucket and no negative ones");
	for (uint32_t i = 0; i < histogram->custom_count; i++) {
		double bound = histogram->custom[i];
		if (isnan(bound) || (isinf(bound) && bound > 0) ||
			(i > 0 && !(bound > histogram->custom[i - 1])))
			return error_set(error, STATUS_BAD_INPUT,
				"custom bound %u is %g, which is not above the one before or no "
				"number",
				i + 1, bound);
	}
	if (positive->count > 0 &&
		(uint32_t)positive->list[positive->count - 1].index > histogram->custom_count)
		return error_set(error, STATUS_BAD_INPUT,
			"bucket %d is beyond the %u custom bounds",
			positive->list[positive->count - 1].index, histogram->custom_count);
	return STATUS_OK;
}

static double side_total(const struct histogram_side *side)
{
	double total = 0;

	for (uint32_t i = 0; i < side->count; i++)
		total += side->list[i].count;
	return total;
}

enum status histogram_check(const struct histogram *histogram, struct error *error)
{
	double total = side_total(&histogram->positive) + side_total(&histogram->negative) +
		histogram->zero_count;
	double slack;
	enum status status;

	if (histogram->stale)
		return STATUS_OK;
	if (!(histogram->count >= 0) || !(histogram->zero_count >= 0) || isinf(histogram->count) ||
		isinf(histogram->zero_count))
		return error_set(error, STATUS_BAD_INPUT, "count %g or zero count %g cannot be",
			histogram->count, histogram->zero_count);
	if (!(histogram->zero_threshold >= 0) || isinf(histogram->zero_threshold))
		return error_set(error, STATUS_BAD_INPUT, "zero threshold %g cannot be",
			histogram->zero_threshold);
	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
		status = check_custom(histogram, error);
		if (status != STATUS_OK)
			return status;
	} else if (histogram->custom_count > 0) {
		return error_set(error, STATUS_BAD_INPUT,
			"custom bounds in a histogram of schema %d", histogram->schema);
	}
	/* Observations that are no number are in the count alone, and make the sum NaN. Sums of
	 * float counts are not exact, nor are whole numbers that no double has. */
	slack = histogram->count < EXACT_MAX ? 0 : histogram->count * 1e-12;
	if (!histogram->is_float &&
		(total > histogram->count + slack ||
			(!isnan(histogram->sum) && total < histogram->count - slack)))
		return error_set(error, STATUS_BAD_INPUT,
			"%g observations are in the buckets, the count is %g", total,
			histogram->count);
	return STATUS_OK;
}
