/*
 * Traces from tables. The header's names say what the columns are and in which unit; a unit is never
 * guessed from the numbers.
 */
#include <math.h>
#include <string.h>

#include "analyzers/evaluate/table.h"
#include "analyzers/scaler/trace.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define YEAR_1990_MS INT64_C(631152000000)
#define POINTS_MAX ((size_t)1 << 26)

enum time_kind { TIME_NONE, TIME_ABSOLUTE, TIME_MINUTE, TIME_SECOND };

static const struct {
	const char *name;
	enum time_kind time;
	enum trace_unit unit;
} columns[] = {
	{"time", TIME_ABSOLUTE, 0},
	{"timestamp", TIME_ABSOLUTE, 0},
	{"minute", TIME_MINUTE, 0},
	{"second", TIME_SECOND, 0},
	{"rate", TIME_NONE, TRACE_UNIT_PER_SECOND},
	{"rps", TIME_NONE, TRACE_UNIT_PER_SECOND},
	{"qps", TIME_NONE, TRACE_UNIT_PER_SECOND},
	{"requests_per_second", TIME_NONE, TRACE_UNIT_PER_SECOND},
	{"rpm", TIME_NONE, TRACE_UNIT_PER_MINUTE},
	{"requests_per_minute", TIME_NONE, TRACE_UNIT_PER_MINUTE},
	{"requests", TIME_NONE, TRACE_UNIT_COUNT},
	{"count", TIME_NONE, TRACE_UNIT_COUNT},
	{"value", TIME_NONE, TRACE_UNIT_HEADER},
};

struct sheet {
	struct table_reader reader;
	struct trace *trace;
	enum time_kind time;
	enum trace_unit unit;
	size_t time_column, rate_column;
	struct trace_point *points;
	size_t count, capacity;
};

static enum status read_header(struct sheet *sheet, enum trace_unit asked, struct error *error)
{
	struct table_field field, first = {.line = 1, .column = 1}, rate = first;
	bool found = false;

	for (size_t i = 0; table_field(&sheet->reader, &field); i++) {
		for (size_t c = 0; c < ARRAY_COUNT(columns); c++) {
			if (!table_field_is(&field, columns[c].name))
				continue;
			if (columns[c].time != TIME_NONE && sheet->time == TIME_NONE) {
				sheet->time = columns[c].time;
				sheet->time_column = i;
			} else if (columns[c].time == TIME_NONE && !found) {
				found = true;
				sheet->unit = columns[c].unit;
				sheet->rate_column = i;
				rate = field;
			}
		}
	}
	if (sheet->time == TIME_NONE)
		return table_refuse(&sheet->reader, &first, error,
			"the header has no column time, timestamp, minute or second");
	if (!found)
		return table_refuse(&sheet->reader, &first, error,
			"the header has no column rate, rps, requests_per_second, rpm, "
			"requests_per_minute, requests, count or value");
	if (asked != TRACE_UNIT_HEADER)
		sheet->unit = asked;
	if (sheet->unit == TRACE_UNIT_HEADER)
		return table_refuse(&sheet->reader, &rate, error,
			"the name \"value\" tells no unit: say --unit=rps, rpm or count");
	return STATUS_OK;
}

static enum status read_time(struct sheet *sheet, const struct table_field *field, int64_t *ms,
	struct error *error)
{
	double number;
	enum status status;

	if (sheet->time == TIME_ABSOLUTE) {
		status = table_time(&sheet->reader, field, ms, error);
		if (status == STATUS_OK && *ms < YEAR_1990_MS)
			return table_refuse(&sheet->reader, field, error,
				"the time is before 1990: a count from a beginning is named minute "
				"or second in the header");
		return status;
	}
	status = table_number(&sheet->reader, field, &number, error);
	if (status != STATUS_OK)
		return status;
	if (!(number >= 0 && number < 1e10))
		return table_refuse(&sheet->reader, field, error, "this is no %s",
			sheet->time == TIME_MINUTE ? "minute" : "second");
	*ms = (int64_t)(number * (sheet->time == TIME_MINUTE ? MINUTE_MS : 1000));
	return STATUS_OK;
}

static enum status add_point(struct sheet *sheet, const struct trace_point *point,
	struct error *error)
{
	if (sheet->count == POINTS_MAX)
		return error_set(error, STATUS_TOO_LARGE, "%s: more than %zu rows",
			sheet->reader.path, POINTS_MAX);
	if (sheet->count == sheet->capacity) {
		size_t more = sheet->capacity > 0 ? sheet->capacity * 2 : 4096;
		struct trace_point *grown = mem_resize(sheet->points, more, sizeof(*grown));

		if (grown == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		sheet->points = grown;
		sheet->capacity = more;
	}
	sheet->points[sheet->count++] = *point;
	return STATUS_OK;
}

static enum status read_row(struct sheet *sheet, struct error *error)
{
	struct trace_point point = {.rate = NAN, .line = sheet->reader.line};
	struct table_field field = {.line = sheet->reader.line, .column = 1};
	bool timed = false;
	enum status status = STATUS_OK;

	for (size_t i = 0; status == STATUS_OK && table_field(&sheet->reader, &field); i++) {
		if (i == sheet->time_column) {
			status = read_time(sheet, &field, &point.t_ms, error);
			timed = true;
		} else if (i == sheet->rate_column) {
			status = table_number(&sheet->reader, &field, &point.rate, error);
		}
	}
	if (status != STATUS_OK)
		return status;
	if (!timed)
		return table_refuse(&sheet->reader, &field, error, "the row has no time");
	if (sheet->unit == TRACE_UNIT_PER_MINUTE)
		point.rate /= 60;
	return add_point(sheet, &point, error);
}

enum status trace_read_csv(struct trace *trace, const char *path,
	const struct trace_csv_options *options, struct error *error)
{
	struct sheet sheet = {.trace = trace};
	struct trace_assembly assembly = {.source = path, .keep_odd = options->keep_odd};
	struct buf bytes;
	enum status status = table_load(path, &bytes, error);

	if (status == STATUS_OK) {
		table_reader_init(&sheet.reader, path, bytes.data, bytes.size, ',');
		status = table_line(&sheet.reader)
			? read_header(&sheet, options->unit, error)
			: error_set(error, STATUS_BAD_INPUT, "%s: the file is empty", path);
	}
	while (status == STATUS_OK && table_line(&sheet.reader))
		status = read_row(&sheet, error);
	assembly.counted = sheet.unit == TRACE_UNIT_COUNT;
	if (status == STATUS_OK)
		status = trace_assemble(trace, &assembly, sheet.points, sheet.count, error);
	if (status == STATUS_OK && sheet.time != TIME_ABSOLUTE)
		trace->start_ms = -1;
	mem_free(sheet.points);
	buf_fini(&bytes);
	return status;
}
