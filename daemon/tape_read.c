/*
 * Files onto the tape. What a file is, is told by its first bytes:
 *   RECORDING_MAGIC            a recording of NimbusGuard's
 *   SNAPSHOT_MAGIC             its snapshot: loaded into a store of its own, which is then read out
 *   { and a quoted key and :   messages of Alertmanager, JSON values behind each other
 *   all else                   samples as text, a line each: series value [time] [# exemplar]
 *
 * Times of text are milliseconds when they are larger than any second of the next three millennia:
 * OpenMetrics gives seconds, the exposition format and `promtool tsdb dump` milliseconds.
 */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/matcher.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/tape.h"
#include "store/snapshot.h"
#include "store/snapshot_format.h"

#define FILE_BYTES_MAX ((size_t)4 << 30)
#define FILES_MAX 4096
#define MILLISECONDS_FROM 1e11
#define NUMBER_MAX 64
#define POINTS_MAX 1000000

/* ---- text ---- */

struct text_reading {
	struct tape *tape;
	const char *name;
	size_t line;
	const char *last; /* text of the series of the line before; NULL: none */
	size_t last_size;
	uint32_t series;
};

static enum status wrong(const struct text_reading *at, struct error *error, const char *what)
{
	return error_set(error, STATUS_BAD_INPUT, "%.200s:%zu: %.200s", at->name, at->line, what);
}

/* The end of name{...} at the beginning of a line: the first blank outside of braces and quotes. */
static size_t series_size(const char *line, size_t size)
{
	bool quoted = false, braces = false;

	for (size_t i = 0; i < size; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && (line[i] == '{' || line[i] == '}'))
			braces = line[i] == '{';
		else if (!quoted && !braces && (line[i] == ' ' || line[i] == '\t'))
			return i;
	}
	return size;
}

static enum status intern(struct text_reading *at, const char *text, size_t size,
	struct error *error)
{
	struct label pairs[MATCHERS_MAX];
	struct matchers matchers;
	struct labels labels = {0};
	char *copy = mem_strndup(text, size);
	enum status status =
		copy != NULL ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "out of memory");

	matchers_init(&matchers);
	if (status == STATUS_OK)
		status = matchers_parse_selector(&matchers, copy, error);
	for (size_t i = 0; i < matchers.count && status == STATUS_OK; i++) {
		const struct matcher *one = &matchers.list[i];

		if (one->type != MATCHER_EQUAL)
			status = error_set(error, STATUS_BAD_INPUT,
				"a label of a series is given with =");
		pairs[i] = (struct label){one->name, one->value, (uint32_t)strlen(one->name),
			(uint32_t)strlen(one->value)};
	}
	if (status == STATUS_OK)
		status = labels_init(&labels, pairs, matchers.count, error);
	if (status == STATUS_OK)
		status = tape_add_series(at->tape, &labels, &at->series, error);
	labels_fini(&labels);
	matchers_fini(&matchers);
	mem_free(copy);
	at->last = status == STATUS_OK ? text : NULL;
	at->last_size = size;
	if (status == STATUS_BAD_INPUT)
		error_prefix(error, "%.200s:%zu", at->name, at->line);
	return status;
}

/* The next word of a line; false at its end. */
static bool next_word(const char **text, const char *end, char word[NUMBER_MAX])
{
	const char *at = *text, *start;

	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
		at++;
	start = at;
	while (at < end && *at != ' ' && *at != '\t' && *at != '\r')
		at++;
	*text = at;
	if (at == start || *start == '#' || (size_t)(at - start) >= NUMBER_MAX)
		return false;
	memcpy(word, start, (size_t)(at - start));
	word[at - start] = '\0';
	return true;
}

static enum status read_line(struct text_reading *at, const char *line, size_t size,
	struct error *error)
{
	size_t series = series_size(line, size);
	const char *text = line + series, *end = line + size;
	char word[NUMBER_MAX];
	double value, time;
	enum status status = STATUS_OK;

	if (!next_word(&text, end, word) || parse_double(word, &value) != STATUS_OK)
		return wrong(at, error, "a value is missing behind the series");
	if (!next_word(&text, end, word) || parse_double(word, &time) != STATUS_OK ||
		!(fabs(time) < 1e15))
		return wrong(at, error, "a time is missing behind the value");
	if (at->last == NULL || series != at->last_size || memcmp(line, at->last, series) != 0)
		status = intern(at, line, series, error);
	if (fabs(time) < MILLISECONDS_FROM)
		time *= 1000;
	return status == STATUS_OK
		? tape_add_sample(at->tape, at->series, (int64_t)llround(time), value, error)
		: status;
}

enum status tape_read_text(struct tape *tape, const char *name, const char *text, size_t size,
	struct error *error)
{
	struct text_reading at = {.tape = tape, .name = name};
	const char *end = text + size;
	enum status status = STATUS_OK;

	while (text < end && status == STATUS_OK) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end, *line = text;

		at.line++;
		while (line < stop && (*line == ' ' || *line == '\t' || *line == '\r'))
			line++;
		if (line < stop && *line != '#')
			status = read_line(&at, line, (size_t)(stop - line), error);
		text = newline != NULL ? newline + 1 : end;
	}
	return status;
}

/* ---- messages of Alertmanager ---- */

/* When the message came at the soonest: the newest beginning or end that it tells of. */
static bool time_of_alerts(const json_t *message, int64_t *time_ms)
{
	const json_t *alert;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(message, "alerts"), i, alert)
	{
		const char *state = json_string_value(json_object_get(alert, "status"));
		bool resolved = state != NULL && strcmp(state, "resolved") == 0;
		const char *text =
			json_string_value(json_object_get(alert, resolved ? "endsAt" : "startsAt"));
		int64_t t_ms;

		if (text == NULL || parse_rfc3339(text, &t_ms) != STATUS_OK)
			continue;
		*time_ms = !found || t_ms > *time_ms ? t_ms : *time_ms;
		found = true;
	}
	return found;
}

static enum status add_message(struct tape *tape, const char *name, size_t line,
	const json_t *value, struct error *error)
{
	const json_t *message = json_object_get(value, "message");
	const char *time = json_string_value(json_object_get(value, "time"));
	struct recording_frame frame = {.kind = RECORDING_WEBHOOK};
	enum status status;
	char *text;

	if (message == NULL)
		message = value;
	if (!json_is_array(json_object_get(message, "alerts")))
		return error_set(error, STATUS_BAD_INPUT,
			"%.200s:%zu: this is no message of Alertmanager: it has no alerts", name,
			line);
	if (time != NULL ? parse_rfc3339(time, &frame.time_ms) != STATUS_OK
			 : !time_of_alerts(message, &frame.time_ms))
		return error_set(error, STATUS_BAD_INPUT,
			"%.200s:%zu: when the message came is not told: no time as in RFC 3339",
			name, line);
	frame.size = json_dumpb(message, NULL, 0, JSON_COMPACT);
	text = mem_alloc(frame.size);
	if (text == NULL || json_dumpb(message, text, frame.size, JSON_COMPACT) != frame.size) {
		mem_free(text);
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	}
	frame.body = text;
	status = tape_add_frame(tape, &frame, error);
	mem_free(text);
	return status;
}

enum status tape_read_alerts(struct tape *tape, const char *name, const char *text, size_t size,
	struct error *error)
{
	const char *end = text + size;
	enum status status = STATUS_OK;
	size_t line = 1;

	while (status == STATUS_OK) {
		json_error_t fault;
		const char *start;
		json_t *value;

		for (; text < end && strchr(" \t\r\n", *text) != NULL; text++)
			line += *text == '\n';
		if (text == end)
			break;
		value = json_loadb(text, (size_t)(end - text),
			JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &fault);
		if (value == NULL)
			return error_set(error, STATUS_BAD_INPUT, "%.200s:%zu: %.150s", name,
				line + (size_t)(fault.line > 0 ? fault.line - 1 : 0), fault.text);
		status = add_message(tape, name, line, value, error);
		json_decref(value);
		for (start = text; text < start + fault.position; text++)
			line += *text == '\n';
	}
	return status;
}

/* ---- recordings and snapshots ---- */

static enum status read_recording(struct tape *tape, const char *path, const struct buf *bytes,
	struct buf *warning, struct error *error)
{
	size_t at = RECORDING_MAGIC_SIZE;
	struct recording_frame frame;
	enum status status;

	for (;;) {
		status = recording_next(bytes->data, bytes->size, &at, &frame, error);
		if (status == STATUS_OK)
			status = tape_add_frame(tape, &frame, error);
		else
			break;
		if (status != STATUS_OK)
			return status;
	}
	if (status == STATUS_BAD_INPUT && warning != NULL)
		buf_printf(warning, "%s: %s; what stands behind is left out\n", path, error->text);
	return status == STATUS_NOT_FOUND || status == STATUS_BAD_INPUT ? STATUS_OK : status;
}

static enum status read_series(struct tape *tape, struct store *store, uint32_t id,
	struct store_point *points, struct error *error)
{
	size_t count = store_window(store, id, INT64_MIN / 4, INT64_MAX / 4, points, POINTS_MAX);
	struct labels labels = {0};
	uint32_t series;
	enum status status = store_labels(store, id, &labels);

	if (status == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (status != STATUS_OK)
		return error_set(error, status, "out of memory");
	status = tape_add_series(tape, &labels, &series, error);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = tape_add_sample(tape, series, points[i].t_ms, points[i].value, error);
	labels_fini(&labels);
	return status;
}

static enum status read_store(struct tape *tape, struct store *store, struct error *error)
{
	struct store_point *points = mem_zalloc(POINTS_MAX, sizeof(*points));
	struct store_selection selection = {0};
	struct matchers all;
	enum status status;

	if (points == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	matchers_init(&all);
	status = matchers_parse_selector(&all, "{__name__=~\".+\"}", error);
	if (status == STATUS_OK)
		status = store_select(store, &all, TAPE_SERIES_MAX, &selection, error);
	for (size_t i = 0; i < selection.count && status == STATUS_OK; i++)
		status = read_series(tape, store, selection.series[i], points, error);
	store_selection_fini(&selection);
	matchers_fini(&all);
	mem_free(points);
	return status;
}

static enum status read_snapshot(struct tape *tape, const char *path, const struct buf *bytes,
	struct error *error)
{
	const struct store_limits limits = {.memory_max = UINT64_C(16) << 30,
		.series_max = (uint32_t)TAPE_SERIES_MAX,
		.retention_ms = INT64_C(1000) * 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = INT64_C(1000) * 3600000,
		.future_max_ms = INT64_C(3600000)};
	struct snapshot_parts parts = {0};
	struct snapshot_header header;
	struct snapshot_stats stats;
	struct clock_manual clock;
	enum status status;

	if (bytes->size < sizeof(header))
		return error_set(error, STATUS_BAD_INPUT, "%.200s: the snapshot is cut off", path);
	memcpy(&header, bytes->data, sizeof(header));
	clock_manual_init(&clock, header.taken_ms);
	parts.store = store_open(&limits, &clock.clock, error);
	if (parts.store == NULL)
		return error->code;
	status = snapshot_load(&parts, path, &stats, error);
	if (status == STATUS_OK)
		status = read_store(tape, parts.store, error);
	store_close(parts.store);
	return status;
}

/* ---- files ---- */

/* Whether a text begins like a JSON object: { and a quoted key and :, which no series does. */
static bool is_json(const struct buf *bytes)
{
	const char *at = bytes->data, *end = at + bytes->size;

	while (at < end && strchr(" \t\r\n", *at) != NULL)
		at++;
	if (at == end || *at++ != '{')
		return false;
	while (at < end && strchr(" \t\r\n", *at) != NULL)
		at++;
	if (at == end || *at++ != '"')
		return false;
	while (at < end && *at != '"')
		at += *at == '\\' && at + 1 < end ? 2 : 1;
	for (at++; at < end && strchr(" \t\r\n", *at) != NULL;)
		at++;
	return at < end && *at == ':';
}

static enum status read_file(struct tape *tape, const char *path, struct buf *warning,
	struct error *error)
{
	struct buf bytes;
	enum status status;

	buf_init(&bytes, FILE_BYTES_MAX);
	status = file_read(path, &bytes, error);
	if (status == STATUS_OK && bytes.size == 0)
		status = error_set(error, STATUS_BAD_INPUT, "%.200s: the file is empty", path);
	else if (status == STATUS_OK && recording_is(bytes.data, bytes.size))
		status = read_recording(tape, path, &bytes, warning, error);
	else if (status == STATUS_OK && bytes.size > 8 &&
		memcmp(bytes.data, SNAPSHOT_MAGIC, 8) == 0)
		status = read_snapshot(tape, path, &bytes, error);
	else if (status == STATUS_OK && is_json(&bytes))
		status = tape_read_alerts(tape, path, bytes.data, bytes.size, error);
	else if (status == STATUS_OK)
		status = tape_read_text(tape, path, bytes.data, bytes.size, error);
	buf_fini(&bytes);
	return status;
}

static bool is_recording_name(const char *name)
{
	size_t size = strlen(name);

	return size > 4 && strcmp(name + size - 4, ".ngr") == 0;
}

static int by_name(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* The recordings of a folder by name; at most FILES_MAX, the first ones. */
static size_t list_folder(const char *path, char *names[FILES_MAX])
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	while (folder != NULL && count < FILES_MAX && (entry = readdir(folder)) != NULL) {
		if (!is_recording_name(entry->d_name))
			continue;
		names[count] = mem_strdup(entry->d_name);
		count += names[count] != NULL;
	}
	if (folder != NULL)
		closedir(folder);
	qsort(names, count, sizeof(names[0]), by_name);
	return count;
}

static enum status read_folder(struct tape *tape, const char *path, struct buf *warning,
	struct error *error)
{
	char **names = mem_zalloc(FILES_MAX, sizeof(*names)), file[4352];
	size_t count = names != NULL ? list_folder(path, names) : 0;
	enum status status = STATUS_OK;

	if (names == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (count == 0)
		status = error_set(error, STATUS_BAD_INPUT,
			"%.200s: there are no recordings (*.ngr)", path);
	for (size_t i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%.4000s/%.255s", path, names[i]);
		if (status == STATUS_OK)
			status = read_file(tape, file, warning, error);
		mem_free(names[i]);
	}
	mem_free(names);
	return status;
}

enum status tape_read(struct tape *tape, const char *path, struct buf *warning, struct error *error)
{
	struct stat info;

	if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
		return read_folder(tape, path, warning, error);
	return read_file(tape, path, warning, error);
}
