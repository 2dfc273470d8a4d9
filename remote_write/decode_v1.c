/*
 * Remote-write 1.0 messages on the wire. Field numbers and types: specification sheet
 * remote_write, section 2 (package prometheus, types.proto and remote.proto).
 *
 * Exemplars, native histograms and metadata are not used yet: they are checked to be well-formed,
 * counted, and passed over. Labels are only measured here; their inside is read by
 * series_view_label(), because for a known series nobody needs to.
 */
#include "remote_write/decode_v1.h"

#include "base/check.h"
#include "remote_write/shapes.h"

enum {
	REQUEST_TIMESERIES = 1,
	REQUEST_METADATA = 3,
	REQUEST_V2_SYMBOLS = 4,
	REQUEST_V2_TIMESERIES = 5
};
_Static_assert(TIMESERIES_TAG == (REQUEST_TIMESERIES << 3 | WIRE_BYTES), "the fields' numbers");
enum { SERIES_LABELS = 1, SERIES_SAMPLES = 2, SERIES_EXEMPLARS = 3, SERIES_HISTOGRAMS = 4 };
_Static_assert(SERIES_LABEL_TAG == (SERIES_LABELS << 3 | WIRE_BYTES), "the fields' numbers");
enum { LABEL_NAME = 1, LABEL_VALUE = 2 };
enum { SAMPLE_VALUE = 1, SAMPLE_TIMESTAMP = 2 };
enum { EXEMPLAR_LABELS = 1, EXEMPLAR_VALUE = 2, EXEMPLAR_TIMESTAMP = 3 };

#define SHAPE(name)                                                                                \
	static const struct wire_shape name##_shape = {name##_fields, ARRAY_COUNT(name##_fields)}

static const struct wire_field label_fields[] = {
	[LABEL_NAME] = {WIRE_KIND_BYTES, NULL},
	[LABEL_VALUE] = {WIRE_KIND_BYTES, NULL},
};
SHAPE(label);

static const struct wire_field exemplar_fields[] = {
	[EXEMPLAR_LABELS] = {WIRE_KIND_MESSAGE, &label_shape},
	[EXEMPLAR_VALUE] = {WIRE_KIND_DOUBLE, NULL},
	[EXEMPLAR_TIMESTAMP] = {WIRE_KIND_VARINT, NULL},
};
SHAPE(exemplar);

static const struct wire_field metadata_fields[] = {
	[1] = {WIRE_KIND_VARINT, NULL}, /* type */
	[2] = {WIRE_KIND_BYTES, NULL},  /* metric_family_name */
	[4] = {WIRE_KIND_BYTES, NULL},  /* help */
	[5] = {WIRE_KIND_BYTES, NULL},  /* unit */
};
SHAPE(metadata);

/* The message in this field, of a shape that is only checked. */
static bool check_message(struct wire *wire, struct wire_tag tag, const struct wire_shape *shape)
{
	struct wire inside;

	if (!wire_want(wire, tag, WIRE_BYTES) || !wire_bytes(wire, &inside))
		return false;
	return wire_check(&inside, shape) || wire_fail_inside(wire, &inside);
}

size_t decode_v1_frames(struct decode_v1 *decode, struct wire *frames, size_t max)
{
	struct wire *wire = &decode->wire;
	struct wire_tag tag;
	size_t count = 0;

	while (count < max && wire->at < wire->end && wire->fault == NULL) {
		if (!wire_tag(wire, &tag))
			break;
		if (tag.field == REQUEST_TIMESERIES) {
			if (!wire_want(wire, tag, WIRE_BYTES) || !wire_bytes(wire, &frames[count]))
				break;
			count++;
		} else if (tag.field == REQUEST_METADATA) {
			if (!check_message(wire, tag, &metadata_shape))
				break;
			decode->metadata++;
		} else if (!wire_skip(wire, tag.type)) {
			break;
		} else if (tag.field == REQUEST_V2_SYMBOLS || tag.field == REQUEST_V2_TIMESERIES) {
			decode->v2 = true;
		}
	}
	return count;
}

static bool read_sample(struct wire *wire, struct decoded_sample *sample)
{
	uint64_t bits = 0, t = 0;
	struct wire_tag tag;
	bool read;

	while (wire->at < wire->end) {
		if (!wire_tag(wire, &tag))
			return false;
		if (tag.field == SAMPLE_VALUE)
			read = wire_want(wire, tag, WIRE_FIXED64) && wire_fixed64(wire, &bits);
		else if (tag.field == SAMPLE_TIMESTAMP)
			read = wire_want(wire, tag, WIRE_VARINT) && wire_varint(wire, &t);
		else
			read = wire_skip(wire, tag.type);
		if (!read)
			return false;
	}
	sample->t_ms = (int64_t)t;
	memcpy(&sample->value, &bits, sizeof(bits));
	return true;
}

/* Takes a label into the range of labels, or notes that the range has something else inside. */
static void add_label(struct series_view *view, const uint8_t *start, const uint8_t *end)
{
	if (view->label_count++ == 0)
		view->labels.at = start;
	else if (view->labels.end != start)
		view->labels_together = false;
	view->labels.end = end;
}

bool series_view_init(struct series_view *view, struct wire *frame)
{
	struct decoded_sample sample;
	struct wire_tag tag;
	struct wire inside;

	*view = (struct series_view){.frame = *frame, .labels_together = true};
	view->labels = (struct wire){.at = frame->at, .end = frame->at};
	while (frame->at < frame->end) {
		const uint8_t *start = frame->at;
		if (!wire_tag(frame, &tag))
			return false;
		if (tag.field == SERIES_LABELS) {
			if (!wire_want(frame, tag, WIRE_BYTES) || !wire_bytes(frame, &inside))
				return false;
			add_label(view, start, frame->at);
		} else if (tag.field == SERIES_SAMPLES) {
			if (!wire_want(frame, tag, WIRE_BYTES) || !wire_bytes(frame, &inside))
				return false;
			if (!read_sample(&inside, &sample))
				return wire_fail_inside(frame, &inside);
			if (view->sample_count++ == 0) {
				view->samples = start;
				view->first = sample;
			}
		} else if (tag.field == SERIES_EXEMPLARS) {
			if (!check_message(frame, tag, &exemplar_shape))
				return false;
			view->exemplar_count++;
		} else if (tag.field == SERIES_HISTOGRAMS) {
			if (!check_message(frame, tag, &shape_histogram_v1))
				return false;
			view->histogram_count++;
		} else if (!wire_skip(frame, tag.type)) {
			return false;
		}
	}
	return true;
}

/* The next field of this number, over which the reader has passed; false at the end or on a fault. */
static bool next_message(struct wire *rest, uint32_t field, struct wire *inside)
{
	struct wire_tag tag;

	while (rest->at < rest->end && rest->fault == NULL) {
		if (!wire_tag(rest, &tag))
			return false;
		if (tag.field == field)
			return wire_want(rest, tag, WIRE_BYTES) && wire_bytes(rest, inside);
		if (!wire_skip(rest, tag.type))
			return false;
	}
	return false;
}

bool series_view_label_bytes(struct wire *rest, struct wire *label)
{
	return next_message(rest, SERIES_LABELS, label);
}

/* The next label in this field. */
static bool next_label(struct wire *rest, uint32_t field, struct label *label)
{
	struct wire inside, text;
	struct wire_tag tag;

	if (!next_message(rest, field, &inside))
		return false;
	*label = (struct label){.name = "", .value = ""};
	while (inside.at < inside.end) {
		if (!wire_tag(&inside, &tag))
			return wire_fail_inside(rest, &inside);
		if (tag.field != LABEL_NAME && tag.field != LABEL_VALUE) {
			if (!wire_skip(&inside, tag.type))
				return wire_fail_inside(rest, &inside);
			continue;
		}
		if (!wire_want(&inside, tag, WIRE_BYTES) || !wire_bytes(&inside, &text))
			return wire_fail_inside(rest, &inside);
		if (tag.field == LABEL_NAME) {
			label->name = (const char *)text.at;
			label->name_size = (uint32_t)wire_left(&text);
		} else {
			label->value = (const char *)text.at;
			label->value_size = (uint32_t)wire_left(&text);
		}
	}
	return true;
}

bool series_view_label(struct wire *rest, struct label *label)
{
	return next_label(rest, SERIES_LABELS, label);
}

bool exemplar_label(struct wire *rest, struct label *label)
{
	return next_label(rest, EXEMPLAR_LABELS, label);
}

bool series_view_histogram(struct wire *rest, struct wire *histogram)
{
	return next_message(rest, SERIES_HISTOGRAMS, histogram);
}

bool series_view_exemplar(struct wire *rest, struct decoded_exemplar *exemplar)
{
	struct wire inside;
	struct wire_tag tag;
	uint64_t bits = 0, t = 0;
	bool read;

	if (!next_message(rest, SERIES_EXEMPLARS, &inside))
		return false;
	exemplar->labels = inside;
	while (inside.at < inside.end) {
		if (!wire_tag(&inside, &tag))
			return false;
		if (tag.field == EXEMPLAR_VALUE)
			read = wire_fixed64(&inside, &bits);
		else if (tag.field == EXEMPLAR_TIMESTAMP)
			read = wire_varint(&inside, &t);
		else
			read = wire_skip(&inside, tag.type);
		if (!read)
			return false;
	}
	exemplar->t_ms = (int64_t)t;
	memcpy(&exemplar->value, &bits, sizeof(bits));
	return true;
}

bool series_view_sample(struct wire *rest, struct decoded_sample *sample)
{
	struct wire inside;

	if (!next_message(rest, SERIES_SAMPLES, &inside))
		return false;
	return read_sample(&inside, sample) || wire_fail_inside(rest, &inside);
}

struct wire series_view_samples(const struct series_view *view)
{
	struct wire rest = view->frame;

	rest.at = view->samples != NULL ? view->samples : rest.end;
	return rest;
}
