/*
 * YAML files as a tree that remembers where each value stood, and the list of what is wrong with
 * them: bad input gets file, line, column and, for a misspelt key, the nearest known one.
 *
 * Ownership: the document owns its nodes; struct diagnostics owns its texts.
 * Limits: files up to 4 MiB, depth 32, 200,000 nodes; aliases and anchors are refused, a key that
 *   stands twice is refused; diagnostics keep the first 100.
 * Order: diagnostics are sorted by file, line, column when printed.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_BASE_YAML_H
#define NIMBUSGUARD_BASE_YAML_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct diagnostic {
	char *file, *text;
	int line, column; /* from 1; 0 when it concerns the whole file */
	bool warning;
};

struct diagnostics {
	struct diagnostic *list;
	size_t count, errors, warnings; /* errors and warnings count also what is no longer kept */
};

void diagnostics_init(struct diagnostics *diagnostics);
void diagnostics_fini(struct diagnostics *diagnostics);
void diagnostics_add(struct diagnostics *diagnostics, bool warning, const char *file, int line,
	int column, const char *format, ...) PRINTF_LIKE(6, 7);
void diagnostics_vadd(struct diagnostics *diagnostics, bool warning, const char *file, int line,
	int column, const char *format, va_list arguments) PRINTF_LIKE(6, 0);
/* True when no more texts are kept: costly wording can be saved. */
bool diagnostics_full(const struct diagnostics *diagnostics);
/* file:line:column: error: text, a line each; sorts the list. */
void diagnostics_write(struct diagnostics *diagnostics, struct buf *buf);

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool quoted; /* a quoted scalar is a string, never a number, boolean or null */
	int line, column;
	const char *key; /* in a map: the key of this child, with its own place below */
	int key_line, key_column;
	const char *text; /* scalar, NUL-terminated */
	size_t text_size;
	struct yaml_node **children; /* list elements or map values, in the file's order */
	size_t child_count;
};

struct yaml_document;

/* NULL on error, which is then in diagnostics. An empty file gives a root of kind YAML_NULL. */
struct yaml_document *yaml_open_file(const char *path, struct diagnostics *diagnostics) MUST_CHECK;
struct yaml_document *yaml_open_text(const char *name, const char *text, size_t size,
	struct diagnostics *diagnostics) MUST_CHECK;
void yaml_close(struct yaml_document *document);
const struct yaml_node *yaml_root(const struct yaml_document *document);
const char *yaml_file(const struct yaml_document *document);

/* The child of a map, or NULL (also when node is NULL or no map). */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);

/*
 * Typed readers. Each reports to the reader's diagnostics with the node's place and returns
 * whether a value was stored; an absent key stores nothing and reports only when `required`; a key
 * without a value (null) is reported. map may be NULL or no map: as if the key were absent.
 */
struct yaml_reader {
	const char *file;
	struct diagnostics *diagnostics;
};

void yaml_report(const struct yaml_reader *reader, const struct yaml_node *node, const char *format,
	...) PRINTF_LIKE(3, 4);
void yaml_warn(const struct yaml_reader *reader, const struct yaml_node *node, const char *format,
	...) PRINTF_LIKE(3, 4);
/* Reports each key that is not in known (NULL-terminated), with "did you mean". True when a map;
 * NULL is passed over in silence, any other kind is reported. */
bool yaml_check_keys(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *const *known);
/* *value points into the document. */
bool yaml_read_text(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, const char **value);
bool yaml_read_int(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, int64_t min, int64_t max, int64_t *value);
bool yaml_read_double(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, double min, double max, double *value);
/* Only true and false. */
bool yaml_read_bool(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, bool *value);
/* Prometheus durations: 1h30m, 5m, 15s, 500ms. */
bool yaml_read_duration(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, int64_t min_ms, int64_t max_ms, int64_t *value_ms);
/* Sizes: 64MiB, 512KiB, 1GiB, or plain bytes. */
bool yaml_read_size(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, uint64_t min, uint64_t max, uint64_t *value);
/* One of names (NULL-terminated); *value is its index. */
bool yaml_read_choice(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, const char *const *names, int *value);

#endif
