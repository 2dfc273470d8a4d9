/*
 * Traces of containers from tables. Units are told by the columns' names and never guessed from the numbers.
 */
#include <math.h>

#include "analyzers/evaluate/table.h"
#include "analyzers/rightsize/sizing_replay.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS INT64_C(60000)
#define ROWS_MAX ((size_t)1 << 26)

enum column { COLUMN_TIME, COLUMN_CPU, COLUMN_MEMORY, COLUMN_KILLED, COLUMN_REPLICAS, COLUMNS };

static const struct {
	const char *name;
	enum column column;
	double unit;
} known[] = {
	{"time", COLUMN_TIME, 1},
	{"timestamp", COLUMN_TIME, 1},
	{"cpu", COLUMN_CPU, 1},
	{"cpu_cores", COLUMN_CPU, 1},
	{"cpu_millicores", COLUMN_CPU, 1e-3},
	{"memory", COLUMN_MEMORY, 1},
	{"memory_bytes", COLUMN_MEMORY, 1},
	{"memory_mib", COLUMN_MEMORY, 1048576},
	{"oom_kills", COLUMN_KILLED, 1},
	{"replicas", COLUMN_REPLICAS, 1},
};

struct row {
	int64_t minute;
	double values[COLUMNS];
};

struct sheet {
	struct table_reader reader;
	bool there[COLUMNS];
	size_t places[COLUMNS];
	double units[COLUMNS];
	struct row *rows;
	size_t count, capacity;
};

enum status sizing_trace_init(struct sizing_trace *trace, int64_t first, size_t count,
	struct error *error)
{
	*trace = (struct sizing_trace){.first = first, .count = count};
	if (count > SIZING_REPLAY_MINUTES_MAX)
		return error_set(error, STATUS_TOO_LARGE, "more than %zu minutes",
			SIZING_REPLAY_MINUTES_MAX);
	trace->cpu = mem_zalloc(3 * count + 1, sizeof(double));
	if (trace->cpu == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	trace->memory = trace->cpu + count;
	trace->killed = trace->memory + count;
	for (size_t i = 0; i < 3 * count; i++)
		trace->cpu[i] = NAN;
	return STATUS_OK;
}

void sizing_trace_fini(struct sizing_trace *trace)
{
	mem_free(trace->cpu);
	*trace = (struct sizing_trace){.count = 0};
}

static enum status read_header(struct sheet *sheet, struct error *error)
{
	struct table_field field, first = {.line = 1, .column = 1};

	for (size_t i = 0; table_field(&sheet->reader, &field); i++)
		for (size_t k = 0; k < ARRAY_COUNT(known); k++) {
			enum column column = known[k].column;

			if (!table_field_is(&field, known[k].name))
				continue;
			if (sheet->there[column])
				return table_refuse(&sheet->reader, &field, error,
					"a second column for the same");
			sheet->there[column] = true;
			sheet->places[column] = i;
			sheet->units[column] = known[k].unit;
		}
	if (!sheet->there[COLUMN_TIME] || !sheet->there[COLUMN_CPU] || !sheet->there[COLUMN_MEMORY])
		return table_refuse(&sheet->reader, &first, error,
			"the header needs columns time or timestamp; cpu, cpu_cores or "
			"cpu_millicores; memory, memory_bytes or memory_mib");
	return STATUS_OK;
}

static enum status read_field(struct sheet *sheet, enum column column,
	const struct table_field *field, struct row *row, struct error *error)
{
	enum status status;
	int64_t ms;

	if (column == COLUMN_TIME) {
		status = table_time(&sheet->reader, field, &ms, error);
		if (status != STATUS_OK)
			return status;
		row->minute = ms / MINUTE_MS - (ms % MINUTE_MS < 0);
		if (sheet->count > 0 && row->minute < sheet->rows[sheet->count - 1].minute)
			return table_refuse(&sheet->reader, field, error,
				"the time is before that of the row before: sort the rows");
		return STATUS_OK;
	}
	status = table_number(&sheet->reader, field, &row->values[column], error);
	if (status == STATUS_OK && row->values[column] < 0)
		return table_refuse(&sheet->reader, field, error, "the value is below 0");
	row->values[column] *= sheet->units[column];
	return status;
}

static enum status add_row(struct sheet *sheet, const struct row *row, struct error *error)
{
	if (sheet->count == ROWS_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%s: more than %zu rows",
			sheet->reader.path, ROWS_MAX);
	if (sheet->count == sheet->capacity) {
		size_t more = sheet->capacity > 0 ? sheet->capacity * 2 : 4096;
		struct row *grown = mem_resize(sheet->rows, more, sizeof(*grown));

		if (grown == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		sheet->rows = grown;
		sheet->capacity = more;
	}
	sheet->rows[sheet->count++] = *row;
	return STATUS_OK;
}

static enum status read_row(struct sheet *sheet, struct error *error)
{
	struct row row = {.values = {NAN, NAN, NAN, NAN, NAN}};
	struct table_field field = {.line = sheet->reader.line, .column = 1};
	enum status status = STATUS_OK;
	bool timed = false;

	for (size_t i = 0; status == STATUS_OK && table_field(&sheet->reader, &field); i++)
		for (int column = 0; column < COLUMNS && status == STATUS_OK; column++) {
			if (!sheet->there[column] || sheet->places[column] != i)
				continue;
			timed = timed || column == COLUMN_TIME;
			status = read_field(sheet, (enum column)column, &field, &row, error);
		}
	if (status == STATUS_OK && !timed)
		return table_refuse(&sheet->reader, &field, error, "the row has no time");
	if (sheet->there[COLUMN_REPLICAS]) {
		double replicas = row.values[COLUMN_REPLICAS];

		row.values[COLUMN_CPU] /= replicas > 0 ? replicas : NAN;
		row.values[COLUMN_MEMORY] /= replicas > 0 ? replicas : NAN;
	}
	return status == STATUS_OK ? add_row(sheet, &row, error) : status;
}

/* Of several rows of one minute the highest counts. */
static void fill(const struct sheet *sheet, struct sizing_trace *trace)
{
	for (size_t i = 0; i < sheet->count; i++) {
		const struct row *row = &sheet->rows[i];
		int64_t from = row->minute - trace->first, end = from + SIZING_ROW_MINUTES;

		if (i + 1 < sheet->count && sheet->rows[i + 1].minute - trace->first < end)
			end = sheet->rows[i + 1].minute - trace->first;
		end = i + 1 == sheet->count || end <= from ? from + 1 : end;
		for (int64_t m = from; m < end && m < (int64_t)trace->count; m++) {
			trace->cpu[m] = fmax(trace->cpu[m], row->values[COLUMN_CPU]);
			trace->memory[m] = fmax(trace->memory[m], row->values[COLUMN_MEMORY]);
			trace->killed[m] = fmax(trace->killed[m], row->values[COLUMN_KILLED]);
		}
	}
}

enum status sizing_trace_read_csv(struct sizing_trace *trace, const char *path, struct error *error)
{
	struct sheet sheet = {.count = 0};
	struct buf bytes;
	enum status status = table_load(path, &bytes, error);

	*trace = (struct sizing_trace){.count = 0};
	if (status == STATUS_OK) {
		table_reader_init(&sheet.reader, path, bytes.data, bytes.size, ',');
		status = table_line(&sheet.reader)
			? read_header(&sheet, error)
			: error_set(error, STATUS_BAD_INPUT, "%s: the file is empty", path);
	}
	while (status == STATUS_OK && table_line(&sheet.reader))
		status = read_row(&sheet, error);
	if (status == STATUS_OK && sheet.count == 0)
		status = error_set(error, STATUS_BAD_INPUT, "%s: there are no rows", path);
	if (status == STATUS_OK)
		status = sizing_trace_init(trace, sheet.rows[0].minute,
			(size_t)(sheet.rows[sheet.count - 1].minute - sheet.rows[0].minute) + 1,
			error);
	if (status == STATUS_OK)
		fill(&sheet, trace);
	mem_free(sheet.rows);
	buf_fini(&bytes);
	return status;
}
