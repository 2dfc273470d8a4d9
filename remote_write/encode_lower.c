/*
 * A request of 2.0 said once more in 1.0, for a receiver that turned out not to take it: symbols are looked
 * up, and what 1.0 has no word for (starts of counters) is left out.
 */
#include <string.h>

#include "base/mem.h"
#include "remote_write/decode_v2.h"
#include "remote_write/encode.h"
#include "remote_write/snappy_body.h"
#include "remote_write/wire.h"
#include "store/store.h"

#define REFERENCES_MAX (2 * STORE_LABELS_MAX)
#define SAMPLES_AT_ONCE 64
#define SYMBOLS_FIELD 4

/* Where the symbols stand in the body. */
struct texts {
	struct wire *list;
	size_t count, capacity;
};

static enum status texts_add(struct texts *texts, struct wire text)
{
	if (texts->count == texts->capacity) {
		size_t capacity = texts->capacity > 0 ? 2 * texts->capacity : 256;
		struct wire *larger = mem_resize(texts->list, capacity, sizeof(*larger));

		if (larger == NULL)
			return STATUS_NO_MEMORY;
		texts->list = larger;
		texts->capacity = capacity;
	}
	texts->list[texts->count++] = text;
	return STATUS_OK;
}

/* Faults are left to decode_v2_frames(). */
static enum status texts_read(struct texts *texts, struct wire body)
{
	struct wire_tag tag;
	struct wire inside;

	while (body.at < body.end && wire_tag(&body, &tag)) {
		if (tag.field != SYMBOLS_FIELD) {
			if (!wire_skip(&body, tag.type))
				break;
			continue;
		}
		if (!wire_want(&body, tag, WIRE_BYTES) || !wire_bytes(&body, &inside))
			break;
		if (texts_add(texts, inside) != STATUS_OK)
			return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

/* references: [2 * count], name and value in turn. */
static enum status labels_read(const struct texts *texts, const uint32_t *references, size_t count,
	struct labels *labels, struct error *error)
{
	struct label pairs[STORE_LABELS_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct wire *name, *value;

		if (references[2 * i] >= texts->count || references[2 * i + 1] >= texts->count)
			return error_set(error, STATUS_BAD_INPUT,
				"a reference to a symbol that there is not");
		name = &texts->list[references[2 * i]];
		value = &texts->list[references[2 * i + 1]];
		pairs[i] = (struct label){.name = (const char *)name->at,
			.value = (const char *)value->at,
			.name_size = (uint32_t)wire_left(name),
			.value_size = (uint32_t)wire_left(value)};
	}
	return labels_init(labels, pairs, count, error);
}

static enum status add_samples(struct write_encoder *encoder, const struct labels *labels,
	const struct series_v2 *series)
{
	struct wire rest = series_v2_samples(series);
	struct sample_v2 sample;
	enum status status = STATUS_OK;
	double values[SAMPLES_AT_ONCE];
	int64_t t_ms[SAMPLES_AT_ONCE];
	size_t count = 0;

	while (status == STATUS_OK && series_v2_sample(series, &rest, &sample)) {
		t_ms[count] = sample.t_ms;
		values[count++] = sample.value;
		if (count == SAMPLES_AT_ONCE) {
			status = write_encoder_add(encoder, labels, t_ms, values, count);
			count = 0;
		}
	}
	if (status == STATUS_OK && count > 0)
		status = write_encoder_add(encoder, labels, t_ms, values, count);
	return status;
}

static enum status add_series(struct write_encoder *encoder, const struct texts *texts,
	struct wire *frame, struct error *error)
{
	uint32_t references[REFERENCES_MAX];
	struct series_v2 series;
	struct labels labels;
	enum status status;

	if (!series_v2_read(&series, frame, references, REFERENCES_MAX))
		return error_set(error, STATUS_BAD_INPUT, "%s", frame->fault);
	if (series.histogram_count > 0 || series.exemplar_count > 0)
		return error_set(error, STATUS_UNSUPPORTED,
			"a histogram or an exemplar is not said again in 1.0");
	if (series.reference_count > REFERENCES_MAX || series.reference_count % 2 != 0)
		return error_set(error, STATUS_BAD_INPUT, "%u references of labels",
			(unsigned)series.reference_count);
	status = labels_read(texts, references, series.reference_count / 2, &labels, error);
	if (status != STATUS_OK)
		return status;
	status = add_samples(encoder, &labels, &series);
	labels_fini(&labels);
	return status == STATUS_OK
		? status
		: error_set(error, status, "a series finds no room in the request of 1.0");
}

enum status write_encoder_add_request_v2(struct write_encoder *encoder, const void *body,
	size_t size, uint64_t decoded_max, struct error *error)
{
	struct snappy_body decoded;
	struct texts texts = {.count = 0};
	struct wire wire, frame;
	enum status status;

	snappy_body_init(&decoded);
	status = snappy_body_decode(&decoded, body, size, decoded_max, error);
	if (status != STATUS_OK)
		goto done;
	wire = wire_of(decoded.bytes, decoded.size);
	status = texts_read(&texts, wire);
	if (status != STATUS_OK)
		error_set(error, status, "no memory for symbols");
	while (status == STATUS_OK && decode_v2_frames(&wire, &frame, 1) == 1)
		status = add_series(encoder, &texts, &frame, error);
	if (status == STATUS_OK && wire.fault != NULL)
		status = error_set(error, STATUS_BAD_INPUT, "%s", wire.fault);
done:
	mem_free(texts.list);
	snappy_body_fini(&decoded);
	return status;
}
