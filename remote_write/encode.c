/*
 * Remote write 1.0 from the sender's side. A TimeSeries is measured first and then written in one
 * go into the room reserved for it, so that a series that does not fit leaves no half of itself.
 *
 * As Prometheus does it, a value of zero and a time of zero are left out (proto3 defaults). A
 * negative zero is written: its bits are not zero, and a load generator compares bits.
 */
#include "remote_write/encode.h"

#include <stdbool.h>
#include <string.h>

#include <snappy-c.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "remote_write/wire.h"

#define TAG_MESSAGE(field) ((uint8_t)((field) << 3 | 2))
#define TAG_TEXT(field) ((uint8_t)((field) << 3 | 2))
#define TAG_DOUBLE(field) ((uint8_t)((field) << 3 | 1))
#define TAG_VARINT(field) ((uint8_t)((field) << 3))

enum { REQUEST_TIMESERIES = 1, REQUEST_METADATA = 3 };
enum { SERIES_LABELS = 1, SERIES_SAMPLES = 2 };
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIMESTAMP = 2 };
enum { METADATA_TYPE = 1, METADATA_FAMILY = 2, METADATA_HELP = 4 };

struct write_encoder {
	struct buf raw;    /* the WriteRequest so far */
	struct buf packed; /* its snappy block */
};

/* The snappy format cannot say more, and snappy_max_compressed_length() must not overflow. */
#define BODY_MAX ((size_t)1 << 31)

struct write_encoder *write_encoder_open(size_t body_max, struct error *error)
{
	struct write_encoder *encoder;

	if (body_max > BODY_MAX)
		body_max = BODY_MAX;
	encoder = mem_zalloc(1, sizeof(*encoder));
	if (encoder == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a remote-write encoder");
		return NULL;
	}
	buf_init(&encoder->raw, body_max);
	buf_init(&encoder->packed, snappy_max_compressed_length(body_max));
	return encoder;
}

void write_encoder_close(struct write_encoder *encoder)
{
	if (encoder == NULL)
		return;
	buf_fini(&encoder->raw);
	buf_fini(&encoder->packed);
	mem_free(encoder);
}

void write_encoder_reset(struct write_encoder *encoder)
{
	buf_reset(&encoder->raw);
	buf_reset(&encoder->packed);
}

/* Size of a field of `size` bytes with its tag and length. */
static size_t field_size(size_t size)
{
	return 1 + wire_varint_size(size) + size;
}

static uint8_t *put_bytes(uint8_t *at, uint8_t tag, const void *bytes, size_t size)
{
	*at++ = tag;
	at = wire_put_varint(at, size);
	if (size > 0)
		memcpy(at, bytes, size);
	return at + size;
}

static size_t label_size(const struct label *label)
{
	return field_size(label->name_size) + field_size(label->value_size);
}

static uint8_t *put_label(uint8_t *at, const struct label *label)
{
	*at++ = TAG_MESSAGE(SERIES_LABELS);
	at = wire_put_varint(at, label_size(label));
	at = put_bytes(at, TAG_TEXT(LABEL_NAME), label->name, label->name_size);
	return put_bytes(at, TAG_TEXT(LABEL_VALUE), label->value, label->value_size);
}

static uint64_t double_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static size_t sample_size(int64_t t_ms, double value)
{
	return (double_bits(value) != 0 ? 9 : 0) +
		(t_ms != 0 ? 1 + wire_varint_size((uint64_t)t_ms) : 0);
}

static uint8_t *put_sample(uint8_t *at, int64_t t_ms, double value)
{
	uint64_t bits = double_bits(value);

	*at++ = TAG_MESSAGE(SERIES_SAMPLES);
	at = wire_put_varint(at, sample_size(t_ms, value));
	if (bits != 0) {
		*at++ = TAG_DOUBLE(SAMPLE_VALUE);
		for (unsigned i = 0; i < 8; i++)
			*at++ = (uint8_t)(bits >> (8 * i));
	}
	if (t_ms != 0) {
		*at++ = TAG_VARINT(SAMPLE_TIMESTAMP);
		at = wire_put_varint(at, (uint64_t)t_ms);
	}
	return at;
}

/* Room for a field of `size` bytes at the end of the request; NULL with the reason in *status. */
static uint8_t *add_message(struct write_encoder *encoder, uint8_t tag, size_t size,
	enum status *status)
{
	struct buf *raw = &encoder->raw;
	uint8_t *at;

	*status = STATUS_LIMIT;
	if (size > raw->max || field_size(size) > raw->max - raw->size)
		return NULL;
	at = (uint8_t *)buf_reserve(raw, field_size(size));
	if (at == NULL) {
		*status = STATUS_NO_MEMORY;
		return NULL;
	}
	raw->size += field_size(size);
	raw->data[raw->size] = '\0';
	*status = STATUS_OK;
	*at++ = tag;
	return wire_put_varint(at, size);
}

enum status write_encoder_add(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, size_t count)
{
	enum status status;
	size_t size = 0;
	uint8_t *at;

	for (uint32_t i = 0; i < labels->count; i++)
		size += field_size(label_size(&labels->pairs[i]));
	for (size_t i = 0; i < count; i++)
		size += field_size(sample_size(t_ms[i], values[i]));
	at = add_message(encoder, TAG_MESSAGE(REQUEST_TIMESERIES), size, &status);
	if (at == NULL)
		return status;
	for (uint32_t i = 0; i < labels->count; i++)
		at = put_label(at, &labels->pairs[i]);
	for (size_t i = 0; i < count; i++)
		at = put_sample(at, t_ms[i], values[i]);
	CHECK((char *)at == encoder->raw.data + encoder->raw.size);
	return STATUS_OK;
}

enum status write_encoder_add_metadata(struct write_encoder *encoder, int type, const char *family,
	const char *help)
{
	size_t family_size = strlen(family), help_size = strlen(help);
	uint64_t number = type > 0 ? (uint64_t)type : 0;
	enum status status;
	uint8_t *at;
	size_t size = (number != 0 ? 1 + wire_varint_size(number) : 0) + field_size(family_size) +
		field_size(help_size);

	at = add_message(encoder, TAG_MESSAGE(REQUEST_METADATA), size, &status);
	if (at == NULL)
		return status;
	if (number != 0) {
		*at++ = TAG_VARINT(METADATA_TYPE);
		at = wire_put_varint(at, number);
	}
	at = put_bytes(at, TAG_TEXT(METADATA_FAMILY), family, family_size);
	at = put_bytes(at, TAG_TEXT(METADATA_HELP), help, help_size);
	CHECK((char *)at == encoder->raw.data + encoder->raw.size);
	return STATUS_OK;
}

enum status write_encoder_finish(struct write_encoder *encoder, const void **body, size_t *size,
	struct error *error)
{
	size_t packed_size = snappy_max_compressed_length(encoder->raw.size);
	char *room;

	buf_reset(&encoder->packed);
	room = buf_reserve(&encoder->packed, packed_size);
	if (!buf_ok(&encoder->raw) || room == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a remote-write body");
	if (snappy_compress(encoder->raw.size > 0 ? encoder->raw.data : "", encoder->raw.size, room,
		    &packed_size) != SNAPPY_OK)
		return error_set(error, STATUS_BUG, "snappy did not take a body of %zu bytes",
			encoder->raw.size);
	encoder->packed.size = packed_size;
	*body = room;
	*size = packed_size;
	return STATUS_OK;
}
