/*
 * The body of a request of remote write 1.0.
 *
 * What makes it fast is what it leaves out: in the steady state no label is read and nothing is
 * allocated. In these steps:
 *   1. guess that each frame is a run of labels and one sample (series_tail), hash the run. That is done
 *      part by part while the body is being uncompressed and its bytes are in the nearest cache
 *      (ingest_read_ahead), and nothing of it counts before the block is known to be good; what stands
 *      behind the first AHEAD_MAX frames, and all of it with HA pairs, is read in groups afterwards;
 *   2. look the hashes up in groups, along the order in which the series came before (follow.h);
 *   3. in the order of the body: a known run gives its sample to the batch. Of unknown ones the labels
 *      are read and checked and the series interned, several at a time without HA pairs
 *      (ingest_intern_plain), else one by one (take_guessed). Whatever is not as guessed goes the slow way
 *      (take_series): walk the frame, hash its labels, look it up, and only when it is unknown read its
 *      labels.
 * The batch goes to the store when it is full and at the end, so that locks are taken per batch.
 *
 * Invariants:
 *   1. A key is interned only for label bytes that were read and found valid. The same bytes are
 *      the same labels again, so that a known key needs no check: not of the labels, and not of the
 *      guess (see series_tail()).
 *   2. When labels do not stand together in a frame, the key is that of the same fields written
 *      one after the other, which is what another sender would have sent for that set.
 *   3. Samples reach the store in the order of the body.
 *   4. With HA pairs, the key is that of the labels without the replica's, which are found in the run
 *      by a strict reading (replica_label.h) and cut out; labels written in another form have no key
 *      and are read each time. Before that key is even made, the election is asked.
 *   5. A series without samples is checked but not interned, unless its histograms are kept: there
 *      is nothing else to keep of it. Exemplars belong to a series that is there.
 */
#include <string.h>

#include "remote_write/ingest_state.h"

/* A longer run of labels with a replica's is not cut in the quick way. */
#define CUT_MAX 4096
/* Bytes uncompressed before the frames in them are read: half of the nearest cache. */
#define AHEAD_STEP 16384

/* The labels of the frame one after the other, in ingest->canonical. STATUS_NO_MEMORY. */
static enum status gather_labels(struct ingest *ingest, const struct series_view *view,
	struct wire *run)
{
	struct wire rest = view->frame;
	struct wire label;

	buf_reset(&ingest->canonical);
	while (series_view_label_bytes(&rest, &label)) {
		uint8_t head[1 + WIRE_VARINT_MAX] = {SERIES_LABEL_TAG};
		uint8_t *end = wire_put_varint(head + 1, wire_left(&label));
		buf_add(&ingest->canonical, head, (size_t)(end - head));
		buf_add(&ingest->canonical, label.at, wire_left(&label));
	}
	if (!buf_ok(&ingest->canonical))
		return error_set(&ingest->first, STATUS_NO_MEMORY,
			"no memory for the labels of a series");
	*run = wire_of(ingest->canonical.data, ingest->canonical.size);
	return STATUS_OK;
}

enum status ingest_key_of_labels(struct ingest *ingest, struct store_key *key)
{
	const struct series_labels *labels = &ingest->labels;
	struct buf *run = &ingest->canonical;

	buf_reset(run);
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *label = &labels->pairs[i];
		uint8_t name[1 + WIRE_VARINT_MAX] = {0x0a}, value[1 + WIRE_VARINT_MAX] = {0x12};
		uint8_t head[1 + WIRE_VARINT_MAX] = {SERIES_LABEL_TAG};
		size_t name_head = (size_t)(wire_put_varint(name + 1, label->name_size) - name);
		size_t value_head = (size_t)(wire_put_varint(value + 1, label->value_size) - value);
		uint8_t *end = wire_put_varint(head + 1,
			name_head + label->name_size + value_head + label->value_size);
		buf_add(run, head, (size_t)(end - head));
		buf_add(run, name, name_head);
		buf_add(run, label->name, label->name_size);
		buf_add(run, value, value_head);
		buf_add(run, label->value, label->value_size);
	}
	if (!buf_ok(run))
		return error_set(&ingest->first, STATUS_NO_MEMORY,
			"no memory for the labels of a series");
	*key = store_key_of(ingest->store, run->data, run->size);
	return STATUS_OK;
}

/* Who a run of labels belongs to. */
struct identity {
	bool keyed;   /* false: only reading the labels can tell */
	bool standby; /* of a replica that is not elected; there is no key then */
	struct store_key key;
};

/* The run without the replica's label. */
static bool key_of_cut(const struct ingest *ingest, const struct wire *run,
	const struct wire *label, struct store_key *key)
{
	uint8_t bytes[CUT_MAX];
	size_t before = (size_t)(label->at - run->at), after = (size_t)(run->end - label->end);

	if (before + after > sizeof(bytes))
		return false;
	memcpy(bytes, run->at, before);
	memcpy(bytes + before, label->end, after);
	*key = store_key_of(ingest->store, bytes, before + after);
	return true;
}

static struct identity identify(struct ingest *ingest, const struct wire *run)
{
	struct identity identity = {.keyed = true};
	struct replica_label found;
	bool take;

	if (ingest->election == NULL) {
		identity.key = store_key_of(ingest->store, run->at, wire_left(run));
		return identity;
	}
	identity.keyed = replica_label_find(*run, &ingest->rules->names, &found);
	if (!identity.keyed)
		return identity;
	if (found.cluster.size == 0 || found.replica.size == 0) {
		identity.key = store_key_of(ingest->store, run->at, wire_left(run));
		return identity;
	}
	/* No room for another replica is told where the labels are read. */
	identity.keyed =
		ingest_ask_election(ingest, found.cluster, found.replica, &take, NULL) == STATUS_OK;
	identity.standby = identity.keyed && !take;
	if (identity.keyed && take)
		identity.keyed = key_of_cut(ingest, run, &found.label, &identity.key);
	return identity;
}

/* A series that the store does not know by this key (NULL: it has none). STATUS_BAD_INPUT ends the
 * request (malformed), STATUS_NO_MEMORY too. */
static enum status take_new_series(struct ingest *ingest, const struct series_view *view,
	const struct store_key *key, uint32_t *series, enum verdict *verdict)
{
	struct wire rest;
	enum refusal refusal =
		series_labels_read(&ingest->labels, view, &rest, first_error(ingest));

	if (refusal == REFUSAL_PROTOBUF)
		return ingest_refuse_bytes(ingest, rest.at, rest.fault);
	if (refusal != REFUSAL_NONE) {
		*verdict = VERDICT_REFUSED;
		count_invalid(ingest, refusal);
		return STATUS_OK;
	}
	return ingest_admit(ingest, key,
		(struct series_parts){view->sample_count > 0, view->histogram_count > 0}, series,
		verdict);
}

/* The id of a frame's series. The errors end the request. */
static enum status find_series(struct ingest *ingest, const struct series_view *view,
	uint32_t *series, enum verdict *verdict)
{
	struct identity identity;
	struct wire run = view->labels;

	if (!view->labels_together) {
		enum status status = gather_labels(ingest, view, &run);
		if (status != STATUS_OK)
			return status;
	}
	identity = identify(ingest, &run);
	*series = STORE_NO_SERIES;
	*verdict = VERDICT_STANDBY;
	if (identity.standby)
		return STATUS_OK;
	*verdict = VERDICT_KEPT;
	if (identity.keyed)
		*series = store_find(ingest->store, identity.key);
	if (*series != STORE_NO_SERIES)
		return STATUS_OK;
	*verdict = VERDICT_DROPPED;
	if (identity.keyed && ingest->dropped != NULL && dropped_has(ingest->dropped, identity.key))
		return STATUS_OK;
	return take_new_series(ingest, view, identity.keyed ? &identity.key : NULL, series,
		verdict);
}

static bool read_labels(struct ingest *ingest, const void *view)
{
	struct wire rest;

	if (series_labels_read(&ingest->labels, view, &rest, NULL) != REFUSAL_NONE)
		return false;
	ingest_remove_replica(ingest);
	return true;
}

static void take_exemplar(struct ingest *ingest, uint32_t series,
	const struct decoded_exemplar *decoded, const struct label_source *source)
{
	struct exemplar *exemplar = &ingest->exemplar;
	struct wire rest = decoded->labels;
	bool too_many = false;
	struct label label;

	/* 1.0 lets the time be left out; without one there is no place for it. */
	if (decoded->t_ms == 0)
		return;
	*exemplar = (struct exemplar){.value = decoded->value};
	while (exemplar_label(&rest, &label)) {
		too_many = exemplar->label_count == EXEMPLAR_LABELS_MAX;
		if (!too_many)
			exemplar->labels[exemplar->label_count++] = label;
	}
	ingest_exemplar(ingest, series, decoded->t_ms, too_many, source);
}

/* Histograms and exemplars, for a series that keeps them. */
static enum status take_records(struct ingest *ingest, uint32_t series,
	const struct series_view *view)
{
	const struct label_source source = {read_labels, view};
	struct wire rest = view->frame, message;
	struct decoded_exemplar exemplar;
	enum status status = STATUS_OK;
	bool keeps = false;

	if (view->histogram_count > 0)
		status = ingest_keeps(ingest, &ingest->rules->histograms, series, &source, &keeps);
	while (keeps && series_view_histogram(&rest, &message))
		ingest_histogram(ingest, series, message, 0, &source);
	keeps = false;
	rest = view->frame;
	if (status == STATUS_OK && view->exemplar_count > 0)
		status = ingest_keeps(ingest, &ingest->rules->exemplars, series, &source, &keeps);
	while (keeps && series_view_exemplar(&rest, &exemplar))
		take_exemplar(ingest, series, &exemplar, &source);
	return status;
}

static void take_samples(struct ingest *ingest, uint32_t series, const struct series_view *view)
{
	struct wire rest = series_view_samples(view);
	struct decoded_sample sample;

	if (view->sample_count == 1) {
		add_sample(ingest, series, view->first.t_ms, view->first.value);
		return;
	}
	while (series_view_sample(&rest, &sample))
		add_sample(ingest, series, sample.t_ms, sample.value);
}

/* A frame that the guess did not settle. STATUS_BAD_INPUT and STATUS_NO_MEMORY end the request. */
static enum status take_series(struct ingest *ingest, struct wire *frame)
{
	struct ingest_counts *counts = ingest->counts;
	struct series_view view;
	enum verdict verdict;
	enum status status;
	uint32_t series;

	if (!series_view_init(&view, frame))
		return ingest_refuse_bytes(ingest, frame->at, frame->fault);
	status = find_series(ingest, &view, &series, &verdict);
	if (status != STATUS_OK)
		return status;
	counts->series++;
	if (verdict == VERDICT_REFUSED)
		return STATUS_OK;
	counts->exemplars += view.exemplar_count;
	counts->histograms += view.histogram_count;
	if (verdict != VERDICT_KEPT) {
		count_aside(ingest, verdict, view.sample_count);
		return STATUS_OK;
	}
	take_samples(ingest, series, &view);
	if (ingest->record != NULL && view.histogram_count + view.exemplar_count > 0)
		return take_records(ingest, series, &view);
	return STATUS_OK;
}

/* A frame whose guess is of a series that the store does not have. When the guessed run of labels is
 * one, the rest of the frame is the guessed sample, and there is nothing to walk and hash again. */
static enum status take_guessed(struct ingest *ingest, size_t index)
{
	struct group *group = &ingest->group;
	const struct wire run = wire_of(group->frames[index].at, group->labels_size[index]);
	struct wire frame = group->frames[index];
	enum verdict verdict;
	enum status status;
	uint32_t series;

	if (!series_labels_read_run(&ingest->labels, run))
		return take_series(ingest, &frame);
	status = ingest_admit(ingest, &group->keys[index], (struct series_parts){.samples = true},
		&series, &verdict);
	if (status != STATUS_OK)
		return status;
	ingest->counts->series++;
	group->series[index] = series;
	if (verdict == VERDICT_KEPT)
		add_sample(ingest, series, group->samples[index].t_ms, group->samples[index].value);
	else if (verdict != VERDICT_REFUSED)
		count_aside(ingest, verdict, 1);
	return STATUS_OK;
}

/* Whose a guessed run of labels is. Without HA pairs that is its hash and nothing else. */
static void identify_guess(struct ingest *ingest, size_t index)
{
	struct group *group = &ingest->group;
	const struct wire run = wire_of(group->frames[index].at, group->labels_size[index]);
	struct identity identity = {.keyed = false};

	if (wire_left(&run) > 0)
		identity = identify(ingest, &run);
	group->plain[index] = identity.keyed;
	group->standby[index] = identity.standby;
	group->keys[index] = identity.key;
}

/* The guess and the key of a frame. Without HA pairs. */
static inline void note_guess(struct ingest *ingest, size_t index, const struct wire *frame)
{
	struct group *group = &ingest->group;
	size_t labels_size = series_tail(frame, &group->samples[index]);

	group->frames[index] = *frame;
	group->labels_size[index] = (uint32_t)labels_size;
	group->plain[index] = labels_size > 0;
	group->standby[index] = false;
	group->keys[index] = store_key_of(ingest->store, frame->at, labels_size);
}

/* A large body would leave the caches between being uncompressed and being read. So its frames are
 * read part by part. What is not as usual (metadata, a frame that goes on behind the end) ends
 * the reading ahead and not the request. */
enum status ingest_read_ahead(struct ingest *ingest, struct error *error)
{
	struct snappy_body *body = &ingest->decoded;
	struct decode_v1 decode = decode_v1_of(body->bytes, 0);
	enum status status = STATUS_OK;
	struct wire frame;
	size_t count = 0;

	while (status == STATUS_OK && !snappy_body_done(body)) {
		status = snappy_body_more(body, snappy_body_ready(body) + AHEAD_STEP, error);
		decode.wire.end = body->bytes + snappy_body_ready(body);
		while (count < AHEAD_MAX && decode_v1_frame_usual(&decode, &frame))
			note_guess(ingest, count++, &frame);
	}
	ingest->ahead_count = count;
	ingest->ahead_size = (size_t)(decode.wire.at - body->bytes);
	return status;
}

/* Frames, guesses and keys in one go, while the bytes are in the nearest cache: in steps of their own
 * the first one waits for a line of each frame. Returns how many frames there are. */
static size_t read_group(struct ingest *ingest, struct decode_v1 *decode)
{
	struct group *group = &ingest->group;
	size_t count = 0;
	struct wire frame;

	for (; count < GROUP_MAX && decode_v1_frame(decode, &frame); count++) {
		if (ingest->election == NULL) {
			note_guess(ingest, count, &frame);
			continue;
		}
		group->frames[count] = frame;
		group->labels_size[count] = (uint32_t)series_tail(&frame, &group->samples[count]);
		identify_guess(ingest, count);
	}
	return count;
}

static bool read_guess(struct ingest *ingest, size_t at)
{
	const struct group *group = &ingest->group;

	return series_labels_read_run(&ingest->labels,
		wire_of(group->frames[at].at, group->labels_size[at]));
}

/* Frames [first, first + count). */
static enum status take_group(struct ingest *ingest, size_t first, size_t count)
{
	struct group *group = &ingest->group;
	size_t interned = first;
	enum status status = STATUS_OK;

	ingest_find(ingest, first, count);
	for (size_t i = first; i < first + count && status == STATUS_OK; i++) {
		if (ingest_settle(ingest, i))
			continue;
		if (ingest->election == NULL && i >= interned) {
			interned = ingest_intern_plain(ingest, i, first + count, read_guess);
			if (ingest_settle(ingest, i))
				continue;
		}
		status = group->plain[i] ? take_guessed(ingest, i)
					 : take_series(ingest, &group->frames[i]);
	}
	store_trail_learn(ingest->store, &ingest->trail, group->series + first, count);
	return status;
}

/* Takes frames [first, first + count), at most GROUP_MAX, and says whether to go on. */
static bool take_allowed(struct ingest *ingest, size_t first, size_t count)
{
	size_t allowed = ingest_allowed(ingest, count);

	if (take_group(ingest, first, allowed) != STATUS_OK)
		return false;
	if (allowed < count)
		ingest_refuse_rest(ingest);
	return allowed == count;
}

/* Unknown fields are skipped, so that a whole request of 2.0 would be taken for an empty one. A request
 * that has anything of 1.0 is one of 1.0. */
static void refuse_v2(struct ingest *ingest, const struct decode_v1 *decode)
{
	if (!decode->v2 || ingest->counts->series > 0 || decode->metadata > 0 ||
		ingest->first.code != STATUS_OK)
		return;
	count_refusal(ingest, REFUSAL_PROTOBUF);
	error_set(&ingest->first, STATUS_BAD_INPUT,
		"the body is a request of remote write 2.0 (fields 4 and 5, nothing of 1.0), which the "
		"Content-Type has to say: application/x-protobuf;proto=io.prometheus.write.v2.Request");
}

void ingest_body_v1(struct ingest *ingest)
{
	size_t ahead = ingest->ahead_count, count;
	struct decode_v1 decode = decode_v1_of(ingest->decoded.bytes, ingest->decoded.size);
	bool more = true;

	series_labels_forget(&ingest->labels);
	for (size_t first = 0; first < ahead && more; first += count) {
		count = ahead - first < GROUP_MAX ? ahead - first : GROUP_MAX;
		more = take_allowed(ingest, first, count);
	}
	decode.wire.at += ingest->ahead_size;
	while (more) {
		count = read_group(ingest, &decode);
		ingest->counts->metadata = decode.metadata;
		more = take_allowed(ingest, 0, count);
		if (more && decode.wire.fault != NULL)
			(void)ingest_refuse_bytes(ingest, decode.wire.at, decode.wire.fault);
		more = more && count == GROUP_MAX;
	}
	refuse_v2(ingest, &decode);
	ingest_flush(ingest);
}
