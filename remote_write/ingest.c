/*
 * One request of remote write, from the compressed body to the answer. The body is taken by
 * ingest_v1.c or ingest_v2.c, as the Content-Type says.
 *
 * Answers (specification sheet remote_write, section 5): the first thing that was wrong is what
 * the answer names; series that are good are kept. Bytes that are no protobuf end the request at
 * that place, because nothing after it can be trusted to be what it seems. Late, repeated,
 * conflicting and future samples are counted and are no error.
 *
 * What counts as written, which the answer to a 2.0 request tells in its headers: what was stored,
 * what was there already (the sender repeats a batch whose answer it did not get), and what this
 * receiver was told not to keep. The sender takes all else for failed, and alerts on it.
 */
#include "remote_write/ingest.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "remote_write/ingest_state.h"

/* A buffer larger than this is not kept for the next request. Bodies of 2000 samples take 0.3 to
 * 0.7 MB. */
#define DECODED_KEEP_MAX ((size_t)2 << 20)
#define CANONICAL_KEEP_MAX ((size_t)64 << 10)

/* All of them once, so that the metrics page shows each at zero before it happens. */
static void open_cells(struct ingest_cells *cells)
{
	static const char *const versions[WRITE_VERSION_COUNT] = {"1.0", "2.0"};
	static const enum status outcomes[] = {STATUS_OK, STATUS_BAD_INPUT, STATUS_LIMIT,
		STATUS_TOO_LARGE, STATUS_MEDIA_TYPE, STATUS_NO_MEMORY};

	cells->bytes = metrics_cell(METRIC_RW_BYTES);
	cells->decoded_bytes = metrics_cell(METRIC_RW_DECODED_BYTES);
	cells->exemplars = metrics_cell(METRIC_RW_SKIPPED, "exemplar");
	cells->histograms = metrics_cell(METRIC_RW_SKIPPED, "histogram");
	cells->metadata = metrics_cell(METRIC_RW_SKIPPED, "metadata");
	for (int result = 0; result < RECORD_RESULT_COUNT; result++) {
		const char *name = record_result_name((enum record_result)result);
		cells->histogram_results[result] = metrics_cell(METRIC_RW_HISTOGRAMS, name);
		cells->exemplar_results[result] = metrics_cell(METRIC_RW_EXEMPLARS, name);
	}
	cells->dropped = metrics_cell(METRIC_RW_SAMPLES, "dropped");
	cells->replica = metrics_cell(METRIC_RW_SAMPLES, "replica");
	for (int version = 0; version < WRITE_VERSION_COUNT; version++)
		cells->versions[version] = metrics_cell(METRIC_RW_VERSIONS, versions[version]);
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

static enum status open_parts(struct ingest *ingest, struct error *error)
{
	const struct ingest_limits *limits = &ingest->limits;
	uint32_t symbols_max =
		limits->symbols_max > 0 ? limits->symbols_max : INGEST_SYMBOLS_DEFAULT;
	enum status status = series_labels_init(&ingest->labels, limits->labels_max,
		limits->label_name_max, limits->label_value_max, error);

	if (status == STATUS_OK)
		status = symbols_init(&ingest->symbols, ingest->store, symbols_max,
			limits->labels_max * 2, error);
	if (status != STATUS_OK)
		return status;
	ingest->reference_max = limits->labels_max * 2 + 1;
	ingest->references = mem_zalloc(ingest->reference_max, sizeof(*ingest->references));
	if (ingest->references == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu32 " references",
			ingest->reference_max);
	return STATUS_OK;
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
	if (open_parts(ingest, error) != STATUS_OK) {
		ingest_close(ingest);
		return NULL;
	}
	return ingest;
}

void ingest_close(struct ingest *ingest)
{
	if (ingest == NULL)
		return;
	mem_free(ingest->references);
	symbols_fini(&ingest->symbols);
	series_labels_fini(&ingest->labels);
	selector_scratch_fini(&ingest->scratch);
	ingest_close_records(ingest);
	buf_fini(&ingest->canonical);
	snappy_body_fini(&ingest->decoded);
	mem_free(ingest);
}

void ingest_flush(struct ingest *ingest)
{
	store_append(ingest->store, ingest->batch, ingest->batch_count, ingest->counts->results);
	ingest->counts->samples += ingest->batch_count;
	ingest->batch_count = 0;
}

enum status ingest_refuse_bytes(struct ingest *ingest, const uint8_t *at, const char *fault)
{
	count_refusal(ingest, REFUSAL_PROTOBUF);
	error_set(first_error(ingest), STATUS_BAD_INPUT,
		"the body is malformed at byte %td after decompression (time series %" PRIu64
		"): %s; what stands before it was kept",
		at - ingest->decoded.bytes, ingest->counts->series + 1, fault);
	return STATUS_BAD_INPUT;
}

size_t ingest_allowed(const struct ingest *ingest, size_t count)
{
	uint64_t left = ingest->limits.series_max - ingest->counts->series;

	return count > left ? (size_t)left : count;
}

void ingest_refuse_rest(struct ingest *ingest)
{
	count_refusal(ingest, REFUSAL_SERIES_COUNT);
	error_set(first_error(ingest), STATUS_LIMIT,
		"more than %" PRIu32 " time series in a request; the first %" PRIu32 " were taken",
		ingest->limits.series_max, ingest->limits.series_max);
}

/* The store has the last word. */
static enum status intern(struct ingest *ingest, struct store_key key, uint32_t *series,
	enum verdict *verdict)
{
	const struct series_labels *labels = &ingest->labels;
	struct error why;
	enum status status =
		store_intern(ingest->store, key, labels->pairs, labels->count, series, &why);

	*verdict = VERDICT_KEPT;
	if (status == STATUS_OK)
		return STATUS_OK;
	if (status == STATUS_NO_MEMORY)
		return error_set(&ingest->first, status, "%s", why.text);
	*verdict = VERDICT_REFUSED;
	*series = STORE_NO_SERIES;
	count_invalid(ingest, status == STATUS_LIMIT ? REFUSAL_STORE_LIMIT : REFUSAL_LABEL_NAME);
	if (first_error(ingest) != NULL) {
		ingest->first = why;
		series_labels_name(labels, &ingest->first);
	}
	return STATUS_OK;
}

static uint32_t find_label(const struct series_labels *labels, struct election_name name)
{
	for (uint32_t i = 0; i < labels->count; i++)
		if (labels->pairs[i].name_size == name.size &&
			memcmp(labels->pairs[i].name, name.text, name.size) == 0)
			return i;
	return labels->count;
}

/* Takes the replica's label out of the labels of a series that has both. */
static void take_replica_out(struct ingest *ingest, enum verdict *verdict)
{
	struct series_labels *labels = &ingest->labels;
	const struct replica_names *names = &ingest->rules->names;
	uint32_t cluster = find_label(labels, names->cluster);
	uint32_t replica = find_label(labels, names->replica);
	struct error why;
	bool take;

	if (cluster == labels->count || replica == labels->count)
		return;
	if (ingest_ask_election(ingest,
		    (struct election_name){labels->pairs[cluster].value,
			    labels->pairs[cluster].value_size},
		    (struct election_name){labels->pairs[replica].value,
			    labels->pairs[replica].value_size},
		    &take, &why) != STATUS_OK) {
		*verdict = VERDICT_REFUSED;
		count_invalid(ingest, REFUSAL_REPLICA_LIMIT);
		if (first_error(ingest) != NULL) {
			ingest->first = why;
			series_labels_name(labels, &ingest->first);
		}
		return;
	}
	if (!take)
		*verdict = VERDICT_STANDBY;
	series_labels_remove(labels, replica);
}

void ingest_remove_replica(struct ingest *ingest)
{
	struct series_labels *labels = &ingest->labels;
	uint32_t replica;

	if (ingest->election == NULL ||
		find_label(labels, ingest->rules->names.cluster) == labels->count)
		return;
	replica = find_label(labels, ingest->rules->names.replica);
	if (replica < labels->count)
		series_labels_remove(labels, replica);
}

/* Whether the series gets an id: histograms alone are worth one where they are kept. */
static enum status worth_id(struct ingest *ingest, struct series_parts parts, bool *worth)
{
	*worth = parts.samples;
	if (parts.samples || !parts.histograms || ingest->rules == NULL ||
		ingest->rules->histograms.records == NULL)
		return STATUS_OK;
	return ingest_asks(ingest, ingest->rules->histograms.selectors, worth);
}

/* Dropped by the rules? The replica's label is out. */
static enum status drop(struct ingest *ingest, const struct store_key *key, enum verdict *verdict)
{
	bool wanted;
	enum status status = ingest_wanted(ingest, &wanted);

	if (status == STATUS_OK && !wanted) {
		dropped_add(ingest->dropped, *key);
		*verdict = VERDICT_DROPPED;
	}
	return status;
}

enum status ingest_admit(struct ingest *ingest, const struct store_key *key,
	struct series_parts parts, uint32_t *series, enum verdict *verdict)
{
	enum status status = STATUS_OK;
	struct store_key own;
	bool worth;

	*verdict = VERDICT_NOTHING;
	if (ingest->election != NULL)
		take_replica_out(ingest, verdict);
	if (*verdict != VERDICT_NOTHING)
		return STATUS_OK;
	if (key == NULL) {
		status = ingest_key_of_labels(ingest, &own);
		key = &own;
	}
	if (status == STATUS_OK)
		status = drop(ingest, key, verdict);
	if (status != STATUS_OK || *verdict != VERDICT_NOTHING)
		return status;
	status = worth_id(ingest, parts, &worth);
	if (status != STATUS_OK || !worth)
		return status;
	return intern(ingest, *key, series, verdict);
}

/* Where many are dropped, whoever is not known as dropped is looked up, as one row: a dropped series then
 * costs a look at one cache line, and those between do not hide from each other who comes after whom. */
static void find_undropped(struct ingest *ingest, size_t first, size_t count)
{
	struct group *group = &ingest->group;
	struct store_key keys[GROUP_MAX];
	uint32_t series[GROUP_MAX], places[GROUP_MAX];
	size_t left = 0;

	for (size_t i = first; i < first + count; i++) {
		group->series[i] = SERIES_DROPPED;
		if (dropped_has(ingest->dropped, group->keys[i]))
			continue;
		places[left] = (uint32_t)i;
		keys[left++] = group->keys[i];
	}
	if (left > 0)
		store_find_trail(ingest->store, &ingest->trail, keys, left, series);
	for (size_t i = 0; i < left; i++)
		group->series[places[i]] = series[i];
}

void ingest_find(struct ingest *ingest, size_t first, size_t count)
{
	struct group *group = &ingest->group;

	/* Only where series are dropped it is worth a cache line for each that is kept. */
	if (ingest->dropped != NULL && ingest->some_dropped)
		for (size_t i = first; i < first + count; i++)
			dropped_prefetch(ingest->dropped, group->keys[i]);
	if (ingest->dropped != NULL && ingest->many_dropped)
		find_undropped(ingest, first, count);
	else
		store_find_trail(ingest->store, &ingest->trail, group->keys + first, count,
			group->series + first);
}

static void intern_waiting(struct ingest *ingest)
{
	struct newcomers *newcomers = &ingest->newcomers;

	store_intern_many(ingest->store, newcomers->series, newcomers->waiting);
	for (size_t i = 0; i < newcomers->waiting; i++)
		ingest->group.series[newcomers->places[i]] = newcomers->series[i].series;
	newcomers->waiting = newcomers->label_count = 0;
}

/* Of the labels in ingest->labels, at most NEWCOMER_LABELS_MAX. */
static void add_newcomer(struct ingest *ingest, size_t at)
{
	const struct series_labels *labels = &ingest->labels;
	struct newcomers *newcomers = &ingest->newcomers;
	struct label *copies;

	if (newcomers->waiting == GROUP_MAX ||
		newcomers->label_count + labels->count > NEWCOMER_LABELS_MAX)
		intern_waiting(ingest);
	copies = newcomers->labels + newcomers->label_count;
	memcpy(copies, labels->pairs, labels->count * sizeof(*labels->pairs));
	newcomers->series[newcomers->waiting] =
		(struct store_newcomer){.key = ingest->group.keys[at],
			.pairs = copies,
			.count = labels->count};
	newcomers->places[newcomers->waiting++] = (uint32_t)at;
	newcomers->label_count += labels->count;
}

size_t ingest_intern_plain(struct ingest *ingest, size_t first, size_t end, ingest_read_fn *read)
{
	const struct group *group = &ingest->group;
	size_t at = first;

	for (; at < end && group->plain[at]; at++) {
		enum verdict verdict = VERDICT_NOTHING;

		if (group->series[at] != STORE_NO_SERIES ||
			(ingest->dropped != NULL && dropped_has(ingest->dropped, group->keys[at])))
			continue;
		if (!read(ingest, at) || ingest->labels.count > NEWCOMER_LABELS_MAX ||
			drop(ingest, &group->keys[at], &verdict) != STATUS_OK)
			break;
		if (verdict == VERDICT_NOTHING)
			add_newcomer(ingest, at);
	}
	intern_waiting(ingest);
	return at;
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

/* Returns how many there were, those that were not kept for good reasons among them. */
static uint64_t count_records(const uint64_t results[RECORD_RESULT_COUNT],
	struct metric_cell *const cells[RECORD_RESULT_COUNT])
{
	uint64_t sum = 0;

	for (int result = 0; result < RECORD_RESULT_COUNT; result++) {
		sum += results[result];
		if (results[result] > 0)
			metric_cell_add(cells[result], (double)results[result]);
	}
	return sum;
}

static void count_request(struct ingest *ingest, enum status status, size_t size)
{
	const struct ingest_counts *counts = ingest->counts;
	struct ingest_cells *cells = &ingest->cells;
	uint64_t histograms = count_records(counts->histogram_results, cells->histogram_results);
	uint64_t exemplars = count_records(counts->exemplar_results, cells->exemplar_results);

	if (cells->outcomes[status] != NULL)
		metric_cell_add(cells->outcomes[status], 1);
	metric_cell_add(cells->bytes, (double)size);
	metric_cell_add(cells->decoded_bytes, (double)counts->decoded_bytes);
	metric_cell_add(cells->exemplars,
		(double)(counts->exemplars - counts->exemplars_refused - exemplars));
	metric_cell_add(cells->histograms,
		(double)(counts->histograms - counts->histograms_refused - histograms));
	metric_cell_add(cells->metadata, (double)counts->metadata);
	metric_cell_add(cells->dropped, (double)counts->dropped);
	metric_cell_add(cells->replica, (double)counts->replica);
	for (int result = 0; result < APPEND_RESULT_COUNT; result++)
		if (counts->results[result] > 0)
			metric_cell_add(cells->results[result], (double)counts->results[result]);
}

static uint64_t failed_records(const uint64_t results[RECORD_RESULT_COUNT])
{
	return results[RECORD_CONFLICT] + results[RECORD_LATE] + results[RECORD_FUTURE] +
		results[RECORD_NO_ROOM];
}

static void count_written(struct ingest_counts *counts)
{
	counts->samples_written = counts->results[APPEND_STORED] +
		counts->results[APPEND_STALE_MARKER] + counts->results[APPEND_REPEATED] +
		counts->dropped + counts->replica;
	counts->histograms_written = counts->histograms - counts->histograms_refused -
		failed_records(counts->histogram_results);
	counts->exemplars_written = counts->exemplars - counts->exemplars_refused -
		failed_records(counts->exemplar_results);
}

/* The decoded body is there. */
static enum status take_body(struct ingest *ingest, enum write_version version, struct error *error)
{
	ingest->counts->decoded_bytes = ingest->decoded.size;
	ingest->memo.known = false;
	if (ingest->election != NULL)
		ingest->now_ms = clock_mono_ns(ingest->rules->clock) / 1000000;
	if (version == WRITE_V2)
		ingest_body_v2(ingest);
	else
		ingest_body_v1(ingest);
	ingest->some_dropped = ingest->counts->dropped > 0;
	ingest->many_dropped = ingest->counts->dropped > ingest->counts->series / MANY_DROPPED;
	count_written(ingest->counts);
	return answer(ingest, error);
}

/* A body of 1.0 is looked at while it is uncompressed; without HA pairs, whose election must see no
 * replica of a body that is refused. */
static enum status uncompress(struct ingest *ingest, enum write_version version, const void *body,
	size_t size, struct error *error)
{
	enum status status =
		snappy_body_begin(&ingest->decoded, body, size, ingest->limits.decoded_max, error);

	ingest->ahead_count = ingest->ahead_size = 0;
	if (status == STATUS_OK && version != WRITE_V2 && ingest->election == NULL)
		status = ingest_read_ahead(ingest, error);
	else if (status == STATUS_OK)
		status = snappy_body_more(&ingest->decoded, SIZE_MAX, error);
	return status;
}

enum status ingest_request(struct ingest *ingest, const char *content_type,
	const char *content_encoding, const void *body, size_t size, struct ingest_counts *counts,
	struct error *error)
{
	enum write_version version;
	enum status status;

	*counts = (struct ingest_counts){.series = 0};
	ingest->counts = counts;
	error_reset(&ingest->first);
	status = media_read(content_type, content_encoding, &version, error);
	if (status != STATUS_OK)
		return status;
	counts->tell_written = version == WRITE_V2;
	metric_cell_add(ingest->cells.versions[version], 1);
	if (size > ingest->limits.body_max) {
		count_refusal(ingest, REFUSAL_BODY_SIZE);
		status = error_set(error, STATUS_TOO_LARGE,
			"a body of %zu bytes is too large, the limit is %" PRIu64, size,
			ingest->limits.body_max);
	} else {
		status = uncompress(ingest, version, body, size, error);
		if (status == STATUS_OK)
			status = take_body(ingest, version, error);
		else if (status != STATUS_NO_MEMORY)
			count_refusal(ingest,
				status == STATUS_LIMIT ? REFUSAL_DECODED_SIZE : REFUSAL_SNAPPY);
	}
	count_request(ingest, status, size);
	snappy_body_trim(&ingest->decoded, DECODED_KEEP_MAX);
	symbols_reset(&ingest->symbols);
	if (ingest->canonical.capacity > CANONICAL_KEEP_MAX)
		buf_fini(&ingest->canonical);
	return status;
}
