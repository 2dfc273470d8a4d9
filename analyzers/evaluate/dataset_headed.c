/*
 * Tables with a header: the header says which column is the time, which the label, and which are passed
 * over; all others are numbers.
 */
#include <math.h>
#include <string.h>

#include "analyzers/evaluate/dataset_kinds.h"
#include "analyzers/evaluate/table.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define MINUTES_MAX 1e12

enum role { ROLE_VALUE, ROLE_TIME, ROLE_LABEL, ROLE_SKIP };

struct headed {
	const struct headed_format *format;
	struct table_reader reader;
	struct entity *entity;
	enum role roles[TABLE_COLUMNS_MAX];
	size_t field_count;
	size_t capacity;
};

static bool field_among(const struct table_field *field, const char *const *names)
{
	for (; names != NULL && *names != NULL; names++)
		if (table_field_is(field, *names))
			return true;
	return false;
}

static enum status no_memory(const struct headed *headed, struct error *error)
{
	return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", headed->reader.path);
}

static enum status add_column(struct headed *headed, const struct table_field *field,
	struct error *error)
{
	struct entity *entity = headed->entity;
	char **names = mem_resize(entity->column_names, entity->columns + 1, sizeof(*names));

	if (names == NULL)
		return no_memory(headed, error);
	entity->column_names = names;
	names[entity->columns] = mem_strndup(field->text, field->size);
	if (names[entity->columns] == NULL)
		return no_memory(headed, error);
	entity->columns++;
	return STATUS_OK;
}

static enum status read_header(struct headed *headed, struct error *error)
{
	struct table_field field, first = {.line = 1, .column = 1};
	bool timed = false, labelled = false;

	while (table_field(&headed->reader, &field)) {
		enum role role = ROLE_VALUE;

		if (headed->field_count == TABLE_COLUMNS_MAX)
			return table_refuse(&headed->reader, &field, error, "more than %d columns",
				TABLE_COLUMNS_MAX);
		if (!timed && field_among(&field, headed->format->time_names))
			role = ROLE_TIME;
		else if (!labelled && headed->format->label_name != NULL &&
			table_field_is(&field, headed->format->label_name))
			role = ROLE_LABEL;
		else if (field_among(&field, headed->format->skip))
			role = ROLE_SKIP;
		timed |= role == ROLE_TIME;
		labelled |= role == ROLE_LABEL;
		headed->roles[headed->field_count++] = role;
		if (role == ROLE_VALUE && add_column(headed, &field, error) != STATUS_OK)
			return STATUS_NO_MEMORY;
	}
	if (!timed)
		return table_refuse(&headed->reader, &first, error, "the header has no column %s",
			headed->format->time_names[0]);
	if (headed->entity->columns == 0)
		return table_refuse(&headed->reader, &first, error,
			"the header has no column of values");
	return STATUS_OK;
}

static enum status read_minute(const struct headed *headed, const struct table_field *field,
	int64_t *ms, struct error *error)
{
	double minute;

	if (table_number(&headed->reader, field, &minute, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	if (isnan(minute) || minute < 0 || minute > MINUTES_MAX || floor(minute) < minute)
		return table_refuse(&headed->reader, field, error, "this is no minute");
	*ms = (int64_t)minute * MINUTE_MS;
	return STATUS_OK;
}

static enum status read_time(struct headed *headed, const struct table_field *field, size_t row,
	struct error *error)
{
	int64_t *times = headed->entity->times_ms;
	enum status status;

	if (headed->format->minutes)
		status = read_minute(headed, field, &times[row], error);
	else
		status = table_time(&headed->reader, field, &times[row], error);
	if (status == STATUS_OK && headed->format->rising && row > 0 &&
		times[row] <= times[row - 1])
		return table_refuse(&headed->reader, field, error,
			"the time is not after that of the row before");
	return status;
}

static enum status read_label(const struct headed *headed, const struct table_field *field,
	uint8_t *label, struct error *error)
{
	double value;

	*label = 0;
	if (field->size == 0)
		return STATUS_OK;
	if (table_number(&headed->reader, field, &value, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	*label = value > 0;
	if (!(value >= 0 && value <= 0) && !(value >= 1 && value <= 1))
		return table_refuse(&headed->reader, field, error, "a label is 0 or 1");
	return STATUS_OK;
}

/* Room for one more row in all arrays. */
static double *add_row(struct headed *headed)
{
	struct entity *entity = headed->entity;
	struct numbers numbers = {entity->values, entity->rows, entity->columns};
	size_t before = headed->capacity;
	double *row = numbers_add_row(&numbers, &headed->capacity);

	entity->values = numbers.values;
	if (row == NULL)
		return NULL;
	if (headed->capacity > before) {
		int64_t *times = mem_resize(entity->times_ms, headed->capacity, sizeof(*times));
		uint8_t *labels;

		if (times == NULL)
			return NULL;
		entity->times_ms = times;
		labels = mem_resize(entity->labels, headed->capacity, sizeof(*labels));
		if (labels == NULL)
			return NULL;
		entity->labels = labels;
	}
	entity->rows = numbers.rows;
	return row;
}

static enum status read_row(struct headed *headed, struct error *error)
{
	struct table_field field = {.line = headed->reader.line, .column = 1};
	double *row = add_row(headed);
	size_t at = 0, column = 0, index;
	enum status status = STATUS_OK;

	if (row == NULL)
		return no_memory(headed, error);
	index = headed->entity->rows - 1;
	while (status == STATUS_OK && table_field(&headed->reader, &field)) {
		if (at == headed->field_count)
			return table_refuse(&headed->reader, &field, error,
				"more than the %zu columns of the header", at);
		switch (headed->roles[at++]) {
		case ROLE_TIME:
			status = read_time(headed, &field, index, error);
			break;
		case ROLE_LABEL:
			status = read_label(headed, &field, &headed->entity->labels[index], error);
			break;
		case ROLE_VALUE:
			status = table_number(&headed->reader, &field, &row[column++], error);
			break;
		case ROLE_SKIP:
			break;
		}
	}
	if (status == STATUS_OK && at < headed->field_count)
		return table_refuse(&headed->reader, &field, error,
			"the row has %zu columns, the header %zu", at, headed->field_count);
	return status;
}

static bool has_labels(const struct headed *headed)
{
	for (size_t i = 0; i < headed->field_count; i++)
		if (headed->roles[i] == ROLE_LABEL)
			return true;
	return false;
}

static enum status read_table(struct headed *headed, struct error *error)
{
	enum status status;

	if (!table_line(&headed->reader))
		return error_set(error, STATUS_BAD_INPUT, "%s:1:1: no header", headed->reader.path);
	status = read_header(headed, error);
	while (status == STATUS_OK && table_line(&headed->reader))
		status = read_row(headed, error);
	if (status == STATUS_OK && headed->entity->rows == 0)
		return error_set(error, STATUS_BAD_INPUT, "%s:1:1: a header and no rows",
			headed->reader.path);
	if (status == STATUS_OK && !has_labels(headed)) {
		mem_free(headed->entity->labels);
		headed->entity->labels = NULL;
	}
	return status;
}

enum status dataset_parse_headed(const char *path, const char *text, size_t size,
	const struct headed_format *format, struct entity *entity, struct error *error)
{
	struct headed *headed = mem_zalloc(1, sizeof(*headed));
	enum status status;

	if (headed == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	headed->format = format;
	headed->entity = entity;
	table_reader_init(&headed->reader, path, text, size, format->separator);
	status = read_table(headed, error);
	mem_free(headed);
	return status == STATUS_OK ? entity_set_step(entity, entity->step_ms, error) : status;
}

enum status dataset_read_headed(struct dataset *dataset, const char *file,
	const struct headed_format *format, struct entity *entity, struct error *error)
{
	char path[DATASET_PATH_MAX];
	struct buf bytes;
	enum status status;

	if (dataset_path(dataset, file, path, error) != STATUS_OK)
		return STATUS_TOO_LARGE;
	status = table_load(path, &bytes, error);
	if (status == STATUS_OK)
		status = dataset_parse_headed(path, bytes.data, bytes.size, format, entity, error);
	buf_fini(&bytes);
	return status;
}
