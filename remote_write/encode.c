/*
 * Remote write from the sender's side. A TimeSeries is measured first and then written in one
 * go into the room reserved for it, so that a series that does not fit leaves no half of itself.
 *
 * As Prometheus does it, a value of zero and a time of zero are left out (proto3 defaults). A
 * negative zero is written: its bits are not zero, and a load generator compares bits.
 *
 * A request of 2.0 is made in two buffers, the symbols and the series, which are put together at
 * the end. What a series may need at most is known before anything is written: so it is refused as
 * a whole, a little earlier than it would have to be.
 */
#include "remote_write/encode.h"

#include <stdbool.h>
#include <string.h>

#include <snappy-c.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "remote_write/encode_symbols.h"
#include "remote_write/wire.h"

#define TAG_MESSAGE(field) ((uint8_t)((field) << 3 | 2))
#define TAG_TEXT(field) ((uint8_t)((field) << 3 | 2))
#define TAG_DOUBLE(field) ((uint8_t)((field) << 3 | 1))
#define TAG_VARINT(field) ((uint8_t)((field) << 3))

enum { REQUEST_TIMESERIES = 1, REQUEST_METADATA = 3, REQUEST_TIMESERIES_V2 = 5 };
enum { SERIES_LABELS = 1, SERIES_SAMPLES = 2 }; /* the labels of 2.0 are packed references */
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIMESTAMP = 2, SAMPLE_START = 3 };
enum { METADATA_TYPE = 1, METADATA_FAMILY = 2, METADATA_HELP = 4 };

struct write_encoder {
	struct buf raw;    /* the request so far; of 2.0 the series alone */
	struct buf packed; /* its snappy block */
	bool v2;
	struct encode_symbols symbols; /* 2.0 */
	uint32_t *references;          /* 2.0: [reference_max], of the series at hand */
	uint32_t reference_max;
};

/* The snappy format cannot say more, and snappy_max_compressed_length() must not overflow. */
#define BODY_MAX ((size_t)1 << 31)

static struct write_encoder *open_encoder(size_t body_max, bool v2, struct error *error)
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
	encoder->v2 = v2;
	/* At the end the series are put behind the symbols. */
	encode_symbols_init(&encoder->symbols, body_max);
	return encoder;
}

struct write_encoder *write_encoder_open(size_t body_max, struct error *error)
{
	return open_encoder(body_max, false, error);
}

struct write_encoder *write_encoder_open_v2(size_t body_max, struct error *error)
{
	return open_encoder(body_max, true, error);
}

const char *write_encoder_content_type(const struct write_encoder *encoder)
{
	return encoder->v2 ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
			   : "application/x-protobuf";
}

void write_encoder_close(struct write_encoder *encoder)
{
	if (encoder == NULL)
		return;
	buf_fini(&encoder->raw);
	buf_fini(&encoder->packed);
	encode_symbols_fini(&encoder->symbols);
	mem_free(encoder->references);
	mem_free(encoder);
}

void write_encoder_reset(struct write_encoder *encoder)
{
	buf_reset(&encoder->raw);
	buf_reset(&encoder->packed);
	encode_symbols_reset(&encoder->symbols);
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

static size_t time_size(int64_t t_ms)
{
	return t_ms != 0 ? 1 + wire_varint_size((uint64_t)t_ms) : 0;
}

static size_t sample_size(int64_t t_ms, double value, int64_t start_ms)
{
	return (double_bits(value) != 0 ? 9 : 0) + time_size(t_ms) + time_size(start_ms);
}

static uint8_t *put_time(uint8_t *at, uint8_t tag, int64_t t_ms)
{
	if (t_ms == 0)
		return at;
	*at++ = tag;
	return wire_put_varint(at, (uint64_t)t_ms);
}

static uint8_t *put_sample(uint8_t *at, int64_t t_ms, double value, int64_t start_ms)
{
	uint64_t bits = double_bits(value);

	*at++ = TAG_MESSAGE(SERIES_SAMPLES);
	at = wire_put_varint(at, sample_size(t_ms, value, start_ms));
	if (bits != 0) {
		*at++ = TAG_DOUBLE(SAMPLE_VALUE);
		for (unsigned i = 0; i < 8; i++)
			*at++ = (uint8_t)(bits >> (8 * i));
	}
	at = put_time(at, TAG_VARINT(SAMPLE_TIMESTAMP), t_ms);
	return put_time(at, TAG_VARINT(SAMPLE_START), start_ms);
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

static size_t samples_size(const int64_t *t_ms, const double *values, const int64_t *start_ms,
	size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += field_size(
			sample_size(t_ms[i], values[i], start_ms != NULL ? start_ms[i] : 0));
	return size;
}

static uint8_t *put_samples(uint8_t *at, const int64_t *t_ms, const double *values,
	const int64_t *start_ms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at = put_sample(at, t_ms[i], values[i], start_ms != NULL ? start_ms[i] : 0);
	return at;
}

static enum status add_v1(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, size_t count)
{
	enum status status;
	size_t size = samples_size(t_ms, values, NULL, count);
	uint8_t *at;

	for (uint32_t i = 0; i < labels->count; i++)
		size += field_size(label_size(&labels->pairs[i]));
	at = add_message(encoder, TAG_MESSAGE(REQUEST_TIMESERIES), size, &status);
	if (at == NULL)
		return status;
	for (uint32_t i = 0; i < labels->count; i++)
		at = put_label(at, &labels->pairs[i]);
	at = put_samples(at, t_ms, values, NULL, count);
	CHECK((char *)at == encoder->raw.data + encoder->raw.size);
	return STATUS_OK;
}

/* Whether a series of these labels and this many bytes of samples surely fits. */
static bool fits_v2(const struct write_encoder *encoder, const struct labels *labels, size_t size)
{
	size_t taken = encoder->raw.size + encoder->symbols.fields.size;
	size_t most = encode_symbols_size(0) +
		field_size(field_size(5 * 2 * (size_t)labels->count) + size);

	for (uint32_t i = 0; i < labels->count; i++)
		most += encode_symbols_size(labels->pairs[i].name_size) +
			encode_symbols_size(labels->pairs[i].value_size);
	return most <= encoder->raw.max && taken <= encoder->raw.max - most;
}

/* The numbers of the labels' texts; *size: their bytes as varints. */
static enum status number_labels(struct write_encoder *encoder, const struct labels *labels,
	size_t *size)
{
	struct encode_symbols *symbols = &encoder->symbols;

	*size = 0;
	if (labels->count * 2 > encoder->reference_max) {
		uint32_t *larger =
			mem_resize(encoder->references, (size_t)labels->count * 2, sizeof(*larger));
		if (larger == NULL)
			return STATUS_NO_MEMORY;
		encoder->references = larger;
		encoder->reference_max = labels->count * 2;
	}
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *label = &labels->pairs[i];
		uint32_t *pair = encoder->references + (size_t)i * 2;
		if (encode_symbols_number(symbols, label->name, label->name_size, &pair[0]) !=
				STATUS_OK ||
			encode_symbols_number(symbols, label->value, label->value_size, &pair[1]) !=
				STATUS_OK)
			return STATUS_NO_MEMORY;
		*size += wire_varint_size(pair[0]) + wire_varint_size(pair[1]);
	}
	return STATUS_OK;
}

static enum status add_v2(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, const int64_t *start_ms, size_t count)
{
	size_t size = samples_size(t_ms, values, start_ms, count), references_size;
	enum status status;
	uint8_t *at;

	if (!fits_v2(encoder, labels, size))
		return STATUS_LIMIT;
	status = number_labels(encoder, labels, &references_size);
	if (status != STATUS_OK) {
		encoder->raw.failed = true;
		return status;
	}
	at = add_message(encoder, TAG_MESSAGE(REQUEST_TIMESERIES_V2),
		field_size(references_size) + size, &status);
	if (at == NULL)
		return status;
	*at++ = TAG_MESSAGE(SERIES_LABELS);
	at = wire_put_varint(at, references_size);
	for (uint32_t i = 0; i < labels->count * 2; i++)
		at = wire_put_varint(at, encoder->references[i]);
	at = put_samples(at, t_ms, values, start_ms, count);
	CHECK((char *)at == encoder->raw.data + encoder->raw.size);
	return STATUS_OK;
}

enum status write_encoder_add_started(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, const int64_t *start_ms, size_t count)
{
	if (encoder->v2)
		return add_v2(encoder, labels, t_ms, values, start_ms, count);
	return start_ms == NULL ? add_v1(encoder, labels, t_ms, values, count) : STATUS_UNSUPPORTED;
}

enum status write_encoder_add(struct write_encoder *encoder, const struct labels *labels,
	const int64_t *t_ms, const double *values, size_t count)
{
	return write_encoder_add_started(encoder, labels, t_ms, values, NULL, count);
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

	if (encoder->v2)
		return STATUS_UNSUPPORTED;
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
	size_t symbols_size = encoder->symbols.fields.size;
	struct buf *whole = encoder->v2 ? &encoder->symbols.fields : &encoder->raw;
	size_t packed_size;
	char *room;
	bool packed;

	if (encoder->v2 && encoder->raw.size > 0)
		buf_add(whole, encoder->raw.data, encoder->raw.size);
	packed_size = snappy_max_compressed_length(whole->size);
	buf_reset(&encoder->packed);
	room = buf_reserve(&encoder->packed, packed_size);
	if (!buf_ok(&encoder->raw) || !buf_ok(whole) || room == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a remote-write body");
	packed = snappy_compress(whole->size > 0 ? whole->data : "", whole->size, room,
			 &packed_size) == SNAPPY_OK;
	/* So that more can be added to the request still. */
	if (encoder->v2)
		whole->size = symbols_size;
	if (!packed)
		return error_set(error, STATUS_BUG, "snappy did not take a body of %zu bytes",
			encoder->raw.size);
	encoder->packed.size = packed_size;
	*body = room;
	*size = packed_size;
	return STATUS_OK;
}
