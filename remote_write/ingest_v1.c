/*
 * The body of a request of remote write 1.0.
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
 */
#include "remote_write/ingest_state.h"

/* The fields of the label run in its canonical form. */
#define TAG_LABELS 0x0a

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
	struct wire rest;
	enum refusal refusal =
		series_labels_read(&ingest->labels, view, &rest, first_error(ingest));

	*series = STORE_NO_SERIES;
	if (refusal == REFUSAL_PROTOBUF)
		return ingest_refuse_bytes(ingest, rest.at, rest.fault);
	if (refusal != REFUSAL_NONE) {
		count_refusal(ingest, refusal);
		ingest->counts->invalid_series++;
		return STATUS_OK;
	}
	return view->sample_count > 0 ? ingest_intern(ingest, key, series) : STATUS_OK;
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
		return ingest_refuse_bytes(ingest, frame->at, frame->fault);
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
		add_sample(ingest, series, view.first.t_ms, view.first.value);
		return STATUS_OK;
	}
	rest = series_view_samples(&view);
	while (series_view_sample(&rest, &sample))
		add_sample(ingest, series, sample.t_ms, sample.value);
	return STATUS_OK;
}

static enum status take_group(struct ingest *ingest, size_t count)
{
	struct group *group = &ingest->group;

	for (size_t i = 0; i < count; i++) {
		const struct wire *frame = &group->frames[i];
		size_t labels_size = series_tail(frame, &group->samples[i]);
		group->plain[i] = labels_size > 0;
		group->keys[i] = store_key_of(ingest->store, frame->at, labels_size);
	}
	store_find_many(ingest->store, group->keys, count, group->series);
	for (size_t i = 0; i < count; i++) {
		if (group->plain[i] && group->series[i] != STORE_NO_SERIES) {
			ingest->counts->series++;
			add_sample(ingest, group->series[i], group->samples[i].t_ms,
				group->samples[i].value);
		} else {
			enum status status = take_series(ingest, &group->frames[i]);
			if (status != STATUS_OK)
				return status;
		}
	}
	return STATUS_OK;
}

void ingest_body_v1(struct ingest *ingest)
{
	struct decode_v1 decode = decode_v1_of(ingest->decoded.bytes, ingest->decoded.size);
	size_t count, allowed;
	enum status status;
	bool more = true;

	while (more) {
		count = decode_v1_frames(&decode, ingest->group.frames, GROUP_MAX);
		ingest->counts->metadata = decode.metadata;
		allowed = ingest_allowed(ingest, count);
		status = take_group(ingest, allowed);
		more = status == STATUS_OK && count == GROUP_MAX;
		if (status == STATUS_OK && allowed < count) {
			ingest_refuse_rest(ingest);
			more = false;
		} else if (status == STATUS_OK && decode.wire.fault != NULL) {
			(void)ingest_refuse_bytes(ingest, decode.wire.at, decode.wire.fault);
		}
	}
	ingest_flush(ingest);
}
