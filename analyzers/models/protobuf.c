/*
 * The wire format: a field is its number and kind as a varint, then a varint or a length with as many bytes.
 */
#include "analyzers/models/protobuf.h"

#include <string.h>

#define WIRE_VARINT 0u
#define WIRE_BYTES 2u

static void varint(struct buf *message, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_add_char(message, (char)(unsigned char)(value | 0x80));
	buf_add_char(message, (char)(unsigned char)value);
}

void protobuf_int(struct buf *message, unsigned field, uint64_t value)
{
	varint(message, (uint64_t)field << 3 | WIRE_VARINT);
	varint(message, value);
}

void protobuf_bytes(struct buf *message, unsigned field, const void *bytes, size_t size)
{
	varint(message, (uint64_t)field << 3 | WIRE_BYTES);
	varint(message, size);
	buf_add(message, bytes, size);
}

void protobuf_text(struct buf *message, unsigned field, const char *text)
{
	protobuf_bytes(message, field, text, strlen(text));
}

void protobuf_message(struct buf *message, unsigned field, struct buf *inner)
{
	protobuf_bytes(message, field, inner->size > 0 ? inner->data : "", inner->size);
	message->failed |= inner->failed;
	buf_reset(inner);
}
