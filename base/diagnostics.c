/*
 * The list of what is wrong with input files: kept up to a maximum, counted past it, printed sorted.
 * A text is cut and cleaned when it is added, so that nothing from a file can draw on a terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/labels.h"
#include "base/mem.h"
#include "base/yaml.h"

#define DIAGNOSTICS_MAX 100
#define DIAGNOSTIC_TEXT_MAX 1024

void diagnostics_init(struct diagnostics *diagnostics)
{
	*diagnostics = (struct diagnostics){0};
}

void diagnostics_fini(struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		mem_free(diagnostics->list[i].file);
		mem_free(diagnostics->list[i].text);
	}
	mem_free(diagnostics->list);
	*diagnostics = (struct diagnostics){0};
}

bool diagnostics_full(const struct diagnostics *diagnostics)
{
	return diagnostics->count >= DIAGNOSTICS_MAX;
}

/* Takes an unfinished character from the end of a text that was cut. */
static void text_trim(char *text)
{
	size_t size = strlen(text);

	while (size && ((unsigned char)text[size - 1] & 0xC0) == 0x80)
		size--;
	if (size && !utf8_valid(text + size - 1, strlen(text + size - 1)))
		text[size - 1] = 0;
}

/* Makes a text printable on one line. */
static void text_clean(char *text)
{
	bool valid = utf8_valid(text, strlen(text));

	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = ' ';
		else if ((unsigned char)*c >= 0x80 && !valid)
			*c = '?';
	}
}

/* Memory being out loses the text but never the count: a file with errors is not taken. */
void diagnostics_vadd(struct diagnostics *diagnostics, bool warning, const char *file, int line,
	int column, const char *format, va_list arguments)
{
	char text[DIAGNOSTIC_TEXT_MAX];
	struct diagnostic added = {.line = line, .column = column, .warning = warning};
	struct diagnostic *list;
	int length;

	if (warning)
		diagnostics->warnings++;
	else
		diagnostics->errors++;
	if (diagnostics_full(diagnostics))
		return;
	length = vsnprintf(text, sizeof(text), format, arguments);
	if (length < 0)
		text[0] = 0;
	else if ((size_t)length >= sizeof(text))
		text_trim(text);
	text_clean(text);
	list = mem_resize(diagnostics->list, diagnostics->count + 1, sizeof(*list));
	if (!list)
		return;
	diagnostics->list = list;
	added.file = mem_strdup(file ? file : "");
	added.text = mem_strdup(text);
	if (!added.file || !added.text) {
		mem_free(added.file);
		mem_free(added.text);
		return;
	}
	list[diagnostics->count++] = added;
}

void diagnostics_add(struct diagnostics *diagnostics, bool warning, const char *file, int line,
	int column, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	diagnostics_vadd(diagnostics, warning, file, line, column, format, arguments);
	va_end(arguments);
}

/* Equal places keep no order of their own in qsort, so the text decides last. */
static int diagnostic_compare(const void *left, const void *right)
{
	const struct diagnostic *a = left, *b = right;
	int order = strcmp(a->file, b->file);

	if (!order)
		order = (a->line > b->line) - (a->line < b->line);
	if (!order)
		order = (a->column > b->column) - (a->column < b->column);
	if (!order)
		order = a->warning - b->warning;
	return order ? order : strcmp(a->text, b->text);
}

void diagnostics_write(struct diagnostics *diagnostics, struct buf *buf)
{
	size_t total = diagnostics->errors + diagnostics->warnings;

	if (diagnostics->count)
		qsort(diagnostics->list, diagnostics->count, sizeof(*diagnostics->list),
			diagnostic_compare);
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *one = &diagnostics->list[i];

		buf_add_text(buf, one->file);
		if (one->line > 0)
			buf_printf(buf, ":%d", one->line);
		if (one->line > 0 && one->column > 0)
			buf_printf(buf, ":%d", one->column);
		buf_printf(buf, ": %s: %s\n", one->warning ? "warning" : "error", one->text);
	}
	if (total > diagnostics->count)
		buf_printf(buf, "and %zu more not shown\n", total - diagnostics->count);
}
