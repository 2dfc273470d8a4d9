/*
 * Typed values from a YAML tree. Each reader takes the child of a map, checks its kind, its text and
 * its bounds, and reports in the words of the file: which key, what stands there, what is wanted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/labels.h"
#include "base/parse.h"
#include "base/yaml.h"

#define SHOWN_MAX 60

/* A value from the file as a message shows it: cut on a character. */
struct shown {
	char text[SHOWN_MAX + 4];
};

static struct shown show(const char *text)
{
	struct shown shown;
	size_t size = strlen(text);

	if (size <= SHOWN_MAX) {
		memcpy(shown.text, text, size + 1);
		return shown;
	}
	size = SHOWN_MAX;
	while (size && ((unsigned char)text[size] & 0xC0) == 0x80)
		size--;
	memcpy(shown.text, text, size);
	memcpy(shown.text + size, "...", 4);
	return shown;
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
	if (!node || node->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < node->child_count; i++)
		if (!strcmp(node->children[i]->key, key))
			return node->children[i];
	return NULL;
}

static void report(const struct yaml_reader *reader, bool warning, const struct yaml_node *node,
	const char *format, va_list arguments) PRINTF_LIKE(4, 0);

static void report(const struct yaml_reader *reader, bool warning, const struct yaml_node *node,
	const char *format, va_list arguments)
{
	diagnostics_vadd(reader->diagnostics, warning, reader->file, node ? node->line : 0,
		node ? node->column : 0, format, arguments);
}

void yaml_report(const struct yaml_reader *reader, const struct yaml_node *node, const char *format,
	...)
{
	va_list arguments;

	va_start(arguments, format);
	report(reader, false, node, format, arguments);
	va_end(arguments);
}

void yaml_warn(const struct yaml_reader *reader, const struct yaml_node *node, const char *format,
	...)
{
	va_list arguments;

	va_start(arguments, format);
	report(reader, true, node, format, arguments);
	va_end(arguments);
}

static const char *kind_name(const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_NULL:
		return "nothing";
	case YAML_SCALAR:
		return "a single value";
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a map";
	}
	return "?";
}

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++)
		if (!strcmp(*known, key))
			return true;
	return false;
}

static void report_unknown(const struct yaml_reader *reader, const struct yaml_node *child,
	const char *const *known)
{
	/* The nearest word costs much more than the count, and nobody would read it. */
	const char *near =
		diagnostics_full(reader->diagnostics) ? NULL : nearest_word(child->key, known);
	struct shown key = show(child->key);

	if (near)
		diagnostics_add(reader->diagnostics, false, reader->file, child->key_line,
			child->key_column, "unknown key \"%s\", did you mean \"%s\"?", key.text,
			near);
	else
		diagnostics_add(reader->diagnostics, false, reader->file, child->key_line,
			child->key_column, "unknown key \"%s\"", key.text);
}

bool yaml_check_keys(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *const *known)
{
	if (!map)
		return false;
	if (map->kind != YAML_MAP) {
		yaml_report(reader, map, "a map is wanted here, not %s", kind_name(map));
		return false;
	}
	for (size_t i = 0; i < map->child_count; i++)
		if (!is_known(map->children[i]->key, known))
			report_unknown(reader, map->children[i], known);
	return true;
}

/* The scalar under the key, or NULL when there is none; what is wrong with it is then reported. */
static const struct yaml_node *read_scalar(const struct yaml_reader *reader,
	const struct yaml_node *map, const char *key, bool required, const char *wanted)
{
	const struct yaml_node *node = yaml_get(map, key);

	if (!node) {
		if (required)
			yaml_report(reader, map, "the key \"%s\" is missing", key);
		return NULL;
	}
	if (node->kind == YAML_SCALAR)
		return node;
	if (node->kind == YAML_NULL)
		diagnostics_add(reader->diagnostics, false, reader->file, node->key_line,
			node->key_column, "%s has no value; %s is wanted", key, wanted);
	else
		yaml_report(reader, node, "%s: %s is wanted, not %s", key, wanted, kind_name(node));
	return NULL;
}

/* Numbers and booleans must stand without quotes. */
static const struct yaml_node *read_plain(const struct yaml_reader *reader,
	const struct yaml_node *map, const char *key, bool required, const char *wanted)
{
	const struct yaml_node *node = read_scalar(reader, map, key, required, wanted);

	if (!node || !node->quoted)
		return node;
	yaml_report(reader, node, "%s: %s is wanted, without quotes", key, wanted);
	return NULL;
}

static void report_value(const struct yaml_reader *reader, const struct yaml_node *node,
	const char *key, const char *wanted)
{
	yaml_report(reader, node, "%s: \"%s\" is not %s", key, show(node->text).text, wanted);
}

bool yaml_read_text(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, const char **value)
{
	const struct yaml_node *node = read_scalar(reader, map, key, required, "a text");

	if (!node)
		return false;
	*value = node->text;
	return true;
}

/* 010 is eight in YAML 1.1 and ten in 1.2: neither is guessed. */
static bool has_leading_zero(const char *text)
{
	text += *text == '-' || *text == '+';
	return text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

bool yaml_read_int(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, int64_t min, int64_t max, int64_t *value)
{
	const struct yaml_node *node = read_plain(reader, map, key, required, "a whole number");
	int64_t number;

	if (!node)
		return false;
	if (has_leading_zero(node->text) || parse_int(node->text, &number)) {
		report_value(reader, node, key, "a whole number in decimal digits");
		return false;
	}
	if (number < min || number > max) {
		yaml_report(reader, node, "%s: %" PRId64 " is not within %" PRId64 " and %" PRId64,
			key, number, min, max);
		return false;
	}
	*value = number;
	return true;
}

bool yaml_read_double(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, double min, double max, double *value)
{
	const struct yaml_node *node = read_plain(reader, map, key, required, "a number");
	double number;

	if (!node)
		return false;
	if (parse_double(node->text, &number)) {
		report_value(reader, node, key, "a number");
		return false;
	}
	/* NaN is within nothing. */
	if (!(number >= min && number <= max)) {
		yaml_report(reader, node, "%s: %g is not within %g and %g", key, number, min, max);
		return false;
	}
	*value = number;
	return true;
}

/* What YAML 1.1 took for a boolean: "true" or "false", else NULL. */
static const char *boolean_meant(const char *text)
{
	static const char *const yes[] = {"yes", "on", "y", "true", "1", NULL};
	static const char *const no[] = {"no", "off", "n", "false", "0", NULL};
	char lower[8];
	size_t size = strlen(text);

	if (size >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= size; i++)
		lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
	return is_known(lower, yes) ? "true" : is_known(lower, no) ? "false" : NULL;
}

bool yaml_read_bool(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, bool *value)
{
	const struct yaml_node *node = read_plain(reader, map, key, required, "true or false");
	const char *meant;

	if (!node)
		return false;
	if (!parse_bool(node->text, value))
		return true;
	meant = boolean_meant(node->text);
	if (meant)
		yaml_report(reader, node, "%s: \"%s\" is a text here; write %s", key,
			show(node->text).text, meant);
	else
		report_value(reader, node, key, "true or false");
	return false;
}

bool yaml_read_duration(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, int64_t min_ms, int64_t max_ms, int64_t *value_ms)
{
	const struct yaml_node *node =
		read_scalar(reader, map, key, required, "a duration such as 1h30m");
	char low[32], high[32];
	int64_t ms;

	if (!node)
		return false;
	if (parse_duration(node->text, &ms)) {
		report_value(reader, node, key, "a duration such as 1h30m, 15s or 500ms");
		return false;
	}
	if (ms < min_ms || ms > max_ms) {
		format_duration(min_ms, low, sizeof(low));
		format_duration(max_ms, high, sizeof(high));
		yaml_report(reader, node, "%s: %s is not within %s and %s", key,
			show(node->text).text, low, high);
		return false;
	}
	*value_ms = ms;
	return true;
}

bool yaml_read_size(const struct yaml_reader *reader, const struct yaml_node *map, const char *key,
	bool required, uint64_t min, uint64_t max, uint64_t *value)
{
	const struct yaml_node *node =
		read_scalar(reader, map, key, required, "a size such as 64MiB");
	char low[32], high[32];
	uint64_t bytes;

	if (!node)
		return false;
	if (parse_size(node->text, &bytes)) {
		report_value(reader, node, key, "a size such as 64MiB, 512KiB or 4096");
		return false;
	}
	if (bytes < min || bytes > max) {
		format_size(min, low, sizeof(low));
		format_size(max, high, sizeof(high));
		yaml_report(reader, node, "%s: %s is not within %s and %s", key,
			show(node->text).text, low, high);
		return false;
	}
	*value = bytes;
	return true;
}

/* "a, b or c", cut when it grows long. */
static void list_names(const char *const *names, char *text, size_t size)
{
	size_t used = 0;

	*text = 0;
	for (size_t i = 0; names[i]; i++) {
		const char *between = !i ? "" : names[i + 1] ? ", " : " or ";
		int written = snprintf(text + used, size - used, "%s%s", between, names[i]);

		if (written < 0 || (size_t)written >= size - used)
			return;
		used += (size_t)written;
	}
}

bool yaml_read_choice(const struct yaml_reader *reader, const struct yaml_node *map,
	const char *key, bool required, const char *const *names, int *value)
{
	const struct yaml_node *node;
	const char *near;
	char choices[400];

	list_names(names, choices, sizeof(choices));
	node = read_scalar(reader, map, key, required, choices);
	if (!node)
		return false;
	for (int i = 0; names[i]; i++) {
		if (!strcmp(names[i], node->text)) {
			*value = i;
			return true;
		}
	}
	near = nearest_word(node->text, names);
	if (near)
		yaml_report(reader, node, "%s: \"%s\" is not known, did you mean \"%s\"?", key,
			show(node->text).text, near);
	else
		yaml_report(reader, node, "%s: \"%s\" is none of %s", key, show(node->text).text,
			choices);
	return false;
}
