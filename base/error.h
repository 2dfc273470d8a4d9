/*
 * Status codes and the error that travels with them: the code says what the caller should do, the
 * text says what happened, written once where it was seen and prefixed on the way up.
 *
 * Ownership: struct error is a plain value on the caller's stack; passing NULL discards the text.
 * Limits: the text is cut at ERROR_TEXT_MAX - 1 bytes, on a UTF-8 boundary.
 * Threads: a struct error belongs to one thread.
 */
#ifndef NIMBUSGUARD_BASE_ERROR_H
#define NIMBUSGUARD_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define ERROR_TEXT_MAX 512

/* X(code, label for metrics and JSON, HTTP status, should the sender retry) */
#define STATUS_TABLE(X)                                                                            \
	X(STATUS_OK, "ok", 200, false)                                                             \
	X(STATUS_BAD_INPUT, "bad_input", 400, false)                                               \
	X(STATUS_UNAUTHENTICATED, "unauthenticated", 401, false)                                   \
	X(STATUS_FORBIDDEN, "forbidden", 403, false)                                               \
	X(STATUS_NOT_FOUND, "not_found", 404, false)                                               \
	X(STATUS_METHOD, "method_not_allowed", 405, false)                                         \
	X(STATUS_CONFLICT, "conflict", 409, false)                                                 \
	X(STATUS_TOO_LARGE, "too_large", 413, false)                                               \
	X(STATUS_MEDIA_TYPE, "unsupported_media_type", 415, false)                                 \
	X(STATUS_LIMIT, "limit", 400, false)                                                       \
	X(STATUS_NO_MEMORY, "no_memory", 503, true)                                                \
	X(STATUS_BUSY, "busy", 503, true)                                                          \
	X(STATUS_IO, "io", 500, true)                                                              \
	X(STATUS_UNAVAILABLE, "unavailable", 503, true)                                            \
	X(STATUS_TIMEOUT, "timeout", 504, true)                                                    \
	X(STATUS_UNKNOWN, "unknown", 500, false)                                                   \
	X(STATUS_UNSUPPORTED, "unsupported", 501, false)                                           \
	X(STATUS_BUG, "bug", 500, false)

enum status {
#define X(code, label, http, retry) code,
	STATUS_TABLE(X)
#undef X
		STATUS_COUNT
};

struct error {
	enum status code;
	char text[ERROR_TEXT_MAX];
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

/* Writes code and text into *error (may be NULL) and returns code, so that a function can say
 * `return error_set(error, STATUS_BAD_INPUT, ...)`. */
enum status error_set(struct error *error, enum status code, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Puts the formatted words and ": " before the text already there; returns error->code, or
 * STATUS_UNKNOWN for NULL. */
enum status error_prefix(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Like error_set, with ": <strerror(number)>" appended. */
enum status error_set_errno(struct error *error, enum status code, int number, const char *format,
	...) PRINTF_LIKE(4, 5);

void error_reset(struct error *error);

/* The metric label, HTTP status and retry word of a code, from STATUS_TABLE. */
const char *status_label(enum status code);
int status_http(enum status code);
bool status_retry(enum status code);

#endif
