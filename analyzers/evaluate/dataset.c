/*
 * Data sets: the list of kinds, and what every kind does alike.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "base/check.h"
#include "base/mem.h"

#define ENTRIES_MAX 10000
#define MARKS_MAX 100000

static const struct dataset_kind *const kinds[] = {&dataset_smd, &dataset_asd, &dataset_jumpstarter,
	&dataset_nezha, &dataset_nab, &dataset_traces, &dataset_bitbrains, &dataset_csv};

const char *const dataset_kind_names[] = {"smd", "asd", "jumpstarter", "nezha", "nab", "traces",
	"bitbrains", "csv", NULL};

const struct dataset_kind *dataset_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

const char *dataset_kind_name(const struct dataset_kind *kind)
{
	return kind->name;
}

bool dataset_kind_labelled(const struct dataset_kind *kind)
{
	return kind->labelled;
}

bool dataset_kind_forecast(const struct dataset_kind *kind)
{
	return kind->forecast;
}

/* ---- entries and marks ---- */

static enum status out_of_memory(struct error *error)
{
	return error_set(error, STATUS_NO_MEMORY, "out of memory");
}

static void free_entry(struct dataset_entry *entry)
{
	mem_free(entry->name);
	for (size_t i = 0; i < ARRAY_COUNT(entry->files); i++)
		mem_free(entry->files[i]);
}

/* "machine-1-7" is asked for by itself, or with the folders before it. */
static bool is_asked_for(const struct dataset *dataset, const char *name)
{
	const char *asked = dataset->options.entity;
	size_t size = strlen(name), asked_size;

	if (asked == NULL)
		return true;
	asked_size = strlen(asked);
	return size >= asked_size && strcmp(name + size - asked_size, asked) == 0 &&
		(size == asked_size || name[size - asked_size - 1] == '/');
}

enum status dataset_add_entry(struct dataset *dataset, const char *name, size_t name_size,
	const char *const files[3], struct error *error)
{
	struct dataset_entry *entries, entry = {.name = mem_strndup(name, name_size)};

	if (entry.name == NULL)
		return out_of_memory(error);
	if (!is_asked_for(dataset, entry.name)) {
		mem_free(entry.name);
		return STATUS_OK;
	}
	if (dataset->entry_count == ENTRIES_MAX) {
		mem_free(entry.name);
		return error_set(error, STATUS_TOO_LARGE, "%s: more than %d entities",
			dataset->folder, ENTRIES_MAX);
	}
	for (size_t i = 0; i < ARRAY_COUNT(entry.files); i++) {
		if (files[i] == NULL)
			continue;
		entry.files[i] = mem_strdup(files[i]);
		if (entry.files[i] == NULL)
			goto no_memory;
	}
	entries = mem_resize(dataset->entries, dataset->entry_count + 1, sizeof(*entries));
	if (entries == NULL)
		goto no_memory;
	dataset->entries = entries;
	entries[dataset->entry_count++] = entry;
	return STATUS_OK;
no_memory:
	free_entry(&entry);
	return out_of_memory(error);
}

enum status dataset_add_files(struct dataset *dataset, bool (*pass)(const char *base),
	struct error *error)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < dataset->files.count && status == STATUS_OK; i++) {
		const char *name = dataset->files.names[i];
		const char *const files[3] = {name, NULL, NULL};
		size_t stem = file_list_stem(name);

		if (stem > 0 && (pass == NULL || pass(file_list_base(name))))
			status = dataset_add_entry(dataset, name, stem, files, error);
	}
	return status;
}

enum status dataset_add_mark(struct dataset *dataset, const struct dataset_mark *mark,
	struct error *error)
{
	struct dataset_mark *marks, copy = *mark;

	if (dataset->mark_count == MARKS_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%s: more than %d faults or windows",
			dataset->folder, MARKS_MAX);
	marks = mem_resize(dataset->marks, dataset->mark_count + 1, sizeof(*marks));
	if (marks == NULL)
		return out_of_memory(error);
	dataset->marks = marks;
	copy.entity = mem_strdup(mark->entity);
	if (copy.entity == NULL)
		return out_of_memory(error);
	marks[dataset->mark_count++] = copy;
	return STATUS_OK;
}

enum status dataset_path(const struct dataset *dataset, const char *file,
	char path[DATASET_PATH_MAX], struct error *error)
{
	if (snprintf(path, DATASET_PATH_MAX, "%s/%s", dataset->folder, file) >= DATASET_PATH_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%s: the path is too long", file);
	return STATUS_OK;
}

enum status dataset_refuse_at(const char *path, const struct buf *bytes, const char *at,
	struct error *error)
{
	size_t line = 1, column = 1;

	for (const char *c = bytes->data; c < at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return error_prefix(error, "%s:%zu:%zu", path, line, column);
}

/* ---- opening ---- */

static enum status list_files(struct dataset *dataset, struct error *error)
{
	const char *path = dataset->options.path, *base = file_list_base(path);
	struct stat info;

	if (stat(path, &info) != 0 || S_ISDIR(info.st_mode) || file_list_stem(base) == 0) {
		dataset->folder = mem_strdup(path);
		if (dataset->folder == NULL)
			return out_of_memory(error);
		return file_list_read(path, &dataset->files, error);
	}
	/* One file stands for a folder that holds nothing else. */
	dataset->folder = base == path ? mem_strdup(".") : mem_strndup(path, (size_t)(base - path));
	dataset->files.names = mem_zalloc(1, sizeof(*dataset->files.names));
	if (dataset->folder == NULL || dataset->files.names == NULL)
		return out_of_memory(error);
	dataset->files.names[0] = mem_strdup(base);
	if (dataset->files.names[0] == NULL)
		return out_of_memory(error);
	dataset->files.count = 1;
	return STATUS_OK;
}

enum status dataset_open(const struct dataset_options *options, struct dataset **opened,
	struct error *error)
{
	struct dataset *dataset = mem_zalloc(1, sizeof(*dataset));
	enum status status;

	*opened = NULL;
	if (dataset == NULL)
		return out_of_memory(error);
	dataset->options = *options;
	status = list_files(dataset, error);
	if (status == STATUS_OK)
		status = options->kind->find(dataset, error);
	if (status == STATUS_OK && dataset->entry_count == 0)
		status = options->entity != NULL
			? error_set(error, STATUS_NOT_FOUND, "%s: no entity %s of kind %s",
				  options->path, options->entity, options->kind->name)
			: error_set(error, STATUS_NOT_FOUND, "%s: no files of kind %s",
				  options->path, options->kind->name);
	if (status == STATUS_OK)
		*opened = dataset;
	else
		dataset_close(dataset);
	return status;
}

void dataset_close(struct dataset *dataset)
{
	if (dataset == NULL)
		return;
	for (size_t i = 0; i < dataset->entry_count; i++)
		free_entry(&dataset->entries[i]);
	for (size_t i = 0; i < dataset->mark_count; i++)
		mem_free(dataset->marks[i].entity);
	mem_free(dataset->entries);
	mem_free(dataset->marks);
	mem_free(dataset->folder);
	file_list_fini(&dataset->files);
	mem_free(dataset);
}

size_t dataset_count(const struct dataset *dataset)
{
	return dataset->entry_count;
}

const char *dataset_entity_name(const struct dataset *dataset, size_t index)
{
	CHECK(index < dataset->entry_count);
	return dataset->entries[index].name;
}

enum status dataset_load(struct dataset *dataset, size_t index, struct entity *entity,
	struct error *error)
{
	enum status status;

	CHECK(index < dataset->entry_count);
	*entity = (struct entity){.step_ms = dataset->options.kind->step_ms};
	entity->name = mem_strdup(dataset->entries[index].name);
	if (entity->name == NULL)
		return out_of_memory(error);
	status = dataset->options.kind->load(dataset, &dataset->entries[index], entity, error);
	if (status != STATUS_OK)
		entity_fini(entity);
	return status;
}

void dataset_set_parts(struct entity *entity)
{
	size_t day = entity_rows_per_day(entity);
	double days = floor((double)entity->rows / (double)day);

	if (days >= 3) {
		entity->fit_end = (size_t)floor(days * .45 + .5) * day;
		entity->report_begin = (size_t)floor(days * 2 / 3 + .5) * day;
	} else {
		entity->fit_end = (size_t)((double)entity->rows * .45);
		entity->report_begin = entity->rows * 2 / 3;
	}
}

bool dataset_forecasts_column(const struct dataset *dataset, const struct entity *entity,
	size_t column)
{
	const struct dataset_kind *kind = dataset->options.kind;
	const char *name = entity->column_names != NULL ? entity->column_names[column] : "";

	/* SMD's first column is cpu_r, its sixth mem_u. */
	if (kind == &dataset_smd)
		return column == 0 || column == 5;
	if (kind == &dataset_bitbrains)
		return strcmp(name, "CPU usage [%]") == 0 || strcmp(name, "Memory usage [KB]") == 0;
	return true;
}
