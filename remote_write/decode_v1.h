/*
 * A decoded remote-write 1.0 body (message prometheus.WriteRequest) read in place: first frames,
 * which are TimeSeries not yet looked into, then a view of a frame, from which labels and samples
 * are read.
 *
 * Ownership: all of it points into the body, which must outlive it. Nothing is allocated.
 * Limits: none of its own; the body is bounded by who made it.
 * Order: labels and samples come in the order of the wire.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_DECODE_V1_H
#define NIMBUSGUARD_REMOTE_WRITE_DECODE_V1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/labels.h"
#include "remote_write/wire.h"

/* First bytes of a TimeSeries in the body, and of a label in a TimeSeries. */
#define TIMESERIES_TAG 0x0a
#define SERIES_LABEL_TAG 0x0a

struct decode_v1 {
	struct wire wire;  /* the body; its fault is the fault of the body */
	uint64_t metadata; /* MetricMetadata messages passed so far */
	bool v2;           /* fields were passed that a request of 2.0 is made of */
};

static inline struct decode_v1 decode_v1_of(const void *body, size_t size)
{
	return (struct decode_v1){.wire = wire_of(body, size)};
}

/* The next TimeSeries, at most max of them. Metadata between them is checked and counted, unknown
 * fields are skipped. Fewer than max: the end, or decode->wire.fault says what is wrong at
 * decode->wire.at; the frames returned stand before the fault and are good as frames. */
size_t decode_v1_frames(struct decode_v1 *decode, struct wire *frames, size_t max) MUST_CHECK;

/* The next one, when it begins as all senders write it, with a tag and a length of one or two bytes,
 * and is there to its end. false says nothing. */
static inline bool decode_v1_frame_usual(struct decode_v1 *decode, struct wire *frame)
{
	const uint8_t *at = decode->wire.at;
	size_t left = wire_left(&decode->wire), head = 2, length;

	if (left > 3 && at[0] == TIMESERIES_TAG && (at[1] < 0x80 || at[2] < 0x80)) {
		length = at[1];
		if (length >= 0x80) {
			length = (length & 0x7f) | (size_t)at[2] << 7;
			head = 3;
		}
		if (length <= left - head) {
			*frame = wire_of(at + head, length);
			decode->wire.at = at + head + length;
			return true;
		}
	}
	return false;
}

/* The next one alone. */
static inline bool decode_v1_frame(struct decode_v1 *decode, struct wire *frame)
{
	return decode_v1_frame_usual(decode, frame) || decode_v1_frames(decode, frame, 1) == 1;
}

struct decoded_sample {
	int64_t t_ms;
	double value;
};

struct series_view {
	struct wire frame;
	/* From the first label's tag to the end of the last label, when nothing else stands between
	 * (labels_together). */
	struct wire labels;
	bool labels_together;
	uint32_t label_count, sample_count, exemplar_count, histogram_count;
	const uint8_t *samples;      /* where the first sample's tag stands; NULL without samples */
	struct decoded_sample first; /* the first sample; zeros without samples */
};

/* Walks a frame: every part but the inside of the labels is checked. false: frame->fault says what
 * is wrong at frame->at. */
bool series_view_init(struct series_view *view, struct wire *frame) MUST_CHECK;

/* Readers start as view.frame (labels) or as series_view_samples(). They return false at the end
 * and on a fault (rest->fault; only labels can have one, samples were checked). */
bool series_view_label(struct wire *rest, struct label *label) MUST_CHECK;
/* The bytes of the next label, not looked into. */
bool series_view_label_bytes(struct wire *rest, struct wire *label) MUST_CHECK;
bool series_view_sample(struct wire *rest, struct decoded_sample *sample) MUST_CHECK;
struct wire series_view_samples(const struct series_view *view);

/* The next histogram of a frame that was walked: the message, not looked into. */
bool series_view_histogram(struct wire *rest, struct wire *histogram) MUST_CHECK;
/* The next exemplar; *labels starts a walk with exemplar_label(). t_ms 0: the sender gave none. */
struct decoded_exemplar {
	struct wire labels;
	int64_t t_ms;
	double value;
};
bool series_view_exemplar(struct wire *rest, struct decoded_exemplar *exemplar) MUST_CHECK;
bool exemplar_label(struct wire *rest, struct label *label) MUST_CHECK;

/* The guess that a frame ends with exactly one sample and holds nothing but labels before it: what
 * Prometheus sends. Returns the bytes before that sample, or 0 when the end does not look like it.
 *
 * The guess is no proof: the bytes may as well be the end of a label's value. It is sound to act on
 * it when the bytes before are known to be a whole run of labels, because protobuf is read from
 * front to back and the reading of those bytes can only end where they end.
 *
 * A sample is 12 length [09 value] 10 time; time takes six bytes from 1978 to 2109, and a value
 * of zero is left out. */
static inline size_t series_tail(const struct wire *frame, struct decoded_sample *sample)
{
	const uint8_t *end = frame->end;
	size_t size = wire_left(frame);
	uint64_t last, bits;

	if (size < 18 || end[-7] != 0x10)
		return 0;
	/* The time is in the upper six bytes: five with the bit that says more follows, one without. */
	last = wire_load64(end - 8);
	if ((last & UINT64_C(0x8080808080800000)) != UINT64_C(0x0080808080800000))
		return 0;
	/* Six groups of 7 bits become three of 14 and then one of 42. */
	last = (last >> 16 & UINT64_C(0x007f007f007f)) | (last >> 17 & UINT64_C(0x3f803f803f80));
	sample->t_ms = (int64_t)((last & 0x3fff) | (last >> 2 & UINT64_C(0x3fff) << 14) |
		(last >> 4 & UINT64_C(0x3fff) << 28));
	if (end[-18] == 0x12 && end[-17] == 0x10 && end[-16] == 0x09) {
		bits = wire_load64(end - 15);
		memcpy(&sample->value, &bits, sizeof(bits));
		return size - 18;
	}
	if (end[-9] == 0x12 && end[-8] == 0x07) {
		sample->value = 0;
		return size - 9;
	}
	return 0;
}

#endif
