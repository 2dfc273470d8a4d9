/*
 * Results: tables of figures, and their texts.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/evaluate/accuracy.h"
#include "analyzers/evaluate/results.h"
#include "base/check.h"
#include "base/mem.h"

void results_init(struct results *results, const char *dataset)
{
	*results = (struct results){.note_count = 0};
	snprintf(results->dataset, sizeof(results->dataset), "%s", dataset);
}

void results_fini(struct results *results)
{
	for (size_t i = 0; i < results->table_count; i++)
		mem_free(results->tables[i].rows);
	mem_free(results->plots);
	*results = (struct results){.note_count = 0};
}

void results_note(struct results *results, const char *format, ...)
{
	va_list arguments;
	char text[sizeof(results->notes[0])];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (size_t i = 0; i < results->note_count; i++)
		if (strcmp(results->notes[i], text) == 0)
			return;
	if (results->note_count == ARRAY_COUNT(results->notes)) {
		snprintf(results->notes[results->note_count - 1], sizeof(results->notes[0]),
			"there is more to say than fits here");
		return;
	}
	memcpy(results->notes[results->note_count++], text, sizeof(text));
}

struct result_table *results_table(struct results *results, const char *key, const char *title,
	const struct figure *figures, size_t count)
{
	struct result_table *table = &results->tables[results->table_count];

	CHECK(results->table_count < RESULT_TABLES_MAX && count <= RESULT_FIGURES_MAX);
	results->table_count++;
	*table = (struct result_table){.key = key,
		.title = title,
		.figures = figures,
		.figure_count = count};
	return table;
}

enum status result_add(struct result_table *table, enum result_kind kind, const char *method,
	const char *entity, const double *values, struct error *error)
{
	struct result_row *rows, *row;

	if (table->row_count == RESULT_ROWS_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d rows of results",
			RESULT_ROWS_MAX);
	rows = mem_resize(table->rows, table->row_count + 1, sizeof(*rows));
	if (rows == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	table->rows = rows;
	row = &rows[table->row_count++];
	*row = (struct result_row){.kind = kind};
	snprintf(row->method, sizeof(row->method), "%s", method);
	snprintf(row->entity, sizeof(row->entity), "%s", entity);
	memcpy(row->values, values, table->figure_count * sizeof(double));
	return STATUS_OK;
}

enum status result_add_mean(struct result_table *table, const char *method, struct error *error)
{
	double *column = mem_alloc((table->row_count + 1) * sizeof(*column));
	double means[RESULT_FIGURES_MAX] = {0};
	char entity[32];
	size_t count = 0;

	if (column == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t f = 0; f < table->figure_count; f++) {
		count = 0;
		for (size_t i = 0; i < table->row_count; i++)
			if (table->rows[i].kind == RESULT_ENTITY &&
				strcmp(table->rows[i].method, method) == 0)
				column[count++] = table->rows[i].values[f];
		means[f] = mean_known(column, count);
	}
	mem_free(column);
	snprintf(entity, sizeof(entity), "mean of %zu", count);
	return result_add(table, RESULT_MEAN, method, entity, means, error);
}

struct plot *results_plot(struct results *results, const char *method, const char *entity)
{
	struct plot *plots, *plot;

	if (results->plot_count == RESULT_PLOTS_MAX)
		return NULL;
	plots = mem_resize(results->plots, results->plot_count + 1, sizeof(*plots));
	if (plots == NULL)
		return NULL;
	results->plots = plots;
	plot = &plots[results->plot_count++];
	*plot = (struct plot){.forecast = false};
	snprintf(plot->method, sizeof(plot->method), "%s", method);
	snprintf(plot->entity, sizeof(plot->entity), "%s", entity);
	return plot;
}

/* ---- text ---- */

void figure_write(const struct figure *figure, double value, char *text, size_t size)
{
	if (isnan(value)) {
		snprintf(text, size, "-");
		return;
	}
	switch (figure->style) {
	case FIGURE_PART:
		snprintf(text, size, "%.3f", value);
		break;
	case FIGURE_PERCENT:
		snprintf(text, size, "%.2f%%", value * 100);
		break;
	case FIGURE_SCORE:
		snprintf(text, size, "%.1f", value);
		break;
	case FIGURE_NUMBER:
		snprintf(text, size, "%.4g", value);
		break;
	case FIGURE_COUNT:
		snprintf(text, size, "%.0f", value);
		break;
	}
}

static void write_row(const struct result_table *table, const struct result_row *row, size_t width,
	struct buf *text)
{
	char value[32], name[RESULT_NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s%s", row->kind == RESULT_REFERENCE ? "reference, " : "",
		row->entity);
	buf_printf(text, "  %-*s", (int)width, name);
	for (size_t f = 0; f < table->figure_count; f++) {
		figure_write(&table->figures[f], row->values[f], value, sizeof(value));
		buf_printf(text, " %8s", value);
	}
	buf_add_char(text, '\n');
}

static void write_table(const struct result_table *table, struct buf *text)
{
	size_t width = 20;
	const char *method = "";

	for (size_t i = 0; i < table->row_count; i++) {
		size_t size = strlen(table->rows[i].entity) +
			(table->rows[i].kind == RESULT_REFERENCE ? strlen("reference, ") : 0);

		width = size > width ? size : width;
	}
	buf_printf(text, "\n%s\n  %-*s", table->title, (int)width, "");
	for (size_t f = 0; f < table->figure_count; f++)
		buf_printf(text, " %8s", table->figures[f].heading);
	buf_add_char(text, '\n');
	for (size_t i = 0; i < table->row_count; i++) {
		if (strcmp(table->rows[i].method, method) != 0) {
			method = table->rows[i].method;
			buf_printf(text, "%s\n", method);
		}
		write_row(table, &table->rows[i], width, text);
	}
}

void results_write_text(const struct results *results, struct buf *text)
{
	buf_printf(text, "data set %s\n", results->dataset);
	for (size_t i = 0; i < results->note_count; i++)
		buf_printf(text, "%s\n", results->notes[i]);
	for (size_t i = 0; i < results->table_count; i++)
		write_table(&results->tables[i], text);
}

/* ---- JSON ---- */

static void write_json_row(const struct result_table *table, const struct result_row *row,
	struct buf *text)
{
	static const char *const kinds[] = {"entity", "mean", "reference"};

	buf_printf(text, "{\"kind\":\"%s\",\"method\":", kinds[row->kind]);
	buf_add_json_string(text, row->method, strlen(row->method));
	buf_add_text(text, ",\"of\":");
	buf_add_json_string(text, row->entity, strlen(row->entity));
	for (size_t f = 0; f < table->figure_count; f++) {
		buf_printf(text, ",\"%s\":", table->figures[f].key);
		buf_add_json_number(text, row->values[f]);
	}
	buf_add_char(text, '}');
}

void results_write_json(const struct results *results, struct buf *text)
{
	buf_add_text(text, "{\"dataset\":");
	buf_add_json_string(text, results->dataset, strlen(results->dataset));
	buf_add_text(text, ",\"notes\":[");
	for (size_t i = 0; i < results->note_count; i++) {
		buf_add_text(text, i > 0 ? "," : "");
		buf_add_json_string(text, results->notes[i], strlen(results->notes[i]));
	}
	buf_add_char(text, ']');
	for (size_t i = 0; i < results->table_count; i++) {
		const struct result_table *table = &results->tables[i];

		buf_printf(text, ",\n\"%s\":[", table->key);
		for (size_t k = 0; k < table->row_count; k++) {
			buf_add_text(text, k > 0 ? ",\n" : "\n");
			write_json_row(table, &table->rows[k], text);
		}
		buf_add_char(text, ']');
	}
	buf_add_text(text, "}\n");
}
