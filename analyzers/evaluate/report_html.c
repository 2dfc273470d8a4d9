/*
 * The report as one HTML page: the tables, and drawings as inline SVG. Nothing is fetched, no script
 * runs; a method's drawings are folded away until they are asked for.
 */
#include <math.h>
#include <string.h>

#include "analyzers/evaluate/results.h"

#define HEIGHT 80.
#define FAN_HEIGHT 160.

static const char style[] =
	"body{font:14px system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
	"table{border-collapse:collapse;margin:1em 0}"
	"td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #eee}"
	"td:first-child,th:first-child{text-align:left}"
	"tr.method td{font-weight:bold;padding-top:8px}tr.mean{background:#eef4fb}"
	"tr.reference{color:#777;font-style:italic}"
	"svg{display:block;background:#fafafa;margin:2px 0 10px}"
	".score{fill:none;stroke:#1f5f99;stroke-width:1}.label{fill:#e8a33d;opacity:.45}"
	".alarm{fill:#c0392b}.band{fill:#9cc3e6;opacity:.6}.middle{fill:none;stroke:#1f5f99}"
	".actual{fill:none;stroke:#222}summary{cursor:pointer;margin:4px 0}"
	"@media(prefers-color-scheme:dark){body{background:#181a1b;color:#ddd}svg{background:#222}"
	"td,th{border-color:#333}tr.mean{background:#23303c}.actual{stroke:#ddd}}";

/* ---- tables ---- */

static void write_row(const struct result_table *table, const struct result_row *row,
	struct buf *text)
{
	static const char *const classes[] = {"entity", "mean", "reference"};
	char value[32];

	buf_printf(text, "<tr class=\"%s\"><td>%s", classes[row->kind],
		row->kind == RESULT_REFERENCE ? "reference, " : "");
	buf_add_html(text, row->entity);
	buf_add_text(text, "</td>");
	for (size_t f = 0; f < table->figure_count; f++) {
		figure_write(&table->figures[f], row->values[f], value, sizeof(value));
		buf_printf(text, "<td>%s</td>", value);
	}
	buf_add_text(text, "</tr>\n");
}

static void write_table(const struct result_table *table, struct buf *text)
{
	const char *method = "";

	buf_add_text(text, "<h2>");
	buf_add_html(text, table->title);
	buf_add_text(text, "</h2>\n<table><tr><th></th>");
	for (size_t f = 0; f < table->figure_count; f++) {
		buf_add_text(text, "<th title=\"");
		buf_add_html(text, table->figures[f].meaning);
		buf_add_text(text, "\">");
		buf_add_html(text, table->figures[f].heading);
		buf_add_text(text, "</th>");
	}
	buf_add_text(text, "</tr>\n");
	for (size_t i = 0; i < table->row_count; i++) {
		if (strcmp(table->rows[i].method, method) != 0) {
			method = table->rows[i].method;
			buf_printf(text, "<tr class=\"method\"><td colspan=\"%zu\">",
				table->figure_count + 1);
			buf_add_html(text, method);
			buf_add_text(text, "</td></tr>\n");
		}
		write_row(table, &table->rows[i], text);
	}
	buf_add_text(text, "</table>\n");
}

/* ---- drawings ---- */

struct frame {
	double low, high, height;
};

static double place(const struct frame *frame, float value)
{
	double part = ((double)value - frame->low) / (frame->high - frame->low);

	return frame->height - 2 - part * (frame->height - 10);
}

/* A line that is broken where there is no value. */
static void draw_line(const struct frame *frame, const float *values, size_t count,
	const char *class, struct buf *text)
{
	bool pen_down = false;

	buf_printf(text, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < count; i++) {
		if (isnan(values[i])) {
			pen_down = false;
			continue;
		}
		buf_printf(text, "%c%zu %.1f", pen_down ? 'L' : 'M', i, place(frame, values[i]));
		pen_down = true;
	}
	buf_add_text(text, "\"/>");
}

/* Runs of marked columns as boxes. */
static void draw_marks(const uint8_t *marks, size_t count, const char *class, double top,
	double height, struct buf *text)
{
	for (size_t i = 0; i < count; i++) {
		size_t end = i;

		while (end < count && marks[end])
			end++;
		if (end == i)
			continue;
		buf_printf(text,
			"<rect class=\"%s\" x=\"%zu\" y=\"%.0f\" width=\"%zu\" height=\"%.0f\"/>",
			class, i, top, end - i, height);
		i = end;
	}
}

static void draw_scores(const struct plot *plot, struct buf *text)
{
	struct frame frame = {0, 1, HEIGHT};

	buf_printf(text, "<svg viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\">", PLOT_COLUMNS,
		HEIGHT, PLOT_COLUMNS, HEIGHT);
	draw_marks(plot->labelled, plot->count, "label", 0, HEIGHT, text);
	draw_line(&frame, plot->value, plot->count, "score", text);
	draw_marks(plot->alarm, plot->count, "alarm", 0, 5, text);
	buf_add_text(text, "</svg>\n");
}

static void widen(struct frame *frame, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isfinite(values[i]))
			continue;
		frame->low = fmin(frame->low, (double)values[i]);
		frame->high = fmax(frame->high, (double)values[i]);
	}
}

static void draw_band(const struct frame *frame, const struct plot *plot, struct buf *text)
{
	for (size_t i = 0; i < plot->count; i++) {
		double top, bottom;

		if (isnan(plot->low[i]) || isnan(plot->high[i]))
			continue;
		top = place(frame, plot->high[i]);
		bottom = place(frame, plot->low[i]);
		buf_printf(text,
			"<rect class=\"band\" x=\"%zu\" y=\"%.1f\" width=\"1\" height=\"%.1f\"/>",
			i, top, fmax(bottom - top, .5));
	}
}

static void draw_fan(const struct plot *plot, struct buf *text)
{
	struct frame frame = {INFINITY, -INFINITY, FAN_HEIGHT};

	widen(&frame, plot->value, plot->count);
	widen(&frame, plot->low, plot->count);
	widen(&frame, plot->high, plot->count);
	if (!(frame.high > frame.low)) {
		buf_add_text(text, "<p>nothing to draw: it does not change</p>\n");
		return;
	}
	buf_printf(text, "<svg viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\">",
		PLOT_COLUMNS / 2, FAN_HEIGHT, PLOT_COLUMNS, FAN_HEIGHT * 2);
	draw_band(&frame, plot, text);
	draw_line(&frame, plot->value, plot->count, "actual", text);
	draw_line(&frame, plot->middle, plot->count, "middle", text);
	buf_add_text(text, "</svg>\n");
}

static void write_plots(const struct results *results, struct buf *text)
{
	const char *method = NULL;

	if (results->plot_count > 0)
		buf_add_text(text,
			"<h2>Drawings</h2><p>Scores: orange is labelled, red on top an alarm. "
			"Forecasts, at the farther horizon: what came, the forecast in blue, the "
			"interval of 90 % as a band.</p>\n");
	for (size_t i = 0; i < results->plot_count; i++) {
		const struct plot *plot = &results->plots[i];

		if (method == NULL || strcmp(plot->method, method) != 0) {
			buf_add_text(text, method != NULL ? "</details>\n" : "");
			method = plot->method;
			buf_add_text(text, "<details><summary>");
			buf_add_html(text, method);
			buf_add_text(text, "</summary>\n");
		}
		buf_add_text(text, "<div>");
		buf_add_html(text, plot->entity);
		buf_add_text(text, "</div>");
		if (plot->forecast)
			draw_fan(plot, text);
		else
			draw_scores(plot, text);
	}
	buf_add_text(text, method != NULL ? "</details>\n" : "");
}

void results_write_html(const struct results *results, struct buf *text)
{
	buf_add_text(text,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<title>NimbusGuard evaluation</title><style>");
	buf_add_text(text, style);
	buf_add_text(text, "</style></head><body>\n<h1>NimbusGuard evaluation: data set ");
	buf_add_html(text, results->dataset);
	buf_add_text(text, "</h1>\n");
	for (size_t i = 0; i < results->note_count; i++) {
		buf_add_text(text, "<p>");
		buf_add_html(text, results->notes[i]);
		buf_add_text(text, "</p>\n");
	}
	for (size_t i = 0; i < results->table_count; i++)
		write_table(&results->tables[i], text);
	write_plots(results, text);
	buf_add_text(text, "</body></html>\n");
}
