/*
 * The encoding of a histogram at rest:
 *
 *   flags, schema + 64, sum as 8 bytes, count
 *   [start as zigzag varint] [zero threshold as 8 bytes, zero count]
 *   positive buckets, [negative buckets], [custom bounds as 8 bytes each behind their number]
 *
 * Buckets: their number; each the distance of its index to the one before (zigzag) and its count.
 * Counts are whole numbers nearly always, and then neighbours differ by little: zigzag varints of
 * differences. Else 8 bytes each. A histogram of 160 buckets in use thus takes 300 to 500 bytes
 * instead of 2.5 KiB.
 */
#include <string.h>

#include "base/check.h"
#include "store/histogram.h"

enum {
	FLAG_HINT = 3, /* the two lowest bits */
	FLAG_FLOAT = 4,
	FLAG_STALE = 8,
	FLAG_START = 16,
	FLAG_ZERO = 32,
	FLAG_NEGATIVE = 64,
	FLAG_RAW = 128 /* counts are not all whole */
};

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put_signed(uint8_t *at, int64_t value)
{
	return put_varint(at, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

static uint8_t *put_double(uint8_t *at, double value)
{
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static const uint8_t *get_varint(const uint8_t *at, uint64_t *value)
{
	unsigned shift = 0;

	*value = 0;
	do {
		*value |= (uint64_t)(*at & 0x7f) << shift;
		shift += 7;
	} while (*at++ >= 0x80);
	return at;
}

static const uint8_t *get_signed(const uint8_t *at, int64_t *value)
{
	uint64_t bits;

	at = get_varint(at, &bits);
	*value = (int64_t)(bits >> 1 ^ (bits & 1 ? UINT64_MAX : 0));
	return at;
}

static const uint8_t *get_double(const uint8_t *at, double *value)
{
	memcpy(value, at, sizeof(*value));
	return at + sizeof(*value);
}

static bool is_whole(double value)
{
	return value >= 0 && value < WHOLE_MAX && value == (double)(int64_t)value;
}

static bool side_whole(const struct histogram_side *side)
{
	for (uint32_t i = 0; i < side->count; i++)
		if (!is_whole(side->list[i].count))
			return false;
	return true;
}

static uint8_t *put_count(uint8_t *at, bool raw, double count)
{
	return raw ? put_double(at, count) : put_varint(at, (uint64_t)count);
}

static const uint8_t *get_count(const uint8_t *at, bool raw, double *count)
{
	uint64_t whole;

	if (raw)
		return get_double(at, count);
	at = get_varint(at, &whole);
	*count = (double)whole;
	return at;
}

static uint8_t *put_side(uint8_t *at, bool raw, const struct histogram_side *side)
{
	int64_t index = 0, count = 0;

	at = put_varint(at, side->count);
	for (uint32_t i = 0; i < side->count; i++) {
		const struct histogram_bucket *bucket = &side->list[i];
		at = put_signed(at, bucket->index - index);
		index = bucket->index;
		if (raw) {
			at = put_double(at, bucket->count);
		} else {
			at = put_signed(at, (int64_t)bucket->count - count);
			count = (int64_t)bucket->count;
		}
	}
	return at;
}

static const uint8_t *get_side(const uint8_t *at, bool raw, struct histogram_side *side)
{
	int64_t index = 0, count = 0, step;
	uint64_t number;

	at = get_varint(at, &number);
	CHECK(number <= HISTOGRAM_BUCKETS_MAX);
	side->count = (uint32_t)number;
	for (uint32_t i = 0; i < side->count; i++) {
		struct histogram_bucket *bucket = &side->list[i];
		at = get_signed(at, &step);
		index += step;
		bucket->index = (int32_t)index;
		if (raw) {
			at = get_double(at, &bucket->count);
		} else {
			at = get_signed(at, &step);
			count += step;
			bucket->count = (double)count;
		}
	}
	return at;
}

size_t histogram_encode(const struct histogram *histogram, uint8_t *bytes)
{
	bool raw = !is_whole(histogram->count) || !is_whole(histogram->zero_count) ||
		!side_whole(&histogram->positive) || !side_whole(&histogram->negative);
	bool zero = histogram->zero_count != 0 || histogram->zero_threshold != 0;
	unsigned flags = (unsigned)histogram->hint & FLAG_HINT;
	uint8_t *at = bytes;

	flags |= (histogram->is_float ? FLAG_FLOAT : 0u) | (histogram->stale ? FLAG_STALE : 0u) |
		(histogram->start_ms != 0 ? FLAG_START : 0u) | (zero ? FLAG_ZERO : 0u) |
		(histogram->negative.count > 0 ? FLAG_NEGATIVE : 0u) | (raw ? FLAG_RAW : 0u);
	*at++ = (uint8_t)flags;
	*at++ = (uint8_t)(histogram->schema + 64);
	at = put_double(at, histogram->sum);
	if (histogram->stale)
		return (size_t)(at - bytes);
	at = put_count(at, raw, histogram->count);
	if (histogram->start_ms != 0)
		at = put_signed(at, histogram->start_ms);
	if (zero) {
		at = put_double(at, histogram->zero_threshold);
		at = put_count(at, raw, histogram->zero_count);
	}
	at = put_side(at, raw, &histogram->positive);
	if (histogram->negative.count > 0)
		at = put_side(at, raw, &histogram->negative);
	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
		at = put_varint(at, histogram->custom_count);
		for (uint32_t i = 0; i < histogram->custom_count; i++)
			at = put_double(at, histogram->custom[i]);
	}
	CHECK(at - bytes <= HISTOGRAM_BYTES_MAX);
	return (size_t)(at - bytes);
}

void histogram_decode(struct histogram *histogram, const uint8_t *bytes, size_t size)
{
	const uint8_t *at = bytes;
	unsigned flags = *at++;
	bool raw = (flags & FLAG_RAW) != 0;
	uint64_t number;

	histogram_reset(histogram);
	histogram->hint = (enum histogram_hint)(flags & FLAG_HINT);
	histogram->is_float = (flags & FLAG_FLOAT) != 0;
	histogram->stale = (flags & FLAG_STALE) != 0;
	histogram->schema = *at++ - 64;
	at = get_double(at, &histogram->sum);
	if (histogram->stale)
		return;
	at = get_count(at, raw, &histogram->count);
	if (flags & FLAG_START)
		at = get_signed(at, &histogram->start_ms);
	if (flags & FLAG_ZERO) {
		at = get_double(at, &histogram->zero_threshold);
		at = get_count(at, raw, &histogram->zero_count);
	}
	at = get_side(at, raw, &histogram->positive);
	if (flags & FLAG_NEGATIVE)
		at = get_side(at, raw, &histogram->negative);
	if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
		at = get_varint(at, &number);
		CHECK(number <= HISTOGRAM_CUSTOM_MAX);
		histogram->custom_count = (uint32_t)number;
		for (uint32_t i = 0; i < histogram->custom_count; i++)
			at = get_double(at, &histogram->custom[i]);
	}
	CHECK(at == bytes + size);
}
