/*
 * The protobuf wire format (protobuf.dev, "Encoding"): the ways that are too long or too rare to
 * be inlined, and the check of whole messages.
 *
 * What is refused is what protobuf-c refuses, which the differential test holds us to, and two
 * things more: field number 0 in more than one byte, and field numbers past 2^29 - 1. Both are
 * illegal in protobuf, and Prometheus' decoder refuses them too.
 */
#include "remote_write/wire.h"

#include "base/check.h"

#define TAG_BYTES_MAX 5
#define LENGTH_BYTES_MAX 5
#define FIELD_NUMBER_MAX ((UINT32_C(1) << 29) - 1)

bool wire_fail(struct wire *wire, const char *fault)
{
	if (wire->fault == NULL)
		wire->fault = fault;
	return false;
}

bool wire_fail_inside(struct wire *wire, const struct wire *inside)
{
	wire->at = inside->at;
	return wire_fail(wire, inside->fault);
}

/* A varint of at most bytes_max bytes; the reader moves only when it is whole. */
static bool read_varint(struct wire *wire, unsigned bytes_max, const char *too_long,
	const char *cut_off, uint64_t *value)
{
	uint64_t result = 0;
	size_t left = wire_left(wire);

	for (unsigned i = 0; i < bytes_max; i++) {
		if (i == left)
			return wire_fail(wire, cut_off);
		result |= (uint64_t)(wire->at[i] & 0x7f) << (7 * i);
		if (wire->at[i] < 0x80) {
			*value = result;
			wire->at += i + 1;
			return true;
		}
	}
	return wire_fail(wire, too_long);
}

bool wire_varint_long(struct wire *wire, uint64_t *value)
{
	return read_varint(wire, WIRE_VARINT_MAX, "a varint is longer than ten bytes",
		"a varint is cut off", value);
}

bool wire_tag_long(struct wire *wire, struct wire_tag *tag)
{
	const uint8_t *start = wire->at;
	uint64_t value;
	unsigned type;

	if (!read_varint(wire, TAG_BYTES_MAX, "a tag is longer than five bytes", "a tag is cut off",
		    &value))
		return false;
	wire->at = start;
	type = value & 7;
	if (type == 3 || type == 4)
		return wire_fail(wire, "groups are not part of this format");
	if (type > WIRE_FIXED32)
		return wire_fail(wire, "an unknown wire type");
	if (value >> 3 == 0)
		return wire_fail(wire, "field number 0 is illegal");
	if (value >> 3 > FIELD_NUMBER_MAX)
		return wire_fail(wire, "a field number is too large");
	*tag = (struct wire_tag){.field = (uint32_t)(value >> 3), .type = (enum wire_type)type};
	while (*wire->at++ >= 0x80)
		;
	return true;
}

bool wire_length_long(struct wire *wire, size_t *length)
{
	const uint8_t *start = wire->at;
	uint64_t value = 0;

	if (!read_varint(wire, LENGTH_BYTES_MAX, "a length is longer than five bytes",
		    "a length is cut off", &value))
		return false;
	if (value > wire_left(wire)) {
		wire->at = start;
		return wire_fail(wire, "a length points past the end");
	}
	*length = (size_t)value;
	return true;
}

bool wire_skip(struct wire *wire, enum wire_type type)
{
	uint64_t number;
	struct wire inside;

	switch (type) {
	case WIRE_VARINT:
		return wire_varint(wire, &number);
	case WIRE_FIXED64:
		return wire_fixed64(wire, &number);
	case WIRE_BYTES:
		return wire_bytes(wire, &inside);
	case WIRE_FIXED32:
		if (wire_left(wire) < 4)
			return wire_fail(wire, "a 32-bit value is cut off");
		wire->at += 4;
		return true;
	}
	return wire_fail(wire, "an unknown wire type");
}

/* Repeated numbers in one block. */
static bool check_packed(struct wire *wire, enum wire_kind kind)
{
	struct wire inside;
	uint64_t number;

	if (!wire_bytes(wire, &inside))
		return false;
	if (kind == WIRE_KIND_DOUBLES)
		return wire_left(&inside) % 8 == 0 ||
			wire_fail(wire, "packed doubles do not fill their block");
	while (inside.at < inside.end)
		if (!wire_varint(&inside, &number))
			return wire_fail_inside(wire, &inside);
	return true;
}

/* One field of the message. *inside and *shape are set when it is a message to be checked itself. */
static bool check_field(struct wire *wire, const struct wire_shape *of, struct wire *inside,
	const struct wire_shape **shape)
{
	struct wire_field field = {.kind = WIRE_KIND_UNKNOWN};
	struct wire_tag tag;

	if (!wire_tag(wire, &tag))
		return false;
	if (tag.field < of->field_count)
		field = of->fields[tag.field];
	switch (field.kind) {
	case WIRE_KIND_UNKNOWN:
		break;
	case WIRE_KIND_VARINTS:
	case WIRE_KIND_DOUBLES:
		if (tag.type == WIRE_BYTES)
			return check_packed(wire, field.kind);
		if (!wire_want(wire, tag,
			    field.kind == WIRE_KIND_DOUBLES ? WIRE_FIXED64 : WIRE_VARINT))
			return false;
		break;
	case WIRE_KIND_VARINT:
		if (!wire_want(wire, tag, WIRE_VARINT))
			return false;
		break;
	case WIRE_KIND_DOUBLE:
		if (!wire_want(wire, tag, WIRE_FIXED64))
			return false;
		break;
	case WIRE_KIND_BYTES:
		if (!wire_want(wire, tag, WIRE_BYTES))
			return false;
		break;
	case WIRE_KIND_MESSAGE:
		if (!wire_want(wire, tag, WIRE_BYTES))
			return false;
		*shape = field.inside;
		return wire_bytes(wire, inside);
	}
	return wire_skip(wire, tag.type);
}

bool wire_check(struct wire *wire, const struct wire_shape *shape)
{
	struct {
		struct wire wire;
		const struct wire_shape *shape;
	} stack[WIRE_DEPTH_MAX] = {{*wire, shape}};
	size_t depth = 1;

	while (depth > 0) {
		struct wire *top = &stack[depth - 1].wire;
		const struct wire_shape *inside_shape = NULL;
		struct wire inside;

		if (top->at == top->end) {
			depth--;
			continue;
		}
		if (!check_field(top, stack[depth - 1].shape, &inside, &inside_shape))
			return wire_fail_inside(wire, top);
		if (inside_shape != NULL) {
			CHECK(depth < WIRE_DEPTH_MAX);
			stack[depth].wire = inside;
			stack[depth].shape = inside_shape;
			depth++;
		}
	}
	wire->at = wire->end;
	return true;
}
