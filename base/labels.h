/*
 * Label sets as Prometheus knows them: name-value pairs of UTF-8 bytes, sorted by name in byte
 * order, no name twice, no empty value.
 *
 * Ownership: struct label only points; struct labels owns one block that holds pairs and bytes.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_BASE_LABELS_H
#define NIMBUSGUARD_BASE_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define LABEL_METRIC_NAME "__name__"

/* Not NUL-terminated in general: decoders point into request bodies. */
struct label {
	const char *name, *value;
	uint32_t name_size, value_size;
};

/* A pair of these texts, which stay the caller's and must outlive it; both NUL-terminated. */
struct label label_of(const char *name, const char *value);

/* An owned set; names and values inside are NUL-terminated. */
struct labels {
	struct label *pairs; /* sorted by name; NULL when count is 0 */
	uint32_t count;
};

/* Copies, sorts, drops empty values. STATUS_BAD_INPUT on a repeated or empty name. */
enum status labels_init(struct labels *labels, const struct label *pairs, size_t count,
	struct error *error) MUST_CHECK;
void labels_fini(struct labels *labels);
enum status labels_clone(struct labels *copy, const struct labels *labels) MUST_CHECK;

/* NULL when absent; name is NUL-terminated. A value may hold a NUL byte of its own: where that
 * matters, labels_find() gives the size. */
const struct label *labels_find(const struct labels *labels, const char *name);
const char *labels_get(const struct labels *labels, const char *name);
/* Byte-wise order over (name, value) pairs, as Prometheus sorts. */
int labels_compare(const struct labels *a, const struct labels *b);
bool labels_equal(const struct labels *a, const struct labels *b);
/* Alertmanager's fingerprint: FNV-1a 64 over name 0xFF value 0xFF (specification: prometheus/common model). */
uint64_t labels_fingerprint(const struct labels *labels);
/* "text" with Prometheus' escapes: \\ \" \n \t, and \xNN for other control characters and for bytes
 * that are not UTF-8. */
void label_write_quoted(struct buf *buf, const char *text, size_t size);
/* name{a="b",c="d"} with Prometheus' escapes; names that the classic rules refuse are quoted. */
void labels_write(struct buf *buf, const struct labels *labels);
void labels_write_json(struct buf *buf, const struct labels *labels);

/* Rules of the data model: metric [a-zA-Z_:][a-zA-Z0-9_:]*, label [a-zA-Z_][a-zA-Z0-9_]*. */
bool label_name_valid(const char *name, size_t size);
bool metric_name_valid(const char *name, size_t size);
bool utf8_valid(const char *text, size_t size);

#endif
