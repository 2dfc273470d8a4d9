/*
 * A comparison as a table for the terminal, as JSON, and the advice in words.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/compare.h"

static const struct {
	const char *key, *heading, *meaning;
	int digits;
} figures[COMPARE_FIGURES] = {
	{"violated_percent", "violated %",
		"minutes in which more than 5 % of the requests were late or dropped", 2},
	{"bad_percent", "late %", "requests late or dropped", 2},
	{"cost", "x oracle", "pod-hours beside those of an oracle that knows the next two minutes",
		3},
	{"pod_hours", "pod-hours", "pods that existed, ready or not, times hours", 1},
	{"events_a_day", "events/d", "changes of the wanted number, a day", 0},
	{"reversals_a_day", "reversals/d",
		"changes against the one before within ten minutes, a day", 1},
	{"money", "money", "pod-hours times the price", 2},
};

const char *compare_figure_key(enum compare_figure figure)
{
	return figures[figure].key;
}

const char *compare_figure_heading(enum compare_figure figure)
{
	return figures[figure].heading;
}

const char *compare_figure_meaning(enum compare_figure figure)
{
	return figures[figure].meaning;
}

/* The first HPA that was asked for, to set the advice beside it. */
static const struct compare_row *hpa_row(const struct comparison *comparison)
{
	for (size_t i = 0; i < comparison->row_count; i++)
		if (strncmp(comparison->rows[i].policy, "hpa", 3) == 0)
			return &comparison->rows[i];
	return NULL;
}

void comparison_write_advice(const struct comparison *comparison, struct buf *text)
{
	const struct compare_advice *advice = &comparison->advice;
	const struct compare_row *yours = hpa_row(comparison);
	double objective = comparison->options->objective;

	if (!advice->asked)
		return;
	if (!advice->found) {
		buf_printf(text,
			"No HPA setting keeps violated minutes and late requests within %g %%; the "
			"nearest is a target of %g %% with a stabilization window of %d min: %.2f %% "
			"of minutes violated, %.2f %% of requests late, %.0f pod-hours.",
			objective, advice->target_percent, advice->window_s / 60, advice->violated,
			advice->bad, advice->pod_hours);
		return;
	}
	buf_printf(text,
		"The cheapest HPA within %g %% is a target of %g %% with a stabilization window of %d "
		"min: %.2f %% of minutes violated, %.2f %% of requests late, %.0f pod-hours",
		objective, advice->target_percent, advice->window_s / 60, advice->violated,
		advice->bad, advice->pod_hours);
	if (yours != NULL)
		buf_printf(text, "; %s takes %.0f at %.2f %% and %.2f %%", yours->policy,
			yours->figures[COMPARE_POD_HOURS].mean,
			yours->figures[COMPARE_VIOLATED].mean, yours->figures[COMPARE_BAD].mean);
	buf_add_text(text, ". It was chosen on this very traffic; another week may want another.");
}

static bool shown(const struct comparison *comparison, enum compare_figure figure)
{
	return figure != COMPARE_MONEY || comparison->options->price > 0;
}

static void write_number(double value, int digits, char *text, size_t size)
{
	if (isnan(value))
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.*f", digits, value);
}

static void write_row(const struct comparison *comparison, const struct compare_row *row,
	struct buf *text)
{
	buf_printf(text, "%-20s", row->policy);
	for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++) {
		char number[32], spread[32], cell[80];

		if (!shown(comparison, f))
			continue;
		write_number(row->figures[f].mean, figures[f].digits, number, sizeof(number));
		write_number(row->figures[f].deviation, figures[f].digits, spread, sizeof(spread));
		if (comparison->options->seeds > 1)
			snprintf(cell, sizeof(cell), "%s +-%s", number, spread);
		else
			snprintf(cell, sizeof(cell), "%s", number);
		buf_printf(text, " %*s", comparison->options->seeds > 1 ? 16 : 11, cell);
	}
	buf_add_char(text, '\n');
}

/* Four points of a learning curve are enough for a terminal. */
static void write_training(const struct compare_row *row, struct buf *text)
{
	const struct policy_training *training = &row->training;
	double days = 0;

	for (size_t i = 0; i < training->count; i++) {
		const struct policy_training_point *point = &training->points[i];

		days += point->days;
		if (i > 0 && (i + 1) % (POLICY_TRAINING_POINTS / 4) != 0 && i + 1 < training->count)
			continue;
		buf_printf(text,
			"%s, after %.0f training days: reward %.2f, violated %.2f %%, x oracle "
			"%.2f, epsilon %.2f\n",
			row->policy, days, point->reward, point->violated, point->cost,
			point->epsilon);
	}
}

static void write_trials(const struct compare_row *row, struct buf *text)
{
	for (size_t i = 0; i < row->trials.count; i++) {
		buf_printf(text, "%s, last nights: ", row->policy);
		off_policy_write_words(&row->trials.trials[i], text);
		buf_add_char(text, '\n');
	}
}

void comparison_write_text(const struct comparison *comparison, struct buf *text)
{
	const struct compare_options *options = comparison->options;
	const struct trace *trace = options->trace;

	buf_printf(text, "%s: %.1f days judged, %zu seed%s from %llu\n", trace->name,
		comparison->judged_minutes / 1440, options->seeds, options->seeds > 1 ? "s" : "",
		(unsigned long long)options->seed);
	for (size_t i = 0; i < trace->note_count; i++)
		buf_printf(text, "note: %s\n", trace->notes[i]);
	if (trace->notes_left_out > 0)
		buf_printf(text, "note: and %zu more\n", trace->notes_left_out);
	buf_printf(text, "%-20s", "");
	for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++)
		if (shown(comparison, f))
			buf_printf(text, " %*s", options->seeds > 1 ? 16 : 11, figures[f].heading);
	buf_add_char(text, '\n');
	for (size_t i = 0; i < comparison->row_count; i++)
		write_row(comparison, &comparison->rows[i], text);
	for (size_t i = 0; i < comparison->row_count; i++)
		write_training(&comparison->rows[i], text);
	for (size_t i = 0; i < comparison->row_count; i++)
		write_trials(&comparison->rows[i], text);
	if (comparison->advice.asked) {
		buf_add_char(text, '\n');
		comparison_write_advice(comparison, text);
		buf_add_char(text, '\n');
	}
}

/* ---- JSON ---- */

static void add_field(struct buf *text, const char *name, double value)
{
	buf_printf(text, ",\"%s\":", name);
	buf_add_json_number(text, value);
}

static void add_json_training(const struct policy_training *training, struct buf *text)
{
	if (training->count > 0)
		buf_add_text(text, ",\"training\":[");
	for (size_t i = 0; i < training->count; i++) {
		const struct policy_training_point *point = &training->points[i];

		buf_printf(text, "%s{\"days\":%.0f", i > 0 ? "," : "", point->days);
		add_field(text, "epsilon", point->epsilon);
		add_field(text, "reward", point->reward);
		add_field(text, "violated_percent", point->violated);
		add_field(text, "cost", point->cost);
		buf_add_char(text, '}');
	}
	if (training->count > 0)
		buf_add_char(text, ']');
}

static void add_json_row(const struct compare_row *row, struct buf *text)
{
	buf_add_text(text, "{\"policy\":");
	buf_add_json_string(text, row->policy, strlen(row->policy));
	for (enum compare_figure f = 0; f < COMPARE_FIGURES; f++) {
		const struct compare_spread *spread = &row->figures[f];

		buf_printf(text, ",\"%s\":{\"mean\":", figures[f].key);
		buf_add_json_number(text, spread->mean);
		add_field(text, "deviation", spread->deviation);
		add_field(text, "low", spread->low);
		add_field(text, "high", spread->high);
		buf_add_char(text, '}');
	}
	add_json_training(&row->training, text);
	if (row->trials.count > 0) {
		buf_add_text(text, ",\"trials\":");
		off_policy_write_json(&row->trials, text);
	}
	buf_add_char(text, '}');
}

static void add_json_advice(const struct comparison *comparison, struct buf *text)
{
	const struct compare_advice *advice = &comparison->advice;
	struct buf words;

	if (!advice->asked)
		return;
	buf_printf(text, ",\"advice\":{\"within_objective\":%s", advice->found ? "true" : "false");
	add_field(text, "target_percent", advice->target_percent);
	add_field(text, "stabilization_window_seconds", advice->window_s);
	add_field(text, "violated_percent", advice->violated);
	add_field(text, "bad_percent", advice->bad);
	add_field(text, "cost", advice->cost);
	add_field(text, "pod_hours", advice->pod_hours);
	buf_init(&words, 4096);
	comparison_write_advice(comparison, &words);
	buf_add_text(text, ",\"sentence\":");
	buf_add_json_string(text, words.data != NULL ? words.data : "", words.size);
	buf_fini(&words);
	buf_add_char(text, '}');
}

void comparison_write_json(const struct comparison *comparison, struct buf *text)
{
	const struct compare_options *options = comparison->options;
	const struct trace *trace = options->trace;

	buf_add_text(text, "{\"trace\":");
	buf_add_json_string(text, trace->name, strlen(trace->name));
	add_field(text, "judged_minutes", comparison->judged_minutes);
	add_field(text, "seeds", (double)options->seeds);
	add_field(text, "seed", (double)options->seed);
	add_field(text, "objective_percent", options->objective);
	add_field(text, "price", options->price);
	add_field(text, "pod_rate", options->plant.service_rate);
	add_field(text, "traffic_scale", options->scale);
	add_field(text, "oracle_pod_hours", comparison->oracle_pod_hours);
	buf_add_text(text, ",\"notes\":[");
	for (size_t i = 0; i < trace->note_count; i++) {
		buf_add_text(text, i > 0 ? "," : "");
		buf_add_json_string(text, trace->notes[i], strlen(trace->notes[i]));
	}
	buf_add_text(text, "],\"policies\":[");
	for (size_t i = 0; i < comparison->row_count; i++) {
		buf_add_text(text, i > 0 ? "," : "");
		add_json_row(&comparison->rows[i], text);
	}
	buf_add_char(text, ']');
	add_json_advice(comparison, text);
	buf_add_text(text, "}\n");
}
