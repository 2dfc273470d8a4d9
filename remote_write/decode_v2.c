/*
 * Remote-write 2.0 messages on the wire. Field numbers and types: specification sheet remote_write,
 * section 3 (package io.prometheus.write.v2).
 *
 * The body is walked twice, because protobuf lets the symbols stand behind the series: once for the
 * symbols, passing over the series, which costs about two nanoseconds each, and once for the series.
 *
 * Fields 1 to 3 are reserved so that a 1.0 body never decodes as one of 2.0. As unknown fields they
 * would be skipped, and a whole 1.0 request would be taken for an empty one; so field 1 is refused
 * by name.
 */
#include "remote_write/decode_v2.h"

#include <string.h>

#include "base/check.h"
#include "remote_write/shapes.h"

enum { REQUEST_V1_TIMESERIES = 1, REQUEST_SYMBOLS = 4, REQUEST_TIMESERIES = 5 };
enum {
	SERIES_REFERENCES = 1,
	SERIES_SAMPLES = 2,
	SERIES_HISTOGRAMS = 3,
	SERIES_EXEMPLARS = 4,
	SERIES_METADATA = 5,
	SERIES_CREATED = 6
};
enum { SAMPLE_VALUE = 1, SAMPLE_TIMESTAMP = 2, SAMPLE_START = 3 };
enum { EXEMPLAR_REFERENCES = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIMESTAMP = 3 };
enum { METADATA_TYPE = 1, METADATA_HELP = 3, METADATA_UNIT = 4 };

static bool pass_field(struct wire *body, struct wire_tag tag)
{
	if (tag.field == REQUEST_V1_TIMESERIES)
		return wire_fail(body,
			"field 1 is that of remote write 1.0 in a request said to "
			"be of 2.0");
	return wire_skip(body, tag.type);
}

enum status decode_v2_symbols(struct wire body, struct symbols *symbols, const struct store *store)
{
	struct wire_tag tag;
	struct wire inside;

	while (body.at < body.end) {
		if (!wire_tag(&body, &tag))
			return STATUS_OK;
		if (tag.field != REQUEST_SYMBOLS && tag.field != REQUEST_TIMESERIES) {
			if (!pass_field(&body, tag))
				return STATUS_OK;
			continue;
		}
		if (!wire_want(&body, tag, WIRE_BYTES) || !wire_bytes(&body, &inside))
			return STATUS_OK;
		if (tag.field == REQUEST_SYMBOLS &&
			symbols_add(symbols, store, &inside) != STATUS_OK)
			return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

size_t decode_v2_frames(struct wire *body, struct wire *frames, size_t max)
{
	struct wire_tag tag;
	struct wire inside;
	size_t count = 0;

	while (count < max && body->at < body->end && body->fault == NULL) {
		if (!wire_tag(body, &tag))
			break;
		if (tag.field == REQUEST_TIMESERIES) {
			if (!wire_want(body, tag, WIRE_BYTES) || !wire_bytes(body, &frames[count]))
				break;
			count++;
		} else if (tag.field == REQUEST_SYMBOLS) {
			if (!wire_want(body, tag, WIRE_BYTES) || !wire_bytes(body, &inside))
				break;
		} else if (!pass_field(body, tag)) {
			break;
		}
	}
	return count;
}

static bool read_number(struct wire *wire, struct wire_tag tag, uint64_t *number)
{
	return wire_want(wire, tag, WIRE_VARINT) && wire_varint(wire, number);
}

static bool read_sample(struct wire *wire, struct sample_v2 *sample)
{
	uint64_t bits = 0, t = 0, start = 0;
	struct wire_tag tag;
	bool read;

	while (wire->at < wire->end) {
		if (!wire_tag(wire, &tag))
			return false;
		if (tag.field == SAMPLE_VALUE)
			read = wire_want(wire, tag, WIRE_FIXED64) && wire_fixed64(wire, &bits);
		else if (tag.field == SAMPLE_TIMESTAMP)
			read = read_number(wire, tag, &t);
		else if (tag.field == SAMPLE_START)
			read = read_number(wire, tag, &start);
		else
			read = wire_skip(wire, tag.type);
		if (!read)
			return false;
	}
	sample->t_ms = (int64_t)t;
	sample->start_ms = (int64_t)start;
	memcpy(&sample->value, &bits, sizeof(bits));
	return true;
}

/* Six bytes, the first five of which say that more follows: the times from 1978 to 2109. */
static inline bool read_time(const uint8_t *at, int64_t *t_ms)
{
	uint64_t bytes = wire_load64(at - 2) >> 16;

	if ((bytes & UINT64_C(0x808080808080)) != UINT64_C(0x008080808080))
		return false;
	*t_ms = (int64_t)((bytes & 0x7f) | (bytes >> 1 & UINT64_C(0x7f) << 7) |
		(bytes >> 2 & UINT64_C(0x7f) << 14) | (bytes >> 3 & UINT64_C(0x7f) << 21) |
		(bytes >> 4 & UINT64_C(0x7f) << 28) | (bytes >> 5 & UINT64_C(0x7f) << 35));
	return true;
}

static void note_reference(uint32_t *largest, uint64_t number)
{
	if ((uint32_t)number > *largest)
		*largest = (uint32_t)number;
}

/* *largest: the largest reference so far. */
static bool check_metadata(struct wire *wire, uint32_t *largest)
{
	struct wire_tag tag;
	uint64_t number;

	while (wire->at < wire->end) {
		if (!wire_tag(wire, &tag))
			return false;
		if (tag.field == METADATA_HELP || tag.field == METADATA_UNIT) {
			if (!read_number(wire, tag, &number))
				return false;
			note_reference(largest, number);
		} else if (tag.field == METADATA_TYPE) {
			if (!read_number(wire, tag, &number))
				return false;
		} else if (!wire_skip(wire, tag.type)) {
			return false;
		}
	}
	return true;
}

/* 12 length [09 value] 10 time [18 start]; *end: where it ends. */
static inline bool read_plain_sample(const uint8_t *at, const uint8_t **end,
	struct sample_v2 *sample)
{
	size_t left = (size_t)(*end - at), length;
	uint64_t bits;

	if (left < 2 || at[0] != 0x12 || at[1] > left - 2)
		return false;
	length = at[1];
	at += 2;
	*end = at + length;
	sample->start_ms = 0;
	sample->value = 0;
	if (length >= 9 && at[0] == 0x09) {
		bits = wire_load64(at + 1);
		memcpy(&sample->value, &bits, sizeof(bits));
		at += 9;
		length -= 9;
	}
	if (length == 7 && at[0] == 0x10)
		return read_time(at + 1, &sample->t_ms);
	return length == 14 && at[0] == 0x10 && at[7] == 0x18 && read_time(at + 1, &sample->t_ms) &&
		read_time(at + 8, &sample->start_ms);
}

/* 2a length metadata, up to the end, with references that are in range. */
static bool read_plain_metadata(const uint8_t *at, const uint8_t *end, uint32_t symbol_count)
{
	struct wire inside = wire_of(at + 2, (size_t)(end - at) < 2 ? 0 : (size_t)(end - at) - 2);
	uint32_t largest = 0;

	return end - at >= 2 && at[0] == 0x2a && at[1] == wire_left(&inside) && at[1] < 0x80 &&
		check_metadata(&inside, &largest) && largest < symbol_count;
}

/* The references between `at` and end, summed up. Below 128 a reference has one byte, below 2^14 two.
 * The branch on it costs less than doing without: from one series to the next the lengths stay the
 * same place by place, and the next reference need not wait for this one (73 against 92 ns a series
 * for all of series_v2_plain()). */
static inline bool sum_references(const uint8_t *at, const uint8_t *end,
	const struct symbols *symbols, struct store_key *key)
{
	const struct store_key *keys = symbols->keys, *factor = symbols->factors;
	uint32_t count = symbols->count;
	uint64_t low = 0, high = 0;

	while (at < end) {
		uint32_t reference = *at++;
		if (reference >= 0x80) {
			/* At the last reference this is the tag of the sample. */
			if (*at >= 0x80)
				return false;
			reference = (reference & 0x7f) | (uint32_t)*at++ << 7;
		}
		if (reference >= count)
			return false;
		low += keys[reference].low * factor->low;
		high += keys[reference].high * factor->high;
		factor++;
	}
	*key = (struct store_key){low, high};
	return at == end && (factor - symbols->factors) % 2 == 0;
}

bool series_v2_plain(const struct wire *frame, const struct symbols *symbols,
	struct plain_v2 *plain)
{
	const uint8_t *at = frame->at, *sample_end = frame->end;
	const uint8_t *references_end;

	/* There are no more references than bytes of them, so that the factors suffice. */
	if (wire_left(frame) < 2 || at[0] != 0x0a || at[1] >= 0x80 ||
		at[1] > wire_left(frame) - 2 || at[1] > symbols->place_max)
		return false;
	references_end = at + 2 + at[1];
	if (!read_plain_sample(references_end, &sample_end, &plain->sample))
		return false;
	plain->metadata = sample_end != frame->end;
	if (plain->metadata && !read_plain_metadata(sample_end, frame->end, symbols->count))
		return false;
	return sum_references(at + 2, references_end, symbols, &plain->key);
}

static inline void keep_reference(uint32_t *count, uint32_t *references, uint32_t reference_max,
	uint64_t number)
{
	if (*count < reference_max)
		references[*count] = (uint32_t)number;
	++*count;
}

static bool read_references(uint32_t *count, struct wire *inside, uint32_t *references,
	uint32_t reference_max)
{
	uint64_t number;

	while (inside->at < inside->end) {
		if (!wire_varint(inside, &number))
			return false;
		keep_reference(count, references, reference_max, number);
	}
	return true;
}

static bool read_exemplar_references(struct series_v2 *series, struct wire *wire,
	struct wire_tag tag, uint32_t *count)
{
	struct wire inside;
	uint64_t number;

	if (tag.type != WIRE_BYTES) {
		if (!read_number(wire, tag, &number))
			return false;
		note_reference(&series->side_reference_max, number);
		++*count;
		return true;
	}
	if (!wire_bytes(wire, &inside))
		return false;
	while (inside.at < inside.end) {
		if (!wire_varint(&inside, &number))
			return wire_fail_inside(wire, &inside);
		note_reference(&series->side_reference_max, number);
		++*count;
	}
	return true;
}

static bool check_exemplar(struct series_v2 *series, struct wire *wire)
{
	uint32_t count = 0;
	struct wire_tag tag;
	uint64_t number;
	bool read;

	while (wire->at < wire->end) {
		if (!wire_tag(wire, &tag))
			return false;
		if (tag.field == EXEMPLAR_REFERENCES)
			read = read_exemplar_references(series, wire, tag, &count);
		else if (tag.field == EXEMPLAR_VALUE)
			read = wire_want(wire, tag, WIRE_FIXED64) && wire_fixed64(wire, &number);
		else if (tag.field == EXEMPLAR_TIMESTAMP)
			read = read_number(wire, tag, &number);
		else
			read = wire_skip(wire, tag.type);
		if (!read)
			return false;
	}
	series->side_odd |= count % 2 != 0;
	return true;
}

/* A part of a series that is a message. */
static bool read_part(struct series_v2 *series, uint32_t field, struct wire *inside,
	const uint8_t *start)
{
	struct sample_v2 sample;

	switch (field) {
	case SERIES_SAMPLES:
		if (!read_sample(inside, &sample))
			return false;
		if (series->sample_count++ == 0) {
			series->samples = start;
			series->first = sample;
		}
		return true;
	case SERIES_HISTOGRAMS:
		series->histogram_count++;
		return wire_check(inside, &shape_histogram_v2);
	case SERIES_EXEMPLARS:
		series->exemplar_count++;
		return check_exemplar(series, inside);
	default:
		series->metadata_count++;
		return check_metadata(inside, &series->side_reference_max);
	}
}

/* References one by one, the time of creation, unknown fields. */
static bool read_plain(struct series_v2 *series, struct wire *frame, struct wire_tag tag,
	uint32_t *references, uint32_t reference_max)
{
	uint64_t number;

	if (tag.field == SERIES_REFERENCES) {
		if (!read_number(frame, tag, &number))
			return false;
		keep_reference(&series->reference_count, references, reference_max, number);
		return true;
	}
	if (tag.field == SERIES_CREATED) {
		if (!read_number(frame, tag, &number))
			return false;
		series->created_ms = (int64_t)number;
		return true;
	}
	return wire_skip(frame, tag.type);
}

bool series_v2_read(struct series_v2 *series, struct wire *frame, uint32_t *references,
	uint32_t reference_max)
{
	struct wire_tag tag;
	struct wire inside;

	*series = (struct series_v2){.frame = *frame};
	while (frame->at < frame->end) {
		const uint8_t *start = frame->at;
		bool is_message;
		if (!wire_tag(frame, &tag))
			return false;
		is_message = tag.field >= SERIES_SAMPLES && tag.field <= SERIES_METADATA;
		if (!is_message && (tag.field != SERIES_REFERENCES || tag.type != WIRE_BYTES)) {
			if (!read_plain(series, frame, tag, references, reference_max))
				return false;
			continue;
		}
		if (!wire_want(frame, tag, WIRE_BYTES) || !wire_bytes(frame, &inside))
			return false;
		if (!(is_message ? read_part(series, tag.field, &inside, start)
				 : read_references(&series->reference_count, &inside, references,
					   reference_max)))
			return wire_fail_inside(frame, &inside);
	}
	if (series->first.start_ms == 0)
		series->first.start_ms = series->created_ms;
	return true;
}

/* The next message in this field; the frame is known to be well-formed. */
static bool next_message(struct wire *rest, uint32_t field, struct wire *inside)
{
	struct wire_tag tag;

	while (rest->at < rest->end) {
		if (!wire_tag(rest, &tag))
			return false;
		if (tag.field == field)
			return wire_bytes(rest, inside);
		if (!wire_skip(rest, tag.type))
			return false;
	}
	return false;
}

bool series_v2_sample(const struct series_v2 *series, struct wire *rest, struct sample_v2 *sample)
{
	struct wire inside;

	if (!next_message(rest, SERIES_SAMPLES, &inside) || !read_sample(&inside, sample))
		return false;
	if (sample->start_ms == 0)
		sample->start_ms = series->created_ms;
	return true;
}

struct wire series_v2_samples(const struct series_v2 *series)
{
	struct wire rest = series->frame;

	rest.at = series->samples != NULL ? series->samples : rest.end;
	return rest;
}

bool series_v2_histogram(struct wire *rest, struct wire *histogram)
{
	return next_message(rest, SERIES_HISTOGRAMS, histogram);
}

bool series_v2_exemplar(struct wire *rest, struct exemplar_v2 *exemplar, uint32_t *references,
	uint32_t reference_max)
{
	struct wire message, block;
	struct wire_tag tag;
	uint64_t bits = 0, t = 0, number;
	uint32_t count = 0;
	bool read;

	if (!next_message(rest, SERIES_EXEMPLARS, &message))
		return false;
	while (message.at < message.end) {
		if (!wire_tag(&message, &tag))
			return false;
		if (tag.field == EXEMPLAR_REFERENCES && tag.type == WIRE_BYTES) {
			if (!wire_bytes(&message, &block) ||
				!read_references(&count, &block, references, reference_max))
				return false;
			continue;
		}
		if (tag.field == EXEMPLAR_REFERENCES) {
			if (!wire_varint(&message, &number))
				return false;
			keep_reference(&count, references, reference_max, number);
			continue;
		}
		if (tag.field == EXEMPLAR_VALUE)
			read = wire_fixed64(&message, &bits);
		else if (tag.field == EXEMPLAR_TIMESTAMP)
			read = wire_varint(&message, &t);
		else
			read = wire_skip(&message, tag.type);
		if (!read)
			return false;
	}
	*exemplar = (struct exemplar_v2){.reference_count = count, .t_ms = (int64_t)t};
	memcpy(&exemplar->value, &bits, sizeof(bits));
	return true;
}
