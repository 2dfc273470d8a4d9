/*
 * JSON (RFC 8259) read in place: a text is checked once as a whole, then walked value by value
 * without building a tree, so that hostile input costs no more memory than what is taken from it.
 *
 * Usage: json_span_init(&root, text, size, depth_max, &error); then json_walk_init(&walk, &root) and
 *   while (json_walk_next(&walk, &key, &value)) ...
 * Ownership: spans and walks only point into the text, which must outlive them.
 * Limits: depth at most JSON_SPAN_DEPTH_MAX; no recursion. UTF-8, surrogates and NUL bytes are
 *   checked where a string is decoded, so that one bad string spoils only what needs it.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_BASE_JSON_SPAN_H
#define NIMBUSGUARD_BASE_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define JSON_SPAN_DEPTH_MAX 64

enum json_span_kind { SPAN_NULL, SPAN_BOOL, SPAN_NUMBER, SPAN_STRING, SPAN_ARRAY, SPAN_OBJECT };

struct json_span {
	enum json_span_kind kind;
	const char *text; /* first byte of the value; a string's is its quote */
	size_t size;
};

/* "null", "a boolean", "a number" ... for messages. */
const char *json_span_kind_words(enum json_span_kind kind);

/* Checks that text is exactly one JSON value, containers nested at most depth_max deep.
 * STATUS_BAD_INPUT names line and column. */
enum status json_span_init(struct json_span *span, const char *text, size_t size,
	unsigned depth_max, struct error *error) MUST_CHECK;

/* The direct children of a checked container, in order. */
struct json_walk {
	const char *at, *end;
	bool object, first;
};

/* Anything but an array or an object has no children. */
void json_walk_init(struct json_walk *walk, const struct json_span *container);
/* False at the end. key is written for objects only (it may be NULL for arrays). */
bool json_walk_next(struct json_walk *walk, struct json_span *key, struct json_span *value);

/* A string without its quotes and escapes, NUL-terminated, into room of at least span->size - 1 bytes;
 * *size (may be NULL) without the NUL. STATUS_BAD_INPUT: not a string, not UTF-8, a lone surrogate,
 * or a NUL inside. */
enum status json_span_decode(const struct json_span *span, char *room, size_t *size,
	struct error *error) MUST_CHECK;
/* The same on the heap (mem_free); NULL with STATUS_OK for null. */
enum status json_span_strdup(const struct json_span *span, char **text,
	struct error *error) MUST_CHECK;
/* Whether it is a string that, decoded, equals text. */
bool json_span_is(const struct json_span *span, const char *text);
/* A number without sign, fraction and exponent, within 64 bits. */
enum status json_span_natural(const struct json_span *span, uint64_t *value,
	struct error *error) MUST_CHECK;
/* Any number; null is NaN, as buf_add_json_number() writes it. */
enum status json_span_double(const struct json_span *span, double *value,
	struct error *error) MUST_CHECK;
/* true or false. */
enum status json_span_bool(const struct json_span *span, bool *value,
	struct error *error) MUST_CHECK;

#endif
