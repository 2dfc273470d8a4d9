/*
 * The compact notation of promtool's unit tests: "1+2x3" is 1 3 5 7, "4x2" is 4 4 4, "_x3" three
 * times without a sample, "stale" the marker of a series that ended.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/matcher.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/case.h"

#define ITEM_MAX 96

static double stale_marker(void)
{
	const uint64_t bits = UINT64_C(0x7ff0000000000002);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static enum status add(struct case_series *series, double value, bool absent, struct error *error)
{
	if (series->count == CASE_VALUES_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d values", CASE_VALUES_MAX);
	if ((series->count & (series->count - 1)) == 0) {
		size_t room = series->count > 0 ? series->count * 2 : 1;
		void *grown = mem_resize(series->values, room, sizeof(*series->values));

		if (grown == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		series->values = grown;
	}
	series->values[series->count++] = (struct case_value){value, absent};
	return STATUS_OK;
}

/* A decimal number, NaN or Inf: never a hexadecimal one, as 0x9 is ten zeros here. */
static bool read_number(const char *text, size_t size, double *value)
{
	char number[ITEM_MAX];

	if (size == 0 || size >= sizeof(number))
		return false;
	memcpy(number, text, size);
	number[size] = '\0';
	return strchr(number, 'x') == NULL && strchr(number, 'X') == NULL &&
		parse_double(number, value) == STATUS_OK;
}

/* Cuts "<first>[+-<step>]x<times>" into its parts; false when it has another form. */
static bool cut_sequence(const char *item, double *first, double *step, int64_t *times)
{
	const char *cross = strrchr(item, 'x'), *sign = NULL;

	if (cross == NULL || parse_int(cross + 1, times) != STATUS_OK || *times < 0)
		return false;
	/* The sign between the two is neither the first number's own nor that of an exponent. */
	for (const char *at = item + 1; at < cross && sign == NULL; at++)
		if ((*at == '+' || *at == '-') && at[-1] != 'e' && at[-1] != 'E')
			sign = at;
	*step = 0;
	if (sign == NULL)
		return read_number(item, (size_t)(cross - item), first);
	if (!read_number(item, (size_t)(sign - item), first) ||
		!read_number(sign + 1, (size_t)(cross - sign) - 1, step))
		return false;
	if (*sign == '-')
		*step = -*step;
	return true;
}

static enum status add_item(struct case_series *series, const char *item, struct error *error)
{
	double first, step;
	int64_t times;
	enum status status = STATUS_OK;

	if (strcmp(item, "_") == 0)
		return add(series, NAN, true, error);
	if (strcmp(item, "stale") == 0)
		return add(series, stale_marker(), false, error);
	if (strncmp(item, "_x", 2) == 0 && parse_int(item + 2, &times) == STATUS_OK && times > 0) {
		for (int64_t i = 0; i < times && status == STATUS_OK; i++)
			status = add(series, NAN, true, error);
		return status;
	}
	if (cut_sequence(item, &first, &step, &times)) {
		/* "axn" is a and n more, as "a+bxn" is. */
		for (int64_t i = 0; i <= times && status == STATUS_OK; i++)
			status = add(series, first + (double)i * step, false, error);
		return status;
	}
	if (read_number(item, strlen(item), &first))
		return add(series, first, false, error);
	return error_set(error, STATUS_BAD_INPUT,
		"\"%s\" is no value; there are 5, 1+2x10, 1-2x10, 1x10, _, _x10, stale, NaN and Inf",
		item);
}

static enum status read_values(struct case_series *series, const char *text, struct error *error)
{
	while (*text != '\0') {
		size_t size = strcspn(text, " \t\r\n");
		char item[ITEM_MAX];
		enum status status;

		if (size >= sizeof(item))
			return error_set(error, STATUS_BAD_INPUT, "\"%.60s...\" is no value", text);
		memcpy(item, text, size);
		item[size] = '\0';
		status = size > 0 ? add_item(series, item, error) : STATUS_OK;
		if (status != STATUS_OK)
			return status;
		text += size;
		text += strspn(text, " \t\r\n");
	}
	if (series->count == 0)
		return error_set(error, STATUS_BAD_INPUT, "there are no values");
	return STATUS_OK;
}

static enum status read_name(struct case_series *series, const char *text, struct error *error)
{
	struct label pairs[MATCHERS_MAX];
	struct matchers matchers;
	enum status status;

	matchers_init(&matchers);
	status = matchers_parse_selector(&matchers, text, error);
	for (size_t i = 0; status == STATUS_OK && i < matchers.count; i++) {
		const struct matcher *matcher = &matchers.list[i];

		if (matcher->type != MATCHER_EQUAL)
			status = error_set(error, STATUS_BAD_INPUT,
				"the label %s of a series is given with =", matcher->name);
		pairs[i] = (struct label){matcher->name, matcher->value,
			(uint32_t)strlen(matcher->name), (uint32_t)strlen(matcher->value)};
	}
	if (status == STATUS_OK)
		status = labels_init(&series->labels, pairs, matchers.count, error);
	matchers_fini(&matchers);
	return status;
}

enum status case_series_read(struct case_series *series, const char *name, const char *values,
	struct error *error)
{
	enum status status = read_name(series, name, error);

	return status == STATUS_OK ? read_values(series, values, error) : status;
}

void case_series_fini(struct case_series *series)
{
	labels_fini(&series->labels);
	mem_free(series->values);
	*series = (struct case_series){0};
}
