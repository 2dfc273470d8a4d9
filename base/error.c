/*
 * Status codes and error texts. One table (STATUS_TABLE) feeds the labels, the HTTP statuses and
 * the retry words. Texts are formatted into a buffer of the same size first, so that an argument
 * may point into the error's own text (`error_set(e, code, "%s", e->text)`).
 */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *label;
	int http;
	bool retry;
} statuses[STATUS_COUNT] = {
#define X(code, label, http, retry) [code] = {label, http, retry},
	STATUS_TABLE(X)
#undef X
};

/* A length of at most `length` at which text can be cut without splitting a UTF-8 sequence. Text
 * that is not UTF-8 is cut within three bytes of `length` all the same. */
static size_t boundary_before(const char *text, size_t length)
{
	size_t start = length, need;
	unsigned char lead;

	while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return length;
	lead = (unsigned char)text[start - 1];
	need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (need > length - (start - 1))
		return start - 1;
	return length;
}

/* Formats into text, cut on a boundary; returns the length. */
static size_t format_text(char text[ERROR_TEXT_MAX], const char *format, va_list arguments)
	PRINTF_LIKE(2, 0);

static size_t format_text(char text[ERROR_TEXT_MAX], const char *format, va_list arguments)
{
	int length = vsnprintf(text, ERROR_TEXT_MAX, format, arguments);

	if (length < 0) {
		/* Only an invalid wide character can bring us here. */
		length = snprintf(text, ERROR_TEXT_MAX, "%s", format);
	}
	if (length < ERROR_TEXT_MAX)
		return (size_t)length;
	size_t cut = boundary_before(text, ERROR_TEXT_MAX - 1);
	text[cut] = '\0';
	return cut;
}

/* Appends ": " and words to text, cut on a boundary. */
static void append_text(char text[ERROR_TEXT_MAX], size_t length, const char *words)
{
	size_t room = ERROR_TEXT_MAX - 1 - length;
	size_t size = strlen(words);

	if (room < 3)
		return;
	text[length] = ':';
	text[length + 1] = ' ';
	length += 2;
	room -= 2;
	if (size > room)
		size = boundary_before(words, room);
	memcpy(text + length, words, size);
	text[length + size] = '\0';
}

enum status error_set(struct error *error, enum status code, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list arguments;
	size_t length;

	if (error == NULL)
		return code;
	va_start(arguments, format);
	length = format_text(text, format, arguments);
	va_end(arguments);
	error->code = code;
	memcpy(error->text, text, length + 1);
	return code;
}

enum status error_prefix(struct error *error, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list arguments;
	size_t length;

	if (error == NULL)
		return STATUS_UNKNOWN;
	va_start(arguments, format);
	length = format_text(text, format, arguments);
	va_end(arguments);
	append_text(text, length, error->text);
	memcpy(error->text, text, strlen(text) + 1);
	return error->code;
}

enum status error_set_errno(struct error *error, enum status code, int number, const char *format,
	...)
{
	char text[ERROR_TEXT_MAX];
	char reason[128];
	va_list arguments;
	size_t length;

	if (error == NULL)
		return code;
	va_start(arguments, format);
	length = format_text(text, format, arguments);
	va_end(arguments);
	if (strerror_r(number, reason, sizeof(reason)) != 0)
		snprintf(reason, sizeof(reason), "error %d", number);
	append_text(text, length, reason);
	error->code = code;
	memcpy(error->text, text, strlen(text) + 1);
	return code;
}

void error_reset(struct error *error)
{
	if (error == NULL)
		return;
	error->code = STATUS_OK;
	error->text[0] = '\0';
}

const char *status_label(enum status code)
{
	if ((unsigned)code >= STATUS_COUNT)
		return "bug";
	return statuses[code].label;
}

int status_http(enum status code)
{
	if ((unsigned)code >= STATUS_COUNT)
		return 500;
	return statuses[code].http;
}

bool status_retry(enum status code)
{
	if ((unsigned)code >= STATUS_COUNT)
		return false;
	return statuses[code].retry;
}
