/*
 * Differences and sums of histograms.
 *
 * Two histograms are brought to the same buckets first. Exponential ones: the finer schema is merged
 * down to the coarser one, and the narrower zero bucket is widened to the other one, and further where
 * that ends inside a bucket that has observations. With zero buckets of one width nothing is widened,
 * although observations below the threshold's bucket may stand on either side of it.
 * Custom ones keep the bounds that both have.
 *
 * A counter began anew when a count fell, and also when its resolution rose or its zero bucket got
 * narrower, which instrumented programs do at a reset alone (source: Prometheus,
 * FloatHistogram.DetectReset). The hint "no reset" is not relied on: it speaks of the sample that the
 * sender scraped before, which need not be the one that was kept.
 */
#include <math.h>
#include <string.h>

#include "store/histogram.h"

/* Bounds that are the same may differ in their last bits, depending on who computed them; buckets are
 * wider by far. */
#define BOUND_SLACK 1e-12

/* Takes the buckets up to `threshold` into the zero bucket. One that reaches beyond raises it. */
static double absorb(struct histogram *histogram, struct histogram_side *side, double threshold)
{
	uint32_t taken = 0;

	while (taken < side->count &&
		histogram_bound(histogram->schema, side->list[taken].index - 1) <
			threshold * (1 - BOUND_SLACK)) {
		double upper = histogram_bound(histogram->schema, side->list[taken].index);
		if (upper > threshold * (1 + BOUND_SLACK))
			threshold = upper;
		histogram->zero_count += side->list[taken].count;
		taken++;
	}
	side->count -= taken;
	memmove(side->list, side->list + taken, side->count * sizeof(side->list[0]));
	return threshold;
}

/* The same zero bucket for both: the wider one, and wider still where it ends inside a bucket of the
 * other, which then takes in buckets of the first, too. */
static void widen_zero(struct histogram *a, struct histogram *b)
{
	while (a->zero_threshold != b->zero_threshold) {
		struct histogram *narrow = a->zero_threshold < b->zero_threshold ? a : b;
		double threshold = fmax(a->zero_threshold, b->zero_threshold), before;
		do {
			before = threshold;
			threshold = absorb(narrow, &narrow->positive, threshold);
			threshold = absorb(narrow, &narrow->negative, threshold);
		} while (threshold > before);
		narrow->zero_threshold = threshold;
	}
}

static bool same_schema(struct histogram *a, struct histogram *b)
{
	while (a->schema > b->schema && histogram_merge(a))
		;
	while (b->schema > a->schema && histogram_merge(b))
		;
	return a->schema == b->schema;
}

/* The count of this bucket; *at moves on over the smaller ones, of which `skipped` tells. */
static double count_at(const struct histogram_side *side, int32_t index, uint32_t *at,
	bool *skipped)
{
	while (*at < side->count && side->list[*at].index < index) {
		*skipped = true;
		++*at;
	}
	if (*at == side->count || side->list[*at].index != index)
		return 0;
	return side->list[(*at)++].count;
}

/* Whether no bucket of `later` is behind the one of `earlier`. */
static bool side_grew(const struct histogram_side *later, const struct histogram_side *earlier)
{
	bool skipped = false;
	uint32_t at = 0;

	for (uint32_t i = 0; i < later->count; i++)
		if (count_at(earlier, later->list[i].index, &at, &skipped) > later->list[i].count)
			return false;
	return !skipped && at == earlier->count;
}

static void side_subtract(struct histogram_side *later, const struct histogram_side *earlier)
{
	bool skipped = false;
	uint32_t at = 0, kept = 0;

	for (uint32_t i = 0; i < later->count; i++) {
		struct histogram_bucket bucket = later->list[i];
		bucket.count -= count_at(earlier, bucket.index, &at, &skipped);
		if (bucket.count > 0)
			later->list[kept++] = bucket;
	}
	later->count = kept;
}

static bool same_custom(const struct histogram *a, const struct histogram *b)
{
	return a->custom_count == b->custom_count &&
		memcmp(a->custom, b->custom, a->custom_count * sizeof(a->custom[0])) == 0;
}

static bool is_custom(const struct histogram *histogram)
{
	return histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

/* Whether the two say of themselves that the counter began anew between them. */
static bool told_reset(const struct histogram *later, const struct histogram *earlier)
{
	return later->hint == HISTOGRAM_HINT_RESET ||
		(later->start_ms != 0 && earlier->start_ms != 0 &&
			later->start_ms > earlier->start_ms);
}

/* Brings a pair of one kind to the same buckets; false when their difference in form shows that the
 * counter began anew, and then `later` is as it was. */
static bool same_buckets(struct histogram *later, struct histogram *earlier)
{
	double threshold = later->zero_threshold;

	if (is_custom(later))
		return same_custom(later, earlier);
	if (later->schema > earlier->schema || threshold < earlier->zero_threshold)
		return false;
	(void)same_schema(later, earlier);
	if (threshold == earlier->zero_threshold)
		return true;
	/* A counter that widened its zero bucket did so at a bound between buckets. */
	threshold = absorb(earlier, &earlier->positive, threshold);
	threshold = absorb(earlier, &earlier->negative, threshold);
	return threshold == later->zero_threshold;
}

bool histogram_increase(struct histogram *later, struct histogram *earlier)
{
	if (later->stale || earlier->stale || later->hint == HISTOGRAM_HINT_GAUGE ||
		earlier->hint == HISTOGRAM_HINT_GAUGE || is_custom(later) != is_custom(earlier))
		return false;
	if (told_reset(later, earlier) || later->count < earlier->count ||
		!same_buckets(later, earlier) || later->zero_count < earlier->zero_count ||
		!side_grew(&later->positive, &earlier->positive) ||
		!side_grew(&later->negative, &earlier->negative))
		return true;
	later->count -= earlier->count;
	later->sum -= earlier->sum;
	later->zero_count -= earlier->zero_count;
	side_subtract(&later->positive, &earlier->positive);
	side_subtract(&later->negative, &earlier->negative);
	return true;
}

static void side_add_merged(struct histogram_side *into, struct histogram_side *from)
{
	struct histogram_side sum = {.count = 0};
	uint32_t a = 0, b = 0;

	while ((a < into->count || b < from->count) && sum.count < HISTOGRAM_BUCKETS_MAX) {
		struct histogram_bucket bucket;
		if (b == from->count ||
			(a < into->count && into->list[a].index <= from->list[b].index)) {
			bucket = into->list[a++];
			if (b < from->count && from->list[b].index == bucket.index)
				bucket.count += from->list[b++].count;
		} else {
			bucket = from->list[b++];
		}
		sum.list[sum.count++] = bucket;
	}
	*into = sum;
}

/* How many buckets both together have. */
static uint32_t side_union(const struct histogram_side *a, const struct histogram_side *b)
{
	uint32_t i = 0, k = 0, count = 0;

	while (i < a->count || k < b->count) {
		bool first =
			k == b->count || (i < a->count && a->list[i].index <= b->list[k].index);
		bool second =
			i == a->count || (k < b->count && b->list[k].index <= a->list[i].index);
		i += first;
		k += second;
		count++;
	}
	return count;
}

/* Leaves out the bounds that are not in bounds[count]: their buckets go into the next one above. */
static void keep_custom(struct histogram *histogram, const double *bounds, uint32_t count)
{
	struct histogram_side *side = &histogram->positive;
	uint32_t place = 0, kept = 0;

	for (uint32_t i = 0; i < side->count; i++) {
		uint32_t index = (uint32_t)side->list[i].index;
		while (place < count && index < histogram->custom_count &&
			bounds[place] < histogram->custom[index])
			place++;
		if (index >= histogram->custom_count)
			place = count;
		if (kept > 0 && side->list[kept - 1].index == (int32_t)place)
			side->list[kept - 1].count += side->list[i].count;
		else
			side->list[kept++] =
				(struct histogram_bucket){(int32_t)place, side->list[i].count};
	}
	side->count = kept;
}

static void common_custom(struct histogram *a, struct histogram *b)
{
	double common[HISTOGRAM_CUSTOM_MAX] = {0};
	uint32_t count = 0;

	for (uint32_t i = 0, k = 0; i < a->custom_count; i++) {
		while (k < b->custom_count && b->custom[k] < a->custom[i])
			k++;
		if (k < b->custom_count && b->custom[k] == a->custom[i])
			common[count++] = a->custom[i];
	}
	keep_custom(a, common, count);
	keep_custom(b, common, count);
	a->custom_count = b->custom_count = count;
	if (count > 0) {
		memcpy(a->custom, common, count * sizeof(common[0]));
		memcpy(b->custom, common, count * sizeof(common[0]));
	}
}

bool histogram_plus(struct histogram *sum, struct histogram *other)
{
	if (sum->stale || other->stale || is_custom(sum) != is_custom(other))
		return false;
	if (is_custom(sum)) {
		if (!same_custom(sum, other))
			common_custom(sum, other);
	} else {
		(void)same_schema(sum, other);
		widen_zero(sum, other);
		while ((side_union(&sum->positive, &other->positive) > HISTOGRAM_BUCKETS_MAX ||
			       side_union(&sum->negative, &other->negative) >
				       HISTOGRAM_BUCKETS_MAX) &&
			histogram_merge(sum))
			(void)histogram_merge(other);
	}
	sum->count += other->count;
	sum->sum += other->sum;
	sum->zero_count += other->zero_count;
	sum->is_float |= other->is_float;
	side_add_merged(&sum->positive, &other->positive);
	side_add_merged(&sum->negative, &other->negative);
	return true;
}
