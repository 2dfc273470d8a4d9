/*
 * Spans say where buckets are, and the counts follow in a list of their own: as differences for whole
 * numbers, as they are for floats (specification sheet remote_write, section 2). Both lists may stand
 * in several pieces anywhere in the message, packed or not; they are read side by side by cursors
 * over the message, so that nothing has to be copied out.
 */
#include "remote_write/decode_histogram.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "remote_write/shapes.h"

/* The value of the stale marker, which is that of float samples. */
#define STALE_BITS UINT64_C(0x7ff0000000000002)

/* Numbers of a repeated field, one by one. */
struct number_cursor {
	struct wire rest, block;
	uint32_t field;
	bool doubles;
};

static struct number_cursor numbers_of(struct wire message, uint32_t field, bool doubles)
{
	return (struct number_cursor){
		.rest = message,
		.block = {.at = message.at, .end = message.at},
		.field = field,
		.doubles = doubles,
	};
}

static bool read_number(struct wire *wire, bool doubles, uint64_t *bits)
{
	return doubles ? wire_fixed64(wire, bits) : wire_varint(wire, bits);
}

/* false at the end. */
static bool next_number(struct number_cursor *cursor, uint64_t *bits)
{
	struct wire_tag tag;

	while (cursor->block.at == cursor->block.end) {
		struct wire *rest = &cursor->rest;
		if (rest->at >= rest->end || !wire_tag(rest, &tag))
			return false;
		if (tag.field != cursor->field) {
			if (!wire_skip(rest, tag.type))
				return false;
		} else if (tag.type == WIRE_BYTES) {
			if (!wire_bytes(rest, &cursor->block))
				return false;
		} else {
			return read_number(rest, cursor->doubles, bits);
		}
	}
	return read_number(&cursor->block, cursor->doubles, bits);
}

static int64_t unzigzag(uint64_t bits)
{
	return (int64_t)(bits >> 1 ^ (bits & 1 ? UINT64_MAX : 0));
}

static double to_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

struct span {
	int32_t offset;
	uint32_t length;
};

/* The next span of this field; false at the end. */
static bool next_span(struct wire *rest, uint32_t field, struct span *span)
{
	struct wire inside;
	struct wire_tag tag;
	uint64_t number;

	for (;;) {
		if (rest->at >= rest->end || !wire_tag(rest, &tag))
			return false;
		if (tag.field == field)
			break;
		if (!wire_skip(rest, tag.type))
			return false;
	}
	*span = (struct span){0, 0};
	if (!wire_bytes(rest, &inside))
		return false;
	while (inside.at < inside.end) {
		if (!wire_tag(&inside, &tag))
			return false;
		if (tag.field > 2) {
			if (!wire_skip(&inside, tag.type))
				return false;
			continue;
		}
		if (!wire_varint(&inside, &number))
			return false;
		if (tag.field == 1)
			span->offset = (int32_t)unzigzag((uint32_t)number);
		else
			span->length = (uint32_t)number;
	}
	return true;
}

/* The buckets of one side. */
static enum status read_side(struct wire message, bool negative, struct histogram *histogram,
	struct error *error)
{
	uint32_t spans_field = negative ? HISTOGRAM_NEGATIVE_SPANS : HISTOGRAM_POSITIVE_SPANS;
	uint32_t deltas_field = negative ? HISTOGRAM_NEGATIVE_DELTAS : HISTOGRAM_POSITIVE_DELTAS;
	uint32_t counts_field = negative ? HISTOGRAM_NEGATIVE_COUNTS : HISTOGRAM_POSITIVE_COUNTS;
	const char *side = negative ? "negative" : "positive";
	bool is_float = histogram->is_float, first = true;
	struct number_cursor numbers =
		numbers_of(message, is_float ? counts_field : deltas_field, is_float);
	struct wire rest = message;
	int64_t index = 0;
	uint64_t whole = 0, bits;
	struct span span;

	while (next_span(&rest, spans_field, &span)) {
		if (!first && span.offset < 0)
			return error_set(error, STATUS_BAD_INPUT, "a %s span goes back by %lld",
				side, -(long long)span.offset);
		first = false;
		index += span.offset;
		for (uint32_t i = 0; i < span.length; i++, index++) {
			enum status status;
			if (!next_number(&numbers, &bits))
				return error_set(error, STATUS_BAD_INPUT,
					"there are fewer %s buckets than its spans say", side);
			/* Differences wrap around as the sender's did. */
			whole += is_float ? 0 : (uint64_t)unzigzag(bits);
			if (!is_float && (int64_t)whole < 0)
				return error_set(error, STATUS_BAD_INPUT,
					"a %s bucket has a count below zero", side);
			status = histogram_add(histogram, negative, index,
				is_float ? to_double(bits) : (double)whole, error);
			if (status != STATUS_OK)
				return status;
		}
	}
	if (next_number(&numbers, &bits))
		return error_set(error, STATUS_BAD_INPUT,
			"there are more %s buckets than its spans say", side);
	return STATUS_OK;
}

static enum status read_custom(struct wire message, struct histogram *histogram,
	struct error *error)
{
	struct number_cursor numbers = numbers_of(message, HISTOGRAM_CUSTOM_VALUES, true);
	uint64_t bits;

	while (next_number(&numbers, &bits)) {
		enum status status = histogram_add_custom(histogram, to_double(bits), error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* A field with one number. Of the pairs of which one is there, the last decides. */
static void take_number(struct histogram *histogram, uint32_t field, uint64_t bits, int64_t *schema,
	int64_t *t_ms)
{
	switch (field) {
	case HISTOGRAM_COUNT_INT:
	case HISTOGRAM_COUNT_FLOAT:
		histogram->is_float = field == HISTOGRAM_COUNT_FLOAT;
		histogram->count = histogram->is_float ? to_double(bits) : (double)bits;
		break;
	case HISTOGRAM_SUM:
		histogram->sum = to_double(bits);
		histogram->stale = bits == STALE_BITS;
		break;
	case HISTOGRAM_SCHEMA:
		*schema = (int32_t)unzigzag((uint32_t)bits);
		break;
	case HISTOGRAM_ZERO_THRESHOLD:
		histogram->zero_threshold = to_double(bits);
		break;
	case HISTOGRAM_ZERO_COUNT_INT:
		histogram->zero_count = (double)bits;
		break;
	case HISTOGRAM_ZERO_COUNT_FLOAT:
		histogram->zero_count = to_double(bits);
		break;
	case HISTOGRAM_RESET_HINT:
		histogram->hint = bits <= HISTOGRAM_HINT_GAUGE ? (enum histogram_hint)bits
							       : HISTOGRAM_HINT_UNKNOWN;
		break;
	case HISTOGRAM_TIMESTAMP:
		*t_ms = (int64_t)bits;
		break;
	case HISTOGRAM_START_TIMESTAMP:
		histogram->start_ms = (int64_t)bits;
		break;
	default:
		break;
	}
}

/* The fields that stand once. */
static void read_head(struct wire message, struct histogram *histogram, int64_t *schema,
	int64_t *t_ms)
{
	struct wire_tag tag;

	while (message.at < message.end && wire_tag(&message, &tag)) {
		bool known = tag.field <= HISTOGRAM_START_TIMESTAMP;
		uint64_t bits = 0;
		if (known && (tag.type == WIRE_VARINT || tag.type == WIRE_FIXED64)) {
			if (tag.type == WIRE_VARINT ? !wire_varint(&message, &bits)
						    : !wire_fixed64(&message, &bits))
				return;
			take_number(histogram, tag.field, bits, schema, t_ms);
		} else if (!wire_skip(&message, tag.type)) {
			return;
		}
	}
}

enum status decode_histogram(struct wire message, struct histogram *histogram, int64_t *t_ms,
	struct error *error)
{
	int64_t schema = 0;
	enum status status;

	histogram_reset(histogram);
	*t_ms = 0;
	read_head(message, histogram, &schema, t_ms);
	if (histogram->stale)
		return STATUS_OK;
	status = histogram_set_schema(histogram, (int32_t)schema, error);
	if (status == STATUS_OK)
		status = read_side(message, true, histogram, error);
	if (status == STATUS_OK)
		status = read_side(message, false, histogram, error);
	if (status == STATUS_OK)
		status = read_custom(message, histogram, error);
	if (status == STATUS_OK)
		status = histogram_check(histogram, error);
	return status;
}
