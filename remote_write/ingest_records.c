/*
 * Native histograms and exemplars of the series that ask for them.
 *
 * Whether a series asks is decided once, by its labels, and remembered by the store (records.h). What
 * nobody asks for has been checked to be well-formed and is passed over. A histogram that cannot be
 * one, or an exemplar without a time where the protocol wants it, is refused by itself; the samples
 * beside it are kept.
 */
#include <string.h>

#include "base/mem.h"
#include "remote_write/decode_histogram.h"
#include "remote_write/ingest_state.h"
#include "store/exemplar.h"

enum status ingest_asks(struct ingest *ingest, struct selectors *selectors, bool *asks)
{
	struct labels labels;
	enum status status = selector_scratch_labels(&ingest->scratch, ingest->labels.pairs,
		ingest->labels.count, &labels);

	if (status == STATUS_OK)
		status = selectors_match(selectors, &labels, asks);
	if (status != STATUS_OK)
		return error_set(&ingest->first, status,
			"no memory to match the labels of a series");
	return STATUS_OK;
}

enum status ingest_keeps(struct ingest *ingest, const struct keeper *keeper, uint32_t series,
	const struct label_source *source, bool *keeps)
{
	enum record_decision decision;
	enum status status;

	*keeps = false;
	if (keeper->records == NULL)
		return STATUS_OK;
	decision = records_decision(keeper->records, series);
	*keeps = decision == RECORDS_WANTED;
	/* A series that the store knows has labels that were found to be good. */
	if (decision != RECORDS_UNDECIDED || !source->read(ingest, source->view))
		return STATUS_OK;
	status = ingest_asks(ingest, keeper->selectors, keeps);
	if (status == STATUS_OK)
		records_decide(keeper->records, series, *keeps);
	return status;
}

/* The first fault is told with the series before it. */
static void refuse(struct ingest *ingest, enum refusal refusal, const char *what,
	const struct error *why, const struct label_source *source)
{
	count_refusal(ingest, refusal);
	if (first_error(ingest) == NULL)
		return;
	error_set(&ingest->first, why->code, "%s: %s", what, why->text);
	if (source->read(ingest, source->view))
		series_labels_name(&ingest->labels, &ingest->first);
}

void ingest_histogram(struct ingest *ingest, uint32_t series, struct wire message,
	int64_t created_ms, const struct label_source *source)
{
	struct histogram *histogram = ingest->histogram;
	struct error why;
	int64_t t_ms;
	size_t size;

	if (decode_histogram(message, histogram, &t_ms, &why) != STATUS_OK) {
		ingest->counts->histograms_refused++;
		refuse(ingest, REFUSAL_HISTOGRAM, "a native histogram", &why, source);
		return;
	}
	if (histogram->start_ms == 0)
		histogram->start_ms = created_ms;
	/* What began after it was taken says nothing. */
	if (histogram->start_ms > t_ms)
		histogram->start_ms = 0;
	size = histogram_encode(histogram, ingest->record);
	ingest->counts->histogram_results[records_add(ingest->rules->histograms.records, series,
		t_ms, ingest->record, size)]++;
}

static bool labels_good(const struct exemplar *exemplar)
{
	for (uint32_t i = 0; i < exemplar->label_count; i++) {
		const struct label *label = &exemplar->labels[i];
		if (label->name_size == 0 || !utf8_valid(label->name, label->name_size) ||
			!utf8_valid(label->value, label->value_size))
			return false;
	}
	return true;
}

void ingest_exemplar(struct ingest *ingest, uint32_t series, int64_t t_ms, bool too_many,
	const struct label_source *source)
{
	struct exemplar *exemplar = &ingest->exemplar;
	struct ingest_counts *counts = ingest->counts;
	struct error why;
	size_t size;

	if (!labels_good(exemplar)) {
		error_set(&why, STATUS_BAD_INPUT, "a label has no name or is not UTF-8");
		counts->exemplars_refused++;
		refuse(ingest, REFUSAL_EXEMPLAR, "an exemplar", &why, source);
		return;
	}
	size = too_many ? 0 : exemplar_encode(exemplar, ingest->record);
	if (size == 0)
		counts->exemplar_results[RECORD_NO_ROOM]++;
	else
		counts->exemplar_results[records_add(ingest->rules->exemplars.records, series, t_ms,
			ingest->record, size)]++;
}

void ingest_refuse_exemplar_time(struct ingest *ingest, const struct label_source *source)
{
	struct error why;

	error_set(&why, STATUS_BAD_INPUT, "it has no timestamp");
	ingest->counts->exemplars_refused++;
	refuse(ingest, REFUSAL_EXEMPLAR, "an exemplar", &why, source);
}

void ingest_close_records(struct ingest *ingest)
{
	mem_free(ingest->histogram);
	mem_free(ingest->record);
	ingest->histogram = NULL;
	ingest->record = NULL;
}

enum status ingest_open_records(struct ingest *ingest, struct error *error)
{
	ingest_close_records(ingest);
	ingest->histogram = mem_zalloc(1, sizeof(*ingest->histogram));
	ingest->record = mem_alloc(HISTOGRAM_BYTES_MAX);
	if (ingest->histogram == NULL || ingest->record == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for histograms");
	return STATUS_OK;
}
