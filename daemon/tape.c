/*
 * Series are interned by a hash table of their labels (open addressing, at most half full). Alerts out
 * of the series ALERTS are written as the messages that Alertmanager would send, one alert each, so that
 * they go the way of all others.
 */
#include "daemon/tape.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "store/store.h"

#define TABLE_FIRST 1024
#define ALERT_INTERVAL_MS 60000 /* of a series with one sample */

void tape_init(struct tape *tape)
{
	*tape = (struct tape){0};
}

void tape_fini(struct tape *tape)
{
	for (size_t i = 0; i < tape->frame_count; i++)
		mem_free((void *)(uintptr_t)tape->frames[i].body);
	for (size_t i = 0; i < tape->series_count; i++)
		labels_fini(&tape->series[i]);
	mem_free(tape->frames);
	mem_free(tape->samples);
	mem_free(tape->series);
	mem_free(tape->table);
	*tape = (struct tape){0};
}

static enum status no_memory(struct error *error)
{
	return error_set(error, STATUS_NO_MEMORY, "out of memory");
}

/* Room for one more; array: the address of a pointer. */
static bool grow(void *array, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room > 0 ? *room * 2 : 64;
	void *old, *grown;

	if (count < *room)
		return true;
	memcpy(&old, array, sizeof(old));
	grown = mem_resize(old, wanted, size);
	if (grown == NULL)
		return false;
	memcpy(array, &grown, sizeof(grown));
	*room = wanted;
	return true;
}

enum status tape_add_frame(struct tape *tape, const struct recording_frame *frame,
	struct error *error)
{
	struct recording_frame copy = *frame;
	void *body;

	if (tape->bytes + frame->size > TAPE_BYTES_MAX)
		return error_set(error, STATUS_LIMIT, "more than %" PRIu64 " bytes of bodies",
			TAPE_BYTES_MAX);
	body = mem_alloc(frame->size);
	if (body == NULL ||
		!grow(&tape->frames, tape->frame_count, &tape->frame_room, sizeof(copy))) {
		mem_free(body);
		return no_memory(error);
	}
	memcpy(body, frame->body, frame->size);
	copy.body = body;
	tape->bytes += frame->size;
	tape->webhooks += frame->kind == RECORDING_WEBHOOK;
	tape->writes += frame->kind == RECORDING_WRITE_V1 || frame->kind == RECORDING_WRITE_V2;
	tape->frames[tape->frame_count++] = copy;
	return STATUS_OK;
}

/* ---- series ---- */

static size_t place_of(const struct tape *tape, const struct labels *labels)
{
	size_t at = (size_t)labels_fingerprint(labels) & (tape->table_size - 1);

	while (tape->table[at] != 0 && !labels_equal(&tape->series[tape->table[at] - 1], labels))
		at = (at + 1) & (tape->table_size - 1);
	return at;
}

static bool grow_table(struct tape *tape)
{
	size_t size = tape->table_size > 0 ? tape->table_size * 2 : TABLE_FIRST;
	uint32_t *table;

	if (tape->series_count * 2 < tape->table_size)
		return true;
	table = mem_zalloc(size, sizeof(*table));
	if (table == NULL)
		return false;
	mem_free(tape->table);
	tape->table = table;
	tape->table_size = size;
	for (size_t i = 0; i < tape->series_count; i++)
		table[place_of(tape, &tape->series[i])] = (uint32_t)i + 1;
	return true;
}

enum status tape_add_series(struct tape *tape, const struct labels *labels, uint32_t *series,
	struct error *error)
{
	size_t at;

	if (!grow_table(tape))
		return no_memory(error);
	at = place_of(tape, labels);
	if (tape->table[at] != 0) {
		*series = tape->table[at] - 1;
		return STATUS_OK;
	}
	if (tape->series_count == TAPE_SERIES_MAX)
		return error_set(error, STATUS_LIMIT, "more than %zu series", TAPE_SERIES_MAX);
	if (!grow(&tape->series, tape->series_count, &tape->series_room, sizeof(*labels)) ||
		labels_clone(&tape->series[tape->series_count], labels) != STATUS_OK)
		return no_memory(error);
	*series = (uint32_t)tape->series_count;
	tape->table[at] = (uint32_t)++tape->series_count;
	return STATUS_OK;
}

enum status tape_add_sample(struct tape *tape, uint32_t series, int64_t t_ms, double value,
	struct error *error)
{
	if (tape->sample_count == TAPE_SAMPLES_MAX)
		return error_set(error, STATUS_LIMIT, "more than %zu samples", TAPE_SAMPLES_MAX);
	if (!grow(&tape->samples, tape->sample_count, &tape->sample_room, sizeof(*tape->samples)))
		return no_memory(error);
	tape->samples[tape->sample_count++] = (struct tape_sample){t_ms, value, series};
	return STATUS_OK;
}

/* ---- alerts out of series ---- */

static bool is_firing_series(const struct labels *labels)
{
	const char *name = labels_get(labels, LABEL_METRIC_NAME);
	const char *state = labels_get(labels, "alertstate");

	return name != NULL && strcmp(name, "ALERTS") == 0 && state != NULL &&
		strcmp(state, "firing") == 0;
}

static void write_message(struct buf *json, const struct labels *series, int64_t starts_ms,
	int64_t ends_ms)
{
	struct labels labels;
	struct label pairs[256];
	char starts[40], ends[40] = "0001-01-01T00:00:00Z";
	size_t count = 0;

	for (size_t i = 0; i < series->count && count < 256; i++)
		if (strcmp(series->pairs[i].name, LABEL_METRIC_NAME) != 0 &&
			strcmp(series->pairs[i].name, "alertstate") != 0)
			pairs[count++] = series->pairs[i];
	labels = (struct labels){pairs, (uint32_t)count};
	format_rfc3339(starts_ms, starts, sizeof(starts));
	if (ends_ms != 0)
		format_rfc3339(ends_ms, ends, sizeof(ends));
	buf_printf(json,
		"{\"version\":\"4\",\"receiver\":\"replay\",\"alerts\":[{\"status\":\"%s\","
		"\"labels\":",
		ends_ms != 0 ? "resolved" : "firing");
	labels_write_json(json, &labels);
	buf_printf(json, ",\"annotations\":{},\"startsAt\":\"%s\",\"endsAt\":\"%s\"}]}", starts,
		ends);
}

static enum status add_message(struct tape *tape, const struct labels *series, int64_t starts_ms,
	int64_t ends_ms, struct error *error)
{
	struct recording_frame frame = {.kind = RECORDING_WEBHOOK,
		.time_ms = ends_ms != 0 ? ends_ms : starts_ms};
	enum status status = STATUS_NO_MEMORY;
	struct buf json;

	buf_init(&json, 1 << 20);
	write_message(&json, series, starts_ms, ends_ms);
	if (buf_ok(&json)) {
		frame.body = json.data;
		frame.size = json.size;
		status = tape_add_frame(tape, &frame, error);
	} else {
		error_set(error, status, "out of memory");
	}
	buf_fini(&json);
	return status;
}

/* The samples of one series, by time. interval: the least distance between two of them. */
static enum status add_runs(struct tape *tape, uint32_t series, const struct tape_sample *samples,
	size_t count, int64_t last_ms, struct error *error)
{
	const struct labels labels = tape->series[series];
	int64_t interval_ms = INT64_MAX, starts_ms = 0, before_ms = 0;
	enum status status = STATUS_OK;
	bool fires = false;

	for (size_t i = 1; i < count; i++)
		if (samples[i].t_ms > samples[i - 1].t_ms &&
			samples[i].t_ms - samples[i - 1].t_ms < interval_ms)
			interval_ms = samples[i].t_ms - samples[i - 1].t_ms;
	if (interval_ms == INT64_MAX)
		interval_ms = ALERT_INTERVAL_MS;
	for (size_t i = 0; i <= count && status == STATUS_OK; i++) {
		bool stale = i < count && store_is_stale(samples[i].value);
		int64_t t_ms = i < count ? samples[i].t_ms : last_ms;

		if (fires && (stale || t_ms - before_ms > 2 * interval_ms + interval_ms / 2)) {
			status = add_message(tape, &labels, starts_ms,
				stale ? t_ms : before_ms + interval_ms, error);
			fires = false;
		}
		if (i == count || stale || status != STATUS_OK)
			continue;
		if (!fires) {
			status = add_message(tape, &labels, t_ms, 0, error);
			starts_ms = t_ms;
			fires = true;
		}
		before_ms = t_ms;
	}
	return status;
}

static int by_series(const void *a, const void *b)
{
	const struct tape_sample *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

static enum status add_alerts(struct tape *tape, int64_t last_ms, struct error *error)
{
	enum status status = STATUS_OK;
	struct tape_sample *samples;
	size_t count = 0;

	for (size_t i = 0; i < tape->sample_count; i++)
		count += is_firing_series(&tape->series[tape->samples[i].series]);
	if (count == 0)
		return STATUS_OK;
	samples = mem_zalloc(count, sizeof(*samples));
	if (samples == NULL)
		return no_memory(error);
	count = 0;
	for (size_t i = 0; i < tape->sample_count; i++)
		if (is_firing_series(&tape->series[tape->samples[i].series]))
			samples[count++] = tape->samples[i];
	qsort(samples, count, sizeof(*samples), by_series);
	for (size_t first = 0, end; first < count && status == STATUS_OK; first = end) {
		for (end = first; end < count && samples[end].series == samples[first].series;)
			end++;
		status = add_runs(tape, samples[first].series, samples + first, end - first,
			last_ms, error);
		tape->alert_series++;
	}
	mem_free(samples);
	return status;
}

/* ---- order ---- */

static int by_time(const void *a, const void *b)
{
	const struct tape_sample *x = a, *y = b;

	if (x->t_ms != y->t_ms)
		return x->t_ms < y->t_ms ? -1 : 1;
	return (x->series > y->series) - (x->series < y->series);
}

/* Bottom-up merge sort: stable, which qsort() need not be. */
static bool sort_frames(struct tape *tape)
{
	size_t count = tape->frame_count;
	struct recording_frame *from = tape->frames, *to = mem_zalloc(count, sizeof(*to)), *swap;

	if (to == NULL)
		return false;
	for (size_t width = 1; width < count; width *= 2) {
		for (size_t start = 0; start < count; start += 2 * width) {
			size_t middle = start + width < count ? start + width : count;
			size_t end = start + 2 * width < count ? start + 2 * width : count;
			size_t a = start, b = middle;

			for (size_t i = start; i < end; i++)
				to[i] = b == end ||
						(a < middle && from[a].time_ms <= from[b].time_ms)
					? from[a++]
					: from[b++];
		}
		swap = from;
		from = to;
		to = swap;
	}
	mem_free(to);
	tape->frames = from;
	tape->frame_room = count;
	return true;
}

enum status tape_finish(struct tape *tape, struct error *error)
{
	int64_t first_ms, last_ms;
	enum status status = STATUS_OK;

	if (tape->webhooks == 0 && tape_range(tape, &first_ms, &last_ms))
		status = add_alerts(tape, last_ms, error);
	if (status != STATUS_OK)
		return status;
	if (tape->sample_count > 0)
		qsort(tape->samples, tape->sample_count, sizeof(*tape->samples), by_time);
	return tape->frame_count == 0 || sort_frames(tape) ? STATUS_OK : no_memory(error);
}

bool tape_range(const struct tape *tape, int64_t *first_ms, int64_t *last_ms)
{
	*first_ms = INT64_MAX;
	*last_ms = INT64_MIN;
	for (size_t i = 0; i < tape->sample_count; i++) {
		int64_t t_ms = tape->samples[i].t_ms;

		*first_ms = t_ms < *first_ms ? t_ms : *first_ms;
		*last_ms = t_ms > *last_ms ? t_ms : *last_ms;
	}
	for (size_t i = 0; i < tape->frame_count; i++) {
		int64_t t_ms = tape->frames[i].time_ms;

		*first_ms = t_ms < *first_ms ? t_ms : *first_ms;
		*last_ms = t_ms > *last_ms ? t_ms : *last_ms;
	}
	return *first_ms != INT64_MAX;
}
