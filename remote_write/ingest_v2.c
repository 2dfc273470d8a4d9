/*
 * The body of a request of remote write 2.0: first the symbols, each hashed once, then the series in
 * groups of frames as in ingest_v1.c. Nothing has to be guessed here: the labels of a series are a
 * short list of references, so that each frame is read as a whole in the first step. What is labels
 * and one sample of a known series goes to the batch; new series of that shape are interned several at a
 * time, as in 1.0; all else goes through take_series().
 *
 * Invariants:
 *   1. A key is interned only for a list of texts that was found to be valid labels. References are
 *      checked to be in range before they make a key.
 *   2. What refers to a symbol that is not there is refused by itself: a series when its labels do,
 *      an exemplar or metadata alone when they do.
 *   3. With HA pairs, the key is that of the labels without the replica's; before it is made, the
 *      election is asked. The two labels are known by the hash of their names.
 *   4. Samples reach the store in the order of the body.
 */
#include <inttypes.h>

#include "remote_write/decode_v2.h"
#include "remote_write/ingest_state.h"

/* Whether the labels in ingest->references can make a key. */
static bool references_good(const struct ingest *ingest, const struct series_v2 *series)
{
	uint32_t count = series->reference_count, largest = 0;

	if (count % 2 != 0 || count >= ingest->reference_max)
		return false;
	for (uint32_t i = 0; i < count; i++)
		largest = ingest->references[i] > largest ? ingest->references[i] : largest;
	return largest < ingest->symbols.count;
}

static bool side_good(const struct ingest *ingest, const struct series_v2 *series)
{
	return series->exemplar_count + series->metadata_count == 0 ||
		(!series->side_odd && series->side_reference_max < ingest->symbols.count);
}

/* Who a list of references belongs to. */
struct identity {
	bool keyed;   /* false: only reading the labels can tell */
	bool standby; /* of a replica that is not elected; there is no key then */
	struct store_key key;
};

static bool is_key(const struct store_key *a, const struct store_key *b)
{
	return a->low == b->low && a->high == b->high;
}

/* The place of a label's name in the references, or `count`. */
static uint32_t find_name(const struct ingest *ingest, uint32_t count, const struct store_key *name)
{
	uint32_t at = 0;

	while (at < count && !is_key(&ingest->symbols.keys[ingest->references[at]], name))
		at += 2;
	return at;
}

static struct election_name value_at(const struct ingest *ingest, uint32_t at)
{
	const struct symbol *symbol = &ingest->symbols.texts[ingest->references[at + 1]];

	return (struct election_name){symbol->text, symbol->size};
}

static struct identity identify(struct ingest *ingest, const struct series_v2 *series)
{
	struct identity identity = {.keyed = references_good(ingest, series)};
	uint32_t count = series->reference_count, cluster, replica = UINT32_MAX;
	bool take = true;

	if (!identity.keyed)
		return identity;
	if (ingest->election != NULL) {
		cluster = find_name(ingest, count, &ingest->cluster_key);
		replica = find_name(ingest, count, &ingest->replica_key);
		if (cluster == count || replica == count || value_at(ingest, cluster).size == 0 ||
			value_at(ingest, replica).size == 0)
			replica = UINT32_MAX;
		/* No room for another replica is told where the labels are read. */
		else
			identity.keyed =
				ingest_ask_election(ingest, value_at(ingest, cluster),
					value_at(ingest, replica), &take, NULL) == STATUS_OK;
	}
	identity.standby = identity.keyed && !take;
	if (identity.keyed && take)
		identity.key = symbols_key(&ingest->symbols, ingest->references, count, replica);
	return identity;
}

static bool read_plain(struct ingest *ingest, size_t index, const struct wire *frame)
{
	struct group *group = &ingest->group;
	struct plain_v2 plain;

	if (!series_v2_plain(frame, &ingest->symbols, &plain))
		return false;
	group->keys[index] = plain.key;
	group->metadata[index] = plain.metadata;
	group->starts[index] = plain.sample.start_ms;
	group->standby[index] = false;
	group->samples[index] =
		(struct decoded_sample){.t_ms = plain.sample.t_ms, .value = plain.sample.value};
	return true;
}

/* The key and the sample of a frame that is labels, one sample and at most metadata. */
static void read_frame(struct ingest *ingest, size_t index)
{
	struct group *group = &ingest->group;
	struct wire frame = group->frames[index];
	struct identity identity;
	struct series_v2 series;

	group->plain[index] = ingest->election == NULL && read_plain(ingest, index, &frame);
	if (group->plain[index])
		return;
	group->keys[index] = (struct store_key){0, 0};
	if (!series_v2_read(&series, &frame, ingest->references, ingest->reference_max) ||
		series.sample_count != 1 || series.exemplar_count + series.histogram_count != 0 ||
		!side_good(ingest, &series))
		return;
	identity = identify(ingest, &series);
	group->plain[index] = identity.keyed;
	group->standby[index] = identity.standby;
	group->keys[index] = identity.key;
	group->metadata[index] = series.metadata_count != 0;
	group->starts[index] = series.first.start_ms;
	group->samples[index] =
		(struct decoded_sample){.t_ms = series.first.t_ms, .value = series.first.value};
}

/* Exemplars and metadata that refer to what is not there. The samples beside them are good. */
static void refuse_side(struct ingest *ingest, const struct series_v2 *series)
{
	struct error *first = first_error(ingest);
	/* The labels are good, this is only to name them. */
	bool named = series_labels_of_references(&ingest->labels, &ingest->symbols,
			     ingest->references, series->reference_count, NULL) == REFUSAL_NONE;

	count_refusal(ingest, REFUSAL_SYMBOL);
	if (series->side_odd)
		error_set(first, STATUS_BAD_INPUT,
			"an exemplar has an odd number of label references");
	else
		error_set(first, STATUS_BAD_INPUT,
			"an exemplar or the metadata refers to symbol %" PRIu32
			", the request has %" PRIu32,
			series->side_reference_max, ingest->symbols.count);
	if (named)
		series_labels_name(&ingest->labels, first);
}

/* A series that the store does not know by this key (NULL: its references make none).
 * STATUS_NO_MEMORY ends the request. */
static enum status take_new_series(struct ingest *ingest, const struct series_v2 *series,
	const struct store_key *key, uint32_t *id, enum verdict *verdict)
{
	enum refusal refusal = series_labels_of_references(&ingest->labels, &ingest->symbols,
		ingest->references, series->reference_count, first_error(ingest));

	if (refusal != REFUSAL_NONE) {
		*verdict = VERDICT_REFUSED;
		count_invalid(ingest, refusal);
		return STATUS_OK;
	}
	return ingest_admit(ingest, key,
		(struct series_parts){series->sample_count > 0, series->histogram_count > 0}, id,
		verdict);
}

/* The id of a frame's series. The error ends the request. */
static enum status find_series(struct ingest *ingest, const struct series_v2 *series, uint32_t *id,
	enum verdict *verdict)
{
	struct identity identity = identify(ingest, series);

	*id = STORE_NO_SERIES;
	*verdict = VERDICT_STANDBY;
	if (identity.standby)
		return STATUS_OK;
	*verdict = VERDICT_KEPT;
	if (identity.keyed)
		*id = store_find(ingest->store, identity.key);
	if (*id != STORE_NO_SERIES)
		return STATUS_OK;
	*verdict = VERDICT_DROPPED;
	if (identity.keyed && ingest->dropped != NULL && dropped_has(ingest->dropped, identity.key))
		return STATUS_OK;
	return take_new_series(ingest, series, identity.keyed ? &identity.key : NULL, id, verdict);
}

/* A series that says nothing: the protocol asks for one element at least. */
static void refuse_nothing(struct ingest *ingest, const struct series_v2 *series)
{
	struct error *first = first_error(ingest);

	ingest->counts->series++;
	count_invalid(ingest, REFUSAL_NOTHING);
	if (first == NULL)
		return;
	/* Labels that are bad as well are the better thing to tell. */
	if (series_labels_of_references(&ingest->labels, &ingest->symbols, ingest->references,
		    series->reference_count, first) != REFUSAL_NONE)
		return;
	error_set(first, STATUS_BAD_INPUT, "neither samples nor histograms nor exemplars");
	series_labels_name(&ingest->labels, first);
}

static inline void note_start(struct ingest *ingest, uint32_t id, int64_t t_ms, int64_t start_ms)
{
	if (start_ms != 0 && ingest->starts != NULL)
		starts_note(ingest->starts, id, t_ms, start_ms);
}

static void take_samples(struct ingest *ingest, const struct series_v2 *series, uint32_t id)
{
	struct wire rest = series_v2_samples(series);
	struct sample_v2 sample;

	while (series_v2_sample(series, &rest, &sample)) {
		add_sample(ingest, id, sample.t_ms, sample.value);
		note_start(ingest, id, sample.t_ms, sample.start_ms);
	}
}

static bool read_labels(struct ingest *ingest, const void *view)
{
	const struct series_v2 *series = view;

	if (series_labels_of_references(&ingest->labels, &ingest->symbols, ingest->references,
		    series->reference_count, NULL) != REFUSAL_NONE)
		return false;
	ingest_remove_replica(ingest);
	return true;
}

static void take_exemplar(struct ingest *ingest, uint32_t id, const struct exemplar_v2 *decoded,
	const uint32_t *references, const struct label_source *source)
{
	struct exemplar *exemplar = &ingest->exemplar;
	uint32_t count = decoded->reference_count / 2;
	bool too_many = count > EXEMPLAR_LABELS_MAX;

	if (decoded->t_ms == 0) {
		ingest_refuse_exemplar_time(ingest, source);
		return;
	}
	*exemplar = (struct exemplar){.value = decoded->value};
	for (uint32_t i = 0; i < count && !too_many; i++) {
		const struct symbol *name = &ingest->symbols.texts[references[i * 2]];
		const struct symbol *value = &ingest->symbols.texts[references[i * 2 + 1]];
		exemplar->labels[exemplar->label_count++] =
			(struct label){name->text, value->text, name->size, value->size};
	}
	ingest_exemplar(ingest, id, decoded->t_ms, too_many, source);
}

/* Histograms and exemplars, for a series that keeps them. */
static enum status take_records(struct ingest *ingest, uint32_t id, const struct series_v2 *series)
{
	const struct label_source source = {read_labels, series};
	struct wire rest = series->frame, message;
	uint32_t references[EXEMPLAR_LABELS_MAX * 2];
	struct exemplar_v2 exemplar;
	enum status status = STATUS_OK;
	bool keeps = false;

	if (series->histogram_count > 0)
		status = ingest_keeps(ingest, &ingest->rules->histograms, id, &source, &keeps);
	while (keeps && series_v2_histogram(&rest, &message))
		ingest_histogram(ingest, id, message, series->created_ms, &source);
	keeps = false;
	rest = series->frame;
	if (status == STATUS_OK && series->exemplar_count > 0 && side_good(ingest, series))
		status = ingest_keeps(ingest, &ingest->rules->exemplars, id, &source, &keeps);
	while (keeps && series_v2_exemplar(&rest, &exemplar, references, EXEMPLAR_LABELS_MAX * 2))
		take_exemplar(ingest, id, &exemplar, references, &source);
	return status;
}

/* A frame that read_frame() did not settle. STATUS_BAD_INPUT and STATUS_NO_MEMORY end the request. */
static enum status take_series(struct ingest *ingest, struct wire *frame, uint32_t *id)
{
	struct ingest_counts *counts = ingest->counts;
	struct series_v2 series;
	enum verdict verdict;
	enum status status;

	*id = STORE_NO_SERIES;
	if (!series_v2_read(&series, frame, ingest->references, ingest->reference_max))
		return ingest_refuse_bytes(ingest, frame->at, frame->fault);
	if (series.sample_count + series.exemplar_count + series.histogram_count == 0) {
		refuse_nothing(ingest, &series);
		return STATUS_OK;
	}
	status = find_series(ingest, &series, id, &verdict);
	if (status != STATUS_OK)
		return status;
	counts->series++;
	if (verdict == VERDICT_REFUSED)
		return STATUS_OK;
	if (verdict == VERDICT_KEPT)
		take_samples(ingest, &series, *id);
	else
		count_aside(ingest, verdict, series.sample_count);
	counts->histograms += series.histogram_count;
	if (!side_good(ingest, &series)) {
		refuse_side(ingest, &series);
	} else {
		counts->exemplars += series.exemplar_count;
		counts->metadata += series.metadata_count;
	}
	if (verdict == VERDICT_KEPT && ingest->record != NULL &&
		series.histogram_count + series.exemplar_count > 0)
		return take_records(ingest, *id, &series);
	return STATUS_OK;
}

static bool read_plain_labels(struct ingest *ingest, size_t at)
{
	struct wire frame = ingest->group.frames[at];
	struct series_v2 series;

	return series_v2_read(&series, &frame, ingest->references, ingest->reference_max) &&
		series_labels_of_references(&ingest->labels, &ingest->symbols, ingest->references,
			series.reference_count, NULL) == REFUSAL_NONE;
}

static enum status take_group(struct ingest *ingest, size_t count)
{
	struct group *group = &ingest->group;
	enum status status = STATUS_OK;
	size_t interned = 0;

	for (size_t i = 0; i < count; i++)
		read_frame(ingest, i);
	ingest_find(ingest, 0, count);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		bool settled = ingest_settle(ingest, i);

		if (!settled && ingest->election == NULL && i >= interned) {
			interned = ingest_intern_plain(ingest, i, count, read_plain_labels);
			settled = ingest_settle(ingest, i);
		}
		if (settled) {
			ingest->counts->metadata += group->metadata[i];
			if (!group->standby[i] && group->series[i] < SERIES_DROPPED)
				note_start(ingest, group->series[i], group->samples[i].t_ms,
					group->starts[i]);
		} else {
			status = take_series(ingest, &group->frames[i], &group->series[i]);
		}
	}
	store_trail_learn(ingest->store, &ingest->trail, group->series, count);
	return status;
}

/* The symbols; false when nothing can be taken. */
static bool take_symbols(struct ingest *ingest, struct wire body)
{
	struct symbols *symbols = &ingest->symbols;

	symbols_reset(symbols);
	if (decode_v2_symbols(body, symbols, ingest->store) != STATUS_OK) {
		error_set(&ingest->first, STATUS_NO_MEMORY, "no memory for %" PRIu32 " symbols",
			symbols->count + 1);
		return false;
	}
	if (symbols->overflow) {
		count_refusal(ingest, REFUSAL_SYMBOL);
		error_set(&ingest->first, STATUS_LIMIT,
			"more than %" PRIu32 " symbols in a request; series that use none of "
			"those after them were taken",
			symbols->symbol_max);
	}
	/* With another text there the sender counts differently, and all labels would be wrong. */
	if (symbols->count > 0 && symbols->texts[0].size != 0) {
		count_refusal(ingest, REFUSAL_SYMBOL);
		error_set(&ingest->first, STATUS_BAD_INPUT,
			"the first symbol is not the empty text; nothing was kept");
		return false;
	}
	return true;
}

void ingest_body_v2(struct ingest *ingest)
{
	struct wire body = wire_of(ingest->decoded.bytes, ingest->decoded.size);
	size_t count, allowed;
	enum status status;
	bool more = take_symbols(ingest, body);

	while (more) {
		count = decode_v2_frames(&body, ingest->group.frames, GROUP_MAX);
		allowed = ingest_allowed(ingest, count);
		status = take_group(ingest, allowed);
		more = status == STATUS_OK && count == GROUP_MAX;
		if (status == STATUS_OK && allowed < count) {
			ingest_refuse_rest(ingest);
			more = false;
		} else if (status == STATUS_OK && body.fault != NULL) {
			(void)ingest_refuse_bytes(ingest, body.at, body.fault);
		}
	}
	ingest_flush(ingest);
}
