/*
 * What an action changes, as a short list of fields with their values before and after: the form in
 * which plans, commands, the journal, undo and budgets know every action alike.
 *
 * Ownership: plain values.
 * Limits: CHANGES_MAX changes an action, one a field.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_CHANGE_H
#define NIMBUSGUARD_REMEDIATIONS_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json_span.h"

/* X(unit, name) */
#define CHANGE_UNIT_TABLE(X)                                                                       \
	X(UNIT_COUNT, "count")                                                                     \
	X(UNIT_BYTES, "bytes")                                                                     \
	X(UNIT_MILLICORES, "millicores")                                                           \
	X(UNIT_FLAG, "flag")     /* 0 or 1 */                                                      \
	X(UNIT_NUMBER, "number") /* a name, not a size: nothing is measured by it */

enum change_unit {
#define X(unit, name) unit,
	CHANGE_UNIT_TABLE(X)
#undef X
		CHANGE_UNIT_COUNT
};

/* X(field, name in JSON, unit, is a number of replicas, words for people) */
#define CHANGE_FIELD_TABLE(X)                                                                      \
	X(CHANGE_REPLICAS, "replicas", UNIT_COUNT, true, "replicas")                               \
	X(CHANGE_MEMORY_LIMIT, "memory_limit", UNIT_BYTES, false, "memory limit")                  \
	X(CHANGE_CPU_LIMIT, "cpu_limit", UNIT_MILLICORES, false, "cpu limit")                      \
	X(CHANGE_MEMORY_REQUEST, "memory_request", UNIT_BYTES, false, "memory request")            \
	X(CHANGE_CPU_REQUEST, "cpu_request", UNIT_MILLICORES, false, "cpu request")                \
	X(CHANGE_REPLICAS_MIN, "replicas_min", UNIT_COUNT, true, "least replicas")                 \
	X(CHANGE_REPLICAS_MAX, "replicas_max", UNIT_COUNT, true, "most replicas")                  \
	X(CHANGE_REVISION, "revision", UNIT_NUMBER, false, "revision")                             \
	X(CHANGE_PAUSED, "paused", UNIT_FLAG, false, "rollout paused")                             \
	X(CHANGE_UNSCHEDULABLE, "unschedulable", UNIT_FLAG, false, "unschedulable")                \
	X(CHANGE_SILENCED, "silenced", UNIT_FLAG, false, "silenced")

enum change_field {
#define X(field, name, unit, replicas, words) field,
	CHANGE_FIELD_TABLE(X)
#undef X
		CHANGE_FIELD_COUNT
};

const char *change_field_name(enum change_field field);
bool change_field_parse(const struct json_span *text, enum change_field *field);
enum change_unit change_field_unit(enum change_field field);
/* Whether it is a number of replicas, which the guard bounds. */
bool change_field_replicas(enum change_field field);
/* "memory limit" */
const char *change_field_words(enum change_field field);

struct change {
	enum change_field field;
	int64_t before, after; /* pieces, bytes, millicores, 0 or 1: as the field's unit says */
};

#define CHANGES_MAX 6

struct changes {
	struct change list[CHANGES_MAX];
	unsigned count;
};

/* Adds a change, or sets the values of the one of that field. */
void changes_set(struct changes *changes, enum change_field field, int64_t before, int64_t after);
/* NULL when the field is not touched. */
const struct change *changes_find(const struct changes *changes, enum change_field field);
/* The value afterwards, or `otherwise` where the field is not touched. */
int64_t changes_after(const struct changes *changes, enum change_field field, int64_t otherwise);
/* Whether a value is another one afterwards. */
bool changes_any(const struct changes *changes);
/* Whether something that has a size becomes smaller. */
bool changes_shrink(const struct changes *changes);
/* The first change of something that has a size: what budgets measure. NULL when there is none. */
const struct change *changes_measured(const struct changes *changes);
/* What puts back the values before. */
struct changes changes_inverse(const struct changes *changes);
/* Mixes fields and values into the hash. */
uint64_t changes_hash(const struct changes *changes, uint64_t hash);

/* "replicas 3 -> 5", "memory limit 512MiB -> 640MiB, cpu limit 500m -> 1000m"; cut at size. */
void changes_write(const struct changes *changes, char *text, size_t size);
/* The number as Kubernetes writes it: 3, 512Mi, 1500m, true. size of at least 32. */
void change_value_write(enum change_unit unit, int64_t value, char *text, size_t size);

/* [{"field":"replicas","unit":"count","before":3,"after":5}] */
void changes_write_json(struct buf *json, const struct changes *changes);
/* STATUS_BAD_INPUT: it is not such a list, or has a field that is not known. */
enum status changes_read_json(const struct json_span *list, struct changes *changes,
	struct error *error) MUST_CHECK;
/* From a plan of an older journal, in which each value was a key of its own: "replicas_before" and so
 * on. Values that are null or absent are not there. */
enum status changes_read_older(const struct json_span *plan, struct changes *changes,
	struct error *error) MUST_CHECK;

#endif
