/*
 * Structs to JSON objects and back by one table of fields, so that what is written is what is read.
 *
 * Limits: texts longer than their field are refused when read.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_JSON_FIELDS_H
#define NIMBUSGUARD_REMEDIATIONS_JSON_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_span.h"

enum field_type {
	FIELD_TEXT, /* char[size]; null for "" */
	FIELD_TIME, /* int64_t of milliseconds as RFC 3339; null for 0, which is "not yet" */
	FIELD_I64,
	FIELD_AMOUNT, /* int64_t, never zero: null for 0, which is "not known" */
	FIELD_I32,    /* not negative */
	FIELD_UNSIGNED,
	FIELD_HASH, /* uint64_t as 16 hex digits, null for 0 */
	FIELD_BOOL,
	FIELD_DOUBLE, /* double; null for what is not finite, read back as NaN */
	FIELD_WORD,   /* an enum (int) by its name */
	FIELD_KIND    /* an enum target_kind by its name, a custom resource by its words */
};

/* Names of an enum: NULL behind the last. */
typedef const char *field_word_fn(int value);

struct field {
	const char *name;
	enum field_type type;
	size_t offset, size;
	field_word_fn *word;
};

#define FIELD(type, of, member)                                                                    \
	{                                                                                          \
#member, type, offsetof(of, member), sizeof(((of *)0)->member), NULL               \
	}
#define FIELD_NAMED(name, type, of, member)                                                        \
	{                                                                                          \
		name, type, offsetof(of, member), sizeof(((of *)0)->member), NULL                  \
	}
#define FIELD_ENUM(name, of, member, word)                                                         \
	{                                                                                          \
		name, FIELD_WORD, offsetof(of, member), sizeof(((of *)0)->member), word            \
	}

/* "name":value,... without braces. */
void fields_write(struct buf *json, const struct field *fields, size_t count, const void *from);
/* Fills what the object has; fields that it lacks keep their value, unknown keys are left alone. A
 * time x_at may also stand as x_ms, milliseconds as a number, in which older journals have it. */
enum status fields_read(const struct json_span *object, const struct field *fields, size_t count,
	void *to, struct error *error) MUST_CHECK;
/* The value of a key; false when absent. */
bool fields_find(const struct json_span *object, const char *name, struct json_span *value);

#endif
