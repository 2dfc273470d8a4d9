/*
 * Reading the protobuf wire format in place: tags, varints, lengths, and the check that a message
 * of a known shape is well-formed although nobody reads its values.
 *
 * Ownership: a struct wire only points; the bytes must outlive it.
 * Limits: never reads past `end`; nesting is bounded by the shapes, not by the input.
 * Order: reading stops at the first fault for good; `at` then stands where the fault is.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_WIRE_H
#define NIMBUSGUARD_REMOTE_WRITE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* Low three bits of a tag. 3 and 4, the groups of old, and 6 and 7 are refused. */
enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
	const uint8_t *at, *end;
	const char *fault; /* a static text; NULL while all is well */
};

struct wire_tag {
	uint32_t field;
	enum wire_type type;
};

static inline struct wire wire_of(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	return (struct wire){.at = at, .end = at + size};
}

static inline size_t wire_left(const struct wire *wire)
{
	return (size_t)(wire->end - wire->at);
}

/* Notes the fault and ends the reading; returns false, so that a reader can `return wire_fail()`. Not
 * marked cold: GCC then takes the readers' loops, which may end in it, for cold as a whole. */
bool wire_fail(struct wire *wire, const char *fault);
/* The same for a fault found in a message inside this one. */
bool wire_fail_inside(struct wire *wire, const struct wire *inside);

/* At most ten bytes; bits past the 64th are dropped, as protobuf does. */
bool wire_varint_long(struct wire *wire, uint64_t *value) MUST_CHECK;
static inline bool wire_varint(struct wire *wire, uint64_t *value)
{
	if (wire->at < wire->end && *wire->at < 0x80) {
		*value = *wire->at++;
		return true;
	}
	return wire_varint_long(wire, value);
}

bool wire_tag_long(struct wire *wire, struct wire_tag *tag) MUST_CHECK;
/* Field numbers are 1 to 2^29 - 1. Not to be called at the end. */
static inline bool wire_tag(struct wire *wire, struct wire_tag *tag)
{
	uint8_t byte = *wire->at;
	unsigned type = byte & 7;

	if (byte < 0x80 && byte >= 8 && type <= WIRE_BYTES) {
		*tag = (struct wire_tag){.field = byte >> 3, .type = (enum wire_type)type};
		wire->at++;
		return true;
	}
	return wire_tag_long(wire, tag);
}

bool wire_length_long(struct wire *wire, size_t *length) MUST_CHECK;
/* A length of at most five bytes and what it spans: *inside, over which the reader has passed. */
static inline bool wire_bytes(struct wire *wire, struct wire *inside)
{
	size_t length;

	if (wire->at < wire->end && *wire->at < 0x80 && *wire->at < wire->end - wire->at)
		length = *wire->at++;
	else if (!wire_length_long(wire, &length))
		return false;
	*inside = (struct wire){.at = wire->at, .end = wire->at + length};
	wire->at += length;
	return true;
}

/* Eight bytes, the lowest first. Not put together from bytes: where the place is an end less some, GCC
 * makes eight loads of that. */
static inline uint64_t wire_load64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline bool wire_fixed64(struct wire *wire, uint64_t *value)
{
	if (wire_left(wire) < 8)
		return wire_fail(wire, "a 64-bit value is cut off");
	*value = wire_load64(wire->at);
	wire->at += 8;
	return true;
}

/* Past the value of a field that nobody wants. */
bool wire_skip(struct wire *wire, enum wire_type type) MUST_CHECK;
/* Fails unless the type is the wanted one: a known field of another type is not protobuf of this
 * schema, and skipping it would hide that. */
static inline bool wire_want(struct wire *wire, struct wire_tag tag, enum wire_type wanted)
{
	return tag.type == wanted || wire_fail(wire, "a known field has the wrong wire type");
}

/* Writing, for the sender and for the canonical form of labels. */
#define WIRE_VARINT_MAX 10

static inline size_t wire_varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >= 0x80) {
		value >>= 7;
		size++;
	}
	return size;
}

/* Returns the place after it. */
static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

/* What the values of a field are. Repeated numbers come packed or one by one. */
enum wire_kind {
	WIRE_KIND_UNKNOWN,
	WIRE_KIND_VARINT,
	WIRE_KIND_DOUBLE,
	WIRE_KIND_BYTES,
	WIRE_KIND_MESSAGE,
	WIRE_KIND_VARINTS,
	WIRE_KIND_DOUBLES,
};

struct wire_shape;

struct wire_field {
	enum wire_kind kind;
	const struct wire_shape *inside; /* of WIRE_KIND_MESSAGE */
};

/* Fields by number; numbers from field_count on are unknown and skipped. */
struct wire_shape {
	const struct wire_field *fields;
	uint32_t field_count;
};

/* Nesting of the shapes at most, the outermost counted in. */
#define WIRE_DEPTH_MAX 4

/* Reads to the end; false and a fault when the bytes are no message of this shape. */
bool wire_check(struct wire *wire, const struct wire_shape *shape) MUST_CHECK;

#endif
