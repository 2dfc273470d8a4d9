/*
 * Traces, Bitbrains machines and the project's own CSV: tables with a header and a column of times.
 */
#include <string.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000

static enum status find_files(struct dataset *dataset, struct error *error)
{
	return dataset_add_files(dataset, NULL, error);
}

static enum status load_trace(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	static const char *const times[] = {"minute", NULL};
	static const struct headed_format format = {.separator = ',',
		.time_names = times,
		.minutes = true,
		.rising = true};
	enum status status = dataset_read_headed(dataset, entry->files[0], &format, entity, error);

	if (status == STATUS_OK)
		dataset_set_parts(entity);
	return status;
}

/* The files of Bitbrains say milliseconds and hold seconds; time_parse() tells them apart. */
static enum status load_machine(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	static const char *const times[] = {"Timestamp [ms]", NULL};
	static const struct headed_format format = {.separator = ';', .time_names = times};
	enum status status = dataset_read_headed(dataset, entry->files[0], &format, entity, error);

	if (status == STATUS_OK)
		dataset_set_parts(entity);
	return status;
}

static const char *const own_times[] = {"time", "timestamp", NULL};
static const struct headed_format own_format = {.separator = ',',
	.time_names = own_times,
	.rising = true,
	.label_name = "label"};

enum status dataset_read_csv(const char *path, const char *text, size_t size, struct entity *entity,
	struct error *error)
{
	*entity = (struct entity){.step_ms = MINUTE_MS};
	return dataset_parse_headed(path, text, size, &own_format, entity, error);
}

static enum status load_own(struct dataset *dataset, const struct dataset_entry *entry,
	struct entity *entity, struct error *error)
{
	double part = dataset->options.fit_part > 0 ? dataset->options.fit_part : .5;
	enum status status =
		dataset_read_headed(dataset, entry->files[0], &own_format, entity, error);

	if (status == STATUS_OK) {
		entity->fit_end = (size_t)((double)entity->rows * part);
		entity->report_begin = entity->fit_end;
	}
	return status;
}

const struct dataset_kind dataset_traces = {"traces", false, true, MINUTE_MS, find_files,
	load_trace};
const struct dataset_kind dataset_bitbrains = {"bitbrains", false, true, 5 * MINUTE_MS, find_files,
	load_machine};
const struct dataset_kind dataset_csv = {"csv", true, false, MINUTE_MS, find_files, load_own};
