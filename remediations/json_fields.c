/*
 * Tables of fields, written and read. An enum is written by its name, so that journals survive a
 * reordering of the enum.
 */
#include "remediations/json_fields.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/custom_kind.h"
#include "base/mem.h"
#include "base/parse.h"

static void write_time(struct buf *json, int64_t ms)
{
	char text[32];

	format_rfc3339(ms, text, sizeof(text));
	if (ms)
		buf_add_json_string(json, text, strlen(text));
	else
		buf_add_text(json, "null");
}

/* Whole numbers are most of what is written, and printf is slow at them. */
static void add_number(struct buf *json, bool negative, uint64_t magnitude)
{
	char digits[24], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + magnitude % 10);
		magnitude /= 10;
	} while (magnitude);
	if (negative)
		*--at = '-';
	buf_add(json, at, (size_t)(digits + sizeof(digits) - at));
}

static void add_signed(struct buf *json, int64_t number)
{
	add_number(json, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

static void field_write(struct buf *json, const struct field *field, const void *at)
{
	const char *text;
	int64_t wide;
	int32_t narrow;
	unsigned natural;
	uint64_t hash;
	double real;
	bool flag;
	int word;

	switch (field->type) {
	case FIELD_TEXT:
		if (*(const char *)at)
			buf_add_json_string(json, at, strnlen(at, field->size));
		else
			buf_add_text(json, "null");
		return;
	case FIELD_TIME:
		memcpy(&wide, at, sizeof(wide));
		write_time(json, wide);
		return;
	case FIELD_I64:
	case FIELD_AMOUNT:
		memcpy(&wide, at, sizeof(wide));
		if (wide || field->type == FIELD_I64)
			add_signed(json, wide);
		else
			buf_add_text(json, "null");
		return;
	case FIELD_I32:
		memcpy(&narrow, at, sizeof(narrow));
		add_signed(json, narrow);
		return;
	case FIELD_UNSIGNED:
		memcpy(&natural, at, sizeof(natural));
		add_number(json, false, natural);
		return;
	case FIELD_HASH:
		memcpy(&hash, at, sizeof(hash));
		buf_printf(json, hash ? "\"%016" PRIx64 "\"" : "null", hash);
		return;
	case FIELD_DOUBLE:
		memcpy(&real, at, sizeof(real));
		buf_printf(json, isfinite(real) ? "%.17g" : "null", real);
		return;
	case FIELD_BOOL:
		memcpy(&flag, at, sizeof(flag));
		buf_add_text(json, flag ? "true" : "false");
		return;
	case FIELD_WORD:
		memcpy(&word, at, sizeof(word));
		text = field->word(word);
		CHECK(text != NULL);
		buf_add_json_string(json, text, strlen(text));
		return;
	case FIELD_KIND:
		memcpy(&word, at, sizeof(word));
		text = custom_kind_get((enum target_kind)word) != NULL
			? custom_kind_get((enum target_kind)word)->words
			: target_kind_name((enum target_kind)word);
		buf_add_json_string(json, text, strlen(text));
		return;
	}
}

void fields_write(struct buf *json, const struct field *fields, size_t count, const void *from)
{
	for (size_t i = 0; i < count; i++) {
		buf_add_text(json, i ? ",\"" : "\"");
		buf_add_text(json, fields[i].name);
		buf_add_text(json, "\":");
		field_write(json, &fields[i], (const char *)from + fields[i].offset);
	}
}

static enum status read_text(const struct json_span *value, const struct field *field, char *at,
	struct error *error)
{
	char *text = NULL;
	enum status status;
	size_t size;

	/* Decoded text is never longer than it was, so nearly all fits without a copy between. */
	if (value->kind == SPAN_STRING && value->size - 1 <= field->size)
		return json_span_decode(value, at, NULL, error);
	status = json_span_strdup(value, &text, error);
	if (status)
		return status;
	size = text ? strlen(text) : 0;
	if (size >= field->size)
		status = error_set(error, STATUS_BAD_INPUT, "%zu bytes, at most %zu fit", size,
			field->size - 1);
	else
		memcpy(at, text ? text : "", size + 1);
	mem_free(text);
	return status;
}

static enum status read_number(const struct json_span *value, const struct field *field, void *at,
	struct error *error)
{
	bool wide = field->type == FIELD_I64 || field->type == FIELD_AMOUNT ||
		field->type == FIELD_TIME;
	uint64_t natural,
		most = wide                ? INT64_MAX
		: field->type == FIELD_I32 ? INT32_MAX
					   : UINT32_MAX;
	struct json_span digits = *value;
	/* Alertmanager's zero time lies before 1970. */
	bool negative = value->kind == SPAN_NUMBER && *value->text == '-';
	enum status status;

	digits.text += negative;
	digits.size -= negative;
	status = json_span_natural(&digits, &natural, error);
	if (status)
		return status;
	if (natural > most || (negative && !wide))
		return error_set(error, STATUS_BAD_INPUT, "%" PRIu64 " is out of range", natural);
	if (wide)
		memcpy(at, &(int64_t){negative ? -(int64_t)natural : (int64_t)natural},
			sizeof(int64_t));
	else
		memcpy(at, &(uint32_t){(uint32_t)natural}, sizeof(uint32_t));
	return STATUS_OK;
}

static enum status read_instant(const struct json_span *value, const struct field *field, void *at,
	struct error *error)
{
	const struct field room = {.size = 40};
	char text[40] = "";
	int64_t ms = 0;
	enum status status;

	if (value->kind == SPAN_NUMBER)
		return read_number(value, field, at, error);
	status = read_text(value, &room, text, error);
	if (!status && *text && parse_rfc3339(text, &ms))
		status = error_set(error, STATUS_BAD_INPUT, "\"%s\" is no time", text);
	if (!status)
		memcpy(at, &ms, sizeof(ms));
	return status;
}

static enum status read_amount(const struct json_span *value, const struct field *field, void *at,
	struct error *error)
{
	if (value->kind != SPAN_NULL)
		return read_number(value, field, at, error);
	memset(at, 0, sizeof(int64_t));
	return STATUS_OK;
}

static enum status read_hash(const struct json_span *value, void *at, struct error *error)
{
	struct field field = {.size = 17};
	char digits[17] = "";
	uint64_t hash = 0;
	enum status status = read_text(value, &field, digits, error);

	if (status)
		return status;
	for (const char *c = digits; *c; c++) {
		int digit = *c >= '0' && *c <= '9' ? *c - '0'
			: *c >= 'a' && *c <= 'f'   ? *c - 'a' + 10
						   : -1;

		if (digit < 0)
			return error_set(error, STATUS_BAD_INPUT, "no hexadecimal number");
		hash = hash << 4 | (unsigned)digit;
	}
	memcpy(at, &hash, sizeof(hash));
	return STATUS_OK;
}

static enum status read_word(const struct json_span *value, const struct field *field, void *at,
	struct error *error)
{
	const char *text;

	for (int i = 0; (text = field->word(i)) != NULL; i++) {
		if (json_span_is(value, text)) {
			memcpy(at, &i, sizeof(i));
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_BAD_INPUT, "an unknown word");
}

/* A custom resource that no playbook names any more is known again by its words; where its word is
 * another kind's by now nothing can be done to it, which is what TARGET_NONE says. */
static enum status read_kind(const struct json_span *value, void *at, struct error *error)
{
	char words[sizeof(((struct custom_kind *)0)->words)] = "";
	const struct field field = {.size = sizeof(words)};
	enum status status = read_text(value, &field, words, error);
	enum target_kind kind = target_kind_parse(words);

	if (status == STATUS_OK && strchr(words, ' ') != NULL)
		status = custom_kind_define(words, NULL, &kind, error);
	else if (status == STATUS_OK && kind == TARGET_NONE &&
		strcmp(words, target_kind_name(TARGET_NONE)) != 0)
		status = error_set(error, STATUS_BAD_INPUT, "an unknown word");
	if (status == STATUS_CONFLICT || status == STATUS_LIMIT) {
		kind = TARGET_NONE;
		status = STATUS_OK;
	}
	if (status == STATUS_OK)
		memcpy(at, &kind, sizeof(kind));
	return status;
}

static enum status read_double(const struct json_span *value, void *at, struct error *error)
{
	double real = NAN;
	enum status status =
		value->kind == SPAN_NULL ? STATUS_OK : json_span_double(value, &real, error);

	if (!status)
		memcpy(at, &real, sizeof(real));
	return status;
}

static enum status field_read(const struct json_span *value, const struct field *field, void *at,
	struct error *error)
{
	switch (field->type) {
	case FIELD_TEXT:
		return read_text(value, field, at, error);
	case FIELD_TIME:
		return read_instant(value, field, at, error);
	case FIELD_AMOUNT:
		return read_amount(value, field, at, error);
	case FIELD_HASH:
		return read_hash(value, at, error);
	case FIELD_DOUBLE:
		return read_double(value, at, error);
	case FIELD_BOOL:
		return json_span_bool(value, at, error);
	case FIELD_WORD:
		return read_word(value, field, at, error);
	case FIELD_KIND:
		return read_kind(value, at, error);
	default:
		return read_number(value, field, at, error);
	}
}

/* Whether the key is the field's name, or for a time x_at its older name x_ms. */
static bool names_field(const struct json_span *key, const struct field *field)
{
	size_t size = strlen(field->name);
	char older[64];

	if (json_span_is(key, field->name))
		return true;
	if (field->type != FIELD_TIME || size < 3 || size >= sizeof(older) ||
		strcmp(field->name + size - 3, "_at") != 0)
		return false;
	memcpy(older, field->name, size - 2);
	memcpy(older + size - 2, "ms", 3);
	return json_span_is(key, older);
}

enum status fields_read(const struct json_span *object, const struct field *fields, size_t count,
	void *to, struct error *error)
{
	struct json_span key, value;
	struct json_walk walk;
	size_t next = 0; /* fields come in the order in which they were written */

	if (object->kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "an object is expected, not %s",
			json_span_kind_words(object->kind));
	json_walk_init(&walk, object);
	while (json_walk_next(&walk, &key, &value)) {
		size_t tried = 0;

		while (tried < count && !names_field(&key, &fields[next])) {
			next = (next + 1) % count;
			tried++;
		}
		if (tried == count)
			continue;
		if (field_read(&value, &fields[next], (char *)to + fields[next].offset, error))
			return error_prefix(error, "%s", fields[next].name);
		next = (next + 1) % count;
	}
	return STATUS_OK;
}

bool fields_find(const struct json_span *object, const char *name, struct json_span *value)
{
	struct json_span key;
	struct json_walk walk;

	if (object->kind != SPAN_OBJECT)
		return false;
	json_walk_init(&walk, object);
	while (json_walk_next(&walk, &key, value))
		if (json_span_is(&key, name))
			return true;
	return false;
}
