/*
 * The text of matchers: a PromQL instant selector, or one matcher as Alertmanager's routes and
 * silences write it. A cursor walks the text once; every error names the column, counted in
 * characters from 1. Text that fails leaves the matchers as they were.
 */
#include "base/matcher.h"

#include <string.h>

#include "base/mem.h"

#define SELECTOR_SIZE_MAX (256 * 1024)

struct cursor {
	const char *text, *at;
	struct error *error;
};

static int cursor_column(const struct cursor *cursor, const char *place)
{
	int column = 1;

	for (const char *c = cursor->text; c < place; c++)
		column += ((unsigned char)*c & 0xC0) != 0x80;
	return column;
}

static enum status fail_at(const struct cursor *cursor, const char *place, const char *text)
{
	return error_set(cursor->error, STATUS_BAD_INPUT, "column %d: %s",
		cursor_column(cursor, place), text);
}

static void skip_space(struct cursor *cursor)
{
	cursor->at += strspn(cursor->at, " \t\r\n");
}

static bool take(struct cursor *cursor, char c)
{
	if (*cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (metric_name_valid(text, length + 1))
		length++;
	return length;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* `digits` digits of base 8 or 16; -1 when one is missing. */
static int64_t read_digits(const char **at, int digits, int base)
{
	int64_t value = 0;

	for (int i = 0; i < digits; i++) {
		int digit = hex_digit(**at);

		if (digit < 0 || digit >= base)
			return -1;
		value = value * base + digit;
		(*at)++;
	}
	return value;
}

static void add_code_point(struct buf *buf, uint32_t point)
{
	static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
	unsigned rest = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;

	if (!rest) {
		buf_add_char(buf, (char)point);
		return;
	}
	buf_add_char(buf, (char)(leads[rest + 1] | point >> (6 * rest)));
	while (rest--)
		buf_add_char(buf, (char)(0x80 | (point >> (6 * rest) & 0x3F)));
}

/* \ooo and \xNN are bytes, \uNNNN and \UNNNNNNNN are characters. A NUL would end the value early,
 * surrogates and what is past U+10FFFF are no characters: false. */
static bool read_number_escape(const char **at, struct buf *value)
{
	char kind = **at;
	int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 3;
	int64_t point;

	if (digits != 3)
		(*at)++;
	point = read_digits(at, digits, kind == 'x' || digits > 3 ? 16 : 8);
	if (point <= 0)
		return false;
	if (digits <= 3) {
		if (point > 255)
			return false;
		buf_add_char(value, (char)point);
		return true;
	}
	if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
		return false;
	add_code_point(value, (uint32_t)point);
	return true;
}

/* The escapes of Go's string literals, which PromQL shares; *at stands behind the backslash. */
static bool read_escape(const char **at, struct buf *value)
{
	static const char names[] = "abfnrtv\\'\"", bytes[] = "\a\b\f\n\r\t\v\\'\"";
	const char *simple = **at ? strchr(names, **at) : NULL;

	if (!simple)
		return read_number_escape(at, value);
	buf_add_char(value, bytes[simple - names]);
	(*at)++;
	return true;
}

/* Alertmanager's classic rule: only \\ \" \n are escapes, so that patterns need no second backslash. */
static bool read_escape_classic(const char **at, struct buf *value)
{
	if (**at == 'n')
		buf_add_char(value, '\n');
	else if (**at == '"' || **at == '\\')
		buf_add_char(value, **at);
	else
		buf_add_char(value, '\\');
	if (**at == 'n' || **at == '"' || **at == '\\')
		(*at)++;
	return true;
}

typedef bool escape_fn(const char **at, struct buf *value);

/* A string with its quotes: "..." and '...' with escapes, `...` as it stands. */
static enum status read_string(struct cursor *cursor, escape_fn *escape, struct buf *value)
{
	const char *start = cursor->at, *at = start + 1;
	char quote = *start;

	for (;;) {
		const char *place = at;
		char c = *at;

		if (!c || (c == '\n' && quote != '`'))
			return fail_at(cursor, start, "the string is not closed");
		at++;
		if (c == quote)
			break;
		if (c != '\\' || quote == '`')
			buf_add_char(value, c);
		else if (!escape(&at, value))
			return fail_at(cursor, place, "unknown or bad escape in the string");
	}
	cursor->at = at;
	if (!buf_ok(value))
		return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for a string");
	return STATUS_OK;
}

static bool at_quote(const struct cursor *cursor)
{
	return *cursor->at && strchr("\"'`", *cursor->at);
}

static bool read_operator(struct cursor *cursor, enum matcher_type *type)
{
	const char *at = cursor->at;

	if (at[0] == '=' && at[1] == '~')
		*type = MATCHER_REGEX;
	else if (at[0] == '!' && at[1] == '~')
		*type = MATCHER_NOT_REGEX;
	else if (at[0] == '!' && at[1] == '=')
		*type = MATCHER_NOT_EQUAL;
	else if (at[0] == '=')
		*type = MATCHER_EQUAL;
	else
		return false;
	cursor->at += *type == MATCHER_EQUAL ? 1 : 2;
	return true;
}

static const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

static enum status add_at(struct cursor *cursor, struct matchers *matchers, const char *place,
	enum matcher_type type, const char *name, const char *value)
{
	enum status status = matchers_add(matchers, type, name, value, cursor->error);

	if (status == STATUS_BAD_INPUT || status == STATUS_LIMIT)
		error_prefix(cursor->error, "column %d", cursor_column(cursor, place));
	return status;
}

/* name op "value", or a quoted metric name alone (Prometheus 3). */
static enum status read_matcher(struct cursor *cursor, struct matchers *matchers, struct buf *name,
	struct buf *value)
{
	const char *place = cursor->at;
	bool quoted = at_quote(cursor);
	enum matcher_type type;
	enum status status;

	if (quoted) {
		status = read_string(cursor, read_escape, name);
		if (status)
			return status;
		if (!name->size)
			return fail_at(cursor, place, "a name is empty");
	} else {
		size_t length = name_length(place);

		if (!length)
			return fail_at(cursor, place, "a label name is wanted here");
		buf_add(name, place, length);
		cursor->at += length;
	}
	if (!buf_ok(name))
		return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for a name");
	skip_space(cursor);
	if (quoted && (*cursor->at == ',' || *cursor->at == '}'))
		return add_at(cursor, matchers, place, MATCHER_EQUAL, LABEL_METRIC_NAME,
			buf_text(name));
	if (!quoted && !label_name_valid(name->data, name->size))
		return fail_at(cursor, place, "a label name has no colon");
	if (!read_operator(cursor, &type))
		return fail_at(cursor, cursor->at, "one of = != =~ !~ is wanted here");
	skip_space(cursor);
	if (!at_quote(cursor))
		return fail_at(cursor, cursor->at, "a quoted value is wanted here");
	place = cursor->at;
	status = read_string(cursor, read_escape, value);
	if (status)
		return status;
	return add_at(cursor, matchers, place, type, buf_text(name), buf_text(value));
}

/* Behind the opening brace, up to and with the closing one. */
static enum status read_braces(struct cursor *cursor, struct matchers *matchers)
{
	struct buf name, value;
	enum status status = STATUS_OK;

	buf_init(&name, SELECTOR_SIZE_MAX);
	buf_init(&value, SELECTOR_SIZE_MAX);
	for (;;) {
		skip_space(cursor);
		if (take(cursor, '}'))
			break;
		buf_reset(&name);
		buf_reset(&value);
		status = read_matcher(cursor, matchers, &name, &value);
		if (status)
			break;
		skip_space(cursor);
		if (take(cursor, ',') || *cursor->at == '}')
			continue;
		status = fail_at(cursor, cursor->at,
			*cursor->at ? "a comma or } is wanted here" : "the closing } is missing");
		break;
	}
	buf_fini(&name);
	buf_fini(&value);
	return status;
}

/* As in Prometheus: a selector that also takes series without any of its labels takes all. */
static bool matches_something(struct matchers *matchers, size_t from)
{
	for (size_t i = from; i < matchers->count; i++)
		if (!matcher_test(matchers, &matchers->list[i], ""))
			return true;
	return false;
}

static enum status read_selector(struct cursor *cursor, struct matchers *matchers)
{
	size_t from = matchers->count, length;
	enum status status;

	skip_space(cursor);
	length = name_length(cursor->at);
	if (length) {
		char *metric = mem_strndup(cursor->at, length);

		if (!metric)
			return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for a name");
		status = add_at(cursor, matchers, cursor->at, MATCHER_EQUAL, LABEL_METRIC_NAME,
			metric);
		mem_free(metric);
		if (status)
			return status;
		cursor->at += length;
		skip_space(cursor);
	}
	if (!length && *cursor->at != '{')
		return fail_at(cursor, cursor->at, "a metric name or { is wanted here");
	if (take(cursor, '{')) {
		status = read_braces(cursor, matchers);
		if (status)
			return status;
		skip_space(cursor);
	}
	if (*cursor->at)
		return fail_at(cursor, cursor->at,
			"nothing may follow the selector (no ranges, offsets, functions)");
	if (!matches_something(matchers, from))
		return fail_at(cursor, cursor->text,
			"the selector needs a matcher that refuses the empty value");
	return STATUS_OK;
}

static enum status cursor_init(struct cursor *cursor, const char *text, struct error *error)
{
	*cursor = (struct cursor){.text = text, .at = text, .error = error};
	if (strlen(text) > SELECTOR_SIZE_MAX)
		return error_set(error, STATUS_LIMIT, "the selector is longer than %d bytes",
			SELECTOR_SIZE_MAX);
	return STATUS_OK;
}

enum status matchers_parse_selector(struct matchers *matchers, const char *text,
	struct error *error)
{
	size_t before = matchers->count;
	struct cursor cursor;
	enum status status = cursor_init(&cursor, text, error);

	if (!status)
		status = read_selector(&cursor, matchers);
	if (status)
		matchers_cut(matchers, before);
	return status;
}

/* An unquoted value ends at white space and may not hold what needs quotes. */
static enum status read_bare_value(struct cursor *cursor, struct buf *value)
{
	size_t length = strcspn(cursor->at, " \t\r\n");
	size_t plain = strcspn(cursor->at, "{}!=~,\\\"'`");

	if (plain < length)
		return fail_at(cursor, cursor->at + plain,
			"a value with this character needs double quotes");
	buf_add(value, cursor->at, length);
	cursor->at += length;
	return buf_ok(value) ? STATUS_OK
			     : error_set(cursor->error, STATUS_NO_MEMORY, "no memory for a value");
}

static enum status read_one(struct cursor *cursor, struct matchers *matchers, struct buf *name,
	struct buf *value)
{
	const char *place;
	enum matcher_type type;
	enum status status;
	size_t length;

	skip_space(cursor);
	length = name_length(cursor->at);
	if (*cursor->at == '"') {
		status = read_string(cursor, read_escape_classic, name);
		if (status)
			return status;
	} else if (length) {
		buf_add(name, cursor->at, length);
		cursor->at += length;
	} else {
		return fail_at(cursor, cursor->at, "a label name is wanted here");
	}
	skip_space(cursor);
	if (!read_operator(cursor, &type))
		return fail_at(cursor, cursor->at, "one of = != =~ !~ is wanted here");
	skip_space(cursor);
	place = cursor->at;
	status = *place == '"' ? read_string(cursor, read_escape_classic, value)
			       : read_bare_value(cursor, value);
	if (status)
		return status;
	skip_space(cursor);
	if (*cursor->at)
		return fail_at(cursor, cursor->at, "nothing may follow the value");
	if (!buf_ok(name))
		return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for a name");
	return add_at(cursor, matchers, place, type, buf_text(name), buf_text(value));
}

enum status matchers_parse_one(struct matchers *matchers, const char *text, struct error *error)
{
	struct cursor cursor;
	struct buf name, value;
	enum status status = cursor_init(&cursor, text, error);

	if (status)
		return status;
	buf_init(&name, SELECTOR_SIZE_MAX);
	buf_init(&value, SELECTOR_SIZE_MAX);
	status = read_one(&cursor, matchers, &name, &value);
	buf_fini(&name);
	buf_fini(&value);
	return status;
}
