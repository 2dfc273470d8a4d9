/*
 * Label sets: one block per set, pairs first and the bytes of names and values behind them, each
 * ended by a NUL, so that a set is taken, cloned and given back in one step.
 */
#include "base/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

struct label label_of(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static int bytes_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t shared = a_size < b_size ? a_size : b_size;
	int order = shared ? memcmp(a, b, shared) : 0;

	if (order)
		return order;
	return a_size < b_size ? -1 : a_size > b_size;
}

static int label_compare_names(const void *left, const void *right)
{
	const struct label *a = left, *b = right;

	return bytes_compare(a->name, a->name_size, b->name, b->name_size);
}

/* Senders sort their labels, so the common case is one pass over neighbours. */
static void pairs_sort(struct label *pairs, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (label_compare_names(&pairs[i - 1], &pairs[i]) <= 0)
			continue;
		qsort(pairs, count, sizeof(*pairs), label_compare_names);
		return;
	}
}

static enum status pairs_check(const struct label *pairs, size_t count, struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].name_size)
			return error_set(error, STATUS_BAD_INPUT, "a label has an empty name");
		if (i && !label_compare_names(&pairs[i - 1], &pairs[i]))
			return error_set(error, STATUS_BAD_INPUT, "label \"%.*s\" stands twice",
				(int)(pairs[i].name_size < 128 ? pairs[i].name_size : 128),
				pairs[i].name);
	}
	return STATUS_OK;
}

/* Drops pairs without a value; returns how many stay and the bytes they need with their NULs. */
static size_t pairs_drop_empty(struct label *pairs, size_t count, size_t *bytes)
{
	size_t kept = 0;

	*bytes = 0;
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].value_size)
			continue;
		*bytes += (size_t)pairs[i].name_size + pairs[i].value_size + 2;
		pairs[kept++] = pairs[i];
	}
	return kept;
}

static const char *bytes_place(char **at, const char *bytes, size_t size)
{
	char *placed = *at;

	memcpy(placed, bytes, size);
	placed[size] = 0;
	*at += size + 1;
	return placed;
}

/* pairs: sorted, checked, without empty values; bytes as pairs_drop_empty() counted them. */
static enum status labels_build(struct labels *labels, const struct label *pairs, size_t count,
	size_t bytes)
{
	char *at;

	if (!count)
		return STATUS_OK;
	labels->pairs = mem_alloc(count * sizeof(*pairs) + bytes);
	if (!labels->pairs)
		return STATUS_NO_MEMORY;
	labels->count = (uint32_t)count;
	at = (char *)(labels->pairs + count);
	for (size_t i = 0; i < count; i++) {
		struct label *to = &labels->pairs[i];

		*to = pairs[i];
		to->name = bytes_place(&at, pairs[i].name, pairs[i].name_size);
		to->value = bytes_place(&at, pairs[i].value, pairs[i].value_size);
	}
	return STATUS_OK;
}

enum status labels_init(struct labels *labels, const struct label *pairs, size_t count,
	struct error *error)
{
	enum { PAIRS_ON_STACK = 64 };
	struct label few[PAIRS_ON_STACK], *sorted = few;
	enum status status;
	size_t bytes, kept;

	*labels = (struct labels){0};
	if (count > UINT32_MAX / sizeof(*pairs))
		return error_set(error, STATUS_LIMIT, "too many labels: %zu", count);
	if (count > PAIRS_ON_STACK) {
		sorted = mem_alloc(count * sizeof(*pairs));
		if (!sorted)
			return error_set(error, STATUS_NO_MEMORY, "no memory for labels");
	}
	if (count)
		memcpy(sorted, pairs, count * sizeof(*pairs));
	pairs_sort(sorted, count);
	status = pairs_check(sorted, count, error);
	if (status)
		goto out;
	kept = pairs_drop_empty(sorted, count, &bytes);
	status = labels_build(labels, sorted, kept, bytes);
	if (status)
		error_set(error, status, "no memory for labels");
out:
	if (sorted != few)
		mem_free(sorted);
	return status;
}

void labels_fini(struct labels *labels)
{
	mem_free(labels->pairs);
	*labels = (struct labels){0};
}

enum status labels_clone(struct labels *copy, const struct labels *labels)
{
	size_t bytes = 0;

	*copy = (struct labels){0};
	for (uint32_t i = 0; i < labels->count; i++)
		bytes += (size_t)labels->pairs[i].name_size + labels->pairs[i].value_size + 2;
	return labels_build(copy, labels->pairs, labels->count, bytes);
}

const struct label *labels_find(const struct labels *labels, const char *name)
{
	size_t name_size = strlen(name);
	uint32_t low = 0, high = labels->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct label *pair = &labels->pairs[middle];
		int order = bytes_compare(name, name_size, pair->name, pair->name_size);

		if (!order)
			return pair;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *labels_get(const struct labels *labels, const char *name)
{
	const struct label *pair = labels_find(labels, name);

	return pair ? pair->value : NULL;
}

int labels_compare(const struct labels *a, const struct labels *b)
{
	uint32_t shared = a->count < b->count ? a->count : b->count;

	for (uint32_t i = 0; i < shared; i++) {
		const struct label *x = &a->pairs[i], *y = &b->pairs[i];
		int order = label_compare_names(x, y);

		if (!order)
			order = bytes_compare(x->value, x->value_size, y->value, y->value_size);
		if (order)
			return order < 0 ? -1 : 1;
	}
	return a->count < b->count ? -1 : a->count > b->count;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	return a->count == b->count && !labels_compare(a, b);
}

static uint64_t fingerprint_add(uint64_t hash, const char *bytes, size_t size)
{
	const uint64_t prime = UINT64_C(1099511628211);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * prime;
	return (hash ^ 0xFF) * prime;
}

uint64_t labels_fingerprint(const struct labels *labels)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *pair = &labels->pairs[i];

		hash = fingerprint_add(hash, pair->name, pair->name_size);
		hash = fingerprint_add(hash, pair->value, pair->value_size);
	}
	return hash;
}

bool utf8_valid(const char *text, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t step = utf8_length(text + i, size - i);

		if (!step)
			return false;
		i += step;
	}
	return true;
}

void label_write_quoted(struct buf *buf, const char *text, size_t size)
{
	const unsigned char *bytes = (const unsigned char *)text;

	buf_add_char(buf, '"');
	for (size_t i = 0; i < size;) {
		size_t step = utf8_length(text + i, size - i);

		if (!step || bytes[i] == 0x7F ||
			(bytes[i] < 0x20 && bytes[i] != '\n' && bytes[i] != '\t'))
			buf_printf(buf, "\\x%02x", bytes[i]);
		else if (bytes[i] == '\n')
			buf_add(buf, "\\n", 2);
		else if (bytes[i] == '\t')
			buf_add(buf, "\\t", 2);
		else if (bytes[i] == '"' || bytes[i] == '\\')
			buf_add(buf, (char[]){'\\', text[i]}, 2);
		else
			buf_add(buf, text + i, step);
		i += step ? step : 1;
	}
	buf_add_char(buf, '"');
}

void labels_write(struct buf *buf, const struct labels *labels)
{
	const struct label *metric = labels_find(labels, LABEL_METRIC_NAME);
	bool first = true;

	if (metric && !metric_name_valid(metric->value, metric->value_size))
		metric = NULL;
	if (metric)
		buf_add(buf, metric->value, metric->value_size);
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *pair = &labels->pairs[i];

		if (pair == metric)
			continue;
		buf_add_char(buf, first ? '{' : ',');
		first = false;
		if (label_name_valid(pair->name, pair->name_size))
			buf_add(buf, pair->name, pair->name_size);
		else
			label_write_quoted(buf, pair->name, pair->name_size);
		buf_add_char(buf, '=');
		label_write_quoted(buf, pair->value, pair->value_size);
	}
	if (!first)
		buf_add_char(buf, '}');
	else if (!metric)
		buf_add(buf, "{}", 2);
}

void labels_write_json(struct buf *buf, const struct labels *labels)
{
	buf_add_char(buf, '{');
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *pair = &labels->pairs[i];

		if (i)
			buf_add_char(buf, ',');
		buf_add_json_string(buf, pair->name, pair->name_size);
		buf_add_char(buf, ':');
		buf_add_json_string(buf, pair->value, pair->value_size);
	}
	buf_add_char(buf, '}');
}

/* Which bytes a name may have: 1 anywhere, 2 not as the first, 4 in names of metrics. A table, because
 * every label of a new series passes here. */
enum { NAME_LETTER = 1, NAME_DIGIT = 2, NAME_COLON = 4 };

static const uint8_t name_bytes[256] = {
	['a' ... 'z'] = NAME_LETTER,
	['A' ... 'Z'] = NAME_LETTER,
	['_'] = NAME_LETTER,
	['0' ... '9'] = NAME_DIGIT,
	[':'] = NAME_COLON,
};

static bool name_valid(const char *name, size_t size, uint8_t first)
{
	uint8_t rest = first | NAME_DIGIT;

	if (size == 0 || (name_bytes[(unsigned char)name[0]] & first) == 0)
		return false;
	for (size_t i = 1; i < size; i++) {
		if ((name_bytes[(unsigned char)name[i]] & rest) == 0)
			return false;
	}
	return true;
}

bool label_name_valid(const char *name, size_t size)
{
	return name_valid(name, size, NAME_LETTER);
}

bool metric_name_valid(const char *name, size_t size)
{
	return name_valid(name, size, NAME_LETTER | NAME_COLON);
}
