/*
 * Nezha: metrics of pods, and lists of the faults injected into them. Times are those of the column Time
 * and of inject_time; the column TimeStamp is off on some days. A list tells only when a fault begins.
 *
 * A detector is fitted on half of the longest time without a fault in any pod (the half that is farther
 * from faults) and judges the rest, so that quiet times without influence of a fault are judged, too.
 * Where no such time is long enough, it is fitted on all rows, as a detector without labels may be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "analyzers/evaluate/table.h"
#include "base/json_span.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define DEPTH_MAX 8
#define FIT_ROWS_MIN 120

/* ---- lists of faults ---- */

static enum status read_text(const struct json_span *value, char **text, struct error *error)
{
	mem_free(*text);
	*text = NULL;
	return json_span_strdup(value, text, error);
}

static enum status read_fault(struct dataset *dataset, const char *path, const struct buf *bytes,
	const struct json_span *fault, struct error *error)
{
	char *time = NULL, *pod = NULL, *kind = NULL;
	struct dataset_mark mark = {.kind = ""};
	enum status status = STATUS_OK;
	struct json_span key, value;
	struct json_walk walk;

	json_walk_init(&walk, fault);
	while (status == STATUS_OK && json_walk_next(&walk, &key, &value)) {
		if (json_span_is(&key, "inject_time"))
			status = read_text(&value, &time, error);
		else if (json_span_is(&key, "inject_pod"))
			status = read_text(&value, &pod, error);
		else if (json_span_is(&key, "inject_type"))
			status = read_text(&value, &kind, error);
	}
	if (status == STATUS_OK &&
		(fault->kind != SPAN_OBJECT || time == NULL || pod == NULL ||
			time_parse(time, strlen(time), &mark.first_ms) != STATUS_OK))
		status = error_set(error, STATUS_BAD_INPUT,
			"a fault needs inject_time (a time) and inject_pod");
	if (status == STATUS_OK) {
		mark.entity = pod;
		mark.last_ms = mark.first_ms + FAULT_WINDOW_MS;
		snprintf(mark.kind, sizeof(mark.kind), "%s", kind != NULL ? kind : "");
		status = dataset_add_mark(dataset, &mark, error);
	}
	if (status != STATUS_OK)
		dataset_refuse_at(path, bytes, fault->text, error);
	mem_free(time);
	mem_free(pod);
	mem_free(kind);
	return status;
}

static enum status read_list(struct dataset *dataset, const char *path, const struct buf *bytes,
	struct error *error)
{
	struct json_span root, key, hour, fault;
	struct json_walk hours, faults;
	enum status status = json_span_init(&root, bytes->data != NULL ? bytes->data : "",
		bytes->size, DEPTH_MAX, error);

	if (status != STATUS_OK) {
		error_prefix(error, "%s", path);
		return status;
	}
	json_walk_init(&hours, &root);
	while (status == STATUS_OK && json_walk_next(&hours, &key, &hour)) {
		json_walk_init(&faults, &hour);
		while (status == STATUS_OK && json_walk_next(&faults, &key, &fault))
			status = read_fault(dataset, path, bytes, &fault, error);
	}
	return status;
}

static bool is_fault_list(const char *name)
{
	const char *found = strstr(file_list_base(name), "fault_list.json");

	return found != NULL &&
		(strcmp(found, "fault_list.json") == 0 || strcmp(found, "fault_list.json.gz") == 0);
}

static bool is_metric(const char *base)
{
	size_t stem = file_list_stem(base);

	return stem > 7 && strncmp(base + stem - 7, "_metric", 7) == 0;
}

static enum status find_nezha(struct dataset *dataset, struct error *error)
{
	enum status status = STATUS_OK;
	size_t lists = 0;

	for (size_t i = 0; i < dataset->files.count && status == STATUS_OK; i++) {
		char path[DATASET_PATH_MAX];
		struct buf bytes;

		if (!is_fault_list(dataset->files.names[i]))
			continue;
		lists++;
		if (dataset_path(dataset, dataset->files.names[i], path, error) != STATUS_OK)
			return STATUS_TOO_LARGE;
		status = table_load(path, &bytes, error);
		if (status == STATUS_OK)
			status = read_list(dataset, path, &bytes, error);
		buf_fini(&bytes);
	}
	if (status == STATUS_OK && lists == 0)
		return error_set(error, STATUS_NOT_FOUND,
			"%s: no list of faults (*fault_list.json)", dataset->folder);
	return status == STATUS_OK ? dataset_add_files(dataset, is_metric, error) : status;
}

/* ---- pods ---- */

static bool is_during_fault(const struct dataset *dataset, int64_t at_ms)
{
	for (size_t i = 0; i < dataset->mark_count; i++)
		if (at_ms + MINUTE_MS > dataset->marks[i].first_ms &&
			at_ms < dataset->marks[i].last_ms)
			return true;
	return false;
}

static void choose_fit(const struct dataset *dataset, struct entity *entity)
{
	size_t begin = 0, longest = 0, run = 0;

	for (size_t row = 0; row < entity->rows; row++) {
		run = is_during_fault(dataset, entity->times_ms[row]) ? 0 : run + 1;
		if (run > longest) {
			longest = run;
			begin = row + 1 - run;
		}
	}
	if (longest / 2 < FIT_ROWS_MIN) {
		entity->fit_begin = 0;
		entity->fit_end = entity->rows;
		entity->fit_is_all = true;
		return;
	}
	entity->fit_begin = begin == 0 ? 0 : begin + longest - longest / 2;
	entity->fit_end = begin == 0 ? longest / 2 : begin + longest;
}

static int by_time(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;

	return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

/* Faults of this pod within the time of its rows, which are labelled. */
static enum status take_faults(const struct dataset *dataset, struct entity *entity,
	struct error *error)
{
	const char *base = file_list_base(entity->name);
	size_t pod_size = strlen(base) - strlen("_metric");

	entity->faults = mem_zalloc(dataset->mark_count + 1, sizeof(*entity->faults));
	entity->labels = mem_zalloc(entity->rows, 1);
	if (entity->faults == NULL || entity->labels == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", entity->name);
	for (size_t i = 0; i < dataset->mark_count; i++) {
		const struct dataset_mark *mark = &dataset->marks[i];
		struct fault *fault = &entity->faults[entity->fault_count];
		bool any = false;

		if (strlen(mark->entity) != pod_size || strncmp(mark->entity, base, pod_size) != 0)
			continue;
		for (size_t row = 0; row < entity->rows; row++) {
			int64_t at = entity->times_ms[row];

			if (at < mark->first_ms || at >= mark->last_ms)
				continue;
			entity->labels[row] = 1;
			any = true;
		}
		if (!any)
			continue;
		fault->at_ms = mark->first_ms;
		memcpy(fault->kind, mark->kind, sizeof(fault->kind));
		entity->fault_count++;
	}
	qsort(entity->faults, entity->fault_count, sizeof(*entity->faults), by_time);
	return STATUS_OK;
}

static enum status load_pod(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	static const char *const times[] = {"Time", NULL};
	static const char *const skipped[] = {"TimeStamp", "PodName", NULL};
	static const struct headed_format format = {.separator = ',',
		.time_names = times,
		.skip = skipped};
	enum status status = dataset_read_headed(dataset, entry->files[0], &format, entity, error);

	if (status != STATUS_OK)
		return status;
	choose_fit(dataset, entity);
	entity->report_begin = entity->fit_end;
	return take_faults(dataset, entity, error);
}

const struct dataset_kind dataset_nezha = {"nezha", true, false, MINUTE_MS, find_nezha, load_pod};
