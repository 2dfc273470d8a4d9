/*
 * Changes in words, in JSON and as numbers to be compared. One table of fields feeds them all.
 */
#include "remediations/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/parse.h"
#include "remediations/quantity.h"

static const struct {
	const char *name, *words;
	enum change_unit unit;
	bool replicas;
} fields[CHANGE_FIELD_COUNT] = {
#define X(field, name, unit, replicas, words) [field] = {name, words, unit, replicas},
	CHANGE_FIELD_TABLE(X)
#undef X
};

static const char *const unit_names[CHANGE_UNIT_COUNT] = {
#define X(unit, name) [unit] = name,
	CHANGE_UNIT_TABLE(X)
#undef X
};

const char *change_field_name(enum change_field field)
{
	CHECK((unsigned)field < CHANGE_FIELD_COUNT);
	return fields[field].name;
}

bool change_field_parse(const struct json_span *text, enum change_field *field)
{
	for (unsigned i = 0; i < CHANGE_FIELD_COUNT; i++) {
		if (json_span_is(text, fields[i].name)) {
			*field = (enum change_field)i;
			return true;
		}
	}
	return false;
}

enum change_unit change_field_unit(enum change_field field)
{
	CHECK((unsigned)field < CHANGE_FIELD_COUNT);
	return fields[field].unit;
}

bool change_field_replicas(enum change_field field)
{
	CHECK((unsigned)field < CHANGE_FIELD_COUNT);
	return fields[field].replicas;
}

const char *change_field_words(enum change_field field)
{
	CHECK((unsigned)field < CHANGE_FIELD_COUNT);
	return fields[field].words;
}

static bool has_size(enum change_field field)
{
	return fields[field].unit != UNIT_FLAG && fields[field].unit != UNIT_NUMBER;
}

/* ---- values ---- */

void changes_set(struct changes *changes, enum change_field field, int64_t before, int64_t after)
{
	unsigned at = 0;

	CHECK((unsigned)field < CHANGE_FIELD_COUNT);
	while (at < changes->count && changes->list[at].field != field)
		at++;
	CHECK(at < CHANGES_MAX);
	if (at == changes->count)
		changes->count++;
	changes->list[at] = (struct change){field, before, after};
}

const struct change *changes_find(const struct changes *changes, enum change_field field)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (changes->list[i].field == field)
			return &changes->list[i];
	return NULL;
}

int64_t changes_after(const struct changes *changes, enum change_field field, int64_t otherwise)
{
	const struct change *change = changes_find(changes, field);

	return change ? change->after : otherwise;
}

bool changes_any(const struct changes *changes)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (changes->list[i].before != changes->list[i].after)
			return true;
	return false;
}

bool changes_shrink(const struct changes *changes)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (has_size(changes->list[i].field) &&
			changes->list[i].after < changes->list[i].before)
			return true;
	return false;
}

const struct change *changes_measured(const struct changes *changes)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (has_size(changes->list[i].field))
			return &changes->list[i];
	return NULL;
}

struct changes changes_inverse(const struct changes *changes)
{
	struct changes inverse = *changes;

	for (unsigned i = 0; i < inverse.count; i++) {
		inverse.list[i].before = changes->list[i].after;
		inverse.list[i].after = changes->list[i].before;
	}
	return inverse;
}

static uint64_t hash_number(uint64_t hash, int64_t number)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
		hash = (hash ^ (((uint64_t)number >> shift) & 0xff)) * UINT64_C(1099511628211);
	return hash;
}

uint64_t changes_hash(const struct changes *changes, uint64_t hash)
{
	for (unsigned i = 0; i < changes->count; i++) {
		hash = hash_number(hash, changes->list[i].field);
		hash = hash_number(hash, changes->list[i].before);
		hash = hash_number(hash, changes->list[i].after);
	}
	return hash;
}

/* ---- words ---- */

void change_value_write(enum change_unit unit, int64_t value, char *text, size_t size)
{
	if (unit == UNIT_BYTES)
		quantity_write_bytes(value, text, size);
	else if (unit == UNIT_MILLICORES)
		quantity_write_milli(value, text, size);
	else if (unit == UNIT_FLAG)
		snprintf(text, size, "%s", value ? "true" : "false");
	else
		snprintf(text, size, "%" PRId64, value);
}

static void write_value(enum change_unit unit, int64_t value, char *text, size_t size)
{
	if (unit == UNIT_BYTES)
		format_size(value > 0 ? (uint64_t)value : 0, text, size);
	else if (unit == UNIT_MILLICORES)
		snprintf(text, size, "%" PRId64 "m", value);
	else
		change_value_write(unit, value, text, size);
}

void changes_write(const struct changes *changes, char *text, size_t size)
{
	size_t used = 0;

	CHECK(size > 0);
	*text = '\0';
	for (unsigned i = 0; i < changes->count && used < size; i++) {
		const struct change *change = &changes->list[i];
		char before[32], after[32];
		int length;

		write_value(fields[change->field].unit, change->before, before, sizeof(before));
		write_value(fields[change->field].unit, change->after, after, sizeof(after));
		length = snprintf(text + used, size - used, "%s%s %s -> %s", i ? ", " : "",
			fields[change->field].words, before, after);
		used += length > 0 ? (size_t)length : 0;
	}
}

/* ---- JSON ---- */

void changes_write_json(struct buf *json, const struct changes *changes)
{
	buf_add_char(json, '[');
	for (unsigned i = 0; i < changes->count; i++) {
		const struct change *change = &changes->list[i];

		buf_printf(json,
			"%s{\"field\":\"%s\",\"unit\":\"%s\",\"before\":%" PRId64
			",\"after\":%" PRId64 "}",
			i ? "," : "", fields[change->field].name,
			unit_names[fields[change->field].unit], change->before, change->after);
	}
	buf_add_char(json, ']');
}

static enum status read_change(const struct json_span *object, struct change *change,
	struct error *error)
{
	struct json_span key, value;
	struct json_walk walk;
	bool known = false;

	*change = (struct change){.before = 0};
	if (object->kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "an object is expected, not %s",
			json_span_kind_words(object->kind));
	json_walk_init(&walk, object);
	while (json_walk_next(&walk, &key, &value)) {
		bool before = json_span_is(&key, "before");
		uint64_t number;

		if (json_span_is(&key, "field"))
			known = change_field_parse(&value, &change->field);
		if (!before && !json_span_is(&key, "after"))
			continue;
		if (json_span_natural(&value, &number, error))
			return error_prefix(error, "%s", before ? "before" : "after");
		if (number > INT64_MAX)
			return error_set(error, STATUS_BAD_INPUT, "%" PRIu64 " is out of range",
				number);
		*(before ? &change->before : &change->after) = (int64_t)number;
	}
	return known ? STATUS_OK : error_set(error, STATUS_BAD_INPUT, "field: an unknown word");
}

enum status changes_read_json(const struct json_span *list, struct changes *changes,
	struct error *error)
{
	struct json_span value;
	struct json_walk walk;
	struct change change;

	*changes = (struct changes){.count = 0};
	if (list->kind != SPAN_ARRAY)
		return error_set(error, STATUS_BAD_INPUT, "a list is expected, not %s",
			json_span_kind_words(list->kind));
	json_walk_init(&walk, list);
	while (json_walk_next(&walk, NULL, &value)) {
		if (changes->count == CHANGES_MAX)
			return error_set(error, STATUS_BAD_INPUT, "more than %d changes",
				CHANGES_MAX);
		if (read_change(&value, &change, error))
			return error_prefix(error, "changes");
		if (changes_find(changes, change.field))
			return error_set(error, STATUS_BAD_INPUT, "a field stands twice");
		changes->list[changes->count++] = change;
	}
	return STATUS_OK;
}

enum status changes_read_older(const struct json_span *plan, struct changes *changes,
	struct error *error)
{
	static const struct {
		const char *before, *after;
		enum change_field field;
	} older[] = {
		{"replicas_before", "replicas_after", CHANGE_REPLICAS},
		{"memory_bytes_before", "memory_bytes_after", CHANGE_MEMORY_LIMIT},
		{"cpu_milli_before", "cpu_milli_after", CHANGE_CPU_LIMIT},
	};
	struct json_span key, value;
	struct json_walk walk;

	*changes = (struct changes){.count = 0};
	for (size_t i = 0; i < ARRAY_COUNT(older); i++) {
		uint64_t before = 0, after = 0;
		bool there = false;

		json_walk_init(&walk, plan);
		while (json_walk_next(&walk, &key, &value)) {
			bool first = json_span_is(&key, older[i].before);

			if ((!first && !json_span_is(&key, older[i].after)) ||
				value.kind == SPAN_NULL)
				continue;
			if (json_span_natural(&value, first ? &before : &after, error))
				return error_prefix(error, "%s",
					first ? older[i].before : older[i].after);
			there = true;
		}
		if (there && before <= INT64_MAX && after <= INT64_MAX)
			changes_set(changes, older[i].field, (int64_t)before, (int64_t)after);
	}
	return STATUS_OK;
}
