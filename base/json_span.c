/*
 * JSON read in place. scan_value() is the whole grammar as a loop with an explicit stack of one bit
 * a level (object or array); both the check of a whole text and each step of a walk use it.
 *
 * Where scan_value() stands:
 *   value expected   -> scalar                     -> after a value
 *                    -> { "name" :  or [           -> value expected
 *                    -> {} or []                   -> after a value
 *   after a value    -> ,  (and "name" :)          -> value expected
 *                    -> } or ]                     -> after a value, one level up
 *                    -> at level 0                 -> done
 */
#include "base/json_span.h"

#include <math.h>
#include <string.h>

#include "base/labels.h"
#include "base/mem.h"
#include "base/parse.h"

struct scan {
	const char *at, *end;
	const char *why;  /* set when the scan fails; at then is the place */
	uint64_t objects; /* bit n: the container at level n is an object */
	unsigned depth, depth_max;
};

const char *json_span_kind_words(enum json_span_kind kind)
{
	static const char *const words[] = {"null", "a boolean", "a number", "a string", "an array",
		"an object"};

	return words[kind];
}

static bool scan_fail(struct scan *scan, const char *why)
{
	scan->why = scan->at < scan->end ? why : "the text ends too early";
	return false;
}

static void scan_space(struct scan *scan)
{
	while (scan->at < scan->end &&
		(*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
		scan->at++;
}

static bool scan_char(struct scan *scan, char c)
{
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool scan_escape(struct scan *scan)
{
	if (scan->at == scan->end || !*scan->at || !strchr("\"\\/bfnrtu", *scan->at))
		return scan_fail(scan, "unknown escape in a string");
	if (*scan->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, scan->at++)
		if (scan->at == scan->end || hex_value(*scan->at) < 0)
			return scan_fail(scan, "\\u needs four hexadecimal digits");
	return true;
}

/* Bytes inside a string that end the fast way through it: the quote, the backslash, controls. */
static bool string_stops(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20;
}

static bool scan_string(struct scan *scan)
{
	const char *at, *end = scan->end;

	if (!scan_char(scan, '"'))
		return scan_fail(scan, "a string is expected");
	for (;;) {
		/* Most bytes of a message are seen here: a local pointer stays in a register. */
		for (at = scan->at; at < end && !string_stops((unsigned char)*at);)
			at++;
		scan->at = at;
		if (at == end)
			return scan_fail(scan, "");
		if (*at != '"' && *at != '\\')
			return scan_fail(scan, "a control character stands in a string");
		scan->at++;
		if (*at == '"')
			return true;
		if (!scan_escape(scan))
			return false;
	}
}

static bool scan_digits(struct scan *scan)
{
	const char *first = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > first || scan_fail(scan, "a digit is expected");
}

static bool scan_number(struct scan *scan)
{
	scan_char(scan, '-');
	if (!scan_char(scan, '0') && !scan_digits(scan))
		return false;
	if (scan_char(scan, '.') && !scan_digits(scan))
		return false;
	if (!scan_char(scan, 'e') && !scan_char(scan, 'E'))
		return true;
	if (!scan_char(scan, '+'))
		scan_char(scan, '-');
	return scan_digits(scan);
}

static bool scan_word(struct scan *scan, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
		return scan_fail(scan, "a value is expected");
	scan->at += size;
	return true;
}

static bool scan_scalar(struct scan *scan)
{
	if (scan->at == scan->end)
		return scan_fail(scan, "");
	switch (*scan->at) {
	case '"':
		return scan_string(scan);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	default:
		if (*scan->at == '-' || (*scan->at >= '0' && *scan->at <= '9'))
			return scan_number(scan);
		return scan_fail(scan, "a value is expected");
	}
}

static bool scan_name(struct scan *scan)
{
	scan_space(scan);
	if (!scan_string(scan))
		return false;
	scan_space(scan);
	return scan_char(scan, ':') || scan_fail(scan, "\":\" is expected");
}

static bool scan_in_object(const struct scan *scan)
{
	return scan->objects >> (scan->depth - 1) & 1;
}

/* After { or [: true when the container has a first child, to which the scan then points.
 * *failed tells the other two cases, empty and wrong, apart. */
static bool scan_open(struct scan *scan, bool object, bool *failed)
{
	*failed = scan->depth == scan->depth_max;
	if (*failed)
		return scan_fail(scan, "containers are nested too deep");
	scan->at++;
	scan->objects &= ~(UINT64_C(1) << scan->depth);
	scan->objects |= (uint64_t)object << scan->depth;
	scan->depth++;
	scan_space(scan);
	if (scan_char(scan, object ? '}' : ']')) {
		scan->depth--;
		return false;
	}
	if (!object)
		return true;
	*failed = !scan_name(scan);
	return !*failed;
}

/* After a value: closes containers until another value follows (true) or level 0 is reached. */
static bool scan_close(struct scan *scan, bool *failed)
{
	*failed = false;
	while (scan->depth) {
		bool object = scan_in_object(scan);

		scan_space(scan);
		if (scan_char(scan, ',')) {
			*failed = object && !scan_name(scan);
			return !*failed;
		}
		if (!scan_char(scan, object ? '}' : ']')) {
			*failed = true;
			return scan_fail(scan,
				object ? "\",\" or \"}\" is expected"
				       : "\",\" or \"]\" is expected");
		}
		scan->depth--;
	}
	return false;
}

/* One value, from its first byte to behind its last. */
static bool scan_value(struct scan *scan)
{
	bool failed = false;

	do {
		scan_space(scan);
		if (scan->at < scan->end && (*scan->at == '{' || *scan->at == '[')) {
			if (scan_open(scan, *scan->at == '{', &failed))
				continue;
			if (failed)
				return false;
		} else if (!scan_scalar(scan)) {
			return false;
		}
		if (!scan_close(scan, &failed))
			return !failed;
	} while (true);
}

static enum json_span_kind kind_of(char first)
{
	switch (first) {
	case '{':
		return SPAN_OBJECT;
	case '[':
		return SPAN_ARRAY;
	case '"':
		return SPAN_STRING;
	case 'n':
		return SPAN_NULL;
	case 't':
	case 'f':
		return SPAN_BOOL;
	default:
		return SPAN_NUMBER;
	}
}

static enum status report(const struct scan *scan, const char *text, struct error *error)
{
	size_t line = 1, column = 1;

	for (const char *at = text; at < scan->at; at++) {
		column = *at == '\n' ? 1 : column + 1;
		line += *at == '\n';
	}
	return error_set(error, STATUS_BAD_INPUT, "JSON, line %zu, column %zu: %s", line, column,
		scan->why);
}

enum status json_span_init(struct json_span *span, const char *text, size_t size,
	unsigned depth_max, struct error *error)
{
	struct scan scan = {.at = text, .end = text + size};

	scan.depth_max = depth_max < JSON_SPAN_DEPTH_MAX ? depth_max : JSON_SPAN_DEPTH_MAX;
	scan_space(&scan);
	span->text = scan.at;
	if (!scan_value(&scan))
		return report(&scan, text, error);
	span->size = (size_t)(scan.at - span->text);
	span->kind = kind_of(*span->text);
	scan_space(&scan);
	if (scan.at < scan.end) {
		scan.why = "something follows the value";
		return report(&scan, text, error);
	}
	return STATUS_OK;
}

void json_walk_init(struct json_walk *walk, const struct json_span *container)
{
	*walk = (struct json_walk){.first = true, .object = container->kind == SPAN_OBJECT};
	if (container->kind == SPAN_ARRAY || walk->object) {
		walk->at = container->text + 1;
		walk->end = container->text + container->size;
	}
}

bool json_walk_next(struct json_walk *walk, struct json_span *key, struct json_span *value)
{
	struct scan scan = {.at = walk->at, .end = walk->end, .depth_max = JSON_SPAN_DEPTH_MAX};

	scan_space(&scan);
	/* The text was checked, so what is no comma at this place is the closing bracket. */
	if (scan.at == scan.end || *scan.at == '}' || *scan.at == ']')
		return false;
	if (!walk->first)
		scan_char(&scan, ',');
	walk->first = false;
	scan_space(&scan);
	if (walk->object) {
		key->kind = SPAN_STRING;
		key->text = scan.at;
		if (!scan_string(&scan))
			return false;
		key->size = (size_t)(scan.at - key->text);
		scan_space(&scan);
		scan_char(&scan, ':');
		scan_space(&scan);
	}
	value->text = scan.at;
	if (!scan_value(&scan))
		return false;
	value->kind = kind_of(*value->text);
	value->size = (size_t)(scan.at - value->text);
	walk->at = scan.at;
	return true;
}

static uint32_t take_hex4(const char **at)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 4 | (uint32_t)hex_value(*(*at)++);
	return value;
}

static char *put_code_point(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xC0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3F));
	} else if (code < 0x10000) {
		*to++ = (char)(0xE0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3F));
		*to++ = (char)(0x80 | (code & 0x3F));
	} else {
		*to++ = (char)(0xF0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3F));
		*to++ = (char)(0x80 | (code >> 6 & 0x3F));
		*to++ = (char)(0x80 | (code & 0x3F));
	}
	return to;
}

/* *at behind the backslash of an escape. */
static enum status decode_escape(const char **at, char **to, struct error *error)
{
	static const char plain[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
	char letter = *(*at)++;
	uint32_t code, low;

	if (letter != 'u') {
		*(*to)++ = meaning[strchr(plain, letter) - plain];
		return STATUS_OK;
	}
	code = take_hex4(at);
	if (!code)
		return error_set(error, STATUS_BAD_INPUT, "a NUL stands in a string");
	if (code >= 0xD800 && code <= 0xDBFF && (*at)[0] == '\\' && (*at)[1] == 'u') {
		*at += 2;
		low = take_hex4(at);
		if (low < 0xDC00 || low > 0xDFFF)
			return error_set(error, STATUS_BAD_INPUT, "a surrogate stands alone");
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
	} else if (code >= 0xD800 && code <= 0xDFFF) {
		return error_set(error, STATUS_BAD_INPUT, "a surrogate stands alone");
	}
	*to = put_code_point(*to, code);
	return STATUS_OK;
}

enum status json_span_decode(const struct json_span *span, char *room, size_t *size,
	struct error *error)
{
	const char *at = span->text + 1, *end = span->text + span->size - 1;
	char *to = room;

	if (span->kind != SPAN_STRING)
		return error_set(error, STATUS_BAD_INPUT, "a string is expected, not %s",
			json_span_kind_words(span->kind));
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((escape ? escape : end) - at);

		memcpy(to, at, plain);
		to += plain;
		at += plain;
		if (!escape)
			break;
		at++;
		if (decode_escape(&at, &to, error))
			return STATUS_BAD_INPUT;
	}
	*to = '\0';
	if (size)
		*size = (size_t)(to - room);
	if (!utf8_valid(room, (size_t)(to - room)))
		return error_set(error, STATUS_BAD_INPUT, "a string is not UTF-8");
	return STATUS_OK;
}

enum status json_span_strdup(const struct json_span *span, char **text, struct error *error)
{
	enum status status;

	*text = NULL;
	if (span->kind == SPAN_NULL)
		return STATUS_OK;
	*text = mem_alloc(span->size);
	if (!*text)
		return error_set(error, STATUS_NO_MEMORY, "no memory for a string");
	status = json_span_decode(span, *text, NULL, error);
	if (status) {
		mem_free(*text);
		*text = NULL;
	}
	return status;
}

/* Apart from json_span_is(), which is asked for every key of every object: only the rare key with
 * escapes pays for the room. */
static bool escaped_is(const struct json_span *span, const char *text, size_t length)
{
	char decoded[256];
	size_t size;

	/* Longer than plain means escapes, of which each is at most six bytes for one. */
	if (span->size > sizeof(decoded) || span->size > 6 * length + 2)
		return false;
	return !json_span_decode(span, decoded, &size, NULL) && size == length &&
		!memcmp(decoded, text, length);
}

bool json_span_is(const struct json_span *span, const char *text)
{
	size_t length = strlen(text);

	if (span->kind != SPAN_STRING || span->size < length + 2)
		return false;
	if (span->size == length + 2 && !memchr(text, '\\', length))
		return !memcmp(span->text + 1, text, length);
	return memchr(span->text, '\\', span->size) && escaped_is(span, text, length);
}

enum status json_span_natural(const struct json_span *span, uint64_t *value, struct error *error)
{
	uint64_t sum = 0;

	if (span->kind != SPAN_NUMBER)
		return error_set(error, STATUS_BAD_INPUT, "a number is expected, not %s",
			json_span_kind_words(span->kind));
	for (size_t i = 0; i < span->size; i++) {
		unsigned digit = (unsigned)(span->text[i] - '0');

		if (digit > 9)
			return error_set(error, STATUS_BAD_INPUT,
				"a number from 0 on, without fraction");
		if (sum > (UINT64_MAX - digit) / 10)
			return error_set(error, STATUS_BAD_INPUT, "the number is too large");
		sum = sum * 10 + digit;
	}
	*value = sum;
	return STATUS_OK;
}

enum status json_span_double(const struct json_span *span, double *value, struct error *error)
{
	char text[64];

	*value = NAN;
	if (span->kind == SPAN_NULL)
		return STATUS_OK;
	if (span->kind != SPAN_NUMBER || span->size >= sizeof(text))
		return error_set(error, STATUS_BAD_INPUT, "a number is expected, not %s",
			span->kind == SPAN_NUMBER ? "one of this length"
						  : json_span_kind_words(span->kind));
	memcpy(text, span->text, span->size);
	text[span->size] = '\0';
	if (parse_double(text, value))
		return error_set(error, STATUS_BAD_INPUT, "\"%s\" is no number", text);
	return STATUS_OK;
}

enum status json_span_bool(const struct json_span *span, bool *value, struct error *error)
{
	if (span->kind != SPAN_BOOL)
		return error_set(error, STATUS_BAD_INPUT, "true or false is expected, not %s",
			json_span_kind_words(span->kind));
	*value = *span->text == 't';
	return STATUS_OK;
}
