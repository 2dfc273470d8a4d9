/*
 * The body of a request of remote write 2.0: first the symbols, each hashed once, then the series in
 * groups of frames as in ingest_v1.c. Nothing has to be guessed here: the labels of a series are a
 * short list of references, so that each frame is read as a whole in the first step. What is labels
 * and one sample of a known series goes to the batch; all else goes through take_series().
 *
 * Invariants:
 *   1. A key is interned only for a list of texts that was found to be valid labels. References are
 *      checked to be in range before they make a key.
 *   2. What refers to a symbol that is not there is refused by itself: a series when its labels do,
 *      an exemplar or metadata alone when they do.
 *   3. Samples reach the store in the order of the body.
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

/* The key and the sample of a frame that is labels, one sample and at most metadata. */
static void read_frame(struct ingest *ingest, size_t index)
{
	struct group *group = &ingest->group;
	struct wire frame = group->frames[index];
	struct series_v2 series;
	struct plain_v2 plain;

	group->plain[index] = series_v2_plain(&frame, &ingest->symbols, &plain);
	if (group->plain[index]) {
		group->keys[index] = plain.key;
		group->metadata[index] = plain.metadata;
		group->samples[index] = (struct decoded_sample){.t_ms = plain.sample.t_ms,
			.value = plain.sample.value};
		return;
	}
	group->keys[index] = (struct store_key){0, 0};
	if (!series_v2_read(&series, &frame, ingest->references, ingest->reference_max) ||
		series.sample_count != 1 || series.exemplar_count + series.histogram_count != 0 ||
		!references_good(ingest, &series) || !side_good(ingest, &series))
		return;
	group->plain[index] = true;
	group->metadata[index] = series.metadata_count != 0;
	group->samples[index] =
		(struct decoded_sample){.t_ms = series.first.t_ms, .value = series.first.value};
	group->keys[index] = symbols_key(&ingest->symbols, ingest->references,
		series.reference_count, UINT32_MAX);
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

/* A series that the store does not know by this key, or one whose references make none. *series stays
 * STORE_NO_SERIES when there is nothing to keep of it. STATUS_NO_MEMORY ends the request. */
static enum status take_new_series(struct ingest *ingest, const struct series_v2 *view,
	struct store_key key, uint32_t *series)
{
	enum refusal refusal = series_labels_of_references(&ingest->labels, &ingest->symbols,
		ingest->references, view->reference_count, first_error(ingest));

	if (refusal != REFUSAL_NONE) {
		count_refusal(ingest, refusal);
		ingest->counts->invalid_series++;
		return STATUS_OK;
	}
	return view->sample_count > 0 ? ingest_intern(ingest, key, series) : STATUS_OK;
}

/* A series that says nothing: the protocol asks for one element at least. */
static void refuse_nothing(struct ingest *ingest, const struct series_v2 *series)
{
	struct error *first = first_error(ingest);

	ingest->counts->series++;
	ingest->counts->invalid_series++;
	count_refusal(ingest, REFUSAL_NOTHING);
	if (first == NULL)
		return;
	/* Labels that are bad as well are the better thing to tell. */
	if (series_labels_of_references(&ingest->labels, &ingest->symbols, ingest->references,
		    series->reference_count, first) != REFUSAL_NONE)
		return;
	error_set(first, STATUS_BAD_INPUT, "neither samples nor histograms nor exemplars");
	series_labels_name(&ingest->labels, first);
}

static void take_samples(struct ingest *ingest, const struct series_v2 *series, uint32_t id)
{
	struct wire rest = series_v2_samples(series);
	struct sample_v2 sample;

	while (series_v2_sample(series, &rest, &sample))
		add_sample(ingest, id, sample.t_ms, sample.value);
}

/* A frame that read_frame() did not settle. STATUS_BAD_INPUT and STATUS_NO_MEMORY end the request. */
static enum status take_series(struct ingest *ingest, struct wire *frame)
{
	struct ingest_counts *counts = ingest->counts;
	uint64_t invalid = counts->invalid_series;
	struct store_key key = {0, 0};
	uint32_t id = STORE_NO_SERIES;
	struct series_v2 series;

	if (!series_v2_read(&series, frame, ingest->references, ingest->reference_max))
		return ingest_refuse_bytes(ingest, frame->at, frame->fault);
	if (series.sample_count + series.exemplar_count + series.histogram_count == 0) {
		refuse_nothing(ingest, &series);
		return STATUS_OK;
	}
	if (references_good(ingest, &series)) {
		key = symbols_key(&ingest->symbols, ingest->references, series.reference_count,
			UINT32_MAX);
		id = store_find(ingest->store, key);
	}
	if (id == STORE_NO_SERIES) {
		enum status status = take_new_series(ingest, &series, key, &id);
		if (status != STATUS_OK)
			return status;
	}
	counts->series++;
	if (counts->invalid_series != invalid)
		return STATUS_OK;
	if (series.sample_count > 0)
		take_samples(ingest, &series, id);
	counts->histograms += series.histogram_count;
	if (!side_good(ingest, &series)) {
		refuse_side(ingest, &series);
	} else {
		counts->exemplars += series.exemplar_count;
		counts->metadata += series.metadata_count;
	}
	return STATUS_OK;
}

static enum status take_group(struct ingest *ingest, size_t count)
{
	struct group *group = &ingest->group;

	for (size_t i = 0; i < count; i++)
		read_frame(ingest, i);
	store_find_many(ingest->store, group->keys, count, group->series);
	for (size_t i = 0; i < count; i++) {
		if (group->plain[i] && group->series[i] != STORE_NO_SERIES) {
			ingest->counts->series++;
			ingest->counts->metadata += group->metadata[i];
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
