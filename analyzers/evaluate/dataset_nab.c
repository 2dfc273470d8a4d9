/*
 * The Numenta Anomaly Benchmark: one value a file, and windows of anomalies in combined_windows.json. A
 * detector is fitted on the part that is not scored.
 */
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "analyzers/evaluate/table.h"
#include "base/json_span.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define DEPTH_MAX 8

static enum status read_moment(const struct json_span *span, int64_t *ms, struct error *error)
{
	char *text = NULL;
	enum status status = json_span_strdup(span, &text, error);

	if (status == STATUS_OK &&
		(text == NULL || time_parse(text, strlen(text), ms) != STATUS_OK))
		status = error_set(error, STATUS_BAD_INPUT,
			"a window's end is no time such as 2014-02-26 13:45:00");
	mem_free(text);
	return status;
}

static enum status read_window(const struct json_span *window, struct dataset_mark *mark,
	struct error *error)
{
	struct json_span key, end;
	struct json_walk walk;
	size_t count = 0;

	json_walk_init(&walk, window);
	while (json_walk_next(&walk, &key, &end)) {
		enum status status;

		if (count == 2)
			break;
		status = read_moment(&end, count == 0 ? &mark->first_ms : &mark->last_ms, error);
		if (status != STATUS_OK)
			return status;
		count++;
	}
	if (window->kind != SPAN_ARRAY || count != 2 || mark->last_ms < mark->first_ms)
		return error_set(error, STATUS_BAD_INPUT,
			"a window is a list of its first and its last time");
	return STATUS_OK;
}

static enum status read_windows(struct dataset *dataset, const char *path, const struct buf *bytes,
	const char *file, const struct json_span *list, struct error *error)
{
	enum status status = STATUS_OK;
	struct json_span window;
	struct json_walk walk;

	if (list->kind != SPAN_ARRAY) {
		status = error_set(error, STATUS_BAD_INPUT, "not a list of windows");
		dataset_refuse_at(path, bytes, list->text, error);
		return status;
	}
	json_walk_init(&walk, list);
	while (status == STATUS_OK && json_walk_next(&walk, NULL, &window)) {
		struct dataset_mark mark = {.kind = ""};
		char *copy = mem_strdup(file);

		if (copy == NULL)
			return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
		mark.entity = copy;
		status = read_window(&window, &mark, error);
		if (status != STATUS_OK)
			dataset_refuse_at(path, bytes, window.text, error);
		else
			status = dataset_add_mark(dataset, &mark, error);
		mem_free(copy);
	}
	return status;
}

static enum status read_json(struct dataset *dataset, const char *path, const struct buf *bytes,
	struct error *error)
{
	struct json_span root, file, list;
	struct json_walk walk;
	enum status status = json_span_init(&root, bytes->data != NULL ? bytes->data : "",
		bytes->size, DEPTH_MAX, error);

	if (status == STATUS_OK && root.kind != SPAN_OBJECT)
		status = error_set(error, STATUS_BAD_INPUT, "not an object of files");
	if (status != STATUS_OK) {
		error_prefix(error, "%s", path);
		return status;
	}
	json_walk_init(&walk, &root);
	while (status == STATUS_OK && json_walk_next(&walk, &file, &list)) {
		char *name = NULL;

		status = json_span_strdup(&file, &name, error);
		if (status == STATUS_OK)
			status = read_windows(dataset, path, bytes, name, &list, error);
		else
			error_prefix(error, "%s", path);
		mem_free(name);
	}
	return status;
}

/* In the folder, in labels/ of it, beside it, in labels/ beside it (as the benchmark's own tree is). */
static enum status load_windows(struct dataset *dataset, struct error *error)
{
	static const char *const places[] = {"combined_windows.json", "combined_windows.json.gz",
		"labels/combined_windows.json", "../combined_windows.json",
		"../labels/combined_windows.json"};
	enum status status = STATUS_NOT_FOUND;
	char path[DATASET_PATH_MAX];

	for (size_t i = 0; i < 5 && status == STATUS_NOT_FOUND; i++) {
		struct buf bytes;

		if (dataset_path(dataset, places[i], path, error) != STATUS_OK)
			return STATUS_TOO_LARGE;
		status = table_load(path, &bytes, error);
		if (status == STATUS_OK)
			status = read_json(dataset, path, &bytes, error);
		buf_fini(&bytes);
	}
	if (status == STATUS_NOT_FOUND)
		return error_set(error, status, "%s: no combined_windows.json in it or beside it",
			dataset->folder);
	return status;
}

static enum status find_nab(struct dataset *dataset, struct error *error)
{
	enum status status = load_windows(dataset, error);

	return status == STATUS_OK ? dataset_add_files(dataset, NULL, error) : status;
}

/* Windows name "realKnownCause/nyc_taxi.csv": the end of an entity's path and .csv. */
static bool mark_is_of(const struct dataset_mark *mark, const char *entity)
{
	size_t stem = file_list_stem(mark->entity), size = strlen(entity), common;

	if (stem == 0)
		return false;
	common = stem < size ? stem : size;
	/* The folder opened may lie deeper than where the names begin. */
	return strncmp(mark->entity + stem - common, entity + size - common, common) == 0 &&
		(stem == common || mark->entity[stem - common - 1] == '/') &&
		(size == common || entity[size - common - 1] == '/');
}

/* The row of a window's first time, or the first behind it; of its last time, or the last before it. */
static bool find_rows(const struct entity *entity, const struct dataset_mark *mark,
	struct nab_window *window)
{
	bool begun = false, ended = false;

	for (size_t row = 0; row < entity->rows; row++) {
		if (!begun && entity->times_ms[row] >= mark->first_ms) {
			window->first = row;
			begun = true;
		}
		if (entity->times_ms[row] <= mark->last_ms) {
			window->last = row;
			ended = true;
		}
	}
	return begun && ended && window->last >= window->first;
}

static enum status take_windows(const struct dataset *dataset, struct entity *entity,
	struct error *error)
{
	entity->windows = mem_zalloc(dataset->mark_count + 1, sizeof(*entity->windows));
	entity->labels = mem_zalloc(entity->rows, 1);
	if (entity->windows == NULL || entity->labels == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", entity->name);
	for (size_t i = 0; i < dataset->mark_count; i++) {
		struct nab_window window;

		if (!mark_is_of(&dataset->marks[i], entity->name))
			continue;
		if (!find_rows(entity, &dataset->marks[i], &window) ||
			(entity->window_count > 0 &&
				window.first <= entity->windows[entity->window_count - 1].last))
			return error_set(error, STATUS_BAD_INPUT,
				"%s: window %zu holds none of its rows, or overlaps the one before",
				entity->name, entity->window_count + 1);
		entity->windows[entity->window_count++] = window;
		memset(entity->labels + window.first, 1, window.last - window.first + 1);
	}
	return STATUS_OK;
}

static enum status load_nab(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	static const char *const times[] = {"timestamp", NULL};
	static const struct headed_format format = {.separator = ',', .time_names = times};
	enum status status = dataset_read_headed(dataset, entry->files[0], &format, entity, error);

	if (status != STATUS_OK)
		return status;
	dataset_set_parts(entity);
	return take_windows(dataset, entity, error);
}

const struct dataset_kind dataset_nab = {"nab", true, false, 5 * MINUTE_MS, find_nab, load_nab};
