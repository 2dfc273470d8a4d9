/*
 * Tables of text, plain or gzipped, read strictly: lines, fields, numbers and times, and errors that
 * name file:line:column.
 *
 * Usage: table_load() the bytes, table_reader_init(), then table_line() and table_field() in turn; or
 *   table_numbers() for a table of numbers without a header.
 * Ownership: fields point into the bytes, which must outlive the reader.
 * Limits: TABLE_SIZE_MAX bytes unpacked, TABLE_COLUMNS_MAX columns.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_TABLE_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define TABLE_SIZE_MAX ((size_t)1 << 30)
#define TABLE_COLUMNS_MAX 1024

struct table_reader {
	const char *path; /* for messages */
	const char *at, *line_start, *line_end, *end;
	char separator;
	size_t line; /* from 1 */
	bool fields_left;
};

struct table_field {
	const char *text; /* without the white space and the quotes around it */
	size_t size, line, column;
};

/* Reads a file, unpacking it when it is gzipped. STATUS_NOT_FOUND, STATUS_TOO_LARGE, STATUS_BAD_INPUT
 * for what is truncated or damaged, STATUS_IO, STATUS_NO_MEMORY. bytes: initialised here, buf_fini() it
 * in any case. */
enum status table_load(const char *path, struct buf *bytes, struct error *error) MUST_CHECK;

/* A byte order mark is passed over. path must outlive the reader. */
void table_reader_init(struct table_reader *reader, const char *path, const char *text, size_t size,
	char separator);
/* Goes to the next line; false at the end. Empty lines at the very end are passed over. */
bool table_line(struct table_reader *reader);
/* The next field of the line; false when there is none left. */
bool table_field(struct table_reader *reader, struct table_field *field);
/* Whether it is that word, upper and lower case alike. */
bool table_field_is(const struct table_field *field, const char *word);
/* STATUS_BAD_INPUT with "path:line:column: " before the words. */
enum status table_refuse(const struct table_reader *reader, const struct table_field *field,
	struct error *error, const char *format, ...) PRINTF_LIKE(4, 5);

/* A finite decimal number; an empty field, NaN, NA and null are a missing value: NaN. */
enum status table_number(const struct table_reader *reader, const struct table_field *field,
	double *value, struct error *error) MUST_CHECK;
/*
 * Milliseconds since 1970 from RFC 3339, "2022-08-22 03:51:19.6 +0000 UTC m=+0.1" (Go), "2014-02-14
 * 14:30:00" (UTC), or seconds since 1970 with or without a fraction (milliseconds from 1e11 on).
 */
enum status table_time(const struct table_reader *reader, const struct table_field *field,
	int64_t *ms, struct error *error) MUST_CHECK;
/* The same without a place. */
enum status time_parse(const char *text, size_t size, int64_t *ms) MUST_CHECK;

/* Rows of numbers, row-major; NaN is a missing value. */
struct numbers {
	double *values; /* [rows][columns], mem_free() */
	size_t rows, columns;
};

/* A table without a header, every row as wide as the first. Refuses an empty one. Nothing is left to
 * free after an error. */
enum status table_numbers(struct table_reader *reader, struct numbers *numbers,
	struct error *error) MUST_CHECK;
enum status table_load_numbers(const char *path, struct numbers *numbers,
	struct error *error) MUST_CHECK;

/* Makes room for one more row of numbers->columns values and returns it, counted in; NULL: no memory.
 * *capacity: rows that have room, 0 at first. */
double *numbers_add_row(struct numbers *numbers, size_t *capacity);
void numbers_fini(struct numbers *numbers);

#endif
