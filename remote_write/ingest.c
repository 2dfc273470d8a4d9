/*
 * One request of remote write 1.0, from the compressed body to the store.
 *
 * What makes it fast is what it leaves out: in the steady state no label is read and nothing is
 * allocated. The body is taken in groups of frames, in three steps each:
 *   1. guess that each frame is a run of labels and one sample (series_tail), hash the run;
 *   2. look all the hashes up;
 *   3. in the order of the body: a known run gives its sample to the batch, all else goes the slow
 *      way (take_series): walk the frame, hash its labels, look it up, and only when it is unknown
 *      read and check the labels and intern the series.
 * The batch goes to the store when it is full and at the end, so that locks are taken per batch.
 *
 * Invariants:
 *   1. A key is interned only for label bytes that were read and found valid. The same bytes are
 *      the same labels again, so that a known key needs no check: not of the labels, and not of the
 *      guess (see series_tail()).
 *   2. When labels do not stand together in a frame, the key is that of the same fields written
 *      one after the other, which is what another sender would have sent for that set.
 *   3. Samples reach the store in the order of the body.
 *   4. A series without samples (exemplars or histograms alone) is checked but not interned: there
 *      is nothing to keep of it yet.
 *
 * Answers (specification sheet remote_write, section 5): the first thing that was wrong is what
 * the answer names; series that are good are kept. Bytes that are no protobuf end the request at
 * that place, because nothing after it can be trusted to be what it seems. Late, repeated,
 * conflicting and future samples are counted and are no error.
 */
#include "remote_write/ingest.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remote_write/decode_v1.h"
#include "remote_write/refusal.h"
#include "remote_write/series_labels.h"
#include "remote_write/snappy_body.h"

/* Frames looked at in one step: their keys, samples and what is fetched for them fit in the first
 * cache. */
#define GROUP_MAX 64
/* Samples handed to the store at a time. */
#define BATCH_MAX 1024
/* A buffer larger than this is not kept for the next request. Bodies of 2000 samples take 0.3 to
 * 0.7 MB. */
#define DECODED_KEEP_MAX ((size_t)2 << 20)
#define CANONICAL_KEEP_MAX ((size_t)64 << 10)

/* The fields of the label run in its canonical form. */
#define TAG_LABELS 0x0a

struct ingest_cells {
	struct metric_cell *bytes, *decoded_bytes, *exemplars, *histograms, *metadata;
	struct metric_cell *outcomes[STATUS_COUNT], *results[APPEND_RESULT_COUNT];
	struct metric_cell *refusals[REFUSAL_COUNT];
};

struct group {
	struct wire frames[GROUP_MAX];
	struct decoded_sample samples[GROUP_MAX];
	struct store_key keys[GROUP_MAX];
	uint32_t series[GROUP_MAX];
	bool guessed[GROUP_MAX]; /* the sample and the key are those of a guess */
};

struct ingest {
	struct store *store;
	struct ingest_limits limits;
	struct snappy_body decoded;
	struct series_labels labels;
	struct buf canonical; /* labels that did not stand together, written one after the other */
	struct ingest_counts *counts; /* of the request at hand */
	struct error first;           /* what was wrong first in it */
	size_t batch_count;
	struct ingest_cells cells;
	struct group group;
	struct store_sample batch[BATCH_MAX];
};

/* All of them once, so that the metrics page shows each at zero before it happens. */
static void open_cells(struct ingest_cells *cells)
{
	static const enum status outcomes[] = {STATUS_OK, STATUS_BAD_INPUT, STATUS_LIMIT,
		STATUS_TOO_LARGE, STATUS_MEDIA_TYPE, STATUS_NO_MEMORY};

	cells->bytes = metrics_cell(METRIC_RW_BYTES);
	cells->decoded_bytes = metrics_cell(METRIC_RW_DECODED_BYTES);
	cells->exemplars = metrics_cell(METRIC_RW_SKIPPED, "exemplar");
	cells->histograms = metrics_cell(METRIC_RW_SKIPPED, "histogram");
	cells->metadata = metrics_cell(METRIC_RW_SKIPPED, "metadata");
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		cells->outcomes[outcomes[i]] =
			metrics_cell(METRIC_RW_REQUESTS, status_label(outcomes[i]));
	for (int result = 0; result < APPEND_RESULT_COUNT; result++)
		cells->results[result] = metrics_cell(METRIC_RW_SAMPLES,
			append_result_name((enum append_result)result));
	for (int refusal = REFUSAL_NONE + 1; refusal < REFUSAL_COUNT; refusal++)
		cells->refusals[refusal] =
			metrics_cell(METRIC_RW_INVALID, refusal_label((enum refusal)refusal));
}

struct ingest *ingest_open(struct store *store, const struct ingest_limits *limits,
	struct error *error)
{
	struct ingest *ingest = mem_zalloc(1, sizeof(*ingest));

	if (ingest == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for a remote-write receiver");
		return NULL;
	}
	ingest->store = store;
	ingest->limits = *limits;
	snappy_body_init(&ingest->decoded);
	buf_init(&ingest->canonical, (size_t)limits->decoded_max);
	open_cells(&ingest->cells);
	if (series_labels_init(&ingest->labels, limits->labels_max, limits->label_name_max,
		    limits->label_value_max, error) != STATUS_OK) {
		ingest_close(ingest);
		return NULL;
	}
	return ingest;
}

void ingest_close(struct ingest *ingest)
{
	if (ingest == NULL)
		return;
	series_labels_fini(&ingest->labels);
	buf_fini(&ingest->canonical);
	snappy_body_fini(&ingest->decoded);
	mem_free(ingest);
}

/* Where the text of the next fault goes: only the first is told. */
static struct error *first_error(struct ingest *ingest)
{
	return ingest->first.code == STATUS_OK ? &ingest->first : NULL;
}

static void count_refusal(struct ingest *ingest, enum refusal refusal)
{
	metric_cell_add(ingest->cells.refusals[refusal], 1);
}

static void flush_batch(struct ingest *ingest)
{
	store_append(ingest->store, ingest->batch, ingest->batch_count, ingest->counts->results);
	ingest->counts->samples += ingest->batch_count;
	ingest->batch_count = 0;
}

static inline void add_sample(struct ingest *ingest, uint32_t series,
	const struct decoded_sample *sample)
{
	if (ingest->batch_count == BATCH_MAX)
		flush_batch(ingest);
	ingest->batch[ingest->batch_count++] = (struct store_sample){
		.series = series,
		.t_ms = sample->t_ms,
		.value = sample->value,
	};
}

/* Bytes that are no protobuf, at this place of the body. */
static enum status refuse_bytes(struct ingest *ingest, const uint8_t *at, const char *fault)
{
	count_refusal(ingest, REFUSAL_PROTOBUF);
	error_set(first_error(ingest), STATUS_BAD_INPUT,
		"the body is malformed at byte %td after decompression (time series %" PRIu64
		"): %s; what stands before it was kept",
		at - ingest->decoded.bytes, ingest->counts->series + 1, fault);
	return STATUS_BAD_INPUT;
}

/* The labels of the frame as if they stood together. STATUS_NO_MEMORY. */
static enum status key_of_scattered(struct ingest *ingest, const struct series_view *view,
	struct store_key *key)
{
	struct wire rest = view->frame;
	struct wire label;

	buf_reset(&ingest->canonical);
	while (series_view_label_bytes(&rest, &label)) {
		uint8_t head[1 + WIRE_VARINT_MAX] = {TAG_LABELS};
		uint8_t *end = wire_put_varint(head + 1, wire_left(&label));
		buf_add(&ingest->canonical, head, (size_t)(end - head));
		buf_add(&ingest->canonical, label.at, wire_left(&label));
	}
	if (!buf_ok(&ingest->canonical))
		return error_set(&ingest->first, STATUS_NO_MEMORY,
			"no memory for the labels of a series");
	*key = store_key_of(ingest->store, ingest->canonical.data, ingest->canonical.size);
	return STATUS_OK;
}

/* A series that the store does not know by this key. STATUS_BAD_INPUT ends the request (malformed);
 * a series that is only refused is STATUS_OK with *series STORE_NO_SERIES. */
static enum status take_new_series(struct ingest *ingest, const struct series_view *view,
	struct store_key key, uint32_t *series)
{
	struct series_labels *labels = &ingest->labels;
	struct error *first = first_error(ingest);
	enum refusal refusal;
	enum status status;
	struct wire rest;

	*series = STORE_NO_SERIES;
	refusal = series_labels_read(labels, view, &rest, first);
	if (refusal == REFUSAL_PROTOBUF)
		return refuse_bytes(ingest, rest.at, rest.fault);
	if (refusal == REFUSAL_NONE && view->sample_count > 0) {
		struct error why;
		status = store_intern(ingest->store, key, labels->pairs, labels->count, series,
			&why);
		if (status == STATUS_NO_MEMORY)
			return error_set(&ingest->first, status, "%s", why.text);
		if (status != STATUS_OK) {
			char text[256];
			refusal = status == STATUS_LIMIT ? REFUSAL_STORE_LIMIT : REFUSAL_LABEL_NAME;
			series_labels_describe(labels, text, sizeof(text));
			error_set(first, status, "series %s: %s", text, why.text);
		}
	}
	if (refusal != REFUSAL_NONE) {
		*series = STORE_NO_SERIES;
		count_refusal(ingest, refusal);
		ingest->counts->invalid_series++;
	}
	return STATUS_OK;
}

/* A frame that the guess did not settle. STATUS_BAD_INPUT and STATUS_NO_MEMORY end the request. */
static enum status take_series(struct ingest *ingest, struct wire *frame)
{
	struct ingest_counts *counts = ingest->counts;
	struct decoded_sample sample;
	struct series_view view;
	struct store_key key = {0, 0};
	enum status status;
	struct wire rest;
	uint32_t series;

	if (!series_view_init(&view, frame))
		return refuse_bytes(ingest, frame->at, frame->fault);
	if (view.labels_together) {
		key = store_key_of(ingest->store, view.labels.at, wire_left(&view.labels));
	} else {
		status = key_of_scattered(ingest, &view, &key);
		if (status != STATUS_OK)
			return status;
	}
	series = store_find(ingest->store, key);
	if (series == STORE_NO_SERIES) {
		uint64_t invalid = counts->invalid_series;
		status = take_new_series(ingest, &view, key, &series);
		if (status != STATUS_OK)
			return status;
		if (counts->invalid_series != invalid) {
			counts->series++;
			return STATUS_OK;
		}
	}
	counts->series++;
	counts->exemplars += view.exemplar_count;
	counts->histograms += view.histogram_count;
	if (view.sample_count == 1) {
		add_sample(ingest, series, &view.first);
		return STATUS_OK;
	}
	rest = series_view_samples(&view);
	while (series_view_sample(&rest, &sample))
		add_sample(ingest, series, &sample);
	return STATUS_OK;
}

static enum status take_group(struct ingest *ingest, size_t count)
{
	struct group *group = &ingest->group;

	for (size_t i = 0; i < count; i++) {
		const struct wire *frame = &group->frames[i];
		size_t labels_size = series_tail(frame, &group->samples[i]);
		group->guessed[i] = labels_size > 0;
		group->keys[i] = store_key_of(ingest->store, frame->at, labels_size);
	}
	store_find_many(ingest->store, group->keys, count, group->series);
	for (size_t i = 0; i < count; i++) {
		if (group->guessed[i] && group->series[i] != STORE_NO_SERIES) {
			ingest->counts->series++;
			add_sample(ingest, group->series[i], &group->samples[i]);
		} else {
			enum status status = take_series(ingest, &group->frames[i]);
			if (status != STATUS_OK)
				return status;
		}
	}
	return STATUS_OK;
}

/* All of the decoded body. The status is that of ingest->first. */
static void take_body(struct ingest *ingest)
{
	struct decode_v1 decode = decode_v1_of(ingest->decoded.bytes, ingest->decoded.size);
	struct ingest_counts *counts = ingest->counts;
	size_t count, allowed;
	enum status status;
	bool more = true;

	while (more) {
		count = decode_v1_frames(&decode, ingest->group.frames, GROUP_MAX);
		counts->metadata = decode.metadata;
		allowed = count;
		if (count > ingest->limits.series_max - counts->series)
			allowed = (size_t)(ingest->limits.series_max - counts->series);
		status = take_group(ingest, allowed);
		more = status == STATUS_OK && count == GROUP_MAX;
		if (status == STATUS_OK && allowed < count) {
			count_refusal(ingest, REFUSAL_SERIES_COUNT);
			error_set(first_error(ingest), STATUS_LIMIT,
				"more than %" PRIu32 " time series in a request; the first %" PRIu32
				" were taken",
				ingest->limits.series_max, ingest->limits.series_max);
			more = false;
		} else if (status == STATUS_OK && decode.wire.fault != NULL) {
			refuse_bytes(ingest, decode.wire.at, decode.wire.fault);
		}
	}
	flush_batch(ingest);
}

static enum status answer(struct ingest *ingest, struct error *error)
{
	const struct error *first = &ingest->first;
	uint64_t refused = ingest->counts->invalid_series;

	if (first->code == STATUS_OK)
		return STATUS_OK;
	if (refused > 1)
		return error_set(error, first->code,
			"%s; %" PRIu64 " series of the request were refused", first->text, refused);
	return error_set(error, first->code, "%s", first->text);
}

static void count_request(struct ingest *ingest, enum status status, size_t size)
{
	const struct ingest_counts *counts = ingest->counts;
	struct ingest_cells *cells = &ingest->cells;

	if (cells->outcomes[status] != NULL)
		metric_cell_add(cells->outcomes[status], 1);
	metric_cell_add(cells->bytes, (double)size);
	metric_cell_add(cells->decoded_bytes, (double)counts->decoded_bytes);
	metric_cell_add(cells->exemplars, (double)counts->exemplars);
	metric_cell_add(cells->histograms, (double)counts->histograms);
	metric_cell_add(cells->metadata, (double)counts->metadata);
	for (int result = 0; result < APPEND_RESULT_COUNT; result++)
		if (counts->results[result] > 0)
			metric_cell_add(cells->results[result], (double)counts->results[result]);
}

enum status ingest_request(struct ingest *ingest, const char *content_type,
	const char *content_encoding, const void *body, size_t size, struct ingest_counts *counts,
	struct error *error)
{
	enum status status;

	*counts = (struct ingest_counts){.series = 0};
	ingest->counts = counts;
	error_reset(&ingest->first);
	status = ingest_check_media(content_type, content_encoding, error);
	if (status != STATUS_OK)
		return status;
	if (size > ingest->limits.body_max) {
		count_refusal(ingest, REFUSAL_BODY_SIZE);
		status = error_set(error, STATUS_TOO_LARGE,
			"a body of %zu bytes is too large, the limit is %" PRIu64, size,
			ingest->limits.body_max);
	} else {
		status = snappy_body_decode(&ingest->decoded, body, size,
			ingest->limits.decoded_max, error);
		if (status == STATUS_OK) {
			counts->decoded_bytes = ingest->decoded.size;
			take_body(ingest);
			status = answer(ingest, error);
		} else if (status != STATUS_NO_MEMORY) {
			count_refusal(ingest,
				status == STATUS_LIMIT ? REFUSAL_DECODED_SIZE : REFUSAL_SNAPPY);
		}
	}
	count_request(ingest, status, size);
	snappy_body_trim(&ingest->decoded, DECODED_KEEP_MAX);
	if (ingest->canonical.capacity > CANONICAL_KEEP_MAX)
		buf_fini(&ingest->canonical);
	return status;
}
