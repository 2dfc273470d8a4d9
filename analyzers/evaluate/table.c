/*
 * Tables of text: one pass over the bytes, nothing copied but the number being read.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "analyzers/evaluate/table.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"

#define READ_SIZE ((size_t)1 << 18)
#define NUMBER_SIZE_MAX 63
#define TIME_SIZE_MAX 95
/* Seconds since 1970 are below this until the year 5138, milliseconds above it since 1973. */
#define SECONDS_MAX 1e11

/* ---- bytes ---- */

static enum status unpack(gzFile file, const char *path, struct buf *bytes, struct error *error)
{
	for (;;) {
		char *room = buf_reserve(bytes, READ_SIZE);
		int got;

		if (room == NULL && bytes->size + READ_SIZE > bytes->max)
			return error_set(error, STATUS_TOO_LARGE, "%s: more than %zu bytes", path,
				bytes->max - READ_SIZE);
		if (room == NULL)
			return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
		got = gzread(file, room, (unsigned)READ_SIZE);
		if (got < 0) {
			int number;
			const char *words = gzerror(file, &number);

			if (number == Z_ERRNO)
				return error_set_errno(error, STATUS_IO, errno, "%s", path);
			return error_set(error, STATUS_BAD_INPUT, "%s: damaged: %s", path, words);
		}
		if (got == 0)
			return STATUS_OK;
		bytes->size += (size_t)got;
	}
}

enum status table_load(const char *path, struct buf *bytes, struct error *error)
{
	enum status status;
	gzFile file;
	int closed;

	buf_init(bytes, TABLE_SIZE_MAX + READ_SIZE);
	errno = 0;
	file = gzopen(path, "rb");
	if (file == NULL) {
		if (errno == ENOENT)
			return error_set_errno(error, STATUS_NOT_FOUND, errno, "%s", path);
		if (errno == 0)
			return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
		return error_set_errno(error, STATUS_IO, errno, "%s", path);
	}
	status = unpack(file, path, bytes, error);
	closed = gzclose_r(file);
	if (status == STATUS_OK && closed == Z_BUF_ERROR)
		return error_set(error, STATUS_BAD_INPUT, "%s: truncated", path);
	return status;
}

/* ---- lines and fields ---- */

void table_reader_init(struct table_reader *reader, const char *path, const char *text, size_t size,
	char separator)
{
	if (text == NULL)
		text = "";
	if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
		text += 3;
		size -= 3;
	}
	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
		size--;
	*reader = (struct table_reader){.path = path,
		.at = text,
		.line_start = text,
		.line_end = text,
		.end = text + size,
		.separator = separator};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool table_line(struct table_reader *reader)
{
	const char *at = reader->line == 0 ? reader->at : reader->line_end, *newline;

	reader->fields_left = false;
	if (at == reader->end)
		return false;
	if (reader->line > 0)
		at++; /* the newline */
	newline = memchr(at, '\n', (size_t)(reader->end - at));
	reader->line++;
	reader->at = at;
	reader->line_start = at;
	reader->line_end = newline != NULL ? newline : reader->end;
	reader->fields_left = true;
	return true;
}

bool table_field(struct table_reader *reader, struct table_field *field)
{
	const char *first = reader->at, *last;

	if (!reader->fields_left)
		return false;
	while (first < reader->line_end && is_space(*first) && *first != reader->separator)
		first++;
	if (first < reader->line_end && *first == '"') {
		const char *quote = memchr(first + 1, '"', (size_t)(reader->line_end - first - 1));

		last = quote != NULL ? quote : reader->line_end;
		last = memchr(last, reader->separator, (size_t)(reader->line_end - last));
	} else {
		last = memchr(first, reader->separator, (size_t)(reader->line_end - first));
	}
	reader->fields_left = last != NULL;
	if (last == NULL)
		last = reader->line_end;
	reader->at = last + (reader->fields_left ? 1 : 0);
	while (last > first && is_space(last[-1]))
		last--;
	field->line = reader->line;
	field->column = (size_t)(first - reader->line_start) + 1;
	if (last - first >= 2 && *first == '"' && last[-1] == '"') {
		first++;
		last--;
	}
	field->text = first;
	field->size = (size_t)(last - first);
	return true;
}

enum status table_refuse(const struct table_reader *reader, const struct table_field *field,
	struct error *error, const char *format, ...)
{
	char words[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	return error_set(error, STATUS_BAD_INPUT, "%s:%zu:%zu: %s", reader->path, field->line,
		field->column, words);
}

/* ---- values ---- */

bool table_field_is(const struct table_field *field, const char *word)
{
	size_t size = strlen(word);

	if (field->size != size)
		return false;
	for (size_t i = 0; i < size; i++)
		if (tolower((unsigned char)field->text[i]) != tolower((unsigned char)word[i]))
			return false;
	return true;
}

/* The text may go on behind the field, and need not end there. */
/* Nothing, or a word for what is no measurement: an infinity is none either. */
static bool is_missing(const struct table_field *field)
{
	static const char *const words[] = {"nan", "na", "null", "inf", "+inf", "-inf", "infinity",
		"+infinity", "-infinity"};
	bool missing = field->size == 0;

	for (size_t i = 0; i < ARRAY_COUNT(words) && !missing; i++)
		missing = table_field_is(field, words[i]);
	return missing;
}

static bool is_written_as_number(const struct table_field *field)
{
	for (size_t i = 0; i < field->size; i++)
		if (field->text[i] == '\0' || strchr("+-.0123456789eE", field->text[i]) == NULL)
			return false;
	return true;
}

/* What of a field a message may hold. */
static int shown(const struct table_field *field)
{
	return field->size > 40 ? 40 : (int)field->size;
}

enum status table_number(const struct table_reader *reader, const struct table_field *field,
	double *value, struct error *error)
{
	char text[NUMBER_SIZE_MAX + 1], *end;

	*value = NAN;
	if (is_missing(field))
		return STATUS_OK;
	if (field->size > NUMBER_SIZE_MAX || !is_written_as_number(field))
		return table_refuse(reader, field, error, "\"%.*s\" is not a number", shown(field),
			field->text);
	memcpy(text, field->text, field->size);
	text[field->size] = '\0';
	*value = strtod(text, &end);
	if (end == text || *end != '\0')
		return table_refuse(reader, field, error, "\"%s\" is not a number", text);
	if (!isfinite(*value))
		return table_refuse(reader, field, error, "%s is too large a number", text);
	return STATUS_OK;
}

static bool read_unix_time(const char *text, int64_t *ms)
{
	double value;

	if (strspn(text, "0123456789.") != strlen(text) ||
		parse_double(text, &value) != STATUS_OK || value > SECONDS_MAX * 1000)
		return false;
	*ms = value > SECONDS_MAX ? (int64_t)value : (int64_t)floor(value * 1000 + .5);
	return true;
}

/* "+0000" and "+00:00" after a date and time become RFC 3339's offset, nothing and "UTC" become Z. */
static bool write_offset(char room[8], const char *offset)
{
	bool sign = *offset == '+' || *offset == '-';

	if (sign && strspn(offset + 1, "0123456789") == 4)
		snprintf(room, 8, "%c%.2s:%.2s", *offset, offset + 1, offset + 3);
	else if (sign && strlen(offset) >= 6 && offset[3] == ':')
		snprintf(room, 8, "%.6s", offset);
	else if (*offset == '\0' || strncmp(offset, "UTC", 3) == 0)
		snprintf(room, 8, "Z");
	else
		return false;
	return true;
}

enum status time_parse(const char *text, size_t size, int64_t *ms)
{
	char copy[TIME_SIZE_MAX + 1], moment[TIME_SIZE_MAX + 16], *after;

	if (size == 0 || size > TIME_SIZE_MAX || memchr(text, '\0', size) != NULL)
		return STATUS_BAD_INPUT;
	memcpy(copy, text, size);
	copy[size] = '\0';
	if (read_unix_time(copy, ms))
		return STATUS_OK;
	if (size < 19 || (copy[10] != ' ' && copy[10] != 'T'))
		return STATUS_BAD_INPUT;
	copy[10] = 'T';
	if (parse_rfc3339(copy, ms) == STATUS_OK)
		return STATUS_OK;
	after = copy + 11 + strspn(copy + 11, "0123456789:.");
	snprintf(moment, sizeof(moment), "%.*s", (int)(after - copy), copy);
	while (*after == ' ')
		after++;
	if (!write_offset(moment + strlen(moment), after))
		return STATUS_BAD_INPUT;
	return parse_rfc3339(moment, ms);
}

enum status table_time(const struct table_reader *reader, const struct table_field *field,
	int64_t *ms, struct error *error)
{
	if (time_parse(field->text, field->size, ms) == STATUS_OK)
		return STATUS_OK;
	return table_refuse(reader, field, error, "\"%.*s\" is no time such as 2026-01-31 23:59:00",
		shown(field), field->text);
}

/* ---- rows of numbers ---- */

void numbers_fini(struct numbers *numbers)
{
	mem_free(numbers->values);
	*numbers = (struct numbers){.values = NULL};
}

double *numbers_add_row(struct numbers *numbers, size_t *capacity)
{
	if (numbers->rows == *capacity) {
		size_t larger = *capacity == 0 ? 1024 : *capacity * 2;
		double *values;

		if (larger > SIZE_MAX / sizeof(double) / (numbers->columns + 1))
			return NULL;
		values = mem_resize(numbers->values, larger * numbers->columns, sizeof(double));
		if (values == NULL)
			return NULL;
		numbers->values = values;
		*capacity = larger;
	}
	return numbers->values + numbers->rows++ * numbers->columns;
}

static enum status read_first_row(struct table_reader *reader, struct numbers *numbers, double *row,
	struct error *error)
{
	struct table_field field;

	while (table_field(reader, &field)) {
		if (numbers->columns == TABLE_COLUMNS_MAX)
			return table_refuse(reader, &field, error, "more than %d columns",
				TABLE_COLUMNS_MAX);
		if (table_number(reader, &field, &row[numbers->columns++], error) != STATUS_OK)
			return STATUS_BAD_INPUT;
	}
	return STATUS_OK;
}

static enum status read_row(struct table_reader *reader, size_t columns, double *row,
	struct error *error)
{
	struct table_field field = {.line = reader->line, .column = 1};
	size_t count = 0;

	while (table_field(reader, &field)) {
		if (count == columns)
			return table_refuse(reader, &field, error,
				"more than the %zu columns of the first row", columns);
		if (table_number(reader, &field, &row[count++], error) != STATUS_OK)
			return STATUS_BAD_INPUT;
	}
	if (count < columns)
		return table_refuse(reader, &field, error,
			"the row has %zu columns, the first row %zu", count, columns);
	return STATUS_OK;
}

enum status table_numbers(struct table_reader *reader, struct numbers *numbers, struct error *error)
{
	enum status status = STATUS_OK;
	double *first, *row;
	size_t capacity = 0;

	*numbers = (struct numbers){.values = NULL};
	if (!table_line(reader))
		return error_set(error, STATUS_BAD_INPUT, "%s:1:1: no rows", reader->path);
	first = mem_alloc(TABLE_COLUMNS_MAX * sizeof(double));
	if (first == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", reader->path);
	status = read_first_row(reader, numbers, first, error);
	for (bool more = status == STATUS_OK, at_first = true; more && status == STATUS_OK;
		at_first = false) {
		row = numbers_add_row(numbers, &capacity);
		if (row == NULL)
			status = error_set(error, STATUS_NO_MEMORY, "%s: out of memory",
				reader->path);
		else if (at_first)
			memcpy(row, first, numbers->columns * sizeof(double));
		else
			status = read_row(reader, numbers->columns, row, error);
		more = status == STATUS_OK && table_line(reader);
	}
	mem_free(first);
	if (status != STATUS_OK)
		numbers_fini(numbers);
	return status;
}

enum status table_load_numbers(const char *path, struct numbers *numbers, struct error *error)
{
	struct table_reader reader;
	struct buf bytes;
	enum status status;

	*numbers = (struct numbers){.values = NULL};
	status = table_load(path, &bytes, error);
	if (status == STATUS_OK) {
		table_reader_init(&reader, path, bytes.data, bytes.size, ',');
		status = table_numbers(&reader, numbers, error);
	}
	buf_fini(&bytes);
	return status;
}
