/*
 * Lines on standard error, logfmt or JSON: ts, level, caller, msg, then the caller's fields.
 *
 * Usage: LOG_INFO("listening", LOG_TEXT("address", address), LOG_INT("port", port));
 * Limits: a line is cut at 16 KiB and says so (cut=true); lines by one call site (file
 *   and line) past LOG_BURST within LOG_BURST_MS are counted and told once ("repeated") when that
 *   time is over, with the next line that anyone writes or by log_flush(). Lines about things that
 *   must not hide each other (LOG_INFO_OF, LOG_WARN_OF) are limited for each thing, and all of the call site past
 *   LOG_BURST_ALL.
 * Ownership: nothing is kept but `file`; no memory is taken, so that running out of it can be told.
 * Threads: any thread; a line is written by one write(2), so that lines never mix.
 */
#ifndef NIMBUSGUARD_BASE_LOG_H
#define NIMBUSGUARD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define LOG_LINE_MAX (16 * 1024)
#define LOG_BURST 20
#define LOG_BURST_MS 10000
#define LOG_BURST_ALL 2000
#define LOG_OF_MAX 48

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_field_type {
	LOG_FIELD_END,
	LOG_FIELD_TEXT,
	LOG_FIELD_INT,
	LOG_FIELD_UINT,
	LOG_FIELD_DOUBLE,
	LOG_FIELD_BOOL
};

struct log_field {
	const char *key;
	enum log_field_type type;
	union {
		const char *text;
		int64_t integer;
		uint64_t natural;
		double number;
		bool boolean;
	} value;
};

#define LOG_TEXT(name, v)                                                                          \
	((struct log_field){.key = (name), .type = LOG_FIELD_TEXT, .value.text = (v)})
#define LOG_INT(name, v)                                                                           \
	((struct log_field){.key = (name), .type = LOG_FIELD_INT, .value.integer = (v)})
#define LOG_UINT(name, v)                                                                          \
	((struct log_field){.key = (name), .type = LOG_FIELD_UINT, .value.natural = (v)})
#define LOG_DOUBLE(name, v)                                                                        \
	((struct log_field){.key = (name), .type = LOG_FIELD_DOUBLE, .value.number = (v)})
#define LOG_BOOL(name, v)                                                                          \
	((struct log_field){.key = (name), .type = LOG_FIELD_BOOL, .value.boolean = (v)})
#define LOG_ERROR_FIELD(error) LOG_TEXT("err", (error)->text)

/* Before the first line; default: info, logfmt, standard error (fd 2). */
void log_configure(enum log_level level, enum log_format format);
void log_set_fd(int fd);
bool log_enabled(enum log_level level);
enum status log_level_parse(const char *text, enum log_level *level) MUST_CHECK;
enum status log_format_parse(const char *text, enum log_format *format) MUST_CHECK;

/* Tells at once what has been counted and not told yet: at the end of the program. */
void log_flush(void);
/* Tests: the clock of ts and of the bursts; NULL for the system's. Forgets all bursts. */
void log_set_clock(const struct clock *clock);

/* fields ends with a field of type LOG_FIELD_END; a text of NULL is written as null. `file` must
 * live as long as the program. Control characters and invalid UTF-8 are escaped, so that what a
 * sender put into a name cannot forge a line or drive a terminal. */
void log_write(enum log_level level, const char *file, int line, const char *message,
	const struct log_field *fields);

/* The same with the limit of bursts for what the line is about, such as an incident's id (its first
 * LOG_OF_MAX - 1 bytes), and LOG_BURST_ALL for the whole call site. */
void log_write_of(enum log_level level, const char *file, int line, const char *of,
	const char *message, const struct log_field *fields);

/* The empty field at the front only gives the comma something to stand behind when there are no
 * fields. */
#define LOG_AT(level, message, ...)                                                                \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write(level, __FILE__, __LINE__, message,                              \
				(const struct log_field[]){{0}, ##__VA_ARGS__, {0}} + 1);          \
	} while (0)
#define LOG_AT_OF(level, of, message, ...)                                                         \
	do {                                                                                       \
		if (log_enabled(level))                                                            \
			log_write_of(level, __FILE__, __LINE__, of, message,                       \
				(const struct log_field[]){{0}, ##__VA_ARGS__, {0}} + 1);          \
	} while (0)
#define LOG_INFO_OF(of, message, ...) LOG_AT_OF(LOG_LEVEL_INFO, of, message, ##__VA_ARGS__)
#define LOG_WARN_OF(of, message, ...) LOG_AT_OF(LOG_LEVEL_WARN, of, message, ##__VA_ARGS__)
#define LOG_DEBUG(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define LOG_INFO(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define LOG_WARN(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define LOG_ERROR(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)

#endif
