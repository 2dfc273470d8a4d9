/*
 *   {"status":"success","warnings":["..."],"data":{"resultType":"matrix","result":[
 *     {"metric":{"__name__":"up","job":"x"},"values":[[1435781430.781,"1"],...]}, ...]}}
 *   {"status":"error","errorType":"execution","error":"..."}
 *
 * Read in place: an answer is checked as JSON once, so that a part of a torn one is never taken.
 */
#include "daemon/prometheus_answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_span.h"
#include "base/mem.h"
#include "base/parse.h"

#define ANSWER_DEPTH 16
/* What Prometheus writes for a NaN that is no stale marker. */
#define NAN_BITS UINT64_C(0x7ff8000000000001)

void matrix_init(struct matrix *matrix)
{
	memset(matrix, 0, sizeof(*matrix));
}

void matrix_fini(struct matrix *matrix)
{
	mem_free(matrix->points);
	mem_free(matrix->text);
	matrix_init(matrix);
}

/* The members of an object by these names (NULL-terminated), in one walk: an answer may be long. One
 * that is not there has no text. */
static void members(const struct json_span *object, const char *const *names,
	struct json_span *values)
{
	struct json_walk walk;
	struct json_span key, value;

	for (size_t i = 0; names[i] != NULL; i++)
		values[i] = (struct json_span){.kind = SPAN_NULL, .text = NULL};
	json_walk_init(&walk, object);
	while (object->kind == SPAN_OBJECT && json_walk_next(&walk, &key, &value))
		for (size_t i = 0; names[i] != NULL; i++)
			if (json_span_is(&key, names[i]))
				values[i] = value;
}

static bool room_for(void *block, size_t *max, size_t wanted, size_t size)
{
	void **place = block;
	size_t larger = *max > 0 ? *max : 1024;
	void *grown;

	if (wanted <= *max)
		return true;
	while (larger < wanted)
		larger *= 2;
	grown = mem_resize(*place, larger, size);
	if (grown == NULL)
		return false;
	*place = grown;
	*max = larger;
	return true;
}

/* STATUS_BAD_INPUT: these labels cannot be used. */
static enum status read_labels(struct matrix *matrix, const struct json_span *metric, size_t *count,
	struct error *error)
{
	struct json_walk walk;
	struct json_span key, value;
	size_t used = 0, name_size, value_size;

	*count = 0;
	if (metric->kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "the labels are no object");
	if (!room_for(&matrix->text, &matrix->text_max, metric->size + 1, 1))
		return error_set(error, STATUS_NO_MEMORY, "no memory for labels");
	json_walk_init(&walk, metric);
	while (json_walk_next(&walk, &key, &value)) {
		char *name = matrix->text + used, *text;

		if (*count == MATRIX_LABELS_MAX)
			return error_set(error, STATUS_BAD_INPUT, "more than %d labels",
				MATRIX_LABELS_MAX);
		if (json_span_decode(&key, name, &name_size, error) != STATUS_OK)
			return STATUS_BAD_INPUT;
		/* A text is shorter than its span by the two quotes, one of which is the NUL's place:
		 * so all of them fit. */
		text = name + name_size + 1;
		if (json_span_decode(&value, text, &value_size, error) != STATUS_OK)
			return STATUS_BAD_INPUT;
		used += name_size + value_size + 2;
		matrix->pairs[(*count)++] =
			(struct label){name, text, (uint32_t)name_size, (uint32_t)value_size};
	}
	return STATUS_OK;
}

/* Seconds with at most a few decimals to milliseconds. */
static bool read_time(const struct json_span *span, int64_t *t_ms)
{
	double seconds;

	if (span->kind != SPAN_NUMBER || json_span_double(span, &seconds, NULL) != STATUS_OK ||
		!(fabs(seconds) < 1e12))
		return false;
	*t_ms = llround(seconds * 1000);
	return true;
}

/* A number in quotes. */
static bool read_value(const struct json_span *span, double *value)
{
	char text[64];
	uint64_t bits = NAN_BITS;

	if (span->kind != SPAN_STRING || span->size < 3 || span->size > sizeof(text))
		return false;
	memcpy(text, span->text + 1, span->size - 2);
	text[span->size - 2] = '\0';
	if (parse_double(text, value) != STATUS_OK)
		return false;
	if (isnan(*value))
		memcpy(value, &bits, sizeof(bits));
	/* The stream leaves a value out that equals zero, so that a negative zero arrives as zero. */
	if (*value == 0)
		*value = 0;
	return true;
}

static bool read_pair(const struct json_span *pair, struct store_point *point)
{
	struct json_walk walk;
	struct json_span time, value, more;

	if (pair->kind != SPAN_ARRAY)
		return false;
	json_walk_init(&walk, pair);
	return json_walk_next(&walk, NULL, &time) && json_walk_next(&walk, NULL, &value) &&
		!json_walk_next(&walk, NULL, &more) && read_time(&time, &point->t_ms) &&
		read_value(&value, &point->value);
}

/* [1435781430.781,"1"] as Prometheus writes it, which is most of each answer: read without walking.
 * `at` is within checked JSON. Returns what follows, or NULL: any other form. */
static const char *read_plain_pair(const char *at, struct store_point *point)
{
	int64_t t_ms = 0;
	int digits = 0, decimals = 0;
	const char *text;
	struct json_span value = {.kind = SPAN_STRING};

	if (*at++ != '[')
		return NULL;
	for (; *at >= '0' && *at <= '9' && digits < 12; at++, digits++)
		t_ms = t_ms * 10 + (*at - '0');
	if (*at == '.')
		for (at++; *at >= '0' && *at <= '9' && decimals < 3; at++, decimals++)
			t_ms = t_ms * 10 + (*at - '0');
	for (; decimals < 3; decimals++)
		t_ms *= 10;
	if (digits == 0 || at[0] != ',' || at[1] != '"')
		return NULL;
	text = at + 1;
	for (at += 2; *at != '"'; at++)
		if (*at == '\\')
			return NULL;
	value.text = text;
	value.size = (size_t)(at + 1 - text);
	if (at[1] != ']' || !read_value(&value, &point->value))
		return NULL;
	point->t_ms = t_ms;
	return at + 2;
}

static enum status add_point(struct matrix *matrix, size_t count, struct error *error)
{
	if (room_for(&matrix->points, &matrix->point_max, count + 1, sizeof(*matrix->points)))
		return STATUS_OK;
	return error_set(error, STATUS_NO_MEMORY, "no memory for samples");
}

/* *count is 0 when one of the pairs is not plain: then all are read the other way. */
static enum status read_plain_values(struct matrix *matrix, const struct json_span *values,
	size_t *count, struct error *error)
{
	const char *at = values->text + 1;
	enum status status = STATUS_OK;

	*count = 0;
	if (values->kind != SPAN_ARRAY)
		return STATUS_OK;
	while (status == STATUS_OK) {
		status = add_point(matrix, *count, error);
		if (status == STATUS_OK)
			at = read_plain_pair(at, &matrix->points[*count]);
		if (status == STATUS_OK && (at == NULL || (*at != ',' && *at != ']'))) {
			*count = 0;
			return STATUS_OK;
		}
		(*count)++;
		if (status == STATUS_OK && *at++ == ']')
			return STATUS_OK;
	}
	return status;
}

static enum status read_values(struct matrix *matrix, const struct json_span *values, size_t *count,
	struct matrix_counts *counts, struct error *error)
{
	struct json_walk walk;
	struct json_span pair;
	enum status status = read_plain_values(matrix, values, count, error);
	bool plain = *count > 0;

	json_walk_init(&walk, values);
	while (status == STATUS_OK && !plain && values->kind == SPAN_ARRAY &&
		json_walk_next(&walk, NULL, &pair)) {
		status = add_point(matrix, *count, error);
		if (status == STATUS_OK && read_pair(&pair, &matrix->points[*count]))
			(*count)++;
		else
			counts->bad_samples++;
	}
	counts->samples += *count;
	return status;
}

static uint64_t length_of(const struct json_span *array)
{
	struct json_walk walk;
	struct json_span element;
	uint64_t length = 0;

	json_walk_init(&walk, array);
	while (array->kind == SPAN_ARRAY && json_walk_next(&walk, NULL, &element))
		length++;
	return length;
}

static enum status read_series(struct matrix *matrix, const struct json_span *entry,
	matrix_series_fn *take, void *argument, struct matrix_counts *counts, struct error *error)
{
	static const char *const names[] = {"metric", "values", "histograms", NULL};
	struct json_span found[3], *metric = &found[0], *values = &found[1];
	size_t pair_count, point_count = 0;
	enum status status;

	counts->series++;
	members(entry, names, found);
	counts->histograms += length_of(&found[2]);
	if (metric->text == NULL) {
		counts->bad_series++;
		return STATUS_OK;
	}
	if (values->text == NULL)
		return STATUS_OK;
	status = read_labels(matrix, metric, &pair_count, error);
	if (status == STATUS_BAD_INPUT) {
		counts->bad_series++;
		return STATUS_OK;
	}
	if (status == STATUS_OK)
		status = read_values(matrix, values, &point_count, counts, error);
	if (status != STATUS_OK || point_count == 0)
		return status;
	return take(argument, matrix->pairs, pair_count, matrix->points, point_count, error);
}

/* As much as fits, made safe for a line of the log. */
static void copy_text(char *copy, size_t size, const struct json_span *span)
{
	char *text = NULL;

	copy[0] = '\0';
	if (span->kind == SPAN_STRING && json_span_strdup(span, &text, NULL) == STATUS_OK &&
		text != NULL)
		snprintf(copy, size, "%.*s", (int)(size - 1), text);
	mem_free(text);
}

static void read_warning(const struct json_span *warnings, struct matrix_counts *counts)
{
	struct json_span first;
	struct json_walk walk;

	json_walk_init(&walk, warnings);
	if (warnings->kind == SPAN_ARRAY && json_walk_next(&walk, NULL, &first))
		copy_text(counts->warning, sizeof(counts->warning), &first);
}

static enum status open_answer(const char *text, size_t size, struct json_span *data,
	struct json_span *warnings, struct error *error)
{
	static const char *const names[] = {"status", "data", "warnings", NULL};
	struct json_span root, found[3];

	if (json_span_init(&root, text, size, ANSWER_DEPTH, error) != STATUS_OK) {
		error_prefix(error, "the answer is no JSON");
		return STATUS_BAD_INPUT;
	}
	members(&root, names, found);
	if (!json_span_is(&found[0], "success") || found[1].kind != SPAN_OBJECT)
		return error_set(error, STATUS_BAD_INPUT, "the answer has no status and data");
	*data = found[1];
	*warnings = found[2];
	return STATUS_OK;
}

enum status matrix_read(struct matrix *matrix, const char *text, size_t size,
	matrix_series_fn *take, void *argument, struct matrix_counts *counts, struct error *error)
{
	static const char *const names[] = {"resultType", "result", NULL};
	struct json_span data, warnings, entry, found[2];
	struct json_walk walk;
	enum status status = open_answer(text, size, &data, &warnings, error);

	memset(counts, 0, sizeof(*counts));
	if (status != STATUS_OK)
		return status;
	members(&data, names, found);
	if (!json_span_is(&found[0], "matrix") || found[1].kind != SPAN_ARRAY)
		return error_set(error, STATUS_BAD_INPUT, "the answer is no matrix of samples");
	read_warning(&warnings, counts);
	json_walk_init(&walk, &found[1]);
	while (status == STATUS_OK && json_walk_next(&walk, NULL, &entry))
		status = read_series(matrix, &entry, take, argument, counts, error);
	return status;
}

void prometheus_failure_read(const char *text, size_t size, struct prometheus_failure *failure)
{
	static const char *const names[] = {"errorType", "error", NULL};
	struct json_span root, found[2];
	size_t length = 0;

	memset(failure, 0, sizeof(*failure));
	if (size > 0 && json_span_init(&root, text, size, ANSWER_DEPTH, NULL) == STATUS_OK) {
		members(&root, names, found);
		copy_text(failure->type, sizeof(failure->type), &found[0]);
		copy_text(failure->message, sizeof(failure->message), &found[1]);
	}
	if (failure->message[0] != '\0')
		return;
	while (length < size && length < 100 && text[length] != '\n' && text[length] != '\0')
		length++;
	snprintf(failure->message, sizeof(failure->message), "%.*s", (int)length,
		length > 0 ? text : "");
}

enum status prometheus_config_read(const char *text, size_t size, char **yaml, struct error *error)
{
	static const char *const names[] = {"yaml", NULL};
	struct json_span data, warnings, value;
	enum status status = open_answer(text, size, &data, &warnings, error);

	*yaml = NULL;
	if (status != STATUS_OK)
		return status;
	members(&data, names, &value);
	if (value.kind != SPAN_STRING)
		return error_set(error, STATUS_BAD_INPUT, "the answer holds no configuration");
	return json_span_strdup(&value, yaml, error);
}
