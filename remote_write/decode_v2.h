/*
 * A decoded remote-write 2.0 body (message io.prometheus.write.v2.Request) read in place: first the
 * symbols, then frames, which are TimeSeries not yet looked into, then a view of a frame.
 *
 * Ownership: all of it points into the body, which must outlive it. The symbols table is the
 *   caller's.
 * Limits: none of its own but those of the symbols table and of the caller's list of references.
 * Order: series and their parts come in the order of the wire; symbols may stand behind the series
 *   that use them.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_DECODE_V2_H
#define NIMBUSGUARD_REMOTE_WRITE_DECODE_V2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "remote_write/symbols.h"
#include "remote_write/wire.h"

/* Reads all symbols that stand before the first fault. Faults are left to decode_v2_frames(), which
 * finds them at the same place. STATUS_NO_MEMORY. */
enum status decode_v2_symbols(struct wire body, struct symbols *symbols,
	const struct store *store) MUST_CHECK;

/* The next TimeSeries, at most max of them. Fewer than max: the end, or body->fault says what is
 * wrong at body->at; the frames returned stand before the fault and are good as frames. */
size_t decode_v2_frames(struct wire *body, struct wire *frames, size_t max) MUST_CHECK;

struct sample_v2 {
	int64_t t_ms, start_ms; /* start_ms: 0 when unknown */
	double value;
};

struct series_v2 {
	struct wire frame;
	uint32_t reference_count; /* of labels; those past the room are counted, not kept */
	uint32_t sample_count, exemplar_count, histogram_count, metadata_count;
	const uint8_t *samples; /* where the first sample's tag stands; NULL without samples */
	struct sample_v2 first; /* the first sample; zeros without samples */
	int64_t created_ms;     /* created_timestamp of senders of old; 0: none */
	/* The largest reference of exemplars and metadata, and whether an exemplar has half a label. */
	uint32_t side_reference_max;
	bool side_odd;
};

struct plain_v2 {
	struct store_key key;
	struct sample_v2 sample;
	bool metadata;
};

/* The frame that Prometheus sends nearly always: one block of label references, one sample with the
 * time of today, perhaps metadata, and nothing else, each length in one byte. Adds up the key on the
 * way, without storing the references. false: it is another one, or a reference is out of range;
 * then it has to be read by series_v2_read(), which takes about twice as long. */
bool series_v2_plain(const struct wire *frame, const struct symbols *symbols,
	struct plain_v2 *plain) MUST_CHECK;

/* Walks a frame; its label references go to references[reference_max]. false: frame->fault says what
 * is wrong at frame->at. */
bool series_v2_read(struct series_v2 *series, struct wire *frame, uint32_t *references,
	uint32_t reference_max) MUST_CHECK;

/* Starts as series_v2_samples(); false at the end. A sample without a start has that of the series.
 * Only for a series that was read. */
bool series_v2_sample(const struct series_v2 *series, struct wire *rest,
	struct sample_v2 *sample) MUST_CHECK;
struct wire series_v2_samples(const struct series_v2 *series);

/* The next histogram of a series that was read: the message, not looked into. Starts as
 * series->frame; false at the end. */
bool series_v2_histogram(struct wire *rest, struct wire *histogram) MUST_CHECK;
/* The next exemplar of it; its label references go to references[reference_max], those past that are
 * counted alone. */
struct exemplar_v2 {
	uint32_t reference_count;
	int64_t t_ms;
	double value;
};
bool series_v2_exemplar(struct wire *rest, struct exemplar_v2 *exemplar, uint32_t *references,
	uint32_t reference_max) MUST_CHECK;

#endif
