/*
 * A comparison as one HTML page: the table, a chart of each figure, violated minutes against pod-hours,
 * and what each policy did with the traffic, as inline SVG. Nothing is fetched, no script runs.
 */
#include <math.h>
#include <string.h>

#include "analyzers/scaler/compare.h"

#define WIDTH 900
#define HEIGHT 160
#define BAR_HEIGHT 18
#define COLUMNS 900

static const char style[] =
	"body{font:14px system-ui,sans-serif;margin:2em;color:#222;background:#fff}"
	"table{border-collapse:collapse;margin:1em 0}"
	"td,th{padding:2px 10px;text-align:right;border-bottom:1px solid #eee}"
	"td:first-child,th:first-child{text-align:left}small{color:#777}"
	"svg{display:block;background:#fafafa;margin:2px 0 10px}svg text{font-size:11px;fill:#555}"
	".rate{fill:none;stroke:#aaa}.wanted{fill:none;stroke:#1f5f99;stroke-width:1.3}"
	".violated{fill:#c0392b;opacity:.7}.bar{fill:#5b93c7}.whisker{stroke:#222}.dot{fill:#1f5f99}"
	".axis{stroke:#bbb}.objective{stroke:#c0392b;stroke-dasharray:4 3}.advice{background:#eef4fb;"
	"padding:8px 12px}"
	"@media(prefers-color-scheme:dark){body{background:#181a1b;color:#ddd}svg{background:#222}"
	"svg text{fill:#aaa}td,th{border-color:#333}.advice{background:#23303c}.whisker{stroke:#ddd}}";

static bool shown(const struct comparison *comparison, enum compare_figure figure)
{
	return figure != COMPARE_MONEY || comparison->options->price > 0;
}

static void write_table(const struct comparison *comparison, struct buf *text)
{
	buf_add_text(text, "<table><tr><th></th>");
	for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++) {
		if (!shown(comparison, f))
			continue;
		buf_add_text(text, "<th title=\"");
		buf_add_html(text, compare_figure_meaning(f));
		buf_add_text(text, "\">");
		buf_add_html(text, compare_figure_heading(f));
		buf_add_text(text, "</th>");
	}
	buf_add_text(text, "</tr>\n");
	for (size_t i = 0; i < comparison->row_count; i++) {
		const struct compare_row *row = &comparison->rows[i];

		buf_add_text(text, "<tr><td>");
		buf_add_html(text, row->policy);
		buf_add_text(text, "</td>");
		for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++) {
			const struct compare_spread *spread = &row->figures[f];

			if (!shown(comparison, f))
				continue;
			buf_printf(text, "<td>%.2f", spread->mean);
			if (comparison->options->seeds > 1)
				buf_printf(text, " <small>%.2f to %.2f</small>", spread->low,
					spread->high);
			buf_add_text(text, "</td>");
		}
		buf_add_text(text, "</tr>\n");
	}
	buf_add_text(text, "</table>\n");
}

/* A bar a policy, with a whisker from the lowest to the highest seed. */
static void write_bars(const struct comparison *comparison, enum compare_figure figure,
	struct buf *text)
{
	double most = 0, unit;
	size_t height = comparison->row_count * (BAR_HEIGHT + 4) + 4;

	for (size_t i = 0; i < comparison->row_count; i++)
		most = fmax(most, comparison->rows[i].figures[figure].high);
	unit = most > 0 ? 560 / most : 0;
	buf_add_text(text, "<div>");
	buf_add_html(text, compare_figure_heading(figure));
	buf_add_text(text, " <small>");
	buf_add_html(text, compare_figure_meaning(figure));
	buf_printf(text, "</small></div><svg width=\"%d\" height=\"%zu\">", WIDTH, height);
	for (size_t i = 0; i < comparison->row_count; i++) {
		const struct compare_spread *spread = &comparison->rows[i].figures[figure];
		size_t top = i * (BAR_HEIGHT + 4) + 4;

		buf_printf(text, "<text x=\"4\" y=\"%zu\">", top + 13);
		buf_add_html(text, comparison->rows[i].policy);
		buf_printf(text,
			"</text><rect class=\"bar\" x=\"180\" y=\"%zu\" width=\"%.1f\" "
			"height=\"%d\"/><path class=\"whisker\" d=\"M%.1f %zuH%.1f\"/>"
			"<text x=\"%.1f\" y=\"%zu\">%.2f</text>",
			top, fmax(0, spread->mean * unit), BAR_HEIGHT, 180 + spread->low * unit,
			top + BAR_HEIGHT / 2, 180 + spread->high * unit, 188 + spread->high * unit,
			top + 13, spread->mean);
	}
	buf_add_text(text, "</svg>\n");
}

/* ---- time ---- */

/* The highest of the minutes that fall into each column. */
static double column_of(const float *values, size_t first, size_t end)
{
	double highest = 0;

	for (size_t i = first; i < end; i++)
		highest = fmax(highest, (double)values[i]);
	return highest;
}

struct window {
	size_t first, minutes, columns;
};

static void draw_line(const struct window *window, const float *values, double most,
	const char *class, struct buf *text)
{
	buf_printf(text, "<path class=\"%s\" d=\"", class);
	for (size_t c = 0; c < window->columns; c++) {
		size_t first = window->first + c * window->minutes / window->columns;
		size_t end = window->first + (c + 1) * window->minutes / window->columns;

		buf_printf(text, "%c%zu %.1f", c > 0 ? 'L' : 'M', c,
			HEIGHT - 2 - column_of(values, first, end) / most * (HEIGHT - 14));
	}
	buf_add_text(text, "\"/>");
}

static void draw_violations(const struct window *window, const uint8_t *violated, struct buf *text)
{
	for (size_t c = 0; c < window->columns; c++) {
		size_t first = window->first + c * window->minutes / window->columns;
		size_t end = window->first + (c + 1) * window->minutes / window->columns;

		if (memchr(violated + first, 1, end - first) != NULL)
			buf_printf(text,
				"<rect class=\"violated\" x=\"%zu\" y=\"0\" width=\"1\" "
				"height=\"8\"/>",
				c);
	}
}

static void write_trail(const struct comparison *comparison, const struct compare_row *row,
	struct buf *text)
{
	const struct compare_options *options = comparison->options;
	struct window window = {.first = options->first_minute,
		.minutes = options->trace->minutes - options->first_minute};
	double highest, pods;

	window.columns = window.minutes < COLUMNS ? window.minutes : COLUMNS;
	highest = column_of(row->trail.rate, window.first, window.first + window.minutes);
	pods = column_of(row->trail.wanted, window.first, window.first + window.minutes);
	buf_add_text(text, "<div>");
	buf_add_html(text, row->policy);
	buf_printf(text,
		" <small>at most %.0f pods, %.0f requests/s</small></div>"
		"<svg viewBox=\"0 0 %zu %d\" width=\"%d\" height=\"%d\">",
		pods, highest, window.columns, HEIGHT, WIDTH, HEIGHT);
	draw_line(&window, row->trail.rate, fmax(highest, 1e-9), "rate", text);
	draw_line(&window, row->trail.wanted, fmax(pods, 1), "wanted", text);
	draw_violations(&window, row->trail.violated, text);
	buf_add_text(text, "</svg>\n");
}

/* ---- the trade ---- */

static void write_trade(const struct comparison *comparison, struct buf *text)
{
	double most_cost = 0, most_violated = comparison->options->objective * 2;

	for (size_t i = 0; i < comparison->row_count; i++) {
		const struct compare_spread *figures = comparison->rows[i].figures;

		most_cost = fmax(most_cost, figures[COMPARE_POD_HOURS].mean);
		most_violated = fmax(most_violated, figures[COMPARE_VIOLATED].mean);
	}
	if (!(most_cost > 0))
		return;
	buf_printf(text,
		"<div>violated minutes against pod-hours <small>(the square root of the per cent; "
		"down and left is better, dashed: the objective)</small></div>"
		"<svg width=\"%d\" height=\"300\"><path class=\"axis\" d=\"M40 10V280H%d\"/>",
		WIDTH, WIDTH - 20);
	buf_printf(text, "<path class=\"objective\" d=\"M40 %.1fH%d\"/>",
		280 - 260 * sqrt(comparison->options->objective / most_violated), WIDTH - 20);
	for (size_t i = 0; i < comparison->row_count; i++) {
		const struct compare_spread *figures = comparison->rows[i].figures;
		double x = 40 + 700 * figures[COMPARE_POD_HOURS].mean / most_cost;
		double y = 280 - 260 * sqrt(figures[COMPARE_VIOLATED].mean / most_violated);

		buf_printf(text,
			"<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>"
			"<text x=\"%.1f\" y=\"%.1f\">",
			x, y, x + 7, y - 5);
		buf_add_html(text, comparison->rows[i].policy);
		buf_add_text(text, "</text>");
	}
	buf_add_text(text, "</svg>\n");
}

/* ---- learning curves ---- */

static void write_curve(const double *values, size_t count, const char *heading, struct buf *text)
{
	double low = INFINITY, high = -INFINITY;

	for (size_t i = 0; i < count; i++) {
		low = fmin(low, values[i]);
		high = fmax(high, values[i]);
	}
	buf_printf(text,
		"<div><small>%s: %.2f to %.2f</small></div><svg width=\"%d\" height=\"80\">"
		"<path class=\"wanted\" d=\"",
		heading, low, high, WIDTH);
	for (size_t i = 0; i < count; i++) {
		double part = high > low ? (values[i] - low) / (high - low) : 0.5;

		buf_printf(text, "%c%zu %.1f", i > 0 ? 'L' : 'M',
			10 + i * (WIDTH - 20) / POLICY_TRAINING_POINTS, 74 - 68 * part);
	}
	buf_add_text(text, "\"/></svg>\n");
}

static void write_training(const struct compare_row *row, struct buf *text)
{
	double rewards[POLICY_TRAINING_POINTS], violated[POLICY_TRAINING_POINTS],
		costs[POLICY_TRAINING_POINTS];
	size_t count = row->training.count;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		rewards[i] = row->training.points[i].reward;
		violated[i] = row->training.points[i].violated;
		costs[i] = row->training.points[i].cost;
	}
	buf_add_text(text, "<h2>How ");
	buf_add_html(text, row->policy);
	buf_add_text(text,
		" learned</h2><p>Means over stretches of training days, from the first on.</p>\n");
	write_curve(rewards, count, "reward", text);
	write_curve(violated, count, "violated minutes, %", text);
	write_curve(costs, count, "pod-hours beside the oracle's", text);
}

static void write_trials(const struct compare_row *row, struct buf *text)
{
	if (row->trials.count == 0)
		return;
	buf_add_text(text, "<h2>What the replays of the last nights say of ");
	buf_add_html(text, row->policy);
	buf_add_text(text, "</h2><ul>\n");
	for (size_t i = 0; i < row->trials.count; i++) {
		struct buf words;

		buf_init(&words, 1024);
		off_policy_write_words(&row->trials.trials[i], &words);
		buf_add_text(text, "<li>");
		buf_add(text, words.data != NULL ? words.data : "", words.size);
		buf_add_text(text, "</li>\n");
		buf_fini(&words);
	}
	buf_add_text(text, "</ul>\n");
}

void comparison_write_html(const struct comparison *comparison, struct buf *text)
{
	const struct trace *trace = comparison->options->trace;

	buf_add_text(text,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<title>NimbusGuard simulation</title><style>");
	buf_add_text(text, style);
	buf_add_text(text, "</style></head><body>\n<h1>Autoscalers on ");
	buf_add_html(text, trace->name);
	buf_printf(text, "</h1>\n<p>%.1f days judged, %zu seeds.</p>\n",
		comparison->judged_minutes / 1440, comparison->options->seeds);
	if (comparison->advice.asked) {
		struct buf words;

		buf_init(&words, 4096);
		comparison_write_advice(comparison, &words);
		buf_add_text(text, "<p class=\"advice\">");
		buf_add_html(text, words.data != NULL ? words.data : "");
		buf_add_text(text, "</p>\n");
		buf_fini(&words);
	}
	for (size_t i = 0; i < trace->note_count; i++) {
		buf_add_text(text, "<p><small>");
		buf_add_html(text, trace->notes[i]);
		buf_add_text(text, "</small></p>\n");
	}
	write_table(comparison, text);
	write_trade(comparison, text);
	for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++)
		if (shown(comparison, f))
			write_bars(comparison, f, text);
	buf_add_text(text,
		"<h2>What each did</h2><p>Grey: requests, blue: pods wanted, each by its own scale; "
		"red on top: a violated minute. The first seed.</p>\n");
	for (size_t i = 0; i < comparison->row_count; i++)
		if (comparison->rows[i].trail.rate != NULL)
			write_trail(comparison, &comparison->rows[i], text);
	for (size_t i = 0; i < comparison->row_count; i++)
		write_training(&comparison->rows[i], text);
	for (size_t i = 0; i < comparison->row_count; i++)
		write_trials(&comparison->rows[i], text);
	buf_add_text(text, "</body></html>\n");
}
